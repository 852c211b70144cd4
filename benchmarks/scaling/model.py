"""The cost model: seconds of a data-parallel training step on N workers.

Each worker computes with its part of the batch, and all add up their gradients by an allreduce. The
gradients lie in buckets: the exchange of a bucket begins when backward has made all gradients in
it, and goes on beside the rest of backward. docs/scaling.md explains each formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import ceil, inf, log, log2, prod, sqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from .. import models
from ..models import Draw, Layer, Shape

__all__ = [
    "BUCKET",
    "CASES",
    "FREE",
    "GPU",
    "LINKS",
    "NETWORKS",
    "Bucket",
    "Device",
    "Link",
    "Network",
    "Place",
    "Step",
    "allreduce",
    "backward_part",
    "buckets",
    "compute",
    "exposed",
    "fit",
    "memory",
    "on_cluster",
    "ring",
    "step",
    "tree",
]

FLOAT = 4  # bytes of an element of a gradient


# -- An exchange -------------------------------------------------------------------------------


class Link(NamedTuple):
    latency: float  # seconds that a message takes, beside those for its bytes
    bandwidth: float  # bytes a second, in each direction


def ring(size: float, N: int, link: Link) -> float:
    """Give the seconds of an allreduce in which each worker sends 1/N of the array to the next one,
    2 (N - 1) times: first to add up, then to hand the sums round."""
    return 2 * (N - 1) * (link.latency + size / N / link.bandwidth)


def tree(size: float, N: int, link: Link) -> float:
    """Give the seconds of an allreduce that adds up along a tree, and hands the sums back down it:
    few messages, but each worker sends and receives the whole array twice."""
    return 2 * ceil(log2(N)) * link.latency + (2 * size / link.bandwidth if N > 1 else 0.0)


def allreduce(size: float, N: int, link: Link) -> float:
    """Give the seconds of the faster of both."""
    return min(ring(size, N, link), tree(size, N, link))


def fit(times: Sequence[Sequence[float]], N: int) -> Link:
    """Fit latency and bandwidth of the ring to measured (bytes, seconds), by least squares of the
    relative errors (else only the largest arrays would count) with no negative latency."""
    size, seconds = np.array(times).T
    rows = np.stack([2 * (N - 1) / seconds, 2 * (N - 1) / N * size / seconds], axis=1)
    (latency, inverse), _ = nnls(rows, np.ones(len(rows)))
    return Link(float(latency), 1 / float(inverse))


# -- What is computed and exchanged --------------------------------------------------------------


class Network(NamedTuple):
    """A network and its training.

    Attributes:
        shape: of one instance.
        batch: of a step, where all workers share it (strong scaling).
        local: the batch of each worker, where each one has its own (weak scaling).
        states: how many arrays of the parameters' sizes the optimizer keeps.
        loaded: bytes of an instance, as it is loaded.
        half: whether a GPU computes in 16 bits. Gradients have 32 bits.
        tied: a layer whose weights are another layer's.
    """

    title: str
    layers: list[Layer]
    shape: Shape
    batch: int
    local: int
    states: int
    loaded: int
    half: bool = False
    tied: Layer | None = None

    @property
    def parameters(self) -> int:
        return sum(prod(p.shape) for layer in self.layers for p in self.own(layer))

    def own(self, layer: Layer) -> list[Draw]:
        """Give the parameters of a layer."""
        return [] if layer is self.tied else models.parameters([layer])


GPT2 = models.gpt(50257, 768, 12, 12, 1024)  # the smallest one
NETWORKS = {
    "mnist": Network("MNIST MLP", models.mlp(784, 3136, 2), (784,), 128, 128, 0, 785),
    "blitz": Network("blitz", models.BLITZ, (3, 32, 32), 128, 128, 1, 3073),
    "resnet9": Network("resnet9", models.resnet9(32), (3, 32, 32), 128, 128, 1, 3073),
    "gpt": Network("GPT", GPT2, (1024,), 512, 16, 2, 2048, half=True, tied=GPT2[-2]),
}


class Bucket(NamedTuple):
    size: int  # bytes
    ready: float  # when its gradients are there: 0 when backward begins, 1 when it ends


def buckets(network: Network, most: float) -> list[Bucket]:
    """Put the gradients into buckets of at most so many bytes, in backward's order. A larger one
    has a bucket for itself.

    A residual or transformer block is taken as one layer. Backward's time goes to the layers in
    proportion to their multiplications and additions.
    """
    shape, flops = (1, *network.shape), list[float]()
    for i, layer in enumerate(network.layers):
        shape, _, backward = models.cost([layer], shape, first=i == 0)
        flops.insert(0, backward.flops)
    found: list[Bucket] = []
    for layer, done in zip(reversed(network.layers), accumulate(flops), strict=True):
        for p in reversed(network.own(layer)):
            size, ready = FLOAT * prod(p.shape), done / sum(flops)
            if found and found[-1].size + size <= most:
                size += found.pop().size
            found.append(Bucket(size, ready))
    return found


def backward_part(network: Network) -> float:
    """Say which part of the time to compute is backward's."""
    _, forward, backward = models.cost(network.layers, (1, *network.shape), first=True)
    return backward.flops / (forward.flops + backward.flops)


class Device(NamedTuple):
    flops: float  # a second, with 32 bits
    half_flops: float  # with 16
    bandwidth: float  # of its memory, bytes a second


def compute(network: Network, batch: int, device: Device, shards: int = 1) -> float:
    """Give the seconds of forward, backward and update on a device: those of its multiplications
    and additions, and those in which what is read or written passes its memory.

    Args:
        shards: among so many workers the update is shared out.
    """
    _, *costs = models.cost(network.layers, (batch, *network.shape), first=True)
    flops, elements = (sum(each) for each in zip(*costs, strict=True))
    update = (3 + 2 * network.states) * network.parameters / shards
    moved = (2 if network.half else 4) * elements + 4 * update
    return flops / (device.half_flops if network.half else device.flops) + moved / device.bandwidth


def memory(network: Network, shards: int = 1) -> float:
    """Give the bytes of a worker's parameters, gradients and optimizer states, if the states are
    shared out among so many workers (ZeRO, stage 1)."""
    return FLOAT * network.parameters * (2 + network.states / shards)


# -- A step ------------------------------------------------------------------------------------


FREE = Link(0.0, inf)  # which costs nothing


class Place(NamedTuple):
    """Where the workers are.

    Attributes:
        link: between them. Exchanges over it go on beside backward.
        host: what exchanges cost the processors, as if it were a link. Nothing goes on beside it.
        in_turn: whether a latency ends before the next bucket is sent, as NCCL does it; else
            latencies pass at the same time, as with MPI.
        cores: so many workers compute at a time; more of them take turns.
        spread: standard deviation of a worker's time to compute, as a part of that time.
        fixed: seconds that a step takes, however small the batch is.
    """

    link: Link = FREE
    host: Link = FREE
    in_turn: bool = False
    cores: float = inf
    spread: float = 0.0
    fixed: float = 0.0


class Step(NamedTuple):
    """The seconds of a step, by what takes them."""

    compute: float
    fixed: float
    stragglers: float
    latency: float  # of exchanges, if bandwidth were infinite
    bandwidth: float  # the rest of what exchanges take

    @property
    def seconds(self) -> float:
        return sum(self)

    @property
    def limit(self) -> str:
        """What takes most."""
        return max(zip(self, self._fields, strict=True))[1]


def exposed(buckets: Sequence[Bucket], backward: float, N: int, place: Place) -> float:
    """Give the seconds for which a worker still waits when backward has ended. The exchange of a
    bucket begins when it is ready, and when the link is done with the bucket before it.

    Args:
        backward: its seconds.
    """
    end, latency = 0.0, 0.0 if place.in_turn else allreduce(0, N, place.link)
    for size, ready in buckets:
        end = max(end, ready * backward) + allreduce(size, N, place.link) - latency
    return max(0.0, end + latency - backward) if buckets else 0.0


def step(compute: float, backward: float, buckets: Sequence[Bucket], N: int, place: Place) -> Step:
    """Predict a step.

    Args:
        compute: the seconds of a worker that has a processor for itself.
        backward: backward's part of them, from 0 to 1.
        buckets: one, which is ready at the end of backward, is a step without overlap; none is a
            step without an exchange.
    """
    turns = max(1.0, N / place.cores)

    def waiting(place: Place) -> float:
        """Give the seconds that exchanges take, as far as backward does not hide them."""
        busy = turns * sum(allreduce(size, N, place.host) for size, _ in buckets)
        return busy + exposed(buckets, turns * backward * compute, N, place)

    link, host = (x._replace(bandwidth=inf) for x in (place.link, place.host))
    all_of_it, latency = waiting(place), waiting(place._replace(link=link, host=host))
    late = place.spread * sqrt(2 * log(N))  # about the largest of N normal numbers
    return Step(turns * compute, place.fixed, turns * late * compute, latency, all_of_it - latency)


# -- An example of a cluster, none of it measured here -------------------------------------------

GPU = Device(0.4 * 495e12, 0.4 * 989e12, 0.8 * 3.35e12)
SPREAD, FIXED = 0.02, 50e-6
LINKS = {
    "NVLink": Link(3.4e-6, 0.8 * 450e9),
    "InfiniBand": Link(9.6e-6, 0.8 * 400e9),
    "Ethernet": Link(30e-6, 0.8 * 12.5e9),
}
CASES = (
    (8, "NVLink"),
    (64, "InfiniBand"),
    (64, "Ethernet"),
    (1024, "InfiniBand"),
    (1024, "Ethernet"),
)
BUCKET = 25 << 20  # bytes; PyTorch's DistributedDataParallel has as many


def on_cluster(network: Network, batch: int, N: int, link: str, shards: int = 1) -> Step:
    """Predict a step of N GPUs, each with a batch of its own."""
    seconds = compute(network, batch, GPU, shards)
    place = Place(LINKS[link], in_turn=True, spread=SPREAD, fixed=FIXED)
    return step(seconds, backward_part(network), buckets(network, BUCKET), N, place)
