"""Class maps (codes of a product -> six groups), checks and thresholds: data in ``rules/landcover``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, Where
from landremed.io.drivers import nearest, resolve_input

__all__ = ["GROUPS", "Check", "Checks", "ClassMap", "built_in_maps", "choose_map", "load_checks", "load_map"]

GROUPS: Final = ("cultivated", "built", "water", "tree", "bare", "other")
"""What classes of every product are gathered into."""

_KINDS: Final = ("gone", "reached", "kept", "appears")
_KEYS: Final = {"id", "label", "source", "recognise", "version_tag", "accuracy", "nodata", "classes"}


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Codes of one product.

    Attributes
    ----------
    group : mapping of int to str
        Group of each code.
    label : mapping of int to mapping of language to str
        Name of each class.
    nodata : frozenset of int
        Codes that mean nothing is known.
    recognise : sequence of str
        Words in a file's metadata that tell the product; ``version_tag`` names the tag with its version.
    sha256 : str
        Of the file, for the provenance.
    """

    id: str
    title: Mapping[str, str]
    source: str
    group: Mapping[int, str]
    label: Mapping[int, Mapping[str, str]]
    nodata: frozenset[int]
    recognise: Sequence[str]
    version_tag: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Check:
    """What an acceptance item asks of a raster (see ``checks.yaml``)."""

    kind: str
    group: str
    of: str = "parcel"
    index: str = ""
    above: str = ""
    says: str = "both"


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks by acceptance item, and the thresholds they use."""

    items: Mapping[str, Check]
    thresholds: Mapping[str, float]
    sources: Mapping[str, str]
    sha256: str


def built_in_maps() -> dict[str, ClassMap]:
    """Return the class maps that come with landremed, by name."""
    return dict(_built_in())


def load_map(name_or_path: str) -> ClassMap:
    """Return a class map by its name, or from a YAML file of the same form.

    Raises
    ------
    InputError
        There is no such map, or the file is not one.
    """
    maps = _built_in()
    if name_or_path in maps:
        return maps[name_or_path]
    if not name_or_path.lower().endswith((".yaml", ".yml")):
        place = Where(field="--classes", value=name_or_path)
        raise InputError(
            "class_map_unknown", place, known=", ".join(maps), nearest=nearest(name_or_path, maps)
        )
    return _class_map(resolve_input(name_or_path), name_or_path)


def choose_map(tags: Sequence[Mapping[str, str]], codes: Iterable[int]) -> tuple[ClassMap, str]:
    """Find the product that rasters are of.

    Parameters
    ----------
    tags : sequence of mappings
        Metadata of every raster.
    codes : iterable of int
        Codes that occur.

    Returns
    -------
    map : ClassMap
        The one map that fits.
    ground : str
        ``tags``, where every file names the product, or ``codes``, where only one map has all of them.

    Raises
    ------
    InputError
        Code ``class_map_unclear`` when none or several fit.
    """
    maps = _built_in()
    told = [_told(own) for own in tags]
    if told and told[0] and len(set(told)) == 1:
        return maps[told[0]], "tags"
    found = sorted(set(codes))
    fitting = [m for m in maps.values() if found and set(found) <= set(m.group) | m.nodata]
    if len(fitting) == 1:
        return fitting[0], "codes"
    text = ", ".join(map(str, found[:20])) + (" …" if len(found) > 20 else "")
    raise InputError("class_map_unclear", Where(field="--classes"), codes=text, known=", ".join(maps))


def load_checks(overrides: Mapping[str, float] | None = None) -> Checks:
    """Return checks and thresholds, some of them set anew.

    Raises
    ------
    InputError
        An unknown threshold, or a value out of its range.
    """
    raw, digest = _yaml(_folder().joinpath("checks.yaml"), "checks.yaml")
    entries = raw["thresholds"]
    values = {name: float(entry["value"]) for name, entry in entries.items()}
    for name, value in (overrides or {}).items():
        place = Where(field="--threshold", value=f"{name}={value:g}")
        if name not in values:
            raise InputError("threshold_unknown", place, nearest=nearest(name, values))
        least = float(entries[name].get("least", 0.0))
        most = float("inf") if name == "min_cells" else 1.0
        if not least <= value <= most:
            raise InputError("threshold_out_of_range", place, least=least, most=most)
        values[name] = value
    for low, high in (("gone_max_share", "present_min_share"), ("unreached_max_share", "reached_min_share")):
        if values[low] >= values[high]:
            place = Where(field="--threshold", value=f"{low}={values[low]:g}")
            raise InputError("thresholds_cross", place, low=low, high=high)
    checks = {name: _check(entry) for name, entry in raw["checks"].items()}
    items = {item: checks[name] for item, name in raw["items"].items()}
    return Checks(items, values, {name: str(entry["source"]) for name, entry in entries.items()}, digest)


def _check(entry: Mapping[str, Any]) -> Check:
    index = entry.get("index") or {}
    return Check(
        kind=entry["kind"],
        group=entry["group"],
        of=entry.get("of", "parcel"),
        index=index.get("name", ""),
        above=index.get("above", ""),
        says=index.get("says", "both"),
    )


def _told(tags: Mapping[str, str]) -> str:
    text = "\n".join(tags.values())
    found = [m.id for m in _built_in().values() if any(word in text for word in m.recognise)]
    return found[0] if len(found) == 1 else ""


@cache
def _built_in() -> dict[str, ClassMap]:
    files = sorted(_folder().iterdir(), key=lambda entry: entry.name)
    maps = [_class_map(f, f.name) for f in files if f.name.endswith(".yaml") and f.name != "checks.yaml"]
    return {entry.id: entry for entry in maps}


def _folder() -> Traversable:
    return resources.files("landremed_rules").joinpath("landcover")


def _yaml(path: Traversable, file: str) -> tuple[dict[str, Any], str]:
    import yaml

    where = Where(file=file)
    try:
        data = path.read_bytes()
        raw = yaml.safe_load(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError("class_map_broken", where, reason=" ".join(str(error).split())) from error
    if not isinstance(raw, dict):
        raise InputError("class_map_broken", where, reason=type(raw).__name__)
    return raw, hashlib.sha256(data).hexdigest()


def _class_map(path: Traversable, file: str) -> ClassMap:
    raw, digest = _yaml(path, file)
    unknown = sorted(set(map(str, raw)) - _KEYS)
    if unknown:
        raise _broken(file, f"{unknown[0]}? ({', '.join(sorted(_KEYS))})")
    classes = raw.get("classes")
    if not isinstance(classes, dict) or not classes:
        raise _broken(file, "classes: {}")
    group: dict[int, str] = {}
    label: dict[int, Mapping[str, str]] = {}
    for code, entry in classes.items():
        if isinstance(code, bool) or not isinstance(code, int) or not isinstance(entry, dict):
            raise _broken(file, f"classes: {code!r}")
        if entry.get("group") not in GROUPS:
            raise _broken(file, f"classes.{code}.group: {entry.get('group')!r} ({', '.join(GROUPS)})")
        group[code] = entry["group"]
        label[code] = {language: str(entry.get(language, code)) for language in ("zh", "en")}
    nodata = raw.get("nodata", [])
    if not isinstance(nodata, list) or not all(isinstance(code, int) for code in nodata):
        raise _broken(file, f"nodata: {nodata!r}")
    name = str(raw.get("id") or Path(file).stem)
    title = raw.get("label") if isinstance(raw.get("label"), dict) else {}
    return ClassMap(
        id=name,
        title={language: str((title or {}).get(language, name)) for language in ("zh", "en")},
        source=str(raw.get("source", "")),
        group=group,
        label=label,
        nodata=frozenset(nodata),
        recognise=tuple(map(str, raw.get("recognise", []) or [])),
        version_tag=str(raw.get("version_tag", "")),
        sha256=digest,
    )


def _broken(file: str, reason: str) -> InputError:
    return InputError("class_map_broken", Where(file=file), reason=reason)
