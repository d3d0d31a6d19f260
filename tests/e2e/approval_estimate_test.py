#!/usr/bin/env python3
"""What the database expects of a statement that waits for people: shown beside it, on record, and asked for so that nothing of the
database's own code runs before anybody has approved."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from approvers import SYNC, People, Wire, bind, execute, parse, query, states, wait_until  # noqa: E402
from stack import Checks, Stack  # noqa: E402

VERBS = ["select", "insert", "update", "delete"]
ASK = {"resource": "db", "roles": "worker", "effect": "ask", "approvers": [{"group": "dba"}], "expires": "60s"}
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"worker": ["worker"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"worker": "file:CRED/db"}}],
    "rules": [{**ASK, "id": "silent", "verbs": VERBS, "relations": "public.plain"},
              {**ASK, "id": "told", "verbs": VERBS, "relations": ["public.*", "other.*", "information_schema.*"], "estimate": True},
              {**ASK, "id": "calls", "verbs": "execute", "functions": "public.*", "estimate": True},
              {"id": "set", "resource": "db", "roles": "worker", "verbs": ["set", "create"], "relations": "*.*", "settings": "*", "effect": "allow"}],
}
# Each function of the database's own says in the server's log that it ran.
SETUP = """
CREATE FUNCTION own(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE LOG 'own code ran'; RETURN i; END $$;
CREATE FUNCTION own_ok(i int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE LOG 'own code ran'; RETURN true; END $$;
CREATE TABLE plain(id int); CREATE TABLE orders(id int PRIMARY KEY, price int, shop text DEFAULT 'a');
INSERT INTO orders SELECT i, i % 100 FROM generate_series(1, 5000) i; ANALYZE orders;
CREATE TABLE refers(id int REFERENCES orders); CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 10;
CREATE TABLE by_year(y int, v int) PARTITION BY RANGE (y); CREATE TABLE y1 PARTITION OF by_year FOR VALUES FROM (0) TO (10);
CREATE SCHEMA other; CREATE TABLE other.orders(id int); INSERT INTO other.orders SELECT generate_series(1, 7); ANALYZE other.orders;
CREATE VIEW calls AS SELECT id FROM orders WHERE id > own(1);
CREATE VIEW calls_deep AS SELECT * FROM calls;
CREATE TABLE with_default(id int, v int DEFAULT own(2));
CREATE TABLE with_policy(id int); ALTER TABLE with_policy ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON with_policy USING (own_ok(3));
CREATE TABLE with_check(id int CHECK (own_ok(4))); CREATE TABLE with_index(id int); CREATE INDEX ON with_index (id) WHERE id > own(5);
CREATE DOMAIN tame AS int CHECK (VALUE > 0); CREATE TABLE with_tame(id tame); CREATE DOMAIN wild AS int CHECK (own_ok(VALUE)); CREATE TABLE with_wild(id wild);
CREATE TABLE parent(id int); CREATE TABLE child(v int CHECK (own_ok(6))) INHERITS (parent);
CREATE TABLE with_rule(id int); CREATE RULE r AS ON INSERT TO with_rule DO ALSO INSERT INTO with_default VALUES (own(7), 1);
CREATE TABLE with_trigger(id int); CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION trg();
CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', use_remote_estimate 'true');
CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'x', password 'x'); CREATE FOREIGN TABLE far_away(id int) SERVER far;
CREATE TABLE near(id int); ALTER FOREIGN TABLE far_away INHERIT near;
"""
PLANNED = [("UPDATE orders SET price = 0 WHERE id <= 2500", 2200, 2800, "Update"), ("DELETE FROM orders", 5000, 5000, "Delete"),
           ("SELECT * FROM orders WHERE price = 7", 20, 90, "Seq Scan"), ("INSERT INTO orders SELECT i + 9000, 1 FROM generate_series(1, 50) i", 50, 50, "Insert"),
           ("WITH d AS (DELETE FROM orders WHERE id = 4 RETURNING id) SELECT * FROM d", 1, 1, "Delete"),
           ("WITH d AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM d", 5000, 5000, "Delete"),
           ("SELECT * FROM cheap", 400, 600, "Seq Scan"), ("DELETE FROM by_year WHERE y = 3", 1, 40, "Delete"),
           ("SELECT count(*) FROM information_schema.tables", 1, 1, "Seq Scan"), ("INSERT INTO with_trigger VALUES (1)", 1, 1, "Insert"),
           ("INSERT INTO refers VALUES (1)", 1, 1, "Insert"), ("SELECT * FROM with_tame", 100, 5000, "Seq Scan"),
           ("(SELECT id FROM orders) UNION ALL SELECT id FROM orders -- all of them", 10000, 10000, "Seq Scan")]
NOT_PLANNED = ["SELECT * FROM calls", "SELECT * FROM calls_deep", "INSERT INTO with_default(id) VALUES (1)", "SELECT * FROM with_policy",
               "SELECT * FROM with_check WHERE id = 1", "SELECT * FROM with_index WHERE id > 9", "DELETE FROM with_wild", "SELECT * FROM parent",
               "INSERT INTO with_rule VALUES (1)", "SELECT * FROM far_away", "SELECT * FROM near", "SELECT own(8)"]


class Test(Checks):
    def __init__(self, s):
        super().__init__()
        self.s, self.people = s, People(s.gw)

    def asked(self, wire, data, rule="told"):
        """The request of what this sends, with what the database says to it."""
        wire.put(data)
        r = self.people.pending(rule=rule)
        return wait_until(lambda: (w := self.people.whole(r))["estimated"] and w) or self.people.whole(r)

    def drop(self, wire, r):
        self.equal(self.people.answer("deny", r, "ann", "--reason", "enough").returncode, 0, "denied")
        wire.get()

    def planned(self, w):
        for sql, low, high, how in PLANNED:
            r = self.asked(w, query(sql))
            e = r["estimated"] or {}
            self.check(low <= e.get("rows", -1) <= high, f"rows of {sql}", e)
            self.check(how in [p["how"] for p in e.get("parts", [])], f"parts of {sql}", e)
            self.drop(w, r)
        self.equal(self.s.pg.psql("SELECT count(*) FROM orders WHERE price > 0", self.s.database), "4950", "nothing was run")

    def not_planned(self, w):
        before = self.s.pg.log().count("own code ran")  # as the tables were made
        for sql in NOT_PLANNED:
            r = self.asked(w, query(sql), "calls" if "own(" in sql else "told")
            e = r["estimated"] or {}
            self.check("not PostgreSQL's own" in e.get("why", ""), f"no estimate of {sql}", e)
            self.drop(w, r)
        self.equal(self.s.pg.log().count("own code ran"), before, "none of the database's own code ran before an approval")
        w.put(query("INSERT INTO with_default(id) VALUES (1)"))
        self.people.answer("approve", self.people.pending(rule="told"), "ann")
        w.get()
        self.check(self.s.pg.log().count("own code ran") > before, "(and would have said so)")

    def session(self, w):
        """Parameters, names and settings are those of the session that waits."""
        r = self.asked(w, parse("SELECT * FROM orders WHERE id < $1 AND shop = $2", types=(23, 25)) + bind(params=(b"101", b"a")) + execute() + SYNC)
        self.check(80 <= (r["estimated"] or {}).get("rows", -1) <= 120, "by the parameters' values", r["estimated"])
        self.drop(w, r)
        w.say(query("SET search_path = other, public"))
        r = self.asked(w, query("DELETE FROM orders"))
        self.check((r["estimated"] or {}).get("rows") == 7, "by the session's search_path", [r["estimated"], r["body"]])
        self.drop(w, r)
        r = self.asked(w, query("SELECT id FROM orders; SELECT id FROM orders"))
        self.check("only one" in r["estimated"]["why"], "several statements are not planned", r["estimated"])
        self.drop(w, r)
        other = Wire(self.s, "worker", sub="temp")
        self.equal(states(other.say(query("CREATE TEMP TABLE orders(id int)"))), [], "a temporary table")
        r = self.asked(other, query("SELECT id FROM public.orders"))
        self.check("names are sure" in r["estimated"]["why"], "nor in a session with temporary tables", r["estimated"])
        self.drop(other, r)
        other.close()

    def shown(self, w):
        w.put(query("UPDATE orders SET price = 1 WHERE id = 1"))
        first = self.people.pending(rule="told")
        r = wait_until(lambda: (x := self.people.whole(first))["estimated"] and x)
        self.equal(r["hash"], first["hash"], "it is no part of what is approved")
        text = self.s.gw.sluice("requests", r["request"]).stdout
        self.check("estimate     1 rows, cost" in text and "Update on orders, 1 rows" in text, "the CLI shows it", text)
        again = Wire(self.s, "worker")
        again.put(query("UPDATE orders SET price = 1 WHERE id = 1"))
        self.check(wait_until(lambda: self.people.whole(r)["joined"] > first["joined"]), "the same again joins")
        seen = [e for e in self.s.gw.events() if e["type"] == "approval.estimate" and e["request"] == r["request"]]
        self.equal([(e["rows"], e["hash"]) for e in seen], [(1, r["hash"])], "asked once, and on record")
        self.drop(w, r)
        again.get()
        again.close()
        w.put(query("DELETE FROM plain"))
        r = self.people.pending(rule="silent")
        self.equal((r["estimate"], r["estimated"]), (False, None), "a rule that does not say so asks nothing")
        self.drop(w, r)
        self.equal([e for e in self.s.gw.events() if e["type"] == "approval.estimate" and e["rule"] == "silent"], [], "and records nothing")

    def locked(self, w):
        """What cannot be planned now is told, and held all the same."""
        other = self.s.pg
        hold = subprocess.Popen(["psql", "-XqAt", "-d", other.dsn(self.s.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        hold.stdin.write("BEGIN; LOCK TABLE orders; SELECT 'locked';\n")
        hold.stdin.flush()
        hold.stdout.readline()
        r = self.asked(w, query("SELECT * FROM orders"))
        self.equal((r["estimated"] or {}).get("why"), "the database does not plan it: SQLSTATE 55P03", "locked: no estimate")
        hold.communicate("COMMIT;\n", 20)
        self.equal(self.people.answer("approve", r, "ann").returncode, 0, "it can be approved all the same")
        self.equal(states(w.get()), [], "and runs")


def main():
    with Stack(POLICY) as s:
        s.pg.psql(SETUP, s.database)
        t = Test(s)
        for step in (t.planned, t.not_planned, t.session, t.shown, t.locked):
            w = Wire(s, "worker")
            try:
                step(w)
            except Exception as e:  # noqa: BLE001
                t.check(False, step.__name__, repr(e))
            w.close()
        done = s.gw.sluice("verify", check=False)
        t.equal(done.returncode, 0, f"the record is whole: {done.stdout}{done.stderr}")
        if t.failed:
            print(json.dumps([r for r in t.people.requests(state=None)], indent=1)[:2000], s.gw.log()[-3000:])
    t.done()


main()
