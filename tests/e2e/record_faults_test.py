#!/usr/bin/env python3
"""A few rounds of what `make record-faults` does a thousand times, from another seed each day."""
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import stack  # noqa: E402

TOOL = ROOT / ".output/release/tests/tools/record_faults"
ROUNDS = {"kill": 10, "power": 8, "errors": 8, "clock": 10, "readonly": 2}


def main():
    c = stack.Checks()
    seed = str(int(time.time()) // 86400)
    for kind, n in ROUNDS.items():
        run = subprocess.run([TOOL, "-n", str(n), "-s", seed, kind], capture_output=True, text=True, timeout=100)
        c.equal(run.returncode, 0, f"{kind}, {n} times from seed {seed}: {run.stdout.strip()[-500:]}")
    c.done()


main()
