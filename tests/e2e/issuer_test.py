#!/usr/bin/env python3
"""Issuers' keys over https, from a real server that misbehaves; who may enrol; what is said when an identity ends."""
import base64
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
except ImportError:
    print("SKIP no python3-cryptography\n0 passed, 0 failed, 1 skipped")
    raise SystemExit(0)

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
WAYS = ["good", "slow", "trickle", "huge", "endless", "redirect", "empty", "error", "garbage", "other"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


KEY = ec.generate_private_key(ec.SECP256R1())


def jwks():
    n = KEY.public_key().public_numbers()
    x, y = (b64(v.to_bytes(32, "big")) for v in (n.x, n.y))
    return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig", "x": x, "y": y}]}).encode()


def token(issuer, ttl=600):
    head, now = {"alg": "ES256", "kid": "k", "typ": "JWT"}, int(time.time())
    body = {"iss": issuer, "aud": "sluice", "sub": "agent", "groups": ["g"], "iat": now, "nbf": now, "exp": now + ttl}
    text = ".".join(b64(json.dumps(part).encode()) for part in (head, body))
    r, s = utils.decode_dss_signature(KEY.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return text + "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


class Keys(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def say(self, status, body, **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        way = self.path.strip("/")
        self.server.asked.append(way)
        try:
            if way == "slow":
                time.sleep(9)
            if way in ("good", "slow", "other"):
                self.say(200, jwks())
            elif way == "trickle":
                self.send_response(200)
                self.end_headers()
                for b in jwks():
                    self.wfile.write(bytes([b]))
                    time.sleep(0.3)
            elif way == "huge":
                self.say(200, b" " * (64 << 20) + jwks())
            elif way == "endless":
                self.send_response(200)
                self.end_headers()
                while True:
                    self.wfile.write(b" " * 65536)
            elif way == "redirect":
                self.say(302, b"", Location=f"https://localhost:{self.server.server_port}/good")
            elif way == "garbage":
                self.say(200, b'{"keys": [[[' + b"\xff" * 100)
            else:
                self.say(500 if way == "error" else 200, b"")
        except (OSError, ssl.SSLError):
            pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{name}.key",
                    "-out", f"{name}.crt"], cwd=folder, check=True, capture_output=True)


def serve(folder, name):
    certificate(folder, name)
    s = Quiet(("127.0.0.1", 0), Keys)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    s.socket, s.asked = ctx.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False), []
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s


def policy(pg_port, known, other):
    urls = {w: f"https://localhost:{(other if w == 'other' else known).server_port}/{w}" for w in WAYS}
    return {
        "version": 1,
        "issuers": [{"issuer": f"https://{w}.example", "audience": "sluice", "jwks": urls[w]} for w in WAYS] +
                   [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {"viewer": ["g", "viewer"]},
        "resources": [{"name": "db", "protocol": "postgres", "match": [f"127.0.0.1:{pg_port}"],
                       "credentials": {"viewer": "file:CRED/db"}}],
        "rules": [{"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "effect": "allow"}],
    }


def restart_with(s, bundle):
    """The daemon sees another bundle of authorities; the machine does not."""
    popen = subprocess.Popen

    def within(run, **kw):
        if pathlib.Path(run[0]).name != "sluiced":
            return popen(run, **kw)
        shell = f'mount --make-rprivate / && mount --bind {bundle} {BUNDLE} && exec "$0" "$@"'
        return popen(["unshare", "-m", "sh", "-c", shell, *map(str, run)], **kw)
    s.gw.stop()
    subprocess.Popen = within
    try:
        s.gw.start()
    finally:
        subprocess.Popen = popen


def run(s, way):
    path = s.folder / f"{way}.jwt"
    path.write_text(token(f"https://{way}.example"))
    began = time.time()
    done = subprocess.run([stack.BUILD / "sluice", "run", "--token-file", path, "--", "echo", "inside"], env=s.gw.env,
                          capture_output=True, text=True, timeout=60)
    return done, time.time() - began


def keys(t, s):
    known, other = serve(s.folder, "known"), serve(s.folder, "stranger")
    bundle = s.folder / "bundle.pem"
    bundle.write_text(pathlib.Path(BUNDLE).read_text() + (s.folder / "known.crt").read_text())
    s.gw.write_policy(policy(s.pg.port, known, other))
    restart_with(s, bundle)
    found = {}
    threads = [threading.Thread(target=lambda w=w: found.update({w: run(s, w)})) for w in WAYS if w != "good"]
    for th in threads:
        th.start()
    time.sleep(0.5)
    done, took = run(s, "good")
    t.check(done.returncode == 0 and "inside" in done.stdout, "keys over https, while others hang", done.stderr)
    t.check(took < 6, "without waiting for them", took)
    for th in threads:
        th.join()
    for way, (done, took) in found.items():
        t.check(done.returncode != 0 and "inside" not in done.stdout, f"{way}: no identity", done.stdout)
        t.check(took < 20, f"{way}: told in time", took)
        t.check("localhost" in done.stderr or "keys" in done.stderr, f"{way}: and why", done.stderr)
    t.equal(known.asked.count("good"), 1, "a redirect is not followed, keys are kept")
    t.check("other" not in other.asked, "a server that nobody vouches for is not asked")
    known.shutdown()
    known.socket.close()
    done, _ = run(s, "good")
    t.check(done.returncode == 0, "known keys serve while the issuer is away", done.stderr)


def enrol(t, s):
    """Who may enrol: root, and whom the configuration names."""
    user = ["setpriv", "--reuid", "65533", "--regid", "65533", "--groups", "65532", "--"]
    path = s.gw.token("viewer")
    path.chmod(0o644)
    command = [*user, stack.BUILD / "sluice", "run", "--token-file", path, "--", "echo", "inside"]
    again = lambda: subprocess.run(command, env=s.gw.env, capture_output=True, text=True)  # noqa: E731
    done = again()
    t.check(done.returncode != 0 and "inside" not in done.stdout and "enrol" in done.stderr, "a user without a place in enrol", done.stderr)
    config = s.gw.folder / "etc/sluice.json"
    for groups, ok in (([65532], True), ([65531], False), ([65533], True)):
        config.write_text(json.dumps({**s.gw.config, "enrol": {"groups": groups}}))
        s.gw.stop()
        s.gw.start()
        done = again()
        t.equal("inside" in done.stdout, ok, f"enrol.groups {groups} {done.stderr[-200:]}")


EXPIRES = """
import sys, time
sys.path.insert(0, sys.argv[3])
import pgwire
k = pgwire.Connection("127.0.0.1", int(sys.argv[1]), sys.argv[2])
print(pgwire.rows(k.query("SELECT 1")), flush=True)
deadline = time.time() + 40
try:
    while time.time() < deadline:
        k.query("SELECT 1")
        time.sleep(0.2)
except pgwire.Fatal as e:
    print("open:", e.error["C"], e.error["M"], flush=True)
except pgwire.Closed as e:
    print("open: closed", e, flush=True)
try:
    pgwire.Connection("127.0.0.1", int(sys.argv[1]), sys.argv[2])
    print("new: let in")
except pgwire.Fatal as e:
    print("new:", e.error["C"], e.error["M"])
"""


def expiry(t, s):
    done = s.gw.run("viewer", [sys.executable, "-c", EXPIRES, s.pg.port, s.database, stack.ROOT / "tests/lib"], token={"ttl": "4s"})
    lines = done.stdout.splitlines()
    t.check(len(lines) == 3 and lines[0] == "[[b'1']]", "a short token works while it lasts", done.stdout + done.stderr)
    t.check("expired" in lines[1], "its end is told to an open session", lines)
    t.check(lines[2].startswith("new: 28000") and "expired" in lines[2], "and to a new one: FATAL 28000", lines)


def failed_login(t, s):
    credential = s.gw.folder / "etc/credentials/db"
    good = credential.read_text()
    credential.write_text("user=app password=wrong-xyzzy\n")
    done = s.gw.run("viewer", ["psql", "-X", s.dsn(), "-c", "SELECT 1"])
    line = [x for x in done.stderr.splitlines() if x.startswith("session ")]
    t.check(line and "refused" in line[0] and "authentication failed" in line[0], "the closing line says that the login failed", line)
    t.check("add to the policy" not in done.stderr and "xyzzy" not in done.stderr, "and gives no wrong advice", done.stderr)
    credential.write_text(good)


def main():
    t = stack.Checks()
    first = {"version": 1, "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}], "roles": {"viewer": ["viewer"]},
             "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"viewer": "file:CRED/db"}}],
             "rules": [{"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "effect": "allow"}]}
    with stack.Stack(first) as s:
        for part in (failed_login, expiry, keys, enrol):
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(t, s)
        if t.failed:
            print(s.gw.log()[-3000:])
    t.done()


main()
