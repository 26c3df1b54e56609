"""The documentation site: one page for each layer and module, made from the docstrings, and the guides.

pip install '.[docs]' && sphinx-build -W --keep-going -b html python/docs build/docs
python python/docs/swift/reference.py swift build/docs/swift  # the reference of the C functions, by DocC
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from pages import write_pages  # noqa: E402

import swiftnn as nn  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "swiftnn"
copyright = "the swiftnn authors"
version = release = nn.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build", "swift"]  # swift: what DocC reads

html_theme = "furo"
html_title = "swiftnn"
html_static_path = ["_static"]
html_css_files = ["swiftnn.css"]
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
maximum_signature_line_length = 72
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Differences from PyTorch"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
smartquotes_action = "D"  # dashes; 'same' is code

_SECTION = re.compile(r"^(Args|Returns|Raises|Example|Examples|Yields|Note|Reference|Differences from PyTorch)s?:")
_KEPT = re.compile(r"(`[^`]+ <[^>]+>`_|``[^`]+``|`[^`]+`|\*\*\w[^*]*\*\*)")


def _escaped(text: str) -> str:
    """The docstrings' plain text as reStructuredText: `code` becomes a literal, and what would be markup stays what it is."""
    parts = _KEPT.split(text)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            parts[i] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", re.sub(r"([*|])", r"\\\1", part))
        elif part.startswith("`") and not part.startswith("``") and not part.endswith("_"):
            parts[i] = f"`{part}`"
    # "size: P." would start a list, numbered by letters.
    return re.sub(r"(^|: )([A-Za-z])\.$", r"\1\2\\.", "".join(parts))


def _is_equation(paragraph: list[str]) -> bool:
    """Whether a paragraph before the first section is a formula: it starts with a short left side and an equals sign."""
    return bool(re.match(r"^(\w+\[[^\]]*\]|[^\s=.:]{1,12}( [^\s=.:]{1,12}){0,2}) = ", paragraph[0]))


def docstring_to_rst(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    result: list[str] = []
    in_sections = False
    for paragraph in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        rows = paragraph.split("\n")
        in_sections = in_sections or bool(_SECTION.match(rows[0]))
        if not in_sections and _is_equation(rows):
            result += [".. code-block:: none", "   :class: equation", "", *("   " + row for row in rows), ""]
            continue
        in_example = False
        for row in rows:
            in_example = in_example or row.lstrip().startswith(">>> ")
            bullet = re.match(r"\s*(?:\* )?", row)[0]  # type: ignore[index]
            result.append(row if in_example else bullet + _escaped(row[len(bullet) :]))
        result.append("")
    lines[:] = result


def without_blank_last_lines(app: Sphinx, docname: str, source: list[str]) -> None:
    """doctest needs a blank line between an example's output and the fence; a reader does not."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def file_of_function(app: Sphinx, module: str, name: str) -> str | None:
    """The module whose file has a function of nn.functional: what they name as theirs is the package."""
    return getattr(nn.functional, name).__globals__["__name__"] if module == "swiftnn.functional" else None


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir)))
    app.connect("viewcode-follow-imported", file_of_function)
    app.connect("source-read", without_blank_last_lines)
    app.connect("autodoc-process-docstring", docstring_to_rst, priority=100)  # before napoleon
