#include "policy/detect_internal.h"

#include "base/macro.h"

const char *const detect_names[DETECT_COUNT] = {
#define X(name, text) [DETECT_##name] = text,
    DETECT_LIST(X)
#undef X
};

/* ---- how bytes are classified ---- */

static const struct way {
	const char *name;
	classify_fn classify;
} ways[] = {
#ifdef __x86_64__
    {"avx2", classify_avx2},
    {"ssse3", classify_ssse3},
#endif
    {"plain", classify_plain},
};
/* Chosen once, before main. */
static const struct way *way = &ways[ARRAY_LEN(ways) - 1];

static bool runs_here(const char *name)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (!strcmp(name, "avx2"))
		return __builtin_cpu_supports("avx2");
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

/* ---- one pass ---- */

__extension__ typedef unsigned __int128 bits128; /* a block and the next one */

struct scan {
	const struct detect *d;
	struct span text;
	size_t from, at, until; /* at: of the block this */
	struct block this, next;
	bool has_digit_before, has_alnum_before;	/* the last byte in front of the block */
	uint64_t colons_before; /* the last five, as bits 0 to 4 of a block that they follow */
	struct find *found;
};

static void classify(const struct scan *s, size_t at, struct block *ret)
{
	uint8_t last[66];
	if (at >= s->text.len) {
		*ret = (struct block){0};
		return;
	}
	size_t n = s->text.len - at;
	if (n >= sizeof(last)) {
		way->classify(s->text.p + at, ret);
		return;
	}
	memset(last, 0, sizeof(last));
	memcpy(last, s->text.p + at, n);
	way->classify(last, ret);
}

static bits128 join(uint64_t this, uint64_t next)
{
	return (bits128)next << 64 | this;
}

static bool wants(const struct scan *s, int kind)
{
	return s->d->kinds >> kind & 1;
}

#define NUMBERS (1 << DETECT_SSN | 1 << DETECT_CARD | 1 << DETECT_PHONE | 1 << DETECT_IP)
#define WORDS	(1 << DETECT_JWT | 1 << DETECT_PEM | 1 << DETECT_TOKEN | 1 << DETECT_BIRTH)

/* First digits of what goes on as a number for seven bytes: nothing that is looked for is shorter.
 */
static uint64_t numbers(const struct scan *s)
{
	if (!s->this.digit)
		return 0;
	if (!(s->d->kinds & NUMBERS) && !(s->d->bare >> DETECT_BIRTH & 1))
		return 0;
	uint64_t first = s->this.digit & ~(s->this.digit << 1 | s->has_digit_before);
	bits128 run = join(s->this.digit | s->this.joint, s->next.digit | s->next.joint);
	run &= run >> 1;
	run &= run >> 2;
	run &= run >> 3;
	return s->d->bare >> DETECT_BIRTH & 1 ? first : first & (uint64_t)run;
}

static uint64_t ibans(const struct scan *s)
{
	if (!s->this.upper)
		return 0;
	bits128 upper = join(s->this.upper, s->next.upper),
		digit = join(s->this.digit, s->next.digit);
	return wants(s, DETECT_IBAN) ? (uint64_t)(upper & upper >> 1 & digit >> 2 & digit >> 3) : 0;
}

/* The first colon of several that are at most five bytes apart. */
static uint64_t colons(const struct scan *s)
{
	bits128 c = join(s->this.colon, s->next.colon);
	if (!s->this.colon || !wants(s, DETECT_IP))
		return 0;
	bits128 follows = c >> 1 | c >> 2 | c >> 3 | c >> 4 | c >> 5;
	uint64_t w = s->this.colon;
	uint64_t precedes = w << 1 | w << 2 | w << 3 | w << 4 | w << 5 | s->colons_before;
	return w & (uint64_t)follows & ~precedes;
}

static bool has_seven(uint64_t bits)
{
	for (int i = 0; i < 6; i++)
		bits &= bits - 1;
	return bits;
}

/* May this be a number of interest? Counts on the bits alone: most dates and times end here. */
static bool is_number(const struct scan *s, int k)
{
	uint64_t digit = (uint64_t)(join(s->this.digit, s->next.digit) >> k);
	uint64_t run = (uint64_t)(join(s->this.joint, s->next.joint) >> k) | digit;
	uint64_t in_run = ~run ? (~run & -~run) - 1 : ~0ull;
	if (s->d->bare >> DETECT_BIRTH & 1)
		return true;
	if ((digit & 0x7ff) == 0x36f) /* 2024-05-06 */
		return false;
	uint64_t joint = run & ~digit & in_run;
	int first = __builtin_ctzll(~digit | 1ull << 63);
	bool is_decimal = first <= 3 && joint == 1ull << first && (digit >> first & 2);
	bool has_dot = byte_at(s->text, s->at + (size_t)(k + first)) == '.';
	if (is_decimal && has_dot) /* 12.3456789 */
		return false;
	return has_seven(digit & in_run) || has_dot;
}

/* Seven colons or two beside each other within the longest address. */
static bool is_ip6(const struct scan *s, int k)
{
	uint64_t c = (uint64_t)(join(s->this.colon, s->next.colon) >> k) & 0xffffffffffull;
	return (c & c >> 1) || has_seven(c);
}

static bool find_at(struct scan *s, int k, uint64_t number, uint64_t iban, uint64_t colon)
{
	size_t i = s->at + (size_t)k;
	uint64_t bit = 1ull << k;
	if (s->this.word & bit && s->d->kinds & WORDS &&
	    find_word(s->d, s->text, i, s->from, s->found))
		return true;
	if (iban & bit && find_iban(s->text, i, s->found))
		return true;
	if (number & bit && is_number(s, k) && find_number(s->d, s->text, i, s->from, s->found))
		return true;
	if (s->this.at & bit && wants(s, DETECT_EMAIL))
		return find_email(s->text, i, s->from, s->found);
	return colon & bit && is_ip6(s, k) && find_ip6(s->text, i, s->from, s->found);
}

/* Nothing of a token's prefix begins within a word. */
static uint64_t words(const struct scan *s)
{
	return s->d->kinds & WORDS ? s->this.word & ~(s->this.alnum << 1 | s->has_alnum_before) : 0;
}

static bool scan_block(struct scan *s)
{
	uint64_t number = numbers(s), iban = ibans(s), colon = colons(s);
	uint64_t all = number | iban | colon;
	all |= wants(s, DETECT_EMAIL) ? s->this.at : 0;
	all |= words(s);
	for (; all; all &= all - 1) {
		int k = __builtin_ctzll(all);
		if (s->at + (size_t)k >= s->until)
			return false;
		if (find_at(s, k, number, iban, colon))
			return true;
	}
	return false;
}

static uint64_t colons_in_front(struct span text, size_t at)
{
	uint64_t bits = 0;
	for (size_t back = 1; back <= 5; back++)
		if (back <= at && text.p[at - back] == ':')
			bits |= (1ull << (6 - back)) - 1;
	return bits;
}

/* The same behind a block. */
static uint64_t colons_behind(uint64_t colon)
{
	uint64_t bits = 0;
	for (int k = 59; k < 64; k++)
		if (colon >> k & 1)
			bits |= (1ull << (k - 58)) - 1;
	return bits;
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

bool detect_part(const struct detect *d, struct span text, size_t from, size_t at, size_t until,
		 struct find *ret)
{
	struct find f = {0};
	struct scan s = {.d = d,
			 .text = text,
			 .from = from,
			 .at = at,
			 .until = MIN(until, text.len),
			 .found = &f};
	if (!(d->kinds & DETECT_BUILT_INS) || at >= s.until)
		return false;
	s.has_digit_before = is_digit(byte_before(text, at));
	s.has_alnum_before = is_alnum(byte_before(text, at));
	s.colons_before = colons_in_front(text, at);
	classify(&s, at, &s.next);
	for (; s.at < s.until; s.at += 64) {
		s.this = s.next;
		classify(&s, s.at + 64, &s.next);
		if (scan_block(&s)) {
			widen(d, text, from, &f);
			*ret = f;
			return true;
		}
		s.has_digit_before = s.this.digit >> 63;
		s.has_alnum_before = s.this.alnum >> 63;
		s.colons_before = colons_behind(s.this.colon);
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
