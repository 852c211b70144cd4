"""The list of public names, and the text of the reference's pages, which Sphinx's autodoc fills.

`names()` is the list, and `faults()` says what they lack; docs/build.py writes the pages, and
tests/docs/test_reference.py checks that no name is left out. Sphinx is not needed here.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import gradcore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from op_table.examples import example as example_of_op

TABLES = tomllib.loads((Path(__file__).parent / "reference.toml").read_text("utf-8"))
PACKAGES: list[str] = TABLES["packages"]
OPS = "ops"  # the folder of the ops, whose names differ from those of functions by a capital only
TOPICS = {file: title for title, files in TABLES["topics"].items() for file in files}
FIRST: list[str] = TABLES["first"]  # in their topic
ROLES = {"class": "class", "op": "class", "function": "func", "value": "data"}


@dataclass
class Name:
    """A public name: where it lies, and all names of the same thing."""

    package: str  # in which its page lies
    short: str
    thing: Any
    kind: str  # "class", "function", "op" or "value"
    others: list[str] = field(default_factory=list)
    file: str = ""  # the page's, in its folder: no two differ by capitals only

    @property
    def full(self) -> str:
        return full(self.package, self.short)

    @property
    def page(self) -> str:
        """The page's name, from the folder of the reference."""
        return f"{self.folder}/{self.file}"

    @property
    def folder(self) -> str:
        return OPS if self.kind == "op" else self.package

    @cached_property
    def doc(self) -> str:
        """The docstring; "" where there is none. None that Python or NumPy wrote."""
        if self.kind in ("class", "op"):
            return inspect.cleandoc(vars(self.thing).get("__doc__") or "")
        if self.kind == "function":
            return inspect.getdoc(self.thing) or ""
        values = TABLES["values"]
        own = values.get(f"{self.package}.{self.short}") or values.get(self.short)
        if not own and kind_of(type(self.thing)) == "class":
            own = inspect.getdoc(type(self.thing))
        if not own and (getattr(self.thing, "__module__", "") or "").startswith("numpy"):
            page = f"https://numpy.org/doc/stable/search.html?q={self.short}"
            own = f"NumPy's own {self.short}: {page}"
        return own or ""

    @property
    def example(self) -> str:
        """The lines under `Example:` in the docstring, or of an op, made from its row."""
        found = re.search(r"^Examples?:\n((?:    .*\n|\n)+)", f"{self.doc}\n", re.MULTILINE)
        if found and ">>>" in found[1]:
            return textwrap.dedent(found[1]).strip()
        is_base = self.short in ("OfInput", "OfOutput")  # ops derive from it; it is none itself
        return example_of_op(self.thing) if self.kind == "op" and not is_base else ""

    @property
    def topic(self) -> str:
        """The file in which the thing is made, in words: names of one file are of one topic."""
        file = (getattr(self.thing, "__module__", None) or "").split(".")[-1]
        file = "values" if self.kind == "value" else file
        file = "products" if self.short in ("matmul", "vecdot") else file
        return TOPICS.get(file, file.strip("_").replace("_", " ").capitalize())


def full(package: str, short: str) -> str:
    return f"{module_name(package)}.{short}"


def module_name(package: str) -> str:
    return "gradcore" if package == "gradcore" else f"gradcore.{package}"


def module(package: str) -> ModuleType:
    return import_module(module_name(package))


def kind_of(thing: Any) -> str:
    if inspect.isclass(thing):
        if not thing.__module__.startswith("gradcore"):
            return "value"
        return "op" if issubclass(thing, gradcore.Op) and thing is not gradcore.Op else "class"
    made_here = (getattr(thing, "__module__", None) or "").startswith("gradcore")
    return "function" if callable(thing) and made_here else "value"


@cache
def names() -> list[Name]:
    """Every public thing, once, but for the packages themselves."""
    found: dict[Any, Name] = {}
    files: set[str] = set()
    for package, short in [(each, short) for each in PACKAGES for short in module(each).__all__]:
        thing = getattr(module(package), short)
        if isinstance(thing, ModuleType):
            continue
        kind = kind_of(thing)
        key = full(package, short) if kind == "value" else id(thing)
        if key in found:
            found[key].others.append(full(package, short))
            continue
        name = found[key] = Name(package, short, thing, kind)
        name.file = "values" if kind == "value" else short
        if name.page.lower() in files and kind != "value":
            name.file += f"-{kind}"
        files.add(name.page.lower())
    return list(found.values())


@cache
def by_full_name() -> dict[str, Name]:
    return {each: name for name in names() for each in (name.full, *name.others)}


def listed(package: str) -> dict[str, Name]:
    """The names in a package's `__all__`, and where their pages lie."""
    every = by_full_name()
    all_of_it = {short: full(package, short) for short in module(package).__all__}
    return {short: every[each] for short, each in all_of_it.items() if each in every}


def faults() -> tuple[list[str], list[str]]:
    """The names without a docstring, and the functions and classes without an example."""
    undocumented = [name.full for name in names() if not re.match(r"(?!Example:)\S", name.doc)]
    return undocumented, [n.full for n in names() if n.kind != "value" and not n.example]


def bases(kind: type) -> list[type]:
    """The public classes that a class derives from: its page leads to their methods."""
    public = {id(each.thing) for each in names()}
    of_kind = [base for base in kind.__mro__[1:] if id(base) in public]
    return [base for base in of_kind if not getattr(base, "_is_protocol", False)]


# -- Text ------------------------------------------------------------------------------------------


def rst(doc: str) -> str:
    """Write Markdown's code spans, code blocks and lists in a docstring as reStructuredText."""
    made: list[str] = []
    before = (
        " "  # the last line of the block before: after one at the margin, what is indented is code
    )
    for block in re.split(r"\n\s*\n", doc.rstrip()):
        if block.startswith("    ") and not before.startswith((" ", ">>>", "- ")):
            made += [block] if before == "CODE" else ["::", block]
            before = "CODE"
            continue
        before = block.split("\n")[-1]
        if ">>>" not in block.split("\n")[0]:
            text, *example = re.split(r"^(?= *>>> )", block, maxsplit=1, flags=re.MULTILINE)
            text = re.sub(r"^(Raises|Yields) \((.+)\):$", r"\1 \2:", text, flags=re.MULTILINE)
            text = re.sub(r"^(?!- |  )(.*)\n(?=- )", r"\1\n\n", text, flags=re.MULTILINE)
            block = inline(text) + "".join(example)
        made.append(block)
    return "\n\n".join(made)


def inline(text: str) -> str:
    """Code spans as literals, pages of docs/ as links, and all else as it stands."""
    parts = re.split(r"(`+[^`]+`+|https?://[^\s)]*[^\s).,;]|docs/[\w/-]+\.md)", text)
    for i, part in enumerate(parts):
        if part.startswith("`"):
            after = parts[i + 1][:1] if i + 1 < len(parts) else ""
            parts[i] = f"``{part.strip('`')}``" + ("\\ " if after.isalnum() else "")
        elif re.fullmatch(r"docs/.*\.md", part):
            parts[i] = f":doc:`{part} </{part[5:-3]}>`"
        elif not part.startswith("http"):
            parts[i] = re.sub(r"([\\*|`]|_(?=\W|$))", r"\\\1", part)
    return "".join(parts)


def first_sentence(name: Name) -> str:
    text = " ".join(name.doc.split("\n\n")[0].split())
    found = re.match(r"(.+?[.:])(?= [A-Z`(]| https?:|$)", text)
    return inline((found[1] if found else text).rstrip(":"))


def heading(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}"


def table(found: list[tuple[str, str]]) -> str:
    lines = [f"   * - {left}\n     - {right}" for left, right in found]
    return ".. list-table::\n   :widths: auto\n\n" + "\n".join(lines)


def page_of(name: Name) -> str:
    """The page of a function, a class or an op."""
    inside = []
    options = [":no-members:"] if name.kind == "op" else []
    if found := bases(name.thing) if inspect.isclass(name.thing) else []:
        options += [":show-inheritance:"]  # and their pages have the methods of these
    if name.kind == "class":
        of_others = ", ".join(["object", "BaseException", *[base.__name__ for base in found]])
        options += [f":inherited-members: {of_others}"]
    if name.kind == "op":
        if "Example:" not in name.doc and name.example:
            inside += [".. rubric:: Example", name.example]
        source = textwrap.dedent(inspect.getsource(name.thing))
        inside += [".. rubric:: The op", ".. code-block:: python", textwrap.indent(source, "   ")]
    kind = "function" if name.kind == "function" else "class"
    directive = f".. auto{kind}:: {module_name(name.package)}::{name.short}"
    package = "ops" if name.kind == "op" else module_name(name.package)
    parts = [
        *beginning(inline(name.full), package),
        "\n   ".join([directive, *options]),
        textwrap.indent("\n\n".join(inside), "   "),
    ]
    if name.others:
        parts.append("The same as " + ", ".join(f"``{other}``" for other in name.others) + ".")
    hidden = "\n   :module:\n   :no-typesetting:"  # for links, the search and objects.inv
    made = f"{name.thing.__module__}.{name.short}"  # the canonical name, which autodoc knows
    parts += [f".. py:{kind}:: {other}{hidden}" for other in name.others if other != made]
    return "\n\n".join(part for part in parts if part) + "\n"


def value(name: Name) -> str:
    """A constant, a dtype, or what is NumPy's."""
    text = repr(name.thing)
    shown = f"   :value: {text}\n" if len(text) < 60 and "<" not in text else ""
    about = textwrap.indent(rst(name.doc), "   ")
    head = f".. py:data:: {name.short}\n   :module: {module_name(name.package)}"
    return f"{head}\n{shown}\n{about}"


def beginning(title: str, package: str) -> list[str]:
    """The title of a page that the navigation does not list, and where it is."""
    place = f":doc:`Reference </reference/index>` / :doc:`{package} <index>`"
    return [":orphan:", heading(title), place]


def index_of(title: str, doc: str, found: dict[str, Name], packages: list[str]) -> str:
    """The page of a package: its names by topic, each with the first sentence of its docstring."""
    parts = [heading(title), rst(doc)]
    if packages:
        rows = []
        for each in packages:
            about = (module(each).__doc__ or "").split("\n\n")[0]
            link = f":doc:`{module_name(each)} </reference/{each}/index>`"
            rows.append((link, inline(" ".join(about.split()))))
        parts.append(table(rows))
        below = "\n".join(f"   /reference/{package}/index" for package in packages)
        parts.append(f".. toctree::\n   :hidden:\n\n{below}")
    topics: dict[str, list[Any]] = {}
    for short, name in found.items():
        link = f":py:{ROLES[name.kind]}:`{short} <{name.full}>`"
        rank = FIRST.index(short) if short in FIRST else len(FIRST)
        row = (link, first_sentence(name))
        topics.setdefault(name.topic, []).append(((rank, short.lower()), row))
    order = {topic: i for i, topic in enumerate(TABLES["topics"])}
    for topic in sorted(topics, key=lambda topic: (order.get(topic, len(order) - 1.5), topic)):
        if len(topics) > 1:
            parts.append(heading(topic, "-"))
        parts.append(table([row for _, row in sorted(topics[topic])]))
    return "\n\n".join(parts) + "\n"


def outer(package: str) -> str:
    """The package that a package is in; "" of those that the first page of the reference lists."""
    around = [each for each in PACKAGES if package.startswith(f"{each}.")]
    return max(around, key=len, default="")


def pages() -> Iterator[tuple[str, str]]:
    """The name and the text of every page of the reference."""
    for package in PACKAGES:
        found = listed(package)
        if package == "gradcore":
            found = {short: name for short, name in found.items() if name.kind != "op"}
        inner = [each for each in PACKAGES if outer(each) == package]
        doc = module(package).__doc__ or ""
        yield f"{package}/index", index_of(module_name(package), doc, found, inner)
        if values := [name for name in names() if name.page == f"{package}/values"]:
            values.sort(key=lambda name: name.short)  # lists of dtypes have no order
            first = beginning(f"Values in {module_name(package)}", module_name(package))
            yield f"{package}/values", "\n\n".join([*first, *map(value, values)]) + "\n"
    ops = {name.short: name for name in names() if name.kind == "op"}
    yield f"{OPS}/index", index_of("Ops", gradcore.ops.__doc__ or "", ops, [])
    for name in names():
        if name.kind != "value":
            yield name.page, page_of(name)
