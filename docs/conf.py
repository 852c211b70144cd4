"""The settings of Sphinx; docs/build.py runs it."""

from __future__ import annotations

import builtins
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment.adapters.toctree import global_toctree_for_doc
from sphinx.ext.napoleon import Config as Napoleon
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.inspect import TypeAliasForwardRef
from sphinx.util.nodes import make_refnode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402

import gradcore  # noqa: E402

project = html_title = "gradcore"
author = copyright = "the authors of gradcore"  # noqa: A001 (Sphinx's name)
version = release = gradcore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.linkcode", "sphinx_copybutton"]
extensions += ["notebooks"]
default_role = "literal"
suppress_warnings = ["epub.unknown_project_files"]
myst_heading_anchors = 4
myst_url_schemes: dict[str, Any] = {"http": None, "https": None, "beside": {"url": "{{path}}"}}
myst_enable_extensions = ["dollarmath"]
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_baseurl = "https://gradcore.readthedocs.io/"
html_static_path = [str(HERE / "static")]
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_search_scorer = str(HERE / "static" / "scorer.js")
html_show_sourcelink = html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}  # pages of names have no file to edit
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

python_maximum_signature_line_length = 80
python_use_unqualified_type_names = autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
autodoc_default_options = {"members": True, "member-order": "bysource"}
TYPES = re.findall(r"^.. auto\w+:: (.+)", (HERE / "reference/types.rst").read_text("utf-8"), re.M)
SHORT = {each.rpartition(".")[2]: each for each in TYPES}
autodoc_type_aliases = {short: short for short in [*SHORT, "Array"]}
# Sphinx writes an alias inside another type, as in `Axis | None`, with this class's name around.
TypeAliasForwardRef.__repr__ = lambda alias: alias.name  # type: ignore[method-assign]
# Types that have no page here: Python's and NumPy's, and type variables.
nitpick_ignore_regex = [
    ("py:class", r"gradcore\..*\.T"),
    ("py:.*", r"(collections|contextlib|numpy|np|os|pathlib|types|typing)\b.*"),
]
SECTIONS = Napoleon(
    napoleon_use_param=False,
    napoleon_use_rtype=False,
    napoleon_custom_sections=[(each, "params_style") for each in reference.TABLES["sections"]],
)

ROOT = HERE.parent
COMMIT = subprocess.run(
    "git rev-parse HEAD", shell=True, cwd=ROOT, capture_output=True, text=True
).stdout.strip()  # fmt: skip


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The address of the lines of a name's source, at the commit that this is built from."""
    name = reference.by_full_name().get(f"{info['module']}.{info['fullname']}")
    if domain != "py" or name is None or name.kind == "value":
        return None
    thing = inspect.unwrap(getattr(name.thing, "function", name.thing))  # behind a ufunc
    try:
        place = Path(inspect.getsourcefile(thing) or "").resolve().relative_to(ROOT).as_posix()
        lines, first = inspect.getsourcelines(thing)
    except (OSError, TypeError, ValueError):
        return None
    source = f"https://github.com/gradcore/gradcore/blob/{COMMIT or 'main'}/{place}"
    return f"{source}#L{first}-L{first + len(lines) - 1}"


# -- What autodoc asks -----------------------------------------------------------------------------


def docstring(app: Sphinx, what: str, *given: Any) -> None:
    """Docstrings have Napoleon's sections, and code spans and lists as in Markdown. Napoleon is
    called here, since its own hook reads properties as types, and looks for no sections there."""
    *thing, lines = given
    text = reference.rst("\n".join(lines)).split("\n") if what != "data" else []  # Python's own
    what = "method" if what == "property" else what
    lines[:] = [*GoogleDocstring(text, SECTIONS, app, what, *thing).lines(), ""]


def bases(_app: Sphinx, _name: str, thing: Any, _options: Any, found: list[Any]) -> None:
    found[:] = reference.bases(thing)


def skip(_app: Sphinx, _what: str, _name: str, thing: Any, *_: Any) -> bool | None:
    """Leave out members that are neither methods nor properties."""
    return None if isinstance(thing, property) or inspect.isroutine(thing) else True


def signature(_app: Sphinx, what: str, _name: str, thing: Any, *_: Any) -> Any:
    """Ops are not called: `do_forward` of each is."""
    is_op = what == "class" and issubclass(thing, gradcore.Op) and thing is not gradcore.Op
    return ("", None) if is_op else None


# -- Names in text and in signatures are links -----------------------------------------------------

FULL = {
    short: name.full
    for name in reversed(reference.names())
    for short in {name.thing.__qualname__ if name.kind == "class" else name.short, name.short}
} | SHORT
for _name in reference.names():
    if _name.kind == "class":  # of a class of another name autodoc says "alias of", and no more
        _name.thing.__name__ = _name.short
PAGES = {f"reference/{name.page}": name for name in reference.names() if name.kind != "value"}


def place_of(text: str, docname: str, objects: Any) -> str | None:
    """The full name that code in a text means; `None` where it means no public name."""
    candidates = [text, f"gradcore.{text}"]
    if page := PAGES.get(docname):
        if text == page.short:
            return None
        package = reference.module_name(page.package) if len(text) > 2 else ""
        candidates += [f"{page.full}.{text}", f"{package}.{text}"]
    elif "." not in text and not re.match(r"[A-Z]\w*[a-z]", text):
        return None
    return next((each for each in candidates if each in objects), None)


def link_names(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    objects = app.env.domains["py"].data["objects"]
    parameters = [each.children[:2] for each in doctree.findall(addnodes.desc_parameter)]
    own = {name.astext() for each in parameters for name in each}
    for literal in list(doctree.findall(nodes.literal)):
        text = re.sub(r"\(.*\)$", "", literal.astext())
        inside = literal.parent
        while inside and not isinstance(inside, nodes.reference | nodes.title):
            inside = inside.parent
        full = None if inside or text in own else place_of(text, docname, objects)
        if full:
            literal.replace_self(link(app, docname, full, literal.deepcopy()))


def link(app: Sphinx, docname: str, full: str, shown: Any) -> Any:
    there = app.env.domains["py"].data["objects"][full]
    return make_refnode(app.builder, docname, there.docname, there.node_id, shown, full)


def missing(app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
    """A type in a signature has the name that its module gives it: link it to its page."""
    full = FULL.get(node.get("reftarget", "").rpartition(".")[2])
    is_here = node.get("refdomain") == "py" and full in env.domains["py"].data["objects"]
    return link(app, node["refdoc"], full, contnode) if is_here else None


def plain_types(_app: Sphinx, doctree: nodes.document) -> None:
    """`bool` in a signature is Python's, and not NumPy's dtype of this name."""
    for xref in list(doctree.findall(addnodes.pending_xref)):
        if xref["reftarget"] in vars(builtins) and not xref.get("refexplicit"):
            xref.replace_self(nodes.Text(xref["reftarget"]))


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
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-bases", bases)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-signature", signature)
    app.connect("doctree-read", plain_types)
    app.connect("doctree-resolved", link_names)
    app.connect("missing-reference", missing)
    app.connect("html-page-context", navigation, priority=100)  # before the theme uses it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
