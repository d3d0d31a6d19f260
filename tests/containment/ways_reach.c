/* Reach for what is outside: other processes, the cgroup tree, other network namespaces, devices,
 * the programs. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/containment/vector.h"

/* --- another process does it
 * ----------------------------------------------------------------------- */

static int write_memory(const struct stage *s)
{
	int one = 1;
	struct iovec from = {&one, sizeof(one)},
		     to = {(void *)(uintptr_t)s->victim_flag, sizeof(one)};
	return errno_if(process_vm_writev(s->victim, &from, 1, &to, 1, 0) != sizeof(one));
}

static int write_proc_mem(const struct stage *s)
{
	char path[64];
	int one = 1;
	snprintf(path, sizeof(path), "/proc/%d/mem", s->victim);
	int fd = open(path, O_WRONLY);
	return errno_if(fd < 0 || pwrite(fd, &one, sizeof(one), (off_t)(uintptr_t)s->victim_flag) !=
				      sizeof(one));
}

static int trace(const struct stage *s)
{
	int status;
	if (ptrace(PTRACE_ATTACH, s->victim, NULL, NULL))
		return errno;
	waitpid(s->victim, &status, __WALL);
	long r = ptrace(PTRACE_POKEDATA, s->victim, (void *)(uintptr_t)s->victim_flag, (void *)1);
	int err = errno;
	ptrace(PTRACE_DETACH, s->victim, NULL, NULL);
	return r ? err : 0;
}

/* --- out of the cgroup
 * ----------------------------------------------------------------------------- */

static int join(const char *dir, const char *file)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int fd = open(path, O_WRONLY);
	return errno_if(fd < 0 || write(fd, "0", 1) != 1);
}

static int leave(const struct stage *s)
{
	int err = join(s->cgroup_top, "cgroup.procs");
	return err ? err : sink_send(s, socket(AF_INET, SOCK_DGRAM, 0), AF_INET);
}

/* By the view of a process outside. */
static int leave_by_proc(const struct stage *s)
{
	char dir[192];
	snprintf(dir, sizeof(dir), "/proc/%d/root%s", s->victim, s->cgroup_top);
	int err = join(dir, "cgroup.procs");
	return err ? err : sink_send(s, socket(AF_INET, SOCK_DGRAM, 0), AF_INET);
}

/* By a mount of the tree that nobody made read-only. */
static int leave_by_mount(const struct stage *s)
{
	char dir[128];
	snprintf(dir, sizeof(dir), "%s/cg-%d", s->tmp_dir, getpid());
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir(dir, 0700) || mount("cgroup2", dir, "cgroup2", 0, NULL))
		return errno;
	int err = join(dir, "cgroup.procs");
	return err ? err : sink_send(s, socket(AF_INET, SOCK_DGRAM, 0), AF_INET);
}

/* A child that begins its life elsewhere. */
static int leave_by_clone(const struct stage *s)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
		    set_tid, set_tid_size, cgroup;
	} a = {.flags = 0x200000000ull, .exit_signal = SIGCHLD};
	int status, top = open(s->cgroup_top, O_RDONLY | O_DIRECTORY);
	if (top < 0)
		return errno;
	a.cgroup = (uint64_t)top;
	long pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid < 0)
		return errno;
	if (!pid)
		_exit(sink_send(s, socket(AF_INET, SOCK_DGRAM, 0), AF_INET));
	waitpid((pid_t)pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN_PROBE;
}

/* --- other network namespaces, and the paths of packets
 * --------------------------------------------- */

static int into_netns(const struct stage *s)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", s->sink_pid);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return errno;
	return sink_send(s, socket(AF_INET, SOCK_DGRAM, 0), AF_INET);
}

/* A network namespace of its own, and a wire from it into the sink's. */
static int own_wire(const struct stage *s)
{
	if (unshare(CLONE_NEWNET))
		return errno;
	if (shell_cmd("ip link add w%d type veth peer name x%d netns %d && ip addr add "
		      "192.0.2.1/30 dev w%d && "
		      "ip link set w%d up && nsenter -t %d -n ip link set x%d up && ip neigh add "
		      "192.0.2.2 lladdr "
		      "02:00:00:00:00:01 dev w%d",
		      getpid(), getpid(), s->sink_pid, getpid(), getpid(), s->sink_pid, getpid(),
		      getpid()))
		return EPERM;
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(SINK_UDP),
				 .sin_addr.s_addr = htonl(0xc0000202)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err = errno_if(fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)) < 0);
	usleep(50000); /* the wire goes with its namespace */
	return err;
}

/* Packets put into a tunnel of its own, which the kernel forwards. */
static int tunnel(const struct stage *s)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct {
		struct iphdr ip;
		char data[8];
	} p = {.ip = {.version = 4,
		      .ihl = 5,
		      .ttl = 9,
		      .protocol = 253,
		      .tot_len = htons(sizeof(p)),
		      .saddr = htonl(0xc0000206)}};
	struct addr a = {0};
	int fd = open("/dev/net/tun", O_RDWR);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "t%d", getpid());
	if (addr_parse_ip(s->out4, &a))
		return BROKEN_PROBE;
	memcpy(&p.ip.daddr, a.ip + 12, 4);
	uint32_t sum = 0;
	for (size_t i = 0; i < sizeof(p.ip) / 2; i++)
		sum += ((uint16_t *)(void *)&p.ip)[i];
	p.ip.check = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		return errno;
	if (shell_cmd("ip addr add 192.0.2.5/30 dev %s && ip link set %s up", r.ifr_name,
		      r.ifr_name))
		return EPERM;
	int err = errno_if(write(fd, &p, sizeof(p)) != sizeof(p));
	usleep(50000);
	return err;
}

/* The loopback leg itself, led out by a traffic rule on lo. */
static int led_out(const struct stage *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 53, &sa);
	if (access("/sbin/tc", X_OK) && access("/usr/sbin/tc", X_OK))
		return ENOSYS;
	if (shell_cmd("tc qdisc add dev lo clsact 2>/dev/null; tc filter add dev lo egress "
		      "protocol ip matchall action "
		      "mirred egress mirror dev %s 2>/dev/null",
		      s->dev))
		return ENOSYS;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in lo = {
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	/* From a workload the question goes to the gateway on lo; from outside whatever goes to lo.
	 */
	int err = errno_if(
	    fd < 0 || (sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len) < 0) +
			      (sendto(fd, "x", 1, 0, (struct sockaddr *)&lo, sizeof(lo)) < 0) ==
			  2);
	usleep(50000);
	shell_cmd("tc qdisc del dev lo clsact");
	return err;
}

/* --- the programs themselves
 * ------------------------------------------------------------------------ */

int detach_toy(const struct stage *s)
{
	uint32_t id = 0;
	errno = 0;
	while (!bpf_link_get_next_id(id, &id)) {
		struct bpf_link_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		bool is_it = !bpf_obj_get_info_by_fd(fd, &info, &len) &&
			     info.type == BPF_LINK_TYPE_CGROUP &&
			     info.cgroup.cgroup_id == s->toy_cgroup;
		int r = is_it ? bpf_link_detach(fd) : 0;
		close(fd);
		if (is_it)
			return errno_if(r < 0);
	}
	return errno ? errno : EPERM;
}

const struct vector vectors_reach[] = {
    {"process_vm_writev to a process outside", write_memory},
    {"/proc/PID/mem of a process outside", write_proc_mem},
    {"ptrace of a process outside", trace},
    {"cgroup.procs of the top", leave},
    {"cgroup.procs by /proc/PID/root", leave_by_proc},
    {"cgroup2 mounted anew", leave_by_mount},
    {"clone into another cgroup", leave_by_clone},
    {"setns into another network namespace", into_netns},
    {"new network namespace with a wire", own_wire},
    {"TUN and forwarding", tunnel},
    {"loopback led out by tc", led_out},
    {"BPF link detached", detach_toy},
    {0},
};
