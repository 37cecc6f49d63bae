"""What was seen in a file, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landremed.inspect.look import LayerLook
from landremed.inspect.words import word
from landremed.report.terminal import pad, table
from landremed.text import message_text
from landremed.types import Finding

__all__ = ["look_text"]

_LABEL_WIDTH = 12


def look_text(seen: LayerLook, language: str) -> str:
    """Return one layer or table: a head of lines, then its fields."""
    if not seen.readable:
        return seen.problem.text(language) if seen.problem is not None else seen.display
    lines = [f"{seen.display}  [{seen.format}]"]
    lines.append(_line("rows", str(seen.rows), language))
    if seen.crs_state:
        kinds = ", ".join(f"{name} {count}" for name, count in seen.geometry.items())
        lines.append(_line("geometry", kinds, language))
        lines.append(f"  {pad('CRS', _LABEL_WIDTH)}{seen.crs_text(language)}")
        if seen.extent:
            low_x, low_y, high_x, high_y = (_number(v) for v in seen.extent)
            lines.append(_line("extent", f"x {low_x} … {high_x}, y {low_y} … {high_y}", language))
        lines.append(_line("role", seen.role.text(language), language))
    if seen.encoding:
        ground = word(f"ground_{seen.encoding_ground}", language)
        lines.append(_line("encoding", f"{seen.encoding} ({ground})", language))
    lines.append(_line("id", " + ".join(seen.id) or word("none", language), language))
    good = [f"{f.fact} ← {f.field}" for f in seen.facts if f.usable]
    if good:
        lines.append(_line("facts", ", ".join(good), language))
    for odd in (f for f in seen.facts if not f.usable):
        share = f"{100 * (1 - odd.share):.0f}"
        lines.append("  " + word("fact_unreadable", language, field=odd.field, fact=odd.fact, share=share))
    lines += _told("damage", seen.damage, language)
    lines += _told("note", seen.notes, language)
    rows = [[f.name, f.type, f.filled, " | ".join(f.samples)] for f in seen.fields]
    header = [word(key, language) for key in ("field", "type", "filled", "samples")]
    body = table(rows, header, "llrl") if rows else ""
    return "\n".join([*lines, *(f"    {line}" for line in body.splitlines())])


def _told(key: str, findings: Sequence[Finding], language: str) -> Iterator[str]:
    """Yield a line for every code, with the first of its findings."""
    for first in {f.code: f for f in reversed(findings)}.values():
        count = sum(f.code == first.code for f in findings)
        place = word("damage_row", language, row=first.row) if first.row else ""
        field = f"{first.field}: " if first.field else ""
        text = message_text(first.code, first.params, language)
        yield _line(
            key,
            f"{count} × {field}{place}{text}" if count > 1 or key == "damage" else f"{field}{place}{text}",
            language,
        )


def _line(key: str, text: str, language: str) -> str:
    return f"  {pad(word(key, language), _LABEL_WIDTH)}{text}"


def _number(value: float) -> str:
    return f"{value:.6f}" if abs(value) <= 360.0 else f"{value:.2f}"
