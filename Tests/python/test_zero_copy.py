"""No array is copied on the way in, and results own fresh memory that goes back when they die."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn
from layouts import AS_THEY_ARE, COPIED_ONCE
from modules import module_of, run
from specs import LAYERS, Layer
from swiftnn import _native

# Layers that hand the caller's array on, or another view of it, as PyTorch's do
VIEWS = {"Identity", "Flatten", "Unflatten", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"}
VIEWS |= {"AlphaDropout", "FeatureAlphaDropout"}
# Layers that NumPy computes
VIEWS |= {"PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "CosineSimilarity", "PairwiseDistance", "GLU", "Tanhshrink", "RReLU"}
VIEWS |= {"LPPool1d", "LPPool2d", "LPPool3d", "LocalResponseNorm", "CrossMapLRN2d", "FractionalMaxPool2d", "FractionalMaxPool3d"}
# Layers whose results NumPy puts together
VIEWS |= {"Conv3d", "ConvTranspose3d"}
COMPUTING = [row for row in LAYERS if row.name not in VIEWS and "inplace" not in row.options]
computing = pytest.mark.parametrize("row", COMPUTING, ids=lambda row: row.id)

# Large enough that a copy shows beside everything else a call allocates
LARGE = {
    "Conv2d": (lambda: nn.Conv2d(in_channels=3, out_channels=64, kernel_size=3, stride=1, padding=1), (4, 3, 112, 112)),
    "MaxPool2d": (lambda: nn.MaxPool2d(kernel_size=2, stride=2), (4, 16, 96, 96)),
    "LSTM": (lambda: nn.LSTM(input_size=64, hidden_size=16), (256, 32, 64)),
    "GRU, batch first": (lambda: nn.GRU(64, 16, batch_first=True), (256, 32, 64)),
    "MultiheadAttention": (lambda: nn.TransformerEncoderLayer(d_model=32, nhead=4, dim_feedforward=32), (128, 128, 32)),
    "Linear": (lambda: nn.Linear(256, 8), (4096, 256)),
    "LayerNorm": (lambda: nn.LayerNorm(256), (4096, 256)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(16).eval(), (8, 16, 96, 96)),
    "Softmax": (lambda: nn.Softmax(dim=1), (64, 32, 256)),
    "GELU": (lambda: nn.GELU(), (64, 32, 256)),
    "PReLU": (lambda: nn.PReLU(32), (64, 32, 256)),
}


@computing
def test_results_own_aligned_writeable_memory(row: Layer) -> None:
    for result in run(row, module_of(row)):
        assert result.flags.c_contiguous and result.flags.writeable and result.flags.aligned
        # An unbatched result is the batched one without its dimension of 1: a view of the whole of it
        owner = result if result.base is None else result.base
        assert owner.flags.owndata and owner.nbytes == result.nbytes
        if row.desc.endswith("packed, unsorted") or row.name.endswith("Loss"):
            continue  # NumPy puts the states back into the caller's order, and makes some losses out of operators
        assert result.ctypes.data % 64 == 0
        assert _native.allocated_by_us(owner)


@computing
def test_no_layout_is_converted(row: Layer) -> None:
    module = module_of(row)
    for name, layout in AS_THEY_ARE.items():
        before = _native.copies()
        run(row, module, layout)
        assert _native.copies() == before, name


@pytest.mark.parametrize("layout", COPIED_ONCE)
def test_what_must_be_converted_is_converted_once(layout: str) -> None:
    x = COPIED_ONCE[layout](np.ones((4, 5), np.float32))
    module = nn.Linear(5, 6)
    before = _native.copies()
    module(x)
    assert _native.copies() == before + 1


@pytest.mark.parametrize("x", [np.ones((4, 5), np.float16), np.ones((4, 5), np.int32), [[1.0] * 5] * 4], ids=["float16", "int32", "list"])
def test_other_numbers_are_converted_once(x) -> None:
    module = nn.Linear(5, 6)
    before = _native.copies()
    y = module(x)
    assert y.dtype == np.float32 and _native.copies() == before + 1
    np.testing.assert_array_equal(y, module(np.ones((4, 5), np.float32)))


@pytest.mark.parametrize("layout", ["contiguous", *AS_THEY_ARE])
@pytest.mark.parametrize("name", LARGE)
def test_numpy_allocates_nothing_the_size_of_the_input(name: str, layout: str) -> None:
    """Memory growth: NumPy reports its arrays to tracemalloc; what the kernels take is in memory_stats."""
    make, shape = LARGE[name]
    module = make()
    x = AS_THEY_ARE.get(layout, np.ascontiguousarray)(np.random.default_rng(0).standard_normal(shape, np.float32))
    module(x)
    tracemalloc.start()
    try:
        y = module(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 4, f"{peak} bytes allocated beside an input of {x.nbytes}"
    del y


@pytest.mark.parametrize("name", LARGE)
def test_memory_goes_back_and_is_used_again(name: str) -> None:
    make, shape = LARGE[name]
    module, x = make(), np.zeros(shape, np.float32)

    def loop() -> dict[str, int]:
        for _ in range(5):
            y = module(x)
        del y
        gc.collect()
        return nn.memory_stats()

    before, after = loop(), loop()
    assert after["blocks_in_use"] == before["blocks_in_use"]
    assert after["bytes_in_use"] == before["bytes_in_use"]
    assert after["blocks_from_system"] == before["blocks_from_system"], "a steady loop takes fresh memory from the system"
    assert after["blocks_reused"] > before["blocks_reused"]


def test_release_memory() -> None:
    y = nn.ReLU()(np.ones((1024, 1024), np.float32))
    held = nn.memory_stats()["bytes_in_use"]
    assert held >= y.nbytes
    del y
    gc.collect()
    assert nn.memory_stats()["bytes_cached"] >= 4 << 20
    assert nn.release_memory() >= 4 << 20
    assert nn.memory_stats()["bytes_cached"] == 0
    assert (nn.ReLU()(np.ones(5, np.float32)) == 1).all()


def test_results_stay_when_others_are_made() -> None:
    module = nn.Linear(8, 8)
    xs = [np.full((4, 8), i, np.float32) for i in range(20)]
    ys = [module(x) for x in xs]
    copies = [y.copy() for y in ys]
    del ys[::2]
    more = [module(x + 100) for x in xs]
    for y, copy in zip(ys, copies[1::2]):
        np.testing.assert_array_equal(y, copy)
    assert len({y.ctypes.data for y in [*ys, *more]}) == len(ys) + len(more)


def test_a_view_of_a_result_keeps_it_alive() -> None:
    row = nn.ReLU()(np.ones((64, 64), np.float32))[3]
    gc.collect()
    for _ in range(10):
        nn.ReLU()(np.full((64, 64), 7, np.float32))
    assert (row == 1).all()


def test_results_can_be_resized_like_any_array() -> None:
    """ndarray.resize goes through the allocator's realloc."""
    y = nn.ReLU()(np.arange(10, dtype=np.float32))
    y.resize(1000, refcheck=False)
    np.testing.assert_array_equal(y[:10], np.arange(10))
    assert (y[10:] == 0).all()


def test_a_read_only_file_is_read_where_it_lies(tmp_path: Path) -> None:
    """The pages of a map without write permission: a kernel that wrote to its input would die here."""
    data = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    data.tofile(tmp_path / "x")
    x = np.memmap(tmp_path / "x", np.float32, "r", shape=data.shape)
    module = nn.Conv2d(3, 4, 3)
    before = _native.copies()
    y = module(x)
    assert _native.copies() == before
    np.testing.assert_array_equal(y, module(data))
    assert type(y) is np.ndarray


def test_parameters_share_the_memory_they_are_made_of() -> None:
    weight = np.ones((3, 2), np.float32)
    module = nn.Linear(2, 3, bias=False)
    module.weight = nn.Parameter(weight)
    assert np.shares_memory(module.state_dict()["weight"], weight)
    assert module.weight.numpy() is weight or np.shares_memory(module.weight.numpy(), weight)
    x = np.ones((1, 2), np.float32)
    assert (module(x) == 2).all()
    weight[...] = 5
    assert (module(x) == 10).all()


def test_broadcast_arrays_are_read_as_they_are() -> None:
    x = np.broadcast_to(np.arange(5, dtype=np.float32), (7, 5))
    assert x.strides[0] == 0
    module = nn.Linear(5, 6)
    before = _native.copies()
    y = module(x)
    assert _native.copies() == before
    np.testing.assert_array_equal(y, module(x.copy()))


def test_dlpack_shares_memory() -> None:
    y = nn.ReLU()(np.ones((3, 4), np.float32))
    assert np.from_dlpack(y).ctypes.data == y.ctypes.data
    tensor = nn.Tensor(y)
    assert np.from_dlpack(tensor).ctypes.data == y.ctypes.data
    assert np.asarray(tensor).ctypes.data == y.ctypes.data
