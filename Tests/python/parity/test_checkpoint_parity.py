"""nn.load beside torch.load, and torch.load on what nn.save has written."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import swiftnn as nn
from checkpoint_cases import VARIANTS, assert_equal

KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.int64, torch.int32, torch.int16, torch.int8]
KINDS += [torch.uint8, torch.bool]


def to_numpy(value: Any) -> Any:
    """What nn.load gives for a value that torch.load gives."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        return (value.float() if value.dtype in (torch.float16, torch.bfloat16) else value).numpy()
    if isinstance(value, dict):
        return type(value)((key, to_numpy(entry)) for key, entry in value.items())
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        return type(value)(to_numpy(entry) for entry in value)
    return value


def random_tensor(rng: np.random.Generator) -> torch.Tensor:
    shape = tuple(int(n) for n in rng.integers(0, 5, rng.integers(0, 5)))
    kind = KINDS[rng.integers(len(KINDS))]
    # Random bits, so that NaN with any payload, subnormal numbers and infinities occur.
    size = torch.empty((), dtype=kind).element_size()
    count = int(np.prod(shape, dtype=int))
    bits = rng.integers(0, 2 if kind is torch.bool else 256, count * size, dtype=np.uint8)
    tensor = torch.from_numpy(bits).view(kind).reshape(shape) if count else torch.empty(shape, dtype=kind)
    if tensor.ndim > 1 and rng.random() < 0.5:
        tensor = tensor.permute(*rng.permutation(tensor.ndim).tolist())
    if tensor.ndim and rng.random() < 0.3:
        tensor = tensor[1::2]
    return tensor


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(10))
def test_random_tensors(tmp_path: Path, variant: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    value = OrderedDict((f"t{i}", random_tensor(rng)) for i in range(30))
    path = tmp_path / "x.pt"
    torch.save(value, path, **VARIANTS[variant])
    mine, theirs = nn.load(path), to_numpy(torch.load(path, weights_only=False))
    for name, array in theirs.items():
        if value[name].dtype is torch.float16:
            # A signalling NaN becomes a quiet one in either, as the processor does it.
            assert np.array_equal(mine[name], array, equal_nan=True) and mine[name].dtype == np.float32
        else:
            assert_equal(mine[name], array, name)


MODELS = {
    "transformer": lambda: torch.nn.Transformer(16, 4, 1, 1, 32),
    "lstm": lambda: torch.nn.LSTM(5, 6, 2, bidirectional=True, proj_size=3),
    "image": lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.PReLU()),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
def test_models_and_trainings(tmp_path: Path, name: str, variant: str) -> None:
    model = MODELS[name]()
    for optimizer in (torch.optim.AdamW(model.parameters(), amsgrad=True), torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        state = {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=0.1)}
        torch.save(state, tmp_path / "state.pt", **VARIANTS[variant])
        mine = nn.load(tmp_path / "state.pt")
        assert mine["model"]._metadata == model.state_dict()._metadata
        assert_equal(mine, to_numpy(state | {"args": {"lr": 0.1}}))
    torch.save(model, tmp_path / "model.pt", **VARIANTS[variant])
    assert_equal(nn.load(tmp_path / "model.pt"), to_numpy(OrderedDict(model.state_dict())))
    torch.save({"module": torch.nn.DataParallel(model)}, tmp_path / "model.pt", **VARIANTS[variant])
    assert list(nn.load(tmp_path / "model.pt")["module"]) == [f"module.{key}" for key in model.state_dict()]


def test_pytorch_reads_what_is_saved(tmp_path: Path) -> None:
    kinds = [np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_, np.complex64, np.complex128]
    state = OrderedDict((np.dtype(kind).name, np.arange(12).reshape(3, 4).T.astype(kind)) for kind in kinds)
    state["number"], state["empty"] = np.array(2.5), np.zeros((0, 3))
    tied = np.ones(3)
    value = {"model": state, "epoch": 3, "list": [1, -(2**70), 2**31, 0.1, None, True, "ä", (), (1, ("x",))], 5: [tied, tied]}
    nn.save(tmp_path / "x.pt", value)
    for options in ({}, {"mmap": True}, {"weights_only": False}):
        back = torch.load(tmp_path / "x.pt", **options)
        assert back[5][0].data_ptr() == back[5][1].data_ptr()
        theirs = {key: entry.numpy() for key, entry in back["model"].items()}
        assert_equal(theirs, dict(state))
        assert back["epoch"] == 3 and back["list"] == value["list"] and type(back["model"]) is OrderedDict
        for tensor, array in zip(back["model"].values(), state.values()):
            assert tensor.is_contiguous() and tensor.stride() == torch.empty(array.shape).stride()


def test_bfloat16_round_trip(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.arange(5).astype(ml_dtypes.bfloat16)
    nn.save(tmp_path / "x.pt", {"a": value})
    assert torch.load(tmp_path / "x.pt")["a"].dtype is torch.bfloat16
    for suffix in ("pt", "safetensors"):
        nn.save(tmp_path / f"x.{suffix}", {"a": value})
        assert_equal(nn.load(tmp_path / f"x.{suffix}")["a"], value.astype(np.float32))


@pytest.mark.parametrize(
    ("make", "piece"),
    [
        (lambda: torch.eye(2).to_sparse(), "to_dense()"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "QInt8Storage"),
        (lambda: torch.empty(2, device="meta"), "meta"),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda: torch.ones(2, dtype=torch.complex64).conj(), "resolve_conj"),
        (lambda: torch.optim.SGD([torch.ones(2)], 0.1), "torch.optim.sgd.SGD"),
    ],
    ids=["sparse", "quantized", "meta", "float8", "conj", "optimizer"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_refused_by_name(tmp_path: Path, make: Any, piece: str) -> None:
    torch.save({"a": make()}, tmp_path / "x.pt")
    with pytest.raises(nn.CheckpointError, match=piece.replace("(", r"\(").replace(")", r"\)")):
        nn.load(tmp_path / "x.pt")


def test_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "x.pt")
    with pytest.raises(nn.CheckpointError, match="TorchScript"):
        nn.load(tmp_path / "x.pt")
