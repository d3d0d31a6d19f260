#!/usr/bin/env python3
"""The login itself: as whom, in which role, with what pinned; where the secret comes from and how it changes; how long
it may take. With a real PostgreSQL."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import memory  # noqa: E402
import stack  # noqa: E402

SETUP = """
CREATE ROLE reader LOGIN PASSWORD 'reader-pw';
CREATE ROLE writer LOGIN PASSWORD 'writer-pw';
GRANT reader TO app;
CREATE TABLE t AS SELECT generate_series(1, 5) AS id;
GRANT SELECT ON t TO reader, writer;
CREATE TABLE secret AS SELECT 1 AS x;
CREATE TABLE mine (who text);
INSERT INTO mine VALUES ('agent-owner'), ('someone-else');
GRANT SELECT ON mine TO reader;
ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON mine TO reader USING (who = current_setting('sluice.identity', true));
CREATE SCHEMA reader;
CREATE VIEW reader.alone AS SELECT 42 AS x;
GRANT USAGE ON SCHEMA reader TO reader;
GRANT SELECT ON reader.alone TO reader;
"""


def policy(login=None, source="file:CRED/db", upstream="127.0.0.1:@PORT@", opaque="allow"):
    more = {"login": login} if login else {}
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"owner": ["owner"]},
        "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "upstream": upstream,
                       "credentials": {"owner": source}, **more}],
        "rules": [{"id": "all", "resource": "db", "roles": ["owner"], "effect": "allow", "opaque": opaque},
                  {"id": "functions", "resource": "db", "roles": ["owner"], "functions": ["*.*"], "effect": "allow"}],
    }


class Bench:
    def __init__(self, s, t):
        self.s, self.t, self.gw, self.pg = s, t, s.gw, s.pg

    def secret(self, text):
        path = self.gw.folder / "etc/credentials/db"
        new = path.with_suffix(".new")
        new.write_text(text + "\n")
        new.chmod(0o600)
        new.rename(path)

    def policy(self, *args, **kw):
        text = json.dumps(policy(*args, **kw)).replace("@PORT@", str(self.pg.port))
        self.gw.write_policy(text)
        self.gw.sluice("reload")

    def policy_file(self):
        self.gw.write_policy(json.dumps(policy()).replace("@PORT@", str(self.pg.port)))

    def psql(self, *sql, user="agent", options="", timeout=60, app="", env=None):
        dsn = f"host=127.0.0.1 port={self.pg.port} user={user} password=any dbname={self.s.database} sslmode=disable"
        dsn += f" application_name='{app}'" if app else ""
        dsn += f" options='{options}'" if options else ""
        return self.gw.run("owner", ["psql", "-XqAt", "-d", dsn, *(x for q in sql for x in ("-c", q))], timeout=timeout)

    def says(self, what, want, *sql, **kw):
        done = self.psql(*sql, **kw)
        self.t.check(done.returncode == 0 and done.stdout.strip() == want, what, done.stdout + done.stderr)

    def refused(self, what, text, *sql, **kw):
        done = self.psql(*sql, **kw)
        self.t.check(done.returncode != 0 and text in done.stderr, what, done.stdout + done.stderr)
        return done


WHO = "SELECT session_user, current_user"


def users(b):
    b.says("the credential's user, whatever the client says", "app|app", WHO, user="reader")
    b.policy({"users": ["reader", "app", "reg*"]})
    b.secret(f"user=app password=reader-pw")
    b.says("the client's user, the credential's password", "reader|reader", WHO, user="reader")
    b.refused("a password that is not that user's", "authentication failed", WHO, user="app")
    b.refused("a user that may not be chosen", 'this user may not be chosen here: "writer"', WHO, user="writer")
    b.says("its search_path is that user's own", "42", "SELECT x FROM alone", user="reader")
    b.secret("password=reader-pw")
    b.says("a credential without a user", "reader|reader", WHO, user="reader")
    b.policy({"users": ["*"]})
    b.secret("password=writer-pw")
    b.says("any user", "writer|writer", WHO, user="writer")
    b.policy()
    b.refused("no user anywhere", "names no user", WHO, user="writer")
    b.secret("sslmode=prefer")
    hba = b.s.folder / "pg/data/pg_hba.conf"
    was = hba.read_text()
    hba.write_text("host all reader,writer 127.0.0.1/32 trust\n" + was)
    b.pg.psql("SELECT pg_reload_conf()")
    b.policy({"users": ["*"]})
    deadline = time.time() + 20
    while b.psql("SELECT 1", user="writer").returncode and time.time() < deadline:
        time.sleep(0.2)
    b.says("trust needs no secret; psql's \\c changes the user", "writer|writer\nreader|reader", WHO, "\\c - reader", WHO,
           user="writer")
    hba.write_text(was)
    b.pg.psql("SELECT pg_reload_conf()")
    b.secret(f"user=app password={b.pg.password}")
    b.policy()


UNDO = ["SET ROLE app", "SET ROLE NONE", "RESET ROLE", "SET LOCAL role = 'none'", "SET SESSION AUTHORIZATION app",
        "SELECT set_config('role', 'app', false)", "SELECT set_config('ro' || 'le', 'app', false)", "DISCARD ALL",
        "DO $$ BEGIN SET ROLE app; END $$", "SET statement_timeout = 0", "RESET statement_timeout",
        "SET sluice.identity = 'someone-else'", "SELECT set_config('sluice.identity', 'someone-else', true)",
        "SET application_name = 'x'", "BEGIN READ WRITE", "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET transaction_read_only = off"]


def pinned(b):
    b.policy({"role": "reader", "settings": {
        "statement_timeout": "1500ms", "sluice.identity": "{identity}", "sluice.who": "{owner} {role} \\ it's",
        "application_name": "{identity}: {application_name}", "default_transaction_read_only": "on"}})
    b.says("role", "app|reader", WHO)
    b.says("its search_path is the role's", "42", "SELECT x FROM alone")
    b.refused("its rights are the role's", "permission denied", "SELECT * FROM secret")
    b.says("settings", "agent-owner|pat@example.com owner \\ it's|agent-owner: crew|on",
           "SELECT current_setting('sluice.identity'), current_setting('sluice.who'), "
           "current_setting('application_name'), current_setting('default_transaction_read_only')", app="crew")
    b.says("row-level security by it", "agent-owner", "SELECT who FROM mine")
    b.says("RESET ALL brings back what is pinned", "1500ms|agent-owner|reader", "RESET ALL",
           "SELECT current_setting('statement_timeout'), current_setting('sluice.identity'), current_user")
    for sql in UNDO:
        done = b.psql(sql, "SELECT current_user")
        b.t.check("42501" in done.stderr or "pins of the login" in done.stderr, f"refused: {sql}", done.stdout + done.stderr)
    b.says("the session goes on", "reader", "BEGIN; SELECT current_user; COMMIT")
    b.refused("the time limit acts", "statement timeout", "SELECT pg_sleep(20)")
    b.refused("and is not for the client to lift", "pinned", "SELECT 1", options="-c statement_timeout=0")
    b.refused("nor the role", "role", "SELECT 1", options="-c role=app")
    b.refused("writes", "read-only transaction", "CREATE TABLE no (x int)")
    denied = [e for e in b.gw.events() if e["type"] == "op" and e.get("rule") == "pinned"]
    b.t.check(len(denied) >= len(UNDO) - 1, "on record, by rule \"pinned\"", len(denied))
    b.policy()
    b.says("nothing pinned: SET ROLE is the rules' affair", "reader", "SET ROLE reader", "SELECT current_user")


def reload(b):
    """A session that is open when the pins change does not outlive its login's terms."""
    dsn = f"host=127.0.0.1 port={b.pg.port} user=a password=b dbname={b.s.database} sslmode=disable"
    p = b.gw.popen("owner", ["psql", "-XqAt", "-d", dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT, text=True, bufsize=1)
    p.stdin.write("SELECT 1;\n")
    p.stdin.flush()
    b.t.equal(p.stdout.readline().strip(), "1", "before the reload")
    b.policy({"role": "reader"})
    out, _ = p.communicate("SELECT current_user;\nSELECT current_user;\n", timeout=30)
    b.t.check("connect again" in out or "reader" in out, "a session from before new pins ends", out)
    b.t.check("app" not in out.split(), "and runs nothing without them", out)
    b.policy()


def sources(b):
    cred = b.gw.folder / "etc/credentials"
    b.says("file", "app|app", WHO)
    b.secret("user=writer password=writer-pw")
    b.says("a file is read anew for each login: rotation without a restart", "writer|writer", WHO)
    script, counter = cred / "vault", b.s.folder / "count"
    counter.write_text("")
    counter.chmod(0o666)
    script.write_text(f"#!/bin/sh\necho x >> {counter}\necho 'user=reader password=reader-pw'\n")
    script.chmod(0o755)
    b.policy(source=f"command:{script}")
    b.says("command", "reader|reader", WHO)
    b.t.check(counter.read_text().count("x") >= 1, "the command has run", counter.read_text())
    script.write_text("#!/bin/sh\necho 'user=writer password=writer-pw'\n")
    b.says("a command is asked anew", "writer|writer", WHO)
    script.write_text("#!/bin/sh\necho hunter2 >&2\nexit 3\n")
    done = b.refused("a command that fails", "command failed", WHO)
    b.t.check("hunter2" not in done.stderr + b.gw.log(), "its words are shown to nobody")
    script.write_text(f"#!/bin/sh\necho x >> {counter}\necho 'user=reader password=reader-pw'\n")
    config = b.gw.folder / "etc/sluice.json"
    config.write_text(json.dumps({**b.gw.config, "credential_ttl_s": 3}))
    b.gw.stop()
    b.gw.start()
    counter.write_text("")
    since = time.time()
    for _ in range(3):
        b.says("a command with a time to live", "reader|reader", WHO)
    took, runs = time.time() - since, counter.read_text().count("x")
    b.t.check(took > 3 or runs == 1, "is run once while it lasts", (took, runs))
    time.sleep(max(0, 3.2 - (time.time() - since)))
    script.write_text("#!/bin/sh\necho 'user=writer password=writer-pw'\n")
    b.says("and again when it is over", "writer|writer", WHO)
    config.write_text(json.dumps(b.gw.config))
    b.gw.stop()
    b.policy_file()
    b.gw.start()
    b.policy()
    b.secret(f"user=app password={b.pg.password}")


def inherited(b):
    """fd:NAME, as the service manager hands it over."""
    b.gw.stop()
    fd = os.memfd_create("login", 0)
    os.write(fd, b"user=reader password=reader-pw\n")
    b.gw.write_policy(json.dumps(policy(source="fd:pglogin")).replace("@PORT@", str(b.pg.port)))
    start = stack.subprocess.Popen

    def with_fd(run, **kw):
        if pathlib.Path(run[0]).name != "sluiced":
            return start(run, **kw)
        shell = f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pglogin exec "$0" "$@" 3</proc/self/fd/{fd}'
        return start(["sh", "-c", shell, *map(str, run)], pass_fds=(fd,), **kw)
    stack.subprocess.Popen = with_fd
    try:
        b.gw.start()
    finally:
        stack.subprocess.Popen = start
    b.gw.tokens.clear()
    b.says("fd", "reader|reader", WHO)
    b.says("fd: each login reads it from its start", "reader|reader", WHO)
    b.gw.stop()
    b.gw.write_policy(json.dumps(policy()).replace("@PORT@", str(b.pg.port)))
    b.gw.start()
    b.gw.tokens.clear()
    os.close(fd)


def in_time(b):
    """connect_timeout of the credential is of each host; one that accepts and says nothing holds nobody up."""
    mute = socket.create_server(("127.0.0.1", 0))
    kept = []
    threading.Thread(target=lambda: [kept.append(mute.accept()) for _ in range(8)], daemon=True).start()
    b.policy(upstream=f"127.0.0.1:{mute.getsockname()[1]},127.0.0.1:{b.pg.port}")
    b.secret(f"user=app password={b.pg.password} connect_timeout=1")
    since = time.time()
    b.says("a mute host, then the next", "app|app", WHO)
    b.t.check(time.time() - since < 8, "within its connect_timeout", time.time() - since)
    b.policy(upstream=f"127.0.0.1:{mute.getsockname()[1]}")
    since = time.time()
    b.refused("a mute host alone", "FATAL", WHO)
    b.t.check(time.time() - since < 8, "is given up", time.time() - since)
    b.policy()
    b.secret(f"user=app password={b.pg.password}")


def methods(b):
    """As the server asks for it: SCRAM, MD5, in clear (refused without verify-full), a method that is none of ours."""
    hba = b.s.folder / "pg/data/pg_hba.conf"
    was = hba.read_text()
    b.pg.psql("SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'old-pw'; "
              "SET password_encryption = 'scram-sha-256'; CREATE ROLE wide LOGIN PASSWORD U&'\\00AApa\\2168 \\00FCber'")
    rows = [("md5", "old", "old-pw", None), ("md5", "reader", "reader-pw", None), ("scram-sha-256", "reader", "reader-pw", None),
            ("scram-sha-256", "wide", "apaIX \u00fcber", None), ("md5", "old", "wrong", "authentication failed"),
            ("scram-sha-256", "reader", "wrong", "authentication failed"), ("scram-sha-256", "reader", "", "has none"),
            ("scram-sha-256", "old", "old-pw", "authentication failed"), ("password", "reader", "reader-pw", "in clear"),
            ("reject", "reader", "reader-pw", "authentication failed")]
    for method, user, password, text in rows:
        hba.write_text(f"host all {user} 127.0.0.1/32 {method}\n" + was)
        b.pg.psql("SELECT pg_reload_conf()")
        b.secret(f"user={user} password='{password}'")
        what = f"{method}, {user}, {password}"
        if text:
            b.refused(what, text, WHO)
        else:
            b.says(what, f"{user}|{user}", WHO)
    hba.write_text(was)
    b.pg.psql("SELECT pg_reload_conf()")
    b.secret("user=reader password=reader-pw channel_binding=require sslmode=disable")
    b.refused("channel binding is demanded, without a channel", "demands channel binding", WHO)
    b.secret(f"user=app password={b.pg.password}")


def in_memory(b):
    """After logins their passwords are in no process of the gateway: SCRAM, MD5, several, failed ones too."""
    words = []
    b.pg.psql("SET password_encryption = 'md5'; CREATE ROLE five LOGIN PASSWORD 'md5-secret-9Hc4Lp'")
    for user, word in (("reader", "scram-secret-7Qx2Vn"), ("five", "md5-secret-9Hc4Lp")):
        if user == "reader":
            b.pg.psql(f"ALTER ROLE reader PASSWORD '{word}'")
        words.append(word)
        for text in (f"user={user} password={word}", f"postgresql://{user}:{word}@x/?sslmode=disable",
                     f"user={user} password='{word}' sslmode=prefer"):
            hba = b.s.folder / "pg/data/pg_hba.conf"
            was = hba.read_text()
            hba.write_text("host all five 127.0.0.1/32 md5\n" + was)
            b.pg.psql("SELECT pg_reload_conf()")
            b.secret(text)
            b.says(f"a login of {user}", f"{user}|{user}", WHO)
            hba.write_text(was)
    b.secret("user=reader password=wrong-secret-3Zt8Kd")
    words.append("wrong-secret-3Zt8Kd")
    b.refused("a wrong one", "authentication failed", WHO)
    b.secret("user=reader password=unread-secret-5Wy1Gf nonsense=1")
    words.append("unread-secret-5Wy1Gf")
    b.refused("a credential that does not read", "neither", WHO)
    found, seen = memory.of_gateway(b.gw, words, f"127.0.0.1:{b.pg.port}")
    b.t.check(seen > 0, "what is no secret is found there")
    b.t.check(not any(found.values()), "no password is in any process", found)
    b.pg.psql("ALTER ROLE reader PASSWORD 'reader-pw'")
    b.secret(f"user=app password={b.pg.password}")


def main():
    t = stack.Checks()
    with stack.Stack(policy()) as s:
        s.pg.psql(SETUP, s.database)
        b = Bench(s, t)
        parts = [users, pinned, reload, sources, methods, in_time, in_memory, inherited]
        for part in parts:
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(b)
        t.check("panic" not in s.gw.log(), "nothing went wrong inside")
        if t.failed:
            print(s.gw.log()[-3000:])
    t.done()


main()
