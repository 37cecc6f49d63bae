"""Draw the kinds of small overlaps for ``docs/slivers.md``, with exaggerated widths.

Usage: python tools/draw_slivers.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "slivers.png"
PARCEL, LAYER, OVERLAP = "#5b7fa6", "#c9573c", "#7a1f1f"
FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "SimHei", "DejaVu Sans"]
FIELD = shapely.box(10, 5, 90, 50)


def chord() -> tuple[shapely.Geometry, shapely.Geometry, str]:
    """Return parcel, layer and a remark."""
    x = np.linspace(10, 90, 7)
    curve = np.column_stack([x, 50 - 9 * (1 - ((x - 50) / 40) ** 2)])
    north = shapely.Polygon([*curve, (90, 80), (10, 80)])
    return north, shapely.box(2, 20, 98, 50), "the parcel follows the curve,\nthe layer its chord"


def cut_remnant() -> tuple[shapely.Geometry, shapely.Geometry, str]:
    """Return parcel, layer and a remark."""
    splinter = shapely.Polygon([(20, 24), (80, 30), (80, 32), (20, 26)])
    return (
        FIELD,
        shapely.union(splinter, shapely.box(2, 70, 98, 88)),
        "a splinter of the layer\n(or of the parcels)",
    )


def shifted_layer() -> tuple[shapely.Geometry, shapely.Geometry, str]:
    """Return parcel, layer and a remark."""
    blocks = [(2, 50, 46, 88), (54, 50, 98, 88), (-38, 5, 10, 42), (90, 5, 128, 42)]
    moved = [shapely.box(*b) for b in np.array(blocks) + np.array([5, -4, 5, -4])]
    frame = shapely.box(0, 0, 100, 90)
    return (
        FIELD,
        shapely.intersection(shapely.union_all(moved), frame),
        "every edge of the layer is off\nby the same vector",
    )


def shared_edge() -> tuple[shapely.Geometry, shapely.Geometry, str]:
    """Return parcel, layer and a remark."""
    edge = [(98, 48), (80, 47), (65, 44), (50, 47), (35, 45), (20, 47), (2, 46)]
    return FIELD, shapely.Polygon([(2, 88), (98, 88), *edge]), "one edge drawn twice"


def real_small() -> tuple[shapely.Geometry, shapely.Geometry, str]:
    """Return parcel, layer and a remark."""
    return (
        FIELD,
        shapely.Polygon([(2, 88), (98, 88), (98, 20), (72, 50), (2, 50)]),
        "a corner of the parcel lies inside",
    )


def draw(ax: Axes, name: str, parcel: shapely.Geometry, layer: shapely.Geometry, remark: str) -> None:
    """Draw one kind."""
    for shape, color, alpha, z in (
        (parcel, PARCEL, 0.25, 1),
        (layer, LAYER, 0.25, 2),
        (shapely.intersection(parcel, layer), OVERLAP, 0.9, 3),
    ):
        for part in shapely.get_parts(shape):
            if part.geom_type != "Polygon":
                continue
            xy = shapely.get_coordinates(part.exterior)
            ax.add_patch(Polygon(xy, facecolor=(color, alpha), edgecolor=color, linewidth=1.2, zorder=z))
            if z < 3:
                ax.plot(*xy.T, ".", color=color, markersize=4, zorder=4)
    ax.set(xlim=(0, 100), ylim=(0, 90), aspect="equal", xticks=[], yticks=[])
    ax.set_title(name, fontsize=11, family="monospace")
    ax.set_xlabel(remark, fontsize=9)
    for spine in ax.spines.values():
        spine.set_visible(False)


def main() -> None:
    """Write the picture."""
    mpl.rcParams["font.sans-serif"] = FONTS
    kinds = (chord, cut_remnant, shifted_layer, shared_edge, real_small)
    figure, axes = plt.subplots(1, len(kinds), figsize=(13, 3.6), dpi=110)
    for ax, kind in zip(axes, kinds, strict=True):
        draw(ax, kind.__name__, *kind())
    figure.legend(
        handles=[Polygon([(0, 0)], facecolor=(c, 0.5), edgecolor=c) for c in (PARCEL, LAYER, OVERLAP)],
        labels=["parcel 图斑", "layer 图层", "overlap 重叠"],
        loc="lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(TARGET)


if __name__ == "__main__":
    main()
