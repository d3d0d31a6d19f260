#!/usr/bin/env python3
"""The admin API over TLS: login by a real OpenID provider, roles, what a browser may not be made to do, and what the
record says of all that."""
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402
import web as web_lib  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"viewer": ["viewer"], "operator": ["operator"]},
    "resources": [{"name": "shop", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"],
                   "credentials": {"viewer": "file:CRED/db", "operator": "file:CRED/db"}}],
    "masks": {"names": {"columns": ["public.vault.secret"], "as": "last4"}},
    "rules": [{"id": "read", "resource": "shop", "roles": ["viewer"], "verbs": ["select"], "relations": ["public.*"],
               "effect": "mask", "masks": ["names"]},
              {"id": "write", "resource": "shop", "roles": ["operator"], "verbs": ["insert"], "relations": ["public.*"],
               "effect": "allow"}],
    "grants": [{"id": "lift", "role": "operator", "from": ["viewer"], "for": "1h", "approvers": [{"group": "dba", "need": 2}],
                "expires": "10m", "notify": ["ops", "chat", "deaf"]}],
}
t = stack.Checks()


def logs_in(web):
    p = web.person()
    t.equal(p.get("/v1/me")[0], 401, "nobody is logged in at first")
    end = p.login("ada", to="/requests/r-1")
    t.equal(end, web.url + "/requests/r-1", "a login ends where it was to go")
    status, me = p.get("/v1/me")
    t.equal((status, me["subject"], me["roles"]), (200, "ada", ["approver"]), "who it is")
    t.equal(me["groups"], web_lib.PEOPLE["ada"], "the groups")
    t.check(abs(me["auth_time"] - time.time()) < 120, "when", me)
    cookie = [c for c in p.jar if c.name == "__Host-sluice"][0]
    t.check(cookie.secure and cookie.has_nonstandard_attr("HttpOnly") and cookie.path == "/", "the cookie's form")
    t.equal(cookie.get_nonstandard_attr("SameSite"), "Strict", "and its site")


def unix(gw, method, path, body=None):
    """One request on the Unix socket, as root."""
    data = json.dumps(body).encode() if body is not None else b""
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(20)
        c.connect(str(gw.socket))
        c.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b""
        while chunk := c.recv(65536):
            answer += chunk
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(text)


def keeps_roles_apart(web):
    table = {  # path: who may (ada approver, cleo admin, dora auditor)
        ("GET", "/v1/status"): "acd", ("GET", "/v1/doctor"): "acd", ("GET", "/v1/requests"): "acd",
        ("GET", "/v1/sessions"): "cd", ("GET", "/v1/sessions/newest"): "cd", ("GET", "/v1/policy"): "cd", ("GET", "/v1/policy/explain"): "cd", ("POST", "/v1/policy/explain"): "cd",
        ("GET", "/v1/events?limit=1"): "cd", ("GET", "/v1/export?limit=1"): "cd", ("GET", "/v1/verify"): "cd",
        ("GET", "/v1/grants"): "acd", ("POST", "/v1/policy/reload"): "c", ("POST", "/v1/sessions/s-none/revoke"): "c",
        ("POST", "/v1/requests/r-none/vote"): "a", ("POST", "/v1/approvers/revoke"): "c",
        ("POST", "/v1/tokens"): "", ("POST", "/v1/sessions"): "", ("POST", "/v1/elevate"): "",
        ("POST", "/v1/sessions/s-none/renew"): "", ("POST", "/v1/sessions/s-none/end"): "",
        ("GET", "/v1/requests/stream"): "",
    }
    for name in ("ada", "cleo", "dora"):
        p = web.person(name)
        for (method, path), who in table.items():
            status = (p.get(path) if method == "GET" else p.post(path))[0]
            may = name[0] in who
            t.check((status == 403) != may and status != 401, f"{name} {'may' if may else 'may not'} {method} {path}", status)
    p = web.person()
    t.check(p.login("eve").endswith("/?login=groups"), "who is in no group has no session")
    t.equal(p.get("/v1/me")[0], 401, "none at all")


def bears_forgery(web):
    """What a page elsewhere, or a program, can make a browser send."""
    p = web.person("cleo")
    path = "/v1/policy/reload"
    t.equal(p.post(path)[0], 200, "the page itself may")
    for what, headers in {
        "no token": {"X_CSRF_Token": None}, "an empty token": {"X_CSRF_Token": ""},
        "another token": {"X_CSRF_Token": "A" * 43}, "no origin": {"Origin": None}, "a null origin": {"Origin": "null"},
        "a foreign origin": {"Origin": "https://evil.example"}, "a longer origin": {"Origin": web.url + ".evil.example"},
        "another port": {"Origin": web.url[:-1]}, "plain http": {"Origin": web.url.replace("https", "http")},
        "a cross-site mark": {"Sec_Fetch_Site": "cross-site"}, "a same-site mark": {"Sec_Fetch_Site": "same-site"},
        "a form's type": {"Content_Type": "text/plain"},
    }.items():
        t.equal(p.post(path, {"a": 1}, **headers)[0], 403, f"a change with {what} is refused")
    t.equal(p.get("/v1/me", **{"Sec-Fetch-Site": "cross-site"})[0], 403, "another site's page reads nothing")
    other = web.person("dora")
    other.csrf = p.csrf
    t.equal(other.post("/auth/logout")[0], 403, "one person's token is not another's")
    t.equal(p.post("/auth/logout")[0], 200, "a logout")
    t.equal(p.get("/v1/me")[0], 401, "ends the session")


def bears_logins_that_are_none(web):
    p = web.person()
    url = web.url + "/auth/callback?code=x&state=" + "A" * 43
    t.check(p.fetch(url)[1]["Location"] == "/?login=state", "an answer to no login is refused")
    status, head, _ = p.fetch(web.url + "/auth/login?to=//evil.example/")
    t.equal(status, 303, "a login begins")
    where = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(head["Location"]).query))
    t.check(where["code_challenge_method"] == "S256" and len(where["code_challenge"]) == 43 and where["nonce"] != where["state"]
            and where["response_type"] == "code", "with PKCE, state and nonce", where)

    def back(who, more, iss=web.provider.issuer):
        """Begins, and comes back with this."""
        began = who.fetch(web.url + "/auth/login")[1]["Location"]
        state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(began).query))["state"]
        url = f"{web.url}/auth/callback?state={state}&iss={urllib.parse.quote(iss)}&{more}"
        return url, who.fetch(url)[1]["Location"]

    t.equal(back(p, "code=forged")[1], "/?login=provider", "a forged code is refused by the provider")
    t.equal(back(p, "code=c", "https://evil.example")[1], "/?login=state", "another provider's answer")
    t.equal(back(p, "error=access_denied")[1], "/?login=provider", "a refusal of the provider's")
    url = back(p, "code=c")[0]
    t.check(p.fetch(url)[1]["Location"] == "/?login=state", "an answer is taken once")
    p.fetch(web.url + "/auth/login")
    t.check(web.person().fetch(url)[1]["Location"] == "/?login=state", "another browser's login")
    t.equal(p.get("/v1/me")[0], 401, "none of them logs in")
    t.equal(web.person().login("dora", to="//evil.example/"), web.url + "/", "a login leads to the console alone")


def bears_bad_bytes(web, gw):
    get = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n"
    for what, data, status in (
        ("no HTTP", b"\0\1\2\r\n\r\n", 400), ("two lengths", get + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
        ("a chunked body", get + b"Transfer-Encoding: chunked\r\n\r\n", 501), ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501),
        ("a body of 65 KiB", b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 66560\r\n\r\n", 413),
        ("a head of 9 KiB", get + b"A: " + b"a" * 9000 + b"\r\n\r\n", 413), ("a field without end", get + b"A\r\n\r\n", 400),
        ("another method", b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405), ("no such file", b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("an escaped path", b"GET /%2e%2e/app.js HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ):
        answer = web.raw(data)
        t.check(answer.startswith(f"HTTP/1.1 {status} ".encode()), f"{what} is answered with {status}", answer[:60])
    page = web.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /app.css HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    t.equal(page.count(b"HTTP/1.1 200 OK"), 2, "a connection serves file after file")
    t.check(b"default-src 'none'" in page and b"frame-ancestors 'none'" in page and b"trusted-types 'none'" in page
            and b"unsafe" not in page.split(b"\r\n\r\n")[0], "under a policy that lets nothing run")
    with socket.create_connection(("127.0.0.1", web.port), 5) as c:
        c.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            got = c.recv(100)
        except OSError:
            got = b""
        t.check(not got.startswith(b"HTTP"), "without TLS there is nothing")


def begins_slowly(web):
    """A request that does not end, and when it began."""
    c = web.connect()
    c.sendall(b"GET /v1/me HTT")
    return c, time.monotonic()


def bears_those_who_wait(web, gw, snail):
    """Slow ones, many at once, and one who never reads: the others are served, the room comes back."""
    first, began = snail
    first.settimeout(20)
    try:
        t.equal(first.recv(10), b"", "a request that does not end is cut")
    except OSError:
        t.check(True, "a request that does not end is cut")
    t.check(time.monotonic() - began > 9, "not before its time")
    first.close()
    slow = [web.connect() for _ in range(64)]
    for c in slow:
        c.sendall(b"GET /v1/me HTT")
    refused = 0
    for _ in range(20):
        try:
            web.connect(3).close()
        except OSError:
            refused += 1
    t.check(refused >= 10, "one address does not take all the room", refused)
    t.equal(gw.sluice("status", check=False).returncode, 0, "the Unix socket does not care")
    for c in slow:
        c.close()
    p = web.person("ada")
    cookie = "; ".join(f"{c.name}={c.value}" for c in p.jar if c.name == "__Host-sluice")
    deaf = web.connect()
    deaf.sendall(f"GET /v1/live HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    t.check(b"text/event-stream" in deaf.recv(2000), "somebody looks")
    for _ in range(30):
        gw.sluice("reload", check=False)
    t.equal(p.get("/v1/me")[0], 200, "and does not read: the others are served")
    looks = [p.web.connect() for _ in range(10)]
    for c in looks:
        c.sendall(f"GET /v1/live HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    heads = [c.recv(60).split()[1] for c in looks]
    t.check(b"429" in heads, "nor has one person the room of all", heads)
    for c in [*looks, deaf]:
        c.close()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes notices; /deaf takes none, /late none of the first two."""
    got, tries = [], {}

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        n = self.tries[self.path] = self.tries.get(self.path, 0) + 1
        bad = self.path == "/deaf" or self.path == "/late" and n <= 2
        if not bad:
            self.got.append((self.path, dict(self.headers), body))
        self.send_response(503 if bad else 204)
        self.end_headers()


def signed(body, at=None, secret=b"a secret of the hooks"):
    at = int(time.time()) if at is None else at
    data = json.dumps(body).encode()
    mac = hmac.new(secret, f"{at}.".encode() + data, hashlib.sha256).hexdigest()
    return data, {"X-Sluice-Timestamp": str(at), "X-Sluice-Signature": "v1=" + mac, "Content-Type": "application/json"}


def send(web, name, data, headers):
    status, _, body = web.person().fetch(f"{web.url}/hooks/{name}", data, headers, "POST")
    return status, json.loads(body)


def asks_for_role(gw, session, reason="more\u202epower <b>now</b>"):
    status, r = unix(gw, "POST", "/v1/elevate", {"session": session, "role": "operator", "reason": reason, "for": 600})
    t.equal(status, 201, f"a role is asked for: {r}")
    return r


def tells_and_is_answered(web, s):
    agent = s.gw.popen("viewer", ["sleep", "120"], token={"sub": "crew-hook"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    live = stack.until(lambda: [w for w in unix(s.gw, "GET", "/v1/status")[1]["workloads"] if w["subject"] == "crew-hook"])
    r = asks_for_role(s.gw, live[0]["session"], "let me <!channel> in")
    stack.until(lambda: {p for p, _, _ in Receiver.got} >= {"/ops", "/late"}, 20)
    got = {p: (h, json.loads(b), b) for p, h, b in Receiver.got}
    head, told, raw = got["/ops"]
    mac = hmac.new(b"a secret of the hooks", f"{head['X-Sluice-Timestamp']}.".encode() + raw, hashlib.sha256).hexdigest()
    t.equal(head["X-Sluice-Signature"], "v1=" + mac, "a notice is signed")
    t.equal(told["link"], f"{web.url}/requests/{r['request']}", "and says where to look")
    t.check("reason" not in told["request"] and told["request"]["hash"] == r["hash"], "without the agent's words", told)
    t.equal(Receiver.tries.get("/late"), 3, "it is tried again")
    t.check(got["/late"][1]["blocks"] and b"channel" not in got["/late"][2], "a chat gets no markup of the agent's", got["/late"][2])
    vote = {"request": r["request"], "hash": r["hash"], "verdict": "approve", "subject": "ada", "for": 300}
    data, headers = signed(vote)
    for what, name, d, h in (
        ("unsigned", "ops", data, {}), ("changed", "ops", data.replace(b"ada", b"eve"), headers),
        ("another secret's", "ops", *signed(vote, secret=b"another secret, as long")), ("too old", "ops", *signed(vote, at=int(time.time()) - 400)),
        ("of the future", "ops", *signed(vote, at=int(time.time()) + 400)), ("of a webhook that takes none", "chat", data, headers),
        ("of no webhook", "nope", data, headers),
    ):
        t.equal(send(web, name, d, h)[0], 403, f"an answer that is {what} is refused")
    t.check(send(web, "ops", *signed({**vote, "hash": "0" * 64}))[0] in (400, 403, 409, 422), "nor one about something else")
    t.equal(send(web, "ops", *signed({**vote, "words": "unseen"}))[0], 409, "nor of one who was not shown it")
    status, body = send(web, "ops", *signed({"request": r["request"], "subject": "ada"}))
    t.equal((status, body.get("hash"), "body" in body), (200, r["hash"], True), "it is fetched for that person")
    t.equal(send(web, "ops", *signed({"request": "r-nope", "subject": "ada"}))[0], 404, "and what does not ask is not")
    for bad, status in (({"for": "600"}, 400), ({"uses": -1}, 400), ({"relations": "public.crown"}, 400), ({"classes": ["all"]}, 400), ({"resource": 1}, 400),
                        ({"verdict": "deny"}, 400), ({"verdict": None}, 400), ({"subject": ""}, 400), ({"words": 7}, 400), ({"choice": "once"}, 403)):
        t.equal(send(web, "ops", *signed({**vote, **bad}))[0], status, f"what would narrow it and cannot be read refuses it: {bad}")
    status, body = send(web, "ops", data, headers)
    t.equal((status, body.get("state")), (200, "pending"), f"an answer counts {body}")
    t.equal(send(web, "ops", data, headers)[0], 403, "once: the same again is refused")
    t.check(send(web, "ops", *signed(vote, at=int(time.time()) - 1))[0] in (403, 409), "and signed anew it is a second vote of the same person")
    ada, ben, path = web.person("ada"), web.person("ben"), f"/v1/requests/{r['request']}"
    t.equal((ada.get(path)[0], ben.get(path)[0]), (200, 200), "two read it at the console")
    status, body = ada.post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})
    t.check(status == 409 and "already" in body["error"], "who is the same person at the console", (status, body))
    status, body = ben.post(path + "/vote", {"verdict": "approve", "hash": r["hash"]})
    t.equal(status, 200, f"another person's does the rest {body}")
    grants = stack.until(lambda: unix(s.gw, "GET", "/v1/grants")[1]["grants"])
    t.check(grants and grants[0]["until"] <= time.time() + 300, "and the role is given, for no longer than the answer by webhook allows", grants)
    agent.terminate()
    agent.wait()


MARKUP = '<img src=x onerror=alert(1)><b class=evil>bold</b>'
HOSTILE = f"SELECT '{MARKUP}' AS x, 'a\u202egnp.exe' AS rtl, 'z\u200bw\ufeff' AS gone, E'\x1b[31mred' AS esc, 1 AS one"


def makes_sessions(s):
    """A few sessions with all that a session may say; the last one's id."""
    for i in range(3):
        s.gw.run("viewer", ["psql", "-XqAt", "-d", s.dsn(), "-c", "SELECT 1"])
    script = s.gw.folder / "hostile.sql"
    script.write_text(HOSTILE + ";\nDROP TABLE crown;\nSELECT id, name FROM crown ORDER BY id;\n")
    done = s.gw.run("viewer", ["psql", "-XqAt", "-d", s.dsn(), "-f", script])
    lines = [json.loads(line) for line in s.gw.sluice("sessions", "--json").stdout.splitlines()]
    t.check("42501" in done.stderr or "denied" in done.stderr.lower(), "a DROP is refused", done.stderr)
    return max(lines, key=lambda x: x["start"])["session"]


def answers_as_documented(web, gw):
    """Every field of what comes back is in the document that is served, and all that it promises comes back."""
    import jsonschema
    doc = json.loads(web.person().fetch(web.url + "/openapi.json")[2])
    t.check(doc == json.loads((stack.ROOT / "userspace/console/web/openapi.json").read_text()), "the document is served")
    cleo, n = web.person("cleo"), 0
    ask = {"/v1/events": "?limit=300", "/v1/export": "?limit=50", "/v1/requests": "?all=1", "/v1/grants": "?all=1",
           "/v1/policy/explain": "?role=viewer&resource=shop&needs=select:public.crown+drop:public.crown"}
    newest = cleo.get("/v1/sessions/newest")[1]["sessions"][0]["session"]
    request = cleo.get("/v1/requests?all=1")[1]["requests"][0]["request"]
    for path, item in doc["paths"].items():
        content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if path in ("/v1/live", "/v1/prove", "/v1/requests/stream"):
            continue  # streams, and what needs a checkpoint
        if not content:
            continue
        where = path.replace("{id}", newest if "sessions" in path else request)
        status, body = cleo.get(where + ask.get(path, ""))
        t.equal(status, 200, f"GET {path}")
        kind, media = next(iter(content.items()))
        schema = {**media["schema"], "components": doc["components"]}
        for one in body if "ndjson" in kind else [body]:
            if one.get("type") == "checkpoint":
                continue
            wrong = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(one)), None)
            if wrong:
                t.check(False, f"GET {path} is as documented", f"{list(wrong.absolute_path)}: {wrong.message[:300]}")
                break
            n += 1
    t.check(n > 100, "enough was compared", n)
    changes_answer_as_documented(web, gw, doc, newest)


def schema_of(doc, method, path, status):
    """That of the answer which the document promises for this status, or its error's."""
    answers = doc["paths"][path][method]["responses"]
    answer = answers.get(str(status), answers["default"])
    return {**answer["content"]["application/json"]["schema"], "components": doc["components"]}


def changes_answer_as_documented(web, gw, doc, ended):
    """Every POST of the document is made, over TLS or on the Unix socket, and its answer held against the document."""
    import jsonschema
    cleo, ben = web.person("cleo"), web.person("ben")
    token = gw.token("viewer", sub="crew-doc").read_text().strip()
    agent = gw.popen("viewer", ["sleep", "60"], token={"sub": "crew-doc"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    live = stack.until(lambda: [w for w in unix(gw, "GET", "/v1/status")[1]["workloads"] if w["subject"] == "crew-doc"])[0]["session"]
    dba = gw.token("dba", sub="doc-dba", owner="nobody@example.com").read_text().strip()
    request = asks_for_role(gw, live)
    one = f"/v1/requests/{request['request']}"
    vote = {"verdict": "approve", "hash": request["hash"]}
    done = [  # document's path, path, status, who, body
        ("/v1/sessions", "/v1/sessions", 4, None, {"token": "x"}),
        ("/v1/sessions/{id}/renew", f"/v1/sessions/{live}/renew", 200, None, {"token": token}),
        ("/v1/sessions/{id}/thaw", f"/v1/sessions/{live}/thaw", 200, cleo, {"reason": "doc"}),
        ("/v1/policy/reload", "/v1/policy/reload", 200, cleo, {}),
        ("/v1/policy/explain", "/v1/policy/explain", 200, cleo, {"role": "viewer", "resource": "shop", "sql": "SELECT * FROM crown; DROP TABLE crown"}),
        ("/v1/policy/explain", "/v1/policy/explain", 400, cleo, {"role": "nobody", "resource": "shop", "sql": "SELECT 1"}),
        ("/v1/policy/explain", "/v1/policy/explain", 422, cleo, {"role": "viewer", "resource": "shop", "sql": "SELEC 1"}),
        ("/v1/tokens", "/v1/tokens", 201, None, {"sub": "x", "groups": ["viewer"], "ttl": 60}),
        ("/v1/tokens", "/v1/tokens", 400, None, {"sub": "x"}),
        ("/v1/tokens", "/v1/tokens", 403, cleo, {}),
        ("/v1/requests", "/v1/requests", 200, None, {"token": dba}),
        ("/v1/requests/{id}", one, 200, None, {"token": dba}),
        ("/v1/requests/{id}/vote", one + "/vote", 409, ben, vote),
        ("/v1/requests/{id}/vote", one + "/vote", 200, ben, vote),
        ("/v1/requests/{id}/vote", one + "/vote", 200, None, {**vote, "token": dba}),
        ("/v1/approvers/revoke", "/v1/approvers/revoke", 200, cleo, {"subject": "nobody-at-all"}),
        ("/v1/elevate", "/v1/elevate", 201, None, {"session": live, "role": "operator", "reason": "again", "for": 60}),
    ]
    n = {path for path, item in doc["paths"].items() if "post" in item and path.startswith("/v1/")}

    def make(name, path, want, who, body):
        if body == vote and want == 200:
            t.equal(ben.get(one)[0], 200, "who is to vote reads it")
        status, answer = who.post(path, body) if who else unix(gw, "POST", path, body)
        t.check(status == want or status // 100 == want, f"POST {name} answers with {want}", (status, answer))
        wrong = next(iter(jsonschema.Draft202012Validator(schema_of(doc, "post", name, status)).iter_errors(answer)), None)
        t.check(not wrong, f"POST {name} is as documented", wrong and f"{list(wrong.absolute_path)}: {wrong.message[:300]}")
        n.discard(name)

    for row in done:
        make(*row)
    grant = stack.until(lambda: [g for g in unix(gw, "GET", "/v1/grants")[1]["grants"] if g["request"] == request["request"]])[0]["grant"]
    make("/v1/grants/{id}/revoke", f"/v1/grants/{grant}/revoke", 200, cleo, {"reason": "doc"})
    make("/v1/sessions/{id}/revoke", f"/v1/sessions/{live}/revoke", 200, cleo, {"reason": "doc"})
    make("/v1/sessions/{id}/release", f"/v1/sessions/{ended}/release", 4, None, {"reason": "doc"})
    make("/v1/sessions/{id}/end", f"/v1/sessions/{live}/end", 200, None, {})
    t.equal(n, set(), "no change of the document was left out")
    agent.terminate()
    agent.wait()
    status, answer = cleo.get("/v1/nothing")
    wrong = list(jsonschema.Draft202012Validator({"$ref": "#/components/schemas/Error", "components": doc["components"]}).iter_errors(answer))
    t.check(status == 404 and not wrong, "what there is not is an error as documented", wrong[:1])


def by_browser(web, session, request):
    """What a person sees: tests/lib/browser.mjs."""
    if not shutil.which("chromium"):
        t.skip("chromium is not installed")
        return
    given = {"url": web.url, "session": session, "request": request, "hostile": {"markup": MARKUP, "codes": ["U+202E", "U+200B", "U+FEFF"]}}
    run = ["node", stack.ROOT / "tests/lib/browser.mjs", web_lib.modules(), json.dumps(given)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=240)
    for line in done.stdout.splitlines():
        t.check(line.startswith("ok "), line)
    t.check(done.returncode == 0, "the browser's script ends well", done.stderr[-2000:])


def is_on_record(gw):
    events = gw.events()
    logins = [e for e in events if e["type"] == "admin.login"]
    t.check(any(e["decision"] == "allow" and e["actor"] == "ada" for e in logins), "a login is on record")
    t.check(any(e["decision"] == "deny" and "group" in e["reason"] for e in logins), "and one that was refused")
    calls = [e for e in events if e["type"] == "admin.call"]
    t.check(any(e["actor"] == "cleo" and e["path"] == "/v1/events" and e["from"].startswith("127.0.0.1:") for e in calls),
            "reading a recording is on record")
    t.check(any(e["actor"] == "dora" and e["decision"] == "deny" and e["path"] == "/v1/policy/reload" for e in calls),
            "and what was refused")
    t.check(any(e["actor"] == "uid 0" and e["path"] == "/v1/elevate" for e in calls), "and the Unix socket's calls")
    t.check(all("state=" not in json.dumps(e) and "__Host" not in json.dumps(e) for e in calls), "without secrets")


def dead(gw, web):
    path = gw.folder / "state/dead-letters.jsonl"
    if os.environ.get("LONG"):  # five tries take 13 minutes
        stack.until(path.exists, 900)
        return json.loads(path.read_text().splitlines()[0])["webhook"] == "deaf"
    return Receiver.tries.get("/deaf", 0) >= 2


def main():
    why = web_lib.missing()
    if why:
        t.skip(why)
        t.done()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sl-web-"))
    folder.chmod(0o755)
    web = web_lib.Console(folder)
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    (folder / "keys/hooks").write_text("a secret of the hooks\n")
    web.config["webhooks"] = [
        {"name": name, "url": f"http://127.0.0.1:{receiver.server_port}{path}", "secret": f"file:{folder}/keys/hooks", **more}
        for name, path, more in (("ops", "/ops", {"groups": ["dba"]}), ("chat", "/late", {"format": "slack"}),
                                 ("deaf", "/deaf", {"format": "teams"}))]
    try:
        with stack.Stack(POLICY, database="shop", config=web.config) as s:
            s.pg.psql("CREATE TABLE crown (id int, name text); INSERT INTO crown VALUES (1, 'Ada'), (2, NULL); CREATE TABLE vault (id int, secret text);",
                      "shop")
            logs_in(web)
            keeps_roles_apart(web)
            bears_forgery(web)
            bears_logins_that_are_none(web)
            bears_bad_bytes(web, s.gw)
            tells_and_is_answered(web, s)
            session = makes_sessions(s)
            agent = s.gw.popen("viewer", ["sleep", "200"], token={"sub": "crew-7"}, stdout=subprocess.DEVNULL)
            live = stack.until(lambda: [w for w in unix(s.gw, "GET", "/v1/status")[1]["workloads"] if w["subject"] == "crew-7"])
            by_browser(web, session, asks_for_role(s.gw, live[0]["session"]))
            agent.terminate()
            agent.wait()
            snail = begins_slowly(web)
            answers_as_documented(web, s.gw)
            bears_those_who_wait(web, s.gw, snail)
            is_on_record(s.gw)
            t.check(dead(s.gw, web) is not None, "what nobody takes is kept")
            if os.environ.get("LOG"):
                print(s.gw.log())
    finally:
        web.down()
        shutil.rmtree(folder, ignore_errors=True)
    t.done()


main()
