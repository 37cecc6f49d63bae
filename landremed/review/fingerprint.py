"""Fingerprints of what a package was given, so that edits to the machine's columns are noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import shapely

from landremed.io.gpkg import OutLayer

__all__ = ["fingerprints", "row_text", "shape_hash"]

_MILLIMETRE: Final = 0.001


def row_text(row: Mapping[str, Any]) -> str:
    """Return the values of a row as one JSON text, numbers rounded as they are shown."""
    plain = {k: (round(v, 4) if isinstance(v, float) else v) for k, v in row.items() if v not in (None, "")}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, default=str)


def shape_hash(shape: shapely.Geometry | None) -> str:
    """Return a hash of a shape that starting point, direction and order of parts leave alone."""
    if shape is None or shape.is_empty:
        return ""
    plain = shapely.normalize(shapely.set_precision(shapely.force_2d(shape), _MILLIMETRE, mode="pointwise"))
    parts = plain if shapely.get_num_geometries(plain) > 1 else shapely.get_geometry(plain, 0)
    return hashlib.sha256(shapely.to_wkb(parts, byte_order=1)).hexdigest()[:16]


def fingerprints(parcels: OutLayer) -> list[OutLayer]:
    """Return the table ``package_rows``: what each parcel looked like when it was packed."""
    shapes = shapely.from_wkb((parcels.geometry or pa.array([])).to_pylist())
    rows = parcels.table.to_pylist()
    return [
        OutLayer(
            "package_rows",
            pa.table(
                {
                    "parcel_id": pa.array([row["parcel_id"] for row in rows], pa.string()),
                    "attributes": pa.array([row_text(row) for row in rows], pa.string()),
                    "shape": pa.array([shape_hash(shape) for shape in shapes], pa.string()),
                }
            ),
        )
    ]
