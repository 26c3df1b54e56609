"""Each way of computing a convolution, against the reference: which one is taken depends on the shape (windows in place or gathered, whole
rows of vectors or not, one chain or several), and none of them may change a bit or read beyond an array."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import swiftnn as nn
import swiftnn.functional as F
from Reference import conv as reference

# (channels, filters, groups), size, kernel, stride, padding, dilation
SHAPES = [
    # whole rows of vectors: without a copy of the image, with a border, strided, several chains
    ((3, 20, 1), (6, 34), (3, 3), (1, 1), (0, 0), (1, 1)),
    ((3, 20, 1), (9, 32), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((3, 64, 1), (30, 64), (7, 7), (2, 2), (3, 3), (1, 1)),
    ((30, 28, 1), (7, 16), (3, 5), (1, 1), (1, 2), (1, 1)),
    # others: the columns between rows are no outputs
    ((4, 20, 1), (20, 21), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((4, 20, 1), (21, 29), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((5, 13, 1), (25, 28), (4, 2), (3, 2), (2, 1), (2, 1)),
    ((32, 40, 2), (23, 30), (3, 3), (1, 2), (1, 1), (1, 2)),
    ((24, 52, 1), (19, 50), (5, 3), (2, 3), (2, 0), (1, 1)),
    # many filters and several chains, and images so small that they share panels: gathered
    ((40, 70, 1), (12, 13), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((8, 30, 1), (5, 5), (3, 3), (2, 1), (1, 1), (1, 1)),
    # few columns of few channels, and more filters than whole panels
    ((3, 61, 1), (16, 61), (3, 3), (1, 1), (1, 1), (1, 1)),
    # few tiles of many channels: one thread transforms filters on the way
    ((410, 300, 1), (5, 4), (3, 3), (1, 1), (1, 1), (1, 1)),
    # pixels as rows, read in place: a few more than whole tiles, in whatever part of one; and channels that fill two or three panels
    ((32, 128, 1), (6, 6), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((24, 160, 1), (7, 7), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((24, 100, 1), (9, 9), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((48, 256, 1), (4, 11), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((70, 96, 1), (15, 15), (5, 5), (2, 2), (2, 2), (1, 1)),
    ((70, 50, 1), (13, 15), (3, 3), (2, 2), (1, 1), (1, 1)),
    # three vectors of tiles of a filter's lines, and more channels than are kept at a time
    ((5, 130, 1), (20, 24), (3, 3), (1, 1), (1, 1), (1, 1)),
    # one row, long and short, of few and of many numbers
    ((3, 12, 1), (1, 333), (1, 9), (1, 4), (0, 4), (1, 3)),
    ((40, 12, 1), (1, 64), (1, 7), (1, 1), (0, 0), (1, 1)),
    ((1, 2, 1), (3, 70), (3, 2), (1, 1), (0, 0), (1, 1)),
    # dilated: a convolution for each residue, of all sizes, of pixels beyond one border or not reached at the other
    ((32, 40, 1), (24, 24), (3, 3), (1, 1), (2, 2), (2, 2)),
    ((33, 35, 1), (17, 30), (3, 3), (1, 1), (5, 1), (3, 2)),
    ((40, 32, 1), (31, 20), (3, 3), (1, 1), (0, 4), (5, 1)),
    ((32, 32, 1), (40, 41), (3, 3), (1, 1), (9, 0), (2, 4)),
    # one row that several tasks share, each of which pads what it sees: strided, dilated, with borders wider than a task
    ((64, 48, 1), (1, 1001), (1, 3), (1, 1), (0, 1), (1, 1)),
    ((20, 70, 1), (1, 1501), (1, 5), (1, 3), (0, 300), (1, 4)),
    ((90, 130, 1), (1, 800), (1, 2), (1, 2), (0, 0), (1, 3)),
    ((16, 24, 2), (1, 40), (1, 7), (1, 1), (0, 650), (1, 2)),
    # several tasks, each of which pads some channels at a time
    ((70, 20, 1), (61, 70), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((40, 100, 1), (64, 64), (5, 2), (1, 1), (2, 0), (1, 1)),
    ((50, 3, 1), (70, 31), (4, 3), (3, 3), (2, 1), (2, 1)),
    # several filters for every channel of images so tall that their rows are cut
    ((1, 3, 1), (150, 33), (1, 3), (1, 2), (2, 1), (3, 3)),
    ((2, 6, 2), (600, 15), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((2, 6, 2), (600, 30), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((2, 8, 2), (300, 2), (1, 1), (2, 2), (3, 3), (1, 1)),
    # one filter or two for every channel of planes narrower than a vector: two rows of outputs together
    ((6, 6, 6), (13, 14), (4, 4), (2, 2), (1, 2), (1, 1)),
    ((3, 6, 3), (8, 15), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((5, 5, 5), (7, 7), (5, 5), (1, 1), (2, 2), (1, 1)),
    ((4, 8, 4), (11, 6), (3, 2), (3, 2), (4, 1), (2, 3)),
    # one 1x1 filter and some more, whose images are rows of pixels
    ((12, 1, 1), (28, 28), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((12, 16, 1), (8, 10), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((200, 5, 1), (16, 13), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((9, 18, 3), (4, 8), (1, 1), (1, 1), (0, 0), (1, 1)),
    # sixteen and a few filters, whose windows are read in place
    ((8, 16, 1), (21, 50), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((4, 19, 1), (20, 64), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((6, 22, 1), (20, 37), (2, 5), (1, 1), (1, 2), (1, 1)),
]


@pytest.mark.parametrize("room", [1, 700, 1 << 20])
@pytest.mark.parametrize("stride", [1, 2])
def test_volumes_in_parts(room: int, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of a volume is gathered at a time, and however many samples there are."""
    from swiftnn.functional import conv

    monkeypatch.setattr(conv, "_GATHERED", room)
    rng = np.random.default_rng(3)
    x, weight, bias = rng.standard_normal((3, 4, 7, 5, 6)), rng.standard_normal((4, 2, 3, 3, 2)), rng.standard_normal(4)
    options = dict(stride=(stride, 1, 2), padding=(2, 1, 0), dilation=(2, 1, 1), groups=2)
    more = (1, 0, 1)
    cases = (
        (nn.functional.conv3d, reference.conv_forward, options, {}),
        (nn.functional.conv_transpose3d, reference.conv_transpose_forward, options, {"output_padding": more}),
    )
    for function, expected, given, extra in cases:
        y = function(x, weight, bias, **given, **extra)
        np.testing.assert_allclose(y, expected(x, weight, bias, **given, **extra), rtol=1e-10, atol=1e-10)
        np.testing.assert_array_equal(y, np.concatenate([function(x[i : i + 1], weight, bias, **given, **extra) for i in range(3)]))
        tensors = [nn.Tensor(a, requires_grad=True) for a in (x, weight, bias)]
        dy = rng.standard_normal(y.shape)
        function(*tensors, **given, **extra).backward(dy)
        # Linear in each of them: the gradient is what the sum changes by.
        for i, tensor in enumerate(tensors):
            step = [rng.standard_normal(a.shape) if i == j else a for j, a in enumerate((x, weight, bias))]
            rest = 0 if i == 2 else expected(*(step[:2]), np.zeros(4), **given, **extra)
            change = np.broadcast_to(step[2].reshape(-1, 1, 1, 1), y.shape) if i == 2 else rest
            assert tensor.grad is not None
            np.testing.assert_allclose((tensor.grad * step[i]).sum(), (dy * change).sum(), rtol=1e-9)


def _ids(shape: object) -> str:
    return str(shape).replace(" ", "")


def _layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    room = np.full((x.shape[0], x.shape[1] + 1, x.shape[2] + 2, 2 * x.shape[3] + 1), np.nan, x.dtype)
    room[:, 1:, 2:, 1::2] = x
    return {
        "contiguous": x,
        "channels last": last,
        "a slice": room[:, 1:, 2:, 1::2],
        "reversed": np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=_ids)
def test_every_path(shape: tuple, dtype: type) -> None:
    (channels, filters, groups), size, kernel, stride, padding, dilation = shape
    rng = np.random.default_rng(5)
    x = rng.standard_normal((3, channels, *size)).astype(dtype)
    weight = rng.standard_normal((filters, channels // groups, *kernel)).astype(dtype)
    bias = rng.standard_normal(filters).astype(dtype)
    expected = reference.conv_forward(x, weight, bias, stride, padding, dilation, groups)
    before = nn.get_num_threads()
    results = {}
    try:
        for threads, (name, array) in itertools.product((1, 2, 5), _layouts(x).items()):
            nn.set_num_threads(threads)
            results[threads, name] = F.conv2d(array, weight, bias, stride, padding, dilation, groups)
        one = np.concatenate([F.conv2d(image[None], weight, bias, stride, padding, dilation, groups) for image in x])
    finally:
        nn.set_num_threads(before)
    y = results[1, "contiguous"]
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= (2e-6 if dtype is np.float32 else 1e-14) * np.abs(expected).max()
    assert all(y.tobytes() == other.tobytes() for other in results.values()), "bits differ between threads or layouts"
    assert y.tobytes() == one.tobytes(), "bits differ between a batch and its images"
    active = F.relu(y)
    layer = nn.Sequential(nn.Conv2d(channels, filters, kernel, stride, padding, dilation, groups), nn.ReLU())
    if dtype is np.float64:
        layer.double()
    layer.load_state_dict({"0.weight": weight, "0.bias": bias})
    assert layer(x).tobytes() == active.tobytes()
