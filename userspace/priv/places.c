#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/macro.h"
#include "priv/monitor_internal.h"

/* A directory with this owner and mode; made if it is missing, a symbolic link is refused. */
static int make_dir(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return -errno;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

static int make_parents(const char *path)
{
	char part[256];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int say(int err, const char *what)
{
	if (err < 0)
		log_error("%s: %s", what, err_text(err));
	return err;
}

int places_prepare(struct monitor *m)
{
	char store[256], keys[256];
	const struct config *c = m->cfg;
	const struct passwd *pw = getpwnam(c->user);
	if (!pw || pw->pw_uid == 0 || pw->pw_gid == 0) { /* check/check.c said so before, with its place */
		log_error("\"user\": \"%s\" is none that the unprivileged processes can run as", c->user);
		return ERR_CONFIG;
	}
	uid_t uid = pw->pw_uid;
	gid_t gid = pw->pw_gid;
	snprintf(store, sizeof(store), "%s/store", c->state_dir);
	snprintf(keys, sizeof(keys), "%s/keys", c->state_dir);
	if (say(make_parents(c->run_dir), c->run_dir) < 0 ||
	    say(make_dir(c->run_dir, 0, 0, 0755), c->run_dir) < 0 ||
	    say(make_parents(c->state_dir), c->state_dir) < 0 ||
	    say(make_dir(c->state_dir, 0, 0, 0755), c->state_dir) < 0 ||
	    say(make_dir(store, uid, gid, 0700), store) < 0 || say(make_dir(keys, 0, 0, 0755), keys) < 0)
		return ERR_CONFIG;
	m->keys_dir_fd = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m->keys_dir_fd < 0 ? -errno : 0;
}

static int listen_control(struct monitor *m)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", m->cfg->run_dir);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A live daemon answers here: two of them would fight over the same cgroups. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return -EADDRINUSE;
	close(TAKE_FD(fd));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(sun.sun_path);
	/* Everybody may connect: who may do what is decided by the peer's credentials, per request. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(sun.sun_path, 0666) < 0 ||
	    listen(fd, 128) < 0)
		return -errno;
	m->control_fd = TAKE_FD(fd);
	return 0;
}

/* endpoint NULL: it is off. */
static int listen_tcp(const char *endpoint, int *ret_fd)
{
	struct sockaddr_storage ss;
	struct addr a;
	int one = 1;
	if (!endpoint)
		return 0;
	int r = config_endpoint(endpoint, &a);
	if (r < 0)
		return r;
	socklen_t size = addr_to_sockaddr(&a, &ss);
	_cleanup_(closep) int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&ss, size) < 0 || listen(fd, 64) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int places_listen(struct monitor *m)
{
	char what[300];
	int r = listen_control(m);
	if (r == -EADDRINUSE) {
		log_error("another sluiced answers at %s/control.sock: stop it, or give this one an \"instance\" and a "
			  "\"run_dir\" of its own", m->cfg->run_dir);
		return r;
	}
	snprintf(what, sizeof(what), "%s/control.sock", m->cfg->run_dir);
	if (say(r, what) < 0)
		return r;
	snprintf(what, sizeof(what), "\"metrics_listen\": %s", m->cfg->metrics_listen ? m->cfg->metrics_listen : "");
	r = say(listen_tcp(m->cfg->metrics_listen, &m->metrics_fd), what);
	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "\"console.listen\": %s", m->cfg->console_listen ? m->cfg->console_listen : "");
	return say(listen_tcp(m->cfg->console_listen, &m->console_fd), what);
}
