#!/usr/bin/env python3
"""A run of which everything was killed at once: what it managed stays shut, and the next run (sluiced --cleanup) takes
away its programs, cgroups, servers and folders."""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

VICTIM = """
import os, pathlib, sys, time
sys.path.insert(0, sys.argv[1])
import stack
s = stack.Stack(sys.argv[2], database="shop")
probe = "import socket, time\\nwhile True:\\n" \\
        "  try: socket.create_connection(('127.0.0.1', %d), 1); print('out', flush=True)\\n" \\
        "  except OSError as e: print('in', flush=True)\\n  time.sleep(.05)" % s.pg.port
out = open(s.folder / "said", "w")
p = s.gw.popen("nothing", [sys.executable, "-c", probe], stdout=out)
while "in" not in (s.folder / "said").read_text() and "out" not in (s.folder / "said").read_text():
    time.sleep(.05)
print(s.folder, s.gw.instance, flush=True)
os.kill(s.gw.process.pid, 9)
os.kill(os.getpid(), 9)
"""
POLICY = """{"version": 1, "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
 "roles": {"nothing": ["nothing"]}, "resources": [{"name": "db", "protocol": "postgres", "match": ["192.0.2.1:@PORT@"],
 "credentials": {"nothing": "file:CRED/db"}}], "rules": [{"id": "read", "resource": "db", "roles": ["nothing"], "verbs": ["select"],
 "relations": ["public.*"], "effect": "allow"}]}"""


def main():
    c = stack.Checks()
    done = subprocess.run([sys.executable, "-c", VICTIM, str(stack.ROOT / "tests/lib"), POLICY], stdout=subprocess.PIPE, text=True, timeout=120)
    c.equal(done.returncode, -9, "the run was killed")
    folder, instance = done.stdout.split()
    folder, pins = pathlib.Path(folder), pathlib.Path("/sys/fs/bpf") / instance
    top = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2" and "/sys/fs/cgroup" in line.split()[1][:15])
    cgroup = pathlib.Path(top) / instance
    c.check(pins.exists() and cgroup.exists(), "its programs are there", instance)
    before = len((folder / "said").read_text())
    while len((folder / "said").read_text()) < before + 30:
        time.sleep(0.05)
    c.check("out" not in (folder / "said").read_text(), "and hold what it managed: nothing gets out")
    stack.sweep_killed()
    c.check(not pins.exists(), "the next run takes the programs away")
    c.check(not cgroup.exists(), "the cgroups, with what lived in them")
    c.check(not folder.exists(), "and the folder")
    c.done()


main()
