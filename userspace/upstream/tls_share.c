#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/ossl.h"
#include "upstream/tls_client.h"

/* Then a login gets a new one, which has read the system's store anew, too. */
#define SHARED_NS (60 * NS_PER_SEC)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct tls_client *shared; /* those that somebody holds; the cache holds none itself */

static void client_free(struct tls_client *c)
{
	SSL_CTX_free(c->ctx);
	free(c);
}

struct tls_client *tls_client_share(struct tls_client *t)
{
	struct tls_client *found;
	pthread_mutex_lock(&mutex);
	for (found = shared; found; found = found->next)
		if (t->made_ns - found->made_ns < SHARED_NS &&
		    !memcmp(found->sum, t->sum, sizeof(t->sum)))
			break;
	if (found) {
		found->refs++;
	} else {
		t->next = shared;
		shared = t;
	}
	pthread_mutex_unlock(&mutex);
	if (found)
		client_free(t);
	return found ? found : t;
}

struct tls_client *tls_client_ref(struct tls_client *c)
{
	if (!c)
		return NULL;
	pthread_mutex_lock(&mutex);
	c->refs++;
	pthread_mutex_unlock(&mutex);
	return c;
}

void tls_client_unref(struct tls_client *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&mutex);
	bool is_last = --c->refs == 0;
	for (struct tls_client **at = &shared; is_last && *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	pthread_mutex_unlock(&mutex);
	if (is_last)
		client_free(c);
}
