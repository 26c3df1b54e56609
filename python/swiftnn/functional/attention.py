"""Attention."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import operators, random
from .._native import attention_forward, linear_forward
from ..errors import ArgumentError, AttentionShapeError, ShapeError
from ..tape import operation
from ..tensor import Tensor
from ._arguments import _NONE, Array, _as_array, _beside, _raw
from ._signatures import query_key_value
from .dropouts import _check_probability

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


@query_key_value
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """Weights values by how well their keys match the queries.

    y = softmax(scale · Q Kᵀ + mask) V

    A query that may attend to nothing gives zeros.

    Args:
        query: array (*, nh, L, E).
        key: array (*, nh, S, E).
        value: array (*, nh, S, Ev).
        attn_mask: array whose shape broadcasts to (*, nh, L, S): floats are added, a bool True MAY attend (the opposite of
            MultiheadAttention).
        dropout_p: probability with which a weight is set to 0. It is applied whenever it is positive.
        is_causal: query i may attend to keys 0 ... i only.
        scale: None: 1/√E.
        enable_gqa: lets key and value have fewer heads, a divisor of query's.

    **Shape**: (*, nh, L, E), (*, nh, S, E), (*, nh, S, Ev) -> (*, nh, L, Ev).

    Raises:
        ShapeError: the shapes do not fit each other.
        ValueError: attn_mask and is_causal are both given.

    Example:
        >>> q = np.ones((1, 2, 5, 8))
        >>> nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
        (1, 2, 5, 8)

    Reference: Vaswani et al., Attention Is All You Need (2017).
    """
    q, k, v = _as_array(query), _as_array(key), _as_array(value)
    for name, a in (("query", q), ("key", k), ("value", v)):
        if a.ndim < 2:
            raise ShapeError(f"{name} must have at least 2 dimensions, but got shape {tuple(a.shape)}")
    if attn_mask is not None:
        if is_causal:
            raise ShapeError("attn_mask and is_causal=True cannot be given together; put the causal mask into attn_mask")
        mask = _mask(attn_mask, "attn_mask", q)
        attn_mask = np.logical_not(_raw(mask)) if mask.dtype == np.bool_ else mask
    _check_probability(dropout_p)
    lead = tuple(q.shape[:-2])
    if q.ndim != 4 or k.ndim != 4 or v.ndim != 4:
        q, k, v, attn_mask = _four_dimensions(q, k, v, attn_mask)
    if not enable_gqa and k.shape[1] not in (1, q.shape[1]):
        raise ShapeError(
            f"key has {k.shape[1]} heads and query {q.shape[1]}: pass enable_gqa=True to share the keys, or give them as many heads"
        )
    # The operation reads scale 0 as "the default", so a literal 0 becomes a number that rounds to it.
    scale = 0.0 if scale is None else scale or 1e-300
    y = _attention(q, k, v, attn_mask, None, is_causal, scale, dropout_p, 0, False, False)[0]
    return y if len(lead) == 2 else y.reshape((*lead, *y.shape[-2:]))


def _four_dimensions(q: Any, k: Any, v: Any, mask: Any) -> tuple[Any, Any, Any, Any]:
    """Any number of leading dimensions as (batch, heads)."""
    if max(q.ndim, k.ndim, v.ndim) <= 4:
        missing = (None,) * (4 - q.ndim)
        return q[missing], k[(None,) * (4 - k.ndim)], v[(None,) * (4 - v.ndim)], mask
    lead, (length, source) = tuple(q.shape[:-3]), (q.shape[-2], k.shape[-2])
    if tuple(k.shape[:-3]) != lead or tuple(v.shape[:-3]) != lead:
        raise ShapeError(f"query, key and value must have the same leading dimensions, but got {q.shape}, {k.shape} and {v.shape}")
    batch = math.prod(lead)
    if mask is not None and mask.ndim > 3:
        heads = mask.shape[-3]
        mask = operators.broadcast_to(mask, (*lead, heads, length, source)).reshape((batch, heads, length, source))
    return (*(a.reshape((batch, *a.shape[-3:])) for a in (q, k, v)), mask)


def _attention(
    q: Any, k: Any, v: Any, mask: Any, padding: Any, causal: bool, scale: float, p: float, heads_last: int, average: bool, weights: bool
) -> tuple[Array, Array | None]:
    if isinstance(padding, Tensor) and padding.requires_grad and padding.dtype != np.bool_:
        # The operation has a gradient for one mask.
        padding = padding.reshape((padding.shape[0], 1, 1, padding.shape[1]))
        if mask is not None:
            mask = operators.masked_fill(np.zeros(mask.shape, padding.dtype), mask, -np.inf) if mask.dtype == np.bool_ else mask
            padding = padding + mask
        mask, padding = padding, None
    seed, offset = random.reserve(q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2]) if p > 0 else (0, 0)
    y, w, _ = attention_forward(q, k, v, mask, padding, causal, scale, p, seed, offset, heads_last, average, weights, False)
    return y, w


def _mask(mask: Any, name: str, x: Any) -> Any:
    """A mask as the attention takes it: bools, or floats of any width (NumPy makes float64 where nothing else is said)."""
    m = _beside(_as_array(mask), x)
    if m.dtype.kind not in "bf":
        raise ArgumentError(f"only bool and floating types of {name} are supported, but got {m.dtype}; use {name}.astype(bool)")
    return m


def multi_head_attention_forward(
    query: Array,
    key: Array,
    value: Array,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Array | None,
    in_proj_bias: Array | None,
    bias_k: Array | None,
    bias_v: Array | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Array,
    out_proj_bias: Array | None,
    training: bool = True,
    key_padding_mask: Array | None = None,
    need_weights: bool = True,
    attn_mask: Array | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Array | None = None,
    k_proj_weight: Array | None = None,
    v_proj_weight: Array | None = None,
    static_k: Array | None = None,
    static_v: Array | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Array, Array | None]:
    """The computation of MultiheadAttention with all its parameters as arguments.

    y = concat(head₁, ..., headₙ) W_oᵀ + b_o, headᵢ = softmax(Qᵢ Kᵢᵀ / √head_dim + masks) Vᵢ

    Args:
        query: array (L, N, E) or (L, E).
        key: array (S, N, Ek) or (S, Ek).
        value: array (S, N, Ev) or (S, Ev).
        embed_dim_to_check: E.
        num_heads: number of heads, a divisor of E.
        in_proj_weight: array (3E, E), the projections of query, key and value below each other.
        in_proj_bias: array (3E), or None.
        bias_k: array (1, 1, E), a key to append; or None.
        bias_v: array (1, 1, E), its value; or None.
        add_zero_attn: appends a key and a value of zeros.
        dropout_p: probability with which a weight is set to 0 in training.
        out_proj_weight: array (E, E).
        out_proj_bias: array (E), or None.
        training: False: no dropout.
        key_padding_mask: array (N, S) or (S): True may NOT be attended to, floats are added.
        need_weights: returns the weights too.
        attn_mask: array (L, S) or (N·num_heads, L, S): True may NOT attend, floats are added.
        use_separate_proj_weight: takes q_proj_weight, k_proj_weight and v_proj_weight instead of in_proj_weight.
        q_proj_weight: array (E, E).
        k_proj_weight: array (E, Ek).
        v_proj_weight: array (E, Ev).
        static_k: array (N·num_heads, S, E/num_heads) to use as the projected keys.
        static_v: array (N·num_heads, S, E/num_heads) to use as the projected values.
        average_attn_weights: averages the weights over the heads.
        is_causal: query i may attend to keys 0 ... i only.

    **Shape**: (L, N, E) -> ((L, N, E), (N, L, S) or (N, num_heads, L, S) or None).

    Raises:
        ShapeError: the shapes do not fit each other.

    Example:
        >>> x = np.ones((5, 2, 4))
        >>> w, o = np.ones((12, 4)), np.ones((4, 4))
        >>> y, a = nn.functional.multi_head_attention_forward(x, x, x, 4, 2, w, None, None, None, False, 0.0, o, None)
        >>> y.shape, a.shape
        ((5, 2, 4), (2, 5, 5))
    """
    embed_dim, heads = operator.index(embed_dim_to_check), operator.index(num_heads)
    if heads < 1 or embed_dim % heads:
        raise AttentionShapeError(f"embed_dim_to_check={embed_dim} must be divisible by num_heads={heads}")
    return _multi_head_attention(
        query,
        key,
        value,
        embed_dim,
        heads,
        None if use_separate_proj_weight else in_proj_weight,
        (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None,
        in_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p if training else 0.0,
        out_proj_weight,
        out_proj_bias,
        key_padding_mask,
        need_weights,
        attn_mask,
        average_attn_weights,
        is_causal,
        static_k=static_k,
        static_v=static_v,
    )


def _multi_head_attention(
    query: Any,
    key: Any,
    value: Any,
    embed_dim: int,
    num_heads: int,
    in_proj_weight: Any,
    separate_weights: tuple[Any, Any, Any] | None,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    key_padding_mask: Any,
    need_weights: bool,
    attn_mask: Any,
    average_attn_weights: bool,
    is_causal: bool,
    *,
    batch_first: bool = False,
    residual: Any = None,
    static_k: Any = None,
    static_v: Any = None,
) -> tuple[Array, Array | None]:
    """residual + attention, with the sequence dimension first or second. No head is copied: the operation reads strided views."""
    out_proj_weight = _as_array(out_proj_weight)
    x = _as_array(query, out_proj_weight)
    x_key = x if key is query else _as_array(key, out_proj_weight)
    x_value = x_key if value is key else x if value is query else _as_array(value, out_proj_weight)
    if key_padding_mask is not None:
        key_padding_mask = _mask(key_padding_mask, "key_padding_mask", x)
    if attn_mask is not None:
        attn_mask = _mask(attn_mask, "attn_mask", x)
    batched = x.ndim == 3
    seq, bat = (1, 0) if batch_first or not batched else (0, 1)
    _check_attention(x, x_key, x_value, key_padding_mask, attn_mask, embed_dim, num_heads, batched, seq, bat, separate_weights is not None)
    if not batched:
        one_key, one_value = x_key is x, x_value is x_key
        x = x[None]
        x_key = x if one_key else x_key[None]
        x_value = x_key if one_value else x_value[None]
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask[None]
    shape = x.shape
    length, batch = shape[seq], shape[bat]
    head_dim = embed_dim // num_heads

    def project(y: Any, first: int, last: int) -> Any:
        """Projections first ... last-1 of query, key and value, from their rows of the weights, each as (N, nh, L, hd)."""
        n = last - first
        if separate_weights is None:
            y = linear_forward(y, in_proj_weight, in_proj_bias, None, _NONE, first * embed_dim, n * embed_dim)
        else:
            b = None if in_proj_bias is None else _beside(in_proj_bias, y)[first * embed_dim : last * embed_dim]
            y = linear_forward(y, separate_weights[first], b, None, _NONE, 0, 0)
        return _heads(y, n, num_heads, bool(seq))

    if separate_weights is None and x_key is x_value:
        if x is x_key:
            q, k, v = project(x, 0, 3)
        else:
            (q,) = project(x, 0, 1)
            k, v = project(x_key, 1, 3)
    else:
        q, k, v = project(x, 0, 1)[0], project(x_key, 1, 2)[0], project(x_value, 2, 3)[0]
    if static_k is not None:
        k = _static(static_k, "static_k", batch, num_heads, head_dim)
    if static_v is not None:
        v = _static(static_v, "static_v", batch, num_heads, head_dim)

    if attn_mask is not None and attn_mask.ndim == 3:
        attn_mask = attn_mask.reshape((batch, num_heads, length, k.shape[2]))
    extra = (bias_k is not None) + bool(add_zero_attn)
    # With a mask is_causal is a promise about it, kept here only where nothing else is asked for (as in PyTorch).
    if is_causal and attn_mask is not None:
        if key_padding_mask is None and not need_weights and not extra:
            attn_mask = None
        else:
            is_causal = False
    if extra:
        if is_causal:
            attn_mask, is_causal = np.triu(np.ones((length, k.shape[2]), np.bool_), 1), False
        if (bias_k is None) != (bias_v is None):
            raise ArgumentError("bias_k and bias_v must both be given or both be None")
        if bias_k is not None:
            if static_k is not None or static_v is not None:
                raise ArgumentError("bias_k and bias_v cannot be added to static_k or static_v")
            k, v = (_append(a, _beside(b, a).reshape((1, num_heads, 1, head_dim))) for a, b in ((k, bias_k), (v, bias_v)))
        if add_zero_attn:
            zeros = np.zeros((1, 1, 1, 1), k.dtype)
            k, v = _append(k, zeros), _append(v, zeros)
        # What is appended may always be attended to.
        if attn_mask is not None:
            attn_mask = _append(attn_mask, np.zeros((1,) * attn_mask.ndim, attn_mask.dtype), -1, extra)
        if key_padding_mask is not None:
            key_padding_mask = _append(key_padding_mask, np.zeros((1, 1), key_padding_mask.dtype), -1, extra)
    heads_last = 1 if seq else 2
    y, weights = _attention(q, k, v, attn_mask, key_padding_mask, is_causal, 0.0, dropout_p, heads_last, average_attn_weights, need_weights)
    y = y.reshape((*shape[:2], embed_dim) if batched else (length, embed_dim))
    if not batched:
        weights = weights if weights is None else weights[0]
    return linear_forward(y, out_proj_weight, out_proj_bias, residual, _NONE, 0, 0), weights


@operation
def _heads(y: Any, n: int, num_heads: int, batch_first: bool) -> tuple[Any, Any]:
    """The n parts of (N, L, n·nh·hd), or of (L, N, n·nh·hd) without batch_first, as views (N, nh, L, hd)."""
    shape, dtype = y.shape, y.dtype

    def parts(y: Any) -> Any:
        heads = y.reshape((*shape[:2], n, num_heads, shape[2] // (n * num_heads)))
        return heads.transpose((2, 0, 3, 1, 4) if batch_first else (2, 1, 3, 0, 4))

    def backward(grads: Any, _: Any) -> Any:
        dy = np.empty(shape, dtype)
        for part, gradient in zip(parts(dy), grads, strict=True):
            part[...] = 0 if gradient is None else gradient
        return dy, None, None, None

    return tuple(parts(y)), backward


def _append(a: Any, entry: Any, axis: int = 2, times: int = 1) -> Any:
    """a with `entry`, broadcast to its other dimensions, put behind it."""
    shape = list(a.shape)
    shape[axis] = times
    return operators.cat([a, operators.broadcast_to(entry, shape)], axis % a.ndim)


def _static(a: Any, name: str, batch: int, num_heads: int, head_dim: int) -> Any:
    a = _as_array(a)
    if a.ndim != 3 or a.shape[0] != batch * num_heads or a.shape[2] != head_dim:
        raise AttentionShapeError(f"{name} must have shape ({batch * num_heads}, S, {head_dim}), but got {tuple(a.shape)}")
    return a.reshape((batch, num_heads, a.shape[1], head_dim))


def _check_attention(
    x: Any,
    key: Any,
    value: Any,
    key_padding_mask: Any,
    attn_mask: Any,
    embed_dim: int,
    num_heads: int,
    batched: bool,
    seq: int,
    bat: int,
    separate: bool,
) -> None:
    """Errors in terms of the caller's arrays; what remains, the operations check."""
    if x is key is value and key_padding_mask is None and attn_mask is None and x.ndim in (2, 3) and x.shape[-1] == embed_dim:
        return
    ndim = x.ndim
    if ndim not in (2, 3):
        raise AttentionShapeError(f"query must be 2-D (unbatched) or 3-D (batched), but got shape {tuple(x.shape)}")
    if key.ndim != ndim or value.ndim != ndim:
        raise AttentionShapeError(
            f"For {'batched' if batched else 'unbatched'} ({ndim}-D) `query`, expected `key` and `value` to be {ndim}-D "
            f"but found {key.ndim}-D and {value.ndim}-D"
        )
    if x.shape[-1] != embed_dim:
        raise AttentionShapeError(f"was expecting embedding dimension of {embed_dim}, but got {x.shape[-1]} in query {tuple(x.shape)}")
    if separate:
        if key.shape[:-1] != value.shape[:-1]:
            raise AttentionShapeError(
                f"key's sequence and batch dims {tuple(key.shape[:-1])} do not match value's {tuple(value.shape[:-1])}"
            )
    elif key.shape != value.shape:
        raise AttentionShapeError(f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}")
    if key_padding_mask is None and attn_mask is None and not batched:
        return
    at = seq if batched else 0
    length, source, batch = x.shape[at], key.shape[at], x.shape[bat] if batched else 1
    if batched and key.shape[bat] != batch:
        raise AttentionShapeError(f"key must have the batch size of query, {batch}, but got {key.shape[bat]}: shape {tuple(key.shape)}")
    if key_padding_mask is not None:
        expected: tuple[int, ...] = (batch, source) if batched else (source,)
        if key_padding_mask.ndim != len(expected):
            raise AttentionShapeError(
                f"For {'batched' if batched else 'unbatched'} ({ndim}-D) `query`, expected `key_padding_mask` to be `None` or "
                f"{len(expected)}-D but found {key_padding_mask.ndim}-D instead"
            )
        if tuple(key_padding_mask.shape) != expected:
            raise AttentionShapeError(f"key_padding_mask must have shape {expected}, but got {tuple(key_padding_mask.shape)}")
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AttentionShapeError(f"attn_mask must be 2-D or 3-D, but got shape {tuple(attn_mask.shape)}")
        expected = (length, source) if attn_mask.ndim == 2 else (batch * num_heads, length, source)
        if tuple(attn_mask.shape) != expected:
            raise AttentionShapeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should be {expected}."
            )
