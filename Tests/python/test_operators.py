"""Operators on Tensors: values against NumPy, derivatives against central differences."""

from __future__ import annotations

import numpy as np
import pytest

import swiftnn as nn

X = np.random.default_rng(0).uniform(0.5, 2.0, (2, 3, 4)) * np.random.default_rng(1).choice([-1.0, 1.0], (2, 3, 4))
P = np.abs(X)
V = np.array([0.3, -1.2, 2.0, 0.7])
M = np.random.default_rng(2).normal(size=(4, 5))
MASK = X > 0
ROWS = np.array([1, 0, 1, 1])

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
