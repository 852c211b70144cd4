"""Find the processes of the run that this process belongs to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import NoReturn, cast

from .communicator import Communicator

__all__ = ["use_world", "world"]

# What launchers tell the processes that they start: the variables of the number of processes, and
# of the rank. Slurm's are those of a step, which `srun` starts, and not those of a batch script.
LAUNCHERS = {
    "PMI_SIZE": "PMI_RANK",  # MPICH, Intel MPI, Slurm
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",  # Open MPI
    "MPI_LOCALNRANKS": "MPI_LOCALRANKID",  # MPICH, on one computer
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
}

_here: ContextVar[Communicator | None] = ContextVar("world", default=None)


def world() -> Communicator:
    """Give the communicator of all processes of this run: `mpirun -n 4 python train.py` starts four
    that train together. A program that was started without `mpirun` has one process.

    Raises:
        SystemExit: the processes of `mpirun` can't reach each other: mpi4py is not installed, or is
            of another MPI than `mpirun` is. One line says so.

    Example:
        >>> here = gradcore.distributed.world()
        >>> print(f"rank {here.rank} of {here.size}")
        rank 0 of 1
    """
    return _here.get() or _of_this_process()


@contextmanager
def use_world(communicator: Communicator) -> Iterator[None]:
    """In the block, have `world` give this communicator.

    Example:
        >>> with gradcore.distributed.use_world(gradcore.distributed.Communicator()):
        ...     print(gradcore.distributed.world().size)
        1
    """
    token = _here.set(communicator)
    try:
        yield
    finally:
        _here.reset(token)


@cache
def _of_this_process() -> Communicator:
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from ..backends.torch import distributed as torchrun

        torchrun.world()
        kinds = torchrun.TorchExchange, Communicator  # what the first lacks, the second has
        return cast(Communicator, type("TorchCommunicator", kinds, {})())
    size, rank = launched()
    if size == 1:
        return Communicator()
    try:
        from .mpi import MpiCommunicator
    except ImportError as error:
        _end(rank, f"{size} processes need MPI: pip install 'gradcore[mpi]' ({error})")
    communicator = MpiCommunicator()
    if communicator.size == 1:
        _end(
            rank,
            f"mpirun has started {size} processes, of which each sees one: mpirun and mpi4py are "
            "of two MPIs; call the mpirun that is beside this Python",
        )
    return communicator


def launched() -> tuple[int, int]:
    """Read how many processes were started together, and the rank of this one."""
    for size, rank in LAUNCHERS.items():
        if os.environ.get(size, "").isdecimal():
            return int(os.environ[size]), int(os.environ.get(rank, 0))
    return 1, 0


def _end(rank: int, why: str) -> NoReturn:
    """End this process; rank 0 says why."""
    if not rank:
        print(f"{os.path.basename(sys.argv[0])}: {why}", file=sys.stderr, flush=True)
    raise SystemExit(2)
