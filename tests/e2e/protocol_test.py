#!/usr/bin/env python3
"""What the protocol may do at its edges, held twice: directly with PostgreSQL, and through the gateway from inside a
managed cgroup. Every message must be the same. Then what a gateway alone can get wrong: cancels, ends of connections,
versions, replication (with pg_receivewal and pg_recvlogical)."""
import base64
import json
import os
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

SETUP = """
CREATE ROLE agent LOGIN SUPERUSER;
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 5) g;
CREATE TABLE log (what text);
CREATE FUNCTION noisy(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'at %', i; PERFORM set_config('TimeZone', 'Etc/GMT+' || i, false); RETURN i; END $$;
"""


def policy(replicate=False):
    more = [{"id": "stream", "resource": "db", "roles": ["owner"], "verbs": ["replicate"], "effect": "allow"}]
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"owner": ["owner"]},
        "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                       "upstream": "127.0.0.1:@PORT@", "credentials": {"owner": "file:CRED/db"}}],
        "rules": [{"id": "functions", "resource": "db", "roles": ["owner"], "functions": ["*.*"], "effect": "allow"},
                  {"id": "all", "resource": "db", "roles": ["owner"], "effect": "allow", "opaque": "allow"},
                  *(more if replicate else [])],
    }


def parse(sql, name=""):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack("!H", 0))


def bind(portal="", name=""):
    return message(b"B", cstr(portal) + cstr(name) + struct.pack("!HHH", 0, 0, 0))


def execute(portal="", rows=0):
    return message(b"E", cstr(portal) + struct.pack("!I", rows))


def query(sql):
    return message(b"Q", cstr(sql))


def close(kind, name):
    return message(b"C", kind + cstr(name))


SYNC, FLUSH, TERMINATE = message(b"S"), message(b"H"), message(b"X")
DESCRIBE = message(b"D", b"P\0")


def run(sql, name="", portal="", rows=0):
    return parse(sql, name) + bind(portal, name) + execute(portal, rows)


CALL = message(b"F", struct.pack("!IHHHiIiIH", 177, 1, 1, 2, 4, 40, 4, 2, 1))
# name: flights; each is (bytes, kind of message to read up to, how often)
TALKS = {
    "notices and parameters between rows": [(query("SELECT noisy(g) FROM generate_series(1, 4) g"), b"Z", 1)],
    "notify": [(query("LISTEN c"), b"Z", 1), (query("NOTIFY c, 'one'"), b"Z", 1), (query("SELECT 1"), b"Z", 1)],
    "notify in a transaction": [(query("LISTEN c") + query("BEGIN") + query("NOTIFY c, 'two'") + query("COMMIT"), b"Z", 4),
                                (query("SELECT 1"), b"Z", 1)],
    "error after rows": [(query("SELECT 10 / (3 - g) FROM generate_series(1, 5) g"), b"Z", 1)],
    "error after rows, extended": [(run("SELECT 10 / (3 - g) FROM generate_series(1, 5) g") + run("SELECT 1") + SYNC, b"Z", 1)],
    "partial Execute, Flush without Sync": [
        (parse("SELECT id FROM t ORDER BY id") + bind("p") + execute("p", 2) + FLUSH, b"s", 1),
        (execute("p", 2) + FLUSH, b"s", 1), (execute("p", 2) + FLUSH, b"C", 1), (SYNC, b"Z", 1)],
    "Flush, Flush, Sync, Sync": [(parse("SELECT 1") + FLUSH, b"1", 1), (bind() + FLUSH, b"2", 1), (FLUSH + SYNC + SYNC, b"Z", 2)],
    "empty queries": [(query("") + query(" ; ;") + run("") + SYNC + query("-- nothing"), b"Z", 4)],
    "no columns": [(query("SELECT FROM t") + parse("SELECT FROM t") + bind() + DESCRIBE + execute() + SYNC, b"Z", 2)],
    "1,600 columns": [(query("SELECT " + ",".join(f"{i} AS c{i}" for i in range(1600))), b"Z", 1)],
    "1,600 columns, extended": [
        (parse("SELECT " + ",".join(f"{i}" for i in range(1600))) + bind() + DESCRIBE + execute() + SYNC, b"Z", 1)],
    "3,000 messages in one segment": [(run("SELECT 1") * 1000 + SYNC, b"Z", 1)],
    "1,000 queries at once": [(query("SELECT id FROM t WHERE id = 3") * 1000, b"Z", 1000)],
    "a name closed and parsed again": [
        (run("SELECT 1", "s", "p") + close(b"S", "s") + close(b"P", "p") + run("SELECT 2, 3", "s", "p") +
         close(b"S", "s") + bind("", "s") + execute() + SYNC, b"Z", 1)],
    "a name parsed twice": [(run("SELECT 1", "s") + parse("SELECT 2", "s") + SYNC + bind("", "s") + execute() + SYNC, b"Z", 2)],
    "the unnamed one again and again": [((run("SELECT 1") + run("SELECT 'x'::text")) * 20 + SYNC, b"Z", 1)],
    "a portal that a transaction's end takes": [
        (query("BEGIN") + parse("SELECT id FROM t ORDER BY id") + bind("p") + execute("p", 1) + SYNC + query("COMMIT") +
         execute("p", 1) + SYNC, b"Z", 4)],
    "FunctionCall": [(CALL, b"Z", 1)],
    "COPY out and in, and a failed one": [
        (query("COPY (SELECT * FROM t) TO STDOUT"), b"Z", 1), (query("COPY log FROM STDIN"), b"G", 1),
        (message(b"d", b"a\nb\n") + message(b"c"), b"Z", 1), (query("COPY log FROM STDIN"), b"G", 1),
        (message(b"d", b"a\n") + message(b"f", cstr("no")), b"Z", 1), (query("COPY t FROM STDIN"), b"G", 1),
        (message(b"d", b"x\ty\n") + message(b"c"), b"Z", 1)],
    "errors in a block": [(query("BEGIN") + query("SELECT nothing") + query("SELECT 1") + query("COMMIT"), b"Z", 4)],
    "several statements, the third fails": [(query("SELECT 1; SELECT 2; SELECT 1/0; SELECT 3"), b"Z", 1)],
}


def seen(kind, body):
    if kind == b"A":
        body = b"pid!" + body[4:]
    return kind.decode() + base64.b64encode(body).decode()


def hold(where, flights, split):
    out = []
    conn = pgwire.Connection(*where, user="agent", split=split, timeout=60)
    for data, last, times in flights:
        conn.send(data)
        for _ in range(times):
            out += [seen(k, b) for k, b in conn.until(last)]
    conn.close()
    return out


def ends(where):
    """How connections end: what is still answered."""
    out = {}
    conn = pgwire.Connection(*where, user="agent")
    conn.send(query("SELECT pg_sleep(0.3), 7"))
    conn.sock.shutdown(socket.SHUT_WR)
    got = []
    try:
        while True:
            got.append(conn.read()[0].decode())
    except pgwire.Closed:
        pass
    out["half-close"] = "".join(got)
    conn = pgwire.Connection(*where, user="agent")
    conn.send(query("SELECT pg_sleep(0.5); INSERT INTO log VALUES ('terminated')") + TERMINATE)
    try:
        while True:
            conn.read()
    except pgwire.Closed as e:
        out["terminate while busy"] = str(e)
    conn = pgwire.Connection(*where, user="agent")
    conn.send(query("SELECT pg_sleep(4) AS reset_while_busy"))
    time.sleep(0.3)
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.sock.close()
    return out


def talk_all(where):
    out = {}
    for name, flights in TALKS.items():
        for split in (False, True):
            if split and sum(len(f[0]) for f in flights) > 3000:
                continue
            key = name + (", a byte a segment" if split else "")
            try:
                out[key] = hold(where, flights, split)
            except (pgwire.Closed, pgwire.Fatal, OSError) as e:
                out[key] = [f"ended: {e}"]
    out["ends"] = ends(where)
    return out


def startup(where, version, pairs):
    s = socket.create_connection(where[:2], 20)
    body = struct.pack("!I", version) + b"".join(cstr(k) + cstr(v) for k, v in pairs) + b"\0"
    s.sendall(struct.pack("!I", len(body) + 4) + body)
    got, pending = [], b""
    while b"Z" not in [k for k, _ in got] and b"E" not in [k for k, _ in got]:
        data = s.recv(65536)
        if not data:
            break
        pending += data
        while len(pending) >= 5 and len(pending) > (n := struct.unpack("!I", pending[1:5])[0]):
            got.append((pending[:1], pending[5:n + 1]))
            pending = pending[n + 1:]
    s.close()
    return got


def versions(c, where):
    who = [("user", "agent"), ("database", where[2])]
    for version, extra, want in ((0x30002, [], (0x30000, [])), (0x30000, [("_pq_.a", "1"), ("_pq_.b", "")], (0x30000, [b"_pq_.a", b"_pq_.b"])),
                                 (0x3270f, [("_pq_.test", "x")], (0x30000, [b"_pq_.test"]))):
        got = startup(where, version, who + extra)
        kinds = b"".join(k for k, _ in got)
        v = dict(got).get(b"v", b"")
        what = struct.unpack("!II", v[:8]) + (v[8:].split(b"\0")[:-1],) if len(v) >= 8 else None
        c.equal(what, (want[0], len(want[1]), want[1]), f"NegotiateProtocolVersion for {version:#x} {extra}")
        c.check(kinds.startswith(b"vR") and kinds.endswith(b"Z"), "and the session begins", kinds)
    c.equal(b"".join(k for k, _ in startup(where, 0x30000, who))[:1], b"R", "no negotiation for what is spoken")
    for what, pairs, code in (("a parameter twice", [("DateStyle", "ISO"), ("datestyle", "ISO")], "08P01"),
                              ("user twice", [("user", "b")], "08P01"),
                              ("an oversized parameter", [("application_name", "x" * 9000)], None),
                              ("an unknown parameter", [("no_such_thing", "1")], "42704"),
                              ("options -c", [("options", "-c no_such_thing=1")], "42704")):
        got = startup(where, 0x30000, who + pairs)
        error = pgwire.errors(got)
        c.equal(error[0]["C"] if error else None, code, f"startup: {what}")


def cancels(c, where):
    """A cancel ends what it was for, or nothing: never the statement behind it."""
    conn = pgwire.Connection(*where, user="agent")
    pid_key = dict(conn.startup)[b"K"]
    hit = missed = 0

    def cancel():
        s = socket.create_connection(where[:2], 10)
        s.sendall(struct.pack("!II", 16, 80877102) + pid_key)
        s.recv(1)
        s.close()

    for i in range(60):
        t = threading.Thread(target=cancel)
        conn.send(query(f"SELECT pg_sleep({i % 12 * 0.002})"))
        t.start()
        first = pgwire.errors(conn.until(b"Z"))
        after = [pgwire.errors(conn.query("SELECT 7")) for _ in range(3)]
        t.join()
        hit += bool(first)
        missed += any(after)
    c.equal(missed, 0, "cancels that hit the statement behind")
    c.check(hit > 0, "cancels that hit", hit)
    conn.close()


def in_workload(how, *where):
    where = (where[0], int(where[1]), where[2])
    if how == "talk":
        print(json.dumps(talk_all(where)))
        return
    c = stack.Checks()
    versions(c, where)
    cancels(c, where)
    c.done()


def add_up(c, done, what):
    last = (done.stdout.splitlines() or [""])[-1].split()
    print("\n".join(x for x in done.stdout.splitlines() if x.startswith("FAIL")))
    if last[1:2] == ["passed,"]:
        c.passed, c.failed = c.passed + int(last[0]), c.failed + int(last[2])
    else:
        c.check(False, what, done.stdout[-1000:] + done.stderr[-2000:])


def same(c, s):
    where = ["127.0.0.1", str(s.pg.port), "shop"]
    direct = json.loads(subprocess.run([sys.executable, __file__, "talk", *where], capture_output=True, text=True, check=True).stdout)
    s.pg.psql("DELETE FROM log", "shop")
    done = s.gw.run("owner", [sys.executable, __file__, "talk", *where], timeout=300)
    if done.returncode:
        c.check(False, "the talks came to their end", done.stderr[-2000:])
        return
    ours = json.loads(done.stdout)
    for name, want in direct.items():
        got = ours.get(name)
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want))) if name != "ends" else 0
        c.check(got == want, name, (got, want) if name == "ends" else (at, got[at:at + 2], want[at:at + 2]))
    c.equal(s.pg.psql("SELECT count(*) FROM log WHERE what = 'terminated'", "shop"), "1", "Terminate behind a statement lets it end")
    ended = lambda: [e["reason"] for e in s.gw.events() if e["type"] == "flow.close"]  # noqa: E731
    deadline = time.time() + 10
    while "the client reset the connection" not in ended() and time.time() < deadline:
        time.sleep(0.2)
    c.check(time.time() < deadline, "a reset ends the flow", ended()[-3:])
    ops = [e["id"] for e in s.gw.events() if e["type"] == "op" and "terminated" in e.get("text", "")]
    c.equal(len(ops), 1, "what ran behind a Terminate is on record")

def big(c, s):
    """GIGABYTE=1: as large as PostgreSQL's fields get."""
    mb = 1000 if os.environ.get("GIGABYTE") else 100
    code = ("import socket, struct, sys, hashlib; sys.path.insert(0, sys.argv[4]); import pgwire\n"
            "c = pgwire.Connection(sys.argv[1], int(sys.argv[2]), sys.argv[3], user='agent', timeout=300)\n"
            "c.send(pgwire.message(b'Q', pgwire.cstr(\"SELECT repeat('0123456789', %d)\")))\n"
            "n, s = 0, c.sock\n"
            "while True:\n"
            " d = s.recv(1 << 20)\n"
            " n += len(d)\n"
            " if not d or d[-6:-1] == b'Z\\0\\0\\0\\5': break\n"
            "print(n)\n") % (mb * 100000)
    since = time.time()
    done = s.gw.run("owner", [sys.executable, "-c", code, "127.0.0.1", s.pg.port, "shop", stack.ROOT / "tests/lib"], timeout=400)
    n = int(done.stdout or 0)
    c.check(n > mb * 1000000, f"a field of {mb} MB passes", done.stderr[-500:])
    if mb > 100:
        print(f"{n} bytes in {time.time() - since:.1f} s")


def replication(c, s):
    s.pg.psql("ALTER SYSTEM SET wal_level = logical")
    s.pg.down()
    subprocess.run([stack.PG, "up", s.pg.folder, str(s.pg.port)], check=True)
    out = s.folder / "wal"
    out.mkdir()
    dsn = f"host=127.0.0.1 port={s.pg.port} user=agent sslmode=disable"
    command = ["pg_receivewal", "-d", dsn, "-D", out, "-n", "--no-sync", "--slot=physical", "--create-slot", "--if-not-exists"]
    done = s.gw.run("owner", command)
    c.check(done.returncode != 0 and "not allowed here" in done.stderr, "replication is refused by default, by an owner's rule too", done.stderr)
    s.gw.write_policy(json.dumps(policy(True)).replace("@PORT@", str(s.pg.port)))
    s.gw.sluice("reload")
    done = s.gw.run("owner", command)
    c.equal(done.returncode, 0, f"pg_receivewal makes a slot {done.stderr}")
    p = s.gw.popen("owner", ["timeout", "-s", "INT", "20", *map(str, command[:7]), "--slot=physical", "-v"], stdout=-3, stderr=subprocess.PIPE, text=True)
    for _ in range(3):
        s.pg.psql("INSERT INTO log SELECT repeat('x', 1000) FROM generate_series(1, 3000); SELECT pg_switch_wal()", "shop")
    deadline = time.time() + 20
    whole = lambda: [f for f in out.iterdir() if not f.name.endswith(".partial")]  # noqa: E731
    while len(whole()) < 2 and time.time() < deadline:
        time.sleep(0.2)
    c.check(len(whole()) >= 2, "pg_receivewal receives segments", list(out.iterdir()))
    wal = s.pg.folder / "data/pg_wal"
    c.check(all(f.read_bytes() == (wal / f.name).read_bytes() for f in whole()), "byte for byte the server's own")
    subprocess.run(["pkill", "-INT", "-P", str(p.pid), "timeout"])
    _, err = p.communicate(timeout=40)
    c.check("received interrupt signal" in err or "finished" in err or "exiting" in err, "and ends in order", err[-300:])
    tool = next(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_recvlogical"), None)
    if not tool:
        c.skip("no pg_recvlogical")
        return
    log = [tool, "-d", f"{dsn} dbname=shop", "--slot=logical"]
    done = s.gw.run("owner", [*log, "--create-slot", "-P", "test_decoding"])
    c.equal(done.returncode, 0, f"pg_recvlogical makes a slot {done.stderr}")
    s.pg.psql("INSERT INTO log VALUES ('decoded')", "shop")
    end = s.pg.psql("SELECT pg_current_wal_lsn()")
    done = s.gw.run("owner", [*log, "--start", "-f", "-", f"--endpos={end}"], timeout=60)
    c.check("decoded" in done.stdout, "pg_recvlogical receives changes", done.stdout + done.stderr)
    done = s.gw.run("owner", ["psql", "-XAt", f"{dsn} dbname=shop replication=database", "-c", "IDENTIFY_SYSTEM"])
    c.check("shop" in done.stdout, "psql on a replication connection", done.stderr)
    events = s.gw.events()
    streams = [e for e in events if e["type"] == "op" and e.get("tag") == "START_REPLICATION"]
    c.check(len(streams) >= 2 and all(e["rule"] == "stream" for e in streams), "each command is on record, with its rule", streams[:1])
    counted = [e for e in events if e["type"] == "op.end" and str(e.get("tag", "")).startswith("COPY ") and "bytes" in e["tag"]]
    c.check(counted and max(int(e["tag"].split()[1]) for e in counted) > 0, "with the bytes that it streamed", counted)


def main():
    c = stack.Checks()
    only = sys.argv[1:]
    with stack.Stack(policy(), database="shop") as s:
        s.pg.psql(SETUP, "shop")
        hba = s.pg.folder / "data/pg_hba.conf"
        hba.write_text("host all agent 127.0.0.1/32 trust\n" + hba.read_text())
        s.pg.psql("SELECT pg_reload_conf()")
        time.sleep(0.5)
        where = ["127.0.0.1", s.pg.port, "shop"]
        if not only or "same" in only:
            same(c, s)
        if not only or "edges" in only:
            add_up(c, s.gw.run("owner", [sys.executable, __file__, "edges", *where], timeout=200), "the workload came to its end")
        if not only or "big" in only:
            big(c, s)
        if not only or "replication" in only:
            replication(c, s)
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
        if c.failed:
            print("\n".join(x for x in s.gw.log().splitlines()[-12:]))
    c.done()


if len(sys.argv) == 5:
    in_workload(*sys.argv[1:])
else:
    main()
