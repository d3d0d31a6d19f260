"""An agent that speaks the wire protocol for tests of masks, and messages for it."""
import base64
import json
import pathlib
import struct
import subprocess
import sys

from pgwire import cstr, message

WIRE_AGENT = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "wire_agent"
SECRET = b"512-64-7301"
SYNC = message(b"S")


class Agent:
    def __init__(self, gw, port, database, role="viewer"):
        argv = [sys.executable, WIRE_AGENT, "127.0.0.1", port, database]
        self.p = gw.popen(role, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, conn, data, **kw):
        self.p.stdin.write(json.dumps({"conn": conn, "send": base64.b64encode(data).decode(), **kw}) + "\n")
        self.p.stdin.flush()
        out = json.loads(self.p.stdout.readline())
        return base64.b64decode(out["raw"]), out.get("closed")

    def query(self, sql, conn="q", **kw):
        return self.ask(conn, message(b"Q", cstr(sql)), **kw)

    def close(self):
        self.p.stdin.close()
        self.p.wait(30)


def parse(sql, name):
    return message(b"P", cstr(name) + cstr(sql) + struct.pack("!H", 0)) + SYNC


def run(name, binary=False, describe=False):
    codes = struct.pack("!HH", 1, 1 if binary else 0)
    bind = message(b"B", cstr("") + cstr(name) + struct.pack("!HH", 0, 0) + codes)
    return bind + (message(b"D", b"P\0") if describe else b"") + message(b"E", cstr("") + struct.pack("!I", 0)) + SYNC
