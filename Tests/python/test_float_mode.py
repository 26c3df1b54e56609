"""Operations neither follow nor change how the calling thread rounds and treats denormal numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import ctypes, sys
import numpy as np
import swiftnn as nn

lib = ctypes.CDLL(sys.argv[1])
lib.float_mode.restype = lib.odd_mode.restype = ctypes.c_uint64
lib.set_float_mode.argtypes = [ctypes.c_uint64]
rng = np.random.default_rng(0)
tiny = rng.standard_normal((64, 512), np.float32) * np.float32(1e-38)
usual = rng.standard_normal((64, 512), np.float32)
image = usual.reshape(2, 4, 64, 64)
nn.manual_seed(1)
lstm, linear, conv, pool = nn.LSTM(32, 64), nn.Linear(512, 96), nn.Conv2d(4, 32, 3), nn.AvgPool2d(2)
calls = [
    lambda: linear(usual), lambda: linear(tiny), lambda: conv(image), lambda: pool(tiny.reshape(2, 4, 64, 64)),
    lambda: lstm(usual.reshape(-1, 32, 32))[0],
    lambda: nn.functional.softmax(usual, -1), lambda: nn.functional.gelu(tiny), lambda: nn.functional.layer_norm(usual, (512,)),
]
odd = int(sys.argv[2])
nn.set_num_threads(3)
if odd:
    lib.set_float_mode(lib.odd_mode())
before = lib.float_mode()
results = [call() for call in calls]  # the pool starts its threads here
assert lib.float_mode() == before, "the mode was changed"
try:
    linear(usual[:, :3])
except ValueError:
    assert lib.float_mode() == before, "the mode was changed by a call that failed"
lib.set_float_mode(int(sys.argv[3]) if odd else before)
print(before)
for result in results:
    print(np.ascontiguousarray(result).tobytes().hex()[:200_000])
"""


def test_the_mode_is_neither_used_nor_changed(tmp_path: Path) -> None:
    library = tmp_path / "float_mode.so"
    source = Path(__file__).resolve().parents[1] / "c" / "float_mode.c"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", source, "-o", library], check=True)

    def run(odd: int, mode: str = "0") -> list[str]:
        done = subprocess.run([sys.executable, "-c", PROGRAM, library, str(odd), mode], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    usual = run(0)
    odd = run(1, usual[0])
    assert odd[0] != usual[0]
    assert odd[1:] == usual[1:]
    assert any(set(line) != {"0"} for line in usual[1:])
