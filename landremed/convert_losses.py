"""What a format did not keep: input and output compared value by value and vertex by vertex."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from landremed.crs import crs_label, parse_crs
from landremed.errors import LandremedError
from landremed.io.wkb import parse_wkb
from landremed.tables import VectorSource
from landremed.types import Finding

__all__ = ["losses", "one_kind"]

_CHINESE: Final = {
    "whole number": "整数",
    "number": "小数",
    "text": "文本",
    "yes/no": "是否",
    "date": "日期",
    "time": "时间",
    "time with zone": "带时区的时间",
}
_MOVED: Final = 1e-9
_REORDERED: Final = 1e-2


def losses(
    given: VectorSource, written: VectorSource, names: Mapping[str, str], crs: pyproj.CRS | None
) -> Iterator[Finding]:
    """Yield what an output does not hold as the input did.

    Parameters
    ----------
    given, written : VectorSource
        Input, and the output as read back; the same number of rows, coordinates in the same CRS.
    names : mapping of str to str
        Name in the output of every column that was to be kept.
    crs : pyproj.CRS or None
        CRS that the output ought to have.
    """
    for old in given.attributes.column_names:
        new = names.get(old)
        if new is None or new not in written.attributes.column_names:
            yield Finding("convert_field_left_out", file=given.display, field=old)
            continue
        if new != old:
            yield Finding("convert_field_renamed", file=given.display, field=old, params={"new": new})
        yield from _column_losses(given, old, given.attributes.column(old), written.attributes.column(new))
    yield from _shape_losses(given, written)
    own = crs_label(crs) if crs is not None else "–"
    try:
        back = crs_label(parse_crs(written.crs_wkt)) if written.crs_wkt else "–"
    except LandremedError:
        back = "?"
    if back != own:
        yield Finding("convert_crs_changed", file=given.display, params={"old": own, "new": back})


def _column_losses(
    given: VectorSource, name: str, old: pa.ChunkedArray, new: pa.ChunkedArray
) -> Iterator[Finding]:
    one, other = _family(old.type), _family(new.type)
    if one != other:
        params = {"old_en": one, "new_en": other, "old_zh": _CHINESE.get(one, one)}
        params["new_zh"] = _CHINESE.get(other, other)
        yield Finding("convert_type_changed", file=given.display, field=name, params=params)
    blank = int(pc.sum(pc.not_equal(pc.is_null(old), pc.is_null(new))).as_py() or 0)
    if blank:
        yield Finding("convert_nulls_lost", file=given.display, field=name, params={"count": blank})
    old, new = _clocks(old, new)
    pairs = zip(old.to_pylist(), new.to_pylist(), strict=True)
    changed = sum(a is not None and b is not None and not _same(a, b) for a, b in pairs)
    if changed:
        yield Finding("convert_values_changed", file=given.display, field=name, params={"count": changed})


def _same(one: Any, other: Any) -> bool:
    if type(one) is type(other) or (isinstance(one, bool | int | float) and isinstance(other, int | float)):
        return bool(one == other)
    if isinstance(one, date) and isinstance(other, datetime) and not isinstance(one, datetime):
        return other.replace(tzinfo=None) == datetime.combine(one, time())
    return str(one) == str(other)


def _clocks(old: pa.ChunkedArray, new: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return times as instants where both have a zone, else as clocks show them; others as they are."""
    if not (pa.types.is_timestamp(old.type) and pa.types.is_timestamp(new.type)):
        return old, new
    instants = bool(old.type.tz and new.type.tz)

    def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if instants:
            return column.cast(pa.timestamp("us", "UTC"), safe=False)
        shown = pc.local_timestamp(column) if column.type.tz else column
        return shown.cast(pa.timestamp("us"), safe=False)

    return plain(old), plain(new)


def _family(kind: pa.DataType) -> str:
    tests = (
        ("whole number", pa.types.is_integer),
        ("number", pa.types.is_floating),
        ("text", lambda k: pa.types.is_string(k) or pa.types.is_large_string(k)),
        ("yes/no", pa.types.is_boolean),
        ("date", pa.types.is_date),
        ("time with zone", lambda k: pa.types.is_timestamp(k) and k.tz is not None),
        ("time", pa.types.is_timestamp),
    )
    return next((name for name, test in tests if test(kind)), str(kind))


def _shape_losses(given: VectorSource, written: VectorSource) -> Iterator[Finding]:
    import shapely

    one, other = _comparable(given), _comparable(written)
    none = (
        shapely.is_missing(one) | shapely.is_empty(one),
        shapely.is_missing(other) | shapely.is_empty(other),
    )
    differ = (shapely.get_num_coordinates(one) != shapely.get_num_coordinates(other)) | (none[0] != none[1])
    if differ.any():
        yield Finding("convert_geometry_changed", file=given.display, params={"count": int(differ.sum())})
    moved = _moved(one[~differ], other[~differ])
    if moved > _MOVED:
        params = {"distance": f"{moved:.2g}"}
        yield Finding("convert_geometry_moved", file=given.display, params=params)


def _moved(one: Any, other: Any) -> float:
    """Return how far a vertex has moved at most."""
    import shapely

    a, row = shapely.get_coordinates(one, return_index=True)
    apart = np.abs(a - shapely.get_coordinates(other)).max(axis=1, initial=0.0)
    apart[~np.isfinite(apart)] = 0.0
    # rings that cross themselves may be listed in another order without having changed
    for at in np.unique(row[apart > _REORDERED]).tolist():
        apart[row == at] = shapely.hausdorff_distance(one[at], other[at])
    return float(apart.max(initial=0.0))


def _comparable(source: VectorSource) -> Any:
    """Return geometries as multiple ones where kinds are mixed, parts and rings in one fixed order.

    Shapes with vertices at infinity have no order and stay as they are.
    """
    import shapely

    shapes = one_kind(parse_wkb(source.wkb))[1]
    points, row = shapely.get_coordinates(shapes, return_index=True)
    ordered = np.ones(len(shapes), bool)
    ordered[row[~np.isfinite(points).all(axis=1)]] = False
    shapes = shapes.copy()
    shapes[ordered] = shapely.normalize(shapes[ordered])
    return shapes


def one_kind(shapes: Any) -> tuple[str, Any]:
    """Return the geometry type of a layer, with single shapes made multiple where both stand in it."""
    import shapely

    names = ["Point", "LineString", "LinearRing", "Polygon"]
    kinds = {int(k) for k in np.unique(shapely.get_type_id(shapes)) if k >= 0}
    for single, several in ((0, 4), (1, 5), (3, 6)):
        if kinds == {single}:
            return names[single], shapes
        if kinds and kinds <= {single, several}:
            build = {0: shapely.MultiPoint, 1: shapely.MultiLineString, 3: shapely.MultiPolygon}[single]
            turned = np.array(
                [build([s]) if s is not None and s.geom_type == names[single] else s for s in shapes], object
            )
            return f"Multi{names[single]}", turned
    return "Unknown", shapes
