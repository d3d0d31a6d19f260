#!/usr/bin/env python3
"""The gateway as a whole: who calls while it starts is served once it can serve, /readyz says what is missing, and
`sluice doctor` tells each part that is not as it should be, with what it costs and what to do."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import certs  # noqa: E402
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["localhost:5432", "127.0.0.1:5432"],
                   "credentials": {"viewer": "file:CRED/db"}}],
    "rules": [{"id": "ask", "resource": "db", "roles": ["viewer"], "class": "ddl", "effect": "ask", "notify": ["chat"],
               "approvers": [{"group": "dba", "need": 1}]},
              {"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.*"], "effect": "allow"}],
}


def begin(gw):
    """A daemon that has just begun: its socket is there, and no more is known."""
    gw.log_file = open(gw.folder / "sluiced.log", "a")
    gw.process = subprocess.Popen([stack.BUILD / "sluiced", "-c", gw.folder / "etc/sluice.json"],
                                  stderr=gw.log_file, stdout=gw.log_file)
    stack.until(gw.socket.exists)


def waits(c, gw):
    """Every command of the CLI, at once when the socket is there: none is told that a part is away."""
    for i in range(6):
        gw.stop()
        gw.socket.unlink(missing_ok=True)
        begin(gw)
        run = (["sessions"], ["token", "mint", "--sub", "a", "--groups", "viewer"], ["status"])[i % 3]
        done = gw.sluice(*run, check=False, timeout=60)
        c.equal(done.returncode, 0, f"sluice {run[0]} at the very start: {done.stderr}")
        ready = gw.http("/readyz")
        c.check(ready.startswith("HTTP/1.1 200") and ready.endswith("ready\n"), "which answers once it is ready", ready)


def child(gw, name):
    out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(gw.process.pid)], capture_output=True, text=True).stdout
    return next(int(line.split()[0]) for line in out.splitlines() if line.split()[-1] == name)


def tells_why(c, gw):
    policy = (gw.folder / "etc/policy.json").read_text()
    gw.stop()
    (gw.folder / "etc/policy.json").write_text("{")
    begin(gw)
    stack.until(lambda: gw.sluice("status", check=False).returncode == 0)
    ready = gw.http("/readyz")
    c.check(ready.startswith("HTTP/1.1 503") and "not ready: no policy is in force" in ready, "/readyz: no policy", ready)
    row = rows(gw)["policy in force"]
    c.check(not row["have"] and "policy.json:1:2" in row["remedy"], "doctor says where the policy is wrong", row)
    (gw.folder / "etc/policy.json").write_text(policy)
    gw.sluice("reload")
    c.check(stack.until(gw.is_ready), "with the policy it is ready")
    pid = child(gw, "recorder")
    os.kill(pid, signal.SIGSTOP)
    said = stack.until(lambda: "not ready: the recorder" in (r := gw.http("/readyz")) and r)
    os.kill(pid, signal.SIGCONT)
    c.check(said and said.startswith("HTTP/1.1 503"), "/readyz: a recorder that does not move", said)
    c.check(stack.until(gw.is_ready), "and it comes back")


def rows(gw):
    return {r["feature"]: r for r in json.loads(gw.sluice("doctor", "--json", check=False).stdout)}


def differs(c, gw, feature, words, remedy):
    row = stack.until(lambda: (r := rows(gw)[feature]) and not r["have"] and r)
    c.check(row and words in row["need"] + row["cost"] and remedy in row["remedy"], f"doctor: {feature}: {words}, {remedy}", rows(gw)[feature])


def doctor(c, gw, certificates):
    got = rows(gw)
    for feature in ("policy in force", "newest policy taken", "recorder", "durable record", "room for the record", "console",
                    "approvals", "TLS with workloads", "declared names"):
        c.check(got.get(feature, {}).get("have"), f"doctor: {feature} is well", got.get(feature))
    c.check("GiB are free" in got["room for the record"]["need"], "with the room that there is", got["room for the record"])
    c.check("good until" in got["console"]["need"] and "good until" in got["TLS with workloads"]["need"], "and dates",
            got["console"])
    c.check("1 of 1 have one" in got["declared names"]["need"], "names are looked up", got["declared names"])
    clock = got.get("clock")
    c.check(clock is None or "error at most" in clock["need"], "the clock is looked at", clock)
    differs(c, gw, "console logins", "an answer of the provider", "what the provider answers")
    text = gw.sluice("doctor", check=False)
    c.check("MISSING console logins" in text.stdout and "do: " in text.stdout and text.returncode == 1, "told to people", text.stdout)
    own = certificates / "console.crt"
    good = own.read_bytes()
    own.write_text("none")
    gw.process.send_signal(signal.SIGHUP)
    # The one from before is still shown; that the new one is no good is told all the same.
    differs(c, gw, "console", "a certificate", "it holds no certificate")
    own.write_bytes(good)
    gw.process.send_signal(signal.SIGHUP)
    c.check(stack.until(lambda: rows(gw)["console"]["have"]), "a certificate that is right again is told, too")
    policy = json.loads((gw.folder / "etc/policy.json").read_text())
    policy["resources"][0]["match"].append("nowhere.invalid:5432")
    policy["rules"][0]["notify"] = ["nobody"]
    (gw.folder / "etc/policy.json").write_text(json.dumps(policy))
    gw.sluice("reload")
    differs(c, gw, "declared names", "1 of 2", "nowhere.invalid")
    differs(c, gw, "approvals", "nobody is told", 'notifies "nobody"')


def logs(c, gw):
    """Every line that the daemon has written is a JSON object with the same four keys; /healthz and /metrics answer."""
    lines = gw.log().splitlines()
    wrong = [line for line in lines if set(json.loads(line)) != {"level", "msg", "proc", "time"}]
    c.check(len(lines) > 50 and not wrong, "the log is JSON lines", wrong[:2])
    c.check(gw.http("/healthz").endswith("ok\n"), "/healthz answers")
    body = gw.http("/metrics").split("\r\n\r\n", 1)[1]
    shown = [line for line in body.splitlines() if not line.startswith("#")]
    c.check(all(re.fullmatch(r'[a-z_]+(\{resource="[^"]*"\})? -?[0-9.]+', line) for line in shown) and "sluice_ready 1" in shown,
            "/metrics is Prometheus text", shown[:5])


def main():
    c = stack.Checks()
    with tempfile.TemporaryDirectory(prefix="sl-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "owner").write_text(str(os.getpid()))
        certs.authority(folder, "root")
        certs.leaf(folder, "root", "console", "localhost", "DNS:localhost")
        certs.openssl("x509", "-req", "-in", "console.csr", "-CA", "root.crt", "-CAkey", "root.key", "-days", "40",
                      "-extfile", "console.ext", "-out", "console.crt", cwd=folder)
        keys = folder / "keys"
        keys.mkdir()
        (keys / "chat").write_text("0123456789abcdef0123456789\n")
        config = {"public_url": "https://localhost", "key_dirs": [str(keys)],
                  "console": {"listen": f"127.0.0.1:{stack.free_port()}", "certificate": f"{folder}/console.crt",
                              "key": f"{folder}/console.key", "issuer": f"https://127.0.0.1:{stack.free_port()}"},
                  "webhooks": [{"name": "chat", "url": "https://127.0.0.1:1/x", "secret": f"file:{keys}/chat"}]}
        gw = stack.Gateway(folder / folder.name, POLICY, {"db": "user=a password=b\n"}, config)
        try:
            waits(c, gw)
            tells_why(c, gw)
            doctor(c, gw, folder)
            logs(c, gw)
        finally:
            gw.down()
    c.done()


main()
