"""A character language model: an LSTM that continues a text. character_lm_torch.py is the same with PyTorch.

    python python/examples/character_lm.py                  # the text of the GPL, on every Debian machine

Prints bits per character on text that it has not seen, and a sample. The state goes on from one piece of text to the next, gradients do
not.
"""

from __future__ import annotations

import argparse
import math
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import swiftnn as nn


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


def read(files: list[str], rows: int) -> tuple[list[str], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Characters, training text (rows, n) and held-out text (1, m), the last tenth, as numbers."""
    text = "\n".join(Path(file).read_text(encoding="utf-8") for file in files)
    characters = sorted(set(text))
    numbers = np.searchsorted(characters, list(text))
    cut = len(numbers) * 9 // 10
    return characters, numbers[: cut // rows * rows].reshape(rows, -1), numbers[cut:][None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    licenses = [f"/usr/share/common-licenses/{name}" for name in ("GPL-2", "GPL-3", "LGPL-2.1", "GFDL-1.3")]
    parser.add_argument("--text", nargs="+", default=licenses)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        nn.set_num_threads(options.threads)
    characters, train, held_out = read(options.text, rows=32)
    nn.manual_seed(options.seed)
    model = Writer(len(characters))
    optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    span = 64
    start = time.perf_counter()
    for epoch in range(options.epochs):
        state, total, count = None, 0.0, 0
        for at in range(0, train.shape[1] - 1, span):
            x, y = train[:, at : at + span][:, : train.shape[1] - 1 - at], train[:, at + 1 : at + 1 + span]
            scores, state = model(nn.Tensor(x), state)
            state = tuple(s.detach() for s in state)
            loss = criterion(scores.reshape(-1, len(characters)), nn.Tensor(y.reshape(-1)))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, count = total + loss.item() * y.size, count + y.size
        bits = total / count / math.log(2)
        print(f"epoch {epoch + 1}: {bits:.3f} bits per character in training after {time.perf_counter() - start:.1f} s", flush=True)
    model.eval()
    scores, _ = model(held_out[:, :-1])
    bits = float(nn.functional.cross_entropy(scores[0], held_out[0, 1:])) / math.log(2)
    crc = zlib.crc32(b"".join(a.tobytes() for a in model.state_dict().values()))
    print(f"{bits:.3f} bits per character on {held_out.size} held-out characters, state {crc:08x}")
    generator = np.random.default_rng(options.seed)
    number, stream, text = characters.index("T"), model.lstm.stream(), "T"
    for _ in range(300):
        scores = model.score(stream(model.embed(np.array([[number]]))))
        p = nn.functional.softmax(scores[0, 0].astype(np.float64) / 0.7, dim=0)
        number = int(generator.choice(len(characters), p=p / p.sum()))
        text += characters[number]
    print(text)


if __name__ == "__main__":
    main()
