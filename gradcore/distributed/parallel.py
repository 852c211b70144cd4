"""Data-parallel training: each rank computes gradients with its part of a batch, and all ranks make
the step of the whole batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from typing import Any, Literal

from ..backends import Array, backend_of, random
from ..engine.arrays import describe, is_node, namespace, raw_array, wide_dtype
from ..engine.hooks import watch_leaves
from ..engine.modes import is_building, is_recomputing
from ..engine.trees import leaves
from ..graph import TensorNode
from ..nn import Module
from ..replay.recording import fixed
from .communicator import Communicator, Request
from .failures import code, must_agree
from .world import world

__all__ = ["DataParallel"]

Loss = Literal["mean", "sum"]


class DataParallel(Module):
    """Train a module in several processes at once, each with its part of every batch.

        model = DataParallel(MLP())  # in each process that `mpirun` has started
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        share = {"rank": world().rank, "world_size": world().size, "split_batches": True}
        for x, y in DataLoader(data, 128, shuffle=True, **share):
            cross_entropy(model(x), y).backward()  # gives the gradient of all 128 instances
            optimizer.step()
            optimizer.zero_grad()

    All ranks begin with rank 0's parameters, buffers and random numbers. In each backward pass they
    exchange their gradients, in buckets, while the pass goes on: after the pass, `.grad` is that of
    the whole batch, the same bits on each rank. What follows, such as clipping and the step of the
    optimizer, every rank does by itself.

    Dropout has other masks on each rank. Batch norm has the statistics of each rank's part, unless
    `synchronize_norms` is called.

    Args:
        module: the model. It may be called itself, too; the gradients are exchanged all the same.
        communicator: of the ranks; `None`: `world()`.
        loss: what the loss is of the losses of instances: their "mean" or their "sum". Of a mean,
            each rank's gradient counts by the number of its instances: the first axis of the
            arrays that the module was given.
        bucket_bytes: how much is exchanged at once, about. Large buckets take less time in all,
            and small ones can be sent earlier.

    Raises:
        RanksDifferError: the ranks have other code, backends or parameters.
        ValueError: the module has no parameters, or `loss` is neither.

    Raises (in a backward pass):
        RuntimeError: the pass was called with `create_graph=True`.

    Example:
        >>> def trained():
        ...     here = gradcore.distributed.world()
        ...     model = gradcore.distributed.DataParallel(nn.Linear(1, 1))
        ...     x = np.array([[1.0], [2.0], [4.0], [5.0]], "float32")
        ...     y = model(x[here.rank :: here.size])  # rank 0 has 1 and 4, rank 1 has 2 and 5
        ...     y.mean().backward()
        ...     return model.module.w.grad.item()
        >>> gradcore.distributed.run_threads(2, trained)  # the mean of all four
        [3.0, 3.0]
    """

    def __init__(
        self,
        module: Module,
        communicator: Communicator | None = None,
        *,
        loss: Loss = "mean",
        bucket_bytes: int = 1 << 20,
    ) -> None:
        self.module = module
        parameters = module.parameters()
        if not parameters:
            raise ValueError("DataParallel: the module has no parameters")
        if loss not in ("mean", "sum"):
            raise ValueError(f"DataParallel: loss = {loss!r}, expected 'mean' or 'sum'")
        host = communicator or world()
        self.communicator: Communicator = host
        self._exchange: GradientExchange | None = None
        if host.size == 1:
            return
        must_agree(host, {**code(), **_kinds(module)})
        # What arrays are exchanged by; a type of the backends' that has what is needed here.
        fastest: Any = backend_of(parameters[0].value).communicator(host) or host
        self.communicator = fastest
        for node in (*parameters, *module.buffers()):
            node.value = fastest.broadcast(node.value)
        random.set_state(host.allgather_object(random.get_state())[0])
        random.set_rank(host.rank)
        self._exchange = GradientExchange(parameters, fastest, loss, bucket_bytes)
        module.register_forward_pre_hook(self._exchange.count)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """In the block, have backward passes exchange nothing: gradients add up on each rank, until
        a pass outside of the block exchanges the sums.

        Example:
            >>> model = gradcore.distributed.DataParallel(nn.Linear(2, 1))
            >>> with model.no_sync():
            ...     model(gradcore.ones((4, 2))).mean().backward()
            >>> model(gradcore.ones((4, 2))).mean().backward()
            >>> print(model.module.w.grad)
            [[2. 2.]]
        """
        exchange = self._exchange
        if exchange is None:
            yield
            return
        before, exchange.is_on = exchange.is_on, False
        try:
            yield
        finally:
            exchange.is_on = before


def _kinds(module: Module) -> dict[str, str]:
    """Say for `must_agree` what the nodes of a module are."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {
        "the number of parameters and buffers": str(len(named)),
        **{name: f"{describe(x.value)} of {backend_of(x.value).name}" for name, x in named},
    }


class Bucket:
    """Parameters whose gradients are exchanged as one array.

    Attributes:
        cuts: where the gradient of each begins and ends there.
    """

    def __init__(self, parameters: list[TensorNode]) -> None:
        self.parameters = parameters
        ends = [0]
        for p in parameters:
            ends.append(ends[-1] + prod(p.shape))
        self.cuts = list(pairwise(ends))


class GradientExchange:
    """The exchange of gradients: a `LeafWatcher` of the backward passes.

    A bucket is sent as soon as the gradients of its parameters are complete and the buckets before
    it have been sent, so that all ranks send them in one order. Behind its gradients a bucket has
    the weight of each, and that of the rank: by these numbers the sums become means, and tell which
    parameters have a gradient on some rank only. (No other exchange is needed, nor does a device
    wait for the host.)

    Attributes:
        is_on: whether passes exchange anything.
    """

    def __init__(
        self,
        parameters: list[TensorNode],
        communicator: Communicator,
        loss: Loss,
        bucket_bytes: int,
    ) -> None:
        self.parameters, self.communicator = list(parameters), communicator
        self.is_mean, self.bucket_bytes, self.is_on = loss == "mean", bucket_bytes, True
        self.instances: int | None = None  # in this rank's part; `None`: nobody has counted them
        self.buckets: list[Bucket] = []
        self.requests: list[Request] = []  # of this pass, one for each bucket sent
        self.missing: set[TensorNode] = set()  # parameters that this pass has not yet come to
        self.exchanged: dict[TensorNode, int] = {}  # the ids of gradients that are sums of all
        watch_leaves(self)

    def count(self, module: Module, inputs: tuple[Any, ...]) -> None:  # noqa: ARG002
        """Count the instances that the module is given: a hook of the module."""
        if is_building.get() and not is_recomputing.get():
            arrays = [raw_array(x) for _, x in leaves(inputs) if hasattr(x, "shape")]
            n = arrays[0].shape[0] if arrays and arrays[0].ndim else 1
            self.instances = n + (self.instances or 0)

    @property
    def leaves(self) -> set[TensorNode]:
        return {p for p in self.parameters if p.requires_grad}

    def before_pass(self) -> None:
        fixed("whether DataParallel exchanges gradients", lambda: self.is_on)
        wanted = [p for p in self.parameters if p.requires_grad]
        before = [p for bucket in self.buckets for p in bucket.parameters]
        if [*map(id, reversed(wanted))] != [*map(id, before)]:
            self.buckets = list(_buckets(wanted, self.bucket_bytes))
        self.requests, self.missing = [], {*wanted}
        for p, at in self.exchanged.items():  # the pass adds to a sum that all ranks have
            if p._grad is not None and id(p._grad) == at and not self.is_mean:
                p.grad = p._grad / self.communicator.size
        self.exchanged = {}

    def after_leaf(self, leaf: TensorNode) -> None:
        self.missing.discard(leaf)
        while self.is_on and len(self.requests) < len(self.buckets):
            bucket = self.buckets[len(self.requests)]
            if not self.missing.isdisjoint(bucket.parameters):
                break
            self._send(bucket)

    def after_pass(self) -> None:
        if not self.is_on:
            return
        for bucket in self.buckets[len(self.requests) :]:
            self._send(bucket)
        for bucket, request in zip(self.buckets, self.requests, strict=True):
            self._receive(bucket, request.wait())
        self.requests, self.instances = [], None

    def _send(self, bucket: Bucket) -> None:
        first = bucket.parameters[0].value
        xp, new = namespace(first), {"dtype": wide_dtype(first), "device": first.device}
        weight = 1.0 if self.instances is None or not self.is_mean else float(self.instances)
        parts: list[Array] = []
        has = [p.has_grad for p in bucket.parameters]
        for p, there in zip(bucket.parameters, has, strict=True):
            if is_node(p._grad):
                raise RuntimeError(
                    "DataParallel: backward was called with create_graph=True; ranks exchange "
                    "numbers, which have no graph. Compute such gradients by gradcore.grad"
                )
            if there and weight:  # of no instances, a mean is NaN
                wide = xp.astype(p.grad, new["dtype"], copy=False)
                parts.append(xp.reshape(wide, (-1,)))
            else:
                parts.append(xp.zeros((prod(p.shape),), **new))
        flat = xp.concat([*parts, *_filled(xp, [*map(float, has), 1.0], new)])
        if self.is_mean:
            flat *= weight
        self.requests.append(self.communicator.iallreduce(flat))

    def _receive(self, bucket: Bucket, flat: Array) -> None:
        """Take the gradients out of what all ranks have sent."""
        xp, n = namespace(flat), bucket.cuts[-1][1]
        for i, (p, (start, end)) in enumerate(zip(bucket.parameters, bucket.cuts, strict=True)):
            if not p.has_grad and not float(flat[n + i]):
                continue  # on no rank
            part = flat[start:end]
            gradient = part / flat[-1:] if self.is_mean else xp.asarray(part, copy=True)
            p.grad = xp.astype(xp.reshape(gradient, p.shape), p.value.dtype, copy=False)
            self.exchanged[p] = id(p._grad)


def _filled(xp: Any, numbers: list[float], new: dict[str, Any]) -> list[Array]:
    """Make arrays of these numbers, one for each run of equal ones: on the device, with no copy."""
    starts = [i for i, x in enumerate(numbers) if not i or numbers[i - 1] != x]
    return [xp.full((j - i,), numbers[i], **new) for i, j in pairwise([*starts, len(numbers)])]


def _buckets(parameters: list[TensorNode], size: int) -> Iterator[Bucket]:
    """Put parameters into buckets of about so many bytes, the last ones first: a backward pass
    comes to them first. A bucket has numbers of one dtype, on one device."""
    some: list[TensorNode] = []
    kind, taken = None, 0
    for p in reversed(parameters):
        x, bits = p.value, namespace(p.value).finfo(p.value.dtype).bits
        own = type(x), x.dtype, str(x.device)
        if some and (own != kind or taken + prod(x.shape) * bits // 8 > size):
            yield Bucket(some)
            some, taken = [], 0
        some.append(p)
        kind, taken = own, taken + prod(x.shape) * bits // 8
    if some:
        yield Bucket(some)
