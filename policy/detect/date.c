/* Dates, in the forms that people write. */
#include "policy/detect/internal.h"

static size_t month_name(struct span s, size_t i)
{
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	char low[3];
	size_t n = 0;
	while (n < 10 && i + n < s.len && is_alpha(s.p[i + n])) {
		if (n < 3)
			low[n] = (char)(s.p[i + n] | 0x20);
		n++;
	}
	for (size_t m = 0; n >= 3 && n < 10 && m < 36; m += 3)
		if (!memcmp(months + m, low, 3))
			return n + (byte_at(s, i + n) == '.');
	return 0;
}

static bool is_year(struct span s, size_t i, size_t n)
{
	return n == 4 ? number_at(s, i, 4) >= 1850 && number_at(s, i, 4) <= 2200 : n == 2;
}

/* "5 May 1990", "5th of May, 1990" (n digits are read), "May 5, 1990" (n is 0). */
static size_t date_with_name(struct span s, size_t i, size_t n)
{
	size_t at = i + n;
	if (n) {
		at += is_of("snrt", byte_at(s, at)) && is_alpha(byte_at(s, at + 1)) ? 2 : 0;
		for (int k = 0; k < 2 && is_of(" -./", byte_at(s, at)); k++)
			at++;
		at += at + 3 < s.len && !memcmp(s.p + at, "of ", 3) ? 3 : 0;
	}
	size_t name = month_name(s, at);
	if (!name)
		return 0;
	at += name;
	for (int k = 0; k < 2 && is_of(" -,", byte_at(s, at)); k++)
		at++;
	if (!n) {
		n = digits_at(s, at, 5);
		if (!n || n > 2)
			return 0;
		at += n;
		at += is_of("snrt", byte_at(s, at)) && is_alpha(byte_at(s, at + 1)) ? 2 : 0;
		for (int k = 0; k < 2 && is_of(" ,", byte_at(s, at)); k++)
			at++;
	}
	size_t year = digits_at(s, at, 5);
	return is_year(s, at, year) ? at + year - i : 0;
}

/* 1990-05-06, 6/5/1990, 06.05.90, 19900506 */
static size_t date_of_digits(struct span s, size_t i, size_t n)
{
	uint8_t sep = byte_at(s, i + n);
	if (n == 8)
		return is_year(s, i, 4) && number_at(s, i + 4, 2) - 1 < 12 &&
			       number_at(s, i + 6, 2) - 1 < 31
			   ? 8
			   : 0;
	if (!is_of("-./", sep))
		return 0;
	size_t middle = digits_at(s, i + n + 1, 3), at = i + n + 1 + middle;
	if (!middle || middle > 2 || byte_at(s, at) != sep)
		return 0;
	size_t last = digits_at(s, at + 1, 5);
	bool is_date =
	    n == 4 ? is_year(s, i, 4) && last && last <= 2 : n <= 2 && is_year(s, at + 1, last);
	return is_date ? at + 1 + last - i : 0;
}

size_t date_at(struct span s, size_t i)
{
	size_t n = digits_at(s, i, 9);
	if (is_alnum(byte_before(s, i)))
		return 0;
	size_t len = n ? date_of_digits(s, i, n) : 0;
	if (!len && n <= 2)
		len = date_with_name(s, i, n);
	return len && !is_digit(byte_at(s, i + len)) ? len : 0;
}

/* Also "May 5, 1990", which was noticed at the 5. */
bool find_birth(struct span s, size_t i, size_t from, struct find *ret)
{
	size_t len = date_at(s, i), start = i;
	for (; !len && start > from && i - start < 12 && is_of(" .", s.p[start - 1]);)
		start--;
	for (; !len && start > from && i - start < 12 && is_alpha(s.p[start - 1]);)
		start--;
	if (!len)
		len = date_at(s, start);
	return len && start + len > i && take(ret, start, start + len, DETECT_BIRTH);
}
