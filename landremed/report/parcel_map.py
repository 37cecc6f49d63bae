"""The map of one parcel as SVG: the parcel, its neighbours, constraint layers, scale bar and north arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import shapely

from landremed.report.formats import plain_text
from landremed.report.palette import LAYER_HATCHES, OTHER_HATCH, Fill

__all__ = ["MapFrame", "ParcelMaps", "swatch_svg"]

_SIDE: Final = 880.0  # drawing units; a tenth of a millimetre on paper
_METRES_ACROSS_AT_1: Final = 0.088
_STEPS: Final = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
_SCALES: Final = tuple(
    int(step * power) for power in (100, 1000, 10_000, 100_000, 1_000_000) for step in _STEPS
)
_NUMBERED_POINTS: Final = 40
_PATTERNS: Final = {
    "b_diagonal": "M-2,26 L26,-2 M-2,2 L2,-2 M22,26 L26,22",
    "f_diagonal": "M-2,-2 L26,26 M22,-2 L26,2 M-2,22 L2,26",
    "horizontal": "M0,12 L24,12",
    "vertical": "M12,0 L12,24",
    "diagonal_x": "M-1,-1 L25,25 M-1,25 L25,-1",
}


@dataclass(frozen=True)
class MapFrame:
    """The piece of ground a map shows: its corner and side in metres, and the scale on paper."""

    left: float
    bottom: float
    side_m: float
    scale: int

    @classmethod
    def around(cls, shape: shapely.Geometry) -> MapFrame:
        """Return a square around a shape, in the first usual scale that leaves room around it."""
        x0, y0, x1, y1 = shape.bounds
        need = max(x1 - x0, y1 - y0, 1.0) * 1.6
        scale = next((s for s in _SCALES if s * _METRES_ACROSS_AT_1 >= need), _SCALES[-1])
        side = max(scale * _METRES_ACROSS_AT_1, need if scale == _SCALES[-1] else 0.0)
        return cls((x0 + x1) / 2 - side / 2, (y0 + y1) / 2 - side / 2, side, scale)

    @property
    def box(self) -> shapely.Geometry:
        """The square as a polygon."""
        return shapely.box(self.left, self.bottom, self.left + self.side_m, self.bottom + self.side_m)

    def units(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return metres as drawing units, y downwards."""
        factor = _SIDE / self.side_m
        return np.column_stack(((xy[:, 0] - self.left) * factor, _SIDE - (xy[:, 1] - self.bottom) * factor))


class ParcelMaps:
    """Draws maps of parcels of one result.

    Parameters
    ----------
    shapes : ndarray
        All parcels, None where there is no shape.
    names : sequence of str
        Their ids.
    fills : sequence of Fill
        How each is drawn.
    layers : mapping of layer to ndarray
        Constraint layers in the same CRS.
    font : str
        Font family of the texts.
    """

    def __init__(
        self,
        shapes: npt.NDArray[np.object_],
        names: Sequence[str],
        fills: Sequence[Fill],
        layers: Mapping[str, npt.NDArray[np.object_]],
        font: str,
    ) -> None:
        self._shapes, self._names, self._fills, self._layers = shapes, names, fills, layers
        self._font = escape(font, {'"': "&quot;"})
        self._tree = shapely.STRtree(shapes)
        self._trees = {name: shapely.STRtree(pieces) for name, pieces in layers.items()}

    def draw(self, row: int, north: str) -> tuple[str, MapFrame | None, list[str]]:
        """Return the SVG of one parcel's map, its frame, and the layers seen in it.

        Parameters
        ----------
        row : int
            The parcel.
        north : str
            Letter at the arrow.
        """
        shape = self._shapes[row]
        if shape is None or shape.is_empty:
            return _document("", self._font), None, []
        frame = MapFrame.around(shape)
        seen, parts = [], ['<rect width="880" height="880" fill="#faf9f5"/>']
        for name, pieces in self._layers.items():
            found = pieces[np.sort(self._trees[name].query(frame.box, predicate="intersects"))]
            if len(found):
                seen.append(name)
                parts.append(_layer(name, shapely.intersection(found, frame.box), frame))
        for other in np.sort(self._tree.query(frame.box, predicate="intersects")).tolist():
            if other != row:
                parts.append(_parcel(self._shapes[other], self._fills[other], frame, own=False))
        parts.append(_parcel(shape, self._fills[row], frame, own=True))
        for other in np.sort(self._tree.query(frame.box, predicate="intersects")).tolist():
            if other != row:
                parts.append(self._name(self._shapes[other], self._names[other], frame))
        parts += [_points(shape, frame), _scale_bar(frame), _arrow(north)]
        return _document("".join(parts), self._font), frame, seen

    def _name(self, shape: shapely.Geometry, name: str, frame: MapFrame) -> str:
        seen = shapely.intersection(shape, frame.box)
        if seen.is_empty or seen.area * (_SIDE / frame.side_m) ** 2 < 2500:
            return ""
        x, y = frame.units(shapely.get_coordinates(shapely.point_on_surface(seen)))[0]
        short = plain_text(name)[:24]
        return _text(x, y, short, 20, "#555f68")


def swatch_svg(fill: Fill, *, layer: bool) -> str:
    """Return a small sample of a fill for the legend."""
    box = '<rect x="1.5" y="1.5" width="33" height="21"'
    if layer:
        inner = f'{box} fill="url(#h)" stroke="{fill.color}" stroke-width="2"/>'
        head = f"<defs>{_pattern('h', fill)}</defs>"
    else:
        dash = ' stroke-dasharray="6 4"' if fill.line == "dash" else ""
        inner = f'{box} fill="{fill.color}" stroke="{fill.outline}" stroke-width="3"{dash}/>'
        head = ""
    size = 'width="36" height="24" viewBox="0 0 36 24"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{head}{inner}</svg>'


def _document(inner: str, font: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="880" height="880" viewBox="0 0 880 880" '
        f'font-family="{font}"><defs><clipPath id="frame"><rect width="880" height="880"/></clipPath></defs>'
        f'<g clip-path="url(#frame)">{inner}</g></svg>'
    )


def _pattern(name: str, fill: Fill) -> str:
    return (
        f'<pattern id="{name}" width="24" height="24" patternUnits="userSpaceOnUse">'
        f'<rect width="24" height="24" fill="{fill.color}" fill-opacity="0.08"/>'
        f'<path d="{_PATTERNS.get(fill.pattern, _PATTERNS["diagonal_x"])}" stroke="{fill.color}" '
        'stroke-width="1.8" fill="none"/></pattern>'
    )


def _layer(name: str, pieces: npt.NDArray[np.object_], frame: MapFrame) -> str:
    if name == "admin_units":
        return (
            f'<path d="{_path(pieces, frame)}" fill="none" stroke="#5b4a72" stroke-width="2.2" '
            'stroke-dasharray="14 5 3 5"/>'
        )
    fill = LAYER_HATCHES.get(name, OTHER_HATCH)
    mark = f"h{sum(map(ord, name)) % 9973}"
    return (
        f"<defs>{_pattern(mark, fill)}</defs>"
        f'<path d="{_path(pieces, frame)}" fill="url(#{mark})" stroke="{fill.color}" stroke-width="1.6"/>'
    )


def _parcel(shape: shapely.Geometry, fill: Fill, frame: MapFrame, *, own: bool) -> str:
    seen = shape if own else shapely.intersection(shape, frame.box)
    path = _path(np.array([seen], dtype=object), frame)
    if own:
        return (
            f'<path d="{path}" fill="{fill.color}" fill-opacity="0.5" fill-rule="evenodd" stroke="#ffffff" '
            f'stroke-width="7"/><path d="{path}" fill="none" stroke="#111111" stroke-width="3.4"/>'
        )
    dash = ' stroke-dasharray="7 5"' if fill.line == "dash" else ""
    return (
        f'<path d="{path}" fill="{fill.color}" fill-opacity="0.28" fill-rule="evenodd" '
        f'stroke="{fill.outline}" stroke-width="1.6"{dash}/>'
    )


def _path(shapes: npt.NDArray[np.object_], frame: MapFrame) -> str:
    parts = []
    polygons = shapely.get_parts(shapely.get_parts(shapes))
    rings = shapely.get_rings(polygons[shapely.get_type_id(polygons) == 3])
    for ring in rings:
        xy = frame.units(shapely.get_coordinates(ring)[:-1])
        parts.append("M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in xy) + "Z")
    return "".join(parts)


def _points(shape: shapely.Geometry, frame: MapFrame) -> str:
    """Dots on the boundary points, numbered while there is room."""
    xy = np.vstack(
        [shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(shapely.get_parts(shape))]
    )
    units = frame.units(xy)
    parts = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="#ffffff" stroke="#111111" stroke-width="1.6"/>'
        for x, y in units[:400]
    ]
    if len(units) <= _NUMBERED_POINTS:
        middle = units.mean(axis=0)
        last = None
        for number, (x, y) in enumerate(units, 1):
            away = np.array([x, y]) - middle
            away /= max(float(np.hypot(*away)), 1.0)
            place = np.array([x, y]) + away * 20
            if last is not None and np.hypot(*(place - last)) < 30:
                continue
            last = place
            parts.append(_text(place[0], place[1], f"J{number}", 21, "#111111"))
    return "".join(parts)


def _scale_bar(frame: MapFrame) -> str:
    target = frame.side_m / 4
    power = 10 ** np.floor(np.log10(target))
    length = float(max(step * power for step in (1, 2, 5) if step * power <= target))
    wide = length * _SIDE / frame.side_m
    text = f"{length:g} m" if length < 1000 else f"{length / 1000:g} km"
    x, y = 28.0, 848.0
    half = wide / 2
    return (
        f'<rect x="{x - 10:.1f}" y="{y - 42:.1f}" width="{wide + 20:.1f}" height="62" fill="#ffffff" '
        'fill-opacity="0.85"/>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{half:.1f}" height="7" fill="#111111"/>'
        f'<rect x="{x + half:.1f}" y="{y:.1f}" width="{half:.1f}" height="7" fill="#ffffff" stroke="#111111" '
        f'stroke-width="1.2"/>{_text(x + half, y - 14, text, 24, "#111111")}'
    )


def _arrow(north: str) -> str:
    return (
        '<g transform="translate(838,30)"><path d="M0,22 L13,62 L0,52 L-13,62 Z" fill="#111111" '
        f'stroke="#ffffff" stroke-width="2"/>{_text(0, 8, north, 26, "#111111")}</g>'
    )


def _text(x: float, y: float, text: str, size: int, color: str) -> str:
    place = f'x="{x:.1f}" y="{y + size * 0.36:.1f}" font-size="{size}" text-anchor="middle"'
    body = escape(plain_text(text))
    return (
        f'<text {place} stroke="#ffffff" stroke-width="4" stroke-linejoin="round" fill="none">{body}</text>'
        f'<text {place} fill="{color}">{body}</text>'
    )
