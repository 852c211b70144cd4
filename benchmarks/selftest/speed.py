"""Times of steps beside PyTorch's, and which kernels a step spends its time in."""

from __future__ import annotations

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
STEPS = 10  # that are profiled


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
    """CUPTI, which PyTorch's profiler reads, sees CuPy's kernels too. Without it, the time between
    events on the stream is all that is known."""
    given.only_on_cupy()
    step = set_up("gradcore", workload, given.quick)
    for _ in range(5):
        step()
    wait(given.backend)
    seconds = between_events(step)
    chosen = [f"{case}: {told}" for case, told in given.backend.choices().items()]
    text = "\n".join(["ways chosen for convolutions:", *chosen] if chosen else [])
    told = f"{1e3 * seconds:.3f} ms a step"
    seen, why = by_kernel(step, partial(wait, given.backend))
    if not seen:
        return Found(
            True, f"{told}; by kernel only with PyTorch ({why})", {"seconds": seconds}, text
        )
    total, calls = sum(each for each, _, _ in seen), sum(count for _, count, _ in seen)
    lines = [f"{'us a step':>10} {'share':>6} {'calls':>6}  kernel"]
    for each, count, name in seen[:MOST_KERNELS]:
        lines.append(f"{each:10.1f} {each / max(total, 1e-9):6.1%} {count:6.1f}  {name[:90]}")
    told += f", {total / 1e3:.3f} of them in {calls:.0f} kernels, copies and zero-fills"
    figures = {"device": total / 1e6, "seconds": seconds, "kernels": calls}
    return Found(True, told, figures, "\n".join([*lines, "", text]))


def by_kernel(
    step: Callable[[], Any], wait: Callable[[], None]
) -> tuple[list[tuple[float, float, str]], str]:
    """Ask PyTorch's profiler what runs on the device in a step: the microseconds, how often, and
    the name, the longest first; or why it can't say."""
    if not find_spec("torch"):
        return [], "which is not installed"
    import torch
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity

    if not torch.cuda.is_available():
        return [], "this one sees no GPU"
    with torch.profiler.profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(STEPS):
            step()
        wait()
    # The others are calls of the driver, on the host.
    found = [x for x in profiler.key_averages() if x.device_type == DeviceType.CUDA]
    rows = [(x.self_device_time_total / STEPS, x.count / STEPS, x.key) for x in found]
    return sorted(rows, reverse=True), "" if rows else "which may not read CUPTI here"


def between_events(step: Callable[[], Any]) -> float:
    import cupy

    began, ended = cupy.cuda.Event(), cupy.cuda.Event()
    began.record()
    for _ in range(STEPS):
        step()
    ended.record()
    ended.synchronize()
    seconds: float = cupy.cuda.get_elapsed_time(began, ended) / 1e3 / STEPS
    return seconds
