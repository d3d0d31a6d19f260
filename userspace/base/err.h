/* Error codes. A function returns 0 or a positive count on success, a negative errno for what the
 * system said, or one of the codes below (all under -4096, so that they never meet an errno). */
#pragma once

#define must_check __attribute__((warn_unused_result))

/* name, text for people */
#define ERR_LIST(X)                                                                                \
	X(MORE, "more bytes are needed")                                                           \
	X(MALFORMED, "malformed input")                                                            \
	X(LIMIT, "a limit was exceeded")                                                           \
	X(HELD, "held: waits for a decision or for the record")                                    \
	X(DENIED, "denied by policy")                                                              \
	X(STATE, "not allowed in this state")                                                      \
	X(UNSUPPORTED, "not supported")                                                            \
	X(VERIFY, "verification failed")                                                           \
	X(EXPIRED, "expired")                                                                      \
	X(NOT_FOUND, "not found")                                                                  \
	X(EXISTS, "exists already")                                                                \
	X(FULL, "full: try again when there is room")                                              \
	X(RECORD, "the recorder cannot record")                                                    \
	X(CLOSED, "closed by the peer")                                                            \
	X(CONFIG, "the configuration is wrong")                                                    \
	X(UPSTREAM, "the upstream refused or failed")

enum err {
	ERR_BASE = -5000,
#define X(name, text) ERR_##name,
	ERR_LIST(X)
#undef X
		ERR_END
};

/* A name for logs ("MALFORMED", or errno's text) and a sentence for people. Static strings. */
const char *err_name(int err);
const char *err_text(int err);
