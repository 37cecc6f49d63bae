"""The command line as scripts use it: exit status, streams, one sentence for every fault."""

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from landremed_cli.main import main

import landremed

SAMPLE = Path(landremed.sample_project())


def landremed_cli(*arguments):
    """Run a command in this process, which saves a start of Python for each."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return subprocess.CompletedProcess(arguments, end.value.code or 0, out.getvalue(), err.getvalue())


def subprocess_cli(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "landremed_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        check=False,
        timeout=120,
    )


def write(path, frame, layer=None):
    frame.to_file(path, layer=layer) if layer else frame.to_file(path)
    return path


def parcels(tmp_path, x=560000.0, y=4300000.0, crs="EPSG:4548", **columns):
    own = {"category": ["idle_land"] * 2, "subtype": ["idle"] * 2, "idle_cause": ["own"] * 2}
    columns = {"TBBH": ["A", "B"]} | own | columns
    shapes = [shapely.box(x + 200 * i, y, x + 200 * i + 100, y + 100) for i in range(2)]
    return write(tmp_path / "parcels.gpkg", gpd.GeoDataFrame(columns, geometry=shapes, crs=crs))


def red_line(tmp_path, x=560000.0, crs="EPSG:4548", name="red.gpkg"):
    shape = shapely.box(x + 50, 4299000, x + 1000, 4301000)
    return write(tmp_path / name, gpd.GeoDataFrame({"BH": ["r"]}, geometry=[shape], crs=crs))


def stopped(run, *words):
    """It stopped with one sentence that holds the words, and without a traceback."""
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    for word in words:
        assert word in run.stderr, run.stderr


def test_sample_ends_with_findings(tmp_path):
    out = tmp_path / "out.gpkg"
    run = landremed_cli("run", SAMPLE, "-o", out)
    assert run.returncode == 3
    assert "待研判" in run.stdout
    assert "evidence_contradiction" in run.stderr
    assert out.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out.gpkg"]


def test_json_is_one_document_on_stdout(tmp_path):
    run = landremed_cli("--json", "run", SAMPLE, "-o", tmp_path / "out.gpkg", "--lang", "en")
    document = json.loads(run.stdout)
    assert document["status"] == run.returncode == 3
    assert document["parcels"] == 600
    assert sum(row["count"] for row in document["summary"]) == 600


def test_without_a_project_file(tmp_path):
    files = parcels(tmp_path), red_line(tmp_path)
    run = landremed_cli(
        "run", files[0], "--layer", f"red_line={files[1]}", "--id", "TBBH", "--as-of", "2022-03-31",
        "--set", "tolerance.min_overlap_area_m2=5", "-o", tmp_path / "out.gpkg", "--lang", "en",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    with sqlite3.connect(tmp_path / "out.gpkg") as db:
        rows = db.execute("SELECT parcel_id, outcome, measure, due_on FROM decisions").fetchall()
        settings = dict(db.execute("SELECT key, value FROM provenance"))
    assert rows == [
        ("A", "complete_paperwork", "fee_or_reclaim", "2022-12-31"),
        ("B", "complete_paperwork", "fee_or_reclaim", "2022-12-31"),
    ]
    assert settings["tolerance.min_overlap_area_m2"] == "5.0"
    assert json.loads(settings["input.ecological_red_line"])["rows"] == 1


def test_layer_in_a_file_of_many(tmp_path):
    many = tmp_path / "many.gpkg"
    frame = gpd.read_file(red_line(tmp_path))
    for name in ("stbhhx", "other"):
        write(many, frame, name)
    base = ["run", parcels(tmp_path), "-o", tmp_path / "out.gpkg", "--lang", "en"]
    assert landremed_cli(*base, "--layer", f"red_line={many}:stbhhx").returncode == 0
    assert landremed_cli(*base, "--overwrite", "--layer", f"red_line={many}|layername=stbhhx").returncode == 0
    stopped(
        landremed_cli(*base, "--overwrite", "--layer", f"red_line={many}"), "many.gpkg", "stbhhx", "other"
    )
    stopped(landremed_cli(*base, "--overwrite", "--layer", f"red_line={many}:stbhx"), "stbhhx")


def test_existing_output_is_kept(tmp_path):
    out = tmp_path / "out.gpkg"
    out.write_bytes(b"mine")
    base = ["run", parcels(tmp_path), "--layer", f"red_line={red_line(tmp_path)}", "-o", out, "--lang", "en"]
    stopped(landremed_cli(*base), "out.gpkg", "--overwrite")
    assert out.read_bytes() == b"mine"
    assert landremed_cli(*base, "--overwrite").returncode == 0
    assert out.read_bytes() != b"mine"


def test_output_never_takes_the_place_of_an_input(tmp_path):
    files = {"parcels": parcels(tmp_path), "red": red_line(tmp_path)}
    project = tmp_path / "p.toml"
    project.write_text('[parcels]\npath = "parcels.gpkg"\n[layers.red_line]\npath = "red.gpkg"\n')
    link = tmp_path / "link.gpkg"
    link.symlink_to(files["parcels"])
    before = {path: path.read_bytes() for path in (*files.values(), project)}
    for out in (*before, link):
        stopped(landremed_cli("run", project, "-o", out, "--overwrite", "--lang", "en"), out.name, "reads")
    assert landremed_cli("overlay", project, "-o", tmp_path / "overlay.gpkg").returncode == 0
    base = ["decide", tmp_path / "overlay.gpkg", "-o", tmp_path / "overlay.gpkg"]
    stopped(landremed_cli(*base, "--overwrite", "--lang", "en"), "overlay.gpkg", "reads")
    assert {path: path.read_bytes() for path in before} == before


def test_output_is_named_as_what_it_is(tmp_path):
    out = tmp_path / "out.shp"
    stopped(landremed_cli("run", parcels(tmp_path), "-o", out, "--lang", "en"), "out.shp", ".gpkg")
    assert not out.exists()


def test_failure_leaves_the_old_output(tmp_path):
    out = tmp_path / "out.gpkg"
    out.write_bytes(b"mine")
    far = red_line(tmp_path, x=700000.0)
    run = landremed_cli("run", parcels(tmp_path), "--layer", f"red_line={far}", "-o", out, "--overwrite")
    stopped(run, "red.gpkg", "disjoint")
    assert out.read_bytes() == b"mine"


BAD = {
    "missing file": (["nowhere.gpkg"], ["nowhere.gpkg"]),
    "missing layer": (["{parcels}", "--layer", "red_line=gone.shp"], ["gone.shp"]),
    "missing id field": (["{parcels}", "--id", "TBBM"], ["parcels.gpkg", "TBBM", "TBBH"]),
    "unknown setting": (
        ["{parcels}", "--set", "project.straddl=split"],
        ["project.straddl", "project.straddle"],
    ),
    "bad date": (["{parcels}", "--as-of", "31.3.2022"], ["as_of", "31.3.2022"]),
    "unknown reading": (["{parcels}", "--set", "readings.industry=either"], ["industry", "industry_scale"]),
    "unknown rule book": (
        ["{parcels}", "--set", 'project.rules="binhai-2023"'],
        ["binhai-2023", "binhai-2022"],
    ),
    "degrees as working CRS": (["{parcels}", "--crs", "EPSG:4490"], ["4490"]),
    "survey elsewhere": (
        ["{parcels}", "--crs", "EPSG:32650", "--set", "project.area=survey"],
        ["geodesic", "plane"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, words = BAD[name]
    filled = [a.format(parcels=parcels(tmp_path)) for a in arguments]
    run = landremed_cli("run", *filled, "-o", "out.gpkg", "--lang", "en")
    stopped(run, *words)
    assert not (tmp_path / "out.gpkg").exists()
    chinese = landremed_cli("run", *filled, "-o", "out.gpkg", "--lang", "zh")
    stopped(chinese, "错误")


def test_duplicate_ids_stop(tmp_path):
    twice = parcels(tmp_path, TBBH=["A", "A"])
    run = landremed_cli("run", twice, "--id", "TBBH", "-o", tmp_path / "o.gpkg", "--lang", "en")
    stopped(run, "row 2", "'A'", "row 1")


def test_layer_without_crs_stops(tmp_path):
    bare = tmp_path / "red.shp"
    gpd.read_file(red_line(tmp_path)).to_file(bare)
    bare.with_suffix(".prj").unlink()
    base = [
        "run",
        parcels(tmp_path),
        "--layer",
        f"red_line={bare}",
        "-o",
        tmp_path / "o.gpkg",
        "--lang",
        "en",
    ]
    stopped(landremed_cli(*base), "red.shp", "crs =", "layers.ecological_red_line")
    named = landremed_cli(*base, "--set", 'layers.ecological_red_line.crs="EPSG:4548"')
    assert named.returncode == 0, named.stderr


@pytest.mark.parametrize(
    ("x", "y", "crs", "words"),
    [
        (117.7, 38.9, "EPSG:4548", ["parcels.gpkg"]),  # degrees declared as metres
        (39560000.0, 4300000.0, "EPSG:4548", ["parcels.gpkg", "4527"]),  # prefixed, declared without
        (560000.0, 4300000.0, "EPSG:4527", ["parcels.gpkg", "4548"]),
        (4300000.0, 560000.0, "EPSG:4548", ["parcels.gpkg"]),  # swapped axes
        (560000.0, 4300000.0, "EPSG:2384", ["Xian"]),  # another datum than the layer
    ],
)
def test_wrong_coordinates_stop(tmp_path, x, y, crs, words):
    odd = parcels(tmp_path, x=x, y=y, crs=crs)
    red = red_line(tmp_path)
    run = landremed_cli("run", odd, "--layer", f"red_line={red}", "-o", tmp_path / "o.gpkg", "--lang", "en")
    stopped(run, *words)


def test_row_faults_do_not_stop(tmp_path):
    odd = parcels(tmp_path, category=["闲置", "idle"], occurred_on=["2022-02-30", "2019年"])
    run = landremed_cli(
        "run", odd, "--layer", f"red_line={red_line(tmp_path)}", "-o", tmp_path / "o.gpkg", "--lang", "en"
    )
    assert run.returncode == 3
    with sqlite3.connect(tmp_path / "o.gpkg") as db:
        issues = db.execute(
            "SELECT code, row, field, value FROM issues WHERE severity = 'warning'"
        ).fetchall()
        rows = db.execute("SELECT outcome, missing_facts FROM decisions").fetchall()
    assert ("date_unreadable", 1, "occurred_on", "2022-02-30") in issues
    assert ("value_not_listed", 2, "category", "idle") in issues
    assert rows[1] == ("needs_review", "category")


def test_usage_error_is_two():
    assert landremed_cli("run").returncode == 2
    assert landremed_cli("rnu").returncode == 2
    assert landremed_cli("--lang", "fr", "run", "x", "-o", "y").returncode == 2


def test_foreign_proj_data_is_ignored(tmp_path):
    run = subprocess_cli(
        "run", parcels(tmp_path), "--layer", f"red_line={red_line(tmp_path)}", "-o", tmp_path / "o.gpkg",
        PROJ_LIB=str(tmp_path), PROJ_DATA=str(tmp_path), GDAL_DATA=str(tmp_path),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_narrow_terminal_encoding(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "landremed_cli", "run", str(SAMPLE), "-o", str(tmp_path / "o.gpkg")],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "gbk"},
        check=False,
    )
    assert run.returncode == 3
    assert "待研判" in run.stdout.decode("gbk")


def test_no_layers_at_all(tmp_path):
    run = landremed_cli("run", parcels(tmp_path), "-o", tmp_path / "o.gpkg", "--lang", "en")
    assert run.returncode == 0, run.stderr
    with sqlite3.connect(tmp_path / "o.gpkg") as db:
        row = db.execute("SELECT ecological_red_line_area_m2, outcome FROM decisions").fetchone()
    assert row == (None, "complete_paperwork")


def test_verbose_tells_stages_that_make_up_the_whole(tmp_path):
    done = subprocess_cli("run", SAMPLE, "-o", tmp_path / "o.gpkg", "-v", "--json")
    seconds = json.loads(done.stdout)["seconds"]
    total = seconds.pop("total")
    assert {"start", "read parcels", "measure", "decide", "write", "summary"} <= set(seconds)
    assert abs(sum(seconds.values()) - total) < 0.02
    told = [float(line.split()[-2]) for line in done.stderr.splitlines() if line.endswith(" s")]
    assert len(told) == len(seconds) + 1
    assert abs(sum(told[:-1]) - told[-1]) < 0.005 * len(told)
