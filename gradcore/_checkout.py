"""Let `import gradcore` work in a checkout that is not installed.

The backends lie in a folder beside gradcore/, at the top of the repository, and setuptools
installs them as gradcore/backends. In a checkout, this file makes `gradcore.backends` the folder
beside.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

__all__: list[str] = []

NEEDED = {"numpy": "numpy", "array_api_compat": "array-api-compat"}

if importlib.util.find_spec("gradcore.backends") is None:
    missing = [package for name, package in NEEDED.items() if not importlib.util.find_spec(name)]
    if missing:
        says = f"gradcore needs more: pip install {' '.join(missing)}"
        if sys.argv[:1] == ["-m"]:  # `python -m gradcore`, for which this line is enough
            sys.exit(says)
        raise ModuleNotFoundError(says)
    spec = importlib.util.spec_from_file_location(
        "gradcore.backends", Path(__file__).parents[1] / "backends" / "__init__.py"
    )
    assert spec
    assert spec.loader
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
