"""The shape lists: the table of the project's goals, the article's layers, the layers of six models, and shapes drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .cells import Cell
from .scaling import scaling
from .strangers import strangers


def conv(n: int, c: int, size: int | tuple[int, int], o: int, kernel: int | tuple[int, int], *, count: int = 1, **options: object) -> Cell:
    h, w = (size, size) if isinstance(size, int) else size
    return Cell("Conv2d", (c, o, kernel), ((n, c, h, w),), options, count=count)


def max_pool(n: int, c: int, size: int | tuple[int, int], *args: object) -> Cell:
    h, w = (size, size) if isinstance(size, int) else size
    return Cell("MaxPool2d", args, ((n, c, h, w),))


def recurrent(layer: str, i: int, h: int, layers: int, b: int, t: int, **options: object) -> Cell:
    return Cell(layer, (i, h, layers), ((t, b, i),), options)


def transformer_cell(s: int, t: int, b: int) -> Cell:
    return Cell("Transformer", (512, 8, 6, 6), ((s, b, 512), (t, b, 512)))


def table() -> Iterator[Cell]:
    yield conv(1, 3, 32, 64, 3, padding=1)
    yield conv(1, 3, 224, 64, 3, padding=1)
    yield conv(16, 3, 224, 64, 3, padding=1)
    yield conv(8, 64, 56, 64, 3, padding=1)
    yield conv(1, 256, 14, 256, 3, padding=1)
    yield conv(8, 64, 56, 256, 1)
    yield conv(8, 3, 224, 64, 7, stride=2, padding=3)
    yield conv(8, 128, 56, 128, 3, padding=1, groups=128)
    yield max_pool(1, 64, 224, 2, 2)
    yield max_pool(8, 64, 112, 2, 2)
    for layer in ("RNN", "LSTM"):
        yield recurrent(layer, 10, 20, 2, 1, 5)
        yield recurrent(layer, 10, 20, 2, 32, 100)
        yield recurrent(layer, 256, 512, 2, 16, 128)
        yield recurrent(layer, 256, 512, 2, 1, 128)
    yield transformer_cell(10, 20, 1)
    yield transformer_cell(10, 20, 32)
    yield transformer_cell(128, 128, 8)


def article() -> Iterator[Cell]:
    yield conv(1, 3, 32, 64, 3, padding=1)
    yield conv(1, 3, 224, 64, 3, padding=1)
    yield conv(16, 3, 224, 64, 3, padding=1)
    yield max_pool(1, 1, 4, 2, 2)
    yield max_pool(1, 64, 224, 2, 2)
    yield recurrent("RNN", 10, 20, 2, 1, 5)
    yield recurrent("RNN", 10, 20, 2, 32, 100)
    yield recurrent("RNN", 256, 512, 2, 16, 128)
    yield recurrent("LSTM", 10, 20, 2, 1, 5)
    yield recurrent("LSTM", 10, 20, 2, 32, 100)
    yield recurrent("LSTM", 256, 512, 2, 1, 128)
    yield recurrent("LSTM", 256, 512, 2, 16, 128)
    yield transformer_cell(10, 20, 1)
    yield transformer_cell(10, 20, 32)
    yield transformer_cell(128, 128, 8)
    yield Cell("Linear", (8, 8), ((1, 8),))


def resnet50() -> Iterator[Cell]:
    """Every convolution of ResNet-50 v1.5, its pooling and its classifier."""
    for n in (1, 8):
        yield conv(n, 3, 224, 64, 7, stride=2, padding=3, bias=False)
        yield max_pool(n, 64, 112, 3, 2, 1)
        channels, size = 64, 56
        for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                yield conv(n, channels, size, width, 1, bias=False)
                yield conv(n, width, size, width, 3, stride=stride, padding=1, bias=False)
                yield conv(n, width, size // stride, 4 * width, 1, bias=False)
                if not block:
                    yield conv(n, channels, size, 4 * width, 1, stride=stride, bias=False)
                channels, size = 4 * width, size // stride
        yield Cell("AdaptiveAvgPool2d", (1,), ((n, 2048, 7, 7),))
        yield Cell("Linear", (2048, 1000), ((n, 2048),))


def mobilenetv2() -> Iterator[Cell]:
    """Every convolution of MobileNet-V2 and its classifier."""
    for n in (1, 8):
        yield conv(n, 3, 224, 32, 3, stride=2, padding=1, bias=False)
        channels, size = 32, 112
        for expansion, width, blocks, first_stride in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ):  # fmt: skip
            for block in range(blocks):
                stride, hidden = 1 if block else first_stride, channels * expansion
                if expansion > 1:
                    yield conv(n, channels, size, hidden, 1, bias=False)
                yield conv(n, hidden, size, hidden, 3, stride=stride, padding=1, groups=hidden, bias=False)
                size //= stride
                yield conv(n, hidden, size, width, 1, bias=False)
                channels = width
        yield conv(n, 320, 7, 1280, 1, bias=False)
        yield Cell("AdaptiveAvgPool2d", (1,), ((n, 1280, 7, 7),))
        yield Cell("Linear", (1280, 1000), ((n, 1280),))


def crnn() -> Iterator[Cell]:
    """Text recognition (Shi, Bai, Yao 2015) on images of 32 x 128 pixels."""
    for n in (1, 8):
        yield conv(n, 1, (32, 128), 64, 3, padding=1)
        yield max_pool(n, 64, (32, 128), 2, 2)
        yield conv(n, 64, (16, 64), 128, 3, padding=1)
        yield max_pool(n, 128, (16, 64), 2, 2)
        yield conv(n, 128, (8, 32), 256, 3, padding=1)
        yield conv(n, 256, (8, 32), 256, 3, padding=1)
        yield max_pool(n, 256, (8, 32), 2, (2, 1), (0, 1))
        yield conv(n, 256, (4, 33), 512, 3, padding=1)
        yield conv(n, 512, (4, 33), 512, 3, padding=1)
        yield max_pool(n, 512, (4, 33), 2, (2, 1), (0, 1))
        yield conv(n, 512, (2, 34), 512, 2)
        yield recurrent("LSTM", 512, 256, 1, n, 33, bidirectional=True)
        yield recurrent("LSTM", 256, 256, 1, n, 33, bidirectional=True)
        yield Cell("Linear", (512, 256), ((33, n, 512),))
        yield Cell("Linear", (512, 37), ((33, n, 512),))


def speech() -> Iterator[Cell]:
    """Recurrent acoustic models: whole utterances of 200 frames, and frame by frame."""
    for b in (1, 8):
        yield recurrent("LSTM", 80, 512, 3, b, 200)
        yield recurrent("GRU", 80, 512, 3, b, 200)
        yield recurrent("LSTM", 80, 320, 4, b, 200, bidirectional=True)
        yield Cell("Linear", (512, 512), ((200, b, 512),))
    for layer in ("LSTM", "GRU"):
        yield recurrent(layer, 80, 512, 3, 1, 1)
        yield recurrent(layer, 640, 640, 1, 1, 1)


def bert() -> Iterator[Cell]:
    """BERT-base on sequences of 128 tokens."""
    for n in (1, 8):
        yield Cell("Linear", (768, 768), ((n, 128, 768),), count=48)
        yield Cell("Linear", (768, 3072), ((n, 128, 768),), count=12)
        yield Cell("Linear", (3072, 768), ((n, 128, 3072),), count=12)
        yield Cell("GELU", (), ((n, 128, 3072),), count=12)
        yield Cell("LayerNorm", (768,), ((n, 128, 768),), count=25)
        yield Cell("Softmax", (-1,), ((n, 12, 128, 128),), count=12)
        yield Cell("MultiheadAttention", (768, 12), ((n, 128, 768),), {"batch_first": True}, {"need_weights": False}, count=12)
        options = {"activation": "gelu", "batch_first": True}
        yield Cell("TransformerEncoderLayer", (768, 12, 3072), ((n, 128, 768),), options, count=12)


def transformer() -> Iterator[Cell]:
    """The article's Transformer, its layers, and the pieces of these."""
    for s, t, b in ((10, 20, 1), (10, 20, 32), (128, 128, 8)):
        yield transformer_cell(s, t, b)
        yield Cell("TransformerEncoderLayer", (512, 8), ((s, b, 512),), count=6)
        yield Cell("TransformerDecoderLayer", (512, 8), ((t, b, 512), (s, b, 512)), count=6)
        yield Cell("MultiheadAttention", (512, 8), ((s, b, 512),), call={"need_weights": False}, count=6)
        yield Cell("Linear", (512, 2048), ((s, b, 512),), count=6)
        yield Cell("Linear", (2048, 512), ((s, b, 2048),), count=6)
        yield Cell("LayerNorm", (512,), ((s, b, 512),), count=12)


def others() -> Iterator[Cell]:
    """Layers that no other list has: what U-Nets, networks of signals, segmentation and gates are made of."""
    image = ((8, 64, 56, 56),)
    for c, o, kernel, stride in ((64, 64, 3, 1), (64, 128, 3, 1), (128, 128, 3, 1), (64, 64, 3, 2), (64, 64, 7, 1), (128, 128, 1, 1)):
        yield Cell("Conv1d", (c, o, kernel), ((8, c, 1000),), {"stride": stride, "padding": kernel // 2})
    for c, size, dilation in ((64, 56, 2), (64, 56, 4), (256, 28, 2)):
        yield conv(4, c, size, c, 3, padding=dilation, dilation=dilation)
    yield Cell("ConvTranspose2d", (64, 32, 2), ((4, 64, 28, 28),), {"stride": 2})
    yield Cell("ConvTranspose2d", (64, 32, 4), ((4, 64, 28, 28),), {"stride": 2, "padding": 1})
    for mode in ("nearest", "bilinear", "bicubic"):
        yield Cell("Upsample", (), image, {"scale_factor": 2, "mode": mode})
    yield Cell("Upsample", (), ((2, 16, 16, 32, 32),), {"scale_factor": 2, "mode": "trilinear"})
    yield Cell("Upsample", (), ((8, 64, 1000),), {"scale_factor": 2, "mode": "linear"})
    yield Cell("ZeroPad2d", (1,), image)
    yield Cell("ReflectionPad2d", (2,), image)
    yield Cell("Softmax", (1,), image)
    yield Cell("GLU", (1,), image)
    yield Cell("GroupNorm", (8, 64), image)
    yield Cell("AvgPool2d", (2,), image)
    yield Cell("Tanh", (), image)
    yield Cell("SiLU", (), image)


LISTS: dict[str, Callable[[], Iterator[Cell]]] = {
    "table": table,
    "article": article,
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "crnn": crnn,
    "speech": speech,
    "bert": bert,
    "transformer": transformer,
    "others": others,
    "strangers": strangers,
    "scaling": scaling,
}


def cells(name: str, dtype: str = "float32") -> list[Cell]:
    """The distinct cells of a list, in its order; layers that a model repeats are counted."""
    found: dict[tuple[str, str], Cell] = {}
    for cell in LISTS[name]():
        before = found.get((cell.curve, cell.name))
        found[cell.curve, cell.name] = replace(cell, group=name, dtype=dtype, count=cell.count + (before.count if before else 0))
    return list(found.values())
