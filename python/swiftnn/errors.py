"""The exceptions that swiftnn adds to Python's own."""

from __future__ import annotations

__all__ = ["ArgumentError", "AttentionShapeError", "CheckpointError", "DomainError", "ShapeError"]


class ShapeError(ValueError, RuntimeError):
    """An array's shape does not fit the layer or the other arrays of the call.

    It is a `ValueError`, as NumPy raises for shapes, and a `RuntimeError`, as PyTorch does, so code written for either catches it.

    Example:
        >>> try:
        ...     raise nn.ShapeError("input has 4 channels, expected 3")
        ... except RuntimeError as error:
        ...     print(error)
        input has 4 channels, expected 3
    """


class CheckpointError(ValueError):
    """A file cannot be read as a checkpoint: it is damaged, hostile, or holds what swiftnn does not read; the message says which.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.pt"
        >>> _ = path.write_bytes(b"<html>not found</html>")
        >>> try:
        ...     nn.load(path)
        ... except nn.CheckpointError as error:
        ...     print(str(error).replace(str(path), path.name))
        model.pt: it is not a checkpoint: it starts with b'<html>no'; expected safetensors, an index of shards, PyTorch's format or .npz
    """


class ArgumentError(ValueError, AssertionError):
    """A wrong value where PyTorch raises AssertionError: code that catches either keeps working."""


class DomainError(ValueError, RuntimeError):
    """A value out of range where PyTorch raises RuntimeError: code that catches either keeps working."""


class AttentionShapeError(ShapeError, AssertionError):
    """A wrong shape where PyTorch raises AssertionError: code that catches either keeps working."""
