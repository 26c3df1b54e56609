"""An epoch of the training examples, and a step of Adam on 44 million parameters: swiftnn and PyTorch in turns, with the memory they take.

    pip install --no-deps Django==5.2.19 aeon==1.6.0       # and apt install dataset-fashion-mnist, and PyTorch
    python python/examples/training_speed.py --threads 1 2

Every turn is a process of its own, which trains as the example does and says for how long; data and imports do not count. Prints medians of
the seconds, the median of the ratios of neighbouring turns, and the peak of the process's resident memory, imports and data included.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ADAM_SHAPES = [(1536, 512), (512, 512), (2048, 512), (512, 2048), (512,), (512,)] * 14  # as many numbers as Transformer(512, 8, 6, 6) has
TASKS = {
    "Fashion-MNIST": ("fashion_mnist", "--epochs", "1"),
    "Japanese vowels": ("japanese_vowels",),
    "translation": ("translation", "--epochs", "2"),
    "Adam": ("training_speed",),
}


def adam(library: str, threads: int, steps: int = 20) -> None:
    """Steps of Adam alone, gradients given."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in ADAM_SHAPES]
    if library == "swiftnn":
        import swiftnn as nn

        nn.set_num_threads(threads)
        ours = [nn.Parameter(a) for a in arrays]
        for p in ours:
            p.grad = np.ones(p.shape, np.float32)
        step = nn.optim.Adam(ours, lr=1e-3).step
    else:
        import torch

        torch.set_num_threads(threads)
        theirs = [torch.nn.Parameter(torch.from_numpy(a)) for a in arrays]
        for q in theirs:
            q.grad = torch.ones_like(q)
        step = torch.optim.Adam(theirs, lr=1e-3).step
    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    print(f"{steps} steps in {time.perf_counter() - start:.3f} s")


def turn(task: str, threads: int, twin: bool) -> tuple[float, float]:
    """Seconds of training, and the peak of resident memory in MB."""
    name, *options = TASKS[task]
    script = f"{name}{'_torch' if twin and task != 'Adam' else ''}.py"
    if task == "Adam":
        options = ["--adam", "torch" if twin else "swiftnn"]
    command = [sys.executable, "-W", "ignore", str(HERE / script), *options, "--threads", str(threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = [float(found) for found in re.findall(r"(?:after|in) ([\d.]+) s\b", said)]
    if process.returncode != 0 or not seconds:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    # The networks of one example train one after the other; translation tells the time since its start.
    return seconds[-1] if task == "translation" else sum(seconds), usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--adam", choices=["swiftnn", "torch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.adam:
        adam(options.adam, options.threads[0])
        return
    for threads in options.threads:
        print(f"{threads} thread{'s' * (threads > 1)}: seconds and MB of swiftnn, of PyTorch; PyTorch / swiftnn")
        for task in options.tasks:
            pairs = [(turn(task, threads, False), turn(task, threads, True)) for _ in range(options.rounds)]
            ours, theirs = ([statistics.median(pair[side][i] for pair in pairs) for i in (0, 1)] for side in (0, 1))
            ratio = statistics.median(b[0] / a[0] for a, b in pairs)
            print(f"{task:16}{ours[0]:8.2f} s {ours[1]:6.0f} MB {theirs[0]:8.2f} s {theirs[1]:6.0f} MB {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
