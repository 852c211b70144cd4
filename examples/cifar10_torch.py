"""What cifar10.py does, in PyTorch: the same flags, batches and files, to compare the two.

    python examples/cifar10_torch.py --save-init init.safetensors --out runs/torch
    python examples/cifar10.py --init-from init.safetensors --out runs/gradcore

The data, the order of the batches and what augmentation does to which image are gradcore's.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
import sys
from functools import partial
from typing import Any

from cifar10 import EVALUATION_BATCH, MIDDLE, augmentation, load, parse
from harness.command_line import run
from harness.errors import UserError
from harness.session import Session
from harness.training import classified

from gradcore.backends import random, use_backend

try:
    import torch
    import torch.nn.functional as F  # noqa: N812 (as everybody calls it)
    from torch import Tensor, nn
    from torch.optim.lr_scheduler import OneCycleLR
except ImportError as error:
    print(f"cifar10_torch.py needs PyTorch: pip install torch ({error})", file=sys.stderr)
    sys.exit(2)

DEVICES = {"numpy": "cpu", "cupy": "cuda"}  # PyTorch's devices, by gradcore's backends
OPTIMIZERS: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


class Blitz(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class ResNet9(nn.Module):
    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.block1 = Block(3, width)
        self.block2 = Block(width, 2 * width)
        self.residual1 = nn.Sequential(Block(2 * width, 2 * width), Block(2 * width, 2 * width))
        self.block3 = Block(2 * width, 4 * width)
        self.block4 = Block(4 * width, 8 * width)
        self.residual2 = nn.Sequential(Block(8 * width, 8 * width), Block(8 * width, 8 * width))
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.block2(self.block1(x)), 2)
        x = x + self.residual1(x)
        x = F.max_pool2d(self.block3(x), 2)
        x = F.max_pool2d(self.block4(x), 2)
        x = x + self.residual2(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class TorchSession(Session):
    """A session whose model and optimizer are from PyTorch."""

    packages = ("torch", "numpy")
    device: torch.device

    def use_backend(self) -> None:
        use_backend("numpy")  # which loads the data
        name = self.args.backend or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.device = torch.device(DEVICES.get(name, name))
            torch.zeros(1, dtype=getattr(torch, self.args.dtype), device=self.device)
        except (AssertionError, RuntimeError) as error:
            what = str(error).partition("\n")[0]
            raise UserError(f"--backend {name}: PyTorch can't use that device: {what}") from None

    def describe_backend(self) -> tuple[str, str]:
        is_cuda = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if is_cuda else str(self.device).upper()
        return "torch", name

    def seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def count_parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def model_state(self) -> dict[str, Any]:
        return self.model.state_dict()

    def set_model_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict({name: torch.from_numpy(x) for name, x in state.items()})

    def optimizer_state(self) -> dict[str, Any]:
        state = self.optimizer.state_dict()
        known = [state["state"].get(i, {}) for i in state["param_groups"][0]["params"]]
        return {"settings": state["param_groups"], "state": known}

    def set_optimizer_state(self, state: dict[str, Any]) -> None:
        tensors = [
            {name: x if x is None else torch.as_tensor(x) for name, x in known.items()}
            for known in state["state"]
        ]
        given = {i: known for i, known in enumerate(tensors) if known}
        self.optimizer.load_state_dict({"state": given, "param_groups": state["settings"]})


def normalized(images: Tensor, dtype: torch.dtype) -> Tensor:
    return (images.to(dtype) - MIDDLE) / MIDDLE


@torch.no_grad()
def evaluate(
    model: nn.Module, x: Tensor, y: Tensor, classes: int, dtype: torch.dtype
) -> dict[str, Any]:
    """Measure how good the model is on the images x with the labels y."""
    loss, correct = 0.0, torch.zeros(classes, dtype=torch.int64, device=y.device)
    model.eval()
    for images, labels in zip(x.split(EVALUATION_BATCH), y.split(EVALUATION_BATCH), strict=True):
        output = model(normalized(images, dtype))
        loss += F.cross_entropy(output, labels, reduction="sum").item()
        correct += torch.bincount(labels[output.argmax(1) == labels], minlength=classes)
    model.train()
    counts = torch.bincount(y, minlength=classes)
    return classified(loss / len(x), correct.tolist(), counts.tolist())


def train(args: argparse.Namespace, data: Any, session: TorchSession) -> None:
    device, dtype = session.device, getattr(torch, args.dtype)
    (x, y), (xval, yval), facts = data
    x, y, xval, yval = (torch.as_tensor(part, device=device) for part in (x, y, xval, yval))
    classes = len(facts["classes"])
    model = Blitz(classes) if args.model == "blitz" else ResNet9(classes, args.width)
    model.to(device, dtype)
    optimizer = OPTIMIZERS[args.optimizer](model.parameters(), lr=args.lr)
    if args.weight_decay is not None:
        optimizer.param_groups[0]["weight_decay"] = args.weight_decay
    is_scheduled = args.model == "resnet9"
    session.begin(model, optimizer, is_scheduled=is_scheduled, **facts)

    augment, schedule = augmentation(args), None
    if is_scheduled:
        steps = -(-len(x) // args.batch_size)
        schedule = OneCycleLR(
            optimizer,
            args.lr,
            args.epochs * steps,
            cycle_momentum=False,
            last_epoch=session.epochs_done * steps - 1,
        )
    for epoch in session.epochs():
        order = torch.from_numpy(random.generator().permutation(len(x))).to(device)
        for chosen in session.progress(order.split(args.batch_size)):
            images, labels = x[chosen], y[chosen]
            loss = F.cross_entropy(model(augment(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
            epoch.add(loss.detach(), len(labels), mean=True)
        epoch.stop()
        session.end_epoch(epoch, **evaluate(model, xval, yval, classes, dtype))


def main() -> int:
    return run(parse("What cifar10.py does, in PyTorch."), load, train, TorchSession)


if __name__ == "__main__":
    launch(main)
