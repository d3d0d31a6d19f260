#!/usr/bin/env python3
"""The admin API over TLS: login by a real OpenID provider, roles, what a browser may not be made to do, and what the
record says of all that."""
import json
import os
import pathlib
import shutil
import subprocess
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
    "rules": [{"id": "read", "resource": "shop", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.*"],
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


MARKUP = '<img src=x onerror=alert(1)><b class=evil>bold</b>'
HOSTILE = f"SELECT '{MARKUP}' AS x, 'a\u202egnp.exe' AS rtl, 'z\u200bw\ufeff' AS gone, E'\x1b[31mred' AS esc, 1 AS one"


def makes_sessions(s):
    """A few sessions with all that a session may say; the last one's id."""
    for i in range(3):
        s.gw.run("viewer", ["psql", "-XqAt", "-d", s.dsn(), "-c", "SELECT 1"])
    script = s.gw.folder / "hostile.sql"
    script.write_text(HOSTILE + ";\nDROP TABLE crown;\nSELECT id, name FROM crown ORDER BY id;\n")
    done = s.gw.run("viewer", ["psql", "-XqAt", "-d", s.dsn(), "-f", script])
    lines = [json.loads(line) for line in s.gw.sluice("sessions", "--json").stdout.splitlines()]
    t.check("42501" in done.stderr or "denied" in done.stderr.lower(), "a DROP is refused", done.stderr)
    return max(lines, key=lambda x: x["start"])["session"]


def by_browser(web, session):
    """What a person sees: tests/lib/browser.mjs."""
    if not shutil.which("chromium"):
        t.skip("chromium is not installed")
        return
    given = {"url": web.url, "session": session, "hostile": {"markup": MARKUP, "codes": ["U+202E", "U+200B", "U+FEFF"]}}
    run = ["node", stack.ROOT / "tests/lib/browser.mjs", web_lib.modules(), json.dumps(given)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=240)
    for line in done.stdout.splitlines():
        t.check(line.startswith("ok "), line)
    t.check(done.returncode == 0, "the browser's script ends well", done.stderr[-2000:])


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
            s.pg.psql("CREATE TABLE crown (id int, name text); INSERT INTO crown VALUES (1, 'Ada'), (2, NULL);", "shop")
            logs_in(web)
            by_browser(web, makes_sessions(s))
            if os.environ.get("LOG"):
                print(s.gw.log())
    finally:
        web.down()
        shutil.rmtree(folder, ignore_errors=True)
    t.done()


main()
