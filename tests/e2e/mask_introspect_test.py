#!/usr/bin/env python3
"""What psql's backslash commands tell a role with masks of the database: what they tell anybody, but for constants in
definitions, which may be copies of what is masked. Only what shows credentials or other sessions is refused."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import stack  # noqa: E402

SETUP = """
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN code AS text DEFAULT '512-64-7301' CHECK (VALUE <> '512-64-7301');
CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, ssn text DEFAULT '512-64-7301', m mood,
  up text GENERATED ALWAYS AS (upper(name)) STORED, boss int REFERENCES people (id), CONSTRAINT odd CHECK (ssn <> '512-64-7301' || 'x'));
COMMENT ON TABLE people IS 'who works here';
COMMENT ON COLUMN people.name IS 'as it is spoken';
CREATE INDEX people_part ON people (lower(name)) WHERE ssn <> '512-64-7301';
CREATE VIEW v AS SELECT id, name FROM people WHERE ssn <> '512-64-7301';
CREATE MATERIALIZED VIEW mv AS SELECT id, name FROM people;
CREATE TABLE listed (who text, id int) PARTITION BY LIST (who);
CREATE TABLE listed_1 PARTITION OF listed FOR VALUES IN ('512-64-7301');
CREATE TABLE listed_2 PARTITION OF listed DEFAULT;
CREATE TABLE child () INHERITS (people);
CREATE FUNCTION f(a text DEFAULT '512-64-7301', b int DEFAULT 7) RETURNS text LANGUAGE sql AS $$ SELECT '512-64-7301' || a $$;
CREATE FUNCTION g(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT $1; END;
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER t BEFORE UPDATE ON people FOR EACH ROW WHEN (old.ssn = '512-64-7301') EXECUTE FUNCTION suppress_redundant_updates_trigger('512-64-7301');
CREATE RULE r AS ON DELETE TO people WHERE old.ssn = '512-64-7301' DO INSTEAD NOTHING;
CREATE POLICY p ON people USING (ssn <> '512-64-7301');
CREATE STATISTICS s ON (name || '512-64-7301') FROM people;
CREATE PUBLICATION pub FOR TABLE people (id, name);
CREATE SEQUENCE counted START 10;
CREATE COLLATION ours FROM "C";
CREATE FOREIGN DATA WRAPPER fdw;
CREATE SERVER far FOREIGN DATA WRAPPER fdw OPTIONS (password 'geheim-77');
CREATE FOREIGN TABLE away (id int) SERVER far;
"""
# The same as for whoever has no masks.
SAME = [r"\dA", r"\dAc", r"\dAf", r"\dAo", r"\dAp", r"\db", r"\dc", r"\dC", r"\dconfig work_mem", r"\dd", r"\dD ours", r"\ddp", r"\dE",
        r"\df g", r"\dfw", r"\dF", r"\dFd", r"\dFp", r"\dFt", r"\dg", r"\di+", r"\dL", r"\dm", r"\dn+", r"\do @>", r"\dO", r"\dP", r"\dPi",
        r"\dPt", r"\dRp", r"\dRp+", r"\ds", r"\dt", r"\dt+", r"\dT", r"\dT+", r"\du+", r"\dv+", r"\dx", r"\dx+ hstore", r"\dy", r"\l", r"\d",
        r"\d people_pkey", r"\d counted", r"\d mv", r"\d+ mv", r"\d pair", r"\d pg_class", r"\d+ pg_proc", r"\dti", r"\dS pg_am", r"\encoding",
        r"\sf g", r"\d hstore"]
# The same, without constants; and what must be in it.
STARRED = {r"\d people": "Check constraints:\n    \"odd\" CHECK (ssn <> ('****'", r"\d+ people": "as it is spoken", r"\d+ v": "ssn <> '****'", r"\dX": "public | s    | ****",
           r"\d+ listed": "Partitions: listed_1 FOR VALUES IN ('****'),", r"\d listed_1": "Partition of: listed FOR VALUES IN ('****')",
           r"\d+ listed_1": "Partition constraint: ((who IS NOT NULL) AND (who = '****'::text))", r"\sf f": "'****' || a", r"\sv v": "ssn <> '****'",
           r"\d people_part": "ssn <> '****'", r"\df f": "a text DEFAULT '****'::text, b integer DEFAULT 7", r"\da total": "aggregate", r"\dD": "code",
           r"\dD+": "code", r"\df+ f": "a text DEFAULT '****'::text", r"\df": "a text DEFAULT '****'::text, b integer DEFAULT 7", r"\dp": "people",
           r"\z people": "****", r"\d child": "Inherits: people"}
# Options of servers are credentials; the others are of other roles, or tell what only who administers needs.
REFUSED = [r"\des+", r"\det", r"\deu", r"\dew", r"\dl", r"\drds", r"\dRs"]
SECRETS = ["512-64", "7301", "geheim"]


def policy():
    p = stack.one_role("viewer", "r", "select")
    p["masks"] = {"m": {"columns": "public.*.ssn", "as": "last4", "predicates": "deny"}}
    p["rules"][0] |= {"effect": "mask", "masks": "m"}
    return p


def script(folder, commands):
    path = folder / "commands.sql"
    path.write_text("".join(f"\\echo @@{i}\n{c}\n" for i, c in enumerate(commands)))
    path.chmod(0o644)
    return path


def answers(run, commands, **kw):
    out = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="backslashreplace", timeout=120, **kw).stdout
    parts = [part.split("\n", 1) for part in out.split("@@")[1:]]
    return {c: dict(parts).get(str(i), "(no answer)").strip() for i, c in enumerate(commands)}


def main():
    c, folder = stack.Checks(), pathlib.Path(tempfile.mkdtemp(prefix="sl-"))
    folder.chmod(0o755)
    setup, commands = folder / "setup.sql", [*SAME, *STARRED, *REFUSED]
    setup.write_text(SETUP)
    with stack.Stack(policy(), setup) as s:
        path = script(folder, commands)
        direct = answers(["psql", "-X", "-f", path, s.pg.dsn(s.database)], commands)
        shell = ["sh", "-c", 'exec psql -X -f "$0" "$1" 2>&1', path, s.dsn()]
        got = answers(s.gw.command("viewer", shell), commands, env=s.gw.env)
        for command in SAME:
            want = direct[command]
            c.check("ERROR" not in want, f"{command}: direct", want[:200])
            c.check(got[command].split("\n") == want.split("\n"), f"{command}: the same", f"{got[command][:300]!r}, direct {want[:300]!r}")
        for command, shown in STARRED.items():
            c.check("ERROR" not in got[command] and shown in got[command], f"{command}: shows {shown}", got[command][:900])
        for command in REFUSED:
            c.check("no rule lets role" in got[command], f"{command}: refused", got[command][:300])
        for command in commands:
            c.check(not [x for x in SECRETS if x in got[command]], f"{command}: no constant", got[command][:900])
    setup.unlink()
    path.unlink()
    folder.rmdir()
    c.done()


main()
