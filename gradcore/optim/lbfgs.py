"""L-BFGS: steps by an estimate of the second derivatives, from the last gradients
(https://doi.org/10.1007/BF01589116). The iterates are those of torch.optim.LBFGS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any, ClassVar

from ..backends import Array
from ..engine.arrays import copied, is_complex, is_integer, loaded, namespace, raw_array
from ..engine.modes import building
from ..engine.trees import tree_map
from ..graph import TensorNode
from .base import Closure, Optimizer, Params
from .groups import Group
from .kernels import arguments

__all__ = ["LBFGS"]

_COUNTS, _NUMBERS, _LISTS = (
    ("n_iter", "func_evals"),
    ("t", "prev_loss"),
    ("old_dirs", "old_stps", "ro"),
)


class LBFGS(Optimizer):
    """Minimize the loss that a closure computes, several iterations in each step, by L-BFGS.

    Each iteration reads some numbers on the host, so steps can't be captured.

    Args:
        lr: the length of an iteration's step; with a line search, of its first guess.
        max_iter: the most iterations in a step.
        max_eval: the most calls of the closure in a step; by default 1.25 times `max_iter`.
        tolerance_grad: a step ends where no element of the gradient is larger.
        tolerance_change: and where the parameters or the loss change by less.
        history_size: how many of the last iterations the estimate is made of; it takes twice as
            many times the memory of the parameters.
        line_search_fn: "strong_wolfe", for a step to a point with the strong Wolfe conditions; or
            `None`.

    Raises:
        ValueError: there are several groups of parameters, or a setting is out of range.

    Example:
        >>> w = TensorNode([0.0, 0.0])
        >>> optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w[0] - 1.0) ** 2 + 100.0 * (w[1] - w[0] ** 2) ** 2  # Rosenbrock's
        ...     loss.backward()
        ...     return loss
        ...
        >>> for _ in range(5):
        ...     loss = optimizer.step(closure)
        ...
        >>> print(w.round(3))
        [1. 1.]
    """

    others: ClassVar = {"line_search_fn": (None, "strong_wolfe")}

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None and is_integer(max_iter):
            max_eval = max_iter * 5 // 4
        super().__init__(**arguments(locals()))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: found a second group of parameters, expected one group")
        super().add_param_group(param_group)

    def do_step(self, closure: Closure | None) -> Any:
        if closure is None:
            raise ValueError("LBFGS.step: found no closure; give a function that computes the loss")
        settings, memory = self._settings_of(0), self.state[0]
        with building(True):
            result = closure()
        search = _Search(self.parameters, closure, settings, memory)
        search.run(float(result), is_first_step=not memory)
        return result

    # The state is of all parameters together, and belongs to the first, as in PyTorch.

    def _copied_memory(self, memory: dict[str, Any]) -> dict[str, Any]:
        return tree_map(lambda x: copied(x) if hasattr(x, "shape") else x, memory)

    def _read_memory(self, what: str, _: TensorNode, memory: Mapping[str, Any]) -> dict[str, Any]:
        like = flat([p.value for p in self.parameters])
        number = namespace(like).sum(like)
        names = {*_COUNTS, *_NUMBERS, *_LISTS, "d", "prev_flat_grad", "H_diag"}
        if not {*_COUNTS} <= memory.keys() <= names | {"al"}:
            raise ValueError(f"{what} has {sorted(memory)}, expected {sorted(names)}")
        read: dict[str, Any] = {}
        for name in names & memory.keys():
            x, kind = memory[name], number if name in ("ro", "H_diag") else like
            try:
                if name in _COUNTS or name in _NUMBERS:
                    read[name] = int(x) if name in _COUNTS else float(x)
                elif name in _LISTS:
                    read[name] = [loaded(f"{what}: {name}[{i}]", y, kind) for i, y in enumerate(x)]
                else:
                    read[name] = loaded(f"{what}: {name}", x, kind)
            except TypeError:
                raise ValueError(f"{what}: {name} = {x!r}, expected numbers") from None
        return read


class _Search:
    """The iterations of a step. All parameters, and all gradients, are one vector.

    Args:
        memory: what the next step starts from, by PyTorch's names: the last direction "d" and its
            length "t", the last gradient and loss, the last differences of gradients, "old_dirs",
            and of parameters, "old_stps", with the inverse "ro" of their products, and the scale
            "H_diag" of the first estimate.
    """

    def __init__(
        self, nodes: list[TensorNode], closure: Closure, settings: Group, memory: dict[str, Any]
    ) -> None:
        self.nodes, self.closure, self.settings, self.memory = nodes, closure, settings, memory

    def gradient(self) -> Array:
        """Give the gradients, as the last call of the closure left them."""
        return flat([raw_array(p.grad) for p in self.nodes])

    def move(self, starts: list[Array], t: float, d: Array) -> None:
        """Set the parameters to `starts + t * d`."""
        for p, x in zip(self.nodes, starts, strict=True):
            n = prod(x.shape)
            size = n * (2 if is_complex(x) else 1)
            part, d = d[:size], d[size:]
            if is_complex(x):
                part = part[:n] + 1j * part[n:]
            p.value = x + namespace(x).reshape(t * part, x.shape)

    def evaluate(self) -> tuple[float, Array]:
        """Compute the loss, and its gradient, where the parameters are now."""
        with building(True):
            loss = float(self.closure())
        return loss, self.gradient()

    def direction(self, g: Array) -> Array:
        """Give the direction to go from gradient g, and learn from the step before."""
        memory = self.memory
        if memory["n_iter"] == 1:
            memory.update({"old_dirs": [], "old_stps": [], "ro": [], "H_diag": _one(g)})
            return -g
        ys, ss, ro = memory["old_dirs"], memory["old_stps"], memory["ro"]
        y, s = g - memory["prev_flat_grad"], memory["d"] * memory["t"]
        product = dot(y, s)
        if float(product) > 1e-10:
            if len(ys) == self.settings["history_size"]:
                for history in (ys, ss, ro):
                    del history[:1]
            ys.append(y)
            ss.append(s)
            ro.append(1.0 / product)
            memory["H_diag"] = product / dot(y, y)
        q, shares = -g, list[Array]()
        for y, s, r in zip(ys[::-1], ss[::-1], ro[::-1], strict=True):
            shares.append(dot(s, q) * r)
            q = q - shares[-1] * y
        d = q * memory["H_diag"]
        for y, s, r in zip(ys, ss, ro, strict=True):
            d = d + (shares.pop() - dot(y, d) * r) * s
        return d

    def run(self, loss: float, is_first_step: bool) -> None:
        """Make the iterations, from the loss and the gradients at the start."""
        settings, memory, g = self.settings, self.memory, self.gradient()
        done = _largest(g) <= settings["tolerance_grad"]
        if is_first_step:
            memory.update({"func_evals": 0, "n_iter": 0})
        memory["func_evals"] += 1
        evaluations, change = 1, settings["tolerance_change"]
        for n in range(1, 0 if done else settings["max_iter"] + 1):
            memory["n_iter"] += 1
            d = self.direction(g)
            before = loss
            t = settings["lr"]
            if memory["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(namespace(g).sum(namespace(g).abs(g))))
            memory.update({"prev_flat_grad": g, "prev_loss": loss, "d": d, "t": t})
            slope = float(dot(g, d))
            if slope > -change:
                break
            starts, calls = [p.value for p in self.nodes], 0
            if settings["line_search_fn"]:

                def at(t: float, d: Array = d, starts: list[Array] = starts) -> tuple[float, Array]:
                    self.move(starts, t, d)
                    return self.evaluate()

                most = settings["max_eval"] - evaluations
                loss, g, t, calls = strong_wolfe(at, t, d, loss, g, slope, most, 1e-9)
                memory["t"] = t
            self.move(starts, t, d)
            if not settings["line_search_fn"] and n != settings["max_iter"]:
                (loss, g), calls = self.evaluate(), 1
            evaluations += calls
            memory["func_evals"] += calls
            if (
                evaluations >= settings["max_eval"]
                or _largest(g) <= settings["tolerance_grad"]
                or _largest(d * t) <= change
                or abs(loss - before) < change
            ):
                break


Point = tuple[float, float, Array, float]  # a length, the loss there, its gradient and its slope


def strong_wolfe(
    at: Callable[[float], tuple[float, Array]],
    t: float,
    d: Array,
    loss: float,
    g: Array,
    slope: float,
    most: int,
    tolerance: float,
) -> tuple[float, Array, float, int]:
    """Search along d for a point with the strong Wolfe conditions: the loss falls by enough (c1),
    and the slope by enough (c2).

    Args:
        at: computes the loss, and its gradient, at a length.
        t: the first guess of the length.
        loss, g, slope: at length 0.
        most: about how many points to try.
        tolerance: the least change of a parameter.

    Returns:
        The loss, its gradient and the length found, and how many points were tried.
    """
    c1, c2 = 1e-4, 0.9

    def point(t: float) -> Point:
        f, g = at(t)
        return t, f, g, float(dot(g, d))

    start: Point = 0.0, loss, g, slope
    before, now, tried, rounds, bracket = start, point(t), 1, 0, list[Point]()
    done = False
    while rounds < most:  # go on until there is an interval with such a point
        is_high = now[1] > loss + c1 * now[0] * slope or (rounds > 1 and now[1] >= before[1])
        if is_high or now[3] >= 0 or abs(now[3]) <= -c2 * slope:
            done = not is_high and abs(now[3]) <= -c2 * slope
            bracket = [now] if done else [before, now]
            break
        limits = now[0] + 0.01 * (now[0] - before[0]), now[0] * 10
        before, now = now, point(cubic(before, now, limits))
        tried, rounds = tried + 1, rounds + 1
    if not bracket:
        bracket = [start, now]
    low = 0 if bracket[0][1] <= bracket[-1][1] else 1
    is_slow = False
    while not done and rounds < most:  # make the interval smaller
        ends = sorted(t for t, *_ in bracket)
        if (ends[1] - ends[0]) * _largest(d) < tolerance:
            break
        t = cubic(bracket[0], bracket[1], None)
        margin = 0.1 * (ends[1] - ends[0])
        if min(ends[1] - t, t - ends[0]) < margin:  # too near to an end
            if is_slow or not ends[0] < t < ends[1]:
                is_upper = abs(t - ends[1]) < abs(t - ends[0])
                t = ends[1] - margin if is_upper else ends[0] + margin
                is_slow = False
            else:
                is_slow = True
        else:
            is_slow = False
        now = point(t)
        tried, rounds = tried + 1, rounds + 1
        high = 1 - low
        if now[1] > loss + c1 * t * slope or now[1] >= bracket[low][1]:
            bracket[high] = now
            low = 0 if bracket[0][1] <= bracket[1][1] else 1
        else:
            done = abs(now[3]) <= -c2 * slope
            if not done and now[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    t, loss, g, _ = bracket[low]
    return loss, g, t, tried


def cubic(one: Point, other: Point, limits: tuple[float, float] | None) -> float:
    """Give the length where the cubic through two points with their slopes is least."""
    (x1, f1, _, g1), (x2, f2, _, g2) = one, other
    least, greatest = limits or (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (least + greatest) / 2
    d2 = sqrt(square)
    if x1 > x2:
        x1, g1, x2, g2 = x2, g2, x1, g1
    x = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    return min(max(x, least), greatest)


def flat(arrays: list[Array]) -> Array:
    """Make one vector of all arrays, with the real parts of a complex one before the imaginary."""
    parts = list[Array]()
    for x in arrays:
        xp = namespace(x)
        both = (xp.real(x), xp.imag(x)) if is_complex(x) else (x,)
        parts += [xp.reshape(part, (-1,)) for part in both]
    return namespace(parts[0]).concat(parts)


def dot(x: Array, y: Array) -> Array:
    """Multiply two vectors: an array of no dimensions."""
    return namespace(x).vecdot(x, y)


def _one(x: Array) -> Array:
    return namespace(x).ones((), dtype=x.dtype, device=x.device)


def _largest(x: Array) -> float:
    xp = namespace(x)
    return float(xp.max(xp.abs(x)))
