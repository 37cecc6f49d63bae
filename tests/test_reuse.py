"""A run that takes over measures gives what a full run gives, table by table, to the byte."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

import landremed
from landremed.errors import InputError
from landremed.io.gpkg import layer_names
from landremed.provenance import VOLATILE_KEYS
from landremed.reuse import Reuse, measures_path

CRS = "EPSG:4548"
KINDS = ["开发区", "镇"]
PROJECT = """
[project]
name = "edits"
crs = "EPSG:4548"
rules = "binhai-2022"
as_of = 2022-06-30
straddle = "{straddle}"
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
        self.straddle = "review"
        self.facts = pd.DataFrame({"code": self.parcels["code"], "occurred_on": "2019-01-01"})

    def edit(self, kind):
        rng = self.rng
        if kind == "moved":
            row = rng.integers(len(self.parcels))
            shapes = self.parcels.geometry.to_numpy().copy()
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
        elif kind == "straddle":
            self.straddle = "split" if self.straddle == "review" else "review"
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
        pyogrio.write_dataframe(self.parcels, folder / "parcels.gpkg")
        for name, frame in self.layers.items():
            pyogrio.write_dataframe(frame, folder / f"{name}.gpkg")
        self.facts.to_csv(folder / "facts.csv", index=False)
        (folder / "project.toml").write_text(PROJECT.format(straddle=self.straddle), encoding="utf-8")
        return folder / "project.toml"


EDITS = [
    "moved",
    "removed",
    "added",
    "reordered",
    "evidence",
    "straddle",
    "feature moved",
    "feature removed",
    "features reordered",
    "attribute",
]


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
    for step in range(3):
        for kind in district.rng.choice(EDITS, 2):
            district.edit(kind)
        project = district.write(tmp_path / str(step + 1))
        full, partly = tmp_path / f"full{step}.gpkg", tmp_path / f"partly{step}.gpkg"
        landremed.run(project, full, engine=engine)
        told = landremed.run(project, partly, engine=engine, reuse=Reuse(previous))
        same_files(full, partly)
        assert told.reuse["reused"] + told.reuse["measured"] >= len(district.parcels)
        previous = partly


def test_one_edit_measures_one_parcel(tmp_path):
    district = District(7)
    first = tmp_path / "a.gpkg"
    landremed.run(district.write(tmp_path / "0"), first, reuse=Reuse())
    district.edit("moved")
    district.edit("reordered")
    district.edit("evidence")
    told = landremed.run(district.write(tmp_path / "1"), first, overwrite=True, reuse=Reuse(first))
    assert told.reuse == {"reused": len(district.parcels) - 1, "measured": 1}
    again = landremed.run(tmp_path / "1" / "project.toml", reuse=Reuse(first))
    assert again.document("x")["reuse"] == {"reused": len(district.parcels), "measured": 0}


def test_what_is_no_such_file_is_refused(tmp_path):
    result = tmp_path / "a.gpkg"
    landremed.run(District(8).write(tmp_path / "0"), result, reuse=Reuse())
    kept = measures_path(result)
    good = kept.read_bytes()
    for raw, code in [
        (good[:-7], "measures_damaged"),
        (good[:300] + bytes([good[300] ^ 1]) + good[301:], "measures_damaged"),
        (good[:25], "measures_damaged"),
        (b"landremed measures 0\n" + good[21:], "measures_foreign"),
        (b"SQLite format 3\0", "measures_foreign"),
        (b"", "measures_foreign"),
    ]:
        kept.write_bytes(raw)
        with pytest.raises(InputError) as refused:
            Reuse(result)
        assert refused.value.code == code
    kept.unlink()
    with pytest.raises(InputError) as refused:
        Reuse(result)
    assert refused.value.code == "measures_missing"
    shutil.rmtree(tmp_path / "0")


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
    assert json.loads(capsys.readouterr().out)["reuse"] == {"reused": 60, "measured": 0}
    assert status("run", project, "-o", second, "--overwrite", "--reuse", str(tmp_path / "no.gpkg")) == 1
