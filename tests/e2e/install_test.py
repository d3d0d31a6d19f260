#!/usr/bin/env python3
"""`make install` into a folder: what lies there works from there (a gateway, a run, the manual pages, the samples, the unit),
and `make uninstall` leaves no file of it."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = stack.one_role("viewer", "read", "select")


def make(target, to, prefix):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k not in ("MFLAGS", "T")}
    # What is built is installed; building it again would be another test's.
    run = ["make", "-s", "-o", "all", target, f"DESTDIR={to}", f"PREFIX={prefix}"]
    return subprocess.run(run, cwd=stack.ROOT, env=env, capture_output=True, text=True, timeout=120)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def programs(c, root):
    """A gateway of the installed programs alone: a real database, a run, a refusal, the record."""
    build = stack.BUILD
    both = root.parent / "both"
    both.mkdir()
    (both / "sluice").symlink_to(root / "usr/bin/sluice")
    (both / "sluiced").symlink_to(root / "usr/sbin/sluiced")
    stack.BUILD = both
    try:
        with stack.Stack(POLICY, database="shop") as s:
            s.pg.psql("CREATE TABLE t (id int); INSERT INTO t VALUES (7)", "shop")
            ran = s.gw.run("viewer", ["psql", "-XAt", s.dsn("shop"), "-c", "SELECT id FROM t"])
            c.equal(ran.stdout.strip(), "7", "the installed programs serve a workload: " + ran.stderr)
            c.check("2 ops" in ran.stderr or "1 ops" in ran.stderr, "and record it", ran.stderr)
            c.equal(s.gw.sluice("verify", check=False).returncode, 0, "which verifies")
            exe = os.readlink(f"/proc/{s.gw.process.pid}/exe")
            c.equal(exe, str(root / "usr/sbin/sluiced"), "the daemon is the installed one")
    finally:
        stack.BUILD = build


def pages(c, root):
    for page in ("man1/sluice.1", "man8/sluiced.8", "man5/sluice-masks.5"):
        path = root / "usr/share/man" / page
        shown = subprocess.run(["man", "-l", path], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "0"})
        c.check(shown.returncode == 0 and len(shown.stdout) > 2000, f"man shows {page}", shown.stderr[:300])


def samples(c, root):
    doc = root / "usr/share/doc/sluice"
    policies = sorted((doc / "policies").glob("*.json"))
    c.check(len(policies) >= 4, "sample policies are there", policies)
    for path in policies:
        done = subprocess.run([root / "usr/bin/sluice", "policy", "check", path], capture_output=True, text=True)
        c.equal(done.returncode, 0, f"policy check {path.name}: {done.stdout}")
    for name in ("sluice.json", "sluice-console.json", "policy.schema.json", "events.schema.json", "openapi.json", "README.md", "THREATS.md",
                 "LICENSE", "policies/README.md", "examples/crewai/crew"):
        c.check((doc / name).is_file(), f"{name} is installed")
    done = subprocess.run([root / "usr/share/sluice/verify-export.py", "--help"], capture_output=True, text=True)
    c.equal(done.returncode, 0, "verify-export.py runs: " + done.stderr)


def unit(c, root):
    """The unit, as systemd reads it: only that this machine has no such program at that place."""
    text = (root / "lib/systemd/system/sluiced.service").read_text()
    c.check("ExecStart=/usr/sbin/sluiced " in text and "/usr/local" not in text, "the unit names the prefix", text)
    copy = root.parent / "sluiced.service"
    copy.write_text(text.replace("/usr/sbin/sluiced", str(root / "usr/sbin/sluiced")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    own = [line for line in done.stderr.splitlines() if "sluiced.service" in line]
    c.equal((done.returncode, own), (0, []), "systemd-analyze verify finds nothing")
    score = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=60", copy], capture_output=True, text=True)
    c.equal(score.returncode, 0, "and its exposure stays below 6.0: " + (score.stdout + score.stderr)[-200:])


def main():
    c = stack.Checks()
    with tempfile.TemporaryDirectory(prefix="sl-inst-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        root = folder / "root"
        done = make("install", root, "/usr")
        c.equal(done.returncode, 0, "make install: " + done.stderr)
        placed = files(root)
        c.check(len(placed) > 25, "files are placed", placed)
        programs(c, root)
        samples(c, root)
        for part, tool in ((pages, "man"), (unit, "systemd-analyze")):
            part(c, root) if shutil.which(tool) else c.skip(f"{tool} is not here")
        (root / "usr/share/doc/other").mkdir()
        (root / "usr/share/doc/other/kept").touch()
        done = make("uninstall", root, "/usr")
        c.equal((done.returncode, files(root)), (0, ["usr/share/doc/other/kept"]), "make uninstall leaves nothing of it: " + done.stderr)
        c.equal([str(p) for p in root.rglob("*") if re.search("sluice|crewai", p.name)], [], "nor a folder")
    c.done()


main()
