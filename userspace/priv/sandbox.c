#include "priv/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

/* What none of the children ever does. A call from this list is not a mistake but somebody else's
 * code: the process is killed and started anew. */
static const char *const forbidden[] = {
	"execve",
	"execveat",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"kcmp",
	"pidfd_getfd",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"move_mount",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"open_tree",
	"mount_setattr",
	"setns",
	"unshare",
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"reboot",
	"swapon",
	"swapoff",
	"acct",
	"quotactl",
	"sethostname",
	"setdomainname",
	"iopl",
	"ioperm",
	"perf_event_open",
	"userfaultfd",
	"keyctl",
	"add_key",
	"request_key",
	"open_by_handle_at",
	"name_to_handle_at",
	"personality",
	"settimeofday",
	"clock_settime",
	"adjtimex",
	"clock_adjtime",
	"syslog",
	"vhangup",
	"fanotify_init",
	"lookup_dcookie",
	"migrate_pages",
	"move_pages",
	"mbind",
	"set_mempolicy",
	"mknod",
	"mknodat",
	"chown",
	"fchown",
	"lchown",
	"fchownat",
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setgroups",
	"setfsuid",
	"setfsgid",
};
/* The kernel grows such interfaces; libraries try them and must be told that they are not there. */
static const char *const absent[] = {"io_uring_setup", "io_uring_enter", "io_uring_register"};

static int add_rules(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		int r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, action, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_bpf_rule(scmp_filter_ctx f, bool keep_bpf)
{
	/* Of all commands only look-up (1), update (2), delete (3), next key (4) and look-up-and-delete
	 * (21) stay: nothing that loads, attaches or obtains. */
	if (!keep_bpf)
		return seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 0);
	int r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_GT, 21));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	for (unsigned cmd = 5; r == 0 && cmd < 21; cmd++)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_EQ, cmd));
	return r;
}

static int filter_calls(const struct sandbox *s)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	if (!f)
		return -ENOMEM;
	int r = add_rules(f, SCMP_ACT_KILL_PROCESS, forbidden, ARRAY_LEN(forbidden));
	if (r == 0)
		r = add_rules(f, SCMP_ACT_ERRNO(ENOSYS), absent, ARRAY_LEN(absent));
	if (r == 0)
		r = add_bpf_rule(f, s->keep_bpf);
	/* New processes: threads only. clone3 hides its flags from the filter; libc falls back to clone. */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	/* Terminal injection. */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r;
}

static int set_caps(bool keep_bpf)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{0}};
	if (keep_bpf)
		d[CAP_BPF / 32].permitted = d[CAP_BPF / 32].effective = 1u << (CAP_BPF % 32);
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

static int drop_bounding(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return -errno;
	return 0;
}

static int become(const char *user)
{
	struct passwd *pw = getpwnam(user);
	if (!pw || pw->pw_uid == 0 || pw->pw_gid == 0)
		return ERR_CONFIG;
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	return 0;
}

/* After the change of user, which clears these. */
static int seal(const struct sandbox *s)
{
	struct rlimit none = {0, 0};
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    (!s->outlives && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
		return -errno;
	return getppid() == s->parent ? 0 : -ESRCH;
}

int sandbox_enter(const struct sandbox *s)
{
	umask(0077);
	int r = prctl(PR_SET_KEEPCAPS, s->keep_bpf) < 0 ? -errno : 0;
	if (r == 0)
		r = drop_bounding();
	if (r == 0)
		r = become(s->user);
	if (r == 0)
		r = set_caps(s->keep_bpf);
	if (r == 0)
		r = seal(s);
	return r == 0 ? filter_calls(s) : r;
}
