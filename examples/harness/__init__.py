"""What the examples share, so that each of them shows a model and its training, and little else.

command_line  flags, errors of one line, the exit status
session       a run: its seed, backend, checkpoints, and what it prints and writes
record        the measurements: losses, times, accuracies
training      optimizer, captured steps and validation, by the flags
files         checkpoints and metrics on disk
pictures      curves, and grids of images
text          what the examples about text read
schema        what these files must hold
results       what the trainings of assignment.py gave, in one file
report        what assignment.py says of them: answers, tables, pictures
page          the report as one page of HTML
launch        the first and the last moment of a program
processes     trainings in processes of their own
settings      what sweep.py tries, as its flags say it
trials        the trials of sweep.py, in the queue of a database
outcome       the table and the picture of sweep.py

An example imports this package before all else: from then on Ctrl-C ends the example with a line
and the exit status 130, also while the imports go on.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import suppress


def _hook(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """Say of an exception that nobody caught what Python says, but of an interrupt one line."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]
        return
    print(f"\n{os.path.basename(sys.argv[0])}: interrupted", file=sys.stderr, flush=True)
    os._exit(130)  # Python itself would end as killed by the signal


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """Repeat an interrupt that came while Python freed an object, and which Python ignores."""
    if issubclass(found.exc_type, KeyboardInterrupt):
        with suppress(RuntimeError):  # the program is at its end
            _thread.start_new_thread(_interrupt, ())
    else:
        sys.__unraisablehook__(found)


def _interrupt() -> None:
    time.sleep(0.01)  # until the object is freed
    if hasattr(signal, "pthread_kill"):  # which wakes a thread that sleeps, or waits for another
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


sys.excepthook = _hook
sys.unraisablehook = _unraisable
