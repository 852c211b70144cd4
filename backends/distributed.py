"""What the transports between devices of several processes have in common.

A transport moves arrays between the devices of processes that another one, the host transport, has
brought together: it brings them together for the library's own exchanges, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from .types import Array, Exchange

__all__ = ["DeviceExchange", "HostedExchange", "Request", "local_rank", "to_connect"]

# By name of the launcher's variable: the number of a process among those of its machine.
LOCAL_RANKS = (
    "LOCAL_RANK",  # torchrun
    "MPI_LOCALRANKID",  # MPICH, Intel MPI
    "OMPI_COMM_WORLD_LOCAL_RANK",  # Open MPI
    "MV2_COMM_WORLD_LOCAL_RANK",  # MVAPICH
    "PALS_LOCAL_RANKID",  # HPE Cray
    "SLURM_LOCALID",  # srun
)
_PROCESS = os.urandom(16)  # no other process has these bytes


def local_rank() -> int | None:
    """Give the number of this process among those that a launcher, such as mpirun, has started on
    this machine; `None` if no launcher says so."""
    numbers = (os.environ.get(name, "") for name in LOCAL_RANKS)
    return next((int(n) for n in numbers if n.isdigit()), None)


class Request:
    """An exchange under way.

    Args:
        finish: waits for the exchange, and gives its result.
    """

    def __init__(self, finish: Callable[[], Array]) -> None:
        self.wait = finish


class DeviceExchange:
    """The base of what exchanges arrays between devices."""


class HostedExchange(DeviceExchange):
    """The base of what leaves to the host transport all that is no array."""

    def __init__(self, host: Exchange) -> None:
        self.rank, self.size = host.rank, host.size
        self.barrier, self.abort = host.barrier, host.abort
        self.allgather_object = host.allgather_object


def to_connect(host: Exchange) -> bool:
    """Whether the ranks are processes whose devices are still to be connected; and no threads."""
    if host.size == 1 or isinstance(host, DeviceExchange):
        return False
    return len({*host.allgather_object(_PROCESS)}) == host.size
