"""Steps of a tiny model's training, as many as one likes: memory is flat after the first ones, and the loss falls and stays low.

    python Tests/training_steps.py 1000000

Fresh batches of a function of two numbers, Linear-Tanh-Linear, Adam. Exits with 1 where resident memory grows by more than 64 KiB after
step 1,000, where the library's bytes in use grow at all, where a parameter is not finite, or where the mean loss of the last twentieth of
the steps is above twice that of the twentieth before or a tenth of the first one's.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import numpy as np

import swiftnn as nn


def resident() -> int:
    """KiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def main(steps: int) -> int:
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.MSELoss()
    rng = np.random.default_rng(0)
    twentieth = max(steps // 20, 1)
    sums = np.zeros(20)
    start, early = time.perf_counter(), (resident(), nn.memory_stats())
    for step in range(steps):
        x = rng.uniform(-1, 1, (4, 2)).astype(np.float32)
        loss = criterion(model(nn.Tensor(x)), nn.Tensor(x[:, :1] * x[:, 1:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sums[min(step // twentieth, 19)] += loss.item()
        if step == min(1000, steps // 2):
            gc.collect()
            early = resident(), nn.memory_stats()
    gc.collect()
    late = resident(), nn.memory_stats()
    means = sums / twentieth
    grown = late[1]["bytes_in_use"] - early[1]["bytes_in_use"]
    finite = all(np.isfinite(p.numpy()).all() for p in model.parameters())
    print(f"{steps:,} steps in {time.perf_counter() - start:.0f} s: resident {early[0]:,} and {late[0]:,} KiB, {grown} bytes more in use")
    print("mean loss of each twentieth:", " ".join(f"{mean:.2e}" for mean in means))
    good = late[0] - early[0] <= 64 and grown == 0 and finite and means[-1] <= min(2 * means[-2], means[0] / 10)
    print("ok" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
