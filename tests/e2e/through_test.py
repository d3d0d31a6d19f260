#!/usr/bin/env python3
"""What a statement reaches by way of other names: views, rules, triggers, foreign keys, partitions, foreign tables,
SECURITY DEFINER functions. A rule with "through" decides it, whatever name is used; without one, a name stands for
itself. For each way the same statement runs as a role that has such a rule and as one that has none: there it must
pass, so that what is seen is the rule."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

RULES = [
    {"id": "no-secrets", "resource": "db", "roles": ["guarded"], "relations": ["public.secret*", "other.*"], "effect": "deny", "through": True},
    {"id": "no-delete", "resource": "db", "roles": ["guarded"], "verbs": ["delete"], "relations": ["public.items"], "effect": "deny", "through": True},
    {"id": "no-code", "resource": "db", "roles": ["guarded"], "functions": ["public.dangerous*"], "effect": "deny", "through": True},
    # A rule of the usual kind holds for the name alone.
    {"id": "by-name", "resource": "db", "roles": ["plain"], "relations": ["public.secret*"], "effect": "deny"},
    {"id": "ask", "resource": "db", "roles": ["asked"], "relations": ["public.secrets"], "effect": "ask", "through": True,
     "approvers": [{"group": "dba"}], "expires": "1s"},
    {"id": "watch", "resource": "db", "roles": ["watched"], "relations": ["public.secrets"], "effect": "deny", "through": True, "mode": "observe"},
    {"id": "exempt", "resource": "db", "roles": ["exempt"], "verbs": ["select"], "relations": ["public.secrets"], "effect": "allow", "through": True},
    {"id": "no-more", "resource": "db", "roles": ["exempt"], "relations": ["public.secret*"], "effect": "deny", "through": True},
    {"id": "all", "resource": "db", "roles": "*", "relations": ["public.*"], "effect": "allow"},
    {"id": "functions", "resource": "db", "roles": "*", "functions": ["public.*"], "effect": "allow"},
    {"id": "rest", "resource": "db", "roles": "*", "class": ["session", "transaction", "procedural"], "effect": "allow"},
]
ROLES = ("guarded", "plain", "asked", "watched", "exempt")
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {r: [r] for r in ROLES},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {r: "file:CRED/db" for r in ROLES}}],
    "rules": RULES,
}
SETUP = """
CREATE TABLE secrets (id int PRIMARY KEY, v text); INSERT INTO secrets VALUES (1, 'x');
CREATE TABLE safe (id int PRIMARY KEY, v text); INSERT INTO safe VALUES (1, 'y');
CREATE SCHEMA other; CREATE TABLE other.log (id int);
CREATE VIEW v AS SELECT s.id, s.v FROM secrets s;
CREATE VIEW vv AS SELECT v.id FROM v JOIN safe USING (id);
CREATE VIEW deep AS SELECT (SELECT count(*) FROM vv) AS n FROM safe;
CREATE VIEW harmless AS SELECT id FROM safe;
CREATE MATERIALIZED VIEW mv AS SELECT id FROM secrets;
CREATE FUNCTION dangerous() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE VIEW calls AS SELECT dangerous() AS n;
CREATE TABLE fired (id int PRIMARY KEY, v text); INSERT INTO fired VALUES (1, 'z');
CREATE FUNCTION dangerous_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr AFTER UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION dangerous_trigger();
CREATE TABLE ruled (id int); CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO other.log VALUES (new.id);
CREATE TABLE owners (id int PRIMARY KEY); INSERT INTO owners VALUES (1), (2);
CREATE TABLE items (id int PRIMARY KEY, owner int REFERENCES owners ON DELETE CASCADE); INSERT INTO items VALUES (1, 1);
CREATE TABLE parted (id int) PARTITION BY LIST (id);
CREATE TABLE secret_part PARTITION OF parted FOR VALUES IN (1); INSERT INTO parted VALUES (1);
"""
# name, statement, the rule that refuses it to the guarded role
WAYS = [
    ("a view", "SELECT * FROM v", "no-secrets"),
    ("a view of a view", "SELECT * FROM vv", "no-secrets"),
    ("a sublink in a view of views", "SELECT * FROM deep", "no-secrets"),
    ("a materialized view", "SELECT * FROM mv", "no-secrets"),
    ("refreshing one", "REFRESH MATERIALIZED VIEW mv", "no-secrets"),
    ("a view that can be written", "UPDATE v SET v = 'w' WHERE id = 7", "no-secrets"),
    ("COPY of a view", "COPY (TABLE v) TO STDOUT", "no-secrets"),
    ("a cursor", "BEGIN; DECLARE c CURSOR FOR SELECT * FROM v; FETCH c; ROLLBACK", "no-secrets"),
    ("a prepared statement", "PREPARE p AS SELECT * FROM v; EXECUTE p", "no-secrets"),
    ("EXPLAIN", "EXPLAIN SELECT * FROM v", "no-secrets"),
    ("a CTE", "WITH x AS (SELECT * FROM v) SELECT count(*) FROM x", "no-secrets"),
    ("a function in a view", "SELECT * FROM calls", "no-code"),
    ("a SECURITY DEFINER function", "SELECT dangerous()", "no-code"),
    ("a trigger", "UPDATE fired SET v = 'w' WHERE id = 7", "no-code"),
    ("a trigger, by MERGE", "MERGE INTO fired f USING safe s ON f.id = s.id WHEN MATCHED THEN UPDATE SET v = 'm'", "no-code"),
    ("a rule", "INSERT INTO ruled VALUES (1)", "no-secrets"),
    ("a foreign key's cascade", "DELETE FROM owners WHERE id = 9", "no-delete"),
    ("a partition", "SELECT * FROM parted", "no-secrets"),
    ("writing one", "INSERT INTO parted VALUES (1)", "no-secrets"),
]
# What no rule minds: no more is refused than is meant.
HARMLESS = ["SELECT * FROM harmless", "SELECT * FROM fired", "INSERT INTO fired VALUES (3, 'a') ON CONFLICT DO NOTHING", "SELECT * FROM ruled",
            "SELECT * FROM owners", "UPDATE owners SET id = id WHERE id = 9", "DELETE FROM safe WHERE id = 9"]


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s:
        s.pg.psql(SETUP, "shop")

        def psql(role, sql):
            return s.gw.run(role, ["psql", "-XqAt", s.dsn(), "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=1", "-c", sql])

        for name, sql, rule in WAYS:
            done = psql("guarded", sql)
            c.check(done.returncode and "42501" in done.stderr and f'rule: {rule}' in done.stderr, f"{name}: refused", done.stderr + done.stdout)
            done = psql("plain", sql)
            c.equal(done.returncode, 0, f"{name}: without such a rule it passes {done.stderr}")
        for sql in HARMLESS:
            done = psql("guarded", sql)
            c.equal(done.returncode, 0, f"{sql}: passes {done.stderr}")
        said = psql("guarded", "SELECT * FROM deep").stderr
        c.check("public.secrets" in said and "by way of" in said, "the refusal says what is reached, and by way of what", said)
        c.check("SECURITY DEFINER" in psql("guarded", "SELECT * FROM calls").stderr, "and that a function has its owner's rights")
        done = psql("asked", "SELECT * FROM v")
        c.check(done.returncode and "rule: ask" in done.stderr and "42501" in done.stderr, "one that asks is asked, and expires", done.stderr)
        c.equal(psql("watched", "SELECT id FROM v").stdout.strip(), "1", "one that observes lets pass")
        seen = [e for e in s.gw.events() if e["type"] == "op" and e.get("rule") == "watch"]
        c.check(seen, "and is on record", seen)
        c.equal(psql("exempt", "SELECT id FROM v").stdout.strip(), "1", "the first rule that looks through decides")
        c.check(psql("exempt", "UPDATE v SET v = 'w'").returncode, "the next one what the first does not cover")
        done = s.gw.sluice("policy", "explain", s.gw.folder / "etc/policy.json", "--role", "guarded", "--resource", "db", "--dsn", s.pg.dsn("shop"), "--sql", "SELECT * FROM vv", check=False)
        c.check("reaches    select on public.secrets, by way of public.v" in done.stdout and "deny by rule no-secrets" in done.stdout, "policy explain says so", done.stdout + done.stderr)
        # What is made later is looked through as well.
        s.pg.psql("CREATE VIEW later AS SELECT id FROM safe", "shop")
        c.equal(psql("guarded", "SELECT * FROM later").returncode, 0, "a view made later")
        done = s.gw.run("guarded", ["psql", "-XqAt", s.dsn(), "-c", "SELECT * FROM fresh"])
        s.pg.psql("CREATE VIEW fresh AS SELECT id FROM secrets", "shop")
        c.check("rule: no-secrets" in psql("guarded", "SELECT * FROM fresh").stderr, "one that was not there before")
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    c.done()


main()
