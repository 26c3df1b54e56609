"""The format of golden/*.npz: thousands of small arrays as one array of bytes and an index, because headers would weigh more."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def write(path: Path, arrays: dict[str, np.ndarray], version: str) -> None:
    index, pieces, at = [], [], 0
    for key, array in arrays.items():
        data = array.tobytes()
        index.append(f"{key}\t{array.dtype.str}\t{','.join(map(str, array.shape))}\t{at}")
        pieces.append(data)
        at += len(data)
    np.savez_compressed(path, version=np.array(version), index=np.array("\n".join(index)), data=np.frombuffer(b"".join(pieces), np.uint8))


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        index, data = str(file["index"]), file["data"].tobytes()
    arrays = {}
    for line in index.split("\n"):
        key, dtype, sizes, at = line.split("\t")
        shape = tuple(int(size) for size in sizes.split(",") if size)
        arrays[key] = np.frombuffer(data, dtype, int(np.prod(shape, dtype=np.int64)), int(at)).reshape(shape)
    return arrays


def checksum(arrays: Iterable[np.ndarray]) -> int:
    """Of the numbers, floats as float64, so that it is the same for both float types."""
    total = 0
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.kind not in "OUS":
            total = zlib.crc32(np.ascontiguousarray(array, np.float64).tobytes(), total)
    return total
