#!/usr/bin/env python3
"""What `sluice run` shuts behind itself, and that ordinary programs go on working behind it: as root, and as a user
who may enrol."""
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = stack.one_role("viewer", "read", "select")

# name: Python code that must print "fine" behind the guard
WORKS = {
    "asyncio and a subprocess": "import asyncio\nasync def f():\n p=await asyncio.create_subprocess_exec('echo','fine',stdout=-1)\n print((await p.communicate())[0].decode())\nasyncio.run(f())",
    "threads and a process pool": "import concurrent.futures as c, multiprocessing as m\nif __name__=='__main__':\n with c.ProcessPoolExecutor(2, mp_context=m.get_context('fork')) as p: print('fine' if list(p.map(abs,[-1,-2]))==[1,2] else '')",
    "moving a file between folders": "import os,tempfile\nd=tempfile.mkdtemp(); os.mkdir(d+'/a'); os.mkdir(d+'/b'); open(d+'/a/f','w').close(); os.rename(d+'/a/f',d+'/b/f'); os.link(d+'/b/f',d+'/a/g'); print('fine')",
    "the list of interfaces": "import socket; print('fine' if any(n=='lo' for _,n in socket.if_nameindex()) else '')",
    "a pseudo-terminal": "import pty,os\npid,fd=pty.fork()\nif pid==0: os.write(1,b'fine'); os._exit(0)\nprint(os.read(fd,9).decode())",
    "a debugger's hold on its own child": "import ctypes,os,signal,time\nl=ctypes.CDLL(None,use_errno=True)\np=os.fork()\nif p==0:\n time.sleep(5); os._exit(0)\nr=l.ptrace(16,p,0,0); os.kill(p,9); print('fine' if r==0 else ctypes.get_errno())",
}

# name: code that must not print "OPEN"
SHUT = {
    "a Unix socket of another program": "import socket,sys\ns=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('OPEN')",
    "an abstract Unix socket": "import socket,sys\ns=socket.socket(socket.AF_UNIX); s.connect('\\0'+sys.argv[2]); print('OPEN')",
    "packet sockets": "import socket\nsocket.socket(socket.AF_PACKET,socket.SOCK_RAW); print('OPEN')",
    "io_uring": "import ctypes\nl=ctypes.CDLL(None)\nb=ctypes.create_string_buffer(256)\nprint('OPEN' if l.syscall(425,4,b)>=0 else '')",
    "user namespaces": "import ctypes\nprint('OPEN' if ctypes.CDLL(None).unshare(0x10000000)==0 else '')",
    "netlink beside routes": "import socket\nsocket.socket(16,socket.SOCK_RAW,12); print('OPEN')",
    "the memory of a process outside": "import os,sys\nopen('/proc/%s/mem'%sys.argv[3],'r+b'); print('OPEN')",
    "the terminal's input": "import ctypes,pty,os\nm,s=pty.openpty()\nprint('OPEN' if ctypes.CDLL(None).ioctl(s,0x5412,b'x')==0 else '')",
    "the kernel's core pattern": "open('/proc/sys/kernel/core_pattern','r+'); print('OPEN')",
    "the cgroup tree": "for m in open('/proc/mounts'):\n if m.split()[2]=='cgroup2': open(m.split()[1]+'/cgroup.procs','a'); print('OPEN')",
    "machine-wide switches in every /proc": "import os\nfor m in open('/proc/mounts'):\n f=m.split()\n if f[2]=='proc' and os.access(f[1]+'/sys/kernel/modprobe',os.W_OK): print('OPEN')",
    "handlers of programs (binfmt_misc)": "import os\nif os.path.exists('/proc/sys/fs/binfmt_misc/register'): print('OPEN')",
    "core dumps": "import resource\nhard=resource.getrlimit(resource.RLIMIT_CORE)[1]\nprint('OPEN' if hard not in (0,1) else '')",
    "a raised limit of core dumps": "import resource\nresource.setrlimit(resource.RLIMIT_CORE,(2,2)); print('OPEN')",
    "groups of receivers": "import socket\nsocket.socket(socket.AF_INET,socket.SOCK_DGRAM).setsockopt(0,35,socket.inet_aton('239.1.2.3')+bytes(4)); print('OPEN')",
    "the kernel's keys": "import ctypes\nl=ctypes.CDLL(None,use_errno=True)\nprint('OPEN' if l.syscall(249,b'user',b'kt',b'x',-2)>=0 or ctypes.get_errno()!=1 else '')",
    "the programs' pins": "import os\nprint('OPEN' if os.listdir('/sys/fs/bpf') else '')",
}


class Helper:
    """Programs outside that listen on Unix sockets, by path and abstract."""

    def __init__(self, folder):
        self.path, self.name, self.got = str(folder / "helper.sock"), f"helper-{os.getpid()}", 0
        for address in (self.path, "\0" + self.name):
            s = socket.socket(socket.AF_UNIX)
            s.bind(address)
            s.listen(8)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()
        os.chmod(self.path, 0o777)

    def serve(self, s):
        while True:
            s.accept()
            self.got += 1


def programs(c, run, s, who):
    for name, code in WORKS.items():
        done = run([sys.executable, "-c", code])
        c.check("fine" in done.stdout, f"{who}: {name}", done.stderr[-300:] + done.stdout)
    done = run(["psql", "-XAt", s.dsn(), "-c", "SELECT 7"])
    c.equal(done.stdout.strip(), "7", f"{who}: psql", )
    if shutil.which("node"):
        done = run(["node", "-e", "require('child_process').exec('echo fine',(e,o)=>console.log(o))"])
        c.check("fine" in done.stdout, f"{who}: node and a child", done.stderr[-300:])
    else:
        c.skip("no node on this machine")


def shut(c, run, helper, who):
    for name, code in SHUT.items():
        argv = [sys.executable, "-c", code, helper.path, helper.name, str(os.getpid())]
        control = subprocess.run(argv, capture_output=True, text=True)
        done = run(argv)
        c.check("OPEN" not in done.stdout, f"{who}: {name}: shut", done.stdout)
        if name.startswith("a Unix") or name.startswith("an abstract"):
            c.check("OPEN" in control.stdout, f"control: {name}", control.stderr)


def families(c, run, who):
    """Of all numbers that a family of sockets may have, four can be made behind the guard: Unix (or none of it), IP, routes."""
    code = ("import socket,sys\nfor f in range(256):\n for t in (1,2,3,5,6):\n"
            "  try: socket.socket(f,t).close(); print(f)\n  except OSError: pass\n")
    got = set(map(int, run([sys.executable, "-c", code]).stdout.split()))
    c.check({2, 10, 16} <= got <= {1, 2, 10, 16}, f"{who}: socket families", got)
    control = set(map(int, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()))
    c.check(len(control - {1, 2, 10, 16}) > 0, f"control: {who}: there are others", control)


def status_of(c, run, who, is_root):
    fields = dict(line.split(":\t", 1) for line in run(["cat", "/proc/self/status"]).stdout.splitlines() if ":\t" in line)
    c.equal(fields.get("NoNewPrivs"), "1", f"{who}: no_new_privs")
    c.equal(fields.get("Seccomp"), "2", f"{who}: a filter")
    caps = int(fields.get("CapBnd", "f" * 16), 16)
    for cap, name in ((12, "NET_ADMIN"), (13, "NET_RAW"), (16, "SYS_MODULE"), (19, "SYS_PTRACE"), (21, "SYS_ADMIN"), (38, "PERFMON"), (39, "BPF")):
        c.check(not caps >> cap & 1, f"{who}: CAP_{name} is out of reach", hex(caps))
    c.check(bool(int(fields.get("CapEff", "0"), 16)) == is_root, f"{who}: effective capabilities", fields.get("CapEff"))


def relayed(c, gw):
    """Standard input and output that are Unix sockets: bytes pass, descriptors do not."""
    ours, theirs = socket.socketpair()
    code = ("import os,socket,stat,sys\nassert stat.S_ISFIFO(os.fstat(0).st_mode) and stat.S_ISFIFO(os.fstat(1).st_mode)\n"
            "print(sys.stdin.readline().strip()[::-1])")
    argv = gw.command("viewer", [sys.executable, "-c", code])
    p = subprocess.Popen(argv, env=gw.env, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    theirs.close()
    with open("/dev/null") as gift:
        socket.send_fds(ours, [b"enif\n"], [gift.fileno()])
    ours.settimeout(30)
    got = b""
    while b"\n" not in got and (more := ours.recv(100)):
        got += more
    c.equal(got, b"fine\n", "a Unix socket as standard input and output is relayed through pipes")
    ours.close()
    c.equal(p.wait(30), 0, "and the command's code comes through")
    p.stderr.close()


def cores_sent(c, gw, tmp):
    """A limit of 0, which the guard cannot make 1: nothing starts where the kernel would pipe a core to a program."""
    setup = 'mount --bind "$0" /proc/sys/kernel/core_pattern && ulimit -c 0 && exec "$@"'
    for pattern, is_shut in (("|/bin/false", True), ("@/run/cores", True), ("core", False)):
        (tmp / "core_pattern").write_text(pattern)
        argv = ["unshare", "-m", "sh", "-c", setup, str(tmp / "core_pattern"), *gw.command("viewer", ["echo", "ran"])]
        got = subprocess.run(argv, env=gw.env, capture_output=True, text=True, timeout=60)
        c.check(("ran" in got.stdout) != is_shut, f"no limit of core dumps, and the pattern {pattern}", got.stdout + got.stderr)
        c.check(not is_shut or 'part "privileges"' in got.stderr, f"it says why: {pattern}", got.stderr)


def main():
    c = stack.Checks()
    user = pwd.getpwnam("nobody")
    config = {"enrol": {"users": ["nobody"], "groups": []}}
    with tempfile.TemporaryDirectory(prefix="guard-") as tmp, stack.Stack(POLICY, database="shop", config=config) as s:
        os.chmod(tmp, 0o755)
        helper = Helper(pathlib.Path(tmp))
        gw = s.gw

        def as_root(argv, *options):
            run = gw.command("viewer", argv)
            at = run.index("--")
            return subprocess.run(run[:at] + list(options) + run[at:], env=gw.env, capture_output=True, text=True, timeout=60)

        programs(c, as_root, s, "root")
        shut(c, as_root, helper, "root")
        families(c, as_root, "root")
        status_of(c, as_root, "root", True)
        relayed(c, gw)
        token = pathlib.Path(tmp) / "nobody.jwt"
        shutil.copy(gw.token("viewer"), token)
        os.chown(token, user.pw_uid, user.pw_gid)

        def as_user(argv):
            argv = ["/usr/bin/python3", *argv[1:]] if argv[0] == sys.executable else argv
            run = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", str(stack.BUILD / "sluice"),
                   "run", "--token-file", str(token), "--", *map(str, argv)]
            return subprocess.run(run, env={**gw.env, "HOME": tmp}, cwd="/", capture_output=True, text=True, timeout=60)

        cores_sent(c, gw, pathlib.Path(tmp))
        probe = as_user(["true"])
        if "part \"view\"" in probe.stderr:
            c.skip("no user namespaces for users on this machine")
        else:
            programs(c, as_user, s, "user")
            shut(c, as_user, helper, "user")
            families(c, as_user, "user")
            status_of(c, as_user, "user", False)
        said = [e["reason"] for e in gw.events() if e["type"] == "session.guard"]
        c.check(any("view, capabilities, privileges, scope, calls, unix" == r for r in said), "the guard is on record", said[:2])
        c.equal(helper.got, 2 * 2 if "part \"view\"" not in probe.stderr else 2, "the helpers outside heard the controls only")
        done = as_root(["true"], "--without", "doors")
        c.equal(done.returncode, 2, "a part that there is not")
        code = "import socket; socket.socket(socket.AF_UNIX); print('fine')"
        c.check("fine" in as_root([sys.executable, "-c", code], "--without", "unix").stdout, "--without leaves a part open")
    c.done()


main()
