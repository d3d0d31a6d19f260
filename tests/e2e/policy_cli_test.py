#!/usr/bin/env python3
"""sluice policy check, test and explain, on the sample policies and on bad ones; SQL is explained by a real
database's catalogue. SLUICE: another binary."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

SLUICE = os.environ.get("SLUICE", stack.BUILD / "sluice")
EXAMPLES = stack.ROOT / "policy/examples"
SETUP = """
CREATE TABLE customers (id int, name text);
CREATE TABLE orders (id int, total numeric);
CREATE TABLE secrets (k text);
CREATE FUNCTION f_audit(text) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
"""


def policy(*args):
    return subprocess.run([SLUICE, "policy", *map(str, args)], capture_output=True, text=True)


def check_samples(c):
    for sample in sorted(EXAMPLES.glob("*.json")):
        done = policy("check", sample)
        c.check(done.returncode == 0 and f"{sample}: good" in done.stdout, f"{sample.name} is good", done)
        golden = sample.with_suffix("").with_suffix(".golden.tsv")
        done = policy("test", "-q", sample, golden)
        c.check(done.returncode == 0 and ", 0 failed" in done.stdout, f"{golden.name} passes", done.stdout)
    done = policy("check", *sorted(EXAMPLES.glob("*.json")))
    c.equal(done.returncode, 0, "several files are checked at once")


def check_duties(c, folder):
    for sample in sorted(EXAMPLES.glob("*.json")):
        done = policy("check", "--duties", sample)
        c.check(done.returncode == 0 and "duties: 0 findings" in done.stdout, f"{sample.name} keeps duties apart", done)
    duties = policy("check", "--duties", EXAMPLES / "duties.json").stdout
    c.check("with a second person: group crew-worker: on shop, while grant lend-reader lends it role reader" in duties,
            "what a grant would add is told", duties)
    wrong = json.loads((EXAMPLES / "duties.json").read_text())
    wrong["rules"][0]["effect"] = "allow"
    del wrong["rules"][0]["masks"]
    wrong["rules"][-1].update(effect="mask", masks="numbers")
    (folder / "wrong.json").write_text(json.dumps(wrong))
    done = policy("check", "--duties", folder / "wrong.json")
    c.check(done.returncode == 1 and "alone: group crew-worker: on shop: reads public.* without mask \"numbers\"" in done.stdout
            and "may insert public.* (rule worker-insert)" in done.stdout, "who has both is named", done)
    c.check(not re.search(r"\bx\b", done.stdout), "a pattern is called as the policy calls it", done.stdout)
    c.equal(policy("check", folder / "wrong.json").returncode, 0, "and only that asks about it")


def check_bad(c, folder):
    bad = folder / "bad.json"
    text = (EXAMPLES / "viewer.json").read_text()
    bad.write_text(text.replace('"viewer-read"', '"viewer read"').replace('"select"', '"reed"'))
    done = policy("check", bad)
    lines = done.stdout.splitlines()
    place = next(n for n, line in enumerate(bad.read_text().splitlines(), 1) if '"viewer read"' in line)
    c.equal(done.returncode, 1, "a bad policy fails the check")
    c.check(lines[0].startswith(f'{bad}:{place}:13: "viewer read" is no name; expected'), "file, line and column", lines)
    c.check("expected one of select, insert" in lines[1], "what was expected", lines)
    bad.write_text("{\n  \"version\": 1,\n  oops\n}")
    done = policy("check", bad)
    c.check(done.stdout.startswith(f"{bad}:3:3: not JSON: "), "a syntax error has its place too", done.stdout)
    c.equal(policy("check", folder / "none.json").returncode, 1, "a missing file fails the check")
    c.check("No such file" in policy("check", folder / "none.json").stderr, "and says why")
    good, cases = EXAMPLES / "viewer.json", folder / "cases.tsv"
    cases.write_text("viewer\tshop\tselect:public.orders\tdeny\tdefault\nviewer\tshop\tbad\n"
                     "viewer\tnone\tshow\tdeny\tdefault\nviewer\tshop\treed:a.b\tdeny\tdefault\n"
                     "viewer\tshop\tsql:SELECT 1\tallow\tviewer-read\n"
                     "viewer\tshop\tselect:public.orders\tallow\tviewer-read\n")
    done = policy("test", good, cases)
    c.check(done.returncode == 1 and done.stdout.endswith("1 passed, 5 failed, 0 skipped\n"), "wrong cases fail", done)
    c.check(f"FAIL {cases}:1: allow by rule viewer-read, expected deny by default" in done.stdout, "with their line", done)
    cases.write_text("# nothing\n")
    c.equal(policy("test", good, cases).returncode, 1, "no cases at all is a failure")
    for args in ([], ["chek", good], ["check"], ["test", good], ["explain", good], ["check", "--nope", good],
                 ["explain", good, "--role", "viewer", "--resource", "shop", "--sql", "SELECT 1"]):
        done = policy(*args)
        c.check(done.returncode == 2 and "usage: sluice policy" in done.stderr, f"usage of {args[:1]}", done)


def check_explain(c):
    ask = ["explain", EXAMPLES / "shop.json", "--resource", "shop", "--role"]
    done = policy(*ask, "operator", "--needs", "select:public.orders ~show insert:public.secrets(k)")
    out = done.stdout.splitlines()
    c.equal(done.returncode, 1, "a refusal is exit 1")
    c.check(out[0].split()[:3] == ["allow", "rule", "read"], "each need has its rule", out)
    c.check(out[2].split()[:3] == ["deny", "rule", "secrets"], "the refused one too", out)
    c.check("deny by rule secrets" in out and "nobody's agent reads the vault" in done.stdout, "and the whole", out)
    done = policy(*ask, "owner", "--needs", "opaque:DO")
    c.check(done.returncode == 0 and "allow by rule owner-all" in done.stdout, "what passes is exit 0", done)
    done = policy(*ask, "operator", "--needs", "create:public.t")
    c.check("asks for an approval" in done.stdout and done.returncode == 3, "what people are asked about is told, as exit 3", done)
    c.check("held until" in done.stdout and "Trying again will not help" not in done.stdout, "with what to do about it", done)
    c.equal(policy(*ask, "nobody", "--needs", "show").returncode, 2, "an unknown role is a usage error")


def check_sql(c, folder):
    pg = stack.Postgres(folder / "pg")
    try:
        pg.psql("CREATE DATABASE shop")
        pg.psql(SETUP, "shop")
        ask = ["explain", EXAMPLES / "cases-viewer.json", "--resource", "evade", "--role", "viewer", "--dsn", pg.dsn("shop")]
        for sql, code, says in [
            ("SELECT name FROM customers", 0, "select on public.customers"),
            ("SELECT * FROM customers c JOIN orders o ON o.id = c.id", 0, "select on public.orders"),
            ("WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d", 1, "delete on public.orders"),
            ("SELECT f_audit('x')", 1, "public.f_audit"),
            ("SELECT 1; DROP TABLE orders", 1, "drop"),
        ]:
            done = policy(*ask, "--sql", sql)
            c.check(done.returncode == code and says in done.stdout, sql, done.stdout + done.stderr)
        pg.psql("ALTER TABLE customers ADD COLUMN IF NOT EXISTS ssn text", "shop")
        masked = ["explain", EXAMPLES / "cases-viewer-masked.json", *ask[2:]]
        for sql, code, says in [
            ("SELECT id, ssn AS x FROM customers", 0, "column 2   keep_last  public.customers.ssn"),
            ("SELECT upper(ssn) FROM customers", 0, "column 1   whole      computed from public.customers.ssn"),
            ("SELECT id FROM customers WHERE ssn > '5'", 1, "condition  on         public.customers.ssn"),
            ("COPY customers TO STDOUT (ENCODING 'SJIS')", 1, "rows       cannot be masked: COPY with an ENCODING"),
        ]:
            done = policy(*masked, "--sql", sql)
            c.check(done.returncode == code and says in done.stdout, sql, done.stdout + done.stderr)
        done = policy(*ask, "--sql", "SELEC 1")
        c.check(done.returncode == 2 and "syntax error" in done.stderr, "a syntax error is told", done)
        done = policy(*ask[:-1], pg.dsn("shop", password="wrong-Pa55"), "--sql", "SELECT 1")
        c.check(done.returncode == 2 and "no connection" in done.stderr and "Pa55" not in done.stderr, "no secrets", done)
        done = policy(*ask[:-1], "postgres://u:wrong-Pa55@h:%zz/", "--sql", "SELECT 1")
        c.check(done.returncode == 2 and "Pa55" not in done.stderr, "not of a bad address either", done)
        cases = folder / "sql.tsv"
        cases.write_text("viewer\tevade\tsql:TABLE orders\tallow\tviewer-read\n"
                         "viewer\tevade\tsql:SELECT * FROM secrets\tdeny\tdefault\n")
        done = policy("test", EXAMPLES / "cases-viewer.json", cases, "--dsn", pg.dsn("shop"))
        c.check(done.returncode == 0 and "2 passed" in done.stdout, "cases in SQL", done)
    finally:
        pg.down()


def check_schema(c):
    try:
        import jsonschema
    except ImportError:
        c.skip("python3-jsonschema is not installed: the samples are not held against policy/schema.json")
        return
    schema = json.loads((EXAMPLES.parent / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for sample in sorted(EXAMPLES.glob("*.json")):
        errors = [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(json.loads(sample.read_text()))]
        c.equal(errors, [], f"{sample.name} fits the schema")


def main():
    c = stack.Checks()
    with tempfile.TemporaryDirectory(prefix="sl-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        check_samples(c)
        check_duties(c, folder)
        check_bad(c, folder)
        check_explain(c)
        check_schema(c)
        if not os.environ.get("NO_SQL"):
            check_sql(c, folder)
    c.done()


main()
