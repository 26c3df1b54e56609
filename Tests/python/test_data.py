"""Data sets, the DataLoader's order, batches and thread."""

from __future__ import annotations

import gc
import threading
import time
from collections import namedtuple

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, default_collate, random_split

X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10)


class Squares(Dataset):
    def __init__(self, n=10, fails_at=None, seen=None):
        self.n, self.fails_at, self.seen = n, fails_at, seen

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == self.fails_at:
            raise KeyError(f"sample {i}")
        if self.seen is not None:
            self.seen.append(i)
        return np.float32(i), i * i


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "swiftnn.data"]


def numbers(loader) -> list[list[int]]:
    return [[int(v) for v in np.asarray(batch)] for batch in loader]


prefetch = pytest.mark.parametrize("prefetch", [0, 1, 3])


@prefetch
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches(prefetch, shuffle, drop_last) -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=shuffle, drop_last=drop_last, prefetch=prefetch)
    assert len(loader) == (3 if drop_last else 4)
    for _ in range(2):
        batches = list(loader)
        assert [len(y) for _, y in batches] == ([3, 3, 3] if drop_last else [3, 3, 3, 1])
        for x, y in batches:
            np.testing.assert_array_equal(x, X[y])
            assert x.dtype == np.float32 and not np.shares_memory(x, X)
        order = [int(i) for _, y in batches for i in y]
        assert len(set(order)) == len(order) and (shuffle or order == list(range(len(order))))
    assert not threads()


@prefetch
def test_the_order_follows_from_the_seed(prefetch) -> None:
    def run(**options):
        loader = DataLoader(Y, batch_size=4, shuffle=True, prefetch=prefetch, **options)
        return [numbers(loader) for _ in range(2)]

    nn.manual_seed(1)
    first = run()
    nn.manual_seed(1)
    assert run() == first and first[0] != first[1] and run() != first
    own = run(seed=5)
    assert run(seed=5) == own == run(generator=nn.random.Generator(5)) != run(seed=6)
    before = nn.random.get_rng_state()
    run(seed=5)
    np.testing.assert_array_equal(nn.random.get_rng_state(), before)


def test_the_order_is_the_same_everywhere() -> None:
    """A change of the generator would make every recorded training run another one."""
    assert numbers(DataLoader(Y, batch_size=10, shuffle=True, seed=0)) == [[8, 7, 9, 5, 0, 3, 6, 2, 1, 4]]


def test_the_order_is_drawn_when_the_pass_begins() -> None:
    loader = DataLoader(Y, batch_size=10, shuffle=True)
    nn.manual_seed(3)
    expected = numbers(loader)
    nn.manual_seed(3)
    batches = iter(loader)
    nn.init.normal_(np.empty(3, np.float32))
    assert numbers(batches) == expected


@pytest.mark.parametrize(
    "dataset",
    [Squares(), [(np.float32(i), i * i) for i in range(10)], TensorDataset(Y.astype(np.float32), Y * Y), Subset(Squares(20), range(10))],
    ids=["class", "list", "arrays", "subset"],
)
@prefetch
def test_kinds_of_data_sets(dataset, prefetch) -> None:
    batches = list(DataLoader(dataset, batch_size=4, prefetch=prefetch))
    assert [list(squares) for _, squares in batches] == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]]
    assert all(x.dtype == np.float32 and squares.dtype == np.int64 for x, squares in batches)


def test_tensors_stay_tensors() -> None:
    x, y = next(iter(DataLoader(TensorDataset(nn.Tensor(X), Y), batch_size=4)))
    assert isinstance(x, nn.Tensor) and isinstance(y, np.ndarray)
    assert isinstance(next(iter(DataLoader(nn.Tensor(X), batch_size=4))), nn.Tensor)


def test_collate_fn_gets_the_samples() -> None:
    seen = []

    def collate(samples):
        seen.append(samples)
        return len(samples)

    assert list(DataLoader(TensorDataset(X, Y), batch_size=6, collate_fn=collate)) == [6, 4]
    assert isinstance(seen[0], list) and seen[0][1][1] == 1


def test_sampler() -> None:
    assert numbers(DataLoader(Y, batch_size=2, sampler=[5, 3, 9])) == [[5, 3], [9]]
    assert numbers(DataLoader(Y, batch_size=2, sampler=[5, 3, 9], drop_last=True)) == [[5, 3]]
    assert len(DataLoader(Y, batch_size=2, sampler=[5, 3, 9])) == 2


def test_samples_by_the_list() -> None:
    class Bulk(Squares):
        def __getitems__(self, indices):
            return [-i for i in indices]

    assert numbers(DataLoader(Bulk(), batch_size=5)) == [[0, -1, -2, -3, -4], [-5, -6, -7, -8, -9]]


@prefetch
def test_an_exception_comes_out_where_the_batch_is_asked_for(prefetch) -> None:
    loader = DataLoader(Squares(fails_at=5), batch_size=2, prefetch=prefetch)
    batches = iter(loader)
    assert [list(next(batches)[1]) for _ in range(2)] == [[0, 1], [4, 9]]
    with pytest.raises(KeyError, match="sample 5"):
        next(batches)
    assert not threads()
    assert list(batches) == []


@pytest.mark.parametrize("end", ["break", "close", "delete", "error"])
def test_the_thread_ends_with_the_iteration(end) -> None:
    loader = DataLoader(Squares(1000), batch_size=1, prefetch=2)
    batches = iter(loader)
    next(batches)
    assert threads()
    if end == "close":
        batches.close()
    elif end == "error":
        with pytest.raises(ZeroDivisionError):
            for _ in batches:
                1 / 0  # noqa: B018
    elif end == "break":
        for _ in batches:
            break
    del batches
    gc.collect()
    assert not threads()


def test_no_more_than_prefetch_batches_are_made_ahead() -> None:
    seen: list[int] = []
    batches = iter(DataLoader(Squares(100, seen=seen), batch_size=1, prefetch=3))
    next(batches)
    deadline = time.monotonic() + 5
    while len(seen) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(seen) == 4
    batches.close()


def test_num_workers_means_a_thread() -> None:
    assert DataLoader(X, num_workers=4, pin_memory=True).prefetch == 2
    assert DataLoader(X, num_workers=1, prefetch_factor=5, persistent_workers=True).prefetch == 5
    assert DataLoader(X).prefetch == 0


@prefetch
@pytest.mark.parametrize("own", [True, False])
def test_a_pass_goes_on_where_it_was_interrupted(prefetch, own) -> None:
    options = dict(batch_size=2, shuffle=True, prefetch=prefetch)
    loader = DataLoader(Y, **options, seed=4 if own else None)
    list(loader)
    batches = iter(loader)
    next(batches), next(batches)
    state, random = loader.state_dict(), nn.random.get_rng_state()
    expected = [numbers(batches), numbers(loader)]
    nn.manual_seed(123)
    other = DataLoader(Y, **options, seed=99 if own else None)
    other.load_state_dict(state)
    nn.random.set_rng_state(random)
    assert [numbers(other), numbers(other)] == expected


def test_between_passes_there_is_nothing_to_go_on_with() -> None:
    loader = DataLoader(Y, batch_size=4, shuffle=True, seed=2)
    list(loader)
    state = loader.state_dict()
    expected = numbers(loader)
    other = DataLoader(Y, batch_size=4, shuffle=True, seed=3)
    other.load_state_dict(state)
    assert numbers(other) == expected and len(expected) == 3


def test_empty() -> None:
    assert list(DataLoader(np.empty((0, 3)), batch_size=2, shuffle=True)) == []
    assert list(DataLoader(X, batch_size=11, drop_last=True, prefetch=2)) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(batch_size=0), ValueError, "batch_size should be a positive integer"),
        (dict(sampler=[1], shuffle=True), ValueError, "mutually exclusive"),
        (dict(num_workers=-1), ValueError, "non-negative"),
        (dict(prefetch=-1), ValueError, "prefetch"),
        (dict(prefetch_factor=2), ValueError, "num_workers above 0"),
        (dict(seed=1, generator=nn.random.Generator(1)), ValueError, "exclude each other"),
    ],
)
def test_options_that_are_refused(options, error, message) -> None:
    with pytest.raises(error, match=message):
        DataLoader(X, **options)


def test_a_data_set_has_a_length() -> None:
    with pytest.raises(TypeError, match="__len__"):
        DataLoader(iter([1, 2]))


def test_default_collate() -> None:
    Pair = namedtuple("Pair", "a b")
    collated = default_collate([{"x": Pair(1.5, "u"), "y": (True, b"v")}, {"x": Pair(2.5, "w"), "y": (False, b"z")}])
    assert isinstance(collated["x"], Pair) and collated["x"].a.dtype == np.float32 and collated["x"].b == ["u", "w"]
    assert isinstance(collated["y"], list) and collated["y"][0].dtype == np.bool_ and collated["y"][1] == [b"v", b"z"]
    assert isinstance(default_collate([nn.Tensor([1.0]), nn.Tensor([2.0])]), nn.Tensor)
    assert default_collate([np.int8(3), np.int8(4)]).dtype == np.int8
    with pytest.raises(nn.ShapeError, match="collate_fn"):
        default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(nn.ShapeError, match="same number of entries"):
        default_collate([(1, 2), (1,)])
    with pytest.raises(TypeError, match="collate_fn"):
        default_collate([None])


def test_tensor_dataset() -> None:
    data = TensorDataset(X, Y)
    assert len(data) == 10 and data[3][1] == 3 and list(data[3][0]) == [6, 7]
    for error in (nn.ShapeError, AssertionError):
        with pytest.raises(error, match="Size mismatch between tensors"):
            TensorDataset(X, Y[:3])


def test_concat_dataset() -> None:
    data = TensorDataset(X[:3], Y[:3]) + TensorDataset(X[3:], Y[3:])
    assert isinstance(data, ConcatDataset) and data.cumulative_sizes == [3, 10]
    assert [int(data[i][1]) for i in (0, 2, 3, 9, -1, -10)] == [0, 2, 3, 9, 9, 0]
    assert numbers(batch[1] for batch in DataLoader(data, batch_size=4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    with pytest.raises(IndexError):
        data[10]
    with pytest.raises(ValueError, match="absolute value"):
        data[-11]
    with pytest.raises(ValueError, match="empty"):
        ConcatDataset([])


def test_random_split() -> None:
    parts = random_split(range(10), [3, 3, 4])
    assert [len(part) for part in parts] == [3, 3, 4]
    assert sorted(i for part in parts for i in part) == list(range(10))
    again = [random_split(range(10), [0.5, 0.25, 0.25], nn.random.Generator(3)) for _ in range(2)]
    assert [len(part) for part in again[0]] == [6, 2, 2]
    assert [list(part) for part in again[0]] == [list(part) for part in again[1]]
    with pytest.raises(ValueError, match="Sum of input lengths"):
        random_split(range(10), [3, 3])
    with pytest.raises(ValueError, match="index 0 is not between 0 and 1"):
        random_split(range(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="index 1 is 0"):
        random_split(range(1), [0.9, 0.1])
