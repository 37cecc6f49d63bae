"""The project file: TOML in, one frozen ``Project`` out.

Every key is checked by the table below; what is wrong is said with file, line, key and the nearest valid
key. Options of the command line go through the same check as if they stood in the file.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from landremed.errors import ProjectError, Where
from landremed.text import catalogue
from landremed.types import MAIN_ROLES, ROLE_ALIASES, SPECIAL_ROLES, AreaKind, Severity, Straddle

__all__ = [
    "EvidenceSpec",
    "LayerSpec",
    "ParcelsSpec",
    "Project",
    "Tolerance",
    "load_project",
    "make_project",
    "project_from_json",
    "role_name",
    "unknown_fact",
]

_STRAIGHT: Final = {
    "project": {
        "name": "text",
        "crs": "text",
        "rules": "text",
        "as_of": "date",
        "straddle": tuple(Straddle),
        "language": ("zh", "en"),
        "secrecy": "text",
        "area": tuple(AreaKind),
    },
    "tolerance": {
        "min_overlap_area_m2": "number",
        "min_overlap_share": "number",
        "sliver_max_area_m2": "number",
        "position_m": "number",
    },
    "parcels": {
        "path": "text",
        "layer": "text",
        "id": "texts",
        "where": "text",
        "encoding": "text",
        "crs": "text",
        "fields": "table",
        "values": "table",
    },
    "readings": None,
    "report": {"basis": ("count", "area")},
    "severity": None,
    "limits": None,
    "calendar": {"path": "text"},
}
_LAYER: Final = {
    "path": "text",
    "layer": "text",
    "where": "text",
    "id": "text",
    "by": "texts",
    "disjoint": "flag",
    "crs": "text",
    "encoding": "text",
    "version": "text",
    "date": "date",
    "coverage": "text",
}
_LAYER_EXTRA: Final = {"admin_units": {"name": "text", "kind": "text"}, "land_use": {"code": "text"}}
_EVIDENCE: Final = {"path": "text", "id": "text", "sheet": "text", "encoding": "text"}
_RESERVED_LAYERS: Final = {
    "demolish",
    "restore",
    "cultivated",
    "red_line_outside_boundary",
    "farmland_outside_boundary",
}
_LAYER_NAME: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When an overlap counts (``rules.md`` section 3). Areas m², share 0..1, position metres."""

    min_overlap_area_m2: float = 1.0
    min_overlap_share: float = 0.001
    sliver_max_area_m2: float = 10.0
    position_m: float = 1.0


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One constraint layer as the project names it."""

    role: str
    path: str
    layer: str | None = None
    where: str | None = None
    id: str | None = None
    by: tuple[str, ...] = ()
    disjoint: bool = False
    crs: str | None = None
    encoding: str | None = None
    version: str | None = None
    date: date | None = None
    coverage: str | None = None
    name: str | None = None
    kind: str | None = None
    code: str | None = None

    @property
    def key(self) -> str:
        """Its table in the project file."""
        return f"layers.{self.role}"


@dataclass(frozen=True, slots=True)
class ParcelsSpec:
    """The parcels: file, id fields, and how its fields and words map to facts and codes."""

    path: str
    layer: str | None
    id: tuple[str, ...]
    where: str | None
    encoding: str | None
    crs: str | None
    fields: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class EvidenceSpec:
    """One table of facts by parcel id."""

    path: str
    id: str
    sheet: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A whole project. ``base`` is the folder relative paths start from."""

    base: Path
    file: str
    name: str
    crs: str | None
    rules: str
    as_of: date
    straddle: Straddle
    language: str | None
    secrecy: str | None
    area: AreaKind | None
    tolerance: Tolerance
    parcels: ParcelsSpec
    layers: tuple[LayerSpec, ...]
    evidence: tuple[EvidenceSpec, ...]
    readings: Mapping[str, object]
    basis: str
    severity: Mapping[str, Severity]
    limits: Mapping[str, float]
    calendar: str | None
    raw: Mapping[str, Any]

    @property
    def settings_json(self) -> str:
        """All tables as JSON, from which ``project_from_json`` makes the same project again."""
        day = {"as_of": self.as_of.isoformat()}
        whole = {**self.raw, "project": {**self.raw.get("project", {}), **day}}
        return json.dumps(whole, ensure_ascii=False, sort_keys=True, default=str)

    def layer(self, role: str) -> LayerSpec | None:
        """Return the layer of a role, or None where it is not given."""
        return next((spec for spec in self.layers if spec.role == role), None)


def role_name(word: str) -> str:
    """Return the full name of a layer role from its full, short or Chinese name.

    Examples
    --------
    >>> role_name("farmland"), role_name("water_source")
    ('permanent_basic_farmland', 'water_source')
    """
    return ROLE_ALIASES.get(word, word)


def unknown_fact(project: Project, section: str, fact: str, known: Sequence[str]) -> ProjectError:
    """Return the error for a key of ``[parcels.fields]`` or ``[parcels.values]`` that is no fact."""
    key = f"parcels.{section}.{fact}"
    nearest = difflib.get_close_matches(fact, known, 1, 0.0)[0]
    lines: dict[str, int] = {}
    if project.file:
        lines = _key_lines(Path(project.base / Path(project.file).name).read_text(encoding="utf-8-sig"))
    row = lines.get(key) or lines.get(f"parcels.{section}")
    where = Where(file=project.file, row=row, field=key)
    return ProjectError("project_key_unknown", where, key=key, nearest=f"parcels.{section}.{nearest}")


def load_project(path: str | Path, *, settings: Sequence[str] = (), layers: Sequence[str] = ()) -> Project:
    """Read a project file.

    Parameters
    ----------
    path : path
        A TOML file (``docs/project-file.md``).
    settings : sequence of "key=value"
        Override any key, e.g. ``tolerance.min_overlap_area_m2=5``.
    layers : sequence of "role=PATH[:LAYER]"
        Add or replace layers; these paths are relative to the current folder.

    Raises
    ------
    ProjectError
        With file, line, key and the nearest valid key.
    """
    shown, path = str(path), Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ProjectError("project_missing", Where(file=shown)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError("project_unreadable", Where(file=shown), problem=str(error)) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError("project_not_toml", Where(file=shown), problem=str(error)) from None
    base = path.resolve().parent
    here = [_relative_to(base, option) for option in layers]
    return _Checker(shown, text).project(_override(raw, settings, here), base)


def make_project(
    parcels: str, layers: Sequence[str], *, settings: Sequence[str] = (), base: Path | None = None
) -> Project:
    """Build a project without a file, as ``landremed run PARCELS --layer role=PATH`` does.

    Parameters
    ----------
    parcels : str
        Path of the parcels, ``FILE`` or ``FILE:LAYER``.
    layers : sequence of "role=PATH[:LAYER]"
        Constraint layers.
    settings : sequence of "key=value"
        Any key of the project file.
    base : Path, optional
        Folder relative paths start from; default the current one.
    """
    raw: dict[str, Any] = {"parcels": {"path": parcels}}
    return _Checker("", "").project(_override(raw, settings, layers), base or Path.cwd())


def project_from_json(text: str, *, base: Path, settings: Sequence[str] = ()) -> Project:
    """Rebuild the project that a result was made with.

    Parameters
    ----------
    text : str
        ``Project.settings_json`` as kept in the provenance.
    base : Path
        Folder relative paths start from.
    settings : sequence of "key=value"
        Override any key.
    """
    return _Checker("", "").project(_override(json.loads(text), settings, ()), base)


def _override(raw: dict[str, Any], settings: Sequence[str], layers: Sequence[str]) -> dict[str, Any]:
    for setting in settings:
        key, equals, value = setting.partition("=")
        parts = [p.strip() for p in key.split(".")]
        if not equals or not all(parts) or len(parts) < 2:
            raise ProjectError("set_not_key_value", Where(value=setting))
        if parts[0] == "layers":
            parts[1] = role_name(parts[1])
        target = raw
        for part in parts[:-1]:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise ProjectError("set_not_a_table", Where(value=setting), key=part)
        target[parts[-1]] = _toml_value(value)
    for option in layers:
        role, equals, layer_path = option.partition("=")
        if not equals or not role or not layer_path:
            raise ProjectError("layer_not_role_path", Where(value=option))
        tables = raw.setdefault("layers", {})
        name = role_name(role)
        old = next((word for word in tables if role_name(word) == name), name)
        kept = {k: v for k, v in tables.pop(old, {}).items() if k not in ("path", "layer", "version", "date")}
        tables[name] = kept | {"path": layer_path}
    return raw


def _relative_to(base: Path, option: str) -> str:
    """Rewrite a path given on the command line as one that starts from the project's folder."""
    role, equals, path = option.partition("=")
    return role + equals + (os.path.relpath(Path.cwd() / path, base) if path else "")


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


class _Checker:
    """Turns the raw tables into a Project; knows the text, to name lines."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = _key_lines(text)

    def where(self, key: str, value: object = "") -> Where:
        text = "" if value == "" else str(value)
        return Where(file=self.file, row=self.lines.get(key), field=key, value=text)

    def project(self, raw: Mapping[str, Any], base: Path) -> Project:
        self._names(raw, [*_STRAIGHT, "layers", "evidence"], "")
        table: dict[str, dict[str, Any]] = {}
        for section, keys in _STRAIGHT.items():
            table[section] = self._section(raw.get(section, {}), section, keys)
        head, report = table["project"], table["report"]
        if "path" not in table["parcels"]:
            raise ProjectError("parcels_path_missing", self.where("parcels"))
        return Project(
            base=base,
            file=self.file,
            name=head.get("name", Path(self.file or table["parcels"]["path"]).stem),
            crs=head.get("crs"),
            rules=head.get("rules", "binhai-2022"),
            as_of=head.get("as_of") or date.today(),
            straddle=Straddle(head.get("straddle", Straddle.REVIEW)),
            language=head.get("language"),
            secrecy=head.get("secrecy"),
            area=AreaKind(head["area"]) if "area" in head else None,
            tolerance=self._tolerance(table["tolerance"]),
            parcels=self._parcels(table["parcels"]),
            layers=self._layers(raw.get("layers", {})),
            evidence=self._evidence(raw.get("evidence", [])),
            readings=table["readings"],
            basis=report.get("basis", "count"),
            severity=self._severity(table["severity"]),
            limits=self._limits(table["limits"]),
            calendar=table["calendar"].get("path"),
            raw=raw,
        )

    def _names(self, found: Iterable[str], valid: Sequence[str], prefix: str) -> None:
        for name in found:
            if name not in valid:
                nearest = difflib.get_close_matches(name, valid, 1, 0.0)
                key = f"{prefix}{name}"
                raise ProjectError(
                    "project_key_unknown", self.where(key), key=key, nearest=f"{prefix}{nearest[0]}"
                )

    def _section(self, raw: object, section: str, keys: Mapping[str, Any] | None) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise ProjectError("project_not_a_table", self.where(section), key=section)
        if keys is None:
            return dict(raw)
        self._names(raw, list(keys), f"{section}.")
        return {k: self._value(v, keys[k], f"{section}.{k}") for k, v in raw.items()}

    def _value(self, value: Any, kind: Any, key: str) -> Any:
        if isinstance(kind, tuple):
            if value not in kind:
                raise ProjectError(
                    "project_value_not_listed", self.where(key, value), listed=" | ".join(map(str, kind))
                )
            return value
        if kind == "date":
            return self._date(value, key)
        if kind == "texts":
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(v, str) and v for v in values) or not values:
                raise ProjectError("project_value_wrong_type", self.where(key, value), wanted="text")
            return tuple(values)
        fits = {
            "text": isinstance(value, str) and bool(value.strip()),
            "flag": isinstance(value, bool),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "table": isinstance(value, dict),
        }
        if not fits[kind]:
            raise ProjectError("project_value_wrong_type", self.where(key, value), wanted=kind)
        return value

    def _date(self, value: Any, key: str) -> date:
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise ProjectError("project_value_wrong_type", self.where(key, value), wanted="date") from None

    def _tolerance(self, raw: Mapping[str, float]) -> Tolerance:
        for name, value in raw.items():
            top = 0.5 if name == "min_overlap_share" else float("inf")
            if not 0 <= value < top:
                raise ProjectError("tolerance_out_of_range", self.where(f"tolerance.{name}", value), top=top)
        return Tolerance(**{name: float(value) for name, value in raw.items()})

    def _parcels(self, raw: Mapping[str, Any]) -> ParcelsSpec:
        fields = {k: self._value(v, "text", f"parcels.fields.{k}") for k, v in raw.get("fields", {}).items()}
        values = {}
        for fact, words in raw.get("values", {}).items():
            key = f"parcels.values.{fact}"
            table = self._value(words, "table", key)
            values[fact] = {str(w): self._value(code, "text", f"{key}.{w}") for w, code in table.items()}
        single = {k: raw.get(k) for k in ("layer", "where", "encoding", "crs")}
        return ParcelsSpec(path=raw["path"], id=raw.get("id", ()), fields=fields, values=values, **single)

    def _layers(self, raw: object) -> tuple[LayerSpec, ...]:
        if not isinstance(raw, dict):
            raise ProjectError("project_not_a_table", self.where("layers"), key="layers")
        specs: dict[str, LayerSpec] = {}
        for word, table in raw.items():
            role, key = role_name(word), f"layers.{word}"
            if role in specs:
                raise ProjectError("layer_role_twice", self.where(key), role=role)
            if not _LAYER_NAME.fullmatch(role) or role.lower() in _RESERVED_LAYERS:
                raise ProjectError("layer_name_unusable", self.where(key), name=word)
            values = self._section(table, key, _LAYER | _LAYER_EXTRA.get(role, {}))
            if "path" not in values:
                raise ProjectError("layer_path_missing", self.where(key), key=key)
            for needed in ("name", "code"):
                if needed in _LAYER_EXTRA.get(role, {}) and needed not in values:
                    raise ProjectError("layer_key_missing", self.where(key), key=f"{key}.{needed}")
            specs[role] = LayerSpec(role=role, **values)
        # the four main roles first, so that results do not depend on the order in the file
        order = {role: i for i, role in enumerate((*MAIN_ROLES, *SPECIAL_ROLES))}
        return tuple(sorted(specs.values(), key=lambda s: (order.get(s.role, 99), s.role)))

    def _evidence(self, raw: object) -> tuple[EvidenceSpec, ...]:
        if not isinstance(raw, list):
            raise ProjectError("evidence_not_list", self.where("evidence"))
        specs = []
        for table in raw:
            values = self._section(table, "evidence", _EVIDENCE)
            if not {"path", "id"} <= set(values):
                raise ProjectError("evidence_incomplete", self.where("evidence"))
            specs.append(EvidenceSpec(**values))
        return tuple(specs)

    def _severity(self, raw: Mapping[str, object]) -> dict[str, Severity]:
        codes = [code for code, entry in catalogue().items() if "severity" in entry]
        self._names(raw, codes, "severity.")
        return {
            code: Severity(self._value(value, tuple(Severity), f"severity.{code}"))
            for code, value in raw.items()
        }

    def _limits(self, raw: Mapping[str, object]) -> dict[str, float]:
        from dataclasses import fields

        from landremed.io.limits import Limits

        self._names(raw, [f.name for f in fields(Limits)], "limits.")
        return {name: self._value(value, "number", f"limits.{name}") for name, value in raw.items()}


def _key_lines(text: str) -> dict[str, int]:
    """Return the line of every table header and key, by dotted name (aliases as written)."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}", line)
        if header:
            table = re.sub(r"[\s\"']", "", header[1])
            lines.setdefault(table, number)
            continue
        key = re.match(r"\s*([\w\-.]+|\"[^\"]*\"|'[^']*')\s*=", line)
        if key:
            name = key[1].strip("\"'")
            lines.setdefault(f"{table}.{name}" if table else name, number)
    return lines
