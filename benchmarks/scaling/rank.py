"""What each rank measures: allreduces, and training steps with and without overlap.

`mpirun -n 2 python -m benchmarks.scaling.rank '{...}'` takes the arguments of `measure` as JSON, and
rank 0 prints what it returns. Without mpirun it is the measurement of one process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from gradcore.backends import default
from gradcore.distributed import Communicator, DataParallel, world

from ..libraries import on_gradcore
from ..workloads import Workload, blitz, mlp, resnet9

__all__ = ["WORKLOADS", "measure"]

# A training step of a network, as a function of the batch: as in benchmarks/workloads.py.
WORKLOADS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "mnist": (mlp, (784, 3136, 2)),
    "blitz": (blitz, ()),
    "resnet9": (resnet9, (32, 32)),
}
LEAST, MOST = 5, 200  # repetitions
TOO_LONG = 1.0  # seconds of an allreduce: larger ones are left out


def repeat(function: Callable[[], Any], communicator: Communicator, seconds: float) -> float:
    """Give the median of a function's seconds, of as many calls as fit into the time; all ranks make
    the same number of calls."""

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
        x = default().asarray([0.0] * (size // 4), "float32")
        taken = repeat(lambda x=x: communicator.iallreduce(x).wait(), communicator, seconds)
        taken = max(communicator.allgather_object(taken))
        found.append((size, taken))
        if taken > TOO_LONG:
            break
    return found


def training_step(
    name: str, batch: int, communicator: Communicator | None, bucket: float
) -> Callable[[], Any]:
    """Make a training step of a network.

    Args:
        batch: of this rank.
        communicator: exchanges gradients; `None`: they are not exchanged.
        bucket: bytes of a bucket.
    """
    case, sizes = WORKLOADS[name]
    workload = Workload(name, "train", case, (*sizes, batch), ())
    parallel = partial(DataParallel, communicator=communicator, bucket_bytes=bucket)
    wrap = parallel if communicator else lambda model: model
    return on_gradcore.train(**workload.arguments(quick=False), wrap=wrap)


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
        "allreduce": seconds for each size; "steps": of each network, for each batch, the seconds of
        a step "alone" (without an exchange), "after" backward exchanging all at once, and
        "beside" backward exchanging in buckets.
    """
    communicator = world()
    found: dict[str, Any] = {"ranks": communicator.size, "steps": {}}
    if communicator.size > 1:
        found["allreduce"] = allreduces(communicator, sizes, seconds / 4)
    for name, its_batches in batches.items():
        for batch in its_batches:
            found["steps"].setdefault(name, {})[batch] = times = {}
            ways = {"alone": (None, 0), "after": (communicator, 1 << 40), "beside": (communicator, bucket)}
            for way, settings in ways.items():
                if communicator.size > 1 or way == "alone":
                    step = training_step(name, batch, *settings)
                    times[way] = repeat(step, communicator, seconds)
    return found


if __name__ == "__main__":
    measured = measure(**json.loads(sys.argv[1]))
    if world().rank == 0:
        print(json.dumps(measured))
