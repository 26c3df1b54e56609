"""Every configuration has the bits of bits.txt: each hash in one variant. Tests/run --bits takes every variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bits
from swiftnn import _native

CONFIGURATIONS = list(enumerate(bits.configurations()))
with_fma = pytest.mark.skipif(_native.isa() == "base", reason="the base level has no fused multiply-add, so bits of its own")
WHY = "if other bits are meant: python Tests/python/bits.py --update, and a line in CHANGELOG.md"


def test_the_table_has_every_configuration() -> None:
    wanted = [c.id for _, c in CONFIGURATIONS] + [f"run {name}" for name in bits.RUNS]
    assert len(set(wanted)) == len(wanted) > 200
    assert list(bits.read_table()) == wanted, WHY


@with_fma
@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("i", "c"), CONFIGURATIONS, ids=lambda value: getattr(value, "id", ""))
def test_bits(i: int, c: bits.Configuration) -> None:
    wanted = bits.read_table()[c.id]
    every = list(bits.variants(c))
    for k, name in enumerate(bits.COLUMNS):
        if wanted[k] != "-":
            kinds = [(desc, compute) for desc, column, compute in every if column == k]
            desc, compute = kinds[i % len(kinds)]
            assert bits.digest(compute()) == wanted[k], f"{name}: {desc}: {WHY}"


@with_fma
@pytest.mark.parametrize("name", bits.RUNS)
def test_bits_of_training(name: str) -> None:
    assert bits.digest(bits.training_run(name)) == bits.read_table()[f"run {name}"][2], WHY


def test_digest_sees_each_bit() -> None:
    x = np.arange(7, dtype=np.float32)
    before = bits.digest([x])
    for other in (x.astype(np.float64), x[:6], x[None], -x, np.nextafter(x, np.float32(9))):
        assert bits.digest([other]) != before
    assert bits.digest([np.asfortranarray(x)]) == bits.digest([x.astype(">f4")]) == before
    nans = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert len({bits.digest([nans[i : i + 1]]) for i in range(3)}) == 1


def test_update_writes_what_read_table_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bits.read_table()
    monkeypatch.setattr(bits, "TABLE", tmp_path / "bits.txt")
    bits.write_table(table)
    assert bits.read_table() == table
