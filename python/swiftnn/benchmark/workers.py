"""The benchmark's side of the worker processes: starting them, asking them, and what their failures mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import engines


class Failed(Exception):
    """A worker could not do what it was asked for, or is gone; the message says which and why."""


def cpus(threads: int) -> list[int]:
    """The CPUs that workers with so many threads are held to: the last ones, since interrupts and other programs tend to use the first."""
    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return own[-threads:]


def _environment(name: str, threads: int, isa: str | None) -> dict[str, str]:
    environment = dict(os.environ)
    package = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[variable] = str(threads)
    entry = engines.ENTRIES.get(name, engines.ENTRIES[engines.OURS])  # limits and reference: as ours
    if isa and entry.isa:
        environment.update(entry.isa[isa])
    if name == "jax":  # its pool has as many threads as CPUs in the affinity mask, but one thread is a choice of its own
        flags = [environment.get("XLA_FLAGS", ""), "--xla_cpu_multi_thread_eigen=false" if threads == 1 else ""]
        environment["XLA_FLAGS"] = " ".join(filter(None, flags))
    return environment


class Worker:
    def __init__(self, name: str, threads: int, held_to: list[int], isa: str | None = None) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the worker)
        command = [sys.executable, "-m", "swiftnn.benchmark.worker", name, str(threads), ",".join(map(str, held_to))]
        environment = _environment(name, threads, isa)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment
        )

    def send(self, do: str, **arguments: Any) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # receive() tells why

    def receive(self) -> Any:
        """The handler's value; raises Unsupported or Failed."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self.name}: the process ended with status {self._process.wait()}: {self._last_words()}")
        answer = json.loads(line)
        if "unsupported" in answer:
            raise engines.Unsupported(answer["unsupported"])
        if "failed" in answer:
            raise Failed(f"{self.name}: {answer['failed']}")
        return answer["value"]

    def ask(self, do: str, **arguments: Any) -> Any:
        self.send(do, **arguments)
        return self.receive()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class LimitWorkers:
    """One worker for each thread, at work at the same time."""

    def __init__(self, threads: int, isa: str | None) -> None:
        self._workers = [Worker("limits", 1, [cpu], isa) for cpu in cpus(threads)]
        self.isa: str = self._ask("about")[0]

    def _ask(self, do: str, **arguments: Any) -> list[Any]:
        for worker in self._workers:
            worker.send(do, **arguments)
        return [worker.receive() for worker in self._workers]

    def peak(self, dtype: str) -> float:
        """Floating point operations a second of all threads."""
        return float(sum(self._ask("peak", dtype=dtype)))

    def bandwidth(self) -> dict[str, float]:
        """Bytes a second that all threads together copy, read and write in main memory."""
        rates = self._ask("bandwidth")
        return {kind: sum(rate[kind] for rate in rates) for kind in rates[0]}

    def reread(self, size: int) -> float:
        """Bytes a second when every thread reads its part of the bytes again and again."""
        return float(sum(self._ask("reread", size=size // len(self._workers))))

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
