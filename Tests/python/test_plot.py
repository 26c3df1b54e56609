"""nn.plot: what is drawn is what was given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import swiftnn as nn

matplotlib.use("Agg")
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_figures_left() -> Iterator[None]:
    yield
    plt.close("all")


def images(panels: np.ndarray) -> list[np.ndarray]:
    panels[0].figure.canvas.draw()  # what cannot be drawn fails here
    return [np.ma.filled(panel.images[0].get_array(), np.nan) for panel in panels]


def titles(panels: np.ndarray) -> list[str]:
    return [panel.get_title() for panel in panels]


def ticks(panel: plt.Axes, side: str) -> list[str]:
    return [text.get_text() for text in getattr(panel, f"get_{side}ticklabels")()]


def test_filters_over_one_channel_share_a_scale_with_zero_in_the_middle() -> None:
    conv = nn.Conv2d(1, 5, 3)
    panels = nn.plot.filters(conv)
    np.testing.assert_array_equal(images(panels), conv.weight.numpy()[:, 0])
    largest = float(np.abs(conv.weight.numpy()).max())
    assert {panel.images[0].get_clim() for panel in panels} == {(-largest, largest)}
    assert titles(panels) == ["0", "1", "2", "3", "4"]
    assert titles(nn.plot.filters(conv, limit=2, titles=["edges", "spots"])) == ["edges", "spots"]


def test_filters_over_three_channels_are_colours() -> None:
    conv = nn.Conv2d(3, 4, 5)
    for image, w in zip(images(nn.plot.filters(conv)), conv.weight.numpy()):
        assert image.shape == (5, 5, 3) and image.min() == 0 and image.max() == 1
        np.testing.assert_allclose(image, ((w - w.min()) / (w.max() - w.min())).transpose(1, 2, 0), atol=1e-6)
    assert images(nn.plot.filters(np.ones((1, 3, 2, 2))))[0].max() == 0  # no range to stretch


@pytest.mark.parametrize("channels", [2, 8])
def test_filters_over_other_channels_lie_beside_each_other(channels: int) -> None:
    conv = nn.Conv2d(channels, 6, 3)
    first = images(nn.plot.filters(conv, limit=4))
    assert len(first) == 4 and first[0].shape == (3, 4 * channels - 1)
    np.testing.assert_array_equal(first[2][:, 4:7], conv.weight.numpy()[2, 1])
    assert np.isnan(first[0][:, 3]).all()


def test_filters_of_conv1d_and_of_zeros() -> None:
    conv = nn.Conv1d(12, 3, 5)
    np.testing.assert_array_equal(images(nn.plot.filters(conv)), conv.weight.numpy())
    assert (images(nn.plot.filters(np.zeros((1, 1, 2, 2))))[0] == 0).all()


def test_feature_maps() -> None:
    y = RANDOM.normal(size=(2, 40, 6, 9)).astype(np.float32)
    np.testing.assert_array_equal(images(nn.plot.feature_maps(y)), y[0, :32])
    np.testing.assert_array_equal(images(nn.plot.feature_maps(nn.Tensor(y), limit=3, sample=-1)), y[1, :3])
    assert titles(nn.plot.feature_maps(y[0, :2], titles=["edges", "$blur"])) == ["edges", r"\$blur"]


def test_attention() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x = RANDOM.normal(size=(2, 4, 8)).astype(np.float32)
    _, heads = layer(x, x, x, average_attn_weights=False)
    panels = nn.plot.attention(heads, ["the", "cat", "sat", "$"], sample=1)
    np.testing.assert_array_equal(images(panels), heads[1])
    assert titles(panels) == ["head 0", "head 1"]
    assert ticks(panels[1], "x") == ticks(panels[1], "y") == ["the", "cat", "sat", r"\$"]
    assert {panel.images[0].get_clim() for panel in panels} == {(0.0, float(heads[1].max()))}
    single = nn.plot.attention(heads[0, 0, :3], list("abc"), list("wxyz"))
    assert single.shape == (1,) and (ticks(single[0], "y"), ticks(single[0], "x")) == (list("abc"), list("wxyz"))


def test_history() -> None:
    history = nn.training.History(loss=np.array([3.0, 2.0]), val_loss=np.array([4.0, np.nan]), lr=np.array([0.1, 0.1]))
    for panels in (nn.plot.history(history), history.plot()):
        assert titles(panels) == ["loss", "lr"]
        assert [[line.get_label() for line in panel.get_lines()] for panel in panels] == [["loss", "val_loss"], ["lr"]]
        np.testing.assert_array_equal(panels[0].get_lines()[1].get_data(), [[1, 2], [4.0, np.nan]])
    own = plt.subplots(1, 2)[1]
    assert list(history.plot(own)) == list(own)
    assert nn.plot.history({"loss": [1.0]})[0].get_lines()[0].get_marker() == "o"


def test_hidden_states() -> None:
    y = nn.LSTM(3, 6)(RANDOM.normal(size=(5, 2, 3)).astype(np.float32))[0]
    (panel,) = nn.plot.hidden_states(y, labels=list("hello"), sample=1, title="h")
    np.testing.assert_array_equal(images([panel])[0], y[:, 1].T)
    assert ticks(panel, "x") == list("hello") and panel.get_title() == "h" and panel.get_ylabel() == "unit"
    np.testing.assert_array_equal(images(nn.plot.hidden_states(y.swapaxes(0, 1), sample=1, batch_first=True))[0], y[:, 1].T)
    assert panel.images[0].get_clim() == (-np.abs(y[:, 1]).max(), np.abs(y[:, 1]).max())
    assert nn.plot.hidden_states(np.array([[0.25, 0.5]]))[0].images[0].get_clim() == (0, 0.5)
    np.testing.assert_array_equal(images(nn.plot.hidden_states(np.zeros((2, 3))))[0], np.zeros((3, 2)))


def test_gradient_norms() -> None:
    (panel,) = nn.plot.gradient_norms({"RNN": [0.0, 1e-9, 1.0], "LSTM": np.ones(3)}, xlabel="layer")
    assert panel.get_yscale() == "log" and panel.get_xlabel() == "layer"
    np.testing.assert_array_equal(panel.get_lines()[0].get_ydata(), [np.nan, 1e-9, 1.0])
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["RNN", "LSTM"]
    assert nn.plot.gradient_norms([1.0, 2.0])[0].get_legend() is None


def test_gradient_norms_of_a_module() -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(ValueError, match=r"no parameter has a gradient; call loss.backward\(\) first"):
        nn.plot.gradient_norms(model)
    model(nn.Tensor(np.array([[3.0, 4.0]], np.float32))).sum().backward()
    (panel,) = nn.plot.gradient_norms(model)
    assert [bar.get_width() for bar in panel.patches] == [5.0, 1.0] and ticks(panel, "y") == ["weight", "bias"]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: nn.plot.filters(nn.Linear(2, 3)), ValueError, r"weights must be \(O, I, R, S\) or \(O, I, R\), got shape \(3, 2\)"),
        (lambda: nn.plot.filters(nn.Conv2d(1, 2, 3), limit=0), ValueError, "limit must be positive, got 0"),
        (lambda: nn.plot.filters(np.ones((0, 1, 3, 3))), ValueError, "there are no channels to draw"),
        (lambda: nn.plot.filters("conv"), TypeError, "conv must be an array of numbers or a Tensor, got str"),
        (lambda: nn.plot.feature_maps(np.ones((3, 4))), ValueError, r"y must be \(C, H, W\) or \(N, C, H, W\), got shape \(3, 4\)"),
        (lambda: nn.plot.feature_maps(np.ones((2, 1, 3, 4)), sample=2), IndexError, r"sample must be in \[0, 1\], the batch's size, got 2"),
        (lambda: nn.plot.feature_maps(np.ones((2, 3, 4)), titles=["a"]), ValueError, "titles: expected 2 labels.*got 1"),
        (lambda: nn.plot.feature_maps(np.ones((2, 3, 4)), axes=plt.subplots()[1]), ValueError, "2 panels are to be drawn, got 1 axes"),
        (lambda: nn.plot.attention(np.ones(3)), ValueError, r"weights must be \(L, S\).*got shape \(3,\)"),
        (lambda: nn.plot.attention(np.ones((3, 3)), ["a"]), ValueError, "labels: expected 3 labels, one for each position, got 1"),
        (lambda: nn.plot.attention(np.ones((3, 2)), None, ["a"]), ValueError, "key_labels: expected 2 labels"),
        (lambda: nn.plot.history({"val_loss": [1.0]}), ValueError, "there is nothing to draw"),
        (lambda: nn.plot.hidden_states(np.ones(3)), ValueError, r"states must be \(L, H\).*got shape \(3,\)"),
        (lambda: nn.plot.hidden_states(np.ones((3, 2)), labels=["a"]), ValueError, "labels: expected 3 labels"),
        (lambda: nn.plot.gradient_norms({}), ValueError, "there is nothing to draw"),
    ],
)
def test_bad_arguments(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_without_matplotlib() -> None:
    """The error names the extra; importing nn.plot alone needs nothing."""
    code = """
import sys
sys.modules["matplotlib"] = None
import swiftnn as nn, numpy as np
assert "swiftnn.plot" not in sys.modules
square = np.ones((2, 2))
calls = {
    "filters": lambda: nn.plot.filters(nn.Conv2d(1, 1, 2)),
    "feature_maps": lambda: nn.plot.feature_maps(square[None]),
    "attention": lambda: nn.plot.attention(square),
    "hidden_states": lambda: nn.plot.hidden_states(square),
    "history": nn.training.History(loss=np.ones(2)).plot,
    "gradient_norms": lambda: nn.plot.gradient_norms([1.0]),
}
assert sorted(calls) == nn.plot.__all__
for name, call in calls.items():
    try:
        call()
    except ImportError as error:
        assert str(error) == f"nn.plot.{name} needs matplotlib; install it with: pip install 'swiftnn[plot]'", error
    else:
        raise AssertionError(name)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
