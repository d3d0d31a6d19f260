#!/usr/bin/env python3
"""Ways around the gateway are evidence: bypass.attempt on record, policy freezes or kills on chosen ones; sluice release
lets a workload out, on record; a foreign program on a parent cgroup goes on working."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = stack.one_role("viewer", "read", "select")
PROBE = "import socket\ntry: socket.socket(socket.AF_INET,socket.SOCK_STREAM,262)\nexcept PermissionError: print('refused',flush=True)\n"


def events(gw, kind, session=None):
    return [e for e in gw.events(session) if e["type"] == kind]


def session_of(gw, since):
    """The one live session that is not in since."""
    rows = json.loads(gw.sluice("status", "--json").stdout)["workloads"]
    fresh = [r for r in rows if r["session"] not in since]
    return fresh[0] if fresh else None


def evidence(c, gw):
    done = gw.run("viewer", [sys.executable, "-c", PROBE * 500])
    c.check("refused" in done.stdout, "an MPTCP socket is refused", done.stderr[-200:])
    all_of = lambda: events(gw, "bypass.attempt") + events(gw, "connect.refused")  # noqa: E731
    found = stack.until(lambda: sum(e["count"] for e in all_of()) >= 500 and all_of())
    c.check(bool(found), "it is on record", gw.events()[-3:])
    if not found:
        return
    e = found[0]
    c.equal(e["vector"], "protocol", "with its vector")
    c.check("python" in e.get("exe", ""), "and the binary", e)
    c.check(e["session"].startswith("s-") and e["identity"] == "agent-viewer", "and the workload", e)
    c.equal(sum(x["count"] for x in found), 500, "the count is not lost")
    c.check(len(found) < 30, "though it is not told one by one", len(found))
    out = gw.sluice("sessions", "--denied", "--json").stdout
    c.check(e["session"] in out, "sessions --denied finds it")


def by_policy(c, s):
    gw = s.gw
    for action in ("kill", "freeze"):
        text = json.dumps({**POLICY, "bypass": {action: ["protocol"]}}).replace("@PORT@", str(s.pg.port))
        gw.write_policy(text)
        gw.sluice("reload")
        began = time.monotonic()
        code = PROBE + "import time\nfor i in range(300):\n  time.sleep(0.1); print(i,flush=True)\n"
        p = gw.popen("viewer", [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = []
        threading.Thread(target=lambda p=p, lines=lines: lines.extend(iter(p.stdout.readline, "")), daemon=True).start()
        told = stack.until(lambda: events(gw, f"session.{action}"))
        c.check(bool(told) and "protocol" in told[-1]["reason"], f"policy: {action} on a vector, on record", told)
        if action == "kill":
            c.equal(p.wait(20), 128 + signal.SIGKILL, "the workload is killed")
            c.check(time.monotonic() - began < 20, "at once")
            continue
        row = stack.until(lambda: session_of(gw, set()))
        state = pathlib.Path(row["cgroup"]) / "cgroup.events"
        c.check(bool(stack.until(lambda: "frozen 1" in state.read_text())), "the workload is frozen", state.read_text())
        n = len(lines)
        time.sleep(0.5)
        c.equal(len(lines), n, "and does nothing any more")
        c.equal(gw.sluice("thaw", row["session"], check=False).returncode, 2, "thaw wants a reason")
        gw.sluice("thaw", row["session"], "--reason", "looked at it")
        c.check(bool(stack.until(lambda: len(lines) > n)), "thawed, it goes on")
        c.check(bool(events(gw, "session.thaw", row["session"])), "on record")
        os.kill(p.pid, signal.SIGTERM)
        p.wait(20)
    gw.write_policy(json.dumps({**POLICY, "bypass": {"kill": ["telepathy"]}}).replace("@PORT@", str(s.pg.port)))
    c.check(gw.sluice("reload", check=False).returncode != 0, "an unknown vector is an error")
    gw.write_policy(json.dumps(POLICY).replace("@PORT@", str(s.pg.port)))
    gw.sluice("reload")


def released(c, gw):
    sink = socket.create_server(("127.0.0.1", 0))
    port = sink.getsockname()[1]
    code = ("import socket,time,sys\n"
            "for i in range(400):\n"
            "  try: socket.create_connection(('127.0.0.1',int(sys.argv[1])),1); print('out',flush=True); break\n"
            "  except OSError as e: print('in',flush=True)\n"
            "  time.sleep(0.1)\n")
    p = gw.popen("viewer", [sys.executable, "-c", code, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = []
    threading.Thread(target=lambda: lines.extend(iter(p.stdout.readline, "")), daemon=True).start()
    c.check(bool(stack.until(lambda: "in\n" in lines)), "contained at first", lines)
    row = stack.until(lambda: session_of(gw, set()))
    inside = gw.run("viewer", [stack.BUILD / "sluice", "--socket", gw.socket, "release", row["session"], "--reason", "please"])
    c.check(inside.returncode != 0, "a workload cannot release itself", inside.stdout)
    c.equal(gw.sluice("release", row["session"], check=False).returncode, 2, "release wants a reason")
    c.check("out\n" not in lines, "still contained", lines[-3:])
    out = gw.sluice("release", row["session"], "--reason", "migration of the night")
    c.check("not contained" in out.stdout, "it is loud", out.stdout)
    c.check(bool(stack.until(lambda: "out\n" in lines)), "released, its new sockets are its own", lines[-3:])
    told = events(gw, "session.release", row["session"])
    c.check(bool(told) and "migration of the night" in told[0]["reason"] and "uid 0" in told[0]["reason"], "on record, with the reason and who", told)
    c.check("RELEASED" in gw.log(), "and in the daemon's log")
    c.equal(gw.sluice("release", row["session"], "--reason", "again", check=False).returncode, 1, "what ended cannot be released")
    p.wait(20)
    released_root = pathlib.Path(row["cgroup"]).parent.with_name(gw.instance + "-released")
    for child in released_root.iterdir():
        if child.is_dir():
            child.rmdir()
    released_root.rmdir()
    sink.close()


def required(c, s):
    """The policy names what must hold a workload: without it, none is enrolled."""
    gw = s.gw
    for part in ["guard", *[g for g in ("other_families", "unix_sockets") if g in json.loads(gw.sluice("status", "--json").stdout)["gaps"]]]:
        gw.write_policy(json.dumps({**POLICY, "require": [part]}).replace("@PORT@", str(s.pg.port)))
        gw.sluice("reload")
        whole = gw.run("viewer", ["echo", "runs"])
        c.equal("runs" in whole.stdout, part == "guard", f"require {part}: a whole sluice run")
        run = gw.command("viewer", ["echo", "runs"])
        run[2:2] = ["--without", "view"]
        less = subprocess.run(run, env=gw.env, capture_output=True, text=True, timeout=60)
        c.check("runs" not in less.stdout and less.returncode != 0, f"require {part}: less is refused", less)
        c.check(f'the policy requires "{part}"' in less.stderr, "by name", less.stderr[-300:])
    gw.write_policy(json.dumps(POLICY).replace("@PORT@", str(s.pg.port)))
    gw.sluice("reload")


def two_daemons(c, gw):
    second = subprocess.run([stack.BUILD / "sluiced", "-c", gw.folder / "etc/sluice.json"], capture_output=True, text=True, timeout=60)
    c.check(second.returncode != 0, "a second daemon of the same instance does not start")
    c.check("another daemon runs" in second.stderr or "taken" in second.stderr or "another sluiced" in second.stderr, "and says why", second.stderr[-300:])
    c.equal(gw.run("viewer", ["true"]).returncode, 0, "the first goes on")


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s:
        evidence(c, s.gw)
        by_policy(c, s)
        released(c, s.gw)
        required(c, s)
        two_daemons(c, s.gw)
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    c.done()


main()
