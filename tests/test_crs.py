"""Coordinate systems: figures from the survey's own series and from GDAL, not from the code under test."""

from __future__ import annotations

import math
import shutil
import subprocess

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely

from landremed.crs import (
    CRS_IMPLIED,
    central_meridian,
    choose_working_crs,
    gauss_krueger_epsg,
    is_cgcs2000_gauss_krueger,
    out_of_place,
    parse_crs,
    resolve_crs,
    to_working,
)
from landremed.errors import CrsError
from landremed.tables import VectorSource

ESRI_4527 = (
    'PROJCS["CGCS2000_3_Degree_GK_Zone_39",GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",'
    'DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Gauss_Kruger"],PARAMETER["False_Easting",39500000.0],'
    'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",117.0],PARAMETER["Scale_Factor",1.0],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
ESRI_4548 = ESRI_4527.replace("Zone_39", "CM_117E").replace("39500000.0", "500000.0")
ESRI_4490 = ESRI_4527[ESRI_4527.index("GEOGCS") : ESRI_4527.index(",PROJECTION")]
RENAMED = ESRI_4527.replace("CGCS2000_3_Degree_GK_Zone_39", "Tianjin_2000")


def layer(
    geometries: list[shapely.Geometry | None], crs: str | None = None, *, implied: bool = False
) -> VectorSource:
    wkb = pa.array([None if g is None else shapely.to_wkb(g) for g in geometries], pa.large_binary())
    table = pa.table({"n": list(range(len(geometries)))})
    if implied:
        table = table.replace_schema_metadata({CRS_IMPLIED: b"1"})
    return VectorSource("x.gpkg", "x", "GPKG", table, wkb, crs, "", "", "")


def moved(points: list[tuple[float, float]], source: str, target: str) -> np.ndarray:
    line = shapely.LineString(points)
    wkb = to_working(layer([line]), parse_crs(source), parse_crs(target), "layers.x")
    return shapely.get_coordinates(shapely.from_wkb(wkb[0].as_py()))


def survey_inverse(x_north: float, y_east: float) -> tuple[float, float]:
    """Longitude and latitude by the series of the 2008 survey circular, CGCS2000, CM 117 (domain.md 3.2)."""
    k0, k1, k2, k3, k4 = (
        1.57048761144159e-7,
        5.05250178820567e-3,
        2.98472900956587e-5,
        2.41626669230084e-7,
        2.22241238938534e-9,
    )
    e2, c = 0.00673949677548, 6399593.62586
    e0 = k0 * x_north
    s = math.sin(e0)
    bf = e0 + math.cos(e0) * (k1 * s - k2 * s**3 + k3 * s**5 - k4 * s**7)
    t, n2 = math.tan(bf), e2 * math.cos(bf) ** 2
    v2 = 1 + n2
    u = (y_east - 500_000) / (c / math.sqrt(v2))
    lat = bf - v2 * t * u**2 / 2 + (5 + 3 * t**2 + n2 - 9 * n2 * t**2) * v2 * t * u**4 / 24
    lat -= (61 + 90 * t**2 + 45 * t**4) * v2 * t * u**6 / 720
    lon = u - (1 + 2 * t**2 + n2) * u**3 / 6
    lon += (5 + 28 * t**2 + 24 * t**4 + 6 * n2 + 8 * n2 * t**2) * u**5 / 120
    return 117.0 + math.degrees(lon / math.cos(bf)), math.degrees(lat)


POINTS = [
    (517_200.0, 4_268_500.0),
    (593_300.0, 4_352_400.0),
    (560_000.123, 4_300_000.456),
    (473_800.0, 4_459_000.0),
]


class TestTransform:
    def test_against_the_surveys_series(self) -> None:
        ours = moved(POINTS, "EPSG:4548", "EPSG:4490")
        for (east, north), place in zip(POINTS, ours, strict=True):
            assert place == pytest.approx(survey_inverse(north, east), abs=3e-9)  # 0.3 mm

    def test_there_and_back(self) -> None:
        degrees = [tuple(p) for p in moved(POINTS, "EPSG:4548", "EPSG:4490")]
        assert moved(degrees, "EPSG:4490", "EPSG:4548") == pytest.approx(np.array(POINTS), abs=1e-6)

    @pytest.mark.skipif(shutil.which("gdaltransform") is None, reason="needs gdal-bin")
    @pytest.mark.parametrize(
        ("source", "target"),
        [("EPSG:4548", "EPSG:4549"), ("EPSG:4548", "EPSG:4490"), ("EPSG:4527", "EPSG:4528")],
    )
    def test_against_gdaltransform(self, source: str, target: str) -> None:
        shift = 39e6 if source == "EPSG:4527" else 0.0
        points = [(x + shift, y) for x, y in POINTS]
        text = "\n".join(f"{x!r} {y!r}" for x, y in points)
        run = subprocess.run(
            ["gdaltransform", "-s_srs", source, "-t_srs", target, "-output_xy"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        theirs = np.array([[float(v) for v in line.split()] for line in run.stdout.splitlines()])
        near = 2e-10 if target == "EPSG:4490" else 1e-5
        assert moved(points, source, target) == pytest.approx(theirs, abs=near)

    def test_prefix_alone_is_exchanged_exactly(self) -> None:
        ours = moved([(x + 39e6, y) for x, y in POINTS], "EPSG:4527", "EPSG:4548")
        exact = [((x + 39e6) - 39e6, y) for x, y in POINTS]
        assert ours.tolist() == [list(p) for p in exact]

    def test_same_crs_gives_the_same_array(self) -> None:
        source = layer([shapely.box(*POINTS[0], POINTS[0][0] + 1, POINTS[0][1] + 1)])
        for wkt in ("EPSG:4548", ESRI_4548):
            assert to_working(source, parse_crs(wkt), parse_crs("EPSG:4548"), "x") is source.wkb

    def test_cgcs2000_and_wgs84_count_as_one(self) -> None:
        place = [(117.7, 38.9), (117.8, 38.9)]
        assert moved(place, "EPSG:4326", "EPSG:4490").tolist() == [list(p) for p in place]
        assert moved(place, "EPSG:4326", "EPSG:4548") == pytest.approx(
            moved(place, "EPSG:4490", "EPSG:4548"), abs=0
        )

    def test_null_rows_stay_null(self) -> None:
        source = layer([None, shapely.Point(117.7, 38.9), shapely.Polygon()])
        out = to_working(source, parse_crs("EPSG:4490"), parse_crs("EPSG:4548"), "x")
        assert out[0].as_py() is None
        assert shapely.from_wkb(out[2].as_py()).is_empty

    @pytest.mark.parametrize(
        "old", ["EPSG:2363", "EPSG:2384", "EPSG:4610", "EPSG:2415", "EPSG:4214", "EPSG:4269"]
    )
    @pytest.mark.parametrize("new", ["EPSG:4548", "EPSG:4490"])
    def test_other_datums_are_refused(self, old: str, new: str) -> None:
        with pytest.raises(CrsError) as caught:
            moved([(117.0, 39.0), (117.1, 39.0)], old, new)
        assert caught.value.code == "crs_datum_shift"

    def test_a_vertex_without_image_is_an_error(self) -> None:
        with pytest.raises(CrsError, match="has no place in"):
            moved([(117.0, 39.0), (1e200, 39.0)], "EPSG:4490", "EPSG:4548")


class TestNames:
    @pytest.mark.parametrize(
        ("text", "epsg"),
        [
            (ESRI_4527, 4527),
            (ESRI_4548, 4548),
            (ESRI_4490, 4490),
            (RENAMED, 4527),
            ("EPSG:4548", 4548),
            ("epsg:4527", 4527),
        ],
    )
    def test_esri_names_resolve(self, text: str, epsg: int) -> None:
        assert parse_crs(text).to_epsg() == epsg

    @pytest.mark.parametrize(
        ("epsg", "answer"),
        [
            (4548, True),
            (4527, True),
            (4498, True),
            (4490, False),
            (2363, False),
            (3857, False),
            (32650, False),
        ],
    )
    def test_which_are_cgcs2000_gauss_krueger(self, epsg: int, answer: bool) -> None:
        assert is_cgcs2000_gauss_krueger(pyproj.CRS.from_epsg(epsg)) is answer

    def test_every_zone_of_the_table(self) -> None:
        for zone in range(25, 46):
            prefixed, plain = pyproj.CRS.from_epsg(4488 + zone), pyproj.CRS.from_epsg(4509 + zone)
            assert central_meridian(prefixed) == central_meridian(plain) == 3 * zone
            assert gauss_krueger_epsg(3.0 * zone) == 4509 + zone
        assert gauss_krueger_epsg(115.51) == gauss_krueger_epsg(118.49) == 4548
        assert gauss_krueger_epsg(118.51) == 4549


class TestResolve:
    def test_declared_only_where_the_file_has_none(self) -> None:
        assert resolve_crs(layer([]), "EPSG:4548", key="layers.x").to_epsg() == 4548
        assert resolve_crs(layer([], ESRI_4527), "EPSG:4527", key="layers.x").to_epsg() == 4527
        with pytest.raises(CrsError) as caught:
            resolve_crs(layer([], "EPSG:4548"), "EPSG:4527", key="layers.x")
        assert caught.value.code == "crs_conflict"

    def test_what_a_format_implies_gives_way(self) -> None:
        assert (
            resolve_crs(layer([], "EPSG:4326", implied=True), "EPSG:4548", key="layers.x").to_epsg() == 4548
        )
        assert resolve_crs(layer([], "EPSG:4326", implied=True), None, key="layers.x").to_epsg() == 4326

    def test_missing_names_the_key(self) -> None:
        with pytest.raises(CrsError, match=r"under \[layers\.red\]"):
            resolve_crs(layer([]), None, key="layers.red.crs")


class TestWorking:
    def box(self, lon: float, lat: float = 39.0) -> shapely.Polygon:
        return shapely.box(lon, lat, lon + 0.001, lat + 0.001)

    def test_the_projects_own(self) -> None:
        crs, findings = choose_working_crs(layer([self.box(117.0)], "EPSG:4490"), None, "EPSG:4527")
        assert (crs.to_epsg(), findings) == (4527, [])

    @pytest.mark.parametrize("bad", ["EPSG:4490", "EPSG:2222"])  # degrees; feet
    def test_it_must_be_in_metres(self, bad: str) -> None:
        with pytest.raises(CrsError) as caught:
            choose_working_crs(layer([self.box(117.0)], "EPSG:4490"), None, bad)
        assert caught.value.code == "working_crs_not_metric"

    @pytest.mark.parametrize(("lon", "epsg"), [(117.7, 4548), (118.6, 4549), (87.6, 4538), (134.0, 4554)])
    @pytest.mark.parametrize("datum", ["EPSG:4490", "EPSG:4326"])
    def test_zone_of_the_parcels_centre_said_aloud(self, lon: float, epsg: int, datum: str) -> None:
        crs, findings = choose_working_crs(
            layer([self.box(lon), None, self.box(lon + 0.01)], datum), None, None
        )
        assert crs.to_epsg() == epsg
        assert [f.code for f in findings] == ["working_crs_chosen"]

    def test_one_stray_parcel_does_not_move_the_zone(self) -> None:
        boxes = [self.box(117.7 + i * 0.001) for i in range(300)] + [self.box(75.0)]
        assert choose_working_crs(layer(boxes, "EPSG:4490"), None, None)[0].to_epsg() == 4548

    def test_metres_stay_as_they_are(self) -> None:
        crs, findings = choose_working_crs(layer([shapely.box(0, 0, 1, 1)], "EPSG:4527"), None, None)
        assert crs.to_epsg() == 4527
        assert [f.code for f in findings] == ["working_crs_chosen"]

    @pytest.mark.parametrize("own", ["EPSG:4610", "EPSG:4214"])
    def test_old_degrees_need_a_decision(self, own: str) -> None:
        with pytest.raises(CrsError) as caught:
            choose_working_crs(layer([self.box(117.0)], own), None, None)
        assert caught.value.code == "working_crs_needed"

    def test_nothing_to_go_by(self) -> None:
        with pytest.raises(CrsError):
            choose_working_crs(layer([None], "EPSG:4490"), None, None)


def test_single_stray_parcels_are_named() -> None:
    boxes = [shapely.box(560_000 + i, 4.3e6, 560_001 + i, 4.3e6 + 1) for i in range(5)]
    boxes[3] = shapely.transform(boxes[3], lambda c: c + np.array([39e6, 0.0]))
    findings = out_of_place(layer(boxes), parse_crs("EPSG:4548"))
    assert [(f.code, f.row) for f in findings] == [("parcel_out_of_place", 4)]
    assert out_of_place(layer(boxes[:3]), parse_crs("EPSG:4548")) == []
