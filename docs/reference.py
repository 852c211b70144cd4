"""The reference: a page of text for each public name, made of its signature, docstring and source.

`names()` is the list of public names, and `faults()` says what they lack; docs/build.py writes the
pages, and tests/docs/test_reference.py checks that no name is left out. Sphinx is not needed here.
"""

from __future__ import annotations

import builtins
import collections.abc
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import gradcore
from gradcore.engine.methods import is_elsewhere

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from op_table.examples import example as example_of_op

# The public packages. A name that is in several has one page, in the first of these that has it.
PACKAGES = [
    "nn",
    "nn.init",
    "nn.utils",
    "nn.utils.rnn",
    "optim.lr_scheduler",
    "optim.swa_utils",
    "optim",
    "data",
    "distributions",
    "distributions.constraints",
    "distributions.transforms",
    "linalg",
    "fft",
    "special",
    "random",
    "backends",
    "gradcore",
    "nn.functional",
    "array_api",
    "numpy",
    "numpy.fft",
    "numpy.linalg",
    "numpy.random",
    "autograd",
    "autograd.extend",
    "autograd.misc.fixed_points",
    "autograd.misc.flatten",
    "autograd.misc.optimizers",
    "autograd.misc.tracers",
    "autograd.numpy",
    "autograd.test_util",
    "autograd.scipy.integrate",
    "autograd.scipy.linalg",
    "autograd.scipy.signal",
    "autograd.scipy.special",
    "autograd.scipy.stats",
]
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
    "False_": "NumPy's False, a scalar.",
    "ScalarType": "The types of numbers that NumPy knows.",
    "True_": "NumPy's True, a scalar.",
    "dict": "`dict`, as autograd's programs import it; it may hold nodes.",
    "finfo": "The limits of a floating dtype, as the default backend gives them.",
    "iinfo": "The limits of an integer dtype, as the default backend gives them.",
    "list": "`list`, as autograd's programs import it; it may hold nodes.",
    "primitive_jvps": "The forward derivatives of primitives, by function.",
    "primitive_vjps": "The gradients of primitives, by function.",
    "tuple": "`tuple`, as autograd's programs import it; it may hold nodes.",
    "newaxis": "An axis of length 1, in an index: `x[:, newaxis]`.",
    "pi": "The ratio of a circle's circumference to its diameter.",
}
# What the types in signatures mean that are no public names, and no classes with a docstring.
TYPES = {
    "Average": "the new average of an average, a parameter and the count of averages so far",
    "Averages": "as `Average`, of lists of all averages and all parameters at once",
    "Axis": "an axis, or several; `None` is all axes",
    "Closure": "a function that computes the loss and its gradients anew",
    "DType": "a dtype of the array's library, or its name, as `float32`",
    "Device": "a device of a backend, as the array's `device` names it",
    "Distance": "a function of two batches that gives the distance of each pair",
    "Divergence": "a function of two distributions that gives their divergence",
    "Factor": "one factor for all axes, or one for each",
    "Folder": "a folder; `None` is `GRADCORE_DATA`, or else the cache",
    "Group": "a group of parameters with its settings",
    "Hook": "a function that the engine, or the module, calls",
    "Input": "a node, or an array, which is a constant",
    "NodeOrArray": "a node, or an array of any library: given nodes, functions give nodes",
    "Nodes": "one node, or several",
    "Number": "a number, or an array of one element",
    "Ord": "which norm, as in NumPy",
    "OutputSize": "a size for all axes, or one for each; `None` keeps the size",
    "Padding": "one number for all sides, or one for each; of kernels, before and after each axis",
    "Pair": "a number for rows, and one for columns",
    "Params": "parameters, by themselves, with names, or in groups with settings of their own",
    "Pullback": "a function from the gradient of a result to the gradients of the arguments",
    "Scheduled": "what a schedule changes the settings of",
    "Shape": "the length of each axis",
    "Size": "one number for all axes, or one for each; of a node, the count of its elements",
    "Sizes": "the length of each axis",
    "Splits": "images and labels to train on, the same for validation, and the number of classes",
    "StepHook": "a function of the optimizer and the arguments of its `step`",
}
SECTION = re.compile(r"(Args|Attributes|Example|Examples|Raises|Returns|Yields)( \(.+\))?:$")
HEADINGS = {"Args": "Parameters"}


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
        """The docstring; "" where there is none."""
        if self.kind == "value":
            keys = (f"{self.package}.{self.short}", self.short)
            own = next((VALUES[key] for key in keys if key in VALUES), "")
            module = getattr(self.thing, "__module__", "") or ""
            of_type = docstring(type(self.thing)) if kind_of(type(self.thing)) == "class" else ""
            return own or of_type or (of_numpy(self) if is_of_numpy(module) else "")
        own = docstring(self.thing)
        if self.kind != "op" or is_base(self.thing) or example(own):
            return own
        return f"{own}\n\nExample:\n{textwrap.indent(example_of_op(self.thing), '    ')}"

    @property
    def topic(self) -> str:
        """The file in which the thing is made: names of one file are of one topic."""
        last = (getattr(self.thing, "__module__", None) or "").split(".")[-1]
        return "values" if self.kind == "value" else last


def is_base(op: type) -> bool:
    """Whether ops derive from it, and it is none by itself."""
    return op.__name__ in ("OfInput", "OfOutput")


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
    """The names and types without a docstring, and the functions and classes without an example."""
    undocumented = [name.full for name in names() if not re.match(r"(?!Example:)\S", name.doc)]
    for short, meanings in types().items():
        if short not in TYPES and not all(docstring(each) for each in meanings):
            undocumented.append(f"{short}, a type in signatures")
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
    parts: list[str] = []
    prose: list[str] = []
    lines = doc.strip("\n").split("\n")
    while lines:
        line = lines.pop(0)
        if not (found := SECTION.match(line)):
            prose.append(line)
            continue
        body = []
        while lines and (not lines[0] or lines[0].startswith(" ")):
            body.append(lines.pop(0))
        parts += blocks(prose)
        parts.append(
            section(found[1], found[2] or "", textwrap.dedent("\n".join(body)).strip("\n"))
        )
        prose = []
    return "\n\n".join([*parts, *blocks(prose)])


def blocks(lines: list[str]) -> list[str]:
    """Paragraphs, and what is indented, which is code."""
    made: list[str] = []
    code: list[str] = []  # of which the parts between empty lines are one block
    for block in [*re.split(r"\n\s*\n", "\n".join(lines).strip("\n")), ""]:
        if block.startswith("    "):
            code.append(block)
            continue
        if code:
            text = textwrap.indent(textwrap.dedent("\n\n".join(code)), "   ")
            made.append(f".. code-block:: python\n\n{text}")
            code = []
        if block:
            made.append(paragraph(block))
    return made


def section(title: str, when: str, body: str) -> str:
    """A section of a docstring, as a field; an example, under a heading."""
    if title.startswith("Example"):
        return f".. rubric:: Example\n\n{body}"
    title = HEADINGS.get(title, title) + when
    if title in ("Returns", "Yields") and not re.search(r"^ ", body, re.MULTILINE):
        return (
            f":{title}: " + textwrap.indent("\n\n".join(blocks(body.split("\n"))), "   ").lstrip()
        )
    entries = []
    for entry in re.split(r"\n+(?=\S)", body):
        head, colon, text = " ".join(entry.split()).partition(": ")
        if colon and len(head) < 60 and title not in ("Returns", "Yields"):
            of_head = ", ".join(f"``{each.strip('`')}``" for each in head.split(", "))
            entries.append(f"- {of_head} \N{EN DASH} {inline(text)}")
        else:
            entries.append(f"- {inline(' '.join(entry.split()))}")
    return f":{title}:\n" + textwrap.indent("\n".join(entries), "   ")


def paragraph(text: str) -> str:
    """A paragraph, in which a list may follow some text without an empty line."""
    first, *items = re.split(r"^- ", text, flags=re.MULTILINE)
    made = [inline(" ".join(first.split()))] if first else []
    listed = "\n".join(f"- {inline(' '.join(item.split()))}" for item in items)
    return "\n\n".join([*made, listed] if items else made)


def inline(text: str) -> str:
    """Code spans as literals, pages of docs/ as links, and all else as it stands."""
    parts = re.split(r"(`+[^`]+`+|https?://[^\s)]*[^\s).,;]|docs/[\w/-]+\.md)", text)
    for i, part in enumerate(parts):
        if part.startswith("`"):
            after = parts[i + 1][:1] if i + 1 < len(parts) else ""
            code = " ".join(part.strip("`").split()).replace("\\", "\\\\")
            parts[i] = f"``{code}``" + ("\\ " if after.isalnum() else "")
        elif re.fullmatch(r"docs/.*\.md", part):
            parts[i] = f":doc:`{part} </{part[5:-3]}>`"
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
        f":doc:`Reference </reference/index>` / :doc:`{shown} </reference/{index}>`",
    ]
    if name.kind == "function":
        body = described(
            "function", name.short, signature(name.thing), name.doc, "", module_option(name)
        )
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
    return described(
        "method", short, sig, inspect.getdoc(thing) or "", "", option.get(type(thing), "")
    )


def source_of(name: Name) -> str:
    """The text of an op, which is about ten lines."""
    text = textwrap.dedent(inspect.getsource(name.thing))
    return ".. rubric:: The op\n\n.. code-block:: python\n\n" + textwrap.indent(text, "   ")


def values_of(package: str, found: list[Name]) -> str:
    """The page of a package's values: constants, dtypes, and what is NumPy's."""
    parts = [":orphan:", heading(f"Values in {module_name(package)}", "=")]
    parts.append(f":doc:`Reference </reference/index>` / :doc:`{module_name(package)} <index>`")
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
            rows.append(
                (f":doc:`{module_name(package)} </reference/{package}/index>`", inline(about))
            )
        parts.append(table([(left, " ".join(right.split())) for left, right in rows]))
        below = "\n".join(f"   /reference/{package}/index" for package in packages)
        parts.append(f".. toctree::\n   :hidden:\n\n{below}")
    topics: dict[str, list[tuple[str, str]]] = {}
    for short, name in found.items():
        topics.setdefault(name.topic, []).append((link(name, short), first_sentence(name)))
    last = {"graph": "", "values": "~"}  # nodes and ops are the first topic, constants the last
    for topic in sorted(topics, key=lambda topic: last.get(topic, topic.strip("_"))):
        of_it = sorted(topics[topic], key=lambda row: row[0].lower())
        if len(topics) > 1:
            parts.append(heading(topic.strip("_").replace("_", " ").capitalize(), "-"))
        parts.append(table(of_it))
    return "\n\n".join(parts) + "\n"


def link(name: Name, short: str) -> str:
    role = {"class": "class", "op": "class", "function": "func", "value": "data"}[name.kind]
    return f":py:{role}:`{short} <{name.full}>`"


@cache
def types() -> dict[str, list[Any]]:
    """What the types in signatures mean that are no public names: the types, or the class."""
    found: dict[str, list[Any]] = {}
    public = {name.short for name in names()}
    known = {*vars(builtins), *vars(typing), *vars(collections.abc), "ModuleType", "Path"}
    known.add("AbstractContextManager")
    for thing in every_callable():
        try:
            signed = inspect.signature(thing)
        except (TypeError, ValueError):
            continue
        made = inspect.unwrap(thing.__init__ if inspect.isclass(thing) else thing)
        place = sys.modules.get(getattr(made, "__module__", None) or "")
        of_parameters = [each.annotation for each in signed.parameters.values()]
        for each in [*of_parameters, signed.return_annotation]:
            without = re.sub(r"Literal\[.*?\]", "", each) if isinstance(each, str) else ""
            for short in re.findall(r"(?<![\w.'])[A-Z]\w*", without):
                meaning = getattr(place, short, None)
                if short not in public | known and meaning is not None:
                    found.setdefault(short, [])
                    if meaning not in found[short]:
                        found[short].append(meaning)
    return dict(sorted(found.items()))


def every_callable() -> Iterator[Any]:
    for name in names():
        if name.kind != "value":
            yield name.thing
        if name.kind in ("class", "op"):
            for _, thing in members(name):
                yield thing.fget if isinstance(thing, property) else unbound(thing)


def unbound(thing: Any) -> Any:
    return thing.__func__ if isinstance(thing, staticmethod | classmethod) else thing


def types_page() -> str:
    parts = [
        heading("Types in signatures", "="),
        "What the types in signatures mean that have no page of their own.",
    ]
    for short, meanings in types().items():
        classes = [each for each in meanings if inspect.isclass(each) and short not in TYPES]
        if classes:
            doc = docstring(classes[0])
            doc = "" if doc.startswith(f"{short}(") else doc  # as Python writes it
            parts.append(described("class", short, "", doc, fields(classes[0])))
            continue
        texts = [re.sub(r"(\w+\.)+(?=\w)", "", inspect.formatannotation(each)) for each in meanings]
        shown = " or ".join(dict.fromkeys(f"``{text}``" for text in texts))
        parts.append(f".. py:data:: {short}\n\n   {inline(TYPES.get(short, ''))}: {shown}.")
    return "\n\n".join(parts) + "\n"


def fields(kind: Any) -> str:
    """The fields of a named tuple."""
    found = getattr(kind, "_fields", ())
    return "Fields: " + ", ".join(f"``{each}``" for each in found) + "." if found else ""


def outer(package: str) -> str:
    """The package that a package is in; "" of those that the first page of the reference lists."""
    around = [each for each in PACKAGES if package.startswith(f"{each}.")]
    return max(around, key=len, default="")


def pages() -> dict[str, str]:
    """The text of every page of the reference, by its name."""
    made = {"types": types_page()}
    for package in PACKAGES:
        found = listed(package)
        if package == "gradcore":
            found = {short: name for short, name in found.items() if name.kind != "op"}
        inner = [each for each in PACKAGES if outer(each) == package]
        doc = module(package).__doc__ or ""
        made[f"{package}/index"] = index_of(module_name(package), doc, found, inner)
        values = [name for name in names() if name.page == f"{package}/values"]
        if values:
            made[f"{package}/values"] = values_of(package, values)
    ops = {name.short: name for name in names() if name.kind == "op"}
    made[f"{OPS}/index"] = index_of("Ops", gradcore.ops.__doc__ or "", ops, [])
    return made | {name.page: page_of(name) for name in names() if name.kind != "value"}
