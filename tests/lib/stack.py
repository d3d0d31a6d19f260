"""Brings up what an end-to-end test needs, all real: a PostgreSQL, a sluiced with a policy, tokens of the
local issuer; and runs programs in managed cgroups. Everything lies in one folder and is taken down."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".output" / os.environ.get("VARIANT", "release")
PG = ROOT / "tests" / "lib" / "postgres"
SLOWNESS = float(os.environ.get("SLOWNESS", "1"))  # of an emulated machine: every limit of time grows by it


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, seconds=30, every=0.05):
    """The first true value of what(), or its last. Generous: it is reached only where something is wrong."""
    end = time.monotonic() + seconds * SLOWNESS
    while not (got := what()) and time.monotonic() < end:
        time.sleep(every)
    return got


def child_user():
    for name in ("sluice", "nobody"):
        if subprocess.run(["id", name], capture_output=True).returncode == 0:
            return name
    raise SystemExit("stack: neither user sluice nor nobody exists")


def one_role(role, rule, *verbs):
    """A policy in which one role may do this to what is in public of one database, and nobody anything else."""
    return {
        "version": 1,
        "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
        "roles": {role: [role]},
        "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {role: "file:CRED/db"}}],
        "rules": [{"id": rule, "resource": "db", "roles": [role], "verbs": list(verbs), "relations": ["public.*"], "effect": "allow"}],
    }


class Postgres:
    def __init__(self, folder, port=None, settings=None):
        self.folder, self.port = pathlib.Path(folder), port or free_port()
        subprocess.run([PG, "up", self.folder, str(self.port)], check=True)
        self.password = (self.folder / "password").read_text().strip()
        for name, value in (settings or {}).items():
            self.psql(f"ALTER SYSTEM SET {name} = '{value}'")
        if settings:
            self.down()
            subprocess.run([PG, "up", self.folder, str(self.port)], check=True)

    def dsn(self, database="postgres", user="app", password=None):
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def psql(self, sql, database="postgres", check=True, args=()):
        return psql(self.dsn(database), sql, check, args)

    def load(self, path, database):
        run = ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database), "-f", str(path)]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)

    def log(self):
        return (self.folder / "log" / "postgres.log").read_text(errors="replace")

    def down(self):
        subprocess.run([PG, "down", self.folder])


def psql(dsn, sql, check=True, args=()):
    run = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *args, "-d", dsn]
    done = subprocess.run(run, input=sql, text=True, capture_output=True)
    if check and done.returncode:
        raise RuntimeError(f"psql: {done.stderr}")
    return done.stdout.rstrip("\n") if check else done


class Gateway:
    """A sluiced of its own. policy: a dict. credentials: {file name: text}, placed where the policy's
    "file:CRED/name" points."""

    def __init__(self, folder, policy, credentials=None, config=None):
        self.folder = pathlib.Path(folder)
        self.instance = "sluice-" + self.folder.name.replace("_", "-")[-20:]
        for d in ("etc/credentials", "run", "state"):
            (self.folder / d).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        for name, text in (credentials or {}).items():
            path = self.folder / "etc/credentials" / name
            path.write_text(text)
            path.chmod(0o600)
        self.socket = self.folder / "run/control.sock"
        self.metrics_port = free_port()
        self.config = {
            "node": "test-node",
            "instance": self.instance,
            "user": child_user(),
            "run_dir": str(self.folder / "run"),
            "state_dir": str(self.folder / "state"),
            "policy": str(self.folder / "etc/policy.json"),
            "credential_dirs": [str(self.folder / "etc/credentials")],
            "local_issuer": {"enabled": True},
            "metrics_listen": f"127.0.0.1:{self.metrics_port}",
            **(config or {}),
        }
        (self.folder / "etc/sluice.json").write_text(json.dumps(self.config, indent=1))
        self.write_policy(policy)
        self.env = {**os.environ, "SLUICE_SOCKET": str(self.socket)}
        self.tokens = {}
        self.process = None
        try:
            self.start()
        except BaseException:
            self.down()
            raise

    def write_policy(self, policy):
        text = policy if isinstance(policy, str) else json.dumps(policy, indent=1)
        text = text.replace("file:CRED/", f"file:{self.folder}/etc/credentials/")
        new = self.folder / "etc/policy.json.new"
        new.write_text(text)
        new.rename(self.folder / "etc/policy.json")

    def start(self):
        self.log_file = open(self.folder / "sluiced.log", "a")
        run = [BUILD / "sluiced", "-c", self.folder / "etc/sluice.json"]
        self.process = subprocess.Popen(run, stderr=self.log_file, stdout=self.log_file)
        for _ in range(150):
            if self.process.poll() is not None:
                raise SystemExit("stack: sluiced ended\n" + self.log()[-4000:])
            if self.sluice("status", check=False).returncode == 0 and self.is_ready():
                return
            time.sleep(0.1)
        raise SystemExit("stack: sluiced is not ready\n" + self.log()[-4000:])

    def is_ready(self):
        try:
            return self.http("/readyz").startswith("HTTP/1.1 200")
        except OSError:
            return False

    def http(self, path):
        with socket.create_connection(("127.0.0.1", self.metrics_port), 5) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
            return data.decode()

    def log(self):
        return (self.folder / "sluiced.log").read_text(errors="replace")

    def sluice(self, *args, check=True, **kw):
        run = [BUILD / "sluice", *map(str, args)]
        done = subprocess.run(run, env=self.env, capture_output=True, text=True, **kw)
        if check and done.returncode:
            raise RuntimeError(f"sluice {' '.join(map(str, args))}: {done.returncode}\n{done.stderr}{done.stdout}")
        return done

    def token(self, group, sub=None, owner="pat@example.com", ttl="1h"):
        key = (group, sub, owner, ttl)
        if key not in self.tokens:
            path = self.folder / f"{group}-{len(self.tokens)}.jwt"
            self.sluice("token", "mint", "--sub", sub or f"agent-{group}", "--groups", group,
                        "--owner", owner, "--ttl", ttl, "-o", path)
            self.tokens[key] = path
        return self.tokens[key]

    def command(self, group, argv, **token):
        return [str(BUILD / "sluice"), "run", "--token-file", str(self.token(group, **token)), "--", *map(str, argv)]

    def run(self, group, argv, timeout=120, token=None, **kw):
        return subprocess.run(self.command(group, argv, **(token or {})), env=self.env, capture_output=True,
                              text=True, timeout=timeout, **kw)

    def popen(self, group, argv, token=None, **kw):
        return subprocess.Popen(self.command(group, argv, **(token or {})), env=self.env, **kw)

    def events(self, session=None):
        args = ["--session", session] if session else []
        out = self.sluice("export", "--format", "jsonl", *args).stdout
        return [json.loads(line) for line in out.splitlines() if line]

    def stop(self, signal_no=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal_no)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log_file.close()

    def down(self):
        self.stop()
        run = [BUILD / "sluiced", "-c", self.folder / "etc/sluice.json", "--cleanup"]
        subprocess.run(run, capture_output=True)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def sweep_killed():
    """What runs that were killed left: their servers, programs, cgroups and folders."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob("sl-*"):
        try:
            owner = int((folder / "owner").read_text())
        except (OSError, ValueError):
            continue
        if is_alive(owner) or (folder / "kept").exists():
            continue
        for config in folder.glob("*/etc/sluice.json"):
            subprocess.run([BUILD / "sluiced", "-c", config, "--cleanup"], capture_output=True)
        if (folder / "pg").exists():
            subprocess.run([PG, "down", folder / "pg"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


class Stack:
    """with Stack(policy, setup=..., database=..., settings={the server's}) as s: s.pg, s.gw"""

    def __init__(self, policy, setup=None, database="evade", config=None, settings=None):
        sweep_killed()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sl-"))
        self.folder.chmod(0o755)
        (self.folder / "owner").write_text(str(os.getpid()))
        self.pg = self.gw = None
        try:
            self.pg = Postgres(self.folder / "pg", settings=settings)
            self.database = database
            self.pg.psql(f'CREATE DATABASE "{database}"')
            if setup:
                self.pg.load(setup, database)
            text = policy if isinstance(policy, str) else json.dumps(policy)
            text = text.replace("@PORT@", str(self.pg.port))
            login = f"user=app password={self.pg.password}\n"
            gw = self.folder / self.folder.name
            self.gw = Gateway(gw, text, {"db": login}, config)
        except BaseException:
            self.down()
            raise

    def dsn(self, database=None):
        """What an agent is given: the database's real address, any user and password."""
        return f"postgresql://agent:anything@127.0.0.1:{self.pg.port}/{database or self.database}"

    def down(self):
        if self.gw:
            self.gw.down()
        if self.pg:
            self.pg.down()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            (self.folder / "kept").touch()
            print(f"kept: {self.folder}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.down()


class Checks:
    """Counts checks and prints the closing line."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, ok, what, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {what}: {detail}" if detail else f"FAIL {what}", flush=True)

    def equal(self, got, want, what):
        self.check(got == want, what, f"got {got!r}, expected {want!r}")

    def skip(self, why):
        self.skipped += 1
        print(f"SKIP {why}", flush=True)

    def done(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        raise SystemExit(self.failed != 0)
