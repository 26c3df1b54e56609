"""Ctrl-C ends a long call within half a second, and what comes after it is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("interrupted.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SWIFTNN_NUM_THREADS": "2"}
# One of each way in which operations share their work: the others are a run of interrupted.py without names.
QUICK = ["Linear", "Conv2d, Winograd", "LSTM", "LSTM, one step of many rows", "attention", "Linear, backward", "Conv2d, backward"]


def test_ctrl_c_ends_a_long_call() -> None:
    done = subprocess.run([sys.executable, SCRIPT, *QUICK], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["name"] for r in results] == QUICK
    for result in results:
        assert not result["finished"], f"{result['name']} was over before the signal: make it larger"
        assert 0 <= result["latency"] < 0.5, result
        assert result["right"], result
        assert result["leaked"] == 0, result


def _run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


SETUP = """
import os, signal, sys, threading, time
import numpy as np
import swiftnn as nn
module, x = nn.Linear(2048, 2048).double(), np.random.default_rng(0).standard_normal((4096, 2048))
rows = module(x[:500]).tobytes()
signal.signal(signal.SIGALRM, lambda *_: handler())
"""


def test_a_handler_that_does_not_raise_changes_nothing() -> None:
    """It may call operations itself, and set off others in threads."""
    _run(
        SETUP
        + """
seen = []
def handler():
    other = threading.Thread(target=lambda: seen.append(module(x[:500]).tobytes() == rows))
    other.start()
    other.join()
    seen.append(module(x[:500]).tobytes() == rows)
signal.setitimer(signal.ITIMER_REAL, 0.05)
y = module(x)
while not seen: pass
assert seen == [True, True] and y[:500].tobytes() == rows
"""
    )


def test_a_handler_that_forks_leaves_two_whole_calls() -> None:
    _run(
        SETUP
        + """
children = []
def handler():
    children.append(os.fork())
nn.set_num_threads(2)
signal.setitimer(signal.ITIMER_REAL, 0.05)
y = module(x)
assert len(children) == 1, "the call was over before the signal"
right = y[:500].tobytes() == rows and module(x).tobytes() == y.tobytes()
if children[0] == 0:
    os._exit(0 if right else 3)
assert right and os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
"""
    )


def test_an_optimizer_step_is_whole_or_not_at_all() -> None:
    """What is written in place is finished before the exception comes."""
    _run(
        SETUP
        + """
class Stop(Exception): pass
def handler(): raise Stop
p = nn.Parameter(np.zeros(30_000_000, np.float32))
p.grad = np.ones(p.shape, np.float32)
optimizer = nn.optim.SGD([p], lr=1.0)
for after in np.linspace(1e-4, 2e-2, 12):
    before = float(p.numpy()[0])
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        optimizer.step()
        time.sleep(0.1)
    except Stop:
        pass
    values = p.numpy()
    assert (values == values[0]).all() and values[0] in (before, before - 1)
"""
    )


def test_threads_that_are_not_the_main_one_are_not_interrupted() -> None:
    _run(
        SETUP
        + """
class Stop(Exception): pass
def handler(): raise Stop
results = []
worker = threading.Thread(target=lambda: results.append(module(x)))
worker.start()
try:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(30)
    raise SystemExit("no signal")
except Stop:
    pass
worker.join()
assert results[0][:500].tobytes() == rows
"""
    )
