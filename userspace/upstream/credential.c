#include "upstream/credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/macro.h"
#include "base/msg.h"
#include "upstream/secret_text.h"

#define KEY_MIN	       16
#define SECRET_PAGE    4096
#define CREDENTIAL_MAX 4000 /* of it */

static int say(char why[WHY_MAX], int err, const char *text)
{
	snprintf(why, WHY_MAX, "%s", text);
	return err;
}

/* What libpq is not to see, and its half of the page. */
static const char *const secret_keys[] = {"password", "sslpassword"};
#define SECRET_HALF (SECRET_PAGE / 2)

const char *credential_get(const struct credential *c, const char *keyword)
{
	for (size_t i = 0; c->secrets && i < ARRAY_LEN(secret_keys); i++)
		if (!strcmp(secret_keys[i], keyword))
			return c->secrets[i * SECRET_HALF] ? c->secrets + i * SECRET_HALF : NULL;
	for (PQconninfoOption *o = c->options; o && o->keyword; o++)
		if (!strcmp(o->keyword, keyword))
			return o->val && o->val[0] ? o->val : NULL;
	return NULL;
}

void credential_done(struct credential *c)
{
	if (c->secrets)
		secret_page_free(c->secrets);
	PQconninfoFree(c->options);
	*c = (struct credential){0};
}

/* Did libpq read the text as we did? If not, it may have found a secret where we did not. */
static bool is_blanked(const struct credential *c)
{
	for (PQconninfoOption *o = c->options; o->keyword; o++)
		for (size_t i = 0; i < ARRAY_LEN(secret_keys); i++)
			if (!strcmp(o->keyword, secret_keys[i]) && o->val && !secret_text_is_blank(o->val)) {
				explicit_bzero(o->val, strlen(o->val));
				return false;
			}
	return true;
}

static int cut_secrets(char *text, struct credential *c, char why[WHY_MAX])
{
	c->secrets = secret_page();
	if (!c->secrets)
		return say(why, -ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_LEN(secret_keys); i++)
		if (secret_text_cut(text, secret_keys[i], c->secrets + i * SECRET_HALF, SECRET_HALF))
			return say(why, ERR_LIMIT, "the credential's password is too long");
	return 0;
}

static int check(const struct credential *c, char why[WHY_MAX])
{
	const char *gss = credential_get(c, "gssencmode");
	if (gss && !strcmp(gss, "require"))
		return say(
		    why, ERR_UNSUPPORTED,
		    "the credential demands GSSAPI encryption, which the gateway does not have");
	return 0;
}

int credential_parse(char *text, struct credential *ret, char why[WHY_MAX])
{
	size_t n = strlen(text);
	char *error = NULL;
	while (n && strchr(" \t\r\n", text[n - 1]))
		text[--n] = 0;
	struct credential c = {0};
	int err = cut_secrets(text, &c, why);
	c.options = n && !err ? PQconninfoParse(text, &error) : NULL;
	PQfreemem(error);
	if (!err && (!c.options || !is_blanked(&c)))
		err = say(why, ERR_MALFORMED, "the credential is neither a postgres:// URL nor key=value pairs");
	if (!err)
		err = check(&c, why);
	if (err) {
		credential_done(&c);
		return err;
	}
	*ret = c;
	return 0;
}

int credential_file(struct msg_line *monitor, const char *source, int *ret_fd, char why[WHY_MAX])
{
	struct msg answer;
	json_t *ask = json_pack("{s:s, s:s}", "t", "credential", "source", source);
	if (!ask)
		return -ENOMEM;
	int err = msg_line_call(monitor, ask, &answer);
	json_decref(ask);
	if (err)
		return say(why, err, "the monitor does not answer");
	if (json_is_true(json_object_get(answer.json, "ok")) && answer.n_fds == 1) {
		*ret_fd = msg_take_fd(&answer, 0);
	} else {
		const char *text = json_string_value(json_object_get(answer.json, "why"));
		err = say(why, ERR_DENIED, text ? text : "the monitor refuses the credential");
	}
	msg_done(&answer);
	return err;
}

/* Read straight into locked memory, which no buffered copy outlives. */
static int read_locked(int fd, char *page, size_t *ret_len)
{
	size_t n = 0;
	for (;;) {
		ssize_t got = read(fd, page + n, CREDENTIAL_MAX - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		*ret_len = n;
		if (!got)
			return 0;
		n += (size_t)got;
		if (n == CREDENTIAL_MAX)
			return ERR_LIMIT;
	}
}

char *secret_page(void)
{
	char *page =
	    mmap(NULL, SECRET_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return NULL;
	if (mlock(page, SECRET_PAGE) < 0)
		(void)0; /* over the limit: wiped all the same, and core dumps are off */
	madvise(page, SECRET_PAGE, MADV_DONTDUMP);
	return page;
}

void secret_page_free(char *page)
{
	explicit_bzero(page, SECRET_PAGE);
	munmap(page, SECRET_PAGE);
}

int secret_fetch(struct msg_line *monitor, const char *source, char *page, size_t *ret_len,
		 char why[WHY_MAX])
{
	_cleanup_(closep) int fd = -1;
	int err = credential_file(monitor, source, &fd, why);
	if (err)
		return err;
	err = read_locked(fd, page, ret_len);
	return err ? say(why, err, "it cannot be read") : 0;
}

int secret_key_fetch(struct msg_line *monitor, const char *source, char *page, size_t *ret_len,
		     char ret_why[WHY_MAX])
{
	int err = secret_fetch(monitor, source, page, ret_len, ret_why);
	while (!err && *ret_len && strchr("\r\n", page[*ret_len - 1])) /* an editor's */
		(*ret_len)--;
	if (err || *ret_len >= KEY_MIN)
		return err;
	snprintf(ret_why, WHY_MAX, "shorter than %d bytes: openssl rand -hex 32 makes one",
		 KEY_MIN);
	return ERR_LIMIT;
}

int credential_fetch(struct msg_line *monitor, const char *source, struct credential *ret,
		     char why[WHY_MAX])
{
	size_t len = 0;
	char *page = secret_page();
	if (!page)
		return say(why, -ENOMEM, "out of memory");
	int err = secret_fetch(monitor, source, page, &len, why);
	if (!err)
		err = credential_parse(page, ret, why);
	secret_page_free(page);
	return err;
}
