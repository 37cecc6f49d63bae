"""What the kernels leave over: exact areas, and regions by GEOS held against them. Slow and rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import shapely

from landremed.overlay.native.layerset import RingSet
from landremed.overlay.native.region import EMPTY, PARTIAL, WHOLE
from landremed.overlay.rational import Rings, region_area_exact

__all__ = ["exact_area", "settle_piece", "settle_region"]

Feature: TypeAlias = tuple[RingSet, int]

_TOUCH_M2 = 1e-6


def exact_area(parcel: Feature, features: Sequence[Feature]) -> float:
    """Plane area of a parcel's intersection with the union of features, by exact arithmetic, m²."""
    return float(region_area_exact(_rings(parcel), [_rings(f) for f in features], []))


def settle_piece(wkb: bytes) -> bytes | None:
    """Return a valid form of a piece in which rounded crossings may have made rings meet; None when it is valid.

    Of several ways to mend it the one is taken that changes the area least: leaving out vertices that are only
    some rounding steps apart, or GEOS' repairs.
    """
    piece = shapely.from_wkb(wkb)
    if shapely.is_valid(piece):
        return None
    grain = 16 * float(np.spacing(np.abs(piece.bounds).max()))
    origin = np.floor(np.asarray(piece.bounds[:2]))
    local = shapely.transform(piece, lambda xy: xy - origin)
    thinned = shapely.remove_repeated_points(local, tolerance=grain)
    candidates = [
        thinned,
        *(shapely.make_valid(g, method="structure", keep_collapsed=False) for g in (thinned, local)),
        shapely.make_valid(local),
        shapely.buffer(local, 0.0),
    ]
    mended = [shapely.transform(_polygonal(c), lambda xy: xy + origin) for c in candidates]
    valid = [c for c in mended if shapely.is_valid(c)]
    if not valid:  # rounding on the way back undid it: mend once more where it stands
        valid = [_polygonal(shapely.make_valid(piece, method="structure", keep_collapsed=False))]
    area = float(shapely.area(piece))
    best = min(valid, key=lambda c: abs(float(shapely.area(c)) - area))
    return bytes(shapely.to_wkb(best, output_dimension=2, byte_order=1))


def settle_region(
    parcel: Feature, features: Sequence[Feature], boundary: Sequence[Feature], mode: int
) -> tuple[int, float, bytes]:
    """Compute one region by GEOS at a local origin. The area returned is the exact one.

    Returns state, plane area in m² and WKB.
    """
    whole = _geometry(parcel)
    origin = np.floor(np.asarray(whole.bounds[:2]))
    subject = _local(whole, origin)
    if mode != 2:
        layer = shapely.union_all([_local(_geometry(f), origin) for f in features])
        subject = shapely.intersection(subject, layer)
    if mode != 0:
        subject = shapely.difference(
            subject, shapely.union_all([_local(_geometry(f), origin) for f in boundary])
        )
    piece = shapely.transform(_polygonal(subject), lambda xy: xy + origin)
    exact = float(
        region_area_exact(
            _rings(parcel),
            None if mode == 2 else [_rings(f) for f in features],
            [_rings(f) for f in boundary],
        )
    )
    if exact <= _TOUCH_M2 or piece.is_empty:
        return EMPTY, exact, b""
    if abs(exact - float(shapely.area(whole))) <= _TOUCH_M2:
        return WHOLE, exact, b""
    wkb = bytes(shapely.to_wkb(piece, output_dimension=2, byte_order=1))
    return PARTIAL, exact, settle_piece(wkb) or wkb


def _rings(feature: Feature) -> Rings:
    table, row = feature
    return [table.xy[table.ro[r] : table.ro[r + 1]] for r in range(table.fr[row], table.fr[row + 1])]


def _geometry(feature: Feature) -> shapely.Geometry:
    table, row = feature
    return shapely.from_wkb(table.buf[table.off[row] : table.off[row + 1]].tobytes())


def _local(geometry: shapely.Geometry, origin: np.ndarray) -> shapely.Geometry:
    return shapely.transform(geometry, lambda xy: xy - origin)


def _polygonal(geometry: shapely.Geometry) -> shapely.Geometry:
    """Keep the polygons of a result that may hold touching lines and points."""
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type in ("Polygon", "MultiPolygon")]
    return geometry if geometry.geom_type in ("Polygon", "MultiPolygon") else shapely.union_all(parts)
