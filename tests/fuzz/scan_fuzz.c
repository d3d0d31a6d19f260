/* The recorder's look at an event: never over the end, and what it takes is what jansson reads; the
 * chain's prefix likewise. */
#include <jansson.h>
#include <stdlib.h>

#include "record/chain.h"
#include "record/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fields(const struct scan *s, const json_t *j)
{
	for (int i = 0; i < s->n; i++) {
		const struct scan_field *f = &s->fields[i];
		json_error_t e;
		json_t *v = json_loadb((const char *)f->value.p, f->value.len, JSON_DECODE_ANY, &e);
		json_t *same = json_object_getn(j, (const char *)f->key.p, f->key.len);
		if (!v || !same || !json_equal(v, same))
			abort();
		json_decref(v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scan s;
	uint8_t prev[HASH_LEN];
	uint64_t seq;
	struct span text = span_of(data, size), item;
	if (chain_prefix_read(text, prev, &seq) == 0 && chain_prefix_len(seq) > size)
		abort();
	struct scan quick;
	if (scan_stored(text, 1, &quick) < 0 && scan_event(text, true, &s) == 0)
		abort();
	if (scan_event(text, true, &s) < 0)
		return 0;
	for (int i = 0; i < s.n; i++)
		if (quick.n != s.n || !span_eq(quick.fields[i].value, s.fields[i].value))
			abort();
	json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(j) || (int)json_object_size(j) != s.n)
		abort();
	check_fields(&s, j);
	for (int i = 0; i < s.n; i++) {
		size_t n = 0;
		for (size_t at = 0; scan_item(s.fields[i].value, &at, &item);)
			n++;
		const json_t *v =
		    json_object_getn(j, (const char *)s.fields[i].key.p, s.fields[i].key.len);
		if (json_is_array(v) && json_array_size(v) != n)
			abort();
	}
	json_decref(j);
	return 0;
}
