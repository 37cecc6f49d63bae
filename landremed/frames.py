"""GeoDataFrames as inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from landremed.errors import CrsError, InputError, Where
from landremed.io.hashing import content_hash
from landremed.overlay import PolygonSet
from landremed.tables import VectorSource

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["frame_source"]


def frame_source(frame: gpd.GeoDataFrame, name: str) -> VectorSource:
    """Return a GeoDataFrame as an input layer.

    Parameters
    ----------
    frame : GeoDataFrame
        With a CRS; the index is not kept.
    name : str
        Shown in messages.

    Raises
    ------
    CrsError
        When the frame has no CRS.
    InputError
        When it has no geometry column.
    """
    import geopandas as gpd

    if not isinstance(frame, gpd.GeoDataFrame) or frame._geometry_column_name is None:
        raise InputError("frame_without_geometry", Where(file=name))
    if frame.crs is None:
        raise CrsError("frame_without_crs", Where(file=name))
    attributes = pa.Table.from_pandas(frame.drop(columns=frame.geometry.name), preserve_index=False)
    attributes = attributes.replace_schema_metadata(None)
    wkb = PolygonSet.from_geometries(frame.geometry.to_numpy()).wkb
    wkt = frame.crs.to_wkt()
    digest = content_hash(attributes, wkb, wkt)
    return VectorSource(name, "", "GeoDataFrame", attributes, wkb, wkt, "", "", digest)
