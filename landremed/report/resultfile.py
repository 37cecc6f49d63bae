"""A result GeoPackage, opened for reports: its tables, shapes, and the rule book it was made with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely

from landremed.errors import InputError, LandremedError, Where
from landremed.io.gpkg_extras import quoted
from landremed.io.gpkg_read import layer_names, nearest_ids, read_layer
from landremed.io.sqlite_read import open_to_read
from landremed.law import RuleBook
from landremed.law.kept import kept_rulebook
from landremed.report.labels import role_title

__all__ = ["ResultFile", "open_result"]

_GEOMETRY: Final = "geom"
_ENVELOPE_BYTES: Final = (0, 32, 48, 48, 64)
_IDS_AT_ONCE: Final = 500
_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})


@dataclass(frozen=True)
class ResultFile:
    """What ``landremed run`` wrote.

    Attributes
    ----------
    provenance : mapping of str to str
        Versions, inputs, settings.
    book : RuleBook or None
        In the readings the file was made with; None when it cannot be loaded.
    decisions : pyarrow.Table
        One row per parcel, without geometry.
    crs : pyproj.CRS
        Of every shape, metres.
    """

    path: Path
    layers: Sequence[str]
    provenance: Mapping[str, str]
    book: RuleBook | None
    decisions: pa.Table
    crs: pyproj.CRS

    @property
    def language(self) -> str:
        """Language of the sentences kept in the file."""
        return "en" if self.provenance.get("language") == "en" else "zh"

    @property
    def title(self) -> str:
        """Name of the project."""
        return self.provenance.get("project") or self.path.stem

    @property
    def overlaid(self) -> list[str]:
        """Layers that were overlaid, in the order of the columns."""
        names = (name.removeprefix("input.") for name in self.provenance if name.startswith("input."))
        columns = self.decisions.column_names
        return [name for name in names if name != "parcels" and f"{name}_area_m2" in columns]

    def layer_title(self, name: str, language: str) -> str:
        """Return the title of an input layer, as the plan names it where it has a name for it."""
        own = self.book.layers.get(name) if self.book is not None else None
        return own.of(language) if own is not None else role_title(name, language)

    def table(self, name: str, ids: Sequence[str | int] | None = None, *, key: str = "parcel_id") -> pa.Table:
        """Return a layer or table without geometry; an empty one when the file has none of that name."""
        if name not in self.layers:
            return pa.table({})
        return read_layer(self.path, name, ids, key=key)

    def rows(self, name: str, ids: Sequence[str | int] | None = None) -> list[dict[str, Any]]:
        """Return the same as one mapping per row."""
        found: list[dict[str, Any]] = self.table(name, ids).to_pylist()
        return found

    def row(self, parcel: str) -> dict[str, Any]:
        """Return the row of one parcel."""
        found: dict[str, Any] = self.decisions.slice(self._places[parcel], 1).to_pylist()[0]
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {str(value): row for row, value in enumerate(self.decisions["parcel_id"].to_pylist())}

    def shapes(self, name: str, ids: Sequence[str] | None = None) -> npt.NDArray[np.object_]:
        """Return the shapes of a layer, aligned with the rows of ``table``; None where a row has none.

        Parameters
        ----------
        name : str
            Layer.
        ids : sequence of str, optional
            Only of these parcels.
        """
        if name not in self.layers:
            return np.array([], dtype=object)
        with closing(_connect(self.path)) as db:
            select = f"SELECT rowid, {_GEOMETRY} FROM {quoted(name)}"  # noqa: S608
            rows: list[tuple[int, bytes | None]] = []
            if ids is None:
                rows = db.execute(f"{select} ORDER BY rowid").fetchall()
            else:
                wanted = list(dict.fromkeys(ids))
                for start in range(0, len(wanted), _IDS_AT_ONCE):
                    part = wanted[start : start + _IDS_AT_ONCE]
                    marks = ", ".join("?" * len(part))
                    rows += db.execute(f"{select} WHERE parcel_id IN ({marks})", part).fetchall()
                rows.sort()
        found: npt.NDArray[np.object_] = np.empty(len(rows), dtype=object)
        found[:] = shapely.from_wkb([None if blob is None else _wkb(blob) for _, blob in rows])
        return found

    def select(self, where: str | None = None, ids: Iterable[str] | None = None) -> list[str]:
        """Return the ids of parcels that a condition, or a list, names; in the order of the file.

        Parameters
        ----------
        where : str, optional
            SQL condition over the columns of ``decisions``, such as ``outcome = 'demolish_restore'``.
        ids : iterable of str, optional
            Ids.

        Raises
        ------
        InputError
            The condition cannot be evaluated, an id is not there, or nothing is left.
        """
        every = [str(value) for value in self.decisions["parcel_id"].to_pylist()]
        place = Where(file=str(self.path))
        if ids is not None:
            wanted, known = list(ids), set(every)
            for name in wanted:
                if name not in known:
                    near = ", ".join(nearest_ids(self.path, "decisions", name))
                    raise InputError("report_no_such_parcel", place, parcel=name, nearest=near or "-")
            chosen = set(wanted)
            every = [name for name in every if name in chosen]
        if where is not None:
            matching = self._matching(where)
            every = [name for name in every if name in matching]
        if not every:
            raise InputError("report_nothing_selected", place)
        return every

    def _matching(self, where: str) -> set[str]:
        with closing(_connect(self.path)) as db:
            # the condition is the user's own, yet it must not reach beyond a question about this table
            db.set_authorizer(_only_this_table)
            try:
                found = db.execute(f"SELECT parcel_id FROM decisions WHERE ({where}\n)").fetchall()  # noqa: S608
            except (sqlite3.Error, sqlite3.Warning) as error:
                place = Where(file=str(self.path), layer="decisions")
                raise InputError("report_bad_condition", place, condition=where, reason=str(error)) from error
        return {str(row[0]) for row in found}


def open_result(path: Path | str) -> ResultFile:
    """Open a result GeoPackage for a report.

    Raises
    ------
    InputError
        The file is missing, no GeoPackage, or holds no recommendations.
    """
    path = Path(path)
    layers = layer_names(path)
    if "decisions" not in layers:
        raise InputError("result_layer_missing", Where(file=str(path)), layer="decisions")
    provenance: dict[str, str] = {}
    if "provenance" in layers:
        entries = read_layer(path, "provenance").to_pylist()
        provenance = {str(row["key"]): str(row["value"] or "") for row in entries}
    return ResultFile(
        path,
        layers,
        provenance,
        _book(provenance, path),
        read_layer(path, "decisions"),
        _crs(path, provenance),
    )


def _book(provenance: Mapping[str, str], path: Path) -> RuleBook | None:
    try:
        return kept_rulebook(provenance, path)
    except LandremedError:
        return None


def _connect(path: Path) -> sqlite3.Connection:
    return open_to_read(path)


def _only_this_table(action: int, first: str | None, *_: object) -> int:
    asked = action == sqlite3.SQLITE_READ
    allowed = action in _ALLOWED and (not asked or first == "decisions")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _crs(path: Path, provenance: Mapping[str, str]) -> pyproj.CRS:
    with closing(_connect(path)) as db:
        row = db.execute(
            "SELECT s.definition FROM gpkg_geometry_columns g "
            "JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id WHERE g.table_name = 'decisions'"
        ).fetchone()
    try:
        return pyproj.CRS.from_user_input(provenance.get("crs") or (row[0] if row else ""))
    except pyproj.exceptions.CRSError as error:
        raise InputError("report_no_crs", Where(file=str(path)), reason=str(error)) from error


def _wkb(blob: bytes) -> bytes | None:
    """Return the WKB inside a GeoPackage geometry, None for an empty one."""
    flags = blob[3]
    return None if flags & 0x10 else blob[8 + _ENVELOPE_BYTES[(flags >> 1) & 7] :]
