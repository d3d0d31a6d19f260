/* The node's certificate authority: it vouches to this node's workloads for the gateway, under the
 * names that the policy declares and no others (RFC 5280, 4.2.1.10, name constraints). Its private
 * key lies in keys/ca.key and is in memory only for the time of a signature. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "config.h"

struct x509_st;

struct ca {
	const struct config *cfg;
	int dir_fd;	      /* the keys' folder; borrowed */
	json_t *declared;     /* what the certificate in force permits, or NULL: there is none */
	struct x509_st *cert; /* of it */
};

void ca_init(struct ca *ca, const struct config *cfg, int keys_dir_fd);
void ca_done(struct ca *ca);
/* declared: {"names": [..], "nets": ["10.0.0.0/8", ..]}. If it differs from what is in force, a
 * certificate is issued (same key and subject), and run_dir/ca.pem and run_dir/trust.pem (the
 * system's bundle and ours) are written; if nothing is declared, both go. ERR_MALFORMED. */
must_check int ca_declare(struct ca *ca, const json_t *declared);
/* A leaf for a public key (DER, SubjectPublicKeyInfo) under those of name and address that are
 * declared; either may be NULL. PEM is added to ret. ERR_DENIED: neither is. ERR_MALFORMED: no P-256
 * key. */
must_check int ca_leaf(const struct ca *ca, const char *name, const char *address, struct span key,
		       struct buf *ret);
