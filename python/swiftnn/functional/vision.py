"""Borders, sizes, places and channels of signals and images."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import operators
from .._native import adaptive_avg_pool_forward, grid_sample_forward, interpolate_forward, pad_forward
from ..errors import ShapeError
from ..tape import operation
from ._arguments import Array, _as_array, _floats, _ints, _real, _sizes
from ._signatures import input_and_grid, one_input, thetas
from .pooling import adaptive_avg_pool3d

__all__ = [
    "affine_grid",
    "channel_shuffle",
    "grid_sample",
    "interpolate",
    "native_channel_shuffle",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

# The numbers of swiftnn.h.
_PAD_MODES = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}
# By the mode, and whether it is smooth (antialias=True).
_INTERPOLATIONS = {
    ("nearest", False): 0, ("linear", False): 1, ("bilinear", False): 1, ("trilinear", False): 1, ("nearest-exact", False): 2,
    ("bicubic", False): 3, ("bilinear", True): 4, ("bicubic", True): 5, ("lanczos", True): 6,
}  # fmt: skip
# Of grid_sample.
_SAMPLINGS = {"nearest": 0, "bilinear": 1, "bicubic": 3}
_OUTSIDE = {"zeros": 0, "reflection": 1, "border": 2}
# The numbers of dimensions that a mode resizes.
_RESIZED = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3), "linear": (1,), "bilinear": (2,), "bicubic": (2,), "lanczos": (2,),
    "trilinear": (3,),
}  # fmt: skip


@one_input
def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """Puts a border round an array, or cuts one off where a number is negative.

    Args:
        input: array (*).
        pad: (before, after) of the last dimension, then of the one before it, and so on.
        mode: 'constant', 'reflect' (without the edge), 'replicate' (the edge) or 'circular' (the opposite side).
        value: what 'constant' fills in; None: 0.

    **Shape**: (..., D) -> (..., before + D + after).

    Raises:
        ValueError: the mode is unknown, pad has an odd number of values or more than input has dimensions.
        ShapeError: the border is wider than the mode allows.

    Example:
        >>> nn.functional.pad(np.array([[1.0, 2.0, 3.0]]), (1, 2), mode="replicate")
        array([[1., 1., 2., 3., 3., 3.]])
    """
    code = _PAD_MODES.get(mode)
    if code is None:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _PAD_MODES))}, but got {mode!r}")
    if code and value:
        raise ValueError(f"value={value} has no meaning with mode={mode!r}; leave it out")
    pads = _sizes(pad, "pad")
    ndim = np.ndim(_as_array(input))
    if len(pads) % 2:
        raise ShapeError(f"pad must hold pairs (before, after), but got {len(pads)} values: {pads}")
    if len(pads) > 2 * ndim:
        raise ShapeError(f"pad has {len(pads)} values, at most {2 * ndim} fit an array with {ndim} dimensions")
    return pad_forward(input, pads, code, 0.0 if value is None else value)


@one_input
def interpolate(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """Resizes signals, images or volumes.

    Args:
        input: array (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: the output's size, an int or one for each dimension.
        scale_factor: or the factor by which the size grows.
        mode: 'nearest', 'nearest-exact', 'area'; 'linear' for (N, C, L); 'bilinear', 'bicubic', 'lanczos' for (N, C, H, W); 'trilinear' for
            (N, C, D, H, W).
        align_corners: lays the corner elements on each other ('linear' to 'trilinear', 'bicubic').
        recompute_scale_factor: computes the factor again from the rounded output size.
        antialias: takes all that an output covers of the input into account, with 'bilinear', 'bicubic' and 'lanczos', as Pillow does; for
            smaller images. 'lanczos' needs it.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Raises:
        ValueError: both or none of size and scale_factor are given, or align_corners or antialias does not go with mode.
        NotImplementedError: mode does not go with the number of dimensions.

    Example:
        >>> nn.functional.interpolate(np.array([[[1.0, 2.0]]]), scale_factor=2)
        array([[[1., 1., 2., 2.]]])
    """
    x = _as_array(input)
    shape, count = x.shape, len(x.shape) - 2
    if mode in ("nearest", "nearest-exact", "area") and align_corners is not None:
        raise ValueError(f"align_corners can only be set with the modes 'linear' to 'trilinear' and 'bicubic', but got mode={mode!r}")
    if count not in _RESIZED.get(mode, ()):
        raise NotImplementedError(
            f"mode={mode!r} does not go with an input of shape {tuple(shape)}: expected 'nearest', 'nearest-exact' or 'area', 'linear' for "
            "(N, C, L), 'bilinear', 'bicubic' or 'lanczos' for (N, C, H, W), 'trilinear' for (N, C, D, H, W)"
        )
    if mode == "lanczos" and (not antialias or align_corners):
        raise ValueError("mode='lanczos' needs antialias=True and no align_corners")
    if antialias and (mode, True) not in _INTERPOLATIONS:
        raise ValueError(f"antialias=True goes with 'bilinear', 'bicubic' and 'lanczos', but got mode={mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("exactly one of size and scale_factor must be given")
    scales: tuple[float, ...] = (0.0,) * count
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor has no meaning with an explicit size")
        output = tuple(_ints(size, count, "size"))
        if isinstance(size, Sequence) and len(size) != count:
            raise ValueError(f"size must have {count} values for an input of shape {tuple(shape)}, but got {size!r}")
    else:
        given: Any = scale_factor
        listed = given if isinstance(given, (tuple, list)) else (given,) * count
        factors: tuple[float, ...] = tuple(float(_real(factor, "scale_factor")) for factor in listed)
        if len(factors) != count:
            raise ValueError(f"scale_factor must have {count} values for an input of shape {tuple(shape)}, but got {scale_factor!r}")
        output = tuple(math.floor(n * f) for n, f in zip(shape[2:], factors, strict=True))
        if not recompute_scale_factor and mode != "area":
            scales = factors
    if mode == "area":
        return adaptive_avg_pool3d(x, output) if count == 3 else adaptive_avg_pool_forward(x, output)
    code, corners = _INTERPOLATIONS[mode, bool(antialias)], bool(align_corners)
    if count < 3:
        return interpolate_forward(x, output, code, corners, *((0.0,) * (2 - count) + scales))
    # Planes, then columns of whole planes.
    n, c, d, h, w = shape
    if min(*output, d, h, w) < 1:
        raise ShapeError(f"input {tuple(shape)} and output {output} need sizes of at least 1")
    y = interpolate_forward(x.reshape((n, c * d, h, w)), output[1:], code, corners, scales[1], scales[2])
    y = interpolate_forward(y.reshape((n, c, d, output[1] * output[2])), (output[0], output[1] * output[2]), code, corners, scales[0], 0.0)
    return y.reshape((n, c, *output))


@one_input
def upsample(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """Resizes signals, images or volumes: the older name of interpolate.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Example:
        >>> nn.functional.upsample(np.ones((1, 1, 2, 2)), scale_factor=3).shape
        (1, 1, 6, 6)
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


@input_and_grid
def grid_sample(
    input: Array, grid: Array, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Array:
    """Looks images or volumes up at the places that a grid names.

    y[n, c, p, q] = Σ w(u, v) input[n, c, u, v] over the pixels round grid[n, p, q] = (x, y). -1 and 1 are the borders of the image, x
    counts its columns and y its rows.

    Args:
        input: array (N, C, H, W) or (N, C, D, H, W).
        grid: array (N, P, Q, 2), or (N, O, P, Q, 3) of (x, y, z); see affine_grid.
        mode: 'bilinear' (of volumes trilinear), 'nearest', or 'bicubic' for images.
        padding_mode: what lies outside: 'zeros', 'border' (its nearest pixel), or 'reflection' (mirrors at the borders).
        align_corners: puts -1 and 1 on the middles of the outermost pixels instead of their outer edges. None: False.

    A place that is no number lies outside.

    **Shape**: (N, C, H, W), (N, P, Q, 2) -> (N, C, P, Q); (N, C, D, H, W), (N, O, P, Q, 3) -> (N, C, O, P, Q).

    Raises:
        ValueError: mode or padding_mode is unknown, or 'bicubic' is asked of volumes.
        ShapeError: input and grid do not go together.

    Example:
        >>> image, grid = np.arange(4.0).reshape(1, 1, 2, 2), np.array([[[[0.0, 0.0], [0.5, -0.5]]]])
        >>> nn.functional.grid_sample(image, grid)
        array([[[[1.5, 1. ]]]])

    Reference: Jaderberg et al.: Spatial Transformer Networks (2015).
    """
    if mode not in _SAMPLINGS:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _SAMPLINGS))}, but got {mode!r}")
    if padding_mode not in _OUTSIDE:
        raise ValueError(f"padding_mode must be one of {', '.join(map(repr, _OUTSIDE))}, but got {padding_mode!r}")
    x = _as_array(input)
    if mode == "bicubic" and len(x.shape) == 5:
        raise ValueError(f"mode='bicubic' samples images (N, C, H, W), but got an input of shape {tuple(x.shape)}; use 'bilinear'")
    return grid_sample_forward(x, grid, _SAMPLINGS[mode], _OUTSIDE[padding_mode], bool(align_corners))


@thetas
def affine_grid(theta: Array, size: Sequence[int], align_corners: bool | None = None) -> Array:
    """The grid with which grid_sample turns, shears, scales and moves images.

    grid[n, p, q] = theta[n] · (x_q, y_p, 1), where x and y are the middles of the pixels of an image from -1 to 1

    Args:
        theta: array (N, 2, 3), or (N, 3, 4) for volumes.
        size: the shape of the images to come, (N, C, H, W) or (N, C, D, H, W).
        align_corners: as in grid_sample. None: False.

    **Shape**: (N, 2, 3) -> (N, H, W, 2); (N, 3, 4) -> (N, D, H, W, 3).

    Raises:
        ValueError: size has a number below 1.
        ShapeError: theta does not go with size.

    Example:
        >>> theta = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> nn.functional.affine_grid(theta, (1, 1, 2, 2))[0, 0]
        array([[-0.5, -0.5],
               [ 0.5, -0.5]])

    Reference: Jaderberg et al.: Spatial Transformer Networks (2015).
    """
    t, sizes = _floats(theta), _sizes(size, "size")
    dims = len(sizes) - 2
    if dims not in (2, 3) or tuple(t.shape) != (sizes[0], dims, dims + 1):
        expected = f"({sizes[0]}, {dims}, {dims + 1})" if dims in (2, 3) else "(N, 2, 3) or (N, 3, 4)"
        raise ShapeError(f"theta has shape {tuple(t.shape)}; expected {expected} for size={sizes}")
    if min(sizes) < 1:
        raise ValueError(f"size must be positive numbers, but got {sizes}")
    points = np.ones((*sizes[2:], dims + 1))
    for d, n in enumerate(sizes[2:]):
        # Of one pixel the middle.
        middles = np.linspace(-1, 1, n) if align_corners and n > 1 else (2 * np.arange(n) + 1) / n - 1
        points[..., dims - 1 - d] = middles.reshape((-1,) + (1,) * (dims - 1 - d))
    flat = points.reshape((-1, dims + 1)).astype(t.dtype)
    return operators.matmul(flat, t.swapaxes(1, 2)).reshape((sizes[0], *sizes[2:], dims))


@one_input
def upsample_nearest(input: Array, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None) -> Array:
    """Repeats the nearest element: interpolate with mode='nearest'.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋; signals and volumes alike.

    Example:
        >>> nn.functional.upsample_nearest(np.array([[[1.0, 2.0]]]), scale_factor=2)
        array([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, "nearest")


@one_input
def upsample_bilinear(input: Array, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None) -> Array:
    """Resizes images, corner on corner: interpolate with mode='bilinear' and align_corners=True.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Example:
        >>> nn.functional.upsample_bilinear(np.array([[[[1.0, 2.0]]]]), (1, 3))
        array([[[[1. , 1.5, 2. ]]]])
    """
    return interpolate(input, size, scale_factor, "bilinear", True)


@one_input
def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """Moves blocks of r² channels into r times higher and wider planes.

    y[c, h·r + i, w·r + j] = x[c·r² + i·r + j, h, w]

    Args:
        input: array (*, C·r², H, W).
        upscale_factor: r.

    **Shape**: (*, C·r², H, W) -> (*, C, H·r, W·r).

    Raises:
        ShapeError: the channels are not a multiple of r².

    Example:
        >>> nn.functional.pixel_shuffle(np.ones((1, 9, 4, 4)), 3).shape
        (1, 1, 12, 12)
    """
    x, r = _as_array(input), operator.index(upscale_factor)
    if r <= 0:
        raise ShapeError(f"upscale_factor must be positive, but got {r}")
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(f"input must be (*, C, H, W) with C a multiple of upscale_factor²={r * r}, but got shape {tuple(x.shape)}")
    return _shuffled(x, r=r)


@operation
def _shuffled(x: Any, *, r: int) -> Any:
    lead, (c, h, w) = x.shape[:-3], x.shape[-3:]
    n, c = math.prod(lead), c // (r * r)
    blocks, y = x.reshape((n, c, r, r, h, w)), np.empty((n, c, h, r, w, r), x.dtype)
    # Of each place in a block the rows are read in one run; NumPy's copy of all at once goes from number to number of a block.
    for i in range(r):
        for j in range(r):
            y[:, :, :, i, :, j] = blocks[:, :, i, j]

    def backward(dy: Any, wanted: Any) -> Any:
        return (dy.reshape((n, c, h, r, w, r)).transpose((0, 1, 3, 5, 2, 4)).reshape(x.shape),)

    return y.reshape((*lead, c, h * r, w * r)), backward


@one_input
def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    """Moves r times r blocks of each plane into r² channels: the reverse of pixel_shuffle.

    y[c·r² + i·r + j, h, w] = x[c, h·r + i, w·r + j]

    Args:
        input: array (*, C, H·r, W·r).
        downscale_factor: r.

    **Shape**: (*, C, H·r, W·r) -> (*, C·r², H, W).

    Raises:
        ShapeError: height or width is not a multiple of r.

    Example:
        >>> nn.functional.pixel_unshuffle(np.ones((1, 1, 12, 12)), 3).shape
        (1, 9, 4, 4)
    """
    x, r = _as_array(input), operator.index(downscale_factor)
    if r <= 0:
        raise ShapeError(f"downscale_factor must be positive, but got {r}")
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ShapeError(f"input must be (*, C, H, W) with H and W multiples of downscale_factor={r}, but got shape {tuple(x.shape)}")
    lead, (c, h, w) = tuple(x.shape[:-3]), x.shape[-3:]
    n, h, w = math.prod(lead), h // r, w // r
    return x.reshape((n, c, h, r, w, r)).transpose((0, 1, 3, 5, 2, 4)).reshape((*lead, c * r * r, h, w))


@one_input
def channel_shuffle(input: Array, groups: int) -> Array:
    """Mixes the channels of groups: channel g·(C/groups) + k goes to k·groups + g.

    Args:
        input: array (N, C, *).
        groups: number of groups.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: C is not a multiple of groups.

    Example:
        >>> nn.functional.channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).ravel()
        array([0., 2., 1., 3.])
    """
    x, g = _as_array(input), operator.index(groups)
    if g <= 0:
        raise ShapeError(f"groups must be positive, but got {g}")
    if x.ndim < 3 or x.shape[1] % g or g > max(x.shape[1], 1):
        raise ShapeError(f"input must be (N, C, *) with C a multiple of groups={g}, but got shape {tuple(x.shape)}")
    n, c, spatial = x.shape[0], x.shape[1], tuple(x.shape[2:])
    return x.reshape((n, g, c // g, math.prod(spatial))).transpose((0, 2, 1, 3)).reshape((n, c, *spatial))


@one_input
def native_channel_shuffle(input: Array, groups: int) -> Array:
    """channel_shuffle under the name of PyTorch's kernel.

    **Shape**: (N, C, *) -> (N, C, *).

    Example:
        >>> nn.functional.native_channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).ravel()
        array([0., 2., 1., 3.])
    """
    return channel_shuffle(input, groups)
