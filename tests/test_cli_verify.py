"""``landremed verify`` on the sample district: the tour of docs/verify.md, as users type it."""

import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from landremed.io.gpkg import layer_names, read_layer

REPO = Path(__file__).resolve().parents[1]
SAMPLES = REPO / "data" / "samples"
COVER = ["--before", str(SAMPLES / "landcover_before.tif"), "--after", str(SAMPLES / "landcover_after.tif")]
IMAGES = [
    "--before-image",
    str(SAMPLES / "imagery_before.tif"),
    "--after-image",
    str(SAMPLES / "imagery_after.tif"),
    "--bands",
    "blue=1,green=2,red=3,nir=4,swir=5",
]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def landremed(*arguments, cwd=None):
    """Run a command in this process."""
    from landremed_cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(cwd or Path.cwd()),
        pytest.raises(SystemExit) as stop,
    ):
        main([str(argument) for argument in arguments])
    return Done(stop.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "out.gpkg"
    done = landremed("run", SAMPLES / "project.toml", "-o", path, "-q")
    assert done.returncode == 3, done.stderr
    return path


@pytest.fixture(scope="module")
def verified(result):
    output = result.with_name("verify.gpkg")
    chips = result.with_name("chips")
    done = landremed(
        "verify", result, *COVER, *IMAGES, "-o", output, "--chips", chips, "--parcel", "BH-LAKE-004",
        "--parcel", "BH-LAKE-009", "--lang", "zh",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done, output, chips


def test_the_planted_parcels(verified):
    """States are planted in tools/make_sample_rasters.py."""
    rows = {r["parcel_id"]: r for r in read_layer(verified[1], "verification").to_pylist()}
    wanted = {
        "BH-LAKE-004": "supported",
        "BH-OCC-003": "supported",
        "BH-FALLOW-002": "supported",
        "BH-LAKE-009": "contradicted",
        "BH-PARK-014": "contradicted",  # filled, yet nothing grows
        "BH-OCC-004": "contradicted",
        "BH-FALLOW-003": "contradicted",
        "BH-OCC-036": "cannot_tell",  # 1.5 m²
        "BH-FALLOW-013": "cannot_tell",  # north of the raster
        "BH-RES-004": "cannot_tell",  # under a cloud
        "BH-OCC-010": None,  # retained: nothing to verify
    }
    assert {name: rows[name]["verdict"] for name in wanted} == wanted
    assert rows["BH-FALLOW-013"]["after_coverage"] == 0
    assert rows["BH-FALLOW-013"]["cultivated_after_share"] is None
    assert rows["BH-OCC-036"]["too_small"] == 1
    assert rows["BH-LAKE-004"]["why"].startswith("湖已填：印证")


def test_rows_and_layers(verified, result):
    assert layer_names(verified[1])[:7] == [
        "verification", "acceptance", "land_cover", "spectra", "rasters", "issues", "provenance",
    ]  # fmt: skip
    ids = read_layer(result, "decisions", columns=["parcel_id"])["parcel_id"].to_pylist()
    assert read_layer(verified[1], "verification")["parcel_id"].to_pylist() == ids
    roles = read_layer(verified[1], "rasters")["role"].to_pylist()
    assert roles == ["land_cover_before", "land_cover_after", "imagery_before", "imagery_after"]


def test_shares_sum_to_one_or_are_unknown(verified):
    table = read_layer(verified[1], "verification")
    for time in ("before", "after"):
        shares = np.array(
            [
                np.array(table[f"{group}_{time}_share"].to_pylist(), float)
                for group in ("cultivated", "built", "water", "tree", "bare", "other")
            ]
        )
        coverage = np.array(table[f"{time}_coverage"].to_pylist())
        assert np.isnan(shares[:, coverage == 0]).all()
        assert np.abs(shares[:, coverage > 0].sum(axis=0) - 1).max() < 1e-9


def test_both_kinds_agree_on_the_tour_parcel(verified):
    rows = [r for r in read_layer(verified[1], "acceptance").to_pylist() if r["parcel_id"] == "BH-LAKE-004"]
    lake = {r["method"]: r for r in rows if r["item"] == "lake_filled"}
    assert {m: r["verdict"] for m, r in lake.items()} == {"land_cover": "supported", "imagery": "supported"}
    assert lake["land_cover"]["before_share"] == pytest.approx(lake["imagery"]["before_share"], abs=0.03)


def test_the_summary(verified):
    done, output, chips = verified
    assert "湖已填" in done.stdout
    assert "不销号" in done.stdout
    assert str(output) in done.stdout
    assert str(chips) in done.stdout


def test_chips(verified):
    pytest.importorskip("PIL")
    from PIL import Image as image

    assert sorted(p.name for p in verified[2].iterdir()) == ["BH-LAKE-004.png", "BH-LAKE-009.png"]
    for path in verified[2].iterdir():
        with image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        outline = (pixels == (214, 0, 110)).all(axis=2)
        middle = pixels.shape[1] // 2
        assert outline[:, :middle].sum() > 100
        assert outline[:, middle:].sum() > 100
    with image.open(verified[2] / "BH-LAKE-004.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # the lake lies in the middle of the left half and is gone from the right one
    left, right = pixels[195:215, 175:190].mean(axis=(0, 1)), pixels[195:215, 541:556].mean(axis=(0, 1))
    assert left[2] > left[1]
    assert right[1] > right[2]


def test_json(result):
    done = landremed("verify", result, *COVER, "--json", "--lang", "en")
    document = json.loads(done.stdout)
    assert done.returncode == document["status"] == 0
    assert document["parcels"] == sum(document["verdicts"].values()) == 600
    assert document["items"]["lake_filled"]["supported"] > 0
    assert [f["code"] for f in document["findings"]] == ["class_map_by_tags"]


def test_parts_of_cut_parcels_are_judged_by_their_own_measure(tmp_path):
    split = ["--set", "project.straddle=split"]
    landremed("run", SAMPLES / "project.toml", *split, "-o", tmp_path / "split.gpkg", "-q")
    done = landremed("verify", tmp_path / "split.gpkg", *COVER, "-o", tmp_path / "v.gpkg", "--json")
    parts = read_layer(tmp_path / "split.gpkg", "parts", columns=["parcel_id", "measure"]).to_pylist()
    document = json.loads(done.stdout)
    assert (document["parcels"], document["parts"]) == (600, len(parts))
    rows = {r["parcel_id"]: r for r in read_layer(tmp_path / "v.gpkg", "verification").to_pylist()}
    assert list(rows)[600:] == [part["parcel_id"] for part in parts]
    for part in parts:
        assert rows[part["parcel_id"]]["measure"] == part["measure"]
        assert (rows[part["parcel_id"]]["verdict"] is not None) == (part["measure"] == "fill_and_recultivate")
        assert rows[part["parcel_id"].rpartition("#")[0]]["verdict"] is None


def test_a_project_is_run_first(result, tmp_path):
    done = landremed("verify", SAMPLES / "project.toml", *COVER, "-o", tmp_path / "v.gpkg", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    again = landremed("verify", result, *COVER, "-o", tmp_path / "w.gpkg", "-q")
    assert again.returncode == 0
    for layer in ("verification", "acceptance", "land_cover"):
        assert read_layer(tmp_path / "v.gpkg", layer).equals(read_layer(tmp_path / "w.gpkg", layer))


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 1, "--before"),
        (COVER[:2], 2, "belong together"),
        (IMAGES[:4], 2, "--bands"),
        ([*COVER, "--classes", "corine"], 1, "worldcover"),
        ([*COVER, "--threshold", "min_cell=3"], 1, "min_cells"),
        ([*COVER, "--threshold", "min_cells"], 2, "name=number"),
        ([*COVER, "--parcel", "X"], 2, "--chips"),
        ([*COVER, "--chips", "c", "--parcel", "BH-LAKE-04"], 1, "BH-LAKE-004"),
        ([*IMAGES[:5], "red=3,infra=4"], 1, "nir"),
        ([*IMAGES[:5], "red=3,nir=9"], 1, "5"),
        ([*IMAGES[:5], "red=3"], 1, "NDVI"),
        ([*COVER, "--before-date", "soon"], 1, "soon"),
        ([*COVER[2:], "--before", "none.tif"], 1, "none.tif"),
    ],
)
def test_wrong_use_is_one_sentence(result, tmp_path, arguments, status, text):
    done = landremed("verify", result, *arguments, "--lang", "en", cwd=tmp_path)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_commands_of_the_tour_work(tmp_path):
    """Every `landremed` line of the tour, in its order."""
    text = (REPO / "docs" / "verify.md").read_text(encoding="utf-8")
    tour = text.split("## Tour", 1)[1].split("\n## ", 1)[0]
    lines = [
        line.removeprefix("landremed ")
        for block in re.findall(r"```\n(.*?)```", tour, re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("landremed ")
    ]
    assert len(lines) >= 4
    for line in lines:
        done = landremed(*line.split(), cwd=tmp_path)
        assert done.returncode in (0, 3), (line, done.stderr)
    assert (tmp_path / "chips" / "BH-LAKE-004.png").is_file()
