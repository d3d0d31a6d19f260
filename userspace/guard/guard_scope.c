/* A Landlock domain of the workload's own. Being in one is what forbids ptrace of, and
 * /proc/PID/mem and descriptors from, processes outside of it, and still allows a debugger inside.
 * The header of the build may be older than the kernel: numbers of the interface stand here with
 * their names. */
#include "guard/guard_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

#define NR_CREATE_RULESET 444
#define NR_ADD_RULE	  445
#define NR_RESTRICT_SELF  446

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define ACCESS_FS_REFER                                                                            \
	(1ull << 13) /* ABI 2: denied wherever any other is handled, unless allowed */
#define ACCESS_FS_RESOLVE_UNIX                                                                     \
	(1ull << 16)			/* ABI 9, Linux 7.1: connect to a named socket of others */
#define SCOPE_ABSTRACT_UNIX_SOCKET 1ull /* ABI 6, Linux 6.12 */

struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

int guard_landlock_abi(void)
{
	long abi = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	return abi < 0 ? 0 : (int)abi;
}

static int allow_moves(int ruleset)
{
	_cleanup_(closep) int top = open("/", O_PATH | O_CLOEXEC);
	struct path_beneath_attr all = {ACCESS_FS_REFER, top};
	if (top < 0 || syscall(NR_ADD_RULE, ruleset, RULE_PATH_BENEATH, &all, 0) < 0)
		return -errno;
	return 0;
}

int guard_scope(const struct guard *g)
{
	struct ruleset_attr a = {0};
	if (g->landlock < 2)
		return 0; /* ABI 1 would forbid every move between folders; guard_calls closes
			     ptrace instead */
	if (g->has_scope)
		a.scoped = SCOPE_ABSTRACT_UNIX_SOCKET;
	if (g->landlock >= 9)
		a.handled_access_fs = ACCESS_FS_REFER | ACCESS_FS_RESOLVE_UNIX;
	else if (!a.scoped)
		a.handled_access_fs = ACCESS_FS_REFER;
	/* An older kernel takes no members that it does not know. */
	size_t size = g->has_scope ? sizeof(a) : sizeof(a.handled_access_fs);
	_cleanup_(closep) int ruleset = (int)syscall(NR_CREATE_RULESET, &a, size, 0);
	if (ruleset < 0)
		return -errno;
	int r = a.handled_access_fs ? allow_moves(ruleset) : 0;
	if (r < 0)
		return r;
	return syscall(NR_RESTRICT_SELF, ruleset, 0) < 0 ? -errno : 0;
}
