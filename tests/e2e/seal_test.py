#!/usr/bin/env python3
"""Payloads sealed for the auditors: nothing of a statement, its parameters, rows or errors lies in any file of the node;
who it was, on which tables and with which verdict is found all the same; the record verifies without any key; an
auditor's private key opens it, by sluice and by Python that shares nothing with it; each segment and each recorder has a
key of its own; who has no key is told so; packed payloads (zstd) read as ever."""
import base64
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"reader": "file:CRED/db"}, "record": "rows"}],
    "rules": [{"id": "all", "resource": "db", "roles": ["reader"], "verbs": ["select", "insert"], "relations": ["public.*"], "effect": "allow"}],
}
VERIFIER = stack.ROOT / "deploy/verify-export.py"
PYTHON = "/usr/bin/python3"  # Debian's, with the packages that the verifier names
OPEN = r"""
import base64, hashlib, json, sys
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives import hashes, serialization
private = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
oaep, keys = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None), {}
for line in sys.stdin.buffer:
    e = json.loads(line)
    if e["type"] == "record.key":
        to = line[line.index(b'"to":') + 5:line.rindex(b',"type"')]
        assert base64.b64encode(hashlib.sha256(to).digest()[:18]).decode() == e["key"]
        mine = [t for t in e["to"] if t["fingerprint"] == hashlib.sha256(der).hexdigest()][0]
        keys[e["key"]] = AESGCM(private.decrypt(base64.b64decode(mine["wrapped"]), oaep))
    elif "sealed" in e:
        b = base64.b64decode(e["sealed"])
        plain = keys[e["sealed"][:24]].decrypt(bytes(4) + b[18:26], b[27:], b[:27])
        print(json.dumps({"seq": e["_seq"], "packed": b[26] & 1, **({} if b[26] & 1 else json.loads(plain))}))
"""
FITS = """
import json, jsonschema, sys
v = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
for line in sys.stdin:
    e = json.loads(line)
    if e["type"] in ("op", "op.end", "op.part", "record.key"):
        for err in v.iter_errors(e): print(e["type"], err.message[:300])
"""
ROWS = "rowmarker-" + "q" * 30


def keypair(folder, name, bits=3072):
    private, public = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    public.chmod(0o644)
    return private, public


def run_sql(s, *statements):
    return s.gw.run("reader", ["psql", "-XAt", "-d", s.dsn()], input=";\n".join(statements) + ";\n")


def holds(s, word):
    """The node's files in which the word stands."""
    found = []
    for path in (s.gw.folder / "state").rglob("*"):
        if path.is_file() and word.encode() in path.read_bytes():
            found.append(path.name)
    return found


def recorder_pid(s):
    for pid in os.listdir("/proc"):
        try:
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
        except (OSError, ValueError):
            continue
        if int(parent) == s.gw.process.pid and b"recorder" in line:
            return int(pid)
    return None


def sealed(c, s, keys):
    """What stands in the files, and what is found of it."""
    run_sql(s, f"SELECT 'textmarker-one', '{ROWS}' || count(*) FROM shop", "INSERT INTO shop VALUES ('parammarker')",
            "SELECT nocolumn_errormarker FROM shop", "SELECT 1 FROM secretmarker_table", "SELECT 1 syntaxmarker syntaxmarker")
    events = s.gw.events()
    session = [e for e in events if e["type"] == "session.start"][-1]["session"]
    for word in ("textmarker-one", ROWS, "parammarker", "errormarker", "syntaxmarker"):
        c.equal(holds(s, word), [], f"{word} lies in no file of the node")
    c.check(holds(s, "shop"), "a table's name is there, for the search")
    ops = [e for e in events if e["type"] == "op" and e["session"] == session]
    c.check(ops and all("sealed" in e and "text" not in e for e in ops), "each op is sealed")
    c.check(any("sealed" in e for e in events if e["type"] == "op.end"), "and what came of it")
    c.equal([e["type"] for e in events if e["type"] == "record.key"], ["record.key"], "the key is told")
    c.check(events[0]["type"] == "record.key", "before anything else", events[0]["type"])
    c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies without a key")
    found = s.gw.sluice("search", "--relation", "public.shop", "--session", session, check=False)
    c.check(found.returncode == 0 and "[sealed]" in found.stdout, "found by table", found.stdout + found.stderr)
    c.check("sealed for the auditors" in found.stderr, "and said to be sealed", found.stderr)
    c.check(s.gw.sluice("search", "--verdict", "error", check=False).stdout.count("\n") >= 1, "found by verdict")
    blind = s.gw.sluice("search", "textmarker-one", check=False)
    c.equal(blind.returncode, 1, "a text is not found without the key")
    c.check("was not looked for in" in blind.stderr, "which is said", blind.stderr)
    seen = s.gw.sluice("search", "textmarker-one", "--decrypt-key", keys[0], check=False)
    c.check(seen.returncode == 0 and "textmarker-one" in seen.stdout, "and is with it", seen.stdout + seen.stderr)
    shown = s.gw.sluice("replay", session, "--speed", "max").stdout
    c.check("[sealed]" in shown and "textmarker" not in shown, "replay without the key", shown)
    shown = s.gw.sluice("replay", session, "--speed", "max", "--decrypt-key", keys[0]).stdout
    for word in ("textmarker-one", ROWS, "parammarker", "errormarker"):
        c.check(word in shown, f"replay with it shows {word}", shown)
    wrong = s.gw.sluice("replay", session, "--speed", "max", "--decrypt-key", keys[2], check=False)
    c.check("textmarker" not in wrong.stdout and "for other auditors" in wrong.stderr, "another's key opens nothing", wrong.stderr)
    c.equal(s.gw.sluice("replay", session, "--decrypt-key", "/nonexistent", check=False).returncode, 1, "no key file")
    return session


REGION = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r.*")


def in_memory(pid, words):
    """Which of the words stand in a process's memory, rings included."""
    found = set()
    with open(f"/proc/{pid}/mem", "rb", 0) as mem, open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            region = REGION.match(line)
            if not region or "[v" in line:
                continue
            start, end = (int(x, 16) for x in region.groups())
            mem.seek(start)
            data = b""
            while start + len(data) < end:
                try:
                    got = mem.read(end - start - len(data))
                except OSError:
                    break
                if not got:
                    break
                data += got
            found |= {w for w in words if w.encode() in data}
    return found


def forgotten(c, s):
    """Once it is sealed, neither the recorder nor the rings hold it, nor does who keeps the rings; a search is no second record of its words."""
    words = {f"{kind}-{os.urandom(8).hex()}" for kind in ("literal", "column", "errorword")}
    text, column, wrong = (next(w for w in words if w.startswith(k)) for k in ("lit", "col", "err"))
    for _ in range(3):
        run_sql(s, f"SELECT '{text}' AS \"{column}\" FROM shop", f"SELECT \"{wrong}\" FROM shop")
    op = [e for e in s.gw.events() if e["type"] == "op"][-1]
    c.check("sealed" in op, "they are recorded, sealed", op)
    pids = {"recorder": recorder_pid(s), "monitor": s.gw.process.pid}
    for name, pid in pids.items():
        left = stack.until(lambda: not in_memory(pid, words), 10) or in_memory(pid, words)
        c.check(left is True, f"the {name}'s memory holds none of it", left)
    c.check("secretmarker_table" in in_memory(pids["recorder"], ["secretmarker_table"]), "what is looked at is the memory")
    searched = "searchedword-" + os.urandom(8).hex()
    s.gw.sluice("search", searched, check=False)
    calls = [e for e in s.gw.events() if e["type"] == "admin.call" and e["path"] == "/v1/record/events"] or \
            [e for e in s.gw.events() if e["type"] == "admin.call"]
    c.check(calls and all("sealed" in e and "query" not in e for e in calls if e["_seq"] == calls[-1]["_seq"]), "what was searched for is sealed", calls[-1:])
    c.equal(holds(s, searched), [], "and in no file of the node")
    c.check(searched not in s.gw.log(), "nor in its log")


def exports(c, s, keys, session):
    folder = s.folder / "whole"
    s.gw.sluice("export", "--format", "lmdb", "-o", folder)
    part = s.folder / "part"
    s.gw.sluice("export", "--format", "lmdb", "--session", session, "-o", part)
    for where in (folder, part):
        check = subprocess.run([PYTHON, VERIFIER, where], capture_output=True, text=True)
        c.check(check.returncode == 0, f"{where.name}: the auditor's verifier", check.stdout + check.stderr)
        c.equal(s.gw.sluice("verify", "--store", where, check=False).returncode, 0, f"{where.name}: ours")
        shown = s.gw.sluice("replay", session, "--store", where, "--speed", "max", "--decrypt-key", keys[1]).stdout
        c.check("textmarker-one" in shown and "errormarker" in shown, f"{where.name}: the second auditor's key opens it", shown)
    for form in ("csv", "ocsf", "asciicast"):
        args = ["export", "--format", form, "--session", session]
        c.check("textmarker-one" not in s.gw.sluice(*args).stdout, f"{form} is sealed")
        c.check("textmarker-one" in s.gw.sluice(*args, "--decrypt-key", keys[0]).stdout, f"{form} with the key")
    refused = s.gw.sluice("export", "--format", "lmdb", "-o", s.folder / "no", "--decrypt-key", keys[0], check=False)
    c.check(refused.returncode == 2 and "stays sealed" in refused.stderr, "lmdb stays as it is", refused.stderr)
    lines = s.gw.sluice("export", "--format", "jsonl").stdout
    fits = subprocess.run([PYTHON, "-c", FITS, stack.ROOT / "userspace/record/events.schema.json"], input=lines, capture_output=True, text=True)
    c.equal(fits.stdout, "", "JSON lines fit their schema" + fits.stderr)
    opened = subprocess.run([PYTHON, "-c", OPEN, keys[0]], input=lines, capture_output=True, text=True)
    c.check('"textmarker' in opened.stdout.replace("SELECT '", '"') and opened.returncode == 0, "Python opens it by itself", opened.stderr + opened.stdout[-500:])
    own = s.gw.sluice("export", "--format", "jsonl", "--decrypt-key", keys[0]).stdout
    theirs = {json.loads(x)["seq"]: json.loads(x) for x in opened.stdout.splitlines()}
    same = [e for e in map(json.loads, own.splitlines()) if e.get("_seq") in theirs]
    c.check(len(same) == len(theirs) > 3, "as many as sluice opens", f"{len(same)} of {len(theirs)}")
    c.check(all(e[k] == v for e in same for k, v in theirs[e["_seq"]].items() if k not in ("seq", "packed")), "and to the same")


def tampered(c, s, keys):
    """A wrapped key that was replaced shows without any private key."""
    folder = s.folder / "tampered"
    s.gw.sluice("export", "--format", "lmdb", "-o", folder)
    change = ("import lmdb,sys\ne=lmdb.open(sys.argv[1],max_dbs=16,lock=False)\nk=e.open_db(b'keys')\n"
              "with e.begin(db=k,write=True) as t:\n  for i,v in list(t.cursor()): t.put(i,v.replace(b'A',b'B'))\n")
    subprocess.run([PYTHON, "-c", change, folder], check=True)
    for who, r in (("ours", s.gw.sluice("verify", "--store", folder, check=False)),
                   ("the auditor's", subprocess.run([PYTHON, VERIFIER, folder], capture_output=True, text=True))):
        c.check(r.returncode == 1 and "key" in r.stdout, f"{who} verifier names a wrapped key that was changed", r.stdout)


def keys_change(c, s, keys):
    """Another recorder, another segment: another key; all of it opens."""
    def told():
        return [e["key"] for e in s.gw.events() if e["type"] == "record.key"]
    before = told()
    pid = recorder_pid(s)
    c.check(pid, "there is a recorder")
    os.kill(pid, signal.SIGKILL)
    stack.until(lambda: recorder_pid(s) not in (None, pid) and s.gw.is_ready())
    stack.until(lambda: run_sql(s, "SELECT 'aftermarker' FROM shop").returncode == 0)
    after = stack.until(lambda: len(told()) > len(before) and told())
    c.check(after and len(set(after)) == len(after), "a recorder that was killed is followed by one with a new key", after)
    def rotated():
        run_sql(s, "SELECT 'rotatedmarker' FROM shop")
        return len(list((s.gw.folder / "state/store").glob("segment-*"))) > 2 and len(told()) > len(after)
    c.check(stack.until(rotated, 60), "each segment has a key of its own", told())
    c.equal(holds(s, "aftermarker") + holds(s, "rotatedmarker"), [], "sealed as before")
    for word in ("textmarker-one", "aftermarker", "rotatedmarker"):
        c.equal(s.gw.sluice("search", word, "--decrypt-key", keys[0], check=False).returncode, 0, f"{word} is found behind both")
    c.equal(s.gw.sluice("verify", check=False).returncode, 0, "the record verifies")
    folder = s.folder / "after"
    s.gw.sluice("export", "--format", "lmdb", "--since", "1s", "-o", folder)
    check = subprocess.run([PYTHON, VERIFIER, folder], capture_output=True, text=True)
    c.check(check.returncode == 0, "a late part verifies", check.stdout)


def parts(c, s, keys):
    """A statement that is too long for its event lies in parts before it, up to the configured limit, and is found whole."""
    whole = "SELECT '" + "chunk \u00e9 " * 40000 + "partsend' FROM shop"
    run_sql(s, whole, "SELECT '" + "x" * (1 << 20) + "' FROM shop")
    events = list(map(json.loads, s.gw.sluice("search", "--role", "reader", "--json", *(["--decrypt-key", keys[0]] if keys else [])).stdout.splitlines()))
    large = [e for e in events if e["type"] == "op" and e.get("text_len", 0) > 100000]
    c.equal([e.get("text_parts", 0) for e in large][1:], [0], "over the limit it is cut as ever")
    op = large[0]
    found = [e for e in events if e["type"] == "op.part" and e["flow"] == op["flow"] and e["id"] == op["id"]]
    c.check(len(found) == op["text_parts"] > 3, "as many parts as the operation says", len(found))
    c.check(all(e["_seq"] < op["_seq"] and e["field"] == "text" and e["of"] == len(found) for e in found), "before it")
    text = "".join(e["data"] for e in sorted(found, key=lambda e: e["part"]))
    c.equal(hashlib.sha256(text.encode()).hexdigest(), op["text_sha256"], "whose hash it holds")
    c.check(whole.startswith(text.rstrip(";\n")), "and which are the statement")
    found = s.gw.sluice("search", "partsend", *(["--decrypt-key", keys[0]] if keys else []), check=False)
    c.equal(found.returncode, 0, "a word at its end is found" + found.stderr)
    shown = s.gw.sluice("replay", op["session"], "--speed", "max", *(["--decrypt-key", keys[0]] if keys else [])).stdout
    c.check("partsend" in shown, "replay shows it whole", shown[-300:])
    c.equal(s.gw.sluice("verify", check=False).returncode, 0, "and the record verifies")
    stack.until(lambda: "signed-to 0 " not in s.gw.sluice("verify", check=False).stdout)
    folder = s.folder / "parts"
    s.gw.sluice("export", "--format", "lmdb", "-o", folder, "--session", op["session"])
    for who, r in (("ours", s.gw.sluice("verify", "--store", folder, check=False)),
                   ("the auditor's", subprocess.run([PYTHON, VERIFIER, folder], capture_output=True, text=True))):
        c.equal(r.returncode, 0, f"{who}: an export carries them ({r.stdout})")


def packed(c):
    """Compression alone: the same answers, fewer bytes, and the text is searched as ever."""
    with stack.Stack(POLICY, config={"audit": {"compress": 3, "payload_limit": 600000, "checkpoint_seconds": 1}}) as s:
        s.pg.psql("CREATE TABLE shop (a text)", database=s.database)
        long = "packmarker " + "word " * 400
        run_sql(s, f"SELECT '{long}' FROM shop", "SELECT 'short' FROM shop")
        events = s.gw.events()
        session = [e for e in events if e["type"] == "session.start"][-1]["session"]
        c.check(any("packed" in e for e in events), "a long payload is packed")
        c.check(any(e.get("text", "").startswith("SELECT 'short'") for e in events), "a short one is not")
        c.equal(holds(s, "word word word"), [], "its text does not stand in the files")
        c.check("packmarker" in s.gw.sluice("search", "packmarker", check=False).stdout, "search looks into it")
        c.check("packmarker" in s.gw.sluice("replay", session, "--speed", "max").stdout, "replay shows it")
        c.check("packmarker" in s.gw.sluice("export", "--format", "csv").stdout, "csv has it")
        c.equal(s.gw.sluice("verify", check=False).returncode, 0, "it verifies")
        parts(c, s, None)
        one = [e for e in events if "packed" in e][0]
        plain = subprocess.run(["zstd", "-dqc"], input=base64.b64decode(one["packed"]), capture_output=True).stdout
        c.check(b"packmarker" in plain, "zstd alone unpacks it", plain[:100])


def checked(c, s, folder, pair):
    """--check-config says what the recorder would say."""
    private, public = pair
    small = keypair(folder, "small", 2048)[1]
    private.chmod(0o600)
    wrong = {small: "at least 3072 bits", folder / "nowhere.pem": "No such file", s.gw.folder / "etc" / "policy.json": "expected an RSA public key"}
    if os.geteuid() == 0:
        wrong[private] = "Permission denied"
    cfg = json.loads((s.gw.folder / "etc" / "sluice.json").read_text())
    for file, why in {**wrong, public: None}.items():
        cfg["audit"]["encrypt_to"] = [str(file)]
        (folder / "sluice.json").write_text(json.dumps(cfg))
        r = subprocess.run([str(stack.BUILD / "sluiced"), "-c", folder / "sluice.json", "--check-config"], capture_output=True, text=True, timeout=20)
        c.equal(r.returncode, 1 if why else 0, f"--check-config with {file.name}")
        c.check(not why or (str(file) in r.stderr and why in r.stderr), f"names it: {why}", r.stderr)


def main():
    c = stack.Checks()
    folder = pathlib.Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    pairs = [keypair(folder, name) for name in ("auditor", "second", "stranger")]
    keys = [p for p, _ in pairs]
    audit = {"encrypt_to": [str(p) for _, p in pairs[:2]], "segment_seconds": 12, "checkpoint_seconds": 1, "payload_limit": 600000}
    with stack.Stack(POLICY, config={"audit": audit}) as s:
        s.pg.psql("CREATE TABLE shop (a text); CREATE TABLE secretmarker_table (a text)", database=s.database)
        session = sealed(c, s, keys)
        stack.until(lambda: "signed-to 0" not in s.gw.sluice("verify", check=False).stdout)
        exports(c, s, keys, session)
        forgotten(c, s)
        tampered(c, s, keys)
        parts(c, s, keys)
        keys_change(c, s, keys)
        checked(c, s, folder, pairs[0])
    packed(c)
    subprocess.run(["rm", "-rf", folder])
    c.done()


main()
