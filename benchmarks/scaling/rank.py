"""What each rank measures: allreduces, and training steps with and without overlap.

`mpirun -n 2 python -m benchmarks.scaling.rank '{...}'` takes the arguments of `measure` as JSON,
and rank 0 prints what it returns. Without mpirun it is the measurement of one process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import gradcore
from gradcore.distributed import Communicator, DataParallel, world

from ..libraries import Step, on_gradcore
from ..workloads import Workload, blitz, mlp, resnet9

__all__ = ["WORKLOADS", "measure"]

# A training step of a network, as a function of the batch: as in benchmarks/workloads.py.
WORKLOADS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "mnist": (mlp, (784, 3136, 2)),
    "blitz": (blitz, ()),
    "resnet9": (resnet9, (32, 32)),
}
LEAST, MOST = 5, 200  # repetitions
WHOLE = 1 << 40  # bytes of a bucket that has all gradients
TOO_LONG = 1.0  # seconds of an allreduce: larger ones are left out


def repeat(function: Callable[[], Any], communicator: Communicator, seconds: float) -> float:
    """Give the median of a function's seconds, of as many calls as fit into the time. All ranks
    make the same number of calls."""

    def timed() -> float:
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin

    timed()  # which warms up
    communicator.barrier()
    slowest = max(communicator.allgather_object(timed()))
    calls = max(LEAST, min(MOST, int(seconds / slowest)))
    return median(timed() for _ in range(calls))


def allreduces(
    communicator: Communicator, sizes: list[int], seconds: float
) -> list[tuple[int, float]]:
    """Time allreduces, as training does them, of arrays of so many bytes."""
    found = []
    for size in sizes:
        x = gradcore.zeros(size // 4).value
        taken = repeat(lambda x=x: communicator.iallreduce(x).wait(), communicator, seconds)
        taken = max(communicator.allgather_object(taken))
        found.append((size, taken))
        if taken > TOO_LONG:
            break
    return found


class Pretended(Communicator):
    """Two ranks of which there is one: what an exchange costs but for the exchange, such as copies
    of the gradients into buckets."""

    size = 2

    def allgather_object(self, x: Any) -> list[Any]:
        return [x, x]


def training_step(name: str, batch: int, communicator: Communicator, bucket: int | None) -> Step:
    """Make a training step of a network.

    Args:
        batch: of this rank.
        bucket: bytes of a bucket; `None`: gradients are not exchanged.
    """
    case, sizes = WORKLOADS[name]
    workload = Workload(name, "train", case, (*sizes, batch), ())

    def wrap(model: Any) -> Any:
        return model if bucket is None else DataParallel(model, communicator, bucket_bytes=bucket)

    step: Step = on_gradcore.train(**workload.arguments(quick=False), wrap=wrap)
    return step


def measure(
    batches: dict[str, list[int]], sizes: list[int], bucket: int, seconds: float
) -> dict[str, Any]:
    """Measure on all ranks.

    Args:
        batches: of each network: those of one rank.
        sizes: of allreduces, in bytes.
        bucket: bytes of a bucket.
        seconds: to fill with each measurement.

    Returns:
        "allreduce": the seconds for each size. "steps": for each network and batch, the seconds of
        a step "alone", without an exchange; with one "after" backward, of all gradients at once;
        and "beside" backward, in buckets. Of one process, the latter two exchange with nobody.
    """
    communicator = world()
    here = communicator if communicator.size > 1 else Pretended()
    buckets = {"alone": None, "after": WHOLE, "beside": bucket}
    steps: dict[str, dict[int, dict[str, float]]] = {}
    allreduce = allreduces(communicator, sizes, seconds / 4) if communicator.size > 1 else []
    for name, its_batches in batches.items():
        for batch in its_batches:
            for way, size in buckets.items():
                step = training_step(name, batch, here, size)
                taken = repeat(step, communicator, seconds)
                steps.setdefault(name, {}).setdefault(batch, {})[way] = taken
    return {"allreduce": allreduce, "steps": steps}


if __name__ == "__main__":
    measured = measure(**json.loads(sys.argv[1]))
    if world().rank == 0:
        print(json.dumps(measured))
