#!/usr/bin/env python3
"""Two verifiers, one truth: `sluice verify` and the auditor's Python say the same of records in which the node itself
lies, chained and signed anew with its own key: a session that is not complete, a text that is not its parts; and of
parts in which what an event rests on was left out. (Approvals: approval_test; the chain itself: export_test.)"""
import json
import pathlib
import shutil
import subprocess
import sys
import unicodedata

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

sys.path.insert(0, str(stack.ROOT / "deploy"))
from verify_claims import fold  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"reader": ["reader"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"reader": "file:CRED/db"}}],
    "rules": [{"id": "all", "resource": "db", "roles": ["reader"], "verbs": ["select"], "relations": ["public.*"], "effect": "allow"}],
}
PYTHON = "/usr/bin/python3"  # Debian's, with the packages that the verifier names
LONG = "SELECT '" + "chunk \u00e9 " * 40000 + "end' FROM t"


class Test(stack.Checks):
    def __init__(self, s):
        super().__init__()
        self.s, self.key = s, s.gw.folder / "state/keys/node.key"

    def said(self, what, change, filters=()):
        """(exit code, first line), that both verifiers agree on."""
        folder, whole = self.s.folder / "forged", self.s.folder / "-".join(("export", *filters))
        shutil.rmtree(folder, ignore_errors=True)
        if not whole.exists():
            self.s.gw.sluice("export", "--format", "lmdb", *filters, "-o", whole)
        shutil.copytree(whole, folder)
        if change:
            subprocess.run([PYTHON, stack.ROOT / "tests/lib/forge.py", folder, json.dumps(change), self.key], check=True)
        found = []
        for run in ([stack.BUILD / "sluice", "verify", folder], [PYTHON, stack.ROOT / "deploy/verify-export.py", folder]):
            done = subprocess.run(run, capture_output=True, text=True, timeout=60)
            found.append((done.returncode, (done.stdout.splitlines() or [done.stderr])[0]))
        self.equal(found[0], found[1], f"{what}: both say the same")
        return found[0]

    def expect(self, what, change, code, *words, filters=()):
        got = self.said(what, change, filters)
        self.check(got[0] == code and all(str(w) in got[1] for w in words), f"{what}: exit {code}, {words}", got)


def one(events, kind, **match):
    return [e for e in events if e["type"] == kind and all(e.get(k) == v for k, v in match.items())][0]


def sessions(t, events, session):
    told = one(events, "session.reconciled", session=session)
    closed, kernel = one(events, "flow.close", session=session), one(events, "session.kernel", session=session)
    n, incomplete = told["_seq"], ("BAD", f"event {told['_seq']}: session {session} is not complete")
    t.equal(told["outcome"], "match", "the record has what the kernel counted")
    t.expect("signed anew, and nothing else", ["none"], 0, "OK")
    owner = f'"outcome":"match","owner":"{told["owner"]}"'
    t.expect("a session that the recorder calls incomplete", ["replace", n, owner, owner.replace("match", "mismatch") + ',"reason":"x"'], 1,
             *incomplete, ": x")
    for what, old, new in (("keys that do not ascend", owner, ",".join(owner.split(",")[::-1])), ("white space", owner, owner + " "),
                           ("a key twice", owner, f"{owner},{owner}"), ("a number that is none", f'"flows":{told["flows"]}', '"flows":1.0'),
                           ("a number that is too large", f'"flows":{told["flows"]}', f'"flows":{1 << 63}'),
                           ("a NUL", owner, owner.replace("match", "m\\u0000atch")), ("too deep", owner, owner + ',"p":' + "[" * 16 + "]" * 16),
                           ("an escape that is not needed", owner, owner.replace("match", "m\\u0061tch"))):
        t.expect(what, ["replace", n, old, new], 1, f"BAD test-node event {n}: is not canonical JSON")
    t.expect("bytes are kept off the record", ["replace", closed["_seq"], f'"wire_up":{closed["wire_up"]}', '"wire_up":1'], 1,
             *incomplete, "bytes from the workload: the kernel counted")
    t.expect("more bytes than there were", ["replace", closed["_seq"], f'"wire_up":{closed["wire_up"]}', '"wire_up":99999999'], 1,
             *incomplete, "bytes from the workload at most")
    t.expect("fewer to it", ["replace", closed["_seq"], f'"wire_down":{closed["wire_down"]}', '"wire_down":0'], 1, *incomplete, "bytes to the workload")
    t.expect("a flow that did not end", ["replace", closed["_seq"], '"type":"flow.close"', '"type":"flow.clone"'], 1, *incomplete, "without an end")
    t.expect("more connections than are on record", ["replace", kernel["_seq"], f'"used":{kernel["used"]}', f'"used":{kernel["used"] + 1}'], 1,
             *incomplete, "connections: the kernel counted")
    t.expect("connections outlived it: nothing is said", ["replace", kernel["_seq"], f'"closed":{kernel["closed"]}', '"closed":0'], 0, "OK")
    for kind in ("flow.close", "flow.open", "session.kernel"):
        at = one(events, kind, session=session)["_seq"]
        t.expect(f"its {kind} is left out", ["omit", at], 2, "CANNOT TELL", f"event {n}: session {session}", "left out")
    t.expect("its start is left out", ["omit", one(events, "session.start", session=session)["_seq"]], 0, "OK", "left-out 1")
    t.expect("all but its end", None, 0, "OK", filters=["--session", session])


def parts(t, events):
    op = [e for e in events if e["type"] == "op" and e.get("text_parts")][0]
    found = [e for e in events if e["type"] == "op.part" and (e["flow"], e["id"]) == (op["flow"], op["id"])]
    n, count, first = op["_seq"], op["text_parts"], found[0]["_seq"]
    t.equal(len(found), count, "a text in parts")
    gone = (f"event {n} says that its text is in {count} parts before it: they are left out",)
    t.expect("another text than its parts", ["replace", first, "chunk", "chunq"], 1, f"BAD test-node event {n}: says another text")
    t.expect("another hash of it", ["replace", n, f'"text_sha256":"{op["text_sha256"]}"', f'"text_sha256":"{"0" * 64}"'], 1, "says another text")
    for what, old, new in (("a part of nothing", '"data"', '"date"'), ("a part that says two things", '"field"', '"data_b64":"QUJD","field"')):
        t.expect(what, ["replace", first, old, new], 1, f"BAD test-node event {first}: is a part that cannot be read")
    t.expect("a part of no length", ["replace", first, '"data":"', '"data":"","date":"'], 1, f"BAD test-node event {n}: says another text")
    t.expect("no hash of it", ["replace", n, f'"text_sha256":"{op["text_sha256"]}"', f'"text_sha25x":"{op["text_sha256"]}"'], 1, "says another text")
    t.expect("more parts than there are", ["replace", n, f'"text_parts":{count}', f'"text_parts":{count + 1}'], 1, "they are not there")
    t.expect("parts in another order", ["swap", first, found[1]["_seq"]], 1, "BAD", f"event {n}", "they are not there")
    t.expect("a part is left out", ["omit", found[1]["_seq"]], 2, "CANNOT TELL", *gone)
    t.expect("all parts are left out", ["omit", *(e["_seq"] for e in found)], 2, "CANNOT TELL", *gone)
    t.expect("a part of the record has them", None, 0, "OK", "left-out", filters=["--verdict", "allow"])
    t.expect("by its relation, too", None, 0, "OK", "left-out", filters=["--relation", "public.t"])


def main():
    config = {"audit": {"checkpoint_seconds": 1, "payload_limit": 600000}}
    with stack.Stack(POLICY, config=config) as s:
        t = Test(s)
        s.pg.psql("CREATE TABLE t (id int)", s.database)
        s.gw.run("reader", ["psql", "-XAtq", "-d", s.dsn()], input="SELECT id FROM t;\n" + LONG + ";\n")
        session = [e for e in s.gw.events() if e["type"] == "session.start"][-1]["session"]
        stack.until(lambda: any(e["type"] == "session.reconciled" and e["session"] == session for e in s.gw.events()))
        last = len(s.gw.events())
        stack.until(lambda: f"signed-to {last}" in s.gw.sluice("verify", check=False).stdout or "unsigned-tail 0" in
                    s.gw.sluice("verify", check=False).stdout)
        events = s.gw.events()
        for name in ("\u1fa4\u0301", "\u1f84\u0307", "\u2102", "\u00c9"):
            t.equal(fold(name), fold(unicodedata.normalize("NFD", name)), f"{name}: composed or not, it is the same person")
        sessions(t, events, session)
        parts(t, events)
        if t.failed:
            print(s.gw.log()[-2000:])
    t.done()


main()
