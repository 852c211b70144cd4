"""Training in float16, with the weights kept in float32 (https://arxiv.org/abs/1710.03740)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import copied, describe, namespace, raw_array
from ..graph import TensorNode
from .base import Optimizer

__all__ = ["MixedPrecision"]

LARGEST = 2.0**24  # the largest scale: it lifts 2**-24, the least number of float16, to 1


class MixedPrecision:
    """Train float16 parameters: update float32 copies of them, the masters, and round these.

    Small gradients would vanish in float16, so the loss is multiplied by a scale before the
    backward pass, and the gradients are divided by the scale after it. A step whose gradients
    overflow changes nothing but the scale, which is halved. After `growth_interval` good steps the
    scale is doubled. All this happens on the device; the host waits for nothing.

        optimizer = MixedPrecision(model.parameters(), lambda masters: SGD(masters, lr=0.1))
        for x, y in batches:  # x in float16
            outputs = model(x)
            xp = namespace(outputs)
            loss = cross_entropy(xp.astype(outputs, xp.float32), y)
            optimizer.scaled(loss).backward()
            optimizer.step()
            optimizer.zero_grad()

    Args:
        parameters: float32 TensorNodes that require a gradient, which become float16.
        make: makes the optimizer that updates the masters, given these in a list of nodes.
        scale: the first scale of the loss.
        growth_interval: how many good steps, one after the other, double the scale.

    Attributes:
        optimizer: the optimizer that `make` made. Its counts include skipped steps.
        parameters: the parameters, in a list.
        masters: the float32 nodes, one for each parameter.
        scale: a node with the scale, a float32 array of no dimensions.
        good: a node like `scale`, with the number of good steps since the scale changed.

    Raises:
        TypeError: a parameter is not float32.
    """

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        make: Callable[[list[TensorNode]], Optimizer],
        scale: float = 2.0**15,
        growth_interval: int = 2000,
    ) -> None:
        self.parameters = list(dict.fromkeys(parameters))
        for i, p in enumerate(self.parameters):
            if p.dtype != namespace(p.value).float32:
                raise TypeError(
                    f"MixedPrecision: parameter {i} is {describe(p.value)}, expected float32; it "
                    "becomes float16 here"
                )
        self.masters = [TensorNode(copied(p.value), name=p.name) for p in self.parameters]
        self.optimizer = make(self.masters)
        self._round_masters()
        first = self.masters[0].value
        self.scale, self.good = (
            TensorNode(
                namespace(first).full((), x, dtype=first.dtype, device=first.device),
                requires_grad=False,
            )
            for x in (scale, 0.0)
        )
        self.growth_interval = growth_interval

    # What schedules use of an optimizer:

    @property
    def settings(self) -> dict[str, Any]:
        """The optimizer's settings."""
        return self.optimizer.settings

    @property
    def initial_lr(self) -> float:
        """The optimizer's learning rate as set last, which schedules start from."""
        return self.optimizer.initial_lr

    def scaled(self, loss: TensorNode) -> TensorNode:
        """Multiply the float32 loss with the scale: the backward pass is to start from this.

        Raises:
            TypeError: the loss is not float32.
        """
        if loss.dtype != self.scale.dtype:
            raise TypeError(
                f"MixedPrecision.scaled: the loss is {describe(loss.value)}, expected float32; "
                "convert what it is computed from: xp.astype(outputs, xp.float32)"
            )
        return loss * self.scale

    def step(self) -> None:
        """Update masters and parameters, unless a gradient has overflowed."""
        chosen = [i for i, p in enumerate(self.parameters) if p.has_grad]
        if not chosen:
            return
        masters = [self.masters[i] for i in chosen]
        memories = [self.optimizer.state[i] for i in chosen]
        backend = backend_of(self.scale.value)
        gradients = [raw_array(self.parameters[i].grad) for i in chosen]
        gradients, good = backend.unscale_all(gradients, self.scale.value)
        for master, gradient in zip(masters, gradients, strict=True):
            master.grad = gradient
        before = _arrays(memories)
        # Copy what a skipped step must restore: the optimizer may write into all these arrays.
        olds = backend.copy_all([*[m.value for m in masters], *before.values()])
        old = dict(zip(before, olds[len(masters) :], strict=True))
        self.optimizer.step()
        new = _arrays(memories)
        for key, x in new.items():
            if key not in old:  # made in this first step: zeros if the step is skipped
                old[key] = namespace(x).zeros_like(x)
        kept = backend.choose_all(
            good,
            [*[m.value for m in masters], *new.values()],
            [*olds[: len(masters)], *[old[key] for key in new]],
        )
        for master, value in zip(masters, kept[: len(masters)], strict=True):
            master.value = value
            master.zero_grad()
        for (i, name), x in zip(new, kept[len(masters) :], strict=True):
            memories[i][name] = x
        self._round_masters()
        self._adapt(good)

    def _adapt(self, good: Array) -> None:
        """Halve the scale after a step that was not good, double it after many that were."""
        xp, scale = namespace(good), self.scale.value
        count = xp.where(good, self.good.value + 1.0, 0.0)
        grows = count >= self.growth_interval
        larger = xp.minimum(scale * 2.0, xp.full_like(scale, LARGEST))
        self.scale.value = xp.where(good, xp.where(grows, larger, scale), scale * 0.5)
        self.good.value = xp.where(grows, 0.0, count)

    def take_parameters(self) -> None:
        """Copy the parameters' values to the masters. Call this after assigning to parameters."""
        for p, master in zip(self.parameters, self.masters, strict=True):
            master.value = namespace(p.value).astype(p.value, master.dtype)

    def _round_masters(self) -> None:
        """Set the parameters to the masters' values, rounded to float16."""
        values = [master.value for master in self.masters]
        backend = backend_of(values[0])
        halves = backend.copy_all(values, backend.xp.float16)
        for p, value in zip(self.parameters, halves, strict=True):
            p.value = value

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to zero."""
        for p in self.parameters:
            p.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Copy the optimizer's state, with the masters and the scale.

        Returns:
            The optimizer's `state_dict`, with "master" in the state of each parameter, and the
            numbers "scale" and "good" in the settings.
        """
        state = self.optimizer.state_dict()
        for memory, master in zip(state["state"], self.masters, strict=True):
            memory["master"] = copied(master.value)
        numbers = {"scale": float(self.scale), "good": float(self.good)}
        return {"settings": {**state["settings"], **numbers}, "state": state["state"]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that gave this `state_dict`, with steps equal to the bit.

        Raises:
            ValueError: the state is of another kind of optimizer or of other parameters.
        """
        settings, memories = dict(state["settings"]), [dict(m) for m in state["state"]]
        if not {"scale", "good"} <= settings.keys() or any("master" not in m for m in memories):
            raise ValueError(
                "MixedPrecision.load_state_dict: found no scale or masters; the state is of "
                "training without MixedPrecision"
            )
        numbers = settings.pop("scale"), settings.pop("good")
        values = [memory.pop("master") for memory in memories]
        self.optimizer.load_state_dict({"settings": settings, "state": memories})
        for master, value in zip(self.masters, values, strict=True):
            master.value = copied(value, like=master.value)
        for node, number in zip((self.scale, self.good), numbers, strict=True):
            node.value = namespace(node.value).full_like(node.value, number)
        self._round_masters()


def _arrays(memories: list[dict[str, Any]]) -> dict[tuple[int, str], Array]:
    """List the arrays in the states of parameters, by the number of the parameter and the name."""
    return {
        (i, name): x
        for i, memory in enumerate(memories)
        for name, x in memory.items()
        if name != "step"
    }
