#!/usr/bin/env python3
"""The policy in a running daemon: reload by signal, by command and by a swapped symlink (a ConfigMap); a bad
file leaves the old plan in force; observe mode."""
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402


def policy(rules):
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"viewer": ["viewer"]},
        "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"viewer": "file:CRED/db"}}],
        "rules": rules,
    }


READ = {"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.t"], "effect": "allow"}
MORE = {"id": "more", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.u"], "effect": "allow"}
WATCH = {"id": "watch", "resource": "db", "roles": ["viewer"], "verbs": ["delete"], "relations": ["public.t"], "effect": "deny", "mode": "observe"}
ASK = {"id": "ask-first", "resource": "db", "roles": ["viewer"], "verbs": ["insert"], "relations": ["public.t"], "effect": "ask", "approvers": [{"group": "dba"}], "expires": "1s"}


def main():
    c = stack.Checks()
    with stack.Stack(policy([READ]), database="shop") as s:
        s.pg.psql("CREATE TABLE t (id int); CREATE TABLE u (id int)", "shop")
        write = lambda p: s.gw.write_policy(json.dumps(p).replace("@PORT@", str(s.pg.port)))  # noqa: E731
        psql = lambda sql: s.gw.run("viewer", ["psql", "-X", s.dsn(), "-v", "VERBOSITY=verbose", "-c", sql])  # noqa: E731

        def becomes(sql, code, what, seconds=8):
            end = time.monotonic() + seconds
            while (done := psql(sql)).returncode != code and time.monotonic() < end:
                time.sleep(0.3)
            c.equal(done.returncode, code, what)
            return done

        becomes("SELECT * FROM t", 0, "what is allowed passes")
        becomes("SELECT * FROM u", 1, "what is not is refused")
        write(policy([READ, MORE]))
        s.gw.process.send_signal(signal.SIGHUP)
        becomes("SELECT * FROM u", 0, "a reload by SIGHUP is in force")
        write("{ this is no policy")
        time.sleep(1)
        s.gw.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        becomes("SELECT * FROM u", 0, "a bad file leaves the old plan in force", 0)
        c.check("policy.json:1:" in s.gw.log(), "its error is told with file, line and column", s.gw.log()[-600:])
        etc = s.gw.folder / "etc"
        for n, rules in ((1, [READ]), (2, [READ, MORE])):
            (etc / f"data{n}").mkdir()
            text = json.dumps(policy(rules)).replace("@PORT@", str(s.pg.port)).replace("file:CRED/", f"file:{etc}/credentials/")
            (etc / f"data{n}" / "policy.json").write_text(text)
        os.symlink("data1", etc / "..data")
        (etc / "policy.json").unlink()
        os.symlink("..data/policy.json", etc / "policy.json")
        becomes("SELECT * FROM u", 1, "a file that became a symlink is followed")
        os.symlink("data2", etc / "..new")
        os.rename(etc / "..new", etc / "..data")
        becomes("SELECT * FROM u", 0, "a swapped symlink is seen, as a ConfigMap's")
        (etc / "policy.json").unlink()
        write(policy([READ, WATCH, ASK]))
        becomes("SELECT * FROM u", 1, "a file again")
        done = becomes("DELETE FROM t", 0, "observe mode lets pass")
        done = psql("INSERT INTO t VALUES (1)")
        c.check("ask-first" in done.stderr and "42501" in done.stderr, "what nobody approves in time is refused, with the rule", done.stderr)
        ops = [e for e in s.gw.events() if e["type"] == "op" and "DELETE" in json.dumps(e)]
        c.check(ops and "watch" in json.dumps(ops[-1]), "and is recorded with the rule that would have refused", ops[-1:])
        loads = [e for e in s.gw.events() if e["type"] == "policy.load"]
        c.check(len(loads) >= 5, "every load is on record", len(loads))
        done = s.gw.sluice("policy", "check", etc / "policy.json", check=False)
        c.equal(done.returncode, 0, "sluice policy check agrees")
    c.done()


main()
