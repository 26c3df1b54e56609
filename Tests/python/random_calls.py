"""Calls every layer and function with arguments that are nearly right, and watches what must never happen.

    python Tests/python/random_calls.py COUNT [--seed SEED] [--first NUMBER] [--keep-going] [--changing SECONDS]

Each call is a row of specs.py or specs_functional.py. In a third of them only the arrays' memory changes (layout, byte order, subclass):
what comes out must keep its bits. In the others options, shapes, types and numbers become others: the call computes what the reference
does, or raises an exception that a user can read. Small arrays end or begin at a page that faults when it is touched. Afterwards the module
computes as before. A call that crashes or hangs is named with its number, which --first takes. --changing has another thread write indices,
targets and masks while they are read.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import gc
import mmap
import os
import random
import re
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np  # noqa: E402

import swiftnn as nn  # noqa: E402
from modules import module_of, same  # noqa: E402
from specs import LAYERS, Layer, flat  # noqa: E402
from specs_functional import FUNCTIONS, Function  # noqa: E402

# What a user meets for a wrong call. Anything else (AttributeError, SystemError, ZeroDivisionError, KeyError, ...) is a hole in a check.
REFUSALS = (ValueError, TypeError, IndexError, RuntimeError, OverflowError, MemoryError)
NUMBERS: list[Any] = [
    0, 1, -1, 2, 3, 7, True, None, 1.5, 0.0, -0.5, float("nan"), float("inf"), "3", "same", "", "mean", "sum", (1, 2), (), (2, 2, 2), [2],
    (0, 1), (-1,), 1 << 62, -(1 << 63), 1 << 70, np.int64(2), np.float32(2), np.array(2), np.array([1, 2]), b"2", object(), {}, slice(None),
    (1 << 62, 1), (None, 2),
]  # fmt: skip
DTYPES = [
    "float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "uint64", "bool", "complex64", "longdouble", "object",
    "S3", "U2", "M8[s]",
]  # fmt: skip


# Words of Python or NumPy from the inside of the library, which name none of the caller's arguments.
FOREIGN = re.compile(
    "has no attribute|positional argument|unexpected keyword|operands could not|cannot reshape|not callable|object is not|"
    "unsupported operand"
)


PAGE = mmap.PAGESIZE


class Rooms:
    """Memory whose pages before and behind each room fault. A room is used again after all others."""

    def __init__(self, count: int, room: int) -> None:
        self.count, self.room, self.at = count, room, 0
        self.map = mmap.mmap(-1, count * (room + PAGE) + PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        libc = ctypes.CDLL(None, use_errno=True)
        for i in range(count + 1):
            if libc.mprotect(ctypes.c_void_p(start + i * (room + PAGE)), ctypes.c_size_t(PAGE), 0):
                raise OSError(ctypes.get_errno(), "mprotect")

    def next(self) -> int:
        """Where the next room begins."""
        self.at = (self.at + 1) % self.count
        return PAGE + self.at * (self.room + PAGE)


ROOMS = [Rooms(48, 16_384), Rooms(12, 1 << 21)]


def guarded(a: np.ndarray, strides: tuple[int, ...], at_end: bool) -> np.ndarray:
    """a's numbers with these strides, its last byte the last of a room or its first the first; a itself if it has no bytes of its own."""
    if a.size == 0 or a.dtype.hasobject:
        return a
    reach = [(n - 1) * s for n, s in zip(a.shape, strides)]
    low, high = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0) + a.itemsize
    rooms = next(rooms for rooms in ROOMS if high - low <= rooms.room)
    offset = rooms.next() + (rooms.room - high if at_end else -low)
    view = np.ndarray(a.shape, a.dtype, buffer=rooms.map, offset=offset, strides=strides)
    view[...] = a
    return view


def laid_out(a: np.ndarray, draw: random.Random) -> np.ndarray:
    """The same numbers in some layout."""
    kind = draw.randrange(5)
    order = list(range(a.ndim))
    if kind == 1:
        draw.shuffle(order)
    strides = [0] * a.ndim
    stride = a.itemsize * (draw.randint(1, 3) if kind == 2 else 1)
    for axis in reversed(order):
        strides[axis] = -stride if kind >= 3 and draw.random() < 0.5 else stride
        stride *= max(a.shape[axis], 1)
    return guarded(a, tuple(strides), draw.random() < 0.75)


class Plain(np.ndarray):
    """A subclass that changes nothing."""


def same_numbers(a: np.ndarray, draw: random.Random) -> Any:
    """What NumPy's users pass in the place of an array, with the same numbers."""
    kind = draw.randrange(10)
    if kind == 0 and a.dtype.kind in "fi" and a.itemsize > 1:
        return a.astype(a.dtype.newbyteorder(">"))
    if kind == 1:
        return laid_out(a, draw).view(Plain)
    if kind == 2:
        odd = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
        odd[...] = a
        return odd
    if kind == 3:
        a = laid_out(a, draw)
        a.flags.writeable = False
        return a
    return laid_out(a, draw)


def other_shape(shape: tuple[int, ...], draw: random.Random) -> tuple[int, ...]:
    sizes = list(shape)
    kind = draw.randrange(5)
    if kind == 0:
        sizes.insert(draw.randint(0, len(sizes)), draw.randint(0, 2))
    elif sizes and kind == 1:
        del sizes[draw.randrange(len(sizes))]
    elif sizes and kind == 2:
        draw.shuffle(sizes)
    elif sizes:
        axis = draw.randrange(len(sizes))
        sizes[axis] = max(0, draw.choice([0, 1, sizes[axis] + 1, sizes[axis] - 1, 2 * sizes[axis], 33]))
    return tuple(sizes)


ODD = [np.nan, np.inf, -np.inf, -0.0, 1e-310, 1e-40, 3e38, -1e30]


def other_array(a: np.ndarray, draw: random.Random) -> Any:
    """An array of another shape, type or content, or something that is no array of numbers at all."""
    kind = draw.randrange(12)
    if kind < 4:
        shape = other_shape(a.shape, draw)
        if np.prod(shape) > 50_000:
            return a
        return laid_out(np.resize(a, shape) if a.size else np.zeros(shape, a.dtype), draw)
    if kind < 6:
        with np.errstate(all="ignore"):
            try:
                return a.astype(draw.choice(DTYPES))
            except (ValueError, TypeError):
                return a
    if kind < 9:
        a = a.copy()
        if a.size and a.dtype.kind == "f":
            with np.errstate(all="ignore"):
                a.flat[draw.randrange(a.size) :: draw.randint(1, 9)] = draw.choice(ODD)
        elif a.size and a.dtype.kind == "i":
            a.flat[draw.randrange(a.size)] = draw.choice([-1, -100, -(1 << 63), (1 << 63) - 1, 1 << 31, 0, 5, 1000])
        return laid_out(a, draw)
    if kind == 9:
        return np.ma.masked_array(a, mask=np.arange(a.size).reshape(a.shape) % 3 == 0)
    if kind == 10:
        return np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape) if a.size else a.tolist()
    odd = [None, "text", 3.5, 7, (), [], np.float32(1), np.array(None), np.array(["x", "y"]), object(), b"xyz", {}]
    return draw.choice([*odd, a.tolist(), a.astype(object)])


def each(value: Any, change: Callable[[np.ndarray], Any]) -> Any:
    if isinstance(value, np.ndarray):
        return change(value)
    return tuple(each(part, change) for part in value) if type(value) is tuple and any(isinstance(v, np.ndarray) for v in value) else value


@cache
def plain(index: int) -> tuple[Any, list[Any], dict[str, Any], list[np.ndarray] | None]:
    """A row's callable, its arguments, and what it computes; None where a function is asked only with other arguments."""
    row = ROWS[index]
    nn.manual_seed(3)
    with np.errstate(all="ignore"):
        if isinstance(row, Function):
            target = getattr(nn.functional, row.name)
            positional, keyword = row.arrays(np.float32)
        else:
            target = module_of(row)
            positional, keyword = row.arrays(np.float32, nn)
        expected = flat(target(*positional, **keyword))
    return target, positional, keyword, [np.array(a) for a in expected]


ROWS: list[Layer | Function] = [*LAYERS, *FUNCTIONS]
# Layers that write into their input or their statistics: the second call has other numbers.
IN_PLACE = {row.id for row in LAYERS if row.options.get("inplace")} | {row.id for row in FUNCTIONS if row.in_place}
MOVING = IN_PLACE | {row.id for row in LAYERS if row.training}


def tensors(value: Any, draw: random.Random, found: list[Any]) -> Any:
    def wrap(a: np.ndarray) -> Any:
        tensor = nn.Tensor(a, requires_grad=a.dtype.kind == "f" and draw.random() < 0.7)
        found.append(tensor)
        return tensor

    return each(value, wrap)


PACKAGE = Path(nn.__file__).parent


class Wrong(AssertionError):
    """What must never happen."""


def readable(error: BaseException) -> None:
    text = str(error)
    if len(text) < 12:
        raise Wrong(f"{type(error).__name__} says only {text!r}") from error
    frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    if frames[-1].name == "specs.py":
        return  # what builds the row has taken the option apart
    if not frames[-1].is_relative_to(PACKAGE) and not isinstance(error, MemoryError):
        raise Wrong(f"{type(error).__name__} from {frames[-1]}, not from swiftnn: {text}") from error
    if FOREIGN.search(text):
        raise Wrong(f"Python's or NumPy's words, not the library's: {text}") from error


def right(row: Layer, options: dict[str, Any], module: Any, args: list[Any], more: dict[str, Any], got: list[np.ndarray]) -> None:
    """Raises where the reference computes other numbers from the same arguments in float64."""
    # Not the reference's to say: what a promise about another mask means, how many values a list may have, which neighbour is nearest where
    # float32 rounds a position to the other side.
    lists = any(isinstance(value, (list, tuple)) for value in options.values())
    if row.training or row.build or row.id in MOVING or more.get("is_causal") or lists or row.name.startswith("Upsampl"):
        return
    try:
        wide = lambda a: np.array(a, np.float64 if np.asarray(a).dtype.kind in "f" else None)  # noqa: E731
        state = {name: np.array(value) for name, value in module.state_dict().items()}
        for a in flat(args) + flat(list(more.values())):
            if a.dtype.kind in "fiu" and not 1e-15 < np.abs(a[a != 0]).min(initial=1) <= np.abs(a).max(initial=1) < 1e15:
                return  # a square would not be a float32
        inputs = [each(a, wide) for a in args], {name: each(a, wide) for name, a in more.items()}
        expected = flat(replace(row, options={**row.options, **options}).expected(state, *inputs))
    except Exception:
        return  # the reference refuses nothing on purpose, and knows arrays alone
    if len(got) != len(expected):
        raise Wrong(f"{len(got)} results instead of {len(expected)}")
    for a, b in zip(got, expected):
        b = np.asarray(b)
        if a.shape != b.shape:
            raise Wrong(f"a result of shape {a.shape} instead of {b.shape}")
        if b.dtype.kind != "f" or not np.isfinite(b).all() or np.abs(b).max(initial=0) > 1e6:
            continue  # sums of such numbers depend on their order
        off = np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1)
        if not off < 1e-3:
            raise Wrong(f"off by {off:.1e} of the largest number")


def one_call(draw: random.Random, counts: Counter[str]) -> None:
    index = draw.randrange(len(ROWS))
    row = ROWS[index]
    target, positional, keyword, expected = plain(index)
    kind = draw.random()
    if kind < 0.33 or row.id in MOVING:
        change = lambda a: same_numbers(a, draw)  # noqa: E731
        args, more = [each(a, change) for a in positional], {name: each(a, change) for name, a in keyword.items()}
        if row.id in IN_PLACE:
            args = [a.copy() if isinstance(a, np.ndarray) else a for a in positional]
        got = [a.astype(a.dtype.newbyteorder("="), copy=False) for a in flat(target(*args, **more))]  # the input itself of Identity
        if row.id not in MOVING and not same(got, expected or []):
            raise Wrong(f"{row.id}: other bits with {[describe(a) for a in args]} {more}")
        counts["same numbers"] += 1
        return
    options: dict[str, Any] = {}
    change = lambda a: other_array(a, draw) if draw.random() < 0.5 else laid_out(a, draw)  # noqa: E731
    args, more = [each(a, change) for a in positional], {name: each(a, change) for name, a in keyword.items()}
    if isinstance(row, Layer) and row.options and draw.random() < 0.4:
        options = {draw.choice(list(row.options)): draw.choice(NUMBERS)}
        if any(name.endswith("_layers") and type(value) is int and value > 1000 for name, value in options.items()):
            options = {}  # they would be built, one by one
    if more and draw.random() < 0.2:
        more[draw.choice(list(more))] = draw.choice(NUMBERS)
    if isinstance(row, Function) and draw.random() < 0.3:
        at = draw.randrange(len(args))
        if not isinstance(args[at], np.ndarray):
            args[at] = draw.choice(NUMBERS)
    what = f"{row.id}, {options}, {[describe(a) for a in args]}, { {name: describe(a) for name, a in more.items()} }"
    as_tensors = draw.random() < 0.3
    try:
        if options:
            target = replace(row, options={**row.options, **options}).make(nn)
        found: list[Any] = []
        if as_tensors:
            args = [tensors(a, draw, found) for a in args]
            more = {name: tensors(a, draw, found) for name, a in more.items()}
        result = target(*args, **more)
        if as_tensors:
            outs = [r for r in (result if isinstance(result, tuple) else (result,)) if isinstance(r, nn.Tensor) and r.requires_grad]
            if outs:
                outs[0].sum().backward()
                for tensor in found:
                    if tensor.grad is not None and tensor.grad.shape != tensor.shape:
                        raise Wrong(f"a gradient of shape {tensor.grad.shape} for {tensor.shape}")
                counts["backward"] += 1
        counts["computed"] += 1
        if isinstance(row, Layer) and not as_tensors and draw.random() < 0.25:
            right(row, options, target, args, more, flat(result))
            counts["compared with the reference"] += 1
    except REFUSALS as error:
        counts["refused"] += 1
        try:
            readable(error)
        except Wrong as wrong:
            raise Wrong(f"{what}: {wrong}") from error
    except Wrong as wrong:
        raise Wrong(f"{what}: {wrong}") from None
    except Exception as error:
        raise Wrong(f"{what}: {type(error).__name__}: {error}") from error
    if not options and draw.random() < 0.1:
        module = plain(index)[0]
        if isinstance(module, nn.Module):
            module.zero_grad()
        if not same(flat(module(*positional, **keyword)), expected or []):
            raise Wrong(f"{what}: afterwards the same call has other bits")
        counts["repeated"] += 1


def describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__}{value.shape}{value.dtype}"
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))})"
    return repr(value)[:60]


def changing(seconds: float, draw: random.Random) -> int:
    """Calls while another thread writes into the arrays that index: an IndexError or numbers, never memory that is not the array's."""
    n, wide = 600, 64
    indices = guarded(np.zeros(n, np.int64), (8,), True)
    classes = np.zeros((n, wide), np.float32)
    mask = np.zeros((n, n), bool)
    embedding, crossed = nn.Embedding(50, wide), nn.CrossEntropyLoss()
    pooled, places = nn.functional.max_pool2d(np.random.default_rng(1).standard_normal((1, 8, 64, 64), np.float32), 2, return_indices=True)
    lengths, labels = np.full(4, 5), np.ones((4, 9), np.int64)
    stop = threading.Event()

    def write() -> None:
        wild = [-1, 49, 50, 63, 64, 1 << 40, -(1 << 63), 0, 3]
        while not stop.is_set():
            indices[draw.randrange(n) :: draw.randint(1, 50)] = draw.choice(wild)
            labels.flat[draw.randrange(labels.size)] = draw.choice(wild)
            lengths[draw.randrange(4)] = draw.choice([0, 5, 9, 1 << 40, -1])
            places.flat[draw.randrange(places.size)] = draw.choice(wild)
            mask[draw.randrange(n), :] = draw.random() < 0.5
            if draw.random() < 0.2:
                indices[:] = 0
                labels[:] = 1
                lengths[:] = 5
                places[:] = 7

    query = np.zeros((1, 2, n, 16), np.float32)
    logs = np.full((12, 4, 8), -2.0, np.float32)
    asked: list[Callable[[], Any]] = [
        lambda: embedding(indices), lambda: crossed(nn.Tensor(classes, requires_grad=True), indices).backward(),
        lambda: embedding(nn.Tensor(indices)).sum().backward(), lambda: nn.functional.one_hot(indices),
        lambda: nn.functional.scaled_dot_product_attention(query, query, query, mask), lambda: nn.functional.nll_loss(classes, indices),
        lambda: nn.functional.ctc_loss(nn.Tensor(logs, requires_grad=True), labels, np.full(4, 12), lengths).backward(),
        lambda: nn.functional.max_unpool2d(nn.Tensor(pooled, requires_grad=True), places, 2).sum().backward(),
    ]  # fmt: skip
    writer = threading.Thread(target=write)
    writer.start()
    count = 0
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            with contextlib.suppress(*REFUSALS):
                draw.choice(asked)()
            count += 1
    finally:
        stop.set()
        writer.join()
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description="Calls every layer and function with arguments that are nearly right.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep-going", action="store_true", help="print every kind of failure instead of the first")
    parser.add_argument("--changing", type=float, default=0.0, metavar="SECONDS")
    given = parser.parse_args()
    now = mmap.mmap(-1, 8)  # the number of the call, for who outlives a crash
    child = os.fork()
    if child == 0:
        faulthandler.enable()
        code = 1
        try:
            code = run(given, now)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        print(f"call {int.from_bytes(now[:8], 'little')} of seed {given.seed}: {signal.Signals(os.WTERMSIG(status)).name}")
    return 0 if status == 0 else 1


def run(given: argparse.Namespace, now: mmap.mmap) -> int:
    warnings.simplefilter("ignore")
    nn.set_num_threads(2)
    counts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    with np.errstate(all="ignore"):
        for i in range(given.first, given.first + given.count):
            if i % 256 == 0:
                faulthandler.dump_traceback_later(60, exit=True)
            now[:8] = i.to_bytes(8, "little")
            try:
                one_call(random.Random(given.seed * 1_000_003 + i), counts)
            except Wrong as wrong:
                text = f"call {i} of seed {given.seed}: {wrong}"
                if not given.keep_going:
                    print(text)
                    traceback.print_exc()
                    return 1
                key = row_and_words(str(wrong))
                seen[key] += 1
                if seen[key] == 1:
                    print(text[:600], flush=True)
            if i % 4096 == 0:
                gc.collect()
    faulthandler.cancel_dump_traceback_later()
    if given.changing:
        faulthandler.dump_traceback_later(given.changing + 60, exit=True)
        counts["while arrays change"] = changing(given.changing, random.Random(given.seed))
        faulthandler.cancel_dump_traceback_later()
    done = ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items()))
    print(f"{given.count:,} calls: {done}; {sum(seen.values())} wrong, of {len(seen)} kinds")
    return 1 if seen else 0


def row_and_words(text: str) -> str:
    """A failure's kind: the row's name and the message without its numbers."""
    name, _, rest = text.partition("-")
    return re.sub(r"[\d.,() \-]+", " ", rest.rpartition("}: ")[2])[:90]


if __name__ == "__main__":
    sys.exit(main())
