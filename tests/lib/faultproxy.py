"""Stands between the gateway and a database, and does what networks do: delays, slices, cuts off, resets, stalls,
and, on the way back, garbage. One fault at a time, for the connections that are made while it is set."""
import random
import select
import socket
import struct
import threading
import time

KINDS = ("none", "latency", "slices", "truncate", "reset", "stall", "garbage")


class Fault:
    """kind; at: the byte from the database at which it strikes; n: how much of it (ms, bytes a send, seconds)."""

    def __init__(self, kind="none", at=0, n=0):
        self.kind, self.at, self.n = kind, at, n

    def __repr__(self):
        return f"{self.kind} at byte {self.at}, {self.n}"

    @classmethod
    def seeded(cls, seed):
        r = random.Random(seed)
        kind = r.choice(KINDS)
        n = {"latency": r.randint(1, 12), "slices": r.randint(1, 7), "stall": r.uniform(0.5, 8)}.get(kind, r.randint(1, 40))
        return cls(kind, int(r.choice((0, 1, 5, 50, 400, 500, 1000, 3000, 20000)) * r.random()), n)


class FaultProxy:
    def __init__(self, port):
        self.target, self.fault, self.struck = port, Fault(), 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn, self.fault), daemon=True).start()

    def serve(self, near, fault):
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pump(near, far, fault)
            far.close()
        except OSError:
            pass
        near.close()

    def pump(self, near, far, fault):
        seen = 0
        while True:
            for s in select.select([near, far], [], [])[0]:
                data = s.recv(65536)
                if not data:
                    return
                if fault.kind == "latency":
                    time.sleep(fault.n / 1000)
                if s is near:
                    self.send(far, data, fault)
                    continue
                if fault.kind in ("truncate", "reset", "stall", "garbage") and seen <= fault.at < seen + len(data):
                    if not self.strike(near, data, fault, fault.at - seen):
                        return
                else:
                    self.send(near, data, fault)
                seen += len(data)

    @staticmethod
    def send(to, data, fault):
        step = fault.n if fault.kind == "slices" else len(data)
        for i in range(0, len(data), step):
            to.sendall(data[i:i + step])

    def strike(self, near, data, fault, at):
        """False: the connection is over."""
        self.struck += 1
        near.sendall(data[:at])
        if fault.kind == "truncate":
            return False
        if fault.kind == "reset":
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if fault.kind == "stall":
            time.sleep(fault.n)
        else:
            near.sendall(random.Random(at).randbytes(fault.n))
        near.sendall(data[at:])
        return True

    def close(self):
        self.listener.close()
