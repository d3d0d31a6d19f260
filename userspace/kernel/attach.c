/* Enrolling a cgroup that is not ours: the programs are attached to it, then nothing may be in it
 * that was made before them. */
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

static int refuse_foreign(const char *path, json_t **ret_foreign)
{
	json_t *list = json_array();
	int err = list ? foreign_scan(path, list) : -ENOMEM;
	if (!err && json_array_size(list)) {
		if (ret_foreign)
			*ret_foreign = json_incref(list);
		err = ERR_STATE;
	}
	json_decref(list);
	return err;
}

int kernel_attach_cgroup(struct kernel *k, const char *path, json_t **ret_foreign)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	uint64_t id;
	if (ret_foreign)
		*ret_foreign = NULL;
	if (!real)
		return -errno;
	int err = may_attach(k, real);
	if (!err)
		err = kernel_cgroup_id(real, &id);
	/* Before, so that a refusal disturbs nobody; and after, when no more can be made. */
	if (!err)
		err = refuse_foreign(real, ret_foreign);
	if (err)
		return err;
	err = pins_attach(k, id, NULL);
	if (!err)
		err = refuse_foreign(real, ret_foreign);
	if (err)
		pins_detach(k, id);
	return err;
}

int kernel_detach_cgroup(struct kernel *k, uint64_t cgroup_id)
{
	if (cgroup_id == k->root_id)
		return ERR_STATE;
	pins_detach(k, cgroup_id);
	return 0;
}
