"""Averages of a model's weights against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

import swiftnn as nn

averages = nn.optim.swa_utils


def model_of(seed=0):
    nn.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


def trained(average, model, count):
    """The model's parameters and buffers at each of count updates."""
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(count):
        for p in model.parameters():
            p.data[...] = rng.normal(size=p.shape)
        model(rng.normal(size=(6, 4)).astype(np.float32))
        average.update_parameters(model)
        seen.append({key: value.copy() for key, value in model.state_dict().items()})
    return seen


def moved(seen, decay):
    value = seen[0].astype(np.float64)
    for x in seen[1:]:
        value = decay * value + (1 - decay) * x
    return value


MEAN = lambda seen: np.mean(seen, 0, np.float64)  # noqa: E731
FADING = lambda seen: moved(seen, 0.7)  # noqa: E731
WAYS = {
    "default": (dict(), MEAN),
    "swa": (dict(avg_fn=averages.get_swa_avg_fn()), MEAN),
    "multi_swa": (dict(multi_avg_fn=averages.get_swa_multi_avg_fn()), MEAN),
    "ema": (dict(avg_fn=averages.get_ema_avg_fn(0.7)), FADING),
    "multi_ema": (dict(multi_avg_fn=averages.get_ema_multi_avg_fn(0.7)), FADING),
    "own": (dict(avg_fn=lambda average, array, number: np.maximum(average, array)), lambda seen: np.max(seen, 0)),
}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_averages(way, use_buffers) -> None:
    options, formula = WAYS[way]
    model = model_of()
    average = averages.AveragedModel(model, use_buffers=use_buffers, **options)
    arrays = [p.data for p in average.parameters()]
    x = np.ones((3, 4), np.float32)
    average.eval()
    average(x)  # which keeps the weights prepared
    seen = trained(average, model, 5)
    assert all(p.data is array for p, array in zip(average.parameters(), arrays))
    state = average.state_dict()
    assert list(state) == ["n_averaged", *(f"module.{key}" for key in seen[0])]
    assert state["n_averaged"] == 5 and state["n_averaged"].dtype == np.int64 and state["n_averaged"].shape == ()
    for key in seen[0]:
        values = [s[key] for s in seen]
        if key.endswith("num_batches_tracked") and use_buffers:
            assert 1 <= state[f"module.{key}"] <= 5
            continue
        buffer = key not in dict(model.named_parameters())
        expected = values[-1] if buffer and not use_buffers else formula(values)
        np.testing.assert_allclose(state[f"module.{key}"], expected, rtol=1e-5, atol=1e-6)
    other = averages.AveragedModel(model_of(3), use_buffers=use_buffers, **options).eval()
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(x), average(x))
    assert other.n_averaged == 5


def test_the_tape_notices() -> None:
    model = model_of()
    average = averages.AveragedModel(model).eval()
    loss = average(nn.Tensor(np.ones((3, 4), np.float32), requires_grad=True)).sum()
    average.update_parameters(model)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_update_bn() -> None:
    model = model_of().eval()
    model[1].momentum = 0.3
    rng = np.random.default_rng(2)
    batches = [rng.normal(size=(6, 4)).astype(np.float32) for _ in range(3)]
    averages.update_bn([batches[0], (batches[1], 5), [batches[2]]], model)
    hidden = [model[0](x) for x in batches]
    np.testing.assert_allclose(model[1].running_mean, np.mean([h.mean(0) for h in hidden], 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model[1].running_var, np.mean([h.var(0, ddof=1) for h in hidden], 0), rtol=1e-5)
    assert model[1].momentum == 0.3 and not model.training and not model[1].training
    with pytest.raises(nn.ShapeError):
        averages.update_bn([np.ones((2, 3), np.float32)], model)
    assert model[1].momentum == 0.3 and not model.training
    averages.update_bn(iter(()), nn.Linear(2, 2))


def test_refused() -> None:
    for make in (averages.get_ema_avg_fn, averages.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="Invalid decay value 1.5"):
            make(1.5)
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        averages.AveragedModel(model_of(), avg_fn=averages.get_swa_avg_fn(), multi_avg_fn=averages.get_swa_multi_avg_fn())
    with pytest.raises((ValueError, RuntimeError), match="cuda"):
        averages.AveragedModel(model_of(), "cuda")
