"""What may be merged: packages of every kind, and boundaries in the survey teams' text format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pyproj
import shapely

from landremed.crs import guard_coordinates, resolve_crs, to_working
from landremed.errors import InputError, Where
from landremed.io.survey_txt import read_survey_txt
from landremed.review.field import FieldPackage, read_package
from landremed.review.records import NOTE, Boundary, Problem
from landremed.review.workbook import read_workbook

__all__ = ["read_incoming"]

_KEY: Final = "layers.resurveyed"
_HEAD: Final = re.compile(r"^\s*(数据产生单位|数据产生日期)\s*[=＝]\s*(.*?)\s*$", re.MULTILINE)


def read_incoming(path: Path, crs: str, base: str) -> FieldPackage:
    """Read a package, or boundaries surveyed again.

    Parameters
    ----------
    path : Path
        ``*.gpkg``, folder or zip of a package; ``*.xlsx`` of one; ``*.txt`` with boundary points.
    crs : str
        Working CRS of the result.
    base : str
        What the result rests on, for files that do not tell what they were made from.

    Raises
    ------
    InputError, CrsError
        It is missing, damaged, of a kind that brings nothing back, or its CRS is not known.
    """
    kind = path.suffix.lower()
    if kind in (".kml", ".kmz"):
        raise InputError("kml_not_merged", Where(file=str(path)))
    if kind in (".xlsx", ".xlsm"):
        return read_workbook(path)
    if kind == ".txt" and not path.is_dir():
        return _read_boundaries(path, crs, base)
    return read_package(path)


def _read_boundaries(path: Path, crs: str, base: str) -> FieldPackage:
    """Read boundary points; the parcel's number is its id, the head tells who surveyed and when."""
    source, findings = read_survey_txt(str(path))
    where = Where(file=str(path))
    if source.crs_wkt is None:
        raise InputError("boundary_txt_no_crs", where)
    own, working = resolve_crs(source, None, key=_KEY), pyproj.CRS.from_user_input(crs)
    guard_coordinates(source, own, _KEY)
    head = dict(_HEAD.findall(path.read_bytes().decode(source.encoding, "replace")))
    person, day = head.get("数据产生单位", ""), head.get("数据产生日期", "")
    boundaries, problems = [], []
    numbers, names = source.attributes["DKBH"].to_pylist(), source.attributes["DKMC"].to_pylist()
    for number, name, wkb in zip(
        numbers, names, to_working(source, own, working, _KEY).to_pylist(), strict=True
    ):
        parcel = str(number or "")
        if wkb is None or shapely.from_wkb(wkb).is_empty:
            problems.append(Problem(parcel, "boundary_empty", path.name, person))
            continue
        plain = shapely.to_wkb(shapely.force_2d(shapely.from_wkb(wkb)), byte_order=1)
        boundaries.append(Boundary(parcel, person, day, path.name, str(name or ""), plain))
    problems += [
        Problem("", NOTE, path.name, person, finding.code, json.dumps(dict(finding.params), default=str))
        for finding in findings
    ]
    return FieldPackage(path.name, base, crs, [], boundaries, problems)
