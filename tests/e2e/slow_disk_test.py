#!/usr/bin/env python3
"""A slow disk: the store lies on a file system of its own whose writes the kernel throttles (cgroup blkio or io). The
flows wait, nobody is refused, nothing that a client was told of is missing from the record, and no process takes more
memory than its rings and buffers, however much the clients would send."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

CLIENTS, STATEMENTS, BYTES = 6, 700, 8000
SLOW, QUICK = 1_500_000, 200_000_000  # bytes/s
RING = 8 << 20
HELD = 2 * (8 << 20) + (4 << 20)  # beside the rings: what waits for LMDB, what is on its way there, and a group
MOST = {"recorder": 200 << 20, "proxy": 160 << 20, "control": 80 << 20, "monitor": 80 << 20}  # of each at its peak, rings and caches included


class Disk:
    """A loop device with ext4, and a cgroup in which its writes are slow."""

    def __init__(self, folder):
        self.image, self.mount, self.group = folder / "image", folder / "disk", None
        self.mount.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(1 << 30)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.image, self.mount], check=True)
        self.mount.chmod(0o755)
        device = subprocess.run(["findmnt", "-no", "SOURCE", self.mount], capture_output=True, text=True, check=True).stdout.strip()
        self.device = pathlib.Path(f"/sys/block/{pathlib.Path(device).name}/dev").read_text().strip()

    def throttled(self):
        """False: this kernel throttles nothing."""
        name = f"sluice-slow-{os.getpid()}"
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            _, at, kind, options, *_ = line.split(" ")
            file = {"cgroup": "blkio.throttle.write_bps_device", "cgroup2": "io.max"}.get(kind)
            if not file or (kind == "cgroup" and "blkio" not in options.split(",")):
                continue
            group = pathlib.Path(at) / name
            group.mkdir()
            if (group / file).exists():
                self.group, self.file = group, group / file
                return True
            group.rmdir()
        return False

    def rate(self, bps):
        value = str(bps) if self.file.name.startswith("blkio") else f"wbps={bps}"
        self.file.write_text(f"{self.device} {value}\n")

    def done(self):
        if self.group:
            stack.until(lambda: not (self.group / "cgroup.procs").read_text().strip(), 20)
            self.group.rmdir()
        subprocess.run(["umount", self.mount])


def processes(s):
    """name -> pid of sluiced's processes."""
    found = {"monitor": s.gw.process.pid}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        name = re.search(r"recorder|proxy|control", words)
        if parent == s.gw.process.pid and name:
            found[name[0]] = int(entry.name)
    return found


def peak(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


def ring_sizes(pid):
    fds = pathlib.Path(f"/proc/{pid}/fd").iterdir()
    return [os.stat(f).st_size for f in fds if os.readlink(f).startswith("/memfd:sluice-ring")]


def told(files):
    """What clients have been answered."""
    return [line for f in files for line in f.read_text().splitlines() if line.startswith("ack-")]


def load(s, folder, clients):
    files = []
    for i in range(clients):
        sql, out = folder / f"{i}.sql", folder / f"{i}.out"
        lines = [f"SELECT 'ack-{i}-{n}-', length('{'x' * BYTES}');" for n in range(STATEMENTS)]
        lines[::100] = [f"INSERT INTO t VALUES ('ack-{i}-{n}-') RETURNING v;" for n in range(0, STATEMENTS, 100)]
        sql.write_text("\n".join(lines))
        files.append(out)
        out.touch()
    run = "import subprocess, sys\nd = sys.argv[1]\nps = [subprocess.Popen(['psql', '-XAtq', '-d', sys.argv[2], '-f', f'{d}/{i}.sql'], " \
          "stdout=open(f'{d}/{i}.out', 'w'), stderr=open(f'{d}/{i}.err', 'w')) for i in range(int(sys.argv[3]))]\nfor p in ps: p.wait()"
    return files, s.gw.popen("reader", [sys.executable, "-c", run, folder, s.dsn(), clients])


def slow(c, s, disk):
    folder = s.folder / "load"
    folder.mkdir()
    before, resting = processes(s), {}
    for name, pid in before.items():
        resting[name] = peak(pid)
    (disk.group / "cgroup.procs").write_text(str(before["recorder"]))
    disk.rate(SLOW)
    start = time.monotonic()
    files, client = load(s, folder, CLIENTS)
    rings = ring_sizes(before["recorder"])
    lanes = len(rings)
    bound = lambda: lanes * RING + HELD + SLOW * (time.monotonic() - start)
    most = 0
    while time.monotonic() - start < 6:
        most = max(most, len(told(files)) * BYTES / bound())
        time.sleep(0.2)
    waiting = len(told(files))
    c.check(client.poll() is None and 0 < waiting < CLIENTS * STATEMENTS, "clients are held up", waiting)
    c.check(most < 1, "no more was let through than rings and buffers hold, and the disk took", most)
    time.sleep(2)
    later = len(told(files))
    c.check((later - waiting) * BYTES < 2 * SLOW * 2 + (4 << 20), "at the disk's speed", (waiting, later))
    c.equal(s.gw.sluice("status", check=False).returncode, 0, "the daemon answers meanwhile")
    disk.rate(QUICK)
    c.equal(client.wait(120), 0, "then they go on, to their end")
    c.equal([(folder / f"{i}.err").read_text() for i in range(CLIENTS)], [""] * CLIENTS, "nobody was refused anything")
    acknowledged = told(files)
    c.equal(len(acknowledged), CLIENTS * STATEMENTS, "each statement was answered")
    c.equal(processes(s), before, "no process died")
    c.equal((lanes > 1, ring_sizes(before["recorder"])), (True, rings), "the rings are what they were")
    c.check(all(size <= RING + 4096 for size in rings), "of 8 MiB each", rings)
    peaks = {name: peak(pid) for name, pid in before.items()}
    print("peak MiB:", {n: f"{p >> 20} (at rest {resting[n] >> 20})" for n, p in peaks.items()}, f"waiting {waiting}, rings {lanes}")
    c.equal([n for n, p in peaks.items() if p > MOST[n]], [], "memory is bounded")
    last = s.gw.events()
    recorded = {m for e in last if e["type"] == "op" for m in re.findall(r"ack-\d+-\d+-", e["text"])}
    c.equal(len({a.split("|")[0] for a in acknowledged} - recorded), 0, "all that was answered is on record")
    c.equal([e for e in last if e["type"] in ("node.fault", "record.resume", "record.garbage")], [], "without a fault")
    c.equal(s.gw.sluice("verify").returncode, 0, "and verifies")


def main():
    c = stack.Checks()
    folder = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/slow-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    try:
        disk = Disk(folder)
    except (subprocess.CalledProcessError, OSError) as why:
        shutil.rmtree(folder, ignore_errors=True)
        c.skip(f"no loop device here ({why})")
        c.done()
    try:
        if not disk.throttled():
            c.skip("this kernel throttles no disk (blkio.throttle, io.max)")
        else:
            policy = stack.one_role("reader", "all", "select", "insert")
            config = {"state_dir": str(disk.mount / "state"), "audit": {"checkpoint_seconds": 1}}
            with stack.Stack(policy, database="shop", config=config) as s:
                s.pg.psql("CREATE TABLE t (v text)", "shop")
                slow(c, s, disk)
                if c.failed:
                    print(s.gw.log()[-3000:])
    finally:
        disk.done()
        shutil.rmtree(folder, ignore_errors=True)
    c.done()


main()
