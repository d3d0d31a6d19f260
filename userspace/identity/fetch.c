/* What the network may do is bounded: one request, one host, so many bytes, so long. */
#include "identity/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/macro.h"

struct answer {
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

/* Everything that the URL may be: https, or http to the literal loopback address (a name could
 * resolve to anything); no login, no fragment. */
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
		snprintf(why, why_size,
			 "the URL must be https://, or http:// to 127.0.0.1 or [::1], "
			 "without a login or fragment");
		return ERR_CONFIG;
	}
	*ret_plain = is_plain;
	return 0;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	struct answer *f = ctx;
	buf_add(&f->text, p, size * n);
	return buf_err(&f->text) ? 0 : size * n;
}

static struct curl_slist *headers_of(const struct fetch *f)
{
	struct curl_slist *list = NULL;
	char type[200];
	if (f->body) {
		snprintf(type, sizeof(type), "Content-Type: %s", f->type);
		list = curl_slist_append(list, type);
	}
	for (size_t i = 0; i < FETCH_HEADERS_MAX && f->headers[i]; i++)
		list = curl_slist_append(list, f->headers[i]);
	return list;
}

static void set_request(CURL *c, const struct fetch *f, struct curl_slist *headers)
{
	if (f->body) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->body);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(f->body));
	}
	if (headers)
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	if (f->user) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERNAME, f->user);
		curl_easy_setopt(c, CURLOPT_PASSWORD, f->password ? f->password : "");
	}
}

static void set_bounds(CURL *c, const struct fetch *f, bool is_plain, struct answer *a)
{
	curl_easy_setopt(c, CURLOPT_URL, f->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)f->timeout_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)f->timeout_ms);
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)f->limit);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
	if (f->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
	if (is_plain)
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
}

static int result_of(CURLcode code, const struct fetch *f, const struct answer *a, char *why,
		     size_t why_size)
{
	if (buf_err(&a->text) || code == CURLE_FILESIZE_EXCEEDED) {
		snprintf(why, why_size, "%s sends more than %zu bytes", f->url, f->limit);
		return ERR_LIMIT;
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		snprintf(why, why_size, "%s did not answer whole within %d ms", f->url,
			 f->timeout_ms);
		return -ETIMEDOUT;
	}
	if (code != CURLE_OK) {
		snprintf(why, why_size, "%s: %s", f->url, curl_easy_strerror(code));
		return ERR_UPSTREAM;
	}
	return 0;
}

static int take_text(const struct answer *a, char **ret_text, size_t *ret_len)
{
	size_t len = buf_len(&a->text);
	char *text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	if (len)
		memcpy(text, buf_span(&a->text).p, len);
	text[len] = 0;
	*ret_text = text;
	*ret_len = len;
	return 0;
}

int fetch_url(const struct fetch *f, long *ret_status, char **ret_text, size_t *ret_len,
	      char *ret_why, size_t why_size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct answer a = {0};
	bool is_plain = false;
	int r = check_url(f->url, &is_plain, ret_why, why_size);
	if (r < 0)
		return r;
	pthread_once(&once, init_curl);
	CURL *c = curl_easy_init();
	if (!c)
		return -ENOMEM;
	struct curl_slist *headers = headers_of(f);
	buf_init(&a.text, f->limit);
	set_bounds(c, f, is_plain, &a);
	set_request(c, f, headers);
	r = result_of(curl_easy_perform(c), f, &a, ret_why, why_size);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, ret_status);
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	if (r == 0)
		r = take_text(&a, ret_text, ret_len);
	buf_wipe(&a.text); /* a token came through here */
	return r;
}
