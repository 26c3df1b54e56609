"""Accents on Russian words: the trained nn.Transformer of ruaccent-predictor, decoding letter by letter with keys and values kept.

pip install --no-deps ruaccent-predictor==1.2.0
python python/examples/russian_accents.py
"""

import importlib.util
import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
from common import package_folder, report, require, times

import swiftnn as nn

# As dictionaries have them: the apostrophe follows the vowel that is stressed.
DICTIONARY = """приве'т хорошо' молоко' соба'ка го'род доро'га рабо'та карти'на маши'на пого'да
библиоте'ка университе'т рестора'н телефо'н апельси'н карто'шка де'рево ко'шка поэ'зия литерату'ра"""
# A full stop ends each word: the network learnt from sentences, and without an end to copy it may go on with words of its own.
CORRECT = [f"{word}." for word in DICTIONARY.split()]
WORDS = [word.replace("'", "") for word in CORRECT]
# What the package's own code answers: it stresses one word elsewhere.
PUBLISHED = [word.replace("карто'шка", "ка'ртошка") for word in CORRECT]
LENGTH, START, END, UNKNOWN = 256, 1, 2, 3


class Accents(nn.Module):
    """Letters in, letters with accents out."""

    def __init__(self, letters: int, size: int = 256) -> None:
        super().__init__()
        self.char_embed = nn.Embedding(letters, size, padding_idx=0)
        self.register_buffer("pos_encoding", np.zeros((1, LENGTH, size), np.float32))
        self.transformer = nn.Transformer(size, 8, 4, 4, 1024, batch_first=True)
        self.output_proj = nn.Linear(size, letters)

    def read(self, tokens: np.ndarray, start: int = 0) -> Any:
        return self.char_embed(tokens) * np.float32(self.transformer.d_model**0.5) + self.pos_encoding[:, start : start + tokens.shape[1]]

    def forward(self, source: np.ndarray) -> np.ndarray:
        """Greedy decoding, (words, LENGTH) -> (words, written): each step computes the newest letter alone."""
        stream = self.transformer.stream(self.read(source), max_length=LENGTH)
        written = [np.full((len(source), 1), START)]
        while stream.length < LENGTH and not (np.hstack(written) == END).any(1).all():
            y = stream(self.read(written[-1], stream.length))
            written.append(self.output_proj(y).argmax(-1))
        return np.hstack(written[1:])


def main() -> int:
    require(__doc__, "ruaccent")
    folder = package_folder("ruaccent") / "model"
    vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    letters = {number: letter for letter, number in vocabulary.items()}
    model = Accents(len(vocabulary)).eval()
    model.load_state_dict(nn.load(folder / "acc_model.pt", rename={"embed.": ""}))

    def accent(words: list[str]) -> list[str]:
        source = np.zeros((len(words), LENGTH), np.int64)  # filled up with padding that is not masked: so it was trained
        for row, word in zip(source, words):
            row[: len(word) + 2] = [START, *(vocabulary.get(letter, UNKNOWN) for letter in word), END]
        tokens = [row[: [*row, END].index(END)] for row in model(source).tolist()]
        return ["".join(letters[token] for token in row if token > END) for row in tokens]

    ours = accent(WORDS)
    print(" ".join(ours))
    right, equal = (sum(a == b for a, b in zip(ours, wanted)) for wanted in (CORRECT, PUBLISHED))
    print(f"{right} of {len(WORDS)} as the dictionary has them")
    checks = {f"{equal} of {len(WORDS)} words equal what the package answers": equal == len(WORDS)}
    package: Any = None
    if importlib.util.find_spec("torch") is not None:
        with redirect_stdout(StringIO()):  # it tells how it loads
            package = importlib.import_module("ruaccent.accentor").Accentor(device="cpu")
        equal = sum(a == b for a, b in zip(ours, package(WORDS)))
        checks[f"{equal} of {len(WORDS)} equal what it answers here"] = equal == len(WORDS)
    # Of the package what calling it does, but for its memory of earlier answers.
    print("8 words:", times(lambda: accent(WORDS[:8]), package and (lambda: package._predict_batch(WORDS[:8])), rounds=3))
    return report(checks)


if __name__ == "__main__":
    sys.exit(main())
