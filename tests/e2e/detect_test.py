#!/usr/bin/env python3
"""Detectors and keyed masks, end to end: what is found in texts by the built-in detectors and by a pattern of the policy is
hidden, hashes are stable within their scope and of their type, a missing key shows nothing; and what a statement, a
parameter, an error or a command line quotes is not in the record, whoever sent it."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import stack  # noqa: E402

SETUP = """
CREATE TABLE people (id int PRIMARY KEY, badge int, ref uuid, born date, dob text, ssn text, note text);
INSERT INTO people VALUES
 (1, 40961, '6f1c0a52-0d3b-4c1e-9a51-6f1c0a520d3b', '1980-02-03', '3 Feb 1980', '512-64-7301',
  'call (212) 555-0123, mail ada.lind@example.com, badge EMP-123456, key AKIAIOSFODNN7EXAMPLE, box 12'),
 (2, 40961, '6f1c0a52-0d3b-4c1e-9a51-6f1c0a520d3b', '1981-02-03', '1981-02-03', '512-64-7301', 'nothing');
CREATE TABLE open_notes (id int, note text UNIQUE);
"""
SEEDS = ["4539148803436426", "512-64-7301", "ada.lind@example.com", "555-0123", "AKIAIOSFODNN7EXAMPLE", "hunter2-secret",
         "DE89370400440532013000", "c2VjcmV0LXNpZ25hdHVyZS1ieXRlcw", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]


def policy(scope="policy"):
    key = {"as": "hash", "key": "file:CRED/mask.key", "scope": scope}
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"viewer": ["viewer"], "operator": ["operator"]},
        "resources": [{"name": "shop", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "record": "rows",
                       "credentials": {"viewer": "file:CRED/db", "operator": "file:CRED/db"}}],
        "detectors": {"employee": {"pattern": r"\bEMP-[0-9]{6}\b"}},
        "masks": {"ids": {"columns": ["public.people.badge", "public.people.ref", "public.people.ssn"], **key},
                  "texts": {"columns": ["public.people.note", "public.people.dob"], "detect": ["all", "employee"], "as": "redact"}},
        "rules": [{"id": "read", "resource": "shop", "roles": "viewer", "verbs": "select", "relations": "public.*", "effect": "mask",
                   "masks": ["ids", "texts"]},
                  {"id": "all", "resource": "shop", "roles": "operator", "relations": "*.*", "effect": "allow"},
                  {"id": "ddl", "resource": "shop", "roles": "operator", "class": ["ddl", "dcl", "admin", "write", "read"],
                   "effect": "allow"}],
    }


def rows(s, group, sql):
    # By stdin: what is on the command line is another test's.
    dsn = f"postgresql://agent@127.0.0.1:{s.pg.port}/{s.database}"
    run = s.gw.command(group, ["psql", "-XAtq", "-F", "|", "-P", "null=NULL", dsn])
    done = subprocess.run(run, env=s.gw.env, capture_output=True, text=True, input=sql + ";", timeout=60)
    return [line.split("|") for line in done.stdout.splitlines()], done.stderr


def set_policy(s, scope):
    s.gw.write_policy(json.dumps(policy(scope)).replace("@PORT@", str(s.pg.port)))
    return s.gw.sluice("reload", check=False)


def check_hashes(c, s):
    ask = "SELECT badge, ref, ssn FROM people ORDER BY id"
    got, err = rows(s, "viewer", ask)
    c.equal(got, [["NULL"] * 3] * 2, f"without its key a hash shows nothing: {err}")
    c.check("mask.key" in s.gw.log(), "the log names the key that is missing")
    path = s.gw.folder / "etc/credentials/mask.key"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    path.chmod(0o600)
    s.gw.sluice("reload")
    first, err = rows(s, "viewer", ask)
    again, _ = rows(s, "viewer", ask)
    c.check(first and first[0] == first[1] and first == again, "equal values have equal hashes, in every session", (first, again, err))
    badge, ref, ssn = (first or [["", "", ""]])[0]
    c.check(badge.isdigit() and badge != "40961" and int(badge) < 2**31, "of an int4 an int4", badge)
    c.check(len(ref) == 36 and ref[14] == "8" and not ref.startswith("6f1c"), "of a uuid a uuid", ref)
    c.check(len(ssn) == 32 and set(ssn) <= set("0123456789abcdef"), "of a text a hash", ssn)
    c.equal(set_policy(s, "session").returncode, 0, "another policy")
    one, _ = rows(s, "viewer", ask)
    two, _ = rows(s, "viewer", ask)
    c.check(one and one[0] == one[1] and one != two and one != first, "within a session alone", (one, two))


def check_texts(c, s):
    got, err = rows(s, "viewer", "SELECT note, dob FROM people ORDER BY id")
    c.equal(got, [["call ****, mail ****, badge ****, key ****, box 12", "****"], ["nothing", "****"]], f"what is found is hidden {err}")


def check_record(c, s):
    rows(s, "operator", "INSERT INTO open_notes VALUES (1, 'card 4539148803436426, iban DE89370400440532013000')")
    rows(s, "operator", "INSERT INTO open_notes VALUES (2, 'card 4539148803436426, iban DE89370400440532013000')")
    rows(s, "operator", "SELECT 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2VjcmV0LXNpZ25hdHVyZS1ieXRlcw' WHERE 'ada.lind@example.com' <> 'x'")
    rows(s, "operator", "INSERT INTO open_notes VALUES (3, 'x'), (4, 'ada.lind@example.com'), (5, 'ada.lind@example.com')")
    rows(s, "operator", "ALTER ROLE nobody_there PASSWORD 'hunter2-secret'")
    s.gw.run("operator", ["true", "--note=4539148803436426", "--token", "hunter2-secret", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"])
    events = s.gw.sluice("export", "--format", "jsonl").stdout
    c.check("open_notes" in events and "card ****" in events, "the statements are on record")
    status = s.gw.sluice("sessions", check=False).stdout
    for seed in SEEDS:
        at = events.find(seed)
        c.check(at < 0, f"the record holds {seed}", events[max(0, at - 300):at + 60])
        c.check(seed not in s.gw.log() and seed not in status, f"the log or the list of sessions holds {seed}")


def main():
    c = stack.Checks()
    with stack.Stack(policy(), None, database="evade") as s:
        s.pg.psql(SETUP, database="evade")
        check_hashes(c, s)
        check_texts(c, s)
        check_record(c, s)
    c.done()


main()
