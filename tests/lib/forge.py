#!/usr/bin/python3
"""forge.py FOLDER EDITS: changes an export (sluice export --format lmdb) as somebody would who has it and not the
key: edits events, and chains all of them anew. EDITS is JSON: ["replace", event, old, new] or ["swap", event, event]."""
import hashlib
import json
import sys

import lmdb


def main():
    kind, *args = json.loads(sys.argv[2])
    env = lmdb.open(sys.argv[1], max_dbs=16, map_size=1 << 30)
    events = env.open_db(b"events")
    with env.begin(write=True) as txn:
        stored = {int.from_bytes(k, "big"): bytes(v) for k, v in txn.cursor(events)}
        if kind == "swap":
            a, b = args
            stored[a], stored[b] = stored[b], stored[a]
        else:
            at, old, new = args
            assert old.encode() in stored[at], stored[at]
            stored[at] = stored[at].replace(old.encode(), new.encode())
        first = min(stored)
        prev = bytes.fromhex(stored[first][10:74].decode())
        for n in sorted(stored):
            own = b'{"_prev":"' + prev.hex().encode() + b'","_seq":%d,' % n + stored[n].split(b",", 2)[2]
            txn.put(n.to_bytes(8, "big"), own, db=events)
            prev = hashlib.sha256(prev + own).digest()
    env.close()


main()
