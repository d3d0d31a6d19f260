#include "proto/postgres/work.h"

#include <stdio.h>

#define OWN_NAME "sluice: columns of a COPY"
#define ASK_MAX	 (512 * 1024)

bool copy_is_asked(const struct sql_stmt *st, const struct masking *m, int index)
{
	const struct mask_result *r = masking_result(m, index);
	return st && st->kind == SQL_COPY_OUT && r && r->is_strict && !r->is_free && !r->is_closed &&
	       !masking_is_described(m, index);
}

static int send_own(struct pg *pg, uint8_t type, struct span body, enum track_kind kind, struct masking *m,
		    struct sink *out)
{
	/* What comes behind waits: if this fails the server reads on only behind a Sync. */
	struct track t = {.kind = kind, .is_own = true, .is_fence = true, .masking = masking_ref(m)};
	msg_add(out->to[TO_SERVER], type, body);
	return pg_track(pg, t);
}

static int send_named(struct pg *pg, uint8_t type, const char *name, struct masking *m, struct sink *out)
{
	char body[sizeof(OWN_NAME) + 2];
	int len = snprintf(body, sizeof(body), "S%s", name) + 1;
	return send_own(pg, type, span_of(body, (size_t)len),
			type == 'D' ? TRACK_DESCRIBE_STMT : TRACK_CLOSE_STMT, m, out);
}

static int send_shape(struct pg *pg, const char *name, const char *shape, struct sink *out)
{
	struct buf body;
	buf_init(&body, ASK_MAX);
	buf_add_cstr(&body, name);
	buf_add_cstr(&body, shape);
	buf_add_u16(&body, 0);
	int err = buf_err(&body) ? buf_err(&body)
				 : send_own(pg, 'P', buf_span(&body), TRACK_PARSE, NULL, out);
	buf_done(&body);
	return err;
}

int copy_ask(struct pg *pg, const char *shape, struct masking *m, bool is_query, struct sink *out)
{
	const char *name = is_query ? "" : OWN_NAME;
	int err = is_query ? 0 : send_named(pg, 'C', name, NULL, out);
	if (!err)
		err = send_shape(pg, name, shape, out);
	if (!err)
		err = send_named(pg, 'D', name, m, out);
	pg->in_segment = pg->is_unflushed = true;
	return err;
}

/* A Query behind it is not read either: our Sync brings the answer that it waits for. */
int copy_ask_failed(struct pg *pg, const struct msg_error_read *e, struct sink *out)
{
	struct track *t;
	struct op_result r = {.sqlstate = e->sqlstate, .error = e->message};
	pg->session.wants_facts = true;
	while ((t = tracks_head(&pg->tracks)) && t->is_own)
		tracks_pop(&pg->tracks);
	if (!t || t->kind != TRACK_QUERY)
		return ERR_STATE;
	if (t->op_id)
		out->ops->result(out, t->op_id, &r);
	t->has_failed = true;
	msg_add(out->to[TO_SERVER], 'S', (struct span){0});
	return 0;
}
