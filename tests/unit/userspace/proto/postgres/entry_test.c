/* A client that logs in to the server itself, message by message: whole, and byte by byte. */
#include "tests/unit/tap.h"

#include "rig.c"

#include "entry_rig.h"

struct piece {
	char from; /* '>' the client, '<' the server; 0: the end */
	const char *p;
	size_t n;
};
#define C(s)                                                                                       \
	{                                                                                          \
		'>', s, sizeof(s) - 1                                                              \
	}
#define S(s)                                                                                       \
	{                                                                                          \
		'<', s, sizeof(s) - 1                                                              \
	}
#define R(c)  "R\0\0\0\x8\0\0\0" c
#define MD5   "R\0\0\0\xc\0\0\0\5salt"
#define SASL  "R\0\0\0\x2a\0\0\0\xaSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
#define FIRST "p\0\0\0\x1dSCRAM-SHA-256\0\0\0\0\x07n,,n=,r"
#define BOUND "p\0\0\0\x1dSCRAM-SHA-256\0\0\0\0\x07y,,n=,r"
#define ASKS  "R\0\0\0\xb\0\0\0\xbr=x"
#define PROOF "p\0\0\0\x7p=y"
#define LAST  "R\0\0\0\xb\0\0\0\xcv=z"
#define PASS  "p\0\0\0\x7pw\0"
#define UTF8                                                                                       \
	"S\0\0\0\x19"                                                                              \
	"client_encoding\0UTF8\0"
#define KEY   "K\0\0\0\xc\0\0\0\5\0\0\0\6"
#define READY "Z\0\0\0\5I"
#define PATH  "D\0\0\0\x10\0\2\0\0\0\1p\0\0\0\1a"
#define FOUND "T\0\0\0\6\0\0" PATH "C\0\0\0\xdSELECT 1\0" READY
#define NO    "E\0\0\0\x16SFATAL\0C28P01\0Mno\0\0"

#define MALFORMED "refused: the upstream's side of the login is malformed\n"
#define GARBLED	  "refused: the client's side of the login is malformed\n"
#define OTHER_WAY "refused: the upstream asks for a way to log in that is not passed through\n"
#define NO_SCRAM                                                                                   \
	"refused: the upstream offers no SCRAM-SHA-256, and no other mechanism is passed "         \
	"through\n"
#define UNBOUND                                                                                    \
	"refused: TLS ends at the gateway, so SCRAM cannot be bound to the server's: set "         \
	"channel_binding=disable\n"
#define ANYBODY                                                                                    \
	"refused: the upstream lets anybody in from the gateway's address: nobody has shown who "  \
	"they are\n"
#define IN_CLEAR                                                                                   \
	"refused: the upstream asks for the password in clear, and it is not sure who it is "      \
	"(sslmode=verify-full): refused\n"
#define NO_NAMES  "refused: the upstream does not say what names mean to this login\n"
#define NO_ANSWER "refused: the client says something else than who it is\n"
#define OFFERED	  "R ~~~.SCRAM-SHA-256~"
#define SALTED	  "R ~~~.salt"
#define BAD	  "; E FATAL 08P01 sluice"

#define QUESTION "Q SELECT pg_catalog.current_setting('search_path'), current_user"
#define IN	 "; R ~~~; S client_encoding~UTF8; K; Z I"

static const struct {
	const char *what;
	bool is_tls, is_verified;
	struct piece pieces[9];
	const char *log, *client;
	int n_server; /* bytes that the server got behind START, the question left out; -1: it was
			 asked, too */
	int err;
} rows[] = {
    {"SCRAM",
     false,
     false,
     {S(SASL), C(FIRST), S(ASKS), C(PROOF), S(LAST R("\0") UTF8 KEY READY), S(FOUND)},
     "entered as a, 5 6\n",
     "R ~~~.SCRAM-SHA-256~; R ~~~.r=x; R ~~~.v=z" IN,
     -1,
     0},
    {"md5",
     false,
     false,
     {S(MD5), C(PASS), S(R("\0") UTF8 KEY READY), S(FOUND)},
     "entered as a, 5 6\n",
     "R ~~~.salt" IN,
     -1,
     0},
    {"in clear, to the right one",
     true,
     true,
     {S(R("\3")), C(PASS), S(R("\0") UTF8 KEY READY), S(FOUND)},
     "entered as a, 5 6\n",
     "R ~~~." IN,
     -1,
     0},
    {"in clear, to anybody",
     true,
     false,
     {S(R("\3")), C(PASS)},
     IN_CLEAR,
     "E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"asked for nothing",
     false,
     false,
     {S(R("\0") UTF8 KEY READY)},
     ANYBODY,
     "E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"in before it has shown who it is",
     false,
     false,
     {S(SASL), C(FIRST), S(ASKS), C(PROOF), S(R("\0"))},
     MALFORMED,
     "R ~~~.SCRAM-SHA-256~; R ~~~.r=x; E FATAL 08P01 sluice",
     38,
     ERR_CLOSED},
    {"in while the client is asked",
     false,
     false,
     {S(MD5 R("\0"))},
     MALFORMED,
     SALTED BAD,
     0,
     ERR_CLOSED},
    {"Kerberos", false, false, {S(R("\2"))}, OTHER_WAY, "E FATAL 28000 sluice", 0, ERR_CLOSED},
    {"GSS", false, false, {S(R("\7"))}, OTHER_WAY, "E FATAL 28000 sluice", 0, ERR_CLOSED},
    {"only bound",
     true,
     true,
     {S("R\0\0\0\x1c\0\0\0\xaSCRAM-SHA-256-PLUS\0\0")},
     NO_SCRAM,
     "E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"mechanisms without an end",
     false,
     false,
     {S("R\0\0\0\x15\0\0\0\xaSCRAM-SHA-256")},
     NO_SCRAM,
     "E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"a client that sees TLS, a server without",
     false,
     false,
     {S(SASL), C(BOUND), S(ASKS)},
     "",
     "R ~~~.SCRAM-SHA-256~; R ~~~.r=x",
     30,
     0},
    {"a client that sees TLS, a server with",
     true,
     true,
     {S(SASL), C(BOUND)},
     UNBOUND,
     OFFERED "; E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"a client that binds all the same",
     true,
     true,
     {S(SASL), C("p\0\0\0\x1dSCRAM-SHA-256\0\0\0\0\x07p=x,,n=")},
     UNBOUND,
     OFFERED "; E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"another mechanism",
     false,
     false,
     {S(SASL), C("p\0\0\0\x15PLAIN\0\0\0\0\x07n,,n=,r")},
     UNBOUND,
     OFFERED "; E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"a first message that lies about its length",
     false,
     false,
     {S(SASL), C("p\0\0\0\x1dSCRAM-SHA-256\0\0\0\0\x08n,,n=,r")},
     GARBLED,
     OFFERED BAD,
     0,
     ERR_CLOSED},
    {"who says that it acts for another",
     false,
     false,
     {S(SASL), C("p\0\0\0\x1dSCRAM-SHA-256\0\0\0\0\x07n,a=b,n")},
     GARBLED,
     OFFERED BAD,
     0,
     ERR_CLOSED},
    {"a password that is two",
     false,
     false,
     {S(MD5), C("p\0\0\0\x7p\0w")},
     GARBLED,
     SALTED BAD,
     0,
     ERR_CLOSED},
    {"a password of nothing",
     false,
     false,
     {S(MD5), C("p\0\0\0\4")},
     GARBLED,
     SALTED BAD,
     0,
     ERR_CLOSED},
    {"a password of a gigabyte",
     false,
     false,
     {S(MD5), C("p\x40\0\0\0")},
     GARBLED,
     SALTED BAD,
     0,
     ERR_CLOSED},
    {"a length of 3", false, false, {S(MD5), C("p\0\0\0\3")}, GARBLED, SALTED BAD, 0, ERR_CLOSED},
    {"a statement instead",
     false,
     false,
     {S(MD5), C("Q\0\0\0\6 \0")},
     NO_ANSWER,
     SALTED BAD,
     0,
     ERR_CLOSED},
    {"an answer before the question waits for it",
     false,
     false,
     {C(PASS), S(MD5), S(R("\0"))},
     "",
     "R ~~~.salt",
     8,
     0},
    {"half a salt",
     false,
     false,
     {S("R\0\0\0\xa\0\0\0\5sa")},
     MALFORMED,
     "E FATAL 08P01 sluice",
     0,
     ERR_CLOSED},
    {"SASL's middle first",
     false,
     false,
     {S(ASKS)},
     OTHER_WAY,
     "E FATAL 28000 sluice",
     0,
     ERR_CLOSED},
    {"md5 after SCRAM",
     false,
     false,
     {S(SASL), C(FIRST), S(MD5)},
     MALFORMED,
     OFFERED BAD,
     30,
     ERR_CLOSED},
    {"a refusal, in the server's words",
     false,
     false,
     {S(MD5), C(PASS), S(NO)},
     "refused: the upstream refused the client's login (SQLSTATE 28P01)\n",
     "R ~~~.salt; E  28P01",
     8,
     ERR_CLOSED},
    {"data", false, false, {S("D\0\0\0\6\0\0")}, MALFORMED, "E FATAL 08P01 sluice", 0, ERR_CLOSED},
    {"settings before it is in",
     false,
     false,
     {S(UTF8)},
     MALFORMED,
     "E FATAL 08P01 sluice",
     0,
     ERR_CLOSED},
    {"another protocol",
     false,
     false,
     {S("HTTP/1.1 400 Bad Request\r\n\r\n")},
     MALFORMED,
     "E FATAL 08P01 sluice",
     0,
     ERR_CLOSED},
    {"ready in a transaction",
     false,
     false,
     {S(MD5), C(PASS), S(R("\0") KEY "Z\0\0\0\5T")},
     MALFORMED,
     SALTED BAD,
     8,
     ERR_CLOSED},
    {"no answer to what names mean",
     false,
     false,
     {S(MD5), C(PASS), S(R("\0") KEY READY), S("C\0\0\0\xdSELECT 0\0" READY)},
     NO_NAMES,
     "R ~~~.salt; E FATAL 58000 sluice",
     -1,
     ERR_CLOSED},
    {"a refused one",
     false,
     false,
     {S(MD5), C(PASS), S(R("\0") KEY READY), S(NO)},
     NO_NAMES,
     "R ~~~.salt; E FATAL 58000 sluice",
     -1,
     ERR_CLOSED},
    {"two answers",
     false,
     false,
     {S(MD5), C(PASS), S(R("\0") KEY READY), S(PATH PATH)},
     MALFORMED,
     SALTED BAD,
     -1,
     ERR_CLOSED},
    {"a client that goes", false, false, {S(MD5), C("X\0\0\0\4")}, "", "R ~~~.salt", 0, ERR_CLOSED},
};

static void try_row(size_t i, size_t chunk)
{
	static const char text[] = QUESTION;
	struct rig r;
	rig_init(&r, chunk);
	entry_rig_begin(&r, rows[i].is_tls, rows[i].is_verified);
	CHECK(span_is(buf_span(&r.to[TO_SERVER]), "START"));
	buf_reset(&r.log);
	buf_consume(&r.to[TO_SERVER], strlen("START"));
	for (const struct piece *p = rows[i].pieces; p->from && !r.err; p++)
		rig_put(&r, p->from == '>' ? FROM_CLIENT : FROM_SERVER, span_of(p->p, p->n));
	entry_rig_catalog(&r);
	int failed = tap_failed;
	bool is_asked = strstr(rig_text(&r, TO_SERVER), text) != NULL;
	CHECK_INT(is_asked, rows[i].n_server < 0);
	if (!is_asked)
		CHECK_INT(buf_len(&r.to[TO_SERVER]), rows[i].n_server);
	CHECK_STR(rig_text(&r, TO_CLIENT), rows[i].client);
	CHECK_STR(rig_log(&r), rows[i].log);
	CHECK_INT(r.err, rows[i].err);
	if (failed != tap_failed)
		printf("row: %s\n", rows[i].what);
	rig_done(&r);
}

/* What comes while the catalogue is read waits, and nothing is lost. */
static void test_wait(void)
{
	struct rig r;
	rig_init(&r, 0);
	entry_rig_begin(&r, false, false);
	rig_put(&r, FROM_SERVER, span_of(MD5, sizeof(MD5) - 1));
	rig_put(&r, FROM_CLIENT, span_of(PASS, sizeof(PASS) - 1));
	rig_put(&r, FROM_SERVER, span_of(R("\0") KEY READY, sizeof(R("\0") KEY READY) - 1));
	rig_put(&r, FROM_SERVER, span_of(FOUND UTF8, sizeof(FOUND UTF8) - 1));
	rig_talk(&r, "> Q SELECT 1");
	CHECK_INT(r.err, 0);
	buf_reset(&r.to[TO_SERVER]);
	entry_rig_catalog(&r);
	rig_talk(&r, "< C SELECT 1\n< Z I");
	CHECK_STR(rig_text(&r, TO_SERVER), "Q SELECT 1");
	CHECK_STR(rig_text(&r, TO_CLIENT),
		  "R ~~~.salt; R ~~~; K; Z I; S client_encoding~UTF8; C SELECT 1; Z I");
	rig_done(&r);
}

int main(void)
{
	rig_catalog = rig_small_catalog();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t chunk = 0; chunk < 4; chunk++)
			try_row(i, chunk);
	test_wait();
	catalog_unref(rig_catalog);
	return tap_done();
}
