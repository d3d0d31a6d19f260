/* Messages of the frontend/backend protocol 3.0: building them and reading the ones that we look
 * into. PostgreSQL documentation, chapter "Frontend/Backend Protocol", "Message Formats". */
#pragma once

#include "base/buf.h"

#define MSG_HEADER 5 /* type, length */
#define MSG_SMALL_MAX                                                                              \
	10000 /* PostgreSQL's limit for messages without text (PQ_SMALL_MESSAGE_LIMIT) */
#define MSG_LARGE_MAX 0x3ffffffe /* and for the others (PQ_LARGE_MESSAGE_LIMIT) */
#define MSG_WHOLE_MAX                                                                              \
	(16 * 1024 * 1024) /* what we gather to decide on; longer ones are refused, 54000 */
/* In place of the server's own words. */
#define MSG_HIDDEN "(not shown: the server's words may quote masked values)"
#define MSG_COLUMNS 1664   /* MaxTupleAttributeNumber */

/* An error or notice to be sent. All but the first three may be NULL or 0. */
struct msg_error {
	const char *severity; /* "ERROR" or "FATAL" */
	const char *sqlstate;
	const char *message;
	const char *detail, *hint;
	int position; /* in characters, from 1 */
	const char *file, *routine; /* of PostgreSQL's parser, where it is its error; NULL: of us */
};

/* What was read of an ErrorResponse; strings borrowed from the message, "" where missing. */
struct msg_error_read {
	const char *severity, *sqlstate, *message;
	bool is_whole;	     /* to its end */
	bool has_position;   /* in the client's own text */
	bool has_inner;	     /* a context, a detail or a query inside */
};

/* A Bind, as read. Spans borrow from the message, arrays from the arena. */
struct msg_bind {
	struct span portal, statement;
	const struct span *params;
	const uint16_t *formats; /* one a parameter, expanded */
	int n_params;
	struct span result_formats; /* 16-bit codes as on the wire */
};

struct arena;

void msg_add(struct buf *b, uint8_t type, struct span body);
/* Takes the message at the front, if it is of this type and there whole; else nothing. */
bool msg_next(struct cur *in, uint8_t type, struct span *ret_body);
void msg_add_error(struct buf *b, const struct msg_error *e);
/* The same as a NoticeResponse. */
void msg_add_notice(struct buf *b, const struct msg_error *e);
/* The server's error or notice without a word of what it says. Borrows nothing. */
void msg_add_hidden(struct buf *b, uint8_t type, const struct msg_error_read *e);
void msg_add_ready(struct buf *b, uint8_t status);
/* A Query and a Bind that always fail, in every state of the server, without any effect: text that
 * no grammar takes, and a Bind with two format codes for one parameter. */
void msg_add_poison_query(struct buf *b);
void msg_add_poison_bind(struct buf *b, struct span statement);

/* The head of an ErrorResponse (may be cut): what is there of it. */
void msg_read_error(struct span head, struct msg_error_read *ret);
/* ERR_MALFORMED, -ENOMEM. */
must_check int msg_read_bind(struct span body, struct arena *a, struct msg_bind *ret);
/* The rows that a CommandComplete's tag counts: its last word, if that is a number. */
uint64_t msg_tag_rows(const char *tag);
/* Result format of column i: codes as on the wire (none: text; one: for all). */
uint16_t msg_format_at(struct span codes, int i);
