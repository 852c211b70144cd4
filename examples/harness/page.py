"""The report as one page of HTML: its pictures inside, in light and dark, good on a phone."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["page", "slug"]

SHORT = 8  # characters, that fit a narrow column


def page(blocks: Sequence[Any], folder: Path) -> str:
    """Make the page.

    Args:
        blocks: texts in Markdown, and figures, which have a `content` in Markdown and a `caption`.
        folder: of the pictures.
    """
    title = str(blocks[0]).lstrip("# ")
    body = "\n".join([rendered(block, folder) for block in blocks])
    return PAGE.format(title=html.escape(title), body=body)


def rendered(block: Any, folder: Path) -> str:
    """Make HTML of a text or a figure."""
    if isinstance(block, str):
        if block.startswith("```"):
            return scrolled(markdown(block, folder), "Python session")
        if heading := re.fullmatch(r"## (.*)", block):
            return f'<h2 id="{slug(heading[1])}">{html.escape(heading[1])}</h2>'
        return markdown(block, folder)
    caption = f"<figcaption>{html.escape(block.caption)}</figcaption>"
    content = markdown(block.content, folder)
    if block.content.startswith("!"):
        images = content.replace("<p>", "").replace("</p>", "")
        return f'<figure>\n<div class="panels">{images}</div>\n{caption}\n</figure>'
    header, _, *rows = block.content.splitlines()
    if " difference " in header:  # the first two columns stay in view
        labels = [row.split("|")[1].strip() for row in rows]
        size = "short" if max(map(len, labels)) <= SHORT else "long"
        content = content.replace("<table>", f'<table class="compared {size}">')
    content = content.replace("<th", '<th scope="col"').replace('<th scope="col"ead', "<thead")
    return f"<figure>\n{caption}\n{scrolled(content, block.caption)}</figure>"


def scrolled(content: str, label: str) -> str:
    """Let what is too wide for a phone be scrolled by itself, by keys too."""
    return (
        f'<div class="wide" role="group" tabindex="0" aria-label="{html.escape(label)}">'
        f"{content}</div>\n"
    )


def slug(title: str) -> str:
    """Give the anchor that GitHub and the site make for a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def markdown(text: str, folder: Path) -> str:
    """Render Markdown, with the pictures of the folder inside."""
    from markdown_it import MarkdownIt

    if not text.startswith("```"):  # no line begins with a sign or a unit
        text = text.replace(" ± ", "\N{NO-BREAK SPACE}± ").replace(" %", "\N{NO-BREAK SPACE}%")
    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(text)
    for token in tokens:
        for part in token.children or ():
            if part.type == "image":
                picture = base64.b64encode((folder / str(part.attrs["src"])).read_bytes())
                part.attrs["src"] = f"data:image/svg+xml;base64,{picture.decode()}"
    return reader.renderer.render(tokens, reader.options, {})


PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{
  color-scheme: light dark;
  --text: #1f2328; --background: #ffffff; --line: #d5d9de; --soft: #f4f5f7; --mark: #ffdfa8;
  --link: #0b57a4; --quiet: #4d555e;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --text: #dde1e6; --background: #1a1a1a; --line: #41464c; --soft: #26292d; --mark: #6e4b0c;
    --link: #7fb8f0; --quiet: #a9b1ba;
  }}
}}
body {{
  max-width: 54rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--background);
}}
h1, h2 {{ line-height: 1.25 }}
h2 {{ margin-top: 3rem; padding-top: 0.5rem; border-top: 1px solid var(--line) }}
a {{ color: var(--link) }}
figure {{ margin: 1.5rem 0 }}
figcaption {{ margin: 0.4rem 0; font-size: 0.9rem; color: var(--quiet) }}
.panels {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)) }}
.panels {{ gap: 0.5rem; align-items: start }}
img {{ width: 100%; max-width: 34rem }}
.wide {{ overflow-x: auto }}
.wide:focus-visible {{ outline: 2px solid var(--link) }}
table {{ border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums }}
th, td {{ padding: 0.2rem 0.6rem; border-bottom: 1px solid var(--line); white-space: nowrap }}
th, pre {{ background: var(--soft) }}
td, .compared :is(th, td):first-child {{ background: var(--background) }}
.short {{ --first: 5.5rem }}
.long {{ --first: 18rem }}
.compared :is(th, td):nth-child(-n + 2) {{ position: sticky; left: 0; z-index: 1 }}
.compared :is(th, td):first-child {{ min-width: var(--first); max-width: var(--first) }}
.compared :is(th, td):first-child {{ box-sizing: border-box; white-space: normal }}
.compared th:first-child {{ text-align: left }}
.compared :is(th, td):nth-child(2) {{ left: var(--first); border-right: 1px solid var(--line) }}
.compared th:first-child {{ background: var(--soft) }}
td strong {{ padding: 0 0.3em; border-radius: 0.2em; background: var(--mark) }}
pre {{ padding: 0.7rem; margin: 0; width: max-content; min-width: calc(100% - 1.4rem) }}
@media (max-width: 36rem) {{
  th, td {{ padding: 0.2rem 0.35rem; font-size: 0.9rem }}
  .short {{ --first: 4rem }}
  .long {{ --first: 6.5rem }}
}}
</style>
<main>
{body}</main>
</html>
"""
