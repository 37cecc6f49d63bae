"""The text format in which survey teams hand over boundary points (``docs/formats.md``), read and written.

Writers of this format disagree on nearly everything: text encoding, which column is north, whether ring
numbers mean holes or parts, whether the first point is repeated. What can be told from the numbers is told
from them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.drivers import resolve_input
from landremed.io.encoding import decode_text
from landremed.io.hashing import content_hash
from landremed.io.limits import Limits, check_limit
from landremed.io.rings import nested
from landremed.tables import VectorSource
from landremed.types import Finding

__all__ = ["COLUMNS", "parse_survey_txt", "read_survey_txt", "survey_text"]

COLUMNS: Final = ("DKBH", "DKMC", "TXSX", "TFH", "DKYT", "DLBM")
"""Columns of a parcel's line after count and area: number, name, kind of shape, sheet, use, land-use code."""

AREA: Final = "DKMJ"
"""The area as stated, in whatever unit; it is not used."""

_MORE: Final = ("TBLX", "DL", "GZQDB", "GZHDB", "BZ")  # the longer line of land consolidation reports
_SECTION: Final = re.compile(r"[\[【]\s*(.*?)\s*[\]】]")
_POINTS_SECTION: Final = "地块坐标"
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_DATUMS: Final = (("2000", "cgcs2000"), ("80", "xian1980"), ("54", "beijing1954"))
_EPSG: Final[Mapping[tuple[str, int, bool], int]] = {
    # datum, width of the zones in degrees, with prefix -> what is added to the zone number
    ("cgcs2000", 3, True): 4488,
    ("cgcs2000", 3, False): 4509,
    ("cgcs2000", 6, True): 4478,
    ("cgcs2000", 6, False): 4489,
    ("xian1980", 3, True): 2324,
    ("xian1980", 3, False): 2345,
    ("xian1980", 6, True): 2314,
    ("xian1980", 6, False): 2325,
    ("beijing1954", 3, True): 2376,
    ("beijing1954", 3, False): 2397,
    ("beijing1954", 6, True): 21400,
    ("beijing1954", 6, False): 21440,
}
_PREFIXED: Final = 1.2e7
_SAME_POINT: Final = 1e-6

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass
class _Block:
    """One parcel's line and the points below it: line, ring number, first and second number."""

    line: int
    cells: list[str]
    points: list[tuple[int, str, float, float]] = field(default_factory=list)


def read_survey_txt(
    path: str, *, base: Path | None = None, encoding: str | None = None, limits: Limits | None = None
) -> tuple[VectorSource, list[Finding]]:
    """Read a survey coordinate file.

    Parameters
    ----------
    path : str
        File relative to ``base``.
    base : pathlib.Path, optional
        Folder of the project file; the current folder by default.
    encoding : str, optional
        Text encoding; by default a byte order mark, strict UTF-8 or GB18030 decides.
    limits : Limits, optional
        Upper bounds.

    Returns
    -------
    source : VectorSource
        One row per parcel, x = east, y = north, in the CRS that the head and the size of the numbers tell;
        none where they do not.
    findings : list of Finding
        Column order, counts that differ, rings left out, parameters of a transformation.

    Raises
    ------
    InputError
        When the file is missing, no such text, or holds no parcel.
    """
    limits = limits or Limits()
    real, where = resolve_input(path, base), Where(file=path)
    if real.is_dir():
        raise InputError("file_is_folder", where)
    try:
        check_limit(limits, "max_text_mb", real.stat().st_size // 1_000_000, where)
        data = real.read_bytes()
    except OSError as error:
        raise InputError("file_unreadable", where, reason=error.strerror or str(error)) from error
    if not data.strip(b"\0 \r\n\t"):
        raise InputError("file_empty", where)
    told = decode_text(data, encoding, where)
    if "\0" in told.text:
        raise InputError("encoding_unclear", where)
    source, findings = parse_survey_txt(told.text, path, limits)
    if told.other_lines:
        params = {"count": len(told.other_lines), "encoding": told.encoding}
        findings.append(Finding("encoding_mixed", file=path, row=told.other_lines[0], params=params))
    return replace(source, encoding=told.encoding, encoding_ground=told.ground), findings


def parse_survey_txt(
    text: str, file: str, limits: Limits | None = None
) -> tuple[VectorSource, list[Finding]]:
    """Read the text of a survey coordinate file; see ``read_survey_txt``."""
    import shapely

    limits, where = limits or Limits(), Where(file=file)
    head, blocks = _blocks(text, where)
    if not blocks:
        raise InputError("txt_no_parcel", where)
    check_limit(limits, "max_features", len(blocks), where)
    check_limit(limits, "max_vertices", sum(len(b.points) for b in blocks), where)
    findings = []
    numbers = np.array([p[2:] for b in blocks for p in b.points], float).reshape(-1, 2)
    order, sure = _north_first(numbers)
    if not order:
        findings.append(Finding("txt_east_first", file=file))
    elif not sure:
        findings.append(Finding("txt_order_assumed", file=file))
    geometries = []
    orders = [_own_order(block, order) for block in blocks]
    turned = [row for row, own in enumerate(orders, 1) if own != order]
    if turned:
        params: dict[str, object] = {"count": len(turned)}
        findings.append(Finding("txt_order_mixed", file=file, row=turned[0], params=params))
    for row, (block, own) in enumerate(zip(blocks, orders, strict=True), 1):
        rings, notes = _rings(block, own)
        findings += [Finding(code, file=file, row=row, params=params) for code, params in notes]
        geometries.append(nested(rings))
    east = np.array([p[3 if own else 2] for b, own in zip(blocks, orders, strict=True) for p in b.points])
    crs, notes = _crs(head, east)
    findings += [Finding(code, file=file, params=params) for code, params in notes]
    attributes = _attributes(blocks)
    wkb = pa.array(
        shapely.to_wkb(np.array(geometries, object), byte_order=1), pa.large_binary(), from_pandas=True
    )
    digest = content_hash(attributes, wkb, crs)
    return VectorSource(file, "", "TXT", attributes, wkb, crs, "", "", digest), findings


def survey_text(
    rows: Sequence[Mapping[str, str]],
    geometries: npt.NDArray[np.object_],
    areas_ha: FloatArray,
    *,
    width: int,
    zone: int,
    day: str = "",
) -> str:
    """Return parcels as the text of a survey coordinate file (north first, lines ended by CR LF).

    Parameters
    ----------
    rows : sequence of mapping
        ``COLUMNS`` as text, one per parcel.
    geometries : ndarray
        Polygons or multipolygons, x = east with zone number, y = north, metres; None gives no points.
    areas_ha : ndarray
        Areas in hectares, written with four decimals.
    width, zone : int
        Width of the zones in degrees, number of the zone.
    day : str
        Date of the data, ``YYYY-MM-DD``.
    """
    lines = [
        "[属性描述]",
        "格式版本号=1.01版本",
        "数据产生单位=",
        f"数据产生日期={day}",
        "坐标系=2000国家大地坐标系",
        f"几度分带={width}",
        "投影类型=高斯克吕格",
        "计量单位=米",
        f"带号={zone}",
        "精度=0.001",
        "转换参数=0,0,0,0,0,0,0",
        f"[{_POINTS_SECTION}]",
    ]
    for row, geometry, area in zip(rows, geometries, areas_ha, strict=True):
        points = list(_point_lines(geometry))
        cells = [_cell(row.get(name, "")) for name in COLUMNS]
        cells[2] = cells[2] or "面"
        lines.append(",".join([str(len(points)), f"{area:.4f}", *cells, "@"]))
        lines += points
    return "\r\n".join(lines) + "\r\n"


def _point_lines(geometry: Any) -> Iterator[str]:
    """Yield the points of every ring, the first one again at its end; numbers go on over all rings."""
    import shapely

    number = 1
    for ring_number, ring in enumerate(shapely.get_rings(shapely.get_parts(geometry)), 1):
        xy = shapely.get_coordinates(ring)
        first = number
        for at, (x, y) in enumerate(xy.tolist()):
            name = first if at == len(xy) - 1 else number
            yield f"J{name},{ring_number},{y:.3f},{x:.3f}"
            number += at < len(xy) - 1


def _cell(text: str) -> str:
    """Return a text without the characters that part cells, lines and parcels."""
    plain = text.replace(",", "，").replace("@", "＠")
    return " ".join(plain.split())


def _blocks(text: str, where: Where) -> tuple[dict[str, str], list[_Block]]:
    """Return the head's keys, and parcels with their points."""
    head: dict[str, str] = {}
    blocks: list[_Block] = []
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().strip("\ufeff")
        if not line:
            continue
        mark = _SECTION.fullmatch(line)
        if mark:
            section = mark[1]
        elif section == _POINTS_SECTION:
            _take(line, number, blocks, where)
        else:
            key, _, value = _plain(line).partition("=")
            head[key.strip()] = value.strip()
    if section != _POINTS_SECTION and not blocks:
        raise InputError("txt_no_section", where)
    return head, blocks


def _plain(text: str) -> str:
    """Return a text with half-width digits and signs."""
    return unicodedata.normalize("NFKC", text).strip()


def _take(line: str, number: int, blocks: list[_Block], where: Where) -> None:
    """Take one line of the points' section: a parcel's, marked by @, or a point's."""
    if "@" in line or line.startswith("＠") or line.endswith("＠"):
        text = line.replace("@", "").strip().strip("＠").strip()
        if "," not in text:  # else a wide comma belongs to a name
            text = text.replace("，", ",")
        cells = [cell.strip() for cell in re.split(r"[,\t]", text.strip(","))]
        blocks.append(_Block(number, [*map(_plain, cells[:2]), *cells[2:]]))
        return
    cells = [cell.strip() for cell in re.split(r"[,\t]|\s{2,}", _plain(line).strip(","))]
    values = [_NUMBER.fullmatch(cell) for cell in cells]
    if not blocks or len(cells) < 3 or not (values[-1] and values[-2]):
        place = Where(file=where.file, row=number, value=line[:60])
        raise InputError("txt_line_unreadable", place)
    ring = cells[1] if len(cells) >= 4 else "1"
    at = 2 if len(cells) >= 4 else 1  # a fifth cell is a height
    first, second = values[at], values[at + 1]
    if first is None or second is None:
        raise InputError("txt_line_unreadable", Where(file=where.file, row=number, value=line[:60]))
    blocks[-1].points.append((number, ring, float(first[0]), float(second[0])))


def _north_first(numbers: FloatArray) -> tuple[bool, bool]:
    """Tell by the size of the numbers whether the first column is north, and whether that is sure."""
    if not len(numbers):
        return True, True
    one, two = np.median(numbers, axis=0)
    if one >= _PREFIXED or two >= _PREFIXED:
        return bool(two >= one), True
    if abs(one) <= 180.0 and abs(two) <= 180.0:
        return bool(one < two), 73.0 <= max(one, two) <= 136.0 and 3.0 <= min(one, two) <= 54.0
    plain = (1e5 <= min(one, two) <= 9e5) and 1e6 <= max(one, two) <= 6.3e6
    return (bool(one > two), True) if plain else (True, False)


def _own_order(block: _Block, order: bool) -> bool:
    """Return whether a parcel's first column is north: as in the file, unless its numbers tell otherwise."""
    own, sure = _north_first(np.array([p[2:] for p in block.points], float).reshape(-1, 2))
    return own if sure and block.points else order


def _rings(block: _Block, north_first: bool) -> tuple[list[FloatArray], list[tuple[str, dict[str, object]]]]:
    """Return the rings (east, north) of a parcel, closed ones parted where they close."""
    rings: list[list[tuple[float, float]]] = []
    last = ""
    done = True
    for _, ring, one, two in block.points:
        point = (two, one) if north_first else (one, two)
        if done or ring != last:
            rings.append([])
        rings[-1].append(point)
        last = ring
        done = (
            len(rings[-1]) > 3
            and max(abs(a - b) for a, b in zip(point, rings[-1][0], strict=True)) < _SAME_POINT
        )
    notes: list[tuple[str, dict[str, object]]] = []
    kept = []
    open_points = 0
    for points in rings:
        xy = np.array(points, float)
        closed = len(xy) > 1 and bool(np.all(np.abs(xy[0] - xy[-1]) < _SAME_POINT))
        xy = xy[:-1] if closed else xy
        open_points += len(xy)
        if len(np.unique(xy, axis=0)) < 3:
            notes.append(("txt_ring_short", {"line": block.line, "count": len(xy)}))
            continue
        kept.append(np.vstack([xy, xy[:1]]))
    stated = block.cells[0] if block.cells else ""
    fitting = {len(block.points), open_points, open_points + len(rings), open_points + 1}
    if stated.isdigit() and int(stated) not in fitting:
        params: dict[str, object] = {"line": block.line, "stated": stated, "found": len(block.points)}
        notes.append(("txt_points_differ", params))
    return kept, notes


def _crs(head: Mapping[str, str], east: FloatArray) -> tuple[str | None, list[tuple[str, dict[str, object]]]]:
    """Return the CRS that head and numbers tell, None where they do not."""
    notes: list[tuple[str, dict[str, object]]] = []
    shift = head.get("转换参数", "")
    if any(float(number) != 0.0 for number in _NUMBER.findall(shift)):
        notes.append(("txt_shift_given", {"parameters": shift[:60]}))
    system = head.get("坐标系", "")
    datum = next((name for mark, name in _DATUMS if mark in system), "")
    middle = float(np.median(east)) if len(east) else 0.0
    if 73.0 <= middle <= 136.0:
        return ("EPSG:4490" if datum == "cgcs2000" else None), notes
    stated = re.sub(r"\D", "", head.get("带号", ""))
    width = re.sub(r"\D", "", head.get("几度分带", "") or head.get("分带", ""))
    prefixed = middle >= _PREFIXED
    zone = int(middle // 1e6) if prefixed else int(stated or 0)
    if prefixed and stated and int(stated) != zone:
        notes.append(("txt_zone_differs", {"stated": stated, "found": zone}))
    degrees = int(width) if width in ("3", "6") else 3 if zone >= 24 else 6
    known = 25 <= zone <= 45 if degrees == 3 else 13 <= zone <= 23
    if not datum or not known:
        return None, notes
    return f"EPSG:{_EPSG[datum, degrees, prefixed] + zone}", notes


def _attributes(blocks: Sequence[_Block]) -> pa.Table:
    longest = max(len(b.cells) for b in blocks)
    names = [*COLUMNS, *_MORE, *(f"F{i}" for i in range(14, longest + 1))][: max(longest - 2, len(COLUMNS))]
    columns: dict[str, pa.Array] = {}
    for at, name in enumerate(names, 2):
        texts = [b.cells[at] if at < len(b.cells) and b.cells[at] else None for b in blocks]
        columns[name] = pa.array(texts, pa.string())
    stated = [_NUMBER.match(b.cells[1]) if len(b.cells) > 1 else None for b in blocks]
    columns[AREA] = pa.array([float(m[0]) if m else None for m in stated], pa.float64())
    return pa.table(columns)
