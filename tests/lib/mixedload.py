"""What a workload does while its gateway is struck: argv PORT FIRST. Four sessions, each on numbers of its own: statements
that commit themselves, transactions of three, extended messages, reads; each again and again with a new connection when
one ends. Prints "ack N" for what was answered, a transaction's numbers behind its COMMIT, and "hang N" for what was not
within WAIT seconds. Ends with its standard input."""
import socket
import sys
import threading
import time

import pgwire

WAIT, STRIDE = 40, 100_000
port, first = int(sys.argv[1]), int(sys.argv[2])
ends = threading.Event()


def say(word, *numbers):
    sys.stdout.write("".join(f"{word} {n}\n" for n in numbers))
    sys.stdout.flush()


def insert(n):
    return f"INSERT INTO t VALUES ({n})"


def simple(k, n):
    return [n] if not pgwire.errors(k.query(insert(n))) else []


def transaction(k, n):
    for sql in ("BEGIN", insert(n), insert(n + 1), insert(n + 2)):
        if pgwire.errors(k.query(sql)):
            k.query("ROLLBACK")
            return []
    done = k.query("COMMIT")
    return [n, n + 1, n + 2] if (b"C", b"COMMIT\0") in done else []


def extended(k, n):
    return [n] if not pgwire.errors(k.extended(insert(n))) else []


def read(k, n):
    return [n] if not pgwire.errors(k.query(f"SELECT id FROM t WHERE id = {n}")) else []


def work(how, n):
    while not ends.is_set():
        try:
            k = pgwire.Connection("127.0.0.1", port, "shop", timeout=WAIT)
            while not ends.is_set():
                n += 3
                done = how(k, n)
                say("ack", *done)
                if not done:
                    time.sleep(0.02)
        except socket.timeout:
            say("hang", n)
        except Exception:
            time.sleep(0.05)


threads = [threading.Thread(target=work, args=(how, first + i * STRIDE)) for i, how in
           enumerate((simple, transaction, extended, read))]
for t in threads:
    t.start()
sys.stdin.read()
ends.set()
for t in threads:
    t.join()
