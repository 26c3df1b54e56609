"""Gradients of the operations on rows: against central differences of the float64 forward and the formulas in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import Reference as reference
import swiftnn as nn
from Reference import constants as k
from swiftnn import _native

OPS = {name: tuple(fields) for name, fields in _native.OPS}
# Kinds whose gradient is computed from the result
FROM_RESULT = {k.RELU, k.RELU6, k.LEAKY_RELU, k.ELU, k.SIGMOID, k.TANH, k.EXP, k.HARDTANH, k.SELU}
PARAMETERS = {k.LEAKY_RELU: (0.2, 0.0), k.ELU: (1.3, 0.0), k.SOFTPLUS: (2.0, 3.0), k.HARDTANH: (-1.0, 0.5)}
PARAMETERS |= {k.CELU: (1.3, 0.0), k.THRESHOLD: (0.5, -1.0), k.HARDSHRINK: (0.5, 0.0), k.SOFTSHRINK: (1.0, 0.0)}

Fields = dict[str, Any]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def forward(op: str, fields: Fields) -> np.ndarray:
    """The first result of an operation whose row may have optional ones."""
    names = [name for kind, name in OPS[op + "_forward"] if kind != "OUT"]
    return getattr(_native, op + "_forward")(*(fields[name] for name in names))


def backward(op: str, fields: Fields, dy: np.ndarray, wanted: set[str] | None = None) -> dict[str, np.ndarray | None]:
    """Gradients by the name of their input; wanted: those to ask for, None: all."""
    everything: Fields = {**fields, "dy": dy}
    names, outputs, arguments = [], [], []
    for kind, name in OPS[op + "_backward"]:
        if kind in ("OUT", "OPTOUT"):
            outputs.append(name[1:])
        if kind == "OPTOUT":
            arguments.append(wanted is None or name[1:] in wanted)
        elif kind == "INTS" and name.endswith("_shape") and name not in everything:
            arguments.append(everything[name[: -len("_shape")]].shape)
        elif kind != "OUT":
            arguments.append(everything.get(name))
        names.append(name)
    result = getattr(_native, op + "_backward")(*arguments)
    return dict(zip(outputs, result if isinstance(result, tuple) else (result,)))


def cast(fields: Fields, dtype: type) -> Fields:
    return {
        name: value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value for name, value in fields.items()
    }


def cases() -> Iterator[tuple[str, str, Fields]]:
    for m, depth, n in ((1, 1, 1), (3, 5, 7), (7, 17, 4), (70, 3, 2), (2, 33, 40), (0, 3, 4), (3, 4, 0), (3, 0, 4)):
        fields = dict(x=draw(m, depth), weight=draw(n, depth), bias=draw(n), residual=None, activation=k.NONE, first=0, rows=0)
        yield "linear", f"{m}x{depth}x{n}", fields
    common = dict(weight=draw(9, 4), bias=draw(9), residual=None, activation=k.NONE)
    yield "linear", "rows", dict(x=draw(2, 3, 4), first=2, rows=5, **common)
    yield "linear", "vector", dict(x=draw(4), first=0, rows=0, **common)
    yield "linear", "transposed", dict(x=draw(4, 3, 2).T, first=0, rows=0, **common)
    for shape, o, i, j in (((3,), 2, 5, 4), ((2, 3), 4, 1, 7), ((), 3, 2, 2), ((20,), 2, 9, 8)):
        yield "bilinear", f"{shape}", dict(x1=draw(*shape, i), x2=draw(*shape, j), weight=draw(o, i, j), bias=draw(o))
    for shape in ((3, 1), (2, 2, 17), (0, 3), (5,)):
        channels = shape[1] if len(shape) > 1 else 1
        for size in {1, channels}:
            yield "prelu", f"{shape} {size}", dict(x=draw(*shape), weight=draw(size))
    yield "prelu", "planes", dict(x=draw(2, 3, 5, 4), weight=draw(3))
    for axis in (0, 1, -1):
        for log in (0, 1):
            yield "softmax", f"{axis} {log}", dict(x=draw(3, 5, 18), axis=axis, log=log)
    yield "softmax", "scalar", dict(x=draw(), axis=0, log=0)
    yield "softmax", "empty", dict(x=draw(0, 4), axis=1, log=1)
    for shape, over in (((3, 7), 1), ((2, 3, 17), 1), ((4, 2, 9), 2), ((0, 5), 1), ((33,), 1), ((70, 3), 1)):
        for affine in (True, False):
            normalized = shape[len(shape) - over :]
            weight, bias = (draw(*normalized), draw(*normalized)) if affine else (None, None)
            fields = dict(x=draw(*shape) + 2, normalized_shape=normalized, weight=weight, eps=1e-2)
            yield "layer_norm", f"{shape} {over} {affine}", dict(bias=bias, **fields)
            yield "rms_norm", f"{shape} {over} {affine}", fields
    for shape, groups in (((2, 6), 2), ((3, 4, 5), 4), ((2, 6, 3, 11), 3), ((2, 4, 40), 1), ((0, 4, 3), 2), ((70, 4), 2)):
        for affine in (True, False):
            weight, bias = (draw(shape[1]), draw(shape[1], seed=1)) if affine else (None, None)
            fields = dict(x=draw(*shape) + 2, weight=weight, bias=bias, eps=1e-2)
            yield "group_norm", f"{shape} {groups} {affine}", dict(groups=groups, **fields)
            mean, variance = draw(shape[1], seed=2), np.abs(draw(shape[1], seed=3))
            yield "batch_norm", f"{shape} {affine}", dict(mean=mean, variance=variance, training=0, **fields)
            if shape[0]:
                yield "batch_norm", f"{shape} {affine} training", dict(mean=None, variance=None, training=1, **fields)
    for kind in range(24):
        alpha, beta = PARAMETERS.get(kind, (0.0, 0.0))
        x = draw(3, 11) * 2
        # clear of the kinks, where a central difference means nothing
        x = np.where(np.abs(x - np.round(x * 2) / 2) < 1e-3, x + 0.01, x)
        yield "activation", f"{kind}", dict(x=np.abs(x) + 0.1 if kind == k.LOG else x, kind=kind, alpha=alpha, beta=beta)
    for kind in (k.LEAKY_RELU, k.ELU, k.CELU):
        yield "activation", f"{kind} negative", dict(x=draw(3, 11), kind=kind, alpha=-0.7, beta=0.0)


CASES = list(cases())


def completed(op: str, fields: Fields) -> Fields:
    """With what backward takes of forward's results."""
    fields = dict(fields)
    if op == "batch_norm" and fields["training"]:
        fields["mean"], fields["variance"] = _native.batch_stats_forward(fields["x"])
    if op == "softmax":
        fields["y"] = forward(op, fields)
    if op == "activation":
        kind = fields["kind"]
        if kind in FROM_RESULT and fields["alpha"] >= 0 or kind in (k.HARDTANH,):
            fields["y"] = forward(op, fields)
            return {**fields, "x": None, "_x": fields["x"]}
    return fields


def gradients_of(op: str) -> list[str]:
    return [name[1:] for kind, name in OPS[op + "_backward"] if kind in ("OUT", "OPTOUT")]


def difference_quotient(op: str, fields: Fields, name: str, dy: np.ndarray) -> np.ndarray:
    """The gradient of sum(dy * forward) by one input, element by element."""
    x = np.array(fields[name])
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        values = []
        for step in (1e-5, -1e-5):
            moved = x.copy()
            moved[at] += step
            values.append(float((dy * forward(op, completed_for_forward(op, {**fields, name: moved}))).sum()))
        gradient[at] = (values[0] - values[1]) / 2e-5
    return gradient


def completed_for_forward(op: str, fields: Fields) -> Fields:
    if op == "batch_norm" and fields["training"]:
        mean, variance = _native.batch_stats_forward(fields["x"])
        return {**fields, "mean": mean, "variance": variance}
    return fields


def gradient_for(op: str, fields: Fields, seed: int = 5) -> np.ndarray:
    y = forward(op, completed_for_forward(op, fields))
    return draw(*y.shape, seed=seed).astype(y.dtype)


@pytest.mark.parametrize(("op", "name", "fields"), CASES, ids=[f"{op} {name}" for op, name, _ in CASES])
def test_central_differences(op: str, name: str, fields: Fields) -> None:
    dy = gradient_for(op, fields)
    got = backward(op, completed(op, fields), dy)
    for field in gradients_of(op):
        value = got[field]
        if fields.get(field) is None:
            continue
        assert value is not None and value.shape == np.shape(fields[field]) and value.flags.c_contiguous
        expected = difference_quotient(op, fields, field, dy)
        np.testing.assert_allclose(value, expected, rtol=2e-6, atol=2e-7 * (1 + np.abs(expected).max(initial=0)), err_msg=field)


@pytest.mark.parametrize(("op", "name", "fields"), CASES, ids=[f"{op} {name}" for op, name, _ in CASES])
def test_each_gradient_alone_any_strides_and_float32(op: str, name: str, fields: Fields) -> None:
    single = cast(fields, np.float32)
    exact = cast(single, np.float64)
    dy = gradient_for(op, single)
    expected = backward(op, completed(op, exact), dy.astype(np.float64))
    given = completed(op, single)
    got = backward(op, given, dy)
    for field in gradients_of(op):
        if fields.get(field, 1) is None and field != "x":
            continue
        value, wanted = got[field], expected[field]
        scale = max(1.0, np.abs(wanted).max(initial=0))
        assert value.dtype == np.float32
        np.testing.assert_allclose(value / scale, wanted / scale, rtol=0, atol=2e-5, err_msg=field)
        optional = any(kind == "OPTOUT" for kind, _ in OPS[op + "_backward"])
        if optional:
            alone = backward(op, given, dy, {field})
            assert [f for f, v in alone.items() if v is not None] == [field]
            assert alone[field].tobytes() == value.tobytes()
        for layout in LAYOUTS:
            strided = {f: layout(v) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for f, v in given.items()}
            np.testing.assert_array_equal(backward(op, strided, layout(dy))[field], value, err_msg=f"{field} {layout.__name__}")


def reversed_last(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a[..., ::-1])[..., ::-1] if a.ndim else a


def every_second(a: np.ndarray) -> np.ndarray:
    if a.ndim == 0:
        return a
    whole = np.zeros(tuple(2 * s for s in a.shape), a.dtype)
    view = whole[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [np.asfortranarray, reversed_last, every_second]


@pytest.mark.parametrize(("op", "name", "fields"), CASES, ids=[f"{op} {name}" for op, name, _ in CASES])
def test_a_broadcast_gradient(op: str, name: str, fields: Fields) -> None:
    given = completed(op, fields)
    shape = gradient_for(op, fields).shape
    dy = np.broadcast_to(np.float64(0.7), shape)
    got, expected = backward(op, given, dy), backward(op, given, dy.copy())
    for field in gradients_of(op):
        np.testing.assert_allclose(got[field], expected[field], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("padding_idx", "by_frequency"), [(-1, 0), (2, 0), (0, 1), (-1, 1)])
@pytest.mark.parametrize(("shape", "rows", "width"), [((), 3, 4), ((7,), 5, 1), ((4, 6), 3, 300), ((0,), 4, 2), ((2, 3), 4, 0)])
def test_embedding(shape: tuple[int, ...], rows: int, width: int, padding_idx: int, by_frequency: int, dtype: type) -> None:
    indices = np.random.default_rng(0).integers(0, rows, shape)
    dy = draw(*shape, width).astype(dtype)
    expected = np.zeros((rows, width))
    np.add.at(expected, indices, dy.astype(np.float64))
    if by_frequency:
        expected /= np.maximum(np.bincount(indices.ravel(), minlength=rows), 1)[:, None]
    if padding_idx >= 0:
        expected[padding_idx] = 0
    for layout in (np.asarray, *LAYOUTS):
        got = _native.embedding_backward(layout(dy), indices, (rows, width), padding_idx, by_frequency)
        np.testing.assert_allclose(got, expected, atol=1e-5 if dtype is np.float32 else 1e-13)
    with pytest.raises(IndexError, match="num_embeddings"):
        _native.embedding_backward(draw(1, width), np.array([rows]), (rows, width), -1, 0)


def bags_backward(dy: np.ndarray, indices: np.ndarray, weight: np.ndarray, offsets: Any, scales: Any, mode: int, *flags: int) -> list[Any]:
    """Gradients of weight and, where there are some, of scales."""
    y, places = _native.embedding_bag_forward(indices, weight, offsets, scales, mode, *flags, mode == 2)
    assert y.shape == dy.shape
    return list(_native.embedding_bag_backward(dy, indices, weight, offsets, scales, places, mode, *flags, True, scales is not None))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize(("last", "padding_idx", "by_frequency", "width"), [(0, -1, 0, 70), (1, 2, 0, 1), (0, 1, 1, 3), (0, 0, 0, 0)])
def test_embedding_bag(last: int, padding_idx: int, by_frequency: int, width: int, mode: int, dtype: type) -> None:
    """Against sums that NumPy adds up place by place."""
    rng = np.random.default_rng(0)
    rows, offsets = 5, np.array([0, 3, 3, 9, 12])
    indices, weight = rng.integers(0, rows, 14), draw(rows, width)
    scales = draw(14) if mode == 0 else None
    bags = len(offsets) - last
    ends = np.append(offsets[1:], 14)[:bags]
    dy = draw(bags, width)
    expected, of_scales = np.zeros((rows, width)), np.zeros(14)
    counts = np.zeros(rows)
    for b in range(bags):
        kept = [i for i in range(offsets[b], ends[b]) if indices[i] != padding_idx]
        np.add.at(counts, indices[kept], 1)
        for i in kept:
            factor = scales[i] if scales is not None else 1 / len(kept) if mode == 1 else 1
            # Of a maximum, the first place that has it.
            chosen = weight[indices[kept]].argmax(0) == kept.index(i) if mode == 2 else True
            expected[indices[i]] += factor * np.where(chosen, dy[b], 0)
            of_scales[i] = dy[b] @ weight[indices[i]]
    if by_frequency and mode != 2:
        expected /= np.maximum(counts, 1)[:, None]
    given = [None if a is None else a.astype(dtype) for a in (dy, weight, scales)]
    for layout in (np.asarray, *LAYOUTS):
        arrays = [None if a is None else layout(a) for a in given]
        got = bags_backward(arrays[0], indices, arrays[1], offsets, arrays[2], mode, last, padding_idx, by_frequency)
        np.testing.assert_allclose(got[0], expected, atol=1e-5 if dtype is np.float32 else 1e-13)
        if scales is not None:
            np.testing.assert_allclose(got[1], of_scales, atol=1e-5 if dtype is np.float32 else 1e-13)
    wrong: dict[str, Callable[[], Any]] = {
        "mode is 3": lambda: bags_backward(dy, indices, weight, offsets, None, 3, last, -1, 0),
        "num_embeddings": lambda: bags_backward(dy, indices + 5, weight, offsets, scales, mode, last, -1, 0),
        "decrease": lambda: bags_backward(dy, indices, weight, offsets[[0, 2, 1, 3, 4]] + [0, 1, 0, 0, 0], scales, mode, last, -1, 0),
    }
    for match, call in wrong.items():
        with pytest.raises((ValueError, IndexError), match=match):
            call()
    with pytest.raises(nn.errors.ShapeError, match="dy has shape"):
        _native.embedding_bag_backward(draw(bags, width + 1), indices, weight, offsets, None, None, 0, last, -1, 0, True, False)
    with pytest.raises(ValueError, match="places"):
        _native.embedding_bag_backward(dy, indices, weight, offsets, None, None, 2, last, -1, 0, True, False)
    with pytest.raises(ValueError, match="no per_sample_weights"):
        _native.embedding_bag_backward(dy, indices, weight, offsets, None, None, 0, last, -1, 0, True, True)


def test_embedding_bag_with_places_that_are_none() -> None:
    """What a caller of the C ABI hands over as places never leads out of the table."""
    indices, weight, dy = np.array([0, 1, 2]), draw(3, 2), np.ones((1, 2))
    for places in ([[-1, 7]], [[2**62, -(2**63)]]):
        got = _native.embedding_bag_backward(dy, indices, weight, np.array([0]), None, np.array(places), 2, 0, -1, 0, True, False)[0]
        assert not got.any()


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_embedding_bag_for_any_number_of_threads(mode: int) -> None:
    rng = np.random.default_rng(0)
    indices, weight, dy = rng.integers(0, 900, (700, 20)), draw(900, 129).astype(np.float32), draw(700, 129).astype(np.float32)
    scales = draw(700, 20).astype(np.float32) if mode == 0 else None
    results = []
    for threads in (1, 2, 3):
        with nn.threads(threads):
            y = _native.embedding_bag_forward(indices, weight, None, scales, mode, 0, 5, 0, True)
            gradients = bags_backward(dy, indices, weight, None, scales, mode, 0, 5, 0)
            results.append([a.tobytes() for a in (*y, *gradients) if a is not None])
    assert results[0] == results[1] == results[2]


def test_activation_at_kinks_and_special_values() -> None:
    """PyTorch's conventions."""
    inf, nan = np.inf, np.nan
    expected = {
        (k.RELU, 0.0, 0.0): {0.0: 0, -1: 0, 2: 3, nan: 3, inf: 3},
        (k.RELU6, 0.0, 0.0): {0.0: 0, 6: 0, 5: 3, 7: 0},
        (k.LEAKY_RELU, 0.5, 0.0): {0.0: 1.5, -1: 1.5, 1: 3},
        (k.ELU, 1.0, 0.0): {0.0: 3, -inf: 0, inf: 3},
        (k.HARDTANH, -1.0, 1.0): {-1: 0, 1: 0, 0.5: 3, inf: 0},
        (k.HARDSIGMOID, 0.0, 0.0): {-3: 0, 3: 0, 0: 0.5},
        (k.HARDSWISH, 0.0, 0.0): {-3: 0, 3: 3, 0: 1.5, 4: 3, -4: 0},
        (k.SIGMOID, 0.0, 0.0): {-inf: 0, inf: 0, 0: 0.75},
        (k.TANH, 0.0, 0.0): {-inf: 0, inf: 0, 0: 3},
        (k.SOFTPLUS, 1.0, 20.0): {-inf: 0, inf: 3, 21: 3, 0: 1.5},
        (k.LOGSIGMOID, 0.0, 0.0): {-inf: 3, inf: 0, 0: 1.5},
        (k.SOFTSIGN, 0.0, 0.0): {0: 3, inf: 0},
        (k.CELU, 2.0, 0.0): {0.0: 3, -inf: 0, inf: 3, nan: nan},
        (k.CELU, -2.0, 0.0): {0.0: 3, -1: 3 * np.exp(0.5), inf: 3},
        (k.THRESHOLD, 1.0, 9.0): {1: 0, 2: 3, -inf: 0, nan: 3},
        (k.HARDSHRINK, 0.5, 0.0): {0.5: 0, -0.5: 0, 0: 0, -1: 3, inf: 3},
        (k.HARDSHRINK, -1.0, 0.0): {0.5: 3, 0: 3, -2: 3},
        (k.SOFTSHRINK, 0.5, 0.0): {0.5: 0, -0.5: 0, 0: 0, -1: 3, inf: 3},
        (k.ERF, 0.0, 0.0): {-inf: 0, inf: 0},
    }
    for dtype in (np.float32, np.float64):
        for (kind, alpha, beta), table in expected.items():
            x = np.array(list(table), dtype)
            y = _native.activation_forward(x, kind, alpha, beta)
            dy = np.full_like(x, 3)
            given = (None, y) if kind in FROM_RESULT else (x, None)
            got = _native.activation_backward(dy, *given, kind, alpha, beta)
            np.testing.assert_allclose(got, list(table.values()), rtol=1e-6, err_msg=f"kind {kind}")


def test_errors_name_the_argument() -> None:
    x, dy = draw(2, 3), draw(2, 3)
    with pytest.raises(ValueError, match="kind 0 needs y"):
        _native.activation_backward(dy, x, None, k.RELU, 0.0, 0.0)
    with pytest.raises(ValueError, match="kind 4 needs input"):
        _native.activation_backward(dy, None, x, k.GELU, 0.0, 0.0)
    for call in (
        lambda: _native.activation_backward(draw(3, 2), None, x, k.RELU, 0.0, 0.0),
        lambda: _native.softmax_backward(draw(3, 2), x, 0, 0),
        lambda: _native.linear_backward(draw(2, 3), x, draw(4, 3), 0, 0, True, True, True),
        lambda: _native.layer_norm_backward(draw(2, 4), x, (3,), None, 1e-5, True, True, True),
        lambda: _native.layer_norm_backward(dy, x, (2,), None, 1e-5, True, True, True),
        lambda: _native.group_norm_backward(draw(2, 4), x, 3, None, 1e-5, True, True, True),
        lambda: _native.batch_norm_backward(dy, x, draw(2), draw(3), None, 1e-5, True, True, True, True),
        lambda: _native.prelu_backward(dy, x, draw(2), True, True),
        lambda: _native.embedding_backward(dy, np.array([0, 1]), (4, 2), -1, 0),
        lambda: _native.bilinear_backward(dy, x, x, draw(2, 3, 3), True, True, True, True),
    ):
        with pytest.raises(nn.errors.ShapeError, match="backward: "):
            call()
    with pytest.raises(IndexError, match="dim is 2"):
        _native.softmax_backward(dy, x, 2, 0)
    with pytest.raises(TypeError, match="float32"):
        _native.softmax_backward(dy.astype(np.float32), x, 0, 0)


# Enough work that all threads take part
LARGE: list[tuple[str, Fields]] = [
    ("linear", dict(x=draw(300, 129), weight=draw(130, 129), bias=draw(130), residual=None, activation=k.NONE, first=0, rows=0)),
    ("linear", dict(x=draw(9000, 30), weight=draw(20, 30), bias=draw(20), residual=None, activation=k.NONE, first=0, rows=0)),
    ("bilinear", dict(x1=draw(400, 60), x2=draw(400, 50), weight=draw(5, 60, 50), bias=draw(5))),
    ("prelu", dict(x=draw(20, 16, 900), weight=draw(16))),
    ("prelu", dict(x=draw(300, 1000), weight=draw(1))),
    ("softmax", dict(x=draw(500, 515), axis=1, log=0)),
    ("softmax", dict(x=draw(50, 515, 9), axis=1, log=1)),
    ("layer_norm", dict(x=draw(700, 515), normalized_shape=(515,), weight=draw(515), bias=draw(515), eps=1e-5)),
    ("rms_norm", dict(x=draw(3, 200_000), normalized_shape=(200_000,), weight=draw(200_000), eps=1e-5)),
    ("group_norm", dict(x=draw(6, 16, 40, 40), groups=4, weight=draw(16), bias=draw(16), eps=1e-5)),
    ("group_norm", dict(x=draw(900, 256), groups=4, weight=draw(256), bias=draw(256), eps=1e-5)),
    ("batch_norm", dict(x=draw(6, 16, 40, 40), mean=None, variance=None, weight=draw(16), bias=draw(16), eps=1e-5, training=1)),
    ("batch_norm", dict(x=draw(2000, 129), mean=None, variance=None, weight=draw(129), bias=draw(129), eps=1e-5, training=1)),
    ("activation", dict(x=draw(300, 1015), kind=k.GELU, alpha=0.0, beta=0.0)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "fields"), LARGE, ids=[f"{op}{i}" for i, (op, _) in enumerate(LARGE)])
def test_any_number_of_threads(op: str, fields: Fields, dtype: type) -> None:
    fields = cast(fields, dtype)
    dy = gradient_for(op, fields)
    results = []
    for threads in (1, 2, 3):
        with nn.threads(threads):
            results.append(backward(op, completed(op, fields), dy))
    for other in results[1:]:
        for field, value in results[0].items():
            assert other[field].tobytes() == value.tobytes(), field


def test_embedding_for_any_number_of_threads() -> None:
    indices = np.random.default_rng(0).integers(0, 3000, (64, 128))
    dy = draw(64, 128, 65).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        with nn.threads(threads):
            results.append(_native.embedding_backward(dy, indices, (3000, 65), 5, 1).tobytes())
    assert results[0] == results[1] == results[2]


def test_long_sums_keep_their_digits() -> None:
    """A bias' gradient over many rows, and the weights' of normalisations."""
    rows = 100_000
    dy, x = np.abs(draw(rows, 8)).astype(np.float32), draw(rows, 8).astype(np.float32)
    exact_dy, exact_x = dy.astype(np.float64), x.astype(np.float64)
    dbias = _native.linear_backward(dy, x, draw(8, 8).astype(np.float32), 0, 0, False, True, True)
    np.testing.assert_allclose(dbias[2], exact_dy.sum(0), rtol=2e-6)
    np.testing.assert_allclose(dbias[1], exact_dy.T @ exact_x, rtol=1e-5, atol=3e-2)
    _, _, dbeta = _native.layer_norm_backward(dy, x, (8,), None, 1e-5, False, False, True)
    np.testing.assert_allclose(dbeta, exact_dy.sum(0), rtol=2e-6)


def test_statistics_of_columns() -> None:
    """Batch norm of (N, C), whose channels are columns, has the statistics of the reference also where the mean is large."""
    for shape in ((1000, 17), (300, 5, 3)):
        x = (draw(*shape) + 1000).astype(np.float32)
        mean, variance = reference.batch_stats_forward(x)
        got = _native.batch_stats_forward(x)
        np.testing.assert_allclose(got[0], mean, rtol=2e-7)
        np.testing.assert_allclose(got[1], variance, rtol=1e-5)
