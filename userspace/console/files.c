#include "base/macro.h"
#include "console/console_internal.h"
#include "control/http.h"

/* Nothing from elsewhere, nothing inline, no frame around it: what a session's bytes could turn
 * into has no way to run, load or send. */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "    \
	"'self'; "                                                                                 \
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "       \
	"require-trusted-types-for 'script'; trusted-types 'none'"

#define SAFE                                                                                       \
	"Content-Security-Policy: " POLICY "\r\n"                                                  \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                              \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Permissions-Policy: camera=(), microphone=(), geolocation=()\r\n"                         \
	"Strict-Transport-Security: max-age=31536000\r\n"

/* A page of the console has its state in the path; they are all one document. */
static bool is_page(struct span path)
{
	static const char *const pages[] = {"/requests/", "/sessions/"};
	static const char *const names[] = {"/requests", "/sessions", "/workloads",
					    "/policy",	 "/audit",    "/node"};
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (path.len > strlen(pages[i]) && !memcmp(path.p, pages[i], strlen(pages[i])))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_is(path, names[i]))
			return true;
	return false;
}

const struct console_file *file_by_path(struct span path)
{
	if (is_page(path))
		path = span_str("/");
	for (size_t i = 0; i < console_n_files; i++)
		if (span_is(path, console_files[i].path))
			return &console_files[i];
	return NULL;
}

void file_answer(struct buf *out, const struct console_file *f, struct span etag, bool is_head)
{
	bool has_it = span_is(etag, f->etag);
	buf_printf(out, "HTTP/1.1 %d %s\r\n" SAFE "Cache-Control: no-cache\r\nETag: %s\r\n",
		   has_it ? 304 : 200, http_reason(has_it ? 304 : 200), f->etag);
	if (has_it) {
		buf_add_str(out, "\r\n");
		return;
	}
	buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", f->type, f->len);
	if (!is_head)
		buf_add(out, f->data, f->len);
}

void file_refuse(struct buf *out, int status)
{
	const char *text = http_reason(status);
	buf_printf(out,
		   "HTTP/1.1 %d %s\r\n" SAFE
		   "Content-Type: text/plain\r\nCache-Control: no-store\r\n"
		   "Connection: close\r\nContent-Length: %zu\r\n\r\n%s\n",
		   status, text, strlen(text) + 1, text);
}
