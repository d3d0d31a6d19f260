"""A small PostgreSQL client of raw messages, so that a test sees every byte the server side sends.
Trust or clear-text password log-in only: behind the gateway no password is asked for."""
import socket
import struct


class Closed(Exception):
    pass


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def cstr(text):
    return text.encode("utf-8", "surrogateescape") + b"\0"


class Connection:
    def __init__(self, host, port, database, user="agent", options=(), timeout=30, split=False):
        self.raw = bytearray()  # everything received
        self.pending = bytearray()
        self.split = split  # one byte a segment
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pairs = [("user", user), ("database", database), *options]
        body = struct.pack("!I", 0x30000) + b"".join(cstr(k) + cstr(v) for k, v in pairs) + b"\0"
        self.send(struct.pack("!I", len(body) + 4) + body)
        self.startup = self.until(b"Z")

    def send(self, data):
        if not self.split:
            self.sock.sendall(data)
            return
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])

    def read(self):
        """The next message: (kind, body)."""
        while True:
            if len(self.pending) >= 5:
                size = struct.unpack("!I", self.pending[1:5])[0] + 1
                if len(self.pending) >= size:
                    kind, body = bytes(self.pending[:1]), bytes(self.pending[5:size])
                    del self.pending[:size]
                    return kind, body
            try:
                data = self.sock.recv(65536)
            except ConnectionError as e:
                raise Closed(str(e))
            if not data:
                raise Closed("closed by the peer")
            self.raw += data
            self.pending += data

    def until(self, last, on_copy_in=None):
        """All messages up to and with the first of kind `last`. A fatal error raises Closed."""
        got = []
        while True:
            kind, body = self.read()
            got.append((kind, body))
            if kind == b"R" and body[:4] != b"\0\0\0\0":
                self.send(message(b"p", cstr("anything")))
            if kind == b"E" and fields(body).get("V") in ("FATAL", "PANIC"):
                raise Fatal(fields(body), got)
            if kind == b"G":
                self.send((on_copy_in or b"") + message(b"c"))
            if kind == last:
                return got

    def query(self, sql):
        self.send(message(b"Q", cstr(sql)))
        return self.until(b"Z")

    def extended(self, sql, params=(), binary=False, name=""):
        """Parse, Bind, Describe, Execute, Sync in one flight."""
        bind = cstr("") + cstr(name) + struct.pack("!HH", 0, len(params))
        for p in params:
            data = p.encode("utf-8", "surrogateescape")
            bind += struct.pack("!I", len(data)) + data
        bind += struct.pack("!HH", 1, 1 if binary else 0)
        self.send(
            message(b"P", cstr(name) + cstr(sql) + struct.pack("!H", 0))
            + message(b"B", bind)
            + message(b"D", b"P\0")
            + message(b"E", cstr("") + struct.pack("!I", 0))
            + message(b"S")
        )
        return self.until(b"Z")

    def close(self):
        try:
            self.sock.sendall(message(b"X"))
        except OSError:
            pass
        self.sock.close()


class Fatal(Exception):
    def __init__(self, error, messages):
        super().__init__(error.get("M", "?"))
        self.error, self.messages = error, messages


def fields(body):
    """ErrorResponse or NoticeResponse -> {field letter: text}"""
    out = {}
    for part in body.split(b"\0"):
        if part:
            out[chr(part[0])] = part[1:].decode("utf-8", "replace")
    return out


def errors(messages):
    return [fields(body) for kind, body in messages if kind == b"E"]


def rows(messages):
    out = []
    for kind, body in messages:
        if kind != b"D":
            continue
        n, at, row = struct.unpack("!H", body[:2])[0], 2, []
        for _ in range(n):
            size = struct.unpack("!i", body[at : at + 4])[0]
            at += 4
            row.append(None if size < 0 else body[at : at + size])
            at += max(size, 0)
        out.append(row)
    return out
