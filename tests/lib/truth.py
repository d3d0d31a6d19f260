"""A load of numbered rows, and what has to hold of it whatever fails meanwhile: nothing reaches the database that
is not on record, what was acknowledged is in both, the chain verifies."""
import json
import re
import subprocess
import sys
import threading
import time

import stack

# Inserts numbered rows as fast as it may, reconnects whatever happens, prints what was acknowledged. It ends after so
# many seconds, or, if it is told so, when its standard input does.
LOAD = """
import sys, threading, time
sys.path.insert(0, sys.argv[1]); import pgwire
first, end = int(sys.argv[3]), time.monotonic() + float(sys.argv[4])
n = first
def ends():
    global end
    sys.stdin.read()
    end = 0
if len(sys.argv) > 5:
    threading.Thread(target=ends, daemon=True).start()
while time.monotonic() < end:
    try:
        k = pgwire.Connection('127.0.0.1', int(sys.argv[2]), 'shop', timeout=5)
        while time.monotonic() < end:
            n += 1
            got = k.query('INSERT INTO t VALUES (%d)' % n)
            if pgwire.errors(got):
                time.sleep(0.05)
            else:
                print(n, flush=True)
    except Exception:
        time.sleep(0.1)
"""


class Load:
    """One of them, for as long as it is needed: LIMIT seconds at most."""

    LIMIT = 120

    def __init__(self, s, first):
        self.acknowledged = []
        self.process = load(s, first, self.LIMIT, stdin=subprocess.PIPE)
        self.reader = threading.Thread(target=lambda: self.acknowledged.extend(iter(self.process.stdout.readline, "")), daemon=True)
        self.reader.start()

    def goes_on(self, n=10):
        """Are n more acknowledged, soon?"""
        before = len(self.acknowledged)
        return stack.until(lambda: len(self.acknowledged) > before + n, 60)

    def rests(self, seconds):
        """Is nothing acknowledged for so long, in the end?"""
        def is_still():
            before = len(self.acknowledged)
            time.sleep(seconds)
            return len(self.acknowledged) == before
        return stack.until(is_still, 30)

    def end(self):
        """What was acknowledged."""
        self.process.stdin.close()
        self.process.wait(60)
        self.reader.join(10)
        return {int(n) for n in self.acknowledged}


def load(s, first, seconds, stdin=None):
    argv = [sys.executable, "-c", LOAD, str(stack.ROOT / "tests/lib"), str(s.pg.port), str(first), str(seconds)]
    return s.gw.popen("writer", argv + ["ends-with-input"] * (stdin is not None), stdin=stdin, stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL, text=True)


def recorded(s):
    """Numbers in the record's operations that were allowed."""
    out = set()
    for e in s.gw.events():
        if e["type"] == "op":
            out.update(int(n) for n in re.findall(r"INSERT INTO t VALUES \((\d+)\)", json.dumps(e)))
    return out


def reached_database(s):
    return {int(n) for n in re.findall(r"INSERT INTO t VALUES \((\d+)\)", s.pg.log())}


def check(c, s, acknowledged, when):
    verify = s.gw.sluice("verify", check=False)
    c.equal(verify.returncode, 0, f"{when}: the record verifies ({verify.stdout.strip()} {verify.stderr.strip()})")
    record = recorded(s)
    missing = reached_database(s) - record
    c.check(not missing, f"{when}: every statement that reached the database is in the record", sorted(missing)[:5])
    rows = {int(n) for n in s.pg.psql("SELECT id FROM t", "shop").split()}
    c.check(acknowledged <= rows, f"{when}: what was acknowledged is in the database", sorted(acknowledged - rows)[:5])
    c.check(acknowledged <= record, f"{when}: and in the record", sorted(acknowledged - record)[:5])
