"""nn.summary and the tree that notebooks show for a module."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from specs import LAYERS
from swiftnn.inspection import LayerSummary, Summary


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def row_of(result: Summary, name: str) -> LayerSummary:
    return next(row for row in result.layers if row.name == name)


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.id)
def test_every_layer(row) -> None:
    """Shapes are those of the output, counts those of the parameters, and module and generator are left as they were."""
    module = row.make(nn)
    positional, keyword = row.arrays(np.float32, nn)
    modes = [m.training for m in module.modules()]
    result = nn.summary(module, *positional, **keyword)
    assert modes == [m.training for m in module.modules()] and not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    module.eval()
    with nn.no_grad():
        output = module(*positional, **keyword)
    expected: list[tuple[int, ...]] = []

    def collect(value: Any) -> None:
        if isinstance(value, nn.utils.rnn.PackedSequence):
            value = value.data
        if isinstance(value, (tuple, list)):
            for entry in value:
                collect(entry)
        elif value is not None:
            expected.append(tuple(np.shape(value)))

    collect(output)
    assert result.layers[0].output_shapes == tuple(expected)
    assert result.parameters == sum(p.data.size for p in module.parameters())
    assert sum(r.parameters for r in result.layers) == result.parameters
    assert result.multiply_adds_complete
    assert str(expected[0]) in str(result)


@pytest.mark.parametrize(
    "layer, shapes, expected",
    [
        # Written out by hand: positions times weights of each
        (nn.Linear(4, 5), [(2, 3, 4)], 6 * 4 * 5),
        (nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], 2 * 3 * 4 * 5),
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), [(2, 4, 9, 7)], 2 * 6 * 4 * 3 * 2 * 9),
        (nn.Conv1d(2, 3, 4), [(1, 2, 10)], 3 * 7 * 2 * 4),
        (nn.LSTM(3, 4, 2, bidirectional=True), [(5, 2, 3)], 10 * 2 * (16 * (3 + 4) + 16 * (8 + 4))),
        (nn.LSTM(3, 4, proj_size=2), [(5, 2, 3)], 10 * (16 * (3 + 2) + 2 * 4)),
        (nn.GRUCell(3, 4), [(2, 3)], 2 * 12 * (3 + 4)),
        (
            nn.MultiheadAttention(8, 2, kdim=3, vdim=5),
            [(4, 2, 8), (6, 2, 3), (6, 2, 5)],
            2 * (2 * 4 * 64 + 6 * 8 * (3 + 5) + 2 * 4 * 6 * 8),
        ),
        (nn.MultiheadAttention(8, 2, batch_first=True), [(2, 4, 8)] * 3, 2 * (4 * 4 * 64 + 2 * 4 * 4 * 8)),
        (nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True), [(4, 8)] * 3, 4 * 4 * 64 + 2 * 4 * 6 * 8),
        (nn.LayerNorm((3, 4)), [(2, 3, 4)], 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_multiply_adds(layer: nn.Module, shapes: list[tuple[int, ...]], expected: int) -> None:
    result = nn.summary(layer, input_size=shapes)
    assert result.multiply_adds == expected and result.multiply_adds_complete


def test_losses_with_weights_of_their_own() -> None:
    result = nn.summary(nn.LinearCrossEntropyLoss(6, 5, out_features=(2, 3)), ones(4, 6), np.zeros((4, 2, 3), np.int64))
    assert result.multiply_adds == 4 * 6 * 30 and result.multiply_adds_complete
    # Two rows are of the first group, none of the second, whose layers are not called.
    adaptive = nn.AdaptiveLogSoftmaxWithLoss(8, 9, [3, 5], div_value=2.0)
    result = nn.summary(adaptive, ones(7, 8), np.array([0, 3, 1, 2, 4, 0, 0]))
    assert result.multiply_adds == 7 * 8 * 5 + 2 * (8 * 4 + 4 * 2) and result.multiply_adds_complete


def test_packed_sequence_counts_its_rows() -> None:
    packed = nn.utils.rnn.pack_sequence([ones(5, 3), ones(2, 3)])
    result = nn.summary(nn.RNN(3, 4), packed)
    assert result.multiply_adds == 7 * 4 * (3 + 4)
    assert result.layers[0].output_shapes == ((7, 4), (1, 2, 4))


class Odd(nn.Module):
    """A module with everything that is not a chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = nn.Sequential(self.first, nn.Tanh(), self.first)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.first.weight
        self.own = nn.Parameter(ones(4, 4), requires_grad=False)
        self.unused = nn.Linear(9, 9)
        self.none = None
        self.register_buffer("seen", np.zeros(3, np.float32))
        self.absent = nn.Identity()
        self._modules["gone"] = None

    def forward(self, x: Any, *, scale: float) -> dict[str, Any]:
        return {"y": (self.tied(self.again(self.first(x))) @ self.own) * scale, "nothing": None}


def test_shared_modules_and_parameters_kwargs_and_own_weights() -> None:
    result = nn.summary(Odd(), ones(2, 4), scale=2.0)
    first, tied = row_of(result, "first"), row_of(result, "tied")
    assert (first.calls, first.parameters, first.multiply_adds) == (3, 20, 3 * 2 * 16)
    assert row_of(result, "again.0").recursive and row_of(result, "again.2").recursive and not row_of(result, "again").recursive
    assert (tied.parameters, tied.shared_parameters) == (4, 16)
    assert result.layers[0].output_shapes == ((2, 4),) and result.layers[0].multiply_adds is None
    assert row_of(result, "unused").output_shapes == () and row_of(result, "unused").calls == 0
    assert result.parameters == 20 + 4 + 16 + 90 and result.trainable_parameters == result.parameters - 16
    assert result.parameter_bytes == 4 * (result.parameters + 3)
    assert not result.multiply_adds_complete and result.multiply_adds == 4 * 2 * 16
    text = str(result)
    assert "at least 128" in text and "├─ Linear: first ×3" in text and "│ ├─ Linear: 0 (recursive) -- --" in " ".join(text.split())
    assert [row.name for row in result.layers][:3] == ["", "first", "again"]


def test_bytes() -> None:
    # A view of the input, as flattening gives, takes no memory of its own; the outputs of containers are their children's.
    result = nn.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Unflatten(1, (2, 4)), nn.Flatten()), ones(3, 4))
    assert (result.input_bytes, result.output_bytes, result.parameter_bytes) == (48, 2 * 96, 160)
    assert result.total_bytes == 48 + 192 + 160


def test_depth_shortens_the_table_and_not_the_totals() -> None:
    model = nn.Transformer(8, 2, 1, 1, 16)
    whole, short = (nn.summary(model, ones(5, 1, 8), ones(4, 1, 8), depth=depth) for depth in (None, 1))
    assert short.layers == whole.layers and short.multiply_adds == whole.multiply_adds > 0
    assert "linear1" in str(whole) and "linear1" not in str(short) and "└─ TransformerDecoder: decoder" in str(short)
    assert "linear1" in whole._repr_html_() and "linear1" not in short._repr_html_()


def test_without_inputs_only_parameters_are_shown() -> None:
    result = nn.summary(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    assert result.parameters == 15 and result.layers[1].output_shapes == () and result.layers[0].calls == 0
    assert "Total mult-adds: --" in str(result) and "?" not in str(result)


def test_modes_hooks_tape_and_state_are_left_alone() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    model[1].eval()
    seen = []
    own = model[2].register_forward_hook(lambda module, args, output: seen.append((module.training, nn.is_grad_enabled())))
    before = {name: array.copy() for name, array in model.state_dict().items()}
    random = nn.random.get_rng_state()
    nn.summary(model, nn.Tensor(ones(3, 4), requires_grad=True))
    assert seen == [(False, False)] and nn.is_grad_enabled()
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert len(model[2]._forward_hooks) == 1 and not model[0]._forward_pre_hooks
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert np.array_equal(random, nn.random.get_rng_state())
    own.remove()


def test_a_forward_that_fails_leaves_no_hooks_and_says_where() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(nn.ShapeError) as caught:
        nn.summary(model, ones(3, 4))
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == ["nn.summary: raised in the forward of 1.1"]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(m.training for m in model.modules())
    with pytest.raises(KeyboardInterrupt):
        nn.summary(Interrupted(), ones(1))


class Interrupted(nn.Module):
    def forward(self, x: Any) -> Any:
        raise KeyboardInterrupt


def test_input_size() -> None:
    result = nn.summary(nn.Linear(4, 2).double(), input_size=(3, 4))
    assert result.layers[0].output_shapes == ((3, 2),) and result.input_bytes == 3 * 4 * 8
    with pytest.raises(ValueError, match=r"input_size must be a shape such as \(1, 3, 224, 224\)"):
        nn.summary(nn.Linear(4, 2), input_size=[(3, 4.5)])
    with pytest.raises(TypeError, match="both inputs and input_size are given"):
        nn.summary(nn.Linear(4, 2), ones(3, 4), input_size=(3, 4))


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="model must be a Module, got function"):
        nn.summary(nn.functional.relu, ones(1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="depth must be 0 or more, or None for all levels, got -1"):
        nn.summary(nn.ReLU(), ones(1), depth=-1)


class Balanced(HTMLParser):
    """Checks that all that is opened is closed, and gathers tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(base: Any) -> Any:
    """A module whose names and texts would be a script if they were not escaped."""
    name = "<script>alert('x')</script>"
    model = type(name, (nn.Module,), {"forward": lambda self, x: base(x), "extra_repr": lambda self: "<img src=x>&"})()
    model.register_parameter("<b>", nn.Parameter(ones(2)))
    model.add_module("<i>", base)
    return model


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.id)
def test_tree_of_every_layer(row) -> None:
    module = row.make(nn)
    page = Balanced(module._repr_html_())
    assert type(module).__name__ in page.text and set(page.tags) <= {"div", "details", "summary", "span", "b"}
    for name, p in module.named_parameters():
        assert f"{name.rpartition('.')[2]} {p.shape}" in page.text


def test_tree() -> None:
    page = Balanced(Odd()._repr_html_())
    assert page.tags.count("details") == 2 and "own (4, 4), frozen, seen (3,), buffer" in page.text
    assert "Odd · 130 parameters" in page.text and "Linear (in_features=9, out_features=9, bias=True) · 90 parameters" in page.text


def test_html_escapes_what_is_the_models() -> None:
    model = hostile(nn.ReLU())
    for html in (model._repr_html_(), nn.summary(model, ones(2))._repr_html_()):
        page = Balanced(html)
        assert not {"script", "img", "i"} & set(page.tags) and "<script>alert('x')</script>" in page.text


def test_html_has_no_colours_of_its_own() -> None:
    # Text takes the page's colour, so that it is legible on a light and on a dark one.
    model = nn.Transformer(8, 2, 1, 1, 16)
    for html in (model._repr_html_(), nn.summary(model)._repr_html_()):
        assert "color:" not in html and "background" not in html and "http" not in html


def test_is_imported_when_asked_for() -> None:
    name = "swiftnn.inspection"
    code = f"import sys, swiftnn as nn; early = {name!r} in sys.modules; nn.summary; assert not early and {name!r} in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
