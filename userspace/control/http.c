#include "control/http.h"

#include <strings.h>

#include "base/macro.h"

/* = RFC 9110 5.6.2: token */
static bool is_tchar(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_tchar(s.p[i]))
			return false;
	return s.len > 0;
}

static bool is_name(struct span s, const char *name)
{
	return s.len == strlen(name) && !strncasecmp((const char *)s.p, name, s.len);
}

/* Takes a line off the front. = RFC 9112 2.2: "a sender MUST NOT generate a bare CR"; a bare LF, which a
 * recipient MAY take for a line's end, is not taken for one here. */
static int next_line(struct span *in, struct span *ret)
{
	const uint8_t *lf = in->len ? memchr(in->p, '\n', in->len) : NULL;
	size_t len = lf ? (size_t)(lf - in->p) : in->len;
	const uint8_t *cr = len ? memchr(in->p, '\r', len) : NULL;
	if (!lf)
		return cr && cr + 1 != in->p + len ? ERR_MALFORMED : ERR_MORE;
	if (!cr || cr + 1 != lf)
		return ERR_MALFORMED;
	*ret = span_of(in->p, len - 1);
	*in = span_of(lf + 1, in->len - len - 1);
	return 0;
}

static struct span cut_at(struct span *s, uint8_t c)
{
	const uint8_t *at = s->len ? memchr(s->p, c, s->len) : NULL;
	struct span front = span_of(s->p, at ? (size_t)(at - s->p) : s->len);
	*s = at ? span_of(at + 1, s->len - front.len - 1) : span_of(s->p + s->len, 0);
	return front;
}

static int parse_target(struct span target, struct http_request *r)
{
	if (!target.len)
		return ERR_MALFORMED;
	for (size_t i = 0; i < target.len; i++)
		if (target.p[i] <= ' ' || target.p[i] >= 0x7f || target.p[i] == '#')
			return ERR_MALFORMED;
	if (target.p[0] != '/')
		return ERR_UNSUPPORTED;
	r->query = target;
	r->path = cut_at(&r->query, '?');
	return 0;
}

/* = RFC 9112 3: request-line = method SP request-target SP HTTP-version */
static int parse_request_line(struct span line, struct http_request *r)
{
	r->method = cut_at(&line, ' ');
	struct span target = cut_at(&line, ' ');
	if (!is_token(r->method) || line.len != 8 || memcmp(line.p, "HTTP/", 5))
		return ERR_MALFORMED;
	if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
		return ERR_UNSUPPORTED;
	return parse_target(target, r);
}

struct fields {
	int n_hosts, n_lengths;
	size_t body_len;
};

static int parse_length(struct span v, size_t *ret)
{
	size_t n = 0;
	if (!v.len)
		return ERR_MALFORMED;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return ERR_MALFORMED;
		n = n * 10 + (size_t)(v.p[i] - '0');
		if (n > HTTP_BODY_MAX)
			return ERR_LIMIT;
	}
	*ret = n;
	return 0;
}

static struct span trim(struct span v)
{
	for (; v.len && (*v.p == ' ' || *v.p == '\t'); v.len--)
		v.p++;
	while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	return v;
}

/* = RFC 9112 5: field-line; 5.1: no space before the colon; 5.2: a folded line is refused. */
static int parse_field(struct span line, struct fields *f)
{
	if (!memchr(line.p, ':', line.len))
		return ERR_MALFORMED;
	struct span name = cut_at(&line, ':'), value = trim(line);
	if (!is_token(name))
		return ERR_MALFORMED;
	for (size_t i = 0; i < value.len; i++)
		if ((value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
			return ERR_MALFORMED;
	if (is_name(name, "host"))
		return f->n_hosts++ ? ERR_MALFORMED : 0;
	if (is_name(name, "content-length"))
		return f->n_lengths++ ? ERR_MALFORMED : parse_length(value, &f->body_len);
	if (is_name(name, "transfer-encoding") || is_name(name, "expect") || is_name(name, "upgrade"))
		return ERR_UNSUPPORTED;
	return 0;
}

static int parse_fields(struct span *in, struct fields *f)
{
	struct span line;
	for (int i = 0; i <= HTTP_HEADERS_MAX; i++) {
		int r = next_line(in, &line);
		if (r < 0)
			return r;
		if (!line.len)
			return 0;
		r = parse_field(line, f);
		if (r < 0)
			return r;
	}
	return ERR_LIMIT;
}

int http_parse(struct span in, struct http_request *ret)
{
	struct span rest = span_of(in.p, MIN(in.len, (size_t)HTTP_HEAD_MAX)), line;
	struct http_request r = {0};
	struct fields f = {0};
	int err = next_line(&rest, &line);
	if (err == 0)
		err = parse_request_line(line, &r);
	const uint8_t *fields = rest.p;
	if (err == 0)
		err = parse_fields(&rest, &f);
	if (err == ERR_MORE && in.len >= HTTP_HEAD_MAX)
		return ERR_LIMIT;
	if (err < 0)
		return err;
	/* = RFC 9112 3.2: "A server MUST respond with a 400 ... to any HTTP/1.1 request message that lacks a
	 * Host header field"; asked of HTTP/1.0 too. */
	if (f.n_hosts != 1)
		return ERR_MALFORMED;
	size_t head_len = (size_t)(rest.p - in.p);
	r.fields = span_of(fields, (size_t)(rest.p - fields) - 2); /* without the empty line */
	if (in.len - head_len < f.body_len)
		return ERR_MORE;
	r.body = span_of(in.p + head_len, f.body_len);
	r.len = head_len + f.body_len;
	*ret = r;
	return 0;
}

int http_field(const struct http_request *r, const char *name, struct span *ret)
{
	struct span rest = r->fields, line, value = {0};
	int n = 0;
	while (next_line(&rest, &line) == 0) {
		struct span key = cut_at(&line, ':');
		if (is_name(key, name) && n++ == 0)
			value = trim(line);
	}
	if (n != 1)
		return n ? ERR_MALFORMED : ERR_NOT_FOUND;
	*ret = value;
	return 0;
}

int http_cookie(const struct http_request *r, const char *name, struct span *ret)
{
	struct span rest, value = {0};
	int n = 0, err = http_field(r, "cookie", &rest);
	if (err < 0)
		return err;
	while (rest.len) {
		struct span v = cut_at(&rest, ';'), key;
		v = trim(v);
		key = cut_at(&v, '=');
		if (span_is(key, name) && n++ == 0)
			value = v;
	}
	if (n != 1)
		return n ? ERR_MALFORMED : ERR_NOT_FOUND;
	*ret = value;
	return 0;
}

static int hex(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static int unescape(struct span s, char *out, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		int c = s.p[i] == '+' ? ' ' : s.p[i];
		if (s.p[i] == '%') {
			int hi = s.len - i > 2 ? hex(s.p[i + 1]) : -1, lo = hi >= 0 ? hex(s.p[i + 2]) : -1;
			if (lo < 0)
				return ERR_MALFORMED;
			c = hi << 4 | lo;
			i += 2;
		}
		if (c == 0)
			return ERR_MALFORMED;
		if (n + 1 >= size)
			return ERR_LIMIT;
		out[n++] = (char)c;
	}
	out[n] = 0;
	return 0;
}

int http_query(struct span query, const char *key, char *out, size_t size)
{
	int found = ERR_NOT_FOUND;
	while (query.len) {
		struct span value = cut_at(&query, '&'), name = cut_at(&value, '=');
		if (!span_is(name, key))
			continue;
		if (found != ERR_NOT_FOUND)
			return ERR_MALFORMED;
		found = unescape(value, out, size);
		if (found < 0)
			return found;
	}
	return found;
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{303, "See Other"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{422, "Unprocessable Content"},
		{429, "Too Many Requests"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
	};
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

void http_answer_head(struct buf *out, int status, const char *type, const char *more, int64_t body_len)
{
	buf_printf(out,
		   "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nX-Content-Type-Options: nosniff\r\n"
		   "Cache-Control: no-store\r\nConnection: close\r\n%s",
		   status, http_reason(status), type, more);
	if (body_len >= 0)
		buf_printf(out, "Content-Length: %lld\r\n\r\n", (long long)body_len);
	else
		buf_add_str(out, "Transfer-Encoding: chunked\r\n\r\n");
}

void http_chunk(struct buf *out, struct span data)
{
	buf_printf(out, "%zx\r\n", data.len);
	buf_add_span(out, data);
	buf_add_str(out, "\r\n");
}
