"""Train CIFAR-10 to 94 % in seconds, after Keller Jordan's airbench94.

    python examples/airbench.py --quick
    python examples/airbench.py --backend cupy --runs 5

The ingredients have the names of the paper (https://arxiv.org/abs/2404.00498), which says where
each is from: many from the trainings of David Page and of tysam-code. `--without` leaves one out.
`airbench_torch.py` does the same in PyTorch. The time is the paper's: whitening, training and
test-time augmentation, after a warm-up that compiles.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter
from typing import Any

from cifar10 import load
from harness.command_line import Parser, add_device_flags, run, size
from harness.record import mean_and_deviation
from harness.session import Session
from harness.training import captured, cast, evaluate

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
from gradcore.backends import Array
from gradcore.data import Augment, Batches, normalize, random_flip

MEAN, STD = (125.3, 122.9, 113.9), (63.0, 62.1, 66.7)  # of the pixels of each channel
LABEL_SMOOTHING = 0.2
MOMENTUM = 0.85
WEIGHT_DECAY = 0.0153  # per 1,024 images, and apart from the learning rate
BIAS_SCALER = 64.0  # the biases of batch norm learn so much faster
NORM = {"momentum": 0.4, "eps": 1e-12}  # running averages that follow within a few steps
CYCLE = {"pct_start": 0.23, "anneal_strategy": "linear", "cycle_momentum": False}
CYCLE |= {"div_factor": 1 / 0.2, "final_div_factor": 0.2 / 0.07}  # from 0.2 up to 1, down to 0.07
WHITENING_BIAS = 0.3  # of the epochs, in which the whitening bias is trained
WHITENING_IMAGES, WHITENING_EPS = 5000, 5e-4
LOOKAHEAD_EVERY, LOOKAHEAD_DECAY = 5, 0.95  # steps; of an average for each step
EVALUATION_BATCH = 500
WARM_UP = 2  # training steps of each kind
FULL = {"epochs": 10, "batch_size": 1024, "width": 64, "mixed_precision": True}
QUICK = {"epochs": 3, "batch_size": 512, "width": 12, "mixed_precision": False}
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
    inputs = min(w.shape[:2])
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
    vectors = xp.where(vectors[:1, :] < 0, -vectors, vectors)  # the same on every backend
    filters = xp.flip(vectors / xp.sqrt(values + WHITENING_EPS), axis=1).T  # the largest first
    filters = xp.reshape(filters, (4 * c, c, 2, 2))
    return xp.concat([filters, -filters])


# -- The optimization -----------------------------------------------------------------------------


def parameter_groups(args: argparse.Namespace, named: Iterable[tuple[str, Any]]) -> list[Any]:
    """Make two groups of parameters with their names, for a summed loss: the biases of batch norm
    learn BIAS_SCALER times faster; the weight decay of all is the same, apart from the rates.

    Nesterov momentum makes the step of a constant gradient 1 + 1 / (1 - momentum) times longer.
    Divided by this, learning rate, decay and momentum can be chosen apart from one another.
    """
    scale = 1024 * (1 + 1 / (1 - MOMENTUM))
    lr, decay = args.lr / scale, WEIGHT_DECAY * args.batch_size / scale
    scaler = 1.0 if args.without == "bias-scaler" else BIAS_SCALER
    groups: dict[float, list[Any]] = {lr * scaler: [], lr: []}
    for name, p in named:
        groups[lr * scaler if "norm" in name else lr].append(p)
    return [{"params": ps, "lr": x, "weight_decay": decay / x} for x, ps in groups.items()]


class Lookahead:
    """Average the weights and running statistics, and train on from the averages."""

    def __init__(self, model: nn.Module, optimizer: Any) -> None:
        self.mixed = optimizer if isinstance(optimizer, optim.MixedPrecision) else None
        weights = (self.mixed.optimizer if self.mixed else optimizer).parameters
        self.nodes = [*weights, *[b for b in model.buffers() if "float" in str(b.dtype)]]
        self.averages = backends.default().copy_all([node.value for node in self.nodes])

    def update(self, decay: float) -> None:
        """Keep the part `decay` of the averages, and copy them to the model."""
        lerp_all, values = backends.default().lerp_all, [node.value for node in self.nodes]
        self.averages = lerp_all(self.averages, values, 1 - decay)
        for node, x in zip(self.nodes, lerp_all(values, self.averages, 1.0), strict=True):
            node.value = x
        if self.mixed:
            self.mixed.round_masters()


class MultiCrop(nn.Module):
    """Test-time augmentation: the mean of the outputs for an image and its mirror image, half of it
    as they are, and half of it moved by a pixel up and left, or down and right."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def forward(self, images: Array) -> TensorNode:
        wide = pad(images, [1, 1, 1, 1], mode="reflect").value
        views = [(images, 0.25), (wide[:, :, :-2, :-2], 0.125), (wide[:, :, 2:, 2:], 0.125)]
        outputs = [
            (self.model(view) + self.model(namespace(view).flip(view, axis=-1))) * part
            for view, part in views
        ]
        return outputs[0] + outputs[1] + outputs[2]


# -- The training ---------------------------------------------------------------------------------


class Training:
    """One run. The twin in PyTorch overrides what depends on the library."""

    def __init__(self, args: argparse.Namespace, data: Any, session: Session) -> None:
        self.args, self.session = args, session
        self.data, self.held_out, self.facts = data
        self.classes = len(self.facts["classes"])
        self.smoothing = 0.0 if args.without == "smoothing" else LABEL_SMOOTHING
        dtype = "float16" if args.mixed_precision else args.dtype
        padding = 0 if args.without == "crop" else 2
        augment = partial(Augment, MEAN, STD, dtype, padding=padding, mode="reflect")
        # Alternating flips: half of the images are mirrored, and in every other epoch all are. So
        # each view of an image comes in every other epoch.
        self.augments = augment(), augment(flip=0.0 if args.without == "flip" else 1.0)
        self.augment = self.augments[0]

    def run(self) -> None:
        args, session, (x, y) = self.args, self.session, self.data
        self.warm_up(*next(iter(self.batches(x, y, args.batch_size, shuffle=False))))
        session.start(session.run)  # which seeds again
        manual_seed(args.seed + session.run)
        if args.without != "flip":
            x = random_flip(x)
        self.make_model()
        started = perf_counter()
        self.whiten(x[: min(WHITENING_IMAGES, x.shape[0]), ...])
        seconds = perf_counter() - started
        self.make_optimizer()
        rates = [group["lr"] for group in self.optimizer.param_groups]
        known = session.checkpoint["facts"] if session.checkpoint else session.facts
        results = known.get("results", [])[: session.run]
        session.begin(self.model, self.optimizer, is_scheduled=True, results=results, **self.facts)

        batches = self.batches(x, y, args.batch_size, drop_last=x.shape[0] >= args.batch_size)
        steps, done = args.epochs * len(batches), session.epochs_done * len(batches)
        schedule = self.make_schedule(rates, steps, done)
        lookahead = self.make_lookahead() if args.without != "lookahead" else None
        for epoch in session.epochs():
            self.train_whitening_bias(epoch.number < round(WHITENING_BIAS * args.epochs))
            augment = self.augments[epoch.number % 2]
            for number, (images, labels) in enumerate(session.progress(batches, whole=True), 1):
                loss = self.step(images, labels, augment.draw(images))
                schedule.step()
                done += 1
                if lookahead and (number % LOOKAHEAD_EVERY == 0 or number == len(batches)):
                    lookahead.update(LOOKAHEAD_DECAY**LOOKAHEAD_EVERY * (done / steps) ** 3)
                epoch.add(loss, labels.shape[0])
            epoch.stop()
            session.end_epoch(epoch, **self.validate(self.model))
        lines = [line for line in session.record.history if line["run"] == session.run]
        training, started = sum(line["seconds"] for line in lines), perf_counter()
        accuracy = self.validate(self.augmented_model())["val_accuracy"]
        seconds += training + perf_counter() - started
        session.facts["results"] = [*results, {
            "tta_accuracy": accuracy, "accuracy": lines[-1]["val_accuracy"], "seconds": seconds,
            "steps": steps, "milliseconds_per_step": 1000 * training / steps,
        }]  # fmt: skip
        self.tell()

    def warm_up(self, images: Array, labels: Array) -> None:
        """Train another network for some steps, so that kernels are compiled and chosen before the
        clock starts."""
        self.make_model()
        self.make_optimizer()
        for trains_bias in (True, False):
            self.train_whitening_bias(trains_bias)
            for _ in range(WARM_UP):
                self.step(images, labels, self.augment.draw(images))

    def tell(self) -> None:
        """Print the results of this run and, after several, means and deviations."""
        say, results = self.session.say, self.session.facts["results"]
        say(
            "{tta_accuracy:.4f} with test-time augmentation, {accuracy:.4f} without; {seconds:.2f} "
            "s: whitening, {steps} steps of {milliseconds_per_step:.2f} ms, and test-time "
            "augmentation, but neither warm-up nor validation".format(**results[-1])
        )
        for name in ("tta_accuracy", "accuracy", "seconds") if len(results) > 1 else ():
            mean, deviation = mean_and_deviation([result[name] for result in results])
            say(f"{name}: {mean:.4f}, standard deviation {deviation:.4f}, of {len(results)} runs")

    # -- What depends on the library ----------------------------------------------------------

    def batches(self, *data: Array, **options: Any) -> Batches:
        return Batches(*data, to=backends.default(), **options)

    def make_model(self) -> None:
        args = self.args
        self.model = AirNet(self.classes, args.width, args.dtype, args.without != "dirac")

    def whiten(self, images: Array) -> None:
        w, place = self.model.whiten.w, backends.default()
        w.requires_grad = self.args.without == "whitening"
        if not w.requires_grad:
            images = normalize(place.asarray(images), MEAN, STD, self.args.dtype)
            w.value = whitening_filters(images)
        place.to_numpy(w.value)  # which waits for the device

    def make_optimizer(self) -> None:
        """Make Nesterov's SGD; in mixed precision, of float32 copies of the parameters."""
        named = [*self.model.named_parameters()]

        def make(nodes: list[TensorNode]) -> optim.Optimizer:
            pairs = zip(named, nodes, strict=True)
            groups = parameter_groups(self.args, [(n, x) for (n, p), x in pairs if p.requires_grad])
            return optim.SGD(groups, groups[-1]["lr"], momentum=MOMENTUM, nesterov=True)

        nodes = [p for _, p in named]
        is_mixed = self.args.mixed_precision  # whose loss, a sum, needs no scale
        self.optimizer = optim.MixedPrecision(nodes, make, 1.0) if is_mixed else make(nodes)
        # Once the bias is frozen, no gradient goes through the layer above it: another step.
        self.steps = {trains_bias: captured(self.args)(self.eager_step) for trains_bias in (0, 1)}

    def eager_step(self, images: Array, labels: Array, views: Array) -> Array:
        logits = self.model(self.augment.apply(images, views))
        logits = cast(logits, backends.default().dtype(self.args.dtype))
        loss = cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="sum")
        self.optimizer.scaled(loss).backward()  # the loss itself, unless in mixed precision
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.value

    def train_whitening_bias(self, trains_bias: bool) -> None:
        self.model.whiten.b.requires_grad, self.step = trains_bias, self.steps[trains_bias]

    def make_schedule(self, rates: list[float], steps: int, done: int) -> Any:
        schedule = optim.OneCycleLR(self.optimizer, rates, steps, **CYCLE)
        schedule.load_state_dict({"steps": done})
        return schedule

    def make_lookahead(self) -> Any:
        return Lookahead(self.model, self.optimizer)

    def augmented_model(self) -> Any:
        return MultiCrop(self.model)

    def validate(self, model: Any) -> dict[str, Any]:
        batches = self.batches(*self.held_out, EVALUATION_BATCH, shuffle=False)
        pairs = ((self.augment.apply(images, None), labels) for images, labels in batches)
        return evaluate(model, pairs, partial(cross_entropy, reduction="sum"), self.classes)


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    Training(args, data, session).run()


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
