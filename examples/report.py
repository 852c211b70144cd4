"""What a report is made of: tables, pictures, and the page in HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import mean_and_deviation, replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKED = 1.5  # points: a difference of more is bold
NOT_RUN = "not run"
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
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --text: #dde1e6; --background: #1a1a1a; --line: #41464c; --soft: #26292d; --mark: #6e4b0c;
  }}
  img {{ filter: invert(0.9) hue-rotate(180deg) }} /* white becomes the page's background */
}}
body {{
  max-width: 52rem; margin: 0 auto; padding: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--background);
}}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid var(--line) }}
table {{
  display: block; overflow-x: auto; border-collapse: collapse; font-variant-numeric: tabular-nums;
}}
th, td {{ padding: 0.15rem 0.7rem; border: 1px solid var(--line) }}
th, pre {{ background: var(--soft) }}
td strong {{ padding: 0 0.3em; border-radius: 0.2em; background: var(--mark) }}
pre {{ padding: 0.7rem; overflow-x: auto }}
img {{ max-width: 100% }}
a {{ color: inherit }}
</style>
<main>
{body}</main>
</html>
"""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown; all columns but the first are of numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def difference(ours: float, reported: Any) -> float:
    """Ours less what is reported; that is a number, or the ends of a range."""
    low, high = reported if isinstance(reported, tuple) else (reported, reported)
    return ours - min(max(ours, low), high)


def signed(points: float) -> str:
    text = f"{points:+.2f}"
    return f"**{text}**" if abs(points) > MARKED else text


def as_reported(value: Any) -> str:
    """As the assignment has it: a number, the ends of a range, or nothing."""
    if value is None:
        return ""
    return " to ".join(f"{x:g}" for x in (value if isinstance(value, tuple) else (value,)))


def mean(values: Sequence[float], digits: int) -> str:
    """The mean, and of several values the standard deviation; of none that nothing ran."""
    average, deviation = mean_and_deviation(list(values))
    if average is None:
        return NOT_RUN
    spread = f" ± {deviation:.{digits}f}" if len(values) > 1 else ""
    return f"{average:.{digits}f}{spread}"


def new_figure() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(8.5, 3.4), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """As SVG, the same file for the same figure."""
    import matplotlib as mpl

    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gradcore"}),
        replaced(path) as temporary,
    ):
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def page(markdown: str, folder: Path) -> str:
    """The report as one page of HTML, with the pictures, from the folder, in it."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(markdown)
    for token in tokens:
        for part in token.children or ():
            if part.type == "image":
                picture = base64.b64encode((folder / str(part.attrs["src"])).read_bytes())
                part.attrs["src"] = f"data:image/svg+xml;base64,{picture.decode()}"
    title = markdown.partition("\n")[0].lstrip("# ")
    body = reader.renderer.render(tokens, reader.options, {})
    return PAGE.format(title=html.escape(title), body=body)
