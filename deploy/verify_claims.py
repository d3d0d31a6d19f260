"""What the events of a sluice record say of each other, for verify-export.py; they are what the node signed, that is
checked there. Each release of an approval stands behind answers of distinct people that make its quorum, and all that
went by it stands behind the release; what stands in parts is whole; what is sealed can be opened by whom it was sealed
for; and the record has of each session what the kernel counted. What rests on an event that the export leaves out
cannot be told. The fields are those of the export's README.md."""
import base64
import hashlib
import unicodedata


class Bad(Exception):
    """The number of the event, and what is wrong with it."""


class Unknown(Exception):
    pass


def fold(name):
    """Case, and how Unicode composes a letter, make no other person (Unicode, 3.13, D146)."""
    for _ in range(2):  # a form may bring a capital letter with it (U+2102)
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", name or "").casefold())
    return name


def is_same_person(a, b):
    names, owners = [fold(v["by"]) for v in (a, b)], [fold(v.get("by_owner")) for v in (a, b)]
    tied = owners[0] and owners[0] in (names[1], owners[1]) or owners[1] and owners[1] == names[0]
    return tied or (a["by_issuer"] == b["by_issuer"] and names[0] == names[1])


def who_lacks(stage, votes):
    """A group of the quorum that somebody is missing of; None: nobody is. Each person stands in one place."""
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


class Approvals:
    def __init__(self, rests_on):
        self.requests, self.rests_on = {}, rests_on

    def votes_of(self, n, e, r):
        votes, asker = [], {fold(r["identity"]), fold(r["owner"])} - {""}
        for at in e["votes"]:
            vote, what = r["answers"].get(at), f"releases {e['request']} by event {at}, which"
            if not 0 < at < n:
                raise Bad(n, f"{what} does not stand before it")
            if not vote:
                self.rests_on(n, at, f"{what} is no answer to it")
                return None
            if vote["verdict"] != "approve" or vote["hash"] != r["hash"]:
                raise Bad(n, f"{what} does not approve it")
            if {fold(vote["by"]), fold(vote.get("by_owner"))} & asker or any(is_same_person(vote, v) for v in votes):
                raise Bad(n, f"releases {e['request']} by an answer of who asked, or by two of one person: {vote['by']}")
            votes.append(vote)
        return votes

    def on_request(self, n, e, r):
        self.requests[e["request"]] = {**e, "answers": {}, "releases": set(), "opened": 0}

    def on_vote(self, n, e, r):
        r["answers"][n] = e

    def on_escalate(self, n, e, r):
        r["opened"] = e["stage"]

    def on_revoke(self, n, e, r):
        for vote in (v for r in self.requests.values() for v in r["answers"].values()):
            if vote["by"] == e["approver"] and e.get("approver_issuer") in (None, vote["by_issuer"]):
                vote["verdict"] = "revoked"

    def on_release(self, n, e, r):
        if e["hash"] != r["hash"]:
            raise Bad(n, f"releases {e['request']} with another hash than was asked about")
        votes = self.votes_of(n, e, r)
        if votes is not None:
            missing = [who_lacks(stage, votes) for stage in r["quorum"][:r["opened"] + 1]] or ["nobody"]
            if None not in missing:
                raise Bad(n, f"releases {e['request']} without its quorum: of group {missing[-1]} somebody is missing")
        r["releases"].add(n)

    def on_use(self, n, e, r):
        at, what = e.get("release", 0), f"went by request {e['request']}, which was not released before it"
        if at not in r["releases"]:
            if not 0 < at < n:
                raise Bad(n, what)
            self.rests_on(n, at, what)

    def on_end(self, n, e, r):
        if not r["releases"]:
            del self.requests[e["request"]]

    KINDS = {"approval.request": on_request, "approver.revoke": on_revoke, "approval.vote": on_vote, "approval.escalate": on_escalate,
             "approval.end": on_end, "approval.release": on_release, "grant.start": on_use, "op": on_use}

    def event(self, n, e):
        r, kind = self.requests.get(e.get("request")), e["type"]
        if kind not in self.KINDS or (kind == "op" and not ("request" in e and e["decision"] in ("allow", "mask"))):
            return
        if r or kind in ("approval.request", "approver.revoke"):
            self.KINDS[kind](self, n, e, r)
        elif kind in ("approval.release", "grant.start", "op"):
            self.rests_on(n, 0, f"went by request {e['request']}, and there is no such thing before it")


def is_concealed(e):
    """Its payload stands elsewhere: sealed, or packed."""
    return "sealed" in e or "packed" in e


class Parts:
    def __init__(self, export):
        self.export, self.found = export, {}

    def add(self, n, e, at):
        """The bytes that a part holds, in one way, or they are concealed."""
        text, b64 = e.get("data"), e.get("data_b64")
        if (text is None) == (b64 is None) and not (text is None and is_concealed(e)):
            raise Bad(n, "is a part that cannot be read")
        try:
            at[1].update(base64.b64decode(b64 or "", validate=True) if text is None else text.encode())
        except ValueError:
            raise Bad(n, "is a part that cannot be read") from None
        at[0], at[2] = at[0] + 1, at[2] and (text is not None or b64 is not None)

    def event(self, n, e):
        if e["type"] == "op.part":
            name = (e["flow"], e["id"], e["field"])
            if e.get("part", 0) == 0:
                self.found[name] = [0, hashlib.sha256(), True]
            at = self.found.get(name, [None])
            if at[0] == e.get("part", 0):  # else those before it are not here
                self.add(n, e, at)
        elif e["type"] == "op":
            for field, key in (("text", "text_sha256"), ("params", "params_json_sha256")):
                self.check(n, e, field, e.get(f"{field}_parts", 0), e.get(key))

    def check(self, n, e, field, count, said):
        if not count:
            return
        got, digest, is_clear = self.found.pop((e["flow"], e["id"], field), (0, None, False))
        if got == count and is_clear and (said or not is_concealed(e)) and digest.hexdigest() != said:
            raise Bad(n, f"says another {field} than its parts")
        if got != count and self.export.left_out:
            self.export.cannot_tell(f"event {n} says that its {field} is in {count} parts before it: they are left out")
        elif got != count and self.export.first == 1:
            raise Bad(n, f"says that its {field} is in {count} parts before it: they are not there")


class Sessions:
    """What the kernel counted of each against what the record has of it."""

    def __init__(self, export):
        self.export, self.known, self.strays, self.bad = export, {}, 0, None

    def event(self, n, e):
        s, handle = self.known.get(e.get("session")), getattr(self, "on_" + e["type"].replace(".", "_"), None)
        if handle:
            handle(n, e, s)
        if not self.known:
            self.strays = 0  # what belongs to nobody belongs to one of those who live now

    def begin(self, e):
        return self.known.setdefault(e["session"], {"flows": 0, "ended": 0, "away": 0, "up": 0, "down": 0, "excuse": None, "kernel": None})

    def add(self, s, e):
        s["up"], s["down"] = s["up"] + e.get("wire_up", 0), s["down"] + e.get("wire_down", 0)

    def on_session_start(self, n, e, s):
        self.begin(e)["cgroup"] = e.get("cgroup_id")

    def on_flow_open(self, n, e, s):
        if s:
            s["flows"] += 1

    def on_flow_close(self, n, e, s):
        if s:
            s["ended"] += 1
            self.add(s, e)

    def on_connect_refused(self, n, e, s):
        away = e.get("accepted", 0)
        if away and not e["session"]:
            s = next((x for x in self.known.values() if x.get("cgroup") and x["cgroup"] == e.get("cgroup_id")), None)
            self.strays += 0 if s else away
        if away and s:
            s["away"] += away
            self.add(s, e)

    def on_node_fault(self, n, e, s):
        for s in self.known.values():
            s["excuse"] = s["excuse"] or "a process of the gateway ended"

    def on_session_kernel(self, n, e, s):
        if not s:
            s = self.begin(e)
            s["excuse"] = "its beginning was recorded by another run of the gateway"
        if s["kernel"] is None:
            s["kernel"] = e
            s["excuse"] = s["excuse"] or ("connections were reset before the gateway took them" if self.strays else None)

    def mismatch(self, s):
        k = {key: (s["kernel"] or {}).get(key, 0) for key in ("opened", "closed", "used", "up_min", "up_max", "down")}
        known = s["flows"] + s["away"]
        rows = (("connections without an end on record", s["flows"] != s["ended"], s["flows"], s["ended"]),
                ("connections", known > k["opened"], k["opened"], known),
                ("connections", k["used"] > known, k["used"], known),
                ("bytes from the workload", s["up"] < k["up_min"], k["up_min"], s["up"]),
                ("bytes from the workload at most", s["up"] > k["up_max"], k["up_max"], s["up"]),
                ("bytes to the workload", s["down"] < k["down"], k["down"], s["down"]))
        if s["excuse"] or k["opened"] != k["closed"]:
            return None
        return next((f"{what}: the kernel counted {a}, the record has {b}" for what, is_wrong, a, b in rows if is_wrong), None)

    def on_session_reconciled(self, n, e, s):
        why = e.get("reason", "") if e["outcome"] == "mismatch" else s and e["outcome"] == "match" and self.mismatch(s)
        if (why or e["outcome"] == "mismatch") and not self.bad:
            if e["outcome"] != "mismatch" and self.export.left_out:
                self.export.cannot_tell(f"event {n}: session {e['session']} cannot be held against the kernel's count, events are left out")
            else:
                self.bad = Bad(n, f"session {e['session']} is not complete: {why}")
        self.known.pop(e["session"], None)


class Claims:
    """untold: uses of an approval whose answers were in segments that retention removed."""

    def __init__(self, export):
        self.export, self.untold, self.keys, self.sessions = export, 0, set(), Sessions(export)
        self.approvals, self.parts = Approvals(self.rests_on), Parts(export)

    def rests_on(self, n, missing, otherwise):
        """Event n rests on another (0: one before it), which should have been seen, and was not."""
        is_here = missing and self.export.get("events", missing.to_bytes(8, "big")) is not None
        if self.export.left_out and not is_here and (not missing or missing >= self.export.first):
            self.export.cannot_tell(f"event {n} rests on event {missing}, which is left out" if missing else
                                    f"event {n} rests on one before it, which is left out")
        elif (missing or 1) < self.export.first and not is_here:
            self.untold += 1
        else:
            raise Bad(n, otherwise)

    def event(self, n, e):
        self.approvals.event(n, e)
        key = e.get("sealed", "")[:24].encode()
        if key and key not in self.keys:
            to = self.export.get("keys", key)
            if to is None or base64.b64encode(hashlib.sha256(to).digest()[:18]) != key:
                raise Bad(n, "is sealed with a key that is not here, or was changed since")
            self.keys.add(key)
        self.parts.event(n, e)
        self.sessions.event(n, e)

    def end(self):
        if self.sessions.bad:
            raise self.sessions.bad
