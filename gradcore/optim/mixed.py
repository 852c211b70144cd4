"""Training in float16, with the weights kept in float32 (https://arxiv.org/abs/1710.03740)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..backends import Array, backend_of
from ..graph import TensorNode
from ..state import copied
from ..values import as_array, describe, namespace
from .base import Optimizer

LARGEST = 2.0**24  # of scales; more were no use, as float16 begins at 2**-24


class MixedPrecision:
    """An optimizer of float16 parameters that updates float32 copies of them, the masters.

    Gradients in float16 are small enough to vanish, so the loss is multiplied by a scale before
    the backward pass, and the gradients are divided by it after. A step whose gradients overflow
    leaves all as it is, but for the scale, which is halved; after `growth_interval` good steps it
    is doubled. All this happens on the device, without the host.

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
        make: given the masters, a list of nodes, makes the optimizer that updates them.
        scale: of the loss, at first.
        growth_interval: how many good steps double the scale.

    Attributes:
        optimizer: what `make` made. Its counts include skipped steps.
        parameters: the parameters, in a list.
        masters: the float32 nodes, one for each parameter.
        scale: the scale, a float32 array of no dimensions in a node.
        good: how many steps were good since the scale changed, likewise.

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
        self._give()
        first = self.masters[0].value
        self.scale, self.good = (
            TensorNode(
                namespace(first).full((), x, dtype=first.dtype, device=first.device),
                requires_grad=False,
            )
            for x in (scale, 0.0)
        )
        self.growth_interval = growth_interval

    # What schedules look at:

    @property
    def settings(self) -> dict[str, Any]:
        return self.optimizer.settings

    @property
    def initial_lr(self) -> float:
        return self.optimizer.initial_lr

    def scaled(self, loss: TensorNode) -> TensorNode:
        """The float32 loss times the scale: what the backward pass is to start from."""
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
        gradients = [as_array(self.parameters[i].grad) for i in chosen]
        gradients, good = backend.unscale_all(gradients, self.scale.value)
        for master, gradient in zip(masters, gradients, strict=True):
            master.grad = gradient
        before = _arrays(memories)
        # Copies, as the optimizer writes to the arrays of memory, and to values nobody else holds.
        olds = backend.copy_all([*[m.value for m in masters], *before.values()])
        old = dict(zip(before, olds[len(masters) :], strict=True))
        self.optimizer.step()
        new = _arrays(memories)
        for key, x in new.items():
            if key not in old:  # what a first step begins, it begins at zero if it is skipped
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
        self._give()
        self._adapt(good)

    def _adapt(self, good: Any) -> None:
        """Halve the scale after a step that was not good, double it after many that were."""
        xp, scale = namespace(good), self.scale.value
        count = xp.where(good, self.good.value + 1.0, 0.0)
        grows = count >= self.growth_interval
        larger = xp.minimum(scale * 2.0, xp.full_like(scale, LARGEST))
        self.scale.value = xp.where(good, xp.where(grows, larger, scale), scale * 0.5)
        self.good.value = xp.where(grows, 0.0, count)

    def take_parameters(self) -> None:
        """The masters the parameters' values, after somebody has assigned these."""
        for p, master in zip(self.parameters, self.masters, strict=True):
            master.value = namespace(p.value).astype(p.value, master.dtype)

    def _give(self) -> None:
        """The parameters the masters' values, in float16."""
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
        """The optimizer's, with the masters under "master" in what is known of each parameter, and
        with the numbers "scale" and "good" in the settings."""
        state = self.optimizer.state_dict()
        for memory, master in zip(state["state"], self.masters, strict=True):
            memory["master"] = copied(master.value)
        numbers = {"scale": float(self.scale), "good": float(self.good)}
        return {"settings": {**state["settings"], **numbers}, "state": state["state"]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the one that gave this `state_dict`.

        Raises:
            ValueError: it is of another kind of optimizer or of other parameters.
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
        self._give()


def _arrays(memories: list[dict[str, Any]]) -> dict[tuple[int, str], Array]:
    """What an optimizer remembers of parameters, but for the counts, by parameter and name."""
    return {
        (i, name): x
        for i, memory in enumerate(memories)
        for name, x in memory.items()
        if name != "step"
    }
