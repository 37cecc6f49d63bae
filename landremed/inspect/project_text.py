"""A drafted project as a commented TOML file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from landremed.inspect.draft import Binding, Draft
from landremed.inspect.fact_fields import vocabulary
from landremed.inspect.look import LayerLook
from landremed.inspect.words import word
from landremed.io.zipped import is_zip
from landremed.law.vocabulary import default_book
from landremed.text import error_text

__all__ = ["project_text"]

_ONE_LAYER: Final = frozenset({"ESRI Shapefile", "GeoJSON", "FlatGeobuf", "GeoParquet", "TXT"})
_MAIN_FACTS: Final = ("category", "subtype", "occurred_on")


def project_text(draft: Draft, language: str) -> str:
    """Return the whole file; every guess says on what ground it was made.

    Parameters
    ----------
    draft : Draft
        From ``draft_project``.
    language : {"zh", "en"}
        Of the comments.
    """
    lines = [_comment(word("init_title", language)), ""]
    lines += _project(draft, language)
    lines += _parcels(draft, language)
    for binding in draft.layers:
        lines += ["", *_layer(draft, binding, language)]
    for role in draft.absent:
        lines += [
            "",
            _comment(word("init_absent", language, role=role)),
            f"# [layers.{role}]",
            '# path = "…"',
        ]
    if len(draft.evidence) > 1:
        lines += ["", _comment(word("init_order", language))]
    for guess in draft.evidence:
        facts = ", ".join(f.fact for f in guess.seen.facts if f.usable)
        matched = word("init_evidence_match", language, share=f"{100 * guess.share:.0f}")
        lines += ["", _comment(word("init_evidence", language, facts=facts)), "[[evidence]]"]
        lines += [
            f"path = {_quoted(draft.path(guess.seen))}",
            *([f"sheet = {_quoted(guess.seen.layer)}"] if guess.seen.layer else []),
            f"id = {_quoted(guess.id_field)}    # {matched}",
        ]
    if draft.limits:
        lines += ["", "[limits]", *(f"{name} = {value:g}" for name, value in draft.limits.items())]
    if draft.left:
        lines += ["", _comment(word("init_left", language))]
        lines += [_comment(f"  {_left(draft, seen, role, language)}") for seen, role in draft.left]
    return "\n".join(lines) + "\n"


def _project(draft: Draft, language: str) -> Iterator[str]:
    yield "[project]"
    if draft.crs:
        same = draft.parcels.crs.startswith(draft.crs)
        ground = word("init_crs_own" if same else "init_crs_zone", language)
        yield f"crs = {_quoted(draft.crs)}    # {word('init_crs', language, ground=ground)}"
    yield f'rules = "{default_book()}"'
    yield f"# {word('init_as_of', language)}"
    yield f'language = "{language}"'
    yield ""


def _parcels(draft: Draft, language: str) -> Iterator[str]:
    seen = draft.parcels
    yield "[parcels]"
    yield from _place(draft, seen)
    yield from _missing_crs(seen, language)
    if seen.id:
        value = _quoted(seen.id[0]) if len(seen.id) == 1 else f"[{', '.join(map(_quoted, seen.id))}]"
        yield f"id = {value}    # {word('init_id', language, rows=seen.rows)}"
    else:
        yield f"# {word('init_no_id', language)}"
    usable = [f for f in seen.facts if f.usable]
    yield ""
    yield "[parcels.fields]"
    for fact in usable:
        ground = word("init_fact", language, share=f"{100 * fact.share:.0f}")
        yield f"{fact.fact} = {_quoted(fact.field)}    # {ground}"
    for fact in (f for f in seen.facts if not f.usable):
        share = f"{100 * (1 - fact.share):.0f}"
        yield _comment(word("fact_unreadable", language, field=fact.field, fact=fact.fact, share=share))
    given = {f.fact for f in usable} | {f.fact for g in draft.evidence for f in g.seen.facts if f.usable}
    missing = [name for name in _MAIN_FACTS if name not in given]
    if missing:
        yield _comment(word("init_no_fact", language, facts=", ".join(missing)))
    specs = vocabulary()
    for fact in (f for f in usable if f.odd and specs[f.fact].kind == "code"):
        yield ""
        yield f"[parcels.values.{fact.fact}]"
        for value, nearest in fact.odd:
            yield f'# {_quoted(value)} = "…"    # {_flat(word("init_value", language, nearest=nearest))}'


def _layer(draft: Draft, binding: Binding, language: str) -> Iterator[str]:
    if binding.given:
        yield _comment(word("init_given", language))
    else:
        yield _comment(word("init_guess", language, ground=_grounds(binding.seen, language)))
    body = [f"[layers.{binding.role}]", *_place(draft, binding.seen)]
    for key, value in binding.keys.items():
        shown = _quoted(value) if isinstance(value, str) else f"[{', '.join(map(_quoted, value))}]"
        left = _flat(word("init_where", language, values=", ".join(draft.outside(binding))))
        body.append(f"{key} = {shown}" + (f"    # {left}" if key == "where" else ""))
    body += _missing_crs(binding.seen, language)
    if binding.problem is not None:
        problem = error_text(binding.problem.code, binding.problem.where, binding.problem.params, language)
        yield _comment(word("init_unreadable", language, problem=problem))
        body = [line if line.startswith("#") else f"# {line}" for line in body]
    yield from body
    yield f"# {word('init_date', language)}"


def _grounds(seen: LayerLook, language: str) -> str:
    grounds = [word("role_by_fields", language, fields=", ".join(seen.role.fields))]
    if seen.role.name:
        grounds.append(word("role_by_name", language, name=seen.role.name))
    return "; ".join(grounds)


def _place(draft: Draft, seen: LayerLook) -> Iterator[str]:
    yield f"path = {_quoted(draft.path(seen))}"
    if seen.layer and (seen.format not in _ONE_LAYER or is_zip(seen.file)):
        yield f"layer = {_quoted(seen.layer)}"
    if seen.encoding_ground in ("utf-8 bytes", "not utf-8"):
        yield f"encoding = {_quoted(seen.encoding)}"


def _missing_crs(seen: LayerLook, language: str) -> Iterator[str]:
    if seen.crs_state == "missing":
        guess = word(seen.crs, language, **seen.crs_params)
        epsg = seen.crs_params.get("epsg", "…")
        yield f'# crs = "EPSG:{epsg}"    # {_flat(word("init_no_crs", language, guess=guess))}'


def _left(draft: Draft, seen: LayerLook, role: str, language: str) -> str:
    if not seen.readable and seen.problem is not None:
        return seen.problem.text(language)
    where = draft.path(seen) + (f":{seen.layer}" if seen.layer else "")
    if role:
        other = next(b.seen.display for b in draft.layers if b.role == role)
        return f"{where}: {word('init_second', language, role=role, other=other)}"
    return f"{where}: {seen.role.text(language)}"


def _comment(text: str) -> str:
    return f"# {_flat(text)}"


def _flat(text: str) -> str:
    """Return a text as one line without control characters, which TOML forbids in comments."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
