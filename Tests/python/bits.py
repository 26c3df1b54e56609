"""The bits of every layer, function and training step: hashes in bits.txt, which hold on every CPU with fused multiply-add.

    python Tests/python/bits.py             compares every configuration in every variant with bits.txt, on the level of $SWIFTNN_ISA
    python Tests/python/bits.py --plain     in no variant
    python Tests/python/bits.py --update    writes bits.txt: on purpose only, see CONTRIBUTING.md

A variant must not change a bit: 1 to 8 threads, batches cut in pieces, any memory layout, a pickled module, Tensors instead of arrays, a
stream of steps instead of the sequence; nor must NumPy without the instructions that it picks at run time. Inputs and weights come from
stream.py, integers and powers of two, which no machine rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import swiftnn as nn  # noqa: E402
from large import LARGE  # noqa: E402
from layouts import LAYOUTS  # noqa: E402
from modules import module_of, shapes_of  # noqa: E402
from specs import LAYERS, Layer, flat  # noqa: E402
from specs_functional import FUNCTIONS  # noqa: E402
from stream import Stream  # noqa: E402
from swiftnn import _native  # noqa: E402

TABLE = HERE / "bits.txt"
COLUMNS = ("forward, float32", "forward, float64", "training, float32")
THREADS = range(1, 9)
HEAD = "# Written by bits.py --update, which CONTRIBUTING.md says when to run. Configuration, then hashes of: " + "; ".join(COLUMNS)

Change = Callable[[np.ndarray], np.ndarray]
Results = list[np.ndarray]


@dataclass(frozen=True)
class Configuration:
    id: str
    make: Callable[[type], Any]  # a fresh module, or a function, in a float type
    arrays: Callable[[type], tuple[list[Any], dict[str, Any]]]
    row: Layer | None = None  # of a module: its batch dimension and inputs may be varied
    batch: int | None = None  # the batch dimension, None where a batch cannot be cut


def _large_module(name: str, dtype: type) -> Any:
    """Weights as stream.py gives them, small enough not to saturate gates."""
    module = LARGE[name][0]()
    module = module.double() if dtype is np.float64 else module
    state = {key: Stream(f"{name}.{key}").random(shape).astype(np.float32) / 8 for key, shape in shapes_of(module).items()}
    module.load_state_dict({key: value if "var" in key or value.ndim == 0 else value - np.float32(0.0625) for key, value in state.items()})
    return module


def _large_batch(name: str) -> int | None:
    if name.split(",")[0] in {"BatchNorm2d", "Dropout", "Mish"} or ", one" in name or name == "Softmax, first":
        return None
    return 1 if name.split(",")[0] in {"LSTM", "GRU", "RNN", "TransformerEncoderLayer"} else 0


def configurations() -> Iterator[Configuration]:
    for row in LAYERS:
        batch = row.batch if all(isinstance(a, np.ndarray) for a in row.arrays(np.float32, nn)[0]) else None
        make = lambda dtype, row=row: module_of(row, dtype)  # noqa: E731
        yield Configuration(row.id, make, lambda dtype, row=row: row.arrays(dtype, nn), row, batch)
    for name, (_, shape) in LARGE.items():
        make = lambda dtype, name=name: _large_module(name, dtype)  # noqa: E731
        given = lambda dtype, name=name, shape=shape: ([Stream(name).values(shape).astype(dtype)], {})  # noqa: E731
        yield Configuration(f"large {name}", make, given, Layer(name, {}, (shape,)), _large_batch(name))
    for function in FUNCTIONS:
        call = lambda dtype, f=function: getattr(nn.functional, f.name)  # noqa: E731
        yield Configuration(f"functional.{function.id}", call, lambda dtype, f=function: f.arrays(dtype))


def digest(arrays: Results) -> str:
    """Of types, shapes and bits. IEEE leaves a NaN's sign and digits open, and machines choose differently: every NaN counts as one."""
    total = hashlib.sha256()
    for array in arrays:
        little = np.array(array, array.dtype.newbyteorder("<"), order="C")
        if little.dtype.kind == "f":
            little[np.isnan(little)] = np.nan
        total.update(f"{little.dtype.str}{little.shape}".encode())
        total.update(little.tobytes())
    return total.hexdigest()[:16]


def unchanged(array: np.ndarray) -> np.ndarray:
    return array


def changed(value: Any, change: Change) -> Any:
    if isinstance(value, np.ndarray):
        return change(value)
    return tuple(changed(v, change) for v in value) if type(value) is tuple else value


def forward(c: Configuration, dtype: type, change: Change = unchanged, through: Callable[[Any], Any] = lambda module: module) -> Results:
    positional, keyword = c.arrays(dtype)
    module = through(c.make(dtype))
    nn.manual_seed(6)
    with np.errstate(all="ignore"):
        return flat(module(*(changed(a, change) for a in positional), **{name: changed(a, change) for name, a in keyword.items()}))


def _tensors(value: Any, found: list[nn.Tensor], change: Change) -> Any:
    """value with Tensors for its arrays; those of finite numbers require gradients and are put into found."""
    if isinstance(value, np.ndarray):
        real = value.dtype.kind == "f" and value.size > 0 and bool(np.isfinite(value).all())
        tensor = nn.Tensor(change(value), requires_grad=real)
        if real:
            found.append(tensor)
        return tensor
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return value._replace(data=_tensors(value.data, found, change))
    return tuple(_tensors(v, found, change) for v in value) if type(value) is tuple else value


def _float_results(result: Any) -> list[nn.Tensor]:
    if isinstance(result, nn.utils.rnn.PackedSequence):
        return _float_results(result.data)
    if isinstance(result, (list, tuple)):
        return [leaf for part in result for leaf in _float_results(part)]
    return [result] if isinstance(result, nn.Tensor) and result.dtype.kind == "f" else []


@dataclass
class Step:
    """What a step in training mode computed; gradients of the inputs, then of the parameters, None where nothing depends on them."""

    module: Any  # None for a function
    parameters: list[nn.Tensor]
    results: list[nn.Tensor]
    gradients: list[Any]


def step(c: Configuration, dtype: type, change: Change = unchanged, through: Callable[[Any], Any] = lambda module: module) -> Step:
    """Results and gradients of them, weighted by random numbers; both empty where no result depends on anything."""
    positional, keyword = c.arrays(dtype)
    target = c.make(dtype)
    module = through(target.train()) if isinstance(target, nn.Module) else None
    found: list[nn.Tensor] = []
    args = [_tensors(a, found, change) for a in positional]
    options = {name: _tensors(a, found, change) for name, a in keyword.items()}
    if module is None and c.id.split("-")[0] in {"functional.batch_norm", "functional.instance_norm"}:  # running statistics are constants
        args[1:3] = [a.requires_grad_(False) if isinstance(a, nn.Tensor) else a for a in args[1:3]]
        found = [t for t in found if t.requires_grad]
    if getattr(module, "inplace", False) or getattr(target, "__name__", "").endswith("_"):  # a leaf cannot change in place
        args = [a * 1 for a in args]
    parameters = [p for p in module.parameters() if p.requires_grad and p.size] if module is not None else []
    nn.manual_seed(6)
    with np.errstate(all="ignore"):
        results = _float_results((module or target)(*args, **options))
        followed = [(r, Stream(f"{c.id} dy {i}").values(r.shape).astype(dtype)) for i, r in enumerate(results) if r.requires_grad]
        if not followed:
            return Step(module, parameters, [], [])
        gradients = nn.grad([r for r, _ in followed], found + parameters, [dy for _, dy in followed], allow_unused=True)
    return Step(module, parameters, results, list(gradients))


def training(c: Configuration, change: Change = unchanged, through: Callable[[Any], Any] = lambda module: module) -> Results:
    """A step in training mode: results, gradients of inputs and parameters, then parameters after AdamW, and buffers."""
    done = step(c, np.float32, change, through)
    if not done.results:
        return []
    if done.parameters:
        for parameter, gradient in zip(done.parameters, done.gradients[-len(done.parameters) :], strict=True):
            parameter.grad = gradient
        nn.optim.AdamW(done.parameters, lr=2.0**-6).step()
    buffers = [] if done.module is None else [b for _, b in done.module.named_buffers() if b is not None]
    left = [r.numpy() for r in done.results] + [np.zeros(0) if g is None else np.asarray(g) for g in done.gradients]
    return [np.asarray(a) for a in (*left, *(p.numpy() for p in done.parameters), *buffers)]


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 33), nn.GELU(), nn.LayerNorm(33), nn.Dropout(0.25), nn.Linear(33, 7))


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3, padding=1), nn.SiLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 7),
    )  # fmt: skip


class _Last(nn.Module):
    """A recurrent layer, and a linear one of its last output."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(18, 7)

    def forward(self, x: Any) -> Any:
        y, _ = self.layer(x)
        return self.head(y[:, -1])


def _lstm() -> nn.Module:
    return _Last(nn.LSTM(10, 18, 2, batch_first=True, dropout=0.25))


def _gru() -> nn.Module:
    return _Last(nn.GRU(10, 9, bidirectional=True, batch_first=True))


def _transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(24, 3, 40, dropout=0.125, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(24 * 6, 7))


# Five steps of a classifier from its own initial weights
RUNS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Callable[[Any], Any]]] = {
    "MLP, SGD": (_mlp, (13, 20), lambda p: nn.optim.SGD(p, lr=0.125, momentum=0.875, nesterov=True)),
    "MLP, Adagrad": (_mlp, (13, 20), lambda p: nn.optim.Adagrad(p, lr=0.125)),
    "CNN, Adam": (_cnn, (6, 3, 12, 14), lambda p: nn.optim.Adam(p, lr=2.0**-6)),
    "CNN, AMSGrad": (_cnn, (6, 3, 12, 14), lambda p: nn.optim.Adam(p, lr=2.0**-6, amsgrad=True)),
    "LSTM, RMSprop": (_lstm, (9, 7, 10), lambda p: nn.optim.RMSprop(p, lr=2.0**-8, centered=True, momentum=0.5)),
    "GRU, AdamW": (_gru, (9, 7, 10), lambda p: nn.optim.AdamW(p, lr=2.0**-7)),
    "Transformer, AdamW": (_transformer, (5, 6, 24), lambda p: nn.optim.AdamW(p, lr=2.0**-7)),
}


def training_run(name: str) -> Results:
    make, shape, optimizer_of = RUNS[name]
    nn.manual_seed(7)
    module = make()
    optimizer = optimizer_of(module.parameters())
    source = Stream(name)
    x, target = source.values(shape).astype(np.float32), source.integers(0, 7, shape[:1])
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(nn.Tensor(x)), target)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.numpy())
    return [*losses, *(np.asarray(value) for value in module.state_dict().values())]


def _pickled(module: Any) -> Any:
    return pickle.loads(pickle.dumps(module))


def _in_batches(c: Configuration, dtype: type, size: int) -> Results:
    """The results of pieces of the batch, joined; () where an input has no batch."""
    axis, (positional, keyword) = c.batch, c.arrays(dtype)
    assert axis is not None
    n = positional[0].shape[axis]
    module, parts = c.make(dtype), []
    for i in range(0, n, size):

        def piece(array: np.ndarray, i: int = i) -> np.ndarray:
            fits = array.ndim > axis and array.shape[axis] == n
            return array[(slice(None),) * axis + (slice(i, i + size),)] if fits else array

        nn.manual_seed(6)
        with np.errstate(all="ignore"):
            keywords = {name: changed(a, piece) for name, a in keyword.items()}
            parts.append(flat(module(*(changed(a, piece) for a in positional), **keywords)))
    return [np.concatenate(pieces, axis) for pieces in zip(*parts, strict=True)]


def _streamed(c: Configuration, dtype: type, cuts: list[int]) -> Results:
    """Output and last states of a recurrent layer that is given its sequence in pieces."""
    module, (positional, _) = c.make(dtype), c.arrays(dtype)
    x, state = positional[0], positional[1] if len(positional) > 1 else None
    outputs = []
    for a, b in pairwise(cuts):
        y, state = module(x[a:b], state)
        outputs.append(y)
    return flat((np.concatenate(outputs), state))


def _is_stream(c: Configuration) -> bool:
    if c.row is None or c.row.name.split(",")[0] not in {"RNN", "LSTM", "GRU"}:
        return False
    module, x = c.make(np.float32), c.arrays(np.float32)[0][0]
    return isinstance(x, np.ndarray) and not module.bidirectional and not module.batch_first and len(x) > 1


def _limited(n: int, compute: Callable[[], Results]) -> Results:
    with nn.threads(n):
        return compute()


def variants(c: Configuration) -> Iterator[tuple[str, int, Callable[[], Results]]]:
    """(what is varied, column, results): all of one column must have one hash."""
    types = ((0, np.float32), (1, np.float64))
    for n in THREADS:
        for column, dtype in types:
            yield f"{n} threads", column, lambda n=n, dtype=dtype: _limited(n, lambda: forward(c, dtype))
        yield f"{n} threads", 2, lambda n=n: _limited(n, lambda: training(c))
    module = c.make(np.float32)
    if not isinstance(module, nn.Module):
        return
    if not getattr(module, "inplace", False):  # writes into its input, which has to be writeable
        for layout, change in LAYOUTS.items():
            for column, dtype in types:
                yield layout, column, lambda dtype=dtype, change=change: [_native_order(a) for a in forward(c, dtype, change)]
            yield layout, 2, lambda change=change: training(c, lambda a: _native_order(change(a)))
    for column, dtype in types:
        yield "pickled", column, lambda dtype=dtype: forward(c, dtype, through=_pickled)
        yield "Tensors", column, lambda dtype=dtype: forward(c, dtype, lambda a: nn.Tensor(a) if a.dtype.kind == "f" else a)
    yield "pickled", 2, lambda: training(c, through=_pickled)
    for column, dtype in types:
        if c.batch is not None:
            n = c.arrays(dtype)[0][0].shape[c.batch]
            for size in sorted({1, 2, 3, n - 1} - {0}):
                if n and size < n:
                    yield f"batches of {size}", column, lambda dtype=dtype, size=size: _in_batches(c, dtype, size)
        if _is_stream(c):
            length = len(c.arrays(dtype)[0][0])
            for desc, cuts in (("steps", list(range(length + 1))), ("two pieces", [0, length // 2, length])):
                yield desc, column, lambda dtype=dtype, cuts=cuts: _streamed(c, dtype, cuts)


def _native_order(array: np.ndarray) -> np.ndarray:
    """Layers that only rearrange keep a foreign byte order; a Tensor is made in the machine's."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def plain(c: Configuration) -> tuple[str, ...]:
    """The row of the table."""
    learned = training(c)
    return digest(forward(c, np.float32)), digest(forward(c, np.float64)), digest(learned) if learned else "-"


def compute_table() -> dict[str, tuple[str, ...]]:
    table = {c.id: plain(c) for c in configurations()}
    table.update({f"run {name}": ("-", "-", digest(training_run(name))) for name in RUNS})
    return table


@cache
def _lines(path: Path) -> tuple[str, ...]:
    return tuple(line for line in path.read_text().splitlines() if not line.startswith("#"))


def read_table() -> dict[str, tuple[str, ...]]:
    return {name: tuple(hashes.split(" ")) for name, hashes in (line.split("\t") for line in _lines(TABLE))}


def write_table(table: dict[str, tuple[str, ...]]) -> None:
    TABLE.write_text("\n".join([HEAD, *(f"{name}\t{' '.join(hashes)}" for name, hashes in table.items()), ""]))


def check_every_variant() -> int:
    table, compared, wrong = read_table(), 0, []
    for c in configurations():
        for desc, column, compute in variants(c):
            if table[c.id][column] == "-":
                continue
            compared += 1
            if digest(compute()) != table[c.id][column]:
                wrong.append(f"{c.id}: {COLUMNS[column]}: {desc}")
    for name in RUNS:
        for n in THREADS:
            compared += 1
            if digest(_limited(n, lambda name=name: training_run(name))) != table[f"run {name}"][2]:
                wrong.append(f"run {name}: {n} threads")
    print("\n".join(wrong[:50]))
    print(f"{_native.isa()}: {len(table)} configurations, {compared} results compared, {len(wrong)} with other bits")
    return len(wrong)


def check_plain() -> int:
    table, computed = read_table(), compute_table()
    wrong = [name for name in computed if computed[name] != table[name]]
    print("\n".join(wrong[:50]))
    print(f"{_native.isa()}: {len(computed)} configurations, {len(wrong)} with other bits")
    return len(wrong)


def check_without_numpys_instructions() -> int:
    """In a new process whose NumPy may use nothing but what it was compiled for: the part of a layer that NumPy computes."""
    core = importlib.import_module("numpy._core._multiarray_umath" if np.__version__ >= "2" else "numpy.core._multiarray_umath")
    disabled = " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))
    print(f"without NumPy's {disabled or 'nothing: this CPU has none'}:", flush=True)
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-W", "ignore", __file__, "--plain"], env=environment).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write bits.txt")
    parser.add_argument("--plain", action="store_true", help="compare the configurations alone")
    options = parser.parse_args()
    if _native.isa() == "base":
        sys.exit("error: the base level has no fused multiply-add and bits of its own; the table is of the others")
    if options.plain:
        return bool(check_plain())
    if not options.update:
        return bool(check_every_variant() + check_without_numpys_instructions())
    write_table(compute_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
