"""How the kernels are compiled, and where the compiled code is kept.

``entry`` kernels are called from Python and kept on disk; ``kernel`` and ``lean`` functions are called by them and
live in their machine code. The cache stands beside the package or, where that cannot be written, in the user's cache
folder. It is valid for exactly this source, this numba and this machine; a stamp file says that every entry
has been compiled, so that a small job can tell without waiting.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

__all__ = [
    "allow_kernels",
    "at_hand",
    "cache_folder",
    "entry",
    "follow_engine",
    "inlined",
    "is_warm",
    "kernel",
    "lean",
    "mark_loaded",
    "mark_warm",
    "may_use",
    "source_digest",
]

Function = TypeVar("Function", bound=Callable[..., Any])

_HERE = Path(__file__).resolve().parent
_LOADED_FROM = 1 << 24
"""Bytes of shapes from which loading kernels costs less than doing without."""

_state = {"allowed": True, "loaded": False}


def kernel(function: Function) -> Function:
    """Compile a function that only other kernels call.

    No fast-math: the predicates rest on IEEE rounding.
    """
    return _inner(function, counted=True)


def lean(function: Function) -> Function:
    """Compile a ``kernel`` that neither makes arrays nor gets any from what it calls, and returns none.

    Whoever calls it holds the arrays it works on, so that references to them need not be counted. Counting is
    an atomic operation, and of a layer's arrays one on memory that all threads write to.
    """
    return _inner(function, counted=False)


def inlined(function: Function) -> Function:
    """Compile a ``lean`` function that becomes part of every place that calls it."""
    return _inner(function, counted=False, forceinline=True)


def entry(function: Function) -> Function:
    """Compile a function that Python calls, without the interpreter lock, and keep it on disk."""
    import numba

    compiled: Any = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    folder = cache_folder()
    if folder is not None:
        kept = _kept_code(function, folder)
        if kept is not None:
            compiled._cache = kept
    result: Function = compiled
    return result


def _inner(function: Function, *, counted: bool, **more: bool) -> Function:
    import numba

    from landremed.overlay.native.compiling import counting, linked_only

    compiled: Function = numba.njit(
        nogil=True,
        error_model="numpy",
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        **linked_only(),
        **counting(counted),
        **more,
    )(function)
    return compiled


@cache
def cache_folder() -> Path | None:
    """Return a folder where compiled kernels can be kept, None where nothing can be written."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(given)] if given else [_HERE / "__pycache__", *_user_folders()]
    return next((folder for folder in folders if _writable(folder)), None)


@cache
def source_digest() -> str:
    """Hash of all that compiled code depends on: the kernels' source, numba and the interpreter."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    for fact in (sys.version, version("numba"), version("llvmlite"), version("numpy"), platform.machine()):
        digest.update(fact.encode())
    return digest.hexdigest()[:20]


def is_warm() -> bool:
    """Whether the kernels of this source are known to be compiled and kept."""
    folder = cache_folder()
    return folder is not None and _stamp(folder).exists()


def mark_warm() -> None:
    """Leave the stamp that ``is_warm`` looks for."""
    folder = cache_folder()
    if folder is not None:
        try:
            _stamp(folder).touch()
        except OSError:  # the cache is a convenience: a full disk must not stop a measurement
            return


def allow_kernels(allowed: bool) -> None:
    """Say whether kernels may be used from now on for what can be done without them."""
    _state["allowed"] = allowed


def follow_engine(name: str) -> None:
    """Use kernels from now on where measuring did, and only there.

    Kernels and plain code agree but for rounding: what follows a measurement must not hang on how the work was divided.
    """
    _state["allowed"] = name == "native"
    _state["loaded"] = _state["loaded"] or (_state["allowed"] and is_warm())


def mark_loaded() -> None:
    """Remember that the kernels are loaded."""
    _state["loaded"] = True


def at_hand(size: int) -> bool:
    """Tell whether kernels should be used on shapes of so many bytes; never a reason to compile them."""
    return may_use(size) and (_state["loaded"] or is_warm())


def may_use(size: int) -> bool:
    """Tell whether kernels should be used on shapes of so many bytes, if they are compiled."""
    return _state["allowed"] and (_state["loaded"] or size >= _LOADED_FROM)


def _stamp(folder: Path) -> Path:
    from numba.core.registry import cpu_target

    machine = repr(cpu_target.target_context.codegen().magic_tuple())
    return folder / f"kernels-{source_digest()}-{hashlib.sha256(machine.encode()).hexdigest()[:8]}.done"


def _kept_code(function: Callable[..., Any], folder: Path) -> Any:
    """Return a numba function cache in ``folder`` that is stamped with the source of all kernels.

    numba's own stamps an entry with its own file only, and so would keep code whose inner kernels have changed.
    """
    try:
        from numba.core import caching

        class Locator:
            _py_file = function.__code__.co_filename

            def ensure_cache_path(self) -> None:
                folder.mkdir(parents=True, exist_ok=True)

        kept: Any = object.__new__(caching.FunctionCache)
        kept._name = repr(function)
        kept._py_func = function
        kept._impl = object.__new__(_lean_results())
        kept._impl._locator = Locator()
        kept._impl._lineno = function.__code__.co_firstlineno
        kept._cache_path = str(folder)
        name = f"landremed-{function.__name__}.py{sys.version_info[0]}{sys.version_info[1]}"
        kept._cache_file = caching.IndexDataCacheFile(str(folder), name, source_digest())
        kept.enable()
    except (ImportError, AttributeError, TypeError):  # another numba: compile without keeping
        return None
    return _Forgiving(kept)


def _lean_results() -> Any:
    """Return how numba keeps what was compiled, without what only those who link it or go on compiling need.

    Reading that back took most of the time of loading: the code again, fit to be linked, and modules of numba
    for the sake of inner functions whose environments nobody looks at. An entry is called from Python alone.
    """
    import llvmlite.binding as llvm
    from numba.core import caching

    class Results(caching.CompileResultCacheImpl):
        def reduce(self, result: Any) -> Any:
            whole = super().reduce(result)
            code, environments = whole[0], whole[-1]
            known = len(whole) == 9 and len(code) == 3 and code[1] == "object"
            if not (known and isinstance(environments, tuple)):
                return whole  # another numba
            called = whole[1].llvm_cpython_wrapper_name
            defined = llvm.parse_assembly(f'define void @"{called}"() {{ ret void }}')
            return ((*code[:2], (code[2][0], defined.as_bitcode())), *whole[1:-1], ())

    return Results


class _Forgiving:
    """A cache that is a convenience: where it cannot be read or written, code is compiled."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    def load_overload(self, *arguments: Any) -> Any:
        """Return the compiled code, None where there is none that can be read."""
        try:
            return _loading(self._kept)(*arguments)
        except (OSError, EOFError, ValueError, RuntimeError, UnpicklingError):  # cut off, or of another world
            with suppress(OSError):
                self._kept.flush()
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Keep compiled code where the disk has room."""
        with suppress(OSError):
            self._kept.save_overload(*arguments)


def _loading(kept: Any) -> Callable[..., Any]:
    """Return what loads compiled code from numba's cache.

    numba's own makes ready to compile before it looks, and imports all that it can compile: half of the time
    it takes to load everything. Compiled code needs the runtime alone.
    """
    try:
        from numba.core.runtime.nrt import rtsys

        load, start = kept._load_overload, rtsys.initialize
    except (ImportError, AttributeError):
        asked: Callable[..., Any] = kept.load_overload
        return asked

    def found(signature: Any, context: Any) -> Any:
        start(context)
        return load(signature, context)

    return found


def _user_folders() -> list[Path]:
    """Return where a user's caches belong; nowhere for a user without a home."""
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        cache_of = Path(local) if local else home and home / "AppData" / "Local"
    elif sys.platform == "darwin":
        cache_of = home and home / "Library" / "Caches"
    else:
        local = os.environ.get("XDG_CACHE_HOME")
        cache_of = Path(local) if local else home and home / ".cache"
    return [cache_of / "landremed" / "kernels"] if cache_of else []


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
