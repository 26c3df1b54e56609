"""The same bits for any number of threads, any batch, a whole sequence or its steps, every instruction set with FMA."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from large import LARGE
from modules import module_of, run, same
from specs import LAYERS, Layer, flat
from swiftnn import _native


def _large(name: str, dtype: type) -> tuple[nn.Module, np.ndarray]:
    make, shape = LARGE[name]
    nn.manual_seed(5)
    module = make()
    module = module.double() if dtype is np.float64 else module
    return module, np.random.default_rng(1).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", LARGE)
def test_any_number_of_threads(name: str, dtype: type) -> None:
    module, x = _large(name, dtype)
    results = []
    for n in (1, 2, 3, 7):
        nn.manual_seed(6)
        with nn.threads(n):
            results.append(flat(module(x)))
    assert all(same(result, results[0]) for result in results[1:])


@pytest.mark.parametrize(
    "name", [name for name in LARGE if ", one" not in name and name not in {"BatchNorm2d", "Dropout", "Softmax, first", "Mish"}]
)
def test_any_batch_of_large_inputs(name: str) -> None:
    module, x = _large(name, np.float32)
    axis = 1 if name.split(",")[0] in {"LSTM", "GRU", "RNN", "TransformerEncoderLayer"} else 0
    whole = flat(module(x))
    for cut in (1, 2, x.shape[axis] - 1):
        parts = [flat(module(np.take(x, range(i, min(i + cut, x.shape[axis])), axis))) for i in range(0, x.shape[axis], cut)]
        joined = [np.concatenate(pieces, axis) for pieces in zip(*parts)]
        assert same(joined, whole), f"in batches of {cut}"


@pytest.mark.parametrize("row", [row for row in LAYERS if row.batch is not None], ids=lambda row: row.id)
def test_any_batch(row: Layer) -> None:
    """Each sample alone gives the bits that it has in the batch."""
    module, axis = module_of(row), row.batch
    whole = run(row, module)
    positional, _ = row.arrays(np.float32, nn)
    size = next(a for a in flat(positional)).shape[axis]

    def pick(array: np.ndarray, i: int) -> np.ndarray:
        return array[(slice(None),) * axis + (slice(i, i + 1),)] if array.ndim > axis and array.shape[axis] == size else array

    for i in range(size):
        alone = run(row, module, lambda array: pick(array, i))  # noqa: B023
        assert same([np.ascontiguousarray(a) for a in alone], [np.ascontiguousarray(pick(a, i)) for a in whole]), f"sample {i}"


@pytest.mark.parametrize("width", [1, 8, 31])
def test_small_products_have_the_bits_of_large_ones(width: int) -> None:
    """A few samples take another way through Linear and attention than many."""
    draw = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        x = draw.standard_normal((300, width)).astype(dtype)
        weight, bias = draw.standard_normal((width + 1, width)).astype(dtype), draw.standard_normal(width + 1).astype(dtype)
        for b in (None, bias):
            whole = nn.functional.linear(x, weight, b)
            for n in (1, 2, 3):
                assert same(nn.functional.linear(x[:n], weight, b), whole[:n]), (dtype, n)
        q = draw.standard_normal((1, 2, 90, width)).astype(dtype)
        k, v = draw.standard_normal((2, 1, 2, 5, width)).astype(dtype)
        whole = nn.functional.scaled_dot_product_attention(q, k, v)
        assert same(nn.functional.scaled_dot_product_attention(q[:, :, :2], k, v), whole[:, :, :2]), dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("features", "width"), [(32, 16), (33, 300), (1100, 70), (64, 1030)])
def test_gradients_of_few_rows_have_the_bits_of_many(features: int, width: int, dtype: type) -> None:
    # few rows read the weight where it lies, many a copy in panels
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((130, features)).astype(dtype), rng.standard_normal((130, width)).astype(dtype)
    weight = rng.standard_normal((width, features)).astype(dtype)
    every = _native.linear_backward(dy, x, weight, 0, 0, True, False, False)[0]
    assert every.shape == x.shape
    for rows in (1, 2, 3, 8, 12, 13, 20, 23, 24, 25):
        for threads in (1, 2, 3):
            nn.set_num_threads(threads)
            few = _native.linear_backward(dy[:rows], x[:rows], weight, 0, 0, True, False, False)[0]
            assert same(few, every[:rows]), (rows, threads)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("rows", [5, 600])
def test_gradients_of_narrow_weights_have_the_bits_of_wide_ones(rows: int, dtype: type) -> None:
    # few inputs make the product's columns its rows
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((rows, 130)).astype(dtype), rng.standard_normal((rows, 100)).astype(dtype)
    weight = rng.standard_normal((100, 130)).astype(dtype)
    every = _native.linear_backward(dy, x, weight, 0, 0, False, True, False)[1]
    assert every.shape == weight.shape
    for width in (1, 2, 7, 8, 12, 13, 20, 24, 25):
        for threads in (1, 2, 3):
            nn.set_num_threads(threads)
            some = _native.linear_backward(dy, x[:, :width], weight[:, :width].copy(), 0, 0, False, True, False)[1]
            assert same(some, np.ascontiguousarray(every[:, :width])), (width, threads)


@pytest.mark.parametrize("row", [row for row in LAYERS if row.desc == "unbatched" and not row.call], ids=lambda row: row.id)
def test_unbatched_is_a_batch_of_one(row: Layer) -> None:
    module = module_of(row)
    axis = 1 if row.name in {"RNN", "LSTM", "GRU", "MultiheadAttention"} or (row.name.startswith("Trans")) else 0
    if getattr(module, "batch_first", False):
        axis = 0
    positional, _ = row.arrays(np.float32, nn)
    if positional[0].ndim == 1 or row.name.endswith("Cell"):
        axis = 0

    def batch_of_one(value: Any) -> Any:
        return tuple(map(batch_of_one, value)) if isinstance(value, tuple) else np.expand_dims(value, axis)

    batched = flat(module(*map(batch_of_one, positional)))
    plain = run(row, module)
    for one, other in zip(batched, plain):
        where = 0 if row.name == "MultiheadAttention" and one is batched[-1] else axis
        assert np.ascontiguousarray(np.take(one, 0, where)).tobytes() == other.tobytes()


@pytest.mark.parametrize("make", [nn.RNN, nn.LSTM, nn.GRU], ids=lambda make: make.__name__)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("batch", [1, 5, 14])
@pytest.mark.parametrize(("features", "hidden"), [(10, 20), (270, 300)])
def test_a_stream_of_steps_is_the_sequence(make: type, layers: int, batch: int, features: int, hidden: int) -> None:
    module = make(features, hidden, layers)
    x = np.random.default_rng(0).standard_normal((12, batch, features)).astype(np.float32)
    whole, last = module(x)
    state, outputs = None, []
    for i in range(12):
        y, state = module(x[i : i + 1], state)
        outputs.append(y)
    assert np.concatenate(outputs).tobytes() == whole.tobytes()
    assert same(flat(state), flat(last))
    front, state = module(x[:5])
    back, state = module(x[5:], state)
    assert np.concatenate([front, back]).tobytes() == whole.tobytes()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_cell_is_a_step(kind: str) -> None:
    module, cell = getattr(nn, kind)(10, 20), getattr(nn, kind + "Cell")(10, 20)
    cell.load_state_dict({name[: -len("_l0")]: value for name, value in module.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((6, 3, 10)).astype(np.float32)
    whole, _ = module(x)
    state = None
    for i in range(6):
        state = cell(x[i], state)
        h = state[0] if kind == "LSTM" else state
        assert h.tobytes() == whole[i].tobytes()


@pytest.mark.parametrize("lengths", [(3, 7, 1, 5), tuple(range(60, 2, -2))], ids=["few", "many"])
def test_packed_is_each_sequence_alone(lengths: tuple[int, ...]) -> None:
    module = nn.LSTM(6, 9, 2, bidirectional=True)
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((n, 6)).astype(np.float32) for n in lengths]
    y, (h, c) = module(nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False))
    outputs = nn.utils.rnn.unpack_sequence(y)
    for i, sequence in enumerate(sequences):
        alone, (h1, c1) = module(sequence)
        assert outputs[i].tobytes() == alone.tobytes()
        assert np.ascontiguousarray(h[:, i]).tobytes() == h1.tobytes()
        assert np.ascontiguousarray(c[:, i]).tobytes() == c1.tobytes()


def test_a_level_that_does_not_exist_is_an_error() -> None:
    environment = {**os.environ, "SWIFTNN_ISA": "avx9000", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = "import numpy as np, swiftnn as nn; nn.ReLU()(np.ones(3, np.float32))"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "avx9000" in done.stderr and "SWIFTNN_ISA" in done.stderr
