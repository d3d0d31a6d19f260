#include "control/notice.h"

#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "base/macro.h"
#include "base/ossl.h"
#include "base/unseen.h"

#define FIELD_MAX 200

/* --- texts --------------------------------------------------------------------------------------
 */

/* Bytes of a character that is not to be shown as it is; 0: it may be. */
static int odd_len(const uint8_t *s)
{
	ucs4_t c;
	int n = u8_mbtouc(&c, s, strnlen((const char *)s, 4));
	return is_unseen(c) ? n : 0;
}

/* Names come from tokens and policies, and go into chats that read markup: what would be some is
 * escaped, what moves text around is shown as such. */
static void add_plain(struct buf *b, const char *text, bool escapes)
{
	const uint8_t *s = (const uint8_t *)(text ? text : "");
	for (size_t n = 0; *s && n < FIELD_MAX; n++) {
		int odd = odd_len(s);
		if (odd) {
			buf_add_str(b, "\xef\xbf\xbd");
			s += odd;
			continue;
		}
		if (escapes && strchr("\\`*_{}[]()<>#+-!|~&", *s))
			buf_add_u8(b, '\\');
		do
			buf_add_u8(b, *s++);
		while ((*s & 0xc0) == 0x80); /* a character is not cut */
	}
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

static const char *headline_of(const char *type, const json_t *about)
{
	static const struct {
		const char *type, *end, *text;
	} rows[] = {
	    {"request", NULL, "waits for an approval"},
	    {"estimate", NULL, "waits for an approval: what the database expects of it"},
	    {"escalate", NULL, "still waits: more people are asked"},
	    {"release", NULL, "is approved and released"},
	    {"end", "done", "was approved, and is done"},
	    {"end", "denied", "was denied"},
	    {"end", "expired", "expired: nobody answered in time"},
	    {"end", NULL, "ended without an answer"},
	    {"grant", NULL, "was granted for a time"},
	    {"grant_end", NULL, "is no longer granted"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].type, type) &&
		    (!rows[i].end || !strcmp(rows[i].end, text_of(about, "end"))))
			return rows[i].text;
	return "changed";
}

/* A JSON string of the parts, the even ones (from 0) our own words. */
static json_t *sentence(const char *const *parts, int n, bool escapes)
{
	struct buf b;
	buf_init(&b, 8192);
	for (int i = 0; i < n; i++) {
		if (i % 2)
			add_plain(&b, parts[i], escapes);
		else
			buf_add_str(&b, parts[i]);
	}
	json_t *j = json_stringn((const char *)buf_span(&b).p, buf_len(&b));
	buf_done(&b);
	return j ? j : json_string("");
}

static json_t *title_of(const char *type, const json_t *about, bool escapes)
{
	bool is_glass = json_is_true(json_object_get(about, "break_glass"));
	const char *what = *text_of(about, "tag") ? text_of(about, "tag") : text_of(about, "kind");
	const char *const parts[] = {is_glass ? "BREAK-GLASS: " : "", what, " ",
				     headline_of(type, about)};
	return sentence(parts, ARRAY_LEN(parts), escapes);
}

struct fact {
	const char *name, *key;
};
static const struct fact facts[] = {{"Who", "subject"}, {"For", "owner"},   {"Role", "role"},
				    {"Node", "node"},	{"On", "resource"}, {"Rule", "rule"},
				    {"Gives", "gives"}};

static json_t *fact_text(const json_t *about, const char *key, bool escapes)
{
	const char *const parts[] = {"", text_of(about, key)};
	return sentence(parts, 2, escapes);
}

/* --- forms --------------------------------------------------------------------------------------
 */

/* = Slack, "Reference: blocks": plain_text is shown as it is. */
static json_t *slack(const char *type, const json_t *about, const char *link)
{
	json_t *fields = json_array(), *blocks = json_array();
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		const char *const parts[] = {facts[i].name, ": ", "", text_of(about, facts[i].key)};
		if (*parts[3])
			json_array_append_new(
			    fields, json_pack("{s:s,s:o,s:b}", "type", "plain_text", "text",
					      sentence(parts, 4, false), "emoji", 0));
	}
	json_array_append_new(blocks, json_pack("{s:s,s:{s:s,s:o,s:b}}", "type", "header", "text",
						"type", "plain_text", "text",
						title_of(type, about, false), "emoji", 0));
	if (json_array_size(fields))
		json_array_append_new(blocks,
				      json_pack("{s:s,s:O}", "type", "section", "fields", fields));
	json_decref(fields);
	if (link)
		json_array_append_new(blocks, json_pack("{s:s,s:[{s:s,s:{s:s,s:s},s:s}]}", "type",
							"actions", "elements", "type", "button",
							"text", "type", "plain_text", "text",
							"Look and answer", "url", link));
	/* The fallback is read as markup: our own words alone. */
	return json_pack("{s:s,s:o}", "text", headline_of(type, about), "blocks", blocks);
}

/* = Adaptive Cards 1.4, as an incoming webhook takes it. A TextBlock reads markup, so names are
 * escaped. */
static json_t *teams(const char *type, const json_t *about, const char *link)
{
	json_t *set = json_array(), *body = json_array(), *actions = json_array();
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		if (*text_of(about, facts[i].key))
			json_array_append_new(set, json_pack("{s:s,s:o}", "title", facts[i].name,
							     "value",
							     fact_text(about, facts[i].key, true)));
	json_array_append_new(body, json_pack("{s:s,s:o,s:s,s:s,s:b}", "type", "TextBlock", "text",
					      title_of(type, about, true), "weight", "Bolder",
					      "size", "Medium", "wrap", 1));
	json_array_append_new(body, json_pack("{s:s,s:o}", "type", "FactSet", "facts", set));
	if (link)
		json_array_append_new(actions, json_pack("{s:s,s:s,s:s}", "type", "Action.OpenUrl",
							 "title", "Look and answer", "url", link));
	return json_pack("{s:s,s:[{s:s,s:{s:s,s:s,s:s,s:o,s:o}}]}", "type", "message",
			 "attachments", "contentType", "application/vnd.microsoft.card.adaptive",
			 "content", "$schema", "http://adaptivecards.io/schemas/adaptive-card.json",
			 "type", "AdaptiveCard", "version", "1.4", "body", body, "actions",
			 actions);
}

/* For programs: what is known of it but the agent's own words. */
static json_t *plain(const char *type, const json_t *about, const char *link, int64_t now)
{
	json_t *copy = json_deep_copy(about);
	json_object_del(copy, "reason");
	json_object_del(copy, "body");
	return json_pack("{s:s,s:I,s:s*,s:s,s:o}", "type", type, "time", (json_int_t)now, "link",
			 link, "headline", headline_of(type, about),
			 json_object_get(about, "until") ? "grant" : "request", copy);
}

void notice_write(struct buf *out, enum hook_format format, const char *type, const json_t *about,
		  const char *link, int64_t now)
{
	json_t *j = format == HOOK_SLACK   ? slack(type, about, link)
		    : format == HOOK_TEAMS ? teams(type, about, link)
					   : plain(type, about, link, now);
	_cleanup_(freep) char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(j);
	buf_add_str(out, text ? text : "{}");
}

/* --- signatures ---------------------------------------------------------------------------------
 */

void notice_sign(struct span secret, int64_t time, struct span body, char out[NOTICE_SIGNATURE])
{
	uint8_t md[32];
	unsigned len = sizeof(md);
	struct buf b;
	buf_init(&b, body.len + 32);
	buf_printf(&b, "%lld.", (long long)time);
	buf_add_span(&b, body);
	HMAC(EVP_sha256(), secret.p, (int)secret.len, buf_span(&b).p, buf_len(&b), md, &len);
	buf_done(&b);
	snprintf(out, NOTICE_SIGNATURE, "v1=");
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(out + 3 + 2 * i, 3, "%02x", md[i]);
}

static int read_time(struct span s, int64_t *ret)
{
	int64_t n = 0;
	if (!s.len || s.len > 12)
		return ERR_MALFORMED;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return ERR_MALFORMED;
		n = n * 10 + (s.p[i] - '0');
	}
	*ret = n;
	return 0;
}

static int remember(struct notice_replays *seen, const char *signature, int64_t now)
{
	int room = -1;
	for (int i = 0; i < NOTICE_REPLAYS_MAX; i++) {
		if (seen->at[i].until > now && !strcmp(seen->at[i].signature, signature))
			return ERR_EXISTS;
		if (seen->at[i].until <= now && room < 0)
			room = i;
	}
	if (room < 0)
		return ERR_LIMIT;
	snprintf(seen->at[room].signature, NOTICE_SIGNATURE, "%s", signature);
	/* Its time may lie as far ahead as it may lie back. */
	seen->at[room].until = now + 2 * NOTICE_SKEW_S + 1;
	return 0;
}

int notice_check(struct notice_replays *seen, struct span secret, struct span time,
		 struct span signature, struct span body, int64_t now)
{
	char good[NOTICE_SIGNATURE];
	int64_t at;
	if (!secret.len || signature.len != NOTICE_SIGNATURE - 1 || read_time(time, &at) < 0)
		return ERR_MALFORMED;
	notice_sign(secret, at, body, good);
	if (CRYPTO_memcmp(good, signature.p, signature.len))
		return ERR_VERIFY;
	if (at > now + NOTICE_SKEW_S || now - at > NOTICE_SKEW_S)
		return ERR_EXPIRED;
	return remember(seen, good, now);
}
