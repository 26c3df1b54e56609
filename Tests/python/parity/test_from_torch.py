"""nn.from_torch on live modules of PyTorch: every layer configuration, whole models, and what cannot be rebuilt."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from comparing import disagreement
from torch.nn.utils import prune

import swiftnn as nn
from specs import LAYERS, Layer


def assert_same_state(mine: Any, theirs: Any) -> None:
    expected = theirs.state_dict()
    got = mine.state_dict()
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.numpy().dtype and np.array_equal(got[name], value.numpy(), equal_nan=True), name
    assert [(name, module.training) for name, module in mine.named_modules()] == [(n, m.training) for n, m in theirs.named_modules()]
    assert [p.requires_grad for p in mine.parameters()] == [p.requires_grad for p in theirs.parameters()]


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if not layer.deviates], ids=lambda layer: layer.id)
@pytest.mark.parametrize("double", [False, True])
def test_every_layer(layer: Layer, double: bool) -> None:
    theirs = layer.make(torch.nn)
    if double:
        theirs = theirs.double()
    theirs.train(not double)
    mine = nn.from_torch(theirs)
    assert repr(mine) == repr(layer.make(nn))
    assert_same_state(mine, theirs)


def normalized() -> Any:
    """Every way in which PyTorch makes a weight of parameters, older and newer ones."""
    t, u, p = torch.nn, torch.nn.utils, torch.nn.utils.parametrizations
    recurrent = p.weight_norm(p.orthogonal(t.LSTM(5, 5, 2, batch_first=True), "weight_hh_l0"), "weight_ih_l1")

    return t.Sequential(
        u.weight_norm(t.Conv1d(3, 4, 3), dim=None),
        p.spectral_norm(u.weight_norm(t.ConvTranspose1d(4, 6, 2), dim=1), "bias", dim=0),
        p.spectral_norm(p.weight_norm(t.Conv1d(6, 6, 1)), n_power_iterations=2),
        u.spectral_norm(t.Conv1d(6, 5, 1), n_power_iterations=3),
        t.Sequential(t.Flatten(1), t.Unflatten(1, (5, 8))),
        p.orthogonal(t.Linear(8, 5), orthogonal_map="cayley", use_trivialization=False),
        prune.ln_structured(prune.l1_unstructured(t.Linear(5, 5), "weight", 0.3), "weight", 1, 2, 0),
        recurrent,
    )


def models() -> dict[str, Any]:
    torch.manual_seed(0)
    t = torch.nn
    encoder = t.TransformerEncoder(t.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu"), 2, norm=t.LayerNorm(16))
    encoder.layers[1].dropout1.p = 0.5
    image = t.Sequential(
        OrderedDict(
            conv=t.Conv2d(3, 8, 3, 2, padding=1),
            norm=t.BatchNorm2d(8),
            act=t.PReLU(8),
            pool=t.MaxPool2d(3, 2, ceil_mode=True),
            flat=t.Flatten(),
            out=t.Linear(8 * 16, 5),
        )
    )
    return {
        "image": (image, [torch.randn(2, 3, 16, 16)]),
        "encoder": (encoder, [torch.randn(3, 5, 16)]),
        "transformer": (t.Transformer(16, 4, 1, 3, 32, norm_first=True, batch_first=True), [torch.randn(2, 5, 16), torch.randn(2, 4, 16)]),
        "activation": (t.TransformerEncoderLayer(16, 4, 32, activation=t.SiLU()), [torch.randn(5, 3, 16)]),
        "lstm": (t.LSTM(5, 6, 2, bidirectional=True, proj_size=3), [torch.randn(4, 2, 5)]),
        "normalized": (normalized(), [torch.randn(2, 3, 9)]),
    }


@pytest.mark.parametrize("name", models())
def test_whole_models(name: str) -> None:
    theirs, inputs = models()[name]
    theirs.eval()
    mine = nn.from_torch(theirs)
    assert_same_state(mine, theirs)
    with torch.no_grad():
        expected = theirs(*inputs)
    assert not disagreement(mine(*(value.numpy() for value in inputs)), expected, 2e-5)
    drops = [module.p for module in theirs.modules() if isinstance(module, torch.nn.Dropout)]
    assert [module.p for module in mine.modules() if isinstance(module, nn.Dropout)] == drops


def test_normalized_weights_keep_their_kinds() -> None:
    theirs = normalized()
    mine = nn.from_torch(theirs)
    assert repr(mine) == repr(theirs)
    assert nn.utils.prune.is_pruned(mine) and nn.utils.remove_weight_norm(mine[0]).weight.shape == (4, 3, 3)
    mine = nn.from_torch(theirs)
    other = torch.nn.Sequential(*normalized())
    other.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in mine.state_dict().items()})
    mine.load_state_dict(other.state_dict())
    torch.nn.utils.parametrize.register_parametrization(theirs[5], "bias", torch.nn.Identity())
    with pytest.raises(TypeError, match="5: its 'bias' is parametrized by torch.nn.linear.Identity, which is Python code"):
        nn.from_torch(theirs)


def test_what_is_shared_stays_shared() -> None:
    linear = torch.nn.Linear(3, 3)
    other = torch.nn.Linear(3, 3, bias=False)
    other.weight = linear.weight
    mine = nn.from_torch(torch.nn.ModuleList([linear, other, linear]))
    assert mine[0].weight is mine[1].weight and mine[0] is mine[2]


def test_containers() -> None:
    t = torch.nn
    parameters = t.ParameterList([t.Parameter(torch.ones(1), requires_grad=False), torch.ones(2)])
    named = t.ParameterDict({"b": torch.ones(2), "a": torch.zeros(1)})
    model = t.ModuleDict({"list": parameters, "dict": named, "parts": t.ModuleList([t.Identity(1, x=2), t.ReLU()])})
    model.register_buffer("seen", torch.arange(3))
    model.register_buffer("cache", torch.arange(3), persistent=False)
    mine = nn.from_torch(model)
    assert_same_state(mine, model)
    assert len(mine["list"]) == 2 and list(mine["dict"].keys()) == list(named.keys()) and mine["list"][1] is list(mine["list"])[1]
    assert np.array_equal(mine.cache, np.arange(3))
    with pytest.raises(TypeError, match="entry '0' is a str"):
        nn.from_torch(t.ParameterList(["x"]))


def test_distances_of_triplets() -> None:
    t = torch.nn
    given = [np.random.default_rng(i).normal(size=(5, 4)).astype(np.float32) for i in range(3)]
    for function in (None, t.PairwiseDistance(p=1), t.CosineSimilarity(), t.functional.pairwise_distance, t.functional.cosine_similarity):
        theirs = t.TripletMarginWithDistanceLoss(distance_function=function, margin=0.4, swap=True)
        mine = nn.from_torch(theirs)
        assert repr(mine) == repr(theirs)
        assert not disagreement(mine(*given), theirs(*map(torch.from_numpy, given)), 2e-5)
    with pytest.raises(TypeError, match="distance_function .* is Python code"):
        nn.from_torch(t.TripletMarginWithDistanceLoss(distance_function=lambda x, y: x - y))


def test_the_random_generator_goes_on() -> None:
    before = nn.random.get_rng_state()
    nn.from_torch(torch.nn.Linear(3, 3))
    assert np.array_equal(nn.random.get_rng_state(), before)


def test_memory() -> None:
    theirs = torch.nn.Linear(3, 3)
    own, view = nn.from_torch(theirs), nn.from_torch(theirs, copy=False)
    with torch.no_grad():
        theirs.weight.fill_(7)
    assert (view.weight.numpy() == 7).all() and not (own.weight.numpy() == 7).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_widened(dtype: torch.dtype) -> None:
    theirs = torch.nn.Linear(3, 3).to(dtype)
    mine = nn.from_torch(theirs)
    assert mine.weight.dtype == np.float32 and np.array_equal(mine.weight.numpy(), theirs.weight.detach().float().numpy())


class Own(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = torch.nn.DataParallel(torch.nn.Linear(3, 3))
        self.fine = torch.nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return x


class Named(torch.nn.Sequential):
    def __init__(self) -> None:
        super().__init__(torch.nn.Linear(3, 4), torch.nn.Tanh())


def test_a_subclass_that_keeps_forward_is_rebuilt() -> None:
    theirs = Named()
    x = torch.randn(2, 3)
    assert not disagreement(nn.from_torch(theirs)(x.numpy()), theirs(x), 2e-5)


def test_what_cannot_be_rebuilt_is_listed() -> None:
    hooked = torch.nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *args: None)
    layer = torch.nn.TransformerEncoderLayer(4, 2, 8, activation=torch.sin)
    pruned = torch.nn.Linear(2, 2)
    pruned.weight = torch.nn.Parameter(torch.ones(3, 3))
    normed = torch.nn.utils.parametrize.register_parametrization(torch.nn.Linear(2, 2), "weight", torch.nn.Identity())
    model = torch.nn.Sequential(Own(), hooked, layer, torch.nn.ReLU(), pruned, normed)
    with pytest.raises(TypeError) as error:
        nn.from_torch(model)
    head, *lines = str(error.value).split("\n\t")
    assert head == "from_torch cannot rebuild 6 part(s) of Sequential:"
    expected = {
        "0.up": "swiftnn has no torch.nn.parallel.data_parallel.DataParallel",
        "0": "Own has a forward of its own",
        "1": "has hooks",
        "2": "sin",
        "4": "(3, 3)",
        "5": "its 'weight' is parametrized by torch.nn.linear.Identity, which is Python code",
    }
    found = dict(line.split(": ", 1) for line in lines)
    assert found.keys() == expected.keys()
    assert all(piece in found[path] for path, piece in expected.items())


@pytest.mark.parametrize("value", [None, 3, torch.ones(2), nn.Linear(2, 2)])
def test_what_is_no_module_of_pytorch(value: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        nn.from_torch(value)
