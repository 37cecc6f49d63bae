"""Array types of the kernels' signatures."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["B1", "F8", "I1", "I4", "I8", "U1", "U8", "Tuple"]

F8: TypeAlias = npt.NDArray[np.float64]
I8: TypeAlias = npt.NDArray[np.int64]
I4: TypeAlias = npt.NDArray[np.int32]
I1: TypeAlias = npt.NDArray[np.int8]
U1: TypeAlias = npt.NDArray[np.uint8]
U8: TypeAlias = npt.NDArray[np.uint64]
B1: TypeAlias = npt.NDArray[np.bool_]
Tuple: TypeAlias = tuple[Any, ...]
