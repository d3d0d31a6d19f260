#include "cli/api.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macro.h"
#include "cli/cli.h"

#define CALL_TIMEOUT_MS    60000L
#define CONNECT_TIMEOUT_MS 5000L
#define JSON_FLAGS         JSON_REJECT_DUPLICATES

static const char *socket_path; /* what the command line said; NULL: not said */

void api_set_socket(const char *path)
{
	socket_path = path;
}

const char *api_socket(void)
{
	const char *env = getenv("SLUICE_SOCKET");
	return socket_path ? socket_path : env && *env ? env : API_SOCKET;
}

/* An answer as it arrives. With on_line set and a good status it is handed on line by line, otherwise
 * gathered. */
struct answer {
	CURL *curl;
	struct buf text;
	int (*on_line)(void *ctx, const char *line, size_t len);
	void *ctx;
	int stopped; /* what on_line said, where it wants no more */
};

static long status_of(CURL *c)
{
	long status = 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static void hand_on_lines(struct answer *a)
{
	for (;;) {
		struct span s = buf_span(&a->text);
		const uint8_t *end = s.len ? memchr(s.p, '\n', s.len) : NULL;
		if (!end || a->stopped)
			return;
		size_t len = (size_t)(end - s.p);
		if (len)
			a->stopped = a->on_line(a->ctx, (const char *)s.p, len);
		buf_consume(&a->text, len + 1);
	}
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;
	buf_add(&a->text, p, size * n);
	if (a->on_line && status_of(a->curl) / 100 == 2)
		hand_on_lines(a);
	return buf_err(&a->text) || a->stopped ? 0 : size * n;
}

/* libcurl says only that it could not connect: the reason comes from trying once more. */
static int why_no_connect(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *path = api_socket();
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : -EIO;
}

static int code_of(CURLcode c, const struct answer *a)
{
	switch (c) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		return why_no_connect();
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_WRITE_ERROR:
		return buf_err(&a->text) ? buf_err(&a->text) : -EIO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int perform(const char *method, const char *path, const char *body, struct answer *a)
{
	_cleanup_(freep) char *url = NULL;
	struct curl_slist *headers = NULL;
	CURL *c = curl_easy_init();
	if (!c || asprintf(&url, "http://sluice%s", path) < 0) {
		curl_easy_cleanup(c);
		return -ENOMEM;
	}
	a->curl = c;
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, api_socket());
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	if (!a->on_line)
		curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
	if (body) {
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	}
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
	int r = code_of(curl_easy_perform(c), a);
	int status = (int)status_of(c);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return r < 0 ? r : status;
}

static json_t *answer_json(const struct answer *a)
{
	struct span s = buf_span(&a->text);
	return s.len ? json_loadb((const char *)s.p, s.len, JSON_FLAGS, NULL) : NULL;
}

int api_call(const char *method, const char *path, json_t *body, json_t **ret_answer, int *ret_status)
{
	struct answer a = {0};
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	if (body && !text)
		return -ENOMEM;
	buf_init(&a.text, API_ANSWER_MAX);
	int status = perform(method, path, text, &a);
	if (text)
		explicit_bzero(text, strlen(text)); /* it may hold a token */
	free(text);
	json_t *j = status < 0 ? NULL : answer_json(&a);
	int r = status < 0 ? status : status / 100 == 2 && !j && buf_len(&a.text) ? ERR_MALFORMED : 0;
	buf_wipe(&a.text);
	if (r < 0)
		return r;
	*ret_answer = j;
	*ret_status = status;
	return 0;
}

static void complain_no_daemon(int err)
{
	const char *path = api_socket();
	cli_error("no answer from the daemon at %s: %s", path, err_text(err));
	if (err == -ENOENT || err == -ECONNREFUSED)
		cli_remedy("start it: systemctl start sluiced (or sluiced --config FILE); another "
			   "socket: --socket PATH");
	else if (err == -EACCES || err == -EPERM)
		cli_remedy("you may not use this socket: ask for a place in \"enrol\" of the daemon's "
			   "configuration");
	else if (err == -EAFNOSUPPORT)
		cli_remedy("here sluice run's guard lets nothing reach a Unix socket: ask from outside (elevate "
			   "--session S), or start the workload with --without unix");
	else
		cli_remedy("see what it says: journalctl -u sluiced");
}

void api_complain(int err, int status, const json_t *answer)
{
	if (err < 0) {
		complain_no_daemon(err);
		return;
	}
	const char *text = json_string_value(json_object_get(answer, "error"));
	const char *remedy = json_string_value(json_object_get(answer, "remedy"));
	cli_error("%s", text ? text : "the daemon refused");
	if (!text)
		cli_remedy("HTTP status %d", status);
	if (remedy && *remedy)
		cli_remedy("%s", remedy);
}

int api_do(const char *method, const char *path, json_t *body, json_t **ret_answer)
{
	json_t *answer = NULL;
	int status = 0;
	int r = api_call(method, path, body, &answer, &status);
	if (r == 0 && status / 100 == 2) {
		*ret_answer = answer;
		return 0;
	}
	api_complain(r, status, answer);
	json_decref(answer);
	return r < 0 ? r : ERR_DENIED;
}

int api_get(const char *path, int (*on_line)(void *ctx, const char *line, size_t len), void *ctx)
{
	struct answer a = {.on_line = on_line, .ctx = ctx};
	buf_init(&a.text, API_LINE_MAX);
	int status = perform("GET", path, NULL, &a);
	if (a.stopped) {
		buf_done(&a.text);
		return a.stopped;
	}
	bool is_good = status / 100 == 2;
	/* A last line without its newline is a stream that was cut: say so rather than show half. */
	int r = status < 0 ? status : is_good && buf_len(&a.text) ? ERR_CLOSED : is_good ? 0 : ERR_DENIED;
	if (r < 0) {
		json_t *answer = is_good ? NULL : answer_json(&a);
		api_complain(r == ERR_DENIED ? 0 : r, status, answer);
		json_decref(answer);
	}
	buf_done(&a.text);
	return r;
}

void api_add_query(struct buf *path, const char *key, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	struct span s = buf_span(path);
	if (!value)
		return;
	buf_printf(path, "%c%s=", s.len && memchr(s.p, '?', s.len) ? '&' : '?', key);
	for (; *value; value++) {
		if (strchr(plain, *value))
			buf_add_u8(path, (uint8_t)*value);
		else
			buf_printf(path, "%%%02X", (uint8_t)*value);
	}
}
