/* Events whose fields are put together elsewhere: of approvals and grants. */
#include "record/event_internal.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/macro.h"

#define KEYS_MAX 48

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object in the order of their bytes. */
static int sorted_keys(const json_t *o, const char *keys[KEYS_MAX])
{
	const char *key;
	json_t *v;
	int n = 0;
	json_object_foreach((json_t *)o, key, v) if (n < KEYS_MAX && !json_is_null(v)) keys[n++] = key;
	qsort(keys, (size_t)n, sizeof(*keys), by_bytes);
	return n;
}

static void put(struct jw *w, const char *key, const json_t *v)
{
	const char *keys[KEYS_MAX];
	size_t i;
	json_t *e;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		jw_object(w, key);
		for (int k = 0, n = sorted_keys(v, keys); k < n; k++)
			put(w, keys[k], json_object_get(v, keys[k]));
		jw_object_end(w);
		break;
	case JSON_ARRAY:
		jw_array(w, key);
		json_array_foreach((json_t *)v, i, e) put(w, NULL, e);
		jw_array_end(w);
		break;
	case JSON_STRING:
		jw_str(w, key, json_string_value(v));
		break;
	case JSON_INTEGER:
		jw_int(w, key, json_integer_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		jw_bool(w, key, json_is_true(v));
		break;
	default:
		jw_null(w, key);
	}
}

void event_fields(struct buf *out, const struct event_ctx *c, const char *type, const struct json_t *fields)
{
	struct event_writer e;
	const char *keys[KEYS_MAX];
	ev_begin(&e, out, c, type);
	int n = sorted_keys(fields, keys);
	for (int i = 0; i < n; i++) {
		const json_t *v = json_object_get(fields, keys[i]);
		if (!json_is_false(v))
			put(&e.w, ev_key(&e, keys[i]), v);
	}
	ev_end(&e);
}
