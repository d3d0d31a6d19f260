/* The kernel object on the machine at hand: cgroups, listeners, pins, adoption. Its own instance.
 * Needs root. What goes through the programs is tests/e2e/kernel_test.c's. */
#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "sluice.skel.h"
#include "tests/unit/tap.h"

#define LINKS 17 /* the programs of a managed cgroup */

static char instance[32];

static struct kernel *open_kernel(void)
{
	struct kernel_options o = {.instance = instance};
	struct kernel *k = NULL;
	char why[256] = "";
	CHECK_INT(kernel_open(&o, &k, why, sizeof(why)), 0);
	CHECK_STR(why, "");
	return k;
}

static pid_t sleeper(const char *cgroup)
{
	pid_t pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		if (kernel_cgroup_move(cgroup, getpid()))
			_exit(1);
		pause();
		_exit(0);
	}
	while (kernel_cgroup_population(cgroup) < 1)
		usleep(2000);
	return pid;
}

static void test_cgroups(struct kernel *k)
{
	char *path = NULL, *again = NULL;
	uint64_t id, other;
	static const char *const bad[] = {"", ".", "..", ".x", "a/b", "../x", "/"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(kernel_cgroup_create(k, bad[i], &path, &id), ERR_MALFORMED);
	CHECK_INT(kernel_cgroup_create(k, "s-1", &path, &id), 0);
	CHECK_INT(kernel_cgroup_create(k, "s-1", &again, &other), ERR_EXISTS);
	CHECK_INT(kernel_cgroup_id(path, &other), 0);
	CHECK_INT(id, other);
	CHECK_INT(kernel_cgroup_path(k, id, &again), 0);
	CHECK_STR(again, path);
	free(again);
	CHECK_INT(kernel_cgroup_population(path), 0);
	/* Nested cgroups with processes in them go too. */
	char deep[512];
	snprintf(deep, sizeof(deep), "%s/a", path);
	CHECK_INT(mkdir(deep, 0755), 0);
	strcat(deep, "/b");
	CHECK_INT(mkdir(deep, 0755), 0);
	pid_t pid = sleeper(deep);
	CHECK_INT(kernel_cgroup_population(path), 1);
	CHECK_INT(kernel_pid_is_managed(k, pid), 1);
	CHECK_INT(kernel_cgroup_remove(k, path), 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK_INT(kernel_cgroup_remove(k, path), 0); /* gone is gone */
	CHECK_INT(kernel_cgroup_path(k, id, &again), ERR_NOT_FOUND);
	CHECK_INT(kernel_cgroup_population(path), -1);
	CHECK(kernel_cgroup_id(path, &other) < 0);
	free(path);
}

/* What is not below our root is not ours to kill. */
static void test_remove_others(struct kernel *k)
{
	char path[512];
	CHECK_INT(kernel_cgroup_remove(k, k->root), ERR_STATE);
	CHECK_INT(kernel_cgroup_remove(k, k->cgroup_mount), ERR_STATE);
	snprintf(path, sizeof(path), "%sx", k->root);
	CHECK_INT(kernel_cgroup_remove(k, path), ERR_STATE);
	snprintf(path, sizeof(path), "%s/../other", k->root);
	CHECK_INT(kernel_cgroup_remove(k, path), ERR_STATE);
}

static void test_managed(struct kernel *k)
{
	char *path;
	uint64_t id, ids[4];
	struct workload_stats st;
	CHECK_INT(kernel_cgroup_create(k, "s-2", &path, &id), 0);
	CHECK_INT(kernel_stats(k, id, &st), ERR_NOT_FOUND);
	CHECK_INT(kernel_unmanage(k, id), ERR_NOT_FOUND);
	CHECK_INT(kernel_manage(k, id, 1), 0);
	CHECK_INT(kernel_stats(k, id, &st), 0);
	CHECK_INT(st.connects + st.refused, 0);
	CHECK_INT(kernel_managed(k, ids, 4), 1);
	CHECK_INT(kernel_managed(k, ids, 0), 0);
	CHECK_INT(ids[0], id);
	CHECK_INT(kernel_unmanage(k, id), 0);
	CHECK_INT(kernel_managed(k, ids, 4), 0);
	CHECK_INT(kernel_cgroup_remove(k, path), 0);
	CHECK(kernel_pid_is_managed(k, 0x7ffffff0) < 0);
	free(path);
}

static void check_port(int fd, int family, int type, uint16_t port)
{
	struct sockaddr_storage sa;
	struct addr a;
	socklen_t len = sizeof(sa), il = sizeof(int);
	int got;
	CHECK(!getsockname(fd, (struct sockaddr *)&sa, &len) && sa.ss_family == family);
	CHECK_INT(addr_from_sockaddr((struct sockaddr *)&sa, &a), 0);
	CHECK_INT(a.port, port);
	CHECK(!getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &il) && got == type);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* The kernel's own answer is the stamp's. Before 5.14 it cannot be asked. */
static void check_option(uint64_t cookie)
{
	uint64_t by_option = 0;
	int err = cookie_by_option(&by_option);
	if (err == -ENOPROTOOPT) {
		SKIP("no SO_NETNS_COOKIE: the cookie is known by the stamp alone");
		return;
	}
	CHECK_INT(err, 0);
	CHECK_INT(by_option, cookie);
}

static void test_listen(struct kernel *k)
{
	struct listeners here, there, again;
	char *path;
	uint64_t id, cookie = 0, by_stamp = 0;
	CHECK_INT(cookie_by_stamp(k, &cookie), 0);
	CHECK(cookie != 0);
	check_option(cookie);
	CHECK_INT(kernel_listen(k, getpid(), &here), 0);
	CHECK_INT(here.netns_cookie, cookie);
	CHECK(here.port >= 900 && here.port < 1024);
	check_port(here.fds[0], AF_INET, SOCK_STREAM, here.port);
	check_port(here.fds[1], AF_INET6, SOCK_STREAM, here.port);
	check_port(here.fds[2], AF_INET, SOCK_DGRAM, here.port);
	check_port(here.fds[3], AF_INET6, SOCK_DGRAM, here.port);
	CHECK_INT(kernel_listen(k, getpid(), &again), ERR_EXISTS);
	CHECK_INT(again.netns_cookie, cookie);
	CHECK_INT(kernel_cgroup_create(k, "s-3", &path, &id), 0);
	pid_t pid = sleeper(path);
	CHECK_INT(kernel_listen(k, pid, &there), 0);
	CHECK(there.netns_cookie != cookie);
	CHECK_INT(cookie_by_stamp(k, &by_stamp), 0);
	CHECK_INT(by_stamp, cookie); /* we never left home */
	kernel_unlisten(k, here.netns_cookie);
	for (int i = 0; i < LISTEN_FDS; i++) {
		close(here.fds[i]);
		close(there.fds[i]);
	}
	CHECK_INT(kernel_listen(k, getpid(), &again), 0);
	kernel_unlisten(k, again.netns_cookie);
	for (int i = 0; i < LISTEN_FDS; i++)
		close(again.fds[i]);
	CHECK_INT(kernel_cgroup_remove(k, path), 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK(kernel_listen(k, pid, &again) < 0);
	free(path);
}

static int links_of(const struct kernel *k, uint64_t id)
{
	char cmd[300];
	snprintf(cmd, sizeof(cmd), "ls %s/links | grep -c '^%llu_'", k->pins,
		 (unsigned long long)id);
	FILE *f = popen(cmd, "r");
	int n = -1;
	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	pclose(f);
	return n;
}

/* An attached cgroup over a restart; then one that is removed meanwhile: its links and its entry
 * go. */
static void test_adopt(struct kernel **k)
{
	char path[512], lost[600];
	uint64_t id, ids[4];
	snprintf(path, sizeof(path), "%s-other", (*k)->root);
	CHECK_INT(mkdir(path, 0755), 0);
	CHECK_INT(kernel_attach_cgroup(*k, path, NULL), 0);
	CHECK_INT(kernel_cgroup_id(path, &id), 0);
	CHECK_INT(kernel_manage(*k, id, 3), 0);
	CHECK_INT(links_of(*k, id), LINKS);
	CHECK_INT(links_of(*k, (*k)->root_id), LINKS);
	snprintf(lost, sizeof(lost), "%s/links/%llu_gate_connect4", (*k)->pins,
		 (unsigned long long)id);
	CHECK_INT(unlink(lost), 0);
	kernel_close(*k, true);
	*k = open_kernel();
	CHECK_INT(links_of(*k, id), LINKS); /* the lost one is back */
	CHECK_INT(kernel_managed(*k, ids, 4), 1);
	kernel_close(*k, true);
	CHECK_INT(rmdir(path), 0);
	*k = open_kernel();
	CHECK_INT(links_of(*k, id), 0);
	CHECK_INT(links_of(*k, (*k)->root_id), LINKS);
	CHECK_INT(kernel_managed(*k, ids, 4), 0);
}

static void test_refused_places(struct kernel *k)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/nowhere", k->root);
	CHECK_INT(kernel_attach_cgroup(k, path, NULL), -ENOENT);
	CHECK_INT(kernel_attach_cgroup(k, k->cgroup_mount, NULL), ERR_STATE);
	CHECK_INT(kernel_attach_cgroup(k, k->root, NULL), ERR_STATE);
	CHECK_INT(kernel_attach_cgroup(k, "/proc", NULL), ERR_STATE);
	CHECK_INT(kernel_detach_cgroup(k, k->root_id), ERR_STATE);
}

static void test_errors(void)
{
	struct kernel_options o = {.instance = instance, .cgroup_root = "/tmp"};
	struct kernel *k = (void *)&o;
	char why[256] = "";
	CHECK(kernel_open(&o, &k, why, sizeof(why)) < 0);
	CHECK(strlen(why) > 10);
	CHECK(k == (void *)&o); /* untouched */
	CHECK(strstr(why, "cgroup_root") != NULL);
	char made[64];
	snprintf(made, sizeof(made), "/tmp/%s", instance);
	CHECK(access(made, F_OK) < 0); /* and nothing is left behind */
	snprintf(made, sizeof(made), "/sys/fs/bpf/%s", instance);
	CHECK(access(made, F_OK) < 0);
}

/* A kernel that lets us choose no errno and read no task: the other branch of each. */
static void test_poor_kernel(void)
{
	struct sluice_bpf *skel = sluice_bpf__open();
	CHECK(skel != NULL);
	if (!skel)
		return;
	CHECK(!skel->rodata->has_set_retval && !skel->rodata->has_task_read);
	CHECK_INT(sluice_bpf__load(skel), 0);
	sluice_bpf__destroy(skel);
}

int main(void)
{
	if (geteuid()) {
		SKIP("needs root");
		return tap_done();
	}
	snprintf(instance, sizeof(instance), "ku-%d", getpid());
	struct kernel *k = open_kernel();
	if (!k)
		return tap_done();
	test_cgroups(k);
	test_remove_others(k);
	test_managed(k);
	test_listen(k);
	test_refused_places(k);
	test_adopt(&k);
	char *pins = strdup(k->pins), *root = strdup(k->root);
	kernel_close(k, false);
	CHECK(access(pins, F_OK) < 0);
	CHECK(access(root, F_OK) < 0);
	free(pins);
	free(root);
	kernel_close(NULL, true);
	test_errors();
	test_poor_kernel();
	return tap_done();
}
