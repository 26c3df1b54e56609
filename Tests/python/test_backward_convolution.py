"""Gradients of convolution, padding, pooling and resizing: against the transposes of the forward's maps, threads, options, errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from Reference import constants as k
from Reference.conv import conv_forward, conv_transpose_forward
from Reference.interpolate import interpolate_forward
from Reference.padding import pad_forward
from Reference.pooling import (
    adaptive_avg_pool_forward,
    adaptive_max_pool_forward,
    avg_pool_forward,
    fold_forward,
    max_pool_forward,
    max_unpool_forward,
    unfold_forward,
)
from swiftnn import _native

DTYPES = [np.float32, np.float64]
ALLOWED = {np.float32: 1e-5, np.float64: 1e-12}


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def adjoint(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Σ dy f(x) differentiated by x, for an f that is linear up to a constant: what each unit vector adds."""
    at_zero = f(np.zeros(x.shape))
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[i] = 1
        gradient[i] = np.sum(dy * (f(unit) - at_zero))
    return gradient


def close(ours: np.ndarray, expected: np.ndarray, dtype: type, more: float = 1) -> None:
    assert ours.shape == expected.shape and ours.dtype == dtype and ours.flags.c_contiguous
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=more * ALLOWED[dtype] * scale)


def spread(x: np.ndarray) -> np.ndarray:
    """The same numbers in memory of odd strides."""
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan if x.dtype.kind == "f" else -1, x.dtype)[..., ::-2]
    wide[...] = x
    return wide


def conv_gradients(dy, x, weight, stride, padding, dilation, groups):
    """dx and dw from their sums, one tap at a time; dbias."""
    dims = weight.ndim - 2
    if x.ndim == dims + 1:
        dx, dw, db = conv_gradients(dy[None], x[None], weight, stride, padding, dilation, groups)
        return dx[0], dw, db
    stride, dilation = (tuple(v) * dims if len(v) == 1 else v for v in (stride, dilation))
    sides = [(v, v) for v in (padding * dims if len(padding) == 1 else padding)] if len(padding) <= dims else None
    if sides is None:
        sides = [(padding[2 * i], padding[2 * i + 1]) for i in range(dims)]
    padded = np.pad(x, [(0, 0), (0, 0), *sides])
    n, c, *size = padded.shape
    grouped = padded.reshape(n, groups, c // groups, *size)
    dpadded, dw = np.zeros_like(grouped), np.zeros((groups, weight.shape[0] // groups, *weight.shape[1:]))
    w = weight.reshape(dw.shape)
    g = dy.reshape(n, groups, weight.shape[0] // groups, *dy.shape[2:])
    for tap in itertools.product(*map(range, weight.shape[2:])):
        seen = (slice(None),) * 3 + tuple(
            slice(t * d, t * d + s * (p - 1) + 1, s) for t, d, s, p in zip(tap, dilation, stride, dy.shape[2:])
        )
        dpadded[seen] += np.einsum("ngo...,goc->ngc...", g, w[(slice(None),) * 3 + tap])
        left, right = (v.reshape(*v.shape[:3], int(np.prod(dy.shape[2:]))) for v in (g, grouped[seen]))
        dw[(slice(None),) * 3 + tap] = np.einsum("ngop,ngcp->goc", left, right)
    inside = (slice(None),) * 2 + tuple(slice(a, a + h) for (a, _), h in zip(sides, x.shape[2:]))
    return dpadded.reshape(padded.shape)[inside], dw.reshape(weight.shape), dy.sum((0, *range(2, dy.ndim)))


# x, weight, stride, padding, dilation, groups
CONVOLUTIONS = {
    "3x3": ((2, 3, 7, 9), (5, 3, 3, 3), (1,), (1,), (1,), 1),
    "no batch": ((3, 7, 9), (5, 3, 3, 3), (1,), (1,), (1,), 1),
    "empty batch": ((0, 3, 7, 9), (5, 3, 3, 3), (1,), (1,), (1,), 1),
    "1-D": ((2, 3, 31), (4, 3, 5), (1,), (2,), (1,), 1),
    "1-D, no batch": ((20, 31), (17, 20, 4), (3,), (2,), (2,), 1),
    "1-D, long": ((2, 3, 700), (4, 3, 3), (2,), (1,), (1,), 1),
    "Winograd": ((2, 17, 9, 11), (18, 17, 3, 3), (1,), (1,), (1,), 1),
    "Winograd, one side": ((2, 17, 9, 11), (18, 17, 3, 3), (1,), (0, 2, 1, 0), (1,), 1),
    "Winograd, wide border": ((1, 16, 5, 6), (16, 16, 3, 3), (1,), (3,), (1,), 1),
    "stride": ((2, 20, 11, 13), (17, 20, 3, 3), (2,), (1,), (1,), 1),
    "stride beyond the filter": ((2, 17, 11, 13), (4, 17, 2, 1), (3, 2), (0,), (1,), 1),
    "dilated, by residues": ((2, 32, 17, 30), (35, 32, 3, 3), (1,), (4, 2), (3, 2), 1),
    "strides and dilations": ((2, 16, 21, 23), (5, 16, 4, 3), (2, 3), (3, 1), (3, 2), 1),
    "stride and dilation with a divisor": ((2, 16, 21, 23), (5, 16, 3, 3), (4, 2), (3,), (2, 2), 1),
    "border wider than the filter": ((2, 16, 3, 4), (5, 16, 2, 2), (1,), (4, 3), (1,), 1),
    "seven": ((2, 3, 23, 25), (8, 3, 7, 7), (2,), (3,), (1,), 1),
    "groups": ((3, 8, 9, 8), (12, 2, 3, 3), (1,), (1,), (1,), 4),
    "groups with stride": ((2, 32, 9, 8), (32, 16, 3, 2), (2, 1), (1, 0), (1,), 2),
    "depthwise": ((3, 9, 19, 18), (9, 1, 3, 3), (1,), (1,), (1,), 9),
    "depthwise with stride": ((2, 9, 19, 18), (9, 1, 5, 4), (2, 3), (2, 1), (1, 2), 9),
    "depthwise, two filters": ((2, 5, 9, 18), (10, 1, 3, 3), (1, 2), (1,), (1,), 5),
    "pointwise": ((3, 33, 7, 7), (20, 33, 1, 1), (1,), (0,), (1,), 1),
    "pointwise with stride": ((3, 33, 8, 7), (20, 33, 1, 1), (2,), (0,), (1,), 1),
    "pointwise with border": ((3, 18, 8, 7), (20, 18, 1, 1), (1,), (1,), (1,), 1),
    "one channel": ((5, 1, 12, 12), (32, 1, 3, 3), (1,), (0,), (1,), 1),
    "many pixels": ((7, 2, 30, 31), (3, 2, 3, 3), (1,), (1,), (1,), 1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str, dtype: type) -> None:
    shape, filters, *options = CONVOLUTIONS[name]
    x, weight = draw(*shape).astype(dtype), draw(*filters, seed=1).astype(dtype)
    dy = draw(*_native.conv_forward(x, weight, None, *options, k.NONE).shape, seed=2).astype(dtype)
    expected = conv_gradients(*(v.astype(np.float64) for v in (dy, x, weight)), *options)
    found = _native.conv_backward(dy, x, weight, *options, True, True, True)
    for ours, theirs in zip(found, expected):
        close(ours, theirs, dtype, 10)
    for i in range(3):
        alone = _native.conv_backward(spread(dy), spread(x), spread(weight), *options, *(i == j for j in range(3)))
        assert [a is None for a in alone] == [i != j for j in range(3)]
        close(alone[i], expected[i], dtype, 10)


def test_convolution_of_the_reference() -> None:
    x, weight = draw(2, 4, 5, 6), draw(6, 2, 3, 2, seed=1)
    options = ((2, 1), (1, 0), (1, 2), 2)
    dy = draw(*conv_forward(x, weight, None, *options).shape, seed=2)
    dx, dw, _ = _native.conv_backward(dy, x, weight, *options, True, True, True)
    close(dx, adjoint(lambda v: conv_forward(v, weight, None, *options), x, dy), np.float64)
    close(dw, adjoint(lambda v: conv_forward(x, v, None, *options), weight, dy), np.float64)


TRANSPOSED = {  # x, weight, stride, padding, output_padding, dilation, groups
    "plain": ((2, 3, 5, 6), (3, 4, 3, 3), (1,), (0,), (0,), (1,), 1),
    "a U-Net's": ((2, 6, 5, 6), (6, 4, 2, 2), (2,), (0,), (0,), (1,), 1),
    "a generator's": ((2, 6, 5, 6), (6, 4, 4, 4), (2,), (1,), (0,), (1,), 1),
    "output padding beyond the stride": ((2, 4, 5, 6), (4, 3, 3, 2), (2, 1), (1, 0), (2, 1), (3, 2), 2),
    "groups": ((2, 6, 4, 5), (6, 2, 3, 3), (2,), (1,), (1,), (1,), 3),
    "one channel each": ((2, 5, 6, 7), (5, 1, 3, 3), (1,), (1,), (0,), (1,), 5),
    "many channels": ((2, 18, 7, 9), (18, 20, 3, 3), (1,), (1,), (0,), (1,), 1),
    "signal": ((2, 3, 9), (3, 4, 5), (3,), (2,), (1,), (1,), 1),
    "unbatched signal": ((3, 9), (3, 4, 5), (3,), (2,), (1,), (2,), 1),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRANSPOSED)
def test_conv_transpose(name: str, dtype: type) -> None:
    shape, filters, *options = TRANSPOSED[name]
    x, weight = draw(*shape).astype(dtype), draw(*filters, seed=1).astype(dtype)
    exact_x, exact_weight = x.astype(np.float64), weight.astype(np.float64)
    dy = draw(*_native.conv_transpose_forward(x, weight, None, *options).shape, seed=2).astype(dtype)
    expected = (
        adjoint(lambda v: conv_transpose_forward(v, exact_weight, None, *options), exact_x, dy.astype(np.float64)),
        adjoint(lambda v: conv_transpose_forward(exact_x, v, None, *options), exact_weight, dy.astype(np.float64)),
        dy.astype(np.float64).sum(tuple(i for i in range(dy.ndim) if i != dy.ndim - weight.ndim + 1)),
    )
    found = _native.conv_transpose_backward(dy, x, weight, *options, True, True, True)
    for i in range(3):
        close(found[i], expected[i], dtype, 10)
        alone = _native.conv_transpose_backward(spread(dy), spread(x), spread(weight), *options, *(i == j for j in range(3)))
        assert [a is None for a in alone] == [i != j for j in range(3)]
        close(alone[i], expected[i], dtype, 10)


def test_gradient_of_one_number_everywhere() -> None:
    x, weight = draw(2, 3, 6, 6), draw(4, 3, 3, 3)
    dy = np.broadcast_to(np.float64(2), (2, 4, 4, 4))
    for ours, theirs in zip(
        _native.conv_backward(dy, x, weight, (1,), (0,), (1,), 1, True, True, True), conv_gradients(dy, x, weight, (1,), (0,), (1,), 1)
    ):
        close(ours, theirs, np.float64)


def linear_maps() -> Iterator[tuple[str, str, Callable[[np.ndarray], np.ndarray], tuple[int, ...], tuple[Any, ...]]]:
    """Operation, its reference, the input's shape and the fields of backward behind x_shape."""
    for name, shape, pads in (
        ("row", (2, 5), (1, 2)), ("image", (2, 3, 4, 5), (1, 2, 3, 0)), ("channels", (2, 3, 4), (1, 1, 2, 2, 1, 0)),
        ("none", (3, 4), (0, 0)),
    ):  # fmt: skip
        for mode in (k.PAD_CONSTANT, k.PAD_REFLECT, k.PAD_REPLICATE, k.PAD_CIRCULAR):
            yield f"pad {name} {mode}", "pad", lambda x, p=pads, m=mode: pad_forward(x, p, m, 0.0), shape, (pads, mode)
    for mode in (k.PAD_CONSTANT, k.PAD_REPLICATE, k.PAD_CIRCULAR):
        yield f"crop {mode}", "pad", lambda x, m=mode: pad_forward(x, (-1, 2, 1, -2), m, 0.0), (2, 5, 6), ((-1, 2, 1, -2), mode)
    for shape, kernel, stride, padding, ceil, count, divisor in (
        ((2, 3, 7, 9), (2, 2), (2, 2), (0, 0), 0, 1, 0), ((2, 3, 7, 9), (3, 2), (2, 1), (1, 1), 1, 1, 0),
        ((3, 7, 9), (3, 4), (1, 3), (1, 2), 1, 0, 0), ((2, 3, 9), (3,), (2,), (1,), 0, 0, 0), ((3, 9), (2,), (3,), (0,), 1, 1, 0),
        ((2, 3, 5, 5), (5, 5), (5, 5), (0, 0), 0, 1, 0), ((2, 3, 7, 9), (3, 3), (2, 2), (1, 0), 0, 1, 4),
        ((0, 3, 7, 9), (2, 2), (2, 2), (0, 0), 0, 1, 0),
    ):  # fmt: skip
        fields = (kernel, stride, padding, ceil, count, divisor)
        yield f"avg_pool {shape} {fields}", "avg_pool", lambda x, f=fields: avg_pool_forward(x, *f), shape, fields
    for shape, size in (
        ((2, 3, 7, 9), (3, 4)),
        ((3, 7, 9), (1, 1)),
        ((2, 3, 7), (10,)),
        ((2, 3, 6, 8), (3, -1)),
        ((3, 9), (2,)),
        ((2, 3, 4, 4), (0, 2)),
    ):
        yield f"adaptive {shape} {size}", "adaptive_avg_pool", lambda x, s=size: adaptive_avg_pool_forward(x, s), shape, (size,)
    for shape, size in (((2, 3, 5, 4), (11, 8)), ((2, 3, 5, 9), (2, 3)), ((1, 2, 5), (13,)), ((1, 1, 1, 1), (3, 2)), ((0, 2, 5), (4,))):
        for mode, align in ((k.NEAREST, 0), (k.NEAREST_EXACT, 0), (k.BILINEAR, 0), (k.BILINEAR, 1), *((m, 0) for m in range(3, 7))):
            if mode > k.NEAREST_EXACT and len(size) == 1:
                continue
            fields = (size, mode, align, 0.0, 0.0)
            yield f"interpolate {shape} {fields}", "interpolate", lambda x, f=fields: interpolate_forward(x, *f), shape, fields
    fields = ((7, 9), k.BILINEAR, 0, 1.5, 1.9)
    yield "interpolate by factors", "interpolate", lambda x, f=fields: interpolate_forward(x, *f), (1, 2, 5, 5), fields


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "reference", "shape", "fields"), [pytest.param(*row[1:], id=row[0]) for row in linear_maps()])
def test_linear_map(op: str, reference: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], fields: Any, dtype: type) -> None:
    dy = draw(*reference(np.zeros(shape)).shape, seed=2).astype(dtype)
    expected = adjoint(reference, np.zeros(shape), dy.astype(np.float64))
    backward = getattr(_native, op + "_backward")
    close(backward(dy, shape, *fields), expected, dtype)
    close(backward(spread(dy), shape, *fields), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "dilation", "ceil"),
    [
        ((2, 3, 8, 10), (2, 2), (2, 2), (0, 0), (1, 1), 0), ((2, 3, 9, 10), (3, 3), (1, 2), (1, 1), (1, 1), 1),
        ((3, 9, 10), (3, 2), (2, 1), (1, 0), (2, 1), 0), ((2, 3, 11), (3,), (2,), (1,), (1,), 1), ((3, 11), (2,), (3,), (0,), (2,), 0),
        ((0, 3, 11), (2,), (3,), (0,), (2,), 0),
    ],
)  # fmt: skip
def test_max_pool(shape, kernel, stride, padding, dilation, ceil, dtype: type) -> None:
    x = draw(*shape).astype(dtype)
    y, indices = max_pool_forward(x, kernel, stride, padding, dilation, ceil, True)
    dy = draw(*y.shape, seed=2).astype(dtype)
    expected = np.zeros(shape)
    size = int(np.prod(shape[len(shape) - len(kernel) :]))
    windows = int(np.prod(y.shape[len(shape) - len(kernel) :]))
    planes = expected.reshape(-1, size)
    np.add.at(planes, (np.arange(len(planes))[:, None], indices.reshape(-1, windows)), dy.reshape(-1, windows))
    close(_native.max_pool_backward(dy, indices, shape, kernel), expected, dtype)
    close(_native.max_pool_backward(spread(dy), spread(indices), shape, kernel), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "size"), [((2, 3, 17), (5,)), ((3, 9, 7), (4, 3)), ((2, 3, 4, 6, 5), (3, 2, 4)), ((0, 3, 4, 6), (3, 2))])
def test_adaptive_max_pool(shape: tuple[int, ...], size: tuple[int, ...], dtype: type) -> None:
    x = draw(*shape).astype(dtype)
    y, indices = adaptive_max_pool_forward(x, size, True)
    dy = draw(*y.shape, seed=2).astype(dtype)
    planes = np.zeros((math.prod(shape[: -len(size)]), math.prod(shape[-len(size) :])))
    flat = (len(planes), math.prod(size))
    np.add.at(planes, (np.arange(len(planes))[:, None], indices.reshape(flat)), dy.reshape(flat))
    for give in (lambda a: a, spread):
        close(_native.adaptive_max_pool_backward(give(dy), give(indices), shape, size), planes.reshape(shape), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "size"), [((2, 3, 5), (9,)), ((3, 4, 3), (7, 6)), ((2, 3, 2, 3, 2), (5, 4, 4)), ((2, 3, 2), (0,))])
def test_max_unpool(shape: tuple[int, ...], size: tuple[int, ...], dtype: type) -> None:
    indices = np.random.default_rng(3).integers(0, max(1, math.prod(size)), shape)
    dy = draw(*shape[: -len(size)], *size, seed=2).astype(dtype)
    planes = dy.reshape(math.prod(shape[: -len(size)]), -1)
    expected = np.zeros(shape)
    if dy.size:
        expected = np.take_along_axis(planes, indices.reshape(len(planes), -1), 1).reshape(shape)
        assert _native.max_unpool_forward(np.zeros(shape, dtype), indices, size).shape == max_unpool_forward(expected, indices, size).shape
    for give in (lambda a: a, spread):
        close(_native.max_unpool_backward(give(dy), give(indices), size), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [((2, 2), (1, 1), (0, 0), (1, 1)), ((3, 2), (1, 2), (2, 1), (2, 1)), ((1, 3), (3, 1), (0, 2), (3, 4))])
def test_blocks(block: Any, dtype: type) -> None:
    """Each of unfold and fold is the other's derivative."""
    for shape in ((2, 3, 7, 9), (3, 7, 9), (0, 3, 7, 9)):
        zeros = np.zeros(shape)
        columns = unfold_forward(zeros, *block)
        dy, dx = draw(*columns.shape, seed=2).astype(dtype), draw(*shape, seed=3).astype(dtype)
        expected = adjoint(lambda v: unfold_forward(v, *block), zeros, dy.astype(np.float64))
        for give in (lambda a: a, spread):
            close(_native.fold_forward(give(dy), (7, 9), *block), expected, dtype)
            close(_native.unfold_forward(give(dx), *block), unfold_forward(dx, *block), dtype)
        x = nn.Tensor(dx, requires_grad=True)
        nn.functional.unfold(x, *block).backward(dy)
        close(x.grad, expected, dtype)
        y = nn.Tensor(dy, requires_grad=True)
        nn.functional.fold(y, (7, 9), *block).backward(dx)
        close(y.grad, adjoint(lambda v: fold_forward(v, (7, 9), *block), columns, dx.astype(np.float64)), dtype)


def test_windows_outside_of_a_volume() -> None:
    """Their gradient goes where their index points, as PyTorch has it, or nowhere."""
    x = nn.Tensor(np.zeros((1, 1, 2, 2, 2)), requires_grad=True)
    y, places = nn.functional.max_pool3d(x, 2, 1, 1, 3, return_indices=True)
    expected, got = max_pool_forward(x.numpy(), (2, 2, 2), (1,), (1,), (3,), 0, True), (y.numpy(), places.numpy())
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    y.backward(np.ones(y.shape))
    inside = got[1][got[1] < 8]
    np.testing.assert_array_equal(x.grad.ravel(), np.bincount(inside, minlength=8))
    assert not places.requires_grad


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_has_the_same_bits_on_any_number_of_threads(name: str, dtype: type) -> None:
    (n, *rest), filters, *options = CONVOLUTIONS[name]
    if name.endswith("no batch") or n == 0:
        n, rest = 6, [n, *rest]
        if len(rest) + 1 != len(filters):
            rest = rest[1:]
    x, weight = draw(6 * max(n, 1), *rest).astype(dtype), draw(*filters, seed=1).astype(dtype)
    dy = draw(*_native.conv_forward(x, weight, None, *options, k.NONE).shape, seed=2).astype(dtype)
    results = []
    for threads in (1, 2, 3):
        with nn.threads(threads):
            results.append([a.tobytes() for a in _native.conv_backward(dy, x, weight, *options, True, True, True)])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("h", "w"), [(2, 32), (5, 33), (8, 70), (13, 129)])
@pytest.mark.parametrize("inside", [True, False])
def test_max_pool_of_pairs(h: int, w: int, inside: bool, dtype: type) -> None:
    """Windows of 2 by 2 take a way of their own, unless some place is not in its window."""
    rng = np.random.default_rng([h, w])
    p, q = h // 2, w // 2
    rows, columns = 2 * np.arange(p)[:, None], 2 * np.arange(q)
    places = (rows + rng.integers(0, 2, (2, 3, p, q))) * w + columns + rng.integers(0, 2, (2, 3, p, q))
    if not inside:
        places[0, 1, 0, q - 1] = 0
        places[0, 2, p - 1, 3] = h * w + 5
        places[1, 0, 0, 0] = 2**32
        places[1, 2, p - 1, 0] = -(2**32)
    dy = rng.standard_normal((2, 3, p, q)).astype(dtype)
    dy[0, 0, 0, 0] = -0.0
    expected = np.zeros((6, h * w), dtype)
    for plane, at, values in zip(expected, places.reshape(6, -1), dy.reshape(6, -1), strict=True):
        valid = (at >= 0) & (at < h * w)
        np.add.at(plane, at[valid], values[valid])
    got = _native.max_pool_backward(dy, places, (2, 3, h, w), (2, 2))
    assert got.tobytes() == expected.tobytes()


def test_pooling_has_the_same_bits_on_any_number_of_threads() -> None:
    x = draw(4, 16, 65, 65).astype(np.float32)
    y, indices = _native.max_pool_forward(x, (3, 3), (1, 1), (1, 1), (1, 1), 0, True)
    dy, up = draw(*y.shape, seed=1).astype(np.float32), draw(4, 16, 130, 130).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        with nn.threads(threads):
            results.append(
                [
                    _native.max_pool_backward(dy, indices, x.shape, (3, 3)).tobytes(),
                    _native.avg_pool_backward(dy, x.shape, (3, 3), (1, 1), (1, 1), 0, 1, 0).tobytes(),
                    _native.adaptive_avg_pool_backward(dy, (4, 16, 100, 99), (65, 65)).tobytes(),
                    _native.interpolate_backward(up, x.shape, (130, 130), k.BILINEAR, 0, 0.0, 0.0).tobytes(),
                    _native.adaptive_max_pool_forward(x, (9, 7), True)[1].tobytes(),
                    _native.max_unpool_forward(y, indices, (65, 65)).tobytes(),
                    _native.max_unpool_backward(x, indices, (65, 65)).tobytes(),
                    _native.fold_forward(_native.unfold_forward(x, (3, 3), (1,), (1,), (1,)), (65, 65), (3, 3), (1,), (1,), (1,)).tobytes(),
                    _native.pad_backward(dy, (4, 16, 60, 61), (2, 2, 3, 2), k.PAD_REFLECT).tobytes(),
                ]
            )
    assert results[0] == results[1] == results[2]


def test_max_pool_without_an_element() -> None:
    indices = np.array([[[[0, 16], [-1, 2**62]]]])
    dx = _native.max_pool_backward(np.ones((1, 1, 2, 2)), indices, (1, 1, 4, 4), (2, 2))
    assert dx.sum() == dx[0, 0, 0, 0] == 1


def test_errors() -> None:
    x, weight, dy = np.zeros((1, 2, 4, 4)), np.zeros((3, 2, 3, 3)), np.zeros((1, 3, 2, 3))
    with pytest.raises(ValueError, match=r"conv_backward: dy has shape \(1, 3, 2, 3\); expected \(1, 3, 2, 2\)"):
        _native.conv_backward(dy, x, weight, (1,), (0,), (1,), 1, True, True, True)
    with pytest.raises(ValueError, match="max_pool_backward: indices has shape"):
        _native.max_pool_backward(np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2, 1), np.int64), x.shape, (2, 2))
    with pytest.raises(ValueError, match="avg_pool_backward: dy has shape"):
        _native.avg_pool_backward(np.zeros((1, 2, 2, 3)), x.shape, (2, 2), (2, 2), (0, 0), 0, 1, 0)
    with pytest.raises(ValueError, match="adaptive_avg_pool_backward: dy has shape"):
        _native.adaptive_avg_pool_backward(np.zeros((1, 2, 2, 3)), x.shape, (2, 2))
    with pytest.raises(ValueError, match="adaptive_max_pool_backward: indices has shape"):
        _native.adaptive_max_pool_backward(np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2, 1), np.int64), x.shape, (2, 2))
    with pytest.raises(ValueError, match="max_unpool_backward: dy has shape"):
        _native.max_unpool_backward(np.zeros((1, 2, 4, 5)), np.zeros((1, 2, 2, 2), np.int64), (4, 4))
    with pytest.raises(IndexError, match="max_unpool_backward: indices has 16"):
        _native.max_unpool_backward(x, np.full((1, 2, 2, 2), 16), (4, 4))
    with pytest.raises(ValueError, match="interpolate_backward: dy has shape"):
        _native.interpolate_backward(np.zeros((1, 2, 2, 3)), x.shape, (2, 2), k.NEAREST, 0, 0.0, 0.0)
    with pytest.raises(ValueError, match="interpolate: unknown mode"):
        _native.interpolate_forward(x, (2, 2), 7, 0, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"cubic and smooth modes resize \(N, C, H, W\)"):
        _native.interpolate_forward(x[0], (2,), k.BICUBIC, 0, 0.0, 0.0)
    with pytest.raises(ValueError, match="align_corners does not go with Lanczos"):
        _native.interpolate_forward(x, (2, 2), k.LANCZOS_SMOOTH, 1, 0.0, 0.0)
    with pytest.raises(ValueError, match="pad_backward: dy has shape"):
        _native.pad_backward(np.zeros((1, 2, 4, 4)), x.shape, (1, 1), k.PAD_CONSTANT)
