"""The Transformer, its stacks and their layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._native import linear_forward
from ..errors import ShapeError
from ..functional.activation import _GELU, _GELU_TANH, _RELU
from ..tensor import Tensor
from .activation import GELU, ReLU
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .utils import Array, element_type, is_plain, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from .streams import TransformerStream

__all__ = ["Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]


class Transformer(Module):
    """The encoder and decoder of "Attention Is All You Need".

    y = decoder(tgt, encoder(src))

    Args:
        d_model: E, features of the inputs.
        nhead: heads of each attention, a divisor of E.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: width of the feed-forward networks.
        dropout: probability of 0 while training.
        activation: 'relu', 'gelu' or a function of arrays.
        custom_encoder: module to use as the encoder.
        custom_decoder: module to use as the decoder.
        layer_norm_eps: eps of the layer normalisations.
        batch_first: inputs and output are (N, sequence, E).
        norm_first: normalises before attention and feed-forward network instead of after.
        bias: False leaves all biases out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None, tgt_key_padding_mask=None,
    memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None, memory_is_causal=False). In masks True means that it may
    NOT be attended to, and floats are added to the scores. An is_causal of None is found out from the mask.

    **Shape**: src (S, N, E), tgt (T, N, E), with batch_first (N, S, E) and (N, T, E), or both without N; src_mask (S, S), tgt_mask
    (T, T), memory_mask (T, S), each also (N·nhead, ., .); key padding masks (N, S), (N, T), (N, S) -> as tgt.

    Matrices start from Xavier's uniform distribution.

    Raises:
        AssertionError: nhead does not divide d_model.
        ShapeError: the inputs do not fit each other or d_model.

    Differences from PyTorch:
        One computation in every mode: `eval()` gives the bits of `train()` without dropout. PyTorch's fast path takes any non-zero
        float of a mask for "blocked" and zeroes padded outputs; here float masks are added and padded positions are computed.

    Example:
        >>> model = nn.Transformer(d_model=16, nhead=4, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=32)
        >>> model(np.ones((10, 32, 16), np.float32), np.ones((20, 32, 16), np.float32)).shape
        (20, 32, 16)

    Reference: Vaswani et al., Attention Is All You Need (2017).
    """

    d_model: int
    nhead: int
    batch_first: bool
    encoder: Any
    decoder: Any

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        def layer(kind: Any) -> Any:
            return kind(
                d_model,
                nhead,
                dim_feedforward,
                dropout,
                activation,
                layer_norm_eps,
                batch_first,
                norm_first,
                bias,
                device=device,
                dtype=dtype,
            )

        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            self.encoder = TransformerEncoder(layer(TransformerEncoderLayer), num_encoder_layers, norm())
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            self.decoder = TransformerDecoder(layer(TransformerDecoderLayer), num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model = size(d_model, "d_model")
        self.nhead = size(nhead, "nhead")
        self.batch_first = batch_first

    def stream(
        self,
        src: Array,
        *,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        max_length: int | None = None,
    ) -> TransformerStream:
        """Encodes src and decodes a sequence that arrives piece by piece: decoder.stream(encoder(src)).

        stream(x) returns the bits of the whole pass with the causal tgt_mask for the next positions.

        Args:
            src: source, whole.
            src_mask: as for forward.
            src_key_padding_mask: as for forward.
            memory_key_padding_mask: as for forward.
            src_is_causal: as for forward.
            max_length: positions to make room for; more are refused. None: the room grows by doubling.

        **Shape**: src (S, N, E), with batch_first (N, S, E), or (S, E); pieces (t, N, E), with batch_first (N, t, E), or (t, E) -> alike.

        Returns: TransformerStream, with length, reset(), copy() and reorder(indices).

        Raises:
            RuntimeError: the module is in training mode and has dropout.
            TypeError: the decoder or one of its layers is not the library's own.
            ShapeError: src or a mask does not fit.

        Example:
            >>> model = nn.Transformer(16, 4, 1, 1, 32, batch_first=True).eval()
            >>> stream = model.stream(np.ones((3, 10, 16), np.float32))
            >>> stream(np.ones((3, 1, 16), np.float32)).shape, stream(np.ones((3, 4, 16), np.float32)).shape, stream.length
            ((3, 1, 16), (3, 4, 16), 5)
        """
        from .streams import _refuse_dropout

        _refuse_dropout(self)
        if not isinstance(self.decoder, TransformerDecoder):
            raise TypeError(f"stream: the decoder must be a TransformerDecoder, but is {type(self.decoder).__name__}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        memory = memory.detach() if isinstance(memory, Tensor) else memory
        return self.decoder.stream(memory, memory_key_padding_mask=memory_key_padding_mask, max_length=max_length)

    def forward(
        self,
        src: Array,
        tgt: Array,
        src_mask: Array | None = None,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Array:
        src, tgt = F._as_array(src), F._as_array(tgt)
        batch = 0 if self.batch_first else 1
        shapes = f"src {tuple(src.shape)} and tgt {tuple(tgt.shape)}"
        if src.ndim == 3 and tgt.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise ShapeError(f"the batch number of src and tgt must be equal, but got {shapes} with batch_first={self.batch_first}")
        if src.ndim == 0 or tgt.ndim == 0 or src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(f"the feature number of src and tgt must be equal to d_model={self.d_model}, but got {shapes}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: DTypeLike | None = None) -> np.ndarray[Any, Any]:
        """The mask that lets position i attend to 0 ... i only: -inf above the diagonal, else 0.

        Args:
            sz: length of the sequence.
            device: None or 'cpu'.
            dtype: float32 (None) or float64.

        **Shape**: (sz, sz).

        Raises:
            ValueError: device or dtype is another one.

        Example:
            >>> nn.Transformer.generate_square_subsequent_mask(2)
            array([[  0., -inf],
                   [  0.,   0.]], dtype=float32)
        """
        n = size(sz, "sz")
        return np.triu(np.full((n, n), -np.inf, element_type(device, dtype)), 1)

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)


class TransformerEncoder(Module):
    """A stack of encoder layers.

    y = norm(layerₙ(... layer₁(x)))

    The layers are copies of the given one: they all start with its weights.

    Args:
        encoder_layer: TransformerEncoderLayer to copy.
        num_layers: number of layers.
        norm: module for the end, or None.
        enable_nested_tensor: accepted for compatibility; padded positions are always computed.
        mask_check: accepted for compatibility.

    forward(src, mask=None, src_key_padding_mask=None, is_causal=None). An is_causal of None is found out from the mask.

    **Shape**: src (S, N, E), with batch_first (N, S, E), or (S, E); mask (S, S) or (N·nhead, S, S); src_key_padding_mask (N, S)
    or (S) -> as src.

    Raises:
        ShapeError: src or a mask does not fit.

    Differences from PyTorch:
        One computation in every mode: `eval()` gives the bits of `train()` without dropout. PyTorch's fast path takes any non-zero
        float of a mask for "blocked" and zeroes padded outputs; here float masks are added and padded positions are computed.

    Example:
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d_model=16, nhead=4, dim_feedforward=32), num_layers=2)
        >>> encoder(np.ones((10, 32, 16), np.float32)).shape
        (10, 32, 16)
    """

    layers: Any
    num_layers: int
    norm: Module | None
    enable_nested_tensor: bool
    use_nested_tensor: bool
    mask_check: bool

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = False
        self.mask_check = mask_check

    def stream(self, *, max_length: int | None = None) -> TransformerStream:
        """Reads a sequence that arrives piece by piece, each position attending to itself and to those before it.

        stream(x) returns the bits of the whole pass with the causal mask for the next positions; a new position costs the same however many
        came before, but for its attention to them.

        Args:
            max_length: positions to make room for; more are refused. None: the room grows by doubling.

        **Shape**: pieces (t, N, E), with batch_first (N, t, E), or (t, E) -> alike.

        Returns: TransformerStream, with length, reset(), copy() and reorder(indices).

        Raises:
            RuntimeError: the module is in training mode and has dropout.
            TypeError: a layer or its attention is not the library's own.

        Example:
            >>> layer = nn.TransformerEncoderLayer(d_model=16, nhead=4, dim_feedforward=32).eval()
            >>> encoder = nn.TransformerEncoder(layer, num_layers=2).eval()
            >>> x = np.ones((5, 2, 16), np.float32)
            >>> mask = nn.Transformer.generate_square_subsequent_mask(5)
            >>> stream = encoder.stream()
            >>> np.array_equal(np.concatenate([stream(x[:3]), stream(x[3:])]), encoder(x, mask))
            True
        """
        from .streams import TransformerStream

        return TransformerStream(self, max_length=max_length)

    def forward(
        self,
        src: Array,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool | None = None,
    ) -> Array:
        y = F._as_array(src)
        is_causal = _is_causal(mask, is_causal)
        for layer in self.layers:
            y = layer(y, src_mask=mask, is_causal=is_causal, src_key_padding_mask=src_key_padding_mask)
        return y if self.norm is None else self.norm(y)


class TransformerDecoder(Module):
    """A stack of decoder layers.

    y = norm(layerₙ(... layer₁(x, memory) ..., memory))

    The layers are copies of the given one: they all start with its weights.

    Args:
        decoder_layer: TransformerDecoderLayer to copy.
        num_layers: number of layers.
        norm: module for the end, or None.

    forward(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
    tgt_is_causal=None, memory_is_causal=False). A tgt_is_causal of None is found out from the mask.

    **Shape**: tgt (T, N, E), memory (S, N, E), with batch_first (N, T, E) and (N, S, E), or both without N; tgt_mask (T, T),
    memory_mask (T, S), each also (N·nhead, ., .); key padding masks (N, T) and (N, S) -> as tgt.

    Raises:
        ShapeError: an input or a mask does not fit.

    Example:
        >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(d_model=16, nhead=4, dim_feedforward=32), num_layers=2)
        >>> decoder(np.ones((20, 32, 16), np.float32), np.ones((10, 32, 16), np.float32)).shape
        (20, 32, 16)
    """

    layers: Any
    num_layers: int
    norm: Module | None

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def stream(self, memory: Array, *, memory_key_padding_mask: Array | None = None, max_length: int | None = None) -> TransformerStream:
        """Decodes a sequence that arrives piece by piece, each position attending to itself, to those before it and to memory.

        stream(x) returns the bits of the whole pass with the causal tgt_mask for the next positions. Keys and values of memory are computed
        once, those of the positions are kept: a new position costs the same however many came before, but for its attention to them.

        Args:
            memory: what the layers attend to.
            memory_key_padding_mask: as for forward.
            max_length: positions to make room for; more are refused. None: the room grows by doubling.

        **Shape**: memory (S, N, E), with batch_first (N, S, E), or (S, E); memory_key_padding_mask (N, S) or (S);
        pieces (t, N, E), with batch_first (N, t, E), or (t, E) -> alike.

        Returns: TransformerStream, with length, reset(), copy() and reorder(indices).

        Raises:
            RuntimeError: the module is in training mode and has dropout.
            TypeError: a layer or its attention is not the library's own.
            ShapeError: memory or its mask does not fit.

        Example:
            >>> layer = nn.TransformerDecoderLayer(d_model=16, nhead=4, dim_feedforward=32).eval()
            >>> decoder = nn.TransformerDecoder(layer, num_layers=2).eval()
            >>> memory, x = np.ones((7, 2, 16), np.float32), np.ones((5, 2, 16), np.float32)
            >>> mask = nn.Transformer.generate_square_subsequent_mask(5)
            >>> stream = decoder.stream(memory)
            >>> np.array_equal(np.concatenate([stream(x[:3]), stream(x[3:])]), decoder(x, memory, mask))
            True
        """
        from .streams import TransformerStream

        return TransformerStream(self, memory, memory_key_padding_mask, max_length)

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Array:
        y, memory = F._as_array(tgt), F._as_array(memory)
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal)
        for layer in self.layers:
            y = layer(
                y,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return y if self.norm is None else self.norm(y)


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network, each with a residual connection and layer normalisation.

    x = norm1(x + dropout1(self_attn(x))), y = norm2(x + dropout2(linear2(dropout(activation(linear1(x))))));
    with norm_first x = x + dropout1(self_attn(norm1(x))), y = x + dropout2(linear2(dropout(activation(linear1(norm2(x))))))

    Args:
        d_model: E, features of the input.
        nhead: heads of the attention, a divisor of E.
        dim_feedforward: width of the feed-forward network.
        dropout: probability of 0 while training.
        activation: 'relu', 'gelu' or a function of arrays.
        layer_norm_eps: eps of the layer normalisations.
        batch_first: input and output are (N, S, E).
        norm_first: normalises before attention and feed-forward network instead of after.
        bias: False leaves all biases out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(src, src_mask=None, src_key_padding_mask=None, is_causal=False). In masks True means that it may NOT be attended to, and
    floats are added to the scores.

    **Shape**: src (S, N, E), with batch_first (N, S, E), or (S, E); src_mask (S, S) or (N·nhead, S, S); src_key_padding_mask (N, S)
    or (S) -> as src.

    Raises:
        AssertionError: nhead does not divide d_model.
        ValueError: activation is an unknown string.
        ShapeError: src or a mask does not fit.

    Differences from PyTorch:
        One computation in every mode: `eval()` gives the bits of `train()` without dropout. PyTorch's fast path takes any non-zero
        float of a mask for "blocked" and zeroes padded outputs; here float masks are added and padded positions are computed.

    Example:
        >>> nn.TransformerEncoderLayer(d_model=16, nhead=4, dim_feedforward=32)(np.ones((10, 32, 16), np.float32)).shape
        (10, 32, 16)

    Reference: Vaswani et al., Attention Is All You Need (2017).
    """

    self_attn: MultiheadAttention
    linear1: Linear
    dropout: Dropout
    linear2: Linear
    norm_first: bool
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    activation: Any
    activation_relu_or_gelu: int

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, device=device, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, device=device, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, device=device, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation_function(activation)
        if self.activation is F.relu or isinstance(self.activation, ReLU):
            self.activation_relu_or_gelu = 1
        elif self.activation is F.gelu or isinstance(self.activation, GELU):
            self.activation_relu_or_gelu = 2
        else:
            self.activation_relu_or_gelu = 0

    def stream(self, *, max_length: int | None = None) -> TransformerStream:
        """Reads a sequence that arrives piece by piece, each position attending to itself and to those before it.

        stream(x) returns the bits of the whole pass with the causal mask for the next positions; a new position costs the same however many
        came before, but for its attention to them.

        Args:
            max_length: positions to make room for; more are refused. None: the room grows by doubling.

        **Shape**: pieces (t, N, E), with batch_first (N, t, E), or (t, E) -> alike.

        Returns: TransformerStream, with length, reset(), copy() and reorder(indices).

        Raises:
            RuntimeError: the module is in training mode and has dropout.
            TypeError: a layer or its attention is not the library's own.

        Example:
            >>> layer = nn.TransformerEncoderLayer(d_model=16, nhead=4, dim_feedforward=32).eval()
            >>> x = np.ones((5, 2, 16), np.float32)
            >>> mask = nn.Transformer.generate_square_subsequent_mask(5)
            >>> stream = layer.stream()
            >>> np.array_equal(np.concatenate([stream(x[:3]), stream(x[3:])]), layer(x, mask))
            True
        """
        from .streams import TransformerStream

        return TransformerStream(self, max_length=max_length)

    def forward(
        self,
        src: Array,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
    ) -> Array:
        x = F._as_array(src)
        if self.norm_first:
            x = self._add_self_attention(x, self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return self._add_feed_forward(x, self.norm2(x))
        x = self.norm1(self._add_self_attention(x, x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(self._add_feed_forward(x, x))

    def _add_self_attention(self, residual: Array, x: Array, mask: Array | None, padding: Array | None, is_causal: bool) -> Array:
        if type(self)._sa_block is not TransformerEncoderLayer._sa_block:
            return residual + self._sa_block(x, mask, padding, is_causal=is_causal)
        return _add_attention(residual, self.self_attn, self.dropout1, x, x, mask, padding, is_causal)

    def _add_feed_forward(self, residual: Array, x: Array) -> Array:
        if type(self)._ff_block is not TransformerEncoderLayer._ff_block:
            return residual + self._ff_block(x)
        return _add_network(residual, self, self.dropout2, x)

    def _sa_block(self, x: Array, attn_mask: Array | None, key_padding_mask: Array | None, is_causal: bool = False) -> Array:
        """The attention without the residual: what subclasses replace."""
        y, _ = self.self_attn(x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, need_weights=False, is_causal=is_causal)
        return self.dropout1(y)

    def _ff_block(self, x: Array) -> Array:
        """The feed-forward network without the residual: what subclasses replace."""
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's output and a feed-forward network, each with residual and layer normalisation.

    x = norm1(x + dropout1(self_attn(x))), x = norm2(x + dropout2(multihead_attn(x, memory))),
    y = norm3(x + dropout3(linear2(dropout(activation(linear1(x)))))); with norm_first each normalises its block's input instead

    Args:
        d_model: E, features of the inputs.
        nhead: heads of each attention, a divisor of E.
        dim_feedforward: width of the feed-forward network.
        dropout: probability of 0 while training.
        activation: 'relu', 'gelu' or a function of arrays.
        layer_norm_eps: eps of the layer normalisations.
        batch_first: inputs and output are (N, sequence, E).
        norm_first: normalises before attention and feed-forward network instead of after.
        bias: False leaves all biases out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
    tgt_is_causal=False, memory_is_causal=False). In masks True means that it may NOT be attended to, and floats are added to the
    scores.

    **Shape**: tgt (T, N, E), memory (S, N, E), with batch_first (N, T, E) and (N, S, E), or both without N; tgt_mask (T, T),
    memory_mask (T, S), each also (N·nhead, ., .); key padding masks (N, T) and (N, S) -> as tgt.

    Raises:
        AssertionError: nhead does not divide d_model.
        ValueError: activation is an unknown string.
        ShapeError: an input or a mask does not fit.

    Example:
        >>> layer = nn.TransformerDecoderLayer(d_model=16, nhead=4, dim_feedforward=32)
        >>> layer(np.ones((20, 32, 16), np.float32), np.ones((10, 32, 16), np.float32)).shape
        (20, 32, 16)

    Reference: Vaswani et al., Attention Is All You Need (2017).
    """

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention
    linear1: Linear
    dropout: Dropout
    linear2: Linear
    norm_first: bool
    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    dropout3: Dropout
    activation: Any

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, device=device, dtype=dtype)
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, device=device, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, device=device, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation_function(activation)

    def stream(self, memory: Array, *, memory_key_padding_mask: Array | None = None, max_length: int | None = None) -> TransformerStream:
        """Decodes a sequence that arrives piece by piece, each position attending to itself, to those before it and to memory.

        stream(x) returns the bits of the whole pass with the causal tgt_mask for the next positions. Keys and values of memory are computed
        once, those of the positions are kept: a new position costs the same however many came before, but for its attention to them.

        Args:
            memory: what the layers attend to.
            memory_key_padding_mask: as for forward.
            max_length: positions to make room for; more are refused. None: the room grows by doubling.

        **Shape**: memory (S, N, E), with batch_first (N, S, E), or (S, E); memory_key_padding_mask (N, S) or (S);
        pieces (t, N, E), with batch_first (N, t, E), or (t, E) -> alike.

        Returns: TransformerStream, with length, reset(), copy() and reorder(indices).

        Raises:
            RuntimeError: the module is in training mode and has dropout.
            TypeError: a layer or its attention is not the library's own.
            ShapeError: memory or its mask does not fit.

        Example:
            >>> layer = nn.TransformerDecoderLayer(d_model=16, nhead=4, dim_feedforward=32).eval()
            >>> memory, x = np.ones((7, 2, 16), np.float32), np.ones((5, 2, 16), np.float32)
            >>> mask = nn.Transformer.generate_square_subsequent_mask(5)
            >>> stream = layer.stream(memory)
            >>> np.array_equal(np.concatenate([stream(x[:3]), stream(x[3:])]), layer(x, memory, mask))
            True
        """
        from .streams import TransformerStream

        return TransformerStream(self, memory, memory_key_padding_mask, max_length)

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Array:
        x, memory = F._as_array(tgt), F._as_array(memory)
        if self.norm_first:
            x = self._add_self_attention(x, self.norm1(x), tgt_mask, tgt_key_padding_mask, tgt_is_causal)
            x = self._add_memory_attention(x, self.norm2(x), memory, memory_mask, memory_key_padding_mask, memory_is_causal)
            return self._add_feed_forward(x, self.norm3(x))
        x = self.norm1(self._add_self_attention(x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal))
        x = self.norm2(self._add_memory_attention(x, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal))
        return self.norm3(self._add_feed_forward(x, x))

    def _add_self_attention(self, residual: Array, x: Array, mask: Array | None, padding: Array | None, is_causal: bool) -> Array:
        if type(self)._sa_block is not TransformerDecoderLayer._sa_block:
            return residual + self._sa_block(x, mask, padding, is_causal)
        return _add_attention(residual, self.self_attn, self.dropout1, x, x, mask, padding, is_causal)

    def _add_memory_attention(
        self, residual: Array, x: Array, memory: Array, mask: Array | None, padding: Array | None, is_causal: bool
    ) -> Array:
        if type(self)._mha_block is not TransformerDecoderLayer._mha_block:
            return residual + self._mha_block(x, memory, mask, padding, is_causal)
        return _add_attention(residual, self.multihead_attn, self.dropout2, x, memory, mask, padding, is_causal)

    def _add_feed_forward(self, residual: Array, x: Array) -> Array:
        if type(self)._ff_block is not TransformerDecoderLayer._ff_block:
            return residual + self._ff_block(x)
        return _add_network(residual, self, self.dropout3, x)

    def _sa_block(self, x: Array, attn_mask: Array | None, key_padding_mask: Array | None, is_causal: bool = False) -> Array:
        """The self-attention without the residual: what subclasses replace."""
        y, _ = self.self_attn(x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal, need_weights=False)
        return self.dropout1(y)

    def _mha_block(self, x: Array, mem: Array, attn_mask: Array | None, key_padding_mask: Array | None, is_causal: bool = False) -> Array:
        """The attention to the memory without the residual: what subclasses replace."""
        y, _ = self.multihead_attn(
            x, mem, mem, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal, need_weights=False
        )
        return self.dropout2(y)

    def _ff_block(self, x: Array) -> Array:
        """The feed-forward network without the residual: what subclasses replace."""
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def _clones(module: Module, n: int) -> ModuleList:
    from copy import deepcopy

    return ModuleList([deepcopy(module) for _ in range(n)])


def _activation_function(activation: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        if not callable(activation):
            raise TypeError(f"activation must be 'relu', 'gelu' or a function of arrays, but got {activation!r}")
        return activation
    if activation == "relu":
        return F.relu
    if activation == "gelu":
        return F.gelu
    # ShapeError is the one type that code for either library catches.
    raise ShapeError(f"activation should be relu/gelu, not {activation}; other functions can be given as such, e.g. F.{activation}")


def _is_causal(mask: Any, is_causal: bool | None) -> bool:
    """The hint, or without one whether mask is the causal mask."""
    if is_causal is not None or mask is None:
        return bool(is_causal)
    m = F._raw(mask)
    if m.ndim != 2 or m.shape[0] != m.shape[1] or m.dtype.kind not in "bf":
        return False
    n = m.shape[0]
    # The corner tells almost every other mask apart before anything of size n² is made.
    if n > 1 and (m[0, -1] == 0 or m[-1, 0] != 0):
        return False
    blocked = np.triu(np.ones((n, n), np.bool_), 1)
    return bool(np.array_equal(m, blocked if m.dtype.kind == "b" else np.where(blocked, m.dtype.type(-np.inf), m.dtype.type(0))))


def _inactive(drop: Any) -> bool:
    return is_plain(drop, Dropout) and (not drop.training or drop.p == 0)


def _add_dropped(residual: Array, drop: Any, y: Array) -> Array:
    """residual + drop(y)"""
    if is_plain(drop, Dropout) and not _inactive(drop):
        return F._dropout(y, residual, drop.p)
    return residual + drop(y)


def _add_attention(
    residual: Array, attention: Any, drop: Any, x: Array, memory: Array, mask: Array | None, padding: Array | None, is_causal: bool
) -> Array:
    """residual + drop(attention(x, memory, memory)), the addition merged into the last step where nothing lies between."""
    if is_plain(attention, MultiheadAttention):
        merged = _inactive(drop)
        y = attention._attend(x, memory, memory, padding, False, mask, True, is_causal, residual if merged else None)[0]
        if merged:
            return y
    else:
        y = attention(x, memory, memory, attn_mask=mask, key_padding_mask=padding, need_weights=False, is_causal=is_causal)[0]
    return _add_dropped(residual, drop, y)


def _add_network(residual: Array, layer: Any, drop: Any, x: Array) -> Array:
    """residual + drop(linear2(dropout(activation(linear1(x))))), with activation and addition merged into the linear maps."""
    first, second = layer.linear1, layer.linear2
    code = _activation_code(layer.activation)
    if code is not None and is_plain(first, Linear):
        h = linear_forward(x, first.weight, first.bias, None, code, 0, 0)
    else:
        h = layer.activation(first(x))
    h = layer.dropout(h)
    if is_plain(second, Linear) and _inactive(drop):
        return linear_forward(h, second.weight, second.bias, residual, -1, 0, 0)
    return _add_dropped(residual, drop, second(h))


def _activation_code(activation: Any) -> int | None:
    """The number of swiftnn.h of an activation that the linear map can apply itself."""
    if activation is F.relu or is_plain(activation, ReLU):
        return _RELU
    if activation is F.gelu:
        return _GELU
    if is_plain(activation, GELU):
        return {"none": _GELU, "tanh": _GELU_TANH}.get(activation.approximate)
    return None
