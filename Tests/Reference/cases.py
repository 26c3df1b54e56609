"""Cases for every operation: sizes round the vector and tile widths, options, special values.

A case is (operation, name, fields, tolerance); the Swift tests get them as files (make_swift_fixtures.py), the Python tests call the
binding with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import constants as k
from .activation import DEFAULTS

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65)
FEW = (1, 3, 8, 15, 17, 33, 65)
EXACT = 0.0
# (float32, float64): one rounding, a handful of them, or sums of some length
ROUNDED = (1.2e-7, 1.2e-16)
CLOSE = (2e-6, 1e-14)
SUMS = (1e-5, 1e-12)

Case = tuple[str, str, dict[str, Any], "tuple[float, float] | float"]


class Numbers:
    """Repeatable random arrays of one float type."""

    def __init__(self, dtype: type) -> None:
        self.dtype = dtype
        self.generator = np.random.default_rng(1)

    def __call__(self, *shape: int) -> np.ndarray:
        return self.generator.standard_normal(shape).astype(self.dtype)

    def ints(self, low: int, high: int, *shape: int) -> np.ndarray:
        return self.generator.integers(low, high, shape)


def linear(r: Numbers) -> Iterator[Case]:
    shapes = [(s, s, s) for s in SIZES] + [(1, s, s) for s in SIZES[1:]] + [(s, 3, 5) for s in SIZES] + [(3, 7, s) for s in SIZES]
    shapes += [(2, s, 6) for s in (127, 128, 129, 255, 256, 257, 383, 384, 385, 511, 512, 513, 1025)]
    shapes += [(14, 20, 97), (25, 40, 130), (49, 9, 129), (130, 33, 3), (0, 3, 4), (3, 0, 4)]
    for m, depth, n in shapes:
        name = f"{m}x{depth}x{n}"
        x, weight = r(m, depth), r(n, depth)
        yield "linear_forward", name, dict(x=x, weight=weight, bias=r(n), residual=None, activation=k.NONE, first=0, rows=0), SUMS
    for first, rows in ((0, 1), (5, 12), (16, 33), (48, 1)):
        fields = dict(x=r(7, 20), weight=r(49, 20), bias=r(49), residual=None, activation=k.NONE, first=first, rows=rows)
        yield "linear_forward", f"rows{first}+{rows}", fields, SUMS
    for kind in (k.NONE, *range(24)):
        if kind in (k.LOG, k.EXP):
            continue
        fields = dict(x=r(2, 3, 9), weight=r(17, 9), bias=None, residual=r(2, 3, 17), activation=kind, first=0, rows=0)
        yield "linear_forward", f"activation{kind}", fields, SUMS
    yield "linear_forward", "vector", dict(x=r(9), weight=r(17, 9), bias=r(17), residual=None, activation=k.NONE, first=0, rows=0), SUMS
    matrices = [((1, 1), (1, 1)), ((7, 20), (20, 33)), ((3, 5, 9), (9, 17)), ((3, 5, 9), (3, 9, 17)), ((2, 1, 4, 8), (3, 8, 5))]
    for a, b in (*matrices, ((2, 0), (0, 3))):
        yield "matmul_forward", f"{a}{b}", dict(a=r(*a), b=r(*b)), SUMS
    for i, (n, o, a, b) in enumerate([(1, 1, 1, 1), (4, 3, 5, 7), (9, 17, 8, 16), (33, 2, 17, 3)]):
        yield "bilinear_forward", f"{i}", dict(x1=r(n, a), x2=r(n, b), weight=r(o, a, b), bias=r(o) if i % 2 else None), SUMS
    for s in SIZES:
        yield "embedding_forward", f"{s}", dict(indices=r.ints(0, 11, 3, 2), weight=r(11, s), padding_idx=-1, scale_grad_by_freq=0), EXACT
    bags = dict(offsets=None, per_sample_weights=None, include_last_offset=0, padding_idx=-1, scale_grad_by_freq=0)
    starts = np.array([0, 2, 2, 11])
    for mode in range(3):
        for s in SIZES:
            fields = {**bags, "indices": r.ints(0, 11, 3, 4), "weight": r(11, s), "mode": mode, "places": mode == 2}
            yield "embedding_bag_forward", f"mode{mode}-{s}", fields, SUMS
        fields = {**fields, "indices": r.ints(0, 5, 13), "offsets": starts, "padding_idx": 2}
        yield "embedding_bag_forward", f"mode{mode}offsets", fields, SUMS
        yield "embedding_bag_forward", f"mode{mode}last", {**fields, "include_last_offset": 1}, SUMS
    yield "embedding_bag_forward", "nobags", {**fields, "offsets": starts[:0], "mode": 0}, SUMS
    yield "embedding_bag_forward", "weights", {**fields, "per_sample_weights": r(13), "mode": 0, "places": True}, SUMS
    fields = {**bags, "indices": r.ints(0, 9, 3, 40), "weight": r(9, 70), "per_sample_weights": r(3, 40), "mode": 0, "places": False}
    yield "embedding_bag_forward", "weights2D", fields, SUMS


def conv(r: Numbers) -> Iterator[Case]:
    def case(name, n, c, h, w, o, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True, activation=k.NONE):
        fields = dict(x=r(n, c, h, w), weight=r(o, c // groups, *kernel), bias=r(o) if bias else None, stride=stride, padding=padding)
        return "conv_forward", name, {**fields, "dilation": dilation, "groups": groups, "activation": activation}, SUMS

    for s in SIZES:
        yield case(f"width{s}", 1, 3, 4, s, 5, (3, 3), padding=(1, 1))
        yield case(f"outchannels{s}", 1, 2, 5, 6, s, (3, 3), padding=(1, 1))
        yield case(f"inchannels{s}", 2, s, 3, 5, 4, (1, 1))
    for kernel in ((1, 1), (1, 3), (2, 2), (3, 3), (5, 4), (7, 7)):
        for stride in ((1, 1), (2, 2), (3, 1)):
            for dilation in ((1, 1), (2, 3)):
                yield case(f"k{kernel}s{stride}d{dilation}", 1, 4, 14, 20, 6, kernel, stride, (2, 1), dilation, 2)
    for c, o, groups in ((4, 4, 4), (4, 8, 4), (8, 8, 8), (17, 17, 17), (6, 9, 3), (32, 32, 32), (16, 24, 2)):
        for stride in ((1, 1), (2, 2)):
            yield case(f"groups{c}-{o}-{groups}s{stride[0]}", 2, c, 9, 19, o, (3, 3), stride, (1, 1), groups=groups)
    yield case("asymmetric", 2, 3, 7, 8, 5, (4, 2), padding=(1, 2, 0, 1))
    yield case("nobias", 2, 3, 7, 8, 5, (3, 3), bias=False)
    yield case("relu", 2, 3, 7, 8, 5, (3, 3), activation=k.RELU)
    yield case("nosamples", 0, 3, 7, 8, 5, (3, 3))
    yield case("nochannels", 2, 0, 7, 8, 5, (3, 3))
    yield case("deep", 1, 65, 5, 5, 7, (3, 3), padding=(1, 1))
    # 3x3 with channels enough for Winograd's algorithm
    for s in (16, 17, 31, 32, 33, 49, 65):
        yield case(f"winograd-channels{s}", 1, s, 9, 11, 81 - s, (3, 3), padding=(1, 1))
    for s in (4, 5, 6, 7, 8, 9, 13, 17, 33, 50):
        yield case(f"winograd-width{s}", 2, 16, 7, s, 16, (3, 3), padding=(1, 1), bias=False)
        yield case(f"winograd-height{s}", 1, 16, s, 6, 17, (3, 3), padding=(1, 1), activation=k.RELU)
    for i, padding in enumerate(((0, 0), (2, 2), (0, 2), (5, 3), (1, 0, 2, 3), (0, 1, 7, 0))):
        yield case(f"winograd-padding{i}", 1, 20, 8, 10, 24, (3, 3), padding=padding, activation=k.GELU)
    yield case("winograd-deep", 1, 300, 6, 5, 32, (3, 3), padding=(1, 1))
    op, name, fields, tol = case("winograd-strides", 2, 18, 9, 10, 20, (3, 3), padding=(1, 1))
    yield op, "winograd-channels-last", {**fields, "x": np.ascontiguousarray(fields["x"].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)}, tol
    yield op, "winograd-reversed", {**fields, "x": fields["x"][:, ::-1, ::-1, ::-1]}, tol
    strided = {"x": r(4, 36, 9, 20)[::2, ::2, :, ::2], "weight": fields["weight"].transpose(0, 1, 3, 2)}
    yield op, "winograd-every-other", {**fields, **strided}, tol
    # small images whose pixels share panels, alone and in groups
    for s in (1, 2, 7, 9):
        yield case(f"small{s}", 5, 6, s, s, 14, (1, 1), activation=k.RELU)
        yield case(f"small{s}-groups", 7, 6, s, s + 1, 4, (3, 3), padding=(1, 1), groups=2)
    yield case("small-deep", 3, 70, 7, 7, 13, (2, 2))
    for s in (15, 16, 17, 31, 32, 33, 34, 64, 65):
        yield case(f"pointwise-stride{s}", 2, 3, 5, s, 5, (1, 1), (2, 2))
        yield case(f"stride2-width{s}", 2, 3, 5, s, 5, (3, 3), (2, 2), padding=(1, 1))
        yield case(f"stride3-width{s}", 1, 3, 7, s, 5, (3, 4), (1, 3), padding=(1, 0, 2, 1), dilation=(2, 2))
    op, name, fields, tol = case("unbatched", 1, 3, 7, 8, 5, (3, 3))
    yield op, name, {**fields, "x": fields["x"][0]}, tol
    for s in SIZES:
        fields = dict(x=r(2, 3, s), weight=r(4, 3, 3), bias=r(4), stride=(1,), padding=(1,), dilation=(1,), groups=1, activation=k.NONE)
        yield "conv_forward", f"line{s}", fields, SUMS
    fields = dict(x=r(4, 33), weight=r(6, 2, 5), bias=None, stride=(2,), padding=(3, 1), dilation=(2,), groups=2, activation=k.NONE)
    yield "conv_forward", "line-options", fields, SUMS


def transposed(r: Numbers) -> Iterator[Case]:
    def case(name, x, w, stride=(1, 1), padding=(0, 0), more=(0, 0), dilation=(1, 1), groups=1, bias=True):
        dims = len(w) - 2
        fields = dict(x=r(*x), weight=r(*w), bias=r(w[1] * groups) if bias else None, stride=stride[:dims], padding=padding[:dims])
        fields |= dict(output_padding=more[:dims], dilation=dilation[:dims], groups=groups)
        return "conv_transpose_forward", name, fields, SUMS

    for s in SIZES:
        yield case(f"width{s}", (1, 3, 4, s), (3, 5, 3, 3), padding=(1, 1))
        yield case(f"outchannels{s}", (1, 2, 5, 6), (2, s, 2, 2), (2, 2))
        yield case(f"inchannels{s}", (2, s, 3, 5), (s, 4, 4, 4), (2, 2), (1, 1))
        yield case(f"line{s}", (2, 3, s), (3, 4, 5), (2,), (1,), (1,))
    for kernel in ((1, 1), (1, 3), (2, 2), (3, 3), (5, 4)):
        for stride in ((1, 1), (2, 2), (3, 1)):
            for dilation in ((1, 1), (2, 3)):
                more = (max(stride[0], dilation[0]) - 1, max(stride[1], dilation[1]) - 1)
                name = f"k{kernel}s{stride}d{dilation}"
                yield case(name, (1, 4, 7, 9), (4, 3, *kernel), stride, (1, 0), more, dilation, 2)
                yield case(f"{name}-many", (2, 18, 7, 9), (18, 20, *kernel), stride, (0, 1), more, dilation)
    for c, o, groups in ((4, 1, 4), (4, 2, 4), (6, 3, 3), (32, 1, 32), (16, 12, 2)):
        yield case(f"groups{c}-{o}-{groups}", (2, c, 5, 9), (c, o, 3, 3), (2, 2), (1, 1), (1, 1), groups=groups)
        yield case(f"groups{c}-{o}-{groups}s1", (2, c, 5, 9), (c, o, 3, 3), padding=(1, 1), groups=groups)
    yield case("winograd", (2, 20, 11, 13), (20, 24, 3, 3), padding=(1, 1))
    yield case("nobias", (2, 3, 7, 8), (3, 5, 3, 3), bias=False)
    yield case("nosamples", (0, 3, 7, 8), (3, 5, 3, 3))
    yield case("cropped", (2, 3, 7, 8), (3, 5, 3, 3), (2, 2), (5, 4))
    yield case("unbatched", (3, 7, 8), (3, 5, 3, 3), (2, 2))
    yield case("unbatched-line", (3, 8), (3, 5, 4), (3,), (2,))
    op, name, fields, tol = case("strides", (2, 18, 9, 10), (18, 6, 4, 4), (2, 2))
    strided = {"x": r(4, 36, 9, 20)[::2, ::2, :, ::2], "weight": fields["weight"].transpose(0, 1, 3, 2)}
    yield op, "every-other", {**fields, **strided}, tol
    yield op, "reversed", {**fields, "x": fields["x"][:, ::-1, ::-1, ::-1]}, tol


def padding(r: Numbers) -> Iterator[Case]:
    for mode in range(4):
        for pads in ((1, 2), (2, 0, 1, 3), (-1, 2, 1, -1), (0, 0, 3, 1), (3, 3, 4, 4)):
            for w in (5, 16, 33):
                yield "pad_forward", f"mode{mode}pads{pads}w{w}", dict(x=r(2, 3, 6, w), pads=pads, mode=mode, value=1.5), EXACT
    yield "pad_forward", "ints", dict(x=r.ints(-9, 9, 3, 4), pads=(1, 1), mode=0, value=-2.0), EXACT


def pooling(r: Numbers) -> Iterator[Case]:
    windows = [
        ((2, 2), (2, 2), (0, 0)),
        ((3, 3), (2, 2), (1, 1)),
        ((3, 2), (1, 3), (1, 0)),
        ((5, 4), (3, 1), (2, 2)),
        ((1, 1), (1, 1), (0, 0)),
        ((3, 3), (3, 3), (1, 1)),
        ((4, 4), (2, 4), (0, 0)),
        ((3, 6), (2, 5), (0, 0)),
        ((5, 13), (1, 1), (2, 6)),
    ]
    for kernel, stride, pad in windows:
        for ceil_mode in (0, 1):
            for w in SIZES[3:] if kernel in ((2, 2), (3, 3)) else FEW:
                name = f"k{kernel}s{stride}p{pad}c{ceil_mode}w{w}"
                if w + 2 * pad[1] < kernel[1]:
                    continue
                x = r.ints(-4, 5, 1, 2, 6, w).astype(r.dtype)
                fields = dict(x=x, kernel_size=kernel, stride=stride, padding=pad, dilation=(1, 1), ceil_mode=ceil_mode, indices=True)
                yield "max_pool_forward", name, fields, EXACT
                yield "max_pool_forward", name + "values", {**fields, "indices": False}, EXACT
                if w in FEW:
                    fields = dict(x=r(1, 2, 6, w), kernel_size=kernel, stride=stride, padding=pad, ceil_mode=ceil_mode)
                    for include, divisor in ((1, 0), (0, 0), (1, 5)):
                        more = {**fields, "count_include_pad": include, "divisor_override": divisor}
                        yield "avg_pool_forward", f"{name}i{include}d{divisor}", more, CLOSE
    special = r(3, 4, 15, 19)
    special[r.generator.random(special.shape) < 0.08] = np.nan
    special[r.generator.random(special.shape) < 0.3] = -np.inf
    for dilation in ((1, 1), (2, 3)):
        for stride in ((1, 1), (2, 2)):
            fields = dict(x=special, kernel_size=(3, 3), stride=stride, padding=(1, 1), dilation=dilation, ceil_mode=0, indices=True)
            yield "max_pool_forward", f"nan-d{dilation}s{stride}", fields, EXACT
    for kind in (np.int64, np.int32, np.int16, np.int8, np.uint8):
        fields = dict(x=r.ints(0, 100, 2, 9, 9).astype(kind), kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))
        yield "max_pool_forward", np.dtype(kind).name, {**fields, "ceil_mode": 1, "indices": True}, EXACT
    for s in SIZES[2:]:
        line = dict(x=r(2, 3, s), kernel_size=(3,), stride=(2,), padding=(1,))
        yield "max_pool_forward", f"line{s}", {**line, "dilation": (1,), "ceil_mode": 0, "indices": True}, EXACT
        yield "avg_pool_forward", f"line{s}", {**line, "ceil_mode": 0, "count_include_pad": 1, "divisor_override": 0}, CLOSE
    for size in ((1, 1), (3, 4), (7, 7), (-1, 5), (20, 40)):
        for w in (5, 16, 33):
            yield "adaptive_avg_pool_forward", f"{size}w{w}", dict(x=r(2, 3, 9, w), output_size=size), CLOSE
    yield "adaptive_avg_pool_forward", "line", dict(x=r(3, 17), output_size=(5,)), CLOSE
    for size in ((1, 1), (3, 4), (7, 7), (-1, 5), (20, 40), (0, 2)):
        for w in (5, 16, 33):
            x = r.ints(-4, 5, 2, 3, 9, w).astype(r.dtype)
            yield "adaptive_max_pool_forward", f"{size}w{w}", dict(x=x, output_size=size, indices=True), EXACT
    yield "adaptive_max_pool_forward", "nan", dict(x=special, output_size=(4, 5), indices=True), EXACT
    yield "adaptive_max_pool_forward", "values", dict(x=special, output_size=(4, 5), indices=False), EXACT
    yield "adaptive_max_pool_forward", "turned", dict(x=special.transpose(1, 3, 0, 2), output_size=(2, 5), indices=True), EXACT
    yield "adaptive_max_pool_forward", "line", dict(x=r(3, 17), output_size=(5,), indices=True), EXACT
    yield "adaptive_max_pool_forward", "volume", dict(x=r(2, 3, 4, 5, 7), output_size=(2, 3, 5), indices=True), EXACT
    for shape, size in (((2, 3, 17), (40,)), ((3, 5), (9,)), ((2, 3, 4, 5), (7, 9)), ((3, 4, 5), (1, 6)), ((2, 3, 2, 3, 4), (4, 5, 6))):
        x = r(*shape)
        fields = dict(x=x, indices=r.ints(0, math.prod(size), *shape), output_size=size)
        yield "max_unpool_forward", f"{shape}to{size}", fields, EXACT
        turned = {**fields, "x": x.T.copy().T, "indices": fields["indices"].T.copy().T}
        yield "max_unpool_forward", f"{shape}to{size}-turned", turned, EXACT
    blocks = [
        ((2, 2), (1, 1), (0, 0), (1, 1)),
        ((3, 3), (1, 1), (1, 1), (1, 1)),
        ((3, 2), (1, 2), (2, 0), (2, 1)),
        ((1, 1), (1, 1), (0, 3), (2, 3)),
        ((4, 3), (2, 1), (4, 5), (3, 2)),
    ]
    for kernel, dilation, pad, stride in blocks:
        options = dict(kernel_size=kernel, dilation=dilation, padding=pad, stride=stride)
        places = [(h + 2 * b - d * (n - 1) - 1) // s + 1 for h, n, d, b, s in zip((9, 33), kernel, dilation, pad, stride)]
        for w in (7, 16, 33):
            yield "unfold_forward", f"k{kernel}d{dilation}p{pad}s{stride}w{w}", dict(x=r(2, 3, 9, w), **options), EXACT
        yield "unfold_forward", f"k{kernel}-turned", dict(x=r(2, 33, 9, 3).transpose(0, 3, 2, 1), **options), EXACT
        columns = r(2, 3 * math.prod(kernel), math.prod(places))
        yield "fold_forward", f"k{kernel}d{dilation}p{pad}s{stride}", dict(x=columns, output_size=(9, 33), **options), CLOSE
        columns = columns.transpose(0, 2, 1).copy().transpose(0, 2, 1)
        yield "fold_forward", f"k{kernel}-turned", dict(x=columns, output_size=(9, 33), **options), CLOSE
    options = dict(kernel_size=(2,), dilation=(1,), padding=(0,), stride=(1,))
    yield "unfold_forward", "unbatched", dict(x=r(3, 5, 6), **options), EXACT
    yield "fold_forward", "unbatched", dict(x=r(12, 20), output_size=(5, 6), **options), CLOSE
    for mode in range(7):
        exactness = EXACT if mode in (k.NEAREST, k.NEAREST_EXACT) else SUMS
        for size in ((1, 1), (3, 4), (12, 34), (9, 65), (18, 66), (9, 33)):
            for corners in (0,) if mode in (k.NEAREST, k.NEAREST_EXACT, k.LANCZOS_SMOOTH) else (0, 1):
                fields = dict(x=r(2, 2, 9, 33), output_size=size, mode=mode, align_corners=corners, scale_h=0.0, scale_w=0.0)
                yield "interpolate_forward", f"mode{mode}size{size}corners{corners}", fields, exactness
        fields = dict(x=r(1, 2, 7, 9), output_size=(10, 22), mode=mode, align_corners=0, scale_h=1.5, scale_w=2.5)
        yield "interpolate_forward", f"mode{mode}scale", fields, exactness
        fields = dict(x=r(2, 33, 9, 3).transpose(0, 3, 2, 1), output_size=(9, 20), mode=mode, align_corners=0, scale_h=0.0, scale_w=0.6)
        yield "interpolate_forward", f"mode{mode}turned", fields, exactness
        if mode > k.NEAREST_EXACT:
            continue
        fields = dict(x=r(2, 2, 9), output_size=(31,), mode=mode, align_corners=0, scale_h=0.0, scale_w=0.0)
        yield "interpolate_forward", f"mode{mode}line", fields, exactness


def arithmetic(r: Numbers) -> Iterator[Case]:
    shapes = [((n,), (n,)) for n in SIZES]
    shapes += [((), ()), ((3, 33), (33,)), ((3, 33), (3, 1)), ((3, 33), (1, 1)), ((2, 5, 17), (5, 1)), ((5, 1), (2, 1, 17))]
    shapes += [((1, 4, 300), (2, 1, 1)), ((0, 3), (3,)), ((130, 257), (257,)), ((70_000,), (1,))]
    shapes += [((2, 1, 3, 1, 2, 1, 3, 1), (1, 2, 1, 2, 1, 2, 1, 2))]
    for kind in (k.ADD, k.SUBTRACT, k.MULTIPLY, k.DIVIDE):
        for a, b in shapes:
            x, y = r(*a), r(*b)
            yield "combine_forward", f"{a}with{b}by{kind}", dict(a=x, b=y, kind=kind), ROUNDED
            yield "combine_forward", f"{b}with{a}by{kind}turned", dict(a=y.T.copy().T, b=x[..., ::-1] if a else x, kind=kind), ROUNDED
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 1e10]).astype(r.dtype)
        yield "combine_forward", f"special{kind}", dict(a=special[:, None], b=special, kind=kind), ROUNDED


def grid_sample(r: Numbers) -> Iterator[Case]:
    for mode in (k.NEAREST, k.BILINEAR, k.BICUBIC):
        exactness = EXACT if mode == k.NEAREST else SUMS
        for padding in (k.PAD_CONSTANT, k.PAD_REFLECT, k.PAD_REPLICATE):
            options = dict(mode=mode, padding_mode=padding, align_corners=padding != k.PAD_REPLICATE)
            for w in (1, 15, 33):
                fields = dict(x=r(2, 3, 9, w), grid=1.3 * r(2, 5, 29, 2), **options)
                yield "grid_sample_forward", f"mode{mode}padding{padding}w{w}", fields, exactness
            turned = dict(x=r(2, 33, 9, 3).transpose(0, 3, 2, 1), grid=r(2, 2, 13, 4).transpose(0, 2, 3, 1), **options)
            yield "grid_sample_forward", f"mode{mode}padding{padding}turned", turned, exactness
            if mode != k.BICUBIC:
                volumes = dict(x=r(2, 2, 4, 5, 7), grid=r(2, 2, 5, 15, 3), **{**options, "align_corners": 0})
                yield "grid_sample_forward", f"mode{mode}padding{padding}volume", volumes, exactness
        # A place that is no number, or infinitely far away, is outside; so is what an infinite pixel has no part in.
        x, grid = r(1, 2, 3, 4), 0.6 * r(1, 4, 4, 2)
        x[0, 0, 0, 0], x[0, 1, 0, 0] = np.inf, np.nan
        grid[0, 0, :, 0], grid[0, 1, :, 1] = [np.nan, np.inf, -np.inf, 3e38], [-3e38, np.inf, np.nan, -np.inf]
        fields = dict(x=x, grid=grid, mode=mode, padding_mode=k.PAD_CONSTANT, align_corners=0)
        yield "grid_sample_forward", f"mode{mode}nan", fields, exactness


SPECIAL = [
    0.0,
    -0.0,
    1e-30,
    -1e-30,
    1e-9,
    1.0,
    -1.0,
    3.0,
    -3.0,
    6.0,
    20.0,
    20.1,
    88.0,
    -88.0,
    104.0,
    -104.0,
    800.0,
    -800.0,
    np.inf,
    -np.inf,
    np.nan,
]


MORE = ((k.CELU, 1.7, 0.0), (k.CELU, -0.7, 0.0), (k.THRESHOLD, 0.3, -2.0), (k.HARDSHRINK, 1.1, 0.0), (k.SOFTSHRINK, 1.1, 0.0))


def activation(r: Numbers) -> Iterator[Case]:
    for kind in range(24):
        alpha, beta = DEFAULTS.get(kind, (0.0, 0.0))
        fields = dict(kind=kind, alpha=alpha, beta=beta)
        for s in SIZES:
            x = np.abs(r(s)) + r.dtype(0.1) if kind == k.LOG else r(s) * r.dtype(3)
            yield "activation_forward", f"kind{kind}size{s}", {"x": x, **fields}, CLOSE
        # exp of a large number magnifies the rounding of nothing: the largest finite value rules, so the small ones get their own case
        for value in SPECIAL:
            if kind == k.EXP and value == 104.0 and r.dtype is np.float32:
                continue  # too large for float32, not for the reference
            x = np.full(3, value, r.dtype)
            yield "activation_forward", f"kind{kind}value{value}", {"x": x, **fields}, (5e-5, 1e-12)
    for kind, alpha, beta in ((k.LEAKY_RELU, 0.3, 0.0), (k.ELU, 1.7, 0.0), (k.SOFTPLUS, 2.0, 3.0), (k.HARDTANH, -0.4, 0.7), *MORE):
        yield "activation_forward", f"kind{kind}options", dict(x=r(7, 11), kind=kind, alpha=alpha, beta=beta), CLOSE
    for shape in ((17,), (2, 17), (2, 3, 5), (2, 5, 4, 9)):
        for channels in {1, shape[1] if len(shape) > 1 else 1}:
            yield "prelu_forward", f"{shape}-{channels}", dict(x=r(*shape), weight=r(channels)), CLOSE
    for s in SIZES:
        for log in (0, 1):
            yield "softmax_forward", f"last{s}log{log}", dict(x=r(3, s) * r.dtype(4), axis=-1, log=log), CLOSE
            yield "softmax_forward", f"first{s}log{log}", dict(x=r(5, s) * r.dtype(4), axis=0, log=log), CLOSE
    yield "softmax_forward", "middle", dict(x=r(3, 7, 18), axis=1, log=0), CLOSE
    x = r(4, 9)
    x[0], x[1, 2], x[2, 1], x[3, 3] = -np.inf, np.inf, np.nan, -np.inf
    yield "softmax_forward", "special", dict(x=x, axis=-1, log=0), CLOSE
    for s in SIZES:
        fields = dict(x=r(3, s), residual=r(3, s) if s % 2 else None, p=0.3, seed=-5, offset=s * 2**33 + s)
        yield "dropout_forward", f"{s}", fields, (2e-7, 1e-15)


def normalization(r: Numbers) -> Iterator[Case]:
    for s in SIZES:
        x = r(5, s) + r.dtype(2)
        yield "layer_norm_forward", f"{s}", dict(x=x, normalized_shape=(s,), weight=r(s), bias=r(s), eps=1e-5), SUMS
        yield "rms_norm_forward", f"{s}", dict(x=x, normalized_shape=(s,), weight=r(s) if s % 2 else None, eps=1e-6), SUMS
        x = r(3, 4, s) + r.dtype(2)
        yield "batch_stats_forward", f"{s}", dict(x=x), SUMS
        fields = dict(x=x, mean=r(4), variance=np.abs(r(4)), weight=r(4), bias=r(4), eps=1e-5, training=s % 2)
        yield "batch_norm_forward", f"{s}", fields, SUMS
        for groups in (1, 2, 4):
            if s > 1 or groups < 4:
                yield "group_norm_forward", f"{s}g{groups}", dict(x=x, groups=groups, weight=r(4), bias=r(4), eps=1e-5), SUMS
    yield "layer_norm_forward", "two", dict(x=r(2, 3, 5, 7), normalized_shape=(5, 7), weight=r(5, 7), bias=None, eps=1e-3), SUMS
    yield "layer_norm_forward", "bare", dict(x=r(2, 300), normalized_shape=(300,), weight=None, bias=None, eps=1e-12), SUMS
    yield "rms_norm_forward", "two", dict(x=r(2, 3, 5, 7), normalized_shape=(5, 7), weight=r(5, 7), eps=1e-3), SUMS
    yield "group_norm_forward", "plane", dict(x=r(2, 6, 5, 7), groups=3, weight=None, bias=r(6), eps=1e-5), SUMS
    fields = dict(x=r(7, 33), mean=r(33), variance=np.abs(r(33)), weight=None, bias=None, eps=1e-5, training=0)
    yield "batch_norm_forward", "flat", fields, SUMS
    yield "batch_stats_forward", "flat", dict(x=r(7, 33)), SUMS
    yield "batch_stats_forward", "plane", dict(x=r(2, 3, 9, 17)), SUMS


def recurrent(r: Numbers) -> Iterator[Case]:
    gates = {k.RNN_TANH: 1, k.RNN_RELU: 1, k.LSTM: 4, k.GRU: 3}

    def case(name, mode, t, b, i, h, layers=1, both=0, first=0, sizes=None, bias=True, proj=0, state=True, dropout=0.0):
        out, weights, sides = proj or h, [], 1 + both
        for layer in range(layers):
            for _ in range(sides):
                depth = sides * out if layer else i
                scale = r.dtype(1 / np.sqrt(h))
                weights += [r(gates[mode] * h, depth) * scale, r(gates[mode] * h, out) * scale]
                weights += [r(gates[mode] * h) * scale, r(gates[mode] * h) * scale] if bias else [None, None]
                weights += [r(proj, h) * scale if proj else None]
        x = r(sum(sizes), i) if sizes else r(b, t, i) if first else r(t, b, i)
        batch = sizes[0] if sizes else b
        states = dict(
            h0=r(sides * layers, batch, out) if state else None, c0=r(sides * layers, batch, h) if state and mode == k.LSTM else None
        )
        fields = dict(mode=mode, x=x, **states, weights=weights, layers=layers, bidirectional=both, batch_first=first)
        fields |= dict(batch_sizes=np.array(sizes) if sizes else None, dropout=dropout, seed=7, offset=11, cn=mode == k.LSTM, reserve=False)
        return "rnn_forward", f"mode{mode}-{name}", fields, (2e-5, 1e-12)

    for mode in range(4):
        for s in SIZES:
            yield case(f"hidden{s}", mode, 3, 2, 3, s)
        for s in (1, 7, 8, 12, 13, 33):
            yield case(f"batch{s}", mode, 2, s, 5, 9)
        for s in (1, 15, 17, 65):
            yield case(f"input{s}", mode, 2, 3, s, 6)
        yield case("long", mode, 20, 1, 4, 5)
        yield case("all", mode, 4, 3, 5, 6, layers=3, both=1)
        yield case("first", mode, 4, 3, 5, 6, layers=2, both=1, first=1)
        yield case("nobias", mode, 4, 3, 5, 6, bias=False)
        yield case("zeros", mode, 4, 3, 5, 6, state=False)
        yield case("packed", mode, 4, 3, 5, 6, sizes=[4, 3, 3, 1], layers=2)
        yield case("packed-both", mode, 4, 3, 5, 6, sizes=[4, 3, 3, 1], layers=2, both=1)
        yield case("dropout", mode, 4, 3, 5, 6, layers=3, both=1, dropout=0.4)
    yield case("proj", k.LSTM, 4, 3, 5, 7, proj=3, layers=2, both=1)
    yield case("proj1", k.LSTM, 4, 3, 5, 17, proj=1)


def cells(r: Numbers) -> Iterator[Case]:
    for mode, gates in ((k.RNN_TANH, 1), (k.RNN_RELU, 1), (k.LSTM, 4), (k.GRU, 3)):
        for h in SIZES:
            weights = [r(gates * h, 5), r(gates * h, h) * r.dtype(1 / np.sqrt(h)), r(gates * h), r(gates * h)]
            for b in (None, 1, 3) if h in FEW else (2,):
                lead = () if b is None else (b,)
                state = r(*lead, h) if h % 4 else None
                cell = r(*lead, h) if mode == k.LSTM and h % 4 else None
                fields = dict(mode=mode, x=r(*lead, 5), h=state, c=cell, weights=weights if h % 3 else [*weights[:2], None, None])
                yield "rnn_cell_forward", f"mode{mode}-hidden{h}batch{b}", {**fields, "cn": mode == k.LSTM, "reserve": False}, (2e-5, 1e-12)


def attention(r: Numbers) -> Iterator[Case]:
    def case(name, b, nh, length, s, hd, hdv=None, nhk=None, weights=True, **options):
        nhk, hdv = nhk or nh, hdv or hd
        fields = dict(q=r(b, nh, length, hd), k=r(b, nhk, s, hd), v=r(b, nhk, s, hdv), attn_mask=None, key_padding_mask=None, is_causal=0)
        fields |= dict(scale=0.0, dropout=0.0, seed=3, offset=9, heads_last=0, average=0, weights=weights, logsumexp=nhk == nh)
        return "attention_forward", name, {**fields, **options}, SUMS

    for s in SIZES:
        yield case(f"keys{s}", 1, 2, 3, s, 4)
        yield case(f"queries{s}", 1, 2, s, 5, 4, weights=False)
        yield case(f"head{s}", 1, 1, 5, 6, s, weights=False)
        yield case(f"causal{s}", 2, 1, s if s < 34 else 3, s, 8, is_causal=1, weights=False)
    blocked = r.generator.random((2, 3, 5, 17)) < 0.4
    blocked[0, 1, 2] = True
    yield case("bool", 2, 3, 5, 17, 8, attn_mask=blocked)
    yield case("bool-broadcast", 2, 3, 5, 17, 8, attn_mask=blocked[:1, :1])
    yield case("bool-plane", 2, 3, 5, 17, 8, attn_mask=blocked[0, 0], heads_last=1)
    yield case("float", 2, 3, 5, 17, 8, attn_mask=np.where(blocked, -np.inf, r(2, 3, 5, 17)).astype(r.dtype), average=1)
    yield case("padding", 2, 3, 5, 17, 8, key_padding_mask=blocked[:, 0, 0], average=1)
    yield case("padding-float", 2, 3, 5, 17, 8, key_padding_mask=r(2, 17), attn_mask=r(5, 17), is_causal=1)
    yield case("nothing", 2, 3, 5, 17, 8, key_padding_mask=np.ones((2, 17), bool))
    yield case("grouped", 2, 6, 5, 9, 8, nhk=2, scale=0.7)
    yield case("values", 2, 2, 5, 9, 8, hdv=3, heads_last=1)
    yield case("sequence-first", 2, 2, 5, 9, 8, hdv=3, heads_last=2)
    yield case("sequence-first-row", 2, 2, 2, 9, 8, heads_last=2)
    yield case("dropout", 2, 2, 5, 9, 8, dropout=0.3)
    yield case("long", 1, 1, 9, 600, 16, weights=False)
    yield case("nokeys", 2, 2, 5, 0, 8)
    yield case("noqueries", 2, 2, 0, 5, 8)


def losses(r: Numbers) -> Iterator[Case]:
    shapes = [(s,) for s in FEW] + [(3, s) for s in SIZES] + [(2, 5, s) for s in SIZES] + [(2, 3, 7, 300), (2049, 3), (1, 2100), (0, 3)]
    for i, shape in enumerate(shapes):
        classes = shape[0] if len(shape) == 1 else shape[1]
        rest = () if len(shape) == 1 else (shape[0], *shape[2:])
        target = r.ints(0, classes, *rest)
        if i % 3 == 0:
            target = np.where(r.generator.random(rest) < 0.3, -100, target)
        fields = dict(x=3 * r(*shape), target=target, weight=abs(r(classes)) if i % 2 else None, ignore_index=-100, reduction=i % 3)
        yield "nll_loss_forward", f"{i}", fields, SUMS
        yield "cross_entropy_forward", f"{i}", {**fields, "label_smoothing": 0.0, "logsumexp": i % 2 == 0}, SUMS
        yield "cross_entropy_forward", f"smooth{i}", {**fields, "label_smoothing": 0.3, "logsumexp": False}, SUMS
    fields = dict(x=r(4, 3), target=np.full(4, 2), weight=None, ignore_index=2, reduction=k.MEAN)
    yield "nll_loss_forward", "ignored", fields, SUMS
    yield "cross_entropy_forward", "ignored", {**fields, "label_smoothing": 0.1, "logsumexp": False}, SUMS
    for i, size in enumerate((*SIZES, 3, 5, 9)):
        x = r(2 * size + 3, 3, 5)
        fields = dict(log_probs=(x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(r.dtype), targets=r.ints(1, 5, 3, size))
        fields |= dict(input_lengths=np.array([2 * size + 3, size, 2 * size]), target_lengths=np.array([size, 0, size // 2]))
        fields |= dict(blank=0, reduction=i % 3, zero_infinity=i % 2, alpha=i % 2 == 0)
        if i % 4 == 3:
            fields["targets"] = np.concatenate([t[:n] for t, n in zip(fields["targets"], fields["target_lengths"])])
        yield "ctc_loss_forward", f"{size}-{i}", fields, SUMS
    few = dict(log_probs=fields["log_probs"][:4, 0], targets=np.array([1, 1, 2]), input_lengths=np.array(4), target_lengths=np.array(3))
    yield "ctc_loss_forward", "one", {**few, "blank": 3, "reduction": k.SUM, "zero_infinity": 0, "alpha": False}, SUMS
    for kind in range(7):
        for i, shape in enumerate([(s,) for s in SIZES] + [(), (3, 700), (4100,), (0,)]):
            x, target = r(*shape), r(*shape)
            if kind == k.BCE:
                x = r.generator.random(shape).astype(r.dtype)
                x = x if i % 4 else np.round(x)
            alpha = (0.7, 1.0, 0.0)[i % 3] if kind == k.SMOOTH_L1 else 0.6 if kind == k.HUBER else float(kind == k.KL_DIV and i % 2)
            if kind in (k.BCE, k.BCE_WITH_LOGITS) or (kind == k.KL_DIV and not alpha):
                target = r.generator.random(shape).astype(r.dtype)
            fields = dict(x=np.asarray(x), target=np.asarray(target), weight=None, pos_weight=None, kind=kind, alpha=alpha, reduction=i % 3)
            if i % 5 == 1:
                fields["weight"] = abs(r(*shape))
            if kind == k.BCE_WITH_LOGITS and i % 2:
                fields["pos_weight"] = abs(r(*shape))
            yield "pointwise_loss_forward", f"kind{kind}-{i}", fields, SUMS


def random(r: Numbers) -> Iterator[Case]:
    dtype = k.FLOAT32 if r.dtype is np.float32 else k.FLOAT64
    for s in (0, *SIZES, 1000):
        fields = dict(shape=(s,), dtype=dtype, seed=12345678901234 * (s + 1), offset=s)
        yield "random_forward", f"uniform{s}", {**fields, "kind": k.UNIFORM, "a": -1.25, "b": 3.5}, EXACT
        yield "random_forward", f"normal{s}", {**fields, "kind": k.NORMAL, "a": 0.5, "b": 2.0}, (2e-6, 1e-13)
        yield "random_forward", f"bernoulli{s}", {**fields, "kind": k.BERNOULLI, "a": 0.3, "b": 0.0}, EXACT
        yield "random_forward", f"integers{s}", {**fields, "dtype": k.INT64, "kind": k.INTEGERS, "a": -3.0, "b": 9.0}, EXACT
    fields = dict(shape=(3, 5), dtype=dtype, kind=k.UNIFORM, a=0.0, b=1.0, seed=-1, offset=-6)
    yield "random_forward", "wraps", fields, EXACT


FAMILIES = (
    arithmetic, linear, conv, transposed, padding, pooling, grid_sample, activation, normalization, recurrent, cells, attention, losses,
    random,
)  # fmt: skip


def cases(dtype: type) -> Iterator[Case]:
    """Every case with inputs of a float type."""
    for family in FAMILIES:
        yield from family(Numbers(dtype))


def allowed(tolerance: tuple[float, float] | float, dtype: type) -> float:
    """The tolerance of a case for a float type."""
    return tolerance if isinstance(tolerance, float) else tolerance[dtype is np.float64]
