/* An export's MANIFEST.json against what its data was found to be. The data alone is what was signed; a manifest that
 * says something else, or no reason for what is left out, is no part of an honest export. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/export_manifest.h"

static const struct {
	const char *path[3]; /* in the manifest */
	const char *found;   /* in the verdict */
} fields[] = {{{"node"}, "node"},
	      {{"range", "first"}, "first"},
	      {{"range", "last"}, "last"},
	      {{"left_out"}, "left_out"},
	      {{"root", "hash"}, "root"},
	      {{"checkpoints", "signed_to"}, "signed_to"},
	      {{"key", "fingerprint"}, "key"}};

static const json_t *at(const json_t *j, const char *const path[3])
{
	for (int i = 0; i < 3 && path[i]; i++)
		j = json_object_get(j, path[i]);
	return j;
}

/* No key is null there, and "" here. */
static bool is_same(const json_t *said, const json_t *found)
{
	const char *text = json_string_value(found);
	return json_equal(said, found) || (!said && text && !*text);
}

static long long number(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

/* What is wrong with it, or NULL. ret: room for the words. */
static const char *complaint(const json_t *m, const json_t *verdict, char ret[400])
{
	long long left_out = number(verdict, "left_out"), last = number(verdict, "last");
	if (last && number(m, "events") != last - number(verdict, "first") + 1 - left_out)
		return "MANIFEST.json says another number of events than the data";
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const json_t *said = at(m, fields[i].path), *found = json_object_get(verdict, fields[i].found);
		if (is_same(said, found) || !last) /* of an empty one the rest says nothing */
			continue;
		snprintf(ret, 400, "MANIFEST.json says another %s than the data",
			 fields[i].path[1] ? fields[i].path[1] : fields[i].path[0]);
		return ret;
	}
	if (!left_out || json_object_size(json_object_get(m, "filters")))
		return NULL;
	snprintf(ret, 400, "MANIFEST.json names no filter, and %lld events are left out", left_out);
	return ret;
}

int export_check(const char *folder, const json_t *verdict, char **ret_line)
{
	char path[PATH_MAX], why[400];
	const char *node = json_string_value(json_object_get(verdict, "node"));
	int n = snprintf(path, sizeof(path), "%s/data.mdb", folder);
	if (n >= (int)sizeof(path) || access(path, F_OK) < 0)
		return 0; /* a store */
	snprintf(path, sizeof(path), "%s/MANIFEST.json", folder);
	json_error_t e;
	json_t *m = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
	const char *wrong = m ? complaint(m, verdict, why) : NULL;
	if (!m)
		n = asprintf(ret_line, "CANNOT TELL %s: %s: %s", node, path, e.text);
	else if (wrong)
		n = asprintf(ret_line, "BAD %s event %lld: %s", node,
			     number(verdict, "last"), wrong);
	json_decref(m);
	if (n < 0)
		*ret_line = NULL;
	return !*ret_line ? 0 : wrong ? 1 : 2;
}
