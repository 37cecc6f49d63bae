"""Partitions on a dask cluster: workers that are blind or of another version, a scheduler that is killed.

Workers that are killed, or have no room, are in ``test_partition_faults``.
"""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import cluster_work
import psutil
import pytest

from landremed.errors import LandremedError
from landremed.partitions import dask_cluster
from landremed.partitions.dask_cluster import DaskCluster, is_cluster_address
from landremed.partitions.scratch import Manifest, write_manifest

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("time_limit")
PARTS = 8


@pytest.fixture(scope="module")
def running():
    """Two workers behind the address of a scheduler; a killed one is started again."""
    with dask_cluster._hushed():
        cluster = dask_cluster._local_cluster(distributed, 2)
    yield cluster
    with dask_cluster._hushed():
        cluster.close(timeout=60)


@pytest.fixture
def folder(tmp_path):
    spans = [(100 * i + 1, 100 * i + 100) for i in range(PARTS)]
    write_manifest(tmp_path, Manifest("abc", "parcels.gpkg", [100] * PARTS, spans, 1000))
    return tmp_path


def told(caplog):
    return [record.code for record in caplog.records if hasattr(record, "code")]


def run(cluster, folder, work, numbers=range(PARTS)):
    """Return the partitions done and the error at the end."""
    done = []
    with DaskCluster(cluster.scheduler_address, work=work) as executor:
        try:
            for one in executor.run(str(folder), list(numbers)):
                done.append(one.number)
        except LandremedError as error:
            return done, error
    return done, None


def attempts(folder):
    lines = (folder / "begun.txt").read_text().splitlines()
    return Counter(int(line.split()[0]) for line in lines)


def test_every_partition_once(running, folder):
    done, error = run(running, folder, cluster_work.does)
    assert error is None
    assert sorted(done) == list(range(PARTS))
    assert set(attempts(folder).values()) == {1}
    assert len({line.split()[1] for line in (folder / "begun.txt").read_text().splitlines()}) == 2


def test_no_more_at_a_time_than_memory_holds(running, folder):
    with DaskCluster(running.scheduler_address, work=cluster_work.overlaps) as executor:
        assert executor.processes == 2
        executor.keep(1)
        assert len(list(executor.run(str(folder), list(range(PARTS))))) == PARTS
    steps = (folder / "begun.txt").read_text().split()
    assert steps == ["begin", "end"] * PARTS  # never two at a time


def test_errors_everywhere_end_the_run(running, folder):
    done, error = run(running, folder, cluster_work.breaks, range(8))
    assert done == []
    assert error.code == "partition_failed"
    assert re.search(r"in [0-7]", error.text("en"))


@pytest.fixture
def patched(running):
    """Change some of the workers, until the test ends."""

    def change(how, count=1):
        with distributed.Client(running, set_as_default=False) as client:
            some = list(client.nthreads())[:count]
            client.run(how, workers=some)
            return some

    yield change
    with distributed.Client(running, set_as_default=False) as client:
        client.run(cluster_work.as_before)


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        (cluster_work.one_blind, "worker_without_folder", "does not see the scratch folder"),
        (cluster_work.one_older, "worker_otherwise", "landremed 0.0.1 ≠"),
    ],
    ids=["blind", "older"],
)
def test_a_worker_that_cannot_be_used_is_named(running, folder, patched, caplog, how, code, words):
    (named,) = patched(how)
    done, error = run(running, folder, cluster_work.does)
    assert error is None
    assert sorted(done) == list(range(PARTS))
    assert told(caplog) == [code]
    assert named in caplog.text
    assert words in caplog.text
    assert len({line.split()[1] for line in (folder / "begun.txt").read_text().splitlines()}) == 1
    patched(how, 2)
    done, error = run(running, folder, cluster_work.does)
    assert (done, error.code) == ([], code)


def test_own_workers_listen_to_this_machine_alone(running):
    listening = [
        connection.laddr.ip
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def command(name, *arguments):
    code = f"from distributed.cli.dask_{name} import main; main()"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler that can be killed; no worker yet."""
    file = tmp_path / "scheduler.json"
    process = command(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address",
        "127.0.0.1:0", "--scheduler-file", str(file),
    )  # fmt: skip
    started = [process]
    end = time.monotonic() + 60
    while not file.exists() or not file.read_text():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.1)
    yield process, json.loads(file.read_text())["address"], started
    for one in started:
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()


def test_no_worker_then_a_killed_scheduler(scheduler, folder, caplog):
    process, address, started = scheduler
    with DaskCluster(address, work=cluster_work.waits, patience_s=1.5) as executor:
        with pytest.raises(LandremedError) as caught:
            list(executor.run(str(folder), [0]))
        assert caught.value.code == "cluster_empty"
        started.append(command("worker", address, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"))

    def kill():
        while not (folder / "begun.txt").exists():
            time.sleep(0.1)
        process.kill()

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(LandremedError) as caught, DaskCluster(address, work=cluster_work.waits) as executor:
        list(executor.run(str(folder), [0, 1]))
    assert caught.value.code == "cluster_lost"
    assert address in caught.value.text("en")
    assert "run the same command" in caught.value.text("en")


def test_what_does_not_answer(running, folder, monkeypatch):
    """A scheduler that is there and says nothing is lost; a worker that says nothing is left out."""
    monkeypatch.setattr(dask_cluster, "_ANSWER_S", 0.5)
    with DaskCluster(running.scheduler_address, work=cluster_work.does) as executor:
        asked = executor._client.run
        executor._client.run = lambda *args, **options: time.sleep(5)
        with pytest.raises(LandremedError) as caught:
            list(executor.run(str(folder), [0]))
        assert caught.value.code == "worker_silent"
        assert "no answer in 0.5 s" in caught.value.text("en")
        executor._client.run = asked
        executor._client.nthreads = lambda: time.sleep(5)
        with pytest.raises(LandremedError) as caught:
            list(executor.run(str(folder), [0]))
        assert caught.value.code == "cluster_lost"
        assert caught.value.params["reason"] == "no answer in 0.5 s"


def test_a_worker_lost_when_it_was_done(running, folder, monkeypatch, caplog):
    """What it did is taken from another worker, and the cluster is not given up."""
    lost = []

    def nthreads(client, ask=distributed.Client.nthreads):
        return {w: n for w, n in ask(client).items() if w not in lost}

    def result(future, timeout=None, ask=distributed.Future.result):
        if not lost and timeout is not None:
            lost.append(next(iter(future.client.who_has([future])[future.key])))
            raise TimeoutError
        return ask(future, timeout)

    monkeypatch.setattr(distributed.Client, "nthreads", nthreads)
    monkeypatch.setattr(distributed.Future, "result", result)
    done, error = run(running, folder, cluster_work.does)
    assert error is None
    assert sorted(done) == list(range(PARTS))
    assert len(lost) == 1
    assert told(caplog)[0] == "partition_worker_lost"


def test_leaving_in_time(running, folder, monkeypatch):
    """What cannot be closed in time does not spoil a run that is done."""

    def close(client, timeout=None, really=distributed.Client.close):
        really(client)
        raise TimeoutError

    monkeypatch.setattr(distributed.Client, "close", close)
    assert run(running, folder, cluster_work.does, [0]) == ([0], None)


def test_nobody_listens(monkeypatch):
    monkeypatch.setattr(dask_cluster, "_CONNECT_S", 1)
    with pytest.raises(LandremedError) as caught:
        DaskCluster("tcp://127.0.0.1:9")
    assert caught.value.code == "cluster_unreachable"


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LandremedError) as caught:
        DaskCluster("local:2")
    assert caught.value.code == "dask_missing"
    assert 'pip install "landremed[dask]"' in caught.value.text("en")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("local:2", True),
        ("tcp://10.0.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://[::1", False),
        ("tcp://::1:8786", False),
        ("tls://node-1.example:8786", True),
        ("local:0", False),
        ("local", False),
        ("local:2x", False),
        ("tcp://host", False),
        ("10.0.0.1:8786", False),
    ],
)
def test_addresses(text, good):
    assert is_cluster_address(text) is good


def test_logging_is_as_before(running, folder):
    log = logging.getLogger("distributed")
    before = log.level
    run(running, folder, cluster_work.does, [0])
    assert log.level == before
