#include "tests/unit/tap.h"

#include "rig.c"

/* What a startup packet's parameters lead to: the log of the dial, or what the client reads. */
static const struct {
	const char *params[12];
	const char *log, *client;
} cases[] = {
    {{"user", "u", "database", "d"}, "dial u d\n", ""},
    {{"user", "u"}, "dial u u\n", ""},
    {{"user", "u", "database", ""}, "dial u u\n", ""},
    {{"database", "d"}, "", "E FATAL 28000 sluice"},
    {{"user", "u", "application_name", "psql", "client_encoding", "utf-8"},
     "dial u u application_name=psql client_encoding=utf-8\n",
     ""},
    {{"user", "u", "client_encoding", "'SJIS'"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "client_encoding", "LATIN1"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "client_encoding", "SQL_ASCII"}, "dial u u client_encoding=SQL_ASCII\n", ""},
    {{"user", "u", "user", "v"}, "", "E FATAL 08P01 sluice"},
    {{"user", "u", "DateStyle", "ISO", "datestyle", "ISO"}, "", "E FATAL 08P01 sluice"},
    {{"user", "u", "role", "postgres"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "session_authorization", "x"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "session_replication_role", "replica"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "standard_conforming_strings", "off"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "Standard_Conforming_Strings", "0"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "standard_conforming_strings", "on"},
     "dial u u standard_conforming_strings=on\n",
     ""},
    {{"user", "u", "options", "-c statement_timeout=5s --search-path=a\\ b -cgeqo=off"},
     "dial u u statement_timeout=5s search_path=a b geqo=off\n",
     ""},
    {{"user", "u", "options", "-c standard_conforming_strings=off"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "options", "--standard-conforming-strings=off"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "options", "-c role=x"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "options", "-c"}, "", "E FATAL 42601 sluice"},
    {{"user", "u", "options", "-c =x"}, "", "E FATAL 42601 sluice"},
    {{"user", "u", "options", "-c geqo"}, "", "E FATAL 42601 sluice"},
    {{"user", "u", "options", "-d 5"}, "", "E FATAL 42501 sluice"},
    {{"user", "u", "options", ""}, "dial u u\n", ""},
    {{"user", "u", "replication", "true"}, "", "E FATAL 28000 sluice"},
    {{"user", "u", "replication", "database"}, "", "E FATAL 28000 sluice"},
    {{"user", "u", "replication", "off"}, "dial u u\n", ""},
    {{"user", "u", "_pq_.x", "1"}, "dial u u\n", "v"},
};

static void put_u32s(struct rig *r, const uint32_t *v, int n)
{
	struct buf b;
	buf_init(&b, 64);
	for (int i = 0; i < n; i++)
		buf_add_u32(&b, v[i]);
	rig_put(r, FROM_CLIENT, buf_span(&b));
	buf_done(&b);
}

static void try_parameters(size_t chunk)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;
		struct buf b;
		rig_init(&r, chunk);
		rig_open(&r);
		buf_init(&b, 1 << 16);
		rig_startup(&b, cases[i].params);
		rig_put(&r, FROM_CLIENT, buf_span(&b));
		CHECK_STR(rig_log(&r), cases[i].log);
		CHECK_STR(rig_text(&r, TO_CLIENT), cases[i].client);
		CHECK_INT(r.err, *cases[i].log ? 0 : ERR_CLOSED);
		buf_done(&b);
		rig_done(&r);
	}
}

static void try_requests(size_t chunk)
{
	static const char *const params[] = {"user", "u", NULL};
	struct rig r;
	struct buf b;
	rig_init(&r, chunk);
	rig_open(&r);
	put_u32s(&r, (uint32_t[]){8, 80877104}, 2);
	put_u32s(&r, (uint32_t[]){8, 80877103}, 2);
	CHECK_INT(r.err, 0);
	CHECK(span_is(buf_span(&r.to[TO_CLIENT]), "NN"));
	buf_init(&b, 1 << 16);
	rig_startup(&b, params);
	rig_put(&r, FROM_CLIENT, buf_span(&b));
	CHECK_STR(rig_log(&r), "dial u u\n");
	buf_done(&b);
	rig_done(&r);

	rig_init(&r, chunk);
	rig_open(&r);
	put_u32s(&r, (uint32_t[]){8, 80877103}, 2);
	put_u32s(&r, (uint32_t[]){8, 80877103}, 2);
	CHECK_INT(r.err, ERR_CLOSED);
	rig_done(&r);

	rig_init(&r, chunk);
	rig_open(&r);
	put_u32s(&r, (uint32_t[]){16, 80877102, 7, 8}, 4);
	CHECK_STR(rig_log(&r), "cancel 7 8\n");
	CHECK_INT(r.err, ERR_CLOSED);
	CHECK_INT(buf_len(&r.to[TO_CLIENT]), 0);
	rig_done(&r);
}

/* Bytes behind SSLRequest before our answer: they came before any encryption could have. */
static void refuse_pipelined_behind_ssl(void)
{
	struct rig r;
	rig_init(&r, 0);
	rig_open(&r);
	put_u32s(&r, (uint32_t[]){8, 80877103, 8, 0x30000}, 4);
	CHECK_INT(r.err, ERR_CLOSED);
	CHECK_STR(rig_text(&r, TO_CLIENT), "E FATAL 08P01 sluice");
	CHECK_INT(r.n_dials, 0);
	rig_done(&r);
}

static void refuse_malformed(size_t chunk)
{
	static const struct {
		uint32_t words[4];
		int n, err;
	} bad[] = {
	    {{0}, 1, ERR_MALFORMED},
	    {{3}, 1, ERR_MALFORMED},
	    {{7}, 1, ERR_MALFORMED},
	    {{UINT32_MAX}, 1, ERR_LIMIT},
	    {{0x80000000u}, 1, ERR_LIMIT},
	    {{10001}, 1, ERR_LIMIT},
	    {{0x16030100}, 1, ERR_LIMIT},  /* a TLS ClientHello */
	    {{8, 0x20000}, 2, ERR_CLOSED}, /* protocol 2 */
	    {{8, 0x30000}, 2, ERR_CLOSED}, /* no terminator */
	    {{12, 80877103, 0}, 3, ERR_MALFORMED},
	    {{12, 80877102, 7}, 3, ERR_MALFORMED},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rig r;
		rig_init(&r, chunk);
		rig_open(&r);
		put_u32s(&r, bad[i].words, bad[i].n);
		CHECK_INT(r.err, bad[i].err);
		CHECK_INT(r.n_dials, 0);
		rig_done(&r);
	}
}

static void wait_for_the_rest(void)
{
	struct rig r;
	rig_init(&r, 1);
	rig_open(&r);
	put_u32s(&r, (uint32_t[]){10000, 0x30000}, 2);
	CHECK_INT(r.err, 0);
	CHECK_INT(buf_len(&r.to[TO_CLIENT]), 0);
	rig_done(&r);
}

static void dialled(void)
{
	static const char *const params[] = {"user", "u", NULL};
	struct dialled bad = {
	    .err = ERR_UPSTREAM, .reason = "the password is wrong", .sqlstate = "28P01"};
	struct rig r;
	struct buf b;
	rig_init(&r, 0);
	rig_begin(&r);
	rig_done(&r);

	rig_init(&r, 0);
	rig_open(&r);
	buf_init(&b, 1 << 16);
	rig_startup(&b, params);
	rig_put(&r, FROM_CLIENT, buf_span(&b));
	rig_dialled(&r, &bad);
	CHECK_STR(rig_text(&r, TO_CLIENT), "E FATAL 28P01 sluice");
	CHECK_INT(r.err, ERR_CLOSED);
	rig_done(&r);

	/* A greeting of anything but parameters is not the server's. */
	static const uint8_t strange[] = {'K', 0, 0, 0, 4};
	struct dialled odd = {.greeting = span_of(strange, sizeof(strange))};
	rig_init(&r, 0);
	rig_open(&r);
	rig_put(&r, FROM_CLIENT, buf_span(&b));
	rig_dialled(&r, &odd);
	CHECK_INT(r.err, ERR_MALFORMED);
	buf_done(&b);
	rig_done(&r);
}

static void let_opaque_through(void)
{
	static const char *const params[] = {"user", "u", "standard_conforming_strings", "off",
					     NULL};
	struct rig r;
	struct buf b;
	rig_init(&r, 0);
	r.is_opaque_allowed = true;
	rig_open(&r);
	buf_init(&b, 1 << 16);
	rig_startup(&b, params);
	rig_put(&r, FROM_CLIENT, buf_span(&b));
	CHECK_STR(rig_log(&r), "dial u u standard_conforming_strings=off\n");
	buf_done(&b);
	rig_done(&r);
}

int main(void)
{
	for (size_t chunk = 0; chunk < 2; chunk++) {
		try_parameters(chunk);
		try_requests(chunk);
		refuse_malformed(chunk);
	}
	refuse_pipelined_behind_ssl();
	wait_for_the_rest();
	dialled();
	let_opaque_through();
	return tap_done();
}
