"""Texts of errors and findings, from the bilingual catalogue ``landremed/messages/*.yaml``.

Each catalogue file maps a code to ``en`` and ``zh`` (the sentence), optional ``hint_en`` and ``hint_zh``
(what to do next) and, for findings, the default ``severity``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from landremed.errors import Where

__all__ = ["catalogue", "default_severity", "error_text", "log_message", "message_text", "own_yaml"]

_PLACE = {
    "en": {"row": "row {}", "field": "field {}", "value": "value {!r}", "sep": ", ", "colon": ": "},
    "zh": {"row": "第{}行", "field": "字段{}", "value": "值{!r}", "sep": "，", "colon": "："},
}


def own_yaml(file: Traversable) -> Any:
    """Return what a YAML file of the package says.

    libyaml takes a tenth of the time, but is not given files of others: it does not survive deep nesting.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  both are safe


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return the whole catalogue, code -> texts."""
    entries: dict[str, dict[str, str]] = {}
    for path in sorted(resources.files("landremed.messages").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".yaml"):
            for code, entry in (own_yaml(path) or {}).items():
                if code in entries:
                    raise ValueError(f"message code {code} stands twice in the catalogue")
                entries[code] = entry
    return entries


def default_severity(code: str) -> str:
    """Return the severity a finding has unless the project file sets another."""
    return catalogue()[code].get("severity", "warning")


def message_text(code: str, params: Mapping[str, object], language: str) -> str:
    """Return what is wrong and what to do next, without the place."""
    entry = catalogue()[code]
    text = entry[language].format_map(params)
    hint = entry.get(f"hint_{language}", "").format_map(params)
    return f"{text} {hint}".strip() if language == "en" else f"{text}{hint}".strip()


def log_message(logger: logging.Logger, level: int, code: str, **params: object) -> None:
    """Log a message of the catalogue; ``record.code`` and ``record.params`` let a reader translate it."""
    if logger.isEnabledFor(level):
        logger.log(level, message_text(code, params, "en"), extra={"code": code, "params": params})


def error_text(code: str, where: Where, params: Mapping[str, object], language: str) -> str:
    """Return place, fault and next step as one line."""
    words = _PLACE[language]
    place = [where.source] if where.source else []
    if where.row is not None:
        place.append(words["row"].format(where.row))
    if where.field:
        place.append(words["field"].format(where.field))
    if where.value:
        place.append(words["value"].format(where.value))
    head = words["sep"].join(place)
    body = message_text(code, params, language)
    return f"{head}{words['colon']}{body}" if head else body
