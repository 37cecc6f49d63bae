"""How ``landremed run`` grows with the parcels, the processes and the memory.

    python -m benchmarks.scale --data FOLDER --sizes S,M,L --jobs 1,2 --memory 2GB

Data are generated when missing, in chunks, so that 10^7 parcels (XL) need no more memory than 10^5. Every run is a
process of its own, as people start it; its workers' time counts, and the peak of memory is the proportional set size
over all its processes (pages that they share count once). Runs are kept in scale.jsonl as they end: the command goes
on where it was stopped. At the end scale.md, scale.json and scale.png are written to the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.contest import LAYERS, Contest, run_all
from benchmarks.generate import FORMS, generate_layers, parcels_of
from benchmarks.project import write_project
from benchmarks.report import machine, summarise

NATIONAL = 3e8
"""Parcels of the national land survey."""

PARALLEL = ("partitions",)
"""Stages that are done by all processes together; the others are done by one."""


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing and write the figures; 1 where a run failed."""
    options = _options(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    contest = Contest(
        options.data, options.sizes, _contestants(options), list(LAYERS),
        options.repeat, options.once_above, options.timeout, "scale",
    )  # fmt: skip
    if options.fresh and contest.store.exists():
        contest.store.replace(contest.store.with_suffix(".old.jsonl"))
    _prepare(options)
    records = run_all(contest)
    rows = figures(records)
    text = table(rows) + forecast_table(forecast(rows, options.nodes, options.cores), options.cores)
    (options.data / "scale.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (options.data / "scale.md").write_text(text, encoding="utf-8")
    plot(rows, options.plot or options.data / "scale.png")
    print(text)
    return int(any("wall_s" not in row for row in rows))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, default=Path("bench-data"), help="folder of the data and results")
    add("--sizes", default="S,M", type=_sizes, help="XS, S, M, L, XL (10^7), or numbers of parcels")
    add("--jobs", default="1,2", type=lambda text: text.split(","), help="numbers of processes")
    add("--cluster", default="", type=lambda text: text.split(","), help="also on dask: tcp://…, local:N")
    add("--form", default="parquet", choices=FORMS, help="format of the parcels")
    add("--to", default="folder", choices=("folder", "gpkg"), help="format of the result")
    add("--memory", default="", help="handed on to landremed run")
    add("--nodes", default="1,4,16,64", type=_numbers, help="machines of the forecast")
    add("--cores", default=16, type=int, help="cores of each of them")
    add("--repeat", type=int, default=1, help="runs of each")
    add("--once-above", type=float, default=300, help="what is slower than this runs once, s")
    add("--timeout", type=int, default=36_000, help="a run is ended after this, s")
    add("--fresh", action="store_true", help="do not go on with earlier runs")
    add("--plot", type=Path, help="where the picture goes")
    return parser.parse_args(arguments)


def _sizes(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        try:
            parcels_of(name)
        except ValueError:
            raise argparse.ArgumentTypeError(f"no size {name!r}") from None
    return names


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _contestants(options: argparse.Namespace) -> list[str]:
    """Return what is run, in the form ``scale_run --form … --jobs N``."""
    common = f"scale_run --form {options.form} --to {options.to}"
    if options.memory:
        common += f" --memory {options.memory}"
    return [
        *(f"{common} --jobs {jobs}" for jobs in options.jobs if jobs),
        *(f"{common} --cluster {cluster}" for cluster in options.cluster if cluster),
    ]


def _prepare(options: argparse.Namespace) -> None:
    from landremed.overlay.native.engine import warm_up

    generate_layers(str(options.data))
    for size in options.sizes:
        write_project(str(options.data), size, form=options.form)
    warm_up(lambda _: print("Compiling the overlay kernels once."))


def figures(records: list[dict]) -> list[dict]:
    """Return one entry per size and way of running, with what follows from the times."""
    rows = []
    for size in summarise(records, {}):
        parcels = parcels_of(size["size"])
        alone = next((r.get("wall_s") for r in size["rows"] if _way(r["peer"]) == "--jobs 1"), None)
        for row in size["rows"]:
            entry = {"size": size["size"], "parcels": parcels, "way": _way(row["peer"]), **row}
            if "wall_s" in row:
                entry |= {"s_per_million": 1e6 * row["wall_s"] / parcels}
                entry |= {"cpu_s_per_million": 1e6 * row["cpu_s"] / parcels}
                entry |= {"speed_up": alone / row["wall_s"]} if alone else {}
            rows.append(entry)
    return rows


def _way(peer: str) -> str:
    """Return how the processes were started, out of a contestant."""
    return " ".join(peer.split()[-2:])


def stage_share(row: dict) -> tuple[float, float]:
    """Return the seconds of a run that one process and all processes together took."""
    spent = {name: s for name, s in row["stages_s"].items() if name != "total"}
    together = sum(s for name, s in spent.items() if name in PARALLEL)
    return sum(spent.values()) - together, together


def forecast(rows: list[dict], nodes: list[int], cores: int) -> list[dict]:
    """Return hours for the national survey on so many machines, from the two largest runs in several processes.

    What more parcels took between those two is what a parcel takes, in the stages of one process and in the
    partitions; what does not grow with them is left out. Reading and writing by all machines at a time is taken
    to cost nothing more.
    """
    divided = [row for row in rows if "wall_s" in row and _processes(row) > 1 and stage_share(row)[1]]
    way = max(divided, key=lambda row: row["parcels"])["way"] if divided else ""
    runs = sorted((row for row in divided if row["way"] == way), key=lambda row: row["parcels"])[-2:]
    if len(runs) < 2:
        return []
    small, large = runs
    more = NATIONAL / (large["parcels"] - small["parcels"]) / 3600
    spent = [(b - a) * more for a, b in zip(stage_share(small), stage_share(large), strict=True)]
    alone, together = spent[0], spent[1] * _processes(large)
    sizes = [small["parcels"], large["parcels"]]
    return [
        {
            "nodes": n, "from_parcels": sizes, "way": way, "one_process_h": alone,
            "partitions_h": together / (n * cores), "hours": alone + together / (n * cores),
        }
        for n in nodes
    ]  # fmt: skip


def _processes(row: dict) -> int:
    """Return the number of processes on this machine that a run was divided among, 0 where it is not known."""
    number = row["way"].split()[-1].removeprefix("local:")
    return int(number) if number.isdigit() else 0


def forecast_table(rows: list[dict], cores: int) -> str:
    """Return the forecast as Markdown."""
    if not rows:
        return ""
    (first, last), way = rows[0]["from_parcels"], rows[0]["way"]
    lines = [
        "",
        f"Forecast for {NATIONAL:,.0f} parcels, from what came on top of {first:,} for {last:,} with `{way}`:",
        "",
        f"| machines of {cores} cores | hours | of which one process | partitions |",
        "|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['nodes']} | {row['hours']:.1f} | {row['one_process_h']:.1f} | {row['partitions_h']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def table(rows: list[dict]) -> str:
    """Return the figures as Markdown."""
    lines = [machine(), ""]
    lines += [
        "| parcels | processes | n | wall s (range) | s per 10^6 | CPU s per 10^6 | peak MB | speed-up | load |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        head = f"| {row['parcels']:,} | `{row['way']}` | {row['n']} "
        if "wall_s" not in row:
            lines.append(head + f"| {row['why'].replace('|', '/')} | | | | | |")
            continue
        faster = f"{row['speed_up']:.2f}" if "speed_up" in row else ""
        lines.append(
            head + f"| {row['wall_s']:.1f} ({row['wall_min_s']:.1f}-{row['wall_max_s']:.1f}) "
            f"| {row['s_per_million']:.0f} | {row['cpu_s_per_million']:.0f} | {row['pss_mb']} | {faster} "
            f"| {row['load']:.1f} |"
        )
    return "\n".join([*lines, "", *_stage_table([row for row in rows if "wall_s" in row])]) + "\n"


def _stage_table(rows: list[dict]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["stages_s"]))
    heads = [f"{row['parcels']:,} `{row['way']}`" for row in rows]
    lines = ["| stage, s | " + " | ".join(heads) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in names:
        spent = [row["stages_s"].get(name) for row in rows]
        lines.append(f"| {name} | " + " | ".join("" if s is None else f"{s:.1f}" for s in spent) + " |")
    return lines


def plot(rows: list[dict], path: Path) -> None:
    """Draw seconds per million parcels, and memory, by the number of parcels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    measured = [row for row in rows if "wall_s" in row]
    if not measured:
        return
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 3.8))
    for way in dict.fromkeys(row["way"] for row in measured):
        mine = sorted((row for row in measured if row["way"] == way), key=lambda row: row["parcels"])
        parcels = [row["parcels"] for row in mine]
        time.plot(parcels, [row["s_per_million"] for row in mine], marker="o", label=way)
        memory.plot(parcels, [row["pss_mb"] / 1024 for row in mine], marker="o", label=way)
    time.set_yscale("log")
    time.set_ylabel("s per 10⁶ parcels (logarithmic)")
    memory.set_ylabel("peak memory of all processes, GB")
    memory.set_ylim(bottom=0)
    for axis in (time, memory):
        axis.set_xscale("log")
        axis.set_xlabel("parcels")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
