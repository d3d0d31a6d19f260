#include "flow/registry.h"
#include "tests/unit/tap.h"

static struct session like(const char *id, uint64_t cgroup, uint32_t generation, const char *role)
{
	static const char *const groups[] = {"a", "b"};
	return (struct session){.who = {.session = id,
					.issuer = "i",
					.subject = "s",
					.owner = "o",
					.role = role,
					.expires = 1000},
				.cgroup_id = cgroup,
				.generation = generation,
				.groups = groups,
				.n_groups = 2};
}

static void test_life(struct registry *r)
{
	struct session *a = NULL, *b = NULL, *got = NULL, in = like("s-1", 7, 1, "viewer");
	CHECK_INT(registry_put(r, &in, &a), 0);
	CHECK_INT(registry_find(r, 7, 1, &got), 0);
	CHECK(got == a);
	session_unref(got);
	CHECK_INT(registry_find(r, 7, 2, &got),
		  ERR_NOT_FOUND); /* another life of the same cgroup */
	CHECK_INT(registry_find(r, 8, 1, &got), ERR_NOT_FOUND);
	atomic_fetch_add(&a->counts->ops, 5);

	in = like("s-1", 7, 1, "operator");
	in.who.expires = 2000;
	CHECK_INT(registry_put(r, &in, &b), 0);
	CHECK_INT(atomic_load(&b->counts->ops), 5); /* a renewal goes on counting */
	CHECK_STR(a->who.role, "viewer");	    /* who holds the old one sees no change */
	CHECK_INT(registry_find(r, 7, 1, &got), 0);
	CHECK(got == b);
	CHECK(session_is_over(got, 2000) && !session_is_over(got, 1999));
	CHECK_INT(got->n_groups, 2);
	CHECK_STR(got->groups[1], "b");
	session_unref(got);
	session_unref(a);
	session_unref(b);

	CHECK_INT(registry_remove(r, "s-1", &got), 0);
	session_unref(got);
	CHECK_INT(registry_remove(r, "s-1", &got), ERR_NOT_FOUND);
	CHECK_INT(registry_find(r, 7, 1, &got), ERR_NOT_FOUND);
}

static void test_replace(struct registry *r)
{
	struct session *a = NULL, in = like("s-2", 9, 1, "viewer");
	CHECK_INT(registry_put(r, &in, &a), 0);
	session_unref(a);
	in = like("s-3", 9, 1, "viewer"); /* one cgroup, one identity */
	CHECK_INT(registry_put(r, &in, &a), 0);
	session_unref(a);
	CHECK_INT(registry_remove(r, "s-2", &a), ERR_NOT_FOUND);
	CHECK_INT(registry_find(r, 9, 1, &a), 0);
	CHECK_STR(a->who.session, "s-3");
	CHECK_INT(atomic_load(&a->counts->ops), 0);
	session_unref(a);
}

static void test_bad(struct registry *r)
{
	struct session *a = NULL, in = like("", 9, 1, "viewer");
	CHECK_INT(registry_put(r, &in, &a), ERR_MALFORMED);
	in = like("s-4", 9, 1, "");
	CHECK_INT(registry_put(r, &in, &a), ERR_MALFORMED);
	in = like("s-4", 0, 1, "viewer");
	CHECK_INT(registry_put(r, &in, &a), ERR_MALFORMED);
}

int main(void)
{
	struct registry *r = NULL;
	CHECK_INT(registry_new(&r), 0);
	test_life(r);
	test_replace(r);
	test_bad(r);
	registry_free(r);
	return tap_done();
}
