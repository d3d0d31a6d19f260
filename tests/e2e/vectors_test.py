#!/usr/bin/env python3
"""Each way around that the kernel side tells by name (bypass.attempt): tried from a workload without the guard, it is on
record under its vector, and a policy that kills on that vector, and on no other, kills. Those of BPF LSM where it is."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = stack.one_role("viewer", "read", "select")
SLOWNESS = float(os.environ.get("SLOWNESS", "1"))
TCP = "socket.socket(socket.AF_INET, socket.SOCK_STREAM)"
# vector: (what tries it, BPF LSM?). OUT: a process outside; GIVER: a Unix socket of another workload, which hands one of its
# sockets to whoever comes. (LSM stops that at the door.)
TRIES = {
    "protocol": ("socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)", False),
    "network-namespace": (f"libc.unshare(0x40000000); {TCP}.connect(('192.0.2.1', 9))", False),
    "gateway-port": (f"[{TCP}.connect_ex(('127.0.0.1', p)) for p in PORTS]", False),
    "bound-device": ("s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, 25, DEV); s.sendto(b'x', ('192.0.2.1', 53))", False),
    "device": ("os.mknod('/tmp/vec-%d' % os.getpid(), 0o20600, os.makedev(1, 1)); os.open('/tmp/vec-%d' % os.getpid(), os.O_RDONLY)", False),
    "foreign-socket": ("s = given(); s.connect(('192.0.2.1', 9))", None),
    "socket-family": ("socket.socket(40, socket.SOCK_STREAM)", True),
    "unix-socket": ("socket.socket(socket.AF_UNIX).connect(GIVER)", True),
    "trace": ("libc.ptrace(16, OUT, 0, 0)", True),
    "bpf": ("libc.syscall(321, 0, 0, 0)", True),
    "cgroup": ("open(TOP + '/cgroup.procs', 'w')", True),
}
PRELUDE = r"""
import ctypes, os, socket, sys, time, array
libc = ctypes.CDLL(None, use_errno=True)
OUT, GIVER, TOP, DB, DEV = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5].encode()
PORTS = range(900, 1024)
def given():
    s = socket.socket(socket.AF_UNIX)
    s.connect(GIVER)
    data, anc, _, _ = s.recvmsg(1, 64)
    a = array.array("i"); a.frombytes(anc[0][2][:4])
    return socket.socket(fileno=a[0])
try:
    %s
except OSError as e:
    print(e, flush=True)
print("tried", flush=True)
time.sleep(60)
"""


def until(what, seconds=15):
    end = time.monotonic() + seconds * SLOWNESS
    got = what()
    while not got and time.monotonic() < end:
        time.sleep(0.1)
        got = what()
    return got


GIVE = r"""
import array, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
print("there", flush=True)
while True:
    conn = listener.accept()[0]
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    conn.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
"""


def bare(gw, argv):
    """As a workload without the guard: what the kernel side alone makes of it."""
    run = gw.command("viewer", argv)
    run[2:2] = ["--without", "view,capabilities,privileges,scope,calls,unix"]
    return subprocess.Popen(run, env=gw.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


class Device:
    """An interface that is not lo."""

    def __enter__(self):
        self.name = f"vec{os.getpid()}"
        subprocess.run(["ip", "link", "add", self.name, "type", "veth"], check=True)
        subprocess.run(["ip", "link", "set", self.name, "up"], check=True)
        return self.name

    def __exit__(self, *exc):
        subprocess.run(["ip", "link", "del", self.name])


def one(c, s, vector, code, args):
    """Killed by its own vector; with a policy that kills on all others it goes on."""
    gw = s.gw
    for on in (True, False):
        kills = [vector] if on else [v for v in TRIES if v != vector]
        gw.write_policy(json.dumps({**POLICY, "bypass": {"kill": kills}}).replace("@PORT@", str(s.pg.port)))
        gw.sluice("reload")
        known = {e["session"] for e in gw.events() if e["type"] == "session.start"}
        p = bare(gw, [sys.executable, "-c", PRELUDE % code, *args])
        mine = lambda kind: [e for e in gw.events() if e["type"] == kind and e.get("session") not in known]  # noqa: E731
        told = until(lambda: mine("bypass.attempt"))
        c.check(bool(told) and told[0]["vector"] == vector and "python" in told[0]["exe"], f"{vector}: on record", told)
        if on:
            try:
                c.equal(p.wait(20 * SLOWNESS), 128 + signal.SIGKILL, f"{vector}: killed")
            except subprocess.TimeoutExpired:
                c.check(False, f"{vector}: killed", mine("session.kill"))
            c.check([e["reason"].endswith(vector) for e in mine("session.kill")] == [True], f"{vector}: and why", mine("session.kill"))
        else:
            c.check(p.poll() is None and not mine("session.kill"), f"{vector}: not for another's", mine("session.kill"))
        p.terminate()
        p.communicate(timeout=30 * SLOWNESS)


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s, Device() as device:
        gaps = json.loads(s.gw.sluice("status", "--json").stdout)["gaps"]
        has_lsm = "other_families" not in gaps
        top = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2" and line.startswith("cgroup2 /sys"))
        giver = str(s.folder / "giver.sock")
        other = bare(s.gw, [sys.executable, "-c", GIVE, giver])
        other.stdout.readline()
        args = [str(os.getpid()), giver, top, str(s.pg.port), device]
        for vector, (code, needs_lsm) in TRIES.items():
            if needs_lsm is not None and needs_lsm and not has_lsm:
                c.skip(f"{vector}: no BPF LSM here")
            elif needs_lsm is None and has_lsm:
                one(c, s, "unix-socket", code, args)
            else:
                one(c, s, vector, code, args)
        other.terminate()
        other.communicate(timeout=30 * SLOWNESS)
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    c.done()


main()
