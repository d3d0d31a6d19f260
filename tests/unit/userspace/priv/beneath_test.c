/* Which files may be opened beneath the configured folders. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "priv/beneath.h"

#include "../../tap.h"

static char top[] = "/tmp/credentials-test-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", top, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void link_to(const char *target, const char *name)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", top, name);
	CHECK_INT(symlink(target, path), 0);
}

static void make(const char *name)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", top, name);
	CHECK_INT(mkdir(path, 0700), 0);
}

static int open_it(const char *name)
{
	char in[200], path[300];
	const char *dirs[] = {"/no/such/folder", in};
	int fd = -1;
	snprintf(in, sizeof(in), "%s/in/", top);
	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", top, name);
	int r = open_beneath(dirs, 2, path, &fd);
	if (fd >= 0)
		close(fd);
	CHECK((r == 0) == (fd >= 0));
	return r;
}

int main(void)
{
	char path[300];
	if (!mkdtemp(top))
		return 1;
	make("in");
	make("in/..data");
	put("in/a", "secret");
	put("in/..data/b", "secret");
	put("out", "outside");
	link_to("..data/b", "in/b"); /* as Kubernetes mounts secrets */
	link_to("../out", "in/up");
	link_to("/etc/passwd", "in/abs");
	link_to("/proc/self/fd/0", "in/magic");
	snprintf(path, sizeof(path), "%s/in/fifo", top);
	CHECK_INT(mkfifo(path, 0600), 0);

	CHECK_INT(open_it("in/a"), 0);
	CHECK_INT(open_it("in/b"), 0);
	CHECK_INT(open_it("in/..data/b"), 0);
	CHECK_INT(open_it("out"), ERR_DENIED);
	CHECK(open_it("in/../out") < 0);
	CHECK(open_it("in/up") < 0);
	CHECK(open_it("in/abs") < 0);
	CHECK(open_it("in/magic") < 0);
	CHECK_INT(open_it("in/fifo"), ERR_DENIED);
	CHECK_INT(open_it("in/..data"), ERR_DENIED);
	CHECK_INT(open_it("in"), ERR_DENIED);
	CHECK_INT(open_it("in/"), ERR_DENIED);
	CHECK_INT(open_it("inside"), ERR_DENIED);
	CHECK_INT(open_it("in/none"), -ENOENT);
	CHECK_INT(open_it("/etc/passwd"), ERR_DENIED);
	CHECK_INT(open_it("/"), ERR_DENIED);

	static const char *const files[] = {"in/a",	"in/b",	   "in/up",	  "in/abs",
					    "in/magic", "in/fifo", "in/..data/b", "out"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, files[i]);
		unlink(path);
	}
	static const char *const dirs[] = {"in/..data", "in", ""};
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		rmdir(path);
	}
	return tap_done();
}
