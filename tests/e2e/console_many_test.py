#!/usr/bin/env python3
"""A record of 10,000 sessions, made by the real recorder, behind a real daemon and before a real browser."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
import web as web_lib  # noqa: E402

N = 10000
POLICY = {"version": 1, "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}], "roles": {"viewer": ["viewer"]},
          "resources": [{"name": "db", "protocol": "tcp", "match": ["127.0.0.1:1"]}],
          "rules": [{"id": "all", "resource": "db", "roles": ["viewer"], "effect": "allow"}]}
t = stack.Checks()


def puts_record(folder, user):
    """Where a daemon finds it."""
    made, state = folder / "made", folder / "gw/state"
    made.mkdir()
    state.mkdir(parents=True)
    subprocess.run([stack.BUILD / "tests/tools/store_sessions", made, str(N)], check=True)
    for name in ("store", "keys"):
        shutil.move(made / name, state / name)
    subprocess.run(["chown", "-R", user, state / "store"], check=True)


def pages(web):
    p = web.person("dora")
    end = time.monotonic() + 20
    while not p.csrf and time.monotonic() < end:  # the daemon has just begun to ask the provider for its description
        time.sleep(0.2)
        p.login("dora")
    times, seen, before = [], set(), ""
    for _ in range(6):
        began = time.monotonic()
        status, page = p.get("/v1/sessions/newest?limit=200" + (before and f"&before={before}"))
        times.append(time.monotonic() - began)
        t.equal((status, page.get("found"), len(page.get("sessions", []))), (200, N, 200), f"a page of 200 {str(page)[:200]}")
        if status != 200:
            return
        seen |= {s["session"] for s in page["sessions"]}
        before = page["next"]
    t.equal(len(seen), 6 * 200, "each session is on one page")
    print(f"a page of 200 among {N}: {sorted(times)[3] * 1000:.0f} ms")
    t.check(max(times) < 5, "a page comes fast", times)


def by_browser(web):
    run = ["node", stack.ROOT / "tests/lib/browser_many.mjs", web_lib.modules(), json.dumps({"url": web.url, "n": N})]
    done = subprocess.run(run, capture_output=True, text=True, timeout=150)
    for line in done.stdout.splitlines():
        t.check(line.startswith("ok "), line)
    print(done.stderr[-2000:], end="")
    t.equal(done.returncode, 0, "the browser's script ends well")


def main():
    why = web_lib.missing() or (not shutil.which("chromium") and "chromium is not installed")
    if why:
        t.skip(why)
        t.done()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sl-many-"))
    folder.chmod(0o755)
    web = web_lib.Console(folder)
    gw = None
    try:
        puts_record(folder, stack.child_user())
        gw = stack.Gateway(folder / "gw", POLICY, config={**web.config, "node": "node-07"})
        pages(web)
        by_browser(web)
        done = gw.sluice("verify", check=False)
        t.equal(done.returncode, 0, f"and the record verifies {done.stdout}{done.stderr}")
    finally:
        if gw:
            gw.down()
        web.down()
        shutil.rmtree(folder, ignore_errors=True)
    t.done()


main()
