"""Writes cases for the Swift tests of the kernels: PYTHONPATH=Tests python -m Reference.make_kernel_fixtures DIRECTORY

DIRECTORY gets .npy files and index.txt in the format of make_swift_fixtures.py; the "operation" is an entry of snn_kernels
(kernels.h). Every expected array y has beside it y_error, the largest absolute error allowed in each element.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from Reference import constants as k
from Reference.activation import DEFAULTS, activation_forward, sigmoid
from Reference.cases import SIZES
from Reference.make_swift_fixtures import Writer
from Reference.softmax import softmax_forward

# Largest error of a unary kind in ulp of the result, for float32 and float64. The float64 numbers hold the reference's own error too.
ULP = {
    k.RELU: (0, 0), k.RELU6: (0, 0), k.LEAKY_RELU: (1.5, 1.5), k.ELU: (4, 5), k.GELU: (5, 6), k.GELU_TANH: (6, 6), k.SILU: (4, 5),
    k.MISH: (6, 8), k.SIGMOID: (4, 4), k.TANH: (4, 4), k.SOFTPLUS: (5, 6), k.HARDSWISH: (3, 3), k.EXP: (4, 4), k.LOG: (4, 4),
    k.ERF: (4, 4), k.HARDTANH: (0, 0), k.HARDSIGMOID: (2, 2), k.LOGSIGMOID: (5, 6), k.SELU: (5, 6), k.SOFTSIGN: (2, 2),
    k.CELU: (5, 6), k.THRESHOLD: (0, 0), k.HARDSHRINK: (0, 0), k.SOFTSHRINK: (1, 1),
}  # fmt: skip

Case = tuple[str, str, dict[str, Any], dict[str, "tuple[np.ndarray, np.ndarray]"]]


def spacing(y: np.ndarray, dtype: type) -> np.ndarray:
    """One ulp of the float type at each y; 0 where it is not finite."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.spacing(np.abs(np.asarray(y, np.float64)).astype(dtype)).astype(np.float64), nan=0, posinf=0)


def representable(y: np.ndarray, dtype: type) -> np.ndarray:
    """y, infinite where it rounds to an infinity of the float type."""
    with np.errstate(over="ignore"):
        return np.where(np.isinf(y.astype(dtype)), np.copysign(np.inf, y), y)


def unary_expected(kind: int, x: np.ndarray, alpha: float, beta: float, dtype: type) -> np.ndarray:
    """f(x); the forms of GELU that do not cancel for negative x."""
    with np.errstate(all="ignore"):
        if kind == k.GELU:
            return 0.5 * x * np.vectorize(math.erfc, otypes=[np.float64])(-x / math.sqrt(2))
        if kind == k.HARDSWISH:  # 6 x overflows before it is divided by 6, as in PyTorch
            return np.where(x > float(np.finfo(dtype).max) / 6, np.inf, activation_forward(x, kind))
        if kind == k.GELU_TANH:
            return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        return activation_forward(x, kind, alpha, beta)


def unary_error(kind: int, x: np.ndarray, y: np.ndarray, beta: float, dtype: type) -> np.ndarray:
    """The allowed error: ulp of the result, and what the formulas lose by design (as PyTorch's do)."""
    error = ULP[kind][dtype is np.float64] * spacing(y, dtype)
    size = np.minimum(np.where(np.isfinite(x), np.abs(x), 0), 1000)
    tiny = float(np.finfo(dtype).smallest_normal)
    if kind == k.GELU:  # 1 + erf cancels: an error of an ulp of 1 in Phi(x), for negative x
        error = error + np.where(x < 0, 2 * size * float(np.finfo(dtype).eps), 0)
    elif kind == k.GELU_TANH:  # the relative error of the exponent grows with its size
        error = error * (1 + size**3 / 8) + size * tiny
    elif kind == k.SIGMOID:  # exp(-x) overflows where the result is no normal number
        error = error + tiny
    elif kind in (k.SILU, k.MISH):
        error = error + 2 * size * tiny
    elif kind in (k.HARDSWISH, k.HARDSIGMOID):  # x + 3 is rounded
        error = error + 2 * np.maximum(size, 1) * (np.abs(x) < 3.5) * float(np.finfo(dtype).eps) / 2
    elif kind == k.SOFTPLUS:  # the threshold leaves out log1p(exp(-beta x))
        error = error + tiny
    return np.nan_to_num(error, nan=0, posinf=0)


def special(dtype: type) -> np.ndarray:
    f = np.finfo(dtype)
    edge = 88.0 if dtype is np.float32 else 709.0
    values = [0, f.smallest_subnormal, 17 * f.smallest_subnormal, f.smallest_normal, f.eps, 1e-6, 0.25, 0.5, 1, 2, 3, 6, 10, 20, 20.5, edge]
    values += [edge + 1.5, 1e6, 1e30, f.max / 2, f.max, np.inf]
    return np.array([*values, *(-v for v in values), np.nan], dtype)


def sweep(dtype: type) -> np.ndarray:
    """Evenly spaced numbers where the functions bend, and magnitudes of every size."""
    edge, low, high = (100, -44, 38) if dtype is np.float32 else (720, -320, 308)
    with np.errstate(all="ignore"):
        sizes = np.logspace(low, high, 1500)
        parts = [np.linspace(-5, 5, 5001), np.linspace(-edge, edge, 4001), sizes, -sizes, 1 + np.linspace(-0.4, 0.5, 1001)]
        return np.concatenate(parts).astype(dtype)


def unary(dtype: type) -> Iterator[Case]:
    options = {k.LEAKY_RELU: (0.2, 0.0), k.ELU: (1.5, 0.0), k.SOFTPLUS: (2.0, 5.0), k.HARDTANH: (-2.5, 3.0)}
    options |= {k.CELU: (1.5, 0.0), k.THRESHOLD: (0.5, -1.0), k.HARDSHRINK: (1.5, 0.0), k.SOFTSHRINK: (0.25, 0.0)}
    for kind in range(24):
        for alpha, beta in dict.fromkeys([DEFAULTS.get(kind, (0.0, 0.0)), options.get(kind, (0.0, 0.0))]):
            if (alpha, beta) == (0.0, 0.0) and kind in DEFAULTS:
                continue
            for name, x in (("special", special(dtype)), ("sweep", sweep(dtype))):
                wide = x.astype(np.float64)
                # the float type's own alpha and beta: rounding them is no error of the kernel
                y = representable(unary_expected(kind, wide, float(dtype(alpha)), float(dtype(beta)), dtype), dtype)
                error = unary_error(kind, wide, y, beta, dtype)
                yield "unary", f"kind{kind}({alpha:g},{beta:g})-{name}", dict(kind=kind, alpha=alpha, beta=beta, x=x), dict(y=(y, error))


def rows(dtype: type) -> Iterator[Case]:
    r = np.random.default_rng(2)
    eps = float(np.finfo(dtype).eps)

    def draw(n: int) -> np.ndarray:
        return r.standard_normal(n).astype(dtype)

    def result(y: Any, error: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        y = np.atleast_1d(np.asarray(y, np.float64))
        return dict(y=(y, np.broadcast_to(np.asarray(error, np.float64), y.shape).copy()))

    for n in (*SIZES, 127, 300, 1000):
        a, b, x = draw(n), draw(n), draw(n) + dtype(3)
        wa, wb, w = a.astype(np.float64), b.astype(np.float64), x.astype(np.float64)
        # n roundings at the most in a lane; in the mean far fewer
        length = 4 + n / 8
        yield "dot", f"{n}", dict(a=a, b=b), result(wa @ wb, length * eps * np.abs(wa) @ np.abs(wb))
        yield "sum", f"{n}", dict(x=x), result(w.sum(), length * eps * np.abs(w).sum())
        yield "mean_square", f"{n}", dict(x=x), result((w**2).mean(), length * eps * (w**2).mean())
        variance = w.var()
        error = [length * eps * np.abs(w).mean(), length * eps * (variance + np.abs(w).mean() * w.std()) + (length * eps) ** 2 * 9]
        yield "moments", f"{n}", dict(x=x), result([w.mean(), variance], error)
        far = (w * 0.125 + 1000).astype(dtype)
        wide = far.astype(np.float64)
        # the one-pass form would lose every digit here
        error = [length * eps * 1000, length * eps * (wide.var() + wide.std() * 1000 * eps) + (length * eps * 1000) ** 2]
        yield "moments", f"{n}-far", dict(x=far), result([wide.mean(), wide.var()], error)
        mean, rstd = 2.75, 0.40625
        for name, weight, bias in (("", None, None), ("-weight", wa, None), ("-bias", None, wb), ("-both", wa, wb)):
            y = (w - mean) * rstd * (1 if weight is None else weight) + (0 if bias is None else bias)
            size = np.abs((w - mean) * rstd * (1 if weight is None else weight)) + (0 if bias is None else np.abs(bias))
            fields = dict(x=x, mean=mean, rstd=rstd, weight=None if weight is None else a, bias=None if bias is None else b)
            yield "normalize", f"{n}{name}", fields, result(y, 3 * eps * size)

        wild = draw(n) * dtype(20)
        masked, infinite, broken = draw(n), draw(n), draw(n)
        masked[r.random(n) < 0.5] = -np.inf
        infinite[n // 2], broken[n - 1] = np.inf, np.nan
        for name, x in (("plain", a), ("wild", wild), ("masked", masked), ("blocked", np.full(n, -np.inf, dtype)),
                        ("infinite", infinite), ("nan", broken)):  # fmt: skip
            wide = x.astype(np.float64)
            with np.errstate(all="ignore"):
                shift = np.nan_to_num(np.abs(wide - wide.max()), posinf=0)
                for kind in range(3):  # softmax, its logarithm, the exponentials of scores: nothing to attend to gives zeros, not 0/0
                    with np.errstate(invalid="ignore"):
                        largest = np.max(wide, initial=-np.inf, where=~np.isnan(wide))
                        y = np.exp(wide - (0 if largest == -np.inf else largest)) if kind == 2 else softmax_forward(wide, -1, kind == 1)
                    # the rounding of x - max is a relative error of the exponential
                    unit = eps * (shift + 2 + math.log(n)) if kind == 1 else np.nan_to_num(y) * eps * (shift + length)
                    yield "softmax", f"{n}-{name}", dict(x=x, kind=kind), result(y, 3 * unit + float(np.finfo(dtype).smallest_normal))


def cells(dtype: type) -> Iterator[Case]:
    r = np.random.default_rng(3)
    eps = float(np.finfo(dtype).eps)
    for n in SIZES:
        gate = n + 3
        xp, hp, c, h = ((2 * r.standard_normal(s)).astype(dtype) for s in (3 * gate + n, 3 * gate + n, n, n))
        # the states at the ends of the gates' ranges
        xp[:n][r.random(n) < 0.1] *= 30
        wx, wh, wc, w = (a.astype(np.float64) for a in (xp, hp, c, h))

        def at(p: np.ndarray, i: int, gate: int = gate, n: int = n) -> np.ndarray:
            return p[i * gate : i * gate + n]

        sums = [at(wx, i) + at(wh, i) for i in range(4)]
        for mode in range(4):
            state = wc
            if mode == k.LSTM:
                state = sigmoid(sums[1]) * wc + sigmoid(sums[0]) * np.tanh(sums[2])
                y = sigmoid(sums[3]) * np.tanh(state)
            elif mode == k.GRU:
                z = sigmoid(sums[1])
                y = (1 - z) * np.tanh(at(wx, 2) + sigmoid(sums[0]) * at(wh, 2)) + z * w
            else:
                y = np.tanh(sums[0]) if mode == k.RNN_TANH else np.maximum(sums[0], 0)
            # sigmoid and tanh have slopes of at most 1: the rounding of their arguments, and a few roundings of results of size 1 or c
            size = eps * (8 + sum(np.abs(s) for s in sums) + 2 * np.abs(wc) + 2 * np.abs(w))
            fields = dict(mode=mode, n=n, gate=gate, xp=xp, hp=hp, c=c, h=h)
            expected = dict(y=(y, size))
            if mode == k.LSTM:
                expected["state"] = (state, size)
            yield "cell", f"mode{mode}-{n}", fields, expected


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    write, lines = Writer(directory), []
    for dtype in (np.float32, np.float64):
        for family in (unary, rows, cells):
            for entry, name, fields, expected in family(dtype):
                line = [entry, f"{name}-{dtype.__name__}"]
                for field, value in fields.items():
                    line.append(f"{field}={'none' if value is None else write(value) if isinstance(value, np.ndarray) else repr(value)}")
                for field, (y, error) in expected.items():
                    line += [f"out:{field}={write(y.astype(np.float64))}", f"out:{field}_error={write(error.astype(np.float64))}"]
                lines.append("\t".join([*line, "tol=0.0"]))
    (directory / "index.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} cases, {len(write.written)} arrays in {directory}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
