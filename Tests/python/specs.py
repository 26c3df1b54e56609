"""One row per layer configuration: the generic tests, the golden files and the coverage test are fed by LAYERS.

A row says what the constructor takes, what forward takes, and so, through Reference.layers, what comes out. Add a row and the layer is
compared with the reference and with PyTorch, stored and loaded, pickled, copied, printed and fed arrays of every memory layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from Reference import layers as reference
from stream import Stream

FLOAT32_TOLERANCE, FLOAT64_TOLERANCE = 2e-5, 1e-10


@dataclass(frozen=True)
class Ints:
    """Integers in [0, high)."""

    high: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Mask:
    """A bool mask with some TRUE (may not attend); the first key of each row stays open."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Causal:
    """The causal mask of torch: float with -inf above the diagonal, or bool."""

    size: int
    boolean: bool = False


@dataclass(frozen=True)
class Special:
    """Small integers with equal maxima, NaN and -inf among them."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Unit:
    """Numbers in (0, 1)."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signs:
    """1 and -1, integers."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Packed:
    """A PackedSequence of random sequences of these lengths."""

    lengths: tuple[int, ...]
    features: int
    enforce_sorted: bool = True


@dataclass(frozen=True)
class Layer:
    name: str
    options: dict[str, Any]
    inputs: tuple[Any, ...]  # a shape, a tuple of them, or one of the classes above
    desc: str = "default"
    call: dict[str, Any] = field(default_factory=dict)  # keyword arguments of forward: inputs as above, or plain values
    build: Callable[[Any, dict[str, Any]], Any] | None = None  # how a namespace (swiftnn, torch.nn) makes it
    batch: int | None = 0  # the batch dimension of inputs and outputs, None where there is no such thing
    training: bool = False
    deviates: str = ""  # why PyTorch is not asked: the entry of the documented deviations

    @property
    def id(self) -> str:
        return f"{self.name}-{self.desc}"

    def make(self, nn: Any) -> Any:
        module = self.build(nn, self.options) if self.build else getattr(nn, self.name)(**self.options)
        return module.train(self.training)

    def arrays(self, dtype: Any, nn: Any) -> tuple[list[Any], dict[str, Any]]:
        """(positional, keyword) arguments of forward, the same numbers in every float type."""
        rng = Stream(self.id)
        positional = [value_of(item, rng, dtype, nn) for item in self.inputs]
        return positional, {name: value_of(item, rng, dtype, nn) for name, item in self.call.items()}

    def expected(self, state: dict[str, Any], positional: list[Any], keyword: dict[str, Any]) -> Any:
        more = {"training": True} if self.training else {}
        return getattr(reference, self.name)(state, *positional, **keyword, **self.options, **more)


def is_shape(item: Any) -> bool:
    return isinstance(item, tuple) and all(isinstance(n, int) for n in item)


def value_of(item: Any, rng: Stream, dtype: Any, nn: Any) -> Any:
    """The array that an input of a row stands for."""
    if is_shape(item):
        return rng.values(item).astype(dtype)
    if isinstance(item, Ints):
        return np.asarray(rng.integers(0, item.high, item.shape))
    if isinstance(item, Mask):
        blocked = rng.random(item.shape) < 0.4
        blocked[..., 0] = False
        return blocked
    if isinstance(item, Causal):
        above = np.triu(np.ones((item.size, item.size), bool), 1)
        return above if item.boolean else np.where(above, -np.inf, 0.0).astype(dtype)
    if isinstance(item, Unit):
        return (rng.random(item.shape) * 0.98 + 0.01).astype(np.float32).astype(dtype)
    if isinstance(item, Signs):
        return np.where(rng.random(item.shape) < 0.5, -1, 1)
    if isinstance(item, Special):
        x = rng.integers(-3, 4, item.shape).astype(dtype)
        x[rng.random(item.shape) < 0.05] = np.nan
        x[rng.random(item.shape) < 0.2] = -np.inf
        return x
    if isinstance(item, Packed):
        longest = max(item.lengths)
        padded = rng.values((longest, len(item.lengths), item.features)).astype(dtype)
        return nn.utils.rnn.pack_padded_sequence(padded, np.array(item.lengths), enforce_sorted=item.enforce_sorted)
    if isinstance(item, tuple):
        return tuple(value_of(part, rng, dtype, nn) for part in item)
    return item


def weights_for(row: Layer, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A state for a module with these entries, float32 numbers whatever the type they end up in."""
    state = {}
    for name, shape in shapes.items():
        rng = Stream(f"{row.id}.{name}")
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(0)
        elif name.endswith("_random_samples"):
            state[name] = rng.random(shape).astype(np.float32)
        elif name.endswith("running_var") or row.name.endswith("Loss"):
            state[name] = (rng.random(shape) + 0.5).astype(np.float32)
        else:
            state[name] = (rng.values(shape) * 0.5).astype(np.float32)
    return state


def flat(result: Any) -> list[np.ndarray]:
    """The arrays of a result in order: of tuples, of a PackedSequence its data; None is left out."""
    if result is None:
        return []
    if hasattr(result, "batch_sizes"):
        return flat(result.data)
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result.numpy() if type(result).__name__ == "Tensor" and hasattr(result, "grad_fn") else result)]


def difference(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a part of the largest finite expected value; infinite where NaN or infinities do not meet."""
    expected = np.asarray(expected)
    if got.shape != expected.shape:
        raise AssertionError(f"shape {got.shape}, expected {expected.shape}")
    finite = np.isfinite(expected)
    if not np.array_equal(got[~finite].astype(np.float64), expected[~finite].astype(np.float64), equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    off = np.abs(got[finite].astype(np.float64) - expected[finite].astype(np.float64)).max()
    return float(off / max(np.abs(expected[finite]).max(), 1e-30)) if off else 0.0


def _convolutions() -> Iterator[Layer]:
    for name, sizes, kernel in (("Conv1d", (11,), 3), ("Conv2d", (9, 11), (3, 2))):
        base = dict(in_channels=4, out_channels=6, kernel_size=kernel)
        x = (2, 4, *sizes)
        yield Layer(name, base, (x,))
        yield Layer(name, base, (x[1:],), "unbatched", batch=None)
        yield Layer(name, {**base, "bias": False}, (x,), "no bias")
        yield Layer(name, {**base, "stride": 2, "padding": 2}, (x,), "stride and padding")
        yield Layer(name, {**base, "dilation": 2, "groups": 2, "padding": 1}, (x,), "dilation and groups")
        yield Layer(name, {**base, "out_channels": 8, "groups": 4, "padding": 1}, (x,), "depthwise, two each")
        yield Layer(name, {**base, "padding": "same"}, (x,), "same")
        yield Layer(name, {**base, "kernel_size": 4, "padding": "same"}, (x,), "same, even kernel")
        yield Layer(name, {**base, "padding": "valid", "stride": 3}, (x,), "valid")
        for mode in ("reflect", "replicate", "circular"):
            yield Layer(name, {**base, "padding": 2, "padding_mode": mode}, (x,), mode)
        yield Layer(name, {**base, "kernel_size": 4, "padding": "same", "padding_mode": "circular"}, (x,), "same, circular, even kernel")
        yield Layer(name, base, ((0, *x[1:]),), "no samples", batch=None)
        yield Layer(name, {**base, "kernel_size": 1}, (x,), "pointwise")
    base = dict(in_channels=4, out_channels=6, kernel_size=3)
    yield Layer("Conv2d", {**base, "stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)}, ((2, 4, 9, 11),), "pairs")
    yield Layer("Conv2d", {**base, "padding": "same", "dilation": (2, 3), "kernel_size": (2, 4)}, ((2, 4, 9, 11),), "same, dilated")
    yield Layer("Conv2d", {**base, "padding": (2, 1), "padding_mode": "reflect"}, ((2, 4, 9, 11),), "reflect pairs")
    yield Layer("Conv2d", {**base, "stride": (2,)}, ((2, 4, 9, 11),), "stride of one element")
    article = dict(in_channels=3, out_channels=64, kernel_size=3, stride=1, padding=1)
    yield Layer("Conv2d", article, ((1, 3, 5, 6),), "the article's")
    yield Layer("Conv2d", {**base, "padding": (1, 2, 0, 3)}, ((2, 4, 9, 11),), "four paddings", deviates="A6.7: 4-tuple padding")
    lines = dict(in_channels=3, out_channels=5, kernel_size=3)
    yield Layer("Conv2d", {**lines, "padding": 1}, ((2, 3, 9, 40),), "few channels")
    tall = {**lines, "kernel_size": (2, 3), "padding": (1, 2), "dilation": (3, 1)}
    yield Layer("Conv2d", tall, ((2, 3, 12, 37),), "few channels, part tiles")
    yield Layer("Conv1d", {**lines, "in_channels": 6, "padding": 1}, ((2, 6, 131),), "few channels")


def _volumes() -> Iterator[Layer]:
    base = dict(in_channels=4, out_channels=4, kernel_size=3)
    x = (2, 4, 4, 5, 6)
    yield Layer("Conv3d", base, (x,))
    yield Layer("Conv3d", base, (x[1:],), "unbatched", batch=None)
    yield Layer("Conv3d", {**base, "bias": False, "stride": (2, 1, 3), "padding": (1, 0, 2)}, (x,), "stride and padding, no bias")
    yield Layer("Conv3d", {**base, "kernel_size": (2, 3, 1), "dilation": (3, 2, 1), "groups": 2}, (x,), "dilation and groups")
    yield Layer("Conv3d", {**base, "out_channels": 8, "groups": 4}, (x,), "two each")
    yield Layer("Conv3d", {**base, "kernel_size": (2, 3, 4), "padding": "same"}, (x,), "same")
    yield Layer("Conv3d", {**base, "padding": "valid"}, (x,), "valid")
    yield Layer("Conv3d", {**base, "kernel_size": 1}, (x,), "one voxel")
    for mode in ("reflect", "replicate", "circular"):
        yield Layer("Conv3d", {**base, "padding": (1, 0, 2), "padding_mode": mode}, (x,), mode)
    yield Layer("Conv3d", base, ((0, *x[1:]),), "no samples", batch=None)
    x = (2, 4, 2, 3, 4)
    yield Layer("ConvTranspose3d", base, (x,))
    yield Layer("ConvTranspose3d", base, (x[1:],), "unbatched", batch=None)
    strided = {**base, "bias": False, "stride": 2, "padding": 1, "output_padding": 1}
    yield Layer("ConvTranspose3d", strided, (x,), "stride and paddings, no bias")
    more = {**base, "kernel_size": (2, 3, 1), "dilation": (3, 2, 1), "groups": 2, "stride": 2, "output_padding": (2, 0, 1)}
    yield Layer("ConvTranspose3d", more, (x,), "dilation and groups")
    yield Layer("ConvTranspose3d", base, ((0, *x[1:]),), "no samples", batch=None)
    yield Layer("ConvTranspose3d", {**base, "kernel_size": 2, "stride": 2}, (x,), "a U-Net's")


def _transposed_convolutions() -> Iterator[Layer]:
    for name, sizes, kernel in (("ConvTranspose1d", (7,), 3), ("ConvTranspose2d", (5, 6), (3, 2))):
        base = dict(in_channels=4, out_channels=6, kernel_size=kernel)
        x = (2, 4, *sizes)
        yield Layer(name, base, (x,))
        yield Layer(name, base, (x[1:],), "unbatched", batch=None)
        yield Layer(name, {**base, "bias": False}, (x,), "no bias")
        yield Layer(name, {**base, "stride": 2, "padding": 1, "output_padding": 1}, (x,), "stride and paddings")
        yield Layer(name, {**base, "dilation": 3, "groups": 2, "stride": 2, "output_padding": 2}, (x,), "dilation and groups")
        yield Layer(name, {**base, "out_channels": 8, "groups": 4, "padding": 1}, (x,), "two each")
        yield Layer(name, base, ((0, *x[1:]),), "no samples", batch=None)
        yield Layer(name, {**base, "kernel_size": 2, "stride": 2}, (x,), "a U-Net's")
        yield Layer(name, {**base, "kernel_size": 4, "stride": 2, "padding": 1}, (x,), "a generator's")
    base = dict(in_channels=18, out_channels=20, kernel_size=3, padding=1)
    yield Layer("ConvTranspose2d", base, ((2, 18, 7, 9),), "many channels")
    yield Layer("ConvTranspose2d", {**base, "stride": (2, 1), "output_padding": (1, 0)}, ((2, 18, 5, 6),), "pairs")


# PyTorch's pooling of volumes reads the sizes of an empty batch from other dimensions.
_EMPTY = {"FractionalMaxPool3d": "an empty batch"}


def _pools() -> Iterator[Layer]:
    for name, sizes in (("MaxPool1d", (13,)), ("MaxPool2d", (9, 13)), ("MaxPool3d", (7, 5, 8))):
        x = (2, 3, *sizes)
        yield Layer(name, dict(kernel_size=2), (x,))
        yield Layer(name, dict(kernel_size=2), (x[1:],), "unbatched", batch=None)
        yield Layer(name, dict(kernel_size=3, stride=2, padding=1), (x,), "padding")
        yield Layer(name, dict(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,), "ceil")
        yield Layer(name, dict(kernel_size=2, stride=3, ceil_mode=True), (x,), "ceil, gaps")
        yield Layer(name, dict(kernel_size=3, stride=1, dilation=2, padding=1), (x,), "dilation")
        for options, desc in (
            (dict(kernel_size=3, stride=2, padding=1), "indices"),
            (dict(kernel_size=2, dilation=3), "indices, dilation"),
        ):
            yield Layer(name, {**options, "return_indices": True}, (Special(x),), desc)
        yield Layer(name, dict(kernel_size=3, stride=1), (Special(x),), "NaN, ties and -inf")
    yield Layer("MaxPool2d", dict(kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), ((2, 3, 9, 13),), "pairs")
    wide = dict(kernel_size=2, stride=1, padding=1, dilation=3, return_indices=True)
    yield Layer("MaxPool2d", wide, ((2, 3, 2, 2),), "windows without an element inside")
    yield Layer("MaxPool3d", {**wide, "kernel_size": (2, 2, 2)}, ((2, 3, 2, 2, 2),), "windows without an element inside")
    volume = dict(kernel_size=(3, 1, 2), stride=(2, 1, 3), padding=(1, 0, 1), dilation=(1, 3, 2), return_indices=True)
    yield Layer("MaxPool3d", volume, ((2, 3, 5, 4, 9),), "threes")
    yield Layer("MaxPool3d", dict(kernel_size=2), ((0, 3, 5, 4, 9),), "no samples", batch=None)
    for name, size, sizes in (("FractionalMaxPool2d", (4, 5), (9, 13)), ("FractionalMaxPool3d", (3, 2, 4), (7, 5, 8))):
        x, given = (2, 3, *sizes), _weighted(name, {"_random_samples": (2, 3, len(size))})
        yield Layer(name, dict(kernel_size=2, output_size=size), (x,), build=given, batch=None)
        part = dict(kernel_size=(3, 2, 1)[: len(size)], output_ratio=0.4)
        yield Layer(name, part, (x,), "ratio", build=given, batch=None)
        few = dict(kernel_size=2, output_ratio=(0.3, 0.7, 0.5)[-len(size) :], return_indices=True)
        yield Layer(name, few, (Special(x),), "indices, NaN", build=given, batch=None)
        yield Layer(name, dict(kernel_size=2, output_size=1), (x,), "one window")
        yield Layer(name, dict(kernel_size=2, output_size=1, return_indices=True), (x[1:],), "unbatched", batch=None)
        yield Layer(name, dict(kernel_size=2, output_size=size), ((0, *x[1:]),), "no samples", batch=None, deviates=_EMPTY.get(name, ""))
    for name, sizes in (("AvgPool1d", (13,)), ("AvgPool2d", (9, 13)), ("AvgPool3d", (7, 5, 8))):
        x = (2, 3, *sizes)
        yield Layer(name, dict(kernel_size=2), (x,))
        yield Layer(name, dict(kernel_size=2), (x[1:],), "unbatched", batch=None)
        yield Layer(name, dict(kernel_size=3, stride=2, padding=1), (x,), "padding")
        yield Layer(name, dict(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,), "ceil")
        yield Layer(name, dict(kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), (x,), "without padding")
    yield Layer("AvgPool2d", dict(kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), divisor_override=5), ((2, 3, 9, 13),), "divisor")
    for size in (1, 4, 7):
        yield Layer("AdaptiveAvgPool1d", dict(output_size=size), ((2, 3, 13),), f"{size}")
    for size in (1, (3, 4), (None, 5), (20, 1)):
        yield Layer("AdaptiveAvgPool2d", dict(output_size=size), ((2, 3, 9, 13),), f"{size}")
    yield Layer("AdaptiveAvgPool2d", dict(output_size=3), ((3, 9, 13),), "unbatched", batch=None)
    volume = dict(kernel_size=(3, 2, 1), stride=(2, 1, 3), padding=(1, 1, 0))
    yield Layer("AvgPool3d", volume, ((2, 3, 6, 4, 9),), "threes")
    yield Layer("AvgPool3d", {**volume, "divisor_override": 5, "ceil_mode": True}, ((2, 3, 6, 4, 9),), "divisor")
    for size in (1, 3, (3, 2, 4), (None, 5, 1)):
        yield Layer("AdaptiveAvgPool3d", dict(output_size=size), ((2, 3, 6, 4, 9),), f"{size}")
    yield Layer("AdaptiveAvgPool3d", dict(output_size=(2, 0, 3)), ((2, 3, 6, 4, 9),), "nothing")
    yield Layer("AdaptiveAvgPool3d", dict(output_size=3), ((3, 6, 4, 9),), "unbatched", batch=None)
    for name, x, size in (("1d", (2, 3, 13), 4), ("2d", (2, 3, 9, 13), (3, None)), ("3d", (2, 3, 6, 4, 9), (4, 1, 5))):
        layer = f"AdaptiveMaxPool{name}"
        yield Layer(layer, dict(output_size=1), (x,), "1")
        yield Layer(layer, dict(output_size=size), (x,), f"{size}")
        yield Layer(layer, dict(output_size=size, return_indices=True), (Special(x),), "indices, NaN and ties")
        yield Layer(layer, dict(output_size=2), (x[1:],), "unbatched", batch=None)
    for name, x in (("1d", (2, 3, 13)), ("2d", (2, 3, 9, 13)), ("3d", (2, 3, 5, 4, 7))):
        layer, positive = f"LPPool{name}", Unit(x)
        yield Layer(layer, dict(norm_type=2, kernel_size=2), (x,))
        yield Layer(layer, dict(norm_type=2, kernel_size=3, stride=2, ceil_mode=True), (x,), "ceil")
        yield Layer(layer, dict(norm_type=1.7, kernel_size=2), (positive,), "a fraction")
        yield Layer(layer, dict(norm_type=3, kernel_size=2, stride=1), (positive,), "cubes")
        yield Layer(layer, dict(norm_type=float("inf"), kernel_size=2, stride=1), (x,), "maxima")
        yield Layer(layer, dict(norm_type=4, kernel_size=2), (x[1:],), "unbatched", batch=None)
    for name, small in (("1d", (2, 3, 4)), ("2d", (2, 3, 3, 4)), ("3d", (2, 3, 2, 2, 3))):
        layer, dims = f"MaxUnpool{name}", len(small) - 2
        places, more = Ints(3, small), tuple(2 * n + 1 for n in small[2:])
        yield Layer(layer, dict(kernel_size=2), (Special(small), places), "equal indices, NaN")
        yield Layer(layer, dict(kernel_size=3, stride=2, padding=1), (Special(small), places), "padding, NaN")
        yield Layer(layer, dict(kernel_size=2), (Special(small), places), "output_size, NaN", call=dict(output_size=list(more)))
        yield Layer(layer, dict(kernel_size=2), (small[:1] + (1,) * (dims + 1), Ints(2, small[:1] + (1,) * (dims + 1))), "one each")
        yield Layer(layer, dict(kernel_size=2), ((3,) + (1,) * dims, Ints(2, (3,) + (1,) * dims)), "unbatched", batch=None)


_BLOCK = ("kernel_size", "dilation", "padding", "stride")


def _folds() -> Iterator[Layer]:
    for options, desc in (
        (dict(kernel_size=2), "default"),
        (dict(kernel_size=(3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1)), "pairs"),
        (dict(kernel_size=3, padding=1, stride=3), "gaps"),
    ):
        yield Layer("Unfold", options, ((2, 3, 6, 9),), desc)
        places = [
            (n + 2 * b - d * (r - 1) - 1) // s + 1
            for n, r, d, b, s in zip((6, 9), *(np.broadcast_to(options.get(o, 1 - (o == "padding")), 2) for o in _BLOCK))
        ]
        columns = (2, 3 * int(np.prod(np.broadcast_to(options["kernel_size"], 2))), int(places[0] * places[1]))
        yield Layer("Fold", dict(output_size=(6, 9), **options), (columns,), desc)
    yield Layer("Unfold", dict(kernel_size=2), ((3, 6, 9),), "unbatched", batch=None)
    yield Layer("Unfold", dict(kernel_size=2), ((0, 3, 6, 9),), "no samples", batch=None)
    yield Layer("Fold", dict(output_size=5, kernel_size=2), ((12, 16),), "unbatched", batch=None)
    yield Layer("Fold", dict(output_size=5, kernel_size=2), ((0, 12, 16),), "no samples", batch=None)


def _recurrent() -> Iterator[Layer]:
    for name, more in (("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {})):
        base = dict(input_size=5, hidden_size=7, **more)
        out = more.get("proj_size", 7)
        label = "".join(f"{value} " for value in more.values())

        def states(rows: int, *batch: int, name: str = name, out: int = out) -> Any:
            return ((rows, *batch, out), (rows, *batch, 7)) if name == "LSTM" else (rows, *batch, out)

        x = (6, 4, 5)
        yield Layer(name, base, (x,), label + "default", batch=1)
        yield Layer(name, base, (x, states(1, 4)), label + "states", batch=1)
        yield Layer(name, base, ((6, 5),), label + "unbatched", batch=None)
        yield Layer(name, base, ((6, 5), states(1)), label + "unbatched with states", batch=None)
        yield Layer(name, {**base, "batch_first": True, "num_layers": 2}, ((4, 6, 5), states(2, 4)), label + "batch first", batch=None)
        yield Layer(name, {**base, "num_layers": 2, "bidirectional": True}, (x, states(4, 4)), label + "both directions", batch=1)
        yield Layer(name, {**base, "num_layers": 3, "bias": False}, (x,), label + "no bias", batch=1)
        yield Layer(name, {**base, "num_layers": 2, "dropout": 0.5}, (x,), label + "dropout in eval", batch=1)
        both = {**base, "num_layers": 2, "bidirectional": True}
        yield Layer(name, both, (Packed((6, 4, 4, 1), 5), states(4, 4)), label + "packed", batch=None)
        yield Layer(name, both, (Packed((2, 6, 1, 5), 5, False), states(4, 4)), label + "packed, unsorted", batch=None)
        yield Layer(name, base, ((1, 4, 5),), label + "one step", batch=1)
        yield Layer(name, base, ((6, 0, 5),), label + "no samples", batch=None)
    article = dict(input_size=10, hidden_size=20, num_layers=2)
    for name in ("RNN", "LSTM", "GRU"):
        h = (2, 3, 20)
        yield Layer(name, article, ((5, 3, 10), (h, h) if name == "LSTM" else h), "the article's", batch=1)
    for name, more in (("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})):
        label = "".join(f"{value} " for value in more.values())
        for bias in (True, False):
            options = dict(input_size=5, hidden_size=7, bias=bias, **more)
            h = (4, 7)
            desc = f"{label}{'bias' if bias else 'no bias'}"
            yield Layer(name, options, ((4, 5),), desc)
            yield Layer(name, options, ((4, 5), (h, h) if name == "LSTMCell" else h), desc + ", states")
        lone = (7,)
        yield Layer(name, options, ((5,), (lone, lone) if name == "LSTMCell" else lone), label + "unbatched", batch=None)


def _attentions() -> Iterator[Layer]:
    base = dict(embed_dim=8, num_heads=2)
    q, kv = (5, 3, 8), (7, 3, 8)
    yield Layer("MultiheadAttention", base, (q, kv, kv), batch=None)
    yield Layer("MultiheadAttention", base, ((5, 8), (7, 8), (7, 8)), "unbatched", batch=None)
    first = {**base, "batch_first": True}
    yield Layer("MultiheadAttention", first, ((3, 5, 8), (3, 7, 8), (3, 7, 8)), "batch first")
    yield Layer("MultiheadAttention", first, ((3, 5, 8),) * 3, "odd batch", call=dict(need_weights=False))
    yield Layer("MultiheadAttention", {**base, "bias": False}, (q, kv, kv), "no bias", batch=None)
    yield Layer("MultiheadAttention", {**base, "kdim": 6, "vdim": 5}, (q, (7, 3, 6), (7, 3, 5)), "kdim, vdim", batch=None)
    for extra in ("add_bias_kv", "add_zero_attn"):
        call = dict(attn_mask=Mask((5, 7)), key_padding_mask=Mask((3, 7)))
        yield Layer("MultiheadAttention", {**base, extra: True}, (q, kv, kv), extra, call, batch=None)
    both = {**base, "add_bias_kv": True, "add_zero_attn": True}
    yield Layer("MultiheadAttention", both, (q, kv, kv), "bias_kv and zero_attn", dict(average_attn_weights=False), batch=None)
    masks = {
        "bool mask": dict(attn_mask=Mask((5, 7))),
        "float mask": dict(attn_mask=(5, 7)),
        "mask for every head": dict(attn_mask=Mask((6, 5, 7))),
        "float mask for every head": dict(attn_mask=(6, 5, 7), average_attn_weights=False),
        "padding": dict(key_padding_mask=Mask((3, 7))),
        "float padding": dict(key_padding_mask=(3, 7)),
        "both masks": dict(attn_mask=Mask((5, 7)), key_padding_mask=Mask((3, 7))),
        "both masks, no weights": dict(attn_mask=Mask((6, 5, 7)), key_padding_mask=Mask((3, 7)), need_weights=False),
        "weights of heads": dict(average_attn_weights=False),
    }
    for desc, call in masks.items():
        yield Layer("MultiheadAttention", base, (q, kv, kv), desc, call, batch=None)
    yield Layer("MultiheadAttention", base, ((5, 3, 8),) * 3, "causal", dict(attn_mask=Causal(5, True), is_causal=True), batch=None)
    deviation = "A6.3: is_causal without a mask"
    yield Layer("MultiheadAttention", base, ((5, 3, 8),) * 3, "causal, no mask", dict(is_causal=True), batch=None, deviates=deviation)
    for desc, x in (("no samples", (5, 0, 8)), ("no queries", (0, 3, 8))):
        yield Layer("MultiheadAttention", base, (x, (7, *x[1:]), (7, *x[1:])), desc, batch=None)
    yield Layer("MultiheadAttention", dict(embed_dim=6, num_heads=3), ((5, 2, 6),) * 3, "three heads", batch=None)


def _stack(kind: str) -> Callable[[Any, dict[str, Any]], Any]:
    def build(nn: Any, o: dict[str, Any]) -> Any:
        layer = getattr(nn, f"Transformer{kind}Layer")(**o[f"{kind.lower()}_layer"])
        norm = None if o["norm"] is None else nn.LayerNorm(o[f"{kind.lower()}_layer"]["d_model"], eps=o["norm"])
        more = {"enable_nested_tensor": False} if kind == "Encoder" else {}
        return getattr(nn, f"Transformer{kind}")(layer, o["num_layers"], norm=norm, **more)

    return build


def _transformers() -> Iterator[Layer]:
    small = dict(d_model=8, nhead=2, dim_feedforward=12)
    src, tgt = (6, 3, 8), (5, 3, 8)
    variants = {
        "default": {},
        "norm first": dict(norm_first=True),
        "gelu": dict(activation="gelu"),
        "no bias": dict(bias=False),
        "eps": dict(layer_norm_eps=0.1),
    }
    for desc, more in variants.items():
        yield Layer("TransformerEncoderLayer", {**small, **more}, (src,), desc, batch=1)
        yield Layer("TransformerDecoderLayer", {**small, **more}, (tgt, src), desc, batch=1)
    first = {**small, "batch_first": True}
    yield Layer("TransformerEncoderLayer", first, ((3, 6, 8),), "batch first")
    yield Layer("TransformerEncoderLayer", small, ((6, 8),), "unbatched", batch=None)
    yield Layer("TransformerDecoderLayer", first, ((3, 5, 8), (3, 6, 8)), "batch first")
    yield Layer("TransformerDecoderLayer", small, ((5, 8), (6, 8)), "unbatched", batch=None)
    encoder_masks = dict(src_mask=Mask((6, 6)), src_key_padding_mask=Mask((3, 6)))
    yield Layer("TransformerEncoderLayer", small, (src,), "masks", encoder_masks, batch=None)
    yield Layer(
        "TransformerEncoderLayer", first, ((3, 6, 8),), "float mask", dict(src_mask=(6, 6)), batch=0, deviates="A6.1: float masks add"
    )
    decoder_masks = dict(
        tgt_mask=Causal(5), memory_mask=Mask((5, 6)), memory_key_padding_mask=Mask((3, 6)), tgt_key_padding_mask=Mask((3, 5))
    )
    yield Layer("TransformerDecoderLayer", small, (tgt, src), "masks", decoder_masks, batch=None)
    causal = dict(src_mask=Causal(6), is_causal=True)
    yield Layer("TransformerEncoderLayer", small, (src,), "causal", causal, batch=1)
    for norm in (None, 1e-3):
        desc = "with norm" if norm else "without norm"
        options = dict(encoder_layer=small, num_layers=2, norm=norm)
        yield Layer("TransformerEncoder", options, (src,), desc, build=_stack("Encoder"), batch=1)
        call = dict(mask=Causal(6), src_key_padding_mask=Mask((3, 6)))
        yield Layer("TransformerEncoder", options, (src,), desc + ", masks", call, _stack("Encoder"), batch=None)
        options = dict(decoder_layer=small, num_layers=2, norm=norm)
        yield Layer("TransformerDecoder", options, (tgt, src), desc, build=_stack("Decoder"), batch=1)
        call = dict(tgt_mask=Causal(5), memory_key_padding_mask=Mask((3, 6)))
        yield Layer("TransformerDecoder", options, (tgt, src), desc + ", masks", call, _stack("Decoder"), batch=None)
    small = {**small, "num_encoder_layers": 2, "num_decoder_layers": 1}
    yield Layer("Transformer", small, (src, tgt), batch=1)
    yield Layer("Transformer", {**small, "norm_first": True, "activation": "gelu"}, (src, tgt), "norm first, gelu", batch=1)
    yield Layer("Transformer", {**small, "batch_first": True}, ((3, 6, 8), (3, 5, 8)), "batch first")
    yield Layer("Transformer", small, ((6, 8), (5, 8)), "unbatched", batch=None)
    yield Layer("Transformer", {**small, "bias": False}, (src, tgt), "no bias", batch=1)
    call = dict(src_mask=Mask((6, 6)), tgt_mask=Causal(5), memory_mask=(5, 6), memory_key_padding_mask=Mask((3, 6)))
    yield Layer("Transformer", small, (src, tgt), "masks", call, batch=None)
    call = dict(src_key_padding_mask=Mask((3, 6)), tgt_key_padding_mask=Mask((3, 5)))
    yield Layer("Transformer", small, (src, tgt), "padding masks", call, batch=None)


def _elementwise() -> Iterator[Layer]:
    wide = (3, 4, 17)
    for name in ("ReLU", "ReLU6", "SiLU", "Mish", "Sigmoid", "Tanh", "Hardswish", "LeakyReLU", "ELU", "GELU", "Softplus"):
        yield Layer(name, {}, (wide,))
        yield Layer(name, {}, ((),), "scalar", batch=None)
        yield Layer(name, {}, ((0, 3),), "empty", batch=None)
    for name in ("Hardtanh", "Hardsigmoid", "LogSigmoid", "SELU", "Softsign"):
        yield Layer(name, {}, (wide,))
    for name in ("ReLU", "ReLU6", "SiLU", "Mish", "Hardswish", "Sigmoid", "Tanh"):
        yield Layer(name, {}, (Special((4, 17)),), "NaN and -inf")
    yield Layer("ReLU", dict(inplace=True), (wide,), "inplace")
    yield Layer("LeakyReLU", dict(negative_slope=0.2), (wide,), "slope")
    yield Layer("ELU", dict(alpha=1.5), (wide,), "alpha")
    yield Layer("GELU", dict(approximate="tanh"), (wide,), "tanh")
    yield Layer("Softplus", dict(beta=2.0, threshold=1.5), (wide,), "beta and threshold")
    yield Layer("Hardtanh", dict(min_val=-0.3, max_val=0.6), (wide,), "bounds")
    for name in ("CELU", "Hardshrink", "Softshrink", "Tanhshrink", "RReLU"):
        yield Layer(name, {}, (wide,))
        yield Layer(name, {}, ((),), "scalar", batch=None)
        yield Layer(name, {}, ((0, 3),), "empty", batch=None)
    for name, options in (("CELU", dict(alpha=0.4)), ("Hardshrink", dict(lambd=1)), ("Softshrink", dict(lambd=1)), ("Tanhshrink", {})):
        yield Layer(name, options, (Special((4, 17)),), "NaN and -inf")
    yield Layer("CELU", dict(alpha=-0.7), (wide,), "negative alpha")
    yield Layer("Hardshrink", dict(lambd=-1.0), (wide,), "nothing replaced")
    yield Layer("RReLU", dict(lower=-0.1, upper=0.4), (wide,), "bounds")
    yield Layer("RReLU", dict(lower=0.25, upper=0.25), (wide,), "training with one slope", training=True)
    yield Layer("Threshold", dict(threshold=0.1, value=20.0), (wide,))
    yield Layer("Threshold", dict(threshold=-1, value=-7), (Special((4, 17)),), "NaN and -inf")
    yield Layer("Threshold", dict(threshold=0.1, value=20.0, inplace=True), (wide,), "inplace")
    yield Layer("GLU", {}, ((3, 4, 8),))
    yield Layer("GLU", dict(dim=1), ((3, 4, 8),), "middle")
    yield Layer("PReLU", {}, (wide,))
    yield Layer("PReLU", dict(num_parameters=4), (wide,), "a slope for every channel")
    yield Layer("PReLU", dict(num_parameters=4, init=0.1), ((2, 4),), "init")
    yield Layer("PReLU", {}, ((7,),), "vector", batch=None)
    for name in ("Softmax", "LogSoftmax"):
        yield Layer(name, dict(dim=-1), (wide,), "last")
        yield Layer(name, dict(dim=1), (wide,), "middle")
        yield Layer(name, dict(dim=0), ((5, 3),), "first", batch=None)
    yield Layer("Softmin", dict(dim=-1), (wide,), "last")
    yield Layer("Softmax2d", {}, ((2, 3, 4, 5),))
    for rank, name in ((3, "Dropout"), (3, "Dropout1d"), (4, "Dropout2d"), (5, "Dropout3d")):
        yield Layer(name, dict(p=0.3), ((2, 3, 4, 5, 2)[:rank],), "eval")
    for name in ("AlphaDropout", "FeatureAlphaDropout"):
        yield Layer(name, dict(p=0.3), (wide,), "eval")
        yield Layer(name, dict(p=0.0), (wide,), "training with p = 0", training=True, build=lambda nn, o, name=name: getattr(nn, name)(**o))
    yield Layer("Dropout", dict(p=0.0), (wide,), "training with p = 0", training=True, build=lambda nn, o: nn.Dropout(**o))


def _others() -> Iterator[Layer]:
    for x, options in (((2, 7, 5), {}), ((2, 7, 3, 4), dict(alpha=0.5, beta=0.6, k=2.0)), ((2, 4, 2, 3, 2), dict(alpha=1.0))):
        yield Layer("LocalResponseNorm", dict(size=3, **options), (x,), f"{len(x)} dimensions")
        yield Layer("LocalResponseNorm", dict(size=2, **options), (x,), f"{len(x)} dimensions, even")
    yield Layer("LocalResponseNorm", dict(size=9, alpha=2.0, beta=2.0), ((2, 4, 5),), "wider than the channels")
    yield Layer("LocalResponseNorm", dict(size=2), ((0, 4, 5),), "no samples", batch=None)
    yield Layer("CrossMapLRN2d", dict(size=5), ((2, 3, 4, 5),))
    yield Layer("CrossMapLRN2d", dict(size=4, alpha=0.5, beta=1.5, k=2.0), ((2, 2, 4, 5),), "even")
    yield Layer("CrossMapLRN2d", dict(size=3, alpha=0.5), ((2, 7, 4, 5),), "many channels", deviates="sums that keep the first channel")
    yield Layer("Identity", {}, ((2, 3),))
    yield Layer("Identity", {}, ((2, 3),), "any arguments", build=lambda nn, o: nn.Identity(54, unused=0.1))
    yield Layer("Linear", dict(in_features=5, out_features=7), ((3, 5),))
    yield Layer("Linear", dict(in_features=5, out_features=7), ((5,),), "vector", batch=None)
    yield Layer("Linear", dict(in_features=5, out_features=7, bias=False), ((2, 3, 4, 5),), "no bias")
    yield Layer("Linear", dict(in_features=70, out_features=33), ((9, 70),), "wider than a tile")
    yield Layer("Linear", dict(in_features=5, out_features=7), ((0, 5),), "no samples", batch=None)
    yield Layer("Bilinear", dict(in1_features=4, in2_features=5, out_features=3), ((2, 4), (2, 5)))
    yield Layer("Bilinear", dict(in1_features=4, in2_features=5, out_features=3, bias=False), ((2, 3, 4), (2, 3, 5)), "no bias")
    table = dict(num_embeddings=11, embedding_dim=6)
    yield Layer("Embedding", table, (Ints(11, (3, 4)),))
    yield Layer("Embedding", {**table, "padding_idx": 2}, (Ints(11, (7,)),), "padding")
    yield Layer("Embedding", {**table, "padding_idx": -1}, (Ints(11, (7,)),), "negative padding")
    starts = np.array([0, 2, 2, 9])
    for mode in ("sum", "mean", "max"):
        bags = {**table, "mode": mode}
        yield Layer("EmbeddingBag", bags, (Ints(11, (3, 4)),), mode)
        yield Layer("EmbeddingBag", bags, (Ints(11, (13,)), starts), f"{mode}, offsets", batch=None)
        yield Layer("EmbeddingBag", {**bags, "padding_idx": 2}, (Ints(4, (13,)), starts), f"{mode}, padding", batch=None)
        last = {**bags, "include_last_offset": True, "padding_idx": -9}
        yield Layer("EmbeddingBag", last, (Ints(4, (9,)), starts), f"{mode}, last offset", batch=None)
    weighted = {**table, "mode": "sum"}
    yield Layer("EmbeddingBag", weighted, (Ints(11, (3, 4)),), "weighted", call={"per_sample_weights": (3, 4)}, batch=None)
    yield Layer("EmbeddingBag", weighted, (Ints(11, (13,)), starts, (13,)), "weighted, offsets", batch=None)
    yield Layer("LayerNorm", dict(normalized_shape=9), ((3, 4, 9),))
    yield Layer("LayerNorm", dict(normalized_shape=(4, 9), eps=1e-2), ((3, 4, 9),), "two dimensions")
    yield Layer("LayerNorm", dict(normalized_shape=9, elementwise_affine=False), ((3, 4, 9),), "not affine")
    yield Layer("LayerNorm", dict(normalized_shape=9, bias=False), ((3, 4, 9),), "no bias")
    yield Layer("RMSNorm", dict(normalized_shape=9, eps=1e-5), ((3, 4, 9),), "eps")
    yield Layer("RMSNorm", dict(normalized_shape=(4, 9), elementwise_affine=False), ((3, 4, 9),), "two dimensions, not affine")
    yield Layer("GroupNorm", dict(num_groups=2, num_channels=6), ((3, 6, 4, 5),))
    yield Layer("GroupNorm", dict(num_groups=3, num_channels=6, eps=1e-2, affine=False), ((3, 6, 7),), "not affine")
    yield Layer("GroupNorm", dict(num_groups=1, num_channels=6), ((3, 6),), "flat")
    normed = dict(BatchNorm1d=[(4, 5), (4, 5, 6)], BatchNorm2d=[(4, 5, 6, 3)], BatchNorm3d=[(4, 5, 3, 2, 2)])
    for name, shapes in dict(**normed, SyncBatchNorm=[(4, 5), (4, 5, 6, 3)]).items():
        for shape in shapes:
            rank = f"{len(shape)}-D"
            yield Layer(name, dict(num_features=5), (shape,), rank)
            yield Layer(name, dict(num_features=5, affine=False, eps=1e-2), (shape,), rank + ", not affine")
            yield Layer(name, dict(num_features=5), (shape,), rank + ", training", training=True, batch=None)
            yield Layer(name, dict(num_features=5, track_running_stats=False), (shape,), rank + ", no statistics", batch=None)
    for name, shape in (("InstanceNorm1d", (4, 5, 6)), ("InstanceNorm2d", (4, 5, 6, 3)), ("InstanceNorm3d", (4, 5, 3, 2, 2))):
        yield Layer(name, dict(num_features=5), (shape,))
        yield Layer(name, dict(num_features=5, affine=True, eps=1e-2), (shape,), "affine")
        yield Layer(name, dict(num_features=5), (shape[1:],), "unbatched", batch=None)
        yield Layer(name, dict(num_features=5, track_running_stats=True), (shape,), "statistics")
    yield Layer("Flatten", {}, ((2, 3, 4, 5),))
    yield Layer("Flatten", dict(start_dim=2), ((2, 3, 4, 5),), "from 2")
    yield Layer("Flatten", dict(start_dim=0, end_dim=-2), ((2, 3, 4, 5),), "from 0", batch=None)
    yield Layer("Unflatten", dict(dim=1, unflattened_size=(2, 3)), ((4, 6, 5),))
    yield Layer("Unflatten", dict(dim=-1, unflattened_size=(-1, 2)), ((4, 6),), "from the end")
    yield Layer("PixelShuffle", dict(upscale_factor=2), ((2, 8, 3, 4),))
    yield Layer("PixelUnshuffle", dict(downscale_factor=2), ((2, 3, 4, 6),))
    yield Layer("ChannelShuffle", dict(groups=3), ((2, 6, 3, 4),))
    yield Layer("CosineSimilarity", {}, ((3, 4), (3, 4)))
    yield Layer("CosineSimilarity", dict(dim=-1, eps=0.5), ((2, 3, 4), (2, 3, 4)), "last")
    yield Layer("PairwiseDistance", {}, ((3, 4), (3, 4)))
    yield Layer("PairwiseDistance", dict(p=3.0, keepdim=True), ((3, 4), (3, 4)), "given")
    parts = [
        ("Conv2d", dict(in_channels=2, out_channels=4, kernel_size=3)),
        ("ReLU", {}),
        ("MaxPool2d", dict(kernel_size=2)),
        ("Flatten", {}),
        ("Linear", dict(in_features=16, out_features=3)),
    ]
    sequence = lambda nn, o: nn.Sequential(*(getattr(nn, name)(**options) for name, options in o["layers"]))  # noqa: E731
    yield Layer("Sequential", dict(layers=parts), ((2, 2, 6, 6),), build=sequence)
    for size in (1, 2, 3):
        shape = (2, 3, 5, 6, 4)[: 2 + size]
        pads = (1, 2, 3, 1, 0, 2)[: 2 * size]
        for kind in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
            yield Layer(f"{kind}{size}d", dict(padding=2), (shape,))
            yield Layer(f"{kind}{size}d", dict(padding=pads), (shape,), "sides")
        yield Layer(f"ConstantPad{size}d", dict(padding=pads, value=1.5), (shape,), "sides")
    for mode in ("nearest", "nearest-exact", "bilinear"):
        yield Layer("Upsample", dict(size=(7, 11), mode=mode), ((2, 3, 4, 5),), f"size {mode}")
        yield Layer("Upsample", dict(scale_factor=2, mode=mode), ((2, 3, 4, 5),), f"scale {mode}")
        yield Layer("Upsample", dict(scale_factor=(1.5, 2.3), mode=mode), ((2, 3, 4, 5),), f"scales {mode}")
    yield Layer("Upsample", dict(size=9, mode="linear"), ((2, 3, 4),), "linear")
    yield Layer("Upsample", dict(size=(7, 11), mode="bilinear", align_corners=True), ((2, 3, 4, 5),), "corners")
    yield Layer("Upsample", dict(size=(7, 11), mode="bicubic"), ((2, 3, 4, 5),), "size bicubic")
    yield Layer("Upsample", dict(scale_factor=(1.5, 0.6), mode="bicubic", align_corners=True), ((2, 3, 4, 5),), "corners bicubic")
    for mode in ("nearest", "nearest-exact", "trilinear", "area"):
        yield Layer("Upsample", dict(size=(5, 2, 7), mode=mode), ((2, 3, 3, 4, 5),), f"volume {mode}")
        yield Layer("Upsample", dict(scale_factor=(1.5, 2.3, 0.8), mode=mode), ((2, 3, 3, 4, 5),), f"scales volume {mode}")
    yield Layer("Upsample", dict(scale_factor=2, mode="trilinear", align_corners=True), ((1, 2, 3, 4, 5),), "corners trilinear")
    yield Layer("UpsamplingNearest2d", dict(scale_factor=2), ((2, 3, 4, 5),))
    yield Layer("UpsamplingBilinear2d", dict(size=(7, 3)), ((2, 3, 4, 5),))


def _weighted(name: str, shapes: dict[str, tuple[int, ...]]) -> Callable[[Any, dict[str, Any]], Any]:
    """A loss with arrays for weights, which the test then fills."""

    def build(nn: Any, o: dict[str, Any]) -> Any:
        # A fresh LayerNorm's weight is an array of ones in either library.
        return getattr(nn, name)(**{**o, **{key: nn.LayerNorm(shape).weight.detach() for key, shape in shapes.items()}})

    return build


def _losses() -> Iterator[Layer]:
    def row(name: str, options: dict[str, Any], inputs: tuple[Any, ...], desc: str = "default", **shapes: tuple[int, ...]) -> Layer:
        return Layer(name, options, inputs, desc, build=_weighted(name, shapes) if shapes else None, batch=None)

    adaptive = dict(in_features=18, n_classes=21, cutoffs=[5, 12])
    yield row("AdaptiveLogSoftmaxWithLoss", adaptive, ((9, 18), Ints(21, (9,))))
    yield row("AdaptiveLogSoftmaxWithLoss", {**adaptive, "div_value": 2.0, "head_bias": True}, ((9, 18), Ints(21, (9,))), "options")
    yield row("AdaptiveLogSoftmaxWithLoss", {**adaptive, "cutoffs": [18]}, ((9, 18), Ints(18, (9,))), "frequent classes alone")
    yield row("AdaptiveLogSoftmaxWithLoss", adaptive, ((18,), np.array(20)), "one sample")

    def chunked(nn: Any, o: dict[str, Any]) -> Any:
        return nn.LinearCrossEntropyLoss(**o, options=nn.LinearCrossEntropyOptions(batch_chunk_size=3))

    for reduction in ("mean", "sum", "none"):
        o = dict(reduction=reduction)
        yield row("NLLLoss2d", o, ((3, 5, 4, 2), Ints(5, (3, 4, 2))), reduction)
        scores = dict(**o, in_features=6, num_classes=5)
        yield row("LinearCrossEntropyLoss", scores, ((7, 6), Ints(5, (7,))), reduction)
        ignoring = {**scores, "bias": True, "ignore_index": 2}
        yield row("LinearCrossEntropyLoss", ignoring, ((7, 6), Ints(5, (7,))), f"{reduction}, ignored, weight", weight=(5,))
        several = {**scores, "bias": True, "out_features": (2, 3), "label_smoothing": 0.2}
        yield row("LinearCrossEntropyLoss", several, ((4, 6), Ints(5, (4, 2, 3))), f"{reduction}, several")
        yield row("LinearCrossEntropyLoss", several, ((4, 6), Unit((4, 5, 2, 3))), f"{reduction}, probabilities")
        yield row("LinearCrossEntropyLoss", scores, ((6,), Ints(5, ())), f"{reduction}, one sample")
        pieces = {**scores, "bias": True}
        yield Layer("LinearCrossEntropyLoss", pieces, ((7, 6), Ints(5, (7,))), f"{reduction}, pieces", build=chunked, batch=None)
        for name in ("CrossEntropyLoss", "NLLLoss"):
            yield row(name, o, ((7, 5), Ints(5, (7,))), reduction)
            yield row(name, o, ((7, 5), Ints(5, (7,))), f"{reduction}, weight", weight=(5,))
            yield row(name, {**o, "ignore_index": 2}, ((7, 5), Ints(5, (7,))), f"{reduction}, ignored, weight", weight=(5,))
            yield row(name, o, ((3, 5, 4, 2), Ints(5, (3, 4, 2))), f"{reduction}, planes", weight=(5,))
            yield row(name, o, ((5,), Ints(5, ())), f"{reduction}, one sample")
        smooth = {**o, "label_smoothing": 0.2}
        yield row("CrossEntropyLoss", {**smooth, "ignore_index": 1}, ((7, 5), Ints(5, (7,))), f"{reduction}, smoothing", weight=(5,))
        yield row("CrossEntropyLoss", smooth, ((3, 5, 4), Ints(5, (3, 4))), f"{reduction}, smoothing, lines")
        yield row("CrossEntropyLoss", o, ((7, 5), Unit((7, 5))), f"{reduction}, probabilities")
        yield row("CrossEntropyLoss", smooth, ((3, 5, 4), Unit((3, 5, 4))), f"{reduction}, probabilities, smoothing", weight=(5,))
        for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"):
            yield row(name, o, ((3, 17), (3, 17)), reduction)
        yield row("SmoothL1Loss", {**o, "beta": 0.3}, ((3, 17), (3, 17)), f"{reduction}, beta")
        yield row("HuberLoss", {**o, "delta": 0.7}, ((3, 17), (3, 17)), f"{reduction}, delta")
        yield row("BCELoss", o, (Unit((3, 17)), Unit((3, 17))), reduction)
        yield row("BCELoss", o, (Unit((3, 17)), Unit((3, 17))), f"{reduction}, weight", weight=(17,))
        yield row("BCEWithLogitsLoss", o, ((3, 17), Unit((3, 17))), reduction)
        both = dict(weight=(3, 1), pos_weight=(17,))
        yield row("BCEWithLogitsLoss", o, ((3, 17), Unit((3, 17))), f"{reduction}, weights", **both)
        yield row("KLDivLoss", o, ((3, 17), Unit((3, 17))), reduction)
        yield row("KLDivLoss", {**o, "log_target": True}, ((3, 17), (3, 17)), f"{reduction}, log target")
        lengths = np.array([9, 7, 8]), np.array([4, 0, 3])
        yield row("CTCLoss", {**o, "blank": 4}, ((9, 3, 5), Ints(4, (3, 4)), *lengths), reduction)
        yield row("CTCLoss", {**o, "blank": 4}, ((9, 3, 5), Ints(4, (7,)), *lengths), f"{reduction}, joined")
        yield row("CTCLoss", {**o, "blank": 4}, ((9, 5), Ints(4, (3,)), np.array(9), np.array(3)), f"{reduction}, one sequence")
        short = (np.array([3, 7, 8]), np.array([4, 2, 3]))
        yield row("CTCLoss", {**o, "blank": 4, "zero_infinity": True}, ((9, 3, 5), Ints(4, (3, 4)), *short), f"{reduction}, no infinity")
        yield row("CosineEmbeddingLoss", o, ((7, 5), (7, 5), Signs((7,))), reduction)
        yield row("CosineEmbeddingLoss", {**o, "margin": 0.3}, ((5,), (5,), Signs(())), f"{reduction}, one pair")
        yield row("MarginRankingLoss", {**o, "margin": 0.5}, ((7,), (7,), Signs((7,))), reduction)
        yield row("HingeEmbeddingLoss", {**o, "margin": 1.5}, ((3, 5), Signs((3, 5))), reduction)
        yield row("TripletMarginLoss", o, ((7, 5),) * 3, reduction)
        yield row("TripletMarginLoss", {**o, "p": 3.0, "swap": True, "margin": 2.0}, ((7, 5),) * 3, f"{reduction}, swap")
        yield row("TripletMarginWithDistanceLoss", o, ((7, 5),) * 3, reduction)
        yield row("TripletMarginWithDistanceLoss", {**o, "swap": True, "margin": 2.0}, ((7, 5),) * 3, f"{reduction}, swap")
        yield row("SoftMarginLoss", o, ((3, 5), Signs((3, 5))), reduction)
        yield row("MultiMarginLoss", o, ((7, 5), Ints(5, (7,))), reduction)
        yield row("MultiMarginLoss", {**o, "p": 2, "margin": 0.3}, ((7, 5), Ints(5, (7,))), f"{reduction}, squares, weight", weight=(5,))
        yield row("MultiMarginLoss", o, ((5,), Ints(5, ())), f"{reduction}, one sample")
        labels = np.array([[1, 3, -1, 0, 2], [0, 0, 4, 2, -1], [-1, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, -1, -1, -1, -1]])
        yield row("MultiLabelMarginLoss", o, ((5, 5), labels), reduction)
        yield row("MultiLabelMarginLoss", o, ((5,), labels[0]), f"{reduction}, one sample")
        yield row("MultiLabelSoftMarginLoss", o, ((7, 5), Unit((7, 5))), reduction)
        yield row("MultiLabelSoftMarginLoss", o, ((7, 5), Ints(2, (7, 5))), f"{reduction}, weight", weight=(5,))
        yield row("GaussianNLLLoss", o, ((3, 5), (3, 5), Unit((3, 5))), reduction)
        yield row("GaussianNLLLoss", {**o, "full": True, "eps": 1e-3}, ((3, 5), (3, 5), Unit((3,))), f"{reduction}, full")
        yield row("PoissonNLLLoss", o, ((3, 5), (3, 5)), reduction)
        yield row("PoissonNLLLoss", {**o, "full": True, "log_input": False}, (Unit((3, 5)), (3, 5)), f"{reduction}, full")
    yield row("KLDivLoss", dict(reduction="batchmean"), ((3, 17), Unit((3, 17))), "batchmean")


FAMILIES = (
    _convolutions, _volumes, _transposed_convolutions, _pools, _folds, _recurrent,
    _attentions, _transformers, _elementwise, _others, _losses,
)  # fmt: skip
LAYERS: list[Layer] = [row for family in FAMILIES for row in family()]
assert len({row.id for row in LAYERS}) == len(LAYERS), "two rows have the same name and description"
