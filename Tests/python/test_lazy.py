"""Lazy layers: what they are before the first call, what it makes of them, and what cannot be done before it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.parameter import is_lazy


@dataclass(frozen=True)
class Lazy:
    name: str
    options: dict[str, Any]
    shape: tuple[int, ...]  # of an input
    sizes: dict[str, int]  # what the plain layer has to be told
    desc: str = "default"

    @property
    def id(self) -> str:
        return f"{self.name}-{self.desc}"

    def make(self) -> Any:
        return getattr(nn, self.name)(**self.options)

    def plain(self) -> Any:
        return getattr(nn, self.name.removeprefix("Lazy"))(**self.sizes, **self.options)

    def input(self, dtype: Any = np.float32) -> Any:
        return np.random.default_rng(0).standard_normal(self.shape).astype(dtype)


LAZY = [
    Lazy("LazyLinear", dict(out_features=5), (2, 3, 4), dict(in_features=4)),
    Lazy("LazyLinear", dict(out_features=5, bias=False), (4,), dict(in_features=4), "no bias, vector"),
    Lazy("LazyLinear", dict(out_features=5), (3, 0), dict(in_features=0), "no features"),
    Lazy("LazyConv1d", dict(out_channels=6, kernel_size=3, padding="same"), (2, 4, 9), dict(in_channels=4)),
    Lazy("LazyConv1d", dict(out_channels=6, kernel_size=3, bias=False), (4, 9), dict(in_channels=4), "unbatched"),
    Lazy("LazyConv2d", dict(out_channels=6, kernel_size=3, groups=2), (2, 4, 7, 8), dict(in_channels=4)),
    Lazy("LazyConv2d", dict(out_channels=6, kernel_size=3, padding=1, padding_mode="circular"), (2, 4, 7, 8), dict(in_channels=4), "mode"),
    Lazy("LazyConv2d", dict(out_channels=6, kernel_size=(3, 2)), (4, 7, 8), dict(in_channels=4), "unbatched"),
    Lazy("LazyConv3d", dict(out_channels=6, kernel_size=(3, 2, 1), groups=2), (4, 5, 6, 7), dict(in_channels=4), "unbatched"),
    Lazy("LazyConvTranspose3d", dict(out_channels=6, kernel_size=2, stride=2), (2, 4, 3, 4, 5), dict(in_channels=4)),
    Lazy("LazyConvTranspose1d", dict(out_channels=6, kernel_size=3, groups=2), (2, 4, 9), dict(in_channels=4)),
    Lazy("LazyConvTranspose2d", dict(out_channels=6, kernel_size=3, stride=2, output_padding=1), (4, 7, 8), dict(in_channels=4)),
    Lazy("LazyBatchNorm1d", dict(), (3, 4), dict(num_features=4)),
    Lazy("LazyBatchNorm2d", dict(bias=False), (3, 4, 2, 2), dict(num_features=4)),
    Lazy("LazyBatchNorm3d", dict(affine=False, momentum=None), (3, 4, 2, 2, 2), dict(num_features=4)),
    Lazy("LazyInstanceNorm1d", dict(affine=True, track_running_stats=True), (3, 4, 5), dict(num_features=4)),
    Lazy("LazyInstanceNorm2d", dict(affine=True, track_running_stats=False), (4, 5, 6), dict(num_features=4), "unbatched"),
    Lazy("LazyInstanceNorm3d", dict(affine=False, track_running_stats=True), (3, 4, 2, 3, 2), dict(num_features=4)),
]
each = pytest.mark.parametrize("row", LAZY, ids=lambda row: row.id)


def test_every_lazy_layer_is_here() -> None:
    assert {row.name for row in LAZY} == {name for name in nn.__all__ if name.startswith("Lazy")}


@each
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_first_call_makes_the_plain_layer(row: Lazy) -> None:
    lazy, x = row.make(), row.input()
    before = dict(lazy.named_parameters())
    assert lazy.has_uninitialized_params() and all(map(is_lazy, before.values()))
    assert type(lazy).__name__ == row.name
    nn.manual_seed(5)
    plain = row.plain()
    expected = plain(x)
    nn.manual_seed(5)
    np.testing.assert_array_equal(lazy(x), expected)
    assert type(lazy) is type(plain) and repr(lazy) == repr(plain)
    assert not lazy._forward_pre_hooks and set(lazy.__dict__) - {"_arguments"} == set(plain.__dict__) - {"_arguments"}
    assert list(lazy.state_dict()) == list(plain.state_dict())
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(lazy.state_dict()[name], array)
    # The same objects: an optimizer made before goes on with them.
    assert {name: id(p) for name, p in lazy.named_parameters()} == {name: id(p) for name, p in before.items()}
    assert all(type(p) is nn.Parameter for p in lazy.parameters()) and all(type(b) is np.ndarray for b in lazy.buffers())
    np.testing.assert_array_equal(lazy(x), plain(x))


@each
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_copies_of_uninitialised_layers(row: Lazy) -> None:
    lazy = row.make().double()
    for other in (copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy))):
        assert other.has_uninitialized_params() and repr(other) == repr(lazy)
        y = other(row.input(np.float64))
        assert y.dtype == np.float64 and type(other) is type(row.plain())
        assert lazy.has_uninitialized_params()
        assert type(pickle.loads(pickle.dumps(other))) is type(other)


@each
@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_state_dicts(row: Lazy, assign: bool) -> None:
    plain, x = row.plain(), row.input()
    for parameter in plain.parameters():
        parameter.data[...] = np.random.default_rng(1).standard_normal(parameter.shape)
    lazy, other = row.make(), row.make()
    assert list(lazy.state_dict()) == list(plain.state_dict())
    other.load_state_dict(lazy.state_dict())
    assert other.has_uninitialized_params()
    lazy.load_state_dict(plain.state_dict(), assign=assign)
    assert not lazy.has_uninitialized_params()
    if not assign:
        lazy.load_state_dict(plain.state_dict())
    np.testing.assert_array_equal(lazy.eval()(x), plain.eval()(x))
    assert repr(lazy) == repr(plain)
    if any(map(is_lazy, other.state_dict().values())):
        with pytest.raises(RuntimeError, match="UninitializedParameter|UninitializedBuffer"):
            plain.load_state_dict(other.state_dict())


def test_loading_keeps_what_it_loads() -> None:
    lazy = nn.LazyLinear(3)
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert lazy.load_state_dict({"weight": weight}, strict=False).missing_keys == ["bias"]
    assert lazy.has_uninitialized_params()
    lazy(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(lazy.weight.numpy(), weight)
    assert lazy.bias is not None and np.isfinite(lazy.bias.numpy()).all()
    lazy = nn.LazyLinear(3)
    lazy.load_state_dict(nn.Linear(2, 3).state_dict())
    with pytest.raises(nn.ShapeError, match=r"weight has shape \(3, 2\).*\(3, 4\)"):
        lazy(np.ones((1, 4), np.float32))
    norm = nn.LazyBatchNorm1d()
    norm.load_state_dict({"running_mean": np.full(2, 5.0), "running_var": np.ones(2), "num_batches_tracked": 7}, strict=False)
    norm.eval()(np.ones((3, 2), np.float32))
    assert norm.running_mean is not None and norm.running_mean.tolist() == [5, 5] and norm.running_mean.dtype == np.float32


def test_failed_load_changes_nothing() -> None:
    lazy = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="bias"):
        lazy.load_state_dict({"weight": np.ones((3, 2))})
    assert lazy.has_uninitialized_params() and is_lazy(lazy.weight)


def test_training_with_an_optimizer_made_before() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    optimizer.step()
    model(nn.Tensor(np.ones((3, 2, 5, 5), np.float32))).sum().backward()
    before = [p.numpy().copy() for p in model.parameters()]
    optimizer.step()
    assert any((a != p.numpy()).any() for a, p in zip(before, model.parameters(), strict=True))
    assert repr(model[4]) == "Linear(in_features=36, out_features=2, bias=True)"


def test_summary_and_tree() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d())
    assert "uninitialized" in model._repr_html_()
    with pytest.raises(ValueError, match="uninitialized"):
        nn.summary(model)
    result = nn.summary(model, np.ones((1, 2, 5, 5), np.float32))
    assert result.parameters == 4 * 2 * 9 + 4 + 8 and [row.kind for row in result.layers] == ["Sequential", "Conv2d", "BatchNorm2d"]


def test_frozen() -> None:
    lazy = nn.LazyLinear(3).requires_grad_(False)
    lazy(np.ones((2, 4), np.float32))
    assert not any(p.requires_grad for p in lazy.parameters())


@pytest.mark.parametrize(
    "use",
    [
        lambda p: p + 1, lambda p: np.ones(2) * p, lambda p: p @ np.ones(2), lambda p: p.sum(), lambda p: p[0], np.asarray, len, list,
        lambda p: p.data, lambda p: p.numpy(), lambda p: p.clone(), lambda p: p.numel(), lambda p: p == 1,
        nn.init.ones_, lambda p: nn.functional.linear(np.ones((1, 2), np.float32), p), lambda p: nn.functional.relu(p),
        lambda p: setattr(p, "data", np.ones(2)), lambda p: nn.save("x.npz", {"weight": p}),
    ],
)  # fmt: skip
def test_use_of_an_uninitialised_parameter(use: Any) -> None:
    for p in (nn.UninitializedParameter(), nn.UninitializedBuffer()):
        with pytest.raises((ValueError, RuntimeError), match=r"uninitialized|materialize"):
            use(p)


def test_uninitialised_parameter() -> None:
    p = nn.UninitializedParameter(requires_grad=False, dtype=np.float64)
    assert repr(p) == "<UninitializedParameter>" and p.dtype == np.float64 and not p.requires_grad and p.grad is None
    with pytest.raises(RuntimeError, match="shape"):
        _ = p.shape
    twin = pickle.loads(pickle.dumps(copy.deepcopy(p)))
    twin.materialize((2, 3), dtype=np.float32)
    assert type(twin) is nn.Parameter and twin.shape == (2, 3) and twin.dtype == np.float32 and not twin.requires_grad
    p.materialize([4])
    assert p.dtype == np.float64 and p.shape == (4,)
    b = nn.UninitializedBuffer(persistent=False)
    assert repr(b) == "<UninitializedBuffer>" and not b.persistent
    b.materialize((2,))
    assert type(b) is nn.Buffer
    with pytest.raises(ValueError, match="dtype"):
        nn.UninitializedParameter(dtype=np.int64)


class Centre(nn.modules.lazy.LazyModuleMixin, nn.Module):
    """A lazy module of a user, which stays of its class."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", nn.UninitializedBuffer())

    def initialize_parameters(self, x: Any) -> None:
        if self.has_uninitialized_params():
            self.mean.materialize(x.shape[1:])
            self.mean[...] = x.mean(0)

    def forward(self, x: Any) -> Any:
        return x - self.mean


def test_a_module_of_ones_own() -> None:
    centre = Centre()
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(centre(x), x - x.mean(0))
    assert type(centre) is Centre and type(centre.mean) is np.ndarray and not centre.has_uninitialized_params()
    np.testing.assert_array_equal(centre(x + 1), x + 1 - x.mean(0))

    class Forgetful(Centre):
        def initialize_parameters(self, x: Any) -> None:
            pass

    with pytest.raises(RuntimeError, match="Forgetful has not been fully initialized"):
        Forgetful()(x)

    class Missing(nn.modules.lazy.LazyModuleMixin, nn.Identity):
        pass

    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for Missing"):
        Missing()(x)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: nn.LazyLinear(3)(np.float32(1)), nn.ShapeError, "no dimensions"),
        (lambda x: nn.LazyLinear(-1), ValueError, "out_features"),
        (lambda x: nn.LazyLinear(3, dtype=np.int64), ValueError, "dtype"),
        (lambda x: nn.LazyConv2d(4, 3)(x(5, 5)), nn.ShapeError, "3D .unbatched. or 4D .batched. input to LazyConv2d"),
        (lambda x: nn.LazyConv2d(4, 3, groups=2)(x(3, 5, 5)), ValueError, "in_channels must be divisible by groups.*3"),
        (lambda x: nn.LazyConv2d(5, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
        (lambda x: nn.LazyConvTranspose1d(4, 3, padding_mode="reflect"), ValueError, "padding_mode"),
        (lambda x: nn.LazyBatchNorm2d()(x(3, 4)), ValueError, "expected 4D input .got 2D input."),
        (lambda x: nn.LazyInstanceNorm1d()(x(3)), ValueError, "expected 2D or 3D input .got 1D input."),
        (lambda x: nn.LazyLinear(3).forward(x(2, 4)), ValueError, "uninitialized"),
    ],
)
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(lambda *shape: np.ones(shape, np.float32))


def test_errors_leave_a_layer_as_it_was() -> None:
    norm = nn.LazyBatchNorm2d()
    with pytest.raises(ValueError, match="4D"):
        norm(np.ones((3, 4), np.float32))
    assert norm.has_uninitialized_params() and norm.num_features == 0
    norm(np.ones((3, 4, 2, 2), np.float32))
    assert norm.num_features == 4


@each
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_like_pytorch(row: Lazy) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = row.make(), getattr(torch.nn, row.name)(**row.options)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    rebuilt = nn.from_torch(theirs)
    assert type(rebuilt) is type(ours) and repr(rebuilt) == repr(ours) and rebuilt.has_uninitialized_params()
    x = row.input()
    if row.desc == "unbatched" and row.name.startswith("LazyInstanceNorm"):
        return  # PyTorch takes the second dimension for the channels
    theirs(torch.tensor(x))
    ours(x)
    assert repr(ours) == repr(theirs)
    ours = row.make()
    ours.load_state_dict(theirs.state_dict())
    if row.desc != "no features":
        np.testing.assert_allclose(ours.eval()(x), theirs.eval()(torch.tensor(x)).detach().numpy(), atol=1e-5)
        np.testing.assert_array_equal(nn.from_torch(theirs)(x), ours(x))
