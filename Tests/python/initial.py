"""Layers whose initial parameters are compared in distribution, large enough for their moments to settle."""

from __future__ import annotations

from typing import Any

import numpy as np

INITIAL: list[tuple[str, dict[str, Any]]] = [
    ("Linear", dict(in_features=64, out_features=2000)),
    ("Bilinear", dict(in1_features=20, in2_features=10, out_features=2000)),
    ("Conv1d", dict(in_channels=8, out_channels=2000, kernel_size=5)),
    ("Conv2d", dict(in_channels=8, out_channels=2000, kernel_size=3)),
    ("Conv2d", dict(in_channels=8, out_channels=2000, kernel_size=3, groups=4)),
    ("Conv3d", dict(in_channels=8, out_channels=500, kernel_size=(2, 3, 3))),
    ("ConvTranspose1d", dict(in_channels=2000, out_channels=8, kernel_size=5)),
    ("ConvTranspose2d", dict(in_channels=2000, out_channels=8, kernel_size=3, groups=4)),
    ("ConvTranspose3d", dict(in_channels=500, out_channels=8, kernel_size=2, groups=2)),
    ("Embedding", dict(num_embeddings=200, embedding_dim=50)),
    ("Embedding", dict(num_embeddings=200, embedding_dim=50, padding_idx=0)),
    ("EmbeddingBag", dict(num_embeddings=200, embedding_dim=50, padding_idx=-1)),
    ("RNN", dict(input_size=40, hidden_size=2000)),
    ("LSTM", dict(input_size=10, hidden_size=500, proj_size=30)),
    ("GRU", dict(input_size=10, hidden_size=700, bidirectional=True, num_layers=2)),
    ("RNNCell", dict(input_size=40, hidden_size=2000)),
    ("LSTMCell", dict(input_size=40, hidden_size=500)),
    ("GRUCell", dict(input_size=40, hidden_size=700)),
    ("MultiheadAttention", dict(embed_dim=200, num_heads=4)),
    ("MultiheadAttention", dict(embed_dim=1200, num_heads=4, add_bias_kv=True)),
    ("MultiheadAttention", dict(embed_dim=200, num_heads=4, kdim=50, vdim=80)),
    ("TransformerEncoderLayer", dict(d_model=200, nhead=4, dim_feedforward=1000)),
    ("TransformerDecoderLayer", dict(d_model=200, nhead=4, dim_feedforward=1000)),
    ("Transformer", dict(d_model=200, nhead=4, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=1000)),
    ("LayerNorm", dict(normalized_shape=9)),
    ("RMSNorm", dict(normalized_shape=9)),
    ("GroupNorm", dict(num_groups=2, num_channels=6)),
    ("BatchNorm1d", dict(num_features=6)),
    ("BatchNorm2d", dict(num_features=6)),
    ("InstanceNorm2d", dict(num_features=6, affine=True, track_running_stats=True)),
    ("PReLU", dict(num_parameters=5)),
]


def moments(value: np.ndarray) -> np.ndarray:
    """(minimum, maximum, mean, deviation, kurtosis)"""
    centred = value - value.mean()
    spread = value.std()
    kurtosis = (centred**4).mean() / spread**4 if spread else 0.0
    return np.array([value.min(), value.max(), value.mean(), spread, kurtosis])
