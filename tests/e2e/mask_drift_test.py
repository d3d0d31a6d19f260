#!/usr/bin/env python3
"""Masks while others change the tables, and over data that is odd: nothing that is masked gets out, and what
the role may see it goes on seeing."""
import pathlib
import struct
import sys
import time
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import stack  # noqa: E402
from mask_wire import SECRET, SYNC, Agent, parse, run  # noqa: E402
from pgwire import cstr, message  # noqa: E402

SETUP = r"""
CREATE TYPE pair AS (a int, b text);
CREATE TYPE nest AS (p pair, q text[]);
CREATE DOMAIN code AS text;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE stretch AS RANGE (subtype = text);
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE DOMAIN soft AS citext;
CREATE DOMAIN feeling AS mood;
CREATE TABLE own (id int, s_pairs pair[], s_nests nest[], s_codes code[], s_moods mood[], s_stretch stretch, s_deep nest, s_soft soft,
  s_softs citext[], s_feeling feeling, s_store hstore, s_stores hstore[]);
INSERT INTO own VALUES (1, ARRAY[ROW(7, '512-64-7301')::pair, NULL, ROW(NULL, 'a "b"')::pair], ARRAY[ROW(ROW(7, '512-64-7301'), '{512-64-7301}')::nest],
  '{512-64-7301}', '{sad,glad}', '[512-64-7301,a)', ROW(ROW(7, '512-64-7301'), '{"512-64-7301",NULL}'),
  '512-64-7301', '{512-64-7301}', 'sad', 'a=>512-64-7301', ARRAY['a=>512-64-7301'::hstore]);
CREATE TABLE people (id int PRIMARY KEY, name text, ssn text, tail text);
INSERT INTO people VALUES (1, 'Ada', '512-64-7301', 'end'), (2, NULL, NULL, NULL);
CREATE TABLE made (id int, name text, ssn text);
INSERT INTO made VALUES (1, 'Ada', '512-64-7301');
CREATE TABLE bare ();
INSERT INTO bare DEFAULT VALUES;
CREATE TABLE odd (id int, s_num numeric, s_day date, s_ts timestamptz, s_arr text[], s_nest nest, s_range int4range,
  s_json json, s_jsonb jsonb, s_xml xml, s_bytes bytea, s_uuid uuid, s_code code, s_ints int[], s_bool bool, s_ip inet);
INSERT INTO odd VALUES
 (1, 'NaN', 'infinity', '-infinity', '{}', ROW(ROW(7,'512-64-7301'),'{"512-64-7301",NULL}'), 'empty', '[]', '{}', '<a/>', '', NULL, '', '{}', true,
  '10.1.2.3'),
 (2, 51264.7301, '1951-02-06', '1951-02-06 01:02:03+00', '{"512-64-7301","a,b"}', ROW(NULL,NULL), '[51264,517301)', '{"k":"512-64-7301"}',
  '{"k":["512-64-7301",1]}', '<a b="512-64-7301">512-64-7301</a>', '512-64-7301', '51264730-1512-6473-0151-264730151264', '512-64-7301',
  '{{5126,4730},{1,2}}', false, '51.26.47.31'),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE big (id int, ssn text, tail text);
"""
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "record": "none",
                   "credentials": {"viewer": "file:CRED/db"}}],
    "masks": {"m": {"columns": ["public.*.ssn", "public.odd.s_*", "public.own.s_*"], "as": "last4", "predicates": "allow"}},
    "rules": [{"id": "r", "resource": "db", "roles": "viewer", "verbs": "select", "relations": "public.*", "effect": "mask", "masks": "m"},
              {"id": "l", "resource": "db", "roles": "viewer", "verbs": "listen", "effect": "allow"}],
}


class Drift:
    def __init__(self, s, c):
        self.s, self.c = s, c
        self.agent = Agent(s.gw, s.pg.port, s.database)

    def admin(self, sql):
        self.s.pg.psql(sql, self.s.database)

    def again(self, ask, name):
        """Once more where others' change was noticed by the first."""
        raw, closed = ask()
        if b"ask again" in raw:
            self.c.check(SECRET not in raw and not closed, f"{name}: at first refused", repr(raw[-300:]))
            raw, closed = ask()
        return raw, closed

    def shows(self, sql, what, name, binary=False):
        for way in ("simple", "extended"):
            if way == "simple":
                raw, closed = self.again(lambda: self.agent.query(sql, "s"), name)
            else:
                raw, closed = self.again(lambda: self.agent.ask("s", parse(sql, "")[:-5] + run("", binary)), name)
            self.c.check(not closed and what in raw, f"{name}, {way}: shows {what}", f"{closed} {raw[-300:]!r}")
            self.c.check(SECRET not in raw, f"{name}, {way}: no secret", repr(raw[-300:]))

    def refused(self, got, name, why=b"has changed meanwhile"):
        raw, closed = got
        self.c.check(SECRET not in raw, f"{name}: no secret", repr(raw[-300:]))
        self.c.check(not closed and why in raw and b"Z\0\0\0\x05I" in raw, f"{name}: the statement fails, the session goes on",
                     f"{closed} {raw[-300:]!r}")

    def swap(self):
        self.admin("ALTER TABLE people RENAME ssn TO t; ALTER TABLE people RENAME name TO ssn; ALTER TABLE people RENAME t TO name")

    def names(self):
        a = self.agent
        self.shows("SELECT name, ssn FROM people WHERE id = 1", b"***-**-7301", "before")
        a.ask("p", parse("SELECT name FROM people", "st"))
        self.swap()
        self.refused(a.query("SELECT name FROM people"), "two names swapped")
        self.swap()
        self.shows("SELECT name, ssn FROM people", b"***-**-7301", "swapped back, and read again")
        for describe in (False, True):
            a.query("SELECT name FROM people", "p")
            a.ask("p", parse("SELECT name FROM people", "st"))
            self.swap()
            self.refused(a.ask("p", run("st", describe=describe)), f"swapped between Parse and Bind, describe {describe}")
            self.swap()
        a.query("SELECT name FROM people", "cur")
        raw, closed = self.again(lambda: a.query("COPY people (id, name, ssn) TO STDOUT", "cur"), "COPY")
        self.c.check(b"1\tAda\t***-**-7301\n" in raw, "COPY after it was swapped back", repr(raw))

    def copies(self):
        """The server does not describe a COPY: what it writes is compared all the same, behind whatever DDL."""
        a = self.agent
        ask = {"table": "COPY people TO STDOUT", "columns": "COPY people (id, name) TO STDOUT", "query": "COPY (SELECT id, name FROM people) TO STDOUT",
               "csv": "COPY people (name) TO STDOUT (FORMAT csv)", "binary": "COPY public.people (name) TO STDOUT (FORMAT binary)"}
        runs = {"simple": lambda sql: a.query(sql, "c"), "extended": lambda sql: a.ask("c", parse(sql, "")[:-5] + run("")),
                "in a block": lambda sql: (a.query("BEGIN", "c"), a.query(sql, "c"), a.query("ROLLBACK", "c"))[1]}
        for way, go in runs.items():
            for name, sql in ask.items():
                raw, closed = self.again(lambda: go(sql), name)
                self.c.check(not closed and b"Ada" in raw and SECRET not in raw, f"COPY {name}, {way}", repr(raw))
                for _ in range(3): # a catalogue that was just read anew tells of the change itself
                    self.swap()
                    raw, closed = go(sql)
                    self.swap()
                    if b"ask again" in raw or closed:
                        break
                self.c.check(not closed and b"ask again" in raw and SECRET not in raw, f"COPY {name}, {way}: swapped", f"{closed} {raw!r}")
        for way, go in runs.items():
            time.sleep(1) # tables that nobody knew have it read early ten times a second, not more
            self.admin("DROP TABLE IF EXISTS gone; CREATE TABLE gone (id int, name text)")
            raw, closed = self.again(lambda: go("COPY gone (id, name) TO STDOUT"), "gone")
            self.c.check(not closed and b"COPY 0" in raw, f"COPY of no rows, {way}", repr(raw))
            self.admin("ALTER TABLE gone DROP COLUMN name")
            raw, closed = go("COPY gone (id, name) TO STDOUT")
            self.c.check(not closed and b"C42703" in raw, f"COPY of a column that is gone, {way}", f"{closed} {raw!r}")
            self.admin("DROP TABLE gone")
            raw, closed = go("COPY gone (id) TO STDOUT")
            self.c.check(not closed and (b"C42P01" in raw or b"C42501" in raw), f"COPY of a table that is gone, {way}", f"{closed} {raw!r}")
            raw, closed = go("COPY people (id) TO STDOUT")
            self.c.check(not closed and b"COPY 2" in raw, f"the session goes on, {way}", f"{closed} {raw!r}")
        for sql in ("SELECT 1; COPY people TO STDOUT", "COPY people TO STDOUT; SELECT 1"):
            raw, closed = a.query(sql, "several")
            self.c.check(b"C0A000" in raw and SECRET not in raw, f"{sql}: refused", f"{closed} {raw!r}")
        raw, closed = a.query("BEGIN; SELECT 1/0", "failed")
        raw, closed = a.query("COPY people TO STDOUT", "failed")
        self.c.check(not closed and b"C25P02" in raw and raw.endswith(b"Z\0\0\0\x05E"), "COPY in a block that has failed", f"{closed} {raw!r}")

    def tables(self):
        a = self.agent
        remake = "DROP TABLE made; CREATE TABLE made (id int, ssn text, name text); INSERT INTO made VALUES (1, '512-64-7301', 'Ada')"
        for conn in ("made", "more"):
            a.query("SELECT 1", conn)
        a.ask("t", parse("SELECT name, ssn FROM made", "st"))
        self.admin(remake)
        self.refused(a.ask("t", run("st")), "a table made anew between Parse and Bind")
        self.shows("SELECT name, ssn FROM made", b"***-**-7301", "a table made anew, read again")
        self.admin(remake)
        self.refused(a.query("SELECT * FROM made", "made"), "a table made anew")
        self.shows("SELECT * FROM made", b"***-**-7301", "a table made anew, read again by star")
        self.admin("ALTER TABLE made ADD COLUMN more int")
        self.refused(a.query("SELECT * FROM made", "more"), "a column added")
        self.shows("SELECT * FROM made", b"***-**-7301", "with one column more")
        raw, closed = a.query("CREATE TEMP TABLE people AS SELECT 1")
        self.c.check(not closed and b"42501" in raw, "no temporary table in front", repr(raw))

    def values(self):
        a, columns = self.agent, ["num", "day", "ts", "arr", "nest", "range", "json", "jsonb", "xml", "bytes", "uuid", "code", "ints", "bool", "ip"]
        binary = [SECRET, b"1951-02-06", struct.pack("!i", -17861), b"51264730-1512", bytes.fromhex("5126473015126473"),
                  SECRET.hex().encode(), b"51.26.47", bytes([51, 26, 47, 31]), struct.pack("!i", 5126), struct.pack("!i", 51264),
                  b"51264", b"5126"]
        for column in columns:
            for is_binary in (False, True):
                name = f"s_{column}, {'binary' if is_binary else 'text'}"
                a.ask("v", parse(f"SELECT id, s_{column} FROM odd", ""))
                raw, closed = a.ask("v", run("", is_binary))
                self.c.check(not closed and raw.count(b"D\0\0\0") == 3, f"{name}: three rows", f"{closed} {raw!r}")
                self.c.check(not [b for b in binary if b in raw], f"{name}: nothing of the value", repr(raw))
            for form in ("text", "csv", "binary"):
                raw, closed = a.query(f"COPY (SELECT id, s_{column} FROM odd) TO STDOUT (FORMAT {form})", "v")
                self.c.check(not closed and b"COPY 3" in raw, f"COPY s_{column}, {form}: three rows", f"{closed} {raw!r}")
                self.c.check(not [b for b in binary if b in raw], f"COPY s_{column}, {form}: nothing of the value", repr(raw))

    def own_types(self):
        """Types of the database itself, taken apart: in text as the server writes them, in binary as it reads them back."""
        a, shown = self.agent, {
            "s_pairs": rb'{"(0,***-**-7301)",NULL,"(,\"* \"\"*\"\"\")"}', "s_codes": b"{***-**-7301}", "s_moods": b"{NULL,NULL}",
            "s_nests": rb'{"(\"(0,***-**-7301)\",{***-**-7301})"}', "s_stretch": b"empty",
            "s_deep": b'("(0,***-**-7301)","{***-**-7301,NULL}")', "s_soft": b"***-**-7301", "s_softs": b"{***-**-7301}",
            "s_feeling": b"", "s_store": b"", "s_stores": b"{NULL}"}
        for column, text in shown.items():
            sql = f"SELECT id, {column} FROM own"
            self.shows(sql, text, column)
            raw, closed = a.query(f"COPY ({sql}) TO STDOUT (FORMAT csv, QUOTE '~')", "own")
            self.c.check(not closed and b"1,~" + text in raw or b"1," + text in raw, f"COPY {column}", repr(raw))
            raw, closed = a.ask("own", parse(sql, "")[:-5] + run("", True))
            self.c.check(not closed and SECRET not in raw and raw.count(b"D\0\0\0") == 1, f"{column}, binary: no secret", repr(raw))
            row = raw[raw.index(b"D\0\0\0"):]
            size = struct.unpack("!i", row[15:19])[0]
            self.admin(f"CREATE TABLE IF NOT EXISTS back AS TABLE own WITH NO DATA; TRUNCATE back")
            head = b"PGCOPY\n\xff\r\n\0" + bytes(8) + struct.pack("!h", 1)
            path = pathlib.Path(tempfile.mkdtemp(prefix="sl-")) / "row"
            path.write_bytes(head + row[15:19 + max(size, 0)] + b"\xff\xff")
            self.admin(f"\\copy back ({column}) FROM '{path}' (FORMAT binary)")
            got = self.s.pg.psql(f"SELECT {column} FROM back", self.s.database)
            self.c.check(text.decode() in got, f"{column}, binary: read back by the server", f"{got!r} {row!r}")
            path.unlink()
            path.parent.rmdir()

    def shapes(self):
        a = self.agent
        raw, closed = a.query("SELECT FROM people")
        self.c.check(not closed and raw.count(b"D\0\0\0\x06\0\0") == 2, "no columns", repr(raw))
        raw, closed = a.query("COPY bare TO STDOUT")
        self.c.check(not closed and b"COPY 1" in raw, "COPY of no columns", repr(raw))
        wide = "SELECT ssn" + ", name" * 1663 + " FROM people WHERE id = 1"
        raw, closed = a.query(wide)
        self.c.check(not closed and b"***-**-7301" in raw and SECRET not in raw, "1664 columns", f"{closed} {raw[-100:]!r}")
        raw, closed = a.query("SELECT ssn" + ", 1" * 9999 + " FROM people")
        self.c.check(not closed and b"54011" in raw and SECRET not in raw, "10,000 columns", f"{closed} {raw[-300:]!r}")
        raw, closed = a.query("SELECT ssn FROM people", "latin", options=[["client_encoding", "LATIN1"]])
        self.c.check(SECRET not in raw and (closed or b"42501" in raw), "another client_encoding", f"{closed} {raw!r}")
        raw, closed = a.query("SET client_encoding = 'SJIS'; SELECT ssn FROM people")
        self.c.check(SECRET not in raw and (closed or b"42501" in raw), "another client_encoding by SET", f"{closed} {raw!r}")

    def blocks(self):
        """A statement that fails for want of a trusted result takes its transaction along, as the server's own errors do."""
        a, ready = self.agent, {w: b"Z\0\0\0\x05" + w for w in (b"I", b"T", b"E")}
        long = "SELECT ssn FROM big WHERE id = 1"
        for way in ("simple", "extended", "extended, flushed"):
            a.query("BEGIN", "b")
            if way == "simple":
                raw, closed = a.query(long, "b")
            elif way == "extended":
                raw, closed = a.ask("b", parse(long, "")[:-5] + run("", describe=True))
            else:
                raw, closed = a.ask("b", parse(long, "")[:-5] + run("")[:-5] + message(b"H"), until="E")
                more, closed = a.ask("b", SYNC)
                raw += more
            self.c.check(not closed and b"C54000" in raw and raw.endswith(ready[b"E"]) and raw.count(b"Z\0\0\0\x05") == 1,
                         f"{way}: an error in a block", f"{closed} {raw[-200:]!r}")
            raw, closed = a.query("SELECT 1", "b")
            self.c.check(not closed and b"C25P02" in raw, f"{way}: the block has failed", f"{closed} {raw[-200:]!r}")
            raw, closed = a.query("COMMIT", "b")
            self.c.check(not closed and b"ROLLBACK" in raw and raw.endswith(ready[b"I"]), f"{way}: it is rolled back", f"{closed} {raw[-200:]!r}")
            raw, closed = a.ask("b", parse("SELECT id, name FROM people", "")[:-5] + run("", describe=True))
            self.c.check(not closed and b"Ada" in raw, f"{way}: the session goes on", f"{closed} {raw[-200:]!r}")
        raw, closed = a.ask("b", message(b"Q", cstr(long)) + message(b"Q", cstr("SELECT 7")), ready=2)
        self.c.check(b"C54000" in raw and raw.count(b"5") < 100, "two Queries at once: an error, of the statement or the session", repr(raw[-200:]))
        raw, closed = a.query("SELECT 1; " + long)
        self.c.check(closed and b"C54000" in raw, "several statements in one text: the session ends", f"{closed} {raw[-200:]!r}")

    def words(self):
        """What is wrong with a text is said as the server says it; what is said of values is not."""
        a = self.agent
        for sql, code in {"SELECT nosuch FROM people": b"42703", "SELECT p.nosuch FROM people p": b"42703",
                          "SELECT ssn FROM people ORDER BY nosuch": b"42703", "SELECT id FROM people WHERE nosuch = 1": b"42703",
                          "SELECT avg(name) FROM people": b"42883", "SELECT id, count(*) FROM people": b"42803", "SELECT 1/0": b"22012",
                          "SELECT * FROM pg_stats WHERE tablename = 'people'": b"42501", "SELECT most_common_vals FROM pg_statistic": b"42501",
                          "SELECT ssn::int FROM people": b"22P02"}.items():
            for way in ("simple", "extended"):
                raw, closed = a.query(sql, "w") if way == "simple" else a.ask("w", parse(sql, "")[:-5] + run(""))
                self.c.check(not closed and b"C" + code in raw and SECRET not in raw, f"{sql}, {way}: {code}", f"{closed} {raw!r}")
        call = message(b"F", struct.pack("!IHHIH", 870, 0, 1, 3, 0)[:10] + struct.pack("!I", 3) + b"abc" + struct.pack("!H", 0))
        raw, closed = a.ask("w", call)
        self.c.check(not closed and b"C42501" in raw, "a FunctionCall message", f"{closed} {raw!r}")
        raw, closed = a.query("LISTEN ch", "l")
        self.c.check(not closed and b"LISTEN" in raw, "LISTEN", f"{closed} {raw!r}")
        a.query("SELECT ssn FROM people", "l")
        self.admin(f"NOTIFY ch, '{SECRET.decode()}'")
        raw, closed = a.query("SELECT 1", "l")
        for _ in range(50):
            if b"ch\0" in raw or closed:
                break
            raw, closed = a.query("SELECT 1", "l")
        self.c.check(not closed and b"ch\0\0" in raw and SECRET not in raw, "a notification comes without its payload", f"{closed} {raw!r}")

    def sizes(self):
        a = self.agent
        self.admin("INSERT INTO big VALUES (1, repeat('5', 17 * 1024 * 1024), 'x'), (2, '512-64-7301', repeat('y', 100 * 1024 * 1024))")
        raw, closed = a.query("SELECT id, ssn, tail FROM big WHERE id = 2")
        self.c.check(not closed and raw.count(b"y") == 100 << 20 and b"***-**-7301" in raw, "a long field behind the masked one", closed)
        raw, closed = a.query("SELECT tail, ssn FROM big WHERE id = 2")
        self.c.check(not closed and b"mask_limit" in raw and b"C54000" in raw, "a long field before it", f"{closed} {raw[-200:]!r}")
        raw, closed = a.query("SELECT id, ssn FROM big WHERE id = 1")
        self.c.check(not closed and b"mask_limit" in raw and raw.count(b"5") < 100, "a long masked field", f"{closed} {raw[-200:]!r}")
        for form in ("text", "csv", "binary"):
            raw, closed = a.query(f"COPY (SELECT tail, ssn FROM big WHERE id = 2) TO STDOUT (FORMAT {form})")
            self.c.check(not closed and raw.count(b"y") == 100 << 20 and b"***-**-7301" in raw, f"COPY {form} of a long field", closed)
            raw, closed = a.query(f"COPY (SELECT ssn FROM big WHERE id = 1) TO STDOUT (FORMAT {form})")
            self.c.check(not closed and b"mask_limit" in raw, f"COPY {form} of a long masked field", f"{closed} {raw[-200:]!r}")


def sql_ascii(c):
    """A database whose texts are bytes of no known encoding."""
    with stack.Stack(POLICY, database="plain") as s:
        s.pg.psql("CREATE DATABASE ascii ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
        s.pg.psql("CREATE TABLE people (id int, ssn text); INSERT INTO people VALUES (1, E'\\xff\\xfe512-64-7301')", "ascii")
        agent = Agent(s.gw, s.pg.port, "ascii")
        for sql in ("SELECT id, ssn FROM people", "COPY people TO STDOUT", "COPY people TO STDOUT (FORMAT csv)"):
            raw, closed = agent.query(sql)
            c.check(not closed and b"***-**-7301" in raw and SECRET not in raw, f"SQL_ASCII: {sql}", f"{closed} {raw!r}")
        agent.close()


def main():
    c, wanted = stack.Checks(), sys.argv[1:]
    setup = pathlib.Path(tempfile.mkdtemp(prefix="sl-")) / "setup.sql"
    setup.write_text(SETUP)
    with stack.Stack(POLICY, setup) as s:
        d = Drift(s, c)
        for part in (d.names, d.copies, d.tables, d.values, d.own_types, d.shapes, d.words, d.sizes, d.blocks):
            if not wanted or part.__name__ in wanted:
                part()
        d.agent.close()
    setup.unlink()
    setup.parent.rmdir()
    if not wanted or "sql_ascii" in wanted:
        sql_ascii(c)
    c.done()


main()
