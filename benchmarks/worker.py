"""Time a library at workloads, in a process of its own: `python -m benchmarks.worker LIBRARY`.

Given a workload too, it prints a line of JSON: the seconds of the first step, the memory of a step
(`null` where it can't be measured), and the seconds of each step after the warm-up; or the reason
why there are none. Given none, it does the same for each request that it reads, which is a line of
JSON with the arguments of `turn`. So it starts and imports once for many workloads. After a request
it still holds memory of the process, so it measures memory only where that is a device's.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .libraries import LIBRARIES
from .workloads import NETWORKS, RATES, WORKLOADS

__all__ = ["library_file", "peak_memory", "serve", "set_up", "turn"]

WARM_UP, TIMED = 0.1, 0.4  # seconds
WARM_UP_STEPS, LEAST_STEPS, MOST_STEPS = 2, 3, 2000
CHECKED = 4  # losses of the first steps, which are to be the same in all libraries
# The step of the latest workload, and what its first turn has measured, if making it compiles it.
KEPT: dict[tuple[str, str, bool], tuple[Callable[[], Any], dict[str, Any]]] = {}


def set_up(library: str, workload: Any, quick: bool) -> Callable[[], Any]:
    """Make the step to be timed.

    Raises:
        NotImplementedError: the library lacks the family, or an op; the latter may be raised only
            when the step runs.
    """
    file, known = library_file(library), LIBRARIES[library]
    if hasattr(file, "configure"):
        file.configure(**known.options)
    family = getattr(file, workload.family, None)
    if family is None or workload.group not in known.groups:
        raise NotImplementedError(workload.family)
    step: Callable[[], Any] = family(**workload.arguments(quick))
    return file.captured(step) if known.options.get("captured") else step


def library_file(library: str) -> Any:
    return import_module(f"benchmarks.libraries.on_{LIBRARIES[library].file}")


def seconds(
    step: Callable[[], Any], wait: Callable[[], Any], quick: bool, limit: float = TIMED
) -> list[float]:
    """Time each step, as many as fit into the time, after a warm-up.

    Args:
        wait: waits for the device.
        limit: the seconds to fill.
    """

    def run(limit: float, least: int) -> list[float]:
        times: list[float] = []
        end = time.perf_counter() + (0 if quick else limit)
        while len(times) < least or (time.perf_counter() < end and len(times) < MOST_STEPS):
            begin = time.perf_counter()
            results = step()
            wait()
            times.append(time.perf_counter() - begin)
            del results
        return times

    run(min(WARM_UP, limit), WARM_UP_STEPS)
    return run(limit, LEAST_STEPS)


def peak_memory(step: Callable[[], Any], device_peak: Callable[[Any], int | None]) -> int | None:
    """Measure how many bytes more than after a first step are in use at the highest point of a
    later step: the device's memory in arrays, or else the process's resident memory (on Linux
    only).

    The first step loads and compiles. The steps between capture or compile, and what they hold from
    then on counts. Before it measures, memory that the allocator keeps goes back to the system.
    """
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")

    def kilobytes(name: str) -> int:
        return int(status.read_text().partition(f"{name}:")[2].split()[0])

    step()
    gc.collect()
    trim()
    before = kilobytes("VmRSS") if reset.exists() else 0
    for _ in range(CHECKED):
        step()
    gc.collect()
    if (peak := device_peak(step)) is not None:
        return peak
    if not reset.exists():
        return None
    trim()
    reset.write_text("5")  # the highest point so far is now; man proc_pid_clear_refs
    step()
    return 1024 * (kilobytes("VmHWM") - before)


def trim() -> None:
    """Give memory that the allocator keeps back to the system."""
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def turn(
    library: str, workload: str, quick: bool = False, limit: float = TIMED, is_fresh: bool = False
) -> dict[str, Any]:
    """Time a workload.

    Args:
        limit: the seconds to fill with steps.
        is_fresh: whether the process has run nothing yet: memory of the host is measured only then.

    Returns:
        "first", "losses" (of training), "memory" and "seconds"; or what is "missing", or has
        "failed".
    """
    there = next(w for w in RATES + WORKLOADS + NETWORKS if w.name == workload)
    compiles = LIBRARIES[library].compiles
    report: dict[str, Any] = {}
    try:
        file = library_file(library)
        wait = getattr(file, "wait", lambda: None)
        key = library, workload, quick
        if key in KEPT:
            step, report = KEPT[key]
        else:
            KEPT.clear()
            gc.collect()
            if not compiles:
                tiny = set_up(library, there, quick=True)
                for _ in range(WARM_UP_STEPS):  # loads what the library loads late
                    tiny()
            step = set_up(library, there, quick)
            to_numpy, losses = getattr(file, "numpy", np.asarray), list[float]()

            def noted() -> None:
                (loss, *_) = step()
                if there.family == "train":
                    losses.append(float(to_numpy(loss)))

            begin = time.perf_counter()
            noted()
            wait()
            report["first"] = time.perf_counter() - begin
            device_peak = getattr(file, "device_peak", lambda _: None)
            is_measured = is_fresh or (compiles and not getattr(file, "KEEPS_MEMORY", False))
            measured = peak_memory if is_measured else on_device
            report["memory"] = measured(noted, device_peak)
            if there.family == "train":
                while len(losses) < CHECKED:
                    noted()
                report["losses"] = losses[:CHECKED]
            if compiles:
                KEPT[key] = step, report
        report = {**report, "seconds": seconds(step, wait, quick, limit)}
    except NotImplementedError as error:
        report = {"missing": str(error)}
    except Exception as error:
        traceback.print_exc()
        report = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    return report


def on_device(step: Callable[[], Any], device_peak: Callable[[Any], int | None]) -> int | None:
    """Measure what `peak_memory` does, but `None` for memory of the host."""
    step()
    return device_peak(step)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer each request; stop after one that failed, as the device may be lost."""
    for line in requests:
        request = json.loads(line)
        answer = turn(**request)
        print(json.dumps(answer), file=answers, flush=True)
        if "failed" in answer:
            return
        gc.collect()  # the arrays of this turn leave their room to the next library
        getattr(library_file(request["library"]), "free", lambda: None)()
        trim()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("library")
    parser.add_argument("workload", nargs="?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--limit", type=float, default=TIMED)
    args = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    is_jax = "jax" in (args.library, os.environ.get("GRADCORE_BACKEND"))
    if threads and is_jax and hasattr(os, "sched_setaffinity"):
        # XLA has no variable for its threads: it takes as many as the cores that it may use.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if args.workload:
        print(json.dumps(turn(args.library, args.workload, args.quick, args.limit, is_fresh=True)))
        return
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    with suppress(KeyboardInterrupt):  # one for all of the group: the parent tells of it
        with suppress(ImportError):
            library_file(args.library)  # while others start
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
