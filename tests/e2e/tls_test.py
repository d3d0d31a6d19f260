#!/usr/bin/env python3
"""TLS on both sides of the gateway, with a real PostgreSQL that speaks it, real clients that verify."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
from certs import NAME, authority, leaf, openssl, server_with_tls, show  # noqa: E402

def policy(**more):
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"viewer": ["viewer"]},
        "resources": [{"name": "db", "protocol": "postgres", "match": [f"{NAME}:@PORT@", "127.0.0.1:@PORT@"],
                       "upstream": "127.0.0.1:@PORT@", "credentials": {"viewer": "file:CRED/db"}, **more}],
        "rules": [{"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select", "execute"],
                   "relations": ["public.*", "pg_catalog.*"], "functions": ["pg_catalog.*"], "effect": "allow"}],
    }


class Bench:
    def __init__(self, s, t):
        self.s, self.t, self.gw, self.pg = s, t, s.gw, s.pg
        self.certs = s.folder / "certs"

    def login(self, extra=""):
        """What the gateway logs in with."""
        text = f"user=app password={self.pg.password} {extra}\n"
        (self.gw.folder / "etc/credentials/db").write_text(text)

    def write(self, **more):
        self.gw.write_policy(json.dumps(policy(**more)).replace("@PORT@", str(self.pg.port)))
        self.gw.sluice("reload")

    def psql(self, conninfo, sql="SELECT count(*) FROM t", **kw):
        dsn = f"port={self.pg.port} user=agent password=any dbname={self.s.database} {conninfo}"
        return self.gw.run("viewer", ["psql", "-XqAt", "-d", dsn, "-c", sql], **kw)

    def ok(self, what, conninfo, sql="SELECT count(*) FROM t", want="5"):
        done = self.psql(conninfo, sql)
        self.t.check(done.returncode == 0 and done.stdout.strip() == want, what, done.stderr + done.stdout)
        return done

    def refused(self, what, conninfo, text):
        done = self.psql(conninfo)
        self.t.check(done.returncode != 0 and text in done.stderr, what, done.stderr + done.stdout)


def hba(s, line):
    path = s.folder / "pg/data/pg_hba.conf"
    if not hasattr(s, "hba"):
        s.hba = path.read_text()
    path.write_text(line + "\n" + s.hba)
    s.pg.psql("SELECT pg_reload_conf()")
    time.sleep(0.3)


PLAIN = "host=127.0.0.1 sslmode=disable"
ON_TLS = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def upstream(b):
    cred = b.gw.folder / "etc/credentials"
    server_with_tls(b.s)
    for extra in ("", "sslmode=require", f"sslmode=verify-ca sslrootcert={cred}/root.crt",
                  f"sslmode=verify-full sslrootcert={cred}/root.crt",
                  f"sslmode=verify-full sslrootcert={b.certs}/root.crt ssl_max_protocol_version=TLSv1.2"):
        b.login(extra)
        want = "t|TLSv1.2" if "1.2" in extra else "t|TLSv1.3"
        b.ok(f"upstream {extra or 'by default'}", PLAIN, ON_TLS, want)
    b.login("sslmode=disable")
    b.ok("upstream sslmode=disable", PLAIN, ON_TLS, "f|")
    for extra, text in ((f"sslmode=verify-ca sslrootcert={cred}/other.crt", "certificate"),
                        ("sslmode=verify-full", "certificate"),
                        (f"sslmode=require sslrootcert={cred}/other.crt", "certificate"),
                        (f"sslmode=verify-full sslrootcert={cred}/missing.crt", "cannot be opened"),
                        ("sslmode=nonsense", "sslmode"),
                        ("gssencmode=require", "GSSAPI")):
        b.login(extra)
        b.refused(f"upstream {extra} fails", PLAIN, text)
    b.login(f"sslmode=verify-full sslrootcert={cred}/root.crt")
    show(b.s, "wrong")
    b.refused("another host's certificate", PLAIN, "mismatch")
    show(b.s, "server", False)
    b.refused("a server without TLS", PLAIN, "has no TLS")
    b.login()
    b.ok("prefer takes what there is", PLAIN, ON_TLS, "f|")
    show(b.s, "server")
    hba(b.s, "hostssl all app 127.0.0.1/32 cert clientcert=verify-full")
    (cred / "db").write_text(f"user=app sslmode=verify-full sslrootcert={cred}/root.crt "
                             f"sslcert={cred}/client.crt sslkey={cred}/client.key\n")
    b.ok("a certificate instead of a password", PLAIN, ON_TLS, "t|TLSv1.3")
    (cred / "db").write_text(f"user=app sslmode=require sslcert={cred}/client.crt\n")
    b.refused("a certificate without its key", PLAIN, "go together")
    hba(b.s, "hostssl all app 127.0.0.1/32 password")
    b.login(f"sslmode=verify-full sslrootcert={cred}/root.crt")
    b.ok("a password in clear goes to a verified server", PLAIN, ON_TLS, "t|TLSv1.3")
    b.login("sslmode=require")
    b.refused("and not to one that nobody verified", PLAIN, "in clear")
    hba(b.s, "")
    for extra in (f"sslmode=verify-full sslrootcert={cred}/root.crt channel_binding=require",
                  "sslmode=require channel_binding=require ssl_max_protocol_version=TLSv1.2", "sslmode=require channel_binding=disable"):
        b.login(extra)
        b.ok(f"a login with {extra}", PLAIN, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "t")
    hba(b.s, "host all app 127.0.0.1/32 md5")
    b.login("sslmode=require channel_binding=require")
    b.ok("the server's md5 is SCRAM for whom it has a verifier, bound to the channel", PLAIN, ON_TLS, "t|TLSv1.3")
    hba(b.s, "host all app 127.0.0.1/32 trust")
    b.refused("a server that trusts is not bound", PLAIN, "lets us in without")
    hba(b.s, "")
    b.login(f"sslmode=verify-full sslrootcert={cred}/root.crt")
    big = "SELECT sum(length(repeat(g::text, 1000))) FROM generate_series(1, 100) g"
    b.ok("a session over TLS", PLAIN, big, b.pg.psql(big, b.s.database))


def clients(b):
    b.login()
    for mode in ("prefer", "require", "verify-ca", "verify-full"):
        b.ok(f"psql sslmode={mode} by address", f"host=127.0.0.1 sslmode={mode}")
    b.ok("psql verify-full by name", f"host={NAME} sslmode=verify-full")
    b.ok("TLS 1.2", f"host={NAME} sslmode=verify-full ssl_max_protocol_version=TLSv1.2")
    b.ok("both sides", f"host={NAME} sslmode=verify-full", ON_TLS, "t|TLSv1.3")
    b.refused("a name that is not declared", "host=elsewhere hostaddr=127.0.0.1 sslmode=verify-full", "elsewhere")
    b.refused("another authority", f"host={NAME} sslmode=verify-full sslrootcert={b.certs}/root.crt", "certificate")
    done = b.psql(f"host={NAME} sslmode=verify-full channel_binding=require")
    b.t.check("channel binding" in done.stderr, "channel binding is not pretended", done.stderr)


HELLO = """
import os, socket, ssl, struct, sys
name, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ctx = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
if how != "no-alpn":
    ctx.set_alpn_protocols(["http/1.1" if how == "wrong-alpn" else "postgresql"])
raw = socket.create_connection((name, port), 10)
if how == "asked":
    raw.sendall(struct.pack("!II", 8, 80877103))
    assert raw.recv(1) == b"S"
try:
    s = ctx.wrap_socket(raw, server_hostname=name)
    body = struct.pack("!I", 196608) + b"user\\0agent\\0database\\0%s\\0\\0" % sys.argv[4].encode()
    s.sendall(struct.pack("!I", len(body) + 4) + body)
    first = s.recv(1)
    print("alpn", s.selected_alpn_protocol(), first.decode())
except (ssl.SSLError, ConnectionError) as e:
    print("refused", e)
"""

RAW = """
import socket, struct, sys
port, how = int(sys.argv[1]), sys.argv[2]
ask, gss = struct.pack("!II", 8, 80877103), struct.pack("!II", 8, 80877104)
s = socket.create_connection(("127.0.0.1", port), 10)
def rest():
    out = b""
    try:
        while chunk := s.recv(65536):
            out += chunk
    except ConnectionError:
        out += b"(reset)"
    return out
if how == "behind":
    s.sendall(ask + struct.pack("!II", 50, 196608))
    print(rest())
elif how == "gss":
    s.sendall(gss)
    print(s.recv(1))
    s.sendall(ask)
    print(s.recv(1))
elif how == "twice":
    s.sendall(ask)
    print(s.recv(1))
    s.sendall(ask)
    print(rest())
elif how == "slow":
    for b in ask:
        s.sendall(bytes([b]))
    print(s.recv(1))
elif how == "garbage":
    s.sendall(ask)
    print(s.recv(1))
    s.sendall(b"\\x16\\x03\\x01\\x00\\xffnot a hello" + b"x" * 300)
    print(rest()[:1] != b"R")
"""


def on_the_wire(b):
    def raw(how):
        return b.gw.run("viewer", ["python3", "-c", RAW, b.pg.port, how]).stdout

    def hello(how):
        return b.gw.run("viewer", ["python3", "-c", HELLO, NAME, b.pg.port, how, b.s.database]).stdout

    b.t.check("08P01" in raw("behind") and "(reset)" not in raw("behind"), "bytes behind SSLRequest", raw("behind"))
    b.t.equal(raw("gss").split(), ["b'N'", "b'S'"], "GSSENCRequest, then SSLRequest")
    b.t.check(raw("twice").startswith("b'S'"), "SSLRequest twice", raw("twice"))
    b.t.equal(raw("slow").split(), ["b'S'"], "one byte a segment")
    b.t.equal(raw("garbage").split(), ["b'S'", "True"], "no TLS behind SSLRequest")
    b.t.equal(hello("direct").strip(), "alpn postgresql R", "direct TLS")
    b.t.equal(hello("asked").strip(), "alpn postgresql R", "TLS that was asked for, with ALPN")
    b.t.check(hello("no-alpn").startswith("refused"), "direct TLS needs ALPN", hello("no-alpn"))
    b.t.check(hello("wrong-alpn").startswith("refused"), "another protocol's ALPN", hello("wrong-alpn"))


def choices(b):
    b.write(client_tls="refuse")
    b.refused("client_tls refuse", "host=127.0.0.1 sslmode=require", "does not support SSL")
    b.ok("refuse: prefer goes on without", "host=127.0.0.1 sslmode=prefer")
    b.write(client_tls="require")
    b.ok("client_tls require", f"host={NAME} sslmode=verify-full")
    b.refused("require: not without", "host=127.0.0.1 sslmode=disable", "over TLS only")
    b.write()


def authority_is_bound(b):
    """What the node vouches for, looked at with openssl's own eyes."""
    ca = b.gw.folder / "run/ca.pem"
    text = subprocess.run(["openssl", "x509", "-in", ca, "-noout", "-text"], capture_output=True, text=True).stdout
    b.t.check("X509v3 Name Constraints: critical" in text and f"DNS:{NAME}" in text and
              "IP:127.0.0.1/255.255.255.255" in text, "the authority's constraints", text)
    key = b.gw.folder / "state/keys/ca.key"
    b.t.equal(key.stat().st_mode & 0o777, 0o600, "the authority's key is root's")
    folder = b.s.folder / "forged"
    folder.mkdir()
    shutil.copy(key, folder / "ca.key")
    shutil.copy(ca, folder / "ca.crt")
    leaf(folder, "ca", "bank", "bank.example.com", "DNS:bank.example.com")
    done = subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.crt", folder / "bank.crt"],
                          capture_output=True, text=True)
    b.t.check(done.returncode != 0 and "permitted subtree" in done.stderr + done.stdout, "it cannot vouch for others",
              done.stderr + done.stdout)
    leaf(folder, "ca", "good", NAME, f"DNS:{NAME}")
    done = subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.crt", folder / "good.crt"], capture_output=True)
    b.t.equal(done.returncode, 0, "but for what is declared")


def trust(b):
    bare = {k: v for k, v in b.gw.env.items() if k not in ("PGSSLROOTCERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")}
    env = subprocess.run(b.gw.command("viewer", ["env"]), env=bare, capture_output=True, text=True).stdout
    for name in ("PGSSLROOTCERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        b.t.check(f"{name}={b.gw.folder}/run/" in env, f"{name} is set", env)
    mine = dict(b.gw.env, PGSSLROOTCERT="/mine")
    done = subprocess.run(b.gw.command("viewer", ["env"]), env=mine, capture_output=True, text=True)
    b.t.check("PGSSLROOTCERT=/mine" in done.stdout, "what is set stays")
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        inside = b.gw.run("viewer", ["cat", bundle]).stdout
        ca = (b.gw.folder / "run/ca.pem").read_text()
        b.t.check(ca in inside and ca not in bundle.read_text(), "the system's bundle, for the workload alone")


def cancel(b):
    """A cancel goes over TLS too, ends what runs, and nothing else."""
    b.login("sslmode=require")
    hba(b.s, "hostnossl all app 127.0.0.1/32 reject")
    script = ("import subprocess, sys, time, signal\n"
              "p = subprocess.Popen(['psql', '-XqAt', '-d', sys.argv[1], '-c', 'SELECT pg_sleep(30)', '-c', 'SELECT 7'],"
              " stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
              "time.sleep(2)\np.send_signal(signal.SIGINT)\nprint(p.communicate(timeout=20)[0])\n")
    dsn = f"host={NAME} port={b.pg.port} user=agent password=any dbname={b.s.database} sslmode=verify-full"
    since = time.time()
    done = b.gw.run("viewer", ["python3", "-c", script, dsn])
    b.t.check("canceling statement due to user request" in done.stdout and time.time() - since < 15, "cancel over TLS",
              done.stdout + done.stderr)
    hba(b.s, "")
    b.login()


def psycopg(b):
    code = ("import sys\ntry:\n import psycopg as p\nexcept ImportError:\n import psycopg2 as p\n"
            "c = p.connect(sys.argv[1])\nk = c.cursor()\n"
            "k.execute('SELECT count(*) FROM t')\nprint(k.fetchone()[0])\n"
            "k.execute(\"SELECT repeat('x', 5000000)\")\nprint(len(k.fetchone()[0]))\n")
    python = next((p for p in pathlib.Path(os.environ.get("SLUICE_CACHE", stack.ROOT / ".cache")).glob("*/bin/python3")
                   if subprocess.run([p, "-c", "import psycopg2"], capture_output=True).returncode == 0 or
                   subprocess.run([p, "-c", "import psycopg"], capture_output=True).returncode == 0), None)
    if not python:
        b.t.skip("no psycopg in the cache (make quickstart puts it there)")
        return
    dsn = f"host={NAME} port={b.pg.port} user=agent password=any dbname={b.s.database} sslmode=verify-full"
    done = b.gw.run("viewer", [python, "-c", code, dsn])
    b.t.equal(done.stdout.split(), ["5", "5000000"], f"psycopg verify-full {done.stderr[-300:]}")


def hosts(b):
    """Several hosts: the first that is there and is what the credential wants."""
    dead, here = f"127.0.0.1:{stack.free_port()}", f"127.0.0.1:{b.pg.port}"
    b.write(upstream=f"{dead},{here}")
    b.login()
    b.ok("the second host, the first is not there", PLAIN)
    for attrs in ("any", "read-write", "primary", "prefer-standby"):
        b.login(f"target_session_attrs={attrs}")
        b.ok(f"target_session_attrs={attrs}", PLAIN)
    for attrs, text in (("standby", "is a standby"), ("read-only", "is read-only")):
        b.login(f"target_session_attrs={attrs}")
        b.refused(f"target_session_attrs={attrs}", PLAIN, text)
    b.login()
    b.write()


def words(b):
    """What is said where silence or a reset would leave an agent guessing; and what is on record of it."""
    script = ("import subprocess, sys, time\n"
              "run = lambda: subprocess.run(['psql', '-XqAt', '-d', sys.argv[1], '-c', 'SELECT 1'], capture_output=True, text=True)\n"
              "print(run().stdout, flush=True)\n"
              "sys.stdin.readline()\n"
              "print(run().stderr)\n")
    for mode in ("verify-full", "disable"):
        dsn = f"host={NAME} port={b.pg.port} user=agent password=any dbname={b.s.database} sslmode={mode}"
        p = b.gw.popen("viewer", ["python3", "-c", script, dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        b.t.equal(p.stdout.readline().strip(), "1", "before the revocation")
        b.gw.sluice("revoke", re.search(r"s-[a-z0-9]{8,}", b.gw.sluice("status", "--json").stdout)[0])
        out, _ = p.communicate("\n", timeout=30)
        b.t.check("FATAL:  the identity of this workload was revoked" in out, f"a connect after it, sslmode={mode}", out)
    b.psql(PLAIN, "SELEC 1")
    ops = [e for e in b.gw.events() if e["type"] == "op" and "SELEC 1" in json.dumps(e)]
    b.t.check(ops and ops[-1]["rule"] == "syntax", "a text that does not parse is on record", ops[-1:])


def main():
    t = stack.Checks()
    with stack.Stack(policy(), None) as s:
        s.pg.psql("CREATE TABLE t AS SELECT generate_series(1, 5) AS id", s.database)
        b = Bench(s, t)
        for part in (upstream, clients, on_the_wire, choices, authority_is_bound, trust, cancel, psycopg, hosts, words):
            part(b)
        t.check("panic" not in s.gw.log(), "nothing went wrong inside")
        if t.failed:
            print(s.gw.log()[-3000:])
    t.done()


main()
