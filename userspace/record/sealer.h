/* Seals the payloads of events, so that who has the node cannot read them back: AES-256-GCM (NIST
 * SP 800-38D) under a key that is made for a segment, told in the record wrapped for each auditor
 * by RSAES-OAEP with SHA-256 (RFC 8017 7.1), and forgotten when the next one is made. The auditors'
 * private keys may lie in a token or a key service: nothing but this one RSA operation is asked of
 * them. Without auditors it only packs. */
#pragma once

#include "record/payload.h"

#define SEAL_ID_LEN  18 /* the first bytes of the SHA-256 of what the key is wrapped to */
#define SEAL_ID_TEXT 24 /* in base64: the beginning of each sealed payload */
#define SEAL_HEAD_LEN                                                                              \
	27 /* id, a number that is used once under the key (8, big-endian), flags (1) */
#define SEAL_TAG_LEN  16
#define SEAL_KEY_LEN  32
#define SEAL_PACKED   1 /* flag: zstd before it was sealed */
#define SEAL_RSA_BITS 3072
#define SEAL_TO_MAX   16384 /* bytes of a key, wrapped for all */

struct sealer;
struct evp_pkey_st;

/* The name of a key that is wrapped so, as text; to: a JSON array, as it stands in the record. */
must_check int seal_id(struct span to, char ret_id[SEAL_ID_TEXT + 1]);
/* SHA-256 of a public key as its owner's tools have it (SubjectPublicKeyInfo, DER), in hex. */
must_check int seal_fingerprint(const struct evp_pkey_st *key, char ret[HASH_HEX + 1]);

/* files: the auditors' public keys (PEM, RSA of at least SEAL_RSA_BITS); level: of zstd, 0: nothing
 * is packed. *ret_s is NULL where neither is asked for. ERR_CONFIG, -ENOMEM: ret_why tells which
 * file. */
must_check int sealer_new(const char *const *files, int n, int level, struct sealer **ret_s,
			  char *ret_why, size_t why_size);
void sealer_free(struct sealer *s);
/* Is there an auditor that it seals for? Then what was sealed should not lie about in the clear. */
bool sealer_seals(const struct sealer *s);
/* Forgets the key; the next event is sealed with a new one. */
void sealer_forget(struct sealer *s);
/* Is there a key that the record does not tell yet? It is made here. An error: nothing may be
 * recorded. */
must_check int sealer_owes_key(struct sealer *s, bool *ret_owes);
/* The event that tells it. */
void sealer_key_event(struct sealer *s, struct buf *out, const char *node, uint64_t now_ns);
/* Whether the key that was told is durable; if not it has to be told again. */
void sealer_settle(struct sealer *s, bool is_durable);
/* The event as it is to be stored, borrowed until the next call, and its marks; the same one where
 * it has no payload. */
must_check int sealer_seal(struct sealer *s, struct span event, const struct marks *m,
			   struct span *ret_event, const struct marks **ret_m);
