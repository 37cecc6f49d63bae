"""Draw a result GeoPackage as the README's picture.

``python tools/render_map.py RESULT.gpkg``; without a result (``--mock``) the named parcels take what is
expected of them, to work on the drawing alone.
"""

from __future__ import annotations

import argparse
import csv
import tomllib
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from landremed.report.palette import LAYER_HATCHES, OUTCOME_FILLS
from landremed.types import ROLE_ALIASES

REPO = Path(__file__).resolve().parents[1]
FONTS = [
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "SimHei",
    "DejaVu Sans",
]
OUTCOMES = {
    "retain": "建议保留",
    "complete_paperwork": "建议补办手续",
    "demolish_restore": "建议拆除恢复",
    "needs_review": "待研判",
    "out_of_scope": "另行处置",
}
SEA, LAND, FIELD, BUILT, PARK, POND, RIVER, MARSH, FLAT = (
    "#d6e7f0",
    "#f6f4ee",
    "#eef0d9",
    "#ebe6e6",
    "#e3ead6",
    "#e4eef2",
    "#9cc7df",
    "#dbe9e4",
    "#ebe8da",
)
GROUND = {
    "01": FIELD,
    "05": BUILT,
    "06": BUILT,
    "07": BUILT,
    "08": BUILT,
    "0810": PARK,
    "10": "#fdfcf9",
    "1101": RIVER,
    "1104": POND,
    "1105": FLAT,
    "1106": MARSH,
}
DETAIL = (
    552950,
    4291950,
    555950,
    4295330,
)  # where the picture looks closer: river, fields and the edge of the town


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    parser.add_argument("project", type=Path, nargs="?", default=REPO / "data" / "samples" / "project.toml")
    parser.add_argument("-o", "--output", type=Path, default=REPO / "docs" / "images" / "sample.png")
    parser.add_argument("--mock", action="store_true")
    args = parser.parse_args()
    decisions = mock(args.project) if args.mock else gpd.read_file(args.result, layer="decisions")
    decisions["drawn"] = [g is not None and not g.is_empty for g in decisions.geometry]
    layers = read_layers(args.project, decisions.crs)
    mpl.rcParams["font.sans-serif"] = FONTS
    mpl.rcParams["axes.unicode_minus"] = False
    mpl.rcParams["hatch.linewidth"] = 0.5
    args.output.parent.mkdir(parents=True, exist_ok=True)
    figure = draw(decisions, layers)
    figure.savefig(args.output, dpi=130, metadata={"Software": None})
    plt.close(figure)
    with Image.open(args.output) as picture:  # a map needs few colours, and a small file
        colours = picture.convert("RGB")
        small = colours.quantize(256, kmeans=6, dither=Image.Dither.NONE)
        small.save(args.output, optimize=True)


def mock(project: Path) -> gpd.GeoDataFrame:
    """Return the sample parcels with what is expected of them, and something plausible for the rest."""
    with (REPO / "tests" / "golden" / "samples_expected.csv").open(encoding="utf-8") as handle:
        expected = {row["parcel_id"]: row["outcome"] for row in csv.DictReader(handle)}
    parcels = gpd.read_file(project.parent / "parcels.gpkg")
    usual = [
        *["complete_paperwork"] * 4,
        *["demolish_restore"] * 4,
        *["needs_review"] * 2,
        "retain",
        "out_of_scope",
    ]
    parcels["parcel_id"] = parcels["TBBH"]
    parcels["outcome"] = [expected.get(i, usual[n % len(usual)]) for n, i in enumerate(parcels["TBBH"])]
    return parcels


def read_layers(project: Path, crs: object) -> dict[str, gpd.GeoDataFrame]:
    """Return the project's layers by role, filtered and in the CRS of the result."""
    tables = tomllib.loads(project.read_text(encoding="utf-8"))["layers"]
    layers = {}
    for key, table in tables.items():
        role = ROLE_ALIASES.get(key, key)
        options = {k: table[k] for k in ("layer", "where") if k in table}
        if Path(table["path"]).suffix == ".shp":
            options["encoding"] = table.get("encoding", "GB18030")
        layers[role] = gpd.read_file(project.parent / table["path"], **options).to_crs(crs)
    return layers


def draw(decisions: gpd.GeoDataFrame, layers: dict[str, gpd.GeoDataFrame]) -> plt.Figure:
    """Return the figure: the district, a closer look, and the legend."""
    figure = plt.figure(figsize=(13.2, 8.0), facecolor="white")
    left = figure.add_axes((0.012, 0.02, 0.70, 0.905))
    right = figure.add_axes((0.722, 0.43, 0.266, 0.495))
    x0, y0, x1, y1 = layers["admin_units"].total_bounds
    for axes, frame, close in (
        (left, (x0 - 150, y0 - 150, x1 + 1150, y1 + 150), False),
        (right, DETAIL, True),
    ):
        axes.set_facecolor(SEA)
        ground(axes, layers)
        constraints(axes, layers, close)
        parcels(axes, decisions, close)
        axes.set_xlim(frame[0], frame[2])
        axes.set_ylim(frame[1], frame[3])
        axes.set_aspect("equal")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_color("#888888")
    left.add_patch(
        Rectangle(DETAIL[:2], DETAIL[2] - DETAIL[0], DETAIL[3] - DETAIL[1], fill=False, ec="#333333", lw=1)
    )
    names(left, layers["admin_units"])
    for axes in (left, right):
        axes.set_xlabel("")
        axes.set_ylabel("")
    scale_bar(left, 2000)
    scale_bar(right, 500)
    labels(right, decisions)
    figure.text(0.012, 0.955, "示例片区：疑似问题图斑处置建议", fontsize=17, fontweight="bold", va="center")
    counts = decisions["outcome"].value_counts()
    figure.text(
        0.988,
        0.955,
        f"{len(decisions)} 宗图斑 · 虚构数据，仅作演示",
        fontsize=10.5,
        color="#555555",
        ha="right",
        va="center",
    )
    legend(figure, counts)
    return figure


def ground(axes: Axes, layers: dict[str, gpd.GeoDataFrame]) -> None:
    """Draw land, water and built-up land, quietly."""
    use = layers["land_use"]
    colors = [GROUND.get(c[:4], GROUND.get(c[:2], LAND)) for c in use["DLBM"]]
    use.plot(ax=axes, color=colors, edgecolor=colors, linewidth=0.25, zorder=1)
    land = layers["admin_units"].union_all()
    gpd.GeoSeries([land]).boundary.plot(ax=axes, color="#a9b7bd", linewidth=0.8, zorder=2)


def constraints(axes: Axes, layers: dict[str, gpd.GeoDataFrame], close: bool) -> None:
    """Draw the four layers, hatched and outlined in the colours of the result."""
    for zorder, (role, dense, width) in enumerate(
        (
            ("green_ecological_barrier", "||", 0.9),
            ("permanent_basic_farmland", "", 0.3),
            ("ecological_red_line", "//", 1.1),
            ("urban_development_boundary", "", 1.9),
        ),
        start=3,
    ):
        color = LAYER_HATCHES[role].color
        shape = layers[role]
        if role != "permanent_basic_farmland":
            shape = gpd.GeoDataFrame(geometry=list(shapely.get_parts(layers[role].union_all())))
        if role == "urban_development_boundary":
            shape.boundary.plot(ax=axes, color=color, linewidth=width, zorder=zorder + 3)
            continue
        if role == "permanent_basic_farmland":
            shape.plot(ax=axes, facecolor="#e6dfae", edgecolor="#cbbf7a", linewidth=width, zorder=zorder)
            continue
        shape.plot(ax=axes, facecolor=color + "14", edgecolor="none", zorder=zorder)
        hatch = dense[:1] if close else dense
        shape.plot(ax=axes, facecolor="none", edgecolor=color + "88", hatch=hatch, linewidth=0, zorder=zorder)
        shape.boundary.plot(ax=axes, color=color, linewidth=width, zorder=zorder)


def parcels(axes: Axes, decisions: gpd.GeoDataFrame, close: bool) -> None:
    """Draw the parcels by outcome; what needs review has a dashed outline too."""
    for outcome, fill in OUTCOME_FILLS.items():
        some = decisions[(decisions["outcome"] == str(outcome)) & decisions["drawn"]]
        if some.empty:
            continue
        some.plot(
            ax=axes,
            facecolor=fill.color + "e6",
            edgecolor=fill.outline,
            linewidth=1.0 if close else 0.45,
            linestyle="--" if fill.line == "dash" and close else "-",
            zorder=10,
        )


def names(axes: Axes, units: gpd.GeoDataFrame) -> None:
    """Write the towns' names and draw their boundaries and the zones'."""
    towns, zones = units[units["LX"] == "town"], units[units["LX"] == "zone"]
    towns.boundary.plot(ax=axes, color="#777777", linewidth=0.8, linestyle=(0, (6, 2, 1, 2)), zorder=9)
    zones.boundary.plot(ax=axes, color="#5b4a8a", linewidth=0.9, linestyle=(0, (2, 2)), zorder=9)
    halo = [mpl.patheffects.withStroke(linewidth=2.6, foreground="white")]
    spots = {
        "小王庄镇": (0.5, 0.47),
        "中塘镇": (0.42, 0.13),
        "海滨街道": (0.52, 0.90),
        "大港街道": (0.52, 0.12),
        "古林街道": (0.45, 0.08),
    }
    for name, shape in zip(towns["XZQMC"], towns.geometry, strict=True):
        x0, y0, x1, y1 = shape.bounds
        u, v = spots.get(name, (0.5, 0.5))
        axes.text(
            x0 + u * (x1 - x0),
            y0 + v * (y1 - y0),
            name,
            fontsize=11,
            ha="center",
            va="center",
            zorder=20,
            path_effects=halo,
            color="#333333",
        )
    for name, shape in zip(zones["XZQMC"], zones.geometry, strict=True):
        x0, y0, x1, y1 = shape.bounds
        top = y1 - 60 if name != "天津经济技术开发区" else y0 + 330
        axes.text(
            x0 + 250,
            top,
            name,
            fontsize=8.5,
            ha="left",
            va="top",
            zorder=20,
            path_effects=halo,
            color="#5b4a8a",
        )


def labels(axes: Axes, decisions: gpd.GeoDataFrame) -> None:
    """Name the parcels of the closer look."""
    halo = [mpl.patheffects.withStroke(linewidth=2.2, foreground="white")]
    ids = decisions["parcel_id"].astype(str)
    frame = shapely.box(*DETAIL).buffer(-150)
    some = decisions[ids.str.match(r"BH-[A-Z]") & decisions["drawn"]]
    some = some[some.geometry.within(frame)]
    for name, shape in zip(some["parcel_id"], some.geometry, strict=True):
        x0, y0, x1, _ = shape.bounds
        axes.text(
            (x0 + x1) / 2, y0 - 20, name, fontsize=6.8, ha="center", va="top", zorder=20, path_effects=halo
        )


def scale_bar(axes: Axes, metres: int) -> None:
    """Draw a scale bar in the lower right corner."""
    x1, y0 = axes.get_xlim()[1], axes.get_ylim()[0]
    width, height = x1 - axes.get_xlim()[0], axes.get_ylim()[1] - y0
    x, y = x1 - 0.03 * width - metres, y0 + 0.03 * height
    axes.plot([x, x + metres], [y, y], color="#333333", linewidth=2.2, solid_capstyle="butt", zorder=30)
    text = f"{metres // 1000} km" if metres >= 1000 else f"{metres} m"
    axes.text(x + metres / 2, y + 0.012 * height, text, fontsize=8, ha="center", va="bottom", zorder=30)


def legend(figure: plt.Figure, counts: pd.Series) -> None:
    """Write the legend below the closer look."""
    rows: list[Patch | Line2D] = []
    for outcome, fill in OUTCOME_FILLS.items():
        count = int(counts.get(str(outcome), 0))
        rows.append(
            Patch(
                facecolor=fill.color,
                edgecolor=fill.outline,
                linestyle="--" if fill.line == "dash" else "-",
                label=f"{OUTCOMES[str(outcome)]}（{count}）",
            )
        )
    red, green, blue = (
        LAYER_HATCHES[r].color
        for r in ("ecological_red_line", "green_ecological_barrier", "urban_development_boundary")
    )
    base = [
        Patch(facecolor="#e6dfae", edgecolor="#cbbf7a", label="永久基本农田"),
        Patch(facecolor=red + "14", edgecolor=red, hatch="////", label="生态保护红线"),
        Patch(facecolor=green + "14", edgecolor=green, hatch="||||", label="绿色生态屏障"),
        Line2D([], [], color=blue, linewidth=1.9, label="城镇开发边界"),
        Line2D([], [], color="#777777", linewidth=0.9, linestyle=(0, (6, 2, 1, 2)), label="镇街界"),
        Line2D([], [], color="#5b4a8a", linewidth=0.9, linestyle=(0, (2, 2)), label="开发区界"),
    ]
    style = {
        "frameon": False,
        "fontsize": 10.5,
        "handlelength": 2.0,
        "handleheight": 1.15,
        "labelspacing": 0.55,
        "alignment": "left",
    }
    figure.legend(
        handles=rows, title="处置建议（待人工确认）", loc="upper left", bbox_to_anchor=(0.718, 0.405), **style
    )
    figure.legend(handles=base, title="底图", loc="upper left", bbox_to_anchor=(0.868, 0.405), **style)


if __name__ == "__main__":
    import matplotlib.patheffects

    mpl.use("Agg")
    main()
