/* A set of keys. RFC 7517 section 5: members that are not understood or out of range are ignored. */
#include "identity/token.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/macro.h"

struct jwks {
	atomic_int refs;
	int n;
	struct jwk keys[];
};

static int read_keys(const json_t *keys, struct jwks *k)
{
	size_t i;
	json_t *v;
	json_array_foreach (keys, i, v) {
		int r = jwk_read(v, &k->keys[k->n]);
		if (r < 0)
			return r;
		k->n += r == 0;
	}
	return k->n ? 0 : ERR_NOT_FOUND;
}

int jwks_parse(struct span text, struct jwks **ret_k)
{
	json_t *json = NULL;
	if (text.len > JWKS_MAX)
		return ERR_LIMIT;
	int r = strict_object(text, &json);
	if (r < 0)
		return r;
	const json_t *keys = json_object_get(json, "keys");
	size_t n = json_array_size(keys);
	struct jwks *k = NULL;
	if (!json_is_array(keys))
		r = ERR_MALFORMED;
	else if (n > JWKS_KEYS_MAX)
		r = ERR_LIMIT;
	else if (!(k = calloc(1, sizeof(*k) + n * sizeof(k->keys[0]))))
		r = -ENOMEM;
	if (k) {
		atomic_init(&k->refs, 1);
		r = read_keys(keys, k);
	}
	json_decref(json);
	if (r < 0) {
		jwks_unref(k);
		return r;
	}
	*ret_k = k;
	return 0;
}

struct jwks *jwks_ref(struct jwks *k)
{
	if (k)
		atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void jwks_unref(struct jwks *k)
{
	if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < k->n; i++)
		jwk_done(&k->keys[i]);
	free(k);
}

const struct jwk *jwks_at(const struct jwks *k, int i)
{
	return i < k->n ? &k->keys[i] : NULL;
}
