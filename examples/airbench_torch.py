"""What airbench.py does, in PyTorch: the same flags, batches and files, to compare the two.

    python examples/airbench.py --quick --save-init init.safetensors
    python examples/airbench_torch.py --quick --init-from init.safetensors

As in Keller Jordan's program, mixed precision is float16 throughout but for batch norm, on images
in the order channels last, without torch.compile.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from typing import Any

from airbench import (
    CYCLE,
    EVALUATION_BATCH,
    MEAN,
    MOMENTUM,
    NORM,
    STD,
    Training,
    parameter_groups,
    parse,
    whitening_filters,
)
from cifar10 import load
from cifar10_torch import F, Tensor, TorchSession, nn, torch
from harness.command_line import run
from harness.training import classified

from gradcore.data import Batches, normalize


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        conv = partial(nn.Conv2d, kernel_size=3, padding="same", bias=False)
        self.conv1, self.conv2 = conv(inputs, outputs), conv(outputs, outputs)
        self.norm1, self.norm2 = (nn.BatchNorm2d(outputs, **NORM) for _ in range(2))
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2)):
            nn.init.dirac_(conv.weight.data[: conv.in_channels])
            norm.weight.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class AirNet(nn.Module):
    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        nn.init.zeros_(self.whiten.bias)
        self.whiten.weight.requires_grad = False
        self.block1 = Block(24, width)
        self.block2 = Block(width, 4 * width)
        self.block3 = Block(4 * width, 4 * width)
        self.linear = nn.Linear(4 * width, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(F.gelu(self.whiten(x)))))
        return self.linear(torch.flatten(F.max_pool2d(x, 3), 1)) * (1 / 9)


class Lookahead:
    def __init__(self, model: nn.Module) -> None:
        self.tensors = [x for x in model.state_dict().values() if x.is_floating_point()]
        self.averages = [x.clone() for x in self.tensors]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        for average, x in zip(self.averages, self.tensors, strict=True):
            x.copy_(average.lerp_(x, 1 - decay))


def multi_crop(model: nn.Module, images: Tensor) -> Tensor:
    wide = F.pad(images, [1, 1, 1, 1], mode="reflect")
    parts = [(images, 0.25), (wide[:, :, :-2, :-2], 0.125), (wide[:, :, 2:, 2:], 0.125)]
    return sum(part * (model(view) + model(view.flip(-1))) for view, part in parts)


class TorchTraining(Training):
    session: TorchSession

    def batches(self, *data: Any, **options: Any) -> Batches:
        x, y, size = data
        tensors = (torch.as_tensor(part, device=self.session.device) for part in (x, y))
        return Batches(*tensors, size, **options)

    def make_model(self) -> None:
        torch.backends.cudnn.benchmark = True
        self.half = getattr(torch, self.augment.dtype)
        model = AirNet(self.classes, self.args.width)
        self.model = model.to(self.session.device, memory_format=torch.channels_last)

    def whiten(self, images: Any) -> None:
        x = torch.as_tensor(images, device=self.session.device)
        filters = whitening_filters(normalize(x, MEAN, STD, self.args.dtype))
        self.model.whiten.weight.data.copy_(filters)
        self.model.whiten.weight.sum().item()  # which waits for the device

    def make_optimizer(self) -> None:
        self.model.to(self.half)
        for norm in self.model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.to(getattr(torch, self.args.dtype))
        named = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        groups = parameter_groups(self.args, named)
        self.optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)

    def step(self, images: Tensor, labels: Tensor, views: Tensor) -> Tensor:
        loss = F.cross_entropy(
            self.output(self.model, images, views),
            labels,
            label_smoothing=self.smoothing,
            reduction="none",
        ).sum()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def output(self, model: Any, images: Tensor, views: Tensor | None) -> Tensor:
        x = self.augment.apply(images, views)
        return model(x.contiguous(memory_format=torch.channels_last))

    def train_whitening_bias(self, trains_bias: bool) -> None:
        self.model.whiten.bias.requires_grad = trains_bias

    def make_schedule(self, rates: list[float], steps: int, done: int) -> Any:
        make = torch.optim.lr_scheduler.OneCycleLR
        return make(self.optimizer, rates, steps, last_epoch=done - 1, **CYCLE)

    def make_lookahead(self) -> Lookahead:
        return Lookahead(self.model)

    def augmented_model(self) -> Any:
        return partial(multi_crop, self.model)

    @torch.no_grad()
    def validate(self, model: Any) -> dict[str, Any]:
        losses, found, right = [], [], []
        self.model.eval()
        for images, labels in self.batches(*self.held_out, EVALUATION_BATCH, shuffle=False):
            output = self.output(model, images, None).to(getattr(torch, self.args.dtype))
            losses.append(F.cross_entropy(output, labels, reduction="sum"))
            found.append(labels)
            right.append(labels[output.argmax(1) == labels])
        self.model.train()
        correct, counts = (
            torch.cat(part).bincount(minlength=self.classes).tolist() for part in (right, found)
        )
        return classified(sum(losses).item() / sum(counts), correct, counts)


def train(args: argparse.Namespace, data: Any, session: TorchSession) -> None:
    TorchTraining(args, data, session).run()


def main() -> int:
    return run(parse("What airbench.py does, in PyTorch."), load, train, TorchSession)


if __name__ == "__main__":
    launch(main)
