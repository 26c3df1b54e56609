"""Writes Tests/python/checkpoints/*.pt with PyTorch: python Tests/python/make_checkpoints.py

The values are those of checkpoint_cases.py. The files are committed, so that the tests need no PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from checkpoint_cases import CASES, FOLDER, VARIANTS, module, nested, parameters, types  # noqa: E402


def torch_types() -> Any:
    return {name: torch.from_numpy(value).to(getattr(torch, name)) for name, value in types().items()}


def torch_views() -> Any:
    base = torch.arange(24, dtype=torch.float32)
    return {
        "whole": base,
        "matrix": base.view(4, 6),
        "transposed": base.view(4, 6).T,
        "part": base.view(2, 3, 4)[:, 1, ::2],
        "expanded": base[5].expand(3, 2),
        "number": base[7],
        "empty": torch.zeros(0, 3),
    }


def torch_nested() -> Any:
    value = nested()
    value["size"] = torch.Size([2, 3])
    value["dtype"] = torch.float32
    value["device"] = torch.device("cuda", 1)
    value["args"] = argparse.Namespace(lr=0.5, layers=[1, 2], out=Path("runs/1"))
    for name in ("weight", "bias"):
        value["model"][name] = torch.from_numpy(value["model"][name])
    value["model"]._metadata = OrderedDict([("", {"version": 1})])
    value["optimizer"]["state"][0] = {"step": torch.tensor(3.0), "exp_avg": torch.full((2, 2), 0.5)}
    return value


class Net(torch.nn.Module):
    """A class that nobody who reads the file has."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([2.0]))
        self.register_buffer("table", torch.arange(3))
        self.register_buffer("cache", torch.ones(5), persistent=False)
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.ReLU())
        self.again = self.body[0]
        self.nothing = None
        self.activation = torch.nn.functional.relu


def torch_module() -> Any:
    user = ModuleType("user_models")
    user.Net = Net  # type: ignore[attr-defined]
    Net.__module__ = "user_models"
    sys.modules["user_models"] = user
    net = Net()
    net.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in module().items()})
    return net


def torch_parameters() -> Any:
    state = {name: torch.nn.Parameter(torch.from_numpy(value), name != "frozen") for name, value in parameters().items()}
    state["marked"].sharding = "rows"
    return state


def no_source(*args: Any) -> Any:
    raise OSError


def main() -> None:
    # The stream would hold the source of PyTorch's classes.
    torch.serialization.get_source_lines_and_file = no_source
    FOLDER.mkdir(exist_ok=True)
    for name in CASES:
        value = globals()[f"torch_{name}"]()
        for variant, options in VARIANTS.items():
            if variant.startswith("stream") and name == "types":
                # The stream has no class of storage for the unsigned integers.
                value = {key: tensor for key, tensor in value.items() if key not in ("uint16", "uint32", "uint64")}
            torch.save(value, FOLDER / f"{name}.{variant}.pt", **options)
    print(sum(path.stat().st_size for path in FOLDER.iterdir()), "bytes")


if __name__ == "__main__":
    main()
