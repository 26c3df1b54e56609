"""Operators on Tensors: values against NumPy, derivatives against central differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import swiftnn as nn

X = np.random.default_rng(0).uniform(0.5, 2.0, (2, 3, 4)) * np.random.default_rng(1).choice([-1.0, 1.0], (2, 3, 4))
P = np.abs(X)
V = np.array([0.3, -1.2, 2.0, 0.7])
M = np.random.default_rng(2).normal(size=(4, 5))
MASK = X > 0
ROWS = np.array([1, 0, 1, 1])
U = np.tanh(X) * 0.9  # between -1 and 1
Q = np.abs(U)
COLUMNS = np.array([[[2, 0, 2, 1]], [[0, 1, 1, 1]]])


def _each(function):
    """A function of Python numbers for arrays."""
    return lambda a: np.vectorize(function, otypes=[float])(a)


def _scattered(combine, a, src, keep=True):
    """scatter along dimension 1 by COLUMNS, one element after the other."""
    y = a.copy()
    for place in np.ndindex(COLUMNS.shape):
        at = (place[0], COLUMNS[place], place[2])
        y[at] = combine(y[at], src[place]) if keep else combine(y[at], src[place], at)
    return y


def _distances(a, b, p):
    d = np.abs(a[:, None] - b[None])
    return d.max(-1) if p == np.inf else (d**p).sum(-1) ** (1 / p)


# (what it does to Tensors, the same in NumPy, the inputs)
CASES = {
    "add": (lambda a, b: a + b, np.add, (X, V)),
    "add number": (lambda a: 2 + a, lambda a: 2 + a, (X,)),
    "sub": (lambda a, b: a - b, np.subtract, (V, X)),
    "sub from number": (lambda a: 2 - a, lambda a: 2 - a, (X,)),
    "mul": (lambda a, b: a * b, np.multiply, (X, X[:1, :, :1])),
    "mul itself": (lambda a: a * a, np.square, (X,)),
    "div": (lambda a, b: a / b, np.divide, (X, P)),
    "div of number": (lambda a: 3 / a, lambda a: 3 / a, (X,)),
    "pow": (lambda a, b: a**b, np.power, (P, V)),
    "pow number": (lambda a: a**3, lambda a: a**3, (X,)),
    "pow of number": (lambda a: 2.0**a, lambda a: 2.0**a, (X,)),
    "neg": (lambda a: -a, np.negative, (X,)),
    "abs": (abs, np.abs, (X,)),
    "sign": (lambda a: a.sign(), np.sign, (X,)),
    "square": (lambda a: a.square(), np.square, (X,)),
    "sqrt": (np.sqrt, np.sqrt, (P,)),
    "rsqrt": (lambda a: a.rsqrt(), lambda a: 1 / np.sqrt(a), (P,)),
    "exp": (np.exp, np.exp, (X,)),
    "log": (np.log, np.log, (P,)),
    "log1p": (lambda a: a.log1p(), np.log1p, (P,)),
    "sin": (lambda a: a.sin(), np.sin, (X,)),
    "cos": (lambda a: a.cos(), np.cos, (X,)),
    "maximum": (nn.maximum, np.maximum, (X, V)),
    "minimum": (lambda a, b: a.minimum(b), np.minimum, (X, V)),
    "clamp": (lambda a: a.clamp(-1, 1), lambda a: np.clip(a, -1, 1), (X,)),
    "clamp below": (lambda a: nn.clamp(a, min=0.1), lambda a: np.maximum(a, 0.1), (X,)),
    "clamp with arrays": (lambda a, b: nn.clamp(a, max=b), np.minimum, (X, V)),
    "where": (lambda a, b: nn.where(MASK, a, b), lambda a, b: np.where(MASK, a, b), (X, V)),
    "where number": (lambda a: a.where(MASK, 0.0), lambda a: np.where(MASK, a, 0.0), (X,)),
    "masked_fill": (lambda a: a.masked_fill(MASK, -9), lambda a: np.where(MASK, -9, a), (X,)),
    "astype": (lambda a: a.to(np.float64) * 1, lambda a: a, (X,)),
    "clone": (lambda a: a.clone(), np.copy, (X,)),
    "matmul": (lambda a, b: a @ b, np.matmul, (X, M)),
    "matmul 2-D": (nn.matmul, np.matmul, (X[0], M)),
    "matmul batched": (lambda a, b: a @ b, np.matmul, (X, X.swapaxes(1, 2).copy())),
    "matmul broadcast": (lambda a, b: a.matmul(b), np.matmul, (X[:, None], np.stack([M, M * 2]))),
    "matmul vector": (lambda a, b: a @ b, np.matmul, (X, V)),
    "vector matmul": (lambda a, b: a @ b, np.matmul, (V, M)),
    "vector vector": (lambda a, b: a.dot(b), np.dot, (V, V * 2)),
    "vector batched": (lambda a, b: a @ b, np.matmul, (V, np.stack([M, M * 2]))),
    "einsum": (
        lambda a, b: nn.einsum("bij,jk->bki", a, b),
        lambda a, b: np.einsum("bij,jk->bki", a, b),
        (X, M),
    ),
    "einsum sum": (lambda a: nn.einsum("bij->j", a), lambda a: np.einsum("bij->j", a), (X,)),
    "einsum implicit": (lambda a, b: nn.einsum("ij,jk", a, b), lambda a, b: a @ b, (X[0], M)),
    "sum": (lambda a: a.sum(), np.sum, (X,)),
    "sum dim": (lambda a: a.sum(1), lambda a: a.sum(1), (X,)),
    "sum dims": (lambda a: a.sum((0, -1), keepdim=True), lambda a: a.sum((0, -1), keepdims=True), (X,)),
    "sum axis": (lambda a: np.sum(a, axis=0), lambda a: a.sum(0), (X,)),
    "mean": (lambda a: a.mean(), np.mean, (X,)),
    "mean dim": (lambda a: a.mean(-1, True), lambda a: a.mean(-1, keepdims=True), (X,)),
    "var": (lambda a: a.var(), lambda a: a.var(ddof=1), (X,)),
    "var dim": (lambda a: a.var(1, unbiased=False), lambda a: a.var(1), (X,)),
    "std": (lambda a: a.std(0, keepdim=True), lambda a: a.std(0, ddof=1, keepdims=True), (X,)),
    "max": (lambda a: a.max(), np.max, (X,)),
    "max dim": (lambda a: a.max(1)[0], lambda a: a.max(1), (X,)),
    "min dim": (lambda a: a.min(-1, keepdim=True).values, lambda a: a.min(-1, keepdims=True), (X,)),
    "max of two": (lambda a, b: nn.operators.max(a, b), np.maximum, (X, V)),
    "amax": (lambda a: a.amax((0, 1)), lambda a: a.max((0, 1)), (X,)),
    "amin": (lambda a: a.amin(2, True), lambda a: a.min(2, keepdims=True), (X,)),
    "cumsum": (lambda a: a.cumsum(1), lambda a: a.cumsum(1), (X,)),
    "norm": (lambda a: a.norm(), np.linalg.norm, (X.ravel(),)),
    "norm 1": (lambda a: a.norm(1, 2), lambda a: np.linalg.norm(a, 1, 2), (X,)),
    "norm 3": (lambda a: a.norm(3, 0, True), lambda a: np.linalg.norm(a, 3, 0, keepdims=True), (X,)),
    "norm inf": (lambda a: a.norm(np.inf, 1), lambda a: np.linalg.norm(a, np.inf, 1), (X,)),
    "norm -inf": (lambda a: a.norm(-np.inf, 1), lambda a: np.linalg.norm(a, -np.inf, 1), (X,)),
    "norm 0": (lambda a: a.norm(0, 1), lambda a: np.linalg.norm(a, 0, 1), (X,)),
    "reshape": (lambda a: a.reshape(4, -1), lambda a: a.reshape(4, -1), (X,)),
    "view": (lambda a: a.view((3, 8)), lambda a: a.reshape(3, 8), (X,)),
    "transpose": (lambda a: a.transpose(0, 2), lambda a: a.swapaxes(0, 2), (X,)),
    "permute": (lambda a: a.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1), (X,)),
    "T": (lambda a: a.T, lambda a: a.T, (X,)),
    "mT": (lambda a: a.mT, lambda a: a.swapaxes(1, 2), (X,)),
    "t": (lambda a: a.t(), lambda a: a.T, (M,)),
    "flatten": (lambda a: a.flatten(1), lambda a: a.reshape(2, 12), (X,)),
    "squeeze": (lambda a: a[:, :1].squeeze(1), lambda a: a[:, 0], (X,)),
    "unsqueeze": (lambda a: a.unsqueeze(-1), lambda a: a[..., None], (X,)),
    "expand": (lambda a: a.expand(3, -1, 4), lambda a: np.broadcast_to(a, (3, 3, 4)), (X[:1, :, :1],)),
    "repeat": (lambda a: a.repeat(2, 1, 1, 3), lambda a: np.tile(a, (2, 1, 1, 3)), (X,)),
    "flip": (lambda a: a.flip(0, 2), lambda a: np.flip(a, (0, 2)), (X,)),
    "tril": (lambda a: a.tril(), np.tril, (M,)),
    "triu": (lambda a: a.triu(1), lambda a: np.triu(a, 1), (M,)),
    "cat": (lambda a, b: nn.cat([a, b], 1), lambda a, b: np.concatenate([a, b], 1), (X, P[:, :2])),
    "stack": (lambda a, b: nn.stack([a, b], -1), lambda a, b: np.stack([a, b], -1), (X, P)),
    "split": (lambda a: a.split(3, 2), lambda a: (a[..., :3], a[..., 3:]), (X,)),
    "split sizes": (lambda a: nn.split(a, [1, 2], 1), lambda a: (a[:, :1], a[:, 1:]), (X,)),
    "chunk": (lambda a: a.chunk(2, 1), lambda a: (a[:, :2], a[:, 2:]), (X,)),
    "unbind": (lambda a: a.unbind(1), lambda a: tuple(a[:, i] for i in range(3)), (X,)),
    "index": (lambda a: a[1, ..., ::2], lambda a: a[1, ..., ::2], (X,)),
    "index None": (lambda a: a[:, None, -1], lambda a: a[:, None, -1], (X,)),
    "index array": (lambda a: a[:, nn.Tensor([0, 2, 0])], lambda a: a[:, [0, 2, 0]], (X,)),
    "index arrays": (lambda a: a[[0, 1, 0], [2, 2, 2]], lambda a: a[[0, 1, 0], [2, 2, 2]], (X,)),
    "index mask": (lambda a: a[MASK], lambda a: a[MASK], (X,)),
    "index_select": (lambda a: a.index_select(0, ROWS), lambda a: a[ROWS], (X,)),
    "gather": (
        lambda a: a.gather(1, ROWS.reshape(2, 1, 2)),
        lambda a: np.take_along_axis(a[..., :2], ROWS.reshape(2, 1, 2), 1),
        (X,),
    ),
    "add alpha": (lambda a, b: a.add(b, alpha=-3), lambda a, b: a - 3 * b, (X, V)),
    "sub alpha": (lambda a, b: nn.sub(a, b, alpha=2), lambda a, b: a - 2 * b, (X, V)),
    "mul by name": (lambda a, b: nn.mul(input=a, other=b), np.multiply, (X, V)),
    "div floor": (lambda a, b: a.div(b, rounding_mode="floor"), lambda a, b: np.floor(a / b), (X, V)),
    "div trunc": (lambda a, b: nn.div(a, b, rounding_mode="trunc"), lambda a, b: np.trunc(a / b), (X, V)),
    "fmod": (np.fmod, np.fmod, (X, V)),
    "remainder": (lambda a, b: a % b, np.mod, (X, V)),
    "reciprocal": (lambda a: a.reciprocal(), lambda a: 1 / a, (X,)),
    "exp2": (nn.exp2, lambda a: 2**a, (X,)),
    "expm1": (nn.expm1, lambda a: np.exp(a) - 1, (X,)),
    "log2": (nn.log2, lambda a: np.log(a) / np.log(2), (P,)),
    "log10": (nn.log10, lambda a: np.log(a) / np.log(10), (P,)),
    "logaddexp": (nn.logaddexp, lambda a, b: np.log(np.exp(a) + np.exp(b)), (X, V)),
    "xlogy": (nn.xlogy, lambda a, b: a * np.log(b), (X, Q)),
    "logit": (nn.logit, lambda a: np.log(a / (1 - a)), (Q,)),
    "logit eps": (lambda a: a.logit(0.4), lambda a: np.log(np.clip(a, 0.4, 0.6) / (1 - np.clip(a, 0.4, 0.6))), (Q,)),
    "erf": (nn.erf, _each(math.erf), (X,)),
    "tan": (nn.tan, lambda a: np.sin(a) / np.cos(a), (U,)),
    "asin": (nn.asin, _each(math.asin), (U,)),
    "acos": (nn.acos, _each(math.acos), (U,)),
    "atan": (np.arctan, _each(math.atan), (X,)),
    "atan2": (nn.atan2, np.arctan2, (X, V)),
    "sinh": (nn.sinh, lambda a: (np.exp(a) - np.exp(-a)) / 2, (X,)),
    "cosh": (nn.cosh, lambda a: (np.exp(a) + np.exp(-a)) / 2, (X,)),
    "asinh": (nn.asinh, _each(math.asinh), (X,)),
    "acosh": (nn.acosh, _each(math.acosh), (P + 1,)),
    "atanh": (nn.atanh, _each(math.atanh), (U,)),
    "hypot": (nn.hypot, lambda a, b: np.sqrt(a**2 + b**2), (X, V)),
    "floor": (nn.floor, _each(math.floor), (X,)),
    "ceil": (nn.ceil, _each(math.ceil), (X,)),
    "trunc": (nn.trunc, _each(math.trunc), (X,)),
    "round": (lambda a: a.round(), _each(round), (X,)),
    "round decimals": (lambda a: nn.round(a, decimals=1), lambda a: np.rint(a * 10) / 10, (X,)),
    "frac": (nn.frac, lambda a: a - np.trunc(a), (X,)),
    "clamp_min": (lambda a: a.clamp_min(0.7), lambda a: np.maximum(a, 0.7), (X,)),
    "clamp_max": (lambda a: a.clamp_max(0.7), lambda a: np.minimum(a, 0.7), (X,)),
    "nan_to_num": (nn.nan_to_num, np.copy, (X,)),
    "lerp": (nn.lerp, lambda a, b, c: a + c * (b - a), (X, V, Q)),
    "lerp number": (lambda a, b: a.lerp(b, 0.75), lambda a, b: a / 4 + b * 3 / 4, (X, V)),
    "addcmul": (lambda a, b, c: a.addcmul(b, c, value=-2), lambda a, b, c: a - 2 * b * c, (X, V, P)),
    "addcdiv": (lambda a, b, c: nn.addcdiv(a, b, c, value=3), lambda a, b, c: a + 3 * b / c, (X, V, P)),
    "prod": (lambda a: a.prod(), np.prod, (X,)),
    "prod dim": (lambda a: a.prod(1, keepdim=True), lambda a: a.prod(1, keepdims=True), (X,)),
    "prod with zeros": (lambda a: nn.prod(a, -1), lambda a: a.prod(-1), (X * (X > 0.7),)),
    "cumprod": (lambda a: a.cumprod(1), lambda a: a.cumprod(1), (X,)),
    "cumprod with zeros": (lambda a: nn.cumprod(a, -1), lambda a: a.cumprod(-1), (X * (X > 0.7),)),
    "logsumexp": (lambda a: a.logsumexp((0, -1)), lambda a: np.log(np.exp(a).sum((0, 2))), (X,)),
    "std correction": (lambda a: a.std(1, correction=0), lambda a: a.std(1), (X,)),
    "sort": (lambda a: a.sort(1).values, lambda a: np.sort(a, 1), (X,)),
    "sort descending": (lambda a: nn.sort(a, descending=True)[0], lambda a: -np.sort(-a), (X,)),
    "topk": (lambda a: a.topk(2).values, lambda a: -np.sort(-a)[..., :2], (X,)),
    "topk smallest": (lambda a: nn.topk(a, 2, 1, largest=False)[0], lambda a: np.sort(a, 1)[:, :2], (X,)),
    "kthvalue": (lambda a: a.kthvalue(2, 1).values, lambda a: np.sort(a, 1)[:, 1], (X,)),
    "median": (nn.median, lambda a: np.sort(a.ravel())[11], (X,)),
    "median dim": (lambda a: a.median(-1, keepdim=True).values, lambda a: np.sort(a)[..., 1:2], (X,)),
    "nanmedian": (lambda a: nn.nanmedian(a, 1).values, lambda a: np.median(a, 1), (X,)),
    "mode": (lambda a: a.mode().values, lambda a: a.min(-1), (X,)),
    "quantile": (lambda a: nn.quantile(a, [0.1, 0.6], 1), lambda a: np.quantile(a, [0.1, 0.6], 1), (X,)),
    "quantile of all": (lambda a: a.quantile(0.3, keepdim=True), lambda a: np.quantile(a, 0.3, keepdims=True), (X,)),
    "reshape_as": (lambda a: nn.reshape_as(a, np.zeros((4, 6))), lambda a: a.reshape(4, 6), (X,)),
    "unflatten": (lambda a: nn.unflatten(a, 2, (-1, 2)), lambda a: a.reshape(2, 3, 2, 2), (X,)),
    "movedim": (lambda a: nn.movedim(a, (0, 1), (-1, 0)), lambda a: np.moveaxis(a, (0, 1), (-1, 0)), (X,)),
    "moveaxis": (lambda a: nn.moveaxis(a, 0, 1), lambda a: np.moveaxis(a, 0, 1), (X,)),
    "swapdims": (lambda a: nn.swapdims(a, 0, -1), lambda a: a.swapaxes(0, 2), (X,)),
    "transpose function": (lambda a: nn.transpose(a, 0, 1), lambda a: a.swapaxes(0, 1), (X,)),
    "tile": (lambda a: a.tile(2, 3), lambda a: np.tile(a, (2, 3)), (X,)),
    "flipud": (nn.flipud, np.flipud, (X,)),
    "fliplr": (nn.fliplr, np.fliplr, (X,)),
    "roll": (lambda a: a.roll(-1, 1), lambda a: np.roll(a, -1, 1), (X,)),
    "roll dims": (lambda a: nn.roll(a, (1, -2), (0, -1)), lambda a: np.roll(a, (1, -2), (0, -1)), (X,)),
    "roll flat": (lambda a: a.roll(5), lambda a: np.roll(a, 5), (X,)),
    "diagonal": (lambda a: a.diagonal(1, -2, -1), lambda a: a.diagonal(1, -2, -1), (X,)),
    "diag_embed": (lambda a: nn.diag_embed(a, -1), lambda a: np.stack([np.diag(r, -1) for r in a]), (X[0],)),
    "diag": (nn.diag, np.diag, (V,)),
    "diag of a matrix": (lambda a: a.diag(-1), lambda a: np.diag(a, -1), (M,)),
    "meshgrid": (nn.meshgrid, lambda a, b: tuple(np.meshgrid(a, b, indexing="ij")), (V, ROWS + 0.5)),
    "meshgrid xy": (lambda a, b: nn.meshgrid(a, b, indexing="xy"), lambda a, b: tuple(np.meshgrid(a, b)), (V[:3], V)),
    "concat": (lambda a, b: nn.concat((a, b)), lambda a, b: np.concatenate((a, b)), (X, P)),
    "split_with_sizes": (lambda a: nn.split_with_sizes(a, [1, 3], 2), lambda a: (a[..., :1], a[..., 1:]), (X,)),
    "tensor_split": (lambda a: a.tensor_split(3, -1), lambda a: tuple(np.array_split(a, 3, -1)), (X,)),
    "tensor_split indices": (lambda a: nn.tensor_split(a, (1, 3), 2), lambda a: tuple(np.split(a, (1, 3), 2)), (X,)),
    "narrow": (lambda a: a.narrow(-1, -3, 2), lambda a: a[..., 1:3], (X,)),
    "select": (lambda a: nn.select(a, 1, -1), lambda a: a[:, -1], (X,)),
    "unfold": (lambda a: a.unfold(2, 2, 2), lambda a: a.reshape(2, 3, 2, 2), (X,)),
    "unfold overlapping": (lambda a: a.unfold(1, 2, 1), lambda a: np.stack([a[:, :2], a[:, 1:]], 1).swapaxes(-1, -2), (X,)),
    "take": (lambda a: a.take([[0, -1], [5, 5]]), lambda a: a.ravel()[[[0, -1], [5, 5]]], (X,)),
    "index_select function": (lambda a: nn.index_select(a, -1, [3, 3, 0]), lambda a: a[..., [3, 3, 0]], (X,)),
    "scatter": (
        lambda a, b: a.scatter(1, ROWS[None, :1, None] * 2, b),
        lambda a, b: np.where(np.arange(24).reshape(a.shape) == 8, b[0, 0, 0], a),
        (X, P),
    ),
    "scatter_add": (lambda a, b: a.scatter_add(1, COLUMNS, b), lambda a, b: _scattered(np.add, a, b), (X, P[:, :1])),
    "scatter add": (lambda a, b: nn.scatter(a, 1, COLUMNS, b, reduce="add"), lambda a, b: _scattered(np.add, a, b), (X, P[:, :1])),
    "scatter multiply": (
        lambda a, b: nn.scatter(a, 1, COLUMNS, b, reduce="multiply"),
        lambda a, b: _scattered(np.multiply, a, b),
        (X, P[:, :1]),
    ),
    "scatter_reduce amax": (
        lambda a, b: a.scatter_reduce(1, COLUMNS, b, "amax"),
        lambda a, b: _scattered(np.maximum, a, b),
        (X, 1.01 * P[:, :1]),
    ),
    "scatter_reduce mean": (
        lambda a, b: nn.scatter_reduce(a, 1, COLUMNS, b, "mean"),
        lambda a, b: _scattered(np.add, a, b) / (1 + _scattered(np.add, 0 * a, np.ones_like(b))),
        (X, P[:, :1]),
    ),
    "scatter_reduce prod of others": (
        lambda a, b: nn.scatter_reduce(a, 1, COLUMNS, b, "prod", include_self=False),
        lambda a, b: np.where(_scattered(np.add, 0 * a, np.ones_like(b)) > 0, _scattered(np.multiply, np.ones_like(a), b), a),
        (X, P[:, :1]),
    ),
    "scatter_reduce prod with zeros": (
        lambda a, b: nn.scatter_reduce(a, 1, COLUMNS, b, "prod"),
        lambda a, b: _scattered(np.multiply, a, b),
        (X * (X > 0.7), P[:, :1]),
    ),
    "index_add": (
        lambda a, b: a.index_add(2, [1, 3, 1], b, alpha=2),
        lambda a, b: np.stack([a[..., 0], a[..., 1] + 2 * (b[..., 0] + b[..., 2]), a[..., 2], a[..., 3] + 2 * b[..., 1]], -1),
        (X, P[..., :3]),
    ),
    "index_copy": (lambda a, b: a.index_copy(1, [2, 0], b), lambda a, b: np.stack([b[:, 1], a[:, 1], b[:, 0]], 1), (X, P[:, :2])),
    "index_fill": (lambda a: a.index_fill(1, [0, -1], 7.0), lambda a: np.stack([0 * a[:, 0] + 7, a[:, 1], 0 * a[:, 0] + 7], 1), (X,)),
    "masked_select": (lambda a: a.masked_select(MASK), lambda a: a[MASK], (X,)),
    "masked_select broadcast": (lambda a: nn.masked_select(a, MASK), lambda a: np.broadcast_to(a, MASK.shape)[MASK], (V,)),
    "masked_scatter": (
        lambda a, b: a.masked_scatter(MASK, b),
        lambda a, b: np.where(MASK, b.ravel()[np.maximum(MASK.ravel().cumsum() - 1, 0)].reshape(a.shape), a),
        (X, P),
    ),
    "repeat_interleave": (lambda a: a.repeat_interleave(2), lambda a: np.repeat(a, 2), (X,)),
    "repeat_interleave counts": (lambda a: nn.repeat_interleave(a, [2, 0, 1], 1), lambda a: np.repeat(a, [2, 0, 1], 1), (X,)),
    "mm": (nn.mm, np.matmul, (X[0], M)),
    "bmm": (nn.bmm, np.matmul, (X, X.swapaxes(1, 2).copy())),
    "mv": (nn.mv, np.matmul, (X[0], V)),
    "dot function": (nn.dot, np.dot, (V, V * 2)),
    "outer": (nn.outer, np.outer, (V, V[:3] * 2)),
    "ger": (lambda a, b: a.ger(b), np.outer, (V, V[:3] * 2)),
    "addmm": (lambda a, b, c: nn.addmm(a, b, c, beta=0.5, alpha=-2), lambda a, b, c: a / 2 - 2 * b @ c, (M[0], X[0], M)),
    "addmv": (lambda a, b, c: a.addmv(b, c, alpha=3), lambda a, b, c: a + 3 * b @ c, (V[:3], X[0], V)),
    "baddbmm": (nn.baddbmm, lambda a, b, c: a + b @ c, (X[:, :, :3], X, X.swapaxes(1, 2).copy())),
    "trace": (lambda a: a.trace(), np.trace, (M,)),
    **{
        f"cdist {p}": (lambda a, b, p=p: nn.cdist(a, b, p), lambda a, b, p=p: _distances(a, b, p), (X[0], X[1] * 1.1))
        for p in (1.0, 1.5, 2.0, 3.0, np.inf)
    },
    "cdist by products": (
        lambda a, b: nn.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
        lambda a, b: _distances(a, b, 2.0),
        (X[0], X[1] * 1.1),
    ),
    "relu": (lambda a: a.relu(), lambda a: np.maximum(a, 0), (X,)),
    "tanh": (np.tanh, np.tanh, (X,)),
    "sigmoid": (lambda a: a.sigmoid(), lambda a: 1 / (1 + np.exp(-a)), (X,)),
    "softmax": (lambda a: a.softmax(1), lambda a: np.exp(a) / np.exp(a).sum(1, keepdims=True), (X,)),
    "log_softmax": (lambda a: a.log_softmax(-1), lambda a: a - np.log(np.exp(a).sum(-1, keepdims=True)), (X,)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    ours, theirs, inputs = CASES[name]
    expected = theirs(*inputs)
    for tensors in ([nn.Tensor(a.copy(), requires_grad=True) for a in inputs], [nn.Tensor(a.copy()) for a in inputs]):
        result = ours(*tensors)
        for y, e in zip(
            result if isinstance(result, tuple) else (result,), expected if isinstance(expected, tuple) else (expected,), strict=True
        ):
            assert type(y) is nn.Tensor and y.shape == np.shape(e) and y.requires_grad == tensors[0].requires_grad
            np.testing.assert_allclose(y.numpy(), e, rtol=1e-12, atol=1e-12)
    assert nn.gradcheck(ours, [nn.Tensor(a.copy(), requires_grad=True) for a in inputs])
    # Each input alone
    for i in range(len(inputs)) if len(inputs) > 1 else ():
        assert nn.gradcheck(ours, [nn.Tensor(a.copy(), requires_grad=i == j) for j, a in enumerate(inputs)])


def test_float32_stays_float32():
    x = nn.Tensor(X.astype(np.float32), requires_grad=True)
    y = ((x * 2 + 1) / 3 - 0.5) ** 2 @ M.astype(np.float32)
    y = nn.clamp(y, 0, 1).mean(0).std() + y.var() + y.norm() + x.masked_fill(MASK, 1.0).sum() + y.max(1)[0].sum()
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32


def test_equal_extremes_share_the_gradient():
    x = nn.Tensor([1.0, 3.0, 3.0], requires_grad=True)
    x.max().backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.5, 0.5])
    x.grad = None
    values, indices = x.max(0)
    values.backward()
    np.testing.assert_array_equal(x.grad, [0.0, 1.0, 0.0])
    assert indices.item() == 1 and type(indices) is nn.Tensor
    a, b = nn.Tensor([2.0], requires_grad=True), nn.Tensor([2.0], requires_grad=True)
    nn.maximum(a, b).backward()
    assert a.grad[0] == b.grad[0] == 0.5


def test_derivatives_at_special_points():
    x = nn.Tensor([0.0, -1.0, 2.0], requires_grad=True)
    (x**2).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, -2.0, 4.0])
    x.grad = None
    (x**0).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.0, 0.0])
    x.grad = None
    abs(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, -1.0, 1.0])
    zeros = nn.Tensor(np.zeros(3), requires_grad=True)
    zeros.norm().backward()
    np.testing.assert_array_equal(zeros.grad, np.zeros(3))


def test_arrays_in_arrays_out():
    assert type(nn.cat([X, P])) is np.ndarray and type(nn.clamp(X, 0)) is np.ndarray and type(nn.where(MASK, X, 0.0)) is np.ndarray
    assert type(nn.matmul(X, M)) is np.ndarray and type(nn.stack([X, P])) is np.ndarray and type(nn.einsum("ij->i", M)) is np.ndarray
    assert [type(p) for p in nn.chunk(X, 2)] == [np.ndarray] * 2 and type(nn.masked_fill(X, MASK, 0)) is np.ndarray


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: nn.cat([]), "non-empty"),
        (lambda x: nn.stack([]), "non-empty"),
        (lambda x: nn.clamp(x), "at least one"),
        (lambda x: x.split(0), "positive"),
        (lambda x: x.split([1, 5]), "add up"),
        (lambda x: x.chunk(0), "positive"),
        (lambda x: x.repeat(2), "one for each"),
        (lambda x: x.sum(3), "out of range"),
        (lambda x: x.var(0, 1), "unbiased"),
        (lambda x: x.gather(0, np.zeros(2, int)), "dimensions"),
        (lambda x: x @ np.ones((3, 2)), "match|fit|last dimension"),
        (lambda x: x @ 2.0, "at least one dimension"),
        (lambda x: nn.einsum("ii->i", x), "not supported"),
        (lambda x: nn.einsum("ij,jk", x), "names 2 operands"),
        (lambda x: x.to("cuda"), "CPU"),
        (lambda x: x.flatten(1, 0), "comes after"),
        (lambda x: np.sum(x, out=np.zeros(())), "out="),
        (lambda x: x.div(2, rounding_mode="up"), "rounding_mode must be None"),
        (lambda x: x.topk(5), "k=5 is out of range for dimension -1 of size 4"),
        (lambda x: x.kthvalue(0), "k=0 is out of range"),
        (lambda x: nn.mode(x[:, :0]), "no elements"),
        (lambda x: x.quantile(1.5), "between 0 and 1"),
        (lambda x: x.quantile(0.5, interpolation="cubic"), "one of linear, lower"),
        (lambda x: nn.quantile(np.arange(3), 0.5), "floating point"),
        (lambda x: x.quantile(0.5, 1).unflatten(0, (3, -1)), "multiply up to 2"),
        (lambda x: x.movedim((0, 1), 0), "as many different"),
        (lambda x: x.roll((1, 2), 0), "2 shifts for 1 dims"),
        (lambda x: x.narrow(1, 3, 2), "start=3 and length=2"),
        (lambda x: x.unfold(1, 5, 1), "size=5"),
        (lambda x: x.tensor_split(0), "must be positive"),
        (lambda x: nn.meshgrid(x, indexing="ji"), "'ij' or 'xy'"),
        (lambda x: nn.diag(x[None]), "1 or 2 dimensions"),
        (lambda x: x.scatter(0, np.full((1, 4), 2), 1.0), "expected 0 to 1"),
        (lambda x: x.scatter(0, np.zeros((1, 5), int), 1.0), "does not fit into input"),
        (lambda x: x.scatter_add(0, np.zeros((1, 4), int), np.ones((1, 3))), "does not fit into src"),
        (lambda x: x.scatter(0, np.zeros((1, 4)), 1.0), "integer dtype"),
        (lambda x: x.scatter(0, np.zeros((1, 4), int), 1.0, reduce="max"), "'add' or 'multiply'"),
        (lambda x: x.scatter_reduce(0, np.zeros((1, 4), int), x, "max"), "'sum', 'prod'"),
        (lambda x: x.index_add(1, [4], np.ones((2, 1))), "at most 3"),
        (lambda x: x.masked_scatter(np.ones((2, 4), bool), np.ones(7)), "8 elements that are True"),
        (lambda x: x.repeat_interleave([1, 2, 3], 0), "expected a number or 2"),
        (lambda x: nn.mm(x, np.ones(4)), "mat2 must have 2 dimensions"),
        (lambda x: nn.bmm(np.ones((2, 3, 4)), np.ones((3, 4, 5))), "one size"),
        (lambda x: x.dot(x), "1 dimension,"),
        (lambda x: nn.cdist(x, np.ones((2, 3))), "with one M"),
        (lambda x: nn.cdist(x, x, -1.0), "0 or more"),
        (lambda x: nn.cdist(x, x, compute_mode="fast"), "compute_mode must be"),
        (lambda x: nn.bernoulli(x * 2), "between 0 and 1"),
        (lambda x: nn.randn_like(np.arange(3)), "floating point dtype"),
        (lambda x: x.detach().add_(np.ones((3, 2, 4))), r"cannot be written into a Tensor of shape \(2, 4\)"),
        (lambda x: x.long().add_(0.5), "add_: the result has dtype float32"),
        (lambda x: x.add_(1), "no_grad"),
        (lambda x: x.t_(), "no_grad"),
    ],
)
def test_errors(call, error):
    with pytest.raises((ValueError, TypeError, IndexError, RuntimeError), match=error):
        call(nn.Tensor(np.ones((2, 4)), requires_grad=True))


def test_other_methods():
    x = nn.Tensor(X)
    assert x.float().dtype == np.float32 and x.double() is x and x.long().dtype == np.int64 and x.bool().dtype == np.bool_
    assert x.int().dtype == np.int32 and x.to("cpu") is x and x.cpu() is x and x.type_as(nn.Tensor([1])).dtype == np.int64
    assert x.contiguous() is x and x.mT.contiguous().numpy().flags.c_contiguous
    assert (x == x).all() and not (x != x).any() and (x > 0).dtype == np.bool_ and x.isfinite().all() and not x.isnan().any()
    assert x.argmax().item() == X.argmax() and x.argmin(1).shape == (2, 4) and x.view_as(nn.Tensor(P.reshape(6, 4))).shape == (6, 4)
    assert x.expand_as(nn.Tensor(np.ones((5, 2, 3, 4)))).shape == (5, 2, 3, 4) and x.ravel().shape == (24,)
    assert (~(x > 0)).sum().item() == (X <= 0).sum() and ((x > 0) & (x < 1)).dtype == np.bool_ and f"{x.mean():.3f}" == f"{X.mean():.3f}"
    assert (x // 1).shape == x.shape and (x % 2).shape == x.shape
    y = nn.Tensor(np.ones(3))
    y.fill_(4).copy_(nn.Tensor([1.0, 2.0, 3.0]))
    assert y.tolist() == [1.0, 2.0, 3.0] and y.zero_().tolist() == [0.0] * 3


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x * 2, lambda x: 2 - x, lambda x: x / 3, lambda x: 1 / x, lambda x: x**3, lambda x: x**0.5, lambda x: 2**x,
        lambda x: x + 1.5, lambda x: x.clamp(0, 1), lambda x: nn.clamp(x, max=0.5),
        lambda x: nn.functional.cross_entropy(x * np.ones((2, 3), np.float32), np.full((2, 3), np.float32(0.25))),
        lambda x: nn.functional.kl_div(x * np.ones((2, 3), np.float32), np.full((2, 3), np.float32(0.25)), reduction="batchmean"),
        lambda x: nn.functional.cosine_embedding_loss(x * np.arange(3, dtype=np.float32), np.ones(3, np.float32), np.array(-1), margin=0.1),
    ],
)  # fmt: skip
def test_a_number_and_a_float32_scalar_are_float32_on_every_numpy(compute) -> None:
    """NumPy 1 makes float64 of a Python number and an array without dimensions."""
    x = nn.Tensor(np.array(0.7, np.float32), requires_grad=True)
    y = compute(x)
    assert y.dtype == np.float32
    (gradient,) = nn.grad(y, [x])
    assert np.asarray(gradient).dtype == np.float32


def gradient(compute, x):
    t = nn.Tensor(x, requires_grad=True)
    compute(t).sum().backward()
    return t.grad


def test_of_equal_elements_that_are_sorted_those_chosen_get_the_gradient() -> None:
    x = np.array([2.0, 1.0, 2.0, 1.0, 2.0])
    np.testing.assert_array_equal(nn.sort(x).indices, [1, 3, 0, 2, 4])
    np.testing.assert_array_equal(nn.argsort(x, descending=True, stable=True), [0, 2, 4, 1, 3])
    np.testing.assert_array_equal(gradient(lambda t: t.topk(2).values * np.array([1.0, 10.0]), x), [1, 0, 10, 0, 0])
    np.testing.assert_array_equal(gradient(lambda t: t.median(), x), [1 / 3, 0, 1 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(gradient(lambda t: t.median(0).values, x), [1, 0, 0, 0, 0])
    values, indices = nn.mode(x)
    assert (values, indices) == (2, 4)
    zeros = np.zeros(3)
    np.testing.assert_array_equal(gradient(lambda t: t.std(), zeros), zeros)
    np.testing.assert_array_equal(gradient(lambda t: nn.cdist(t[None], t[None] * 1), zeros), zeros)
    # Where an element and two of src are the largest, each gets a third; without the element itself, each a half.
    ones, at = np.ones(2), np.zeros(2, int)
    for include, (own, theirs) in ((True, (1 / 3, 1 / 3)), (False, (0, 1 / 2))):
        a, b = nn.Tensor(ones, requires_grad=True), nn.Tensor(ones, requires_grad=True)
        a.scatter_reduce(0, at, b, "amax", include_self=include).sum().backward()
        np.testing.assert_allclose(a.grad, [own, 1])
        np.testing.assert_allclose(b.grad, [theirs, theirs])


def test_nan_is_the_largest() -> None:
    x = np.array([1.0, np.nan, 3.0, 2.0])
    np.testing.assert_array_equal(nn.sort(x).indices, [0, 3, 2, 1])
    np.testing.assert_array_equal(nn.topk(x, 2).values, [np.nan, 3])
    assert np.isnan(nn.median(x)) and nn.median(x, 0).indices == 1 and nn.nanmedian(x) == 2 and nn.nanmedian(x, 0).indices == 3
    assert np.isnan(nn.quantile(x, 0.1)) and np.isnan(nn.prod(x)) and nn.isnan(x).sum() == 1 and nn.isinf(x * np.inf).sum() == 3
    np.testing.assert_array_equal(nn.nan_to_num(np.array([np.nan, np.inf, -np.inf]), 1.0, 2.0, 3.0), [1, 2, 3])
    np.testing.assert_array_equal(nn.xlogy(np.array([0.0, 0.0]), np.array([0.0, np.nan])), [0, np.nan])
    np.testing.assert_array_equal(gradient(lambda t: nn.nan_to_num(t), np.array([np.nan, np.inf, 1.0])), [0, 0, 1])
    np.testing.assert_array_equal(nn.addmm(np.full(2, np.nan), np.eye(2), np.eye(2), beta=0), np.eye(2))


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantile_interpolates(interpolation) -> None:
    q = [0.0, 0.2, 0.5, 0.61, 1.0]
    for dim in (0, -1, None):
        ours = nn.quantile(X, q, dim, interpolation=interpolation)
        np.testing.assert_allclose(ours, np.quantile(X, q, dim, method=interpolation), rtol=1e-12)


def test_arrays_without_dimensions_and_without_elements() -> None:
    x = nn.Tensor(np.array(2.0), requires_grad=True)
    pairs = x.sort(), x.topk(1), x.kthvalue(1, 0), x.median(-1), x.mode(0), x.max(0)
    for y in (*(pair.values for pair in pairs), x.prod(0)):
        assert y.shape == () and y.item() == 2 and nn.grad(y, x)[0] == 1
    assert x.argsort().item() == 0 and x.cumsum(0).item() == x.cumprod(0).item() == x.logsumexp(0).item() == 2
    assert x.quantile(0.3).shape == () and x.repeat_interleave(3).shape == (3,) and x.nonzero().shape == (1, 0) and x.roll(1).item() == 2
    empty = np.empty((0, 3))
    assert nn.prod(empty) == 1 and nn.prod(empty, 0).shape == (3,) and nn.logsumexp(empty, 0)[0] == -np.inf and nn.count_nonzero(empty) == 0
    assert nn.sort(empty).values.shape == nn.cumprod(empty, 0).shape == (0, 3) and nn.topk(empty, 2).indices.shape == (0, 2)
    assert nn.cdist(empty, np.ones((2, 3))).shape == (0, 2) and nn.cdist(np.ones((2, 0)), np.ones((1, 0)))[0] == 0
    assert np.isnan(nn.median(empty)) and nn.unique(empty).size == 0 and nn.all(empty) and not nn.any(empty)
    assert gradient(lambda t: t.prod(), empty).shape == (0, 3) and gradient(lambda t: t.cumprod(0), empty).shape == (0, 3)


def test_many_rows_have_the_distances_of_few() -> None:
    rng = np.random.default_rng(3)
    a, b, dy = rng.normal(size=(2, 40, 500)), rng.normal(size=(70, 500)), rng.normal(size=(2, 40, 70))
    results = []
    for mode in ("donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist_if_necessary"):
        s, t = nn.Tensor(a, requires_grad=True), nn.Tensor(b, requires_grad=True)
        y = nn.cdist(s, t, compute_mode=mode)
        results.append((y.numpy(), *nn.grad(y, (s, t), dy)))
    exact = np.sqrt(np.square(a[:, :, None] - b).sum(-1))
    weight = dy / exact
    for y, da, db in results:
        np.testing.assert_allclose(y, exact, rtol=1e-11)
        np.testing.assert_allclose(da, a * weight.sum(-1)[..., None] - weight @ b, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(db, (b * weight.sum(1)[..., None] - weight.swapaxes(1, 2) @ a).sum(0), rtol=1e-8, atol=1e-9)


def test_comparisons() -> None:
    a, b = nn.Tensor([1.0, 2.0, np.nan], requires_grad=True), nn.Tensor([1.0, 3.0, 0.0])
    for function, expected in {
        nn.eq: [1, 0, 0], nn.ne: [0, 1, 1], nn.lt: [0, 1, 0], nn.le: [1, 1, 0], nn.gt: [0, 0, 0], nn.ge: [1, 0, 0],
        nn.logical_and: [1, 1, 0], nn.logical_or: [1, 1, 1], nn.logical_xor: [0, 0, 1], nn.isclose: [1, 0, 0],
    }.items():  # fmt: skip
        y = function(a, b)
        assert type(y) is nn.Tensor and y.dtype == np.bool_ and y.tolist() == [bool(e) for e in expected] and not y.requires_grad
        assert function(a, other=b).tolist() == y.tolist() and type(function(a.numpy(), b.numpy())) is np.ndarray
        assert type(function(np.ones(3), nn.Parameter(np.ones(3)))) is np.ndarray
    assert a.isfinite().tolist() == [True, True, False] and a.logical_not().tolist() == [False] * 3
    assert nn.equal(b, b) is True and nn.equal(b, b[:2]) is False and b.allclose(b + 1e-9) is True and nn.allclose(a, a) is False
    assert nn.allclose(a, a, equal_nan=True) and b.isclose(nn.Tensor([1.1, 3.0, 0.0]), rtol=0.2).all()
    i, j = nn.Tensor([6, 5]), nn.Tensor([3, 3])
    assert i.bitwise_and(j).tolist() == (i & j).tolist() == [2, 1] and (i | 8).tolist() == (8 | i).tolist() == [14, 13]
    assert nn.bitwise_or(i, j).tolist() == [7, 7] and nn.bitwise_xor(i, j).tolist() == (3 ^ i).tolist() == [5, 6]
    assert nn.bitwise_not(i).tolist() == (~i).tolist() == [-7, -6] and (7 // i).tolist() == [1, 1] and (7 % i).tolist() == [1, 2]
    assert nn.floor_divide(i, 4).tolist() == (i // 4).tolist() == [1, 1]
    x = nn.Tensor([[0.0, 2.0], [3.0, 0.0]])
    assert x.count_nonzero().item() == 2 and nn.count_nonzero(x, 0).tolist() == [1, 1] and nn.count_nonzero(x, (0, 1)).dtype == np.int64
    assert nn.any(x, 1).tolist() == [True, True] and not x.all(dim=(0, 1)) and nn.all(x, 0, keepdim=True).shape == (1, 2)
    assert np.any(x) and not np.all(x) and np.prod(x, axis=0).tolist() == [0, 0] and np.floor(x + 0.5).tolist() == x.tolist()


def test_what_has_no_gradient() -> None:
    x = nn.Tensor([[3.0, 1.0], [3.0, 0.0]], requires_grad=True)
    assert x.nonzero().tolist() == [[0, 0], [0, 1], [1, 0]] and [t.tolist() for t in nn.where(x > 2)] == [[0, 1], [0, 0]]
    assert [t.tolist() for t in nn.nonzero(x, as_tuple=True)] == [[0, 0, 1], [0, 1, 0]]
    values, inverse, counts = nn.unique(x, return_inverse=True, return_counts=True)
    assert values.tolist() == [0, 1, 3] and inverse.tolist() == [[2, 1], [2, 0]] and counts.tolist() == [1, 1, 2]
    assert nn.unique(np.array([[1, 2], [1, 2]]), dim=0).tolist() == [[1, 2]] and type(nn.unique(x.numpy())) is np.ndarray
    for like, value in ((nn.zeros_like(x), 0), (nn.ones_like(x, dtype=np.int64), 1), (nn.full_like(x, 7), 7)):
        assert type(like) is nn.Tensor and like.shape == x.shape and (like == value).all() and not like.requires_grad
    assert nn.empty_like(x.numpy()).shape == (2, 2) and type(nn.empty_like(x.numpy())) is np.ndarray


def test_random_numbers_like_an_array() -> None:
    x = np.empty((300, 100), np.float32)
    same = [nn.random.Generator(1) for _ in range(2)]
    np.testing.assert_array_equal(nn.randn_like(x, generator=same[0]), nn.init.normal_(x.copy(), generator=same[1]))
    u, z, b = nn.rand_like(x), nn.randn_like(nn.Tensor(x), dtype=np.float64), nn.bernoulli(np.full_like(x, 0.25))
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.01
    assert z.dtype == np.float64 and type(z) is nn.Tensor and abs(z.mean().item()) < 0.03 and abs(z.std().item() - 1) < 0.03
    assert {*b.ravel().tolist()} == {0.0, 1.0} and abs(b.mean() - 0.25) < 0.02
    t = nn.Tensor(x)
    assert abs(t.normal_(3, 0.1).mean().item() - 3) < 0.01 and t.uniform_(2, 4).min().item() >= 2 and abs(t.mean().item() - 3) < 0.03
    assert t.bernoulli_(0.25) is t and abs(t.mean().item() - 0.25) < 0.02 and t.bernoulli_(nn.Tensor(np.ones(100))).all()


def test_integers_are_floats_of_32_bits_where_results_are() -> None:
    for x in (np.arange(1, 4), nn.Tensor([True, True]), nn.Tensor(np.array([200], np.uint8))):
        for function in (nn.exp2, nn.log, nn.sqrt, nn.erf, nn.atan, nn.logit):
            assert function(x).dtype == np.float32
        assert nn.atan2(x, x).dtype == nn.div(x, x).dtype == nn.mul(x, 0.5).dtype == nn.div(x, 2).dtype == np.float32
        for function in (nn.floor, nn.round, nn.trunc):
            assert function(x).dtype == x.dtype
        assert nn.sum(x).dtype == nn.prod(x).dtype == nn.cumsum(x, 0).dtype == nn.cumprod(x, 0).dtype == np.int64
    assert nn.div(np.array([-7, 7]), 2, rounding_mode="floor").tolist() == [-4, 3]
    assert nn.prod(np.arange(4), dtype=np.float64).dtype == np.float64
    assert nn.scatter_reduce(np.zeros(2, np.int32), 0, [0, 0], np.array([3, 4], np.int32), "amax", include_self=False).tolist() == [4, 0]


IN_PLACE = {
    "abs": (), "acos": (), "asin": (), "asinh": (), "atan": (), "atanh": (), "ceil": (), "cos": (), "cosh": (), "erf": (), "exp": (),
    "exp2": (), "expm1": (), "floor": (), "frac": (), "log": (), "log10": (), "log1p": (), "log2": (), "logit": (), "nan_to_num": (),
    "neg": (), "reciprocal": (), "relu": (), "round": (), "rsqrt": (), "sigmoid": (), "sign": (), "sin": (), "sinh": (), "sqrt": (),
    "square": (), "tan": (), "tanh": (), "tril": (), "triu": (), "trunc": (), "acosh": (), "t": (), "squeeze": (), "unsqueeze": (1,),
    "transpose": (0, 1), "swapaxes": (0, 1), "swapdims": (0, 1), "add": (2.5,), "sub": (Q[0, 0],), "mul": (Q[0, 0],), "div": (Q[0, 0],),
    "pow": (2,), "floor_divide": (0.3,), "fmod": (0.3,), "hypot": (Q[1],), "remainder": (0.3,), "xlogy": (Q[1],), "lerp": (Q[1], 0.3),
    "clamp": (0.2, 0.6), "clip": (0.2, 0.6), "clamp_min": (0.5,), "clamp_max": (0.5,), "addcmul": (Q[1], Q[1]), "addcdiv": (Q[1], Q[1]),
    "cumsum": (1,), "cumprod": (1,), "masked_fill": (Q[1] > 0.5, 9.0), "masked_scatter": (Q[1] > 0.5, Q[1]),
    "scatter": (0, ROWS[None], 5.0), "scatter_add": (0, ROWS[None], Q[1]), "scatter_reduce": (0, ROWS[None], Q[1], "amax"),
    "index_add": (0, ROWS[:2], Q[1, :2]), "index_copy": (0, ROWS[:2], Q[1, :2]), "index_fill": (0, ROWS[:2], 3.0),
    "addmm": (Q[1], Q[1].T @ Q[1]), "baddbmm": (),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name) -> None:
    """On the memory of a Tensor that nothing follows; as an operation of its own on one that was computed; not on a leaf."""
    args, start = IN_PLACE[name], Q[0] + (1.0 if name == "acosh" else 0.0)
    if name == "baddbmm":
        start, args = Q, (Q, np.stack([Q[1].T @ Q[1]] * 2))
    plain = getattr(nn.Tensor, name) if name != "clip" else nn.Tensor.clamp
    expected = plain(nn.Tensor(start), *args)
    with np.errstate(all="ignore"):
        x = nn.Tensor(start.copy())
        memory = x.numpy()
        assert getattr(x, f"{name}_")(*args) is x and np.shares_memory(x.numpy(), memory) and x.is_leaf
        np.testing.assert_array_equal(x.numpy(), expected.numpy())
        leaf, twin = (nn.Tensor(start, requires_grad=True) for _ in range(2))
        with pytest.raises(RuntimeError, match="no_grad"):
            getattr(leaf, f"{name}_")(*args)
        h = leaf * 1
        kept = h.numpy()
        assert getattr(h, f"{name}_")(*args) is h and np.array_equal(kept, start)
        np.testing.assert_array_equal(h.numpy(), expected.numpy())
        other = plain(twin * 1, *args)
        assert h.requires_grad == other.requires_grad
        if other.requires_grad:
            for t in (h, other):
                (t * np.cos(np.arange(t.numel())).reshape(t.shape)).sum().backward()
            np.testing.assert_array_equal(leaf.grad, twin.grad)
        with nn.no_grad():
            getattr(leaf, f"{name}_")(*args)
        assert leaf.requires_grad and leaf.is_leaf and np.array_equal(leaf.numpy(), expected.numpy())


def test_a_change_in_place_that_a_derivative_notices() -> None:
    x, factor = nn.Tensor(np.ones(2), requires_grad=True), nn.Tensor(np.ones(2))
    y = x * factor
    factor.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    y = x * factor
    factor.unsqueeze_(0)  # moves no element
    y.sum().backward()
    y = nn.exp2(x)
    kept = y * 1
    y.add_(1)  # what exp2 keeps is the array before
    (y + kept).sum().backward()
    total = nn.Tensor(np.zeros(2))
    total.add_(x, alpha=3).sum().backward()
    np.testing.assert_allclose(x.grad, 2 + 4 * np.log(2) + 3)
    h = x * 2
    assert h.detach_() is h and h.is_leaf and not h.requires_grad


def test_what_a_tensor_is() -> None:
    x = nn.Tensor(np.zeros((2, 3, 4), np.float32))
    assert x.nelement() == 24 and x.ndimension() == 3 and x.element_size() == 4 and x.stride() == (12, 4, 1) and x.mT.stride(-1) == 4
    assert x.is_contiguous() and not x.mT.is_contiguous() and x.is_floating_point() and not x.long().is_floating_point()
    assert x.device == "cpu" and x.to(x.device) is x and x.half().dtype == np.float16 and x.byte().dtype == np.uint8
    assert x.new_zeros(2, 3).shape == x.new_ones((2, 3)).shape == x.new_empty(2, 3).shape == x.new_full((2, 3), 5).shape == (2, 3)
    assert x.new_full((2,), 5.0, dtype=np.int64).tolist() == [5, 5] and x.new_ones(1, requires_grad=True).requires_grad
    given = np.ones(2)
    made = x.new_tensor(given)
    assert made.dtype == np.float32 and made.tolist() == [1, 1]
    assert not np.shares_memory(x.new_tensor(given, dtype=given.dtype).numpy(), given)


def test_the_package_has_the_functions_of_operators() -> None:
    assert all(getattr(nn, name) is getattr(nn.operators, name) for name in nn.operators.__all__)
    assert "sum" not in nn.__all__ and nn.sum(X) == X.sum() and {"roll", "sort", "erf"} <= {*nn.__all__}
    assert nn.sigmoid is nn.functional.sigmoid and nn.tanh is nn.functional.tanh and nn.softmax is nn.functional.softmax
    assert nn.relu is nn.functional.relu and nn.log_softmax is nn.functional.log_softmax
