/* Removes a test's folder; signs as the monitor does. */
#pragma once

#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "priv/signer.h"

static inline int rig_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void rig_remove(const char *dir)
{
	nftw(dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the monitor answers to "sign". ret_last: what was signed, if it was. */
static inline json_t *rig_sign(struct signer *s, const char *node, const json_t *j,
			       struct checkpoint *ret_last)
{
	struct checkpoint c = {.seq = (uint64_t)json_integer_value(json_object_get(j, "seq")),
			       .time = json_integer_value(json_object_get(j, "time"))};
	char sig[2 * SIG_LEN + 1], hex[2 * KEY_LEN + 1];
	uint8_t key[KEY_LEN];
	snprintf(c.node, sizeof(c.node), "%s", node);
	if (hex_decode(span_str(json_string_value(json_object_get(j, "hash"))), c.hash, HASH_LEN) <
		0 ||
	    hex_decode(span_str(json_string_value(json_object_get(j, "root"))), c.root, HASH_LEN) <
		0)
		abort();
	uint64_t from = (uint64_t)json_integer_value(json_object_get(j, "from"));
	int r = signer_extend(s, &c, from, span_str(json_string_value(json_object_get(j, "nodes"))));
	if (r == ERR_STATE)
		return json_pack("{s:b,s:I}", "ok", 1, "from", (json_int_t)s->tree.size);
	if (r < 0 || signer_public(s, key) < 0)
		return json_pack("{s:b,s:s}", "ok", 0, "why", err_text(r));
	*ret_last = c;
	hex_encode(c.sig, SIG_LEN, sig);
	hex_encode(key, KEY_LEN, hex);
	return json_pack("{s:b,s:s,s:s}", "ok", 1, "key", hex, "sig", sig);
}
