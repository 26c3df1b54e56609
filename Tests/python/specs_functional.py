"""One row per use of a function of swiftnn.functional: arguments as in specs.py, and the reference of the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import Reference as operations
from Reference import arrangement, distance, layers, losses
from Reference import constants as k
from Reference.activation import sigmoid
from Reference.embedding import embedding_bag
from Reference.grid_sample import affine_grid
from specs import Causal, Ints, Mask, Signs, Special, Unit, value_of
from stream import Stream


@dataclass(frozen=True)
class Function:
    name: str
    args: tuple[Any, ...]  # inputs as in specs.py: shapes stand for arrays; wrap a plain tuple of ints in Value
    expected: Callable[..., Any]  # takes the arguments of the call
    kwargs: dict[str, Any] = field(default_factory=dict)
    desc: str = "default"
    deviates: str = ""  # why PyTorch is not asked

    @property
    def id(self) -> str:
        return f"{self.name}-{self.desc}"

    @property
    def in_place(self) -> bool:
        """Whether it writes into its first argument."""
        return self.name.endswith("_")

    def arrays(self, dtype: Any) -> tuple[list[Any], dict[str, Any]]:
        rng = Stream(self.id)

        def value(item: Any) -> Any:
            if isinstance(item, Value):
                is_real = isinstance(item.value, np.ndarray) and item.value.dtype.kind == "f"
                return item.value.astype(dtype) if is_real else item.value
            return value_of(item, rng, dtype, None)

        return [value(item) for item in self.args], {name: value(item) for name, item in self.kwargs.items()}


@dataclass(frozen=True)
class Value:
    """A plain value, where a tuple of ints would be taken for a shape."""

    value: Any


def _conv(padding: Any = 0, **options: Any) -> Callable[..., Any]:
    def expected(x: Any, weight: Any, bias: Any = None, **_: Any) -> Any:
        layer = (layers.Conv1d, layers.Conv2d, layers.Conv3d)[weight.ndim - 3]
        state = {"weight": weight, "bias": bias}
        return layer(state, x, in_channels=0, out_channels=0, kernel_size=weight.shape[2:], padding=padding, **options)

    return expected


def _conv_transpose(**options: Any) -> Callable[..., Any]:
    def expected(x: Any, weight: Any, bias: Any = None, **_: Any) -> Any:
        layer = (layers.ConvTranspose1d, layers.ConvTranspose2d, layers.ConvTranspose3d)[weight.ndim - 3]
        return layer({"weight": weight, "bias": bias}, x, in_channels=0, out_channels=0, kernel_size=weight.shape[2:], **options)

    return expected


def _convolutions() -> Iterator[Function]:
    down = [("conv1d", (2, 4, 9), (6, 4, 3)), ("conv2d", (2, 4, 7, 9), (6, 4, 3, 2)), ("conv3d", (2, 4, 5, 4, 6), (6, 4, 3, 2, 2))]
    for name, x, w in down:
        grouped = (6, 2, *w[2:])
        yield Function(name, (x, w, (6,)), _conv())
        yield Function(name, (x, w), _conv(), desc="no bias")
        yield Function(name, (x[1:], w, (6,)), _conv(), desc="unbatched")
        options = dict(stride=2, padding=1, dilation=2, groups=2)
        yield Function(name, (x, grouped, (6,)), _conv(**options), options, "options")
        yield Function(name, (x, w, (6,)), _conv("same"), dict(padding="same"), "same")
    up = [("conv_transpose1d", (2, 4, 5), (4, 3, 3)), ("conv_transpose2d", (2, 4, 5, 6), (4, 3, 3, 2))]
    for name, x, w in (*up, ("conv_transpose3d", (2, 4, 3, 5, 6), (4, 3, 3, 2, 2))):
        yield Function(name, (x, w, (3,)), _conv_transpose())
        yield Function(name, (x[1:], w), _conv_transpose(), desc="unbatched, no bias")
        options = dict(stride=2, padding=1, output_padding=1, groups=2, dilation=2)
        yield Function(name, (x, w, (6,)), _conv_transpose(**options), options, "options")
    first = _conv()
    last = lambda x, w, b, pad=0: first(  # noqa: E731
        np.pad(x, ((pad, pad), (0, 0), (0, 0))).transpose(1, 2, 0), w.transpose(2, 1, 0), b
    ).transpose(2, 0, 1)
    yield Function("conv_tbc", ((9, 2, 4), (3, 4, 6), (6,)), last)
    yield Function("conv_tbc", ((9, 2, 4), (3, 4, 6), (6,), 2), last, desc="pad")
    pads = [((2, 3, 6), (1, 2)), ((2, 3, 5, 6), (2, 0, 1, 3)), ((2, 3, 5, 6), (1, -1)), ((2, 3, 5, 6), (-1, 2, 1, -1))]
    for mode, number in (("constant", 0), ("reflect", 1), ("replicate", 2), ("circular", 3)):
        for x, pad in pads:
            if mode == "constant" or len(pad) == 2 * (len(x) - 2):
                expected = lambda x, pad, mode, number=number: operations.pad_forward(x, pad, number)  # noqa: E731
                yield Function("pad", (x, Value(pad), mode), expected, desc=f"{mode} {pad}")
    expected = lambda x, pad, value: operations.pad_forward(x, pad, 0, value)  # noqa: E731
    yield Function("pad", ((2, 3), Value((1, 1, 2, 0))), expected, dict(value=-1.5), "value")
    yield Function("pad", (Ints(9, (2, 3)), Value((1, 1))), expected, dict(value=4), "integers")


def _pools() -> Iterator[Function]:
    for name, x in (("1d", (2, 3, 13)), ("2d", (2, 3, 9, 13)), ("3d", (2, 3, 5, 7, 6))):
        largest, mean = getattr(layers, f"MaxPool{name}"), getattr(layers, f"AvgPool{name}")
        smooth = getattr(layers, f"AdaptiveAvgPool{name}")
        for options in ({}, dict(stride=2, padding=1, ceil_mode=True)):
            desc = "options" if options else "default"
            yield Function(f"max_pool{name}", (x, 3), lambda x, r, f=largest, **o: f({}, x, kernel_size=r, **o), options, desc)
            yield Function(f"avg_pool{name}", (x, 3), lambda x, r, f=mean, **o: f({}, x, kernel_size=r, **o), options, desc)
            indices = lambda x, r, f=largest, **o: f({}, x, kernel_size=r, **{**o, "return_indices": True})  # noqa: E731
            yield Function(f"max_pool{name}", (Special(x), 3), indices, {**options, "return_indices": True}, desc + ", indices")
            yield Function(f"max_pool{name}_with_indices", (Special(x), 3), indices, options, desc)
        yield Function(f"adaptive_avg_pool{name}", (x, 4), lambda x, size, f=smooth: f({}, x, output_size=size))
        rough, norm, back = (getattr(layers, f"{kind}{name}") for kind in ("AdaptiveMaxPool", "LPPool", "MaxUnpool"))
        yield Function(f"adaptive_max_pool{name}", (x, 4), lambda x, size, f=rough: f({}, x, output_size=size))
        both = lambda x, size, f=rough, **_: f({}, x, output_size=size, return_indices=True)  # noqa: E731
        yield Function(f"adaptive_max_pool{name}", (Special(x), 4), both, dict(return_indices=True), "indices, NaN")
        yield Function(f"adaptive_max_pool{name}_with_indices", (Special(x), 4), both, desc="NaN")
        roots = lambda x, p, r, f=norm, **o: f({}, x, norm_type=p, kernel_size=r, **o)  # noqa: E731
        yield Function(f"lp_pool{name}", (x, 2, 3), roots)
        yield Function(f"lp_pool{name}", (x, 4.0, 3), roots, dict(stride=2, ceil_mode=True), "options")
        if name != "1d":
            some, sizes = getattr(layers, f"FractionalMaxPool{name}"), Value((3, 2, 4)[: len(x) - 2])
            random = Unit((*x[:2], len(x) - 2))
            drawn = lambda x, r, f=some, _random_samples=None, **o: f({"_random_samples": _random_samples}, x, kernel_size=r, **o)  # noqa: E731
            pairs = lambda x, r, f=drawn, **o: f(x, r, **{**o, "return_indices": True})  # noqa: E731
            options = dict(output_size=sizes, _random_samples=random)
            yield Function(f"fractional_max_pool{name}", (x, 2), drawn, options)
            yield Function(f"fractional_max_pool{name}", (Special(x), 2), pairs, {**options, "return_indices": True}, "indices, NaN")
            yield Function(f"fractional_max_pool{name}_with_indices", (Special(x), 2), pairs, options, "NaN")
            options = dict(output_ratio=Value((0.3, 0.5, 0.4)[: len(x) - 2]), _random_samples=random)
            yield Function(f"fractional_max_pool{name}", (x, 3), drawn, options, "ratio")
        few = x[:2] + (1,) * (len(x) - 2)
        put = lambda x, i, r, f=back, output_size=None, **o: f({}, x, i, output_size, kernel_size=r, **o)  # noqa: E731
        yield Function(f"max_unpool{name}", (few, Ints(2, few), 2), put)
        size = Value((3,) * (len(x) - 2))
        yield Function(f"max_unpool{name}", (few, Ints(3, few), 2), put, dict(stride=2, output_size=size), "output_size")
    yield Function(
        "avg_pool2d", ((3, 9, 13), 3), lambda x, r, **o: layers.AvgPool2d({}, x, kernel_size=r, **o), dict(divisor_override=4), "divisor"
    )
    options = dict(dilation=2, padding=1, stride=2)
    unfolded = lambda x, r, **o: layers.Unfold({}, x, kernel_size=r, **o)  # noqa: E731
    yield Function("unfold", ((2, 3, 5, 6), 2), unfolded)
    yield Function("unfold", ((2, 3, 5, 6), 2), unfolded, options, "options")
    folded = lambda x, size, r, **o: layers.Fold({}, x, output_size=size, kernel_size=r, **o)  # noqa: E731
    yield Function("fold", ((2, 12, 20), Value((5, 6)), 2), folded)
    yield Function("fold", ((2, 12, 9), Value((5, 6)), 2), folded, options, "options")
    divided = lambda x, r, **o: layers.AvgPool3d({}, x, kernel_size=r, **o)  # noqa: E731
    yield Function("avg_pool3d", ((3, 5, 9, 4), 3), divided, dict(divisor_override=4), "divisor")
    yield Function("max_pool3d", (Ints(50, (2, 3, 7, 7, 4)), 3), lambda x, r: layers.MaxPool3d({}, x, kernel_size=r), desc="integers")
    respond = lambda x, size, **o: layers.LocalResponseNorm({}, x, size=size, **o)  # noqa: E731
    yield Function("local_response_norm", ((2, 5, 4, 3), 3), respond)
    yield Function("local_response_norm", ((2, 5, 4), 2), respond, dict(alpha=0.3, beta=1.5, k=2.0), "options")
    yield Function("max_pool2d", (Ints(50, (2, 3, 7, 7)), 3), lambda x, r: layers.MaxPool2d({}, x, kernel_size=r), desc="integers")
    resample = lambda x, **o: layers.Upsample({}, x, **o)  # noqa: E731
    for name in ("interpolate", "upsample"):
        yield Function(name, ((2, 3, 4, 5),), resample, dict(size=Value((7, 9))), "size")
        yield Function(name, ((2, 3, 4, 5),), resample, dict(scale_factor=1.7, mode="bilinear", align_corners=False), "scale")
    yield Function("interpolate", ((2, 3, 5),), resample, dict(scale_factor=2.4, mode="linear", recompute_scale_factor=True), "recomputed")
    yield Function("interpolate", ((2, 3, 4, 5),), resample, dict(size=Value((9, 3)), mode="bilinear", align_corners=True), "corners")
    yield Function("interpolate", ((2, 3, 5),), resample, dict(size=12, mode="nearest-exact"), "exact")
    for mode in ("bilinear", "bicubic", "lanczos"):
        yield Function("interpolate", ((2, 3, 9, 7),), resample, dict(size=Value((4, 3)), mode=mode, antialias=True), f"smooth {mode}")
        yield Function(
            "interpolate", ((2, 3, 5, 9),), resample, dict(scale_factor=Value((1.7, 0.3)), mode=mode, antialias=True), f"scales {mode}"
        )
    yield Function("interpolate", ((1, 2, 3, 4, 5),), resample, dict(scale_factor=1.7, mode="trilinear"), "volume")
    yield Function("grid_sample", ((2, 3, 5, 6), (2, 4, 7, 2)), _looked_up)
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            options = dict(mode=mode, padding_mode=padding, align_corners=padding != "zeros")
            yield Function("grid_sample", ((2, 3, 5, 6), (2, 9, 17, 2)), _looked_up, options, f"{mode} {padding}")
    for mode in ("bilinear", "nearest"):
        options = dict(mode=mode, padding_mode="reflection")
        yield Function("grid_sample", ((2, 3, 4, 5, 6), (2, 3, 5, 7, 3)), _looked_up, options, f"volume {mode}")
    yield Function("grid_sample", ((1, 2, 1, 1), (1, 3, 3, 2)), _looked_up, dict(padding_mode="border", align_corners=True), "one pixel")
    for size in ((2, 3, 4, 5), (2, 1, 1, 7)):
        for corners in (False, True):
            yield Function("affine_grid", ((2, 2, 3), Value(size)), affine_grid, dict(align_corners=corners), f"{size} {corners}")
    yield Function("affine_grid", ((2, 3, 4), Value((2, 1, 3, 1, 5))), affine_grid, desc="volume")
    for mode, corners in (("nearest", None), ("bilinear", True)):
        whole = lambda x, mode=mode, corners=corners, **o: layers.Upsample({}, x, mode=mode, align_corners=corners, **o)  # noqa: E731
        yield Function(f"upsample_{mode}", ((2, 3, 4, 5),), whole, dict(size=Value((7, 9))), "size")
        yield Function(f"upsample_{mode}", ((2, 3, 4, 5),), whole, dict(scale_factor=2), "scale")


def _looked_up(x: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False) -> Any:
    modes = dict(nearest=k.NEAREST, bilinear=k.BILINEAR, bicubic=k.BICUBIC)
    paddings = dict(zeros=k.PAD_CONSTANT, border=k.PAD_REPLICATE, reflection=k.PAD_REFLECT)
    return operations.grid_sample_forward(x, grid, modes[mode], paddings[padding_mode], align_corners)


def _elementwise() -> Iterator[Function]:
    x = (3, 4, 17)
    kinds = dict(
        relu=k.RELU, relu6=k.RELU6, selu=k.SELU, silu=k.SILU, mish=k.MISH, sigmoid=k.SIGMOID, tanh=k.TANH, hardswish=k.HARDSWISH,
        hardsigmoid=k.HARDSIGMOID, logsigmoid=k.LOGSIGMOID, softsign=k.SOFTSIGN, gelu=k.GELU,
    )  # fmt: skip
    for name, kind in kinds.items():
        yield Function(name, (x,), lambda x, kind=kind: operations.activation_forward(x, kind))
    yield Function("gelu", (x,), lambda x, approximate: operations.activation_forward(x, k.GELU_TANH), dict(approximate="tanh"), "tanh")
    for name, kind, defaults, given in (
        ("leaky_relu", k.LEAKY_RELU, (0.01,), (0.3,)),
        ("elu", k.ELU, (1.0,), (1.7,)),
        ("softplus", k.SOFTPLUS, (1.0, 20.0), (2.0, 1.0)),
        ("hardtanh", k.HARDTANH, (-1.0, 1.0), (-0.2, 0.5)),
        ("celu", k.CELU, (1.0,), (0.6,)),
        ("hardshrink", k.HARDSHRINK, (0.5,), (0.2,)),
        ("softshrink", k.SOFTSHRINK, (0.5,), (0.2,)),
    ):
        yield Function(name, (x,), lambda x, kind=kind, values=defaults: operations.activation_forward(x, kind, *values))
        yield Function(name, (x, *given), lambda x, *values, kind=kind: operations.activation_forward(x, kind, *values), desc="given")
    for name, kind, values in (
        ("relu_", k.RELU, ()), ("leaky_relu_", k.LEAKY_RELU, (0.3,)), ("elu_", k.ELU, (1.7,)), ("celu_", k.CELU, (0.5,)),
        ("selu_", k.SELU, ()), ("hardtanh_", k.HARDTANH, (-0.2, 0.5)), ("threshold_", k.THRESHOLD, (0.2, -3.0)),
    ):  # fmt: skip
        yield Function(name, (x, *values), lambda x, *values, kind=kind: operations.activation_forward(x, kind, *values))
    yield Function("rrelu_", (x, 0.1, 0.4), lambda x, lower, upper: layers.RReLU({}, x, lower=lower, upper=upper))
    yield Function("hardshrink", (x, np.nan), lambda x, _: x, desc="by no distance")
    yield Function("threshold", (x, 0.2, -3.0), lambda x, *values: operations.activation_forward(x, k.THRESHOLD, *values))
    yield Function("rrelu", (x,), lambda x: layers.RReLU({}, x))
    one_slope = lambda x, *_: layers.RReLU({}, x, lower=0.3, upper=0.3)  # noqa: E731
    yield Function("rrelu", (x, 0.3, 0.3, True), one_slope, desc="training with one slope")
    yield Function("tanhshrink", (x,), lambda x: layers.Tanhshrink({}, x))
    # One class: nothing to draw.
    for hard in (False, True):
        yield Function("gumbel_softmax", ((3, 1), 0.5), lambda x, tau, hard: np.ones(x.shape), dict(hard=hard), f"one class, {hard}")
    yield Function("prelu", (x, (4,)), operations.prelu_forward)
    yield Function("prelu", ((5,), (1,)), operations.prelu_forward, desc="vector")
    yield Function("glu", ((3, 8),), lambda x: x[:, :4] * sigmoid(x[:, 4:]))
    yield Function("glu", ((6, 3), 0), lambda x, dim: x[:3] * sigmoid(x[3:]), desc="first")
    for dim in (-1, 1, 0):
        yield Function("softmax", (x, dim), lambda x, dim: operations.softmax_forward(x, dim), desc=f"{dim}")
        yield Function("log_softmax", (x, dim), lambda x, dim: operations.softmax_forward(x, dim, 1), desc=f"{dim}")
        yield Function("softmin", (x, dim), lambda x, dim: operations.softmax_forward(-x, dim), desc=f"{dim}")
    for name, shape in (("dropout", (3, 4)), ("dropout1d", (2, 3, 4)), ("dropout2d", (2, 3, 4, 5)), ("dropout3d", (2, 3, 2, 4, 5))):
        yield Function(name, (shape,), lambda x, p, training: x, dict(p=0.4, training=False), "eval")
        yield Function(name, (shape,), lambda x, p: x, dict(p=0.0), "nothing dropped")
        yield Function(name, (shape,), lambda x, p: x * 0, dict(p=1.0), "all dropped")
    for name in ("alpha_dropout", "feature_alpha_dropout"):
        yield Function(name, (x,), lambda x, p: x, dict(p=0.4), "eval")
        yield Function(name, (x,), lambda x, p, training: x, dict(p=0.0, training=True), "nothing dropped")
        yield Function(name, (x,), lambda x, p, training: x * 0, dict(p=1.0, training=True), "all dropped")
    yield Function("pixel_shuffle", ((2, 8, 3, 4), 2), arrangement.pixel_shuffle)
    yield Function("pixel_unshuffle", ((2, 3, 6, 4), 2), arrangement.pixel_unshuffle)
    yield Function("channel_shuffle", ((2, 6, 3, 4), 3), arrangement.channel_shuffle)
    yield Function("native_channel_shuffle", ((2, 6, 3, 4), 3), arrangement.channel_shuffle)
    yield Function("one_hot", (Ints(5, (3, 4)),), lambda x: np.eye(x.max() + 1, dtype=np.int64)[x])
    yield Function("one_hot", (Ints(5, (3, 4)), 7), lambda x, n: np.eye(n, dtype=np.int64)[x], desc="classes")


def _distances() -> Iterator[Function]:
    yield Function("normalize", ((3, 4, 5),), distance.normalize)
    yield Function("normalize", ((3, 4, 5), 3.0, -1), distance.normalize, desc="given")
    yield Function("cosine_similarity", ((3, 4), (3, 4)), distance.cosine_similarity)
    yield Function("cosine_similarity", ((3, 4), (3, 4), 0), distance.cosine_similarity, desc="first")
    yield Function("pairwise_distance", ((3, 4), (3, 4)), distance.pairwise_distance)
    yield Function("pairwise_distance", ((3, 4), (3, 4)), distance.pairwise_distance, dict(p=3.0, keepdim=True), "given")
    yield Function("pdist", ((5, 4),), distance.pdist)
    for p in (0.0, 1.0, 1.5, np.inf):
        yield Function("pdist", ((5, 4), p), distance.pdist, desc=f"{p}")
    yield Function("pdist", ((1, 4),), distance.pdist, desc="no pairs")


def _products() -> Iterator[Function]:
    yield Function("linear", ((2, 3, 5), (7, 5), (7,)), operations.linear_forward)
    yield Function("linear", ((5,), (7, 5)), operations.linear_forward, desc="vector, no bias")
    yield Function("bilinear", ((3, 4), (3, 5), (6, 4, 5), (6,)), operations.bilinear_forward)
    yield Function("embedding", (Ints(9, (3, 4)), (9, 5)), operations.embedding_forward)
    starts = np.array([0, 2, 2, 9])
    yield Function("embedding_bag", (Ints(9, (3, 4)), (9, 5)), embedding_bag)
    for mode in ("sum", "mean", "max"):
        options = dict(mode=mode, padding_idx=-1)
        yield Function("embedding_bag", (Ints(9, (13,)), (9, 5), starts), embedding_bag, options, mode)
    options = dict(mode="sum", include_last_offset=True, per_sample_weights=(9,))
    yield Function("embedding_bag", (Ints(9, (9,)), (9, 5), starts), embedding_bag, options, "weighted")
    yield Function("layer_norm", ((3, 4, 9), Value((9,))), lambda x, shape: operations.layer_norm_forward(x, shape))
    yield Function("layer_norm", ((3, 4, 9), Value((4, 9)), (4, 9), (4, 9), 1e-2), operations.layer_norm_forward, desc="affine")
    rms = lambda x, shape, weight=None, eps=None: operations.rms_norm_forward(x, shape, weight, eps or float(np.finfo(x.dtype).eps))  # noqa: E731
    yield Function("rms_norm", ((3, 4, 9), Value((9,))), rms)
    yield Function("rms_norm", ((3, 4, 9), Value((4, 9)), (4, 9), 1e-2), rms, desc="affine")
    yield Function("group_norm", ((3, 6, 5), 2, (6,), (6,)), operations.group_norm_forward)
    yield Function("instance_norm", ((3, 6, 5),), lambda x: operations.group_norm_forward(x, 6))

    def batch(x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, training: bool = False) -> Any:
        if training:
            mean, variance = operations.batch_stats_forward(x)
        return operations.batch_norm_forward(x, mean, variance, weight, bias)

    yield Function("batch_norm", ((3, 4, 5), None, None, (4,), (4,)), batch, dict(training=True), "training")
    positive = Value(np.array([0.5, 1.0, 2.0, 0.25], np.float32))
    yield Function("batch_norm", ((3, 4, 5), (4,), positive), batch, desc="statistics")


def _attentions() -> Iterator[Function]:
    def attend(
        q: Any, key: Any, v: Any, attn_mask: Any = None, is_causal: bool = False, scale: Any = None, enable_gqa: bool = False
    ) -> Any:
        if attn_mask is not None and attn_mask.dtype == bool:
            attn_mask = ~attn_mask
        rank = [a.reshape((1,) * (4 - a.ndim) + a.shape) for a in (q, key, v)]
        y, _, _ = operations.attention_forward(*rank, attn_mask, None, is_causal, scale or 0.0)
        return y.reshape(q.shape[:-1] + v.shape[-1:])

    name = "scaled_dot_product_attention"
    q, key, v = (2, 4, 5, 6), (2, 4, 7, 6), (2, 4, 7, 3)
    yield Function(name, (q, key, v), attend)
    yield Function(name, (q, key, v), attend, dict(scale=0.3), "scale")
    yield Function(name, (q, key, v), attend, dict(is_causal=True), "causal")
    yield Function(name, (q, key, v), attend, dict(attn_mask=Mask((5, 7))), "bool mask")
    yield Function(name, (q, key, v), attend, dict(attn_mask=Mask((2, 1, 5, 7))), "broadcast mask")
    yield Function(name, (q, key, v), attend, dict(attn_mask=(2, 4, 5, 7)), "float mask")
    yield Function(name, ((5, 6), (7, 6), (7, 3)), attend, desc="two dimensions")
    yield Function(name, (q[1:], key[1:], v[1:]), attend, desc="three dimensions")
    yield Function(name, (q, (2, 2, 7, 6), (2, 2, 7, 3)), attend, dict(enable_gqa=True), "grouped queries")

    def heads(q: Any, key: Any, v: Any, e: int, nh: int, w: Any, b: Any, *rest: Any, **call: Any) -> Any:
        _, _, _, _, out, out_bias = rest
        state = {"in_proj_weight": w, "in_proj_bias": b, "out_proj.weight": out, "out_proj.bias": out_bias}
        return layers.MultiheadAttention(state, q, key, v, embed_dim=e, num_heads=nh, **call)

    args = ((5, 3, 8), (7, 3, 8), (7, 3, 8), 8, 2, (24, 8), (24,), None, None, False, 0.0, (8, 8), (8,))
    yield Function("multi_head_attention_forward", args, heads)
    same = ((5, 3, 8),) * 3 + args[3:]
    yield Function("multi_head_attention_forward", same, heads, dict(attn_mask=Causal(5, True)), "masked")


def _losses() -> Iterator[Function]:
    x = (7, 5)
    calls: dict[str, tuple[Any, ...]] = dict(
        cross_entropy=(x, Ints(5, (7,))), nll_loss=(x, Ints(5, (7,))), mse_loss=(x, x), l1_loss=(x, x), smooth_l1_loss=(x, x),
        huber_loss=(x, x), binary_cross_entropy=(Unit(x), Unit(x)), binary_cross_entropy_with_logits=(x, Unit(x)), kl_div=(x, Unit(x)),
        ctc_loss=((9, 3, 5), Value(np.array([[1, 2], [3, 3], [4, 1]])), Value(np.array([9, 6, 5])), Value(np.array([2, 2, 0]))),
        cosine_embedding_loss=(x, x, Signs((7,))), margin_ranking_loss=(x, x, Signs(x)), hinge_embedding_loss=(x, Signs(x)),
        triplet_margin_with_distance_loss=(x, x, x), soft_margin_loss=(x, Signs(x)), multi_margin_loss=(x, Ints(5, (7,))),
        multilabel_margin_loss=(x, Value(np.array([[2, 0, -1, 3, 1]] * 4 + [[-1, 0, 0, 0, 0]] * 2 + [[4, 4, 1, 0, 3]]))),
        multilabel_soft_margin_loss=(x, Ints(2, x)), triplet_margin_loss=(x, x, x),
        gaussian_nll_loss=(x, x, Unit(x)), poisson_nll_loss=(x, x),
    )  # fmt: skip
    for name, args in calls.items():
        for reduction in ("mean", "sum", "none"):
            yield Function(name, args, getattr(losses, name), dict(reduction=reduction), reduction)
    scored = losses.linear_cross_entropy
    for reduction in ("mean", "sum", "none"):
        options = dict(reduction=reduction)
        yield Function("linear_cross_entropy", (x, (6, 5), Ints(6, (7,))), scored, options, reduction)
        options = options | dict(linear_bias=(6, 2), label_smoothing=0.3, ignore_index=1)
        yield Function("linear_cross_entropy", (x, (6, 2, 5), Ints(6, (7, 2))), scored, options, f"{reduction}, options")
    yield Function("linear_cross_entropy", (x, (6, 5), Unit((7, 6))), scored, desc="probabilities")
    yield Function("kl_div", calls["kl_div"], losses.kl_div, dict(reduction="batchmean"), "batchmean")
    for name in ("mse_loss", "l1_loss", "huber_loss"):
        for reduction in ("mean", "sum", "none"):
            yield Function(name, (x, x), getattr(losses, name), dict(reduction=reduction, weight=Unit(x)), f"{reduction}, weight")
    yield Function("multi_margin_loss", (x, Ints(5, (7,)), 2, 0.4, Unit((5,))), losses.multi_margin_loss, desc="options")
    yield Function("multilabel_soft_margin_loss", (x, Unit(x), Unit((7, 1))), losses.multilabel_soft_margin_loss, desc="weight")
    yield Function("smooth_l1_loss", (x, x), losses.smooth_l1_loss, dict(beta=0.0), "beta 0")
    yield Function("cross_entropy", (x, Ints(5, (7,))), losses.cross_entropy, dict(label_smoothing=0.3, ignore_index=1), "options")
    yield Function("gaussian_nll_loss", (x, x, Unit((7, 1))), losses.gaussian_nll_loss, dict(full=True, eps=1e-3), "options")


FAMILIES = (_convolutions, _pools, _elementwise, _distances, _products, _attentions, _losses)
FUNCTIONS: list[Function] = [row for family in FAMILIES for row in family()]
assert len({row.id for row in FUNCTIONS}) == len(FUNCTIONS), "two rows have the same name and description"
