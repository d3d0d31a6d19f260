/* Votes as they are sent: what would narrow an approval and cannot be read refuses it. */
#include "control/vote_read.h"

#include "tests/unit/tap.h"

static const struct {
	const char *json;
	bool is_taken;
} cases[] = {
    {"{\"verdict\":\"approve\"}", true},
    {"{\"verdict\":\"approve\",\"words\":null,\"relations\":null,\"uses\":null}", true},
    {"{\"verdict\":\"deny\",\"words\":\"no\"}", true},
    {"{\"verdict\":\"deny\"}", false},
    {"{\"verdict\":\"yes\"}", false},
    {"{\"verdict\":1}", false},
    {"{}", false},
    {"[]", false},
    {"{\"verdict\":\"approve\",\"words\":1}", false},
    {"{\"verdict\":\"approve\",\"choice\":\"text\",\"for\":60,\"uses\":1}", true},
    {"{\"verdict\":\"approve\",\"choice\":\"all\"}", false},
    {"{\"verdict\":\"approve\",\"choice\":1}", false},
    {"{\"verdict\":\"approve\",\"for\":\"60\"}", false},
    {"{\"verdict\":\"approve\",\"for\":-1}", false},
    {"{\"verdict\":\"approve\",\"for\":1.5}", false},
    {"{\"verdict\":\"approve\",\"for\":99999999999}", false},
    {"{\"verdict\":\"approve\",\"uses\":-1}", false},
    {"{\"verdict\":\"approve\",\"uses\":1000001}", false},
    {"{\"verdict\":\"approve\",\"uses\":\"1\"}", false},
    {"{\"verdict\":\"approve\",\"resource\":1}", false},
    {"{\"verdict\":\"approve\",\"relations\":[\"public.*\"],\"classes\":[\"read\"]}", true},
    {"{\"verdict\":\"approve\",\"relations\":[1]}", false},
    {"{\"verdict\":\"approve\",\"relations\":[\"\"]}", false},
    {"{\"verdict\":\"approve\",\"relations\":\"public.t\"}", false},
    {"{\"verdict\":\"approve\",\"relations\":{\"a\":\"b\"}}", false},
    {"{\"verdict\":\"approve\",\"classes\":[\"no such\"]}", false},
    {"{\"verdict\":\"approve\",\"classes\":\"read\"}", false},
    {"{\"verdict\":\"approve\",\"classes\":[null]}", false},
};

static const char *read_text(const char *text, struct vote_lists *lists, struct vote *v, json_t **ret_body)
{
	*ret_body = json_loads(text, 0, NULL);
	return vote_read(*ret_body, lists, v);
}

static void takes_or_refuses(void)
{
	struct vote_lists lists;
	json_t *body;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct vote v = {.is_approval = false};
		const char *why = read_text(cases[i].json, &lists, &v, &body);
		if (!why != cases[i].is_taken)
			printf("%s: %s\n", cases[i].json, why ? why : "taken");
		CHECK(!why == cases[i].is_taken);
		json_decref(body);
	}
}

static void reads_all(void)
{
	struct vote_lists lists;
	struct vote v = {.is_approval = false};
	json_t *body, *many = json_array();
	CHECK(!read_text("{\"verdict\":\"approve\",\"words\":\"ok\",\"choice\":\"text\",\"for\":60,\"uses\":2,"
			 "\"resource\":\"db\",\"relations\":[\"a.b\",\"c.d\"],\"classes\":[\"read\"]}",
			 &lists, &v, &body));
	CHECK(v.is_approval && !strcmp(v.words, "ok") && v.narrow.choice == CHOICE_TEXT && v.narrow.for_s == 60);
	CHECK(v.narrow.uses == 2 && !strcmp(v.narrow.resource, "db") && v.narrow.n_relations == 2);
	CHECK(v.narrow.n_classes == 1);
	CHECK(!strcmp(v.narrow.relations[1], "c.d") && !strcmp(v.narrow.classes[0], "read"));
	for (int i = 0; i < VOTE_RELATIONS_MAX + 1; i++)
		json_array_append_new(many, json_string("a.b"));
	json_object_set_new(body, "relations", many);
	CHECK(vote_read(body, &lists, &v) != NULL);
	json_decref(body);
}

int main(void)
{
	takes_or_refuses();
	reads_all();
	return tap_done();
}
