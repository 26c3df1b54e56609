"""Thread numbers, many Python threads in one module, and fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import swiftnn as nn
from specs import flat


def test_set_and_get_num_threads() -> None:
    for n in (1, 2, 5, np.int64(3)):
        nn.set_num_threads(n)
        assert nn.get_num_threads() == n


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError), (None, TypeError)])
def test_wrong_numbers_of_threads(n, error: type[Exception]) -> None:
    before = nn.get_num_threads()
    with pytest.raises(error, match="n must be"):
        nn.set_num_threads(n)
    with pytest.raises(error, match="n must be"):
        nn.threads(n)
    assert nn.get_num_threads() == before


def test_threads_limits_the_calling_thread_alone() -> None:
    nn.set_num_threads(4)
    seen = []
    with nn.threads(2):
        assert nn.get_num_threads() == 2
        with nn.threads(1):
            assert nn.get_num_threads() == 1
        assert nn.get_num_threads() == 2
        other = threading.Thread(target=lambda: seen.append(nn.get_num_threads()))
        other.start()
        other.join()
    assert seen == [4]
    assert nn.get_num_threads() == 4


def test_threads_is_lifted_after_an_exception() -> None:
    nn.set_num_threads(3)
    with pytest.raises(KeyError), nn.threads(1):
        raise KeyError
    assert nn.get_num_threads() == 3


def _get_num_threads_with(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = "import swiftnn as nn; print(nn.get_num_threads())"
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


def test_the_environment_sets_the_number() -> None:
    assert _get_num_threads_with(SWIFTNN_NUM_THREADS="3").stdout.strip() == "3"


def test_the_default_is_what_the_process_may_use() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SWIFTNN_NUM_THREADS"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    script = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); import swiftnn as nn; print(nn.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


MODULES = {
    "Conv2d": (lambda: nn.Conv2d(8, 16, 3, padding=1), (2, 8, 24, 24)),
    "LSTM": (lambda: nn.LSTM(16, 24, 2), (7, 5, 16)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(16, 4, 32).eval(), (9, 3, 16)),
    "Linear": (lambda: nn.Linear(128, 130), (70, 128)),
}


@pytest.mark.parametrize("name", MODULES)
def test_many_python_threads_call_one_module(name: str) -> None:
    make, shape = MODULES[name]
    module = make()
    xs = [np.random.default_rng(i).standard_normal(shape).astype(np.float32) for i in range(24)]
    alone = [[a.tobytes() for a in flat(module(x))] for x in xs]
    nn.set_num_threads(3)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = list(pool.map(lambda x: [a.tobytes() for a in flat(module(x))], xs))
            assert together == alone


@pytest.mark.parametrize("layer", [nn.Conv2d(1, 1, 1), nn.MaxPool2d(1), nn.RNN(3, 4)], ids=lambda layer: type(layer).__name__)
def test_a_change_while_a_layer_prepares_its_arguments(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread changes what has been read already: the next call knows."""
    recurrent = isinstance(layer, nn.RNN)

    def change() -> None:
        if recurrent:
            layer.weight_hh_l0 = nn.Parameter(np.zeros((4, 4), np.float32))
        else:
            layer.stride = (2, 2)

    def then_change(read):
        def both(*arguments):
            value = read(*arguments)
            other = threading.Thread(target=change)
            other.start()
            other.join()
            return value

        return both

    if recurrent:
        layer._read_weights = then_change(layer._read_weights)
    else:
        monkeypatch.setattr(nn.functional, "_ints", then_change(nn.functional._ints))
    x = np.ones((2, 1, 3) if recurrent else (1, 1, 4, 4), np.float32)
    layer(x)
    y = layer(x)
    if recurrent:
        np.testing.assert_array_equal(y[0][1], y[0][0])
    else:
        assert y.shape == (1, 1, 2, 2)


def test_results_may_die_on_another_thread() -> None:
    before = nn.memory_stats()["blocks_in_use"]
    results = [nn.ReLU()(np.ones((64, 64), np.float32)) for _ in range(20)]
    other = threading.Thread(target=results.clear)
    other.start()
    other.join()
    assert nn.memory_stats()["blocks_in_use"] == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes() -> None:
    """The workers of the parent do not exist in the child: it starts its own."""
    nn.set_num_threads(3)
    module, x = nn.Conv2d(8, 16, 3), np.ones((4, 8, 40, 40), np.float32)
    expected = module(x).tobytes()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if module(x).tobytes() == expected and nn.get_num_threads() == 3 else 2
        finally:
            os._exit(status)
    deadline = threading.Timer(60, os.kill, (child, 9))
    deadline.start()
    _, status = os.waitpid(child, 0)
    deadline.cancel()
    assert os.waitstatus_to_exitcode(status) == 0
    assert module(x).tobytes() == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_others_compute() -> None:
    """A lock that another thread holds at the moment of the fork must not be held for ever in the child."""
    nn.set_num_threads(2)
    module, x = nn.Linear(64, 64), np.ones((256, 64), np.float32)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            module(x)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                try:
                    module(x)
                finally:
                    os._exit(0)
            deadline = threading.Timer(60, os.kill, (child, 9))
            deadline.start()
            _, status = os.waitpid(child, 0)
            deadline.cancel()
            assert os.waitstatus_to_exitcode(status) == 0
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_the_interpreter_runs_while_a_kernel_works() -> None:
    """The GIL is released: another thread wakes up many times during one long call."""
    module, x = nn.Linear(1024, 1024), np.ones((4096, 1024), np.float32)
    wakes, stop = [0], threading.Event()

    def wake() -> None:
        while not stop.is_set():
            time.sleep(0.001)
            wakes[0] += 1

    other = threading.Thread(target=wake)
    other.start()
    try:
        with nn.threads(1):
            start = wakes[0]
            module(x)
            assert wakes[0] - start >= 3
    finally:
        stop.set()
        other.join()
