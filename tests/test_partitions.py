"""A run in partitions gives what a run in one piece gives, however it is divided."""

import pickle
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import shapely

from landremed.api import run
from landremed.area import PlaneArea
from landremed.errors import InputError, LandremedError, Where
from landremed.io import result_folder
from landremed.io.result_folder import write_folder
from landremed.layers import Parcels, load_parcels
from landremed.output import titled_layers
from landremed.overlay import LayerInput, PolygonSet, prepare
from landremed.partitions import InProcess, LocalProcesses, spool
from landremed.partitions.curve import hilbert_places
from landremed.partitions.job_file import open_job, write_job
from landremed.partitions.memory import Bounds, fitting, parse_memory
from landremed.partitions.parcels import in_memory, in_windows
from landremed.partitions.run import run_partitions
from landremed.partitions.scratch import done_files, read_done, scratch_folder
from landremed.partitions.spool import parcel_table, plan, write_shares
from landremed.partitions.traces import KEYS_SCHEMA, TraceNumbers
from landremed.partitions.twins import twins_of
from landremed.project import load_project, make_project
from landremed.same_place import same_place
from landremed.samples import sample_project
from landremed.tables import VectorSource

SETTINGS = ['project.straddle="split"', "project.as_of=2022-03-31"]
VOLATILE = ("started", "finished", "elapsed_s", "output", "jobs")


@pytest.fixture(scope="module")
def sample():
    return load_project(sample_project(), settings=SETTINGS)


@pytest.fixture(scope="module")
def whole(sample):
    return run(sample)


def divided(project, output, executor, rows):
    return run_partitions(
        project,
        output,
        engine="auto",
        executor=executor,
        stage=lambda name: None,
        progress=None,
        entries=dict,
        bounds=Bounds(rows=rows),
    )


def gathered(layers):
    tables = {}
    for layer in (at.gathered() for at in layers):
        table = layer.table
        if layer.geometry is not None:
            table = table.append_column("geometry", layer.geometry)
        rows = table.to_pylist()
        tables[layer.name] = [r for r in rows if layer.name != "provenance" or r["key"] not in VOLATILE]
    return tables


@pytest.mark.parametrize(("rows", "block"), [(9, 16), (170, 7), (5000, 32_768)])
def test_every_table_is_that_of_one_piece(sample, whole, tmp_path, monkeypatch, rows, block):
    monkeypatch.setattr(spool, "_BLOCK", block)
    monkeypatch.setattr(spool, "_BLOCKS", 1_000)
    found = divided(sample, tmp_path / "r.gpkg", InProcess(), rows)
    expected = gathered(whole.layers.values())
    got = gathered(found.layers)
    assert list(got) == list(expected)
    for name, table in expected.items():
        assert table or name == "land_use", name
        assert got[name] == table, name
    for layer in found.layers:
        if layer.stream is None:
            continue
        for start in {0, 1, block, layer.rows // 2, max(layer.rows - 1, 0), layer.rows}:
            rest = [row for table, _ in layer.stream.chunks(start) for row in table.to_pylist()]
            known = [
                {k: v for k, v in row.items() if k != "geometry"} for row in expected[layer.name][start:]
            ]
            assert rest == known, (layer.name, start)


def test_processes_and_folders(sample, whole, tmp_path, monkeypatch):
    """Two processes, and the same command in one piece, write the same bytes."""
    monkeypatch.setattr(spool, "_BLOCK", 16)
    monkeypatch.setattr(result_folder, "ROWS", 20)
    monkeypatch.setattr(result_folder, "GROUP", 5)
    monkeypatch.setattr(result_folder, "_SHARE", 2)
    with LocalProcesses(2) as executor:
        found = divided(sample, tmp_path / "r", executor, 100)
    for name, layers in (("one", list(whole.layers.values())), ("two", found.layers)):
        titled = titled_layers([at for at in layers if at.name != "provenance"], "zh", {}, found.basis)
        write_folder(tmp_path / name, titled, crs_wkt=found.basis.crs.to_wkt())
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) > 30
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_memory_is_an_option_of_run(sample, whole, tmp_path):
    """A run with bounded memory writes the same GeoPackage, and its result is read from there."""
    output = tmp_path / "two" / "r.gpkg"
    output.parent.mkdir()
    result = run(sample, output, jobs=1, memory=4 * 10**9)
    assert result.status == whole.status
    assert result.findings == whole.findings
    assert result.summary_text("zh") == whole.summary_text("zh")
    assert result.document("x") == whole.document("x")
    assert list(result.layers) == list(whole.layers)
    for name in ("decisions", "overlaps", "facts", "trace"):
        found, expected = result.layers[name], whole.layers[name]
        assert found.table.schema.names == expected.table.schema.names
        for column in expected.table.column_names:
            values = [v or None for v in expected.table[column].to_pylist()]
            assert [v or None for v in found.table[column].to_pylist()] == values, column
    assert result.decisions.geometry.area.sum() == pytest.approx(whole.decisions.geometry.area.sum())
    with closing(sqlite3.connect(output)) as db:
        assert db.execute("SELECT count(*) FROM qgis_projects").fetchone() == (1,)
    assert [p.name for p in output.parent.iterdir()] == ["r.gpkg"]


class Stopped(Exception):
    pass


class StopsAfter:
    """Does some partitions and then no more."""

    def __init__(self, count):
        self.count = count

    def run(self, folder, numbers):
        for at, done in enumerate(InProcess().run(folder, numbers)):
            if at == self.count:
                raise Stopped
            yield done


def test_goes_on_where_it_stopped(sample, whole, tmp_path):
    output = tmp_path / "r.gpkg"
    with pytest.raises(Stopped):
        divided(sample, output, StopsAfter(2), 170)
    folder = scratch_folder(output)
    cut = done_files(folder, 1) / "decisions.arrow"
    cut.write_bytes(cut.read_bytes()[:-10])
    assert read_done(folder, 0, whole=True) is not None
    found = divided(sample, output, InProcess(), 170)
    assert found.reused == 2  # 0 and 2; the one cut short is done again
    assert gathered(found.layers)["decisions"] == gathered(whole.layers.values())["decisions"]
    other = load_project(sample_project(), settings=[*SETTINGS, "tolerance.min_overlap_area_m2=2.0"])
    assert divided(other, output, InProcess(), 170).reused == 0
    found.remove()
    assert not folder.exists()


def test_windows_give_the_same_parcels(sample, tmp_path):
    one, other = in_memory(load_parcels(sample)), in_windows(sample, tmp_path)
    assert other.ids.equals(one.ids)
    assert other.source.content_hash == one.source.content_hash
    assert other.crs == one.crs
    assert np.array_equal(other.boxes, one.boxes, equal_nan=True)
    assert other.expected == one.expected
    assert list(other.findings) == list(one.findings)
    first, second = (pa.concat_tables(at.tables()).to_pydict() for at in (one, other))
    assert first == second


def test_windows_choose_the_working_crs_by_all_rows(tmp_path):
    import geopandas as gpd

    places = [(117.2 + 0.01 * i, 39.1) for i in range(20)]
    shapes = [shapely.box(x, y, x + 0.001, y + 0.001) for x, y in places]
    frame = gpd.GeoDataFrame({"category": ["idle_land"] * 20}, geometry=shapes, crs="EPSG:4490")
    frame.to_parquet(tmp_path / "p.parquet")
    project = make_project(str(tmp_path / "p.parquet"), [])
    one, other = in_memory(load_parcels(project)), in_windows(project, tmp_path / "scratch")
    assert other.crs == one.crs
    assert other.crs.to_epsg() == 4548
    assert np.array_equal(other.boxes, one.boxes)
    assert list(other.findings) == list(one.findings)


def source(wkb, rows=None):
    return VectorSource(
        "p.gpkg", "", "GPKG", pa.table({"_": pa.nulls(len(wkb))}), wkb, None, "", "", "", rows
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_same_place_across_partitions(tmp_path, seed, sample):
    rng = np.random.default_rng(seed)
    base = rng.uniform(0, 400, (60, 2)) + np.array([500000, 4300000])
    size = 2.0 ** rng.uniform(-2, 9, 60)
    boxes = [shapely.box(x, y, x + s, y + s) for (x, y), s in zip(base, size, strict=True)]
    near = [shapely.affinity.translate(b, 0.01 * s, 0) for b, s in zip(boxes, size, strict=True)]
    shapes = [*boxes, *near, *boxes[:20], *boxes[:10], None]
    shapes = [shapes[i] for i in rng.permutation(len(shapes))]
    polygons = PolygonSet.from_geometries(np.array(shapes, dtype=object))
    ids = [f"P{i}" for i in range(len(shapes))]
    parcels = Parcels(ids, source(polygons.wkb), polygons, None, None)
    expected = same_place(ids, polygons, "p.gpkg")
    assert len(expected) > 60
    wanted = plan(polygons.boxes, 13)
    table = parcel_table(parcels, np.arange(len(ids)))
    extents = write_shares(
        tmp_path, lambda: iter([table.slice(0, 70), table.slice(70)]), wanted, table.schema
    )
    found = []
    for number in range(len(wanted.rows)):
        rows = np.flatnonzero(wanted.part == number)
        own = PolygonSet(polygons.wkb.take(pa.array(rows)))
        share = Parcels([ids[r] for r in rows], source(own.wkb, rows), own, None, None)
        found += twins_of(share, number, extents, tmp_path)
    key = lambda f: (f.row, f.value)  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)


def test_curve_visits_every_cell_once_and_goes_to_a_neighbour():
    corners = np.stack(np.meshgrid(np.arange(16.0), np.arange(16.0)), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners], axis=1)
    places = hilbert_places(boxes, np.array([0, 0, 15, 15.0]))
    assert len(np.unique(places)) == 256
    steps = [np.abs(a - b).sum() for a, b in pairwise(corners[np.argsort(places)])]
    assert steps == [1] * 255
    nowhere = np.full((1, 4), np.nan)
    assert hilbert_places(nowhere, np.zeros(4))[0] > places.max()


def test_traces_are_numbered_by_their_first_parcel():
    def keys(*rows):
        return pa.table([list(c) for c in zip(*rows, strict=True)], schema=KEYS_SCHEMA)

    one = keys((7, 1, 5), (7, 2, 9))
    two = keys((7, 2, 3), (8, 1, 9), (8, 2, 9))  # parts of one parcel share its row
    numbers = TraceNumbers.of([one, two])
    assert [n.tolist() for n in numbers.numbers] == [[2, 1], [1, 3, 4]]
    assert [k.tolist() for k in numbers.kept] == [[True, False], [True, True, True]]
    assert numbers.count == 4


def test_a_job_file_maps_its_arrays(tmp_path):
    job = {
        "numbers": np.arange(1000.0),
        "wkb": pa.array([b"abc", None], pa.large_binary()),
        "none": np.zeros(0),
    }
    write_job(tmp_path / "job", job)
    found = open_job(tmp_path / "job")
    assert found["numbers"].tolist() == job["numbers"].tolist()
    assert found["wkb"].equals(job["wkb"])
    found["numbers"][0] = 7.0  # a page of one's own
    assert open_job(tmp_path / "job")["numbers"][0] == 0.0


def test_the_native_engine_in_a_job_file(tmp_path):
    corners = np.random.default_rng(2).uniform(0, 1000, (300, 2))
    layer = PolygonSet.from_geometries(shapely.box(*corners.T, *(corners.T + 40)))
    parcels = PolygonSet.from_geometries(shapely.box(*(corners.T + 15), *(corners.T + 70)))
    engine = prepare([LayerInput("a", layer)], area=PlaneArea(), engine="native", jobs=1)
    write_job(tmp_path / "job", engine)
    found, expected = open_job(tmp_path / "job").measure(parcels), engine.measure(parcels)
    assert found.overlaps.equals(expected.overlaps)
    assert found.overlaps.num_rows == 300


def test_a_job_file_lays_down_shared_memory_once(tmp_path):
    numbers = np.random.default_rng(1).random(100_000)
    nothing = np.zeros(0)
    write_job(tmp_path / "job", [nothing, numbers, nothing, numbers.view(), numbers[:10], numbers + 1.0])
    assert (tmp_path / "job").stat().st_size < 2.1 * numbers.nbytes
    for found, wanted in zip(
        open_job(tmp_path / "job"),
        [nothing, numbers, nothing, numbers, numbers[:10], numbers + 1.0],
        strict=True,
    ):
        assert found.tolist() == wanted.tolist()


def test_a_run_refused_before_its_work_leaves_nothing(tmp_path, sample):
    for memory in (10**7, 3 * 10**8):
        with pytest.raises(LandremedError) as caught:
            run(sample, tmp_path / "r.gpkg", jobs=1, memory=memory)
        assert caught.value.code == "memory_too_small"
    assert list(tmp_path.iterdir()) == []


def test_errors_go_from_process_to_process():
    error = InputError("parcel_id_twice", Where("a.gpkg", "p", 3), first=1, count=2, kind=ValueError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.where) == (InputError, error.code, error.where)
    assert again.params == {"first": 1, "count": 2, "kind": str(ValueError)}


def test_memory():
    assert [parse_memory(text) for text in ("2GB", "1.5g", "800 MiB")] == [2 * 10**9, 15 * 10**8, 800 * 2**20]
    for text in ("", "GB", "-1GB", "0", "2 parsecs"):
        with pytest.raises(LandremedError) as caught:
            parse_memory(text)
        assert caught.value.code == "memory_unreadable"
    ample = fitting(10**11, parcels=10**6, layers_bytes=10**8, processes=4, rows=50_000, block=32_768)
    assert (ample.processes, ample.rows) == (4, 50_000)
    tight = fitting(2 * 10**9, parcels=10**6, layers_bytes=10**8, processes=4, rows=50_000, block=32_768)
    assert tight.processes < 4
    assert tight.rows <= 50_000
    with pytest.raises(LandremedError) as caught:
        fitting(10**8, parcels=10**6, layers_bytes=10**8, processes=4, rows=50_000, block=32_768)
    assert caught.value.code == "memory_too_small"
    needed = float(str(caught.value.params["needed"]).split()[0])
    assert (
        fitting(
            int(needed * 10**9), parcels=10**6, layers_bytes=10**8, processes=4, rows=50_000, block=32_768
        ).processes
        == 1
    )


def test_an_unforeseen_fault_names_the_partition(tmp_path, sample):
    output = tmp_path / "r.gpkg"
    with pytest.raises(Stopped):
        divided(sample, output, StopsAfter(0), 300)
    folder = scratch_folder(output)
    job = folder / "job"
    job.write_bytes(job.read_bytes()[:16])
    with LocalProcesses(1) as executor, pytest.raises(LandremedError) as caught:
        list(executor.run(str(folder), [1]))
    assert caught.value.code == "partition_failed"
    assert caught.value.params["number"] == 2
    assert replace(Where(), file="parcels.gpkg:parcels") == caught.value.where
