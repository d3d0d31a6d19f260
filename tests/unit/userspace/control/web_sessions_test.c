/* Logins that stand: found by their cookie alone, over by age and idleness, few of one person, bounded in all. */
#include "control/web.h"

#include <stdlib.h>

#include "base/ossl.h"
#include "web_rig.h"

static struct web *w = &rig_c.people;

static struct web_session *person(const char *subject, char cookie[OIDC_SECRET])
{
	return web_session_new(w, "https://idp.example", subject, json_pack("[s,s]", "dba", "ops"), cookie);
}

static void is_found_by_its_cookie_alone(void)
{
	char a[OIDC_SECRET], b[OIDC_SECRET], bad[OIDC_SECRET];
	const char *groups[WEB_GROUPS_MAX];
	uint8_t hash[32];
	struct web_session *ada = person("ada", a), *ben = person("ben", b);
	CHECK(ada && ben && ada != ben);
	CHECK_INT(strlen(a), OIDC_SECRET - 1);
	CHECK(strcmp(a, b) && strcmp(ada->csrf, ben->csrf) && strcmp(a, ada->csrf));
	CHECK(web_session_by_cookie(w, span_str(a)) == ada);
	CHECK(web_session_by_cookie(w, span_str(b)) == ben);
	CHECK_INT(web_groups(ada, groups), 2);
	CHECK_STR(groups[1], "ops");
	SHA256((const uint8_t *)a, strlen(a), hash);
	CHECK(!memcmp(hash, ada->key, sizeof(hash)));
	for (size_t i = 0; i < strlen(a); i++) {
		snprintf(bad, sizeof(bad), "%s", a);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		CHECK(!web_session_by_cookie(w, span_str(bad)));
		CHECK(!web_session_by_cookie(w, span_of(a, i)));
	}
	CHECK(!web_session_by_cookie(w, span_str(ada->csrf)));
	CHECK(!web_session_by_cookie(w, (struct span){0}));
	web_session_end(w, ada);
	CHECK(!web_session_by_cookie(w, span_str(a)));
	CHECK(web_session_by_cookie(w, span_str(b)) == ben);
	web_session_end(w, ben);
	CHECK_INT(w->n_sessions, 0);
}

static void is_over_in_time(void)
{
	char cookie[OIDC_SECRET], other[OIDC_SECRET];
	uint64_t minute = 60 * NS_PER_SEC;
	struct web_session *s = person("ada", cookie);
	s->created_ns -= 479 * minute;
	CHECK(web_session_by_cookie(w, span_str(cookie)) == s);
	s->created_ns -= minute;
	CHECK(!web_session_by_cookie(w, span_str(cookie))); /* used or not */
	CHECK_INT(w->n_sessions, 0);
	s = person("ada", cookie);
	s->used_ns -= 29 * minute;
	CHECK(web_session_by_cookie(w, span_str(cookie)) == s); /* that was use */
	s->used_ns -= 29 * minute;
	CHECK(web_session_by_cookie(w, span_str(cookie)) == s);
	s->used_ns -= 30 * minute;
	CHECK(!web_session_lives(w, s));
	CHECK(person("ben", other) != NULL);
	web_sweep(&rig_c);
	CHECK_INT(w->n_sessions, 1);
	CHECK(web_session_by_cookie(w, span_str(other)) != NULL);
	web_session_end(w, w->first);
}

static void is_bounded(void)
{
	char first[OIDC_SECRET], cookie[OIDC_SECRET], name[32];
	CHECK(person("ada", first) != NULL);
	for (int i = 1; i < WEB_PERSON_MAX; i++)
		CHECK(person("ada", cookie) != NULL);
	CHECK(web_session_by_cookie(w, span_str(first)) != NULL);
	CHECK(person("ada", cookie) != NULL); /* the oldest ends */
	CHECK(!web_session_by_cookie(w, span_str(first)));
	CHECK_INT(w->n_sessions, WEB_PERSON_MAX);
	for (int i = w->n_sessions; i < WEB_SESSIONS_MAX; i++) {
		snprintf(name, sizeof(name), "p-%d", i);
		CHECK(person(name, cookie) != NULL);
	}
	CHECK(!person("one more", cookie));
	CHECK_INT(w->n_sessions, WEB_SESSIONS_MAX);
	CHECK(person("ada", cookie) != NULL); /* in place of one of her own */
	web_done(&rig_c);
	CHECK(!w->first);
	CHECK_INT(w->n_sessions, 0);
}

int main(void)
{
	rig_start(NULL);
	is_found_by_its_cookie_alone();
	is_over_in_time();
	is_bounded();
	rig_stop();
	return tap_done();
}
