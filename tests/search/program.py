"""The first moment of a program of this folder: what ends it by accident is one line.

A program imports this module before all else that may be missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__: list[str] = []

PACKAGES = {"sklearn": "scikit-learn", "array_api_extra": "array-api-extra"}


def _hook(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """Say which package is missing, or that the program was interrupted; else what Python says."""
    name = Path(sys.argv[0]).name
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        print(
            f"{name} needs {missing}: pip install {PACKAGES.get(missing, missing)}", file=sys.stderr
        )
    elif isinstance(error, KeyboardInterrupt):
        print(f"\n{name}: interrupted; the same command starts it anew", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]


sys.excepthook = _hook
