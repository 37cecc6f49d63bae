"""Checks of layers: overlaps and holes inside one, lines that cross, cover, codes, vintage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from landremed.area import PlaneArea
from landremed.checks.gaps import enclosed_gaps, slit
from landremed.checks.measures import mean_width, places
from landremed.inspect.aliases import land_use_code_kind
from landremed.layers import Layer, Parcels
from landremed.overlay import Expected, LayerInput, prepare, shared_ground
from landremed.project import Project, Tolerance
from landremed.tables import FactColumn
from landremed.types import MAIN_ROLES, SPECIAL_ROLES, Finding, PartialDate

__all__ = ["crossing_findings", "layer_findings"]

_LINES: Final = MAIN_ROLES[:3]
_COVERED: Final = 0.999


def layer_findings(
    layer: Layer, parcels: Parcels, project: Project, facts: Mapping[str, FactColumn]
) -> Iterator[Finding]:
    """Yield what is odd inside one layer; geometry in the working CRS."""
    yield from _overlaps(layer, project.tolerance.min_overlap_area_m2)
    yield from _holes(layer, parcels, project.tolerance)
    if layer.spec.role in SPECIAL_ROLES or layer.coverage is not None:
        yield from _uncovered(layer, parcels)
    if layer.spec.role == "land_use":
        yield from _codes(layer)
    yield from _vintage(layer, project, facts)


def crossing_findings(layers: Sequence[Layer], least_m2: float) -> Iterator[Finding]:
    """Yield where two of the three control lines lie over each other, although they must not cross."""
    lines = [layer for role in _LINES for layer in layers if layer.spec.role == role]
    for i, one in enumerate(lines):
        for other in lines[i + 1 :]:
            pairs = shared_ground(one.polygons, other.polygons, least_m2=least_m2)
            for left, right, area, point in zip(
                pairs.left, pairs.right, pairs.area_m2, pairs.point, strict=True
            ):
                params = {"layer": other.spec.role, "other": one.spec.role, "area": f"{area:.2f}"}
                params["other_row"] = str(left + 1)
                yield Finding(
                    "lines_cross",
                    "",
                    other.source.display,
                    int(right) + 1,
                    "geometry",
                    "",
                    params,
                    _xy(point),
                )


def _overlaps(layer: Layer, least_m2: float) -> Iterator[Finding]:
    pairs = shared_ground(layer.polygons, least_m2=least_m2)
    for left, right, area, point in zip(pairs.left, pairs.right, pairs.area_m2, pairs.point, strict=True):
        if not _may_not_overlap(layer, int(left), int(right)):
            continue
        params = {"other_row": int(left) + 1, "area": f"{area:.2f}", "layer": layer.spec.role}
        yield Finding(
            "layer_features_overlap",
            "",
            layer.source.display,
            int(right) + 1,
            "geometry",
            "",
            params,
            _xy(point),
        )


def _may_not_overlap(layer: Layer, left: int, right: int) -> bool:
    """Zones and towns lie over each other by right; units of one kind do not."""
    if layer.units is None or layer.group is None or layer.spec.role != "admin_units":
        return True
    one, other = layer.group[left], layer.group[right]
    return one < 0 or other < 0 or bool(layer.units.kinds[one] & layer.units.kinds[other])


def _holes(layer: Layer, parcels: Parcels, tolerance: Tolerance) -> Iterator[Finding]:
    """Narrow holes between features, where there are parcels: elsewhere they change nothing."""
    polygons = layer.polygons.geometries
    reach = parcels.polygons.boxes + np.array([-1, -1, 1, 1]) * tolerance.position_m
    ours = shapely.box(*reach[~np.isnan(reach[:, 0])].T)
    tree = shapely.STRtree(polygons)
    ours = ours[np.flatnonzero(np.bincount(tree.query(ours)[0], minlength=len(ours)) > 1)]
    ours = ours[slit(layer.polygons, ours, tolerance.position_m, tolerance.min_overlap_area_m2)]
    near = np.unique(tree.query(ours)[1])
    near = np.unique(tree.query(polygons[near])[1])  # a long hole may be closed by features farther away
    holes, neighbour = enclosed_gaps(polygons[near], tolerance.position_m, tolerance.min_overlap_area_m2)
    meets = np.unique(shapely.STRtree(ours).query(holes)[0])
    holes, neighbour = holes[meets], neighbour[meets]
    for hole, row, point in zip(holes, near[neighbour].tolist(), places(holes), strict=True):
        params = {
            "area": f"{hole.area:.3f}",
            "width": f"{float(mean_width(hole)):.3f}",
            "layer": layer.spec.role,
        }
        yield Finding("layer_hole", "", layer.source.display, row + 1, "geometry", "", params, _xy(point))


def _uncovered(layer: Layer, parcels: Parcels) -> Iterator[Finding]:
    """Parcels that reach beyond a layer which should hold all of them."""
    ground = layer.polygons if layer.coverage is None else layer.coverage
    area, inside = parcels.polygons.plane_areas, np.zeros(len(parcels.ids))
    engine = prepare([LayerInput("ground", ground)], area=PlaneArea(), expected=Expected.of(parcels.polygons))
    found = engine.measure(parcels.polygons).overlaps
    inside[found["parcel"].to_numpy()] = found["area_m2"].to_numpy()
    ours = parcels.polygons.geometries
    short = np.flatnonzero((area > 0.0) & (inside < _COVERED * area))
    points = places(ours[short])
    for row, point in zip(short.tolist(), points, strict=True):
        params = {"layer": layer.spec.role, "percent": f"{100.0 * (1.0 - inside[row] / area[row]):.1f}"}
        place = (parcels.ids[row], parcels.source.display, row + 1, "geometry", "")
        yield Finding("parcel_not_covered", *place, params, _xy(point))


def _codes(layer: Layer) -> Iterator[Finding]:
    if layer.group is None or layer.units is None or layer.spec.code is None:
        return
    kinds = [land_use_code_kind(name) for name in layer.units.names]
    file, field = layer.source.display, layer.spec.code
    if "old" in kinds and "new" in kinds:
        old, new = (
            next(n for n, k in zip(layer.units.names, kinds, strict=True) if k == w) for w in ("old", "new")
        )
        row = int(np.flatnonzero(layer.group == layer.units.names.index(old))[0]) + 1
        yield Finding("land_use_codes_mixed", value=f"{old}, {new}", file=file, row=row, field=field)
    unknown = {i for i, kind in enumerate(kinds) if kind == "unknown"}
    for code in sorted(unknown):
        rows = np.flatnonzero(layer.group == code)
        yield Finding(
            "land_use_code_unknown",
            row=int(rows[0]) + 1,
            value=layer.units.names[code],
            params={"count": len(rows)},
            file=file,
            field=field,
        )


def _vintage(layer: Layer, project: Project, facts: Mapping[str, FactColumn]) -> Iterator[Finding]:
    spec, display = layer.spec, layer.source.display
    if spec.date is None:
        if spec.role in (*MAIN_ROLES, "land_use"):
            yield Finding("layer_undated", file=display, params={"key": spec.key})
        return
    params: dict[str, object] = {"date": spec.date.isoformat(), "layer": spec.role}
    if spec.date > project.as_of:
        yield Finding("layer_after_as_of", file=display, params=params | {"as_of": project.as_of.isoformat()})
    occurred = facts.get("occurred_on")
    if occurred is not None:
        earlier = [isinstance(v, PartialDate) and v.last < spec.date for v in occurred.values]
        count = int(np.array(earlier)[occurred.codes].sum())
        if count:
            yield Finding("layer_after_cases", file=display, params=params | {"count": count})


def _xy(point: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(point[0]), float(point[1])
