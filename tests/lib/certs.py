"""Certificates of authorities made for a test, and a PostgreSQL that shows one."""
import os
import shutil
import subprocess
import time

NAME = "localhost"


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", cwd=folder)


def leaf(folder, ca, name, subject, alt):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=folder)
    (folder / f"{name}.ext").write_text(f"subjectAltName={alt}\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt", cwd=folder)


def server_with_tls(s):
    """A certificate of an authority of its own, under a name and an address; clients may show one too."""
    certs = s.folder / "certs"
    certs.mkdir()
    authority(certs, "root")
    authority(certs, "other")
    leaf(certs, "root", "server", NAME, f"DNS:{NAME},IP:127.0.0.1")
    leaf(certs, "root", "wrong", "elsewhere", "DNS:elsewhere")
    leaf(certs, "root", "client", "app", "DNS:app")
    data = s.folder / "pg/data"
    owner = data.stat()
    for name in ("server.crt", "server.key", "wrong.crt", "wrong.key", "root.crt"):
        shutil.copy(certs / name, data / name)
        os.chown(data / name, owner.st_uid, owner.st_gid)
        (data / name).chmod(0o600)
    for name in ("root.crt", "other.crt", "client.crt", "client.key"):
        to = s.gw.folder / "etc/credentials" / name
        shutil.copy(certs / name, to)
        to.chmod(0o600)
    s.pg.psql("ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
    show(s, "server", True)


def show(s, name, is_on=True):
    s.pg.psql(f"ALTER SYSTEM SET ssl_cert_file = '{name}.crt'")
    s.pg.psql(f"ALTER SYSTEM SET ssl_key_file = '{name}.key'")
    s.pg.psql(f"ALTER SYSTEM SET ssl = {'on' if is_on else 'off'}")
    s.pg.psql("SELECT pg_reload_conf()")
    time.sleep(0.3)
