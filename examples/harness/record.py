"""The measurements of a run: losses and time of an epoch's steps, accuracies after it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from operator import mul
from typing import Any, NamedTuple

from gradcore.backends import Array, backend_of

from .errors import UserError

__all__ = ["Epoch", "Record", "Validation", "mean_and_deviation"]

CHECK_EVERY = 50  # steps between looks at the loss, each of which waits for the device
POINTS = 50  # of the training loss in the curves, per epoch


class Validation(NamedTuple):
    """How good a model is on the validation set.

    Attributes:
        loss: per instance.
        correct: how many instances of each class were recognized.
        counts: how many instances of each class there are.
    """

    loss: float
    correct: list[int]
    counts: list[int]


class Epoch:
    """The measurements of an epoch's training: `add` each step, then `stop` the clock.

    Args:
        number: of the epoch in its run, from 0.
        advice: what to try when a loss is not finite.

    Attributes:
        sums: of each step, the sum of its instances' losses; empty before `stop`.
        sizes: of each step, how many instances it had.
        seconds: from the start of the epoch until `stop`.
    """

    def __init__(self, number: int, advice: str) -> None:
        self.number, self.advice = number, advice
        self.sums: list[float] = []
        self.sizes: list[int] = []
        self.seconds = math.nan
        self._losses: list[Array] = []  # of the steps, on the device
        self._weights: list[int] = []  # of each loss in its sum
        self._started = time.perf_counter()

    def add(self, loss: Array, instances: int, mean: bool = False) -> None:
        """Add a step. Its loss stays on the device; every CHECK_EVERY steps NaN is looked for.

        Args:
            loss: the sum of the instances' losses, or their mean if `mean`.

        Raises:
            UserError: a loss is not finite.
        """
        self._losses.append(loss)
        self.sizes.append(instances)
        self._weights.append(instances if mean else 1)
        if len(self._losses) % CHECK_EVERY == 0:
            self._read(len(self._losses) - CHECK_EVERY)

    def stop(self) -> None:
        """Read the losses, which waits for the device, and stop the clock.

        Raises:
            UserError: a loss is not finite.
        """
        self.sums = list(map(mul, self._read(0), self._weights))
        self.seconds = time.perf_counter() - self._started

    def _read(self, first: int) -> list[float]:
        """Read the losses from the step `first` on, in one go."""
        losses = self._losses[first:]
        if not losses:
            return []
        backend = backend_of(losses[0])
        numbers: list[float] = backend.to_numpy(backend.xp.stack(losses)).tolist()
        for step, loss in enumerate(numbers, first):
            if not math.isfinite(loss):
                raise UserError(
                    f"the loss is {loss} at epoch {self.number}, step {step}; {self.advice}"
                )
        return numbers

    def line(self, run: int, validation: Validation) -> dict[str, Any]:
        """Make the line of metrics.jsonl.

        Raises:
            UserError: the validation loss is not finite.
        """
        if not math.isfinite(validation.loss):
            raise UserError(
                f"the validation loss is {validation.loss} after epoch {self.number}, "
                f"step {len(self._losses) - 1}; {self.advice}"
            )
        return {
            "run": run,
            "epoch": self.number,
            "train_loss": math.fsum(self.sums) / sum(self.sizes),
            "val_loss": validation.loss,
            "val_accuracy": sum(validation.correct) / sum(validation.counts),
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
            class that the validation set lacks.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    curves: list[list[float]] = field(default_factory=list)
    per_class: list[list[float | None]] = field(default_factory=list)

    def add(self, run: int, epoch: Epoch, validation: Validation) -> dict[str, Any]:
        """Add an epoch, or, where Ctrl-C comes, nothing of it; return its line of metrics.jsonl.

        Raises:
            UserError: the validation loss is not finite.
        """
        line = epoch.line(run, validation)
        pairs = zip(validation.correct, validation.counts, strict=True)
        classes = [c / n if n else None for c, n in pairs]
        vars(self).update(  # all at once
            history=[*self.history, line],
            curves=[*self.curves, epoch.curve()],
            per_class=[*self.per_class[:run], classes],
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
        """Give the accuracies of `runs`, means and each, as summary.json has them.

        Args:
            seed: of the first run.
        """
        accuracies = [[line["val_accuracy"] for line in lines] for lines in runs]
        final, spread = mean_and_deviation([a[-1] for a in accuracies])
        best, _ = mean_and_deviation([max(a) for a in accuracies])
        return {
            "final_accuracy": final,
            "final_accuracy_deviation": spread,
            "best_accuracy": best,
            "per_class_accuracy": [
                mean_and_deviation([a for a in of_class if a is not None])[0]
                for of_class in zip(*self.per_class[: len(runs)], strict=True)
            ],
            "runs": [
                {
                    "seed": seed + i,
                    "epochs": len(a),
                    "final_accuracy": a[-1],
                    "best_accuracy": max(a),
                    "per_class_accuracy": self.per_class[i],
                }
                for i, a in enumerate(accuracies)
            ],
        }


def mean_and_deviation(xs: Iterable[float]) -> tuple[float | None, float | None]:
    """Give the mean and the standard deviation (of the sample; 0 for one number), `None` of no
    numbers."""
    if not (xs := list(xs)):
        return None, None
    return statistics.fmean(xs), statistics.stdev(xs) if len(xs) > 1 else 0.0
