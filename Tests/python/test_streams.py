"""Streams: pieces of a sequence give the bits of the whole."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.modules.streams import RecurrentStream, Stream, TransformerStream

# Around the edges of what a call of the attention takes at once, and of the products' tiles
LENGTHS = [*range(1, 71), *range(127, 131)]


def normal(*shape: int, dtype=np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def causal(n: int) -> np.ndarray:
    return nn.Transformer.generate_square_subsequent_mask(n)


def cuts(length: int, longest: int = 9) -> list[int]:
    """Where pieces of uneven length begin and end."""
    random = np.random.default_rng(length)
    places = [0]
    while places[-1] < length:
        places.append(min(length, places[-1] + int(random.integers(1, longest + 1))))
    return places


def pieces(stream: Stream, x: np.ndarray, places: list[int], axis: int) -> np.ndarray:
    """The stream's output for x, a piece at a time."""
    y = [stream(np.take(x, np.arange(a, b), axis)) for a, b in zip(places, places[1:], strict=False)]
    return np.concatenate(y, axis)


def decoder(e: int = 32, heads: int = 4, layers: int = 2, **options) -> nn.TransformerDecoder:
    nn.manual_seed(e)
    layer = nn.TransformerDecoderLayer(e, heads, 2 * e, **options)
    stack = nn.TransformerDecoder(layer, layers, nn.LayerNorm(e, dtype=options.get("dtype"))).eval()
    for i, p in enumerate(stack.parameters()):
        p.data += 0.1 * np.random.default_rng(i).standard_normal(p.shape).astype(p.dtype)
    return stack


def encoder(e: int = 32, heads: int = 4, layers: int = 2, **options) -> nn.TransformerEncoder:
    nn.manual_seed(e)
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(e, heads, 2 * e, **options), layers).eval()


# The Transformer


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("dtype", "e", "heads"), [(np.float32, 64, 2), (np.float32, 24, 3), (np.float64, 64, 2)])
def test_every_length_has_the_bits_of_the_whole_pass(dtype, e: int, heads: int, threads: int) -> None:
    model = decoder(e, heads, 1, batch_first=True, dtype=dtype)
    memory, x = normal(2, 21, e, dtype=dtype), normal(2, LENGTHS[-1], e, dtype=dtype)
    with nn.threads(threads):
        steps = pieces(model.stream(memory), x, list(range(LENGTHS[-1] + 1)), 1)
        for length in LENGTHS:
            whole = model(x[:, :length], memory, tgt_mask=causal(length), tgt_is_causal=True)
            assert np.array_equal(steps[:, :length], whole), length
            if length % 8 == 1:
                assert np.array_equal(pieces(model.stream(memory), x[:, :length], cuts(length), 1), whole), length


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", [1, 5, 64, 300])
@pytest.mark.parametrize(("e", "heads"), [(8, 4), (40, 5), (128, 2), (320, 1)])
def test_heads_and_memories_of_any_size(e: int, heads: int, source: int, dtype) -> None:
    model = decoder(e, heads, batch_first=True, dtype=dtype)
    memory, x = normal(2, source, e, dtype=dtype), normal(2, 20, e, dtype=dtype)
    whole = model(x, memory, tgt_mask=causal(20))
    assert np.array_equal(pieces(model.stream(memory), x, list(range(21)), 1), whole)
    assert np.array_equal(pieces(model.stream(memory), x, [0, 7, 8, 20], 1), whole)


def test_beyond_a_block_of_keys() -> None:
    model = encoder(32, 2, 1, batch_first=True)
    x = normal(1, 700, 32)
    whole = model(x, causal(700))
    assert np.array_equal(pieces(model.stream(), x, [0, 250, *range(251, 262), 509, *range(510, 516), 700], 1), whole)
    assert np.array_equal(pieces(model.stream(), x, list(range(701)), 1), whole)


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"bias": False}, {"activation": "gelu"}, {"activation": np.tanh}], ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("batch", [None, 1, 3])
def test_layouts_and_options(batch: int | None, batch_first: bool, options: dict) -> None:
    def shape(length: int) -> tuple[int, ...]:
        return (length, 32) if batch is None else (batch, length, 32) if batch_first else (length, batch, 32)

    axis = 1 if batch is not None and batch_first else 0
    memory, x = normal(*shape(9)), normal(*shape(13))
    for model, args in ((decoder(batch_first=batch_first, **options), (memory,)), (encoder(batch_first=batch_first, **options), ())):
        whole = model(x, *args, causal(13))
        for part, of_part in ((model, whole), (model.layers[0], model.layers[0](x, *args, causal(13)))):
            for places in (list(range(14)), [0, 4, 5, 13], [0, 13]):
                y = pieces(part.stream(*args), x, places, axis)
                assert np.array_equal(y, of_part) and y.flags.c_contiguous


@pytest.mark.parametrize("kind", [np.bool_, np.float32])
def test_padding(kind) -> None:
    model = decoder(batch_first=True)
    memory, x = normal(3, 9, 32), normal(3, 12, 32)
    blocked, source = np.zeros((3, 12), np.bool_), np.zeros((3, 9), np.bool_)
    blocked[0, 5:7] = blocked[1, 9:] = blocked[2, :2] = source[0, 4:] = source[2, :3] = True
    tgt_padding, memory_padding = (m if kind is np.bool_ else np.where(m, -np.inf, 0.25).astype(kind) for m in (blocked, source))
    whole = model(x, memory, causal(12), tgt_key_padding_mask=tgt_padding, memory_key_padding_mask=memory_padding)
    for places in (list(range(13)), [0, 6, 12]):
        stream = model.stream(memory, memory_key_padding_mask=memory_padding)
        y = [stream(x[:, a:b], key_padding_mask=tgt_padding[:, a:b]) for a, b in zip(places, places[1:], strict=False)]
        assert np.array_equal(np.concatenate(y, 1), whole)
    # None stands for nothing masked, and the two kinds of masks may follow each other.
    stream = model.stream(memory, memory_key_padding_mask=memory_padding)
    y = [stream(x[:, :2]), stream(x[:, 2:8], key_padding_mask=blocked[:, 2:8]), stream(x[:, 8:], np.zeros((3, 4), np.float32))]
    some = blocked.copy()
    some[:, :2] = some[:, 8:] = False
    whole = model(x, memory, causal(12), tgt_key_padding_mask=some, memory_key_padding_mask=memory_padding)
    assert np.array_equal(np.concatenate(y, 1), whole)


def test_padding_of_an_unbatched_sequence() -> None:
    model, x = encoder(), normal(6, 32)
    padding = np.array([False, True, False, False, True, False])
    stream = model.stream()
    y = [stream(x[i : i + 1], key_padding_mask=padding[i : i + 1]) for i in range(6)]
    assert np.array_equal(np.concatenate(y), model(x, causal(6), src_key_padding_mask=padding))


def test_transformer_encodes_once() -> None:
    nn.manual_seed(0)
    model = nn.Transformer(32, 4, 2, 2, 64, batch_first=True).eval()
    src, tgt, blocked = normal(2, 11, 32), normal(2, 8, 32), np.zeros((2, 11), np.bool_)
    blocked[1, 7:] = True
    whole = model(src, tgt, tgt_mask=causal(8), src_key_padding_mask=blocked, memory_key_padding_mask=blocked)
    stream = model.stream(src, src_key_padding_mask=blocked, memory_key_padding_mask=blocked, max_length=8)
    assert isinstance(stream, TransformerStream)
    assert np.array_equal(pieces(stream, tgt, list(range(9)), 1), whole)


def test_greedy_decoding_equals_recomputing_every_prefix() -> None:
    model, memory = decoder(32, 4, 2, batch_first=True), normal(1, 10, 32)
    table = normal(17, 32)
    stream, numbers, states = model.stream(memory), [0], []
    for _ in range(40):
        states.append(stream(table[None, numbers[-1:]])[:, -1])
        numbers.append(int((states[-1] @ table.T).argmax()))
    for n in range(1, 41):
        assert np.array_equal(model(table[None, numbers[:n]], memory, tgt_mask=causal(n), tgt_is_causal=True)[:, -1], states[n - 1])


def test_copies_go_their_own_way() -> None:
    model = encoder(batch_first=True)
    x, a, b = normal(2, 10, 32), normal(2, 80, 32), normal(2, 6, 32)
    stream = model.stream()
    stream(x)
    forks = [stream.copy(), copy.copy(stream), copy.deepcopy(stream)]
    for fork, rest in zip((stream, *forks), (a, b, a[:, ::-1], b[:, ::-1]), strict=True):
        whole = model(np.concatenate([x, rest], 1), causal(10 + rest.shape[1]))
        assert np.array_equal(pieces(fork, rest, list(range(rest.shape[1] + 1)), 1), whole[:, 10:])
    assert forks[2]._module is model


def test_reset_starts_again() -> None:
    model, memory, x = decoder(batch_first=True), normal(2, 5, 32), normal(2, 7, 32)
    stream = model.stream(memory)
    first = stream(x[:, :3], key_padding_mask=np.ones((2, 3), np.bool_))
    stream.reset()
    assert stream.length == 0 and not np.array_equal(stream(x[:, :3]), first)
    stream.reset()
    assert np.array_equal(stream(x), model(x, memory, causal(7)))
    # Nothing but its module binds a stream without memory.
    other = encoder(batch_first=True)
    stream = other.stream()
    stream(x)
    stream.reset()
    fork = stream.copy()
    for s, y in ((stream, normal(3, 4, 32)), (fork, normal(1, 4, 32))):
        assert np.array_equal(pieces(s, y, list(range(5)), 1), other(y, causal(4)))


@pytest.mark.parametrize("source", [1, 3])
def test_reorder_repeats_drops_and_swaps_rows(source: int) -> None:
    """Each row goes on with the past of the row that it was made of, a memory of one row serves all."""
    model, memory = decoder(batch_first=True), normal(source, 5, 32)
    blocked = np.zeros((source, 5), np.bool_)
    blocked[0, 3:] = True
    stream = model.stream(memory, memory_key_padding_mask=blocked)
    x = normal(source, 4, 32)
    padding = np.zeros((source, 4), np.bool_)
    padding[0, 1] = True
    stream(x, key_padding_mask=padding)
    origin = np.arange(source)
    for rows in ([0, 0, source - 1, 0], [3, 1, 2], [2], [0, 0], [0, 1]):
        stream.reorder(rows)
        origin, x, padding = origin[rows], x[rows], padding[rows]
        new = normal(len(rows), 2, 32)
        y = np.concatenate([stream(new[:, :1]), stream(new[:, 1:])], 1)
        x = np.concatenate([x, new], 1)
        padding = np.concatenate([padding, np.zeros((len(rows), 2), np.bool_)], 1)
        whole = model(x, memory[origin], causal(x.shape[1]), tgt_key_padding_mask=padding, memory_key_padding_mask=blocked[origin])
        assert np.array_equal(y, whole[:, -2:])


def test_a_memory_of_one_row_can_be_spread_before_the_first_position() -> None:
    model, memory, x = decoder(batch_first=True), normal(1, 5, 32), normal(4, 3, 32)
    stream = model.stream(memory)
    stream.reorder([0] * 4)
    assert np.array_equal(stream(x), model(x, memory.repeat(4, 0), causal(3)))


def test_length_and_room() -> None:
    stream = encoder(batch_first=True).stream(max_length=5)
    assert stream.length == 0
    stream(normal(1, 3, 32))
    with pytest.raises(ValueError, match="6 positions are more than max_length=5"):
        stream(normal(1, 3, 32))
    assert stream.length == 3 and stream(normal(1, 2, 32)).shape == (1, 2, 32)
    assert stream(normal(1, 0, 32)).shape == (1, 0, 32)
    assert repr(stream) == "<TransformerStream of TransformerEncoder after 5 positions>"


def test_a_call_that_raises_changes_nothing() -> None:
    model, memory, x = decoder(batch_first=True), normal(2, 5, 32), normal(2, 7, 32)
    stream = model.stream(memory)
    y = [stream(x[:, :3])]
    for bad, error in (
        ((x[:1, 3:], None), nn.ShapeError),
        ((x[0, 3:], None), nn.ShapeError),
        ((x[:, 3:, :9], None), nn.ShapeError),
        ((x[:, 3:].astype(np.float64), None), TypeError),
        ((x[:, 3:], np.zeros((2, 5), np.bool_)), nn.ShapeError),
        ((x[:, 3:], np.zeros((2, 4), np.int64)), AssertionError),
    ):
        with pytest.raises(error):
            stream(*bad)
    y.append(stream(x[:, 3:]))
    assert np.array_equal(np.concatenate(y, 1), model(x, memory, causal(7)))


def test_inputs_are_not_kept() -> None:
    model, memory, x = decoder(batch_first=True), normal(1, 5, 32), normal(1, 4, 32)
    whole, padding = model(x, memory, causal(4)), np.zeros((1, 5), np.bool_)
    stream, lent = model.stream(memory, memory_key_padding_mask=padding), x.copy()
    memory[:] = np.nan
    padding[:] = True
    y = [stream(lent[:, :2])]
    lent[:] = np.nan
    assert np.array_equal(np.concatenate([*y, stream(x[:, 2:])], 1), whole)


def test_tensors() -> None:
    model, memory, x = decoder(batch_first=True), normal(1, 5, 32), normal(1, 4, 32)
    stream = model.stream(nn.Tensor(memory))
    y = stream(nn.Tensor(x))
    assert isinstance(y, nn.Tensor) and not y.requires_grad
    assert np.array_equal(y.numpy(), model(x, memory, causal(4)))
    with pytest.raises(RuntimeError, match="requires a gradient"):
        stream(nn.Tensor(x, requires_grad=True))
    with pytest.raises(RuntimeError, match="requires a gradient"):
        model.stream(nn.Tensor(memory, requires_grad=True))


def test_training_mode_with_dropout_is_refused() -> None:
    x = normal(2, 4, 32)
    transformer = nn.Transformer(32, 4, 1, 1, 64, dropout=0.1)
    for make in (
        lambda m: m.decoder.stream(x),
        lambda m: m.encoder.stream(),
        lambda m: m.stream(x),
        lambda m: m.encoder.layers[0].stream(),
    ):
        with pytest.raises(RuntimeError, match=r"training mode with dropout 0.1.*\.eval\(\)"):
            make(transformer.train())
        stream = make(transformer.eval())
        stream(x)
        transformer.train()
        with pytest.raises(RuntimeError, match="training mode"):
            stream(x)
    without = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0)
    assert np.array_equal(without.stream()(x), without(x, causal(2)))


class _Other(nn.TransformerEncoderLayer):
    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        return x


class _OtherNetwork(nn.TransformerEncoderLayer):
    def _ff_block(self, x):
        return 0.5 * x


def test_layers_that_compute_otherwise_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"layers\.0 must be a TransformerEncoderLayer with its own forward and without hooks, but is _Other"
    ):
        nn.TransformerEncoder(_Other(32, 4, 64), 2).eval().stream()
    hooked = encoder()
    hooked.layers[1].register_forward_hook(lambda module, args, y: y)
    with pytest.raises(TypeError, match=r"layers\.1"):
        hooked.stream()
    watched = encoder()
    watched.layers[0].self_attn.register_forward_hook(lambda module, args, y: y)
    with pytest.raises(TypeError, match=r"self_attn of layers\.0"):
        watched.stream()
    extended = encoder()
    extended.layers[0].self_attn = nn.MultiheadAttention(32, 4, add_bias_kv=True)
    with pytest.raises(TypeError, match="add_bias_kv"):
        extended.stream()
    mixed = encoder()
    mixed.layers[1].self_attn.batch_first = True
    with pytest.raises(TypeError, match="batch_first"):
        mixed.stream()
    with pytest.raises(TypeError, match="the decoder must be a TransformerDecoder, but is Identity"):
        nn.Transformer(32, 4, 1, 1, 64, custom_decoder=nn.Identity()).eval().stream(normal(3, 2, 32))
    # What is no attention may be anything that treats each position alone.
    model, x = nn.TransformerEncoder(_OtherNetwork(32, 4, 64), 2).eval(), normal(6, 2, 32)
    assert np.array_equal(pieces(model.stream(), x, list(range(7)), 0), model(x, causal(6)))


def test_arguments_are_checked() -> None:
    model, memory = decoder(batch_first=True), normal(2, 5, 32)
    with pytest.raises(nn.ShapeError, match=r"memory must have shape \(N, t, 32\) or \(t, 32\), but got \(2, 5, 31\)"):
        model.stream(memory[..., :31])
    with pytest.raises(nn.ShapeError, match=r"memory_key_padding_mask must have shape \(2, 5\)"):
        model.stream(memory, memory_key_padding_mask=np.zeros((5, 2), np.bool_))
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_length must be positive"):
            model.stream(memory, max_length=wrong)
    with pytest.raises(TypeError, match="max_length"):
        model.stream(memory, max_length=2.5)  # type: ignore[arg-type]
    stream = model.stream(memory)
    for wrong, error in (
        ([2], IndexError),
        ([-1], IndexError),
        ([], ValueError),
        ([[0]], ValueError),
        ([0.0], ValueError),
        ([True], ValueError),
    ):
        with pytest.raises(error, match="indices must be"):
            stream.reorder(wrong)
    with pytest.raises(RuntimeError, match="nothing is known of the batch yet"):
        encoder().stream().reorder([0])
    with pytest.raises(RuntimeError, match="unbatched"):
        model.stream(memory[0]).reorder([0])


# Recurrent layers

RECURRENT = [
    nn.RNN(6, 5),
    nn.RNN(6, 20, 2, nonlinearity="relu", bias=False),
    nn.GRU(6, 20, 3),
    nn.GRU(40, 64, 1, dtype=np.float64),
    nn.LSTM(6, 20, 2),
    nn.LSTM(40, 96, 1),
    nn.LSTM(6, 20, 2, proj_size=7),
    nn.LSTM(6, 20, 1, proj_size=3, dtype=np.float64),
]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("batch", [None, 1, 5])
@pytest.mark.parametrize("rnn", RECURRENT, ids=str)
def test_recurrent_layers(rnn: nn.RNNBase, batch: int | None, given: bool, threads: int) -> None:
    dtype = rnn.weight_ih_l0.dtype
    for batch_first in (False, True):
        rnn.batch_first = batch_first
        axis = 1 if batch is not None and batch_first else 0
        rows = () if batch is None else (batch,)
        shape = (*rows, 23, rnn.input_size) if axis else (23, *rows, rnn.input_size)
        x = normal(*shape, dtype=dtype)
        hx = None
        if given:
            h = normal(rnn.num_layers, *rows, rnn.proj_size or rnn.hidden_size, dtype=dtype)
            hx = (h, normal(rnn.num_layers, *rows, rnn.hidden_size, dtype=dtype)) if isinstance(rnn, nn.LSTM) else h
        with nn.threads(threads):
            whole, last = rnn(x, hx)
            stream = rnn.stream(hx)
            for places in (list(range(24)), [0, 1, 9, 10, 23], [0, 23]):
                assert np.array_equal(pieces(stream, x, places, axis), whole)
                assert stream.length == 23
                for mine, its in zip(*(s if isinstance(s, tuple) else (s,) for s in (stream.state, last)), strict=True):
                    assert np.array_equal(mine, its)
                stream.reset()
                assert stream.length == 0
    rnn.batch_first = False


def test_recurrent_copy_and_reorder() -> None:
    lstm = nn.LSTM(3, 8, 2)
    x, a, b = normal(4, 2, 3), normal(5, 2, 3), normal(6, 3, 3)
    stream = lstm.stream()
    stream(x)
    fork = copy.deepcopy(stream)
    assert np.array_equal(pieces(stream, a, [0, 2, 5], 0), lstm(np.concatenate([x, a]))[0][4:])
    fork.reorder([1, 0, 1])
    assert np.array_equal(pieces(fork, b, [0, 2, 6], 0), lstm(np.concatenate([x[:, [1, 0, 1]], b]))[0][4:])
    assert fork._module is lstm and isinstance(fork, RecurrentStream)
    start = (normal(2, 2, 8), normal(2, 2, 8) + 1)
    stream = lstm.stream(start)
    stream.reorder([1, 1])
    stream.reset()
    assert np.array_equal(stream(a), lstm(a, tuple(s[:, [1, 1]] for s in start))[0])


def test_recurrent_errors() -> None:
    with pytest.raises(ValueError, match="GRU is bidirectional"):
        nn.GRU(3, 4, bidirectional=True).stream()
    with pytest.raises(RuntimeError, match="training mode with dropout 0.5"):
        nn.GRU(3, 4, 2, dropout=0.5).stream()
    lstm = nn.LSTM(3, 4)
    with pytest.raises(TypeError, match="hx of an LSTM must be a tuple"):
        lstm.stream(np.zeros((1, 2, 4), np.float32))
    with pytest.raises(nn.ShapeError, match="Expected hidden"):
        lstm.stream((np.zeros((1, 2, 9), np.float32),) * 2)(normal(2, 2, 3))
    stream = lstm.stream()
    assert stream.state is None
    with pytest.raises(RuntimeError, match="nothing is known"):
        stream.reorder([0])
    with pytest.raises(RuntimeError, match="requires a gradient"):
        stream(nn.Tensor(normal(2, 2, 3), requires_grad=True))
    with pytest.raises(TypeError, match="PackedSequence"):
        stream(nn.utils.rnn.pack_sequence([normal(2, 3)]))
    y = stream(nn.Tensor(normal(2, 2, 3)))
    assert isinstance(y, nn.Tensor) and not y.requires_grad
    with pytest.raises(nn.ShapeError):
        stream(normal(2, 3, 3))
    with pytest.raises(IndexError, match=r"0 \.\.\. 1"):
        stream.reorder([0, 2])
    assert stream.length == 2
    stream.state[0][:] = np.nan
    assert np.isfinite(stream(normal(2, 2, 3))).all()
    alone = lstm.stream()
    alone(normal(2, 3))
    with pytest.raises(RuntimeError, match="unbatched"):
        alone.reorder([0])


# The operation


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("depth", [5, 64, 300])
def test_keys_are_read_where_they_lie_with_the_same_bits(depth: int, dtype) -> None:
    """As a stream keeps them: one behind the other for each of their numbers, in a buffer that holds more."""
    for queries in (1, 2, 4, 5):
        for keys in (1, 15, 16, 17, 31, 32, 33, 64, 65, 130, 300):
            q, k, v = (normal(2, 3, n, depth, dtype=dtype) for n in (queries, keys, keys))
            room = np.full((2, 3, depth, keys + 3), np.nan, dtype)
            room[..., :keys] = k.swapaxes(2, 3)
            y = nn.functional.scaled_dot_product_attention(q, room[..., :keys].swapaxes(2, 3), v)
            assert np.array_equal(y, nn.functional.scaled_dot_product_attention(q, k, v)), (queries, keys)
