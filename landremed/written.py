"""The layers of a result that lies on the disk, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from landremed.io.gpkg import OutLayer

__all__ = ["WrittenLayers"]


class WrittenLayers(Mapping[str, OutLayer]):
    """Layers by name.

    Parameters
    ----------
    path : Path
        GeoPackage, or folder of GeoParquet files.
    layers : mapping of name to OutLayer
        All layers; those with a ``stream`` are read from the result.
    """

    def __init__(self, path: Path, layers: Mapping[str, OutLayer]) -> None:
        self._path, self._layers = path, layers

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, name: str) -> OutLayer:
        layer = self._layers[name]
        if layer.stream is None:
            return layer
        table = _folder_rows(self._path / name) if self._path.is_dir() else _file_rows(self._path, name)
        geometry = None
        if layer.geometry is not None:
            place = table.column_names.index("geom")
            geometry = table.column(place).cast(pa.large_binary())
        columns = [table[n].cast(layer.table.schema.field(n).type) for n in layer.table.column_names]
        rows = pa.table(columns, names=layer.table.column_names)
        return OutLayer(name, rows, geometry, layer.geometry_type)


def _folder_rows(folder: Path) -> pa.Table:
    from pyarrow import parquet

    return pa.concat_tables([parquet.read_table(file) for file in sorted(folder.glob("part-*.parquet"))])


def _file_rows(path: Path, layer: str) -> pa.Table:
    import pyogrio

    meta, table = pyogrio.read_arrow(path, layer=layer)
    name = meta["geometry_name"] or "wkb_geometry"
    names = ["geom" if column == name else column for column in table.column_names]
    return table.rename_columns(names)
