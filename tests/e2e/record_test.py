#!/usr/bin/env python3
"""The record from outside: an export checked without any code of ours (chain by hashlib, signatures by openssl),
copies of a store that were changed, and what hostile bytes do to a terminal."""
import base64
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"reader": "file:CRED/db"}}],
    "rules": [{"id": "all", "resource": "db", "roles": ["reader"], "verbs": ["select"], "relations": ["public.*"], "effect": "allow"}],
}
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066evil"


def split_note(note):
    """(signed text, key ID, signature) of a C2SP signed note, and its lines."""
    text, line = note.rsplit("\n\n", 1)
    dash, name, blob = line.rstrip("\n").split(" ")
    assert dash == "\u2014" and name == note.split("\n", 1)[0]
    blob = base64.b64decode(blob, validate=True)
    return text + "\n", blob[:4], blob[4:], text.split("\n")


def root_of(entries):
    """RFC 6962 2.1, as it stands there."""
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1 << (len(entries) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root_of(entries[:k]) + root_of(entries[k:])).digest()


def check_chain(text):
    """(events, checkpoints, first error) of exported lines."""
    previous, events, checkpoints, entries = bytes(32), 0, [], []
    for line in text.encode().splitlines():
        e = json.loads(line)
        if e["type"] == "checkpoint":
            c = e["_checkpoint"]
            lines = split_note(c["note"])[3]
            if lines[1:4] != [str(events), base64.b64encode(root_of(entries)).decode(), "chain " + previous.hex()]:
                return events, checkpoints, f"checkpoint at {lines[1]}"
            checkpoints.append(c)
            continue
        events += 1
        if e["_seq"] != events or e["_prev"] != previous.hex():
            return events, checkpoints, f"event {events}"
        if json.dumps(e, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode() != line:
            return events, checkpoints, f"event {events} is not canonical"
        previous = hashlib.sha256(previous + line).digest()
        entries.append(previous)
    return events, checkpoints, None


def openssl_accepts(folder, note, key):
    text, sig = folder / "note", folder / "sig"
    signed, key_id, signature, lines = split_note(note)
    public = subprocess.run(["openssl", "pkey", "-pubin", "-in", key, "-outform", "DER"], capture_output=True).stdout[-32:]
    if hashlib.sha256(lines[0].encode() + b"\n\x01" + public).digest()[:4] != key_id:
        return False
    text.write_text(signed)
    sig.write_bytes(signature)
    run = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", text, "-sigfile", sig]
    return subprocess.run(run, capture_output=True).returncode == 0


def outside(c, s):
    text = s.gw.sluice("export", "--format", "jsonl").stdout
    events, checkpoints, error = check_chain(text)
    c.equal(error, None, "an export's chain verifies without sluice")
    c.check(events > 10, "it has the events", events)
    c.check(checkpoints, "and checkpoints")
    key = s.gw.folder / "state/keys/node.pub"
    c.check(all(openssl_accepts(s.folder, x["note"], key) for x in checkpoints), "openssl accepts every checkpoint's signature")
    changed = checkpoints[-1]["note"].replace("\ntime 1", "\ntime 2")
    c.check(not openssl_accepts(s.folder, changed, key), "and not one over another number")


def includes(proof, key, folder):
    """The event in a C2SP tlog-proof, if it is one: RFC 9162 2.1.3.2, and the signature by openssl."""
    head, note = proof.split("\n\n", 1)
    title, extra, index, *path = head.split("\n")
    stored, index = base64.b64decode(extra.removeprefix("extra ")), int(index.removeprefix("index "))
    event = json.loads(stored)
    lines = split_note(note)[3]
    entry = hashlib.sha256(bytes.fromhex(event["_prev"]) + stored).digest()
    fn, sn, at = index, int(lines[1]) - 1, hashlib.sha256(b"\0" + entry).digest()
    for other in map(base64.b64decode, path):
        if fn % 2 or fn == sn:
            at = hashlib.sha256(b"\1" + other + at).digest()
            while fn % 2 == 0 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            at = hashlib.sha256(b"\1" + at + other).digest()
        fn, sn = fn >> 1, sn >> 1
    good = title == "c2sp.org/tlog-proof@v1" and event["_seq"] == index + 1 and sn == 0 and base64.b64encode(at).decode() == lines[2]
    return event if good and openssl_accepts(folder, note, key) else None


def proofs(c, s):
    key = s.gw.folder / "state/keys/node.pub"
    proof = s.gw.sluice("prove", "7").stdout
    event = includes(proof, key, s.folder)
    c.equal(event and event["_seq"], 7, "sluice prove: an outsider finds the event in the signed tree")
    file = s.folder / "proof"
    file.write_text(proof)
    good = s.gw.sluice("verify", "--proof", file, "--key", key, check=False)
    c.equal(good.returncode, 0, f"sluice verify --proof agrees ({good.stdout.strip()})")
    file.write_text(proof.replace("index 6", "index 5"))
    c.equal(s.gw.sluice("verify", "--proof", file, "--key", key, check=False).returncode, 1, "another place is bad")
    logged = []
    for _ in range(20):
        logged = [json.loads(x)["msg"] for x in s.gw.log().splitlines() if '"checkpoint sluice/' in x]
        if len(logged) >= 2:
            break
        s.gw.run("reader", ["psql", "-XAt", "-d", s.dsn(), "-c", "SELECT 1"])
        time.sleep(0.5)
    c.check(len(logged) >= 2, "the daemon's log has checkpoints", len(logged))
    old = logged[0].split(" ")[2]
    file.write_text(s.gw.sluice("prove", "--consistency", old).stdout)
    good = s.gw.sluice("verify", "--proof", file, "--key", key, "--checkpoint", logged[0], check=False)
    c.equal(good.returncode, 0, f"the logged checkpoint goes on to the last one ({good.stdout.strip()})")
    public = subprocess.run(["openssl", "pkey", "-pubin", "-in", key, "-outform", "DER"], capture_output=True).stdout[-32:]
    fingerprint = hashlib.sha256(public).hexdigest()
    given = [x for line in logged for x in ("--checkpoint", line)]
    good = s.gw.sluice("verify", "--key", fingerprint, *given, check=False)
    c.equal(good.returncode, 0, f"the record goes on from all that was logged ({good.stdout.strip()})")
    c.equal(s.gw.sluice("verify", "--key", "0" * 64, check=False).returncode, 1, "another fingerprint does not fit")


def copies(c, s):
    s.gw.stop()
    store = s.gw.folder / "state/store"
    key = s.gw.folder / "state/keys/node.pub"
    copy = s.folder / "copy"

    def verify(*args):
        return s.gw.sluice("verify", "--store", copy, *args, check=False)

    def anew():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(store, copy)
        return copy / "segment-000001/data.mdb"

    anew()
    none = verify("--key", "deadbeef")
    c.check(none.returncode == 2 and "64 hex digits" in none.stderr and "segment-" not in none.stderr, "a key that is none is named", none.stderr)
    good = verify("--key", key)
    c.equal(good.returncode, 0, f"a copy verifies ({good.stdout.strip()} {good.stderr.strip()})")
    data = anew()
    bytes_ = data.read_bytes()
    data.write_bytes(bytes_.replace(b"SELECT 4711", b"SELECT 4712"))  # pages that are free again hold it as well
    bad = verify("--key", key)
    c.equal(bad.returncode, 1, f"one changed digit is found ({bad.stdout.strip()})")
    c.check(" event " in bad.stdout, "and its event is named")
    data = anew()
    data.write_bytes(bytes_[: len(bytes_) // 2])
    c.equal(verify("--key", key).returncode, 1, "half a file is bad")
    anew()
    other = s.folder / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", s.folder / "other.key"], check=True)
    subprocess.run(["openssl", "pkey", "-in", s.folder / "other.key", "-pubout", "-out", other], check=True)
    c.equal(verify("--key", other).returncode, 1, "another node's key does not fit")
    shutil.rmtree(copy)
    c.equal(verify().returncode, 2, "no store: it cannot tell")
    s.gw.start()


def terminal(c, s):
    session = next(e["session"] for e in s.gw.events() if "evil" in json.dumps(e))
    for args in (["replay", "--speed", "max", session], ["sessions"]):
        out = s.gw.sluice(*args).stdout
        acts = [ch for ch in out if (ord(ch) < 32 and ch != "\n") or 127 <= ord(ch) < 160 or ch in "\u202e\u2066"]
        c.check(not acts, f"sluice {args[0]} shows hostile bytes inert", acts[:5])


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop", config={"audit": {"checkpoint_seconds": 1}}) as s:
        s.pg.psql("CREATE TABLE t (id int)", "shop")
        for sql in ("SELECT 4711", f"SELECT '{HOSTILE}' FROM t", "DROP TABLE t", "SELECT id FROM t"):
            s.gw.run("reader", ["psql", "-XAt", "-d", s.dsn(), "-c", sql])
        subprocess.run(["sleep", "2.5"])
        outside(c, s)
        terminal(c, s)
        proofs(c, s)
        copies(c, s)
        outside(c, s)
    c.done()


main()
