/* A manifest against what the data was found to be. ' stands for ". */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../tap.h"
#include "base/macro.h"

#include "cli/export_check.c"

#define FOUND                                                                                                       \
	"{'first':1,'key':'k1','last':10,'left_out':4,'node':'n','root':'r','signed_to':9}"
#define SAID(events, left_out, node, root, signed_to, key, filters)                                                 \
	"{'checkpoints':{'signed_to':" signed_to "},'events':" events ",'filters':" filters ",'key':" key           \
	",'left_out':" left_out ",'node':'" node "','range':{'first':1,'last':10},'root':{'hash':'" root "'}}"
#define KEY "{'fingerprint':'k1'}"

static const struct {
	const char *what, *said, *found;
	int code;
	const char *why;
} rows[] = {
	{"as it is", SAID("6", "4", "n", "r", "9", KEY, "{'session':'s'}"), FOUND, 0, ""},
	{"no filter", SAID("6", "4", "n", "r", "9", KEY, "{}"), FOUND, 1, "names no filter, and 4 events are left out"},
	{"filters that are none", SAID("6", "4", "n", "r", "9", KEY, "null"), FOUND, 1, "names no filter"},
	{"another number of events", SAID("7", "4", "n", "r", "9", KEY, "{'a':'b'}"), FOUND, 1, "number of events"},
	{"more left out", SAID("6", "5", "n", "r", "9", KEY, "{'a':'b'}"), FOUND, 1, "another left_out"},
	{"another node", SAID("6", "4", "m", "r", "9", KEY, "{'a':'b'}"), FOUND, 1, "another node"},
	{"another root", SAID("6", "4", "n", "q", "9", KEY, "{'a':'b'}"), FOUND, 1, "another hash"},
	{"another checkpoint", SAID("6", "4", "n", "r", "10", KEY, "{'a':'b'}"), FOUND, 1, "another signed_to"},
	{"another key", SAID("6", "4", "n", "r", "9", "{'fingerprint':'k2'}", "{'a':'b'}"), FOUND, 1,
	 "another fingerprint"},
	{"no key", SAID("6", "4", "n", "r", "9", "null", "{'a':'b'}"), FOUND, 1, "another fingerprint"},
	{"no key, and none found", SAID("6", "4", "n", "r", "0", "null", "{'a':'b'}"),
	 "{'first':1,'key':'','last':10,'left_out':4,'node':'n','root':'r','signed_to':0}", 0, ""},
	{"nothing of all", "{}", FOUND, 1, "MANIFEST.json"},
	{"a key twice", "{'events':6,'events':6}", FOUND, 2, "CANNOT TELL n"},
	{"no JSON", "{", FOUND, 2, "CANNOT TELL n"},
	{"none", NULL, FOUND, 2, "CANNOT TELL n"},
};

static char folder[] = "/tmp/sluice-check-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	FILE *f = text ? fopen(path, "w") : NULL;
	for (const char *c = text; c && *c; c++)
		fputc(*c == '\'' ? '"' : *c, f);
	if (f)
		fclose(f);
}

static json_t *read_verdict(const char *text)
{
	char copy[400];
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return json_loads(copy, 0, NULL);
}

int main(void)
{
	CHECK(mkdtemp(folder));
	json_t *found = read_verdict(FOUND);
	char *line = NULL;
	CHECK_INT(export_check(folder, found, &line), 0); /* a store */
	json_decref(found);
	put("data.mdb", "x");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put("MANIFEST.json", rows[i].said);
		found = read_verdict(rows[i].found);
		line = NULL;
		int code = export_check(folder, found, &line);
		CHECK_INT(code, rows[i].code);
		bool says = rows[i].code ? line && strstr(line, rows[i].why) != NULL : !line;
		CHECK(says);
		CHECK(code != 1 || !strncmp(line, "BAD n event 10: ", 16));
		if (code != rows[i].code || !says)
			printf("  %s: %d, %s\n", rows[i].what, code, line ? line : "nothing");
		free(line);
		json_decref(found);
	}
	put("MANIFEST.json", NULL);
	put("data.mdb", NULL);
	CHECK_INT(rmdir(folder), 0);
	return tap_done();
}
