"""What every layer must do, for every row of specs.py."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import swiftnn as nn
from layouts import LAYOUTS
from modules import TOLERANCE, expected, module_of, run, same, shapes_of
from specs import LAYERS, Layer, difference, flat, weights_for

# Layers that hand the elements on as they are, in the caller's byte order
REARRANGING = {"Identity", "Flatten", "Unflatten", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"}
REARRANGING |= {"AlphaDropout", "FeatureAlphaDropout"}
REARRANGING |= {"PixelShuffle", "PixelUnshuffle", "ChannelShuffle"}

rows = pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.id)
both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


@both_types
@rows
def test_forward(row: Layer, dtype: type) -> None:
    """The reference's numbers, in arrays of the input's float type that own their memory."""
    module = module_of(row, dtype)
    positional, keyword = row.arrays(dtype, nn)
    with np.errstate(all="raise", under="ignore"):
        got = flat(module(*positional, **keyword))
    wanted = expected(row.id, dtype)
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted):
        assert mine.dtype == (np.int64 if theirs.dtype.kind == "i" else dtype)
        assert difference(mine, theirs) <= TOLERANCE[dtype]


@rows
def test_tensors_in_tensors_out(row: Layer) -> None:
    module = module_of(row)
    positional, keyword = row.arrays(np.float32, nn)

    def wrapped(value):
        return nn.Tensor(value) if isinstance(value, np.ndarray) else tuple(map(wrapped, value)) if type(value) is tuple else value

    results = module(*map(wrapped, positional), **{name: wrapped(value) for name, value in keyword.items()})

    def leaves(result):
        if hasattr(result, "batch_sizes"):
            return []
        if isinstance(result, (tuple, list)):
            return [leaf for part in result if part is not None for leaf in leaves(part)]
        return [result]

    if not any(hasattr(value, "batch_sizes") for value in positional):
        assert all(isinstance(leaf, nn.Tensor) for leaf in leaves(results))
    assert same(flat(results), run(row, module))


@rows
def test_any_memory_layout_gives_the_same_bits(row: Layer) -> None:
    module = module_of(row)
    if getattr(module, "inplace", False):
        pytest.skip("writes into its input")
    contiguous = run(row, module)
    for name, layout in LAYOUTS.items():
        seen = []

        def change(array: np.ndarray) -> np.ndarray:
            changed = layout(array)  # noqa: B023
            seen.append((changed, changed.copy()))  # noqa: B023
            return changed

        got = run(row, module, change)
        if row.name in REARRANGING:
            got = [array.astype(array.dtype.newbyteorder("=")) for array in got]
        assert same(got, contiguous), name
        assert all(now.tobytes() == before.tobytes() for now, before in seen), f"{name}: the input was written to"


@rows
def test_state_dict_round_trip(row: Layer) -> None:
    module, other = module_of(row), row.make(nn)
    state = module.state_dict()
    assert other.load_state_dict(state)
    assert list(other.state_dict()) == list(state)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
        if value.size:
            assert not np.shares_memory(value, state[name])
    assert same(run(row, other), run(row, module))


@rows
def test_pickle_and_deepcopy(row: Layer) -> None:
    module = module_of(row)
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert repr(other) == repr(module)
        assert list(other.state_dict()) == list(module.state_dict())
        for name, value in other.state_dict().items():
            assert not (value.size and np.shares_memory(value, module.state_dict()[name]))
        assert same(run(row, other), run(row, module))


@rows
def test_eval_of_repr(row: Layer) -> None:
    """A repr that reads as a constructor's call constructs the layer again; test_golden.py compares all of them with PyTorch's."""
    module = row.make(nn)
    text = repr(module)
    try:
        again = eval(text, {name: value for name, value in vars(nn).items() if isinstance(value, type)})
    except (SyntaxError, NameError, TypeError):
        pytest.skip("PyTorch writes no constructor's call")
    assert type(again) is type(module) and repr(again) == text


@rows
def test_double_and_float(row: Layer) -> None:
    """Parameters follow; integers do not."""
    module = row.make(nn)
    for convert, dtype in ((module.double, np.float64), (module.float, np.float32), (lambda: module.to(np.float64), np.float64)):
        assert convert() is module
        for value in module.state_dict().values():
            assert value.dtype == dtype or value.dtype.kind == "i"


@rows
def test_wrong_float_type_is_refused(row: Layer) -> None:
    """float64 inputs in a float32 module: no silent conversion, and the message says how to convert."""
    module = module_of(row, np.float32)
    packed = any(hasattr(a, "features") for a in row.inputs)
    if next(module.parameters(), None) is None or row.name in ("Embedding", "EmbeddingBag") or packed:
        pytest.skip("nothing that could disagree")
    positional, keyword = row.arrays(np.float64, nn)
    with pytest.raises(TypeError) as error:
        module(*positional, **keyword)
    assert "float32" in str(error.value) and "float64" in str(error.value)


@rows
def test_train_and_eval_give_the_same_bits_without_dropout(row: Layer) -> None:
    """A6.1: one semantic path."""
    if "Norm" in row.name and not row.name.startswith(("Layer", "RMS", "Group")):
        pytest.skip("training takes the batch's statistics")
    if row.name == "RReLU":
        pytest.skip("training draws the slopes")
    module = module_of(row)
    for part in module.modules():
        if "Dropout" in type(part).__name__:
            part.p = 0.0
        if hasattr(part, "dropout") and isinstance(part.dropout, float):
            part.dropout = 0.0
    assert same(run(row, module.train()), run(row, module.eval()))


@rows
def test_no_batch_statistics_change_in_eval(row: Layer) -> None:
    module = module_of(row).eval()
    before = {name: value.copy() for name, value in module.state_dict().items()}
    run(row, module)
    for name, value in module.state_dict().items():
        assert value.tobytes() == before[name].tobytes(), name


def test_batch_norm_training_updates_the_statistics() -> None:
    row = next(row for row in LAYERS if row.name == "BatchNorm2d" and row.training)
    module = module_of(row)
    weights = weights_for(row, shapes_of(module))
    x = row.arrays(np.float32, nn)[0][0].astype(np.float64)
    run(row, module)
    mean, unbiased = x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(module.running_mean, 0.9 * weights["running_mean"] + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(module.running_var, 0.9 * weights["running_var"] + 0.1 * unbiased, rtol=1e-5)
    assert int(np.asarray(module.num_batches_tracked)) == 1


def test_recurrent_layers_share_a_base() -> None:
    """Code that asks isinstance(module, nn.RNNBase), as PyTorch's users do."""
    assert all(issubclass(layer, nn.RNNBase) for layer in (nn.RNN, nn.LSTM, nn.GRU))
    assert all(issubclass(layer, nn.RNNCellBase) for layer in (nn.RNNCell, nn.LSTMCell, nn.GRUCell))
