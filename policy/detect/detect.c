#include "policy/detect/internal.h"

#include "base/macro.h"

const char *const detect_names[DETECT_COUNT] = {
#define X(name, text) [DETECT_##name] = text,
    DETECT_LIST(X)
#undef X
};

/* ---- which pass ---- */

static const struct way {
	const char *name;
	pass_fn pass;
} ways[] = {
#ifdef __x86_64__
    {"avx2", pass_avx2},
    {"ssse3", pass_ssse3},
#endif
    {"plain", pass_plain},
};
/* Chosen once, before main. */
static const struct way *way = &ways[ARRAY_LEN(ways) - 1];

static bool runs_here(const char *name)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (!strcmp(name, "avx2"))
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		       __builtin_cpu_supports("bmi2");
	if (!strcmp(name, "ssse3"))
		return __builtin_cpu_supports("ssse3");
#endif
	return !strcmp(name, "plain");
}

bool detect_use(const char *how)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if ((how && strcmp(how, ways[i].name)) || !runs_here(ways[i].name))
			continue;
		way = &ways[i];
		return true;
	}
	return false;
}

static __attribute__((constructor)) void use_best(void)
{
	detect_use(NULL);
}

const char *detect_uses(void)
{
	return way->name;
}

/* ---- finds of one pass ---- */

static bool find_at(const struct scan *s, const struct marks *m, int k, size_t from,
		    struct find *ret)
{
	size_t i = m->at + (size_t)k;
	uint64_t bit = 1ull << k;
	if (m->word & bit && find_word(s->d, s->text, i, from, ret))
		return true;
	if (m->iban & bit && find_iban(s->text, i, ret))
		return true;
	if (m->number & bit && find_number(s->d, s->text, i, from, ret))
		return true;
	if (m->wide & bit && find_wide(s->d, s->text, i, from, ret))
		return true;
	if (m->mail & bit)
		return find_email(s->text, i, from, ret);
	return m->colon & bit && find_ip6(s->text, i, from, ret);
}

static bool find_in(const struct scan *s, const struct marks *m, size_t from, struct find *ret)
{
	uint64_t all = m->number | m->wide | m->iban | m->colon | m->mail | m->word;
	for (; all; all &= all - 1) {
		int k = __builtin_ctzll(all);
		if (m->at + (size_t)k >= s->until)
			return false;
		if (find_at(s, m, k, from, ret))
			return true;
	}
	return false;
}

/* An address may be the whole of which something was found: "4111111111111111@example.com". */
static void widen(const struct detect *d, struct span s, size_t from, struct find *f)
{
	size_t at = f->at;
	struct find mail;
	if (!(d->kinds >> DETECT_EMAIL & 1) || f->kind == DETECT_EMAIL || f->len > DETECT_LONGEST)
		return;
	while (at < s.len && at - f->at < 64 && (is_alnum(s.p[at]) || is_of("._%+-", s.p[at])))
		at++;
	if (byte_at(s, at) == '@' && find_email(s, at, from, &mail) && mail.at <= f->at)
		*f = mail;
}

static uint64_t all_ones_if(uint64_t kinds)
{
	return kinds ? ~0ull : 0;
}

#define B(kind) (1ull << DETECT_##kind)

static void scan_begin(struct scan *s, const struct detect *d, struct span text, size_t at,
		       size_t until)
{
	*s = (struct scan){.d = d, .text = text, .at = at, .until = MIN(until, text.len)};
	s->digit_before = is_digit(byte_before(text, at));
	s->word_before = is_alnum(byte_before(text, at));
	s->backslash_before = byte_before(text, at) == '\\';
	s->is_birth_column = d->bare & B(BIRTH);
	s->wanted = (struct marks){
	    .number = all_ones_if((d->kinds & (B(SSN) | B(CARD) | B(PHONE) | B(IP))) |
				  (d->bare & B(BIRTH))),
	    .iban = all_ones_if(d->kinds & B(IBAN)),
	    .colon = all_ones_if(d->kinds & B(IP)),
	    .mail = all_ones_if(d->kinds & B(EMAIL)),
	    .word = all_ones_if(d->kinds & (B(JWT) | B(PEM) | B(TOKEN) | B(BIRTH))),
	};
}

bool detect_part(const struct detect *d, struct span text, size_t from, size_t at, size_t until,
		 struct find *ret)
{
	struct find f = {0};
	struct marks m;
	struct scan s;
	if (!(d->kinds & DETECT_BUILT_INS))
		return false;
	scan_begin(&s, d, text, at, until);
	while (way->pass(&s, &m)) {
		if (!find_in(&s, &m, from, &f))
			continue;
		widen(d, text, from, &f);
		*ret = f;
		return true;
	}
	return false;
}

/* ---- a walk ---- */

void detect_begin(struct detect_walk *w, const struct detect *d, struct span text)
{
	w->d = d;
	w->text = text;
	w->from = 0;
	w->is_begun = false;
}

static void look_ahead(struct detect_walk *w, int n_patterns)
{
	bool is_stale = !w->is_begun || (w->built_in.len && w->built_in.at < w->from);
	if (is_stale && !detect_part(w->d, w->text, w->from, w->from, w->text.len, &w->built_in))
		w->built_in.len = 0;
	for (int i = 0; i < n_patterns; i++) {
		struct find *f = &w->patterns[i];
		if (!(w->d->kinds >> (DETECT_PATTERN_0 + i) & 1))
			f->len = 0;
		else if (!w->is_begun || (f->len && f->at < w->from))
			pattern_next(w->d->patterns, i, w->text, w->from, f);
	}
	w->is_begun = true;
}

bool detect_next(struct detect_walk *w, struct find *ret)
{
	int n = w->d->kinds >> DETECT_PATTERN_0 ? pattern_count(w->d->patterns) : 0;
	look_ahead(w, n);
	struct find best = w->built_in;
	for (int i = 0; i < n; i++)
		if (w->patterns[i].len && (!best.len || w->patterns[i].at < best.at))
			best = w->patterns[i];
	if (!best.len)
		return false;
	*ret = best;
	w->from = best.at + best.len;
	return true;
}
