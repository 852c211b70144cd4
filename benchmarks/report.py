"""The figures as tables in Markdown, and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np

from .libraries import LIBRARIES

__all__ = [
    "NAMES",
    "first",
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
MARKERS = dict(zip(list(NAMES)[2:], "x|os^+*DPvdhH<>8p", strict=False))  # in the plot
LEAST_MEMORY = 1e5  # bytes; less is noise
NONE = "–"  # noqa: RUF001

PAGE = """\
# Benchmarks

`python -m benchmarks --docs` wrote this page, {date}: gradcore {gradcore} on {backend}, beside
{others}; {numpy}; Python {python}; {system}; {cores} cores of {processor}.
Each library has {threads} threads, but one in the chains and for growth with depth.

![Ratios to PyTorch](benchmarks.png)

## Time of a step

Times are in milliseconds. In the chains, which have 1,000 ops, they are microseconds per op.
{none} says that the library has no such operation, or that there is no floor to speak of. [The
table](../../benchmarks/workloads.py) of workloads says what each is.

- **A time**: each library has a process, and the processes take turns at a workload, {rounds}
  each. The time is the median of the turns' medians, without warm-up. In brackets are the
  quartiles of all steps.
- **A ratio** is of two turns of one round; the table has the median of these ratios.
- **PyTorch** is as it comes, not compiled, but without TF32 on a GPU.
- **NumPy alone** is gradcore without the kernels that numba compiles.
- **vugrad**, the course's library, computes in float64.
- **The floor** is what a step takes at least: its matrix products and convolutions at this
  machine's rate of large ones, {matmul:.0f} GFLOP/s, and its arrays, which each operation reads
  and writes once, at the rate of a large copy, {copy:.1f} GB/s. What stays in a cache can be
  faster.{captured}

{times}

## Memory of a step

In megabytes: by how much the process's resident memory (`VmHWM`) is larger at the highest point
of the second step than before that step, in a fresh process. On a GPU it is the memory of arrays
there.

{memory}

## The first step

In seconds, in a fresh process. Two steps of a tiny size come before, which load most of what a
library loads late. When a process first needs a kernel, numba loads it from its cache, or compiles
it if the cache is empty.

{first}

## Growth

The tables show growth with the number of ops in a chain, with the width of a network of three
layers, and with the batch of `mnist-sigmoid`. The slope is that of a line fitted to the
logarithms: 1 is growth in proportion, 2 with the square.

{growth}
"""

CAPTURED = """
- **Captured** is gradcore with training steps replayed as CUDA graphs (`gradcore.capture`). Its
  memory is that of a step before."""


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
    others = [f"{NAMES[x]} {v}".strip() for x, v in versions.items() if "gradcore" not in x]
    single = {name: w for name, w in results["workloads"].items() if not w["series"]}
    return PAGE.format(
        **{**results, **results["machine"]},
        gradcore=versions.get("gradcore", ""),
        others=", ".join(others) or "nothing else",
        matmul=results["rates"].get("matmul", 0) / 1e9,
        copy=results["rates"].get("copy", 0) / 1e9,
        none=NONE,
        captured=CAPTURED if "gradcore-captured" in versions else "",
        times=times(single, list(versions)),
        memory=memory(single, list(versions)),
        first=first(single, list(versions)),
        growth=growth(results["workloads"], list(versions)),
    )


def times(workloads: dict[str, Any], libraries: list[str]) -> str:
    main, peers = libraries[:2], [x for x in libraries if x != "torch"]
    ratios = [f"{NAMES[x]} / {NAMES[LIBRARIES[x].base]}" for x in peers]
    head = ["", *[NAMES[x] for x in main], *ratios, "floor"]
    rows = []
    for name, w in workloads.items():
        found, least = w["libraries"], w["floor"]
        row = [name, *[cell(found[x], time) for x in main]]
        row += [*[cell(found[x], ratio) for x in peers], number(least and 1e3 * least)]
        rows.append(row + [number(least and found[x].get("seconds", 0) / least) for x in main])
    return table(head + [f"{NAMES[x]} / floor" for x in main], rows)


def memory(workloads: dict[str, Any], libraries: list[str]) -> str:
    rows = []
    for name, w in workloads.items():
        ours, theirs = [w["libraries"].get(x, {}).get("memory") or 0 for x in ("gradcore", "torch")]
        shown = number(ours / theirs) if min(ours, theirs) >= LEAST_MEMORY else NONE
        rows.append([name, *[cell(w["libraries"][x], megabytes) for x in libraries], shown])
    return table(["", *[NAMES[x] for x in libraries], "gradcore / PyTorch"], rows)


def first(workloads: dict[str, Any], libraries: list[str]) -> str:
    head = ["", "gradcore, empty cache", *[NAMES[x] for x in libraries]]
    rows = []
    for name, w in workloads.items():
        if "compiling" in w:
            found = [cell(w["libraries"][x], lambda r: number(r.get("first"))) for x in libraries]
            rows.append([name, number(w["compiling"]), *found])
    return table(head, rows) if rows else NONE


def growth(workloads: dict[str, Any], libraries: list[str]) -> str:
    tables = []
    for series in dict.fromkeys(w["series"] for w in workloads.values() if w["series"]):
        points = {w["at"]: w["libraries"] for w in workloads.values() if w["series"] == series}
        rows = []
        for key, unit in (("seconds", "ms"), ("memory", "MB")):
            for x in libraries:
                found = {at: results[x] for at, results in points.items()}
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
    """Plot the ratios to PyTorch's time: gradcore's as bars, those of others as dots."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    ratios: dict[str, dict[str, float]] = {}
    for name, w in reversed(results["workloads"].items()):
        if not w["series"]:
            found = {x: r["ratio"] for x, r in w["libraries"].items() if r.get("ratio")}
            ratios[name] = {x: value for x, value in found.items() if x != "torch"}
    size = 8, 1.5 + 0.24 * len(ratios)
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    for i, found in enumerate(ratios.values()):
        if ours := found.get("gradcore"):
            axes.barh(
                i, ours - 1, left=1, color="tab:blue" if ours <= 1 else "tab:orange", alpha=0.7
            )
            at_the_side = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8}
            axes.text(1.01, i, number(ours), **at_the_side)
    for x, marker in MARKERS.items():
        places = [(found[x], i) for i, found in enumerate(ratios.values()) if x in found]
        if places:
            axes.scatter(*zip(*places, strict=True), s=16, c="0.2", marker=marker, label=NAMES[x])
    if axes.collections:
        figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_yticks(range(len(ratios)), ratios, fontsize=8)
    axes.set_ylim(-0.7, len(ratios) - 0.3)
    axes.margins(x=0.1)
    axes.set_xlabel("time / PyTorch's time; the bars and the numbers are gradcore's")
    axes.grid(axis="x", linewidth=0.3)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
