#!/usr/bin/env python3
"""A real container (crun, an image made of this machine's files) as a workload: its cgroup attached before it starts, and
`sluice run` around crun. Contained, with the whole main job in it. Judged at a sink behind the container's wire, with a
control from the same container unmanaged. Where cgroups are not pure v2, the test runs in a mount namespace where they are."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["localhost:@PORT@"], "upstream": "127.0.0.1:@PORT@",
                   "credentials": {"viewer": "file:CRED/db"}}],
    "rules": [{"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.*"], "effect": "allow"}],
}
SLOWNESS = float(os.environ.get("SLOWNESS", "1"))

# What runs in the container: the ways out that a container has, then the main job. One line each.
INSIDE = r"""
import socket, subprocess, struct, sys
sink, port = sys.argv[1], sys.argv[2]
def said(what, run):
    try:
        print(what, run() or "sent", flush=True)
    except OSError as e:
        print(what, type(e).__name__, flush=True)
def tcp():
    socket.create_connection((sink, 5432), 3).sendall(b"tcp")
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"udp", (sink, 443))
def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 253).sendto(b"raw", (sink, 0))
def dns(name):
    q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(x)]) + x for x in name.split(b".")) + b"\0\0\1\0\1"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(20)
    s.sendto(q, ("127.0.0.11", 53))
    got, source = s.recvfrom(512)
    return "rcode %d answers %d from %s" % (got[3] & 15, got[7], source[0])
def psql(sql):
    done = subprocess.run(["psql", "-XAt", "-v", "VERBOSITY=sqlstate", "-c", sql, "host=127.0.0.1 port=%s dbname=shop user=agent password=x connect_timeout=30" % port],
                          capture_output=True, text=True)
    return repr((done.stdout + done.stderr).strip())
said("tcp", tcp)
said("udp", udp)
said("raw", raw)
if len(sys.argv) > 3:
    said("declared", lambda: dns(b"localhost"))
    said("undeclared", lambda: dns(b"secrets.example.com"))
    said("select", lambda: psql("SELECT 40 + 2"))
    said("drop", lambda: psql("DROP TABLE t"))
"""


def sh(*argv, check=True):
    return subprocess.run([str(a) for a in argv], check=check, capture_output=True, text=True)


def kind_of(mount):
    """The file system there: "cgroup2", "rootfs", ..."""
    kinds = [line.split()[2] for line in open("/proc/mounts") if line.split()[1] == str(mount)]
    return kinds[-1] if kinds else None


class Wire:
    """A network namespace for the container and the sink at the other end of its wire: counts IPv4 frames."""

    def __init__(self):
        n = os.getpid() % 200
        self.name, self.here, self.there = f"ct{os.getpid()}", f"10.86.{n}.1", f"10.86.{n}.2"
        sh("ip", "netns", "add", self.name)
        sh("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        sh("ip", "addr", "add", f"{self.here}/24", "dev", self.name)
        sh("ip", "link", "set", self.name, "up")
        for words in ("link set lo up", f"addr add {self.there}/24 dev eth0", "link set eth0 up"):
            sh("ip", "-n", self.name, *words.split())
        self.frames, self.payload = 0, b""
        sniff = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
        sniff.bind((self.name, 0))
        self.listener = socket.create_server((self.here, 5432))
        threading.Thread(target=self.count, args=(sniff,), daemon=True).start()
        threading.Thread(target=self.accept, daemon=True).start()

    def count(self, sniff):
        source = socket.inet_aton(self.there)
        while True:
            try:
                frame = sniff.recv(2048)
            except OSError:
                return  # the wire is down
            if frame[26:30] == source:
                self.frames += 1
                self.payload += frame[34:]

    def accept(self):
        while True:
            self.listener.accept()

    def down(self):
        sh("ip", "link", "del", self.name, check=False)
        sh("ip", "netns", "del", self.name, check=False)


class Box:
    """One container: a bundle whose root holds links, an /etc of its own, and /usr of this machine, read-only."""

    def __init__(self, folder, name, wire, argv, has_network=True):
        self.name, self.bundle = f"{name}-{os.getpid()}", folder / name
        root = self.bundle / "root"
        for d in ("proc", "dev", "tmp", "usr", "etc"):
            (root / d).mkdir(parents=True)
        for d in ("bin", "sbin", "lib", "lib64"):
            (root / d).symlink_to(f"usr/{d}")
        for name in ("passwd", "group"):
            shutil.copy(f"/etc/{name}", root / "etc")
        (root / "etc/resolv.conf").write_text("nameserver 127.0.0.11\n")
        (root / "inside.py").write_text(INSIDE)
        caps = ["CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
                  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                  {"destination": "/usr", "type": "none", "source": "/usr", "options": ["bind", "ro"]}]
        spaces = [{"type": t} for t in ("pid", "ipc", "uts", "mount")]
        if has_network:
            spaces.append({"type": "network", "path": f"/run/netns/{wire.name}"})
        config = {"ociVersion": "1.0.2", "root": {"path": "root"}, "mounts": mounts,
                  "process": {"args": ["python3", "/inside.py", wire.here, *argv], "cwd": "/", "noNewPrivileges": True,
                              "user": {"uid": 0, "gid": 0}, "env": [f"PATH={os.environ['PATH']}", "HOME=/tmp"],
                              "capabilities": {k: caps for k in ("bounding", "effective", "permitted")}},
                  "linux": {"namespaces": spaces, "cgroupsPath": f"/{self.name}"}}
        (self.bundle / "config.json").write_text(json.dumps(config))

    def crun(self, verb, manager="cgroupfs"):
        pivot = ["--no-pivot"] if kind_of("/") in ("rootfs", "tmpfs") else []
        return ["crun", "--root", str(self.bundle / "state"), f"--cgroup-manager={manager}", verb,
                *([*pivot, "--bundle", str(self.bundle)] if verb in ("create", "run") else []), self.name]


CGROUPS = pathlib.Path("/sys/fs/cgroup")


def go_pure():
    """crun wants cgroup2 alone at its usual place."""
    if kind_of(CGROUPS) != "cgroup2":
        script = f'umount -R {CGROUPS}; mount -t cgroup2 cgroup2 {CGROUPS} && exec "$@"'
        os.execvp("unshare", ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, *sys.argv])


def settled(wire):
    """The frames so far, once no more come."""
    before = -1
    while wire.frames != before:
        before = wire.frames
        time.sleep(0.3 * SLOWNESS)
    return before


def unmanaged(c, folder, wire, port):
    box = Box(folder, "control", wire, [port])
    done = subprocess.run(box.crun("run", "disabled"), capture_output=True, text=True, timeout=60 * SLOWNESS)
    c.equal(done.stdout.splitlines(), ["tcp sent", "udp sent", "raw sent"], "the control: all of it leaves an unmanaged container")
    settled(wire)
    for word in (b"tcp", b"udp", b"raw"):
        c.check(word in wire.payload, f"and {word.decode()} arrives", done.stderr)


def judge(c, how, text, frames):
    said = dict(line.split(" ", 1) for line in text.splitlines())
    for way in ("tcp", "udp", "raw"):
        c.check(said.get(way, "").endswith("Error"), f"{how}: {way} is refused", text)
    c.equal(frames, 0, f"{how}: the sink heard nothing")
    c.equal(said.get("declared"), "rcode 0 answers 1 from 127.0.0.11", f"{how}: Docker's resolver address answers a declared name")
    c.equal(said.get("undeclared"), "rcode 5 answers 0 from 127.0.0.11", f"{how}: and refuses another")
    c.equal(said.get("select"), "'42'", f"{how}: a SELECT works")
    c.check("42501" in said.get("drop", ""), f"{how}: a DROP is refused by policy", text)


def attached(c, s, folder, wire):
    """The runtime makes the container and waits; its cgroup is enrolled; then it starts."""
    box = Box(folder, "attached", wire, [str(s.pg.port), "all"])
    cg, out = CGROUPS / box.name, folder / "attached.out"
    with open(out, "w") as f:
        made = subprocess.run(box.crun("create"), stdin=subprocess.DEVNULL, stdout=f, stderr=f, timeout=60 * SLOWNESS)
    c.equal(made.returncode, 0, "crun makes a container")
    inside = [p for p in cg.rglob("cgroup.procs") if p.read_text().strip()]
    c.check(len(inside) == 1, "in its cgroup", out.read_text())
    before = wire.frames
    done = s.gw.sluice("attach", "--cgroup", cg, "--token-file", s.gw.token("viewer"), check=False)
    c.equal((done.returncode, done.stderr), (0, ""), "its cgroup is enrolled before it starts")
    c.equal(sh(*box.crun("start"), check=False).returncode, 0, "it starts")
    end = time.monotonic() + 90 * SLOWNESS
    while time.monotonic() < end and "drop " not in out.read_text():
        time.sleep(0.2)
    judge(c, "attached", out.read_text(), settled(wire) - before)
    events = [e for e in s.gw.events() if e.get("how") == "attach" or e["type"] in ("bypass.attempt", "connect.refused")]
    c.check(any(e["type"] == "connect.refused" and e.get("dst", "").startswith(wire.here) for e in events), "what it tried is on record", events[-3:])
    c.check(any(e["type"] == "bypass.attempt" and e["vector"] == "protocol" for e in events), "with the way around", events[-3:])
    sh(*box.crun("delete")[:-1], "--force", box.name, check=False)
    for _ in range(100):
        if not cg.exists():
            break
        try:
            cg.rmdir()
        except OSError:
            time.sleep(0.1 * SLOWNESS)
    c.check(not cg.exists(), "its cgroup can be removed afterwards")


def run_around(c, s, folder, wire):
    """crun as the command of `sluice run`: it needs what the guard takes away; the cgroup's programs stay. The gateway
    listens where the run begins: in the network namespace that the container stays in."""
    box = Box(folder, "around", wire, [str(s.pg.port), "all"], has_network=False)
    before = wire.frames
    argv = s.gw.command("viewer", box.crun("run", "disabled"))
    argv[:0] = ["nsenter", f"--net=/run/netns/{wire.name}"]
    argv[4:4] = ["--without", "view,capabilities,privileges,scope,calls,unix"]
    done = subprocess.run(argv, env=s.gw.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150 * SLOWNESS)
    judge(c, "sluice run around crun", done.stdout + "\n".join(x for x in done.stderr.splitlines() if " " not in x), settled(wire) - before)


def main():
    c = stack.Checks()
    if not shutil.which("crun"):
        c.skip("no crun here: apt install crun")
        c.done()
    go_pure()
    wire = None
    try:
        with stack.Stack(POLICY, database="shop") as s:
            s.pg.psql("CREATE TABLE t (id int)", "shop")
            wire = Wire()
            unmanaged(c, s.folder, wire, str(s.pg.port))
            attached(c, s, s.folder, wire)
            run_around(c, s, s.folder, wire)
            c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    finally:
        if wire:
            wire.down()
    c.done()


main()
