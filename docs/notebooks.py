"""Make a notebook of each tutorial: the text of the page, and its blocks of Python as cells.

    python docs/notebooks.py DIR        # write them to DIR
    python docs/notebooks.py DIR --run  # and run them: pip install "gradcore[notebooks]"

As an extension of Sphinx it puts them into the site, with a line on each page that leads to the
notebook and runs the page in the browser (static/run.js).
"""

from __future__ import annotations

import argparse
import base64
import doctest
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NO_CELLS = {"index.md", "add-a-backend.md"}  # the latter's blocks are files of a package
PAGES = [page for page in sorted((HERE / "tutorials").glob("*.md")) if page.name not in NO_CELLS]
SITE = "https://gradcore.readthedocs.io/"
SOURCE = "https://github.com/gradcore/gradcore/blob/main/"
BLOCK = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def notebook(page: Path) -> dict[str, Any]:
    """The notebook of a page, as JSON has it."""
    cells = [
        {"id": f"cell-{i}", "metadata": {}, **cell} for i, cell in enumerate(_cells(page))
    ]  # nbformat wants an id in each
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cells(page: Path) -> Iterator[dict[str, Any]]:
    text, end = page.read_text("utf-8"), 0
    for block in BLOCK.finditer(text):
        before = text[: block.start()]
        folded = before.count("<details>") > before.count("</details>")
        not_run = before.endswith("-->\n")
        if folded or not_run or re.match(r"# \w+\.\w+\n", block[1]):
            continue  # an answer, what needs more than this page, a file of a package: text
        yield from _text(text[end : block.start()], page)
        end = block.end()
        if ">>> " in block[1]:
            yield from _session(block[1])
        else:
            yield _code(block[1])
    yield from _text(text[end:], page)


def _text(text: str, page: Path) -> Iterator[dict[str, Any]]:
    """A cell of text, with its pictures inside, and links that lead to the site. Cells show what
    they draw by matplotlib, so the text does not."""
    pictures, whole = {}, page.read_text("utf-8")

    def picture(found: re.Match[str]) -> str:
        file = page.parent / found[2]
        if f'savefig("{file.name}"' in whole:
            return ""
        data = base64.b64encode(file.read_bytes()).decode()
        pictures[file.name] = {TYPES[file.suffix]: data}
        return f"{found[1]}attachment:{file.name})"

    def link(found: re.Match[str]) -> str:
        target = (page.parent / found[1]).resolve()
        inside = target.is_relative_to(HERE)
        place = target.relative_to(HERE if inside else HERE.parent).as_posix()
        return f"]({SITE}{place[:-3]}.html" if inside else f"]({SOURCE}{place}"

    text = re.sub(r"(!\[[^\]]*\]\()([^):]+)\)", picture, text)
    text = re.sub(r"\]\(([^)#:]+\.md)", link, text)
    text = re.sub(r"^<!--.*?-->\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    if text:
        more = {"attachments": pictures} if pictures else {}
        yield {"cell_type": "markdown", "source": text, **more}


def _code(source: str, *tags: str) -> dict[str, Any]:
    cell = {"cell_type": "code", "source": source.strip(), "execution_count": None, "outputs": []}
    return cell | ({"metadata": {"tags": [*tags]}} if tags else {})


def _session(block: str) -> Iterator[dict[str, Any]]:
    """A cell for each statement that shows something, as a cell shows its last one."""
    source = ""
    for example in doctest.DocTestParser().get_examples(block):
        source += re.sub(r"  # doctest:.*", "", example.source)
        if example.want:
            yield _code(source, *["raises-exception"] * bool(example.exc_msg))
            source = ""
    if source:
        yield _code(source)


def write(folder: Path) -> list[Path]:
    """Write the notebooks of all pages to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for page in PAGES:
        file = folder / f"{page.stem}.ipynb"
        file.write_text(json.dumps(notebook(page), indent=1, ensure_ascii=False) + "\n", "utf-8")
        files.append(file)
    return files


def run(file: Path) -> None:
    """Run a notebook in a folder of its own, and keep what it shows.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised an error, and was not to.
    """
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(file, 4)
    if not shutil.which("dot"):  # without Graphviz there is the text of pictures only
        for cell in book.cells:
            cell.source = cell.source.replace('.svg"', '.dot"')
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(book, timeout=300, resources={"metadata": {"path": folder}}).execute()
    nbformat.write(book, file)


# -- In the site ----------------------------------------------------------------------------------

LINE = """

<p class="launch" data-wheel="../_static/{wheel}">
<a href="{name}.ipynb" download>Open as a notebook</a> &middot;
<button type="button" hidden>Run it in this page</button> <span role="status"></span>
</p>

"""


def _build_wheel(app: Any) -> None:
    """Put gradcore itself into the site, for the browser's Python."""
    folder = app.outdir / "_static"
    for earlier in folder.glob("gradcore-*.whl"):
        earlier.unlink()
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, HERE.parent]
    subprocess.run(command, check=True)
    (app.gradcore_wheel,) = folder.glob("gradcore-*.whl")


def _add_line(app: Any, docname: str, source: list[str]) -> None:
    """Below the title of a tutorial: the link to its notebook, and what runs it."""
    folder, _, name = docname.rpartition("/")
    if folder == "tutorials" and name in {page.stem for page in PAGES}:
        line = LINE.format(name=name, wheel=app.gradcore_wheel.name)
        source[0] = source[0].replace("\n\n", line, 1)


def _add_script(app: Any, docname: str, _template: str, context: Any, _doctree: Any) -> None:  # noqa: ARG001
    if docname.startswith("tutorials/"):
        app.add_js_file("run.js", type="module")


def _add_notebooks(app: Any, error: Exception | None) -> None:
    if error is None:
        write(app.outdir / "tutorials")


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("builder-inited", _build_wheel)
    app.connect("source-read", _add_line)
    app.connect("html-page-context", _add_script)
    app.connect("build-finished", _add_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main() -> None:
    """Write the notebooks, and run them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--run", action="store_true", help="run them; a cell's error ends this")
    arguments = parser.parse_args()
    for file in write(arguments.folder):
        if arguments.run:
            run(file)
        print(file)


if __name__ == "__main__":
    main()
