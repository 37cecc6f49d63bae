"""GDAL behind two functions: list layers, read one layer as Arrow. Nothing it says reaches the terminal."""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.drivers import Dataset, nearest

__all__ = ["LayerInfo", "RawLayer", "describe", "list_raw_layers", "pick_layer", "quiet", "read_bulk"]

_WORDS = re.compile(r"\s+")
_NULL = logging.NullHandler()
_BATCH: Final = 16_384  # GDAL reads the next of a GeoPackage's batches in threads of its own


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer of a file: its name, geometry type ("" without geometry) and number of rows."""

    name: str
    geometry_type: str
    rows: int


@dataclass(frozen=True, slots=True)
class RawLayer:
    """A layer as GDAL gives it.

    Attributes
    ----------
    table : pyarrow.Table
        Attribute columns only.
    wkb : pyarrow.ChunkedArray
        Geometry column.
    crs : str or None
        As text that pyproj understands.
    """

    table: pa.Table
    wkb: pa.ChunkedArray
    crs: str | None


_NO_NETWORK: Final = {"GDAL_HTTP_PROXY": "nowhere://0", "GDAL_HTTPS_PROXY": "nowhere://0"}
"""A way to no network: the CRS of a GeoJSON may be an address, which GDAL would fetch."""


class _Quiet:
    """Count of readers inside ``quiet``, so that the last one restores the warning filters."""

    lock = threading.Lock()
    depth = 0
    saved: Any = None
    options: Mapping[str, Any] = {}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep GDAL's warnings and log lines off the terminal, and GDAL off the network; safe with threads."""
    with _Quiet.lock:
        if _Quiet.depth == 0:
            _Quiet.saved = warnings.catch_warnings()
            _Quiet.saved.__enter__()
            warnings.simplefilter("ignore")
            for name in ("pyogrio", "fiona", "rasterio"):
                logging.getLogger(name).addHandler(_NULL)
            _silence_threads()
            _Quiet.options = _set_options(_NO_NETWORK)
        _Quiet.depth += 1
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.depth -= 1
            if _Quiet.depth == 0:
                _Quiet.saved.__exit__(None, None, None)
                _set_options(_Quiet.options)


def _set_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set options of GDAL and return what they were."""
    import pyogrio

    before = {name: pyogrio.get_gdal_config_option(name) for name in options}
    pyogrio.set_gdal_config_options(dict(options))
    return before


def _silence_threads() -> None:
    """Keep GDAL off the terminal in threads of its own or of ours, where nobody listens to its errors."""
    import pyogrio

    if pyogrio.get_gdal_config_option("CPL_LOG") is None:
        pyogrio.set_gdal_config_options({"CPL_LOG": os.devnull})


def list_raw_layers(dataset: Dataset) -> list[str]:
    """Return the names of all layers with geometry, in file order.

    Raises
    ------
    InputError
        When the file cannot be opened.
    """
    return [name for name, kind in _layer_types(dataset) if kind]


def pick_layer(dataset: Dataset, layer: str | None) -> str:
    """Return the layer to read.

    Raises
    ------
    InputError
        When it does not exist, or must be named because there are several.
    """
    where = Where(file=dataset.shown)
    names = list_raw_layers(dataset)
    if not names:
        raise InputError("no_vector_layer", where)
    if layer is None:
        if len(names) == 1:
            return names[0]
        raise InputError("layer_needed", where, layers=", ".join(names), count=len(names))
    if layer in names:
        return layer
    folded = [name for name in names if name.casefold() == layer.casefold()]
    if len(folded) == 1:
        return folded[0]
    if dataset.one_layer and layer == dataset.path.stem:
        return names[0]
    raise InputError("layer_missing", where, layer=layer, nearest=nearest(layer, names))


def describe(dataset: Dataset, layer: str, **options: Any) -> dict[str, Any]:
    """Return pyogrio's description of a layer (fields, types, CRS, number of rows)."""
    import pyogrio

    with quiet():
        try:
            info: dict[str, Any] = pyogrio.read_info(dataset.connection, layer=layer, **options)
        except Exception as error:  # GDAL reports through many classes
            raise unreadable(dataset, error) from error
    if info["driver"] != dataset.driver:
        raise InputError(
            "file_not_of_type", Where(file=dataset.shown), driver=dataset.driver, found=info["driver"]
        )
    return info


def read_bulk(dataset: Dataset, layer: str, *, columns: list[str] | None, **options: Any) -> RawLayer:
    """Read a whole layer in one go.

    Parameters
    ----------
    dataset : Dataset
        The file.
    layer : str
        Name of the layer.
    columns : list of str, optional
        Attribute columns; all by default.
    **options : object
        Passed to pyogrio.

    Raises
    ------
    Exception
        Whatever pyogrio raises; the caller decides whether the rest can be saved.
    """
    import pyogrio

    with quiet():
        meta, table = pyogrio.read_arrow(
            dataset.connection, layer=layer, columns=columns, batch_size=_BATCH, **options
        )
    name = meta["geometry_name"] or "wkb_geometry"
    if name not in table.column_names:
        raise InputError("no_vector_layer", Where(file=dataset.shown, layer=layer))
    place = table.column_names.index(name)
    return RawLayer(table.remove_column(place), table.column(place), meta["crs"])


def unreadable(dataset: Dataset, error: BaseException) -> InputError:
    """Turn a failure of the reader into one sentence."""
    reason = _WORDS.sub(" ", str(error)).strip().replace(str(dataset.path), dataset.shown)
    cut = ("Unexpected I/O failure", "Unterminated", "unexpected end")
    code = "file_truncated" if any(word in reason for word in cut) else "file_unreadable"
    return InputError(code, Where(file=dataset.shown), reason=reason[:200] or type(error).__name__)


def _layer_types(dataset: Dataset) -> list[tuple[str, str]]:
    import pyogrio

    with quiet():
        try:
            rows = pyogrio.list_layers(dataset.connection)
        except Exception as error:  # GDAL reports through many classes
            raise unreadable(dataset, error) from error
    return [(str(name), str(kind) if kind is not None else "") for name, kind in rows]
