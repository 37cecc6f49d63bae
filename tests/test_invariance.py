"""What must not matter does not: vertex start, ring direction, order of parts and features, tiles, repeated
vertices, whole-metre shifts, file format, text encoding, number of workers.

Decisions are compared row by row, unrounded plane areas within 1e-9 of the parcel's area.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import landremed_samples
import numpy as np
import pandas as pd
import pytest
import shapely

from landremed.frames import frame_source
from landremed.io.vector import read_vector
from landremed.pipeline import decide_overlay, measure_project, rule_book
from landremed.project import make_project, role_name
from landremed.results import decision_columns
from landremed.tables import VectorSource

SAMPLES = Path(landremed_samples.__file__).parent
LAYERS = {
    "farmland": ("yjjbnt.shp", None),
    "red_line": ("constraints.gpkg", "stbhhx"),
    "urban_boundary": ("constraints.gpkg", "czkfbj"),
    "green_barrier": ("constraints.gpkg", "lsstpz"),
}
SETTINGS = [
    "project.as_of=2022-03-31",
    "project.crs='EPSG:4548'",
    "parcels.id='TBBH'",
    "parcels.fields.category='WTLX'",
    "parcels.fields.subtype='XL'",
    "parcels.fields.occurred_on='FSRQ'",
    "parcels.values.category.违法违规占地='illegal_occupation'",
]
SAID = ["parcel_id", "outcome", "measure", "rule", "clause", "reason", "missing_facts", "possible_outcomes"]

Frames = dict[str, gpd.GeoDataFrame]


@dataclass
class Told:
    """Decisions by parcel, and unrounded areas by parcel and layer."""

    said: pd.DataFrame
    areas: pd.DataFrame


def told(sources: dict[str, VectorSource], settings: list[str], engine: str, jobs: int | None) -> Told:
    options = [f"{role}={role}" for role in sources if role != "parcels"]
    project = make_project("parcels", options, settings=[*SETTINGS, *settings])
    named = {role if role == "parcels" else role_name(role): source for role, source in sources.items()}
    overlay = measure_project(project, engine=engine, jobs=jobs, sources=named)
    decided = decide_overlay(overlay, rule_book(project))
    columns = decision_columns(decided.book, overlay.ids, decided.parcels, project.layers, "en")
    said = pd.DataFrame({name: columns[name].to_pylist() for name in SAID}).set_index("parcel_id")
    areas = pd.DataFrame({"area": overlay.measured.area_m2, **overlay.measured.overlap_m2}, overlay.ids)
    return Told(said.sort_index(), areas.sort_index())


def run(
    frames: Frames, settings: tuple[str, ...] = (), engine: str = "shapely", jobs: int | None = None
) -> Told:
    sources = {role: frame_source(frame, role) for role, frame in frames.items()}
    return told(sources, ["project.area='plane'", *settings], engine, jobs)


def same(one: Told, other: Told, tolerance: float = 1e-9) -> None:
    pd.testing.assert_frame_equal(one.said, other.said)
    assert list(one.areas.columns) == list(other.areas.columns)
    whole = one.areas["area"].to_numpy()[:, None]
    apart = np.abs(one.areas.to_numpy() - other.areas.to_numpy()) / whole
    assert np.nanmax(apart) <= tolerance
    assert (np.isnan(one.areas.to_numpy()) == np.isnan(other.areas.to_numpy())).all()


def to_millimetres(geometry: np.ndarray) -> np.ndarray:
    rounded = shapely.transform(geometry, lambda xy: np.round(xy, 3))
    return shapely.make_valid(rounded, method="structure", keep_collapsed=False)


@pytest.fixture(scope="module")
def frames() -> Frames:
    """A fifth of the sample district, all in EPSG:4548, vertices in whole millimetres."""
    parcels = gpd.read_file(SAMPLES / "parcels.gpkg").iloc[::5].reset_index(drop=True)
    parcels = parcels[["TBBH", "WTLX", "XL", "FSRQ", "geometry"]]
    found = {"parcels": parcels.set_crs(4548, allow_override=True)}
    for role, (file, layer) in LAYERS.items():
        frame = gpd.read_file(SAMPLES / file, **({"layer": layer} if layer else {"encoding": "gb18030"}))
        frame = frame[frame.geometry.notna()].to_crs(4548)[["geometry"]].reset_index(drop=True)
        found[role] = frame.assign(NAME=[f"要素{i}" for i in range(len(frame))])
    for role, frame in found.items():
        shapes = to_millimetres(frame.geometry.to_numpy())
        keep = shapely.is_missing(shapes) | (shapely.get_dimensions(shapes) == 2)
        found[role] = frame.set_geometry(gpd.GeoSeries(shapes, crs=4548))[keep].reset_index(drop=True)
    return found


@pytest.fixture(scope="module")
def plain(frames: Frames) -> Told:
    result = run(frames)
    assert len(result.said) == len(frames["parcels"])
    assert result.said["outcome"].nunique() >= 4
    assert (result.areas.drop(columns="area") > 0).sum().min() > 5
    return result


def each_ring(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Frames], Frames]:
    """Change the vertices of every closed ring."""

    def polygon(shape: shapely.Polygon) -> shapely.Polygon:
        rings = [change(np.asarray(ring.coords)) for ring in (shape.exterior, *shape.interiors)]
        return shapely.Polygon(rings[0], rings[1:])

    def shape_of(shape: shapely.Geometry | None) -> shapely.Geometry | None:
        if shape is None or shape.is_empty or shape.geom_type not in ("Polygon", "MultiPolygon"):
            return shape
        if shape.geom_type == "Polygon":
            return polygon(shape)
        return shapely.MultiPolygon([polygon(part) for part in shape.geoms])

    def all_of(frames: Frames) -> Frames:
        return {
            role: f.set_geometry([shape_of(s) for s in f.geometry], crs=f.crs) for role, f in frames.items()
        }

    return all_of


def started_elsewhere(ring: np.ndarray) -> np.ndarray:
    turned = np.roll(ring[:-1], -(len(ring) // 2), axis=0)
    return np.vstack([turned, turned[:1]])


def repeated(ring: np.ndarray) -> np.ndarray:
    return np.repeat(ring, np.where(np.arange(len(ring)) % 3 == 0, 2, 1), axis=0)


def parts_turned(frames: Frames) -> Frames:
    def turned(shape: shapely.Geometry | None) -> shapely.Geometry | None:
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
            return shape
        parts = [shapely.Polygon(p.exterior, list(p.interiors)[::-1]) for p in shapely.get_parts(shape)[::-1]]
        return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)

    return {role: f.set_geometry([turned(s) for s in f.geometry], crs=f.crs) for role, f in frames.items()}


def shuffled(frames: Frames) -> Frames:
    return {role: f.sample(frac=1, random_state=7).reset_index(drop=True) for role, f in frames.items()}


def parts_as_features(frames: Frames) -> Frames:
    """Every part of a layer's features as a feature of its own."""
    return {
        role: f if role == "parcels" else f.explode(index_parts=False).reset_index(drop=True)
        for role, f in frames.items()
    }


def tiled(frames: Frames) -> Frames:
    """Cut every layer along a grid of whole kilometres, a feature per tile."""

    def cut(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        x0, y0, x1, y1 = np.floor(frame.total_bounds / 1000) * 1000
        boxes = [
            shapely.box(x, y, x + 1000, y + 1000)
            for x in np.arange(x0, x1 + 1000, 1000)
            for y in np.arange(y0, y1 + 1000, 1000)
        ]
        tree = shapely.STRtree(boxes)
        feature, box = tree.query(frame.geometry)
        pieces = shapely.intersection(frame.geometry.to_numpy()[feature], np.array(boxes)[box])
        pieces = shapely.get_parts(pieces)
        pieces = pieces[(shapely.get_dimensions(pieces) == 2)]
        return gpd.GeoDataFrame({"NAME": ["片"] * len(pieces)}, geometry=pieces, crs=frame.crs)

    return {role: f if role == "parcels" else cut(f) for role, f in frames.items()}


def given_twice(frames: Frames) -> Frames:
    """Every layer's features stand twice, as where two deliveries overlap."""
    return {
        role: f if role == "parcels" else pd.concat([f, f], ignore_index=True) for role, f in frames.items()
    }


def shifted(frames: Frames) -> Frames:
    return {role: f.set_geometry(f.geometry.translate(-37.0, 211.0)) for role, f in frames.items()}


CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "vertex start": each_ring(started_elsewhere),
    "ring direction": each_ring(lambda ring: ring[::-1]),
    "repeated vertices": each_ring(repeated),
    "order of parts and holes": parts_turned,
    "order of features": shuffled,
    "parts as features": parts_as_features,
    "tiles": tiled,
    "features twice": given_twice,
    "whole metres": shifted,
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_must_not_matter(frames: Frames, plain: Told, name: str) -> None:
    same(plain, run(CHANGES[name](frames)))


@pytest.mark.parametrize("name", ["vertex start", "ring direction", "order of features", "tiles"])
def test_survey_areas_to_the_cent(frames: Frames, name: str) -> None:
    survey = ("project.area='survey'",)
    one, other = run(frames, survey), run(CHANGES[name](frames), survey)
    pd.testing.assert_frame_equal(one.said, other.said)
    assert np.nanmax(np.abs(one.areas.to_numpy() - other.areas.to_numpy())) < 0.01


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_workers(frames: Frames, plain: Told, jobs: int) -> None:
    same(plain, run(frames, jobs=jobs))


def test_compiled_engine(frames: Frames, plain: Told) -> None:
    same(plain, run(frames, engine="native", jobs=2))


FORMATS = ("gpkg", "geojson", "fgb", "parquet", "shp", "gdb")


def write(frame: gpd.GeoDataFrame, path: Path, **options: str) -> None:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".gdb":
        frame.to_file(path, driver="OpenFileGDB", promote_to_multi=True)
    else:
        frame.to_file(path, **({"SPATIAL_INDEX": "NO"} if path.suffix == ".fgb" else {}), **options)


def from_files(frames: Frames, folder: Path, suffix: str, **options: str) -> Told:
    sources = {}
    for role, frame in frames.items():
        write(frame, folder / f"{role}.{suffix}", **options)
        sources[role] = read_vector(f"{role}.{suffix}", base=folder)[0]
    return told(sources, ["project.area='plane'"], "shapely", None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", FORMATS)
def test_formats(frames: Frames, plain: Told, tmp_path: Path, suffix: str) -> None:
    # a FileGDB keeps coordinates on a grid of its own, a tenth of a millimetre wide
    same(plain, from_files(frames, tmp_path, suffix), 1e-7 if suffix == "gdb" else 1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("encoding", "keeps_cpg"), [("gbk", True), ("gbk", False), ("utf-8", True), ("utf-8", False)]
)
def test_encodings(frames: Frames, plain: Told, tmp_path: Path, encoding: str, keeps_cpg: bool) -> None:
    for role, frame in frames.items():
        frame.to_file(tmp_path / f"{role}.shp", encoding=encoding)
        if not keeps_cpg:
            (tmp_path / f"{role}.cpg").unlink(missing_ok=True)
    sources = {role: read_vector(f"{role}.shp", base=tmp_path)[0] for role in frames}
    same(plain, told(sources, ["project.area='plane'"], "shapely", None))


ODD: dict[str, shapely.Geometry | None] = {
    "null": None,
    "empty": shapely.Polygon(),
    "empty part": shapely.MultiPolygon([shapely.Polygon(), shapely.box(560500, 4300000, 560600, 4300100)]),
    "point": shapely.Point(560500, 4300000),
    "line": shapely.LineString([(560500, 4300000), (560600, 4300000)]),
    "collection": shapely.GeometryCollection(
        [shapely.Point(560500, 4300000), shapely.box(560500, 4300000, 560600, 4300100)]
    ),
    "bow tie": shapely.Polygon([(560500, 4300000), (560600, 4300100), (560600, 4300000), (560500, 4300100)]),
    "collapsed": shapely.Polygon([(560500, 4300000), (560600, 4300000), (560500, 4300000)]),
    "three dimensions": shapely.force_3d(shapely.box(560500, 4300000, 560600, 4300100), 7.0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb", "parquet"])
def test_no_parcel_is_lost(frames: Frames, tmp_path: Path, suffix: str) -> None:
    """Odd shapes between good ones, all in one file."""
    shapes = [s for shape in ODD.values() for s in (shape, shapely.box(560000, 4300000, 560100, 4300100))]
    if suffix == "fgb":  # one layer of it has one dimension
        shapes = [shapely.force_2d(s) for s in shapes]
    count = len(shapes)
    parcels = gpd.GeoDataFrame(
        {
            "TBBH": [f"T{i}" for i in range(count)],
            "WTLX": ["耕地撂荒"] * count,
            "XL": [None] * count,
            "FSRQ": ["2019"] * count,
        },
        geometry=shapes,
        crs=4548,
    )
    layers = {
        "red_line": gpd.GeoDataFrame(
            {"NAME": ["x"]}, geometry=[shapely.box(5.5e5, 4.29e6, 5.7e5, 4.31e6)], crs=4548
        )
    }
    result = from_files({"parcels": parcels, **layers}, tmp_path, suffix)
    assert len(result.said) == count
    assert sorted(result.said.index) == sorted(parcels["TBBH"])
    measured = result.areas["area"].reindex(parcels["TBBH"]).notna().tolist()
    for name, found in zip(ODD, measured[::2], strict=True):
        assert found == (name in {"empty part", "collection", "bow tie", "three dimensions"}), name
    assert all(measured[1::2])
    lost = [name for name, found in zip(parcels["TBBH"], measured, strict=True) if not found]
    assert (result.said.loc[lost, "reason"] == "no_geometry").all()
