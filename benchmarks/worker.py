"""Time one library at one workload, in a process of its own: `python -m benchmarks.worker`.

It prints a line of JSON: the seconds of the first step, the memory of a step (`null` where it can't
be measured), and the seconds of each step after the warm-up; or the reason why there are none.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from .workloads import RATES, WORKLOADS

__all__ = ["library_file", "peak_memory", "set_up"]

WARM_UP, TIMED = 0.3, 1.0  # seconds
WARM_UP_STEPS, LEAST_STEPS, MOST_STEPS = 2, 3, 2000


def set_up(library: str, workload: Any, quick: bool) -> Callable[[], Any]:
    """Make the step to be timed.

    Raises:
        NotImplementedError: the library lacks the family, or an op; the latter may be raised only
            when the step runs.
    """
    family = getattr(library_file(library), workload.family, None)
    if family is None:
        raise NotImplementedError(workload.family)
    step: Callable[[], Any] = family(**workload.arguments(quick))
    return step


def library_file(library: str) -> Any:
    return import_module(f"benchmarks.libraries.on_{library}")


def seconds(step: Callable[[], Any], wait: Callable[[], Any], quick: bool) -> list[float]:
    """Time each step, as many as fit into the time, after a warm-up.

    Args:
        wait: waits for the device.
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

    run(WARM_UP, WARM_UP_STEPS)
    return run(TIMED, LEAST_STEPS)


def peak_memory(step: Callable[[], Any], device_peak: Callable[[Any], int | None]) -> int | None:
    """Measure by how many bytes the memory in use grows during a step, at its highest point: the
    device's memory in arrays, or else the process's resident memory (on Linux only).

    It measures the second step, as libraries still load and compile in the first. Before that,
    memory that the allocator keeps goes back to the system.
    """
    step()
    gc.collect()
    if (peak := device_peak(step)) is not None:
        return peak
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not reset.exists():
        return None

    def kilobytes(name: str) -> int:
        return int(status.read_text().partition(f"{name}:")[2].split()[0])

    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    reset.write_text("5")  # the highest point so far is now; man proc_pid_clear_refs
    before = kilobytes("VmRSS")
    step()
    return 1024 * (kilobytes("VmHWM") - before)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("library")
    parser.add_argument("workload")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    workload = next(w for w in RATES + WORKLOADS if w.name == args.workload)
    report: dict[str, Any] = {}
    try:
        tiny = set_up(args.library, workload, quick=True)
        for _ in range(WARM_UP_STEPS):  # loads what the library loads late
            tiny()
        step = set_up(args.library, workload, args.quick)
        file = library_file(args.library)
        wait = getattr(file, "wait", lambda: None)
        begin = time.perf_counter()
        step()
        wait()
        report["first"] = time.perf_counter() - begin
        report["memory"] = peak_memory(step, getattr(file, "device_peak", lambda _: None))
        report["seconds"] = seconds(step, wait, args.quick)
    except NotImplementedError as error:
        report = {"missing": str(error)}
    except Exception as error:
        traceback.print_exc()
        report = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(report))


if __name__ == "__main__":
    sys.exit(main())
