#!/usr/bin/env python3
"""What a managed workload can reach with the daemon alive, stopped, dead and restarted: judged at a sink
outside it, each with a control from an unmanaged process that does reach the sink."""
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

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"], "nothing": ["nothing"]},
    "resources": [
        {"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@", "[::1]:@PORT@", "db.localhost:@PORT@", "localhost:@PORT@"],
         "credentials": {"viewer": "file:CRED/db"}},
        {"name": "echo", "protocol": "tcp", "match": ["127.0.0.1:@ECHO@"]},
    ],
    "rules": [
        {"id": "read", "resource": "db", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.*"], "effect": "allow"},
        {"id": "echo", "resource": "echo", "roles": ["viewer"], "effect": "allow"},
    ],
}


# How many times slower than an ordinary machine this one is (an emulated one, say).
SLOWNESS = float(os.environ.get("SLOWNESS", "1"))


class Sink:
    """Counts what arrives at it, TCP connects and UDP datagrams, on IPv4 and IPv6; echoes TCP."""

    def __init__(self):
        self.port, self.tcp, self.udp = stack.free_port(), 0, 0
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            t = socket.create_server((host, self.port), family=family)
            u = socket.socket(family, socket.SOCK_DGRAM)
            u.bind((host, self.port))
            threading.Thread(target=self.serve_tcp, args=(t,), daemon=True).start()
            threading.Thread(target=self.serve_udp, args=(u,), daemon=True).start()

    def serve_tcp(self, listener):
        while True:
            conn, _ = listener.accept()
            self.tcp += 1
            threading.Thread(target=self.echo, args=(conn,), daemon=True).start()

    def echo(self, conn):
        try:
            while data := conn.recv(65536):
                conn.sendall(data)
        except OSError:
            pass  # a probe that left with something unread
        conn.close()

    def serve_udp(self, sock):
        while True:
            sock.recvfrom(65536)
            self.udp += 1

    def take(self):
        time.sleep(0.2)
        got = (self.tcp, self.udp)
        self.tcp = self.udp = 0
        return got


# Each tries to bring bytes to the sink at argv[1]; prints what the kernel said.
PROBES = {
    "connect, IPv4": "s=socket.create_connection(('127.0.0.1',P),3); s.sendall(b'x')",
    "connect, IPv6": "s=socket.create_connection(('::1',P),3); s.sendall(b'x')",
    "connect, v4-mapped": "s=socket.socket(socket.AF_INET6); s.settimeout(3); s.connect(('::ffff:127.0.0.1',P)); s.sendall(b'x')",
    "connect, non-blocking": "import select,errno\ns=socket.socket(); s.setblocking(False); r=s.connect_ex(('127.0.0.1',P)); assert r in (0,errno.EINPROGRESS), OSError(r); select.select([],[s],[],3); r=s.getsockopt(socket.SOL_SOCKET,socket.SO_ERROR); assert r==0, OSError(r); s.sendall(b'x')",
    "UDP, sendto": "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b'x',('127.0.0.1',P))",
    "UDP, connected": "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.connect(('127.0.0.1',P)); s.send(b'x')",
    "UDP, IPv6": "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.sendto(b'x',('::1',P))",
    "TCP fast open": "s=socket.socket(); s.sendto(b'x',0x20000000,('127.0.0.1',P))",
    "reconnect by AF_UNSPEC": "import ctypes\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.sendto(b'x',('127.0.0.1',P))",
}
PREFIX = "import socket,sys\nP=int(sys.argv[1])\n"


def closed(c, gw, sink, when):
    for name, code in PROBES.items():
        argv = [sys.executable, "-c", PREFIX + code, str(sink.port)]
        subprocess.run(argv, capture_output=True, timeout=20)
        c.check(sink.take() != (0, 0), f"control: {name} reaches the sink from an unmanaged process")
        began = time.monotonic()
        done = gw.run("viewer", argv)
        c.equal(sink.take(), (0, 0), f"{name}: nothing reaches the sink {when}")
        c.check(done.returncode != 0, f"{name}: the workload is told {when}", done.stdout)
        took = time.monotonic() - began
        c.check(took < 4 * SLOWNESS, f"{name}: at once {when}", f"{took:.1f} s")


def protocols(c, gw):
    for name, code in {
        "raw": "socket.socket(socket.AF_INET,socket.SOCK_RAW,1)",
        "ping": "socket.socket(socket.AF_INET,socket.SOCK_DGRAM,1)",
        "MPTCP": "socket.socket(socket.AF_INET,socket.SOCK_STREAM,262)",
        "UDP-Lite": "socket.socket(socket.AF_INET,socket.SOCK_DGRAM,136)",
    }.items():
        argv = [sys.executable, "-c", PREFIX + code, "0"]
        control = subprocess.run(argv, capture_output=True, text=True)
        if "Protocol not supported" in control.stderr:
            c.skip(f"{name} sockets: not on this kernel, the control fails too")
            continue
        done = gw.run("viewer", argv)
        c.check("PermissionError" in done.stderr, f"{name} sockets are refused", done.stderr[-200:])


def declared(c, s, echo):
    code = PREFIX + "s=socket.create_connection(('127.0.0.1',P),5); s.sendall(b'hello'); print(s.recv(9)); print(s.getpeername()[1]==P)"
    done = s.gw.run("viewer", [sys.executable, "-c", code, str(echo.port)])
    c.equal(done.stdout.split(), ["b'hello'", "True"], "a declared tcp resource is relayed, getpeername shows what was asked for")
    done = s.gw.run("nothing", [sys.executable, "-c", code, str(echo.port)])
    c.check("b'hello'" not in done.stdout, "a role without a rule for it gets nothing through", done.stdout)
    for host in ("127.0.0.1", "::1", "localhost"):
        dsn = f"host={host} port={s.pg.port} dbname=shop user=agent password=anything"
        done = s.gw.run("viewer", ["psql", "-XAt", dsn, "-c", "SELECT 7"])
        c.equal(done.stdout.strip(), "7", f"PostgreSQL at {host}")
    loop = "import socket,threading\nl=socket.create_server(('127.0.0.1',0)); c=socket.create_connection(l.getsockname(),3); a,_=l.accept(); a.sendall(b'own'); print(c.recv(9))"
    done = s.gw.run("viewer", [sys.executable, "-c", loop])
    c.equal(done.stdout.strip(), "b'own'", "loopback between processes of one workload")


def names(c, s):
    began = time.monotonic()
    done = s.gw.run("viewer", [sys.executable, "-c", "import socket; print(socket.getaddrinfo('telemetry.crewai.com',443))"])
    c.check(done.returncode != 0, "an undeclared name is not resolved", done.stdout)
    c.check(time.monotonic() - began < 8 * SLOWNESS, "and refused without delay", time.monotonic() - began)
    c.check("telemetry.crewai.com" in done.stderr, "and told after the run", done.stderr[-500:])
    for transport in ("+notcp", "+tcp"):
        dig = ["dig", transport, "+tries=1", "+time=3", "@192.0.2.53", "secret.tunnel.example", "A"]
        done = s.gw.run("viewer", dig)
        c.check("status: REFUSED" in done.stdout, f"dig {transport} to any resolver: REFUSED by the gateway", done.stdout[-400:])
        dig = ["dig", transport, "+tries=1", "+time=3", "@192.0.2.53", "localhost", "A"]
        done = s.gw.run("viewer", dig)
        c.check("127.0.0.1" in done.stdout, f"dig {transport}: a declared name is resolved", done.stdout[-400:])


def own_namespace(c, s):
    inner = [str(stack.BUILD / "sluice"), "run", "--token-file", str(s.gw.token("viewer")), "--"]
    ns = f"sl-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", ns], check=True)
    try:
        done = subprocess.run(["ip", "netns", "exec", ns, *inner, "psql", "-XAt", s.dsn(), "-c", "SELECT 9"],
                              env=s.gw.env, capture_output=True, text=True, timeout=60)
        c.equal(done.stdout.strip(), "9", "a workload in its own network namespace reaches the database, its lo was brought up")
    finally:
        subprocess.run(["ip", "netns", "del", ns])


def many(c, s):
    n = max(5, int(30 / SLOWNESS))
    argv = ["psql", "-XAt", s.dsn(), "-c", "SELECT 3"]
    running = [s.gw.popen("viewer", argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(n)]
    outs = [p.communicate(timeout=120) for p in running]
    failed = [err for out, err in outs if out.strip() != "3"]
    c.check(not failed, f"{n} workloads at once", failed[:3])


def daemon_away(c, s, sink):
    """A workload that tries the database and the sink each half second, told on its standard output."""
    code = ("import socket,sys,time,pathlib\nsys.path.insert(0,sys.argv[1]); import pgwire\n"
            "while True:\n"
            "  try:\n    k=pgwire.Connection('127.0.0.1',int(sys.argv[2]),'shop',timeout=2); k.query('SELECT 1'); k.close(); print('open',flush=True)\n"
            "  except Exception as e: print('closed',type(e).__name__,flush=True)\n"
            "  try: socket.create_connection(('127.0.0.1',int(sys.argv[3])),1).sendall(b'x'); print('LEAK',flush=True)\n"
            "  except OSError: pass\n"
            "  time.sleep(0.3)\n")
    argv = [sys.executable, "-c", code, str(stack.ROOT / "tests/lib"), str(s.pg.port), str(sink.port)]
    p = s.gw.popen("viewer", argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
    lines = []
    threading.Thread(target=lambda: lines.extend(iter(p.stdout.readline, "")), daemon=True).start()

    def settled(want, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            seen = len(lines)
            time.sleep(1.5)
            new = [line.split()[0] for line in lines[seen:] if line.split()[0] != "LEAK"]
            if new and set(new) == {want}:
                return True
        return False

    c.check(settled("open", 20), "the workload reaches the database", lines[-5:])
    pids = subprocess.run(["pgrep", "-P", str(s.gw.process.pid)], capture_output=True, text=True).stdout.split()
    everybody = [s.gw.process.pid, *map(int, pids)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    c.check(settled("closed", 20), "a stopped daemon: connects fail within seconds", lines[-5:])
    for pid in reversed(everybody):
        os.kill(pid, signal.SIGCONT)
    c.check(settled("open", 30), "continued: they work again", lines[-5:])
    s.gw.stop(signal.SIGKILL)
    c.check(settled("closed", 20), "a killed daemon: connects fail", lines[-5:])
    s.gw.start()
    c.check(settled("open", 30), "restarted: the workload is taken over, with its identity", lines[-5:])
    s.gw.stop(signal.SIGTERM)
    c.check(settled("closed", 20), "an ended daemon: connects fail", lines[-5:])
    s.gw.start()
    c.check(settled("open", 30), "and come back with it", lines[-5:])
    c.check("LEAK\n" not in lines, "all that time the sink was out of reach")
    os.killpg(p.pid, signal.SIGKILL)
    p.wait()
    c.equal(sink.take(), (0, 0), "the sink saw nothing")
    c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies over the restarts")


def main():
    c = stack.Checks()
    sink, echo = Sink(), Sink()
    text = json.dumps(POLICY).replace("@ECHO@", str(echo.port))
    with stack.Stack(text, database="shop") as s:
        closed(c, s.gw, sink, "with the daemon alive")
        protocols(c, s.gw)
        declared(c, s, echo)
        names(c, s)
        own_namespace(c, s)
        many(c, s)
        daemon_away(c, s, sink)
        refused = [e for e in s.gw.events() if e["type"] == "connect.refused"]
        c.check(any(f":{sink.port}" in json.dumps(e) or e.get("port") == sink.port for e in refused), "refused connects are on record", refused[:2])
        c.check(any("python" in json.dumps(e) for e in refused), "with the binary that tried", refused[:2])
    c.done()


main()
