#!/usr/bin/env python3
"""The README's table of ways around says what the suite found: each vector of vmtest/vectors.tsv stands in one row, none is
open on any kernel, and what closes it there is what the row names. The kept table is of the suite as it is."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

# The beginning of a row of the README: its vectors, as a pattern over the whole name.
ROWS = {
    "TCP:": r"TCP (connect|fast open|reconnect).*|SO_.*|IP_TRANSPARENT|TCP_REPAIR|io_uring (CONNECT.*|SOCKET)",
    "IP source route": r"IP source route.*|IPv6 segment.*|UDP with IP_PKTINFO|loopback (routed|translated).*",
    "UDP:": r"UDP (sendto|connected|reconnect|sendmmsg|multicast|link-local|broadcast).*(?<!before)|io_uring (SEND.*|BIND)",
    "groups joined": r"(IGMP|MLD), .*|io_uring setsockopt.*",
    "MPTCP": r"MPTCP|UDP-Lite|SCTP|DCCP|SMC|L2TP|raw .*|ping socket",
    "AF_PACKET": r"AF_.*",
    "sockets from before": r"(TCP|UDP) socket .*before|socket as standard input",
    "SCM_RIGHTS": r"SCM_RIGHTS.*|pidfd_getfd",
    "io_uring with a registered": r"io_uring (with a registered|message).*",
    "Unix sockets": r"(abstract )?Unix .*",
    "loopback, 0.0.0.0": r".* to a helper outside",
    "ptrace": r".* (to|of) a process outside",
    "cgroup.procs": r"cgroup.*|clone into.*",
    "programs that the kernel starts": r"core pattern.*|crash.*|modprobe.*|binfmt.*|request_key.*|NFS.*",
    "another, or a new": r".*network namespace.*",
    "DNS": None,  # by names, not by sockets: dns_test.py
    "TUN": r"TUN.*",
    "loopback led out by tc": r"loopback led out by tc",
    "BPF links": r"BPF link.*",
}
# A word of the README: a part of the guard as the suite calls it.
PARTS = {"view": ["view"], "capabilities": ["capabilities"], "privileges": ["privileges"], "Landlock": ["scope"],
         "seccomp": ["calls", "unix"], "descriptors": ["descriptors"]}
LSM_REASONS = ("socket family", "Unix socket", "handed in", "ptrace", "leaving the cgroup", "bpf(2)")


def readme_rows():
    text = (stack.ROOT / "README.md").read_text()
    table = text[text.index("| ways |"):].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def suite_names():
    main = (stack.ROOT / "tests/containment/suite.c").read_text()
    lists = re.findall(r"vectors_(\w+)", main[main.index("lists[]"):main.index("lists[]") + 400])
    text = "".join((stack.ROOT / f"tests/containment/ways_{name}.c").read_text() for name in lists)
    return re.findall(r'^    \{"([^"]+)", ', text, re.M)


def agrees(said, how, state):
    """Is what closed it (vectors.tsv) what the README's cell says?"""
    if state == "not here":
        return True
    closer, _, by = how.partition(": ")
    if said.startswith("cgroup"):
        return closer == "kernel"
    if said == "LSM":
        return closer == "kernel" and any(r in by for r in (*LSM_REASONS, "another workload", "errno"))
    words = [part for word in re.findall(r"\w+", said) for part in PARTS.get(word, [])]
    return closer == "run" and bool(set(words) & set(by.split(", ")))


def main():
    c = stack.Checks()
    kept = [line.split("\t") for line in (stack.ROOT / "vmtest/vectors.tsv").read_text().splitlines()]
    kernels, vectors = kept[0][1:], kept[1:]
    c.equal([v[0] for v in vectors], suite_names(), "vmtest/vectors.tsv has the suite's vectors")
    rows = readme_rows()
    c.equal([next((begin for begin in ROWS if r[0].startswith(begin)), r[0]) for r in rows], list(ROWS), "the README's rows")
    cells = {v[0]: v[1:] for v in vectors}
    has_lsm = [cell.startswith("closed, kernel") for cell in cells["AF_VSOCK"]]
    c.check(True in has_lsm and False in has_lsm, "kernels with and without BPF LSM", has_lsm)
    for name, by_kernel in cells.items():
        at = [r for r in rows for begin, pattern in ROWS.items() if r[0].startswith(begin) and pattern and re.fullmatch(pattern, name)]
        c.equal(len(at), 1, f"{name}: in one row")
        for kernel, lsm, cell in zip(kernels, has_lsm, by_kernel):
            state, _, how = cell.partition(", ")
            said = at[0][2] if lsm and at[0][2] != "the same" else at[0][1]
            c.check(state in ("closed", "refused", "not here") and agrees(said, how, state), f"{name} on {kernel}: {said}", cell)
    proof = (stack.ROOT / "README.md").read_text()
    c.check("(" + ", ".join(".".join(k.split(".")[:2]) for k in kernels) + " in one run" in proof, "the README names these kernels", kernels)
    c.done()


main()
