#!/usr/bin/env python3
"""What was opened under an approval, a grant or a policy is read on under what is in force now: each Execute of a cursor or a
suspended portal, each FETCH, is decided and on record."""
import copy
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import pgwire  # noqa: E402
from approvers import SYNC, People, Wire, bind, execute, message, parse, query, states, values, wait_until  # noqa: E402
from stack import Checks, Stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"worker": ["worker"], "boss": ["boss"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"worker": "file:CRED/db", "boss": "file:CRED/db"}}],
    "rules": [
        {"id": "read", "resource": "db", "roles": "worker", "verbs": "select", "relations": "public.open", "effect": "allow"},
        {"id": "ask-secret", "resource": "db", "roles": "worker", "verbs": "select", "relations": "public.secret", "effect": "ask",
         "approvers": [{"group": "dba"}], "choices": ["once", "text", "pattern"], "grant_for": "10m", "expires": "60s"},
        {"id": "boss-all", "resource": "db", "roles": "boss", "verbs": "select", "relations": "public.*", "effect": "allow"},
    ],
    "grants": [{"id": "lend-boss", "role": "boss", "from": "worker", "for": "1h", "approvers": [{"group": "dba"}]}],
}
HELD = "DECLARE c CURSOR WITH HOLD FOR SELECT v FROM secret ORDER BY v"
ROWS = "SELECT v FROM secret ORDER BY v"


class Test(Checks):
    def __init__(self, s):
        super().__init__()
        self.s, self.people = s, People(s.gw)

    def approve(self, wire, *choice):
        r = self.people.pending(rule="ask-secret")
        done = self.people.answer("approve", r, "ann", *choice)
        self.equal(done.returncode, 0, f"approved {done.stderr}")
        return r, wire.get()

    def grant_of(self, r):
        lines = self.s.gw.sluice("grants", "--all", "--json").stdout.splitlines()
        return next(g["grant"] for g in map(json.loads, lines) if g["request"] == r["request"])

    def refused(self, wire, what, sql=True):
        self.equal(states(wire.say(execute("c", 1) + SYNC)), ["42501"], f"{what}: an Execute message is refused")
        self.equal(states(wire.say(query("FETCH 1 FROM c"))), ["42501"], f"{what}: and FETCH")

    def fetched(self, decision):
        return [e for e in self.people.events("op", decision=decision) if e["tag"] == "FETCH"]

    def held_cursor_of_a_grant(self):
        before = len(self.fetched("allow")), len(self.fetched("deny"))
        w = Wire(self.s, "worker")
        w.put(query(HELD))
        r, got = self.approve(w, "--choice", "text", "--for", "5m")
        self.equal(states(got), [], "declared")
        self.equal(values(w.say(execute("c", 1) + SYNC)), ["a"], "read by an Execute message")
        self.equal(values(w.say(query("FETCH 1 FROM c"))), ["b"], "and by FETCH, without another question")
        self.s.gw.sluice("revoke-grant", self.grant_of(r), "--reason", "enough")
        self.refused(w, "the grant is revoked")
        w.close()
        allowed, denied = self.fetched("allow")[before[0]:], self.fetched("deny")[before[1]:]
        self.equal([(e["grant"], e["release"]) for e in allowed], [(self.grant_of(r), allowed[0]["release"])] * 2, "each on record, with the grant")
        self.equal(len(denied), 2, "and each refusal")

    def grant_by_time(self):
        w = Wire(self.s, "worker")
        w.put(query(HELD))
        _, got = self.approve(w, "--choice", "text", "--for", "4s")
        self.equal(values(w.say(execute("c", 1) + SYNC)), ["a"], "read while it lasts")
        over = wait_until(lambda: states(w.say(execute("c", 1) + SYNC)) == ["42501"])
        self.check(over, "and not behind its end")
        self.refused(w, "the grant's time is over")
        w.close()

    def used_up(self):
        """A use is one statement: what it opened is read to its end, and no second one opens."""
        w = Wire(self.s, "worker")
        w.put(query("SELECT v FROM secret WHERE v < 'c'"))
        r, _ = self.approve(w, "--choice", "text", "--for", "5m", "--uses", "1")
        again = parse("SELECT v FROM secret WHERE v < 'c'") + bind("p") + execute("p", 1) + SYNC
        self.equal(values(w.say(query("BEGIN"))), [], "")
        self.equal(values(w.say(again)), ["a"], "the one use")
        wait_until(lambda: json.loads(self.s.gw.sluice("grants", "--all", "--json").stdout.splitlines()[0])["state"] == "used up")
        self.equal(values(w.say(execute("p", 1) + SYNC)), ["b"], "is read to its end")
        w.close()

    def approved_once(self):
        w = Wire(self.s, "worker")
        w.say(query("BEGIN"))
        w.put(parse(ROWS) + bind("p") + execute("p", 1) + SYNC)
        r, got = self.approve(w)
        self.equal(values(got), ["a"], "approved once: the first rows")
        self.equal(values(w.say(execute("p", 1) + SYNC)), ["b"], "the next are of the same approval")
        self.policy(lambda p: p.update(description="another"))
        self.equal(values(w.say(execute("p", 1) + SYNC)), ["c"], "a policy that asks by the same rule changes nothing")
        self.policy(lambda p: p["rules"].pop(1))
        self.equal(states(w.say(execute("p", 1) + SYNC)), ["42501"], "one without it does")
        w.close()
        self.policy(lambda p: None)
        ops = [e for e in self.people.events("op", request=r["request"]) if e["decision"] == "allow"]
        self.equal(len({e["release"] for e in ops}), 1, "all of one release")
        self.equal([e["tag"] for e in ops], ["SELECT", "FETCH", "FETCH"], "each on record")

    def changed_policy(self):
        """Opened when nothing was hidden: read on with the masks of now, or not at all."""
        w = Wire(self.s, "worker")
        w.say(query("DECLARE c CURSOR WITH HOLD FOR SELECT v FROM open"))
        self.equal(values(w.say(execute("c", 1) + SYNC)), ["open-1234"], "read")
        w.say(query("BEGIN"))
        w.say(parse("SELECT v FROM open") + bind("text") + bind("binary", results=(1,)) + execute("text", 1) + SYNC)

        def masked(p):
            p["masks"] = {"m": {"columns": ["public.open.v"], "as": "last4"}}
            p["rules"][0].update(effect="mask", masks=["m"])
        self.policy(masked)
        for what, got in (("an Execute of the cursor", w.say(execute("c", 1) + SYNC)), ("FETCH", w.say(query("FETCH 1 FROM c"))),
                          ("a suspended portal", w.say(execute("text", 1) + SYNC))):
            self.check(len(values(got)) == 1 and values(got)[0].endswith("1234") and "open" not in values(got)[0], f"{what}: masked", got)
        got = w.say(execute("binary", 1) + SYNC)
        self.check(not values(got) and states(got) == ["0A000"], "a portal whose formats were not kept is refused", got)
        w.say(query("ROLLBACK"))
        self.policy(lambda p: p["rules"].pop(0))
        self.refused(w, "a policy without the rule")
        w.close()
        self.policy(lambda p: None)

    def between(self):
        """Bound, and the rules change before its Execute: decided again."""
        w = Wire(self.s, "worker")
        w.say(query("BEGIN"))
        w.say(parse("SELECT v FROM open ORDER BY v") + bind("p") + SYNC)
        self.policy(lambda p: p["rules"].pop(0))
        self.equal(states(w.say(execute("p") + SYNC)), ["42501"], "other rules between Bind and Execute")
        w.close()
        self.policy(lambda p: None)

    def moved_name(self):
        """What it was opened on is what counts, whatever the names mean by now."""
        w = Wire(self.s, "worker")
        w.put(query(HELD))
        r, _ = self.approve(w, "--choice", "text", "--for", "5m")
        w.say(query("SET search_path = other, public"))
        self.s.gw.sluice("revoke-grant", self.grant_of(r), "--reason", "enough")
        self.refused(w, "a name that means another table by now")
        w.close()

    def lend(self, who, why):
        """A session that a role was lent to, and the request behind it."""
        w = Wire(self.s, "worker", sub=who)
        w.say(query("SELECT 1"))
        session = self.people.events("op", identity=who)[0]["session"]
        self.s.gw.sluice("elevate", "--role", "boss", "--for", "5m", "--reason", why, "--session", session)
        r = self.people.pending(rule="lend-boss")
        self.people.answer("approve", r, "ann")
        return w, r

    def lent_role(self):
        w, r = self.lend("lender", "look")
        sql = "DECLARE c CURSOR WITH HOLD FOR SELECT v FROM hidden ORDER BY v"
        self.check(wait_until(lambda: not states(w.say(query(sql)))), "a lent role opens it")
        self.equal(values(w.say(execute("c", 1) + SYNC)), ["x"], "and reads it")
        self.s.gw.sluice("revoke-grant", self.grant_of(r), "--reason", "enough")
        self.refused(w, "the role is taken back")
        w.close()

    def copied_in(self):
        """Rows that the client sends behind the grant's end are not written."""
        with_insert = POLICY["rules"][2]["verbs"]
        self.policy(lambda p: p["rules"][2].update(verbs=[with_insert, "insert"]))
        w, r = self.lend("copier", "load")
        self.check(wait_until(lambda: not states(w.say(query("SELECT v FROM hidden")))), "a role is lent")
        w.put(parse("COPY hidden FROM STDIN") + bind() + execute() + message(b"H"), until="G", stays=True)
        self.equal([k for k, _ in w.get()][-1:], [b"G"], "a COPY begins")
        w.put(message(b"d", b"before\n"), until="", stays=True)
        w.get()
        self.s.gw.sluice("revoke-grant", self.grant_of(r), "--reason", "enough")
        over = wait_until(lambda: self.people.events("flow.close", identity="copier"))
        self.check(over and "has ended" in over[-1]["reason"], "and is over with the grant", over)
        got = w.say(message(b"d", b"after\n") + message(b"c") + SYNC)
        self.check(b"C" not in [k for k, _ in got], "what is sent then is lost", got)
        self.equal(self.s.pg.psql("SELECT count(*) FROM hidden WHERE v IN ('before', 'after')", self.s.database), "0", "nothing was written")
        w.close()
        self.policy(lambda p: None)

    def is_running(self, mark):
        sql = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{mark}%' AND pid <> pg_backend_pid()"
        return self.s.pg.psql(sql, self.s.database) != "0"

    def cut_off(self, w, mark, who, what, row=0):
        """Its client is told why, the server stops, and the record says so."""
        got = w.get()
        last = pgwire.errors(got)[-1:]
        # In the midst of a row anything said would be taken for its data: then the connection ends without a word.
        in_row = row and got and got[-1][0] == b"D" and len(got[-1][1]) < row
        self.check(in_row or last and last[0]["S"] == "FATAL" and last[0]["C"] == "57P01" and "grant" in last[0]["M"], f"{what}: its client is told", last)
        self.check(b"C" not in [k for k, _ in got], f"{what}: it does not end well")
        self.check(wait_until(lambda: not self.is_running(mark)), f"{what}: it is cancelled at the server")
        over = wait_until(lambda: self.people.events("flow.close", identity=who))
        self.check(over and "the grant by which this statement runs has ended" in over[-1]["reason"], f"{what}: it is on record", over)
        w.close()

    def running(self):
        """A statement that runs as its grant ends does not go on: neither one that sends rows nor one that is silent."""
        slow = "SELECT count(*) /* %s */ FROM hidden a, secret b, secret c, secret d, secret e, secret f, secret g, secret h, secret i, secret j, secret k"
        rows = "SELECT repeat(a.v, 100000) /* %s */ FROM hidden a, secret b, secret c, secret d, secret e, secret f, secret g, secret h, secret i, secret j"
        for mark, sql in (("silent", slow), ("streams", rows)):
            w, r = self.lend(mark, "look long")
            self.check(wait_until(lambda: not states(w.say(query("SELECT v FROM hidden")))), f"{mark}: a role is lent")
            w.put(query(sql % mark), until="", stays=True)  # its client does not read on, so that it cannot run to its end
            w.get()
            self.check(wait_until(lambda: self.is_running(mark)), f"{mark}: it runs")
            self.s.gw.sluice("revoke-grant", self.grant_of(r), "--reason", "enough")
            time.sleep(0.6)  # it is cut off within half a second, and its client has one more to read why
            w.put(b"", stays=True)
            self.cut_off(w, mark, mark, mark, row=100000 if mark == "streams" else 0)

    def running_by_time(self):
        """The first statement of a grant for its text, too, ends with it, and those who approved are told."""
        w = Wire(self.s, "worker", sub="timed")
        w.put(query("SELECT count(*) /* timed */ FROM secret a, secret b, secret c, secret d, secret e, secret f, secret g, secret h, secret i, secret j"))
        r = self.people.pending(rule="ask-secret")
        self.equal(self.people.answer("approve", r, "ann", "--choice", "text", "--for", "2s").returncode, 0, "approved for two seconds")
        self.cut_off(w, "timed", "timed", "by time")
        told = wait_until(lambda: self.people.requests("ended", request=r["request"]))
        self.check(told and "has ended" in told[0]["outcome"]["error"], "its approvers are told", told)

    def policy(self, change):
        p = copy.deepcopy(json.loads(json.dumps(POLICY).replace("@PORT@", str(self.s.pg.port))))
        change(p)
        self.s.gw.write_policy(p)
        self.s.gw.sluice("reload")


def main():
    with Stack(POLICY) as s:
        s.pg.psql("CREATE TABLE secret(v text); CREATE TABLE open(v text); CREATE TABLE hidden(v text); CREATE SCHEMA other;"
                  "CREATE TABLE other.secret(v text); INSERT INTO secret SELECT chr(96 + i) FROM generate_series(1, 9) i;"
                  "INSERT INTO open SELECT 'open-1234' FROM generate_series(1, 9); INSERT INTO hidden VALUES ('x'), ('y')", s.database)
        t = Test(s)
        for step in (t.held_cursor_of_a_grant, t.grant_by_time, t.used_up, t.approved_once, t.changed_policy, t.between,
                     t.moved_name, t.lent_role, t.copied_in, t.running, t.running_by_time):
            try:
                step()
            except Exception as e:  # noqa: BLE001
                t.check(False, step.__name__, repr(e))
        done = s.gw.sluice("verify", check=False)
        t.equal(done.returncode, 0, f"the record is whole: {done.stdout}{done.stderr}")
        if t.failed:
            print(s.gw.log()[-3000:])
    t.done()


main()
