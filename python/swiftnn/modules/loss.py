"""Losses: what a model's output is measured by and trained on."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import functional as F
from ..errors import DomainError, ShapeError
from ..functional.loss import legacy_reduction
from ._signatures import input_and_target
from .distance import PairwiseDistance
from .linear import Linear
from .module import Module
from .utils import Array, count, element_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import DTypeLike, NDArray

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "LinearCrossEntropyOptions",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _Loss(Module):
    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    weight: NDArray[Any] | None

    def __init__(
        self,
        weight: NDArray[Any] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """The negative log-likelihood of classes under the softmax of scores.

    l[n] = -w[y[n]] · log softmax(x[n])[y[n]], or for probabilities -Σ_c w[c] · p[n,c] · log softmax(x[n])[c];
    the mean is Σ l[n] / Σ w[y[n]] over the samples that are not ignored, for probabilities Σ l[n] / N

    Args:
        weight: array (C), a factor for each class.
        size_average: deprecated, as reduce: together they say what reduction says.
        ignore_index: class number of samples that do not count.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        label_smoothing: part of the target that is spread evenly over all classes, 0 to 1.

    **Shape**: (C), () or (C) -> (); (N, C), (N) or (N, C) -> (), or (N) without reduction; (N, C, d1, ...), (N, d1, ...) or
    (N, C, d1, ...) likewise. Integer targets are class numbers, floats are probabilities.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: reduction is unknown, or label_smoothing not in [0, 1].

    Example:
        >>> round(float(nn.CrossEntropyLoss()(np.zeros((3, 4)), np.array([0, 1, 3]))), 4)
        1.3863
    """

    ignore_index: int
    label_smoothing: float

    def __init__(
        self,
        weight: NDArray[Any] | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of classes, given log-probabilities.

    l[n] = -w[y[n]] · x[n, y[n]]; the mean is Σ l[n] / Σ w[y[n]] over the samples that are not ignored

    Args:
        weight: array (C), a factor for each class.
        size_average: deprecated, as reduce: together they say what reduction says.
        ignore_index: class number of samples that do not count.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (C), () -> (); (N, C), (N) -> (), or (N) without reduction; (N, C, d1, ...), (N, d1, ...) likewise.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.NLLLoss()(np.log(np.full((2, 4), 0.25)), np.array([0, 3]))), 4)
        1.3863
    """

    ignore_index: int

    def __init__(
        self,
        weight: NDArray[Any] | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss`, with a warning.

    l[n] = -w[y[n]] · x[n, y[n]]

    **Shape**: that of NLLLoss.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     loss = nn.NLLLoss2d()
        >>> round(float(loss(np.log(np.full((2, 4, 3, 3), 0.25)), np.ones((2, 3, 3), int))), 4)
        1.3863
    """

    def __init__(
        self,
        weight: NDArray[Any] | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warnings.warn("`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in replacement", FutureWarning, stacklevel=2)
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` cuts a batch into pieces, so that it never holds the scores of all rows.

    Args:
        allow_retain_graph: without effect: backward, which computes the scores again, may always be called twice with retain_graph.
        batch_chunk_size: rows of a piece; None: all, or as chunking_method says.
        chunking_method: 'aspect_ratio': pieces whose scores are as large as the input; 'aspect_ratio:n': an n-th of it; 'auto':
            batch_chunk_size, or without one 'aspect_ratio:2'; None: batch_chunk_size.
        acc_policy: 'auto', 'accurate', 'balanced' or 'compact', without effect: there are no sums in another float type than the input's.
        acc_dtype: None, or the input's float type.

    Raises:
        ValueError: a value is none of these; in the call, batch_chunk_size and chunking_method say different numbers.

    Example:
        >>> options = nn.LinearCrossEntropyOptions(batch_chunk_size=32)
        >>> loss = nn.LinearCrossEntropyLoss(64, 1000, options=options)
        >>> loss(np.ones((100, 64), np.float32), np.arange(100)).shape
        ()
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}; expected 'auto', 'accurate', 'balanced' or 'compact'")
        method = self.chunking_method
        if method not in (None, "auto"):
            name, colon, parts = method.partition(":") if isinstance(method, str) else ("", "", "")
            if name != "aspect_ratio" or (colon and not (parts.isdecimal() and int(parts) > 0)):
                raise ValueError(f"invalid chunking_method: {method!r}; expected 'auto', 'aspect_ratio', 'aspect_ratio:n' or None")
        if self.batch_chunk_size is not None and not (isinstance(self.batch_chunk_size, int) and self.batch_chunk_size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {self.batch_chunk_size!r}")
        if self.acc_dtype is not None:
            element_type(None, self.acc_dtype)

    def _rows(self, batch: int, in_features: int, num_classes: int, dtype: Any) -> int:
        """The rows of a piece for a batch of this size."""
        if self.acc_dtype is not None and element_type(None, self.acc_dtype) != dtype:
            raise ValueError(f"acc_dtype is {self.acc_dtype!r}, the input's type {dtype}; leave it out")
        given, method = self.batch_chunk_size, self.chunking_method
        size = batch if given is None else min(given, batch)
        if method == "auto":
            method = None if given is not None else "aspect_ratio:2"
        if method is not None:
            share = -(-batch // max(1, -(-num_classes // max(in_features, 1))))
            size = min((1 << max(share - 1, 0).bit_length()) // int(method.partition(":")[2] or 1), batch)
            if given is not None and given != size:
                raise ValueError(f"batch_chunk_size={given} and chunking_method={method!r} give {given} and {size} rows; pass only one")
        return max(1, size)


class LinearCrossEntropyLoss(_WeightedLoss):
    """The cross entropy of the scores that an affine map of its own gives.

    l = CrossEntropyLoss(x Wᵀ + b, y)

    Args:
        in_features: I, size of the last dimension of the input.
        num_classes: C.
        out_features: (d1, ...), for scores (N, C, d1, ...).
        bias: True adds b.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        reduction: "mean", "sum" or "none".
        weight: array (C), a factor for each class.
        ignore_index: class number of samples that do not count; None: -100.
        label_smoothing: part of the target that is spread evenly over all classes, 0 to 1.
        options: `LinearCrossEntropyOptions`: never holds the scores of more than some rows at a time.

    **Shape**: (I), () or (C) -> (); (N, I), (N, d1, ...) or (N, C, d1, ...) -> (), or (N, d1, ...) without reduction. Integer targets are
    class numbers, floats are probabilities.

    linear.weight (C·d1·..., I) and linear.bias (C·d1·...) start from U(-√k, √k), k = 1 / I.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: reduction is unknown, label_smoothing not in [0, 1], or ignore_index given beside probabilities.

    Example:
        >>> loss = nn.LinearCrossEntropyLoss(5, 10, out_features=(4, 3))
        >>> loss(np.ones((2, 5), np.float32), np.zeros((2, 4, 3), int)).shape
        ()
    """

    num_classes: int
    out_features: tuple[int, ...]
    ignore_index: int | None
    label_smoothing: float
    options: LinearCrossEntropyOptions | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
        reduction: str = "mean",
        weight: NDArray[Any] | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        num_classes = count(num_classes, "num_classes")
        if weight is not None and np.shape(weight) != (num_classes,):
            raise ShapeError(f"expected weight shape to be {(num_classes,)}, got {np.shape(weight)}")
        if not 0 <= label_smoothing <= 1:
            raise DomainError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        super().__init__(weight, None, None, reduction)
        self.num_classes = num_classes
        self.out_features = tuple(count(n, "out_features") for n in F._sizes(out_features, "out_features"))
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.linear = Linear(in_features, math.prod(self.out_features, start=num_classes), bias=bias, device=device, dtype=dtype)
        self.options = options

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        w, b, shape = self.linear.weight, self.linear.bias, (self.num_classes, *self.out_features)
        if self.out_features:
            w, b = w.reshape((*shape, self.linear.in_features)), None if b is None else b.reshape(shape)
        return F.linear_cross_entropy(
            input,
            w,
            target,
            linear_bias=b,
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class MSELoss(_Loss):
    """The mean of squared differences.

    l = (x - y)²

    Args:
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        array(2.)
    """

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The mean of absolute differences.

    l = |x - y|

    Args:
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        array(1.)
    """

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared differences where they are small, absolute ones where they are large.

    l = (x - y)² / (2 · beta) if |x - y| < beta else |x - y| - beta / 2

    Args:
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        beta: where the one becomes the other.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown, or beta negative.

    Example:
        >>> nn.SmoothL1Loss(reduction="none")(np.array([0.5, 3.0]), np.zeros(2))
        array([0.125, 2.5  ])

    Reference: Girshick: Fast R-CNN (2015).
    """

    beta: float

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Squared differences where they are small, absolute ones times delta where they are large.

    l = (x - y)² / 2 if |x - y| <= delta else delta · (|x - y| - delta / 2)

    Args:
        reduction: "mean", "sum" or "none".
        delta: where the one becomes the other.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        TypeError: delta is not a number.
        ValueError: reduction is unknown, or delta not positive.

    Example:
        >>> nn.HuberLoss(reduction="none", delta=2.0)(np.array([1.0, 3.0]), np.zeros(2))
        array([0.5, 4. ])

    Reference: Huber: Robust Estimation of a Location Parameter (1964).
    """

    delta: float

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(_WeightedLoss):
    """The cross entropy of probabilities, element by element.

    l = -w · (y · log(x) + (1 - y) · log(1 - x)), logarithms at least -100

    Args:
        weight: array that broadcasts to the input, a factor for each element.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ValueError: the shapes differ, or reduction is unknown.
        RuntimeError: an input is not in [0, 1].

    Example:
        >>> round(float(nn.BCELoss()(np.array([0.5, 0.5]), np.array([0.0, 1.0]))), 4)
        0.6931
    """

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross entropy of the sigmoid of scores, element by element.

    l = -w · (p · y · log σ(x) + (1 - y) · log(1 - σ(x)))

    Args:
        weight: array that broadcasts to the input, a factor for each element.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        pos_weight: array that broadcasts to the input, p, a factor for positive targets.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ValueError: the shapes differ, or reduction is unknown.

    Example:
        >>> round(float(nn.BCEWithLogitsLoss()(np.zeros(2), np.array([0.0, 1.0]))), 4)
        0.6931
    """

    weight: NDArray[Any] | None
    pos_weight: NDArray[Any] | None

    def __init__(
        self,
        weight: NDArray[Any] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: NDArray[Any] | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.binary_cross_entropy_with_logits(input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight)


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence of probabilities from log-probabilities.

    l = y · (log(y) - x), or exp(y) · (y - x) with log_target

    Args:
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "batchmean" (the sum divided by the batch's size: the mathematical one), "mean", "sum" or "none".
        log_target: the target is log-probabilities too.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.KLDivLoss(reduction="batchmean")(np.log([[0.5, 0.5]]), np.array([[0.25, 0.75]]))), 4)
        0.1308
    """

    log_target: bool

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class CTCLoss(_Loss):
    """The negative log-likelihood of label sequences over all their alignments with the input.

    l = -log Σ_π Π_t p[t, π[t]] over the paths π that give the target when repeats are merged and blanks removed;
    the mean divides each by its target's length first

    Args:
        blank: class number of the blank.
        reduction: "mean", "sum" or "none".
        zero_infinity: 0 instead of an infinite loss, where a target does not fit its input.

    **Shape**: log_probs (T, N, C) or (T, C), targets (N, S) or (Σ target_lengths), lengths (N) or () -> (), or (N) without reduction.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: reduction is unknown; a length or the blank is out of range.

    Example:
        >>> log_probs = nn.functional.log_softmax(np.zeros((4, 1, 3)), 2)
        >>> round(float(nn.CTCLoss()(log_probs, np.array([[1, 2]]), np.array([4]), np.array([2]))), 4)
        0.8432

    Reference: Graves, Fernández, Gomez, Schmidhuber: Connectionist Temporal Classification (2006).
    """

    blank: int
    zero_infinity: bool

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array) -> Array:
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)


class CosineEmbeddingLoss(_Loss):
    """Brings vectors of alike pairs (target 1) together and those of others (target -1) apart.

    l = 1 - cos(x₁, x₂) if y = 1 else max(0, cos(x₁, x₂) - margin)

    Args:
        margin: cosine that pairs of different kinds may have.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, D), (N, D), (N) -> (), or (N) without reduction; (D), (D), () -> ().

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.CosineEmbeddingLoss()(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([1]))), 4)
        1.0
    """

    margin: float

    def __init__(self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Array, input2: Array, target: Array) -> Array:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """Ranks the first input above the second (target 1) or below it (target -1).

    l = max(0, -y · (x₁ - x₂) + margin)

    Args:
        margin: how far apart they have to be.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N), (N), (N) -> (), or (N) without reduction.

    Raises:
        ShapeError: the numbers of dimensions differ, or the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.MarginRankingLoss()(np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([1.0, 1.0]))
        array(0.5)
    """

    margin: float

    def __init__(self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Array, input2: Array, target: Array) -> Array:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """Makes distances of alike pairs (target 1) small and those of others (target -1) at least margin.

    l = x if y = 1 else max(0, margin - x)

    Args:
        margin: distance that pairs of different kinds have to have.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.HingeEmbeddingLoss(reduction="none")(np.array([0.25, 0.25]), np.array([1, -1]))
        array([0.25, 0.75])
    """

    margin: float

    def __init__(self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """Brings an anchor nearer to a positive example than to a negative one.

    l = max(0, ‖a - p + eps‖ₚ - ‖a - n + eps‖ₚ + margin)

    Args:
        margin: how much nearer.
        p: exponent of the norm.
        eps: added to differences.
        swap: takes the distance of positive and negative where that is smaller.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, D), (N, D), (N, D) -> (), or (N) without reduction; (D), (D), (D) -> ().

    Raises:
        ShapeError: the numbers of dimensions differ, or the shapes do not broadcast.
        ValueError: margin is not positive, or reduction unknown.

    Example:
        >>> a = np.zeros((1, 2))
        >>> nn.TripletMarginLoss()(a, a + 3.0, a + 3.0)
        array(1.)

    Reference: Balntas, Riba, Ponsa, Mikolajczyk: Learning local feature descriptors with triplets and shallow convolutional neural
    networks (2016).
    """

    margin: float
    p: float
    eps: float
    swap: bool

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:
        return F.triplet_margin_loss(
            anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, swap=self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """Brings an anchor nearer to a positive example than to a negative one, by a distance of your own.

    l = max(0, margin + d(a, p) - d(a, n))

    Args:
        distance_function: d, a function or module that takes two arrays; None: `PairwiseDistance()`.
        margin: how much nearer.
        swap: takes the distance of positive and negative where that is smaller.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, D), (N, D), (N, D) -> (), or (N) without reduction; (D), (D), (D) -> ().

    Raises:
        ShapeError: the numbers of dimensions differ.
        ValueError: margin is not positive, or reduction unknown.

    Example:
        >>> a = np.ones((1, 2))
        >>> apart = lambda x, y: 1.0 - nn.functional.cosine_similarity(x, y)
        >>> nn.TripletMarginWithDistanceLoss(distance_function=apart)(a, a, -a)
        array(0.)

    Reference: Balntas, Riba, Ponsa, Mikolajczyk: Learning local feature descriptors with triplets and shallow convolutional neural
    networks (2016).
    """

    margin: float
    swap: bool

    def __init__(
        self,
        *,
        distance_function: Callable[..., Any] | Module | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead")
        self.distance_function: Any = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class SoftMarginLoss(_Loss):
    """The logistic loss of two classes, 1 and -1.

    l = log(1 + exp(-y · x))

    Args:
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the target does not broadcast to the shape of the input.
        ValueError: reduction is unknown.

    Differences from PyTorch:
        Large -y · x give themselves and not infinity.

    Example:
        >>> nn.SoftMarginLoss(reduction="none")(np.array([0.0, -50.0]), np.array([1, 1])).round(4)
        array([ 0.6931, 50.    ])
    """

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Makes the score of the right class greater than those of the others by a margin.

    l[n] = w[y[n]] · Σ max(0, margin - x[n,y[n]] + x[n,c])ᵖ / C over the classes c other than y[n]

    Args:
        p: 1 or 2.
        margin: how much greater.
        weight: array (C), a factor for each class.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C), (N) -> (), or (N) without reduction; (C), () -> ().

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: p is neither 1 nor 2, weight has not one dimension, or reduction is unknown.

    Example:
        >>> nn.MultiMarginLoss(margin=2.0)(np.array([[1.0, 2.0, 0.0, -4.0]]), np.array([1]))
        array(0.25)
    """

    p: int
    margin: float

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: NDArray[Any] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"only p == 1 and p == 2 supported, but got p={p}")
        if weight is not None and np.ndim(weight) != 1:
            raise ShapeError(f"MultiMarginLoss: expected weight to be None or a 1D array, got {np.ndim(weight)}D instead")
        self.p = p
        self.margin = margin

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.multi_margin_loss(input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Makes the scores of a sample's classes greater by 1 than those of all others.

    l[n] = Σ max(0, 1 - x[n,y] + x[n,c]) / C over the classes y of the sample and c that are not

    Args:
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C), (N, C) -> (), or (N) without reduction; (C), (C) -> (). Of the target's integers, those before the first negative
    one are the sample's classes.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: reduction is unknown.

    Example:
        >>> nn.MultiLabelMarginLoss()(np.array([[0.0, 0.25, 0.5, 1.0]]), np.array([[3, 0, -1, 1]]))
        array(0.875)
    """

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The cross entropy of the sigmoid of scores, each class for itself, averaged over the classes.

    l[n] = -Σ_c w[c] · (y[n,c] · log σ(x[n,c]) + (1 - y[n,c]) · log(1 - σ(x[n,c]))) / C

    Args:
        weight: array that broadcasts to (N, C), a factor for each element.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C), (N, C) -> (), or (N) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast, or the input has no dimension of classes.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.MultiLabelSoftMarginLoss()(np.zeros((2, 3)), np.array([[1, 0, 1], [0, 0, 1]]))), 4)
        0.6931
    """

    @input_and_target
    def forward(self, input: Array, target: Array) -> Array:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """The negative log-likelihood of targets under normal distributions of given means and variances.

    l = (log(max(var, eps)) + (x - y)² / max(var, eps)) / 2, with full + log(2π) / 2

    Args:
        full: adds the constant.
        eps: smallest variance; where it takes the place of var, var still gets its gradient.
        reduction: "mean", "sum" or "none".

    **Shape**: input (N, *), target and var (N, *), or 1 in a dimension; var also (N, *) without the last dimension or a number -> (),
    or (N, *) without reduction.

    Raises:
        ValueError: var is negative somewhere or of another shape, or reduction is unknown.

    Example:
        >>> nn.GaussianNLLLoss()(np.zeros(3), np.full(3, 2.0), np.ones(3))
        array(2.)

    Reference: Nix, Weigend: Estimating the mean and variance of the target probability distribution (1994).
    """

    full: bool
    eps: float

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Array, target: Array, var: Array | float) -> Array:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """The negative log-likelihood of counts under Poisson distributions.

    l = exp(x) - y · x, or x - y · log(x + eps) where log_input is False; with full + y · log(y) - y + log(2πy) / 2 where y > 1

    Args:
        log_input: the input is the logarithm of the expected counts.
        full: adds Stirling's approximation of log(y!).
        size_average: deprecated, as reduce: together they say what reduction says.
        eps: keeps the logarithm away from 0.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.PoissonNLLLoss()(np.zeros(2), np.array([1.0, 3.0]))
        array(1.)
    """

    log_input: bool
    full: bool
    eps: float

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Array, target: Array) -> Array:
        return F.poisson_nll_loss(log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction)
