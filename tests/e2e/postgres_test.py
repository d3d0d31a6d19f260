#!/usr/bin/env python3
"""PostgreSQL through the gateway, message by message, beside the same conversation held directly: a client
must see what PostgreSQL would have said, refusals apart."""
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import pgwire  # noqa: E402
import stack  # noqa: E402
from pgwire import cstr, message  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"], "operator": ["operator"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"viewer": "file:CRED/db", "operator": "file:CRED/db"}, "record": "rows"}],
    "rules": [
        {"id": "read", "resource": "db", "roles": ["viewer", "operator"], "verbs": ["select"],
         "relations": ["public.*"], "effect": "allow"},
        {"id": "write", "resource": "db", "roles": ["operator"], "verbs": ["insert", "update"],
         "relations": ["public.*"], "effect": "allow"},
    ],
}
SETUP = """
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 5) g;
CREATE SCHEMA hidden;
CREATE TABLE hidden.t AS SELECT 1 AS id, 'SECRET' AS v;
"""


def kinds(messages):
    """The answer's shape: message kinds, asynchronous ones left out, with SQLSTATE and transaction status."""
    out = []
    for kind, body in messages:
        if kind in b"SNA":
            continue
        text = kind.decode()
        if kind == b"E":
            text += ":" + pgwire.fields(body).get("C", "")
        elif kind == b"Z":
            text += ":" + body.decode()
        elif kind == b"C":
            text += ":" + body[:-1].decode()
        out.append(text)
    return " ".join(out)


def parse(sql, name=""):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack("!H", 0))


def bind(portal="", name="", params=()):
    body = cstr(portal) + cstr(name) + struct.pack("!HH", 0, len(params))
    for p in params:
        body += struct.pack("!I", len(p)) + p.encode()
    return message(b"B", body + struct.pack("!H", 0))


def execute(portal="", rows=0):
    return message(b"E", cstr(portal) + struct.pack("!I", rows))


SYNC = message(b"S")


def query(sql):
    return message(b"Q", cstr(sql))


def at_once(sql, portal="", rows=0):
    return [parse(sql), bind(portal), execute(portal, rows), SYNC]


HIDE, CONFIG = query("SET search_path = hidden"), "SELECT set_config('search_path', '%s', false)"
SHOWN = CONFIG % "public"
# Ways to have the gateway believe another search_path than the server's. Whatever comes of them, t is not hidden.t.
PATHS = [
    ("a row limit", at_once(CONFIG % "hidden", rows=1)),
    ("a row limit, then Close", [*at_once(CONFIG % "hidden", rows=1)[:-1], message(b"C", b"P\0"), SYNC]),
    ("a cast that cuts", [query("SELECT set_config('search_path', 'hidden_none, public'::varchar(6), false)")]),
    ("a number as is_local", [HIDE, query("BEGIN"), query("SELECT set_config('search_path', 'public', 2::bool)"),
                              query("COMMIT")]),
    ("blanks in is_local", [HIDE, query("BEGIN"), query("SELECT set_config('search_path', 'public', ' t '::bool)"),
                            query("COMMIT")]),
    ("VALUES that is not run", [HIDE, query("VALUES (set_config('search_path', 'public', false)) LIMIT 0")]),
    ("a CTE that is not run", [HIDE, query("WITH x AS (VALUES (set_config('search_path', 'public', false))) SELECT 1")]),
    ("no rows", [HIDE, query(SHOWN + ", generate_series(1, generate_series(1, 0))")]),
    ("EXECUTE of a Parse", [parse(CONFIG % "hidden", "q"), SYNC, query("EXECUTE q")]),
    ("EXECUTE of a Parse of SET", [parse("SET search_path = hidden", "q"), SYNC, query("EXECUTE q")]),
    ("EXPLAIN ANALYZE EXECUTE", [parse(CONFIG % "hidden", "q"), SYNC, query("EXPLAIN ANALYZE EXECUTE q")]),
    ("EXECUTE of ROLLBACK", [HIDE, parse("ROLLBACK", "r"), SYNC, query("BEGIN"), query("SET search_path = public"),
                             query("EXECUTE r")]),
    ("EXECUTE of ROLLBACK TO", [HIDE, parse("ROLLBACK TO a", "r"), SYNC, query("BEGIN"), query("SAVEPOINT a"),
                                query("SET search_path = public"), query("EXECUTE r")]),
    ("FETCH from a Bind", [query("BEGIN"), parse(CONFIG % "hidden"), bind("p"), SYNC, query("FETCH ALL FROM p"),
                           query("COMMIT")]),
    ("a portal run again", [query("BEGIN"), *at_once(SHOWN, "p"), HIDE, execute("p"), SYNC, query("COMMIT")]),
    ("a suspended portal run again", [query("BEGIN"), *at_once(SHOWN, "p", 1), HIDE, execute("p"), SYNC, query("COMMIT")]),
]

# name, what the client sends in one flight, the shape of the answer; runs as the viewer.
CONVERSATIONS = [
    ("select", [message(b"Q", cstr("SELECT id FROM t WHERE id = 1"))], "T D C:SELECT 1 Z:I"),
    ("empty", [message(b"Q", cstr(""))], "I Z:I"),
    ("several", [message(b"Q", cstr("SELECT 1; SELECT 2"))], "T D C:SELECT 1 T D C:SELECT 1 Z:I"),
    ("denied", [message(b"Q", cstr("DELETE FROM t"))], "E:42501 Z:I"),
    ("denied with others", [message(b"Q", cstr("SELECT 1; DELETE FROM t"))], "E:42501 Z:I"),
    ("syntax", [message(b"Q", cstr("SELEC 1"))], "E:42601 Z:I"),
    ("denied in a transaction", [message(b"Q", cstr(q)) for q in
                                 ("BEGIN", "SELECT 1", "DELETE FROM t", "SELECT 2", "ROLLBACK", "SELECT 3")],
     "C:BEGIN Z:T T D C:SELECT 1 Z:T E:42501 Z:E E:25P02 Z:E C:ROLLBACK Z:I T D C:SELECT 1 Z:I"),
    ("denied, then COMMIT", [message(b"Q", cstr(q)) for q in ("BEGIN", "DELETE FROM t", "COMMIT")],
     "C:BEGIN Z:T E:42501 Z:E C:ROLLBACK Z:I"),
    ("denied to a savepoint", [message(b"Q", cstr(q)) for q in
                               ("BEGIN", "SAVEPOINT a", "DELETE FROM t", "ROLLBACK TO a", "SELECT 1", "COMMIT")],
     "C:BEGIN Z:T C:SAVEPOINT Z:T E:42501 Z:E C:ROLLBACK Z:T T D C:SELECT 1 Z:T C:COMMIT Z:I"),
    ("extended", [parse("SELECT id FROM t WHERE id = $1"), bind(params=["2"]), execute(), SYNC], "1 2 D C:SELECT 1 Z:I"),
    ("extended, denied", [parse("DELETE FROM t"), bind(), execute(), SYNC], "E:42501 Z:I"),
    ("pipeline, denied in the middle",
     [parse("SELECT 1"), bind(), execute(), parse("DELETE FROM t"), bind(), execute(), parse("SELECT 2"), bind(),
      execute(), SYNC, parse("SELECT 3"), bind(), execute(), SYNC],
     "1 2 D C:SELECT 1 E:42501 Z:I 1 2 D C:SELECT 1 Z:I"),
    ("suspended portal", [parse("SELECT id FROM t ORDER BY id"), bind("p"), execute("p", 2), execute("p", 2),
                          execute("p", 2), SYNC], "1 2 D D s D D s D C:SELECT 1 Z:I"),
    ("named statement", [parse("SELECT id FROM t WHERE id = $1", "s1"), SYNC, bind("", "s1", ["1"]), execute(), SYNC,
                         message(b"C", b"Ss1\0"), SYNC, bind("", "s1", ["1"]), SYNC],
     "1 Z:I 2 D C:SELECT 1 Z:I 3 Z:I E:26000 Z:I"),
    ("describe", [parse("SELECT id, v FROM t WHERE id = $1", "d1"), message(b"D", b"Sd1\0"), SYNC], "1 t T Z:I"),
    ("copy out", [message(b"Q", cstr("COPY t TO STDOUT"))], "H d d d d d c C:COPY 5 Z:I"),
    ("copy in, denied", [message(b"Q", cstr("COPY t FROM STDIN"))], "E:42501 Z:I"),
    ("function call", [message(b"F", struct.pack("!IHHH", 1598, 0, 0, 0))], "E:42501 Z:I"),
    ("prepare by SQL, use by protocol", [message(b"Q", cstr("PREPARE q AS SELECT id FROM t")), bind("", "q"),
                                         execute("", 1), SYNC], "C:PREPARE Z:I 2 D s Z:I"),
    ("the server's own error", [message(b"Q", cstr("SELECT 1/0"))], "E:22012 Z:I"),
]


def converse(conn, flight):
    """Sends all in one flight; reads one ReadyForQuery for each message that asks for one."""
    conn.send(b"".join(flight))
    out = []
    for m in flight:
        if m[:1] in b"QSF":
            out += conn.until(b"Z")
    return out


def in_workload():
    host, port, database = sys.argv[2], int(sys.argv[3]), sys.argv[4]
    c = stack.Checks()
    for split in (False, True):
        for name, flight, want in CONVERSATIONS:
            conn = pgwire.Connection(host, port, database, split=split)
            c.equal(kinds(converse(conn, flight)), want, f"{name}{' (a byte a segment)' if split else ''}")
            conn.close()
    for name, steps in PATHS:
        conn = pgwire.Connection(host, port, database)
        for step in steps:
            conn.send(step)
            if step[:1] in b"QS":
                conn.until(b"Z")
        conn.query("SELECT * FROM t")
        c.check(b"SECRET" not in bytes(conn.raw), f"search_path: {name}")
        conn.close()
    conn = pgwire.Connection(host, port, database)
    error = pgwire.errors(conn.query("DELETE FROM t"))[0]
    c.equal(error.get("R"), "sluice", "a refusal says who refused")
    c.check(error.get("D", "").startswith("rule: "), "a refusal names its rule", error)
    c.check("delete" in error.get("M", "").lower() and "t" in error["M"], "a refusal says what was refused", error)
    c.check(bool(error.get("H")), "a refusal says how to ask", error)
    conn.close()
    c.done()


def operator():
    host, port, database = sys.argv[2], int(sys.argv[3]), sys.argv[4]
    c = stack.Checks()
    conn = pgwire.Connection(host, port, database)
    conn.query("BEGIN")
    conn.query("INSERT INTO t VALUES (100, 'kept?')")
    c.equal(kinds(conn.query("DROP TABLE t")), "E:42501 Z:E", "a refusal aborts the transaction")
    c.equal(kinds(conn.query("COMMIT")), "C:ROLLBACK Z:I", "whose COMMIT is a ROLLBACK")
    # An implicit transaction: earlier work of the same pipeline must go when a later part is refused.
    flight = [parse("INSERT INTO t VALUES (101, 'kept?')"), bind(), execute(), parse("DROP TABLE t"), bind(), execute(), SYNC]
    c.equal(kinds(converse(conn, flight)), "1 2 C:INSERT 0 1 E:42501 Z:I", "a pipeline with a refusal")
    conn.query("INSERT INTO t VALUES (102, 'kept')")
    copied = conn
    copied.send(message(b"Q", cstr("COPY t FROM STDIN")))
    got = copied.until(b"Z", on_copy_in=message(b"d", b"103\tcopied\n") + message(b"d", b"104\tcopied\n"))
    c.check("COPY 2" in kinds(got), "COPY in", kinds(got))
    conn.close()
    c.done()


def add_up(c, done, what):
    lines = done.stdout.splitlines()
    found = lines and lines[-1].split()
    if not found or found[1:2] != ["passed,"]:
        c.check(False, what, done.stdout[-2000:] + done.stderr[-2000:])
        return
    c.passed, c.failed = c.passed + int(found[0]), c.failed + int(found[2])
    print("\n".join(line for line in lines if line.startswith("FAIL")))


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s:
        s.pg.psql(SETUP, "shop")
        where = ["127.0.0.1", s.pg.port, "shop"]
        add_up(c, s.gw.run("viewer", [sys.executable, __file__, "viewer", *where], timeout=300), "the viewer's conversations")
        c.equal(s.pg.psql("SELECT count(*) FROM t", "shop"), "5", "the viewer changed nothing")
        add_up(c, s.gw.run("operator", [sys.executable, __file__, "operator", *where]), "the operator's conversations")
        c.equal(s.pg.psql("SELECT string_agg(id::text, ',' ORDER BY id) FROM t WHERE id > 5", "shop"), "102,103,104",
                "what was refused took its transaction's earlier work with it")
        psql = ["psql", "-X", s.dsn(), "-v", "ON_ERROR_STOP=1", "-c"]
        big = s.gw.run("viewer", [*psql, "SELECT repeat('x', 50000000)"])
        c.check(len(big.stdout) > 50000000, "a field of 50 MB passes", big.stderr[:300])
        many = s.gw.run("viewer", [*psql, "SELECT * FROM generate_series(1, 300000)"])
        c.check("(300000 rows)" in many.stdout, "300,000 rows pass", many.stderr[:300])
        slow = s.gw.run("viewer", ["sh", "-c", f"timeout -s INT 2 psql -X '{s.dsn()}' -c 'SELECT count(*) FROM generate_series(1, 100000000000)'"])
        c.check("canceling statement due to user request" in slow.stderr, "CancelRequest reaches the server", slow.stderr[:300])
        wrong = s.gw.run("viewer", [*psql[:2], s.dsn("nosuch"), "-c", "SELECT 1"])
        c.check('database "nosuch" does not exist' in wrong.stderr, "the server's own refusal is shown", wrong.stderr[:300])
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
        log = s.pg.log()
        c.check("DELETE FROM t" not in log.replace("sluice", ""), "no denied statement reached the server's log")
    c.done()


if len(sys.argv) > 1:
    {"viewer": in_workload, "operator": operator}[sys.argv[1]]()
else:
    main()
