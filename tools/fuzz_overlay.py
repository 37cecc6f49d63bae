"""Hold the native overlay engine against exact rational arithmetic on adversarial polygon pairs.

    python tools/fuzz_overlay.py --pairs 100000 --seed 1 --jobs 2

Every case is one parcel and one or more features of a layer, up to a heap that lies on itself many times.
The area of the parcel's intersection with the union of the features must agree with exact arithmetic within
max(1e-6 exact, 1e-9 smaller polygon, 1e-4 m²), so must each feature's own; the piece must be valid,
as large as it says, and keep the parcel's vertices. Failures are written as WKT to a folder, to become
permanent cases in tests/overlay_cases.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import shapely

Case = tuple[str, shapely.Geometry, list[shapely.Geometry]]
Generator = np.random.Generator

KINDS = (
    "stars", "near", "lattice", "comb", "spiral", "sliver", "nested", "quilt", "cut", "big", "parts", "heap",
)  # fmt: skip
ORIGINS = ((0.0, 0.0), (500_000.0, 4_300_000.0), (39_500_000.0, 4_300_000.0), (1e7, 1e7))


def star(rng: Generator, size: float = 50.0, n: int | None = None) -> shapely.Geometry:
    n = n or int(rng.integers(3, 30))
    angle = np.sort(rng.random(n)) * 2 * np.pi
    radius = size * (0.3 + rng.random(n))
    centre = rng.random(2) * size
    return shapely.Polygon(np.c_[centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def lattice(rng: Generator) -> shapely.Geometry:
    """Small integer coordinates: touching, collinear and concurrent edges everywhere."""
    n = int(rng.integers(3, 9))
    span = int(rng.integers(3, 9))
    points = rng.integers(0, span, (n, 2)).astype(float)
    middle = points.mean(axis=0)
    order = np.argsort(np.arctan2(points[:, 1] - middle[1], points[:, 0] - middle[0]))
    return shapely.Polygon(points[order]) if len(points) > 2 else star(rng)


def near(rng: Generator) -> tuple[shapely.Geometry, shapely.Geometry]:
    """The same polygon twice, moved, turned or jittered by 1e-10 to 1e-3 m."""
    a = star(rng, 100.0)
    step = 10.0 ** rng.uniform(-10, -3)
    how = rng.integers(0, 4)
    xy = shapely.get_coordinates(a)
    if how == 0:
        b = shapely.transform(a, lambda c: c + rng.normal(0, step, 2))
    elif how == 1:
        moved = xy[:-1] + rng.normal(0, step, xy[:-1].shape)
        b = shapely.Polygon(moved)
    elif how == 2:
        t = step / 100
        b = shapely.transform(a, lambda c: c @ np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]]))
    else:  # vertices put on the edges, up to rounding
        t = rng.random(len(xy) - 1)[:, None]
        on = xy[:-1] + t * (xy[1:] - xy[:-1])
        b = shapely.Polygon(np.stack([xy[:-1], on], 1).reshape(-1, 2))
        if rng.random() < 0.5:
            b = b.symmetric_difference(shapely.box(*(rng.random(2) * 50), *(60 + rng.random(2) * 50)))
    return a, b


def comb(rng: Generator) -> shapely.Geometry:
    teeth = int(rng.integers(2, 12))
    width = 10.0 ** rng.uniform(-4, 1)
    xs = np.arange(teeth) * (2 * width)
    top = 20 + rng.random(teeth) * 30
    points = [(-width, -5.0)]
    for x, y in zip(xs, top, strict=True):
        points += [(x - 0.0, 0.0), (x, y), (x + width, y), (x + width, 0.0)]
    points += [(xs[-1] + 2 * width, 0.0), (xs[-1] + 2 * width, -5.0)]
    turn = rng.random() * np.pi * (rng.random() < 0.7)
    m = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return shapely.Polygon(np.array(points) @ m)


def spiral(rng: Generator) -> shapely.Geometry:
    n = int(rng.integers(8, 40))
    angle = np.linspace(0, rng.uniform(2, 5) * np.pi, n)
    radius = 3 + angle * 4
    wide = 10.0 ** rng.uniform(-3, 0.8)
    inner = np.c_[radius * np.cos(angle), radius * np.sin(angle)]
    outer = np.c_[(radius + wide) * np.cos(angle), (radius + wide) * np.sin(angle)]
    return shapely.Polygon(np.r_[inner, outer[::-1]])


def sliver(rng: Generator) -> shapely.Geometry:
    length = 10.0 ** rng.uniform(0, 3)
    wide = 10.0 ** rng.uniform(-9, -1)
    t = np.sort(rng.random(int(rng.integers(1, 5))))
    low = np.c_[t * length, np.zeros(len(t))]
    points = np.r_[[[0, 0]], low, [[length, 0]], [[length * rng.random(), wide]]]
    turn = rng.random() * np.pi
    m = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return shapely.Polygon(points @ m + rng.random(2) * 20)


def nested(rng: Generator) -> shapely.Geometry:
    """Rings within rings, some of which touch."""
    result = shapely.box(0, 0, 60, 60)
    lo = 0.0
    for _ in range(int(rng.integers(1, 5))):
        lo += rng.integers(1, 6)
        hole = shapely.box(lo, lo, 60 - lo, 60 - lo)
        if rng.random() < 0.3:
            hole = shapely.Polygon([(lo, 30), (30, lo), (60 - lo, 30), (30, 60 - lo)])
        result = result.symmetric_difference(hole)
    return result


def jagged(rng: Generator) -> shapely.Geometry:
    """A big ring, long enough for the engine's tree of boxes, with holes."""
    n = int(rng.integers(60, 500))
    angle = (np.arange(n) + 0.5 * rng.random(n)) / n * 2 * np.pi
    radius = 200 * (1 + 0.3 * np.sin(3 * angle) + rng.choice([0.001, 0.02, 0.3]) * rng.normal(0, 1, n))
    big = shapely.Polygon(np.c_[radius * np.cos(angle), radius * np.sin(angle)])
    for _ in range(int(rng.integers(0, 3))):
        big = big.symmetric_difference(shapely.transform(star(rng), lambda c: c * 2))
    return shapely.transform(big, lambda c: c + 200 * rng.normal(0, 1, 2))


def quilt(rng: Generator) -> list[shapely.Geometry]:
    """Neighbours that share a noisy chain."""
    n = int(rng.integers(1, 10))
    chain = np.c_[50 + rng.normal(0, 3, n), np.sort(rng.random(n)) * 98 + 1]
    left = shapely.Polygon(np.r_[[[0, 0], [50, 0]], chain, [[50, 100], [0, 100]]])
    right = shapely.Polygon(np.r_[[[100, 0], [100, 100], [50, 100]], chain[::-1], [[50, 0]]])
    return [left, right]


def parts(rng: Generator) -> shapely.Geometry:
    """Many parts on a lattice: touching in corners, islands in holes, splinters, one part far away."""
    side = int(rng.integers(2, 5))
    cells = [(i, j) for i in range(side) for j in range(side) if rng.random() < 0.6]
    step = float(rng.choice([1.0, 7.0, 12.5, 10.0 / 3]))
    found = []
    for i, j in cells:
        if (i + j) % 2 and rng.random() < 0.8:
            continue  # neighbours of one colour meet in corners only
        x, y = i * step, j * step
        cell = shapely.box(x, y, x + step, y + step)
        how = rng.random()
        if how < 0.3:
            lo, hi = step * 0.2, step * 0.8
            hole = shapely.box(x + lo, y + lo, x + hi, y + hi)
            if rng.random() < 0.5:  # its corners lie on the cell's sides
                hole = shapely.Polygon(
                    [(x + step / 2, y), (x + step, y + hi), (x + step / 2, y + hi), (x + lo, y + hi)]
                )
            island = shapely.box(x + 0.4 * step, y + 0.4 * step, x + 0.6 * step, y + 0.6 * step)
            cell = cell.symmetric_difference(hole)
            if rng.random() < 0.5:
                cell = cell.union(island)
        elif how < 0.5:
            cell = shapely.Polygon([(x, y), (x + step, y), (x + step, y + 10.0 ** rng.uniform(-9, 0))])
        elif how < 0.6:
            cell = shapely.transform(star(rng, step / 4), lambda c, x=x, y=y: c + np.array([x, y]))
        found.append(cell)
    if rng.random() < 0.3:
        found.append(shapely.box(500, 500, 500 + step, 501))
    united = found[0] if found else star(rng)
    for shape in found[1:]:
        united = united.union(shape)
    return united


def heap(rng: Generator) -> list[shapely.Geometry]:
    """A layer that lies on itself many times over: copies, near copies, edges in common, stars in a heap."""
    n = int(rng.integers(6, 26))
    how = rng.integers(0, 5)
    if how == 0:  # stars on one another
        return [star(rng) for _ in range(n // 2)]
    if how == 1:  # boxes on a coarse grid: coincident edges, shared corners
        low = rng.integers(0, 6, (n, 2)) * 10.0
        size = rng.integers(1, 4, (n, 2)) * 10.0
        return [shapely.box(*a, *(a + b)) for a, b in zip(low, size, strict=True)]
    if how == 2:  # one polygon delivered again and again, some copies moved by a hair
        one = star(rng, 40.0)
        steps = np.where(rng.random(n) < 0.5, 0.0, 10.0 ** rng.uniform(-10, -2, n))
        return [shapely.transform(one, lambda c, s=s: c + rng.normal(0, 1, 2) * s) for s in steps]
    if how == 3:  # fans of triangles with one corner in common
        angle = np.sort(rng.random((n, 2)) * 2, axis=1) * np.pi + rng.random() * 3
        rim = 60 * np.stack([np.cos(angle), np.sin(angle)], -1) + 30
        return [shapely.Polygon([(30, 30), tuple(a), tuple(b)]) for a, b in rim]
    return [lattice(rng) for _ in range(n)] + [parts(rng)]


def draw(rng: Generator) -> Case:
    """Draw one case; its geometries may still be invalid."""
    kind = str(rng.choice(KINDS))
    shapes: list[Callable[[Generator], shapely.Geometry]] = [star, lattice, comb, spiral, sliver, nested]
    if kind == "stars":
        parcel, layer = star(rng), [star(rng) for _ in range(int(rng.integers(1, 4)))]
    elif kind == "near":
        parcel, other = near(rng)
        layer = [other] if rng.random() < 0.7 else [other, near(rng)[1]]
    elif kind == "lattice":
        parcel, layer = lattice(rng), [lattice(rng) for _ in range(int(rng.integers(1, 4)))]
    elif kind == "big":
        parcel, layer = star(rng), [jagged(rng) for _ in range(int(rng.integers(1, 3)))]
        if rng.random() < 0.3:
            parcel, layer = layer[0], [star(rng), star(rng), comb(rng)]
    elif kind == "parts":
        parcel = parts(rng)
        other = parts(rng) if rng.random() < 0.5 else shapes[int(rng.integers(0, len(shapes)))](rng)
        layer = [other, *([star(rng, 20.0)] if rng.random() < 0.5 else [])]
        if rng.random() < 0.3:
            layer = [shapely.transform(parcel, lambda c: c + 10.0 ** rng.uniform(-10, 0)), *layer]
    elif kind == "heap":
        layer = heap(rng)
        parcel = [star, lattice, parts, nested][int(rng.integers(0, 4))](rng)
        if rng.random() < 0.2:
            parcel = layer[0]
    elif kind == "quilt":
        layer = quilt(rng)
        parcel = layer[0] if rng.random() < 0.4 else shapely.transform(star(rng), lambda c: c + 20)
        if rng.random() < 0.3:
            parcel = shapely.box(*np.round(rng.random(2) * 50), *np.round(50 + rng.random(2) * 50))
    elif kind == "cut":  # a parcel cut out of the layer, so that rounded crossings lie on its edges
        layer = [star(rng, 60.0), star(rng, 60.0)]
        parcel = shapely.intersection(layer[0], layer[1]) if rng.random() < 0.5 else layer[0] - layer[1]
    else:
        parcel = {"comb": comb, "spiral": spiral, "sliver": sliver, "nested": nested}[kind](rng)
        layer = [shapes[int(rng.integers(0, len(shapes)))](rng) for _ in range(int(rng.integers(1, 3)))]
        if rng.random() < 0.3:
            layer[0] = {"comb": comb, "spiral": spiral, "sliver": sliver, "nested": nested}[kind](rng)
    return kind, parcel, layer


def clean(geometry: shapely.Geometry, shift: np.ndarray) -> shapely.Geometry | None:
    """Shift and repair; None when nothing polygonal is left."""
    geometry = shapely.transform(geometry, lambda c: c + shift)
    if not shapely.is_valid(geometry):
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon"]
    if not parts:
        return None
    geometry = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return geometry if shapely.is_valid(geometry) and geometry.area > 0 else None


def cases(seed: int, count: int, only: str = "") -> Iterator[Case]:
    """Yield valid cases, of some families only; the same for the same seed."""
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        try:
            kind, parcel, layer = draw(rng)
        except shapely.errors.GEOSException:  # a generator cut invalid shapes with each other
            continue
        if only and kind not in only.split(","):
            continue
        shift = np.array(ORIGINS[int(rng.integers(0, len(ORIGINS)))])
        if rng.random() < 0.3:
            shift = shift + np.round(rng.random(2) * 1000, 4)
        cleaned = clean(parcel, shift)
        features = [f for f in (clean(g, shift) for g in layer) if f is not None]
        if cleaned is not None and features:
            made += 1
            yield kind, cleaned, features


def rings_of(geometry: shapely.Geometry) -> list[list[tuple[float, float]]]:
    return [
        [tuple(c) for c in ring.coords]
        for part in shapely.get_parts(geometry)
        for ring in (part.exterior, *part.interiors)
    ]


def judge(batch: list[Case]) -> list[tuple[int, str]]:
    """Return what is wrong with the engine's answer, per case."""
    from landremed.area import PlaneArea
    from landremed.overlay import LayerInput, PolygonSet
    from landremed.overlay.native.engine import NativeEngine
    from landremed.overlay.rational import region_area_exact

    # cases are kept apart by laying them out as layers of their own would be slow: one engine per case
    wrong: list[tuple[int, str]] = []
    for number, (_, parcel, layer) in enumerate(batch):
        engine = NativeEngine(
            [LayerInput("layer", PolygonSet.from_geometries(np.array(layer, dtype=object)))],
            outside=[], area=PlaneArea(), jobs=1,
        )  # fmt: skip
        tables = engine.measure(PolygonSet.from_geometries(np.array([parcel], dtype=object)))
        own = rings_of(parcel)
        exact = float(region_area_exact(own, [rings_of(f) for f in layer], []))
        got = tables.overlaps["area_m2"][0].as_py() if tables.overlaps.num_rows else 0.0
        bar = max(1e-6 * exact, 1e-9 * min(parcel.area, max(f.area for f in layer)), 1e-4)
        if abs(got - exact) > bar:
            wrong.append((number, f"area {got!r} exact {exact!r}"))
            continue
        if len(layer) > 1:
            found = dict(
                zip(
                    tables.features["feature"].to_pylist(),
                    tables.features["area_m2"].to_pylist(),
                    strict=True,
                )
            )
            for i, feature in enumerate(layer):
                one = float(region_area_exact(own, [rings_of(feature)], []))
                if abs(found.get(i, 0.0) - one) > max(1e-6 * one, 1e-4):
                    wrong.append((number, f"feature {i}: {found.get(i, 0.0)!r} exact {one!r}"))
        if tables.disputed.num_rows:
            wrong.append((number, f"disputed {tables.disputed.to_pylist()}"))
        if engine.statistics["failed"]:
            wrong.append((number, "failed"))
        if tables.overlaps.num_rows:
            piece = shapely.from_wkb(tables.overlaps["geometry"][0].as_py())
            if not shapely.is_valid(piece):
                wrong.append((number, f"invalid piece: {shapely.is_valid_reason(piece)}"))
            if abs(piece.area - got) > bar:
                wrong.append((number, f"piece of {piece.area!r} said to be {got!r}"))
    return wrong


def run(seed: int, count: int, only: str = "") -> tuple[dict[str, int], list[tuple[Case, str]]]:
    batch = list(cases(seed, count, only))
    kinds: dict[str, int] = {}
    for kind, _, _ in batch:
        kinds[kind] = kinds.get(kind, 0) + 1
    bad = [(batch[i], why) for i, why in judge(batch)]
    return kinds, bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--kinds", default="", help="only these families, joined with ,")
    parser.add_argument("--failures", type=Path, default=Path("fuzz_failures"))
    options = parser.parse_args()
    from landremed.overlay.native.engine import warm_up

    warm_up(print)
    start = time.time()
    kinds: dict[str, int] = {}
    failures = 0
    block = min(500, options.pairs)
    seeds = [options.seed * 1_000_000 + i for i in range(-(-options.pairs // block))]
    with ProcessPoolExecutor(options.jobs) as pool:
        work = pool.map(run, seeds, repeat(block), repeat(options.kinds))
        for seed, (found, bad) in zip(seeds, work, strict=True):
            for kind, n in found.items():
                kinds[kind] = kinds.get(kind, 0) + n
            for number, ((kind, parcel, layer), why) in enumerate(bad):
                failures += 1
                options.failures.mkdir(exist_ok=True)
                case = {
                    "kind": kind,
                    "why": why,
                    "parcel": parcel.wkb_hex,
                    "layer": [f.wkb_hex for f in layer],
                }
                (options.failures / f"{kind}-{seed}-{number}.json").write_text(json.dumps(case, indent=1))
                print(kind, seed, why, flush=True)
    print(f"{sum(kinds.values())} cases, {failures} failures, {time.time() - start:.0f} s", kinds)


if __name__ == "__main__":
    main()
