/* HTTP/1.1 requests as the admin API takes them (RFC 9112), strictly: one request a connection, an
 * origin-form target, a body by Content-Length. Pure: bytes in, a description out. */
#pragma once

#include "base/buf.h"

#define HTTP_HEAD_MAX	 8192
#define HTTP_BODY_MAX	 (64 * 1024)
#define HTTP_HEADERS_MAX 64

/* Spans borrow from the input. */
struct http_request {
	struct span method, path, query; /* path without the query, still escaped */
	struct span fields; /* the header's lines, each with its CR LF */
	struct span body;
	size_t len; /* of the whole request */
};

/* 0: whole, body included. ERR_MORE; ERR_MALFORMED (answer 400); ERR_LIMIT (413 or 431);
 * ERR_UNSUPPORTED (501: a transfer coding, an expectation, another version or form of target). */
must_check int http_parse(struct span in, struct http_request *ret);

/* The value of a query parameter, unescaped, NUL-terminated, into out. 0; ERR_NOT_FOUND; ERR_MALFORMED (bad
 * escape, NUL, twice); ERR_LIMIT (does not fit). */
must_check int http_query(struct span query, const char *key, char *out, size_t size);

/* The value of a header field (name: lower case). 0; ERR_NOT_FOUND; ERR_MALFORMED: it stands there twice. */
must_check int http_field(const struct http_request *r, const char *name, struct span *ret);
/* The value of a cookie (RFC 6265 4.2.1), borrowed. 0; ERR_NOT_FOUND; ERR_MALFORMED (twice). */
must_check int http_cookie(const struct http_request *r, const char *name, struct span *ret);

/* The head of an answer; more: whole header lines, or "". body_len -1: chunked. */
void http_answer_head(struct buf *out, int status, const char *type, const char *more, int64_t body_len);
const char *http_reason(int status);
/* One chunk; an empty span writes the last one. */
void http_chunk(struct buf *out, struct span data);
