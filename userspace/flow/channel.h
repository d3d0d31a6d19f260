/* What the monitor and control tell the proxy (priv/child.h), in the main thread. */
#pragma once

#include "base/err.h"

struct proxy;

must_check int channel_start(struct proxy *p);
void channel_stop(struct proxy *p);
