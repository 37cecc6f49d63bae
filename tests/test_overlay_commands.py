"""The overlay as its users meet it: through the command, with what real layers hold."""

import contextlib
import io
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import geopandas as gpd
import numpy as np
import pytest
import shapely
from landremed_cli.main import main
from shapely import box

X, Y = 500_000.0, 4_300_000.0
CRS = 4548
PLANE = "--set=project.area=plane"


def at(x0, y0, x1, y1):
    return box(X + x0, Y + y0, X + x1, Y + y1)


def save(path, geometries, crs=CRS, **columns):
    frame = gpd.GeoDataFrame(columns, geometry=list(geometries), crs=CRS)
    frame.to_crs(crs).to_file(path, layer=path.stem, driver="GPKG", SPATIAL_INDEX="NO")
    return path


def parcels_of(path, geometries):
    return save(path, geometries, TBBH=[f"P{i:03d}" for i in range(len(geometries))])


def overlay(parcels, out, *more, **layers):
    given = [f"--layer={role}={path}" for role, path in layers.items()]
    arguments = ["overlay", str(parcels), "--id=TBBH", *given, "-o", str(out), "--overwrite", *more]
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as end,
    ):
        main(arguments)
    assert (end.value.code or 0) == 0, said.getvalue()
    return out


def rows(path, query):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def overlaps(path):
    found = rows(path, "SELECT parcel_id, layer, area_m2 FROM overlaps")
    return {(parcel, layer): area for parcel, layer, area in found}


def ring(vertices, radius, x, y):
    """A round shape whose edge goes in and out by millimetres, as a digitised coast does."""
    angle = np.arange(vertices) / vertices * 2 * np.pi
    away = radius * (1 + 0.1 * np.sin(7 * angle)) + 0.002 * np.sin(9001 * angle)
    return shapely.Polygon(np.c_[X + x + away * np.cos(angle), Y + y + away * np.sin(angle)])


def shoelace(polygon):
    """Area to the last bit, of a polygon without holes."""
    x, y = shapely.get_coordinates(polygon).T
    x, y = (x - X).tolist(), (y - Y).tolist()
    terms = (x[i] * y[i + 1] - x[i + 1] * y[i] for i in range(len(x) - 1))
    return abs(math.fsum(terms)) / 2


@pytest.fixture(scope="module")
def district(tmp_path_factory):
    """Squares, a parcel of 100 parts with holes, and one of 200 000 vertices; layers likewise."""
    folder = tmp_path_factory.mktemp("district")
    squares = [at(100 * i, 100 * j, 100 * i + 80, 100 * j + 80) for i in range(4) for j in range(3)]
    many = shapely.MultiPolygon(
        [
            at(600 + 40 * i, 40 * j, 630 + 40 * i, 40 * j + 30).difference(
                at(610 + 40 * i, 40 * j + 10, 620 + 40 * i, 40 * j + 20)
            )
            for i in range(10)
            for j in range(10)
        ]
    )
    huge = ring(200_000, 300, 500, 1000)
    parcels = parcels_of(folder / "parcels.gpkg", [*squares, many, huge])
    fields = [at(137 * i, 161 * j, 137 * (i + 1), 161 * (j + 1)) for i in range(8) for j in range(9)]
    layers = {
        "farmland": save(folder / "fields.gpkg", [f for n, f in enumerate(fields) if n % 3]),
        "red_line": save(
            folder / "coast.gpkg", [ring(200_000, 500, 450, 500).difference(ring(3000, 100, 450, 500))]
        ),
        # together they cover everything, one strip lies on both
        "halves": save(folder / "halves.gpkg", [at(-99, -99, 500, 2000), at(450, -99, 2000, 2000)]),
    }
    return parcels, layers, shoelace(huge)


def test_all_engines_give_the_same(district, tmp_path):
    parcels, layers, area = district
    found = {}
    for engine in ("shapely", "native", "auto"):
        out = overlay(parcels, tmp_path / f"{engine}.gpkg", PLANE, f"--engine={engine}", **layers)
        found[engine] = rows(out, "SELECT * FROM measures ORDER BY rowid"), overlaps(out)
    measures, areas = found["shapely"]
    assert len(measures) == 14
    assert sum(layer == "halves" for _, layer in areas) == 14
    for others, _ in (found["native"], found["auto"]):
        for one, other in zip(measures, others, strict=True):
            for ours, theirs in zip(one, other, strict=True):
                assert theirs == (
                    pytest.approx(ours, rel=1e-9, abs=1e-6) if isinstance(ours, float) else ours
                )
    for _, engine_areas in found.values():
        assert engine_areas.keys() == areas.keys()
        assert engine_areas["P012", "halves"] == 100 * (900 - 100)
        assert engine_areas["P013", "halves"] == pytest.approx(area, abs=0.0051)


def test_layers_in_any_coordinate_system_give_the_same_areas(tmp_path):
    """Squares against strips: degrees, other zones, with the zone's number in the eastings, Web Mercator."""
    parcels = parcels_of(tmp_path / "parcels.gpkg", [at(100 * i, 0, 100 * i + 80, 80) for i in range(5)])
    strips = [at(-10, 20, 230, 50), at(300, -10, 340, 90)]
    systems = (4490, 4326, 4527, 4528, 4549, 3857)
    layers = {f"in_{crs}": save(tmp_path / f"strips{crs}.gpkg", strips, crs) for crs in systems}
    found = overlaps(overlay(parcels, tmp_path / "out.gpkg", PLANE, **layers))
    expected = {"P000": 80 * 30, "P001": 80 * 30, "P002": 30 * 30, "P003": 40 * 80}
    assert found.keys() == {(parcel, layer) for parcel in expected for layer in layers}
    for (parcel, _), area in found.items():
        assert area == pytest.approx(expected[parcel], abs=0.0051)


@pytest.mark.parametrize(("kind", "flag"), [("Z", (1, 0)), ("M", (0, 1)), ("ZM", (1, 1))])
def test_heights_and_measures_are_ignored_with_a_word(tmp_path, kind, flag):
    parcels = parcels_of(tmp_path / "parcels.gpkg", [at(0, 0, 80, 80), at(100, 0, 180, 80)])
    fields = save(tmp_path / "fields.gpkg", [at(40, -10, 140, 90)])
    plain = overlaps(overlay(parcels, tmp_path / "plain.gpkg", farmland=fields))
    for path in (parcels, fields):
        with closing(sqlite3.connect(path)) as db, db:
            for fid, blob in db.execute(f'SELECT fid, geom FROM "{path.stem}"').fetchall():
                head, shape = blob[:40], shapely.from_wkb(blob[40:])
                words = shapely.to_wkt(shape, rounding_precision=-1).replace(",", " 5" * len(kind) + ",")
                words = words.replace("POLYGON", f"POLYGON {kind}").replace("))", " 5" * len(kind) + "))")
                wkb = shapely.to_wkb(shapely.from_wkt(words), output_dimension=4, flavor="iso")
                db.execute(f'UPDATE "{path.stem}" SET geom = ? WHERE fid = ?', (head + wkb, fid))
            db.execute("UPDATE gpkg_geometry_columns SET z = ?, m = ?", flag)
    for engine in ("shapely", "native"):
        out = overlay(parcels, tmp_path / "high.gpkg", f"--engine={engine}", farmland=fields)
        assert overlaps(out) == plain
        assert len(rows(out, "SELECT file FROM issues WHERE code = 'z_ignored'")) == 2
        pieces = [shapely.from_wkb(blob[40:]) for (blob,) in rows(out, "SELECT geom FROM overlaps")]
        assert not shapely.has_z(pieces).any()
        assert not shapely.has_m(pieces).any()


def test_swapped_axes_are_refused_and_the_output_stays(tmp_path, capsys):
    parcels = parcels_of(tmp_path / "parcels.gpkg", [at(0, 0, 80, 80)])
    swapped = tmp_path / "swapped.gpkg"
    frame = gpd.GeoDataFrame(geometry=[at(0, 0, 50, 50)], crs=CRS).to_crs(4326)
    frame.geometry = shapely.transform(frame.geometry.values, lambda c: c[:, ::-1])
    frame.to_file(swapped, driver="GPKG")
    out = tmp_path / "out.gpkg"
    out.write_bytes(b"old")
    arguments = ["overlay", str(parcels), "--id=TBBH", f"--layer=farmland={swapped}", "-o", str(out)]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--overwrite", "--lang=en"])
    assert end.value.code == 1
    assert "swapped" in capsys.readouterr().err
    assert out.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_overlay_leaves_the_old_file_and_the_next_one_is_whole(district, tmp_path):
    parcels, layers, _ = district
    out = overlay(parcels, tmp_path / "out.gpkg", PLANE, "--engine=native", **layers)
    before, expected = out.read_bytes(), overlaps(out)
    given = [f"--layer={role}={path}" for role, path in layers.items()]
    command = [sys.executable, "-m", "landremed_cli", "overlay", parcels, "--id=TBBH", *given, "-o", out]
    child = subprocess.Popen([*command, "--overwrite", PLANE, "--engine=shapely"], stderr=subprocess.DEVNULL)
    while child.poll() is None and not list(tmp_path.glob(".*")):
        time.sleep(0.005)  # until it has begun to write
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert out.read_bytes() == before
    overlay(parcels, out, PLANE, "--engine=native", **layers)
    assert overlaps(out) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.gpkg"]
