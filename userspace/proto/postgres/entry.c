#include "proto/postgres/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "base/pg_auth.h"

/* Of the client (PostgreSQL's own limit is 65,535, of which SCRAM needs 300) and of the server: less than what may stay
 * unread. */
#define ANSWER_MAX   (16 * 1024)
#define MESSAGE_MAX  (32 * 1024)
#define GREETING_MAX (64 * 1024)
#define SCRAM	     "SCRAM-SHA-256"

enum state {
	BEGUN,	   /* the startup packet is sent */
	PASSWORD,  /* the client is to answer: a password, or its md5 */
	MECHANISM, /* ... with SCRAM's first message */
	FIRST,	   /* which the server has */
	PROOF,	   /* ... with its final one */
	PROVED,	   /* which the server has */
	ANSWERED,  /* AuthenticationOk may come */
	IN,	   /* came */
	ASKED,	   /* what names mean to this session */
	DONE,
};

struct entry {
	enum state state;
	bool is_tls, is_verified; /* towards the server */
	uint32_t pid, key;
	char *search_path, *user;
	struct buf greeting;
};

/* What its names mean is the session's own: a role may have settings. */
static const char question[] = "SELECT pg_catalog.current_setting('search_path'), current_user";

/* why is of ours, and holds nothing that was said. */
static int refuse(struct pg *pg, struct sink *out, const char *sqlstate, const char *why)
{
	struct msg_error e = {.severity = "FATAL", .sqlstate = sqlstate, .message = why};
	msg_add_error(out->to[TO_CLIENT], &e);
	pg->phase = PG_OVER;
	(void)!out->ops->entered(out, &(struct entered){.why = why});
	return ERR_CLOSED;
}

static int malformed(struct pg *pg, struct sink *out)
{
	return refuse(pg, out, "08P01", "the upstream's side of the login is malformed");
}

int entry_begin(struct pg *pg, const struct dialled *d, struct sink *out)
{
	struct entry *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	buf_init(&e->greeting, GREETING_MAX);
	e->is_tls = d->is_tls;
	e->is_verified = d->is_verified;
	pg->entry = e;
	pg->phase = PG_ENTERING;
	buf_add_span(out->to[TO_SERVER], d->startup);
	return 0;
}

struct span entry_greeting(const struct entry *e)
{
	return buf_span(&e->greeting);
}

const char *entry_search_path(const struct entry *e)
{
	return e->search_path;
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	buf_done(&e->greeting);
	free(e->search_path);
	free(e->user);
	free(e);
}

/* A whole message at the front of in, at most max bytes; else 0 (not all there), ERR_MALFORMED,
 * ERR_LIMIT. 1: it is taken. */
static int take(struct cur *in, size_t max, struct span *ret_whole)
{
	struct cur c = *in;
	if (cur_left(&c) < MSG_HEADER)
		return 0;
	(void)cur_u8(&c);
	size_t len = (size_t)cur_u32(&c) + 1;
	if (len < MSG_HEADER)
		return ERR_MALFORMED;
	if (len > max)
		return ERR_LIMIT;
	if (cur_left(in) < len)
		return 0;
	*ret_whole = cur_bytes(in, len);
	return 1;
}

static struct span body_of(struct span whole)
{
	return span_of(whole.p + MSG_HEADER, whole.len - MSG_HEADER);
}

/* ---- the client's answers ---- */

static const char garbled[] = "the client's side of the login is malformed";
static const char unbound[] = "TLS ends at the gateway, so SCRAM cannot be bound to the server's: "
			      "set channel_binding=disable";

/* GS2's header says whether the client would have bound the login (RFC 5802, 7): a server with TLS
 * takes "y" for a sign that somebody stands between, and is right. */
static const char *scram_fault(const struct entry *e, struct span body)
{
	struct cur c = cur_of(body);
	struct span mechanism = cur_cstr(&c);
	uint32_t len = cur_u32(&c);
	struct span first = cur_bytes(&c, cur_left(&c));
	if (cur_err(&c) || len != first.len || first.len < 3)
		return garbled;
	if (!span_is(mechanism, SCRAM) || first.p[0] == 'p')
		return unbound;
	if (first.p[0] == 'y' && e->is_tls)
		return unbound;
	bool is_plain =
	    (first.p[0] == 'n' || first.p[0] == 'y') && first.p[1] == ',' && first.p[2] == ',';
	return is_plain ? NULL : garbled;
}

static const char *answer_fault(const struct entry *e, struct span body)
{
	if (e->state == MECHANISM)
		return scram_fault(e, body);
	if (e->state == PASSWORD && memchr(body.p, 0, body.len) != body.p + body.len - 1)
		return garbled;
	return NULL;
}

static bool is_awaited(const struct entry *e)
{
	return e->state == PASSWORD || e->state == MECHANISM || e->state == PROOF;
}

int entry_client(struct pg *pg, struct cur *in, struct sink *out)
{
	static const enum state next[] = {
	    [PASSWORD] = ANSWERED, [MECHANISM] = FIRST, [PROOF] = PROVED};
	struct entry *e = pg->entry;
	struct span whole = {0};
	if (!cur_left(in))
		return 0;
	if (*in->p == 'X') {
		pg->phase = PG_OVER;
		return ERR_CLOSED;
	}
	if (*in->p != 'p')
		return refuse(pg, out, "08P01", "the client says something else than who it is");
	if (!is_awaited(e))
		return 0;
	int got = take(in, ANSWER_MAX, &whole);
	if (!got)
		return 0;
	const char *fault = got < 0 ? garbled : answer_fault(e, body_of(whole));
	if (fault)
		return refuse(pg, out, fault == garbled ? "08P01" : "28000", fault);
	sink_pass(out, FROM_CLIENT, whole);
	e->state = next[e->state];
	return 0;
}

/* ---- what the server asks for ---- */

static bool offers_scram(struct span list)
{
	struct cur c = cur_of(list);
	bool has = false;
	for (;;) {
		struct span name = cur_cstr(&c);
		if (cur_err(&c))
			return false;
		if (!name.len)
			return has;
		has |= span_is(name, SCRAM);
	}
}

static int offer(struct pg *pg, struct span rest, struct sink *out)
{
	static const uint8_t ours[] = "\0\0\0\012" SCRAM "\0"; /* and the end of the list */
	if (!offers_scram(rest))
		return refuse(pg, out, "28000",
			      "the upstream offers no SCRAM-SHA-256, and no other mechanism is "
			      "passed through");
	msg_add(out->to[TO_CLIENT], 'R', span_of(ours, sizeof(ours)));
	pg->entry->state = MECHANISM;
	return 0;
}

static int let_in(struct pg *pg, struct sink *out)
{
	struct entry *e = pg->entry;
	if (e->state == BEGUN)
		return refuse(pg, out, "28000",
			      "the upstream lets anybody in from the gateway's address: nobody has "
			      "shown who they are");
	if (e->state != ANSWERED)
		return malformed(pg, out);
	e->state = IN;
	return 0;
}

static int authentication(struct pg *pg, struct span whole, struct sink *out)
{
	static const struct {
		uint32_t code;
		enum state from, to;
		size_t len; /* of the rest; SIZE_MAX: any */
	} steps[] = {
	    {AUTH_CLEARTEXT, BEGUN, PASSWORD, 0},
	    {AUTH_MD5, BEGUN, PASSWORD, 4},
	    {AUTH_SASL_CONTINUE, FIRST, PROOF, SIZE_MAX},
	    {AUTH_SASL_FINAL, PROVED, ANSWERED, SIZE_MAX},
	};
	struct entry *e = pg->entry;
	struct cur c = cur_of(body_of(whole));
	uint32_t code = cur_u32(&c);
	struct span rest = cur_bytes(&c, cur_left(&c));
	if (cur_err(&c) || e->state >= IN)
		return malformed(pg, out);
	if (code == AUTH_OK)
		return rest.len ? malformed(pg, out) : let_in(pg, out);
	if (code == AUTH_SASL && e->state == BEGUN)
		return offer(pg, rest, out);
	if (code == AUTH_CLEARTEXT && !e->is_verified)
		return refuse(
		    pg, out, "28000",
		    "the upstream asks for the password in clear, and it is not sure who it is "
		    "(sslmode=verify-full): refused");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].code != code || steps[i].from != e->state)
			continue;
		if (steps[i].len != SIZE_MAX && steps[i].len != rest.len)
			return malformed(pg, out);
		e->state = steps[i].to;
		sink_pass(out, FROM_SERVER, whole);
		return 0;
	}
	if (e->state != BEGUN)
		return malformed(pg, out);
	return refuse(pg, out, "28000",
		      "the upstream asks for a way to log in that is not passed through");
}

/* ---- once it is in ---- */

static int take_row(struct entry *e, struct span body)
{
	char **const into[] = {&e->search_path, &e->user};
	struct cur c = cur_of(body);
	if (cur_u16(&c) != ARRAY_LEN(into) || e->user)
		return ERR_MALFORMED;
	for (size_t i = 0; i < ARRAY_LEN(into); i++) {
		struct span value = cur_bytes(&c, cur_u32(&c));
		if (cur_err(&c) || memchr(value.p, 0, value.len))
			return ERR_MALFORMED;
		*into[i] = strndup((const char *)value.p, value.len);
		if (!*into[i])
			return -ENOMEM;
	}
	return cur_left(&c) ? ERR_MALFORMED : 0;
}

static int hand_over(struct pg *pg, struct sink *out)
{
	struct entry *e = pg->entry;
	e->state = DONE;
	pg->hold = HOLD_DIAL;
	pg->is_held_here =
	    true; /* while the server was listened to: the client's side is not told */
	int err = out->ops->entered(
	    out, &(struct entered){.user = e->user, .pid = e->pid, .key = e->key});
	return err ? err : ERR_STATE;
}

static int ready(struct pg *pg, struct span body, struct sink *out)
{
	struct entry *e = pg->entry;
	if (body.len != 1 || *body.p != 'I' || e->state < IN)
		return malformed(pg, out);
	if (pg->is_replication)
		return hand_over(pg, out);
	if (e->state == ASKED)
		return e->user ? hand_over(pg, out)
			       : refuse(pg, out, "58000",
					"the upstream does not say what names mean to this login");
	msg_add(out->to[TO_SERVER], 'Q', span_of(question, sizeof(question)));
	e->state = ASKED;
	return 0;
}

/* In the server's own words, as a client hears them without us. */
static int on_error(struct pg *pg, struct span whole, struct sink *out)
{
	struct msg_error_read said;
	char why[80];
	msg_read_error(body_of(whole), &said);
	snprintf(why, sizeof(why), "the upstream refused the client's login (SQLSTATE %.5s)",
		 said.sqlstate);
	if (pg->entry->state == ASKED)
		return refuse(pg, out, "58000",
			      "the upstream does not say what names mean to this login");
	sink_pass(out, FROM_SERVER, whole);
	pg->phase = PG_OVER;
	(void)!out->ops->entered(out, &(struct entered){.why = why});
	return ERR_CLOSED;
}

static int on_message(struct pg *pg, struct span whole, struct sink *out)
{
	struct entry *e = pg->entry;
	struct span body = body_of(whole);
	struct cur c = cur_of(body);
	switch (whole.p[0]) {
	case 'R':
		return authentication(pg, whole, out);
	case 'E':
		return on_error(pg, whole, out);
	case 'Z':
		return ready(pg, body, out);
	case 'K':
		e->pid = cur_u32(&c);
		e->key = cur_u32(&c);
		return e->state == IN && !cur_err(&c) ? 0 : malformed(pg, out);
	case 'S':
	case 'N':
		buf_add_span(&e->greeting, whole);
		return e->state >= IN && !buf_err(&e->greeting) ? 0 : malformed(pg, out);
	case 'T':
	case 'C':
		return e->state == ASKED ? 0 : malformed(pg, out);
	case 'D':
		return e->state == ASKED && !take_row(e, body) ? 0 : malformed(pg, out);
	default:
		return malformed(pg, out);
	}
}

int entry_server(struct pg *pg, struct cur *in, struct sink *out)
{
	struct span whole = {0};
	int err = 0, got = 1;
	while (!err && pg->entry->state != DONE && (got = take(in, MESSAGE_MAX, &whole)) == 1)
		err = on_message(pg, whole, out);
	return got < 0 ? malformed(pg, out) : err;
}
