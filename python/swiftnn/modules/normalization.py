"""Layers that bring values to mean 0 and variance 1."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._native import batch_norm_forward, layer_norm_forward
from ..errors import ShapeError
from ..parameter import UninitializedBuffer, UninitializedParameter
from ..tensor import Parameter
from ._signatures import one_input, one_x
from .lazy import LazyModuleMixin
from .module import Module
from .utils import Array, count, element_type, parameter, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossMapLRN2d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LocalResponseNorm",
    "RMSNorm",
    "SyncBatchNorm",
]


def _shape(normalized_shape: int | Iterable[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, Iterable):
        return tuple(count(n, "normalized_shape") for n in normalized_shape)
    return (count(normalized_shape, "normalized_shape"),)


class _Affine(Module):
    """weight starts as ones and bias as zeros; either may be absent."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(self, shape: int | tuple[int, ...], weight: bool, bias: bool, kind: np.dtype[Any]) -> None:
        for name, present in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, parameter(shape, kind) if present else None)

    def reset_parameters(self) -> None:
        """Sets weight to ones and bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(_Affine):
    """Normalises the last dimensions of each sample.

    y = (x - E[x]) / √(Var[x] + eps) · weight + bias, with the biased variance

    Args:
        normalized_shape: sizes of the last dimensions; an int for one.
        eps: added to the variance.
        elementwise_affine: False leaves weight and bias out.
        bias: False leaves bias out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (*, normalized_shape) -> (*, normalized_shape).

    Raises:
        ShapeError: the input does not end in normalized_shape.

    Example:
        >>> nn.LayerNorm(10)(np.ones((20, 5, 10), np.float32)).shape
        (20, 5, 10)

    Reference: Ba et al., Layer Normalization (2016).
    """

    normalized_shape: tuple[int, ...]
    eps: float
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape: int | Iterable[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias, kind)
        self.reset_parameters()

    @one_input
    def forward(self, input: Array) -> Array:
        return layer_norm_forward(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"


class RMSNorm(_Affine):
    """Divides the last dimensions of each sample by their root mean square.

    y = x / √(E[x²] + eps) · weight

    Args:
        normalized_shape: sizes of the last dimensions; an int for one.
        eps: added to the mean square; None: the smallest step of the float type at 1.
        elementwise_affine: False leaves weight out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (*, normalized_shape) -> (*, normalized_shape).

    Raises:
        ShapeError: the input does not end in normalized_shape.

    Example:
        >>> nn.RMSNorm([2, 3])(np.ones((2, 2, 3), np.float32)).shape
        (2, 2, 3)

    Reference: Zhang and Sennrich, Root Mean Square Layer Normalization (2019).
    """

    normalized_shape: tuple[int, ...]
    eps: float | None
    elementwise_affine: bool

    def __init__(
        self,
        normalized_shape: int | Iterable[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", parameter(self.normalized_shape, kind) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets weight to ones."""
        if self.weight is not None:
            init.ones_(self.weight)

    @one_x
    def forward(self, x: Array) -> Array:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Normalises groups of channels of each sample.

    y = (x - E[x]) / √(Var[x] + eps) · weight[c] + bias[c], mean and variance over the channels of a group and all positions

    Args:
        num_groups: number of groups, a divisor of num_channels.
        num_channels: C, channels of the input.
        eps: added to the variance.
        affine: False leaves weight and bias out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: num_groups does not divide num_channels, or each group has one value only.
        ShapeError: the input does not have C channels.

    Example:
        >>> nn.GroupNorm(3, 6)(np.ones((20, 6, 10, 10), np.float32)).shape
        (20, 6, 10, 10)

    Reference: Wu and He, Group Normalization (2018).
    """

    num_groups: int
    num_channels: int
    eps: float
    affine: bool

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.num_groups = size(num_groups, "num_groups")
        self.num_channels = count(num_channels, "num_channels")
        if self.num_groups <= 0 or self.num_channels % self.num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.eps = eps
        self.affine = affine
        self._make_affine(self.num_channels, affine, affine and bias, kind)
        self.reset_parameters()

    @one_input
    def forward(self, input: Array) -> Array:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class _NormBase(_Affine):
    """Channel-wise normalisation with running statistics."""

    _version = 2

    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    running_mean: NDArray[Any] | None
    running_var: NDArray[Any] | None
    num_batches_tracked: NDArray[Any] | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.num_features = count(num_features, "num_features")
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._make_affine(self.num_features, affine, affine and bias, kind)
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(self.num_features, kind) if tracked else None)
        self.register_buffer("running_var", np.ones(self.num_features, kind) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets what has been tracked."""
        if self.running_mean is not None:
            self.running_mean.fill(0)
        if self.running_var is not None:
            self.running_var.fill(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.fill(0)

    def reset_parameters(self) -> None:
        """Sets weight to ones and bias to zeros, and forgets what has been tracked."""
        self.reset_running_stats()
        super().reset_parameters()

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Files without PyTorch's version numbers may have been written before the counter existed.
        key = prefix + "num_batches_tracked"
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.num_batches_tracked is not None and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)


class _BatchNorm(_NormBase):
    _ndims: tuple[int, ...]

    def _channels(self, shape: tuple[int, ...]) -> int:
        """The place of the channels in the shape of an input."""
        if len(shape) not in self._ndims:
            raise ValueError(f"expected {' or '.join(f'{n}D' for n in self._ndims)} input (got {len(shape)}D input)")
        return 1

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._as_array(input)
        self._channels(x.shape)
        training, momentum = self.training, self.momentum
        if not training:
            mean, var = self.running_mean, self.running_var
            if mean is not None and var is not None:
                if self.eps >= 0:
                    return batch_norm_forward(x, mean, var, self.weight, self.bias, self.eps, False)
                return F.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)
        track = training and self.track_running_stats
        counter = self.num_batches_tracked
        batches = 1
        if track and counter is not None:
            batches += int(counter)
        # Without momentum the running statistics are the mean of all batches.
        factor = 1.0 / batches if momentum is None else momentum
        mean, var = (self.running_mean, self.running_var) if track else (None, None)
        y = F.batch_norm(x, mean, var, self.weight, self.bias, True, factor, self.eps)
        if track and counter is not None:
            counter.fill(batches)
        return y


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    While training, mean and (biased) variance are the batch's, and the running ones follow: r = (1 - momentum)·r + momentum·batch,
    with the unbiased variance. In eval mode the running ones are used.

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C) or (N, C, L) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or while training one value only for each channel.
        ShapeError: the input does not have C channels.

    Example:
        >>> nn.BatchNorm1d(100)(np.ones((20, 100), np.float32)).shape
        (20, 100)

    Reference: Ioffe and Szegedy, Batch Normalization (2015).
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel over a batch of images.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    While training, mean and (biased) variance are the batch's, and the running ones follow: r = (1 - momentum)·r + momentum·batch,
    with the unbiased variance. In eval mode the running ones are used.

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, H, W) -> (N, C, H, W).

    Raises:
        ValueError: the input has the wrong number of dimensions, or while training one value only for each channel.
        ShapeError: the input does not have C channels.

    Example:
        >>> nn.BatchNorm2d(10)(np.ones((2, 10, 3, 4), np.float32)).shape
        (2, 10, 3, 4)

    Reference: Ioffe and Szegedy, Batch Normalization (2015).
    """

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel over a batch of volumes.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, D, H, W) -> (N, C, D, H, W).

    Raises:
        ValueError: the input has the wrong number of dimensions, or while training one value only for each channel.
        ShapeError: the input does not have C channels.

    Example:
        >>> nn.BatchNorm3d(10)(np.ones((2, 10, 3, 4, 5), np.float32)).shape
        (2, 10, 3, 4, 5)

    Reference: Ioffe and Szegedy, Batch Normalization (2015).
    """

    _ndims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Normalises each channel over the batch of all processes, of which swiftnn has one: a BatchNorm for any number of dimensions.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        process_group: None.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: a process_group is given; the input has fewer than 2 dimensions or no channels, or while training one value only for
            each channel.
        ShapeError: the input does not have C channels.

    Example:
        >>> nn.SyncBatchNorm(10)(np.ones((2, 10, 3, 4, 5), np.float32)).shape
        (2, 10, 3, 4, 5)

    Reference: Ioffe and Szegedy, Batch Normalization (2015).
    """

    process_group: None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: None = None,
        device: Any = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise ValueError(f"process_group must be None, but got {process_group!r}: swiftnn computes in one process")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = None

    def _channels(self, shape: tuple[int, ...]) -> int:
        if len(shape) < 2:
            raise ValueError(f"expected at least 2D input (got {len(shape)}D input)")
        if not shape[1]:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")
        return 1

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: None = None) -> Module:
        """Puts a SyncBatchNorm with the same parameters and statistics in the place of every BatchNorm in a model, which it returns.

        Args:
            module: the model; where it is a BatchNorm itself, the new layer is returned.
            process_group: None.

        Example:
            >>> nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm2d(3)))
            Sequential(
              (0): SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
            )
        """
        converted = module
        if isinstance(module, _BatchNorm):
            options = (module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            converted = SyncBatchNorm(*options, bias=module.bias is not None)
            for name, value in (*module._parameters.items(), *module._buffers.items()):
                setattr(converted, name, value)
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


class _InstanceNorm(_NormBase):
    # Dimensions of an input without a batch.
    _unbatched: int

    def _channels(self, shape: tuple[int, ...]) -> int:
        """The place of the channels in the shape of an input."""
        n = self._unbatched
        if len(shape) not in (n, n + 1):
            raise ValueError(f"expected {n}D or {n + 1}D input (got {len(shape)}D input)")
        return len(shape) - n

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._as_array(input)
        n = self._unbatched
        channels = x.shape[self._channels(x.shape)]
        if channels != self.num_features:
            text = f"input's size at dim={x.ndim - n} must be num_features={self.num_features}, but got {channels}"
            if self.affine or self.track_running_stats:
                raise ValueError(text)
            warnings.warn(text + "; it is not used because affine=False", stacklevel=2)
        y = F.instance_norm(
            x if x.ndim > n else x[None],
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y if x.ndim > n else y.reshape(tuple(x.shape))


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each signal.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move.
        affine: True adds weight and bias.
        track_running_stats: True follows mean and variance while training and uses them in eval mode.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, L) or (C, L) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions or channels, or one position only.

    Example:
        >>> nn.InstanceNorm1d(10)(np.ones((2, 10, 4), np.float32)).shape
        (2, 10, 4)

    Reference: Ulyanov et al., Instance Normalization (2016).
    """

    _unbatched = 2


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each image.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move.
        affine: True adds weight and bias.
        track_running_stats: True follows mean and variance while training and uses them in eval mode.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, H, W) or (C, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions or channels, or one position only.

    Example:
        >>> nn.InstanceNorm2d(10)(np.ones((2, 10, 3, 4), np.float32)).shape
        (2, 10, 3, 4)

    Reference: Ulyanov et al., Instance Normalization (2016).
    """

    _unbatched = 3


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each volume.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Args:
        num_features: C, channels of the input.
        eps: added to the variance.
        momentum: how far the running statistics move.
        affine: True adds weight and bias.
        track_running_stats: True follows mean and variance while training and uses them in eval mode.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions or channels, or one position only.

    Example:
        >>> nn.InstanceNorm3d(10)(np.ones((2, 10, 3, 4, 5), np.float32)).shape
        (2, 10, 3, 4, 5)

    Reference: Ulyanov et al., Instance Normalization (2016).
    """

    _unbatched = 4


class _LazyNorm(LazyModuleMixin, _NormBase):
    """What makes a channel-wise normalisation lazy: num_features is 0 until the first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(True, device, dtype)
            if bias:
                self.bias = UninitializedParameter(True, device, dtype)
        if track_running_stats:
            for name in ("running_mean", "running_var"):
                setattr(self, name, UninitializedBuffer(False, device, dtype))
            self.num_batches_tracked = np.array(0, np.int64)

    def reset_parameters(self) -> None:
        """Sets weight to ones and bias to zeros, and forgets what has been tracked, once shapes are known."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Array) -> None:
        """Takes num_features from the input."""
        if not self.affine and not self.track_running_stats:
            return  # nothing depends on it
        shape = np.shape(input)
        c = shape[self._channels(shape)]
        self._start({"num_features": c}, weight=(c,), bias=(c,), running_mean=(c,), running_var=(c,))


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes num_features from its first input.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Its weight, bias and running statistics are uninitialised until it is called, or an initialised state dict is loaded; with the first
    call it becomes a `BatchNorm1d`. Without any of them there is nothing to find out, and num_features stays 0.

    Args:
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C) or (N, C, L) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or what is uninitialised is used before the first call.
        ShapeError: the input does not have the channels of loaded weights.

    Example:
        >>> layer = nn.LazyBatchNorm1d()
        >>> layer(np.ones((2, 10, 4), np.float32)).shape
        (2, 10, 4)
        >>> layer
        BatchNorm1d(10, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes num_features from its first input.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Its weight, bias and running statistics are uninitialised until it is called, or an initialised state dict is loaded; with the first
    call it becomes a `BatchNorm2d`. Without any of them there is nothing to find out, and num_features stays 0.

    Args:
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or what is uninitialised is used before the first call.
        ShapeError: the input does not have the channels of loaded weights.

    Example:
        >>> layer = nn.LazyBatchNorm2d()
        >>> layer(np.ones((2, 10, 3, 4), np.float32)).shape
        (2, 10, 3, 4)
        >>> layer
        BatchNorm2d(10, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` that takes num_features from its first input.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Its weight, bias and running statistics are uninitialised until it is called, or an initialised state dict is loaded; with the first
    call it becomes a `BatchNorm3d`. Without any of them there is nothing to find out, and num_features stays 0.

    Args:
        eps: added to the variance.
        momentum: how far the running statistics move; None: they are the mean of all batches.
        affine: False leaves weight and bias out.
        track_running_stats: False always uses the batch's statistics.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, D, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or what is uninitialised is used before the first call.
        ShapeError: the input does not have the channels of loaded weights.

    Example:
        >>> layer = nn.LazyBatchNorm3d()
        >>> layer(np.ones((2, 10, 3, 4, 5), np.float32)).shape
        (2, 10, 3, 4, 5)
        >>> layer
        BatchNorm3d(10, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that takes num_features from its first input.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Its weight, bias and running statistics are uninitialised until it is called, or an initialised state dict is loaded; with the first
    call it becomes an `InstanceNorm1d`. Without any of them there is nothing to find out, and num_features stays 0.

    affine and track_running_stats are True, unlike those of `InstanceNorm1d`, as in PyTorch.

    Args:
        eps: added to the variance.
        momentum: how far the running statistics move.
        affine: False leaves weight and bias out.
        track_running_stats: True follows mean and variance while training and uses them in eval mode.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, L) or (C, L) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or what is uninitialised is used before the first call.
        ShapeError: the input does not have the channels of loaded weights.

    Differences from PyTorch:
        The channels of an input without a batch are its first dimension, as for `InstanceNorm1d`, where PyTorch takes the second one.

    Example:
        >>> layer = nn.LazyInstanceNorm1d()
        >>> layer(np.ones((2, 10, 4), np.float32)).shape
        (2, 10, 4)
        >>> layer
        InstanceNorm1d(10, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that takes num_features from its first input.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Its weight, bias and running statistics are uninitialised until it is called, or an initialised state dict is loaded; with the first
    call it becomes an `InstanceNorm2d`. Without any of them there is nothing to find out, and num_features stays 0.

    affine and track_running_stats are True, unlike those of `InstanceNorm2d`, as in PyTorch.

    Args:
        eps: added to the variance.
        momentum: how far the running statistics move.
        affine: False leaves weight and bias out.
        track_running_stats: True follows mean and variance while training and uses them in eval mode.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, H, W) or (C, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or what is uninitialised is used before the first call.
        ShapeError: the input does not have the channels of loaded weights.

    Differences from PyTorch:
        The channels of an input without a batch are its first dimension, as for `InstanceNorm2d`, where PyTorch takes the second one.

    Example:
        >>> layer = nn.LazyInstanceNorm2d()
        >>> layer(np.ones((2, 10, 3, 4), np.float32)).shape
        (2, 10, 3, 4)
        >>> layer
        InstanceNorm2d(10, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that takes num_features from its first input.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Its weight, bias and running statistics are uninitialised until it is called, or an initialised state dict is loaded; with the first
    call it becomes an `InstanceNorm3d`. Without any of them there is nothing to find out, and num_features stays 0.

    affine and track_running_stats are True, unlike those of `InstanceNorm3d`, as in PyTorch.

    Args:
        eps: added to the variance.
        momentum: how far the running statistics move.
        affine: False leaves weight and bias out.
        track_running_stats: True follows mean and variance while training and uses them in eval mode.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        bias: False leaves bias out.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions, or what is uninitialised is used before the first call.
        ShapeError: the input does not have the channels of loaded weights.

    Differences from PyTorch:
        The channels of an input without a batch are its first dimension, as for `InstanceNorm3d`, where PyTorch takes the second one.

    Example:
        >>> layer = nn.LazyInstanceNorm3d()
        >>> layer(np.ones((2, 10, 3, 4, 5), np.float32)).shape
        (2, 10, 3, 4, 5)
        >>> layer
        InstanceNorm3d(10, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = InstanceNorm3d


class LocalResponseNorm(Module):
    """Divides each number by what the channels beside it have at its place: the normalisation of AlexNet.

    y[n,c,...] = x[n,c,...] / (k + alpha/size · Σ x[n,j,...]²)^beta, j from c - ⌊size/2⌋ to c + ⌊(size - 1)/2⌋

    Args:
        size: number of channels; those that are not there count as zeros.
        alpha: weight of the mean square.
        beta: exponent.
        k: what is added to it.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: the input has fewer than 3 dimensions.
        ValueError: size is not positive.

    Example:
        >>> nn.LocalResponseNorm(2)(np.ones((32, 5, 24, 24), np.float32)).shape
        (32, 5, 24, 24)

    Reference: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks (2012).
    """

    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = count(size, "size")
        self.alpha = alpha
        self.beta = beta
        self.k = k

    @one_input
    def forward(self, input: Array) -> Array:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """LocalResponseNorm of images, with as many channels on either side.

    y[n,c,h,w] = x[n,c,h,w] / (k + alpha/size · Σ x[n,j,h,w]²)^beta, j from c - ⌊(size - 1)/2⌋ to c + ⌊(size - 1)/2⌋

    Args:
        size: number of channels, an odd one: with an even one the channel itself and size - 2 others are summed.
        alpha: weight of the mean square.
        beta: exponent.
        k: what is added to it.

    **Shape**: (N, C, H, W) -> (N, C, H, W).

    Raises:
        ShapeError: the input has not 4 dimensions.
        ValueError: size is not positive.

    Differences from PyTorch:
        PyTorch's sums keep the square of the first channel for all channels behind its window, and its gradient is not that of its result.

    Example:
        >>> nn.CrossMapLRN2d(3, alpha=3.0, beta=0.5)(np.full((1, 3, 1, 1), 2.0)).ravel().round(4)
        array([0.6667, 0.5547, 0.6667])

    Reference: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks (2012).
    """

    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = count(size, "size")
        self.alpha = alpha
        self.beta = beta
        self.k = k

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._floats(input)
        if x.ndim != 4:
            raise ShapeError(f"CrossMapLRN2d: Expected input to be 4D, got {x.ndim}D instead: shape {tuple(x.shape)}")
        if self.size < 1:
            raise ValueError(f"CrossMapLRN2d: size is {self.size}; it has to be at least 1")
        reach = (self.size - 1) // 2
        return F._response_norm(x, reach, reach, F._real(self.alpha, "alpha") * (2 * reach + 1) / self.size, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
