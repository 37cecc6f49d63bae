"""Damage good files of every format and run the real commands on them, without end or for some minutes.

    python tools/fuzz_readers.py gpkg --minutes 10 --seed 1 --finds finds

A case is a seed. Its child process, which runs many cases, has limits on time and memory; when it dies,
hangs, shows a traceback, writes half an output, prints something that is not ours, or returns fewer rows than
the file holds without a word, the damaged files are kept in the folder of finds with what was said.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "bad_inputs"))
import damage
import good_files
from command import call, fault

SECONDS, MEGABYTES = 20.0, 1500.0
READERS = (
    *good_files.VECTORS,
    "csv",
    "xlsx",
    "xls",
    "toml",
    "yaml",
    "calendar",
    "result",
    "overlay",
    "field",
    "ledger",
    "sheets",
    "casefile",
)


def make(reader: str, folder: Path) -> list[Path]:
    """Write the good files of a reader; return those that are damaged."""
    if reader in good_files.VECTORS:
        path = good_files.vector(folder, reader)
        if reader == "shp":
            return [
                path,
                path.with_suffix(".dbf"),
                path.with_suffix(".shx"),
                path.with_suffix(".prj"),
                path.with_suffix(".cpg"),
            ]
        if reader == "gdb":
            return sorted(p for p in path.iterdir() if p.stat().st_size)
        return [path]
    if reader == "csv":
        good_files.project(folder)
        return [folder / "e.csv"]
    if reader in ("xlsx", "xls"):
        write = good_files.evidence_xls if reader == "xls" else good_files.evidence_xlsx
        table = write(folder / f"e.{reader}")
        path = good_files.project(folder)
        path.write_text(good_files.PROJECT.replace("e.csv", table.name), encoding="utf-8")
        return [table]
    if reader == "toml":
        return [good_files.project(folder)]
    if reader == "yaml":
        good_files.rule_book(folder)
        return sorted((folder / "book").rglob("*.yaml"))
    if reader == "calendar":
        good_files.results(folder, lambda arguments: call(list(arguments))[0])
        (folder / "h.csv").write_text(
            "date,kind,name\n2022-10-01,holiday,国庆节\n2022-10-08,workday,\n", encoding="utf-8"
        )
        return [folder / "h.csv"]
    good_files.results(folder, lambda arguments: call(list(arguments))[0])
    names = {
        "result": "o.gpkg",
        "overlay": "v.gpkg",
        "field": "f.gpkg",
        "ledger": "l.gpkg",
        "casefile": "c.zip",
    }
    return [folder / names[reader]] if reader in names else sorted((folder / "sheets").glob("*.xlsx"))[:1]


def commands(reader: str, folder: Path, turn: int) -> list[list[str]]:
    """Return what is run on the files; dear commands only every few turns."""
    f = {
        n: str(folder / n)
        for n in ("project.toml", "o.gpkg", "v.gpkg", "f.gpkg", "l.gpkg", "c.zip", "r.gpkg", "book")
    }
    out = {
        n: str(folder / "out" / n)
        for n in (
            "x.gpkg",
            "x.geojson",
            "x.xlsx",
            "x.toml",
            "shp",
            "x.html",
            "pack.gpkg",
            "x.txt",
            "kml",
            "l.gpkg",
        )
    }
    if reader in good_files.VECTORS:
        path = str(folder / good_files.VECTORS[reader])
        jobs = [["info", path], ["convert", path, out["x.geojson"]]]
        more = [
            [
                "run",
                path,
                "--layer",
                f"red_line={f['r.gpkg']}",
                "--set",
                'parcels.fields.category="WTLX"',
                "-o",
                out["x.gpkg"],
            ],
            ["run", f["r.gpkg"], "--crs", "EPSG:4548", "--layer", f"red_line={path}", "-o", out["x.gpkg"]],
            ["check", path, "--id", "TBBH", "--layer", f"red_line={f['r.gpkg']}"],
            ["init", path, f"red_line={f['r.gpkg']}", "-o", out["x.toml"]],
        ]
        return [*jobs, more[turn % len(more)]]
    if reader == "calendar":
        monthly = [
            "report",
            "monthly",
            f["l.gpkg"],
            "--month",
            "2022-09",
            "--calendar",
            str(folder / "h.csv"),
        ]
        return [[*monthly, "--draft", "--who", "x", "-o", out["shp"]]]
    if reader in ("csv", "xlsx", "xls", "toml", "yaml"):
        first = ["rules", "check", f["book"]] if reader == "yaml" else ["check", f["project.toml"]]
        return [first, ["run", f["project.toml"], "-o", out["x.gpkg"]]] if turn % 2 else [first]
    name, parcel = f["o.gpkg"], good_files.IDS[0]
    if reader == "result":
        more = [
            ["export", name, "-o", out["shp"]],
            ["report", "table", name, "-o", out["x.xlsx"]],
            ["report", "map", name, "-o", out["x.html"]],
            ["review", "pack", name, "-o", out["pack.gpkg"]],
            ["review", "merge", name, f["f.gpkg"]],
            ["ledger", "init", name, "-o", out["l.gpkg"], "--who", "x"],
            ["export", name, "-f", "txt", "-o", out["kml"]],
        ]
        return [["explain", name, parcel], ["relink", name], more[turn % len(more)], ["info", name]]
    if reader == "overlay":
        return [["decide", f["v.gpkg"], "-o", out["x.gpkg"]]]
    if reader == "field":
        return [["review", "merge", name, f["f.gpkg"]]]
    if reader == "casefile":
        return [["replay", f["c.zip"]]]
    ledger = f["l.gpkg"]
    if reader == "sheets":
        sheet = str(next(iter(sorted((folder / "sheets").glob("*.xlsx")))))
        return [["ledger", "take", ledger, sheet, "--dry-run", "--who", "x"]]
    more = [
        ["ledger", "history", ledger, parcel],
        ["ledger", "due", ledger],
        ["ledger", "update", ledger, name, "--who", "x"],
        ["ledger", "set", ledger, parcel, "--state", "in_progress", "--who", "x"],
    ]
    return [["ledger", "audit", ledger], ["ledger", "progress", ledger], more[turn % len(more)]]


def peak_mb() -> float:
    with Path("/proc/self/status").open(encoding="ascii") as stream:
        return next(int(line.split()[1]) / 1000 for line in stream if line.startswith("VmHWM"))


def child(reader: str, good: Path, work: Path, pipe: Any) -> None:
    """Run cases until told to stop."""
    os.environ["LC_ALL"] = "en_US.UTF-8"
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    targets = [Path(p).relative_to(good) for p in json.loads((work.parent / "targets.json").read_text())]
    while True:
        seed, turn = pipe.recv()
        if seed is None:
            return
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(good, work)
        (work / "out").mkdir()
        import random

        rng = random.Random(seed)
        for target in rng.sample(targets, 1 if rng.random() < 0.85 else min(2, len(targets))):
            damage.damage(work / target, f"{seed}:{target}")
        shutil.copytree(work, work.parent / "last", dirs_exist_ok=True)
        Path("/proc/self/clear_refs").write_text("5")
        base = peak_mb()
        answers = []
        for arguments in commands(reader, work, turn):
            began = time.perf_counter()
            pipe.send(("begin", arguments))
            status, text = call(["--lang", "en", *arguments])
            source = work / good_files.VECTORS[reader] if reader in good_files.VECTORS else None
            wrong = fault(arguments, status, text, work / "out", source)
            if wrong == "internal fault":
                text += call(["--lang", "en", "--debug", *arguments])[1]
            shutil.rmtree(work / "out", ignore_errors=True)
            (work / "out").mkdir()
            answers.append((arguments, status, text, wrong, time.perf_counter() - began))
        pipe.send(("done", answers, peak_mb() - base))


class Runner:
    """Starts children and keeps what they find."""

    def __init__(self, reader: str, finds: Path) -> None:
        self.reader, self.finds = reader, finds
        self.home = Path(tempfile.mkdtemp(prefix=f"fuzz-{reader}-"))
        self.good, self.work = self.home / "good", self.home / "work"
        self.good.mkdir()
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            targets = pool.apply(make, (reader, self.good))
        (self.home / "targets.json").write_text(json.dumps([str(p) for p in targets]))
        self.context = context
        self.process: Any = None
        self.pipe: Any = None
        self.known: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()

    def start(self) -> None:
        self.pipe, other = self.context.Pipe()
        self.process = self.context.Process(
            target=child, args=(self.reader, self.good, self.work, other), daemon=True
        )
        self.process.start()
        other.close()

    def case(self, seed: str, turn: int) -> None:
        if self.process is None or not self.process.is_alive():
            self.start()
        self.pipe.send((seed, turn))
        current: list[str] = []
        began = time.monotonic()
        while True:
            try:
                if not self.pipe.poll(SECONDS + 20 if not current else SECONDS):
                    self.stop()
                    self.keep(seed, "hang", current, "")
                    return
                answer = self.pipe.recv()
            except (EOFError, OSError):
                self.process.join(5)
                self.keep(seed, f"died with {self.process.exitcode}", current, "")
                self.process = None
                return
            if answer[0] == "begin":
                current = answer[1]
                continue
            for arguments, status, text, wrong, seconds in answer[1]:
                self.statuses[f"{arguments[0]} {status}"] += 1
                if wrong:
                    self.keep(seed, wrong, arguments, text)
                if seconds > SECONDS / 2:
                    self.keep(seed, "slow", arguments, f"{seconds:.1f} s\n{text}")
            if answer[2] > MEGABYTES:
                self.keep(seed, "memory", current, f"{answer[2]:.0f} MB")
            if time.monotonic() - began > 60:
                self.stop()
            return

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.process = None

    def keep(self, seed: str, wrong: str, arguments: list[str], text: str) -> None:
        lines = [line for line in text.strip().splitlines() if line.strip()]
        inner = [line.strip() for line in lines if line.lstrip().startswith("File ") and "landremed" in line]
        last = lines[-1][:150] if lines else ""
        key = f"{wrong} | {' '.join(arguments[:2])} | {inner[-1] if inner else ''} | {last}"
        key = key.replace(str(self.home), "")
        self.known[key] += 1
        if self.known[key] > 2:
            return
        folder = self.finds / self.reader / f"{seed.replace(':', '_')}-{len(self.known)}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.home / "last", folder / "files", dirs_exist_ok=True)
        said = [
            f"{key}",
            f"seed {seed}",
            "landremed " + " ".join(arguments).replace(str(self.work), "files"),
            text,
        ]
        (folder / "said.txt").write_text("\n".join(said), encoding="utf-8", errors="replace")
        print(f"{self.reader} {seed}: {key}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", nargs="+", choices=READERS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=0, help="stop after so many cases")
    parser.add_argument("--finds", type=Path, default=Path("finds"))
    options = parser.parse_args()
    for reader in options.reader:
        runner = Runner(reader, options.finds)
        began, number = time.monotonic(), options.first
        while time.monotonic() - began < 60 * options.minutes:
            runner.case(f"{options.seed}:{number}", number)
            number += 1
            if options.cases and number - options.first >= options.cases:
                break
        minutes = (time.monotonic() - began) / 60
        print(f"== {reader}: {number - options.first} cases in {minutes:.1f} minutes", dict(runner.statuses))
        for key, count in runner.known.most_common():
            print(f"   {count:6} × {key}")
        sys.stdout.flush()
        if runner.process is not None:
            runner.stop()
        shutil.rmtree(runner.home, ignore_errors=True)


if __name__ == "__main__":
    main()
