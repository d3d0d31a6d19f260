/* What the console shows to browsers: its certificate and its key, read as the monitor opens them.
 */
#pragma once

#include "base/err.h"

struct config;
struct ssl_ctx_st;

/* Which of the two is no good, under which key of the configuration, and why. key and path: static,
 * or the configuration's. */
struct tls_fault {
	const char *key, *path;
	char why[200];
};

/* monitor_fd: the channel that answers "open_tls" (priv/child.h). ERR_MALFORMED (no such PEM, or
 * the key is not the certificate's), -ENOMEM, or what the monitor could not do: with ret_fault. */
must_check int tls_read_context(int monitor_fd, const struct config *cfg,
				struct ssl_ctx_st **ret_ctx, struct tls_fault *ret_fault);
