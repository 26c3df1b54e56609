"""The message of a load_state_dict that does not fit; imported only when there is one."""

from __future__ import annotations

import difflib

__all__ = ["message"]

# Comparing names is quadratic; beyond this many a list of neighbours helps nobody anyway.
_MOST_SUGGESTIONS = 20
_MOST_CANDIDATES = 400


def message(module: str, missing: list[str], unexpected: list[str], misfits: list[str]) -> str:
    """All that is wrong at once: missing keys, unexpected keys with the nearest missing ones, and entries that do not fit."""
    lines = []
    if missing:
        lines.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
    if unexpected:
        lines.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    hint = _prefix_hint(missing, unexpected)
    lines += [hint] if hint else _nearest(missing, unexpected)
    lines += misfits
    return f"Error(s) in loading state_dict for {module} (nothing was loaded):\n\t" + "\n\t".join(lines)


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _prefix_hint(missing: list[str], unexpected: list[str]) -> str | None:
    """One sentence when all keys differ by the same prefix, as after saving a wrapped model."""
    if not missing or len(missing) != len(unexpected):
        return None
    for longer, shorter, fix in (
        (unexpected[0], missing[0], "state_dict has the prefix {0!r} before every key: pass {{k.removeprefix({0!r}): v"),
        (missing[0], unexpected[0], "state_dict lacks the prefix {0!r} before every key: pass {{{0!r} + k: v"),
    ):
        prefix = longer[: len(longer) - len(shorter)]
        if not prefix or prefix + shorter != longer:
            continue
        short, long = (missing, unexpected) if longer is unexpected[0] else (unexpected, missing)
        if {prefix + name for name in short} == set(long):
            return fix.format(prefix) + " for k, v in state_dict.items()}"
    return None


def _nearest(missing: list[str], unexpected: list[str]) -> list[str]:
    candidates = missing[:_MOST_CANDIDATES]
    lines = []
    for name in unexpected[:_MOST_SUGGESTIONS] if candidates else ():
        matches = difflib.get_close_matches(name, candidates, n=1, cutoff=0.5)
        if matches:
            lines.append(f'"{name}" may be meant for "{matches[0]}"')
    return lines
