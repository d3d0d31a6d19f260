/* Checkpoints against a note that openssl and Python's hashlib made, and every byte of it changed.
 */
#include <locale.h>
#include <stdlib.h>

#include "../../tap.h"
#include "record/checkpoint.h"

#define DASH "\xe2\x80\x94 "
#define TEXT                                                                                       \
	"sluice/node-07\n1204317\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"                  \
	"chain 0202020202020202020202020202020202020202020202020202020202020202\n"                 \
	"time 1764000000000000000\n"
/* The secret key is 32 bytes of 7. */
#define KEY "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
#define BLOB                                                                                       \
	"SpQ4Fau6BXiMNAQqdQ/J1A1dId7IouT90Au2QJ+Uvu9yaznxOEHX6nO7s00VE7+iCOxa/"                    \
	"P5SfXyG38jLJ9P+zPHP6g8="
#define NOTE TEXT "\n" DASH "sluice/node-07 " BLOB "\n"
#define LINE                                                                                       \
	"checkpoint sluice/node-07 1204317 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= "          \
	"0202020202020202020202020202020202020202020202020202020202020202 "                        \
	"1764000000000000000 " BLOB

static uint8_t key[KEY_LEN];

static void reads_what_others_wrote(void)
{
	struct checkpoint c, again;
	CHECK_INT(checkpoint_read(span_str(NOTE), &c), 0);
	CHECK_INT(c.seq, 1204317);
	CHECK_STR(c.node, "node-07");
	CHECK_INT(c.root[31], 1);
	CHECK_INT(c.hash[0], 2);
	CHECK_INT(checkpoint_check(&c, key), 0);
	CHECK_INT(checkpoint_read_line("Nov 24 node-07 sluiced: " LINE " \n", &again), 0);
	CHECK(!memcmp(&c, &again, sizeof(c)));
	c.seq++;
	CHECK_INT(checkpoint_check(&c, key), ERR_VERIFY);
	key[0] ^= 1;
	CHECK_INT(checkpoint_check(&again, key), ERR_VERIFY);
	key[0] ^= 1;
}

static void writes_the_same(void)
{
	struct checkpoint c;
	struct buf b;
	buf_init(&b, NOTE_MAX);
	CHECK_INT(checkpoint_read(span_str(NOTE), &c), 0);
	checkpoint_write(&b, &c);
	CHECK(span_is(buf_span(&b), NOTE));
	buf_reset(&b);
	checkpoint_line(&b, &c);
	CHECK(span_is(buf_span(&b), LINE));
	buf_done(&b);
}

/* Whatever differs is malformed, or says something else and was not signed. */
static void takes_no_other_byte(void)
{
	char text[] = NOTE;
	struct checkpoint c;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		CHECK_INT(checkpoint_read(span_of(text, i), &c), ERR_MALFORMED);
		for (int bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			if (checkpoint_read(span_str(text), &c) == 0)
				CHECK_INT(checkpoint_check(&c, key), ERR_VERIFY);
			text[i] ^= (char)(1 << bit);
		}
	}
}

static void refuses(void)
{
	static const char *const lines[] = {
	    "",
	    "checkpoint",
	    "checkpoint sluice/n 1 2 3 4 5",
	    LINE " more",
	    "checkpoint sluice/node-07 01 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= "
	    "0202020202020202020202020202020202020202020202020202020202020202 1 " BLOB,
	};
	struct checkpoint c;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		CHECK_INT(checkpoint_read_line(lines[i], &c), ERR_MALFORMED);
	CHECK_INT(checkpoint_read(span_str(NOTE "x"), &c), ERR_MALFORMED);
	CHECK_INT(checkpoint_read(span_str("\n" NOTE), &c), ERR_MALFORMED);
}

int main(void)
{
	CHECK_INT(hex_decode(span_str(KEY), key, KEY_LEN), 0);
	reads_what_others_wrote();
	CHECK(setlocale(LC_ALL, "C.UTF-8") != NULL); /* as the command line has it */
	reads_what_others_wrote();
	writes_the_same();
	takes_no_other_byte();
	refuses();
	return tap_done();
}
