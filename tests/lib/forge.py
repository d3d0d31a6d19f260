#!/usr/bin/python3
"""forge.py FOLDER EDITS [KEY]: changes an export (sluice export --format lmdb) as somebody would who has it: edits
events, and chains all of them anew; with the node's private key (KEY, the node's file) also signs anew, as a node that
lies would. EDITS is JSON: ["replace", event, old, new], ["swap", event, event], ["omit", event, ..] (their hashes stay,
as a filter would leave them), ["none"]."""
import base64
import hashlib
import json
import pathlib
import sys

import lmdb
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
key_of = lambda n: n.to_bytes(8, "big")


def edge(leaves):
    """RFC 6962 2.1: the complete nodes, from left to right."""
    nodes = []
    for leaf in leaves:
        level = 0
        while nodes and nodes[-1][0] == level:
            level, leaf = level + 1, sha(b"\1", nodes.pop()[1], leaf)
        nodes.append((level, leaf))
    return [node for _, node in nodes]


def root(nodes):
    at = nodes[-1]
    for left in reversed(nodes[:-1]):
        at = sha(b"\1", left, at)
    return at


def edit(stored, kind, args):
    if kind == "swap":
        a, b = args
        stored[a], stored[b] = stored[b], stored[a]
    elif kind == "replace":
        at, old, new = args
        assert old.encode() in stored[at], stored[at]
        stored[at] = stored[at].replace(old.encode(), new.encode())


def chain(stored):
    """number -> hash; the events hold them."""
    first, hashes = min(stored), {}
    prev = bytes.fromhex(stored[first][10:74].decode())
    for n in sorted(stored):
        stored[n] = b'{"_prev":"' + prev.hex().encode() + b'","_seq":%d,' % n + stored[n].split(b",", 2)[2]
        prev = hashes[n] = hashlib.sha256(prev + stored[n]).digest()
    return hashes


def sign(txn, dbs, hashes, private):
    """Every checkpoint, over what is there now. The record is whole: it begins with event 1."""
    leaves = [sha(b"\0", hashes[n]) for n in sorted(hashes)]
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for k, v in list(txn.cursor(dbs["checkpoints"])):
        n, (name, *_, time) = int.from_bytes(k, "big"), v.decode().split("\n\n")[0].split("\n")
        text = f"{name}\n{n}\n{base64.b64encode(root(edge(leaves[:n]))).decode()}\nchain {hashes[n].hex()}\n{time}\n"
        blob = sha(f"{name}\n\1".encode(), public)[:4] + private.sign(text.encode())
        txn.put(k, f"{text}\n\u2014 {name} {base64.b64encode(blob).decode()}\n".encode(), db=dbs["checkpoints"])
    txn.put(b"head_edge", b"".join(edge(leaves)), db=dbs["meta"])
    return root(edge(leaves)).hex()


def main():
    folder, (kind, *args) = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
    env = lmdb.open(str(folder), max_dbs=16, map_size=1 << 30)
    dbs = {name: env.open_db(name.encode()) for name in ("meta", "events", "omitted", "checkpoints")}
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    with env.begin(write=True) as txn:
        stored = {int.from_bytes(k, "big"): bytes(v) for k, v in txn.cursor(dbs["events"])}
        edit(stored, kind, args)
        hashes = chain(stored) if kind != "omit" else {n: hashlib.sha256(bytes.fromhex(v[10:74].decode()) + v).digest() for n, v in stored.items()}
        for n, value in stored.items():
            txn.put(key_of(n), value, db=dbs["events"])
        if len(sys.argv) > 3:
            manifest["root"]["hash"] = sign(txn, dbs, hashes, Ed25519PrivateKey.from_private_bytes(pathlib.Path(sys.argv[3]).read_bytes()[:32]))
        for n in args if kind == "omit" else []:
            txn.delete(key_of(n), db=dbs["events"])
            txn.put(key_of(n), b"\0" + sha(b"\0", hashes[n]), db=dbs["omitted"])
            manifest.update(events=manifest["events"] - 1, left_out=manifest["left_out"] + 1, filters=manifest["filters"] or {"type": "x"})
    env.close()
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))


main()
