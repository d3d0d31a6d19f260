#include "control/http.h"

#include <stdlib.h>

#include "../../tap.h"

#define H "Host: x\r\n"

struct row {
	const char *in;
	int err;
	const char *path, *query, *body;
};

static const struct row rows[] = {
	{"GET / HTTP/1.1\r\n" H "\r\n", 0, "/", "", ""},
	{"GET /v1/a?b=c&d HTTP/1.1\r\n" H "Accept: */*\r\n\r\n", 0, "/v1/a", "b=c&d", ""},
	{"POST /p HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 0, "/p", "", "abc"},
	{"POST /p HTTP/1.1\r\n" H "content-length:3  \r\n\r\nabc", 0, "/p", "", "abc"},
	{"GET / HTTP/1.0\r\n" H "\r\n", 0, "/", "", ""},
	{"GET / HTTP/1.1\r\nHOST: x\r\n\r\n", 0, "/", "", ""},
	/* no host, two hosts */
	{"GET / HTTP/1.1\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\n" H H "\r\n", ERR_MALFORMED, 0, 0, 0},
	/* lengths that two readers could read differently */
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", ERR_MALFORMED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", ERR_MALFORMED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3,3\r\n\r\nabc", ERR_MALFORMED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", ERR_MALFORMED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", ERR_LIMIT, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 65537\r\n\r\n", ERR_LIMIT, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length : 3\r\n\r\nabc", ERR_MALFORMED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ERR_UNSUPPORTED, 0, 0, 0},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\ntransfer-encoding: x\r\n\r\nabc", ERR_UNSUPPORTED, 0,
	 0, 0},
	{"POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", ERR_UNSUPPORTED, 0, 0, 0},
	/* line ends and folds */
	{"GET / HTTP/1.1\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\nHost: x\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\n" H "A\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\n" H ": b\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1\r\n" H "A: \x01\r\n\r\n", ERR_MALFORMED, 0, 0, 0},
	{"\r\nGET / HTTP/1.1\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	/* request lines */
	{"GET  / HTTP/1.1\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/1.1 \r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET /\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{"G@T / HTTP/1.1\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{" / HTTP/1.1\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET / HTTP/2.0\r\n" H "\r\n", ERR_UNSUPPORTED, 0, 0, 0},
	{"GET http://x/ HTTP/1.1\r\n" H "\r\n", ERR_UNSUPPORTED, 0, 0, 0},
	{"OPTIONS * HTTP/1.1\r\n" H "\r\n", ERR_UNSUPPORTED, 0, 0, 0},
	{"GET /a#b HTTP/1.1\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
	{"GET /a\x7f HTTP/1.1\r\n" H "\r\n", ERR_MALFORMED, 0, 0, 0},
};

/* In memory of exactly its size, so that a sanitizer sees every over-read. */
static int parse(const char *in, size_t n, struct http_request *ret, char **ret_mem)
{
	*ret_mem = malloc(n ? n : 1);
	memcpy(*ret_mem, in, n);
	return http_parse(span_of(*ret_mem, n), ret);
}

static void parses_the_table(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r = {0};
		char *mem;
		int err = parse(rows[i].in, strlen(rows[i].in), &r, &mem);
		CHECK_INT(err, rows[i].err);
		if (err != rows[i].err)
			printf("  in: %s\n", rows[i].in);
		if (err == 0 && rows[i].err == 0) {
			CHECK(span_is(r.path, rows[i].path));
			CHECK(span_is(r.query, rows[i].query));
			CHECK(span_is(r.body, rows[i].body));
			CHECK_INT(r.len, strlen(rows[i].in));
		}
		free(mem);
	}
}

/* Of a good request every true prefix wants more; of a bad one a prefix wants more or is refused as the
 * whole is, never taken. */
static void is_the_same_however_split(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_steady = true;
		for (size_t n = 0; n < strlen(rows[i].in); n++) {
			struct http_request r;
			char *mem;
			int err = parse(rows[i].in, n, &r, &mem);
			is_steady =
				is_steady && (err == ERR_MORE || (rows[i].err != 0 && err == rows[i].err));
			free(mem);
		}
		CHECK(is_steady);
		if (!is_steady)
			printf("  in: %s\n", rows[i].in);
	}
}

static void limits_the_head(void)
{
	struct http_request r;
	struct buf b;
	buf_init(&b, 100000);
	buf_add_str(&b, "GET / HTTP/1.1\r\n" H);
	for (int i = 0; i < HTTP_HEADERS_MAX + 1; i++)
		buf_add_str(&b, "A: b\r\n");
	buf_add_str(&b, "\r\n");
	CHECK_INT(http_parse(buf_span(&b), &r), ERR_LIMIT);
	buf_reset(&b);
	buf_add_str(&b, "GET / HTTP/1.1\r\n" H "A: ");
	for (int i = 0; i < HTTP_HEAD_MAX; i++)
		buf_add_u8(&b, 'x');
	CHECK_INT(http_parse(buf_span(&b), &r), ERR_LIMIT);
	buf_done(&b);
}

static void finds_fields(void)
{
	struct http_request r;
	struct span v;
	CHECK_INT(http_parse(span_str("GET / HTTP/1.1\r\n" H "X-A:  b c \r\nx-a2: d\r\nTwice: 1\r\ntwice: 2\r\n"
				      "Cookie: a=1; __Host-sluice=x=y ;b=2; c=3; c=4\r\n\r\n"),
			     &r),
		  0);
	CHECK_INT(http_field(&r, "x-a", &v), 0);
	CHECK(span_is(v, "b c"));
	CHECK_INT(http_field(&r, "x-a2", &v), 0);
	CHECK(span_is(v, "d"));
	CHECK_INT(http_field(&r, "x", &v), ERR_NOT_FOUND);
	CHECK_INT(http_field(&r, "twice", &v), ERR_MALFORMED);
	CHECK_INT(http_cookie(&r, "a", &v), 0);
	CHECK(span_is(v, "1"));
	CHECK_INT(http_cookie(&r, "__Host-sluice", &v), 0);
	CHECK(span_is(v, "x=y"));
	CHECK_INT(http_cookie(&r, "sluice", &v), ERR_NOT_FOUND);
	CHECK_INT(http_cookie(&r, "c", &v), ERR_MALFORMED); /* which of two would another reader take? */
	CHECK_INT(http_parse(span_str("GET / HTTP/1.1\r\n" H "Cookie: a=1\r\nCookie: a=2\r\n\r\n"), &r), 0);
	CHECK_INT(http_cookie(&r, "a", &v), ERR_MALFORMED);
	CHECK_INT(http_parse(span_str("GET / HTTP/1.1\r\n" H "\r\n"), &r), 0);
	CHECK_INT(http_cookie(&r, "a", &v), ERR_NOT_FOUND);
}

static void reads_queries(void)
{
	char out[8];
	CHECK_INT(http_query(span_str("a=1&b=%2Fx+y"), "b", out, sizeof(out)), 0);
	CHECK_STR(out, "/x y");
	CHECK_INT(http_query(span_str("a"), "a", out, sizeof(out)), 0);
	CHECK_STR(out, "");
	CHECK_INT(http_query(span_str("ab=1"), "a", out, sizeof(out)), ERR_NOT_FOUND);
	CHECK_INT(http_query(span_str(""), "a", out, sizeof(out)), ERR_NOT_FOUND);
	CHECK_INT(http_query(span_str("a=1&a=2"), "a", out, sizeof(out)), ERR_MALFORMED);
	CHECK_INT(http_query(span_str("a=%4"), "a", out, sizeof(out)), ERR_MALFORMED);
	CHECK_INT(http_query(span_str("a=%zz"), "a", out, sizeof(out)), ERR_MALFORMED);
	CHECK_INT(http_query(span_str("a=%00"), "a", out, sizeof(out)), ERR_MALFORMED);
	CHECK_INT(http_query(span_str("a=1234567"), "a", out, sizeof(out)), 0);
	CHECK_INT(http_query(span_str("a=12345678"), "a", out, sizeof(out)), ERR_LIMIT);
}

static void writes_answers(void)
{
	struct buf b;
	buf_init(&b, 4096);
	http_answer_head(&b, 404, "text/plain", "", 2);
	buf_add_str(&b, "no");
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p,
		  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n"
		  "Cache-Control: no-store\r\n"
		  "Connection: close\r\nContent-Length: 2\r\n\r\nno");
	buf_reset(&b);
	http_chunk(&b, span_str("0123456789abcdef"));
	http_chunk(&b, (struct span){0});
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p, "10\r\n0123456789abcdef\r\n0\r\n\r\n");
	buf_done(&b);
}

int main(void)
{
	parses_the_table();
	is_the_same_however_split();
	limits_the_head();
	finds_fields();
	reads_queries();
	writes_answers();
	return tap_done();
}
