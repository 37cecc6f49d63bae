"""Copying bytes between arrays, as one machine call."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["copy_bytes"]


def _copy_bytes(typing: Any, dst: Any, d: Any, src: Any, s: Any, n: Any) -> Any:
    """Tell the compiler the types of ``copy_bytes`` and how to make its code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, from_ = (context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 2))
        byte = cgutils.voidptr_t
        target = builder.gep(builder.bitcast(to.data, byte), [arguments[1]])
        source = builder.gep(builder.bitcast(from_.data, byte), [arguments[3]])
        cgutils.raw_memcpy(builder, target, source, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(dst, types.int64, src, types.int64, types.int64), generate


copy_bytes: Any = intrinsic(_copy_bytes)
"""``copy_bytes(dst, d, src, s, n)``: copy n bytes from byte s of src to byte d of dst, both contiguous arrays."""
