"""Which backends there are, which one is the default, and whose array is this?"""

from __future__ import annotations

import importlib
import os
import warnings
from importlib.metadata import entry_points
from types import TracebackType
from typing import Any

from .base import Array, Backend

BUILTIN = {
    "numpy": "gradcore.backends.numpy:NumpyBackend",
    "cupy": "gradcore.backends.cupy:CupyBackend",
    "strict": "gradcore.backends.strict:StrictBackend",
}
INSTALL = {
    "cupy": "pip install 'gradcore[cuda12]' (or [cuda13]; `nvidia-smi` shows the CUDA version)",
    "strict": "pip install array-api-strict",
}
LIBRARIES = {"numpy": "numpy", "cupy": "cupy", "array_api_strict": "strict"}

_instances: dict[tuple[str, Any], Backend] = {}
known: dict[type, Backend] = {}  # by array type, of those met so far; no types of scalars
_default: Backend | None = None


def names() -> list[str]:
    """Every backend's name: the built-in ones, then those that other packages registered."""
    return [*BUILTIN, *(name for name in _third_party() if name not in BUILTIN)]


def problem(name: str) -> str | None:
    """Why the backend `name` can't run here and what to do about it, or `None` if it can."""
    if name not in names():
        others = [f"{n} ({p})" if (p := problem(n)) else n for n in names()]
        return f"there is no backend {name!r}; installed: {', '.join(others)}"
    try:
        return _load(name).problem()
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed; {INSTALL.get(name, 'install the package it is in')}"
    except Exception as error:  # whatever an import of a broken installation raises
        return f"importing it failed with {type(error).__name__}: {error}"


def get(name: str, device: Any = None) -> Backend:
    """The backend `name` on `device` (`None`: its default device).

    Raises:
        RuntimeError: no such backend, or it can't run here; the message says why and what to do.
    """
    key = (name, device)
    if key not in _instances:
        reason = problem(name)
        if reason:
            unknown = name not in names()
            raise RuntimeError(reason if unknown else f"backend {name!r} can't run here: {reason}")
        _instances[key] = _load(name)(device)
    return _instances[key]


def default() -> Backend:
    """The backend of new arrays: the last `use_backend`, else GRADCORE_BACKEND, else `auto`."""
    global _default
    if _default is None:
        _default = _choose(os.environ.get("GRADCORE_BACKEND") or "auto", None)
    return _default


class use_backend:  # noqa: N801 (it is called like a function)
    """Make `name` the backend of new arrays, from now on or for the length of a `with` block.

    >>> use_backend("cupy", device=1)
    >>> with use_backend("numpy"):
    ...     x = gradcore.TensorNode([1.0, 2.0])

    Existing arrays stay where they are. Where CuPy can't run, one warning says why and NumPy is
    used, unless GRADCORE_FALLBACK=0.

    Raises:
        RuntimeError: no such backend, or it can't run here.
    """

    def __init__(self, name: str, device: Any = None) -> None:
        global _default
        self.previous = _default
        self.backend = _default = _choose(name, device)

    def __enter__(self) -> Backend:
        return self.backend

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        global _default
        _default = self.previous

    def __repr__(self) -> str:
        return f"using {self.backend}"


def backend_of(x: Array) -> Backend:
    """The backend whose array `x` is, on its default device: it gives namespace and kernels.

    Raises:
        TypeError: `x` is no array of any library that is known here.
    """
    try:
        return known[type(x)]
    except KeyError:
        return _meet(x)


def _third_party() -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group="gradcore.backends")}


def _load(name: str) -> type[Backend]:
    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].partition(":")
        loaded: type[Backend] = getattr(importlib.import_module(module), attribute)
    else:
        loaded = _third_party()[name].load()
    return loaded


def _choose(name: str, device: Any) -> Backend:
    """`get`, with `auto` and the fallback from CuPy to NumPy."""
    if name == "auto":
        return get("numpy" if problem("cupy") else "cupy", device)
    if name == "cupy" and os.environ.get("GRADCORE_FALLBACK") != "0" and (why := problem(name)):
        message = f"backend 'cupy' can't run here: {why}. NumPy runs instead (GRADCORE_FALLBACK=0"
        warnings.warn(f"{message} makes this an error)", RuntimeWarning, stacklevel=3)
        return get("numpy")
    return get(name, device)


def _meet(x: Array) -> Backend:
    """Find the backend of an array of a type that was not seen before, and remember it."""
    name = LIBRARIES.get(type(x).__module__.partition(".")[0])
    candidates = [name] if name else [n for n in names() if n not in BUILTIN and not problem(n)]
    for candidate in candidates:
        backend = get(candidate)
        if isinstance(x, backend.scalar_types):
            return backend
        if isinstance(x, backend.array_types):
            break
    else:
        backend = _generic(x)
    known[type(x)] = backend
    return backend


def _generic(x: Array) -> Backend:
    """A backend for any other array library that array_api_compat knows, such as torch."""
    import array_api_compat

    if isinstance(x, int | float | complex | str) or not array_api_compat.is_array_api_obj(x):
        raise TypeError(f"expected an array, not {type(x).__name__}")
    library = array_api_compat.array_namespace(x)
    attributes = {"name": library.__name__, "xp": library, "array_types": (type(x),)}
    return type("GenericBackend", (Backend,), attributes)()
