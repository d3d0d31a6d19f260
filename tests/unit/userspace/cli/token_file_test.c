#include "cli/token_file.c"

#include <poll.h>

#include "../../tap.h"
#include "said.h"

static char dir[] = "/tmp/sluice-token-XXXXXX";

static const char *path_of(const char *name)
{
	static char paths[8][100];
	static int n;
	char *p = paths[n++ % 8];
	snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(path_of(name), "w");
	fputs(text, f);
	fclose(f);
	chmod(path_of(name), mode);
}

static int read_as_text(const char *name, char *out, size_t size)
{
	struct buf b;
	said[0] = 0;
	int r = token_file_read(path_of(name), &b);
	snprintf(out, size, "%s", r == 0 ? (const char *)buf_span(&b).p : "");
	if (r == 0)
		buf_wipe(&b);
	return r;
}

static void reads(void)
{
	char text[100];
	put("t", " \n a.b.c\r\n\n", 0600);
	CHECK_INT(read_as_text("t", text, sizeof(text)), 0);
	CHECK_STR(text, "a.b.c");
	CHECK_STR(said, "");
	put("t", "a.b.c", 0644);
	CHECK_INT(read_as_text("t", text, sizeof(text)), 0);
	CHECK(strstr(said, "chmod 600") && !strstr(said, "a.b.c"));
	put("t", " \n", 0600);
	CHECK_INT(read_as_text("t", text, sizeof(text)), ERR_NOT_FOUND);
	CHECK(strstr(said, "empty") != NULL);
	CHECK_INT(read_as_text("none", text, sizeof(text)), -ENOENT);
	CHECK(strstr(said, "token mint") != NULL);
	CHECK_INT(read_as_text("", text, sizeof(text)), -EISDIR);
	char *big = malloc(TOKEN_MAX + 100);
	memset(big, 'a', TOKEN_MAX + 99);
	big[TOKEN_MAX + 99] = 0;
	put("t", big, 0600);
	CHECK_INT(read_as_text("t", text, sizeof(text)), ERR_LIMIT);
	big[TOKEN_MAX] = 0;
	put("t", big, 0600);
	CHECK_INT(read_as_text("t", text, sizeof(text)), 0);
	free(big);
}

/* What the watch tells after the file system did something: the new token, or "" for nothing. */
static const char *told(struct token_watch *w, bool is_event_due)
{
	static char text[100];
	struct pollfd p = {w->fd, POLLIN, 0};
	struct buf b;
	CHECK_INT(poll(&p, 1, is_event_due ? 2000 : 50), is_event_due);
	token_watch_drain(w);
	CHECK_INT(poll(&p, 1, 0), 0);
	text[0] = 0;
	if (!token_watch_check(w, &b))
		return text;
	snprintf(text, sizeof(text), "%s", (const char *)buf_span(&b).p);
	token_watch_seen(w, span_of(buf_span(&b).p, buf_len(&b) - 1));
	buf_wipe(&b);
	return text;
}

static void watches(void)
{
	struct token_watch w;
	put("t", "one", 0600);
	token_watch_init(&w, path_of("t"), span_str("one"));
	CHECK(w.fd >= 0);
	CHECK_STR(told(&w, false), "");
	put("new", "two", 0600);
	CHECK_INT(rename(path_of("new"), path_of("t")), 0);
	CHECK_STR(told(&w, true), "two");
	CHECK_STR(told(&w, false), "");
	put("t", "three", 0600); /* written in place */
	CHECK_STR(told(&w, true), "three");
	put("t", "", 0600);
	CHECK_STR(told(&w, true), "");
	unlink(path_of("t"));
	CHECK_STR(told(&w, false), "");
	put("t", "three", 0600);
	CHECK_STR(told(&w, true), "");
	token_watch_done(&w);
}

/* As Kubernetes swaps a projected token: token -> ..data/token, ..data -> ..1, then ..data -> ..2. */
static void watches_a_swapped_folder(void)
{
	struct token_watch w;
	mkdir(path_of("..1"), 0700);
	mkdir(path_of("..2"), 0700);
	put("..1/token", "one", 0600);
	put("..2/token", "two", 0600);
	CHECK_INT(symlink("..1", path_of("..data")), 0);
	CHECK_INT(symlink("..data/token", path_of("token")), 0);
	token_watch_init(&w, path_of("token"), span_str("one"));
	CHECK_INT(symlink("..2", path_of("..tmp")), 0);
	CHECK_INT(rename(path_of("..tmp"), path_of("..data")), 0);
	CHECK_STR(told(&w, true), "two");
	token_watch_done(&w);
}

int main(void)
{
	char command[100];
	if (!mkdtemp(dir))
		return 1;
	reads();
	watches();
	watches_a_swapped_folder();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	CHECK_INT(system(command), 0);
	return tap_done();
}
