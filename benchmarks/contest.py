"""Runs of the contestants, in turn, each in a process of its own, kept as they come."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

LAYERS = ("farmland", "redline", "urban", "green", "towns")
PEERS = (
    "product", "product_run", "io_floor", "shapely_tiled", "shapely_sjoin", "geopandas_overlay",
    "duckdb_spatial", "sedonadb", "postgis", "qgis_intersection",
)  # fmt: skip
NEEDS_ALL_LAYERS = ("product_run",)
LONG = {
    "M": ("shapely_sjoin", "duckdb_spatial", "sedonadb", "qgis_intersection"),
    "L": ("shapely_sjoin", "duckdb_spatial", "sedonadb", "qgis_intersection", "geopandas_overlay", "postgis"),
}
"""Contestants that need more than ten minutes for all layers at a size."""

LONG_S = 600


@dataclass
class Contest:
    """What is run: contestants by size, how often and how long."""

    data: Path
    sizes: list[str]
    peers: list[str]
    layers: list[str]
    repeat: int
    once_above: float
    timeout: int
    name: str = "results"
    results: list[dict] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.data / f"{self.name}.jsonl"


def layers_of(size: str, layers: list[str]) -> list[str]:
    """Return the layers of a size: parcels that are farmland themselves are held against farmland alone."""
    return ["farmland"] if size == "snapped" else layers


def run_all(contest: Contest) -> list[dict]:
    """Run what is not in the store yet; return every record of the contest."""
    known = load(contest.store)
    for size in contest.sizes:
        layers = layers_of(size, contest.layers)
        gone: set[str] = set()
        for turn in range(contest.repeat):
            for peer in contest.peers:
                key = (size, ",".join(layers), peer)
                if peer in gone or (turn and _long(known, key, contest.once_above)):
                    continue
                if (*key, turn) not in known:
                    known[(*key, turn)] = record = _record(contest, key, turn)
                    _keep(contest.store, record)
                    _tell(record)
                if "result" not in known[(*key, turn)]:
                    gone.add(peer)
    wanted = {(s, ",".join(layers_of(s, contest.layers)), p) for s in contest.sizes for p in contest.peers}
    return [r for key, r in known.items() if key[:3] in wanted and key[3] < contest.repeat]


def load(store: Path) -> dict[tuple, dict]:
    """Return what was measured before, the last record of each run; runs that failed are run again."""
    known: dict[tuple, dict] = {}
    if store.exists():
        for line in store.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that was being written when a contest was killed
            if "result" in record or record.get("why", "").startswith(">"):
                known[(record["size"], record["layers"], record["peer"], record["turn"])] = record
    return known


def _long(known: dict[tuple, dict], key: tuple, once_above: float) -> bool:
    first = known.get((*key, 0), {})
    return first.get("result", {}).get("wall", 0) > once_above


def _record(contest: Contest, key: tuple[str, str, str], turn: int) -> dict:
    size, layers, peer = key
    record = {"size": size, "layers": layers, "peer": peer, "turn": turn}
    record |= {"at": time.strftime("%Y-%m-%d %H:%M:%S"), "load": round(os.getloadavg()[0], 2)}
    if contest.timeout <= LONG_S and peer in LONG.get(size, ()) and set(LAYERS) <= set(layers.split(",")):
        return record | {"why": f"> {LONG_S} s (known, left out)"}
    found = _run(contest, size, layers, peer)
    return record | ({"why": found} if isinstance(found, str) else {"result": found})


def _run(contest: Contest, size: str, layers: str, peer: str) -> dict | str:
    """Run one contestant once; return its figures or why there are none."""
    if peer in NEEDS_ALL_LAYERS and (set(layers.split(",")) != set(LAYERS) or size == "snapped"):
        return "only with all layers"
    module, *extra = peer.split()  # a contestant may have options of its own
    out = contest.data / f"out_{re.sub(r'[^0-9A-Za-z]+', '_', peer)}_{size}.gpkg"
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.peers.{module}"]
    child = subprocess.Popen(
        [*command, str(contest.data), size, layers, str(out), *extra],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said, wrong = child.communicate(timeout=contest.timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGTERM)  # with the children it started
        try:
            child.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        return f"> {contest.timeout} s"
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    if child.returncode != 0:
        last = (wrong.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        return f"not installed ({last})" if "ModuleNotFoundError" in wrong else f"failed: {last[:200]}"
    try:
        return json.loads(said.strip().splitlines()[-1])
    except (json.JSONDecodeError, IndexError):
        return "failed: no result"


def _keep(store: Path, record: dict) -> None:
    with store.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _tell(record: dict) -> None:
    found = record.get("result")
    told = (
        f"{found['wall']:.2f} s, cpu {found['cpu']:.1f} s, {found['rss_mb']} MB" if found else record["why"]
    )
    print(f"{record['at']} {record['size']} {record['peer']} #{record['turn'] + 1}: {told}", flush=True)
