/* The console process: it ends TLS, reads one HTTP request at a time, answers with a file of the
 * console itself, or hands the request to control and the answer back. It holds no session, no
 * token and no policy, opens no file and no connection. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/ossl.h"
#include "priv/child.h"

#define ERR_STATE ossl_err_state
#include <openssl/ssl.h>
#undef ERR_STATE

#define CLIENTS_MAX	 512
#define CLIENTS_ADDR_MAX 64	      /* of one address */
#define CLIENT_READ_MS	 10000	      /* handshake and request, whole */
#define CLIENT_IDLE_MS	 30000	      /* until the next request */
#define CLIENT_STALL_MS	 60000	      /* a client that takes nothing */
#define CLIENT_OUT_HIGH	 (64 * 1024)  /* control waits above this */
#define CLIENT_OUT_MAX	 (512 * 1024) /* a file, and what was on its way */

struct config;

struct console {
	const struct config *cfg;
	const struct child_env *env;
	struct loop *loop;
	struct source notify, listen;
	int control_fd; /* -1: it is not there */
	SSL_CTX *tls;	/* NULL: no certificate that can be used */
	char fault[400]; /* what was wrong when it was read last; "": nothing */
	struct client *first;
	int n_clients;
};

/* tls.c: the certificate and key, asked of the monitor. The old ones stay where the new ones are no
 * good. */
must_check int tls_load(struct console *c);
/* Tells control until when it is good, for whoever asks how the gateway is. */
void tls_tell(struct console *c);

/* client.c */
void client_accept(struct console *c);
void clients_stop(struct console *c);

/* files.c: the console's own files, and their answers. */
struct console_file {
	const char *path, *type, *etag;
	const uint8_t *data;
	size_t len;
};
extern const struct console_file console_files[];
extern const size_t console_n_files;
/* NULL: there is none. */
const struct console_file *file_by_path(struct span path);
/* etag: what the client has, or empty. */
void file_answer(struct buf *out, const struct console_file *f, struct span etag, bool is_head);
void file_refuse(struct buf *out, int status);
