"""English words to phonemes: the trained encoder and decoder of g2p-en (GRU, GRUCell, Embedding, Linear), checked against its own code.

pip install --no-deps g2p-en==2.1.0 && pip install inflect
python python/examples/g2p_words_to_phonemes.py
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import MagicMock, patch

import numpy as np
from common import package_folder, require

import swiftnn as nn
from swiftnn.utils.rnn import pack_sequence

# New, coined and foreign words: the CMU pronouncing dictionary has none of them.
TEXT = """activationist blockchainify cryptozoic deepfakery doomscrolling embiggenment enshittify flibbertigibbet frabjous galumphing
gerrymandrous glamping googleable grokking hackathoner hygge infodemic jabberwockian kerfuffly listicle mansplainer memeable mimsy
nanobotics netiquettish numpyist omnishambles outgrabe pandemonious phubbing podcastery quantumly quarkonium qubit rizzler runcible
screenager selfieish shibboleths skeuomorph slithy snollygoster snowmageddon staycationer swiftly-typed swole tensorial tulgey
unfriendable unputdownable vaporwarish vlogging vorpal webinarian whiffling xylographer yottaflop zeitgeisty zoomable zyzzyva"""
WORDS = TEXT.split()
GRAPHEMES = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
START, END, LONGEST = 2, 3, 20


class Speller(nn.Module):
    """Reads a word letter by letter, then writes phonemes until it writes the end."""

    def __init__(self, letters: int, phonemes: int, size: int) -> None:
        super().__init__()
        self.enc_emb, self.encoder = nn.Embedding(letters, size), nn.GRU(size, size)
        self.dec_emb, self.decoder = nn.Embedding(phonemes, size), nn.GRUCell(size, size)
        self.fc = nn.Linear(size, phonemes)

    def encode(self, words: Sequence[str]) -> np.ndarray:
        letters = [np.array([GRAPHEMES.index(c) if c in GRAPHEMES else 1 for c in word] + [2]) for word in words]
        _, last = self.encoder(pack_sequence([self.enc_emb(word) for word in letters], enforce_sorted=False))
        states: np.ndarray = last[0]
        return states

    def forward(self, words: Sequence[str]) -> list[list[int]]:
        h, token = self.encode(words), np.full(len(words), START)
        written = np.full((LONGEST, len(words)), END)
        for step in range(LONGEST):
            h = self.decoder(self.dec_emb(token), h)
            written[step] = token = self.fc(h).argmax(-1)
        return [tokens[: np.append(tokens, END).tolist().index(END)].tolist() for tokens in written.T]


def load(file: Path) -> Speller:
    """The arrays of the package under the names that the layers have."""
    arrays = dict(np.load(file))
    speller = Speller(len(arrays["enc_emb"]), *arrays["fc_w"].shape)
    names = {"enc_emb": "enc_emb.weight", "dec_emb": "dec_emb.weight", "fc_w": "fc.weight", "fc_b": "fc.bias"}
    for part in ("w_ih", "w_hh", "b_ih", "b_hh"):
        name = part.replace("w", "weight").replace("b_", "bias_")
        names |= {f"enc_{part}": f"encoder.{name}_l0", f"dec_{part}": f"decoder.{name}"}
    speller.load_state_dict({names[key]: array for key, array in arrays.items()})
    return speller.eval()


def main() -> int:
    require(__doc__, "g2p_en", "inflect")
    # Importing nltk would download corpora that the package's predict() never reads, so a stand-in takes its place.
    with patch.dict(sys.modules, dict.fromkeys(("nltk", "nltk.corpus", "nltk.tokenize"), MagicMock())):
        from g2p_en import G2p
    package = G2p()
    speller = load(package_folder("g2p_en") / "checkpoint20.npz")

    spelled = [[package.idx2p[token] for token in tokens] for tokens in speller(WORDS)]
    for word, phonemes in list(zip(WORDS, spelled))[::6]:
        print(f"{word:16} {' '.join(phonemes)}")
    weights = [getattr(package, f"enc_{part}") for part in ("w_ih", "w_hh", "b_ih", "b_hh")]
    last = np.concatenate([package.gru(package.encode(word), len(word) + 1, *weights)[:, -1] for word in WORDS])
    off, equal = np.abs(speller.encode(WORDS) - last).max(), sum(a == package.predict(word) for a, word in zip(spelled, WORDS))
    print(f"{equal} of {len(WORDS)} words equal g2p_en's own phonemes; encoder states at most {off:.1e} off")
    return 0 if equal == len(WORDS) >= 50 and off < 2e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
