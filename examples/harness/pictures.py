"""Pictures: the curves of a run, and those that several examples draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from gradcore import namespace

from .record import mean_and_deviation
from .schema import CLASSIFIER, Metric, fraction

__all__ = ["COLORS", "DPI", "add_legend", "draw_curves", "draw_images", "new_figure", "plot_runs"]

DPI = 100  # of the examples' own pictures
COLORS = ("#0072b2", "#d55e00", "#00785a", "#a03d7a", "#7a6200")  # apart for colour-blind people
FRACTIONS = (0.9, 0.8, 0.5, 0.0)  # where an axis of fractions begins, which ends at 1
LEAST = 0.2  # of the largest number: the length of an axis with negative ones


def new_figure(width: float, height: float) -> Any:
    """Make a figure of matplotlib, of that size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def draw_curves(
    runs: list[list[dict[str, Any]]],
    title: str,
    file: BinaryIO,
    metrics: Sequence[Metric] = CLASSIFIER,
) -> None:
    """Plot the loss and the metrics over the epochs; of several runs, the mean and the deviation.

    Args:
        runs: of each run, the lines of its epochs, with their curves.
        file: for the picture (PNG).
    """
    from matplotlib.ticker import MaxNLocator

    n, points = min(map(len, runs)), len(runs[0][0]["curve"])
    within = [(i + 0.5) / points for i in range(n * points)]
    training = [[y for line in lines[:n] for y in line["curve"]] for lines in runs]
    others = [metric for metric in metrics if metric.name != "val_loss"]
    figure = new_figure(4.5 * (1 + len(others)), 3.8)
    figure.suptitle(title)
    one, two = COLORS[:2]
    left, *right = figure.subplots(1, 1 + len(others), squeeze=False)[0]
    left.set(ylabel="loss per instance")
    plot_runs(left, within, training, color=one, label="training (running mean)")
    for metric in metrics:
        values = [[line[metric.name] for line in lines[:n]] for lines in runs]
        axes = right[others.index(metric)] if metric in others else left
        style = {"color": two, "marker": ".", "linestyle": "--", "label": "validation"}
        plot_runs(axes, range(1, n + 1), values, **style)
        if metric in others:
            axes.set(ylabel=metric.label)
    fractions = [a for a, m in zip(right, others, strict=True) if m.kind is fraction]
    for axes in (left, *right):
        axes.set(xlabel="epochs")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        set_span(axes, axes in fractions)
    add_legend(left)
    figure.savefig(file, format="png", dpi=150)


def set_span(axes: Any, fractions: bool) -> None:
    """Choose the ends of the y axis so that noise does not look like a leap: from one of FRACTIONS
    to 1; from 0, or by powers of 10; and if there are negative numbers, at least LEAST."""
    values = [y for line in axes.lines for y in line.get_ydata()]
    low, high = axes.get_ylim()
    if fractions:
        axes.set_ylim(max(x for x in FRACTIONS if x <= min(values)), 1)
    elif 0 < min(values) * 300 < max(values):
        axes.set_yscale("log")
    elif min(values) >= 0:
        axes.set_ylim(0, high)
    elif (missing := LEAST * max(abs(low), abs(high)) - (high - low)) > 0:
        axes.set_ylim(low - missing / 2, high + missing / 2)


def add_legend(axes: Any) -> None:
    """Add the legend above the axes, where it covers nothing."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        columnspacing=1,
        borderaxespad=0.2,
        handletextpad=0.5,
        fontsize=9,
    )


def plot_runs(axes: Any, xs: Iterable[float], runs: list[list[float]], **style: Any) -> None:
    """Plot the mean of several runs, in a band of the standard deviation.

    Args:
        axes: matplotlib's.
        runs: of each run, the values at the places `xs`.
        style: of matplotlib's `plot`.
    """
    xs, pairs = list(xs), [mean_and_deviation(ys) for ys in zip(*runs, strict=True)]
    axes.plot(xs, [mean for mean, _ in pairs], **style)
    if len(runs) > 1:
        low, high = ([mean + sign * deviation for mean, deviation in pairs] for sign in (-1, 1))
        axes.fill_between(xs, low, high, color=style["color"], alpha=0.25, linewidth=0)


def draw_images(images: Any, columns: int, scale: int = 2) -> Any:
    """Draw images in rows of `columns`, each pixel as `scale` times `scale`; give the figure.

    Args:
        images: (N, H, W) of numbers from 0 to 1, or (N, H, W, 3) of colours; an array of NumPy.
    """
    n, height, width, *colors = images.shape
    rows, gap = -(-n // columns), 2
    sheet = namespace(images).ones(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, *colors), dtype=images.dtype
    )
    for i in range(n):
        y, x = i // columns * (height + gap), i % columns * (width + gap)
        sheet[y : y + height, x : x + width, ...] = images[i, ...]
    figure = new_figure(sheet.shape[1] * scale / DPI, sheet.shape[0] * scale / DPI)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    return figure
