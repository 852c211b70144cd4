"""The figures as tables in Markdown, and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np

from .goals import COLUMNS, of_row
from .libraries import GROUPS, LIBRARIES

__all__ = [
    "NAMES",
    "first",
    "goals",
    "growth",
    "line",
    "markdown",
    "memory",
    "number",
    "plot",
    "slope",
    "times",
]

NAMES = {name: library.title for name, library in LIBRARIES.items()}
# In the plot: the marks, the numbers at the axis, and its ends.
MARKERS = {
    "gradcore-captured": ("o", "tab:green"),
    "gradcore-numpy": ("|", "black"),
    "gradcore-numpy-captured": ("d", "tab:gray"),
    "jax": ("x", "tab:red"),
    "torch-compiled": ("+", "tab:purple"),
    "torch-captured": ("+", "tab:purple"),
    "tinygrad": ("^", "tab:brown"),
}
TICKS, EDGES = (0.25, 0.5, 1, 2, 4), (0.15, 6.7)
LEAST_MEMORY = 1e5  # bytes; less is noise
NONE = "–"  # noqa: RUF001

PAGE = """\
# Benchmarks

`python -m benchmarks --docs` wrote this page, {date}: gradcore {gradcore} on {backend}, beside
{others_there}; {numpy}; Python {python}; {system}; {cores} cores of {processor}.
Each library has {threads} threads, but one in the chains and for growth with depth. Other processes
used {others:.2f} cores meanwhile.

![Ratios to PyTorch](benchmarks.png)

## Time of a step

Times are in milliseconds. In the chains, which have 1,000 ops, they are microseconds per op.
[The table](../../benchmarks/workloads.py) of workloads says what each is.

- **A time**: each library has a process, and the processes take turns at a workload, {rounds} to
  {most} each: until two turns of PyTorch's are at most 5 % slower than its fastest one. If they
  never are, the row's name has a ~. The time is the median of the fastest fifth of all steps,
  without warm-up: of those that other guests of the machine did not disturb. In brackets are the
  quartiles of all steps. Libraries that compile, autograd, MyGrad and vugrad have fewer turns, and
  growth has 3.
- **A ratio** is of two such times.
- **gradcore** is as it comes, with the kernels that numba compiles; **NumPy alone** is gradcore
  without them. **captured** is what `gradcore.capture` makes of a step.
- **PyTorch** is as it comes, not compiled, but without TF32 on a GPU.
- **JAX with jit** is a step in one function that `jax.jit` compiles, which updates in place.
  **torch.compile** compiles the network with its loss, and the update, by inductor.
  **tinygrad** has its `TinyJit`, and one thread. The time to compile is left out here: it is in the
  table of first steps.
- **vugrad**, the course's library, computes in float64.
- **The floor** is what a step takes at least: its matrix products and convolutions at this
  machine's rate of large ones, {matmul:.0f} GFLOP/s, and its arrays, which each operation reads
  and writes once, at the rate of a large copy, {copy:.1f} GB/s. What stays in a cache can be
  faster. There is none to speak of for chains.

{times}

### What is missing

A dash says that there is no figure. These are the reasons:

{missing}

## Goals

What the project has set itself, in times PyTorch's time or memory: "**1.26** of 1.1" misses a goal
of at most 1.1. `python -m benchmarks --goals` measures this table alone.

{goals}

## Memory of a step

In megabytes: by how much the process's resident memory (`VmHWM`) is larger at the highest point
of a later step than after the first step, in a fresh process. What captured and compiled steps hold
in between counts too. JAX and torch.compile are measured in the process that is timed; tinygrad is
not, as it keeps its memory from the first step on. On a GPU it is the memory of arrays there.

{memory}

## The first step

In seconds, in a fresh process. Two steps of a tiny size come before, which load most of what a
library loads late; but not where a library compiles the step, JAX, PyTorch or tinygrad, with an
empty cache. When a process first needs a kernel, numba loads it from its cache, or compiles it if
the cache is empty.

{first}

## Growth

The tables show growth with the number of ops in a chain, with the width of a network of three
layers, and with the batch of `mnist-sigmoid`. The slope is that of a line fitted to the
logarithms: 1 is growth in proportion, 2 with the square.

{growth}
"""


def number(x: float | None) -> str:
    """Write a number with three digits, or a dash for none."""
    if not x:
        return NONE
    return f"{x:,.{max(0, 2 - floor(log10(x)))}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Write a table; its first columns, so many as `words` says, are of words, the others of
    numbers."""
    align = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, align, *rows])


def cell(result: dict[str, Any], text: Callable[[dict[str, Any]], str]) -> str:
    """Write a result as `text` does, or that it failed or is missing."""
    if "failed" in result:
        return f"fails: {result['failed'].partition(':')[0]}"
    return NONE if "missing" in result else text(result)


def line(name: str, measured: dict[str, Any]) -> str:
    """Write the result of one workload, for the terminal."""
    shown = [f"{NAMES[x]} {cell(r, time)}" for x, r in measured.items() if "missing" not in r]
    return f"{name}: {', '.join(shown)}"


def named(name: str, workload: dict[str, Any]) -> str:
    """Mark a row whose time of PyTorch's is not settled."""
    return name if workload.get("is_settled", True) else f"{name} ~"


def milliseconds(result: dict[str, Any]) -> str:
    return number(1e3 * result["seconds"])


def time(result: dict[str, Any]) -> str:
    low, high = (number(1e3 * x) for x in result["quartiles"])
    return f"{milliseconds(result)} ({low}–{high})"  # noqa: RUF001


def ratio(result: dict[str, Any]) -> str:
    return number(result.get("ratio"))


def megabytes(result: dict[str, Any]) -> str:
    if (size := result.get("memory")) is not None and size < LEAST_MEMORY:
        return "< 0.1"
    return number(size and size / 1e6)


def markdown(results: dict[str, Any]) -> str:
    versions = results["machine"]["versions"]
    others = [f"{NAMES[x]} {v}".strip() for x, v in versions.items() if v and x != "gradcore"]
    rows, libraries = results["workloads"], list(versions)
    single = {name: w for name, w in rows.items() if not w["series"]}
    return PAGE.format(
        **{**results, **results["machine"]},
        gradcore=versions.get("gradcore", ""),
        others_there=", ".join(others) or "nothing else",
        matmul=results["rates"].get("matmul", 0) / 1e9,
        copy=results["rates"].get("copy", 0) / 1e9,
        times="\n\n".join(f"### {g}\n\n{times(part, libraries)}" for g, part in groups(single)),
        missing=missing(single, libraries),
        goals=goals(rows),
        memory="\n\n".join(memory(part, libraries) for _, part in groups(single)),
        first=first(single, libraries),
        growth=growth(rows, libraries),
    )


def groups(workloads: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each group of workloads that there is, with its name."""
    for group in GROUPS:
        if found := {name: w for name, w in workloads.items() if w["group"] == group}:
            yield group, found


def result(workload: dict[str, Any], library: str) -> dict[str, Any]:
    return workload["libraries"].get(library, {"missing": ""})


def there(workloads: dict[str, Any], libraries: list[str], key: str) -> list[str]:
    """List the libraries that have a figure, or that failed."""
    return [
        x for x in libraries if any({key, "failed"} & {*result(w, x)} for w in workloads.values())
    ]


def times(workloads: dict[str, Any], libraries: list[str]) -> str:
    main = [x for x in ("gradcore", "torch") if x in libraries]
    peers = [x for x in there(workloads, libraries, "seconds") if x != "torch"]
    head = ["", *[NAMES[x] for x in main]]
    head += [f"{NAMES[x]} / {NAMES[LIBRARIES[x].base]}" for x in peers]
    rows = []
    for name, w in workloads.items():
        row = [named(name, w), *[cell(result(w, x), time) for x in main]]
        row += [cell(result(w, x), ratio) for x in peers]
        if least := w["floor"]:
            row += [number(x and 1e3 * x) for x in [least]]
            row += [number(result(w, x).get("seconds", 0) / least) for x in main]
        rows.append(row)
    if any(w["floor"] for w in workloads.values()):
        head += ["floor", *[f"{NAMES[x]} / floor" for x in main]]
    return table(head, [row + [NONE] * (len(head) - len(row)) for row in rows])


def missing(workloads: dict[str, Any], libraries: list[str]) -> str:
    """Say what each library lacks, and in which workloads this is missing."""
    lines = []
    for x in libraries:
        reasons: dict[str, list[str]] = {}
        for name, w in workloads.items():
            if why := result(w, x).get("missing"):
                reasons.setdefault(why, []).append(name)
        groups = [g for g in GROUPS[:-1] if g not in LIBRARIES[x].groups]
        told = [f"{why} ({', '.join(names)})" for why, names in reasons.items()]
        told += [f"not timed: {', '.join(groups).lower()}"] if groups else []
        lines += [f"- **{NAMES[x]}**: {'; '.join(told)}"] if told else []
    return "\n".join(lines) or NONE


def goals(workloads: dict[str, Any]) -> str:
    """Write what was measured beside the goals."""
    measured = [(key, x) for key in ("seconds", "memory") for x in COLUMNS]
    head = [f"{NAMES[x]}{', memory' * (key == 'memory')}" for key, x in measured]
    rows = []
    for name, w in workloads.items():
        most = of_row(name, w["group"])
        cells = [goal(w, key, x, most.get((key, x))) for key, x in measured]
        rows += [[named(name, w), *cells]] if most else []
    return table(["", *head], rows) if rows else NONE


def goal(workload: dict[str, Any], key: str, library: str, most: float | None) -> str:
    ours, theirs = result(workload, library), result(workload, "torch")
    found: float = ours.get("ratio") or 0
    if key == "memory":
        found = (ours.get(key) or 0) / max(theirs.get(key) or 0, LEAST_MEMORY)
    if not most or found <= 0:  # memory that shrank is below what is measured
        return NONE
    return f"**{number(found)}** of {most}" if found > most else f"{number(found)} of {most}"


def memory(workloads: dict[str, Any], libraries: list[str]) -> str:
    rows_of = workloads.values()
    shown = [x for x in libraries if any(result(w, x).get("memory") is not None for w in rows_of)]
    rows = []
    for name, w in workloads.items():
        ours, theirs = [result(w, x).get("memory") or 0 for x in ("gradcore", "torch")]
        of_both = number(ours / theirs) if min(ours, theirs) >= LEAST_MEMORY else NONE
        rows.append([name, *[cell(result(w, x), megabytes) for x in shown], of_both])
    return table(["", *[NAMES[x] for x in shown], "gradcore / PyTorch"], rows)


def first(workloads: dict[str, Any], libraries: list[str]) -> str:
    steps = {name: w for name, w in workloads.items() if "compiling" in w}
    shown = there(steps, libraries, "first")
    rows = []
    for name, w in steps.items():
        found = [cell(result(w, x), lambda r: number(r.get("first"))) for x in shown]
        rows.append([name, number(w["compiling"]), *found])
    return table(["", "gradcore, empty cache", *[NAMES[x] for x in shown]], rows) if rows else NONE


def growth(workloads: dict[str, Any], libraries: list[str]) -> str:
    tables = []
    for series in dict.fromkeys(w["series"] for w in workloads.values() if w["series"]):
        points = {w["at"]: w["libraries"] for w in workloads.values() if w["series"] == series}
        rows = []
        for key, unit in (("seconds", "ms"), ("memory", "MB")):
            for x in libraries:
                found = {at: results.get(x, {}) for at, results in points.items()}
                if any(key in r for r in found.values()):
                    text = megabytes if key == "memory" else milliseconds
                    row = [f"{NAMES[x]}, {unit}", *[cell(r, text) for r in found.values()]]
                    rows.append([*row, slope({at: r.get(key) for at, r in found.items()}, key)])
        tables.append(table([series, *[f"{at:,}" for at in points], "slope"], rows))
    return "\n\n".join(tables) or NONE


def slope(points: dict[int, float | None], key: str) -> str:
    least = LEAST_MEMORY if key == "memory" else 0.0
    fitted = [(at, y) for at, y in points.items() if y is not None and y > least]
    if len(fitted) < 2:
        return NONE
    x, y = np.log(np.asarray(fitted)).T
    return f"{np.polyfit(x, y, 1)[0]:.2f}"


def plot(results: dict[str, Any], path: Path) -> None:
    """Plot the ratios to PyTorch's time: gradcore's as bars, those of others as marks. The picture
    is narrow, so that its words can be read on a phone."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    parts = [(group, part) for group, part in groups(results["workloads"]) if group != "Growth"]
    heights = [len(part) + 1.5 for _, part in parts]
    size = 4.2, 1.6 + 0.19 * sum(heights)
    options: dict[str, Any] = {"height_ratios": heights, "layout": "constrained"}
    figure, panels = pyplot.subplots(
        len(parts), 1, sharex=True, squeeze=False, figsize=size, **options
    )
    low, high = EDGES
    for axes, (group, part) in zip(panels[:, 0], parts, strict=True):
        for i, w in enumerate(part.values()):
            found = {x: r["ratio"] for x, r in w["libraries"].items() if r.get("ratio")}
            if ours := found.get("gradcore"):
                end = min(max(ours, low), high)
                color = "tab:blue" if ours <= 1 else "tab:orange"
                axes.barh(i, end - 1, left=1, color=color, alpha=0.55)
                place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8}
                axes.text(1.02, i, f"{ours:.2f}", **place)
            for x, (marker, color) in MARKERS.items():
                if x in found:
                    at = min(max(found[x], low), high)
                    axes.plot(at, i, marker, color=color, markersize=5, clip_on=False)
        axes.set_title(group, loc="left", fontsize=9, fontweight="bold", pad=3)
        axes.set_yticks(range(len(part)), part, fontsize=8)
        axes.set_ylim(len(part) - 0.4, -0.6)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set_xlim(low, high)
        axes.set_xticks(TICKS, [f"{x:g}" for x in TICKS], fontsize=8)
        axes.tick_params(labelbottom=True, length=2)
        axes.grid(axis="x", linewidth=0.3)
    shown = {x for _, part in parts for w in part.values() for x in w["libraries"]}
    handles: list[Any] = [Patch(color="tab:blue", alpha=0.55)]
    names = ["gradcore, and its number"]
    for x, (marker, color) in MARKERS.items():
        if x in shown:
            handles += pyplot.plot([], [], marker, color=color, markersize=5)
            names.append(NAMES[x])
    title = "Time of a step, in times PyTorch's"
    style: dict[str, Any] = {"ncols": 2, "fontsize": 8, "frameon": False}
    bold = {"size": 11, "weight": "bold"}
    figure.legend(
        handles, names, loc="outside upper center", title=title, title_fontproperties=bold, **style
    )
    figure.supxlabel("left of 1 is faster; marks at an edge lie beyond it", fontsize=8)
    figure.savefig(path, dpi=200)
    pyplot.close(figure)
