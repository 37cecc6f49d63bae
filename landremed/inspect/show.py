"""What was seen in a file, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landremed.inspect.look import LayerLook
from landremed.inspect.words import word
from landremed.report.terminal import display_width, pad, table, wrap
from landremed.text import message_text
from landremed.types import Finding

__all__ = ["look_text"]

_LABEL_WIDTH = 12


def look_text(seen: LayerLook, language: str, width: int | None = None) -> str:
    """Return one layer or table: a head of lines, then its fields.

    Parameters
    ----------
    seen : LayerLook
        What was seen.
    language : {"zh", "en"}
        Of labels and sentences.
    width : int, optional
        Columns of the terminal; lines are as long as they are without it.
    """
    if not seen.readable:
        text = seen.problem.text(language) if seen.problem is not None else seen.display
        return "\n".join(wrap(text, width, "", "  ")) if width else text
    lines = [f"{seen.display}  [{seen.format}]"]
    for label, text in _head(seen, language):
        indent = f"  {pad(label, _LABEL_WIDTH)}"
        lines += wrap(text, width, indent) if width else [f"{indent}{text}"]
    rows = [[f.name, f.type, f.filled, " | ".join(f.samples)] for f in seen.fields]
    header = [word(key, language) for key in ("field", "type", "filled", "samples")]
    body = table(rows, header, "llrl") if rows else ""
    lines += [_cut(f"    {line}", width) for line in body.splitlines()]
    return "\n".join(lines)


def _head(seen: LayerLook, language: str) -> Iterator[tuple[str, str]]:
    """Yield label and text of every line above the fields."""
    yield word("rows", language), str(seen.rows)
    if seen.crs_state:
        yield word("geometry", language), ", ".join(f"{k} {count}" for k, count in seen.geometry.items())
        yield "CRS", seen.crs_text(language)
        if seen.extent:
            low_x, low_y, high_x, high_y = (_number(v) for v in seen.extent)
            yield word("extent", language), f"x {low_x} … {high_x}, y {low_y} … {high_y}"
        yield word("role", language), seen.role.text(language)
    if seen.encoding:
        ground = word(f"ground_{seen.encoding_ground}", language)
        yield word("encoding", language), f"{seen.encoding} ({ground})"
    yield word("id", language), " + ".join(seen.id) or word("none", language)
    good = [f"{f.fact} ← {f.field}" for f in seen.facts if f.usable]
    if good:
        yield word("facts", language), ", ".join(good)
    for odd in (f for f in seen.facts if not f.usable):
        share = f"{100 * (1 - odd.share):.0f}"
        yield "", word("fact_unreadable", language, field=odd.field, fact=odd.fact, share=share)
    yield from _told("damage", seen.damage, language)
    yield from _told("note", seen.notes, language)


def _told(key: str, findings: Sequence[Finding], language: str) -> Iterator[tuple[str, str]]:
    """Yield a line for every code, with the first of its findings."""
    for first in {f.code: f for f in reversed(findings)}.values():
        count = sum(f.code == first.code for f in findings)
        times = f"{count} × " if count > 1 or key == "damage" else ""
        place = word("damage_row", language, row=first.row) if first.row else ""
        field = f"{first.field}: " if first.field else ""
        yield word(key, language), f"{times}{field}{place}{message_text(first.code, first.params, language)}"


def _cut(line: str, width: int | None) -> str:
    """Return a line that ends with … where it is wider than the terminal."""
    if width is None or display_width(line) <= width:
        return line
    while display_width(line) > width - 1:
        line = line[:-1]
    return f"{line}…"


def _number(value: float) -> str:
    return f"{value:.6f}" if abs(value) <= 360.0 else f"{value:.2f}"
