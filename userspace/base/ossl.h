/* OpenSSL's headers: include this in their stead. OpenSSL names a type ERR_STATE, as we do an error;
 * the type is renamed where its headers are read. */
#pragma once

#define ERR_STATE ossl_err_state
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <stdint.h>

/* Until when a certificate is good, in seconds since the epoch; 0: there is none, or it does not say. */
int64_t ossl_good_until(const X509 *x);
