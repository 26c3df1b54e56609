"""Edges and blur: classic filters as the weights of nn.Conv2d, then nn.ReLU and nn.MaxPool2d, on a photograph; written as a PNG.

pip install scikit-image
python python/examples/edges_and_blur.py [feature_maps.png]
"""

from __future__ import annotations

import sys

import numpy as np
from common import require

import swiftnn as nn

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
GAUSS = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
IDENTITY = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
FILTERS = {
    "left to right": SOBEL,
    "right to left": -SOBEL,
    "top to bottom": SOBEL.T,
    "bottom to top": -SOBEL.T,
    "Laplace": LAPLACE,
    "minus Laplace": -LAPLACE,
    "blur": GAUSS,
    "sharpen": 2 * IDENTITY - GAUSS,
}
LUMA = np.array([0.299, 0.587, 0.114])  # what red, green and blue add to the brightness


def expected(pixels: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The filter formula on the brightness in float64, cut off at zero, the largest of every 2 x 2 pixels."""
    grey = np.pad(pixels.astype(np.float64) @ LUMA, 1)
    h, w = pixels.shape[:2]
    y = sum(kernel[r, s] * grey[r : r + h, s : s + w] for r in range(3) for s in range(3))
    largest: np.ndarray = np.maximum(y, 0).reshape(h // 2, 2, w // 2, 2).max((1, 3))
    return largest


def main(file: str = "feature_maps.png") -> int:
    require(__doc__, "skimage")
    from skimage import data, io

    pixels = (data.astronaut() / 255).astype(np.float32)
    conv = nn.Conv2d(in_channels=3, out_channels=len(FILTERS), kernel_size=3, stride=1, padding=1, bias=False)
    conv.load_state_dict({"weight": np.stack([f * LUMA[:, None, None] for f in FILTERS.values()])})
    network = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(kernel_size=2, stride=2))

    # (H, W, C) read as (1, C, H, W) through its strides: nothing is copied.
    maps = network(pixels.transpose(2, 0, 1)[None])[0]
    good = True
    for name, kernel, feature in zip(FILTERS, FILTERS.values(), maps):
        off = np.abs(feature - expected(pixels, kernel)).max() / np.abs(feature).max()
        good &= bool(off < 2e-6)
        print(f"{'ok    ' if off < 2e-6 else 'FAILED'} {name:14} {feature.shape}  mean {feature.mean():.4f}  off by {off:.1e}")

    grid = (maps / maps.max((1, 2), keepdims=True)).reshape(2, 4, *maps.shape[1:]).swapaxes(1, 2)
    image = np.rint(255 * grid.reshape(2 * maps.shape[1], -1)).astype(np.uint8)
    io.imsave(file, image, check_contrast=False)
    print(f"{file}: {image.shape[1]} x {image.shape[0]} pixels, {len(maps)} feature maps")
    good &= np.array_equal(io.imread(file), image)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
