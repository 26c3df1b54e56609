"""Wrong calls: the type of the exception, and a message that names the argument, what came, what was expected, and the fix."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import swiftnn as nn

F = nn.functional


def x(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@dataclass(frozen=True)
class Wrong:
    call: Callable[[], Any]
    error: type[Exception] | tuple[type[Exception], ...]
    says: tuple[str, ...]  # each must be in the message
    desc: str


SHAPE = nn.ShapeError

WRONG = [
    # Transposed convolution
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3)(x(1, 1, 5, 5)), SHAPE, ("channels", "3", "1"), "transposed: channels"),
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3)(x(5, 5)), SHAPE, ("input", "(5, 5)", "(N, C, H, W)"), "transposed: 2-D input"),
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3, padding=9)(x(1, 3, 5, 5)), SHAPE, ("result", "padding"), "transposed: nothing left"),
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, ("zeros", "reflect"), "transposed: padding mode"),
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3, groups=2), ValueError, ("in_channels", "groups", "3", "2"), "transposed: groups"),
    Wrong(
        lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=2)(x(1, 3, 5)), ValueError,
        ("output_padding", "2", "stride", "dilation"), "transposed: output_padding",
    ),
    Wrong(lambda: nn.ConvTranspose1d(3, 4, 3, padding=-1)(x(1, 3, 5)), ValueError, ("padding", "-1"), "transposed: negative padding"),
    Wrong(lambda: nn.ConvTranspose1d(3, 4, 3, padding="same"), (TypeError, ValueError), ("padding", "same"), "transposed: padding word"),
    Wrong(
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2)(x(1, 3, 5, 5), output_size=(14, 11)), ValueError,
        ("output_size", "14", "11", "12"), "transposed: output_size",
    ),
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3)(x(1, 3, 5, 5), output_size=(7,)), ValueError, ("output_size", "2"), "transposed: one size"),
    Wrong(lambda: nn.ConvTranspose2d(3, 4, 3)(x(1, 3, 5, 5), output_size=7), TypeError, ("output_size", "2 ints", "7"), "transposed: int"),
    Wrong(
        lambda: F.conv_transpose2d(x(1, 3, 5, 5), x(3, 4, 3, 3), bias=x(3)), SHAPE, ("bias", "(3,)", "(4,)"), "transposed: bias",
    ),
    # Activations and dropouts
    Wrong(lambda: nn.CELU(0.0)(x(3)), (ValueError, RuntimeError), ("alpha", "0", "relu"), "celu: alpha"),
    Wrong(lambda: nn.Softshrink(-1.0)(x(3)), (ValueError, RuntimeError), ("lambd", "at least 0", "-1.0"), "softshrink: lambd"),
    Wrong(lambda: F.softshrink(x(3), "a"), TypeError, ("lambd", "number", "'a'"), "softshrink: a str"),
    Wrong(lambda: nn.RReLU(0.5, 0.2)(x(3)), (ValueError, RuntimeError), ("lower=0.5", "upper=0.2"), "rrelu: bounds"),
    Wrong(lambda: nn.AlphaDropout(1.5), ValueError, ("probability", "1.5"), "alpha dropout: p"),
    Wrong(lambda: nn.FeatureAlphaDropout()(x(3)), SHAPE, ("channel", "(3,)", "alpha_dropout"), "feature alpha dropout: vector"),
    Wrong(lambda: F.gumbel_softmax(x(2, 3), tau=0), ValueError, ("tau", "0", "argmax"), "gumbel_softmax: tau"),
    Wrong(lambda: F.gumbel_softmax(x(2, 3), dim=2), IndexError, ("dim=2", "2 dimensions"), "gumbel_softmax: dim"),
    Wrong(lambda: F.gumbel_softmax(x(2, 0), hard=True), IndexError, ("logits", "hard", "(2, 0)"), "gumbel_softmax: no classes"),
    # Margins between classes
    Wrong(lambda: F.soft_margin_loss(x(3), x(2, 3)), SHAPE, ("target", "(2, 3)", "(3,)"), "soft_margin: larger target"),
    Wrong(lambda: F.soft_margin_loss(x(3), x(4)), SHAPE, ("target (4,)", "input (3,)"), "soft_margin: other target"),
    Wrong(lambda: nn.MultiMarginLoss(p=3), ValueError, ("p == 1", "p=3"), "multi_margin: p"),
    Wrong(lambda: nn.MultiMarginLoss(weight=x(2, 2)), ValueError, ("weight", "2D"), "multi_margin: 2-D weight"),
    Wrong(lambda: F.multi_margin_loss(x(2, 3, 4), x(2, dtype=int)), SHAPE, ("input", "(N, C)", "(2, 3, 4)"), "multi_margin: 3-D input"),
    Wrong(lambda: F.multi_margin_loss(x(2, 0), x(2, dtype=int)), SHAPE, ("input", "class", "(2, 0)"), "multi_margin: no classes"),
    Wrong(lambda: F.multi_margin_loss(x(2, 3), x(1, dtype=int)), SHAPE, ("target", "2 samples", "(1,)"), "multi_margin: target"),
    Wrong(lambda: F.multi_margin_loss(x(2, 3), x(2)), TypeError, ("target", "float32", "astype"), "multi_margin: float target"),
    Wrong(lambda: F.multi_margin_loss(x(2, 3), np.array([1, 3])), IndexError, ("target", "3", "0 to 2"), "multi_margin: class"),
    Wrong(
        lambda: F.multi_margin_loss(x(2, 3), x(2, dtype=int), weight=x(2)), SHAPE, ("weight", "(3,)", "(2,)"), "multi_margin: weight",
    ),
    Wrong(lambda: F.multi_margin_loss(x(1, 3), x(1, dtype=int), margin="a"), TypeError, ("margin", "'a'"), "multi_margin: margin"),
    Wrong(lambda: F.multilabel_margin_loss(x(2, 3), x(3, dtype=int)), SHAPE, ("target", "(2, 3)", "(3,)"), "multilabel_margin: target"),
    Wrong(lambda: F.multilabel_margin_loss(x(3), np.array([0, -1, 3])), IndexError, ("target", "3", "-1 to 2"), "multilabel_margin: class"),
    Wrong(lambda: F.multilabel_margin_loss(x(3), np.array([0, -2, 1])), IndexError, ("target", "-2", "-1"), "multilabel_margin: below -1"),
    Wrong(lambda: F.multilabel_margin_loss(x(3, 0), x(3, 0, dtype=int)), SHAPE, ("input", "(3, 0)"), "multilabel_margin: no classes"),
    Wrong(lambda: F.multilabel_soft_margin_loss(x(), x()), SHAPE, ("input", "classes"), "multilabel_soft_margin: scalar"),
    Wrong(lambda: F.multilabel_soft_margin_loss(x(2, 3), x(2, 4)), SHAPE, ("target", "(2, 4)", "(2, 3)"), "multilabel_soft_margin: target"),
    Wrong(
        lambda: F.multilabel_soft_margin_loss(x(2, 3), x(2, 3), weight=x(4)), SHAPE, ("weight (4,)", "(2, 3)"),
        "multilabel_soft_margin: weight",
    ),
    Wrong(lambda: nn.TripletMarginWithDistanceLoss(margin=0), ValueError, ("margin", "0"), "triplet with distance: margin"),
    Wrong(
        lambda: F.triplet_margin_with_distance_loss(x(2, 3), x(2, 3), x(3)), SHAPE, ("anchor 2D", "negative 1D"),
        "triplet with distance: dimensions",
    ),
    Wrong(
        lambda: nn.TripletMarginWithDistanceLoss(reduction="average")(x(2, 3), x(2, 3), x(2, 3)), ValueError, ("average", "'mean'"),
        "triplet with distance: reduction",
    ),
    # What a padding index is not
    Wrong(lambda: nn.EmbeddingBag(10, 3)(np.array([[-1, 1]])), IndexError, ("index -1", "10"), "embedding_bag: negative index"),
    Wrong(lambda: nn.EmbeddingBag(10, 3)(None), TypeError, ("input", "integers"), "embedding_bag: None"),
    # Volumes
    Wrong(lambda: nn.Conv3d(3, 4, 3)(None), TypeError, ("conv3d", "input", "real numbers"), "volumes: None"),
    Wrong(lambda: nn.MaxPool3d(2)("a"), TypeError, ("max_pool3d", "input", "real numbers"), "volumes: a str"),
    Wrong(lambda: nn.AvgPool3d(2)(None), TypeError, ("avg_pool3d", "input", "real numbers"), "volumes: mean of None"),
    Wrong(lambda: nn.Conv3d(3, 4, 3)(x(1, 1, 5, 5, 5)), SHAPE, ("channels", "3", "1"), "volumes: channels"),
    Wrong(lambda: nn.Conv3d(3, 4, 3)(x(5, 5, 5)), SHAPE, ("input", "(5, 5, 5)", "(N, C, D, H, W)"), "volumes: 3-D input"),
    Wrong(lambda: nn.Conv3d(3, 4, (7, 1, 1))(x(1, 3, 5, 5, 5)), SHAPE, ("5 x 5 x 5", "7 x 1 x 1"), "volumes: large kernel"),
    Wrong(lambda: nn.Conv3d(3, 4, 3)(x(1, 3, 5, 5, 5, dtype=np.float64)), TypeError, ("float64", "float32"), "volumes: float type"),
    Wrong(lambda: nn.Conv3d(3, 4, 3, groups=2), ValueError, ("in_channels", "groups"), "volumes: groups"),
    Wrong(lambda: nn.Conv3d(3, 4, 3, stride=2, padding="same"), ValueError, ("same", "stride"), "volumes: same and stride"),
    Wrong(lambda: nn.Conv3d(3, 4, 3, stride=0)(x(1, 3, 5, 5, 5)), ValueError, ("stride", "0", "1"), "volumes: stride"),
    Wrong(lambda: nn.Conv3d(3, 4, (3, 3)), ValueError, ("kernel_size", "3"), "volumes: kernel size"),
    Wrong(lambda: F.conv3d(x(1, 3, 5, 5, 5), x(4, 3, 3, 3)), SHAPE, ("weight", "(4, 3, 3, 3)"), "volumes: weight"),
    Wrong(lambda: F.conv3d(x(1, 3, 5, 5, 5), x(4, 3, 3, 3, 3), x(3)), SHAPE, ("bias", "(3,)", "(4,)"), "volumes: bias"),
    Wrong(lambda: F.conv3d(x(1, 4, 5, 5, 5), x(4, 2, 3, 3, 3), groups={}), ValueError, ("groups", "{}"), "volumes: no groups"),
    Wrong(lambda: F.conv_transpose3d(x(1, 4, 5, 5, 5), x(4, 2, 3, 3, 3), groups="a"), TypeError, ("groups", "'a'"), "volumes: a letter"),
    Wrong(lambda: F.conv3d(x(1, 4, 5, 5, 5), x(5, 2, 3, 3, 3), groups=2), ValueError, ("groups", "out_channels", "5"), "volumes: outputs"),
    Wrong(lambda: nn.ConvTranspose3d(3, 4, 3)(x(1, 1, 5, 5, 5)), SHAPE, ("channels", "3", "1"), "volumes transposed: channels"),
    Wrong(lambda: nn.ConvTranspose3d(3, 4, 3, padding=9)(x(1, 3, 5, 5, 5)), SHAPE, ("result", "padding"), "volumes transposed: none left"),
    Wrong(
        lambda: nn.ConvTranspose3d(3, 4, 3, stride=2, output_padding=2)(x(1, 3, 5, 5, 5)), ValueError,
        ("output_padding", "2", "stride", "dilation"), "volumes transposed: output_padding",
    ),
    Wrong(
        lambda: F.conv_transpose3d(x(1, 3, 5, 5, 5), x(3, 4, 3, 3, 3), bias=np.zeros(4)), TypeError, ("bias", "float64", "float32"),
        "volumes transposed: type of bias",
    ),
    # Convolution
    Wrong(lambda: nn.Conv2d(3, 4, 3)(x(1, 1, 5, 5)), SHAPE, ("channels", "3", "1"), "conv: channels"),
    Wrong(lambda: nn.Conv2d(3, 4, 7)(x(1, 3, 5, 5)), SHAPE, ("7", "5"), "conv: input smaller than the kernel"),
    Wrong(lambda: nn.Conv2d(3, 4, 3)(x(5, 5)), SHAPE, ("input", "(5, 5)", "(N, C, H, W)", "(C, H, W)"), "conv: 2-D input"),
    Wrong(lambda: nn.Conv2d(3, 4, 3)(x(1, 1, 3, 5, 5)), SHAPE, ("5",), "conv: 5-D input"),
    Wrong(lambda: nn.Conv2d(3, 4, 3)(x(1, 3, 5, 5, dtype=np.float64)), TypeError, ("float64", "float32", "astype"), "conv: float64 input"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, ("in_channels", "groups", "3", "2"), "conv: groups and in_channels"),
    Wrong(lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, ("out_channels", "groups", "3", "2"), "conv: groups and out_channels"),
    Wrong(lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, ("groups", "0"), "conv: no groups"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, padding="foo"), ValueError, ("padding", "foo", "same", "valid"), "conv: padding word"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), ValueError, ("padding", "same", "stride", "2"), "conv: same and strided"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, padding_mode="foo"), ValueError, ("padding_mode", "foo", "reflect"), "conv: padding mode"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, stride=0)(x(1, 3, 5, 5)), (ValueError, RuntimeError), ("stride", "0"), "conv: stride 0"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, dilation=0)(x(1, 3, 5, 5)), (ValueError, RuntimeError), ("dilation", "0"), "conv: dilation 0"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, padding=-1)(x(1, 3, 5, 5)), (ValueError, RuntimeError), ("padding", "-1"), "conv: negative padding"),
    Wrong(
        lambda: nn.Conv2d(3, 4, (3, 3, 3))(x(1, 3, 5, 5)),
        (ValueError, RuntimeError),
        ("kernel_size", "(3, 3, 3)"),
        "conv: three kernel sizes",
    ),
    Wrong(lambda: nn.Conv2d(3, 4, "3"), TypeError, ("kernel_size",), "conv: kernel is a str"),
    Wrong(
        lambda: nn.Conv2d(3, 4, 3, padding=4, padding_mode="reflect")(x(1, 3, 4, 4)), SHAPE, ("4",), "conv: reflection wider than the input"
    ),
    Wrong(lambda: nn.Conv2d(3, 4, 3)(None), TypeError, ("input", "None"), "conv: None"),
    Wrong(lambda: nn.Conv2d(3, 4, 3)("image"), TypeError, ("input",), "conv: a str"),
    Wrong(lambda: nn.Conv2d(3, 4, 3)(x(1, 3, 5, 5, dtype=complex)), TypeError, ("complex",), "conv: complex input"),
    Wrong(lambda: nn.Conv2d(3, 4, 3, device="cuda"), (ValueError, RuntimeError), ("device", "cuda", "cpu"), "conv: another device"),
    # Pooling
    Wrong(lambda: nn.MaxPool2d(0)(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("kernel_size", "0"), "pool: kernel 0"),
    Wrong(lambda: nn.MaxPool2d(2, 0)(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("stride", "0"), "pool: stride 0"),
    Wrong(
        lambda: nn.MaxPool2d(3, padding=2)(x(1, 1, 4, 4)),
        (ValueError, RuntimeError),
        ("padding", "2", "3"),
        "pool: padding over half of the kernel",
    ),
    Wrong(lambda: nn.MaxPool2d(3, padding=-1)(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("padding", "-1"), "pool: negative padding"),
    Wrong(lambda: nn.MaxPool2d(3, dilation=0)(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("dilation", "0"), "pool: dilation 0"),
    Wrong(lambda: nn.MaxPool2d(5)(x(1, 1, 4, 4)), SHAPE, ("4", "5"), "pool: window larger than the input"),
    Wrong(lambda: nn.MaxPool2d(2)(x(4, 4)), SHAPE, ("input", "(4, 4)", "(N, C, H, W)", "(C, H, W)"), "pool: 2-D input"),
    Wrong(lambda: nn.MaxPool2d((2, 2, 2))(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("kernel_size",), "pool: three kernel sizes"),
    Wrong(lambda: nn.MaxPool2d(2)(x(1, 1, 4, 4, dtype=bool)), (TypeError, NotImplementedError), ("bool",), "pool: bool"),
    Wrong(lambda: nn.MaxPool2d(2)(x(1, 0, 4, 4)), SHAPE, ("0",), "pool: no channels"),
    Wrong(lambda: nn.AvgPool2d(2, divisor_override=0)(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("divisor",), "pool: divisor 0"),
    Wrong(lambda: nn.AdaptiveAvgPool2d((2, 3, 4))(x(1, 1, 4, 4)), (ValueError, RuntimeError), ("output_size",), "pool: three output sizes"),
    Wrong(lambda: nn.MaxPool3d(5)(x(1, 1, 4, 6, 6)), SHAPE, ("(1, 1, 4, 6, 6)", "5 x 5 x 5"), "pool of volumes: window"),
    Wrong(lambda: nn.MaxPool3d(2)(x(4, 4, 4)), SHAPE, ("input", "(4, 4, 4)", "(N, C, D, H, W)"), "pool of volumes: 3-D input"),
    Wrong(lambda: nn.MaxPool3d(2)(x(1, 1, 4, 0, 4)), SHAPE, ("(1, 1, 4, 0, 4)", "batch"), "pool of volumes: empty"),
    Wrong(lambda: nn.MaxPool3d(3, padding=(1, 2, 1))(x(1, 1, 4, 4, 4)), ValueError, ("padding", "half", "(1, 2, 1)"), "volumes: border"),
    Wrong(lambda: nn.MaxPool3d(3, stride=(1, 0, 1))(x(1, 1, 4, 4, 4)), ValueError, ("stride", "(1, 0, 1)"), "pool of volumes: stride 0"),
    Wrong(lambda: nn.MaxPool3d((2, 2))(x(1, 1, 4, 4, 4)), ValueError, ("kernel_size", "3"), "pool of volumes: two sizes"),
    Wrong(lambda: nn.MaxPool3d(2)(x(1, 1, 4, 4, 4, dtype=bool)), (TypeError, NotImplementedError), ("bool",), "pool of volumes: bool"),
    Wrong(lambda: nn.AvgPool3d(2, divisor_override=0)(x(1, 1, 4, 4, 4)), ValueError, ("divisor",), "mean of volumes: divisor 0"),
    Wrong(lambda: nn.AvgPool3d(5)(x(1, 1, 4, 6, 6)), SHAPE, ("(1, 1, 4, 6, 6)", "5 x 5 x 5"), "mean of volumes: window"),
    Wrong(lambda: nn.AdaptiveAvgPool3d(2)(x(4, 4, 4)), SHAPE, ("(4, 4, 4)", "(N, C, D, H, W)"), "adaptive mean of volumes: 3-D input"),
    Wrong(lambda: nn.AdaptiveMaxPool2d(2)(x(4, 4)), SHAPE, ("(4, 4)", "(N, C, H, W)"), "adaptive maxima: 2-D input"),
    Wrong(lambda: nn.AdaptiveMaxPool3d(2)(x(2, 4, 4)), SHAPE, ("(2, 4, 4)", "(N, C, D, H, W)"), "adaptive maxima: volumes"),
    Wrong(lambda: nn.AdaptiveMaxPool1d(-2)(x(2, 4)), SHAPE, ("output_size", "-2"), "adaptive maxima: negative"),
    Wrong(lambda: nn.AdaptiveMaxPool2d(2)(x(1, 0, 4, 4)), SHAPE, ("(1, 0, 4, 4)", "batch"), "adaptive maxima: no channels"),
    Wrong(lambda: nn.LPPool2d(0, 2)(x(1, 4, 4)), ValueError, ("norm_type", "0"), "norms: order 0"),
    Wrong(lambda: nn.LPPool2d("2", 2)(x(1, 4, 4)), TypeError, ("norm_type", "'2'"), "norms: a word"),  # type: ignore[arg-type]
    Wrong(lambda: nn.LPPool3d(2, 5)(x(1, 4, 6, 6)), SHAPE, ("(1, 4, 6, 6)", "5 x 5 x 5"), "norms: window"),
    Wrong(lambda: nn.MaxUnpool2d(2)(x(1, 2, 2), np.full((1, 2, 2), 16)), IndexError, ("indices", "16"), "unpool: index too large"),
    Wrong(lambda: nn.MaxUnpool2d(2)(x(1, 2, 2), np.full((1, 2, 2), -1)), IndexError, ("indices", "-1"), "unpool: negative index"),
    Wrong(lambda: nn.MaxUnpool2d(2)(x(1, 2, 2), np.zeros((1, 2, 3), int)), SHAPE, ("indices", "(1, 2, 3)", "(1, 2, 2)"), "unpool: shapes"),
    Wrong(lambda: nn.MaxUnpool2d(2)(x(2, 2), np.zeros((2, 2), int)), SHAPE, ("(2, 2)", "4 dimensions"), "unpool: 2-D input"),
    Wrong(
        lambda: nn.MaxUnpool2d(2)(x(1, 2, 2), np.zeros((1, 2, 2), int), output_size=(9, 4)), ValueError,
        ("output_size", "(9, 4)", "3", "5"), "unpool: output_size",
    ),
    Wrong(
        lambda: nn.MaxUnpool2d(2)(x(1, 2, 2), np.zeros((1, 2, 2), int), output_size=(4,)), ValueError, ("output_size", "2 or 4"),
        "unpool: one size",
    ),
    Wrong(lambda: nn.MaxUnpool1d(1, padding=3)(x(1, 2), np.zeros((1, 2), int)), SHAPE, ("(1, 2)", "-4", "padding"), "unpool: nothing left"),
    # Blocks
    Wrong(lambda: nn.Unfold(5)(x(1, 1, 4, 4)), SHAPE, ("4 x 4", "5 x 5"), "unfold: window larger than the input"),
    Wrong(lambda: nn.Unfold(2)(x(4, 4)), SHAPE, ("(4, 4)", "(N, C, H, W)"), "unfold: 2-D input"),
    Wrong(lambda: nn.Unfold(2)(x(1, 0, 4, 4)), SHAPE, ("(1, 0, 4, 4)", "batch"), "unfold: no channels"),
    Wrong(lambda: nn.Unfold(2, padding=-1)(x(1, 1, 4, 4)), ValueError, ("padding", "-1"), "unfold: negative padding"),
    Wrong(lambda: nn.Unfold(0)(x(1, 1, 4, 4)), ValueError, ("kernel_size", "0"), "unfold: kernel 0"),
    Wrong(lambda: nn.Unfold(2, dilation=0)(x(1, 1, 4, 4)), ValueError, ("dilation", "0"), "unfold: dilation 0"),
    Wrong(lambda: nn.Unfold((2, 2, 2))(x(1, 1, 4, 4)), ValueError, ("kernel_size", "3"), "unfold: three sizes"),
    Wrong(lambda: nn.Fold(4, 2)(x(1, 5, 9)), SHAPE, ("(1, 5, 9)", "kernel_size", "2 * 2"), "fold: channels"),
    Wrong(lambda: nn.Fold(4, 2)(x(1, 4, 8)), SHAPE, ("(1, 4, 8)", "8 blocks", "3 * 3"), "fold: blocks"),
    Wrong(lambda: nn.Fold(4, 2)(x(9)), SHAPE, ("(9,)", "L"), "fold: 1-D input"),
    Wrong(lambda: nn.Fold((4, 0), 2)(x(1, 4, 9)), ValueError, ("output_size", "0"), "fold: no columns"),
    Wrong(lambda: nn.FractionalMaxPool2d(2), ValueError, ("exactly one", "output_size", "output_ratio"), "fractional: neither"),
    Wrong(lambda: nn.FractionalMaxPool2d(2, 3, 0.5), ValueError, ("exactly one", "3", "0.5"), "fractional: both"),
    Wrong(lambda: nn.FractionalMaxPool3d(2, output_ratio=1), ValueError, ("output_ratio", "between 0 and 1"), "fractional: ratio"),
    Wrong(lambda: nn.FractionalMaxPool3d(0, 3), ValueError, ("kernel_size", "0"), "fractional: kernel"),
    Wrong(lambda: F.fractional_max_pool2d(x(1, 1, 4, 4), 2), ValueError, ("output_size", "output_ratio"), "fractional: no size"),
    Wrong(lambda: F.fractional_max_pool2d(x(1, 1, 4, 4), 2, 4), SHAPE, ("(4, 4)", "(2, 2)", "(1, 1, 4, 4)"), "fractional: too large"),
    Wrong(lambda: F.fractional_max_pool2d(x(1, 1, 4, 4), 2, -1), SHAPE, ("output_size", "-1"), "fractional: negative"),
    Wrong(lambda: F.fractional_max_pool2d(x(4, 4), 2, 1), SHAPE, ("(4, 4)", "4 dimensions"), "fractional: 2-D input"),
    Wrong(lambda: F.fractional_max_pool3d(x(1, 0, 4, 4, 4), 2, 1), SHAPE, ("(1, 0, 4, 4, 4)", "batch"), "fractional: no channels"),
    Wrong(
        lambda: F.fractional_max_pool2d(x(1, 3, 4, 4), 2, 1, _random_samples=x(1, 2, 2)), SHAPE, ("samples", "(1, 2, 2)", "(1, 3, 2)"),
        "fractional: number of samples",
    ),
    Wrong(
        lambda: F.fractional_max_pool2d(x(1, 3, 4, 4), 2, 1, _random_samples=np.zeros((1, 3, 2))), TypeError, ("float64", "float32"),
        "fractional: type of samples",
    ),
    Wrong(
        lambda: F.fractional_max_pool2d(x(1, 1, 4, 4), 2, 1, _random_samples=x(1, 1, 2) + 2), ValueError, ("_random_samples", "0 ... 1"),
        "fractional: range of samples",
    ),
    Wrong(lambda: nn.CrossMapLRN2d(3)(x(2, 3, 4)), ValueError, ("4D", "3D", "(2, 3, 4)"), "cross map: 3-D input"),
    Wrong(lambda: nn.CrossMapLRN2d(0)(x(2, 3, 4, 4)), ValueError, ("size", "0"), "cross map: size"),
    Wrong(lambda: nn.SyncBatchNorm(3, process_group=1), ValueError, ("process_group", "1", "one process"), "sync batch norm: processes"),
    Wrong(lambda: nn.SyncBatchNorm(3)(x(3)), ValueError, ("2D", "1D"), "sync batch norm: 1-D input"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, []), ValueError, ("cutoffs", "0"), "adaptive: no cutoffs"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [5, 9]), ValueError, ("cutoffs", "n_classes-1=8", "[5, 9]"), "adaptive: cutoffs"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [1.5]), TypeError, ("cutoffs", "integers", "1.5"), "adaptive: part of a class"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [5])(x(2, 8), ints(1, 9)), ValueError, ("[0, 8]", "[1, 9]"), "adaptive: class"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [5])(x(2, 8), ints(1)), SHAPE, ("(2, 8)", "(1,)"), "adaptive: batch"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [5])(x(2, 8), x(2)), TypeError, ("class numbers", "float32"), "adaptive: target"),
    Wrong(lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [5]).log_prob(x(8)), SHAPE, ("(8,)", "(N, 8)"), "adaptive: 1-D log_prob"),
    Wrong(lambda: F.linear_cross_entropy(x(2, 3, 4), x(5, 4), ints(1, 2)), SHAPE, ("input", "(2, 3, 4)"), "linear loss: input"),
    Wrong(lambda: F.linear_cross_entropy(x(2, 4), x(5, 3), ints(1, 2)), SHAPE, ("linear_weight", "(5, 3)", "4"), "linear loss: weight"),
    Wrong(
        lambda: F.linear_cross_entropy(x(2, 4), x(5, 4), ints(1, 2), linear_bias=x(4)), SHAPE, ("linear_bias", "(4,)", "(5,)"),
        "linear loss: bias",
    ),
    Wrong(lambda: F.linear_cross_entropy(x(4), x(5, 2, 4), ints(1, 2)), SHAPE, ("batch", "(5, 2, 4)", "(4,)"), "linear loss: no batch"),
    Wrong(
        lambda: F.linear_cross_entropy(x(2, 4), x(5, 4), x(2, 5), ignore_index=1), ValueError, ("ignore_index", "probabilities"),
        "linear loss: ignored probabilities",
    ),
    Wrong(lambda: F.linear_cross_entropy(x(2, 4), x(5, 4), ints(1, 2), options=3), TypeError, ("options", "int"), "linear loss: options"),
    Wrong(
        lambda: F.linear_cross_entropy(x(2, 4), x(5, 4), ints(1, 5), options=nn.LinearCrossEntropyOptions(batch_chunk_size=1)), IndexError,
        ("5",), "linear loss: class",
    ),
    Wrong(lambda: nn.LinearCrossEntropyLoss(4, 5, weight=x(4)), SHAPE, ("weight", "(5,)", "(4,)"), "linear loss: class weights"),
    Wrong(lambda: nn.LinearCrossEntropyLoss(4, 5, label_smoothing=2), ValueError, ("label_smoothing", "2"), "linear loss: smoothing"),
    Wrong(lambda: nn.LinearCrossEntropyOptions(acc_policy="a"), ValueError, ("acc_policy", "a", "compact"), "linear loss: policy"),
    Wrong(lambda: nn.LinearCrossEntropyOptions(chunking_method="b:0"), ValueError, ("chunking_method", "b:0"), "linear loss: method"),
    Wrong(lambda: nn.LinearCrossEntropyOptions(batch_chunk_size=0), ValueError, ("batch_chunk_size", "0"), "linear loss: rows"),
    Wrong(lambda: F.pdist(x(3)), SHAPE, ("(3,)", "(N, D)"), "pdist: 1-D input"),
    Wrong(lambda: F.pdist(x(3, 2), -1), ValueError, ("p", "-1"), "pdist: p"),
    Wrong(lambda: F.conv_tbc(x(5, 3), x(2, 3, 4), x(4)), SHAPE, ("input", "(5, 3)", "(T, N, C)"), "conv_tbc: input"),
    Wrong(lambda: F.conv_tbc(x(5, 2, 3), x(3, 4), x(4)), SHAPE, ("weight", "(3, 4)", "(R, C, O)"), "conv_tbc: weight"),
    Wrong(lambda: nn.LocalResponseNorm(2)(x(3, 4)), SHAPE, ("(3, 4)", "3 dimensions"), "local response: 2-D input"),
    Wrong(lambda: F.local_response_norm(x(1, 3, 4), 0), ValueError, ("size", "0"), "local response: size 0"),
    # Recurrent
    Wrong(lambda: nn.LSTM(3, 0), ValueError, ("hidden_size", "0"), "rnn: hidden size 0"),
    Wrong(lambda: nn.LSTM(3, 2.5), TypeError, ("hidden_size", "float"), "rnn: hidden size 2.5"),
    Wrong(lambda: nn.LSTM(0, 3), ValueError, ("input_size", "0"), "rnn: input size 0"),
    Wrong(lambda: nn.LSTM(3, 4, 0), ValueError, ("num_layers", "0"), "rnn: no layers"),
    Wrong(lambda: nn.LSTM(3, 4, bias=1), TypeError, ("bias", "bool"), "rnn: bias is no bool"),
    Wrong(lambda: nn.LSTM(3, 4, batch_first=1), TypeError, ("batch_first", "bool"), "rnn: batch_first is no bool"),
    Wrong(lambda: nn.LSTM(3, 4, dropout=2), ValueError, ("dropout", "2"), "rnn: dropout 2"),
    Wrong(lambda: nn.LSTM(3, 4, proj_size=4), ValueError, ("proj_size", "4"), "rnn: projection as large as the state"),
    Wrong(lambda: nn.LSTM(3, 4, proj_size=-1), ValueError, ("proj_size", "-1"), "rnn: negative projection"),
    Wrong(lambda: nn.GRU(3, 4, proj_size=2), (ValueError, TypeError), ("proj_size",), "rnn: projection of a GRU"),
    Wrong(lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, ("gelu", "tanh", "relu"), "rnn: nonlinearity"),
    Wrong(lambda: nn.LSTM(3, 4)(x(5, 2, 4)), SHAPE, ("input_size", "3", "4"), "rnn: features"),
    Wrong(lambda: nn.LSTM(3, 4)(x(1, 5, 2, 3)), SHAPE, ("2", "3", "4"), "rnn: 4-D input"),
    Wrong(lambda: nn.GRU(3, 4)(x(5, 2, 3), x(1, 3, 4)), SHAPE, ("(1, 2, 4)", "1, 3, 4"), "rnn: batch of the state"),
    Wrong(lambda: nn.GRU(3, 4)(x(5, 2, 3), x(1, 4)), SHAPE, ("3", "2"), "rnn: 2-D state for a batch"),
    Wrong(lambda: nn.LSTM(3, 4)(x(5, 2, 3), (x(1, 2, 4), x(1, 2, 5))), SHAPE, ("(1, 2, 4)", "1, 2, 5"), "rnn: cell state"),
    Wrong(lambda: nn.LSTM(3, 4)(x(5, 2, 3), x(1, 2, 4)), (TypeError, ValueError, IndexError), ("hx", "c"), "rnn: one state for an LSTM"),
    Wrong(lambda: nn.RNN(3, 4)(x(5, 2, 3, dtype=np.float64)), TypeError, ("float64", "float32"), "rnn: float64 input"),
    Wrong(lambda: nn.LSTMCell(3, 4)(x(2, 5)), SHAPE, ("3", "5"), "cell: features"),
    Wrong(lambda: nn.GRUCell(3, 4)(x(2, 3), x(3, 4)), SHAPE, ("2", "3"), "cell: batch of the state"),
    Wrong(lambda: nn.RNNCell(3, 4)(x(1, 2, 3)), SHAPE, ("1", "2", "3"), "cell: 3-D input"),
    # Attention
    Wrong(lambda: nn.MultiheadAttention(5, 2), ValueError, ("embed_dim", "num_heads", "5", "2"), "attention: heads"),
    Wrong(lambda: nn.MultiheadAttention(5, 2), AssertionError, ("embed_dim",), "attention: heads, as PyTorch's type"),
    Wrong(lambda: nn.MultiheadAttention(0, 2), ValueError, ("embed_dim", "0"), "attention: no features"),
    Wrong(lambda: nn.MultiheadAttention(4, 2)(*[x(3, 2, 6)] * 3), (ValueError, AssertionError), ("4", "6"), "attention: features"),
    Wrong(
        lambda: nn.MultiheadAttention(4, 2)(*[x(3, 2, 4)] * 3, attn_mask=x(2, 3)),
        (ValueError, RuntimeError),
        ("attn_mask", "(2, 3)", "(3, 3)"),
        "attention: 2-D mask",
    ),
    Wrong(
        lambda: nn.MultiheadAttention(4, 2)(*[x(3, 2, 4)] * 3, attn_mask=x(3, 3, 3)),
        (ValueError, RuntimeError),
        ("attn_mask", "(3, 3, 3)", "(4, 3, 3)"),
        "attention: 3-D mask",
    ),
    Wrong(
        lambda: nn.MultiheadAttention(4, 2)(*[x(3, 2, 4)] * 3, key_padding_mask=x(3, 3)),
        (ValueError, AssertionError),
        ("key_padding_mask", "2", "3"),
        "attention: padding mask",
    ),
    Wrong(
        lambda: nn.MultiheadAttention(4, 2)(*[x(3, 2, 4)] * 3, attn_mask=x(3, 3, dtype=int)),
        (TypeError, AssertionError),
        ("mask", "bool", "int"),
        "attention: integer mask",
    ),
    Wrong(lambda: nn.MultiheadAttention(4, 2)(*[x(2, 3, 2, 4)] * 3), (ValueError, AssertionError), ("query", "4"), "attention: 4-D input"),
    Wrong(lambda: nn.Transformer(8, 3), (ValueError, AssertionError), ("8", "3"), "transformer: heads"),
    Wrong(
        lambda: nn.Transformer(8, 2, 1, 1, 8)(x(3, 2, 8), x(3, 1, 8)),
        (ValueError, RuntimeError),
        ("batch", "2", "1"),
        "transformer: batches",
    ),
    Wrong(
        lambda: nn.Transformer(8, 2, 1, 1, 8)(x(3, 2, 6), x(3, 2, 6)),
        (ValueError, RuntimeError),
        ("d_model", "6", "8"),
        "transformer: features",
    ),
    Wrong(
        lambda: nn.TransformerEncoderLayer(8, 2, activation="silu"),
        (ValueError, RuntimeError),
        ("silu", "relu", "gelu"),
        "transformer: activation",
    ),
    # Others
    Wrong(lambda: nn.Linear(5, 2)(x(3, 4)), SHAPE, ("4", "5"), "linear: features"),
    Wrong(lambda: nn.Linear(5, 2)(np.float32(3)), SHAPE, ("input",), "linear: a scalar"),
    Wrong(lambda: nn.Bilinear(0, 1, 1), ValueError, ("in1_features", "0"), "bilinear: no features"),
    Wrong(lambda: nn.Bilinear(2, 3, 1)(x(4, 2), x(5, 3)), SHAPE, ("4", "5"), "bilinear: batches"),
    Wrong(lambda: nn.Embedding(5, 2)(np.array([1, 5])), IndexError, ("5",), "embedding: index too large"),
    Wrong(lambda: nn.Embedding(5, 2)(np.array([-1])), IndexError, ("-1",), "embedding: negative index"),
    Wrong(lambda: nn.Embedding(5, 2)(x(3)), (TypeError, RuntimeError), ("float32", "int"), "embedding: float indices"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 5), ints(0)), IndexError, ("5", "num_embeddings"), "bag: index too large"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(x(3), ints(0)), TypeError, ("input", "float32", "integers"), "bag: float indices"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 2), x(1)), TypeError, ("offsets", "float32", "integers"), "bag: float offsets"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 2)), ValueError, ("offsets", "1D", "None"), "bag: no offsets"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(np.ones((2, 3), int), ints(0)), ValueError, ("2D", "offsets", "None"), "bag: offsets beside 2D"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(np.ones((2, 3, 1), int)), ValueError, ("1D or 2D", "(2, 3, 1)"), "bag: 3D input"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 2), ints(1)), ValueError, ("offsets[0]", "0", "1"), "bag: first offset"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 2), ints(0, 3)), ValueError, ("offsets", "length 2", "3"), "bag: offset too large"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 2), ints(0, 2, 1)), ValueError, ("offsets", "decrease"), "bag: offsets decrease"),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1, 2), np.zeros((1, 1), int)), ValueError, ("offsets", "(1, 1)"), "bag: 2D offsets"),
    Wrong(
        lambda: nn.EmbeddingBag(5, 2, include_last_offset=True)(ints(1), np.zeros(0, int)), ValueError,
        ("offsets", "include_last_offset"), "bag: no last offset",
    ),
    Wrong(lambda: nn.EmbeddingBag(5, 2, mode="min")(ints(1), ints(0)), ValueError, ("mode", "min", "max"), "bag: mode"),
    Wrong(
        lambda: nn.EmbeddingBag(5, 2, mode="max", scale_grad_by_freq=True)(ints(1), ints(0)), ValueError, ("max", "scale_grad_by_freq"),
        "bag: max by frequency",
    ),
    Wrong(lambda: nn.EmbeddingBag(5, 2)(ints(1), ints(0), x(1)), NotImplementedError, ("per_sample_weights", "sum", "mean"), "bag: mean"),
    Wrong(
        lambda: nn.EmbeddingBag(5, 2, mode="sum")(ints(1), ints(0), x(2)), ValueError, ("per_sample_weights", "(2,)", "(1,)"),
        "bag: number of weights",
    ),
    Wrong(
        lambda: nn.EmbeddingBag(5, 2, mode="sum")(ints(1), ints(0), np.ones(1)), TypeError, ("per_sample_weights", "float64", "float32"),
        "bag: type of weights",
    ),
    Wrong(lambda: F.embedding_bag(ints(1), x(3), ints(0)), ValueError, ("weight", "2D", "(3,)"), "bag: weight"),
    Wrong(lambda: nn.EmbeddingBag(5, 2, padding_idx=5), AssertionError, ("adding_idx", "5"), "bag: padding"),
    Wrong(lambda: nn.Embedding(5, 2, padding_idx=5), (ValueError, AssertionError), ("adding_idx", "5"), "embedding: padding"),
    Wrong(lambda: nn.LayerNorm(5)(x(3, 4)), SHAPE, ("5", "4"), "layer norm: shape"),
    Wrong(lambda: nn.GroupNorm(3, 4), ValueError, ("num_channels", "num_groups", "3", "4"), "group norm: groups"),
    Wrong(lambda: nn.GroupNorm(2, 4)(x(2, 6, 3)), SHAPE, ("4", "6"), "group norm: channels"),
    Wrong(lambda: nn.BatchNorm2d(4)(x(2, 4, 3)), (ValueError, RuntimeError), ("4", "3"), "batch norm: 3-D input"),
    Wrong(lambda: nn.BatchNorm1d(4)(x(2, 3, 5)), SHAPE, ("4", "3"), "batch norm: channels"),
    Wrong(lambda: nn.BatchNorm1d(4)(x(1, 4)), ValueError, ("1",), "batch norm: one value to train on"),
    Wrong(lambda: nn.InstanceNorm2d(4)(x(2, 4, 1, 1)), ValueError, ("1",), "instance norm: one value"),
    Wrong(lambda: nn.Softmax(dim=3)(x(2, 3)), IndexError, ("dim", "3", "2"), "softmax: dim"),
    Wrong(lambda: nn.PReLU(3)(x(2, 4)), SHAPE, ("3", "4"), "prelu: channels"),
    Wrong(lambda: nn.Unflatten(1, (2, 4))(x(2, 6)), (ValueError, RuntimeError), ("6",), "unflatten: sizes"),
    Wrong(lambda: nn.GELU("foo")(x(3)), (ValueError, RuntimeError), ("approximate", "foo", "tanh"), "gelu: approximate"),
    Wrong(lambda: F.pad(x(2, 3), (1,)), (ValueError, RuntimeError), ("pad",), "pad: odd number"),
    Wrong(lambda: F.pad(x(2, 3), (1, 1), "foo"), (ValueError, NotImplementedError), ("mode", "foo"), "pad: mode"),
    Wrong(lambda: F.pad(x(1, 2, 3), (3, 0), "reflect"), (ValueError, RuntimeError), ("3",), "pad: reflection too wide"),
    Wrong(lambda: F.pad(x(1, 2, 3), (4, 0), "circular"), (ValueError, RuntimeError), ("4", "3"), "pad: round more than once"),
    Wrong(lambda: F.pad(x(2, 3), (-2, -2)), (ValueError, RuntimeError), ("-2",), "pad: nothing left"),
    Wrong(lambda: F.interpolate(x(1, 1, 4, 4)), ValueError, ("size", "scale_factor"), "interpolate: neither"),
    Wrong(lambda: F.interpolate(x(1, 1, 4, 4), size=3, scale_factor=2), ValueError, ("size", "scale_factor"), "interpolate: both"),
    Wrong(lambda: F.interpolate(x(1, 1, 4, 4), 3, mode="foo"), (ValueError, NotImplementedError), ("mode", "foo"), "interpolate: mode"),
    Wrong(lambda: F.interpolate(x(1, 1, 4, 4), 3, align_corners=True), ValueError, ("align_corners",), "interpolate: corners of nearest"),
    Wrong(lambda: F.interpolate(x(1, 1, 4), 3, mode="trilinear"), NotImplementedError, ("trilinear", "(1, 1, 4)"), "interpolate: dims"),
    Wrong(lambda: F.interpolate(x(1, 1, 4), 3, mode="linear", antialias=True), ValueError, ("antialias", "linear"), "interpolate: smooth"),
    Wrong(lambda: F.interpolate(x(1, 1, 4, 4), 3, mode="lanczos"), ValueError, ("lanczos", "antialias"), "interpolate: lanczos"),
    Wrong(lambda: F.interpolate(x(1, 1, 4, 4, 4), (3, 0, 2)), SHAPE, ("(3, 0, 2)",), "interpolate: nothing left"),
    Wrong(lambda: F.grid_sample(x(1, 1, 4, 4), x(1, 2, 2, 2), "cubic"), ValueError, ("mode", "cubic"), "grid_sample: mode"),
    Wrong(lambda: F.grid_sample(x(1, 1, 4, 4), x(1, 2, 2, 2), padding_mode="foo"), ValueError, ("padding_mode", "foo"), "grid_sample: foo"),
    Wrong(lambda: F.grid_sample(x(1, 1, 4, 4, 4), x(1, 2, 2, 2, 3), "bicubic"), ValueError, ("bicubic",), "grid_sample: cubic volumes"),
    Wrong(lambda: F.grid_sample(x(1, 1, 4), x(1, 2, 1)), SHAPE, ("(1, 1, 4)",), "grid_sample: a signal"),
    Wrong(lambda: F.grid_sample(x(2, 1, 4, 4), x(1, 2, 2, 2)), SHAPE, ("(1, 2, 2, 2)", "(2, P, Q, 2)"), "grid_sample: samples"),
    Wrong(lambda: F.grid_sample(x(1, 1, 4, 4), x(1, 2, 2, 3)), SHAPE, ("(1, 2, 2, 3)", "(1, P, Q, 2)"), "grid_sample: coordinates"),
    Wrong(lambda: F.grid_sample(x(1, 1, 0, 4), x(1, 2, 2, 2)), SHAPE, ("(1, 1, 0, 4)",), "grid_sample: empty image"),
    Wrong(lambda: F.affine_grid(x(1, 2, 3), (2, 1, 4, 4)), SHAPE, ("theta", "(2, 2, 3)"), "affine_grid: samples"),
    Wrong(lambda: F.affine_grid(x(1, 2, 3), (1, 1, 4)), SHAPE, ("theta", "(N, 2, 3)"), "affine_grid: a signal"),
    Wrong(lambda: F.affine_grid(x(1, 2, 3), (1, 1, 0, 4)), (ValueError, RuntimeError), ("0",), "affine_grid: empty image"),
    Wrong(lambda: F.one_hot(np.array([1, 5]), 3), (ValueError, RuntimeError), ("5", "3"), "one_hot: class"),
    Wrong(lambda: F.glu(x(3, 5)), (ValueError, RuntimeError), ("5",), "glu: odd"),
    Wrong(
        lambda: F.scaled_dot_product_attention(x(2, 4, 5, 6), x(2, 3, 7, 6), x(2, 3, 7, 6)),
        (ValueError, RuntimeError),
        ("4", "3"),
        "sdpa: heads",
    ),
    Wrong(
        lambda: F.scaled_dot_product_attention(x(2, 4, 5, 6), x(2, 4, 7, 5), x(2, 4, 7, 6)),
        (ValueError, RuntimeError),
        ("6", "5"),
        "sdpa: features",
    ),
    # Sequences
    Wrong(
        lambda: nn.utils.rnn.pack_padded_sequence(x(4, 2, 3), [2, 4]), (ValueError, RuntimeError), ("lengths", "sorted"), "pack: unsorted"
    ),
    Wrong(lambda: nn.utils.rnn.pack_padded_sequence(x(4, 2, 3), [4, 0]), (ValueError, RuntimeError), ("0",), "pack: empty sequence"),
    Wrong(lambda: nn.utils.rnn.pack_padded_sequence(x(4, 2, 3), [4]), (ValueError, RuntimeError), ("lengths", "1", "2"), "pack: count"),
    Wrong(lambda: nn.utils.rnn.pack_padded_sequence(x(4, 2, 3), [5, 2]), ValueError, ("5", "4"), "pack: longer than the data (A6.4)"),
    Wrong(lambda: nn.utils.rnn.pad_sequence([]), (ValueError, RuntimeError), ("empty",), "pad_sequence: nothing"),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row.desc)
def test_wrong_call(row: Wrong) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(row.error) as caught:
            row.call()
    message = str(caught.value)
    missing = [word for word in row.says if word not in message]
    assert not missing, f"the message does not say {missing}: {message}"
    assert "\n" not in message and len(message) < 400


def test_shape_error_is_both() -> None:
    """Code written for NumPy catches ValueError, code written for PyTorch RuntimeError."""
    assert issubclass(nn.ShapeError, ValueError) and issubclass(nn.ShapeError, RuntimeError)


def test_numpy_integers_are_sizes() -> None:
    """A6.5"""
    nn.LSTM(np.int64(3), np.int32(4), np.int8(1))
    nn.Conv2d(np.int64(3), np.int64(4), np.int64(3), padding=np.int32(1))(x(1, 3, 5, 5))
    nn.MaxPool2d(np.int64(2))(x(1, 3, 5, 5))
    nn.MultiheadAttention(np.int64(4), np.int64(2))


def test_a_failed_call_leaves_nothing_behind() -> None:
    module = nn.Linear(5, 2)
    module(x(3, 5))
    before = nn.memory_stats()["blocks_in_use"]
    for _ in range(10):
        with pytest.raises(nn.ShapeError):
            module(x(3, 4))
    assert nn.memory_stats()["blocks_in_use"] == before
    assert module(x(3, 5)).shape == (3, 2)


def test_dropout_of_one_layer_warns() -> None:
    with pytest.warns(UserWarning, match="dropout"):
        nn.LSTM(3, 4, dropout=0.5)


def test_masked_arrays_are_not_read_as_if_they_had_no_mask() -> None:
    masked = np.ma.masked_array(np.ones(3, np.float32), [True, False, False])
    with pytest.raises(TypeError, match="masked"):
        nn.ReLU()(masked)


@pytest.mark.parametrize("garbage", [object(), {"a": 1}, b"bytes", 1j, np.array(["a"]), np.array([None]), [[1, 2], [3]]], ids=repr)
@pytest.mark.parametrize(
    "make", [nn.ReLU, lambda: nn.Linear(3, 2), lambda: nn.Conv1d(1, 1, 1), lambda: nn.LSTM(3, 4), lambda: nn.MaxPool1d(1)]
)
def test_what_is_no_array_of_numbers(make: Callable[[], nn.Module], garbage: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        make()(garbage)
