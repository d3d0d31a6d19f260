#include "upstream/secret_text.h"

#include <ctype.h>
#include <string.h>

/* Takes the bytes of a value one after the other, and blanks what they came from. */
struct taker {
	char *out;
	size_t size, n;
	bool is_wanted, is_over;
};

static void take_begin(struct taker *t, bool is_wanted)
{
	t->is_wanted = is_wanted;
	if (!is_wanted)
		return;
	memset(t->out, 0, t->size);
	t->n = 0;
	t->is_over = false;
}

static void take(struct taker *t, char c)
{
	if (!t->is_wanted)
		return;
	if (t->n + 1 < t->size)
		t->out[t->n++] = c;
	else
		t->is_over = true;
}

static void blank(const struct taker *t, char *from, const char *to)
{
	if (t->is_wanted)
		memset(from, SECRET_BLANK, (size_t)(to - from));
}

/* ---- key=value ---- */

static char *skip_blanks(char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* 'a b\'c', or up to a blank. Behind it. */
static char *pair_value(struct taker *t, char *p)
{
	bool is_quoted = *p == '\'';
	char *from = p += is_quoted;
	while (*p && (is_quoted ? *p != '\'' : !isspace((unsigned char)*p))) {
		if (*p == '\\' && !*++p)
			break;
		take(t, *p++);
	}
	blank(t, from, p);
	return p + (is_quoted && *p == '\'');
}

static void cut_pairs(struct taker *t, char *p, const char *key)
{
	while (*(p = skip_blanks(p))) {
		char *name = p;
		while (*p && *p != '=' && !isspace((unsigned char)*p))
			p++;
		size_t n = (size_t)(p - name);
		p = skip_blanks(p);
		if (*p != '=')
			return;
		p = skip_blanks(p + 1);
		take_begin(t, n == strlen(key) && !memcmp(name, key, n));
		p = pair_value(t, p);
	}
}

/* ---- URLs ---- */

static int hex(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* One byte of the text between *p and end, %XX decoded; *p moves behind it. */
static char url_byte(char **p, const char *end)
{
	char c = *(*p)++;
	if (c != '%' || end - *p < 2 || hex((*p)[0]) < 0 || hex((*p)[1]) < 0)
		return c;
	c = (char)(hex((*p)[0]) * 16 + hex((*p)[1]));
	*p += 2;
	return c;
}

static void url_value(struct taker *t, char *from, const char *end)
{
	for (char *p = from; p < end;)
		take(t, url_byte(&p, end));
	blank(t, from, end);
}

static bool url_is(char *p, const char *end, const char *key)
{
	while (p < end && *key)
		if (url_byte(&p, end) != *key++)
			return false;
	return p == end && !*key;
}

static void url_parameters(struct taker *t, char *p, const char *key)
{
	while (*p) {
		char *end = p + strcspn(p, "&"), *equals = memchr(p, '=', (size_t)(end - p));
		take_begin(t, equals && url_is(p, equals, key));
		if (equals)
			url_value(t, equals + 1, end);
		p = end + (*end == '&');
	}
}

static void cut_url(struct taker *t, char *p, const char *key)
{
	char *user_end = p + strcspn(p, "@/");
	if (*user_end == '@') {
		char *colon = memchr(p, ':', (size_t)(user_end - p));
		take_begin(t, colon && colon + 1 < user_end && !strcmp(key, "password"));
		if (colon)
			url_value(t, colon + 1, user_end);
		p = user_end + 1;
	}
	p += strcspn(p, "?");
	if (*p)
		url_parameters(t, p + 1, key);
}

int secret_text_cut(char *text, const char *key, char *out, size_t size)
{
	static const char *const schemes[] = {"postgresql://", "postgres://"};
	struct taker t = {.out = out, .size = size};
	memset(out, 0, size);
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(schemes[i]);
		if (strncmp(text, schemes[i], n))
			continue;
		cut_url(&t, text + n, key);
		return t.is_over ? ERR_LIMIT : 0;
	}
	cut_pairs(&t, text, key);
	return t.is_over ? ERR_LIMIT : 0;
}

bool secret_text_is_blank(const char *value)
{
	return value[strspn(value, (char[]){SECRET_BLANK, 0})] == 0;
}
