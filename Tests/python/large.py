"""Layers with enough work that an operation uses all the threads it may: name -> (how it is made, shape of its input)."""

from __future__ import annotations

import swiftnn as nn

LARGE = {
    "Conv2d": (lambda: nn.Conv2d(12, 33, 3, padding=1), (5, 12, 40, 40)),
    "Conv2d, no Winograd": (lambda: nn.Conv2d(12, 33, (3, 4), padding=1), (5, 12, 40, 40)),
    "Conv2d, Winograd": (lambda: nn.Conv2d(40, 50, 3, padding=(2, 1)), (5, 40, 27, 30)),
    "Conv2d, Winograd, one image": (lambda: nn.Conv2d(80, 70, 3, padding=1), (1, 80, 7, 9)),
    "Conv2d, one image": (lambda: nn.Conv2d(3, 64, 7, stride=2, padding=3), (1, 3, 96, 96)),
    "Conv2d, one image, no Winograd": (lambda: nn.Conv2d(20, 64, 7, stride=2, padding=3), (1, 20, 46, 46)),
    "Conv2d, Winograd along rows": (lambda: nn.Conv2d(6, 33, 5, padding=2), (5, 6, 30, 62)),
    "Conv2d, Winograd along rows, strides": (lambda: nn.Conv2d(3, 66, 11, stride=4, padding=2), (3, 3, 63, 255)),
    "Conv2d, depthwise": (lambda: nn.Conv2d(24, 24, 3, groups=24), (3, 24, 50, 50)),
    "Conv2d, pointwise": (lambda: nn.Conv2d(64, 65, 1), (3, 64, 20, 20)),
    "Conv1d": (lambda: nn.Conv1d(16, 24, 5, padding=2), (3, 16, 1000)),
    "Linear": (lambda: nn.Linear(700, 513), (65, 700)),
    "Linear, one row": (lambda: nn.Linear(1030, 1001), (1, 1030)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1), (4, 16, 65, 65)),
    "MaxPool2d, indices": (lambda: nn.MaxPool2d(3, 1, 1, return_indices=True), (4, 16, 65, 65)),
    "MaxPool2d, small planes": (lambda: nn.MaxPool2d(2), (9, 300, 14, 14)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), (4, 16, 65, 65)),
    "AvgPool2d, large windows": (lambda: nn.AvgPool2d((3, 30), 1, (0, 7)), (4, 16, 65, 65)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(1), (9, 300, 14, 14)),
    "LSTM": (lambda: nn.LSTM(40, 72, 2), (9, 33, 40)),
    "GRU": (lambda: nn.GRU(40, 72, 2, bidirectional=True), (9, 33, 40)),
    "RNN": (lambda: nn.RNN(40, 72), (9, 33, 40)),
    "LSTM, one row": (lambda: nn.LSTM(40, 150, 2), (60, 1, 40)),
    "GRU, one row": (lambda: nn.GRU(40, 150, bidirectional=True), (60, 1, 40)),
    "RNN, one row": (lambda: nn.RNN(40, 600), (20, 1, 40)),
    "LSTM, large": (lambda: nn.LSTM(40, 270), (17, 7, 40)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(48, 4, 96).eval(), (70, 5, 48)),
    "LayerNorm": (lambda: nn.LayerNorm(515), (300, 515)),
    "GroupNorm": (lambda: nn.GroupNorm(4, 16), (5, 16, 40, 40)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(16), (5, 16, 40, 40)),
    "Softmax": (lambda: nn.Softmax(-1), (300, 515)),
    "Softmax, first": (lambda: nn.Softmax(0), (300, 515)),
    "GELU": (lambda: nn.GELU(), (300, 515)),
    "Mish": (lambda: nn.Mish(), (100001,)),
    "Dropout": (lambda: nn.Dropout(0.3), (300, 515)),
}
