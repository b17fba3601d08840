"""A PostgreSQL server for tests: its own data, its own socket and port, no durability."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

HBA = """
local all all trust
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""
SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
shared_buffers = '16MB'
max_connections = 20
lc_messages = 'C'
"""


def binaries():
    """The folder of the server's programs; None where there is none."""
    found = [Path(p).resolve().parent for p in [shutil.which("pg_ctl")] if p]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in found if all((p / name).exists() for name in ("initdb", "pg_ctl", "postgres"))), None)


class Postgres:
    """A server in a temporary folder, run by another user where the tests run as root, which PostgreSQL refuses.

    Its order of text is English, not that of code points, where it can be.
    """

    def __init__(self, programs):
        self.programs = programs
        self.user: dict = {}
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        if os.geteuid() == 0:
            who = next(u for u in pwd.getpwall() if u.pw_name in {"postgres", "nobody"})
            self.user = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.data = self.folder / "data"
        english = ["--locale-provider=icu", "--icu-locale=en-US"]
        base = ["initdb", "-D", self.data, "-U", "tester", "-E", "UTF8", "--no-sync", "--no-instructions"]
        try:
            self._run(*base, "--locale=C", *english)
        except subprocess.CalledProcessError:  # an older one, or one without ICU
            shutil.rmtree(self.data, ignore_errors=True)
            self._run(*base, "--locale=C")
        (self.data / "pg_hba.conf").write_text(HBA)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"{SETTINGS}port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
        self.start()
        self.sql("CREATE ROLE guarded LOGIN PASSWORD 'secret'")

    def url(self, schema="", *, user="tester", database="postgres", socket=False):
        """An address as a user gives it."""
        where = f"/{database}?host={self.folder}&port={self.port}" if socket else f"127.0.0.1:{self.port}/{database}?"
        return f"postgresql://{user}@{where}" + (f"&schema={schema}" if schema else "")

    def sql(self, *statements):
        """Run them; the rows of the last one."""
        import psycopg

        with psycopg.connect(self.url().partition("?")[0], autocommit=True) as db:
            for one in statements:
                rows = db.execute(one)
            return rows.fetchall() if rows.description else []

    def start(self):
        """Start it, and wait until it takes connections."""
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-s", "start")

    def stop(self, mode="immediate"):
        """As in a crash, or (``fast``) as by its administrator."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-s", "stop")

    def close(self):
        """Stop it, and remove its data."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program, *arguments):
        command = [self.programs / program, *arguments]
        pipes: dict = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.run(command, check=True, cwd=self.folder, **pipes, **self.user)
