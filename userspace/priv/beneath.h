/* Files that somebody else names, opened only where the configuration allows. */
#pragma once

#include "base/err.h"

/* Opens a regular file for reading whose absolute path begins with one of the folders and does not leave it
 * by "..", by a link, or by a magic link (openat2(2)); links that stay inside are followed. 0; ERR_DENIED (no
 * such folder, not a regular file); a negative errno. */
must_check int open_beneath(const char *const *dirs, int n_dirs, const char *path, int *ret_fd);
