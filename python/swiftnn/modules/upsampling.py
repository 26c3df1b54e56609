"""Layers that resize signals and images or trade channels for pixels."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ._signatures import one_input
from .module import Module
from .utils import Array, size

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resizes signals, images or volumes.

    y[..., p] = x[..., ⌊p · H / P⌋] for mode='nearest'; the linear modes mix the two neighbours of position (p + ½) · H / P - ½ in each
    dimension, 'bicubic' the four neighbours

    Args:
        size: the output's size, an int or one for each dimension.
        scale_factor: or the factor by which the size grows.
        mode: 'nearest', 'nearest-exact', 'area'; 'linear' (3-D), 'bilinear' and 'bicubic' (4-D), 'trilinear' (5-D).
        align_corners: lays the corner elements on each other ('linear' to 'trilinear', 'bicubic').
        recompute_scale_factor: computes the factor again from the rounded output size.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋; (N, C, L) and (N, C, D, H, W) alike.

    Raises:
        ValueError: both or none of size and scale_factor are given, or align_corners does not go with mode.
        NotImplementedError: mode does not go with the number of dimensions.

    Example:
        >>> nn.Upsample(scale_factor=2, mode="nearest")(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
        array([[1., 1., 2., 2.],
               [1., 1., 2., 2.],
               [3., 3., 4., 4.],
               [3., 3., 4., 4.]])
    """

    name: str
    size: Any
    scale_factor: Any
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(F._real(factor, "scale_factor")) for factor in scale_factor)
        else:
            self.scale_factor = float(F._real(scale_factor, "scale_factor")) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    @one_input
    def forward(self, input: Array) -> Array:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, recompute_scale_factor=self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        what = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Resizes images, each pixel from the nearest one.

    y[n,c,p,q] = x[n, c, ⌊p · H / P⌋, ⌊q · W / Q⌋]

    Args:
        size: the output's size, an int or (P, Q).
        scale_factor: or the factor by which the size grows.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Raises:
        ValueError: both or none of size and scale_factor are given.

    Example:
        >>> nn.UpsamplingNearest2d(scale_factor=2)(np.ones((1, 1, 2, 2))).shape
        (1, 1, 4, 4)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Resizes images bilinearly, the corner pixels laid on each other.

    y[n,c,p,q] = Σ_{h,w} max(0, 1 - |p · (H-1) / (P-1) - h|) · max(0, 1 - |q · (W-1) / (Q-1) - w|) · x[n,c,h,w]

    Args:
        size: the output's size, an int or (P, Q).
        scale_factor: or the factor by which the size grows.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Raises:
        ValueError: both or none of size and scale_factor are given.

    Example:
        >>> nn.UpsamplingBilinear2d(size=3)(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0]
        array([[1. , 1.5, 2. ],
               [2. , 2.5, 3. ],
               [3. , 3.5, 4. ]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Moves blocks of r² channels into r times higher and wider planes.

    y[c, h·r + i, w·r + j] = x[c·r² + i·r + j, h, w]

    Args:
        upscale_factor: r.

    **Shape**: (*, C·r², H, W) -> (*, C, H·r, W·r).

    Raises:
        ShapeError: the channels are not a multiple of r².

    Example:
        >>> nn.PixelShuffle(3)(np.ones((1, 9, 4, 4))).shape
        (1, 1, 12, 12)

    Reference: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network
    (2016).
    """

    upscale_factor: int

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = size(upscale_factor, "upscale_factor")

    @one_input
    def forward(self, input: Array) -> Array:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Moves r times r blocks of each plane into r² channels: the reverse of PixelShuffle.

    y[c·r² + i·r + j, h, w] = x[c, h·r + i, w·r + j]

    Args:
        downscale_factor: r.

    **Shape**: (*, C, H·r, W·r) -> (*, C·r², H, W).

    Raises:
        ShapeError: height or width is not a multiple of r.

    Example:
        >>> nn.PixelUnshuffle(3)(np.ones((1, 1, 12, 12))).shape
        (1, 9, 4, 4)
    """

    downscale_factor: int

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = size(downscale_factor, "downscale_factor")

    @one_input
    def forward(self, input: Array) -> Array:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Mixes the channels of groups: channel g·(C/groups) + k goes to k·groups + g.

    y[n, k·groups + g] = x[n, g·(C/groups) + k]

    Args:
        groups: number of groups.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: groups is not positive.
        ShapeError: C is not a multiple of groups.

    Example:
        >>> nn.ChannelShuffle(2)(np.arange(4.0).reshape(1, 4, 1)).ravel()
        array([0., 2., 1., 3.])

    Reference: Zhang et al., ShuffleNet (2017).
    """

    groups: int

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = size(groups, "groups")
        if self.groups <= 0:
            raise ValueError(f"groups must be positive, but got {groups}")

    @one_input
    def forward(self, input: Array) -> Array:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
