"""What every contestant shares: arguments, wall and CPU time, peak memory, one line of JSON at the end."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time

import psutil

TOUCHING_M2 = 1e-6
"""What is smaller is no piece: landremed calls it touching, so nobody's is counted."""


class Job:
    """Arguments ``DATA SIZE LAYER,LAYER OUT``, as given by ``python -m benchmarks``, and a contestant's own."""

    def __init__(self):
        self.data, self.size, layers, self.out, *self.extra = sys.argv[1:]
        self.layers = layers.split(",")

    def path(self, name, ext):
        return os.path.join(self.data, f"{name}.{ext}")

    def parcels(self, ext):
        return self.path("parcels_" + self.size, ext)

    def fresh_out(self, tag=""):
        path = self.out.replace(".gpkg", tag + ".gpkg")
        if os.path.exists(path):
            os.remove(path)
        return path


class Meter:
    """Wall, CPU and peak resident memory of this process and its children.

    With ``shares`` also the peak of the proportional set size (PSS), in which pages that several processes share
    count once; looking it up costs more, so memory is then looked at less often. Time of children whose own
    parent ended first is counted too (Linux).
    """

    def __init__(self, name, match=None, shares=False):
        self.name, self.match, self.shares = name, match, shares
        self.pss, self.pause = 0, 0.25 if shares else 0.05
        if shares:
            adopt_orphans()
        self.stages, self.totals, self.pieces = {}, {}, {}
        self.peak = 0
        self._stop = threading.Event()
        self._cpu0 = self._cpu()
        self._start = self._last = time.perf_counter()
        threading.Thread(target=self._watch, daemon=True).start()

    def mark(self, stage):
        now = time.perf_counter()
        self.stages[stage] = round(self.stages.get(stage, 0) + now - self._last, 3)
        self._last = now

    def done(self, **more):
        wall = time.perf_counter() - self._start
        self._stop.set()
        if self.shares:
            bury_orphans()
        print(
            json.dumps(
                {
                    "name": self.name,
                    "wall": round(wall, 3),
                    "cpu": round(self._cpu() - self._cpu0, 2),
                    "rss_mb": round(self.peak / 2**20),
                    **({"pss_mb": round(self.pss / 2**20)} if self.shares else {}),
                    "stages": self.stages,
                    "totals": self.totals,
                    "pieces": self.pieces,
                    **more,
                }  # fmt: skip
            )
        )

    def _processes(self):
        me = psutil.Process()
        found = [me, *me.children(recursive=True)]
        if self.match:
            found += [p for p in psutil.process_iter(["name"]) if self.match in (p.info["name"] or "")]
        return {p.pid: p for p in found}.values()

    def _cpu(self):
        total = 0.0
        for process in self._processes():
            try:
                t = process.cpu_times()
                total += t.user + t.system + t.children_user + t.children_system
            except psutil.Error:
                pass
        return total

    def _watch(self):
        while not self._stop.wait(self.pause):
            total = shared = 0
            for process in self._processes():
                try:
                    total += process.memory_info().rss
                    if self.shares:
                        shared += process.memory_full_info().pss
                except psutil.Error:
                    pass
            self.peak, self.pss = max(self.peak, total), max(self.pss, shared)


def adopt_orphans():
    """Become the parent of descendants whose own parent has ended, so that their time is counted."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def bury_orphans():
    """Wait for every descendant that is left."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return
