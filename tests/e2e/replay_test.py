#!/usr/bin/env python3
"""Replay on a real terminal (a pty): a hostile session does nothing to it; --step waits for keys; --follow shows a
session while it lives and ends with it; timing is kept; exports and a search on a terminal are as inert."""
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"reader": "file:CRED/db"}, "record": "rows"}],
    "masks": {"pii": {"columns": ["public.t.card"], "as": "last4"}},
    "rules": [{"id": "masked", "resource": "db", "roles": ["reader"], "verbs": ["select"], "relations": ["public.t"], "effect": "mask", "masks": ["pii"]},
              {"id": "plain", "resource": "db", "roles": ["reader"], "verbs": ["select"], "relations": ["public.hostile"], "effect": "allow"}],
}
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u009b5m\x90\u202e\u2066\x08\x7f\r\ttab"


def on_terminal(s, args, typed="", until=None, timeout=30):
    """All that the command writes to a pty; its exit code. until: a text after which it may be ended."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(s.gw.env, TERM="xterm")
        os.execv(stack.BUILD / "sluice", ["sluice", *map(str, args)])
    shown, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], 0.2)
        if typed and b"q: end" in shown.rsplit(b"\n", 1)[-1]:
            os.write(fd, typed[0].encode() + (b"\n" if typed[0] != "\n" else b""))
            typed = typed[1:]
        if not ready:
            continue
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
        if until and until in shown:
            break
    os.close(fd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return shown.decode("utf-8", "replace"), code


def acting(text):
    """What of it would act on a terminal, beside newlines (a pty writes CR LF)."""
    return sorted({hex(ord(ch)) for ch in text.replace("\r\r\n", "\n").replace("\r\n", "\n") if (ord(ch) < 32 and ch != "\n") or 127 <= ord(ch) < 160 or ch in "\u202e\u2066\ufffd"})


def inert(c, s, session):
    for args in (["replay", "--speed", "max", session], ["search", "evil"], ["search", "--json", "evil"],
                 ["export", "--session", session], ["export", "--format", "csv", "--session", session],
                 ["export", "--format", "ocsf", "--session", session], ["sessions"]):
        shown, code = on_terminal(s, args)
        c.equal((acting(shown), code), ([], 0), f"sluice {' '.join(args[:3])}: nothing acts on the terminal")
        c.check(len(shown) > 100, f"sluice {args[0]} shows something", shown)


def as_it_was(c, s, session):
    shown = s.gw.sluice("replay", "--speed", "max", session).stdout
    c.check(re.search(r"session s-\S+  identity agent-reader  for pat@example.com  role reader", shown), "who and for whom", shown[:200])
    c.check("-> mask (rule masked)" in shown, "the decision and its rule")
    c.check(re.search(r"id \| card *\n +---\+-+\n +1  \| \S*1111", shown), "rows as a table, masks as masks", shown)
    c.check("values masked" in shown, "and says that they are")
    c.check("4111111111111111" not in shown, "nothing that was masked")
    c.check(re.search(r"-> deny \(rule default\): .*drop", shown), "a refusal with its reason")
    begun = time.monotonic()
    s.gw.sluice("replay", "--speed", "2", session)
    took = time.monotonic() - begun
    events = s.gw.events(session)
    lasted = (events[-1]["time"] - events[0]["time"]) / 1e9
    c.check(took > lasted / 2 * 0.9, f"at --speed 2 it takes half its time ({took:.1f} of {lasted:.1f} s)")


def steps(c, s, session):
    shown, code = on_terminal(s, ["replay", "--step", session], typed="\n\nq")
    c.equal(code, 0, "--step ends with q")
    c.equal(shown.count("q: end"), 3, "it waits before each operation")
    c.check(shown.count("-> ") == 2, "and shows those that were wanted", shown)
    done = s.gw.sluice("replay", "--step", session, check=False, stdin=subprocess.DEVNULL)
    c.check(done.returncode == 2 and "terminal" in done.stderr, "without a terminal it says so", done.stderr)


def follows(c, s):
    p = s.gw.popen("reader", ["sh", "-c", f"psql -XAt -d '{s.dsn()}' -c 'SELECT 11 AS first_'; sleep 3; psql -XAt -d '{s.dsn()}' -c 'SELECT 22 AS second_'"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end, session = time.monotonic() + 10, None
    while not session and time.monotonic() < end:
        live = [e for e in s.gw.events() if e["type"] == "op" and "first_" in e["text"]]
        session = live[0]["session"] if live else None
        time.sleep(0.1)
    begun = time.monotonic()
    shown, code = on_terminal(s, ["replay", "--follow", session])
    p.wait(20)
    c.check("first_" in shown and "second_" in shown and "session ends" in shown, "--follow shows what was and what comes", shown)
    c.equal(code, 0, "and ends with the session")
    c.check(time.monotonic() - begun > 1, "it waited for it")
    bad = s.gw.sluice("replay", "--follow", "--speed", "2", session, check=False)
    c.equal(bad.returncode, 2, "--follow has its own speed")
    none = s.gw.sluice("replay", "s-none", check=False)
    c.check(none.returncode == 1 and "no such session" in none.stderr, "no such session", none.stderr)


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s:
        s.pg.psql("CREATE TABLE t (id int, card text); INSERT INTO t VALUES (1, '4111111111111111'); CREATE TABLE hostile (x text)", "shop")
        bad = "".join(f"\\{ord(ch):04x}" for ch in HOSTILE)
        s.pg.psql(f"INSERT INTO hostile VALUES (U&'evil {bad}')", "shop")
        script = "; ".join(f"psql -XAt -d '{s.dsn()}' -c \"{sql}\"; sleep 0.5" for sql in
                           ("SELECT * FROM t", "SELECT * FROM hostile", "DROP TABLE t", f"SELECT 1 AS \\\"evil{HOSTILE}\\\""))
        s.gw.run("reader", ["sh", "-c", script])
        session = next(e["session"] for e in s.gw.events() if e["type"] == "session.start")
        c.check(any("evil" in str(e) for e in s.gw.events(session)), "the session is hostile")
        inert(c, s, session)
        as_it_was(c, s, session)
        steps(c, s, session)
        follows(c, s)
    c.done()


main()
