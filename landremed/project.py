"""The project file: TOML in, one frozen ``Project`` out.

Options of the command line go through the same check as if they stood in the file.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from landremed.errors import ProjectError, Where
from landremed.project_check import Checker, key_lines
from landremed.project_spec import EvidenceSpec, LayerSpec, ParcelsSpec, Project, Tolerance, role_name

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


def unknown_fact(project: Project, section: str, fact: str, known: Sequence[str]) -> ProjectError:
    """Return the error for a key of ``[parcels.fields]`` or ``[parcels.values]`` that is no fact."""
    key = f"parcels.{section}.{fact}"
    nearest = difflib.get_close_matches(fact[:100], known, 1, 0.0)[0]
    lines: dict[str, int] = {}
    if project.file:
        lines = key_lines(Path(project.base / Path(project.file).name).read_text(encoding="utf-8-sig"))
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
    except (ValueError, RecursionError) as error:  # also nested without end, and numbers without end
        raise ProjectError("project_not_toml", Where(file=shown), problem=str(error)) from None
    base = path.resolve().parent
    here = [_relative_to(base, option) for option in layers]
    return Checker(shown, text).project(_override(raw, settings, here), base)


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
    return Checker("", "").project(_override(raw, settings, layers), base or Path.cwd())


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
    return Checker("", "").project(_override(json.loads(text), settings, ()), base)


def _override(raw: dict[str, Any], settings: Sequence[str], layers: Sequence[str]) -> dict[str, Any]:
    for setting in settings:
        key, equals, value = setting.partition("=")
        parts = [p.strip() for p in key.split(".")]
        if not equals or not all(parts) or len(parts) < 2:
            raise ProjectError("set_not_key_value", Where(value=setting))
        if parts[0] == "layers":
            parts[1] = _written_role(raw.get("layers", {}), parts[1])
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
        old = _written_role(tables, role)
        kept = {k: v for k, v in tables.pop(old, {}).items() if k not in ("path", "layer", "version", "date")}
        tables[name] = kept | {"path": layer_path}
    return raw


def _written_role(tables: object, word: str) -> str:
    """Return the word under which a role stands in the tables already, else its full name."""
    name = role_name(word)
    return next((old for old in tables if role_name(old) == name), name) if isinstance(tables, dict) else name


def _relative_to(base: Path, option: str) -> str:
    """Rewrite a path given on the command line as one that starts from the project's folder."""
    role, equals, path = option.partition("=")
    return role + equals + (os.path.relpath(Path.cwd() / path, base) if path else "")


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        return text.strip()
