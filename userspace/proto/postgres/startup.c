/* From the first byte to ReadyForQuery: the requests before the startup packet, the packet, its
 * settings, the dial. PostgreSQL documentation, "Message Flow: Start-up", "Canceling Requests in
 * Progress", "SSL Session Encryption"; settings in options= as pg_split_opts() reads them. */
#include "proto/postgres/entry.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/macro.h"

#define STARTUP_MAX   10000 /* MAX_STARTUP_PACKET_LENGTH */
#define OPTIONS_MAX   64
#define CODE_CANCEL   80877102u
#define CODE_SSL      80877103u
#define CODE_GSS      80877104u
#define PROTOCOL      0x00030000u
#define TLS_HANDSHAKE 0x16 /* a TLS record's first byte; of a length it would be 350 MB */

struct startup {
	struct pg *pg;
	const char *user, *database, *replication;
	const char *options[2 * OPTIONS_MAX + 1]; /* name, value, ..., NULL */
	int n_options;				  /* strings */
	const char *extensions[OPTIONS_MAX];	  /* _pq_. names */
	int n_extensions;
};

static int fatal(struct pg *pg, struct sink *out, const char *sqlstate, const char *message)
{
	struct msg_error e = {.severity = "FATAL", .sqlstate = sqlstate, .message = message};
	msg_add_error(out->to[TO_CLIENT], &e);
	pg->phase = PG_OVER;
	return ERR_CLOSED;
}

static int fatal_about(struct pg *pg, struct sink *out, const char *sqlstate, const char *what,
		       const char *name)
{
	char text[300];
	snprintf(text, sizeof(text), "%s \"%.100s\"", what, name);
	return fatal(pg, out, sqlstate, text);
}

/* As clients of before protocol 3 read errors: send_message_to_frontend() of utils/error/elog.c. */
static int fatal_of_old(struct pg *pg, struct sink *out, const char *message)
{
	struct buf *b = out->to[TO_CLIENT];
	buf_add_u8(b, 'E');
	buf_printf(b, "FATAL:  %s\n", message);
	buf_add_u8(b, 0);
	pg->phase = PG_OVER;
	return ERR_CLOSED;
}

/* Settings that change neither how text is read nor who acts, sorted. Others are for the policy to
 * decide, which a startup packet cannot ask: SET does. */
static const char *const harmless[] = {
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_indexscan",
    "enable_material",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_sort",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "timezone",
    "transform_null_equals",
    "work_mem",
    "xmlbinary",
    "xmloption",
};

static bool is_harmless(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (!strcasecmp(harmless[i], name))
			return true;
	return false;
}

/* NULL: fine. Otherwise what is wrong with it. */
static const char *setting_fault(const char *name, const char *value)
{
	if (!is_harmless(name))
		return "this setting is not allowed in a startup packet:";
	if (!strcasecmp(name, "client_encoding") && !session_encoding_known(span_str(value)))
		return "the gateway reads UTF8 only, not client_encoding";
	if (!strcasecmp(name, "standard_conforming_strings") && strcasecmp(value, "on"))
		return "standard_conforming_strings must be on, not";
	return NULL;
}

static int add_setting(struct startup *s, const char *name, const char *value, struct sink *out)
{
	const char *fault = s->pg->env.is_opaque_allowed ? NULL : setting_fault(name, value);
	if (fault)
		return fatal_about(s->pg, out, "42501", fault,
				   strstr(fault, "packet") ? name : value);
	for (int i = 0; i < s->n_options; i += 2)
		if (!strcasecmp(s->options[i], name))
			return fatal_about(s->pg, out, "08P01",
					   "startup parameter given twice:", name);
	if (s->n_options >= 2 * OPTIONS_MAX)
		return fatal(s->pg, out, "54000", "too many startup parameters");
	s->options[s->n_options++] = name;
	s->options[s->n_options++] = value;
	return 0;
}

/* The next word of options=, unescaped in place; NULL at the end. */
static char *next_word(char **at)
{
	char *p = *at, *to;
	while (isspace((unsigned char)*p))
		p++;
	if (!*p)
		return NULL;
	char *word = to = p;
	while (*p && !isspace((unsigned char)*p)) {
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p++;
	}
	*at = *p ? p + 1 : p;
	*to = 0;
	return word;
}

/* name=value, as ParseLongOption() takes it. flag: what stands before it. */
static int add_long_option(struct startup *s, const char *flag, char *text, struct sink *out)
{
	char *equals = text ? strchr(text, '=') : NULL, words[150];
	if (!equals || equals == text) {
		snprintf(words, sizeof(words), "%s%.100s requires a value", flag, text ? text : "");
		return fatal(s->pg, out, "42601", words);
	}
	*equals = 0;
	for (char *p = text; *p; p++)
		*p = *p == '-' ? '_' : *p;
	return add_setting(s, text, equals + 1, out);
}

static int add_options(struct startup *s, char *text, struct sink *out)
{
	int err = 0;
	for (char *word; !err && (word = next_word(&text));) {
		if (!strcmp(word, "-c"))
			err = add_long_option(s, "-c ", next_word(&text), out);
		else if (!strncmp(word, "-c", 2) || !strncmp(word, "--", 2))
			err = add_long_option(s, word[1] == 'c' ? "-c " : "--", word + 2, out);
		else
			err = fatal_about(s->pg, out, "42501", "options: not allowed:", word);
	}
	return err;
}

static bool is_false(const char *v)
{
	static const char *const words[] = {"false", "off", "no", "0"};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcasecmp(v, words[i]))
			return true;
	return false;
}

/* What the server takes it for is for the server to say: replication_start_walsender, 55.4. */
static int add_replication(struct startup *s, const char *value, struct sink *out)
{
	if (s->replication)
		return fatal_about(s->pg, out, "08P01", "startup parameter given twice:", "replication");
	s->replication = value;
	if (is_false(value) || s->pg->env.is_replication_allowed)
		return 0;
	return fatal(s->pg, out, "28000", "replication connections are not allowed here");
}

static int add_parameter(struct startup *s, char *name, char *value, struct sink *out)
{
	const char **who = !strcmp(name, "user")       ? &s->user
			   : !strcmp(name, "database") ? &s->database
						       : NULL;
	if (who) {
		if (*who)
			return fatal_about(s->pg, out, "08P01",
					   "startup parameter given twice:", name);
		*who = value;
		return 0;
	}
	if (!strcmp(name, "options"))
		return add_options(s, value, out);
	if (!strcmp(name, "replication"))
		return add_replication(s, value, out);
	if (!strncmp(name, "_pq_.", 5)) {
		if (s->n_extensions == OPTIONS_MAX)
			return fatal(s->pg, out, "54000", "too many startup parameters");
		s->extensions[s->n_extensions++] = name;
		return 0;
	}
	return add_setting(s, name, value, out);
}

static int read_parameters(struct startup *s, struct span body, struct sink *out)
{
	struct arena *a = &s->pg->arena;
	struct cur c = cur_of(body);
	for (;;) {
		struct span name = cur_cstr(&c);
		if (cur_err(&c) || !name.len)
			break;
		struct span value = cur_cstr(&c);
		char *n = arena_strn(a, name.p, name.len), *v = arena_strn(a, value.p, value.len);
		if (!n || !v)
			return -ENOMEM;
		int err = cur_err(&c) ? 0 : add_parameter(s, n, v, out);
		if (err)
			return err;
	}
	if (cur_err(&c) || cur_left(&c))
		return fatal(s->pg, out, "08P01",
			     "invalid startup packet layout: expected terminator as last byte");
	if (!s->user || !*s->user)
		return fatal(s->pg, out, "28000",
			     "no PostgreSQL user name specified in startup packet");
	return 0;
}

static void negotiate(const struct startup *s, struct sink *out)
{
	struct buf *b = out->to[TO_CLIENT];
	size_t start = buf_len(b);
	buf_add_u8(b, 'v');
	buf_add_u32(b, 0);
	buf_add_u32(b, PROTOCOL);
	buf_add_u32(b, (uint32_t)s->n_extensions);
	for (int i = 0; i < s->n_extensions; i++)
		buf_add_cstr(b, s->extensions[i]);
	if (!buf_err(b))
		buf_put_u32_at(b, start + 1, (uint32_t)(buf_len(b) - start - 1));
}

static const char *search_path_of(const struct startup *s)
{
	for (int i = 0; i < s->n_options; i += 2)
		if (!strcasecmp(s->options[i], "search_path"))
			return s->options[i + 1];
	return NULL;
}

static int dial(struct pg *pg, uint32_t protocol, struct span body, struct sink *out)
{
	struct startup s = {.pg = pg};
	char text[80];
	if (protocol >> 16 != 3) {
		snprintf(text, sizeof(text),
			 "unsupported frontend protocol %u.%u: server supports 3.0 to 3.0",
			 protocol >> 16, protocol & 0xffff);
		return protocol >> 16 < 3 ? fatal_of_old(pg, out, text) : fatal(pg, out, "0A000", text);
	}
	int err = read_parameters(&s, body, out);
	if (err)
		return err;
	if (protocol > PROTOCOL || s.n_extensions)
		negotiate(&s, out);
	const char *path = search_path_of(&s);
	if (path && (err = session_init(&pg->session, path)))
		return err;
	const char **options = arena_array(&pg->arena, (size_t)s.n_options + 1, sizeof(*options));
	if (!options)
		return -ENOMEM;
	memcpy(options, s.options, (size_t)s.n_options * sizeof(*options));
	pg->options = options;
	const char *database = s.database && *s.database ? s.database : s.user;
	pg->is_replication = s.replication && !is_false(s.replication);
	struct dial d = {.user = s.user,
			 .database = database,
			 .replication = pg->is_replication ? s.replication : NULL,
			 .options = options};
	snprintf(pg->database, sizeof(pg->database), "%s", database);
	snprintf(pg->user, sizeof(pg->user), "%s", s.user);
	pg->phase = PG_DIALLING;
	pg->hold = HOLD_DIAL;
	err = out->ops->dial(out, &d);
	return err ? err : ERR_STATE;
}

/* SSLRequest, GSSENCRequest: once each, and nothing may stand behind them before our answer: it
 * would be taken for text that came through the encryption (CVE-2021-23222). */
static int encryption(struct pg *pg, bool is_ssl, struct cur *in, struct sink *out)
{
	bool *asked = is_ssl ? &pg->is_ssl_asked : &pg->is_gss_asked;
	if (*asked || pg->is_tls)
		return fatal(pg, out, "08P01", "encryption was asked for twice");
	if (cur_left(in))
		return fatal(pg, out, "08P01", "received unencrypted data after SSL request");
	*asked = true;
	if (!is_ssl || !pg->env.is_tls_offered) {
		sink_send(out, TO_CLIENT, "N", 1);
		return 0;
	}
	sink_send(out, TO_CLIENT, "S", 1);
	pg->is_tls = true;
	return out->ops->start_tls(out, (struct span){0}, false);
}

/* TLS without a request for it, as PostgreSQL 17 has it (55.2.10). */
static int direct_tls(struct pg *pg, struct cur *in, struct sink *out)
{
	pg->is_tls = true;
	return out->ops->start_tls(out, cur_bytes(in, cur_left(in)), true);
}

static int cancel(struct pg *pg, struct span body, struct sink *out)
{
	struct cur c = cur_of(body);
	uint32_t pid = cur_u32(&c), key = cur_u32(&c);
	if (cur_err(&c) || cur_left(&c)) {
		pg->phase = PG_OVER;
		return ERR_MALFORMED;
	}
	int err = out->ops->cancel(out, pid, key);
	if (err == ERR_HELD)
		pg->hold = HOLD_CANCEL;
	else
		pg->phase = PG_OVER;
	return err ? err : ERR_CLOSED;
}

static int packet(struct pg *pg, struct span body, struct cur *in, struct sink *out)
{
	struct cur c = cur_of(body);
	uint32_t code = cur_u32(&c);
	struct span rest = cur_bytes(&c, cur_left(&c));
	bool is_request = code == CODE_SSL || code == CODE_GSS;
	if (is_request && rest.len)
		return ERR_MALFORMED;
	if (is_request)
		return encryption(pg, code == CODE_SSL, in, out);
	if (code == CODE_CANCEL)
		return cancel(pg, rest, out);
	if (pg->env.is_tls_required && !pg->is_tls)
		return fatal(pg, out, "28000",
			     "this resource is reached over TLS only: set sslmode=require");
	return dial(pg, code, rest, out);
}

int startup_feed(struct pg *pg, struct cur *in, struct sink *out)
{
	struct cur c = *in;
	bool is_first = !pg->is_tls && !pg->is_ssl_asked && !pg->is_gss_asked;
	if (is_first && pg->env.is_tls_offered && cur_left(in) && in->p[0] == TLS_HANDSHAKE)
		return direct_tls(pg, in, out);
	if (cur_left(in) < 4)
		return 0;
	uint32_t len = cur_u32(&c);
	if (len < 8)
		return ERR_MALFORMED;
	if (len > STARTUP_MAX)
		return ERR_LIMIT;
	struct span body = cur_bytes(&c, len - 4);
	if (cur_err(&c))
		return 0;
	*in = c;
	return packet(pg, body, in, out);
}

/* The greeting is the server's: ParameterStatus and notices, nothing else. */
static int take_greeting(struct pg *pg, struct span greeting)
{
	struct cur c = cur_of(greeting);
	while (cur_left(&c)) {
		uint8_t type = cur_u8(&c);
		uint32_t len = cur_u32(&c);
		if (len < 4 || (type != 'S' && type != 'N'))
			return ERR_MALFORMED;
		struct cur body = cur_of(cur_bytes(&c, len - 4));
		if (type == 'N')
			continue;
		struct span name = cur_cstr(&body), value = cur_cstr(&body);
		if (cur_err(&body))
			return ERR_MALFORMED;
		int err = session_parameter(&pg->session, name, value);
		if (err)
			return err;
	}
	return cur_err(&c) ? ERR_MALFORMED : 0;
}

int startup_dialled(struct pg *pg, const struct dialled *d, struct sink *out)
{
	static const uint8_t authentication_ok[4];
	struct buf *b = out->to[TO_CLIENT];
	if (d->err)
		return fatal(pg, out, d->sqlstate ? d->sqlstate : "08006",
			     d->reason ? d->reason : err_text(d->err));
	if (d->startup.len)
		return entry_begin(pg, d, out);
	const char *path = pg->entry ? entry_search_path(pg->entry) : d->search_path;
	struct span greeting = pg->entry ? entry_greeting(pg->entry) : d->greeting;
	int err = pg->session.version ? 0 : session_init(&pg->session, path);
	if (!err)
		err = take_greeting(pg, greeting);
	if (err)
		return err;
	for (int i = 0; pg->options && pg->options[i]; i += 2)
		settings_login(&pg->session.changed, pg->options[i], pg->options[i + 1]);
	pg->options = NULL;
	arena_done(&pg->arena);
	msg_add(b, 'R', span_of(authentication_ok, sizeof(authentication_ok)));
	buf_add_span(b, greeting);
	entry_free(TAKE(pg->entry));
	buf_add_u8(b, 'K');
	buf_add_u32(b, 12);
	buf_add_u32(b, d->cancel_pid);
	buf_add_u32(b, d->cancel_key);
	msg_add_ready(b, 'I');
	pg->phase = PG_READY;
	return 0;
}
