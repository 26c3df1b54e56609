"""Convolution, and the other way round."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import operators
from .._native import conv_backward, conv_forward, conv_transpose_backward, conv_transpose_forward
from ..errors import ShapeError
from ..tape import operation
from ._arguments import _NONE, Array, _as_array, _ints, _require_numbers
from ._signatures import input_and_weight

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


@input_and_weight
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Correlates a signal with filters.

    y[n,o,p] = b[o] + Σ_{c,r} W[o,c,r] x[n, c, p·stride + r·dilation - padding]

    Args:
        input: array (N, C, L) or (C, L).
        weight: array (O, C / groups, R).
        bias: array (O), or None.
        stride: step of the filter.
        padding: zeros on both sides: an int, (before, after), 'valid' or 'same'.
        dilation: distance of the filter's taps.
        groups: number of blocks of channels that do not see each other.

    **Shape**: (N, C, L) -> (N, O, P), P = ⌊(L + 2·padding - dilation·(R-1) - 1) / stride⌋ + 1.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, or padding is negative.

    Example:
        >>> nn.functional.conv1d(np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 3)))
        array([[[3., 6., 9.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@input_and_weight
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Correlates images with filters.

    y[n,o,p,q] = b[o] + Σ_{c,r,s} W[o,c,r,s] x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        weight: array (O, C / groups, R, S).
        bias: array (O), or None.
        stride: step of the filter, an int or (vertical, horizontal).
        padding: zeros on all sides: an int, (vertical, horizontal), (top, bottom, left, right), 'valid' or 'same'.
        dilation: distance of the filter's taps.
        groups: number of blocks of channels that do not see each other.

    **Shape**: (N, C, H, W) -> (N, O, P, Q), P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, or padding is negative.

    Example:
        >>> nn.functional.conv2d(np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3)), padding=1).shape
        (1, 4, 8, 8)
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@input_and_weight
def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Correlates volumes with filters.

    y[n,o,e,p,q] = b[o] + Σ_{c,t,r,s} W[o,c,t,r,s] x[n, c, e·stride + t·dilation - padding, p·stride + r·dilation - padding,
    q·stride + s·dilation - padding]

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        weight: array (O, C / groups, T, R, S).
        bias: array (O), or None.
        stride: step of the filter, an int or one for each dimension, here and below.
        padding: zeros on all sides: an int, three, six (before and after each dimension), 'valid' or 'same'.
        dilation: distance of the filter's taps.
        groups: number of blocks of channels that do not see each other.

    **Shape**: (N, C, D, H, W) -> (N, O, E, P, Q), E = ⌊(D + 2·padding[0] - dilation[0]·(T-1) - 1) / stride[0]⌋ + 1, P and Q alike.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, or padding is negative.

    Example:
        >>> nn.functional.conv3d(np.ones((1, 3, 8, 8, 8)), np.ones((4, 3, 3, 3, 3)), padding=1).shape
        (1, 4, 8, 8, 8)
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


@input_and_weight
def conv_tbc(input: Array, weight: Array, bias: Array, pad: int = 0) -> Array:
    """conv1d with the time first and the channels last.

    y[t,n,o] = b[o] + Σ_{r,c} W[r,c,o] x[t + r - pad, n, c]

    Args:
        input: array (T, N, C).
        weight: array (R, C, O).
        bias: array (O).
        pad: zeros on both sides.

    **Shape**: (T, N, C) -> (T + 2·pad - R + 1, N, O).

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: pad is negative.

    Example:
        >>> nn.functional.conv_tbc(np.arange(5.0).reshape(5, 1, 1), np.ones((3, 1, 1)), np.zeros(1)).ravel()
        array([3., 6., 9.])
    """
    x = _as_array(input)
    w = _as_array(weight, x)
    for name, a, shape in (("input", x, "(T, N, C)"), ("weight", w, "(R, C, O)")):
        _require_numbers("conv_tbc", a)
        if a.ndim != 3:
            raise ShapeError(f"conv_tbc: {name} has shape {tuple(a.shape)}; expected 3 dimensions, {shape}")
    y = conv1d(operators.permute(x, (1, 2, 0)), operators.permute(w, (2, 1, 0)), bias, padding=operator.index(pad))
    return operators.contiguous(operators.permute(y, (2, 0, 1)))


@input_and_weight
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Adds up a filter for every number of a signal: the gradient of `conv1d` with respect to its input.

    y[n,o,i] = b[o] + Σ W[c,o,r] x[n,c,p] over all c, p and r with p·stride + r·dilation - padding = i

    Args:
        input: array (N, C, L) or (C, L).
        weight: array (C, O / groups, R).
        bias: array (O), or None.
        stride: distance of the filters in the result.
        padding: numbers taken off both ends of the result.
        output_padding: numbers added at its end, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        dilation: distance of the filter's taps.

    **Shape**: (N, C, L) -> (N, O, P), P = (L - 1)·stride - 2·padding + dilation·(R-1) + output_padding + 1.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, padding is negative, or output_padding is too large.

    Example:
        >>> nn.functional.conv_transpose1d(np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]]))
        array([[[ 1., 12., 23., 30.]]])
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@input_and_weight
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Adds up a filter for every pixel: the gradient of `conv2d` with respect to its input.

    y[n,o,i,j] = b[o] + Σ W[c,o,r,s] x[n,c,p,q] over all c, p, q, r and s with p·stride + r·dilation - padding = i, and
    q·stride + s·dilation - padding = j

    Args:
        input: array (N, C, H, W) or (C, H, W).
        weight: array (C, O / groups, R, S).
        bias: array (O), or None.
        stride: distance of the filters in the result, an int or (vertical, horizontal).
        padding: rows and columns taken off all sides of the result.
        output_padding: rows and columns added at the bottom and on the right, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        dilation: distance of the filter's taps.

    **Shape**: (N, C, H, W) -> (N, O, P, Q), P = (H - 1)·stride[0] - 2·padding[0] + dilation[0]·(R-1) + output_padding[0] + 1 and Q alike.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, padding is negative, or output_padding is too large.

    Example:
        >>> nn.functional.conv_transpose2d(np.ones((1, 4, 8, 8)), np.ones((4, 3, 2, 2)), stride=2).shape
        (1, 3, 16, 16)
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@input_and_weight
def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Adds up a filter for every voxel, the gradient of `conv3d` with respect to its input.

    y[n,o,i,j,k] = b[o] + Σ W[c,o,t,r,s] x[n,c,d,p,q] over all c, d, p, q, t, r and s with d·stride + t·dilation - padding = i,
    p·stride + r·dilation - padding = j, and q·stride + s·dilation - padding = k

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        weight: array (C, O / groups, T, R, S).
        bias: array (O), or None.
        stride: distance of the filters in the result, an int or one for each dimension, here and below.
        padding: taken off all sides of the result.
        output_padding: added at the end of each dimension, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        dilation: distance of the filter's taps.

    **Shape**: (N, C, D, H, W) -> (N, O, E, P, Q), E = (D - 1)·stride[0] - 2·padding[0] + dilation[0]·(T-1) + output_padding[0] + 1, P and
    Q alike.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, padding is negative, or output_padding is too large.

    Example:
        >>> nn.functional.conv_transpose3d(np.ones((1, 4, 4, 4, 4)), np.ones((4, 3, 2, 2, 2)), stride=2).shape
        (1, 3, 8, 8, 8)
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(
    count: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
) -> Array:
    stride, padding = _ints(stride, count, "stride"), _ints(padding, count, "padding")
    output_padding, dilation = _ints(output_padding, count, "output_padding"), _ints(dilation, count, "dilation")
    if count == 3:
        (groups,) = _ints(groups, 1, "groups")
        return _volumes_transposed(input, weight, bias, stride, padding, output_padding, dilation, groups)
    return conv_transpose_forward(input, weight, bias, stride, padding, output_padding, dilation, groups)


def _conv(count: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Array:
    stride = _ints(stride, count, "stride")
    dilation = _ints(dilation, count, "dilation")
    if isinstance(padding, str):
        padding = _named_padding(padding, tuple(np.shape(weight)[-count:]), stride, dilation)
    else:
        padding = _conv_padding(padding, count)
    if count == 3:
        (groups,) = _ints(groups, 1, "groups")
        return _volumes(input, weight, bias, stride, padding, dilation, groups)
    return conv_forward(input, weight, bias, stride, padding, dilation, groups, _NONE)


def _conv_padding(padding: int | Iterable[int], count: int) -> tuple[int, ...]:
    """One number for each dimension, or two (before, after) where the sides differ."""
    if not isinstance(padding, int):
        try:
            items = tuple(operator.index(p) for p in padding)
        except TypeError:
            return _ints(padding, count, "padding")
        if len(items) == 2 * count:
            return items
        return _ints(items, count, "padding")
    return (padding,) * count


def _named_padding(padding: str, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """(before, after) of each dimension for 'valid' and 'same'; the odd one of 'same' goes after."""
    if padding == "valid":
        return (0, 0) * len(kernel_size)
    if padding != "same":
        raise ValueError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
    if any(s != 1 for s in stride):
        raise ValueError(
            f"padding='same' is not supported for strided convolutions, but got stride={tuple(stride)}; give padding as numbers"
        )
    sides: list[int] = []
    for k, d in zip(kernel_size, dilation, strict=True):
        total = d * (k - 1)
        sides += [total // 2, total - total // 2]
    return tuple(sides)


# Volumes: the slices that a filter sees are channels of images, and a convolution of those adds up all of a volume's taps at once. So many
# slices are gathered at a time that they take no more memory than a volume, or this many numbers.
_GATHERED = 1 << 20


def _volumes(
    input: Any, weight: Any, bias: Any, stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> Array:
    """Convolutions of volumes; padding: one number for each dimension, or two."""
    x, weight = _as_array(input, weight), _as_array(weight)
    sides = padding if len(padding) == 6 else tuple(p for p in padding for _ in range(2))
    batched = _check_volumes("conv3d", x, weight, stride, sides, dilation, groups)
    o, c = weight.shape[0], weight.shape[1] * groups
    if groups < 1 or o % groups != 0:
        raise ValueError(f"conv3d: groups is {groups}; it has to be positive and divide out_channels = {o}")
    if o == 0:
        raise ShapeError("conv3d: weight has no output channels; out_channels has to be at least 1")
    if x.shape[-4] != c:
        raise ShapeError(
            f"conv3d: input has shape {tuple(x.shape)} with {x.shape[-4]} channels; expected {c} channels "
            f"(weight has shape {tuple(weight.shape)}, groups = {groups})"
        )
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    padded = [length + before + after for length, before, after in zip(x.shape[-3:], sides[::2], sides[1::2], strict=True)]
    if min(weight.shape[2:]) < 1 or min(x.shape[-3:]) < 1 or any(p < s for p, s in zip(padded, spans, strict=True)):
        raise ShapeError(
            f"conv3d: input of shape {tuple(x.shape)} padded to {' x '.join(map(str, padded))} is smaller than the dilated kernel "
            f"{' x '.join(map(str, spans))}; pad more or use a smaller kernel"
        )
    depth = (padded[0] - spans[0]) // stride[0] + 1
    bias = _volume_bias("conv3d", bias, o, x)
    y = _conv3d(x if batched else x[None], weight, bias, depth=depth, stride=stride, sides=sides, dilation=dilation, groups=groups)
    return y if batched else y[0]


def _volumes_transposed(
    input: Any, weight: Any, bias: Any, stride: tuple[int, ...], padding: tuple[int, ...], more: tuple[int, ...], dilation: tuple[int, ...],
    groups: int,
) -> Array:  # fmt: skip
    """Transposed convolutions of volumes."""
    name = "conv_transpose3d"
    x, weight = _as_array(input, weight), _as_array(weight)
    batched = _check_volumes(name, x, weight, stride, padding, dilation, groups)
    c, o = weight.shape[0], weight.shape[1] * groups
    for m, s, d in zip(more, stride, dilation, strict=True):
        if not 0 <= m < max(s, d):
            raise ValueError(f"{name}: output_padding is {m}; it has to be at least 0 and less than stride = {s} or dilation = {d}")
    if groups < 1 or c % groups != 0:
        raise ValueError(f"{name}: groups is {groups}; it has to be positive and divide in_channels = {c}")
    if x.shape[-4] != c:
        raise ShapeError(
            f"{name}: input has shape {tuple(x.shape)} with {x.shape[-4]} channels; expected {c} channels "
            f"(weight has shape {tuple(weight.shape)})"
        )
    if min(*weight.shape, *x.shape[-3:]) < 1:
        raise ShapeError(
            f"{name}: input has shape {tuple(x.shape)} and weight {tuple(weight.shape)}; sizes of 0 are possible for the batch only"
        )
    steps = zip(x.shape[-3:], weight.shape[2:], stride, padding, dilation, more, strict=True)
    sizes = tuple((n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, k, s, p, d, m in steps)
    if min(sizes) < 1:
        raise ShapeError(f"{name}: input of shape {tuple(x.shape)} gives a result of {' x '.join(map(str, sizes))}; use less padding")
    bias = _volume_bias(name, bias, o, x)
    options: dict[str, Any] = dict(sizes=sizes, stride=stride, padding=padding, more=more, dilation=dilation, groups=groups)
    y = _conv_transpose3d(x if batched else x[None], weight, bias, **options)
    return y if batched else y[0]


def _check_volumes(
    name: str, x: Any, weight: Any, stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> bool:
    """Whether the input has a batch's dimension."""
    _require_numbers(name, x)
    if weight.ndim != 5:
        layout = "in_channels, out_channels / groups" if "transpose" in name else "out_channels, in_channels / groups"
        raise ShapeError(f"{name}: weight has shape {tuple(weight.shape)}; expected ({layout}, *kernel_size)")
    if x.ndim not in (4, 5):
        raise ShapeError(f"{name}: input has shape {tuple(x.shape)}; expected 5 or 4 dimensions, (N, C, D, H, W) or (C, D, H, W)")
    for what, values, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", padding, 0)):
        if not least <= min(values) <= max(values) < 1 << 31:
            raise ValueError(f"{name}: {what} is {values}; it has to be at least {least}, and less than 2^31")
    return bool(x.ndim == 5)


def _volume_bias(name: str, bias: Any, channels: int, x: Any) -> Any:
    if bias is None:
        return None
    bias = _as_array(bias, x)
    if tuple(bias.shape) != (channels,):
        raise ShapeError(f"{name}: bias has shape {tuple(bias.shape)}; expected {(channels,)}")
    return bias


def _blocks(samples: int, depth: int, numbers: int, volume: int) -> Iterator[tuple[slice, range]]:
    """(samples, places along the depth) that are computed at a time; numbers: what one place gathers, volume: of a whole sample. Where the
    depth is cut does not depend on the number of samples: results must not."""
    room = max(1, max(volume, _GATHERED) // max(numbers, 1))
    many = max(1, room // depth)
    for n in range(0, max(samples, 1), many):
        for d in range(0, depth, min(room, depth)):
            yield slice(n, n + many), range(d, min(depth, d + room))


def _taps(places: range, taps: int, stride: int, dilation: int, front: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """For each tap the places that see a slice of the volume, counted from the first place, and these slices."""
    for t in range(taps):
        shift = t * dilation - front
        first, end = max(places.start, -(shift // stride)), min(places.stop, (length - 1 - shift) // stride + 1)
        if first < end:
            yield t, slice(first - places.start, end - places.start), slice(first * stride + shift, (end - 1) * stride + shift + 1, stride)


def _images(volumes: Any, samples: slice, places: range) -> Any:
    """Slices (N, C, D, H, W) as images (N * D, C, H, W)."""
    part = volumes[samples, :, places.start : places.stop].swapaxes(1, 2)
    return part.reshape(-1, *part.shape[2:])


def _put_images(images: Any, volumes: Any, samples: slice, places: range) -> None:
    part = volumes[samples, :, places.start : places.stop].swapaxes(1, 2)
    part[...] = images.reshape(part.shape)


def _gather(volumes: Any, samples: slice, places: range, taps: int, stride: int, dilation: int, front: int) -> Any:
    """What the taps of each place see, as images of C * T channels; zeros outside the volume."""
    source = volumes[samples]
    n, c, length = source.shape[:3]
    seen = np.zeros((n, len(places), c, taps, *source.shape[3:]), source.dtype)
    for t, at, of in _taps(places, taps, stride, dilation, front, length):
        seen[:, at, :, t] = source[:, :, of].swapaxes(1, 2)
    return seen.reshape(n * len(places), c * taps, *source.shape[3:])


def _scatter(images: Any, volumes: Any, samples: slice, places: range, taps: int, stride: int, dilation: int, front: int) -> None:
    """Adds images of C * T channels to the slices that `_gather` would take them from."""
    target = volumes[samples]
    n, c, length = target.shape[:3]
    given = images.reshape(n, len(places), c, taps, *images.shape[2:])
    for t, at, of in _taps(places, taps, stride, dilation, front, length):
        target[:, :, of] += given[:, at, :, t].swapaxes(1, 2)


def _filters(weight: Any) -> Any:
    """Filters whose taps along the depth are channels."""
    return weight.reshape(weight.shape[0], -1, *weight.shape[3:])


def _bias_gradient(dy: Any) -> Any:
    return dy.sum((0, 2, 3, 4), dtype=np.float64).astype(dy.dtype)


@operation
def _conv3d(
    x: Any, weight: Any, bias: Any, *, depth: int, stride: Any, sides: Any, dilation: Any, groups: int
) -> tuple[Any, Callable[..., Any]]:
    taps, filters = weight.shape[2], _filters(weight)
    along = (taps, stride[0], dilation[0], sides[0])
    flat = (stride[1:], sides[2:], dilation[1:], groups)
    volume = x[:1].size if len(x) else 0
    numbers = x.shape[1] * taps * x.shape[3] * x.shape[4]
    y: Any = None
    for samples, places in _blocks(len(x), depth, numbers, volume):
        part = conv_forward(_gather(x, samples, places, *along), filters, bias, *flat, _NONE)
        if y is None:
            y = np.empty((len(x), part.shape[1], depth, *part.shape[2:]), part.dtype)
        _put_images(part, y, samples, places)

    def backward(dy: Any, wanted: Any) -> tuple[Any, Any, Any]:
        dx = np.zeros(x.shape, dy.dtype) if wanted[0] else None
        dweight = np.zeros(filters.shape, dy.dtype) if wanted[1] else None
        if wanted[0] or wanted[1]:
            for samples, places in _blocks(len(x), depth, numbers, volume):
                # For dx alone the numbers of x do not matter.
                seen = _gather(x if wanted[1] else np.broadcast_to(dy.dtype.type(0), x.shape), samples, places, *along)
                given = _images(dy, samples, places)
                dseen, dfilters, _ = conv_backward(given, seen, filters, *flat, bool(wanted[0]), bool(wanted[1]), False)
                if dx is not None:
                    _scatter(dseen, dx, samples, places, *along)
                if dweight is not None:
                    dweight += dfilters
        dbias = _bias_gradient(dy) if bias is not None and wanted[2] else None
        return dx, None if dweight is None else dweight.reshape(weight.shape), dbias

    return y, backward


@operation
def _conv_transpose3d(
    x: Any, weight: Any, bias: Any, *, sizes: Any, stride: Any, padding: Any, more: Any, dilation: Any, groups: int
) -> tuple[Any, Callable[..., Any]]:
    taps, filters = weight.shape[2], _filters(weight)
    o, depth = weight.shape[1] * groups, x.shape[2]
    along = (taps, stride[0], dilation[0], padding[0])
    flat = (stride[1:], padding[1:], more[1:], dilation[1:], groups)
    volume, numbers = o * sizes[0] * sizes[1] * sizes[2], o * taps * sizes[1] * sizes[2]
    y: Any = None
    for samples, places in _blocks(len(x), depth, numbers, volume):
        part = conv_transpose_forward(_images(x, samples, places), filters, None, *flat)
        if y is None:
            y = np.zeros((len(x), o, *sizes), part.dtype)
        _scatter(part, y, samples, places, *along)
    if bias is not None:
        if bias.dtype.kind == "f" and bias.dtype.itemsize >= 4 and bias.dtype.type is not y.dtype.type:
            raise TypeError(f"conv_transpose3d: bias has dtype {bias.dtype}; expected {y.dtype} as input and weight; convert it")
        y += bias.astype(y.dtype, copy=False)[:, None, None, None]

    def backward(dy: Any, wanted: Any) -> tuple[Any, Any, Any]:
        dx = np.empty(x.shape, dy.dtype) if wanted[0] else None
        dweight = np.zeros(filters.shape, dy.dtype) if wanted[1] else None
        if wanted[0] or wanted[1]:
            for samples, places in _blocks(len(x), depth, numbers, volume):
                images = _images(x, samples, places)
                dpart = _gather(dy, samples, places, *along)
                dimages, dfilters, _ = conv_transpose_backward(dpart, images, filters, *flat, bool(wanted[0]), bool(wanted[1]), False)
                if dx is not None:
                    _put_images(dimages, dx, samples, places)
                if dweight is not None:
                    dweight += dfilters
        dbias = _bias_gradient(dy) if bias is not None and wanted[2] else None
        return dx, None if dweight is None else dweight.reshape(weight.shape), dbias

    return y, backward
