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


def main():
    c = stack.Checks()
    sluice, sluiced = (MAN / "sluice.1").read_text(), (MAN / "sluiced.8").read_text()
    commands = re.findall(r"^  ([a-z]+) +\S", out(stack.BUILD / "sluice", "--help"), re.M)
    commands = [w for w in commands if w != "sluice"]
    c.check(len(commands) > 12, "the help lists commands", commands)
    for name in commands:
        c.check(re.search(rf"^\.It Ic {name}\b", sluice, re.M), f"sluice.1 has {name}")
        if name in ("policy", "export"):
            continue  # told by reference
        for option in set(re.findall(r"--([a-z-]+)", out(stack.BUILD / "sluice", "help", name))):
            c.check(re.search(rf"(Fl|,) -{option}\b", sluice), f"sluice.1 has --{option} of {name}")
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
