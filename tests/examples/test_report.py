"""examples/assignment.py: what it trains, and what its report says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import assignment
import mnist
import pytest
from harness import charts, files, report, results, words
from harness.report import Item, Row
from harness.results import Training, training
from runs import call, metrics, refused

import gradcore
from gradcore.backends import random

ITEMS = {item.key: item for item in assignment.ITEMS}
CLASSES = ["cat", "dog"]
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data but what is in the package, and the default backend."""
    import matplotlib.font_manager  # noqa: F401  # it looks for fonts once, by a process

    for name in ("GRADCORE_DATA", "GRADCORE_BACKEND", *assignment.THREADS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Any:
    """`run(*flags)` is `python examples/assignment.py FLAGS`, in this process."""
    return partial(call, assignment)


def write(
    out: Path,
    t: Training,
    accuracies: list[float],
    loss: float = 2.0,
    curve: Sequence[float] = (),
    **facts: Any,
) -> None:
    """Write the files of a run: `accuracies` are those of its last epochs, 0 before."""
    flags = dict(t.flags)
    accuracies = [0.0] * (flags["epochs"] - len(accuracies)) + accuracies
    same = {"run": 0, "train_loss": loss, "val_loss": loss, "instances_per_second": 1.0}
    lines = [
        {**same, "epoch": i, "val_accuracy": a, "seconds": 36.0} for i, a in enumerate(accuracies)
    ]
    name, n = results.DATA[t.example]
    summary = {
        "program": f"{t.example}.py",
        "settings": {"epochs": flags["epochs"], "batch_size": flags.get("batch_size", 128)},
        "backend": "numpy",
        "device": "CPU",
        "versions": {"python": "3"},
        "data": name,
        "training_instances": n,
        "classes": CLASSES,
        "per_class_accuracy": [accuracies[-1], 0.25],
        "runs": [{"epochs": flags["epochs"]}],
    }
    folder = out / "runs" / t.name
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({**summary, **facts}))
    (folder / "metrics.jsonl").write_text("".join(map(files.as_line, lines)))
    checkpoint = {
        "program": "",
        "settings": {"epochs": len(lines)},
        "run": 0,
        "epoch": len(lines),
        "optimizer": {"settings": {}, "state": []},
        "random": random.get_state(),
        "facts": {
            "source": "",
            "training_instances": n,
            "validation_instances": n,
            "parameters": 0,
        },
        "history": lines,
        "curves": [list(curve) or [loss, loss]] * len(lines),
        "per_class": [[]],
    }
    files.write_safetensors(folder / "checkpoint.safetensors", {}, checkpoint)


def made(out: Path, *others: Path, items: Sequence[Item] = assignment.ITEMS) -> str:
    """The report of the runs in the folders."""
    found = results.load(assignment.all_trainings(items), *others, out)
    results.keep(found, out)
    report.report(items, found, out)
    return (out / "report.md").read_text("utf-8")


def section(out: Path, key: str) -> list[str]:
    """The lines of the report about an item, which compares it with the base model."""
    return part(made(out, items=[ITEMS[name] for name in {"fig18": 0, key: 1}]), key)


def part(text: str, key: str) -> list[str]:
    """The lines about an item, in a report."""
    return text.partition(f"## {ITEMS[key].title}\n")[2].partition("\n## ")[0].splitlines()


def answer(lines: list[str]) -> str:
    (found,) = [line for line in lines if line.startswith("**Answer.**")]
    return found


def cells(lines: list[str], label: str) -> list[str]:
    """The row of a table that begins with this."""
    (found,) = [line for line in lines if line.startswith(f"| {label} |")]
    return [cell.strip().replace(MINUS, "-") for cell in found.strip("|").split("|")][1:]


# -- Training -------------------------------------------------------------------------------------


def test_trains_once_and_reports(
    run: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(results.QUICK, "mnist", {"hidden": 1, "limit": 100, "epochs": 6})
    flags = ["--quick", "--only", "fig18", "--out", tmp_path / "out"]
    assert run(*flags, "--note", "By day.") == 0
    out = tmp_path / "out"
    (folder,) = (out / "runs").iterdir()
    assert folder.name == "mnist-hidden-1-epochs-6-limit-100"
    lines = metrics(folder)
    assert f"{lines[-1]['val_accuracy']:.4f}" in capsys.readouterr().out

    text = (out / "report.md").read_text("utf-8")
    assert "By day." in text
    figure18 = part(text, "fig18")
    assert "Limited: trained on 100 instances of 55,000, for 6 epochs." in " ".join(figure18)
    _, accuracy, reported, loss, _ = cells(figure18, "5")
    assert float(accuracy) == round(100 * lines[4]["val_accuracy"], 2)  # before the epoch
    assert float(loss) == round(lines[5]["train_loss"], 5)
    assert reported == "97.20"
    assert "not run" in " ".join(part(text, "fig19"))
    assert answer(part(text, "fig19")) == "**Answer.** Not trained yet."

    page = (out / "report.html").read_text("utf-8")
    assert page.count('src="data:image/svg+xml;base64,') == len(list(out.glob("*.svg"))) == 6
    assert not re.search(r"""(src|href)=["'](?!data:|#)|@import|url\(""", page)
    assert "<td" in page
    assert "| --- |" not in page

    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("trained again"))
    assert run(*flags) == 0
    assert "1 of 1 trainings are done" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes here")
def test_its_end_is_that_of_the_trainings(tmp_path: Path) -> None:
    command = [sys.executable, assignment.__file__, "--quick", "--only", "fig18", "--out", tmp_path]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, stdout=pipe, start_new_session=True) as process:
        while not list(tmp_path.glob("runs/*/log.txt")):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, b"interrupted" in said) == (130, True)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_goes_on_after_an_interruption(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(results.QUICK, "mnist", {"hidden": 1, "limit": 100, "epochs": 200})
    flags = ["--quick", "--only", "fig18", "--out", tmp_path]
    folder = tmp_path / "runs" / "mnist-hidden-1-epochs-200-limit-100"

    def interrupt(_: float) -> None:
        if (folder / "metrics.jsonl").exists() and len(metrics(folder)) > 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(assignment.time, "sleep", interrupt)
        assert run(*flags) == 130
    assert "the same command continues" in capsys.readouterr().err
    done = len(metrics(folder))
    assert done < 200
    again: list[list[str]] = []
    monkeypatch.setattr(
        assignment.subprocess, "Popen", lambda command, **_: again.append(command) or Finished()
    )
    run(*flags)
    assert "--resume" in again[0]


class Finished:
    """A process that has ended."""

    def __init__(self, returncode: int = 0) -> None:
        self.returncode = returncode

    def poll(self) -> int:
        return self.returncode


@pytest.mark.parametrize(("jobs", "threads"), [(1, "8"), (3, "2"), (16, "1")])
def test_jobs_share_the_cores(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, threads: str
) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(assignment.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(
        assignment.subprocess, "Popen", lambda _, env, **__: seen.append(env) or Finished()
    )
    assert run("--only", "fig18", "--jobs", jobs, "--out", tmp_path) == 0
    assert [seen[0][name] for name in assignment.THREADS] == [threads] * len(assignment.THREADS)


def test_a_failure_is_told_and_the_others_go_on(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(command: list[str], stdout: Any, **_: Any) -> Finished:
        wrong = "zeros" in command
        stdout.write("mnist.py: the loss is nan\n" if wrong else "validation accuracy 0.5\n")
        return Finished(2 if wrong else 0)

    monkeypatch.setattr(assignment.subprocess, "Popen", start)
    assert run("--only", "fig23", "fig24", "--out", tmp_path) == 2
    said = capsys.readouterr()
    assert said.err == "mnist-init-zeros failed: mnist.py: the loss is nan\n"
    assert "mnist-init-normal: validation accuracy 0.5" in said.out
    assert "0 of 1 trainings have run" in " ".join(section(tmp_path, "fig23"))


def test_shared_trainings_are_one() -> None:
    everything = [t for item in assignment.ITEMS for t in item.trainings()]
    names = {t.name for t in everything}
    assert len(names) == len(set(everything)) < len(everything)
    first = {key: item.trainings()[0].name for key, item in ITEMS.items() if item.rows}
    assert first["q9"] == first["fig18"] == "mnist"
    assert first["table1"] == first["fig25"] == "cifar10"


def test_first_all_rows_then_again() -> None:
    row = Row("a", assignment.seeds("mnist")), Row("b", assignment.seeds("mnist", model="relu"))
    item = Item("key", "title", report.session, "", report.seen, row)
    assert [t.name for t in item.trainings()][:3] == ["mnist", "mnist-model-relu", "mnist-seed-1"]


@pytest.mark.parametrize("quick", [False, True])
def test_examples_know_the_flags_and_defaults(monkeypatch: pytest.MonkeyPatch, quick: bool) -> None:
    import cifar10

    for example in (mnist, cifar10):
        seen: list[dict[str, Any]] = []
        monkeypatch.setattr(
            example, "run", lambda args, *_, seen=seen, **__: seen.append(vars(args)) or 0
        )
        assert call(example) == 0
        defaults = results.DEFAULTS[example.__name__]
        assert {key: seen[0][key] for key in defaults} == defaults
        for item in assignment.ITEMS:
            for t in (item.quick() if quick else item).trainings():
                if t.example == example.__name__:
                    flags = [x for key, value in t.flags for x in (f"--{key}", value)]
                    assert call(example, *[str(x).replace("_", "-") for x in flags]) == 0
                    assert dict(t.flags).items() <= seen[-1].items()


# -- The report -----------------------------------------------------------------------------------


def test_differences_of_more_than_a_point_and_a_half_are_bold(tmp_path: Path) -> None:
    write(tmp_path, training("mnist"), [0.9708, 0.9558, 0.9557, 0.9862, 0.9871, 1.0], 0.5)
    lines = section(tmp_path, "fig18")
    assert [cells(lines, str(epoch))[0] for epoch in range(15, 20)] == [
        "0.00", "-1.50", "**-1.55**", "+1.46", "**+1.51**",
    ]  # fmt: skip
    assert cells(lines, "19")[3:] == ["0.50000", "0.01732"]
    assert "Limited" not in " ".join(lines)
    text = (tmp_path / "report.md").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("| [Figure 18")]
    assert line.endswith("| **+1.51** | 98.71 | 97.20 |")
    assert "<strong>+1.51</strong>" in (tmp_path / "report.html").read_text()


def test_ranges() -> None:
    assert words.difference(20, "12 to 32") == 0
    assert words.difference(11, "12 to 32") == -1
    assert words.difference(34, "12 to 32") == 2
    assert words.difference(34, "32") == 2


def test_means_of_the_runs_that_are_there(tmp_path: Path) -> None:
    for seed, accuracy in enumerate([0.96, 0.97]):
        write(tmp_path, training("mnist", seed=seed), [0.98, accuracy])
    lines = section(tmp_path, "q9")
    assert "*2 of 6 trainings have run.*" in lines
    assert cells(lines, "Sigmoid, last epoch") == ["-0.93", "96.50 ± 0.71", "97.43"]
    assert cells(lines, "Sigmoid, best epoch") == ["+0.33", "98.00 ± 0.00", "97.67"]
    assert cells(lines, "ReLU, last epoch") == ["", "not run", "96.65"]
    for seed in range(3):
        write(tmp_path, training("mnist", model="relu", seed=seed), [0.5])
    assert cells(section(tmp_path, "q9"), "20") == ["96.50 ± 0.71", "50.00 ± 0.00"]


def test_networks_are_compared_with_the_base_model(tmp_path: Path) -> None:
    write(tmp_path, training("mnist"), [0.96, 0.5])
    write(tmp_path, training("mnist", model="3layer"), [0.95, 0.5], 0.1)
    write(tmp_path, training("mnist", model="residual"), [0.97, 0.5], 0.02)
    lines = section(tmp_path, "fig19")
    assert "“Two hidden layers” ends 1.00 points below the base model" in answer(lines)
    assert "0.01762 is that of “With a residual connection”: 0.02000 (+13.5 %)" in answer(lines)
    assert "figures 19 and 20 seem to be exchanged" in answer(lines)


def test_an_interrupted_run_is_not_run(tmp_path: Path) -> None:
    write(tmp_path, training("mnist"), [0.5], runs=[{"epochs": 19}])
    write(tmp_path, training("mnist", init="zeros"), [0.5], runs=[])
    for key in ("fig18", "fig23"):
        assert cells(section(tmp_path, key), "19")[1] == "not run"


def test_settings(tmp_path: Path) -> None:
    write(tmp_path, training("cifar10", batch_size=12, epochs=6), [0.57], 1.0)
    lines = section(tmp_path, "table1")
    assert cells(lines, "12 / 6") == ["**-3.00**", "57.00", "60", "1.000", "1.003"]
    assert cells(lines, "20 / 10") == ["", "not run", "62", "not run", "0.991"]


@pytest.mark.parametrize(
    ("size", "n", "loss"),
    [
        (4, 50_000, 43.5),  # of 12,500 batches, the 10,001st to the 12,000th: the parts 40 to 47
        (12, 50_000, 35.0),  # of 4,167, the 2,001st to the 4,000th: they begin in part 23
        (32, 50_000, 24.5),  # all 1,563
        (4, 400, 24.5),
    ],
)
def test_the_loss_that_is_printed_last(tmp_path: Path, size: int, n: int, loss: float) -> None:
    parts = [float(i) for i in range(50)]
    t = training("cifar10", batch_size=size, epochs=1)
    write(tmp_path, t, [0.5], curve=parts, training_instances=n)
    assert results.load([t], tmp_path)[t.name].printed_loss() == loss


def test_optimizers(tmp_path: Path) -> None:
    write(tmp_path, training("cifar10"), [0.53])
    write(tmp_path, training("cifar10", seed=1), [0.55])
    write(tmp_path, training("cifar10", optimizer="adam"), [0.5])
    lines = section(tmp_path, "fig25")
    assert cells(lines, "SGD") == ["+1.00", "54.00 ± 1.41", "53", "54.0", "25.0"]
    assert cells(lines, "Adagrad, 0.01") == ["", "not run", "51", "not run", "not run"]
    assert cells(lines, "Adam")[:3] == ["**-3.00**", "50.00", "53"]
    assert answer(lines).startswith("**Answer.** Best is SGD, with 54.00 ± 1.41 %, reported 53 %")
    svg = (tmp_path / "fig25-loss.svg").read_text("utf-8")
    assert "SGD" in svg
    assert "RMSprop" not in svg
    made(tmp_path)
    assert (tmp_path / "fig25-loss.svg").read_text("utf-8") == svg  # the same file again


def test_other_data_is_told(tmp_path: Path) -> None:
    write(tmp_path, training("cifar10"), [0.9], data="generated shapes", training_instances=60_000)
    assert "60,000 instances of generated shapes" in " ".join(section(tmp_path, "fig25"))


def test_the_session_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(section(tmp_path, "q5")).endswith("18 of 18 inputs give what is shown.")
    other = tmp_path / "guide.md"
    other.write_text("```python\n>>> 1 + 1\n3\n```\n")
    monkeypatch.setattr(report, "GUIDE", other)
    lines = section(tmp_path, "q5")
    assert answer(lines).endswith("0 of 1 inputs give what is shown.")
    assert "Got:" in lines


# -- Results that stay -----------------------------------------------------------------------------


def test_the_report_is_made_again_where_the_runs_are_gone(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, training("mnist"), [0.9, 0.97123456789])
    write(tmp_path, training("cifar10"), [0.53], curve=[1 / 3, 2.0])
    write(tmp_path, training("cifar10", optimizer="adam"), [0.5])
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("trained"))
    assert run("--report", "--out", tmp_path) == 0
    names = ["report.md", "report.html", "results.jsonl", "fig25-loss.svg"]
    before = [(tmp_path / name).read_bytes() for name in names]
    shutil.rmtree(tmp_path / "runs")
    assert run("--report", "--out", tmp_path) == 0
    assert [(tmp_path / name).read_bytes() for name in names] == before
    assert "97.12" in before[0].decode()

    assert run("--only", "fig18", "--out", tmp_path) == 0
    assert "1 of 1 trainings are done" in capsys.readouterr().out


def test_trainings_of_other_folders_are_taken_and_newer_ones_count(
    run: Any, tmp_path: Path
) -> None:
    out, earlier, again = tmp_path / "out", tmp_path / "earlier", tmp_path / "again"
    write(earlier, training("mnist", init="zeros"), [0.2, 0.2])
    write(earlier, training("mnist"), [0.5, 0.5])
    assert run("--report", "--out", earlier) == 0
    shutil.rmtree(earlier / "runs")
    write(again, training("mnist"), [0.6, 0.6])
    shutil.copytree(earlier, out)
    assert run("--report", "--from", again, "--out", out) == 0
    text = (out / "report.md").read_text("utf-8")
    assert cells(part(text, "fig18"), "19")[1] == "60.00"
    assert cells(part(text, "fig23"), "19")[1] == "20.00"
    assert run("--report", "--out", out) == 0
    assert (out / "report.md").read_text("utf-8") == text
    assert run("--report", "--from", earlier, again, "--out", tmp_path / "new") == 0
    assert (tmp_path / "new" / "report.md").read_text("utf-8") == text


def test_numbers_that_no_run_left_are_shown_and_trained_again(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, training("mnist"), [0.5, 0.97])
    assert run("--report", "--out", tmp_path) == 0
    shutil.rmtree(tmp_path / "runs")
    (line,) = files.read_json(tmp_path / "results.jsonl")
    unknown = dict.fromkeys(["seconds", "val_loss"], [None] * 20)
    line |= {**unknown, "origin": "pictures of an earlier report", "curves": []}
    (tmp_path / "results.jsonl").write_text(files.as_line(line))
    monkeypatch.setattr(assignment.subprocess, "Popen", lambda *_, **__: Finished())
    assert run("--only", "fig18", "--out", tmp_path) == 0
    assert "0 of 1 trainings are done" in capsys.readouterr().out
    text = (tmp_path / "report.md").read_text("utf-8")
    assert cells(part(text, "fig18"), "19")[1] == "50.00"
    assert "of 1 trainings, whose files are lost, are from pictures of an earlier report." in text


# -- What readers see ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report of some trainings, with pictures of each kind."""
    out = tmp_path_factory.mktemp("report")
    for seed in range(3):
        write(out, training("mnist", seed=seed), [0.95, 0.972, 0.97 + 0.001 * seed, 0.971])
        write(out, training("mnist", model="relu", seed=seed), [0.9, 0.96])
        write(out, training("cifar10", seed=seed), [0.5, 0.51])
    made(out)
    return out


def report_of(out: Path) -> str:
    return (out / "report.md").read_text("utf-8")


def test_numbers_have_real_minus_signs(finished: Path) -> None:
    text = re.sub(r"^```.*?^```", "", report_of(finished), flags=re.M | re.S)
    assert MINUS in text
    assert not re.search(r"(?<![\w`(])-\d", text)


def test_an_answer_comes_first_and_every_picture_has_words(finished: Path) -> None:
    text = report_of(finished)
    for key in ITEMS:
        lines = [line for line in part(text, key) if line]
        assert [line.partition(".")[0] for line in lines[:2]] == ["**Question", "**Answer"]
    assert answer(part(text, "q9")).startswith(
        "**Answer.** ReLU ends 1.10 points below Sigmoid; in the assignment it ends 0.78 points "
        "below. Sigmoid: 97.10 ± 0.00 %, reported 97.43 % (\N{MINUS SIGN}0.33 points)."
    )
    pictures = dict(re.findall(r"^!\[(.*)\]\((.*)\.svg\)$", text, re.M)[::-1])
    said = {name: alt for alt, name in pictures.items()}
    assert "Sigmoid rises from 0.0 % to 97.1 %, in a band of" in said["q9-accuracy"]
    assert "axis from 0 to 100" in said["q9-accuracy"]
    assert "SGD: 51.0, reported 53.0." in said["fig25-accuracy"]
    html = (finished / "report.html").read_text("utf-8")
    assert html.count("<figure>") == html.count("<figcaption>") > 10
    assert not re.search(r'alt=""', html)


def test_links_lead_to_headings(finished: Path) -> None:
    html = (finished / "report.html").read_text("utf-8")
    links = re.findall(r'href="#(.*?)"', html)
    assert len(links) == len([item for item in assignment.ITEMS if item.rows])
    assert set(links) <= set(re.findall(r'<h2 id="(.*?)"', html))


@pytest.mark.parametrize(
    ("values", "measure", "axis"),
    [
        ([97.0, 97.3], charts.ACCURACY, (90, 100)),
        ([87.0, 97.3], charts.ACCURACY, (80, 100)),
        ([35.0, 64.0], charts.ACCURACY, (30, 70)),
        ([12.0, 32.0], charts.ACCURACY, (0, 100)),
        ([1.75, 1.77], charts.LOSS, (0, 1.77 * 1.08)),
        ([0.02, 0.4], charts.LOSS, (0.01, 1)),
    ],
)
def test_noise_looks_small(values: list[float], measure: Any, axis: tuple[float, float]) -> None:
    assert charts.span(values, measure) == pytest.approx(axis)


def test_pictures_have_a_background_in_light_and_dark(finished: Path) -> None:
    svg = (finished / "q9-loss.svg").read_text("utf-8")
    assert f"fill: {charts.PAPER}" in svg
    assert "prefers-color-scheme: dark" in svg
    rules, _, drawn = svg.partition("</style>")
    for color in set(re.findall(r"(?:fill|stroke): (#\w+)", drawn)):
        assert f'[style*="stroke: {color}"] {{ stroke: {charts.DARK[color]}' in rules


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_page_and_keeps_differences_in_view(finished: Path, scheme: str) -> None:
    chromium = shutil.which("chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    if not chromium:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        size = {"width": 400, "height": 800}
        page = browser.new_page(viewport=size, color_scheme=scheme)
        page.goto((finished / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        left, below = (page.locator(".panels img").nth(i).bounding_box() for i in range(2))
        assert left["x"] == below["x"]
        assert left["y"] + left["height"] <= below["y"]
        wide = page.locator(".wide", has=page.locator("th", has_text="cat")).first
        wide.evaluate("element => element.scrollLeft = 1000")
        assert wide.evaluate("element => element.scrollLeft") > 0
        for place in (0, 1):
            box = wide.locator("th").nth(place).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] < 300
        browser.close()


# -- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--only", "fig17"], "invalid choice: 'fig17'"),
        (["--jobs", 0], "--jobs: '0' is not a whole number of at least 1"),
        (["--out", ""], "--out: is empty"),
        (["--only", "fig18", "--data-dir", "/nowhere"], "--data-dir = /nowhere"),
        (
            ["--report", "--from", "/nowhere"],
            "--from /nowhere: has neither runs/ nor results.jsonl",
        ),
        (["--only", "table1", "--data-dir", "/nowhere"], "--data-dir = /nowhere"),
    ],
)
def test_bad_arguments(
    run: Any, capsys: pytest.CaptureFixture[str], flags: list[Any], words: str
) -> None:
    assert words in refused(capsys, run(*flags))


def test_unwritable_out(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert "file" in refused(capsys, run("--only", "q5", "--out", tmp_path / "file"))


def test_damaged_results_are_named(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, training("mnist"), [0.5])
    (tmp_path / "runs" / "mnist" / "summary.json").write_text("{")
    message = refused(capsys, run("--only", "q5", "--out", tmp_path))
    assert f"{tmp_path / 'runs' / 'mnist'} is damaged" in message


@pytest.mark.parametrize(
    "line", ["{", "{}", '{"training": "mnist"}'], ids=["no JSON", "nothing", "not all"]
)
def test_a_damaged_file_of_results_is_named(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (tmp_path / "results.jsonl").write_text(f"{line}\n")
    message = refused(capsys, run("--report", "--out", tmp_path))
    assert f"{tmp_path / 'results.jsonl'} is damaged" in message
    assert message.endswith("restore or delete it\n")


def test_a_result_that_lacks_an_epoch_is_named(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, training("mnist"), [0.5, 0.6])
    assert run("--report", "--only", "q5", "--out", tmp_path) == 0
    shutil.rmtree(tmp_path / "runs")
    path = tmp_path / "results.jsonl"
    line = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**line, "train_loss": line["train_loss"][:1]}) + "\n", "utf-8")
    capsys.readouterr()
    message = refused(capsys, run("--report", "--only", "q5", "--out", tmp_path))
    assert "results.jsonl[0] lacks numbers of an epoch" in message


def test_help_lists_the_items() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(assignment.__file__)), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "table3" in done.stdout
    assert gradcore.__name__ not in done.stderr
