/* Enrolling a cgroup that is not ours: the programs are attached to it, then nothing may be in it
 * that was made before them and still works: its sockets are ended where the kernel can, else it is refused. */
#include "kernel/kernel_internal.h"

#include <errno.h>

#include "base/macro.h"

/* True if a is b or lies below it. */
static bool is_below(const char *a, const char *b)
{
	size_t len = strlen(b);
	return !strncmp(a, b, len) && (!a[len] || a[len] == '/');
}

/* The root of the tree, our own tree and what holds either of them or this daemon, a part of
 * another workload: all would tie a knot. */
static int may_attach(struct kernel *k, const char *path)
{
	_cleanup_(freep) char *own = NULL;
	int err = cgroup_of_pid(k, getpid(), &own);
	if (err)
		return err;
	if (!is_below(path, k->cgroup_mount) || !strcmp(path, k->cgroup_mount))
		return ERR_STATE;
	if (is_below(path, k->root) || is_below(k->root, path) || is_below(own, path))
		return ERR_STATE;
	return 0;
}

#define ROUNDS 4 /* a listener may have accepted one more meanwhile */

/* What the processes hold from before must be nothing, or all of it something that can be ended (s is not NULL);
 * is_last: and is. ret_rows: what is in the way (ERR_STATE), or what was ended; NULL: nothing. */
static int settle(const char *path, struct strays_bpf *s, bool is_last, json_t **ret_rows)
{
	json_t *list = json_array(), *done = json_array(), *rows = NULL;
	int err = list && done ? 0 : -ENOMEM;
	for (int round = 0; !err && round < ROUNDS; round++) {
		json_array_clear(list);
		json_array_clear(done);
		err = foreign_scan(path, list);
		bool is_empty = !err && !json_array_size(list);
		if (!err && !is_empty && s)
			err = strays_pass(s, path, is_last, list, done);
		if (is_empty || !is_last || !s || !json_array_size(list))
			break;
	}
	if (!err && json_array_size(list))
		err = ERR_STATE;
	if (err == ERR_STATE)
		rows = list;
	else if (!err && is_last && json_array_size(done))
		rows = done;
	if (ret_rows)
		*ret_rows = json_incref(rows);
	json_decref(list);
	json_decref(done);
	return err;
}

int kernel_attach_cgroup(struct kernel *k, const char *path, json_t **ret_foreign)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	struct strays_bpf *s = NULL;
	uint64_t id;
	if (ret_foreign)
		*ret_foreign = NULL;
	if (!real)
		return -errno;
	int err = may_attach(k, real);
	if (!err)
		err = kernel_cgroup_id(real, &id);
	if (!err)
		err = strays_open(id, &s);
	if (err && err != ERR_UNSUPPORTED)
		return err;
	/* Before, so that a refusal disturbs nobody; and after, when no more can be made. */
	err = settle(real, s, false, ret_foreign);
	if (!err) {
		err = pins_attach(k, id, NULL);
		if (!err)
			err = settle(real, s, true, ret_foreign);
		if (err)
			pins_detach(k, id);
	}
	strays_close(s);
	return err;
}

int kernel_detach_cgroup(struct kernel *k, uint64_t cgroup_id)
{
	if (cgroup_id == k->root_id)
		return ERR_STATE;
	pins_detach(k, cgroup_id);
	return 0;
}
