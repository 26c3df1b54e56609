"""Forks, threads and shutdowns that test_processes.py and ./Tests/run --forks start in processes of their own.

python processes.py forks N        # N forks, half of them from a thread, while two threads compute
python processes.py threads N      # N threads that come, compute and go
python processes.py shutdown       # the interpreter ends while daemon threads compute
python processes.py idle           # CPU time of a second in which nothing is called
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
import warnings

import numpy as np

import swiftnn as nn

warnings.filterwarnings("ignore", category=DeprecationWarning)  # of fork beside threads, which is what is tested


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def wait_for(child: int, seconds: float) -> int:
    """The child's exit code; one that hangs is ended and counts as 99."""
    descriptor = os.pidfd_open(child)
    try:
        if not select.select([descriptor], [], [], seconds)[0]:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return 99
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(descriptor)


def forks(count: int) -> None:
    """Every child computes what its parent computes, with threads of its own, has the same bits, and ends."""
    nn.set_num_threads(3)
    convolution, recurrent = nn.Conv2d(8, 16, 3), nn.LSTM(32, 48)
    x, sequence = np.ones((2, 8, 40, 40), np.float32), np.ones((12, 9, 32), np.float32)
    expected = convolution(x).tobytes() + recurrent(sequence)[0].tobytes()
    stop, bad = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            if convolution(x).tobytes() + recurrent(sequence)[0].tobytes() != expected:
                bad.append("a thread's bits")

    def fork(n: int) -> None:
        for _ in range(n):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if convolution(x).tobytes() + recurrent(sequence)[0].tobytes() == expected else 2
                finally:
                    os._exit(code)
            code = wait_for(child, 30)
            if code:
                bad.append(f"a child ended with {code}")

    workers = [threading.Thread(target=work) for _ in range(2)]
    forker = threading.Thread(target=fork, args=(count // 2,))
    for thread in (*workers, forker):
        thread.start()
    try:
        fork(count - count // 2)
        forker.join()
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not bad, bad[:5]
    print(f"{count} forks: no deadlock, the same bits in every child")


def threads(count: int) -> None:
    """Memory does not grow with the threads that have been there."""
    module, x = nn.Conv2d(8, 16, 3), np.ones((2, 8, 40, 40), np.float32)
    expected, bad = module(x).tobytes(), []

    def work() -> None:
        if module(x).tobytes() != expected:
            bad.append(1)

    def some(n: int) -> None:
        for _ in range(n // 16):
            group = [threading.Thread(target=work) for _ in range(16)]
            for thread in group:
                thread.start()
            for thread in group:
                thread.join()

    some(max(64, count // 4))
    before, held, alive = resident(), nn.memory_stats()["blocks_in_use"], len(os.listdir("/proc/self/task"))
    some(count)
    grown = resident() - before
    assert not bad
    assert nn.memory_stats()["blocks_in_use"] == held
    deadline = time.monotonic() + 5  # join() does not wait for the system's part of a thread's end
    while len(os.listdir("/proc/self/task")) > alive:
        assert time.monotonic() < deadline, "threads are left"
        time.sleep(0.01)
    assert grown < 5 << 20, f"{grown} bytes more"
    print(f"{count} threads came and went: {grown / 1024:.0f} KiB more resident")


def shutdown() -> None:
    """Daemon threads are inside of operations when the interpreter ends, before they can come back to it."""
    nn.set_num_threads(2)
    module, x = nn.LSTM(64, 256), np.ones((60, 32, 64), np.float32)

    def work() -> None:
        while True:
            module(x)

    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.15)
    print("the end", flush=True)


def idle() -> None:
    """Workers sleep soon after the last call."""
    nn.set_num_threads(8)
    nn.Conv2d(8, 64, 3)(np.ones((16, 8, 64, 64), np.float32))
    assert len(os.listdir("/proc/self/task")) >= 8
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(1)
    print(f"{(time.process_time() - before) * 1000:.3f}")


if __name__ == "__main__":
    {"forks": forks, "threads": threads, "shutdown": shutdown, "idle": idle}[sys.argv[1]](*map(int, sys.argv[2:]))
