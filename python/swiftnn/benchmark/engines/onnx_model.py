"""Cells as ONNX models, built node by node: what an exporter would write, without PyTorch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from math import sqrt
from typing import Any, cast

import numpy as np

from ..cells import Cell
from ..values import Array, parameter
from . import Unsupported
from .recurrent import directions

OPSET = 20
# torch's gates as rows (LSTM: i f g o; GRU: r z n) in ONNX's order (i o f g; z r n)
GATE_ORDER = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}


class Graph:
    """Nodes and constants of a model that grows."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self._onnx: Any = importlib.import_module("onnx")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The name of its result."""
        name = f"{op}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(op, inputs, [name], **attributes))
        return name

    def split(self, x: str, parts: int) -> list[str]:
        """Names of the parts of the last dimension."""
        names = [f"Split_{len(self._nodes)}_{k}" for k in range(parts)]
        self._nodes.append(self._onnx.helper.make_node("Split", [x], names, axis=-1, num_outputs=parts))
        return names

    def constant(self, value: Array) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def parameter(self, name: str, *shape: int) -> str:
        return self.constant(parameter(name, shape, self.cell.dtype))

    def matrix(self, name: str, *shape: int) -> str:
        """A weight (out, in) as MatMul takes it: (in, out)."""
        return self.constant(parameter(name, shape, self.cell.dtype).T)

    def serialized(self, output: str) -> bytes:
        helper, onnx = self._onnx.helper, self._onnx
        kind = onnx.TensorProto.DOUBLE if self.cell.dtype == "float64" else onnx.TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info(f"x{i}", kind, shape) for i, shape in enumerate(self.cell.shapes)]
        outputs = [helper.make_tensor_value_info(output, kind, None)]
        graph = helper.make_graph(self._nodes, "cell", inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        return cast(bytes, model.SerializeToString())


def _two(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _conv2d(
    g: Graph, c: int, o: int, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True
) -> str:
    inputs = ["x0", g.parameter("weight", o, c // groups, *_two(kernel))] + ([g.parameter("bias", o)] if bias else [])
    window: dict[str, Any] = dict(kernel_shape=_two(kernel), strides=_two(stride), pads=_two(padding) * 2, dilations=_two(dilation))
    return g.node("Conv", *inputs, group=groups, **window)


def _max_pool2d(g: Graph, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> str:
    window: dict[str, Any] = dict(kernel_shape=_two(kernel), strides=_two(kernel if stride is None else stride), pads=_two(padding) * 2)
    return g.node("MaxPool", "x0", dilations=_two(dilation), **window)


def _adaptive_avg_pool2d(g: Graph, size: Any) -> str:
    if _two(size) != [1, 1]:
        raise Unsupported("ONNX has global average pooling only")
    return g.node("GlobalAveragePool", "x0")


def _linear(g: Graph, i: int, o: int, bias: bool = True) -> str:
    if len(g.cell.shapes[0]) == 2:
        return g.node("Gemm", "x0", g.parameter("weight", o, i), *([g.parameter("bias", o)] if bias else []), transB=1)
    y = g.node("MatMul", "x0", g.matrix("weight", o, i))
    return g.node("Add", y, g.parameter("bias", o)) if bias else y


def _recurrent(g: Graph, *args: Any, **options: Any) -> str:
    layer, h, x = g.cell.layer, g.cell.args[1], "x0"
    both = options.get("bidirectional", False)

    def gates(value: Array) -> Array:
        return np.concatenate([np.split(value, len(GATE_ORDER[layer]))[k] for k in GATE_ORDER[layer]])

    for weights in directions(g.cell):
        w = g.constant(np.stack([gates(d.w_ih) for d in weights]))
        r = g.constant(np.stack([gates(d.w_hh) for d in weights]))
        b = g.constant(np.stack([np.concatenate([gates(d.b_ih), gates(d.b_hh)]) for d in weights]))
        attributes: dict[str, Any] = dict(hidden_size=h, direction="bidirectional" if both else "forward")
        if layer == "GRU":
            attributes["linear_before_reset"] = 1
        y = g.node(layer, x, w, r, b, **attributes)  # (t, directions, b, h)
        if both:
            x = g.node("Reshape", g.node("Transpose", y, perm=[0, 2, 1, 3]), g.ints(0, 0, -1))
        else:
            x = g.node("Squeeze", y, g.ints(1))
    return x


def _activation(op: str) -> Callable[..., str]:
    def activation(g: Graph, axis: int | None = None) -> str:
        return g.node(op, "x0", **({} if axis is None else {"axis": axis}))

    return activation


def _norm(g: Graph, x: str, name: str, e: int) -> str:
    return g.node("LayerNormalization", x, g.parameter(f"{name}weight", e), g.parameter(f"{name}bias", e), epsilon=1e-5)


def _layer_norm(g: Graph, e: int) -> str:
    return _norm(g, "x0", "", e)


def _affine(g: Graph, x: str, weight: Array, bias: Array) -> str:
    return g.node("Add", g.node("MatMul", x, g.constant(weight.T)), g.constant(bias))


def _attention(g: Graph, x: str, memory: str, name: str, e: int, nh: int, batch_first: bool) -> str:
    """Projections of x alone are one product, of x and memory two."""
    dtype = g.cell.dtype
    weight, bias = parameter(f"{name}in_proj_weight", (3 * e, e), dtype), parameter(f"{name}in_proj_bias", (3 * e,), dtype)
    if x == memory:
        q, k, v = g.split(_affine(g, x, weight, bias), 3)
    else:
        q = _affine(g, x, weight[:e], bias[:e])
        k, v = g.split(_affine(g, memory, weight[e:], bias[e:]), 2)
    # (b, nh, length, hd), and the keys transposed
    rows, columns = ([0, 2, 1, 3], [0, 2, 3, 1]) if batch_first else ([1, 2, 0, 3], [1, 2, 3, 0])
    heads = g.ints(0, 0, nh, e // nh)
    q, k, v = (g.node("Transpose", g.node("Reshape", y, heads), perm=p) for y, p in ((q, rows), (k, columns), (v, rows)))
    scores = g.node("Mul", g.node("MatMul", q, k), g.constant(np.array(1 / sqrt(e // nh), dtype)))
    y = g.node("MatMul", g.node("Softmax", scores, axis=-1), v)
    y = g.node("Reshape", g.node("Transpose", y, perm=rows if batch_first else [2, 0, 1, 3]), g.ints(0, 0, -1))
    return _affine(g, y, parameter(f"{name}out_proj.weight", (e, e), dtype), parameter(f"{name}out_proj.bias", (e,), dtype))


def _multihead_attention(g: Graph, e: int, nh: int, batch_first: bool = False) -> str:
    return _attention(g, "x0", f"x{len(g.cell.shapes) - 1}", "", e, nh, batch_first)


def _feed_forward(g: Graph, x: str, name: str, e: int, hidden: int, activation: str) -> str:
    y = g.node("Add", g.node("MatMul", x, g.matrix(f"{name}linear1.weight", hidden, e)), g.parameter(f"{name}linear1.bias", hidden))
    y = g.node({"relu": "Relu", "gelu": "Gelu"}[activation], y)
    return g.node("Add", g.node("MatMul", y, g.matrix(f"{name}linear2.weight", e, hidden)), g.parameter(f"{name}linear2.bias", e))


def _encoder(g: Graph, x: str, name: str, e: int, nh: int, hidden: int = 2048, activation: str = "relu", batch_first: bool = False) -> str:
    x = _norm(g, g.node("Add", x, _attention(g, x, x, f"{name}self_attn.", e, nh, batch_first)), f"{name}norm1.", e)
    return _norm(g, g.node("Add", x, _feed_forward(g, x, name, e, hidden, activation)), f"{name}norm2.", e)


def _decoder(
    g: Graph, x: str, memory: str, name: str, e: int, nh: int, hidden: int = 2048, activation: str = "relu", batch_first: bool = False
) -> str:
    x = _norm(g, g.node("Add", x, _attention(g, x, x, f"{name}self_attn.", e, nh, batch_first)), f"{name}norm1.", e)
    x = _norm(g, g.node("Add", x, _attention(g, x, memory, f"{name}multihead_attn.", e, nh, batch_first)), f"{name}norm2.", e)
    return _norm(g, g.node("Add", x, _feed_forward(g, x, name, e, hidden, activation)), f"{name}norm3.", e)


def _encoder_layer(g: Graph, *args: Any, **options: Any) -> str:
    return _encoder(g, "x0", "", *args, **options)


def _decoder_layer(g: Graph, *args: Any, **options: Any) -> str:
    return _decoder(g, "x0", "x1", "", *args, **options)


def _transformer(g: Graph, e: int, nh: int, encoders: int, decoders: int) -> str:
    memory, x = "x0", "x1"
    for i in range(encoders):
        memory = _encoder(g, memory, f"encoder.layers.{i}.", e, nh)
    memory = _norm(g, memory, "encoder.norm.", e)
    for i in range(decoders):
        x = _decoder(g, x, memory, f"decoder.layers.{i}.", e, nh)
    return _norm(g, x, "decoder.norm.", e)


BUILDERS: dict[str, Callable[..., str]] = {
    "Conv2d": _conv2d,
    "MaxPool2d": _max_pool2d,
    "AdaptiveAvgPool2d": _adaptive_avg_pool2d,
    "Linear": _linear,
    "RNN": _recurrent,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "LayerNorm": _layer_norm,
    "GELU": _activation("Gelu"),
    "ReLU": _activation("Relu"),
    "Softmax": _activation("Softmax"),
    "MultiheadAttention": _multihead_attention,
    "TransformerEncoderLayer": _encoder_layer,
    "TransformerDecoderLayer": _decoder_layer,
    "Transformer": _transformer,
}


def build(cell: Cell) -> bytes:
    """The serialized model: inputs x0, x1, ..., one output."""
    if cell.layer not in BUILDERS:
        raise Unsupported("has no ONNX model here")
    graph = Graph(cell)
    return graph.serialized(BUILDERS[cell.layer](graph, *cell.args, **cell.options))
