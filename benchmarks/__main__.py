"""Time landremed beside other tools: one command, all sides in turn.

    python -m benchmarks --data FOLDER --sizes S,M --repeat 3

Data are generated when missing. Contestants run alternately, each in a process of its own; times start after
their imports and include reading the files and writing every piece to a GeoPackage. One that is not installed
is reported as such. Every run is kept in results.jsonl as it ends: the command goes on where it was stopped, and
runs that failed are tried again. At the end results.md, results.json and results.png are written to the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path

from benchmarks.contest import LAYERS, PEERS, Contest, layers_of, run_all
from benchmarks.report import plot, summarise, table

SIZES = ("XS", "S", "M", "L", "snapped")


def main(arguments: list[str] | None = None) -> int:
    """Run the contest and write its figures; 1 where a gate failed."""
    options = _options(arguments)
    contest = Contest(
        options.data, options.sizes, options.peers, options.layers,
        options.repeat, options.once_above, options.timeout,
    )  # fmt: skip
    options.data.mkdir(parents=True, exist_ok=True)
    if options.fresh and contest.store.exists():
        contest.store.replace(contest.store.with_suffix(".old.jsonl"))
    if not options.table_only:
        _prepare(options)
    records = run_all(contest)
    gates = _gates(contest, records) if options.gates else {}
    summary = summarise(records, gates)
    (options.data / "results.json").write_text(json.dumps(summary, indent=1, default=str), encoding="utf-8")
    (options.data / "results.md").write_text(table(summary), encoding="utf-8")
    plot(summary, options.plot or options.data / "results.png")
    print(table(summary))
    return int(any(not passed for size in summary for _, _, passed in size["gates"]))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=Path("bench-data"), help="folder of the data and results")
    add("--sizes", default="S", type=_names(SIZES), help=f"of {', '.join(SIZES)}")
    add("--layers", default=",".join(LAYERS), type=_names(LAYERS), help=f"of {', '.join(LAYERS)}")
    add("--peers", default=",".join(PEERS), type=_names(PEERS), help=f"of {', '.join(PEERS)}")
    add("--repeat", type=int, default=3, help="runs of each contestant")
    add("--once-above", type=float, default=120, help="contestants slower than this run once, s")
    add(
        "--timeout",
        type=int,
        default=600,
        help="a run is ended after this, s; known longer ones are left out",
    )
    add("--no-gates", dest="gates", action="store_false", help="leave the checks of correctness out")
    add("--fresh", action="store_true", help="do not go on with earlier runs")
    add("--table-only", action="store_true", help="no preparation: missing runs only, then the table")
    add("--plot", type=Path, help="where the picture goes")
    return parser.parse_args(arguments)


def _names(known: tuple[str, ...]):
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {name!r}; choose of {', '.join(known)}")
        return names

    return parse


def _prepare(options: argparse.Namespace) -> None:
    from benchmarks.generate import generate
    from benchmarks.project import write_project
    from landremed.overlay.native.engine import warm_up

    generate(str(options.data), options.sizes)
    if "product_run" in options.peers:
        for size in options.sizes:
            if size != "snapped":
                write_project(str(options.data), size)
    warm_up(lambda _: print("Compiling the overlay kernels once."))


def _gates(contest: Contest, records: list[dict]) -> dict[str, list]:
    """Check every size that landremed was run at; a check that breaks is a gate that failed."""
    from benchmarks.gates import check

    found = {}
    for size in contest.sizes:
        runs = {r["peer"]: r["result"] for r in records if r["size"] == size and "result" in r}
        if "product" not in runs:
            continue
        out = contest.data / f"out_product_{size}.gpkg"
        try:
            found[size] = check(contest.data, size, layers_of(size, contest.layers), out, runs)
        except Exception as error:
            traceback.print_exc()
            found[size] = [("checks", f"broke: {error}", False)]
    return found


if __name__ == "__main__":
    sys.exit(main())
