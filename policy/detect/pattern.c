/* Operators' patterns: PCRE2, compiled once. What a pattern may cost is limited: who wrote it is
 * trusted, what it is matched against is not. pcre2api(3), pcre2limit(3). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/detect/internal.h"

#define STEPS_MAX     200000 /* of one match */
#define DEPTH_MAX     1000   /* nested backtracking points */
#define HEAP_MAX_KIB  1024
#define PATTERN_BYTES 400

struct detect_patterns {
	_Atomic int refs;
	int n;
	pcre2_code *code[DETECT_PATTERNS];
	pcre2_match_context *limits;
};

/* One thread's, for all patterns: only the whole match is asked for. */
static _Thread_local pcre2_match_data *matched;

static pcre2_code *compile(const char *pattern, pcre2_compile_context *c, char *ret_why)
{
	int err = 0;
	size_t at = 0;
	char text[80] = "";
	pcre2_code *code = pcre2_compile(
	    (PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
	    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &err, &at, c);
	if (!code) {
		pcre2_get_error_message(err, (PCRE2_UCHAR *)text, sizeof(text));
		snprintf(ret_why, 120, "%s, at character %zu", text, at + 1);
		return NULL;
	}
	/* Where memory may not be both written and run, patterns are interpreted. */
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

static int compile_all(struct detect_patterns *p, const char *const *patterns, int n, int *ret_bad,
		       char *ret_why)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	if (!c)
		return -ENOMEM;
	pcre2_set_max_pattern_length(c, PATTERN_BYTES);
	pcre2_set_parens_nest_limit(c, 50);
	for (; p->n < n; p->n++) {
		p->code[p->n] = compile(patterns[p->n], c, ret_why);
		if (!p->code[p->n])
			break;
	}
	pcre2_compile_context_free(c);
	*ret_bad = p->n;
	return p->n == n ? 0 : ERR_MALFORMED;
}

int detect_patterns_new(const char *const *patterns, int n, struct detect_patterns **ret,
			int *ret_bad, char *ret_why)
{
	struct detect_patterns *p = n <= DETECT_PATTERNS ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return -ENOMEM;
	p->refs = 1;
	p->limits = pcre2_match_context_create(NULL);
	int err = p->limits ? compile_all(p, patterns, n, ret_bad, ret_why) : -ENOMEM;
	if (err) {
		detect_patterns_unref(p);
		return err;
	}
	pcre2_set_match_limit(p->limits, STEPS_MAX);
	pcre2_set_depth_limit(p->limits, DEPTH_MAX);
	pcre2_set_heap_limit(p->limits, HEAP_MAX_KIB);
	*ret = p;
	return 0;
}

struct detect_patterns *detect_patterns_ref(const struct detect_patterns *p)
{
	struct detect_patterns *mine = (struct detect_patterns *)p;
	if (mine)
		atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
	return mine;
}

void detect_patterns_unref(const struct detect_patterns *p)
{
	struct detect_patterns *mine = (struct detect_patterns *)p;
	if (!mine || atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < mine->n; i++)
		pcre2_code_free(mine->code[i]);
	pcre2_match_context_free(mine->limits);
	free(mine);
}

int pattern_count(const struct detect_patterns *p)
{
	return p ? p->n : 0;
}

/* Whatever goes wrong counts as a find up to the end. */
void pattern_next(const struct detect_patterns *p, int i, struct span s, size_t from,
		  struct find *ret)
{
	*ret = (struct find){from, s.len - from, DETECT_PATTERN_0 + i, RUN_NONE};
	if (from >= s.len)
		return;
	if (!matched)
		matched = pcre2_match_data_create(1, NULL);
	if (!matched)
		return;
	int n = pcre2_match(p->code[i], s.p, s.len, from, PCRE2_NOTEMPTY, matched, p->limits);
	const size_t *at = pcre2_get_ovector_pointer(matched);
	if (n == PCRE2_ERROR_NOMATCH)
		ret->len = 0;
	else if (n >= 0 && at[0] >= from && at[0] < at[1]) /* \K may move a start behind its end */
		*ret = (struct find){at[0], at[1] - at[0], DETECT_PATTERN_0 + i, RUN_NONE};
}
