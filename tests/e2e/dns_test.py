#!/usr/bin/env python3
"""The workload's DNS, with a real server (dnsmasq) as the node's own resolver: what is declared is answered, over UDP and
TCP, by whatever address it is asked; what is not is refused before anything is asked upstream; and where a connect may
go depends on which name this very workload asked for."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

UPSTREAM = "127.0.53.153"
ZONE = ["--host-record=db.shop.test,127.0.0.1,::1", "--host-record=other.shop.test,127.0.0.1",
        "--cname=alias.shop.test,chain.shop.test", "--cname=chain.shop.test,end.shop.test", "--host-record=end.shop.test,127.0.0.1",
        "--host-record=secret.shop.test,127.0.0.1", "--txt-record=db.shop.test,hidden",
        *[f"--host-record=many.shop.test,127.7.7.{i}" for i in range(1, 33)]]
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"]},
    "resources": [
        {"name": "db", "protocol": "postgres", "match": ["db.shop.test:@PORT@"], "upstream": "127.0.0.1:@PORT@", "credentials": {"viewer": "file:CRED/db"}},
        {"name": "other", "protocol": "postgres", "match": ["other.shop.test:@PORT@", "alias.shop.test:@PORT@"], "upstream": "127.0.0.1:@PORT@",
         "credentials": {"viewer": "file:CRED/db"}},
        {"name": "many", "protocol": "tcp", "match": ["many.shop.test:9"]},
        {"name": "dead", "protocol": "tcp", "match": ["nowhere.shop.test:9"]},
    ],
    "rules": [{"id": "db", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.a"], "effect": "allow"},
              {"id": "other", "resource": "other", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.b"], "effect": "allow"},
              {"id": "many", "resource": "many", "roles": ["viewer"], "effect": "allow"},
              {"id": "dead", "resource": "dead", "roles": ["viewer"], "effect": "allow"}],
}


def go_private(folder):
    """This test's own resolv.conf, for the gateway and for the workloads."""
    if os.environ.get("DNS_TEST_FOLDER"):
        return
    os.environ["DNS_TEST_FOLDER"] = folder
    (pathlib.Path(folder) / "resolv.conf").write_text(f"nameserver {UPSTREAM}\nsearch svc.cluster.test cluster.test\noptions ndots:5\n")
    script = f'mount --bind {folder}/resolv.conf "$(realpath /etc/resolv.conf)" && exec "$@"'
    os.execvp("unshare", ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, *sys.argv])


class Upstream:
    def __init__(self, folder):
        self.log_path = folder / "dnsmasq.log"
        self.process = subprocess.Popen(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon",
                                         "--bind-interfaces", "--except-interface=lo", f"--listen-address={UPSTREAM}", "--log-queries", "--local=/test/",
                                         "--local-ttl=7", *ZONE], stderr=open(self.log_path, "w"), stdout=subprocess.DEVNULL)

    def log(self):
        return self.log_path.read_text()

    def down(self):
        self.process.kill()
        self.process.wait()


class Bench:
    def __init__(self, c, s, up):
        self.c, self.s, self.gw, self.up = c, s, s.gw, up

    def dig(self, *words):
        out = self.gw.run("viewer", ["dig", "+tries=1", "+time=15", *words]).stdout
        status = out.split("status: ")[1].split(",")[0] if "status: " in out else out.strip()
        rows = [line.split() for line in out.splitlines() if line and not line.startswith(";")]
        return status, rows, out

    def says(self, what, words, status, answers):
        got = self.dig(*words)
        self.c.check(got[0] == status and sorted(r[-1] for r in got[1]) == sorted(answers), what, got)
        return got

    def psql(self, sql, *conninfos, before=""):
        """Each connection string in turn, in one workload."""
        calls = "; ".join(f"psql -XqAt -v VERBOSITY=terse 'user=x password=x dbname={self.s.database} port={self.s.pg.port} {i}' -c '{sql}'"
                          for i in conninfos)
        done = self.gw.run("viewer", ["sh", "-c", before + calls])
        return done.stdout.split(), done.stderr


def answers(b):
    b.says("A of a declared name", ["db.shop.test"], "NOERROR", ["127.0.0.1"])
    b.says("AAAA", ["db.shop.test", "AAAA"], "NOERROR", ["::1"])
    b.says("AAAA of a name that has none", ["other.shop.test", "AAAA"], "NOERROR", [])
    b.says("upper case", ["DB.Shop.TEST"], "NOERROR", ["127.0.0.1"])
    b.says("over TCP", ["+tcp", "db.shop.test"], "NOERROR", ["127.0.0.1"])
    b.says("a chain of CNAMEs ends in its addresses", ["alias.shop.test"], "NOERROR", ["127.0.0.1"])
    b.says("another type of a declared name", ["db.shop.test", "TXT"], "NOERROR", [])
    b.says("a declared name that does not exist", ["nowhere.shop.test"], "NXDOMAIN", [])
    b.says("a declared name with a search domain behind it", ["db.shop.test.svc.cluster.test"], "NXDOMAIN", [])
    for server in ("127.0.0.53", "127.0.0.11", "8.8.8.8", "::1", "2001:4860:4860::8888"):
        b.says(f"by {server}", [f"@{server}", "db.shop.test"], "NOERROR", ["127.0.0.1"])
    ttls = [int(b.dig("db.shop.test")[1][0][1]) for _ in range(2)]
    b.c.check(all(0 < t <= 30 for t in ttls), "a TTL is what is left of 30 s", ttls)
    status, rows, out = b.dig("+noedns", "+ignore", "many.shop.test")
    b.c.check(status == "NOERROR" and not rows and " tc " in out, "too long for a datagram: cut, and said so", out)
    status, rows, out = b.dig("+noedns", "many.shop.test")
    b.c.equal(len(rows), 32, "and whole over TCP")
    status, rows, out = b.dig("+bufsize=1232", "many.shop.test")
    b.c.check(len(rows) == 32 and "EDNS: version: 0" in out, "or with EDNS", out)
    b.c.equal(b.dig("+edns=7", "+noednsnegotiation", "db.shop.test")[0], "BADVERS", "an unknown version of EDNS")
    done = b.gw.run("viewer", ["getent", "ahostsv4", "db.shop.test"])
    b.c.check("127.0.0.1" in done.stdout, "glibc, with a search list and ndots:5, comes to the name", done.stderr)


def refused(b):
    names = ["secret.shop.test", "x.db.shop.test", "aGVsbG8gd29ybGQ.tunnel.example", "shop.test", "test"]
    for name in names:
        for words in ([name], ["+tcp", name], [name, "TXT"], [name, "NULL"]):
            b.says(f"undeclared: {words}", words, "REFUSED", [])
    b.c.equal(b.dig("+opcode=UPDATE", "db.shop.test")[0], "NOTIMP", "anything but a question")
    asked = [line for line in b.up.log().splitlines() if "query[" in line]
    b.c.check(len(asked) > 3, "the node's resolver was asked for what is declared", asked)
    for name in names[:3]:
        b.c.check(not any(name in line for line in asked), f"and never for {name}", asked[-3:])
    b.c.check(not any("cluster.test" in line for line in asked), "nor for what a search list makes of a name", asked)
    b.c.check(not any("TXT" in line or "NULL" in line for line in asked), "nor for another type", asked)


def by_name(b):
    """Two resources on one address and port: which one it is, the workload's own question says."""
    got, err = b.psql("SELECT max(id) FROM a", "host=db.shop.test", "host=other.shop.test")
    b.c.check(got == ["1"] and "no rule lets role" in err, "each name leads to its own resource", (got, err))
    got, err = b.psql("SELECT max(id) FROM b", "host=other.shop.test", "host=alias.shop.test", "host=db.shop.test")
    b.c.check(got == ["2", "2"] and "no rule lets role" in err, "whatever was asked for before", (got, err))
    got, err = b.psql("SELECT max(id) FROM a", "host=127.0.0.1")
    b.c.check(not got and err, "an address that this workload never asked for leads nowhere", (got, err))
    told = [e["reason"] for e in b.gw.events() if e["type"] == "connect.refused"]
    b.c.check("no name that leads there was asked for" in told, "and the record says why", told[-5:])
    got, err = b.psql("SELECT max(id) FROM a", "host=127.0.0.1", before="getent ahosts db.shop.test >/dev/null; ")
    b.c.check(got == ["1"], "once it has asked, it does", (got, err))


def tls_name(b):
    """SNI: the names that were asked for, and no other."""
    ask = "getent ahosts db.shop.test >/dev/null; "
    ok, err = b.psql("SELECT max(id) FROM a", "host=db.shop.test sslmode=require", before=ask)
    b.c.check(ok == ["1"], "TLS under the name that was asked for", err)
    trust = f"sslrootcert={b.gw.folder}/run/ca.pem"
    ok, err = b.psql("SELECT max(id) FROM a", f"host=db.shop.test sslmode=verify-full {trust}", before=ask)
    b.c.check(ok == ["1"], "verified in full", err)
    for name in ("other.shop.test", "evil.example"):
        got, err = b.psql("SELECT max(id) FROM a", f"host={name} hostaddr=127.0.0.1 sslmode=require", before=ask)
        b.c.check(not got and "unrecognized name" in err, f"SNI {name} is refused", (got, err))
    told = [e.get("reason", "") for e in b.gw.events() if e["type"] == "flow.close"]
    b.c.check(any("TLS asks for a name that did not lead here" in t for t in told), "with the reason on record", told[-4:])


FLOOD = r"""
import socket, struct
q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\2db\4shop\4test\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect(("127.0.0.53", 53))
said = {}
for i in range(1500):
    s.send(q)
    code = s.recv(512)[3] & 15
    said[code] = said.get(code, 0) + 1
print(said.get(0, 0), said.get(5, 0))
"""


def flood(b):
    done = b.gw.run("viewer", [sys.executable, "-c", FLOOD])
    good, no = map(int, (done.stdout.split() or ["0", "0"]))
    b.c.check(good >= 200 and no > 0 and good + no == 1500, "a flood of questions: each is answered, not all with yes", (done.stdout, done.stderr[-300:]))
    end, n = time.monotonic() + 20, 0
    while time.monotonic() < end and n < no:
        n = sum(e["count"] for e in b.gw.events() if e["type"] == "connect.refused" and e["reason"] == "too many questions")
        time.sleep(0.3)
    b.c.equal(n, no, "those are on record, by their number")


def main():
    c = stack.Checks()
    if not shutil.which("dnsmasq"):
        c.skip("no dnsmasq here: apt install dnsmasq-base")
        c.done()
    go_private(tempfile.mkdtemp(prefix="dns-"))
    folder = pathlib.Path(os.environ["DNS_TEST_FOLDER"])
    up = Upstream(folder)
    try:
        with stack.Stack(POLICY, database="shop") as s:
            s.pg.psql("CREATE TABLE a AS SELECT 1 AS id; CREATE TABLE b AS SELECT 2 AS id", "shop")
            b = Bench(c, s, up)
            for test in (answers, refused, by_name, tls_name, flood):
                test(b)
            c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    finally:
        up.down()
        shutil.rmtree(folder, ignore_errors=True)
    c.done()


main()
