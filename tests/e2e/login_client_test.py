#!/usr/bin/env python3
"""Clients that log in themselves ("authentication": "client"): each method of a real PostgreSQL, wrong passwords, users
that the policy does not let in, TLS on either side; and that no password stays in the gateway."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import memory  # noqa: E402
import stack  # noqa: E402
from certs import server_with_tls, show  # noqa: E402

# Long, so that its end outlives what is read into the same memory later.
WORDS = {"alice": "a" * 3000 + "-scram-7Qx2Vn", "bob": "bob-md5-9Hc4Lp", "carol": "carol-scram-3Zt8Kd", "mallory": "mallory-5Wy1Gf"}
SETUP = f"""
CREATE ROLE alice LOGIN PASSWORD '{WORDS["alice"]}';
CREATE ROLE carol LOGIN PASSWORD '{WORDS["carol"]}';
CREATE ROLE mallory LOGIN PASSWORD '{WORDS["mallory"]}';
SET password_encryption = 'md5';
CREATE ROLE bob LOGIN PASSWORD '{WORDS["bob"]}';
RESET password_encryption;
CREATE ROLE reader; GRANT reader TO alice;
CREATE ROLE gate LOGIN PASSWORD 'gate-pw';
GRANT alice, bob TO gate;
CREATE TABLE t AS SELECT 5 AS x;
CREATE TABLE secret AS SELECT 1 AS x;
CREATE SCHEMA alice;
CREATE TABLE alice.own AS SELECT 42 AS x;
CREATE SCHEMA away;
CREATE TABLE away.t AS SELECT 7 AS x;
GRANT USAGE ON SCHEMA alice TO alice;
GRANT USAGE ON SCHEMA away TO bob;
GRANT SELECT ON t TO PUBLIC;
GRANT SELECT ON alice.own TO alice;
GRANT SELECT ON away.t TO bob;
ALTER ROLE bob SET search_path = away;
"""


def policy(relations=("public.*", "alice.*"), **login):
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"viewer": ["viewer"], "stranger": ["stranger"]},
        "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "upstream": "127.0.0.1:@PORT@",
                       "credentials": {"viewer": "file:CRED/db"},
                       "login": {"authentication": "client", "users": ["alice", "bob", "carol"], **login}}],
        "rules": [{"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": list(relations),
                   "effect": "allow"}],
    }


class Bench:
    def __init__(self, s, t):
        self.s, self.t, self.gw, self.pg = s, t, s.gw, s.pg
        self.hba_path = s.folder / "pg/data/pg_hba.conf"
        self.hba_own = self.hba_path.read_text()

    def policy(self, **kw):
        self.gw.write_policy(json.dumps(policy(**kw)).replace("@PORT@", str(self.pg.port)))
        self.gw.sluice("reload")

    def credential(self, text):
        (self.gw.folder / "etc/credentials/db").write_text(text + "\n")

    def hba(self, *lines):
        before = self.pg.psql("SELECT pg_conf_load_time()")
        self.hba_path.write_text("".join(line + "\n" for line in lines) + self.hba_own)
        self.pg.psql("SELECT pg_reload_conf()")
        stack.until(lambda: self.pg.psql("SELECT pg_conf_load_time()") != before, 20)

    def psql(self, user, sql="SELECT session_user, current_user, x FROM t", password=None, role="viewer", more="sslmode=disable"):
        dsn = f"host=127.0.0.1 port={self.pg.port} user={user} dbname={self.s.database} {more}"
        env = {**self.gw.env, "PGPASSWORD": WORDS.get(user, "any") if password is None else password}
        command = self.gw.command(role, ["psql", "-XqAtw", "-d", dsn, "-c", sql])
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)

    def says(self, what, want, user, *args, **kw):
        done = self.psql(user, *args, **kw)
        self.t.check(done.returncode == 0 and done.stdout.strip() == want, what, done.stdout + done.stderr)

    def refused(self, what, text, user, *args, **kw):
        done = self.psql(user, *args, **kw)
        self.t.check(done.returncode != 0 and text in done.stderr, what, done.stdout + done.stderr)


def methods(b):
    b.says("SCRAM-SHA-256", "alice|alice|5", "alice")
    b.refused("SCRAM: a wrong password, in the server's words", 'password authentication failed for user "alice"', "alice",
              password="wrong-scram-1Bd6Rm")
    b.refused("no password: libpq gives up by itself", "no password supplied", "alice", password="")
    b.hba("host all bob 127.0.0.1/32 md5")
    b.says("md5", "bob|bob|5", "bob", "SELECT session_user, current_user, x FROM public.t")
    b.refused("md5: a wrong password", 'password authentication failed for user "bob"', "bob", password="wrong-md5-2Nf8Tq")
    b.hba("host all alice 127.0.0.1/32 password")
    b.refused("in clear, to whoever it is", "asks for the password in clear", "alice")
    b.hba("host all alice 127.0.0.1/32 trust")
    b.refused("nothing is asked", "lets anybody in", "alice")
    b.hba("host all alice 127.0.0.1/32 reject")
    b.refused("reject, in the server's words", "pg_hba.conf rejects", "alice")
    b.hba("host all alice 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapprefix=x ldapsuffix=y")
    b.refused("LDAP wants it in clear, too", "in clear", "alice")
    b.hba()


def names(b):
    b.hba("host all bob 127.0.0.1/32 md5")
    b.says("$user is the client's", "42", "alice", "SELECT x FROM own")
    b.policy(relations=["away.*"])
    b.says("a role's own search_path", "7", "bob", "SELECT x FROM t")
    b.policy(relations=["public.*"])
    b.refused("the policy reads names as bob's session does", "away", "bob", "SELECT x FROM t")
    b.policy()
    b.refused("the rules are the workload's", "secret", "alice", "SELECT x FROM secret")
    b.refused("a DELETE is none of theirs", "delete", "alice", "DELETE FROM t")
    b.hba()
    b.policy(role="reader", settings={"application_name": "{identity}", "statement_timeout": "3s"})
    b.says("role and settings are pinned", "alice|reader|agent-viewer|3s", "alice",
           "SELECT session_user, current_user, current_setting('application_name'), current_setting('statement_timeout')")
    b.policy()


def users(b):
    before = b.pg.log()
    b.refused("a user that the policy does not name", 'may not be chosen here: "mallory"', "mallory")
    b.t.check("mallory" not in b.pg.log()[len(before):], "is refused before the database hears of it")
    b.refused("a workload whose role may nothing here", "", "alice", role="stranger")
    b.refused("a user that the gateway's own login may not act as", "carol", "carol")
    b.credential("user=gate password=gate-pw target_session_attrs=read-write")
    b.refused("which host is the primary cannot be asked", "target_session_attrs", "alice")
    b.credential("user=gate password=gate-pw")


def tls(b):
    server_with_tls(b.s)
    cred = b.gw.folder / "etc/credentials"
    root = f"sslrootcert={cred}/root.crt"
    b.says("the server's side in TLS, by default", "alice|alice|5", "alice")
    b.credential(f"user=gate password=gate-pw sslmode=verify-full {root}")
    b.says("verify-full", "alice|alice|5", "alice")
    b.hba("host all alice 127.0.0.1/32 password")
    b.says("the password in clear, to the right server", "alice|alice|5", "alice")
    b.refused("a wrong one", "password authentication failed", "alice", password="a" * 3000 + "wrong-clear-4Gs7Wk")
    b.hba("host all bob 127.0.0.1/32 md5")
    b.says("TLS on both sides: md5", "bob|bob|5", "bob", "SELECT session_user, current_user, x FROM public.t",
           more="sslmode=require")
    b.refused("TLS on both sides: SCRAM notices who stands between, and the remedy is said", "set channel_binding=disable",
              "alice", more="sslmode=require")
    b.says("unbound, as the client wants it", "alice|alice|5", "alice", more="sslmode=require channel_binding=disable")
    b.refused("binding that the client demands is not there", "channel binding", "alice",
              more="sslmode=require channel_binding=require")
    b.credential("user=gate password=gate-pw sslmode=disable")
    show(b.s, "server", False)
    b.says("TLS to the gateway alone", "alice|alice|5", "alice", more="sslmode=require")
    b.credential("user=gate password=gate-pw")
    b.hba()


def cancel(b):
    b.policy(settings={"statement_timeout": "60s"})
    b.gw.write_policy(json.dumps({**policy(), "rules": policy()["rules"] + [
        {"id": "sleep", "resource": "db", "roles": ["viewer"], "functions": ["pg_catalog.pg_sleep"], "effect": "allow"}]})
        .replace("@PORT@", str(b.pg.port)))
    b.gw.sluice("reload")
    done = b.psql("alice", "SET statement_timeout = '300ms'; SELECT pg_sleep(20)")
    b.t.check("statement timeout" in done.stderr, "a session as any other", done.stderr)
    script = "psql -XqAtw -d \"$0\" -c 'SELECT pg_sleep(30)' & pid=$!; sleep 2; kill -INT $pid; wait $pid; echo done"
    dsn = f"host=127.0.0.1 port={b.pg.port} user=alice dbname={b.s.database} sslmode=disable"
    env = {**b.gw.env, "PGPASSWORD": WORDS["alice"]}
    done = subprocess.run(b.gw.command("viewer", ["bash", "-c", f"set -m; {script}", dsn]), env=env, capture_output=True,
                          text=True, timeout=60)
    b.t.check("canceling statement due to user request" in done.stderr, "a cancel finds it", done.stderr + done.stdout)
    b.policy()


# Bytes of a client that does not do as it should; what it is answered.
RUDE = """
import socket, struct, sys, time
port, what = int(sys.argv[1]), sys.argv[2]
s = socket.create_connection(('127.0.0.1', port), 20)
body = struct.pack('!I', 0x30000) + b'user\\0alice\\0database\\0evade\\0\\0'
s.sendall(struct.pack('!I', len(body) + 4) + body)
first = s.recv(4096)
first += s.recv(4096) if first[:1] != b'R' else b''
say = {
    'query': b'Q' + struct.pack('!I', 13) + b'SELECT 1\\0',
    'plus': b'p' + struct.pack('!I', 4 + 19 + 4 + 20) + b'SCRAM-SHA-256-PLUS\\0' + struct.pack('!I', 20) + b'n,,n=,r=abcdefghijkl',
    'bound': b'p' + struct.pack('!I', 4 + 14 + 4 + 3) + b'SCRAM-SHA-256\\0' + struct.pack('!I', 3) + b'p=x',
    'short': b'p' + struct.pack('!I', 4 + 14 + 4 + 3) + b'SCRAM-SHA-256\\0' + struct.pack('!I', 99) + b'n,,',
    'long': b'p' + struct.pack('!I', 1 << 30),
    'nothing': b'',
}[what]
s.sendall(say)
s.settimeout(30)
got = first
try:
    while True:
        more = s.recv(4096)
        if not more:
            break
        got += more
except ConnectionError:
    pass
print(got.decode('latin1').replace('\\0', ' '))
"""


def rude(b):
    rows = (("query", "something else"), ("plus", "channel_binding=disable"), ("bound", "channel_binding=disable"),
            ("short", "malformed"), ("long", "malformed"), ("nothing", "in time"))
    for what, text in rows:
        done = b.gw.run("viewer", [sys.executable, "-c", RUDE, b.pg.port, what], timeout=60)
        b.t.check("SCRAM-SHA-256  " in done.stdout and "-PLUS" not in done.stdout.split("FATAL")[0], f"{what}: offered", done.stdout)
        b.t.check("FATAL" in done.stdout and text in done.stdout, f"{what}: refused", done.stdout + done.stderr)


def kept(b):
    """Nothing that a client said of itself is in a process, in the record, or in the log."""
    words = [*(w.lstrip("a") for w in WORDS.values()), "wrong-scram-1Bd6Rm", "wrong-md5-2Nf8Tq", "wrong-clear-4Gs7Wk"]
    known = f"127.0.0.1:{b.pg.port}"
    found, seen = memory.of_gateway(b.gw, words, known)
    b.t.check(seen > 0, "what is no secret is found in memory")
    b.t.check(not any(found.values()), "no password is in any process", found)
    record = json.dumps(b.gw.events())
    b.t.check(not [w for w in words if w in record], "none is in the record")
    b.t.check("the upstream refused the client's login (SQLSTATE 28P01)" in record, "a refused login is")
    state = b"".join(p.read_bytes() for p in (b.gw.folder / "state").rglob("*") if p.is_file())
    b.t.check(not [w for w in words if w.encode() in state + b.gw.log().encode()], "none is on disk or in the log")
    verify = b.gw.sluice("verify", check=False)
    b.t.equal(verify.returncode, 0, f"the record verifies {verify.stdout}{verify.stderr}")


def main():
    t = stack.Checks()
    with stack.Stack(policy(), config={"startup_timeout_ms": 6000}) as s:
        s.pg.psql(SETUP, s.database)
        b = Bench(s, t)
        b.credential("user=gate password=gate-pw")
        for part in (methods, names, users, tls, cancel, rude, kept):
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(b)
        t.check("panic" not in s.gw.log(), "nothing went wrong inside")
        if t.failed:
            print(s.gw.log()[-3000:])
    t.done()


main()
