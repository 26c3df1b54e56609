"""The PyTorch twin of vanishing_gradient.py: the same networks, sequences, optimizer and schedule."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from torch import nn

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
            span = torch.from_numpy(np.log(np.random.default_rng(0).uniform(1, STEPS - 1, size)))
            with torch.no_grad():
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
    x = torch.tensor(inputs, requires_grad=True)
    nn.functional.mse_loss(model(x), torch.from_numpy(sums)).backward()
    model.zero_grad()
    assert x.grad is not None
    return np.linalg.norm(x.grad.numpy().reshape(STEPS, -1).astype(np.float64), axis=1)


def train(model: Adder, steps: int, seed: int) -> float:
    """The mean squared error on new sequences after so many steps."""
    generator = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        inputs, sums = sequences(generator, 32)
        loss = nn.functional.mse_loss(model(torch.from_numpy(inputs)), torch.from_numpy(sums))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    inputs, sums = sequences(np.random.default_rng(seed + 1000), 1000)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(torch.from_numpy(inputs)), torch.from_numpy(sums)).item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    norms = {}
    for kind in ("RNN", "LSTM"):
        torch.manual_seed(options.seed)
        model = Adder(kind)
        norms[kind] = gradient_norms(model)
        start = time.perf_counter()
        error = train(model, options.steps, options.seed)
        seconds = time.perf_counter() - start
        verdict = "solved" if error < 0.01 else "not solved"
        print(f"{kind}: mean squared error {error:.5f} (naive {NAIVE:.5f}) after {seconds:.1f} s: {verdict}", flush=True)
    print("gradient norm at step" + "".join(f"{t:>10}" for t in (0, 50, 100, 150, 190, 199)))
    for kind, values in norms.items():
        print(f"{kind:>21}" + "".join(f"{values[t]:>10.1e}" for t in (0, 50, 100, 150, 190, 199)))


if __name__ == "__main__":
    main()
