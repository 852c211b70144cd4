"""Exchanges between the devices of several processes, by XLA.

Arrays of the processes become the rows of one array of all of them. XLA adds the rows up, or gives
all processes what one has: by Gloo on CPUs, by NCCL on GPUs, and as TPUs are connected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..distributed import HostedExchange, Request
from ..types import Array, Exchange, Reduction

__all__ = ["JaxExchange"]

Program = Callable[
    [Array], Array
]  # of the rows, an array (size, ...) of which each process has one


def _sum(rows: Array) -> Array:
    return jnp.sum(rows, axis=0, dtype=rows.dtype)


EVERYWHERE = PartitionSpec()
REDUCTIONS: dict[str, Program] = {
    "sum": _sum,
    "max": lambda rows: jnp.max(rows, axis=0),
    "min": lambda rows: jnp.min(rows, axis=0),
}


class JaxExchange(HostedExchange):
    """Exchanges between processes that `jax.distributed` has connected, one device of each.

    It is a `gradcore.backends.types.Exchange`.

    Args:
        host: connects the same processes.
        device: that of this process.
    """

    def __init__(self, host: Exchange, device: jax.Device) -> None:
        super().__init__(host)
        of_number = {d.id: d for d in jax.devices(device.platform)}
        devices = [of_number[n] for n in host.allgather_object(device.id)]
        self.device, self.mesh = device, Mesh(np.array(devices), ("rank",))

    def allreduce(self, x: Array, op: Reduction = "sum") -> Array:
        return self._run(REDUCTIONS[op], x)

    def iallreduce(self, x: Array) -> Request:
        y = self._run(_sum, x)  # which JAX has queued, and not computed yet
        return Request(lambda: y)

    def reduce_scatter(self, x: Array) -> Array:
        return self._run(_sum, x, PartitionSpec("rank"))

    def allgather(self, x: Array) -> Array:
        return self._run(_joined, x)

    def broadcast(self, x: Array, root: int = 0) -> Array:
        return self._run(_row(root), x)

    def _run(self, program: Program, x: Array, places: PartitionSpec = EVERYWHERE) -> Array:
        """Compute a program of the processes' arrays x, and give what of the result is here."""
        rows = NamedSharding(self.mesh, PartitionSpec("rank"))
        mine = jax.device_put(x[None], self.device)
        shape = (self.size, *x.shape)
        whole = jax.make_array_from_single_device_arrays(shape, rows, [mine])
        result: Array = _compiled(program, self.mesh, places)(whole).addressable_data(0)
        return result


def _joined(rows: Array) -> Array:
    return jnp.reshape(rows, (-1, *rows.shape[2:]))


@cache
def _row(i: int) -> Program:
    return lambda rows: rows[i]


@cache
def _compiled(program: Program, mesh: Mesh, places: PartitionSpec) -> Program:
    return jax.jit(program, out_shardings=NamedSharding(mesh, places))
