/* Nobody answers what they were not shown; each login for itself. */
#include <stdio.h>
#include <stdlib.h>

#include "approval/book.h"

#include "tests/unit/tap.h"

static const struct approver dba[] = {{"dba", 2}};
static const char *const groups[] = {"dba"};
static const struct moment now = {1000000, 500};

static struct request *asked(struct book *b)
{
	struct request *r = NULL;
	bool is_joined;
	struct terms t = {.rule = "r",
			  .stages = {{0, dba, 1}},
			  .n_stages = 1,
			  .expires_s = 900,
			  .fresh_s = 600,
			  .choices = CHOICE_ONCE};
	struct ask a = {.hash = "0123456789012345678901234567890123456789012345678901234567890123",
			.issuer = "iss",
			.subject = "agent",
			.body = span_str("{}")};
	CHECK_INT(book_ask(b, &a, &t, now, &r, &is_joined), 0);
	return r;
}

static int vote_of(struct book *b, struct request *r, const char *who, const char *reader)
{
	char why[300];
	struct vote *v = NULL, like = {.who = {.issuer = "iss",
					       .subject = who,
					       .groups = groups,
					       .n_groups = 1,
					       .issued = now.real_s,
					       .expires = now.real_s + 900,
					       .token_sha256 = "",
					       .from = ""},
				       .reader = reader,
				       .is_approval = true,
				       .words = "",
				       .narrow = {.choice = CHOICE_ONCE}};
	int err = book_vote(b, r, &like, r->ask.hash, now, &v, why, sizeof(why));
	CHECK(err != ERR_VERIFY || strstr(why, "not shown"));
	return err;
}

int main(void)
{
	struct book *b;
	char name[32];
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b);
	CHECK(!request_is_shown(r, "one"));
	CHECK_INT(vote_of(b, r, "ann", "one"), ERR_VERIFY);
	request_show(r, "one");
	CHECK_INT(vote_of(b, r, "ann", "another login"), ERR_VERIFY);
	CHECK_INT(vote_of(b, r, "ann", ""), ERR_VERIFY);
	CHECK_INT(vote_of(b, r, "ann", "one"), 0);
	/* It is told anew as often as it is read, takes no more room for it, and the oldest are
	 * forgotten. */
	size_t used = r->arena.used;
	for (int i = 0; i < 100000; i++)
		request_show(r, "one");
	CHECK_INT(r->n_shown, 1);
	for (unsigned i = 0; i < 10 * SHOWN_MAX; i++) {
		snprintf(name, sizeof(name), "login %u", i);
		request_show(r, name);
		CHECK(request_is_shown(r, name));
	}
	CHECK_INT(r->arena.used, used);
	CHECK(!request_is_shown(r, "one"));
	CHECK_INT(vote_of(b, r, "bob", "one"), ERR_VERIFY);
	CHECK_INT(vote_of(b, r, "bob", name), 0);
	book_free(b);
	return tap_done();
}
