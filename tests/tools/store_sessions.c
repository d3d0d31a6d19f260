/* A record of many sessions, by the real recorder: store_sessions DIR N
 * DIR/store and DIR/keys are made, as a daemon's state_dir has them, of node "node-07". Each session starts, has one
 * statement (of every tenth it is refused) and, the last hundred excepted, ends. */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/userspace/record/rig_talk.h"

#define LIVE 100

static int fail(struct rig *g, const char *what)
{
	fprintf(stderr, "store_sessions: %s\n", what);
	rig_kill(g);
	rig_done(g);
	exit(1);
}

static uint64_t put(struct rig *g, const struct buf *b)
{
	uint64_t ticket = 0;
	if (rig_put(g, 1, b, &ticket) < 0)
		fail(g, "the ring takes no events");
	return ticket;
}

static uint64_t session(struct rig *g, struct buf *b, int i, bool is_live)
{
	static const char *const names[] = {"Ada Lind", "Bo Ek", "Zoë Åström"};
	char id[32], subject[40], owner[60], database[40];
	struct who who = rig_who;
	snprintf(id, sizeof(id), "s-m%08d", i);
	snprintf(subject, sizeof(subject), "crew-%d", i % 97);
	snprintf(owner, sizeof(owner), "%s %d <pat@example.com>", names[i % 3], i % 11);
	snprintf(database, sizeof(database), "db-%d", i);
	who.session = id;
	who.subject = subject;
	who.owner = owner;
	const char *const groups[] = {"viewer"}, *const command[] = {"psql", "-d", database, "-c", "SELECT 1"};
	struct event_ctx c = rig_ctx(&who);
	c.flow = c.resource = NULL;
	buf_reset(b);
	event_session_start(b, &c, "run", "/sys/fs/cgroup/none", (uint64_t)i + 1, groups, 1, command, 5, "none");
	put(g, b);
	rig_op(b, &who, 1, "SELECT 1", i % 10 ? EFFECT_ALLOW : EFFECT_DENY);
	uint64_t ticket = put(g, b);
	if (is_live)
		return ticket;
	c.time_ns = clock_real_ns();
	buf_reset(b);
	event_session_end(b, &c, "session.end", "the command ended", 0);
	return put(g, b);
}

int main(int argc, char **argv)
{
	struct rig g;
	struct buf b;
	char kept[2][PATH_MAX], made[2][PATH_MAX + 16];
	int n = argc == 3 ? atoi(argv[2]) : 0;
	if (n < 1) {
		fputs("store_sessions DIR N\n", stderr);
		return 2;
	}
	buf_init(&b, RING_EVENT_MAX);
	rig_init(&g, NULL, 1ull << 30);
	if (!rig_says(&g, 0))
		return fail(&g, "the recorder does not start");
	uint64_t ticket = 0;
	for (int i = 0; i < n; i++)
		ticket = session(&g, &b, i, i >= n - LIVE);
	if (!rig_wait(&g, 1, ticket))
		return fail(&g, "the recorder does not write");
	if (rig_stop(&g) != 0)
		return 1;
	snprintf(made[0], sizeof(made[0]), "%s/store", g.dir);
	snprintf(made[1], sizeof(made[1]), "%s/keys", g.dir);
	snprintf(kept[0], sizeof(kept[0]), "%s/store", argv[1]);
	snprintf(kept[1], sizeof(kept[1]), "%s/keys", argv[1]);
	if (rename(made[0], kept[0]) < 0 || rename(made[1], kept[1]) < 0) {
		perror(argv[1]);
		return 1;
	}
	rig_done(&g);
	buf_done(&b);
	return 0;
}
