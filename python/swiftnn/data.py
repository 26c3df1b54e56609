"""Data sets and the DataLoader, which hands their samples out in batches.

A data set is anything with `__len__` and `__getitem__`: an ndarray, a list, a TensorDataset, a class of one's own.
"""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._native import random_forward
from .errors import AttentionShapeError, ShapeError
from .random import Generator, default_generator
from .tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ConcatDataset", "DataLoader", "Dataset", "Subset", "TensorDataset", "default_collate", "random_split"]

_FLOAT64, _UNIFORM = 1, 0


class Dataset:
    """Base class of data sets: a subclass defines `__getitem__` and `__len__`.

    Example:
        >>> class Squares(nn.data.Dataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, i):
        ...         return i, i * i
        >>> numbers, squares = next(iter(nn.data.DataLoader(Squares(), batch_size=4)))
        >>> squares
        array([0, 1, 4, 9])
    """

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} is missing the required '__getitem__' function")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} is missing the required '__len__' function")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Arrays whose first dimensions belong together: sample i is the tuple of their i-th entries.

    Args:
        tensors: arrays or Tensors (N, *).

    Raises:
        ShapeError: the first dimensions differ.

    Example:
        >>> data = nn.data.TensorDataset(np.arange(6).reshape(3, 2), np.array([7, 8, 9]))
        >>> x, y = data[1]
        >>> x, int(y)
        (array([2, 3]), 8)
    """

    tensors: tuple[Any, ...]

    def __init__(self, *tensors: Any) -> None:
        arrays = tuple(tensor if isinstance(tensor, (np.ndarray, Tensor)) else np.asarray(tensor) for tensor in tensors)
        if any(array.ndim == 0 or array.shape[0] != arrays[0].shape[0] for array in arrays):
            raise AttentionShapeError(
                f"Size mismatch between tensors: first dimensions must agree, got shapes {', '.join(str(array.shape) for array in arrays)}"
            )
        self.tensors = arrays

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0]) if self.tensors else 0

    def _batch(self, indices: NDArray[np.int64]) -> list[Any]:
        return [_rows(tensor, indices) for tensor in self.tensors]


class Subset(Dataset):
    """The samples of a data set at given indices.

    Args:
        dataset: the data set.
        indices: which samples, in which order.

    Example:
        >>> nn.data.Subset(["a", "b", "c"], [2, 0])[0]
        'c'
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def _batch(self, indices: NDArray[np.int64]) -> Any:
        return _fetch(self.dataset, np.asarray(self.indices, dtype=np.int64)[indices])


class ConcatDataset(Dataset):
    """Data sets one after the other.

    Args:
        datasets: the data sets, at least one.

    Raises:
        ValueError: there is none.

    Example:
        >>> data = nn.data.ConcatDataset([[1, 2, 3], [4, 5]])
        >>> len(data), data[3], data[-1]
        (5, 4, 5)
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("datasets should not be an empty iterable")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        place = index
        if place < 0:
            if -place > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            place += len(self)
        if place >= len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} samples")
        which = bisect_right(self.cumulative_sizes, place)
        return self.datasets[which][place - (self.cumulative_sizes[which - 1] if which else 0)]


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Splits a data set at random into parts that do not overlap.

    Args:
        dataset: the data set.
        lengths: sizes of the parts that add up to len(dataset), or fractions that add up to 1.
        generator: where the random numbers come from; `None`: the generator of `nn.manual_seed`.

    Raises:
        ValueError: lengths do not add up, or a fraction is not in [0, 1].

    Example:
        >>> train, test = nn.data.random_split(range(10), [0.8, 0.2])
        >>> len(train), len(test), sorted([*train.indices, *test.indices]) == list(range(10))
        (8, 2, True)
    """
    total = len(dataset)
    sizes: list[int]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, part in enumerate(lengths):
            if not 0 <= part <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        sizes = [math.floor(total * part) for part in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2)
    else:
        sizes = [operator.index(size) for size in lengths]  # type: ignore[arg-type]
    if sum(sizes) != total:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! They add up to {sum(sizes)}, it has {total} samples"
        )
    order = _permutation(total, generator or default_generator).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes)]


def default_collate(batch: Sequence[Any]) -> Any:
    """Puts samples together: arrays are stacked, numbers become an array, and dicts, tuples and lists are treated entry by entry.

    Args:
        batch: the samples. Python floats become float32, tuples come out as lists, strings stay a list.

    Raises:
        ShapeError: arrays that have to be stacked have different shapes.
        TypeError: samples are of a kind that cannot be put together.

    Example:
        >>> nn.data.default_collate([(np.zeros(2), 1), (np.ones(2), 2)])
        [array([[0., 0.],
               [1., 1.]]), array([1, 2])]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return Tensor(_stack([sample.data for sample in batch]))
    if isinstance(first, (np.ndarray, np.generic)):
        return _stack(batch)
    if isinstance(first, bool):
        return np.array(batch, np.bool_)
    if isinstance(first, int):
        return np.array(batch, np.int64)
    if isinstance(first, float):
        return np.array(batch, np.float32)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        if any(len(sample) != len(first) for sample in batch):
            raise ShapeError("samples must have the same number of entries; pass a collate_fn that brings them to one length")
        entries = [default_collate(entry) for entry in zip(*batch)]
        return type(first)(*entries) if hasattr(first, "_fields") else entries
    raise TypeError(
        f"cannot put samples of type {type(first).__name__} together: they must be arrays, numbers, dicts or lists; pass a collate_fn"
    )


def _stack(arrays: Sequence[Any]) -> NDArray[Any]:
    shape = np.shape(arrays[0])
    for i, array in enumerate(arrays):
        if np.shape(array) != shape:
            raise ShapeError(
                f"samples must have the same shape to be stacked, sample {i} of the batch has {np.shape(array)}, sample 0 {shape}; "
                "pass a collate_fn that pads them"
            )
    return np.stack(arrays)


def _rows(array: Any, indices: NDArray[np.int64]) -> Any:
    rows = np.take(array.data if isinstance(array, Tensor) else array, indices, axis=0)
    return Tensor(rows) if isinstance(array, Tensor) else rows


def _fetch(dataset: Any, indices: NDArray[np.int64]) -> Any:
    """The batch of the samples at `indices`, of arrays without a detour by single samples."""
    if isinstance(dataset, (np.ndarray, Tensor)):
        return _rows(dataset, indices)
    if isinstance(dataset, (TensorDataset, Subset)) and type(dataset).__getitem__ in (TensorDataset.__getitem__, Subset.__getitem__):
        return dataset._batch(indices)
    return default_collate(_samples(dataset, indices))


def _samples(dataset: Any, indices: NDArray[np.int64]) -> list[Any]:
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(indices.tolist()))
    return [dataset[i] for i in indices.tolist()]


def _permutation(n: int, generator: Generator) -> NDArray[np.int64]:
    seed, offset = generator.reserve(n)
    keys: NDArray[np.float64] = random_forward((n,), _FLOAT64, _UNIFORM, 0.0, 1.0, seed, offset)
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: an array, a TensorDataset, or anything with `__len__` and `__getitem__`.
        batch_size: samples in a batch; the last one may be smaller.
        shuffle: a new random order each time; otherwise samples come as they stand.
        sampler: an iterable of indices that says which samples come in which order instead.
        num_workers: as in PyTorch; here any number above 0 means one background thread, as prefetch=2.
        collate_fn: makes a batch of a list of samples; `None`: `default_collate`.
        pin_memory: accepted for compatibility.
        drop_last: leaves out a last batch that is smaller than the others.
        generator: where the random order comes from; `None`: the generator of `nn.manual_seed`.
        seed: a generator of its own that starts from this seed.
        prefetch: how many batches a background thread keeps ready; 0: no thread, each batch is made when it is asked for.
        prefetch_factor: PyTorch's name for prefetch, where num_workers is above 0.
        persistent_workers: accepted for compatibility.

    Raises:
        ValueError: batch_size or prefetch is out of its range, or options exclude each other.
        TypeError: dataset has no length or no entries.

    Example:
        >>> x, y = np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(5)
        >>> for inputs, targets in nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=2):
        ...     print(inputs.shape, targets)
        (2, 2) [0 1]
        (2, 2) [2 3]
        (1, 2) [4]
        >>> loader = nn.data.DataLoader(x, batch_size=2, shuffle=True, seed=1, prefetch=2)
        >>> sum(len(batch) for batch in loader), len(loader)
        (5, 3)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        *,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        generator: Generator | None = None,
        seed: int | None = None,
        prefetch: int | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(f"dataset must have __len__ and __getitem__, got {type(dataset).__name__}; collect its samples in a list first")
        if isinstance(batch_size, bool) or operator.index(batch_size) <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable the background thread")
        if generator is not None and seed is not None:
            raise ValueError("generator and seed exclude each other: pass one of them")
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError(f"prefetch_factor needs num_workers above 0 and has to be positive, got {prefetch_factor}; or pass prefetch")
        if prefetch is None:
            prefetch = (prefetch_factor or 2) if num_workers else 0
        if prefetch < 0:
            raise ValueError(f"prefetch should be 0 or a positive number of batches, but got {prefetch}")
        self.dataset = dataset
        self.batch_size = operator.index(batch_size)
        self.shuffle = bool(shuffle)
        self.sampler = sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.generator = Generator(seed) if seed is not None else generator
        self.prefetch = prefetch
        # What the order of the pass that began last was drawn from, and how many of its batches have been handed out while it lasts.
        self._started: NDArray[np.int64] = (self.generator or default_generator).get_state()
        self._position: int | None = None
        self._resume = False

    def __len__(self) -> int:
        """The number of batches."""
        samples = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        generator = self.generator or default_generator
        if self._resume:
            # The order of the pass that was interrupted; the generator has gone on since.
            generator = Generator(0).set_state(self._started)
            self._resume = False
        else:
            self._position = 0
        skip = self._position or 0
        self._started = generator.get_state()
        groups = itertools.islice(self._groups(generator), skip, None)
        batches = map(self._make, groups)
        return self._counted(_in_background(batches, self.prefetch) if self.prefetch else batches)

    def _groups(self, generator: Generator) -> Iterator[NDArray[np.int64]]:
        """The indices of each batch; the order is drawn at once, not when the first batch is asked for."""
        if self.sampler is not None:
            return self._sampled(iter(self.sampler))
        n = len(self.dataset)
        order = _permutation(n, generator) if self.shuffle else np.arange(n)
        end = n - n % self.batch_size if self.drop_last else n
        return (order[i : min(i + self.batch_size, end)] for i in range(0, end, self.batch_size))

    def _sampled(self, indices: Iterator[int]) -> Iterator[NDArray[np.int64]]:
        while group := list(itertools.islice(indices, self.batch_size)):
            if len(group) < self.batch_size and self.drop_last:
                return
            yield np.array(group, dtype=np.int64)

    def _make(self, indices: NDArray[np.int64]) -> Any:
        if self.collate_fn is None:
            return _fetch(self.dataset, indices)
        return self.collate_fn(_samples(self.dataset, indices))

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        try:
            for batch in batches:
                self._position = (self._position or 0) + 1
                yield batch
            self._position = None
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def state_dict(self) -> dict[str, Any]:
        """Where the pass that began last stands: what its order was drawn from, and how many batches it has handed out, None at its end.

        Example:
            >>> loader = nn.data.DataLoader(np.arange(4), shuffle=True, seed=3)
            >>> batches = iter(loader)
            >>> first, state = next(batches), loader.state_dict()
            >>> other = nn.data.DataLoader(np.arange(4), shuffle=True)
            >>> other.load_state_dict(state)
            >>> [int(b[0]) for b in batches] == [int(b[0]) for b in other]
            True
        """
        state: dict[str, Any] = {"started": self._started.copy(), "position": self._position}
        if self.generator is not None:
            state["generator"] = self.generator.get_state()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The next pass goes on where `state_dict` was taken, and later passes are as they would have been.

        A sampler starts again: its first indices are taken and not used. Without a generator of its own the loader leaves that of
        `nn.manual_seed` as it is.
        """
        self._started, self._position = np.array(state_dict["started"], np.int64), state_dict["position"]
        self._resume = self._position is not None
        if self.generator is not None and "generator" in state_dict:
            self.generator.set_state(state_dict["generator"])


_END = object()


def _in_background(batches: Iterator[Any], ahead: int) -> Iterator[Any]:
    """`batches`, of which a thread makes up to `ahead` before they are asked for; the thread ends with the iteration, however that ends."""
    import queue
    import threading

    ready: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    free = threading.Semaphore(ahead)
    stopped = threading.Event()
    # The thread must not keep the iteration alive that ends it: it knows these objects alone.
    thread = threading.Thread(target=_produce, args=(batches, ready, free, stopped), name="swiftnn.data", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is _END:
                return
            free.release()
            yield batch
    finally:
        stopped.set()
        free.release()
        thread.join()


def _produce(batches: Iterator[Any], ready: Any, free: Any, stopped: Any) -> None:
    try:
        while True:
            free.acquire()
            if stopped.is_set():
                return
            batch = next(batches, _END)
            ready.put((batch, None))
            if batch is _END:
                return
    except BaseException as error:
        ready.put((None, error))
