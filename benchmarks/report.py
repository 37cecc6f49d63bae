"""The figures of a contest as a table and a picture."""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path

NAMES = {
    "product": "landremed overlay", "product_run": "landremed run (whole)", "io_floor": "I/O floor",
    "shapely_tiled": "shapely, tiled + threads", "shapely_sjoin": "sjoin + shapely",
    "geopandas_overlay": "geopandas.overlay", "duckdb_spatial": "DuckDB spatial", "sedonadb": "SedonaDB",
    "postgis": "PostGIS, ST_Subdivide", "qgis_intersection": "QGIS native:intersection",
}  # fmt: skip
OURS = ("product", "product_run")


def summarise(records: list[dict], gates: dict[str, list]) -> list[dict]:
    """Return one entry per size: medians and spread per contestant, and the gates."""
    sizes: dict[tuple[str, str], dict[str, list[dict]]] = {}
    for record in records:
        sizes.setdefault((record["size"], record["layers"]), {}).setdefault(record["peer"], []).append(record)
    return [
        {"size": size, "layers": layers, "rows": _rows(peers), "gates": gates.get(size, [])}
        for (size, layers), peers in sizes.items()
    ]


def _rows(peers: dict[str, list[dict]]) -> list[dict]:
    rows = []
    for peer, records in peers.items():
        runs = [r["result"] for r in records if "result" in r]
        row = {"peer": peer, "name": NAMES.get(peer, peer), "n": len(runs)}
        if runs:
            walls = [run["wall"] for run in runs]
            row |= {
                "version": runs[-1].get("version", ""), "wall_s": statistics.median(walls),
                "wall_min_s": min(walls), "wall_max_s": max(walls),
                "cpu_s": statistics.median(run["cpu"] for run in runs),
                "peak_mb": max(run["rss_mb"] for run in runs),
                "pss_mb": max(run.get("pss_mb", 0) for run in runs),
                "load": max(r["load"] for r in records),
                "stages_s": runs[-1].get("stages", {}),
            }  # fmt: skip
        else:
            row["why"] = records[-1].get("why", "")
        rows.append(row)
    ours = next((row.get("wall_s") for row in rows if row["peer"] == "product"), None)
    for row in rows:
        if ours and "wall_s" in row:
            row["ratio"] = row["wall_s"] / ours
    return rows


def machine() -> str:
    """Name what figures were taken on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(summary: list[dict]) -> str:
    """Return the summary as Markdown."""
    lines = [machine(), ""]
    for size in summary:
        lines += [f"### {size['size']}: {size['layers'].replace(',', ', ')}", ""]
        lines += [
            "| tool | version | n | wall s, median (range) | CPU s | peak MB | x landremed overlay | load |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for row in size["rows"]:
            if "wall_s" not in row:
                lines.append(f"| {row['name']} | | 0 | {row['why'].replace('|', '/')} | | | | |")
                continue
            ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
            lines.append(
                f"| {row['name']} | {row['version']} | {row['n']} | {row['wall_s']:.2f} "
                f"({row['wall_min_s']:.2f}-{row['wall_max_s']:.2f}) | {row['cpu_s']:.1f} "
                f"| {row['peak_mb']} | {ratio} | {row['load']:.1f} |"
            )
        lines.append("")
        for gate, figure, passed in size["gates"]:
            lines.append(f"- {'ok' if passed else '**FAILED**'}: {gate}: {figure}")
        lines.append("")
    return "\n".join(lines)


def plot(summary: list[dict], path: Path) -> None:
    """Draw median wall times, logarithmic, one panel per size; a run that was cut off is an arrow."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = [s for s in summary if any("wall_s" in row for row in s["rows"])]
    if not panels:
        return
    most = max(len(s["rows"]) for s in panels)
    figure, axes = plt.subplots(1, len(panels), figsize=(5.6 * len(panels), 0.36 * most + 1.3), squeeze=False)
    for axis, size in zip(axes[0], panels, strict=True):
        _panel(axis, size)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _panel(axis, size: dict) -> None:
    bars = [
        (row["wall_s"], row["name"], row["peer"], f" {row['wall_s']:.3g} s")
        for row in size["rows"]
        if "wall_s" in row
    ]
    for row in size["rows"]:
        if row.get("why", "").startswith(">"):
            limit = float(row["why"].split()[1])
            bars.append((limit, row["name"], row["peer"], f" > {limit:.0f} s"))
    bars.sort(key=lambda bar: bar[0])
    colours = {"product": "#1b7f4d", "product_run": "#6bbf8f", "io_floor": "#d0d5db"}
    drawn = axis.barh(
        [name for _, name, _, _ in bars], [wall for wall, *_ in bars],
        color=[colours.get(peer, "#8795a5") for _, _, peer, _ in bars],
    )  # fmt: skip
    for bar, (wall, _, _, told) in zip(drawn, bars, strict=True):
        if told.startswith(" >"):
            bar.set_hatch("//")
            bar.set_alpha(0.5)
        axis.text(wall, bar.get_y() + bar.get_height() / 2, told, va="center", fontsize=8)
    axis.set_xscale("log")
    axis.set_xlabel("wall time, s (logarithmic; shorter is better)")
    parcels = {"XS": "2 000", "S": "10 000", "M": "100 000", "L": "1 000 000", "snapped": "50 000 snapped"}
    count = size["layers"].count(",") + 1
    axis.set_title(
        f"{parcels.get(size['size'], size['size'])} parcels x {count} layer{'s' * (count > 1)}", fontsize=10
    )
    axis.invert_yaxis()
    axis.margins(x=0.22)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
