#include "cli/inert.h"

#include <locale.h>
#include <wchar.h>

#include "base/macro.h"
#include "base/unseen.h"

/* One character; its length in ret_len. Malformed: the byte itself, length 1, *ret_bad set. */
static uint32_t decode(const unsigned char *s, size_t left, size_t *ret_len, int *ret_bad)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {
	    {0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	*ret_bad = 0;
	for (size_t n = 0; n < ARRAY_LEN(forms); n++) {
		if ((s[0] & forms[n].mask) != forms[n].lead || left < n + 1)
			continue;
		uint32_t c = s[0] & (unsigned char)~forms[n].mask;
		size_t i = 1;
		for (; i <= n && (s[i] & 0xc0) == 0x80; i++)
			c = c << 6 | (s[i] & 0x3f);
		if (i <= n || c < forms[n].least || c > 0x10ffff)
			break;
		*ret_len = n + 1;
		return c;
	}
	*ret_len = 1;
	*ret_bad = 1;
	return s[0];
}

/* How many bytes from p on are plain ASCII, which most text is. */
static size_t plain_len(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *at = p;
	while (at < end && *at >= 0x20 && *at < 0x7f)
		at++;
	return (size_t)(at - p);
}

static int is_before_newline(const uint8_t *p, const uint8_t *end)
{
	return p + 1 < end && p[1] == '\n';
}

void inert_add(struct buf *out, struct span text, const char *indent)
{
	size_t n;
	int is_bad;
	for (const uint8_t *p = text.p, *end = p + text.len; p < end; p += n) {
		n = plain_len(p, end);
		if (n) {
			buf_add(out, p, n);
			continue;
		}
		uint32_t c = decode(p, (size_t)(end - p), &n, &is_bad);
		if (c == '\n' && indent)
			buf_printf(out, "\n%s", indent);
		else if (c == '\r' && indent) /* to the server it ends a line, and a comment */
			buf_printf(out, "\\x0d%s%s", is_before_newline(p, end) ? "" : "\n",
				   is_before_newline(p, end) ? "" : indent);
		else if (c == '\t')
			buf_add_u8(out, ' ');
		else if (is_bad || is_unseen(c))
			buf_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
		else
			buf_add(out, p, n);
	}
}

void inert_add_json(struct buf *out, struct span json)
{
	size_t n;
	int is_bad;
	for (const uint8_t *p = json.p, *end = p + json.len; p < end; p += n) {
		n = plain_len(p, end);
		if (n) {
			buf_add(out, p, n);
			continue;
		}
		uint32_t c = decode(p, (size_t)(end - p), &n, &is_bad);
		if (c > 0xffff && is_unseen(c)) /* as a surrogate pair, RFC 8259 7 */
			buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
				   (unsigned)(0xdc00 + (c & 0x3ff)));
		else if (is_bad || is_unseen(c))
			buf_printf(out, "\\u%04x", (unsigned)c);
		else
			buf_add(out, p, n);
	}
}

int inert_width(struct span text)
{
	static locale_t utf8; /* only here: it changes how sscanf reads */
	int width = 0, is_bad;
	size_t n;
	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = uselocale(utf8);
	for (const uint8_t *p = text.p, *end = p + text.len; p < end; p += n) {
		int w = wcwidth((wchar_t)decode(p, (size_t)(end - p), &n, &is_bad));
		width += w < 0 ? 1 : w;
	}
	uselocale(before);
	return width;
}
