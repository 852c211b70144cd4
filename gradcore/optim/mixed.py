"""Training in float16, with the weights kept in float32 (https://arxiv.org/abs/1710.03740)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from numbers import Real
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import copied, describe, is_integer, loaded, namespace, raw_array
from ..engine.ownership import is_alone
from ..graph import TensorNode
from ..replay.recording import CaptureError, fixed, is_held, remember
from .base import Optimizer, parts
from .groups import trainable
from .wrapper import OptimizerWrapper

__all__ = ["MixedPrecision"]

LARGEST = 2.0**24  # the largest scale: it lifts 2**-24, the least number of float16, to 1
LEAST = 2.0**-24  # the least: NaN at every step would halve it to 0, and no step was good again


class MixedPrecision(OptimizerWrapper[Optimizer]):
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

    Clip gradients, without the scale, before the update of the masters:

        clip = lambda *_: nn.utils.clip_grad_norm_(optimizer.masters, 1.0)
        optimizer.optimizer.register_step_pre_hook(clip)

    A skipped step does not count: Adam corrects its averages by the number of good steps. A
    schedule counts its own steps; `optimizer.scale` is less after a step that was skipped.

    Args:
        parameters: float32 TensorNodes that require a gradient, which become float16.
        make: makes the optimizer that updates the masters, given these in a list of nodes. A
            parameter whose master it leaves out becomes float16 too, and is not trained.
        scale: the first scale of the loss, from 2**-24 to 2**24; it stays within these.
        growth_interval: how many good steps, one after the other, double the scale.

    Attributes:
        optimizer: the optimizer that `make` made. The counts in its state include skipped steps,
            those in its `state_dict` don't.
        parameters: the parameters, in a list.
        masters: the float32 nodes, one for each parameter.
        scale: a node with the scale, a float32 array of no dimensions.
        good: a node like `scale`, with the number of good steps since the scale changed.
        growth_interval: as above.

    Raises:
        TypeError: a parameter is not float32, or `make` gives no optimizer.
        ValueError: there are no parameters, one can't be trained, `make` gives an optimizer of
            other nodes than the masters, or a number is out of range. No parameter has changed.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> make = lambda masters: optim.SGD(masters, lr=0.1)
        >>> optimizer = optim.MixedPrecision([w], make, scale=128.0)
        >>> optimizer.scaled((w * w).sum().astype("float32")).backward()
        >>> optimizer.step()
        >>> print(w.dtype, w.round(3), optimizer.masters[0].dtype)
        float16 [0.8 1.6] float32
    """

    __slots__ = ("_limits", "good", "growth_interval", "masters", "scale")

    def __init__(
        self,
        parameters: Iterable[TensorNode] | Iterable[tuple[str, TensorNode]],
        make: Callable[[list[TensorNode]], Optimizer],
        scale: float = 2.0**15,
        growth_interval: int = 2000,
    ) -> None:
        self.parameters, _ = trainable("MixedPrecision", parameters)
        if not self.parameters:
            raise ValueError("MixedPrecision: there are no parameters; does the model have any?")
        for i, p in enumerate(self.parameters):
            if p.dtype != namespace(p.value).float32:
                raise TypeError(
                    f"MixedPrecision: parameter {i} is {describe(p.value)}, expected float32; it "
                    "becomes float16 here"
                )
        _check_number("MixedPrecision: scale", scale, LEAST, LARGEST)
        if not is_integer(growth_interval) or growth_interval < 1:
            expected = "expected a positive integer"
            raise ValueError(f"MixedPrecision: growth_interval = {growth_interval!r}, {expected}")
        self.masters = [TensorNode(copied(p.value), name=p.name) for p in self.parameters]
        self.optimizer = make(self.masters.copy())
        if not isinstance(self.optimizer, Optimizer):
            given = type(self.optimizer).__name__
            raise TypeError(f"MixedPrecision: make gave a {given}, expected an optimizer")
        if not {*self.optimizer.parameters} <= {*self.masters}:
            raise ValueError(
                "MixedPrecision: make gave an optimizer of other nodes than the masters, which it "
                "is given: write lambda masters: SGD(masters, lr=0.1)"
            )
        self.round_masters()
        first = self.masters[0].value
        new = {"dtype": first.dtype, "device": first.device}
        self._limits = [namespace(first).full((), x, **new) for x in (LEAST, LARGEST)]
        self.scale, self.good = (
            TensorNode(namespace(first).full((), float(x), **new), requires_grad=False)
            for x in (scale, 0.0)
        )
        self.growth_interval = growth_interval

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

    def _update(self) -> None:
        number_of = {master: i for i, master in enumerate(self.optimizer.parameters)}
        pairs = zip(self.parameters, self.masters, strict=True)
        chosen = [(p, m) for p, m in pairs if p.has_grad and m in number_of]
        if not chosen:
            return
        masters = [master for _, master in chosen]
        memories = [self.optimizer.state[number_of[master]] for master in masters]
        backend = backend_of(self.scale.value)
        gradients = [raw_array(p.grad) for p, _ in chosen]
        gradients, good = backend.unscale_all(gradients, self.scale.value)
        for master, memory, gradient in zip(masters, memories, gradients, strict=True):
            master.grad = gradient
            remember(memory)
            self.optimizer.begin(number_of[master])
        counts = self._counts(memories)
        before = _arrays(memories)
        # Copy what a skipped step must restore: the optimizer may write into all these arrays.
        olds = backend.copy_all([*[m.value for m in masters], *before.values()])
        old = dict(zip(before, olds[len(masters) :], strict=True))
        self.optimizer.step()
        new = _arrays(memories)
        for key, x in new.items():
            if key not in old:  # a velocity, made in this first step: zeros if the step is skipped
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
        for count in counts:
            count.value = namespace(good).where(good, count.value, count.value + 1.0)
        self.round_masters()
        self._adapt(good)

    def _counts(self, memories: list[dict[str, Any]]) -> list[TensorNode]:
        """Give the nodes that count the skipped updates of parameters with these memories.

        Parameters share a node, under "skipped", as long as they are all updated together.
        """
        sharing: dict[int, list[dict[str, Any]]] = {}
        for memory in memories:
            if "step" in memory:
                sharing.setdefault(id(memory.get("skipped")), []).append(memory)
        counts = list[TensorNode]()
        for some in sharing.values():
            count = some[0].get("skipped")
            if count is None or len(some) < sum(
                memory.get("skipped") is count for memory in self.optimizer.state
            ):
                if count is not None and is_held(count):
                    raise CaptureError(
                        "capture: the step updates only some of the parameters that the calls "
                        "before it, the warm-up, have updated together"
                    )
                zeros = namespace(self.good.value).zeros_like(self.good.value)
                count = TensorNode(zeros if count is None else count.value, requires_grad=False)
                for memory in some:
                    memory["skipped"] = count
            counts.append(count)
        return counts

    def _adapt(self, good: Array) -> None:
        """Halve the scale after a step that was not good, double it after many that were."""
        fixed("MixedPrecision's growth_interval", lambda: self.growth_interval)
        xp, scale = namespace(good), self.scale.value
        count = xp.where(good, self.good.value + 1.0, 0.0)
        grows = count >= self.growth_interval
        scale = xp.where(good, xp.where(grows, scale * 2.0, scale), scale * 0.5)
        least, largest = self._limits
        self.scale.value = xp.minimum(xp.maximum(scale, least), largest)
        self.good.value = xp.where(grows, 0.0, count)

    def take_parameters(self) -> None:
        """Copy the parameters' values to the masters. Call this after assigning to parameters."""
        for p, master in zip(self.parameters, self.masters, strict=True):
            master.value = namespace(p.value).astype(p.value, master.dtype)

    def round_masters(self) -> None:
        """Set the parameters to the masters' values, rounded to float16. Call this after assigning
        to masters.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.MixedPrecision([w], lambda masters: optim.SGD(masters, lr=0.1))
            >>> optimizer.masters[0].value = np.array([3.0, 0.1], dtype="float32")
            >>> optimizer.round_masters()
            >>> print(w.value, w.dtype)
            [3.  0.1] float16
        """
        values = [master.value for master in self.masters]
        backend = backend_of(values[0])
        # Not into an array that another node has too, such as that of an average of the weights.
        alone = all(is_alone(p, "value", others=is_held(p)) for p in self.parameters)
        into = [p.value for p in self.parameters] if alone else None
        halves = backend.copy_all(values, backend.xp.float16, into)
        for p, value in zip(self.parameters, halves, strict=True):
            p.value = value

    def __repr__(self) -> str:
        return f"MixedPrecision(scale={float(self.scale):g}, {self.optimizer!r})"

    def state_dict(self) -> dict[str, Any]:
        """Copy the optimizer's state, with the masters and the scale.

        Returns:
            The optimizer's `state_dict`, with "master" in the state of each parameter, and the
            numbers "scale" and "good" in the settings, of the first group.
        """
        state = self.optimizer.state_dict()
        for memory, master in zip(state["state"], self.optimizer.parameters, strict=True):
            memory["master"] = copied(master.value)
        settings = state["settings"]
        first = settings[0] if isinstance(settings, list) else settings
        first.update({"scale": float(self.scale), "good": float(self.good)})
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that gave this `state_dict`, with steps equal to the bit.

        Raises:
            ValueError: the state is of another kind of optimizer or of other parameters, or has
                other fields, types or shapes; nothing is changed.
        """
        name, masters = "MixedPrecision.load_state_dict", self.optimizer.parameters
        settings, memories = parts(name, state, len(masters))
        if not {"scale", "good"} <= settings[0].keys() or any("master" not in m for m in memories):
            raise ValueError(
                f"{name}: found no scale or masters; the state is of training without "
                "MixedPrecision"
            )
        numbers = settings[0].pop("scale"), settings[0].pop("good")
        _check_number(f"{name}: scale", numbers[0], LEAST, LARGEST)
        _check_number(f"{name}: good", numbers[1], 0.0, LARGEST)
        values = [
            loaded(f"{name}: parameter {i}: master", memory.pop("master"), master.value)
            for i, (memory, master) in enumerate(zip(memories, masters, strict=True))
        ]
        self.optimizer.take(self.optimizer.read({"settings": settings, "state": memories}))
        for master, value in zip(masters, values, strict=True):
            master.value = value
        for node, number in zip((self.scale, self.good), numbers, strict=True):
            node.value = namespace(node.value).full_like(node.value, float(number))
        self.round_masters()


def _check_number(what: str, x: Any, least: float, most: float) -> None:
    """Raise ValueError, which begins with `what`, unless x is a number from `least` to `most`."""
    is_number = isinstance(x, Real) and not isinstance(x, bool) and isfinite(x)
    if not is_number or not least <= x <= most:
        raise ValueError(f"{what} = {x!r}, expected a number from {least:g} to {most:g}")


def _arrays(memories: list[dict[str, Any]]) -> dict[tuple[int, str], Array]:
    """List the arrays in the states of parameters, by the number of the parameter and the name."""
    return {
        (i, name): x
        for i, memory in enumerate(memories)
        for name, x in memory.items()
        if name not in ("step", "skipped")
    }
