/* Notices: what they say, what they leave out, what they escape; signatures and their replay. */
#include "control/notice.h"

#include <stdlib.h>

#include "base/macro.h"

#include "../../tap.h"

static json_t *about(void)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b}", "request", "r-1", "subject",
			 "crew<!here>*7*\xe2\x80\xae\x1b[31m", "owner", "pat@example.com", "tag", "ALTER TABLE",
			 "resource", "shop", "rule", "ddl", "node", "n1", "reason", "AGENTS OWN WORDS", "body",
			 "SECRET STATEMENT", "break_glass", 1);
}

static char *write_as(enum hook_format format, const char *type)
{
	struct buf b;
	json_t *j = about();
	buf_init(&b, 65536);
	notice_write(&b, format, type, j, "https://g/requests/r-1", 7);
	buf_add_u8(&b, 0);
	CHECK_INT(buf_err(&b), 0);
	char *text = strdup((const char *)buf_span(&b).p);
	buf_done(&b);
	json_decref(j);
	return text;
}

static void tells(void)
{
	for (int format = HOOK_JSON; format <= HOOK_TEAMS; format++) {
		char *text = write_as((enum hook_format)format, "request");
		json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		CHECK(json_is_object(j));
		CHECK(strstr(text, "https://g/requests/r-1") && strstr(text, "waits for an approval"));
		CHECK(!strstr(text, "AGENTS OWN") && !strstr(text, "SECRET STATEMENT"));
		CHECK(strstr(text, "shop") && strstr(text, "pat"));
		if (format != HOOK_JSON) {
			CHECK(!strstr(text, "\\u001b") && !strstr(text, "\xe2\x80\xae"));
			CHECK(strstr(text, "BREAK-GLASS") != NULL);
		}
		json_decref(j);
		free(text);
	}
}

static void escapes(void)
{
	char *text = write_as(HOOK_TEAMS, "end");
	CHECK(strstr(text, "crew\\\\<\\\\!here\\\\>\\\\*7\\\\*") != NULL);
	free(text);
	text = write_as(HOOK_SLACK, "end");
	json_t *j = json_loads(text, 0, NULL);
	CHECK_STR(json_string_value(json_object_get(j, "text")), "ended without an answer");
	CHECK(!strstr(text, "mrkdwn"));
	json_decref(j);
	free(text);
}


static void signs(void)
{
	static struct notice_replays seen;
	struct span secret = span_str("0123456789abcdef"), body = span_str("{}"), time = span_str("1800000000");
	char good[NOTICE_SIGNATURE], bad[NOTICE_SIGNATURE];
	notice_sign(secret, 1800000000, body, good);
	/* printf '1800000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef */
	CHECK_STR(good, "v1=1313ae9c874eb1a0868ad0b65f841c4243c23fdcfad69a3ada227726fad9960e");
	CHECK_INT(notice_check(&seen, secret, time, span_str(good), span_str("{ }"), 1800000000), ERR_VERIFY);
	CHECK_INT(notice_check(&seen, span_str("0123456789abcdeF"), time, span_str(good), body, 1800000000),
		  ERR_VERIFY);
	CHECK_INT(notice_check(&seen, secret, span_str("1800000001"), span_str(good), body, 1800000000), ERR_VERIFY);
	CHECK_INT(notice_check(&seen, secret, time, span_str(good), body, 1800000301), ERR_EXPIRED);
	CHECK_INT(notice_check(&seen, secret, time, span_str(good), body, 1799999699), ERR_EXPIRED);
	CHECK_INT(notice_check(&seen, (struct span){0}, time, span_str(good), body, 1800000000), ERR_MALFORMED);
	CHECK_INT(notice_check(&seen, secret, span_str("1e9"), span_str(good), body, 1800000000), ERR_MALFORMED);
	CHECK_INT(notice_check(&seen, secret, time, span_str("v1="), body, 1800000000), ERR_MALFORMED);
	snprintf(bad, sizeof(bad), "%s", good);
	bad[3] = bad[3] == '0' ? '1' : '0';
	CHECK_INT(notice_check(&seen, secret, time, span_str(bad), body, 1800000000), ERR_VERIFY);
	CHECK_INT(notice_check(&seen, secret, time, span_str(good), body, 1800000000 - NOTICE_SKEW_S), 0);
	CHECK_INT(notice_check(&seen, secret, time, span_str(good), body, 1800000000), ERR_EXISTS);
	CHECK_INT(notice_check(&seen, secret, time, span_str(good), body, 1800000000 + NOTICE_SKEW_S), ERR_EXISTS);
}

static void remembers_all_or_takes_none(void)
{
	static struct notice_replays seen;
	struct span secret = span_str("0123456789abcdef"), time = span_str("1800000000");
	char good[NOTICE_SIGNATURE], body[32];
	int n_taken = 0, last = 0;
	for (int i = 0; i <= NOTICE_REPLAYS_MAX; i++) {
		snprintf(body, sizeof(body), "{\"n\":%d}", i);
		notice_sign(secret, 1800000000, span_str(body), good);
		last = notice_check(&seen, secret, time, span_str(good), span_str(body), 1800000000);
		n_taken += last == 0;
	}
	CHECK_INT(n_taken, NOTICE_REPLAYS_MAX);
	CHECK_INT(last, ERR_LIMIT);
}

int main(void)
{
	tells();
	escapes();
	signs();
	remembers_all_or_takes_none();
	return tap_done();
}
