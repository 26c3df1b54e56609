"""Gradients of recurrent layers and cells: against central differences of the reference's forward, in every option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import Reference as reference
import swiftnn as nn
from Reference import constants as k
from swiftnn import _native
from swiftnn.errors import ShapeError

GATES = {k.RNN_TANH: 1, k.RNN_RELU: 1, k.LSTM: 4, k.GRU: 3}
STEP = 1e-6
Fields = dict[str, Any]


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def network(
    mode: int, t: int = 4, b: int = 3, i: int = 5, h: int = 6, layers: int = 1, both: int = 0, first: int = 0, sizes: Any = None,
    bias: bool = True, proj: int = 0, state: bool = True, dropout: float = 0.0, unbatched: bool = False,
) -> Fields:  # fmt: skip
    out, sides, weights = proj or h, 1 + both, []
    for layer in range(layers):
        for side in range(sides):
            seed, rows, depth = 10 * layer + side, GATES[mode] * h, sides * out if layer else i
            weights += [draw(seed, rows, depth) / np.sqrt(h), draw(seed + 1, rows, out) / np.sqrt(h)]
            weights += [draw(seed + 2, rows), draw(seed + 3, rows)] if bias else [None, None]
            weights += [draw(seed + 4, proj, h) if proj else None]
    batch = () if unbatched else (sizes[0] if sizes else b,)
    if sizes:
        x = draw(90, sum(sizes), i)
    else:
        x = draw(90, *batch, t, i) if first else draw(90, t, *batch, i)
    h0 = draw(91, sides * layers, *batch, out) if state else None
    c0 = draw(92, sides * layers, *batch, h) if state and mode == k.LSTM else None
    fields = dict(mode=mode, x=x, h0=h0, c0=c0, weights=weights, layers=layers, bidirectional=both, batch_first=first)
    return fields | dict(batch_sizes=np.array(sizes) if sizes else None, dropout=dropout, seed=7, offset=11)


def cast(value: Any, dtype: type) -> Any:
    if isinstance(value, dict):
        return {name: cast(v, dtype) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [cast(v, dtype) for v in value]
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def forward(fields: Fields, reserve: bool = True) -> tuple[Any, ...]:
    return _native.rnn_forward(*fields.values(), fields["mode"] == k.LSTM, reserve)


def backward(fields: Fields, results: tuple[Any, ...], gradients: list[Any], wanted: tuple[bool, ...] = (True,) * 4) -> tuple[Any, ...]:
    f, (dx, dh0, dc0, dweights) = fields, wanted
    options = (f["layers"], f["bidirectional"], f["batch_first"], f["batch_sizes"], f["dropout"], f["seed"], f["offset"])
    lstm = f["mode"] == k.LSTM
    return _native.rnn_backward(
        f["mode"], *gradients, f["x"], f["h0"], f["c0"], f["weights"], *options, results[0], results[3], dx, dh0, dc0 and lstm, dweights
    )


def gradients_of(results: tuple[Any, ...]) -> list[Any]:
    return [None if r is None else draw(5 + n, *r.shape).astype(r.dtype) for n, r in enumerate(results[:3])]


def reference_value(fields: Fields, gradients: list[Any]) -> float:
    f = dict(fields)
    unbatched = f["x"].ndim == 2 and f["batch_sizes"] is None
    if unbatched:
        f["x"] = np.expand_dims(f["x"], 0 if f["batch_first"] else 1)
        f["h0"], f["c0"] = (None if s is None else s[:, None] for s in (f["h0"], f["c0"]))
    results = reference.rnn_forward(**f)
    return sum(float((r.ravel() * g.ravel()).sum()) for r, g in zip(results, gradients) if r is not None and g is not None)


def check_derivative(value: Any, array: np.ndarray, gradient: np.ndarray) -> None:
    """value() depends on array; its derivative along random directions is that of the gradient."""
    generator = np.random.default_rng(3)
    for _ in range(2):
        direction, before = generator.standard_normal(array.shape), array.copy()
        array[...] = before + STEP * direction
        above = value()
        array[...] = before - STEP * direction
        below = value()
        array[...] = before
        numeric, ours = (above - below) / (2 * STEP), float((gradient * direction).sum())
        assert abs(ours - numeric) < 1e-7 * (1 + abs(numeric) + np.abs(gradient).sum()), (ours, numeric)


def split(flat: np.ndarray, weights: list[Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    at = 0
    for w in weights:
        if w is not None:
            yield w, flat[at : at + w.size].reshape(w.shape)
            at += w.size
    assert at == flat.size


def options() -> Iterator[tuple[str, Fields]]:
    for mode in range(4):
        yield f"{mode} plain", network(mode)
        yield f"{mode} all", network(mode, layers=3, both=1)
        yield f"{mode} wide", network(mode, 3, 2, 4, 37, layers=2)
        yield f"{mode} large batch", network(mode, 2, 13, 3, 17)
        yield f"{mode} first", network(mode, layers=2, both=1, first=1)
        yield f"{mode} no bias", network(mode, bias=False, layers=2)
        yield f"{mode} no state", network(mode, state=False)
        yield f"{mode} packed", network(mode, sizes=[4, 3, 3, 1], layers=2)
        yield f"{mode} packed both", network(mode, sizes=[4, 3, 3, 1], layers=2, both=1)
        yield f"{mode} dropout", network(mode, layers=3, both=1, dropout=0.4)
        yield f"{mode} packed dropout", network(mode, sizes=[3, 3, 2], layers=2, dropout=0.3)
        yield f"{mode} unbatched", network(mode, unbatched=True, layers=2, both=1)
        yield f"{mode} unbatched first", network(mode, unbatched=True, first=1)
        yield f"{mode} one", network(mode, 1, 1, 1, 1)
    yield "projected", network(k.LSTM, h=7, proj=3, layers=2, both=1)
    yield "projected first", network(k.LSTM, h=18, proj=17, first=1, bias=False)
    yield "projected packed", network(k.LSTM, h=7, proj=1, sizes=[4, 2, 1], layers=2, both=1, dropout=0.3)


OPTIONS = dict(options())


@pytest.mark.parametrize("name", OPTIONS)
def test_central_differences(name: str) -> None:
    fields = OPTIONS[name]
    results = forward(fields)
    gradients = gradients_of(results)
    dx, dh0, dc0, dweights = backward(fields, results, gradients)

    def value() -> float:
        return reference_value(fields, gradients)

    for array, gradient in ((fields["x"], dx), (fields["h0"], dh0), (fields["c0"], dc0), *split(dweights, fields["weights"])):
        if array is not None:
            assert gradient.shape == array.shape and gradient.flags.c_contiguous and gradient.dtype == np.float64
            check_derivative(value, array, gradient)


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_asked_for(name: str) -> None:
    """Forward's bits do not depend on reserve, a gradient's on whether others are wanted; float32 is close to float64."""
    fields = OPTIONS[name]
    single = cast(fields, np.float32)
    without, results = forward(single, False), forward(single)
    assert without[3] is None and results[3].ndim == 1
    for a, b in zip(without[:3], results[:3]):
        assert (a is None and b is None) or a.tobytes() == b.tobytes()
    gradients = gradients_of(results)
    together = backward(single, results, gradients)
    for i in range(4):
        if together[i] is not None:
            alone = backward(single, results, gradients, tuple(i == j for j in range(4)))
            assert [j for j in range(4) if alone[j] is not None] == [i]
            assert alone[i].tobytes() == together[i].tobytes()
    exact = forward(fields)
    for ours, wanted in zip(together, backward(fields, exact, cast(gradients, np.float64))):
        if ours is not None:
            assert ours.dtype == np.float32
            assert np.abs(ours - wanted).max(initial=0) <= 2e-5 * max(1, np.abs(wanted).max(initial=0))


@pytest.mark.parametrize("mode", range(4))
def test_missing_gradients_are_zeros(mode: int) -> None:
    fields = network(mode, layers=2, both=1)
    results = forward(fields)
    gradients = gradients_of(results)
    for i, missing in enumerate(gradients):
        if missing is not None:
            absent = [None if j == i else g for j, g in enumerate(gradients)]
            zeros = [np.zeros_like(g) if j == i else g for j, g in enumerate(gradients)]
            for a, b in zip(backward(fields, results, absent), backward(fields, results, zeros)):
                assert (a is None and b is None) or np.array_equal(a, b)
    for gradient in backward(fields, results, [None] * 3):
        assert gradient is None or not gradient.any()


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("first", [0, 1])
def test_any_strides(mode: int, first: int) -> None:
    fields = network(mode, layers=2, both=1, first=first)
    results = forward(fields)
    gradients = gradients_of(results)
    expected = backward(fields, results, gradients)

    def strided(value: Any) -> Any:
        if isinstance(value, list):
            return [strided(v) for v in value]
        return np.repeat(value, 2, -1)[..., ::2].T.copy().T if isinstance(value, np.ndarray) and value.ndim > 1 else value

    other = {name: strided(value) for name, value in fields.items()}
    ours = backward(other, (strided(results[0]), None, None, np.repeat(results[3], 3)[::3]), strided(gradients))
    for a, b in zip(ours, expected):
        assert (a is None and b is None) or a.tobytes() == b.tobytes()
    # a sum's gradient: strides of 0
    ones = [None if g is None else np.ones_like(g) for g in gradients]
    broadcast = [None if g is None else np.broadcast_to(np.float64(1), g.shape) for g in gradients]
    for a, b in zip(backward(fields, results, broadcast), backward(fields, results, ones)):
        assert (a is None and b is None) or a.tobytes() == b.tobytes()


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize(
    "shape",
    [
        dict(t=9, b=33, i=40, h=72, layers=2, both=1),
        dict(t=20, b=1, i=40, h=300),
        dict(t=8, b=7, i=40, h=270, first=1),
        dict(i=40, h=130, sizes=[9] * 12 + [5] * 7 + [1] * 4, both=1),
    ],
    ids=["rows", "one row", "units", "packed"],
)
def test_threads_give_the_same_bits(mode: int, shape: Fields) -> None:
    fields = cast(network(mode, **shape), np.float32)
    gradients = gradients_of(forward(fields))
    found = []
    before = nn.get_num_threads()
    try:
        for threads in (1, 2, 3):
            nn.set_num_threads(threads)
            results = forward(fields)
            found.append([r.tobytes() for r in (*results, *backward(fields, results, gradients)) if r is not None])
    finally:
        nn.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("mode", range(4))
def test_nothing_to_do(mode: int) -> None:
    """No steps: the state passes through. No batch: empty results, weights whose gradient is zero."""
    fields = network(mode, t=0)
    results = forward(fields)
    gradients = gradients_of(results)
    dx, dh0, dc0, dweights = backward(fields, results, gradients)
    assert dx.shape == fields["x"].shape and not dweights.any()
    assert np.array_equal(dh0, gradients[1])
    assert mode != k.LSTM or np.array_equal(dc0, gradients[2])
    fields = network(mode, b=0, layers=2, both=1)
    results = forward(fields)
    dx, dh0, _, dweights = backward(fields, results, gradients_of(results))
    assert dx.shape == (4, 0, 5) and dh0.shape == (4, 0, 6) and not dweights.any()


@pytest.mark.parametrize("mode", range(4))
@pytest.mark.parametrize("lead", [(), (1,), (7,)])
@pytest.mark.parametrize("bias", [False, True])
def test_cell(mode: int, lead: tuple[int, ...], bias: bool) -> None:
    rows = GATES[mode] * 19
    weights = [draw(1, rows, 5), draw(2, rows, 19) / 4, *([draw(3, rows), draw(4, rows)] if bias else [None, None])]
    x, h, c = draw(5, *lead, 5), draw(6, *lead, 19), draw(7, *lead, 19) if mode == k.LSTM else None
    hn, cn, reserve = _native.rnn_cell_forward(mode, x, h, c, weights, mode == k.LSTM, True)
    without = _native.rnn_cell_forward(mode, x, h, c, weights, mode == k.LSTM, False)
    assert without[0].tobytes() == hn.tobytes() and without[2] is None
    dhn, dcn = draw(8, *hn.shape), None if cn is None else draw(9, *cn.shape)
    arguments = (mode, dhn, dcn, x, h, c, weights, hn, reserve)
    together = _native.rnn_cell_backward(*arguments, True, True, mode == k.LSTM, True)

    def value() -> float:
        results = reference.rnn_cell_forward(mode, x, h, c, weights)
        return sum(float((r * g).sum()) for r, g in zip(results, (dhn, dcn)) if r is not None)

    for array, gradient in ((x, together[0]), (h, together[1]), (c, together[2]), *split(together[3], weights)):
        if array is not None:
            assert gradient.shape == array.shape
            check_derivative(value, array, gradient)
    for i in range(4):
        if together[i] is not None:
            alone = _native.rnn_cell_backward(*arguments, *(i == j for j in range(4)))
            assert [j for j in range(4) if alone[j] is not None] == [i]
            assert alone[i].tobytes() == together[i].tobytes()


def test_errors() -> None:
    fields = network(k.GRU)
    results = forward(fields)
    gradients = gradients_of(results)
    with pytest.raises(ShapeError, match=r"dy has shape \(3, 3, 6\); expected \(4, 3, 6\)"):
        backward(fields, results, [gradients[0][1:], *gradients[1:]])
    with pytest.raises(ShapeError, match="reserve has shape"):
        backward(fields, (*results[:3], results[3][1:]), gradients)
    with pytest.raises(ShapeError, match="dhn has shape"):
        backward(fields, results, [gradients[0], gradients[1][:, :2], None])
    with pytest.raises(TypeError, match="input is float64 but dy is float32"):
        backward(fields, results, [gradients[0].astype(np.float32), None, None])
    with pytest.raises(ValueError, match="no cell state"):
        backward(fields, results, [gradients[0], None, gradients[1]])
    with pytest.raises(ShapeError, match="y has shape"):
        backward(fields, (results[0][:, :2], *results[1:]), gradients)
