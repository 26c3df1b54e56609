"""What `python -m swiftnn` runs: five layers as an article would show them, each beside its equations in NumPy float64."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import swiftnn as nn

from . import _native

Array = NDArray[Any]
Arrays = tuple[Array, ...]
State = Mapping[str, Array]

# float32 against float64, relative to the largest result.
TOLERANCE = 2e-5


def _float64(p: State, key: str) -> Array:
    return np.asarray(p[key], np.float64)


def conv2d(p: State, x: Array) -> Arrays:
    """y[n,o,p,q] = b[o] + Σ w[o,c,r,s] x[n,c,p+r-1,q+s-1] (stride 1, padding 1)."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
    y = np.tensordot(windows, _float64(p, "weight"), axes=((1, 4, 5), (1, 2, 3))) + _float64(p, "bias")
    return (np.moveaxis(y, 3, 1),)


def max_pool2d(p: State, x: Array) -> Arrays:
    """The largest of every 2 x 2 window."""
    n, c, h, w = x.shape
    return (x.astype(np.float64).reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5)),)


def rnn(p: State, x: Array, h0: Array) -> Arrays:
    """h = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh) for every layer; x (batch, time, input)."""
    y, last = x.swapaxes(0, 1).astype(np.float64), []
    for k, h in enumerate(h0.astype(np.float64)):
        steps = []
        for x_t in _linear(p, y, f"weight_ih_l{k}", f"bias_ih_l{k}"):
            h = np.tanh(x_t + _linear(p, h, f"weight_hh_l{k}", f"bias_hh_l{k}"))
            steps.append(h)
        y = np.stack(steps)
        last.append(h)
    return y.swapaxes(0, 1), np.stack(last)


def lstm(p: State, x: Array, h0: Array, c0: Array) -> Arrays:
    """c = σ(f) c + σ(i) tanh(g), h = σ(o) tanh(c) for every layer; x (batch, time, input)."""
    y, hs, cs = x.swapaxes(0, 1).astype(np.float64), [], []
    for k, (h, c) in enumerate(zip(h0.astype(np.float64), c0.astype(np.float64), strict=True)):
        steps = []
        for x_t in _linear(p, y, f"weight_ih_l{k}", f"bias_ih_l{k}"):
            i, f, g, o = np.split(x_t + _linear(p, h, f"weight_hh_l{k}", f"bias_hh_l{k}"), 4, axis=-1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            steps.append(h)
        y = np.stack(steps)
        hs.append(h)
        cs.append(c)
    return y.swapaxes(0, 1), np.stack(hs), np.stack(cs)


def transformer(p: State, src: Array, tgt: Array) -> Arrays:
    """Post-norm encoder and decoder of "Attention Is All You Need" with 8 heads, without masks."""
    memory = src.astype(np.float64)
    for k in range(6):
        layer = f"encoder.layers.{k}."
        memory = _norm(p, memory + _attention(p, memory, memory, layer + "self_attn."), layer + "norm1.")
        memory = _norm(p, memory + _feed_forward(p, memory, layer), layer + "norm2.")
    memory = _norm(p, memory, "encoder.norm.")
    y = tgt.astype(np.float64)
    for k in range(6):
        layer = f"decoder.layers.{k}."
        y = _norm(p, y + _attention(p, y, y, layer + "self_attn."), layer + "norm1.")
        y = _norm(p, y + _attention(p, y, memory, layer + "multihead_attn."), layer + "norm2.")
        y = _norm(p, y + _feed_forward(p, y, layer), layer + "norm3.")
    return (_norm(p, y, "decoder.norm."),)


def _sigmoid(x: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-x))
    return y


def _linear(p: State, x: Array, weight: str, bias: str) -> Array:
    y: Array = x @ _float64(p, weight).T + _float64(p, bias)
    return y


def _norm(p: State, x: Array, layer: str) -> Array:
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    y: Array = scaled * _float64(p, layer + "weight") + _float64(p, layer + "bias")
    return y


def _feed_forward(p: State, x: Array, layer: str) -> Array:
    hidden = np.maximum(_linear(p, x, layer + "linear1.weight", layer + "linear1.bias"), 0)
    return _linear(p, hidden, layer + "linear2.weight", layer + "linear2.bias")


def _attention(p: State, query: Array, memory: Array, layer: str, heads: int = 8) -> Array:
    weights = np.split(_float64(p, layer + "in_proj_weight"), 3)
    biases = np.split(_float64(p, layer + "in_proj_bias"), 3)
    # (time, batch, embedding) -> (batch, head, time, head dimension)
    q, k, v = (
        (x @ w.T + b).reshape(*x.shape[:2], heads, -1).transpose(1, 2, 0, 3)
        for x, w, b in zip((query, memory, memory), weights, biases, strict=True)
    )
    scores = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
    y = (scores / scores.sum(-1, keepdims=True)) @ v
    return _linear(p, y.transpose(2, 0, 1, 3).reshape(query.shape), layer + "out_proj.weight", layer + "out_proj.bias")


@dataclass(frozen=True)
class Snippet:
    """A line of the article and a call of its layer, as source text that is run; the call's arrays by name; the same in float64."""

    line: str
    call: str
    shapes: dict[str, tuple[int, ...]]
    reference: Callable[..., Arrays]


SNIPPETS = (
    Snippet(
        "conv_layer = nn.Conv2d(in_channels=3, out_channels=64, kernel_size=3, stride=1, padding=1)",
        "conv_layer(x)",
        {"x": (1, 3, 224, 224)},
        conv2d,
    ),
    Snippet("pool_layer = nn.MaxPool2d(kernel_size=2, stride=2)", "pool_layer(x)", {"x": (1, 64, 224, 224)}, max_pool2d),
    Snippet(
        "rnn_layer = nn.RNN(input_size=10, hidden_size=20, num_layers=2, batch_first=True)",
        "rnn_layer(x, h0)",
        {"x": (3, 5, 10), "h0": (2, 3, 20)},
        rnn,
    ),
    Snippet(
        "lstm_layer = nn.LSTM(input_size=10, hidden_size=20, num_layers=2, batch_first=True)",
        "lstm_layer(x, (h0, c0))",
        {"x": (3, 5, 10), "h0": (2, 3, 20), "c0": (2, 3, 20)},
        lstm,
    ),
    Snippet(
        "transformer_layer = nn.Transformer(d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6)",
        "transformer_layer.eval()(src, tgt)",
        {"src": (10, 32, 512), "tgt": (20, 32, 512)},
        transformer,
    ),
)


def _flatten(result: Any) -> list[Array]:
    return [array for item in result for array in _flatten(item)] if isinstance(result, tuple) else [result]


def _mirrored(x: Array) -> Array:
    """Equal to x, but read-only and with a negative stride along every axis: what a layer that copies would have to copy."""
    everywhere = (slice(None, None, -1),) * x.ndim
    view = x[everywhere].copy()[everywhere]
    view.flags.writeable = False
    return view


def _seconds(call: Callable[[], Any]) -> float:
    """The best of several calls within about half a second."""
    best, end = float("inf"), time.perf_counter() + 0.5
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def run(snippet: Snippet, rng: np.random.Generator) -> dict[str, Any]:
    """Runs a snippet and returns what was seen, ready for JSON."""
    names: dict[str, Any] = {"nn": nn}
    exec(snippet.line, names)
    layer = names[snippet.line.partition(" = ")[0]]
    inputs = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in snippet.shapes.items()}
    before = {name: x.copy() for name, x in inputs.items()}
    code = compile(snippet.call, "<snippet>", "eval")

    copies, in_use = _native.copies(), _native.memory_stats()["bytes_in_use"]
    results = _flatten(eval(code, {**names, **inputs}))
    grown = _native.memory_stats()["bytes_in_use"] - in_use
    mirrored = _flatten(eval(code, {**names, **{name: _mirrored(x) for name, x in inputs.items()}}))
    copies = _native.copies() - copies

    state = layer.state_dict()
    expected = snippet.reference(state, *inputs.values())
    deviation = max(float(np.abs(y - e).max() / np.abs(e).max()) for y, e in zip(results, expected, strict=True))
    return {
        "line": snippet.line,
        "call": snippet.call,
        "inputs": {name: list(x.shape) for name, x in inputs.items()},
        "outputs": [list(y.shape) for y in results],
        "parameters": sum(p.numpy().size for p in layer.parameters()),
        "seconds": _seconds(lambda: eval(code, {**names, **inputs})),
        "copies": copies,
        "same_bits_from_mirrored_views": all(np.array_equal(y, m) for y, m in zip(results, mirrored, strict=True)),
        "inputs_unchanged": all(np.array_equal(x, before[name]) for name, x in inputs.items()),
        "input_addresses": [x.ctypes.data for x in inputs.values()],
        "output_addresses": [y.ctypes.data for y in results],
        "outputs_own_their_memory": all(_native.allocated_by_us(y) for y in results),
        "output_bytes": sum(y.nbytes for y in results),
        "memory_growth": grown,
        "deviation": deviation,
    }


def passed(seen: Mapping[str, Any]) -> bool:
    """Whether a snippet kept its promises."""
    promises = ("same_bits_from_mirrored_views", "inputs_unchanged", "outputs_own_their_memory")
    return bool(seen["deviation"] <= TOLERANCE and seen["copies"] == 0 and all(seen[promise] for promise in promises))
