"""English to German, character by character, with the article's nn.Transformer. translation_torch.py is the same with PyTorch.

    pip install --no-deps Django==5.2.19
    python python/examples/translation.py

Prints the loss per character and how many texts come out letter for letter, for training texts and for held-out ones, decoded greedily and
with a beam. Six hundred short messages teach spelling and common words, not German: the held-out score is low for both libraries.
"""

from __future__ import annotations

import argparse
import time
import zlib
from typing import Any

import numpy as np
from catalogues import END, PAD, START, Alphabet, catalogue_pairs, positions

import swiftnn as nn


class Translator(nn.Module):
    """Embeddings with positions, an nn.Transformer and a layer that scores the next character."""

    def __init__(self, source: int, target: int, size: int = 128, heads: int = 4, layers: int = 3) -> None:
        super().__init__()
        self.scale = size**0.5
        self.source = nn.Embedding(source, size, padding_idx=PAD)
        self.target = nn.Embedding(target, size, padding_idx=PAD)
        self.transformer = nn.Transformer(size, heads, layers, layers, 4 * size, dropout=0.1, batch_first=True)
        self.score = nn.Linear(size, target)
        self.register_buffer("positions", positions(64, size))

    def forward(self, source: Any, target: Any) -> Any:
        """Scores of the character after each of target's (N, T, characters)."""
        return self.decode(self.encode(source), source, target)

    def encode(self, source: Any) -> Any:
        return self.transformer.encoder(self.embed(self.source, source), src_key_padding_mask=padding(source))

    def decode(self, memory: Any, source: Any, target: Any) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        y = self.transformer.decoder(
            self.embed(self.target, target), memory, mask, tgt_key_padding_mask=padding(target), memory_key_padding_mask=padding(source)
        )
        return self.score(y)

    def stream(self, source: Any) -> nn.modules.streams.TransformerStream:
        """Keeps what decode computes of the characters so far: continue_with takes the next ones."""
        stream: nn.modules.streams.TransformerStream = self.transformer.decoder.stream(
            self.encode(source), memory_key_padding_mask=padding(source)
        )
        return stream

    def continue_with(self, stream: nn.modules.streams.TransformerStream, target: Any) -> Any:
        return self.score(stream(self.embed(self.target, target, stream.length), key_padding_mask=padding(target)))

    def embed(self, table: nn.Embedding, numbers: Any, start: int = 0) -> Any:
        return table(numbers) * self.scale + self.positions[start : start + numbers.shape[1]]


def padding(numbers: Any) -> Any:
    return (numbers.numpy() if isinstance(numbers, nn.Tensor) else numbers) == PAD


def beam_search(model: Translator, source: np.ndarray[Any, Any], width: int, longest: int = 50) -> list[list[int]]:
    """The best of `width` translations of each row; width 1 is greedy."""
    results = []
    for row in source:
        row = row[None, : int((row != PAD).sum())]
        stream = model.stream(row)
        beams, finished = [(0.0, [START])], []
        for _ in range(longest):
            scores = model.continue_with(stream, np.array([numbers[-1:] for _, numbers in beams]))[:, -1]
            logs = nn.functional.log_softmax(scores, dim=-1)
            options = [(total + float(logs[i, c]), i, int(c)) for i, (total, _) in enumerate(beams) for c in np.argsort(-logs[i])[:width]]
            options.sort(key=lambda option: (-option[0], option[1], option[2]))
            best = [(total, i, [*beams[i][1], c]) for total, i, c in options[:width]]
            # A longer text has more factors below 1: beams are compared by their mean.
            finished += [(total / len(numbers), numbers) for total, _, numbers in best if numbers[-1] == END]
            going_on = [(total, i, numbers) for total, i, numbers in best if numbers[-1] != END]
            beams = [(total, numbers) for total, _, numbers in going_on]
            if not beams or len(finished) >= width:
                break
            stream.reorder([i for _, i, _ in going_on])
        finished += [(total / len(numbers), numbers) for total, numbers in beams] if not finished else []
        results.append(max(finished)[1][1:])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the package django")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        nn.set_num_threads(options.threads)
    train, held_out = catalogue_pairs(options.data)
    english, german = Alphabet([e for e, _ in train]), Alphabet([g for _, g in train])
    nn.manual_seed(options.seed)
    model = Translator(len(english), len(german))
    # The same order of batches as the twin's
    order = np.random.default_rng(options.seed)
    optimizer = nn.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    steps = options.epochs * -(-len(train) // 32)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    start = time.perf_counter()
    for epoch in range(options.epochs):
        total = 0.0
        for rows in np.array_split(order.permutation(len(train)), -(-len(train) // 32)):
            source = english.batch([train[i][0] for i in rows])
            target = german.batch([train[i][1] for i in rows])
            scores = model(nn.Tensor(source), nn.Tensor(target[:, :-1]))
            loss = criterion(scores.reshape(-1, len(german)), nn.Tensor(target[:, 1:].reshape(-1)))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(rows)
        if (epoch + 1) % 10 == 0 or epoch + 1 == options.epochs:
            print(f"epoch {epoch + 1}: loss {total / len(train):.4f} after {time.perf_counter() - start:.2f} s", flush=True)
    state = zlib.crc32(b"".join(a.tobytes() for a in model.state_dict().values()))
    model.eval()
    for name, pairs in (("training", train[:100]), ("held out", held_out)):
        source, target = english.batch([e for e, _ in pairs]), german.batch([g for _, g in pairs])
        scores = model(source, target[:, :-1])
        loss = float(criterion(scores.reshape(-1, len(german)), target[:, 1:].reshape(-1)))
        for width in (1, 4):
            texts = [german.text(numbers) for numbers in beam_search(model, source, width)]
            right = np.mean([text == g for text, (_, g) in zip(texts, pairs, strict=True)])
            example = f"{pairs[1][0]!r} -> {texts[1]!r}"
            print(f"{name}: loss {loss:.4f}, beam {width}: {right:.1%} of {len(pairs)} letter for letter, e.g. {example}")
    print(f"state {state:08x}")


if __name__ == "__main__":
    main()
