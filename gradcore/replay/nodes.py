"""Find the nodes that a step may change: before it is recorded, and while its ops run.

A record starts each replay from the values and gradients that these nodes had before the step. So
it must know the nodes before the step's first line runs: once a line such as `p.value = ...` has
run, nothing tells what the value was, nor whether the node is older than the step.
"""

from __future__ import annotations

import dis
import gc
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from threading import get_ident
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any
from weakref import ref

from ..backends import BACKEND_OF_TYPE, Array
from ..graph import Op, OpNode, TensorNode

__all__ = [
    "INSTALLED",
    "SeenInputs",
    "instructions",
    "is_array",
    "libraries",
    "reached",
    "users_line",
]

STANDARD_LIBRARY = os.path.dirname(os.__file__)
INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def is_array(x: object) -> bool:
    return type(x) in BACKEND_OF_TYPE


def libraries() -> set[str]:
    """Name the packages whose code is not the user's: gradcore, and the libraries of arrays."""
    # A type that the user derived from a library's is in BACKEND_OF_TYPE too, but not among these.
    kinds = {kind for backend in BACKEND_OF_TYPE.values() for kind in backend.array_types}
    arrays = {kind.__module__.partition(".")[0] for kind in kinds}
    others = {"array_api_compat", "cupyx", "numba", "numpy", "spox"}
    return {__name__.partition(".")[0], *others, *arrays}


def users_line(frames: Iterable[tuple[FrameType, int]]) -> str:
    """Name the innermost line that is in no library: the user's own. Empty if there is none.

    Args:
        frames: with their lines, the outermost first, as `traceback.walk_tb` gives them.
    """
    names_of_libraries = libraries()
    found = [
        (frame.f_code.co_filename, line)
        for frame, line in frames
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in names_of_libraries
        and not frame.f_code.co_filename.endswith(".pyx")  # libraries' parts in Cython
    ]
    return "{}, line {}".format(*found[-1]) if found else ""


def reached(*roots: object, kinds: tuple[type, ...] = (TensorNode,)) -> set[Any]:
    """Find all objects of these kinds that can be reached from the roots.

    The search follows every reference from object to object: attributes, entries of containers,
    closures, default arguments, `self` of bound methods. From a function it goes on to the globals
    that its code names, from a module to all that is in the module. It stops at arrays, and at the
    globals and classes of packages in which no nodes are, but ways to everything else, as
    `typing.Generic` knows all classes that derive from it: see `Packages`.
    """
    found = set[Any]()
    visited = dict[int, object]()  # by id; holding the objects keeps their ids from being reused
    packages = Packages()
    left: list[object] = list(roots)
    while left:
        x = left.pop()
        if id(x) in visited:
            continue
        visited[id(x)] = x
        kind = type(x)  # not isinstance, which asks a weakref.proxy for the class of its object
        if issubclass(kind, kinds):
            found.add(x)
        if issubclass(kind, FunctionType):
            left += _held_by(x, packages)  # type: ignore[arg-type]
        elif issubclass(kind, ModuleType):
            if not packages.end_at(vars(x)):
                left += vars(x).values()
        elif issubclass(kind, type) and packages.end_at_class(x):
            continue
        elif not is_array(x):
            left += gc.get_referents(x)
            if issubclass(kind, ref):
                left.append(ref.__call__(x))  # type: ignore[arg-type]
    return found


def _held_by(function: FunctionType, packages: Packages) -> list[object]:
    """List what a function holds, with those globals that its code names."""
    held: list[object] = [
        function.__closure__,
        function.__defaults__,
        function.__kwdefaults__,
        function.__dict__,
    ]
    if not packages.end_at(function.__globals__):
        for at in instructions(function):
            if at.opname == "LOAD_GLOBAL":
                held.append(function.__globals__.get(at.argval))
            elif at.opname == "IMPORT_NAME":  # inside the function
                held.append(sys.modules.get(at.argval))
    return held


def instructions(function: FunctionType) -> Iterator[dis.Instruction]:
    """List the instructions of a function, and of those that are defined inside it."""
    codes = [function.__code__]
    for code in codes:
        codes += [x for x in code.co_consts if isinstance(x, CodeType)]
        yield from dis.get_instructions(code)


class Packages:
    """Tells at which modules the search ends: those of Python, of `libraries()`, and of installed
    packages that use nothing of gradcore's, so that no node is in their globals."""

    def __init__(self) -> None:
        self.known = dict.fromkeys(libraries(), True)  # by the package's name

    def end_at(self, module: dict[str, Any]) -> bool:
        """Tell by a module's dictionary whether the search ends there."""
        name, file = str(module.get("__name__")).partition(".")[0], str(module.get("__file__"))
        if name in sys.stdlib_module_names:  # or a file of the user's with such a name, as code.py
            return not module.get("__file__") or file.startswith(STANDARD_LIBRARY)
        if name not in self.known:
            self.known[name] = file.startswith(INSTALLED) and not _uses_gradcore(name)
        return self.known[name]

    def end_at_class(self, kind: object) -> bool:
        module = sys.modules.get(str(getattr(kind, "__module__", "")))
        return module is not None and self.end_at(vars(module))


def _uses_gradcore(package: str) -> bool:
    """Tell whether anything in the modules of a package is of gradcore."""
    own = __name__.partition(".")[0]
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] == package and isinstance(module, ModuleType):
            for x in [*vars(module).values()]:
                kind = type(x)  # not isinstance: see `reached`
                named = x if issubclass(kind, type | FunctionType | ModuleType) else kind
                is_module = issubclass(kind, ModuleType)
                of = getattr(named, "__name__" if is_module else "__module__", "")
                if str(of).partition(".")[0] == own:
                    return True
    return False


class SeenInputs:
    """Note the inputs of the step's ops: a watcher of `engine.hooks`, in its own thread.

    Args:
        device: the device that is recorded.
        known: the nodes found before the step.

    Attributes:
        nodes: the known nodes that ops were given.
        arrays: the arrays that ops were given as constants, by id.
        elsewhere: another device of the same kind on which an input lies, or `None`.
    """

    def __init__(self, device: Any, known: set[TensorNode]) -> None:
        self.device, self.known, self.thread = device, known, get_ident()
        self.nodes = set[TensorNode]()
        self.arrays = dict[int, Array]()
        self.elsewhere: Any = None
        # Most other nodes are made in the step, and free their memory as soon as it drops them.
        self._others = dict[int, ref[TensorNode]]()

    def unknown(self) -> set[TensorNode]:
        """List the nodes without source that are not known and that somebody still holds."""
        nodes = [node() for node in self._others.values()]
        return {node for node in nodes if node is not None}

    def after_forward(self, op: type[Op], inputs: Any, outputs: Any) -> None:  # noqa: ARG002
        if get_ident() != self.thread:
            return
        for x in inputs:
            if is_array(x):
                self.arrays[id(x)] = value = x
            elif isinstance(x, TensorNode) and not x.source:
                value = x.value
                if x in self.known:
                    self.nodes.add(x)
                else:
                    self._others[id(x)] = ref(x)
            else:
                continue
            if type(value.device) is type(self.device) and value.device != self.device:
                self.elsewhere = value.device

    def before_backward(self, opnode: OpNode) -> None: ...
    def after_backward(self, opnode: OpNode, gos: Any, gradients: Any) -> None: ...
    def after_recomputing(self, call: Any, values: Any) -> None: ...
