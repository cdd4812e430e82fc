"""Make the generated pages and pictures of docs/.

python scripts/make_docs.py            # writes docs/reference/*.md and docs/pictures/*.png
python scripts/make_docs.py --check    # only compares the pages; exit code 1 if a page is stale
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

import godeeper
from godeeper.blueprint.address import Tensor, resolve, resolve_one
from godeeper.blueprint.cost import conv_macs, macs_share
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.remarks import remark
from godeeper.cli.main import main as command_line
from godeeper.cli.main import make_parser

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
PICTURES = ROOT / "docs" / "pictures"
WANTED = ("mixed/tower_1/conv_2[8,24,32,56]", "mixed_4/tower_1/conv_4[3,24,38,51]")
DECOMPOSED = "mixed_4/tower_1/conv_4[17]"
"""The filter in the picture of docs/explanation/what-a-filter-is.md."""
HELP_WIDTH = "100"
SHAPE = re.compile(r"\([\w ]+,[\w, …]*\)")
"""The shape of an array in a docstring: ``(classes,)``, ``(B, C, H, W)``."""
KERAS_COUNTS = (
    ("TF 2, Keras 3", "", ("", "_11", "_93")),
    ("Keras 2.2 and older", "keras2.2:", ("_1", "_12", "_94")),
)
"""The convention, the text before the number, and the numbers of the first, the twelfth and the last activation."""

EXIT_CODES = """\
## Exit codes

All commands use the same exit codes:

| code | meaning |
|---|---|
| 0 | done |
| 1 | done, but some inputs could not be used (a damaged photo, for example), or a check failed |
| 2 | nothing was done: an input or an option is wrong, or the output cannot be written; one line says what, and what to do |
| 130 | stopped by Ctrl-C |

A photo that cannot be read gives code 1; a duplicate that is left out of a training does not. With `--json`, standard output holds one document and
nothing else.

"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is stale")
    options = parser.parse_args()
    pages = {
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "python.md": python_page(),
        REFERENCE / "tensors.md": tensors_page(),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if options.check:
        print("\n".join(f"stale: {path.relative_to(ROOT)}" for path in stale), end="\n" * bool(stale))
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path])
    chelsea = str(ROOT / "examples" / "chelsea.jpg")
    return (
        command_line(["peek", chelsea, "--out", str(PICTURES)])
        or command_line(["contributions", chelsea, DECOMPOSED, "--out", str(PICTURES / "contributions.png")])
        or draw_wanted()
        or draw_evidence()
    )


def draw_wanted() -> int:
    """Draw visualisations of four filters of an early module and four of a middle module, for docs/explanation/what-a-filter-is.md."""
    network = godeeper.load()
    rows = [[each.picture for each in network.visualise(address)] for address in WANTED]
    network.close()
    side = rows[0][0].width
    sheet = Image.new("RGB", (side * len(rows[0]), side * len(rows)))
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (side * column, side * row))
    sheet.save(PICTURES / "wanted.jpg", quality=85)
    return 0


def draw_evidence() -> int:
    """Draw the picture of docs/how-to/explain-a-verdict.md, as that page does."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, str(ROOT / "examples" / "collage.py"), name], check=True)
        classifier, features = str(folder / "both.godeeper"), "mixed/join,mixed_5/join,mixed_8/join"
        return command_line(
            ["retrain", str(folder / "photos"), "--out", classifier, "--features", features]
        ) or command_line(["explain", classifier, str(folder / "both.png"), "--class", "cat", "--out", str(PICTURES)])


def commands_page() -> str:
    """Return every command's help, as it is printed."""
    os.environ["COLUMNS"] = HELP_WIDTH
    sections = [
        f"## `{parser.prog}`\n\n```text\n{parser.format_help().strip()}\n```\n" for parser in parsers(make_parser())
    ]
    return "# Commands\n\nMade by `make docs` from `--help`.\n\n" + EXIT_CODES + "\n".join(sections)


def python_page() -> str:
    """Return every public name of the package and of its classes, with signature and docstring."""
    names = [name for name in godeeper.__all__ if not name.startswith("__")]
    sections = [section(f"godeeper.{name}", getattr(godeeper, name)) for name in names]
    head = "# Python\n\nMade by `make docs` from the docstrings. Arrays have the shape (B, C, H, W) unless stated otherwise.\n\n"
    return head + "\n".join(sections)


def section(name: str, value: Any) -> str:
    """Return a function, or a class with its public members; exit if none of their docstrings has an example."""
    members = {
        member: inspect.getattr_static(value, member)
        for member in (vars(value) if inspect.isclass(value) else ())
        if not member.startswith("_") and is_documented(inspect.getattr_static(value, member))
    }
    parts = [entry("##", name, value)]
    texts = [inspect.getdoc(each) or "" for each in (value, *members.values())]
    if ">>>" not in "".join(texts):
        sys.exit(f"{name} is public and shows no example: add one to its docstring")
    if inspect.isfunction(value) and inspect.signature(value).parameters and "Raises:" not in texts[0]:
        sys.exit(f"{name} is public and does not say what it raises: add it to its docstring")
    for member, each in members.items():
        if has_raise(each) and "aises" not in (inspect.getdoc(each) or ""):
            sys.exit(f"{name}.{member} is public and does not say what it raises: add it to its docstring")
    parts += [entry("###", f"{value.__name__}.{member}", each) for member, each in members.items()]
    return "\n".join(parts)


def has_raise(member: Any) -> bool:
    """Whether the source of a method or property has a ``raise`` statement."""
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    return (
        inspect.isfunction(function) and re.search(r"^ *raise ", inspect.getsource(function), re.MULTILINE) is not None
    )


def is_documented(member: Any) -> bool:
    """Return whether a name needs an entry: methods and properties do; a dataclass's fields are described by its class."""
    return callable(member) or isinstance(member, property | classmethod | staticmethod)


def entry(heading: str, name: str, value: Any) -> str:
    """Return a heading, the signature and the docstring; exit if there is no docstring, or if it omits the shape of an array."""
    said = inspect.getdoc(value)
    if not said or (inspect.isclass(value) and (value.__doc__ or "").startswith(f"{value.__name__}(")):
        sys.exit(f"{name} is public and has no docstring: write one")
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if returns_array(value) and not SHAPE.search(said):
        sys.exit(f"{name} is public and returns an array, but states no shape: add one, such as (B, C, H, W)")
    signature = "" if isinstance(value, property) else signature_text(function)
    return f"{heading} `{name}`\n\n```text\n{name}{signature}\n\n{said}\n```\n"


def returns_array(value: Any) -> bool:
    """Return whether the annotation of a function, method or property names an array."""
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    returned = str(getattr(function, "__annotations__", {}).get("return", ""))
    return returned.startswith(("NDArray", "Floats", "Doubles"))


def signature_text(value: Any) -> str:
    """Return the parameters with their types, or an empty string if Python knows no signature."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return ""
    kept = [each for name, each in signature.parameters.items() if name not in ("self", "cls")]
    return str(signature.replace(parameters=kept)).replace("'", "")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser, and the parsers of its sub-commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


def tensors_page() -> str:
    """Return every tensor of Inception v3 in one table."""
    total = f"{conv_macs(INCEPTION_V3) / 1e9:.3f} G"
    lines = [
        "# Tensors of Inception v3",
        "",
        "Made by `make docs` from the blueprint.",
        "",
        f"- *cost*: the multiply-adds of the tensor and of all tensors that it is computed from, as a share of those of all convolutions ({total} per photo)",
        "- *field*: the receptive field in pixels of the 299 x 299 input; *jump*: the distance between the centres of neighbouring cells, in the same pixels",
        "- the raw and the normalised values of a convolution have their own names: `…/Conv2D` and `…/batchnorm` (2015), `….conv` and `….bn` (torchvision),",
        "  `conv2d_N` and `batch_normalization_N` (Keras)",
        "- to use the names of only one convention, write it before a colon: `torchvision:Mixed_7b`, `slim:Mixed_7b`, `keras:mixed9`, `tf2015:conv_1`",
        "",
        "## How Keras counts",
        "",
        "Keras numbers layers without a name in the order in which they are created. Its releases start from different numbers:",
        "",
        "| | first | twelfth | last |",
        "|---|---|---|---|",
        *(count_row(*column) for column in KERAS_COUNTS),
        "",
        "`keras` stands for the numbers of TF 2 and Keras 3. To use those of Keras 2.2, write the convention before a colon: `keras2.2:activation_12`.",
        "Both also accept the name of an operation in TensorFlow's graph: `activation_11/Relu:0`, `conv2d_11/Conv2D:0`, `mixed0/concat:0`.",
        "If you build a second model in one Keras session, its numbers continue after those of the first (`conv2d_94`, …). To avoid this, call",
        "`keras.utils.clear_session()` before you build it. Weights files may have any numbers, because their layers are matched by order.",
        "",
        "## Names that look alike",
        "",
        "Conventions number modules and pools differently. `godeeper tensors`, the heading of a picture and the field `remark` of the JSON point out these names:",
        "",
        *(
            f"- {said}"
            for said in dict.fromkeys(
                filter(None, (remark(INCEPTION_V3, each) for each in resolve(INCEPTION_V3, "**")))
            )
        ),
        "",
        "## All tensors",
        "",
        "| 2015 | slim | torchvision | Keras | kind | shape | cost | field | jump |",
        "|---|---|---|---|---|---|---|---|---|",
        *(row(tensor) for tensor in resolve(INCEPTION_V3, "**")),
        "",
    ]
    return "\n".join(lines)


def count_row(title: str, prefix: str, numbers: tuple[str, str, str]) -> str:
    """Return a table row with one convention's numbering: each name with the tensor that it means."""
    cells = [f"`{prefix}activation{number}`" for number in numbers]
    meant = [resolve_one(INCEPTION_V3, cell.strip("`")).address for cell in cells]
    return f"| {title} | {' | '.join(f'{cell} = `{name}`' for cell, name in zip(cells, meant, strict=True))} |"


def row(tensor: Tensor) -> str:
    """Return a tensor as a line of the table."""
    names = [f"`{name}`" if name else "" for name in tensor.names.as_dict().values()]
    shape = " x ".join(str(side or "?") for side in tensor.shape)
    share = macs_share(INCEPTION_V3, [tensor.site.index])
    field = " x ".join(map(str, tensor.field.size))
    return f"| {' | '.join(names)} | {tensor.site.kind} | {shape} | {share:.1%} | {field} | {tensor.field.jump} |"


if __name__ == "__main__":
    sys.exit(main())
