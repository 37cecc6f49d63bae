"""Checking a project file: every key against one table, every fault with file, line and nearest key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from landremed.errors import ProjectError, Where
from landremed.io.limits import Limits
from landremed.law.vocabulary import default_book
from landremed.project_spec import (
    EvidenceSpec,
    LayerSpec,
    ParcelsSpec,
    Project,
    RepairLimits,
    Sensitivity,
    Tolerance,
    role_name,
)
from landremed.text import catalogue
from landremed.types import MAIN_ROLES, SPECIAL_ROLES, AreaKind, Severity, Straddle

__all__ = ["Checker", "key_lines"]

_STRAIGHT: Final[Mapping[str, Mapping[str, Any] | None]] = {
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
    "sensitivity": {"enabled": "flag", "limit_m": "number"},
    "repair": {"max_area_change_share": "number", "max_area_change_m2": "number"},
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
_FARTHEST_M: Final = 100.0  # a search beyond is no question of survey errors, and slow
_YEARS: Final = range(1900, 2101)
_LAYER_NAME: Final = re.compile(r"[^\W\d]\w*")


class Checker:
    """Turns the raw tables into a Project; knows the text, to name lines."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = key_lines(text)

    def where(self, key: str, value: object = "") -> Where:
        """Return the place of a key in the file."""
        text = "" if value == "" else str(value)
        return Where(file=self.file, row=self.lines.get(key), field=key, value=text)

    def project(self, raw: Mapping[str, Any], base: Path) -> Project:
        """Return the checked project; ``base`` is the folder relative paths start from."""
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
            rules=head.get("rules") or default_book(),
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
            sensitivity=self._sensitivity(table["sensitivity"]),
            repair=self._repair(table["repair"]),
            raw=raw,
        )

    def _names(self, found: Iterable[str], valid: Sequence[str], prefix: str) -> None:
        for name in found:
            if name not in valid:
                nearest = difflib.get_close_matches(name[:100], valid, 1, 0.0)
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
        day = value.date() if isinstance(value, datetime) else value
        try:
            day = day if isinstance(day, date) else date.fromisoformat(str(day))
        except ValueError:
            raise ProjectError("project_value_wrong_type", self.where(key, value), wanted="date") from None
        if day.year not in _YEARS:
            raise ProjectError("project_value_wrong_type", self.where(key, value), wanted="date")
        return day

    def _tolerance(self, raw: Mapping[str, float]) -> Tolerance:
        for name, value in raw.items():
            top = 0.5 if name == "min_overlap_share" else float("inf")
            if not 0 <= value < top:
                raise ProjectError("tolerance_out_of_range", self.where(f"tolerance.{name}", value), top=top)
        return Tolerance(**{name: float(value) for name, value in raw.items()})

    def _sensitivity(self, raw: Mapping[str, Any]) -> Sensitivity:
        limit = raw.get("limit_m", 0.0)
        if not 0 <= limit <= _FARTHEST_M:
            where = self.where("sensitivity.limit_m", limit)
            raise ProjectError("tolerance_out_of_range", where, top=_FARTHEST_M)
        return Sensitivity(**raw)

    def _repair(self, raw: Mapping[str, float]) -> RepairLimits:
        for name, value in raw.items():
            top = 1.0 if name == "max_area_change_share" else float("inf")
            if not 0 <= value <= top:
                raise ProjectError("repair_limit_out_of_range", self.where(f"repair.{name}", value), top=top)
        return RepairLimits(**{name: float(value) for name, value in raw.items()})

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
        if not raw:
            return {}
        codes = [code for code, entry in catalogue().items() if "severity" in entry]
        self._names(raw, codes, "severity.")
        return {
            code: Severity(self._value(value, tuple(Severity), f"severity.{code}"))
            for code, value in raw.items()
        }

    def _limits(self, raw: Mapping[str, object]) -> dict[str, float]:
        self._names(raw, [f.name for f in fields(Limits)], "limits.")
        return {name: self._value(value, "number", f"limits.{name}") for name, value in raw.items()}


def key_lines(text: str) -> dict[str, int]:
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
