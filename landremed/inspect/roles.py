"""What a layer might be: guessed from its fields, supported by its name, never from the name alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from landremed.inspect.aliases import aliases, first_of, land_use_code_kind
from landremed.inspect.words import word
from landremed.layers import text_ids

__all__ = ["RoleGuess", "guess_id", "guess_role"]


@dataclass(frozen=True, slots=True)
class RoleGuess:
    """A guessed role and why.

    Attributes
    ----------
    role : str
        Full name of the role, "" where fields do not tell it.
    fields : tuple of str
        Fields that speak for it.
    name : str
        The part of the layer's name that speaks for it, "" for none.
    others : tuple of str
        Roles that are suggested too; those of the name alone where ``role`` is empty.
    """

    role: str = ""
    fields: tuple[str, ...] = ()
    name: str = ""
    others: tuple[str, ...] = ()

    def text(self, language: str) -> str:
        """Return the guess with its grounds as one line."""
        if self.role:
            grounds = [word("role_by_fields", language, fields=", ".join(self.fields))]
            if self.name:
                grounds.append(word("role_by_name", language, name=self.name))
            return f"{self.role} ({'; '.join(grounds)})"
        if len(self.others) == 1 and self.name:
            return word("role_unsure", language, role=self.others[0])
        if self.others:
            return word("role_several", language, roles=", ".join(self.others))
        return word("role_none", language)


def guess_role(title: str, attributes: pa.Table) -> RoleGuess:
    """Guess the role of a layer.

    Parameters
    ----------
    title : str
        Name of the layer, with that of the file.
    attributes : pyarrow.Table
        Its attribute columns.

    Examples
    --------
    >>> guess_role("红线", pa.table({"HXBM": ["1"], "HXLX": ["生物多样性"]})).role
    'ecological_red_line'
    >>> guess_role("STBHHX", pa.table({"BSM": ["1"]}))
    RoleGuess(role='', fields=(), name='STBHHX', others=('ecological_red_line',))
    """
    scored: list[tuple[int, str, tuple[str, ...], str]] = []
    named: list[tuple[str, str]] = []
    for role, entry in aliases()["roles"].items():
        part = _name_part(title, entry["names"])
        fields = _typical(role, attributes)
        if fields:
            scored.append((2 * len(fields) + (3 if part else 0), role, fields, part))
        elif part:
            named.append((role, part))
    if not scored:
        first = named[0][1] if named else ""
        return RoleGuess("", (), first, tuple(role for role, _ in named))
    scored.sort(key=lambda entry: -entry[0])
    best = scored[0]
    if len(scored) > 1 and scored[1][0] == best[0]:
        return RoleGuess("", (), "", tuple(entry[1] for entry in scored if entry[0] == best[0]))
    return RoleGuess(best[1], best[2], best[3], tuple(entry[1] for entry in scored[1:]))


def guess_id(role: str, attributes: pa.Table) -> tuple[str, ...]:
    """Return the field, or the fields together, that are filled and unique in every row; empty for none."""
    names = attributes.column_names
    entry = aliases()["roles"].get(role) or aliases()["roles"]["parcels"]
    for name in entry["id"]:
        found = first_of([name], names)
        if found and _unique([found], attributes):
            return (found,)
    for group in aliases()["joint_ids"]:
        together = [first_of([name], names) for name in group]
        whole = [name for name in together if name]
        if len(whole) == len(group) and _unique(whole, attributes):
            return tuple(whole)
    return ()


def _typical(role: str, attributes: pa.Table) -> tuple[str, ...]:
    """Return the fields that speak for a role."""
    names = attributes.column_names
    entry = aliases()["roles"][role]
    if first_of(aliases()["excludes"].get(role, []), names):
        return ()
    found = [name for name in (first_of([wanted], names) for wanted in entry["fields"]) if name]
    for group in entry.get("needs", []):
        there = [name for name in (first_of([wanted], names) for wanted in group) if name]
        if len(there) == len(group):
            found += there
            break
    if role == "land_use" and found and not _holds_codes(attributes, entry["code"]):
        return ()
    return tuple(dict.fromkeys(found))


def _holds_codes(attributes: pa.Table, fields: Sequence[str]) -> bool:
    """Tell whether most values are codes of a land survey."""
    name = first_of(fields, attributes.column_names)
    if name is None:
        return False
    codes = pc.unique(text_ids(attributes.column(name)).drop_null()).to_pylist()
    known = sum(land_use_code_kind(code) != "unknown" for code in codes)
    return bool(codes) and 2 * known > len(codes)


def _name_part(title: str, words: Sequence[str]) -> str:
    folded = title.casefold()
    return next((w for w in sorted(words, key=len, reverse=True) if w.casefold() in folded), "")


def _unique(names: Sequence[str], attributes: pa.Table) -> bool:
    columns = [text_ids(attributes.column(name)) for name in names]
    if not attributes.num_rows or any(column.null_count for column in columns):
        return False
    joined = columns[0]
    for column in columns[1:]:
        joined = pc.binary_join_element_wise(joined, column, "-")
    return len(pc.unique(joined)) == len(joined)
