/* The part of an event that tells what people said and saw: a statement's text, parameters, rows,
 * errors. It may be packed (zstd) or sealed (for the auditors alone; sealer.h), and then stands in
 * one field of its own in their stead: "packed" or "sealed", base64. All that a search by identity,
 * session, table or verdict needs stays where it is. */
#pragma once

#include "base/buf.h"
#include "record/marks.h"

#define PAYLOAD_MAX (1024 * 1024) /* of what is unpacked */

/* Appends the object of the event's fields that make its payload. prefix: the length of what stands
 * before the event's own fields. 1: it has some; 0: none. The event has passed scan_event. */
must_check int payload_take(struct span event, size_t prefix, struct span type, struct buf *out);
/* Appends the event with key ("packed", "sealed") and its base64 in place of them, and marks it. */
must_check int payload_replace(struct span event, struct span type, const char *key,
			       struct span base64, struct buf *out, struct marks *ret_m);
/* The inverse: appends the event as it was, its own keys ("_seq") included. payload: the object.
 * ERR_MALFORMED. */
must_check int payload_restore(const struct scan *stored, struct span payload, struct buf *out);

/* Packs with a compressor that the caller keeps (ZSTD_CCtx). 1: out has it; 0: it would be no
 * smaller in base64. */
struct ZSTD_CCtx_s;
must_check int payload_pack(struct ZSTD_CCtx_s *c, int level, struct span payload, struct buf *out);
/* ERR_MALFORMED, ERR_LIMIT (over PAYLOAD_MAX). */
must_check int payload_unpack(struct span frame, struct buf *out);
/* Base64 with padding. ERR_MALFORMED. */
must_check int payload_base64(struct span text, struct buf *out);

/* Appends the text of a JSON string as it stands in an event (with its quotes). */
void payload_unescape(struct buf *out, struct span json_string);

/* Appends the event with its packed payload restored. 1: it had one; 0: nothing was appended. */
must_check int payload_unpack_event(struct span stored, struct buf *out);
