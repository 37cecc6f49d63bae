"""The file beside a result in which its measures are kept."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from landremed.errors import InputError, LandremedError, Where
from landremed.io.gpkg import layer_names
from landremed.overlay.tables import (
    DISPUTED_SCHEMA,
    FEATURE_SCHEMA,
    GROUP_SCHEMA,
    OUTSIDE_SCHEMA,
    OVERLAP_SCHEMA,
)
from landremed.reuse.begun import MappedFile, measures_path, open_mapped
from landremed.reuse.block_file import PreparedFile, json_of, prepare_blocks, read_blocks, table_of
from landremed.reuse.coded import plain_schema
from landremed.reuse.features import Features
from landremed.reuse.hashes import DIGEST, raw_array, raw_column
from landremed.slivers import VOTES_BY_PARCEL
from landremed.tables import TRACE_SCHEMA

__all__ = [
    "FINE_SCHEMA",
    "FIRM_SCHEMA",
    "KEY_SCHEMA",
    "MEASURED",
    "ROW_KEY",
    "SLIVER_SCHEMA",
    "TRACED_SCHEMA",
    "Kept",
    "open_kept",
    "prepare_kept",
]

MEASURED: Final[Mapping[str, pa.Schema]] = {
    "overlaps": OVERLAP_SCHEMA,
    "features": FEATURE_SCHEMA,
    "groups": GROUP_SCHEMA,
    "outside": OUTSIDE_SCHEMA,
    "disputed": DISPUTED_SCHEMA,
}
"""Tables of the engine; ``parcel`` counts through the rows of the keys.

Pieces that are a whole parcel have no geometry (``landremed.reuse.pieces``).
"""

KEY_SCHEMA: Final = pa.schema([("key", pa.binary(DIGEST)), ("area_m2", pa.float64())])
"""Hash of every shape that was measured, and its area."""

FINE_SCHEMA: Final = pa.schema([("digest", pa.binary(DIGEST))])
"""Hashes of shapes that were read and found fine as they stood."""

FIRM_SCHEMA: Final = pa.schema(
    [
        ("key", pa.binary(DIGEST)),
        ("robust", pa.int8()),
        ("margin_m", pa.float64()),
        ("sensitive", pa.binary()),
    ]
)
"""How firm outcomes are, under the hash of what they hang on; ``sensitive`` has a bit for every layer."""

SLIVER_SCHEMA: Final = pa.schema(
    [
        ("parcel", pa.int32()),
        ("layer", pa.int16()),
        ("kind", pa.string()),
        ("numbers", pa.list_(pa.float64())),
    ]
)
"""What overlaps seem to come from, where there is something to say; ``parcel`` as in ``MEASURED``."""

TRACED_SCHEMA: Final = pa.schema([("key", pa.binary(DIGEST))])
"""Hash of what each trace says, in their order."""

ROW_KEY: Final = "_key"
"""Column of ``rows`` with the hash of what a parcel's row hangs on."""

_MAGIC: Final = b"landremed measures 8\n"
_NO_ROWS: Final = pa.schema([(ROW_KEY, pa.binary(DIGEST))])
_LAYER_SCHEMA: Final = pa.schema(
    [
        ("digest", pa.binary(DIGEST)),
        ("code", pa.int32()),
        *((n, pa.float64()) for n in ("x0", "y0", "x1", "y1")),
    ]
)


@dataclass(frozen=True)
class Kept:
    """What is kept of a run.

    Attributes
    ----------
    machine : str
        Hash of code and libraries.
    ground : str
        Hash of all that every measure hangs on, but for shapes.
    firm_ground : str
        Hash of all that every firmness hangs on besides.
    layers : sequence of Features
        The layers' state, in the engine's order.
    tables : mapping of name to pyarrow.Table
        ``fine``, ``keys``, those of ``MEASURED``, ``slivers``, ``votes`` and ``firm``; ``rows``, columns
        of ``decisions`` with ``ROW_KEY``, ``trace`` and ``traced``, which are empty when parcels were cut.
        Texts of rows and traces are coded (``landremed.reuse.coded``).
    evidence_ground, row_ground : str
        Hash of all that ``slivers`` and ``votes``, and all that ``rows`` hang on besides.
    parcels : int
        How many of the shapes are parcels; parts of parcels follow.
    """

    machine: str = ""
    ground: str = ""
    firm_ground: str = ""
    layers: Sequence[Features] = ()
    tables: Mapping[str, pa.Table] = field(
        default_factory=lambda: {n: (s or _NO_ROWS).empty_table() for n, s in _schemas().items()}
    )
    evidence_ground: str = ""
    row_ground: str = ""
    parcels: int = 0


def prepare_kept(result: str | Path, kept: Kept) -> PreparedFile:
    """Write the measures beside a result, where they take their place when they are told to.

    Raises
    ------
    OutputError
        When they cannot be written; what lay there stays.
    """
    return prepare_blocks(measures_path(result), _MAGIC, _blocks(kept))


def open_kept(result: Path) -> Callable[[], Kept]:
    """Open what is kept beside a result; return what reads it.

    Raises
    ------
    InputError
        When there is no such result, or no measures beside it; when they are read, that they are damaged or
        of another format.
    """
    if not result.exists():
        raise InputError("reuse_no_file", Where(file=str(result)))
    if not result.resolve().name:
        raise InputError("reuse_no_result", Where(file=str(result)))
    path = measures_path(result)
    try:
        return partial(_read, path, open_mapped(path))
    except OSError as error:
        _require_result(result)
        raise InputError("measures_missing", Where(file=str(result))) from error


def _read(path: Path, file: MappedFile) -> Kept:
    try:
        return _kept(read_blocks(path, _MAGIC, file))
    except (pa.ArrowException, KeyError, TypeError, ValueError, StopIteration, struct.error) as error:
        raise InputError("reuse_damaged", Where(file=str(path)), file=str(path)) from error


def _schemas() -> dict[str, pa.Schema | None]:
    return {
        "fine": FINE_SCHEMA,
        "keys": KEY_SCHEMA,
        **MEASURED,
        "slivers": SLIVER_SCHEMA,
        "votes": VOTES_BY_PARCEL,
        "firm": FIRM_SCHEMA,
        "rows": None,  # hangs on the layers
        "trace": None,  # its texts are coded
        "traced": TRACED_SCHEMA,
    }


def _require_result(path: Path) -> None:
    """Tell a result of which nothing was kept from what is no result at all."""
    try:
        found = (path / "decisions.parquet").exists() if path.is_dir() else "decisions" in layer_names(path)
    except LandremedError:
        found = False
    if not found:
        raise InputError("reuse_no_result", Where(file=str(path)))


def _blocks(kept: Kept) -> Iterator[bytes | pa.Table]:
    head = {
        "machine": kept.machine,
        "ground": kept.ground,
        "firm_ground": kept.firm_ground,
        "evidence_ground": kept.evidence_ground,
        "row_ground": kept.row_ground,
        "parcels": kept.parcels,
        "groups": [list(layer.groups) for layer in kept.layers],
    }
    yield json.dumps(head, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for layer in kept.layers:
        columns = [pa.array(column) for column in (layer.codes, *np.ascontiguousarray(layer.boxes.T))]
        yield pa.table([raw_array(layer.digests), *columns], schema=_LAYER_SCHEMA)
    for name in _schemas():
        yield kept.tables[name]


def _kept(blocks: Iterator[memoryview]) -> Kept:
    head = json_of(next(blocks))
    layers = []
    for groups in head["groups"]:
        table = table_of(next(blocks), _LAYER_SCHEMA)
        codes, *sides = (table[name].to_numpy() for name in _LAYER_SCHEMA.names[1:])
        boxes, names = np.stack(sides, axis=1), [str(name) for name in groups]
        layers.append(Features(raw_column(table["digest"]), boxes, codes, names))
    tables = {name: table_of(next(blocks), schema) for name, schema in _schemas().items()}
    if plain_schema(tables["trace"].schema) not in (TRACE_SCHEMA, _NO_ROWS):
        raise ValueError(tables["trace"].schema)
    grounds = {name: head[name] for name in ("ground", "firm_ground", "evidence_ground", "row_ground")}
    known = {"machine": head["machine"], "parcels": int(head["parcels"])}
    return Kept(layers=layers, tables=tables, **known, **grounds)
