"""A working day: models of all kinds, training, saving and loading, forks, threads, Ctrl-C and errors in turns, for as long as one likes.

    python Tests/soak.py MINUTES

Every round's results are hashed and must be those of the first round; resident memory stays within 5 MB of what it was after the warm-up
(a tenth of the time, 12 rounds at least), file descriptors, threads and blocks of memory do not grow at all. Less than a minute is a quick
look, with 2 rounds of warm-up. libc has one heap for all threads here: those that it makes for threads keep what other threads come to
need, some MB more in every minute, of which nothing is the library's.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import swiftnn as nn

warnings.filterwarnings("ignore", category=DeprecationWarning)  # fork beside threads
M_ARENA_MAX = -8  # of malloc.h


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def flat(value: Any) -> list[np.ndarray]:
    if isinstance(value, (list, tuple)):
        return [a for part in value for a in flat(part)]
    return [value.numpy() if isinstance(value, nn.Tensor) else np.asarray(value)]


def convolutional() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 10),
    )  # fmt: skip


def train(seed: int) -> list[np.ndarray]:
    nn.manual_seed(seed)
    model, loss = convolutional(), nn.CrossEntropyLoss()
    optimizer = nn.optim.AdamW(model.parameters(), lr=1e-3)
    x, target = draw(seed, 8, 3, 24 + seed % 9, 24), np.arange(8) % 10
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        value = loss(model(nn.Tensor(x)), target)
        value.backward()
        optimizer.step()
        losses.append(value.numpy().copy())
    return [*losses, *(p.numpy().copy() for p in model.parameters())]


def infer(seed: int) -> list[np.ndarray]:
    nn.manual_seed(seed)
    steps, batch = 3 + seed % 7, 1 + seed % 5
    models: list[tuple[Any, tuple[int, ...]]] = [
        (nn.LSTM(20, 30, 2, bidirectional=True), (steps, batch, 20)), (nn.GRU(20, 64), (steps, batch, 20)),
        (nn.TransformerEncoderLayer(32, 4, 64).eval(), (steps, batch, 32)), (convolutional().eval(), (batch, 3, 20 + seed % 6, 20)),
        (nn.AvgPool2d(3, 2), (batch, 4, 9, 9)), (nn.LayerNorm(700), (batch * 40, 700)),
    ]  # fmt: skip
    return [a for model, shape in models for a in flat(model(draw(seed, *shape)))]


def store(seed: int) -> list[np.ndarray]:
    nn.manual_seed(seed)
    model, other = nn.LSTM(30, 40), nn.LSTM(30, 40)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        nn.save(path, model.state_dict())
        other.load_state_dict(nn.load(path))
    return flat(other(draw(seed, 5, 3, 30)))


def many_threads(seed: int) -> list[np.ndarray]:
    nn.manual_seed(seed)
    model, x = nn.Conv2d(8, 16, 3), draw(seed, 2, 8, 40, 40)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: model(x), range(32)))
    assert all(r.tobytes() == results[0].tobytes() for r in results)
    return [results[0]]


def children(seed: int) -> list[np.ndarray]:
    nn.manual_seed(seed)
    model, x = nn.Conv2d(8, 16, 3), draw(seed, 2, 8, 40, 40)
    expected = model(x)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if model(x).tobytes() == expected.tobytes() else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a child's bits"
    return [expected]


def faults(seed: int) -> list[np.ndarray]:
    """Wrong arguments, and memory that there is not."""
    model = nn.Linear(40, 30)
    wrong: list[Callable[[], Any]] = [
        lambda: model(draw(0, 3, 39)), lambda: model(np.ones((3, 40), np.float64)), lambda: nn.Conv2d(3, 4, 5)(draw(0, 1, 3, 2, 2)),
        lambda: nn.Embedding(5, 3)(np.array([7])), lambda: nn.functional.pad(draw(0, 1, 1), (1 << 22, 1 << 22, 1 << 22, 1 << 22)),
    ]  # fmt: skip
    for call in wrong:
        try:
            call()
        except (ValueError, TypeError, IndexError, MemoryError):
            continue
        raise AssertionError("a wrong call went through")
    return [np.zeros(1)]


def interrupted(seed: int) -> list[np.ndarray]:
    """Ctrl-C in the middle of a call."""
    nn.manual_seed(seed)
    model, x = nn.Linear(1536, 1536).double(), np.ones((1536 * 4, 1536))
    try:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        model(x)
        timer.join()
        time.sleep(0.2)
    except KeyboardInterrupt:
        timer.join()
    return flat(model(x[:3]))


PARTS: list[Callable[[int], list[np.ndarray]]] = [train, infer, store, many_threads, children, faults, interrupted]


def one_round(order: random.Random, seen: dict[tuple[str, int], str]) -> int:
    """All parts with all seeds in some order; what came out before has to come out again."""
    calls = [(part, seed) for part in PARTS for seed in range(4)]
    order.shuffle(calls)
    for part, seed in calls:
        with nn.threads(order.randint(1, 4)):
            digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in part(seed))).hexdigest()
        assert seen.setdefault((part.__name__, seed), digest) == digest, f"{part.__name__}({seed}) gives other bits than in the first round"
    return len(calls)


def footprint() -> tuple[int, int, int, int]:
    """Resident bytes, file descriptors, threads, blocks of memory in use."""
    gc.collect()
    nn.release_memory()
    ctypes.CDLL(None).malloc_trim(0)  # what libc keeps for the threads that were there comes and goes
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * resource.getpagesize()
    return resident, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), nn.memory_stats()["blocks_in_use"]


def main(minutes: float) -> None:
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nn.set_num_threads(4)
    order, seen = random.Random(0), {}
    start, calls, rounds = time.monotonic(), 0, 0
    limit, warm_up, allowed = minutes * 60, 12 if minutes >= 1 else 2, 5 << 20
    while rounds < warm_up or time.monotonic() - start < limit / 10:
        calls += one_round(order, seen)
        rounds += 1
    first = footprint()
    most = 0
    while rounds < warm_up + 2 or time.monotonic() - start < limit:
        calls += one_round(order, seen)
        rounds += 1
        now = footprint()
        most = max(most, now[0] - first[0])
        assert now[1] <= first[1], f"{now[1] - first[1]} file descriptors more"
        assert now[2] <= first[2], f"{now[2] - first[2]} threads more"
        assert now[3] <= first[3], f"{now[3] - first[3]} blocks of memory more"
        assert most < allowed, f"{most} bytes more resident after {rounds} rounds"
    print(
        f"soak: {time.monotonic() - start:.0f} s, {rounds} rounds, {calls} parts, the bits of the first round throughout; "
        f"resident memory at most {max(most, 0) / 1024:.0f} KiB above the warm-up's, file descriptors and threads flat"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
