"""The console with all that belongs to it: a certificate, a real OpenID provider (npm oidc-provider), people who log
in, and a client that speaks HTTP over TLS as a browser does, or as one never would."""
import html
import http.client
import http.cookiejar
import json
import re
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from stack import ROOT, free_port

PEOPLE = {"ada": ["dba", "sluice-approvers"], "ben": ["dba", "sluice-approvers"], "cleo": ["sluice-admins"],
          "dora": ["sluice-auditors"], "eve": []}
SECRET = "a secret with %20 and +"


def missing():
    """Why this machine cannot run it, or None."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return "node and npm are not installed"
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        return f"node {version} is too old for the provider and the browser's driver: 20 or later"
    return None


def modules():
    return subprocess.run([ROOT / "tests/lib/npm"], capture_output=True, text=True, check=True).stdout.strip()


class Provider:
    def __init__(self, redirect, people=None, tls=()):
        run = ["node", ROOT / "tests/lib/idp.mjs", modules(), redirect, json.dumps(people or PEOPLE), *tls]
        self.process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.issuer = self.process.stdout.readline().strip()
        if not self.issuer:
            raise SystemExit("web: the provider did not start")

    def down(self):
        self.process.kill()
        self.process.wait()


class Console:
    """web.config goes to the gateway. has_tls: the provider has a certificate of its own authority, too."""

    def __init__(self, folder, people=None, has_tls=False, **more):
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        keys = folder / "keys"
        keys.mkdir()
        self.certificate = folder / "console.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                        folder / "console.key", "-out", self.certificate], check=True, capture_output=True)
        tls = [self.certificate, folder / "console.key"] if has_tls else []
        self.provider = Provider(self.url + "/auth/callback", people, tls)
        if has_tls:
            more["issuer_ca"] = str(self.certificate)
        (keys / "secret").write_text(SECRET + "\n")
        self.config = {
            "public_url": self.url,
            "key_dirs": [str(keys)],
            "console": {
                "listen": f"127.0.0.1:{self.port}",
                "certificate": str(self.certificate),
                "key": str(folder / "console.key"),
                "issuer": self.provider.issuer,
                "client_secret": f"file:{keys}/secret",
                "admin_groups": ["sluice-admins"],
                "approver_groups": ["sluice-approvers"],
                "auditor_groups": ["sluice-auditors"],
                **more,
            },
        }
        self.tls = ssl.create_default_context(cafile=str(self.certificate))

    def down(self):
        self.provider.down()

    def connect(self, timeout=10):
        return self.tls.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout),
                                    server_hostname="127.0.0.1")

    def raw(self, data, timeout=10):
        """What comes back for these bytes, until the end."""
        with self.connect(timeout) as s:
            s.sendall(data)
            answer = b""
            try:
                while chunk := s.recv(65536):
                    answer += chunk
            except (TimeoutError, ssl.SSLError, ConnectionError):
                pass
            return answer

    def person(self, name=None, **how):
        p = Person(self)
        if name:
            p.login(name, **how)
        return p


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kw):
        return None


class Person:
    """A browser's cookies and manners, without a browser."""

    def __init__(self, web):
        self.web = web
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPCookieProcessor(self.jar),
                                                  urllib.request.HTTPSHandler(context=web.tls))
        self.csrf = None

    def fetch(self, url, data=None, headers=None, method=None):
        r = urllib.request.Request(url, data, headers or {}, method=method)
        try:
            with self.opener.open(r, timeout=20) as a:
                return a.status, a.headers, a.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def follow(self, url, **kw):
        for _ in range(12):
            status, headers, body = self.fetch(url, **kw)
            if status not in (301, 302, 303, 307):
                return url, status, headers, body
            url, kw = urllib.parse.urljoin(url, headers["Location"]), {}
        raise RuntimeError("too many redirects")

    def login(self, name, to="/", fresh=False):
        """Through the provider's own pages. Returns where it ends."""
        query = urllib.parse.urlencode({"to": to, **({"fresh": "1"} if fresh else {})})
        url, status, headers, body = self.follow(f"{self.web.url}/auth/login?{query}")
        for _ in range(3):
            form = re.search(r'<form[^>]*action="([^"]+)"', body.decode(errors="replace"))
            if url.startswith(self.web.url) or not form:
                break
            fields = dict(re.findall(r'name="(prompt)" value="(\w+)"', body.decode()))
            data = urllib.parse.urlencode({**fields, "login": name, "password": "x"}).encode()
            url, status, headers, body = self.follow(urllib.parse.urljoin(url, html.unescape(form[1])), data=data)
        me = self.get("/v1/me")
        self.csrf = me[1].get("csrf") if me[0] == 200 else None
        return url

    def get(self, path, **headers):
        status, head, body = self.fetch(self.web.url + path, headers=headers)
        if "ndjson" in head.get("Content-Type", ""):
            return status, [json.loads(line) for line in body.splitlines()]
        return status, json.loads(body) if "json" in head.get("Content-Type", "") else body

    def post(self, path, body=None, **headers):
        given = {"Origin": self.web.url, "X-CSRF-Token": self.csrf or "", "Content-Type": "application/json",
                 "Sec-Fetch-Site": "same-origin", **{k.replace("_", "-"): v for k, v in headers.items()}}
        given = {k: v for k, v in given.items() if v is not None}
        status, head, answer = self.fetch(self.web.url + path, json.dumps(body or {}).encode(), given, "POST")
        return status, json.loads(answer) if "json" in head.get("Content-Type", "") else answer
