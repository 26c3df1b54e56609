"""`python -m swiftnn.benchmark`: its shape lists, its options, and one short run without peers."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn
from swiftnn import _native
from swiftnn.benchmark import engines, report, scaling
from swiftnn.benchmark.cells import Cell
from swiftnn.benchmark.engines.ours import Ours
from swiftnn.benchmark.engines.recurrent import directions
from swiftnn.benchmark.lists import LISTS, cells
from swiftnn.benchmark.measure import Row, Seen
from swiftnn.benchmark.values import arguments, inputs

PACKAGE = Path(nn.__file__).parents[1]
EVERY = [cell for name in LISTS for cell in cells(name)]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "swiftnn.benchmark", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path, **environment})


def test_tiny_cells_without_peers(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    cells = ["--cells", "article", "--only", r"Linear\(8, 8\)|1x1x4x4", "--dtype", "float32", "float64"]
    run_ = run(*cells, "--threads", "1", "--rounds", "2", "--seconds", "0.001", "--peers", "none", "--json", str(found))
    assert run_.returncode == 0, run_.stderr
    assert "float64, 1 thread" in run_.stdout
    result = json.loads(found.read_text())
    assert [row["cell"] for row in result["rows"]] == ["MaxPool2d(2, 2) on 1x1x4x4", "Linear(8, 8) on 1x8"] * 2
    for row in result["rows"]:
        ours = row["engines"]["swiftnn"]
        assert len(ours["samples"]) == len(row["limit"]["flops_per_second"]) == 2
        assert all(value > 0 for value in (*ours["samples"], *row["limit"]["flops_per_second"], *row["limit"]["memory_seconds"]))
        assert 0 <= ours["error"] < 1e-6
        assert ours["resident_bytes"]["peak"] > 0
        assert row["best_peer"] is None
    assert result["about"]["swiftnn"].startswith(f"swiftnn {nn.__version__}")


def test_peers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    hidden = ("torch", "onnx", "onnxruntime", "openvino", "jax")
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, package=None: None if name in {hidden} else find(name, package)\n"
    )
    path = os.pathsep.join([str(PACKAGE), str(tmp_path)])
    cells = ["--cells", "article", "--only", "on 1x8", "--threads", "1", "--markdown"]
    run_ = run(*cells, "--rounds", "1", "--seconds", "0.001", PYTHONPATH=path)
    assert run_.returncode == 0, run_.stderr
    names = ("PyTorch: torch", "torch.compile: torch", "ONNX Runtime: onnxruntime and onnx", "OpenVINO: openvino and onnx", "JAX: jax")
    for name in names:
        assert f"- left out: {name} not installed (pip install " in run_.stdout
    assert "| Linear(8, 8) on 1x8 |" in run_.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "this process may use 1 to"),
        (["--threads", "many"], "numbers or all, got many"),
        (["--rounds", "0"], "--rounds has to be at least 1"),
        (["--only", "("], "no regular expression"),
        (["--only", "no such cell"], "no cell of table matches 'no such cell'"),
        (["--cells", "alexnet"], "invalid choice: 'alexnet'"),
    ],
)
def test_refusals(arguments: list[str], message: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2 and message in refused.stderr


def test_list() -> None:
    listed = run("--cells", "table", "--list")
    assert listed.returncode == 0
    assert "table: Conv2d(3, 64, 3, padding=1) on 16x3x224x224" in listed.stdout.splitlines()


@pytest.mark.parametrize("name", LISTS)
def test_cells_are_well_formed(name: str) -> None:
    """The layers can be made, their weights are those that the work counts, and JSON brings the cells over unchanged."""
    for cell in cells(name):
        assert Cell.from_json(json.loads(json.dumps(cell.as_json()))) == cell
        work = cell.work
        assert work.flops >= 0 and work.read > 0 and work.written > 0 and cell.count > 0, cell.name
        if work.read > 2**22 and cell.layer != "Transformer":
            continue  # slow to make; the smaller ones have the same parts
        layer = getattr(nn, cell.layer)(*cell.args, **cell.options)
        weights = sum(value.size for value in layer.state_dict().values())
        given = sum(int(np.prod(shape)) for shape in cell.shapes)
        assert work.read + sum(n for n, _ in work.rereads) == weights + given, cell.name


@pytest.mark.parametrize(
    "name",
    [
        "Conv2d(3, 64, 3, padding=1) on 1x3x32x32",
        "MaxPool2d(2, (2, 1), (0, 1)) on 1x256x8x32",
        "AdaptiveAvgPool2d(1) on 1x2048x7x7",
        "LSTM(512, 256, 1, bidirectional=True) on 33x1x512",
        "Linear(512, 37) on 33x1x512",
        "MultiheadAttention(512, 8, need_weights=False) on 10x1x512",
        "TransformerDecoderLayer(512, 8) on 20x1x512, 10x1x512",
    ],
)
def test_work_counts_the_result(name: str) -> None:
    cell = next(cell for cell in EVERY if cell.name == name)
    engine = Ours()
    result = engine.output(engine.prepare(cell)())
    assert result.size == cell.work.written and result.dtype == cell.dtype


def test_models_have_all_their_layers() -> None:
    def convolutions(name: str, batch: int) -> list[Cell]:
        return [cell for cell in cells(name) if cell.layer == "Conv2d" and cell.shapes[0][0] == batch]

    resnet, mobilenet = convolutions("resnet50", 1), convolutions("mobilenetv2", 1)
    assert sum(cell.count for cell in resnet) == 53
    assert sum(cell.count for cell in mobilenet) == 52
    # 4.1 and 0.30 billion multiply-adds, as their papers say
    assert sum(cell.count * cell.work.flops for cell in resnet) == pytest.approx(2 * 4.09e9, rel=0.01)
    assert sum(cell.count * cell.work.flops for cell in mobilenet) == pytest.approx(2 * 0.30e9, rel=0.01)
    # BERT-base: 85 million weights in its twelve layers
    layer = next(cell for cell in cells("bert") if cell.layer == "TransformerEncoderLayer" and cell.shapes[0][0] == 1)
    assert layer.count * (layer.work.read - 128 * 768) == pytest.approx(85e6, rel=0.01)
    shapes = {cell.name for name in ("table", "article") for cell in cells(name)}
    assert "Transformer(512, 8, 6, 6) on 128x8x512, 128x8x512" in shapes and "LSTM(256, 512, 2) on 128x1x256" in shapes


def test_curves_have_the_odd_sizes_and_their_neighbours() -> None:
    points: dict[str, set[int]] = {}
    for cell in cells("scaling"):
        points.setdefault(cell.curve, set()).add(cell.size)
    axes = {curve.rpartition(", ")[2] for curve in points}
    assert axes >= {"batch", "image size", "sequence length", "hidden size", "channels"}
    for curve, sizes in points.items():
        if not curve.endswith("batch"):
            assert sizes >= {*scaling.ODD, *scaling.ODD.values()}, curve


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU"])
def test_other_engines_have_the_same_recurrent_weights(layer: str) -> None:
    cell = Cell(layer, (3, 4, 2), ((5, 2, 3),), {"bidirectional": True})
    parameters = Ours().prepare(cell).func.state_dict()
    for k, both in enumerate(directions(cell)):
        assert [d.reverse for d in both] == [False, True]
        for weights, suffix in zip(both, (f"_l{k}", f"_l{k}_reverse")):
            for name in ("w_ih", "w_hh", "b_ih", "b_hh"):
                stored = f"{'weight' if name[0] == 'w' else 'bias'}{name[1:]}{suffix}"
                assert np.array_equal(parameters[stored], getattr(weights, name)), stored


def test_attention_gets_its_input_three_times() -> None:
    cell = next(cell for cell in EVERY if cell.layer == "MultiheadAttention")
    given = inputs(cell)
    assert [x is given[0] for x in arguments(cell, given)] == [True] * 3


def test_multiply_adds_count_what_they_do() -> None:
    count = ctypes.CDLL(str(Path(_native.__file__).with_name("libSwiftNN.so"))).snn_multiply_adds
    count.restype, count.argtypes = ctypes.c_double, [ctypes.c_int32, ctypes.c_int64]
    lanes = {"base": 4, "avx2": 8, "avx512": 16}[_native.isa()]
    assert count(0, 10) == 2 * 12 * lanes * 10
    assert count(1, 10) == 2 * 12 * lanes // 2 * 10
    assert count(2, 10) == count(0, 0) == count(0, -1) == 0


def test_every_engine_says_how_to_get_it() -> None:
    for name in engines.PEERS:
        assert engines.ENTRIES[name].install.startswith("pip install ")


def test_costs_beside_those_of_round_neighbours() -> None:
    def row(size: int, seconds: float) -> Row:
        cell = Cell("MaxPool2d", (2, 2), ((1, 1, 2, size),), curve="width", size=size)
        return Row(cell, 1, {engines.OURS: Seen([seconds, 100.0, seconds])})

    moved = {size: row(size, 0.0).bytes_moved for size in (31, 32, 64)}
    rows = [row(31, 3e-9 * moved[31]), row(32, 2e-9 * moved[32]), row(64, 5e-9 * moved[64])]
    points = scaling.curves(rows)["width"]
    assert scaling.odd_sizes(points) == {31: pytest.approx(1.5)}
    assert scaling.largest_step(points) == (64, pytest.approx(2.5))
    assert "31 1.50!" in scaling.summary(rows)[0]


def test_ratios_are_of_one_round() -> None:
    """The machine is half as fast in the second round; the peer is always twice as slow."""
    cell = cells("article")[0]
    row = Row(cell, 1, {engines.OURS: Seen([1.0, 2.0, 1.0], error=0.0), "torch": Seen([2.0, 4.0, 2.0], error=1.0)})
    row.peaks, row.bandwidths = [1e12] * 3, [dict(copy=1e12, read=1e12, write=1e12)] * 3
    row.reread_seconds = [0.0] * 3
    assert row.ratio("torch") == 2.0 and row.best_peer() == "torch" and row.ratio("jax") is None
    assert row.share_of_limit("torch") == pytest.approx(row.share_of_limit() / 2)
    assert "no peer is ahead on any cell" in report.summary([row])
    row.seen["torch"].samples = [0.5, 1.0, 0.5]
    assert any(line.startswith("ahead: PyTorch on Conv2d(3, 64, 3") for line in report.summary([row]))
