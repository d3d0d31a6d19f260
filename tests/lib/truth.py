"""A load of numbered rows, and what has to hold of it whatever fails meanwhile: nothing reaches the database that
is not on record, what was acknowledged is in both, the chain verifies."""
import json
import re
import subprocess
import sys

import stack

# Inserts numbered rows as fast as it may, reconnects whatever happens, prints what was acknowledged.
LOAD = """
import sys, time
sys.path.insert(0, sys.argv[1]); import pgwire
first, end = int(sys.argv[3]), time.monotonic() + float(sys.argv[4])
n = first
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


def load(s, first, seconds):
    return s.gw.popen("writer", [sys.executable, "-c", LOAD, str(stack.ROOT / "tests/lib"), str(s.pg.port), str(first), str(seconds)],
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


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
