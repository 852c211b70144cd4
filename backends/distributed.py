"""What the transports between devices of several processes have in common.

A transport moves arrays between the devices of processes that another one, the host transport, has
brought together: it brings them together for the library's own exchanges, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from .types import Array, Exchange

__all__ = ["DeviceExchange", "Request", "are_processes", "local_rank"]

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


def are_processes(host: Exchange) -> bool:
    """Whether the ranks are several processes, and not threads of one."""
    return len({*host.allgather_object(_PROCESS)}) == host.size > 1


class Request:
    """An exchange under way.

    Args:
        finish: waits for the exchange, and gives its result.
    """

    def __init__(self, finish: Callable[[], Array]) -> None:
        self.wait = finish


class DeviceExchange:
    """The base of transports between devices: what is no array goes by way of the host's."""

    def __init__(self, host: Exchange) -> None:
        self.rank, self.size = host.rank, host.size
        self.barrier, self.allgather_object, self.abort = (
            host.barrier,
            host.allgather_object,
            host.abort,
        )
