#!/usr/bin/env python3
"""tests/cases/run is for outsiders, too: whatever it is given, it says what was expected, and never with a traceback; with
--dsn it uses that database."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import stack  # noqa: E402

RUN = stack.ROOT / "tests/cases/run"
GOOD = "id\tsql\tmust_be\n1\tSELECT 1\tallow\n"
WRONG = [
    (["FOLDER/nosuch"], "No such file"),
    (["FOLDER"], "Is a directory"),
    (["FOLDER/empty"], "no rows"),
    (["FOLDER/binary"], "can't decode"),
    (["FOLDER/columns"], ":2: expected columns id, sql and must_be"),
    (["FOLDER/pattern"], ":2: leak_pattern"),
    (["--role", "nobody", "FOLDER/good"], "there are operator, owner, viewer"),
    (["--setup", "FOLDER/nosuch", "FOLDER/good"], "no such file"),
    (["--dsn", "localhost", "FOLDER/good"], "expected postgres://"),
    (["--dsn", "postgres://a:b@127.0.0.1:1/x", "FOLDER/good"], "cannot be made ready"),
    (["--setup", "FOLDER/binary", "FOLDER/good"], "cannot be made ready"),
    ([], "required: files"),
]


def run(*args):
    return subprocess.run([RUN, *args], capture_output=True, text=True, timeout=120)


def main():
    c = stack.Checks()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for file, text in {"empty": "id\tsql\tmust_be\n", "columns": "a\tb\n1\t2\n", "good": GOOD,
                           "pattern": "id\tsql\tleak_pattern\n1\tSELECT 1\t(\n"}.items():
            (folder / file).write_text(text)
        (folder / "binary").write_bytes(b"\xff\xfe;\n")
        for args, words in WRONG:
            done = run(*[a.replace("FOLDER", name) for a in args])
            shown = " ".join(args)
            c.check(done.returncode not in (0, None) and words in done.stderr, f"run {shown}: {words}", done.stderr)
            c.check("Traceback" not in done.stderr, f"run {shown}: no traceback", done.stderr)
        pg = stack.Postgres(folder / "pg")
        try:
            pg.psql("CREATE DATABASE own")
            done = run("--dsn", pg.dsn("own"), folder / "good")
            c.check(done.returncode == 0 and "1\tallow\t\t-\n1 passed, 0 failed" in done.stdout, "a database of one's own", done.stdout + done.stderr)
        finally:
            pg.down()
    c.done()


main()
