"""What the rows of specs.py do not say of losses: gradients, edges of their domains, warnings and errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from modules import module_of
from Reference import losses as reference
from specs import LAYERS

F = nn.functional
# AdaptiveLogSoftmaxWithLoss returns log-probabilities too.
ROWS = [row for row in LAYERS if row.name.endswith("Loss") and not row.name.startswith("Adaptive")]


@pytest.mark.parametrize("row", [row for row in ROWS if row.name == "CTCLoss"], ids=lambda row: row.id)
def test_gradient_of_ctc(row) -> None:
    """It is right where it goes on through log_softmax, as in PyTorch; test_gradients.py checks the other losses."""
    module = module_of(row, np.float64)
    (scores, *others), _ = row.arrays(np.float64, nn)
    assert nn.gradcheck(lambda x: module(F.log_softmax(x, -1), *others), [nn.Tensor(scores, requires_grad=True)])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_same_bits_for_any_number_of_threads(row) -> None:
    results = []
    for threads in (1, 2, 3):
        nn.set_num_threads(threads)
        inputs, _ = row.arrays(np.float32, nn)
        tensors = [nn.Tensor(a, requires_grad=True) if np.asarray(a).dtype.kind == "f" else a for a in inputs]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = module_of(row)(*tensors)
        y.backward(np.ones(y.shape, np.float32))
        results.append([y.data.tobytes()] + [t.grad.tobytes() for t in tensors if isinstance(t, nn.Tensor) and t.grad is not None])
    assert results[0] == results[1] == results[2]


def test_a_mean_over_a_large_batch_has_the_same_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5000, 37)).astype(np.float32), rng.integers(0, 37, 5000)
    results = []
    for threads in (1, 2, 3):
        nn.set_num_threads(threads)
        t = nn.Tensor(x, requires_grad=True)
        loss = nn.CrossEntropyLoss()(t, y) + nn.MSELoss()(t, np.zeros_like(x))
        loss.backward()
        results.append((loss.data.tobytes(), t.grad.tobytes()))
    assert results[0] == results[1] == results[2]


def test_probabilities_of_zero_and_one() -> None:
    x = nn.Tensor(np.array([0.0, 1.0, 0.0, 1.0]), requires_grad=True)
    y = F.binary_cross_entropy(x, np.array([0.0, 1.0, 1.0, 0.0]), reduction="none")
    np.testing.assert_array_equal(y.data, [0, 0, 100, 100])
    y.sum().backward()
    assert np.isfinite(x.grad).all()
    for value in (-0.1, 1.1, np.nan):
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            F.binary_cross_entropy(np.array([0.5, value]), np.array([0.5, 0.5]))


def test_large_scores() -> None:
    x = np.array([1e4, -1e4, 1e4, -1e4], np.float32)
    y = F.binary_cross_entropy_with_logits(x, np.array([1, 0, 0, 1], np.float32), reduction="none")
    np.testing.assert_array_equal(y, [0, 0, 1e4, 1e4])
    np.testing.assert_array_equal(F.cross_entropy(np.array([[1e4, -1e4]]), np.array([1])), 2e4)


def test_divergence_of_zero_probabilities() -> None:
    y = F.kl_div(np.log([0.5, 0.5]), np.array([0.0, 1.0]), reduction="none")
    np.testing.assert_allclose(y, [0, np.log(2)])


def test_every_sample_ignored() -> None:
    """0 / 0, as in PyTorch, and a sum of 0."""
    x, y = np.ones((3, 4)), np.full(3, -100)
    assert np.isnan(F.cross_entropy(x, y)) and np.isnan(F.nll_loss(x, y))
    assert F.cross_entropy(x, y, reduction="sum") == 0
    np.testing.assert_array_equal(F.cross_entropy(x, y, reduction="none"), 0)


def test_a_target_that_does_not_fit_its_input_is_infinitely_unlikely() -> None:
    x = nn.Tensor(np.zeros((2, 1, 3)), requires_grad=True)
    arguments = np.array([[1, 1, 2]]), np.array([2]), np.array([3])
    assert np.isinf(F.ctc_loss(F.log_softmax(x, 2), *arguments).item())
    loss = F.ctc_loss(F.log_softmax(x, 2), *arguments, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and not x.grad.any()


def test_a_variance_below_eps_still_gets_its_gradient() -> None:
    var = nn.Tensor(np.array([0.0, 1.0]), requires_grad=True)
    loss = F.gaussian_nll_loss(np.zeros(2), np.ones(2), var, eps=0.5, reduction="sum")
    np.testing.assert_allclose(loss.item(), reference.gaussian_nll_loss(np.zeros(2), np.ones(2), [0.0, 1.0], eps=0.5, reduction="sum"))
    loss.backward()
    np.testing.assert_allclose(var.grad, [0.5 * (1 / 0.5 - 1 / 0.25), 0.0])
    np.testing.assert_allclose(F.gaussian_nll_loss(np.zeros(2), np.ones(2), 2.0), 0.5 * (np.log(2) + 0.5))


def test_integers_and_numbers_as_targets() -> None:
    x = np.array([1.0, 2.0], np.float32)
    assert F.mse_loss(x, [1, 4]) == 2 and F.mse_loss(x, np.array([1, 4])).dtype == np.float32
    assert F.cross_entropy([[0.0, 0.0]], [1]).dtype == np.float32
    assert F.cross_entropy(np.zeros((2, 3)), np.array([1, 2], np.uint8)).shape == ()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_broadcasting_is_warned_of(name) -> None:
    with pytest.warns(UserWarning, match=r"target size \(\(1, 3\)\) that is different to the input size \(\(2, 3\)\)"):
        y = getattr(F, name)(np.ones((2, 3)), np.zeros((1, 3)), reduction="none")
    assert y.shape == (2, 3)


def test_deprecated_arguments() -> None:
    x, t = np.array([1.0, 3.0]), np.zeros(2)
    for options, expected in ((dict(size_average=False), 4.0), (dict(reduce=False), [1.0, 3.0]), (dict(reduce=True), 2.0)):
        with pytest.warns(UserWarning, match="please use reduction="):
            np.testing.assert_array_equal(F.l1_loss(x, t, **options), expected)
        with pytest.warns(UserWarning, match="please use reduction="):
            layer = nn.L1Loss(**options)
        np.testing.assert_array_equal(layer(x, t), expected)
    with pytest.warns(UserWarning, match="elementwise_mean"):
        assert F.l1_loss(x, t, reduction="elementwise_mean") == 2
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(x, t)


SCORES, CLASSES = np.zeros((4, 3), np.float32), np.zeros(4, np.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.cross_entropy(SCORES, CLASSES, reduction="no"), ValueError, "no is not a valid value for reduction"),
        (lambda: F.mse_loss(SCORES, SCORES, reduction="no"), ValueError, "no is not a valid value for reduction"),
        (lambda: F.cross_entropy(SCORES, CLASSES[:3]), nn.ShapeError, r"\(3,?\)"),
        (lambda: F.cross_entropy(SCORES, CLASSES + 3), IndexError, "3"),
        (lambda: F.nll_loss(SCORES, CLASSES - 1), IndexError, "-1"),
        (lambda: F.cross_entropy(SCORES, CLASSES.astype(np.float32)), TypeError, "class numbers, integers"),
        (lambda: F.cross_entropy(SCORES, np.zeros((4, 3), np.int64)), TypeError, "probabilities, floats"),
        (lambda: F.cross_entropy(SCORES, CLASSES, np.ones(4, np.float32)), nn.ShapeError, "weight"),
        (lambda: F.cross_entropy(SCORES, SCORES, np.ones(4, np.float32)), nn.ShapeError, "weight"),
        (lambda: F.cross_entropy(SCORES, CLASSES, label_smoothing=1.5), ValueError, "label_smoothing"),
        (lambda: F.cross_entropy(np.float32(1), 0), nn.ShapeError, "classes"),
        (lambda: F.mse_loss(SCORES, np.zeros((4, 3))), TypeError, "float64"),
        (lambda: F.binary_cross_entropy(SCORES, SCORES[:2]), ValueError, "target size"),
        (lambda: F.binary_cross_entropy_with_logits(SCORES, SCORES[:2]), ValueError, "Target size"),
        (lambda: F.binary_cross_entropy_with_logits(SCORES, SCORES, pos_weight=np.ones(4, np.float32)), nn.ShapeError, "pos_weight"),
        (lambda: F.l1_loss(SCORES, SCORES, weight=np.ones(3, np.float32)), ValueError, "Weights and input"),
        (lambda: F.smooth_l1_loss(SCORES, SCORES, beta=-1), ValueError, "beta"),
        (lambda: F.huber_loss(SCORES, SCORES, delta=0), ValueError, "delta"),
        (lambda: nn.HuberLoss(delta="1"), TypeError, "delta must be a float or int"),
        (lambda: F.cosine_embedding_loss(SCORES, SCORES, SCORES), RuntimeError, "multi-target not supported"),
        (lambda: F.cosine_embedding_loss(SCORES[0], SCORES[0], CLASSES), RuntimeError, "1D target tensor expects 2D"),
        (lambda: F.margin_ranking_loss(SCORES, SCORES, CLASSES), RuntimeError, "same dimension"),
        (lambda: F.triplet_margin_loss(SCORES, SCORES, SCORES, margin=0), ValueError, "margin must be greater than 0"),
        (lambda: nn.TripletMarginLoss(margin=-1), ValueError, "expected margin to be greater than 0, got -1"),
        (lambda: F.triplet_margin_loss(SCORES, SCORES[0], SCORES), RuntimeError, "same number of dimensions"),
        (lambda: F.gaussian_nll_loss(SCORES, SCORES, SCORES - 1), ValueError, "negative"),
        (lambda: F.gaussian_nll_loss(SCORES, SCORES, -1.0), ValueError, "negative"),
        (lambda: F.gaussian_nll_loss(SCORES, SCORES, np.ones(3, np.float32)), ValueError, "incorrect size"),
        (lambda: F.ctc_loss(np.zeros((4, 1, 3)), np.array([[1.0]]), [4], [1]), TypeError, "targets must hold integers"),
    ],
)
def test_errors(call, error, message) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=message):
            call()


def test_margins_between_classes_at_their_kinks() -> None:
    """PyTorch's: nothing is handed on at the margin itself, and NaN is below it."""
    for function, target in ((nn.functional.multi_margin_loss, [0, 0]), (nn.functional.multilabel_margin_loss, [[0, -1, 1], [0, 0, -1]])):
        x = nn.Tensor(np.array([[1.0, 0.0, 2.0], [1.0, np.nan, 1.0]]), requires_grad=True)
        y = function(x, np.array(target), reduction="none")
        times = 2 if function is nn.functional.multilabel_margin_loss else 1
        np.testing.assert_allclose(y.numpy(), [2 / 3, times / 3])
        y.backward(np.ones(2))
        np.testing.assert_allclose(x.grad, [[-1 / 3, 0, 1 / 3], [-times / 3, 0, times / 3]])


def test_margins_of_samples_far_on_either_side() -> None:
    x = nn.Tensor(np.array([-1000.0, 1000.0, 60.0], np.float32), requires_grad=True)
    y = nn.functional.soft_margin_loss(x, np.array([1, 1, 1]), reduction="sum")
    y.backward()
    assert y.item() == 1000 and np.array_equal(x.grad[:2], [-1, 0]) and -1e-25 < x.grad[2] < 0
    small = nn.functional.multilabel_soft_margin_loss(np.array([60.0, -60.0], np.float32), np.array([1, 0]))
    np.testing.assert_allclose(small, np.exp(-60.0), rtol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_pieces_of_a_batch_make_the_loss_of_the_whole(reduction: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in ((11, 6), (5, 6), (5,))]
    target, weight = rng.integers(0, 5, 11), rng.random(5).astype(dtype)
    dy = np.asarray(rng.normal(size=11 if reduction == "none" else ()), dtype)
    found = []
    for options in (None, nn.LinearCrossEntropyOptions(batch_chunk_size=4), nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:2")):
        x, w, b = tensors = [nn.Tensor(a, requires_grad=True) for a in arrays]
        given = dict(linear_bias=b, weight=weight, ignore_index=3, reduction=reduction)
        y = F.linear_cross_entropy(x, w, target, **given, options=options)
        found.append([y.numpy(), *nn.grad(y, tensors, dy, retain_graph=True)])
        assert all(np.array_equal(a, again) for a, again in zip(found[-1][1:], nn.grad(y, tensors, dy)))
    for other in found[1:]:
        for a, expected in zip(other, found[0]):
            assert a.dtype == expected.dtype
            np.testing.assert_allclose(a, expected, *((1e-5, 1e-6) if dtype is np.float32 else (1e-12, 1e-14)))


def test_pieces_of_a_batch_never_hold_the_scores_of_all_rows() -> None:
    x, w, y = np.ones((512, 4), np.float32), np.ones((4096, 4), np.float32), np.zeros(512, int)
    scores = 512 * 4096 * 4

    def growth(options: Any) -> int:
        nn.release_memory()
        t = nn.Tensor(x, requires_grad=True)
        F.linear_cross_entropy(t, w, y, options=options).backward()
        stats = nn.memory_stats()
        return stats["bytes_in_use"] + stats["bytes_cached"]

    small, whole = growth(nn.LinearCrossEntropyOptions(batch_chunk_size=16)), growth(None)
    assert whole - small > scores // 2


def test_options_without_effect_are_warned_of() -> None:
    options = nn.LinearCrossEntropyOptions()
    with pytest.warns(UserWarning, match="options have no effect"):
        y = F.linear_cross_entropy(np.ones((2, 3)), np.ones((4, 3)), np.array([1, 2]), label_smoothing=0.1, options=options)
    assert y == F.linear_cross_entropy(np.ones((2, 3)), np.ones((4, 3)), np.array([1, 2]), label_smoothing=0.1)
    with pytest.raises(ValueError, match="pass only one"):
        nn.LinearCrossEntropyOptions(batch_chunk_size=2, chunking_method="aspect_ratio")._rows(100, 4, 4, np.dtype(np.float32))
    with pytest.raises(ValueError, match="acc_dtype"):
        nn.LinearCrossEntropyOptions(acc_dtype=np.float64)._rows(100, 4, 4, np.dtype(np.float32))
    assert np.isnan(F.linear_cross_entropy(np.ones((2, 3)), np.ones((4, 3)), np.array([-100, -100]), options=options))


def test_adaptive_softmax_agrees_with_its_own_log_probabilities() -> None:
    nn.manual_seed(0)
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 50, [6, 20], div_value=2.0, head_bias=True)
    x, target = np.random.default_rng(1).normal(size=(200, 16)).astype(np.float32) * 9, np.arange(200) % 50
    output, loss = layer(x, target)
    logs = layer.log_prob(x)
    assert logs.shape == (200, 50) and loss == -output.mean()
    np.testing.assert_allclose(np.exp(logs.astype(np.float64)).sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(output, logs[np.arange(200), target], rtol=1e-5)
    best = layer.predict(x)
    assert np.array_equal(best, logs.argmax(1)) and {0, 1, 2} == set(np.searchsorted(layer.cutoffs, best, "right"))
    frequent = x[best < 6]
    assert np.array_equal(layer.predict(frequent), logs[best < 6].argmax(1)) and layer.predict(x[:0]).shape == (0,)
    one, _ = layer(x[0], target[0])
    assert one.shape == () and one == output[0]
    assert np.array_equal(layer(x, target.astype(np.uint64)).output, output)
    t = nn.Tensor(x, requires_grad=True)
    assert type(layer(t, target).loss) is nn.Tensor and type(layer.predict(t)) is nn.Tensor and layer.log_prob(t).requires_grad


def test_the_old_name_of_nll_loss_warns() -> None:
    with pytest.warns(FutureWarning, match="Please use `NLLLoss`"):
        assert isinstance(nn.NLLLoss2d(), nn.NLLLoss)
