/* What was granted, as the proxy goes by it: whose it is, what it covers, how often, until when;
 * what cannot be read grants nothing. */
#include "flow/grants.h"

#include "tests/unit/tap.h"

#define NOW ((int64_t)(clock_real_ns() / NS_PER_SEC))

static const struct who who = {
    .session = "s-1", .issuer = "iss", .subject = "agent", .owner = "", .role = "worker"};
static const struct bound_hashes hashes = {"exact", "text", "pattern"};

static json_t *grant(const char *kind, const char *gives, json_int_t uses, json_int_t left)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "grant",
			 "g-1", "request", "r-1", "kind", kind, "session", "s-1", "issuer", "iss",
			 "subject", "agent", "role", "worker", "gives", gives, "hash", "text",
			 "resource", "db", "until", (json_int_t)(NOW + 100), "uses", uses, "left",
			 left, "release", (json_int_t)7);
}

/* A list of this one grant, with one member replaced; steals both. */
static struct grant_list *list_of(json_t *g, const char *key, json_t *value,
				  struct grant_list *before)
{
	struct grant_list *l = NULL;
	if (key)
		json_object_set_new(g, key, value);
	json_t *all = json_pack("[o]", g);
	int err = grants_read(all, before, &l);
	json_decref(all);
	return err ? NULL : l;
}

static bool lets(struct grant_list *l, const struct who *by, const char *resource, int64_t now_s)
{
	struct decision d = {0};
	bool is_let = grants_let_text(l, by, resource, &hashes, now_s, &d);
	CHECK(!is_let || (!strcmp(d.grant, "g-1") && !strcmp(d.request, "r-1") && d.release == 7));
	return is_let;
}

static void is_whose_it_is(void)
{
	static const char *const keys[] = {"issuer", "subject", "role", "hash", "resource"};
	struct who other = who;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct grant_list *l =
		    list_of(grant("text", "", 0, 0), keys[i], json_string("another"), NULL);
		CHECK(l && !lets(l, &who, "db", NOW));
		grants_unref(l);
	}
	struct grant_list *l = list_of(grant("text", "", 0, 0), NULL, NULL, NULL);
	CHECK(lets(l, &who, "db", NOW));
	CHECK(!lets(l, &who, "other", NOW));
	CHECK(!lets(l, &who, "db", NOW + 101)); /* its time is over */
	other.session = "s-2";
	CHECK(lets(l, &other, "db", NOW)); /* a text is granted to an identity */
	grants_unref(l);
	l = list_of(grant("pattern", "", 0, 0), NULL, NULL, NULL);
	CHECK(!lets(l, &who, "db", NOW)); /* a pattern is not its text */
	grants_unref(l);
}

static void counts_uses(void)
{
	struct grant_list *l = list_of(grant("text", "", 2, 2), NULL, NULL, NULL), *next, *last;
	CHECK(lets(l, &who, "db", NOW));
	next = list_of(grant("text", "", 2, 2), NULL, NULL, l); /* control has not counted it yet */
	CHECK(lets(next, &who, "db", NOW));
	CHECK(!lets(next, &who, "db", NOW));
	CHECK(grants_in_force(next, "g-1", &who, NOW) != NULL); /* what began by it goes on */
	last = list_of(grant("text", "", 2, 0), NULL, NULL, NULL);
	CHECK(!lets(last, &who, "db", NOW));
	grants_unref(l);
	grants_unref(next);
	grants_unref(last);
}

/* A deadline that comes again later, as after a step of the clock, does not lengthen it. */
static void ends_once(void)
{
	struct grant_list *l =
	    list_of(grant("text", "", 0, 0), "until", json_integer(NOW - 1), NULL);
	struct grant_list *next = list_of(grant("text", "", 0, 0), NULL, NULL, l);
	CHECK(!lets(next, &who, "db", NOW - 50));
	CHECK(!grants_in_force(next, "g-1", &who, NOW - 50));
	grants_unref(l);
	grants_unref(next);
}

static void lends_a_role(void)
{
	struct who other = who;
	int i = 0;
	struct grant_list *l = list_of(grant("role", "boss", 0, 0), NULL, NULL, NULL);
	const char *role = grants_role(l, &who, "db", NULL, NOW, &i);
	CHECK(role && !strcmp(role, "boss"));
	CHECK(!grants_role(l, &who, "db", NULL, NOW, &i));
	i = 0;
	CHECK(!grants_role(l, &who, "other", NULL, NOW, &i));
	i = 0;
	other.session = "s-2";
	CHECK(!grants_role(l, &other, "db", NULL, NOW, &i)); /* a role is lent to a session */
	CHECK(!lets(l, &who, "db", NOW));
	grants_unref(l);
}

static void is_narrowed(void)
{
	struct need need = {.kind = NEED_RELATION,
			    .verb = VERB_SELECT,
			    .class = CLASS_READ,
			    .schema = "public",
			    .name = "t"};
	struct op op = {.needs = &need, .n_needs = 1};
	json_t *narrows = json_pack("[{s:[s],s:[s]}]", "relations", "public.t", "classes", "read");
	struct grant_list *l = list_of(grant("role", "boss", 0, 0), "narrows", narrows, NULL);
	int i = 0;
	CHECK(grants_role(l, &who, "db", &op, NOW, &i) != NULL);
	need.name = "u";
	i = 0;
	CHECK(!grants_role(l, &who, "db", &op, NOW, &i));
	need.name = "t";
	need.class = CLASS_WRITE;
	i = 0;
	CHECK(!grants_role(l, &who, "db", &op, NOW, &i));
	need = (struct need){.kind = NEED_FUNCTION,
			     .verb = VERB_EXECUTE,
			     .class = CLASS_READ,
			     .schema = "public",
			     .name = "t"};
	i = 0;
	CHECK(!grants_role(l, &who, "db", &op, NOW, &i));
	grants_unref(l);
}

static void reads_nothing_into_it(void)
{
	struct grant_list *l = NULL;
	json_t *narrows = json_array();
	for (int i = 0; i < 1000; i++)
		json_array_append_new(narrows, json_object());
	CHECK(!list_of(grant("role", "boss", 0, 0), "narrows",
		       json_pack("[{s:[s]}]", "classes", "no such"), NULL));
	CHECK(!list_of(grant("role", "boss", 0, 0), "narrows", json_pack("[{s:[i]}]", "classes", 1),
		       NULL));
	CHECK(!list_of(grant("role", "boss", 0, 0), "narrows",
		       json_pack("[{s:[i]}]", "relations", 1), NULL));
	CHECK(!list_of(grant("role", "boss", 0, 0), "narrows", narrows, NULL));
	json_t *junk = json_pack("[i,n,{}]", 1);
	CHECK_INT(grants_read(junk, NULL, &l), 0);
	CHECK(!lets(l, &who, "db", NOW));
	CHECK(!lets(NULL, &who, "db", NOW));
	grants_unref(l);
	json_decref(junk);
}

int main(void)
{
	is_whose_it_is();
	counts_uses();
	ends_once();
	lends_a_role();
	is_narrowed();
	reads_nothing_into_it();
	return tap_done();
}
