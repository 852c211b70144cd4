"""Find backends: by name, by default, or by the type of an array."""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from difflib import get_close_matches
from numbers import Number
from operator import getitem
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import array_api_compat
import numpy as np

from .base import Backend
from .contexts import Block, value_in
from .distributed import local_rank
from .ownership import holders
from .types import Array, DType

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "BACKEND_OF_TYPE",
    "BUILTIN",
    "SCALARS",
    "backend_of",
    "default",
    "get",
    "names",
    "problem",
    "use_backend",
]


class Builtin(NamedTuple):
    where: str  # the module in this package, and the class in that module
    library: str  # the name of the library's module
    install: str  # how to install the library, for error messages
    computes: bool = True  # or do its arrays only note what is to be computed?


BUILTIN = {
    "numpy": Builtin("numba.backend:CHOSEN", "numpy", "pip install numpy"),
    "cupy": Builtin(
        "cupy:CupyBackend",
        "cupy",
        "pip install 'cupy-cuda12x[ctk]' (NVIDIA driver 525 or newer) or 'cupy-cuda13x[ctk]' "
        "(580 or newer)",
    ),
    "torch": Builtin("torch:TorchBackend", "torch", "pip install torch"),
    "jax": Builtin("jax:JaxBackend", "jax", "pip install jax"),
    "mlx": Builtin("mlx:MlxBackend", "mlx", "pip install mlx (on Linux 'mlx[cpu]')"),
    "dpnp": Builtin("dpnp:DpnpBackend", "dpnp", "pip install dpnp intel-opencl-rt"),
    "onnx": Builtin("onnx:OnnxBackend", "ndonnx", "pip install 'gradcore[onnx]'", computes=False),
    "strict": Builtin("strict:StrictBackend", "array_api_strict", "pip install array-api-strict"),
}
_ALIASES = {"cuda": "cupy", "gpu": "cupy", "cpu": "numpy", "mps": "torch:mps", "xpu": "torch:xpu"}
PACKAGE = __name__.partition(".")[0]
DOCTOR = f" (`python -m {PACKAGE} doctor` says more)"

BACKEND_OF_TYPE: dict[type, Backend] = {}  # of array types met so far; no types of scalars
SCALARS: dict[type, Backend] = {}  # of types that come in as an array of another type

_loaded: dict[str, type[Backend] | Exception] = {}  # the class, or the error of its import
_instances: dict[tuple[str, str], Backend] = {}  # by name and device
_default: Backend | None = None  # where nobody chose one
_choices: list[use_backend] = []  # the calls of `use_backend` outside of blocks; the last counts
_chosen: ContextVar[Any] = ContextVar("chosen", default=_choices)  # the calls in a block, or these
_warned: set[str] = set()


def names() -> list[str]:
    """List the name of every backend that computes: the built-in ones, those that other packages
    registered, and the libraries whose arrays were met although nobody registered them.

    Example:
        >>> "numpy" in gradcore.backends.names(), "cupy" in gradcore.backends.names()
        (True, True)
    """
    every = dict.fromkeys([*BUILTIN, *_third_party(), *_loaded])
    return [name for name in every if name not in BUILTIN or BUILTIN[name].computes]


def problem(name: str) -> str | None:
    """Say why the backend `name` can't run here and what to do about it; `None` if it can.

    Example:
        >>> print(gradcore.backends.problem("numpy"))  # of "cupy" without a GPU: why, what to do
        None
    """
    if not _exists(name):
        alias = _ALIASES.get(str(name))
        if near := [alias] if alias else get_close_matches(str(name), names(), 1):
            return f"there is no backend {name!r}; did you mean {near[0]!r}?{DOCTOR}"
        runs = [n for n in names() if not problem(n)]
        return f"there is no backend {name!r}; these run here: {', '.join(runs)}{DOCTOR}"
    loaded = _load(name)
    if not isinstance(loaded, Exception):
        try:
            return loaded.problem()
        except Exception as error:  # a third party's mistake is no reason for a traceback
            return f"its check of this machine failed with {type(error).__name__}: {error}"
    builtin = BUILTIN.get(name)
    if builtin and isinstance(loaded, ModuleNotFoundError) and loaded.name == builtin.library:
        return f"{builtin.library} is not installed; {builtin.install}"
    cause: BaseException = loaded
    while cause.__cause__:
        cause = cause.__cause__
    message = textwrap.shorten(str(cause).strip("\n =-"), 300, placeholder=" ...")
    advice = f"; if it is broken, uninstall it, then {builtin.install}" if builtin else ""
    return f"importing it failed with {type(cause).__name__}: {message}{advice}"


def get(name: str, device: Any = None) -> Backend:
    """Give the backend `name` on `device` (`None`: its default device). A name may have the device
    in it: "torch:mps", "cupy:1".

    Raises:
        ValueError: there is no such backend or device; the message says which there are.
        RuntimeError: the backend can't run here; the message says why and what to do. If its import
            failed, the exception that the import raised is the cause.

    Example:
        >>> numpy = gradcore.backends.get("numpy")
        >>> print(numpy.asarray([1, 2]))
        [1 2]
    """
    name, device = _with_device(name, device)
    if (name, str(device)) not in _instances and (why := problem(name)):
        if not _exists(name):
            raise ValueError(why)
        loaded = _load(name)
        cause = loaded if isinstance(loaded, Exception) else None
        raise RuntimeError(f"backend {name!r} can't run here: {why}{DOCTOR}") from cause
    return _instance(name, device)


def _with_device(name: str, device: Any) -> tuple[str, Any]:
    """Take the device out of a name such as "cupy:1".

    Raises:
        ValueError: there is another device, too.
    """
    name, _, named = str(name).partition(":")
    if named and device is not None and str(device) != named:
        raise ValueError(f"backend '{name}:{named}' names a device, and device={device!r} another")
    return name, named or device


def default() -> Backend:
    """Give the backend of new arrays: the last `use_backend`, else GRADCORE_BACKEND, else `auto`.

    Raises:
        ValueError: GRADCORE_BACKEND names no backend.
        RuntimeError: the backend that GRADCORE_BACKEND names can't run here.

    Example:
        >>> with gradcore.use_backend("numpy"):
        ...     print(gradcore.backends.default().name)
        numpy
    """
    global _default
    if choices := _choices_here():
        return choices[-1].backend
    if _default is None:
        name = os.environ.get("GRADCORE_BACKEND") or "auto"
        try:
            _default = _choose(name, None)
            _default.make_current()
        except (ValueError, RuntimeError) as error:
            kind = ValueError if isinstance(error, ValueError) else RuntimeError
            raise kind(f"GRADCORE_BACKEND={name}: {error}") from error
    return _default


class use_backend:  # noqa: N801 (it is called like a function)
    """Make `name`, or a backend that `get` gave, that of new arrays, from now on or for the length
    of a `with` block.

        gradcore.use_backend("cupy", device=1)  # or "cupy:1"

    A block is for the thread or task, and in a generator for the code of the generator, that it is
    in; a call inside holds to the end of the block. A call outside of blocks is for all threads.

    Existing arrays stay where they are. "auto" is CuPy if a GPU answers, else NumPy. Where CuPy
    is asked for and can't run, one warning says why and NumPy is used, unless
    GRADCORE_FALLBACK=0.

    Raises:
        ValueError: there is no such backend or device.
        RuntimeError: the backend can't run here.

    Example:
        >>> with gradcore.use_backend("numpy"):
        ...     x = TensorNode([1.0, 2.0])
        >>> type(x.value).__name__
        'ndarray'
    """

    def __init__(self, name: str | Backend, device: Any = None) -> None:
        self.backend = _choose(name, device)
        self._undo: Callable[[], object] = self.backend.make_current()
        self._blocks: list[tuple[Block, int, Callable[[], object]]] = []
        self._choices = _choices_here()
        # What only the list holds can be entered by nobody, and counts before all that is older.
        for i in reversed(range(len(self._choices))):
            if holders(self._choices, i, getitem) == 1:
                del self._choices[:i]
                break
        self._choices.append(self)

    def __enter__(self) -> Backend:
        if self in self._choices:  # what `__init__` chose counts in the block only
            self._choices.remove(self)
        else:
            self._undo = self.backend.make_current()
        block = Block(_chosen, [self], sys._getframe(1))
        self._blocks.append((block, get_ident(), self._undo))
        return self.backend

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        block, thread, undo = self._blocks.pop()
        block.leave()
        if thread == get_ident():  # a library's current device is that of a thread
            undo()

    def __repr__(self) -> str:
        return f"using {self.backend}"


def _choices_here() -> list[use_backend]:
    """The calls of `use_backend` in the innermost block here, or outside of blocks."""
    return value_in(_chosen.get())


def backend_of(x: Array) -> Backend:
    """Find the backend of the array `x`, by its type; the backend's device is the default one.

    Raises:
        TypeError: `x` is no array of a library that gradcore or array_api_compat knows.

    Example:
        >>> gradcore.backends.backend_of(np.ones(3)).name
        'numpy'
    """
    try:
        return BACKEND_OF_TYPE[type(x)]
    except KeyError:
        return SCALARS.get(type(x)) or _meet(x)


Backend._backend_of = backend_of  # base.py can't import it: this file imports base.py


@functools.cache  # reading the metadata of every installed package takes long
def _third_party() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 20 ms, with the modules for e-mail it imports

    return {entry.name: entry for entry in entry_points(group="gradcore.backends")}


def _exists(name: str) -> bool:
    return name in BUILTIN or name in _loaded or name in _third_party()


def _load(name: str) -> type[Backend] | Exception:
    """Import the class of the backend `name`; give the exception if that raises one."""
    if name not in _loaded:
        try:
            _loaded[name] = _import(name)
        except ModuleNotFoundError as error:
            return error  # not kept: the library may be installed before the next call
        except Exception as error:
            _loaded[name] = error
    return _loaded[name]


def _import(name: str) -> type[Backend]:
    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].where.partition(":")
        loaded = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    else:
        loaded = _third_party()[name].load()
        if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
            raise TypeError(f"expected a subclass of {PACKAGE}.backends.Backend, found {loaded!r}")
        if getattr(loaded, "name", None) != name:
            raise TypeError(f"expected {loaded.__name__}.name = {name!r}, as it is registered")
    return loaded


def _instance(name: str, device: Any = None) -> Backend:
    key = (name, str(device))  # `str`, as CuPy's devices are not hashable
    if key not in _instances:
        loaded = _load(name)
        if isinstance(loaded, Exception):
            raise loaded
        _instances[key] = loaded(device)
    return _instances[key]


def _choose(name: str | Backend, device: Any) -> Backend:
    """Get a backend as `get` does, but also "auto", and NumPy in place of a CuPy that can't run."""
    if isinstance(name, Backend):
        return name
    name, device = _with_device(name, device)
    if name in BUILTIN and not BUILTIN[name].computes:
        runs = ", ".join(n for n in names() if not problem(n))
        raise ValueError(
            f"arrays of {name!r} only note what a file is to compute; choose one that computes "
            f"({runs}), and write the file by {PACKAGE}.export(model, example, path)"
        )
    if name == "auto":
        return get("numpy") if problem("cupy") else _of_process(get("cupy", device))
    if name == "cupy" and os.environ.get("GRADCORE_FALLBACK") != "0" and (why := problem(name)):
        message = f"backend 'cupy' can't run here: {why}{DOCTOR}. NumPy runs instead"
        _warn_once(f"{message}; GRADCORE_FALLBACK=0 makes this an error")
        return get("numpy")
    return _of_process(get(name, device))


def _of_process(backend: Backend) -> Backend:
    """Give the backend on the device of this process, if a launcher has started several on this
    machine and nobody has named a device."""
    rank = local_rank()
    device = None if rank is None else backend.device_of(rank)
    return backend if device is None else get(backend.name, device)


def _warn_once(message: str) -> None:
    """Warn once in a process, and name the user's line as the place, not one of gradcore's."""
    if message in _warned:
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)
    _warned.add(message)


def _meet(x: Array) -> Backend:
    """Find the backend of an array whose type was not met before, and remember it."""
    kind = type(x)
    libraries = [base.__module__.partition(".")[0] for base in kind.__mro__]
    ours = {entry.library: name for name, entry in BUILTIN.items()}
    if PACKAGE in libraries:
        raise TypeError(f"expected an array, not a {kind.__name__}; take its .value")
    if libraries[0] != "builtins":
        builtin = [ours[library] for library in dict.fromkeys(libraries) if library in ours]
        for name in builtin if libraries[0] in ours else [*_third_party(), *builtin]:
            loaded = _load(name)
            if isinstance(loaded, Exception):
                continue
            if isinstance(x, loaded.scalar_types):
                SCALARS[kind] = _instance(name)
                return SCALARS[kind]
            if isinstance(x, loaded.array_types):
                is_taken = loaded.takes_subclasses or kind in loaded.array_types
                known = BACKEND_OF_TYPE if is_taken else SCALARS
                known[kind] = _instance(name)
                return known[kind]
    if libraries[0] == "builtins" or not array_api_compat.is_array_api_obj(x):
        makes = "; gradcore.asarray makes one" if isinstance(x, (list, tuple, Number)) else ""
        raise TypeError(f"expected an array, not {kind.__name__}{makes}")
    name = libraries[0]
    if not _exists(name):
        # Take all classes of that library which `kind` has, such as torch's Parameter and Tensor.
        types = tuple(b for b, n in zip(kind.__mro__, libraries, strict=True) if n == name)
        attributes = {"name": name, "xp": array_api_compat.array_namespace(x), "array_types": types}
        _loaded[name] = type("GenericBackend", (Generic,), attributes)
    BACKEND_OF_TYPE[kind] = get(name)
    return BACKEND_OF_TYPE[kind]


class Generic(Backend):
    """Wrap a library that nobody registered, but that array_api_compat knows, such as torch."""

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        x = np.require(x, requirements=["C", "W"])  # torch refuses or warns of others
        return super().from_numpy(x, dtype)

    def to_numpy(self, x: Array) -> np.ndarray:
        x = x.detach() if hasattr(x, "detach") else x  # torch refuses what requires a gradient
        if re.search("bfloat|float8", str(x.dtype)):  # which NumPy has not; float32 holds them all
            x = self.xp.astype(x, self.xp.float32)
        on_cpu = x.__dlpack_device__()[0] == 1
        return super().to_numpy(x if on_cpu else array_api_compat.to_device(x, "cpu"))
