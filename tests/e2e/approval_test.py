#!/usr/bin/env python3
"""Operations that wait for people, with a real PostgreSQL, psql in managed cgroups and real tokens."""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from stack import BUILD, Checks, ROOT, Stack, until  # noqa: E402

PYTHON = "/usr/bin/python3"  # Debian's, whose packages the verifier names

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"worker": ["worker"], "boss": ["boss"], "reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"worker": "file:CRED/db", "boss": "file:CRED/db", "reader": "file:CRED/db"}}],
    "rules": [
        {"id": "read", "resource": "db", "roles": ["worker", "reader"], "verbs": "select", "relations": "public.*",
         "effect": "allow"},
        {"id": "insert-one", "resource": "db", "roles": "worker", "verbs": "insert", "relations": "public.*",
         "effect": "ask", "approvers": [{"group": "dba"}], "choices": ["once", "text", "pattern"], "grant_for": "10m",
         "expires": "60s"},
        {"id": "short", "resource": "db", "roles": "worker", "verbs": "delete", "relations": "public.*",
         "effect": "ask", "approvers": [{"group": "dba"}], "expires": "2s"},
        {"id": "ddl-two", "resource": "db", "roles": "worker", "class": "ddl", "effect": "ask",
         "approvers": [{"group": "dba", "need": 2}], "expires": "60s"},
        {"id": "late", "resource": "db", "roles": "worker", "verbs": "update", "relations": "public.*", "effect": "ask",
         "approvers": [{"group": "dba", "need": 2}], "escalate": [{"after": "2s", "approvers": [{"group": "chief"}]}],
         "expires": "60s"},
        {"id": "boss-all", "resource": "db", "roles": "boss", "verbs": ["select", "update"], "relations": "public.*",
         "effect": "allow"},
    ],
    "grants": [{"id": "lend-boss", "role": "boss", "from": "reader", "for": "1h", "approvers": [{"group": "dba"}]}],
}


class Test(Checks):
    def __init__(self, s):
        super().__init__()
        self.s, self.gw = s, s.gw

    def psql(self, sql, group="worker", args=(), token=None):
        return self.gw.popen(group, ["psql", "-XAt", *args, "-c", sql, self.s.dsn()], token=token,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def requests(self, state="pending", **match):
        out = self.gw.sluice("requests", "--all", "--json").stdout
        all_ = [json.loads(line) for line in out.splitlines()]
        return [r for r in all_ if (not state or r["state"] == state) and all(r[k] == v for k, v in match.items())]

    def pending(self, n=1, **match):
        return until(lambda: (lambda r: r if len(r) >= n else None)(self.requests(**match)))

    def answer(self, verb, r, who, group="dba", *more, ttl="1h"):
        token = self.gw.token(group, sub=who, owner=f"{who}@people", ttl=ttl)
        return self.gw.sluice(verb, r["request"], "--token-file", token, "--hash", r["hash"], *more, check=False)

    def events(self, kind, request=None):
        return [e for e in self.gw.events() if e["type"] == kind and (not request or e.get("request") == request)]

    # --- holding ---

    def two_of_a_group(self):
        p = self.psql("ALTER TABLE t ADD COLUMN note text")
        r = self.pending(rule="ddl-two")[0]
        self.check(p.poll() is None, "the statement waits")
        self.equal(r["tag"], "ALTER TABLE", "the request says what")
        self.equal(r["waiting"], 1, "one waits")
        shown = self.gw.sluice("requests", r["request"]).stdout
        self.check("ADD COLUMN note text" in shown and r["hash"] in shown, "shown whole, with its hash", shown)
        done = self.answer("approve", r, "agent-worker")
        self.check(done.returncode == 1 and "cannot answer it" in done.stderr, "not its own requester", done.stderr)
        done = self.answer("approve", r, "pat@example.com")
        self.check("acts for" in done.stderr, "nor its owner", done.stderr)
        bot = self.gw.token("dba", sub="bot", owner="pat@example.com")
        done = self.gw.sluice("approve", r["request"], "--token-file", bot, "--hash", r["hash"], check=False)
        self.check("acts for pat@example.com" in done.stderr, "nor another agent of that owner", done.stderr)
        done = self.answer("approve", r, "nobody", "worker")
        self.check(done.returncode == 1, "nor one of no asked group", done.stderr)
        done = self.answer("approve", r, "ann")
        self.check("others are still asked" in done.stdout, "one is not two", done.stdout + done.stderr)
        done = self.answer("approve", r, "ann")
        self.check("answered this request already" in done.stderr, "one person counts once", done.stderr)
        self.check(p.poll() is None, "and it still waits")
        for sub, owner in (("Ann", "x@people"), ("\uff41nn", "x@people"), ("helper", "ann"), ("helper", "ANN@people"), ("helper", "Ann")):
            done = self.gw.sluice("approve", r["request"], "--token-file", self.gw.token("dba", sub=sub, owner=owner), "--hash",
                                  r["hash"], check=False)
            self.check("count as one person" in done.stderr, f"{sub} for {owner} is no second person", done.stdout + done.stderr)
        self.check(p.poll() is None, "and it waits on")
        done = self.answer("approve", r, "bob")
        self.check("ran, " in done.stdout and " 0 rows" in done.stdout, "the outcome comes back", done.stdout + done.stderr)
        out, err = p.communicate(timeout=20)
        self.equal((p.returncode, out.strip()), (0, "ALTER TABLE"), f"it ran in the same session: {err}")
        self.check("NOTICE" in err and r["request"] in err, "the client was told", err)
        self.equal(self.s.pg.psql("SELECT count(*) FROM information_schema.columns WHERE table_name='t' AND "
                                  "column_name='note'", self.s.database), "1", "it is in the database")
        done = self.answer("approve", r, "carl")
        self.check(done.returncode == 1 and "no longer open" in done.stderr, "too late an answer", done.stderr)
        return r

    def evidence(self, r):
        votes, release = self.events("approval.vote", r["request"]), self.events("approval.release", r["request"])
        ops = [e for e in self.events("op", r["request"])]
        self.equal(sorted(v["by"] for v in votes), ["ann", "bob"], "each answer is on record")
        self.equal(len(release), 1, "one release")
        self.equal(sorted(release[0]["votes"]), sorted(v["_seq"] for v in votes), "that names its votes")
        self.check(all(v["_seq"] < release[0]["_seq"] for v in votes), "and stands behind them")
        self.equal([(o["decision"], o["release"]) for o in ops], [("allow", release[0]["_seq"])], "the operation names it")
        self.check(ops[0]["_seq"] > release[0]["_seq"], "and stands behind it")
        self.equal([o.get("asked") for o in ops], [True], "and that people were asked")
        listed = [json.loads(line) for line in self.gw.sluice("sessions", "--json").stdout.splitlines()]
        self.equal([s["asked"] for s in listed if s["session"] == r["session"]], [1], "the session's list counts it, once")
        found = self.gw.sluice("search", "--verdict", "ask", "--json", check=False).stdout
        self.check(r["request"] in found, "and a search for what was asked about finds it", found)
        ends = self.events("approval.end", r["request"])
        self.equal([e["end"] for e in ends], ["done"], "its end is on record")

    def forged(self, r):
        """The record chained anew by somebody who changed what it says of the approval."""
        votes, release = self.events("approval.vote", r["request"]), self.events("approval.release", r["request"])[0]["_seq"]
        ann, bob = (v["_seq"] for v in votes)
        op = self.events("op", r["request"])[0]["_seq"]
        asked = self.events("approval.request", r["request"])[0]["_seq"]
        group, two = '{"group":"dba","need":2}', '{"group":"dba","need":1},{"group":"security","need":1}'
        cases = {
            "as it is": (None, 0),
            "a release without votes": (["replace", release, f'"votes":[{ann},{bob}]', '"votes":[]'], release),
            "a vote behind its release": (["swap", bob, release], bob),
            "the same person twice": (["replace", bob, '"by":"bob"', '"by":"ann"'], release),
            "one of two groups is missing": (["replace", asked, group, two], release),
            "the same person, written otherwise": (["replace", bob, '"by":"bob"', '"by":"ANN"'], release),
            "one who acts for the other": (["replace", bob, '"by_owner":"bob@people"', '"by_owner":"ann"'], release),
            "the requester's own": (["replace", bob, '"by":"bob"', '"by":"agent-worker"'], release),
            "a denial": (["replace", bob, '"verdict":"approve"', '"verdict":"deny"'], release),
            "run before it was released": (["swap", release, op], release),
        }
        for what, (change, bad) in cases.items():
            want = f"BAD test-node event {bad}: " if bad else "OK test-node events 1.."
            for said in self.verdicts_on(["export", "--format", "lmdb"], what, change, bool(bad)):
                self.check(said.startswith(want) and (not bad or r["request"] in said), f"{what}: names it", (said, want))

    def verdicts_on(self, export, what, change, code, prepare=None):
        """What both verifiers say of an export that was changed."""
        folder, original, lines = self.gw.folder / "forged", self.gw.folder / "-".join(export), []
        shutil.rmtree(folder, ignore_errors=True)
        if not original.exists():
            self.gw.sluice(*export, "-o", original)
        shutil.copytree(original, folder)
        if change:
            subprocess.run([PYTHON, ROOT / "tests/lib/forge.py", folder, json.dumps(change)], check=True)
        if prepare:
            prepare(folder)
        for name, run in (("sluice verify", [BUILD / "sluice", "verify", folder]),
                          ("verify-export.py", [PYTHON, ROOT / "deploy/verify-export.py", folder])):
            done = subprocess.run(run, capture_output=True, text=True)
            self.equal(done.returncode, code, f"{name}, {what} ({done.stdout}{done.stderr})")
            lines.append((done.stdout.splitlines() or [""])[0])
        if code != 1:
            self.equal(lines[0], lines[1], f"{what}: both say the same")
        return lines

    def left_out(self, r):
        """What an approval rests on goes with every part that has its operation; where somebody took it out, nothing is OK."""
        votes, release = self.events("approval.vote", r["request"]), self.events("approval.release", r["request"])[0]["_seq"]
        ann, bob = (v["_seq"] for v in votes)
        op, asked = self.events("op", r["request"])[0], self.events("approval.request", r["request"])[0]["_seq"]
        end = self.events("approval.end", r["request"])[0]["_seq"]
        since = str(op["time"] // 10**9 + 1)
        whole, n = ["export", "--format", "lmdb"], op["_seq"]
        cases = {
            "an answer": (ann, release, ann), "the other answer": (bob, release, bob), "the release": (release, n, release),
            "the request": (asked, release, 0), "the end of it": (end, 0, 0), "all of it": ((asked, ann, bob, release), n, 0),
        }
        for what, (gone, rests, on) in cases.items():
            change = ["omit", *(gone if isinstance(gone, tuple) else (gone,))]
            for said in self.verdicts_on(whole, f"{what} is left out", change, 2 if rests else 0):
                want = f"CANNOT TELL test-node: event {rests} rests on {f'event {on}' if on else 'one before it'}, which is left out"
                self.check(not rests or said == want, f"{what} is left out: said", (said, want))

        def unfiltered(folder):
            path = folder / "MANIFEST.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "filters": {}}))
        for said in self.verdicts_on(whole, "an answer is left out by no filter", ["omit", ann], 1, unfiltered):
            self.check("names no filter" in said, "which is worse", said)
        for what, filters in {"its session": ["--session", r["session"]], "what was let through": ["--verdict", "allow"],
                              "its resource": ["--resource", "db"], "what was asked about": ["--verdict", "ask"],
                              "what came after": ["--since", since]}.items():
            for said in self.verdicts_on([*whole, *filters], f"a part: {what}", None, 0):
                self.check(said.startswith("OK") and "left-out" in said and "elsewhere" not in said, f"a part, {what}: with its answers", said)

    def denied(self):
        p = self.psql("INSERT INTO t(v) VALUES (1)")
        r = self.pending(rule="insert-one")[0]
        done = self.gw.sluice("deny", r["request"], "--token-file", self.gw.token("dba", sub="ann", owner="nobody@example.com"),
                              "--hash", r["hash"], "--reason", "not on a Friday", check=False)
        self.equal(done.returncode, 0, f"denied {done.stderr}")
        out, err = p.communicate(timeout=20)
        self.check("not on a Friday" in err and p.returncode, "the agent reads why", err)
        self.equal(self.s.pg.psql("SELECT count(*) FROM t", self.s.database), "0", "nothing ran")

    def expired(self):
        p = self.psql("DELETE FROM t")
        r = self.pending(rule="short")[0]
        out, err = p.communicate(timeout=20)
        self.check("expired" in err, "it expires", err)
        done = self.answer("approve", r, "ann")
        self.check(done.returncode == 1 and "expired" in done.stderr, "an answer after the end", done.stderr)

    def wrong_hash(self):
        p = self.psql("INSERT INTO t(v) VALUES (2)")
        r = self.pending(rule="insert-one")[0]
        done = self.answer("approve", {**r, "hash": "0" * 64}, "ann")
        self.check(done.returncode == 1, "another hash is no answer", done.stderr)
        no_terminal = self.gw.sluice("approve", r["request"], "--token-file", self.gw.token("dba", sub="ann", owner="nobody@example.com"),
                                     check=False, stdin=subprocess.DEVNULL)
        self.check("no terminal" in no_terminal.stderr, "nobody approves unseen", no_terminal.stderr)
        self.answer("deny", r, "ann", "dba", "--reason", "x")
        p.communicate(timeout=20)

    def joined(self):
        """A client that gives up and sends the same again joins, and it runs once."""
        sql = "INSERT INTO t(v) VALUES (77)"
        one = self.psql(sql)
        r = self.pending(rule="insert-one")[0]
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        until(lambda: self.requests(request=r["request"])[0]["waiting"] == 0)
        two, three = self.psql(sql), self.psql(sql)
        both = until(lambda: self.requests(request=r["request"], waiting=2))
        self.check(both, "the same request, from new connections", self.requests(state=None, rule="insert-one"))
        self.equal(len(self.requests(rule="insert-one")), 1, "and only that")
        self.answer("approve", r, "ann")
        codes = sorted([two.wait(20), three.wait(20)])
        self.equal(codes[0], 0, "one ran it")
        self.check(codes[1] != 0, "the other is told", codes)
        self.equal(self.s.pg.psql("SELECT count(*) FROM t WHERE v = 77", self.s.database), "1", "it ran once")
        for p in (one, two, three):
            p.communicate()

    def given_up(self):
        """A client that gives up while it waits leaves its operation on record, and the run's line counts it as the list does."""
        sql = "INSERT INTO t(v) VALUES (79)"
        run = 'psql -XAt -c "$0" "$1" </dev/null & p=$!; read x; kill -9 $p; wait'
        p = self.gw.popen("worker", ["sh", "-c", run, sql, self.s.dsn()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
        self.pending(rule="insert-one")
        _, err = p.communicate("\n", timeout=60)
        self.check("  1 ops  1 denied (rule insert-one)" in err, "the run's line counts what was given up", err)
        session = re.search(r"session (s-[a-z0-9]+)", err)
        ops = [e for e in self.gw.events(session[1]) if e["type"] == "op"]
        self.equal([(e["decision"], e.get("asked"), e["request"][:2], "client went away" in e["reason"]) for e in ops], [("deny", True, "r-", True)], "it is on record")
        types = [e["type"] for e in self.gw.events(session[1]) if e["type"] in ("op", "flow.close")]
        self.equal(types, ["op", "flow.close"], "before its flow's end")
        row = next(r for r in map(json.loads, self.gw.sluice("sessions", "--json").stdout.splitlines()) if r["session"] == session[1])
        self.equal((row["ops"], row["denied"], row["asked"]), (1, 1, 1), "and the list says the same")
        self.check(sql not in self.s.pg.log(), "it did not run")
        self.answer("deny", self.requests(request=ops[0]["request"])[0], "ann", "dba", "--reason", "gone")

    def approved_while_nobody_waits(self):
        sql = "INSERT INTO t(v) VALUES (78)"
        p = self.psql(sql)
        r = self.pending(rule="insert-one")[0]
        p.kill()
        p.wait()
        until(lambda: self.requests(request=r["request"])[0]["waiting"] == 0)
        done = self.answer("approve", r, "ann")
        self.check("nobody waits now" in done.stdout, "the approver is told", done.stdout + done.stderr)
        p = self.psql(sql)
        out, err = p.communicate(timeout=20)
        self.equal(p.returncode, 0, f"the next that sends it runs it {err}")
        self.equal(self.s.pg.psql("SELECT count(*) FROM t WHERE v = 78", self.s.database), "1", "once")

    def cancelled(self):
        p = self.psql("INSERT INTO t(v) VALUES (3)")
        r = self.pending(rule="insert-one")[0]
        kids = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True).stdout.split()
        pid = int(kids[0]) if kids else p.pid
        os.kill(pid, signal.SIGINT)  # psql sends a CancelRequest
        out, err = p.communicate(timeout=20)
        self.check("user request" in err, "a cancel ends the hold", err)
        over = until(lambda: self.requests(state="ended", request=r["request"]))
        self.equal(over and (over[0]["end"], over[0]["end_reason"]), ("withdrawn", "cancelled by the client that asked"),
                   "and the request, at once")
        self.equal([e["end"] for e in self.events("approval.end", r["request"])], ["withdrawn"], "on record")
        done = self.answer("approve", r, "ann")
        self.check(done.returncode == 1 and "no longer open" in done.stderr, "and nobody can approve it", done.stderr)

    def changed_names(self):
        """What was approved is what runs: a name that means another table by now is no longer that."""
        for sql, changed in (("INSERT INTO t(v) VALUES (501)", False), ("INSERT INTO t(v) VALUES (500)", True)):
            p = self.psql(sql)
            r = self.pending(rule="insert-one")[0]
            self.s.pg.psql("CREATE SCHEMA app; CREATE TABLE app.t(id serial, v int)" if changed else "CREATE TABLE other(x int)",
                           self.s.database)
            done = self.answer("approve", r, "dan")
            out, err = p.communicate(timeout=30)
            if changed:
                self.check(p.returncode and "mean something else by now" in err, "another table by the same name is refused", out + err)
                self.equal(self.s.pg.psql("SELECT count(*) FROM app.t", self.s.database), "0", "and nothing ran")
                self.s.pg.psql("DROP SCHEMA app CASCADE", self.s.database)
                self.answer("deny", r, "bob", "dba", "--reason", "x")
            else:
                self.equal(p.returncode, 0, f"a change elsewhere is none: {err}{done.stdout}")

    def escalated(self):
        p = self.psql("UPDATE t SET v = 501 WHERE v = 501")
        r = self.pending(rule="late")[0]
        done = self.answer("approve", r, "cat", "chief", "--no-wait")
        self.check(done.returncode == 1, "the chief is not asked yet", done.stdout)
        self.check(until(lambda: self.requests(request=r["request"], stage=1)), "then the chief is")
        done = self.answer("approve", r, "cat", "chief")
        self.check("ran, " in done.stdout, "and is enough", done.stdout + done.stderr)
        self.equal(p.wait(20), 0, "it runs")
        p.communicate()
        kinds = [e["type"] for e in self.events("approval.escalate", r["request"]) + self.events("approval.release", r["request"])]
        self.equal(kinds, ["approval.escalate", "approval.release"], "the stage is on record")

    def token_ends(self):
        p = self.psql("INSERT INTO t(v) VALUES (600)", token={"sub": "short-lived", "ttl": "3s"})
        r = self.pending(rule="insert-one", subject="short-lived")[0]
        out, err = p.communicate(timeout=30)
        self.check(p.returncode and "expired" in err, "a token that expires ends the hold", err)
        # Whoever sees it first: the request is withdrawn with its identity, or waits for it to come again.
        over = until(lambda: self.requests(state=None, request=r["request"], waiting=0))
        self.check(over and over[0]["end"] in ("withdrawn", ""), "nobody waits any more", over)
        self.answer("deny", r, "eve", "dba", "--reason", "x")

    def patience(self):
        """The client's and the middleboxes' patience is kept: a notice every 15 s."""
        p = self.psql("INSERT INTO t(v) VALUES (601)")
        r = self.pending(rule="insert-one")[0]
        time.sleep(16.5)
        self.answer("deny", r, "ann", "dba", "--reason", "enough")
        out, err = p.communicate(timeout=30)
        self.check(f"request {r['request']} still waits for its approval, 15 s now" in err, "a notice meanwhile", err)

    def race(self):
        """An approval against a cancel, at any distance: it runs once or not at all, and the record says which."""
        rng = random.Random(6)
        for i in range(8):
            v = 700 + i
            p = self.psql(f"INSERT INTO t(v) VALUES ({v})")
            r = self.pending(rule="insert-one")[0]
            kids = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True).stdout.split()
            token = self.gw.token("dba", sub="ann", owner="nobody@example.com")
            run = [BUILD / "sluice", "approve", r["request"], "--token-file", token, "--hash", r["hash"], "--no-wait"]
            vote = subprocess.Popen(run, env=self.gw.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, 0.12))
            with contextlib.suppress(ProcessLookupError):  # the vote was faster
                os.kill(int(kids[0]) if kids else p.pid, signal.SIGINT)
            vote.wait(20)
            out, err = p.communicate(timeout=30)
            ran = self.s.pg.psql(f"SELECT count(*) FROM t WHERE v = {v}", self.s.database)
            self.check(ran == ("1" if "INSERT" in out else "0"), f"{v}: what the client was told is true", f"{ran}: {out}{err}")
            if ran == "0":  # the cancel was faster: it is over, and asked about anew when it is sent again
                over = until(lambda: self.requests(state="ended", request=r["request"]))
                self.equal(over and over[0]["end"], "withdrawn", f"{v}: cancelled")
                self.equal([o for o in self.events("op", r["request"]) if o["decision"] == "allow"], [], f"{v}: and did not run")
                again = self.psql(f"INSERT INTO t(v) VALUES ({v})")
                r = self.pending(rule="insert-one")[0]
                self.answer("approve", r, "bob")
                again.communicate(timeout=30)
                ran = self.s.pg.psql(f"SELECT count(*) FROM t WHERE v = {v}", self.s.database)
                self.equal(ran, "1", f"{v}: sent again, once")
            ops = [o for o in self.events("op", r["request"]) if o["decision"] == "allow"]
            self.equal(len(ops), 1, f"{v}: on record once")

    def bound_to_parameters(self):
        """Extended protocol: prepared apart (which asks nobody), then bound; a changed value asks again."""
        lib = str(pathlib.Path(__file__).resolve().parents[1] / "lib")
        script = ("import sys; sys.path.insert(0, sys.argv[1]); import pgwire as w; "
                  "c = w.Connection('127.0.0.1', int(sys.argv[2]), sys.argv[3]); "
                  "c.send(w.message(b'P', w.cstr('p') + w.cstr('INSERT INTO t(v) VALUES ($1)') + b'\\0\\0') + w.message(b'S')); "
                  "c.until(b'Z'); v = sys.argv[4].encode(); "
                  "c.send(w.message(b'B', w.cstr('') + w.cstr('p') + b'\\0\\0\\0\\1' + len(v).to_bytes(4, 'big') + v + b'\\0\\0') + "
                  "w.message(b'E', w.cstr('') + bytes(4)) + w.message(b'S')); "
                  "m = c.until(b'Z'); print(any(k == b'C' for k, _ in m)); print(w.rows(c.query('SELECT 1')))")
        ps = [self.gw.popen("worker", [sys.executable, "-c", script, lib, self.s.pg.port, self.s.database, v],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for v in (10, 11)]
        rs = self.pending(2, rule="insert-one") or []
        self.equal(len({r["hash"] for r in rs}), 2, "two values, two requests")
        for r in rs:
            whole = json.loads(self.gw.sluice("requests", r["request"], "--json").stdout)
            value = whole["body"]["params"][0]
            self.check(value, "the value is shown", whole["body"])
        self.answer("approve", rs[0], "ann")
        self.answer("deny", rs[1], "ann", "dba", "--reason", "x")
        outs = [p.communicate(timeout=20) for p in ps]
        self.check(all("1" in o.splitlines()[-1] for o, e in outs if o), "both sessions go on", outs)
        self.equal(sorted(o.startswith("True") for o, e in outs), [False, True], f"one ran, in its session {outs}")

    def bound_to_meaning(self):
        """The same text under another DateStyle, or from somebody who logs in as another user, asks again."""
        sql = "INSERT INTO t(v) VALUES (extract(day FROM '02/03/2026'::date)::int)"
        dsn = self.s.dsn()
        ways = (dsn + "?options=-cDateStyle%3DMDY", dsn + "?options=-cDateStyle%3DDMY", dsn.replace("agent:", "other:"))
        ps = [self.gw.popen("worker", ["psql", "-XAt", "-c", sql, way], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for way in ways]
        rs = self.pending(3, rule="insert-one") or []
        self.equal(len({r["hash"] for r in rs}), 3, "three meanings, three requests")
        for p in ps:
            p.send_signal(signal.SIGTERM)
            p.communicate(timeout=20)
        until(lambda: not self.requests(waiting=1))
        for r in rs:
            self.answer("deny", r, "ann", "dba", "--reason", "a test")

    # --- grants ---

    def pattern(self):
        p = self.psql("INSERT INTO t(v) VALUES (100)")
        r = self.pending(rule="insert-one")[0]
        done = self.answer("approve", r, "ann", "dba", "--choice", "pattern", "--for", "5m", "--uses", "2")
        self.equal(p.wait(20), 0, f"it ran {done.stdout}{done.stderr}")
        p.communicate()
        codes = []
        for v in (101, 102):
            p = self.psql(f"INSERT INTO t(v) VALUES ({v})")
            codes.append(p.wait(20))
            p.communicate()
        self.equal(codes, [0, 0], "other constants pass")
        p = self.psql("INSERT INTO t(v) VALUES (103)")
        r = self.pending(rule="insert-one")
        self.check(r, "as often as was granted")
        self.answer("deny", r[0], "ann", "dba", "--reason", "x")
        p.communicate(timeout=20)

    def elevation(self):
        script = ("sluice --socket \"$1\" elevate --role boss --for 30m --reason 'fix a row'; "
                  "for i in $(seq 200); do psql -XAtc 'UPDATE t SET v = 5 WHERE v = 77' \"$0\" && break; sleep 0.1; done; "
                  "while psql -XAtc 'UPDATE t SET v = 5 WHERE v = 5' \"$0\"; do sleep 0.1; done; "
                  "sluice --socket \"$1\" status")
        env = {**self.gw.env, "PATH": f"{BUILD}:{os.environ['PATH']}"}
        run = [str(BUILD / "sluice"), "run", "--without", "unix", "--token-file", str(self.gw.token("reader")), "--", "sh",
               "-c", script, self.s.dsn(), str(self.gw.socket)]
        p = subprocess.Popen(run, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        r = self.pending(rule="lend-boss")[0]
        self.equal((r["kind"], r["gives"], r["reason"]), ("role", "boss", "fix a row"), "a role is asked for from inside")
        done = self.answer("approve", r, "ann", "dba", "--for", "1m", "--relation", "public.t")
        self.check("grant g-" in done.stdout, "granted", done.stdout + done.stderr)
        grants = [json.loads(line) for line in self.gw.sluice("grants", "--json").stdout.splitlines()]
        mine = [g for g in grants if g["request"] == r["request"]]
        self.check(mine and mine[0]["until"] - mine[0]["made"] == 60, "shortened", grants)
        ok = until(lambda: self.s.pg.psql("SELECT count(*) FROM t WHERE v = 5", self.s.database) == "1")
        self.check(ok, "the granted role's rule lets it pass")
        self.gw.sluice("revoke-grant", mine[0]["grant"], "--reason", "enough")
        out, err = p.communicate(timeout=60)
        self.check("requests from inside a workload are refused" in err, "nothing else is answered inside", err)
        self.check("no rule lets role" in err and "reader" in err, "a revoked grant lets nothing pass", err)
        self.check(self.events("grant.end"), "its end is on record")

    # --- bad input ---

    def hostile_text(self):
        p = self.psql("INSERT INTO t(v) VALUES (4) /* \x1b[31m\u202eevil \u200b */")
        r = self.pending(rule="insert-one")[0]
        out = self.gw.sluice("requests", r["request"]).stdout
        self.check("\x1b" not in out and "\u202e" not in out and "\u200b" not in out, "shown inert", repr(out))
        self.answer("deny", r, "ann", "dba", "--reason", "\x1b[2Jx")
        out, err = p.communicate(timeout=20)

    def revoked_approver(self):
        p = self.psql("ALTER TABLE t ADD COLUMN other text")
        r = self.pending(rule="ddl-two")[0]
        self.answer("approve", r, "ann", "dba", "--no-wait")
        done = self.gw.sluice("revoke-approver", "ann")
        self.check("no longer count: 1" in done.stdout, "her answer is void", done.stdout)
        done = self.answer("approve", r, "bob", "dba", "--no-wait")
        time.sleep(0.3)
        self.check(p.poll() is None, "one good answer is not two", done.stdout + done.stderr)
        self.answer("deny", r, "carl", "dba", "--reason", "x")
        p.communicate(timeout=20)

    def policy_change(self):
        p = self.psql("INSERT INTO t(v) VALUES (6)")
        r = self.pending(rule="insert-one")[0]
        policy = json.loads(json.dumps(POLICY).replace("@PORT@", str(self.s.pg.port)))
        policy["description"] = "another"
        self.gw.write_policy(policy)
        self.gw.sluice("reload")
        out, err = p.communicate(timeout=20)
        self.check("policy" in err and p.returncode, "a new policy ends the hold", err)
        self.equal(self.requests(state=None, request=r["request"])[0]["end"], "withdrawn", "and the request")

    def revoked_session(self):
        p = self.psql("INSERT INTO t(v) VALUES (7)")
        r = self.pending(rule="insert-one")[0]
        self.gw.sluice("revoke", r["session"], "--reason", "enough")
        out, err = p.communicate(timeout=20)
        self.check(p.returncode, "a revoked identity ends the hold", err)
        end = until(lambda: self.requests(state="ended", request=r["request"]))
        self.equal(end and end[0]["end"], "withdrawn", "and the request")

    def restart(self):
        p = self.psql("INSERT INTO t(v) VALUES (8)")
        self.pending(rule="insert-one")
        self.gw.stop()
        p.communicate(timeout=30)
        self.check(p.returncode, "a restart ends the hold")
        self.gw.start()
        self.equal(self.requests(state=None), [], "nothing that was asked is left")
        self.equal(self.s.pg.psql("SELECT count(*) FROM t WHERE v IN (2, 3, 4, 6, 7, 8, 103, 500, 600, 601)", self.s.database), "0",
                   "nothing ran that was not approved")
        done = self.gw.sluice("verify", check=False)
        self.equal(done.returncode, 0, f"the record is whole: {done.stdout}{done.stderr}")


def main():
    with Stack(POLICY, config={"audit": {"checkpoint_seconds": 3600}}) as s:  # signed when it stops, once
        s.pg.psql("CREATE TABLE t(id serial, v int)", s.database)
        t = Test(s)
        r = t.two_of_a_group()
        t.evidence(r)
        for step in (t.denied, t.expired, t.wrong_hash, t.joined, t.given_up, t.approved_while_nobody_waits, t.cancelled,
                     t.escalated, t.token_ends, t.race, t.patience, t.bound_to_parameters, t.bound_to_meaning, t.pattern, t.elevation,
                     t.hostile_text, t.revoked_approver, t.policy_change, t.revoked_session, t.changed_names, t.restart, lambda: t.forged(r), lambda: t.left_out(r)):
            try:
                step()
            except Exception as e:  # noqa: BLE001
                t.check(False, getattr(step, "__name__", "?"), repr(e))
        if t.failed:
            print(s.gw.log()[-3000:])
    t.done()


main()
