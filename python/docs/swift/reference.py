"""Builds the reference of the C functions as Swift and C see them, with DocC: python python/docs/swift/reference.py SWIFT OUTPUT [BASE]

SWIFT is the toolchain's program; clang and docc are beside it. The site is served from BASE, by default /swift.

The preprocessor makes the functions from ops.def and drops the comments on its way, so the header is written out first: each operation with
the comment of its Swift function (formula, threads), that of its row (shapes), and what the kinds of its arguments mean. Both compilers
then read this header, and DocC lays their views of it side by side.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
HEADERS = ROOT / "Sources/CSwiftNN/include"
CATALOG = Path(__file__).parent / "CSwiftNN.docc"

# Of each kind of field: what it is, and its C declaration.
FIELDS = {
    "IN": ("An array of the call's float type.", "const snn_array *{0};"),
    "OPT": ("An array of the call's float type, or NULL.", "const snn_array *{0};"),
    "NUM": ("An array of numbers.", "const snn_array *{0};"),
    "INDEX": ("An array of int64.", "const snn_array *{0};"),
    "OPTINDEX": ("An array of int64, or NULL.", "const snn_array *{0};"),
    "MASK": ("An array of bools or of the call's float type, or NULL.", "const snn_array *{0};"),
    "ARRAYS": ("Arrays of the call's float type; one with a negative ndim is absent.", "const snn_array *{0};"),
    "WRITES": ("Arrays of the call's float type, which are written in place.", "const snn_array *{0};"),
    "OUT": ("The result.", "snn_array *{0};"),
    "OPTOUT": ("A result, or NULL where it is not wanted.", "snn_array *{0};"),
    "INT": ("A number.", "int64_t {0};"),
    "INTS": ("Numbers.", "const int64_t *{0};"),
    "REAL": ("A number.", "double {0};"),
}
COUNTED = {"ARRAYS", "WRITES", "INTS"}


class Operation(NamedTuple):
    name: str
    comment: str
    fields: list[tuple[str, str]]


def operations() -> list[Operation]:
    """The rows of ops.def; a row without a comment has the one of the row before it, where that is the same operation's."""
    text = (HEADERS / "ops.def").read_text(encoding="utf-8")
    text = text[text.index("*/") + 2 :]
    found: list[Operation] = []
    comment = ""
    for match in re.finditer(r"/\*(?P<comment>.*?)\*/|SNN_OP\((?P<name>\w+),(?P<fields>(?:[^()]|\([^()]*\))*)\)", text, re.S):
        if match["comment"] is not None:
            comment += re.sub(r"\n \* ?", "\n", match["comment"]).strip() + "\n\n"
            continue
        if not comment and found and match["name"].rsplit("_", 1)[0] == found[-1].name.rsplit("_", 1)[0]:
            comment = f"The arrays have the shapes that they have in ``snn_{found[-1].name}``."
        found.append(Operation(match["name"], comment.strip(), re.findall(r"(\w+)\((\w+)\)", match["fields"])))
        comment = ""
    return found


def swift_comments() -> dict[str, str]:
    """The documentation comments of the Swift functions, by C name."""
    found = {}
    for path in (ROOT / "Sources/SwiftNN/Operations").glob("*.swift"):
        for comment, name in re.findall(r'((?:^///.*\n)+)@_cdecl\("(\w+)"\)', path.read_text(encoding="utf-8"), re.M):
            found[name] = re.sub(r"^/// ?", "", comment, flags=re.M).strip()
    return found


def markdown(text: str) -> str:
    """Plain text as Markdown: formulas are no markup, names of functions are links."""
    paragraphs = []
    for paragraph in re.split(r"\n{2,}", text):
        if not paragraph.startswith("    "):
            parts = re.split(r"(``\w+``|`[^`\n]+`)", paragraph)
            parts[::2] = [re.sub(r"([\\*\[\]<>_|~#])", r"\\\1", part) for part in parts[::2]]
            paragraph = "".join(parts)
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def block(text: str, indent: str = "") -> str:
    """Text as a documentation comment of C."""
    return "".join(f"{indent}/// {line}".rstrip() + "\n" for line in text.split("\n"))


def errors(operation: Operation) -> str:
    kinds = {kind for kind, _ in operation.fields}
    codes = ["``SNN_TYPE_ERROR``"] if kinds & {"IN", "NUM", "MASK", "ARRAYS"} else []
    if kinds & {"IN", "NUM", "ARRAYS", "INDEX"}:
        codes.append("``SNN_SHAPE_ERROR``")
    if kinds & {"INT", "INTS", "REAL"}:
        codes.append("``SNN_VALUE_ERROR``")
    if kinds & {"INDEX", "OPTINDEX"}:
        codes.append("``SNN_INDEX_ERROR``")
    return ", ".join([*codes, "``SNN_MEMORY_ERROR``", "``SNN_INTERRUPTED``"])


def field_comment(kind: str, name: str, operation: Operation) -> str:
    if kind in ("IN", "OPT", "OUT", "OPTOUT") and name.startswith("d") and operation.name.endswith("_backward"):
        of = name[1:]
        several = ("ARRAYS", of) in operation.fields
        text = f"The gradients of {of}, one after the other." if several else f"The gradient of {of}, in the shape of {of}."
        return text + {"OPT": " NULL: zeros.", "OPTOUT": " NULL where it is not wanted."}.get(kind, "")
    return FIELDS[kind][0]


def declaration(operation: Operation, swift: str) -> str:
    structure = f"snn_{operation.name}_args"
    fields = ""
    for kind, name in operation.fields:
        fields += block(markdown(field_comment(kind, name, operation)), "    ") + f"    {FIELDS[kind][1].format(name)}\n"
        if kind in COUNTED:
            fields += block(f"How many there are in {name}.", "    ") + f"    int64_t {name}_count;\n"
    swift = re.sub(r"[ \n]*Shapes: (swiftnn\.h|ops\.def)\.", "", swift)
    text = re.sub(r"\s*\b(Shapes|Saves|Threads): ", r"\n\n**\1**: ", markdown(swift)).strip()
    text += f"\n\n**Arguments**: {markdown(operation.comment)}\n\n"
    text += "- Parameter args: the arrays and options; where a result has no data, its shape is filled in and nothing is computed.\n"
    text += f"- Returns: ``SNN_OK``, or what is wrong, with the message in ``snn_last_error``: {errors(operation)}.\n\n"
    text += f"## Topics\n\n### Arguments\n\n- ``{structure}``"
    return (
        block(f"The arguments of ``snn_{operation.name}``.")
        + f"typedef struct {structure} {{\n{fields}}} {structure};\n"
        + block(text)
        + f"snn_status snn_{operation.name}(const {structure} *args);\n"
    )


def written_out_header() -> str:
    """swiftnn.h with the operations as they are after the preprocessor, documented."""
    header = (HEADERS / "swiftnn.h").read_text(encoding="utf-8")
    start, end = header.index("/* One argument struct and one prototype"), header.index("#undef REAL\n") + len("#undef REAL\n")
    comments = swift_comments()
    rows = operations()
    missing = [row.name for row in rows if f"snn_{row.name}" not in comments or not row.comment]
    if missing:
        raise SystemExit(f"no comment in ops.def or above the Swift function: {', '.join(missing)}")
    return header[:start] + "\n".join(declaration(row, comments[f"snn_{row.name}"]) for row in rows) + header[end:]


def symbol_graphs(toolchain: Path, folder: Path) -> Path:
    """What both compilers see of the header. Swift's view is reduced to what C's has: it has the system's headers too."""
    headers, graphs = folder / "include", folder / "graphs"
    headers.mkdir()
    graphs.mkdir()
    (headers / "swiftnn.h").write_text(written_out_header(), encoding="utf-8")
    (headers / "module.modulemap").write_text('module CSwiftNN {\n    header "swiftnn.h"\n    export *\n}\n')
    c = graphs / "CSwiftNN.c.symbols.json"
    extract = [
        toolchain / "clang",
        "-extract-api",
        "-x",
        "c-header",
        headers / "swiftnn.h",
        "-I",
        headers,
        "--product-name=CSwiftNN",
        "-o",
        c,
    ]
    subprocess.run(extract, check=True)
    target = json.loads(subprocess.run([toolchain / "swift", "-print-target-info"], check=True, capture_output=True, text=True).stdout)
    swift = graphs / "CSwiftNN.symbols.json"
    options = ["-module-name", "CSwiftNN", "-I", headers, "-target", target["target"]["triple"], "-output-dir", graphs]
    subprocess.run([toolchain / "swift-symbolgraph-extract", *options], check=True)

    symbols = {symbol["identifier"]["precise"]: symbol for symbol in json.loads(c.read_text())["symbols"]}
    functions = {s["names"]["title"]: s for s in symbols.values() if s["kind"]["identifier"] == "c.func"}
    bare = [name for name, symbol in functions.items() if "docComment" not in symbol]
    if bare:
        raise SystemExit(f"no documentation comment in swiftnn.h: {', '.join(bare)}")
    landing = (CATALOG / "CSwiftNN.md").read_text(encoding="utf-8")
    lost = [
        s["names"]["title"] for s in symbols.values() if s["kind"]["identifier"] == "c.func" and f"``{s['names']['title']}``" not in landing
    ]
    if lost:
        raise SystemExit(f"not in a group of {CATALOG.name}/CSwiftNN.md: {', '.join(lost)}")
    graph = json.loads(swift.read_text())
    graph["symbols"] = [symbol for symbol in graph["symbols"] if symbol["identifier"]["precise"] in symbols]
    kept = {symbol["identifier"]["precise"] for symbol in graph["symbols"]}
    graph["relationships"] = [r for r in graph["relationships"] if {r["source"], r["target"]} <= kept]
    swift.write_text(json.dumps(graph))
    return graphs


def main() -> None:
    toolchain, output = Path(shutil.which(sys.argv[1]) or sys.argv[1]).resolve().parent, Path(sys.argv[2])
    base = sys.argv[3] if len(sys.argv) > 3 else "swift"
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        graphs = symbol_graphs(toolchain, Path(folder))
        options = [
            "--additional-symbol-graph-dir",
            graphs,
            "--output-path",
            output,
            "--hosting-base-path",
            base,
            "--warnings-as-errors",
        ]
        subprocess.run([toolchain / "docc", "convert", CATALOG, *options, "--fallback-bundle-identifier", "swiftnn.CSwiftNN"], check=True)


if __name__ == "__main__":
    main()
