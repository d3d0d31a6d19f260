#include "cli/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "cli/inert.h"

#define CONTEXT 2

void approval_print(const char *text)
{
	struct buf b;
	buf_init(&b, 1024 * 1024);
	inert_add(&b, span_str(text), NULL);
	printf("%.*s\n", (int)buf_len(&b), (const char *)buf_span(&b).p);
	buf_done(&b);
}

struct lines {
	struct span *at;
	int n;
};

static bool split(const char *text, struct lines *ret)
{
	size_t cap = 2;
	for (const char *p = text; *p; p++)
		cap += *p == '\n';
	ret->at = calloc(cap, sizeof(*ret->at));
	ret->n = 0;
	while (ret->at) {
		size_t len = strcspn(text, "\n");
		ret->at[ret->n++] = span_of(text, len);
		if (!text[len])
			break;
		text += len + 1;
	}
	return ret->at != NULL;
}

static void put(char mark, struct span s, const char *indent)
{
	struct buf b;
	buf_init(&b, 8 * 1024 * 1024);
	inert_add(&b, s, NULL);
	printf("%s%c %.*s\n", indent, mark, (int)buf_len(&b), (const char *)buf_span(&b).p);
	buf_done(&b);
}

/* What both begin and end with is left out but for a little; the rest went, or came. */
void approval_diff(const char *before, const char *now, const char *indent)
{
	struct lines a, b = {0};
	int head = 0, tail = 0;
	if (!split(before, &a) || !split(now, &b)) {
		free(a.at);
		free(b.at);
		return;
	}
	while (head < a.n && head < b.n && span_eq(a.at[head], b.at[head]))
		head++;
	while (tail < a.n - head && tail < b.n - head && span_eq(a.at[a.n - 1 - tail], b.at[b.n - 1 - tail]))
		tail++;
	for (int i = MAX(head - CONTEXT, 0); i < head; i++)
		put(' ', a.at[i], indent);
	for (int i = head; i < a.n - tail; i++)
		put('-', a.at[i], indent);
	for (int i = head; i < b.n - tail; i++)
		put('+', b.at[i], indent);
	for (int i = b.n - tail; i < MIN(b.n - tail + CONTEXT, b.n); i++)
		put(' ', b.at[i], indent);
	free(a.at);
	free(b.at);
}

long long cli_seconds(const char *text)
{
	static const struct {
		char unit;
		long long seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t n = strspn(text, "0123456789");
	for (size_t i = 0; n && n <= 6 && text[n] && !text[n + 1] && i < ARRAY_LEN(units); i++)
		if (units[i].unit == text[n])
			return strtoll(text, NULL, 10) * units[i].seconds;
	return 0;
}
