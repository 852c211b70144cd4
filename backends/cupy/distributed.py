"""Exchanges between GPUs, by NCCL.

All exchanges of a process are queued on one stream of their own, so that they go on while the
current stream computes. Events order the two: an exchange waits for what was queued on the current
stream before it, and the current stream waits for the exchange when its result is asked for. The
host waits for neither. In a step that is being recorded, the events make the exchange a part of the
CUDA graph.
"""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from typing import Any

import cupy

from ..distributed import HostedExchange, Request
from ..types import Array, Exchange, Reduction

__all__ = ["NcclExchange", "connected"]

# NCCL's names of dtypes, by NumPy's letters. A complex number goes as two real ones.
DTYPES = {
    **{"b": "INT8", "B": "UINT8", "i": "INT32", "I": "UINT32"},
    **{"l": "INT64", "L": "UINT64", "q": "INT64", "Q": "UINT64"},
    **{"e": "FLOAT16", "f": "FLOAT32", "d": "FLOAT64", "F": "FLOAT32", "D": "FLOAT64"},
}


class NcclExchange(HostedExchange):
    """Exchanges between the current GPUs of several processes.

    It is a `gradcore.backends.types.Exchange`.

    Args:
        host: brings the processes together.

    Raises:
        RuntimeError: in all processes, NCCL is missing in one of them, or two of them are on the
            same GPU; or NCCL can't connect them.
    """

    def __init__(self, host: Exchange) -> None:
        super().__init__(host)
        self.nccl = load(host)
        self.device = cupy.cuda.Device()
        check_places(host, self.device)
        name = host.allgather_object(None if host.rank else self.nccl.get_unique_id())[0]
        try:
            self.group = self.nccl.NcclCommunicator(host.size, name, host.rank)
        except self.nccl.NcclError as error:
            advice = "set NCCL_DEBUG=INFO, and NCCL says why"
            raise RuntimeError(f"cupy: NCCL can't connect the GPUs: {error}; {advice}") from None
        with self.device:
            self.stream = cupy.cuda.Stream(non_blocking=True)

    def allreduce(self, x: Array, op: Reduction = "sum") -> Array:
        x = cupy.asarray(x, order="C")
        return self._start("allReduce", x, cupy.empty_like(x), x.size, op=op).wait()

    def iallreduce(self, x: Array) -> Request:
        x = cupy.asarray(x, order="C")
        return self._start("allReduce", x, x, x.size, op="sum")

    def reduce_scatter(self, x: Array) -> Array:
        x = cupy.asarray(x, order="C")
        part = cupy.empty((x.shape[0] // self.size, *x.shape[1:]), x.dtype)
        return self._start("reduceScatter", x, part, part.size, op="sum").wait()

    def allgather(self, x: Array) -> Array:
        x = cupy.asarray(x, order="C")
        whole = cupy.empty((x.shape[0] * self.size, *x.shape[1:]), x.dtype)
        return self._start("allGather", x, whole, x.size).wait()

    def broadcast(self, x: Array, root: int = 0) -> Array:
        x = cupy.asarray(x, order="C")
        return self._start("broadcast", x, cupy.empty_like(x), x.size, root=root).wait()

    def _start(
        self,
        function: str,
        x: Array,
        y: Array,
        count: int,
        op: Reduction | None = None,
        root: int | None = None,
    ) -> Request:
        """Queue a function of NCCL's, from x to y, which are contiguous; of `count` elements."""
        letter = x.dtype.char
        if letter not in DTYPES:
            raise TypeError(f"cupy: NCCL does not exchange {x.dtype}; convert it: float32 or int32")
        options = [count * (1 + (letter in "FD")), getattr(self.nccl, f"NCCL_{DTYPES[letter]}")]
        options += [] if op is None else [getattr(self.nccl, f"NCCL_{op.upper()}")]
        options += [] if root is None else [root]
        with self.device:
            self.stream.wait_event(cupy.cuda.get_current_stream().record())
            if count:
                getattr(self.group, function)(x.data.ptr, y.data.ptr, *options, self.stream.ptr)
            done = self.stream.record()

        def finish(in_use: tuple[Array, Array] = (x, y)) -> Array:  # whose memory nobody may get
            with self.device:
                cupy.cuda.get_current_stream().wait_event(done)
            return in_use[1]

        return Request(finish)


def load(host: Exchange) -> Any:
    """Import CuPy's module of NCCL.

    Raises:
        RuntimeError: in all processes, NCCL is missing in one of them.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        nccl = importlib.import_module("cupy.cuda.nccl")
    # CuPy warns of what is missing, and says what to install; but only as the first imports it.
    why = " ".join(" ".join(str(warning.message) for warning in said).split())
    problem = None if nccl.available else why or "nccl library could not be loaded."
    if found := next(filter(None, host.allgather_object(problem)), None):
        raise RuntimeError(f"cupy: exchanges between GPUs go by NCCL: {found}")
    return nccl


def check_places(host: Exchange, device: Any) -> None:
    """Raise RuntimeError, in all processes, if two of them are on the same GPU."""
    properties = cupy.cuda.runtime.getDeviceProperties(device.id)
    places = host.allgather_object((properties["name"].decode(), properties["uuid"]))
    for rank, place in enumerate(places):
        if (first := places.index(place)) < rank:
            raise RuntimeError(
                f"cupy: ranks {first} and {rank} are on the same GPU, {place[0]}, and NCCL wants "
                "one for each; start no more ranks on a machine than it has GPUs, or set "
                "GRADCORE_BACKEND=numpy"
            )


@cache
def connected(host: Exchange, device: int) -> NcclExchange:
    """Give the exchanges between the GPUs, of which this process has that of this number."""
    with cupy.cuda.Device(device):
        return NcclExchange(host)
