"""What the flags ask of a training on gradcore: its optimizer, captured steps, validation."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

import gradcore
from gradcore import TensorNode, backends, namespace, nn, no_grad, optim
from gradcore.backends import Array

from .command_line import OPTIMIZERS
from .session import Session

__all__ = ["captured", "classified", "evaluate", "make_optimizer", "one_cycle"]

Step = Callable[..., Array]


def make_optimizer(
    args: argparse.Namespace, model: nn.Module
) -> optim.Optimizer | optim.MixedPrecision:
    """Make the optimizer that --optimizer, --lr and --mixed-precision ask for.

    In mixed precision the model becomes one of float16, which takes and gives float32.
    """

    def make(parameters: list[TensorNode]) -> optim.Optimizer:
        return OPTIMIZERS[args.optimizer](parameters, args.lr)

    if not args.mixed_precision:
        return make(model.parameters())
    xp = backends.default().xp
    # So the loss is computed in float32.
    model.register_forward_pre_hook(lambda _, inputs: (cast(inputs[0], xp.float16),))
    model.register_forward_hook(lambda *call: cast(call[-1], xp.float32))
    return optim.MixedPrecision(model.parameters(), make)


def one_cycle(
    args: argparse.Namespace, optimizer: Any, steps: int, session: Session
) -> optim.OneCycleLR:
    """Make the schedule by which the learning rate goes up to --lr and down again, over all epochs,
    each of `steps` steps. A run that is resumed goes on where it was."""
    schedule = optim.OneCycleLR(optimizer, args.lr, args.epochs * steps, cycle_momentum=False)
    schedule.load_state_dict({"steps": session.epochs_done * steps})
    return schedule


def cast(x: TensorNode | Array, dtype: Any) -> TensorNode | Array:
    return namespace(x).astype(x, dtype, copy=False)


def captured(args: argparse.Namespace) -> Callable[[Step], Step]:
    """Decorate a training step, which takes the arrays of a batch and gives the loss: with
    --capture, it is recorded and replayed (`gradcore.capture`)."""

    def decorate(step: Step) -> Step:
        if not args.capture:
            return step
        replayed = gradcore.capture(step)
        # The last batch may be smaller, and a captured step has fixed shapes.
        return lambda *batch: (replayed if batch[0].shape[0] == args.batch_size else step)(*batch)

    return decorate


def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Array, Array]],
    loss: Callable[..., TensorNode],
    classes: int,
) -> dict[str, Any]:
    """Measure how good the model is on these batches of images and labels.

    Args:
        loss: of outputs and labels, summed over the instances.

    Returns:
        What `Session.end_epoch` takes, as `classified` does.
    """
    total, correct, counts = 0.0, [0] * classes, [0] * classes
    to_numpy = backends.default().to_numpy
    model.eval()
    with no_grad():
        for images, labels in batches:
            output = model(images)
            total += float(loss(output, labels))
            predicted = namespace(output.value).argmax(output.value, axis=1)
            for p, label in zip(to_numpy(predicted), to_numpy(labels), strict=True):
                correct[label] += int(p == label)
                counts[label] += 1
    model.train()
    return classified(total / sum(counts), correct, counts)


def classified(loss: float, correct: list[int], counts: list[int]) -> dict[str, Any]:
    """Give what `Session.end_epoch` takes of a classifier.

    Args:
        loss: per instance.
        correct: how many instances of each class were recognized.
        counts: how many instances of each class there are.
    """
    return {
        "val_loss": loss,
        "val_accuracy": sum(correct) / sum(counts),
        "per_class": [c / n if n else None for c, n in zip(correct, counts, strict=True)],
    }
