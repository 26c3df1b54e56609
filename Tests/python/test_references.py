"""Every entry of the binding called rightly and wrongly leaves nothing behind: the quick form of ./Tests/run --references."""

from __future__ import annotations

import references


def test_nothing_is_left_behind_by_right_and_wrong_calls() -> None:
    assert references.main(200) > 30_000
