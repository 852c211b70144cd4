"""Each tutorial's notebook is valid, and has the code and the text of the page."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
assert spec
assert spec.loader
notebooks: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebooks)


def code_of(page: Path) -> list[str]:
    """The lines that a reader runs, without prompts and results."""
    text = page.read_text("utf-8")
    text = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    text = re.sub(r"^<!-- not run.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines: list[str] = []
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if re.match(r"# \w+\.py\n", block):
            continue
        examples = doctest.DocTestParser().get_examples(block) if ">>> " in block else []
        source = "".join(example.source for example in examples) or block
        lines += [line.partition("  # doctest")[0] for line in source.splitlines() if line]
    return lines


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_notebook_has_the_code_of_the_page(page: Path) -> None:
    cells = notebooks.notebook(page)["cells"]
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    assert len(sources) > 1
    assert [line for source in sources for line in source.splitlines() if line] == code_of(page)


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_notebook_has_the_text_of_the_page_and_needs_no_file_beside_it(page: Path) -> None:
    cells = notebooks.notebook(page)["cells"]
    texts = [cell for cell in cells if cell["cell_type"] == "markdown"]
    text = "\n\n".join(cell["source"] for cell in texts)
    original = page.read_text("utf-8")
    for heading in re.findall(r"^#+ .*", re.sub(r"```.*?```", "", original, flags=re.DOTALL), re.M):
        assert heading in text
    assert text.count("<details>") == text.count("</details>") == original.count("<details>")
    for cell in texts:  # a fold, and a fence, are whole in one cell
        assert cell["source"].count("<details>") == cell["source"].count("</details>")
        assert cell["source"].count("```") % 2 == 0
    code = r"```.*?```|`[^`]*`|\$[^$]*\$"
    targets = re.findall(r"\]\(([^)]*)\)", re.sub(code, "", text, flags=re.DOTALL))
    assert all(re.match(r"https://|attachment:|#", target) for target in targets), targets
    attached = [name for cell in texts for name in cell.get("attachments", ())]
    assert [
        t.removeprefix("attachment:") for t in targets if ":" in t and "//" not in t
    ] == attached


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_notebook_is_valid(page: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.reads(json.dumps(notebooks.notebook(page)), 4))


def test_errors_that_a_page_shows_are_expected_in_the_notebook(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\n>>> x = 1\n>>> x\n1\n>>> 1 / 0\n"
        "Traceback (most recent call last):\nZeroDivisionError: division by zero\n```\n\nThe end.\n"
    )
    _, shows, fails, _ = notebooks.notebook(page)["cells"]
    assert shows["source"] == "x = 1\nx"
    assert shows["metadata"] == {}
    assert fails["source"] == "1 / 0"
    assert fails["metadata"] == {"tags": ["raises-exception"]}
