#include "control/sessions.h"

#include <stdlib.h>

#include "../../tap.h"

static struct session *make(void)
{
	struct session *s = session_new(NULL);
	s->issuer = strdup("https://i");
	s->subject = strdup("crew-7");
	s->owner = strdup("pat");
	s->role = strdup("viewer");
	s->token_sha256 = strdup("ab");
	s->cgroup = strdup("/c");
	s->groups = json_pack("[s,s]", "g1", "g2");
	s->command = json_pack("[s]", "true");
	s->expires = 1234567890123;
	s->uid = 1000;
	return s;
}

static void gives_ids_that_differ(void)
{
	struct session *a = make(), *b = make();
	CHECK_INT(strlen(a->id), 12);
	CHECK(!strncmp(a->id, "s-", 2) && strcmp(a->id, b->id));
	CHECK_INT(strspn(a->id + 2, "0123456789abcdefghjkmnpqrstvwxyz"), 10);
	session_free(a);
	session_free(b);
	session_free(NULL);
}

static void comes_back_from_its_state(void)
{
	struct session *s = make(), *t = session_new(NULL);
	s->state = SESSION_REVOKED;
	json_t *j = session_state(s);
	CHECK(j != NULL);
	CHECK_INT(session_from_state(t, j), 0);
	CHECK_STR(t->subject, "crew-7");
	CHECK_STR(t->owner, "pat");
	CHECK_INT(t->expires, s->expires);
	CHECK_INT(t->uid, 1000);
	CHECK_INT(t->state, SESSION_REVOKED); /* a revoked one stays so over a restart */
	CHECK(json_equal(t->groups, s->groups));
	json_decref(j);
	session_free(t);
	session_free(s);
}

static void refuses_other_states(void)
{
	static const char *const keys[] = {"issuer",  "subject", "owner", "role", "groups",
					   "command", "expires", "uid",	  "state"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct session *s = make(), *t = session_new(NULL);
		json_t *j = session_state(s);
		json_object_del(j, keys[i]);
		CHECK_INT(session_from_state(t, j), ERR_MALFORMED);
		json_object_set_new(j, keys[i], json_null());
		CHECK_INT(session_from_state(t, j), ERR_MALFORMED);
		json_decref(j);
		session_free(t);
		session_free(s);
	}
}

static void forgets_the_oldest_that_ended(void)
{
	struct sessions list = {0};
	char first[SESSION_ID_MAX] = "", last[SESSION_ID_MAX] = "", live[SESSION_ID_MAX];
	struct session *keep = make();
	strcpy(live, keep->id);
	CHECK_INT(sessions_add(&list, keep), 0);
	for (int i = 0; i < SESSIONS_ENDED_MAX + 1; i++) {
		struct session *s = make();
		strcpy(i ? last : first, s->id);
		CHECK_INT(sessions_add(&list, s), 0);
		sessions_retire(&list, s);
	}
	CHECK_INT(list.n_live, 1);
	CHECK_INT(list.n_ended, SESSIONS_ENDED_MAX);
	CHECK(session_by_id(&list, first) == NULL);
	CHECK(session_by_id(&list, last) != NULL);
	CHECK(session_by_id(&list, live) == keep);
	sessions_free(&list);
	CHECK(list.first == NULL);
}

static void limits_the_live(void)
{
	struct sessions list = {.n_live = SESSIONS_LIVE_MAX};
	struct session *s = make();
	CHECK_INT(sessions_add(&list, s), ERR_LIMIT);
	session_free(s);
}

static void shows_itself(void)
{
	struct session *s = make();
	json_t *j = session_json(s);
	CHECK_STR(json_string_value(json_object_get(j, "state")), "live");
	CHECK_STR(json_string_value(json_object_get(j, "subject")), "crew-7");
	CHECK(json_object_get(j, "end_reason") == NULL);
	CHECK(json_object_get(j, "token_sha256") == NULL);
	json_decref(j);
	session_free(s);
}

int main(void)
{
	gives_ids_that_differ();
	comes_back_from_its_state();
	refuses_other_states();
	forgets_the_oldest_that_ended();
	limits_the_live();
	shows_itself();
	return tap_done();
}
