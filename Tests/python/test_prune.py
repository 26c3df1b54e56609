"""Pruning: which elements each method takes, masks on top of masks, gradients, copies, and undoing it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.utils import prune

RNG = np.random.default_rng(7)


def linear(rows=6, columns=5):
    layer = nn.Linear(columns, rows, dtype=np.float64)
    layer.weight.data[:] = RNG.standard_normal((rows, columns))
    return layer


def least(scores, number):
    """True for all but so many of the least scores."""
    return scores > np.sort(scores.reshape(-1))[number - 1] if number else np.ones(scores.shape, bool)


@pytest.mark.parametrize(("amount", "number"), [(0, 0), (7, 7), (0.25, 8), (0.5, 15), (1.0, 30), (30, 30)])
def test_l1_unstructured(amount, number):
    layer = linear()
    weight, parameter = layer.weight.data.copy(), layer.weight
    assert prune.l1_unstructured(layer, "weight", amount) is layer and prune.is_pruned(layer)
    assert layer.weight_orig is parameter and list(layer.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    np.testing.assert_array_equal(layer.weight_mask, least(np.abs(weight), number))
    np.testing.assert_array_equal(layer.weight.numpy(), weight * layer.weight_mask)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("n", [1, 2, float("inf"), "fro"])
def test_ln_structured(n, dim):
    layer = linear()
    order = 2 if n == "fro" else n
    norms = np.linalg.norm(layer.weight.data, order, axis=1 - dim % 2)
    prune.ln_structured(layer, "weight", 2, n, dim)
    np.testing.assert_array_equal(np.moveaxis(layer.weight_mask, dim, 0).all(1), least(norms, 2))
    assert layer.weight_mask.sum() == 30 - 2 * layer.weight_mask.shape[1 - dim % 2]


def test_nuclear_norm():
    layer = nn.Conv1d(4, 5, 3)
    norms = np.array([np.linalg.svd(w, compute_uv=False).sum() for w in layer.weight.data])
    prune.ln_structured(layer, "weight", 0.4, "nuc", 0)
    np.testing.assert_array_equal(layer.weight_mask[:, 0, 0], least(norms, 2))


def test_random_methods():
    nn.manual_seed(1)
    layer = prune.random_unstructured(linear(), "weight", 0.3)
    first = layer.weight_mask.copy()
    assert (first == 0).sum() == 9
    nn.manual_seed(1)
    np.testing.assert_array_equal(prune.random_unstructured(linear(), "weight", 9).weight_mask, first)
    assert not np.array_equal(prune.random_unstructured(linear(), "weight", 9).weight_mask, first)
    for dim, each in ((0, 5), (1, 6)):
        mask = prune.random_structured(linear(), "weight", 2, dim).weight_mask
        assert (mask == 0).sum() == 2 * each and set(np.moveaxis(mask, dim, 0).sum(1)) == {0, each}
    counts = sum(prune.random_unstructured(linear(), "weight", 3).weight_mask for _ in range(300))
    assert counts.min() > 200 and counts.max() < 300


def test_scores_decide_instead_of_the_weight():
    layer, scores = linear(), RNG.standard_normal((6, 5))
    prune.l1_unstructured(layer, "weight", 4, importance_scores=scores)
    np.testing.assert_array_equal(layer.weight_mask, least(np.abs(scores), 4))
    with pytest.raises(AssertionError, match="same shape as parameter weight"):
        prune.l1_unstructured(linear(), "weight", 4, importance_scores=scores.T)


def test_again_takes_from_what_is_left():
    layer = linear()
    weight = layer.weight.data
    prune.ln_structured(layer, "weight", 1, 2, 0)
    prune.l1_unstructured(layer, "weight", 0.4)
    rows = least(np.linalg.norm(weight, axis=1), 1)
    expected = np.zeros((6, 5))
    expected[rows] = least(np.abs(weight[rows]), 10)
    np.testing.assert_array_equal(layer.weight_mask, expected)
    before = layer.weight_mask.copy()
    norms = np.where(rows, np.linalg.norm(layer.weight.numpy(), axis=1), np.inf)
    prune.ln_structured(layer, "weight", 2, 2, 0)
    np.testing.assert_array_equal(layer.weight_mask, before * least(norms, 2)[:, None])
    (hook,) = (entry.function for entry in layer._forward_pre_hooks.values())
    assert [type(method) for method in hook] == [prune.LnStructured, prune.L1Unstructured, prune.LnStructured]
    assert hook[1].amount == 0.4 and len(hook) == 3
    before = layer.weight_mask.copy()
    with pytest.raises(ValueError, match="amount=99"):
        prune.l1_unstructured(layer, "weight", 99)
    assert len(hook) == 3 and np.array_equal(before, layer.weight_mask) and prune.is_pruned(layer)


def test_global():
    net = nn.Sequential(linear(), linear(3, 6), nn.ReLU())
    weights = [net[0].weight.data, net[1].weight.data]
    kept = least(np.concatenate([np.abs(w).reshape(-1) for w in weights]), 20)
    prune.global_unstructured([(net[0], "weight"), (net[1], "weight")], pruning_method=prune.L1Unstructured, amount=20)
    np.testing.assert_array_equal(net[0].weight_mask.reshape(-1), kept[:30])
    np.testing.assert_array_equal(net[1].weight_mask.reshape(-1), kept[30:])
    net = nn.Sequential(linear(), linear(3, 6))
    scores = {(net[0], "weight"): np.full((6, 5), 100.0)}
    prune.global_unstructured(((m, "weight") for m in net), prune.L1Unstructured, scores, amount=0.375)
    assert net[0].weight_mask.all() and not net[1].weight_mask.any()
    with pytest.raises(TypeError, match='Only "unstructured"'):
        prune.global_unstructured([(net[0], "weight")], prune.LnStructured, amount=1, n=2)
    with pytest.raises(TypeError, match="not an Iterable"):
        prune.global_unstructured(3, prune.L1Unstructured, amount=1)
    with pytest.raises(TypeError, match="of type dict"):
        prune.global_unstructured([(net[0], "weight")], prune.L1Unstructured, [1], amount=1)


@pytest.mark.parametrize("make", [linear, lambda: nn.GRU(5, 4, dtype=np.float64), lambda: nn.Conv1d(5, 4, 1, dtype=np.float64)])
def test_calls_gradients_copies_and_removal(make):
    layer = make()
    name = "weight_hh_l0" if isinstance(layer, nn.GRU) else "weight"
    prune.custom_from_mask(layer, name, RNG.integers(0, 2, getattr(layer, name).shape))
    mask, original = getattr(layer, f"{name}_mask"), getattr(layer, f"{name}_orig")
    plain = make()
    plain.load_state_dict({key: value for key, value in layer.state_dict().items() if key in plain.state_dict()}, strict=False)
    x = RNG.standard_normal((2, 3, 5) if isinstance(layer, nn.GRU) else (3, 5, 7) if layer.weight.ndim == 3 else (3, 5))
    for model in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for _ in range(3):
            getattr(model, f"{name}_orig").data[...] *= 1.5
            getattr(plain, name).data[...] = getattr(model, f"{name}_orig").data * mask
            y, expected = model(x), plain(x)
            assert np.array_equal(y[0] if isinstance(y, tuple) else y, expected[0] if isinstance(y, tuple) else expected)
    getattr(plain, name).data[...] = original.data * mask
    for model in (layer, plain):
        y = model(nn.Tensor(x))
        (y[0] if isinstance(y, tuple) else y).sum().backward()
    np.testing.assert_array_equal(original.grad, getattr(plain, name).grad * mask)
    assert prune.remove(layer, name) is layer and not prune.is_pruned(layer)
    assert getattr(layer, name) is original and set(layer.state_dict()) == set(plain.state_dict())
    np.testing.assert_array_equal(original.data, getattr(plain, name).data)


def test_identity_and_methods_of_ones_own():
    layer = prune.identity(linear(), "bias")
    assert layer.bias_mask.tolist() == [1] * 6 and type(next(iter(layer._forward_pre_hooks.values())).function) is prune.Identity

    class EveryOther(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = linear(2, 4)
    EveryOther.apply(layer, "weight")
    EveryOther.apply(layer, "weight")
    assert layer.weight_mask.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1]]
    x = np.arange(1.0, 5)
    assert EveryOther().prune(x).tolist() == [0, 2, 0, 4]
    assert EveryOther().prune(x, default_mask=np.array([1.0, 0, 1, 1])).tolist() == [0, 0, 0, 4]
    t = nn.Parameter(x)
    EveryOther().prune(t).sum().backward()
    assert t.grad.tolist() == [0, 1, 0, 1]
    with pytest.raises(AssertionError, match="same shape as tensor t"):
        EveryOther().prune(x, importance_scores=x[:2])
    with pytest.raises(TypeError, match="is not a BasePruningMethod subclass"):
        prune.PruningContainer().add_pruning_method(3)
    with pytest.raises(ValueError, match="Found 'weight'"):
        (method,) = (entry.function for entry in linear_pruned()._forward_pre_hooks.values())
        prune.PruningContainer().add_pruning_method(method)


def linear_pruned():
    return prune.random_unstructured(linear(), "weight", 1)


def test_wrong_arguments():
    for amount, error in ((-1, ValueError), (1.5, ValueError), (float("nan"), ValueError), ("1", TypeError), (31, ValueError)):
        layer = linear()
        for method in (prune.l1_unstructured, prune.random_unstructured):
            with pytest.raises(error, match="amount"):
                method(layer, "weight", amount)
        with pytest.raises(error, match="amount"):
            prune.RandomStructured.apply(layer, "weight", amount, 0)
        assert not prune.is_pruned(layer) and list(layer.state_dict()) == ["weight", "bias"]
    with pytest.raises(ValueError, match="multidimensional"):
        prune.ln_structured(linear(), "bias", 1, 2, 0)
    with pytest.raises(IndexError, match="Invalid index 2"):
        prune.random_structured(linear(), "weight", 1, 2)
    with pytest.raises(AssertionError, match="must match"):
        prune.custom_from_mask(linear(), "weight", np.ones(3))
    assert isinstance(prune.CustomFromMask(np.ones(3)), prune.BasePruningMethod)
    with pytest.raises(ValueError, match="Linear has no parameter 'no'"):
        prune.identity(linear(), "no")
    with pytest.raises(ValueError, match="has to be pruned before"):
        prune.remove(linear(), "weight")
    assert isinstance(prune.RandomUnstructured(1), prune.BasePruningMethod)
