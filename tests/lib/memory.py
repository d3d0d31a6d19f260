"""What the processes of a gateway hold in the memory that they can write to."""
import subprocess


def places(pid, words):
    """How often each word (bytes) stands in a process."""
    found = dict.fromkeys(words, 0)
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            area, mode = line.split()[:2]
            if "w" not in mode or "[v" in line:
                continue
            a, z = (int(x, 16) for x in area.split("-"))
            try:
                mem.seek(a)
                page = mem.read(z - a)
            except OSError:
                continue
            for word in words:
                found[word] += page.count(word)
    return found


def of_gateway(gw, words, known):
    """Words by process, where they stand; and how often known does, which is no secret, in all of them."""
    out = subprocess.run(["pgrep", "-P", str(gw.process.pid)], capture_output=True, text=True).stdout
    found, seen = {}, 0
    for pid in [str(gw.process.pid), *out.split()]:
        n = places(pid, [*(w.encode() for w in words), known.encode()])
        seen += n.pop(known.encode())
        found[pid] = {w.decode(): k for w, k in n.items() if k}
    return found, seen
