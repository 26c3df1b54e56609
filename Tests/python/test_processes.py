"""Forks at any moment, threads that come and go, multiprocessing, the interpreter's end, sub-interpreters, CPUs that may be used."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn

TESTS = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def _run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *command], env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _process(*arguments: str) -> str:
    return _run(str(TESTS / "python" / "processes.py"), *arguments)


def test_an_import_takes_little_longer_than_numpys(tmp_path: Path) -> None:
    """At most 15 ms with compiled files at hand, or a fifth of NumPy's own time where that is more, on a slower or busier machine; one
    process of many that meets a quiet moment is enough."""
    code = (
        "import time; start = time.perf_counter(); import numpy; middle = time.perf_counter(); import swiftnn; "
        "print(1e3 * (middle - start), 1e3 * (time.perf_counter() - middle))"
    )
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    times: list[tuple[float, float]] = []
    while len(times) < 30 and not any(ours <= max(15, numpys / 5) for numpys, ours in times):
        numpys, ours = map(float, _run("-c", code, **kept).split())
        times.append((numpys, ours))
    assert any(ours <= max(15, numpys / 5) for numpys, ours in times), times


@linux
def test_forks_while_threads_compute() -> None:
    assert "no deadlock" in _process("forks", "60")


@linux
def test_threads_come_and_go() -> None:
    _process("threads", "320")


@linux
def test_the_interpreter_ends_while_daemon_threads_compute() -> None:
    for _ in range(2):
        assert _process("shutdown") == "the end\n"


@linux
def test_an_idle_pool_uses_no_cpu() -> None:
    milliseconds = float(_process("idle"))
    assert milliseconds < 20, f"{milliseconds} ms of CPU time in an idle second"


@linux
def test_a_short_working_day() -> None:
    assert "the bits of the first round" in _run(str(TESTS / "soak.py"), "0.02")


def _compute(_: int) -> bytes:
    nn.manual_seed(4)
    return bytes(nn.Conv2d(8, 16, 3)(np.ones((2, 8, 40, 40), np.float32)).tobytes())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    expected = _compute(0)  # the pool of threads exists before the fork
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["swiftnn"])
    with context.Pool(2) as pool:
        assert pool.map_async(_compute, range(4)).get(timeout=120) == [expected] * 4


def test_sub_interpreters_are_refused_with_a_clear_error() -> None:
    script = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = '''
import warnings
warnings.simplefilter("ignore")
try:
    import swiftnn
except ImportError as error:
    text = str(error)
else:
    raise SystemError("imported")
if "interpreter" not in text: raise SystemError(text)
'''
def use():
    sub = interpreters.create()
    run = getattr(interpreters, "run_string", None) or interpreters.exec
    error = run(sub, code)
    assert error is None, error
    interpreters.destroy(sub)
use()
import numpy as np
import swiftnn as nn
nn.Linear(2, 2)(np.ones((1, 2), np.float32))
use()
"""
    _run("-c", script)


@linux
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_the_default_number_of_threads_is_that_of_the_affinity_mask() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    for n in {1, len(cpus)}:
        script = f"import os; os.sched_setaffinity(0, {cpus[:n]}); import swiftnn as nn; print(nn.get_num_threads())"
        environment = {name: value for name, value in ENVIRONMENT.items() if name != "SWIFTNN_NUM_THREADS"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
        assert 1 <= int(done.stdout) <= n
