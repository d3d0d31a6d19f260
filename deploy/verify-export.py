#!/usr/bin/python3
"""Checks an export of a sluice record (sluice export --format lmdb) with nothing of sluice: Debian's python3-lmdb
and python3-cryptography. The format is that of the export's README.md. This file checks that the export is what the
node signed: chain, tree, checkpoints, manifest. verify_claims.py, beside it, checks what its events say of each other.
Prints one line; exits with 0: good, 1: bad (the first bad event is named), 2: it cannot be told."""
import argparse
import base64
import hashlib
import heapq
import json
import os
import re
import sys

try:
    import lmdb
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from verify_claims import Bad, Claims, Unknown
except ImportError as why:
    print(f"CANNOT TELL ?: this needs python3-lmdb, python3-cryptography, and verify_claims.py beside it ({why})")
    sys.exit(2)

DEPTH, FIELDS = 16, 64  # that an event has at most
NOTE = re.compile("(sluice/(\\S+)\n(\\d+)\n(\\S{44})\nchain ([0-9a-f]{64})\ntime \\d+\n)\n\u2014 sluice/(\\S+) (\\S{92})\n")


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(key):
    return int.from_bytes(key, "big")


def no_float(text):
    raise ValueError(text)


def is_plain(value, depth=DEPTH):
    """Nothing that a reader may not be able to hold: numbers of 64 bits, text without NUL."""
    if isinstance(value, (dict, list)):
        keys = value if isinstance(value, dict) else ()
        return depth > 0 and all(k.isascii() and k.isprintable() and not set(k) & set('"\\') for k in keys) and \
            all(is_plain(v, depth - 1) for v in (value.values() if isinstance(value, dict) else value))
    return "\0" not in value if isinstance(value, str) else abs(value or 0) < 1 << 63


def canonical(n, stored):
    """The one way to write an event, which every reader reads the same."""
    try:
        e = json.loads(stored, parse_float=no_float, parse_constant=no_float)
        if len(e) <= FIELDS and is_plain(e) and json.dumps(e, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == stored:
            return e
    except (ValueError, RecursionError):
        pass
    raise Bad(n, "is not canonical JSON")


class Tree:
    """RFC 6962 2.1, as its edge: the complete nodes from left to right, each with its level."""

    def __init__(self, size, edge):
        levels = [k for k in range(size.bit_length() - 1, -1, -1) if size >> k & 1]
        self.size, self.nodes = size, [(k, edge[32 * i:32 * i + 32]) for i, k in enumerate(levels)]

    def add(self, level, node):
        if self.size % (1 << level):
            raise Bad(self.size + 1, "is left out by a node that does not belong there")
        self.size += 1 << level
        while self.nodes and self.nodes[-1][0] == level:
            level, node = level + 1, sha(b"\1", self.nodes.pop()[1], node)
        self.nodes.append((level, node))

    def root(self):
        node = self.nodes[-1][1] if self.nodes else sha()
        for _, left in reversed(self.nodes[:-1]):
            node = sha(b"\1", left, node)
        return node


class Checkpoint:
    def __init__(self, note, wrong):
        m = NOTE.fullmatch(note)
        if not m or m[2] != m[6]:
            raise wrong
        self.node, self.n, self.signed = m[2], int(m[3]), m[1].encode()
        self.root, self.chain, self.blob = base64.b64decode(m[4]), bytes.fromhex(m[5]), base64.b64decode(m[7])

    @classmethod
    def of_line(cls, line):
        """checkpoint sluice/<node> <n> <root> <hash> <time> <blob>, with anything before it."""
        node, n, root, chain, time, blob = (line.strip().split(" ")[-6:] + [""] * 6)[:6]
        return cls(f"{node}\n{n}\n{root}\nchain {chain}\ntime {time}\n\n\u2014 {node} {blob}\n", Unknown(f"no checkpoint: {line}"))

    def is_signed_by(self, key):
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(self.blob[4:], self.signed)
        except (InvalidSignature, ValueError):
            return False
        return self.blob[:4] == sha(f"sluice/{self.node}\n\1".encode(), key)[:4]


class Export:
    def __init__(self, folder, fingerprint, given):
        self.env, self.given, self.unsure = lmdb.open(folder, readonly=True, lock=False, max_dbs=16), given, None
        if os.path.getsize(os.path.join(folder, "data.mdb")) < (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"]:
            raise lmdb.CorruptedError("the file is cut")
        self.txn, meta = self.env.begin(), dict.fromkeys(("schema", "node", "first", "prev", "edge", "key", "head", "head_edge"), b"")
        meta.update((k.decode(), v) for k, v in self.rows("meta"))
        if meta["schema"] != b"2":
            raise Unknown("it is of another version of sluice")
        self.node, self.first, self.head = meta["node"].decode(), number(meta["first"]), number(meta["head"])
        self.key, self.hash, self.head_edge = meta["key"], meta["prev"], meta["head_edge"]
        self.tree = Tree(self.first - 1, meta["edge"])
        self.gone, self.tombstone = (self.hash.hex(), self.tree.root().hex()), 0
        self.fingerprint = hashlib.sha256(self.key).hexdigest() if self.key else None
        if self.key and fingerprint and self.fingerprint != fingerprint:
            raise Bad(self.first, f"is signed with another key, {self.fingerprint[:16]}...")
        self.signed_to, self.left_out, self.events, self.claims = self.first - 1, 0, 0, Claims(self)
        self.notes = self.rows("checkpoints")
        self.note = next(self.notes, None)

    def rows(self, name):
        return iter(self.txn.cursor(self.env.open_db(name.encode(), self.txn, create=False)))

    def get(self, name, key):
        return self.txn.get(key, db=self.env.open_db(name.encode(), self.txn, create=False))

    def cannot_tell(self, why):
        """Unless something is bad; the first word counts."""
        self.unsure = self.unsure or why

    def compare(self, c, whose):
        if c.root != self.tree.root() or (self.hash and c.chain != self.hash):
            where = f", or one up to event {c.n}: they do" if self.signed_to + 1 < c.n else ": it does"
            raise Bad(min(self.signed_to + 1, c.n), f"was changed{where} not lead to the hash that {whose} there")

    def at_border(self):
        """The event before which all is dealt with may have checkpoints."""
        for c in self.given:
            if c.n == self.tree.size and c.node == self.node:
                self.compare(c, "the checkpoint from elsewhere has")
        while self.note and number(self.note[0]) <= self.tree.size:
            c = Checkpoint(self.note[1].decode("utf-8", "replace"), Bad(self.signed_to + 1, "has a malformed checkpoint behind it"))
            if number(self.note[0]) < self.tree.size:
                raise Bad(number(self.note[0]), "a checkpoint says that it was here")
            if c.node != self.node or c.n != self.tree.size or not c.is_signed_by(self.key):
                raise Bad(self.signed_to + 1, f"the checkpoint at event {c.n} has a false signature, or another node's or key's")
            self.compare(c, "was signed")
            self.signed_to, self.note = c.n, next(self.notes, None)

    def event(self, n, stored, following):
        m = re.match(rb'{"_prev":"([0-9a-f]{64})","_seq":(\d+),', stored)
        if not m or int(m[2]) != n:
            raise Bad(n, f"is out of its place: it says that it is event {int(m[2])}" if m else "is no event of a record")
        prev = bytes.fromhex(m[1].decode())
        own = sha(prev, stored)
        if self.hash and prev != self.hash:
            is_vouched = not following or (following[:2] == (n + 1, 0) and following[2][10:74] == own.hex().encode())
            if is_vouched and n > self.first:  # then it is the one before that was changed
                raise Bad(n - 1, f"was changed: event {n} holds another hash of it")
            raise Bad(n, "was changed: it does not hold the hash of the event before it")
        e = canonical(n, stored)
        if e["type"] == "record.tombstone" and e["last"] == self.first - 1 and not self.tombstone:
            if (e["chain"], e["root"]) != self.gone:
                raise Bad(self.first, f"does not go on from what was removed by the tombstone, event {n}")
            self.tombstone = n
        self.hash, self.events = own, self.events + 1
        self.tree.add(0, sha(b"\0", own))
        self.claims.event(n, e)

    def node_of_omitted(self, n, value):
        self.tree.add(value[0], value[1:])
        self.left_out, self.hash = self.left_out + (1 << value[0]), None
        for c in (c for c in self.given if n <= c.n < self.tree.size):
            self.cannot_tell(f"the checkpoint given at event {c.n} lies in what the export leaves out as one, from event {n} on: "
                             "the whole record, or sluice prove --consistency on the node, tells")

    def walk(self):
        events = ((number(k), 0, v) for k, v in self.rows("events"))
        entries = heapq.merge(events, ((number(k), 1, v) for k, v in self.rows("omitted")))
        at = next(entries, None)
        while at:
            (n, is_node, value), following = at, next(entries, None)
            if n > self.tree.size + 1:
                raise Bad(self.tree.size + 1, f"is missing, up to {n - 1}: the numbers have a gap")
            if n < self.tree.size + 1 or (following and following[0] == n):
                raise Bad(n, "is here, and left out as well")
            self.node_of_omitted(n, value) if is_node else self.event(n, value, following)
            self.at_border()
            at = following

    def end(self):
        last = self.tree.size
        known = max([self.head] + ([number(self.note[0])] if self.note else []))
        if known > last:
            raise Bad(last + 1, f"is missing, up to {known}: they were stored or signed once")
        if b"".join(h for _, h in self.tree.nodes) != self.head_edge:
            raise Bad(last, "does not end the tree that the export says")
        if self.first > 1 and not 0 < self.tombstone <= self.signed_to:
            raise Bad(1, f"is missing, up to {self.first - 1}: no signed tombstone says so")
        self.claims.end()
        if self.signed_to < self.first <= last:
            self.cannot_tell("nothing in it is signed")
        for c in self.given:
            if c.node != self.node or not c.is_signed_by(self.key) or c.n < self.first - 1:
                self.cannot_tell(f"the checkpoint given at event {c.n} is of another node or key, or older than what is kept")
            elif c.n > last:
                self.cannot_tell(f"the checkpoint given at event {c.n} is newer than this export, which ends at event {last}: that "
                                 f"the record went on from here is shown by sluice prove --consistency {self.signed_to} {c.n} on the node")

    def manifest(self, folder):
        with open(os.path.join(folder, "MANIFEST.json"), encoding="utf-8") as f:
            m = json.load(f)
        said = [m["node"], m["range"]["first"], m["range"]["last"], m["events"], m["left_out"], m["root"]["hash"],
                m["checkpoints"]["signed_to"], m["key"] and m["key"]["fingerprint"]]
        found = [self.node, self.first, self.tree.size, self.events, self.left_out, self.tree.root().hex(), self.signed_to, self.fingerprint]
        if self.left_out and not m["filters"]:
            raise Bad(self.tree.size, f"MANIFEST.json names no filter, and {self.left_out} events are left out")
        if said != found:
            raise Bad(self.tree.size, f"MANIFEST.json says {said}, the data {found}")

    def verdict(self):
        if self.unsure:
            raise Unknown(self.unsure)
        more = f" removed 1..{self.first - 1}" * (self.first > 1) + f" left-out {self.left_out}" * bool(self.left_out)
        more += f" answers-elsewhere {self.claims.untold}" * bool(self.claims.untold)
        tail = self.tree.size - self.signed_to
        return f"OK {self.node} events {self.first}..{self.tree.size} signed-to {self.signed_to} unsigned-tail {tail}{more}"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder")
    p.add_argument("--key", metavar="FINGERPRINT", help="SHA-256 of the node's public key, in hex, from somebody you trust")
    p.add_argument("--checkpoint", action="append", default=[], metavar="LINE", help="a checkpoint from elsewhere, such as a log")
    a, e = p.parse_args(), None
    if a.key and not re.fullmatch("[0-9a-fA-F]{64}", a.key):
        p.error("--key: a fingerprint is 64 hex digits")
    if not a.key:
        print("note: without --key the signatures are checked with the key that the export itself names", file=sys.stderr)
    try:
        e = Export(a.folder, a.key and a.key.lower(), [Checkpoint.of_line(line) for line in a.checkpoint])
        e.walk()
        e.end()
        e.manifest(a.folder)
        print(e.verdict())
        return 0
    except Bad as bad:
        print(f"BAD {e.node if e else '?'} event {bad.args[0]}: {bad.args[1]}")
        return 1
    except (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError) as why:
        print(f"BAD {e.node if e else '?'}: it cannot be read, the file is damaged or cut ({why})")
        return 1
    except (Unknown, OSError, lmdb.Error, ValueError, LookupError, TypeError) as why:
        print(f"CANNOT TELL {e.node if e else '?'}: {why}")
        return 2


sys.exit(main())
