/* The probe on the machine at hand. Needs root. */
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "tests/unit/tap.h"

static const json_t *row(const json_t *rows, const char *feature)
{
	size_t i;
	json_t *r;
	json_array_foreach(rows, i, r) if (!strcmp(json_string_value(json_object_get(r, "feature")),
						   feature)) return r;
	return NULL;
}

/* Every row is whole, and what is missing by the rows are the gaps, and nothing else. */
static void test_shape(const json_t *rows, const json_t *gaps)
{
	size_t i, missing = 0;
	json_t *r;
	json_array_foreach(rows, i, r)
	{
		const char *need = json_string_value(json_object_get(r, "need"));
		CHECK(json_is_boolean(json_object_get(r, "have")));
		CHECK(need && (!strcmp(need, "required") || !strcmp(need, "optional")));
		CHECK(json_string_length(json_object_get(r, "cost")) > 0);
		CHECK(json_string_length(json_object_get(r, "remedy")) > 0);
		missing += json_is_false(json_object_get(r, "have"));
	}
	CHECK_INT(json_array_size(gaps), missing);
}

int main(void)
{
	struct stat s;
	json_t *rows = kernel_probe(), *gaps = kernel_gaps(NULL);
	test_shape(rows, gaps);
	CHECK_INT(json_is_true(json_object_get(row(rows, "btf"), "have")),
		  !stat("/sys/kernel/btf/vmlinux", &s));
	/* One object closes all four. */
	bool has_lsm = json_is_true(json_object_get(row(rows, "other_families"), "have"));
	CHECK_INT(json_is_true(json_object_get(row(rows, "unix_sockets"), "have")), has_lsm);
	CHECK_INT(json_is_true(json_object_get(row(rows, "foreign_sockets"), "have")), has_lsm);
	CHECK_INT(json_is_true(json_object_get(row(rows, "leaving_cgroup"), "have")), has_lsm);
	if (geteuid())
		SKIP("needs root");
	else
		CHECK(json_is_true(json_object_get(row(rows, "connect_hooks"), "have")));
	json_decref(rows);
	json_decref(gaps);
	return tap_done();
}
