"""Is the timed result right? Held against GEOS, pairwise and by union, and checked piece by piece."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from landremed.area import PlaneArea
from landremed.overlay import LayerInput, PolygonSet, prepare

EXACT = 1e-9
SOME = 1500
"""Parcels of which GEOS computes everything anew."""

Gate = tuple[str, str, bool]


def check(data: Path, size: str, layers: list[str], out: Path, runs: dict[str, dict]) -> list[Gate]:
    """Return (gate, figure, passed) rows.

    Parameters
    ----------
    out : Path
        Pieces that landremed wrote.
    runs : mapping of contestant to its figures
        With its total area and number of pieces by layer.
    """
    parcels = gpd.read_parquet(data / f"parcels_{size}.parquet").geometry.values
    tables = {name: gpd.read_parquet(data / f"{name}.parquet").geometry.values for name in layers}
    measured = measure("native", parcels, tables)
    gates = [gate for name in layers for gate in agreement(name, totals(measured, layers)[name], runs)]
    gates.append(pieces_gate(measured, layers, runs))
    rng = np.random.default_rng(1)
    some = np.sort(rng.choice(len(parcels), min(SOME, len(parcels)), replace=False))
    gates.append(union_gate("union by GEOS", parcels[some], tables))
    if "farmland" in tables:
        doubled = {"doubled": overlapping(tables["farmland"], parcels[some], rng)}
        gates.append(union_gate("self-overlapping layer, union by GEOS", parcels[some], doubled))
        gates.append(double_counted(parcels[some], doubled))
        fields = tables["farmland"]
        block = fields[1000 : 1000 + SOME // 2]
        gates.append(union_gate("snapped parcels (fields of the layer), union by GEOS", block, {"f": fields}))
    gates.append(
        (
            "areas disputed between pieces and formula",
            str(measured.disputed.num_rows),
            not measured.disputed.num_rows,
        )
    )
    return [*gates, *written_gates(out, measured.overlaps.num_rows)]


def measure(engine: str, parcels, tables):
    """Return what an engine measures, in plane areas."""
    inputs = [LayerInput(name, PolygonSet.from_geometries(shapes)) for name, shapes in tables.items()]
    return prepare(inputs, area=PlaneArea(), engine=engine).measure(PolygonSet.from_geometries(parcels))


def totals(measured, layers: list[str]) -> dict[str, float]:
    """Return the area by layer, feature by feature."""
    layer, area = measured.features["layer"].to_numpy(), measured.features["area_m2"].to_numpy()
    return {name: float(area[layer == i].sum()) for i, name in enumerate(layers)}


def agreement(name: str, ours: float, runs: dict[str, dict]) -> list[Gate]:
    """Hold a layer's pairwise total against every contestant's."""
    gates = []
    for run in runs.values():
        if name in run.get("totals", {}) and not run["name"].startswith("landremed"):
            off = abs(run["totals"][name] / ours - 1) if ours else abs(run["totals"][name])
            gates.append((f"{name}: pairwise total as {run['name']}", f"{off:.1e}", bool(off <= EXACT)))
    return gates


def pieces_gate(measured, layers: list[str], runs: dict[str, dict]) -> Gate:
    """Hold the number of pieces by layer against every contestant's."""
    ours = np.bincount(measured.features["layer"].to_numpy(), minlength=len(layers))
    wrong, others = [], 0
    for run in runs.values():
        for name, count in zip(layers, ours.tolist(), strict=True):
            if run["name"].startswith("landremed") or name not in run.get("pieces", {}):
                continue
            others += 1
            if run["pieces"][name] != count:
                wrong.append(f"{run['name']} {name} {run['pieces'][name]} against {count}")
    return "as many pieces as the others", "; ".join(wrong) or f"{others} counts equal", not wrong


def union_gate(title: str, parcels, tables) -> Gate:
    """Measure some parcels with both engines: the one that is timed, and GEOS alone."""
    native, geos = measure("native", parcels, tables), measure("shapely", parcels, tables)
    keys = [(t.overlaps["parcel"].to_numpy(), t.overlaps["layer"].to_numpy()) for t in (native, geos)]
    if any(not np.array_equal(a, b) for a, b in zip(*keys, strict=True)):
        return title, f"other pairs: {len(keys[0][0])} against {len(keys[1][0])}", False
    ours, theirs = (t.overlaps["area_m2"].to_numpy() for t in (native, geos))
    total = abs(ours.sum() / theirs.sum() - 1) if len(theirs) else 0.0
    worst = np.abs(ours - theirs).max(initial=0.0)
    return title, f"total {total:.1e}, worst piece {worst:.1e} m2 of {len(ours)}", bool(total <= EXACT)


def overlapping(fields, parcels, rng):
    """Return fields that meet the parcels, half of them twice: moved by some metres."""
    near = np.unique(shapely.STRtree(fields).query(parcels)[1])
    fields = fields[near]
    twice = fields[: len(fields) // 2]
    moved = shapely.transform(twice, lambda xy: np.round(xy + rng.uniform(2, 5, 2), 4))
    return np.concatenate([np.asarray(fields), np.asarray(moved)])


def double_counted(parcels, tables) -> Gate:
    """Make sure that the self-overlapping layer would be counted twice by pairs."""
    measured = measure("native", parcels, tables)
    pairs, union = (float(np.sum(t["area_m2"].to_numpy())) for t in (measured.features, measured.overlaps))
    return "its pairwise sum over its union", f"{pairs / union:.3f}", pairs > 1.05 * union


def written_gates(out: Path, rows: int) -> list[Gate]:
    """Check the pieces as they stand in the file."""
    pieces = pyogrio.read_dataframe(out, columns=[]).geometry.values
    invalid = int((~shapely.is_valid(pieces)).sum())
    return [
        (f"invalid pieces of {len(pieces)}", str(invalid), invalid == 0),
        ("pieces written as measured", f"{len(pieces)} of {rows}", len(pieces) == rows),
    ]
