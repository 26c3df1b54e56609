"""Results beyond the caches are written past them: the same bits as in small pieces, which are not."""

from __future__ import annotations

import numpy as np
import pytest

import swiftnn as nn

F = nn.functional


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "padding"), [((224, 224), 1), ((129, 256), 0), ((181, 223), 1)])
def test_conv2d(size: tuple[int, int], padding: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    weight, bias = rng.standard_normal((64, 3, 3, 3)).astype(dtype), rng.standard_normal(64).astype(dtype)
    whole = F.conv2d(x, weight, bias, padding=padding)
    assert whole.nbytes > 8 << 20
    for o in range(0, 64, 4):
        piece = F.conv2d(x[:1], weight[o : o + 4], bias[o : o + 4], padding=padding)
        np.testing.assert_array_equal(whole[:1, o : o + 4], piece)
    np.testing.assert_array_equal(whole[1:], F.conv2d(x[1:], weight, bias, padding=padding))
