"""What a result rests on: inputs with their content hashes, settings, readings, versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Final

import pyarrow as pa

from landremed.io.spreadsheet import RawTable
from landremed.tables import PROVENANCE_SCHEMA, VectorSource

__all__ = [
    "VOLATILE_KEYS",
    "evidence_entry",
    "library_versions",
    "provenance_table",
    "source_entry",
    "version",
]

VOLATILE_KEYS: Final = ("started", "finished", "elapsed_s", "output", "jobs")
"""Keys that may differ between two runs on the same inputs."""


def version() -> str:
    """Return the installed version of landremed."""
    try:
        return metadata.version("landremed")
    except metadata.PackageNotFoundError:
        return "unknown"


def source_entry(source: VectorSource, crs_name: str, **extra: object) -> str:
    """Return one input as JSON: file, layer, rows, CRS, encoding, content hash and what else is given."""
    entry = {
        "file": source.file,
        "layer": source.layer,
        "driver": source.driver,
        "rows": len(source),
        "crs": crs_name,
        "encoding": source.encoding,
        "encoding_ground": source.encoding_ground,
        "hash": source.content_hash,
    }
    known = {k: v for k, v in (entry | extra).items() if v not in (None, "", ())}
    return json.dumps(known, ensure_ascii=False, default=str)


def evidence_entry(file: str, id_field: str | Sequence[str], raw: RawTable) -> str:
    """Return one evidence table as JSON; the hash is over its cells, not over the file's bytes."""
    cells = json.dumps([raw.columns, raw.rows], ensure_ascii=False, default=str)
    digest = hashlib.sha256(cells.encode("utf-8", "surrogatepass")).hexdigest()
    entry: dict[str, object] = {"file": file, "id": id_field, "rows": len(raw.rows), "hash": digest}
    if raw.sheet:
        entry["sheet"] = raw.sheet
    return json.dumps(entry, ensure_ascii=False)


def library_versions() -> dict[str, str]:
    """Return the versions of what computed the result."""
    import pyogrio
    import pyproj
    import shapely

    return {
        "lib.python": platform.python_version(),
        "lib.GEOS": shapely.geos_version_string,
        "lib.PROJ": pyproj.proj_version_str,
        "lib.GDAL": ".".join(map(str, pyogrio.__gdal_version__)),
        "lib.shapely": shapely.__version__,
        "lib.pyarrow": pa.__version__,
    }


def provenance_table(entries: Mapping[str, object]) -> pa.Table:
    """Return key and value rows in the order given; None becomes NULL."""
    values = [None if v is None else str(v) for v in entries.values()]
    return pa.table([pa.array(list(entries)), pa.array(values, pa.string())], schema=PROVENANCE_SCHEMA)
