"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import swiftnn as nn


def chain():
    return nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))


def named():
    return nn.Sequential(OrderedDict(first=nn.Linear(1, 2), second=nn.ReLU()))


def kinds(container):
    return [type(module).__name__ for module in container]


# Sequential


def test_sequential_passes_on_outputs():
    model = nn.Sequential(nn.Identity(), nn.Identity())
    x = np.ones(3)
    assert model(x) is x
    assert nn.Sequential()(x) is x


def test_sequential_repr_and_keys():
    assert repr(named()) == "Sequential(\n  (first): Linear(in_features=1, out_features=2, bias=True)\n  (second): ReLU()\n)"
    assert list(chain().state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert repr(nn.Sequential()) == "Sequential()"


def test_sequential_indexing():
    model = chain()
    assert model[-1] is model[2] is model[np.int64(2)] and len(model) == 3
    assert [name for name, _ in model[1:].named_children()] == ["1", "2"]
    assert [name for name, _ in named()[:1].named_children()] == ["first"]
    assert named().first is not None
    for index in (3, -4):
        with pytest.raises(IndexError, match="out of range"):
            model[index]
    with pytest.raises(TypeError):
        model["0"]


def test_sequential_changes():
    model = chain()
    relu = nn.ReLU()
    model[0] = relu
    assert model[0] is relu and list(model.state_dict()) == ["2.weight", "2.bias"]
    del model[0]
    assert [name for name, _ in model.named_children()] == ["0", "1"] and getattr(model, "0") is model[0] and not hasattr(model, "2")
    assert model.append(relu) is model and model[-1] is relu
    model.insert(1, nn.Identity())
    assert kinds(model) == ["ReLU", "Identity", "Linear", "ReLU"]
    model.insert(-1, nn.Identity())
    assert kinds(model) == ["ReLU", "Identity", "Linear", "Identity", "ReLU"]
    assert isinstance(model.pop(2), nn.Linear) and len(model) == 4
    del model[1:3]
    assert kinds(model) == ["ReLU", "ReLU"]
    for wrong in (3, np.ones(2)):
        with pytest.raises(TypeError):
            model.append(wrong)
        with pytest.raises(TypeError):
            model.insert(0, wrong)
    with pytest.raises(IndexError):
        model.insert(9, relu)


def test_sequential_arithmetic():
    model, other = chain(), named()
    joined = model + other
    assert kinds(joined) == ["Linear", "ReLU", "Linear", "Linear", "ReLU"] and joined[3] is other[0]
    assert kinds(other * 2) == kinds(2 * other) == ["Linear", "ReLU"] * 2
    model *= 2
    assert len(model) == 6 and model[3] is model[0]
    model += other
    assert len(model) == 8
    model.extend([nn.Identity()])
    assert kinds(model)[-1] == "Identity"
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="Non-positive"):
            other * wrong
    with pytest.raises(TypeError, match="unsupported operand"):
        other * 1.5
    with pytest.raises(ValueError, match="Sequential"):
        other + [nn.ReLU()]


# ModuleList


def test_module_list_folds_equal_neighbours():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())])
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (2): ReLU()\n"
        "  (3-4): 2 x Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_list_is_a_list():
    layers = nn.ModuleList(chain())
    assert len(layers) == 3 and layers[-1] is layers[2] and kinds(layers[:2]) == ["Linear", "ReLU"]
    assert isinstance(layers[:2], nn.ModuleList)
    layers += [nn.Identity()]
    layers.append(nn.Identity()).extend([nn.ReLU()])
    assert kinds(layers) == ["Linear", "ReLU", "Linear", "Identity", "Identity", "ReLU"]
    layers.insert(0, nn.ReLU())
    assert kinds(layers)[:2] == ["ReLU", "Linear"]
    del layers[-1]
    assert isinstance(layers.pop(0), nn.ReLU) and kinds(layers) == ["Linear", "ReLU", "Linear", "Identity", "Identity"]
    layers[0] = nn.Identity()
    assert list(layers.state_dict()) == ["2.weight", "2.bias"]
    assert kinds(layers + [nn.ReLU()])[-1] == "ReLU" and len(layers) == 5
    layers += layers
    assert len(layers) == 10
    with pytest.raises(TypeError, match="iterable"):
        layers.extend(3)
    with pytest.raises(IndexError):
        layers[10]
    with pytest.raises(NotImplementedError):
        layers(1)


# ModuleDict


def test_module_dict_is_a_dict():
    choices = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    assert list(choices) == list(choices.keys()) == ["b", "a"] and len(choices) == 2 and "a" in choices and "c" not in choices
    assert choices["a"] is choices.a and list(choices.state_dict()) == ["a.weight", "a.bias"]
    choices.update([["c", nn.Identity()]])
    choices.update(nn.ModuleDict({"d": nn.ReLU()}))
    choices["e"] = nn.ReLU()
    assert [name for name, _ in choices.items()] == ["b", "a", "c", "d", "e"] and len(list(choices.values())) == 5
    del choices["e"]
    assert isinstance(choices.pop("c"), nn.Identity) and not hasattr(choices, "c")
    choices.clear()
    assert len(choices) == 0
    with pytest.raises(KeyError):
        choices["a"]
    with pytest.raises(KeyError, match="already exists"):
        choices["keys"] = nn.ReLU()
    for wrong, error in ((3, TypeError), ([3], TypeError), ([(1, 2, 3)], ValueError), ({"a": 3}, TypeError)):
        with pytest.raises(error):
            choices.update(wrong)


# ParameterList, ParameterDict


def test_parameter_list():
    entries = nn.ParameterList([np.ones((2, 3), np.float32), 3, nn.Parameter(np.ones(1))])
    assert isinstance(entries[0], nn.Parameter) and entries[1] == 3 and len(entries) == 3
    assert list(entries.state_dict()) == ["0", "2"]
    assert repr(entries) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [float32 of size 2x3]\n"
        "    (1): Object of type: int\n"
        "    (2): Parameter containing: [float64 of size 1]\n"
        ")"
    )
    entries[0] = np.zeros((1, 1), np.float32)
    entries += [np.ones(2, np.float32)]
    entries.append(np.ones(4, np.float32))
    assert [p.shape for p in entries[3:]] == [(2,), (4,)] and isinstance(entries[3:], nn.ParameterList)
    assert entries[-1] is entries[4] and len(list(entries.parameters())) == 4
    with pytest.raises(IndexError):
        entries[5]
    with pytest.raises(TypeError, match="append"):
        entries.extend(np.ones(2))
    with pytest.raises(RuntimeError, match="should not be called"):
        entries()


def test_parameter_dict():
    entries = nn.ParameterDict({"b": np.ones(2, np.float32), "a": 3})
    assert list(entries) == ["a", "b"]  # a plain dict is sorted, as in PyTorch
    assert list(nn.ParameterDict(OrderedDict(b=np.ones(1), a=3))) == ["b", "a"]
    assert isinstance(entries["b"], nn.Parameter) and entries.b is entries["b"] and list(entries.state_dict()) == ["b"]
    assert entries.get("c") is None and entries.setdefault("c", np.ones(3, np.float32)).shape == (3,)
    assert repr(entries) == (
        "ParameterDict(\n"
        "    (a): Object of type: int\n"
        "    (b): Parameter containing: [float32 of size 2]\n"
        "    (c): Parameter containing: [float32 of size 3]\n"
        ")"
    )
    assert list(reversed(entries)) == ["c", "b", "a"] and entries.popitem()[0] == "c" and entries.pop("a") == 3
    merged = entries | nn.ParameterDict({"z": np.ones(1)})
    assert list(merged) == ["b", "z"] and list(entries) == ["b"]
    merged |= nn.ParameterDict({"y": np.ones(1)})
    assert list(merged) == ["b", "z", "y"] and list(entries.fromkeys(["p", "q"], 0).items()) == [("p", 0), ("q", 0)]
    del merged["z"]
    assert "z" not in merged and not hasattr(merged, "z") and len(merged) == 2
    merged.clear()
    assert len(merged) == 0 and not list(merged.parameters())
    for key, error in (("forward", KeyError), ("a.b", KeyError), (3, TypeError)):
        with pytest.raises(error):
            merged[key] = np.ones(1)
    assert len(merged) == 0
    with pytest.raises(KeyError):
        merged["forward"]
    with pytest.raises(RuntimeError, match="should not be called"):
        merged(1)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize(
    "container",
    [
        chain(),
        named(),
        nn.ModuleList(chain()),
        nn.ModuleDict({"a": nn.Linear(1, 1)}),
        nn.ParameterList([np.ones(2), 3]),
        nn.ParameterDict({"a": np.ones(2)}),
    ],
    ids=lambda container: type(container).__name__,
)
def test_copies(container, duplicate):
    twin = duplicate(container)
    assert repr(twin) == repr(container) and list(twin.state_dict()) == list(container.state_dict()) and len(twin) == len(container)
