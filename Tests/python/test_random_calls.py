"""The quick form of random_calls.py and random_c_calls.py, whose stated sizes `Tests/run --calls` runs."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import swiftnn as nn
from random_calls import one_call
from swiftnn import _native

HERE = Path(__file__).resolve().parent


def output(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, HERE / program, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python() -> None:
    assert "0 wrong" in output("random_calls.py", "8000", "--changing", "1")


@pytest.mark.skipif(_native.isa() == "base", reason="the calls are recorded with bits that the base level does not have")
def test_c() -> None:
    assert "computed" in output("random_c_calls.py", "60000")


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_what_hypothesis_chooses(draw: random.Random) -> None:
    """The same calls with choices that hypothesis makes, and makes smaller where one fails."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one_call(draw, Counter())


# What they have found, one by one.


@pytest.mark.parametrize("mode", range(7))
@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e300])
def test_a_scale_whose_reciprocal_overflows(mode: int, scale: float) -> None:
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    y = _native.interpolate_forward(x, (2, 2), mode, False, scale, scale)
    assert y.shape == (1, 1, 2, 2) and (np.isin(y, x).all() or mode > 2)


@pytest.mark.parametrize("pad", [True, 2.5, None, 3])
def test_a_pad_that_is_no_sequence(pad: object) -> None:
    with pytest.raises(TypeError, match="pad must be a sequence of integers"):
        nn.functional.pad(np.zeros((2, 3), np.float32), pad)  # type: ignore[arg-type]


def test_a_normalized_shape_that_is_no_sequence() -> None:
    for function in (nn.functional.layer_norm, nn.functional.rms_norm):
        with pytest.raises(TypeError, match="normalized_shape must be a sequence of integers"):
            function(np.zeros((2, 3), np.float32), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", [nn.MarginRankingLoss, nn.HingeEmbeddingLoss, nn.CosineEmbeddingLoss])
def test_a_margin_that_is_no_number(layer: type) -> None:
    x = np.ones((2, 3), np.float32)
    inputs = {nn.HingeEmbeddingLoss: (x, x), nn.CosineEmbeddingLoss: (x, x, np.ones(2))}.get(layer, (x, x, x))
    with pytest.raises(TypeError, match="margin must be a number, but got"):
        layer(margin=(1, 2))(*inputs)


def test_an_activation_that_is_no_function() -> None:
    with pytest.raises(TypeError, match="activation must be 'relu', 'gelu' or a function of arrays, but got 7"):
        nn.TransformerEncoderLayer(8, 2, activation=7)  # type: ignore[arg-type]


def test_losses_name_the_shapes_that_do_not_fit() -> None:
    x, wrong = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    for call in (
        lambda: nn.functional.gaussian_nll_loss(x, wrong, x),
        lambda: nn.functional.margin_ranking_loss(x, x, wrong),
        lambda: nn.functional.cosine_embedding_loss(x, x, np.ones(4)),
    ):
        with pytest.raises(nn.ShapeError, match=r"target \(4, "):
            call()


def test_masked_values_are_refused_by_what_numpy_computes() -> None:
    x = np.ma.masked_array(np.ones((2, 3), np.float32), mask=[[0, 1, 0], [0, 0, 0]])
    with pytest.raises(TypeError, match="masked values"):
        nn.functional.gaussian_nll_loss(x, np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))


def test_bytes_are_no_sequence_of_sizes() -> None:
    with pytest.raises(TypeError, match="output_size"):
        nn.AdaptiveAvgPool2d(b"2")(np.zeros((1, 1, 4, 4), np.float32))  # type: ignore[arg-type]


def test_losses_of_what_are_no_real_numbers() -> None:
    x = np.ones((2, 3), np.float32)
    for wrong in (np.zeros((2, 3), "M8[s]"), np.ones((2, 3), np.complex64)):
        with pytest.raises(TypeError, match="real numbers"):
            nn.functional.hinge_embedding_loss(x, wrong)
        with pytest.raises(TypeError, match="real numbers"):
            nn.functional.margin_ranking_loss(x, x, wrong)


def test_bytes_are_no_scale() -> None:
    with pytest.raises(TypeError, match="scale_factor must be a number"):
        nn.Upsample(scale_factor=b"2")(np.zeros((1, 1, 4, 4), np.float32))  # type: ignore[arg-type]


def test_a_variance_of_no_elements() -> None:
    x = np.ones((7, 5), np.float32)
    with pytest.raises(nn.ShapeError, match=r"var is of incorrect size: it has shape \(0, 1\)"):
        nn.functional.gaussian_nll_loss(x, x, np.ones((0, 1), np.float32))


@pytest.mark.parametrize("heads", [0, -2, 3, 1 << 62])
def test_heads_that_do_not_divide(heads: int) -> None:
    x, w, o = np.ones((5, 2, 4), np.float32), np.ones((12, 4), np.float32), np.ones((4, 4), np.float32)
    with pytest.raises(nn.ShapeError, match="must be divisible by num_heads"):
        nn.functional.multi_head_attention_forward(x, x, x, 4, heads, w, None, None, None, False, 0.0, o, None)
