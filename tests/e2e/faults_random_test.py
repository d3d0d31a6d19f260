#!/usr/bin/env python3
"""Seeded strikes under load: each process of the gateway, the whole of it, a backend, the database; one, or two in a row, at
any moment. Each time: nothing has run without an event that was accepted before it, nothing is permanent without its event
on disk, what was acknowledged is on record, the record verifies, nobody hangs, work goes on.

SEEDS (4) from SEED (1): make faults-random runs it long."""
import datetime
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = stack.one_role("writer", "all", "select", "insert")
SEEDS, SEED, A_STACK = int(os.environ.get("SEEDS", 4)), int(os.environ.get("SEED", 1)), 20
NUMBERS = 1_000_000  # of a seed
NUMBER = re.compile(r"(?:INSERT INTO t VALUES \(|WHERE id = )(\d+)")
# What an event of before a kill of everything may still have been in memory alone: a tenth of a second, and what a busy
# machine adds to it. Only what is not permanent.
IN_MEMORY_S = 2


def children(gw):
    out = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(gw.process.pid)], capture_output=True, text=True).stdout
    return {line.split()[1]: int(line.split()[0]) for line in out.splitlines()}


class Pace:
    """Where processes die too often the gateway gives up, as it should (priv/monitor_internal.h, DEATHS_MAX): that is not
    what is tried here."""
    DEATHS, WINDOW_S = 5, 31

    def __init__(self):
        self.deaths = []

    def wait(self):
        while len(self.deaths) >= self.DEATHS and time.monotonic() - self.deaths[-self.DEATHS] < self.WINDOW_S:
            time.sleep(0.1)
        self.deaths.append(time.monotonic())


PACE = Pace()


class Load:
    def __init__(self, s, first):
        self.acknowledged, self.hung = [], []
        argv = [sys.executable, str(stack.ROOT / "tests/lib/mixedload.py"), str(s.pg.port), str(first)]
        self.process = s.gw.popen("writer", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            word, n = line.split()
            (self.acknowledged if word == "ack" else self.hung).append(int(n))

    def goes_on(self, n=8):
        want = len(self.acknowledged) + n
        return stack.until(lambda: len(self.acknowledged) >= want, 90, 0.02)

    def end(self):
        try:
            self.process.stdin.close()
            self.process.wait(60)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False


def kill_child(name):
    def strike(s, strikes):
        pid = children(s.gw).get(name)
        if pid:
            PACE.wait()
            os.kill(pid, signal.SIGKILL)
    return strike


def kill_all(s, strikes):
    pids = children(s.gw).values()
    strikes.append(time.time())
    s.gw.stop(signal.SIGKILL)
    stack.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids)) # a second one waits for no first one
    s.gw.start()
    PACE.deaths.clear()


def kill_backend(s, strikes):
    pids = s.pg.psql("SELECT pid FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'client backend'", check=False)
    if pids.returncode == 0 and pids.stdout.split():
        os.kill(int(random.choice(pids.stdout.split())), signal.SIGKILL)


def kill_database(s, strikes):
    s.pg.down()
    subprocess.run([stack.PG, "up", s.pg.folder, str(s.pg.port)], check=True)


STRIKES = {"proxy": kill_child("proxy"), "recorder": kill_child("recorder"), "control": kill_child("control"),
           "everything": kill_all, "a backend": kill_backend, "the database": kill_database}


def one_seed(c, s, seed, strikes):
    r = random.Random(seed)
    random.seed(seed)
    chosen = [r.choice(list(STRIKES)) for _ in range(r.choice((1, 1, 2)))]
    what = f"seed {seed} ({', '.join(chosen)})"
    load = Load(s, seed * NUMBERS)
    c.check(load.goes_on(), f"{what}: work goes on before it")
    for name in chosen:
        time.sleep(r.uniform(0, 0.3))
        STRIKES[name](s, strikes)
    c.check(load.goes_on(), f"{what}: work goes on behind it")
    c.check(load.end(), f"{what}: the clients end")
    c.equal(load.hung, [], f"{what}: no client hangs")
    verify = s.gw.sluice("verify", check=False)
    c.equal(verify.returncode, 0, f"{what}: the record verifies ({verify.stdout.strip()} {verify.stderr.strip()})")
    return load.acknowledged


def recorded(s):
    """Number -> when its event was made, of what was let pass."""
    out = {}
    for e in s.gw.events():
        if e["type"] == "op" and e["decision"] == "allow":
            out.update((int(n), e["time"] / 1e9) for n in NUMBER.findall(json.dumps(e)))
    return out


def executed(s):
    """Number -> when the database began with it, by its own log (to the millisecond)."""
    out = {}
    for line in s.pg.log().splitlines():
        at = re.match(r"(\S+ \S+) (?:UTC|GMT|Etc/UTC) \[\d+\]", line)
        for n in NUMBER.findall(line) if at and ("LOG:" in line) else ():
            out.setdefault(int(n), datetime.datetime.fromisoformat(at[1] + "+00:00").timestamp())
    return out


def judge(c, s, what, acknowledged, strikes):
    record, ran = recorded(s), executed(s)
    rows = {int(n) for n in s.pg.psql("SELECT id FROM t", "shop").split()}

    def seeds(numbers):
        return sorted((n // NUMBERS, n) for n in numbers)[:5]
    c.check(len(ran) >= len(acknowledged) > 0, f"{what}: the database's log is there", (len(ran), len(acknowledged)))
    c.check(rows <= set(record), f"{what}: what is permanent is on record", seeds(rows - set(record)))
    in_memory = {n for n in set(ran) - set(record) - rows if any(abs(t - ran[n]) < IN_MEMORY_S for t in strikes)}
    lost = set(ran) - set(record) - in_memory
    c.check(not lost, f"{what}: what reached the database is on record", seeds(lost))
    late = {n for n in ran if n in record and record[n] > ran[n] + 0.001}
    c.check(not late, f"{what}: and was before", seeds(late))
    missing = set(acknowledged) - set(record) - in_memory
    c.check(not missing, f"{what}: what was acknowledged is on record", seeds(missing))
    written = {n for n in acknowledged if n // 100_000 % 10 != 3}
    c.check(written <= rows, f"{what}: and in the database", seeds(written - rows))
    print(f"{what}: {len(acknowledged)} acknowledged, {len(ran)} reached the database, {len(rows)} are permanent, "
          f"{len(record)} on record; of {len(in_memory)} the event was in memory alone when everything died", flush=True)


def main():
    c, seeds = stack.Checks(), list(range(SEED, SEED + SEEDS))
    for i in range(0, SEEDS, A_STACK):
        some, acknowledged, strikes = seeds[i:i + A_STACK], [], []
        with stack.Stack(POLICY, database="shop", settings={"log_timezone": "UTC"}) as s:
            s.pg.psql("CREATE TABLE t (id int)", "shop")
            for seed in some:
                acknowledged += one_seed(c, s, seed, strikes)
            judge(c, s, f"seeds {some[0]} to {some[-1]}", acknowledged, strikes)
            if c.failed:
                print(s.gw.log()[-3000:])
    c.done()


main()
