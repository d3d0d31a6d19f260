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

/* Where the secret of a word begins and ends, and whether it has one that we know: the first URL's, the
 * first pair's, whichever comes first. */
static bool find_in_url(const char *s, const char **ret_start, const char **ret_end)
{
	for (const char *scheme = s; (scheme = strstr(scheme, "://")); scheme += 3) {
		const char *host = scheme + 3, *at = memrchr(host, '@', strcspn(host, "/?# \t\n"));
		const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
		if (!colon)
			continue;
		*ret_start = colon + 1;
		*ret_end = at;
		return true;
	}
	return false;
}

static bool find_in_pair(const char *s, const char **ret_start, const char **ret_end)
{
	static const char *const keys[] = {"password=", "passwd=", "PASSWORD=", "PGPASSWORD=", "token=", "secret="};
	const char *first = NULL;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *k = strstr(s, keys[i]), *value = k ? k + strlen(keys[i]) : NULL;
		if (value && (!first || value < first))
			first = value;
	}
	if (!first)
		return false;
	/* A value in quotes may hold what else would end it. */
	const char *quoted = *first == '\'' || *first == '"' ? strchr(first + 1, *first) : NULL;
	*ret_start = first;
	*ret_end = quoted ? quoted + 1 : first + strcspn(first, " &;\t\n");
	return true;
}

static bool find_secret(const char *s, const char **ret_start, const char **ret_end)
{
	const char *start = NULL, *end = NULL, *other = NULL, *other_end = NULL;
	bool has_url = find_in_url(s, &start, &end), has_pair = find_in_pair(s, &other, &other_end);
	bool is_pair = has_pair && (!has_url || other < start);
	*ret_start = is_pair ? other : start;
	*ret_end = is_pair ? other_end : end;
	return has_url || has_pair;
}

/* A script (sh -c "...") may hold several. */
static void star_secrets(const char *word, char *out, size_t size)
{
	const char *start = NULL, *end = NULL;
	size_t n = 0;
	for (; n + 1 < size && find_secret(word, &start, &end); word = end)
		n += (size_t)snprintf(out + n, size - n, "%.*s***", (int)MIN(start - word, (ptrdiff_t)size), word);
	if (n + 1 < size)
		snprintf(out + n, size - n, "%s", word);
}

static json_t *word_json(const char *word)
{
	char text[WORD_MAX + 8];
	star_secrets(word, text, sizeof(text));
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
