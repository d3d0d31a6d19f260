#!/usr/bin/env python3
"""A result that is larger than an event may hold: its client gets all of it, the record as many whole rows as fit and
the SHA-256 of all, as it would have shown them, masks included. Of a row of megabytes it has the beginning, says so and
binds nothing. Both verifiers agree with the record."""
import hashlib
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"reader": "file:CRED/db"}, "record": "rows", "record_limit": 163840}],
    "masks": {"pii": {"columns": ["public.t.card"], "as": "last4"}},
    "rules": [{"id": "masked", "resource": "db", "roles": ["reader"], "verbs": ["select"], "relations": ["public.t"], "effect": "mask", "masks": ["pii"]}],
}
PYTHON = "/usr/bin/python3"  # Debian's, with the packages that the verifier names
UNIT = "five \u20ac \"quoted\" \\ "
SIZE = 5 * 1024 * 1024


MANY = 3000


def rows_json(rows):
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def make_tables(s):
    s.pg.psql("CREATE TABLE t (id int, card text, body text)", s.database)
    s.pg.psql(f"INSERT INTO t SELECT i, '411111111111' || (i % 9000 + 1000), repeat('{UNIT}', 5) FROM generate_series(1, {MANY}) i", s.database)
    s.pg.psql(f"INSERT INTO t VALUES (0, '4222222222222222', repeat('{UNIT}', {SIZE // len(UNIT.encode())}))", s.database)


def many(t, end, out):
    rows = [line.split("|") for line in out]
    kept = end["result"]
    t.equal(len(rows), MANY, "the client has all rows")
    t.check(all(r[1].endswith(str(int(r[0]) % 9000 + 1000)) and "41111111" not in r[1] for r in rows), "masked", rows[0])
    t.check(0 < len(kept) < MANY and kept == rows[:len(kept)], "whole rows as far as they fit", len(kept))
    t.equal(end.get("cut"), True, "it says that there were more")
    t.equal(end.get("result_json_sha256"), hashlib.sha256(rows_json(rows)).hexdigest(), "all are bound, as they would have been shown")


def huge(t, end, out):
    body = UNIT * (SIZE // len(UNIT.encode()))
    fields = out.rstrip("\n").split("|")
    t.check(fields[2] == body and fields[3] == "7", "the client has all of it", len(out))
    row = end["result"][0]
    t.equal(row[:2], ["0", "****"], "what comes before it; what is masked wholly so")
    t.check(len(row) == 3 and 60000 < len(row[2].encode()) <= 65536 and body.startswith(row[2]), "its beginning, and nothing in stead of the rest",
            (len(row), len(row[2])))
    t.check(end.get("cut") is True and "result_json_sha256" not in end, "it says so, and binds nothing", end.keys())


def main():
    with stack.Stack(POLICY, config={"audit": {"checkpoint_seconds": 1}}) as s:
        t = stack.Checks()
        make_tables(s)
        queries = {"many": "SELECT id, card, body FROM t WHERE id > 0 ORDER BY id", "huge": "SELECT id, card, body, 7 FROM t WHERE id = 0",
                   "small": "SELECT id, card, body FROM t WHERE id = 1"}
        said = {k: s.gw.run("reader", ["psql", "-XAtq", "-d", s.dsn()], input=q + ";\n").stdout for k, q in queries.items()}
        told = lambda: [e for e in s.gw.events() if e["type"] == "op.end" and e.get("rows") and "result" in e]  # noqa: E731
        stack.until(lambda: len(told()) == len(queries))
        ends = dict(zip(queries, told()))
        many(t, ends["many"], said["many"].splitlines())
        huge(t, ends["huge"], said["huge"])
        t.equal(ends["small"]["result"], [said["small"].rstrip("\n").split("|")], "what fits is whole")
        t.check("cut" not in ends["small"] and "result_json_sha256" not in ends["small"], "and needs no hash", ends["small"].keys())

        folder = s.folder / "export"
        stack.until(lambda: "checkpoint sluice/" in s.gw.log())  # a checkpoint is there
        s.gw.sluice("export", "--format", "lmdb", "-o", folder)
        for run in ([stack.BUILD / "sluice", "verify", folder], [PYTHON, stack.ROOT / "deploy/verify-export.py", folder]):
            said = subprocess.run(run, capture_output=True, text=True, timeout=60)
            t.check(said.returncode == 0 and said.stdout.startswith("OK"), "verifies", said.stdout + said.stderr)
        if t.failed:
            print(s.gw.log()[-2000:])
    t.done()


main()
