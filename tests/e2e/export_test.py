#!/usr/bin/env python3
"""What an auditor gets: exports, whole and filtered, checked by `sluice verify`, by the Python that shares nothing
with it and by mdb_dump; each way of tampering is found by both; JSON lines fit the JSON Schema, OCSF its classes; a
CSV runs no formula; an asciicast plays; nothing that reached the database is missing; who may export."""
import csv
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import ocsf  # noqa: E402
import stack  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"reader": "file:CRED/db"}, "record": "rows"}],
    "masks": {"pii": {"columns": ["public.t.card"], "as": "last4"}},
    "rules": [{"id": "all", "resource": "db", "roles": ["reader"], "verbs": ["select", "insert", "update", "delete"],
               "relations": ["public.*"], "effect": "mask", "masks": ["pii"]}],
}
VERIFIER = stack.ROOT / "deploy/verify-export.py"
PYTHON = "/usr/bin/python3"  # Debian's, whose packages the verifier names
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "  =2+2", "\t=3", "\r=4", "\uff1d5", "a;=cmd|' /C calc'!A0", "x\n=6", '"=7']
WORK = """
import os, re, sys, subprocess
dsn = sys.argv[1]
for sql in open(sys.argv[2]).read().split("\\0"):
    subprocess.run(["psql", "-XAtq", "-d", dsn, "-c", sql], capture_output=True)
"""


def both(s, folder, *args):
    """(exit code, line) of sluice verify and of the Python verifier."""
    one = s.gw.sluice("verify", "--store", folder, *args, check=False)
    two = subprocess.run([PYTHON, VERIFIER, folder, *args], capture_output=True, text=True)
    return (one.returncode, one.stdout.strip()), (two.returncode, two.stdout.strip())


def fingerprint(s):
    pem = s.gw.folder / "state/keys/node.pub"
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", pem, "-outform", "DER"], capture_output=True, check=True).stdout
    return hashlib.sha256(der[-32:]).hexdigest()


def wait_signed(s, deadline=20):
    """Until the node has signed all that was there when this began."""
    last = s.gw.events()[-1]
    want = last["_seq"] if "_seq" in last else 0
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        line = s.gw.sluice("verify", check=False).stdout
        found = re.search(r"signed-to (\d+)", line)
        if found and int(found[1]) >= want:
            return
        time.sleep(0.2)
    raise SystemExit("export: nothing is signed")


def agree(c, s, folder, key, what, code=0):
    one, two = both(s, folder, "--key", key)
    c.equal(one[0], code, f"{what}: sluice verify ({one[1]})")
    c.equal(two[0], code, f"{what}: the verifier in Python ({two[1]})")
    if code == 0:
        c.equal(one[1].splitlines()[0], two[1], f"{what}: both say the same")
    else:
        number = [re.search(r" event (\d+)", line) for _, line in (one, two)]
        c.check(all(number) and number[0][1] == number[1][1], f"{what}: both name the same event", (one[1], two[1]))
    return one[1]


def dumped(folder, database):
    text = subprocess.run(["mdb_dump", "-s", database, folder], capture_output=True, text=True, check=True).stdout
    rows = [bytes.fromhex(line.strip()) for line in text.splitlines() if line.startswith(" ")]
    return dict(zip(rows[::2], rows[1::2]))


def all_ended(c, events, told):
    """What verify tells of flows and operations, against what the events say."""
    flows, ended = ({e["flow"] for e in events if e["type"] == t} for t in ("flow.open", "flow.close"))
    ops = [e for e in events if e["type"] == "op" and e["decision"] in ("allow", "mask")]
    found = re.match(r"flows (\d+): (\d+) closed, (\d+) open, (\d+) without a close; operations let through (\d+): "
                     r"(\d+) ended, (\d+) running, (\d+) without an end$", told[1])
    c.check(found, "verify tells of flows and operations", told)
    numbers = [int(n) for n in found.groups()] if found else []
    c.check(len(flows) > 10 and len(ops) > 10, "there are some")
    c.equal(numbers[:4], [len(flows), len(flows & ended), len(flows - ended), 0], "each flow is closed or open")
    c.equal(numbers[4:], [len(ops), sum(e["type"] == "op.end" for e in events), 0, 0], "each operation that was let through has its end")
    c.check(len(told) == 3 and re.fullmatch("key [0-9a-f]{64}: as given", told[2]), "nothing is missing; whose key it is", told[2:])


def exports(c, s, out, session):
    key = fingerprint(s)
    whole, part, none = out / "whole", out / "part", out / "none"
    s.gw.sluice("export", "--format", "lmdb", "-o", whole)
    s.gw.sluice("export", "--format", "lmdb", "-o", part, "--session", session)
    s.gw.sluice("export", "--format", "lmdb", "-o", none, "--until", "2001-01-01")
    c.equal(sorted(p.name for p in part.iterdir()), ["KEY.pub", "MANIFEST.json", "README.md", "data.mdb"], "four files")
    told = agree(c, s, whole, key, "a whole export").splitlines()
    all_ended(c, [json.loads(v) for v in dumped(whole, "events").values()], told)
    line = agree(c, s, part, key, "one session")
    c.check("left-out" in line, "says how much is left out", line)
    agree(c, s, none, key, "an export with no event")
    events = {int.from_bytes(k, "big"): v for k, v in dumped(part, "events").items()}
    everything = {int.from_bytes(k, "big"): v for k, v in dumped(whole, "events").items()}
    c.equal({n: v for n, v in everything.items() if f'"session":"{session}"'.encode() in v}, events, "mdb_dump shows the session's events, whole")
    lines = s.gw.sluice("export").stdout.splitlines()
    stored = [line for line in lines if '"type":"checkpoint"' not in line]
    c.check([v.decode() for _, v in sorted(everything.items())] == stored[:len(everything)], "and the whole record's")
    manifest = json.loads((part / "MANIFEST.json").read_text())
    c.equal(manifest["filters"], {"session": session}, "the manifest tells the filter")
    c.equal((part / "KEY.pub").read_text(), (s.gw.folder / "state/keys/node.pub").read_text(), "the key is the node's")
    fields = {k for v in everything.values() for k in json.loads(v)}
    readme = (part / "README.md").read_text()
    c.equal([f for f in sorted(fields) if f"`{f.removesuffix('_b64')}`" not in readme], [], "README.md explains every field")
    c.equal([d for d in ("meta", "events", "omitted", "checkpoints", "sessions", "by_session") if f"`{d}`" not in readme], [],
            "and every database")
    shown = [s.gw.sluice("replay", "--speed", "max", *at, session).stdout for at in ([], ["--store", part])]
    c.equal(shown[0], shown[1], "an export replays as the record does")
    c.check(session in s.gw.sluice("sessions", "--store", part).stdout, "and lists its session")
    again = s.gw.sluice("export", "--format", "lmdb", "-o", part, check=False)
    c.check(again.returncode == 1 and "something in it" in again.stderr, "a folder that is not empty is left alone", again.stderr)
    wrong, _ = both(s, part, "--key", "0" * 64)
    c.equal((wrong[0], both(s, part, "--key", "0" * 64)[1][0]), (1, 1), "another key's fingerprint does not fit")
    checkpoints = re.findall(r'(checkpoint sluice/[^"]+)"', s.gw.log())
    c.check(checkpoints, "checkpoints stand in the daemon's log")
    if checkpoints:
        one, two = both(s, whole, "--key", key, "--checkpoint", checkpoints[0])
        c.equal((one[0], two[0]), (0, 0), f"a checkpoint from the log fits ({one[1]}, {two[1]})")


TAMPER = r"""
import sys, lmdb, json, hashlib, base64, re
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives import serialization
sys.argv.append("")
folder, how = sys.argv[1:3]
env = lmdb.open(folder, max_dbs=16, lock=False, map_size=1 << 30)
db = {n: env.open_db(n.encode()) for n in ("meta", "events", "omitted", "checkpoints")}
num = lambda n: n.to_bytes(8, "big")
with env.begin(write=True) as t:
    keys = [int.from_bytes(k, "big") for k, _ in t.cursor(db["events"])]
    mid = keys[len(keys) // 2]
    get = lambda n: t.get(num(n), db=db["events"])
    if how == "edit":
        t.put(num(mid), get(mid).replace(b'"type":"', b'"type":"x', 1), db=db["events"])
    elif how == "delete":
        t.delete(num(mid), db=db["events"])
    elif how == "reorder":
        a, b = get(mid), get(mid + 1)
        t.put(num(mid), b, db=db["events"]); t.put(num(mid + 1), a, db=db["events"])
    elif how == "insert":
        last = keys[-1]
        t.put(num(last + 1), get(last).replace(f'"_seq":{last},'.encode(), f'"_seq":{last + 1},'.encode()), db=db["events"])
    elif how == "insert-zero":  # where nobody looks: before the first one
        t.put(num(0), get(mid), db=db["events"])
    elif how == "insert-node":
        t.put(num(mid), b"\0" + bytes(32), db=db["omitted"])
    elif how == "node":
        k, v = next(iter(t.cursor(db["omitted"])))
        t.put(k, v[:1] + bytes(32), db=db["omitted"])
    elif how == "truncate":
        for n in keys[-3:]:
            t.delete(num(n), db=db["events"])
    elif how == "swap-checkpoints":
        notes = [(bytes(k), bytes(v)) for k, v in t.cursor(db["checkpoints"])]
        t.put(notes[0][0], notes[-1][1], db=db["checkpoints"]); t.put(notes[-1][0], notes[0][1], db=db["checkpoints"])
    elif how == "old-checkpoint":
        notes = [(bytes(k), bytes(v)) for k, v in t.cursor(db["checkpoints"])]
        t.put(notes[-1][0], notes[0][1], db=db["checkpoints"])
    elif how == "drop-checkpoints":
        t.drop(db["checkpoints"], delete=False)
    elif how == "re-sign":  # all of it, as a node that has the store but not the old key would
        key = Ed25519PrivateKey.generate()
        pub = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        t.put(b"key", pub, db=db["meta"])
        for k, v in list(t.cursor(db["checkpoints"])):
            text = v.decode().split("\n\n")[0] + "\n"
            name = text.split("\n")[0]
            kid = hashlib.sha256(name.encode() + b"\n\1" + pub).digest()[:4]
            blob = base64.b64encode(kid + key.sign(text.encode())).decode()
            t.put(k, f"{text}\n\u2014 {name} {blob}\n".encode(), db=db["checkpoints"])
env.close()
"""


def tampered(c, s, out):
    key = fingerprint(s)
    for export, ways in (("whole", ("edit", "delete", "reorder", "insert", "insert-zero", "insert-node", "truncate",
                                    "swap-checkpoints",
                                    "old-checkpoint", "re-sign")),
                         ("part", ("edit", "delete", "reorder", "insert", "insert-node", "node", "truncate", "re-sign"))):
        for how in ways:
            copy = out / f"{export}-{how}"
            shutil.copytree(out / export, copy)
            (copy / "data.mdb").chmod(0o600)
            subprocess.run([PYTHON, "-c", TAMPER, copy, how], check=True)
            agree(c, s, copy, key, f"{how} in {export}", 1)
            shutil.rmtree(copy)
    cut = out / "cut"
    shutil.copytree(out / "whole", cut)
    os.truncate(cut / "data.mdb", (cut / "data.mdb").stat().st_size // 2)
    one, two = both(s, cut, "--key", key)
    c.equal((one[0], two[0]), (1, 1), f"half a file ({one[1]}, {two[1]})")
    bare = out / "bare"
    shutil.copytree(out / "whole", bare)
    subprocess.run([PYTHON, "-c", TAMPER, bare, "drop-checkpoints"], check=True)
    one, two = both(s, bare, "--key", key)
    c.equal((one[0], two[0]), (1, 1), f"without its checkpoints it is not what its manifest says ({one[1]}, {two[1]})")
    manifest = bare / "MANIFEST.json"
    m = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**m, "checkpoints": {**m["checkpoints"], "signed_to": 0}}))
    one, two = both(s, bare, "--key", key)
    c.equal((one[0], two[0]), (2, 2), f"and with one that fits nothing can be told ({one[1]}, {two[1]})")
    c.equal(one[1].splitlines()[0], two[1], "which both say")
    manifest = out / "whole/MANIFEST.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"events": ', '"events": 1'))
    one, two = both(s, out / "whole", "--key", key)
    c.equal((one[0], two[0]), (1, 1), f"a manifest that says something else is found ({one[1]}, {two[1]})")
    manifest.write_text(text)
    manifest = out / "part/MANIFEST.json"
    text = manifest.read_text()
    manifest.write_text(json.dumps({**json.loads(text), "filters": {}}))
    one, two = both(s, out / "part", "--key", key)
    c.equal((one[0], two[0]), (1, 1), "events that are left out without a filter")
    c.check(one[1].splitlines()[0] == two[1] and "names no filter" in two[1], "are named as such by both", (one[1], two[1]))
    manifest.write_text(text)
    for bad in ("00", "x" * 64):
        c.equal([code for code, _ in both(s, out / "whole", "--key", bad)], [2, 2], f"--key {bad[:4]} is no fingerprint")
    newer(c, s, out, key)
    within(c, s, out, key)
    c.equal(both(s, out / "nowhere")[1][0], 2, "no export: the verifier cannot tell")


def newer(c, s, out, key):
    """A checkpoint that is newer than an honest export says nothing against it, and nothing for it: that takes a proof."""
    s.gw.run("reader", ["psql", "-XAt", "-d", s.dsn(), "-c", "SELECT 1"])
    wait_signed(s)
    line = re.findall(r'(checkpoint sluice/[^"]+)"', s.gw.log())[-1]
    one, two = both(s, out / "whole", "--key", key, "--checkpoint", line)
    c.equal((one[0], two[0]), (2, 2), "a newer checkpoint: cannot tell")
    c.check(one[1].splitlines()[0] == two[1] and "is newer than this export" in two[1], "both say why", (one[1], two[1]))
    asked = re.search(r"sluice (prove --consistency \d+ \d+)", two[1])
    proof = s.gw.sluice(*asked[1].split()).stdout if asked else ""
    (out / "proof").write_text(proof)
    own = json.loads((out / "whole/MANIFEST.json").read_text())["checkpoints"]["last"]
    shown = s.gw.sluice("verify", "--proof", out / "proof", "--key", s.gw.folder / "state/keys/node.pub", "--checkpoint", own, check=False)
    c.check(shown.returncode == 0 and "goes on to" in shown.stdout, "and what they name shows it", shown.stdout + shown.stderr)
    none = s.gw.sluice("export", "--session", "s-nosuch", check=False)
    c.check(none.returncode == 1 and "s-nosuch: there is no such session" in none.stderr, "no such session, no export", none.stderr)
    none = s.gw.sluice("export", "--session", "s-nosuch", "--format", "lmdb", "-o", out / "nosuch", check=False)
    c.check(none.returncode == 1 and not (out / "nosuch").exists(), "and no folder", none.stderr)
    live = s.gw.sluice("verify").stdout.splitlines()
    c.equal(live[-1], f"key {key}: the node's own", "verify of the live store tells the node's fingerprint")


def within(c, s, out, key):
    """A checkpoint of a place that was left out as one says nothing: whoever signed anew could hide behind that."""
    gaps = [(int.from_bytes(k, "big"), 1 << v[0]) for k, v in dumped(out / "part", "omitted").items()]
    first, size = max(gaps, key=lambda g: g[1])
    c.check(size > 1, "some events are left out as one", gaps)
    node, n = "sluice/test-node", first
    told = f"checkpoint {node} {n} {'A' * 43}= {'0' * 64} 1 {'A' * 92}"
    made = subprocess.run([PYTHON, "-c", FORGED_CHECKPOINT, s.gw.folder / "state/keys/node.key", out / "part/KEY.pub", str(n)],
                          capture_output=True, text=True)
    c.equal(made.returncode, 0, f"another checkpoint, by the node's key {made.stderr}")
    for line, what in ((told, "by nobody"), (made.stdout.strip(), "by the node's key")):
        one, two = both(s, out / "part", "--key", key, "--checkpoint", line)
        c.equal((one[0], two[0]), (2, 2), f"a checkpoint {what}, within what is left out: cannot tell ({one[1]}, {two[1]})")


FORGED_CHECKPOINT = r"""
import base64, hashlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
raw, n = open(sys.argv[1], "rb").read(), sys.argv[3]
public = load_pem_public_key(open(sys.argv[2], "rb").read()).public_bytes(Encoding.Raw, PublicFormat.Raw)
root, chain, node = base64.b64encode(b"F" * 32).decode(), "ab" * 32, "sluice/test-node"
signed = Ed25519PrivateKey.from_private_bytes(raw[:32]).sign(f"{node}\n{n}\n{root}\nchain {chain}\ntime 1\n".encode())
own = hashlib.sha256(f"{node}\n\1".encode() + public).digest()[:4]
print(f"checkpoint {node} {n} {root} {chain} 1 {base64.b64encode(own + signed).decode()}")
"""


def schema(c, s):
    lines = s.gw.sluice("export").stdout
    code = """
import json, sys, jsonschema
v = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
v.check_schema(v.schema)
n = 0
for line in sys.stdin:
    e = json.loads(line)
    if e["type"] == "checkpoint":
        continue
    n += 1
    for err in v.iter_errors(e):
        print(e["type"], err.message[:200], [x.message[:100] for x in err.context or []][:3])
print("checked", n)
"""
    path = stack.ROOT / "userspace/record/events.schema.json"
    done = subprocess.run([PYTHON, "-c", code, path], input=lines, capture_output=True, text=True)
    c.check(re.fullmatch(r"checked \d+\n", done.stdout), "every event fits the JSON Schema", (done.stdout[:600], done.stderr[-300:]))
    known = set(json.loads(path.read_text())["$defs"])
    types = set(re.findall(r'\{SPAN_LITERAL\("([a-z]+(?:\.[a-z]+)?)"\), 1 <<', (stack.ROOT / "userspace/record/recorder/group.c").read_text()))
    c.check(len(types & known) > 12, "the schema tells the fields of what is written most", sorted(types - known))
    found = [(json.loads(e["raw_data"])["type"], err) for e in map(json.loads, s.gw.sluice("export", "--format", "ocsf").stdout.splitlines())
             for err in ocsf.errors(e)]
    c.equal(found[:5], [], "every event is one of OCSF 1.8.0")


def spreadsheet(c, s, session):
    text = s.gw.sluice("export", "--format", "csv", "--session", session).stdout
    c.check(text.startswith("\ufeff"), "UTF-8 is marked")
    rows = list(csv.DictReader(io.StringIO(text[1:], newline="")))
    events = s.gw.events(session)
    c.equal(len(rows), len(events), "a row an event")
    c.equal([r["type"] for r in rows], [e["type"] for e in events], "and a type each")
    cells = [v for r in rows for v in r.values() if v]
    c.equal([v for v in cells if re.match(r"[\s\u00a0\u3000\"]*[=+@\uff1d\uff0b\uff0d\uff20-]", v)], [], "no cell begins a formula")
    c.equal([v for v in cells if re.search(r"[;\n]\s*\"*[=+@-]", v)], [], "nor what a reader with another separator would take for a cell")
    c.check(not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", text), "no control character")
    asked = [r["text"] for r in rows if r["type"] == "op"]
    c.check(any("=1+1" in t for t in asked), "the text is there", asked[:3])


def recording(c, s, out, session):
    path = out / "s.cast"
    s.gw.sluice("export", "--format", "asciicast", "--session", session, "-o", path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    c.check(lines[0]["version"] == 2 and lines[0]["width"] > 80, "an asciicast's head", lines[0])
    c.check(all(len(l) == 3 and l[1] in "om" for l in lines[1:]), "its lines")
    c.check(all(a[0] <= b[0] for a, b in zip(lines[1:], lines[2:])), "in time")
    shown = "".join(l[2] for l in lines[1:] if l[1] == "o")
    replayed = s.gw.sluice("replay", "--speed", "max", session).stdout
    c.equal(shown.replace("\r\n", "\n"), replayed, "shows what replay shows")
    c.check(not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", shown), "and nothing that acts")
    play = subprocess.run(["script", "-qec", f"asciinema cat {path}", "/dev/null"], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(out)}, timeout=60)
    c.check(play.returncode == 0 and "session ends" in play.stdout, "asciinema plays it", play.stdout[-200:])


def complete(c, s):
    """Every statement that reached the database's own log is in the record."""
    log = re.findall(r"(?:statement|execute [^:]*): (.*)", s.pg.log())
    reached = {m for text in log for m in re.findall(r"mark\d+_", text)}
    recorded = {m for e in s.gw.events() if e["type"] == "op" for m in re.findall(r"mark\d+_", e["text"])}
    c.check(len(reached) >= 30, "statements reached the database", len(reached))
    c.equal(sorted(reached - recorded), [], "none of them is missing in the export")


def finds(c, s, session):
    find = lambda *a: s.gw.sluice("search", *a, check=False)
    c.check("mark7_" in find("MARK7_").stdout, "search finds a word, in either case")
    c.equal(find("no-such-word-at-all").returncode, 1, "and says where there is nothing")
    c.check(find("--verdict", "deny", "DROP").stdout.count("\n") == 1, "by verdict and word", find("--verdict", "deny", "DROP").stdout)
    rows = [json.loads(l) for l in find("--relation", "public.t", "--json").stdout.splitlines()]
    c.check(rows and all(any(n.get("name") == "t" for n in e["needs"]) for e in rows if "needs" in e), "by relation")
    c.equal([l for l in find("--relation", "other.t").stdout.splitlines()], [], "of that schema only")
    c.check(all(e["session"] == session for e in map(json.loads, find("--session", session, "--json").stdout.splitlines())), "by session")
    c.equal(find("decision").returncode, 1, "names of fields are no text")
    c.equal(find().returncode, 2, "something must be looked for")
    c.equal(find("--verdict", "nonsense").returncode, 2, "a verdict that is none")


def who_may(c, s):
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    audit = ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "4"]  # adm
    run = lambda who: subprocess.run([*who, stack.BUILD / "sluice", "export", "--verdict", "deny"], env=s.gw.env, capture_output=True, text=True)
    refused, taken = run(other), run(audit)
    c.check(refused.returncode == 1 and "audit.groups" in refused.stderr or "not permitted" in refused.stderr, "others may not export", refused.stderr)
    c.check(taken.returncode == 0 and taken.stdout, "a group that the configuration names may", taken.stderr)
    calls = [e for e in s.gw.events() if e["type"] == "admin.call" and e["path"] == "/v1/export" and e["actor"] == "uid 65534"]
    c.equal([e["decision"] for e in calls], ["deny", "allow"], "and both are on record: who")
    c.check(calls and "verdict=deny" in calls[-1]["query"] and "format=jsonl" in calls[-1]["query"], "what and how", calls[-1:])


def main():
    c = stack.Checks()
    config = {"audit": {"checkpoint_seconds": 1, "groups": ["adm"]}}
    with stack.Stack(POLICY, database="shop", config=config) as s:
        s.pg.psql("CREATE TABLE t (id int, name text, card text); INSERT INTO t VALUES (1, 'Pat', '4111111111111111')", "shop")
        s.pg.psql("ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf()")
        work, sql = s.folder / "work.py", s.folder / "work.sql"
        work.write_text(WORK)
        quoted = ["SELECT '%s' AS f" % f.replace("'", "''") for f in FORMULAS] + [f.replace("'", "") for f in FORMULAS]
        marks = [f"SELECT id AS mark{i}_ FROM t" if i % 3 else f"UPDATE t AS mark{i}_ SET id = 1" for i in range(40)]
        sql.write_text("\0".join([*marks, *quoted, "SELECT * FROM t WHERE id = 1", "DROP TABLE t", "SELECT 1/0",
                                  "SELECT E'\\x1b]0;owned\\x07\\x1b[2J', U&'\\009b31m\\202e evil'"]))
        s.gw.run("reader", [sys.executable, work, s.dsn(), sql])
        time.sleep(1.2)
        s.gw.run("reader", ["psql", "-XAt", "-d", s.dsn(), "-c", "SELECT 1"])
        wait_signed(s)
        sessions = [e["session"] for e in s.gw.events() if e["type"] == "session.start"]
        out = s.folder / "out"
        out.mkdir()
        exports(c, s, out, sessions[0])
        tampered(c, s, out)
        schema(c, s)
        spreadsheet(c, s, sessions[0])
        recording(c, s, out, sessions[0])
        complete(c, s)
        finds(c, s, sessions[0])
        who_may(c, s)
    c.done()


main()
