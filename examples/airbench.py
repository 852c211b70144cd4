"""Train CIFAR-10 to 94 % in seconds, after Keller Jordan's airbench94 (https://arxiv.org/abs/2404.00498).

    python examples/airbench.py --quick
    python examples/airbench.py --backend cupy --capture --runs 5

The ingredients are named as in the paper, which credits most of them to David Page and to Thomas
Germer. `--without` leaves one out. `airbench_torch.py` does the same in PyTorch. The time is the
paper's: whitening, training and test-time augmentation, after a warm-up that compiles and captures.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from cifar10 import load
from harness.command_line import Parser, add_device_flags, run, size
from harness.record import mean_and_deviation
from harness.session import Session
from harness.training import captured, evaluate

from gradcore import (
    TensorNode,
    backends,
    cross_entropy,
    gelu,
    linalg,
    manual_seed,
    max_pool2d,
    namespace,
    nn,
    optim,
    pad,
)
from gradcore import array_api as xp
from gradcore.backends import Array
from gradcore.data import Batches, normalize, random_crop, random_flip

MEAN, STD = (125.3, 122.9, 113.9), (63.0, 62.1, 66.7)  # of the pixels of each channel
LABEL_SMOOTHING = 0.2
MOMENTUM = 0.85
WEIGHT_DECAY = 0.0153  # per 1,024 images, and apart from the learning rate
BIAS_SCALER = 64.0  # the biases of batch norm learn so much faster
NORM = {"momentum": 0.4, "eps": 1e-12}  # running averages that follow within a few steps
EARLY = 0.3  # of the epochs: then the whitening bias freezes, and the averages begin
WHITENING_IMAGES, WHITENING_EPS = 5000, 5e-4
LOOKAHEAD_EVERY, LOOKAHEAD_DECAY = 5, 0.95  # steps; of an average for each step
EVALUATION_BATCH = 1000
FULL = {"epochs": 10, "batch_size": 1024, "width": 64, "mixed_precision": True}
QUICK = {"epochs": 4, "batch_size": 256, "width": 12, "limit": 20_000, "mixed_precision": False}
INGREDIENTS = ("whitening", "dirac", "bias-scaler", "smoothing", "flip", "crop", "lookahead")


# -- The model ------------------------------------------------------------------------------------


class Block(nn.Module):
    """Two convolutions of 3 x 3, with a pool after the first; each with batch norm and GELU."""

    def __init__(self, inputs: int, outputs: int, dtype: str, dirac: bool) -> None:
        conv = partial(nn.Conv2d, kernel_size=3, padding="same", bias=False, dtype=dtype)
        self.conv1, self.conv2 = conv(inputs, outputs), conv(outputs, outputs)
        self.norm1, self.norm2 = (nn.BatchNorm2d(outputs, dtype=dtype, **NORM) for _ in range(2))
        for norm in (self.norm1, self.norm2):
            norm.w.requires_grad = False  # frozen scale: the next layer has one anyway
        for conv in (self.conv1, self.conv2) if dirac else ():
            dirac_first(conv)

    def forward(self, x: TensorNode | Array) -> TensorNode:  # (N, C, H, W) to (N, O, H/2, W/2)
        h = gelu(self.norm1(max_pool2d(self.conv1(x), 2)))
        return gelu(self.norm2(self.conv2(h)))


class AirNet(nn.Module):
    """A whitening convolution, three blocks, a pool and a linear layer.

    Args:
        width: the channels of the first block; the others have 4 times as many.
    """

    def __init__(self, classes: int, width: int, dtype: str, dirac: bool = True) -> None:
        self.whiten = nn.Conv2d(3, 24, 2, dtype=dtype)  # two filters for each of 3 x 2 x 2 pixels
        nn.init.zeros_(self.whiten.b)
        self.whiten.w.requires_grad = False
        self.block1 = Block(24, width, dtype, dirac)
        self.block2 = Block(width, 4 * width, dtype, dirac)
        self.block3 = Block(4 * width, 4 * width, dtype, dirac)
        self.flatten = nn.Flatten()
        linear = partial(nn.Linear, bias=False, init="kaiming_uniform", dtype=dtype)
        self.linear = linear(4 * width, classes)

    def forward(self, x: TensorNode | Array) -> TensorNode:  # (N, 3, 32, 32)
        h = gelu(self.whiten(x))  # (N, 24, 31, 31)
        h = self.block3(self.block2(self.block1(h)))  # (N, 4 * width, 3, 3)
        return self.linear(self.flatten(max_pool2d(h, 3))) * (1 / 9)  # a scale that fits the rates


def dirac_first(conv: nn.Conv2d) -> None:
    """Dirac initialization: the first outputs are the inputs, so that a new network passes on what
    it sees; the other outputs are random."""
    w = conv.w.value
    inputs = w.shape[1]
    first = nn.init.dirac_(TensorNode(w[:inputs, ...])).value
    conv.w.value = namespace(w).concat([first, w[inputs:, ...]])


def whitening_filters(images: Array) -> Array:
    """Give filters (24, 3, 2, 2) that make the patches of such images (N, 3, H, W) white: their
    covariance becomes the identity. Each comes twice, as GELU keeps only its positive part."""
    _, c, h, w = images.shape
    shifted = [images[:, :, i : h - 1 + i, j : w - 1 + j] for i in (0, 1) for j in (0, 1)]
    xp = namespace(images)
    patches = xp.reshape(xp.permute_dims(xp.stack(shifted), (2, 0, 1, 3, 4)), (4 * c, -1))
    values, vectors = linalg.eigh(patches @ patches.T / patches.shape[1])
    filters = xp.flip(vectors / xp.sqrt(values + WHITENING_EPS), axis=1).T  # the largest first
    filters = xp.reshape(filters, (4 * c, c, 2, 2))
    return xp.concat([filters, -filters])


# -- The data -------------------------------------------------------------------------------------


def prepared(args: argparse.Namespace) -> Callable[[Array], Array]:
    """Make what brings the pixels of each channel to mean 0 and deviation 1."""
    dtype = "float16" if args.mixed_precision else args.dtype
    return partial(normalize, mean=MEAN, std=STD, dtype=dtype)


def half_flipped(x: Array, seed: int) -> Array:
    """Mirror half of the training images, for alternating flips: from then on all are mirrored in
    every other epoch, so that no two epochs that follow each other show one view of an image."""
    manual_seed(seed)
    return random_flip(x)


def augmented(images: Array, epoch: int, without: str | None) -> Array:
    """Augment a batch: reflected crops that move by up to 2 pixels, and alternating flips."""
    if without != "crop":
        images = random_crop(images, padding=2, mode="reflect")
    return namespace(images).flip(images, axis=-1) if epoch % 2 and without != "flip" else images


# -- The optimizer --------------------------------------------------------------------------------


def rates(args: argparse.Namespace) -> tuple[float, float, float]:
    """Give the learning rates of biases and of weights, and the weight decay, for a summed loss.

    Nesterov momentum multiplies a constant gradient by 1 + 1 / (1 - momentum): divided by it, each
    setting can be chosen apart from the others.
    """
    scale = 1024 * (1 + 1 / (1 - MOMENTUM))
    lr = args.lr / scale
    scaler = 1.0 if args.without == "bias-scaler" else BIAS_SCALER
    return lr * scaler, lr, WEIGHT_DECAY * args.batch_size / scale


def make_optimizer(args: argparse.Namespace, model: AirNet) -> optim.Optimizer | Any:
    bias_lr, lr, decay = rates(args)
    names = [name for name, _ in model.named_parameters()]
    frozen = [not p.requires_grad for p in model.parameters()]

    def make(nodes: list[TensorNode]) -> optim.Optimizer:
        kept = [(n, p) for n, p, f in zip(names, nodes, frozen, strict=True) if not f]
        groups = [
            {"params": [p for n, p in kept if ("norm" in n) is of_norms], "lr": rate,
             "weight_decay": decay / rate}  # so that the decay is the same for all
            for of_norms, rate in ((True, bias_lr), (False, lr))
        ]  # fmt: skip
        return optim.SGD(groups, lr, momentum=MOMENTUM, nesterov=True)

    if not args.mixed_precision:
        return make(model.parameters())
    return optim.MixedPrecision(model.parameters(), make, scale=1.0)  # a sum needs no larger one


def triangle(step: int, steps: int) -> float:
    """Give the triangular schedule: from 0.2 up to 1 at 23 % of the steps, and down to 0.07."""
    peak = max(1, int(0.23 * steps))
    return min(0.2 + 0.8 * step / peak, 0.07 + 0.93 * (steps - step) / max(1, steps - peak))


class Lookahead:
    """Average the weights and running statistics, and train on from the average."""

    def __init__(self, model: nn.Module, optimizer: Any) -> None:
        self.optimizer = optimizer
        trained = [p for p in model.parameters() if p.requires_grad]
        statistics = [b for b in model.buffers() if "float" in str(b.dtype)]
        self.nodes = trained + statistics
        self.averages = [node.value for node in self.nodes]

    def update(self, decay: float) -> None:
        """Keep the part `decay` of the averages, and copy them to the model."""
        for i, node in enumerate(self.nodes):
            average = self.averages[i]
            if decay < 1:
                average = average + (1 - decay) * (node.value - average)
            node.value = self.averages[i] = average
        if isinstance(self.optimizer, optim.MixedPrecision):
            self.optimizer.take_parameters()


# -- The validation -------------------------------------------------------------------------------


class MultiCrop(nn.Module):
    """Test-time augmentation: the mean of the outputs for an image and its mirror image, half of it
    as they are, and half of it moved by a pixel up and left, and down and right."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def forward(self, images: Array) -> TensorNode:
        wide = pad(images, [1, 1, 1, 1], mode="reflect").value
        moved = wide[:, :, :-2, :-2], wide[:, :, 2:, 2:]
        views = [(images, 0.25), *[(view, 0.125) for view in moved]]
        both = [(v, part) for x, part in views for v in (x, namespace(x).flip(x, axis=-1))]
        outputs = [self.model(view) * part for view, part in both]
        return sum(outputs[1:], outputs[0])


# -- The training ---------------------------------------------------------------------------------


def warm_up(
    args: argparse.Namespace, model: AirNet, optimizer: Any, steps: dict[bool, Any], *batch: Array
) -> None:
    """Compile and capture the training steps before the clock starts; leave all else as it was."""
    nodes, before = [*model.parameters(), *model.buffers()], optimizer.state_dict()
    values = backends.default().copy_all([node.value for node in nodes])
    for trains_bias, step in steps.items():
        model.whiten.b.requires_grad = trains_bias
        for _ in range(4 if args.capture else 1):  # the fourth call is captured
            step(*batch)
    for node, value in zip(nodes, values, strict=True):
        node.value = value
    state = [  # velocities of zero where there were none: captured steps hold them
        {name: namespace(v).zeros_like(v) for name, v in memory.items()} | was
        for memory, was in zip(optimizer.state_dict()["state"], before["state"], strict=True)
    ]
    optimizer.load_state_dict(before | {"state": state})


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    (x, y), (xval, yval), facts = data
    without, place, classes = args.without, backends.default(), len(facts["classes"])
    model = AirNet(classes, args.width, args.dtype, without != "dirac")
    x = x if without == "flip" else half_flipped(x, args.seed + session.run)
    prepare, summed = prepared(args), partial(cross_entropy, reduction="sum")
    started = perf_counter()
    if without == "whitening":
        model.whiten.w.requires_grad = True
    else:
        images = place.asarray(x[:WHITENING_IMAGES, ...])
        model.whiten.w.value = whitening_filters(normalize(images, MEAN, STD, args.dtype))
    place.to_numpy(model.whiten.w.value)  # which waits for the device
    seconds = perf_counter() - started
    optimizer = make_optimizer(args, model)
    known = session.checkpoint["facts"] if session.checkpoint else session.facts
    results = known.get("results", [])[: session.run]
    session.begin(model, optimizer, is_scheduled=True, results=results, **facts)

    batches = Batches(x, y, args.batch_size, to=place, drop_last=x.shape[0] >= args.batch_size)
    held_out = Batches(xval, yval, EVALUATION_BATCH, shuffle=False, to=place)
    steps, done = args.epochs * len(batches), session.epochs_done * len(batches)
    early = round(EARLY * args.epochs)
    schedule = optim.LambdaLR(optimizer, partial(triangle, steps=steps))
    schedule.load_state_dict({"steps": done})
    smoothing = 0.0 if without == "smoothing" else LABEL_SMOOTHING

    def training_step(images: Array, labels: Array) -> Array:
        logits = xp.astype(model(images), args.dtype, copy=False)
        loss = summed(logits, labels, label_smoothing=smoothing)
        optimizer.scaled(loss).backward()  # the loss itself, unless in mixed precision
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    def validate(model: nn.Module) -> dict[str, Any]:
        pairs = ((prepare(images), labels) for images, labels in held_out)
        return evaluate(model, pairs, summed, classes)

    # Once the whitening bias is frozen, no gradient goes through the layer above it: another step.
    training_steps = {trains_bias: captured(args)(training_step) for trains_bias in (True, False)}
    images, labels = (place.asarray(part[: args.batch_size, ...]) for part in (x, y))
    warm_up(args, model, optimizer, training_steps, prepare(images), labels)
    lookahead = Lookahead(model, optimizer) if session.epochs_done > early else None
    for epoch in session.epochs():
        trains_bias = model.whiten.b.requires_grad = epoch.number < early
        for images, labels in session.progress(batches):
            images = prepare(augmented(images, epoch.number, without))
            loss = training_steps[trains_bias](images, labels)
            schedule.step()
            done += 1
            if not trains_bias and done % LOOKAHEAD_EVERY == 0 and without != "lookahead":
                lookahead = lookahead or Lookahead(model, optimizer)
                lookahead.update(LOOKAHEAD_DECAY**LOOKAHEAD_EVERY * (done / steps) ** 3)
            epoch.add(loss, labels.shape[0])
        if lookahead:
            lookahead.update(1.0)
        epoch.stop()
        session.end_epoch(epoch, **validate(model))
    lines = [line for line in session.record.history if line["run"] == session.run]
    training, started = sum(line["seconds"] for line in lines), perf_counter()
    result = {
        "tta_accuracy": validate(MultiCrop(model))["val_accuracy"],
        "accuracy": lines[-1]["val_accuracy"],
        "seconds": seconds + training + perf_counter() - started,
        "steps": steps,
        "milliseconds_per_step": 1000 * training / steps,
    }
    session.facts["results"].append(result)
    tell(session)


def tell(session: Session) -> None:
    """Print the results of the last run and, after several, means and deviations."""
    results = session.facts["results"]
    text = (
        "{tta_accuracy:.4f} with test-time augmentation, {accuracy:.4f} without, after "
        "{seconds:.2f} s: {steps} steps of {milliseconds_per_step:.2f} ms, whitening and test-time "
        "augmentation, but neither warm-up nor validation after each epoch"
    )
    session.say(text.format(**results[-1]))
    if len(results) > 1:
        parts = []
        for name in ("tta_accuracy", "accuracy", "seconds"):
            mean, deviation = mean_and_deviation([result[name] for result in results])
            parts.append(f"{name.replace('_', ' ')} {mean:.4f} (deviation {deviation:.4f})")
        session.say(f"{len(results)} runs: {', '.join(parts)}")


def parse(description: str, *adds: Callable[[Parser], None]) -> argparse.Namespace:
    """Parse the flags that this example shares with its twin, and those that `adds` add."""
    quick = " ".join(f"--{n.replace('_', '-')} {x}" for n, x in QUICK.items() if x is not False)
    parser = Parser(
        description,
        first="--quick: a small network, in 3 minutes on a CPU",
        epochs=FULL["epochs"],
        batch_size=FULL["batch_size"],
        lr=11.5,
        dtypes=("float32", "float64"),
        without=["--mixed-precision"],
    )
    flag = parser.add_argument
    flag("--data", choices=["cifar10", "shapes"], default="cifar10", help="shapes are generated")
    flag("--width", type=size, default=FULL["width"], metavar="N", help="of the first block")
    flag("--quick", action="store_true", help=f"a little of it, in float32: {quick}")
    flag("--without", choices=INGREDIENTS, metavar="NAME", help=f"leave out {INGREDIENTS}")
    off = "compute in --dtype, in place of float16 with float32 master weights"
    flag("--no-mixed-precision", dest="mixed_precision", action="store_false", help=off)
    for add in adds:
        add(parser)
    parser.set_defaults(mixed_precision=True)
    if (args := parser.parse_args()).quick:
        parser.set_defaults(**QUICK)
        args = parser.parse_args()
    args.mixed_precision = args.mixed_precision and args.dtype == "float32"
    return args


def main() -> int:
    args = parse("Train CIFAR-10 to 94 % (seconds on a GPU, hours on a CPU).", add_device_flags)
    return run(args, load, train, Session)


if __name__ == "__main__":
    launch(main)
