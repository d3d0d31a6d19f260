#include "policy/command.h"

#include <stdio.h>

#include "base/macro.h"
#include "policy/mask.h"

/* Where the secret of a word begins and ends, and whether it has one that we know: the first URL's,
 * the first pair's, whichever comes first. */
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
	static const char *const keys[] = {
	    "password=", "passwd=", "PASSWORD=", "PGPASSWORD=", "token=", "secret="};
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
static void star_secrets(const char *word, struct buf *out)
{
	const char *start = NULL, *end = NULL;
	for (; find_secret(word, &start, &end); word = end) {
		buf_add(out, word, (size_t)(start - word));
		buf_add_str(out, "***");
	}
	buf_add_str(out, word);
}

/* "--password X", "--api-key X": all of X is the secret. */
static bool announces_secret(const char *before)
{
	static const char *const ends[] = {"password", "passwd", "token",  "secret",
					   "api-key",  "apikey", "api_key"};
	size_t len = before ? strlen(before) : 0;
	for (size_t i = 0; i < ARRAY_LEN(ends) && len > 2 && before[0] == '-'; i++) {
		size_t n = strlen(ends[i]);
		if (len > n && !strcasecmp(before + len - n, ends[i]))
			return true;
	}
	return false;
}

void command_hide(const char *before, const char *word, struct buf *out)
{
	static const struct mask_how found = {
	    .way = MASK_REDACT,
	    .detect = DETECT_BUILT_INS & ~(1ull << DETECT_IP | 1ull << DETECT_PHONE)};
	struct buf b;
	if (announces_secret(before) && word[0] != '-') {
		buf_add_str(out, "***");
		return;
	}
	buf_init(&b, 3 * strlen(word) + 64);
	star_secrets(word, &b);
	if (!buf_err(&b))
		(void)mask_text(&found, buf_span(&b), out);
	buf_wipe(&b);
}
