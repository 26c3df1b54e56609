"""Other names for the entries of a state dict."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["rename_keys"]


def rename_keys(state: Mapping[str, Any], table: Mapping[Any, str | None]) -> dict[str, Any]:
    """The same state dict with other names.

    A row of the table says how names begin and what stands there instead, or `None` to leave them out. `*` stands for one part of a
    name, which has no dot, and is put where the `*` of the replacement are, in order. Of the rows that fit a name the first is taken; a
    name that no row fits stays.

    A row of several beginnings, a tuple, joins arrays along their first dimension in the order of the tuple: the projections of queries,
    keys and values, which many files have one by one, become the `in_proj_weight` and `in_proj_bias` of `nn.MultiheadAttention`.

    Args:
        state: arrays by name.
        table: the beginnings of names, strings or tuples of strings, and what replaces them.

    Raises:
        ValueError: a row fits no name, two entries get the same name, arrays do not fit each other or one of them is missing, or a
            replacement has more `*` than its row.
        TypeError: a name or a row is not a string.

    Example:
        >>> state = {"module.0.gamma": 1, "module.0.beta": 2, "head.weight": 3}
        >>> nn.checkpoint.rename_keys(state, {"module.*.gamma": "norm.*.weight", "module.": "norm.", "head.": None})
        {'norm.0.weight': 1, 'norm.0.beta': 2}
        >>> state = {"1.key.bias": np.zeros(4), "1.query.bias": np.ones(4), "1.value.bias": np.zeros(4)}
        >>> nn.checkpoint.rename_keys(state, {("*.query.", "*.key.", "*.value."): "layers.*.in_proj_"})
        {'layers.1.in_proj_bias': array([1., 1., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0.])}
    """
    # One for each beginning: the beginning, its pattern, the row that it is of, its place there, the replacement.
    rows: list[tuple[str, re.Pattern[str], tuple[str, ...], int, str | None]] = []
    for row, new in table.items():
        beginnings: tuple[Any, ...] = row if isinstance(row, tuple) and row else (row,)
        if not all(isinstance(old, str) for old in beginnings) or not isinstance(new, (str, type(None))):
            raise TypeError(f"rename: expected strings, tuples of strings, and None to leave names out, got {row!r}: {new!r}")
        for place, old in enumerate(beginnings):
            if new is not None and new.count("*") > old.count("*"):
                raise ValueError(f"rename: {new!r} has more * than {old!r}, which it replaces")
            rows.append((old, re.compile("([^.]+)".join(map(re.escape, old.split("*")))), beginnings, place, new))
    unused = dict.fromkeys(old for old, *_ in rows)
    # Of each new name the row that gave it, and by the place in the row what gets that name.
    found: dict[str, tuple[tuple[str, ...], dict[int, tuple[str, Any]]]] = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"rename: the state has the key {name!r}; expected names of arrays")
        target: str | None = name
        beginnings, place = (name,), 0
        for old, pattern, row, at, new in rows:
            match = pattern.match(name)
            if match is None:
                continue
            unused.pop(old, None)
            target = None if new is None else _filled(new.split("*"), match.groups()) + name[match.end() :]
            beginnings, place = row, at
            break
        if target is None:
            continue
        of, parts = found.setdefault(target, (beginnings, {}))
        if place in parts or of != beginnings:
            raise ValueError(f"rename: {next(iter(parts.values()))[0]!r} and {name!r} would both be called {target!r}")
        parts[place] = name, value
    # A row that an earlier one makes idle is a mistake as much as one with a typing error.
    for old in unused:
        near = difflib.get_close_matches(old, list(state)[:400], n=1, cutoff=0.0)
        raise ValueError(f"rename: no name begins with {old!r}" + (f"; the nearest is {near[0]!r}" if near else ""))
    return {target: _joined(target, *entry) for target, entry in found.items()}


def _filled(pieces: list[str], parts: tuple[str, ...]) -> str:
    return pieces[0] + "".join(part + piece for part, piece in zip(parts, pieces[1:]))


def _joined(target: str, row: tuple[str, ...], parts: dict[int, tuple[str, Any]]) -> Any:
    if len(row) == 1:
        return parts[0][1]
    names = ", ".join(repr(name) for name, _ in parts.values())
    for place, old in enumerate(row):
        if place not in parts:
            raise ValueError(f"rename: {target!r} is to be made of {len(row)} arrays, but there is none for {old!r} beside {names}")
    try:
        return np.concatenate([np.asarray(parts[place][1]) for place in range(len(row))])
    except ValueError as error:
        raise ValueError(f"rename: {target!r} cannot be made of {names}: {error}") from None
