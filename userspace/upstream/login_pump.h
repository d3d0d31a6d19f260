/* libpq on one side, the server on the other, we between: bytes go through, and are read on the
 * way. Of login.c, for those who go on to speak by libpq (catalog_read.c). In a worker; blocks
 * until the deadline. */
#pragma once

#include <libpq-fe.h>

#include "upstream/authentication.h"
#include "upstream/login.h"

enum pump_state { PUMP_LOGIN, PUMP_READY };

struct pump {
	struct login *login; /* what comes of it; the caller's */
	PGconn *conn;
	struct authentication authentication; /* ours: libpq is given no password */
	enum pump_state state;
	bool is_in;	   /* AuthenticationOk has come */
	bool is_bare;	   /* no login: connected, and in TLS, is enough */
	bool is_raw;	   /* after the login: what comes goes on to libpq unread */
	int listener, lib; /* our ends towards libpq */
	uint64_t deadline_ns;
	uint64_t limit_ns; /* of the whole; deadline_ns is of this host */
	struct buf from_server, to_server, to_lib;
	char sqlstate[6]; /* of the last query that was refused */
};

/* Logs in; login, is_raw and both ends of time are set, the rest is zero. pump_done behind it
 * whatever comes. */
must_check int pump_login(struct pump *p, struct msg_line *monitor, const struct target *t);
/* Without a word to the server: what libpq says in farewell goes to our socket. */
void pump_done(struct pump *p);
/* Waits for something to move, or for libpq's socket, and moves it. lib_events: what libpq waits
 * for; ret_lib: it has come. An error is in login as well. */
must_check int pump_step(struct pump *p, short lib_events, bool *ret_lib);
/* Reads what from_server holds of whole messages: answers, passes on, notes what a login brings. Without I/O. An error
 * is in login as well. */
must_check int pump_read(struct pump *p);
/* Notes the first thing that went wrong, and gives its code back: what a login is to be refused by. */
int login_fail(struct login *l, int err, const char *sqlstate, const char *why);
/* The server has gone: notes it. */
must_check int pump_lost(struct pump *p);
