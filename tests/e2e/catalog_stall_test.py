#!/usr/bin/env python3
"""The server's process that reads the catalogue for the gateway stands still for longer than a reading may take: the
sessions that wait for it are served by another reading, none is ended."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

LIMIT_S = 30  # LOAD_LIMIT_NS of userspace/upstream/catalogs.c


def main():
    c = stack.Checks()
    with stack.Stack(stack.one_role("owner", "all", "select", "create"), database="shop") as s:
        reader = lambda: s.pg.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'sluice catalogue'").split()  # noqa: E731
        p = s.gw.popen("owner", ["psql", "-XqAt", s.dsn()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        stopped = None
        for i in range(20):  # the reader is kept for a second: it is to be caught within it
            p.stdin.write(f"CREATE TABLE public.t{i} (id int);\nSELECT 'made {i}';\n")
            p.stdin.flush()
            while p.stdout.readline().strip() not in (f"made {i}", ""):
                pass
            found = reader()
            if found:
                stopped = int(found[0])
                os.kill(stopped, signal.SIGSTOP)
                break
        c.check(stopped, "the reader was caught")
        since = time.monotonic()
        p.stdin.write("CREATE TABLE public.last (id int);\nSELECT count(*) FROM public.last;\nSELECT 'on';\n")
        p.stdin.close()
        out = p.stdout.read()
        p.wait(60)
        took = time.monotonic() - since
        if stopped:
            os.kill(stopped, signal.SIGCONT)
        c.check(took >= LIMIT_S - 1, "the statement waited for it", took)
        c.equal(out.split()[:2], ["0", "on"], "and then was served, as the session goes on")
    c.done()


main()
