"""Module.register_full_backward_hook and register_full_backward_pre_hook."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import swiftnn as nn


def ones(*shape, grad=True):
    return nn.Tensor(np.ones(shape, np.float32), requires_grad=grad)


class Product(nn.Module):
    def forward(self, x, y, factor=1):
        return x * y * factor


def shapes(gradients):
    return tuple(None if g is None else g.shape for g in gradients)


def test_order_and_arguments():
    seen = []
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    for name, module in (("model", model), ("0", model[0]), ("1", model[1])):
        module.register_full_backward_pre_hook(lambda m, dy, name=name: seen.append((name, shapes(dy))))
        module.register_full_backward_hook(lambda m, dx, dy, name=name: seen.append((name, shapes(dx), shapes(dy))))
    x = ones(5, 3)
    y = model(x)
    assert seen == []
    y.sum().backward()
    assert seen == [
        ("model", ((5, 2),)),
        ("1", ((5, 2),)),
        ("1", ((5, 4),), ((5, 2),)),
        ("0", ((5, 4),)),
        ("0", ((5, 3),), ((5, 4),)),
        ("model", ((5, 3),), ((5, 2),)),
    ]
    plain = copy.deepcopy(model)
    for module in plain.modules():
        module._forward_pre_hooks.clear()
    plain.zero_grad()
    t = ones(5, 3)
    plain(t).sum().backward()
    np.testing.assert_array_equal(x.grad, t.grad)
    for mine, theirs in zip(model.parameters(), plain.parameters()):
        np.testing.assert_array_equal(mine.grad, theirs.grad)


def test_gradients_that_hooks_return_take_the_place():
    module = Product()
    module.register_full_backward_pre_hook(lambda m, dy: (dy[0] + 1,))
    module.register_full_backward_pre_hook(lambda m, dy: dy[0] * 10, prepend=True)
    module.register_full_backward_hook(lambda m, dx, dy: (dx[0] * 2, nn.Tensor(dx[1]) * 3))
    first = module.register_full_backward_hook(lambda m, dx, dy: (dx[0] + dy[0], dx[1]), prepend=True)
    x, y = nn.Tensor([2.0], requires_grad=True), nn.Tensor([5.0], requires_grad=True)
    module(x, y).backward()
    assert x.grad.tolist() == [(5 * 11 + 11) * 2] and y.grad.tolist() == [2 * 11 * 3]
    first.remove()
    x.grad = None
    module(x, y).backward()
    assert x.grad.tolist() == [5 * 11 * 2]


def test_what_has_no_gradient():
    seen = []
    module = Product()
    module.register_full_backward_hook(lambda m, dx, dy: seen.append(dx))
    module(ones(2), ones(2, grad=False), factor=ones(2)).sum().backward()
    module(ones(2), np.ones(2, np.float32)).sum().backward()
    assert [g.tolist() for g in seen[0]] == [[1, 1], [0, 0]] and seen[1][0].tolist() == [1, 1] and seen[1][1] is None

    class Parts(nn.Module):
        def forward(self, x):
            return x * 2, "text", x * 3

    module = Parts()
    module.register_full_backward_hook(lambda m, dx, dy: seen.append((dx, dy)))
    x = ones(2)
    module(x)[0].sum().backward()
    dx, dy = seen[-1]
    assert x.grad.tolist() == dx[0].tolist() == [2, 2] and dy[0].tolist() == [1, 1] and dy[1] is dy[2] is None


def test_without_gradients_of_inputs():
    seen = []
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda m, dx, dy: seen.append((dx, shapes(dy))))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        layer(ones(4, 3, grad=False)).sum().backward()
    assert seen == [((None,), ((4, 2),))] and layer.weight.grad is not None
    layer.register_full_backward_hook(lambda m, dx, dy: (dy[0],))
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="should always return None"):
        layer(ones(4, 3, grad=False)).sum().backward()


def test_no_tape_no_hook():
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda *a: pytest.fail("called"))
    assert type(layer(np.ones((4, 3), np.float32))) is np.ndarray
    with nn.no_grad():
        assert layer(ones(4, 3)).grad_fn is None
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple of Tensors but received dict"):
        module = nn.Module()
        module.forward = lambda x: {"y": x}
        module.register_full_backward_hook(lambda *a: pytest.fail("called"))
        module(ones(1))["y"].sum().backward()


def test_wrong_results():
    for register, words in (("hook", "invalid number of grad_input, got 1, but expected 2"), ("pre_hook", "of grad_output, got 2")):
        module = Product()
        wrong = (None,) if register == "hook" else (None, None)
        getattr(module, f"register_full_backward_{register}")(lambda m, *g, wrong=wrong: wrong)
        with pytest.raises(RuntimeError, match=words):
            module(ones(2), ones(2)).sum().backward()
    module = Product()
    module.register_full_backward_pre_hook(lambda m, dy: (np.ones(3),))
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\); expected \(2,\)"):
        module(ones(2), ones(2)).sum().backward()


SEEN = []


def record(module, dx, dy):
    SEEN.append(type(module).__name__)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_and_handles(duplicate):
    SEEN.clear()
    layer = nn.Linear(3, 2)
    handle = layer.register_full_backward_hook(record)
    twin = duplicate(layer)
    handle.remove()
    layer(ones(1, 3)).sum().backward()
    assert SEEN == []
    twin(ones(1, 3)).sum().backward()
    assert SEEN == ["Linear"]
    with layer.register_full_backward_hook(record):
        layer(ones(1, 3)).sum().backward()
    assert SEEN == ["Linear"] * 2 and not layer._forward_pre_hooks


def test_with_other_hooks_layers_in_place_and_fused_ones():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.LSTM(4, 2))
    plain = copy.deepcopy(net)
    for module in net.modules():
        module.register_full_backward_hook(record)
    x, t = ones(5, 3), ones(5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(x)[0].sum().backward()
    plain(t)[0].sum().backward()
    np.testing.assert_array_equal(x.grad, t.grad)
    SEEN.clear()
    encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    inner = (encoder.linear1, encoder.linear2, encoder.dropout, encoder.norm1)
    for module in inner:
        module.register_full_backward_hook(record)
    encoder(ones(4, 2, 8)).sum().backward()
    assert sorted(SEEN) == ["Dropout", "LayerNorm", "Linear", "Linear"]


def test_class_activation_map():
    """Grad-CAM as it is usually written: features by a forward hook, their gradients by a backward hook."""
    nn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)).eval()
    kept = {}
    net[1].register_forward_hook(lambda m, args, output: kept.update(features=output.detach()))
    net[1].register_full_backward_hook(lambda m, dx, dy: kept.update(gradients=dy[0]))
    image = np.random.default_rng(0).standard_normal((2, 3, 7, 7)).astype(np.float32)
    scores = net(nn.Tensor(image, requires_grad=True))
    scores[np.arange(2), [1, 3]].sum().backward()
    expected = np.broadcast_to(net[4].weight.data[[1, 3]][:, :, None, None] / 49, (2, 6, 7, 7))
    np.testing.assert_allclose(kept["gradients"], expected, rtol=1e-5)
    assert kept["features"].shape == (2, 6, 7, 7)
