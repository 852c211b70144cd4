"""The reference: a page of text for each public name, made of its signature, docstring and source.

`names()` is the list of public names, and `faults()` says what they lack; docs/build.py writes the
pages, and tests/docs/test_reference.py checks that no name is left out. Sphinx is not needed here.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import gradcore
from gradcore.engine.methods import is_elsewhere

# The public packages. A name that is in several has one page, in the first of these that has it.
PACKAGES = """
nn nn.init nn.utils nn.utils.rnn optim.lr_scheduler optim.swa_utils optim data
distributions distributions.constraints distributions.transforms linalg fft special random backends
gradcore nn.functional array_api numpy numpy.fft numpy.linalg numpy.random
autograd autograd.extend autograd.misc.fixed_points autograd.misc.flatten
autograd.misc.optimizers autograd.misc.tracers autograd.numpy autograd.scipy autograd.test_util
""".split()
OPS = "ops"  # the folder of the ops, whose names differ from those of functions by a capital only

# What the docstring of a value cannot say.
VALUES = {
    "backends.Array": "An array of any library, in annotations.",
    "backends.BACKEND_OF_TYPE": "The backend of each type of arrays that has been met so far.",
    "backends.known": "The backends by name, as they are found.",
    "data.CIFAR10_CLASSES": "The names of CIFAR-10's classes, in the order of its labels.",
    "data.CIFAR10_MEAN": "The mean of CIFAR-10's training pixels, from 0 to 1, by channel.",
    "data.CIFAR10_STD": "The standard deviation of these pixels, by channel.",
    "data.SHAPES_CLASSES": "The names of the classes of `load_shapes`, in the order of its labels.",
    "gradcore.Context": "What `forward` leaves for `backward`, by name.",
    "e": "Euler's number.",
    "euler_gamma": "Euler's constant.",
    "inf": "Positive infinity.",
    "nan": "Not a number.",
    "newaxis": "An axis of length 1, in an index: `x[:, newaxis]`.",
    "pi": "The ratio of a circle's circumference to its diameter.",
}
# The names in signatures that are no public names.
TYPES = {
    "Array": ("Any", "an array of any library that has a backend: NumPy, CuPy, ..."),
    "Axis": ("int | tuple[int, ...] | None", "an axis, or several; `None` is all axes"),
    "Device": ("Any", "a device of a backend, as the array's `device` names it"),
    "Handle": ("class", "what a hook's registration gives: `remove()` takes the hook away"),
    "Hook": ("Callable", "a function that the engine or a module calls"),
    "NodeOrArray": ("TensorNode | Array", "given nodes, functions give nodes; given arrays, arrays"),
    "Params": (
        "Iterable[TensorNode | tuple[str, TensorNode] | Mapping[str, Any]]",
        "parameters, by themselves, with names, or in groups with settings of their own",
    ),
    "Shape": ("tuple[int, ...]", "the length of each axis"),
    "Size": ("int | tuple[int, ...]", "one number for all axes, or one for each"),
}
PLAIN_TYPES: set[str] = set()
SECTION = re.compile(r"(Args|Attributes|Example|Examples|Raises|Returns|Yields):$")
FIELD = {"Args": "param", "Attributes": "ivar", "Raises": "raises"}


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

    @property
    def doc(self) -> str:
        """The docstring; "" where there is none."""
        if self.kind == "value":
            keys = (f"{self.package}.{self.short}", self.short)
            own = next((VALUES[key] for key in keys if key in VALUES), "")
            module = getattr(self.thing, "__module__", "") or ""
            of_type = docstring(type(self.thing)) if kind_of(type(self.thing)) == "class" else ""
            return own or of_type or (of_numpy(self) if is_of_numpy(module) else "")
        return docstring(self.thing)

    @property
    def topic(self) -> str:
        """The file in which the thing is made: names of one file are of one topic."""
        last = (getattr(self.thing, "__module__", None) or "").split(".")[-1]
        return "values" if self.kind == "value" else last


def full(package: str, short: str) -> str:
    return f"{module_name(package)}.{short}"


def module_name(package: str) -> str:
    return "gradcore" if package == "gradcore" else f"gradcore.{package}"


def module(package: str) -> ModuleType:
    import_module("gradcore.autograd")
    return gradcore.fft if package == "fft" else import_module(module_name(package))


def is_of_numpy(name: str) -> bool:
    return name.partition(".")[0] == "numpy"


def of_numpy(name: Name) -> str:
    page = f"https://numpy.org/doc/stable/search.html?q={name.short}"
    return f"NumPy's own {name.short}: {page}"


def docstring(thing: Any) -> str:
    """The docstring of a thing, or of what it overrides; none that Python or NumPy wrote."""
    if inspect.isclass(thing):
        own = vars(thing).get("__doc__")
        return inspect.cleandoc(own) if own else ""
    return inspect.getdoc(thing) or ""


def example(doc: str) -> str:
    """The example in a docstring; "" where there is none."""
    found = re.search(r"^Examples?:\n((?:    .*\n|\n)+)", f"{doc}\n", re.MULTILINE)
    return textwrap.dedent(found[1]).strip() if found and ">>>" in found[1] else ""


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
    for package in PACKAGES:
        for short in module(package).__all__:
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
    undocumented = [name.full for name in names() if not name.doc]
    unshown = [name.full for name in names() if name.kind != "value" and not example(name.doc)]
    return undocumented, unshown


# -- Members of a class ----------------------------------------------------------------------------


def members(name: Name) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class that no public base of it has as well."""
    kind, public = name.thing, {id(each.thing) for each in names()}
    for base in kind.__mro__[:-1]:
        if base is not kind and (id(base) in public or not base.__module__.startswith("gradcore")):
            continue
        for short in vars(base):
            thing = inspect.getattr_static(kind, short)
            if short.startswith("_") or is_elsewhere(kind, short) or not shows(thing):
                continue
            if thing is vars(base)[short]:  # and not one that a class in between overrides
                yield short, thing


def shows(thing: Any) -> bool:
    if not isinstance(thing, property | staticmethod | classmethod) and not inspect.isfunction(
        thing
    ):
        return False
    return bool(inspect.getdoc(thing))


def bases(name: Name) -> list[Name]:
    public = {id(each.thing): each for each in names()}
    return [public[id(base)] for base in name.thing.__mro__[1:] if id(base) in public]


# -- Text ------------------------------------------------------------------------------------------


class Plain:
    """Text that `inspect` writes into a signature as it stands."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def signature(thing: Any, bound: bool = False) -> str:
    """The signature as in the source: `(x: NodeOrArray, axis: int = -1) -> TensorNode`."""
    if isinstance(thing, staticmethod | classmethod):
        thing = thing.__func__ if isinstance(thing, staticmethod) else thing.__get__(None, object)
        bound = False
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    parameters = []
    for each in list(found.parameters.values())[1 if bound else 0 :]:
        if each.default is not inspect.Parameter.empty:
            text = repr(each.default)
            each = each.replace(default=Plain("..." if "<" in text else text))
        parameters.append(each.replace(annotation=annotation(each.annotation)))
    returned = inspect.Signature.empty
    if not inspect.isclass(thing):
        returned = annotation(found.return_annotation)
    return str(inspect.Signature(parameters, return_annotation=returned))


def annotation(given: Any) -> Any:
    if given is inspect.Parameter.empty:
        return given
    return Plain(given if isinstance(given, str) else inspect.formatannotation(given))


def rst(doc: str) -> str:
    """Translate a docstring to reStructuredText: its code spans, code blocks, lists, sections."""
    blocks = []
    for block in re.split(r"\n\s*\n", doc.strip("\n")):
        lines = block.split("\n")
        if blocks and re.match(r" {4}", lines[0]) and not SECTION.match(lines[0]):
            blocks.append(".. code-block:: python\n\n" + textwrap.indent(block, "   "))
        elif found := SECTION.match(lines[0]):
            blocks.append(section(found[1], textwrap.dedent("\n".join(lines[1:]))))
        else:
            blocks.append(paragraph(block))
    return "\n\n".join(blocks)


def section(title: str, body: str) -> str:
    """A section of a docstring, as a list of fields or, of an example, under a heading."""
    if title.startswith("Example"):
        return f".. rubric:: Example\n\n{body}"
    if title not in FIELD:
        return f":returns: {textwrap.indent(inline(body), '   ').strip()}"
    entries = re.findall(r"^(\S[^:\n]*): ?((?:.*\n?)(?:(?:[ ]+.*)\n?)*)", body, re.MULTILINE)
    lines = [
        f":{FIELD[title]} {escape(each)}: {inline(' '.join(text.split()))}" for each, text in entries
    ]
    return "\n".join(lines)


def paragraph(text: str) -> str:
    """A paragraph, in which a list may follow some text without an empty line."""
    parts = re.split(r"\n(?=- )", text)
    if not text.startswith("- ") and len(parts) > 1:
        return inline(parts[0]) + "\n\n" + "\n".join(map(inline, parts[1:]))
    return "\n".join(map(inline, parts))


def inline(text: str) -> str:
    """Code spans as literals, and all else as it stands."""
    parts = re.split(r"(`+[^`]+`+|https?://[^\s)]*[^\s).,;])", text)
    for i, part in enumerate(parts):
        if part.startswith("`"):
            after = parts[i + 1][:1] if i + 1 < len(parts) else ""
            code = " ".join(part.strip("`").split()).replace("\\", "\\\\")
            parts[i] = f"``{code}``" + ("\\ " if after.isalnum() else "")
        elif not part.startswith("http"):
            parts[i] = escape(part)
    return "".join(parts)


def escape(text: str) -> str:
    return re.sub(r"([\\*|`]|_(?=\W|$))", r"\\\1", text)


def first_sentence(name: Name) -> str:
    text = " ".join(name.doc.split("\n\n")[0].split())
    found = re.match(r"(.+?[.:])(?= [A-Z`(]| https?:|$)", text)
    return inline((found[1] if found else text).rstrip(":"))


def heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}"


def described(role: str, name: str, sig: str, doc: str, inside: str = "", options: str = "") -> str:
    body = rst(doc) + (f"\n\n{inside}" if inside else "")
    return f".. py:{role}:: {name}{sig}\n{options}\n{textwrap.indent(body, '   ')}\n"


def page_of(name: Name) -> str:
    """The page of a function, a class or an op."""
    package = module_name(name.package)
    index = f"{OPS}/index" if name.kind == "op" else f"{name.package}/index"
    shown = "ops" if name.kind == "op" else package
    parts = [
        ":orphan:",
        heading(escape(name.full), "="),
        f":doc:`Reference </reference/index>` › :doc:`{shown} </reference/{index}>`",
    ]
    if name.kind == "function":
        body = described("function", name.short, signature(name.thing), name.doc, "", module_option(name))
    else:
        inside = []
        if found := bases(name):
            links = ", ".join(f":py:class:`~{base.full}`" for base in found)
            inside.append(f"Bases, whose methods it has too: {links}.")
        for short, thing in members(name):
            inside.append(member(short, thing))
        if name.kind == "op":
            inside.insert(1, source_of(name))
        body = described(
            "class", name.short, signature(name.thing) if name.kind == "class" else "",
            name.doc, "\n\n".join(inside), module_option(name),
        )  # fmt: skip
    parts.append(body)
    if name.others:
        parts.append("The same as " + ", ".join(f"``{other}``" for other in name.others) + ".")
    return "\n\n".join(parts) + "\n"


def module_option(name: Name) -> str:
    return f"   :module: {module_name(name.package)}\n"


def member(short: str, thing: Any) -> str:
    if isinstance(thing, property):
        return described("property", short, "", inspect.getdoc(thing) or "")
    option = {staticmethod: "   :staticmethod:\n", classmethod: "   :classmethod:\n"}
    sig = signature(thing, bound=True)
    return described("method", short, sig, inspect.getdoc(thing) or "", "", option.get(type(thing), ""))


def source_of(name: Name) -> str:
    """The text of an op, which is about ten lines."""
    text = textwrap.dedent(inspect.getsource(name.thing))
    return ".. rubric:: The op\n\n.. code-block:: python\n\n" + textwrap.indent(text, "   ")


def values_of(package: str, found: list[Name]) -> str:
    """The page of a package's values: constants, dtypes, and what is NumPy's."""
    parts = [":orphan:", heading(f"Values in {module_name(package)}", "=")]
    parts.append(f":doc:`Reference </reference/index>` › :doc:`{module_name(package)} <index>`")
    for name in found:
        text = repr(name.thing)
        sig = f"   :value: {text}\n" if len(text) < 60 and "<" not in text else ""
        parts.append(described("data", name.short, "", name.doc, "", module_option(name) + sig))
    return "\n\n".join(parts) + "\n"


def table(found: list[tuple[str, str]]) -> str:
    lines = [".. list-table::", "   :widths: auto", ""]
    for left, right in found:
        lines += [f"   * - {left}", f"     - {right}"]
    return "\n".join(lines)


def index_of(title: str, doc: str, found: dict[str, Name], packages: list[str]) -> str:
    """The page of a package: its names by topic, each with the first sentence of its docstring."""
    parts = [heading(title, "="), rst(doc)]
    if packages:
        rows = []
        for package in packages:
            about = (module(package).__doc__ or "").split("\n\n")[0]
            rows.append((f":doc:`{module_name(package)} </reference/{package}/index>`", inline(about)))
        parts.append(table([(left, " ".join(right.split())) for left, right in rows]))
    topics: dict[str, list[tuple[str, str]]] = {}
    for short, name in found.items():
        topics.setdefault(name.topic, []).append((link(name, short), first_sentence(name)))
    for topic, of_it in topics.items():
        if len(topics) > 1:
            parts.append(heading(topic.strip("_").replace("_", " ").capitalize(), "-"))
        parts.append(table(of_it))
    return "\n\n".join(parts) + "\n"


def link(name: Name, short: str) -> str:
    role = {"class": "class", "op": "class", "function": "func", "value": "data"}[name.kind]
    return f":py:{role}:`{short} <{name.full}>`"


def types_page() -> str:
    parts = [
        heading("Types in signatures", "="),
        "Signatures name some types that are no classes of their own.",
    ]
    for short, (meaning, text) in TYPES.items():
        parts.append(f".. py:data:: {short}\n   :type: {meaning}\n\n   {inline(text)}.")
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """The text of every page of the reference, by its name."""
    made = {"types": types_page()}
    for package in PACKAGES:
        found = listed(package)
        if package == "gradcore":
            found = {short: name for short, name in found.items() if name.kind != "op"}
        inner = [each for each in PACKAGES if each.rpartition(".")[0] == package]
        doc = module(package).__doc__ or ""
        made[f"{package}/index"] = index_of(module_name(package), doc, found, inner)
        values = [name for name in names() if name.page == f"{package}/values"]
        if values:
            made[f"{package}/values"] = values_of(package, values)
    ops = {name.short: name for name in names() if name.kind == "op"}
    made[f"{OPS}/index"] = index_of("Ops", gradcore.ops.__doc__ or "", ops, [])
    return made | {name.page: page_of(name) for name in names() if name.kind != "value"}
