#!/usr/bin/env python3
"""The record is complete: when a workload ends, what the kernel counted of its connections is held against the record.
Clients of all manners match; bytes that only the kernel saw raise an alarm, and `sluice verify` names the session."""
import ctypes
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"], "other": ["other"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"viewer": "file:CRED/db"}},
                  {"name": "echo", "protocol": "tcp", "match": ["127.0.0.1:@ECHO@"]}],
    "rules": [{"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "effect": "allow"},
              {"id": "echo", "resource": "echo", "roles": ["viewer"], "effect": "allow"}],
}
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
RAW = """
import socket, struct, sys, time
def go(how):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    if how == "silent": pass
    elif how == "early":
        s.sendall(b"x" * 70000); s.close(); return
    elif how == "reset":
        s.sendall(b"y" * 3000); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "garbage":
        s.sendall(b"\\x00\\x00\\x00\\x09GARBAGE" * 1000)
        try:
            while s.recv(65536): pass
        except OSError: pass
    elif how == "half":
        s.sendall(b"z" * 100000); s.shutdown(socket.SHUT_WR)
        n = 0
        while True:
            got = s.recv(65536)
            if not got: break
            n += len(got)
        print(n)
    elif how == "unread":
        s.sendall(b"u" * 500000 + b"U"); time.sleep(0.2)
    s.close()
for how in sys.argv[2:]:
    try: go(how)
    except OSError as e: print(how, e)
"""


def echo_server():
    """Echoes in a process of its own: outside of every workload."""
    server = socket.create_server(("127.0.0.1", 0))
    code = ("import socket,sys,threading\n"
            "s=socket.socket(fileno=int(sys.argv[1]))\n"
            "def serve(c):\n"
            "  try:\n"
            "    while True:\n"
            "      d=c.recv(65536)\n"
            "      if not d: break\n"
            "      c.sendall(d)\n"
            "  except OSError: pass\n"
            "  c.close()\n"
            "while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()\n")
    p = subprocess.Popen([sys.executable, "-c", code, str(server.fileno())], pass_fds=[server.fileno()])
    return server.getsockname()[1], p


def reconciled(gw, seen):
    fresh = [e for e in gw.events() if e["type"] == "session.reconciled" and e["session"] not in seen]
    return fresh[0] if fresh else None


def one(c, gw, seen, group, argv, what):
    """Runs one workload. Its session.reconciled, and its events."""
    gw.run(group, argv)
    e = stack.until(lambda: reconciled(gw, seen))
    c.check(bool(e), f"{what}: reconciled", [x["type"] for x in gw.events()][-8:])
    if not e:
        return None, []
    seen.add(e["session"])
    return e, gw.events(e["session"])


def matches(c, gw, seen, group, argv, what, flows):
    e, events = one(c, gw, seen, group, argv, what)
    if not e:
        return None
    kernel = [x for x in events if x["type"] == "session.kernel"]
    c.check(e["outcome"] == "match", f"{what}: the record is complete", (e, kernel))
    c.equal(e["flows"] + e["turned_away"], flows, f"{what}: every connection is on record")
    return e, kernel[0] if kernel else {}, events


def manners(c, s, seen, echo):
    gw = s.gw
    psql = ["psql", s.dsn(), "-qAtc"]
    got = matches(c, gw, seen, "viewer", [*psql, "select repeat('a', 2000000)"], "a large answer", 1)
    if got:
        e, kernel, events = got
        c.check(e["wire_down"] >= 2000000 and kernel["down"] >= 2000000, "its bytes are counted by both", (e, kernel))
        close = [x for x in events if x["type"] == "flow.close"][0]
        c.equal((close["wire_up"], close["wire_down"]), (e["wire_up"], e["wire_down"]), "and stand at its flow")
        c.check(kernel["up_min"] <= e["wire_up"] <= kernel["up_max"], "both ways", (e, kernel))
    matches(c, gw, seen, "viewer", [*psql, "drop table x"], "a refused statement", 1)
    matches(c, gw, seen, "other", [*psql, "select 1"], "a role without rules, by TLS and without", 2)
    tls = s.dsn().replace("sslmode=disable", "") + ("&" if "?" in s.dsn() else "?") + "sslmode=require"
    matches(c, gw, seen, "viewer", ["psql", tls, "-qAtc", "select repeat('b', 100000)"], "TLS", 1)
    ways = ["silent", "early", "reset", "garbage", "unread"]
    for _ in range(2):
        matches(c, gw, seen, "viewer", [sys.executable, "-c", RAW, str(s.pg.port), *ways], "raw clients", len(ways))
    ways = ["silent", "early", "half", "unread", "half", "reset"]
    matches(c, gw, seen, "viewer", [sys.executable, "-c", RAW, str(echo), *ways], "an opaque protocol", len(ways))
    matches(c, gw, seen, "viewer", ["true"], "no connection at all", 0)
    many = "for i in $(seq 20); do psql '%s' -qAtc 'select 1' & done; wait" % s.dsn()
    matches(c, gw, seen, "viewer", ["sh", "-c", many], "many at once", 20)


def bpf(cmd, attr):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(SYS_BPF, cmd, ctypes.byref(attr), ctypes.sizeof(attr))
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got


class ByPath(ctypes.Structure):
    _fields_ = [("path", ctypes.c_uint64), ("fd", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class ByKey(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("pad", ctypes.c_uint32), ("key", ctypes.c_uint64), ("value", ctypes.c_uint64), ("flags", ctypes.c_uint64)]


def add_bytes(gw, cgroup_id, n):
    """In the kernel's tally of a workload: as if n bytes had passed by that the gateway kept to itself."""
    path = ctypes.create_string_buffer(str(next(pathlib.Path("/sys/fs/bpf").glob(f"{gw.instance}/**/tallies"))).encode())
    fd = bpf(7, ByPath(path=ctypes.addressof(path)))
    key, value = ctypes.c_uint64(cgroup_id), (ctypes.c_uint64 * 8)()
    at = ByKey(fd=fd, key=ctypes.addressof(key), value=ctypes.addressof(value))
    bpf(1, at)
    value[4] += n  # up_min, up_max of struct tally
    value[5] += n
    bpf(2, at)
    os.close(fd)


def metric(gw, name):
    text = gw.http("/metrics")
    text = text.decode() if isinstance(text, bytes) else str(text)
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")][0]


def tampered(c, s, seen):
    gw = s.gw
    c.equal(gw.sluice("verify", check=False).returncode, 0, "so far the record verifies")
    code = f"psql '{s.dsn()}' -qAtc 'select 1'; echo ready; read x"
    p = gw.popen("viewer", ["sh", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while p.stdout.readline().strip() not in ("ready", ""):
        pass
    row = json.loads(gw.sluice("status", "--json").stdout)["workloads"][0]
    add_bytes(gw, os.stat(row["cgroup"]).st_ino, 1000)
    p.communicate("go\n", timeout=60)
    e = stack.until(lambda: reconciled(gw, seen), 40)
    c.check(bool(e), "the session with hidden bytes is reconciled")
    if not e:
        return
    c.equal((e["session"], e["outcome"]), (row["session"], "mismatch"), "and does not match")
    c.check("bytes from the workload" in e["reason"], "with the reason", e)
    c.check(bool(stack.until(lambda: f"session {row['session']}: the record is not complete" in gw.log())), "the log raises the alarm")
    c.check(bool(stack.until(lambda: metric(gw, "sluice_sessions_incomplete_total") == 1)), "and the metric")
    done = gw.sluice("verify", check=False)
    c.equal(done.returncode, 1, "sluice verify fails")
    c.check(row["session"] in done.stdout and "is not complete: bytes from the workload" in done.stdout, "and names it", done.stdout)
    rows = [json.loads(line) for line in gw.sluice("sessions", "--json").stdout.splitlines() if line.startswith("{")]
    c.check(any(r.get("reconciled") == "mismatch" for r in rows) or "mismatch" in str(rows), "sluice sessions shows it", rows[-1:])


def crashed(c, s, seen):
    """A proxy that dies takes flow.close with it: known, on record, and no alarm."""
    gw = s.gw
    p = gw.popen("viewer", ["psql", s.dsn(), "-qAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    p.stdin.write("select 7;\n")
    p.stdin.flush()
    c.equal(p.stdout.readline().strip(), "7", "a session with an open connection")
    children = subprocess.run(["pgrep", "-P", str(gw.process.pid)], capture_output=True, text=True).stdout.split()
    proxy = [x for x in children if "proxy" in pathlib.Path(f"/proc/{x}/cmdline").read_text() + pathlib.Path(f"/proc/{x}/comm").read_text()]
    os.kill(int(proxy[0]), 9)
    p.communicate("select 8;\n", timeout=60)
    e = stack.until(lambda: reconciled(gw, seen), 40)
    c.check(bool(e) and e["outcome"] == "partial" and "started again" in e["reason"], "after a crash it is partial, and says why", e)
    c.check(any(x["type"] == "node.fault" and x["process"] == "proxy" for x in gw.events()), "the crash is on record")
    if e:
        seen.add(e["session"])
    stack.until(lambda: gw.is_ready())
    matches(c, gw, seen, "viewer", ["psql", s.dsn(), "-qAtc", "select 1"], "after it", 1)


def main():
    c = stack.Checks()
    echo, p = echo_server()
    policy = json.loads(json.dumps(POLICY).replace("@ECHO@", str(echo)))
    try:
        with stack.Stack(policy, database="shop") as s:
            seen = set()
            manners(c, s, seen, echo)
            crashed(c, s, seen)
            tampered(c, s, seen)
    finally:
        p.kill()
        p.wait()
    c.done()


main()
