#!/usr/bin/env python3
"""What approvers are shown of a statement's parameters: what the server itself would say of them, whatever form they
came in; who waits and who is gone; and that the record finds what failed on a table."""
import json
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from stack import ROOT, Checks, Stack, until  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"worker": ["worker"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"worker": "file:CRED/db"}}],
    "rules": [
        {"id": "read", "resource": "db", "roles": "worker", "verbs": "select", "relations": "public.*", "effect": "allow"},
        {"id": "change", "resource": "db", "roles": "worker", "verbs": ["insert", "update"], "relations": "public.*",
         "effect": "ask", "approvers": [{"group": "dba"}], "expires": "60s"},
    ],
}
# Types whose binary form is known, values of each, and what a server is asked for its own words.
VALUES = {
    "bool": ["true", "false"], "bytea": [r"\x00ff10", r"\x"], "int2": ["-32768", "7"], "int4": ["-2147483648", "42"],
    "int8": ["9223372036854775807", "-1"], "oid": ["4294967295"], "text": ["it''s\u00e9", "", "{a,\"b\"}"], "name": ["pg_class"],
    "varchar": ["x y"], "float4": ["0.1", "-1.5e-10", "NaN", "Infinity", "16777216"],
    "float8": ["0.1", "1e300", "-0", "123456789.12345678", "5e-324", "100000"],
    "numeric": ["0", "-1.58", "0.00010", "12345678901234567890.123456789", "1e30", "NaN", "Infinity", "10000", "0.5", "100000000.0001"],
    "date": ["2026-11-24", "0044-03-15 BC", "1582-10-04", "infinity", "10000-01-01"], "time": ["08:00:00", "23:59:59.999999", "00:00:00.5"],
    "timestamp": ["2026-11-24 08:00:00.25", "1999-12-31 23:59:59.999999", "0001-01-01 00:00:00 BC", "-infinity"],
    "timestamptz": ["2026-11-24 08:00:00+00", "1900-02-28 23:00:00+00"], "uuid": ["12345678-9abc-def0-0102-030405060708"],
    "json": ['{"a": [1, "b"]}'], "jsonb": ['{"a": [1, "b"]}'],
    "int4[]": ["{}", "{1,NULL,-3}"], "text[]": ['{a,"b c","",NULL,"null","x\\\\y","q\\"q"}'], "uuid[]": ["{12345678-9abc-def0-0102-030405060708}"],
    "numeric[]": ["{1.50,NULL}"], "date[]": ["{2026-11-24}"], "bool[]": ["{t,f}"],
}
UNKNOWN = {"point": "(1,2)", "int4range": "[1,3)"}  # shown in hex, with the type's number

CLIENT = """import json, struct, sys
sys.path.insert(0, sys.argv[1])
import pgwire
rows = json.load(sys.stdin)
c = pgwire.Connection("127.0.0.1", int(sys.argv[2]), sys.argv[3])
def bind(types, values, text):
    body = b"\\0" + b"\\0" + struct.pack("!hh", 1, 1) + struct.pack("!h", len(values))
    for v in values:
        body += struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v
    parse = pgwire.cstr("") + pgwire.cstr(text) + struct.pack("!h", len(types)) + b"".join(struct.pack("!I", o) for o in types)
    c.send(pgwire.message(b"P", parse) + pgwire.message(b"D", b"S\\0") + pgwire.message(b"S"))
    got = c.until(b"Z")
    assert not [m for m in got if m[0] == b"E"], got
    c.send(pgwire.message(b"B", body + struct.pack("!h", 0)) + pgwire.message(b"E", b"\\0" + struct.pack("!i", 0)) + pgwire.message(b"S"))
    return c.until(b"Z")
text = "INSERT INTO seen SELECT " + " AND ".join(f"${i + 1}::{r['type']} IS NULL" for i, r in enumerate(rows)) + f" AND ${len(rows) + 1}::int IS NULL"
# The even ones declare their types, of the others the server tells.
types = [r["oid"] if i % 2 else 0 for i, r in enumerate(rows)]
bind(types, [bytes.fromhex(r["hex"]) for r in rows] + [None], text)
"""


def values(pg, database):
    """type, oid, the bytes of its send function, the server's own text; in UTC."""
    asked = [(t, v) for t, all_ in VALUES.items() for v in all_] + list(UNKNOWN.items())
    parts = []
    for type_, value in asked:
        literal = "'" + value.replace("''", "'").replace("'", "''") + "'"
        send = pg.psql(f"SELECT typsend::text FROM pg_type WHERE oid = '{type_}'::regtype", database)
        parts.append(f"SELECT '{type_}' AS type, '{type_}'::regtype::oid::int AS oid, encode({send}({literal}::{type_}), 'hex') AS hex, "
                     f"CASE WHEN '{type_}' = 'bool' THEN {literal} ELSE {literal}::{type_}::text END AS text")
    sql = f"SET timezone = 'UTC'; SET datestyle = 'ISO'; SELECT json_agg(x) FROM ({' UNION ALL '.join(parts)}) x"
    return json.loads(pg.psql(sql, database))


def same(got, row):
    if row["type"] in UNKNOWN:
        return got.get("hex") == row["hex"] and got.get("type", "").endswith(str(row["oid"])) and "text" not in got
    if row["type"] in ("float4", "float8"):  # the same number, however it is written
        return float(got["text"]) == float(row["text"]) or got["text"] == row["text"]
    if row["type"] == "bool[]":
        return got["text"] == row["text"].replace("t", "true").replace("f", "false")
    return got.get("text") == row["text"] and got.get("type") == row["type"]


class Test(Checks):
    def __init__(self, s):
        super().__init__()
        self.s, self.gw = s, s.gw

    def pending(self, n=1):
        def look():
            lines = self.gw.sluice("requests", "--json").stdout.splitlines()
            found = [r for r in map(json.loads, lines) if r["state"] == "pending"]
            return found if len(found) >= n else None
        return until(look) or []

    def whole(self, r):
        return json.loads(self.gw.sluice("requests", r["request"], "--json").stdout)

    def parameters(self):
        rows = values(self.s.pg, self.s.database)
        argv = ["python3", "-c", CLIENT, ROOT / "tests/lib", self.s.pg.port, self.s.database]
        client = self.gw.popen("worker", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        client.stdin.write(json.dumps(rows))
        client.stdin.close()
        found = self.pending()
        if not found:
            self.check(False, "the statement is held", client.stderr.read())
            return
        r = found[0]
        got = self.whole(r)["body"]["params"]
        self.equal(len(got), len(rows) + 1, "each parameter is shown")
        for value, row in zip(got, rows):
            self.check(same(value, row), f"{row['type']} {row['text']!r} is shown as the server shows it", value)
        self.equal(got[-1], None, "and NULL is NULL")
        shown = self.gw.sluice("requests", r["request"]).stdout
        self.check("12345678-9abc-def0-0102-030405060708" in shown and "(uuid)" in shown, "the command shows a uuid", shown)
        self.check("base64" not in shown and "in hex)" in shown, "and nobody reads base64", shown)
        self.gone(r, client)

    def gone(self, r, client):
        self.check("whoever sent it is gone" not in self.gw.sluice("requests", r["request"]).stdout, "while somebody waits")
        client.terminate()
        client.wait()
        shown = until(lambda: (lambda o: o if "whoever sent it is gone" in o else None)(self.gw.sluice("requests", r["request"]).stdout))
        self.check(shown, "a request whose asker has gone says so")
        row = [line.split() for line in self.gw.sluice("requests").stdout.splitlines() if r["request"] in line][0]
        self.equal(row[1], "left", "in the list, too")

    def search(self):
        self.s.gw.run("worker", ["psql", "-XAt", self.s.dsn(), "-c", 'SELECT 1/0 FROM "My Table"', "-c", "SELECT 1 FROM seen", "-c", "SELECT 1/0"])
        find = lambda *a: [json.loads(x) for x in self.gw.sluice("search", "--json", *a, check=False).stdout.splitlines()]  # noqa: E731
        for name in ("My Table", '"My Table"', 'public."My Table"'):
            got = find("--verdict", "error", "--relation", name)
            self.equal([e["sqlstate"] for e in got], ["22012"], f"--verdict error --relation {name}")
        self.equal(len(find("--relation", '"My Table"')), 2, "an operation and its end")
        self.equal(find("--verdict", "error", "--relation", "seen"), [], "what went well is no error")
        session = find("--verdict", "error")[0]["session"]
        self.equal(find(session[2:]), [], "a session's drawn name is no word")
        self.check(len(find("--session", session)) > 5, "it is a filter")


def main():
    with Stack(POLICY) as s:
        s.pg.psql('CREATE TABLE seen (v bool); CREATE TABLE "My Table" (v int); INSERT INTO "My Table" VALUES (1)', s.database)
        t = Test(s)
        t.parameters()
        t.search()
    t.done()


if __name__ == "__main__":
    main()
