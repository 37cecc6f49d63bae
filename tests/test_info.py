"""``landremed info`` on files whose content is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely

from landremed.inspect import look, look_text
from landremed.inspect.aliases import aliases, land_use_code_kind, minimum_area_m2
from landremed.inspect.roles import guess_id, guess_role
from landremed.inspect.words import word
from landremed.types import MAIN_ROLES, SPECIAL_ROLES

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data" / "samples"


def write(path: Path, geometry, crs=4548, **columns) -> Path:
    columns = columns or {"BSM": [str(i) for i in range(len(geometry))]}
    gpd.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(path)
    return path


def test_the_sample_layers():
    seen = {s.display.removeprefix(str(SAMPLES) + "/"): s for s in look(str(SAMPLES))}
    roles = {name: s.role.role for name, s in seen.items() if s.crs_state}
    assert roles == {
        "parcels.gpkg:parcels": "parcels",
        "yjjbnt.shp": "permanent_basic_farmland",
        "constraints.gpkg:stbhhx": "ecological_red_line",
        "constraints.gpkg:czkfbj": "urban_development_boundary",
        "constraints.gpkg:lsstpz": "green_ecological_barrier",
        "base.gpkg:xzq": "admin_units",
        "base.gpkg:dltb": "land_use",
        "sea_dyke_zone.geojson": "",
        "yjjbnt_coverage.gpkg:coverage": "",
    }
    farm = seen["yjjbnt.shp"]
    assert (farm.encoding, farm.encoding_ground) == ("GB18030", "not utf-8")
    assert farm.crs.startswith("EPSG:4527")
    assert "guessed" in look_text(farm, "en")
    assert seen["sea_dyke_zone.geojson"].crs_state in ("declared", "implied")
    parcels = seen["parcels.gpkg:parcels"]
    assert parcels.rows == 600
    assert parcels.id == ("TBBH",)
    assert {f.fact: f.field for f in parcels.facts}["category"] == "WTLX"
    assert seen["evidence_planning.csv"].rows > 0


@pytest.mark.parametrize("role", [*MAIN_ROLES, *SPECIAL_ROLES, "parcels"])
def test_a_name_alone_makes_no_role(role):
    for name in aliases()["roles"][role]["names"]:
        guess = guess_role(name, pa.table({"BSM": ["1"], "BZ": ["x"]}))
        assert guess.role == ""
        assert role in guess.others


def test_fields_win_over_a_wrong_name():
    red = pa.table({"HXBM": ["1"], "HXMC": ["a"], "HXLX": ["b"]})
    assert guess_role("CZKFBJ", red).role == "ecological_red_line"
    farm = pa.table({"yjjbnttbbh": ["1"], "DLBM": ["0101"], "DLMC": ["水田"]})
    assert guess_role("DLTB", farm).role == "permanent_basic_farmland"
    land = pa.table({"DLBM": ["0101", "1107A"], "DLMC": ["水田", "干渠"]})
    assert guess_role("x", land).role == "land_use"
    odd = pa.table({"DLBM": ["red", "blue"], "DLMC": ["水田", "干渠"]})
    assert guess_role("x", odd).role == ""


def test_ids():
    table = pa.table({"XZQDM": ["1", "1", "2"], "JCBH": ["7", "8", "7"], "BSM": ["a", "a", "b"]})
    assert guess_id("parcels", table) == ("XZQDM", "JCBH")
    assert guess_id("parcels", table.append_column("TBBH", pa.array(["x", "y", "z"]))) == ("TBBH",)
    assert guess_id("parcels", table.append_column("TBBH", pa.array(["x", None, "z"]))) == ("XZQDM", "JCBH")
    assert guess_id("parcels", pa.table({"BZ": ["1"]})) == ()


SQUARE = shapely.box(560_000, 4_300_000, 560_100, 4_300_100)


@pytest.mark.parametrize(
    ("dx", "swap", "text"),
    [
        (39_000_000, False, "EPSG:4527"),
        (20_000_000, False, "EPSG:4498"),
        (0, False, "without zone prefix"),
        (0, True, "swapped"),
        (None, False, "longitude and latitude"),
        (-555_000, False, "local grid"),
    ],
)
def test_numbers_without_a_crs(tmp_path, dx, swap, text):
    shape = (
        shapely.box(117.1, 38.9, 117.2, 39.0)
        if dx is None
        else shapely.transform(SQUARE, lambda c: c + np.array([dx, 0]))
    )
    shape = shapely.transform(shape, lambda c: c[:, ::-1]) if swap else shape
    (seen,) = look(str(write(tmp_path / "a.gpkg", [shape], crs=None)))
    assert seen.crs_state == "missing"
    assert text in seen.crs_text("en")
    assert seen.document()["crs"] is None


def test_a_crs_that_the_numbers_contradict(tmp_path):
    (seen,) = look(str(write(tmp_path / "a.gpkg", [SQUARE], crs=4527)))
    assert seen.crs_state == "contradicted"
    assert "CONTRADICTED" in seen.crs_text("en")
    assert seen.problem.code == "crs_prefix_missing"


def test_kinds_and_blanks(tmp_path):
    path = write(
        tmp_path / "a.gpkg", [SQUARE, shapely.Point(560_000, 4_300_000), None], name=["甲", None, "乙"]
    )
    (seen,) = look(str(path))
    assert seen.geometry == {"Polygon": 1, "Point": 1, "-": 1}
    assert seen.extent == (560_000, 4_300_000, 560_100, 4_300_100)
    assert [(f.name, f.filled, f.samples) for f in seen.fields] == [("name", 2, ("甲", "乙"))]


def test_facts_need_readable_values(tmp_path):
    path = write(
        tmp_path / "a.gpkg",
        [SQUARE] * 4,
        category=["违法占地", "x", "y", "z"],
        FSRQ=["2019", "2020.5", "?", "-"],
    )
    (seen,) = look(str(path))
    usable = {f.fact: f.usable for f in seen.facts}
    assert usable == {"category": False, "occurred_on": True}
    assert "75 %" in look_text(seen, "en")


def test_codes_of_the_land_survey():
    assert [land_use_code_kind(c) for c in ("0101", "0301K", "1104A", "08H2A", "011", "0201B", "x")] == [
        "new", "new", "new", "new", "old", "unknown", "unknown",
    ]  # fmt: skip
    assert [minimum_area_m2(c) for c in ("0601", "1202", "0102", "1104A", "1101", None)] == [
        200,
        200,
        400,
        400,
        600,
        200,
    ]


def test_every_text_stands_in_both_languages():
    for key in ("rows", "crs_missing", "role_none", "init_title", "ground_not utf-8"):
        assert word(key, "en") != word(key, "zh")


def test_command(tmp_path):
    shutil.copy(SAMPLES / "parcels.gpkg", tmp_path / "p.gpkg")
    (tmp_path / "broken.gpkg").write_bytes((SAMPLES / "parcels.gpkg").read_bytes()[:3000])
    order = [sys.executable, "-m", "landremed_cli", "--lang", "en", "--json", "info", str(tmp_path)]
    run = subprocess.run(order, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 1
    assert "broken.gpkg" in run.stderr
    assert "Traceback" not in run.stderr
    layers = {Path(s["file"]).name: s for s in json.loads(run.stdout)["layers"]}
    assert "error" in layers["broken.gpkg"]
    assert layers["p.gpkg"]["role"] == "parcels"
    assert np.isclose(layers["p.gpkg"]["extent"][0], gpd.read_file(tmp_path / "p.gpkg").total_bounds[0])
