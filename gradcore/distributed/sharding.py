"""Share the states of an optimizer out among the ranks (ZeRO stage 1,
https://arxiv.org/abs/1910.02054).

The elements of each parameter are cut into shards of equal length, one for each rank; the last is
filled up with zeros. In a step, a rank gets the mean gradient of its shards (`reduce_scatter`),
updates these, and gives them to all ranks (`allgather`). The two exchanges together move as many
bytes as the one that averages gradients (`allreduce`). Each takes a bucket of many parameters: a
matrix with a row for each rank, in which the shards lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from math import prod
from typing import Any, Literal

from ..backends import Array, backend_of
from ..backends.types import Exchange
from ..engine.arrays import namespace, raw_array
from ..graph import TensorNode
from ..nn.utils.clip_grad import clip_grads_with_norm_, get_total_norm
from ..optim.base import Optimizer, Params, parts, zero_grad
from ..optim.groups import as_groups, trainable
from ..optim.mixed import MixedPrecision
from ..optim.wrapper import OptimizerWrapper
from ..replay.recording import CaptureError, is_inside
from .communicator import Communicator
from .world import world

__all__ = ["ShardedOptimizer"]


class ShardedOptimizer(OptimizerWrapper[Optimizer | MixedPrecision]):
    """Keep on each rank only a part of an optimizer's states: those of its shards of the
    parameters. Of N ranks, each has an Nth of Adam's averages. The parameters become what they
    become without this class.

        optimizer = ShardedOptimizer(model.parameters(), lambda shards: AdamW(shards, lr=1e-3))
        for x, y in batches:  # each rank's own
            cross_entropy(model(x), y).backward()
            optimizer.clip_grad_norm_(1.0)
            optimizer.step()
            optimizer.zero_grad()

    A step averages the gradients over the ranks. If `DataParallel` has done so in the backward
    pass, say `reduction="none"`, and clip as without this class.

    `MixedPrecision` goes inside, so that the masters are shared out, too. Its optimizer clips:

        make = lambda shards: MixedPrecision(shards, lambda masters: AdamW(masters, lr=1e-3))
        optimizer = ShardedOptimizer(model.parameters(), make)
        clip = lambda *_: optimizer.clip_grad_norm_(1.0)
        optimizer.optimizer.optimizer.register_step_pre_hook(clip)

    All ranks call each method here, also `state_dict`, where one of them writes the file. The state
    is that of all shards: training goes on from it with another number of ranks, or without this
    class.

    Args:
        parameters: nodes, pairs of name and node, or groups, as an optimizer takes them. All ranks
            get the values of rank 0.
        make: makes the optimizer of the shards. It is given what the parameters are given as, with
            vectors, the shards, in place of the nodes.
        communicator: of the ranks; `None`: of those of the run.
        reduction: what a step makes of the ranks' gradients: their "mean", where the ranks' batches
            are equally long; their "sum", where losses are sums over instances; or "none", where
            they are the same on all ranks already.
        bucket_bytes: how many bytes of parameters, about, go into one exchange.

    Attributes:
        optimizer: the optimizer that `make` made.
        parameters: the parameters, in a list.
        shards: for each parameter a node with this rank's shard.

    Raises:
        TypeError: a parameter is not a TensorNode, or `make` gives no optimizer.
        ValueError: there are no parameters, one can't be trained or is in two groups; or `make`
            gives an optimizer of other nodes than the shards, or one whose update of an element
            depends on other elements, as those of Adafactor, LBFGS and Muon do.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> make = lambda shards: optim.SGD(shards, lr=0.1)
        >>> optimizer = gradcore.distributed.ShardedOptimizer([w], make)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w)
        [0.8 1.6]
    """

    __slots__ = ("_chosen", "_order", "bucket_bytes", "communicator", "reduction", "shards")

    def __init__(
        self,
        parameters: Params,
        make: Callable[[Any], Optimizer | MixedPrecision],
        communicator: Communicator | None = None,
        *,
        reduction: Literal["mean", "sum", "none"] = "mean",
        bucket_bytes: int = 4 << 20,
    ) -> None:
        if reduction not in ("mean", "sum", "none"):
            expected = "expected 'mean', 'sum' or 'none'"
            raise ValueError(f"ShardedOptimizer: reduction = {reduction!r}, {expected}")
        groups = as_groups("ShardedOptimizer", parameters)
        listed = [trainable("ShardedOptimizer", group.get("params", ())) for group in groups]
        self.parameters = [p for nodes, _ in listed for p in nodes]
        if not self.parameters or len({*self.parameters}) < len(self.parameters):
            what = "a parameter is in two groups" if self.parameters else "there are no parameters"
            raise ValueError(f"ShardedOptimizer: {what}, expected each of the model once")
        host = communicator or world()
        own = backend_of(self.parameters[0].value).communicator(host) if host.size > 1 else None
        self.communicator: Exchange = own or host
        self.reduction, self.bucket_bytes = reduction, bucket_bytes
        for p in self.parameters:
            p.value = self.communicator.broadcast(p.value)
        self.shards = [TensorNode(self._shard_of(p.value), name=p.name) for p in self.parameters]
        self._chosen: list[int] | None = None  # which shards have got their gradients
        left, given = iter(self.shards), list[dict[str, Any]]()
        for group, (nodes, names) in zip(groups, listed, strict=True):
            shards: list[Any] = [*islice(left, len(nodes))]
            shards = [*zip(names, shards, strict=True)] if names else shards
            given.append({**group, "params": shards})
        is_plain = len(given) == 1 and [*given[0]] == ["params"]
        try:
            self.optimizer = make(given[0]["params"] if is_plain else given)
        except ValueError as error:
            raise ValueError(f"ShardedOptimizer: {error} (a shard is a vector)") from error
        self._order = self._numbers()
        if any(s.dtype != p.dtype for s, p in zip(self.shards, self.parameters, strict=True)):
            self._spread(range(len(self.shards)))  # MixedPrecision has made them float16

    @property
    def _innermost(self) -> Optimizer:
        """The optimizer that has the states, which may be inside a MixedPrecision."""
        inner = self.optimizer
        return inner.optimizer if isinstance(inner, MixedPrecision) else inner

    @property
    def _updated(self) -> list[TensorNode]:
        """The nodes that the innermost optimizer updates, in the order of the shards."""
        inner = self.optimizer
        return inner.masters if isinstance(inner, MixedPrecision) else self.shards

    def _numbers(self) -> list[int]:
        """Check the optimizer that `make` made; give for each of its parameters the number of the
        shard."""
        if not isinstance(self.optimizer, Optimizer | MixedPrecision):
            made = type(self.optimizer).__name__
            raise TypeError(f"ShardedOptimizer: make gave a {made}, expected an optimizer")
        inner, of_node = self._innermost, {node: i for i, node in enumerate(self._updated)}
        if not inner.elementwise:
            raise ValueError(
                f"ShardedOptimizer: {type(inner).__name__} updates an element by others of its "
                "parameter, which other ranks may have; use AdamW, or say elementwise = True in a "
                "class of your own of which that is not so"
            )
        if {*inner.parameters} != of_node.keys():
            raise ValueError(
                "ShardedOptimizer: make gave an optimizer of other nodes than the shards, which it "
                "is given: write lambda shards: AdamW(shards, lr=1e-3)"
            )
        return [of_node[node] for node in inner.parameters]

    # -- A step -----------------------------------------------------------------------------

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> Array:
        """Multiply the mean gradients so that their norm, as of one vector over all parameters, is
        at most `max_norm`. Call this after `backward`; in mixed precision, in a hook as above.

        Args:
            norm_type: as that of `nn.utils.clip_grad_norm_`, but not 0.

        Returns:
            The norm before, an array of no dimensions.

        Raises:
            ValueError: `norm_type` is 0, or with MixedPrecision this is not called in a hook.

        Example:
            >>> w = TensorNode([3.0, 4.0])
            >>> make = lambda shards: optim.SGD(shards, lr=1.0)
            >>> optimizer = gradcore.distributed.ShardedOptimizer([w], make)
            >>> (0.5 * w * w).sum().backward()
            >>> print(optimizer.clip_grad_norm_(1.0))
            5.0
            >>> optimizer.step()
            >>> print(w.round(3))
            [2.4 3.2]
        """
        if not norm_type:
            raise ValueError("clip_grad_norm_: norm_type = 0, expected another one: 2, or infinity")
        chosen = self._reduce()
        nodes = [node for node in self._updated if node.has_grad]
        if chosen and not nodes:
            raise ValueError(
                "clip_grad_norm_: the masters have no gradients yet; call this in a hook: "
                "optimizer.optimizer.optimizer.register_step_pre_hook(lambda *_: ...)"
            )
        norm = get_total_norm([node.grad for node in nodes], norm_type)
        norms = self.communicator.allgather(namespace(norm).reshape(norm, (1,)))
        norm = get_total_norm([norms], norm_type)
        clip_grads_with_norm_(nodes, max_norm, norm)
        return norm

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        self._forget()

    def _forget(self) -> None:
        """Let go of the gradients of the shards."""
        zero_grad(self.shards, set_to_none=True)
        self._chosen = None

    def _update(self) -> None:
        if is_inside():
            raise CaptureError(
                "capture: the step of a ShardedOptimizer, where ranks exchange arrays, can't "
                "be captured",
                "; capture what comes before it, loss.backward() included",
            )
        chosen = self._reduce()
        self.optimizer.step()
        self._spread(chosen)
        self._forget()

    def _reduce(self) -> Sequence[int]:
        """Give shards their values and mean gradients, unless they have them. Return the numbers of
        those whose parameters have a gradient, on some rank."""
        if self._chosen is not None:
            return self._chosen
        has = [[p.has_grad for p in self.parameters]]
        if self.reduction != "none":
            has = self.communicator.allgather_object(has[0])
        self._chosen = [i for i, of_ranks in enumerate(zip(*has, strict=True)) if any(of_ranks)]
        for bucket in self._buckets(self._chosen):
            gradients: Iterable[Array] = [raw_array(self.parameters[i].grad) for i in bucket]
            if self.reduction == "none":
                gradients = map(self._shard_of, gradients)
            else:
                rows = [_rows(g, self.communicator.size) for g in gradients]
                gradients = (part[0, ...] for part in _side_by_side(self._reduced, rows))
            for i, gradient in zip(bucket, gradients, strict=True):
                self.shards[i].value = self._shard_of(self.parameters[i].value)  # as it is now
                self.shards[i].grad = gradient
        if isinstance(self.optimizer, MixedPrecision) and self._chosen:
            self._share_overflow([self.shards[i] for i in self._chosen])
        return self._chosen

    def _reduced(self, rows: Array) -> Array:
        total = self.communicator.reduce_scatter(rows)
        return total / self.communicator.size if self.reduction == "mean" else total

    def _share_overflow(self, shards: list[TensorNode]) -> None:
        """Where a gradient of one rank is not finite, have one of each rank be so: all of them skip
        the step, and halve the scale."""
        first, xp = shards[0], namespace(shards[0].value)
        finite = xp.stack([xp.all(xp.isfinite(shard.grad)) for shard in shards])
        bad = xp.astype(xp.reshape(xp.logical_not(xp.all(finite)), (1,)), xp.float32)
        bad = self.communicator.allreduce(bad, "max")
        first.grad = xp.where(bad > 0, xp.nan, first.grad)

    def _spread(self, numbers: Sequence[int]) -> None:
        """Give parameters the values that the ranks' shards have."""
        for bucket in self._buckets(numbers):
            values = [self.shards[i].value for i in bucket]
            rows = [namespace(x).reshape(x, (1, -1)) for x in values]
            for i, x in zip(bucket, _side_by_side(self.communicator.allgather, rows), strict=True):
                p = self.parameters[i]
                p.value = _whole(x, tuple(p.shape))
                self.shards[i].value = self._shard_of(p.value)  # a view, which takes no memory

    def _buckets(self, numbers: Iterable[int]) -> Iterator[list[int]]:
        """Yield the numbers of the parameters that go into an exchange together."""
        alike: dict[Any, list[int]] = {}
        for i in numbers:
            x = self.parameters[i].value
            alike.setdefault((type(x), x.dtype, str(x.device)), []).append(i)
        for some in alike.values():
            x = self.parameters[some[0]].value
            most = self.bucket_bytes * 8 // namespace(x).finfo(x.dtype).bits  # elements
            bucket, left = list[int](), most
            for i in some:
                n = prod(self.parameters[i].shape)
                if bucket and n > left:
                    yield bucket
                    bucket, left = [], most
                bucket.append(i)
                left -= n
            yield bucket

    def _shard_of(self, x: Array) -> Array:
        """Give this rank's shard of an array like a parameter."""
        return _rows(x, self.communicator.size)[self.communicator.rank, ...]

    # -- The state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copy what the `state_dict` of the optimizer inside would be, without this class. All
        ranks call this, and get the same."""
        state = self.optimizer.state_dict()
        for i, memory in zip(self._order, state["state"], strict=True):
            for name, x in memory.items():
                if getattr(x, "ndim", 0):  # not the count of steps, and no other number
                    rows = self.communicator.allgather(namespace(x).reshape(x, (1, -1)))
                    memory[name] = _whole(rows, tuple(self.parameters[i].shape))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of this class, whatever the number of ranks was, or of the
        optimizer inside. All ranks call this.

        Raises:
            ValueError: the state is no such state, or of another kind of optimizer or of other
                parameters, or has a setting out of range; nothing is changed.
        """
        name, inner = "ShardedOptimizer.load_state_dict", self._innermost
        if isinstance(state, Mapping) and "param_groups" in state:
            state = inner._from_torch(name, state)
        settings, memories = parts(name, state, len(self.parameters))
        for k, (i, memory) in enumerate(zip(self._order, memories, strict=True)):
            with inner._in_group_of(k):
                fresh = inner.initial_state(inner.parameters[k].value)
            for key, x in memory.items():
                if hasattr(x, "shape") and getattr(fresh.get(key), "ndim", None) != 0:
                    if (found := tuple(x.shape)) != (expected := tuple(self.parameters[i].shape)):
                        what = f"{name}: parameter {k}: {key}"
                        raise ValueError(f"{what} has shape {found}, expected {expected}")
                    memory[key] = self._shard_of(raw_array(x))
        self.optimizer.load_state_dict({"settings": settings, "state": memories})
        if isinstance(self.optimizer, MixedPrecision):  # whose masters make the parameters
            self._spread(range(len(self.shards)))

    def __repr__(self) -> str:
        rank, size = self.communicator.rank, self.communicator.size
        return f"ShardedOptimizer(rank {rank} of {size}, {self.optimizer!r})"


def _rows(x: Array, n: int) -> Array:
    """Give the elements of x in n rows of equal length, the last filled up with zeros."""
    xp, size = namespace(x), prod(x.shape)
    x, missing = xp.reshape(x, (-1,)), -size % n
    if missing:
        x = xp.concat([x, xp.zeros((missing,), dtype=x.dtype, device=x.device)])
    return xp.reshape(x, (n, -1 if size else 0))


def _whole(rows: Array, shape: tuple[int, ...]) -> Array:
    """Undo `_rows`, of an array of this shape."""
    xp = namespace(rows)
    return xp.reshape(xp.reshape(rows, (-1,))[: prod(shape)], shape)


def _side_by_side(exchange: Callable[[Array], Array], rows: list[Array]) -> Iterator[Array]:
    """Exchange arrays (n, m), with any m for each, as one array; give what of the result belongs
    to each."""
    result = exchange(namespace(rows[0]).concat(rows, axis=1) if len(rows) > 1 else rows[0])
    ends = accumulate(x.shape[1] for x in rows)
    return (result[:, end - x.shape[1] : end] for x, end in zip(rows, ends, strict=True))
