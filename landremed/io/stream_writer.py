"""Write one big layer while it is still being computed.

GDAL writes in a child process, fed with an Arrow stream through a pipe: its inserts then run beside the
computation on another core, in one call, so that the spatial index is built once. The child runs this very
file and imports nothing of landremed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa

__all__ = ["StreamWriter"]

_PIPE_BYTES: Final = 1 << 20
_SET_PIPE_SIZE: Final = 1031  # Linux: F_SETPIPE_SZ
_MULTI_POLYGON_OF_ONE: Final = bytes.fromhex("010600000001000000")
_POLYGON: Final = bytes.fromhex("0103000000")


class StreamWriter:
    """Write record batches to a new layer of a GeoPackage, from another process.

    Parameters
    ----------
    path : Path
        File to create, or to append the layer to. Give a temporary one: it is whole only after ``close``.
    layer : str
        Name of the layer.
    schema : pyarrow.Schema
        Columns; the one named ``geometry`` holds WKB.
    crs_wkt : str
        CRS of the geometry (WKT or ``EPSG:n``).
    geometry_type : str
        ``MultiPolygon`` promotes single polygons.
    append : bool
        Add a layer to an existing file.
    layer_options, dataset_options, config : mapping
        Passed to GDAL.

    Raises
    ------
    OutputError
        By ``close``, when the child could not write; the reason is GDAL's.
    """

    def __init__(
        self,
        path: Path,
        layer: str,
        schema: pa.Schema,
        *,
        crs_wkt: str,
        geometry_type: str = "MultiPolygon",
        append: bool = False,
        options: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self.path = path
        self.rows = 0
        order = {
            "path": str(path), "layer": layer, "crs": crs_wkt, "geometry_type": geometry_type,
            "append": append, **(options or {}),
        }  # fmt: skip
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (read after the child has ended)
        self._child = subprocess.Popen(  # noqa: S603  our own interpreter, arguments of our own
            [sys.executable, __file__, json.dumps(order)], stdin=subprocess.PIPE, stderr=self._said
        )
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(8)
        self._broken = False
        self._feeder = threading.Thread(target=self._feed, args=(schema,), daemon=True)
        self._feeder.start()

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Hand over rows; returns at once unless the writer is far behind."""
        batches = rows.to_batches() if isinstance(rows, pa.Table) else [rows]
        for batch in batches:
            if batch.num_rows:
                self.rows += batch.num_rows
                self._batches.put(batch)

    def close(self) -> None:
        """Finish the file and wait for the child."""
        self._batches.put(None)
        self._feeder.join()
        status = self._child.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        if status != 0 or self._broken:
            from landremed.errors import OutputError, Where

            reason = said[-1] if said else f"exit status {status}"
            raise OutputError("output_write_failed", Where(file=str(self.path)), reason=reason)

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        self._child.kill()
        self._batches.put(None)
        self._feeder.join()
        self._child.wait()
        self._said.close()

    def _feed(self, schema: pa.Schema) -> None:
        pipe = self._child.stdin
        if pipe is None:
            return
        try:
            _widen(pipe.fileno())
            with pa.ipc.new_stream(pipe, schema) as stream:
                while (batch := self._batches.get()) is not None:
                    stream.write_batch(batch)
        except OSError:
            # the child has gone: close() tells why; drain so that write() never blocks
            self._broken = True
            while self._batches.get() is not None:
                pass
        finally:
            with contextlib.suppress(OSError):
                pipe.close()


def _widen(descriptor: int) -> None:
    """Let a pipe hold more than a page, where the system can."""
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)


def _promoted(batch: pa.RecordBatch, column: int) -> pa.RecordBatch:
    """Wrap single polygons of a batch in multipolygons of one, by their bytes."""
    import pyarrow.compute as pc

    wkb = batch.column(column).cast(pa.large_binary())
    single = pc.equal(pc.binary_slice(wkb, 0, 5), pa.scalar(_POLYGON, pa.large_binary()))
    empty = pa.scalar(b"", pa.large_binary())
    head = pc.if_else(single, pa.scalar(_MULTI_POLYGON_OF_ONE, pa.large_binary()), empty)
    wrapped = pc.binary_join_element_wise(head, wkb, empty)
    field = pa.field(batch.schema.field(column).name, pa.large_binary())
    return batch.set_column(column, field, wrapped)


def _write_order(order: dict[str, Any]) -> None:
    """Write the stream on standard input; runs in the child."""
    import pyogrio

    pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF", **order.get("config", {})})
    stream = pa.ipc.open_stream(sys.stdin.buffer)
    schema = stream.schema
    rows: Any = stream
    if order["geometry_type"] == "MultiPolygon":
        at = schema.get_field_index("geometry")
        schema = schema.set(at, pa.field("geometry", pa.large_binary()))
        rows = pa.RecordBatchReader.from_batches(schema, (_promoted(batch, at) for batch in stream))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the temporary file's ending
        pyogrio.raw.write_arrow(
            rows,
            order["path"],
            layer=order["layer"],
            driver="GPKG",
            geometry_name="geometry",
            geometry_type=order["geometry_type"],
            crs=order["crs"],
            append=order["append"],
            dataset_options=order.get("dataset_options"),
            layer_options=order.get("layer_options"),
        )


if __name__ == "__main__":
    # the folder of this file would shadow nothing we need, but must not be searched first
    sys.path.pop(0)
    _write_order(json.loads(sys.argv[1]))
