"""A run that takes over measures gives what a full run gives, table by table, to the byte."""

import json
import os
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

import landremed
from landremed.errors import CrsError, InputError
from landremed.io.gpkg import layer_names
from landremed.law.vocabulary import rules_root
from landremed.provenance import VOLATILE_KEYS
from landremed.reuse import Reuse, hashes, measures_path
from landremed.reuse.begun import layers_path

CRS = "EPSG:4548"
KINDS = ["开发区", "镇"]
PROJECT = """
[project]
name = "edits"
crs = "EPSG:4548"
rules = "{rules}"
as_of = {as_of}
straddle = "{straddle}"
language = "{language}"
[readings]
{readings}
[tolerance]
{tolerance}
[sensitivity]
limit_m = {limit_m}
[calendar]
path = "days.csv"
[parcels]
path = "parcels.gpkg"
id = "code"
[layers.permanent_basic_farmland]
path = "farmland.gpkg"
coverage = "cover.gpkg"
by = ["dlbm"]
[layers.ecological_red_line]
path = "redline.gpkg"
[layers.urban_development_boundary]
path = "urban.gpkg"
[layers.land_use]
path = "farmland.gpkg"
code = "dlbm"
[layers.admin_units]
path = "towns.gpkg"
name = "name"
[[evidence]]
path = "facts.csv"
id = "code"
"""


def blobs(rng, n, size):
    at = np.array([560_000, 4_300_000]) + rng.uniform(0, 1000, (n, 2))
    angles = np.sort(rng.uniform(0, 2 * np.pi, (n, 7)), axis=1)
    reach = rng.uniform(size / 3, size, (n, 7))
    ring = at[:, None, :] + reach[..., None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return shapely.make_valid(shapely.convex_hull(shapely.multipoints(ring)))


def write_book(folder):
    """Copy the rule book with another day from which on cases count."""
    shutil.copytree(rules_root() / "binhai-2022", folder)
    plan = (folder / "plan.yaml").read_text(encoding="utf-8")
    assert plan.count("value: 2004-10-21") == 1
    (folder / "plan.yaml").write_text(plan.replace("2004-10-21", "2019-06-01"), encoding="utf-8")


def bow(x, y, size):
    return shapely.Polygon([(x, y), (x + size, y + size), (x + size, y), (x, y + size)])


class District:
    """Invented data in memory that can be edited and written."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        n = 60
        self.parcels = gpd.GeoDataFrame(
            {
                "code": [f"P{i:03}" for i in range(n)],
                "category": ["illegal_occupation"] * n,
                "subtype": rng.choice(["industrial", "residential"], n),
            },
            geometry=blobs(rng, n, 60),
            crs=CRS,
        )
        codes = rng.choice(["0101", "0301", "0602"], 40)
        self.layers = {
            "farmland": gpd.GeoDataFrame({"dlbm": codes}, geometry=blobs(rng, 40, 150), crs=CRS),
            "redline": gpd.GeoDataFrame(geometry=blobs(rng, 12, 250), crs=CRS),
            "urban": gpd.GeoDataFrame(geometry=blobs(rng, 6, 300), crs=CRS),
            "cover": gpd.GeoDataFrame(geometry=blobs(rng, 3, 700), crs=CRS),
            "towns": gpd.GeoDataFrame(
                {"name": [f"镇{i % 5}" for i in range(9)]}, geometry=blobs(rng, 9, 300), crs=CRS
            ),
        }
        # shapes that cross themselves, are missing, or cannot be repaired
        at = 560_300, 4_300_300
        self.parcels.loc[5, "geometry"] = bow(*at, 40)
        self.parcels.loc[6, "geometry"] = None
        self.layers["redline"].loc[3, "geometry"] = bow(*at, 90)
        self.layers["farmland"].loc[4, "geometry"] = shapely.Polygon([at, (560_340, 4_300_340), at])
        self.settings = {
            "rules": "binhai-2022",
            "as_of": "2022-06-30",
            "straddle": "review",
            "language": "zh",
            "readings": "",
            "tolerance": "",
            "limit_m": "5.0",
        }
        self.calendar = "2031-01-01,holiday\n"
        self.facts = pd.DataFrame({"code": self.parcels["code"], "occurred_on": "2019-01-01"})

    def edit(self, kind):
        rng = self.rng
        if kind == "moved":
            shapes = self.parcels.geometry.to_numpy().copy()
            row = rng.choice(np.flatnonzero(~shapely.is_missing(shapes)))
            shapes[row] = shapely.transform(shapes[row], lambda xy: xy + rng.uniform(-9, 9, 2))
            self.parcels = self.parcels.set_geometry(gpd.GeoSeries(shapes, crs=CRS))
        elif kind == "removed":
            self.parcels = self.parcels.drop(index=rng.integers(len(self.parcels))).reset_index(drop=True)
        elif kind == "added":
            row = self.parcels.iloc[[0]].assign(code=f"N{rng.integers(10**9)}")
            row = row.set_geometry(gpd.GeoSeries(blobs(rng, 1, 60), crs=CRS))
            self.parcels = pd.concat([row, self.parcels], ignore_index=True)
        elif kind == "reordered":
            self.parcels = self.parcels.sample(frac=1, random_state=int(rng.integers(99))).reset_index(
                drop=True
            )
        elif kind == "evidence":
            self.facts.loc[int(rng.integers(len(self.facts))), "occurred_on"] = "2021-05-05"
        elif kind == "calendar":
            self.calendar += "2031-01-02,holiday\n"
        elif kind in SETTINGS:
            name, values = SETTINGS[kind]
            others = [value for value in values if value != self.settings[name]]
            self.settings[name] = str(rng.choice(others))
        else:
            self.edit_layer(kind)

    def edit_layer(self, kind):
        rng = self.rng
        name = rng.choice(list(self.layers))
        frame = self.layers[name]
        row = int(rng.integers(len(frame)))
        if kind == "feature moved":
            shapes = frame.geometry.to_numpy().copy()
            shapes[row] = shapely.transform(shapes[row], lambda xy: xy + rng.uniform(-5, 5, 2))
            frame = frame.set_geometry(gpd.GeoSeries(shapes, crs=CRS))
        elif kind == "feature removed" and len(frame) > 1:
            frame = frame.drop(index=row).reset_index(drop=True)
        elif kind == "features reordered":
            frame = frame.sample(frac=1, random_state=row).reset_index(drop=True)
        elif kind == "attribute":
            name, frame = "farmland", self.layers["farmland"].copy()
            frame.loc[row % len(frame), "dlbm"] = "0102"
        self.layers[name] = frame

    def write(self, folder):
        folder.mkdir(exist_ok=True)
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2022-01-01T00:00:00Z"})
        try:  # what did not change is the same file to the byte
            pyogrio.write_dataframe(self.parcels, folder / "parcels.gpkg")
            for name, frame in self.layers.items():
                pyogrio.write_dataframe(frame, folder / f"{name}.gpkg")
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
        self.facts.to_csv(folder / "facts.csv", index=False)
        if self.settings["rules"] == "book":
            write_book(folder / "book")
        (folder / "days.csv").write_text("date,kind\n" + self.calendar, encoding="utf-8")
        (folder / "project.toml").write_text(PROJECT.format(**self.settings), encoding="utf-8")
        return folder / "project.toml"


SETTINGS = {
    "rules": ("rules", ["binhai-2022", "book"]),
    "straddle": ("straddle", ["review", "split", "majority"]),
    "day": ("as_of", ["2022-06-30", "2023-02-01", "2021-01-01"]),
    "language": ("language", ["zh", "en"]),
    "reading": ("readings", ["", 'industry_scale = "either"', 'red_line_extent = "part"']),
    "tolerance": ("tolerance", ["", "min_overlap_area_m2 = 40.0", "position_m = 3.0"]),
    "limit": ("limit_m", ["5.0", "9.0"]),
}
PARCEL_EDITS = ["moved", "removed", "added", "reordered", "evidence"]
LAYER_EDITS = ["feature moved", "feature removed", "features reordered", "attribute"]
EDITS = [*PARCEL_EDITS, *LAYER_EDITS, *SETTINGS, "calendar"]


def same_files(one: Path, other: Path):
    names = layer_names(one)
    assert names == layer_names(other)
    for name in names:
        first, second = (pyogrio.read_arrow(path, layer=name)[1] for path in (one, other))
        if name == "provenance":
            first, second = (
                [row for row in table.to_pylist() if row["key"] not in VOLATILE_KEYS]
                for table in (first, second)
            )
            assert first == second
        elif name != "layer_styles":
            assert first.equals(second), name


@pytest.mark.parametrize(("seed", "engine"), [(1, "shapely"), (2, "shapely"), (3, "native"), (4, "native")])
def test_edits_give_what_a_full_run_gives(tmp_path, seed, engine):
    district = District(seed)
    project = district.write(tmp_path / "0")
    district.edit("straddle" if seed % 2 else "reordered")
    previous = tmp_path / "previous.gpkg"
    landremed.run(project, previous, engine=engine, reuse=Reuse())
    # every kind of edit is met over the seeds, two at a time
    kinds = district.rng.permutation(EDITS[seed % 2 :: 2])
    for step, both in enumerate(kinds[:8].reshape(-1, 2)):
        for kind in both:
            district.edit(str(kind))
        project = district.write(tmp_path / str(step + 1))
        full, partly = tmp_path / f"full{step}.gpkg", tmp_path / f"partly{step}.gpkg"
        landremed.run(project, full, engine=engine)
        told = landremed.run(project, partly, engine=engine, reuse=Reuse(previous))
        same_files(full, partly)
        assert told.reuse["reused"] + told.reuse["measured"] >= len(district.parcels)
        assert told.reuse["firm_reused"] + told.reuse["firm_judged"] == len(district.parcels)
        previous = partly


def counted(folder, district, previous):
    """Run again, see that the result is that of a full run, and return how much was computed."""
    project = district.write(folder)
    full, partly = folder / "full.gpkg", folder / "partly.gpkg"
    landremed.run(project, full)
    told = landremed.run(project, partly, reuse=Reuse(previous))
    same_files(full, partly)
    return told.reuse["measured"], told.reuse["firm_judged"]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    landremed.run(District(11).write(folder), folder / "first.gpkg", reuse=Reuse())
    return folder / "first.gpkg"


@pytest.mark.parametrize("kind", ["day", "language", "calendar", "reordered"])
def test_what_changes_neither_ground_nor_facts_computes_nothing(tmp_path, first, kind):
    district = District(11)
    district.edit(kind)
    assert counted(tmp_path, district, first) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rules", "book"),
        ("readings", 'industry_scale = "either"'),
        ("tolerance", "position_m = 3.0"),
        ("limit_m", "9.0"),
        ("straddle", "majority"),
    ],
)
def test_law_and_settings_leave_measures_alone(tmp_path, first, name, value):
    district = District(11)
    district.settings[name] = value
    assert counted(tmp_path, district, first) == (0, len(district.parcels))


def test_evidence_of_one_parcel_judges_one_parcel(tmp_path, first):
    district = District(11)
    district.edit("evidence")
    assert counted(tmp_path, district, first) == (0, 1)


def test_a_layer_changed_out_of_reach_computes_nothing(tmp_path, first):
    district = District(11)
    far = shapely.box(561_900, 4_301_900, 561_950, 4_301_950)
    frame = gpd.GeoDataFrame({"dlbm": ["0101"]}, geometry=[far], crs=CRS)
    district.layers["farmland"] = pd.concat([frame, district.layers["farmland"]], ignore_index=True)
    assert counted(tmp_path, district, first) == (0, 0)


def test_a_layer_changed_beside_a_parcel_judges_it_without_measuring(tmp_path, first):
    district = District(11)
    x0, y0, _, _ = district.parcels.geometry.iloc[0].bounds
    for name in ("farmland", "redline"):
        near = shapely.box(x0 - 3.0, y0 - 3.0, x0 - 2.9, y0 - 2.9)
        frame = gpd.GeoDataFrame({"dlbm": ["0101"]}, geometry=[near], crs=CRS)
        district.layers[name] = pd.concat([district.layers[name], frame], ignore_index=True)
    touched = sum(near.intersects(shapely.box(*s.bounds)) for s in district.parcels.geometry if s)
    reached = sum(near.intersects(shapely.box(*s.buffer(5).bounds)) for s in district.parcels.geometry if s)
    measured, judged = counted(tmp_path, district, first)
    assert measured == touched
    assert max(1, reached) <= judged < len(district.parcels)


def test_other_libraries_compute_everything(tmp_path, first, monkeypatch):
    monkeypatch.setattr(hashes, "library_versions", lambda: {"lib.GEOS": "0.0.1"})
    measured, judged = counted(tmp_path, District(11), first)
    assert (measured, judged) == (60, 60)


def test_one_edit_measures_one_parcel(tmp_path):
    district = District(7)
    first = tmp_path / "a.gpkg"
    landremed.run(district.write(tmp_path / "0"), first, reuse=Reuse())
    district.edit("moved")
    district.edit("reordered")
    district.edit("evidence")
    told = landremed.run(district.write(tmp_path / "1"), first, overwrite=True, reuse=Reuse(first))
    counts = {name: told.reuse[name] for name in ("reused", "measured")}
    assert counts == {"reused": len(district.parcels) - 1, "measured": 1}
    again = landremed.run(tmp_path / "1" / "project.toml", reuse=Reuse(first))
    every = len(district.parcels)
    whole = {"reused": every, "measured": 0, "firm_reused": every, "firm_judged": 0}
    whole |= {"layers_reused": 5, "rows_reused": every - 1, "decided": 1}  # one is always decided
    assert again.document("x")["reuse"] == whole


def test_what_is_no_such_file_is_refused(tmp_path):
    result = tmp_path / "a.gpkg"
    landremed.run(District(8).write(tmp_path / "0"), result, reuse=Reuse())
    kept = measures_path(result)
    good = kept.read_bytes()
    for raw, code in [
        (good[:-7], "reuse_damaged"),
        (good[:300] + bytes([good[300] ^ 1]) + good[301:], "reuse_damaged"),
        (good[:25], "reuse_damaged"),
        (b"landremed measures 0\n" + good[21:], "reuse_foreign"),
        (b"SQLite format 3\0", "reuse_foreign"),
        (b"", "reuse_foreign"),
    ]:
        kept.write_bytes(raw)
        assert Reuse(result).unusable == [(code, str(kept))]
    reuse = Reuse(result)
    told = landremed.run(tmp_path / "0" / "project.toml", tmp_path / "b.gpkg", reuse=reuse)
    assert (told.reuse["reused"], told.reuse["rows_reused"]) == (0, 0)
    assert Reuse(tmp_path / "b.gpkg").unusable == []
    kept.unlink()
    other = tmp_path / "other.gpkg"
    pyogrio.write_dataframe(District(8).parcels, other, layer="parcels")
    text = tmp_path / "text.gpkg"
    text.write_text("no result")
    for path, code in [
        (result, "measures_missing"),
        (other, "reuse_no_result"),
        (text, "reuse_no_result"),
        (tmp_path, "reuse_no_result"),
        (Path(), "reuse_no_result"),
        (Path("/"), "reuse_no_result"),
        (tmp_path / "none.gpkg", "reuse_no_file"),
    ]:
        with pytest.raises(InputError) as refused:
            Reuse(path)
        assert refused.value.code == code
        assert str(path) in str(refused.value)


def test_layers_are_read_anew_where_a_file_of_theirs_changed(tmp_path, first):
    district = District(11)
    told = landremed.run(district.write(tmp_path / "0"), reuse=Reuse(first))
    assert told.reuse["layers_reused"] == 5  # as files of the same bytes, wherever they lie
    farmland = tmp_path / "0" / "farmland.gpkg"
    frame = pyogrio.read_dataframe(farmland)
    frame.loc[3, "dlbm"] = "0105"
    for name, other in [("farmland", frame), ("cover", District(11).layers["cover"].iloc[:2])]:
        district = District(11)
        district.layers[name] = other
        project = district.write(tmp_path / name)
        full, partly = tmp_path / f"full{name}.gpkg", tmp_path / f"partly{name}.gpkg"
        landremed.run(project, full)
        told = landremed.run(project, partly, reuse=Reuse(first))
        same_files(full, partly)
        # farmland gives two layers, and the cover is that of one
        assert told.reuse["layers_reused"] == {"farmland": 3, "cover": 4}[name]


def test_a_layer_taken_over_must_still_meet_the_parcels(tmp_path, first):
    district = District(11)
    far = district.parcels.geometry.translate(100_000, 0)
    district.parcels = district.parcels.set_geometry(far)
    with pytest.raises(CrsError) as refused:
        landremed.run(district.write(tmp_path / "0"), reuse=Reuse(first))
    assert refused.value.code == "layer_elsewhere"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_the_place_of_measures_is_not_waited_for(tmp_path, first):
    shutil.copy(first, tmp_path / "a.gpkg")
    os.mkfifo(measures_path(tmp_path / "a.gpkg"))
    with pytest.raises(InputError) as refused:
        Reuse(tmp_path / "a.gpkg")
    assert refused.value.code == "measures_missing"


def test_what_another_version_kept_is_told_and_left(tmp_path, first, monkeypatch):
    monkeypatch.setattr("landremed.reuse.taking.surroundings", lambda: ("another", "version"))
    reuse = Reuse(first)
    told = landremed.run(District(11).write(tmp_path / "0"), tmp_path / "b.gpkg", reuse=reuse)
    assert [told.reuse[name] for name in ("layers_reused", "reused", "rows_reused")] == [0, 0, 0]
    assert reuse.unusable == [("reuse_outdated", str(measures_path(first)))]


def test_files_of_layers_that_are_gone_or_damaged(tmp_path, first):
    for end in ("", ".measures", ".layers"):
        shutil.copy(f"{first}{end}", tmp_path / f"a.gpkg{end}")
    result, kept = tmp_path / "a.gpkg", layers_path(tmp_path / "a.gpkg")
    good = kept.read_bytes()
    for raw, code in [
        (good[:-9], "reuse_damaged"),
        (good[:400] + bytes([good[400] ^ 1]) + good[401:], "reuse_damaged"),
        (b"landremed layers 0\n" + good[19:], "reuse_foreign"),
        (b"", "reuse_foreign"),
    ]:
        kept.write_bytes(raw)
        assert Reuse(result).unusable == [(code, str(kept))]
    kept.unlink()
    assert counted(tmp_path / "0", District(11), result) == (0, 0)
    assert layers_path(tmp_path / "0" / "partly.gpkg").read_bytes() == good


def test_a_file_of_layers_that_goes_while_a_run_uses_it_is_written_again(tmp_path, first):
    for end in ("", ".measures", ".layers"):
        shutil.copy(f"{first}{end}", tmp_path / f"a.gpkg{end}")
    kept = layers_path(tmp_path / "a.gpkg")
    good = kept.read_bytes()

    def removed(stage):
        if stage == "write":
            kept.unlink()

    project = District(11).write(tmp_path / "0")
    for output in ("b.gpkg", "a.gpkg"):  # beside another result, and beside the one whose file it was
        shutil.copy(f"{first}.layers", kept)
        reuse = Reuse(tmp_path / "a.gpkg")
        told = landremed.run(project, tmp_path / output, overwrite=True, stage=removed, reuse=reuse)
        assert told.reuse["layers_reused"] == 5
        assert layers_path(tmp_path / output).read_bytes() == good
    same_files(first, tmp_path / "a.gpkg")
    assert not [path.name for path in tmp_path.iterdir() if ".tmp-" in path.name]


def test_the_command_says_how_much(tmp_path, capsys):
    from landremed_cli.main import main

    def status(*words):
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        return ended.value.code

    project = str(District(9).write(tmp_path / "0"))
    first, second = str(tmp_path / "a.gpkg"), str(tmp_path / "b.gpkg")
    assert status("run", project, "-o", first, "--keep-measures") in (0, 3)
    capsys.readouterr()
    assert status("--json", "run", project, "-o", second, "--reuse", first) in (0, 3)
    assert json.loads(capsys.readouterr().out)["reuse"]["reused"] == 60
    assert status("run", project, "-o", second, "--overwrite", "--reuse", str(tmp_path / "no.gpkg")) == 1
