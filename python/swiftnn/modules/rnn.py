"""Recurrent layers: whole sequences (RNN, LSTM, GRU) and single steps (the cells)."""

from __future__ import annotations

import math
import numbers
import warnings
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init, operators, random
from .._native import rnn_cell_forward, rnn_forward
from ..errors import ShapeError
from ..tensor import Parameter
from ..utils.rnn import PackedSequence
from ._signatures import cell, cell_pair, recurrent, recurrent_pair
from .module import Module
from .utils import Array, element_type, parameter, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from .streams import RecurrentStream

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

# Mode -> (number in swiftnn.h, gates).
_MODES = {"RNN_TANH": (0, 1), "RNN_RELU": (1, 1), "LSTM": (2, 4), "GRU": (3, 3)}


def _positive(value: Any, name: str) -> int:
    n = size(value, name)
    if n <= 0:
        raise ValueError(f"{name} must be greater than zero, but got {n}")
    return n


def _layer(mode: str) -> str:
    return mode[:3] if mode.startswith("RNN") else mode


def _refuse(unknown: dict[str, Any], layer: str) -> None:
    if "proj_size" in unknown:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if unknown:
        raise TypeError(f"{layer} got an unexpected keyword argument {next(iter(unknown))!r}")


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, checks and the call of the kernel.

    Args:
        mode: 'RNN_TANH', 'RNN_RELU', 'LSTM' or 'GRU'.
        input_size: features of the input.
        hidden_size: features of the state.
        num_layers: layers on top of each other.
        bias: False leaves b_ih and b_hh out.
        batch_first: input and output are (batch, sequence, feature).
        dropout: probability of 0 in the output of each layer but the last, while training.
        bidirectional: reads the sequence backwards too.
        proj_size: features of the projected state (LSTM), 0 for none.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: see RNN, LSTM and GRU.

    Raises:
        ValueError: an argument is out of its range.
        TypeError: an argument has the wrong type.

    Example:
        >>> [name for name, _ in nn.RNNBase("GRU", 3, 4).named_parameters()]
        ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int
    _all_weights: list[list[str]]
    # Reads what the kernel is given: five parameters for each layer and direction, None where there is none.
    _read_weights: attrgetter[tuple[Any, ...]]
    _absent = None
    # What forward passes on beside the input: made anew after an attribute or parameter has changed.
    _arguments: list[Any] | None = None

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        if isinstance(dropout, bool) or not isinstance(dropout, numbers.Real) or not 0 <= dropout <= 1:
            raise ValueError(
                f"dropout should be a number in range [0, 1] representing the probability of an element being zeroed, but got {dropout!r}"
            )
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, (bool, np.bool_)):
                raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
        self.mode = mode
        self.input_size = _positive(input_size, "input_size")
        self.hidden_size = _positive(hidden_size, "hidden_size")
        self.num_layers = _positive(num_layers, "num_layers")
        self.bias = bool(bias)
        self.batch_first = bool(batch_first)
        self.dropout = float(dropout)
        self.bidirectional = bool(bidirectional)
        self.proj_size = size(proj_size, "proj_size")
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater than 1, "
                f"but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        if self.proj_size < 0:
            raise ValueError(f"proj_size should be a positive integer or zero to disable projections, but got {proj_size}")
        if self.proj_size >= self.hidden_size:
            raise ValueError(f"proj_size has to be smaller than hidden_size, but got {proj_size} and {hidden_size}")
        if mode not in _MODES:
            raise ValueError(f"Unrecognized RNN mode: {mode!r}; expected one of {', '.join(_MODES)}")
        if self.proj_size and mode != "LSTM":
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")

        rows, out = _MODES[mode][1] * self.hidden_size, self.proj_size or self.hidden_size
        directions = ("", "_reverse") if self.bidirectional else ("",)
        self._all_weights = []
        given = []
        for layer in range(self.num_layers):
            features = self.input_size if layer == 0 else out * len(directions)
            for suffix in directions:
                shapes: list[tuple[str, int | tuple[int, ...], bool]] = [
                    ("weight_ih", (rows, features), True),
                    ("weight_hh", (rows, out), True),
                    ("bias_ih", rows, self.bias),
                    ("bias_hh", rows, self.bias),
                    ("weight_hr", (self.proj_size, self.hidden_size), self.proj_size > 0),
                ]
                names = []
                for stem, shape, present in shapes:
                    key = f"{stem}_l{layer}{suffix}"
                    given.append(key if present else "_absent")
                    if present:
                        setattr(self, key, parameter(shape, kind))
                        names.append(key)
                self._all_weights.append(names)
        self._read_weights = attrgetter(*given)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights from U(-1/√hidden_size, 1/√hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Does nothing: the kernels read the parameters where they are."""

    def stream(self, hx: Any = None) -> RecurrentStream:
        """Reads a sequence that arrives piece by piece: stream(x) returns the bits of the whole sequence's output for the next positions.

        Args:
            hx: initial state as for forward, or None for zeros.

        **Shape**: pieces (t, N, input_size), with batch_first (N, t, input_size), or (t, input_size) -> as forward's output.

        Returns: RecurrentStream, with state, length, reset(), copy() and reorder(indices).

        Raises:
            ValueError: the layer is bidirectional.
            RuntimeError: the layer is in training mode and has dropout.

        Example:
            >>> gru = nn.GRU(3, 4)
            >>> x = np.ones((5, 2, 3), np.float32)
            >>> stream = gru.stream()
            >>> np.array_equal(np.concatenate([stream(x[:3]), stream(x[3:])]), gru(x)[0])
            True
        """
        from .streams import RecurrentStream

        return RecurrentStream(self, hx)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_arguments", None)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self.__dict__.pop("_arguments", None)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_arguments", None)
        return state

    def _prepare(self) -> tuple[Any, ...]:
        # In place before the attributes are read: a list that another thread's change takes away meanwhile is filled for nobody.
        kept = self.__dict__["_arguments"] = []
        number, weights, lstm = _MODES[self.mode][0], self._read_weights(self), self.mode == "LSTM"
        drops = self.training and self.dropout > 0 and self.num_layers > 1
        arguments = (number, weights, self.num_layers, self.bidirectional, self.batch_first, lstm, self.input_size, drops)
        # A weight that the class makes anew each time, as a property, is not kept.
        if not any(hasattr(type(self), name) for name in self._flat_weights_names):
            kept.extend(arguments)
        return arguments

    def _compute(self, input: Any, states: tuple[Any, ...] | None) -> tuple[Any, Any, Any]:
        """Output and final states for the initial states (h,) or (h, c); c is None but for an LSTM."""
        number, weights, layers, bidirectional, batch_first, lstm, input_size, drops = self._arguments or self._prepare()
        if states is None and type(input) is np.ndarray and not drops:
            shape = input.shape
            if len(shape) == 3 and shape[2] == input_size:
                y, hn, cn, _ = rnn_forward(
                    number, input, None, None, weights, layers, bidirectional, batch_first, None, 0.0, 0, 0, lstm, False
                )
                return y, hn, cn
        packed = input if isinstance(input, PackedSequence) else None
        x = F._as_array(input if packed is None else packed.data, weights[0])
        mode = self.mode
        shape = x.shape
        ndim = len(shape)
        batch_sizes = None
        batched = True
        if packed is not None:
            if ndim != 2:
                raise ShapeError(f"{_layer(mode)}: the data of a PackedSequence must be 2-D, but has shape {tuple(shape)}")
            batch_sizes, batch_first = packed.batch_sizes, False
            batch = int(batch_sizes[0])
            if states is not None and packed.sorted_indices is not None:
                states = tuple(F._as_array(s)[:, packed.sorted_indices] for s in states)
        elif ndim == 3:
            batch = shape[0 if batch_first else 1]
        elif ndim == 2:
            batched, batch, batch_first = False, 1, False
        else:
            raise ShapeError(f"{_layer(mode)}: Expected input to be 2D or 3D, got {ndim}D instead")
        if shape[-1] != input_size:
            raise ShapeError(
                f"{_layer(mode)}: input.size(-1) must be equal to input_size. Expected {input_size}, got {shape[-1]} "
                f"in an input of shape {tuple(shape)}"
            )
        if states is not None:
            states = self._check_states(states, batch, batched)
        p, seed, offset = 0.0, 0, 0
        if drops:
            width = (self.proj_size or self.hidden_size) * (2 if bidirectional else 1)
            p = self.dropout
            seed, offset = random.reserve((layers - 1) * math.prod(shape[:-1]) * width)
        h, c = (None, None) if states is None else (states[0], states[1] if lstm else None)
        y, hn, cn, _ = rnn_forward(
            number, x, h, c, weights, layers, bidirectional, batch_first, batch_sizes, p, seed, offset, lstm, False
        )
        if packed is not None:
            y = PackedSequence(y, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
            if packed.unsorted_indices is not None:
                hn = operators.take(hn, packed.unsorted_indices, 1)
                cn = operators.take(cn, packed.unsorted_indices, 1) if lstm else None
        return y, hn, cn

    def _check_states(self, states: tuple[Any, ...], batch: int, batched: bool) -> tuple[Any, ...]:
        """The states, (layers, batch, features) or unbatched (layers, features)."""
        arrays = tuple(F._as_array(s) for s in states)
        ndim = 3 if batched else 2
        if any(s.ndim != ndim for s in arrays):
            kind = "batched 3-D" if batched else "unbatched 2-D"
            if len(arrays) == 1:
                raise ShapeError(f"For {kind} input, hx should also be {ndim}-D but got {arrays[0].ndim}-D tensor")
            raise ShapeError(
                f"For {kind} input, hx and cx should also be {ndim}-D but got ({arrays[0].ndim}-D, {arrays[1].ndim}-D) tensors"
            )
        layers = self.num_layers * (2 if self.bidirectional else 1)
        for i, (s, features) in enumerate(zip(arrays, (self.proj_size or self.hidden_size, self.hidden_size), strict=False)):
            expected = (layers, batch, features) if batched else (layers, features)
            if tuple(s.shape) != expected:
                name = f"hidden[{i}]" if len(arrays) > 1 else "hidden"
                raise ShapeError(f"Expected {name} size {expected}, got {list(s.shape)}")
        return arrays

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            s += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            s += f", num_layers={self.num_layers}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if self.batch_first is not False:
            s += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            s += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            s += f", bidirectional={self.bidirectional}"
        return s


class RNN(RNNBase):
    """Reads sequences with Elman's recurrent network.

    h[t] = tanh(x[t] W_ihᵀ + b_ih + h[t-1] W_hhᵀ + b_hh), or with ReLU instead of tanh

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        num_layers: layers on top of each other.
        nonlinearity: 'tanh' or 'relu'.
        bias: False leaves b_ih and b_hh out.
        batch_first: input and output are (N, L, features); the states are not affected.
        dropout: probability of 0 in the output of each layer but the last, while training.
        bidirectional: reads the sequence backwards too; D = 2, otherwise 1.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(input, hx=None): hx is the initial state, zeros if None. input may be a PackedSequence; output is one then.

    **Shape**: input (L, N, input_size), (N, L, input_size) with batch_first, or (L, input_size); hx (D·num_layers, N, H) or
    (D·num_layers, H) -> output (L, N, D·H) alike, h_n as hx.

    All parameters start from U(-1/√H, 1/√H).

    Raises:
        ValueError: an argument is out of its range.
        ShapeError: input or hx does not fit.

    Differences from PyTorch:
        A sequence of length zero gives an empty output and the initial state, where PyTorch raises; a result is contiguous also with
        `batch_first=True`.

    Example:
        >>> output, hn = nn.RNN(10, 20, 2)(np.ones((5, 3, 10), np.float32), np.zeros((2, 3, 20), np.float32))
        >>> output.shape, hn.shape
        ((5, 3, 20), (2, 3, 20))

    Reference: Elman, Finding Structure in Time (1990).
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
        **unknown: Any,
    ) -> None:
        _refuse(unknown, "RNN")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity {nonlinearity!r}. Select from 'tanh' or 'relu'.")
        mode = "RNN_TANH" if nonlinearity == "tanh" else "RNN_RELU"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity

    @recurrent
    def forward(self, input: Any, hx: Array | None = None) -> tuple[Any, Array]:
        y, h, _ = self._compute(input, None if hx is None else (hx,))
        return y, h


class LSTM(RNNBase):
    """Reads sequences with long short-term memory.

    i, f, o = σ(x[t] W_ihᵀ + b_ih + h[t-1] W_hhᵀ + b_hh), g = tanh(alike);
    c[t] = f · c[t-1] + i · g, h[t] = o · tanh(c[t]), and with proj_size h[t] = (o · tanh(c[t])) W_hrᵀ

    The rows of the weights are in the order i, f, g, o.

    Args:
        input_size: features of the input.
        hidden_size: H, features of the cell.
        num_layers: layers on top of each other.
        bias: False leaves b_ih and b_hh out.
        batch_first: input and output are (N, L, features); the states are not affected.
        dropout: probability of 0 in the output of each layer but the last, while training.
        bidirectional: reads the sequence backwards too; D = 2, otherwise 1.
        proj_size: features of the projected state h; 0 for H.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(input, hx=None): hx is the pair (h_0, c_0), zeros if None. input may be a PackedSequence; output is one then.

    **Shape**: input (L, N, input_size), (N, L, input_size) with batch_first, or (L, input_size);
    h_0 (D·num_layers, N, proj_size or H), c_0 (D·num_layers, N, H), both without N for unbatched input
    -> output (L, N, D·(proj_size or H)) alike, (h_n, c_n) as (h_0, c_0).

    All parameters start from U(-1/√H, 1/√H).

    Raises:
        ValueError: an argument is out of its range.
        ShapeError: input or hx does not fit.
        TypeError: hx is not a pair.

    Differences from PyTorch:
        A sequence of length zero gives an empty output and the initial state, where PyTorch raises; a result is contiguous also with
        `batch_first=True`.

    Example:
        >>> output, (hn, cn) = nn.LSTM(10, 20, 2)(np.ones((5, 3, 10), np.float32))
        >>> output.shape, hn.shape, cn.shape
        ((5, 3, 20), (2, 3, 20), (2, 3, 20))

    Reference: Hochreiter and Schmidhuber, Long Short-Term Memory (1997).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)

    @recurrent_pair
    def forward(self, input: Any, hx: tuple[Array, Array] | None = None) -> tuple[Any, tuple[Array, Array]]:
        y, h, c = self._compute(input, None if hx is None else _pair_of_states(hx, "LSTM"))
        return y, (h, c)


def _pair_of_states(hx: Any, layer: str) -> tuple[Any, Any]:
    if not isinstance(hx, (tuple, list)) or len(hx) != 2:
        raise TypeError(f"{layer}: hx must be a tuple of two arrays (h_0, c_0), but got {type(hx).__name__}")
    return hx[0], hx[1]


class GRU(RNNBase):
    """Reads sequences with gated recurrent units.

    r, z = σ(x[t] W_ihᵀ + b_ih + h[t-1] W_hhᵀ + b_hh), n = tanh(W_in x[t] + b_in + r · (W_hn h[t-1] + b_hn));
    h[t] = (1 - z) · n + z · h[t-1]

    The rows of the weights are in the order r, z, n.

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        num_layers: layers on top of each other.
        bias: False leaves b_ih and b_hh out.
        batch_first: input and output are (N, L, features); the states are not affected.
        dropout: probability of 0 in the output of each layer but the last, while training.
        bidirectional: reads the sequence backwards too; D = 2, otherwise 1.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(input, hx=None): hx is the initial state, zeros if None. input may be a PackedSequence; output is one then.

    **Shape**: input (L, N, input_size), (N, L, input_size) with batch_first, or (L, input_size); hx (D·num_layers, N, H) or
    (D·num_layers, H) -> output (L, N, D·H) alike, h_n as hx.

    All parameters start from U(-1/√H, 1/√H).

    Raises:
        ValueError: an argument is out of its range.
        ShapeError: input or hx does not fit.

    Differences from PyTorch:
        A sequence of length zero gives an empty output and the initial state, where PyTorch raises; a result is contiguous also with
        `batch_first=True`.

    Example:
        >>> output, hn = nn.GRU(10, 20, 2, batch_first=True)(np.ones((3, 5, 10), np.float32))
        >>> output.shape, hn.shape
        ((3, 5, 20), (2, 3, 20))

    Reference: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
        **unknown: Any,
    ) -> None:
        _refuse(unknown, "GRU")
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    @recurrent
    def forward(self, input: Any, hx: Array | None = None) -> tuple[Any, Array]:
        y, h, _ = self._compute(input, None if hx is None else (hx,))
        return y, h


class RNNCellBase(Module):
    """What the cells share: parameters, checks and the call of the kernel.

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        bias: False leaves b_ih and b_hh out.
        num_chunks: gates: rows of the weights in units of H.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: see RNNCell, LSTMCell and GRUCell.

    Raises:
        ValueError: a size is negative.

    Example:
        >>> nn.RNNCellBase(3, 4, True, num_chunks=3).weight_ih.shape
        (12, 3)
    """

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.input_size = _positive(input_size, "input_size")
        self.hidden_size = _positive(hidden_size, "hidden_size")
        self.bias = bias
        rows = num_chunks * self.hidden_size
        self.weight_ih = parameter((rows, self.input_size), kind)
        self.weight_hh = parameter((rows, self.hidden_size), kind)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, parameter(rows, kind) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights from U(-1/√hidden_size, 1/√hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, mode: int, input: Any, states: tuple[Any, ...] | None) -> tuple[Array, ...]:
        """One step of the kernel that reads whole sequences, so that both give the same bits."""
        h, c = (None, None) if states is None else (states[0], states[1] if mode == 2 else None)
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        hn, cn, _ = rnn_cell_forward(mode, input, h, c, weights, mode == 2, False)
        return (hn,) if cn is None else (hn, cn)

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            s += f", nonlinearity={getattr(self, 'nonlinearity', None)}"
        return s


class RNNCell(RNNCellBase):
    """One step of Elman's recurrent network.

    h' = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or with ReLU instead of tanh

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        bias: False leaves b_ih and b_hh out.
        nonlinearity: 'tanh' or 'relu'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: input (N, input_size) or (input_size), hx (N, H) or (H), zeros if None -> h' (N, H) or (H).

    All parameters start from U(-1/√H, 1/√H).

    Raises:
        ShapeError: input or hx does not fit.
        ValueError: nonlinearity is neither.

    Example:
        >>> nn.RNNCell(10, 20)(np.ones((3, 10), np.float32), np.zeros((3, 20), np.float32)).shape
        (3, 20)

    Reference: Elman, Finding Structure in Time (1990).
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    @cell
    def forward(self, input: Array, hx: Array | None = None) -> Array:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ShapeError(f"Unknown nonlinearity: {self.nonlinearity!r}; select from 'tanh' or 'relu'")
        return self._step(0 if self.nonlinearity == "tanh" else 1, input, None if hx is None else (hx,))[0]


class LSTMCell(RNNCellBase):
    """One step of long short-term memory.

    i, f, o = σ(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), g = tanh(alike); c' = f · c + i · g, h' = o · tanh(c')

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        bias: False leaves b_ih and b_hh out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: input (N, input_size) or (input_size), hx a pair (h, c) of (N, H) or (H), zeros if None -> (h', c') alike.

    All parameters start from U(-1/√H, 1/√H).

    Raises:
        ShapeError: input or hx does not fit.
        TypeError: hx is not a pair.

    Example:
        >>> h, c = nn.LSTMCell(10, 20)(np.ones((3, 10), np.float32))
        >>> h.shape, c.shape
        ((3, 20), (3, 20))

    Reference: Hochreiter and Schmidhuber, Long Short-Term Memory (1997).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    @cell_pair
    def forward(self, input: Array, hx: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        h, c = self._step(2, input, None if hx is None else _pair_of_states(hx, "LSTMCell"))
        return h, c


class GRUCell(RNNCellBase):
    """One step of gated recurrent units.

    r, z = σ(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), n = tanh(W_in x + b_in + r · (W_hn h + b_hn)); h' = (1 - z) · n + z · h

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        bias: False leaves b_ih and b_hh out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: input (N, input_size) or (input_size), hx (N, H) or (H), zeros if None -> h' (N, H) or (H).

    All parameters start from U(-1/√H, 1/√H).

    Raises:
        ShapeError: input or hx does not fit.

    Example:
        >>> nn.GRUCell(10, 20)(np.ones((3, 10), np.float32), np.zeros((3, 20), np.float32)).shape
        (3, 20)

    Reference: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    @cell
    def forward(self, input: Array, hx: Array | None = None) -> Array:
        return self._step(3, input, None if hx is None else (hx,))[0]
