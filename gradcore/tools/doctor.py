"""Report what runs on this machine, what doesn't, and what to do: `python -m gradcore doctor`."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ..backends import default, get, names, problem, use_backend
from ..backends.numba import loading
from ..functions.activations import logsoftmax
from ..functions.losses import logceloss
from ..graph import TensorNode
from ..ops import MatrixMultiply

__all__ = ["VARIABLES", "doctor"]

VARIABLES = {  # those that gradcore reads, and their meanings
    "GRADCORE_BACKEND": "the default backend, perhaps with a device: torch:mps",
    "GRADCORE_CHROMIUM": "the browser of the tests of pages",
    "GRADCORE_COMPILE": "fx or inductor: what PyTorch makes of captured steps on a CPU",
    "GRADCORE_CONV": "windows, implicit or cudnn: how CuPy convolves",
    "GRADCORE_DATA": "a folder with datasets",
    "GRADCORE_DETERMINISTIC": "1: on CuPy, the same bits in every run",
    "GRADCORE_FALLBACK": "0: an error where CuPy is asked for and can't run",
    "GRADCORE_FAST": "0: NumPy without the kernels that numba compiles",
    "GRADCORE_OFFLINE": "1: no downloads",
    "GRADCORE_STALL": "seconds that a process waits for the others of `mpirun`",
    "GRADCORE_TEST_BACKENDS": "what the tests run on",
    "GRADCORE_TEST_PASSED": "a file of tests that have passed, to leave out",
}
_OTHER_VARIABLES = re.compile(
    "CUDA_(LAUNCH_BLOCKING|PATH|VISIBLE_DEVICES)|(CUPY|JAX|PYTORCH)_[A-Z0-9_]+|XLA_FLAGS|"
    "[A-Z]+_NUM_THREADS"
)
# The packages that `import cupy` may find; two of them break each other.
_CUPY = re.compile(r"cupy|cupy-cuda\d+x?|cupy-rocm-[\d-]+|amd-cupy")


class _Advice(str):
    """A line that says what to do; it stands at the end of the report again."""


def doctor() -> int:
    """Print the report, and at the end what to do next. Return 0 if the default backend works, else
    1."""
    works: set[str] = set()
    chosen = None
    advice: list[str] = []
    sections = {
        "Versions": _versions(),
        "Backends": _backends(),
        "GPU": _gpu(),
        "Environment variables": _environment(),
        "Data": _data(),
        "Optional packages": _optional(),
        "One training step": _training(works),
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for title, lines in sections.items():
            print(title, flush=True)
            try:
                for line in lines:
                    _print(line)
                    if isinstance(line, _Advice):
                        advice.append(line)
            except Exception as error:  # a check that fails must not hide the rest
                _print(f"this check failed: {_short(error)}")
            for warning in caught:
                _print(f"warning: {warning.message}")
            caught.clear()
        with contextlib.suppress(Exception):  # the section "Backends" tells why
            chosen = default().name
    if chosen not in works:
        print("The default backend fails.")
        otherwise = "read why in the section Backends, or set GRADCORE_BACKEND=numpy"
        return _end(advice or [otherwise], 1)
    print(f"The default backend, {chosen}, works." if advice else f"All is well, on {chosen}.")
    if chosen == "numpy" and not find_spec("numba"):
        advice.append("numba makes most trainings on the CPU faster: pip install numba")
    return _end([*advice, _first_program()], 0)


def _end(advice: list[str], status: int) -> int:
    """Print what to do next."""
    print("Next:")
    for line in advice:
        _print(line)
    return status


def _first_program() -> str:
    """Name the program to run once all is well."""
    example = Path(__file__).parents[2] / "examples" / "mnist.py"
    if example.exists():
        with contextlib.suppress(ValueError):  # in another folder
            example = example.relative_to(Path.cwd())
        return f"`python {example} --epochs 2` trains a network on MNIST, in a minute or two"
    return "the tutorials, https://gradcore.readthedocs.io/, begin with a first gradient"


def _versions() -> Iterator[str]:
    """List gradcore, Python and the packages that gradcore needs, with their versions."""
    yield f"gradcore {_version('gradcore') or '(not installed)'} in {Path(__file__).parents[1]}"
    python = f"Python {platform.python_version()} ({sys.executable})"
    yield f"{python} on {platform.platform()}, {os.cpu_count()} processors"
    needs = ("numpy", "array-api-compat", "platformdirs")
    yield ", ".join(f"{package} {_version(package) or '(not installed)'}" for package in needs)


def _backends() -> Iterator[str]:
    """Say of each backend whether it runs, and on what; then which is the default, and why."""
    for name in names():
        if why := problem(name):
            yield f"{name:8} can't run: {why}"
            continue
        try:
            backend = get(name)
            yield f"{name:8} runs on {backend.describe_device()}, by {backend.describe_library()}"
            if memory := backend.describe_memory():
                yield f"{'':8} memory: {memory}"
        except Exception as error:
            yield f"{name:8} can't start: {_short(error)}"
    if loading.problem() is None and (loops := loading.kernels()):
        folder = loops.sgd.stats.cache_path
        yield f"kernels are kept in {folder}; `python -m gradcore warm` compiles all of them"
    elif loading.problem() is None:
        yield _Advice("numba is broken: pip install --upgrade numba, or pip uninstall numba")
    wanted = os.environ.get("GRADCORE_BACKEND") or "auto"
    try:
        backend = default()
        why = f"as GRADCORE_BACKEND={wanted} says"
        if wanted == "auto":
            why = "chosen by itself: CuPy where a GPU answers, else NumPy"
        elif wanted.partition(":")[0] != backend.name:
            why = f"in place of GRADCORE_BACKEND={wanted}"
        yield f"default: {backend}, {why}"
    except Exception as error:
        yield f"default: none; {error}"
        runs = [name for name in names() if not problem(name)]
        yield _Advice(f"set GRADCORE_BACKEND to one that runs: {', '.join(runs)}; or unset it")


def _gpu() -> Iterator[str]:
    """List the GPUs and their driver, the CuPy that is installed, and the CuPy that fits."""
    if sys.platform == "darwin":
        yield f"macOS has no CUDA; {_other_gpus()}"
        return
    gpus, why = _nvidia_smi("name,driver_version")
    for gpu in gpus:
        yield "{}, NVIDIA driver {}".format(*gpu)
    if why:
        yield why
    cuda = _best_cuda([driver for _, driver in gpus])
    install = f"pip install 'cupy-cuda{cuda or 12}x[ctk]'"
    installed = sorted(
        {name for d in metadata.distributions() if _CUPY.fullmatch(name := d.name.lower())}
    )
    if len(installed) > 1:
        yield _Advice(
            f"{' and '.join(installed)} are installed and break one another: "
            f"pip uninstall -y {' '.join(installed)}, then {install}"
        )
    elif installed:
        yield f"{installed[0]} {_version(installed[0])} is installed"
        wheel = re.fullmatch(r"cupy-cuda(\d+)x", installed[0])
        if cuda and wheel and int(wheel[1]) > cuda:
            remove = f"pip uninstall -y {installed[0]}"
            yield _Advice(f"it is too new for this driver or GPU: {remove}, then {install}")
        elif gpus and (problem_here := problem("cupy")):
            yield _Advice(f"CuPy can't run: {problem_here}")
        elif not gpus:
            yield "without an NVIDIA GPU and its driver CuPy can't run; NumPy does the work"
        else:
            yield _cudnn()
    elif gpus and cuda:
        yield _Advice(f"CuPy is not installed: {install}")
    elif gpus:
        old = "this driver is too old for CuPy"
        yield _Advice(f"{old}: update it to 525 or newer, then {install}")
    else:
        yield f"without an NVIDIA GPU, NumPy does the work; {_other_gpus()}"


def _other_gpus() -> str:
    """Say how to compute on GPUs that CuPy does not know."""
    install = "pip install torch, then " if problem("torch") else ""
    return (
        "on GPUs of Apple, AMD and Intel the backend torch computes: "
        f"{install}GRADCORE_BACKEND=torch:mps (Apple), torch:cuda (AMD) or torch:xpu (Intel)"
    )


def _cudnn() -> str:
    """Say that convolutions are computed by cuDNN, or what to do so that they are."""
    from ..backends.cupy.cudnn import Cudnn

    found = Cudnn()
    if why := found.problem():
        return _Advice(f"convolutions are slower than with cuDNN: {why}")
    return f"cuDNN {found.version()} computes convolutions where it is the fastest"


def _best_cuda(drivers: list[str]) -> int | None:
    """Find the CUDA version whose CuPy fits these drivers, and the GPUs, best."""
    oldest = min((int(driver.partition(".")[0]) for driver in drivers), default=0)
    if oldest >= 580:
        # CUDA 13 does not run on GPUs before Turing.
        capabilities, _ = _nvidia_smi("compute_cap")
        old = [c for (c,) in capabilities if re.fullmatch(r"[\d.]+", c) and float(c) < 7.5]
        return 12 if old else 13
    return 12 if oldest >= 525 else None


def _nvidia_smi(query: str) -> tuple[list[list[str]], str]:
    """Ask the driver's own tool: a row for each GPU, or why there is none."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        return [], "there is no `nvidia-smi`, so probably no NVIDIA driver"
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"`nvidia-smi` failed: {_short(error)}"
    if done.returncode:
        return [], f"`nvidia-smi` failed: {(done.stdout + done.stderr).strip()}"
    rows = [line.split(", ") for line in done.stdout.splitlines() if line]
    return rows, "" if rows else "`nvidia-smi` shows no GPU"


def _environment() -> Iterator[str]:
    """List the environment variables that matter, and those of gradcore that are not set."""
    for name, value in sorted(os.environ.items()):
        if name in VARIABLES:
            yield f"{name}={value} ({VARIABLES[name]})"
        elif name.startswith("GRADCORE_"):
            near = get_close_matches(name, VARIABLES, 1)
            meant = f"did you mean {near[0]}?" if near else "unset it"
            yield _Advice(f"{name}={value} is unknown to gradcore; {meant}")
        elif _OTHER_VARIABLES.fullmatch(name):
            yield f"{name}={value}"
    unset = [f"{name} ({what})" for name, what in VARIABLES.items() if name not in os.environ]
    if unset:
        yield f"not set: {', '.join(unset)}"


def _data() -> Iterator[str]:
    """List the folders where `gradcore.data` looks, in its order."""
    try:
        from platformdirs import user_cache_dir
    except ModuleNotFoundError:
        yield "cache: none without platformdirs; pip install platformdirs"
        cache = None
    else:
        cache = user_cache_dir("gradcore")
    for place, folder in (("GRADCORE_DATA", os.environ.get("GRADCORE_DATA")), ("cache", cache)):
        if folder:
            path = Path(folder)
            try:
                path = path.expanduser()
                full = [e.name for e in path.iterdir() if not e.is_dir() or any(e.iterdir())]
                found = ", ".join(sorted(full)[:8]) or "empty"
            except (OSError, RuntimeError) as error:  # RuntimeError: there is no such home folder
                found = getattr(error, "strerror", None) or str(error)
            yield f"{place}: {path} ({found})"
            if place == "cache" and (why := _unwritable(path)):
                yield _Advice(
                    f"no dataset can be kept in the cache {path} ({why}): set GRADCORE_DATA to a "
                    "folder with datasets, or XDG_CACHE_HOME to a folder for caches"
                )


def _unwritable(path: Path) -> str:
    """Say why no file can be written in a folder, which need not exist yet; nothing if it can."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        with tempfile.TemporaryFile(dir=path):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _optional() -> Iterator[str]:
    """List the optional packages, by extra, and how to install those that are missing."""
    extras: dict[str, dict[str, str | None]] = {}
    if not _version("gradcore"):
        yield _Advice(
            "gradcore itself is not installed: pip install -e . in the folder of pyproject.toml"
        )
        return
    for requirement in metadata.requires("gradcore") or ():
        match = re.match(r"""([\w.-]+).*extra == ["'](\w+)["']""", requirement)
        if match and match[1] != "gradcore" and not match[1].startswith("cupy"):
            extras.setdefault(match[2], {})[match[1]] = _version(match[1])
    for extra, packages in extras.items():
        there = [f"{name} {version}" for name, version in packages.items() if version]
        missing = [name for name, version in packages.items() if not version]
        advice = [f"not installed: pip install {' '.join(missing)}"] if missing else []
        yield f"{extra:8} {'; '.join([', '.join(there)] * bool(there) + advice)}"


def _training(works: set[str]) -> Iterator[str]:
    """Take a training step on each backend; add those that compute it right to `works`."""
    for name in names():
        if problem(name):
            continue
        try:
            before, after = _train(name)
        except Exception as error:
            yield f"{name:8} failed: {_short(error)}"
            continue
        # The numbers were computed in float64.
        right = abs(before - 2.01135) < 1e-3 and abs(after - 1.50603) < 1e-3
        yield f"{name:8} loss {before:.4f}, then {after:.4f}: {'ok' if right else 'WRONG'}"
        if right:
            works.add(name)


def _train(name: str) -> tuple[float, float]:
    """Fit three points by logistic regression; return the loss before and after one step."""
    with use_backend(name) as backend:
        x = backend.asarray([[0.5, -1.0], [1.5, 2.0], [-0.5, 0.25]])
        targets = backend.asarray([0, 1, 1])
        w = TensorNode([[0.1, -0.2], [0.3, 0.4]])
        before = logceloss(logsoftmax(MatrixMultiply.do_forward(x, w)), targets)
        before.backward()
        w.value = w.value - 0.1 * w.grad
        after = logceloss(logsoftmax(MatrixMultiply.do_forward(x, w)), targets)
        return float(before), float(after)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _print(line: str) -> None:
    """Print a text in lines of readable length, and don't break the commands in it. Characters that
    a terminal would follow, as in a folder's name, are escaped."""
    line = textwrap.shorten(line, 1000, placeholder=" ...") if "\n" in line else line
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    command = r"pip (un)?install( -y)?( '[^']*'| [\w-]+)*|`[^`]*`"
    line = re.sub(command, lambda match: match[0].replace(" ", "\0"), line)
    wrapper = textwrap.TextWrapper(
        100, "  ", " " * 11, break_long_words=False, break_on_hyphens=False
    )
    print(wrapper.fill(line).replace("\0", " "), flush=True)
