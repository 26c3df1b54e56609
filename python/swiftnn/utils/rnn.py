"""Batches of sequences of different lengths, padded or packed, as the recurrent layers take them.

Packed means: the rows of all sequences without padding, ordered by time step and, within a step, from the longest sequence to the
shortest; `batch_sizes[t]` sequences have a step t.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor, apply

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from typing_extensions import Self

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _PackedSequence(NamedTuple):
    data: Any
    batch_sizes: NDArray[np.int64]
    sorted_indices: NDArray[np.int64] | None
    unsorted_indices: NDArray[np.int64] | None


class PackedSequence(_PackedSequence):
    """Sequences of different lengths without padding; the functions of this module make them.

    Args:
        data: the rows, an array or Tensor.
        batch_sizes: for each time step, how many sequences reach it.
        sorted_indices: the original position of each sequence, longest first; `None` when they were sorted.
        unsorted_indices: the inverse of sorted_indices, computed if `None`.

    **Shape**: data (Σ lengths, *); batch_sizes (longest,), not increasing; indices (batch,).

    Example:
        >>> packed = nn.utils.rnn.pack_sequence([np.array([1, 2, 3]), np.array([4, 5]), np.array([6])])
        >>> packed.data, packed.batch_sizes
        (array([1, 4, 6, 2, 5, 3]), array([3, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: ArrayLike | None = None,
        sorted_indices: ArrayLike | None = None,
        unsorted_indices: ArrayLike | None = None,
    ) -> Self:
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise TypeError("PackedSequence: without batch_sizes, data must be a pair (data, batch_sizes)")
            data, batch_sizes = data
        order = None if sorted_indices is None else _integers(sorted_indices, "sorted_indices")
        inverse = invert_permutation(order) if unsorted_indices is None else _integers(unsorted_indices, "unsorted_indices")
        return super().__new__(cls, data, _integers(batch_sizes, "batch_sizes"), order, inverse)

    def to(self, dtype: DTypeLike) -> Self:
        """The sequence with its data converted to `dtype`; itself when they are that already."""
        if dtype == "cpu" or self.data.dtype == np.dtype(dtype):
            return self
        return self._replace(data=self.data.astype(dtype))

    def cpu(self) -> Self:
        """The sequence itself: it is on the CPU already."""
        return self

    def double(self) -> Self:
        """The sequence with its data converted to float64."""
        return self.to(np.float64)

    def float(self) -> Self:
        """The sequence with its data converted to float32."""
        return self.to(np.float32)


def _integers(values: Any, argument: str) -> NDArray[np.int64]:
    array = values.data if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{argument} must be integers, got an array of dtype {array.dtype}; convert it with astype(np.int64)")
    if array.ndim != 1:
        raise ShapeError(f"{argument} must have one dimension, got shape {array.shape}")
    return np.asarray(array, dtype=np.int64)


def _as_array(value: Any) -> Any:
    """Arrays and Tensors as they are, anything else as an array."""
    return value if isinstance(value, (np.ndarray, Tensor)) else np.asarray(value)


def _checked_lengths(lengths: Any, batch: int, longest: int) -> NDArray[np.int64]:
    values = lengths.data if isinstance(lengths, Tensor) else np.asarray(lengths)
    if values.dtype.kind == "f" and (values == np.floor(values)).all():  # what the sum of a float mask gives
        values = values.astype(np.int64)
    array = _integers(values, "lengths")
    if array.shape != (batch,):
        raise ShapeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(array)} (batch_size={batch})")
    if batch and array.max() > longest:
        raise ShapeError(f"lengths must not exceed the {longest} time steps of the padded input, got {array.max()} at {array.argmax()}")
    return array


def _order(lengths: NDArray[np.int64], enforce_sorted: bool) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """(lengths from the longest to the shortest, original positions or None)."""
    if lengths.min() <= 0:
        raise ShapeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: "
            f"{lengths.min()} at position {lengths.argmin()}"
        )
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        return lengths[order], order
    if (lengths[1:] > lengths[:-1]).any():
        raise ShapeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "Pass enforce_sorted=False and the sequences are sorted, and put back into their order by pad_packed_sequence"
        )
    return lengths, None


def _steps(batch_sizes: NDArray[np.int64], batch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(time step, sequence) of each packed row."""
    step, sequence = np.nonzero(np.arange(batch) < batch_sizes[:, None])
    return step, sequence


def invert_permutation(permutation: ArrayLike | Tensor | None) -> NDArray[np.int64] | None:
    """The inverse q of a permutation p: q[p[i]] = i.

    Args:
        permutation: the positions 0 ... n-1 in some order, or `None`, which stays `None`.

    **Shape**: (n,) → (n,).

    Raises:
        ValueError: it is not a permutation.

    Example:
        >>> nn.utils.rnn.invert_permutation([2, 0, 1])
        array([1, 2, 0])
    """
    if permutation is None:
        return None
    array = _integers(permutation, "permutation")
    if array.size and (array.min() < 0 or array.max() >= array.size or np.bincount(array, minlength=array.size).max() > 1):
        raise ValueError(f"permutation must hold each of 0 ... {array.size - 1} once, got {array.tolist()}")
    inverse = np.empty_like(array)
    inverse[array] = np.arange(array.size)
    return inverse


def pack_padded_sequence(input: Any, lengths: ArrayLike | Tensor, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Packs a padded batch of sequences of different lengths.

    Args:
        input: the padded batch, of any dtype.
        lengths: the length of each sequence.
        batch_first: whether input is (B, T, *) instead of (T, B, *).
        enforce_sorted: whether the sequences must come from the longest to the shortest; otherwise they are sorted here.

    **Shape**: input (T, B, *) or (B, T, *); lengths (B,); the data of the result (Σ lengths, *).

    Raises:
        ShapeError: lengths do not fit the batch, are not positive, exceed T, or are not sorted while enforce_sorted.
        TypeError: lengths are not whole numbers.

    Example:
        >>> x = np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
        >>> packed = nn.utils.rnn.pack_padded_sequence(x, [2, 1, 3], batch_first=True, enforce_sorted=False)
        >>> packed.data, packed.batch_sizes, packed.sorted_indices
        (array([4, 1, 3, 5, 2, 6]), array([3, 2, 1]), array([2, 0, 1]))
    """
    input = _as_array(input)
    if input.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: input must have at least 2 dimensions, (T, B, *), got shape {input.shape}")
    batch_axis, time_axis = (0, 1) if batch_first else (1, 0)
    checked = _checked_lengths(lengths, input.shape[batch_axis], input.shape[time_axis])
    if 0 in input.shape:
        raise ShapeError(f"Cannot pack empty tensors: input has shape {input.shape}")
    decreasing, order = _order(checked, enforce_sorted)
    batch_sizes = (decreasing > np.arange(decreasing[0])[:, None]).sum(1)
    step, sequence = _steps(batch_sizes, len(decreasing))
    if order is not None:
        sequence = order[sequence]
    data = input[(sequence, step) if batch_first else (step, sequence)]
    return PackedSequence(data, batch_sizes, order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, NDArray[np.int64]]:
    """Pads a packed batch; the inverse of `pack_padded_sequence`.

    Args:
        sequence: the packed batch.
        batch_first: whether the result is (B, T, *) instead of (T, B, *).
        padding_value: value of the padding.
        total_length: T, at least the longest length, which it is if `None`.

    Returns:
        (padded, lengths), in the order the sequences had before packing.

    **Shape**: padded (T, B, *) or (B, T, *); lengths (B,).

    Raises:
        ValueError: total_length is less than the longest length.
        ShapeError: the fields of sequence contradict each other.

    Example:
        >>> packed = nn.utils.rnn.pack_sequence([np.array([1, 2, 3]), np.array([4])])
        >>> nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1)
        (array([[ 1,  2,  3],
               [ 4, -1, -1]]), array([3, 1]))
    """
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"pad_packed_sequence: sequence must be a PackedSequence, got {type(sequence).__name__}; see pack_padded_sequence")
    batch_sizes = sequence.batch_sizes
    longest = len(batch_sizes)
    if longest == 0 or batch_sizes.min() <= 0 or (batch_sizes[1:] > batch_sizes[:-1]).any() or batch_sizes.sum() != len(sequence.data):
        raise ShapeError(
            "batch_sizes of a PackedSequence must be positive, not increase and add up to the rows of data, "
            f"got {batch_sizes.tolist()} for {len(sequence.data)} rows"
        )
    if total_length is None:
        total_length = longest
    elif total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    batch = int(batch_sizes[0])
    lengths = (np.arange(batch)[:, None] < batch_sizes).sum(1)
    # A user's PackedSequence may come with unsorted_indices alone.
    order = invert_permutation(sequence.unsorted_indices)
    if order is not None and len(order) != batch:
        raise ShapeError(f"unsorted_indices of a PackedSequence must be a permutation of its {batch} sequences, got {len(order)} indices")
    step, row_sequence = _steps(batch_sizes, batch)
    if order is not None:
        row_sequence = order[row_sequence]
        lengths = lengths[sequence.unsorted_indices]
    shape = (batch, total_length) if batch_first else (total_length, batch)
    place = (row_sequence, step) if batch_first else (step, row_sequence)
    return apply(_scatter, (sequence.data, shape, place, padding_value)), lengths


def _scatter(data: NDArray[Any], shape: tuple[int, int], place: tuple[NDArray[np.int64], NDArray[np.int64]], value: Any) -> NDArray[Any]:
    padded = np.full(shape + data.shape[1:], value, dtype=data.dtype)
    padded[place] = data
    return padded


def pad_sequence(sequences: Iterable[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Any:
    """Pads sequences to the length of the longest and stacks them.

    Args:
        sequences: arrays (Lᵢ, *).
        batch_first: whether the result is (B, T, *) instead of (T, B, *).
        padding_value: value of the padding.
        padding_side: "right" pads the end, "left" the beginning.

    **Shape**: (T, B, *) or (B, T, *), T = max Lᵢ.

    Raises:
        ShapeError: there are no sequences, or they differ after the first dimension.
        ValueError: padding_side is unknown.

    Example:
        >>> nn.utils.rnn.pad_sequence([np.array([1, 2, 3]), np.array([4])], batch_first=True)
        array([[1, 2, 3],
               [4, 0, 0]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side must be 'left' or 'right', got {padding_side!r}")
    return apply(_pad, (_checked_sequences(sequences, "pad_sequence"), batch_first, padding_value, padding_side == "left"))


def _checked_sequences(sequences: Any, function: str) -> tuple[Any, ...]:
    if not isinstance(sequences, Iterable):
        raise TypeError(f"{function}: expected an iterable of arrays, but got {type(sequences).__name__}")
    arrays = tuple(map(_as_array, sequences))
    if not arrays:
        raise ShapeError(f"{function}: received an empty list of sequences")
    for i, array in enumerate(arrays):
        if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"{function}: sequences must have one dimension or more and agree in all but the first, "
                f"sequence {i} has shape {array.shape}, sequence 0 {arrays[0].shape}"
            )
    return arrays


def _pad(arrays: tuple[NDArray[Any], ...], batch_first: bool, value: float, left: bool) -> NDArray[Any]:
    longest = max(map(len, arrays))
    shape = (len(arrays), longest) if batch_first else (longest, len(arrays))
    padded = np.full(shape + arrays[0].shape[1:], value, dtype=np.result_type(*arrays))
    by_sequence = padded if batch_first else padded.swapaxes(0, 1)
    for row, array in zip(by_sequence, arrays, strict=True):
        start = longest - len(array) if left else 0
        row[start : start + len(array)] = array
    return padded


def unpad_sequence(padded_sequences: Any, lengths: ArrayLike | Tensor, batch_first: bool = False) -> list[Any]:
    """Cuts a padded batch into sequences of their own lengths; the batch is never changed.

    Args:
        padded_sequences: the batch.
        lengths: the length of each sequence.
        batch_first: whether the batch is (B, T, *) instead of (T, B, *).

    Returns:
        A list of B copies (Lᵢ, *).

    **Shape**: padded_sequences (T, B, *) or (B, T, *); lengths (B,).

    Raises:
        ShapeError: lengths do not fit the batch, are negative or exceed T.
        TypeError: lengths are not whole numbers.

    Example:
        >>> nn.utils.rnn.unpad_sequence(np.array([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
        [array([1, 2, 3]), array([4])]
    """
    padded = _as_array(padded_sequences)
    if padded.ndim < 2:
        raise ShapeError(f"unpad_sequence: padded_sequences must have at least 2 dimensions, (T, B, *), got shape {padded.shape}")
    by_sequence = padded if batch_first else padded.swapaxes(0, 1)
    checked = _checked_lengths(lengths, by_sequence.shape[0], by_sequence.shape[1])
    if (checked < 0).any():
        raise ShapeError(f"lengths must not be negative, got {checked.min()} at position {checked.argmin()}")
    return [apply(_head, (by_sequence, i, length)) for i, length in enumerate(checked.tolist())]


def _head(padded: NDArray[Any], i: int, length: int) -> NDArray[Any]:
    return padded[i, :length].copy()


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Packs a list of sequences.

    Args:
        sequences: arrays (Lᵢ, *).
        enforce_sorted: whether they must come from the longest to the shortest; otherwise they are sorted here.

    **Shape**: the data of the result (Σ Lᵢ, *).

    Raises:
        ShapeError: there are no sequences, one is empty, they differ after the first dimension, or are not sorted.

    Example:
        >>> nn.utils.rnn.pack_sequence([np.array([6]), np.array([1, 2, 3])], enforce_sorted=False).data
        array([1, 6, 2, 3])
    """
    arrays = _checked_sequences(sequences, "pack_sequence")
    lengths = np.array([len(array) for array in arrays])
    decreasing, order = _order(lengths, enforce_sorted)
    batch_sizes = (decreasing > np.arange(decreasing[0])[:, None]).sum(1)
    step, sequence = _steps(batch_sizes, len(arrays))
    starts = np.cumsum(lengths) - lengths
    rows = (starts if order is None else starts[order])[sequence] + step
    return PackedSequence(apply(_gather, (arrays, rows)), batch_sizes, order)


def _gather(arrays: tuple[NDArray[Any], ...], rows: NDArray[np.int64]) -> NDArray[Any]:
    joined: NDArray[Any] = np.concatenate(arrays)[rows]
    return joined


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """Turns a packed batch back into a list of sequences; the inverse of `pack_sequence`.

    Args:
        packed_sequences: the packed batch.

    Returns:
        A list of arrays (Lᵢ, *) in the order they had before packing.

    Example:
        >>> nn.utils.rnn.unpack_sequence(nn.utils.rnn.pack_sequence([np.array([1, 2]), np.array([3])]))
        [array([1, 2]), array([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
