"""Optimizers against the formulas of Reference.optim, and what they save, load, accept and refuse."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import swiftnn as nn
from Reference import optim as reference

MATRICES = ((3, 5), (1, 1), (40, 17), (17, 40), (0, 3))
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
    ("Adadelta", dict()),
    ("Adadelta", dict(lr=0.5, rho=0.7, eps=1e-3, weight_decay=0.1, maximize=True)),
    ("Adamax", dict()),
    ("Adamax", dict(lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, maximize=True)),
    ("NAdam", dict()),
    ("NAdam", dict(lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, momentum_decay=0.3, maximize=True)),
    ("NAdam", dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)),
    ("RAdam", dict()),
    ("RAdam", dict(lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, maximize=True)),
    ("RAdam", dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)),
    ("ASGD", dict()),
    ("ASGD", dict(lr=0.1, lambd=0.2, alpha=0.5, t0=2, weight_decay=0.1, maximize=True)),
    ("Rprop", dict()),
    ("Rprop", dict(lr=0.1, etas=(0.3, 1.7), step_sizes=(0.05, 0.2), maximize=True)),
    ("Adafactor", dict()),
    ("Adafactor", dict(lr=0.3, beta2_decay=-0.5, eps=(0.1, 0.5), d=1.5, weight_decay=0.1, maximize=True)),
    ("Muon", dict(lr=0.01)),
    ("Muon", dict(lr=0.1, weight_decay=0.5, momentum=0.5, ns_steps=0)),
    ("Muon", dict(lr=0.1, weight_decay=0.0, momentum=0.8, nesterov=False, adjust_lr_fn="match_rms_adamw", ns_steps=1)),
]
cases = pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
names = pytest.mark.parametrize("name", list(dict.fromkeys(name for name, _ in CASES)))


def parameters_and_gradients(dtype, seed=0, name=""):
    rng = np.random.default_rng(seed)
    shapes = MATRICES if name == "Muon" else SHAPES
    values = [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    gradients = [[np.asarray(rng.normal(size=shape), dtype) for shape in shapes] for _ in range(STEPS)]
    return [nn.Parameter(value.copy()) for value in values], values, gradients


def train(optimizer, parameters, gradients):
    for step in gradients:
        for p, g in zip(parameters, step):
            p.grad = g.copy()
        optimizer.step()


def tolerance_of(name, options, dtype):
    if name == "Muon":  # bfloat16 has 8 bits; each iteration is three times as steep
        return dict(rtol=0, atol=STEPS * options.get("lr", 1e-3) * 2.0 ** (-8 + options.get("ns_steps", 5)))
    if dtype is np.float32:
        return dict(rtol=2e-5, atol=2e-6)
    # Some of their numbers are float32 in PyTorch's states.
    return dict(rtol=1e-6, atol=1e-7) if name in ("NAdam", "ASGD") else dict(rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@cases
def test_steps(name, options, dtype) -> None:
    parameters, values, gradients = parameters_and_gradients(dtype, name=name)
    arrays = [p.data for p in parameters]
    train(getattr(nn.optim, name)(parameters, **options), parameters, gradients)
    for i, (p, value) in enumerate(zip(parameters, values)):
        expected = getattr(reference, name.lower())(value, [step[i] for step in gradients], **options)
        assert p.data is arrays[i] and p.dtype == dtype
        np.testing.assert_allclose(p.data, expected, **tolerance_of(name, options, dtype))


@cases
def test_memory_of_any_strides(name, options) -> None:
    """Parameters, gradients and states are written and read where they are, with the same bits; gradients of integers are numbers too."""
    results = []
    for strided in (False, True):
        parameters, _, gradients = parameters_and_gradients(np.float32, name=name)
        gradients = [[np.rint(3 * g) for g in step] for step in gradients]
        if strided:
            for p in parameters:
                if p.ndim:
                    p.data = np.repeat(p.data, 2, -1)[..., ::-2][..., ::-1].T.copy().T
            gradients = [[g.astype(np.int64)[..., ::-1].copy()[..., ::-1] if g.ndim else g for g in step] for step in gradients]
        arrays = [p.data for p in parameters]
        train(getattr(nn.optim, name)(parameters, **options), parameters, gradients)
        assert all(p.data is array for p, array in zip(parameters, arrays))
        results.append([p.data.tobytes() for p in parameters])
    assert results[0] == results[1]


@cases
def test_same_bits_for_any_number_of_threads(name, options) -> None:
    results = []
    for threads in (1, 2, 3):
        nn.set_num_threads(threads)
        rng = np.random.default_rng(3)
        sizes = [(300, 200), (7, 1), (101, 203)] if name == "Muon" else (300_000, 7, 100_001)
        parameters = [nn.Parameter(rng.normal(size=n).astype(np.float32)) for n in sizes]
        gradients = [[rng.normal(size=p.shape).astype(np.float32) for p in parameters] for _ in range(3)]
        train(getattr(nn.optim, name)(parameters, **options), parameters, gradients)
        results.append([p.data.tobytes() for p in parameters])
    assert results[0] == results[1] == results[2]


@names
def test_parameters_without_a_gradient_stay(name) -> None:
    """And those that join later have corrections of their own."""
    parameters, values, gradients = parameters_and_gradients(np.float64, name=name)
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
        np.testing.assert_allclose(p.data, expected, **tolerance_of(name, dict(lr=0.1), np.float64))


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
    parameters, _, gradients = parameters_and_gradients(np.float32, name=name)
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


STATES = {
    "Adadelta": ["step", "square_avg", "acc_delta"],
    "Adamax": ["step", "exp_avg", "exp_inf"],
    "NAdam": ["step", "mu_product", "exp_avg", "exp_avg_sq"],
    "RAdam": ["step", "exp_avg", "exp_avg_sq"],
    "ASGD": ["step", "eta", "mu", "ax"],
    "Rprop": ["step", "prev", "step_size"],
    "Adafactor": ["step", "row_var", "col_var"],
    "Muon": ["momentum_buffer"],
}


@pytest.mark.parametrize("name", STATES)
def test_states_are_pytorchs(name) -> None:
    p = nn.Parameter(np.ones((3, 5)))
    optimizer = getattr(nn.optim, name)([p])
    p.grad = np.ones((3, 5))
    optimizer.step()
    shapes = {"row_var": (3, 1), "col_var": (1, 5), **dict.fromkeys(("step", "mu_product", "eta", "mu"), ())}
    state = optimizer.state_dict()["state"][0]
    assert list(state) == STATES[name]
    for key, value in state.items():
        assert value.shape == shapes.get(key, (3, 5)) and value.dtype == (np.float64 if value.shape else np.float32)
    bad = {0: {**state, list(state)[-1]: np.ones(2)}}
    with pytest.raises(ValueError, match=r"of shape \(2,\) for parameter 0, whose shape is \(3, 5\)"):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": bad})
    if name == "NAdam":
        with pytest.raises(ValueError, match=r"mu_product of shape \(3, 5\) for parameter 0, whose shape is \(3, 5\): expected \(\)"):
            optimizer.load_state_dict({**optimizer.state_dict(), "state": {0: {**state, "mu_product": np.ones((3, 5))}}})


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
    p = nn.Parameter(np.ones((2, 1), np.float32))
    optimizer = getattr(nn.optim, name)([p], lr=0.1)

    def closure():
        p.grad = np.ones((2, 1), np.float32)
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


@pytest.mark.parametrize("name", [*dict.fromkeys(name for name, _ in CASES), "LBFGS"])
def test_a_step_reaches_layers_that_keep_prepared_weights(name) -> None:
    layer = nn.Linear(64, 64)
    optimizer = getattr(nn.optim, name)([layer.weight], lr=0.5)
    x = np.ones((32, 64), np.float32)
    layer.weight.grad = np.ones((64, 64), np.float32)
    for _ in range(3):
        before = layer(x)
        if name == "LBFGS":
            optimizer.step(lambda: 0.0)
        else:
            optimizer.step()
        fresh = nn.Linear(64, 64)
        fresh.load_state_dict(layer.state_dict())
        assert layer(x).tobytes() == fresh(x).tobytes() != before.tobytes()
    recorded = layer(nn.Tensor(x, requires_grad=True)).sum()
    optimizer.step(*[lambda: 0.0] * (name == "LBFGS"))
    with pytest.raises(RuntimeError, match="changed in place"):
        recorded.backward()


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
        ("Adadelta", dict(rho=1.5), "Invalid rho value: 1.5"),
        ("Adadelta", dict(eps=-1), "Invalid epsilon value: -1"),
        ("Adamax", dict(betas=(0.9, 1.0)), "Invalid beta parameter at index 1: 1.0"),
        ("Adamax", dict(differentiable=True), "differentiable=True is not supported"),
        ("NAdam", dict(momentum_decay=-1), "Invalid momentum_decay value: -1"),
        ("NAdam", dict(lr=np.ones(2)), r"lr must be a number or have 1 element, got shape \(2,\)"),
        ("RAdam", dict(capturable=True), "capturable=True is not supported"),
        ("ASGD", dict(weight_decay=-1), "Invalid weight_decay value: -1"),
        ("Rprop", dict(etas=(1.5, 1.2)), "Invalid eta values: 1.5, 1.2"),
        ("Adafactor", dict(lr=-1), "Learning rate should be >= 0 but is: -1"),
        ("Adafactor", dict(beta2_decay=0.5), "beta2_decay should be <= 0 but is: 0.5"),
        ("Adafactor", dict(eps=(-1, 0)), "epsilon1 should be >= 0 but is: -1"),
        ("Adafactor", dict(eps=(None, -1)), "epsilon2 should be >= 0 but is: -1"),
        ("Adafactor", dict(d=0.5), "Clipping threshold d should be >= 1 but is: 0.5"),
        ("Adafactor", dict(weight_decay=-1), "weight_decay should be >= 0 but is: -1"),
        ("Muon", dict(), r"Muon only supports 2D parameters whereas we found a parameter with size: \(1,\)"),
        ("Muon", dict(lr=-1), "Learning rate should be >= 0 but is: -1"),
        ("Muon", dict(momentum=-1), "momentum should be >= 0 but is: -1"),
        ("Muon", dict(adjust_lr_fn="no"), "Adjust learning rate function no is not supported"),
        ("LBFGS", dict(lr=-1), "Invalid learning rate: -1"),
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


@pytest.mark.parametrize("name", ["Adadelta", "Adafactor", "Muon", "LBFGS"])
def test_parameters_that_cannot_be_written(name) -> None:
    """As the library's own steps: nothing is changed, also of those before."""
    first = nn.Parameter(np.ones((2, 3), np.float32))
    for data, error, message in (
        (np.ones((2, 3), ">f4"), TypeError, "native byte order, got >f4"),
        (np.broadcast_to(np.float32(1), (2, 3)), ValueError, r"params\[.\] is read-only"),
    ):
        second = nn.Tensor(data)
        optimizer = getattr(nn.optim, name)([first, second])
        first.grad = second.grad = np.ones((2, 3), np.float32)
        with pytest.raises(error, match=message):
            optimizer.step(*[lambda: 1.0] * (name == "LBFGS"))
        assert (first.data == 1).all()


def test_asgd_averages() -> None:
    parameters, values, gradients = parameters_and_gradients(np.float64)
    options = dict(lr=0.1, lambd=0.1, t0=2)
    optimizer = nn.optim.ASGD(parameters, **options)
    train(optimizer, parameters, gradients)
    for i, (p, value) in enumerate(zip(parameters, values)):
        _, mean = reference.asgd_mean(value, [step[i] for step in gradients], **options)
        np.testing.assert_allclose(optimizer.state[p]["ax"], mean, rtol=1e-6, atol=1e-7)


def test_rprop_leaves_elements_without_a_number() -> None:
    p = nn.Parameter(np.ones(3))
    optimizer = nn.optim.Rprop([p], lr=0.5)
    for _ in range(2):
        p.grad = np.array([1.0, np.nan, 0.0])
        optimizer.step()
    np.testing.assert_allclose(p.data, [1 - 0.5 - 0.6, 1, 1])


def test_muon_makes_steps_orthogonal() -> None:
    rng = np.random.default_rng(0)
    for shape in ((60, 25), (25, 60)):
        p = nn.Parameter(np.zeros(shape, np.float32))
        optimizer = nn.optim.Muon([p], lr=1.0)
        p.grad = rng.normal(size=shape).astype(np.float32)
        optimizer.step()
        values = np.linalg.svd(p.data / max(1, shape[0] / shape[1]) ** 0.5, compute_uv=False)
        assert 0.6 < values.min() < values.max() < 1.3
        p.grad[3, 4] = np.frombuffer(b"\xff\xff\xff\x7f", np.float32)[0]  # NaN of any bits
        optimizer.step()
        assert np.isnan(p.data).all()
    optimizer.param_groups[0]["ns_steps"] = 100
    with pytest.raises(ValueError, match="Number of steps must be less than 100"):
        optimizer.step()
    optimizer.param_groups[0].update(ns_steps=5, ns_coefficients=(1, 2))
    with pytest.raises(ValueError, match="exactly 3 values"):
        optimizer.step()


class Quadratic:
    """½ xᵀ A x - bᵀ x in two parameters of another shape and one that has no gradient."""

    def __init__(self, dtype=np.float64, condition=30.0):
        rng = np.random.default_rng(1)
        basis = np.linalg.qr(rng.normal(size=(9, 9)))[0]
        self.matrix = basis * np.geomspace(1, condition, 9) @ basis.T
        self.right = rng.normal(size=9)
        self.parameters = [nn.Parameter(np.zeros((2, 3), dtype)), nn.Parameter(np.zeros(3, dtype)), nn.Parameter(np.ones(2, dtype))]
        self.calls = 0

    def x(self):
        return np.concatenate([p.data.reshape(-1) for p in self.parameters[:2]]).astype(np.float64)

    def gradient(self, x):
        return self.matrix @ x - self.right

    def loss(self, x):
        return 0.5 * x @ self.matrix @ x - self.right @ x

    def closure(self):
        self.calls += 1
        gradient = self.gradient(self.x()).astype(self.parameters[0].dtype)
        self.parameters[0].grad, self.parameters[1].grad = gradient[:6].reshape(2, 3), gradient[6:]
        return self.loss(self.x())


@pytest.mark.parametrize("history_size", [2, 4, 100])
def test_lbfgs_directions(history_size) -> None:
    job = Quadratic()
    optimizer = nn.optim.LBFGS(job.parameters, lr=0.7, max_iter=5, max_eval=99, history_size=history_size)
    for calls in (1, 2, 3):
        assert optimizer.step(job.closure) == (0 if calls == 1 else job.first)
        expected = reference.lbfgs(np.zeros(9), job.gradient, 5 * calls, 0.7, history_size)
        np.testing.assert_allclose(job.x(), expected, rtol=1e-9, atol=1e-10)
        assert job.calls == 5 * calls
        job.first = job.loss(job.x())
    assert (job.parameters[2].data == 1).all()
    state = optimizer.state_dict()["state"][0]
    assert state["n_iter"] == state["func_evals"] == 15
    assert [len(state[name]) for name in ("old_dirs", "old_stps", "ro")] == [min(history_size, 14)] * 3


@pytest.mark.parametrize("lr", [1e-3, 0.1, 1.0, 30.0])
def test_lbfgs_line_search(lr) -> None:
    """Each iteration satisfies Wolfe's strong conditions, wherever the search starts."""
    job = Quadratic()
    optimizer = nn.optim.LBFGS(job.parameters, lr=lr, max_iter=1, max_eval=50, line_search_fn="strong_wolfe")
    for t in range(12):
        start = job.x()
        if np.abs(job.gradient(start)).max() < 1e-3:
            assert t > 5
            break
        optimizer.step(job.closure)
        move = job.x() - start
        slope = job.gradient(start) @ move
        assert slope < 0
        assert job.loss(job.x()) <= job.loss(start) + 1e-4 * slope
        assert abs(job.gradient(job.x()) @ move) <= -0.9 * slope * (1 + 1e-9)
    assert optimizer.state_dict()["state"][0]["func_evals"] == job.calls


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_finds_the_minimum(dtype) -> None:
    job = Quadratic(dtype, 1000.0)
    optimizer = nn.optim.LBFGS(job.parameters, max_iter=200, tolerance_change=1e-14, line_search_fn="strong_wolfe")
    optimizer.step(job.closure)
    np.testing.assert_allclose(job.x(), np.linalg.solve(job.matrix, job.right), atol=1e-7 if dtype is np.float64 else 1e-3)
    assert job.calls < 100
    calls = job.calls
    assert optimizer.step(job.closure) == job.loss(job.x()) and job.calls <= calls + 250


@pytest.mark.parametrize("way", ["state_dict", "pickle"])
def test_lbfgs_saved_and_loaded_goes_on(way) -> None:
    job, other = Quadratic(np.float32), Quadratic(np.float32)
    optimizer = nn.optim.LBFGS(job.parameters, max_iter=3, line_search_fn="strong_wolfe")
    optimizer.step(job.closure)
    if way == "state_dict":
        again = nn.optim.LBFGS(other.parameters, lr=0.3)
        again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for p, q in zip(job.parameters, other.parameters):
            q.data[...] = p.data
    else:
        again = pickle.loads(pickle.dumps(optimizer))
        other.parameters = again.param_groups[0]["params"]
    optimizer.step(job.closure)
    again.step(other.closure)
    np.testing.assert_array_equal(job.x(), other.x())


def test_lbfgs_refuses() -> None:
    a, b = nn.Parameter(np.ones(1)), nn.Parameter(np.ones(1))
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        nn.optim.LBFGS([{"params": [a]}, {"params": [b]}])
    optimizer = nn.optim.LBFGS([a], line_search_fn="no")
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optimizer.add_param_group({"params": [b]})
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(lambda: 1.0)
    with pytest.raises(TypeError, match="closure"):
        optimizer.step()


def test_swapping_in_parameters_and_state() -> None:
    parameters, values, gradients = parameters_and_gradients(np.float64)
    optimizer = nn.optim.Adam([{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.5}])
    train(optimizer, parameters, gradients[:2])
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 0.25
    others = [nn.Parameter(p.data.copy()) for p in parameters]
    before = [p.data.tobytes() for p in parameters]
    swap = nn.optim.swap_in_optimizer_params_and_state
    with pytest.raises(KeyError), swap(optimizer, dict(enumerate(others)), state):
        assert optimizer.param_groups[0]["params"] == others[:2] and optimizer.param_groups[0]["lr"] == 0.25
        train(optimizer, others, gradients[2:])
        raise KeyError
    assert [p.data.tobytes() for p in parameters] == before
    assert optimizer.param_groups[0]["params"] == parameters[:2] and optimizer.param_groups[0]["lr"] == 1e-3
    assert optimizer.state[parameters[0]]["step"] == 2 and state["state"][0]["step"] == STEPS
    # Those swapped in went on as an optimizer of their own would.
    for lr, i in ((0.25, 1), (0.5, 3)):
        p = nn.Parameter(parameters[i].data.copy())
        alone = nn.optim.Adam([p], lr=lr)
        alone.state[p] = copy.deepcopy(optimizer.state[parameters[i]])
        train(alone, [p], [[step[i]] for step in gradients[2:]])
        assert p.data.tobytes() == others[i].data.tobytes()
    for parameters, wrong, message in (
        (others[1:], state, "a parameter for each of the optimizer's 6, got 5"),
        (others, [], "a state dict"),
        (others, {**state, "state": []}, "to be a dict of dicts"),
        (others, {**state, "param_groups": []}, "different number of parameter groups"),
        (others, {**state, "state": {77: {}}}, r"extra keys \[77\]"),
        (others, {**state, "param_groups": [{**g, "no": 1} for g in state["param_groups"]]}, r"it has \['no'\] too much"),
        (others, {**state, "param_groups": [{**g, "params": [0]} for g in state["param_groups"]]}, "different number of params"),
        (others, {**state, "param_groups": [{**g, "params": "ab"} for g in state["param_groups"]]}, "numbers of parameters"),
        (others, {**state, "param_groups": [1, 2]}, "to be a dictionary"),
    ):
        with pytest.raises(RuntimeError, match=message), swap(optimizer, dict(enumerate(parameters)), wrong):
            pass
    with pytest.raises(RuntimeError, match="take a step first"), swap(nn.optim.Adam(others), {}, {}):
        pass


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
