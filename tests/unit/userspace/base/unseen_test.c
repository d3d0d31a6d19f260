/* What is shown by its code: everything that Unicode does not draw, or that moves what is drawn. */
#include "base/unseen.h"

#include "base/macro.h"
#include "tests/unit/tap.h"

int main(void)
{
	static const uint32_t unseen[] = {
	    0,	    0x0a,   0x0d,   0x1b,   0x7f,   0x80,   0x9f,    0xad,    0x34f,   0x61c,
	    0x115f, 0x1160, 0x17b4, 0x180b, 0x180e, 0x180f, 0x200b,  0x200f,  0x2028,  0x2029,
	    0x202e, 0x2060, 0x2064, 0x2066, 0x206f, 0x3164, 0xfe00,  0xfe0f,  0xfeff,  0xffa0,
	    0xfff9, 0xe0001, 0xe0041, 0xe0100, 0x1bca0,
	};
	static const uint32_t seen[] = {' ', '~', 'A', 0xa0, 0xe4, 0x430, 0x4e00, 0x3000, 0xac00, 0x1f418, 0xfffd};
	for (size_t i = 0; i < ARRAY_LEN(unseen); i++)
		CHECK_INT(is_unseen(unseen[i]) ? unseen[i] : 0, unseen[i]);
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		CHECK_INT(is_unseen(seen[i]) ? seen[i] : 0, 0);
	return tap_done();
}
