"""The parts of the selftest, in the order in which they run: what decides comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import facts, repository_tests, smoke, speed, steps, training

__all__ = ["PARTS", "SECONDS", "Part"]

SECONDS = 480  # for all parts


class Part(NamedTuple):
    """A part of the selftest.

    Attributes:
        about: what it shows, for the report.
        cases: gives the cases.
        limit: the seconds that it may take.
        each: the seconds that one case may take; then its process ends, and another one goes on.
        is_last: whether it runs at the end, beside the others of these: nothing is timed then.
        is_wide: whether it runs in many processes, each with a share of the cases.
        runs_itself: whether `cases` runs the cases, given how many to skip.
    """

    about: str
    cases: Callable[..., Any]
    limit: int
    each: int
    is_last: bool = False
    is_wide: bool = False
    runs_itself: bool = False


PARTS = {
    "facts": Part("what is here", facts.cases, 25, 15),
    "smoke": Part("one thing at a time", smoke.cases, 60, 25),
    "capture": Part("captured training steps beside eager ones", steps.capture, 50, 30),
    "benchmarks": Part("times of steps beside PyTorch's", speed.benchmarks, 100, 60),
    "resnet9": Part("ResNet-9, 512 images a step", speed.resnet9, 45, 45),
    "accuracy": Part("what trainings reach", training.accuracy, 45, 40),
    "kernels": Part("a step's time by kernel", speed.kernels, 30, 20),
    "airbench": Part("CIFAR-10 to 94 %", training.airbench, 45, 45),
    "convolutions": Part("the ways chosen for convolutions", steps.convolutions, 75, 30, True),
    "steps": Part("memory and waits of a step", steps.steps, 75, 30, True),
    "examples": Part("losses of examples beside NumPy's", training.examples, 75, 75, True),
    "tests": Part(
        "kernels beside their definitions, and the op table",
        repository_tests.run,
        *(75, 45, True, True, True),
    ),
}
