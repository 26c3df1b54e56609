"""nn.load and nn.save: safetensors, shards, .npz, names, and files that are not sound."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fuzz_checkpoint
import swiftnn as nn
from checkpoint_cases import FLOATS, INTEGERS, SHORT_FLOATS, assert_equal, resident
from swiftnn.checkpoint import read_metadata, rename_keys

KINDS = {"BOOL": "bool", "F16": "float16", "F32": "float32", "F64": "float64", "C64": "complex64"}
KINDS |= {f"{name[0].upper()}{name.lstrip('uint')}": name for name in INTEGERS}


def every_type() -> dict[str, Any]:
    state: dict[str, Any] = {f"a.{name}": np.arange(6).reshape(2, 3).astype(name) for name in KINDS.values()}
    return state | {"number": np.array(1.5), "empty": np.zeros((0, 3), np.float32), "ä": np.float32([1, 2])}


def safetensors(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


# safetensors.


def test_safetensors_keep_every_type(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    state = every_type()
    nn.save(path, state, metadata={"format": "np", "ü": "ß"})
    back = nn.load(path)
    assert back.keys() == state.keys()
    assert_equal(back.pop("a.float16"), state.pop("a.float16").astype(np.float32))
    for name, value in state.items():
        assert_equal(back[name], np.asarray(value), name)
        assert back[name].flags.writeable and back[name].flags.aligned
    assert read_metadata(path) == {"format": "np", "ü": "ß"}


def test_safetensors_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    nn.save(path, {"a": np.arange(4.0), "b": np.arange(3, dtype=np.float32)})
    before = path.read_bytes()
    state = nn.load(path)
    state["a"][:] = -1
    assert path.read_bytes() == before and not state["a"].flags.owndata
    # A file in place of the mapped one does not change what was loaded.
    nn.save(path, {"a": np.zeros(4)})
    assert_equal(state["b"], np.arange(3, dtype=np.float32))


def hollow(path: Path, size: int) -> None:
    """safetensors of "big", `size` bytes of zeros that take no place on the disk, and "small"."""
    safetensors(path, {"big": entry(shape=[size // 4], offsets=[0, size]), "small": entry(offsets=[size, size + 8])})
    with path.open("r+b") as file:
        file.seek(size, os.SEEK_END)
        file.write(np.float32([1, 2]).tobytes())


def test_safetensors_of_more_than_4_gb_are_mapped_and_not_read(tmp_path: Path) -> None:
    size = (4 << 30) + 8
    hollow(tmp_path / "x", size)
    before = resident()
    state = nn.load(tmp_path / "x")
    assert state["big"].shape == (size // 4,) and state["big"][-1] == 0
    assert_equal(state["small"], np.float32([1, 2]))
    assert resident() - before < 64 << 20


@pytest.mark.skipif(Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2", reason="this machine promises no more than it has")
def test_a_file_may_be_larger_than_memory(tmp_path: Path) -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("MemTotal", "SwapTotal")))
    hollow(tmp_path / "x", 2 * memory)
    state = nn.load(tmp_path / "x")
    state["small"] += 1  # in this process alone
    assert state["big"][-1] == 0 and state["small"].tolist() == [2, 3]


@pytest.mark.parametrize(("code", "bits", "expected"), [("F16", np.float16(FLOATS).tobytes(), FLOATS), ("BF16", None, SHORT_FLOATS)])
def test_half_types_are_widened_exactly(tmp_path: Path, code: str, bits: bytes | None, expected: list[float]) -> None:
    values = np.array(expected, np.float32)
    data = bits if bits is not None else (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    path = safetensors(tmp_path / "x", {"x": entry(code, [len(values)], [0, len(data)])}, data)
    assert_equal(nn.load(path)["x"], values)


def test_misaligned_tensors_are_copied(tmp_path: Path) -> None:
    header = {"a": entry("U8", [1], [0, 1]), "b": entry("F32", [2], [1, 9]), "c": entry("BOOL", [2], [9, 11])}
    state = nn.load(safetensors(tmp_path / "x", header, b"\7" + np.float32([1, 2]).tobytes() + b"\0\3"))
    assert_equal(state["b"], np.array([1, 2], np.float32))
    assert state["b"].flags.aligned and state["b"].flags.writeable
    assert_equal(state["c"], np.array([False, True]))  # as PyTorch reads a byte that is neither 0 nor 1


ONE = {"a": entry()}
EIGHT = bytes(8)


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12), "overlap or leave holes"),
        ({"a": entry(), "b": entry(offsets=[12, 20])}, bytes(20), "overlap or leave holes"),
        ({"a": entry(offsets=[4, 12])}, bytes(12), "expected 0 as its start"),
        ({"a": entry(offsets=[0, 16])}, bytes(16), "needs 8 bytes, has 16"),
        ({"a": entry(offsets=[8, 0])}, EIGHT, "expected 0"),
        (ONE, bytes(4), "truncated"),
        (ONE, bytes(12), "4 bytes after the last tensor"),
        ({"a": entry(shape=[1 << 40, 1 << 40])}, EIGHT, "larger than any memory"),
        ({"a": entry(shape=[1 << 62, 4, 0], offsets=[0, 0])}, b"", "larger than any memory"),
        ({"a": entry(shape=[1] * 40)}, EIGHT, "40 dimensions"),
        ({"a": entry(shape=[-2, -1])}, EIGHT, "whole numbers"),
        ({"a": entry(shape=[2.0])}, EIGHT, "whole numbers"),
        ({"a": entry(shape=[True, 2])}, EIGHT, "whole numbers"),
        ({"a": entry(shape=2)}, EIGHT, "whole numbers"),
        ({"a": entry(offsets=[0])}, EIGHT, "two data_offsets"),
        ({"a": entry(offsets=["0", "8"])}, EIGHT, "whole numbers"),
        ({"a": {"dtype": "F32"}}, EIGHT, "needs dtype, shape"),
        ({"a": 3}, EIGHT, "needs dtype, shape"),
        ({"a": entry("F8_E4M3", [8])}, EIGHT, "'F8_E4M3'"),
        ({"a": entry([1], [8])}, EIGHT, "element type"),
        (b'{"a": 1, "a": 2}', EIGHT, "'a' twice"),
        (b'{"a": NaN}', EIGHT, "not JSON"),
        (b'{"a": \xff}', EIGHT, "not JSON"),
        (b'{"a": ', EIGHT, "not JSON"),
        (b'{"a": ' + b"[" * 200_000, EIGHT, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", EIGHT, "not JSON|needs dtype"),
        ({"__metadata__": {"a": 1}}, b"", "strings to strings"),
        ({"__metadata__": 1}, b"", "strings to strings"),
    ],
)
def test_safetensors_that_are_not_sound(tmp_path: Path, header: Any, data: bytes, message: str) -> None:
    path = safetensors(tmp_path / "x.safetensors", header, data)
    with pytest.raises(nn.CheckpointError, match=message) as error:
        nn.load(path)
    assert str(path) in str(error.value)


def test_headers_of_other_lengths(tmp_path: Path) -> None:
    for length in (1000, 1 << 40, (1 << 64) - 1, 3):
        with pytest.raises(nn.CheckpointError):
            nn.load(safetensors(tmp_path / "x", ONE, EIGHT, length))
    with pytest.raises(nn.CheckpointError, match="not a safetensors file"):
        read_metadata(Path(__file__))
    data = safetensors(tmp_path / "x", ONE, EIGHT).read_bytes()
    for cut in range(len(data)):
        (tmp_path / "x").write_bytes(data[:cut])
        with pytest.raises(nn.CheckpointError):
            nn.load(tmp_path / "x")


def test_the_official_library_reads_and_writes_the_same(tmp_path: Path) -> None:
    official = pytest.importorskip("safetensors.numpy")
    state = {name: np.asarray(value) for name, value in every_type().items() if value.dtype != np.complex64}
    nn.save(tmp_path / "mine.safetensors", state, metadata={"b": "2"})
    official.save_file(state, tmp_path / "theirs.safetensors", metadata={"b": "2"})
    assert (tmp_path / "mine.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()
    theirs = official.load_file(tmp_path / "mine.safetensors")
    for name, value in state.items():
        assert_equal(theirs[name], value, name)


# Shards.


def shards(folder: Path) -> dict[str, Any]:
    state = {"a": np.arange(3.0), "b": np.ones(2, np.float32), "c": np.zeros(1, np.int64)}
    nn.save(folder / "m-1.safetensors", {name: state[name] for name in "ac"})
    nn.save(folder / "m-2.safetensors", {"b": state["b"]})
    index = {"metadata": {"total_size": 40}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-1.safetensors"}}
    (folder / "m.index.json").write_text(json.dumps(index))
    return state


def test_shards(tmp_path: Path) -> None:
    state = shards(tmp_path)
    assert_equal(nn.load(tmp_path / "m.index.json"), state)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"a": "m-1.safetensors"}, "'c' is in one only"),
        ({"a": "m-1.safetensors", "c": "m-1.safetensors", "x": "m-2.safetensors"}, "'b' is in one only"),
        ({"a": "m-3.safetensors"}, "not beside it"),
        ({"a": "../m-1.safetensors"}, "in the same folder"),
        ({"a": "/etc/passwd"}, "in the same folder"),
        ({"a": ""}, "in the same folder"),
        ({"a": "m.index.json"}, "shard 'm.index.json': it is not a checkpoint"),
        ({"a": 3}, "no weight_map"),
        (None, "no weight_map"),
    ],
)
def test_shards_that_do_not_fit(tmp_path: Path, weight_map: Any, message: str) -> None:
    shards(tmp_path)
    (tmp_path / "m.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(nn.CheckpointError, match=message):
        nn.load(tmp_path / "m.index.json")


# .npz.


def test_npz_of_plain_arrays(tmp_path: Path) -> None:
    state = every_type() | {"text": np.array(["a", "bcd"]), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "file": np.ones(1)}
    nn.save(tmp_path / "x.npz", state)
    back = nn.load(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as numpys:
        for name, value in state.items():
            assert_equal(back[name], np.asarray(value), name)
            assert_equal(numpys[name], np.asarray(value), name)
            assert back[name].flags.writeable and back[name].flags.aligned
    assert not back["a.float64"].flags.owndata  # a view of the file
    del state["file"]
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "y.npz", **state)
        assert_equal(nn.load(tmp_path / "y.npz"), {name: np.asarray(value) for name, value in state.items()})


def test_npz_whose_bytes_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    nn.save(path, {"a": np.arange(4.0), "b": np.arange(3.0)})
    data = path.read_bytes()
    place = data.index(np.arange(4.0).tobytes()) + 9
    path.write_bytes(data[:place] + b"\1" + data[place + 1 :])
    with pytest.raises(nn.CheckpointError, match=r"'a\.npy' of the archive is damaged: its checksum is wrong"):
        nn.load(path)


def test_npz_of_nested_values(tmp_path: Path) -> None:
    value = {"epoch": 3, "loss": [0.5, float("inf"), (None, "x")], "model": OrderedDict(a=np.ones(2)), 5: {"$array": True}, "none": {}}
    nn.save(tmp_path / "x.npz", value)
    value["model"] = dict(value["model"])
    assert_equal(nn.load(tmp_path / "x.npz"), value)
    for empty in ({}, [], None, np.arange(3)):
        nn.save(tmp_path / "x.npz", empty)
        assert_equal(nn.load(tmp_path / "x.npz"), empty)


def test_npz_that_is_not_sound(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"

    def npz(header: str, data: bytes = b"", version: int = 1) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            text = header.encode() + b"\n"
            archive.writestr("x.npy", b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + data)

    np.savez(path, a=np.array([object()], dtype=object))
    with pytest.raises(nn.CheckpointError, match="no array of numbers or strings"):
        nn.load(path)
    sound = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    npz(sound, bytes(8))
    assert_equal(nn.load(path), {"x": np.zeros(2, np.float32)})
    for header, data, version, message in (
        (sound, bytes(7), 1, "has 7 bytes"),
        (sound, bytes(8), 9, "format 1 to 3"),
        (sound.replace("(2,)", "(99999999999, 99999999999)"), bytes(8), 1, "larger than any memory"),
        (sound.replace("(2,)", "(-2,)"), bytes(8), 1, "no array"),
        (sound.replace("(2,)", "__import__('os').system('x')"), bytes(8), 1, "no array"),
        (sound.replace("(2,)", "(" + "1" * 9000), bytes(8), 1, "no array"),
        (sound.replace("<f4", "<f7"), bytes(14), 1, "unknown type"),
        (sound.replace("<f4", "|S0").replace("(2,)", "(99999999999999999,)"), b"", 1, "without a size"),
        (sound.replace("<f4", "|O"), bytes(16), 1, "no array"),
        (sound.replace("<f4", "|V8"), bytes(16), 1, "no array"),
    ):
        npz(header, data, version)
        with pytest.raises(nn.CheckpointError, match=message):
            nn.load(path)
    for tree, message in (
        (b'{"value": {"$array": "7"}}', "refers to nothing"),
        (b'{"value": {"$dict": [[[1], 2]]}}', "refers to nothing"),
        (b'{"value": {"$tuple": 3}}', "refers to nothing"),
        (b'{"value": ' + b"[" * 300 + b"]" * 300 + b"}", "levels deep"),
        (b"[1]", "expected an object"),
    ):
        np.savez(path, **{"$tree": np.frombuffer(tree, np.uint8)})
        with pytest.raises(nn.CheckpointError, match=message):
            nn.load(path)


# Names.


def test_rename() -> None:
    state = {"module.0.gamma": 1, "module.0.beta": 2, "module.10.gamma": 3, "head.x": 4, "rest": 5}
    table = {"module.*.gamma": "norm.*.weight", "module.": "norm.", "head.": None}
    assert rename_keys(state, table) == {"norm.0.weight": 1, "norm.0.beta": 2, "norm.10.weight": 3, "rest": 5}
    assert rename_keys({"a.1.b.2.c": 1}, {"a.*.b.*.": "x.*.*-"}) == {"x.1.2-c": 1}
    assert rename_keys({"w": 1}, {"": "model."}) == {"model.w": 1}
    assert rename_keys({"a+b": 1}, {"a+": "c"}) == {"cb": 1}
    for bad, error, message in (
        ({"modul.": "x"}, ValueError, "no name begins with 'modul.'; the nearest is 'module"),
        ({"module.": "", "module.0": ""}, ValueError, "no name begins with 'module.0'"),
        ({"module.*.": "x"}, ValueError, "'module.0.gamma' and 'module.10.gamma' would both be called 'xgamma'"),
        ({"head.": "*"}, ValueError, r"more \*"),
        ({"head.": 3}, TypeError, "expected strings"),
    ):
        with pytest.raises(error, match=message):
            rename_keys(state, bad)


def test_rename_joins() -> None:
    arrays = {f"{i}.{part}.{end}": np.full(3, i + 10 * j) for i in (0, 1) for j, part in enumerate("vqk") for end in ("w", "b")}
    row = ("*.q.", "*.k.", "*.v.")
    joined = rename_keys({**arrays, "rest": 1}, {row: "in.*_"})
    assert joined.keys() == {"in.0_w", "in.0_b", "in.1_w", "in.1_b", "rest"}
    np.testing.assert_array_equal(joined["in.1_b"], np.repeat([11, 21, 1], 3))
    assert rename_keys({"a": 1, "b": 2}, {("a",): "c"}) == {"c": 1, "b": 2}
    assert rename_keys(arrays, {row: None}) == {}
    missing = {name: array for name, array in arrays.items() if name != "1.q.b"}
    for state, table, error, message in (
        (missing, {row: "in.*_"}, ValueError, r"'in.1_b' is to be made of 3 arrays, but there is none for '\*.q.' beside '1.v.b', '1.k.b'"),
        ({**arrays, "0.k.w": np.ones((1, 2))}, {row: "in.*_"}, ValueError, "'in.0_w' cannot be made of '0.v.w', '0.q.w', '0.k.w': .*dim"),
        ({**arrays, "in.0_w": 1}, {row: "in.*_"}, ValueError, "'0.v.w' and 'in.0_w' would both be called 'in.0_w'"),
        (arrays, {(*row, "*.o."): "in.*_"}, ValueError, "no name begins with"),
        (arrays, {row: "in_"}, ValueError, "would both be called 'in_w'"),
        (arrays, {("*.q.", "k."): "*"}, ValueError, r"more \*"),
        (arrays, {("*.q.", 1): "a"}, TypeError, "tuples of strings"),
        (arrays, {(): "a"}, TypeError, "tuples of strings"),
    ):
        with pytest.raises(error, match=message):
            rename_keys(state, table)


def test_load_renames(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    nn.save(path, {"old.weight": np.ones((2, 3), np.float32), "old.bias": np.ones(2, np.float32)})
    linear = nn.Linear(3, 2)
    linear.load_state_dict(nn.load(path, rename={"old.": ""}))
    assert (linear.weight.numpy() == 1).all()
    nn.save(path, [1])
    with pytest.raises(TypeError, match="holds a list, no state dict"):
        nn.load(path, rename={"a": "b"})


def test_a_state_dict_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    before = {name: value.copy() for name, value in model.state_dict().items()}
    for suffix in ("safetensors", "npz", "pt"):
        state = {name: value + 1 for name, value in model.state_dict().items()}
        state["2.wieght"] = state.pop("2.weight")
        state["2.bias"] = np.zeros(3)
        nn.save(tmp_path / f"x.{suffix}", state)
        with pytest.raises(RuntimeError, match=r'"2\.wieght" may be meant for "2\.weight"') as error:
            model.load_state_dict(nn.load(tmp_path / f"x.{suffix}"))
        assert "nothing was loaded" in str(error.value) and "(3,)" in str(error.value)
        for name, value in model.state_dict().items():
            assert np.array_equal(value, before[name]), name


# Saving.


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "pt", "pth"])
def test_saving_a_model(tmp_path: Path, suffix: str) -> None:
    model, other = nn.LSTM(3, 4, 2), nn.LSTM(3, 4, 2)
    path = tmp_path / f"model.{suffix}"
    nn.save(path, model.state_dict(keep_vars=True))
    other.load_state_dict(nn.load(path))
    for mine, theirs in zip(model.parameters(), other.parameters()):
        assert np.array_equal(mine.numpy(), theirs.numpy())
    first = path.read_bytes()
    nn.save(path, model.state_dict())
    assert path.read_bytes() == first
    with pytest.raises(TypeError, match=r"path must be a string or a path, but got OrderedDict; it comes first: nn.save\(path, state\)"):
        nn.save(model.state_dict(), path)  # torch.save's order
    # What cannot be written leaves the file that was there, and nothing beside it.
    endless: list[Any] = []
    endless.append(endless)
    if suffix != "safetensors":
        with pytest.raises(TypeError, match="levels deep"):
            nn.save(path, endless)
    for bad in ({"a": object()}, {"a": np.array([object()])}, {"a": np.ones(2), "b": {"c": {1j}}}):
        with pytest.raises(TypeError, match="'a'|'b'|state"):
            nn.save(path, bad)
    assert path.read_bytes() == first and os.listdir(tmp_path) == [path.name]


def test_saving_for_pytorch(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    state = every_type()
    del state["a.uint16"], state["a.uint32"], state["a.uint64"]
    shared = np.arange(3.0)
    value = {
        "model": OrderedDict(state),
        "list": [1, -1, 2**31, -(2**40), 2**70, 0.1, True, None, "ä", (), (1,), [], {}],
        "shared": [shared, shared],
        7: "x",
        "turned": np.arange(6, dtype=">i4").reshape(2, 3).T,
    }
    nn.save(path, value)
    back = nn.load(path)
    assert np.shares_memory(*back["shared"]) and not back["model"]["a.float64"].flags.owndata
    value["model"]["a.float16"] = value["model"]["a.float16"].astype(np.float32)
    value["turned"] = value["turned"].astype(np.int32)
    value["model"] = OrderedDict((name, np.asarray(entry)) for name, entry in value["model"].items())
    assert_equal(back, value)
    with pytest.raises(TypeError, match="uint16"):
        nn.save(path, {"a": np.ones(2, np.uint16)})


def test_what_save_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \.safetensors, \.npz, \.pt or \.pth"):
        nn.save(tmp_path / "model.bin", {})
    with pytest.raises(ValueError, match=r"only \.safetensors has metadata"):
        nn.save(tmp_path / "model.npz", {}, metadata={})
    for state, message in (
        (["x"], "got a list"),
        ({"a": {"b": np.ones(1)}}, "'a'"),
        ({1: np.ones(1)}, "key 1"),
        ({"__metadata__": np.ones(1)}, "key"),
    ):
        with pytest.raises(TypeError, match=message):
            nn.save(tmp_path / "model.safetensors", state)
    with pytest.raises(TypeError, match="strings to strings"):
        nn.save(tmp_path / "model.safetensors", {}, metadata={"a": 1})  # type: ignore[dict-item]
    assert os.listdir(tmp_path) == []


def test_loading_imports_neither_torch_nor_pickle() -> None:
    code = "import sys, swiftnn as nn, numpy; before = set(sys.modules); nn.load; print(sorted(set(sys.modules) - before))"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}).stdout
    assert "torch" not in imported.replace("swiftnn.checkpoint.torch", "") and "'pickle'" not in imported
    code = "import sys, swiftnn; print([name for name in sys.modules if name.startswith('swiftnn.checkpoint')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_from_torch_takes_modules_of_pytorch_alone() -> None:
    for value in (None, 3, np.ones(2), nn.Linear(2, 2)):
        with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
            nn.from_torch(value)


# Damaged files.


def test_damaged_files_raise_the_documented_error_and_run_nothing() -> None:
    outcomes = fuzz_checkpoint.run(600, seed=int(os.environ.get("SWIFTNN_FUZZ_SEED", "0")))
    assert sum(outcomes.values()) == 600 and outcomes["refused"] > 300 and outcomes["read"] > 20
