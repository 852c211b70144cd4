"""The trials of a sweep, which wait in the queue of Optuna's storage for workers to train them.

A sweep has tasks: each is a training, with settings that a grid gives, that Optuna's sampler
chooses, or some of both. Each task has one trial that counts. Workers direct themselves: each takes
the next trial from the queue, and tells Optuna what came out. A worker that is killed falls silent:
then the next one who looks puts a new trial of the same task into the queue, which goes on from the
checkpoint of the one before.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from .errors import UserError
from .files import FILES, read_json
from .launch import ignore_interrupts
from .processes import as_flags, command_of, later_signals
from .schema import Metric
from .settings import Choice

__all__ = ["Sweep", "counting", "finished", "is_done", "open_study", "storage_errors", "work"]

POLL = 1.0  # seconds between two looks at what other workers do
TRIES = 3  # of a task whose training is killed each time, for example for want of memory
ERRORS = (  # of the storage: no driver, a URL that is none, other tables, no connection
    ImportError,
    ValueError,
    RuntimeError,
    sqlalchemy.exc.SQLAlchemyError,
    optuna.exceptions.OptunaError,
)


@dataclass(frozen=True)
class Sweep:
    """What a sweep trains.

    Attributes:
        name: of the sweep, in the storage and of its files.
        example: the name of the program.
        flags: of all trainings.
        tasks: of each task, the settings that the grid gives.
        choices: what each setting can be; those of the grid, too.
        metric: which the sweep makes as good as it can.
        out: where each trial has a folder.
        patience: seconds after which a silent worker is taken for dead.
    """

    name: str
    example: str
    flags: Sequence[str]
    tasks: Sequence[dict[str, Any]]
    choices: dict[str, Choice]
    metric: Metric
    out: Path
    patience: int

    @property
    def result(self) -> str:
        """What summary.json calls the metric, behind "final_" and "best_"."""
        return self.metric.name.removeprefix("val_")

    def folder(self, trial: int) -> Path:
        return self.out / f"{self.name}-{trial}"


# -- The storage ----------------------------------------------------------------------------------


def open_study(
    sweep: Sweep, url: str, settings: dict[str, Any], sampler: str, pruner: str
) -> optuna.Study:
    """Open the study in the storage, or make it.

    Args:
        url: of a database, as SQLAlchemy has it.
        settings: which all who work on the study must have, by flags.
        sampler, pruner: the names of Optuna's classes.

    Raises:
        UserError: the study has other settings.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        storage = new_storage(url, sweep.patience)
    except sqlalchemy.exc.SQLAlchemyError:  # perhaps another worker is making the tables
        time.sleep(POLL)
        storage = new_storage(url, sweep.patience)
    study = optuna.create_study(
        storage=storage,
        study_name=sweep.name,
        direction="maximize" if sweep.metric.best is max else "minimize",
        sampler=getattr(optuna.samplers, sampler)(),
        pruner=getattr(optuna.pruners, pruner)(),
        load_if_exists=True,
    )
    where = f"the study {sweep.name!r} in {public(url)}"
    if "sweep" not in study.user_attrs:
        if study.get_trials(deepcopy=False):
            raise UserError(f"{where} is of another program; choose another --name")
        study.set_user_attr("sweep", settings)
    known = study.user_attrs["sweep"]
    for key in known | settings:
        if known.get(key) != settings.get(key):
            before, now = (shown(key, of.get(key)) for of in (known, settings))
            advice = "give it the same settings, or choose another --name"
            raise UserError(f"{where} has {before}, and not {now}; {advice}")
    return study


def new_storage(url: str, patience: int) -> optuna.storages.RDBStorage:
    storage = optuna.storages.RDBStorage(
        url,
        {"pool_pre_ping": True},  # a new connection where the server has closed the old one
        heartbeat_interval=max(1, patience // 3),
        grace_period=patience,
    )
    if storage.engine.dialect.name == "sqlite":
        # SQLite can't lock the rows it reads, so that two workers could take one trial: lock all.
        sqlalchemy.event.listen(
            storage.engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE")
        )
    return storage


def shown(key: str, value: Any) -> str:
    """Write a setting as in a command line."""
    return f"{key} {' '.join(map(str, value)) if isinstance(value, list) else value}"


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Make errors of the storage in the block a UserError."""
    try:
        yield
    except ERRORS as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        advice = ""
        if isinstance(cause, ImportError):
            advice = "; install it, as for postgresql+psycopg: pip install 'psycopg[binary]'"
        raise UserError(f"--storage {public(url)}: {reason}{advice}") from None


def public(url: str) -> str:
    """Leave out of a URL what only its owner may know, and the options."""
    return re.sub("//.*@", "//...@", url).partition("?")[0]


# -- The queue ------------------------------------------------------------------------------------


def counting(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Give for each task the trial that counts: the first that has not failed, or the last one."""
    found: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        task = trial.user_attrs.get("task")
        if task is not None and (task not in found or found[task].state == TrialState.FAIL):
            found[task] = trial
    return found


def is_lost(trial: FrozenTrial) -> bool:
    """Whether its task wants a new trial: it ended, but not by its own fault."""
    known = trial.user_attrs
    again = "interrupted" in known or known["tries"] < TRIES
    return trial.state == TrialState.FAIL and "error" not in known and again


def is_done(trial: FrozenTrial) -> bool:
    return trial.state.is_finished() and not is_lost(trial)


def finished(study: optuna.Study, sweep: Sweep) -> bool:
    """Whether all tasks are done."""
    trials = counting(study)
    return all(task in trials and is_done(trials[task]) for task in range(len(sweep.tasks)))


def enqueue(study: optuna.Study, sweep: Sweep) -> None:
    """Put a trial into the queue for each task that has none, or whose worker was killed. Where two
    workers do so at once, `train` leaves out the second trial."""
    optuna.storages.fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        # Optuna doesn't see a worker that was killed before its first heartbeat.
        assert trial.datetime_start
        age = datetime.now() - trial.datetime_start
        if "host" not in trial.user_attrs and age > timedelta(seconds=sweep.patience):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    trials = counting(study)
    for task, settings in enumerate(sweep.tasks):
        if task not in trials:
            study.enqueue_trial(settings, {"task": task, "tries": 1})
        elif is_lost(last := trials[task]):
            tries = last.user_attrs["tries"] + ("interrupted" not in last.user_attrs)
            study.enqueue_trial({**settings, **last.params}, {"task": task, "tries": tries})


def work(study: optuna.Study, sweep: Sweep, tell: Callable[[FrozenTrial], None]) -> None:
    """Train what is in the queue until all tasks are done, be it by this worker or by others.

    Args:
        tell: called with each trial that this worker has ended.
    """

    def ended(_: optuna.Study, trial: FrozenTrial) -> None:
        if trial.user_attrs.get("task") is not None:
            tell(trial)

    while not finished(study, sweep):
        enqueue(study, sweep)
        if study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
            try:
                study.optimize(lambda trial: train(sweep, trial), n_trials=1, callbacks=[ended])
            except ValueError:  # Optuna's, if others took this worker for dead, and its task up
                pass
            except UnboundLocalError as error:  # Optuna's, if the storage was lost meanwhile
                raise error.__context__ or error  # noqa: B904  # with the cause that it has
        else:
            time.sleep(POLL)


# -- A trial --------------------------------------------------------------------------------------


def train(sweep: Sweep, trial: optuna.Trial) -> float | None:
    """Run the training of a trial in a process of its own, which may crash.

    Returns:
        The result, or `None` if there is none: its process failed or was killed, or another worker
        has the task.

    Raises:
        TrialPruned: after an epoch, Optuna's pruner gave it up.
    """
    task = trial.user_attrs.get("task")  # none if others emptied the queue meanwhile
    if task is None or counting(trial.study)[task].number != trial.number:
        trial.set_user_attr("task", None)
        return None
    trial.set_user_attr("host", socket.gethostname())
    settings = {name: suggest(trial, name, choice) for name, choice in sweep.choices.items()}
    folder = prepared(sweep, trial, task)
    command = command_of(sweep.example, [*sweep.flags, *as_flags(settings)], folder)
    with later_signals():  # else one could come before the `try` knows the process
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,  # without us as a reader, the process ends after its epoch
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
    try:
        said = follow(sweep, trial, process, folder)
    except KeyboardInterrupt:
        ignore_interrupts()  # so that the rest gets done
        trial.set_user_attr("interrupted", True)
        raise
    finally:
        process.terminate()  # its checkpoint, of the last epoch, stays
        process.communicate()
    if process.returncode:
        if 0 < process.returncode < 128:  # the others are signals, which may not come again
            trial.set_user_attr("error", said)
        return None
    [summary] = read_json(folder / "summary.json")
    trial.set_user_attr("best", summary[f"best_{sweep.result}"])
    if len(summary["runs"]) > 1:
        trial.set_user_attr("deviation", summary[f"final_{sweep.result}_deviation"])
    return summary[f"final_{sweep.result}"]


def suggest(trial: optuna.Trial, name: str, choice: Choice) -> Any:
    """Let Optuna give the value of a setting: what the sampler chooses, or the queue has."""
    if choice.kind == "categorical":
        return trial.suggest_categorical(name, choice.values)
    number = trial.suggest_int if choice.kind == "int" else trial.suggest_float
    return number(name, *choice.values, log=choice.log)


def prepared(sweep: Sweep, trial: optuna.Trial, task: int) -> Path:
    """Make the trial's folder, with the checkpoint of the task's last trial if there is one. That
    trial's process may still be writing in a folder of its own."""
    folder = sweep.folder(trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:  # of another study
        (folder / name).unlink(missing_ok=True)
    for before in reversed(trial.study.get_trials(deepcopy=False)):
        if before.user_attrs.get("task") == task and before.number < trial.number:
            with suppress(FileNotFoundError):  # it was killed early, or ran on another machine
                shutil.copy(sweep.folder(before.number) / "checkpoint.safetensors", folder)
                break
    return folder


def follow(sweep: Sweep, trial: optuna.Trial, process: Any, folder: Path) -> str:
    """Copy to log.txt what the process says, and report each epoch of the first run to Optuna.

    Returns:
        The last line, which says why where the process fails.

    Raises:
        TrialPruned: the pruner gives the trial up.
    """
    said, told, metrics = "it said nothing", 0, folder / "metrics.jsonl"
    with (folder / "log.txt").open("w") as log:
        for text in process.stdout:
            log.write(text)
            log.flush()
            said = text.strip() or said
            lines = read_json(metrics) if metrics.exists() else []
            new = [line for line in lines if not line["run"]][told:]
            for line in new:
                trial.report(line[sweep.metric.name], line["epoch"])
            told += len(new)
            if new and trial.should_prune():
                raise optuna.TrialPruned
    return said
