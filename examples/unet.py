"""Train a U-Net to say of each pixel of an image what it shows.

    python examples/unet.py --out runs/unet

The images are generated: each shows one of ten shapes before a noisy background. The network
shrinks the image twice, to see the whole, and enlarges what it has seen again, each time with the
details of the same size beside it (https://arxiv.org/abs/1505.04597). It takes 3 minutes on two
cores.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from typing import Any

from harness.command_line import Parser, add_device_flags, run, size
from harness.pictures import draw_images
from harness.schema import Metric, fraction
from harness.session import Session
from harness.training import captured, make_optimizer, one_cycle, read

from gradcore import (
    TensorNode,
    backends,
    cross_entropy,
    max_pool2d,
    namespace,
    nn,
    no_grad,
    one_hot,
)
from gradcore import array_api as xp
from gradcore.backends import Array
from gradcore.data import SHAPES_CLASSES, Batches, load_shape_masks, normalize

VALIDATION = 1000
EVALUATION_BATCH = 100
MIDDLE = 127.5  # of pixels from 0 to 255; the network gets them from -1 to 1
CLASSES = ("background", *SHAPES_CLASSES)
COLORS = [  # of the classes
    *[(0.0, 0.0, 0.0), (0.9, 0.1, 0.1), (1.0, 0.6, 0.0), (1.0, 1.0, 0.2), (0.2, 0.8, 0.2)],
    *[(0.0, 0.9, 0.9), (0.2, 0.4, 1.0), (0.6, 0.2, 0.9), (1.0, 0.4, 0.8), (0.6, 0.4, 0.2)],
    (0.9, 0.9, 0.9),
]
METRICS = [
    Metric("val_loss", "validation loss"),
    Metric("val_accuracy", "pixel accuracy", max, fraction, ".4f"),
    Metric("val_iou", "mean intersection over union", max, fraction, ".4f"),
]
PICTURES = ["masks.png"]


# -- The data: images (N, 3, 32, 32), masks (N, 32, 32) of numbers of classes ----------------------


def load(args: argparse.Namespace) -> Any:
    """Generate the images and masks for training, and those for validation."""
    (x, y), validation, _ = load_shape_masks(args.limit, VALIDATION)
    return (x, y), validation


def prepared(images: Array, dtype: str) -> Array:
    return normalize(images, MIDDLE, MIDDLE, dtype)


# -- The model ------------------------------------------------------------------------------------


class Block(nn.Module):
    """Two convolutions, each with batch normalization and ReLU."""

    def __init__(self, inputs: int, outputs: int, dtype: str) -> None:
        conv = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False, dtype=dtype)
        norm = partial(nn.BatchNorm2d, outputs, dtype=dtype, relu=True)
        self.conv1, self.norm1 = conv(inputs, outputs), norm()
        self.conv2, self.norm2 = conv(outputs, outputs), norm()

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return self.norm2(self.conv2(self.norm1(self.conv1(x))))


class UNet(nn.Module):
    """Down twice and up twice.

    Args:
        width: the channels at full size; twice and four times as many below.
    """

    def __init__(self, width: int, classes: int, dtype: str) -> None:
        block = partial(Block, dtype=dtype)
        enlarge = partial(nn.ConvTranspose2d, kernel_size=2, stride=2, dtype=dtype)
        self.down1 = block(3, width)
        self.down2 = block(width, 2 * width)
        self.bottom = block(2 * width, 4 * width)
        self.enlarge2 = enlarge(4 * width, 2 * width)
        self.up2 = block(4 * width, 2 * width)
        self.enlarge1 = enlarge(2 * width, width)
        self.up1 = block(2 * width, width)
        self.out = nn.Conv2d(width, classes, 1, dtype=dtype)

    def forward(self, x: Array) -> TensorNode:  # (N, 3, H, W) to (N, classes, H, W)
        full = self.down1(x)  # (N, width, H, W)
        half = self.down2(max_pool2d(full, 2))
        h = self.bottom(max_pool2d(half, 2))
        h = self.up2(xp.concat([half, self.enlarge2(h)], axis=1))
        h = self.up1(xp.concat([full, self.enlarge1(h)], axis=1))
        return self.out(h)


# -- The validation -------------------------------------------------------------------------------


def evaluate(model: UNet, batches: Batches, dtype: str) -> dict[str, Any]:
    """Measure the loss, and how well the pixels of each class are found."""
    losses, n = [], len(CLASSES)
    confusion: Any = 0  # how often each class there (row) is found as which (column)
    model.eval()
    with no_grad():
        for images, masks in batches:
            logits = model(prepared(images, dtype))
            losses.append(cross_entropy(logits, masks, reduction="sum"))
            found = namespace(masks).argmax(logits.value, axis=1)
            rows, columns = (xp.reshape(one_hot(part, n), (-1, n)) for part in (masks, found))
            confusion = confusion + (rows.T @ columns).value
    model.train()
    confusion = backends.default().to_numpy(confusion)
    both, there = confusion.diagonal().tolist(), confusion.sum(1).tolist()
    either = (confusion.sum(0) + confusion.sum(1) - confusion.diagonal()).tolist()
    pixels = sum(there)
    overlaps = [a / b for a, b in zip(both, either, strict=True) if b]
    return {
        "val_loss": sum(read(losses)) / pixels,
        "val_accuracy": sum(both) / pixels,
        "val_iou": sum(overlaps) / len(overlaps),
        "per_class": [a / b if b else None for a, b in zip(both, there, strict=True)],
    }


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    (x, y), (xval, yval) = data
    model = UNet(args.width, len(CLASSES), args.dtype)
    optimizer = make_optimizer(args, model)
    session.begin(
        model,
        optimizer,
        is_scheduled=True,
        data="masks of generated shapes",
        source="generated",
        classes=CLASSES,
        unit="images",
        training_instances=x.shape[0],
        validation_instances=xval.shape[0],
    )
    place = backends.default()
    batches = Batches(x, y, args.batch_size, to=place)
    held_out = Batches(xval, yval, EVALUATION_BATCH, shuffle=False, to=place)
    schedule = one_cycle(args, optimizer, len(batches), session)

    @captured(args)
    def training_step(images: Array, masks: Array) -> Array:
        loss = cross_entropy(model(prepared(images, args.dtype)), masks)  # the mean of all pixels
        optimizer.scaled(loss).backward()  # the loss itself, unless in mixed precision
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for images, masks in session.progress(batches):
            loss = training_step(images, masks)
            schedule.step()
            epoch.add(loss, images.shape[0], mean=True)
        epoch.stop()
        session.end_epoch(epoch, **evaluate(model, held_out, args.dtype))
    if session.out:
        session.draw(PICTURES[0], draw(model, xval, yval, args.dtype))


# -- The picture ----------------------------------------------------------------------------------


def draw(model: UNet, xval: Array, yval: Array, dtype: str) -> Any:
    """Draw images, their masks, and the masks that the network gives them, in three rows."""
    n, place = 10, backends.default()
    images, masks = (place.asarray(part[:n, ...]) for part in (xval, yval))
    model.eval()
    with no_grad():
        found = model(prepared(images, dtype)).value
    model.train()
    xp = place.xp
    rows = xp.reshape(xp.concat([masks, xp.argmax(found, axis=1)]), (-1,))
    colored = xp.take(place.asarray(COLORS, "float32"), rows, axis=0)
    colored = xp.reshape(colored, (2 * n, *masks.shape[1:], 3))
    photos = xp.astype(xp.permute_dims(images, (0, 2, 3, 1)), colored.dtype) / 255
    return draw_images(place.to_numpy(xp.concat([photos, colored])), n)


def main() -> int:
    parser = Parser(
        "Train a U-Net on generated shapes (3 minutes).",
        epochs=6,
        batch_size=32,
        limit=12_000,
        lr=0.01,
        optimizer="adam",
        without=["--data-dir"],
        first="--limit 1200: a little of the training, to see how it goes",
    )
    width = "channels at full size"
    parser.add_argument("--width", type=size, default=12, metavar="N", help=width)
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=PICTURES)
    return run(parser.parse_args(), load, train, new_session)


if __name__ == "__main__":
    launch(main)
