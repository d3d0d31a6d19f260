/* Rows of a result that is masked, in conversations: whole, in pieces, byte by byte: the client gets the same bytes. */
#include "tests/unit/tap.h"

#include "policy/mask.h"
#include "rig.c"

#define TEXT 25

/* Two columns of every statement: the first masked, the second as it is. */
static void mask_first(const struct op *op, struct decision *d)
{
	static const struct mask_how last4 = {.way = MASK_KEEP_LAST, .n = 4};
	static const struct mask_column columns[] = {{&last4, &last4, TEXT}, {.type = TEXT}};
	static const struct mask_result results[] = {{.is_strict = true, .n = 2, .columns = columns},
						     {.is_strict = true, .n = 2, .columns = columns}};
	static const struct masks masks = {.results = results, .n_results = 2, .n_client = 1};
	(void)op;
	d->has_masks = true;
	d->masks = &masks;
}

/* client: what it gets, as rig_text writes it; shows: a field that must be among the bytes. */
static const struct {
	const char *name, *text, *server, *client, *shows;
	int err;
} talks[] = {
    {"a row", "> Q SELECT 1\n< T a~b\n< D 12345~67890\n< C SELECT 1\n< Z I\n", "Q SELECT 1",
     "T; D; C SELECT 1; Z I", "*2345", 0},
    {"NULL", "> Q SELECT 1\n< T a~b\n< D NULL~12345\n< C SELECT 1\n< Z I\n", "Q SELECT 1",
     "T; D; C SELECT 1; Z I", "\xff\xff\xff\xff", 0},
    {"two results",
     "> Q SELECT 1; SELECT 2\n< T a~b\n< D 67890~a\n< C SELECT 1\n< T a~b\n< D 12345~b\n< C SELECT 1\n< Z I\n",
     "Q SELECT 1; SELECT 2", "T; D; C SELECT 1; T; D; C SELECT 1; Z I", "*2345", 0},
    {"one column more than was decided on",
     "> Q SELECT 1\n< T a~b~c\n< D 12345~x~y\n< D 12345~x~y\n< C SELECT 2\n< Z I\n> Q SELECT 1\n",
     "Q SELECT 1; Q SELECT 1", "E ERROR 42501 sluice; Z I", "", 0},
    {"a row of one column more than described", "> Q SELECT 1\n< T a~b\n< D 12345~x~y\n< C SELECT 1\n< Z I\n",
     "Q SELECT 1", "T; E ERROR 42501 sluice; Z I", "", 0},
    {"a row that was not described", "> Q SELECT 1\n< D 12345~x\n< C SELECT 1\n< Z I\n", "Q SELECT 1",
     "E ERROR 42501 sluice; Z I", "", 0},
    {"the server fails itself behind it", "> Q SELECT 1\n< D 12345~x\n< E ERROR~22012~x\n< Z I\n", "Q SELECT 1",
     "E ERROR 22012; Z I", "", 0},
    {"in a block: the server is made to fail, and what came meanwhile waits",
     "> Q BEGIN\n< C BEGIN\n< Z T\n> Q SELECT 1\n< D 12345~x\n> Q SELECT 3\n< C SELECT 1\n"
     "< Z T\n< E ERROR~42601~x\n< Z E\n",
     "Q BEGIN; Q SELECT 1; Q sluice: refused by policy; Q SELECT 3", "C BEGIN; Z T; E ERROR 42501 sluice; Z E", "", 0},
    {"another statement is on its way: the session ends", "> Q SELECT 1\n> Q SELECT 2\n< D 12345~x\n",
     "Q SELECT 1; Q SELECT 2", "E FATAL 42501 sluice", "", ERR_DENIED},
    {"two statements in a text: the session ends", "> Q SELECT 1; SELECT 2\n< D 12345~x\n", "Q SELECT 1; SELECT 2",
     "E FATAL 42501 sluice", "", ERR_DENIED},
    {"nothing but an error comes of what was cut", "> Q SELECT 1\n< D 12345~x\n< 1\n", "Q SELECT 1",
     "E FATAL 08P01 sluice", "", ERR_STATE},
    {"a result of no statement", "> Q SELECT 1\n< T a~b\n< C SELECT 0\n< T a~b\n< C SELECT 0\n< T a~b\n", "Q SELECT 1",
     "T; C SELECT 0; T; E FATAL 08P01 sluice", "", ERR_STATE},
    {"nobody asks what the columns are: we do", "> P ~SELECT 1\n> B ~~\n> E \n> S\n< 1\n< 2\n< T a~b\n< D 12345~x\n"
     "< C SELECT 1\n< Z I\n", "P ~SELECT 1; B ~~; D P; E ; S", "1; 2; D; C SELECT 1; Z I", "*2345", 0},
    {"the client asks itself", "> P ~SELECT 1\n> B ~~\n> D P~\n> E \n> S\n< 1\n< 2\n< T a~b\n< D 12345~x\n"
     "< C SELECT 1\n< Z I\n", "P ~SELECT 1; B ~~; D P; E ; S", "1; 2; T; D; C SELECT 1; Z I", "*2345", 0},
    {"again for a portal that is read on: it is decided anew",
     "> Q BEGIN\n< C BEGIN\n< Z T\n> P ~SELECT 1\n> B ~~\n> E ~1\n> S\n< 1\n< 2\n< T a~b\n"
     "< D 12345~x\n< s\n< Z T\n> E ~1\n> S\n< T a~b\n< D 12345~x\n< s\n< Z T\n",
     "Q BEGIN; P ~SELECT 1; B ~~; D P; E ; S; D P; E ; S", "C BEGIN; Z T; 1; 2; D; s; Z T; D; s; Z T", "*2345", 0},
    {"what we asked fails", "> P ~SELECT 1\n> B ~~\n> E \n> S\n< 1\n< 2\n< E ERROR~XX000~x\n< Z I\n",
     "P ~SELECT 1; B ~~; D P; E ; S", "1; 2; E ERROR XX000; Z I", "", 0},
    {"and what it says is another result",
     "> P ~SELECT 1\n> B ~~\n> E \n> S\n< 1\n< 2\n< T a\n< D 12345\n< C SELECT 1\n< Z I\n",
     "P ~SELECT 1; B ~~; D P; E ; S", "1; 2; E ERROR 42501 sluice; Z I", "", 0},
    {"before its Sync: the server is made to fail",
     "> P ~SELECT 1\n> B ~~\n> E \n> H\n< 1\n< 2\n< T a\n< D 12345\n> P ~SELECT 2\n> B ~~\n< C SELECT 1\n"
     "< E ERROR~26000~x\n> S\n< Z I\n",
     "P ~SELECT 1; B ~~; D P; E ; H; B ~sluice: refused by policy~NULL; S", "1; 2; E ERROR 42501 sluice; Z I", "", 0},
};

static bool holds_bytes(const struct buf *b, const char *what)
{
	return !*what || memmem(buf_span(b).p, buf_len(b), what, strlen(what));
}

static void run(size_t i, size_t chunk, bool holds)
{
	struct rig r;
	rig_init(&r, chunk);
	r.holds = holds;
	rig_begin(&r);
	rig_talk(&r, talks[i].text);
	bool shows = holds_bytes(&r.to[TO_CLIENT], talks[i].shows);
	struct span all = buf_span(&r.to[TO_CLIENT]);
	bool leaks = memmem(all.p, all.len, "\0\2\0\0\0\00512345", 11) != NULL;
	CHECK(shows && !leaks);
	CHECK_STR(rig_text(&r, TO_SERVER), talks[i].server);
	CHECK_STR(rig_text(&r, TO_CLIENT), talks[i].client);
	CHECK_INT(r.err, talks[i].err);
	if (r.err != talks[i].err)
		printf("# %s\n", talks[i].name);
	rig_done(&r);
}

/* Long fields: in front of the last masked column they are kept, behind it they go through. */
static void lengths(size_t chunk)
{
	static const struct {
		size_t first, second;
		int err;
	} rows[] = {{70000, 5, 0}, {5, 300000, 0}, {(16 << 20) + 1, 5, ERR_LIMIT}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;
		struct buf row;
		rig_init(&r, chunk);
		rig_begin(&r);
		rig_talk(&r, "> Q SELECT 1\n< T a~b\n");
		buf_init(&row, SIZE_MAX / 2);
		buf_add_u8(&row, 'D');
		buf_add_u32(&row, (uint32_t)(4 + 2 + 8 + rows[i].first + rows[i].second));
		buf_add_u16(&row, 2);
		buf_add_u32(&row, (uint32_t)rows[i].first);
		memset(buf_reserve(&row, rows[i].first), 'x', rows[i].first);
		buf_commit(&row, rows[i].first);
		buf_add_u32(&row, (uint32_t)rows[i].second);
		memset(buf_reserve(&row, rows[i].second), 'y', rows[i].second);
		buf_commit(&row, rows[i].second);
		size_t before = buf_len(&r.to[TO_CLIENT]);
		rig_put(&r, FROM_SERVER, buf_span(&row));
		CHECK_INT(r.err, 0);
		if (rows[i].err) { /* the statement fails */
			CHECK(buf_len(&r.to[TO_CLIENT]) == before);
			rig_talk(&r, "< C SELECT 1\n< Z I\n");
			CHECK_STR(rig_text(&r, TO_CLIENT), "T; E ERROR 54000 sluice; Z I");
		} else {
			CHECK(buf_len(&r.to[TO_CLIENT]) - before == buf_len(&row));
			const uint8_t *shown = buf_span(&r.to[TO_CLIENT]).p + before;
			CHECK(shown[11] == '*' && shown[11 + rows[i].first - 1] == 'x');
			CHECK(shown[buf_len(&row) - 1] == 'y');
		}
		buf_done(&row);
		rig_done(&r);
	}
}

int main(void)
{
	rig_catalog = rig_small_catalog();
	rig_masks = mask_first;
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		for (size_t chunk = 0; chunk < 8; chunk++)
			run(i, chunk, false);
		run(i, 0, true);
	}
	lengths(0);
	lengths(4096);
	catalog_unref(rig_catalog);
	return tap_done();
}
