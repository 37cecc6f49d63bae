"""Compiling: the same answers as numba by itself, nothing left changed in numba, a cache that may fail."""

import ast
import logging
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import shapely
from numba.core import caching
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target
from numba.core.types.functions import BaseFunction

from landremed.area import PlaneArea
from landremed.overlay import LayerInput, PolygonSet, prepare
from landremed.overlay.native import compiled, engine  # noqa: F401  (entries are made where code is kept)
from landremed.overlay.native.compiled import kernel
from landremed.overlay.native.compiling import linked_only, remembered_types

NATIVE = Path(compiled.__file__).parent
ARRAYS = {"F8", "I8", "I4", "I1", "U1", "B1"}
MAKERS = {"arange", "array", "concatenate", "copy", "empty", "full", "ones", "zeros"}
NUMBERS = {"crossing_point", "turn", "two_product", "two_sum"}  # kernels that return tuples of nothing else


def kernels():
    """Give every kernel's module and name, how it is compiled, its syntax tree."""
    for path in sorted(NATIVE.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            how = [d.id for d in getattr(node, "decorator_list", ()) if isinstance(d, ast.Name)]
            if isinstance(node, ast.FunctionDef) and {"kernel", "lean", "inlined", "entry"} & set(how):
                yield (path.stem, node.name), how[0], node


def test_kernels_that_do_not_count_references_never_hold_the_only_one():
    found = {key: (how, node) for key, how, node in kernels()}
    lean_ones = {key: node for key, (how, node) in found.items() if how in {"lean", "inlined"}}
    assert len(lean_ones) > 30
    for (module, name), node in lean_ones.items():
        assert ast.unparse(node.returns) not in ARRAYS, name
        for call in (part for part in ast.walk(node) if isinstance(part, ast.Call)):
            if isinstance(call.func, ast.Attribute):
                assert call.func.attr not in MAKERS, f"{name} makes an array"
                continue
            asked = getattr(call.func, "id", "")
            own = [(module, asked)] if (module, asked) in found else [key for key in found if key[1] == asked]
            for key in (key for key in own if key not in lean_ones):
                gives = ast.unparse(found[key][1].returns)
                numbers = gives in {"int", "float", "bool", "None"} or asked in NUMBERS
                assert numbers, f"{name} may get an array from {asked}"


def test_memory_does_not_grow_with_measuring():
    import psutil

    rng = np.random.default_rng(3)
    corners = rng.random((600, 2)) * 100
    squares = shapely.box(*corners.T, *(corners + 12).T)
    starred = shapely.difference(squares, shapely.box(*(corners + 3).T, *(corners + 5).T))
    measuring = prepare(
        [LayerInput("a", PolygonSet.from_geometries(starred), np.zeros(600, np.int32))],
        area=PlaneArea(), engine="native", jobs=1,
    )  # fmt: skip
    parcels = PolygonSet.from_geometries(squares)
    resident = []
    for _ in range(4):
        for _ in range(12):
            measuring.measure(parcels)
        resident.append(psutil.Process().memory_info().rss)
    assert resident[-1] - resident[1] < 8_000_000


def cross(ax, ay, bx, by):
    return ax * by - ay * bx


def built(inner):
    """Return a kernel with one that it calls, which calls a third."""
    crossing = inner(cross)

    @inner
    def doubled(xy, limits):
        total, top = 0.0, -np.inf
        for i in range(limits[0], limits[1] - 1):
            total += crossing(xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1])
            top = max(top, xy[i, 1])
        kept = np.empty(2, np.float64)
        kept[0], kept[1] = total, top
        return kept

    @numba.njit(nogil=True, error_model="numpy")
    def areas(xy, offsets):
        found = np.zeros((len(offsets) - 1, 2))
        for i in range(len(offsets) - 1):
            found[i] = doubled(xy, (offsets[i], offsets[i + 1]))
            if found[i, 0] < 0:
                raise ValueError("clockwise")
        return found

    return areas, doubled


def plain(function):
    return numba.njit(nogil=True, error_model="numpy")(function)


@pytest.fixture
def rings():
    rng = np.random.default_rng(5)
    angle = np.sort(rng.random((20, 9)), axis=1) * 2 * np.pi
    xy = np.stack([4e7 + 30 * np.cos(angle), 4e6 + 30 * np.sin(angle)], -1)
    return np.concatenate([xy, xy[:, :1]], axis=1).reshape(-1, 2), np.arange(21) * 10


def test_linked_kernels_give_the_same_bits(rings):
    with remembered_types():
        found = built(kernel)[0](*rings)
    assert found.tobytes() == built(plain)[0](*rings).tobytes()
    x, y = rings[0][:, 0].reshape(20, 10), rings[0][:, 1].reshape(20, 10)
    np.testing.assert_array_equal(found[:, 1], y[:, :-1].max(axis=1))
    by_hand = (x[:, :-1] * y[:, 1:] - y[:, :-1] * x[:, 1:]).cumsum(axis=1)[:, -1]
    np.testing.assert_array_equal(found[:, 0], by_hand)


def test_an_error_in_a_kernel_is_still_raised(rings):
    with pytest.raises(ValueError, match="clockwise"):
        built(kernel)[0](rings[0][::-1].copy(), rings[1])


def test_inner_kernels_get_no_machine_code_of_their_own(rings):
    def made(function):
        (code,) = function.overloads.values()
        return cpu_target.target_context.codegen()._engine.is_symbol_defined(code.fndesc.mangled_name)

    for inner, expected in ((plain, True), (kernel, False)):
        areas, doubled = built(inner)
        areas(*rings)
        assert made(areas)
        assert made(doubled) is expected


def test_types_are_asked_once_and_numba_is_left_as_it_was(rings, monkeypatch):
    asked = []
    resolve = BaseFunction.get_call_type

    def counting(*arguments):
        asked.append(arguments)
        return resolve(*arguments)

    monkeypatch.setattr(BaseFunction, "get_call_type", counting)
    counts = []
    for block in (remembered_types, nullcontext):
        asked.clear()
        with block():
            built(kernel)[0](*rings)
        counts.append(len(asked))
        assert BaseFunction.get_call_type is counting
    assert counts[0] < counts[1] / 2

    def broken():
        with remembered_types():
            raise KeyError("stop")

    with pytest.raises(KeyError):
        broken()
    assert BaseFunction.get_call_type is counting


def test_another_numba_compiles_by_itself(monkeypatch):
    linked_only.cache_clear()
    monkeypatch.delattr(JITCodeLibrary, "get_pointer_to_function")
    assert linked_only() == {}
    linked_only.cache_clear()
    monkeypatch.undo()
    assert linked_only()
    resolve = BaseFunction.get_call_type
    monkeypatch.setitem(sys.modules, "numba.core.types.functions", None)
    with remembered_types():
        assert BaseFunction.get_call_type is resolve


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Make an entry anew that keeps its code in a folder of its own; return what makes it, and the folder."""
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path)

    def double(x):
        return 2.0 * x

    return lambda: compiled.entry(double), tmp_path


LOADING = """
import sys
import numpy as np
from landremed.overlay.native import compiled

@compiled.lean
def half(x):
    return 0.5 * x

@compiled.entry
def halves(values):
    if len(values) == 0:
        raise ValueError("nothing")
    found = np.empty(len(values))
    for i in range(len(values)):
        found[i] = half(values[i])
    return found

assert halves(np.array([42.0, 2.0])).tolist() == [21.0, 1.0]
hits = sum(halves.stats.cache_hits.values())
for call in (lambda: halves(np.zeros(0)), lambda: halves(np.zeros(0))):
    try:
        call()
    except ValueError as error:
        assert str(error) == "nothing"
        continue
    raise SystemExit("not raised")
light = "numba.np.arrayobj" not in sys.modules
assert halves(np.array([4, 2])).tolist() == [2.0, 1.0]  # other types: compiled, or loaded, after the first
print(hits, light)
"""


def test_kept_code_is_loaded_without_all_that_compiling_needs(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(LOADING)
    told = []
    for _ in range(3):
        command = [sys.executable, str(program)]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        )
        told.append(ended.stdout.split())
        for path in tmp_path.glob("*.2.nbc"):
            path.unlink()  # of the other types nothing is kept: they are compiled after the first was loaded
    assert told == [["0", "False"], ["1", "True"], ["1", "True"]]


def test_another_numba_keeps_and_loads_its_own_way(kept, monkeypatch):
    whole = caching.CompileResultCacheImpl.reduce
    monkeypatch.setattr(
        caching.CompileResultCacheImpl, "reduce", lambda self, result: [*whole(self, result)][:8]
    )
    results = compiled._lean_results()
    make, _ = kept
    function = make()
    assert function(1.0) == 2.0
    (code,) = function.overloads.values()
    assert len(object.__new__(results).reduce(code)) == 8
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "numba.core.runtime.nrt", None)
    cache = compiled._loading(SimpleNamespace(load_overload="its own"))
    assert cache == "its own"


def test_kept_code_is_taken_again(kept):
    make, folder = kept
    assert make()(21.0) == 42.0
    assert {path.suffix for path in folder.iterdir()} == {".nbi", ".nbc"}
    again = make()
    assert again(21.0) == 42.0
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("left", [0, 100])
def test_code_cut_off_on_disk_is_compiled_anew(kept, suffix, left):
    make, folder = kept
    make()(21.0)
    for path in folder.glob(f"*{suffix}"):
        path.write_bytes(path.read_bytes()[:left])
    assert make()(21.0) == 42.0


def test_a_full_disk_stops_no_measurement(kept, monkeypatch):
    make, folder = kept

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.FunctionCache, "save_overload", fails)
    assert make()(21.0) == 42.0
    assert list(folder.iterdir()) == []


def test_a_user_without_a_home_has_no_folder(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compiled.Path, "home", homeless)
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(compiled, "_writable", lambda folder: False)  # installed by somebody else
    compiled.cache_folder.cache_clear()
    try:
        assert compiled.cache_folder() is None
    finally:
        compiled.cache_folder.cache_clear()


def test_without_a_folder_it_says_so_and_measures(monkeypatch, caplog):
    monkeypatch.setattr(compiled, "cache_folder", lambda: None)
    square = PolygonSet.from_geometries(np.array([shapely.box(0, 0, 2, 2)]))
    with caplog.at_level(logging.INFO, "landremed.overlay"):
        ruler = prepare([LayerInput("a", square)], area=PlaneArea(), engine="native", jobs=1)
    assert [record.code for record in caplog.records] == ["overlay_uncached"]  # and no "compiling once"
    assert ruler.measure(square).overlaps["area_m2"].to_pylist() == [4.0]
