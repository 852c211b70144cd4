"""The settings of Sphinx; docs/build.py runs it."""

from __future__ import annotations

import builtins
import collections.abc
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment.adapters.toctree import global_toctree_for_doc
from sphinx.util.nodes import make_refnode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402

import gradcore  # noqa: E402

project = "gradcore"
author = "the authors of gradcore"
copyright = author  # noqa: A001 (Sphinx's name)
version = release = gradcore.__version__

extensions = ["myst_parser", "sphinx.ext.linkcode", "sphinx_copybutton", "notebooks"]
suppress_warnings = ["epub.unknown_project_files"]
myst_heading_anchors = 4
myst_url_schemes: dict[str, Any] = {"http": None, "https": None, "beside": {"url": "{{path}}"}}
myst_enable_extensions = ["dollarmath"]
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "gradcore"
html_baseurl = "https://gradcore.readthedocs.io/"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}  # pages of names have no file to edit
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

ROOT = HERE.parent
SOURCE = "https://github.com/gradcore/gradcore/blob"


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "main"
    return done.stdout.strip()


COMMIT = _commit()


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The address of the lines of a name's source, at the commit that this is built from."""
    name = reference.by_full_name().get(f"{info['module']}.{info['fullname']}")
    if domain != "py" or name is None or name.kind == "value":
        return None
    thing = getattr(name.thing, "function", name.thing)  # of a ufunc: the function behind it
    try:
        file = Path(inspect.getsourcefile(inspect.unwrap(thing)) or "").resolve()
        lines, first = inspect.getsourcelines(inspect.unwrap(thing))
    except (OSError, TypeError):
        return None
    if not file.is_relative_to(ROOT):
        return None
    place = file.relative_to(ROOT).as_posix()
    return f"{SOURCE}/{COMMIT}/{place}#L{first}-L{first + len(lines) - 1}"


# -- Names in text are links -----------------------------------------------------------------------

PAGES = {f"reference/{name.page}": name for name in reference.names() if name.kind != "value"}


def place_of(text: str, docname: str) -> str | None:
    """The full name that code in a text means; `None` where it means no public name."""
    text = re.sub(r"\(.*\)$", "", text)
    if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", text):
        return None
    candidates = [text, f"gradcore.{text}"]
    if page := PAGES.get(docname):
        if text in parameters(page.thing) or text == page.short:
            return None
        candidates += [f"{page.full}.{text}"]
        if len(text) > 2:
            candidates += [f"{reference.module_name(page.package)}.{text}"]
    elif "." not in text and not re.match(r"[A-Z]\w*[a-z]", text):
        return None
    return next((each for each in candidates if each in OBJECTS), None)


OBJECTS: dict[str, Any] = {}  # those of Sphinx's Python domain, once it has read all pages


def parameters(thing: Any) -> set[str]:
    try:
        return set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return set()


def link_names(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    OBJECTS.update(app.env.domains["py"].data["objects"])
    for literal in list(doctree.findall(nodes.literal)):
        inside = literal.parent
        while inside and not isinstance(inside, nodes.reference | nodes.title):
            inside = inside.parent
        full = None if inside else place_of(literal.astext(), docname)
        if full:
            there = OBJECTS[full]
            copy = literal.deepcopy()
            builder = app.builder
            link = make_refnode(builder, docname, there.docname, there.node_id, copy, full)
            literal.replace_self(link)


PLAIN = {*vars(builtins), *vars(typing), *vars(collections.abc), *vars(np), "np"}
PLAIN |= {"AbstractContextManager", "ModuleType", "Path", "PathLike"}


def missing(app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
    """A type in a signature: a public name, one of the page of types, or Python's or NumPy's."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    short = target.rpartition(".")[2]
    objects = env.domains["py"].data["objects"]
    if short in reference.types():
        found = objects[short]
    elif public := next((name for name in reference.names() if name.short == short), None):
        found = objects[public.full]
    else:
        return contnode if short in PLAIN else None
    builder = app.builder
    return make_refnode(builder, node["refdoc"], found.docname, found.node_id, contnode, target)


def note_others(app: Sphinx, domain: str, _kind: str, content: Any) -> None:
    """The other names of what a page describes are in objects.inv, too."""
    page = PAGES.get(app.env.current_document.docname)
    signature = content.parent[0] if domain == "py" else None
    if page and signature is not None and signature.get("fullname") == page.short:
        python = app.env.domains["py"]
        for other in page.others:
            python.note_object(other, content.parent["objtype"], signature["ids"][0], aliased=True)


# -- The navigation of 1,600 pages that it does not list -------------------------------------------

_trees: dict[str, str] = {}
BARE_LIST = re.compile(r"<dl>\s*((?:<dd>.*?</dd>\s*)+)</dl>", re.DOTALL)


def as_lines(found: re.Match[str]) -> str:
    """The parameters of a signature as lines: Sphinx writes a list of definitions of no terms,
    which screen readers stumble on."""
    lines = found[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">{lines}</span>'


def navigation(app: Sphinx, page: str, _template: str, context: Any, _doctree: Any) -> None:
    """A page of a name has the navigation of its package's page, whose folder is the same."""
    if "body" in context:
        context["body"] = BARE_LIST.sub(as_lines, context["body"])
    if page not in PAGES and not page.endswith("/values"):
        return
    parent = f"{page.rpartition('/')[0]}/index"

    def toctree(**options: Any) -> str:
        if parent not in _trees:
            tree = global_toctree_for_doc(app.env, parent, app.builder, **options)
            made = app.builder.render_partial(tree)["fragment"] if tree else ""
            _trees[parent] = made.replace('href="#"', 'href="index.html"')
        return _trees[parent]

    context["toctree"] = toctree


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", missing)
    app.connect("doctree-resolved", link_names)
    app.connect("object-description-transform", note_others)
    app.connect("html-page-context", navigation, priority=100)  # before the theme uses it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
