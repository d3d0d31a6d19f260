/* Rows, rewritten; results, compared with what the server says of them. */
#include "proto/postgres/masking.h"

#include "../../../tap.h"

#define TEXT 25

/* Every cut of a row, and every other number of columns, is refused; a whole one is framed again. */
static void rows(void)
{
	static const struct mask_how last4 = {.way = MASK_KEEP_LAST, .n = 4}, none = {.way = MASK_NULL};
	static const struct mask_column columns[] = {
	    {.type = 23}, {&last4, &last4, TEXT}, {&none, &none, 23}, {&last4, &last4, TEXT}};
		static const uint8_t row[] = "\0\4\0\0\0\1"
	                             "7"
	                             "\0\0\0\5"
	                             "12345"
	                             "\0\0\0\1"
	                             "9"
	                             "\xff\xff\xff\xff";
	static const uint8_t shown[] = "D\0\0\0\x20\0\4\0\0\0\1"
	                               "7"
	                               "\0\0\0\5"
	                               "*2345"
	                               "\xff\xff\xff\xff\xff\xff\xff\xff";
	struct mask_result r = {.n = 4, .columns = columns};
	struct row_mask m;
	row_mask_init(&m, &r, (struct formats){0}, 1 << 20);
	for (size_t len = 0; len < sizeof(row); len++) {
		struct buf b;
		uint64_t masked = 0;
		buf_init(&b, 1000);
		int err = row_mask_apply(&m, span_of(row, len), 0, &b, &masked);
		CHECK_INT(err, len == sizeof(row) - 1 ? 0 : ERR_MALFORMED);
		if (!err) {
			CHECK(masked == 2);
			CHECK(buf_len(&b) == sizeof(shown) - 1 &&
			      !memcmp(buf_span(&b).p + 5, shown + 5, sizeof(shown) - 6));
			struct cur head = cur_of(span_of(buf_span(&b).p + 1, 4));
			CHECK(cur_u32(&head) == buf_len(&b) - 1);
		}
		buf_done(&b);
	}
	r.n = 3;
	struct buf b;
	uint64_t masked = 0;
	buf_init(&b, 1000);
	CHECK_INT(row_mask_apply(&m, span_of(row, sizeof(row) - 1), 0, &b, &masked), ERR_DENIED);
	buf_done(&b);
}

/* What is wanted of a long row, piece by piece, ends at its last masked column. */
static void wants(void)
{
	static const struct mask_how none = {.way = MASK_NULL};
	static const struct mask_column columns[] = {{0}, {&none, &none, TEXT}, {0}};
	static const uint8_t row[] = "\0\3\xff\xff\xff\xff\0\0\0\2ab\0\0\0\5tail!";
	struct mask_result r = {.n = 3, .columns = columns};
	struct row_mask m;
	row_mask_init(&m, &r, (struct formats){0}, 1 << 20);
	static const size_t wanted[] = {6, 6, 6, 6, 6, 6, 10, 10, 10, 10, 12, 12, 12, 12};
	for (size_t have = 0; have < sizeof(wanted) / sizeof(wanted[0]); have++)
		CHECK_INT((int)row_mask_wants(&m, span_of(row, have)), (int)wanted[have]);
	struct buf b;
	uint64_t masked = 0;
	buf_init(&b, 1000);
	CHECK_INT(row_mask_apply(&m, span_of(row, 12), sizeof(row) - 1 - 12, &b, &masked), 0);
	struct cur head = cur_of(span_of(buf_span(&b).p + 1, 4));
	CHECK_INT((int)cur_u32(&head), (int)(4 + sizeof(row) - 1 - 2));
	buf_done(&b);
}

/* n columns of relation.number, as decided and as described. */
static void described(void)
{
	static const struct mask_origin of_7[] = {{20000, 7}, {20010, 1}}, of_system[] = {{20000, -1}};
	static const struct mask_column columns[] = {
	    {.origins = of_7, .n_origins = 2}, {0}, {.origins = of_system, .n_origins = 1}};
	static const struct {
		struct described_column at[3];
		int n;
		bool ok;
	} table[] = {
	    {{{20000, 7, 25}, {0, 0, 23}, {20000, -6, 26}}, 3, true},
	    {{{20010, 1, 25}, {0, 0, 23}, {20000, -1, 26}}, 3, true}, /* by its view's number */
	    {{{0, 0, 25}, {0, 0, 23}, {0, 0, 26}}, 3, true},
	    {{{0, 0, 25}, {1259, 2, 23}, {0, 0, 26}}, 3, true}, /* of the system's catalogue */
	    {{{20000, 0, 25}, {0, 0, 23}, {0, 0, 26}}, 3, true}, /* whole row */
	    {{{20001, 0, 25}, {0, 0, 23}, {0, 0, 26}}, 3, false},
	    {{{20000, 8, 25}, {0, 0, 23}, {0, 0, 26}}, 3, false}, /* renamed */
	    {{{20001, 7, 25}, {0, 0, 23}, {0, 0, 26}}, 3, false}, /* made anew */
	    {{{0, 0, 25}, {20000, 7, 23}, {0, 0, 26}}, 3, false}, /* what was thought to be of no relation */
	    {{{20000, 7, 25}, {0, 0, 23}}, 2, false},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct mask_result r = {.is_strict = true, .n = 3, .columns = columns};
		struct masks masks = {.results = &r, .n_results = 1};
		struct masking *m;
		CHECK_INT(masking_new(&masks, NULL, &m), 0);
		CHECK(!masking_is_described(m, 0));
		CHECK(masking_described(m, 0, table[i].at, table[i].n) == table[i].ok);
		CHECK(masking_is_described(m, 0) == table[i].ok);
		CHECK(!masking_is_described(m, 1));
		if (table[i].ok)
			CHECK_INT((int)masking_result(m, 0)->columns[1].type, 23);
		masking_unref(m);
	}
}

int main(void)
{
	rows();
	wants();
	described();
	return tap_done();
}
