"""Multi-head attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import functional as F
from .. import init
from ..errors import ArgumentError
from ..tensor import Parameter
from .linear import NonDynamicallyQuantizableLinear
from .module import Module
from .utils import Array, element_type, parameter, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Lets each position of one sequence attend to the positions of another in several ways at once.

    y = concat(head₁, ..., headₙ) W_oᵀ + b_o, headᵢ = softmax(Qᵢ Kᵢᵀ / √head_dim + masks) Vᵢ,
    with Q, K, V = query W_qᵀ + b_q, key W_kᵀ + b_k, value W_vᵀ + b_v

    A position that may attend to nothing gives zeros before the output projection, and zeros as weights.

    Args:
        embed_dim: E, features of query and output.
        num_heads: number of heads, a divisor of E; head_dim = E / num_heads.
        dropout: probability with which a weight is set to 0 while training.
        bias: False leaves the biases of the projections out.
        add_bias_kv: appends a learned key and value.
        add_zero_attn: appends a key and value of zeros.
        kdim: features of key; None: E.
        vdim: features of value; None: E.
        batch_first: inputs and output are (N, sequence, features).
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    forward(query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True, is_causal=False)
    returns (output, weights or None). In both masks True means that it may NOT be attended to, and floats are added to the scores.
    is_causal=True without attn_mask lets position i attend to 0 ... i only; with one it is a hint that attn_mask is that mask.

    **Shape**: query (L, N, E), key (S, N, kdim), value (S, N, vdim), with batch_first (N, L, E) and so on, or all without N;
    key_padding_mask (N, S) or (S); attn_mask (L, S) or (N·num_heads, L, S)
    -> output as query; weights (N, L, S), with average_attn_weights=False (N, num_heads, L, S), or both without N.

    The in-projections start from Xavier's uniform distribution, their biases and the output's as 0, bias_k and bias_v from
    Xavier's normal distribution.

    Raises:
        ValueError: a size is not positive.
        AssertionError: num_heads does not divide embed_dim, or a mask is neither of bools nor of floats.
        ShapeError: the inputs or masks do not fit.

    Differences from PyTorch:
        A query that may attend to nothing gets zeros, with and without weights, where PyTorch gives NaN or zeros depending
        on the path; `is_causal=True` needs no mask and works with `need_weights=True`.

    Example:
        >>> attention = nn.MultiheadAttention(embed_dim=8, num_heads=2, batch_first=True)
        >>> x = np.ones((3, 5, 8), np.float32)
        >>> y, weights = attention(x, x, x)
        >>> y.shape, weights.shape
        ((3, 5, 8), (3, 5, 5))

    Reference: Vaswani et al., Attention Is All You Need (2017).
    """

    embed_dim: int
    kdim: int
    vdim: int
    num_heads: int
    dropout: float
    batch_first: bool
    head_dim: int
    add_zero_attn: bool
    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None
    out_proj: NonDynamicallyQuantizableLinear
    _qkv_same_embed_dim: bool

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        e = self.embed_dim = size(embed_dim, "embed_dim")
        self.num_heads = size(num_heads, "num_heads")
        if e <= 0 or self.num_heads <= 0:
            raise ValueError(f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead")
        self.kdim = e if kdim is None else size(kdim, "kdim")
        self.vdim = e if vdim is None else size(vdim, "vdim")
        self._qkv_same_embed_dim = self.kdim == e and self.vdim == e
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = e // self.num_heads
        if self.head_dim * self.num_heads != e:
            raise ArgumentError(f"embed_dim must be divisible by num_heads, but got embed_dim={e} and num_heads={self.num_heads}")
        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter((3 * e, e), kind)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = parameter((e, e), kind)
            self.k_proj_weight = parameter((e, self.kdim), kind)
            self.v_proj_weight = parameter((e, self.vdim), kind)
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", parameter(3 * e, kind) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(e, e, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k = parameter((1, 1, e), kind)
            self.bias_v = parameter((1, 1, e), kind)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Array, Array | None]:
        return self._attend(query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal, None)

    def _attend(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None,
        need_weights: bool,
        attn_mask: Array | None,
        average_attn_weights: bool,
        is_causal: bool,
        residual: Array | None,
    ) -> tuple[Array, Array | None]:
        """forward whose output projection also adds residual, which saves the Transformer a pass over memory."""
        same = self._qkv_same_embed_dim
        return F._multi_head_attention(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            None if same else (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight),
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout if self.training else 0.0,
            self.out_proj.weight,
            self.out_proj.bias,
            key_padding_mask,
            need_weights,
            attn_mask,
            average_attn_weights,
            is_causal,
            batch_first=self.batch_first,
            residual=residual,
        )
