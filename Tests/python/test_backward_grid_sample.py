"""Gradients of grid_sample: the transpose of its map for the image, differences for the grid; what is wanted alone, threads, errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import swiftnn as nn
from Reference import constants as k
from Reference.grid_sample import grid_sample_forward
from swiftnn import _native
from test_backward_convolution import DTYPES, adjoint, close, draw, spread
from test_backward_loss import differences

MODES, PADDINGS = (k.NEAREST, k.BILINEAR, k.BICUBIC), (k.PAD_CONSTANT, k.PAD_REFLECT, k.PAD_REPLICATE)
SHAPES = (((2, 2, 4, 3), (2, 3, 5, 2)), ((1, 1, 1, 2), (1, 130, 1, 2)), ((1, 2, 2, 2, 3), (1, 2, 2, 3, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "places"), SHAPES)
@pytest.mark.parametrize(("mode", "padding"), [*itertools.product(MODES, PADDINGS)])
def test_gradients(mode: int, padding: int, size: tuple[int, ...], places: tuple[int, ...], dtype: type) -> None:
    if mode == k.BICUBIC and len(size) == 5:
        mode = k.BILINEAR
    # Coordinates that float32 has exactly, none at a pixel's middle or border, where the derivative jumps.
    x, grid = draw(*size), np.round(draw(*places) * 0.8 * 64) / 64 + 1 / 512
    options = (mode, padding, len(size) == 4)
    dy = draw(*size[:2], *places[1:-1], seed=2).astype(dtype)
    dx, dgrid = _native.grid_sample_backward(dy, x.astype(dtype), grid.astype(dtype), *options, True, True)
    close(dx, adjoint(lambda v: grid_sample_forward(v, grid, *options), x, dy.astype(np.float64)), dtype)
    slopes = differences(lambda v: grid_sample_forward(x, v, *options), grid, dy.astype(np.float64))
    close(dgrid, slopes, dtype, 1e6 if dtype is np.float64 else 5)  # what differences have of digits
    # As far apart as memory may be, one result at a time.
    far = (spread(dy), spread(x.astype(dtype)), spread(grid.astype(dtype)), *options)
    assert [part is None for part in _native.grid_sample_backward(*far, True, False)] == [False, True]
    np.testing.assert_array_equal(_native.grid_sample_backward(*far, True, False)[0], dx)
    np.testing.assert_array_equal(_native.grid_sample_backward(*far, False, True)[1], dgrid)


def test_threads_change_no_bit() -> None:
    x, grid, dy = draw(2, 19, 30, 31).astype(np.float32), draw(2, 40, 33, 2).astype(np.float32), draw(2, 19, 40, 33).astype(np.float32)
    expected, before = None, nn.get_num_threads()
    try:
        for threads in (1, 2, 3, 5):
            nn.set_num_threads(threads)
            y = _native.grid_sample_forward(x, grid, k.BICUBIC, k.PAD_REFLECT, 0)
            got = [part.tobytes() for part in (y, *_native.grid_sample_backward(dy, x, grid, k.BICUBIC, k.PAD_REFLECT, 0, True, True))]
            expected = expected or got
            assert got == expected
    finally:
        nn.set_num_threads(before)


def test_what_is_outside_has_no_part() -> None:
    """Neither an infinite pixel, nor a gradient that is no number, reaches what does not see it."""
    x, grid = np.ones((1, 1, 2, 2)), np.array([[[[-5.0, 0.0], [1.1, 1.1]]]])
    x[0, 0, 0, 0] = np.inf
    assert _native.grid_sample_forward(x, grid, k.BILINEAR, k.PAD_CONSTANT, 1)[0, 0, 0, 0] == 0
    dy = np.array([[[[np.nan, 1.0]]]])
    dx, dgrid = _native.grid_sample_backward(dy, x, grid, k.BILINEAR, k.PAD_CONSTANT, 1, True, True)
    assert np.isfinite(dx).all() and dx[0, 0, 1, 1] > 0
    assert np.isfinite(dgrid[0, 0, 1]).all() and not dgrid[0, 0, 0].any()


def test_shapes_are_checked() -> None:
    x, grid, dy = np.zeros((1, 2, 3, 4)), np.zeros((1, 5, 6, 2)), np.zeros((1, 2, 6, 5))
    with pytest.raises(ValueError, match=r"grid_sample_backward: dy has shape \(1, 2, 6, 5\)"):
        _native.grid_sample_backward(dy, x, grid, k.BILINEAR, k.PAD_CONSTANT, 0, True, True)
    for mode, padding in ((2, 0), (7, 0), (k.BILINEAR, k.PAD_CIRCULAR), (k.BILINEAR, -1)):
        with pytest.raises(ValueError, match="mode"):
            _native.grid_sample_forward(x, grid, mode, padding, 0)
    for empty in ((0, 2, 3, 4), (0, 5, 6, 2)), ((1, 0, 3, 4), (1, 5, 6, 2)), ((1, 2, 3, 4), (1, 0, 6, 2)):
        y = _native.grid_sample_forward(*map(np.zeros, empty), k.BILINEAR, k.PAD_CONSTANT, 0)
        assert y.size == 0
        dx, dgrid = _native.grid_sample_backward(y, *map(np.zeros, empty), k.BILINEAR, k.PAD_CONSTANT, 0, True, True)
        assert dx.shape == empty[0] and not dx.any() and dgrid.shape == empty[1] and not dgrid.any()
