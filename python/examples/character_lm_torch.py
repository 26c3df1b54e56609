"""The PyTorch twin of character_lm.py: the same network, text, batches and optimizer."""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import torch
from character_lm import read
from torch import nn


class Writer(nn.Module):
    """Scores the next character."""

    def __init__(self, characters: int, size: int = 256) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, 64)
        self.lstm = nn.LSTM(64, size, num_layers=2, dropout=0.2, batch_first=True)
        self.score = nn.Linear(size, characters)

    def forward(self, characters: Any, state: Any = None) -> tuple[Any, Any]:
        y, state = self.lstm(self.embed(characters), state)
        return self.score(y), state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    licenses = [f"/usr/share/common-licenses/{name}" for name in ("GPL-2", "GPL-3", "LGPL-2.1", "GFDL-1.3")]
    parser.add_argument("--text", nargs="+", default=licenses)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    characters, train_numbers, held_out_numbers = read(options.text, rows=32)
    train, held_out = torch.from_numpy(train_numbers), torch.from_numpy(held_out_numbers)
    torch.manual_seed(options.seed)
    model = Writer(len(characters))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    span = 64
    start = time.perf_counter()
    for epoch in range(options.epochs):
        state, total, count = None, 0.0, 0
        for at in range(0, train.shape[1] - 1, span):
            x, y = train[:, at : at + span][:, : train.shape[1] - 1 - at], train[:, at + 1 : at + 1 + span]
            scores, state = model(x, state)
            state = tuple(s.detach() for s in state)
            loss = criterion(scores.reshape(-1, len(characters)), y.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, count = total + loss.item() * y.numel(), count + y.numel()
        bits = total / count / math.log(2)
        print(f"epoch {epoch + 1}: {bits:.3f} bits per character in training after {time.perf_counter() - start:.1f} s", flush=True)
    model.eval()
    with torch.no_grad():
        scores, _ = model(held_out[:, :-1])
        bits = nn.functional.cross_entropy(scores[0], held_out[0, 1:]).item() / math.log(2)
    print(f"{bits:.3f} bits per character on {held_out.numel()} held-out characters")


if __name__ == "__main__":
    main()
