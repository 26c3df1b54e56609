"""nn.utils.rnn against a plain writing with loops, and the parameter vector."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.utils import rnn

CASES = [
    # lengths, T, features, batch_first
    ([3], 3, (), False),
    ([1, 1], 2, (2,), True),
    ([5, 3, 3, 1], 5, (2,), False),
    ([2, 4, 1, 4], 6, (2, 3), True),
    ([1, 2, 3], 3, (), True),
]


def padded(lengths, steps, features, batch_first):
    x = np.random.default_rng(0).standard_normal((steps, len(lengths), *features)).astype(np.float32)
    return np.ascontiguousarray(x.swapaxes(0, 1)) if batch_first else x


def plain_pack(x, lengths, batch_first):
    """Row by row: every time step from the longest sequence to the shortest."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    rows, sizes = [], []
    for t in range(max(lengths)):
        alive = [i for i in order if lengths[i] > t]
        sizes.append(len(alive))
        rows += [x[i, t] if batch_first else x[t, i] for i in alive]
    return np.stack(rows), sizes, order


@pytest.mark.parametrize("kind", [np.asarray, nn.Tensor])
@pytest.mark.parametrize(("lengths", "steps", "features", "batch_first"), CASES)
def test_pack_and_pad(lengths, steps, features, batch_first, kind):
    x = padded(lengths, steps, features, batch_first)
    data, sizes, order = plain_pack(x, lengths, batch_first)
    packed = rnn.pack_padded_sequence(kind(x), lengths, batch_first, enforce_sorted=False)
    assert type(packed.data) is (nn.Tensor if kind is nn.Tensor else np.ndarray)
    np.testing.assert_array_equal(np.asarray(packed.data), data)
    assert packed.batch_sizes.tolist() == sizes and packed.batch_sizes.dtype == np.int64
    assert packed.sorted_indices.tolist() == order
    assert packed.unsorted_indices.tolist() == np.argsort(order).tolist()
    for first in (False, True):
        result, back = rnn.pad_packed_sequence(packed, first, padding_value=9, total_length=steps + 1)
        assert type(result) is type(packed.data) and back.tolist() == lengths and back.dtype == np.int64
        expected = np.full((len(lengths), steps + 1, *features), 9, np.float32)
        for i, length in enumerate(lengths):
            expected[i, :length] = (x if batch_first else x.swapaxes(0, 1))[i, :length]
        np.testing.assert_array_equal(np.asarray(result), expected if first else expected.swapaxes(0, 1))
        assert np.asarray(result).flags.c_contiguous


@pytest.mark.parametrize(("lengths", "steps", "features", "batch_first"), CASES)
def test_sequences(lengths, steps, features, batch_first):
    x = padded(lengths, steps, features, batch_first)
    before = x.copy()
    cut = rnn.unpad_sequence(x, lengths, batch_first)
    assert [len(sequence) for sequence in cut] == lengths
    assert not any(np.shares_memory(sequence, x) for sequence in cut)
    np.testing.assert_array_equal(x, before)
    data, sizes, order = plain_pack(x, lengths, batch_first)
    packed = rnn.pack_sequence(cut, enforce_sorted=False)
    np.testing.assert_array_equal(packed.data, data)
    for sequence, expected in zip(rnn.unpack_sequence(packed), cut, strict=True):
        np.testing.assert_array_equal(sequence, expected)
    for side in ("right", "left"):
        result = rnn.pad_sequence(iter(cut), batch_first, -1, side)
        rows = result if batch_first else result.swapaxes(0, 1)
        for row, sequence in zip(rows, cut, strict=True):
            rest = max(lengths) - len(sequence)
            expected = [np.full((rest, *features), -1, np.float32), sequence]
            np.testing.assert_array_equal(row, np.concatenate(expected if side == "left" else expected[::-1]))
    assert type(rnn.pad_sequence([nn.Tensor(cut[0])])) is nn.Tensor


def test_sorted_batches_carry_no_permutation():
    packed = rnn.pack_padded_sequence(np.arange(6).reshape(3, 2), [3, 1])
    assert packed.sorted_indices is None and packed.unsorted_indices is None and packed.data.tolist() == [0, 1, 2, 4]
    assert packed.data.dtype == np.int64


@pytest.mark.parametrize("lengths", [np.int32([3, 1]), nn.Tensor([3, 1]), (3, 1), np.float32([3, 1])])
def test_lengths_may_be_any_whole_numbers(lengths):
    assert rnn.pack_padded_sequence(np.ones((3, 2)), lengths).batch_sizes.tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2], "sorted in decreasing order.*enforce_sorted=False"),
        ([2, 0], "greater than 0"),
        ([2, -1], "greater than 0"),
        ([2], "batch_size, but got 1"),
        ([4, 1], "must not exceed the 3 time steps"),
        ([[1, 2]], "one dimension"),
    ],
)
def test_wrong_lengths(lengths, message):
    for kind in (ValueError, RuntimeError):
        with pytest.raises(kind, match=message):
            rnn.pack_padded_sequence(np.ones((3, 2)), lengths)


def test_other_errors():
    with pytest.raises(TypeError, match="integers"):
        rnn.pack_padded_sequence(np.ones((3, 2)), [1.5, 1])
    with pytest.raises(nn.ShapeError, match="Cannot pack empty tensors"):
        rnn.pack_padded_sequence(np.ones((3, 2, 0)), [1, 1])
    with pytest.raises(nn.ShapeError, match="Cannot pack empty tensors"):
        rnn.pack_padded_sequence(np.ones((3, 0)), [])
    with pytest.raises(nn.ShapeError, match="at least 2 dimensions"):
        rnn.pack_padded_sequence(np.ones(3), [3])
    with pytest.raises(nn.ShapeError, match="empty list of sequences"):
        rnn.pad_sequence([])
    with pytest.raises(nn.ShapeError, match="sequence 1 has shape"):
        rnn.pad_sequence([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(nn.ShapeError, match="greater than 0"):
        rnn.pack_sequence([np.ones((2, 3)), np.ones((0, 3))])
    with pytest.raises(TypeError, match="iterable"):
        rnn.pad_sequence(3)
    with pytest.raises(ValueError, match="'left' or 'right'"):
        rnn.pad_sequence([np.ones(2)], padding_side="up")
    with pytest.raises(nn.ShapeError, match="must not exceed"):
        rnn.unpad_sequence(np.ones((3, 2)), [4, 1])
    with pytest.raises(nn.ShapeError, match="negative"):
        rnn.unpad_sequence(np.ones((3, 2)), [3, -1])
    packed = rnn.pack_sequence([np.ones(3), np.ones(1)])
    with pytest.raises(ValueError, match="total_length=2 and max sequence length being 3"):
        rnn.pad_packed_sequence(packed, total_length=2)
    with pytest.raises(TypeError, match="PackedSequence"):
        rnn.pad_packed_sequence(np.ones(3))


@pytest.mark.parametrize(
    "wrong",
    [
        rnn.PackedSequence(np.ones(4), [2, 1]),
        rnn.PackedSequence(np.ones(3), [1, 2]),
        rnn.PackedSequence(np.ones(2), [2, 0]),
        rnn.PackedSequence(np.ones(0), []),
        rnn.PackedSequence(np.ones(3), [2, 1], [0]),
    ],
)
def test_a_contradictory_packed_sequence_is_refused(wrong):
    with pytest.raises(nn.ShapeError, match="PackedSequence"):
        rnn.pad_packed_sequence(wrong)


def test_packed_sequence_is_a_named_tuple():
    packed = rnn.pack_sequence([np.ones(1, np.float32), np.ones(3, np.float32)], enforce_sorted=False)
    data, batch_sizes, sorted_indices, unsorted_indices = packed
    assert data is packed.data and isinstance(packed, tuple)
    again = rnn.PackedSequence((data, batch_sizes), sorted_indices=sorted_indices)
    assert again.unsorted_indices.tolist() == unsorted_indices.tolist()
    assert packed.double().data.dtype == np.float64 and packed.float() is packed and packed.cpu() is packed
    for twin in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert type(twin) is rnn.PackedSequence and twin.sorted_indices.tolist() == [1, 0]
    with pytest.raises(TypeError, match="pair"):
        rnn.PackedSequence(data)
    alone = rnn.PackedSequence(data, batch_sizes, None, unsorted_indices)
    np.testing.assert_array_equal(rnn.pad_packed_sequence(alone)[0], rnn.pad_packed_sequence(packed)[0])


def test_invert_permutation():
    assert rnn.invert_permutation(None) is None
    assert rnn.invert_permutation([2, 0, 1]).tolist() == [1, 2, 0] and rnn.invert_permutation([]).tolist() == []
    for wrong in ([0, 0], [1, 2], [-1, 0]):
        with pytest.raises(ValueError, match="permutation"):
            rnn.invert_permutation(wrong)


def test_parameter_vector():
    layer = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert type(vector) is np.ndarray
    np.testing.assert_array_equal(vector, np.concatenate([layer.weight.numpy().ravel(), layer.bias.numpy()]))
    memory = layer.weight.numpy()
    nn.utils.vector_to_parameters(np.arange(9.0), layer.parameters())
    assert layer.weight.numpy() is memory and memory[2, 1] == 5 and layer.bias.numpy()[0] == 6
    with pytest.raises(nn.ShapeError, match=r"\(8,\), the parameters need \(9,\)"):
        nn.utils.vector_to_parameters(np.ones(8), layer.parameters())
    with pytest.raises(TypeError, match="must be an array"):
        nn.utils.vector_to_parameters([1.0], layer.parameters())
    with pytest.raises(ValueError, match="at least one"):
        nn.utils.parameters_to_vector([])
