"""The tape: what is recorded, how gradients flow, hooks, grad modes, misuse, Function."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import swiftnn as nn


def leaf(*shape, dtype=np.float64, seed=0):
    return nn.Tensor(np.random.default_rng(seed).normal(size=shape).astype(dtype), requires_grad=True)


def test_gradients_add_up_in_leaves():
    x = leaf(3)
    y = x * 2 + x * x
    y.sum().backward()
    np.testing.assert_allclose(x.grad, 2 + 2 * x.numpy())
    assert type(x.grad) is np.ndarray and x.grad.dtype == x.dtype
    (x * 1).sum().backward()
    np.testing.assert_allclose(x.grad, 3 + 2 * x.numpy())
    x.grad = None
    (x * 5).sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 5.0))


def test_a_diamond_is_followed_once():
    calls = []

    class Twice(nn.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            calls.append(dy)
            return dy * 2

    x = leaf(2)
    y = Twice.apply(x)
    (y * y + y).sum().backward()
    assert len(calls) == 1
    np.testing.assert_allclose(x.grad, 2 * (2 * 2 * x.numpy() + 1))


def test_a_gradient_never_shares_memory_with_another():
    a, b = leaf(4), leaf(4, seed=1)
    g = np.ones(4)
    (a + b).backward(g)
    assert not np.shares_memory(a.grad, b.grad) and not np.shares_memory(a.grad, g)
    a.grad += 1
    np.testing.assert_array_equal(b.grad, np.ones(4))
    x = leaf(6)
    nn.cat([x[:3], x[3:]]).reshape(2, 3).backward(np.ones((2, 3)))
    assert x.grad.flags.writeable and x.grad.base is None


def test_who_is_recorded():
    x, plain = leaf(2), nn.Tensor(np.ones(2))
    p = nn.Parameter(np.ones(2))
    assert (x * plain).requires_grad and not (plain * 2).requires_grad and (plain * p).requires_grad
    assert (plain * p).grad_fn is not None and x.grad_fn is None and x.is_leaf and not (x * 2).is_leaf
    assert type(np.ones(2) * p) is np.ndarray and not (x > 0).requires_grad and not x.argmax().requires_grad
    assert not x.detach().requires_grad and np.shares_memory(x.detach().numpy(), x.numpy())
    # What Parameters alone give does not decide that results are Tensors, and carries gradients all the same.
    scale = (p * p).sum()
    assert type(scale) is nn.Tensor and type(np.ones(2) * scale) is np.ndarray
    (plain * scale).sum().backward()
    np.testing.assert_array_equal(p.grad, [4.0, 4.0])


def test_layers_record_only_with_tensors():
    layer = nn.ReLU()
    assert type(layer(np.ones(2, np.float32))) is np.ndarray
    x = nn.Tensor(np.ones(2, np.float32))
    assert type(layer(x)) is nn.Tensor and not layer(x).requires_grad


def test_no_grad_and_friends():
    x = leaf(2)
    with nn.no_grad():
        assert not nn.is_grad_enabled() and not (x * 2).requires_grad
        with nn.enable_grad():
            assert (x * 2).requires_grad
        assert not nn.is_grad_enabled()
    assert nn.is_grad_enabled()

    @nn.no_grad()
    def double(v):
        return v * 2

    assert not double(x).requires_grad and nn.is_grad_enabled()
    with nn.set_grad_enabled(False), nn.set_grad_enabled(True):
        assert (x * 2).requires_grad
    with nn.inference_mode():
        assert not (x * 2).requires_grad
    nn.set_grad_enabled(False)
    try:
        assert not nn.is_grad_enabled()
    finally:
        nn.set_grad_enabled(True)
    with pytest.raises(KeyError), nn.no_grad():
        raise KeyError
    assert nn.is_grad_enabled()


def test_backward_twice():
    x = leaf(2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad, 4 * x.numpy())
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_what_backward_starts_with():
    x = leaf(2)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"shape \(3,\); expected \(2,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        nn.Tensor(np.ones(1)).backward()
    with pytest.raises(NotImplementedError, match="create_graph"):
        (x * 2).sum().backward(create_graph=True)
    (x * 2).backward(nn.Tensor([1.0, 2.0]))
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])
    x.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, [3.0, 5.0])


def test_a_change_in_place_is_noticed():
    x, factor = leaf(2), nn.Tensor(np.ones(2))
    y = x * factor
    factor += 1
    with pytest.raises(RuntimeError, match=r"changed in place .*\(x.clone"):
        y.sum().backward()
    y = x * factor
    factor[0] = 7
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    view = nn.Tensor(factor.numpy()[:1])
    y = x * factor
    view += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    # What the derivative does not need may change.
    y = x + factor
    factor += 1
    y.sum().backward()
    y = x * factor
    factor = factor + 1
    y.sum().backward()


def test_leaves_change_in_place_under_no_grad_only():
    p = nn.Parameter(np.ones(2))
    for change in (lambda: p.__iadd__(1), lambda: p.__setitem__(0, 3), lambda: p.zero_()):
        with pytest.raises(RuntimeError, match="no_grad"):
            change()
    y = (p * p).sum()
    with nn.no_grad():
        p -= 0.5
    np.testing.assert_array_equal(p.numpy(), [0.5, 0.5])
    assert type(p) is nn.Parameter and p.requires_grad and p.is_leaf
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_changes_in_place_are_recorded():
    x, b = leaf(3), leaf(3, seed=1)
    y = x * 2
    same = y
    y += b
    y *= 3
    assert y is same
    y[0] = 5.0
    y[1] = x[2] * 10
    y.sum().backward()
    np.testing.assert_allclose(x.grad, [0.0, 0.0, 6.0 + 10.0])
    np.testing.assert_allclose(b.grad, [0.0, 0.0, 3.0])
    buffer = nn.Tensor(np.zeros((2, 3)))
    buffer[0] = x
    assert buffer.requires_grad
    buffer.sum().backward()
    np.testing.assert_allclose(x.grad, [1.0, 1.0, 17.0])


def test_hooks():
    x = leaf(2)
    seen = []
    remove = x.register_hook(lambda g: seen.append(g.copy()))
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    np.testing.assert_array_equal(seen, [[20.0, 20.0]])
    np.testing.assert_array_equal(x.grad, [20.0, 20.0])
    np.testing.assert_array_equal(y.grad, [1.0, 1.0])
    remove()
    (x * 1).sum().backward()
    assert len(seen) == 1
    z = x * 2
    z.register_hook(lambda g: np.ones(5))
    with pytest.raises(ValueError, match="hook returned"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="does not require"):
        nn.Tensor([1.0]).register_hook(print)


def test_grad_of_inputs():
    x, z = leaf(2), leaf(2, seed=1)
    h = x * 3
    y = (h * h).sum()
    dh, dx = nn.grad(y, [h, x], retain_graph=True)
    np.testing.assert_allclose(dh, 2 * h.numpy())
    np.testing.assert_allclose(dx, 6 * h.numpy())
    assert x.grad is None and z.grad is None
    with pytest.raises(RuntimeError, match="allow_unused"):
        nn.grad(y, z, retain_graph=True)
    assert nn.grad(y, z, allow_unused=True) == (None,)


def test_functions():
    class Split(nn.Function):
        @staticmethod
        def forward(ctx, x, n):
            assert type(ctx) is nn.FunctionContext and type(x) is np.ndarray and ctx.needs_input_grad == (True, False)
            ctx.save_for_backward(x)
            return x[:n], x[n:] * 2

        @staticmethod
        def backward(ctx, first, second):
            return np.concatenate([first, 2 * second]), None

    x = leaf(4)
    head, tail = Split.apply(x, 1)
    tail.sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, 2.0, 2.0, 2.0])
    head, tail = Split.apply(nn.Tensor(np.ones(4), requires_grad=True), 2)
    assert head.requires_grad and tail.grad_fn is head.grad_fn

    class Wrong(nn.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return np.ones(9)

    with pytest.raises(ValueError, match=r"shape \(9,\) for argument 0; expected \(4,\)"):
        Wrong.apply(x).sum().backward()
    assert type(Wrong.apply(np.ones(2))) is np.ndarray


def test_a_tape_of_100_000_nodes():
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0])
    y = x
    for _ in range(100_000):
        y = y + 0.0
    del y


def test_graphs_are_freed_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(3)
        y = (x * x).exp()
        node = weakref.ref(y.grad_fn)
        z = y.sum()
        del y
        z.backward()
        del z
        assert node() is None
        y = (x * 2).relu() if False else x * 2
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_gradients_have_the_type_of_their_tensor():
    x = leaf(2, dtype=np.float32)
    (x * np.ones(2)).sum().backward()
    assert x.grad.dtype == np.float32
    z = leaf(2, dtype=np.float32)
    z.double().sum().backward()
    assert z.grad.dtype == np.float32


def test_what_has_no_derivative_says_so():
    x = leaf(2, 2)
    with pytest.raises(NotImplementedError, match="no derivative"):
        nn._native.batch_stats_forward(x)
    with pytest.raises(TypeError, match=r"detach\(\)"):
        np.linalg.norm(x)
    with pytest.raises(RuntimeError, match="computed"):
        x.__mul__(2).requires_grad = False


def test_copies_of_computed_tensors_are_refused():
    import copy
    import pickle

    y = leaf(2) * 2
    with pytest.raises(RuntimeError, match="detach"):
        copy.deepcopy(y)
    with pytest.raises(RuntimeError, match="detach"):
        pickle.dumps(y)


def test_gradcheck():
    x = leaf(2, 3)
    assert nn.gradcheck(lambda x: (x.exp(), x * 2), x)

    class Wrong(nn.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            return dy * 3

    with pytest.raises(nn.GradcheckError, match=r"input 0 at \(0, 0\)"):
        nn.gradcheck(Wrong.apply, x)
    assert not nn.gradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(ValueError, match="float64"):
        nn.gradcheck(lambda x: x, leaf(2, dtype=np.float32))
    with pytest.raises(ValueError, match="requires a gradient"):
        nn.gradcheck(lambda x: x, nn.Tensor([1.0]))
    # A gradient that is missing is noticed too.
    with pytest.raises(nn.GradcheckError):
        nn.gradcheck(lambda x: x.detach() * 2, x)


@pytest.mark.parametrize("kind", range(24))
@pytest.mark.parametrize("with_residual", [False, True])
def test_a_fused_activation_has_the_gradients_of_the_two_operations(kind, with_residual):
    from swiftnn import _native

    usual = {2: (0.01, 0.0), 3: (1.0, 0.0), 10: (1.0, 20.0), 15: (-1.0, 1.0), 20: (1.0, 0.0), 22: (0.5, 0.0), 23: (0.5, 0.0)}
    alpha, beta = usual.get(kind, (0.0, 0.0))

    def run(fused):
        x, weight, bias, residual = leaf(5, 7), leaf(9, 7, seed=1), leaf(9, seed=2), leaf(5, 9, seed=3)
        with nn.no_grad():
            bias += 20 if kind == 13 else 0  # the logarithm of positive numbers
        added = residual if with_residual else None
        if fused:
            y = _native.linear_forward(x, weight, bias, added, kind, 0, 0)
        else:
            y = _native.activation_forward(_native.linear_forward(x, weight, bias, None, -1, 0, 0), kind, alpha, beta)
            y = y if added is None else added + y
        y.backward(np.random.default_rng(4).normal(size=y.shape))
        return [y.numpy(), *(t.grad for t in (x, weight, bias, residual) if t.grad is not None)]

    for a, b in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_result_of_a_fused_activation_may_not_change_before_backward():
    from swiftnn import _native

    y = _native.linear_forward(leaf(5, 7), leaf(9, 7, seed=1), None, None, 0, 0, 0)
    view = nn.Tensor(y.numpy()[:1])
    view += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
