/* The three forms share a state: where in the row we are, and the field of a masked column that is not
 * whole yet. The server escapes a newline in text and quotes one in CSV: a bare one ends the row. */
#include "proto/postgres/copy_mask.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "proto/postgres/copy_split.h"

#define SHOWN_SLACK 4096 /* a masked value may be longer than what it stands for; beyond it is NULL */

enum at {
	AT_FIELD, /* text and CSV: in a field, outside quotes */
	AT_ESCAPED, /* behind a backslash, or the escape inside quotes: the next byte is data */
	AT_QUOTED,
	AT_QUOTE, /* behind a quote inside quotes: the end of them, or of an escaped one */
};

struct copy_mask {
	const struct mask_result *r;
	struct sql_copy form;
	struct span null;
	enum copy_for whom;
	bool is_header;	/* the line that is being read */
	enum at at;
	bool was_quoted, is_begun; /* the field; something of the row has been read */
	int column;
	size_t field_max;
	struct buf field; /* what came before of a masked field; binary: or of a number */
	struct buf value; /* without escapes */
	struct buf shown; /* masked */
	int (*feed)(struct copy_mask *m, struct cur *in, struct buf *out);
	/* binary */
	int (*step)(struct copy_mask *m, struct cur *in, struct buf *out);
	uint32_t left;
	uint64_t masked;
	/* Of rows that come whole: the masked columns, and where fields end. */
	int n_masked;
	uint32_t *columns, *ends;
	uint32_t mem[]; /* these, and null */
};

static const struct mask_how *how_of(const struct copy_mask *m, int column)
{
	const struct mask_column *c = &m->r->columns[column];
	return m->whom == COPY_FOR_CLIENT ? c->client : c->record;
}

static const struct mask_how *how_at(const struct copy_mask *m)
{
	return m->is_header || m->column >= m->r->n ? NULL : how_of(m, m->column);
}

static int keep(struct copy_mask *m, const uint8_t *from, const uint8_t *to)
{
	size_t n = (size_t)(to - from);
	if (n > m->field_max || buf_len(&m->field) > m->field_max - n)
		return ERR_LIMIT;
	buf_add(&m->field, from, n);
	return buf_err(&m->field);
}

/* ---- text and CSV: values ---- */

typedef uint8_t bytes8 __attribute__((vector_size(8), aligned(1)));

/* Is a, b or one of the bytes from backspace to carriage return in it? Of the last eight some are looked at twice. */
static bool has_special(struct span v, uint8_t a, uint8_t b)
{
	bytes8 any = {0}, x;
	if (v.len < sizeof(x)) {
		bool has = false;
		for (size_t i = 0; i < v.len; i++)
			has |= v.p[i] == a || v.p[i] == b || (uint8_t)(v.p[i] - '\b') < 6;
		return has;
	}
	for (size_t i = 0, last = v.len - sizeof(x); i <= last; i = i < last ? MIN(i + sizeof(x), last) : last + 1) {
		memcpy(&x, v.p + i, sizeof(x));
		any |= (bytes8)(x == a) | (bytes8)(x == b) | (bytes8)((bytes8)(x - '\b') < 6);
	}
	uint64_t bits;
	memcpy(&bits, &any, sizeof(bits));
	return bits;
}

static uint8_t unescaped(uint8_t c)
{
	static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
	const char *at = c ? strchr(from, c) : NULL;
	return at ? (uint8_t)to[at - from] : c;
}

static struct span read_text(struct span raw, struct buf *out)
{
	if (!memchr(raw.p, '\\', raw.len))
		return raw;
	for (size_t i = 0; i < raw.len; i++) {
		bool is_escape = raw.p[i] == '\\' && i + 1 < raw.len;
		buf_add_u8(out, is_escape ? unescaped(raw.p[++i]) : raw.p[i]);
	}
	return buf_span(out);
}

static void write_text(const struct copy_mask *m, struct span v, struct buf *out)
{
	static const uint8_t letters[128] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
					     ['\t'] = 't', ['\v'] = 'v', ['\\'] = '\\'};
	if (!has_special(v, '\\', m->form.delimiter)) {
		buf_add_span(out, v);
		return;
	}
	uint8_t *p = buf_reserve(out, 2 * v.len), *start = p;
	for (size_t i = 0; p && i < v.len; i++) {
		uint8_t c = v.p[i], letter = c < 128 ? letters[c] : 0;
		if (letter || c == m->form.delimiter)
			*p++ = '\\';
		*p++ = letter ? letter : c;
	}
	if (start)
		buf_commit(out, (size_t)(p - start));
}

static struct span read_csv(const struct copy_mask *m, struct span raw, struct buf *out)
{
	bool is_quoted = false;
	if (!m->was_quoted)
		return raw;
	for (size_t i = 0; i < raw.len; i++) {
		uint8_t c = raw.p[i], next = i + 1 < raw.len ? raw.p[i + 1] : 0;
		bool is_escape = is_quoted && c == m->form.escape && i + 1 < raw.len &&
				 (next == m->form.quote || next == m->form.escape);
		if (is_escape)
			buf_add_u8(out, raw.p[++i]);
		else if (c == m->form.quote)
			is_quoted = !is_quoted;
		else
			buf_add_u8(out, c);
	}
	return buf_span(out);
}

/* By what is shown alone: that the server quoted what stood there tells what was in it. */
static bool wants_quotes(const struct copy_mask *m, struct span v)
{
	if (m->form.forces_quotes || span_eq(v, m->null) || span_is(v, "\\."))
		return true;
	if (!has_special(v, m->form.quote, m->form.delimiter))
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] == m->form.delimiter || v.p[i] == m->form.quote || v.p[i] == '\n' || v.p[i] == '\r')
			return true;
	return false;
}

static void write_csv(const struct copy_mask *m, struct span v, struct buf *out)
{
	if (!wants_quotes(m, v)) {
		buf_add_span(out, v);
		return;
	}
	buf_add_u8(out, m->form.quote);
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] == m->form.quote || v.p[i] == m->form.escape)
			buf_add_u8(out, m->form.escape);
		buf_add_u8(out, v.p[i]);
	}
	buf_add_u8(out, m->form.quote);
}

/* In CSV a value that looks like NULL comes quoted; in text it does not, but for \N, which no value looks like: there
 * any other NULL is masked as a value, or it would tell whether a value is the asker's NULL string. */
static bool is_null_field(const struct copy_mask *m, struct span raw)
{
	bool is_certain = m->form.format == COPY_CSV || span_is(m->null, "\\N");
	return is_certain && !m->was_quoted && span_eq(raw, m->null);
}

/* A field as it came, masked. NULL stays NULL. */
static void write_field(struct copy_mask *m, const struct mask_how *how, struct span raw, struct buf *out)
{
	bool is_csv = m->form.format == COPY_CSV;
	if (is_null_field(m, raw)) {
		buf_add_span(out, raw);
		return;
	}
	buf_reset(&m->value);
	buf_reset(&m->shown);
	struct span v = is_csv ? read_csv(m, raw, &m->value) : read_text(raw, &m->value);
	uint32_t type = m->r->columns[m->column].type;
	bool is_value = !buf_err(&m->value) && mask_value_in(m->r->catalog, how, type, 0, v, &m->shown);
	m->masked++;
	if (!is_value || buf_err(&m->shown))
		buf_add_span(out, m->null);
	else if (is_csv)
		write_csv(m, buf_span(&m->shown), out);
	else
		write_text(m, buf_span(&m->shown), out);
}

/* ---- text and CSV: where fields end ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1)));

/* The first of a, b, c; end if there is none. */
static const uint8_t *find(const uint8_t *p, const uint8_t *end, uint8_t a, uint8_t b, uint8_t c)
{
	for (; end - p >= 16; p += 16) {
		bytes16 v;
		uint64_t any[2];
		memcpy(&v, p, sizeof(v));
		bytes16 hit = (bytes16)(v == a) | (bytes16)(v == b) | (bytes16)(v == c);
		memcpy(any, &hit, sizeof(any));
		if (any[0] | any[1])
			break;
	}
	while (p < end && *p != a && *p != b && *p != c)
		p++;
	return p;
}

/* At the delimiter or newline that ends the field; end: it is not there yet. */
static const uint8_t *text_field(struct copy_mask *m, const uint8_t *p, const uint8_t *end)
{
	uint8_t delimiter = m->form.delimiter;
	while (p < end) {
		if (m->at == AT_ESCAPED) {
			m->at = AT_FIELD;
			p++;
			continue;
		}
		p = find(p, end, delimiter, '\n', '\\');
		if (p == end || *p != '\\')
			return p;
		m->at = AT_ESCAPED;
		p++;
	}
	return p;
}

static const uint8_t *csv_quoted(struct copy_mask *m, const uint8_t *p, const uint8_t *end)
{
	uint8_t quote = m->form.quote, escape = m->form.escape;
	p = find(p, end, quote, escape, quote);
	if (p == end)
		return p;
	m->at = *p == quote ? AT_QUOTE : AT_ESCAPED;
	return p + 1;
}

static const uint8_t *csv_field(struct copy_mask *m, const uint8_t *p, const uint8_t *end)
{
	uint8_t quote = m->form.quote;
	while (p < end) {
		if (m->at == AT_QUOTED) {
			p = csv_quoted(m, p, end);
		} else if (m->at == AT_ESCAPED) {
			m->at = AT_QUOTED;
			p++;
		} else if (m->at == AT_QUOTE && *p == quote && m->form.escape == quote) {
			m->at = AT_QUOTED;
			p++;
		} else {
			m->at = AT_FIELD;
			p = find(p, end, m->form.delimiter, '\n', quote);
			if (p == end || *p != quote)
				return p;
			m->at = AT_QUOTED;
			m->was_quoted = true;
			p++;
		}
	}
	return p;
}

/* At the byte that ends the field. */
static int next_field(struct copy_mask *m, uint8_t end)
{
	bool is_row = end == '\n';
	m->was_quoted = false;
	m->is_begun = !is_row;
	m->column++;
	if (is_row ? m->column != m->r->n : m->column >= m->r->n)
		return ERR_DENIED;
	if (is_row) {
		m->column = 0;
		m->is_header = false;
	}
	return 0;
}

static int end_masked(struct copy_mask *m, const struct mask_how *how, struct span here, struct buf *out)
{
	if (!buf_len(&m->field)) {
		if (here.len > m->field_max)
			return ERR_LIMIT;
		write_field(m, how, here, out);
		return 0;
	}
	int err = keep(m, here.p, here.p + here.len);
	if (err)
		return err;
	write_field(m, how, buf_span(&m->field), out);
	buf_reset(&m->field);
	return 0;
}

/* One row, whole, as the server sends them: what is between masked fields goes over in one piece. False: it is not
 * that, nothing was done. */
static bool feed_row(struct copy_mask *m, struct cur *in, struct buf *out)
{
	struct span row = span_of(in->p, cur_left(in));
	bool is_start = !m->is_begun && !m->column && !m->is_header && m->at == AT_FIELD;
	if (!is_start || row.len > m->field_max || !copy_split(&m->form, row, m->ends, m->r->n))
		return false;
	size_t plain = 0;
	for (int i = 0; i < m->n_masked; i++) {
		m->column = (int)m->columns[i];
		size_t from = m->column ? (size_t)m->ends[m->column - 1] + 1 : 0, to = m->ends[m->column];
		struct span field = span_of(row.p + from, to - from);
		buf_add(out, row.p + plain, from - plain);
		m->was_quoted = m->form.format == COPY_CSV && memchr(field.p, m->form.quote, field.len);
		write_field(m, how_at(m), field, out);
		plain = to;
	}
	buf_add(out, row.p + plain, row.len - plain);
	m->column = 0;
	m->was_quoted = false;
	in->p = in->end;
	return true;
}

static int feed_lines(struct copy_mask *m, struct cur *in, struct buf *out)
{
	if (feed_row(m, in, out))
		return 0;
	const uint8_t *plain = in->p, *p = in->p, *end = in->end;
	bool is_csv = m->form.format == COPY_CSV;
	while (p < end) {
		const struct mask_how *how = how_at(m);
		const uint8_t *from = p;
		m->is_begun = true;
		p = is_csv ? csv_field(m, p, end) : text_field(m, p, end);
		int err = 0;
		if (how) {
			buf_add(out, plain, (size_t)(from - plain));
			plain = p;
			err = p < end ? end_masked(m, how, span_of(from, (size_t)(p - from)), out)
				      : keep(m, from, p);
		}
		if (!err && p < end)
			err = next_field(m, *p++);
		if (err)
			return err;
	}
	buf_add(out, plain, (size_t)(end - plain));
	in->p = end;
	return 0;
}

/* ---- binary ---- */

#define SIGNATURE_LEN 11
#define HEAD_LEN      (SIGNATURE_LEN + 4 + 4) /* and flags, length of the extension */

/* The next n bytes, gathered in field; false: they are not all there. They go on as they are. */
static bool take(struct copy_mask *m, struct cur *in, size_t n, struct cur *ret)
{
	size_t more = MIN(n - buf_len(&m->field), cur_left(in));
	buf_add_span(&m->field, cur_bytes(in, more));
	if (buf_len(&m->field) < n)
		return false;
	*ret = cur_of(buf_span(&m->field));
	return true;
}

static void pass_taken(struct copy_mask *m, struct buf *out)
{
	buf_add_span(out, buf_span(&m->field));
	buf_reset(&m->field);
}

static int binary_tuple(struct copy_mask *m, struct cur *in, struct buf *out);
static int binary_length(struct copy_mask *m, struct cur *in, struct buf *out);

static int binary_pass(struct copy_mask *m, struct cur *in, struct buf *out)
{
	size_t n = MIN((size_t)m->left, cur_left(in));
	buf_add_span(out, cur_bytes(in, n));
	m->left -= (uint32_t)n;
	if (m->left)
		return ERR_MORE;
	m->step = m->column < m->r->n && m->is_begun ? binary_length : binary_tuple;
	return 0;
}

static int binary_head(struct copy_mask *m, struct cur *in, struct buf *out)
{
	static const uint8_t signature[SIGNATURE_LEN] = "PGCOPY\n\377\r\n";
	struct cur c;
	if (!take(m, in, HEAD_LEN, &c))
		return ERR_MORE;
	bool is_known = !memcmp(cur_bytes(&c, SIGNATURE_LEN).p, signature, SIGNATURE_LEN);
	uint32_t flags = cur_u32(&c);
	m->left = cur_u32(&c);
	if (!is_known || flags || m->left > INT32_MAX)
		return ERR_MALFORMED;
	pass_taken(m, out);
	m->step = binary_pass;
	return 0;
}

static int binary_over(struct copy_mask *m, struct cur *in, struct buf *out)
{
	(void)m;
	(void)out;
	return cur_left(in) ? ERR_MALFORMED : ERR_MORE;
}

static int binary_tuple(struct copy_mask *m, struct cur *in, struct buf *out)
{
	struct cur c;
	if (!take(m, in, 2, &c))
		return ERR_MORE;
	uint16_t n = cur_u16(&c);
	pass_taken(m, out);
	m->is_begun = n != UINT16_MAX;
	m->column = 0;
	m->step = !m->is_begun ? binary_over : n ? binary_length : binary_tuple;
	return m->is_begun && n != m->r->n ? ERR_DENIED : 0;
}

static void next_value(struct copy_mask *m)
{
	m->column++;
	m->is_begun = m->column < m->r->n;
	m->step = m->is_begun ? binary_length : binary_tuple;
}

static int binary_value(struct copy_mask *m, struct cur *in, struct buf *out)
{
	struct cur c;
	if (m->left && !take(m, in, m->left, &c))
		return buf_err(&m->field) ? buf_err(&m->field) : ERR_MORE;
	const struct mask_how *how = how_at(m);
	buf_reset(&m->shown);
	uint32_t type = m->r->columns[m->column].type;
	bool is_value = mask_value_in(m->r->catalog, how, type, 1, buf_span(&m->field), &m->shown);
	is_value &= !buf_err(&m->shown);
	buf_add_u32(out, is_value ? (uint32_t)buf_len(&m->shown) : UINT32_MAX);
	if (is_value)
		buf_add_span(out, buf_span(&m->shown));
	buf_reset(&m->field);
	m->masked++;
	next_value(m);
	return 0;
}

static int binary_length(struct copy_mask *m, struct cur *in, struct buf *out)
{
	struct cur c;
	if (!take(m, in, 4, &c))
		return ERR_MORE;
	uint32_t len = cur_u32(&c);
	bool is_null = len == UINT32_MAX;
	if (!is_null && len > INT32_MAX)
		return ERR_MALFORMED;
	if (is_null || !how_at(m)) {
		pass_taken(m, out);
		next_value(m);
		m->left = is_null ? 0 : len;
		if (m->left)
			m->step = binary_pass;
		return 0;
	}
	if (len > m->field_max)
		return ERR_LIMIT;
	buf_reset(&m->field);
	m->left = len;
	m->step = binary_value;
	return 0;
}

static int feed_binary(struct copy_mask *m, struct cur *in, struct buf *out)
{
	int err = 0;
	while (!err)
		err = m->step(m, in, out);
	return err == ERR_MORE ? 0 : err;
}

/* ---- the whole ---- */

int copy_mask_new(const struct mask_result *r, const struct sql_copy *form, enum copy_for whom,
		  size_t field_max, struct copy_mask **ret_m)
{
	size_t null_len = strlen(form->null), n = (size_t)r->n;
	struct copy_mask *m = calloc(1, sizeof(*m) + 2 * n * sizeof(*m->mem) + null_len + 1);
	if (!m)
		return -ENOMEM;
	m->columns = m->mem;
	m->ends = m->columns + n;
	m->r = r;
	m->form = *form;
	m->form.null = memcpy(m->ends + n, form->null, null_len);
	m->null = span_of(m->form.null, null_len);
	m->whom = whom;
	for (int i = 0; i < r->n; i++)
		if (how_of(m, i))
			m->columns[m->n_masked++] = (uint32_t)i;
	m->field_max = field_max;
	m->is_header = form->has_header;
	m->feed = form->format == COPY_BINARY ? feed_binary : feed_lines;
	m->step = binary_head;
	buf_init(&m->field, MAX(field_max, (size_t)HEAD_LEN));
	buf_init(&m->value, field_max);
	buf_init(&m->shown, field_max + SHOWN_SLACK);
	*ret_m = m;
	return 0;
}

void copy_mask_free(struct copy_mask *m)
{
	if (!m)
		return;
	buf_done(&m->field);
	buf_done(&m->value);
	buf_done(&m->shown);
	free(m);
}

int copy_mask_feed(struct copy_mask *m, struct span bytes, struct buf *out, uint64_t *ret_masked)
{
	struct cur in = cur_of(bytes);
	uint64_t before = m->masked;
	int err = m->feed(m, &in, out);
	*ret_masked += m->masked - before;
	return err;
}

int copy_mask_end(const struct copy_mask *m)
{
	bool is_binary = m->form.format == COPY_BINARY;
	bool is_whole = is_binary ? m->step == binary_over : !m->is_begun && !m->column;
	return is_whole ? 0 : ERR_MALFORMED;
}
