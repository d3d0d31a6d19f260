/* An issuer's keys over HTTPS. What the network may do is bounded: one request, one host, so many bytes,
 * so long. */
#include "identity/identity.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/macro.h"

struct fetch {
	struct buf text;
};

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void free_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static bool is_loopback(const char *host)
{
	char ip[ADDR_TEXT];
	struct addr a;
	size_t n = strlen(host);
	bool is_bracketed = n > 2 && host[0] == '[' && host[n - 1] == ']';
	snprintf(ip, sizeof(ip), "%.*s", (int)(n - 2 * is_bracketed), host + is_bracketed);
	if (addr_parse_ip(ip, &a) < 0)
		return false;
	static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127};
	static const uint8_t v6[16] = {[15] = 1};
	return addr_in(&a, v4, 96 + 8) || addr_in(&a, v6, 128);
}

/* Everything that the URL may be: https, or http to the literal loopback address (a name could resolve
 * to anything); no login, no fragment. */
static int check_url(const char *url, bool *ret_plain, char *why, size_t why_size)
{
	_cleanup_(free_url) CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL, *fragment = NULL;
	if (!u)
		return -ENOMEM;
	bool ok = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	if (ok)
		ok = curl_url_get(u, CURLUPART_USER, &user, 0) != CURLUE_OK &&
		     curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0) != CURLUE_OK;
	bool is_plain = ok && !strcmp(scheme, "http") && is_loopback(host);
	ok = ok && (is_plain || !strcmp(scheme, "https"));
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(fragment);
	if (!ok) {
		snprintf(why, why_size, "the JWKS URL must be https://, or http:// to 127.0.0.1 or [::1], "
					"without a login or fragment");
		return ERR_CONFIG;
	}
	*ret_plain = is_plain;
	return 0;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	buf_add(&f->text, p, size * n);
	return buf_err(&f->text) ? 0 : size * n;
}

static void set_options(CURL *c, const struct jwks_source *s, bool is_plain, struct fetch *f)
{
	curl_easy_setopt(c, CURLOPT_URL, s->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)s->timeout_ms);
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)JWKS_MAX);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
	if (s->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, s->ca_file);
	if (is_plain)
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
}

static int result_of(CURL *c, CURLcode code, const struct jwks_source *s, const struct fetch *f, char *why,
		     size_t why_size)
{
	long status = 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (buf_err(&f->text) || code == CURLE_FILESIZE_EXCEEDED) {
		snprintf(why, why_size, "%s sends more than %d bytes", s->url, JWKS_MAX);
		return ERR_LIMIT;
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		snprintf(why, why_size, "%s did not answer whole within %d ms", s->url, s->timeout_ms);
		return -ETIMEDOUT;
	}
	if (code != CURLE_OK) {
		snprintf(why, why_size, "%s: %s", s->url, curl_easy_strerror(code));
		return ERR_UPSTREAM;
	}
	if (status != 200) {
		snprintf(why, why_size, "%s answers with status %ld, expected 200%s", s->url, status,
			 status / 100 == 3 ? " (redirects are not followed: name the last URL)" : "");
		return ERR_UPSTREAM;
	}
	return 0;
}

int jwks_fetch_from(const struct jwks_source *s, char **ret_text, size_t *ret_len, char *ret_why,
		    size_t why_size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fetch f = {0};
	bool is_plain = false;
	int r = check_url(s->url, &is_plain, ret_why, why_size);
	if (r < 0)
		return r;
	pthread_once(&once, init_curl);
	CURL *c = curl_easy_init();
	if (!c)
		return -ENOMEM;
	buf_init(&f.text, JWKS_MAX);
	set_options(c, s, is_plain, &f);
	r = result_of(c, curl_easy_perform(c), s, &f, ret_why, why_size);
	curl_easy_cleanup(c);
	size_t len = buf_len(&f.text);
	if (r == 0) {
		char *text = malloc(len + 1);
		r = text ? 0 : -ENOMEM;
		if (text) {
			if (len)
				memcpy(text, buf_span(&f.text).p, len);
			text[len] = 0;
			*ret_text = text;
			*ret_len = len;
		}
	}
	buf_done(&f.text);
	return r;
}

int jwks_fetch(const char *url, int timeout_ms, char **ret_text, size_t *ret_len, char *ret_why, size_t why_size)
{
	struct jwks_source s = {.url = url, .timeout_ms = timeout_ms};
	return jwks_fetch_from(&s, ret_text, ret_len, ret_why, why_size);
}
