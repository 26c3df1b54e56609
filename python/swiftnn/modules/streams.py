"""Sequences that arrive piece by piece: what the stream() methods of the recurrent layers and of the Transformer return."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import functional as F
from .._native import attention_forward, linear_forward
from ..errors import ShapeError
from ..tensor import Tensor
from ..utils.rnn import PackedSequence
from .attention import MultiheadAttention
from .dropout import _DropoutNd
from .module import Module
from .transformer import TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer, _add_dropped, _inactive
from .utils import Array, is_plain, size

if TYPE_CHECKING:
    from .rnn import RNNBase

__all__ = ["RecurrentStream", "Stream", "TransformerStream"]

_Array = np.ndarray[Any, Any]
_StreamT = TypeVar("_StreamT", bound="Stream")

# Positions that a stream without max_length has room for at first.
_FIRST_ROOM = 64


class Stream(abc.ABC):
    """A sequence of which a layer has seen the beginning.

    stream(x) takes the next positions, one or many, and returns the layer's output for them: the bits that the layer computes for these
    positions of the whole sequence. Streams do not record gradients: of a Tensor a Tensor without gradient is returned. A call that raises
    leaves the stream as it was. The weights must not change while a stream lasts.

    Made by RNN.stream, LSTM.stream, GRU.stream, TransformerEncoder.stream, TransformerDecoder.stream, the stream methods of their layers
    and Transformer.stream.

    Raises:
        RuntimeError: the module is in training mode and has dropout: no two runs would agree; or the input requires a gradient.
        ShapeError: the input does not fit.

    Example:
        >>> rnn = nn.GRU(3, 4)
        >>> x = np.ones((5, 2, 3), np.float32)
        >>> stream = rnn.stream()
        >>> pieces = [stream(x[:2]), stream(x[2:])]
        >>> np.array_equal(np.concatenate(pieces), rnn(x)[0]), stream.length
        (True, 5)
    """

    _module: Module
    _length: int

    def __init__(self, module: Module) -> None:
        self._module = module
        self._length = 0
        _refuse_dropout(module)

    @property
    def length(self) -> int:
        """Positions seen so far."""
        return self._length

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self._module).__name__} after {self._length} positions>"

    def __copy__(self: _StreamT) -> _StreamT:
        return self.copy()

    def __deepcopy__(self: _StreamT, memo: dict[int, Any]) -> _StreamT:
        # A copy of the state, not of the model's weights.
        return self.copy()

    @abc.abstractmethod
    def reset(self) -> None:
        """Forgets all positions: the next one is the first again."""

    @abc.abstractmethod
    def copy(self: _StreamT) -> _StreamT:
        """A stream that goes on from here on its own, with the same module."""

    @abc.abstractmethod
    def reorder(self, indices: Iterable[int]) -> None:
        """Makes row indices[i] of the batch row i: beam search drops rows, repeats and swaps them, and so changes the batch's size.

        Args:
            indices: numbers of rows, 0 ... N-1.

        Raises:
            IndexError: a number is out of range.
            RuntimeError: there is no batch: the input is unbatched, or nothing is known of it yet.
        """

    def _read(self, input: Any) -> Any:
        """The memory of the input, checked for what no stream takes."""
        if self._module.training:
            _refuse_dropout(self._module)
        if isinstance(input, PackedSequence):
            raise TypeError("stream: the input is a PackedSequence; expected an array: rows of a stream have one length, feed them padded")
        if isinstance(input, Tensor):
            if input.requires_grad:
                raise RuntimeError("stream: the input requires a gradient, which streams do not record; feed x.detach(), or call the layer")
            return input.data
        return F._as_array(input, next(self._module.parameters(), None))


def _refuse_dropout(module: Module) -> None:
    for name, part in module.named_modules():
        if not part.training:
            continue
        p = part.p if isinstance(part, _DropoutNd) else getattr(part, "dropout", 0.0)
        if getattr(part, "num_layers", 2) > 1 and isinstance(p, (int, float)) and p > 0:
            where = f" ({name})" if name else ""
            raise RuntimeError(
                f"stream: {type(module).__name__} is in training mode with dropout {p}{where}, so that its pieces could not agree with "
                "the whole sequence; call .eval() first"
            )


def _rows(indices: Iterable[int], batch: int) -> _Array:
    """The numbers of rows for reorder, checked."""
    found: _Array = F._raw(indices if isinstance(indices, (np.ndarray, Tensor)) else list(indices))
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu":
        raise ValueError(
            f"reorder: indices must be a sequence of ints, one for each row of the new batch, but got {found.dtype} of shape {found.shape}"
        )
    if found.min() < 0 or found.max() >= batch:
        raise IndexError(f"reorder: indices must be 0 ... {batch - 1}, the rows of the batch, but go from {found.min()} to {found.max()}")
    return found


class RecurrentStream(Stream):
    """The state of an RNN, LSTM or GRU between pieces of a sequence, see RNN.stream.

    Args:
        rnn: layer that reads in one direction.
        hx: initial state as for rnn(x, hx), or None for zeros.

    **Shape**: input (t, N, input_size), with batch_first (N, t, input_size), or (t, input_size), any t > 0 at each call
    -> as rnn's output for these positions.

    Raises:
        ValueError: the layer is bidirectional.
        RuntimeError: the layer is in training mode and has dropout.

    Example:
        >>> lstm = nn.LSTM(3, 4, num_layers=2, batch_first=True)
        >>> stream = lstm.stream()
        >>> stream(np.ones((1, 7, 3), np.float32)).shape, stream(np.ones((1, 1, 3), np.float32)).shape
        ((1, 7, 4), (1, 1, 4))
        >>> h, c = stream.state
        >>> h.shape
        (2, 1, 4)
    """

    _rnn: RNNBase
    _initial: Any
    _state: tuple[Any, ...] | None

    def __init__(self, rnn: RNNBase, hx: Any = None) -> None:
        if rnn.bidirectional:
            raise ValueError(
                f"stream: {type(rnn).__name__} is bidirectional and needs the end of the sequence for its first output; "
                "call it with whole sequences, or build it with bidirectional=False"
            )
        super().__init__(rnn)
        self._rnn = rnn
        self._initial = self._given(hx)
        self._state = self._initial

    def _given(self, hx: Any) -> tuple[Any, ...] | None:
        if hx is None:
            return None
        pair = self._rnn.mode == "LSTM"
        if pair and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError(f"stream: hx of an LSTM must be a tuple of two arrays (h_0, c_0), but got {type(hx).__name__}")
        # Its own memory: the caller may go on writing to hx.
        return tuple(np.array(self._read(h)) for h in (hx if pair else (hx,)))

    @property
    def state(self) -> Any:
        """h, or (h, c) of an LSTM, after the last position, as the layer returns it; None: zeros, nothing was seen yet."""
        if self._state is None:
            return None
        state = tuple(s.copy() for s in self._state)
        return state if self._rnn.mode == "LSTM" else state[0]

    def __call__(self, input: Array) -> Any:
        """The output for the next positions."""
        rnn = self._rnn
        x = self._read(input)
        y, h, c = rnn._compute(x, self._state)
        self._state = (h,) if c is None else (h, c)
        self._length += x.shape[1 if rnn.batch_first and x.ndim == 3 else 0]
        return Tensor(y) if isinstance(input, Tensor) else y

    def reset(self) -> None:
        """Goes back to the initial state."""
        self._state = self._initial
        self._length = 0

    def copy(self) -> RecurrentStream:
        other = object.__new__(type(self))
        vars(other).update(vars(self))  # states are replaced, never written to
        return other

    def reorder(self, indices: Iterable[int]) -> None:
        if self._state is None:
            raise RuntimeError("reorder: nothing is known of the batch yet; feed the first positions before")
        if self._state[0].ndim != 3:
            raise RuntimeError("reorder: the input is unbatched, there are no rows to reorder; feed (t, N, features)")
        rows = _rows(indices, self._state[0].shape[1])
        self._state = tuple(s[:, rows] for s in self._state)
        # The initial state follows, so that the batch stays the same after reset().
        if self._initial is not None:
            self._initial = tuple(s[:, rows] for s in self._initial)


class TransformerStream(Stream):
    """The keys and values of the positions that a stack of Transformer layers has seen, see TransformerDecoder.stream.

    Each position attends to itself and to those before it. What a layer has computed of them is kept, so that a new position costs one
    row of each product however many came before; only its attention reads all of them.

    Args:
        module: TransformerEncoder, TransformerDecoder, or one layer of theirs.
        memory: what the layers of a decoder attend to, else None. Its keys and values are computed here, once.
        memory_key_padding_mask: as for the decoder.
        max_length: positions to make room for; more are refused. None: the room is doubled when it is used up.

    **Shape**: input (t, N, E), with batch_first (N, t, E), or (t, E), any t at each call; key_padding_mask (N, t) or (t) -> as input.
    A memory of one row serves a batch of any size once reorder has repeated the row.

    Raises:
        TypeError: the module or one of its layers is not the library's own, or computes its attention in another way.
        RuntimeError: the module is in training mode and has dropout.
        ShapeError: memory or a mask does not fit.
        ValueError: more positions than max_length.

    Example:
        >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 32, batch_first=True), 2).eval()
        >>> memory, tgt = np.ones((1, 7, 16), np.float32), np.ones((1, 5, 16), np.float32)
        >>> stream = decoder.stream(memory)
        >>> rows = [stream(tgt[:, i : i + 1]) for i in range(5)]
        >>> mask = nn.Transformer.generate_square_subsequent_mask(5)
        >>> np.array_equal(np.concatenate(rows, axis=1), decoder(tgt, memory, tgt_mask=mask))
        True

    Reference: Shazeer, Fast Transformer Decoding (2019).
    """

    _layers: list[Any]
    _norm: Module | None
    _batch_first: bool
    _features: int
    # Of the input: 3 or 2, None where nothing was fed yet.
    _ndim: int | None
    _batch: int | None
    _room: int
    _max_length: int | None
    # For each layer (N, heads, head_dim, room): keys one behind the other, which the attention reads as the columns of its product.
    _keys: list[_Array]
    # For each layer (N, heads, room, head_dim).
    _values: list[_Array]
    # The same of the memory, for each layer of a decoder.
    _memory: list[tuple[_Array, _Array]]
    _memory_padding: _Array | None
    # (N, length), None while no key_padding_mask was given.
    _padding: _Array | None

    def __init__(
        self,
        module: Any,
        memory: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        max_length: int | None = None,
    ) -> None:
        decodes = isinstance(module, (TransformerDecoder, TransformerDecoderLayer))
        self._layers, self._norm = _checked_layers(module, decodes)
        super().__init__(module)
        first = self._layers[0].self_attn
        self._batch_first, self._features = first.batch_first, first.embed_dim
        self._max_length = None if max_length is None else size(max_length, "max_length")
        if self._max_length is not None and self._max_length <= 0:
            raise ValueError(f"stream: max_length must be positive, or None for no limit, but got {max_length}")
        self._ndim = self._batch = self._padding = self._memory_padding = None
        self._room = 0
        self._keys, self._values, self._memory = [], [], []
        if decodes:
            self._take_memory(memory, memory_key_padding_mask)

    def _take_memory(self, memory: Any, padding: Any) -> None:
        x = self._read(memory)
        if x.ndim not in (2, 3) or x.shape[-1] != self._features:
            raise ShapeError(f"stream: memory must have shape {self._wanted(None)}, but got {tuple(x.shape)}")
        self._ndim = x.ndim
        x = self._rows_first(x)
        self._batch = x.shape[0]
        if padding is not None:
            self._memory_padding = _padding_rows(padding, x, self._ndim, "memory_key_padding_mask", "S").copy()
        for layer in self._layers:
            a = layer.multihead_attn
            e = a.embed_dim
            # The rows of the weights that the whole pass takes, so that they share what is prepared of them.
            p = linear_forward(x, a.in_proj_weight, a.in_proj_bias, None, F._NONE, e, 2 * e)
            p = p.reshape((*x.shape[:2], 2, a.num_heads, a.head_dim))
            keys, values = p[:, :, 0].transpose((0, 2, 3, 1)), p[:, :, 1].transpose((0, 2, 1, 3))
            self._memory.append((np.ascontiguousarray(keys), np.ascontiguousarray(values)))

    def _wanted(self, ndim: int | None) -> str:
        e = self._features
        batched = f"(N, t, {e})" if self._batch_first else f"(t, N, {e})"
        return {2: f"(t, {e})", 3: batched, None: f"{batched} or (t, {e})"}[ndim]

    def _rows_first(self, x: Any) -> Any:
        """x as (N, t, E)"""
        if x.ndim == 2:
            return x[None]
        return x if self._batch_first else np.ascontiguousarray(x.transpose((1, 0, 2)))

    def __call__(self, input: Array, key_padding_mask: Array | None = None) -> Any:
        """The output for the next positions; key_padding_mask says which of them no position may attend to."""
        x = self._read(input)
        if x.ndim not in (2, 3) or x.shape[-1] != self._features or self._ndim not in (None, x.ndim):
            raise ShapeError(f"stream: input must have shape {self._wanted(self._ndim)}, but got {tuple(x.shape)}")
        ndim = x.ndim
        x = self._rows_first(x)
        batch, new, _ = x.shape
        if self._batch not in (None, batch):
            raise ShapeError(f"stream: input has {batch} rows, but the stream {self._batch}: shape {tuple(F._raw(input).shape)}")
        padding = self._padding
        if key_padding_mask is not None or padding is not None:
            padding = self._longer_padding(key_padding_mask, x, ndim)
        end = self._length + new
        if new:
            self._make_room(batch, end)
            # Alone, a position may attend to all there is.
            mask = None
            if new > 1 and self._length > 0:
                mask = np.triu(np.ones((new, end), np.bool_), self._length + 1)
            for i, layer in enumerate(self._layers):
                x = self._step(i, layer, x, end, mask, padding)
        if self._norm is not None:
            x = self._norm(x)
        self._ndim, self._batch, self._length, self._padding = ndim, batch, end, padding
        if ndim == 2:
            x = x[0]
        elif not self._batch_first:
            x = np.ascontiguousarray(x.transpose((1, 0, 2)))
        return Tensor(x) if isinstance(input, Tensor) else x

    def _step(self, i: int, layer: Any, x: Any, end: int, mask: _Array | None, padding: _Array | None) -> Any:
        """Layer i of rows (N, t, E), which come behind the positions that are kept."""
        if layer.norm_first:
            x = self._attend(i, layer.self_attn, layer.dropout1, x, layer.norm1(x), end, mask, padding)
            if not self._memory:
                return layer._add_feed_forward(x, layer.norm2(x))
            x = self._attend_memory(i, layer.multihead_attn, layer.dropout2, x, layer.norm2(x))
            return layer._add_feed_forward(x, layer.norm3(x))
        x = layer.norm1(self._attend(i, layer.self_attn, layer.dropout1, x, x, end, mask, padding))
        if not self._memory:
            return layer.norm2(layer._add_feed_forward(x, x))
        x = layer.norm2(self._attend_memory(i, layer.multihead_attn, layer.dropout2, x, x))
        return layer.norm3(layer._add_feed_forward(x, x))

    def _attend(self, i: int, a: Any, drop: Any, residual: Any, x: Any, end: int, mask: _Array | None, padding: _Array | None) -> Any:
        e = a.embed_dim
        batch, new, _ = x.shape
        start = end - new
        p = linear_forward(x, a.in_proj_weight, a.in_proj_bias, None, F._NONE, 0, 3 * e)
        q, k, v = p.reshape((batch, new, 3, a.num_heads, a.head_dim)).transpose((2, 0, 3, 1, 4))
        keys, values = self._keys[i], self._values[i]
        keys[:, :, :, start:end] = k.swapaxes(2, 3)
        values[:, :, start:end] = v
        k, v = keys[:, :, :, :end].swapaxes(2, 3), values[:, :, :end]
        # From the first position on the operation's own causal mask fits.
        y = attention_forward(q, k, v, mask, padding, start == 0 and new > 1, 0.0, 0.0, 0, 0, True, False, False, False)[0]
        return _project(a, drop, residual, y.reshape((batch, new, e)))

    def _attend_memory(self, i: int, a: Any, drop: Any, residual: Any, x: Any) -> Any:
        e = a.embed_dim
        batch, new, _ = x.shape
        q = linear_forward(x, a.in_proj_weight, a.in_proj_bias, None, F._NONE, 0, e)
        q = q.reshape((batch, new, a.num_heads, a.head_dim)).swapaxes(1, 2)
        k, v = self._memory[i]
        padding = self._memory_padding
        if k.shape[0] != batch:
            k, v = (np.broadcast_to(m, (batch, *m.shape[1:])) for m in (k, v))
            padding = padding if padding is None else np.broadcast_to(padding, (batch, padding.shape[1]))
        y = attention_forward(q, k.swapaxes(2, 3), v, None, padding, False, 0.0, 0.0, 0, 0, True, False, False, False)[0]
        return _project(a, drop, residual, y.reshape((batch, new, e)))

    def _longer_padding(self, given: Any, x: Any, ndim: int) -> _Array:
        """The mask of the positions so far with that of the new ones behind it; where none is given, nothing is masked."""
        batch, new, _ = x.shape
        old = np.zeros((batch, self._length), np.bool_) if self._padding is None else self._padding
        more = np.zeros((batch, new), old.dtype) if given is None else _padding_rows(given, x, ndim, "key_padding_mask", "t")
        if old.dtype != more.dtype:
            old, more = (np.where(m, -np.inf, 0).astype(x.dtype) if m.dtype == np.bool_ else m for m in (old, more))
        return np.concatenate((old, more), axis=1)

    def _make_room(self, batch: int, length: int) -> None:
        limit = self._max_length
        if limit is not None and length > limit:
            raise ValueError(
                f"stream: {length} positions are more than max_length={limit}; make the stream with a larger max_length, or with None "
                "to let it grow"
            )
        if self._keys and self._keys[0].shape[0] == batch and length <= self._room:
            return
        if length > self._room:
            # An odd number of cache lines: numbers a power of two apart would all fall into the same few sets of the cache.
            self._room = (((limit or max(length, 2 * self._room, _FIRST_ROOM)) + 15) // 16 | 1) * 16
        self._rebuild(np.arange(batch))

    def _rebuild(self, rows: _Array) -> None:
        """Moves what is kept of these rows of the batch to new memory."""
        n, room = self._length, self._room
        for i, layer in enumerate(self._layers):
            a = layer.self_attn
            dtype = a.in_proj_weight.dtype
            keys = np.empty((len(rows), a.num_heads, a.head_dim, room), dtype)
            values = np.empty((len(rows), a.num_heads, room, a.head_dim), dtype)
            if n:
                for to, row in enumerate(rows):
                    keys[to, :, :, :n] = self._keys[i][row, :, :, :n]
                    values[to, :, :n] = self._values[i][row, :, :n]
            self._keys[i : i + 1] = [keys]
            self._values[i : i + 1] = [values]

    def reset(self) -> None:
        """Forgets all positions; the memory, the batch and the room stay."""
        self._length = 0
        self._padding = None
        if not self._memory:
            self._ndim = self._batch = None

    def copy(self) -> TransformerStream:
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        # What is kept of the memory is never written to.
        other._keys, other._values = list(self._keys), list(self._values)
        if self._keys:
            other._rebuild(np.arange(len(self._keys[0])))
        return other

    def reorder(self, indices: Iterable[int]) -> None:
        if self._batch is None:
            raise RuntimeError("reorder: nothing is known of the batch yet; feed the first positions before")
        if self._ndim != 3:
            raise RuntimeError(f"reorder: the input is unbatched, there are no rows to reorder; feed {self._wanted(3)}")
        rows = _rows(indices, self._batch)
        if len(rows) == self._batch and np.array_equal(rows, np.arange(self._batch)):
            return
        if self._keys:
            self._rebuild(rows)
        if self._padding is not None:
            self._padding = self._padding[rows]
        # A memory of one row is the same for all.
        if self._memory and self._memory[0][0].shape[0] > 1:
            self._memory = [(k[rows], v[rows]) for k, v in self._memory]
            if self._memory_padding is not None:
                self._memory_padding = self._memory_padding[rows]
        self._batch = len(rows)


def _project(a: Any, drop: Any, residual: Any, y: Any) -> Any:
    """residual + drop(out_proj(y))"""
    weight, bias = a.out_proj.weight, a.out_proj.bias
    if _inactive(drop):
        return linear_forward(y, weight, bias, residual, F._NONE, 0, 0)
    return _add_dropped(residual, drop, linear_forward(y, weight, bias, None, F._NONE, 0, 0))


def _padding_rows(mask: Any, x: Any, ndim: int, name: str, letter: str) -> _Array:
    """A key padding mask as (N, t), floats as wide as x."""
    m: _Array = F._raw(F._mask(mask, name, x))
    expected = tuple(x.shape[:2]) if ndim == 3 else (x.shape[1],)
    if m.shape != expected:
        what = f"(N, {letter})" if ndim == 3 else f"({letter})"
        raise ShapeError(f"stream: {name} must have shape {expected}, {what}, but got {m.shape}")
    m = m if ndim == 3 else m[None]
    return m if m.dtype == np.bool_ else m.astype(x.dtype, copy=False)


def _checked_layers(module: Any, decodes: bool) -> tuple[list[Any], Module | None]:
    """The layers and the last norm of a stack (or of one layer), all known to compute what a stream computes."""
    stack, layer = (TransformerDecoder, TransformerDecoderLayer) if decodes else (TransformerEncoder, TransformerEncoderLayer)
    parts: list[tuple[str, Any]] = [("the module", module)]
    if isinstance(module, stack):
        _require_own(module, stack, "the module", ("forward",))
        parts = [(f"layers.{i}", part) for i, part in enumerate(module.layers)]
        if not parts:
            raise ValueError("stream: the module has no layers")
    for name, part in parts:
        _require_own(
            part, layer, name, ("forward", "_add_self_attention", "_sa_block", *(("_add_memory_attention", "_mha_block") * decodes))
        )
        for attention in ("self_attn", *(("multihead_attn",) * decodes)):
            a = getattr(part, attention)
            if not is_plain(a, MultiheadAttention) or a.in_proj_weight is None or a.bias_k is not None or a.add_zero_attn:
                raise TypeError(
                    f"stream: {attention} of {name} must be a MultiheadAttention without hooks, kdim, vdim, add_bias_kv and "
                    f"add_zero_attn, but is {type(a).__name__}; call the module with the whole sequence"
                )
            if (a.batch_first, a.embed_dim) != (parts[0][1].self_attn.batch_first, parts[0][1].self_attn.embed_dim):
                raise TypeError(f"stream: {attention} of {name} has another batch_first or embed_dim than the first layer")
    return [part for _, part in parts], module.norm if isinstance(module, stack) else None


def _require_own(part: Any, kind: type[Any], name: str, methods: tuple[str, ...]) -> None:
    """Throws unless the part computes by kind's own methods and nobody watches its calls, which a stream does not make."""
    own = isinstance(part, kind) and all(getattr(type(part), m) is getattr(kind, m) and m not in part.__dict__ for m in methods)
    if not own or part._forward_hooks or part._forward_pre_hooks:
        raise TypeError(
            f"stream: {name} must be a {kind.__name__} with its own forward and without hooks, but is {type(part).__name__}; "
            "call the module with the whole sequence"
        )
