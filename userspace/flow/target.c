#include "flow/target.h"

#include <stdio.h>
#include <strings.h>

#include "base/macro.h"
#include "flow/asks.h"
#include "flow/flow.h"
#include "policy/login.h"

#define TARGET_BYTES  (64 * 1024)
#define OPTIONS_BYTES (16 * 1024)

/* A name is what it looks like: with a blank in it, it would be an option more. */
static bool is_setting_name(const char *name)
{
	for (const char *c = name; *c; c++) {
		bool is_word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			       (*c >= '0' && *c <= '9') || *c == '_' || *c == '.';
		if (!is_word)
			return false;
	}
	return *name != 0;
}

/* As "-c name=value"; a blank or backslash in a value is escaped (PostgreSQL documentation, 55.7, options). */
static void add_option(struct buf *b, const char *name, const char *value)
{
	if (!is_setting_name(name))
		b->err = ERR_MALFORMED;
	buf_printf(b, "%s-c %s=", buf_len(b) ? " " : "", name);
	for (const char *c = value; *c; c++) {
		if (strchr(" \t\r\n\v\f\\", *c))
			buf_add_u8(b, '\\');
		buf_add_u8(b, (uint8_t)*c);
	}
}

/* Too long, or no names: an arena that has failed fails the dial. */
static const char *take_options(struct arena *a, struct buf *b)
{
	const char *text = buf_err(b) ? arena_alloc(a, TARGET_BYTES + 1)
				      : arena_strn(a, buf_span(b).p, buf_len(b));
	buf_done(b);
	return text;
}

static const char *find(const struct dial *d, const char *name)
{
	for (const char *const *o = d->options; o && o[0] && o[1]; o += 2)
		if (!strcasecmp(o[0], name))
			return o[1];
	return NULL;
}

static bool is_application(const char *name)
{
	return !strcasecmp(name, "application_name");
}

/* The client's settings, then what the resource pins: of two for one setting the server takes the second. */
static void fill_options(struct flow *f, const struct dial *d, struct target *t)
{
	const struct login_terms *terms = f->resource->login;
	struct pin_values values = {&f->session->who, find(d, "application_name")};
	struct buf all, place;
	t->application = values.application ? arena_str(&t->arena, values.application) : NULL;
	buf_init(&all, OPTIONS_BYTES);
	buf_init(&place, OPTIONS_BYTES);
	for (const char *const *o = d->options; o && o[0] && o[1]; o += 2)
		if (!is_application(o[0]))
			add_option(&all, o[0], o[1]);
	for (int i = 0; terms && i < terms->n_pins; i++) {
		const char *value = login_pin_value(&t->arena, &terms->pins[i], &values);
		if (is_application(terms->pins[i].name))
			t->application = value;
		else if (value)
			add_option(&all, terms->pins[i].name, value);
		if (value && !strcasecmp(terms->pins[i].name, "search_path"))
			add_option(&place, "search_path", value);
	}
	if (terms && terms->role) {
		add_option(&all, "role", terms->role);
		if (!terms->is_clients) /* the session will say who it acts as */
			add_option(&place, "role", terms->role);
	}
	t->options = take_options(&t->arena, &all);
	t->place = take_options(&t->arena, &place);
}

void target_act_as(struct target *t, const char *user)
{
	struct buf place;
	buf_init(&place, OPTIONS_BYTES);
	buf_add_str(&place, t->place ? t->place : "");
	add_option(&place, "role", user);
	t->place = take_options(&t->arena, &place);
}

/* NULL: the startup packet asks for nothing that the resource holds otherwise. */
static const char *pinned(const struct flow *f, const struct dial *d)
{
	for (const char *const *o = d->options; o && o[0] && o[1]; o += 2)
		if (!is_application(o[0]) && login_pins(f->resource->login, o[0]))
			return o[0];
	return NULL;
}

/* Whom the upstream's certificate has to name: as the policy calls it, or the workload did. */
static const char *host_of(const struct flow *f, struct arena *a)
{
	char ip[ADDR_TEXT];
	const char *named = f->resource->upstream, *colon = named ? strrchr(named, ':') : NULL;
	if (colon)
		return named[0] == '[' ? arena_strn(a, named + 1, (size_t)(colon - named) - 2)
				       : arena_strn(a, named, (size_t)(colon - named));
	return arena_str(a, f->origin.name[0] ? f->origin.name
					      : addr_ip_text(&f->origin.info.dst, ip));
}

static int refuse(char ret_sqlstate[6], char ret_why[WHY_MAX], const char *sqlstate, const char *what, const char *name)
{
	char shown[64];
	strcpy(ret_sqlstate, sqlstate);
	snprintf(shown, sizeof(shown), "%s", name);
	for (char *c = shown; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	snprintf(ret_why, WHY_MAX, "%s \"%s\" (the gateway's policy)", what, shown);
	return ERR_DENIED;
}

int target_fill(struct flow *f, const struct dial *d, struct target *t, char ret_sqlstate[6], char ret_why[WHY_MAX])
{
	struct arena *a = &t->arena;
	const struct resource *r = f->resource;
	bool has_users = r->login && r->login->users.n;
	char role[64];
	const char *own = f->session->who.role, *held = pinned(f, d);
	/* A role that is lent does not change as whom a client logs in. */
	if (login_is_clients(r->login))
		snprintf(role, sizeof(role), "%s", own);
	else
		ask_login_role(f, own, role);
	const char *source = resource_credential(r, role);
	snprintf(f->login_role, sizeof(f->login_role), "%s", strcmp(role, own) ? role : "");
	arena_init(a, TARGET_BYTES);
	t->resource = arena_str(a, r->name);
	if (held)
		return refuse(ret_sqlstate, ret_why, "42501", "this setting is pinned:", held);
	if (has_users && !login_takes_user(r->login, d->user))
		return refuse(ret_sqlstate, ret_why, "28000",
			      "this user may not be chosen here:", d->user);
	t->user = has_users ? arena_str(a, d->user) : NULL;
	t->upstream = r->upstream ? arena_str(a, r->upstream) : NULL;
	t->asked = f->origin.info.dst;
	t->host = host_of(f, a);
	t->credential = source ? arena_str(a, source) : NULL;
	t->database = d->database ? arena_str(a, d->database) : NULL;
	t->replication = d->replication ? arena_str(a, d->replication) : NULL;
	fill_options(f, d, t);
	if (!arena_failed(a))
		return 0;
	strcpy(ret_sqlstate, "53400");
	strcpy(ret_why, "the startup parameters are too long, or malformed");
	return ERR_LIMIT;
}
