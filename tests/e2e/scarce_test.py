#!/usr/bin/env python3
"""What there is too little of: the database dies and comes back, the proxy has no descriptors or no memory left. Nothing
passes unrecorded, what was acknowledged is there and on record, the chain verifies, nobody hangs, and work goes on."""
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
import truth  # noqa: E402

POLICY = stack.one_role("writer", "all", "select", "insert")


def proxy(s):
    out = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(s.gw.process.pid)], capture_output=True, text=True).stdout
    return next((int(line.split()[0]) for line in out.splitlines() if line.split()[1] == "proxy"), 0)


def limit(pid, what, value):
    """As its own user: root has not always the capability for others'."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uid, gid = (re.search(rf"^{k}:\s+(\d+)", status, re.M)[1] for k in ("Uid", "Gid"))
    subprocess.run(["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "prlimit", f"--pid={pid}", f"--{what}={value}:"],
                   check=True)


class Load:
    """Numbered rows, inserted as fast as they may be, whatever happens."""

    def __init__(self, s, first, seconds):
        self.s, self.acknowledged = s, []
        self.process = truth.load(s, first, seconds)
        threading.Thread(target=lambda: self.acknowledged.extend(iter(self.process.stdout.readline, "")), daemon=True).start()

    def goes_on(self, n=5):
        before = len(self.acknowledged)
        return stack.until(lambda: len(self.acknowledged) >= before + n, 60)

    def judge(self, c, what):
        try:
            self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            c.check(False, f"{what}: no client hangs")
        time.sleep(0.3)
        truth.check(c, self.s, {int(x) for x in self.acknowledged}, what)


def database_dies(c, s):
    load = Load(s, 1000000, 16)
    c.check(load.goes_on(), "before the database dies")
    for _ in range(2):
        s.pg.down()
        subprocess.run([stack.PG, "up", s.pg.folder, str(s.pg.port)], check=True)
        c.check(load.goes_on(), "the database died and came back: work goes on")
    load.judge(c, "the database died")


# Opens as many sessions as it gets; says how many, and how the others ended.
CROWD = """
import sys, time
sys.path.insert(0, sys.argv[1]); import pgwire
got, lost, kept = 0, 0, []
for i in range(60):
    try:
        kept.append(pgwire.Connection('127.0.0.1', int(sys.argv[2]), 'shop', timeout=10)); got += 1
    except TimeoutError:
        print('hangs'); break
    except Exception:
        lost += 1
print(got, lost)
"""


def no_descriptors(c, s):
    load = Load(s, 2000000, 20)
    c.check(load.goes_on(), "before the descriptors are gone")
    pid = proxy(s)
    used = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
    limit(pid, "nofile", used + 12)
    crowd = s.gw.run("writer", [sys.executable, "-c", CROWD, str(stack.ROOT / "tests/lib"), str(s.pg.port)], timeout=120)
    said = re.match(r"(\d+) (\d+)$", crowd.stdout.strip())
    c.check(said and int(said[2]) > 0, "more sessions than descriptors: some are turned away, none hangs", crowd.stdout + crowd.stderr)
    c.check(load.goes_on(), "a session that is there works on")
    limit(pid, "nofile", 4096)
    late = s.gw.run("writer", ["psql", "-XAt", s.dsn(), "-c", "SELECT 1"])
    c.equal(late.stdout.strip(), "1", "descriptors again: new sessions, too")
    c.equal(proxy(s), pid, "it is the same process")
    load.judge(c, "no descriptors")


def no_memory(c, s):
    """There is no room for a session: it ends, or the proxy does; nothing else comes of it."""
    load = Load(s, 3000000, 16)
    c.check(load.goes_on(), "before the memory is gone")
    pid = proxy(s)
    size = int(re.search(r"VmSize:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    limit(pid, "as", (size + 64) * 1024)
    big = "SELECT count(*) FROM t WHERE id < 0 AND '" + "x" * 100_000 + "' = ''"
    path = s.folder / "big.sql"
    path.write_text(big)
    ended = [s.gw.run("writer", ["psql", "-XAtq", s.dsn(), "-f", path], timeout=60).returncode for _ in range(6)]
    c.check(any(ended), "there was too little", ended)
    died = proxy(s) != pid
    if not died:
        limit(pid, "as", "unlimited")
    c.check(load.goes_on(), "no memory: work goes on")
    late = s.gw.run("writer", ["psql", "-XAt", s.dsn(), "-f", path], timeout=60)
    c.equal(late.stdout.strip(), "0", f"memory again: what had no room has {late.stderr[:300]}")
    load.judge(c, "no memory")


def main():
    c = stack.Checks()
    for part in (database_dies, no_descriptors, no_memory):
        if sys.argv[1:] and part.__name__ not in sys.argv[1:]:
            continue
        with stack.Stack(POLICY, database="shop") as s: # its own: what an allocator kept is not scarce
            s.pg.psql("CREATE TABLE t (id int)", "shop")
            part(c, s)
            if c.failed:
                print(s.gw.log()[-3000:])
    c.done()


main()
