"""Damage to bytes, lines, archive members and tables, the same for the same seed."""

from __future__ import annotations

import contextlib
import io
import random
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

__all__ = ["KINDS", "damage", "damage_bytes", "damage_sqlite", "damage_text", "damage_zip"]

ODD_NUMBERS = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 64) - 1,
)
ODD_WORDS = (
    "NaN",
    "Infinity",
    "-1",
    "1e308",
    "-1e308",
    "1e999",
    "99999999999999999999",
    "0x10",
    "",
    "null",
    "true",
    "[]",
    "{}",
    '"',
    "'",
    ",",
    "=",
    "\\",
    "\x00",
    "\ufeff",
    "\u202e",
    "😀",
    "é",
    "<!DOCTYPE x>",
    "&a;",
    "../x",
    "/etc/passwd",
    "%s%n",
    "{0}",
    "\n",
    "\r",
    "\t",
    "]",
    "}",
    "[[",
    "9" * 400,
    "a" * 70000,
    "- *x",
    "&x y",
    "!!python/object:x",
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def _place(rng: random.Random, size: int) -> int:
    """Return a place in a file: half of them in its head or tail, where the counts stand."""
    if size <= 1:
        return 0
    pick = rng.random()
    if pick < 0.4:
        return rng.randrange(min(size, 600))
    if pick < 0.5:
        return size - 1 - rng.randrange(min(size, 300))
    return rng.randrange(size)


def _flip(rng: random.Random, raw: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20, 100))):
        raw[_place(rng, len(raw))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, raw: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        raw[_place(rng, len(raw))] = rng.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _number(rng: random.Random, raw: bytearray) -> None:
    at, width = _place(rng, len(raw)), rng.choice((1, 2, 4, 8))
    value = rng.choice(ODD_NUMBERS) & ((1 << 8 * width) - 1)
    raw[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))[: len(raw) - at]


def _blank(rng: random.Random, raw: bytearray) -> None:
    at, count = _place(rng, len(raw)), rng.choice((4, 16, 100, 512, 4096))
    count = min(count, len(raw) - at)
    raw[at : at + count] = bytes([rng.choice((0, 0xFF, 0x41))]) * count


def _cut(rng: random.Random, raw: bytearray) -> None:
    del raw[_place(rng, len(raw)) :]


def _remove(rng: random.Random, raw: bytearray) -> None:
    at = _place(rng, len(raw))
    del raw[at : at + rng.choice((1, 2, 8, 64, 1000))]


def _repeat(rng: random.Random, raw: bytearray) -> None:
    at = _place(rng, len(raw))
    part = raw[at : at + rng.choice((1, 8, 64, 1000))]
    to = _place(rng, len(raw))
    raw[to:to] = part * rng.choice((1, 1, 1, 30))


def _insert(rng: random.Random, raw: bytearray) -> None:
    at = _place(rng, len(raw))
    raw[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 3, 20))))


def _swap(rng: random.Random, raw: bytearray) -> None:
    count = rng.choice((4, 32, 256))
    a, b = _place(rng, len(raw)), _place(rng, len(raw))
    one, two = bytes(raw[a : a + count]), bytes(raw[b : b + count])
    if len(one) == len(two) == count:
        raw[a : a + count], raw[b : b + count] = two, one


KINDS: dict[str, Callable[[random.Random, bytearray], None]] = {
    "flip": _flip,
    "set": _set,
    "number": _number,
    "blank": _blank,
    "cut": _cut,
    "remove": _remove,
    "repeat": _repeat,
    "insert": _insert,
    "swap": _swap,
}


def damage_bytes(raw: bytes, rng: random.Random, kind: str = "") -> bytes:
    """Return bytes with one kind of damage, drawn when none is named."""
    data = bytearray(raw)
    if data:
        KINDS[kind or rng.choice(list(KINDS))](rng, data)
    return bytes(data)


def damage_text(raw: bytes, rng: random.Random) -> bytes:
    """Return a text with a word, number or line changed."""
    lines = raw.split(b"\n")
    at = rng.randrange(len(lines))
    word = rng.choice(ODD_WORDS).encode("utf-8", "surrogatepass")
    how = rng.randrange(8)
    if how == 0:
        numbers = list(_NUMBER.finditer(raw))
        if numbers:
            found = rng.choice(numbers)
            return raw[: found.start()] + word + raw[found.end() :]
    elif how == 1:
        lines[at:at] = [lines[rng.randrange(len(lines))]] * rng.choice((1, 1, 3, 2000))
    elif how == 2:
        del lines[at : at + rng.choice((1, 2, 10))]
    elif how == 3:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 4:
        lines[at] = word
    elif how == 5:
        signs = [m.start() for m in re.finditer(rb'[,:="\'\[\]{}@#-]', raw)]
        if signs:
            place = rng.choice(signs)
            return raw[:place] + rng.choice((b"", word, b",", b'"', b"]", b"}")) + raw[place + 1 :]
    elif how == 6:
        place = rng.randrange(len(raw) + 1)
        return raw[:place] + word + raw[place:]
    else:
        lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    return b"\n".join(lines)


def damage_zip(raw: bytes, rng: random.Random) -> bytes:
    """Return an archive one member of which is damaged, with the sums right."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    target = rng.randrange(len(members))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, (info, data) in enumerate(members):
            if at != target:
                archive.writestr(info.filename, data)
            elif rng.random() < 0.1:
                continue
            else:
                change = damage_bytes if rng.random() < 0.4 else damage_text
                archive.writestr(info.filename, change(data, rng))
    return out.getvalue()


_ODD_VALUES = (
    None,
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    1e308,
    "",
    "x",
    "NaN",
    "é\u202e",
    b"",
    b"\x00",
    b"GP",
    "POLYGON",
    'a"b',
    "a'b",
)


def damage_sqlite(path: Path, rng: random.Random) -> None:
    """Change one thing in a SQLite file: a value, a row, a column or a table of it."""
    db = sqlite3.connect(path)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        tables = [t for t in tables if not t.startswith(("sqlite_", "rtree_"))]
        inner = [t for t in tables if t.startswith("gpkg_")]
        table = rng.choice(inner if inner and rng.random() < 0.5 else tables)
        columns = [r[1] for r in db.execute(f'PRAGMA table_info("{table}")')]
        column = rng.choice(columns)
        for trigger, _ in db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall():
            if rng.random() < 0.5:
                db.execute(f'DROP TRIGGER "{trigger}"')
        rows = [r[0] for r in db.execute(f'SELECT rowid FROM "{table}"')]
        how = rng.randrange(10)
        if how < 5 and rows:
            row = rng.choice(rows)
            (old,) = db.execute(f'SELECT "{column}" FROM "{table}" WHERE rowid = ?', (row,)).fetchone()
            value = rng.choice(_ODD_VALUES)
            if isinstance(old, bytes) and rng.random() < 0.8:
                value = damage_bytes(old, rng)
            elif isinstance(old, str) and rng.random() < 0.5:
                value = damage_text(old.encode("utf-8", "replace"), rng).decode("utf-8", "replace")
            db.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ? WHERE rowid = ?', (value, row))
        elif how == 5 and rows:
            db.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (rng.choice(rows),))
        elif how == 6:
            db.execute(f'DELETE FROM "{table}"')
        elif how == 7:
            db.execute(f'DROP TABLE "{table}"')
        elif how == 8:
            db.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{column}_x"')
        elif rows:
            names = ", ".join(f'"{c}"' for c in columns[1:])
            if names:
                db.execute(f'INSERT OR IGNORE INTO "{table}" ({names}) SELECT {names} FROM "{table}"')
        db.commit()
    except sqlite3.Error:
        db.rollback()
    finally:
        db.close()


def damage(path: Path, seed: str) -> None:
    """Damage one file; the same seed and file give the same damage."""
    rng = random.Random(zlib.crc32(seed.encode()))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        raw = path.read_bytes()
        if raw.startswith(b"SQLite format 3\0") and rng.random() < 0.6:
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                damage_sqlite(path, rng)
        elif raw.startswith(b"PK\x03\x04") and rng.random() < 0.7:
            try:
                path.write_bytes(damage_zip(raw, rng))
            except (
                zipfile.BadZipFile,
                ValueError,
                OSError,
                NotImplementedError,
                zlib.error,
                RuntimeError,
                EOFError,
            ):
                path.write_bytes(damage_bytes(raw, rng))
        elif b"\0" not in raw[:2000] and raw and rng.random() < 0.7:
            path.write_bytes(damage_text(raw, rng))
        else:
            path.write_bytes(damage_bytes(raw, rng))
