"""Build the site into build/site, strictly: a warning, a broken link or a name without a docstring
or an example is an error.

    pip install -e ".[docs]" && python docs/build.py
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from html import unescape
from os.path import normpath, relpath
from pathlib import Path
from urllib.parse import unquote

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402

SITE = "https://gradcore.readthedocs.io/"
SOURCE = "https://github.com/gradcore/gradcore/blob/main/"
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")


def markdown(page: Path) -> str:
    """The text of a page for Sphinx: links that leave docs/ go to the repository, those to the
    site's address to its pages; and what an index.md links to is the navigation below it."""
    linked = []

    def link(found: re.Match[str]) -> str:
        begin, target, anchor = found[1], found[2], found[3] or ""
        here = page.parent.relative_to(HERE).as_posix()
        if target.startswith(SITE):
            there = target.removeprefix(SITE) or "index.html"
            target = relpath(there, here)
            linked.append(target.removesuffix(".html"))
            suffix = ".md" if (HERE / there).with_suffix(".md").exists() else ".rst"
            return f"{begin}{target.removesuffix('.html')}{suffix}{anchor}"
        if re.match(r"\w+:", target):
            return found[0]
        there = normpath(f"docs/{here}/{target}")
        if there.startswith("docs/report/"):
            return f"{begin}beside:{re.sub('md$', 'html', target)}{anchor}"
        if there.startswith("docs/") and not there.endswith(".py"):
            if target.endswith(".md"):
                linked.append(target.removesuffix(".md"))
            return found[0]
        if not (ROOT / there).exists():
            raise SystemExit(f"{page.relative_to(ROOT)}: there is no {there}")
        return f"{begin}{SOURCE}{there}{anchor}"

    text = LINK.sub(link, page.read_text("utf-8"))
    if page.name == "index.md":
        first = page.parent == HERE  # below it is what has no index of its own
        linked = [x for x in linked if not first or x.endswith("/index") or "/" not in x]
        text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(dict.fromkeys(linked)) + "\n```\n"
    return text


def prepare(pages: Path) -> int:
    """Write the text of all pages for Sphinx; return how many pages the reference has."""
    shutil.rmtree(pages, ignore_errors=True)
    others = shutil.ignore_patterns("report", "static", "*.py", "*.toml", "__pycache__")
    shutil.copytree(HERE, pages, ignore=others)
    for page in pages.rglob("*.md"):
        page.write_text(markdown(HERE / page.relative_to(pages)), "utf-8")
    made = dict(reference.pages())
    for name, text in made.items():
        page = pages / f"reference/{name}.rst"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, "utf-8")
    return len(made)


def broken_links(site: Path) -> list[str]:
    """The links inside the site that lead nowhere: to no file, or to no anchor of it."""
    anchors, links = {}, []
    for file in site.rglob("*.html"):
        text = file.read_text("utf-8")
        anchors[file] = set(re.findall(r'\b(?:id|name)="([^"]+)"', text))
        found = set(re.findall(r'\b(?:href|src)="([^"]+)"', text))
        links += [(file, unescape(link)) for link in found if not re.match(r"\w+:|//", link)]
    broken = []
    for file, link in links:
        target, _, anchor = link.partition("#")
        there = Path(normpath(file.parent / unquote(target.partition("?")[0]))) if target else file
        if not there.exists() or (
            there in anchors and anchor and unquote(anchor) not in anchors[there]
        ):
            broken.append(f"{file.relative_to(site)}: {link}")
    return sorted(set(broken))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="default: build")
    parser.add_argument("--jobs", default="auto", help="processes; default: one for each core")
    arguments = parser.parse_args()
    from sphinx.cmd.build import main as sphinx

    began = time.perf_counter()
    pages, site = arguments.out / "pages", arguments.out / "site"
    count = prepare(pages)
    flags = ["-E", "-a", "-W", "-n", "--keep-going", "-q", "-b", "html"]
    flags += ["-j", arguments.jobs, "-c", str(HERE), "-d", str(arguments.out / "doctrees")]
    status = sphinx([*flags, str(pages), str(site)])
    shutil.copytree(HERE / "report", site / "report", dirs_exist_ok=True)
    problems = [f"broken link: {each}" for each in broken_links(site)]
    undocumented, unshown = reference.faults()
    problems += [f"no docstring: {each}" for each in undocumented]
    problems += [f"no example: {each}" for each in unshown]
    print(*problems[:200], sep="\n", file=sys.stderr)
    named = sum(name.kind != "value" for name in reference.names())
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    print(
        f"{count} pages of the reference, {named} of them of one name each, "
        f"with {named - len(unshown)} examples; "
        f"{len(list(site.rglob('*.html')))} pages in all, {size / 1e6:.0f} MB, "
        f"{time.perf_counter() - began:.0f} s; {len(problems)} problems"
        f"{', and the warnings above' * bool(status)}: {site}"
    )
    return status or bool(problems)


if __name__ == "__main__":
    sys.exit(main())
