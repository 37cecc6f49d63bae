"""Workers and programs killed in the middle of real runs: nothing is lost, and not a byte differs."""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import partition_faults
import psutil
import pytest
import shapely
from partition_faults import SIZE, faulty_workers, run

import landremed
from landremed.errors import LandremedError
from landremed.partitions import dask_cluster
from landremed.partitions.dask_cluster import DaskCluster
from landremed.partitions.executors import InProcess, LocalProcesses, send
from landremed.partitions.scratch import scratch_folder
from landremed.project import load_project, make_project
from landremed.samples import sample_project

pytestmark = pytest.mark.usefixtures("time_limit")
PARCELS = 600
PARTS = PARCELS // SIZE


@pytest.fixture(scope="module")
def district(tmp_path_factory):
    """The sample district, its parcels cut where they straddle, with the result of an undisturbed run."""
    folder = tmp_path_factory.mktemp("district")
    shutil.copytree(Path(sample_project()).parent, folder / "district")
    file = folder / "district" / "project.toml"
    text = file.read_text(encoding="utf-8")
    text = re.sub('straddle = "[a-z]+"', 'straddle = "split"', text)
    text += "\n[sensitivity]\nenabled = false\n"
    file.write_text(text, encoding="utf-8")
    out = folder / "undisturbed"
    run(load_project(file), out, InProcess(), size=10 * PARCELS)
    return file, contents(out)


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def workers():
    """Two dask workers; a killed one is started again."""
    distributed = pytest.importorskip("distributed")
    with dask_cluster._hushed():
        cluster = dask_cluster._local_cluster(distributed, 2)
    yield cluster.scheduler_address
    with dask_cluster._hushed():
        cluster.close(timeout=60)


@pytest.fixture(params=["processes", "dask"])
def executor(request, monkeypatch):
    """Give two workers with a fault, started in one of the two ways."""
    started = []

    def start(fault):
        if request.param == "dask":
            address = request.getfixturevalue("workers")
            started.append(DaskCluster(address, work=getattr(partition_faults, fault)))
        else:
            faulty_workers(monkeypatch, fault)
            started.append(LocalProcesses(2))
        return started[-1]

    yield start
    for one in started:
        one.close()


def done_in(out):
    return sorted(int(p.name) for p in (scratch_folder(out) / "done").glob("*") if p.name.isdecimal())


def until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def told(caplog):
    return [record.code for record in caplog.records if hasattr(record, "code")]


def test_a_worker_killed_once_changes_nothing(district, executor, tmp_path, caplog, request):
    file, expected = district
    assert run(load_project(file), tmp_path / "out", executor("killed_once")) == 0
    assert (tmp_path / "killed").read_text() == "2\n"
    assert contents(tmp_path / "out") == expected
    if "dask" in request.node.name:
        assert told(caplog) == ["partition_worker_lost"]
        assert "partition 3 of 6" in caplog.text
    assert not scratch_folder(tmp_path / "out").exists()


def test_a_partition_that_always_kills_is_named_and_the_rest_kept(district, executor, tmp_path, request):
    file, expected = district
    out = tmp_path / "out"
    with pytest.raises(LandremedError) as caught:
        run(load_project(file), out, executor("killed_always"))
    assert caught.value.code == "partition_failed"
    assert caught.value.params["number"] == 3
    assert caught.value.params["first"] < caught.value.params["last"] <= PARCELS
    assert (tmp_path / "killed").read_text() == "2\n" * 3
    assert not out.exists()
    kept = done_in(out)
    assert 2 not in kept
    if "dask" in request.node.name:  # nobody else is blamed, nobody waits
        assert kept == [0, 1, 3, 4, 5]
    assert kept
    # mended: only the rest is done
    assert run(load_project(file), out, InProcess()) == len(kept)
    assert contents(out) == expected


def test_a_full_disk_on_one_worker(district, executor, tmp_path, request):
    file, expected = district
    out = tmp_path / "out"
    if "dask" in request.node.name:  # goes on with the other one
        run(load_project(file), out, executor("no_room"))
    else:
        with pytest.raises(LandremedError) as caught:
            run(load_project(file), out, executor("no_room"))
        assert caught.value.code == "scratch_write_failed"
        assert "File too large" in caught.value.text("en")
        assert not out.exists()
        run(load_project(file), out, InProcess())
    assert contents(out) == expected


def test_a_disk_that_is_full_before_the_first_partition(district, tmp_path, monkeypatch):
    file, _ = district

    def full(path, job):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("landremed.partitions.run.write_job", full)
    with pytest.raises(LandremedError) as caught:
        run(load_project(file), tmp_path / "out", InProcess())
    text = caught.value.text("en")
    assert str(scratch_folder(tmp_path / "out")) in text
    assert "No space left on device" in text
    assert "the same command" in text


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_damaged_partitions_are_done_again(district, tmp_path):
    file, expected = district
    out = tmp_path / "out"

    class Stops(InProcess):
        def run(self, folder, numbers):
            yield from super().run(folder, numbers[:-1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(load_project(file), out, Stops())
    assert done_in(out) == list(range(PARTS - 1))
    done = scratch_folder(out) / "done"
    cut(done / "00000" / "decisions.arrow")
    flip(done / "00001" / "overlaps.arrow")
    cut(done / "00002" / "done.json")
    (done / "00003" / "trace.arrow").unlink()
    assert run(load_project(file), out, InProcess()) == PARTS - 5
    assert contents(out) == expected


@pytest.mark.filterwarnings("ignore:invalid value")
def test_odd_geometry_is_a_finding_and_kills_no_partition(tmp_path):
    square = shapely.box(550_000, 4_300_000, 550_100, 4_300_100)
    odd = [
        shapely.Polygon(
            [(550_000, 4_300_000), (550_100, 4_300_100), (550_100, 4_300_000), (550_000, 4_300_100)]
        ),
        None,
        shapely.Polygon(),
        shapely.Polygon([(550_000, 4_300_000), (550_050, 4_300_000), (np.nan, np.nan), (550_000, 4_300_000)]),
        shapely.LineString([(550_000, 4_300_000), (550_100, 4_300_100)]),
        shapely.Polygon(
            [(550_000, 4_300_000), (550_100, 4_300_000), (1e12, 4_300_100), (550_000, 4_300_000)]
        ),
        shapely.MultiPolygon([square, square]),
        shapely.Polygon(
            [(550_000, 4_300_000), (550_100, 4_300_000), (550_100, 4_300_000), (550_000, 4_300_000)]
        ),
    ]
    shapes = [square, *odd, shapely.transform(square, lambda xy: xy + 300)]
    facts = {"tbbh": [f"P{i}" for i in range(len(shapes))], "category": "lake", "subtype": "park_green"}
    gpd.GeoDataFrame(facts, geometry=shapes, crs="EPSG:4548").to_file(tmp_path / "parcels.gpkg")
    layer = shapely.box(549_000, 4_299_000, 550_050, 4_301_000)
    gpd.GeoDataFrame(geometry=[layer], crs="EPSG:4548").to_file(tmp_path / "layer.gpkg")
    project = make_project(
        str(tmp_path / "parcels.gpkg"),
        [f"farmland={tmp_path / 'layer.gpkg'}"],
        settings=['parcels.id="tbbh"', "project.as_of=2022-03-31"],
    )
    whole = landremed.run(project, f"{tmp_path / 'whole'}/")
    assert len(whole.issues.query("code.str.startswith('parcel_geometry')")) >= 7
    assert len(whole.decisions) == len(shapes)
    expected = contents(tmp_path / "whole")
    for size in (1, 4):
        run(project, tmp_path / "out", InProcess(), size=size)
        found = contents(tmp_path / "out")
        differ = {name for name in expected if found.get(name) != expected[name]}
        assert differ <= {"provenance/part-00000.parquet", "landremed.json"}  # when it ran
        shutil.rmtree(tmp_path / "out")


def test_a_worker_whose_caller_is_gone_ends_in_silence(tmp_path):
    program = [sys.executable, "-P", "-m", "landremed.partitions.worker"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(program, **pipes) as process:
        process.stdout.close()
        send(process.stdin, (str(tmp_path), 0))
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.parametrize("how", ["processes", "local:2"])
def test_the_whole_program_killed_goes_on_where_it_was(district, tmp_path, how):
    file, expected = district
    out = tmp_path / "out"
    program = [sys.executable, partition_faults.__file__, "main", how, str(file), str(out)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: process.poll() is not None or len(done_in(out)) >= 2)
        assert process.poll() is None, process.stdout.read()
        family = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert not out.exists()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []  # workers do not outlive the program
    kept = done_in(out)
    assert 2 <= len(kept) < PARTS
    assert run(load_project(file), out, InProcess()) == len(kept)
    assert contents(out) == expected
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
