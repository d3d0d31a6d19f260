#!/usr/bin/env python3
"""What an approval is bound to, and what approvers are shown of it: settings, declared types, what a name runs; and what
cannot be a pattern."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from approvers import SYNC, People, Wire, bind, execute, parse, query, states, wait_until  # noqa: E402
from stack import Checks, Stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"worker": ["worker"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"worker": "file:CRED/db"}}],
    "rules": [
        {"id": "read", "resource": "db", "roles": "worker", "verbs": ["select", "set"], "effect": "allow"},
        {"id": "ask", "resource": "db", "roles": "worker", "verbs": ["insert", "do", "create", "call"], "effect": "ask",
         "approvers": [{"group": "dba"}], "choices": ["once", "text", "pattern"], "grant_for": "10m", "expires": "60s"},
        {"id": "opaque", "resource": "db", "roles": "worker", "class": "procedural", "effect": "ask", "approvers": [{"group": "dba"}],
         "choices": ["once", "text", "pattern"], "grant_for": "10m", "expires": "60s"},
    ],
}


class Test(Checks):
    def __init__(self, s):
        super().__init__()
        self.s, self.people = s, People(s.gw)

    def asked(self, *before, sql="INSERT INTO public.t(v) VALUES (1)", message=None, options=()):
        """The request of a statement behind others in a session of its own; then it is denied, so that it ends."""
        w = Wire(self.s, "worker")
        for b in before:
            got = w.say(b if isinstance(b, bytes) else query(b))
            if states(got):
                self.check(False, f"{b} is refused", got)
        w.put(message or query(sql), options=options)
        r = self.people.whole(self.people.pending())
        self.people.answer("deny", r, "ann", "--reason", "a test")
        w.get()
        w.close()
        return r

    def settings(self):
        plain, again = self.asked(), self.asked("BEGIN", "SET app.tenant = '7'", "ROLLBACK")
        self.equal(again["hash"], plain["hash"], "what was rolled back changes nothing")
        self.equal(self.asked("SET application_name = 'x'")["hash"], plain["hash"], "nor a client's name")
        self.equal(self.asked("SET app.tenant = '7'", "RESET app.tenant")["hash"], plain["hash"], "nor what was reset")
        seen = {plain["hash"]: "plain"}
        for name, *before in (("a custom setting", "SET app.tenant = '7'"), ("another value", "SET app.tenant = '8'"),
                              ("set_config", "SELECT set_config('app.tenant', '9', false)"),
                              ("committed", "BEGIN", "SET app.x = '7'", "COMMIT"),
                              ("local, in its transaction", "BEGIN", "SET LOCAL app.y = '7'"),
                              ("search_path", "SET search_path = other, public"),
                              ("replication role", "SET session_replication_role = replica"),
                              ("computed", "SELECT set_config('app.tenant', (SELECT max(v)::text FROM t), false)"),
                              ("to a savepoint", "BEGIN", "SAVEPOINT a", "SET app.z = '1'", "ROLLBACK TO a", "SET app.z = '2'", "ROLLBACK TO a")):
            r = self.asked(*before)
            self.check(r["hash"] not in seen, f"{name}: asks again", seen.get(r["hash"]))
            self.check(r["body"]["settings"], f"{name}: is shown", r["body"])
            seen[r["hash"]] = name
        r = self.asked("SET app.tenant = '7'")
        self.equal(seen.get(r["hash"]), "a custom setting", "the same again is the same")
        self.equal(r["body"]["settings"], [{"name": "app.tenant", "value": "7"}], "shown with its value")
        shown = self.s.gw.sluice("requests", r["request"]).stdout
        self.check("app.tenant = 7" in shown, "by the CLI, too", shown)
        r = self.asked(options=[["options", "-c search_path=other"]])
        self.equal(r["body"]["settings"], [{"name": "search_path", "value": "other"}], "asked for at login")
        computed = [self.asked("SELECT set_config('app.q', (SELECT 'a'), false)") for _ in range(2)]
        self.check(computed[0]["hash"] != computed[1]["hash"], "a value that cannot be told is never the same")

    def types(self):
        sql = "INSERT INTO t(v) VALUES ($1)"
        one, two, again = (self.asked(message=parse(sql, "", types) + bind(params=[b"5"]) + execute() + SYNC) for types in ((20,), (23,), (20,)))
        self.check(one["hash"] != two["hash"], "declared types are bound")
        self.equal(one["hash"], again["hash"], "the same are the same")
        self.equal(one["body"]["params"][0].get("type"), "int8", "and shown")

    def prepared(self):
        w = Wire(self.s, "worker")
        self.equal(states(w.say(query("PREPARE q(int) AS INSERT INTO t(v) VALUES ($1)"))), [], "PREPARE runs nothing, and asks nobody")
        hashes = []
        for value in (41, 42):
            w.put(query(f"EXECUTE q({value})"))
            r = self.people.whole(self.people.pending())
            hashes.append(r["hash"])
            self.equal(r["body"]["text"], f"EXECUTE q({value})", "asked with its values")
            self.check("INSERT INTO t(v) VALUES ($1)" in r["body"].get("behind", ""), "and with what it runs", r["body"])
            self.people.answer("approve", r, "ann")
            self.equal(states(w.get()), [], "it runs")
        self.equal(len(set(hashes)), 2, "another value asks again")
        w.put(bind("", "q", [b"43"]) + execute() + SYNC)
        r = self.people.whole(self.people.pending())
        self.check("INSERT INTO t" in r["body"]["text"] and r["body"]["params"][0]["text"] == "43", "by Bind: the text and the value", r["body"])
        self.people.answer("approve", r, "ann")
        w.get()
        w.close()
        self.equal(self.s.pg.psql("SELECT count(*) FROM t WHERE v IN (41, 42, 43)", self.s.database), "3", "all ran once")

    def copy_in(self):
        r = self.asked(sql="COPY t(v) FROM STDIN")
        self.equal(r["body"]["reads_data"], True, "COPY FROM STDIN: its rows are not part of it, and that is said")
        self.check("NOT SHOWN" in self.s.gw.sluice("requests", r["request"]).stdout, "plainly")

    def no_patterns(self):
        for sql in ("DO $$BEGIN PERFORM 1; END$$", "DO E'BEGIN PERFORM 1; END'", "INSERT INTO t(v) SELECT run('x')"):
            w = Wire(self.s, "worker")
            w.put(query(sql))
            r = wait_until(lambda: self.people.requests(), 5)
            if not r:
                self.check("42501" in states(w.get()), f"{sql}: refused at once")
                continue
            done = self.people.answer("approve", r[0], "ann", "--choice", "pattern", "--for", "5m")
            self.check(done.returncode == 1 and "does not permit" in done.stderr, f"{sql}: no pattern", done.stdout + done.stderr)
            self.people.answer("deny", r[0], "ann", "--reason", "x")
            w.get()
            w.close()


def main():
    with Stack(POLICY) as s:
        s.pg.psql("CREATE TABLE t(id serial, v bigint); CREATE SCHEMA other; CREATE FUNCTION run(text) RETURNS int LANGUAGE plpgsql AS "
                  "'BEGIN RETURN 1; END'", s.database)
        t = Test(s)
        for step in (t.settings, t.types, t.prepared, t.copy_in, t.no_patterns):
            try:
                step()
            except Exception as e:  # noqa: BLE001
                t.check(False, step.__name__, repr(e))
        if t.failed:
            print(s.gw.log()[-2000:])
    t.done()


main()
