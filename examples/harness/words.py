"""Numbers in the report's sentences and tables, with real minus signs."""

from __future__ import annotations

from collections.abc import Sequence

from .record import mean_and_deviation

__all__ = ["MARKED", "NOT_RUN", "difference", "mean", "number", "points", "signed"]

MARKED = 1.5  # points: a difference of more is bold
NOT_RUN = "not run"


def number(x: float, digits: int) -> str:
    """Write a number with so many decimals; a zero has no sign."""
    text = f"{x:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "\N{MINUS SIGN}")


def signed(x: float, digits: int = 2, mark: bool = False) -> str:
    """Write a difference with its sign; if `mark`, bold where it is large."""
    text = number(x, digits)
    text = text if float(f"{x:.{digits}f}") <= 0 else f"+{text}"
    return f"**{text}**" if mark and abs(x) > MARKED else text


def mean(values: Sequence[float], digits: int) -> str:
    """Write the mean, and of several values the standard deviation; of none, "not run"."""
    average, deviation = mean_and_deviation(values)
    if average is None:
        return NOT_RUN
    spread = f" ± {number(deviation, digits)}" if len(values) > 1 else ""
    return number(average, digits) + spread


def difference(ours: float, reported: str) -> float:
    """Subtract what is reported, a number or a range such as "12 to 32", from ours. Inside the
    range the difference is 0."""
    low, *high = map(float, reported.split(" to "))
    return ours - min(max(ours, low), *(high or [low]))


def points(x: float) -> str:
    """Write the size of a difference."""
    return f"{number(abs(x), 2)} points"
