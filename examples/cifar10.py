"""Train a convolutional network on CIFAR-10.

    python examples/cifar10.py
    GRADCORE_BACKEND=cupy python examples/cifar10.py --model resnet9 --out runs/resnet9

The defaults are those of PyTorch's 60-minute blitz
(https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html): its network, batches of
4, momentum, two epochs. It trains on the 50,000 training images and validates on the 10,000 test
images. `cifar10_torch.py` does the same in PyTorch.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from harness.command_line import Parser, add_device_flags, positive_float, run, size
from harness.session import Session
from harness.training import captured, evaluate, make_optimizer, one_cycle

from gradcore import TensorNode, adaptive_avg_pool2d, backends, cross_entropy, max_pool2d, nn, relu
from gradcore.backends import Array
from gradcore.data import (
    CIFAR10_CLASSES,
    SHAPES_CLASSES,
    Augment,
    Batches,
    NotFoundError,
    find_cifar10,
    load_cifar10,
    load_shapes,
)

GENERATED = "generated shapes, not CIFAR-10"
EVALUATION_BATCH = 250
MIDDLE = 127.5  # of pixels from 0 to 255; the network gets them from -1 to 1

AUGMENTATIONS: dict[str, dict[str, Any]] = {  # options of `Augment`
    "crop": {"padding": 4},
    "flip": {"flip": 0.5},
    "cutout": {"cutout": 8},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "blitz": {"epochs": 2, "batch_size": 4, "lr": 0.001, "optimizer": "momentum"},
    "resnet9": {
        "epochs": 10,
        "batch_size": 128,
        "lr": 0.05,
        "optimizer": "momentum",
        "weight_decay": 5e-4,
        "augment": ["crop", "flip"],
    },
}


class Blitz(nn.Module):
    """The network of the tutorial: two convolutions and three linear layers."""

    def __init__(self, classes: int, dtype: str) -> None:
        linear = partial(nn.Linear, init="kaiming_uniform", dtype=dtype)  # as PyTorch does
        self.conv1 = nn.Conv2d(3, 6, 5, dtype=dtype)
        self.conv2 = nn.Conv2d(6, 16, 5, dtype=dtype)
        self.flatten = nn.Flatten()
        self.fc1 = linear(16 * 5 * 5, 120)
        self.fc2 = linear(120, 84)
        self.fc3 = linear(84, classes)

    def forward(self, x: TensorNode | Array) -> TensorNode:  # (N, 3, 32, 32)
        h = max_pool2d(relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        h = max_pool2d(relu(self.conv2(h)), 2)  # (N, 16, 5, 5)
        h = relu(self.fc1(self.flatten(h)))
        return self.fc3(relu(self.fc2(h)))


class Block(nn.Module):
    """A convolution, batch normalization and ReLU."""

    def __init__(self, inputs: int, outputs: int, dtype: str) -> None:
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, dtype=dtype)
        self.norm = nn.BatchNorm2d(outputs, dtype=dtype, relu=True)

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return self.norm(self.conv(x))


class ResNet9(nn.Module):
    """A residual network (https://arxiv.org/abs/1512.03385) of eight convolutions and a linear
    layer.

    Args:
        width: the channels after the first convolution; the last one has 8 times as many.
    """

    def __init__(self, classes: int, width: int, dtype: str) -> None:
        block = partial(Block, dtype=dtype)
        self.block1 = block(3, width)
        self.block2 = block(width, 2 * width)
        self.residual1 = nn.Sequential(block(2 * width, 2 * width), block(2 * width, 2 * width))
        self.block3 = block(2 * width, 4 * width)
        self.block4 = block(4 * width, 8 * width)
        self.residual2 = nn.Sequential(block(8 * width, 8 * width), block(8 * width, 8 * width))
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(8 * width, classes, init="kaiming_uniform", dtype=dtype)

    def forward(self, x: TensorNode | Array) -> TensorNode:  # (N, 3, 32, 32)
        h = max_pool2d(self.block2(self.block1(x)), 2)  # (N, 2 * width, 16, 16)
        h = h + self.residual1(h)
        h = max_pool2d(self.block3(h), 2)
        h = max_pool2d(self.block4(h), 2)  # (N, 8 * width, 4, 4)
        h = h + self.residual2(h)
        return self.fc(self.flatten(adaptive_avg_pool2d(h, 1)))


def parse(description: str, *adds: Callable[[Parser], None]) -> argparse.Namespace:
    """Parse the flags that this example shares with its twin, and those that `adds` add."""
    first = "--data shapes --limit 2000 --epochs 1: generated images, in half a minute"
    parser = Parser(description, first=first, **DEFAULTS["blitz"])
    flag = parser.add_argument
    own = " ".join(
        f"--{name.replace('_', '-')} {' '.join(x) if isinstance(x, list) else x}"
        for name, x in DEFAULTS["resnet9"].items()
    )
    flag("--data", choices=["cifar10", "shapes"], default="cifar10", help="shapes are generated")
    flag(
        "--model",
        choices=DEFAULTS,
        default="blitz",
        help="(default: blitz) resnet9 is a residual network with batch norm, a learning rate that "
        f"goes up to --lr and down again, and these defaults: {own}",
    )
    flag("--width", type=size, default=32, metavar="N", help="of resnet9")
    weight_decay = partial(positive_float, or_zero=True)
    flag(
        "--weight-decay",
        type=weight_decay,
        metavar="X",
        help="how fast weights shrink (default: the optimizer's)",
    )
    flag(
        "--augment",
        nargs="*",
        choices=AUGMENTATIONS,
        default=[],
        metavar="NAME",
        help=f"change the training images at random (default: no): {', '.join(AUGMENTATIONS)}",
    )
    for add in adds:
        add(parser)
    parser.set_defaults(**DEFAULTS[parser.parse_args().model])
    return parser.parse_args()


def load(args: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """Load the data as arrays of the backend.

    Returns:
        (images, labels) for training and (images, labels) for validation, where images are
        (N, 3, 32, 32) of bytes; and the facts that `Session.begin` takes.
    """
    facts = {"data": GENERATED, "source": "generated", "classes": SHAPES_CLASSES}
    try:
        folder = None if args.data == "shapes" else find_cifar10(args.data_dir)
    except NotFoundError as error:
        print(f"Training on {GENERATED}: {error}.", file=sys.stderr)
        folder = None
    if folder:
        (x, y), validation, _ = load_cifar10(final=True, data_dir=folder)
        facts = {"data": "CIFAR-10", "source": str(folder), "classes": CIFAR10_CLASSES}
    else:
        (x, y), validation, _ = load_shapes()
    n = min(args.limit or x.shape[0], x.shape[0])
    sizes = {"training_instances": n, "validation_instances": validation[0].shape[0]}
    return (x[:n, ...], y[:n]), validation, {**facts, **sizes}


def augmentation(args: argparse.Namespace) -> Augment:
    """Make what changes training images at random, and normalizes all."""
    options = {name: x for chosen in args.augment for name, x in AUGMENTATIONS[chosen].items()}
    return Augment(MIDDLE, MIDDLE, args.dtype, **options)


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    (x, y), (xval, yval), facts = data
    classes = len(facts["classes"])
    if args.model == "blitz":
        model: nn.Module = Blitz(classes, args.dtype)
    else:
        model = ResNet9(classes, args.width, args.dtype)
    optimizer = make_optimizer(args, model)
    if args.weight_decay is not None:
        optimizer.settings["weight_decay"] = args.weight_decay
    is_scheduled = args.model == "resnet9"
    session.begin(model, optimizer, is_scheduled=is_scheduled, **facts)

    augment = augmentation(args)
    place = backends.default()
    batches = Batches(x, y, args.batch_size, to=place, **session.share)
    held_out = Batches(xval, yval, EVALUATION_BATCH, shuffle=False, to=place)
    schedule = one_cycle(args, optimizer, len(batches), session) if is_scheduled else None

    @captured(args)
    def training_step(images: Array, labels: Array, views: Array | None) -> Array:
        loss = cross_entropy(model(augment.apply(images, views)), labels)
        optimizer.scaled(loss).backward()  # the loss itself, unless in mixed precision
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for images, labels in session.progress(batches):
            loss = training_step(images, labels, augment.draw(images, batches.part))
            if schedule:
                schedule.step()
            epoch.add(loss, labels.shape[0], mean=True)
        epoch.stop()
        pairs = ((augment.apply(images, None), labels) for images, labels in held_out)
        summed = partial(cross_entropy, reduction="sum")
        session.end_epoch(epoch, **evaluate(model, pairs, summed, classes))


def main() -> int:
    args = parse("Train a convolutional network on CIFAR-10 (a few minutes).", add_device_flags)
    return run(args, load, train, Session, several=True)


if __name__ == "__main__":
    launch(main)
