"""The counter-based generator: its numbers, its state, dropout, and what initial parameters are drawn from."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import Reference as reference
import swiftnn as nn
from Reference import constants as k
from Reference.pooling import fractional_max_pool
from Reference.random import philox4x32
from specs import difference
from swiftnn import _native


def test_philox_known_answers() -> None:
    """Of the test vectors published with the generator."""
    ones = 0xFFFFFFFF
    for counter, key, words in (
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ones,) * 4, (ones,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ):
        assert tuple(int(word) for word in philox4x32(counter, key)) == words


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, -7, 2**40 + 5])
def test_initial_numbers_are_the_reference_s(dtype: type, seed: int) -> None:
    number = k.FLOAT32 if dtype is np.float32 else k.FLOAT64
    nn.manual_seed(seed)
    first = nn.init.uniform_(np.empty((3, 5), dtype), -2.0, 3.0)
    second = nn.init.normal_(np.empty(7, dtype), 1.0, 0.5)
    np.testing.assert_array_equal(first, reference.random_forward((3, 5), number, k.UNIFORM, -2.0, 3.0, seed, 0))
    expected = reference.random_forward((7,), number, k.NORMAL, 1.0, 0.5, seed, 15)
    np.testing.assert_allclose(second, expected, rtol=1e-6 if dtype is np.float32 else 1e-13)


def test_every_number_stands_at_its_own_index() -> None:
    whole = _native.random_forward((1000,), k.FLOAT32, k.UNIFORM, 0.0, 1.0, 9, 0)
    for start, n in ((0, 1), (3, 10), (517, 483)):
        np.testing.assert_array_equal(_native.random_forward((n,), k.FLOAT32, k.UNIFORM, 0.0, 1.0, 9, start), whole[start : start + n])


def test_uniform_never_gives_the_upper_bound() -> None:
    y = _native.random_forward((200000,), k.FLOAT32, k.UNIFORM, 1.0, float(np.nextafter(np.float32(1), np.float32(2))), 1, 0)
    assert (y == 1).all()


def test_a_large_array_is_drawn_as_in_one_piece() -> None:
    nn.manual_seed(3)
    y = nn.init.uniform_(np.empty(200001, np.float32))
    np.testing.assert_array_equal(y[-5:], reference.random_forward((5,), k.FLOAT32, k.UNIFORM, 0.0, 1.0, 3, 199996))


def test_initialisation_follows_the_seed() -> None:
    def weights() -> list[bytes]:
        return [value.tobytes() for value in nn.LSTM(3, 5, 2, bidirectional=True).state_dict().values()]

    nn.manual_seed(11)
    first, second = weights(), weights()
    nn.manual_seed(11)
    assert weights() == first != second
    nn.manual_seed(12)
    assert weights() != first
    assert nn.random.initial_seed() == 12


def test_state_goes_back() -> None:
    nn.manual_seed(1)
    nn.init.uniform_(np.empty(5, np.float32))
    state = nn.random.get_rng_state()
    first = nn.init.uniform_(np.empty(5, np.float32))
    nn.random.set_rng_state(state)
    np.testing.assert_array_equal(nn.init.uniform_(np.empty(5, np.float32)), first)
    with pytest.raises(ValueError, match="state must be"):
        nn.random.set_rng_state([1, 2, 3])


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must be in"):
        nn.manual_seed(seed)


def test_negative_seeds_count_from_the_end() -> None:
    nn.manual_seed(-1)
    first = nn.init.uniform_(np.empty(5))
    nn.manual_seed(2**64 - 1)
    np.testing.assert_array_equal(nn.init.uniform_(np.empty(5)), first)


def test_seed_is_different_every_time() -> None:
    assert nn.random.seed() != nn.random.seed()
    assert nn.random.Generator().initial_seed() != nn.random.Generator().initial_seed()


def test_reserve_never_gives_a_position_twice() -> None:
    nn.manual_seed(0)
    taken: list[int] = []
    threads = [threading.Thread(target=lambda: taken.extend(nn.random.reserve(3)[1] for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(0, 2400, 3))


def test_the_default_generator_can_be_replaced_for_one_call() -> None:
    nn.manual_seed(4)
    before = nn.random.default_generator.get_state()
    y = nn.init.uniform_(np.empty(5, np.float32), generator=nn.random.Generator(8))
    np.testing.assert_array_equal(nn.random.default_generator.get_state(), before)
    np.testing.assert_array_equal(y, reference.random_forward((5,), k.FLOAT32, k.UNIFORM, 0.0, 1.0, 8, 0))


# Dropout


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout_is_the_reference_s(p: float, dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal((13, 17)).astype(dtype)
    module = nn.Dropout(p)
    nn.manual_seed(21)
    expected = reference.dropout_forward(x, p=p, seed=21, offset=0)
    assert difference(np.asarray(module(x)), expected) < (1e-6 if dtype is np.float32 else 1e-14)
    np.testing.assert_array_equal(module.eval()(x), x)


def test_dropout_keeps_the_share_it_should() -> None:
    y = nn.Dropout(0.3)(np.ones(1_000_000, np.float32))
    assert abs((y == 0).mean() - 0.3) < 0.003
    assert abs(y.mean() - 1) < 0.005
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)


def test_dropout_calls_differ() -> None:
    x, module = np.ones(100, np.float32), nn.Dropout(0.5)
    assert (module(x) != module(x)).any()


@pytest.mark.parametrize(("make", "shape", "rest"), [(nn.Dropout1d, (9, 8, 5), (2,)), (nn.Dropout2d, (9, 8, 5, 6), (2, 3))])
def test_dropout_of_whole_channels(make: type, shape: tuple[int, ...], rest: tuple[int, ...]) -> None:
    y = make(0.4)(np.ones(shape, np.float32))
    assert (y.min(rest) == y.max(rest)).all()
    assert 0 < (y.max(rest) == 0).mean() < 1


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_probability_out_of_range(p: float) -> None:
    with pytest.raises(ValueError, match="p|probability"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match="p|probability"):
        nn.functional.dropout(np.ones(3, np.float32), p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_rrelu_draws_a_slope_for_every_element(dtype: type) -> None:
    number = k.FLOAT32 if dtype is np.float32 else k.FLOAT64
    x = np.random.default_rng(0).normal(size=(40, 50)).astype(dtype)
    x[0, :3] = 0, np.nan, -np.inf
    nn.manual_seed(7)
    t = nn.Tensor(x, requires_grad=True)
    y = nn.RReLU(0.1, 0.4)(t)
    y.backward(np.ones_like(x))
    slopes = reference.random_forward(x.shape, number, k.UNIFORM, 0.1, 0.4, 7, 0)
    expected = np.where(x <= 0, slopes, 1).astype(dtype)
    np.testing.assert_array_equal(t.grad, expected)
    np.testing.assert_array_equal(y.numpy(), x * expected)
    assert not np.array_equal(nn.RReLU()(x), nn.RReLU()(x), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout_is_the_reference_s(name: str, p: float, dtype: type) -> None:
    number = k.FLOAT32 if dtype is np.float32 else k.FLOAT64
    x = np.random.default_rng(1).normal(size=(7, 6, 5)).astype(dtype)
    nn.manual_seed(3)
    t = nn.Tensor(x, requires_grad=True)
    y = getattr(nn, name)(p)(t)
    y.backward(np.ones_like(x))
    kept = reference.random_forward(x.shape if name == "AlphaDropout" else (7, 6, 1), number, k.BERNOULLI, 1 - p, 0.0, 3, 0)
    limit = 1.0507009873554805 * 1.6732632423543772
    a = 1 / np.sqrt((limit**2 * p + 1) * (1 - p))
    expected = a * np.where(kept, x.astype(np.float64), -limit) + limit * a * p
    assert difference(y.numpy(), expected) < (1e-6 if dtype is np.float32 else 1e-14)
    assert difference(t.grad, np.broadcast_to(a * kept, x.shape)) < (1e-6 if dtype is np.float32 else 1e-14)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(2).normal(size=1_000_000)
    y = nn.functional.alpha_dropout(x, 0.3, training=True)
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.01


def test_alpha_dropout_and_rrelu_in_place() -> None:
    x = np.ones((3, 4, 5), np.float32)
    for function in (nn.functional.alpha_dropout, nn.functional.feature_alpha_dropout, nn.functional.rrelu):
        nn.manual_seed(5)
        expected = function(-x, training=True)
        nn.manual_seed(5)
        mine = -x
        assert function(mine, training=True, inplace=True) is mine
        np.testing.assert_array_equal(mine, expected)
        assert len(np.unique(mine)) > 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("dim", [-1, 0])
def test_gumbel_softmax_is_the_reference_s(dim: int, dtype: type) -> None:
    number = k.FLOAT32 if dtype is np.float32 else k.FLOAT64
    x = np.random.default_rng(3).normal(size=(6, 5)).astype(dtype)
    nn.manual_seed(11)
    y = nn.functional.gumbel_softmax(x, tau=0.7, dim=dim)
    u = reference.random_forward(x.shape, number, k.UNIFORM, 0.0, 1.0, 11, 0).astype(np.float64)
    expected = reference.softmax_forward((x - np.log(-np.log(u))) / 0.7, dim)
    assert difference(y, expected) < (1e-6 if dtype is np.float32 else 1e-14)
    nn.manual_seed(11)
    t, soft = nn.Tensor(x, requires_grad=True), nn.Tensor(x, requires_grad=True)
    hard = nn.functional.gumbel_softmax(t, tau=0.7, hard=True, dim=dim)
    np.testing.assert_allclose(hard.numpy(), expected == expected.max(dim, keepdims=True), atol=1e-6)
    nn.manual_seed(11)
    dy = np.random.default_rng(4).normal(size=x.shape).astype(dtype)
    nn.functional.gumbel_softmax(soft, tau=0.7, dim=dim).backward(dy)
    hard.backward(dy)
    np.testing.assert_array_equal(t.grad, soft.grad)


def test_gumbel_softmax_draws_classes_by_their_probability() -> None:
    probabilities = np.array([0.1, 0.2, 0.7])
    y = nn.functional.gumbel_softmax(np.tile(np.log(probabilities), (200_000, 1)), hard=True)
    np.testing.assert_allclose(y.mean(0), probabilities, atol=0.005)
    with pytest.warns(UserWarning, match="eps"):
        nn.functional.gumbel_softmax(np.zeros((1, 2)), eps=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_dropout_is_the_reference_s(kind: str, batch_first: bool) -> None:
    nn.manual_seed(2)
    module = getattr(nn, kind)(4, 5, num_layers=3, dropout=0.4, bidirectional=True, batch_first=batch_first)
    weights = []
    for row in module.all_weights:
        weights += [w.numpy() for w in row] + [None]
    x = np.random.default_rng(0).standard_normal((6, 3, 4)).astype(np.float32)
    nn.manual_seed(31)
    y, _ = module(x)
    mode = {"RNN": k.RNN_TANH, "LSTM": k.LSTM, "GRU": k.GRU}[kind]
    expected, _, _ = reference.rnn_forward(mode, x, None, None, weights, 3, 1, batch_first, None, 0.4, 31, 0)
    assert difference(y, expected) < 2e-5
    assert (module.eval()(x)[0] != y).any()


def test_attention_dropout_is_the_reference_s() -> None:
    rng = np.random.default_rng(0)
    q, key, v = (rng.standard_normal((2, 3, n, 4)).astype(np.float32) for n in (5, 7, 7))
    nn.manual_seed(8)
    y = nn.functional.scaled_dot_product_attention(q, key, v, dropout_p=0.3)
    expected, _, _ = reference.attention_forward(q, key, v, dropout=0.3, seed=8, offset=0)
    assert difference(y, expected) < 1e-5


def test_returned_attention_weights_are_those_after_dropout() -> None:
    module = nn.MultiheadAttention(8, 2, dropout=0.5)
    x = np.random.default_rng(0).standard_normal((6, 3, 8)).astype(np.float32)
    _, weights = module(x, x, x, average_attn_weights=False)
    assert 0.2 < (weights == 0).mean() < 0.8
    assert (module.eval()(x, x, x, average_attn_weights=False)[1] > 0).all()


def test_transformer_dropout_runs_in_training_only() -> None:
    module = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5)
    x = np.random.default_rng(0).standard_normal((6, 3, 8)).astype(np.float32)
    assert (module(x) != module(x)).any()
    module.eval()
    np.testing.assert_array_equal(module(x), module(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("size", [(9, 14), (7, 9, 8)], ids=["images", "volumes"])
def test_fractional_pooling_draws_where_windows_lie(size: tuple[int, ...], dtype: type) -> None:
    dims = len(size)
    x = np.random.default_rng(0).normal(size=(2, 3, *size)).astype(dtype)
    layer = getattr(nn, f"FractionalMaxPool{dims}d")(2, output_ratio=0.6, return_indices=True).eval()
    nn.manual_seed(7)
    y, indices = layer(x)
    samples = reference.random_forward((2, 3, dims), k.FLOAT32 if dtype is np.float32 else k.FLOAT64, k.UNIFORM, 0.0, 1.0, 7, 0)
    expected = fractional_max_pool(x, (2,) * dims, [int(0.6 * n) for n in size], samples)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    assert not np.array_equal(layer(x)[1], indices)
    nn.manual_seed(7)
    assert layer(x)[0].tobytes() == y.tobytes()


def test_windows_of_fractional_pooling_lie_in_order_inside() -> None:
    x = np.broadcast_to(np.arange(40.0)[:, None], (500, 2, 40, 1))  # the maximum of a window is its last row
    ends = nn.functional.fractional_max_pool2d(x, (3, 1), output_size=(15, 1))[..., 0]
    assert ends.min() == 2 and (ends[..., -1] == 39).all()
    steps = np.diff(ends, axis=-1)
    assert set(np.unique(steps[..., :-1])) == {2, 3} and steps.min() >= 2  # 37/14 on average
    assert len(np.unique(ends.reshape(1000, -1), axis=0)) > 10
    edge = np.array([np.nextafter(1, 0), 1.0])
    few = nn.functional.fractional_max_pool2d(x[:1], (3, 1), output_size=(15, 1), _random_samples=np.broadcast_to(edge[:, None], (1, 2, 2)))
    assert few.max() == 39
