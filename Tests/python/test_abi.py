"""Which changes of the C ABI check_abi.py lets pass."""

from __future__ import annotations

import pytest

from check_abi import TABLE, broken, version

LISTED = TABLE.read_text().splitlines()
STRUCT = "snn_softmax_forward_args"
FIELDS = [line for line in LISTED if line.startswith(f"field {STRUCT} ")]


def changed(before: str, after: str | None) -> list[str]:
    assert before in LISTED
    return [line if line != before else after for line in LISTED if line != before or after is not None]


def test_the_list_is_of_all_operations() -> None:
    assert version(LISTED) >= 1 and len(FIELDS) == 4
    assert sum(line.startswith("function snn_status snn_") for line in LISTED) > 50
    assert not broken(LISTED, LISTED)


@pytest.mark.parametrize(
    "line",
    [
        "constant SNN_NEW 77", "function int64_t snn_new(void)", "field snn_new_forward_args x 0 8 IN",
        f"field {STRUCT} another {8 * len(FIELDS)} 8 INT",
    ],
)  # fmt: skip
def test_what_is_added_passes(line: str) -> None:
    assert not broken(LISTED, [*LISTED, line])


def test_what_changes_does_not() -> None:
    first = FIELDS[0]
    prototype = next(line for line in LISTED if "snn_set_num_threads" in line)
    for line, other in (
        (first, None),
        (first, first.replace(" 0 8 IN", " 0 8 OPT")),
        (first, first.replace(" x ", " input ")),
        (prototype, prototype.replace("int64_t", "int32_t")),
        ("constant SNN_SUM 2", "constant SNN_SUM 3"),
        ("size snn_array 160", "size snn_array 168"),
    ):
        assert broken(LISTED, changed(line, other)), (line, other)
    assert broken(LISTED, [*LISTED, f"field {STRUCT} between 12 4 INT"])
    moved = [
        line.replace(" 8 8 ", " 16 8 ") if line == FIELDS[1] else line.replace(" 16 8 ", " 8 8 ") if line == FIELDS[2] else line
        for line in LISTED
    ]
    assert len(broken(LISTED, moved)) >= 2
