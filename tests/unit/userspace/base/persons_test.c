/* Who is one person where two are asked for. */
#include "base/persons.h"

#include "base/macro.h"
#include "tests/unit/tap.h"

static const struct {
	const char *a, *b;
	bool is_same;
} names[] = {
    {"ann", "ann", true},
    {"ann", "Ann", true},
    {"ANN@EXAMPLE.COM", "ann@example.com", true},
    {"ann", "anna", false},
    {"", "ann", false},
    {"", "", true},
    {"j\xc3\xb6rg", "jo\xcc\x88rg", true},	      /* composed, decomposed */
    {"J\xc3\x96RG", "j\xc3\xb6rg", true},	      /* case beyond ASCII */
    {"j\xc3\xb6rg", "jorg", false},		      /* another letter */
    {"stra\xc3\x9f" "e", "STRASSE", true},	      /* full case folding */
    {"\xe2\x84\x82" "at", "cat", true}, /* a form of a capital letter: U+2102 */
    {"\xe2\x84\xac" "ob", "BOB", true}, /* U+212C */
    {"\xef\xbd\x81nn", "ann", true},		      /* full width */
    {"\xef\xac\x81nn", "finn", true},		      /* a ligature */
    {"\xd0\xb0nn", "ann", false},		      /* Cyrillic: looks alike, is none */
    {"\xff", "\xff", true},			      /* no UTF-8: bytes */
    {"\xff" "a", "\xff" "A", false},
};

static const struct {
	const char *name;
	struct identity a, b;
	bool is_same;
} people[] = {
    {"two people", {"i", "ann", ""}, {"i", "bob", ""}, false},
    {"one", {"i", "ann", ""}, {"i", "ann", ""}, true},
    {"one, written otherwise", {"i", "ann", ""}, {"i", "Ann", ""}, true},
    {"a name of two issuers", {"i", "ann", ""}, {"k", "ann", ""}, false},
    {"her agent", {"i", "ann", ""}, {"i", "bot", "ann"}, true},
    {"her agent first", {"i", "bot", "ANN"}, {"k", "ann", ""}, true},
    {"two agents of hers", {"i", "bot", "ann"}, {"i", "bot2", "Ann"}, true},
    {"two agents of two", {"i", "bot", "ann"}, {"i", "bot2", "bob"}, false},
    {"no owner is nobody's", {"i", "bot", ""}, {"i", "bot2", ""}, false},
    {"each their own owner", {"i", "ann", "ann"}, {"i", "bob", "bob"}, false},
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK_INT(is_same_name(names[i].a, names[i].b), names[i].is_same);
		CHECK_INT(is_same_name(names[i].b, names[i].a), names[i].is_same);
	}
	for (size_t i = 0; i < ARRAY_LEN(people); i++) {
		if (is_same_person(&people[i].a, &people[i].b) != people[i].is_same)
			printf("# %s\n", people[i].name);
		CHECK_INT(is_same_person(&people[i].a, &people[i].b), people[i].is_same);
		CHECK_INT(is_same_person(&people[i].b, &people[i].a), people[i].is_same);
	}
	return tap_done();
}
