#!/usr/bin/env python3
"""Bytes that no client should send, from inside a managed cgroup; the gateway closes the flow, goes on serving
others, and records why."""
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import pgwire  # noqa: E402
import stack  # noqa: E402
from pgwire import cstr, message  # noqa: E402

POLICY = stack.one_role("viewer", "read", "select")
STARTUP = {
    "garbage": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4,
    "length 0": struct.pack("!I", 0) + b"x" * 20,
    "length 3": struct.pack("!I", 3) + b"x" * 20,
    "length -1": b"\xff" * 4 + b"x" * 20,
    "length 2^31": struct.pack("!I", 1 << 31) + b"x" * 20,
    "oversized": struct.pack("!I", 200000) + b"x" * 200000,
    "no such version": struct.pack("!II", 16, 0x00020000) + b"user\0a\0\0",
    "no user": struct.pack("!II", 9, 0x30000) + b"\0",
    "no final NUL": struct.pack("!II", 14, 0x30000) + b"user\0a",
    "replication": struct.pack("!II", 8 + 24, 0x30000) + b"user\0a\0replication\0true\0\0",
    "pipelined behind SSLRequest": struct.pack("!II", 8, 80877103) + struct.pack("!II", 16, 0x30000) + b"user\0a\0\0",
}
MESSAGES = {
    "length 0": b"Q" + struct.pack("!I", 0),
    "length 3": b"Q" + struct.pack("!I", 3),
    "length -1": b"Q\xff\xff\xff\xff",
    "length 2^31": b"Q" + struct.pack("!I", 1 << 31),
    "unknown type": message(b"~", b"x"),
    "a server's message": message(b"Z", b"I"),
    "query without NUL": message(b"Q", b"SELECT 1"),
    "bind with too few bytes": message(b"B", b"\0\0" + struct.pack("!HH", 0, 3)),
    "bind with a negative length": message(b"B", b"\0\0" + struct.pack("!HHi", 0, 1, -2)),
    "parse without a name": message(b"P", b""),
    "execute without rows": message(b"E", b"\0"),
    "copy data out of place": message(b"d", b"x") + message(b"X"),
}


def ends(sock, seconds=10):
    """Does the peer close?"""
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
        return True
    except socket.timeout:
        return False
    except OSError:
        return True


def in_workload():
    c = stack.Checks()
    port = int(sys.argv[2])
    connect = lambda: socket.create_connection(("127.0.0.1", port), 10)  # noqa: E731
    for name, data in STARTUP.items():
        s = connect()
        try:
            s.sendall(data)
        except OSError:
            pass
        c.check(ends(s), f"startup, {name}: the flow is closed")
    for name, data in MESSAGES.items():
        k = pgwire.Connection("127.0.0.1", port, "shop")
        k.sock.sendall(data)
        c.check(ends(k.sock), f"message, {name}: the flow is closed")
    s = connect()
    s.shutdown(socket.SHUT_WR)
    c.check(ends(s), "a half-closed socket ends")
    s = connect()
    c.check(ends(s), "a client that sends nothing ends")
    s, began = connect(), time.monotonic()
    try:
        for b in struct.pack("!II", 1000, 0x30000) + b"user\0" * 100:
            s.sendall(bytes([b]))
            time.sleep(1)
            if time.monotonic() - began > 20:
                break
        c.check(False, "a byte a second ends")
    except OSError:
        c.check(time.monotonic() - began < 20, "a byte a second ends")
    k = pgwire.Connection("127.0.0.1", port, "shop")
    for name, sql in {"200,000 terms": "SELECT " + "+".join("1" * 200000), "a deep nest": "SELECT " + "(" * 50000 + "1" + ")" * 50000,
                      "200,000 unions": "SELECT 1" + " UNION SELECT 1" * 200000}.items():
        try:
            error = pgwire.errors(k.query(sql))
            c.check(bool(error), f"{name}: refused, the session goes on", error)
        except pgwire.Fatal as e:
            c.check(False, f"{name}: refused, the session goes on", e)
    k.send(message(b"Q", b"SELECT '\xff\xfe'\0"))
    c.check(bool(pgwire.errors(k.until(b"Z"))), "invalid UTF-8 is refused, the session goes on")
    c.equal(pgwire.rows(k.query("SELECT 5")), [[b"5"]], "and still serves")
    c.done()


def upstream(c, s):
    """The database refuses, gives up in the middle of a row, or the password is wrong."""
    psql = lambda: s.gw.run("viewer", ["psql", "-X", s.dsn(), "-c", "SELECT 1"])  # noqa: E731
    credential = s.gw.folder / "etc/credentials/db"
    good = credential.read_text()
    credential.write_text("user=app password=wrong-xyzzy\n")
    done = psql()
    c.check(done.returncode != 0 and "password" in done.stderr.lower() or "authentication" in done.stderr.lower(), "a wrong password upstream is told", done.stderr)
    c.check("xyzzy" not in done.stderr + s.gw.log() + str(s.gw.events()), "and never shown, logged or recorded")
    credential.write_text(good)
    c.equal(psql().returncode, 0, "the credential is read anew")
    code = "SELECT pg_catalog.repeat('x', 1000) FROM generate_series(1, 100000000)"
    p = s.gw.popen("viewer", ["psql", "-X", s.dsn(), "-c", code], stdout=-3, stderr=-1, text=True)
    time.sleep(2)
    s.pg.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%repeat%'")
    _, err = p.communicate(timeout=60)
    c.check("terminating connection" in err or "closed the connection" in err, "an upstream that ends mid-row ends the flow", err[:300])
    s.pg.down()
    done = psql()
    c.check(done.returncode != 0, "an upstream that refuses is told", done.stderr)
    c.check("refused" in done.stderr, "with its reason", done.stderr)


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop", config={"startup_timeout_ms": 3000}) as s:
        done = s.gw.run("viewer", [sys.executable, __file__, "workload", str(s.pg.port)], timeout=500)
        lines = done.stdout.splitlines()
        print("\n".join(x for x in lines if x.startswith("FAIL")))
        last = lines[-1].split() if lines else []
        if last[1:2] == ["passed,"]:
            c.passed, c.failed = int(last[0]), int(last[2])
        else:
            c.check(False, "the workload came to its end", done.stdout[-1000:] + done.stderr[-2000:])
        reasons = [e for e in s.gw.events() if e["type"] == "flow.close"]
        c.check(any("malformed" in str(e).lower() for e in reasons), "why flows were closed is on record", reasons[:3])
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
        upstream(c, s)
    c.done()


in_workload() if len(sys.argv) > 1 else main()
