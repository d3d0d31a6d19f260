#!/usr/bin/env python3
"""sluice init: asks a real database, writes a first policy and a credential, and with them a person's own
program runs. Never a password on a terminal or in the policy."""
import json
import os
import pathlib
import pwd
import stat
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

SETUP = '''
CREATE TABLE t (id int); INSERT INTO t VALUES (7);
CREATE SCHEMA "Sales ""EU"""; CREATE TABLE "Sales ""EU"""."o" (id int);
CREATE SCHEMA empty; CREATE SCHEMA secret; CREATE TABLE secret.s (id int);
'''


def init(*args, env=None):
    run = [stack.BUILD / "sluice", "init", *map(str, args)]
    return subprocess.run(run, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=60)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def writes(c, pg, folder):
    out = folder / "fresh"
    done = init("--dsn", pg.dsn("shop"), "-o", out, "--allow", "api.openai.com:443")
    c.equal(done.returncode, 0, "init asks the database and writes: " + done.stderr)
    if done.returncode:
        return
    for name in ("sluice token mint", "sluice run --token-file", "postgres://agent:anything@127.0.0.1"):
        c.check(name in done.stdout, f"it says how to go on: {name}", done.stdout)
    try:
        pwd.getpwnam("sluice")
        is_missing = False
    except KeyError:
        is_missing = True
    c.equal("useradd --system" in done.stdout, is_missing, "and to make the daemon's user, if there is none")
    text = (out / "policy.json").read_text()
    policy = json.loads(text)
    relations = policy["rules"][-1]["relations"]
    c.equal(relations, ['"Sales ""EU""".*', "public.*", "secret.*"], "schemas with relations, quoted where they must be")
    c.equal(set(policy["roles"]), {"viewer", "operator"}, "viewer and operator")
    check = subprocess.run([stack.BUILD / "sluice", "policy", "check", out / "policy.json"], capture_output=True, text=True)
    c.equal(check.returncode, 0, "the policy is in order: " + check.stdout + check.stderr)
    credential = out / "credentials" / "shop"
    c.equal((mode(credential), mode(credential.parent)), (0o600, 0o700), "the credential is for its owner alone")
    c.check(pg.password in credential.read_text(), "and holds the login")
    everything = done.stdout + done.stderr + text + (out / "sluice.json").read_text()
    c.check(pg.password not in everything, "the password is nowhere else")
    again = init("--dsn", pg.dsn("shop"), "-o", out)
    c.check(again.returncode == 1 and "--force" in again.stderr, "what is there is not overwritten", again.stderr)
    c.equal((out / "policy.json").read_text(), text, "and is as it was")
    c.equal(init("--dsn", pg.dsn("shop"), "-o", out, "--force").returncode, 0, "--force overwrites it")
    c.equal([p.name for p in out.iterdir() if p.name.endswith(".new")], [], "nothing half-written is left")


def asks_only_what_it_may(c, pg, folder):
    pg.psql("CREATE ROLE reader LOGIN PASSWORD 'it''s \\ odd'; GRANT USAGE ON SCHEMA public TO reader", "shop")
    out = folder / "reader"
    dsn = f"host=127.0.0.1 port={pg.port} dbname=shop user=reader password='it\\'s \\\\ odd'"
    done = init("--dsn", dsn, "-o", out)
    c.equal(done.returncode, 0, "a DSN of key=value pairs and an odd password: " + done.stderr)
    if done.returncode == 0:
        policy = json.loads((out / "policy.json").read_text())
        c.equal(policy["rules"][-1]["relations"], ["public.*"], "only schemas that the login may use")
        c.check("superuser" not in done.stdout, "no warning about a superuser who is none")
        pair = (out / "credentials" / "shop").read_text().strip()
        psql = subprocess.run(["psql", "-XAt", "-d", f"{pair} host=127.0.0.1 port={pg.port} dbname=shop", "-c", "SELECT 1"],
                              capture_output=True, text=True)
        c.equal(psql.stdout.strip(), "1", "the credential logs in: " + psql.stderr)


def refuses(c, pg, folder):
    cases = [
        (pg.dsn("shop", password="wrong-secret"), "wrong-secret", "a wrong password"),
        (pg.dsn("none"), pg.password, "a database that is not there"),
        (f"postgresql://app:se@cret@127.0.0.1:{pg.port}/shop", "cret", "an unescaped @ in the password"),
        ("postgresql://app:hunter2@127.0.0.1:notaport/shop", "hunter2", "a port that is none"),
        (f"postgresql://app:hunter2@127.0.0.1:{stack.free_port()}/shop", "hunter2", "nobody there"),
        (f"postgresql://app:{pg.password}@/shop?host={pg.folder}&port={pg.port}", pg.password, "a Unix socket"),
    ]
    for dsn, secret, what in cases:
        out = folder / "refused"
        done = init("--dsn", dsn, "-o", out)
        c.equal(done.returncode, 1, f"refused: {what}")
        c.check(done.stderr.startswith("sluice: ") and secret not in done.stderr + done.stdout,
                f"with a reason and without the password: {what}", done.stderr)
        c.check(not out.exists(), f"and writes nothing: {what}")
    c.equal(init("-o", folder / "x").returncode, 2, "without --dsn: usage")
    bare = f"postgres://app@127.0.0.1:{pg.port}/shop"
    done = init("--dsn", bare, "-o", folder / "refused")
    c.check(done.returncode == 1 and "PGPASSWORD" in done.stderr and "\n\n" not in done.stderr,
            "without a password it says where one goes", done.stderr)
    done = init("--dsn", bare, "-o", folder / "env", env={"PGPASSWORD": pg.password})
    c.check(done.returncode == 0 and pg.password in (folder / "env/credentials/shop").read_text(),
            "the environment's password is one", done.stderr)


def runs(c, s):
    """init, token mint, run: with what init wrote a program works."""
    gw = s.gw
    done = init("--dsn", s.pg.dsn("shop"), "-o", gw.folder / "etc", "--force")
    c.equal(done.returncode, 0, "init beside a daemon that is configured: " + done.stderr)
    end = time.monotonic() + 10
    while True:
        gw.tokens.clear()
        read = gw.run("viewer", ["psql", "-XAt", s.dsn("shop"), "-c", "SELECT id FROM t"])
        if read.returncode == 0 or time.monotonic() > end:
            break
        time.sleep(0.3)
    c.equal(read.stdout.strip(), "7", "a viewer's program reads: " + read.stderr)
    write = gw.run("viewer", ["psql", "-X", s.dsn("shop"), "-c", "INSERT INTO t VALUES (8)"])
    c.check(write.returncode != 0, "and does not write", write.stdout)
    write = gw.run("operator", ["psql", "-X", s.dsn("shop"), "-c", "INSERT INTO t VALUES (8)"])
    c.equal(write.returncode, 0, "an operator's does: " + write.stderr)
    drop = gw.run("operator", ["psql", "-X", s.dsn("shop"), "-c", "DROP TABLE t"])
    c.check(drop.returncode != 0 and s.pg.psql("SELECT count(*) FROM t", "shop").strip() == "2", "and drops nothing", drop.stdout)


BEFORE = {"version": 1, "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
          "roles": {"viewer": ["viewer"]},
          "resources": [{"name": "other", "protocol": "tcp", "match": ["192.0.2.1:1"]}],
          "rules": [{"id": "other", "resource": "other", "roles": ["viewer"], "effect": "allow"}]}


def main():
    c = stack.Checks()
    with stack.Stack(BEFORE, database="shop") as s:
        s.pg.psql(SETUP, "shop")
        writes(c, s.pg, s.folder)
        asks_only_what_it_may(c, s.pg, s.folder)
        refuses(c, s.pg, s.folder)
        runs(c, s)
    c.done()


main()
