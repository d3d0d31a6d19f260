/* The optional object of LSM programs: loaded apart, because a kernel may lack them, or have them
 * and not run them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/macro.h"
#include "kernel/kernel_internal.h"
#include "lsm.skel.h"
#include "sluice.skel.h"

/* securityfs may be mounted nowhere: a mount that nobody else sees shows the same. */
static int open_list(void)
{
	int fd = open("/sys/kernel/security/lsm", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	_cleanup_(closep) int fs = (int)syscall(SYS_fsopen, "securityfs", FSOPEN_CLOEXEC);
	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	_cleanup_(closep) int top = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return top < 0 ? -errno : openat(top, "lsm", O_RDONLY | O_CLOEXEC);
}

static bool is_listed(void)
{
	char text[512], *state = NULL;
	_cleanup_(closep) int fd = open_list();
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[MAX(n, 0)] = '\0';
	for (char *word = strtok_r(text, ",\n", &state); word; word = strtok_r(NULL, ",\n", &state))
		if (!strcmp(word, "bpf"))
			return true;
	return false;
}

/* Listed, and a program that allows everything loads. */
bool lsm_is_active(void)
{
	struct bpf_insn insns[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_LSM_MAC);
	int id = is_listed() ? libbpf_find_vmlinux_btf_id("socket_create", BPF_LSM_MAC) : -1;
	if (id < 0)
		return false;
	opts.attach_btf_id = (uint32_t)id;
	_cleanup_(closep) int fd =
	    bpf_prog_load(BPF_PROG_TYPE_LSM, NULL, "GPL", insns, ARRAY_LEN(insns), &opts);
	return fd >= 0;
}

/* A program for a hook that this kernel does not have, or has with other arguments, costs the
 * others nothing. */
static void leave_out_unknown(struct lsm_bpf *l)
{
	struct bpf_program *p;
	bpf_object__for_each_program(p, l->obj)
	{
		if (libbpf_find_vmlinux_btf_id(bpf_program__section_name(p) + strlen("lsm/"),
					       BPF_LSM_MAC) < 0)
			bpf_program__set_autoload(p, false);
	}
}

static int load(struct kernel *k)
{
	struct bpf_program *p;
	k->lsm = lsm_bpf__open();
	if (!k->lsm)
		return -errno;
	k->lsm->rodata->root_id = k->root_id;
	k->lsm->rodata->has_task_read = k->skel->rodata->has_task_read;
	leave_out_unknown(k->lsm);
	int err = pins_set_maps(k, k->lsm->obj);
	if (!err)
		err = lsm_bpf__load(k->lsm);
	if (err)
		return err;
	bpf_object__for_each_program(p, k->lsm->obj)
	{
		if (!bpf_program__autoload(p))
			continue;
		err = pins_attach_node(k, p);
		if (err)
			return err;
	}
	return canary_try_family(k);
}

void lsm_open(struct kernel *k)
{
	if (lsm_is_active() && load(k) == 0)
		return;
	pins_detach_node(k); /* half of them is worse than none: nobody would know which */
	lsm_close(k);
}

void lsm_close(struct kernel *k)
{
	lsm_bpf__destroy(k->lsm);
	k->lsm = NULL;
}

bool kernel_has_lsm(const struct kernel *k)
{
	return k->lsm != NULL;
}

int kernel_befriend(const struct kernel *k, int socket_fd)
{
	uint32_t on = 1;
	if (!k->lsm)
		return 0;
	return bpf_map_update_elem(bpf_map__fd(k->lsm->maps.friends), &socket_fd, &on, BPF_ANY);
}
