/* sluice export: the record, or a part of it, in the form that somebody else can read. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/cli.h"
#include "cli/export.h"
#include "cli/export_lmdb.h"
#include "cli/filters.h"
#include "cli/inert.h"
#include "cli/opened.h"
#include "cli/options.h"
#include "cli/record_source.h"
#include "record/opener.h"

static const struct export_text *const forms[] = {&export_jsonl, &export_csv, &export_ocsf,
						  &export_asciicast};

/* An export as text, on its way out. */
struct writing {
	const struct export_text *form;
	struct export_state state;
	struct buf text, inert;
	FILE *out;
	bool is_terminal;
};

/* What is no event of the record but says something about it: a checkpoint between the lines. */
static bool is_aside(const struct scan *e)
{
	return !scan_get(e, "_seq").len;
}

/* The other forms are inert as they are. */
static struct span inert_lines(struct writing *w)
{
	struct span text = buf_span(&w->text);
	buf_reset(&w->inert);
	while (text.len) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t n = end ? (size_t)(end - text.p) : text.len;
		inert_add_json(&w->inert, span_of(text.p, n));
		buf_add_u8(&w->inert, '\n');
		text = span_of(text.p + n + (end != NULL), text.len - n - (end != NULL));
	}
	return buf_span(&w->inert);
}

static int write_out(struct writing *w)
{
	int err = buf_err(&w->text);
	struct span text =
	    w->is_terminal && w->form->is_json ? inert_lines(w) : buf_span(&w->text);
	err = err ? err : buf_err(&w->inert);
	if (err == 0 && text.len && fwrite(text.p, 1, text.len, w->out) != text.len)
		err = -errno;
	buf_reset(&w->text);
	return err;
}

static int on_line(void *ctx, const char *line, size_t len)
{
	struct writing *w = ctx;
	struct span stored = span_of(line, len);
	struct scan e;
	if (w->form == &export_jsonl) {
		export_jsonl.event(&w->text, stored, NULL, NULL);
	} else if (scan_event(stored, true, &e) < 0) {
		return ERR_MALFORMED;
	} else if (!is_aside(&e)) {
		w->form->event(&w->text, stored, &e, &w->state);
	}
	return write_out(w);
}

/* path NULL: standard output; a folder: the form's own name in it. The record is for few eyes. */
static FILE *open_out(const char *path, const struct export_text *form, char full[PATH_MAX])
{
	struct stat st;
	if (!path)
		return stdout;
	bool is_folder = path[strlen(path) - 1] == '/' ||
			 (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
	if (is_folder && mkdir(path, 0700) < 0 && errno != EEXIST)
		return NULL;
	int n = snprintf(full, PATH_MAX, "%s%s%s", path, is_folder ? "/" : "",
			 is_folder ? form->file : "");
	if (n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int export_text_to(const char *path, const struct export_text *form,
			  struct record_source *source, const json_t *filters)
{
	char full[PATH_MAX] = "";
	struct writing w = {.form = form, .out = open_out(path, form, full)};
	if (!w.out) {
		cli_error("%s: %s", path, strerror(errno));
		return -errno;
	}
	w.is_terminal = isatty(fileno(w.out));
	buf_init(&w.text, EXPORT_TEXT_MAX);
	buf_init(&w.inert, 2 * EXPORT_TEXT_MAX);
	if (form->head)
		form->head(&w.text);
	int r = write_out(&w);
	if (r == 0)
		r = opened_ask(source, "export", filters, on_line, &w);
	if (r == ERR_MALFORMED || r == ERR_LIMIT)
		cli_error("an event cannot be written as %s: %s", form->name, err_text(r));
	if (fflush(w.out) || ferror(w.out)) {
		cli_error("%s: %s", path ? full : "standard output", strerror(errno));
		r = -EIO;
	}
	if (path)
		fclose(w.out);
	buf_done(&w.text);
	buf_done(&w.inert);
	return r;
}

static const struct export_text *form_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (!name || !strcmp(forms[i]->name, name))
			return forms[i];
	return NULL;
}

static int count_line(void *ctx, const char *line, size_t len)
{
	(void)line;
	(void)len;
	++*(uint64_t *)ctx;
	return 0;
}

/* Nothing is no answer where the name is wrong. */
static int check_session(const struct record_source *source, const char *session)
{
	uint64_t n = 0;
	json_t *q = json_pack("{s:s}", "session", session);
	int r = record_ask(source, "sessions", q, count_line, &n);
	json_decref(q);
	if (r == 0 && n == 0) {
		cli_error("%s: there is no such session in the record", session);
		cli_remedy("sluice sessions lists them");
	}
	return r == 0 && n == 0 ? ERR_NOT_FOUND : r;
}

static int check(const char *format, const char *path, const char *key, const struct filters *f)
{
	bool is_lmdb = format && !strcmp(format, "lmdb");
	if (!is_lmdb && !form_of(format))
		return cli_usage("export", "%s: expected jsonl, csv, ocsf, asciicast or lmdb",
				 format);
	if (is_lmdb && key)
		return cli_usage("export", "--format lmdb is what is stored, and stays sealed: give --decrypt-key to "
					   "replay, search and the other forms, with --store DIR");
	if (is_lmdb && !path)
		return cli_usage("export", "--format lmdb makes a folder: -o DIR");
	if (path && !*path)
		return cli_usage("export", "-o needs a name");
	if (form_of(format) == &export_asciicast && !f->session)
		return cli_usage("export", "--format asciicast is of one session: --session S");
	return 0;
}

int cmd_export(int argc, char **argv)
{
	struct filters f = {0};
	struct record_source source = {0};
	const char *format = NULL, *path = NULL, *key = NULL;
	const struct cli_option options[] = {{"format", &format, NULL, NULL},
					     {"o", &path, NULL, NULL},
					     FILTER_WHAT(f),
					     {"store", &source.store, NULL, NULL},
					     {"decrypt-key", &key, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1)
		return cli_usage("export", "no argument is expected");
	if (check(format, path, key, &f))
		return CLI_USAGE;
	json_t *filters = filters_json(&f, "export");
	if (!filters)
		return CLI_USAGE;
	json_object_set_new(filters, "format", json_string(format ? format : "jsonl"));
	int r = opened_key(key, &source.opener);
	if (r == 0 && f.session)
		r = check_session(&source, f.session);
	source.is_as_stored = form_of(format) == &export_jsonl && !key;
	if (r == 0)
		r = format && !strcmp(format, "lmdb") ? export_lmdb(path, &source, filters)
						      : export_text_to(path, form_of(format), &source, filters);
	opener_free(source.opener);
	json_decref(filters);
	return r < 0;
}
