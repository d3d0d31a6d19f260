#include "base/ossl.h"

#include <time.h>

int64_t ossl_good_until(const X509 *x)
{
	struct tm tm;
	return x && ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}
