"""Train a multilayer perceptron on MNIST, on Fashion-MNIST or on a synthetic set.

    python examples/mnist.py
    GRADCORE_BACKEND=cupy python examples/mnist.py --model relu --out runs/relu

The defaults are the course's: one hidden layer of 4 times the input's size, sigmoid, plain
gradient descent on the loss summed over a batch, pixels from 0 to 255.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from harness.command_line import Parser, add_device_flags, run, size
from harness.session import Session
from harness.training import captured, evaluate, make_optimizer

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
from gradcore.backends import Array
from gradcore.data import Batches, find_mnist, load_mnist, load_synth

EVALUATION_BATCH = 1000


class MLP(nn.Module):
    """Linear layers with a non-linearity between them, and a log-softmax at the end.

    Args:
        inputs: the size of the input.
        outputs: how many classes there are.
        layers: how many linear layers.
        hidden: how many times the size of the input each hidden layer has.
        activation: the non-linearity.
        residual: whether a layer between two hidden ones adds its input to its output.
        options: of each linear layer.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        layers: int,
        hidden: int,
        activation: Callable[[TensorNode], TensorNode],
        residual: bool,
        **options: Any,
    ) -> None:
        sizes = [inputs, *[hidden * inputs] * (layers - 1), outputs]
        self.layers = [nn.Linear(m, n, **options) for m, n in pairwise(sizes)]
        self.activation = activation
        self.residual = residual

    def forward(self, x: TensorNode | Array) -> TensorNode:  # (N, inputs) to (N, outputs)
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
    """Load the data as arrays of the backend.

    Returns:
        (images, labels) for training, (images, labels) for validation, the number of classes, and
        the folder that the data come from.
    """
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
    session.begin(model, optimizer, loss="sum", data=args.data, source=source, **sizes)

    place = backends.default()
    # In the course's order.
    batches = Batches(x, y, args.batch_size, shuffle=False, to=place, **session.share)
    held_out = Batches(xval, yval, EVALUATION_BATCH, shuffle=False, to=place)

    @captured(args)
    def training_step(images: Array, labels: Array) -> Array:
        loss = logceloss(model(images), labels)
        optimizer.scaled(loss).backward()  # the loss itself, unless in mixed precision
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for images, labels in session.progress(batches):
            loss = training_step(images, labels)
            epoch.add(loss, images.shape[0])
        epoch.stop()
        session.end_epoch(epoch, **evaluate(model, held_out, logceloss, classes))


def main() -> int:
    parser = Parser(
        "Train a multilayer perceptron on MNIST (a few minutes).",
        epochs=20,
        batch_size=128,
        lr=0.0001,
        optimizer="sgd",
        first="--epochs 2: two of the 20 epochs, in a minute or two",
    )
    flag = parser.add_argument
    sets = ["mnist", "fashion-mnist", "synth"]
    flag("--data", choices=sets, default="mnist", help="synth is generated")
    flag("--model", choices=MODELS, default="sigmoid", help="its activation, or its kind")
    times = "hidden units, times the size of the input"
    flag("--hidden", type=size, default=4, metavar="N", help=times)
    inits = ["glorot", "he", "normal", "zeros"]
    flag("--init", choices=inits, default="glorot", help="how initial weights are drawn")
    add_device_flags(parser)
    return run(parser.parse_args(), load, train, Session, several=True)


if __name__ == "__main__":
    launch(main)
