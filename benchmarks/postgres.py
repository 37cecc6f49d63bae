"""A PostgreSQL server of one's own, in a folder, reached through a socket in it, gone when the program ends."""

from __future__ import annotations

import atexit
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

SETTINGS = {
    "listen_addresses": "", "shared_buffers": "512MB", "max_wal_size": "8GB", "fsync": "off",
    "max_worker_processes": "8", "max_parallel_workers": "2", "autovacuum": "off",
}  # fmt: skip


def scratch_server(folder: str) -> str:
    """Start a server and return how to reach its database.

    As root it runs as the user ``postgres``, since PostgreSQL refuses root.
    """
    programs = os.path.dirname(shutil.which("initdb") or "") or next(
        iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), ""
    )
    if not os.path.exists(os.path.join(programs, "initdb")):
        raise ModuleNotFoundError("PostgreSQL (initdb)")
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    cluster = os.path.join(folder, "cluster")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": "/"}
    if not os.path.exists(os.path.join(cluster, "PG_VERSION")):
        command = [os.path.join(programs, "initdb"), "-D", cluster, "-A", "trust", "-U", "postgres"]
        subprocess.run([*user, *command], check=True, **quiet)
    options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
    server = subprocess.Popen(
        [*user, os.path.join(programs, "postgres"), "-D", cluster, "-k", folder, *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    atexit.register(_stop, [*user, os.path.join(programs, "pg_ctl"), "-D", cluster])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    place = f"host={folder} user=postgres"
    _wait(place, server)
    return f"{place} dbname=bench"


def _wait(place: str, server: subprocess.Popen) -> None:
    import psycopg

    for _ in range(300):
        try:
            with psycopg.connect(f"{place} dbname=postgres", autocommit=True) as db:
                if not db.execute("select 1 from pg_database where datname = 'bench'").fetchone():
                    db.execute("create database bench")
                return
        except psycopg.OperationalError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError("the PostgreSQL server does not start")


def _stop(control: list[str]) -> None:
    """Stop the server itself: signals to ``runuser`` do not reach it."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*control, "-m", "fast", "stop"], check=False, timeout=60, **quiet)
