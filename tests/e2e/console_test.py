#!/usr/bin/env python3
"""The admin API over TLS: login by a real OpenID provider, roles, what a browser may not be made to do, and what the
record says of all that."""
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
import web as web_lib  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"]},
    "resources": [{"name": "shop", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"viewer": "file:CRED/db"}}],
    "rules": [{"id": "read", "resource": "shop", "roles": ["viewer"], "verbs": ["select"], "relations": ["*.*"],
               "effect": "allow"}],
}
t = stack.Checks()


def logs_in(web):
    p = web.person()
    t.equal(p.get("/v1/me")[0], 401, "nobody is logged in at first")
    end = p.login("ada", to="/requests/r-1")
    t.equal(end, web.url + "/requests/r-1", "a login ends where it was to go")
    status, me = p.get("/v1/me")
    t.equal((status, me["subject"], me["roles"]), (200, "ada", ["approver"]), "who it is")
    t.equal(me["groups"], web_lib.PEOPLE["ada"], "the groups")
    t.check(abs(me["auth_time"] - time.time()) < 120, "when", me)
    cookie = [c for c in p.jar if c.name == "__Host-sluice"][0]
    t.check(cookie.secure and cookie.has_nonstandard_attr("HttpOnly") and cookie.path == "/", "the cookie's form")
    t.equal(cookie.get_nonstandard_attr("SameSite"), "Strict", "and its site")


def main():
    why = web_lib.missing()
    if why:
        t.skip(why)
        t.done()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sl-web-"))
    folder.chmod(0o755)
    web = web_lib.Console(folder)
    try:
        with stack.Stack(POLICY, database="shop", config=web.config) as s:
            logs_in(web)
            print(s.gw.log()[-3000:])
    finally:
        web.down()
        shutil.rmtree(folder, ignore_errors=True)
    t.done()


main()
