/* What an approval is bound to: each part alone makes another hash, and no part runs into the next.
 */
#include "approval/hash.h"

#include "base/macro.h"
#include "tests/unit/tap.h"

static struct need need = {
    .kind = NEED_RELATION, .verb = VERB_ALTER, .class = CLASS_DDL, .schema = "public", .name = "t"};

struct all {
	struct who who;
	struct op op;
	struct span params[2];
	uint16_t formats[2];
	struct need need;
	const char *settings[2];
	struct bound b;
};

static void fill(struct all *a)
{
	*a = (struct all){.who = {.issuer = "i", .subject = "s", .owner = "o", .role = "r"},
			  .need = need};
	a->settings[0] = "ISO, MDY";
	a->settings[1] = "UTC";
	a->params[0] = span_str("12");
	a->params[1] = (struct span){0}; /* NULL */
	a->op = (struct op){.text = span_str("ALTER TABLE t"),
			    .params = a->params,
			    .param_formats = a->formats,
			    .n_params = 2,
			    .needs = &a->need,
			    .n_needs = 1,
			    .user = "app",
			    .settings = a->settings,
			    .n_settings = 2};
	a->b = (struct bound){.who = &a->who,
			      .resource = "db",
			      .database = "shop",
			      .op = &a->op,
			      .text = a->op.text,
			      .has_params = true};
}

enum change {
	NOTHING,
	ISSUER,
	SUBJECT,
	OWNER,
	ROLE,
	RESOURCE,
	DATABASE,
	NO_DATABASE,
	MOVED, /* a letter goes from one part to the next */
	TEXT,
	VALUE,
	EMPTY_FOR_NULL,
	FORMAT,
	FEWER,
	SCHEMA,
	VERB,
	USER,
	SETTING,
	SETTING_NOT_TOLD,
	WITHOUT,
	CHANGES
};

static void change(struct all *a, enum change c)
{
	static const struct span empty = {(const uint8_t *)"", 0};
	if (c == USER)
		a->op.user = "other";
	if (c == SETTING)
		a->settings[0] = "ISO, DMY";
	switch (c) {
	case ISSUER:
		a->who.issuer = "j";
		break;
	case SUBJECT:
		a->who.subject = "t";
		break;
	case OWNER:
		a->who.owner = "";
		break;
	case SETTING_NOT_TOLD:
		a->settings[1] = NULL;
		break;
	case ROLE:
		a->who.role = "q";
		break;
	case RESOURCE:
		a->b.resource = "dc";
		break;
	case DATABASE:
		a->b.database = "shoq";
		break;
	case NO_DATABASE:
		a->b.database = NULL;
		break;
	case MOVED:
		a->b.resource = "dbs", a->b.database = "hop";
		break;
	case TEXT:
		a->b.text = span_str("ALTER TABLE u");
		break;
	case VALUE:
		a->params[0] = span_str("13");
		break;
	case EMPTY_FOR_NULL:
		a->params[1] = empty;
		break;
	case FORMAT:
		a->formats[0] = 1;
		break;
	case FEWER:
		a->op.n_params = 1;
		break;
	case SCHEMA:
		a->need.schema = "other";
		break;
	case VERB:
		a->need.verb = VERB_DROP;
		break;
	case WITHOUT:
		a->b.has_params = false;
		break;
	default:
		break;
	}
}

int main(void)
{
	char hashes[CHANGES][65], again[65];
	struct all a;
	for (int c = 0; c < CHANGES; c++) {
		fill(&a);
		change(&a, (enum change)c);
		bound_hash(&a.b, hashes[c]);
		CHECK_INT(strlen(hashes[c]), 64);
		CHECK_INT(strspn(hashes[c], "0123456789abcdef"), 64);
		for (int k = 0; k < c; k++)
			CHECK(strcmp(hashes[c], hashes[k]) != 0);
	}
	fill(&a);
	bound_hash(&a.b, again);
	CHECK_STR(again, hashes[NOTHING]);
	/* Without parameters other values are the same text. */
	change(&a, VALUE);
	a.b.has_params = false;
	bound_hash(&a.b, again);
	CHECK_STR(again, hashes[WITHOUT]);
	return tap_done();
}
