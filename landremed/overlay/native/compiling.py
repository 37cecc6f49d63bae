"""Compile the kernels in less time than numba takes by itself; what comes out is the same.

numba finishes every function it compiles, down to machine code, together with all that it calls: the innermost
kernels are optimised a dozen times over. And it looks up afresh, for every addition in every round of type
inference, what adding two floats gives. Here inner kernels are only made ready to be linked, and what an
operation on given types gives is asked once.

Both reach into numba. Where a numba is built otherwise they do nothing, and compiling takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["counting", "linked_only", "remembered_types"]


@cache
def linked_only() -> dict[str, Any]:
    """Return the arguments of ``numba.njit`` that make a function fit for being linked into others, no more.

    Such a function cannot be called from Python, and is optimised as part of those that call it.
    """
    try:
        from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary
        from numba.core.compiler import Compiler
    except ImportError:
        return {}
    steps = ("_optimize_final_module", "_finalize_final_module", "get_pointer_to_function", "codegen")
    if not all(hasattr(JITCodeLibrary, step) for step in steps) or not hasattr(CPUCodeLibrary, "finalize"):
        return {}

    class Codegen:
        """The code generator, for a library whose globals have no addresses."""

        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def set_env(self, _name: str, _env: Any) -> None:
            """Leave the environment unset, as it is in kernels that come from the cache."""

    class LinkedLibrary(JITCodeLibrary):
        @property
        def codegen(self) -> Any:
            return Codegen(self._codegen)

        def get_pointer_to_function(self, _name: str) -> int:
            self._ensure_finalized()
            return 0

        def _optimize_final_module(self) -> None:
            """Leave it to the callers."""

        def _finalize_final_module(self) -> None:
            self._finalized = True

    class LinkedCompiler(Compiler):
        def define_pipelines(self) -> Any:
            state = self.state
            state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
            return super().define_pipelines()

    return {"pipeline_class": LinkedCompiler}


@cache
def counting(wanted: bool) -> dict[str, Any]:
    """Return the arguments of ``numba.njit`` that make a function count references to arrays, or not.

    Said of every kernel, as numba would hand it down from callers to what they call.
    """
    try:
        from numba.core.options import DefaultOptions
    except ImportError:
        return {}
    return {"_nrt": wanted} if hasattr(DefaultOptions, "_nrt") else {}


@contextmanager
def remembered_types() -> Iterator[None]:
    """Within the block, resolve each operation only once for the same types."""
    try:
        from numba.core.types.functions import BaseFunction

        resolve: Any = BaseFunction.get_call_type
    except (ImportError, AttributeError):
        yield
        return
    known: dict[Any, Any] = {}

    def remembered(function: Any, context: Any, given: Any, named: Any) -> Any:
        kinds = (*given, *named.values())
        key = (function, tuple(given), tuple(named.items()))
        if not all(kind.is_precise() for kind in kinds):
            return resolve(function, context, given, named)
        if key not in known:
            known[key] = resolve(function, context, given, named)
        return known[key]

    BaseFunction.get_call_type = remembered
    try:
        yield
    finally:
        BaseFunction.get_call_type = resolve
