"""Exchanges by PyTorch: by Gloo on CPUs, by NCCL on NVIDIA's GPUs, by XCCL on Intel's.

PyTorch's group of processes knows the library for each kind of device. What is given as an array of
another library, such as NumPy's, is exchanged by Gloo in the host's memory.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
import torch.distributed as dist

from ..base import Backend
from ..distributed import DeviceExchange, Request
from ..types import Array, Exchange, Reduction

__all__ = ["TorchExchange", "connected", "world"]

LONGEST = 1e6  # seconds, in place of infinity


class TorchExchange(DeviceExchange):
    """Exchanges between the processes of PyTorch's default group.

    It is a `gradcore.backends.types.Exchange`. One that waits for another rank for longer than
    GRADCORE_STALL seconds is a RuntimeError.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.limit = float(os.environ.get("GRADCORE_STALL") or 60)

    @property
    def limit(self) -> float:
        """How many seconds an exchange waits for other ranks."""
        return self._limit

    @limit.setter
    def limit(self, seconds: float) -> None:
        self._limit = seconds
        dist.distributed_c10d._set_pg_timeout(timedelta(seconds=min(seconds, LONGEST)))

    def allreduce(self, x: Array, op: Reduction = "sum") -> Array:
        y = _tensor(x, copy=True)
        dist.all_reduce(y, getattr(dist.ReduceOp, op.upper()))
        return _like(x, y)

    def iallreduce(self, x: Array) -> Request:
        y = _tensor(x)
        work = dist.all_reduce(y, async_op=True)

        def finish() -> Array:
            work.wait()  # on a GPU, only the current stream waits
            return _like(x, y)

        return Request(finish)

    def reduce_scatter(self, x: Array) -> Array:
        y = _tensor(x)
        part = y.new_empty((y.shape[0] // self.size, *y.shape[1:]))
        _named("reduce_scatter_single", "reduce_scatter_tensor")(part, y)
        return _like(x, part)

    def allgather(self, x: Array) -> Array:
        y = _tensor(x)
        whole = y.new_empty((y.shape[0] * self.size, *y.shape[1:]))
        _named("all_gather_single", "all_gather_into_tensor")(whole, y)
        return _like(x, whole)

    def broadcast(self, x: Array, root: int = 0) -> Array:
        y = _tensor(x, copy=True)
        dist.broadcast(y, root)
        return _like(x, y)

    def barrier(self) -> None:
        dist.all_reduce(torch.zeros(1, device="cpu"))

    def allgather_object(self, x: Any) -> list[Any]:
        found = [None] * self.size
        dist.all_gather_object(found, x)
        return found

    def abort(self, why: str, status: int = 1) -> NoReturn:
        """Print why, unless that is empty, and end this process; torchrun then ends the others."""
        sys.stdout.flush()
        if why:
            print(why, file=sys.stderr, flush=True)
        os._exit(status)


def _named(new: str, old: str) -> Any:
    """Give the function of this name, which before PyTorch 2.13 had another."""
    return getattr(dist, new, None) or getattr(dist, old)


def _tensor(x: Array, copy: bool = False) -> torch.Tensor:
    """Give an array of any library as a contiguous tensor; `copy`: in memory of its own."""
    if not isinstance(x, torch.Tensor):
        x = torch.from_numpy(
            np.require(Backend._backend_of(x).to_numpy(x), requirements=["C", "W"])
        )
    return x.contiguous().clone() if copy else x.contiguous()


def _like(x: Array, y: torch.Tensor) -> Array:
    """Give the tensor y as an array of the library of x, on its device."""
    if isinstance(x, torch.Tensor):
        return y
    return Backend._backend_of(x).xp.asarray(y.numpy(), device=x.device)


def world() -> TorchExchange:
    """Give the exchanges between the processes that torchrun has started."""
    if not dist.is_initialized():
        dist.init_process_group()  # by the variables of torchrun
        atexit.register(dist.destroy_process_group)
    return TorchExchange()


def connected(host: Exchange) -> TorchExchange:
    """Give the exchanges between processes that another transport has brought together."""
    if not dist.is_initialized():
        names = host.allgather_object(socket.gethostname())
        here = "127.0.0.1" if len({*names}) == 1 else names[0]
        store = None
        if not host.rank:
            store = dist.TCPStore(here, 0, host.size, is_master=True, wait_for_workers=False)
        port = host.allgather_object(store and store.port)[0]
        store = store or dist.TCPStore(here, port, host.size)
        dist.init_process_group(store=store, rank=host.rank, world_size=host.size)
        atexit.register(dist.destroy_process_group)
    return TorchExchange()
