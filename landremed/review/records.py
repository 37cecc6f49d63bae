"""One review: who said what about which parcel, when, and on what ground."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any, Final

import shapely

__all__ = ["NOTE", "Boundary", "Problem", "Review"]

NOTE: Final = "boundary_txt_note"
"""Code of what was noticed in a coordinate text."""

_QUOTING: Final = (NOTE, "boundary_inputs_missing")  # field holds a code of its own, value what it names

_NOT_IDENTITY: Final = ("photo_hash",)


@dataclass(frozen=True, slots=True)
class Review:
    """A row of ``reviews``; empty text where nothing was written.

    ``kind`` is fact, verdict, note, settle, overrule, accept_boundary or sign_off. ``fact`` names what
    ``value`` is about; dates and times are ISO text. Position in degrees (WGS 84).
    """

    parcel_id: str
    kind: str
    fact: str = ""
    value: str = ""
    remark: str = ""
    person: str = ""
    role: str = ""
    made_at: str = ""
    package: str = ""
    photo: str = ""
    photo_hash: str = ""
    lon: float | None = None
    lat: float | None = None

    @classmethod
    def of(cls, row: dict[str, Any]) -> Review:
        """Read a row of the table."""
        values: dict[str, Any] = {f.name: row.get(f.name) for f in fields(cls)}
        numbers = ("lon", "lat")
        plain: dict[str, Any] = {
            name: "" if v is None and name not in numbers else v for name, v in values.items()
        }
        return cls(**plain)

    @property
    def review_id(self) -> str:
        """Hash of what was said, by which the same row is known again."""
        content = [getattr(self, f.name) for f in fields(self) if f.name not in _NOT_IDENTITY]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]

    @property
    def order(self) -> tuple[str, str]:
        """Later ones sort last; the id breaks ties."""
        return self.made_at, self.review_id


@dataclass(frozen=True, slots=True)
class Boundary:
    """A boundary surveyed again: WKB in the working CRS."""

    parcel_id: str
    person: str
    made_at: str
    package: str
    remark: str
    wkb: bytes

    @property
    def fault(self) -> str:
        """Why it cannot be measured, empty when it can."""
        shape = shapely.from_wkb(self.wkb)
        polygonal = shape.geom_type in ("Polygon", "MultiPolygon")
        return "" if polygonal and shape.is_valid else shapely.is_valid_reason(shape)

    @property
    def review_id(self) -> str:
        """Hash of who drew what."""
        content = [self.parcel_id, self.person, self.made_at, self.package, self.remark, self.wkb.hex()]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something met when merging that a person should look at; ``code`` is in the message catalogue."""

    parcel_id: str
    code: str
    package: str = ""
    person: str = ""
    field: str = ""
    value: str = ""

    def text(self, language: str) -> str:
        """Return it as one sentence."""
        from landremed.text import message_text

        params = {name: getattr(self, name) for name in ("parcel_id", "package", "person", "field", "value")}
        if self.code in _QUOTING:
            params["value"] = message_text(self.field, json.loads(self.value), language)
        return message_text(self.code, params, language)
