"""PyTorch's lists of names beside gradcore's: writes the tables of docs/torch.md.

    python tests/search/torch_lists.py docs/torch.md

Each public name of PyTorch's modules below is here under the same name, or in `LEFT_OUT` with the
reason.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LEFT_OUT", "SECTIONS", "Section", "compared", "tables"]

START, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def is_class(x: Any) -> bool:
    return isinstance(x, type)


def is_function(x: Any) -> bool:
    return callable(x) and not isinstance(x, type)


class Section(NamedTuple):
    title: str
    theirs: str
    ours: str
    kind: Callable[[Any], bool]


SECTIONS = [
    Section("Modules and losses", "torch.nn", "gradcore.nn", is_class),
    Section("Functions of networks", "torch.nn.functional", "gradcore", is_function),
    Section("Initialization", "torch.nn.init", "gradcore.nn.init", is_function),
    Section("Utilities", "torch.nn.utils", "gradcore.nn.utils", is_function),
    Section("Sequences", "torch.nn.utils.rnn", "gradcore.nn.utils.rnn", callable),
    Section("Optimizers", "torch.optim", "gradcore.optim", is_class),
    Section("Averages of weights", "torch.optim.swa_utils", "gradcore.optim.swa_utils", callable),
    Section("Schedules", "torch.optim.lr_scheduler", "gradcore.optim.lr_scheduler", is_class),
    Section("Distributions", "torch.distributions", "gradcore.distributions", callable),
    Section("Data", "torch.utils.data", "gradcore.data", callable),
    Section("Functions", "torch", "gradcore", is_function),
    Section("Linear algebra", "torch.linalg", "gradcore.linalg", is_function),
    Section("Special functions", "torch.special", "gradcore.special", is_function),
]

# Of each section the reasons, and patterns of the names that they hold for.
LEFT_OUT: dict[str, dict[str, str]] = {}


def compared(section: Section) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Compare a section's names.

    Returns:
        The names that both have; those that only PyTorch has, and no reason; and for each reason
        the names that are left out.
    """
    theirs, ours = import_module(section.theirs), _module(section.ours)
    names = getattr(theirs, "__all__", None) if section.theirs != "torch" else None
    names = dir(theirs) if names is None else names
    both, unexplained, left = [], [], dict[str, list[str]]()
    for name in sorted(names):
        x = getattr(theirs, name)
        if name.startswith("_") or isinstance(x, types.ModuleType) or not section.kind(x):
            continue
        if getattr(ours, name, None) is not None:
            both.append(name)
            continue
        for reason, pattern in LEFT_OUT.get(section.theirs, {}).items():
            if re.fullmatch(pattern, name):
                left.setdefault(reason, []).append(name)
                break
        else:
            unexplained.append(name)
    return both, unexplained, left


def _module(name: str) -> Any:
    """Find a module, or one that is an attribute of another."""
    module = import_module("gradcore")
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module


def tables() -> str:
    """Write the tables of all sections."""
    lines = []
    for section in SECTIONS:
        both, unexplained, left = compared(section)
        n = len(both) + len(unexplained) + sum(map(len, left.values()))
        lines += ["", f"### {section.title}: {len(both)} of {n} names of `{section.theirs}`", ""]
        lines += [f"In `{section.ours}`: {_listed(both)}.", ""]
        if left:
            lines += ["| left out | why |", "| --- | --- |"]
            lines += [f"| {_listed(names)} | {reason} |" for reason, names in left.items()]
    return "\n".join(lines).strip() + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main(page: Path) -> None:
    before, _, rest = page.read_text("utf-8").partition(START)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n\n{tables()}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
