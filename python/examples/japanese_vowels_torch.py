"""The PyTorch twin of japanese_vowels.py: the same network, data, optimizer and schedule."""

from __future__ import annotations

import argparse
import time
from typing import Any

import datasets
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence


class Listener(nn.Module):
    """Reads an utterance in both directions and judges by the last states."""

    def __init__(self, kind: str, size: int = 64) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(input_size=12, hidden_size=size, bidirectional=True)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(2 * size, 9)

    def forward(self, utterances: PackedSequence) -> Any:
        _, state = self.rnn(utterances)
        last = state[0] if isinstance(state, tuple) else state
        return self.out(self.dropout(torch.cat([last[0], last[1]], 1)))


def collate(samples: list[Any]) -> tuple[PackedSequence, torch.Tensor]:
    return pack_sequence([torch.from_numpy(x) for x, _ in samples], enforce_sorted=False), torch.tensor([y for _, y in samples])


def with_noise(samples: list[Any]) -> tuple[PackedSequence, torch.Tensor]:
    """270 utterances are few: no utterance is heard twice in quite the same way."""
    packed, speakers = collate(samples)
    return packed._replace(data=packed.data + 0.3 * torch.randn_like(packed.data)), speakers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of aeon's files JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts")
    parser.add_argument("--kinds", nargs="+", default=["RNN", "GRU", "LSTM"])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    train: Any
    train, test = datasets.japanese_vowels(options.data)
    for kind in options.kinds:
        torch.manual_seed(options.seed)
        model = Listener(kind)
        loader: Any = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, collate_fn=with_noise)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
        criterion = nn.CrossEntropyLoss()
        start, total = time.perf_counter(), 0.0
        for _ in range(options.epochs):
            total = 0.0
            for inputs, targets in loader:
                loss = criterion(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                total += loss.item() * len(targets)
            scheduler.step()
        seconds = time.perf_counter() - start
        model.eval()
        packed, speakers = collate(test)
        with torch.no_grad():
            right = (model(packed).argmax(1) == speakers).double().mean().item()
        print(f"{kind}: loss {total / len(train):.4f} after {seconds:.2f} s, {right:.2%} of {len(test)} right", flush=True)


if __name__ == "__main__":
    main()
