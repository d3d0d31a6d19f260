/* What a browser carries between the halves of a login: only what this key made, only for its time, and back to no
 * place but the console's own. */
#include "base/macro.h"
#include "control/web.h"

#include "../../tap.h"

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";
static const uint8_t other[32] = "0123456789abcdef0123456789abcdX";
#define NOW 1800000000

static void comes_back(void)
{
	struct login_state a, b;
	char cookie[LOGIN_COOKIE_MAX];
	CHECK_INT(login_state_new(key, "/requests/r-1?x=2", true, NOW, &a, cookie), 0);
	CHECK_INT(login_state_open(key, span_str(cookie), NOW + WEB_LOGIN_S, &b), 0);
	CHECK_STR(b.state, a.state);
	CHECK_STR(b.nonce, a.nonce);
	CHECK_STR(b.verifier, a.verifier);
	CHECK_STR(b.to, "/requests/r-1?x=2");
	CHECK(b.is_fresh);
	CHECK_INT(strlen(a.verifier), 43);
	CHECK(strcmp(a.state, a.nonce) && strcmp(a.nonce, a.verifier) && !strstr(cookie, a.verifier));
	CHECK_INT(login_state_open(key, span_str(cookie), NOW + WEB_LOGIN_S + 1, &b), ERR_EXPIRED);
	CHECK_INT(login_state_open(key, span_str(cookie), NOW - WEB_LOGIN_S - 1, &b), ERR_EXPIRED);
	CHECK_INT(login_state_open(other, span_str(cookie), NOW, &b), ERR_VERIFY);
}

static void bears_no_change(void)
{
	struct login_state a, b;
	char cookie[LOGIN_COOKIE_MAX];
	CHECK_INT(login_state_new(key, "/", false, NOW, &a, cookie), 0);
	size_t len = strlen(cookie);
	for (size_t i = 0; i < len; i++) {
		char c = cookie[i];
		cookie[i] = c == 'A' ? 'B' : 'A';
		CHECK(login_state_open(key, span_str(cookie), NOW, &b) < 0);
		cookie[i] = c;
		CHECK(login_state_open(key, span_of(cookie, i), NOW, &b) < 0);
	}
	CHECK_INT(login_state_open(key, span_of(cookie, len), NOW, &b), 0);
	CHECK(!b.is_fresh);
	CHECK_INT(login_state_open(key, (struct span){0}, NOW, &b), ERR_MALFORMED);
}

static void leads_nowhere_else(void)
{
	static const char *const bad[] = {
		"//evil.example", "/\\evil.example", "https://evil.example/", "evil", "", "/a b", "/a\r\nX: y",
		"/auth/login?to=/", "/%2e%2e//evil", "/<x>",
	};
	struct login_state a;
	char cookie[LOGIN_COOKIE_MAX];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(login_state_new(key, bad[i], false, NOW, &a, cookie), 0);
		CHECK_STR(a.to, "/");
	}
}

int main(void)
{
	comes_back();
	bears_no_change();
	leads_nowhere_else();
	return tap_done();
}
