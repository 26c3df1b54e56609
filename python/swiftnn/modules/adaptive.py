"""The adaptive softmax: classes that are rare in groups of their own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import functional as F
from .. import operators
from ..errors import DomainError, ShapeError
from ..functional.loss import _MEAN, _reduced
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module
from .utils import Array, count

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probabilities of many classes, of which some are frequent: those alone have scores of their own, the others by groups.

    log p(y|x) = h[y] for the first cutoffs[0] classes, h = log softmax(W x); else h[cutoffs[0] + i] + log softmax(Vᵢ Uᵢ x)[y - cutoffs[i]],
    i the group that y is in; the loss is the mean of -log p

    Args:
        in_features: size of the last dimension of the input.
        n_classes: number of classes, the most frequent ones first.
        cutoffs: the first class of each group, increasing.
        div_value: how many times fewer features (those of Uᵢ x) each group has than the one before it.
        head_bias: True adds a bias to W x.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: input (N, in_features) or (in_features), target (N) or () -> output (N) or (), loss ().

    Raises:
        ValueError: cutoffs are not increasing numbers from 1 to n_classes - 1, or a class is out of range.
        ShapeError: the shapes do not fit.

    Example:
        >>> layer = nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 40])
        >>> x = np.ones((3, 16), np.float32)
        >>> output, loss = layer(x, np.array([4, 12, 99]))
        >>> output.shape, loss.shape, layer.log_prob(x).shape, layer.predict(x).shape
        ((3,), (), (3, 100), (3,))

    Reference: Grave et al., Efficient softmax approximation for GPUs (2016).
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    shortlist_size: int
    n_clusters: int
    head_size: int

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.in_features = count(in_features, "in_features")
        self.n_classes = count(n_classes, "n_classes")
        firsts = list(F._sizes(cutoffs, "cutoffs"))
        if not firsts:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if any(a >= b for a, b in pairwise([0, *firsts, self.n_classes])):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 "
                f"and n_classes-1={self.n_classes - 1}, but got {firsts}"
            )
        if not div_value > 0:
            raise ValueError(f"div_value must be positive, but got {div_value}")
        self.cutoffs = [*firsts, self.n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(firsts)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(self.in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (first, end) in enumerate(pairwise(self.cutoffs), 1):
            features = int(self.in_features // div_value**i)
            down = Linear(self.in_features, features, False, device, dtype)
            self.tail.append(Sequential(down, Linear(features, end - first, False, device, dtype)))

    def reset_parameters(self) -> None:
        """Draws new weights."""
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Array, target_: Array) -> _ASMoutput:
        x, t = F._as_array(input_, self.head.weight), np.asarray(F._raw(target_))
        if t.dtype.kind not in "iu":
            raise TypeError(f"target must hold class numbers, integers, but has dtype {t.dtype}; convert it: target.astype(np.int64)")
        if t.ndim > 1 or x.ndim != t.ndim + 1 or x.shape[:-1] != t.shape:
            raise ShapeError(
                f"input has shape {tuple(x.shape)}, target {t.shape}; expected (N, {self.in_features}) and (N), or "
                f"({self.in_features}) and ()"
            )
        shape, x, t = t.shape, operators.reshape(x, (1, x.shape[-1])) if t.ndim == 0 else x, t.reshape(-1)
        if t.size and not 0 <= t.min() <= t.max() < self.n_classes:
            raise DomainError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{t.min()}, {t.max()}] were found."
            )
        t = t.astype(np.int64, copy=False)
        group = np.searchsorted(self.cutoffs, t, "right")
        column = np.where(group == 0, t, self.shortlist_size - 1 + group)
        output = operators.gather(F.log_softmax(self.head(x), 1), 1, column[:, None])
        # What a group adds in its rows, and after all of them the 0 of the frequent classes.
        added, place, n = [], np.full(t.shape, -1), 0
        for i, layer in enumerate(self.tail):
            rows = np.flatnonzero(group == i + 1)
            if rows.size:
                inside = F.log_softmax(layer(operators.take(x, rows, 0)), 1)
                added.append(operators.gather(inside, 1, (t[rows] - self.cutoffs[i])[:, None]))
                place[rows] = np.arange(n, n + rows.size)
                n += rows.size
        if added:
            zero = np.zeros((1, 1), output.dtype)
            output = output + operators.take(operators.cat([*added, zero]), place % (n + 1), 0)
        output = operators.reshape(output, shape)
        return _ASMoutput(output, F._whole(-_reduced(output, _MEAN)))

    def _distribution(self, x: Array, head: Array) -> Array:
        logs = F.log_softmax(head, 1)
        parts = [logs[:, : self.shortlist_size]]
        for i, layer in enumerate(self.tail, self.shortlist_size):
            parts.append(F.log_softmax(layer(x), 1) + logs[:, i : i + 1])
        return operators.cat(parts, 1)

    def _scores(self, input: Array) -> tuple[Array, Array]:
        x = F._as_array(input, self.head.weight)
        if x.ndim != 2:
            raise ShapeError(f"input has shape {tuple(x.shape)}; expected (N, {self.in_features})")
        return x, self.head(x)

    def log_prob(self, input: Array) -> Array:
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes).

        Raises:
            ShapeError: the input has another shape.
        """
        return self._distribution(*self._scores(input))

    def predict(self, input: Array) -> Array:
        """The most probable class of each row: (N, in_features) -> (N).

        Raises:
            ShapeError: the input has another shape.
        """
        x, head = self._scores(input)
        best = operators.argmax(head, 1)
        found = F._raw(best)
        # A class of a group is at most as probable as the group.
        rows = np.flatnonzero(found >= self.shortlist_size)
        if rows.size:
            found[rows] = F._raw(self._distribution(F._raw(x)[rows], F._raw(head)[rows])).argmax(1)
        return best
