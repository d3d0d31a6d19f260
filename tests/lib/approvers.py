"""People who answer, and agents that speak raw protocol in a workload: for the tests of approvals."""
import base64
import json
import pathlib
import struct
import subprocess
import sys

import pgwire
from pgwire import cstr, message
from stack import until as wait_until

AGENT = pathlib.Path(__file__).resolve().parents[1] / "e2e/wire_agent"
SYNC = message(b"S")


def parse(sql, name="", types=()):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack(f"!H{len(types)}I", len(types), *types))


def bind(portal="", name="", params=(), formats=(), results=()):
    values = b"".join(struct.pack("!i", -1) if p is None else struct.pack("!I", len(p)) + p for p in params)
    return message(b"B", cstr(portal) + cstr(name) + struct.pack(f"!H{len(formats)}H", len(formats), *formats)
                   + struct.pack("!H", len(params)) + values + struct.pack(f"!H{len(results)}H", len(results), *results))


def execute(portal="", limit=0):
    return message(b"E", cstr(portal) + struct.pack("!I", limit))


def query(sql):
    return message(b"Q", cstr(sql))


class Wire:
    """One connection of a workload, open as long as the test wants."""

    def __init__(self, stack, group, **token):
        self.p = stack.gw.popen(group, [sys.executable, AGENT, "127.0.0.1", stack.pg.port, stack.database], token=token or None,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def put(self, data, **more):
        """Sends, and does not wait for the answer."""
        self.p.stdin.write(json.dumps({"conn": "c", "send": base64.b64encode(data).decode(), **more}) + "\n")
        self.p.stdin.flush()

    def get(self):
        """All messages up to ReadyForQuery: (kind, body)."""
        line = self.p.stdout.readline()
        if not line:
            return [(b"!", self.p.stderr.read().encode())]
        raw, got = base64.b64decode(json.loads(line)["raw"]), []
        while len(raw) >= 5:
            size = struct.unpack("!I", raw[1:5])[0] + 1
            got.append((raw[:1], raw[5:size]))
            raw = raw[size:]
        return got

    def say(self, data):
        self.put(data)
        return self.get()

    def close(self):
        self.p.stdin.close()
        self.p.wait(30)


def values(messages):
    return [row[0].decode() if row[0] is not None else None for row in pgwire.rows(messages)]


def states(messages):
    return [e.get("C") for e in pgwire.errors(messages)]


class People:
    """Requests and answers, over the CLI."""

    def __init__(self, gw):
        self.gw = gw

    def requests(self, state="pending", **match):
        out = self.gw.sluice("requests", "--all", "--json").stdout
        all_ = [json.loads(line) for line in out.splitlines()]
        return [r for r in all_ if (not state or r["state"] == state) and all(r[k] == v for k, v in match.items())]

    def pending(self, **match):
        got = wait_until(lambda: self.requests(**match))
        if not got:
            raise AssertionError(f"no pending request like {match} of {len(self.requests(state=None))}")
        return got[0]

    def whole(self, r):
        return json.loads(self.gw.sluice("requests", r["request"], "--json").stdout)

    def answer(self, verb, r, who="ann", *more, group="dba", owner=None, ttl="1h"):
        token = self.gw.token(group, sub=who, owner=owner or f"{who}@people", ttl=ttl)
        return self.gw.sluice(verb, r["request"], "--token-file", token, "--hash", r["hash"], *more, check=False)

    def events(self, kind, **match):
        return [e for e in self.gw.events() if e["type"] == kind and all(e.get(k) == v for k, v in match.items())]
