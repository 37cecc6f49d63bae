"""Write the table of losses in ``docs/formats.md``: a probe is converted into every format and read back.

Usage: python tools/make_formats_doc.py
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyproj
import shapely

from landremed.convert import FORMATS, convert
from landremed.types import Finding

TARGET = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
BEGIN, END = "<!-- losses: made by tools/make_formats_doc.py -->\n", "<!-- end of losses -->\n"
CHINA = dt.timezone(dt.timedelta(hours=8))
MOMENT = dt.datetime(2022, 3, 18, 10, 11, 12, 345_000)
PROBES = {
    "text": pa.array(["滨海", "a", "𣵦"]),
    "text with a comma": pa.array(["a,b", "a", "b"]),
    "text that looks like dates": pa.array(["2022-03-18", "2022-06-30", "2022-07-01"]),
    "empty text": pa.array(["", "a", ""]),
    "text of 300 characters": pa.array(["字" * 300, "a", "b"]),
    "whole numbers": pa.array([1, -5, 2**31 - 1], pa.int64()),
    "whole numbers beyond 32 bits": pa.array([2**40, -(2**40), 2**52], pa.int64()),
    "decimal numbers": pa.array([1 / 3, 1e-300, 12345678.9]),
    "yes/no": pa.array([True, False, True]),
    "dates": pa.array([dt.date(2022, 3, 18), dt.date(1900, 1, 1), dt.date(2022, 12, 31)]),
    "times": pa.array([MOMENT] * 3, pa.timestamp("ms")),
    "times with a zone": pa.array([MOMENT.replace(tzinfo=CHINA)] * 3, pa.timestamp("ms", "+08:00")),
    "blank text": pa.array([None, "a", None]),
    "blank numbers": pa.array([None, 1.5, 0.0]),
    "blank whole numbers": pa.array([None, 1, 0], pa.int64()),
    "blank dates": pa.array([None, dt.date(2022, 3, 18), None]),
}
"""Row of the table -> a column of the probe."""

NAMED = "a field name over 10 bytes"
LONG_NAME = "永久基本农田面积"


def document(text: str) -> str:
    """Return the page with its table made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + table() + END + tail


def table() -> str:
    """Return the table: properties down, formats across."""
    suffixes = list(FORMATS)
    with tempfile.TemporaryDirectory() as folder:
        told = [dict(column(Path(folder), suffix)) for suffix in suffixes]
    lines = ["| | " + " | ".join(f"`{s}`" for s in suffixes) + " |", "|---" * (len(suffixes) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(one[name] for one in told) + " |" for name in told[0]]
    return "\n".join(lines) + "\n"


def column(folder: Path, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield what becomes of every property in a format."""
    for name, values in PROBES.items():
        yield name, kept(converted(folder, suffix, {"F": values}, "EPSG:4527"), "F")
    yield (
        NAMED,
        kept(converted(folder, suffix, {LONG_NAME: PROBES["decimal numbers"]}, "EPSG:4527"), LONG_NAME),
    )
    without = converted(folder, suffix, {"F": PROBES["text"]}, "EPSG:4527", holes=True)
    yield (
        "a row without geometry",
        "lost" if "convert_geometry_changed" in {f.code for f in without} else "kept",
    )
    for crs, unit in (("EPSG:4527", "metres"), ("EPSG:4490", "degrees")):
        if suffix == ".txt" and unit == "degrees":
            yield f"coordinates in {unit}", "refused"
            continue
        found = converted(folder, suffix, {"F": PROBES["text"]}, crs)
        moved = [f"rounded to {float(str(f.params['distance'])):.0e}" for f in found if "moved" in f.code]
        yield f"coordinates in {unit}", moved[0] if moved else "exact"


def converted(
    folder: Path, suffix: str, columns: dict[str, pa.Array], crs: str, *, holes: bool = False
) -> Sequence[Finding]:
    """Write a probe, convert it, and return what was said."""
    from landremed.convert import _write_parquet
    from landremed.io.hashing import content_hash
    from landremed.tables import VectorSource

    degrees = crs == "EPSG:4490"
    x, y, size = (117.7, 38.8, 1e-3) if degrees else (39_560_000.0, 4_300_000.0, 100.0)
    third = size / 3
    boxes = [
        shapely.box(x + i * size + third, y + third, x + i * size + 2 * third, y + 2 * third)
        for i in range(3)
    ]
    shapes = [None if holes and i == 1 else box for i, box in enumerate(boxes)]
    wkb = pa.array(shapely.to_wkb(shapes), pa.large_binary(), from_pandas=True)
    attributes = pa.table(columns)
    digest = content_hash(attributes, wkb, crs)
    source = VectorSource("probe.parquet", "", "GeoParquet", attributes, wkb, crs, "", "", digest)
    path = folder / "probe.parquet"
    _write_parquet(source, path, pyproj.CRS(crs))
    return convert(str(path), folder / f"out{suffix}", overwrite=True).findings


def kept(findings: Sequence[Finding], field: str) -> str:
    """Return in a few words what became of a field."""
    words = {
        "convert_field_left_out": lambda p: "left out",
        "convert_field_renamed": lambda p: f"renamed ({p['new']})",
        "convert_type_changed": lambda p: f"become {p['new_en']}",
        "convert_nulls_lost": lambda p: "blank and empty are one",
        "convert_values_changed": lambda p: "cut or changed",
    }
    said = [words[f.code](f.params) for f in findings if f.field == field and f.code in words]
    return ", ".join(said) or "kept"


if __name__ == "__main__":
    TARGET.write_text(document(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
