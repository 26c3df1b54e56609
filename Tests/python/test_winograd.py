"""Winograd's algorithm for convolutions: its switch, its accuracy, what it does to NaN."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import swiftnn as nn
import swiftnn.functional as F
from Reference.conv import conv_forward


@pytest.fixture(autouse=True)
def same_choice() -> Iterator[None]:
    before = nn.get_winograd()
    yield
    nn.set_winograd(before)


def _data(channels: int, size: int, positive: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, channels, size, size)).astype(np.float32)
    weight = (rng.uniform(-1, 1, (32, channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32)
    return np.abs(x) if positive else x, weight


def _directly(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    nn.set_winograd(False)
    try:
        return F.conv2d(x, weight, padding=1)
    finally:
        nn.set_winograd(True)


def test_the_switch_changes_the_algorithm() -> None:
    x, weight = _data(64, 13)
    nn.set_winograd(True)
    assert nn.get_winograd() is True
    with_it = F.conv2d(x, weight, padding=1)
    nn.set_winograd(False)
    assert nn.get_winograd() is False
    without = F.conv2d(x, weight, padding=1)
    assert with_it.tobytes() != without.tobytes()
    np.testing.assert_allclose(with_it, without, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("value", "expected"), [("0", "False"), ("1", "True"), ("", "True")])
def test_the_environment_sets_the_default(value: str, expected: str) -> None:
    environment = {**os.environ, "SWIFTNN_WINOGRAD": value, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = "import swiftnn as nn; print(nn.get_winograd())"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("positive", [False, True], ids=["centred", "positive"])
@pytest.mark.parametrize(("channels", "size"), [(16, 40), (64, 28), (256, 14), (512, 10)])
def test_rounding_errors(channels: int, size: int, positive: bool) -> None:
    """At most four times those of sums over 3x3 windows in float32 whose parts, 16 channels each, are added up."""
    x, weight = _data(channels, size, positive)
    exact = F.conv2d(x.astype(np.float64), weight.astype(np.float64), padding=1)
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
    sums = np.zeros((32, size, size), np.float32)
    for first in range(0, channels, 16):
        part = np.zeros_like(sums)
        for c in range(first, first + 16):
            for r in range(3):
                for s in range(3):
                    part += weight[:, c, r, s, None, None] * padded[c, r : r + size, s : s + size]
        sums += part
    mine = np.abs(F.conv2d(x, weight, padding=1) - exact).max()
    assert mine <= 4 * np.abs(sums - exact[0]).max()


@pytest.mark.parametrize(("channels", "size", "images"), [(16, 9, 2), (64, 28, 8), (40, 14, 3)])
def test_rounding_errors_of_gradients(channels: int, size: int, images: int) -> None:
    """Those of the filters and of the input: at most six times the ones of the direct computation."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((images, channels, size, size))
    weight = rng.uniform(-1, 1, (32, channels, 3, 3)) / np.sqrt(9 * channels)
    dy = rng.standard_normal((images, 32, size, size))

    def gradients(dtype: type, winograd: bool) -> list[np.ndarray]:
        nn.set_winograd(winograd)
        tensors = [nn.Tensor(a.astype(dtype), requires_grad=True) for a in (x, weight)]
        F.conv2d(*tensors, padding=1).backward(dy.astype(dtype))
        return [tensor.grad for tensor in tensors]

    for exact, mine, direct in zip(gradients(np.float64, False), gradients(np.float32, True), gradients(np.float32, False)):
        assert mine.tobytes() != direct.tobytes()
        assert np.abs(mine - exact).max() <= 6 * np.abs(direct - exact).max()
    for exact, mine in zip(gradients(np.float64, False), gradients(np.float64, True)):
        np.testing.assert_allclose(mine, exact, rtol=0, atol=1e-13 * np.abs(exact).max())


def test_training_keeps_one_version_of_the_filters() -> None:
    """What is kept of the filters from forward to backward goes with their version."""
    nn.set_winograd(True)
    conv = nn.Conv2d(64, 64, 3, padding=1)
    x = nn.Tensor(np.ones((1, 64, 8, 8), np.float32), requires_grad=True)
    optimizer = nn.optim.SGD(conv.parameters(), lr=0.1)
    held = []
    for _ in range(4):
        optimizer.zero_grad()
        conv(x).sum().backward()
        held.append(nn.memory_stats()["bytes_in_use"])
        optimizer.step()
    assert held[1] == held[2] == held[3]


def test_a_nan_reaches_the_tiles_that_see_it_and_no_others() -> None:
    x, weight = _data(32, 20)
    clean = F.conv2d(x, weight, padding=1)
    x[0, 3, 9, 9] = np.nan
    direct = np.isnan(_directly(x, weight))
    assert direct.sum() == 32 * 9
    y = F.conv2d(x, weight, padding=1)
    assert np.isnan(y)[direct].all()
    inside = np.zeros((20, 20), bool)
    inside[8:12, 8:12] = True
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(inside, y.shape))
    np.testing.assert_array_equal(y[..., ~inside], clean[..., ~inside])


@pytest.mark.parametrize("positive", [False, True], ids=["centred", "positive"])
@pytest.mark.parametrize(("channels", "size"), [(2, 40), (3, 224), (3, 61), (8, 48), (15, 40)])
def test_rounding_errors_along_rows(channels: int, size: int, positive: bool) -> None:
    """Of few channels: at most three times those of the direct computation."""
    x, weight = _data(channels, size, positive)
    exact = F.conv2d(x.astype(np.float64), weight.astype(np.float64), padding=1)
    mine, direct = F.conv2d(x, weight, padding=1), _directly(x, weight)
    assert mine.tobytes() != direct.tobytes()
    assert np.abs(mine - exact).max() <= 3 * np.abs(direct - exact).max()


ANY_ROWS = {
    "ResNet's first": ((1, 3, 60, 64), (64, 3, 7, 7), dict(stride=2, padding=3)),
    "AlexNet's first": ((1, 3, 63, 255), (64, 3, 11, 11), dict(stride=4, padding=2)),
    "5x5 on images": ((3, 6, 20, 64), (16, 6, 5, 5), dict(padding=2)),
    "rows of nine, dilated below each other": ((2, 4, 40, 66), (32, 4, 3, 9), dict(padding=(0, 4), dilation=(3, 1))),
    "strides of three and two": ((1, 4, 41, 67), (40, 4, 5, 6), dict(stride=(3, 1), padding=(1, 2))),
    "a border wider than the filter": ((1, 3, 9, 20), (32, 3, 6, 6), dict(stride=1, padding=(3, 22))),
    "cropped columns": ((1, 2, 70, 144), (64, 2, 9, 9), dict(stride=(1, 2), padding=(0, 3, 40, 1))),
}


@pytest.mark.parametrize("name", ANY_ROWS)
def test_filters_of_any_columns_along_rows(name: str) -> None:
    """Correct, errors at most four times those of the direct computation, the same bits for any number of threads and layout."""
    shape, filters, options = ANY_ROWS[name]
    rng = np.random.default_rng(5)
    x, bias = rng.standard_normal(shape, dtype=np.float32), rng.standard_normal(filters[0], dtype=np.float32)
    weight = (rng.standard_normal(filters) / np.sqrt(np.prod(filters[1:]))).astype(np.float32)
    given = {key: (v if isinstance(v, tuple) else (v, v)) for key, v in options.items()}
    exact = conv_forward(x.astype(np.float64), weight.astype(np.float64), bias.astype(np.float64), **given)
    for dtype in (np.float32, np.float64):
        arguments = [a.astype(dtype) for a in (x, weight, bias)]
        nn.set_winograd(True)
        mine = F.conv2d(*arguments, **options)
        nn.set_winograd(False)
        direct = F.conv2d(*arguments, **options)
        nn.set_winograd(True)
        assert mine.tobytes() != direct.tobytes()
        if dtype == np.float32:
            assert np.abs(mine - exact).max() <= 4 * np.abs(direct - exact).max()
        else:
            np.testing.assert_allclose(mine, exact, rtol=0, atol=1e-14 * np.abs(exact).max())
        last = np.ascontiguousarray(arguments[0].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for threads in (1, 2, 3, 5):
            nn.set_num_threads(threads)
            np.testing.assert_array_equal(F.conv2d(last, *arguments[1:], **options), mine)


def test_one_weight_with_several_strides() -> None:
    """What is kept of a weight says for which stride."""
    rng = np.random.default_rng(6)
    weight = nn.Parameter(rng.standard_normal((64, 3, 7, 7), dtype=np.float32))
    x = rng.standard_normal((1, 3, 70, 128), dtype=np.float32)
    for _ in range(3):
        for stride in (1, 2, (1, 2)):
            steps = (stride, stride) if isinstance(stride, int) else stride
            expected = conv_forward(x.astype(np.float64), weight.numpy().astype(np.float64), stride=steps)
            got = F.conv2d(nn.Tensor(x), weight, stride=stride).numpy()
            np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_a_nan_reaches_tiles_along_rows() -> None:
    x, weight = _data(3, 40)
    x[0, 1, 9, 9] = np.nan
    inside = np.zeros((40, 40), bool)
    inside[8:11, 8:12] = True
    np.testing.assert_array_equal(np.isnan(F.conv2d(x, weight, padding=1)), np.broadcast_to(inside, (1, 32, 40, 40)))
    assert np.isnan(_directly(x, weight)).sum() == 32 * 9


def test_results_beyond_the_caches_are_those_of_small_ones() -> None:
    """Written past the caches: the same bits as a part of the image alone."""
    x, weight = _data(3, 296)
    whole = F.conv2d(x, np.concatenate([weight] * 2), padding=1)
    assert whole.nbytes > 2**24
    part = F.conv2d(x[:, :, :61], weight, padding=1)
    np.testing.assert_array_equal(whole[:, :32, :60], part[:, :, :60])
    np.testing.assert_array_equal(whole[:, 32:], whole[:, :32])


def test_other_convolutions_are_direct() -> None:
    x, weight = _data(32, 12)
    for options in (dict(stride=2), dict(dilation=3), dict(stride=(1, 2)), dict(dilation=2, stride=2)):
        nn.set_winograd(True)
        y = F.conv2d(x, weight, **options)
        nn.set_winograd(False)
        assert F.conv2d(x, weight, **options).tobytes() == y.tobytes()


def test_dilated_convolutions_are_asked_as_well() -> None:
    x, weight = _data(32, 28)
    for options in (dict(dilation=2), dict(dilation=(1, 3), padding=(0, 3)), dict(dilation=2, padding=2)):
        nn.set_winograd(True)
        y = F.conv2d(x, weight, **options)
        nn.set_winograd(False)
        direct = F.conv2d(x, weight, **options)
        assert direct.tobytes() != y.tobytes()
        np.testing.assert_allclose(y, direct, rtol=0, atol=4e-6 * float(np.abs(direct).max()))
