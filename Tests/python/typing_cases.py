"""What type checkers have to see: mypy and pyright read this file, nothing runs it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import swiftnn as nn
from swiftnn.utils.rnn import PackedSequence, pack_sequence

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def layers(single: F32, double: F64, unknown: NDArray[Any], anything: Any, tensor: nn.Tensor) -> None:
    """An array gives an array of its float type, a Tensor a Tensor; what NumPy has to convert gives some array."""
    layer = nn.Conv2d(3, 64, kernel_size=3, padding=1)
    assert_type(layer(single), F32)
    assert_type(layer(double), F64)
    assert_type(layer(tensor), nn.Tensor)
    assert_type(layer(input=single), F32)
    assert_type(layer.forward(single), F32)
    assert_type(layer(unknown), NDArray[Any])
    assert_type(layer([[1.0, 2.0]]), NDArray[Any])
    assert_type(layer(np.arange(3)), NDArray[Any])
    assert_type(nn.RMSNorm(8)(x=double), F64)
    for each in (nn.Linear(2, 3)(single), nn.ReLU()(single), nn.MaxPool2d(2)(single), nn.LayerNorm(4)(single), nn.Dropout()(single)):
        assert_type(each, F32)
    assert_type(nn.Embedding(5, 3)(np.arange(3)), NDArray[Any])
    assert_type(nn.Embedding(5, 3)(nn.Tensor(np.arange(3))), nn.Tensor)


def mistakes(single: F32) -> None:
    """Wrong calls are refused: an ignore that nothing needs is an error itself."""
    nn.Linear(2, 3)(single, single)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    nn.Linear(2, 3)(data=single)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    nn.Linear(2, 3)(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def recurrent(single: F32, tensor: nn.Tensor) -> None:
    y, h = nn.GRU(2, 3)(single)
    assert_type(y, F32)
    assert_type(h, F32)
    z, (c, d) = nn.LSTM(2, 3)(tensor)
    assert_type(z, nn.Tensor)
    assert_type(c, nn.Tensor)
    assert_type(d, nn.Tensor)
    packed, _ = nn.LSTM(2, 3)(pack_sequence([single]))
    assert_type(packed, PackedSequence)
    assert_type(nn.GRUCell(2, 3)(single), F32)
    assert_type(nn.LSTMCell(2, 3)(single), tuple[F32, F32])


def losses(single: F32, classes: NDArray[np.int64], tensor: nn.Tensor) -> None:
    assert_type(nn.CrossEntropyLoss()(single, classes), F32)
    assert_type(nn.CrossEntropyLoss()(tensor, classes), nn.Tensor)
    assert_type(nn.MSELoss()(single, tensor), nn.Tensor)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, words: F32, scale: float = 1.0) -> F32:
        return self.linear(words)


def own_modules(single: F32) -> None:
    """A call of a user's module has the signature of its forward."""
    assert_type(Model()(single), F32)
    assert_type(Model()(single, scale=2.0), F32)
    Model()(single, bias=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def training(single: F32, classes: NDArray[np.int64]) -> None:
    model = Model()
    state = model.state_dict()
    assert_type(state, OrderedDict[str, Any])
    model.load_state_dict(state)
    assert_type(model.parameters(), Iterator[nn.Parameter])
    optimizer = nn.optim.AdamW(model.parameters(), lr=1e-3)
    loader = nn.data.DataLoader(nn.data.TensorDataset(single, classes), batch_size=2, shuffle=True)
    assert_type(len(loader), int)
    scheduler = nn.optim.lr_scheduler.StepLR(optimizer, 1)
    history = nn.fit(model, loader, nn.CrossEntropyLoss(), optimizer, epochs=1, scheduler=scheduler, metrics=["accuracy"])
    assert_type(history["loss"], F64)
