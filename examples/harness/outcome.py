"""What came out of a sweep: a table, the best trial first, and a picture."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any, BinaryIO

import optuna
from optuna.trial import FrozenTrial, TrialState

from .pictures import COLORS, add_legend, new_figure
from .trials import Sweep, counting

__all__ = ["draw", "results", "spoken", "table"]

FEW = 12  # trials: of fewer, nothing is said about how much each setting matters
ORDER = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING]
ORDER += [TrialState.FAIL]


def table(study: optuna.Study, sweep: Sweep) -> str:
    """Give a table in Markdown, with a line for each task."""
    heads = ["trial", *sweep.choices, sweep.metric.label, "best epoch", "seconds"]
    rows = [heads, *[cells(trial, sweep) for trial in ranked(study, sweep)]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = (map(str.ljust, row, widths) for row in rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def ranked(study: optuna.Study, sweep: Sweep) -> list[FrozenTrial]:
    """Give the trials that count: the best first, at the end those without a result."""
    sign = -1 if sweep.metric.best is max else 1

    def rank(trial: FrozenTrial) -> tuple[int, float, int]:
        return ORDER.index(trial.state), sign * (trial.value or 0.0), trial.number

    return sorted(counting(study).values(), key=rank)


def cells(trial: FrozenTrial, sweep: Sweep) -> list[str]:
    """Give what the table's line of a trial says."""
    settings, best = settings_of(trial, sweep), trial.user_attrs.get("best")
    seconds = trial.duration.total_seconds() if trial.duration else None
    return [
        str(trial.number),
        *[short(settings.get(name, "")) for name in sweep.choices],
        outcome(trial, sweep),
        "" if best is None else f"{best:{sweep.metric.format}}",
        "" if seconds is None else f"{seconds:.0f}",
    ]


def settings_of(trial: FrozenTrial, sweep: Sweep) -> dict[str, Any]:
    """Give the settings of a trial, as far as they are known."""
    task: int = trial.user_attrs["task"]
    return (sweep.tasks[task] if task < len(sweep.tasks) else {}) | trial.params


def short(x: Any) -> str:
    return f"{x:.4g}" if isinstance(x, float) else str(x)


def outcome(trial: FrozenTrial, sweep: Sweep) -> str:
    """Say in few words what came out of a trial."""
    known, form = trial.user_attrs, sweep.metric.format
    if trial.state == TrialState.COMPLETE:
        spread = f" ± {known['deviation']:{form}}" if "deviation" in known else ""
        return f"{trial.value:{form}}{spread}"
    if trial.state == TrialState.PRUNED:
        return f"{trial.value:{form}}, ended early after epoch {trial.last_step}"
    if trial.state != TrialState.FAIL:
        return trial.state.name.lower()
    if "error" in known:
        return f"failed: {known['error']}"
    return "interrupted" if "interrupted" in known else f"killed, try {known['tries']}"


def spoken(trial: FrozenTrial, sweep: Sweep) -> str:
    """Say in a line what came out of a trial."""
    settings = ", ".join(f"{name} {short(x)}" for name, x in settings_of(trial, sweep).items())
    return f"trial {trial.number}: {settings}: {sweep.metric.label} {outcome(trial, sweep)}"


# -- The picture ----------------------------------------------------------------------------------


def results(study: optuna.Study) -> list[FrozenTrial]:
    """Give the trials with a result, in the order in which they ended."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    ended = [trial for trial in counting(study).values() if trial.state in states]
    return sorted(ended, key=lambda trial: trial.datetime_complete)


def draw(study: optuna.Study, sweep: Sweep, trials: list[FrozenTrial], file: BinaryIO) -> None:
    """Draw the results of trials one after the other, and over the values of each setting.

    Args:
        file: for the picture (PNG).
    """
    figure = new_figure(3.4 * (1 + len(sweep.choices)), 3.6)
    left, *others = figure.subplots(1, 1 + len(sweep.choices), sharey=True, squeeze=False)[0]
    numbers = range(1, len(trials) + 1)
    scatter(left, numbers, trials)
    best = list(accumulate([trial.value for trial in trials], sweep.metric.best))
    left.step(numbers, best, where="post", color=COLORS[1], label="best so far")
    left.set(xlabel="trials, in the order of their ends", ylabel=sweep.metric.label)
    only_whole_numbers(left)
    if any(trial.state == TrialState.PRUNED for trial in trials):
        left.plot([], [], "o", fillstyle="none", color=COLORS[0], label="ended early")
    weights = importances(trials, study)
    for axes, name in zip(others, sweep.choices, strict=True):
        scatter(axes, places(axes, sweep, name, trials), trials)
        weight = f" (importance {weights[name]:.2f})" if name in weights else ""
        axes.set(xlabel=f"{name}{weight}")
    for axes in (left, *others):
        axes.grid(alpha=0.3)
    add_legend(left)
    figure.savefig(file, format="png", dpi=150)


def scatter(axes: Any, xs: Iterable[float], trials: list[FrozenTrial]) -> None:
    """Draw a dot for each trial, with the deviation of its runs; empty if it was ended early."""
    for x, trial in zip(xs, trials, strict=True):
        style = {"fmt": "o", "color": COLORS[0], "alpha": 0.8, "capsize": 2}
        if trial.state == TrialState.PRUNED:
            style["fillstyle"] = "none"
        axes.errorbar(x, trial.value, yerr=trial.user_attrs.get("deviation"), **style)


def places(axes: Any, sweep: Sweep, name: str, trials: list[FrozenTrial]) -> list[float]:
    """Make the axis of a setting, and give where the trials are on it."""
    values, choice = [trial.params[name] for trial in trials], sweep.choices[name]
    if choice.kind == "categorical":
        axes.set_xticks(range(len(choice.values)), [short(x) for x in choice.values])
        axes.set_xlim(-0.5, len(choice.values) - 0.5)
        return [float(choice.values.index(x)) for x in values]
    if choice.log:
        axes.set_xscale("log")
    elif choice.kind == "int":
        only_whole_numbers(axes)
    return values


def only_whole_numbers(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def importances(trials: list[FrozenTrial], study: optuna.Study) -> dict[str, float]:
    """Give how much each setting matters, in parts of 1; of few trials, nothing."""
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(done) < FEW or len({trial.value for trial in done}) == 1:
        return {}
    varied = [name for name in done[0].params if len({t.params[name] for t in done}) > 1]
    if len(varied) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator, params=varied)
