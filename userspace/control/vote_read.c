#include "control/vote_read.h"

#include <string.h>

/* Absent, or null: "". NULL: it is there, and no text. */
static const char *text_of(const json_t *body, const char *key)
{
	const json_t *v = json_object_get(body, key);
	return !v || json_is_null(v) ? "" : json_string_value(v);
}

/* Absent: 0. False: it is there, and no count up to max. */
static bool number_of(const json_t *body, const char *key, json_int_t max, json_int_t *ret)
{
	const json_t *v = json_object_get(body, key);
	*ret = json_integer_value(v);
	return !v || json_is_null(v) || (json_is_integer(v) && *ret >= 0 && *ret <= max);
}

/* How many texts; -1: it is there, and no list of at most max texts. */
static int list_of(const json_t *body, const char *key, const char **out, size_t max)
{
	const json_t *v = json_object_get(body, key), *e;
	size_t i;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v) || json_array_size(v) > max)
		return -1;
	json_array_foreach(v, i, e)
	{
		out[i] = json_string_value(e);
		if (!out[i] || !*out[i])
			return -1;
	}
	return (int)json_array_size(v);
}

static const char *read_words(const json_t *body, struct vote *ret)
{
	const char *verdict = text_of(body, "verdict"), *words = text_of(body, "words");
	ret->is_approval = verdict && !strcmp(verdict, "approve");
	if (!verdict || (!ret->is_approval && strcmp(verdict, "deny")))
		return "\"verdict\" must be \"approve\" or \"deny\"";
	if (!words || strlen(words) >= BOOK_TEXT_MAX)
		return "\"words\" must be a text of at most 399 bytes";
	if (!ret->is_approval && !*words)
		return "a denial says why in \"words\"";
	ret->words = words;
	return NULL;
}

static const char *read_lists(const json_t *body, struct vote_lists *lists, struct narrow *n)
{
	n->n_relations = list_of(body, "relations", lists->relations, VOTE_RELATIONS_MAX);
	if (n->n_relations < 0)
		return "\"relations\" must be a list of at most 64 patterns";
	n->n_classes = list_of(body, "classes", lists->classes, CLASS_COUNT);
	for (int i = 0; i < n->n_classes; i++)
		if (class_by_name(lists->classes[i]) < 0)
			return "\"classes\" names one that there is not";
	n->relations = lists->relations;
	n->classes = lists->classes;
	return n->n_classes < 0 ? "\"classes\" must be a list of classes" : NULL;
}

const char *vote_read(const json_t *body, struct vote_lists *lists, struct vote *ret)
{
	struct narrow *n = &ret->narrow;
	json_int_t for_s, uses;
	const char *why = read_words(body, ret), *choice = text_of(body, "choice"),
		   *resource = text_of(body, "resource");
	if (why)
		return why;
	n->choice = choice && *choice ? choice_by_name(choice) : 0;
	if (!choice || (*choice && !n->choice))
		return "\"choice\" must be once, text, pattern or role";
	if (!resource)
		return "\"resource\" must be a name";
	if (!number_of(body, "for", VOTE_FOR_MAX_S, &for_s))
		return "\"for\" must be a number of seconds";
	if (!number_of(body, "uses", VOTE_USES_MAX, &uses))
		return "\"uses\" must be a number up to 1000000";
	n->resource = *resource ? resource : NULL;
	n->for_s = for_s;
	n->uses = (uint32_t)uses;
	return read_lists(body, lists, n);
}
