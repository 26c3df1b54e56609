"""What the files of Tests/python/checkpoints hold, in NumPy; make_checkpoints.py writes the same values with PyTorch."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "checkpoints"

# Name of the variant: the options of torch.save.
VARIANTS: dict[str, dict[str, Any]] = {
    "zip": {},
    "zip5": {"pickle_protocol": 5},
    "stream": {"_use_new_zipfile_serialization": False},
    "stream4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}
FLOATS = [0.0, -0.0, 1.0, -2.5, 65504.0, 6.103515625e-05, 5.960464477539063e-08, float("inf"), float("-inf")]
WIDENED = ("float16", "bfloat16")
# Exactly representable in bfloat16.
SHORT_FLOATS = [0.0, -0.0, 1.0, -2.5, 3.3895313892515355e38, 9.183549615799121e-41, float("inf"), float("-inf")]
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def types() -> dict[str, Any]:
    """Every element type, with its extremes."""
    state: dict[str, Any] = {name: np.array(FLOATS, name) for name in ("float16", "float32", "float64")}
    state["bfloat16"] = np.array(SHORT_FLOATS, np.float32)
    for name in INTEGERS:
        limits = np.iinfo(name)
        state[name] = np.array([limits.min, 0, 1, limits.max], name)
    state["bool"] = np.array([True, False, True])
    state["complex64"] = np.array([1 + 2j, -3j], np.complex64)
    state["complex128"] = np.array([1 + 2j, -3j], np.complex128)
    state["float16"] = state["float16"].astype(np.float32)
    return state


def views() -> dict[str, Any]:
    """Views of one storage of 0 ... 23, and shapes without elements."""
    base = np.arange(24, dtype=np.float32)
    return {
        "whole": base,
        "matrix": base.reshape(4, 6),
        "transposed": base.reshape(4, 6).T,
        "part": base.reshape(2, 3, 4)[:, 1, ::2],
        "expanded": np.broadcast_to(base[5], (3, 2)),
        "number": base[7],
        "empty": np.zeros((0, 3), np.float32),
    }


def nested() -> dict[str, Any]:
    """A checkpoint of a training: numbers, texts and containers round the tensors."""
    return {
        "epoch": 12,
        "step": 2**40,
        "huge": -(2**70),
        "loss": 0.1,
        "nan": float("inf"),
        "flags": [True, False, None],
        "name": "Gewöhnung \U0001f600",
        "bytes": b"\x00\xff",
        "tuple": (1, (2, ("three",)), [], {}, ()),
        "complex": 1 - 2j,
        "size": (2, 3),
        "dtype": "float32",
        "device": "cuda:1",
        "args": {"lr": 0.5, "layers": [1, 2], "out": "runs/1"},
        "ordered": OrderedDict([("b", 1), ("a", 2)]),
        "counter": Counter({"x": 2}),
        "set": {1, "two"},
        "numpy": np.float64(0.25),
        "array": np.arange(6, dtype=np.int16).reshape(2, 3),
        "model": OrderedDict([("weight", np.ones((2, 2), np.float32)), ("bias", np.zeros(2, np.float32))]),
        "optimizer": {
            "state": {0: {"step": np.float32(3), "exp_avg": np.full((2, 2), 0.5, np.float32)}},
            "param_groups": [{"lr": 0.01, "betas": (0.9, 0.999), "params": [0, 1]}],
        },
        7: "a number as key",
        (1, "x"): "a tuple as key",
    }


def module() -> dict[str, Any]:
    """The state of a whole module of a user's class."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    return OrderedDict(
        [
            ("scale", np.array([2.0], np.float32)),
            ("table", np.arange(3)),
            ("body.0.weight", rows),
            ("body.0.bias", np.zeros(2, np.float32)),
            ("body.1.weight", np.ones(2, np.float32)),
            ("body.1.bias", np.zeros(2, np.float32)),
            ("body.1.running_mean", np.zeros(2, np.float32)),
            ("body.1.running_var", np.ones(2, np.float32)),
            ("body.1.num_batches_tracked", np.array(0)),
            ("again.weight", rows),
            ("again.bias", np.zeros(2, np.float32)),
        ]
    )


def parameters() -> dict[str, Any]:
    """Parameters instead of tensors, one with attributes of its own."""
    return {"plain": np.arange(3, dtype=np.float32), "marked": np.arange(4, dtype=np.float64), "frozen": np.ones(2, np.float32)}


CASES = {function.__name__: function for function in (types, views, nested, module, parameters)}


def assert_equal(mine: Any, expected: Any, where: str = "") -> None:
    """The same types of containers, keys in the same order, the same types of elements, shapes and bits."""
    if isinstance(expected, (np.ndarray, np.generic)):
        got = np.asarray(mine)
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape), where
        assert got.tobytes() == expected.tobytes(), where
        return
    assert type(mine) is type(expected), f"{where}: {type(mine)}, not {type(expected)}"
    if isinstance(expected, dict):
        assert list(mine) == list(expected), where
        for key, value in expected.items():
            assert_equal(mine[key], value, f"{where}[{key!r}]")
    elif isinstance(expected, (list, tuple)):
        assert len(mine) == len(expected), where
        for i, value in enumerate(expected):
            assert_equal(mine[i], value, f"{where}[{i}]")
    else:
        assert mine == expected, where


def resident() -> int:
    """Bytes of this process that are in memory, mapped files among them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
