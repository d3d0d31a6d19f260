#!/usr/bin/python3
"""Checks an export of a sluice record (sluice export --format lmdb) with nothing of sluice: Debian's python3-lmdb
and python3-cryptography. The format is that of the export's README.md. Prints one line; exits with 0 if the export
is what the node signed and each release of an approval in it has its quorum, 1 if it is not (the first bad event is named), 2 if that cannot be told."""
import argparse
import base64
import hashlib
import heapq
import json
import os
import re
import sys
import unicodedata

import lmdb
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NOTE = re.compile("(sluice/(\\S+)\n(\\d+)\n(\\S{44})\nchain ([0-9a-f]{64})\ntime \\d+\n)\n\u2014 sluice/(\\S+) (\\S{92})\n")
DAMAGED = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError)


class Bad(Exception):
    """The number of the event, and what is wrong with it."""


class Unknown(Exception):
    pass


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(key):
    return int.from_bytes(key, "big")


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

    def is_signed_by(self, key):
        if not key or self.blob[:4] != sha(f"sluice/{self.node}\n\1".encode(), key)[:4]:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(self.blob[4:], self.signed)
        except InvalidSignature:
            return False
        return True


def from_line(line):
    """checkpoint sluice/<node> <n> <root> <hash> <time> <blob>, with anything before it."""
    node, n, root, chain, time, blob = (line.strip().split(" ")[-6:] + [""] * 6)[:6]
    return Checkpoint(f"{node}\n{n}\n{root}\nchain {chain}\ntime {time}\n\n\u2014 {node} {blob}\n", Unknown(f"no checkpoint: {line}"))


def fold(name):
    """Case, and how Unicode composes a letter, make no other person."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name or "").casefold())


def is_same_person(a, b):
    names, owners = [fold(v["by"]) for v in (a, b)], [fold(v.get("by_owner")) for v in (a, b)]
    tied = owners[0] and owners[0] in (names[1], owners[1]) or owners[1] and owners[1] == names[0]
    return tied or (a["by_issuer"] == b["by_issuer"] and names[0] == names[1])


class Approvals:
    """Every release stands behind answers that make its quorum; all that went by it stands behind the release."""
    USES = re.compile(rb'"type":"(approv(al|er)\.[a-z]+|grant\.start)"|"decision":"(allow|mask)".*"request":"')

    def __init__(self):
        self.requests, self.untold = {}, 0

    def lacks(self, stage, votes):
        """A group of the quorum that somebody is missing of. Each person stands in one place."""
        places, taken = [a["group"] for a in stage["approvers"] for _ in range(a["need"])], {}

        def place(vote, seen):
            for i, group in enumerate(places):
                if i in seen or group not in vote["by_groups"]:
                    continue
                seen.add(i)
                if i not in taken or place(taken[i], seen):
                    taken[i] = vote
                    return True
            return False

        for vote in votes:
            place(vote, set())
        return next((g for i, g in enumerate(places) if i not in taken), None if places else "nobody")

    def release(self, n, e, r, elsewhere):
        votes = []
        for at in e["votes"]:
            vote = r["answers"].get(at)
            if vote is None and elsewhere(at):
                self.untold += 1
                r["releases"].add(n)
                return
            if vote is None or at >= n or vote["verdict"] != "approve" or not e["hash"] == vote["hash"] == r["hash"]:
                raise Bad(n, f"releases {e['request']} by event {at}, which is no answer before it that approves it")
            asker = {fold(r["identity"]), fold(r["owner"])} - {""}
            if {fold(vote["by"]), fold(vote.get("by_owner"))} & asker or any(is_same_person(vote, v) for v in votes):
                raise Bad(n, f"releases {e['request']} by an answer of who asked, or by two of one person: {vote['by']}")
            votes.append(vote)
        missing = [self.lacks(stage, votes) for stage in r["quorum"][:r["opened"] + 1]] or ["nobody"]
        if None not in missing:
            raise Bad(n, f"releases {e['request']} without its quorum: of group {missing[-1]} somebody is missing")
        r["releases"].add(n)

    def event(self, n, stored, elsewhere):
        if not self.USES.search(stored):
            return
        e = json.loads(stored)
        r = self.requests.get(e.get("request"))
        if e["type"] == "approval.request":
            self.requests[e["request"]] = {**e, "answers": {}, "releases": set(), "opened": 0}
        elif e["type"] == "approver.revoke":
            for vote in (v for r in self.requests.values() for v in r["answers"].values()):
                if vote["by"] == e["approver"] and e.get("approver_issuer") in (None, vote["by_issuer"]):
                    vote["verdict"] = "revoked"
        elif e["type"] in ("approval.release", "grant.start", "op") and not r:
            if not elsewhere(0):
                raise Bad(n, f"went by request {e['request']}, and nobody asked for that before it")
            self.untold += 1
        elif e["type"] == "approval.vote" and r:
            r["answers"][n] = e
        elif e["type"] == "approval.escalate" and r:
            r["opened"] = e["stage"]
        elif e["type"] == "approval.release":
            self.release(n, e, r, elsewhere)
        elif e["type"] in ("grant.start", "op") and e.get("release") not in r["releases"]:
            if not 0 < e.get("release", 0) < n or not elsewhere(e["release"]):
                raise Bad(n, f"went by request {e['request']}, which was not released before it")
            self.untold += 1


class Export:
    def __init__(self, folder, fingerprint, given):
        self.env, self.given = lmdb.open(folder, readonly=True, lock=False, max_dbs=16), given
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
        self.signed_to, self.left_out, self.events, self.approvals, self.keys, self.hidden = self.first - 1, 0, 0, Approvals(), set(), []
        self.notes = self.rows("checkpoints")
        self.note = next(self.notes, None)

    def rows(self, name):
        return iter(self.txn.cursor(self.env.open_db(name.encode(), self.txn, create=False)))

    def elsewhere(self, n):
        """May event n (0: any) have been, and not be here?"""
        if n == 0 or n < self.first:
            return self.first > 1 or self.left_out > 0
        return self.left_out > 0 and self.txn.get(n.to_bytes(8, "big"), db=self.env.open_db(b"events", self.txn, create=False)) is None

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
        e = json.loads(stored) if b"record.tombstone" in stored else {"type": ""}
        if e["type"] == "record.tombstone" and e["last"] == self.first - 1 and not self.tombstone:
            if (e["chain"], e["root"]) != self.gone:
                raise Bad(self.first, f"does not go on from what was removed by the tombstone, event {n}")
            self.tombstone = n
        sealed = re.search(rb'"sealed":"([^"]{24})', stored)
        if sealed and sealed[1] not in self.keys:
            to = self.txn.get(sealed[1], db=self.env.open_db(b"keys", self.txn, create=False))
            if to is None or base64.b64encode(sha(to)[:18]) != sealed[1]:
                raise Bad(n, "is sealed with a key that is not here, or was changed since")
            self.keys.add(sealed[1])
        self.hash, self.events = own, self.events + 1
        self.tree.add(0, sha(b"\0", own))
        self.approvals.event(n, stored, self.elsewhere)

    def walk(self):
        events = ((number(k), 0, v) for k, v in self.rows("events"))
        nodes = ((number(k), 1, v) for k, v in self.rows("omitted"))
        entries = heapq.merge(events, nodes)
        at = next(entries, None)
        while at:
            (n, is_node, value), following = at, next(entries, None)
            if n > self.tree.size + 1:
                raise Bad(self.tree.size + 1, f"is missing, up to {n - 1}: the numbers have a gap")
            if n < self.tree.size + 1 or (following and following[0] == n):
                raise Bad(n, "is here, and left out as well")
            if is_node:
                self.tree.add(value[0], value[1:])
                self.hidden += [(c, n) for c in self.given if n <= c.n < self.tree.size]
                self.left_out, self.hash = self.left_out + (1 << value[0]), None
            else:
                self.event(n, value, following)
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
        if self.signed_to < self.first <= last:
            raise Unknown("nothing in it is signed")
        for c in self.given:
            if c.node != self.node or not c.is_signed_by(self.key) or c.n < self.first - 1:
                raise Unknown(f"the checkpoint given at event {c.n} is of another node or key, or older than what is kept")
            if c.n > last:
                raise Unknown(f"the checkpoint given at event {c.n} is newer than this export, which ends at event {last}: that the "
                              f"record went on from here is shown by sluice prove --consistency {self.signed_to} {c.n} on the node")

        for c, n in self.hidden:
            raise Unknown(f"the checkpoint given at event {c.n} lies in what the export leaves out as one, from event {n} on: the "
                          "whole record, or sluice prove --consistency on the node, tells")

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
        e = Export(a.folder, a.key and a.key.lower(), [from_line(line) for line in a.checkpoint])
        e.walk()
        e.end()
        e.manifest(a.folder)
        more = f" removed 1..{e.first - 1}" * (e.first > 1) + f" left-out {e.left_out}" * bool(e.left_out)
        more += f" answers-elsewhere {e.approvals.untold}" * bool(e.approvals.untold)
        print(f"OK {e.node} events {e.first}..{e.tree.size} signed-to {e.signed_to} unsigned-tail {e.tree.size - e.signed_to}{more}")
        return 0
    except Bad as bad:
        print(f"BAD {e.node if e else '?'} event {bad.args[0]}: {bad.args[1]}")
        return 1
    except DAMAGED as why:
        print(f"BAD {e.node if e else '?'}: it cannot be read, the file is damaged or cut ({why})")
        return 1
    except (Unknown, OSError, lmdb.Error, ValueError, LookupError, TypeError) as why:
        print(f"CANNOT TELL {e.node if e else '?'}: {why}")
        return 2


sys.exit(main())
