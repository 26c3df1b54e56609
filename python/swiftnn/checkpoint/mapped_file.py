"""A file's bytes as a private mapping, and arrays that are views of it."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "array_at", "count_elements", "map_file", "widened"]

# No machine has this much memory; below it, products of sizes stay within NumPy's integers.
MAX_BYTES = 1 << 60
# Only pages that are written need memory beside the file's; reserving it for all of them, Linux refuses files larger than memory.
# The name came with Python 3.13.
_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)


def map_file(path: str | os.PathLike[str]) -> memoryview:
    """All bytes of a file. Pages are read when they are touched; writing changes this process's copy of the page, never the file."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CheckpointError("the file is empty")
        return memoryview(mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE | _NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE))


def count_elements(shape: tuple[int, ...], itemsize: int) -> int:
    """The product of a shape that a file states; a size that no memory holds is refused before anything is multiplied further."""
    if len(shape) > 32:
        raise CheckpointError(f"an array with {len(shape)} dimensions; NumPy has at most 32")
    nonzero = 1
    for size in shape:
        nonzero *= size or 1
        if nonzero * itemsize > MAX_BYTES:
            raise CheckpointError(f"an array of shape {shape} is larger than any memory")
    return 0 if 0 in shape else nonzero


def array_at(data: memoryview, offset: int, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`count` elements from `offset` on, as a view where the machine can read them there, else as one copy."""
    array: NDArray[Any] = np.frombuffer(data, dtype, count, offset) if count else np.empty(0, dtype)
    if dtype == np.bool_ and count and array.view(np.uint8).max() > 1:
        return np.not_equal(array.view(np.uint8), 0)
    if not (array.flags.aligned and array.flags.writeable and dtype.isnative):
        return array.astype(dtype.newbyteorder("="))
    return array


def widened(bits: NDArray[Any], name: str) -> NDArray[Any]:
    """float16 and bfloat16, which the kernels do not compute in, as the float32 of the same value; other arrays as they are."""
    if name == "bfloat16":
        # A bfloat16 is the upper half of a float32.
        wide = bits.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    return bits.astype(np.float32) if name == "float16" else bits
