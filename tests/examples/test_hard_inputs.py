"""The examples with damaged or hostile files, with each other, and interrupted at any moment.

Each ends with the exit status 2 (130 where interrupted) and one line, and loses nothing.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mnist
import numpy as np
import pytest
from harness import command_line, files, results, session
from harness.errors import UserError
from harness.files import locked, read_checkpoint, read_safetensors, replaced, write_safetensors
from harness.schema import CHECKPOINT, LINE, SUMMARY, check
from runs import call, metrics, refused, result, without_times
from safetensors.numpy import load_file

from gradcore.files import safetensors

ROOT = Path(mnist.__file__).parents[1]
SYNTH = ["--data", "synth", "--limit", "60", "--batch-size", "16", "--hidden", "1", "--quiet"]
SYNTH += ["--optimizer", "adam", "--epochs", "2"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@pytest.fixture(autouse=True)
def alone(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.delenv("GRADCORE_BACKEND", raising=False)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setattr(session, "draw_curves", lambda *_: None)  # which takes longer than a run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run of two epochs."""
    out = tmp_path_factory.mktemp("finished")
    assert call(mnist, *SYNTH, "--out", out) == 0
    return out / "checkpoint.safetensors"


def resumed(out: Path, *flags: object) -> int:
    return call(mnist, *SYNTH, "--epochs", 3, "--out", out, "--resume", *flags)


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


# -- Checkpoints ----------------------------------------------------------------------------------


def test_each_flipped_bit_of_a_checkpoint_is_seen(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, path = bytearray(finished.read_bytes()), tmp_path / finished.name
    path.write_bytes(data)
    read_checkpoint(path)
    header = 8 + int.from_bytes(data[:8], "little")
    draw = random.Random(0)
    some = [draw.randrange(8 * header) for _ in range(200)]
    some += [draw.randrange(8 * header, 8 * len(data)) for _ in range(100)]
    for n, bit in enumerate(some):
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        if n < 20:
            assert str(path) in refused(capsys, resumed(tmp_path))
        else:
            with pytest.raises(UserError) as error:
                read_checkpoint(path)
            assert str(error.value).startswith(f"--resume: {path} ")
        data[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("change", ["cut", "longer", "twice", "zeros", "empty", "another length"])
def test_a_checkpoint_of_another_length(
    change: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = finished.read_bytes()
    changed = {
        "cut": data[:-1],
        "longer": data + b"\0",
        "twice": data * 2,
        "zeros": bytes(len(data)),
        "empty": b"",
        "another length": b"\xff" * 7 + b"\x7f" + data[8:],
    }[change]
    (tmp_path / finished.name).write_bytes(changed)
    assert "is damaged, or no safetensors file (" in refused(capsys, resumed(tmp_path))
    assert contents(tmp_path) == {finished.name: changed}


def sealed(metadata: dict[str, str], arrays: str = "") -> bytes:
    """A file with a right digest, whatever it holds."""
    entries = {**metadata, safetensors.DIGEST: safetensors.NO_DIGEST}
    text = json.dumps(entries, separators=(",", ":"))
    header = f'{{"__metadata__":{text}{arrays}}}'.encode()
    data = len(header).to_bytes(8, "little") + header
    return data.replace(safetensors.NO_DIGEST.encode(), sha256(data).hexdigest().encode())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sealed({"gradcore": "[" * 100_000}), "it is nested too deep"),
        (sealed({"gradcore": '{"a":' * 100_000}), "it is nested too deep"),
        (sealed({}, ',"a":' + "[" * 100_000), "it is nested too deep"),
        (sealed({"gradcore": "9" * 100_000}), "Exceeds the limit"),
        (sealed({"gradcore": "null"}), "checkpoint has no 'program'"),
        (sealed({"gradcore": "[]"}), "checkpoint is [], expected an object"),
        (sealed({}), "checkpoint has no 'program'"),
        (sealed({}, ',"a":1'), "is damaged, or no safetensors file"),
        (sealed({}, ',"a":{"data_offsets":[0,-1]}'), "its header says no sizes"),
        (sealed({}, ',"a":{"data_offsets":[]}'), "is damaged, or no safetensors file"),
        (sealed({}, ',"a":{"data_offsets":[0,1099511627776]}'), "bytes, expected 1099511"),
        (sealed({}, ',"a":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]}'), "is damaged"),
        (sealed({}, ',"a":{"dtype":"F32","shape":[9],"data_offsets":[0,0]}'), "is damaged"),
        (sealed({}, ',"a":{"dtype":"\x1b[2J","shape":[],"data_offsets":[0,0]}'), "is damaged"),
        (sealed({}).replace(b'"sha256"', b'"sha257"'), "checkpoint has no 'program'"),
        (sealed({"gradcore": "{}"}).replace(b'"sha256"', b'"sha257"'), "it has no digest"),
        (b"\x02" + bytes(7) + b"[]", "its header is no object"),
        (b"\x12" + bytes(7) + b'{"__metadata__":1}', "its metadata are no texts by name"),
    ],
)
def test_files_that_are_no_checkpoints_and_have_a_right_digest(
    data: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(data)
    message = refused(capsys, resumed(tmp_path))
    assert words in message
    assert message[:-1].isprintable()
    assert len(message) < 600


def change(finished: Path, out: Path, how: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    """Write a checkpoint whose facts and arrays `how` has changed, with a right digest."""
    facts, arrays = read_safetensors(finished, "--resume")
    arrays = dict(arrays)
    how(facts, arrays)
    write_safetensors(out / finished.name, arrays, facts)


def places(table: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """The way to each place that a table describes, and the table of the place."""
    below: Any = ()
    if isinstance(table, list):
        below = [(0, table[0])]
    elif isinstance(table, dict):
        below = [(key, x) for key, x in table.items() if key != ...]
    return [(path, table), *(found for key, x in below for found in places(x, (*path, key)))]


WRONG = {  # for kinds of values, by name
    "anything": [],
    "a text": [None, 1, ["x"]],
    "a whole number of at least 0": [None, -1, 1.5, True, "1", [], {}],
    "a whole number of at least 1": [None, 0, 1.5, True, "1", [], {}],
    "a finite number": [None, True, "1", [], {}, float("nan"), float("inf"), 10**400],
    "a number from 0 to 1": [None, True, "1", [], {}, float("nan"), -0.1, 1.1],
    "a number from 0 to 1, or null": [True, "1", [], {}, float("nan"), -0.1, 1.1],
}


@pytest.mark.parametrize(("path", "table"), places(CHECKPOINT)[1:])
def test_fields_of_a_checkpoint_that_are_missing_or_of_another_type(
    path: tuple[Any, ...], table: Any, finished: Path
) -> None:
    *around, last = path
    text = json.dumps(read_safetensors(finished, "--resume")[0])

    def fails(change: Callable[[Any], None]) -> None:
        facts = within = json.loads(text)
        for key in around:
            within = within[key]
        change(within)
        with pytest.raises(ValueError, match=r"^checkpoint(\.\w+|\[\d\])* (has no|is) "):
            check(facts, CHECKPOINT, "checkpoint")

    if isinstance(last, str):
        fails(lambda within: within.pop(last))
    wrong = WRONG[table.name] if isinstance(table, tuple) else [None, 1, "x", True]
    for value in wrong:
        fails(lambda within, value=value: within.__setitem__(last, value))  # type: ignore[misc]


def set_to(*path: Any, to: Any) -> Callable[[Any, Any], None]:
    def how(facts: Any, _: Any) -> None:
        for key in path[:-1]:
            facts = facts[key]
        facts[path[-1]] = to

    return how


def array(name: str, x: Any) -> Callable[[Any, Any], None]:
    def how(_: Any, arrays: Any) -> None:
        arrays[name] = x(arrays.get(name)) if callable(x) else x

    return how


WEIGHT = "model.layers.0.weight"
HOSTILE: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "epoch -1": (set_to("epoch", to=-1), "checkpoint.epoch is -1, expected a whole number of at"),
    "a later epoch": (set_to("epoch", to=3), "checkpoint.history has 2 items, expected 3"),
    "run 10**18": (set_to("run", to=10**18), "checkpoint.history has 2 items, expected 2000"),
    "an epoch twice": (set_to("history", 1, "epoch", to=0), "history[1] is of another run or ep"),
    "no curve": (lambda f, _: f["curves"].pop(), "checkpoint.curves has 1 items, expected 2"),
    "no classes": (lambda f, _: f["per_class"].pop(), "per_class has 0 items, expected 1"),
    "a field more": (set_to("evil", to=1), "checkpoint has 'evil', which has no meaning there"),
    "a loss of NaN": (set_to("history", 0, "val_loss", to=float("nan")), "val_loss is nan, exp"),
    "a loss of 1e999": (set_to("curves", 0, 0, to=float("inf")), "curves[0][0] is inf, expected"),
    "a loss of 10**400": (set_to("curves", 0, 0, to=10**400), "is 1000000"),
    "random numbers of another kind": (
        set_to("random", "bit_generator", to="MT19937"),
        "does not fit: ",
    ),
    "random numbers of 200 bits": (set_to("random", "state", "state", to=2**200), "does not fit: "),
    "weights in float64": (
        array(WEIGHT, lambda w: w.astype(np.float64)),
        f"does not fit: expected {WEIGHT} float32 (2, 2), found float64 (2, 2)",
    ),
    "weights in int32": (
        array(WEIGHT, lambda w: w.astype(np.int32)),
        "floating dtype, found int32",
    ),
    "weights of another shape": (
        array(WEIGHT, lambda w: w[:1]),
        "expected layers.0.weight (2, 2), found (1, 2)",
    ),
    "no weights": (lambda _, a: a.pop(WEIGHT), "layers.0.weight (2, 2), found nothing"),
    "an array of nobody": (array("evil.0.x", np.zeros(1)), "does not fit: "),
    "an optimizer's array of nobody": (array("optimizer.x.mean", np.zeros(1)), "does not fit: "),
    "an optimizer's array of parameter -1": (
        array("optimizer.-1.mean", np.zeros((1, 2), np.float32)),
        "does not fit: ",
    ),
    "an optimizer's array of parameter 9": (
        array("optimizer.9.mean", np.zeros(1)),
        "does not fit: ",
    ),
    "an optimizer's array more": (array("optimizer.0.evil", np.zeros((2, 2))), "does not fit: "),
    "an optimizer in float64": (
        array("optimizer.0.mean", lambda m: m.astype(np.float64)),
        "does not fit: expected optimizer.0.mean float32",
    ),
    "an optimizer of nothing": (set_to("optimizer", "settings", to=None), "does not fit: "),
    "an optimizer's settings of text": (set_to("optimizer", "settings", to="lr"), "does not fit: "),
    "a learning rate of text": (set_to("optimizer", "settings", "lr", to="x"), "does not fit: "),
    "a learning rate of nothing": (set_to("optimizer", "settings", "lr", to=None), "does not f"),
    "a learning rate that is a number in words": (
        set_to("optimizer", "settings", "lr", to="0.0001"),
        "does not fit: ",
    ),
    "betas of lists": (set_to("optimizer", "settings", "betas", to=[[]]), "does not fit: "),
    "an optimizer of no parameters": (set_to("optimizer", "state", to=[]), "does not fit: "),
    "a step of -1": (set_to("optimizer", "state", 0, "step", to=-1), "checkpoint.optimizer.state"),
    "a step of a half": (set_to("optimizer", "state", 0, "step", to=0.5), "checkpoint.optimizer."),
    "a program of control characters": (set_to("program", to="\x1b[2J\n"), r"one of \x1b[2J\n"),
    "a setting of control characters": (set_to("settings", "model", to="\x1b[2J"), r"\x1b[2J"),
    "a setting of a megabyte": (set_to("settings", "model", to="x" * 10**6), " ... "),
    "another size of the data": (
        set_to("facts", "training_instances", to=59),
        "has 59 training instances, not 60",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_checkpoint_is_refused_in_one_line_and_changes_nothing(
    what: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how, words = HOSTILE[what]
    change(finished, tmp_path, how)
    before = contents(tmp_path)
    message = refused(capsys, resumed(tmp_path))
    assert message.startswith("mnist.py: --resume: ")
    assert words in message
    assert message[:-1].isprintable()
    assert len(message) < 5000
    assert contents(tmp_path) == before


def test_a_checkpoint_written_again_is_resumed(finished: Path, tmp_path: Path) -> None:
    """The test above changes what matters, and nothing else."""
    change(finished, tmp_path, lambda *_: None)
    assert resumed(tmp_path) == 0
    assert [line["epoch"] for line in metrics(tmp_path)] == [0, 1, 2]


def test_weights_that_are_not_finite_stay_as_they_are(tmp_path: Path, finished: Path) -> None:
    def poison(_: Any, arrays: Any) -> None:
        arrays[WEIGHT] = np.full_like(arrays[WEIGHT], np.nan)

    change(finished, tmp_path, poison)
    assert np.isnan(read_checkpoint(tmp_path / finished.name)["arrays"][WEIGHT]).all()


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "curves.png"])
@pytest.mark.parametrize("how", ["damaged", "missing", "pipe"])
def test_other_files_of_a_run_are_written_anew_from_the_checkpoint(
    name: str, how: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in finished.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    expected = without_times(metrics(tmp_path))
    if how == "damaged":
        (tmp_path / name).write_bytes(b"\xff{[" * 99)
    else:
        (tmp_path / name).unlink()
    if how == "pipe":
        if sys.platform == "win32":
            pytest.skip("has no such files")
        os.mkfifo(tmp_path / name)
        message = refused(capsys, call(mnist, *SYNTH, "--out", tmp_path, "--resume"))
        assert f"{tmp_path / name}: can't be written (it is a pipe, and no regular" in message
        return
    assert call(mnist, *SYNTH, "--out", tmp_path, "--resume") == 0
    assert without_times(metrics(tmp_path)) == expected
    assert result(tmp_path)["final_accuracy"] == expected[-1]["val_accuracy"]


@pytest.mark.parametrize("name", files.FILES)
def test_a_run_that_cannot_write_one_of_its_files_deletes_none(
    name: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in finished.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    message = refused(capsys, call(mnist, *SYNTH, "--out", tmp_path))
    assert f"{tmp_path / name}: can't be written (it is a folder, and no regular file)" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_unfinished_files_of_other_programs_stay(tmp_path: Path) -> None:
    (tmp_path / ".folder.part").mkdir()
    (tmp_path / ".film.mp4.1.part").touch()
    (tmp_path / ".curves.png.1.part").touch()
    with locked(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".film.mp4.1.part", ".folder.part"]


@POSIX
def test_a_checkpoint_that_is_a_link_to_nowhere_is_not_taken_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.symlink_to(tmp_path / "unmounted" / "checkpoint.safetensors")
    assert f"{path} can't be read (No such file" in refused(capsys, resumed(tmp_path))
    assert path.is_symlink()


# -- Weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", files.FILES)
def test_weights_are_not_saved_where_the_run_writes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out" / ".." / "out" / name
    message = refused(capsys, call(mnist, *SYNTH, "--out", tmp_path / "out", "--save-init", path))
    assert f"--save-init {path}: the run writes a file of this name itself" in message


def test_a_file_that_takes_all_memory_is_named(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(_: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(safetensors, "sha256", fails)
    (tmp_path / finished.name).write_bytes(finished.read_bytes())
    size = f"has {finished.stat().st_size:,} bytes, for which memory is short"
    assert f"{tmp_path / finished.name} {size}" in refused(capsys, resumed(tmp_path))


def test_damaged_weights_are_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "init.safetensors"
    assert call(mnist, *SYNTH, "--epochs", 1, "--save-init", path) == 0
    capsys.readouterr()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    message = refused(capsys, call(mnist, *SYNTH, "--init-from", path))
    assert f"--init-from: {path} is damaged" in message
    assert "its bytes are not those of its digest" in message


def test_weights_of_whole_numbers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "init.safetensors"
    assert call(mnist, *SYNTH, "--epochs", 1, "--save-init", path) == 0
    capsys.readouterr()
    arrays = {**load_file(path), "layers.0.weight": np.zeros((2, 2), np.int32)}
    write_safetensors(path, arrays)
    message = refused(capsys, call(mnist, *SYNTH, "--init-from", path))
    assert "expected layers.0.weight of floating dtype, found int32" in message


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_folder(path: Path) -> None:
    path.mkdir()


NO_FILES = [
    (make_pipe, "it is a pipe, and no regular file"),
    (make_device, "it is a device, and no regular file"),
    (make_folder, "it is a folder, and no regular file|Is a directory"),
]


@POSIX
@pytest.mark.parametrize(("make", "words"), NO_FILES)
def test_what_is_no_file_is_refused_and_not_waited_on(
    make: Callable[[Path], None],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    make(path)
    for flags, said in (
        (["--out", tmp_path, "--resume"], f"--resume: {path} can't be read ("),
        (["--init-from", path], f"--init-from: {path} can't be read ("),
        (["--save-init", path], f"{path}: can't be written ("),
    ):
        message = refused(capsys, call(mnist, *SYNTH, *flags))
        assert said in message
        assert any(word in message for word in words.split("|"))


@POSIX
def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.symlink_to("/dev/full")
    with pytest.raises(UserError, match="it is a device, and no regular file"), replaced(device):
        pass
    assert device.is_symlink()


@POSIX
def test_nothing_is_written_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one in place of the temporary file nor one in place of the file itself."""
    precious, path = tmp_path / "precious", tmp_path / "file"
    precious.write_bytes(b"precious")
    path.symlink_to(precious)
    with replaced(path) as file:
        file.write(b"new")
    monkeypatch.setattr(os, "urandom", bytes)  # the same temporary name, each time
    (tmp_path / f".file.{'00' * 8}.part").symlink_to(precious)
    with pytest.raises(UserError, match="File exists"), replaced(path):
        pass
    assert (precious.read_bytes(), path.read_bytes()) == (b"precious", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "precious"]


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda f: (done.append("fsync"), fsync(f)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("rename"), replace(a, b)))
    write_safetensors(tmp_path / "x", {"a": np.ones(3)})
    assert done[:2] == ["fsync", "rename"]
    if sys.platform != "win32":
        assert done == ["fsync", "rename", "fsync"]  # the folder, for the name


# -- The report's files ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["summary.json", "metrics.jsonl"])
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"runs": 1}', b"{}", b"1\n2", "pipe"]
)
def test_results_that_are_damaged_are_named(
    name: str, data: bytes | str, finished: Path, tmp_path: Path
) -> None:
    training = results.training("mnist", epochs=2)
    folder = tmp_path / training.name
    folder.mkdir()
    for path in finished.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert results.read_run(tmp_path, training)
    if isinstance(data, str):
        if sys.platform == "win32":
            pytest.skip("has no such files")
        (folder / name).unlink()
        os.mkfifo(folder / name)
    else:
        (folder / name).write_bytes(data)
    if name == "metrics.jsonl" and data == b"":
        pytest.skip("is a run of no epochs")
    with pytest.raises(UserError, match=f"{training.name} is damaged .*; delete it to train"):
        results.read_run(tmp_path, training)


def test_the_report_checks_what_it_reads(finished: Path) -> None:
    summary, [*lines] = result(finished.parent), metrics(finished.parent)
    assert not [key for key in SUMMARY if key not in summary and key != ...]
    assert {*lines[0]} == {*LINE}


# -- Two runs -------------------------------------------------------------------------------------


def test_a_second_run_in_one_folder_is_refused(
    tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / finished.name).write_bytes(finished.read_bytes())
    with locked(tmp_path):
        before = contents(tmp_path)
        for flags in ([], ["--resume"]):
            message = refused(capsys, call(mnist, *SYNTH, "--out", tmp_path, *flags))
            expected = f"--out {tmp_path}: another run is writing there; wait for it, or choose "
            assert expected in message
        assert contents(tmp_path) == before
    assert call(mnist, *SYNTH, "--out", tmp_path) == 0


HOLD = """
import sys, time
from pathlib import Path
from harness.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", **more}


def test_the_lock_of_a_killed_run_is_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, env=environment()) as holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == b"locked"
        left = tmp_path / ".checkpoint.safetensors.1.part"
        left.touch()
        with pytest.raises(UserError, match="another run is writing there"), locked(tmp_path):
            pass
        assert left.exists()
        holder.kill()
        holder.wait()
    with locked(tmp_path):
        assert not left.exists()


# -- Interrupts -----------------------------------------------------------------------------------

STOPS = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(99)\n"
STOPS_AS_IT_IS_FREED = """
import os, signal, time
class Freed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass
Freed()
time.sleep(99)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills where others interrupt")
@pytest.mark.parametrize(
    ("script", "package"),
    [
        ("mnist", "argparse"),
        ("mnist", "numpy"),
        ("cifar10", "gradcore"),
        ("cifar10_torch", "torch"),
        ("assignment", "gradcore"),
    ],
)
def test_an_interrupt_during_the_imports_is_one_line(
    script: str, package: str, tmp_path: Path
) -> None:
    check_interrupt(script, package, STOPS, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="kills where others interrupt")
def test_an_interrupt_while_an_object_is_freed_is_not_lost(tmp_path: Path) -> None:
    """Python can't raise it there: `sys.unraisablehook` is told of it."""
    check_interrupt("mnist", "argparse", STOPS_AS_IT_IS_FREED, tmp_path)


def check_interrupt(script: str, package: str, code: str, tmp_path: Path) -> None:
    """Put the code in the place of a package that the script imports: it ends with one line."""
    (tmp_path / f"{package}.py").write_text(code)
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    command = [sys.executable, str(ROOT / "examples" / f"{script}.py"), "--help"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130, done.stderr
    assert done.stderr == f"\n{script}.py: interrupted\n"


def test_an_interrupt_as_a_progress_bar_is_made_is_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error in the bar's `__del__` would be printed, and fails this test."""
    pytest.importorskip("tqdm")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm.__init__", interrupted)
    about = {"args": SimpleNamespace(quiet=False), "is_first": True, "epochs_done": 0}
    with pytest.raises(KeyboardInterrupt):
        session.Session._shown(SimpleNamespace(**about), [1])  # type: ignore[arg-type]
    gc.collect()


@POSIX
def test_a_run_that_is_terminated_ends_as_with_an_interrupt(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "mnist.py"), *SYNTH[:-1]]
    command += ["99999", "--out", str(tmp_path)]
    begun = tmp_path / "metrics.jsonl"
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stderr=pipe, text=True) as run:
        while run.poll() is None and not (begun.exists() and metrics(tmp_path)):
            time.sleep(0.02)
        run.terminate()
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert errors == "\nmnist.py: interrupted; --resume continues from the last epoch\n"
    assert result(tmp_path)["runs"][0]["epochs"] > 0


def test_an_interrupt_while_data_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "load", interrupted)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert call(mnist, *SYNTH, "--out", tmp_path) == 130
    assert capsys.readouterr().err == "\nmnist.py: interrupted\n"


def test_an_interrupt_in_the_record_of_an_epoch_leaves_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines and the curves stay of one length, so that both can be written."""
    from harness.record import Epoch

    curve, epochs = Epoch.curve, []

    def interrupted(epoch: Epoch) -> list[float]:
        epochs.append(epoch.number)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return curve(epoch)

    monkeypatch.setattr(Epoch, "curve", interrupted)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert call(mnist, *SYNTH, "--out", tmp_path) == 130
    assert [run["epochs"] for run in result(tmp_path)["runs"]] == [1]
    monkeypatch.setattr(Epoch, "curve", curve)
    assert resumed(tmp_path) == 0
    assert [line["epoch"] for line in metrics(tmp_path)] == [0, 1, 2]


# -- The command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--limit", "-1"], "--limit: '-1' is not a whole number of at least 1"),
        (["--limit", "0"], "--limit: '0' is not a whole number"),
        (["--epochs", "1e9"], "--epochs: '1e9' is not a whole number"),
        (["--epochs", "\x1b[2J"], r"--epochs: '\x1b[2J' is not a whole number"),
        (["--lr", "inf"], "--lr: inf is not positive and finite"),
        (["--lr", "1e-400"], "--lr: 1e-400 is not positive"),
        (["--lr", "0x1"], "--lr: '0x1' is not a number"),
        (
            ["--hidden", "10000000"],
            "'10000000' is not a whole number from 1 to 1,000,000",
        ),
        (["--hidden", "1000000", "--model", "3layer"], "not enough memory ("),
        (["--memory-limit", "1e300"], "cannot convert float infinity|can't limit its memory"),
        (["--data-dir", "~nobody-of-this-name"], "found no home folder for its ~"),
        (["--data-dir", "x" * 5000], "expected a folder, found nothing"),
        (["--data-dir", "a\nb"], r"--data-dir = a\nb: expected a folder, found nothing"),
        (["--data-dir", "a\udcffb"], r"--data-dir = a\udcffb: expected a folder"),
        (["--data-dir", __file__], "expected a folder, found a file"),
        (["--out", "/dev/null"], "--out /dev/null: can't write there"),
        (["--out", "x" * 5000], "File name too long"),
        (["--out", "/proc/nobody"], "--out /proc/nobody: can't write there"),
        (["--init-from", "/dev/zero"], "it is a device, and no regular file"),
        (["--save-init", "/dev/full"], "it is a device, and no regular file"),
        (["--save-init", "/nowhere/x"], "/nowhere/x: can't be written"),
        (["--device", "\x07"], r"\x07"),
        (["--backend", "\x1b]0;x\x07"], r"\x1b]0;x\x07"),
    ],
)
def test_hostile_arguments(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "/dev" in str(flags) and sys.platform == "win32":
        pytest.skip("Windows has no such files")
    synth = [] if "--data-dir" in flags else SYNTH
    message = refused(capsys, call(mnist, *synth, *flags))
    assert any(word in message for word in words.split("|")), message
    assert message[:-1].isprintable()


def test_a_package_that_fails_in_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As matplotlib does where MPLBACKEND names none."""

    def fails(_: str) -> None:
        raise ValueError("no such\nbackend")

    monkeypatch.setattr(command_line, "import_module", fails)
    message = refused(capsys, call(mnist, *SYNTH, "--out", tmp_path))
    assert r"--out needs matplotlib.figure, which fails: no such\nbackend" in message


@POSIX
def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"\xff\xfe")
    assert call(mnist, *SYNTH, "--out", out) == 0
    assert resumed(out) == 0
    assert len(metrics(out)) == 3


SMALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["mnist.py", *sys.argv[2:]]
import mnist
sys.exit(mnist.main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits files in its own way")
def test_a_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    """Later epochs need a longer checkpoint; the earlier one stays, and can be resumed."""
    out = tmp_path / "out"
    flags = [*SYNTH, "--out", str(out)]
    assert call(mnist, *flags) == 0
    limit = (out / "checkpoint.safetensors").stat().st_size + 100
    command = [sys.executable, "-c", SMALL, str(limit), *flags, "--resume", "--epochs", "99"]
    env = environment(GRADCORE_BACKEND="numpy")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"mnist.py: {out / 'checkpoint.safetensors'}: can't be written (File too large)\n"
    )
    assert not list(out.glob(".*"))
    assert resumed(out, "--epochs", 5) == 0
    assert [line["epoch"] for line in metrics(out)] == list(range(5))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("flags", [SYNTH, SYNTH[:-5]])
def test_a_terminal_that_is_full(flags: list[str]) -> None:
    command = [sys.executable, str(ROOT / "examples" / "mnist.py"), *flags]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


@POSIX
def test_without_a_terminal(tmp_path: Path) -> None:
    """Both streams are closed."""
    command = [sys.executable, str(ROOT / "examples" / "mnist.py"), *SYNTH, "--save-init"]
    command.append(str(tmp_path / "init"))
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], env=environment())
    assert done.returncode == 0
    assert (tmp_path / "init").exists()
