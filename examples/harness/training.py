"""What the flags ask of a training on gradcore: its optimizer, captured steps, validation."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradcore
from gradcore import TensorNode, backends, namespace, nn, no_grad, optim
from gradcore.backends import Array

from .command_line import OPTIMIZERS, warn
from .errors import UserError
from .ranks import gathered, shared_out, summed
from .session import Session

__all__ = ["captured", "classified", "evaluate", "make_optimizer", "one_cycle", "read"]

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
    schedule.load_state_dict({"steps": session.epochs_done * steps + session.steps_within})
    return schedule


def cast(x: TensorNode | Array, dtype: Any) -> TensorNode | Array:
    return namespace(x).astype(x, dtype, copy=False)


def captured(args: argparse.Namespace) -> Callable[[Step], Step]:
    """Decorate a training step, which takes the arrays of a batch and gives the loss: where the
    backend can record it, it is recorded and replayed (`gradcore.capture`). Where that fails, a
    line says why, or with --capture an error does. --no-capture leaves the step as it is."""

    def refuse(why: str) -> None:
        raise UserError(f"--capture: {why}")

    def decorate(step: Step) -> Step:
        if args.capture is False:
            return step
        return gradcore.capture(step, fallback=refuse if args.capture else warn)

    return decorate


def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Array, Array]],
    loss: Callable[..., TensorNode],
    classes: int,
) -> dict[str, Any]:
    """Measure how good the model is on these batches of images and labels, which the ranks share.
    All ranks give the same: what one process would give.

    Args:
        loss: of outputs and labels, summed over the instances.

    Returns:
        What `Session.end_epoch` takes, as `classified` does.
    """
    counted = []  # of each batch: the loss, and how many of each class are right and are there
    model.eval()
    with no_grad():
        for images, labels in shared_out(batches):
            output = model(images)
            xp = namespace(output.value)
            there = labels[:, None] == xp.arange(classes, device=labels.device)
            right = there & (xp.argmax(output.value, axis=1) == labels)[:, None]
            counts = [xp.sum(xp.astype(part, xp.int64), axis=0) for part in (right, there)]
            counted.append((loss(output, labels), *counts))
    model.train()
    losses = gathered(read([x for x, _, _ in counted]))
    own = [sum(part) for part in list(zip(*counted, strict=True))[1:]]  # of no batches, none
    own = [backends.default().to_numpy(part).tolist() for part in own] or [[0] * classes] * 2
    correct, counts = summed(own)
    return classified(sum(losses) / sum(counts), correct, counts)


def read(losses: Sequence[TensorNode]) -> list[float]:
    """Read nodes of one number each, in one go: each read waits for the device."""
    values = [x.value for x in losses]
    stacked = namespace(*values).stack(values) if values else backends.default().asarray([])
    numbers: list[float] = backends.default().to_numpy(stacked).tolist()
    return numbers


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
