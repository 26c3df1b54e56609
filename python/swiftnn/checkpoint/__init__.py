"""Files of weights: safetensors, PyTorch's .pt and .pth, NumPy's .npz. Nothing in a file is ever executed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from . import npz_file, safetensors_file, torch_file, torch_writer
from .mapped_file import map_file
from .rename import rename_keys
from .safetensors_file import read_metadata
from .zip_archive import ZipArchive

__all__ = ["CheckpointError", "load", "read_metadata", "rename_keys", "save"]


def load(path: str | os.PathLike[str], rename: Mapping[Any, str | None] | None = None) -> Any:
    """Reads a file of weights, whatever its name: the format is told by its content.

    * safetensors, and the `*.index.json` of a model in several such files (or in several files of PyTorch);
    * what `torch.save` wrote, in every version since 0.2: state dicts, and dicts, lists and numbers round them as they come;
      whole modules become their state dicts, `argparse.Namespace` a dict, `torch.Size` a tuple, devices and dtypes strings;
    * .npz, of plain arrays or written by `nn.save` or `nn.fit`.

    The file is mapped: arrays are views of it where its alignment allows that, pages are read when they are used (those of .npz at once, to
    compare its checksums). They can be written, which never changes the file. Tensors that share memory in the file share it here. float16
    and bfloat16, which the layers do not compute in, become float32 of the same value (.npz excepted, whose arrays come back as NumPy wrote
    them). Do not shorten the file while the arrays live; replacing it by another, as `nn.save` does, is harmless.

    No code runs, whatever the file says. A file of PyTorch that calls or contains anything but the above is refused, and the error
    names it.

    Args:
        path: the file.
        rename: for a state dict, how names begin and what stands there instead, a tuple where arrays are joined to one; see
            `nn.checkpoint.rename_keys`.

    Returns:
        For a state dict a dict of arrays, as `load_state_dict` takes it; else what was saved.

    Raises:
        CheckpointError: the file is damaged, hostile, or of no format named here.
        OSError: it cannot be opened.
        ValueError: a row of `rename` fits no name, gives two entries the same name, or joins arrays that do not fit.
        TypeError: `rename` is given and the file holds no state dict.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> nn.save(path, model.state_dict())
        >>> nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).load_state_dict(nn.load(path))
        <All keys matched successfully>
        >>> {name: array.shape for name, array in nn.load(path, rename={"0.": "hidden.", "2.": "out."}).items()}
        {'hidden.bias': (8,), 'hidden.weight': (8, 4), 'out.bias': (2,), 'out.weight': (2, 8)}
    """
    try:
        value = _read(Path(path), True)
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from None
    if rename is None:
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"rename: {os.fspath(path)} holds a {type(value).__name__}, no state dict")
    return rename_keys(value, rename)


def _read(path: Path, may_be_index: bool) -> Any:
    data = map_file(path)
    start = bytes(data[:4])
    if safetensors_file.is_safetensors(data):
        return safetensors_file.read(data)
    if start == b"PK\3\4":
        archive = ZipArchive(data)
        root = torch_file.torch_root(archive)
        if root is not None:
            return torch_file.read_zip(archive, root)
        if npz_file.is_npz(archive):
            return npz_file.read(archive)
        raise CheckpointError("it is a ZIP archive, but neither of torch.save (it has no data.pkl) nor of NumPy (.npy)")
    if torch_file.is_legacy(data):
        return torch_file.read_legacy(data)
    if start[:1] == b"{" and may_be_index:
        return _read_shards(path, bytes(data))
    if bytes(data[257:262]) == b"ustar":
        raise CheckpointError("it is in the format of PyTorch 0.1.9 and older; load and save it with a later PyTorch first")
    if start[:1] == b"\x80":
        raise CheckpointError("it is a pickle that torch.save did not write, which only its own program can read")
    raise CheckpointError(
        f"it is not a checkpoint: it starts with {bytes(data[:8])!r}; expected safetensors, an index of shards, PyTorch's format or .npz"
    )


def _read_shards(path: Path, text: bytes) -> dict[str, Any]:
    """The tensors of all the files that an index names."""
    index = safetensors_file.parse_json(text, "the index")
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise CheckpointError("it is JSON, but no index of shards: it has no weight_map of names to files")
    found: dict[str, Any] = {}
    for file in dict.fromkeys(weight_map.values()):
        if not file or file in (".", "..") or "/" in file or "\\" in file or "\0" in file:
            raise CheckpointError(f"it names the shard {file!r}; expected a file in the same folder")
        try:
            shard = _read(path.with_name(file), False)
        except FileNotFoundError:
            raise CheckpointError(f"it names the shard {file!r}, which is not beside it") from None
        except (CheckpointError, OSError) as error:
            raise CheckpointError(f"shard {file!r}: {error}") from None
        expected = {name for name, place in weight_map.items() if place == file}
        what = f"the index and its shard {file!r} do not hold the same tensors"
        if not isinstance(shard, dict) or shard.keys() != expected:
            one_sided = sorted(map(str, expected ^ set(shard))) if isinstance(shard, dict) else []
            raise CheckpointError(what + (f": {one_sided[0]!r} is in one only" if one_sided else ""))
        found.update(shard)
    return {name: found[name] for name in weight_map}


def save(path: str | os.PathLike[str], state: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a state dict, or nested values round it; until all of it is on the disk, the file that was there stays.

    The suffix says the format: .safetensors for arrays by name alone; .npz, which any NumPy reads when the state is arrays by name; .pt
    and .pth, which `torch.load` reads.

    Args:
        path: the file, with one of these suffixes.
        state: arrays, Tensors or Parameters by name, as `state_dict()` gives them; for .npz and .pt also dicts, lists, tuples, strings,
            numbers and None, nested.
        metadata: strings by name that a .safetensors file carries beside the tensors.

    Raises:
        ValueError: the suffix is another one, or metadata is given for another format.
        TypeError: the format cannot hold what `state` contains; the message says where.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
        >>> nn.save(path, {"epoch": 3, "model": nn.Linear(2, 3).state_dict()})
        >>> checkpoint = nn.load(path)
        >>> checkpoint["epoch"], checkpoint["model"]["weight"].shape
        (3, (3, 2))
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"save: path must be a string or a path, but got {type(path).__name__}; it comes first: nn.save(path, state)")
    suffix = Path(path).suffix.lower()
    if metadata is not None and suffix != ".safetensors":
        raise ValueError(f"save: only .safetensors has metadata, got the path {os.fspath(path)!r}; put it into the state")
    if suffix == ".safetensors":
        if not isinstance(state, Mapping):
            raise TypeError(f"save: .safetensors holds a dict of arrays, got a {type(state).__name__}; .npz and .pt hold nested values")
        safetensors_file.write(path, state, metadata)
    elif suffix == ".npz":
        npz_file.write(path, state)
    elif suffix in (".pt", ".pth"):
        torch_writer.write(path, state)
    else:
        raise ValueError(f"save: the suffix of {os.fspath(path)!r} says no format; expected .safetensors, .npz, .pt or .pth")
