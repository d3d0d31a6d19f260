#!/usr/bin/env python3
"""The manual pages name what the programs' own help names: every command, every key of the configuration;
and what the policy's schema and the detectors do: every way to mask, every detector."""
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

MAN = stack.ROOT / "deploy" / "man"


def out(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout


# Options of another command that a command's words speak of.
OTHERS = {("elevate", "without"), ("verify", "consistency")}


def told_by(page):
    """The options in the words about each command."""
    told = {}
    parts = re.split(r"^\.It Ic ([a-z-]+)\b", page, flags=re.M)
    for name, text in zip(parts[1::2], parts[2::2]):
        own = re.split(r"^\.(?:Sh|Ss)", text, flags=re.M)[0]
        told.setdefault(name, set()).update(re.findall(r"(?:Fl|,) -([a-z][a-z-]*)", own))
    return told


def main():
    c = stack.Checks()
    sluice, sluiced = (MAN / "sluice.1").read_text(), (MAN / "sluiced.8").read_text()
    commands = re.findall(r"^  ([a-z-]+) +\S", out(stack.BUILD / "sluice", "--help"), re.M)
    commands = [w for w in commands if w not in ("sluice", "--socket")]
    c.check(len(commands) > 20, "the help lists commands", commands)
    told = told_by(sluice)
    for name in commands:
        c.check(re.search(rf"^\.It Ic {name}\b", sluice, re.M), f"sluice.1 has {name}")
        helped = set(re.findall(r"--([a-z-]+)", out(stack.BUILD / "sluice", "help", name)))
        for option in helped:
            c.check(re.search(rf"(Fl|,) -{option}\b", sluice), f"sluice.1 has --{option} of {name}")
        for option in told.get(name, set()) - helped:
            c.check((name, option) in OTHERS, f"--{option} of {name} in sluice.1 is told by sluice help {name}")
    c.equal(set(told) - set(commands), set(), "sluice.1 has no command that sluice --help does not list")
    options = set(re.findall(r"--([a-z-]+)", out(stack.BUILD / "sluiced", "--help")))
    c.equal(set(re.findall(r"(?:Fl|,) -([a-z][a-z-]*)", sluiced)) - {"without"}, options, "sluiced.8 has sluiced's options, and no other")
    told_keys = re.findall(r"^\.It Cm ([a-z_.]+)$", sluiced.split(".Sh CONFIGURATION")[1].split("\n.Sh ")[0], re.M)
    c.equal(set(told_keys), set(re.findall(r"^  ([a-z_.]+) {2,}\S", out(stack.BUILD / "sluiced", "--help"), re.M)), "and its keys, and no other")
    keys = re.findall(r"^  ([a-z_.]+) {2,}\S", out(stack.BUILD / "sluiced", "--help"), re.M)
    c.check(len(keys) > 20, "sluiced lists its keys", keys)
    for key in keys:
        c.check(f".It Cm {key}\n" in sluiced, f"sluiced.8 has {key}")
    masks = (MAN / "sluice-masks.5").read_text()
    schema = json.loads((stack.ROOT / "policy/schema.json").read_text())
    header = (stack.ROOT / "policy/detect/detect.h").read_text()
    detectors = re.findall(r'^\tX\([A-Z]+, "([a-z_]+)"\)', header, re.M)
    c.check(len(detectors) == 10, "the detectors' names", detectors)
    items = {w for line in re.findall(r"^\.It Cm (.*)", masks, re.M) for w in line.split(" , ")}
    for name in schema["$defs"]["mask"]["properties"]["as"]["enum"] + detectors:
        c.check(name in items, f"sluice-masks.5 has {name}")
    c.done()


main()
