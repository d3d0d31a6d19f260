#!/usr/bin/env python3
"""What a configuration names is looked at before anything runs: `sluiced --check-config` names each file that is missing
or is not what it is for, with file:line:column; and a daemon that could not record ends at once, with one line, instead
of starting a recorder that dies."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import certs  # noqa: E402
import stack  # noqa: E402

SECRET = "a-secret-that-is-nowhere-else"
JWKS = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'


class Place:
    """A configuration, a policy and all that they name, in order; each case breaks one thing."""

    def __init__(self, folder):
        self.folder = folder
        folder.chmod(0o755)
        for name in ("credentials", "keys", "state", "run", "certs"):
            (folder / name).mkdir()
        certs.authority(folder / "certs", "root")
        certs.authority(folder / "certs", "other")
        certs.leaf(folder / "certs", "root", "console", "localhost", "DNS:localhost")
        certs.leaf(folder / "certs", "root", "client", "app", "DNS:app")
        certs.openssl("genrsa", "-out", "auditor.key", "3072", cwd=folder / "certs")
        certs.openssl("pkey", "-in", "auditor.key", "-pubout", "-out", "auditor.pem", cwd=folder / "certs")
        for name in ("root.crt", "other.crt", "auditor.pem"):
            (folder / "certs" / name).chmod(0o644)
        for name in ("client.crt", "client.key"):
            (folder / "certs" / name).rename(folder / "credentials" / name)
        self.write("credentials/shop", f"user=app password={SECRET} sslmode=verify-full sslrootcert={folder}/certs/root.crt "
                   f"sslcert={folder}/credentials/client.crt sslkey={folder}/credentials/client.key\n")
        self.write("credentials/vault", "#!/bin/sh\necho user=app password=x\n").chmod(0o755)
        self.write("credentials/mask.key", "0123456789abcdef0123456789abcdef\n")
        self.write("keys/console-secret", "client-secret\n")
        self.write("keys/chat", "0123456789abcdef0123\n")
        self.config = {
            "instance": "sluice-check", "user": stack.child_user(), "run_dir": f"{folder}/run", "state_dir": f"{folder}/state",
            "policy": f"{folder}/policy.json", "credential_dirs": [f"{folder}/credentials"], "key_dirs": [f"{folder}/keys"],
            "audit": {"encrypt_to": [f"{folder}/certs/auditor.pem"], "sinks": ["syslog+udp://127.0.0.1:514"],
                      "sink_ca": f"{folder}/certs/root.crt"},
            "local_issuer": {"enabled": True},
            "public_url": "https://localhost",
            "console": {"listen": f"127.0.0.1:{stack.free_port()}", "certificate": f"{folder}/certs/console.crt",
                        "key": f"{folder}/certs/console.key", "issuer": "https://id.example.com", "issuer_ca": f"{folder}/certs/root.crt",
                        "client_secret": f"file:{folder}/keys/console-secret", "admin_groups": ["platform"]},
            "webhooks": [{"name": "chat", "url": "https://chat.example.com/x", "secret": f"file:{folder}/keys/chat"}],
        }
        self.policy = {
            "version": 1, "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
            "roles": {"viewer": ["viewer"], "operator": ["operator"]},
            "resources": [{"name": "shop", "protocol": "postgres", "match": ["db.example.com:5432"],
                           "credentials": {"viewer": f"file:{folder}/credentials/shop", "operator": f"command:{folder}/credentials/vault"}}],
            "masks": {"ids": {"columns": ["public.*.ssn"], "as": "hash", "key": f"file:{folder}/credentials/mask.key"}},
            "rules": [{"id": "read", "resource": "shop", "roles": ["viewer", "operator"], "verbs": ["select"], "relations": ["public.*"],
                       "effect": "mask", "masks": ["ids"]}],
        }

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def save(self, config, policy):
        self.write("sluice.json", json.dumps(config, indent=1))
        if policy is not None:
            self.write("policy.json", json.dumps(policy, indent=1))
        return self.folder / "sluice.json"

    def sluiced(self, *args, **kw):
        run = [stack.BUILD / "sluiced", "-c", self.folder / "sluice.json", *args]
        return subprocess.run(run, capture_output=True, text=True, timeout=60, **kw)

    def line_of(self, name, word):
        lines = (self.folder / name).read_text().splitlines()
        return next(n for n, line in enumerate(lines, 1) if word in line)


def deep(original, path, value):
    """A copy in which what stands at path is another."""
    copy = json.loads(json.dumps(original))
    at = copy
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


def cases(p):
    """what, its place in the configuration or the policy, another value, where it is told, words of the answer."""
    f = p.folder
    resource = ("resources", 0, "credentials")
    return [
        ("an auditor's key that is not there", "c", ("audit", "encrypt_to"), [f"{f}/nowhere.pem"], "nowhere.pem", "No such file"),
        ("an auditor's key that is none", "c", ("audit", "encrypt_to"), [f"{f}/certs/other.crt"], "other.crt", "RSA public key"),
        ("an auditor's key that the user may not read", "c", ("audit", "encrypt_to"), [f"{f}/certs/auditor.key"], "auditor.key", "Permission denied"),
        ("a place for the record that the user cannot reach", "c", ("state_dir",), f"{f}/shut/state", '"state_dir"', "cannot enter"),
        ("a sink of no known kind", "c", ("audit", "sinks"), ["ftp://x/y"], "ftp://x/y", "expected https://HOST/PATH"),
        ("a sink's authorities that are not there", "c", ("audit", "sink_ca"), f"{f}/nowhere.crt", "sink_ca", "No such file"),
        ("no user", "c", ("user",), "nobody-of-that-name", '"user"', "useradd --system"),
        ("the console's certificate is missing", "c", ("console", "certificate"), f"{f}/nowhere.crt", '"certificate"', "No such file"),
        ("the console's certificate is a key", "c", ("console", "certificate"), f"{f}/certs/console.key", '"certificate"', "holds no certificate"),
        ("the console's key is missing", "c", ("console", "key"), f"{f}/nowhere.key", '"key"', "No such file"),
        ("the console's key is another's", "c", ("console", "key"), f"{f}/certs/root.key", '"key"', "that is the certificate's"),
        ("the provider's authorities are no certificate", "c", ("console", "issuer_ca"), f"{f}/certs/auditor.pem", "issuer_ca", "certificates (PEM)"),
        ("the client's secret is missing", "c", ("console", "client_secret"), f"file:{f}/keys/none", "client_secret", "No such file"),
        ("the client's secret lies elsewhere", "c", ("console", "client_secret"), f"file:{f}/policy.json", "client_secret", "key_dirs"),
        ("nobody can log in to the console", "c", ("console", "issuer"), None, '"console"', "console.issuer"),
        ("no address for the console", "c", ("public_url",), None, '"console"', "public_url"),
        ("a webhook's secret is missing", "c", ("webhooks", 0, "secret"), f"file:{f}/keys/none", '"secret"', "No such file"),
        ("no policy", "c", ("policy",), f"{f}/none.json", None, "none.json:1:1: the policy cannot be read: No such file"),
        ("a policy that is wrong", "p", ("rules", 0, "effect"), "permit", '"effect"', "expected"),
        ("a credential is missing", "p", (*resource, "viewer"), f"file:{f}/credentials/none", '"viewer": "file', "No such file"),
        ("a credential lies elsewhere", "p", (*resource, "viewer"), f"file:{f}/keys/chat", '"viewer": "file', "credential_dirs"),
        ("a credential is no DSN", "p", (*resource, "viewer"), f"file:{f}/credentials/mask.key", '"viewer": "file', "neither a postgres:// URL"),
        ("a credential's authority is missing", "f", "shop", f"user=app password={SECRET} sslmode=verify-ca sslrootcert={f}/nowhere.crt", '"viewer": "file', "credential_dirs"),
        ("a credential's authority is no certificate", "f", "shop", f"user=app password={SECRET} sslmode=verify-ca sslrootcert={f}/certs/auditor.pem", '"viewer": "file', "sslrootcert holds no certificate"),
        ("a credential's key is another's", "f", "shop", f"user=app sslmode=require sslcert={f}/certs/other.crt sslkey={f}/credentials/client.key", '"viewer": "file', "sslkey cannot be read"),
        ("a command that may not be run", "p", (*resource, "operator"), f"command:{f}/credentials/shop", '"operator": "command', "may not execute"),
        ("a command that is missing", "p", (*resource, "operator"), f"command:{f}/credentials/none", '"operator": "command', "No such file"),
        ("a mask's key is too short", "p", ("masks", "ids", "key"), f"file:{f}/credentials/short", '"masks"', "shorter than 16 bytes"),
        ("an issuer's keys are missing", "p", ("issuers", 0, "jwks"), f"file:{f}/keys/none.jwks", "{", "No such file"),
        ("an issuer's keys are none", "p", ("issuers", 0, "jwks"), f"file:{f}/keys/chat", "{", "no set of keys"),
        ("an issuer's keys are more than the gateway reads", "p", ("issuers", 0, "jwks"), f"file:{f}/keys/large.jwks", "{", "keys of"),
        ("nobody has the issuer's keys", "c", ("local_issuer", "enabled"), False, None, '"local_issuer": {"enabled": true}'),
    ]


def broken(c, p, case):
    what, where, path, value, marker, words = case
    config = deep(p.config, path, value) if where == "c" else p.config
    policy = deep(p.policy, path, value) if where == "p" else p.policy
    p.save(config, policy)
    kept = (p.folder / "credentials/shop").read_text()
    if where == "f":
        p.write("credentials/shop", value + "\n")
    done = p.sluiced("--check-config")
    p.write("credentials/shop", kept)
    c.equal(done.returncode, 1, f"{what}: exit 1")
    found = [line for line in done.stderr.splitlines() if words in line]
    c.check(found and "good" not in done.stdout, f"{what}: named", done.stderr + done.stdout)
    c.check(SECRET not in done.stderr + done.stdout, f"{what}: no secret is told")
    if found and marker:
        name = "sluice.json" if where == "c" else "policy.json"
        begin = f"{p.folder}/{name}:{p.line_of(name, marker)}:" if marker != "{" else f"{p.folder}/{name}:"
        c.check(found[0].startswith(begin), f"{what}: at {begin}", found[0])
    c.equal(len(done.stderr.splitlines()), 1, f"{what}: one line: {done.stderr}")


def starts(c, p):
    """A daemon with a key that is none: one line, exit 78 (EX_CONFIG: the unit does not restart it), and no process started."""
    p.save(deep(p.config, ("audit", "encrypt_to"), [f"{p.folder}/certs/auditor.pem", f"{p.folder}/nowhere.pem"]), p.policy)
    began = time.monotonic()
    done = p.sluiced()
    c.equal(done.returncode, 78, "the daemon ends with EX_CONFIG")
    c.check(time.monotonic() - began < 10, "at once")
    lines = done.stderr.splitlines()
    c.check(len(lines) == 1 and lines[0].startswith(f"{p.folder}/sluice.json:{p.line_of('sluice.json', 'nowhere.pem')}:"),
            "one line, with its place", done.stderr)
    c.check("nowhere.pem: No such file" in done.stderr and "recorder started" not in done.stderr, "and no recorder is started", done.stderr)
    p.write("sluice.json", '{\n "usr": "sluice"\n}')
    done = p.sluiced()
    c.equal((done.returncode, done.stderr.startswith(f"{p.folder}/sluice.json:2:9: ")), (78, True), f"an unknown key, too: {done.stderr}")


def as_somebody(c, p):
    """Who is not root is told how far it was looked."""
    p.save(p.config, p.policy)
    for name in ("", "sluice.json"):
        (p.folder / name).chmod(0o755)
    done = p.sluiced("--check-config", user="nobody")
    c.equal((done.returncode, "as far as this user sees" in done.stdout), (0, True), "an ordinary user's check: " + done.stderr + done.stdout)


def main():
    c = stack.Checks()
    with tempfile.TemporaryDirectory(prefix="sl-check-") as name:
        p = Place(pathlib.Path(name))
        p.write("credentials/short", "short\n")
        p.write("keys/large.jwks", JWKS.replace("}]", "}" + " " * 300000 + "]"))
        (p.folder / "state/keys").mkdir(parents=True)
        p.write("state/keys/local.jwks", JWKS)  # of a time when the local issuer was on
        (p.folder / "shut").mkdir(0o700)
        p.save(p.config, p.policy)
        done = p.sluiced("--check-config")
        c.equal((done.returncode, done.stderr), (0, ""), "all in order: " + done.stderr)
        c.check(done.stdout.endswith("sluice.json: good\n"), "and said so", done.stdout)
        for case in cases(p):
            broken(c, p, case)
        if os.geteuid() == 0:
            starts(c, p)
            as_somebody(c, p)
        else:
            c.skip("starting a daemon needs root")
    c.done()


main()
