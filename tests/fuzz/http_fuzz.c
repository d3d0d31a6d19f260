/* The admin API's HTTP parser: never reads outside its input, and what it takes it takes again in the
 * same way, alone and with bytes behind it. */
#include <assert.h>
#include <stdlib.h>

#include "control/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request r, again;
	char out[64];
	if (http_parse(span_of(data, size), &r) < 0)
		return 0;
	assert(r.len <= size && r.body.len <= r.len && r.path.len && r.path.p[0] == '/');
	assert(http_parse(span_of(data, r.len), &again) == 0 && again.len == r.len);
	for (size_t n = r.len > 3 ? r.len - 3 : 0; n < r.len; n++)
		assert(http_parse(span_of(data, n), &again) == ERR_MORE);
	struct span v;
	static const char *const names[] = {"host", "cookie", "origin"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_field(&r, names[i], &v) == 0)
			assert(v.p >= r.fields.p && v.p + v.len <= r.fields.p + r.fields.len);
	if (http_cookie(&r, "__Host-sluice", &v) == 0)
		assert(v.p >= r.fields.p && v.p + v.len <= r.fields.p + r.fields.len && !memchr(v.p, ';', v.len));
	if (http_query(r.query, "session", out, sizeof(out)) == 0)
		assert(strlen(out) < sizeof(out));
	return 0;
}
