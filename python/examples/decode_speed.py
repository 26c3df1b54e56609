"""Greedy decoding with a TransformerDecoder: its stream, the same without a stream, and PyTorch with a cache written by hand.

    python python/examples/decode_speed.py --threads 1      # PyTorch's part runs where torch is installed

Prints milliseconds per token. Both of ours choose the same tokens from the same bits. The turns alternate, and the median counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import swiftnn as nn

VOCABULARY, SOURCE = 1000, 64


def positions(length: int, size: int) -> np.ndarray[Any, Any]:
    """Sines and cosines (length, size) of "Attention Is All You Need"."""
    angle = np.arange(length)[:, None] / 10_000 ** (np.arange(0, size, 2) / size)
    return np.stack([np.sin(angle), np.cos(angle)], -1).reshape(length, size).astype(np.float32)


class Decoder(nn.Module):
    def __init__(self, size: int, heads: int, layers: int, longest: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, size)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(size, heads, 4 * size, batch_first=True), layers)
        self.score = nn.Linear(size, VOCABULARY)
        self.register_buffer("positions", positions(longest, size))

    def with_stream(self, memory: Any, length: int) -> list[int]:
        stream = self.decoder.stream(memory, max_length=length)
        tokens = [0]
        for i in range(length):
            y = stream(self.embed(np.array([tokens[-1:]])) + self.positions[i])
            tokens.append(int(self.score(y[0, -1]).argmax()))
        return tokens

    def without_stream(self, memory: Any, length: int) -> list[int]:
        tokens = [0]
        for i in range(1, length + 1):
            mask = nn.Transformer.generate_square_subsequent_mask(i)
            y = self.decoder(self.embed(np.array([tokens])) + self.positions[:i], memory, mask, tgt_is_causal=True)
            tokens.append(int(self.score(y[0, -1]).argmax()))
        return tokens


def torch_decoder(model: Decoder, heads: int, threads: int) -> Callable[[Any, int], list[int]]:
    """The same model, function by function, with keys and values in buffers that are made once."""
    import torch
    from torch.nn import functional as F

    if threads:
        torch.set_num_threads(threads)
    w = {name: torch.from_numpy(np.array(a)) for name, a in model.state_dict().items()}
    layers = len(model.decoder.layers)
    size = w["embed.weight"].shape[1]

    def split(y: Any) -> Any:
        return y.view(1, -1, heads, size // heads).transpose(1, 2)

    def out(y: Any, name: str) -> Any:
        y = y.transpose(1, 2).reshape(1, 1, size)
        return F.linear(y, w[f"{name}.out_proj.weight"], w[f"{name}.out_proj.bias"])

    def norm(y: Any, name: str) -> Any:
        return F.layer_norm(y, (size,), w[f"{name}.weight"], w[f"{name}.bias"])

    @torch.inference_mode()
    def decode(memory: Any, length: int) -> list[int]:
        source = torch.from_numpy(memory)
        cache, of_memory = [], []
        for i in range(layers):
            cross = f"decoder.layers.{i}.multihead_attn"
            kv = F.linear(source, w[f"{cross}.in_proj_weight"][size:], w[f"{cross}.in_proj_bias"][size:])
            of_memory.append([split(a).contiguous() for a in kv.chunk(2, -1)])
            cache.append([torch.empty(1, heads, length, size // heads) for _ in range(2)])
        tokens = [0]
        for t in range(length):
            x = (w["embed.weight"][tokens[-1]] + w["positions"][t]).view(1, 1, size)
            for i in range(layers):
                at = f"decoder.layers.{i}"
                own, cross = f"{at}.self_attn", f"{at}.multihead_attn"
                q, k, v = F.linear(x, w[f"{own}.in_proj_weight"], w[f"{own}.in_proj_bias"]).chunk(3, -1)
                keys, values = cache[i]
                keys[:, :, t : t + 1], values[:, :, t : t + 1] = split(k), split(v)
                y = F.scaled_dot_product_attention(split(q), keys[:, :, : t + 1], values[:, :, : t + 1])
                x = norm(x + out(y, own), f"{at}.norm1")
                q = F.linear(x, w[f"{cross}.in_proj_weight"][:size], w[f"{cross}.in_proj_bias"][:size])
                x = norm(x + out(F.scaled_dot_product_attention(split(q), *of_memory[i]), cross), f"{at}.norm2")
                h = F.relu(F.linear(x, w[f"{at}.linear1.weight"], w[f"{at}.linear1.bias"]))
                x = norm(x + F.linear(h, w[f"{at}.linear2.weight"], w[f"{at}.linear2.bias"]), f"{at}.norm3")
            tokens.append(int(F.linear(x[0, 0], w["score.weight"], w["score.bias"]).argmax()))
        return tokens

    return decode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--slow-turns", type=int, default=1, help="turns without a stream")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        nn.set_num_threads(options.threads)
    nn.manual_seed(0)
    model = Decoder(options.size, options.heads, options.layers, options.tokens).eval()
    memory = np.random.default_rng(0).standard_normal((1, SOURCE, options.size)).astype(np.float32)
    ways: dict[str, Callable[[Any, int], list[int]]] = {"stream": model.with_stream}
    try:
        ways["PyTorch with a cache"] = torch_decoder(model, options.heads, options.threads)
    except ImportError:
        print("torch is not installed: its part is left out")
    ways["without a stream"] = model.without_stream
    times: dict[str, list[float]] = {name: [] for name in ways}
    chosen: dict[str, list[int]] = {}
    for way in ways.values():
        way(memory, min(8, options.tokens))
    for turn in range(options.turns):
        for name, way in ways.items():
            if name == "without a stream" and turn >= options.slow_turns:
                continue
            start = time.perf_counter()
            chosen[name] = way(memory, options.tokens)
            times[name].append((time.perf_counter() - start) / options.tokens * 1e3)
    stream = statistics.median(times["stream"])
    for name, each in times.items():
        if not each:
            continue
        ms = statistics.median(each)
        same = sum(a == b for a, b in zip(chosen[name], chosen["stream"], strict=True)) - 1
        print(f"{name:22} {ms:8.2f} ms per token, {ms / stream:6.2f} times the stream's; {same} of {options.tokens} tokens the same")


if __name__ == "__main__":
    main()
