#include "upstream/startup_packet.h"

#include "base/macro.h"

#define PROTOCOL 0x00030000u

int startup_packet(const struct target *t, struct buf *out)
{
	const char *const pairs[][2] = {
	    {"user", t->user},
	    {"database", t->database},
	    {"replication", t->replication},
	    {"options", t->options},
	    {"application_name", t->application},
	};
	size_t at = buf_len(out);
	buf_add_u32(out, 0);
	buf_add_u32(out, PROTOCOL);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (!pairs[i][1] || !*pairs[i][1])
			continue;
		buf_add_cstr(out, pairs[i][0]);
		buf_add_cstr(out, pairs[i][1]);
	}
	buf_add_u8(out, 0);
	if (!buf_err(out))
		buf_put_u32_at(out, at, (uint32_t)(buf_len(out) - at));
	return buf_err(out);
}
