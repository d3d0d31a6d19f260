#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/macro.h"
#include "check/internal.h"
#include "priv/beneath.h"

static int open_plain(const char *path, int *ret_fd)
{
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

static int open_policy(const struct config *cfg, const char *what, int *ret_fd)
{
	(void)what;
	return open_plain(cfg->policy, ret_fd);
}

static int open_tls(const struct config *cfg, const char *what, int *ret_fd)
{
	return open_plain(*what == 'c' ? cfg->console_certificate : cfg->console_key, ret_fd);
}

static int open_key(const struct config *cfg, const char *path, int *ret_fd)
{
	char local[300];
	snprintf(local, sizeof(local), "%s/keys/local.jwks", cfg->state_dir);
	return cfg->has_local_issuer && !strcmp(path, local)
		   ? open_plain(local, ret_fd)
		   : open_beneath(cfg->key_dirs, cfg->n_key_dirs, path, ret_fd);
}

static int open_credential(const struct config *cfg, const char *source, int *ret_fd)
{
	const char *path = strchr(source, '/');
	return path ? open_beneath(cfg->credential_dirs, cfg->n_credential_dirs, path, ret_fd)
		    : ERR_UNSUPPORTED;
}

int open_requested(const struct config *cfg, const json_t *request, int *ret_fd)
{
	static const struct {
		const char *name, *argument;
		int (*run)(const struct config *cfg, const char *argument, int *ret_fd);
	} all[] = {{"open_policy", "t", open_policy},
		   {"open_tls", "what", open_tls},
		   {"open_key", "path", open_key},
		   {"credential", "source", open_credential}};
	const char *t = json_string_value(json_object_get(request, "t"));
	for (size_t i = 0; t && i < ARRAY_LEN(all); i++) {
		const char *argument = json_string_value(json_object_get(request, all[i].argument));
		if (!strcmp(t, all[i].name))
			return argument ? all[i].run(cfg, argument, ret_fd) : ERR_MALFORMED;
	}
	return ERR_UNSUPPORTED;
}
