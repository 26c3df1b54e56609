"""What operations keep of a weight from call to call: never older than the weight, never for one that others can write."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import swiftnn as nn

RNG = np.random.default_rng(5)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


LAYERS = [
    pytest.param((lambda: nn.Linear(20, 70), (3, 20)), id="Linear"),
    pytest.param((lambda: nn.Linear(300, 200), (130, 300)), id="Linear-large"),
    pytest.param((lambda: nn.Linear(300, 200), (1, 300)), id="Linear-row"),
    pytest.param((lambda: nn.Conv2d(8, 24, 3, padding=1), (2, 8, 9, 9)), id="Conv2d"),
    pytest.param((lambda: nn.Conv2d(64, 64, 3, padding=1), (1, 64, 14, 14)), id="Conv2d-square"),
    pytest.param((lambda: nn.Conv2d(8, 8, 3, groups=8), (2, 8, 9, 9)), id="Conv2d-depthwise"),
    pytest.param((lambda: nn.Conv2d(8, 16, 3, groups=2), (2, 8, 9, 9)), id="Conv2d-groups"),
    pytest.param((lambda: nn.Conv1d(8, 24, 3), (2, 8, 19)), id="Conv1d"),
    pytest.param((lambda: nn.ConvTranspose2d(9, 20, 4, 2, 1), (2, 9, 7, 7)), id="ConvTranspose2d-strided"),
    pytest.param((lambda: nn.ConvTranspose2d(9, 20, 5), (2, 9, 7, 7)), id="ConvTranspose2d"),
    pytest.param((lambda: nn.ConvTranspose1d(9, 32, 6, 4), (2, 9, 17)), id="ConvTranspose1d"),
    pytest.param((lambda: nn.RNN(6, 20, 2), (5, 3, 6)), id="RNN"),
    pytest.param((lambda: nn.LSTM(6, 20, 2, bidirectional=True), (5, 3, 6)), id="LSTM"),
    pytest.param((lambda: nn.LSTM(6, 20, proj_size=7), (5, 1, 6)), id="LSTM-projected"),
    pytest.param((lambda: nn.GRU(6, 20, 2), (5, 3, 6)), id="GRU"),
    pytest.param((lambda: nn.LSTMCell(6, 20), (3, 6)), id="LSTMCell"),
    pytest.param((lambda: nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0), (5, 2, 16)), id="TransformerEncoderLayer"),
    pytest.param((lambda: nn.Bilinear(6, 6, 9), None), id="Bilinear"),
]


def call(layer, x):
    y = layer(x, x) if isinstance(layer, nn.Bilinear) else layer(x)
    while isinstance(y, tuple):
        y = y[0]
    return y


@pytest.fixture(params=LAYERS)
def layer(request):
    make, shape = request.param
    return make(), numbers(*(shape or (4, 6)))


def fresh(layer, x):
    """The result of an equal layer that has kept nothing yet."""
    return call(copy.deepcopy(layer), x)


WRITES = [
    lambda p: p.data.__imul__(2),
    lambda p: p.data.__setitem__((0,) * p.ndim, 3),
    lambda p: setattr(p, "data", p.data + 1),
    lambda p: np.multiply(p.data, 3, out=p.data),
    lambda p: p.numpy().fill(0.25),
    lambda p: np.asarray(p).__iadd__(1),
    lambda p: memoryview(p.data).cast("B").__setitem__(slice(0, 4), np.float32(7).tobytes()),
    lambda p: p.data.T.__setitem__(Ellipsis, 0.5),
    lambda p: p.data.reshape(-1).__setitem__(slice(0, 2), 1.5),
]
if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # what from_dlpack gives is read-only before
    WRITES.append(lambda p: np.from_dlpack(p.data).__iadd__(1))


def test_first_and_later_calls_have_the_same_bits(layer):
    module, x = layer
    first = call(module, x)
    for _ in range(4):
        assert_array_equal(call(module, x), first)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_noticed(layer, write):
    module, x = layer
    for _ in range(3):
        call(module, x)
    for parameter in module.parameters():
        write(parameter)
        expected = fresh(module, x)
        for _ in range(3):
            assert_array_equal(call(module, x), expected)


def test_writes_through_a_view_that_is_held_are_noticed(layer):
    module, x = layer
    for parameter in module.parameters():
        held = parameter.data[..., :1]
        for i in range(4):
            call(module, x)
            held += i
            assert_array_equal(call(module, x), fresh(module, x))
        del held
        expected = fresh(module, x)
        for _ in range(3):
            assert_array_equal(call(module, x), expected)


def test_an_array_that_the_caller_holds_is_read_at_every_call():
    w = numbers(70, 20)
    layer = nn.Linear(20, 70, bias=False)
    layer.weight = nn.Parameter(w)
    x = numbers(3, 20)
    for i in range(5):
        w += i
        np.testing.assert_allclose(layer(x), x @ w.T, rtol=1e-4, atol=1e-4)


def test_a_parameter_on_memory_of_others_is_read_at_every_call():
    buffer = np.zeros(2 * 70 * 20, np.float32)
    layer = nn.Linear(20, 70, bias=False)
    layer.weight.data = buffer[: 70 * 20].reshape(70, 20)
    x = np.ones((3, 20), np.float32)
    for i in range(5):
        buffer[:] = i
        assert (layer(x) == 20 * i).all()


def test_load_state_dict_and_init_are_noticed(layer):
    module, x = layer
    other = copy.deepcopy(module)
    for p in other.parameters():
        nn.init.normal_(p)
    expected = call(other, x)
    for _ in range(3):
        call(module, x)
    module.load_state_dict(other.state_dict())
    for _ in range(3):
        assert_array_equal(call(module, x), expected)
    for p in module.parameters():
        nn.init.ones_(p)
    assert_array_equal(call(module, x), fresh(module, x))


def test_copies_keep_for_themselves(layer):
    module, x = layer
    for _ in range(3):
        before = call(module, x)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        for p in twin.parameters():
            p.data *= 2
        call(twin, x)
        assert_array_equal(call(module, x), before)


def test_tied_weights_share_what_is_kept():
    a, b = nn.Linear(20, 70), nn.Linear(20, 70)
    b.weight = a.weight
    x = numbers(3, 20)
    for _ in range(3):
        a(x), b(x)
    a.weight.data *= 3
    assert_array_equal(b(x), fresh(b, x))


def test_dtype_change_is_noticed():
    layer, x = nn.Linear(20, 70), numbers(3, 20)
    for _ in range(3):
        layer(x)
    layer.double()
    for _ in range(3):
        assert_array_equal(layer(x.astype(np.float64)), fresh(layer, x.astype(np.float64)))


def test_rows_of_one_weight_are_kept_apart():
    layer = nn.MultiheadAttention(16, 4)
    q, k = numbers(3, 2, 16), numbers(5, 2, 16)
    expected = [fresh_attention(layer, *args) for args in ((q, q, q), (q, k, k), (q, k, k + 1))]
    for _ in range(3):
        for args, y in zip(((q, q, q), (q, k, k), (q, k, k + 1)), expected):
            assert_array_equal(layer(*args)[0], y)


def fresh_attention(layer, *args):
    return copy.deepcopy(layer)(*args)[0]


def test_kept_memory_goes_with_the_layer_and_on_release():
    gc.collect()
    before = nn.memory_stats()["bytes_in_use"]
    layer, x = nn.Linear(512, 1024), numbers(4, 512)
    layer(x)
    once = nn.memory_stats()["bytes_in_use"]
    layer(x)
    twice = nn.memory_stats()["bytes_in_use"]
    assert twice - once >= 512 * 1024 * 4, "the second call keeps the packed weight"
    layer(x)
    assert nn.memory_stats()["bytes_in_use"] == twice
    nn.release_memory()
    assert nn.memory_stats()["bytes_in_use"] <= once
    assert_array_equal(layer(x), fresh(layer, x))
    layer(x)
    del layer
    gc.collect()
    assert nn.memory_stats()["bytes_in_use"] <= before + 4096


@pytest.mark.parametrize("recording", [False, True])
def test_calls_with_tensors_keep_too(recording):
    layer, x = nn.Linear(512, 1024), nn.Tensor(numbers(4, 512))
    layer(x)
    once = nn.memory_stats()["bytes_in_use"]
    with nn.set_grad_enabled(recording):
        y = layer(x)
    assert nn.memory_stats()["bytes_in_use"] - once >= 512 * 1024 * 4, "the second call keeps the packed weight"
    assert_array_equal(y.detach().numpy(), fresh(layer, x.numpy()))


def test_weights_that_change_at_every_call_keep_nothing():
    layer, x = nn.Linear(512, 1024), numbers(4, 512)
    layer(x)
    before = nn.memory_stats()["bytes_in_use"]
    for _ in range(4):
        layer.weight.data += 1
        layer(x)
    assert nn.memory_stats()["bytes_in_use"] <= before + 4096


def test_threads_may_share_a_layer():
    layer, x = nn.Linear(200, 300), numbers(5, 200)
    expected = fresh(layer, x)
    failures = []

    def work():
        for _ in range(200):
            if not np.array_equal(layer(x), expected):
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(50):
        layer.weight.data  # noqa: B018  a read that makes what is kept void
        nn.release_memory()
    for t in threads:
        t.join()
    assert not failures


def test_a_loaded_parameter_belongs_to_the_layer_alone():
    gc.disable()
    try:
        layer = nn.Linear(20, 70)
        layer.load_state_dict({"weight": numbers(70, 20), "bias": numbers(70)})
        assert sys.getrefcount(layer.weight.data) <= sys.getrefcount(nn.Linear(20, 70).weight.data)
    finally:
        gc.enable()


def test_a_tensor_without_data_says_so():
    tensor = nn.Parameter.__new__(nn.Parameter)
    with pytest.raises(AttributeError, match="no data yet"):
        nn.functional.linear(numbers(2, 3), tensor)
    with pytest.raises(AttributeError, match="no data yet"):
        tensor.shape  # noqa: B018
    with pytest.raises(TypeError, match="must be an ndarray"):
        tensor._data = [1.0]


class DoesSomething:
    """An array-like that does something when the call asks for its array."""

    def __init__(self, value, action):
        self.value, self.action = value, action

    def __array__(self, dtype=None, copy=None):
        self.action()
        return self.value


@pytest.mark.parametrize("threads", [1, 2])
def test_a_parameter_that_goes_away_during_the_call(threads):
    nn.set_num_threads(threads)
    arrays = [numbers(80, 3), numbers(80, 20), numbers(80), numbers(80)]
    x = numbers(2, 3)
    expected = nn._native.rnn_cell_forward(2, x, None, None, arrays, True, False)[0]
    for _ in range(20):
        weights = []
        weights += [*(nn.Parameter(a.copy()) for a in arrays[:2]), DoesSomething(arrays[2], weights.clear), arrays[3]]
        assert_array_equal(nn._native.rnn_cell_forward(2, x, None, None, weights, True, False)[0], expected)


def test_an_argument_that_changes_a_parameter_during_the_call():
    """What was made of the weight that the call saw is not taken for what is there since."""
    arrays = [numbers(80, 3), numbers(80, 20), numbers(80), numbers(80)]
    other = numbers(80, 20)
    parameters = [nn.Parameter(a.copy()) for a in arrays[:2]]

    def result(*weights):
        return nn._native.rnn_cell_forward(2, x, h, None, [*weights, arrays[3]], True, False)[0]

    def change():
        parameters[1].data = other.copy()
        result(*parameters, arrays[2])

    x, h = numbers(2, 3), numbers(2, 20)
    assert_array_equal(result(*parameters, DoesSomething(arrays[2], change)), result(*arrays[:3]))
    assert_array_equal(result(*parameters, arrays[2]), result(arrays[0], other, arrays[2]))


def test_recurrent_layers_notice_every_change():
    """A recurrent layer keeps what it passes on: each way to change a parameter or attribute has to be seen by the next call."""
    x = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32)
    other = nn.LSTM(5, 6, 2, dropout=0.5)

    def check(layer, change, x=x):
        before = layer(x)[0]
        assert "_arguments" in vars(layer)
        change(layer)
        fresh = nn.LSTM(5, 6, 2, batch_first=layer.batch_first, dropout=layer.dropout, dtype=layer.weight_ih_l0.dtype)
        fresh.load_state_dict(layer.state_dict(), strict=False)
        if layer.bias_ih_l0 is None:
            for name in ("bias_ih_l0", "bias_hh_l0"):
                getattr(fresh, name).data[:] = 0
        after = layer(x)[0]
        assert np.array_equal(after, fresh.train(layer.training)(x)[0])
        assert after.dtype != before.dtype or not np.array_equal(after, before)

    def made():
        return nn.LSTM(5, 6, 2).eval()

    def replace(layer):
        layer.weight_hh_l1 = other.weight_hh_l1

    def replace_registered(layer):
        layer._parameters["weight_ih_l0"] = nn.Parameter(other.weight_ih_l0.numpy().copy())

    def register(layer):
        layer.register_parameter("bias_ih_l1", nn.Parameter(other.bias_ih_l1.numpy().copy()))

    def without_bias(layer):
        layer.bias_ih_l0 = layer.bias_hh_l0 = None

    def delete_and_set(layer):
        del layer.weight_ih_l1
        with pytest.raises(AttributeError, match="weight_ih_l1"):
            layer(x)
        layer.weight_ih_l1 = other.weight_ih_l1

    def in_place(layer):
        layer.weight_ih_l0.data[:] *= 2

    def assign_registry(layer):
        layer._parameters = dict(other._parameters)

    def load_assigned(layer):
        layer.load_state_dict(other.state_dict(), assign=True)

    def batch_first(layer):
        layer.batch_first = True

    by_name = replace, replace_registered, register, without_bias, delete_and_set
    for change in (*by_name, in_place, assign_registry, load_assigned, batch_first):
        check(made(), change)
    check(made(), lambda layer: layer.load_state_dict(other.state_dict()))
    double = made()
    double(x)
    assert double.double()(x.astype(np.float64))[0].dtype == np.float64
    with pytest.raises(TypeError, match="float64"):
        double(x)

    layer = made()
    layer(x)
    for copied in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert "_arguments" not in vars(copied)
        assert np.array_equal(copied(x)[0], layer(x)[0])
        copied.weight_hh_l0 = other.weight_hh_l0
        assert not np.array_equal(copied(x)[0], layer(x)[0])

    # Dropout belongs to training.
    drops = nn.LSTM(5, 6, 2, dropout=0.5).eval()
    calm = drops(x)[0]
    drops.train()
    assert not np.array_equal(drops(x)[0], calm)
    drops.eval()
    assert np.array_equal(drops(x)[0], calm)

    # An attribute that has gone is missed.
    layer(x)
    del layer.batch_first
    with pytest.raises(AttributeError, match="batch_first"):
        layer(x)


def test_recurrent_weight_that_a_class_makes():
    class Halved(nn.RNN):
        factor = 1.0

        @property
        def weight_hh_l0(self):
            return nn.Parameter(np.float32(self.factor) * self._parameters["weight_hh_l0"].numpy())

    layer, x = nn.RNN(5, 6), np.ones((4, 3, 5), np.float32)
    layer(x)
    layer.__class__ = Halved
    before = layer(x)[0]
    Halved.factor = 0.5
    assert not np.array_equal(layer(x)[0], before)


STEPS = [
    pytest.param(lambda: nn.RNN(6, 20), id="RNN"),
    pytest.param(lambda: nn.LSTM(6, 20, 2, bidirectional=True), id="LSTM"),
    pytest.param(lambda: nn.LSTM(6, 300, proj_size=7), id="LSTM-projected"),
    pytest.param(lambda: nn.GRU(6, 33, dtype=np.float64), id="GRU"),
]


@pytest.mark.parametrize("make", STEPS)
def test_steps_from_no_state_are_those_from_zeros(make):
    """Where W_hh is known to be finite its product with no state is left out."""
    layer = make()
    x = numbers(3, 2, 6).astype(layer.weight_ih_l0.dtype)
    directions = layer.num_layers * (2 if layer.bidirectional else 1)
    h = np.zeros((directions, 2, layer.weight_hh_l0.shape[1]), x.dtype)
    zeros = (h, np.zeros((directions, 2, layer.hidden_size), x.dtype)) if isinstance(layer, nn.LSTM) else h
    for _ in range(3):  # before and after the weight is kept
        assert_array_equal(call(layer, x), layer(x, zeros)[0], strict=True)
    for value in (np.inf, np.nan, 1e38):
        layer.weight_hh_l0.data[-1, -1] = value
        for _ in range(3):
            y = call(layer, x)
            assert_array_equal(y, layer(x, zeros)[0], strict=True)
            # infinity times zero
            assert np.isnan(y[0]).any() == (not np.isfinite(value))
