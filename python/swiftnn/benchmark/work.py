"""What a layer has to do at least: multiply-adds, and bytes read and written.

One function a layer, with the layer's own arguments after the input shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

Shapes = tuple[tuple[int, ...], ...]
Pair = int | tuple[int, int]


@dataclass(frozen=True)
class Work:
    """Counts are of numbers, not bytes."""

    flops: int  # two a multiply-add, of the direct algorithm; 0 where a layer only moves, compares or sums
    read: int  # inputs and weights, each once
    written: int  # the result
    # (count, times): weights that every time step has to read again, from whatever cache holds them
    rereads: tuple[tuple[int, int], ...] = ()


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _window(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _plane(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> int:
    """Output pixels of one channel."""
    windows = zip(shape[-2:], _pair(kernel), _pair(stride), _pair(padding), _pair(dilation))
    return prod(_window(*window) for window in windows)


def conv2d(
    shapes: Shapes,
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = True,
) -> Work:
    filters = out_channels * (in_channels // groups) * prod(_pair(kernel_size))
    pixels = shapes[0][0] * _plane(shapes[0], kernel_size, stride, padding, dilation)
    weights = filters + out_channels * bias
    return Work(2 * filters * pixels, prod(shapes[0]) + weights, out_channels * pixels)


def conv1d(shapes: Shapes, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0) -> Work:
    n, c, length = shapes[0]
    return conv2d(((n, c, 1, length),), in_channels, out_channels, (1, kernel_size), (1, stride), (0, padding))


def conv_transpose2d(shapes: Shapes, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0) -> Work:
    n, _, h, w = shapes[0]
    filters = in_channels * out_channels * kernel_size**2
    pixels = prod((size - 1) * stride + kernel_size - 2 * padding for size in (h, w))
    return Work(2 * filters * n * h * w, prod(shapes[0]) + filters + out_channels, n * out_channels * pixels)


def pad2d(shapes: Shapes, padding: int) -> Work:
    *lead, h, w = shapes[0]
    return Work(0, prod(shapes[0]), prod(lead) * (h + 2 * padding) * (w + 2 * padding))


def upsample(shapes: Shapes, scale_factor: int, mode: str = "nearest") -> Work:
    return Work(0, prod(shapes[0]), prod(shapes[0]) * scale_factor ** (len(shapes[0]) - 2))


def half(shapes: Shapes, dim: int) -> Work:
    return Work(0, prod(shapes[0]), prod(shapes[0]) // 2)


def group_norm(shapes: Shapes, num_groups: int, num_channels: int) -> Work:
    return Work(0, prod(shapes[0]) + 2 * num_channels, prod(shapes[0]))


def avg_pool2d(shapes: Shapes, kernel_size: int) -> Work:
    return Work(0, prod(shapes[0]), prod(shapes[0][:-2]) * prod(size // kernel_size for size in shapes[0][-2:]))


def max_pool2d(shapes: Shapes, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1) -> Work:
    stride = kernel_size if stride is None else stride
    return Work(0, prod(shapes[0]), prod(shapes[0][:-2]) * _plane(shapes[0], kernel_size, stride, padding, dilation))


def adaptive_avg_pool2d(shapes: Shapes, output_size: Pair) -> Work:
    return Work(0, prod(shapes[0]), prod(shapes[0][:-2]) * prod(_pair(output_size)))


def linear(shapes: Shapes, in_features: int, out_features: int, bias: bool = True) -> Work:
    rows = prod(shapes[0][:-1])
    weights = out_features * (in_features + bias)
    return Work(2 * rows * in_features * out_features, prod(shapes[0]) + weights, rows * out_features)


def _recurrent(gates: int) -> Callable[..., Work]:
    def recurrent(shapes: Shapes, input_size: int, hidden_size: int, num_layers: int = 1, bidirectional: bool = False) -> Work:
        t, b, _ = shapes[0]
        directions, h = 1 + bidirectional, hidden_size
        flops, read = 0, prod(shapes[0])
        for layer in range(num_layers):
            i = input_size if layer == 0 else directions * h
            flops += 2 * directions * t * b * gates * h * (i + h)
            read += directions * gates * h * (i + 2)
        return Work(flops, read, t * b * directions * h, ((gates * h * h, t),) * (num_layers * directions))

    return recurrent


def element_wise(shapes: Shapes, *args: Any, **options: Any) -> Work:
    return Work(0, prod(shapes[0]), prod(shapes[0]))


def layer_norm(shapes: Shapes, normalized_shape: int) -> Work:
    return Work(0, prod(shapes[0]) + 2 * normalized_shape, prod(shapes[0]))


def _sum(rows: int, written: int, *parts: Work) -> Work:
    """Layers one after the other on activations that stay in the caches: `rows` numbers come in, `written` go out."""
    return Work(sum(p.flops for p in parts), rows + sum(p.read for p in parts), written)


def _attention(t: int, s: int, b: int, e: int) -> Work:
    """t queries and s keys in b sequences: four projections, scores and their sum of values. Reads: the weights."""
    return Work(2 * b * (2 * t + 2 * s) * e * e + 4 * b * t * s * e, 4 * e * (e + 1), 0)


def _feed_forward(rows: int, e: int, hidden: int, norms: int) -> Work:
    return Work(4 * rows * e * hidden, 2 * e * hidden + e + hidden + 2 * norms * e, 0)


def _lengths(shape: tuple[int, ...], batch_first: bool) -> tuple[int, int]:
    """(sequence, batch)"""
    return (shape[1], shape[0]) if batch_first else (shape[0], shape[1])


def multihead_attention(shapes: Shapes, embed_dim: int, num_heads: int, batch_first: bool = False) -> Work:
    t, b = _lengths(shapes[0], batch_first)
    s, _ = _lengths(shapes[-1], batch_first)
    return _sum(sum(map(prod, shapes)), prod(shapes[0]), _attention(t, s, b, embed_dim))


def encoder_layer(
    shapes: Shapes, d_model: int, nhead: int, dim_feedforward: int = 2048, activation: str = "relu", batch_first: bool = False
) -> Work:
    t, b = _lengths(shapes[0], batch_first)
    rows = prod(shapes[0])
    return _sum(rows, rows, _attention(t, t, b, d_model), _feed_forward(t * b, d_model, dim_feedforward, 2))


def decoder_layer(
    shapes: Shapes, d_model: int, nhead: int, dim_feedforward: int = 2048, activation: str = "relu", batch_first: bool = False
) -> Work:
    (t, b), (s, _) = (_lengths(shape, batch_first) for shape in shapes)
    parts = (_attention(t, t, b, d_model), _attention(t, s, b, d_model), _feed_forward(t * b, d_model, dim_feedforward, 3))
    return _sum(prod(shapes[0]) + prod(shapes[1]), prod(shapes[0]), *parts)


def transformer(shapes: Shapes, d_model: int, nhead: int, num_encoder_layers: int, num_decoder_layers: int) -> Work:
    source, target = shapes
    encoder, decoder = encoder_layer((source,), d_model, nhead), decoder_layer((target, source), d_model, nhead)
    flops = num_encoder_layers * encoder.flops + num_decoder_layers * decoder.flops
    weights = num_encoder_layers * (encoder.read - prod(source)) + num_decoder_layers * (decoder.read - prod(source) - prod(target))
    return Work(flops, prod(source) + prod(target) + weights + 4 * d_model, prod(target))


WORK: dict[str, Callable[..., Work]] = {
    "Conv1d": conv1d,
    "Conv2d": conv2d,
    "ConvTranspose2d": conv_transpose2d,
    "ZeroPad2d": pad2d,
    "ReflectionPad2d": pad2d,
    "Upsample": upsample,
    "GLU": half,
    "GroupNorm": group_norm,
    "AvgPool2d": avg_pool2d,
    "Tanh": element_wise,
    "SiLU": element_wise,
    "MaxPool2d": max_pool2d,
    "AdaptiveAvgPool2d": adaptive_avg_pool2d,
    "Linear": linear,
    "RNN": _recurrent(1),
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "LayerNorm": layer_norm,
    "GELU": element_wise,
    "ReLU": element_wise,
    "Softmax": element_wise,
    "MultiheadAttention": multihead_attention,
    "TransformerEncoderLayer": encoder_layer,
    "TransformerDecoderLayer": decoder_layer,
    "Transformer": transformer,
}
