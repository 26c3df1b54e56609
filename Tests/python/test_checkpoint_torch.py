"""nn.load on files of PyTorch: what torch.save writes in all its variants, and what nobody should write."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from checkpoint_cases import CASES, FOLDER, VARIANTS, assert_equal, resident
from pickle_parts import ORDERED, PROTO, REBUILD, archive, entries_of, hole, integer, integers, storage, tensor, text


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Loads the value that instructions of a pickle make, from a ZIP archive with one storage of 0 ... 5."""
    return lambda content, **more: nn.load(archive(tmp_path / "x.pt", entries_of(content, **more)))


def refused(load: Any, content: bytes, *pieces: str) -> None:
    with pytest.raises(nn.CheckpointError) as error:
        load(content)
    for piece in ("x.pt", *pieces):
        assert piece in str(error.value), str(error.value)


# What torch.save writes.


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_files_of_torch_save(case: str, variant: str) -> None:
    expected = CASES[case]()
    if case == "types" and variant.startswith("stream"):
        expected = {name: value for name, value in expected.items() if name not in ("uint16", "uint32", "uint64")}
    assert_equal(nn.load(FOLDER / f"{case}.{variant}.pt"), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_views_share_memory_that_can_be_written_and_is_not_the_files(variant: str) -> None:
    path = FOLDER / f"views.{variant}.pt"
    before = path.read_bytes()
    state = nn.load(path)
    whole = state["whole"]
    whole[:] = -1
    for name, view in state.items():
        assert name == "empty" or (np.shares_memory(view, whole) and (view == -1).all() and view.flags.aligned), name
    assert path.read_bytes() == before and nn.load(path)["number"] == 7


def test_a_state_dict_and_a_whole_module_load_into_a_model() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(np.zeros(1, np.float32))
            self.register_buffer("table", np.zeros(3, np.int64))
            self.body = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU())
            self.again = self.body[0]

    net = Net()
    net.load_state_dict(nn.load(FOLDER / "module.zip.pt"))
    assert net.scale.numpy()[0] == 2 and np.array_equal(net.again.weight.numpy(), np.arange(6.0).reshape(2, 3))
    assert np.array_equal(net.table, np.arange(3))
    versions = nn.load(FOLDER / "nested.zip.pt")["model"]._metadata
    assert versions == {"": {"version": 1}}


def test_parameters_are_views_of_the_mapped_file() -> None:
    linear = nn.Linear(3, 2)
    state = nn.load(FOLDER / "module.zip.pt")
    linear.load_state_dict({name: state[f"again.{name}"] for name in ("weight", "bias")}, assign=True)
    assert np.shares_memory(linear.weight.data, state["body.0.weight"])
    linear.weight.data += 1
    assert np.array_equal(state["again.weight"], np.arange(1.0, 7).reshape(2, 3))


def test_more_than_4_gb_are_mapped_and_not_read(tmp_path: Path) -> None:
    numel = (1 << 30) + 5
    big = tensor(shape=integers(numel), strides=integers(1), base=storage(key="100", numel=numel))
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as file:
        hole(file, "a/data/100", 4 * numel, np.float32([7, 8]).tobytes())  # of this name: its bytes start at a multiple of 4
        for name, content in entries_of(b"}(" + text("big") + big + text("small") + tensor() + b"u").items():
            file.writestr(name, content)  # beyond 4 GB
    assert path.stat().st_size > 1 << 32
    before = resident()
    state = nn.load(path)
    assert_equal(state["small"], np.arange(6, dtype=np.float32).reshape(2, 3))
    assert state["big"].shape == (numel,) and state["big"][[0, 1 << 30, -2, -1]].tolist() == [0, 0, 7, 8]
    state["big"][3] = 1  # a page of this process
    assert resident() - before < 64 << 20


def test_big_endian(tmp_path: Path) -> None:
    entries = entries_of(tensor(), **{"a/byteorder": b"big"})
    entries["a/data/0"] = np.arange(6, dtype=">f4").tobytes()
    assert_equal(nn.load(archive(tmp_path / "x.pt", entries)), np.arange(6, dtype=np.float32).reshape(2, 3))
    entries["a/byteorder"] = b"middle"
    with pytest.raises(nn.CheckpointError, match="byte order b'middle'"):
        nn.load(archive(tmp_path / "x.pt", entries))


def test_compressed_and_misaligned_entries(tmp_path: Path) -> None:
    for shift in range(4):
        entries = {"a/" + "p" * shift: b"", **entries_of(tensor())}
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            state = nn.load(archive(tmp_path / "x.pt", entries, method))
            assert_equal(state, np.arange(6, dtype=np.float32).reshape(2, 3))
            assert state.flags.aligned and state.flags.writeable


def test_half_types_in_a_compressed_file(tmp_path: Path) -> None:
    zeros = entries_of(tensor(base=storage("torch\nBFloat16Storage", numel=3_000_000))) | {"a/data/0": bytes(6_000_000)}
    assert_equal(nn.load(archive(tmp_path / "x.pt", zeros, zipfile.ZIP_DEFLATED)), np.zeros((2, 3), np.float32))


def test_older_spellings(load: Any) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    old = b"ctorch._utils\n_rebuild_tensor\n(" + storage("torch.cuda\nFloatStorage") + b"K\0" + integers(2, 3) + integers(3, 1) + b"tR"
    assert_equal(load(old), rows)
    assert_equal(load(b"ctorch.autograd.variable\nVariable\n(" + old + b"tR" + b"(\x89\x89" + ORDERED + b"tb"), rows)
    assert_equal(load(b"ctorch.nn.parameter\nParameter\n(" + old + b"t\x81" + b"(\x88\x89" + ORDERED + b"tb"), rows)
    # Strings of Python 2, booleans and integers of protocol 1, dicts and lists with their contents after a mark.
    assert load(b"(U\x01aI01\nU\x01bL12L\nT\x01\0\0\0cI-3\nd") == {"a": True, "b": 12, "c": -3}
    assert load(b"((K\1K\2lc__builtin__\nset\n((K\1K\2ltRt") == ([1, 2], {1, 2})
    assert load(b"ccollections\ndefaultdict\n(c__builtin__\ndict\ntRU\1aK\1s") == {"a": 1}
    assert load(b"ccollections\nOrderedDict\n(((U\1aK\1l(U\1bK\2lltR") == {"a": 1, "b": 2}


def test_a_storage_by_itself_and_parts_of_storages_in_the_stream(tmp_path: Path) -> None:
    data = np.arange(6, dtype="<f4").tobytes()
    part = b"(" + text("part") + integer(2) + integer(4) + b"t"
    content = b"(" + tensor(0, integers(4), integers(1), storage(more=part)) + storage(more=b"N") + b"t"
    stream = b"".join(
        PROTO + one + b"." for one in (integer(0x1950A86A20F9469CFC6C), integer(1001), b"}", content, b"]" + text("0") + b"a")
    )
    path = tmp_path / "x.pt"
    path.write_bytes(stream + struct.pack("<q", 6) + data)
    view, whole = nn.load(path)
    assert_equal((view, whole), (np.arange(2, 6, dtype=np.float32), np.arange(6, dtype=np.float32)))
    assert np.shares_memory(view, whole)
    for broken, message in (
        (stream + struct.pack("<q", 6) + data[:-1], "truncated"),
        (stream + struct.pack("<q", 6) + data + b"x", "1 bytes after"),
        (stream + struct.pack("<q", 1 << 62) + data, "lies outside"),
        (stream.replace(b"]" + text("0"), b"]" + text("1")) + struct.pack("<q", 6) + data, "not those that it uses"),
        (stream.replace(integer(1001), integer(1002)) + struct.pack("<q", 6) + data, "version to come"),
        (stream.replace(integer(4) + b"t", integer(5) + b"t", 1) + struct.pack("<q", 6) + data, "part of a storage"),
        (stream[:60], "does not end"),
    ):
        path.write_bytes(broken)
        with pytest.raises(nn.CheckpointError, match=message):
            nn.load(path)


def test_subclasses_of_module_and_namespaces_inside(load: Any) -> None:
    registries = b"}(" + b"".join(text(f"_{name}") + b"}" for name in ("parameters", "buffers", "modules")) + b"u"
    module = b"cuser\nNet\n)\x81" + registries + b"b"
    assert load(b"}" + text("model") + module + b"s") == {"model": {}}
    # What a module keeps beside its registries is not looked at: other objects, subclasses of dict and list, references to functions.
    odd = b"cuser\nConfig\n)\x81" + text("x") + b"K\1sK\2a}" + text("f") + b"cos\nsystem\nsb"
    assert load(b"cuser\nNet\n)\x81" + registries + text("config") + odd + b"sb") == {}
    old = b"ccopyreg\n_reconstructor\n(cuser\nNet\nc__builtin__\nobject\nNtR" + registries + b"b"
    assert load(old) == {}


# What nobody should write.


class _Evil:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "executed"
    for name, evil in (
        (f"{os.system.__module__}.system", _Evil(os.system, f"touch {mark}")),
        ("builtins.exec", _Evil(exec, f"open({str(mark)!r}, 'w')")),
        (f"{open.__module__}.open", _Evil(open, str(mark), "w")),
        ("builtins.getattr", _Evil(getattr, "x", "upper")),
    ):
        for value in (evil, {"weight": evil}, [evil]):
            content = pickle.dumps(value, protocol)
            path = archive(tmp_path / "x.pt", {"a/data.pkl": content})
            with pytest.raises(nn.CheckpointError, match=f"calls {name}, which is not allowed"):
                nn.load(path)
            start = b"".join(pickle.dumps(one, protocol) for one in (0x1950A86A20F9469CFC6C, 1001, {}))
            path.write_bytes(start + content + pickle.dumps([], protocol))
            with pytest.raises(nn.CheckpointError, match=f"calls {name}, which is not allowed"):
                nn.load(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "piece"),
    [
        (b"cos\nsystem\n", "the global os.system"),
        (b"cos\nsystem\n" + text("ls") + b"\x85R0N", "os.system"),  # called, and the result thrown away
        (b"cos\nsystem\n" + text("ls") + b"\x85\x81", "class os.system"),
        (b"cuser\nThing\n)\x81}" + text("__class__") + text("x") + b"sb", "class user.Thing"),
        (b"]" + b"cuser\nThing\n)\x81a", "at [0]"),
        (b"ctorch.storage\n_load_from_bytes\n(B\0\0\0\0tR", "_load_from_bytes"),
        (b"ctorch._utils\n_rebuild_sparse_tensor\n)R", "to_dense()"),
        (b"ctorch._utils\n_rebuild_qtensor\n)R", "dequantize()"),
        (b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R", "meta"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncuser\nT\n" + text("ls") + b"\x85}tR", "_rebuild_from_type_v2"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_evil\ncuser\nT\n)}tR", "_rebuild_evil"),
        (b"(i__main__\nX\n", "instruction b'i'"),
        (b"\x82\x01", "instruction"),
        (b"\x80\x09", "protocol 9"),
        (b"K\1}b", "attributes of a int"),
        (b"K\1K\2a", "appends to a int"),
        (b"]K\1K\2s", "entries of a list"),
        (b"}]K\1s", "list as key"),
        (b"}" + integer(((1 << 61) - 1) << 8) + b"Ns", "int as key"),  # such numbers all have the same hash
        (b"cbuiltins\nset\n(]" + integer(((1 << 61) - 1) << 8) + b"atR", "arguments"),
        (b"h\7", "object 7"),
        (b"K", "truncated"),
        (b"0", "truncated or damaged"),
        (b"t", "mark is missing"),
        (b"(", "takes a mark"),
        (b"X\xff\xff\xff\x7f", "truncated"),
        (b"X\1\0\0\0\xff", "not UTF-8"),
        (b"\x8b\xff\xff\xff\xff", "negative length"),
        (b"I1e5\n", "integer that is none"),
        (b"c" + b"a" * 10000 + b"\nb\n", "line that does not end"),
        (text("x") + b"Q", "persistent id"),
        (storage("torch\nQInt8Storage"), "torch.QInt8Storage"),
        (storage("os\nFloatStorage"), "os.FloatStorage"),
        (storage(key="../0"), "no entry 'a/data/../0'"),
        (storage(numel=-1), "-1 elements"),
        (storage(numel=7), "fewer elements"),
        (tensor(offset=1), "element 6 of a storage of 6"),
        (tensor(offset=-1), "arguments"),
        (tensor(shape=integers(-1, 3)), "arguments"),
        (tensor(strides=integers(-3, 1)), "arguments"),
        (tensor(strides=integers(3)), "arguments"),
        (tensor(strides=integers(1 << 61, 1)), "element"),
        (tensor(shape=integers(1 << 40, 1 << 40), strides=integers(0, 0)), "larger than any memory"),
        (tensor(shape=integers(*[1] * 33), strides=integers(*[0] * 33)), "33 dimensions"),
        (tensor(end=b"}" + text("conj") + b"\x88s"), "resolve_conj()"),
        (REBUILD + b")R", "arguments"),
        (
            b"ctorch._utils\n_rebuild_tensor_v3\n("
            + storage()
            + b"K\0"
            + integers(1) * 2
            + b"\x89"
            + ORDERED
            + b"ctorch\nfloat8_e4m3fn\ntR",
            "float8",
        ),
        (b"cnumpy\ndtype\n(U\2O8tR", "expected numbers"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\2f8tRC\1xtR", "1 bytes"),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R", "damaged NumPy array"),
        (b"]q\0h\0a", "contains itself"),
        (b"]" * 200 + b"a" * 199, "levels deep"),
        (b"N" + b"\x85" * 100_000, "levels deep"),
        (ORDERED + b"}" + text("_metadata") + b"}" + text("a") + b"]ssb", "_metadata"),
    ],
)
def test_refused(load: Any, content: bytes, piece: str) -> None:
    start = time.perf_counter()
    refused(load, content, piece)
    assert time.perf_counter() - start < 2


def doubled(start: bytes, count: int, pair: bytes) -> bytes:
    """Each value holds the one before twice."""
    return start + b"".join(b"q" + bytes([i]) + b"0" + pair.replace(b"?", b"h" + bytes([i])) for i in range(count))


@pytest.mark.parametrize(
    ("content", "piece"),
    [
        (b"}" + doubled(b")", 60, b"??\x86") + b"Ns", "tuple as key"),  # its hash takes 2^60 steps
        (text("y" * 200_000) + b"q\0](" + (b"c_codecs\nencode\n(h\0" + text("latin1") + b"tR") * 3000 + b"e", "like a bomb"),
        (b"(" + b"K\1" * 50_000 + b"lq\0](" + b"cbuiltins\nset\nh\0\x85R" * 3000 + b"e", "like a bomb"),
        (b"(" + b"K\1" * 50_000 + b"lq\0](" + b"ctorch\nSize\nh\0\x85R" * 30000 + b"e", "like a bomb"),
    ],
    ids=["hash", "bytes", "sets", "tuples"],
)
def test_bombs_in_pickles(load: Any, content: bytes, piece: str) -> None:
    start = time.perf_counter()
    tracemalloc.start()
    refused(load, content, piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 and time.perf_counter() - start < 5


def test_modules_that_hold_each_other_twice(load: Any) -> None:
    def module(children: bytes) -> bytes:
        registries = b"}(" + text("_parameters") + b"}" + text("_buffers") + b"}" + text("_modules") + children + b"u"
        return b"cuser\nNet\n)\x81" + registries + b"b"

    content = module(b"}")
    for i in range(60):
        content += b"q" + bytes([i]) + b"0" + module(b"}(" + text("a") + b"h" + bytes([i]) + text("b") + b"h" + bytes([i]) + b"u")
    refused(load, content, "like a bomb")


def test_archives_that_are_not_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pt"
    sound = entries_of(tensor())
    for name in ("/etc/passwd", "../x", "a/../../x", "c:x", "a\\b"):
        with pytest.raises(nn.CheckpointError, match="points out of its folder"):
            nn.load(archive(path, {**sound, name: b""}))
    monkeypatch.setattr("swiftnn.checkpoint.zip_archive._MOST_BYTES", 1 << 20)
    with pytest.raises(nn.CheckpointError, match="bomb"):
        nn.load(archive(path, {**sound, "a/zeros": bytes((1 << 20) + 1)}, zipfile.ZIP_DEFLATED))
    assert nn.load(archive(path, {**sound, "a/zeros": bytes(1000)}, zipfile.ZIP_DEFLATED)).shape == (2, 3)
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as file:
        for _ in range(2):
            file.writestr("a/data.pkl", sound["a/data.pkl"])
    with pytest.raises(nn.CheckpointError, match="two entries"):
        nn.load(path)
    with pytest.raises(nn.CheckpointError, match="method 14"):
        nn.load(archive(path, sound, zipfile.ZIP_LZMA))
    with pytest.raises(nn.CheckpointError, match="TorchScript"):
        nn.load(archive(path, {**sound, "a/constants.pkl": b""}))
    with pytest.raises(nn.CheckpointError, match="neither"):
        nn.load(archive(path, {"readme.txt": b""}))
    with pytest.raises(nn.CheckpointError, match="no entry 'a/data/0'"):
        nn.load(archive(path, {"a/data.pkl": sound["a/data.pkl"]}))
    data = archive(path, sound).read_bytes()
    for cut in range(0, len(data), 7):
        path.write_bytes(data[:cut])
        with pytest.raises(nn.CheckpointError):
            nn.load(path)
    path.write_bytes(data.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v3"))
    with pytest.raises(nn.CheckpointError, match="checksum"):
        nn.load(path)


def test_entries_that_overlap(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pt", {**entries_of(tensor()), "a/data/1": bytes(24)})
    data = bytearray(path.read_bytes())
    first, second = (data.index(b"PK\1\2", 0), data.rindex(b"PK\1\2"))
    for at in (first, second):
        assert data[at : at + 4] == b"PK\1\2"
    # The directory says that the last entry starts where the one before does.
    middle = data.index(b"PK\1\2", first + 1)
    data[second + 42 : second + 46] = data[middle + 42 : middle + 46]
    path.write_bytes(data)
    with pytest.raises(nn.CheckpointError, match="overlap"):
        nn.load(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("storages"))
    for content, message in (
        (b"", "empty"),
        (b"<html>", "not a checkpoint: it starts with b'<html>'"),
        (pickle.dumps({"a": 1}), "torch.save did not write"),
        (buffer.getvalue(), r"0\.1\.9"),
        (b"{}", "weight_map"),
    ):
        path.write_bytes(content)
        with pytest.raises(nn.CheckpointError, match=message):
            nn.load(path)
    with pytest.raises(FileNotFoundError):
        nn.load(tmp_path / "no.pt")
    # The content says what a file is, not its name.
    path.write_bytes((FOLDER / "nested.zip.pt").read_bytes())
    assert nn.load(path.rename(tmp_path / "x.safetensors"))["epoch"] == 12
