/* The book of approvals: asking, joining, answering, quorum, grants, time. */
#include "approval/book.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/tap.h"

static const struct approver two_dba[] = {{"dba", 2}};
static const struct approver dba_and_sec[] = {{"dba", 1}, {"sec", 1}};
static const struct approver leads[] = {{"lead", 1}};
static struct moment t0 = {1000000, 500};
static char why[300];

static struct terms terms(const struct approver *groups, int n)
{
	return (struct terms){.rule = "r1",
			      .stages = {{0, groups, n}},
			      .n_stages = 1,
			      .expires_s = 900,
			      .fresh_s = 600,
			      .grant_max_s = 1800,
			      .choices = CHOICE_ONCE | CHOICE_TEXT | CHOICE_PATTERN};
}

static const char *hash_of(int i)
{
	static char text[4][65];
	static int at;
	char *to = text[at++ % 4];
	snprintf(to, 65, "%08x%056x", (unsigned)i * 2654435761u, (unsigned)i);
	return to;
}

static struct ask ask(int i)
{
	return (struct ask){.hash = hash_of(i),
			    .text_hash = "t",
			    .pattern_hash = "p",
			    .issuer = "iss",
			    .subject = "agent",
			    .owner = "pat",
			    .role = "op",
			    .session = "s-1",
			    .resource = "db",
			    .tag = "ALTER",
			    .class = "ddl",
			    .body = span_str("{}")};
}

static struct request *asked(struct book *b, const struct terms *t, int i)
{
	struct request *r = NULL;
	struct ask a = ask(i);
	bool is_joined;
	CHECK_INT(book_ask(b, &a, t, t0, &r, &is_joined), 0);
	request_show(r, "login");
	return r;
}

static struct moment at(int64_t s)
{
	return (struct moment){t0.real_s + s, t0.mono_s + s};
}

static int vote_as(struct book *b, struct request *r, const char *who, const char *const *groups, int n,
		   struct moment now, struct vote **v)
{
	struct vote like = {.who = {.issuer = "iss",
				    .subject = who,
				    .groups = groups,
				    .n_groups = n,
				    .issued = now.real_s - 5,
				    .expires = now.real_s + 3600,
				    .token_sha256 = "x",
				    .from = "test"},
			    .reader = "login",
			    .is_approval = true,
			    .words = "",
			    .narrow = {.choice = CHOICE_ONCE}};
	return book_vote(b, r, &like, r->ask.hash, now, v, why, sizeof(why));
}

static const char *const its_group[] = {"dba"};

static int vote_for(struct book *b, struct request *r, const char *who, const char *owner, struct vote **v)
{
	struct vote like = {.who = {.issuer = "iss",
				    .subject = who,
				    .owner = owner,
				    .groups = its_group,
				    .n_groups = 1,
				    .issued = t0.real_s - 5,
				    .expires = t0.real_s + 3600,
				    .token_sha256 = "x",
				    .from = "test"},
			    .reader = "login",
			    .is_approval = true,
			    .words = "",
			    .narrow = {.choice = CHOICE_ONCE}};
	return book_vote(b, r, &like, r->ask.hash, t0, v, why, sizeof(why));
}

static const char *const dba[] = {"dba"}, *const both[] = {"dba", "sec"}, *const sec[] = {"sec"},
			 *const lead[] = {"lead"}, *const none[] = {"other"};

static enum after_vote counted(struct book *b, struct request *r, const char *who, const char *const *groups,
			       int n, struct moment now)
{
	static uint64_t seq = 10;
	struct vote *v = NULL;
	CHECK_INT(vote_as(b, r, who, groups, n, now, &v), 0);
	return v ? book_recorded(b, r, v, ++seq, now) : VOTE_NOTHING;
}

static void needs_two_distinct_people(void)
{
	struct book *b;
	struct vote *v;
	struct terms t = terms(two_dba, 1);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	CHECK_INT(vote_as(b, r, "agent", dba, 1, t0, &v), ERR_DENIED); /* the requester */
	CHECK_INT(vote_as(b, r, "pat", dba, 1, t0, &v), ERR_DENIED);   /* the owner */
	CHECK_INT(vote_as(b, r, "ann", none, 1, t0, &v), ERR_DENIED);
	CHECK_INT(counted(b, r, "ann", dba, 1, t0), VOTE_NOTHING);
	CHECK_INT(vote_as(b, r, "ann", dba, 1, t0, &v), ERR_EXISTS);
	CHECK_INT(vote_as(b, r, "ANN", dba, 1, t0, &v), ERR_EXISTS);
	CHECK(strstr(why, "ANN and ann count as one person") != NULL);
	CHECK_INT(vote_for(b, r, "bot", "Ann", &v), ERR_EXISTS); /* who acts for her */
	CHECK_INT(vote_as(b, r, "Agent", dba, 1, t0, &v), ERR_DENIED);
	CHECK_INT(vote_for(b, r, "bot", "PAT", &v), ERR_DENIED);
	CHECK_INT(book_approve(b, r, t0), ERR_DENIED);
	CHECK_INT(book_missing(r, 0, 0, t0), 1);
	CHECK_INT(counted(b, r, "bob", dba, 1, t0), VOTE_QUORUM);
	CHECK_INT(book_approve(b, r, t0), 0);
	CHECK_INT(book_take(b, r), ERR_STATE); /* its release is not on record */
	r->release_seq = 99;
	CHECK_INT(book_take(b, r), 0);
	CHECK_INT(book_take(b, r), ERR_STATE); /* once */
	struct outcome o = {.tag = "ALTER TABLE", .rows = 0, .duration_ns = 14};
	book_outcome(b, r, &o, t0);
	CHECK_INT(r->end, END_DONE);
	CHECK_INT(vote_as(b, r, "carl", dba, 1, t0, &v), ERR_STATE);
	book_free(b);
}

static void counts_nobody_for_two_groups(void)
{
	struct book *b;
	struct terms t = terms(dba_and_sec, 2);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	CHECK_INT(counted(b, r, "ann", both, 2, t0), VOTE_NOTHING);
	CHECK_INT(counted(b, r, "bob", both, 2, t0), VOTE_QUORUM);
	r = asked(b, &t, 2);
	CHECK_INT(counted(b, r, "ann", dba, 1, t0), VOTE_NOTHING);
	CHECK_INT(counted(b, r, "bob", dba, 1, t0), VOTE_NOTHING);
	CHECK_INT(counted(b, r, "carl", sec, 1, t0), VOTE_QUORUM);
	/* whoever came first makes room: ann may stand for either, bob for one */
	r = asked(b, &t, 3);
	CHECK_INT(counted(b, r, "ann", both, 2, t0), VOTE_NOTHING);
	CHECK_INT(counted(b, r, "bob", dba, 1, t0), VOTE_QUORUM);
	CHECK_STR(r->votes[0]->group, "sec");
	book_free(b);
}

static void joins_the_same(void)
{
	struct book *b;
	struct terms t = terms(two_dba, 1);
	struct ask a = ask(1);
	struct request *r, *again;
	bool is_joined;
	CHECK_INT(book_new(&b), 0);
	r = asked(b, &t, 1);
	CHECK_INT(book_ask(b, &a, &t, at(10), &again, &is_joined), 0);
	CHECK(again == r && is_joined && r->n_joined == 2);
	a = ask(2);
	CHECK_INT(book_ask(b, &a, &t, at(10), &again, &is_joined), 0);
	CHECK(again != r && !is_joined);
	book_end(b, r, END_DENIED, "no", at(11));
	a = ask(1);
	CHECK_INT(book_ask(b, &a, &t, at(12), &again, &is_joined), 0);
	CHECK(again != r && !is_joined);
	book_free(b);
}

static int n_expired, n_escalated, n_over;
static void on_expired(void *ctx, struct request *r)
{
	(void)ctx;
	n_expired += r->end == END_EXPIRED;
}
static void on_escalated(void *ctx, struct request *r)
{
	(void)ctx;
	(void)r;
	n_escalated++;
}
static void on_grant_over(void *ctx, struct grant *g)
{
	(void)ctx;
	n_over += g->end == GRANT_EXPIRED;
}
static const struct book_news news = {NULL, on_expired, on_escalated, on_grant_over};

static void ends_in_time_whatever_the_clock(void)
{
	struct book *b;
	struct vote *v;
	struct terms t = terms(two_dba, 1);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	/* the real clock is set back: the monotonic one ends it all the same */
	struct moment back = {t0.real_s - 100000, t0.mono_s + 900};
	CHECK_INT(vote_as(b, r, "ann", dba, 1, back, &v), ERR_EXPIRED);
	n_expired = 0;
	book_tick(b, back, &news);
	CHECK_INT(n_expired, 1);
	CHECK_INT(vote_as(b, r, "ann", dba, 1, at(1), &v), ERR_EXPIRED);
	/* set forward: it ends early */
	r = asked(b, &t, 2);
	book_tick(b, (struct moment){t0.real_s + 900, t0.mono_s}, &news);
	CHECK_INT(n_expired, 2);
	/* a vote that reaches the disk too late does not count */
	r = asked(b, &t, 3);
	CHECK_INT(counted(b, r, "ann", dba, 1, t0), VOTE_NOTHING);
	CHECK_INT(vote_as(b, r, "bob", dba, 1, at(899), &v), 0);
	CHECK_INT(book_recorded(b, r, v, 7, at(900)), VOTE_NOTHING);
	CHECK_INT(book_approve(b, r, at(900)), ERR_DENIED);
	book_free(b);
}

static void wants_a_fresh_login(void)
{
	struct book *b;
	struct vote *v, like;
	struct terms t = terms(two_dba, 1);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	like = (struct vote){.who = {.issuer = "iss",
				     .subject = "ann",
				     .groups = dba,
				     .n_groups = 1,
				     .issued = t0.real_s - 601,
				     .expires = t0.real_s + 9,
				     .token_sha256 = "",
				     .from = ""},
			     .reader = "login",
			     .is_approval = true,
			     .words = "",
			     .narrow = {.choice = CHOICE_ONCE}};
	CHECK_INT(book_vote(b, r, &like, r->ask.hash, t0, &v, why, sizeof(why)), ERR_DENIED);
	like.who.issued = 0;
	CHECK_INT(book_vote(b, r, &like, r->ask.hash, t0, &v, why, sizeof(why)), ERR_DENIED);
	like.who.issued = t0.real_s - 600;
	CHECK_INT(book_vote(b, r, &like, "other", t0, &v, why, sizeof(why)), ERR_VERIFY);
	like.narrow.choice = CHOICE_ROLE;
	CHECK_INT(book_vote(b, r, &like, r->ask.hash, t0, &v, why, sizeof(why)), ERR_DENIED);
	like.narrow.choice = CHOICE_ONCE;
	CHECK_INT(book_vote(b, r, &like, r->ask.hash, t0, &v, why, sizeof(why)), 0);
	CHECK_INT(book_recorded(b, r, v, 3, t0), VOTE_NOTHING);
	/* her token ends before the second answer comes: it no longer counts */
	CHECK_INT(counted(b, r, "bob", dba, 1, at(10)), VOTE_NOTHING);
	CHECK_INT(counted(b, r, "carl", dba, 1, at(11)), VOTE_QUORUM);
	book_free(b);
}

static void believes_no_revoked_token(void)
{
	struct book *b;
	struct vote *v;
	struct terms t = terms(two_dba, 1);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	CHECK_INT(counted(b, r, "ann", dba, 1, t0), VOTE_NOTHING);
	CHECK_INT(counted(b, r, "bob", dba, 1, t0), VOTE_QUORUM);
	CHECK_INT(book_approve(b, r, t0), 0);
	r->release_seq = 5;
	CHECK_INT(book_distrust(b, NULL, "ann", t0), 1); /* between answer and release */
	CHECK_INT(r->state, REQUEST_PENDING);
	CHECK_INT(book_take(b, r), ERR_STATE);
	CHECK_INT(vote_as(b, r, "ann", dba, 1, t0, &v), ERR_DENIED);
	CHECK_INT(counted(b, r, "ann", dba, 1, at(60)), VOTE_QUORUM); /* of a login since */
	book_free(b);
}

static void escalates(void)
{
	struct book *b;
	struct vote *v;
	struct terms t = terms(two_dba, 1);
	t.stages[1] = (struct stage){300, leads, 1};
	t.n_stages = 2;
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	CHECK_INT(vote_as(b, r, "lea", lead, 1, at(10), &v), ERR_DENIED);
	n_escalated = 0;
	/* the real clock is set forward: that opens nothing */
	book_tick(b, (struct moment){t0.real_s + 400, t0.mono_s + 10}, &news);
	CHECK_INT(n_escalated, 0);
	book_tick(b, at(300), &news);
	CHECK_INT(n_escalated, 1);
	CHECK_INT(counted(b, r, "lea", lead, 1, at(301)), VOTE_QUORUM);
	book_free(b);
}

static void grants_the_least_of_all(void)
{
	struct book *b;
	struct vote *v;
	struct grant *g = NULL;
	struct terms t = terms(two_dba, 1);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1);
	struct vote like = {.who = {.issuer = "iss",
				    .subject = "ann",
				    .groups = dba,
				    .n_groups = 1,
				    .issued = t0.real_s,
				    .expires = t0.real_s + 99,
				    .token_sha256 = "",
				    .from = ""},
			    .reader = "login",
			    .is_approval = true,
			    .words = "",
			    .narrow = {.choice = CHOICE_PATTERN, .for_s = 600, .uses = 3}};
	CHECK_INT(book_vote(b, r, &like, r->ask.hash, t0, &v, why, sizeof(why)), 0);
	CHECK_INT(book_recorded(b, r, v, 1, t0), VOTE_NOTHING);
	like.who.subject = "bob";
	like.narrow = (struct narrow){.choice = CHOICE_TEXT, .for_s = 60, .uses = 5};
	CHECK_INT(book_vote(b, r, &like, r->ask.hash, t0, &v, why, sizeof(why)), 0);
	CHECK_INT(book_recorded(b, r, v, 2, t0), VOTE_QUORUM);
	CHECK_INT(book_approve(b, r, t0), 0);
	r->release_seq = 3;
	CHECK_INT(book_grant(b, r, t0, &g), 0);
	CHECK(g && g->choice == CHOICE_TEXT && g->uses == 3 && g->until.real_s == t0.real_s + 60);
	CHECK_STR(g->by, "ann, bob");
	CHECK(!book_grant_used(g, t0) && !book_grant_used(g, t0) && book_grant_used(g, t0));
	CHECK_INT(g->end, GRANT_USED);
	g->end = GRANT_LIVE;
	n_over = 0;
	book_tick(b, (struct moment){t0.real_s - 500, t0.mono_s + 60}, &news);
	CHECK_INT(n_over, 1);
	book_free(b);
}

static void holds_ten_thousand(void)
{
	struct book *b;
	struct terms t = terms(two_dba, 1);
	CHECK_INT(book_new(&b), 0);
	int n = 0;
	for (int i = 0; i < 10000; i++) {
		struct ask a = ask(i);
		char who[16];
		struct request *r;
		bool is_joined;
		snprintf(who, sizeof(who), "agent-%d", i % 17);
		a.subject = who;
		t.rule = i % 3 ? "r1" : "r2";
		n += book_ask(b, &a, &t, t0, &r, &is_joined) == 0 && !is_joined;
	}
	CHECK_INT(n, 10000);
	CHECK_INT(book_n_open(b), 10000);
	n_expired = 0;
	book_tick(b, at(900), &news);
	CHECK_INT(n_expired, 10000);
	CHECK_INT(book_n_open(b), 0);
	book_free(b);
}

static void refuses_too_many(void)
{
	struct book *b;
	struct terms t = terms(two_dba, 1), nobody = terms(two_dba, 0);
	struct request *r;
	bool is_joined;
	CHECK_INT(book_new(&b), 0);
	int n = 0;
	for (int i = 0; i < BOOK_OWN_MAX + 10; i++) {
		struct ask a = ask(i);
		n += book_ask(b, &a, &t, t0, &r, &is_joined) == 0;
	}
	CHECK_INT(n, BOOK_OWN_MAX); /* of one identity */
	struct ask one_more = ask(-5);
	CHECK_STR(book_why_full(b, &one_more, "r1"), "too many requests of this identity wait for an approval");
	for (int i = BOOK_OWN_MAX; i < BOOK_RULE_MAX + 10; i++) {
		struct ask of = ask(i + 100);
		char who[16];
		snprintf(who, sizeof(who), "agent-%d", i % 100);
		of.subject = who;
		n += book_ask(b, &of, &t, t0, &r, &is_joined) == 0;
	}
	CHECK_INT(n, BOOK_RULE_MAX); /* of one rule */
	one_more.subject = "agent-1";
	CHECK_STR(book_why_full(b, &one_more, "r1"), "too many requests of this rule wait for an approval");
	t.rule = "another";
	CHECK_INT(book_ask(b, &one_more, &t, t0, &r, &is_joined), 0); /* there is room for others */
	t.rule = "r1";
	book_tick(b, at(900), &news);
	CHECK(book_why_full(b, &one_more, "r1") == NULL);
	struct ask a = ask(-1);
	a.subject = "other";
	CHECK_INT(book_ask(b, &a, &nobody, t0, &r, &is_joined), ERR_MALFORMED);
	a.hash = "short";
	CHECK_INT(book_ask(b, &a, &t, t0, &r, &is_joined), ERR_MALFORMED);
	a = ask(-2);
	a.subject = "other";
	char *big = calloc(1, REQUEST_BODY_MAX + 1);
	a.body = span_of(big, REQUEST_BODY_MAX + 1);
	CHECK_INT(book_ask(b, &a, &t, t0, &r, &is_joined), ERR_LIMIT);
	free(big);
	book_free(b);
}

static void keeps_a_release_that_crossed(void)
{
	struct book *b;
	struct terms t = terms(leads, 1);
	CHECK_INT(book_new(&b), 0);
	struct request *r = asked(b, &t, 1), *again;
	struct ask a = ask(1);
	bool is_joined;
	CHECK_INT(counted(b, r, "lea", lead, 1, t0), VOTE_QUORUM);
	CHECK_INT(book_approve(b, r, t0), 0);
	r->release_seq = 4;
	CHECK_INT(book_take(b, r), 0);
	book_untake(r); /* the client had cancelled: nothing ran */
	CHECK_INT(book_ask(b, &a, &t, at(5), &again, &is_joined), 0);
	CHECK(again == r && is_joined && r->state == REQUEST_APPROVED);
	CHECK_INT(book_take(b, r), 0);
	book_free(b);
}

int main(void)
{
	needs_two_distinct_people();
	counts_nobody_for_two_groups();
	joins_the_same();
	ends_in_time_whatever_the_clock();
	wants_a_fresh_login();
	believes_no_revoked_token();
	escalates();
	grants_the_least_of_all();
	holds_ten_thousand();
	refuses_too_many();
	keeps_a_release_that_crossed();
	return tap_done();
}
