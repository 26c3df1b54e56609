"""Optimizers against the formulas of Reference.optim, and what they save, load, accept and refuse."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import swiftnn as nn
from Reference import optim as reference

SHAPES = ((3, 5), (1,), (), (2, 3, 4, 5), (257,), (0, 3))
STEPS = 6

CASES = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("SGD", dict(lr=0.1, momentum=0.9, maximize=True)),
    ("Adam", dict()),
    ("Adam", dict(lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)),
    ("Adam", dict(lr=0.01, amsgrad=True, maximize=True)),
    ("AdamW", dict(lr=0.01)),
    ("AdamW", dict(lr=0.01, weight_decay=0.2, amsgrad=True)),
    ("RMSprop", dict()),
    ("RMSprop", dict(lr=0.01, alpha=0.9, momentum=0.9, weight_decay=0.1, eps=1e-3)),
    ("RMSprop", dict(lr=0.01, alpha=0.9, centered=True, maximize=True, eps=1e-2)),
    ("RMSprop", dict(lr=0.01, alpha=0.9, centered=True, momentum=0.5, eps=1e-2)),
    ("Adagrad", dict()),
    ("Adagrad", dict(lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-5)),
    ("Adagrad", dict(lr=0.1, maximize=True)),
]
cases = pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
names = pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])


def parameters_and_gradients(dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    gradients = [[rng.normal(size=shape).astype(dtype) for shape in SHAPES] for _ in range(STEPS)]
    return [nn.Parameter(value.copy()) for value in values], values, gradients


def train(optimizer, parameters, gradients):
    for step in gradients:
        for p, g in zip(parameters, step):
            p.grad = g.copy()
        optimizer.step()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@cases
def test_steps(name, options, dtype) -> None:
    parameters, values, gradients = parameters_and_gradients(dtype)
    arrays = [p.data for p in parameters]
    train(getattr(nn.optim, name)(parameters, **options), parameters, gradients)
    for i, (p, value) in enumerate(zip(parameters, values)):
        expected = getattr(reference, name.lower())(value, [step[i] for step in gradients], **options)
        assert p.data is arrays[i] and p.dtype == dtype
        tolerance = dict(rtol=2e-5, atol=2e-6) if dtype is np.float32 else dict(rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(p.data, expected, **tolerance)


@cases
def test_same_bits_for_any_number_of_threads(name, options) -> None:
    results = []
    for threads in (1, 2, 3):
        nn.set_num_threads(threads)
        rng = np.random.default_rng(3)
        parameters = [nn.Parameter(rng.normal(size=n).astype(np.float32)) for n in (300_000, 7, 100_001)]
        gradients = [[rng.normal(size=p.shape).astype(np.float32) for p in parameters] for _ in range(3)]
        train(getattr(nn.optim, name)(parameters, **options), parameters, gradients)
        results.append([p.data.tobytes() for p in parameters])
    assert results[0] == results[1] == results[2]


@names
def test_parameters_without_a_gradient_stay(name) -> None:
    """And those that join later have corrections of their own."""
    parameters, values, gradients = parameters_and_gradients(np.float64)
    options = dict(momentum=0.9) if name == "SGD" else {}
    optimizer = getattr(nn.optim, name)(parameters, lr=0.1, **options)
    for t, step in enumerate(gradients):
        for i, (p, g) in enumerate(zip(parameters, step)):
            p.grad = g if t >= i else None
        optimizer.step()
        for i, (p, value) in enumerate(zip(parameters, values)):
            if t < i:
                np.testing.assert_array_equal(p.data, value)
    for i, (p, value) in enumerate(zip(parameters, values)):
        expected = getattr(reference, name.lower())(value, [step[i] for step in gradients[i:]], lr=0.1, **options)
        np.testing.assert_allclose(p.data, expected, rtol=1e-12, atol=1e-14)


def test_groups_have_options_of_their_own() -> None:
    parameters, values, gradients = parameters_and_gradients(np.float64)
    optimizer = nn.optim.SGD([{"params": parameters[:1]}, {"params": parameters[1:3], "lr": 0.5, "momentum": 0.9}], lr=0.1)
    optimizer.add_param_group({"params": parameters[3:], "weight_decay": 0.1})
    train(optimizer, parameters, gradients)
    for i, options in enumerate([dict(lr=0.1)] + 2 * [dict(lr=0.5, momentum=0.9)] + 3 * [dict(lr=0.1, weight_decay=0.1)]):
        expected = reference.sgd(values[i], [step[i] for step in gradients], **options)
        np.testing.assert_allclose(parameters[i].data, expected, rtol=1e-12, atol=1e-14)


def test_both_float_types_in_one_group() -> None:
    a, b = nn.Parameter(np.ones(3, np.float32)), nn.Parameter(np.ones(3, np.float64))
    a.grad, b.grad = np.ones(3, np.float32), np.ones(3, np.float64)
    nn.optim.SGD([a, b], lr=0.5).step()
    assert a.dtype == np.float32 and b.dtype == np.float64
    assert (a.data == 0.5).all() and (b.data == 0.5).all()


@cases
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_saved_and_loaded_it_goes_on_with_the_same_bits(name, options, way) -> None:
    parameters, _, gradients = parameters_and_gradients(np.float32)
    optimizer = getattr(nn.optim, name)(parameters, **options)
    train(optimizer, parameters, gradients[:3])
    if way == "state_dict":
        others = [nn.Parameter(p.data.copy()) for p in parameters]
        other = getattr(nn.optim, name)(others, lr=123.0)
        state = optimizer.state_dict()
        before = pickle.dumps(state)
        other.load_state_dict(state)
        assert pickle.dumps(state) == before
    else:
        other = pickle.loads(pickle.dumps(optimizer)) if way == "pickle" else copy.deepcopy(optimizer)
        others = other.param_groups[0]["params"]
    train(optimizer, parameters, gradients[3:])
    train(other, others, gradients[3:])
    for mine, theirs in zip(parameters, others):
        assert mine is not theirs and mine.data.tobytes() == theirs.data.tobytes()
    assert repr(other) == repr(optimizer)


def test_layout_of_the_state() -> None:
    """PyTorch's: parameters are numbered through, whatever their group."""
    parameters, _, gradients = parameters_and_gradients(np.float32)
    optimizer = nn.optim.Adam([{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.5}], amsgrad=True)
    train(optimizer, parameters, gradients)
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == list(range(6))
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2, 3, 4, 5]]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert state["state"][3]["step"] == STEPS and state["state"][3]["step"].shape == ()
    assert state["state"][3]["exp_avg"].shape == SHAPES[3]
    options = {"lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused"}
    assert set(state["param_groups"][1]) == options | {"decoupled_weight_decay", "params"}
    named = nn.optim.SGD(nn.Linear(2, 2).named_parameters())
    assert named.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    parameters, _, gradients = parameters_and_gradients(np.float32)
    optimizer = nn.optim.Adam(parameters)
    train(optimizer, parameters, gradients)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({**state, "param_groups": state["param_groups"] * 2})
    with pytest.raises(ValueError, match="doesn't match the size"):
        nn.optim.Adam(parameters[1:]).load_state_dict(state)
    other = nn.optim.Adam([nn.Parameter(np.zeros(2, np.float32)) for _ in SHAPES], lr=0.7)
    with pytest.raises(ValueError, match=r"exp_avg of shape \(3, 5\) for parameter 0, whose shape is \(2,\)"):
        other.load_state_dict(state)
    assert not other.state and other.param_groups[0]["lr"] == 0.7


def test_states_of_other_kinds() -> None:
    """An optimizer of one's own keeps what it likes."""

    class Own(nn.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                self.state[p].update(count=3, rows=np.ones(2), names=["a"], indices=np.arange(3))

    optimizer, other = (Own([nn.Parameter(np.ones((2, 5), np.float32))]) for _ in range(2))
    optimizer.step()
    other.load_state_dict(optimizer.state_dict())
    (state,) = other.state.values()
    assert state["count"] == 3 and state["names"] == ["a"]
    assert state["rows"].dtype == np.float32 and state["indices"].dtype == np.int64


def test_zero_grad() -> None:
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = nn.optim.SGD([p])
    gradient = p.grad = np.ones(2, np.float32)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is gradient and not gradient.any()
    optimizer.zero_grad()
    assert p.grad is None


@names
def test_closure(name) -> None:
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = getattr(nn.optim, name)([p], lr=0.1)

    def closure():
        p.grad = np.ones(2, np.float32)
        return 42.0

    assert optimizer.step(closure) == 42.0 and (p.data < 1).all()
    assert optimizer.step() is None


def test_hooks() -> None:
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = nn.optim.SGD([p], lr=1.0)
    seen = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        optimizer.register_state_dict_pre_hook(lambda o: seen.append("saving")),
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append("loading")),
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded")),
    ]
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert seen == ["before", "after", "saving", "loading", "loaded"] and state["more"] == 1
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 5
    with optimizer.register_step_pre_hook(lambda o, args, kwargs: 3), pytest.raises(RuntimeError, match="step pre-hook"):
        optimizer.step()


def test_a_step_reaches_layers_that_keep_prepared_weights() -> None:
    layer = nn.Linear(64, 64)
    x = np.ones((32, 64), np.float32)
    layer(x)
    layer.weight.grad = np.ones((64, 64), np.float32)
    nn.optim.SGD([layer.weight], lr=0.5).step()
    fresh = nn.Linear(64, 64)
    fresh.load_state_dict(layer.state_dict())
    assert layer(x).tobytes() == fresh(x).tobytes()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", dict(lr=-1), "Invalid learning rate: -1"),
        ("SGD", dict(momentum=-1), "Invalid momentum value: -1"),
        ("SGD", dict(weight_decay=-1), "Invalid weight_decay value: -1"),
        ("SGD", dict(nesterov=True), "Nesterov momentum requires a momentum and zero dampening"),
        ("SGD", dict(differentiable=True), "differentiable=True is not supported"),
        ("Adam", dict(lr=float("nan")), "Invalid learning rate: nan"),
        ("Adam", dict(eps=-1), "Invalid epsilon value: -1"),
        ("Adam", dict(betas=(1.0, 0.9)), "Invalid beta parameter at index 0: 1.0"),
        ("AdamW", dict(betas=(0.9, -0.1)), "Invalid beta parameter at index 1: -0.1"),
        ("AdamW", dict(capturable=True), "capturable=True is not supported"),
        ("RMSprop", dict(alpha=-1), "Invalid alpha value: -1"),
        ("Adagrad", dict(lr_decay=-1), "Invalid lr_decay value: -1"),
        ("Adagrad", dict(initial_accumulator_value=-1), "Invalid initial_accumulator_value value: -1"),
    ],
)
def test_options_out_of_range(name, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(nn.optim, name)([nn.Parameter(np.ones(1))], **options)


def test_parameters_that_are_refused() -> None:
    p = nn.Parameter(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="params must be an iterable"):
        nn.optim.SGD(p)
    with pytest.raises(ValueError, match="empty parameter list"):
        nn.optim.SGD([])
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        nn.optim.SGD([np.ones(2)])
    with pytest.raises(TypeError, match="ordered collections"):
        nn.optim.SGD([{"params": {p}}])
    with pytest.raises(ValueError, match="more than one parameter group"):
        nn.optim.SGD([{"params": [p]}, {"params": [p]}])
    with pytest.raises(ValueError, match="Some param names are missing"):
        nn.optim.SGD([("a", p), nn.Parameter(np.ones(1))])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        nn.optim.SGD([p]).add_param_group([p])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        nn.optim.SGD([p, p])
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        nn.optim.SGD([p], foreach=True, fused=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.optim.SGD([p], lr=np.array([0.5]), fused=True)


@names
def test_gradients_that_are_refused(name) -> None:
    p = nn.Parameter(np.ones((2, 3), np.float32))
    optimizer = getattr(nn.optim, name)([p])
    p.grad = np.ones((3, 2), np.float32)
    with pytest.raises(nn.ShapeError, match=r"\(3, 2\)"):
        optimizer.step()
    p.grad = np.ones((2, 3), np.float64)
    with pytest.raises(TypeError, match="float64"):
        optimizer.step()
    assert (p.data == 1).all()


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, np.inf, "inf"])
def test_get_total_norm(norm_type) -> None:
    _, _, gradients = parameters_and_gradients(np.float32)
    norm = nn.utils.get_total_norm(gradients[0], norm_type)
    np.testing.assert_allclose(norm, reference.total_norm(gradients[0], float(norm_type)), rtol=1e-6)
    assert norm.shape == () and norm.dtype == np.float32
    assert nn.utils.get_total_norm([]) == 0


def test_clip_grad_norm() -> None:
    parameters, _, gradients = parameters_and_gradients(np.float32)
    for p, g in zip(parameters[1:], gradients[0][1:]):
        p.grad = g.copy()
    before = reference.total_norm(gradients[0][1:])
    norm = nn.utils.clip_grad_norm_(parameters, 0.5)
    np.testing.assert_allclose(norm, before, rtol=1e-6)
    for p, g in zip(parameters[1:], gradients[0][1:]):
        np.testing.assert_allclose(p.grad, g * (0.5 / (before + 1e-6)), rtol=1e-5)
    clipped = [p.grad.copy() for p in parameters[1:]]
    nn.utils.clip_grad_norm_((p for p in parameters), 1e6)
    for p, g in zip(parameters[1:], clipped):
        np.testing.assert_array_equal(p.grad, g)
    parameters[1].grad[...] = np.nan
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    with pytest.warns(UserWarning, match="empty generator"):
        nn.utils.clip_grad_norm_((p for p in ()), 1.0)


def test_clip_grads_with_a_norm_that_is_known() -> None:
    p = nn.Parameter(np.zeros(2, np.float32))
    p.grad = np.array([3, 4], np.float32)
    nn.utils.clip_grads_with_norm_(p, 2.0, np.float32(10))
    np.testing.assert_allclose(p.grad, [0.6, 0.8], rtol=1e-6)


def test_clip_grad_value() -> None:
    parameters, _, gradients = parameters_and_gradients(np.float32)
    for p, g in zip(parameters, gradients[0]):
        p.grad = g.copy()
    nn.utils.clip_grad_value_(parameters, 0.5)
    for p, g in zip(parameters, gradients[0]):
        np.testing.assert_array_equal(p.grad, np.clip(g, -0.5, 0.5))
