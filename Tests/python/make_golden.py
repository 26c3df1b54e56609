"""Writes golden/*.npz, what PyTorch computes for every row of specs.py and specs_functional.py: python Tests/python/make_golden.py

Needs PyTorch; test_golden.py, which reads the files, does not. Inputs and weights follow from the rows (stream.py); a checksum of them
is stored beside the results, so that a row that has changed since is found out.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from golden_files import checksum, write  # noqa: E402
from initial import INITIAL, moments  # noqa: E402
from specs import LAYERS, weights_for  # noqa: E402
from specs_functional import FUNCTIONS  # noqa: E402

GOLDEN = HERE / "golden"


def to_torch(value: Any) -> Any:
    """Arrays of specs as tensors, floats in float64."""
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(np.array(value))
        return tensor.double() if tensor.is_floating_point() else tensor
    if type(value) is tuple:
        return tuple(map(to_torch, value))
    return value


def arrays(result: Any) -> list[np.ndarray]:
    """As specs.flat, of tensors."""
    if result is None:
        return []
    if hasattr(result, "batch_sizes"):
        return [result.data.detach().numpy()]
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in arrays(part)]
    return [result.detach().numpy() if isinstance(result, torch.Tensor) else np.asarray(result)]


def pack(padded: np.ndarray, lengths: np.ndarray, enforce_sorted: bool) -> Any:
    return torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(padded), torch.from_numpy(lengths), enforce_sorted=enforce_sorted)


# What specs.value_of needs of a namespace
PACKING = SimpleNamespace(utils=SimpleNamespace(rnn=SimpleNamespace(pack_padded_sequence=pack)))


def layers() -> dict[str, np.ndarray]:
    stored: dict[str, np.ndarray] = {}
    for row in LAYERS:
        if row.deviates:
            continue
        module = row.make(torch.nn)
        stored[f"{row.id}|repr"] = np.array(repr(module))
        module = module.double()
        state = weights_for(row, {name: tuple(value.shape) for name, value in module.state_dict().items()})
        stored[f"{row.id}|keys"] = np.array(list(state), dtype=np.str_)
        module.load_state_dict({name: to_torch(np.asarray(value)) for name, value in state.items()})
        positional, keyword = row.arrays(np.float64, PACKING)
        with torch.no_grad():
            results = module(*map(to_torch, positional), **{name: to_torch(value) for name, value in keyword.items()})
        stored[f"{row.id}|checksum"] = np.array(checksum([*state.values(), *arrays([*positional, *keyword.values()])]))
        for i, array in enumerate(arrays(results)):
            stored[f"{row.id}|output|{i}"] = array
    return stored


def functions() -> dict[str, np.ndarray]:
    stored: dict[str, np.ndarray] = {}
    for row in FUNCTIONS:
        if row.deviates:
            continue
        args, kwargs = row.arrays(np.float64)
        results = getattr(torch.nn.functional, row.name)(*map(to_torch, args), **{name: to_torch(value) for name, value in kwargs.items()})
        stored[f"{row.id}|checksum"] = np.array(checksum(arrays([*args, *kwargs.values()])))
        for i, array in enumerate(arrays(results)):
            stored[f"{row.id}|output|{i}"] = array
    return stored


def initial() -> dict[str, np.ndarray]:
    """(minimum, maximum, mean, deviation, kurtosis) of each initial parameter."""
    torch.manual_seed(0)
    stored = {}
    for name, options in INITIAL:
        for key, value in getattr(torch.nn, name)(**options).state_dict().items():
            stored[f"{name} {options}|{key}"] = moments(value.double().numpy())
    return stored


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    GOLDEN.mkdir(exist_ok=True)
    for name, content in (("layers", layers()), ("functions", functions()), ("initial", initial())):
        path = GOLDEN / f"{name}.npz"
        write(path, content, str(torch.__version__))
        print(f"{name}: {len(content)} arrays, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
