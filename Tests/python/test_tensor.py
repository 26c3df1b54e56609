"""Tensor and Parameter: sharing, conversions, arithmetic, NumPy's protocols, copies."""

from __future__ import annotations

import copy
import operator
import pickle

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.tape import apply


def test_an_array_is_shared():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1]
    for tensor in (nn.Tensor(array), nn.Parameter(array)):
        assert tensor.data is array and tensor.numpy() is array and np.asarray(tensor) is array
        assert tensor.shape == tensor.size() == (2, 3) and tensor.size(1) == 3 and tensor.ndim == tensor.dim() == 2
        assert tensor.numel() == 6 and tensor.dtype == np.float32 and tensor.nbytes == 24 and len(tensor) == 2
        assert tensor.grad is None
        assert nn.Tensor(tensor).data is array


def test_python_numbers_become_float32_or_int64():
    assert nn.Tensor([1.5]).dtype == np.float32 and nn.Tensor(2.0).dtype == np.float32
    assert nn.Tensor([1]).dtype == np.int64 and nn.Tensor([True]).dtype == np.bool_
    assert nn.Tensor(np.float64(1)).dtype == np.float64 and nn.Tensor([1.5], dtype=np.float64).dtype == np.float64
    assert nn.Parameter().shape == (0,)


@pytest.mark.parametrize("data", ["text", [None], 1j, [{}]])
def test_only_numbers(data):
    with pytest.raises(TypeError, match="numbers or booleans"):
        nn.Tensor(data)


def test_requires_grad():
    assert nn.Parameter(np.ones(1)).requires_grad and not nn.Tensor(np.ones(1)).requires_grad
    assert not nn.Parameter(np.ones(1), requires_grad=False).requires_grad
    assert nn.Parameter(np.ones(1, int), requires_grad=False).dtype == np.int64
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(np.ones(1, int))
    tensor = nn.Tensor(np.ones(1)).requires_grad_()
    assert tensor.requires_grad and not tensor.detach().requires_grad and tensor.detach().data is tensor.data


def test_data_can_be_replaced():
    parameter = nn.Parameter(np.ones(2, np.float32))
    parameter.data = np.zeros(3)
    assert parameter.shape == (3,) and parameter.dtype == np.float64


# Tensors in, Tensors out; Parameters decide nothing.


@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt, operator.eq, operator.ge]
)
def test_operators(op):
    a, b = np.float32([1, 2, 3]), np.float32([3, 2, 1])
    expected = op(a, b)
    for left, right, kind in (
        (nn.Tensor(a), nn.Tensor(b), nn.Tensor),
        (nn.Tensor(a), b, nn.Tensor),
        (a, nn.Tensor(b), nn.Tensor),
        (nn.Tensor(a), nn.Parameter(b), nn.Tensor),
        (nn.Parameter(a), nn.Tensor(b), nn.Tensor),
        (a, nn.Parameter(b), np.ndarray),
        (nn.Parameter(a), b, np.ndarray),
    ):
        result = op(left, right)
        assert type(result) is kind
        values = result.numpy() if isinstance(result, nn.Tensor) else result
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == expected.dtype
    assert op(nn.Tensor(a), 2).dtype == op(a, 2).dtype and op(2, nn.Tensor(a)).dtype == op(2, a).dtype


def test_matmul_and_unary_operators():
    a = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
    np.testing.assert_array_equal((nn.Tensor(a) @ a.T).numpy(), a @ a.T)
    np.testing.assert_array_equal((a.T @ nn.Tensor(a)).numpy(), a.T @ a)
    np.testing.assert_array_equal((-nn.Tensor(a)).numpy(), -a)
    np.testing.assert_array_equal(abs(nn.Tensor(a)).numpy(), abs(a))
    assert type(a @ nn.Parameter(a.T)) is np.ndarray


def test_shapes_and_reductions():
    a = np.arange(12, dtype=np.float32).reshape(3, 1, 4)
    tensor = nn.Tensor(a)
    for result, expected in (
        (tensor.reshape(3, 4), a.reshape(3, 4)),
        (tensor.reshape((4, -1)), a.reshape(4, -1)),
        (tensor.transpose(2, 0, 1), a.transpose(2, 0, 1)),
        (tensor.transpose(0, 2), a.swapaxes(0, 2)),
        (tensor.transpose(), a.transpose()),
        (tensor.swapaxes(0, 2), a.swapaxes(0, 2)),
        (tensor.T, a.T),
        (tensor.squeeze(1), a.squeeze(1)),
        (tensor.flatten(), a.ravel()),
        (tensor[1:, 0, ::2], a[1:, 0, ::2]),
        (tensor[nn.Tensor([2, 0])], a[[2, 0]]),
        (tensor.astype(np.float64), a.astype(np.float64)),
        (tensor.sum(), a.sum()),
        (tensor.mean(2, keepdims=True), a.mean(2, keepdims=True)),
        (tensor.clone(), a),
    ):
        assert type(result) is nn.Tensor and result.dtype == expected.dtype
        np.testing.assert_array_equal(result.numpy(), expected)
    assert np.shares_memory(tensor[0].numpy(), a) and not np.shares_memory(tensor.clone().numpy(), a)
    assert [row.shape for row in tensor] == [(1, 4)] * 3
    part = nn.Parameter(a)[0]
    assert type(part) is nn.Tensor and part.requires_grad and type(part * a) is np.ndarray


def test_scalars():
    one = nn.Tensor(np.float32(1.5))
    assert float(one) == 1.5 and int(one) == 1 and bool(one) and one.item() == 1.5 and one.tolist() == 1.5
    assert [10, 20][nn.Tensor(1)] == 20 and 2 in nn.Tensor([1, 2])
    with pytest.raises(TypeError):
        iter(one)
    with pytest.raises(ValueError):
        bool(nn.Tensor([1, 2]))


def test_writing_in_place():
    array = np.zeros(3, np.float32)
    tensor = nn.Tensor(array)
    tensor += 1
    tensor *= nn.Tensor([1.0, 2.0, 3.0])
    tensor[0] = 9
    np.testing.assert_array_equal(array, [9, 2, 3])
    array += nn.Parameter(np.ones(3, np.float32))
    np.testing.assert_array_equal(array, [10, 3, 4])
    parameter = nn.Parameter(array)
    with pytest.raises(RuntimeError, match=r"\.data"):
        parameter += 1
    with pytest.raises(RuntimeError, match=r"\.data"):
        parameter[0] = 1
    with pytest.raises(RuntimeError, match=r"\.data"):
        np.add(array, 1, out=parameter)


# NumPy's and other libraries' protocols


def test_numpy_functions():
    a = np.float32([1, 4, 9])
    assert type(np.sqrt(nn.Tensor(a))) is nn.Tensor and type(np.sqrt(nn.Parameter(a))) is nn.Tensor
    np.testing.assert_array_equal(np.add.reduce(nn.Tensor(a)).numpy(), 14)
    np.testing.assert_array_equal(np.concatenate([nn.Tensor(a), a]), [1, 4, 9, 1, 4, 9])
    out = np.empty(3, np.float32)
    assert np.sqrt(nn.Tensor(a), out=out) is out and out[2] == 3
    wrapped = nn.Tensor(np.empty(3, np.float32))
    assert np.sqrt(a, out=wrapped) is wrapped and wrapped.numpy()[1] == 2
    fraction, whole = np.modf(nn.Tensor(a))
    assert type(fraction) is type(whole) is nn.Tensor


def test_numpy_does_not_drop_a_tensor_from_the_graph():
    tensor = nn.Tensor(np.ones(2), requires_grad=True)
    leaving = (np.asarray, np.cbrt, lambda t: np.concatenate([t, t]), lambda t: t.__dlpack__())
    for call in leaving:
        with pytest.raises(TypeError, match=r"detach\(\) or tensor.numpy\(\)"):
            call(tensor)
    assert np.exp(tensor.numpy()).shape == (2,) and type(1 + tensor) is nn.Tensor and type(np.ones(2) + tensor) is nn.Tensor


def test_conversion_with_dtype_and_copy():
    tensor = nn.Tensor(np.ones(2, np.float32))
    assert np.asarray(tensor, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(tensor), tensor.numpy())
    assert tensor.__array__(copy=True) is not tensor.numpy() and tensor.__array__(copy=False) is tensor.numpy()
    with pytest.raises(ValueError, match="without a copy"):
        tensor.__array__(np.float64, copy=False)


def test_dlpack():
    array = np.arange(3, dtype=np.float32)
    received = np.from_dlpack(nn.Parameter(array))
    assert np.shares_memory(received, array) and nn.Tensor(array).__dlpack_device__() == array.__dlpack_device__()


def test_apply_unwraps_and_wraps():
    def op(x, pair, flag):
        assert type(x) is np.ndarray and type(pair[0]) is np.ndarray and pair[1] is None
        return (x, None) if flag else x

    array = np.ones(2)
    both = apply(op, (array, [nn.Tensor(array), None], True))
    assert type(both[0]) is nn.Tensor and both[1] is None
    assert type(apply(op, (array, [nn.Parameter(array), None], False))) is np.ndarray


# Copies and printing


@pytest.mark.parametrize("kind", [nn.Tensor, nn.Parameter])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies(kind, duplicate):
    tensor = kind(np.asfortranarray(np.ones((2, 3), np.float32)))
    tensor.note = "kept"
    twin = duplicate(tensor)
    assert type(twin) is kind and twin.requires_grad == tensor.requires_grad and twin.note == "kept"
    np.testing.assert_array_equal(twin.numpy(), tensor.numpy())
    assert not np.shares_memory(twin.numpy(), tensor.numpy())


def test_a_deep_copy_keeps_sharing():
    tensor = nn.Tensor(np.ones(2))
    first, second = copy.deepcopy([tensor, tensor])
    assert first is second


def test_tensors_are_told_apart_by_identity():
    a, b = nn.Tensor([1.0]), nn.Tensor([1.0])
    assert len({a, b, a}) == 2


def test_repr():
    assert repr(nn.Tensor([[1.0, 2.0], [3.0, 4.5]])) == "Tensor([[1. , 2. ],\n        [3. , 4.5]])"
    assert repr(nn.Tensor(np.float64([1]))) == "Tensor([1.], dtype=float64)"
    assert repr(nn.Parameter(np.float32([1]))) == "Parameter containing:\nTensor([1.], requires_grad=True)"
    assert repr(nn.Tensor(np.empty((0, 3), np.float32))) == "Tensor([], shape=(0, 3))"


def test_shape_error_is_both_kinds():
    assert issubclass(nn.ShapeError, ValueError) and issubclass(nn.ShapeError, RuntimeError)
