"""swiftnn.functional against the reference, for every row of specs_functional.py."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import swiftnn as nn
from modules import TOLERANCE, same
from specs import difference, flat
from specs_functional import FUNCTIONS, Function

rows = pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.id)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@rows
def test_forward(row: Function, dtype: type) -> None:
    args, kwargs = row.arrays(dtype)
    with np.errstate(all="ignore"):
        wanted = flat(row.expected(*args, **kwargs))
    got = flat(getattr(nn.functional, row.name)(*args, **kwargs))
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted):
        assert mine.dtype == (theirs.dtype if theirs.dtype.kind in "iub" else dtype)
        assert difference(mine, theirs) <= TOLERANCE[dtype]


@rows
def test_tensors(row: Function) -> None:
    """The same bits in Tensors."""
    args, kwargs = row.arrays(np.float32)
    mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    got = getattr(nn.functional, row.name)(*(nn.Tensor(a) if isinstance(a, np.ndarray) else a for a in mine), **kwargs)
    if row.name != "one_hot":
        assert all(isinstance(part, nn.Tensor) for part in (got if isinstance(got, tuple) else (got,)) if part is not None)
    assert same(flat(got), flat(getattr(nn.functional, row.name)(*args, **kwargs)))


@pytest.mark.parametrize(
    "name",
    ["relu", "relu6", "leaky_relu", "rrelu", "elu", "celu", "selu", "silu", "mish", "hardswish", "hardtanh", "hardsigmoid", "dropout"],
)
def test_inplace_writes_into_the_argument(name: str) -> None:
    x = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
    function = getattr(nn.functional, name)
    nn.manual_seed(1)
    expected = function(x)
    nn.manual_seed(1)
    mine = x[::-1].copy()[::-1]
    assert function(mine, inplace=True) is mine
    assert mine.tobytes() == expected.tobytes()
    mine.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        function(mine, inplace=True)


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if row.in_place], ids=lambda row: row.id)
def test_functions_in_place_write_into_their_argument(row: Function) -> None:
    (x, *values), _ = row.arrays(np.float32)
    function = getattr(nn.functional, row.name)
    expected = getattr(nn.functional, row.name[:-1])(x, *values)
    strided, tensor = x[::-1].copy()[::-1], nn.Tensor(x.copy())
    assert function(strided, *values) is strided and same([strided], [expected])
    assert function(tensor, *values) is tensor and same([tensor.numpy()], [expected])
    leaf = nn.Tensor(x.copy(), requires_grad=True)
    with pytest.raises(RuntimeError, match="requires a gradient"):
        function(leaf, *values)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        function(x, *values)
    with pytest.raises(TypeError, match="ndarray to write into"):
        function([1.0, 2.0], *values)


def test_normalize_writes_into_out() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    expected, out, tensor = nn.functional.normalize(x), np.empty((4, 3), np.float32).T, nn.Tensor(np.zeros((3, 4), np.float32))
    assert nn.functional.normalize(x, out=out) is out and same([np.ascontiguousarray(out)], [expected])
    assert nn.functional.normalize(x, out=tensor) is tensor and same([tensor.numpy()], [expected])
    with pytest.raises(nn.ShapeError, match=r"out has shape \(2, 4\); expected \(3, 4\)"):
        nn.functional.normalize(x, out=np.empty((2, 4), np.float32))
    with pytest.raises(TypeError, match="out needs an ndarray to write into, but got list"):
        nn.functional.normalize(x, out=[0.0])
    with pytest.raises(RuntimeError, match="out takes no gradient"):
        nn.functional.normalize(nn.Tensor(x, requires_grad=True), out=out)


@pytest.mark.parametrize("name", nn.functional.__all__)
def test_every_function_is_documented(name: str) -> None:
    function = getattr(nn.functional, name)
    assert inspect.getdoc(function) and ">>>" in inspect.getdoc(function)


def test_softmax_converts_to_the_dtype_asked_for() -> None:
    y = nn.functional.softmax(np.ones((2, 4), np.float32), dim=1, dtype=np.float64)
    assert y.dtype == np.float64 and (y == 0.25).all()


def test_max_norm_scales_the_rows_of_the_table() -> None:
    weight = np.array([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], np.float32)
    y = nn.functional.embedding(np.array([0, 1]), weight, max_norm=1.0)
    np.testing.assert_allclose(weight, [[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]], rtol=1e-6)
    np.testing.assert_allclose(y, weight[:2], rtol=1e-7)


@pytest.mark.parametrize("name", nn.functional.__all__)
def test_pickles_name_the_package_and_not_the_file(name: str) -> None:
    """A function is found again after its file got another name."""
    function = getattr(nn.functional, name)
    assert function.__module__ == "swiftnn.functional" and function.__qualname__ == name
    assert pickle.loads(pickle.dumps(function)) is function
