"""The PyTorch twin of translation.py: the same network, data, batches, optimizer and schedule."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from catalogues import END, PAD, START, Alphabet, catalogue_pairs, positions
from torch import nn


class Translator(nn.Module):
    """Embeddings with positions, an nn.Transformer and a layer that scores the next character."""

    positions: Any

    def __init__(self, source: int, target: int, size: int = 128, heads: int = 4, layers: int = 3) -> None:
        super().__init__()
        self.scale = size**0.5
        self.source = nn.Embedding(source, size, padding_idx=PAD)
        self.target = nn.Embedding(target, size, padding_idx=PAD)
        self.transformer = nn.Transformer(size, heads, layers, layers, 4 * size, dropout=0.1, batch_first=True)
        self.score = nn.Linear(size, target)
        self.register_buffer("positions", torch.from_numpy(positions(64, size)))

    def forward(self, source: Any, target: Any) -> Any:
        """Scores of the character after each of target's (N, T, characters)."""
        return self.decode(self.encode(source), source, target)

    def encode(self, source: Any) -> Any:
        return self.transformer.encoder(self.embed(self.source, source), src_key_padding_mask=source == PAD)

    def decode(self, memory: Any, source: Any, target: Any) -> Any:
        mask = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        y = self.transformer.decoder(
            self.embed(self.target, target), memory, mask, tgt_key_padding_mask=target == PAD, memory_key_padding_mask=source == PAD
        )
        return self.score(y)

    def embed(self, table: nn.Embedding, numbers: Any) -> Any:
        return table(numbers) * self.scale + self.positions[: numbers.shape[1]]


@torch.no_grad()
def greedy(model: Translator, source: torch.Tensor, longest: int = 50) -> list[list[int]]:
    results = []
    for row in source:
        row = row[None, : int((row != PAD).sum())]
        memory = model.encode(row)
        numbers = [START]
        while numbers[-1] != END and len(numbers) <= longest:
            numbers.append(int(model.decode(memory, row, torch.tensor([numbers]))[0, -1].argmax()))
        results.append(numbers[1:])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of the package django")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    train, held_out = catalogue_pairs(options.data)
    english, german = Alphabet([e for e, _ in train]), Alphabet([g for _, g in train])
    torch.manual_seed(options.seed)
    model = Translator(len(english), len(german))
    order = np.random.default_rng(options.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    steps = options.epochs * -(-len(train) // 32)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    start = time.perf_counter()
    for epoch in range(options.epochs):
        total = 0.0
        for rows in np.array_split(order.permutation(len(train)), -(-len(train) // 32)):
            source = torch.from_numpy(english.batch([train[i][0] for i in rows]))
            target = torch.from_numpy(german.batch([train[i][1] for i in rows]))
            scores = model(source, target[:, :-1])
            loss = criterion(scores.reshape(-1, len(german)), target[:, 1:].reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(rows)
        if (epoch + 1) % 10 == 0 or epoch + 1 == options.epochs:
            print(f"epoch {epoch + 1}: loss {total / len(train):.4f} after {time.perf_counter() - start:.2f} s", flush=True)
    model.eval()
    for name, pairs in (("training", train[:100]), ("held out", held_out)):
        source, target = (torch.from_numpy(a) for a in (english.batch([e for e, _ in pairs]), german.batch([g for _, g in pairs])))
        with torch.no_grad():
            loss = criterion(model(source, target[:, :-1]).reshape(-1, len(german)), target[:, 1:].reshape(-1)).item()
        texts = [german.text(numbers) for numbers in greedy(model, source)]
        right = np.mean([text == g for text, (_, g) in zip(texts, pairs, strict=True)])
        print(f"{name}: loss {loss:.4f}, greedy: {right:.1%} of {len(pairs)} letter for letter, e.g. {pairs[1][0]!r} -> {texts[1]!r}")


if __name__ == "__main__":
    main()
