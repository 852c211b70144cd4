"""Times of steps beside PyTorch's, and which kernels a step spends its time in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from .. import __main__ as timing
from ..libraries import LIBRARIES
from ..worker import set_up
from ..workloads import NETWORKS, WORKLOADS, Workload
from .cases import Case, Found, Given, NotHere, wait

__all__ = ["PROFILED", "WORKLOADS_TIMED", "benchmarks", "kernels", "resnet9"]

TF32 = ("gradcore-defaults", "torch-defaults", "torch-tf32")
ROUNDED = ("mnist", "blitz", "resnet", "linear", "conv")  # the workloads to which TF32 matters
# The networks that people train come first, and then one kernel of each kind.
WORKLOADS_TIMED = [
    *("mnist-sigmoid", "blitz-4", "blitz-128", "resnet20-64", "blitz-32", "blitz-512"),
    *("chain-tanh", "linear", "conv-3x3", "batch-norm", "max-pool", "cross-entropy-4096x1000"),
    *("gelu", "update-adam", "update-momentum"),
]
PROFILED = ("resnet20-64", "blitz-128", "mnist-sigmoid", "resnet9-512")
SECONDS = 0.25  # for the steps of one library at one workload
MOST_KERNELS = 15


def benchmarks(given: Given) -> Iterator[Case]:
    libraries = ["gradcore", "gradcore-captured", "torch", "torch-captured", *TF32]
    named = ("mnist-sigmoid", "chain-tanh") if given.quick else WORKLOADS_TIMED
    return timed(given, [w for name in named for w in WORKLOADS if w.name == name], libraries)


def resnet9(given: Given) -> Iterator[Case]:
    if given.backend.name == "numpy":
        yield "ResNet-9", partial(not_here, "a step takes minutes on a CPU")
        return
    precisions = ("", "-tf32", "-float16")
    ours = [f"gradcore{p}{end}" for p in precisions for end in ("", "-captured")]
    theirs = [name.replace("gradcore", "torch") for name in ours]
    pairs = [name for pair in zip(ours, theirs, strict=True) for name in pair]
    yield from timed(given, NETWORKS, pairs)


def not_here(why: str) -> None:
    raise NotHere(why)


def timed(given: Given, workloads: Sequence[Workload], libraries: Sequence[str]) -> Iterator[Case]:
    """Time workloads with libraries that take turns; a library keeps its process for all."""
    backend = given.backend
    there = [name for name in libraries if timing.is_there(name, backend.name)]
    flags = ["--backend", backend.name, "--libraries", ",".join(there), "--rounds", "1"]
    flags += ["--seconds", str(SECONDS), *["--quick"] * given.quick]
    workers = timing.Workers(timing.parse(flags))
    rates: dict[str, float] = {}
    yield "rates", lambda: measured_rates(workers, rates)
    for workload in workloads:
        is_rounded = workload.name.startswith(ROUNDED)
        chosen = [name for name in there if is_rounded or name not in TF32]
        yield workload.name, partial(row, workload, chosen, workers, rates)
    workers.stop()


def measured_rates(workers: timing.Workers, rates: dict[str, float]) -> Found:
    rates |= timing.rates(workers)
    if not rates:
        raise NotHere("PyTorch measures them, and is not installed")
    said = f"{rates['matmul'] / 1e12:.3g} TFLOP/s in large products of matrices (float32), "
    return Found(True, f"{said}{rates['copy'] / 1e9:.4g} GB/s in large copies", rates)


def row(
    workload: Workload, libraries: list[str], workers: timing.Workers, rates: dict[str, float]
) -> Iterator[Found]:
    """Time one workload; yield what is known after each turn."""
    floor = timing.floor(workload, workers.args.quick, rates)
    for results in timing.measure(workload, libraries, workers):
        figures = {x: r["seconds"] for x, r in results.items() if "seconds" in r}
        told = [f"{LIBRARIES[x].title} {1e3 * s:.4g}" for x, s in figures.items()]
        failed = {x: r["failed"] for x, r in results.items() if "failed" in r}
        missing = {
            x: r["missing"]
            for x, r in results.items()
            if r.get("missing") not in (None, "not timed yet", workload.family)
        }
        told += [f"{LIBRARIES[x].title} fails: {why}" for x, why in failed.items()]
        told += [f"{LIBRARIES[x].title}: no {why}" for x, why in missing.items()]
        ours_failed = [x for x in failed if LIBRARIES[x].file == "gradcore"]
        more = {"floor": floor} if floor else {}
        more |= {f"{x} memory": r["memory"] for x, r in results.items() if r.get("memory")}
        floors = f", floor {1e3 * floor:.3g}" if floor else ""
        yield Found(not ours_failed, f"ms: {', '.join(told)}{floors}", figures | more)


def kernels(given: Given) -> Iterator[Case]:
    for name in PROFILED[-2:-1] if given.quick else PROFILED:
        for workload in WORKLOADS + NETWORKS:
            if workload.name == name:
                yield name, partial(profile, given, workload)


def profile(given: Given, workload: Workload) -> Found:
    """CUPTI, which PyTorch's profiler reads, sees CuPy's kernels too. Without PyTorch, events on
    the stream tell how long the device works, and not on what."""
    given.only_on_cupy()
    step = set_up("gradcore", workload, given.quick)
    for _ in range(5):
        step()
    wait(given.backend)
    steps = 10
    if not find_spec("torch"):
        return by_events(step, steps)
    import torch
    from torch.profiler import ProfilerActivity

    if not torch.cuda.is_available():
        return by_events(step, steps)
    with torch.profiler.profile(activities=[ProfilerActivity.CUDA]) as seen:
        began = time.perf_counter()
        for _ in range(steps):
            step()
        wait(given.backend)
        seconds = (time.perf_counter() - began) / steps
    found = sorted(seen.key_averages(), key=lambda x: -x.self_device_time_total)
    total = sum(x.self_device_time_total for x in found) / steps
    lines = [f"{'us a step':>10} {'share':>6} {'calls':>6}  kernel"]
    for x in found[:MOST_KERNELS]:
        each = x.self_device_time_total / steps
        share = each / max(total, 1e-9)
        lines.append(f"{each:10.1f} {share:6.1%} {x.count / steps:6.1f}  {x.key[:90]}")
    calls = sum(x.count for x in found) / steps
    detail = f"{total / 1e3:.3f} ms in {calls:.0f} kernels and copies, of {1e3 * seconds:.3f} ms"
    figures = {"device": total / 1e6, "seconds": seconds, "kernels": calls}
    return Found(bool(found), f"{detail} a step", figures, "\n".join(lines))


def by_events(step: Callable[[], Any], steps: int) -> Found:
    import cupy

    began, ended = cupy.cuda.Event(), cupy.cuda.Event()
    began.record()
    for _ in range(steps):
        step()
    ended.record()
    ended.synchronize()
    seconds = cupy.cuda.get_elapsed_time(began, ended) / 1e3 / steps
    told = f"{1e3 * seconds:.3f} ms a step between events; kernels are told apart by PyTorch only"
    return Found(True, told, {"seconds": seconds})
