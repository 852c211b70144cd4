"""Training in float16, with the weights kept in float32 (https://arxiv.org/abs/1710.03740)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..graph import TensorNode
from ..state import copied
from ..values import as_array, describe, namespace
from .optimizers import Optimizer

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
        xp = namespace(self.scale.value)
        updated = [(p, m) for p, m in zip(self.parameters, self.masters, strict=True) if p.has_grad]
        if not updated:
            return
        inverse = 1.0 / self.scale.value
        good: Any = None
        for p, master in updated:
            gradient = as_array(p.grad)
            finite = xp.isfinite(gradient)
            good = xp.all(finite) if good is None else good & xp.all(finite)
            # Of zeros nothing overflows, in what is then not taken.
            whole = xp.where(finite, xp.astype(gradient, master.dtype), 0.0)
            master.grad = whole * inverse
        held = [(m, m.value) for m in self.masters]
        memories = [
            {k: copied(x) for k, x in memory.items() if k != "step"}
            for memory in self.optimizer.state
        ]
        self.optimizer.step()
        for master, before in held:
            master.value = xp.where(good, master.value, before)
            master.zero_grad()
        for memory, before in zip(self.optimizer.state, memories, strict=True):
            for name in memory.keys() - {"step"}:
                # What a first step begins, it begins at zero if it is skipped.
                old = before.get(name, xp.zeros_like(memory[name]))
                memory[name] = xp.where(good, memory[name], old)
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
        for p, master in zip(self.parameters, self.masters, strict=True):
            xp = namespace(master.value)
            p.value = xp.astype(master.value, xp.float16)

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
