#!/usr/bin/env python3
"""The detectors against a second implementation of what they promise (policy/detect/detect.h), that shares nothing with them:
Python's re for the forms, integers and the ipaddress module for the checks, tables by the networks' and SWIFT's own lists.
On random texts of true values, of values that are almost true, and of what may stand around them, both find the same bytes."""
import ipaddress
import os
import pathlib
import random
import re
import string
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import stack  # noqa: E402

TOOL = stack.BUILD / "tests/tools/detect"
TEXTS, SEED = int(os.environ.get("TEXTS", "3000")), int(os.environ.get("SEED", "1"))

# ---- what is known ----

NETWORKS = [  # issuer's first digits, how many there are in all
    (r"4", (13, 16, 19)), (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)), (r"34|37", (15,)),
    (r"30[0-5]|3095|38|39", (14, 16, 17, 18, 19)), (r"36", (14, 15, 16, 17, 18, 19)), (r"35(2[89]|[3-8])", (16, 17, 18, 19)),
    (r"2131|1800", (15,)), (r"50|5[6-8]|6", (13, 14, 15, 16, 17, 18, 19)), (r"220[0-4]|81|82", (16, 17, 18, 19)), (r"8600|9792", (16,))]
IBAN = dict((w[:2], int(w[2:])) for w in """
 AD24 AE23 AL28 AO25 AT20 AX18 AZ28 BA20 BE16 BF28 BG22 BH22 BI27 BJ28 BL27 BR29 BY28 CF27 CG27 CH21 CI28 CM27 CR22 CV25 CY28 CZ24 DE22
 DJ27 DK18 DO28 DZ26 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GA27 GB22 GE22 GF27 GG22 GI23 GL18 GP27 GQ27 GR27 GT28 GW25 HN28 HR21 HU28 IE22
 IL23 IM22 IQ23 IR26 IS26 IT27 JE22 JO30 KM27 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MA28 MC27 MD24 ME22 MF27 MG27 MK19 ML28 MN20
 MQ27 MR27 MT31 MU30 MZ25 NC27 NE28 NI28 NL18 NO15 OM23 PF27 PK24 PL28 PM27 PS29 PT25 QA29 RE27 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19
 SK24 SM27 SN28 SO23 ST25 SV28 TD27 TF27 TG28 TL23 TN24 TR26 UA29 VA22 VG24 WF27 XK20 YE30 YT27""".split())
CARD_WORDS = "card creditcard cc debit visa maestro mastercard jcb".split()
SSN_WORDS = "ssn social itin".split()


def is_luhn(n):
    doubled = "0246813579"
    return sum(int(doubled[int(c)] if k % 2 else c) for k, c in enumerate(reversed(n))) % 10 == 0


def is_issued(n):
    return any(re.match(form, n) and len(n) in sizes for form, sizes in NETWORKS)


def is_mod97(n):
    return int("".join(str(int(c, 36)) for c in n[4:] + n[:4])) % 97 == 1


def said(text, at, near, words):
    """Does one of the words, or its plural, end within near characters in front of at, in the same JSON object?"""
    ends = [(m.group().lower(), m.end()) for m in re.finditer("[A-Za-z]+", text[:at])]
    return any(w.removesuffix("s") in words or w in words for w, end in ends if end > at - near and "}" not in text[end:at])


# ---- a finder each: from a text to spans ----

def each(text, form, check):
    """Non-overlapping matches of form that check accepts; it says where they end, or None."""
    at, found = 0, []
    pattern = re.compile(form)
    while m := pattern.search(text, at):
        span = check(m)
        found += [span] if span else []
        at = span[1] if span else m.start() + 1
    return found


def cards(text):
    def check(m):
        whole, start = m.group(), m.start()
        joints = {c for c in whole if not c.isdigit()}
        groups = re.split("[-. ]", whole)
        n_groups = 1
        if len(groups[0]) == 4:  # groups of three or more, as long as the separator is the first one
            first = text[start + 4:start + 5]
            at = start + 4
            while n_groups < len(groups) and text[at] == first and len(groups[n_groups]) >= 3:
                at += 1 + len(groups[n_groups])
                n_groups += 1
        assert joints <= set("-. ")
        for n in range(n_groups, 0, -1):
            digits = "".join(groups[:n])
            end = start + len(digits) + n - 1
            goes_on = re.match(r"[-. ]\d", text[end:end + 2])
            known = is_issued(digits) or (not goes_on and said(text, start, 32, CARD_WORDS))
            around = text[start - 1:start].isalnum() and text[end:end + 1].isalnum()
            if 12 <= len(digits) <= 19 and is_luhn(digits) and known and not around and not re.search(r"\d\.\Z", text[:start]):
                return start, end
    form = r"(?<!\d)\d+(?:[-. ]\d+)*"
    found, given = each(text, form, check), text
    text = re.sub(r"(?<=\d)[_:;|](?=\d)", "-", given)  # what else links digits; looked at where nothing was found
    linked = [(i, j) for i, j in each(text, form, check) if text[i:j] != given[i:j] and not any(i < y and x < j for x, y in found)]
    return sorted(found + linked)


def ssns(text):
    def check(m):
        area, group, serial = m.group("a"), m.group("g"), m.group("s")
        given = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        apart = m.group("j") != ""
        return m.span() if (apart and given) or said(text, m.start(), 40, SSN_WORDS) else None
    return each(text, r"(?<!\d)(?P<a>\d{3})(?P<j>[-. ]?)(?P<g>\d\d)(?P=j)(?P<s>\d{4})(?!\d)", check)


def emails(text):
    def check(m):
        local, host = m.group(1)[-64:], m.group(2).rstrip(".-")
        local = local.lstrip(".'")
        ok = local and re.fullmatch(r".+\.[^.\d][^.]+", host)
        return (m.start(2) - 1 - len(local), m.start(2) + len(host)) if ok else None
    return each(text, r"([A-Za-z0-9._%+'\-]*)@([A-Za-z0-9.\-]*)", check)


def ibans(text):
    def check(m):
        n = IBAN.get(m.group()[:2])
        m = n and re.compile(r"[A-Z0-9](?:[ -]?[A-Z0-9]){%d}(?![A-Za-z0-9])" % (n - 1)).match(text, m.start())
        return m.span() if m and is_mod97(re.sub("[ -]", "", m.group())) else None
    return each(text, r"(?<![A-Za-z0-9])[A-Z]{2}\d\d", check)


def ips(text):
    def check(m):
        raw = m.group()
        if ":" not in raw:
            if not re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}\.?", raw):
                return None
        elif not (raw.count(":") >= 4 or re.match("[0-9a-fA-F]{3,4}:", raw) or "." in raw.rstrip(".")):
            return None
        short = re.sub(r"\.+\Z|(?<!:):\Z", "", raw)
        try:
            ipaddress.ip_address(short)
        except ValueError:
            return None
        return m.start(), m.start() + len(short)
    return each(text, r"(?<![A-Za-z0-9.:])[0-9a-fA-F:.]+(?![A-Za-z0-9])", check)


def jwts(text):
    def check(m):
        parts = m.group().split(".")
        while len(parts) > 3 and not parts[-1]:
            parts.pop()
        token = ".".join(parts)
        return (m.start(), m.start() + len(token)) if len(parts) >= 3 and len(parts[0]) >= 15 and len(token) >= 30 else None
    return each(text, r"(?<![A-Za-z0-9])eyJ[\w.\-]*", check)


TOKENS = "|".join([  # by what detect-secrets, gitleaks and the issuers' own pages say
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Za-z0-9]{16}(?![A-Za-z0-9])", r"AIza[\w\-]{35}(?![\w\-])", r"gh[pousr]_[A-Za-z0-9]{36,}", r"ghs_[\w\-.]{80,}",
    r"github_pat_[\w\-]{40,}", r"gl(?:pat|rt|cbt)-[\w\-.]{20,}", r"gl(?:dt|ft|soat)-[\w\-]{20,}", r"xox[aboprs]-[\w\-]{20,}", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"sk-(?:ant|proj|svcacct)-[\w\-]{24,}", r"sk-[A-Za-z0-9]{32,}", r"SG\.[\w\-.]{60,}", r"pypi-AgE[\w\-]{70,}", r"npm_[A-Za-z0-9]{36,}"])


def tokens(text):
    return each(text, r"(?<![A-Za-z0-9])(?:%s)" % TOKENS, lambda m: m.span())


FINDERS = {"card": cards, "ssn": ssns, "email": emails, "iban": ibans, "ip": ips, "jwt": jwts, "token": tokens}

# ---- texts ----

DIGITS, ALNUM = string.digits, string.ascii_letters + string.digits


def some(r, letters, n):
    return "".join(r.choice(letters) for _ in range(n))


def make_card(r):
    head = r.choice(["4", "51", "55", "2221", "2720", "34", "37", "6011", "65", "3528", "3589", "3527", "36", "300", "3095", "220", "62", "50", "81",
                     "86", "9792", "1800", "2131", "9", "1", "0", "7", "59"])
    n = r.choice([12, 13, 14, 15, 16, 16, 16, 17, 18, 19, 20])
    body = (head + some(r, DIGITS, n))[:n - 1]
    last = next(d for d in DIGITS if is_luhn(body + d))
    whole = body + (last if r.random() < .85 else r.choice(DIGITS))
    if r.random() < .5:
        return whole
    size = r.choice([(4, 4, 4, 4, 4, 4), (4, 6, 5, 5), (4, 6, 4, 6), (4, 3, 3, 3, 3, 3, 3), (5, 5, 5, 5), (4, 4, 2, 4, 4, 4)])
    joint, out = r.choice("- ."), ""
    for k in size:
        out, whole = out + (joint if out and whole else "") + whole[:k], whole[k:]
    return out


def make_ssn(r):
    j = r.choice(["-", "-", " ", ".", ""])
    area = r.choice([some(r, DIGITS, 3), some(r, DIGITS, 3), "000", "666", "900", "899"])
    return j.join([area, r.choice([some(r, DIGITS, 2), "00"] if r.random() < .2 else [some(r, DIGITS, 2)]), some(r, DIGITS, 4)])


def make_iban(r):
    country = r.choice(sorted(IBAN))
    body = some(r, DIGITS + ("ABZ" if r.random() < .5 else ""), IBAN[country] - 4)
    check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    whole = "%s%02d%s" % (country, check, body)
    if r.random() < .2:
        whole = whole[:-1]
    return r.choice(["", " ", "-"]).join(whole[i:i + 4] for i in range(0, len(whole), 4))


def make_ip(r):
    four = ".".join(str(r.choice([0, 1, 9, 10, 99, 127, 192, 255, 256, 300]) if r.random() < .3 else r.randint(0, 255))
                    for _ in range(r.choice([4, 4, 4, 3, 5])))
    if r.random() < .4:
        return four
    six = ipaddress.IPv6Address(r.getrandbits(128) & r.choice([-1, ~(0xffffffffffff << 32), 0xffff << 112 | 0xffff]))
    return r.choice([six.compressed, six.exploded, six.compressed.upper(), "::ffff:" + four])


def make_email(r):
    return "%s@%s" % (some(r, ALNUM + "._%+-'", r.randint(0, 9) or 70), ".".join(
        some(r, ALNUM + "-", r.randint(1, 8)) for _ in range(r.randint(1, 3))) + r.choice([".org", ".de", ".x", ".1a", "."]))


def make_jwt(r):
    return ".".join(["eyJ" + some(r, ALNUM, r.randint(5, 30))] + [some(r, ALNUM + "_-", r.randint(0, 30)) for _ in range(r.randint(1, 4))])


def make_token(r):
    head = r.choice("AKIA ASIA ABIA ACCA AIza ghp_ gho_ ghs_ github_pat_ glpat- glrt- glsoat- xoxb- xoxp- xoxo- sk_live_ rk_test_ sk-ant- "
                    "sk-proj- sk- SG. pypi-AgE npm_".split())
    return head + some(r, ALNUM + ("" if r.random() < .6 else "-_"), r.choice([15, 16, 17, 20, 24, 32, 35, 36, 40, 43, 60, 75]))


MAKE = {"card": make_card, "ssn": make_ssn, "iban": make_iban, "ip": make_ip, "email": make_email, "jwt": make_jwt, "token": make_token}
AROUND = [" ", " ", " ", ", ", "\t", '"', "'", "(", ")", "[", "=", ";", "; ", "x", "7", "0.", ".", "_", "-", "/", "\\n", "|", "} ", " {", "<", ">", ": "]
WORDS = ("card cards visa ssn SSN social number of the order discard 2024-05-06 12:30:45 3.14 17 a 8842 jcb Total due\\nSSN " "maestro note").split(" ")


def make_text(r, kind):
    out = ""
    for _ in range(r.randint(1, 6)):
        out += r.choice(AROUND + [w + " " for w in WORDS])
        # What surrounds an address is apart from it: "host:10.0.0.1:80" is another question.
        value = MAKE[kind](r) if r.random() < .8 else MAKE[r.choice(sorted(MAKE))](r)
        out += " %s " % value if kind == "ip" else value
        out += r.choice(AROUND)
    return out


def ours(kind, texts):
    out = subprocess.run([TOOL, "-k", kind], input="".join(t + "\n" for t in texts).encode(), capture_output=True, check=True).stdout.decode()
    found = [[] for _ in texts]
    for row in out.splitlines():
        n, at, size, _ = row.split("\t")
        found[int(n)].append((int(at), int(at) + int(size)))
    return found


def main():
    failed = 0
    for kind, find in FINDERS.items():
        r = random.Random(SEED * 1000 + len(kind))
        texts = [make_text(r, kind) for _ in range(TEXTS)]
        bad = total = 0
        for text, mine in zip(texts, ours(kind, texts)):
            # An escaped line end is white space.
            theirs = find(re.sub(r"\\[nrtbf]", "  ", text))
            total += len(theirs)
            if mine == theirs:
                continue
            bad += 1
            if bad <= 3:
                print("# %s in %r: %s, by the reference %s" % (kind, text, [text[a:b] for a, b in mine], [text[a:b] for a, b in theirs]))
        print("# %s: %d texts, %d finds, %d differ" % (kind, len(texts), total, bad))
        if bad or total < TEXTS // 4:
            print("FAIL %s: %d of %d texts differ, %d finds" % (kind, bad, len(texts), total))
            failed += 1
    print("%d passed, %d failed, 0 skipped" % (len(FINDERS) - failed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
