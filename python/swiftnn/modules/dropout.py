"""Layers that set elements or channels to 0 at random while training."""

from __future__ import annotations

from .. import functional as F
from ._signatures import one_input
from .module import Module
from .utils import Array

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        F._check_probability(p)
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Sets elements to 0 at random while training, and scales the others so that the mean stays.

    y = x / (1-p) with probability 1-p, else 0; in eval mode y = x

    Args:
        p: probability of 0.
        inplace: writes into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: p is not in 0 ... 1.

    Differences from PyTorch:
        The zeros are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> m = nn.Dropout(p=0.2)
        >>> m(np.ones((20, 16), np.float32)).shape
        (20, 16)
        >>> m.eval()(np.ones(3))
        array([1., 1., 1.])

    Reference: Hinton et al., Improving neural networks by preventing co-adaptation of feature detectors (2012).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        # Where F.dropout would find nothing to do.
        return F.dropout(input, self.p, True, self.inplace) if self.training or not 0 <= self.p <= 1 else input


class Dropout1d(_DropoutNd):
    """Sets whole channels of signals to 0 at random while training.

    y[n,c] = x[n,c] / (1-p) with probability 1-p, else 0; in eval mode y = x

    Args:
        p: probability of 0.
        inplace: writes into the input and returns it.

    **Shape**: (N, C, L) or (C, L) -> the same.

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: the input has the wrong number of dimensions.

    Differences from PyTorch:
        The zeros are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.Dropout1d(p=0.2)(np.ones((20, 16, 32), np.float32)).shape
        (20, 16, 32)
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Sets whole channels of images to 0 at random while training.

    y[n,c] = x[n,c] / (1-p) with probability 1-p, else 0; in eval mode y = x

    Args:
        p: probability of 0.
        inplace: writes into the input and returns it.

    **Shape**: (N, C, H, W) -> (N, C, H, W); (N, C, L) is accepted with a warning, as in PyTorch.

    Raises:
        ValueError: p is not in 0 ... 1.

    Differences from PyTorch:
        The zeros are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.Dropout2d(p=0.2)(np.ones((20, 16, 32, 32), np.float32)).shape
        (20, 16, 32, 32)

    Reference: Tompson et al., Efficient Object Localization Using Convolutional Networks (2014).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Sets whole channels of volumes to 0 at random while training.

    y[n,c] = x[n,c] / (1-p) with probability 1-p, else 0; in eval mode y = x

    Args:
        p: probability of 0.
        inplace: writes into the input and returns it.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> the same.

    Raises:
        ValueError: p is not in 0 ... 1.

    Differences from PyTorch:
        The zeros are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.Dropout3d(p=0.2)(np.ones((20, 16, 4, 32, 32), np.float32)).shape
        (20, 16, 4, 32, 32)

    Reference: Tompson et al., Efficient Object Localization Using Convolutional Networks (2014).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Sets elements to the limit of SELU at random while training, and shifts and scales all so that mean 0 and variance 1 stay.

    y = a · (k · x - (1 - k) · α) + α · a · p, k = 1 with probability 1-p, else 0; α = 1.75809..., a = 1 / √((1-p) · (1 + p · α²));
    in eval mode y = x

    Args:
        p: probability of the limit; with 1 all becomes 0.
        inplace: has no effect, as in PyTorch; `nn.functional.alpha_dropout` has one that writes into its input.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: p is not in 0 ... 1.

    Differences from PyTorch:
        The elements are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> m = nn.AlphaDropout(p=0.2)
        >>> m(np.ones((20, 16), np.float32)).shape
        (20, 16)
        >>> m.eval()(np.ones(3))
        array([1., 1., 1.])

    Reference: Klambauer et al., Self-Normalizing Neural Networks (2017).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """Sets whole channels to the limit of SELU at random while training, and shifts and scales all so that mean 0 and variance 1 stay.

    y[n,c] = a · (k[n,c] · x[n,c] - (1 - k[n,c]) · α) + α · a · p, k = 1 with probability 1-p, else 0; a and α are AlphaDropout's;
    in eval mode y = x

    Args:
        p: probability of the limit; with 1 all becomes 0.
        inplace: has no effect, as in PyTorch; `nn.functional.feature_alpha_dropout` has one that writes into its input.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: the input has fewer than 2 dimensions.

    Differences from PyTorch:
        The channels are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.FeatureAlphaDropout(p=0.2)(np.ones((20, 16, 4, 32, 32), np.float32)).shape
        (20, 16, 4, 32, 32)

    Reference: Klambauer et al., Self-Normalizing Neural Networks (2017).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.feature_alpha_dropout(input, self.p, self.training)
