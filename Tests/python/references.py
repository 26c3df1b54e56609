"""Reference counts and memory of the binding: every entry of _native is called again and again, rightly and with every argument wrong in
every way there is, and nothing may be left behind.

    python references.py [CALLS]     # of each entry, rightly and wrongly; 100,000 unless said

Before and after are compared: the reference counts of all arguments and of what the binding shares (None, True, dtypes, exceptions),
Python's blocks of memory, its containers, traced memory of any kind, and the library's own blocks. Something left behind by each call of
one kind shows as at least as many as there were such calls.
"""

from __future__ import annotations

import array
import gc
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import swiftnn as nn
from Reference.cases import cases
from swiftnn import _native

ROWS = {name: [tuple(field) for field in fields] for name, fields in _native.OPS}
ARRAYS = ("IN", "OPT", "NUM", "INDEX", "OPTINDEX", "MASK")
SHARED = [
    None, True, False, (), np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool), np.ndarray, np, np.ma, TypeError,
    np.complex128, np.str_, np.object_, np.float16, ValueError, IndexError, OverflowError, MemoryError, nn.ShapeError, nn.Tensor,
    nn.Parameter, _native, _native.TensorBase,
]  # fmt: skip
IMMORTAL = 1 << 28


# What comes as an argument.


class Subclass(np.ndarray):
    pass


class HasArray:
    def __init__(self, held: np.ndarray) -> None:
        self.held = held

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.held


class HasDLPack:
    def __init__(self, held: np.ndarray) -> None:
        self.held = held

    def __dlpack__(self, **options: Any) -> Any:
        return self.held.__dlpack__()

    def __dlpack_device__(self) -> Any:
        return self.held.__dlpack_device__()


class Refuses:
    """Raises, whatever it is asked for."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("no array")

    def __index__(self) -> int:
        raise RuntimeError("no int")

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def __bool__(self) -> bool:
        raise RuntimeError("no bool")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("no items")


class NoArray:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return "text"


class Empties:
    """Empties the list that it sits in when it is asked for its number or array."""

    def __init__(self, value: Any, others: list[Any]) -> None:
        self.value, self.others, self.list = value, others, []

    def fill(self) -> list[Any]:
        self.list[:] = [*self.others, self]
        return self.list

    def __index__(self) -> int:
        self.list.clear()
        return int(self.value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self.list.clear()
        return np.asarray(self.value)


def forms(value: np.ndarray) -> Iterator[Any]:
    """The same numbers in every form that the binding reads, and forms that it refuses."""
    yield value.astype(np.float16 if value.dtype.kind == "f" else np.int32)
    yield value.astype(np.float64 if value.dtype == np.float32 else np.float32)
    yield value.astype(value.dtype.newbyteorder())
    yield np.stack([value, value], -1)[..., 0]
    yield value.view(Subclass)
    yield np.ma.array(value)
    yield np.ma.array(value, mask=True)
    yield value.tolist()
    yield HasArray(value)
    yield HasDLPack(value)
    yield array.array("f", [1.0, 2.0])
    yield nn.Tensor(value) if value.dtype.kind == "f" else value[None]
    yield nn.Parameter(value.copy()) if value.dtype.kind == "f" else value - 100
    read_only = value.copy()
    read_only.flags.writeable = False
    yield read_only
    yield value[None]
    yield value.reshape(-1)[:0]
    yield np.zeros((1,) * 20, value.dtype)
    yield np.full(value.shape, np.nan, np.float32)
    yield value.astype(complex)
    yield value.astype(object)
    yield value.astype(str)
    yield from OTHERS


OTHERS = [
    None,
    object(),
    "text",
    b"bytes",
    3,
    2.5,
    1 << 70,
    Refuses(),
    NoArray(),
    [[1.0], [2.0, 3.0]],
    [Refuses()],
    {},
    np.float32(2),
    iter(()),
]


def wrong(kind: str, value: Any) -> Iterator[Any]:
    """What may come instead of `value`, as functions: some things are made anew for each call."""
    if kind in ARRAYS:
        for form in forms(np.zeros((2, 3), np.float32) if value is None else value):
            yield partial(_same, form)
    elif kind in ("ARRAYS", "WRITES"):
        first = value[0]
        for form in forms(first):
            yield partial(_same, [form, *value[1:]])
            yield partial(_same, (*value[:-1], form))
        for other in (*OTHERS, value[1:], [*value, first], [], iter(value), [None] * len(value), value * 30):
            yield partial(_same, other)
        yield Empties(first, [nn.Parameter(a.copy()) for a in value[1:] if a is not None]).fill
    elif kind == "INTS":
        for other in (
            *OTHERS,
            -1,
            [0],
            [-1, 1],
            (1, "2"),
            [1, Refuses()],
            (0,) * 65,
            np.array([1, 2]),
            np.array(1),
            (1 << 70,),
            iter((1, 1)),
            (1 << 62, 8),
        ):
            yield partial(_same, other)
        yield Empties(1, [1, 2]).fill
        yield partial(_same, tuple(value) + (1,))
    else:
        for other in (
            *OTHERS,
            -1,
            1 << 62,
            -(1 << 62),
            np.bool_(True),
            np.int64(1),
            np.array(1),
            float("nan"),
            float("inf"),
            10**400,
            -(10**400),
        ):
            yield partial(_same, other)


def _same(value: Any) -> Any:
    return value


# The calls.


def right_arguments() -> dict[str, list[Any]]:
    """Arguments of each row of ops.def, of the smallest case there is; those of backward are made of forward's by their fields' names."""
    found: dict[str, dict[str, Any]] = {}
    for op, _, fields, _ in cases(np.float32):
        arrays = [a for v in fields.values() for a in (v if isinstance(v, (list, tuple)) else [v]) if isinstance(a, np.ndarray)]
        absent = sum(v is None for v in fields.values())
        if any(a.size == 0 for a in arrays) or (op == "random_forward" and not fields["shape"][0]):
            continue
        rank = (absent, sum(a.nbytes for a in arrays))
        if op not in found or rank < found[op]["rank"]:
            found[op] = {**fields, "rank": rank}
    for name, fields in ROWS.items():
        if name.endswith("_backward"):
            forward = name.removesuffix("_backward") + "_forward"
            given = {**found[forward], **{field: True for kind, field in ROWS[forward] if kind == "OPTOUT"}}
            results = getattr(_native, forward)(*(given[field] for kind, field in ROWS[forward] if kind != "OUT"))
            outputs = [field for kind, field in ROWS[forward] if kind in ("OUT", "OPTOUT")]
            given |= zip(outputs, results if isinstance(results, tuple) else (results,))
            found[name] = {}
            for kind, field in fields:
                if kind == "OPTOUT":
                    found[name][field] = True
                elif field.removeprefix("d") in outputs and field not in outputs:
                    found[name][field] = np.ones_like(given[field.removeprefix("d")])
                elif kind != "OUT":
                    found[name][field] = given[field] if field in given else np.shape(given[field.removesuffix("_shape")])
        elif name not in found:  # optimizers' steps
            plain = {"WRITES": lambda: [np.ones((3, 4), np.float32), np.ones(5, np.float32)], "REAL": lambda: 0.5, "INT": lambda: 1}
            plain["ARRAYS"] = plain["WRITES"]
            found[name] = {field: 2.0 if field == "p" else plain[kind]() for kind, field in fields if kind != "OUT"}
    return {name: [found[name].get(field, True) for kind, field in ROWS[name] if kind != "OUT"] for name in ROWS}


def wrong_calls(name: str, right: list[Any]) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    """(what is wrong, what makes the arguments) for each argument and each way; and too few and too many of them."""
    inputs = [(kind, field) for kind, field in ROWS[name] if kind != "OUT"]
    for i, (kind, field) in enumerate(inputs):
        for j, make in enumerate(wrong(kind, right[i])):
            yield f"{name}: {field}, form {j}", partial(_replaced, right, i, make)
    yield f"{name}: no arguments", list
    yield f"{name}: one argument more", partial(_same, [*right, None])


def _replaced(right: list[Any], i: int, make: Callable[[], Any]) -> list[Any]:
    return [*right[:i], make(), *right[i + 1 :]]


def attempt(function: Callable[..., Any], make: Callable[[], list[Any]]) -> bool:
    """Whether the call went through."""
    try:
        function(*make())
    except (TypeError, ValueError, IndexError, OverflowError, MemoryError, RuntimeError, AttributeError, BufferError, NotImplementedError):
        return False
    return True


class Layer(_native.ModuleBase):
    """What ModuleBase needs of a layer."""

    def __init__(self) -> None:
        self._forward_hooks: dict[int, Any] = {}
        self._forward_pre_hooks: dict[int, Any] = {}

    def forward(self, *args: Any, **options: Any) -> Any:
        return args

    def _call_with_hooks(self, args: Any, options: Any) -> Any:
        return args


def other_calls() -> Iterator[tuple[str, Callable[[], Any]]]:
    """The entries of _native that are no rows, rightly and wrongly."""
    x, tensor, layer, hooked, bare = np.ones((2, 3), np.float32), nn.Tensor(np.ones((2, 3))), Layer(), Layer(), Layer()
    ours = _native.linear_forward(x, x, None, None, -1, 0, 0)
    hooked._forward_hooks[0] = 1
    del bare._forward_hooks
    empty = nn.Tensor.__new__(nn.Tensor)
    n = _native.get_num_threads()
    for name in ("get_num_threads", "get_winograd", "isa", "isa_available", "memory_stats", "release_memory", "copies"):
        yield name, getattr(_native, name)
    for argument in (n, 0, 1 << 70, "text", None, Refuses()):
        yield f"set_num_threads({argument!r:.20})", partial(_native.set_num_threads, argument)
    for argument in (0, -1, 1 << 70, "text", Refuses()):
        yield f"set_thread_limit({argument!r:.20})", partial(_native.set_thread_limit, argument)
    for argument in (_native.get_winograd(), Refuses()):
        yield "set_winograd", partial(_native.set_winograd, argument)
    for argument in (x, ours, None, "text"):
        yield "allocated_by_us", partial(_native.allocated_by_us, argument)
    for arguments in (
        (),
        (1, 2, 3, 4),
        (nn.Tensor, nn.Parameter, 3, nn.ShapeError),
        (nn.Tensor, nn.Parameter, nn.tape.apply, nn.ShapeError),
    ):
        yield "_setup", partial(_native._setup, *arguments)
    for field in ("_data", "shape", "ndim", "dtype"):
        yield f"TensorBase.{field}", partial(getattr, tensor, field)
        yield f"TensorBase.{field} before __init__", partial(getattr, empty, field)
    for value in (x, None, "text"):
        yield "TensorBase._data =", partial(setattr, tensor, "_data", value)
    yield "del TensorBase._data", partial(delattr, tensor, "_data")
    yield "a Tensor", partial(nn.Tensor, x)
    yield "a Parameter", partial(nn.Parameter, x)
    yield "ModuleBase(x)", partial(layer, x)
    yield "ModuleBase(x, option)", partial(layer, x, option=1)
    yield "ModuleBase() with hooks", partial(hooked, x)
    yield "ModuleBase() with hooks and options", partial(hooked, x, option=1)
    yield "ModuleBase() before __init__", partial(bare, x)
    yield "resize of a result", partial(resized, x)


def resized(x: np.ndarray) -> None:
    """A result whose memory NumPy asks the handler to make larger and smaller."""
    result = _native.linear_forward(x, x, None, None, -1, 0, 0)
    result.resize((300, 3), refcheck=False)
    result.resize((1, 3), refcheck=False)


# What there is before and after.


def counts(objects: list[Any]) -> list[int]:
    """Of immortal objects, as None is from Python 3.12 on, 0: theirs mean nothing. Python leaves them, while the stable ABI of 3.10, which
    the binding is compiled for, still counts (PEP 683)."""
    return [0 if (n := sys.getrefcount(o)) > IMMORTAL else n for o in objects]


def everything() -> dict[str, int]:
    gc.collect()
    return {
        "blocks of Python's": sys.getallocatedblocks(), "blocks of the library": nn.memory_stats()["blocks_in_use"],
        "containers": len(gc.get_objects()), "traced blocks of 16 bytes": tracemalloc.get_traced_memory()[0] // 16,
    }  # fmt: skip


def parts(values: list[Any]) -> list[Any]:
    """The arguments and what sits in them."""
    return [*values, *(v for value in values if type(value) in (list, tuple) for v in value), *SHARED]


def left_behind(calls: list[Callable[[], Any]], rounds: int, arguments: list[Any]) -> list[str]:
    """What `rounds` times all of these calls leave: of something one for each round, each time it is repeated, unlike what caches keep."""
    watched = parts(arguments)
    for call in calls:
        call()
    found: dict[str, int] = {}
    for repetition in range(6):
        before, held = everything(), counts(watched)
        before = everything()  # with the memory of the two that are compared
        for _ in range(rounds):
            for call in calls:
                call()
        after, now = everything(), counts(watched)
        grown = {f"more {what}": after[what] - before[what] for what in before if after[what] - before[what] >= rounds}
        grown |= {f"references to {o!r:.60}": abs(b - a) for o, a, b in zip(watched, held, now) if abs(b - a) >= rounds}
        found = {what: n for what, n in grown.items() if what in found or repetition == 0}
        if not found:
            break
    return [f"{n} {what}" for what, n in found.items()]


def check(calls: dict[str, Callable[[], Any]], rounds: int, arguments: list[Any]) -> list[str]:
    """left_behind by all of them together, and where there is something twice, by each alone."""
    together = list(calls.values())
    if not left_behind(together, rounds, arguments) or not left_behind(together, rounds, arguments):
        return []
    alone = {name: left_behind([call], max(rounds, 200), arguments) for name, call in calls.items()}
    return [f"{name}, {max(rounds, 200)} calls: {', '.join(found)}" for name, found in alone.items() if found]


def main(n: int) -> int:
    """Calls each entry n times rightly and at least n times wrongly; the number of calls."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tracemalloc.start(1)
        gc.collect()
        gc.freeze()  # what is there already need not be looked at again and again
        try:
            return _main(n)
        finally:
            gc.unfreeze()
            tracemalloc.stop()


def _main(n: int) -> int:
    problems: list[str] = []
    total = refused = 0
    for name, right in right_arguments().items():
        function = getattr(_native, name)
        problems += check({name: partial(function, *right)}, n, right)
        faults = {what: partial(attempt, function, make) for what, make in wrong_calls(name, right)}
        refused += sum(not call() for call in faults.values())
        rounds = max(-(-n // len(faults)), 3)
        problems += check(faults, rounds, right)
        total += n + rounds * len(faults)
    others = {name: partial(attempt, call, list) for name, call in other_calls()}
    problems += check(others, n, [])
    total += n * len(others)
    assert not problems, f"{len(problems)} kinds of calls leave something behind:\n" + "\n".join(problems[:50])
    assert refused > 1000, f"only {refused} kinds of wrong calls were refused"
    print(
        f"references: {len(ROWS)} rows and {len(others)} other entries, {total} calls, {refused} kinds of them refused: nothing left behind"
    )
    return total


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
