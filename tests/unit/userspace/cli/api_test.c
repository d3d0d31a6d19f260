/* The API client against a socket that answers with given bytes: whole, cut, too long, not JSON. */
#include "cli/api.c"

#include <pthread.h>

#include "../../tap.h"
#include "said.h"

static char path[] = "/tmp/sluice-api-XXXXXX/sock";
static int listener = -1;
static const char *answer_bytes;
static size_t answer_len;
static char request[65536];

/* Takes one connection: the whole request, then the bytes. */
static void *serve(void *unused)
{
	(void)unused;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	size_t n = 0, need = SIZE_MAX;
	while (n < need && n < sizeof(request) - 1) {
		ssize_t got = read(fd, request + n, sizeof(request) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		request[n] = 0;
		char *end = strstr(request, "\r\n\r\n"), *len = strcasestr(request, "content-length:");
		if (end)
			need = (size_t)(end + 4 - request) + (len && len < end ? (size_t)atoi(len + 15) : 0);
	}
	for (size_t at = 0; at < answer_len;) {
		ssize_t put = send(fd, answer_bytes + at, answer_len - at, MSG_NOSIGNAL);
		if (put <= 0)
			break;
		at += (size_t)put;
	}
	close(fd);
	return NULL;
}

static pthread_t start(const char *bytes, size_t len)
{
	pthread_t t;
	answer_bytes = bytes;
	answer_len = len;
	said[0] = 0;
	pthread_create(&t, NULL, serve, NULL);
	return t;
}

static void calls(void)
{
	static const struct {
		const char *bytes;
		int expected, status;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"x\": 12}", 0, 200},
		{"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "4\r\n{\"x\"\r\n5\r\n: 12}\r\n0\r\n\r\n", 0, 201},
		{"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n{\"x\": 12}", 0, 403},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"x\": 12}", 0, 200},
		{"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"x\": 12}", -EIO, 0}, /* cut */
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml", ERR_MALFORMED, 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"x\": 12, \"x\": 1234}", ERR_MALFORMED, 0},
		{"garbage\r\n\r\n", -EIO, 0},
		{"", -EIO, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *answer = NULL, *body = json_pack("{s:s}", "token", "abc");
		int status = 0;
		pthread_t t = start(rows[i].bytes, strlen(rows[i].bytes));
		CHECK_INT(api_call("POST", "/v1/sessions", body, &answer, &status), rows[i].expected);
		pthread_join(t, NULL);
		CHECK_INT(status, rows[i].status);
		CHECK_INT(json_integer_value(json_object_get(answer, "x")), rows[i].expected ? 0 : 12);
		CHECK(!strncmp(request, "POST /v1/sessions HTTP/1.1\r\n", 28));
		CHECK(strstr(request, "\r\n\r\n{\"token\":\"abc\"}") != NULL);
		json_decref(answer);
		json_decref(body);
	}
}

static void limits_answers(void)
{
	char *big = malloc(API_ANSWER_MAX + 200);
	int n = sprintf(big, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	memset(big + n, ' ', API_ANSWER_MAX + 1);
	json_t *answer = NULL;
	int status = 0;
	pthread_t t = start(big, (size_t)n + API_ANSWER_MAX + 1);
	CHECK_INT(api_call("GET", "/x", NULL, &answer, &status), ERR_LIMIT);
	pthread_join(t, NULL);
	free(big);
}

static char lines[1000];

static int stops_at; /* 0: never */

static int on_line(void *ctx, const char *line, size_t len)
{
	(*(int *)ctx)++;
	snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "[%.*s]", (int)len, line);
	return *(int *)ctx == stops_at ? 7 : 0;
}

static int get(const char *bytes, int *ret_n)
{
	*ret_n = 0;
	lines[0] = 0;
	pthread_t t = start(bytes, strlen(bytes));
	int r = api_get("/v1/events", on_line, ret_n);
	pthread_join(t, NULL);
	return r;
}

static void streams_lines(void)
{
	int n;
	CHECK_INT(get("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"a\":1}\n\n{\"b\":2}\n", &n), 0);
	CHECK_STR(lines, "[{\"a\":1}][{\"b\":2}]");
	CHECK_INT(get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "3\r\n{\"a\r\n6\r\n\":1}\n{\r\n2\r\n}\n\r\n0\r\n\r\n", &n), 0);
	CHECK_STR(lines, "[{\"a\":1}][{}]");
	CHECK_STR(said, "");
	CHECK_INT(get("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"a\":1}\n{\"b\":", &n), ERR_CLOSED);
	CHECK_STR(lines, "[{\"a\":1}]");
	CHECK(said[0] != 0);
	CHECK_INT(get("HTTP/1.1 404 No\r\nContent-Length: 32\r\n\r\n"
		      "{\"error\":\"gone\",\"remedy\":\"look\"}\n", &n), ERR_DENIED);
	CHECK_INT(n, 0);
	CHECK_STR(said, "gone\n-> look\n");
	stops_at = 1;
	CHECK_INT(get("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"a\":1}\n{\"b\":2}\n", &n), 7);
	CHECK_STR(lines, "[{\"a\":1}]");
	stops_at = 0;
}

static void says_who_is_not_there(void)
{
	json_t *answer = NULL;
	close(listener);
	said[0] = 0;
	CHECK_INT(api_do("GET", "/v1/status", NULL, &answer), -ECONNREFUSED);
	CHECK(strstr(said, "start it") && strstr(said, path));
	unlink(path);
	CHECK_INT(api_do("GET", "/v1/status", NULL, &answer), -ENOENT);
	CHECK(answer == NULL);
}

static void builds_queries(void)
{
	struct buf b;
	buf_init(&b, 200);
	buf_add_str(&b, "/v1/events");
	api_add_query(&b, "session", "s-1");
	api_add_query(&b, "none", NULL);
	api_add_query(&b, "text", "a b&c=d/\xc3\xa9");
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p, "/v1/events?session=s-1&text=a%20b%26c%3Dd%2F%C3%A9");
	buf_done(&b);
}

int main(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char *slash = strrchr(path, '/');
	*slash = 0;
	if (!mkdtemp(path))
		return 1;
	*slash = '/';
	strcpy(sun.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(listener, 5) < 0)
		return 1;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	api_set_socket(path);
	calls();
	limits_answers();
	streams_lines();
	says_who_is_not_there();
	builds_queries();
	*slash = 0;
	CHECK_INT(rmdir(path), 0);
	return tap_done();
}
