"""Training steps: captured beside eager, what they leave in memory, how often they wait."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from math import isclose
from typing import Any

import gradcore
from gradcore import Sum, TensorNode, nn
from gradcore.backends import Backend, random

from .cases import Case, Found, Given
from .trainings import TRAININGS, Training

__all__ = ["CONVOLUTIONS", "capture", "convolutions", "steps"]

# The shape of the images, and the options of the layer.
CONVOLUTIONS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((128, 3, 32, 32), {"out_channels": 6, "kernel_size": 5}),
    ((64, 16, 32, 32), {"out_channels": 16, "kernel_size": 3, "padding": 1}),
    ((64, 64, 32, 32), {"out_channels": 128, "kernel_size": 3, "padding": 1, "stride": 2}),
    ((64, 128, 16, 16), {"out_channels": 128, "kernel_size": 1}),
    ((64, 64, 16, 16), {"out_channels": 64, "kernel_size": 3, "padding": 1, "groups": 64}),
]


SECONDS, FEWEST = 2.0, 5  # for timed steps, and how many there are at least


def capture(given: Given) -> Iterator[Case]:
    for name, make in TRAININGS.items():
        yield name, partial(captured, given, make)


def captured(given: Given, make: Callable[[], Training]) -> Found:
    """Run a training twice, as it is and captured; compare losses and times."""
    (eager, slow, _), (replayed, fast, is_recorded) = (
        trained(make, is_captured, 5 if given.quick else 100) for is_captured in (False, True)
    )
    same = all(isclose(a, b, rel_tol=1e-3) for a, b in zip(eager, replayed, strict=True))
    recorded = is_recorded or given.backend.recorder(given.backend.device) is None
    detail = f"{1e3 * slow:.3f} ms a step, {1e3 * fast:.3f} captured"
    if not is_recorded:
        detail += " (this backend runs the step)"
    if not same:
        detail += f"; losses {eager} and {replayed}"
    return Found(same and recorded, detail, {"eager": slow, "captured": fast})


def trained(
    make: Callable[[], Training], is_captured: bool, steps: int
) -> tuple[list[float], float, bool]:
    """Train; return the losses, the seconds of a step (once all is compiled), and whether the
    steps were replayed."""
    random.manual_seed(0)
    step, batch = make()
    run = gradcore.capture(step) if is_captured else step
    losses = [run(*batch()) for _ in range(8)]
    read = [float(loss) for loss in losses]
    given = batch()
    began, done = time.perf_counter(), 0
    while done < steps and (done < FEWEST or time.perf_counter() - began < SECONDS):
        loss = run(*given)
        done += 1
    float(loss)  # waits for the device
    seconds = (time.perf_counter() - began) / done
    return read, seconds, getattr(run, "is_recorded", False)


def steps(given: Given) -> Iterator[Case]:
    for name, make in TRAININGS.items():
        yield f"memory: {name}", partial(memory, given.backend, make)
        yield f"host reads: {name}", partial(reads, given.backend, make)


def memory(backend: Backend, make: Callable[[], Training]) -> Found:
    """Count the nodes and bytes that steps leave behind without the garbage collector."""
    step, batch = make()
    given = batch()
    for _ in range(4):
        step(*given)
    gc.collect()
    gc.disable()
    try:
        before = in_use(backend)
        for _ in range(20):
            step(*given)
        after = in_use(backend)
    finally:
        gc.enable()
    grown = [b - a for a, b in zip(before, after, strict=True)]
    detail = f"{grown[0]} nodes and {grown[1]} bytes of the device more after 20 steps"
    return Found(grown == [0, 0], detail)


def in_use(backend: Backend) -> tuple[int, int]:
    nodes = sum(issubclass(type(x), TensorNode) for x in gc.get_objects())
    return nodes, backend.used_memory()


def reads(backend: Backend, make: Callable[[], Training]) -> Found:
    """Count how often a step, and then reading its loss, looks at an array on the host."""
    step, batch = make()
    for _ in range(3):
        step(*batch())
    given = batch()
    with backend.host_reads() as seen:
        loss = step(*given)
        of_step = len(seen)
        float(TensorNode(loss))
    detail = f"{of_step} in a step, {len(seen) - of_step} to read the loss"
    return Found(of_step == 0 and len(seen) == 1, detail)


def convolutions(given: Given) -> Iterator[Case]:
    """Tell which way the backend chooses, by measurement, for each convolution."""
    for dtype in ("float32",) if given.quick else ("float32", "float16"):
        for shape, options in CONVOLUTIONS[: 1 if given.quick else None]:
            yield f"{dtype} {shape}", partial(chosen, given.backend, shape, options, dtype)


def chosen(
    backend: Backend, shape: tuple[int, ...], options: dict[str, Any], dtype: str
) -> Iterator[Found]:
    before = dict(backend.choices())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = TensorNode(backend.asarray(random.generator().normal(size=shape), dtype))
        y = nn.Conv2d(shape[1], dtype=dtype, **options)(x)
        Sum.do_forward(y * y).backward()
    for warning in caught:
        yield Found(False, str(warning.message), name=f"ways that differ, {dtype} {shape}")
    for case, told in backend.choices().items():
        if case not in before:
            yield Found(" failed: " not in told and " differs by " not in told, told, name=case)
