#!/usr/bin/env python3
"""The wire's edges that protocol_test.py leaves: first packets of every kind, held twice; whose cancel counts, and how
often; the process id that tools use; a name parsed again while its earlier use still waits; bytes that a man in the
middle puts behind the server's answer to SSLRequest."""
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import pgwire  # noqa: E402
import stack  # noqa: E402
from pgwire import cstr, message  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"owner": ["owner"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "client_tls": "refuse",
                   "upstream": "127.0.0.1:@PORT@", "credentials": {"owner": "file:CRED/db"}},
                  {"name": "middle", "protocol": "postgres", "match": ["127.0.0.1:@MIDDLE@"], "client_tls": "refuse",
                   "upstream": "127.0.0.1:@MIDDLE@", "credentials": {"owner": "file:CRED/tls"}}],
    "rules": [{"id": "insert", "resource": "db", "roles": ["owner"], "verbs": "insert", "effect": "ask",
               "approvers": [{"group": "dba"}], "expires": "60s"},
              {"id": "functions", "resource": "*", "roles": ["owner"], "functions": ["*.*"], "effect": "allow"},
              {"id": "all", "resource": "*", "roles": ["owner"], "effect": "allow"}],
}
SETUP = "CREATE TABLE t (id int); CREATE TABLE u (id int);"
SYNC = message(b"S")
DEADLINE_S = 40


def parse(sql, name):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack("!H", 0))


def run(name):
    return message(b"B", cstr("") + cstr(name) + struct.pack("!HHH", 0, 0, 0)) + message(b"E", cstr("") + struct.pack("!I", 0))


def packet(version, body, length=None):
    data = struct.pack("!I", version) + body
    return struct.pack("!I", len(data) + 4 if length is None else length) + data


# A session's first bytes: as PostgreSQL answers them, a gateway must.
FIRSTS = {
    "no user": packet(0x30000, cstr("database") + cstr("shop") + b"\0"),
    "an empty user": packet(0x30000, cstr("user") + cstr("") + b"\0"),
    "no pairs": packet(0x30000, b"\0"),
    "no end": packet(0x30000, cstr("user") + cstr("agent")),
    "a name without a value": packet(0x30000, cstr("user") + cstr("agent") + b"database\0"),
    "bytes behind the end": packet(0x30000, cstr("user") + cstr("agent") + cstr("database") + cstr("shop") + b"\0" + b"more\0"),
    "too long": packet(0x30000, cstr("user") + cstr("a" * 10050) + b"\0"),
    "length 0": packet(0x30000, b"", 0),
    "length 7": packet(0x30000, b"", 7),
    "a length of a gigabyte": packet(0x30000, b"", 1 << 30),
    "version 2": packet(0x20000, b"x" * 288),
    "version 4": packet(0x40000, cstr("user") + cstr("agent") + b"\0"),
    "version 1.0": packet(0x10000, b"\0"),
    "HTTP": b"GET / HTTP/1.1\r\nHost: db\r\n\r\n",
    "an unknown request code": struct.pack("!II", 8, 80877199),
    "options that do not parse": packet(0x30000, cstr("user") + cstr("agent") + cstr("database") + cstr("shop") +
                                        cstr("options") + cstr("--bad") + b"\0"),
    "a value that its setting does not take": packet(
        0x30000, cstr("user") + cstr("agent") + cstr("database") + cstr("shop") + cstr("DateStyle") + cstr("Mars") + b"\0"),
    "a database that is not there": packet(0x30000, cstr("user") + cstr("agent") + cstr("database") + cstr("nosuch") + b"\0"),
}


def answer_to(where, data):
    """Severity, code and words of the error, "session" where one begins, or how the connection ended."""
    s = socket.create_connection(where[:2], 20)
    got = bytearray()
    try:
        s.sendall(data)
        while b"Z\0\0\0\5I" not in got and (chunk := s.recv(65536)):
            got += chunk
    except ConnectionError:
        pass
    except socket.timeout:
        return "no answer"
    finally:
        s.close()
    while len(got) >= 5 and got[:1] == b"R":
        del got[:struct.unpack("!I", got[1:5])[0] + 1]
    if got[:1] != b"E":
        return "session" if got else "closed"
    size = struct.unpack("!I", got[1:5])[0]
    if size > len(got):  # protocol 2: text alone
        return bytes(got).decode("latin1")
    f = pgwire.fields(bytes(got[5:size + 1]))
    return [f.get("V"), f.get("C"), f.get("M")]


def firsts(where):
    return {name: answer_to(where, data) for name, data in FIRSTS.items()}


def try_cancel(where, pid_key):
    s = socket.create_connection(where[:2], 10)
    s.sendall(struct.pack("!II", 16, 80877102) + pid_key)
    s.recv(1)
    s.close()


def is_cancelled(conn, seconds, *cancels):
    """A statement during which each of the cancels is sent, 50 ms apart."""
    conn.send(message(b"Q", cstr(f"SELECT pg_sleep({seconds})")))
    for c in cancels:
        time.sleep(0.05)
        c()
    return [e["C"] for e in pgwire.errors(conn.until(b"Z"))]


def cancels(c, where):
    conn = pgwire.Connection(*where)
    pid_key = dict(conn.startup)[b"K"]
    pid = struct.unpack("!I", pid_key[:4])[0]
    c.equal(pgwire.rows(conn.query("SELECT pg_backend_pid()")), [[str(pid).encode()]], "BackendKeyData has the server's process id")
    wrong = pid_key[:4] + bytes(b ^ 255 for b in pid_key[4:])
    c.equal(is_cancelled(conn, 0.3, lambda: try_cancel(where, wrong)), [], "a wrong key cancels nothing")
    c.equal(is_cancelled(conn, 20, lambda: try_cancel(where, pid_key)), ["57014"], "the right one does")
    time.sleep(0.3)
    # The first one finds nothing that runs; the one right behind it comes too soon.
    try_cancel(where, pid_key)
    c.equal(is_cancelled(conn, 0.3, *[lambda: try_cancel(where, pid_key)] * 2), [], "several within 200 ms count as one")
    time.sleep(0.3)
    c.equal(is_cancelled(conn, 20, lambda: try_cancel(where, pid_key)), ["57014"], "later ones count")
    other = pgwire.Connection(*where)
    c.equal(pgwire.errors(conn.query("BEGIN") + conn.query("LOCK TABLE u")), [], "a lock is held")
    other.send(message(b"Q", cstr("BEGIN; LOCK TABLE u")))
    waiter = struct.unpack("!I", dict(other.startup)[b"K"][:4])[0]
    blocked, end = [], time.time() + DEADLINE_S
    while not blocked and time.time() < end:
        blocked = pgwire.rows(conn.query(f"SELECT unnest(pg_blocking_pids({waiter}))"))
    c.equal(blocked, [[str(pid).encode()]], "pg_blocking_pids names it")
    conn.query("ROLLBACK")
    conn.close()
    other.close()


def held(where):
    """One flight: s is asked about, closed, parsed again and run; what comes of it as JSON."""
    conn = pgwire.Connection(*where, timeout=DEADLINE_S)
    conn.send(parse("INSERT INTO t VALUES (1)", "s") + run("s") + message(b"C", b"Ss\0") +
              parse("SELECT 2 AS two", "s") + run("s") + SYNC + run("s") + SYNC)
    got = conn.until(b"Z")
    more = conn.until(b"Z")
    kinds = lambda m: " ".join(k.decode() + (":" + b[:-1].decode() if k == b"C" else "") for k, b in m if k not in b"NS")  # noqa: E731
    print(json.dumps([kinds(got), kinds(more)]))


def in_workload(how, *where):
    where = (where[0], int(where[1]), where[2])
    if how == "firsts":
        print(json.dumps(firsts(where)))
    elif how == "held":
        held(where)
    elif how == "key":
        conn = pgwire.Connection(*where)
        print(dict(conn.startup)[b"K"].hex(), flush=True)
        print(is_cancelled(conn, 4), flush=True)
    elif how == "steal":
        for _ in range(4):
            try_cancel(where, bytes.fromhex(sys.argv[5]))
            time.sleep(0.25)
    else:
        c = stack.Checks()
        cancels(c, where)
        c.done()


def same_firsts(c, s, where):
    done = s.gw.run("owner", [sys.executable, __file__, "firsts", *where])
    ours, direct = json.loads(done.stdout or "{}"), firsts(("127.0.0.1", s.pg.port, "shop"))
    for name, want in direct.items():
        c.equal(ours.get(name), want, f"first bytes: {name}")


def whose_cancel(c, s, where):
    me = [sys.executable, __file__]
    p = s.gw.popen("owner", [*me, "key", *where], stdout=subprocess.PIPE, text=True)
    key = p.stdout.readline().strip()
    s.gw.run("owner", [*me, "steal", *where, key])
    c.equal(p.communicate(timeout=DEADLINE_S)[0].strip(), "[]", "another workload's cancel, with the right key, cancels nothing")


def undecided(c, s, where):
    for verb, want, rows in (("approve", ["1 2 C:INSERT 0 1 3 1 2 D C:SELECT 1 Z", "2 D C:SELECT 1 Z"], "1"),
                             ("deny", ["1 2 E Z", None], "1")):
        p = s.gw.popen("owner", [sys.executable, __file__, "held", *where], stdout=subprocess.PIPE, text=True)
        pending, end = [], time.time() + DEADLINE_S
        while not pending and time.time() < end:
            out = s.gw.sluice("requests", "--json").stdout
            pending = [r for r in map(json.loads, out.splitlines()) if r["state"] == "pending"]
            time.sleep(0.05)
        token = s.gw.token("dba", sub="ann", owner="nobody@example.com")
        s.gw.sluice(verb, pending[0]["request"], "--token-file", token, "--hash", pending[0]["hash"],
                    *(["--reason", "no"] if verb == "deny" else []))
        got = json.loads(p.communicate(timeout=DEADLINE_S)[0] or "[]")
        if want[1] is None:
            c.check(len(got) == 2 and " D " not in " ".join(got), f"{verb}: what stood behind it is discarded", got)
        else:
            c.equal(got, want, f"{verb}: the name is the new one for later messages alone")
        c.equal(s.pg.psql("SELECT count(*) FROM t", "shop"), rows, f"{verb}: what ran")


class Middle:
    """Says yes to SSLRequest and puts a login's good end behind it, in clear; keeps what it was sent then."""

    def __init__(self):
        self.got = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            s, _ = self.listener.accept()
            s.settimeout(5)
            try:
                s.recv(8)
                s.sendall(b"S" + message(b"R", struct.pack("!I", 0)) + message(b"K", struct.pack("!II", 1, 2)) + message(b"Z", b"I"))
                while chunk := s.recv(65536):
                    self.got += chunk
            except OSError:
                pass
            s.close()


def stuffed(c, s, middle):
    done = s.gw.run("owner", ["psql", "-XAt", f"host=127.0.0.1 port={middle.port} user=agent dbname=shop sslmode=disable", "-c", "SELECT 1"])
    c.check(done.returncode == 2 and "FATAL" in done.stderr, "bytes behind the server's S end the login", done.stderr + done.stdout)
    c.check(middle.got[:1] == b"\x16" and b"agent" not in middle.got and b"SELECT" not in middle.got,
            "and nothing is said in clear", middle.got[:80])


def add_up(c, done, what):
    last = (done.stdout.splitlines() or [""])[-1].split()
    print("\n".join(x for x in done.stdout.splitlines() if x.startswith("FAIL")))
    if last[1:2] == ["passed,"]:
        c.passed, c.failed = c.passed + int(last[0]), c.failed + int(last[2])
    else:
        c.check(False, what, done.stdout[-1000:] + done.stderr[-2000:])


def main():
    c = stack.Checks()
    middle = Middle()
    policy = json.dumps(POLICY).replace("@MIDDLE@", str(middle.port))
    with stack.Stack(policy, database="shop") as s:
        s.pg.psql("CREATE ROLE agent LOGIN SUPERUSER")
        s.pg.psql(SETUP, "shop")
        hba = s.pg.folder / "data/pg_hba.conf"
        hba.write_text("host all agent 127.0.0.1/32 trust\n" + hba.read_text())
        s.pg.psql("SELECT pg_reload_conf()")
        tls = s.gw.folder / "etc/credentials/tls"
        tls.write_text(f"user=app password={s.pg.password} sslmode=require\n")
        tls.chmod(0o600)
        where = ["127.0.0.1", s.pg.port, "shop"]
        same_firsts(c, s, where)
        add_up(c, s.gw.run("owner", [sys.executable, __file__, "cancels", *where]), "the workload came to its end")
        whose_cancel(c, s, where)
        undecided(c, s, where)
        stuffed(c, s, middle)
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    c.done()


if len(sys.argv) >= 5:
    in_workload(*sys.argv[1:5])
else:
    main()
