"""Gradients of attention: against central differences of the float64 reference, masks, dropout, layouts, threads, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from Reference.attention import attention_forward
from specs import difference
from swiftnn import _native

NAMES = ("q", "k", "v", "attn_mask")
OPTIONS = dict(
    attn_mask=None, key_padding_mask=None, is_causal=0, scale=0.0, dropout=0.0, seed=3, offset=9, heads_last=0, average=0
)  # fmt: skip


def case(b: int, nh: int, length: int, s: int, hd: int, hdv: int | None = None, nhk: int | None = None, **options: Any) -> dict[str, Any]:
    r = np.random.default_rng(length + 31 * s + hd)
    arrays = dict(q=r.standard_normal((b, nh, length, hd)), k=r.standard_normal((b, nhk or nh, s, hd)))
    return {**arrays, "v": r.standard_normal((b, nhk or nh, s, hdv or hd)), **OPTIONS, **options}


def blocked(*shape: int) -> np.ndarray:
    r = np.random.default_rng(1)
    mask = r.random(shape) < 0.4
    mask[..., -1, :] = True
    return mask


def added(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).standard_normal(shape)


CASES = {
    "plain": case(2, 3, 5, 7, 4),
    "one": case(1, 1, 1, 1, 1),
    "causal": case(1, 2, 9, 9, 3, is_causal=1),
    "causal, more keys": case(1, 2, 4, 11, 3, is_causal=1),
    "causal, fewer keys": case(1, 1, 11, 4, 3, is_causal=1),
    "blocks": case(1, 1, 70, 3, 2),
    "causal blocks": case(1, 1, 67, 67, 1, is_causal=1),
    "many keys": case(1, 1, 3, 70, 2),
    "grouped": case(2, 6, 3, 5, 4, nhk=2, scale=0.7),
    "values": case(2, 2, 5, 6, 4, hdv=3, heads_last=1),
    "sequence first": case(2, 2, 5, 6, 4, hdv=3, heads_last=2),
    "bool": case(2, 2, 5, 6, 3, attn_mask=blocked(2, 2, 5, 6)),
    "bool plane": case(2, 2, 5, 6, 3, attn_mask=blocked(5, 6), heads_last=1),
    "float": case(2, 2, 5, 6, 3, attn_mask=added(2, 2, 5, 6)),
    "float heads": case(2, 2, 5, 6, 3, attn_mask=added(2, 5, 6)),
    "float images": case(2, 2, 5, 6, 3, attn_mask=added(2, 1, 5, 6)),
    "float plane": case(2, 2, 5, 6, 3, attn_mask=added(5, 6), is_causal=1),
    "float keys": case(2, 2, 5, 6, 3, attn_mask=added(1, 6)),
    "float queries": case(2, 2, 5, 6, 3, attn_mask=added(2, 1, 5, 1)),
    "padding": case(2, 2, 5, 6, 3, key_padding_mask=np.arange(6) >= np.array([[4], [0]])),
    "padding float": case(2, 2, 5, 6, 3, key_padding_mask=added(2, 6), attn_mask=added(5, 6)),
    "dropout": case(2, 2, 5, 6, 4, dropout=0.4),
    "dropout, causal": case(1, 2, 6, 6, 4, dropout=0.4, is_causal=1, attn_mask=added(6, 6), average=1),
    "average": case(2, 3, 5, 6, 4, average=1),
}


def gradients(fields: dict[str, Any], dy: Any, dweights: Any, wanted: tuple[bool, ...] = (True,) * 4) -> tuple[Any, ...]:
    wanted = (*wanted[:3], wanted[3] and fields["attn_mask"] is not None and fields["attn_mask"].dtype.kind == "f")
    *_, logsumexp = _native.attention_forward(*fields.values(), False, True)
    return _native.attention_backward(dy, dweights, *fields.values(), logsumexp, *wanted)


def cast(fields: dict[str, Any], dtype: type) -> dict[str, Any]:
    return {n: v.astype(dtype) if isinstance(v, np.ndarray) and v.dtype == np.float64 else v for n, v in fields.items()}


def incoming(fields: dict[str, Any], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    y, weights, _ = attention_forward(**fields, weights=True)
    r = np.random.default_rng(4)
    return r.standard_normal(y.shape).astype(dtype), r.standard_normal(weights.shape).astype(dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_against_central_differences(name: str, weighted: bool) -> None:
    fields = CASES[name]
    dy, dweights = incoming(fields, np.float64)
    got = gradients(fields, dy, dweights if weighted else None)

    def loss(changed: dict[str, Any]) -> float:
        y, weights, _ = attention_forward(**changed, weights=True)
        return float((dy * y).sum() + ((dweights * weights).sum() if weighted else 0))

    r = np.random.default_rng(6)
    for field, gradient in zip(NAMES, got):
        if gradient is None:
            continue
        assert gradient.shape == fields[field].shape
        assert gradient.flags.c_contiguous
        for _ in range(3):
            direction = r.standard_normal(gradient.shape)
            above, below = (loss({**fields, field: fields[field] + h * direction}) for h in (1e-6, -1e-6))
            numeric = (above - below) / 2e-6
            assert abs(numeric - (gradient * direction).sum()) <= 1e-7 * (1 + abs(numeric) + abs(gradient).sum())
    narrow = gradients(cast(fields, np.float32), dy.astype(np.float32), dweights.astype(np.float32) if weighted else None)
    for one, other in zip(narrow, got):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == np.float32
            np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * (1 + abs(other).max(initial=0)))


@pytest.mark.parametrize("name", CASES)
def test_each_alone_and_from_odd_memory(name: str) -> None:
    fields = cast(CASES[name], np.float32)
    dy, dweights = incoming(CASES[name], np.float32)
    all_four = gradients(fields, dy, dweights)

    def spread(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), 1, x.dtype)[..., ::-2]
        wide[...] = x
        return wide

    odd = {name: spread(value) for name, value in fields.items()}
    odd["q"] = np.asfortranarray(fields["q"])
    for i in range(4):
        alone = gradients(odd, spread(dy), spread(dweights), tuple(i == j for j in range(4)))
        for j, one in enumerate(alone):
            if i != j or one is None:
                assert one is None
            else:
                np.testing.assert_array_equal(one, all_four[j])


def test_broadcast_gradients_come_in() -> None:
    fields = cast(CASES["plain"], np.float32)
    dy = np.ones((2, 3, 5, 4), np.float32)
    for one, other in zip(gradients(fields, np.broadcast_to(np.float32(1), dy.shape), None), gradients(fields, dy, None)):
        assert one is None or (one == other).all()


def test_rows_that_may_see_nothing_give_zeros() -> None:
    fields = case(2, 2, 5, 6, 3, attn_mask=blocked(5, 6))
    dy, dweights = incoming(fields, np.float64)
    dq, dk, dv, _ = gradients(fields, dy, dweights)
    assert not dq[:, :, -1].any()
    assert np.isfinite(dk).all() and np.isfinite(dv).all()
    for shape in [(2, 2, 0, 6, 3), (2, 2, 5, 0, 3), (0, 2, 5, 6, 3)]:
        fields = case(*shape)
        dy, dweights = incoming(fields, np.float64)
        for gradient, field in zip(gradients(fields, dy, dweights), "qkv"):
            assert gradient.shape == fields[field].shape
            assert not gradient.any()


def test_the_bits_of_forward_do_not_depend_on_logsumexp() -> None:
    for name, fields in CASES.items():
        y, weights, logs = _native.attention_forward(*fields.values(), True, True)
        again, _, none = _native.attention_forward(*fields.values(), False, False)
        assert none is None
        assert y.tobytes() == again.tobytes(), name
        assert difference(logs, attention_forward(**fields, logsumexp=True)[2]) <= 1e-14


def test_blocks_of_queries_that_threads_cannot_share_evenly() -> None:
    before = _native.get_num_threads()
    try:
        for threads in (1, 2, 3):
            _native.set_num_threads(threads)
            for length in (146, 180, 300):
                fields = cast(case(1, 1, length, 400, 16), np.float32)
                y, *_ = _native.attention_forward(*fields.values(), False, False)
                assert difference(y, attention_forward(**fields)[0]) <= 1e-5
    finally:
        _native.set_num_threads(before)


def test_wrong_arguments() -> None:
    fields = cast(CASES["bool"], np.float32)
    dy, _ = incoming(fields, np.float32)
    logs = np.zeros((2, 2, 5), np.float32)
    with pytest.raises(ValueError, match=r"dy has shape \(2, 2, 5\)"):
        _native.attention_backward(dy[..., 0], None, *fields.values(), logs, True, True, True, False)
    with pytest.raises(ValueError, match=r"logsumexp has shape \(2, 2, 4\); expected \(2, 2, 5\)"):
        _native.attention_backward(dy, None, *fields.values(), logs[..., 1:], True, True, True, False)
    with pytest.raises(ValueError, match=r"dweights has shape \(2, 2, 5\)"):
        _native.attention_backward(dy, logs, *fields.values(), logs, True, True, True, False)
    with pytest.raises(ValueError, match="attn_mask is no float mask"):
        _native.attention_backward(dy, None, *fields.values(), logs, True, True, True, True)


def _large(threads: int) -> list[np.ndarray]:
    before = _native.get_num_threads()
    _native.set_num_threads(threads)
    try:
        fields = cast(case(3, 4, 130, 150, 16, nhk=2, is_causal=1, dropout=0.1, attn_mask=added(130, 150)), np.float32)
        dy, dweights = incoming(fields, np.float32)
        return list(gradients(fields, dy, dweights))
    finally:
        _native.set_num_threads(before)


def test_the_same_bits_for_any_number_of_threads() -> None:
    expected = _large(1)
    for threads in (2, 3):
        for got, one in zip(_large(threads), expected):
            assert got.tobytes() == one.tobytes()
