"""An agent with many sessions at once: HOST PORT DATABASE N. Logs in N times and says "ready"; on a line of its standard
input each session sends an INSERT of its own number, and when all are answered it prints what each was told."""
import json
import selectors
import struct
import sys

import pgwire


def take(session):
    """The whole messages that have come."""
    data, session["data"] = session["data"], b""
    while len(data) >= 5:
        size = struct.unpack("!I", data[1:5])[0] + 1
        if len(data) < size:
            break
        yield data[:1], data[5:size]
        data = data[size:]
    session["data"] = data


def read(session):
    """Whether it is answered, or closed."""
    got = session["conn"].sock.recv(65536)
    session["data"] += got
    for kind, body in take(session):
        if kind == b"N":
            session["told"] += pgwire.fields(body).get("M", "")
        elif kind == b"C":
            session["tag"] = body.rstrip(b"\0").decode()
        elif kind == b"E":
            session["error"] = pgwire.fields(body)
        elif kind == b"Z":
            return True
    return not got


def main():
    host, port, database, n = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    sessions = [{"conn": pgwire.Connection(host, port, database, timeout=60), "data": b"", "told": "", "tag": "", "error": {}}
                for _ in range(n)]
    print("ready", flush=True)
    sys.stdin.readline()
    waiting = selectors.DefaultSelector()
    for i, s in enumerate(sessions):
        s["conn"].send(pgwire.message(b"Q", pgwire.cstr(f"INSERT INTO t(v) VALUES ({i})")))
        waiting.register(s["conn"].sock, selectors.EVENT_READ, s)
    while waiting.get_map():
        for key, _ in waiting.select():
            if read(key.data):
                waiting.unregister(key.fileobj)
    print(json.dumps([{k: s[k] for k in ("told", "tag", "error")} for s in sessions]), flush=True)
    for s in sessions:
        s["conn"].close()


main()
