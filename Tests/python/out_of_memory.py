"""Makes every request for memory of libSwiftNN and the binding fail in turn, in forward, backward and the optimizers' steps of the rows of
specs.py and specs_functional.py. What has to hold: MemoryError, nothing leaked, the module unchanged, the right bits from the next call.

Runs with Tests/c/failing_memory.c preloaded (test_out_of_memory.py builds it):

    LD_PRELOAD=failing_memory.so python out_of_memory.py [--all]     # one row of each of QUICK, or all rows
"""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np

import swiftnn as nn
from modules import module_of
from specs import LAYERS, flat
from specs_functional import FUNCTIONS
from test_gradients import float_results, tensors_of

shim = ctypes.CDLL(None)
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9}, "Adam": {"lr": 0.1, "amsgrad": True}, "AdamW": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "momentum": 0.5, "centered": True}, "Adagrad": {"lr": 0.1},
}  # fmt: skip


QUICK = {
    "Conv2d", "MaxPool2d", "AvgPool2d", "LSTM", "GRU", "MultiheadAttention", "LayerNorm", "BatchNorm2d", "GroupNorm", "Embedding", "Linear",
    "CrossEntropyLoss", "CTCLoss", "Softmax", "Upsample",
}  # fmt: skip


class Totals:
    calls = failures = 0


def bits(values: list[Any]) -> list[bytes]:
    return [np.ascontiguousarray(v.numpy() if isinstance(v, nn.Tensor) else v).tobytes() for v in values]


def blocks(expected: int | None = None) -> int:
    """Blocks in use, those of unreachable cycles not counted."""
    if nn.memory_stats()["blocks_in_use"] != expected:
        gc.collect()
    return nn.memory_stats()["blocks_in_use"]


def each_fails(name: str, call: Callable[[], list[bytes]], state: Callable[[], list[bytes]], reset: Callable[[], None]) -> None:
    """call() with the first request failing, the second, ... until it needs no more. The state must stay that of before; reset() goes back
    to it after a call that came through."""
    reset()
    expected = call()
    reset()
    before, held = state(), blocks()
    for alone in (False, True):
        n = 0
        while True:
            n += 1
            nn.release_memory()  # so that the call has to ask the system
            shim.failing_arm(n, int(alone))
            try:
                result = call()
                error = None
            except MemoryError as exception:
                result, error = None, exception.with_traceback(None)
            finally:
                failed = shim.failing_failed()
                shim.failing_arm(0, 0)
            Totals.calls += 1
            Totals.failures += failed > 0
            where = f"{name}: request {n}{' alone' if alone else ''}"
            if error is None:
                assert result == expected, f"{where}: other bits"
            else:
                assert str(error), f"{where}: no message"
                assert state() == before, f"{where}: the state has changed"
            del error, result
            reset()
            assert state() == before, where
            assert blocks(held) == held, f"{where}: {blocks() - held} blocks leaked"
            assert call() == expected, f"{where}: the next call computes something else"
            reset()
            if failed == 0:
                break


def layer_calls(row: Any) -> None:
    module = module_of(row, np.float64)
    saved = {key: np.array(value) for key, value in module.state_dict().items()}
    arrays, named = row.arrays(np.float64, nn)
    parameters = list(module.parameters())

    def reset() -> None:
        nn.manual_seed(1)
        module.load_state_dict(saved)
        module.zero_grad()

    def state() -> list[bytes]:
        return [np.asarray(value).tobytes() for value in module.state_dict().values()]

    each_fails(f"{row.id}, forward", lambda: bits(flat(module(*copy.deepcopy(arrays), **named))), state, reset)
    if row.options.get("inplace"):
        return  # refused for what requires a gradient
    found: list[nn.Tensor] = []
    tensors, options = [tensors_of(a, found) for a in arrays], {key: tensors_of(a, found) for key, a in named.items()}
    results = [r for r in float_results(module(*tensors, **options)) if r.requires_grad]
    if not results:
        return
    leaves = found + [p for p in parameters if p.requires_grad]
    weights = [np.ones(r.shape) for r in results]

    def backward() -> list[bytes]:
        gradients = nn.grad(results, leaves, weights, allow_unused=True, retain_graph=True)
        return bits([g for g in gradients if g is not None])

    each_fails(f"{row.id}, backward", backward, state, lambda: None)


def function_calls(row: Any) -> None:
    arrays, named = row.arrays(np.float64)
    function = getattr(nn.functional, row.name)

    def flattened(value: Any) -> list[Any]:
        return [leaf for part in value for leaf in flattened(part)] if isinstance(value, (tuple, list)) else [value]

    def forward() -> list[bytes]:
        return bits(flattened(function(*copy.deepcopy(arrays), **named)))

    def reset() -> None:
        nn.manual_seed(1)

    given = [a for a in (*arrays, *named.values()) if isinstance(a, np.ndarray)]
    each_fails(f"{row.id}, forward", forward, lambda: bits(given), reset)


def optimizer_steps() -> None:
    for name, options in OPTIMIZERS.items():

        def make() -> Any:
            nn.manual_seed(2)
            module = nn.Linear(300, 200)
            for p in module.parameters():
                p.grad = np.ones(p.shape, np.float32)
            return module, getattr(nn.optim, name)(module.parameters(), **options)  # noqa: B023

        module, optimizer = make()
        optimizer.step()  # its state is there: NumPy's memory is none of ours
        saved = [p.numpy().copy() for p in module.parameters()]
        memory = copy.deepcopy(optimizer.state_dict())

        def state() -> list[bytes]:
            return bits(list(module.parameters()))  # noqa: B023

        def reset() -> None:
            for p, value in zip(module.parameters(), saved):  # noqa: B023
                p.data[...] = value
            optimizer.load_state_dict(copy.deepcopy(memory))  # noqa: B023

        def step() -> list[bytes]:
            optimizer.step()  # noqa: B023
            return state()  # noqa: B023

        each_fails(f"{name}.step", step, state, reset)


def training_by_threads() -> None:
    """Threads that cannot be started: the work is done by those there are."""
    nn.set_num_threads(8)
    module, x = nn.Conv2d(8, 16, 3), np.ones((4, 8, 60, 60), np.float32)
    with nn.threads(1):
        expected = module(x).tobytes()
    shim.failing_threads(1)
    assert module(x).tobytes() == expected
    shim.failing_threads(0)
    assert module(x).tobytes() == expected


def rows(source: Any, everything: bool) -> Iterator[Any]:
    left = set(QUICK)
    for row in source:
        if everything or row.name in left:
            left.discard(row.name)
            yield row


def main() -> None:
    everything = "--all" in sys.argv
    training_by_threads()
    nn.set_num_threads(2)
    shim.failing_arm(0, 0)
    assert shim.failing_ranges() > 0, "failing_memory.so does not see libSwiftNN"
    count = 0
    wrong = []
    checks: list[tuple[Callable[..., None], Iterator[Any]]] = [
        (layer_calls, rows(LAYERS, everything)),
        (function_calls, rows(FUNCTIONS, everything)),
    ]
    for check, source in checks:
        for row in source:
            count += 1
            try:
                check(row)
            except AssertionError as error:
                wrong.append(str(error))
    optimizer_steps()
    assert not wrong, "\n".join(wrong)
    print(f"{count} rows and {len(OPTIMIZERS)} optimizers: {Totals.calls} calls, {Totals.failures} refused memory, all as they should be")


if __name__ == "__main__":
    main()
