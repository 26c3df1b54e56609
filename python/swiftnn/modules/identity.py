"""The layer that does nothing."""

from __future__ import annotations

from typing import Any

from ._signatures import one_input
from .module import Module
from .utils import Array

__all__ = ["Identity"]


class Identity(Module):
    """Returns its input.

    y = x

    Args:
        args: ignored, so that it can stand in for any layer.
        kwargs: ignored.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Identity(54, unused=True)(np.ones(2))
        array([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    @one_input
    def forward(self, input: Array) -> Array:
        return input
