/* Between the files of this folder only: one function a part. 0 or a negative code. */
#pragma once

#include "guard/guard.h"

must_check int guard_view(const struct guard *g);
must_check int guard_calls(const struct guard *g);
must_check int guard_unix(const struct guard *g);
must_check int guard_scope(const struct guard *g);
int guard_landlock_abi(void);

/* guard_hide.c */
/* Puts a copy without sockets, made of mounts and of copies of the directories alone, in the place
 * of path. keep: a socket below it that stays. */
must_check int hide_sockets_below(const char *path, const char *keep);
/* Covers each Unix socket that has a name outside /run. */
must_check int hide_named_sockets(const char *keep);
