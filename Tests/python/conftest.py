"""What every test needs: the reference on the path, and the package's state left as it was found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import swiftnn as nn  # noqa: E402


@pytest.fixture(autouse=True)
def same_state() -> Iterator[None]:
    """Seeds the generator, and puts the thread number back."""
    threads = nn.get_num_threads()
    nn.manual_seed(0)
    yield
    nn.set_num_threads(threads)
