#include "policy/login.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/macro.h"

#define VALUE_MAX 4000

static const char *const places[] = {"identity", "owner", "role", "session", "application_name"};
enum place { PLACE_IDENTITY, PLACE_OWNER, PLACE_ROLE, PLACE_SESSION, PLACE_APPLICATION, PLACE_NONE };

bool login_takes_user(const struct login_terms *t, const char *user)
{
	return t && t->users.n && patterns_match_one(&t->users, user);
}

bool login_is_clients(const struct login_terms *t)
{
	return t && t->is_clients;
}

/* Settings that change who acts are held where a role is; what makes a transaction writable is where its default is. */
bool login_pins(const struct login_terms *t, const char *setting)
{
	if (!t)
		return false;
	if (t->role && (!strcasecmp(setting, "role") || !strcasecmp(setting, "session_authorization")))
		return true;
	for (int i = 0; i < t->n_pins; i++) {
		const char *name = t->pins[i].name;
		const char *rest = strncasecmp(name, "default_transaction_", 20) ? NULL : name + strlen("default_");
		if (!strcasecmp(name, setting) || (rest && !strcasecmp(rest, setting)))
			return true;
	}
	return false;
}

/* The place that *s begins with, behind its brace; *s moves behind it. */
static enum place place_at(const char **s)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t n = strlen(places[i]);
		if (!strncmp(*s + 1, places[i], n) && (*s)[1 + n] == '}') {
			*s += n + 2;
			return (enum place)i;
		}
	}
	return PLACE_NONE;
}

const char *login_bad_place(const char *value)
{
	for (const char *s = value; (s = strchr(s, '{'));)
		if (place_at(&s) == PLACE_NONE)
			return s;
	return NULL;
}

static const char *text_of(enum place p, const struct pin_values *v)
{
	const char *texts[] = {
	    [PLACE_IDENTITY] = v->who->subject, [PLACE_OWNER] = v->who->owner,	   [PLACE_ROLE] = v->who->role,
	    [PLACE_SESSION] = v->who->session,	[PLACE_APPLICATION] = v->application,
	};
	return texts[p] ? texts[p] : "";
}

const char *login_pin_value(struct arena *a, const struct pin *p, const struct pin_values *v)
{
	struct buf b;
	buf_init(&b, VALUE_MAX);
	for (const char *s = p->value; *s;) {
		enum place at = *s == '{' ? place_at(&s) : PLACE_NONE;
		const char *text = at == PLACE_NONE ? NULL : text_of(at, v);
		if (text)
			buf_add(&b, text, strlen(text));
		else
			buf_add_u8(&b, (uint8_t)*s++);
	}
	char *out = buf_err(&b) ? NULL : arena_strn(a, buf_span(&b).p, buf_len(&b));
	buf_done(&b);
	for (char *c = out; c && *c; c++)
		if ((uint8_t)*c < ' ' || *c == 0x7f)
			*c = '?';
	return out;
}

static bool pins_writes(const struct login_terms *t)
{
	return login_pins(t, "transaction_read_only");
}

static bool undoes(const struct login_terms *t, const struct need *n)
{
	if (n->kind == NEED_OPAQUE || n->verb == VERB_DO)
		return true; /* it may set anything */
	if (n->kind == NEED_SETTING) /* RESET ALL, without a name, brings back what the login had */
		return n->name && login_pins(t, n->name);
	return n->kind == NEED_PLAIN && n->verb == VERB_TRANSACTION && n->class == CLASS_WRITE && pins_writes(t);
}

const struct need *login_undoes(const struct login_terms *t, const struct op *op)
{
	for (int i = 0; t && (t->role || t->n_pins) && i < op->n_needs; i++)
		if (undoes(t, &op->needs[i]))
			return &op->needs[i];
	return NULL;
}

static bool is_same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

bool login_is_same(const struct login_terms *a, const struct login_terms *b)
{
	static const struct login_terms none;
	a = a ? a : &none;
	b = b ? b : &none;
	bool is_same = a->n_pins == b->n_pins && a->users.n == b->users.n && a->is_clients == b->is_clients &&
		       is_same_text(a->role, b->role);
	for (int i = 0; is_same && i < a->n_pins; i++)
		is_same = is_same_text(a->pins[i].name, b->pins[i].name) &&
			  is_same_text(a->pins[i].value, b->pins[i].value);
	for (int i = 0; is_same && i < a->users.n; i++)
		is_same = is_same_text(a->users.at[i].source, b->users.at[i].source);
	return is_same;
}
