/* Sockets from before an enrolment, ended by programs that walk over all sockets of a network namespace
 * (bpf/strays.bpf.c). The walk covers the namespace of whoever begins it. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "bpf/shared.h"
#include "kernel/kernel_internal.h"
#include "strays.skel.h"

#define NETNS_MAX 64 /* of one cgroup's processes */

/* --- the programs ------------------------------------------------------------------------------- */

/* What a kernel lacks is known only from the refusal to load. */
int strays_open(uint64_t cgroup_id, struct strays_bpf **ret_s)
{
	struct strays_bpf *s = strays_bpf__open();
	if (!s)
		return -errno;
	s->rodata->target_id = cgroup_id;
	if (strays_bpf__load(s)) {
		strays_bpf__destroy(s);
		return ERR_UNSUPPORTED;
	}
	*ret_s = s;
	return 0;
}

void strays_close(struct strays_bpf *s)
{
	strays_bpf__destroy(s);
}

bool strays_can_end(void)
{
	struct strays_bpf *s = NULL;
	bool can = !strays_open(0, &s);
	strays_close(s);
	return can;
}

/* Walks to the end: the program runs while the iterator is read. */
static int walk_one(struct bpf_program *p)
{
	char nothing[64];
	ssize_t n = 1;
	struct bpf_link *l = bpf_program__attach_iter(p, NULL);
	if (!l)
		return -errno;
	_cleanup_(closep) int fd = bpf_iter_create(bpf_link__fd(l));
	while (fd >= 0 && (n > 0 || (n < 0 && errno == EAGAIN)))
		n = read(fd, nothing, sizeof(nothing));
	int err = fd < 0 || n < 0 ? -errno : 0;
	bpf_link__destroy(l);
	return err;
}

static int walk(void *arg)
{
	struct strays_bpf *s = arg;
	int err = walk_one(s->progs.end_tcp);
	return err ? err : walk_one(s->progs.end_udp);
}

/* --- the network namespaces of a cgroup's processes ----------------------------------------------- */

struct visited {
	struct strays_bpf *s;
	ino_t seen[NETNS_MAX];
	int n;
};

static int visit(void *ctx, int pid)
{
	struct visited *v = ctx;
	struct stat st;
	_cleanup_(closep) int fd = netns_of_pid(pid);
	if (fd < 0)
		return fd == -ENOENT || fd == -ESRCH ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	for (int i = 0; i < v->n; i++)
		if (v->seen[i] == st.st_ino)
			return 0;
	if (v->n == NETNS_MAX)
		return ERR_LIMIT;
	v->seen[v->n++] = st.st_ino;
	return netns_visit(fd, walk, v->s);
}

/* --- the list ----------------------------------------------------------------------------------- */

static uint64_t cookie_of(const json_t *row)
{
	return (uint64_t)json_integer_value(json_object_get(row, "cookie"));
}

/* What was ended stays so: the process still holds its descriptor. */
static int mark(struct strays_bpf *s, const json_t *list)
{
	size_t i;
	json_t *row;
	json_array_foreach(list, i, row) {
		uint64_t cookie = cookie_of(row);
		uint32_t state = STRAY_UNSEEN;
		if (cookie && bpf_map_update_elem(bpf_map__fd(s->maps.strays), &cookie, &state, BPF_NOEXIST) < 0 &&
		    errno != EEXIST)
			return -errno;
	}
	return 0;
}

static uint32_t state_of(struct strays_bpf *s, uint64_t cookie)
{
	uint32_t state = STRAY_UNSEEN;
	if (cookie && bpf_map_lookup_elem(bpf_map__fd(s->maps.strays), &cookie, &state) < 0)
		return STRAY_UNSEEN;
	return state;
}

static void sort_out(struct strays_bpf *s, uint32_t wanted, json_t *list, json_t *done)
{
	for (size_t i = 0; i < json_array_size(list);) {
		json_t *row = json_array_get(list, i);
		if (state_of(s, cookie_of(row)) < wanted || json_array_append(done, row) < 0) {
			i++;
			continue;
		}
		json_array_remove(list, i);
	}
}

int strays_pass(struct strays_bpf *s, const char *cgroup, bool is_last, json_t *list, json_t *done)
{
	struct visited v = {.s = s};
	uint32_t zero = 0, end = is_last;
	int err = bpf_map_update_elem(bpf_map__fd(s->maps.may_end), &zero, &end, BPF_ANY);
	if (!err)
		err = mark(s, list);
	if (!err)
		err = walk_one(s->progs.whose_socket);
	if (!err)
		err = cgroup_each_pid(cgroup, visit, &v);
	if (!err)
		sort_out(s, is_last ? STRAY_IDLE : STRAY_FOUND, list, done);
	return err;
}
