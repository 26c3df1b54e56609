"""The default number of threads under real quotas, where this process may make cgroups: root on a machine with version 1 or 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


@pytest.fixture
def group() -> Iterator[Path]:
    version1 = (ROOT / "cpu").is_dir()
    folder = (ROOT / "cpu" if version1 else ROOT) / f"swiftnn-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        if not (folder / ("cpu.cfs_quota_us" if version1 else "cpu.max")).exists():
            pytest.skip("cgroups have no CPU controller here")
        yield folder
    finally:
        folder.rmdir()


@pytest.mark.parametrize("cpus, expected", [(0.5, 1), (1.0, 1), (1.5, 2), (64.0, None)])
def test_the_quota_bounds_the_default_number_of_threads(group: Path, cpus: float, expected: int | None) -> None:
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{int(cpus * 100_000)} 100000")
    else:
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cpu.cfs_quota_us").write_text(str(int(cpus * 100_000)))
    join = f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    assert default_threads(join) == min(default_threads("pass"), expected or 1024)


def default_threads(first: str) -> int:
    script = f"import os; {first}\nimport swiftnn as nn; print(nn.get_num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "SWIFTNN_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
