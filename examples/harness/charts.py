"""The report's charts: a panel in each file, in light and in dark, and what it shows in words."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .files import replaced
from .pictures import COLORS, new_figure, plot_runs
from .record import mean_and_deviation
from .words import number

__all__ = ["ACCURACY", "LOSS", "Measure", "Series", "draw_dots", "draw_lines", "moved", "save"]

RANGES = ((90, 100), (80, 100), (30, 70), (50, 100), (0, 100))  # of accuracies, in %
WIDE = 15  # characters of a label, of which three stand side by side
INK, PAPER, GRID = "#1f2328", "#ffffff", "#d5d9de"
LIGHTER = ("#56b4e9", "#ff9147", "#2fd0a0", "#e29ac4", "#e6c229")  # COLORS on a dark page
DARK = {
    INK: "#dde1e6",
    PAPER: "#1a1a1a",
    GRID: "#41464c",
    **dict(zip(COLORS, LIGHTER, strict=True)),
}
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # apart without colours, too
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gradcore",  # the same figure gives the same bytes
    "font.size": 10,
    "legend.fontsize": 9,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
}


class Measure(NamedTuple):
    """What an axis shows.

    Attributes:
        key: of the file's name.
        label: of the axis.
        unit: behind a number, in words.
        digits: of a number in words.
    """

    key: str
    label: str
    unit: str
    digits: int


ACCURACY = Measure("accuracy", "validation accuracy, %", " %", 1)
LOSS = Measure("loss", "training loss, nats per image", "", 3)


class Series(NamedTuple):
    """The values of a row of an item.

    Attributes:
        xs: places, in epochs.
        runs: of each training, the values at these places.
        reported: what the assignment reports, as pairs of a place and a value.
    """

    label: str
    xs: Sequence[float]
    runs: Sequence[Sequence[float]]
    reported: Sequence[tuple[float, float]] = ()


def draw_lines(series: Sequence[Series], measure: Measure) -> tuple[Any, str]:
    """Draw curves over the epochs: the mean of the trainings, in a band of one deviation.

    Returns:
        The figure, and the alternative text.
    """
    from matplotlib.ticker import MaxNLocator

    with style():
        figure = new_figure(4.6, 3.5)
        axes = figure.subplots()
        for color, dashes, (label, xs, runs, reported) in zip(COLORS, DASHES, series, strict=False):
            plot_runs(axes, xs, runs, color=color, linestyle=dashes, label=label)
            if reported:
                axes.plot(*zip(*reported, strict=True), "x", color=color, clip_on=False)
        if any(s.reported for s in series):
            axes.plot([], [], "x", color=INK, label="reported")
        axes.set(xlabel="epochs", ylabel=measure.label)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        shown = span([y for s in series for y in reach(s)], measure)
        axes.set_ylim(*shown)
        if measure is LOSS and shown[0]:
            axes.set_yscale("log")
        finish(figure, axes)
    said = " ".join([f"{moved(s, measure)}{around(s, measure)}." for s in series])
    return figure, f"Line chart over the epochs; {axis(measure, shown)}. {said}"


def draw_dots(series: Sequence[Series], measure: Measure) -> tuple[Any, str]:
    """Draw one line for each row: a dot for each training, their mean and deviation, and what the
    assignment reports.

    Args:
        series: each training has one value.

    Returns:
        The figure, and the alternative text.
    """
    ours, theirs = COLORS[:2]
    with style():
        figure = new_figure(4.6, 1.5 + 0.35 * len(series))
        axes = figure.subplots()
        parts = []
        for i, (label, _, runs, reported) in enumerate(series):
            values = [y for [y] in runs]
            mean, deviation = mean_and_deviation(values)
            axes.plot(values, [i - 0.18] * len(values), ".", color=ours, alpha=0.6, clip_on=False)
            axes.errorbar(mean, i, xerr=deviation, fmt="o", color=ours, capsize=3)
            known = [x for _, x in reported]
            axes.plot(known, [i] * len(known), "x", color=theirs, markeredgewidth=2)
            said = f", reported {number(known[0], measure.digits)}" if known else ""
            parts.append(f"{label}: {number(mean, measure.digits)}{said}.")
        axes.plot([], [], "o", color=ours, label="mean, deviation")
        axes.plot([], [], ".", color=ours, alpha=0.6, label="a training")
        axes.plot([], [], "x", color=theirs, markeredgewidth=2, label="reported")
        axes.set_yticks(range(len(series)), [s.label for s in series])
        axes.set(xlabel=measure.label, ylim=(len(series) - 0.5, -0.6))
        shown = span([y for s in series for y in reach(s)], measure, log=False)
        axes.set_xlim(*shown)
        finish(figure, axes)
    return figure, f"Dot chart; {axis(measure, shown)}. {' '.join(parts)}"


def finish(figure: Any, axes: Any) -> None:
    """Add a grid, and the legend above the axes, where it covers nothing."""
    axes.grid()
    longest = max(map(len, axes.get_legend_handles_labels()[1]))
    columns = 3 if longest <= WIDE else 2 if longest <= 2 * WIDE else 1
    figure.legend(loc="outside upper left", ncols=columns, frameon=False, columnspacing=1)


def reach(series: Series) -> list[float]:
    """Give all values that a picture of the series has to show."""
    known = [y for _, y in series.reported]
    return [y for mean, d in spreads(series) for y in (mean - d, mean + d)] + known


def span(values: Sequence[float], measure: Measure, log: bool = True) -> tuple[float, float]:
    """Choose the ends of an axis: of accuracies the narrowest of a few ranges, all wide enough that
    noise looks small; of losses from 0, or, where they differ tenfold, whole powers of 10."""
    low, high = min(values), max(values)
    if measure is ACCURACY:
        return next((a, b) for a, b in RANGES if a <= low <= high <= b or b - a == 100)
    if not log or low <= 0 or low * 10 > high:
        return 0, high * 1.08
    powers = [10.0**i for i in range(-12, 13)]
    return max(p for p in powers if p <= low), min(p for p in powers if p >= high)


def axis(measure: Measure, shown: tuple[float, float]) -> str:
    low, high = (number(x, 0 if x.is_integer() else 3) for x in map(float, shown))
    return f"{measure.label}, on an axis from {low} to {high}"


def moved(series: Series, measure: Measure) -> str:
    """Say where a curve starts and ends: "ReLU rises from 94.8 % to 97.2 %"."""
    said = [number(mean, measure.digits) + measure.unit for mean, _ in spreads(series)]
    means = [mean for mean, _ in spreads(series)]
    first, last, low, high = (means.index(y) for y in (means[0], means[-1], min(means), max(means)))
    if abs(means[-1] - means[0]) * 2 >= means[high] - means[low] and said[0] != said[-1]:
        verb = "rises" if means[-1] > means[0] else "falls"
        return f"{series.label} {verb} from {said[first]} to {said[last]}"
    return f"{series.label} moves between {said[low]} and {said[high]}, and ends at {said[last]}"


def around(series: Series, measure: Measure) -> str:
    """Go on about the curve: how wide its band is, and what is reported."""
    text = ""
    if len(series.runs) > 1:
        start, end = (
            number(deviation, measure.digits + 1) + measure.unit
            for _, deviation in (spreads(series)[0], spreads(series)[-1])
        )
        text += f", in a band of ± {start} at the start and ± {end} at the end"
    if series.reported:
        reported = number(series.reported[-1][1], measure.digits) + measure.unit
        text += f"; the last reported value is {reported}"
    return text


def spreads(series: Series) -> list[Any]:
    """Give the mean and the deviation of the trainings at each place."""
    return [mean_and_deviation(ys) for ys in zip(*series.runs, strict=True)]


@contextmanager
def style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def save(figure: Any, path: Path) -> None:
    """Save as SVG, with a background of its own, which follows the reader's light or dark."""
    file = io.StringIO()
    with style():
        figure.savefig(file, format="svg", metadata={"Date": None})
    rules = [
        f'[style*="{what}: {light}"] {{ {what}: {dark} !important }}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    ]
    sheet = "<style>@media (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}</style>"
    svg = re.sub(r"(<svg\b[^>]*>)", lambda m: f"{m[1]}\n{sheet}", file.getvalue(), count=1)
    with replaced(path) as out:
        out.write(svg.encode())
