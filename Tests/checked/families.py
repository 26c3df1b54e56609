"""Calls everything once, for memory checkers: every row of ops.def, every layer of specs forward and backward, every function.

python families.py
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import numpy as np

import swiftnn as nn
from modules import module_of
from references import right_arguments
from specs import LAYERS
from specs_functional import FUNCTIONS
from swiftnn import _native
from test_gradients import float_results, tensors_of


def layer(row: Any) -> None:
    module = module_of(row, np.float32)
    arrays, named = row.arrays(np.float32, nn)
    module(*arrays, **named)
    if row.options.get("inplace"):
        return  # refused for what requires a gradient
    found: list[nn.Tensor] = []
    tensors, options = [tensors_of(a, found) for a in arrays], {key: tensors_of(a, found) for key, a in named.items()}
    results = [r for r in float_results(module(*tensors, **options)) if r.requires_grad]
    leaves = found + [p for p in module.parameters() if p.requires_grad]
    if results:
        nn.grad(results, leaves, [np.ones(r.shape, np.float32) for r in results], allow_unused=True)


def main() -> None:
    nn.set_num_threads(2)
    count = 0
    for name, right in right_arguments().items():
        getattr(_native, name)(*right)
        count += 1
    for row in LAYERS:
        layer(row)
        count += 1
    for row in FUNCTIONS:
        arrays, named = row.arrays(np.float32)
        getattr(nn.functional, row.name)(*arrays, **named)
        count += 1
    print(f"families: {count} rows on {_native.isa()}")


if __name__ == "__main__":
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        main()
