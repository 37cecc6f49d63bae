"""Bytes copied, read and written as single machine instructions or calls.

Addresses are those of Arrow's buffers, which whoever calls a kernel keeps alive.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["copy_bytes", "copy_from", "load_i32", "load_i64", "load_u8", "put_be"]


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Return the address of a byte of a contiguous array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(builder.bitcast(data, cgutils.voidptr_t), [at])


def _copy_bytes(typing: Any, dst: Any, d: Any, src: Any, s: Any, n: Any) -> Any:
    """Tell the compiler the types of ``copy_bytes`` and how to make its code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source = (
            _place(context, builder, signature.args[i], arguments[i], arguments[i + 1]) for i in (0, 2)
        )
        cgutils.raw_memcpy(builder, target, source, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(dst, types.int64, src, types.int64, types.int64), generate


def _copy_from(typing: Any, dst: Any, d: Any, address: Any, n: Any) -> Any:
    """Tell the compiler the types of ``copy_from`` and how to make its code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target = _place(context, builder, signature.args[0], arguments[0], arguments[1])
        source = builder.inttoptr(arguments[2], cgutils.voidptr_t)
        cgutils.raw_memcpy(builder, target, source, arguments[3], 1)
        return context.get_dummy_value()

    return types.void(dst, types.int64, types.int64, types.int64), generate


def _put_be(typing: Any, dst: Any, d: Any, v: Any) -> Any:
    """Tell the compiler the types of ``put_be`` and how to make its code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target = _place(context, builder, signature.args[0], arguments[0], arguments[1])
        target = builder.bitcast(target, ir.IntType(64).as_pointer())
        builder.store(builder.bswap(arguments[2]), target, align=1)
        return context.get_dummy_value()

    return types.void(dst, types.int64, types.int64), generate


def _load(bits: int, signed: bool) -> Any:
    """Make a function that reads a number of so many bits from an address."""

    def load(typing: Any, address: Any) -> Any:
        """Tell the compiler the types and how to make the code."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            width, wide = ir.IntType(bits), ir.IntType(64)
            value = builder.load(builder.inttoptr(arguments[0], width.as_pointer()), align=1)
            if bits == 64:
                return value
            return builder.sext(value, wide) if signed else builder.zext(value, wide)

        return types.int64(types.int64), generate

    return intrinsic(load)


copy_bytes: Any = intrinsic(_copy_bytes)
"""``copy_bytes(dst, d, src, s, n)``: copy n bytes from byte s of src to byte d of dst, both contiguous arrays."""

copy_from: Any = intrinsic(_copy_from)
"""``copy_from(dst, d, address, n)``: copy n bytes from an address to byte d of dst, a contiguous array."""

put_be: Any = intrinsic(_put_be)
"""``put_be(dst, d, v)``: write the eight bytes of a number, the highest first, from byte d of dst on."""

load_u8: Any = _load(8, signed=False)
"""``load_u8(address)``: the byte there."""

load_i32: Any = _load(32, signed=True)
"""``load_i32(address)``: the number of four bytes there."""

load_i64: Any = _load(64, signed=True)
"""``load_i64(address)``: the number of eight bytes there."""
