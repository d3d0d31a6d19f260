#!/usr/bin/env python3
"""Each process killed under load, a full disk, a store that cannot be written: nothing passes unrecorded, what
was acknowledged is in the record, the chain verifies, the daemon comes back."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
import truth  # noqa: E402

POLICY = stack.one_role("writer", "all", "select", "insert")


def children(gw):
    out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(gw.process.pid)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in out.splitlines()]


def comm(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def kill_children(c, s):
    """One process of the daemon at a time, whichever place it has among the children."""
    first = 0
    for round_no in range(len(children(s.gw))):
        first += 1000000
        load = truth.Load(s, first)
        c.check(load.goes_on(), f"child {round_no} killed: work went on before")
        pids = children(s.gw)
        victim = pids[round_no % len(pids)]
        os.kill(victim, signal.SIGKILL)
        c.check(stack.until(lambda: victim not in children(s.gw)), f"child {round_no} killed: it is gone")
        c.check(load.goes_on(), f"child {round_no} killed: work goes on with the next one")
        late = s.gw.run("writer", ["psql", "-XAt", s.dsn(), "-c", "SELECT 1"])
        c.equal(late.stdout.strip(), "1", f"child {round_no} killed: the daemon comes back by itself")
        truth.check(c, s, load.end(), f"child {round_no} killed")


def stop_recorder(c, s):
    """One that hangs: a write is held and then refused, not acknowledged; new connects end; it is replaced."""
    recorder = next(p for p in children(s.gw) if comm(p) == "recorder")
    load = truth.Load(s, 60000000)
    c.check(load.goes_on(), "a hanging recorder: work goes on before it")
    os.kill(recorder, signal.SIGSTOP)
    time.sleep(1)
    before = len(load.acknowledged)
    late = s.gw.run("writer", ["psql", "-XAt", s.dsn(), "-c", "INSERT INTO t VALUES (69000000)"], timeout=60)
    c.check(late.returncode != 0 or not os.path.exists(f"/proc/{recorder}"), "a hanging recorder: nothing is acknowledged", late)
    c.check(len(load.acknowledged) - before <= 1 or not os.path.exists(f"/proc/{recorder}"), "nor of what was connected")
    c.check(stack.until(lambda: not os.path.exists(f"/proc/{recorder}"), 60), "a hanging recorder is found and replaced")
    c.check(load.goes_on(), "work goes on with the next one")
    truth.check(c, s, load.end(), "after a hanging recorder")


def kill_monitor(c, s):
    load = truth.Load(s, 50000000)
    c.check(load.goes_on(), "the monitor killed: work went on before")
    s.gw.stop(signal.SIGKILL)
    config = str(s.gw.folder / "etc/sluice.json")
    left = lambda: subprocess.run(["pgrep", "-f", config], capture_output=True, text=True).stdout.split()  # noqa: E731
    c.check(stack.until(lambda: not left(), 5), "the monitor killed: its children go with it", left())
    s.gw.start()
    c.check(load.goes_on(), "the monitor killed: the workload goes on after the restart")
    truth.check(c, s, load.end(), "the monitor killed")


def full_disk(c, s, disk):
    filler = disk / "filler"
    load = truth.Load(s, 70000000)
    c.check(load.goes_on(), "a full disk: work goes on before it")
    try:
        with open(filler, "wb", buffering=0) as f:
            while True:
                f.write(b"\0" * 65536)
    except OSError:  # it is full: by the record itself, on a fast machine
        pass
    c.check(load.rests(2), "a full disk: nothing more passes", len(load.acknowledged))
    filler.unlink(missing_ok=True)
    c.check(load.goes_on(5), "room again: work goes on")
    truth.check(c, s, load.end(), "after a full disk")


def main():
    c = stack.Checks()
    disk = pathlib.Path(f"/tmp/sl-disk-{os.getpid()}")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", disk], check=True)
    try:
        config = {"state_dir": str(disk / "state"), "audit": {"segment_bytes": 268435456}}
        (disk / "state").mkdir()
        with stack.Stack(POLICY, database="shop", config=config) as s:
            s.pg.psql("CREATE TABLE t (id int)", "shop")
            kill_children(c, s)
            stop_recorder(c, s)
            kill_monitor(c, s)
            full_disk(c, s, disk)
    finally:
        subprocess.run(["umount", "-l", disk])
        disk.rmdir()
    c.done()


main()
