#!/usr/bin/env python3
"""Masks, end to end: no turn of the protocol brings a masked value to the role that has masks, what it may
see it sees; another role sees all; and neither's values are in the record, the log or an export."""
import base64
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import stack  # noqa: E402

SAMPLE = HERE.parents[1] / "policy/examples/cases-viewer-masked.json"
SEEDS = [b"512-64-7301", b"512-64", b"219-38-5472", b"4539148803436426", b"453914880343", b"5117239084615379", b"ada.lind@example.com",
         b"900-11-2233", b"900-44-5566"]
results = {True: 0, False: 0}


def check(ok, what):
    results[bool(ok)] += 1
    if not ok:
        print(f"FAIL mask_test: {what}")


def policy():
    p = json.loads(SAMPLE.read_text())
    p["roles"]["operator"] = ["operator"]
    r = p["resources"][0]
    r |= {"match": ["127.0.0.1:@PORT@"], "record": "rows", "credentials": {"viewer": "file:CRED/db", "operator": "file:CRED/db"}}
    p["rules"].append({"id": "operator-all", "resource": r["name"], "roles": "operator", "effect": "allow"})
    return p


def leaks(data):
    return [s.decode() for s in SEEDS if s in data]


def flat(rows):
    return [f for row in rows for f in row]


MUST_SHOW = {
    "simple": "***-**-7301", "described once, bound in binary": "***-**-7301", "a format for each column": "***-**-7301",
    "a suspended portal": "***-**-2986", "described another portal last": "***-**-7301", "several results in one text": "***-**-5472",
    "described in the same flight, executed twice": "***-**-7301", "a binary cursor": "***-**-7301", "a held cursor": "***-**-7301",
    "a cursor fetched by Parse": "***-**-2986", "PREPARE and EXECUTE": "***-**-7301", "a name made anew": "***-**-7301",
    "by number": "***-**-7301",
}
OPERATOR = [
    "SELECT * FROM customers ORDER BY id",
    "SELECT name FROM customers WHERE ssn = '512-64-7301' OR card = '4539148803436426' /* 219-38-5472 */",
    "INSERT INTO customers (id, name, ssn) VALUES (77, 'Zed', '900-11-2233') RETURNING ssn",
    "UPDATE customers SET ssn = $$900-44-5566$$ WHERE id = 77",
    "SELECT '512-64-7301'::int, ssn FROM customers",
    "SELECT ssn::int FROM customers",
    "COPY customers TO STDOUT",
    "SELECT ssn || card FROM customers",
    "SELECT c FROM customers c",
    "DELETE FROM customers WHERE ssn = '900-44-5566'",
]


def main():
    s = stack.Stack(policy(), HERE.parent / "cases/setup.sql")
    try:
        where = ["127.0.0.1", str(s.pg.port), s.database]
        argv = [sys.executable, HERE / "mask_agent", *where]
        out = subprocess.run(s.gw.command("viewer", argv), env=s.gw.env, capture_output=True, text=True)
        turns = json.loads(out.stdout.splitlines()[0]) if out.stdout else {}
        check(turns, f"the agent answered: {out.stderr[-2000:]}")
        for name, t in turns.items():
            check(not leaks(base64.b64decode(t["raw"])), f"{name}: leaks {leaks(base64.b64decode(t['raw']))}")
            check("closed" not in t, f"{name}: closed: {t.get('closed')}")
            if name in MUST_SHOW:
                check(MUST_SHOW[name] in flat(t["rows"]), f"{name}: shows no {MUST_SHOW[name]}: {t['rows'][:3]} {t['errors']}")
        dsn = f"postgresql://agent@{where[0]}:{where[1]}/{where[2]}"
        for sql in OPERATOR:
            # By stdin: the command line of a session is recorded as it is.
            run = s.gw.command("operator", ["psql", "-XAtw", dsn])
            done = subprocess.run(run, env=s.gw.env, capture_output=True, text=True, input=sql + ";")
            if sql == OPERATOR[0]:
                check("512-64-7301" in done.stdout and "4539148803436426" in done.stdout, f"the operator sees all: {done}")
        s.gw.sluice("export", "--format", "jsonl", "-o", s.gw.folder / "events.jsonl")
        exported = (s.gw.folder / "events.jsonl").read_bytes()
        check(b"***-**-7301" in exported, "the record holds masked rows")
        check(b'"masked":' in exported and b'"decision":"mask"' in exported, "the record counts what was masked")
        for line in exported.splitlines():
            check(not leaks(line), f"the record holds {leaks(line)}: {line[:600]!r}")
        found = re.findall(r'sluice_resource_masked(_values)?_total\{resource="[^"]*"\} (\d+)', s.gw.http("/metrics"))
        check(len(found) == 2 and all(int(n) > 10 for _, n in found), f"metrics count what was masked: {found}")
        shown = next(x for x in map(json.loads, s.gw.sluice("sessions", "--json").stdout.splitlines()) if x["role"] == "viewer")
        events = [json.loads(line) for line in exported.splitlines()]
        ends = sum(e.get("masked", 0) for e in events if e["type"] == "op.end" and e["session"] == shown["session"])
        ops = sum(e["type"] == "op" and e["decision"] == "mask" and e["session"] == shown["session"] for e in events)
        check(ops and shown["masks"] == [{"count": ops, "rule": "viewer-read", "values": ends}] and shown["masked"] == ops,
              f"sessions count operations and values by rule: {shown}, {ops} operations, {ends} values")
        applied = [e for e in events if e["type"] == "mask.applied"]
        check(sum(e["masked"] for e in applied) == ends and {e["rule"] for e in applied} == {"viewer-read"}, f"mask.applied: {applied}")
        told = s.gw.sluice("replay", shown["session"]).stdout
        check(f"masked by rule viewer-read: {applied[0]['count']} operations, {applied[0]['masked']} values" in told, f"replay tells it: {told[-900:]}")
        check(not leaks(s.gw.log().encode()), "the log holds a value")
        for path in (s.gw.folder / "state").rglob("*"):
            if path.is_file():
                check(not leaks(path.read_bytes()), f"{path.name} holds {leaks(path.read_bytes())}")
        check(s.gw.sluice("verify", check=False).returncode == 0, "the record verifies")
    finally:
        s.down()
    print(f"{results[True]} passed, {results[False]} failed, 0 skipped")
    return results[False] != 0


sys.exit(main())
