/* A replication connection: each command is an operation that the verb "replicate" decides; what it streams is
 * counted, not read. PostgreSQL documentation, "Streaming Replication Protocol". */
#include "proto/postgres/work.h"

#include <errno.h>

#define TAG_MAX 40

/* Its first words, for people: START_REPLICATION, IDENTIFY_SYSTEM, SHOW, ... */
static const char *tag_of(struct arena *a, struct span text)
{
	size_t n = 0;
	while (n < text.len && n < TAG_MAX && (text.p[n] == '_' || (unsigned)(text.p[n] | 0x20) - 'a' < 26u))
		n++;
	return n ? arena_strn(a, text.p, n) : "REPLICATION";
}

static int build(struct pg *pg, struct span text)
{
	struct op *op = &pg->deciding.op;
	struct need *need = arena_new(&pg->arena, struct need);
	const char *tag = tag_of(&pg->arena, text);
	if (!need || !tag)
		return -ENOMEM;
	*need = (struct need){.kind = NEED_PLAIN,
			      .verb = VERB_REPLICATE,
			      .class = CLASS_ADMIN,
			      .why = "a command of a replication connection"};
	*op = (struct op){.protocol = "postgres",
			  .class = CLASS_ADMIN,
			  .tag = tag,
			  .text = text,
			  .needs = need,
			  .n_needs = 1,
			  .database = pg->database,
			  .is_write = true,
			  .is_permanent = true,
			  .arena = &pg->arena};
	return 0;
}

static int replication_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	char detail[REFUSE_DETAIL];
	if (!decision_passes(d)) {
		struct msg_error e = refuse_words(pg, d, detail);
		return refuse_query(pg, &e, out);
	}
	struct track t = {.kind = TRACK_QUERY,
			  .seq = ++pg->last_seq,
			  .op_id = pg->deciding.op.id,
			  .is_fence = true,
			  .may_copy_in = true};
	op_accepted(pg);
	pg->streamed = 0;
	msg_add(out->to[TO_SERVER], 'Q', buf_span(&pg->client.body));
	return pg_track(pg, t);
}

int on_replication(struct pg *pg, struct span text, struct sink *out)
{
	op_begin(pg);
	pg->deciding.is_simple = true;
	int err = build(pg, text);
	return err ? err : op_decide(pg, out, replication_decided);
}
