"""Other names for the entries of a state dict."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["rename_keys"]


def rename_keys(state: Mapping[str, Any], table: Mapping[str, str | None]) -> dict[str, Any]:
    """The same state dict with other names.

    A row of the table says how names begin and what stands there instead, or `None` to leave them out. `*` stands for one part of a
    name, which has no dot, and is put where the `*` of the replacement are, in order. Of the rows that fit a name the first is taken; a
    name that no row fits stays.

    Args:
        state: arrays by name.
        table: the beginnings of names, and what replaces them.

    Raises:
        ValueError: a row fits no name, two entries get the same name, or a replacement has more `*` than its row.
        TypeError: a name or a row is not a string.

    Example:
        >>> state = {"module.0.gamma": 1, "module.0.beta": 2, "head.weight": 3}
        >>> nn.checkpoint.rename_keys(state, {"module.*.gamma": "norm.*.weight", "module.": "norm.", "head.": None})
        {'norm.0.weight': 1, 'norm.0.beta': 2}
    """
    rows = []
    for old, new in table.items():
        if not isinstance(old, str) or not isinstance(new, (str, type(None))):
            raise TypeError(f"rename: expected strings, and None to leave names out, got {old!r}: {new!r}")
        if new is not None and new.count("*") > old.count("*"):
            raise ValueError(f"rename: {new!r} has more * than {old!r}, which it replaces")
        rows.append((old, re.compile("([^.]+)".join(map(re.escape, old.split("*")))), new))
    unused = dict.fromkeys(table)
    origin: dict[str, str] = {}
    renamed: dict[str, Any] = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"rename: the state has the key {name!r}; expected names of arrays")
        target: str | None = name
        for old, pattern, new in rows:
            match = pattern.match(name)
            if match is None:
                continue
            unused.pop(old, None)
            if new is None:
                target = None
            else:
                target = _filled(new.split("*"), match.groups()) + name[match.end() :]
            break
        if target is None:
            continue
        if target in renamed:
            raise ValueError(f"rename: {origin[target]!r} and {name!r} would both be called {target!r}")
        renamed[target] = value
        origin[target] = name
    # A row that an earlier one makes idle is a mistake as much as one with a typing error.
    for old in unused:
        near = difflib.get_close_matches(old, list(state)[:400], n=1, cutoff=0.0)
        raise ValueError(f"rename: no name begins with {old!r}" + (f"; the nearest is {near[0]!r}" if near else ""))
    return renamed


def _filled(pieces: list[str], parts: tuple[str, ...]) -> str:
    return pieces[0] + "".join(part + piece for part, piece in zip(parts, pieces[1:]))
