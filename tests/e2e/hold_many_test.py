#!/usr/bin/env python3
"""HOLDS (150) sessions held at once by an `ask` rule, each a real connection to a real PostgreSQL: what a hold costs in
memory, that each gets its own answer, that what was approved ran once and nothing else did, and that the record verifies.
"make hold-many" holds 1,000."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from stack import Checks, ROOT, Stack, until  # noqa: E402

N = int(os.environ.get("HOLDS", 150))  # of one identity: at most BOOK_OWN_MAX
HOLD_KIB = 64  # over an idle session, the daemon's processes together
PATIENCE = 60 + N // 4  # seconds
RULE = {"id": "insert", "resource": "db", "roles": "worker", "verbs": "insert", "relations": "public.*", "effect": "ask",
        "approvers": [{"group": "dba"}], "expires": "1h"}
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"worker": ["worker"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"worker": "file:CRED/db"}}],
    "rules": [RULE],
}
t = Checks()


def pending(gw):
    out = gw.sluice("requests", "--all", "--json").stdout
    return [r for r in map(json.loads, out.splitlines()) if r["state"] == "pending"]


def anonymous_kib(gw):
    """By process of the daemon: memory that is its own."""
    family = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(gw.process.pid)], capture_output=True, text=True).stdout
    sizes = {}
    for pid, name in (line.split(maxsplit=1) for line in family.splitlines()):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        sizes[name] = sizes.get(name, 0) + int(status.split("RssAnon:")[1].split()[0])
    return sizes


def hold(s, agent):
    """All of them held: the requests, and what they cost."""
    t.equal(agent.stdout.readline().strip(), "ready", f"{N} sessions are open")
    idle = anonymous_kib(s.gw)
    agent.stdin.write("\n")
    agent.stdin.flush()
    held = until(lambda: (lambda r: r if len(r) >= N else None)(pending(s.gw)), PATIENCE, 0.5) or pending(s.gw)
    t.equal((len(held), {r["waiting"] for r in held}), (N, {1}), "each is held, once")
    t.equal(len({r["hash"] for r in held}), N, "and a request of its own")
    cost = {name: round((kib - idle.get(name, 0)) / N, 1) for name, kib in anonymous_kib(s.gw).items()}
    print(f"{N} held: KiB for each, over an idle session, by process: {cost}")
    t.check(sum(cost.values()) < HOLD_KIB, f"a hold costs less than {HOLD_KIB} KiB", cost)
    t.equal(s.pg.psql("SELECT count(*) FROM t", s.database), "0", "nothing ran while they wait")
    return held


def answer(gw, token, r, verdict):
    done = gw.sluice(*verdict, r["request"], "--token-file", token, "--hash", r["hash"], check=False)
    return done.returncode, done.stderr


def answers(s, agent, held):
    """One in three is denied. Each session was told its request's name, and that request's answer is its own."""
    token = s.gw.token("dba", sub="ann", owner="ann@people")
    verdicts = {r["request"]: ["approve"] if i % 3 else ["deny", "--reason", f"no to {r['request']}"] for i, r in enumerate(held)}
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda r: answer(s.gw, token, r, verdicts[r["request"]]), held))
    print(f"answered in {time.monotonic() - began:.1f} s")
    t.equal([x for x in said if x[0]], [], "each answer is taken")
    out, err = agent.communicate(timeout=PATIENCE)
    told = json.loads(out) if out else []
    t.equal(len(told), N, f"each session is answered {err[-500:]}")
    approved = []
    for i, one in enumerate(told):
        mine = {r for r in re.findall(r"\br-[0-9a-z-]+", one["told"]) if r in verdicts}
        t.equal(len(mine), 1, f"{i} was told which request it waits for: {one}")
        request = min(mine, default="")
        if verdicts.get(request) == ["approve"]:
            approved.append(i)
            right = one["tag"] == "INSERT 0 1" and not one["error"]
        else:
            right = one["error"].get("C") == "42501" and f"no to {request}" in str(one["error"]) and not one["tag"]
        t.check(right, f"{i} has its own answer", one)
    ran = s.pg.psql("SELECT v FROM t ORDER BY v", s.database).split()
    t.equal([int(v) for v in ran], approved, "what was approved ran once, and nothing else")


def main():
    with Stack(POLICY, settings={"max_connections": N + 100}) as s:
        s.pg.psql("CREATE TABLE t(v int)", s.database)
        argv = [sys.executable, ROOT / "tests/lib/hold_agent.py", "127.0.0.1", s.pg.port, s.database, N]
        agent = s.gw.popen("worker", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            answers(s, agent, hold(s, agent))
            t.equal(until(lambda: not pending(s.gw), 10), True, "nothing waits any more")
            done = s.gw.sluice("verify", check=False)
            t.equal(done.returncode, 0, f"the record verifies {done.stdout}{done.stderr}")
        finally:
            if agent.poll() is None:
                agent.kill()
                agent.wait()
    t.done()


main()
