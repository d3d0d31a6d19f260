/* Conversations: what each side says, what reaches the other, what is recorded. Each is run whole,
 * in pieces, byte by byte, and with every question held: the outcome is the same. */
#include "tests/unit/tap.h"

#include "rig.c"

struct talk {
	const char *name, *text, *server, *client, *log;
	int err;
	bool is_opaque_allowed, wants_rows, is_replication;
};

static const struct talk talks[] = {
#include "talk_table.h"
};

static void show(const char *name, const char *what, const char *is, const char *expected)
{
	if (strcmp(is, expected))
		printf("# %s: %s is\n%s\n# expected\n%s\n", name, what, is, expected);
}

static void run(const struct talk *t, size_t chunk, bool holds)
{
	struct rig r;
	rig_init(&r, chunk);
	r.holds = holds;
	r.is_opaque_allowed = t->is_opaque_allowed;
	r.wants_rows = t->wants_rows;
	r.is_replication = t->is_replication;
	if (t->is_opaque_allowed)
		r.denies = rig_allows_all;
	rig_begin(&r);
	rig_talk(&r, t->text);
	const char *log = rig_log(&r);
	show(t->name, "to the server", rig_text(&r, TO_SERVER), t->server);
	show(t->name, "to the client", rig_text(&r, TO_CLIENT), t->client);
	show(t->name, "the log", log, t->log);
	CHECK_STR(rig_text(&r, TO_SERVER), t->server);
	CHECK_STR(rig_text(&r, TO_CLIENT), t->client);
	CHECK_STR(log, t->log);
	CHECK_INT(r.err, t->err);
	rig_done(&r);
}

int main(void)
{
	rig_catalog = rig_small_catalog();
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		for (size_t chunk = 0; chunk < 8; chunk++)
			run(&talks[i], chunk, false);
		run(&talks[i], 0, true);
		run(&talks[i], 1, true);
	}
	catalog_unref(rig_catalog);
	return tap_done();
}
