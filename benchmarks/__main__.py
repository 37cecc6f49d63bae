"""Time landremed's overlay beside other tools: one command, all sides in turn.

    python -m benchmarks --data FOLDER --sizes S,M --peers product,io_floor,shapely_tiled --repeat 3

Data are generated when missing. Contestants run alternately, each in a process of its own; times start after
their imports and include reading the files and writing every piece to a GeoPackage. A contestant that is not
installed is skipped by name. Writes results.json, results.md and results.png to the data folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

PEERS = (
    "product", "io_floor", "geopandas_overlay", "shapely_sjoin", "shapely_tiled", "duckdb_spatial",
    "sedonadb", "postgis", "qgis_intersection",
)  # fmt: skip
LAYERS = ("farmland", "redline", "urban", "green", "towns")


def run(peer: str, data: Path, size: str, layers: list[str], limit: int) -> dict | str:
    """Run one contestant once; return its result or why there is none."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        f"benchmarks.peers.{peer}",
        str(data),
        size,
        ",".join(layers),
    ]
    out = data / f"out_{peer}_{size}.gpkg"
    try:
        done = subprocess.run(
            [*command, str(out)], capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not finished in {limit} s"
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["failed"]
        return last[0]
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(options: argparse.Namespace) -> list[dict]:
    results = []
    for size in options.sizes:
        layers = ["farmland"] if size == "snapped" else options.layers
        runs: dict[str, list[dict]] = {peer: [] for peer in options.peers}
        skipped: dict[str, str] = {}
        for turn in range(options.repeat):
            for peer in options.peers:
                if peer in skipped or (turn and runs[peer] and runs[peer][0]["wall"] > options.once_above):
                    continue
                found = run(peer, options.data, size, layers, options.limit)
                if isinstance(found, str):
                    skipped[peer] = found
                    print(f"{size} {peer}: skipped ({found})", flush=True)
                else:
                    runs[peer].append(found)
                    print(f"{size} {peer}: {found['wall']:.2f} s, cpu {found['cpu']:.1f} s", flush=True)
        results.append({"size": size, "layers": layers, "runs": runs, "skipped": skipped, "gates": []})
        if options.gates and runs.get("product"):
            from benchmarks.gates import check

            firsts = [r[0] for peer, r in runs.items() if r and peer != "io_floor"]
            out = str(options.data / f"out_product_{size}.gpkg")
            results[-1]["gates"] = check(str(options.data), size, layers, out, firsts)
    return results


def table(results: list[dict]) -> str:
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", ""]
    for result in results:
        lines += [f"### {result['size']}: {', '.join(result['layers'])}", ""]
        lines += ["| tool | version | n | wall s (median, range) | CPU s | peak MB | x landremed |"]
        lines += ["|---|---|---|---|---|---|---|"]
        ours = median(result["runs"].get("product", []), "wall")
        for peer, runs in result["runs"].items():
            if not runs:
                lines.append(f"| {peer} | skipped: {result['skipped'].get(peer, '')} | | | | | |")
                continue
            wall = median(runs, "wall")
            low, high = min(r["wall"] for r in runs), max(r["wall"] for r in runs)
            ratio = f"{wall / ours:.2f}" if ours else ""
            lines.append(
                f"| {runs[0]['name']} | {runs[0].get('version', '')} | {len(runs)} "
                f"| {wall:.2f} ({low:.2f}-{high:.2f}) | {median(runs, 'cpu'):.1f} "
                f"| {max(r['rss_mb'] for r in runs)} | {ratio} |"
            )
        lines.append("")
        for gate, figure, passed in result["gates"]:
            lines.append(f"- {'ok' if passed else 'FAILED'}: {gate}: {figure}")
        lines.append("")
    return "\n".join(lines)


def median(runs: list[dict], key: str) -> float:
    return statistics.median([r[key] for r in runs]) if runs else 0.0


def plot(results: list[dict], path: Path) -> None:
    """Draw median wall times, logarithmic, one panel per size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(5.5 * len(results), 3.6), squeeze=False)
    for axis, result in zip(axes[0], results, strict=True):
        bars = sorted((median(r, "wall"), r[0]["name"]) for r in result["runs"].values() if r)
        colours = ["#1b7f4d" if name == "landremed" else "#9aa5b1" for _, name in bars]
        axis.barh([name for _, name in bars], [wall for wall, _ in bars], color=colours)
        for i, (wall, _) in enumerate(bars):
            axis.text(wall, i, f" {wall:.1f} s", va="center", fontsize=8)
        axis.set_xscale("log")
        axis.set_xlabel("wall time, s (log)")
        axis.set_title(f"{result['size']}: {', '.join(result['layers'])}", fontsize=9)
        axis.invert_yaxis()
        axis.margins(x=0.25)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--sizes", default="S", type=lambda t: t.split(","), help="of S, M, L, snapped")
    parser.add_argument("--layers", default=",".join(LAYERS), type=lambda t: t.split(","))
    parser.add_argument("--peers", default=",".join(PEERS), type=lambda t: t.split(","))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--once-above", type=float, default=120, help="slower contestants run once, s")
    parser.add_argument("--limit", type=int, default=1800, help="time limit of one run, s")
    parser.add_argument("--no-gates", dest="gates", action="store_false")
    options = parser.parse_args()
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"no contestant {peer!r}; choose of {', '.join(PEERS)}")
    from benchmarks.generate import generate
    from landremed.overlay.native.engine import warm_up

    generate(str(options.data), options.sizes)
    warm_up(print)
    results = measure(options)
    (options.data / "results.json").write_text(json.dumps(results, indent=1, default=str))
    (options.data / "results.md").write_text(table(results))
    plot(results, options.data / "results.png")
    print(table(results))


if __name__ == "__main__":
    main()
