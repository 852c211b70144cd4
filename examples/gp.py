"""Fit a Gaussian process to the carbon dioxide in the air, and forecast ten years.

    python examples/gp.py --out runs/gp

The data are monthly means from Mauna Loa, 1958 to 2001; those until 1991 are for training. A kernel
says how alike the values of two months are expected to be: it has a slow trend, a season that may
change its form, irregularities of years and of months (section 5.4.3 of "Gaussian Processes for
Machine Learning", https://gaussianprocess.org/gpml). How large and how long these are, 11 numbers,
is what makes the measured values most likely: SciPy's L-BFGS finds it, along gradcore's gradients
through the Cholesky decomposition. It takes 10 seconds.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from math import exp, log, pi
from pathlib import Path
from typing import Any

from harness.command_line import Parser, add_device_flags, require, run
from harness.pictures import COLORS, add_legend, new_figure
from harness.schema import Metric
from harness.session import Session

from gradcore import TensorNode, backends, linalg, namespace, nn, no_grad, value_and_grad
from gradcore import array_api as xp
from gradcore.backends import Array, random

CO2 = Path(__file__).parent / "measured" / "co2.txt"
SPLIT = 1992.0  # the first year that is not for training
ITERATIONS = 20  # of L-BFGS in an epoch, which begins with no memory of earlier ones
BOUNDS = log(0.01), log(1000.0)
START = {  # sizes in ppm, lengths in years
    "size of the trend": 50.0,
    "length of the trend": 50.0,
    "size of the season": 2.0,
    "years until the season has another form": 100.0,
    "smoothness of the season": 1.0,
    "size of irregularities of years": 0.5,
    "length of these": 1.0,
    "how uniform their lengths are": 1.0,
    "size of irregularities of months": 0.1,
    "length of these irregularities": 0.1,
    "size of the noise": 0.1,
}
METRICS = [
    Metric("val_loss", "validation loss"),
    Metric("log_likelihood", "log marginal likelihood", max, format=".3f"),
    Metric("val_error", "error of the forecast (ppm)", min, format=".3f"),
]
PICTURES = ["forecast.png"]


# -- The data: years (N,), and ppm (N,) -----------------------------------------------------------


def load(args: argparse.Namespace) -> tuple[Array, Array, Array, Array]:
    """Load years and ppm for training, and years and ppm for validation."""
    require("scipy.optimize", "gp.py")
    lines = [line for line in CO2.read_text("utf-8").splitlines() if not line.startswith("#")]
    rows = [tuple(map(float, line.split())) for line in lines]
    before = [row for row in rows if row[0] < SPLIT][: args.limit]
    after = [row for row in rows if row[0] >= SPLIT]
    columns = [column for part in (before, after) for column in zip(*part, strict=True)]
    x, y, xval, yval = (backends.default().asarray(column, args.dtype) for column in columns)
    return x, y, xval, yval


# -- The model ------------------------------------------------------------------------------------


class Process(nn.Module):
    """A Gaussian process whose mean is 0.

    Attributes:
        logs: the logarithms of the numbers in START, (11,).
    """

    def __init__(self, dtype: str) -> None:
        # In each run, the search starts somewhere else.
        start = [log(x) + 0.1 * random.generator().standard_normal() for x in START.values()]
        self.logs = TensorNode(backends.default().asarray(start, dtype))

    def kernel(self, logs: TensorNode | Array, x1: Array, x2: Array) -> TensorNode:
        """Give the covariances (N, M) of the values at x1 (N,) and x2 (M,), without noise."""
        d = TensorNode(abs(x1[:, None] - x2[None, :]), requires_grad=False)
        trend, trend_length, season, season_length, smoothness, *rest = [
            xp.exp(logs[i]) for i in range(10)
        ]
        years, years_length, uniform, months, months_length = rest
        season_shape = -2 * (xp.sin(pi * d) / smoothness) ** 2 - 0.5 * (d / season_length) ** 2
        years_shape = 1 + (d / years_length) ** 2 / (2 * uniform)
        return (
            trend**2 * xp.exp(-0.5 * (d / trend_length) ** 2)
            + season**2 * xp.exp(season_shape)
            + years**2 * years_shape**-uniform
            + months**2 * xp.exp(-0.5 * (d / months_length) ** 2)
        )

    def factor(self, logs: TensorNode | Array, x: Array) -> TensorNode:
        """Give the Cholesky factor L (N, N) of the covariances of measurements, L L^T."""
        noise = xp.exp(2 * logs[10]) * namespace(x).eye(x.shape[0], dtype=x.dtype, device=x.device)
        return linalg.cholesky(self.kernel(logs, x, x) + noise)

    def predict(self, x: Array, y: Array, new: Array) -> tuple[Array, Array]:
        """Give the means and the variances (M,) of measurements at `new`, after y at x."""
        with no_grad():
            factor = self.factor(self.logs, x)
            shared = linalg.solve(factor, self.kernel(self.logs, x, new))  # (N, M)
            mean = xp.sum(shared * linalg.solve(factor, y)[:, None], axis=0)
            own = self.kernel(self.logs, new[:1], new[:1])[0, 0] + xp.exp(2 * self.logs[10])
            return mean.value, (own - xp.sum(shared * shared, axis=0)).value


# -- The loss -------------------------------------------------------------------------------------


def loss_of(model: Process, logs: TensorNode | Array, x: Array, y: Array) -> TensorNode:
    """Compute the negative logarithm of how likely y is at x: (y^T K^-1 y + log det 2 pi K) / 2."""
    factor = model.factor(logs, x)
    white = linalg.solve(factor, y)  # standard normal, if the model is right
    log_det = xp.sum(xp.log(linalg.diagonal(factor)))
    return 0.5 * xp.sum(white * white) + log_det + 0.5 * log(2 * pi) * y.shape[0]


def evaluate(model: Process, x: Array, y: Array, xval: Array, yval: Array) -> dict[str, float]:
    """Compute how unlikely and how far off the values to forecast are."""
    xp = namespace(x)
    mean, variance = model.predict(x, y, xval)
    square = (yval - mean) ** 2
    unlikely = 0.5 * (square / variance + xp.log(2 * pi * variance))
    return {"val_loss": float(xp.mean(unlikely)), "val_error": float(xp.mean(square)) ** 0.5}


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    from scipy.optimize import minimize

    x, ppm, xval, ppm_val = data
    place, n = backends.default(), x.shape[0]
    middle = namespace(x).mean(ppm)
    y, yval = ppm - middle, ppm_val - middle
    model = Process(args.dtype)
    session.begin(
        model,
        None,
        data="CO2 at Mauna Loa",
        source=str(CO2),
        unit="months",
        training_instances=n,
        validation_instances=xval.shape[0],
    )
    value_and_slope = value_and_grad(lambda logs: loss_of(model, logs, x, y))
    losses: list[Array] = []  # of each iteration

    def objective(logs: Any) -> tuple[float, Any]:  # SciPy's arrays are NumPy's
        loss, slope = value_and_slope(place.asarray(logs, args.dtype))
        return float(loss), place.to_numpy(slope)

    def note(intermediate_result: Any) -> None:
        losses.append(place.asarray(intermediate_result.fun, args.dtype))

    for epoch in session.epochs():
        losses.clear()
        start = place.to_numpy(model.logs.value)
        how = {"method": "L-BFGS-B", "bounds": [BOUNDS] * len(start), "callback": note}
        found = minimize(objective, start, jac=True, options={"maxiter": ITERATIONS}, **how)
        model.logs.value = place.asarray(found.x, args.dtype)
        note(found)
        for loss in losses:
            epoch.add(loss, n)
        epoch.stop()
        likely = evaluate(model, x, y, xval, yval)
        session.end_epoch(epoch, log_likelihood=-found.fun, **likely)
    for name, value in zip(START, place.to_numpy(model.logs.value), strict=True):
        session.say(f"{name:>40} {exp(value):10.3f}")
    if session.out:
        session.draw(PICTURES[0], draw(model, x, y, middle, xval, ppm_val))


# -- The picture ----------------------------------------------------------------------------------


def draw(model: Process, x: Array, y: Array, middle: Array, xval: Array, ppm_val: Array) -> Any:
    """Draw the mean of the process, a band of two deviations around it, and what was measured."""
    to_numpy = backends.default().to_numpy
    new = namespace(x).linspace(1958, 2012, 54 * 24 + 1, dtype=x.dtype, device=x.device)
    mean, variance = model.predict(x, y, new)
    years, mean, deviation = to_numpy(new), to_numpy(mean + middle), to_numpy(variance**0.5)
    figure = new_figure(11, 4.5)
    whole, part = figure.subplots(1, 2)
    for axes in (whole, part):
        axes.plot(years, mean, color=COLORS[0], linewidth=1, label="mean")
        low, high = mean - 2 * deviation, mean + 2 * deviation
        axes.fill_between(years, low, high, color=COLORS[0], alpha=0.25, label="± two deviations")
        axes.plot(to_numpy(x), to_numpy(y + middle), ".", color="C7", markersize=3, label="fitted")
        axes.plot(
            to_numpy(xval),
            to_numpy(ppm_val),
            ".",
            color=COLORS[1],
            markersize=3,
            label="to be forecast",
        )
        axes.axvline(SPLIT, color="k", linestyle=":", linewidth=1)
        axes.set(xlabel="year", ylabel="carbon dioxide, ppm")
        axes.grid(alpha=0.3)
        add_legend(axes)
    part.set(xlim=(1988, 2002), ylim=(345, 378))
    return figure


def main() -> int:
    parser = Parser(
        "Fit a Gaussian process to the carbon dioxide at Mauna Loa (10 seconds).",
        epochs=3,
        dtype="float64",
        dtypes=("float64",),
        without=["--data-dir", "--capture", "--mixed-precision", "--tf32"],
    )
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=PICTURES)
    return run(parser.parse_args(), load, train, new_session)


if __name__ == "__main__":
    launch(main)
