/* What is told to people elsewhere, and how what they answer is known to be theirs. Pure. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "config_hooks.h"

#define NOTICE_SIGNATURE   68 /* "v1=" and 64 hex digits, and a NUL */
#define NOTICE_SKEW_S	   300
#define NOTICE_REPLAYS_MAX 4096

/* The body in the receiver's form. type: "request", "escalate", "release", "end", "grant",
 * "grant_end"; about: what approvals.h says of it. link: the console's page, or NULL. It names who,
 * for whom, what kind of thing, where, until when: neither the statement's text, which may hold
 * data, nor the agent's own words, which may hold anything. */
void notice_write(struct buf *out, enum hook_format format, const char *type, const json_t *about,
		  const char *link, int64_t now);
/* HMAC-SHA256 over "<time>.<body>". */
void notice_sign(struct span secret, int64_t time, struct span body, char out[NOTICE_SIGNATURE]);

/* Signatures that were seen, for as long as their time would let them in again. */
struct notice_replays {
	struct {
		char signature[NOTICE_SIGNATURE];
		int64_t until;
	} at[NOTICE_REPLAYS_MAX];
};
/* 0: signed by the secret's holder, now, and for the first time. ERR_MALFORMED, ERR_VERIFY,
 * ERR_EXPIRED (its time is more than NOTICE_SKEW_S off), ERR_EXISTS (seen), ERR_LIMIT (no room to
 * remember it: then it is not taken). */
must_check int notice_check(struct notice_replays *seen, struct span secret, struct span time,
			    struct span signature, struct span body, int64_t now);
