#!/usr/bin/env python3
"""A bad network between gateway and database: whatever it does, nothing runs unrecorded, what was acknowledged is
there and on record, the chain verifies, no client hangs. ROUNDS and SEED: make faults runs it long."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import faultproxy  # noqa: E402
import stack  # noqa: E402
import truth  # noqa: E402

POLICY = {
    "version": 1,
    "issuers": [{"issuer": "https://sluice.local", "audience": "sluice"}],
    "roles": {"writer": ["writer"]},
    "resources": [{"name": "db", "protocol": "postgres", "match": ["127.0.0.1:@PORT@"], "upstream": "127.0.0.1:@PORT@",
                   "credentials": {"writer": "file:CRED/db"}}],
    "rules": [{"id": "all", "resource": "db", "roles": ["writer"], "verbs": ["select", "insert"], "relations": ["public.*"],
               "effect": "allow"}],
}
ROUNDS, SEED, SECONDS = int(os.environ.get("ROUNDS", 8)), int(os.environ.get("SEED", 1)), 1.2


def one_round(c, s, net, seed):
    fault = net.fault = faultproxy.Fault.seeded(seed)
    since, is_kind = time.monotonic(), fault.kind in ("none", "latency", "slices")
    seconds = 3 * SECONDS if is_kind else SECONDS
    p = truth.load(s, seed * 100000, seconds)
    try:
        out, _ = p.communicate(timeout=seconds + 25)
    except subprocess.TimeoutExpired:
        p.kill()
        out, _ = p.communicate()
        c.check(False, f"seed {seed}: no client hangs", fault)
    if is_kind:
        c.check(out.strip(), f"seed {seed}: work gets through", (fault, time.monotonic() - since))
    return {int(x) for x in out.split()}


def main():
    c = stack.Checks()
    with stack.Stack(POLICY, database="shop") as s:
        s.pg.psql("CREATE TABLE t (id int)", "shop")
        net = faultproxy.FaultProxy(s.pg.port)
        text = (s.gw.folder / "etc/policy.json").read_text()
        s.gw.write_policy(text.replace(f'"upstream": "127.0.0.1:{s.pg.port}"', f'"upstream": "127.0.0.1:{net.port}"'))
        s.gw.sluice("reload")
        acknowledged = set()
        for seed in range(SEED, SEED + ROUNDS):
            acknowledged |= one_round(c, s, net, seed)
        net.fault = faultproxy.Fault()
        late = s.gw.run("writer", ["psql", "-XAt", s.dsn(), "-c", "SELECT 1"])
        c.equal(late.stdout.strip(), "1", "a network that is well again")
        truth.check(c, s, acknowledged, f"{ROUNDS} rounds from seed {SEED}, {net.struck} strikes")
        if c.failed:
            print(s.gw.log()[-3000:])
        net.close()
    c.done()


main()
