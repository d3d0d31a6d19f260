/* Files that a command writes: whole or not at all, with their mode from the first byte. */
#pragma once

#include <sys/types.h>

#include "base/span.h"

/* Replaces path by rename. uid, gid: -1 leaves them. -EEXIST if it is there and may not be replaced. */
must_check int file_write(const char *path, struct span text, mode_t mode, bool may_replace);
must_check int file_write_for(const char *path, struct span text, mode_t mode, uid_t uid, gid_t gid);
