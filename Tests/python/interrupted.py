"""Calls that would take seconds, each stopped by SIGINT: how long until KeyboardInterrupt, and whether what comes after it is right.

python interrupted.py [NAME...]: prints a line of JSON for each call, or for those named. test_interrupt.py runs it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import swiftnn as nn
from swiftnn import functional


def _draw(*shape: int, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def _forward(make: Callable[[], Any], *shape: int) -> Callable[[], Callable[[], Any]]:
    def prepare() -> Callable[[], Any]:
        module, x = make().double().eval(), _draw(*shape)
        return lambda: module(x)

    return prepare


def _backward(make: Callable[[], Any], *shape: int) -> Callable[[], Callable[[], Any]]:
    def prepare() -> Callable[[], Any]:
        module = make().double().eval()
        y = module(nn.Tensor(_draw(*shape), requires_grad=True))
        y = y[0] if isinstance(y, tuple) else y
        gradient = np.ones(y.shape)
        return lambda: y.backward(gradient)

    return prepare


def _attention() -> Callable[[], Any]:
    q = _draw(1, 1, 20_000, 64)
    return lambda: functional.scaled_dot_product_attention(q, q, q)


def _attention_backward() -> Callable[[], Any]:
    q = nn.Tensor(_draw(1, 1, 9_000, 64), requires_grad=True)
    y = functional.scaled_dot_product_attention(q, q, q)
    gradient = np.ones(y.shape)
    return lambda: y.backward(gradient)


def _matmul() -> Callable[[], Any]:
    x = nn.Tensor(_draw(3, 3000, 3000))
    return lambda: x @ x


# name -> what makes the call
CALLS: dict[str, Callable[[], Callable[[], Any]]] = {
    "Linear": _forward(lambda: nn.Linear(4096, 4096), 4096, 4096),
    "Linear, backward": _backward(lambda: nn.Linear(3072, 3072), 3072, 3072),
    "matmul": _matmul,
    "Conv2d": _forward(lambda: nn.Conv2d(128, 256, 5, padding=2), 8, 128, 112, 112),
    "Conv2d, Winograd": _forward(lambda: nn.Conv2d(256, 512, 3, padding=1), 8, 256, 112, 112),
    "Conv2d, backward": _backward(lambda: nn.Conv2d(128, 128, 5, padding=2), 4, 128, 80, 80),
    "LSTM": _forward(lambda: nn.LSTM(64, 768), 500, 64, 64),
    "LSTM, one step of many rows": _forward(lambda: nn.LSTM(1024, 2048), 1, 4096, 1024),
    "LSTM, one row": _forward(lambda: nn.LSTM(16, 512, 1), 20_000, 1, 16),
    "LSTM, backward": _backward(lambda: nn.LSTM(64, 512), 250, 64, 64),
    "GRU, backward": _backward(lambda: nn.GRU(64, 512), 300, 64, 64),
    "attention": _attention,
    "attention, backward": _attention_backward,
    "Transformer": _forward(lambda: nn.TransformerEncoderLayer(512, 8, 2048), 1500, 8, 512),
}


def small_results() -> list[bytes]:
    """Results whose bits must be the same before and after."""
    nn.manual_seed(3)
    conv, lstm, x = nn.Conv2d(16, 24, 3), nn.LSTM(24, 40), nn.Tensor(_draw(4, 16, 30, 30, dtype=np.float32), requires_grad=True)
    y = conv(x)
    y.backward(np.ones(y.shape, np.float32))
    return [y.numpy().tobytes(), x.grad.tobytes(), lstm(_draw(9, 5, 24, dtype=np.float32))[0].tobytes()]


def interrupt(call: Callable[[], Any], after: float = 0.15) -> dict[str, Any]:
    """Seconds from SIGINT to KeyboardInterrupt; negative where the call was over before."""
    sent = [0.0]

    def send() -> None:
        sent[0] = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    timer, finished = threading.Timer(after, send), False
    timer.start()
    start = time.perf_counter()
    try:
        call()
        finished = True
        timer.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        latency = time.perf_counter() - sent[0]
    return {"finished": finished, "latency": latency, "seconds": time.perf_counter() - start}


def main(names: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    expected = small_results()
    blocks = nn.memory_stats()["blocks_in_use"]
    for threads in (1, nn.get_num_threads()) if not names else (nn.get_num_threads(),):
        for name in names or CALLS:
            with nn.threads(threads):
                call = CALLS[name]()
                result = interrupt(call)
            del call
            result["right"] = small_results() == expected
            result["leaked"] = nn.memory_stats()["blocks_in_use"] - blocks
            print(json.dumps({"name": name, "threads": threads, **result}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
