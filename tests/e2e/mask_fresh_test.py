#!/usr/bin/env python3
"""What others change in the database between the gateway's look at its catalogue and a statement of a role with masks:
views, partitions, new tables; and a catalogue that cannot be read, or only slowly. Through a real gateway and server."""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import stack  # noqa: E402
from mask_wire import SECRET, Agent, parse, run  # noqa: E402

SETUP = """
CREATE TABLE people (id int PRIMARY KEY, name text, ssn text);
INSERT INTO people VALUES (1, 'Ada', '512-64-7301'), (2, 'Bo', '512-64-7302');
CREATE VIEW v AS SELECT id, name AS x FROM people;
CREATE VIEW outer_v AS SELECT id, x AS y FROM v;
CREATE TABLE parted (id int, x text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
INSERT INTO parted VALUES (1, 'Ada');
CREATE TABLE hidden (id int, x text);
INSERT INTO hidden VALUES (11, '512-64-7301');
CREATE SCHEMA other;
CREATE TABLE other.people (id int, name text, ssn text);
INSERT INTO other.people VALUES (1, '512-64-7301', 'Ada');
CREATE FUNCTION turn() RETURNS text LANGUAGE plpgsql STABLE SET search_path = other AS
  $$ DECLARE r text; BEGIN SELECT name INTO r FROM people LIMIT 1; RETURN r; END $$;
CREATE FUNCTION turns() RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('search_path', 'other', false); RETURN 'x'; END $$;
"""
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"viewer": "file:CRED/db"}}],
    "masks": {"m": {"columns": ["public.*.ssn", "other.*.name", "public.hidden.x"], "as": "last4"}},
    "rules": [{"id": "r", "resource": "db", "roles": "viewer", "verbs": "select", "relations": ["public.*", "other.*"], "effect": "mask",
               "masks": "m"},
              {"id": "f", "resource": "db", "roles": "viewer", "verbs": "execute", "functions": ["public.*"], "effect": "allow"}],
}


class Fresh:
    def __init__(self, s, c):
        self.s, self.c = s, c
        self.agent = Agent(s.gw, s.pg.port, s.database)

    def admin(self, sql):
        self.s.pg.psql(sql, self.s.database)

    def ways(self, sql):
        """Each way to ask the same, a prepared statement from before included."""
        a = self.agent
        a.query("DEALLOCATE ALL", "p")
        raw, closed = a.ask("p", parse(sql, "st"))
        self.c.check(b"1\0\0\0\x04" in raw and not closed, f"{sql}: prepared", repr(raw))
        yield "prepared before", lambda: a.ask("p", run("st"))
        yield "simple", lambda: a.query(sql, "s")
        yield "extended", lambda: a.ask("e", parse(sql, "")[:-5] + run(""))
        yield "COPY", lambda: a.query(f"COPY ({sql}) TO STDOUT", "c")
        yield "cursor", lambda: a.query(f"BEGIN; DECLARE k CURSOR FOR {sql}; FETCH ALL FROM k; COMMIT", "k")
        yield "SQL prepared", lambda: a.query(f"DEALLOCATE ALL; PREPARE q AS {sql}; EXECUTE q", "x")

    def views(self):
        """Somebody puts another column behind a view's; the very next statement does not show it."""
        plain, turned = "SELECT id, name AS x FROM people", "SELECT id, ssn AS x FROM people"
        for sql in ("SELECT x FROM v", "SELECT y FROM outer_v", "SELECT upper(x) FROM v", "SELECT t.x FROM (SELECT * FROM v) t"):
            for name, ask in self.ways(sql):
                raw, closed = ask()
                self.c.check(not closed and (b"Ada" in raw or b"ADA" in raw), f"{sql}, {name}: shown", f"{closed} {raw!r}")
                self.admin(f"CREATE OR REPLACE VIEW v AS {turned}")
                raw, closed = ask()
                self.c.check(not closed and SECRET not in raw and b"512-64" not in raw, f"{sql}, {name}: replaced", f"{closed} {raw!r}")
                self.admin(f"CREATE OR REPLACE VIEW v AS {plain}")
        self.admin(f"CREATE OR REPLACE VIEW v AS {turned}")
        raw, closed = self.agent.query("SELECT id FROM v WHERE x = '512-64-7301'", "s")
        self.c.check(not closed and b"42501" in raw, "a condition on it is refused", f"{closed} {raw!r}")
        raw, closed = self.agent.query("SELECT x FROM v", "s")
        self.c.check(not closed and b"***-**-7301" in raw, "and it is shown masked", f"{closed} {raw!r}")
        self.admin(f"CREATE OR REPLACE VIEW v AS {plain}")

    def partitions(self):
        """Somebody attaches a table whose column has a mask to one that has none."""
        for sql in ("SELECT x FROM parted", "COPY (SELECT x FROM parted) TO STDOUT", "SELECT lower(x) FROM parted"):
            raw, closed = self.agent.query(sql, "s")
            self.c.check(not closed and b"da" in raw, f"{sql}: shown", repr(raw))
            self.admin("ALTER TABLE parted ATTACH PARTITION hidden FOR VALUES FROM (10) TO (20)")
            raw, closed = self.agent.query(sql, "s")
            self.c.check(not closed and SECRET not in raw, f"{sql}: attached", f"{closed} {raw!r}")
            self.admin("ALTER TABLE parted DETACH PARTITION hidden")

    def new_tables(self):
        """A table that was made a moment ago is read as it is, and at once."""
        for i, ask in enumerate(("COPY made{i} TO STDOUT", "SELECT * FROM made{i}", "COPY (SELECT id, ssn FROM made{i}) TO STDOUT",
                                 "COPY made{i} (ssn) TO STDOUT (FORMAT csv)", "COPY made{i} TO STDOUT")):
            self.admin(f"CREATE TABLE made{i} (id int, ssn text); INSERT INTO made{i} VALUES (1, '512-64-7301')")
            raw, closed = self.agent.query(ask.format(i=i), "n")
            self.c.check(not closed and b"***-**-7301" in raw and SECRET not in raw, f"{i}: {ask}: new", f"{closed} {raw!r}")

    def search_paths(self):
        """A search_path that is changed where nobody sees it: inside a function."""
        a = self.agent
        for sql in ("SELECT turn()", "SELECT turns(); SELECT name FROM people", "SELECT turns(), (SELECT name FROM people LIMIT 1)"):
            raw, closed = a.query(sql, "sp")
            self.c.check(SECRET not in raw and b"512-64" not in raw, f"{sql}: nothing shown", f"{closed} {raw!r}")
        a.query("SELECT turns()", "sp")
        raw, closed = a.query("SELECT name FROM people", "sp")
        self.c.check(SECRET not in raw and b"512-64" not in raw, "search_path turned by an allowed function", f"{closed} {raw!r}")


def main():
    c, wanted = stack.Checks(), sys.argv[1:]
    setup = pathlib.Path(tempfile.mkdtemp(prefix="sl-")) / "setup.sql"
    setup.write_text(SETUP)
    with stack.Stack(POLICY, setup) as s:
        f = Fresh(s, c)
        for part in (f.views, f.partitions, f.new_tables, f.search_paths):
            if not wanted or part.__name__ in wanted:
                part()
        f.agent.close()
    setup.unlink()
    setup.parent.rmdir()
    c.done()


main()
