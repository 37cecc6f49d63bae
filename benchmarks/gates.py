"""Is the timed result right? Compared with GEOS, pairwise and by union, and checked piece by piece."""

from __future__ import annotations

import os

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from landremed.area import PlaneArea
from landremed.overlay import LayerInput, PolygonSet, prepare

SAMPLE = 3000


def check(data: str, size: str, layers: list[str], out: str, runs: list[dict]) -> list[tuple[str, str, bool]]:
    """Return (gate, figure, passed) rows."""
    parcels = gpd.read_parquet(os.path.join(data, f"parcels_{size}.parquet"))
    tables = {n: gpd.read_parquet(os.path.join(data, f"{n}.parquet")) for n in layers}
    inputs = [LayerInput(n, PolygonSet.from_geometries(t.geometry.values)) for n, t in tables.items()]
    engine = prepare(inputs, area=PlaneArea(), engine="native")
    tables_out = engine.measure(PolygonSet.from_geometries(parcels.geometry.values))
    feature_layer = tables_out.features["layer"].to_numpy()
    feature_area = tables_out.features["area_m2"].to_numpy()
    rows = []
    for i, name in enumerate(layers):
        ours = float(feature_area[feature_layer == i].sum())
        for run in runs:
            if name in run["totals"] and run["name"] != "landremed":
                off = abs(run["totals"][name] / ours - 1)
                rows.append((f"{name}: pairwise total as {run['name']}", f"{off:.1e}", bool(off <= 1e-9)))
    rows.append(union_gate(parcels, tables, tables_out))
    disputed = tables_out.disputed.num_rows
    rows.append(("areas disputed between pieces and formula", str(disputed), disputed == 0))
    piece = pyogrio.read_dataframe(out, columns=[])
    invalid = int((~shapely.is_valid(piece.geometry.values)).sum())
    rows.append((f"invalid pieces of {len(piece)}", str(invalid), invalid == 0))
    same = len(piece) == tables_out.overlaps.num_rows
    rows.append(("pieces written as measured", f"{len(piece)}", same))
    return rows


def union_gate(parcels, tables, measured) -> tuple[str, str, bool]:
    """Compare a sample of parcels with GEOS: intersection with the union of what they meet."""
    rng = np.random.default_rng(1)
    geometry = parcels.geometry.values
    layer = measured.overlaps["layer"].to_numpy()
    parcel = measured.overlaps["parcel"].to_numpy()
    area = measured.overlaps["area_m2"].to_numpy()
    worst = 0.0
    for i, table in enumerate(tables.values()):
        big = np.mean(shapely.get_num_coordinates(table.geometry.values)) > 5000
        mine = np.flatnonzero(layer == i)
        mine = rng.choice(mine, min(len(mine), 100 if big else SAMPLE), replace=False)
        tree = shapely.STRtree(table.geometry.values)
        for row in mine:
            shape = geometry[parcel[row]]
            union = shapely.union_all(table.geometry.values[tree.query(shape)])
            true = shapely.area(shapely.intersection(shape, union))
            worst = max(worst, abs(area[row] - true) / max(true, 1e-3))
    return "largest relative difference from GEOS' union (sample)", f"{worst:.1e}", bool(worst <= 1e-6)
