/* Result columns and rows, for the record. PostgreSQL documentation, "Message Formats":
 * RowDescription, DataRow, CopyData. A message may be cut at what was gathered of it. */
#include "proto/postgres/answer.h"

#include <stdlib.h>

#define COLUMN_REST 18 /* of a column's description behind its name */

static int read_columns(struct span head, struct span *names, uint16_t *formats)
{
	struct cur c = cur_of(head);
	int n = cur_u16(&c);
	if (n > MSG_COLUMNS)
		return 0;
	for (int i = 0; i < n; i++) {
		names[i] = cur_cstr(&c);
		(void)cur_bytes(&c, COLUMN_REST - 2);
		formats[i] = cur_u16(&c);
	}
	return cur_err(&c) ? 0 : n;
}

/* Keeps the names with the statement: an Execute has no description of its own. */
static void keep_columns(struct prepared *p, const struct span *names, int n)
{
	size_t len = 0;
	for (int i = 0; i < n; i++)
		len += names[i].len + 1;
	char *mem = malloc(len + 1), *to = mem;
	if (!mem)
		return;
	for (int i = 0; i < n; i++) {
		memcpy(to, names[i].p, names[i].len + 1);
		to += names[i].len + 1;
	}
	free(p->columns);
	p->columns = mem;
	p->n_columns = n;
}

void rows_described(struct pg *pg, struct track *t, struct span head, struct sink *out)
{
	struct span names[MSG_COLUMNS];
	uint16_t formats[MSG_COLUMNS];
	int n = read_columns(head, names, formats);
	(void)pg;
	if (t->kind == TRACK_QUERY)
		out->ops->columns(out, t->op_id, names, formats, n);
	else if (t->name)
		keep_columns(t->name->stmt, names, n);
}

static void say_columns(struct name *portal, int n, struct sink *out)
{
	struct span names[MSG_COLUMNS];
	uint16_t formats[MSG_COLUMNS];
	const struct prepared *p = portal->stmt;
	const char *at = p->n_columns == n ? p->columns : NULL;
	for (int i = 0; i < n; i++) {
		names[i] = span_str(at ? at : "");
		at = at ? at + names[i].len + 1 : NULL;
		formats[i] = !portal->n_formats ? 0
						: portal->formats[portal->n_formats == 1  ? 0
								  : i < portal->n_formats ? i
											  : 0];
	}
	portal->has_columns = true;
	out->ops->columns(out, portal->op_id, names, formats, n);
}

static int read_fields(struct span head, struct span *fields)
{
	struct cur c = cur_of(head);
	int n = cur_u16(&c);
	if (n > MSG_COLUMNS)
		return 0;
	for (int i = 0; i < n; i++) {
		uint32_t len = cur_u32(&c);
		bool is_cut = len != UINT32_MAX && len > cur_left(&c);
		fields[i] = len == UINT32_MAX ? (struct span){0}
					      : cur_bytes(&c, is_cut ? cur_left(&c) : len);
		if (len != UINT32_MAX && !fields[i].p)
			fields[i].p = (const uint8_t *)"";
	}
	return n;
}

void rows_data(struct pg *pg, struct track *t, struct span head, struct sink *out)
{
	struct span fields[MSG_COLUMNS];
	int n = read_fields(head, fields);
	uint64_t op_id = t->name ? t->name->op_id : t->op_id;
	(void)pg;
	if (!op_id)
		return;
	if (t->name && !t->name->has_columns)
		say_columns(t->name, n, out);
	out->ops->row(out, op_id, fields, n);
}

void rows_copy(struct track *t, struct span head, struct sink *out)
{
	uint64_t op_id = t->name ? t->name->op_id : t->op_id;
	if (op_id)
		out->ops->row(out, op_id, &head, 1);
}
