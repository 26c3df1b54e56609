"""How far results are from the exact ones: python Tests/accuracy.py [--every N]

First the elementary functions: the largest error in units of the last place, over every float32 (--every N: every N-th), and over numbers
of all magnitudes in float64. Then, for each operation of the C ABI, the largest error relative to the largest exact value, over the cases
of Reference/cases.py, and for each layer and function that of its gradients. PyTorch's stand beside
the functions where it is installed. SciPy is needed for erf over all float32.

The exact values are float64's for float32, 2^29 times finer, and those of 80-bit long double for float64, 2^11 times finer.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "python")]

import bits  # noqa: E402
import Reference as reference  # noqa: E402
from Reference import constants as k  # noqa: E402
from Reference.cases import cases  # noqa: E402
from Reference.rows import arguments, results  # noqa: E402
from specs import difference  # noqa: E402
from swiftnn import _native  # noqa: E402

Function = Callable[[Any], Any]


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _each(function: Callable[[float], float]) -> Function:
    return lambda x: np.fromiter(map(function, x.ravel()), np.float64, x.size).reshape(x.shape)


_special = _optional("scipy.special")
erf: Function = _special.erf if _special else _each(math.erf)
erfc: Function = _special.erfc if _special else _each(math.erfc)


@dataclass(frozen=True)
class Elementary:
    kind: int
    exact: Function  # in the precision of its argument
    torch: str
    limits: tuple[float, float]  # ulp, float32 and float64
    parameters: tuple[float, float] = (0.0, 0.0)
    wide: bool = True  # exact() can compute in long double
    # Results below this many smallest normal numbers do not count: 1 / (1 + exp(-x)) is 0 where exp(-x) overflows, as in PyTorch.
    least: int = 0


FUNCTIONS = {
    "exp": Elementary(k.EXP, np.exp, "exp", (1.5, 1.5)),
    "log": Elementary(k.LOG, np.log, "log", (1.0, 1.0)),
    "tanh": Elementary(k.TANH, np.tanh, "tanh", (2.0, 2.0)),
    "sigmoid": Elementary(k.SIGMOID, lambda x: 1 / (1 + np.exp(-x)), "sigmoid", (3.0, 3.0), least=1),
    "erf": Elementary(k.ERF, erf, "erf", (1.5, 1.5), wide=False),
    "softplus": Elementary(k.SOFTPLUS, lambda x: np.where(x > 20, x, np.logaddexp(0, x)), "softplus", (3.0, 3.0), (1.0, 20.0)),
    "logsigmoid": Elementary(k.LOGSIGMOID, lambda x: -np.logaddexp(0, -x), "logsigmoid", (3.0, 3.0)),
    "silu": Elementary(k.SILU, lambda x: x / (1 + np.exp(-x)), "silu", (3.0, 3.0), least=1024),
    "elu": Elementary(k.ELU, lambda x: np.where(x > 0, x, np.expm1(x)), "elu", (1.5, 1.5), (1.0, 0.0)),
}


def unit(x: np.ndarray) -> np.ndarray:
    """2^(exponent - digits), the unit in the last place: np.spacing of |x|, four times as fast."""
    info, integer = np.finfo(x.dtype), np.dtype(f"u{x.itemsize}").type
    exponent = x.view(integer) & np.array(np.inf, x.dtype).view(integer)
    # Of the subnormal numbers it is that of the smallest normal one.
    return (
        np.maximum(exponent, info.smallest_normal.view(integer)).view(x.dtype).astype(np.longdouble if x.itemsize == 8 else float)
        * info.eps
    )


def ulp(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The distances from the exact values, in units of the last place that the exact value has in got's type.

    Infinite where one is NaN and the other not, or an infinity is not where rounding puts it.
    """
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        if np.isfinite(rounded.sum() + got.sum()):  # nearly always
            return np.asarray(np.abs(np.subtract(got, exact, dtype=exact.dtype)) / unit(rounded).astype(exact.dtype))
        off = np.abs(got.astype(exact.dtype) - exact) / unit(rounded).astype(exact.dtype)
        agree = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        off = np.where(np.isfinite(got) & np.isfinite(rounded), off, np.where(agree, 0, np.inf))
        # An infinity is within a rounding of the largest number, and the other way round.
        edge = np.isinf(got) != np.isinf(rounded)
        largest = np.finfo(got.dtype).max
        near = edge & (np.abs(np.where(np.isinf(got), exact.astype(got.dtype), got)) >= largest * (1 - 4 * np.finfo(got.dtype).eps))
        return np.asarray(np.where(near, 1, off))


def float32_numbers(every: int, block: int = 1 << 18) -> Iterator[np.ndarray]:
    """Every N-th of all 2^32 float32, subnormals, infinities and NaN among them, a block at a time."""
    for start in range(0, 1 << 32, block * every):
        yield np.arange(start, min(start + block * every, 1 << 32), every, dtype=np.uint64).astype(np.uint32).view(np.float32)


def float64_numbers(count: int) -> Iterator[np.ndarray]:
    """Of all magnitudes, both signs, and more of those where functions bend."""
    random = np.random.default_rng(1)
    for _ in range(0, count, 1 << 18):
        bits = random.integers(0, 1 << 64, 1 << 16, np.uint64).view(np.float64)
        with np.errstate(all="ignore"):
            yield np.concatenate([bits, *(random.standard_normal(1 << 16) * scale for scale in (0.5, 5, 200))])


def ours(function: Elementary, x: np.ndarray) -> np.ndarray:
    return np.asarray(_native.activation_forward(x, function.kind, *function.parameters))


def pytorchs(function: Elementary, torch: Any, x: np.ndarray) -> np.ndarray:
    f = getattr(torch, function.torch, None) or getattr(torch.nn.functional, function.torch)
    more = dict(zip(("beta", "threshold"), function.parameters, strict=True)) if function.torch == "softplus" else {}
    return np.asarray(f(torch.from_numpy(x), **more).numpy())


@dataclass
class Worst:
    error: float = 0.0
    at: float = 0.0

    def see(self, x: np.ndarray, errors: np.ndarray) -> None:
        i = int(errors.argmax())
        if errors[i] > self.error:
            self.error, self.at = float(errors[i]), float(x[i])


def measure(function: Elementary, numbers: Iterator[np.ndarray], torch: Any = None) -> tuple[Worst, Worst | None]:
    """The worst of ours and of PyTorch's."""
    mine, theirs = Worst(), Worst() if torch else None
    for x in numbers:
        with np.errstate(all="ignore"):
            exact = function.exact(x.astype(np.float64 if x.dtype == np.float32 else np.longdouble))
        counts = ~(np.abs(exact) < function.least * np.finfo(x.dtype).smallest_normal)
        mine.see(x, np.where(counts, ulp(ours(function, x), exact), 0))
        if theirs:
            theirs.see(x, np.where(counts, ulp(pytorchs(function, torch, x), exact), 0))
    return mine, theirs


def elementary(every: int, torch: Any) -> int:
    print(f"largest error in ulp, of {'every' if every == 1 else f'every {every}-th'} float32 and 8 million float64 ({_native.isa()})")
    print(f"{'':12}{'float32':>9}{'at':>15}{'PyTorch':>10}{'at':>15}{'float64':>10}{'at':>15}{'PyTorch':>10}{'at':>15}")
    wrong = 0
    for name, function in FUNCTIONS.items():
        if every == 1 and _special is None and function.exact is erf:
            sys.exit("error: erf of all float32 needs SciPy: pip install scipy")
        cells = []
        for limit, numbers in zip(function.limits, (float32_numbers(every), float64_numbers(1 << 23)), strict=True):
            if len(cells) == 2 and not function.wide:
                continue
            mine, theirs = measure(function, numbers, torch)
            cells += [f"{worst.error:9.3f} {worst.at:14.8g}" if worst else f"{'-':>9}{'':15}" for worst in (mine, theirs)]
            if mine.error > limit:
                wrong += 1
                cells.append(f"(beyond {limit})")
        print(f"{name:12}{' '.join(cells)}", flush=True)
    return wrong


def operations() -> int:
    print(f"\nlargest error of each operation relative to the largest exact value ({_native.isa()})\n{'':30}{'float32':>12}{'float64':>12}")
    wrong = 0
    worst: dict[str, list[float]] = {}
    for column, dtype in enumerate((np.float32, np.float64)):
        for op, _, fields, _ in cases(dtype):
            names, outputs = arguments(op), results(op)
            with np.errstate(all="ignore"):
                expected = reference.OPERATIONS[op](**fields)
                got = getattr(_native, op)(*(bool(fields.get(n)) if n in outputs else fields[n] for n in names))
            # The reference of an operation with one result gives more where backward wants more.
            for mine, theirs in zip(*(r if isinstance(r, tuple) else (r,) for r in (got, expected))):
                if mine is not None and theirs is not None:
                    worst.setdefault(op, [0.0, 0.0])[column] = max(worst.setdefault(op, [0.0, 0.0])[column], difference(mine, theirs))
    for name, (single, double) in worst.items():
        print(f"{name:30}{single:12.2e}{double:12.2e}")
        wrong += not (single < 1e-3 and double < 1e-9)
    return wrong


def gradients() -> int:
    """float32's against float64's, which test_gradients.py holds to differences of the results."""
    print(f"\nlargest error of float32 gradients relative to the largest in float64 ({_native.isa()})")
    worst: dict[str, float] = {}
    for c in bits.configurations():
        if any(word in c.id for word in ("special", "NaN", "infinit", "without an element")):  # no derivative there
            continue
        single, double = bits.step(c, np.float32).gradients, bits.step(c, np.float64).gradients
        name = c.id.split("-")[0].split(",")[0].removeprefix("large ")
        for mine, exact in zip(single, double, strict=True):
            if mine is not None and exact is not None and np.asarray(exact).size:
                worst[name] = max(worst.get(name, 0.0), difference(np.asarray(mine), np.asarray(exact)))
    for name, error in sorted(worst.items()):
        print(f"{name:42}{error:12.2e}")
    return sum(not error < 1e-3 for error in worst.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th float32 (default: all)")
    options = parser.parse_args()
    wrong = elementary(options.every, _optional("torch")) + operations() + gradients()
    print(f"{wrong} beyond their limits" if wrong else "all within their limits")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
