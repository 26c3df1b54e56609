"""Shapes that nobody has chosen: drawn at random, the same ones every time, from what people build small and middle-sized models of."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .cells import Cell

# Multiply-adds of a cell, so that none takes long.
LARGEST = 4e8
CHANNELS = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 72, 80, 96, 100, 112, 128, 160, 192, 200, 256, 320, 384, 480, 512)
SIZES = (
    *(5, 7, 8, 10, 12, 14, 15, 16, 19, 20, 24, 26, 28, 30, 32, 35, 38, 40, 48, 50),
    *(56, 60, 64, 75, 80, 96, 100, 112, 128, 150, 160, 200, 224),
)
BATCHES = (1, 1, 1, 2, 3, 4, 6, 8, 10, 16, 32)


def _convolution(draw: random.Random) -> Cell:
    n, c, o, h = draw.choice(BATCHES), draw.choice(CHANNELS), draw.choice(CHANNELS), draw.choice(SIZES)
    w = draw.choice((h, h, h, draw.choice(SIZES)))
    r = draw.choice((1, 1, 2, 3, 3, 3, 3, 4, 5, 5, 7))
    s = draw.choice((r, r, r, r, draw.choice((1, 3, 5))))
    options: dict[str, object] = {"stride": draw.choice((1, 1, 1, 1, 2, 2, 3))}
    options["padding"] = draw.choice(((r // 2, s // 2), (r // 2, s // 2), 0))
    if r == s == 3 and draw.random() < 0.15:
        options["dilation"], options["padding"] = 2, 2
    kind = draw.random()
    if kind < 0.15:
        o, options["groups"] = c, c
    elif kind < 0.25 and c % 4 == 0 and o % 4 == 0:
        options["groups"] = 4
    return Cell("Conv2d", (c, o, (r, s)), ((n, c, h, w),), options)


def _pooling(draw: random.Random) -> Cell:
    n, c, h, w = draw.choice(BATCHES), draw.choice(CHANNELS), draw.choice(SIZES), draw.choice(SIZES)
    window = draw.choice((2, 2, 3, 3, 4, 5))
    return Cell("MaxPool2d", (window, draw.choice((1, 2, 2, 3, window)), draw.choice((0, window // 2))), ((n, c, h, w),))


def _linear(draw: random.Random) -> Cell:
    features = (5, 10, 16, 30, 50, 64, 84, 100, 120, 128, 200, 256, 300, 400, 512, 784, 1000, 1024, 1500, 2048)
    i, o = draw.choice(features), draw.choice(features)
    return Cell("Linear", (i, o), ((draw.choice((1, 1, 2, 3, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256)), i),))


def _recurrent(draw: random.Random) -> Cell:
    i = draw.choice((1, 3, 8, 13, 28, 40, 64, 80, 100, 128, 256))
    h = draw.choice((8, 16, 24, 32, 48, 50, 64, 100, 128, 150, 200, 256, 300, 400))
    t, b = draw.choice((1, 5, 10, 20, 28, 50, 100)), draw.choice((1, 1, 2, 4, 5, 8, 16, 20, 32, 64))
    options = {"bidirectional": True} if draw.random() < 0.3 else {}
    return Cell(draw.choice(("RNN", "LSTM", "GRU")), (i, h, draw.choice((1, 1, 2, 3))), ((t, b, i),), options)


def _attention(draw: random.Random) -> Cell:
    e = draw.choice((32, 48, 64, 96, 128, 192, 256, 320, 384, 512, 768))
    nh = draw.choice([heads for heads in (1, 2, 4, 6, 8, 12) if e % heads == 0])
    s, b = draw.choice((1, 5, 10, 16, 24, 32, 50, 64, 77, 100, 128, 197, 256)), draw.choice((1, 1, 2, 4, 8))
    if draw.random() < 0.4:
        return Cell("MultiheadAttention", (e, nh), ((s, b, e),), call={"need_weights": False})
    return Cell("TransformerEncoderLayer", (e, nh, draw.choice((2, 4)) * e), ((s, b, e),))


def _rows(draw: random.Random) -> Cell:
    e = draw.choice((10, 16, 31, 50, 64, 100, 128, 200, 256, 300, 512, 768, 1000, 1024, 3072))
    shape = (draw.choice(BATCHES), draw.choice((1, 5, 10, 32, 50, 100, 128)), e)
    layer = draw.choice(("LayerNorm", "Softmax", "GELU", "ReLU"))
    return Cell(layer, {"LayerNorm": (e,), "Softmax": (-1,)}.get(layer, ()), (shape,))


# layer: how many of them
KINDS = {_convolution: 80, _pooling: 20, _linear: 20, _recurrent: 40, _attention: 20, _rows: 20}


def strangers(seed: int = 0) -> Iterator[Cell]:
    for kind, count in KINDS.items():
        draw = random.Random(f"{kind.__name__} {seed}")
        while count:
            cell = kind(draw)
            try:
                small = cell.work.written > 0 and cell.work.flops <= LARGEST
            except ValueError:
                continue
            if small and _fits(cell):
                count -= 1
                yield cell


def _fits(cell: Cell) -> bool:
    """Whether a window is no larger than its image with the border."""
    if cell.layer not in ("Conv2d", "MaxPool2d"):
        return True
    window = cell.args[2] if cell.layer == "Conv2d" else (cell.args[0],) * 2
    dilation = cell.options.get("dilation", 1)
    return all(dilation * (k - 1) < size for k, size in zip(window, cell.shapes[0][2:]))
