"""What a model consists of: `nn.summary`, the table of layers, and the tree that notebooks show for a module."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .modules.adaptive import AdaptiveLogSoftmaxWithLoss
from .modules.attention import MultiheadAttention
from .modules.container import ParameterDict, ParameterList
from .modules.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .modules.linear import Bilinear, Linear
from .modules.loss import LinearCrossEntropyLoss
from .modules.module import Module
from .modules.rnn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .parameter import is_lazy
from .tape import no_grad
from .tensor import Tensor
from .utils.parametrize import cached
from .utils.rnn import PackedSequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LayerSummary", "Summary", "summary"]

Shape = tuple[int, ...]
_NONE = "--"


@dataclass(frozen=True)
class LayerSummary:
    """A row of a Summary.

    Attributes:
        name: the module's name as in `named_modules()`, "" for the model itself.
        kind: the name of its class.
        depth: how far down it is, 0 for the model itself.
        output_shapes: shapes of the arrays that the first call returned, `()` where it was not called.
        parameters: how many numbers its own parameters have, children not included, and those of earlier rows not counted again.
        shared_parameters: how many numbers of its own parameters an earlier row has counted.
        multiply_adds: of its own matrix products and convolutions in all its calls; None: not known.
        calls: how often it was called.
        recursive: whether the same module stands in an earlier row, which counts everything.

    Example:
        >>> row = nn.summary(nn.Linear(4, 2), np.ones((3, 4), np.float32)).layers[0]
        >>> row.kind, row.output_shapes, row.parameters, row.multiply_adds
        ('Linear', ((3, 2),), 10, 24)
    """

    name: str
    kind: str
    depth: int
    output_shapes: tuple[Shape, ...]
    parameters: int
    shared_parameters: int
    multiply_adds: int | None
    calls: int
    recursive: bool


@dataclass(frozen=True)
class Summary:
    """What `nn.summary` returns: printed it is the table, and its attributes are the numbers.

    Attributes:
        layers: a LayerSummary for each module, in the order of `named_modules()`.
        parameters: how many numbers all parameters have, shared ones counted once.
        trainable_parameters: how many of them are in parameters that require a gradient.
        multiply_adds: of all matrix products and convolutions that are known.
        multiply_adds_complete: False: some modules compute with weights in a way of their own, so there are more.
        input_bytes: size of the inputs.
        output_bytes: size of what the innermost layers returned; views of their inputs count nothing.
        parameter_bytes: size of all parameters and buffers.
        depth: how many levels the table shows; None: all.

    Example:
        >>> result = nn.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), np.ones((3, 4), np.float32))
        >>> result.parameters, result.multiply_adds, result.output_bytes
        (40, 96, 192)
    """

    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    multiply_adds_complete: bool
    input_bytes: int
    output_bytes: int
    parameter_bytes: int
    depth: int | None = None

    @property
    def total_bytes(self) -> int:
        """Inputs, outputs and parameters together."""
        return self.input_bytes + self.output_bytes + self.parameter_bytes

    @property
    def _computed(self) -> bool:
        return self.layers[0].calls > 0

    def _shown(self) -> Iterator[tuple[int, LayerSummary]]:
        for i, row in enumerate(self.layers):
            if self.depth is None or row.depth <= self.depth:
                yield i, row

    def _cells(self, row: LayerSummary) -> tuple[str, str, str]:
        if row.recursive:
            return "(recursive)", _NONE, _NONE
        shapes = ", ".join(map(str, row.output_shapes[:3])) + (", ..." if len(row.output_shapes) > 3 else "")
        counted = f"{row.parameters:,}" if row.parameters else f"({row.shared_parameters:,})" if row.shared_parameters else _NONE
        unknown = "?" if self._computed else _NONE
        work = unknown if row.multiply_adds is None else f"{row.multiply_adds:,}" if row.multiply_adds else _NONE
        return shapes or _NONE, counted, work

    def _totals(self) -> list[tuple[str, str]]:
        at_least = "" if self.multiply_adds_complete else "at least "
        return [
            ("Total params", f"{self.parameters:,}"),
            ("Trainable params", f"{self.trainable_parameters:,}"),
            ("Non-trainable params", f"{self.parameters - self.trainable_parameters:,}"),
            ("Total mult-adds", f"{at_least}{self.multiply_adds:,}" if self._computed else _NONE),
            ("Input size (MB)", _megabytes(self.input_bytes)),
            ("Forward outputs size (MB)", _megabytes(self.output_bytes) if self._computed else _NONE),
            ("Params and buffers size (MB)", _megabytes(self.parameter_bytes)),
            ("Estimated total size (MB)", _megabytes(self.total_bytes)),
        ]

    def __str__(self) -> str:
        rows = [("Layer (type: name)", "Output shape", "Param #", "Mult-adds")]
        rows += [(_branches(self.layers, i) + _label(row), *self._cells(row)) for i, row in self._shown()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
        rule = "=" * (sum(widths) + 6)
        totals = [f"{name}: {value}" for name, value in self._totals()]
        return "\n".join([rule, lines[0], rule, *lines[1:], rule, *totals[:4], rule, *totals[4:], rule])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th style='text-align:{side};padding:2px 10px'>{text}</th>"
            for text, side in (("Layer", "left"), ("Output shape", "left"), ("Param #", "right"), ("Mult-adds", "right"))
        )
        body = []
        for _, row in self._shown():
            cells = "".join(
                f"<td style='text-align:{side};padding:2px 10px'>{escape(text)}</td>"
                for text, side in zip(self._cells(row), ("left", "right", "right"))
            )
            label = _html_label(row.name, row.kind, row.calls)
            body.append(f"<tr><td style='text-align:left;padding:2px 10px 2px {10 + 18 * row.depth}px'>{label}</td>{cells}</tr>")
        totals = "".join(
            f"<tr><td style='text-align:left;padding:1px 10px'>{name}</td><td style='text-align:right;padding:1px 10px'>{value}</td></tr>"
            for name, value in self._totals()
        )
        table = "style='border-collapse:collapse;border:1px solid rgba(128,128,128,.4);margin:4px 0'"
        return f"<table {table}><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table><table {table}>{totals}</table>"


def summary(
    model: Module, *inputs: Any, depth: int | None = None, input_size: Sequence[int] | Sequence[Sequence[int]] | None = None, **kwargs: Any
) -> Summary:
    """The table of a model's layers with output shapes, parameters and multiply-adds, from one call in evaluation mode without a tape.

    Multiply-adds are those of matrix products and convolutions, attention's scores included, as the formulas have them: a weight counts
    once for each position it is applied to. Element by element work (activations, normalisation, pooling) is not counted. A module of a
    class of your own that has matrices as parameters shows `?`, and the total says "at least".

    Args:
        model: any module; its modes and hooks are afterwards as they were.
        inputs: what the model is called with; none of any kind: only parameters are shown.
        depth: how many levels below the model the table shows; None: all. The totals are of all.
        input_size: instead of inputs, a shape, or one shape for each argument: arrays of zeros of the model's float type.
        kwargs: keyword arguments of the call.

    Returns:
        A Summary.

    Raises:
        TypeError: model is not a Module, or both inputs and input_size are given.
        ValueError: depth is negative, or input_size is not a shape.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5408, 10))
        >>> nn.summary(model, np.ones((1, 1, 28, 28), np.float32))
        ======================================================
        Layer (type: name)  Output shape    Param #  Mult-adds
        ======================================================
        Sequential          (1, 10)              --         --
        ├─ Conv2d: 0        (1, 8, 26, 26)       80     48,672
        ├─ ReLU: 1          (1, 8, 26, 26)       --         --
        ├─ Flatten: 2       (1, 5408)            --         --
        └─ Linear: 3        (1, 10)          54,090     54,080
        ======================================================
        Total params: 54,170
        Trainable params: 54,170
        Non-trainable params: 0
        Total mult-adds: 102,752
        ======================================================
        Input size (MB): 0.00
        Forward outputs size (MB): 0.04
        Params and buffers size (MB): 0.22
        Estimated total size (MB): 0.26
        ======================================================
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: model must be a Module, got {type(model).__name__}")
    if depth is not None and depth < 0:
        raise ValueError(f"summary: depth must be 0 or more, or None for all levels, got {depth}")
    if input_size is not None:
        if inputs:
            raise TypeError("summary: both inputs and input_size are given; pass one of them")
        inputs = _zeros(model, input_size)
    calls: dict[int, _Calls] = {id(module): _Calls() for module in model.modules()}
    if inputs or kwargs:
        _run(model, inputs, kwargs, calls)

    rows: list[LayerSummary] = []
    counted: set[int] = set()
    seen: set[int] = set()
    output_bytes = 0

    def visit(module: Module, name: str, level: int, parent: Module | None) -> bool:
        """Adds the rows of a module and of what is below; whether any of them was called."""
        nonlocal output_bytes
        kind = type(module).__name__
        if id(module) in seen:
            rows.append(LayerSummary(name, kind, level, (), 0, 0, 0, 0, True))
            return calls[id(module)].count > 0
        seen.add(id(module))
        called = calls[id(module)]
        own = [p for p in module._parameters.values() if p is not None]
        new = {id(p): p for p in own if id(p) not in counted}
        counted.update(new)
        numbers = sum(p.data.size for p in new.values())
        shared = sum({id(p): p.data.size for p in own if id(p) not in new}.values())
        work = called.work if called.count or not _may_compute(module, parent) else None
        rows.append(LayerSummary(name, kind, level, called.shapes, numbers, shared, work, called.count, False))
        owner = parent if isinstance(parent, _KNOWN) else module
        below = [
            visit(child, f"{name}.{key}" if name else key, level + 1, owner) for key, child in module._modules.items() if child is not None
        ]
        if not any(below):
            output_bytes += called.output_bytes
        return called.count > 0 or any(below)

    visit(model, "", 0, None)
    parameters = list(model.parameters())
    known = [row.multiply_adds for row in rows if row.multiply_adds is not None]
    return Summary(
        layers=tuple(rows),
        parameters=sum(p.data.size for p in parameters),
        trainable_parameters=sum(p.data.size for p in parameters if p.requires_grad),
        multiply_adds=sum(known),
        multiply_adds_complete=len(known) == len(rows),
        input_bytes=sum(array.nbytes for array in _arrays((inputs, kwargs))),
        output_bytes=output_bytes,
        parameter_bytes=sum(p.data.nbytes for p in parameters) + sum(b.nbytes for b in model.buffers()),
        depth=depth,
    )


class _Calls:
    """What the calls of a module have shown."""

    def __init__(self) -> None:
        self.count = 0
        self.shapes: tuple[Shape, ...] = ()
        self.output_bytes = 0
        self.work: int | None = 0


def _run(model: Module, inputs: tuple[Any, ...], kwargs: dict[str, Any], calls: dict[int, _Calls]) -> None:
    """Calls the model with hooks that fill in `calls`."""
    names = {id(module): name or type(model).__name__ for name, module in model.named_modules()}
    inside: list[str] = []

    def before(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inside.append(names[id(module)])

    def after(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        inside.pop()
        call = calls[id(module)]
        outputs, given = list(_arrays(output)), list(_arrays((args, kwargs)))
        if call.count == 0:
            call.shapes = tuple(array.shape for array in outputs)
        call.count += 1
        call.output_bytes += sum(y.nbytes for y in outputs if not any(np.may_share_memory(y, x) for x in given))
        work = _multiply_adds(module, args, kwargs, outputs)
        call.work = None if work is None or call.work is None else call.work + work

    modes = [(module, module.training) for module in model.modules()]
    handles = []
    try:
        for module, _ in modes:
            # The last to see the arguments and the output: other hooks may change them.
            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(module.register_forward_hook(after, with_kwargs=True))
        model.eval()
        with no_grad(), cached():  # a weight that is parametrized is read again to count its products
            model(*inputs, **kwargs)
    except Exception as error:
        if inside and hasattr(error, "add_note"):  # Python 3.11
            error.add_note(f"nn.summary: raised in the forward of {inside[-1]}")
        raise
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


def _zeros(model: Module, input_size: Any) -> tuple[NDArray[Any], ...]:
    shapes = [input_size] if all(isinstance(n, (int, np.integer)) for n in input_size) else list(input_size)
    for shape in shapes:
        if not isinstance(shape, (tuple, list)) or not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
            raise ValueError(f"summary: input_size must be a shape such as (1, 3, 224, 224), or a list of shapes, got {input_size!r}")
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    return tuple(np.zeros(tuple(shape), dtype) for shape in shapes)


def _arrays(value: Any) -> Iterator[NDArray[Any]]:
    """All arrays in a structure of tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value.data
    elif isinstance(value, (np.ndarray, np.floating)):
        yield np.asarray(value)  # a loss of an array is a number
    elif isinstance(value, PackedSequence):
        yield from _arrays(value.data)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _arrays(entry)
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _arrays(entry)


def _may_compute(module: Module, parent: Module | None) -> bool:
    """Whether a module that was not called has matrices that another module may have computed with."""
    return not isinstance(parent, _KNOWN) and _has_matrices(module)


def _has_matrices(module: Module) -> bool:
    return any(p is not None and p.ndim > 1 for p in module._parameters.values())


def _multiply_adds(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[NDArray[Any]]) -> int | None:
    """Of one call, without the modules below; None: not known."""
    for kind, count in _COUNTS.items():
        if isinstance(module, kind):
            return count(module, args, kwargs, outputs) if type(module).forward is kind.forward else None
    ours = type(module).__module__.startswith(("swiftnn.modules.", "swiftnn.utils."))
    ours = ours and not isinstance(module, (ParameterList, ParameterDict))
    return 0 if ours or not _has_matrices(module) else None


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str) -> Shape:
    value = args[position] if position < len(args) else kwargs[name]
    return tuple(np.shape(value.data if isinstance(value, (Tensor, PackedSequence)) else value))


def _of_matrix(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[NDArray[Any]]) -> int:
    """Linear, Bilinear, convolutions: each output is a sum over the weights of its feature or channel."""
    return outputs[0].size * int(math.prod(module.weight.shape[1:]))


def _of_scattering(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[NDArray[Any]]) -> int:
    """Transposed convolutions: each input is multiplied by the weights of its channel."""
    return int(math.prod(_argument(args, kwargs, 0, "input")) * math.prod(module.weight.shape[1:]))


def _of_recurrence(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[NDArray[Any]]) -> int:
    positions = math.prod(_argument(args, kwargs, 0, "input")[:-1])
    weights = (getattr(module, name) for name in getattr(module, "_flat_weights_names", ("weight_ih", "weight_hh")))
    return int(positions * sum(math.prod(w.shape) for w in weights if w.ndim > 1))


def _of_attention(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[NDArray[Any]]) -> int:
    query, key, value = (_argument(args, kwargs, i, name) for i, name in enumerate(("query", "key", "value")))
    e, sequence = module.embed_dim, 1 if module.batch_first and len(query) == 3 else 0
    batch = 1 if len(query) == 2 else query[1 - sequence]
    t, s = query[sequence], key[sequence]
    extra = (module.bias_k is not None) + bool(module.add_zero_attn)
    projections = t * e * e + s * e * (key[-1] + value[-1]) + t * e * e
    return int(batch * (projections + 2 * t * (s + extra) * e))


def _of_scores(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[NDArray[Any]]) -> int:
    return int(math.prod(_argument(args, kwargs, 0, "input")[:-1]) * module.linear.weight.data.size)


# Layers that count what they compute with the matrices below them, or call those that compute at all.
_KNOWN = (MultiheadAttention, LinearCrossEntropyLoss, AdaptiveLogSoftmaxWithLoss)
_COUNTS: dict[Any, Callable[..., int]] = {
    **dict.fromkeys((Linear, Bilinear, Conv1d, Conv2d, Conv3d), _of_matrix),
    **dict.fromkeys((ConvTranspose1d, ConvTranspose2d, ConvTranspose3d), _of_scattering),
    **dict.fromkeys((RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell), _of_recurrence),
    MultiheadAttention: _of_attention,
    LinearCrossEntropyLoss: _of_scores,
}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f}"


def _label(row: LayerSummary) -> str:
    own = row.name.rpartition(".")[2]
    return (f"{row.kind}: {own}" if own else row.kind) + (f" ×{row.calls}" if row.calls > 1 else "")


def _branches(rows: Sequence[LayerSummary], index: int) -> str:
    """The lines that lead to a row: a branch goes on where a later row is on its level before one that is higher up."""
    marks = []
    for level in range(1, rows[index].depth + 1):
        later = next((row.depth for row in rows[index + 1 :] if row.depth <= level), 0)
        marks.append(("├─ " if later == level else "└─ ") if level == rows[index].depth else ("│  " if later == level else "   "))
    return "".join(marks)


def _html_label(name: str, kind: str, calls: int = 1) -> str:
    own = name.rpartition(".")[2]
    times = f" ×{calls}" if calls > 1 else ""
    return (f"<span style='opacity:.65'>{escape(own)}</span> " if own else "") + f"<b>{escape(kind)}</b>{times}"


def module_html(module: Module) -> str:
    """The foldable tree of `Module._repr_html_`: colours are those of the page, so that it is legible on light and dark ones.

    Args:
        module: any module.

    Returns:
        HTML without scripts and style sheets; every text of the model's is escaped.

    Example:
        >>> module_html(nn.Linear(2, 3)).count("<details")
        0
        >>> module_html(nn.Sequential(nn.Linear(2, 3), nn.ReLU())).count("<details")
        1
    """
    frame = "font-family:monospace;font-size:13px;line-height:1.5;white-space:normal"
    return f"<div style='{frame}'>{_html_node(module, '', 0)}</div>"


def _html_node(module: Module, name: str, level: int) -> str:
    extra = " ".join(module.extra_repr().split())
    children = [(key, child) for key, child in module._modules.items() if child is not None]
    own = [(key, p) for key, p in module._parameters.items() if p is not None]
    total = sum(p.data.size for p in module.parameters() if not is_lazy(p))
    parts = [_html_label(name, type(module).__name__)]
    if extra and not isinstance(module, (ParameterList, ParameterDict)):
        parts.append(f"({escape(extra)})")
    if total:
        parts.append(f"<span style='opacity:.65'>· {total:,} parameter{'s' if total > 1 else ''}</span>")
    line = " ".join(parts)
    arrays: list[tuple[str, Any, str]] = [(key, p, "" if p.requires_grad else ", frozen") for key, p in own]
    arrays += [(key, b, ", buffer") for key, b in module._buffers.items() if b is not None]
    shapes = ", ".join(f"{escape(key)} {'uninitialized' if is_lazy(a) else escape(str(a.shape))}{note}" for key, a, note in arrays)
    detail = f"<div style='opacity:.65;padding-left:18px'>{shapes}</div>" if shapes else ""
    if not children:
        return f"<div style='padding-left:14px'>{line}{detail}</div>"
    below = "".join(_html_node(child, key, level + 1) for key, child in children)
    # The outermost levels are open: a deep model is then a page, not a scroll.
    opened = " open" if level < 2 else ""
    border = "margin-left:5px;padding-left:12px;border-left:1px solid rgba(128,128,128,.4)"
    return f"<details{opened}><summary style='cursor:pointer'>{line}</summary>{detail}<div style='{border}'>{below}</div></details>"
