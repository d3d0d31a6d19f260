#!/usr/bin/env python3
"""What others change in the database between the gateway's look at its catalogue and a statement of a role with masks:
views, partitions, new tables; and a catalogue that cannot be read, or only slowly. Through a real gateway and server."""
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

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
CREATE TABLE copied (id int PRIMARY KEY DEFAULT 7, who text DEFAULT '512-64-7301', CONSTRAINT odd CHECK (who <> '512-64-7301' || 'x'),
  boss int REFERENCES copied (id));
INSERT INTO copied (id) VALUES (1);
ALTER TABLE copied ADD COLUMN later text DEFAULT '512-64-7301';
CREATE INDEX copied_part ON copied (id) WHERE who <> '512-64-7301';
CREATE VIEW copied_view AS SELECT id FROM copied WHERE who <> '512-64-7301';
CREATE MATERIALIZED VIEW copied_mat AS SELECT id FROM copied WHERE who <> '512-64-7301';
CREATE RULE copied_rule AS ON DELETE TO copied WHERE old.who = '512-64-7301' DO INSTEAD NOTHING;
CREATE FUNCTION copied_f(a text DEFAULT '512-64-7301') RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN '512-64-7301'; END $$;
CREATE FUNCTION copied_g() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT '512-64-7301'::text; END;
CREATE TRIGGER copied_t BEFORE UPDATE ON copied FOR EACH ROW WHEN (old.who = '512-64-7301') EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE POLICY copied_p ON copied USING (who <> '512-64-7301');
CREATE DOMAIN copied_d AS text DEFAULT '512-64-7301' CHECK (VALUE <> '512-64-7301');
CREATE STATISTICS copied_s ON (who || '512-64-7301') FROM copied;
CREATE TABLE listed (who text, id int) PARTITION BY LIST (who);
CREATE TABLE listed_1 PARTITION OF listed FOR VALUES IN ('512-64-7301');
CREATE TABLE listed_2 PARTITION OF listed DEFAULT;
CREATE TABLE keyed (who text, id int) PARTITION BY HASH ((who || '512-64-7301'));
"""
# What shows definitions; and what people and programs ask of the catalogue with what must be in the answer.
DEFINITIONS = [
    "SELECT * FROM pg_attrdef", "SELECT adbin::text FROM pg_attrdef", "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef",
    "SELECT attmissingval FROM pg_attribute WHERE atthasmissing", "SELECT attmissingval::text FROM pg_attribute WHERE atthasmissing",
    "SELECT (attmissingval::text::text[])[1] FROM pg_attribute WHERE atthasmissing", "SELECT a FROM pg_attribute a WHERE atthasmissing",
    "SELECT to_jsonb(a) FROM pg_attribute a WHERE atthasmissing", "SELECT definition FROM pg_views WHERE viewname = 'copied_view'",
    "SELECT * FROM pg_views WHERE viewname = 'copied_view'", "SELECT pg_get_viewdef('copied_view'::regclass)",
    "SELECT upper(pg_get_viewdef('copied_view'::regclass, true))", "SELECT definition FROM pg_matviews", "SELECT * FROM pg_rules",
    "SELECT view_definition FROM information_schema.views", "SELECT column_default FROM information_schema.columns WHERE table_name = 'copied'",
    "SELECT prosrc FROM pg_proc WHERE proname ~ 'copied'", "SELECT prosqlbody, proargdefaults FROM pg_proc WHERE proname ~ 'copied'",
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname ~ 'copied'", "SELECT pg_get_function_arguments(oid) FROM pg_proc WHERE proname ~ 'copied'",
    "SELECT pg_get_function_sqlbody(oid) FROM pg_proc WHERE proname ~ 'copied'", "SELECT routine_definition FROM information_schema.routines",
    "SELECT conbin FROM pg_constraint", "SELECT pg_get_constraintdef(oid) FROM pg_constraint", "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint",
    "SELECT check_clause FROM information_schema.check_constraints", "SELECT pg_get_indexdef('copied_part'::regclass)",
    "SELECT indexdef FROM pg_indexes", "SELECT pg_get_expr(indpred, indrelid), indpred::text FROM pg_index", "SELECT ev_action, ev_qual FROM pg_rewrite",
    "SELECT pg_get_ruledef(oid) FROM pg_rewrite", "SELECT pg_get_triggerdef(oid), tgqual::text FROM pg_trigger", "SELECT qual FROM pg_policies",
    "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy", "SELECT typdefault, typdefaultbin FROM pg_type WHERE typname ~ 'copied'",
    "SELECT domain_default FROM information_schema.domains", "SELECT stxexprs FROM pg_statistic_ext", "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "SELECT pg_get_statisticsobjdef_columns(oid), pg_get_statisticsobjdef_expressions(oid) FROM pg_statistic_ext",
    "SELECT action_condition, action_statement FROM information_schema.triggers", "SELECT string_agg(definition, '') FROM pg_views",
    "SELECT string_to_table(pg_get_viewdef('copied_view'::regclass), '-')", "SELECT id FROM people WHERE pg_get_viewdef('copied_view'::regclass) LIKE '%512%'",
    "SELECT CASE WHEN true THEN definition END FROM pg_views", "SELECT (SELECT definition FROM pg_views WHERE viewname = 'copied_view')",
    "SELECT coalesce(definition, 'x') || '' FROM pg_views", "COPY (SELECT prosrc FROM pg_proc WHERE proname ~ 'copied') TO STDOUT",
    "SELECT relname, relpartbound FROM pg_class WHERE relispartition", "SELECT * FROM pg_class WHERE relispartition",
    "SELECT relpartbound::text FROM pg_class WHERE relispartition", "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition",
    "SELECT pg_get_partition_constraintdef('listed_1'::regclass)", "SELECT pg_get_partkeydef('keyed'::regclass)",
    "SELECT partexprs FROM pg_partitioned_table", "SELECT c FROM pg_class c WHERE relispartition",
    "SELECT 1/(strpos(pg_get_viewdef('copied_view'::regclass), '513'))", "SELECT x FROM (SELECT substr(definition, 1, 900) AS x FROM pg_views) t",
]
# What sorts by a definition, or a piece of it, among values of the asker's own: refused.
SORTED = [
    "SELECT oid FROM pg_proc ORDER BY left(pg_get_function_arguments(oid), 20)", "SELECT oid FROM pg_proc ORDER BY pg_get_function_arguments(oid) > 'a'",
    "SELECT 1 FROM pg_proc ORDER BY pg_get_function_arguments(length(prosrc)::oid)", "SELECT oid FROM pg_proc ORDER BY prosrc",
    "SELECT 1 FROM (SELECT length(prosrc)::oid AS oid FROM pg_proc) p ORDER BY pg_get_function_arguments(oid)",
    "SELECT pg_get_function_arguments(oid) FROM pg_proc UNION ALL SELECT 'a text DEFAULT ''6' ORDER BY 1",
    "SELECT CASE WHEN proname = 'copied_f' THEN pg_get_function_arguments(oid) ELSE 'a text DEFAULT ''6' END FROM pg_proc ORDER BY 1",
    "SELECT CASE WHEN pronargs = 0 THEN '*' ELSE upper(pg_get_function_arguments(oid)) END FROM pg_proc ORDER BY 1",
    "SELECT x FROM (SELECT pg_get_function_arguments(oid) AS x FROM pg_proc UNION SELECT 'b') t ORDER BY x",
    "SELECT *, 1 FROM pg_proc ORDER BY 2, pg_get_function_arg_default(oid, 1)", "SELECT DISTINCT pg_get_function_arguments(oid) FROM pg_proc",
    "SELECT pg_get_function_arguments(oid) FROM pg_proc GROUP BY 1", "SELECT rank() OVER (ORDER BY pg_get_function_arguments(oid)) FROM pg_proc",
    "SELECT 1 FROM pg_class ORDER BY pg_get_expr(relpartbound, oid) = 'FOR VALUES IN (''512-64-7301'')'", "SELECT 1 FROM pg_class ORDER BY relpartbound::text",
    "SELECT 1 FROM pg_class ORDER BY pg_get_expr(relpartbound, oid) < 'DEFAULT'", "SELECT 1 FROM pg_class ORDER BY pg_get_expr(relpartbound, oid)",
    "SELECT 1 FROM pg_class WHERE pg_get_expr(relpartbound, oid) = 'DEFAULT'", "SELECT 1 FROM pg_attrdef ORDER BY pg_get_expr(adbin, length(adbin::text)::oid) = 'DEFAULT'",
]
ASKED = [
    ("SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM "
     "pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull FROM pg_catalog.pg_attribute a "
     "WHERE a.attrelid = 'copied'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum", b"'****'::text"),
    ("SELECT conname, pg_catalog.pg_get_constraintdef(r.oid, true) AS condef FROM pg_catalog.pg_constraint r WHERE r.conrelid = 'copied'::regclass "
     "AND r.contype = 'f' ORDER BY 1", b"FOREIGN KEY (boss) REFERENCES copied(id)"),
    ("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'odd'", b"CHECK ((who <> ('****'::text || '****'::text)))"),
    ("SELECT c2.relname, i.indisprimary, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), indpred IS NOT NULL FROM pg_catalog.pg_class c, "
     "pg_catalog.pg_class c2, pg_catalog.pg_index i WHERE c.oid = 'copied'::regclass AND c.oid = i.indrelid AND i.indexrelid = c2.oid ORDER BY 1",
     b"WHERE who <> '****'::text"),
    ("SELECT pg_catalog.pg_get_viewdef('copied_view'::regclass, true)", b"FROM copied"),
    ("SELECT c.oid::pg_catalog.regclass, pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i "
     "WHERE c.oid = i.inhrelid AND i.inhparent = 'listed'::regclass "
     "ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text", b"FOR VALUES IN ('****')"),
    ("SELECT proname, pg_catalog.pg_get_function_arguments(p.oid) FROM pg_catalog.pg_proc p WHERE proname ~ 'copied' ORDER BY 1, 2",
     b"a text DEFAULT '****'::text"),
    ("SELECT proname, prosrc FROM pg_proc WHERE proname = 'copied_f'", b"BEGIN RETURN '****'; END"),
    ("SELECT column_name, column_default FROM information_schema.columns WHERE table_name = 'copied' ORDER BY 1", b"later"),
    ("SELECT table_name, view_definition FROM information_schema.views WHERE table_name = 'v'", b"SELECT"),
]
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"], "writer": ["writer"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "record": "rows",
                   "credentials": {"viewer": "file:CRED/db", "writer": "file:CRED/db"}}],
    "masks": {"m": {"columns": ["public.*.ssn", "other.*.name", "public.hidden.x"], "as": "last4"}},
    "rules": [{"id": "r", "resource": "db", "roles": "viewer", "verbs": "select", "relations": ["public.*", "other.*"], "effect": "mask",
               "masks": "m"},
              {"id": "w", "resource": "db", "roles": "writer", "verbs": ["select", "insert"], "relations": "public.*", "effect": "allow"},
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

    def reader(self):
        """The gateway's login that waits for a lock on the catalogue."""
        sql = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'pg_inherits'::regclass LIMIT 1"
        return stack.until(lambda: self.s.pg.psql(sql, self.s.database), 20)

    def with_slow_catalogue(self, name, during):
        """A view is replaced, so that the catalogue is read before the next statement; and something holds this up meanwhile."""
        conn = f"slow {name}"
        self.agent.query("SELECT 1", conn)
        self.admin("CREATE OR REPLACE VIEW v AS SELECT id, ssn AS x FROM people")
        hold = subprocess.Popen(["psql", "-Xqd", self.s.pg.dsn(self.s.database)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        hold.stdin.write("BEGIN; LOCK TABLE pg_inherits IN ACCESS EXCLUSIVE MODE;\n")
        hold.stdin.flush()
        locked = "SELECT 1 FROM pg_locks WHERE granted AND relation = 'pg_inherits'::regclass AND mode = 'AccessExclusiveLock'"
        self.c.check(stack.until(lambda: self.s.pg.psql(locked, self.s.database), 20), f"{name}: it is locked")
        got = []
        asks = threading.Thread(target=lambda: got.append(self.agent.query("SELECT x FROM v", conn)))
        asks.start()
        during(name, asks)
        hold.stdin.close()
        hold.wait(30)
        asks.join(60)
        raw, closed = got[0] if got else (b"", "no answer")
        self.c.check(SECRET not in raw and b"512-64" not in raw, f"{name}: no secret", repr(raw))
        self.admin("CREATE OR REPLACE VIEW v AS SELECT id, name AS x FROM people")
        return raw, closed

    def kill_reader(self, name):
        pid = self.reader()
        self.c.check(pid, f"{name}: it waits for the catalogue")
        if pid:
            self.s.pg.psql(f"SELECT pg_terminate_backend({pid})", self.s.database)

    def kill_all(self, name, asks):
        self.kill_reader(name)
        waiting = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'pg_inherits'::regclass"
        while asks.is_alive():
            self.s.pg.psql(waiting, self.s.database)
            asks.join(.05)

    def slow_catalogue(self):
        """One that is slow is waited for, a read that breaks off is tried once more, and where it cannot be read nothing is shown."""
        raw, closed = self.with_slow_catalogue("slow", lambda name, asks: (self.c.check(self.reader(), f"{name}: it waits"), time.sleep(1)))
        self.c.check(not closed and b"***-**-7301" in raw, "a slow one is waited for", f"{closed} {raw!r}")
        raw, closed = self.with_slow_catalogue("broken off", lambda name, asks: (self.kill_reader(name), self.c.check(self.reader(), f"{name}: again")))
        self.c.check(not closed and b"***-**-7301" in raw, "one that breaks off is read again", f"{closed} {raw!r}")
        raw, closed = self.with_slow_catalogue("gone", self.kill_all)
        self.c.check(closed or b"E\0\0" in raw, "one that cannot be read: an error, or the end", f"{closed} {raw!r}")
        raw, closed = self.agent.query("SELECT x FROM v", "after")
        self.c.check(not closed and b"Ada" in raw, "the next session reads on", f"{closed} {raw!r}")

    def unreachable_catalogue(self):
        """A database that lets nobody in any more: who is in already is shown nothing that must be looked up first."""
        self.agent.query("SELECT 1", "in")
        time.sleep(1.5)  # the gateway's own login is kept for a second
        self.s.pg.psql(f'ALTER DATABASE "{self.s.database}" ALLOW_CONNECTIONS false')
        raw, closed = self.agent.query("SELECT x FROM v", "in")
        self.s.pg.psql(f'ALTER DATABASE "{self.s.database}" ALLOW_CONNECTIONS true')
        self.c.check(SECRET not in raw and b"Ada" not in raw and (closed or b"E\0\0" in raw), "an error, or the end", f"{closed} {raw!r}")
        raw, closed = self.agent.query("SELECT x FROM v", "in again")
        self.c.check(not closed and b"Ada" in raw, "let in again, it reads on", f"{closed} {raw!r}")

    def columns_between(self):
        """A column that is added, or dropped, between Parse and Execute."""
        a = self.agent
        self.admin("CREATE TABLE grows (id int, ssn text); INSERT INTO grows VALUES (1, '512-64-7301')")
        a.query("SELECT * FROM grows", "g")
        for ddl in ("ADD COLUMN more text DEFAULT '512-64-7301x'", "DROP COLUMN id", "RENAME COLUMN more TO id"):
            a.query("DEALLOCATE ALL", "g")
            raw, closed = a.ask("g", parse("SELECT * FROM grows", "st"))
            self.c.check(not closed and b"1\0\0\0\x04" in raw, f"{ddl}: prepared", f"{closed} {raw!r}")
            self.admin(f"ALTER TABLE grows {ddl}")
            raw, closed = a.ask("g", run("st"))
            masked = raw.replace(b"512-64-7301x", b"")
            self.c.check(not closed and SECRET not in masked and b"E\0\0" in raw, f"{ddl}: refused", f"{closed} {raw!r}")
            raw, closed = a.query("SELECT ssn FROM grows", "g")
            raw, closed = a.query("SELECT ssn FROM grows", "g") if b"ask again" in raw else (raw, closed)
            self.c.check(not closed and b"***-**-7301" in raw and SECRET not in raw, f"{ddl}: the session goes on", f"{closed} {raw!r}")

    def definitions(self):
        """Values that were copied into definitions: the catalogue shows these, without their constants."""
        a = self.agent
        for sql in DEFINITIONS:
            for way in ("simple", "extended", "binary"):
                raw, closed = a.query(sql, "d") if way == "simple" else a.ask("d", parse(sql, "")[:-5] + run("", way == "binary"))
                number = b"-7301" in raw or b"512-6" in raw or b"[ 60 0 0 0 53 49 50" in raw
                self.c.check(not closed and not number, f"{sql}, {way}: no constant", f"{closed} {raw[-200:]!r}")
        for sql in SORTED:
            raw, closed = a.query(sql, "d")
            self.c.check(not closed and b"C42501" in raw, f"{sql}: refused", f"{closed} {raw[-300:]!r}")
        for sql, shown in ASKED:
            raw, closed = a.query(sql, "d")
            self.c.check(not closed and shown in raw and b"-7301" not in raw, f"{sql[:70]}: {shown}", f"{closed} {raw[-700:]!r}")

    def exported(self):
        path = self.s.gw.folder / "events.jsonl"
        path.unlink(missing_ok=True)
        self.s.gw.sluice("export", "--format", "jsonl", "-o", path)
        return path.read_text()

    def records(self):
        """The record of who has no masks: what a statement's text hides, nothing that comes back repeats."""
        a = Agent(self.s.gw, self.s.pg.port, self.s.database, "writer")
        for sql in ("SELECT '512-64-7301' AS a, name FROM people", "SELECT name || '512-64-7301', 5126473010 FROM people WHERE id = 1",
                    "SELECT '512-64-7301'", "SELECT x FROM (SELECT '7301-secret' AS x FROM people) t",
                    "EXPLAIN VERBOSE INSERT INTO people VALUES (9, 'x', '7301-secret')", "EXPLAIN SELECT * FROM people WHERE ssn = '7301-secret'",
                    "SELECT ssn FROM people WHERE ssn = '7301-secret", "SELEC '7301-secret'", "DO $$ BEGIN PERFORM '7301-secret'; END $$",
                    "CALL nothing('7301-secret')", "SELECT copied_f('7301-secret')", "SELECT nosuch('7301-secret')", "VACUUM people /* 7301-secret */",
                    "INSERT INTO people VALUES (8, 'x', '7301-secret') RETURNING ssn, 'a' || ssn, upper('7301-secret')"):
            for way in ("simple", "extended"):
                a.query(sql, "r") if way == "simple" else a.ask("r", parse(sql, "")[:-5] + run(""))
        raw, closed = a.query("SELECT count(*) AS c, max(name) AS m FROM people", "r")
        self.c.check(b"Bo" in raw or b"x" in raw, "the writer reads on", repr(raw))
        a.close()
        text = stack.until(lambda: "max(name)" in (t := self.exported()) and t, 10) or ""
        for secret in ("7301-secret", "512-64-7301", "5126473010"):
            lines = [line for line in text.splitlines() if secret in line]
            self.c.check(not lines, f"{secret} is in no event", lines[:2])
        self.c.check('"result":[["' in text and "Ada" in text, "rows are recorded all the same", text[-300:])

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
        for part in (f.views, f.partitions, f.new_tables, f.slow_catalogue, f.unreachable_catalogue, f.columns_between, f.definitions,
                      f.records, f.search_paths):
            if not wanted or part.__name__ in wanted:
                part()
        f.agent.close()
    setup.unlink()
    setup.parent.rmdir()
    c.done()


main()
