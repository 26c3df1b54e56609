"""Why there is an LSTM: the adding problem over 200 steps, and how much of the gradient arrives at each step.

Each sequence has 200 random numbers, two of them marked, one in either half; the answer is their sum. What is between the marks has to be
carried along, and so has the gradient, backwards. vanishing_gradient_torch.py is the same with PyTorch: the imports are others.

    python python/examples/vanishing_gradient.py            # prints errors and gradient norms
    python python/examples/vanishing_gradient.py --plot vanishing.png
"""

from __future__ import annotations

import argparse
import time
import zlib
from typing import Any

import numpy as np

import swiftnn as nn

STEPS = 200
# What always answering 1, the mean, gets: the variance of the sum of two uniform numbers.
NAIVE = 1 / 6


class Adder(nn.Module):
    def __init__(self, kind: str, size: int = 32) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(input_size=2, hidden_size=size)
        self.out = nn.Linear(size, 1)
        if kind == "LSTM":
            # Forget gates that are open for 1 to 200 steps (Tallec, Ollivier: Can recurrent neural networks warp time?, 2018).
            span = np.log(np.random.default_rng(0).uniform(1, STEPS - 1, size))
            with nn.no_grad():
                self.rnn.bias_hh_l0[:] = 0
                self.rnn.bias_ih_l0[:] = 0
                self.rnn.bias_ih_l0[:size] = -span
                self.rnn.bias_ih_l0[size : 2 * size] = span

    def forward(self, x: Any) -> Any:
        y, _ = self.rnn(x)
        return self.out(y[-1])[:, 0]


def sequences(generator: np.random.Generator, count: int) -> tuple[Any, Any]:
    """(200, count, 2) numbers and marks, and the sums of the marked numbers."""
    numbers, marks = generator.random((STEPS, count), np.float32), np.zeros((STEPS, count), np.float32)
    marks[generator.integers(0, STEPS // 2, count), np.arange(count)] = 1
    marks[generator.integers(STEPS // 2, STEPS, count), np.arange(count)] = 1
    return np.stack([numbers, marks], -1), (numbers * marks).sum(0)


def gradient_norms(model: Adder) -> Any:
    """The norm of the loss's gradient with respect to the input of each step."""
    inputs, sums = sequences(np.random.default_rng(99), 64)
    x = nn.Tensor(inputs, requires_grad=True)
    nn.functional.mse_loss(model(x), nn.Tensor(sums)).backward()
    model.zero_grad()
    assert x.grad is not None
    return np.linalg.norm(x.grad.reshape(STEPS, -1).astype(np.float64), axis=1)


def train(model: Adder, steps: int, seed: int) -> float:
    """The mean squared error on new sequences after so many steps."""
    generator = np.random.default_rng(seed)
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        inputs, sums = sequences(generator, 32)
        loss = nn.functional.mse_loss(model(nn.Tensor(inputs)), nn.Tensor(sums))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    inputs, sums = sequences(np.random.default_rng(seed + 1000), 1000)
    with nn.no_grad():
        return float(nn.functional.mse_loss(model(nn.Tensor(inputs)), nn.Tensor(sums)).item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--plot", help="image file for the gradient norms; needs matplotlib")
    options = parser.parse_args()
    if options.threads:
        nn.set_num_threads(options.threads)
    norms = {}
    for kind in ("RNN", "LSTM"):
        nn.manual_seed(options.seed)
        model = Adder(kind)
        norms[kind] = gradient_norms(model)
        start = time.perf_counter()
        error = train(model, options.steps, options.seed)
        seconds = time.perf_counter() - start
        state = zlib.crc32(b"".join(a.tobytes() for a in model.state_dict().values()))
        verdict = "solved" if error < 0.01 else "not solved"
        print(f"{kind}: mean squared error {error:.5f} (naive {NAIVE:.5f}) after {seconds:.1f} s: {verdict}; state {state:08x}", flush=True)
    print("gradient norm at step" + "".join(f"{t:>10}" for t in (0, 50, 100, 150, 190, 199)))
    for kind, values in norms.items():
        print(f"{kind:>21}" + "".join(f"{values[t]:>10.1e}" for t in (0, 50, 100, 150, 190, 199)))
    if options.plot:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(layout="constrained")
        for kind, values in norms.items():
            axes.semilogy(np.maximum(values, 1e-45), label=kind)
        axes.set(xlabel="step", ylabel="norm of the gradient", title="What arrives of the gradient, before training")
        axes.legend()
        figure.savefig(options.plot)


if __name__ == "__main__":
    main()
