"""Executes the notebooks of this folder, each in a kernel of its own, and writes what they show into them.

    pip install 'swiftnn[notebooks]'
    python python/notebooks/execute.py                  # all, the files are replaced
    python python/notebooks/execute.py 5_attention      # some
    python python/notebooks/execute.py --check          # only executes
"""

from __future__ import annotations

import argparse
import base64
import io
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent


def execute(path: Path, timeout: int = 120) -> Any:
    """The executed notebook; a cell that raises, as an assertion that does not hold, raises CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    # The folder is where the notebook's relative paths begin. Times of execution would be a change at every run.
    NotebookClient(notebook, timeout=timeout, record_timing=False, resources={"metadata": {"path": str(path.parent)}}).execute()
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    return notebook


def compress(notebook: Any) -> None:
    """Keeps each picture as 256 colours or, where that is smaller, as of photographs, as JPEG."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        data = output.get("data", {})
        if "image/png" in data:
            picture = Image.open(io.BytesIO(base64.b64decode(data.pop("image/png")))).convert("RGB")
            png, jpeg = io.BytesIO(), io.BytesIO()
            picture.quantize(256).save(png, "PNG", optimize=True)
            picture.save(jpeg, "JPEG", quality=75, optimize=True)
            kind, smaller = min(("image/png", png.getvalue()), ("image/jpeg", jpeg.getvalue()), key=lambda pair: len(pair[1]))
            data[kind] = base64.b64encode(smaller).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of notebooks, without .ipynb")
    parser.add_argument("--check", action="store_true", help="does not write")
    options = parser.parse_args()
    for path in [FOLDER / f"{name}.ipynb" for name in options.names] or sorted(FOLDER.glob("*.ipynb")):
        start = time.perf_counter()
        notebook = execute(path)
        seconds = time.perf_counter() - start
        if not options.check:
            compress(notebook)
            nbformat.write(notebook, path)
        print(f"{path.name}: {seconds:.1f} s, {len(nbformat.writes(notebook)) / 1e3:.0f} KB", flush=True)


if __name__ == "__main__":
    main()
