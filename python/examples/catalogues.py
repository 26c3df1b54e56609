"""English and German sentences: the message catalogues of Django, read without Django."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
from datasets import package_file
from numpy.typing import NDArray

PAD, START, END = 0, 1, 2
Pairs = list[tuple[str, str]]


def catalogue_pairs(folder: str | None = None, longest: int = 48) -> tuple[Pairs, Pairs]:
    """(training, held out) pairs of (English, German) of up to `longest` characters. Every tenth is held out; no text is in both."""
    root = package_file("django", "", folder)
    pairs: dict[str, str] = {}
    for file in sorted(root.glob("**/locale/de/LC_MESSAGES/*.po")):
        for english, german in messages(file):
            if 0 < len(english) <= longest and 0 < len(german) <= longest:
                pairs.setdefault(english, german)
    rows = sorted(pairs.items())
    return [p for i, p in enumerate(rows) if i % 10], rows[::10]


def messages(file: Path) -> Pairs:
    """The pairs (msgid, msgstr) of a .po file; of plural forms the first of each."""
    found: Pairs = []
    texts: dict[str, str] = {}
    field = ""
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith('"'):
            texts[field] += ast.literal_eval(line)
        elif line.startswith("msg"):
            field, _, text = line.partition(" ")
            texts[field] = ast.literal_eval(text)
        else:
            german = texts.get("msgstr", texts.get("msgstr[0]", ""))
            if texts.get("msgid") and german:
                found.append((texts["msgid"], german))
            texts = {}
    return found


class Alphabet:
    """Characters as numbers; 0 fills up, 1 starts and 2 ends a text. A character that was not in training is dropped."""

    def __init__(self, texts: list[str]) -> None:
        self.characters = sorted({c for text in texts for c in text})
        self.number = {c: i + 3 for i, c in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters) + 3

    def batch(self, texts: list[str]) -> NDArray[np.int64]:
        """(N, longest + 2): start, characters, end, filled up."""
        rows = [[START, *(self.number[c] for c in text if c in self.number), END] for text in texts]
        table = np.full((len(rows), max(map(len, rows))), PAD)
        for row, numbers in zip(table, rows, strict=True):
            row[: len(numbers)] = numbers
        return table

    def text(self, numbers: list[int]) -> str:
        """The characters before the end."""
        numbers = numbers[: numbers.index(END)] if END in numbers else numbers
        return "".join(self.characters[n - 3] for n in numbers if n >= 3)


def positions(length: int, size: int) -> NDArray[np.float32]:
    """(length, size): sines and cosines of the position (Vaswani et al., 2017)."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, size, 2) / size)
    return np.stack([np.sin(angles), np.cos(angles)], 2).reshape(length, size).astype(np.float32)
