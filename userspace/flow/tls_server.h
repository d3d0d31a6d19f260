/* TLS towards clients: the proxy's key, and the leaf certificates that the monitor signs for it,
 * one for each name and address that is asked for. */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct flow;
struct leaves;
struct proxy;

must_check int leaves_new(struct proxy *p, struct leaves **ret_l);
void leaves_free(struct leaves *l);

/* The client's end of f goes on in TLS; first: bytes of it that were read already. is_direct:
 * without an SSLRequest before it, so that ALPN has to say what it is (PostgreSQL 17). */
must_check int tls_server_start(struct flow *f, struct span first, bool is_direct);
/* The flow ends: nobody waits for its certificate any more. */
void tls_server_done(struct flow *f);
