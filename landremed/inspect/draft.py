"""A project drafted from what files hold: every guess is tried out before it is written down."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyproj

from landremed.crs import choose_working_crs
from landremed.errors import InputError, LandremedError, ProjectError, Where
from landremed.inspect.aliases import aliases, first_of
from landremed.inspect.fact_fields import distinct_values
from landremed.inspect.folders import expand
from landremed.inspect.look import LayerLook, look
from landremed.io.limits import Limits
from landremed.io.spreadsheet import RawTable
from landremed.io.zipped import zips_kept
from landremed.layers import load_layer, load_parcels, text_ids
from landremed.project import make_project, role_name
from landremed.types import MAIN_ROLES, SPECIAL_ROLES

__all__ = ["Binding", "Draft", "EvidenceGuess", "draft_project"]

_ROLES: Final = (*MAIN_ROLES, *SPECIAL_ROLES)
_POLYGONS: Final = {"Polygon", "MultiPolygon"}
_LEAST_MATCH: Final = 0.5


@dataclass(frozen=True)
class Binding:
    """A layer and the role it gets.

    Attributes
    ----------
    given : bool
        Whether the user named the role; else it was guessed from fields.
    keys : mapping of project key to value
        ``id``, ``by``, ``code``, ``name``, ``kind`` as far as fields were found.
    problem : LandremedError or None
        Why it cannot be used; it is then written as a comment.
    """

    role: str
    seen: LayerLook
    given: bool
    keys: Mapping[str, str | list[str]]
    problem: LandremedError | None = None


@dataclass(frozen=True)
class EvidenceGuess:
    """A table whose ids are parcels. ``share`` (0..1) of its rows name one."""

    seen: LayerLook
    id_field: str
    share: float


@dataclass(frozen=True)
class Draft:
    """What goes into a project file.

    Attributes
    ----------
    folder : Path
        Of the project file; paths are relative to it.
    left : list of (LayerLook, role)
        What was not bound; the role is one that another layer already holds, "" else.
    crs : str
        Working CRS as ``EPSG:n``, "" where none can be named.
    """

    folder: Path
    parcels: LayerLook
    crs: str
    layers: Sequence[Binding]
    evidence: Sequence[EvidenceGuess]
    left: Sequence[tuple[LayerLook, str]]
    absent: Sequence[str] = field(default_factory=list)
    limits: Mapping[str, float] = field(default_factory=dict)

    def outside(self, binding: Binding) -> list[str]:
        """Return the values that a binding's filter leaves out."""
        return _outside(binding.role, binding.seen)

    @property
    def complete(self) -> bool:
        """Whether nothing that was named had to be left as a comment."""
        usable = all(binding.problem is None for binding in self.layers)
        return usable and self.parcels.crs_state != "missing"

    def path(self, seen: LayerLook) -> str:
        """Return the path of a file as the project file writes it."""
        return Path(os.path.relpath(Path.cwd() / seen.file, self.folder)).as_posix()


@zips_kept()
def draft_project(
    parcels: str,
    others: Sequence[str],
    layers: Sequence[str],
    folder: Path,
    limits: Mapping[str, float] | None = None,
) -> Draft:
    """Look into files and guess what they are for.

    Parameters
    ----------
    parcels : str
        Path of the parcels, ``FILE`` or ``FILE:LAYER``.
    others : sequence of str
        ``role=PATH``, or files, FileGDBs and folders in which layers and tables are looked for.
    layers : sequence of "role=PATH[:LAYER]"
        Roles that are not to be guessed.
    folder : Path
        Where the project file will stand.
    limits : mapping of str to float, optional
        Limits other than the usual ones; they go into the project file.

    Raises
    ------
    LandremedError
        When the parcels cannot be used, or a layer whose role is given cannot be read.
    """
    bounds = Limits(**(limits or {}))
    ours = _parcels(parcels, bounds)
    named = [*layers, *(word for word in others if _is_role(word))]
    bindings = [_given(option, bounds) for option in named]
    taken = {b.role: b for b in bindings}
    if len(taken) < len(bindings):
        raise ProjectError("layer_role_twice", role=next(b.role for b in bindings if taken[b.role] is not b))
    places = {_place(ours), *(_place(b.seen) for b in bindings)}
    seen = [
        s
        for word in others
        if not _is_role(word)
        for s in look(word, limits=bounds)
        if _place(s) not in places
    ]
    left: list[tuple[LayerLook, str]] = []
    tables = [s for s in seen if isinstance(s.source, RawTable)]
    vectors = [s for s in seen if not isinstance(s.source, RawTable)]
    for one in sorted(vectors, key=lambda s: (-len(s.role.fields), _named(s, "stale"))):
        role = one.role.role
        if role not in _ROLES or not set(one.geometry) & _POLYGONS:
            left.append((one, ""))
        elif role in taken:
            left.append((one, role))
        else:
            taken[role] = Binding(role, one, given=False, keys=_keys(role, one))
    crs = _working_crs(ours)
    tried = _tried(ours, crs, list(taken.values()))
    evidence, rest = _evidence(sorted(tables, key=lambda s: _named(s, "corrections")), ours)
    absent = [role for role in MAIN_ROLES if role not in taken]
    return Draft(folder, ours, crs, tried, evidence, [*left, *((s, "") for s in rest)], absent, limits or {})


def _named(seen: LayerLook, words: str) -> bool:
    """Tell whether a file or layer bears one of the words of a list in the alias table."""
    name = seen.display.casefold()
    return any(part.casefold() in name for part in aliases()[words])


def _is_role(word: str) -> bool:
    return "=" in word and not (Path.cwd() / word).exists()


def _place(seen: LayerLook) -> tuple[str, str]:
    return os.path.realpath(seen.file), seen.layer


def _parcels(path: str, limits: Limits) -> LayerLook:
    found = look(path, limits=limits)
    if len(expand(path, limits=limits)) > 1 or any(isinstance(s.source, RawTable) for s in found):
        raise InputError("init_parcels_not_layer", Where(file=path))
    unread = [s.problem for s in found if s.problem is not None]
    if len(found) > 1:
        likely = [s for s in found if s.role.role == "parcels"]
        if len(likely) != 1:
            names = ", ".join(s.layer for s in found)
            raise InputError("layer_needed", Where(file=path), layers=names, count=len(found))
        found = likely
        unread = [s.problem for s in found if s.problem is not None]
    if unread:
        raise unread[0]
    return found[0]


def _given(option: str, limits: Limits) -> Binding:
    word, equals, path = option.partition("=")
    if not word or not equals or not path:
        raise ProjectError("layer_not_role_path", Where(value=option))
    found = look(path, limits=limits)
    if len(found) != 1:
        names = ", ".join(s.layer or s.file for s in found)
        raise InputError("layer_needed", Where(file=path), layers=names, count=len(found))
    seen = found[0]
    if seen.problem is not None:
        raise seen.problem
    if isinstance(seen.source, RawTable):
        raise InputError("init_layer_not_vector", Where(file=path))
    return Binding(role_name(word), seen, given=True, keys=_keys(role_name(word), seen))


def _keys(role: str, seen: LayerLook) -> dict[str, str | list[str]]:
    """Return the keys of a layer that its fields fill."""
    names = [f.name for f in seen.fields]
    entry: Mapping[str, Any] = aliases()["roles"].get(role, {})
    keys: dict[str, str | list[str]] = {}
    for key in ("code", "name", "kind"):
        if key in entry:
            found = first_of(entry[key], names)
            if found:
                keys[key] = found
    if len(seen.id) == 1:
        keys["id"] = seen.id[0]
    by = [name for name in (first_of([wanted], names) for wanted in entry.get("by", [])) if name]
    if by:
        keys["by"] = by
    if _outside(role, seen):
        keys["where"] = f'"{by[0]}" IN ({", ".join(repr(v) for v in entry["inside"])})'
    return keys


def _outside(role: str, seen: LayerLook) -> list[str]:
    """Return the kinds of zone in a layer that do not belong to the role, where some do."""
    entry: Mapping[str, Any] = aliases()["roles"].get(role, {})
    name = first_of(entry.get("by", []), [f.name for f in seen.fields])
    if "inside" not in entry or name is None:
        return []
    found = {str(v) for v in distinct_values(seen.source.attributes.column(name)) if v is not None}
    return sorted(found - set(entry["inside"])) if found & set(entry["inside"]) else []


def _working_crs(ours: LayerLook) -> str:
    if ours.crs_state == "missing":
        return ""
    crs, _ = choose_working_crs(ours.source, None, None)
    return authority(crs)


def authority(crs: pyproj.CRS) -> str:
    """Return ``EPSG:n``, "" where a CRS has no code."""
    code = crs.to_authority()
    return ":".join(code) if code else ""


def _tried(ours: LayerLook, crs: str, bindings: Iterable[Binding]) -> list[Binding]:
    """Load parcels and layers as a run would; what fails keeps its problem."""
    order = {role: i for i, role in enumerate(_ROLES)}
    ordered = sorted(bindings, key=lambda b: (order.get(b.role, 99), b.role))
    if ours.crs_state == "missing":
        return ordered
    sources = {"parcels": ours.source} | {b.role: b.seen.source for b in ordered}
    tried = []
    parcels = None
    for binding in ordered:
        try:
            extra = [
                f'layers.{binding.role}.{k}="{v}"' for k, v in binding.keys.items() if k in ("code", "name")
            ]
            settings = [*extra, *([f'project.crs="{crs}"'] if crs else [])]
            project = make_project("parcels", [f"{binding.role}=x"], settings=settings)
            parcels = parcels or load_parcels(project, sources)
            load_layer(project, project.layers[0], parcels, sources)
            tried.append(binding)
        except LandremedError as error:
            tried.append(Binding(binding.role, binding.seen, binding.given, binding.keys, error))
    if parcels is None:
        project = make_project("parcels", [], settings=[f'project.crs="{crs}"'] if crs else [])
        load_parcels(project, sources)
    return tried


def _evidence(tables: Sequence[LayerLook], ours: LayerLook) -> tuple[list[EvidenceGuess], list[LayerLook]]:
    """Return tables with facts whose ids are parcels, and the others."""
    if not ours.id:
        return [], list(tables)
    columns = [text_ids(ours.source.attributes.column(name)).to_pylist() for name in ours.id]
    ids = {"-".join(str(v) for v in values) for values in zip(*columns, strict=True)}
    found, rest = [], []
    for seen in tables:
        best, share = "", 0.0
        for name in seen.source.columns:
            cells = [_text(c) for c in seen.source.column(name) if c is not None]
            match = sum(c in ids for c in cells) / len(cells) if cells else 0.0
            if match > share:
                best, share = name, match
        if share >= _LEAST_MATCH and any(f.usable for f in seen.facts):
            found.append(EvidenceGuess(seen, best, share))
        else:
            rest.append(seen)
    return found, rest


def _text(cell: Any) -> str:
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell).strip()
