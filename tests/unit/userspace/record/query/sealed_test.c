/* Questions about payloads that are packed or sealed: packed ones are looked into and handed out as
 * they were; of sealed ones it is counted where a text was not looked for, and each key is told
 * once. */
#include <stdlib.h>

#include "../../../tap.h"
#include "../seal_keys.h"
#include "record/opener.h"
#include "record/query/internal.h"
#include "record/sealer.h"

#define OP_HEAD "{\"decision\":\"allow\",\"flow\":\"f\",\"id\":1,\"session\":\"s-1\",\"text\":\"SELECT needle"
#define OP_TAIL "\",\"time\":1,\"type\":\"op\"}"

static char plain[1000];
static char lines[4000];

static int keep_line(void *ctx, struct span line)
{
	(void)ctx;
	strncat(lines, (const char *)line.p, line.len);
	return 0;
}

/* The event as the recorder stores it, without its place in the chain; the caller's. */
static char *stored(struct sealer *s)
{
	struct marks m;
	struct scan e;
	struct span out;
	const struct marks *out_marks;
	CHECK_INT(scan_event(span_str(plain), false, &e), 0);
	marks_take(&m, &e, span_str(plain));
	CHECK(sealer_seal(s, span_str(plain), &m, &out, &out_marks) >= 0);
	return strndup((const char *)out.p, out.len);
}

static struct query *ask(const char *text, bool keys, bool tells_sealed)
{
	json_t *j = json_pack("{s:s,s:s?,s:s*,s:s*}", "kind", "events", "text", text, "keys", keys ? "1" : NULL,
			      "sealed", tells_sealed ? "1" : NULL);
	struct query *q;
	if (!text)
		json_object_del(j, "text");
	CHECK_INT(query_read(j, &q), 0);
	json_decref(j);
	return q;
}

static struct answer begin(const struct query *q)
{
	static const struct query_sink sink = {.line = keep_line};
	struct answer a = {.q = q, .sink = &sink};
	lines[0] = 0;
	buf_init(&a.line, 65536);
	buf_init(&a.opened, 2 * PAYLOAD_MAX);
	return a;
}

static void end(struct answer *a, struct query *q)
{
	buf_done(&a->line);
	buf_done(&a->opened);
	query_free(q);
}

static void packed(void)
{
	char why[200];
	struct sealer *s;
	struct span seen;
	CHECK_INT(sealer_new(NULL, 0, 3, &s, why, sizeof(why)), 0);
	char *event = stored(s);
	CHECK(strstr(event, "\"packed\":\"") && !strstr(event, "needle"));
	static const struct {
		const char *text;
		int found;
	} rows[] = {{"NEEDLE", 1}, {"needless", 0}, {"xxxx", 1}, {NULL, 1}};
	for (size_t i = 0; i < 4; i++) {
		struct query *q = ask(rows[i].text, false, true);
		struct answer a = begin(q);
		CHECK_INT(answer_match(&a, span_str(event), &seen), rows[i].found);
		CHECK_INT(a.n_sealed, 0);
		CHECK_INT(answer_event(&a, NULL, span_str(event)), 0);
		CHECK(strncmp(lines, plain, strlen(plain)) == 0); /* as it was */
		CHECK_INT(answer_n_sealed(&a), 0);
		CHECK(!strstr(lines, "_sealed"));
		end(&a, q);
	}
	char *at = strstr(event, "\"packed\":\"");
	memset(at + 10, 'A', 12);
	struct query *q = ask("needle", false, false);
	struct answer a = begin(q);
	CHECK(answer_match(&a, span_str(event), &seen) < 0);
	end(&a, q);
	free(event);
	sealer_free(s);
}

static void sealed(void)
{
	struct seal_keys keys = {0};
	char why[200], id[SEAL_ID_TEXT + 1];
	struct sealer *s;
	struct span seen;
	struct buf told;
	struct scan k;
	bool owes;
	seal_keys_make(&keys, "a", SEAL_RSA);
	const char *files[] = {keys.public};
	CHECK_INT(sealer_new(files, 1, 0, &s, why, sizeof(why)), 0);
	CHECK_INT(sealer_owes_key(s, &owes), 0);
	CHECK(owes);
	buf_init(&told, SEAL_TO_MAX);
	sealer_key_event(s, &told, "n", 1);
	CHECK_INT(scan_event(buf_span(&told), false, &k), 0);
	CHECK_INT(seal_id(scan_get(&k, "to"), id), 0);
	char *event = stored(s);
	CHECK(strstr(event, "\"sealed\":\"") && !strstr(event, "needle"));
	for (int tells = 0; tells < 2; tells++) {
		struct query *q = ask("needle", true, tells);
		struct answer a = begin(q);
		CHECK_INT(answer_match(&a, span_str(event), &seen), 0);
		CHECK_INT(answer_match(&a, span_str(event), &seen), 0);
		CHECK_INT(a.n_sealed, 2);
		CHECK_INT(answer_n_sealed(&a), 0);
		CHECK_STR(lines, tells ? "{\"_sealed\":2,\"type\":\"sealed\"}\n" : "");
		end(&a, q);
	}
	struct query *q = ask(NULL, true, false);
	struct answer a = begin(q);
	CHECK_INT(answer_match(&a, span_str(event), &seen), 1);
	for (int i = 0; i < 2; i++)
		CHECK_INT(answer_key(&a, span_str(id), scan_get(&k, "to")), 0);
	char *first = strstr(lines, "{\"_key\":[");
	CHECK(first && strstr(lines, ",\"type\":\"key\"}\n") && !strstr(first + 1, "{\"_key\":["));
	CHECK_INT(answer_key(&a, span_str("x"), scan_get(&k, "to")), 0); /* no name of a key */
	CHECK(!strstr(first + 1, "{\"_key\":["));
	lines[0] = 0;
	CHECK_INT(answer_event(&a, NULL, span_str(event)), 0);
	CHECK(!strncmp(lines, event, strlen(event)) && a.n == 0);
	end(&a, q);
	free(event);
	buf_done(&told);
	sealer_free(s);
	seal_keys_remove(&keys);
}

int main(void)
{
	snprintf(plain, sizeof(plain), "%s %0600d%.60s%s", OP_HEAD, 0,
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", OP_TAIL);
	packed();
	sealed();
	return tap_done();
}
