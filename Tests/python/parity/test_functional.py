"""Random options of functions and layers against PyTorch, with fixed seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from comparing import TOLERANCE, disagreement, to_numpy

import swiftnn as nn
from specs_functional import FUNCTIONS

F, T = nn.functional, torch.nn.functional
COUNT = 60


class Choices:
    """Random options and tensors of one seed."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype

    def int(self, low: int, high: int) -> int:
        """low to high, both possible"""
        return int(self.rng.integers(low, high + 1))

    def ints(self, low: int, high: int, count: int) -> tuple[int, ...]:
        return tuple(self.int(low, high) for _ in range(count))

    def one_of(self, *values: Any) -> Any:
        return values[self.int(0, len(values) - 1)]

    def tensor(self, *shape: int) -> torch.Tensor:
        """Contiguous or not."""
        values = torch.from_numpy(self.rng.standard_normal(shape)).to(self.dtype)
        if len(shape) > 1 and self.int(0, 2) == 0:
            values = values.transpose(0, -1).contiguous().transpose(0, -1)
        return values

    def mask(self, *shape: int) -> torch.Tensor:
        """True = may not attend; somewhere in each row something is open."""
        blocked = torch.from_numpy(self.rng.random(shape) < 0.4)
        blocked[..., 0] = False
        return blocked


Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def conv(r: Choices) -> Call:
    dims = r.int(1, 2)
    kernel, stride, dilation, groups = r.ints(1, 4, dims), r.ints(1, 3, dims), r.ints(1, 3, dims), r.int(1, 3)
    padding: Any = r.ints(0, 3, dims)
    if r.int(0, 4) == 0:
        stride, padding = (1,) * dims, r.one_of("same", "valid")
    c, o = groups * r.int(1, 4), groups * r.int(1, 6)
    size = [d * (k - 1) + r.int(1, 12) for d, k in zip(dilation, kernel)]
    x = r.tensor(*([] if r.int(0, 3) == 0 else [r.int(1, 3)]), c, *size)
    bias = r.tensor(o) if r.int(0, 1) else None
    return f"conv{dims}d", (x, r.tensor(o, c // groups, *kernel), bias, stride, padding, dilation, groups), {}


def max_pool(r: Choices) -> Call:
    dims = r.int(1, 3)
    kernel = r.ints(1, 5, dims)
    dilation = r.ints(1, 3, dims)
    padding = tuple(r.int(0, k // 2) for k in kernel)
    size = [max(d * (k - 1) + 1 - 2 * p, 1) + r.int(0, 10) for d, k, p in zip(dilation, kernel, padding)]
    x = r.tensor(r.int(1, 3), r.int(1, 3), *size).mul(2).round()
    x[torch.from_numpy(r.rng.random(x.shape) < 0.05)] = r.one_of(float("nan"), float("-inf"), float("inf"))
    options = dict(dilation=dilation, ceil_mode=bool(r.int(0, 1)), return_indices=bool(r.int(0, 1)))
    return f"max_pool{dims}d", (x, kernel, r.ints(1, 4, dims), padding), options


def avg_pool(r: Choices) -> Call:
    dims = r.int(1, 3)
    kernel = r.ints(1, 5, dims)
    padding = tuple(r.int(0, k // 2) for k in kernel)
    size = [max(k - 2 * p, 1) + r.int(0, 10) for k, p in zip(kernel, padding)]
    options: dict[str, Any] = dict(ceil_mode=bool(r.int(0, 1)), count_include_pad=bool(r.int(0, 1)))
    if dims > 1 and r.int(0, 2) == 0:
        options["divisor_override"] = r.one_of(1, 3, -2)
    return f"avg_pool{dims}d", (r.tensor(r.int(1, 3), r.int(1, 3), *size), kernel, r.ints(1, 4, dims), padding), options


def adaptive(r: Choices) -> Call:
    dims = r.int(1, 3)
    x, size = r.tensor(*r.ints(1, 4, 2), *r.ints(1, 12, dims)), r.ints(1, 15, dims)
    if r.int(0, 1):
        return f"adaptive_avg_pool{dims}d", (x, size), {}
    x = x.mul(2).round()
    x[torch.from_numpy(r.rng.random(x.shape) < 0.05)] = r.one_of(float("nan"), float("-inf"), float("inf"))
    return f"adaptive_max_pool{dims}d", (x, size, bool(r.int(0, 1))), {}


def lp_pool(r: Choices) -> Call:
    dims = r.int(1, 3)
    kernel = r.int(1, 4)
    x = r.tensor(*r.ints(1, 3, 2), *(kernel + n for n in r.ints(0, 6, dims))).abs()
    return f"lp_pool{dims}d", (x, r.one_of(1, 2, 3, 1.5, float("inf")), kernel, r.int(1, 4), bool(r.int(0, 1))), {}


def fractional(r: Choices) -> Call:
    dims = r.int(2, 3)
    kernel, size = r.ints(1, 4, dims), r.ints(1, 7, dims)
    # PyTorch refuses volumes that are just large enough.
    x = r.tensor(*r.ints(1, 3, 2), *(k + p - 1 + r.int(dims - 2, 8) for k, p in zip(kernel, size))).mul(2).round()
    x[torch.from_numpy(r.rng.random(x.shape) < 0.05)] = r.one_of(float("nan"), float("-inf"), float("inf"))
    samples = torch.from_numpy(r.rng.random((*x.shape[:2], dims))).to(r.dtype)
    return f"fractional_max_pool{dims}d", (x, kernel, size), dict(return_indices=bool(r.int(0, 1)), _random_samples=samples)


def pairs(r: Choices) -> Call:
    return "pdist", (r.tensor(*r.ints(1, 7, 2)), r.one_of(0.0, 0.5, 1.0, 2.0, 3.0, float("inf"))), {}


def time_first(r: Choices) -> Call:
    taps, i, o, pad = r.int(1, 4), r.int(1, 9), r.int(1, 9), r.int(0, 3)
    x = r.tensor(max(taps - 2 * pad, 1) + r.int(0, 6), r.int(1, 4), i)
    return "conv_tbc", (x.contiguous(), r.tensor(taps, i, o).contiguous(), r.tensor(o), pad), {}


def scored(r: Choices) -> Call:
    n, i, c, more = r.int(1, 9), r.int(1, 8), r.int(2, 9), r.ints(1, 3, r.int(0, 2))
    options: dict[str, Any] = dict(reduction=r.one_of("mean", "sum", "none"), label_smoothing=r.one_of(0.0, 0.2))
    options |= dict(linear_bias=r.one_of(None, r.tensor(c, *more)), weight=r.one_of(None, r.tensor(c).abs() + 0.1))
    if r.int(0, 2) == 0:
        target = r.tensor(n, c, *more).abs()
    else:
        target, options["ignore_index"] = torch.from_numpy(r.rng.integers(0, c - 1, (n, *more))), r.one_of(None, c - 1)
    return "linear_cross_entropy", (r.tensor(n, i), r.tensor(c, *more, i), target), options


def max_unpool(r: Choices) -> Call:
    dims = r.int(1, 3)
    kernel, stride = r.ints(1, 3, dims), r.ints(1, 3, dims)
    shape = r.ints(1, 4, dims)
    size = tuple((n - 1) * s + k + r.int(0, s - 1) for n, s, k in zip(shape, stride, kernel))
    x = r.tensor(*r.ints(1, 3, 2), *shape)
    # PyTorch says nothing about equal indices: of one plane they are different.
    places = [r.rng.permutation(int(np.prod(size)))[: int(np.prod(shape))] for _ in range(x.shape[0] * x.shape[1])]
    return f"max_unpool{dims}d", (x, torch.from_numpy(np.array(places).reshape(x.shape)), kernel, stride, 0, size), {}


def blocks(r: Choices) -> Call:
    kernel, dilation, padding, stride = r.ints(1, 4, 2), r.ints(1, 3, 2), r.ints(0, 3, 2), r.ints(1, 4, 2)
    size = [max(d * (k - 1) + 1 - 2 * p, 1) + r.int(0, 6) for d, k, p in zip(dilation, kernel, padding)]
    options = dict(dilation=dilation, padding=padding, stride=stride)
    if r.int(0, 1):
        return "unfold", (r.tensor(*r.ints(1, 3, 2), *size), kernel), options
    places = [(h + 2 * p - d * (k - 1) - 1) // s + 1 for h, k, d, p, s in zip(size, kernel, dilation, padding, stride)]
    return "fold", (r.tensor(r.int(1, 3), r.int(1, 3) * kernel[0] * kernel[1], places[0] * places[1]), tuple(size), kernel), options


def local_response(r: Choices) -> Call:
    x = r.tensor(r.int(1, 3), r.int(1, 9), *r.ints(1, 4, r.int(1, 3))).contiguous()  # PyTorch's takes no other
    return "local_response_norm", (x, r.int(1, 7)), dict(alpha=r.one_of(1e-4, 0.5), beta=r.one_of(0.75, 1.0, 2.0), k=r.one_of(1.0, 0.5))


def pad(r: Choices) -> Call:
    mode = r.one_of("constant", "reflect", "replicate", "circular")
    dims = r.int(1, 3)
    size = r.ints(2, 7, dims)
    x = r.tensor(*r.ints(1, 3, 2), *size)
    pads: list[int] = []
    for n in reversed(size):
        most = {"constant": 5, "reflect": n - 1, "replicate": 5, "circular": n}[mode]
        least = -(n - 1) // 2 if mode == "constant" else 0
        pads += r.ints(least, most, 2)
    return "pad", (x, tuple(pads), mode), ({"value": 1.25} if mode == "constant" else {})


def interpolate(r: Choices) -> Call:
    dims = r.int(1, 3)
    more = {1: ("linear",), 2: ("bilinear", "bicubic", "bilinear smooth", "bicubic smooth", "lanczos smooth"), 3: ("trilinear",)}
    mode, _, smooth = r.one_of("nearest", "nearest-exact", *more[dims]).partition(" ")
    options: dict[str, Any] = dict(mode=mode)
    if smooth:
        options["antialias"] = True
    if r.int(0, 1):
        # Of smooth images one column wide PyTorch gives other numbers than of their transposes one row high.
        options["size"] = r.ints(2 if smooth else 1, 20, dims)
    else:
        # PyTorch's kernel for small planes ignores a scale that gives once or twice the size; its kernels for large ones and lines do not
        scales = [r.one_of(float(r.rng.uniform(0.4, 0.95)), 2.0, float(r.rng.uniform(2.4, 4))) for _ in range(dims)]
        options["scale_factor"] = tuple(scales)
        options["recompute_scale_factor"] = r.one_of(None, True, False)
    if mode.endswith(("linear", "cubic")):
        options["align_corners"] = r.one_of(None, True, False)
    # PyTorch's channels-last path rounds otherwise than its contiguous one
    return "interpolate", (r.tensor(*r.ints(1, 3, 2), *r.ints(3, 12, dims)).contiguous(),), options


def grid_sample(r: Choices) -> Call:
    dims = r.int(2, 3)
    n, c = r.ints(1, 3, 2)
    if r.int(0, 3) == 0:
        sizes = (n, c, *r.ints(1, 9, dims))
        return "affine_grid", (r.tensor(n, dims, dims + 1), sizes), dict(align_corners=r.one_of(True, False))
    mode = r.one_of("bilinear", "nearest", *(("bicubic",) if dims == 2 else ()))
    options = dict(mode=mode, padding_mode=r.one_of("zeros", "border", "reflection"), align_corners=r.one_of(True, False))
    return "grid_sample", (r.tensor(n, c, *r.ints(1, 9, dims)), r.tensor(n, *r.ints(1, 9, dims), dims)), options


def softmax(r: Choices) -> Call:
    dims = r.int(1, 4)
    name = r.one_of("softmax", "log_softmax", "softmin")
    return name, (r.tensor(*r.ints(1, 9, dims)).mul(r.one_of(1, 10, 100)), r.int(-dims, dims - 1)), {}


def norms(r: Choices) -> Call:
    x = r.tensor(*r.ints(2, 5, 2), *r.ints(3, 6, r.int(1, 2))).add(r.one_of(0, 10))
    eps = r.one_of(1e-5, 1e-2)
    name = r.one_of("layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm")
    if name in ("layer_norm", "rms_norm"):
        shape = tuple(x.shape[-r.int(1, x.ndim) :])
        weight = r.tensor(*shape) if r.int(0, 1) else None
        more = (r.tensor(*shape) if r.int(0, 1) else None,) if name == "layer_norm" else ()
        return name, (x, shape, weight, *more, eps), {}
    c = x.shape[1]
    weight, bias = (r.tensor(c), r.tensor(c)) if r.int(0, 1) else (None, None)
    if name == "group_norm":
        return name, (x, r.one_of(*(g for g in range(1, c + 1) if c % g == 0)), weight, bias, eps), {}
    if name == "instance_norm":
        x = torch.cat([x, x.flip(0)], dim=-1)
        return name, (x,), dict(weight=weight, bias=bias, eps=eps)
    training = bool(r.int(0, 1))
    return name, (x, r.tensor(c), r.tensor(c).abs(), weight, bias, training, 0.1, eps), {}


def attention(r: Choices) -> Call:
    nhk = r.int(1, 3)
    nh = nhk * (r.int(1, 2))
    b, length, s, hd, hdv = r.ints(1, 9, 5)
    options: dict[str, Any] = {}
    if nh != nhk:
        options["enable_gqa"] = True
    if r.int(0, 2) == 0:
        options["is_causal"] = True
    elif r.int(0, 1):
        shape = r.one_of((length, s), (b, 1, length, s), (b, nh, length, s), (1, s))
        options["attn_mask"] = r.one_of(~r.mask(*shape), r.tensor(*shape))
    if r.int(0, 1):
        options["scale"] = 0.3
    return "scaled_dot_product_attention", (r.tensor(b, nh, length, hd), r.tensor(b, nhk, s, hd), r.tensor(b, nhk, s, hdv)), options


def activation(r: Choices) -> Call:
    x = r.tensor(*r.ints(1, 40, r.int(1, 3))).mul(r.one_of(1, 5, 50))
    name = r.one_of(
        "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "hardswish", "hardtanh",
        "hardsigmoid", "logsigmoid", "softsign", "celu", "hardshrink", "softshrink", "tanhshrink", "threshold", "rrelu",
        "relu_", "leaky_relu_", "elu_", "celu_", "selu_", "hardtanh_", "rrelu_",
    )  # fmt: skip
    given = dict(leaky_relu=(0.3,), elu=(1.3,), softplus=(0.7, 4.0), hardtanh=(-0.4, 2.0), celu=(-0.7,), softshrink=(1.5,)).get(name, ())
    if name == "threshold":
        return name, (x, 0.3, -2.0), {}
    options = dict(approximate="tanh") if name == "gelu" and r.int(0, 1) else {}
    return name, (x, *(given if r.int(0, 1) else ())), options


def linear(r: Choices) -> Call:
    k, n = r.ints(1, 70, 2)
    bias = r.tensor(n) if r.int(0, 1) else None
    return "linear", (r.tensor(*r.ints(1, 5, r.int(0, 3)), k), r.tensor(n, k), bias), {}


FAMILIES: list[Callable[[Choices], Call]] = [
    conv, max_pool, avg_pool, adaptive, lp_pool, fractional, pairs, time_first, scored, max_unpool, blocks, local_response, pad,
    interpolate, softmax, norms, attention, activation, linear,
]  # fmt: skip


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_random_options(family: Callable[[Choices], Call], dtype: torch.dtype) -> None:
    compared = 0
    for seed in range(COUNT):
        name, args, kwargs = family(Choices(seed, dtype))
        # Statistics that training updates in place: each side its own
        mine = to_numpy(tuple(a.clone(memory_format=torch.preserve_format) if torch.is_tensor(a) else a for a in args))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = getattr(T, name)(*args, **kwargs)
            except (RuntimeError, ValueError) as error:
                with pytest.raises((ValueError, RuntimeError)):
                    getattr(F, name)(*mine, **to_numpy(kwargs))
                print(f"{family.__name__} {seed}: both refuse: {str(error).splitlines()[0][:100]}")
                continue
            problem = disagreement(getattr(F, name)(*mine, **to_numpy(kwargs)), expected, TOLERANCE[dtype])
            problem = problem or disagreement(
                [a for a in mine if isinstance(a, np.ndarray)], [a for a in args if torch.is_tensor(a)], TOLERANCE[dtype]
            )
        shapes = [tuple(a.shape) if torch.is_tensor(a) else a for a in args]
        assert not problem, f"seed {seed}: {name} {shapes} {kwargs}: {problem}"
        compared += 1
    assert compared > COUNT // 2


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_random_recurrent_networks(kind: str, dtype: torch.dtype) -> None:
    for seed in range(COUNT // 3):
        r = Choices(seed, dtype)
        i, h = r.ints(1, 20, 2)
        options: dict[str, Any] = dict(num_layers=r.int(1, 3), bias=bool(r.int(0, 1)), batch_first=bool(r.int(0, 1)))
        options["bidirectional"] = bool(r.int(0, 1))
        if kind == "RNN":
            options["nonlinearity"] = r.one_of("tanh", "relu")
        if kind == "LSTM" and h > 1 and r.int(0, 1):
            options["proj_size"] = r.int(1, h - 1)
        theirs = getattr(torch.nn, kind)(i, h, **options, dtype=dtype)
        mine = getattr(nn, kind)(i, h, **options).to(np.float32 if dtype is torch.float32 else np.float64)
        mine.load_state_dict(to_numpy(dict(theirs.state_dict())))
        rows, out = options["num_layers"] * (1 + options["bidirectional"]), options.get("proj_size", h)
        t, b = r.int(1, 9), r.int(1, 6)
        x = r.tensor(b, t, i) if options["batch_first"] else r.tensor(t, b, i)
        hx: Any = None
        if r.int(0, 1):
            hx = (r.tensor(rows, b, out), r.tensor(rows, b, h)) if kind == "LSTM" else r.tensor(rows, b, out)
        if r.int(0, 2) == 0:
            lengths = torch.from_numpy(r.rng.integers(1, t + 1, b))
            x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, options["batch_first"], enforce_sorted=False)
        with torch.no_grad():
            expected = theirs(x, hx)
        problem = disagreement(mine(to_numpy(x), to_numpy(hx)), expected, TOLERANCE[dtype])
        assert not problem, f"seed {seed}: {kind}({i}, {h}, {options}): {problem}"


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])
def test_random_attention_layers(dtype: torch.dtype) -> None:
    torch.backends.mha.set_fastpath_enabled(False)
    for seed in range(COUNT):
        r = Choices(seed, dtype)
        nh = r.int(1, 4)
        e = nh * r.int(1, 6)
        options: dict[str, Any] = {name: bool(r.int(0, 1)) for name in ("bias", "add_bias_kv", "add_zero_attn", "batch_first")}
        if r.int(0, 1):
            options |= dict(kdim=r.int(1, 9), vdim=r.int(1, 9))
        theirs = torch.nn.MultiheadAttention(e, nh, **options, dtype=dtype).eval()
        mine = nn.MultiheadAttention(e, nh, **options).to(np.float32 if dtype is torch.float32 else np.float64).eval()
        mine.load_state_dict(to_numpy(dict(theirs.state_dict())))
        b, length, s = r.ints(1, 6, 3)
        lone = r.int(0, 3) == 0
        sizes = [(length, e), (s, options.get("kdim", e)), (s, options.get("vdim", e))]
        if not lone:
            sizes = [(b, *size) if options["batch_first"] else (size[0], b, size[1]) for size in sizes]
        query, key, value = (r.tensor(*size) for size in sizes)
        call: dict[str, Any] = dict(need_weights=bool(r.int(0, 1)), average_attn_weights=bool(r.int(0, 1)))
        if r.int(0, 1):
            shape = r.one_of((length, s), ((1 if lone else b) * nh, length, s))
            call["attn_mask"] = r.one_of(r.mask(*shape), r.tensor(*shape))
        if r.int(0, 1):
            call["key_padding_mask"] = r.mask(*((s,) if lone else (b, s)))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = theirs(query, key, value, **call)
        if any(bool(torch.isnan(part).any()) for part in expected if part is not None):
            continue  # a row in which nothing may be attended to: zeros here (A6.2)
        problem = disagreement(mine(to_numpy(query), to_numpy(key), to_numpy(value), **to_numpy(call)), expected, TOLERANCE[dtype])
        assert not problem, f"seed {seed}: MultiheadAttention({e}, {nh}, {options}) {sorted(call)}: {problem}"


def test_rows_in_which_nothing_may_be_attended_to_are_zero() -> None:
    """A6.2: PyTorch answers NaN or 0, depending on need_weights."""
    mine = nn.MultiheadAttention(8, 2, bias=False)
    x = np.ones((4, 2, 8), np.float32)
    blocked = np.zeros((4, 4), bool)
    blocked[1] = True
    for need_weights in (True, False):
        y, weights = mine(x, x, x, attn_mask=blocked, need_weights=need_weights)
        assert (y[1] == 0).all() and np.isfinite(y).all()
        assert weights is None or (weights[:, 1] == 0).all()


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if not row.deviates], ids=lambda row: row.id)
def test_row_of_specs(row: Any) -> None:
    """The rows of specs_functional.py live, in the float type that their golden files do not hold."""
    args, kwargs = row.arrays(np.float32)

    def tensors(value: Any) -> Any:
        return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value

    expected = getattr(T, row.name)(*map(tensors, args), **{name: tensors(value) for name, value in kwargs.items()})
    assert not disagreement(getattr(F, row.name)(*args, **kwargs), expected, TOLERANCE[torch.float32])


def test_torch_tensors_are_read_where_they_lie() -> None:
    from swiftnn import _native

    x = torch.randn(4, 5)
    module = nn.Linear(5, 3)
    before = _native.copies()
    y = module(x)
    assert _native.copies() == before
    np.testing.assert_array_equal(y, module(x.numpy()))
