"""Weights computed from other parameters: weight_norm and spectral_norm in both forms, orthogonal, parametrize itself, functional_call."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.utils import parametrizations, parametrize
from swiftnn.utils.stateless import functional_call

RNG = np.random.default_rng(11)
COPIES = [copy.copy, copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]

LAYERS = {
    "Linear": (lambda **o: nn.Linear(5, 4, **o), (3, 5), "weight"),
    "Conv1d": (lambda **o: nn.Conv1d(4, 6, 3, groups=2, **o), (2, 4, 9), "weight"),
    "Conv2d": (lambda **o: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect", **o), (2, 3, 5, 6), "weight"),
    "ConvTranspose1d": (lambda **o: nn.ConvTranspose1d(3, 4, 4, stride=2, padding=1, **o), (2, 3, 7), "weight"),
    "LSTM": (lambda **o: nn.LSTM(3, 4, 2, bidirectional=True, **o), (5, 2, 3), "weight_hh_l1_reverse"),
    "GRUCell": (lambda **o: nn.GRUCell(3, 4, **o), (2, 3), "weight_ih"),
    "Embedding": (lambda **o: nn.Embedding(7, 4, **o), None, "weight"),
}
each_layer = pytest.mark.parametrize("kind", LAYERS)


def first(y):
    return y[0] if isinstance(y, tuple) else y


def made(kind, dtype=np.float64):
    make, shape, name = LAYERS[kind]
    x = RNG.integers(0, 7, (3, 4)) if shape is None else RNG.standard_normal(shape).astype(dtype)
    return make(dtype=dtype), x, name


def with_weight(layer, name, array):
    """A copy of the plain layer that has this weight."""
    twin = copy.deepcopy(layer)
    getattr(twin, name).data[...] = array
    return twin


def normed(v, g, dim):
    """g · v / ‖v‖, index by index."""
    if dim is None:
        return g * v / np.linalg.norm(v)
    w = np.empty_like(v)
    for i in range(v.shape[dim]):
        at = (slice(None),) * (dim % v.ndim) + (i,)
        w[at] = g.reshape(-1)[i] * v[at] / np.linalg.norm(v[at])
    return w


def iterated(weight, u, v, dim, steps, new):
    """Power iteration and the weight divided by σ."""
    matrix = np.moveaxis(weight, dim, 0).reshape(weight.shape[dim], -1)
    for _ in range(steps):
        for side in (1, 0) if new else (0, 1):
            if side:
                u = matrix @ v / np.linalg.norm(matrix @ v)
            else:
                v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
    return weight / (u @ matrix @ v), u, v


def gradients_agree(layer, x):
    """Gradients of all parameters against central differences, by way of functional_call."""
    names = [name for name, _ in layer.named_parameters()]
    values = [nn.Tensor(p.data.copy(), requires_grad=True) for p in layer.parameters()]
    assert nn.gradcheck(lambda *tensors: first(functional_call(layer, dict(zip(names, tensors)), x)), values)
    y = first(layer(nn.Tensor(x)))
    dy = RNG.standard_normal(y.shape)
    y.backward(dy)
    first(functional_call(layer, dict(zip(names, values)), nn.Tensor(x))).backward(dy)
    for name, parameter, value in zip(names, layer.parameters(), values):
        np.testing.assert_allclose(parameter.grad, value.grad, rtol=1e-12, atol=1e-12, err_msg=name)


# weight_norm


@each_layer
@pytest.mark.parametrize("dim", [0, 1, -2, None])
@pytest.mark.parametrize("new", [False, True], ids=["hook", "parametrized"])
def test_weight_norm(kind, dim, new):
    plain, x, name = made(kind)
    weight = getattr(plain, name).data
    layer = copy.deepcopy(plain)
    result = (parametrizations if new else nn.utils).weight_norm(layer, name, dim)
    assert result is layer
    g, v = (f"parametrizations.{name}.original{i}" if new else f"{name}_{'gv'[i]}" for i in (0, 1))
    state = layer.state_dict()
    assert name not in state and {g, v} <= set(state) and set(state) - {g, v} == set(plain.state_dict()) - {name}
    ones = [1] * weight.ndim
    if dim is not None:
        ones[dim] = weight.shape[dim]
    assert state[g].shape == (() if dim is None else tuple(ones)) and state[v].shape == weight.shape
    np.testing.assert_allclose(getattr(layer, name).numpy(), weight, rtol=1e-14)
    for parameter in layer.parameters():
        parameter.data += RNG.uniform(0.1, 0.5, parameter.shape)
    expected = normed(state[v], state[g], dim)
    rest = {key: value for key, value in state.items() if key not in (g, v)}
    twin = with_weight(plain, name, expected)
    twin.load_state_dict(rest, strict=False)
    for model in (layer, *(duplicate(layer) for duplicate in COPIES)):
        y = first(model(x))
        assert type(y) is np.ndarray
        np.testing.assert_allclose(y, first(twin(x)), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(getattr(model, name).numpy(), expected, rtol=1e-13)
        assert type(model) is type(layer) and list(model.state_dict()) == list(state)
    gradients_agree(layer, x)
    if new:
        parametrize.remove_parametrizations(layer, name)
    else:
        nn.utils.remove_weight_norm(layer, name)
    assert type(layer) is type(plain) and set(layer.state_dict()) == set(plain.state_dict())
    assert getattr(layer, name).requires_grad and isinstance(getattr(layer, name), nn.Parameter)
    np.testing.assert_array_equal(first(layer(x)), y)


def test_weight_norm_trains_and_is_never_older_than_its_parameters():
    """Also where the kernels keep what they make of a weight, and where they do not see a Tensor."""
    for normalize in (nn.utils.weight_norm, parametrizations.weight_norm):
        layer = normalize(nn.Linear(20, 30))
        optimizer = nn.optim.SGD(layer.parameters(), lr=0.1)
        x = RNG.standard_normal((7, 20)).astype(np.float32)
        g, v = (p.data for p in list(layer.parameters())[1:])
        for _ in range(4):
            for _ in range(3):
                expected = x @ normed(v, g, 0).T + layer.bias.data
                np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
            before = g.copy(), v.copy()
            optimizer.zero_grad()
            (layer(nn.Tensor(x)) ** 2).mean().backward()
            optimizer.step()
            assert (g != before[0]).any() and (v != before[1]).any()


def test_old_names_load_into_the_parametrized_form():
    old, new = nn.utils.weight_norm(nn.Conv1d(3, 4, 5)), parametrizations.weight_norm(nn.Conv1d(3, 4, 5))
    for target in (new, pickle.loads(pickle.dumps(new))):
        model = nn.Sequential(nn.ReLU(), target)
        model.load_state_dict(nn.Sequential(nn.ReLU(), old).state_dict())
        np.testing.assert_array_equal(target.weight.numpy(), old.weight.numpy())


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "npz"])
@pytest.mark.parametrize(
    "normalize", [nn.utils.weight_norm, nn.utils.spectral_norm, parametrizations.weight_norm, parametrizations.orthogonal]
)
def test_files(normalize, suffix, tmp_path):
    one, two = (normalize(nn.Linear(4, 4)).eval() for _ in range(2))
    x = RNG.standard_normal((2, 4)).astype(np.float32)
    y = one(x)
    nn.save(tmp_path / f"model.{suffix}", one.state_dict())
    two.load_state_dict(nn.load(tmp_path / f"model.{suffix}"))
    np.testing.assert_array_equal(one.weight.numpy(), two.weight.numpy())  # before any call
    np.testing.assert_array_equal(two(x), y)


def test_conversion_and_streams_see_the_weight_of_now():
    gru = nn.utils.weight_norm(nn.GRU(3, 4), "weight_hh_l0").double()
    assert gru.weight_hh_l0.dtype == np.float64
    gru.load_state_dict(nn.utils.weight_norm(nn.GRU(3, 4), "weight_hh_l0").state_dict())
    x = RNG.standard_normal((5, 2, 3))
    np.testing.assert_array_equal(gru.stream()(x), gru(x)[0])


# spectral_norm


@each_layer
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("new", [False, True], ids=["hook", "parametrized"])
def test_spectral_norm(kind, steps, new):
    plain, x, name = made(kind)
    layer = copy.deepcopy(plain)
    (parametrizations if new else nn.utils).spectral_norm(layer, name, steps)
    dim = 1 if "Transpose" in kind else 0
    prefix = f"parametrizations.{name}." if new else f"{name}_"
    u, v = (f"{prefix}0._{letter}" if new else f"{prefix}{letter}" for letter in "uv")
    original = f"{prefix}original" if new else f"{prefix}orig"
    state = layer.state_dict()
    assert {u, v, original} <= set(state) and name not in state
    np.testing.assert_array_equal(state[original], getattr(plain, name).data)
    assert np.linalg.norm(state[u]) == pytest.approx(1) and np.linalg.norm(state[v]) == pytest.approx(1)
    for _ in range(2):
        expected, *vectors = iterated(state[original], state[u].copy(), state[v].copy(), dim, steps, new)
        y = first(layer(x))
        assert type(y) is np.ndarray
        np.testing.assert_allclose(y, first(with_weight(plain, name, expected)(x)), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(state[u], vectors[0], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(state[v], vectors[1], rtol=1e-10, atol=1e-12)
    layer.eval()
    before = state[u].copy()
    expected = iterated(state[original], state[u], state[v], dim, 0, new)[0]
    for model in (layer, *(duplicate(layer) for duplicate in COPIES)):
        np.testing.assert_allclose(first(model(x)), first(with_weight(plain, name, expected)(x)))
    np.testing.assert_array_equal(before, state[u])
    gradients_agree(layer, x)
    y = first(layer(x))
    if new:
        parametrize.remove_parametrizations(layer, name)
    else:
        nn.utils.remove_spectral_norm(layer, name)
        assert not layer._state_dict_hooks and not layer._load_state_dict_pre_hooks
    assert set(layer.state_dict()) == set(plain.state_dict())
    np.testing.assert_array_equal(first(layer(x)), y)


@pytest.mark.parametrize("normalize", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_two_forward_passes_before_backward(normalize):
    """As discriminators are trained: the second call changes u and v."""
    layer = normalize(nn.Linear(5, 4, bias=False, dtype=np.float64))
    weight = next(layer.parameters())
    x = nn.Tensor(RNG.standard_normal((3, 5)))
    (one, two) = (copy.deepcopy(layer) for _ in range(2))
    one(x).sum().backward()
    two(x)
    next(two.parameters()).grad = None
    two(x).sum().backward()
    total = next(one.parameters()).grad + next(two.parameters()).grad
    (layer(x).sum() + layer(x).sum()).backward()
    np.testing.assert_allclose(weight.grad, total, rtol=1e-12)


def test_spectral_norm_of_vectors_and_older_files():
    layer = parametrizations.spectral_norm(nn.Linear(3, 4), "bias")
    assert np.linalg.norm(layer.bias.numpy()) == pytest.approx(1, rel=1e-6)
    layer = nn.utils.spectral_norm(nn.Linear(3, 4, dtype=np.float64)).eval()
    state = layer.state_dict()
    assert state._metadata[""]["spectral_norm"] == {"weight.version": 1}
    u = layer.weight_orig.data @ layer.weight_v
    layer.weight_u[:] = u / np.linalg.norm(u)  # as a forward in training mode leaves it
    x = RNG.standard_normal((2, 3))
    y = layer(x)
    older = {"bias": layer.bias.data, "weight_orig": layer.weight_orig.data, "weight_u": layer.weight_u, "weight": layer.weight.numpy()}
    other = nn.utils.spectral_norm(nn.Linear(3, 4, dtype=np.float64)).eval()
    other.load_state_dict(older)
    np.testing.assert_allclose(other(x), y, rtol=1e-9)


# What hooks refuse


def test_hooks_refuse():
    layer = nn.utils.weight_norm(nn.Linear(2, 3))
    with pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks on the same parameter weight"):
        nn.utils.weight_norm(layer)
    with pytest.raises(ValueError, match="weight_norm: Linear has no parameter 'kernel'"):
        nn.utils.weight_norm(nn.Linear(2, 3), "kernel")
    with pytest.raises(ValueError, match="has no parameter 'bias'"):
        nn.utils.spectral_norm(nn.Linear(2, 3, bias=False), "bias")
    with pytest.raises(ValueError, match="not initialized"):
        nn.utils.weight_norm(nn.LazyLinear(3))
    for normalize in (nn.utils.weight_norm, nn.utils.spectral_norm, parametrizations.weight_norm, parametrizations.spectral_norm):
        layer = nn.Linear(2, 3)
        before = layer.weight
        with pytest.raises(IndexError, match="Dimension out of range"):
            normalize(layer, dim=2)
        assert layer.weight is before and type(layer) is nn.Linear and not layer._forward_pre_hooks
    for normalize in (nn.utils.spectral_norm, parametrizations.spectral_norm):
        with pytest.raises(ValueError, match="n_power_iterations"):
            normalize(nn.Linear(2, 3), n_power_iterations=0)
    for remove in (nn.utils.remove_weight_norm, nn.utils.remove_spectral_norm):
        with pytest.raises(ValueError, match="of 'weight' not found in"):
            remove(nn.Linear(2, 3))


# orthogonal

MAPS = ["matrix_exp", "cayley", "householder"]


def orthogonal_reference(x, kind):
    """Q of one matrix of n >= k."""
    n, k = x.shape
    if kind == "householder":
        q = np.eye(n)
        for i in range(k):
            v = np.eye(n)[i] + np.where(np.arange(n) > i, x[:, i], 0)
            q = q @ (np.eye(n) - 2 * np.outer(v, v) / (v @ v))
        return q[:, :k] * np.sign(np.diagonal(x))
    a = np.zeros((n, n))
    a[:, :k] = np.tril(x)
    a = a - a.T
    if kind == "cayley":
        return ((np.eye(n) + a / 2) @ np.linalg.inv(np.eye(n) - a / 2))[:, :k]
    values, vectors = np.linalg.eigh(1j * a)
    return ((vectors * np.exp(-1j * values)) @ vectors.conj().T).real[:, :k]


@pytest.mark.parametrize("trivialization", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (1, 1), (2, 5, 3), (2, 3, 3, 4)], ids=str)
@pytest.mark.parametrize("kind", MAPS)
def test_orthogonal(kind, shape, trivialization):
    holder = nn.Module()
    holder.weight = nn.Parameter(RNG.standard_normal(shape))
    start = holder.weight.data.copy()
    parametrizations.orthogonal(holder, orthogonal_map=kind, use_trivialization=trivialization)
    parameters = holder.parametrizations.weight
    if trivialization or kind == "householder":  # the orthogonal factor of the weight it had
        tall = start if shape[-2] >= shape[-1] else start.swapaxes(-1, -2)
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
        np.testing.assert_allclose(holder.weight.numpy(), q if tall is start else q.swapaxes(-1, -2), atol=1e-12)
    x = parameters.original.data
    x += np.where(np.eye(*shape[-2:]) != 0, 0, RNG.standard_normal(shape) * 3)
    base = parameters[0].base if trivialization else None
    assert ("parametrizations.weight.0.base" in holder.state_dict()) == trivialization
    got = holder.weight.numpy()
    for index in np.ndindex(shape[:-2]):
        one = x[index] if shape[-2] >= shape[-1] else x[index].T
        expected = orthogonal_reference(one, kind)
        if base is not None:
            expected = base[index] @ expected
        np.testing.assert_allclose(got[index], expected if shape[-2] >= shape[-1] else expected.T, atol=1e-12)
    tensor = nn.Tensor(x.copy(), requires_grad=True)
    assert nn.gradcheck(lambda t: parameters[0](t), [tensor])


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("duplicate", COPIES)
def test_orthogonal_stays_so_in_training(kind, duplicate):
    layer = duplicate(parametrizations.orthogonal(nn.Linear(6, 4), orthogonal_map=kind))
    optimizer = nn.optim.SGD(layer.parameters(), lr=0.5, weight_decay=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        (layer(nn.Tensor(np.ones((3, 6), np.float32))) ** 2).sum().backward()
        optimizer.step()
        w = layer.weight.numpy()
        np.testing.assert_allclose(w @ w.T, np.eye(4), atol=2e-6)


def test_orthogonal_of_a_singular_matrix_and_assignment():
    layer = nn.Linear(4, 4)
    layer.weight.data[:] = 0
    w = parametrizations.orthogonal(layer).weight.numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(4), atol=1e-6)
    q = np.linalg.qr(RNG.standard_normal((4, 4)))[0].astype(np.float32)
    layer.weight = q
    np.testing.assert_allclose(layer.weight.numpy(), q, atol=1e-6)
    with pytest.raises(ValueError, match=r"of shape \(4, 4\). Got a tensor of shape \(3, 4\)"):
        layer.weight = q[:3]
    fixed = parametrizations.orthogonal(nn.Linear(4, 4), orthogonal_map="cayley", use_trivialization=False)
    with pytest.raises(NotImplementedError, match="use_trivialization=False"):
        fixed.weight = q
    wrong = {"orthogonal_map": ("qr", "has to be one of"), "name": ("bias", "1 dimensions")}
    for bad, words in (*(({key: value}, text) for key, (value, text) in wrong.items()), ({"name": "no"}, "with name 'no'")):
        with pytest.raises(ValueError, match=words):
            parametrizations.orthogonal(nn.Linear(4, 4), **bad)


# parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return nn.operators.triu(x) + nn.operators.triu(x, 1).T

    def right_inverse(self, a):
        return nn.operators.triu(a)


class Masked(nn.Module):
    """A buffer beside the parameter: NumPy's array must not end the tape."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", np.tri(3, dtype=np.float32))

    def forward(self, x):
        return x * self.mask


class RankOne(nn.Module):
    def forward(self, a, b):
        return a.unsqueeze(-1) * b.unsqueeze(-2)

    def right_inverse(self, z):
        u, s, v = np.linalg.svd(z.numpy(), full_matrices=False)
        return u[:, 0] * np.sqrt(s[0]), v[0] * np.sqrt(s[0])


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2


def test_register_read_assign_remove():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    start = weight.data.copy()
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert layer.parametrizations.weight.original is weight and parametrize.is_parametrized(layer, "weight")
    assert type(layer).__name__ == "ParametrizedLinear" and parametrize.type_before_parametrizations(layer) is nn.Linear
    assert isinstance(layer, nn.Linear) and isinstance(layer.parametrizations.weight, parametrize.ParametrizationList)
    np.testing.assert_array_equal(layer.weight.numpy(), np.triu(start) + np.triu(start, 1).T)
    parametrize.register_parametrization(layer, "weight", Masked())
    assert len(layer.parametrizations.weight) == 2
    (layer(nn.Tensor(np.ones((1, 3), np.float32))) * np.arange(3, dtype=np.float32)).sum().backward()
    np.testing.assert_array_equal(weight.grad, [[0, 1, 2], [0, 1, 2], [0, 0, 2]])  # of triu(x): the masked lower triangle of its mirror
    with pytest.raises(RuntimeError, match="Masked does not implement right_inverse"):
        layer.weight = start
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear and layer.weight is weight and not hasattr(layer, "parametrizations")
    np.testing.assert_array_equal(weight.data, np.triu(start))
    parametrize.register_parametrization(layer, "weight", Symmetric())
    layer.weight = np.full((3, 3), 2, np.float32)
    assert weight.data.tolist() == [[2, 2, 2], [0, 2, 2], [0, 0, 2]]
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is weight and (weight.data == 2).all()


def test_several_originals_buffers_and_several_arrays():
    layer = parametrize.register_parametrization(nn.Linear(4, 3), "weight", RankOne())
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert np.linalg.matrix_rank(layer.weight.numpy()) == 1
    with pytest.raises(ValueError, match="sequence of tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.register_parametrization(layer, "bias", Doubled())
    gradients_agree(layer.double(), RNG.standard_normal((2, 4)))
    twin = copy.deepcopy(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert not parametrize.is_parametrized(layer, "weight") and parametrize.is_parametrized(layer, "bias")
    assert parametrize.is_parametrized(twin, "weight") and np.array_equal(twin.weight.numpy(), layer.weight.numpy())
    for parameter in twin.parameters():
        parameter.requires_grad = False
    parametrize.remove_parametrizations(twin, "weight")
    assert isinstance(twin.weight, nn.Parameter) and not twin.weight.requires_grad
    bn = nn.BatchNorm1d(3)
    parametrize.register_parametrization(bn, "running_var", Doubled())
    assert type(bn.running_var) is np.ndarray and bn.running_var.tolist() == [2, 2, 2]
    assert "parametrizations.running_var.original" in bn.state_dict()
    parametrize.remove_parametrizations(bn, "running_var")
    assert bn.running_var.tolist() == [2, 2, 2] and "running_var" in bn.state_dict()


def test_what_register_refuses():
    class Wrong(nn.Module):
        def __init__(self, give):
            super().__init__()
            self.forward = give

    for give, words in (
        (lambda x: x[:1], "change the shape"),
        (lambda x: x.astype(np.float64), "change the dtype"),
        (lambda x: None, "must return a tensor. Got NoneType"),
    ):
        for layer in (nn.Linear(2, 2), parametrize.register_parametrization(nn.Linear(2, 2), "weight", Doubled())):
            before = layer.state_dict()
            with pytest.raises(ValueError, match=words):
                parametrize.register_parametrization(layer, "weight", Wrong(give))
            assert list(layer.state_dict()) == list(before)
    layer = parametrize.register_parametrization(nn.Linear(2, 3), "weight", Wrong(lambda x: x[:1]), unsafe=True)
    assert layer.weight.shape == (1, 2)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element with name 'no'"):
        parametrize.register_parametrization(nn.Linear(2, 2), "no", Doubled())
    with pytest.raises(TypeError, match="must be a Module, got function"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", lambda x: x)
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(nn.Linear(2, 2), "weight")
    with pytest.raises(ValueError, match="one or more modules"):
        parametrize.ParametrizationList([], nn.Parameter(np.ones(2)))


def test_cached_is_of_this_block_thread_and_mode():
    calls = []
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric()).parametrizations.weight[0].register_forward_hook(
        lambda *a: calls.append(1)
    )
    with parametrize.cached():
        with nn.no_grad():
            assert not layer.weight.requires_grad
        assert layer.weight is layer.weight and layer.weight.requires_grad
        with parametrize.cached():
            layer.weight.sum().backward()
        assert len(calls) == 2
        worker = threading.Thread(target=lambda: layer.weight)
        worker.start()
        worker.join()
        assert len(calls) == 3
        layer.weight = np.eye(3, dtype=np.float32)
        assert layer.weight.numpy().sum() == 3
    assert layer.weight is not layer.weight


def test_transfer():
    one = parametrizations.weight_norm(parametrize.register_parametrization(nn.Linear(3, 3), "bias", Doubled()))
    two = nn.Linear(3, 3)
    assert parametrize.transfer_parametrizations_and_params(one, two) is two
    assert [id(p) for p in two.parameters()] == [id(p) for p in one.parameters()]
    x = RNG.standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_array_equal(one(x), two(x))
    empty = parametrize.transfer_parametrizations_and_params(one, nn.ReLU(), "weight")
    np.testing.assert_array_equal(empty.weight.numpy(), one.weight.numpy())
    assert type(parametrize.transfer_parametrizations_and_params(nn.ReLU(), two)).__name__ == "ParametrizedLinear"


def test_modules_die_and_classes_are_shared():
    gc.disable()
    try:
        layer = parametrizations.weight_norm(nn.Linear(2, 3))
        assert type(layer) is type(parametrizations.weight_norm(nn.Linear(2, 3)))
        layer(nn.Tensor(np.ones((1, 2), np.float32))).sum().backward()
        alive = weakref.ref(layer)
        del layer
        assert alive() is None
    finally:
        gc.enable()


def test_inside_fused_models():
    """Layers that merge their neighbours' work read no stale weight, and no weight that a hook has not made."""
    nn.manual_seed(3)
    plain = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    x = RNG.standard_normal((4, 3, 8)).astype(np.float32)
    for normalize in (nn.utils.weight_norm, parametrizations.weight_norm):
        layer = copy.deepcopy(plain)
        for linear in (layer.linear1, layer.linear2, layer.self_attn.out_proj):
            normalize(linear)
        np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-5)
        layer.eval()
        np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-5)
    assert nn.summary(layer, x).multiply_adds == nn.summary(plain, x).multiply_adds


# functional_call, skip_init


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(np.ones(2, np.float32))
        self.b = self.a
        self.register_buffer("count", np.zeros(1, np.float32))

    def forward(self, x, *, scale=1):
        self.count = self.count + 1
        return (x * self.a + self.b) * scale


def test_functional_call():
    module, x = Tied(), np.ones(2, np.float32)
    before, count = module.a, module.count
    three = np.full(2, 3, np.float32)
    assert functional_call(module, {"a": three}, (x,), {"scale": 2}).tolist() == [12, 12]
    assert functional_call(module, {"a": three}, x, tie_weights=False).tolist() == [4, 4]
    given = {"a": nn.Tensor(three, requires_grad=True), "count": np.full(1, 5, np.float32)}
    y = functional_call(module, given, x)
    y.sum().backward()
    assert given["a"].grad.tolist() == [2, 2] and given["count"].tolist() == [6]
    assert module.a is before and module.b is before
    module.count = count
    with pytest.raises(ValueError, match="tied"):
        functional_call(module, {"a": three, "b": x}, x)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\): 'c'.\n\tMissing key\(s\): 'b', 'count'"):
        functional_call(module, {"a": three, "c": x}, x, strict=True)
    with pytest.raises(AttributeError, match="no attribute `deep`"):
        functional_call(module, {"a": three, "deep.weight": x}, x)
    with pytest.raises(TypeError, match="'a' is a float"):
        functional_call(module, {"a": 3.0}, x)
    with pytest.raises(ValueError, match="several of the dicts"):
        functional_call(module, [{"a": three}, {"a": three}], x)
    assert functional_call(module, [{"a": three}, {"b": three}], x).tolist() == [6, 6]
    assert module.a is before and module.b is before and not hasattr(module, "c")


def test_functional_call_over_a_parametrization():
    layer = parametrizations.weight_norm(nn.GRU(3, 4), "weight_hh_l0")
    kind, x = type(layer), RNG.standard_normal((5, 2, 3)).astype(np.float32)
    plain = parametrize.remove_parametrizations(copy.deepcopy(layer), "weight_hh_l0")
    plain.weight_hh_l0.data[:] = 0.5
    y, _ = functional_call(layer, {"weight_hh_l0": np.full((12, 4), 0.5, np.float32)}, x)
    np.testing.assert_array_equal(y, plain(x)[0])
    assert type(layer) is kind and "weight_hh_l0" not in layer.__dict__
    assert not np.array_equal(layer(x)[0], y)


def test_skip_init():
    state = nn.random.get_rng_state()
    layer = nn.utils.skip_init(nn.Linear, 3, out_features=2, dtype=np.float64)
    assert np.array_equal(state, nn.random.get_rng_state()) and layer.weight.shape == (2, 3) and layer.weight.dtype == np.float64
    nn.Linear(3, 2)
    assert not np.array_equal(state, nn.random.get_rng_state())
    with pytest.raises(ValueError, match="kind"):
        nn.utils.skip_init(type("Bad", (nn.Module,), {"__init__": lambda self, device=None: (_ for _ in ()).throw(ValueError("kind"))}))
    assert not nn.init._skipping.now
    for wrong, words in ((dict, "Expected a Module"), (nn.ReLU, "'device'")):
        with pytest.raises(RuntimeError, match=words):
            nn.utils.skip_init(wrong)


def test_to_empty():
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 3)), nn.BatchNorm1d(3))
    arrays = dict(model.state_dict())
    assert model.to_empty(device="cpu") is model
    for key, value in model.state_dict().items():
        assert value.shape == arrays[key].shape and value.dtype == arrays[key].dtype and not np.shares_memory(value, arrays[key])
    model.load_state_dict(arrays)
    with pytest.raises(ValueError, match="device"):
        model.to_empty(device="cuda")
