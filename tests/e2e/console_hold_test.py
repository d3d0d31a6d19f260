#!/usr/bin/env python3
"""Statements of psql that wait for people, who answer them in two browsers: logged in by a real OpenID provider, quorum,
denial, refusals, what they are shown, and what the record says of it."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
import web as web_lib  # noqa: E402

DBA = {"approvers": [{"group": "dba", "need": 2}], "expires": "90s"}
POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"operator": ["operator"]},
    "resources": [{"name": "shop", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "credentials": {"operator": "file:CRED/db"}}],
    "rules": [
        {"id": "read", "resource": "shop", "roles": "operator", "verbs": "select", "relations": "public.*", "effect": "allow"},
        {"id": "ddl-two-dbas", "resource": "shop", "roles": "operator", "class": "ddl", "effect": "ask", **DBA},
        {"id": "stale", "resource": "shop", "roles": "operator", "verbs": "delete", "relations": "public.*", "effect": "ask",
         "approvers": [{"group": "dba"}], "expires": "60s", "login_within": "1s"},
        {"id": "write", "resource": "shop", "roles": "operator", "verbs": ["insert", "update"], "relations": "public.*", "effect": "ask",
         **DBA}],
}
# pat is whom the agents work for, and in every group that there is.
PEOPLE = {**web_lib.PEOPLE, "pat@example.com": ["dba", "sluice-approvers", "sluice-admins"]}
t = stack.Checks()


class Agents:
    def __init__(self, s):
        self.s, self.running = s, []

    def psql(self, *statements):
        args = [a for sql in statements for a in ("-c", sql)]
        p = self.s.gw.popen("operator", ["psql", "-XAt", *args, self.s.dsn()], token={"sub": "crew-8"},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.running.append(p)
        return p

    def pending(self, rule):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            out = self.s.gw.sluice("requests", "--json").stdout
            found = [r for r in map(json.loads, out.splitlines()) if r["rule"] == rule and r["state"] == "pending"]
            if found:
                return found[0]
            time.sleep(0.05)
        raise RuntimeError(f"nothing waits by rule {rule}")

    def end(self):
        for p in self.running:
            if p.poll() is None:
                p.terminate()
            p.communicate()


def votes_by_hand(web, agents):
    """What a program could send in a browser's place: a console call never counts as root's, nor as another person's."""
    p = agents.psql("UPDATE crown SET name = 'x' WHERE id = 1")
    r = agents.pending("write")
    path = f"/v1/requests/{r['request']}"
    ada, cleo = web.person("ada"), web.person("cleo")
    got, answer = ada.post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})
    t.check(got == 409 and "not shown" in answer["error"], "who has not fetched the whole of it has no vote", (got, answer))
    t.equal(ada.get("/v1/requests")[0], 200, "a list is not the whole of it")
    got, answer = ada.post(path + "/vote", {"verdict": "deny", "hash": r["hash"], "words": "unread"})
    t.equal(got, 409, f"so there is still none, for a denial neither {answer}")
    t.check(r["hash"] == ada.get(path)[1]["hash"] and cleo.get(path)[0] == 200, "it is read")
    got, answer = web.person("ben").post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})
    t.equal(got, 409, f"by one login, not by another {answer}")
    for what, who, body, status in (
        ("an administrator", cleo, {"verdict": "approve", "hash": r["hash"]}, (403,)),
        ("another hash", ada, {"verdict": "approve", "hash": "0" * 64}, (400, 409, 422)),
        ("no hash", ada, {"verdict": "approve"}, (400, 409, 422)),
        ("a denial without words", ada, {"verdict": "deny", "hash": r["hash"]}, (400,)),
        ("words of 500 bytes", ada, {"verdict": "deny", "hash": r["hash"], "words": "x" * 500}, (400,)),
        ("a choice that the rule has not", ada, {"verdict": "approve", "hash": r["hash"], "choice": "pattern"}, (403,)),
    ):
        got, answer = who.post(path + "/vote", body)
        t.check(got in status, f"a vote with {what} is refused", (got, answer))
    got, answer = ada.post(path + "/vote", {"verdict": "approve", "hash": r["hash"], "token": "x", "subject": "ben", "issuer": "x", "uid": 0})
    t.equal(got, 200, f"a vote is the login's own, whatever its body claims {answer}")
    votes = ada.get(path)[1]["votes"]
    t.equal([(v["issuer"], v["subject"], v["state"]) for v in votes], [(web.provider.issuer, "ada", "counts")], "and is booked so")
    t.check(votes[0]["from"].startswith("127.0.0.1:"), "with where it came from", votes)
    t.check(p.poll() is None, "and the statement still waits")
    t.equal(cleo.post("/v1/approvers/revoke", {"subject": "ada"})[0], 200, "an administrator revokes an approver")
    t.equal([v["state"] for v in ada.get(path)[1]["votes"]], ["void"], "between click and release: the vote is void")
    got, answer = ada.post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})
    t.check(got == 403 and "log in anew" in answer["error"], "and the old login votes no more", answer)
    time.sleep(1.1)  # a login of the same second is not believed either
    ada, ben = web.person("ada"), web.person("ben")
    t.check(ada.post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})[0] == 409, "a new login reads anew")
    t.equal((ada.get(path)[0], ben.get(path)[0]), (200, 200), "which it may")
    got, answer = ada.post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})
    t.equal(got, 200, f"and votes {answer}")
    got, answer = ben.post(path + "/vote", {"verdict": "deny", "hash": r["hash"], "words": "enough"})
    t.equal(got, 200, f"a denial ends it {answer}")
    err = p.communicate(timeout=20)[1]
    t.check("enough" in err and p.returncode, "the agent reads it", err)


def by_browser(web, agents, s):
    lines = [f"  ('row {i} ' || repeat('x', {i}), {i})" for i in range(1, 700)]
    long = "INSERT INTO crown (name, id) VALUES\n" + ",\n".join(lines)
    given = {"url": web.url, "long": {"first": "('row 1 '", "last": "repeat('x', 699), 699)"}}
    run = ["node", stack.ROOT / "tests/lib/browser_hold.mjs", web_lib.modules(), json.dumps(given)]
    browser = subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    asks = {
        "ddl": ("ddl-two-dbas", ["ALTER TABLE crown ADD COLUMN note text", "SELECT count(note) FROM crown"]),
        "denied": ("ddl-two-dbas", ["ALTER TABLE crown DROP COLUMN note"]),
        "long": ("write", [long]),
        "stale": ("stale", ["DELETE FROM crown WHERE id = 1"]),
    }
    done = {}
    for line in browser.stdout:
        word, _, rest = line.rstrip().partition(" ")
        if word != "next":
            t.check(word == "ok", line.rstrip())
            continue
        rule, sql = asks[rest]
        done[rest] = agents.psql(*sql)
        browser.stdin.write(json.dumps(agents.pending(rule)) + "\n")
        browser.stdin.flush()
    t.equal(browser.wait(60), 0, "the browser's script ends well")
    if len(done) < len(asks):
        raise RuntimeError(f"the browser's script came as far as {list(done)}")
    out, err = done["ddl"].communicate(timeout=20)
    t.equal((done["ddl"].returncode, out.split()), (0, ["ALTER", "TABLE", "0"]), f"it ran, and the same session goes on: {err}")
    out, err = done["denied"].communicate(timeout=20)
    t.check(done["denied"].returncode and "not on a Friday <b>" in err and "42501" not in out, "the agent reads the approver's words", err)
    out, err = done["long"].communicate(timeout=20)
    t.equal(out.strip(), "INSERT 0 699", f"the long one ran whole {err}")
    t.equal(s.pg.psql("SELECT count(*) FROM crown WHERE id = 1 AND name = 'Ada'", "shop"), "1", "what was not approved did not happen")


def is_on_record(s, web):
    events = s.gw.events()
    releases = [e for e in events if e["type"] == "approval.release"]
    votes = {e["_seq"]: e for e in events if e["type"] == "approval.vote"}
    t.equal(len(releases), 2, "two releases are on record")
    for r in releases:
        mine = [votes[n] for n in r["votes"]]
        t.equal(sorted(v["by"] for v in mine), ["ada", "ben"], "each names two people's votes")
        t.check(all(v["_seq"] < r["_seq"] and v["by_issuer"] == web.provider.issuer for v in mine), "by the provider's name for them", mine)
    done = s.gw.sluice("verify", check=False)
    t.equal(done.returncode, 0, f"and the record verifies {done.stdout}{done.stderr}")


def main():
    why = web_lib.missing() or (not shutil.which("chromium") and "chromium is not installed")
    if why:
        t.skip(why)
        t.done()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sl-hold-"))
    folder.chmod(0o755)
    web = web_lib.Console(folder, people=PEOPLE, has_tls=True)
    try:
        with stack.Stack(POLICY, database="shop", config=web.config) as s:
            s.pg.psql("CREATE TABLE crown (id int, name text); INSERT INTO crown VALUES (1, 'Ada'), (2, NULL);", "shop")
            agents = Agents(s)
            try:
                by_browser(web, agents, s)
                votes_by_hand(web, agents)
            finally:
                agents.end()
            is_on_record(s, web)
    finally:
        web.down()
        shutil.rmtree(folder, ignore_errors=True)
    t.done()


main()
