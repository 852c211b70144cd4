"""Train a multilayer perceptron on MNIST, on Fashion-MNIST or on a synthetic set.

    python examples/mnist.py
    GRADCORE_BACKEND=cupy python examples/mnist.py --model relu --out runs/relu

The defaults are the course's: one hidden layer of 4 times the input's size, sigmoid, plain
gradient descent on the loss summed over a batch, pixels from 0 to 255.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from typing import Any

from command_line import Parser, add_device_flags, positive, run
from loop import Session, evaluate, make_optimizer, make_step

from gradcore import (
    TensorNode,
    backends,
    logceloss,
    logsoftmax,
    namespace,
    nn,
    relu,
    sigmoid,
)
from gradcore.data import Batches, find_mnist, load_mnist, load_synth

EVALUATION_BATCH = 1000


class MLP(nn.Module):
    """Linear layers with a non-linearity between them, and a log-softmax at the end.

    Args:
        layers: how many linear layers.
        hidden: the size of those between the first and the last, times that of the input.
        activation: the non-linearity.
        residual: add the input of each layer between two hidden ones to its output.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        layers: int,
        hidden: int,
        activation: Any,
        residual: bool,
        **options: Any,
    ) -> None:
        sizes = [inputs, *[hidden * inputs] * (layers - 1), outputs]
        self.layers = [nn.Linear(m, n, **options) for m, n in pairwise(sizes)]
        self.activation = activation
        self.residual = residual

    def forward(self, x: Any) -> TensorNode:
        first, *between, last = self.layers
        h = self.activation(first(x))
        for layer in between:
            h = self.activation(layer(h)) + h if self.residual else self.activation(layer(h))
        return logsoftmax(last(h))


MODELS: dict[str, dict[str, Any]] = {
    "sigmoid": {"layers": 2, "activation": sigmoid, "residual": False},
    "relu": {"layers": 2, "activation": relu, "residual": False},
    "3layer": {"layers": 3, "activation": sigmoid, "residual": False},
    "residual": {"layers": 3, "activation": sigmoid, "residual": True},
}


def load(args: argparse.Namespace) -> Any:
    """The training and the validation set, on the backend's device, and the facts about them."""
    if args.data == "synth":
        source = "generated"
        (x, y), validation, classes = load_synth()
    else:
        folder = find_mnist(args.data, args.data_dir)
        source = str(folder)
        (x, y), validation, classes = load_mnist(name=args.data, data_dir=folder)
    dtype, xp = backends.default().dtype(args.dtype), namespace(x)
    n = min(args.limit or x.shape[0], x.shape[0])
    x, y = xp.astype(x[:n, ...], dtype, copy=False), y[:n]
    validation = xp.astype(validation[0], dtype, copy=False), validation[1]
    return (x, y), validation, classes, source


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    (x, y), (xval, yval), classes, source = data
    options = {**MODELS[args.model], "hidden": args.hidden, "init": args.init}
    model = MLP(x.shape[1], classes, **options, dtype=args.dtype)
    optimizer = make_optimizer(args, model)
    sizes = {"training_instances": x.shape[0], "validation_instances": xval.shape[0]}
    session.begin(model, optimizer, data=args.data, source=source, **sizes)

    place = backends.default()
    batches = Batches(x, y, args.batch_size, shuffle=False, to=place)  # the course's order
    held_out = Batches(xval, yval, EVALUATION_BATCH, shuffle=False, to=place)
    step = make_step(args, optimizer, lambda images, labels: logceloss(model(images), labels))
    for _ in session.epochs():
        for images, labels in session.progress(batches):
            session.step(step(images, labels), images.shape[0])
        session.end_epoch(*evaluate(model, held_out, logceloss, classes))


def main() -> int:
    parser = Parser(
        "Train a multilayer perceptron on MNIST.",
        epochs=20,
        batch_size=128,
        lr=0.0001,
        optimizer="sgd",
    )
    parser.add_argument("--data", choices=["mnist", "fashion-mnist", "synth"], default="mnist")
    parser.add_argument("--model", choices=MODELS, default="sigmoid")
    times = "hidden units, times the size of the input (default: %(default)s)"
    parser.add_argument("--hidden", type=positive, default=4, metavar="N", help=times)
    parser.add_argument("--init", choices=["glorot", "he", "normal", "zeros"], default="glorot")
    add_device_flags(parser)
    return run(parser.parse_args(), load, train, Session)


if __name__ == "__main__":
    sys.exit(main())
