#include "cli/session.h"

#include <stdio.h>
#include <string.h>

#include "base/jw.h"
#include "base/macro.h"
#include "cli/cli.h"

#define WORDS_MAX 64
#define WORD_MAX  1024
#define ID_CHARS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

int session_path(const char *id, const char *suffix, char ret[256])
{
	size_t len = strlen(id);
	if (len == 0 || len > 64 || strspn(id, ID_CHARS) != len) {
		cli_error("\"%s\" is no session", id);
		cli_remedy("see sluice status, or sluice sessions");
		return ERR_MALFORMED;
	}
	snprintf(ret, 256, "/v1/sessions/%s%s", id, suffix);
	return 0;
}

const char *json_text(const json_t *object, const char *key, const char *other)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : other;
}

long long json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Where the secret of a word begins and ends; false: it has none that we know. */
static bool find_secret(const char *s, const char **ret_start, const char **ret_end)
{
	const char *scheme = strstr(s, "://");
	if (scheme) {
		const char *host = scheme + 3, *at = memrchr(host, '@', strcspn(host, "/?# "));
		const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
		if (colon) {
			*ret_start = colon + 1;
			*ret_end = at;
			return true;
		}
	}
	static const char *const keys[] = {"password=", "passwd=", "PASSWORD=", "PGPASSWORD=", "token=", "secret="};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *k = strstr(s, keys[i]);
		if (!k)
			continue;
		*ret_start = k + strlen(keys[i]);
		*ret_end = *ret_start + strcspn(*ret_start, " &;");
		return true;
	}
	return false;
}

static json_t *word_json(const char *word)
{
	char text[WORD_MAX + 8];
	const char *start, *end;
	if (find_secret(word, &start, &end))
		snprintf(text, sizeof(text), "%.*s***%s", (int)MIN(start - word, WORD_MAX), word, end);
	else
		snprintf(text, sizeof(text), "%s", word);
	size_t len = strlen(text);
	if (len > WORD_MAX)
		text[len = WORD_MAX] = 0;
	/* Whatever is not UTF-8, a character cut in two included, becomes a question mark. */
	for (size_t i = 0; !utf8_valid(span_of(text, len)) && i < len; i++)
		if ((uint8_t)text[i] >= 0x80)
			text[i] = '?';
	return json_string(text);
}

json_t *command_json(char *const *argv)
{
	json_t *list = json_array();
	for (int i = 0; list && argv[i] && i < WORDS_MAX; i++) {
		if (json_array_append_new(list, word_json(argv[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

char *left_text(int64_t until, int64_t now, char *out, size_t size)
{
	long long s = until - now;
	if (s <= 0)
		snprintf(out, size, "expired");
	else if (s < 120)
		snprintf(out, size, "%llds", s);
	else if (s < 3600)
		snprintf(out, size, "%lldm", s / 60);
	else if (s < 86400)
		snprintf(out, size, "%lldh %lldm", s / 3600, s / 60 % 60);
	else
		snprintf(out, size, "%lldd %lldh", s / 86400, s / 3600 % 24);
	return out;
}
