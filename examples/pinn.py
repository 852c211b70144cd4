"""Solve a partial differential equation with a network, and compare with the exact solution.

    python examples/pinn.py --out runs/pinn

The equation is Burgers', u_t + u u_x = nu u_xx for x from -1 to 1 and t from 0 to 1, with
u = -sin(pi x) at first and u = 0 at both ends: a wave that gets steeper until it nearly breaks. The
network is trained on how much it violates the equation, at points drawn at random; no value of the
solution is ever shown to it ("physics-informed", https://doi.org/10.1016/j.jcp.2018.10.045). It
takes a minute on two cores.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from math import pi
from typing import Any

from harness.command_line import Parser, add_device_flags, positive_float, run, size
from harness.pictures import new_figure
from harness.schema import Metric
from harness.session import Session
from harness.training import captured, make_optimizer, one_cycle

from gradcore import TensorNode, backends, grad, namespace, nn, no_grad, tanh
from gradcore import array_api as xp
from gradcore.backends import Array, random
from gradcore.data import Batches

POINTS = 100_000
GRID = 201  # points of the comparison on each axis
METRICS = [Metric("val_error", "relative error", min, format=".2e")]
PICTURES = ["solution.png"]


# -- The data: points in space and time, and the exact solution -----------------------------------


def load(args: argparse.Namespace) -> tuple[Array, Array]:
    """Draw the points (N, 2) of the training, x from -1 to 1 and t from 0 to 1; compute the exact
    solution on a grid, (GRID, GRID)."""
    points = random.generator().random((args.limit or POINTS, 2))
    points = backends.default().asarray(points * [2.0, 1.0] - [1.0, 0.0], args.dtype)
    x, t = (namespace(part).reshape(part, (GRID, GRID)) for part in grid(args.dtype))
    rows = [exact(x[i, :], t[i, :], args.viscosity) for i in range(GRID)]
    return points, namespace(x).stack(rows)


def grid(dtype: str) -> tuple[Array, Array]:
    """Give x and t, (GRID * GRID,), of the points to compare at."""
    place = backends.default()
    lines = [[a + (1 - a) * i / (GRID - 1) for i in range(GRID)] for a in (-1, 0)]
    x, t = (place.asarray(line, dtype) for line in lines)
    t, x = place.xp.meshgrid(t, x, indexing="ij")
    return place.xp.reshape(x, (-1,)), place.xp.reshape(t, (-1,))


def exact(x: Array, t: Array, nu: float) -> Array:
    """Compute the solution (N,) by the Cole-Hopf transformation: over all shifts s, a mean of the
    initial values -sin(pi (x - s)) with weights exp(-cos(pi (x - s)) / (2 pi nu) - s^2 / (4 nu t)).
    """
    xp = namespace(x)
    z = xp.linspace(-10, 10, 1001, dtype=x.dtype, device=x.device)  # s / (4 nu t)^0.5
    start = pi * (x[:, None] - (4 * nu * t[:, None]) ** 0.5 * z)
    exponent = -xp.cos(start) / (2 * pi * nu) - z * z
    weights = xp.exp(exponent - xp.max(exponent, axis=1, keepdims=True))
    return -xp.sum(xp.sin(start) * weights, axis=1) / xp.sum(weights, axis=1)


# -- The model ------------------------------------------------------------------------------------


class Solution(nn.Module):
    """A network of x and t, made to have the right values at first and at both ends."""

    def __init__(self, width: int, dtype: str) -> None:
        sizes = [(2, width), (width, width), (width, width), (width, 1)]
        self.layers = [nn.Linear(m, n, dtype=dtype) for m, n in sizes]

    def forward(self, x: TensorNode | Array, t: TensorNode | Array) -> TensorNode:  # (N,) to (N,)
        h = xp.stack([x, t], axis=1)
        for layer in self.layers[:-1]:
            h = tanh(layer(h))
        return self.layers[-1](h)[:, 0] * (t * (1 - x * x)) - xp.sin(pi * x)


# -- The loss -------------------------------------------------------------------------------------


def residual(u: Solution, x: TensorNode, t: TensorNode, nu: float) -> TensorNode:
    """Compute how much u violates the equation at the points x, t: (N,)."""
    # u at one point depends on x and t of this point only, so the gradient of the sum of u has
    # the derivatives at all points.
    slopes = grad(lambda x, t: xp.sum(u(x, t)), argnums=(0, 1))
    u_x, u_t = slopes(x, t)
    u_xx = grad(lambda x: xp.sum(slopes(x, t)[0]))(x)
    return u_t + u(x, t) * u_x - nu * u_xx


def error(u: Solution, expected: Array, dtype: str) -> float:
    """Compute the root of the mean square error on the grid, relative to that of the solution."""
    xp = namespace(expected)
    with no_grad():
        found = xp.reshape(u(*grid(dtype)).value, expected.shape)
    return float((xp.sum((found - expected) ** 2) / xp.sum(expected**2)) ** 0.5)


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    points, expected = data
    model = Solution(args.width, args.dtype)
    optimizer = make_optimizer(args, model)
    session.begin(
        model,
        optimizer,
        is_scheduled=True,
        data="Burgers' equation",
        source=f"nu = {args.viscosity:g}",
        unit="points",
        training_instances=points.shape[0],
        validation_instances=GRID * GRID,
    )
    batches = Batches(points[:, 0], points[:, 1], args.batch_size)
    schedule = one_cycle(args, optimizer, len(batches), session)

    @captured(args)
    def training_step(x: Array, t: Array) -> Array:
        x, t = (TensorNode(part, requires_grad=False) for part in (x, t))
        violation = residual(model, x, t, args.viscosity)
        loss = xp.mean(violation * violation)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for x, t in session.progress(batches):
            loss = training_step(x, t)
            schedule.step()
            epoch.add(loss, x.shape[0], mean=True)
        epoch.stop()
        session.end_epoch(epoch, val_error=error(model, expected, args.dtype))
    if session.out:
        session.draw(PICTURES[0], draw(model, expected, args.dtype))


# -- The picture ----------------------------------------------------------------------------------


def draw(u: Solution, expected: Array, dtype: str) -> Any:
    """Draw the exact solution, the network and their difference over t and x, and some moments."""
    with no_grad():
        found = u(*grid(dtype)).value
    to_numpy = backends.default().to_numpy
    expected, found = to_numpy(expected), to_numpy(found).reshape(GRID, GRID)
    figure = new_figure(11, 5)
    above, below = figure.subplots(2, 3)
    parts = (
        ("exact", expected, "RdBu"),
        ("network", found, "RdBu"),
        ("difference", found - expected, "PuOr"),
    )
    for axes, (title, values, colors) in zip(above, parts, strict=True):
        most = abs(values).max()
        shown = axes.imshow(
            values.T,
            cmap=colors,
            vmin=-most,
            vmax=most,
            extent=(0, 1, -1, 1),
            aspect="auto",
            origin="lower",
        )
        axes.set(title=title, xlabel="t", ylabel="x")
        figure.colorbar(shown, ax=axes)
    line = [2 * i / (GRID - 1) - 1 for i in range(GRID)]
    for axes, t in zip(below, (0.25, 0.5, 0.75), strict=True):
        i = round(t * (GRID - 1))
        axes.plot(line, expected[i], label="exact")
        axes.plot(line, found[i], "--", label="network")
        axes.set(title=f"t = {t}", xlabel="x", ylabel="u")
        axes.legend(loc="upper right")
    return figure


def main() -> int:
    parser = Parser(
        "Solve Burgers' equation with a network (1 minute).",
        epochs=25,
        batch_size=500,
        lr=0.005,
        optimizer="adam",
        dtypes=("float32", "float64"),
        without=["--data-dir", "--capture", "--mixed-precision"],
        first="--epochs 2: a little of the training, to see how it goes",
    )
    parser.add_argument("--width", type=size, default=32, metavar="N", help="of a layer")
    nu = {"type": positive_float, "metavar": "X", "default": 0.01}
    parser.add_argument("--viscosity", help="nu: the less, the steeper the wave", **nu)
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=PICTURES)
    return run(parser.parse_args(), load, train, new_session)


if __name__ == "__main__":
    launch(main)
