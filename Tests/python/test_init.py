"""nn.init and the generator behind it."""

from __future__ import annotations

import math
import pickle
import threading
import warnings

import numpy as np
import pytest

import swiftnn as nn
from swiftnn import init

RANDOM = [
    (init.uniform_, {}),
    (init.normal_, {}),
    (init.trunc_normal_, {}),
    (init.xavier_uniform_, {}),
    (init.xavier_normal_, {}),
    (init.kaiming_uniform_, {}),
    (init.kaiming_normal_, {}),
    (init.orthogonal_, {}),
    (init.sparse_, {"sparsity": 0.25}),
]
names = {"ids": lambda value: getattr(value, "__name__", "")}


@pytest.fixture(autouse=True)
def seeded():
    state = nn.random.get_rng_state()
    nn.manual_seed(7)
    yield
    nn.random.set_rng_state(state)


@pytest.mark.parametrize(("fill", "options"), RANDOM, **names)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place_whatever_the_strides(fill, options, dtype):
    nn.manual_seed(1)
    plain = fill(np.empty((6, 8), dtype), **options)
    for make in (
        lambda: np.empty((6, 8), dtype, order="F"),
        lambda: np.empty((12, 8), dtype)[::-2],
        lambda: np.empty((8, 6), dtype).T,
        lambda: np.empty((6, 8), np.dtype(dtype).newbyteorder(">")),
        lambda: nn.Parameter(np.empty((6, 8), dtype)),
        lambda: nn.Tensor(np.empty((6, 8), dtype)),
    ):
        target = make()
        nn.manual_seed(1)
        assert fill(target, **options) is target
        np.testing.assert_array_equal(np.asarray(target), plain)


@pytest.mark.parametrize(("fill", "options"), RANDOM, **names)
def test_the_stream_goes_on(fill, options):
    a, b = fill(np.empty((6, 8), np.float32), **options), fill(np.empty((6, 8), np.float32), **options)
    assert not np.array_equal(a, b)
    generator = nn.random.Generator(3)
    c = fill(np.empty((6, 8), np.float32), **options, generator=generator)
    d = fill(np.empty((6, 8), np.float32), **options, generator=nn.random.Generator(3))
    np.testing.assert_array_equal(c, d)


def test_large_arrays_are_one_stream():
    nn.manual_seed(5)
    whole = init.uniform_(np.empty(200_000, np.float32))
    nn.manual_seed(5)
    parts = np.concatenate([init.uniform_(np.empty(50_000, np.float32)) for _ in range(4)])
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize(
    ("fill", "options", "mean", "std", "low", "high"),
    [
        (init.uniform_, {"a": -1, "b": 3}, 1, 4 / math.sqrt(12), -1, 3),
        (init.normal_, {"mean": 2, "std": 0.5}, 2, 0.5, -2, 6),
        (init.trunc_normal_, {}, 0, 0.8796, -2, 2),
        (init.trunc_normal_, {"a": 2, "b": 4}, 2.3706, 0.3311, 2, 4),
        (init.xavier_uniform_, {"gain": 2}, 0, 2 * math.sqrt(2 / 500), -2 * math.sqrt(6 / 500), 2 * math.sqrt(6 / 500)),
        (init.xavier_normal_, {}, 0, math.sqrt(2 / 500), -1, 1),
        (init.kaiming_uniform_, {"a": math.sqrt(5)}, 0, 1 / math.sqrt(200) / math.sqrt(3), -1 / math.sqrt(200), 1 / math.sqrt(200)),
        (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "relu"}, 0, math.sqrt(2 / 300), -1, 1),
    ],
    **names,
)
def test_distributions(fill, options, mean, std, low, high):
    w = fill(np.empty((300, 200), np.float32), **options)
    assert abs(w.mean() - mean) < 0.02 * std and abs(w.std() / std - 1) < 0.02
    assert w.min() >= np.float32(low) and w.max() <= np.float32(high)


def test_fans_count_the_receptive_field():
    assert init._calculate_fan_in_and_fan_out(np.empty((4, 3, 2, 5))) == (30, 40)
    w = init.kaiming_uniform_(np.empty((8, 3, 5, 5), np.float32), a=math.sqrt(5))
    assert abs(w).max() <= 1 / math.sqrt(75)
    assert abs(w).max() > 0.95 / math.sqrt(75)


def test_fixed_values():
    np.testing.assert_array_equal(init.constant_(np.empty((2, 2)), 0.25), 0.25)
    np.testing.assert_array_equal(init.ones_(np.empty(3)), 1)
    np.testing.assert_array_equal(init.zeros_(np.ones(3)), 0)
    np.testing.assert_array_equal(init.eye_(np.empty((3, 5))), np.eye(3, 5))
    np.testing.assert_array_equal(init.eye_(np.empty((5, 3)).T), np.eye(3, 5))


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3), 1), ((4, 2, 3, 4), 2), ((6, 1, 3, 3, 3), 3)])
def test_dirac_is_the_identity_of_each_group(shape, groups):
    w = init.dirac_(np.ones(shape, np.float32), groups)
    out = shape[0] // groups
    expected = np.zeros(shape, np.float32)
    for group in range(groups):
        for channel in range(min(out, shape[1])):
            expected[(group * out + channel, channel, *(size // 2 for size in shape[2:]))] = 1
    np.testing.assert_array_equal(w, expected)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape):
    w = init.orthogonal_(np.empty(shape, np.float32), gain=2).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_sparse():
    w = init.sparse_(np.empty((10, 50), np.float32), 0.33, std=2)
    np.testing.assert_array_equal((w == 0).sum(0), 4)
    assert len({tuple(column) for column in (w == 0).T}) > 20


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1),
        ("conv_transpose3d", None, 1),
        ("sigmoid", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 2, math.sqrt(2 / 5)),
        ("selu", None, 0.75),
    ],
)
def test_gain(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain)


def test_errors():
    w = np.empty((2, 2), np.float32)
    for param in (True, "x"):
        with pytest.raises(ValueError, match="not a valid number"):
            init.calculate_gain("leaky_relu", param)
    with pytest.raises(ValueError, match="Unsupported nonlinearity foo"):
        init.calculate_gain("foo")
    for fill in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.raises(ValueError, match="fewer than 2 dimensions"):
            fill(np.empty(3, np.float32))
    for fill, shape in ((init.eye_, (3,)), (init.dirac_, (3, 3)), (init.orthogonal_, (3,)), (lambda w: init.sparse_(w, 0.1), (3,))):
        with pytest.raises(ValueError, match="dimensions"):
            fill(np.empty(shape, np.float32))
    with pytest.raises(ValueError, match="divisible by groups"):
        init.dirac_(np.empty((4, 3, 3), np.float32), 3)
    with pytest.raises(ValueError, match="Mode sideways not supported"):
        init.kaiming_uniform_(w, mode="sideways")
    with pytest.raises(ValueError, match="a <= b"):
        init.uniform_(w, 1, 0)
    for fill in (lambda: init.normal_(w, std=-1), lambda: init.trunc_normal_(w, std=0)):
        with pytest.raises(ValueError, match="std"):
            fill()
    with pytest.raises(TypeError, match="to write into, got list"):
        init.uniform_([1.0])
    with pytest.raises(TypeError, match="floating point dtype, got int64"):
        init.normal_(np.empty(3, np.int64))
    w.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        init.ones_(w)


def test_warnings():
    for fill in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
            fill(np.empty((0, 3), np.float32))
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(np.empty(4, np.float32), mean=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fill, options in ((init.uniform_, {}), (init.normal_, {}), (init.trunc_normal_, {}), (init.orthogonal_, {})):
            fill(np.empty((0, 3), np.float32), **options)


# The generator


def test_seeds():
    assert nn.manual_seed(3).initial_seed() == nn.random.initial_seed() == 3
    assert nn.manual_seed(-1).initial_seed() == 2**64 - 1
    assert nn.manual_seed(np.int64(2**62)).initial_seed() == 2**62
    assert nn.manual_seed(2**64 - 1).reserve(1) == (-1, 0)
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="seed must be in"):
            nn.manual_seed(seed)
    with pytest.raises(TypeError):
        nn.manual_seed(1.5)
    assert nn.random.seed() == nn.random.initial_seed()


def test_state():
    nn.manual_seed(9)
    nn.random.reserve(10)
    state = nn.random.get_rng_state()
    assert state.tolist() == [9, 10] and state.dtype == np.int64
    assert nn.random.reserve(5) == (9, 10) and nn.random.reserve(0) == (9, 15)
    nn.random.set_rng_state(state)
    assert nn.random.reserve(1) == (9, 10)
    for wrong in ([1], [1, -1], [1.0, 2.0]):
        with pytest.raises(ValueError, match="get_state"):
            nn.random.set_rng_state(wrong)
    generator = pickle.loads(pickle.dumps(nn.random.Generator(4)))
    assert generator.reserve(2) == (4, 0)


def test_reservations_of_threads_do_not_overlap():
    generator, taken = nn.random.Generator(0), []

    def work():
        taken.extend(generator.reserve(3)[1] for _ in range(500))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(0, 6000, 3))
