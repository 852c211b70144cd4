"""Run the parts of the selftest in processes of their own, and write the report as they tell."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from gradcore.backends import default, get, names, problem

from .cases import LOST
from .parts import PARTS, SECONDS
from .report import TOO_LONG, Check, PartRun, Report

__all__ = ["Selftest", "selftest"]

ROOT = Path(__file__).parents[2]
QUICK_SECONDS = 120
START = 60  # seconds until the first case of a process may begin
MOMENT = 1.0  # between two writes of the report, in seconds


class Ended(BaseException):
    """The selftest is to end, for a signal of this number."""


class Process:
    """A process of a part, and the others that go on after it.

    Attributes:
        shard: which share of the part's cases it has, and of how many.
        begun: how many cases have begun in all of its processes.
        case: the one that runs, and when it began.
    """

    def __init__(self, part: str, shard: str, command: Sequence[str], environment: Any, told: Any):
        self.part, self.shard, self.command, self.told = part, shard, list(command), told
        self.environment = environment
        self.begun = 0
        self.start()

    def start(self) -> None:
        self.case, self.why, self.since = "", "", time.monotonic()
        self.said = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*self.command, "--skip", str(self.begun), "--shard", self.shard],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,  # which ends when this process does
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self.listen, args=(self.process,), daemon=True).start()

    def listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with suppress(ValueError):  # it is closed
            for line in process.stdout:
                self.told.put((self, line))
        self.told.put((self, ""))

    def kill(self, why: str = "") -> None:
        """End it and what it has started."""
        self.why = self.why or why
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def end(self) -> tuple[int, str]:
        """Wait for its end; give its exit status, and the last of what it said."""
        process = self.process
        try:
            process.wait(10)  # first: when standard input ends, the process ends itself
        except subprocess.TimeoutExpired:
            self.kill("it did not end")
        process.communicate()
        self.said.seek(0)
        with self.said:
            return self.process.returncode, "".join(self.said.readlines()[-25:])


class Selftest:
    """A test of one backend.

    Args:
        backend, device: as in `use_backend`.
        folder: for the report.
        quick: do a little of each part.
        seconds: for all of it; the parts' limits shrink in proportion.
        only: the names of parts; all, if there are none.
        jobs: how many processes run tests at once.

    Attributes:
        report: the results so far.

    Raises:
        ValueError: the backend has no such device, or there is no such part.
    """

    child = (sys.executable, "-m", "benchmarks.selftest.child")

    def __init__(
        self,
        backend: str,
        folder: Path,
        quick: bool = False,
        device: str | None = None,
        seconds: float | None = None,
        only: Sequence[str] = (),
        jobs: int | None = None,
    ) -> None:
        if unknown := [name for name in only if name not in PARTS]:
            raise ValueError(
                f"--only: there is no part {unknown[0]!r}; there are {', '.join(PARTS)}"
            )
        self.backend = get(backend, device)
        self.seconds = seconds or (QUICK_SECONDS if quick else SECONDS)
        self.parts = {name: part for name, part in PARTS.items() if not only or name in only}
        self.jobs = jobs or max(1, (os.cpu_count() or 1) - 3 * (len(self.parts) > 1))
        self.flags = ["--backend", backend, *["--quick"] * quick]
        of_device = ["--device", device] if device else []
        shown = f"python -m gradcore selftest {' '.join(self.flags + of_device)}"
        # Variables that make the device the first one say it to all libraries.
        self.flags += [] if self.backend.environment() else of_device
        shown += f" --seconds {seconds:g}" if seconds else ""
        self.report = Report(backend, quick, shown, folder, only, list(self.parts))
        self.told: queue.Queue[tuple[Process, str]] = queue.Queue()
        self.running: list[Process] = []
        self.counts: dict[str, Counter[str]] = {}  # of tests, by file
        self.number_of_tests: dict[str, int] = {}  # by shard

    def run(self) -> None:
        """Run the parts, the last ones side by side, and write the report as they go."""
        began = self.report.began
        end = began + self.seconds - 0.02 * self.seconds  # a little is for the end itself
        timely = [name for name, part in self.parts.items() if not part.is_last]
        last = [name for name, part in self.parts.items() if part.is_last]
        self.report.state = "running"
        try:
            for group in [*[[name] for name in timely], last]:
                self.run_group(group, end)
            self.report.state = "done"
        except Ended as signal_:
            name = signal.Signals(signal_.args[0]).name
            self.report.state = f"It was cut off by {name}{self.during()}."
            raise
        except KeyboardInterrupt:
            self.report.state = f"It was interrupted{self.during()}."
            raise
        except BaseException as error:
            self.report.state = f"It failed itself: {type(error).__name__}: {error}."
            raise
        finally:
            for process in self.running:
                process.kill()
            self.report.write()
            for process in self.running:
                process.end()

    def during(self) -> str:
        running = [name for name, part in self.report.parts.items() if part.state == "running"]
        return f" during {', '.join(running)}" if running else ""

    def run_group(self, group: list[str], end: float) -> None:
        """Run parts side by side until they are done, or their time is over."""
        began, deadlines = time.monotonic(), {}
        for name in group:
            part = self.parts[name]
            limit = part.limit * max(0.5, self.seconds / SECONDS)  # to start takes as long
            limit = end - began if part.is_last else min(limit, end - began)  # what others left
            self.report.parts[name] = shown = PartRun(part.about, max(0.0, limit))
            if limit <= 1:
                shown.state = "no time was left"
                continue
            print(f"{name} (at most {limit:.0f} s)", flush=True)
            deadlines[name] = began + limit
            command = [*self.child, name, *self.flags, "--seconds", f"{limit:.0f}"]
            environment = self.environment(part.is_wide)
            shards = self.jobs if part.is_wide else 1
            for k in range(shards):
                shard = f"{k}/{shards}"
                self.running.append(Process(name, shard, command, environment, self.told))
        written = 0.0
        while self.running:
            now = time.monotonic()
            for name in deadlines:
                if any(process.part == name for process in self.running):
                    self.report.parts[name].seconds = round(now - began, 1)
            if now - written > MOMENT:
                self.report.write()
                written = now
            for process in self.running:
                each = self.parts[process.part].each if process.case else START
                each = round(each * max(1.0, self.seconds / SECONDS))
                if now > deadlines[process.part]:
                    process.kill("the part's time was over")
                elif now - process.since > each:
                    process.kill(f"{TOO_LONG} {each} s")
            with suppress(queue.Empty):
                process, line = self.told.get(timeout=0.2)
                if line:
                    self.take(process, line)
                else:
                    self.ended(process, deadlines[process.part])
        for name in deadlines:
            self.tests_told(name)
        self.report.write()

    def environment(self, is_wide: bool) -> dict[str, str]:
        """The environment of a part's processes."""
        name = self.backend.name
        more = {"GRADCORE_BACKEND": name, "GRADCORE_FALLBACK": "0", "GRADCORE_OFFLINE": "1"}
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        more["PYTHONPATH"] = os.pathsep.join(path)
        more["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # of those that happen to be installed
        if is_wide:  # each of many processes has a core
            more |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        return {**os.environ, **more, **self.backend.environment()}

    def take(self, process: Process, line: str) -> None:
        """Take what a process tells."""
        told = json.loads(line)
        if "begin" in told:
            process.case, process.since = told["begin"], time.monotonic()
            process.begun += 1
        if "check" in told:
            self.report.add(Check(process.part, **told["check"]))
        if "tests" in told:
            self.number_of_tests.setdefault(process.shard, told["tests"])
        if "outcome" in told:
            self.counts.setdefault(told["file"], Counter())[told["outcome"]] += 1

    def ended(self, process: Process, deadline: float) -> None:
        """A process has ended: note why, and have another one go on with the next case."""
        (status, words), part = process.end(), self.report.parts[process.part]
        self.running.remove(process)
        is_over = process.why.startswith("the part")
        why = process.why or f"its process ended with {named(status)}"
        if status not in (0, LOST):
            known = self.report.checks.get((process.part, process.case))
            if known:  # it had told of something before
                why = f"{known.detail}; then {why}"
            found = Check(process.part, process.case or "all of it", None, why)
            if known:
                found.figures = known.figures
            if is_over and known:
                found.passed = known.passed
            elif not is_over:
                found.passed, found.text = False, words
            if process.case or not is_over:
                self.report.add(found)
        if is_over:
            part.state = "its time was over"
        elif status and process.case and time.monotonic() < deadline - 1:
            process.start()
            self.running.append(process)
        elif status and not process.case:
            part.state = "it could not begin"
        if part.state == "running" and not any(p.part == process.part for p in self.running):
            part.state = "done"

    def tests_told(self, part: str) -> None:
        """Make a check of each file of tests that has run, and one of all."""
        if part != "tests" or not self.number_of_tests:
            return
        for file, counts in sorted(self.counts.items()):
            told = ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
            self.report.add(Check(part, file, not counts["failed"], told, dict(counts)))
        done = sum(counts.total() for counts in self.counts.values())
        every = sum(self.number_of_tests.values())
        passed = None if done < every else True
        self.report.add(Check(part, "all files", passed, f"{done} of {every} tests were run"))


def named(status: int) -> str:
    """Name an exit status."""
    with suppress(ValueError):
        return signal.Signals(-status).name if status < 0 else f"status {status}"
    return f"status {status}"


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """Inside, signals that ask to end raise `Ended`."""

    def end(number: int, _: object) -> None:
        raise Ended(number)

    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {kind: signal.signal(kind, end) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def selftest(
    backend: str | None,
    out: Path,
    quick: bool = False,
    device: str | None = None,
    seconds: float | None = None,
    only: Sequence[str] = (),
    jobs: int | None = None,
) -> int:
    """Run the parts, and write the report to the folder `out` as they go.

    Args:
        backend: `None` for the default one.
        seconds, only, jobs: as in `Selftest`.

    Returns:
        The exit status: 0 if no check failed, 1 if one did, 2 if the backend can't run here or has
        no such device or nothing can be written to the folder, 130 if it was interrupted, 143 if
        it was terminated.
    """
    try:
        name = backend or default().name
        out.mkdir(parents=True, exist_ok=True)
        test = Selftest(name, out, quick, device, seconds, only, jobs)
        test.report.write()  # now, and not after 8 minutes
    except (ValueError, RuntimeError) as error:
        runs = [name for name in names() if not problem(name)]
        told = f"pass one that runs here, such as --backend {runs[0]}"
        if str(error).startswith("--only"):
            told = "separate them by commas"
        elif device and backend in runs:
            told = "leave --device out for the first one"
        flag = f"--device {device}: " if device else ""
        print(f"selftest: {flag}{error}; {told}", file=sys.stderr)
        return 2
    except OSError as error:
        why = error.strerror or error
        told = f"--out {out}: can't write there ({why}); pass another folder"
        print(f"selftest: {told}", file=sys.stderr)
        return 2
    report = test.report
    print(f"selftest of {name}: at most {test.seconds / 60:.3g} minutes", flush=True)
    status = 0
    with ending_by_signals():
        try:
            test.run()
        except KeyboardInterrupt:
            status = 130
        except Ended as ended:
            status = 128 + ended.args[0]
    failed, every = report.having(False), report.checks.values()
    for check in failed:
        print(f"FAILED {check.part}, {check.name}: {check.detail}"[:400])
    print(f"{len(failed)} of {len(every)} checks failed, {len(report.having(None))} were not run")
    print(f"The report: {report.files[0]} and {report.files[1]}")
    for line in report.advice():
        print(f"Next: {line}")
    if status:
        print(f"selftest: {report.state} The report has what was done", file=sys.stderr)
    return status or int(bool(failed))
