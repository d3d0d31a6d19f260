#include "proto/postgres/msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

#define POISON "sluice: refused by policy"

void msg_add(struct buf *b, uint8_t type, struct span body)
{
	uint8_t *p = buf_reserve(b, MSG_HEADER + body.len);
	if (!p)
		return;
	size_t len = body.len + 4;
	p[0] = type;
	for (int i = 0; i < 4; i++)
		p[1 + i] = (uint8_t)(len >> (24 - 8 * i));
	if (body.len)
		memcpy(p + MSG_HEADER, body.p, body.len);
	buf_commit(b, MSG_HEADER + body.len);
}

bool msg_next(struct cur *in, uint8_t type, struct span *ret_body)
{
	struct cur at = *in;
	if (cur_left(in) < MSG_HEADER || cur_u8(&at) != type)
		return false;
	uint32_t len = cur_u32(&at);
	if (len < 4 || len - 4 > cur_left(&at))
		return false;
	*ret_body = cur_bytes(&at, (size_t)len - 4);
	*in = at;
	return true;
}

static void add_field(struct buf *b, char code, const char *text)
{
	if (!text || !*text)
		return;
	buf_add_u8(b, (uint8_t)code);
	buf_add_cstr(b, text);
}

static void add_report(struct buf *b, uint8_t type, const struct msg_error *e)
{
	char position[12] = "";
	size_t start = buf_len(b);
	if (e->position > 0)
		snprintf(position, sizeof(position), "%d", e->position);
	buf_add_u8(b, type);
	buf_add_u32(b, 0);
	add_field(b, 'S', e->severity);
	add_field(b, 'V', e->severity);
	add_field(b, 'C', e->sqlstate);
	add_field(b, 'M', e->message && *e->message ? e->message : "refused");
	add_field(b, 'D', e->detail);
	add_field(b, 'H', e->hint);
	add_field(b, 'P', position);
	add_field(b, 'F', e->file);
	add_field(b, 'R', e->routine ? e->routine : "sluice");
	buf_add_u8(b, 0);
	if (!buf_err(b))
		buf_put_u32_at(b, start + 1, (uint32_t)(buf_len(b) - start - 1));
}

void msg_add_error(struct buf *b, const struct msg_error *e)
{
	add_report(b, 'E', e);
}

void msg_add_notice(struct buf *b, const struct msg_error *e)
{
	add_report(b, 'N', e);
}

void msg_add_hidden(struct buf *b, uint8_t type, const struct msg_error_read *e)
{
	size_t start = buf_len(b);
	buf_add_u8(b, type);
	buf_add_u32(b, 0);
	add_field(b, 'S', e->severity);
	add_field(b, 'V', e->severity);
	add_field(b, 'C', e->sqlstate);
	add_field(b, 'M', MSG_HIDDEN);
	add_field(b, 'H', "Masks hide columns that this statement touches: what the server says may quote them.");
	buf_add_u8(b, 0);
	if (!buf_err(b))
		buf_put_u32_at(b, start + 1, (uint32_t)(buf_len(b) - start - 1));
}

void msg_add_ready(struct buf *b, uint8_t status)
{
	msg_add(b, 'Z', span_of(&status, 1));
}

void msg_add_poison_query(struct buf *b)
{
	msg_add(b, 'Q', span_of(POISON, sizeof(POISON)));
}

void msg_add_poison_bind(struct buf *b, struct span statement)
{
	static const uint8_t rest[] = {0, 2, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0};
	struct span name = statement.p ? statement : span_str(POISON);
	buf_add_u8(b, 'B');
	buf_add_u32(b, (uint32_t)(4 + 1 + name.len + 1 + sizeof(rest)));
	buf_add_u8(b, 0);
	buf_add_span(b, name);
	buf_add_u8(b, 0);
	buf_add(b, rest, sizeof(rest));
}

void msg_read_error(struct span head, struct msg_error_read *ret)
{
	struct cur c = cur_of(head);
	*ret = (struct msg_error_read){.severity = "", .sqlstate = "", .message = ""};
	for (uint8_t code; (code = cur_u8(&c)) != 0;) {
		struct span text = cur_cstr(&c);
		if (cur_err(&c))
			return;
		/* V is S untranslated, and comes behind it. */
		if (code == 'S' || code == 'V')
			ret->severity = (const char *)text.p;
		else if (code == 'C')
			ret->sqlstate = (const char *)text.p;
		else if (code == 'M')
			ret->message = (const char *)text.p;
		ret->has_position |= code == 'P';
		ret->has_inner |= strchr("DWpq", code) != NULL;
	}
	ret->is_whole = !cur_err(&c) && !cur_left(&c);
}

static bool read_formats(struct cur *c, struct span *ret)
{
	uint16_t n = cur_u16(c);
	*ret = cur_bytes(c, (size_t)n * 2);
	for (size_t i = 0; i < ret->len; i += 2)
		if (ret->p[i] || ret->p[i + 1] > 1)
			return false;
	return true;
}

uint16_t msg_format_at(struct span codes, int i)
{
	if (codes.len < 2)
		return 0;
	if (codes.len == 2)
		return codes.p[1];
	size_t at = (size_t)i * 2 + 1;
	return at < codes.len ? codes.p[at] : 0;
}

static int read_params(struct cur *c, struct span codes, struct arena *a, struct msg_bind *b)
{
	int n = cur_u16(c);
	if (codes.len > 2 && codes.len != (size_t)n * 2)
		return ERR_MALFORMED;
	struct span *params = arena_array(a, (size_t)n, sizeof(*params));
	uint16_t *formats = arena_array(a, (size_t)n, sizeof(*formats));
	if (!params || !formats)
		return -ENOMEM;
	for (int i = 0; i < n && !cur_err(c); i++) {
		uint32_t len = cur_u32(c);
		params[i] = len == UINT32_MAX ? (struct span){0} : cur_bytes(c, len);
		formats[i] = msg_format_at(codes, i);
	}
	b->params = params;
	b->formats = formats;
	b->n_params = n;
	return 0;
}

int msg_read_bind(struct span body, struct arena *a, struct msg_bind *ret)
{
	struct cur c = cur_of(body);
	struct msg_bind b = {.portal = cur_cstr(&c), .statement = cur_cstr(&c)};
	struct span codes;
	if (!read_formats(&c, &codes))
		return ERR_MALFORMED;
	int err = read_params(&c, codes, a, &b);
	if (err)
		return err;
	if (!read_formats(&c, &b.result_formats) || cur_err(&c) || cur_left(&c))
		return ERR_MALFORMED;
	*ret = b;
	return 0;
}

uint64_t msg_tag_rows(const char *tag)
{
	const char *last = strrchr(tag, ' ');
	uint64_t n = 0;
	for (const char *p = last ? last + 1 : ""; *p; p++) {
		if (*p < '0' || *p > '9' || n > UINT64_MAX / 10 - 1)
			return 0;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	return n;
}
