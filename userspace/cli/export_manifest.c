#include "cli/export_manifest.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "cli/files.h"

static const char *const files[] = {"data.mdb", "MANIFEST.json", "KEY.pub", "README.md"};

static int in_folder(const char *folder, const char *name, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_in(const char *folder, const char *name, struct span text)
{
	char path[PATH_MAX];
	int r = in_folder(folder, name, path);
	return r < 0 ? r : file_write(path, text, 0600, false);
}

static json_t *hex_json(const uint8_t *p, size_t len)
{
	char hex[2 * HASH_LEN + 1];
	hex_encode(p, len, hex);
	return json_string(hex);
}

static json_t *time_json(uint64_t ns)
{
	char text[40];
	return ns ? json_string(clock_rfc3339(ns, text, sizeof(text))) : json_null();
}

static json_t *checkpoints_json(const struct export_facts *f)
{
	struct buf line;
	buf_init(&line, NOTE_MAX);
	if (f->last_checkpoint.seq)
		checkpoint_line(&line, &f->last_checkpoint);
	json_t *j = json_pack("{s:I,s:s%,s:I}", "count", (json_int_t)f->checkpoints, "last",
			      buf_len(&line) ? (const char *)buf_span(&line).p : "",
			      buf_len(&line), "signed_to", (json_int_t)f->last_checkpoint.seq);
	buf_done(&line);
	return j;
}

static json_t *key_json(const struct export_facts *f)
{
	char print[HASH_HEX + 1];
	if (!f->has_key)
		return json_null();
	key_fingerprint(f->key, print);
	return json_pack("{s:s,s:s}", "file", "KEY.pub", "fingerprint", print);
}

static json_t *filters_shown(const json_t *filters)
{
	json_t *shown = json_object(), *value;
	const char *key;
	json_object_foreach((json_t *)filters, key, value) if (json_is_string(value) &&
							       strcmp(key, "format"))
	    json_object_set(shown, key, value);
	return shown;
}

static int write_manifest(const char *folder, const struct export_facts *f, const json_t *filters)
{
	json_t *j = json_pack(
	    "{s:s,s:s,s:s,s:s,s:o,s:{s:I,s:I,s:o,s:o},s:I,s:I,s:o,s:{s:I,s:o},s:o,s:o}", "format",
	    "sluice-export", "schema", "2", "sluice", SLUICE_VERSION, "node", f->node, "created",
	    time_json(clock_real_ns()), "range", "first", (json_int_t)f->first, "last",
	    (json_int_t)f->last, "since", time_json(f->first_ns), "until", time_json(f->last_ns),
	    "events", (json_int_t)f->events, "left_out", (json_int_t)f->left_out, "filters",
	    filters_shown(filters), "root", "size", (json_int_t)f->last, "hash",
	    hex_json(f->root, HASH_LEN), "checkpoints", checkpoints_json(f), "key", key_json(f));
	_cleanup_(freep) char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	json_decref(j);
	return text ? write_in(folder, "MANIFEST.json", span_str(text)) : -ENOMEM;
}

static int write_key(const char *folder, const struct export_facts *f)
{
	char *pem;
	if (!f->has_key)
		return 0;
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, f->key, KEY_LEN);
	BIO *b = BIO_new(BIO_s_mem());
	int r = key && b && PEM_write_bio_PUBKEY(b, key) == 1 ? 0 : ERR_MALFORMED;
	if (r == 0) {
		long len = BIO_get_mem_data(b, &pem);
		r = write_in(folder, "KEY.pub", span_of(pem, (size_t)len));
	}
	BIO_free(b);
	EVP_PKEY_free(key);
	return r;
}

int export_manifest(const char *folder, const struct export_facts *f, const json_t *filters)
{
	char data[PATH_MAX];
	int r = in_folder(folder, "data.mdb", data);
	if (r == 0 && chmod(data, 0400) < 0)
		r = -errno;
	if (r == 0)
		r = write_key(folder, f);
	if (r == 0)
		r = write_in(folder, "README.md", span_str(export_readme));
	return r == 0 ? write_manifest(folder, f, filters) : r;
}

void export_unmake(const char *folder)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (in_folder(folder, files[i], path) == 0)
			unlink(path);
	rmdir(folder);
}
