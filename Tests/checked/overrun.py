"""One element too many, on purpose: a memory checker that does not report each of these sees nothing else either.

python overrun.py CASE
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.lib.stride_tricks import as_strided


def longer(array: np.ndarray) -> np.ndarray:
    """The array with one element more than its memory has."""
    return as_strided(array, (array.size + 1,), array.strides)


x = np.ones(1001, np.float32)  # 4004 bytes: the element behind the last one is in the same vector
CASES = {
    "read behind an array of NumPy's": lambda: _native.softmax_forward(longer(x), 0, 0),
    "read behind a result": lambda: _native.softmax_forward(longer(_native.activation_forward(x, 0, 0.0, 0.0)), 0, 0),
    "change behind an array of NumPy's": lambda: _native.scale([longer(x)], 2.0),
    "read of memory given back": lambda: _native.softmax_forward(given_back(), 0, 0),
}


def given_back() -> np.ndarray:
    result = _native.activation_forward(x, 0, 0.0, 0.0)
    address = result.__array_interface__
    del result

    class Freed:
        __array_interface__ = address

    return np.asarray(Freed())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        from swiftnn import _native  # not to name the cases: that works without the checker's runtime

        CASES[sys.argv[1]]()
    else:
        print("\n".join(CASES))
