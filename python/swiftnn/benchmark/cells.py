"""A cell of the table: one layer on inputs of given shapes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .work import WORK, Shapes, Work

RECURRENT = ("RNN", "LSTM", "GRU")
POOLING = ("MaxPool2d", "AdaptiveAvgPool2d")


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class Cell:
    layer: str  # a class of torch.nn
    args: tuple[Any, ...]
    shapes: Shapes  # of the inputs, in the order of forward; sequences come first, batches second
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the class
    call: dict[str, Any] = field(default_factory=dict)  # keyword arguments of forward
    dtype: str = "float32"
    training: bool = False  # forward and backward, gradients of the inputs and of all weights
    group: str = ""  # the list that it comes from
    count: int = 1  # how often the model has it
    curve: str = ""  # the scaling curve that it is a point of
    size: int = 0  # and its place there

    @property
    def name(self) -> str:
        words = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in {**self.options, **self.call}.items())]
        shapes = ", ".join("x".join(map(str, shape)) for shape in self.shapes)
        return f"{self.layer}({', '.join(words)}) on {shapes}{', trained' if self.training else ''}"

    @property
    def itemsize(self) -> int:
        return 8 if self.dtype == "float64" else 4

    @property
    def work(self) -> Work:
        work = WORK[self.layer](self.shapes, *self.args, **self.options)
        if not self.training:
            return work
        # Backward has two products for each of forward's; it reads what forward read and a gradient of the result, and writes gradients
        # of what forward read.
        return replace(work, flops=3 * work.flops, read=2 * work.read + work.written, written=work.written + work.read)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(fields: dict[str, Any]) -> Cell:
        decoded = {key: _tuples(value) for key, value in fields.items()}
        decoded["options"] = {key: _tuples(value) for key, value in fields["options"].items()}
        return Cell(**decoded)
