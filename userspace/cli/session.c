#include "cli/session.h"

#include <stdio.h>
#include <string.h>

#include "base/jw.h"
#include "base/macro.h"
#include "cli/cli.h"
#include "policy/command.h"

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

static json_t *word_json(const char *before, const char *word)
{
	char text[WORD_MAX + 1] = "";
	struct buf b;
	buf_init(&b, 4 * strlen(word) + 64);
	command_hide(before, word, &b);
	size_t len = buf_err(&b) ? 0 : MIN(buf_len(&b), (size_t)WORD_MAX);
	if (len)
		memcpy(text, buf_span(&b).p, len);
	buf_wipe(&b);
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
		if (json_array_append_new(list, word_json(i ? argv[i - 1] : NULL, argv[i])) < 0) {
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
