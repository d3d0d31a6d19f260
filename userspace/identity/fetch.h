/* One HTTP exchange with a server of the operator's choosing (keys, OpenID provider, a notice's
 * receiver), by libcurl. What the network may do is bounded: one request, one host, so many bytes,
 * so long; https only (http to a literal loopback address), no redirects, no login in the URL.
 * Blocks. */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define FETCH_HEADERS_MAX 8

struct fetch {
	const char *url;
	const char *ca_file;	 /* PEM in place of the system's authorities; NULL: the system's */
	const char *body, *type; /* a POST of the body with this Content-Type; NULL: a GET */
	const char *user, *password; /* HTTP Basic; NULL: none */
	const char
	    *headers[FETCH_HEADERS_MAX]; /* whole lines without their ends; up to the first NULL */
	int timeout_ms;			 /* for all of it */
	size_t limit;			 /* bytes of an answer */
};

/* 0: there is an answer, of whatever status; ret_text is the caller's, NUL-terminated. ERR_CONFIG
 * (the URL), ERR_LIMIT, -ETIMEDOUT, ERR_UPSTREAM (refused, bad certificate), -ENOMEM. why: a
 * sentence that names the URL. */
must_check int fetch_url(const struct fetch *f, long *ret_status, char **ret_text, size_t *ret_len,
			 char *ret_why, size_t why_size);
