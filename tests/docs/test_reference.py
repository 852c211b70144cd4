"""The reference has a page for each public name, and an index.md lists each page of docs/.

`python docs/build.py` builds the whole site, and is strict; what can be seen without it is here.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gradcore
import gradcore.numpy

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "report"]


@pytest.fixture(scope="module")
def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["reference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["reference"]


def test_packages_that_packages_name_are_in_the_reference(reference: Any) -> None:
    documented = {reference.module(package) for package in reference.PACKAGES} | {gradcore.ops}
    for package in reference.PACKAGES:
        if package == "autograd.numpy":
            continue  # its packages have the names of gradcore.numpy's
        for name, inner in vars(reference.module(package)).items():
            if name in reference.module(package).__all__ and isinstance(inner, ModuleType):
                own = inner.__name__.startswith("gradcore")
                assert inner in documented or not own, f"{package}.{name}"


def test_every_public_name_has_a_page(reference: Any) -> None:
    indexed = {package: reference.listed(package) for package in reference.PACKAGES}
    for package, found in indexed.items():
        for short in reference.module(package).__all__:
            if not isinstance(getattr(reference.module(package), short), ModuleType):
                assert short in found, f"{package}.{short}"
    folders = {*reference.PACKAGES, reference.OPS}
    assert {name.folder for name in reference.names()} <= folders
    names = [name for name in reference.names() if name.kind != "value"]
    pages = Counter(name.page.lower() for name in names)
    assert max(pages.values()) == 1, "files that differ by capitals only are one on some systems"


def test_every_public_name_has_a_docstring_and_an_example(reference: Any) -> None:
    undocumented, unshown = reference.faults()
    assert not undocumented
    assert not unshown


def test_docstrings_become_restructuredtext(reference: Any) -> None:
    doc = """Give `x` ** 2, where |x| < `limit`s:
- a point
- another

As code:

    y = x * x

Args:
    x, y: numbers, of
        any size.

Returns:
    A number.

Raises (when called):
    ValueError: x is None.

Example:
    >>> 2 ** 2  # `*`
    4
"""
    assert reference.rst(doc).split("Args:")[0] == (
        "Give ``x`` \\*\\* 2, where \\|x\\| < ``limit``\\ s:\n\n- a point\n- another\n\n"
        "As code:\n\n::\n\n    y = x * x\n\n"
    )
    assert "Raises when called:" in reference.rst(doc), "Napoleon knows no parentheses"
    assert reference.rst(doc).endswith("Example:\n    >>> 2 ** 2  # `*`\n    4")


def test_help_says_what_a_ufunc_takes() -> None:
    keywords = "/, out=None, *, where=True, dtype=None)"
    assert str(inspect.signature(gradcore.numpy.exp)) == f"(x, {keywords}"
    assert str(inspect.signature(gradcore.numpy.add)) == f"(x1, x2, {keywords}"


def test_the_page_of_gradcore_begins_with_nodes_and_derivatives(reference: Any) -> None:
    text = dict(reference.pages())["gradcore/index"]
    first = [text.index(f"`{each} <") for each in ("TensorNode", "Op", "grad", "show", "Linear")]
    assert first == sorted(first)
    assert text.rindex("-----") < text.index("`float32 <"), "dtypes are at the end"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_of_pages_lead_to_files_and_an_index_lists_each_page(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!\w+:)([^)#\s]+)[^)]*\)", text):
        assert (page.parent / target).exists(), target
    place = page.relative_to(DOCS)
    indexes = [DOCS / place.parts[0] / "index.md"]
    if page.name == "index.md":
        indexes = [DOCS / "index.md"]
    elif len(place.parts) == 1:
        indexes = sorted(DOCS.glob("*/index.md"))  # of whichever folder the page goes with
    places = {
        (index.parent / target).resolve()
        for index in indexes
        for target in re.findall(r"\]\(([^)#\s]+)", index.read_text("utf-8"))
    }
    listed = page.resolve() in places or place.parts == ("index.md",)
    assert listed, f"list it in {indexes[-1]}"
