"""docs/scaling.md: what was measured, what the model predicts, and the plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from math import log, sqrt
from statistics import median
from typing import Any

from ..report import NONE, number, table
from . import model
from .links import SETTINGS
from .model import CASES, NETWORKS, Bucket, Link, Place

__all__ = ["page", "plot", "predicted"]

WAYS = {"after": "after backward", "beside": "beside backward"}
CLOSE = 0.25  # an error below this is small

PAGE = """\
# Scaling: what more machines bring

With N workers, each computes the gradient of its part of the batch, and all workers average their
gradients before the update. This page predicts how long such a step takes. The prediction is a
model with a few constants. The constants were measured on one small machine, where the model was
held against measured steps, too. For clusters they are taken from data sheets.

The program [benchmarks/scaling](../benchmarks/scaling/model.py) measures, computes and writes all
figures of this page:

<!-- not run: takes ten minutes, and needs an idle machine -->
```sh
pip install -e ".[mpi,fast,examples]"
python -m benchmarks.scaling --docs  # as root, for networks with limits
```

Measured on {date}: {versions}; {numpy}; Python {python}; {cores} cores of {processor}. Other
processes used {others:.2f} cores meanwhile.

![Measured and predicted steps on this machine, and predicted speed-ups on a cluster](scaling.png)

## The model

A step on N workers takes

$$T(N) = T_\\text{{compute}}(B / N) + T_\\text{{exposed}} + T_\\text{{stragglers}} + T_\\text{{fixed}}$$

where B is the batch that all workers share.

**Compute** is forward, backward and update with B / N instances. It shrinks less than B does: the
update takes as long as ever, and small products of matrices use a processor badly. With more
workers than processors, the workers take turns: N workers on C cores compute N / C times as long.

**An exchange** sums S bytes over N workers: an allreduce. The *ring* cuts the array into N parts.
Each worker sends one part to its neighbour, 2 (N - 1) times. With the latency α of a message, and
the bandwidth β of a worker's link in each direction:

$$T_\\text{{ring}}(S) = 2 (N - 1)\\, \\alpha + 2\\, \\frac{{N - 1}}{{N}} \\cdot \\frac{{S}}{{\\beta}}$$

A worker sends almost 2 S bytes, however many workers there are, and no algorithm sends less. The
number of messages grows with N, so that for small arrays a *tree* is faster:

$$T_\\text{{tree}}(S) = 2 \\lceil \\log_2 N \\rceil\\, \\alpha + \\frac{{2 S}}{{\\beta}}$$

The model takes the faster of the two, as MPI and NCCL do with their own variants of both.

**Overlap.** Gradients are exchanged in buckets, in the order in which backward makes them. The
exchange of a bucket begins when its gradients are there and the exchange of the bucket before it is
done. What still has to be exchanged when backward ends is exposed:

$$E_i = \\max(E_{{i-1}},\\ r_i\\, T_\\text{{backward}}) + T_\\text{{exchange}}(S_i) \\qquad
T_\\text{{exposed}} = \\max(0,\\ E_k - T_\\text{{backward}})$$

Here bucket i has $S_i$ bytes, and is ready when the part $r_i$ of backward is done; k is the last
bucket. So the last bucket is always exposed. With buckets of the same size, this is nearly the
exchange less the backward pass, but not less than the exchange of one bucket. More buckets hide
more, and pay for more messages. Without overlap there is one bucket, with $r = 1$.

**Stragglers.** All wait for the slowest worker. If the times to compute are spread around their mean
with the standard deviation σ, the slowest of N takes about $\\sigma \\sqrt{{2 \\ln N}}$ longer.

**ZeRO, stage 1** shares the optimizer's states out among the workers. A reduce-scatter gives each
worker the sum of its part of the gradients, the worker updates its part of the parameters, and an
allgather hands them to all. Each of the two is one half of a ring's allreduce, so that the bytes
are the same. But the second half cannot begin before the update, so backward can hide the first
half only. A worker's memory is 4 P (2 + s / N) bytes for P parameters and s states for each of
them, in place of 4 P (2 + s).

The model assumes:

- All workers are the same, and have the same number of instances.
- A message takes α + bytes / β, whatever else is under way. Switches are never the narrowest point.
- Backward takes its time in proportion to multiplications and additions, and its part of a step's
  computation is that of its multiplications and additions. A residual or transformer block makes
  its gradients all at once.
- Gradients have 32 bits.
- Batch norm is not synchronized; its statistics are those of a worker's instances.
- Data are there when a step needs them.

## The networks

A step exchanges the gradients once. The buckets are those of {bucket} KiB, with the part of backward
after which each is ready. The memory is that of parameters, gradients and the optimizer's states, and
what it is for a worker with ZeRO-1.

{networks}

Most bytes of the MNIST network are the first layer's weights, whose gradient is the last that
backward makes. No bucket size can hide them. In the GPT, the same is true of the embedding, which
is also the output layer: its gradient is complete when backward ends.

## Constants of this machine

The processes are connected in five ways. MPICH sends by *shared memory* on one machine; by TCP over
the *loopback* if it is told to. In the other three, each process has a network namespace of its own,
and a small program between them, [a switch](../benchmarks/scaling/links.py), forwards packets after
a delay and no faster than a bandwidth. α and β are fitted by least squares to the allreduces of 2
processes, from {least} to {most}, as training does them: through gradcore's communicator. The error
is that of the ring's formula with these α and β, in the median over all sizes.

{constants}

{missing}

## Steps on this machine

The time of one process, with one thread, for the parts of the batch that 1, 2 and 4 processes get, in
milliseconds: *alone*; and with gradients copied into one bucket or into several, and back, but
exchanged with nobody. The latter two are the model's $T_\\text{{compute}}$.

{one}

On {cores} cores, 4 processes take turns, and an exchange takes the processors' time too: they copy
and add. So the model has two links here. Over the one, which is the loopback's (or the shared
memory's) α and β, an exchange keeps the processors busy: nothing is hidden, and 4 processes need
twice as long. The other has the delay and the bandwidth that the switch was *set* to, and is hidden
behind backward as far as the buckets allow. No constant of these predictions was fitted to a
step, or to more than 2 processes.

*Alone* is a measured step without an exchange. *After* exchanges all gradients in one bucket after
backward; *beside* exchanges buckets of {bucket} KiB while backward runs. Each has the measured time,
the predicted time, and how far the prediction is off. *Share* is the part of the step beside backward
that the exchange adds to the step alone.

{steps}

{verdict}

## Predictions for clusters

**Nothing here was measured.** The workers are GPUs of the class of an H100 or H200, eight on a server.
Their constants:

| constant | value | where from |
| --- | --- | --- |
| products of matrices, 16 and 32 bits | 396 and 198 TFLOP/s | 40 % of NVIDIA's figure for the H100 SXM without sparsity, 989 and 495 (TF32); 40 % is assumed |
| memory of a GPU | 2.68 TB/s, 80 GB | 80 % of NVIDIA's figure, 3.35 TB/s; 80 % is assumed |
| NVLink, 8 GPUs of a server | β 360 GB/s, α 3.4 µs | 80 % of NVIDIA's 450 GB/s in each direction; α from [NCCL's own model](https://github.com/NVIDIA/nccl/blob/master/src/graph/tuning.cc) |
| InfiniBand, 8 ports of 400 Gbit/s a server | β 320 GB/s, α 9.6 µs | 80 % of the ports [of a DGX H100](https://docs.nvidia.com/dgx-basepod/reference-architecture-infrastructure-foundation-enterprise-ai/latest/core-components.html); α from NCCL's model |
| Ethernet, one port of 100 Gbit/s a server | β 10 GB/s, α 30 µs | 80 % of the port; α is assumed |
| fixed cost of a step | 50 µs | assumed: a captured step, which one launch starts |
| spread σ of a worker's time | 2 % | assumed |

On several servers, rings pass each server once, so that β is what a server sends. α is counted for
all 2 (N - 1) messages, though those inside a server are faster. The time to compute is that of the
multiplications and additions, and that in which what is read and written passes the memory, as for
the floors of [the benchmarks](explanation/benchmarks.md). Buckets have 25 MiB.

*Strong* scaling shares one batch out: {batches}. *Weak* scaling gives each worker a batch of its own:
{locals}. The *limit* is what the step takes most of its time for: `compute`, the `fixed` cost,
`stragglers`, or an exchange's `latency` or `bandwidth`. *Data* is what a server must load, decode
and bring to its GPUs, in weak scaling.

{predictions}

## What breaks first

- **The MNIST MLP: bandwidth.** Two linear layers compute with each weight once for each instance, but
  send and receive it twice. {mnist} More workers make sense only where each has a batch of
  thousands; and then an epoch of MNIST has hardly a step.
- **blitz: the fixed cost, then latency.** The network is so small that a GPU needs less time for
  it than to start the step. {blitz} With the tutorial's batch of 4 there is nothing for a fifth worker.
- **resnet9: the batch.** {resnet9}
- **The GPT: bandwidth, where the network is slow.** {gpt}
- **Data.** In the table's last column, the small networks take in more images than a disk or a
  100 Gbit/s network brings. The data must be in each server's memory.
- **Memory** is no limit for these four. With AdamW in mixed precision, 16 bytes a parameter fill a GPU
  of 80 GB at 5 billion parameters, before the first activation. ZeRO-1 takes the 8 bytes of the states away, which brings
  10 billion.
- **Stragglers** cost {late:.0%} at 1,024 workers if σ is 2 %. One worker that is slow by itself, as a
  GPU that runs hot, slows down all.

## Faster steps are not faster training

Weak scaling makes the batch larger. A larger batch needs fewer steps, but only up to a point: to
reach the same loss with batch B takes about

$$\\text{{steps}}(B) = \\text{{steps}}_\\text{{min}} \\left(1 + \\frac{{B_\\text{{crit}}}}{{B}}\\right)$$

steps ([McCandlish and others, 2018](https://arxiv.org/abs/1812.06162)). Far below the critical batch
size $B_\\text{{crit}}$, twice the batch halves the steps. Far above it, twice the batch is twice the
work for the same number of steps. The critical size depends on the data and on how far the training is;
it must be measured. So the time to a loss on N workers is T(N) · steps(N B), and it gets no shorter
where N B is above $B_\\text{{crit}}$, even with a perfect network. The learning rate must be adapted
to the batch, too.
"""


# -- What was measured here ------------------------------------------------------------------------


def run(results: dict[str, Any], setting: str, N: int) -> dict[str, Any] | None:
    return results["runs"].get(f"{setting}-{N}")


def place(results: dict[str, Any], setting: str) -> Place | None:
    """Describe this machine with a setting: the constants are of 2 processes."""
    of_host = run(results, "memory" if setting == "memory" else "loopback", 2)
    if of_host is None:
        return None
    known = SETTINGS[setting]
    link = Link(known.delay, known.bandwidth) if known.delay and known.bandwidth else model.FREE
    return Place(link, model.fit(of_host["allreduce"], 2), results["machine"]["cores"])


def exchanged(name: str, way: str, bucket: float) -> list[Bucket]:
    network = NETWORKS[name]
    after = [Bucket(model.FLOAT * network.parameters, 1.0)]
    return after if way == "after" else model.buckets(network, bucket)


def predicted(results: dict[str, Any], setting: str, N: int, name: str, way: str) -> float | None:
    """Predict the seconds of a step here."""
    here, one = place(results, setting), results["one"][name]
    batch = max(map(int, one)) // N
    if here is None:
        return None
    network, seconds = NETWORKS[name], one[str(batch)][way]
    found = exchanged(name, way, results["bucket"])
    return model.step(seconds, model.backward_part(network), found, N, here).seconds


def steps(results: dict[str, Any]) -> Iterator[tuple[str, str, int, str, float, float]]:
    """Give each step that was measured: network, setting, processes and way; and its seconds, as
    measured and as predicted."""
    for name in results["one"]:
        for setting in SETTINGS:
            for N in (2, 4):
                for way in WAYS:
                    measured, found = run(results, setting, N), None
                    if measured:
                        found = predicted(results, setting, N, name, way)
                    if measured and found:
                        yield name, setting, N, way, measured["steps"][name][way], found


# -- The tables ------------------------------------------------------------------------------------


def milliseconds(seconds: float) -> str:
    return number(1e3 * seconds)


def off(predicted: float, measured: float) -> str:
    return f"{100 * (predicted / measured - 1):+.0f} %"


def megabytes(size: float) -> str:
    return f"{number(size / 1e6)} MB"


def of_networks(bucket: float) -> str:
    head = ["", "parameters", "bytes of the gradients", "buckets: megabytes at part of backward"]
    head += ["memory, in MB", "on 8 workers", "on 64", "on 1,024"]
    rows = []
    for network in NETWORKS.values():
        found = [f"{number(size / 1e6)} at {ready:.2f}" for size, ready in model.buckets(network, bucket)]
        shown = found if len(found) < 7 else [*found[:3], "...", *found[-2:]]
        row = [network.title, f"{network.parameters:,}", megabytes(4 * network.parameters)]
        row += [", ".join(shown)]
        rows.append(row + [number(model.memory(network, N) / 1e6) for N in (1, 8, 64, 1024)])
    return table(head, rows)


def of_constants(results: dict[str, Any]) -> str:
    head = ["link", "set to: delay", "bandwidth", "fitted: α", "β", "error with 2", "with 4"]
    rows = []
    for setting, known in SETTINGS.items():
        if (measured := run(results, setting, 2)) is None:
            continue
        link = model.fit(measured["allreduce"], 2)
        row = [known.title, NONE, NONE]
        if known.delay and known.bandwidth:
            row[1:] = [f"{milliseconds(known.delay)} ms", f"{number(known.bandwidth / 1e6)} MB/s"]
        row += [f"{number(1e6 * link.latency)} µs", f"{number(link.bandwidth / 1e6)} MB/s"]
        for N in (2, 4):
            times = (run(results, setting, N) or {"allreduce": []})["allreduce"]
            errors = [abs(model.ring(size, N, link) / taken - 1) for size, taken in times]
            row.append(f"{100 * median(errors):.0f} %" if errors else NONE)
        rows.append(row)
    return table(head, rows)


def of_one(results: dict[str, Any]) -> str:
    rows = []
    for name, one in results["one"].items():
        for batch, ways in one.items():
            rows.append([NETWORKS[name].title, batch, *map(milliseconds, ways.values())])
    head = ["network", "instances", "alone", "with one bucket", "with several"]
    return table(head, rows)


def of_steps(results: dict[str, Any]) -> str:
    head = ["network", "link", "processes", "alone", "after", "predicted", "off by"]
    head += ["beside", "predicted", "off by", "share"]
    rows: dict[tuple[Any, ...], list[str]] = {}
    for name, setting, N, way, measured, found in steps(results):
        alone = (run(results, setting, N) or {})["steps"][name]["alone"]
        key = NETWORKS[name].title, SETTINGS[setting].title, str(N), milliseconds(alone)
        row = rows.setdefault(key, [])
        row += [milliseconds(measured), milliseconds(found), off(found, measured)]
        if way == "beside":
            row.append(f"{100 * max(0.0, 1 - alone / measured):.0f} %")
    return table(head, [[*key, *row] for key, row in rows.items()], words=2)


def of_cluster() -> str:
    head = ["network", "GPUs", "network between", "strong: batch of each", "ms", "speed-up", "limit"]
    head += ["weak: ms", "efficiency", "limit", "data, GB/s a server"]
    rows = []
    for network in NETWORKS.values():
        one = {b: model.on_cluster(network, b, 1, "NVLink").seconds for b in (network.batch, network.local)}
        for N, link in CASES:
            row = [network.title, f"{N:,}", link]
            if network.batch < N:
                row += ["less than 1", NONE, NONE, "batch"]
            else:
                strong = model.on_cluster(network, network.batch // N, N, link)
                row += [str(network.batch // N), milliseconds(strong.seconds)]
                row += [number(one[network.batch] / strong.seconds), strong.limit]
            weak = model.on_cluster(network, network.local, N, link)
            rate = 8 * network.local * network.loaded / weak.seconds
            row += [milliseconds(weak.seconds), f"{one[network.local] / weak.seconds:.0%}"]
            rows.append([*row, weak.limit, number(rate / 1e9)])
    return table(head, rows, words=3)


# -- The page ----------------------------------------------------------------------------------------


def sentence(name: str, N: int, link: str) -> str:
    """Say how a network scales in both ways."""
    network = NETWORKS[name]
    weak = model.on_cluster(network, network.local, N, link)
    alone = model.on_cluster(network, network.local, 1, link).seconds
    return (
        f"With {network.local} instances each, {N:,} workers on {link} spend "
        f"{milliseconds(weak.latency + weak.bandwidth)} of a step's {milliseconds(weak.seconds)} ms "
        f"waiting for exchanges; one worker's step takes {milliseconds(alone)} ms."
    )


def page(results: dict[str, Any]) -> str:
    """Write the page about these results."""
    errors = [abs(found / measured - 1) for *_, measured, found in steps(results)]
    near = sum(error < CLOSE for error in errors)
    sizes = [size for size, _ in results["runs"]["loopback-2"]["allreduce"]]
    lacking = [f"- {SETTINGS[x].title}: {why}" for x, why in results["missing"].items()]
    told = [f"{x} {found}".strip() for x, found in results["machine"]["versions"].items()]
    return PAGE.format(
        **{**results["machine"], "versions": ", ".join(told)},
        date=results["date"],
        others=results["others"],
        bucket=f"{results['bucket'] / 1024:g}",
        networks=of_networks(results["bucket"]),
        least=f"{min(sizes) / 1e3:.0f} KB",
        most=f"{max(sizes) / 1e6:.0f} MB",
        constants=of_constants(results),
        missing="\n".join(["Not measured:", "", *lacking]) if lacking else "",
        one=of_one(results),
        steps=of_steps(results),
        verdict=f"Of {len(errors)} predictions, {near} are within {CLOSE:.0%} of what was measured; "
        f"the median error is {median(errors):.0%}, and the largest {max(errors):.0%}.",
        batches=", ".join(f"{x.batch} for the {x.title}" for x in NETWORKS.values()),
        locals=", ".join(f"{x.local} for the {x.title}" for x in NETWORKS.values()),
        predictions=of_cluster(),
        mnist=sentence("mnist", 64, "Ethernet"),
        blitz=sentence("blitz", 64, "Ethernet"),
        resnet9=sentence("resnet9", 64, "Ethernet"),
        gpt=sentence("gpt", 64, "Ethernet"),
        late=model.SPREAD * sqrt(2 * log(1024)),
    )


# -- The plot ----------------------------------------------------------------------------------------


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw what was measured as points, and predictions as lines."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 8), layout="constrained")
    for at, name in zip(axes[0], ("mnist", "resnet9"), strict=True):
        here(at, results, name)
    for at, kind in zip(axes[1], ("strong", "weak"), strict=True):
        cluster(at, kind)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def here(axes: Any, results: dict[str, Any], name: str) -> None:
    """Draw the steps of a network on this machine, by links."""
    of_one = results["one"][name]
    one = 1e3 * of_one[max(of_one, key=int)]["alone"]
    for i, (setting, known) in enumerate(SETTINGS.items()):
        found = [(N, measured, guess) for x, s, N, way, measured, guess in steps(results)
                 if (x, s, way) == (name, setting, "beside")]
        if found:
            N, measured, guess = zip(*found, strict=True)
            axes.plot([1, *N], [one, *[1e3 * x for x in guess]], "-", color=f"C{i}", label=known.title)
            axes.plot([1, *N], [one, *[1e3 * x for x in measured]], "o", color=f"C{i}")
    axes.set(xscale="log", yscale="log", xlabel="processes, on 2 cores", ylabel="step, in ms")
    axes.set_xticks([1, 2, 4], ["1", "2", "4"])
    axes.minorticks_off()
    axes.set_title(f"{NETWORKS[name].title} here: measured (points), predicted (lines)", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def cluster(axes: Any, kind: str) -> None:
    """Draw predictions for clusters, by networks; for up to 8 GPUs they are on one server."""
    for i, network in enumerate(NETWORKS.values()):
        whole = network.batch if kind == "strong" else network.local
        one = model.on_cluster(network, whole, 1, "NVLink").seconds
        for link, line in (("InfiniBand", "-"), ("Ethernet", "--")):
            counts = [2**k for k in range(11) if kind == "weak" or 2**k <= network.batch]
            gains = []
            for N in counts:
                batch = whole // N if kind == "strong" else whole
                seconds = model.on_cluster(network, batch, N, "NVLink" if N <= 8 else link).seconds
                gains.append(one / seconds)
            axes.plot(counts, gains, line, color=f"C{i}", label=network.title if line == "-" else None)
    axes.set(xscale="log", xlabel="GPUs (predicted; 8 on a server)")
    axes.set_xticks([1, 8, 64, 1024], ["1", "8", "64", "1,024"])
    axes.minorticks_off()
    if kind == "strong":
        axes.set(yscale="log", ylabel="speed-up")
        axes.set_title("Strong scaling: one batch shared", fontsize=10)
    else:
        axes.set(ylim=(0, 1.05), ylabel="efficiency")
        axes.set_title("Weak scaling: InfiniBand (solid), Ethernet (dashed)", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
