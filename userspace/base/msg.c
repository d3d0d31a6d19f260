#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/macro.h"

void msg_done(struct msg *m)
{
	for (int i = 0; i < m->n_fds; i++)
		closep(&m->fds[i]);
	json_decref(m->json);
	*m = (struct msg){0};
}

int msg_take_fd(struct msg *m, int i)
{
	return i < m->n_fds ? TAKE_FD(m->fds[i]) : -1;
}

int msg_pair(int ret_fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

static void control_fds(struct msghdr *h, const int *fds, int n_fds)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)n_fds * sizeof(int));
	h->msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
}

int msg_send(int fd, const json_t *json, const int *fds, int n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MSG_FDS * sizeof(int))] = {0};
	_cleanup_(freep) char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return -ENOMEM;
	struct iovec iov = {text, strlen(text)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (iov.iov_len > MSG_MAX || n_fds > MSG_FDS)
		return ERR_LIMIT;
	if (n_fds > 0) {
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		control_fds(&h, fds, n_fds);
	}
	ssize_t n;
	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *h, struct msg *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), (size_t)n * sizeof(int));
		m->n_fds = n;
	}
}

int msg_recv(int fd, struct msg *ret_msg)
{
	static _Thread_local char text[MSG_MAX + 1];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MSG_FDS * sizeof(int))];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct msg m = {0};
	ssize_t n;
	do
		n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(&h, &m);
	if (n == 0 && !m.n_fds)
		return ERR_CLOSED;
	if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		msg_done(&m);
		return ERR_LIMIT;
	}
	m.json = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(m.json)) {
		msg_done(&m);
		return ERR_MALFORMED;
	}
	*ret_msg = m;
	return 0;
}

int msg_call(int fd, const json_t *json, const int *fds, int n_fds, struct msg *ret_msg)
{
	int r = msg_send(fd, json, fds, n_fds);
	return r < 0 ? r : msg_recv(fd, ret_msg);
}

int msg_line_call(struct msg_line *l, const json_t *json, struct msg *ret_msg)
{
	pthread_mutex_lock(&l->mutex);
	int r = msg_call(l->fd, json, NULL, 0, ret_msg);
	pthread_mutex_unlock(&l->mutex);
	return r;
}

int memfd_of(const void *p, size_t len, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)p + at, len - at);
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fd_read_all(int fd, size_t limit, char **ret_text, size_t *ret_len)
{
	size_t len = 0, cap = 4096;
	_cleanup_(freep) char *text = malloc(cap);
	while (text) {
		ssize_t n = read(fd, text + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > limit)
			return ERR_LIMIT;
		if (n == 0) {
			text[len] = 0;
			*ret_text = TAKE(text);
			*ret_len = len;
			return 0;
		}
		if (cap - len - 1 == 0) {
			char *more = realloc(text, cap *= 2);
			if (!more)
				return -ENOMEM;
			text = more;
		}
	}
	return -ENOMEM;
}

int memfd_read(int fd, size_t limit, char **ret_text, size_t *ret_len)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return fd_read_all(fd, limit, ret_text, ret_len);
}
