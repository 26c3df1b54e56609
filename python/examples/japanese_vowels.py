"""Which of nine speakers says "ae": packed bidirectional RNN, GRU and LSTM. japanese_vowels_torch.py is the same with PyTorch.

pip install --no-deps aeon==1.6.0
python python/examples/japanese_vowels.py               # LSTM: at least 97% of the test utterances right
"""

from __future__ import annotations

import argparse
import time
import zlib
from typing import Any

import datasets
import numpy as np

import swiftnn as nn
from swiftnn.utils.rnn import PackedSequence, pack_sequence


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
        return self.out(self.dropout(nn.cat([last[0], last[1]], 1)))


def collate(samples: list[Any]) -> tuple[PackedSequence, np.ndarray[Any, Any]]:
    return pack_sequence([x for x, _ in samples], enforce_sorted=False), np.array([y for _, y in samples])


def with_noise(samples: list[Any]) -> tuple[PackedSequence, np.ndarray[Any, Any]]:
    """270 utterances are few: no utterance is heard twice in quite the same way."""
    packed, speakers = collate(samples)
    return packed._replace(data=packed.data + nn.init.normal_(np.empty_like(packed.data), std=0.3)), speakers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of aeon's files JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts")
    parser.add_argument("--kinds", nargs="+", default=["RNN", "GRU", "LSTM"])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        nn.set_num_threads(options.threads)
    train, test = datasets.japanese_vowels(options.data)
    for kind in options.kinds:
        nn.manual_seed(options.seed)
        model = Listener(kind)
        loader = nn.data.DataLoader(train, batch_size=32, shuffle=True, collate_fn=with_noise)
        optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3)
        scheduler = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
        start = time.perf_counter()
        history = nn.fit(model, loader, nn.CrossEntropyLoss(), optimizer, options.epochs, scheduler=scheduler, clip_grad_norm=1.0)
        seconds = time.perf_counter() - start
        model.eval()
        packed, speakers = collate(test)
        right = (model(packed).argmax(1) == speakers).mean()
        state = zlib.crc32(b"".join(a.tobytes() for a in model.state_dict().values()))
        loss = history["loss"][-1]
        print(f"{kind}: loss {loss:.4f} after {seconds:.2f} s, {right:.2%} of {len(test)} right, state {state:08x}", flush=True)


if __name__ == "__main__":
    main()
