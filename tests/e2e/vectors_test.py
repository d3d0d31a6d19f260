#!/usr/bin/env python3
"""Each way around that the kernel side tells by name (bypass.attempt): tried from a workload without the guard, it is on
record under its vector, and a policy that kills on that vector, and on no other, kills. Those of BPF LSM where it is.
On a slow machine (an emulated one) two are killed, and all are on record."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = stack.one_role("viewer", "read", "select")
TCP = "socket.socket(socket.AF_INET, socket.SOCK_STREAM)"
# vector: (what tries it, BPF LSM?). OUT: a process outside; DOOR: a Unix socket of one.
TRIES = {
    "protocol": ("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", False),
    "network-namespace": (f"libc.unshare(0x40000000); {TCP}.connect(('192.0.2.1', 9))", False),
    "gateway-port": (f"[{TCP}.connect_ex(('127.0.0.1', p)) for p in PORTS]", False),
    "bound-device": ("s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, 25, DEV); s.sendto(b'x', ('192.0.2.1', 53))", False),
    "device": ("p = '/tmp/vec-%d' % os.getpid(); os.mknod(p, 0o20600, os.makedev(1, 1)); f = os.open(p, os.O_PATH); os.unlink(p); os.open('/proc/self/fd/%d' % f, os.O_RDONLY)", False),
    "multicast-group": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).setsockopt(0, 35, socket.inet_aton('239.1.2.3') + bytes(4))", False),
    "socket-family": ("socket.socket(40, socket.SOCK_STREAM)", True),
    "unix-socket": ("socket.socket(socket.AF_UNIX).connect(DOOR)", True),
    "trace": ("libc.ptrace(16, OUT, 0, 0)", True),
    "bpf": ("libc.syscall(321, 0, 0, 0)", True),
    "cgroup": ("open(TOP + '/cgroup.procs', 'w')", True),
}
# The same of a process that somebody moves out of another workload into this one: with a socket of there (MADE), and one
# that waits in a Unix socket (PAIR).
JOINS = {
    "foreign-socket": ("MADE.connect(('192.0.2.1', 9))", False),
    "handed-socket": ("print(socket.recv_fds(PAIR, 1, 1)[1])", True),
}
PRELUDE = r"""
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
OUT, DOOR, TOP, DB, DEV = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5].encode()
PORTS = range(900, 1024)
for code in sys.argv[6:]:
    pid = os.fork()
    if not pid:
        try:
            exec(code)
        except OSError as e:
            print(e, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
time.sleep(600)
"""
COMES = r"""
import os, socket, sys, time
def come(cgroup):
    with open(cgroup + "/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))
come(sys.argv[1])
MADE = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
PAIR, other = socket.socketpair()
socket.send_fds(other, [b"x"], [MADE.fileno()])
come(sys.argv[2])
try:
    %s
except OSError as e:
    print(e, flush=True)
time.sleep(600)
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


def asleep(gw, argv=("sleep", "600")):
    """A workload, and its cgroup."""
    rows = lambda: json.loads(gw.sluice("status", "--json").stdout)["workloads"]  # noqa: E731
    known = {r["session"] for r in rows()}
    p = bare(gw, list(argv))
    return p, stack.until(lambda: [r for r in rows() if r["session"] not in known])[0]["cgroup"]


def comes(vector, came_from, cgroup):
    return subprocess.Popen([sys.executable, "-c", COMES % JOINS[vector][0], came_from, cgroup], stdout=subprocess.DEVNULL)


def end(*processes):
    for p in processes:
        p.terminate()
        p.communicate(timeout=30 * stack.SLOWNESS)


def policy(s, kills):
    s.gw.write_policy(json.dumps({**POLICY, **({"bypass": {"kill": kills}} if kills else {})}).replace("@PORT@", str(s.pg.port)))
    s.gw.sluice("reload")


def since(gw, known):
    return lambda kind: [e for e in gw.events() if e["type"] == kind and e.get("session") not in known]


def sessions(gw):
    return {e["session"] for e in gw.events() if e["type"] == "session.start"}


def recorded(c, s, vectors, args, other):
    """All from one workload, which nobody kills for any of them."""
    gw = s.gw
    policy(s, [])
    mine = since(gw, sessions(gw))
    p, cgroup = asleep(gw, [sys.executable, "-c", PRELUDE, *args, *(TRIES[v][0] for v in vectors if v in TRIES)])
    came = [comes(v, other, cgroup) for v in vectors if v in JOINS]
    told = lambda: {e["vector"] for e in mine("bypass.attempt") if "python" in e["exe"]}  # noqa: E731
    stack.until(lambda: told() >= set(vectors), 30)
    for v in vectors:
        c.check(v in told(), f"{v}: on record", mine("bypass.attempt"))
    c.equal(told() - set(vectors), set(), "under no other name")
    c.check(p.poll() is None and not mine("session.kill"), "nobody is killed for what the policy does not name", mine("session.kill"))
    end(*came, p)


def killed(c, s, vector, args, other):
    """By its own vector, and not by one that is tried before."""
    gw = s.gw
    policy(s, [vector])
    mine = since(gw, sessions(gw))
    before = "protocol" if vector != "protocol" else "gateway-port"
    codes = [TRIES[v][0] for v in (before, vector) if v in TRIES]
    argv = [sys.executable, "-c", PRELUDE, *args, *codes]
    p, cgroup = asleep(gw, argv) if vector in JOINS else (bare(gw, argv), None)
    stack.until(lambda: mine("bypass.attempt"))
    processes = [p, *([comes(vector, other, cgroup)] if vector in JOINS else [])]
    try:
        c.equal(p.wait(30 * stack.SLOWNESS), 128 + signal.SIGKILL, f"{vector}: killed")
        c.equal([j.wait(20 * stack.SLOWNESS) for j in processes[1:]], [-signal.SIGKILL] * (len(processes) - 1), f"{vector}: whoever came, too")
    except subprocess.TimeoutExpired:
        c.check(False, f"{vector}: killed", mine("session.kill"))
    c.check([e["reason"].endswith(vector) for e in mine("session.kill")] == [True], f"{vector}: and why", mine("session.kill"))
    c.check({before, vector} <= {e["vector"] for e in mine("bypass.attempt")}, f"{vector}: not for what came before", mine("bypass.attempt"))
    end(*processes)


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s, Device() as device:
        gaps = json.loads(s.gw.sluice("status", "--json").stdout)["gaps"]
        has_lsm = "other_families" not in gaps
        top = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2" and line.startswith("cgroup2 /sys"))
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(s.folder / "door.sock"))
            door.listen(8)
            other, cgroup = asleep(s.gw)
            args = [str(os.getpid()), door.getsockname(), top, str(s.pg.port), device]
            vectors = []
            for vector, (_, needs_lsm) in {**TRIES, **JOINS}.items():
                if needs_lsm and not has_lsm:
                    c.skip(f"{vector}: no BPF LSM here")
                else:
                    vectors.append(vector)
            recorded(c, s, vectors, args, cgroup)
            for vector in vectors if stack.SLOWNESS == 1 else [vectors[0], vectors[-1]]:
                killed(c, s, vector, args, cgroup)
            end(other)
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    c.done()


main()
