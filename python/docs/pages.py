"""Writes a page for each layer and for each module of functions; their text is in the docstrings."""

from __future__ import annotations

import importlib
from pathlib import Path

import swiftnn as nn

__all__ = ["write_pages"]

# The groups of the index of layers: title and the modules whose classes they hold.
GROUPS = {
    "Convolution": ["conv", "fold"],
    "Pooling": ["pooling"],
    "Recurrent": ["rnn"],
    "Attention": ["attention", "transformer"],
    "Linear": ["linear", "identity", "embedding"],
    "Normalisation": ["normalization"],
    "Activation": ["activation"],
    "Dropout": ["dropout"],
    "Shape": ["flatten", "padding", "upsampling"],
    "Distance": ["distance"],
    "Loss": ["loss", "adaptive"],
    "Containers": ["module", "container"],
}

# Pages that list every function and class of a module.
MODULES = {
    "functional": "nn.functional: the functions behind the layers",
    "tensor": "nn.Tensor and nn.Parameter",
    "tape": "Gradients",
    "function": "nn.Function: operations of your own",
    "operators": "Operations on arrays and Tensors",
    "optim": "nn.optim: optimizers",
    "optim.lr_scheduler": "nn.optim.lr_scheduler: learning rates",
    "optim.swa_utils": "nn.optim.swa_utils: averages of weights",
    "data": "nn.data: loaders",
    "training": "nn.training: fit",
    "checkpoint": "nn.load, nn.save: files of weights",
    "parameter": "nn.Buffer and uninitialised parameters",
    "pytorch": "nn.from_torch: live PyTorch models",
    "init": "nn.init: initial values",
    "random": "nn.random: generators",
    "runtime": "Threads and memory",
    "interop": "nn.interop: other libraries",
    "inspection": "nn.summary",
    "plot": "nn.plot: pictures",
    "modules.streams": "Streams: sequences piece by piece",
    "utils": "nn.utils",
    "utils.parametrizations": "nn.utils.parametrizations: normalised and orthogonal weights",
    "utils.parametrize": "nn.utils.parametrize: weights computed from others",
    "utils.prune": "nn.utils.prune: weights held at 0",
    "utils.rnn": "nn.utils.rnn: packed sequences",
    "utils.stateless": "nn.utils.stateless: modules as functions",
}


def _titled(title: str) -> str:
    return f"{title}\n{'=' * len(title)}\n\n"


def _layer_page(name: str) -> str:
    members = "   :members:\n" if name in ("Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict") else ""
    page = _titled(name) + f".. autoclass:: swiftnn.{name}\n{members}\n"
    page += f"**In PyTorch**: `torch.nn.{name} <https://docs.pytorch.org/docs/stable/generated/torch.nn.{name}.html>`_.\n\n"
    cls = getattr(nn, name)
    if "Differences from PyTorch:" not in (cls.__doc__ or ""):
        page += "**Differences from PyTorch**: none beyond :doc:`those that all layers share </differences>`.\n\n"
    return page


def write_pages(source: Path) -> None:
    """Writes `layers/*.rst` and `api/*.rst` under the folder of the sources."""
    layers, api = source / "layers", source / "api"
    for folder in (layers, api):
        folder.mkdir(exist_ok=True)
    before = {*layers.glob("*.rst"), *api.glob("*.rst")}
    pages: set[Path] = set()

    def write(path: Path, text: str) -> None:
        pages.add(path)
        # An unchanged file keeps its time, so that a second build has nothing to do.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    written = set()
    index = _titled("Layers")
    for title, modules in GROUPS.items():
        names = sorted(name for name in nn.modules.__all__ if getattr(nn, name).__module__.rsplit(".", 1)[1] in modules)
        written.update(names)
        index += f".. toctree::\n   :caption: {title}\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in names) + "\n"
        for name in names:
            write(layers / f"{name}.rst", _layer_page(name))
    missing = set(nn.modules.__all__) - written
    if missing:
        raise ValueError(f"no group in python/docs/pages.py has the layers {sorted(missing)}")
    write(layers / "index.rst", index)
    index = _titled("Functions and classes") + ".. toctree::\n   :maxdepth: 1\n\n"
    for module, title in MODULES.items():
        members = ", ".join(importlib.import_module(f"swiftnn.{module}").__all__)
        page = _titled(title) + f".. automodule:: swiftnn.{module}\n   :members: {members}\n   :show-inheritance:\n"
        write(api / f"{module}.rst", page)
        index += f"   {module}\n"
    write(api / "index.rst", index)
    for path in before - pages:
        path.unlink()
