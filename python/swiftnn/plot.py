"""Pictures of what a model has learnt and computes, drawn with matplotlib (the extra `plot`).

Each function draws into `axes` where they are given, else into a new figure, and returns the axes: `.figure` of one is the figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .modules.module import Module
from .tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["attention", "feature_maps", "filters", "gradient_norms", "hidden_states", "history"]

# Blue is negative, red positive, and zero is in the middle of the scale.
_SIGNED = "RdBu_r"


def _pyplot(name: str) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"nn.plot.{name} needs matplotlib; install it with: pip install 'swiftnn[plot]'") from error
    return plt


def _array(value: Any, name: str) -> NDArray[Any]:
    array = np.asarray(value.data if isinstance(value, Tensor) else value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers or a Tensor, got {type(value).__name__}")
    return array


def _panels(
    name: str, count: int, axes: Any, size: tuple[float, float], columns: int | None = None, pictures: bool = False
) -> NDArray[Any]:
    """`count` axes in reading order: those given, or those of a new figure, whose panels are `size` inches wide and high.

    pictures: the panels have a line of title and no ticks.
    """
    plt = _pyplot(name)
    if axes is not None:
        given = np.ravel(np.asarray(axes, dtype=object))
        if len(given) < count:
            raise ValueError(f"axes: {count} panels are to be drawn, got {len(given)} axes")
        return given[:count]
    columns = columns or min(count, 8, math.ceil(math.sqrt(2 * count)))
    rows = -(-count // columns)
    # The solver of the constrained layout takes seconds for dozens of panels; where all are alike, their places are known.
    layout = None if pictures else "constrained"
    figure, grid = plt.subplots(rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False, layout=layout)
    if pictures:
        gap, title = 0.05, 0.22  # inches
        figure.subplots_adjust(
            0.01, gap / (size[1] * rows), 0.99, 1 - title / (size[1] * rows), 2 * gap / size[0], title / (size[1] - title)
        )
    grid = grid.ravel()
    for empty in grid[count:]:
        figure.delaxes(empty)
    return np.asarray(grid[:count])


def _picture(panel: Any, title: str = "") -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    if title:
        panel.set_title(title, fontsize=9)


def _names(values: Sequence[str] | None, count: int, name: str) -> list[str] | None:
    if values is None:
        return None
    if len(values) != count:
        raise ValueError(f"{name}: expected {count} labels, one for each position, got {len(values)}")
    # The dollar sign would start mathematics.
    return [str(value).replace("$", r"\$") for value in values]


def _ticks(panel: Any, side: str, names: list[str] | None, count: int) -> None:
    if names is not None:
        rotate = {"rotation": 90} if side == "x" and max(map(len, names), default=0) > 2 else {}
        getattr(panel, f"set_{side}ticks")(range(count), names, fontsize=8, **rotate)
    else:
        getattr(panel, f"{side}axis").get_major_locator().set_params(integer=True)


def filters(conv: Any, limit: int = 64, titles: Sequence[str] | None = None, axes: Any = None) -> NDArray[Any]:
    """Draws the filters of a convolution.

    Filters over one channel are drawn in blue (negative), white (0) and red (positive) on one scale for all. Filters over three
    channels are drawn as colours, each stretched from its smallest weight to its largest. Of others each filter's channels lie beside
    each other. A Conv1d's filter is drawn as rows of channels.

    Args:
        conv: Conv1d, Conv2d or an array of weights.
        limit: how many filters are drawn at most.
        titles: what stands above each filter; None: its number.
        axes: matplotlib axes, one for each filter; None: a new figure.

    **Shape**: weights (O, I, R, S) or (O, I, R) -> axes (min(O, limit)).

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the weights do not have 3 or 4 dimensions, limit is not positive, titles are not as many as the
            filters drawn, or there are too few axes.

    Example:
        >>> nn.plot.filters(nn.Conv2d(3, 8, 5)).shape
        (8,)
    """
    weights = _array(conv.weight if isinstance(conv, Module) else conv, "conv")
    if weights.ndim not in (3, 4):
        raise ValueError(f"filters: weights must be (O, I, R, S) or (O, I, R), got shape {weights.shape}; pass a Conv1d or Conv2d")
    count = _limited(weights.shape[0], limit, "filters")
    names = _names(titles, count, "titles") or [str(i) for i in range(count)]
    channels = weights.shape[1]
    beside = weights.ndim == 4 and channels not in (1, 3)
    size = (min(1.1 * channels, 8.0), 1.3) if beside else (1.1, 1.3)
    panels = _panels("filters", count, axes, size, 1 if beside and channels > 4 else None, pictures=True)
    largest = float(np.abs(weights).max()) or 1.0
    for i, panel in enumerate(panels):
        if weights.ndim == 4 and channels == 3:
            low, high = weights[i].min(), weights[i].max()
            panel.imshow((weights[i].transpose(1, 2, 0) - low) / (high - low if high > low else 1))
        else:
            panel.set_facecolor("0.7")
            panel.imshow(_beside(weights[i]), cmap=_SIGNED, vmin=-largest, vmax=largest)
        _picture(panel, names[i])
    return panels


def _beside(weights: NDArray[Any]) -> NDArray[Any]:
    """A filter's channels (I, R, S) as one picture; one of Conv1d (I, R) is one already."""
    if weights.ndim == 2:
        return weights
    # NaN, which lets the panel's grey through, keeps them apart.
    return np.concatenate([np.pad(w, ((0, 0), (0, 1)), constant_values=np.nan) for w in weights], 1)[:, :-1]


def feature_maps(y: Any, limit: int = 32, sample: int = 0, titles: Sequence[str] | None = None, axes: Any = None) -> NDArray[Any]:
    """Draws the channels of a convolution's or pooling's output, each as a picture from its smallest value (dark) to its largest.

    Args:
        y: the output.
        limit: how many channels are drawn at most.
        sample: which sample of a batch.
        titles: what stands above each picture; None: the number of the channel.
        axes: matplotlib axes, one for each channel; None: a new figure.

    **Shape**: y (C, H, W) or (N, C, H, W) -> axes (min(C, limit)).

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: y has other dimensions, limit is not positive, titles are not as many as the pictures, or there are too few axes.
        IndexError: there is no such sample.

    Example:
        >>> nn.plot.feature_maps(nn.Conv2d(1, 6, 3)(np.ones((2, 1, 28, 28), np.float32))).shape
        (6,)
    """
    maps = _array(y, "y")
    if maps.ndim == 4:
        maps = maps[_sample(sample, maps.shape[0])]
    if maps.ndim != 3:
        raise ValueError(f"feature_maps: y must be (C, H, W) or (N, C, H, W), got shape {maps.shape}")
    count = _limited(maps.shape[0], limit, "feature_maps")
    names = _names(titles, count, "titles") or [str(i) for i in range(count)]
    ratio = maps.shape[1] / max(maps.shape[2], 1)
    panels = _panels("feature_maps", count, axes, (1.8, 1.8 * min(max(ratio, 0.3), 3) + 0.25), pictures=True)
    for panel, image, title in zip(panels, maps, names):
        panel.imshow(image, cmap="gray")
        _picture(panel, title)
    return panels


def attention(
    weights: Any,
    labels: Sequence[str] | None = None,
    key_labels: Sequence[str] | None = None,
    sample: int = 0,
    titles: Sequence[str] | None = None,
    axes: Any = None,
) -> NDArray[Any]:
    """Draws attention weights: a row for each query, a column for each key, dark where much attention is.

    Args:
        weights: what MultiheadAttention returns as weights.
        labels: what stands at the queries, and at the keys where key_labels is None and they are as many.
        key_labels: what stands at the keys.
        sample: which sample of a batch, of weights (N, heads, L, S).
        titles: what stands above each picture; None: the number of the head, where there are several.
        axes: matplotlib axes, one for each picture; None: a new figure.

    **Shape**: weights (L, S), (heads, L, S) or (N, heads, L, S) -> axes (1) or (heads).

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: weights has other dimensions, labels or titles are not as many as positions or pictures, or there are too few axes.
        IndexError: there is no such sample.

    Example:
        >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
        >>> x = np.random.default_rng(0).normal(size=(1, 3, 8)).astype(np.float32)
        >>> _, weights = attention(x, x, x, average_attn_weights=False)
        >>> nn.plot.attention(weights, ["the", "cat", "sat"]).shape
        (2,)
    """
    maps = _array(weights, "weights")
    if maps.ndim == 4:
        maps = maps[_sample(sample, maps.shape[0])]
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"attention: weights must be (L, S), (heads, L, S) or (N, heads, L, S), got shape {maps.shape}")
    heads, rows, columns = maps.shape
    queries = _names(labels, rows, "labels")
    keys = queries if key_labels is None and rows == columns else _names(key_labels, columns, "key_labels")
    names = _names(titles, heads, "titles") or ([f"head {i}" for i in range(heads)] if heads > 1 else [""])
    # Room for a line of 8 points at each position
    least = 3.2 if heads == 1 else 2.3
    size = (min(max(least, 0.17 * columns + 0.9), 8), min(max(least, 0.17 * rows + 0.9), 8))
    panels = _panels("attention", heads, axes, size, min(heads, 4))
    aspect = "auto" if rows != columns else "equal"
    for panel, image, title in zip(panels, maps, names):
        panel.imshow(image, cmap="Blues", vmin=0, vmax=max(float(maps.max()), 1e-12), aspect=aspect)
        _ticks(panel, "y", queries, rows)
        _ticks(panel, "x", keys, columns)
        panel.set_title(title, fontsize=10)
    panels[0].set(ylabel="query")
    panels[0].set(xlabel="key")
    panels[0].figure.colorbar(panels[0].images[0], ax=list(panels), label="weight", shrink=0.8)
    return panels


def history(history: Mapping[str, Any], axes: Any = None) -> NDArray[Any]:
    """Draws what `nn.fit` has measured, each curve beside its validation curve, a panel for each name.

    Args:
        history: the History that `nn.fit` returns, or any mapping from names to sequences with an entry for each epoch.
        axes: matplotlib axes, one for each panel; None: a new figure.

    **Shape**: axes (names), those that begin with "val_" not counted.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: there is nothing to draw, or there are too few axes.

    Example:
        >>> nn.plot.history({"loss": [0.5, 0.25], "val_loss": [0.6, 0.4], "accuracy": [0.7, 0.9]}).shape
        (2,)
    """
    names = [name for name in history if not name.startswith("val_")]
    if not names:
        raise ValueError("history: there is nothing to draw; pass what nn.fit returned")
    panels = _panels("history", len(names), axes, (4, 3), len(names))
    for panel, name in zip(panels, names):
        for label in (name, f"val_{name}"):
            if label in history:
                values = _array(history[label], label)
                # A single epoch is a point, and a line through one point is invisible.
                panel.plot(np.arange(1, len(values) + 1), values, label=label, marker="o" if len(values) == 1 else None)
        panel.set(xlabel="epoch", title=name)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend()
    return panels


def hidden_states(
    states: Any, labels: Sequence[str] | None = None, sample: int = 0, batch_first: bool = False, title: str = "", axes: Any = None
) -> NDArray[Any]:
    """Draws the states of a recurrent layer over a sequence: time goes right, each row is a unit, red is positive and blue negative.

    Where nothing is negative, as in gates, the scale begins at 0.

    Args:
        states: the layer's output, or gates or cell states.
        labels: what stands at the time steps.
        sample: which sequence of a batch.
        batch_first: the batch is the first dimension of three.
        title: what stands above.
        axes: one of matplotlib's axes; None: a new figure.

    **Shape**: states (L, H) or (L, N, H), with batch_first (N, L, H) -> axes (1).

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: states has other dimensions, or labels are not as many as time steps.
        IndexError: there is no such sample.

    Example:
        >>> output, _ = nn.RNN(4, 6)(np.ones((5, 2, 4), np.float32))
        >>> nn.plot.hidden_states(output, labels=list("hello")).shape
        (1,)
    """
    values = _array(states, "states")
    if values.ndim == 3:
        values = values.swapaxes(0, 1) if not batch_first else values
        values = values[_sample(sample, values.shape[0])]
    if values.ndim != 2:
        raise ValueError(f"hidden_states: states must be (L, H), (L, N, H) or with batch_first (N, L, H), got shape {values.shape}")
    length, units = values.shape
    names = _names(labels, length, "labels")
    size = (min(max(4, 0.16 * length + 1.2), 10), min(max(2.4, 0.07 * units + 1), 6))
    panels = _panels("hidden_states", 1, axes, size)
    largest = float(np.abs(values).max(initial=0)) or 1.0
    smallest, colours = (-largest, _SIGNED) if values.min(initial=0) < 0 else (0, "Reds")
    drawn = panels[0].imshow(values.T, cmap=colours, vmin=smallest, vmax=largest, aspect="auto", interpolation="nearest")
    _ticks(panels[0], "x", names, length)
    panels[0].set(xlabel="time step", ylabel="unit", title=title)
    panels[0].figure.colorbar(drawn, ax=panels[0], label="value")
    return panels


def gradient_norms(norms: Any, xlabel: str = "time step", axes: Any = None) -> NDArray[Any]:
    """Draws norms of gradients on a logarithmic scale: curves over time steps or layers, or a bar for each parameter of a module.

    Args:
        norms: one sequence of norms, a mapping from names to such sequences, or a module after `backward()`. Zeros are left out of curves.
        xlabel: what the positions in a sequence are.
        axes: one of matplotlib's axes; None: a new figure.

    **Shape**: axes (1).

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: there are no norms, or no parameter of the module has a gradient.

    Example:
        >>> nn.plot.gradient_norms({"RNN": [1e-6, 1e-3, 1.0], "LSTM": [0.1, 0.3, 1.0]}).shape
        (1,)
    """
    if isinstance(norms, Module):
        gradients = {name: p.grad for name, p in norms.named_parameters() if p.grad is not None}
        if not gradients:
            raise ValueError("gradient_norms: no parameter has a gradient; call loss.backward() first")
        panels = _panels("gradient_norms", 1, axes, (6, max(2, 0.22 * len(gradients) + 0.8)))
        values = [float(np.linalg.norm(np.asarray(g, np.float64))) for g in gradients.values()]
        panels[0].barh(range(len(values)), values)
        panels[0].set_yticks(range(len(values)), list(gradients), fontsize=8)
        panels[0].set_ylim(len(values) - 0.4, -0.6)
        panels[0].set(xlabel="norm of the gradient")
        if min(values) > 0:
            panels[0].set_xscale("log")
        return panels
    curves = norms if isinstance(norms, Mapping) else {"": norms}
    if not curves:
        raise ValueError("gradient_norms: there is nothing to draw; pass norms, or a mapping from names to norms")
    panels = _panels("gradient_norms", 1, axes, (6, 3.5))
    for name, values in curves.items():
        y = _array(values, "norms").astype(np.float64)
        panels[0].semilogy(np.where(y > 0, y, np.nan), label=name)
    panels[0].set(xlabel=xlabel, ylabel="norm of the gradient")
    if isinstance(norms, Mapping):
        panels[0].legend()
    return panels


def _limited(count: int, limit: int, name: str) -> int:
    if limit < 1:
        raise ValueError(f"{name}: limit must be positive, got {limit}")
    if count == 0:
        raise ValueError(f"{name}: there are no channels to draw")
    return min(count, limit)


def _sample(sample: int, count: int) -> int:
    if not -count <= sample < count:
        raise IndexError(f"sample must be in [0, {count - 1}], the batch's size, got {sample}")
    return sample
