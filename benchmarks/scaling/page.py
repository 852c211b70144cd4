"""docs/scaling.md: what was measured, what the model predicts, and the plot.

`template.md` beside this file has the text; `<<name>>` in it stands for a figure or a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import log, sqrt
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ..report import NONE, number, table
from . import model
from .links import SETTINGS
from .model import CASES, FREE, GPU, LINKS, NETWORKS, Bucket, Link, Network, Place, Step

__all__ = ["page", "plot", "predicted"]

TEMPLATE = Path(__file__).with_name("template.md")
CLOSE = 0.25  # an error below this is small
# Before MPI sends more than a few KB by TCP, it asks the receiver, and waits for the answer: so a
# message passes the network three times.
PASSES = 3


# -- What was measured here, and predictions for it --------------------------------------------


class Row(NamedTuple):
    """Steps of a network that were measured, in seconds.

    Attributes:
        alone: without an exchange.
        computed: the same, as predicted from the time of one process.
        measured, predicted: by when gradients are exchanged, "after" or "beside" backward.
    """

    network: str
    setting: str
    N: int
    alone: float
    computed: float
    measured: dict[str, float]
    predicted: dict[str, float]


def place(results: dict[str, Any], setting: str) -> Place:
    """Describe this machine. All constants of exchanges are those of 2 processes."""
    known = SETTINGS[setting]
    host = results["runs"]["memory-2" if setting == "memory" else "loopback-2"]
    link = FREE
    if known.delay and known.bandwidth:
        link = Link(PASSES * known.delay, known.bandwidth)
    return Place(link, model.fit(host["allreduce"], 2), cores=results["machine"]["cores"])


def predicted(results: dict[str, Any], setting: str, N: int, name: str, way: str) -> float:
    """Predict the seconds of a step that exchanges gradients "after" or "beside" backward, or that
    is "alone"."""
    network, of_one = NETWORKS[name], results["one"][name]
    compute = of_one[str(max(map(int, of_one)) // N)][way]
    found: list[Bucket] = []
    if way == "after":
        found = [Bucket(model.FLOAT * network.parameters, 1.0)]
    elif way == "beside":
        found = model.buckets(network, results["bucket"])
    here = place(results, setting)
    return model.step(compute, model.backward_part(network), found, N, here).seconds


def rows(results: dict[str, Any]) -> Iterator[Row]:
    """Give all measured steps, beside predictions."""
    for name in results["one"]:
        for run, found in results["runs"].items():
            setting, N = run.split("-")[0], int(run.split("-")[1])
            measured = {**found["steps"][name]}
            alone, computed = measured.pop("alone"), predicted(results, setting, N, name, "alone")
            guesses = {way: predicted(results, setting, N, name, way) for way in measured}
            yield Row(name, setting, N, alone, computed, measured, guesses)


# -- The tables ----------------------------------------------------------------------------------


def ms(seconds: float) -> str:
    return number(1e3 * seconds)


def of_networks(most: int) -> str:
    head = ["network", "parameters", "gradients, MB", "buckets: KB, and when they are ready"]
    head += ["memory, MB", "ZeRO-1 on 8", "on 64", "on 1,024"]
    found = []
    for network in NETWORKS.values():
        cells = [f"{number(x / 1e3)} at {at:.2f}" for x, at in model.buckets(network, most)]
        shown = cells if len(cells) < 7 else [*cells[:3], f"{len(cells) - 5} more", *cells[-2:]]
        row = [network.title, f"{network.parameters:,}", number(4 * network.parameters / 1e6)]
        of_ranks = [number(model.memory(network, N) / 1e6) for N in (1, 8, 64, 1024)]
        found.append([*row, ", ".join(shown), *of_ranks])
    return table(head, found)


def of_links(results: dict[str, Any]) -> str:
    head = ["link", "set to: delay, ms", "MB/s", "fitted: latency, ms", "MB/s"]
    head += ["error with 2 processes", "with 4"]
    found = []
    for setting, known in SETTINGS.items():
        times = [results["runs"].get(f"{setting}-{N}", {}).get("allreduce") for N in (2, 4)]
        if not times[0]:
            continue
        link = model.fit(times[0], 2)
        cells = [ms(known.delay or 0), number((known.bandwidth or 0) / 1e6)]
        cells += [ms(link.latency), number(link.bandwidth / 1e6)]
        for N, some in zip((2, 4), times, strict=True):
            errors = [abs(model.allreduce(size, N, link) / taken - 1) for size, taken in some or ()]
            cells.append(f"{median(errors):.0%}" if errors else NONE)
        found.append([known.title, *cells])
    return table(head, found)


def of_one(results: dict[str, Any]) -> str:
    head = ["network", "instances", "alone", "one bucket", "several buckets"]
    found = [
        [NETWORKS[name].title, batch, *map(ms, ways.values())]
        for name, each in results["one"].items()
        for batch, ways in each.items()
    ]
    return table(head, found)


def of_steps(found: list[Row]) -> str:
    head = ["network", "link", "processes", "alone"]
    head += ["after", "predicted", "off by", "beside", "predicted", "off by", "share"]
    lines = []
    for row in found:
        cells = [
            NETWORKS[row.network].title,
            SETTINGS[row.setting].title,
            str(row.N),
            ms(row.alone),
        ]
        for way, measured in row.measured.items():
            error = row.predicted[way] / measured - 1
            cells += [ms(measured), ms(row.predicted[way]), f"{error:+.0%}"]
        lines.append([*cells, f"{max(0.0, 1 - row.alone / row.measured['beside']):.0%}"])
    return table(head, lines, words=2)


def verdict(found: list[Row]) -> str:
    both = [(row, row.predicted[way], x) for row in found for way, x in row.measured.items()]
    errors = [abs(guess / measured - 1) for _, guess, measured in both]
    better = [abs((guess + r.alone - r.computed) / x - 1) for r, guess, x in both]
    crowded = median(row.alone / row.computed for row in found)
    return (
        f"Of {len(errors)} predictions, {sum(x < CLOSE for x in errors)} are within {CLOSE:.0%} of "
        f"what was measured. The median error is {median(errors):.0%}, the largest "
        f"{max(errors):.0%}. Steps alone took {crowded:.2f} times as long as the model says, in "
        "the median: it knows nothing of memory and caches that processes share, nor of other "
        "programs. If it had the measured steps alone in place of its own, the median error "
        f"would be {median(better):.0%}."
    )


def of_cluster() -> str:
    head = ["network", "link", "GPUs", "strong: batch of each", "ms", "speed-up", "limit"]
    head += ["weak: ms", "efficiency", "limit", "data, GB/s"]
    found = []
    for network in NETWORKS.values():
        for N, link in CASES:
            row = [network.title, link, f"{N:,}", "less than 1", NONE, NONE, "batch"]
            if network.batch >= N:
                step = model.on_cluster(network, network.batch // N, N, link)
                gain = one(network, network.batch).seconds / step.seconds
                row[3:] = [str(network.batch // N), ms(step.seconds), number(gain), step.limit]
            step = model.on_cluster(network, network.local, N, link)
            efficiency = one(network, network.local).seconds / step.seconds
            loaded = 8 * network.local * network.loaded / step.seconds
            row += [ms(step.seconds), f"{efficiency:.0%}", step.limit, number(loaded / 1e9)]
            found.append(row)
    return table(head, found, words=2)


def one(network: Network, batch: int) -> Step:
    return model.on_cluster(network, batch, 1, "NVLink")


# -- The page ------------------------------------------------------------------------------------


def page(results: dict[str, Any]) -> str:
    """Write the page about these results."""
    machine, found = results["machine"], list(rows(results))
    sizes = [size for size, _ in results["runs"]["loopback-2"]["allreduce"]]
    lacking = [f"- {SETTINGS[x].title}: {why}" for x, why in results["missing"].items()]
    values: dict[str, Any] = {
        **machine,
        "versions": ", ".join(f"{x} {v}".strip() for x, v in machine["versions"].items()),
        "date": results["date"],
        "others": f"{max(0.0, results['others']):.2f}",
        "bucket": f"{results['bucket'] / 1024:,.0f} KiB",
        "networks": of_networks(results["bucket"]),
        "least": f"{min(sizes) / 1e3:.0f} KB",
        "most": f"{max(sizes) / 1e6:.0f} MB",
        "links": of_links(results),
        "missing": "\n".join(["Not measured:", "", *lacking, ""]) if lacking else "",
        "one": of_one(results),
        "steps": of_steps(found),
        "verdict": verdict(found),
        "batches": ", ".join(f"{x.title} {x.batch}" for x in NETWORKS.values()),
        "locals": ", ".join(f"{x.title} {x.local}" for x in NETWORKS.values()),
        "cluster": of_cluster(),
        "late": f"{model.SPREAD * sqrt(2 * log(1024)):.0%}",
        "half_flops": f"{GPU.half_flops / 1e12:.0f}",
        "flops": f"{GPU.flops / 1e12:.0f}",
        "memory": f"{GPU.bandwidth / 1e12:.2f}",
        "fixed": f"{model.FIXED * 1e6:.0f}",
        "spread": f"{model.SPREAD:.0%}",
        "buckets": f"{model.BUCKET >> 20} MiB",
    }
    for name, link in LINKS.items():
        values[f"{name}_latency"] = f"{link.latency * 1e6:.1f}"
        values[f"{name}_bandwidth"] = f"{link.bandwidth / 1e9:.0f}"
    text = TEMPLATE.read_text("utf-8")
    return re.sub(r"<<(\w+)>>", lambda name: str(values[name[1]]), text)


# -- The plot ------------------------------------------------------------------------------------


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw what was measured as points, and predictions as lines."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 8), layout="constrained")
    for at, name in zip(axes[0], ("mnist", "resnet9"), strict=True):
        draw_steps(at, results, name)
    for at, is_strong in zip(axes[1], (True, False), strict=True):
        draw_cluster(at, is_strong)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_steps(axes: Any, results: dict[str, Any], name: str) -> None:
    """Draw the steps of a network on this machine: a line and points for each link."""
    begin = max(results["one"][name].items(), key=lambda item: int(item[0]))[1]["alone"]
    for i, (setting, known) in enumerate(SETTINGS.items()):
        some = [row for row in rows(results) if (row.network, row.setting) == (name, setting)]
        at = [1, *[row.N for row in some]]
        for style, times in (("o", "measured"), ("-", "predicted")):
            y = [1e3 * x for x in (begin, *[getattr(row, times)["beside"] for row in some])]
            axes.plot(at, y, style, color=f"C{i}", label=known.title if style == "-" else None)
    axes.set(xscale="log", yscale="log", xlabel="processes, on 2 cores", ylabel="step, in ms")
    axes.set_xticks([1, 2, 4], ["1", "2", "4"])
    axes.minorticks_off()
    title = f"{NETWORKS[name].title} here: measured (points), predicted (lines)"
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def draw_cluster(axes: Any, is_strong: bool) -> None:
    """Draw predictions for clusters: two lines for each network."""
    for i, network in enumerate(NETWORKS.values()):
        batch = network.batch if is_strong else network.local
        for link, style in (("InfiniBand", "-"), ("Ethernet", "--")):
            counts = [2**k for k in range(11) if not is_strong or 2**k <= batch]
            y = []
            for N in counts:
                own = batch // N if is_strong else batch
                step = model.on_cluster(network, own, N, "NVLink" if N <= 8 else link)
                y.append(one(network, batch).seconds / step.seconds)
            label = network.title if style == "-" else None
            axes.plot(counts, y, style, color=f"C{i}", label=label)
    axes.set(xscale="log", xlabel="GPUs, eight on a server: predicted only")
    axes.set_xticks([1, 8, 64, 1024], ["1", "8", "64", "1,024"])
    axes.minorticks_off()
    if is_strong:
        axes.set(yscale="log", ylabel="speed-up")
        axes.set_title("Strong scaling: a batch shared out", fontsize=10)
    else:
        axes.set(ylim=(0, 1.05), ylabel="efficiency")
        axes.set_title("Weak scaling: InfiniBand (solid), Ethernet (dashed)", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
