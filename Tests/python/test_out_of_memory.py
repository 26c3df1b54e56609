"""Every request for memory refused in turn: the quick form of ./Tests/run --oom."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "python"), *sys.path])}


@pytest.mark.skipif(not sys.platform.startswith("linux") or not shutil.which("cc"), reason="needs LD_PRELOAD and a C compiler")
def test_every_request_for_memory_refused_in_turn(tmp_path: Path) -> None:
    shim = tmp_path / "failing_memory.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, TESTS / "c" / "failing_memory.c"], check=True)
    command = [sys.executable, "-X", "faulthandler", TESTS / "python" / "out_of_memory.py"]
    done = subprocess.run(command, env={**ENVIRONMENT, "LD_PRELOAD": str(shim)}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is not enforced elsewhere")
@pytest.mark.parametrize("room", [40, 150, 400])
def test_an_address_space_with_a_limit(room: int) -> None:
    """Larger and larger calls in a process that may map a few more MB: MemoryError, and small calls go on; no thread can be started."""
    script = f"""
import resource, sys
import numpy as np
import swiftnn as nn
nn.set_num_threads(16)
conv, lstm, x = nn.Conv2d(4, 8, 3, padding=1), nn.LSTM(16, 32), np.ones((1, 4, 20, 20), np.float32)
with nn.threads(1):
    small = conv(x).tobytes(), lstm(np.ones((5, 2, 16), np.float32))[0].tobytes()
with open("/proc/self/statm") as file:
    mapped = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + ({room} << 20),) * 2)
refused = 0
for n in range(1, 400, 3):
    for call in (lambda: conv(np.ones((n, 4, 200, 200), np.float32)), lambda: lstm(np.ones((50 * n, 8, 16), np.float32))):
        try:
            call()
        except MemoryError as error:
            refused += 1
            del error
    assert (conv(x).tobytes(), lstm(np.ones((5, 2, 16), np.float32))[0].tobytes()) == small
assert refused > 0, "nothing was refused"
"""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
