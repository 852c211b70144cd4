"""The measurements of a run: losses and time of an epoch's steps, accuracies after it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from gradcore.backends import Array, backend_of

from .errors import UserError
from .ranks import summed
from .schema import Metric

__all__ = ["Epoch", "Record", "mean_and_deviation"]

CHECK_EVERY = 50  # steps between looks at the loss, each of which waits for the device
POINTS = 50  # of the training loss in the curves, per epoch


class Epoch:
    """The measurements of an epoch's training: `add` each step, then `stop` the clock.

    Args:
        number: of the epoch in its run, from 0.
        advice: what to try when a loss is not finite.
        before: what `position` gave of the part that was done before; `None`: nothing was.

    Attributes:
        sums: of each step whose loss was read, the sum of its instances' losses, those of all
            ranks.
        sizes: of each of these, how many instances it had.
        seconds: from the start of the epoch until `stop`.
    """

    def __init__(self, number: int, advice: str, before: dict[str, Any] | None = None) -> None:
        self.number, self.advice = number, advice
        self.sums: list[float] = list(before["sums"]) if before else []
        self.sizes: list[int] = list(before["sizes"]) if before else []
        self.seconds = math.nan
        self._losses: list[Array] = []  # of the steps not yet read, on the device
        self._weights: list[int] = []  # of each loss in its sum
        self._instances: list[int] = []  # of this rank
        self._started = time.perf_counter() - (before["seconds"] if before else 0.0)

    def add(self, loss: Array, instances: int, mean: bool = False) -> None:
        """Add a step. Its loss stays on the device; every CHECK_EVERY steps NaN is looked for.

        Args:
            loss: the sum of the instances' losses, or their mean if `mean`.

        Raises:
            UserError: a loss is not finite.
        """
        self._losses.append(loss)
        self._instances.append(instances)
        self._weights.append(instances if mean else 1)
        if (len(self.sums) + len(self._losses)) % CHECK_EVERY == 0:
            self._read()

    def stop(self) -> None:
        """Read the losses, which waits for the device, and stop the clock.

        Raises:
            UserError: a loss is not finite.
        """
        self._read()
        self.seconds = time.perf_counter() - self._started

    def position(self) -> dict[str, Any] | None:
        """Give what an epoch that goes on from here needs; `None`, unless all losses were read."""
        if self._losses:
            return None
        seconds = time.perf_counter() - self._started
        return {"sums": self.sums, "sizes": self.sizes, "seconds": seconds}

    def _read(self) -> None:
        """Read the losses of the latest steps, in one go."""
        if not self._losses:
            return
        backend = backend_of(self._losses[0])
        numbers: list[float] = backend.to_numpy(backend.xp.stack(self._losses)).tolist()
        # A rank may have no instances of a last batch, and then a mean of none, which is NaN.
        parts = zip(numbers, self._weights, self._instances, strict=True)
        sums = [loss * weight if n else 0.0 for loss, weight, n in parts]
        sums, weights, sizes = summed([sums, self._weights, self._instances])
        for step, (total, weight) in enumerate(zip(sums, weights, strict=True), len(self.sums)):
            if not math.isfinite(total):
                raise UserError(
                    f"the loss is {total / weight} at epoch {self.number}, step {step}; "
                    f"{self.advice}"
                )
        self.sums += sums
        self.sizes += sizes
        self._losses, self._weights, self._instances = [], [], []

    def line(self, run: int, metrics: Sequence[Metric], values: dict[str, float]) -> dict[str, Any]:
        """Make the line of metrics.jsonl.

        Args:
            values: of the metrics, by their names.

        Raises:
            UserError: a value is not finite.
        """
        for metric in metrics:
            if not math.isfinite(values[metric.name]):
                raise UserError(
                    f"the {metric.label} is {values[metric.name]} after epoch {self.number}, "
                    f"step {len(self.sums) - 1}; {self.advice}"
                )
        return {
            "run": run,
            "epoch": self.number,
            "train_loss": math.fsum(self.sums) / sum(self.sizes),
            **{metric.name: values[metric.name] for metric in metrics},
            "seconds": self.seconds,
            "instances_per_second": sum(self.sizes) / self.seconds,
        }

    def curve(self) -> list[float]:
        """Give the mean loss in POINTS parts of the epoch, or in one part for each step if there
        are fewer."""
        n = len(self.sums)
        points = min(n, POINTS)
        cuts = pairwise(n * i // points for i in range(points + 1))
        return [math.fsum(self.sums[i:j]) / sum(self.sizes[i:j]) for i, j in cuts]


@dataclass
class Record:
    """The measurements of all epochs so far, of one run or of several.

    Attributes:
        history: the lines of metrics.jsonl.
        curves: for each line, the training loss in parts of the epoch.
        per_class: for each run, the accuracy of each class after the last epoch; `None` for a
            class that the validation set lacks. Empty where there are no classes.
        metrics: what is measured after each epoch.
    """

    metrics: Sequence[Metric]
    history: list[dict[str, Any]] = field(default_factory=list)
    curves: list[list[float]] = field(default_factory=list)
    per_class: list[list[float | None]] = field(default_factory=list)

    def add(
        self,
        run: int,
        epoch: Epoch,
        values: dict[str, float],
        per_class: Iterable[float | None] = (),
    ) -> dict[str, Any]:
        """Add an epoch, or, where Ctrl-C comes, nothing of it; return its line of metrics.jsonl.

        Args:
            values: of the metrics, by their names.

        Raises:
            UserError: a value is not finite.
        """
        line = epoch.line(run, self.metrics, values)
        vars(self).update(  # all at once
            history=[*self.history, line],
            curves=[*self.curves, epoch.curve()],
            per_class=[*self.per_class[:run], list(per_class)],
        )
        return line

    def runs(self, started: int, epochs: int) -> list[list[dict[str, Any]]]:
        """Give the lines of each run, with their curves. One that was interrupted is left out,
        unless it is the only one.

        Args:
            started: how many runs have begun.
            epochs: how many a whole run has.
        """
        lines = [{**x, "curve": c} for x, c in zip(self.history, self.curves, strict=True)]
        runs = [[line for line in lines if line["run"] == i] for i in range(started)]
        runs = [lines for lines in runs if len(lines) == epochs] or runs[:1]
        return [lines for lines in runs if lines]

    def results(self, runs: list[list[dict[str, Any]]], seed: int) -> dict[str, Any]:
        """Give the results of `runs`, means and each, as summary.json has them: of the metric
        "val_accuracy", "final_accuracy" and "best_accuracy".

        Args:
            seed: of the first run.
        """
        means: dict[str, Any] = {}
        each: list[dict[str, Any]] = [
            {"seed": seed + i, "epochs": len(lines)} for i, lines in enumerate(runs)
        ]
        for metric in filter(lambda metric: metric.best, self.metrics):
            name = metric.name.removeprefix("val_")
            for result, lines in zip(each, runs, strict=True):
                values = [line[metric.name] for line in lines]
                result[f"final_{name}"], result[f"best_{name}"] = values[-1], metric.best(values)
            final, spread = mean_and_deviation([result[f"final_{name}"] for result in each])
            best, _ = mean_and_deviation([result[f"best_{name}"] for result in each])
            means |= {f"final_{name}": final, f"final_{name}_deviation": spread}
            means[f"best_{name}"] = best
        if any(self.per_class):
            for result, classes in zip(each, self.per_class, strict=False):
                result["per_class_accuracy"] = classes
            means["per_class_accuracy"] = [
                mean_and_deviation([a for a in of_class if a is not None])[0]
                for of_class in zip(*self.per_class[: len(runs)], strict=True)
            ]
        return {**means, "runs": each}


def mean_and_deviation(xs: Iterable[float]) -> tuple[float | None, float | None]:
    """Give the mean and the standard deviation (of the sample; 0 for one number), `None` of no
    numbers."""
    if not (xs := list(xs)):
        return None, None
    return statistics.fmean(xs), statistics.stdev(xs) if len(xs) > 1 else 0.0
