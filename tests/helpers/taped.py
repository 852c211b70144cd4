"""A stand-in for a GPU whose work can be captured: NumPy with a tape.

While it records, nothing is done, as far as one can see afterwards: arrays that were there before
are as they were. A replay does the same functions again on the same memory, with the numbers that
they were given then. It begins with garbage in all memory that was taken while recording: a GPU's
replays write there before, too, where it was something else's earlier in the step. As on a GPU,
an array can't be read on the host meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import array_api_compat.numpy as compat
import numpy as np
import pytest

from gradcore.backends import BACKEND_OF_TYPE, Backend, registry

ON_RECORDS = pytest.mark.parametrize("device", ["recorded"], indirect=True)  # for tests of these


class Tape:
    current: Tape | None = None
    calls: list[tuple[Any, Any, Any, Any]]
    before: dict[int, tuple[np.ndarray, np.ndarray]]  # contents of what is written to
    own: list[np.ndarray]

    def __init__(self) -> None:
        self.warm_ups = self.replays = 0

    def keep(self, x: np.ndarray) -> None:
        while isinstance(x.base, np.ndarray):
            x = x.base
        self.before.setdefault(id(x), (x, np.array(x)))

    on_device = staticmethod(nullcontext)

    @contextmanager
    def warm_up(self) -> Iterator[None]:
        self.warm_ups += 1
        yield

    @contextmanager
    def record(self) -> Iterator[None]:
        Tape.current, self.calls, self.before, self.own = self, [], {}, []
        try:
            with np.errstate(all="ignore"):  # what is there is not computed yet
                yield
        finally:
            Tape.current = None
            for x, contents in self.before.values():
                np.copyto(x, contents)

    def replay(self) -> None:
        self.replays += 1
        for x in self.own:
            x.fill(np.nan if x.dtype.kind == "f" else 77)
        for function, args, kwargs, results in self.calls:
            again = arrays(function(*args, **kwargs))
            for old, new in zip(flat(results), flat(again), strict=True):
                if not np.shares_memory(old, new):
                    np.copyto(old, new)


def flat(results: Any) -> list[np.ndarray]:
    if isinstance(results, tuple | list):
        return [x for y in results for x in flat(y)]
    return [results] if isinstance(results, np.ndarray) else []


def plain(x: Any) -> Any:
    """The same with arrays of NumPy's own type, in the same memory."""
    if isinstance(x, tuple | list):
        return type(x)(map(plain, x))
    return x.view(np.ndarray) if isinstance(x, Taped) else x


def taped(x: Any) -> Any:
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(taped, x))
    if isinstance(x, tuple | list):
        return type(x)(map(taped, x))
    return np.asarray(x).view(Taped) if isinstance(x, np.ndarray | np.generic) else x


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    args, kwargs = plain(args), {k: plain(x) for k, x in kwargs.items()}
    if tape := Tape.current:
        for x in flat(kwargs.get("out", ())):
            tape.keep(x)
    result = arrays(function(*args, **kwargs))
    if tape:
        given = flat([args, *kwargs.values()])
        new = (x for x in flat(result) if not any(np.may_share_memory(x, y) for y in given))
        tape.own += [x for x in new if x.flags.writeable]
    if tape and flat(result) and function is not compat.empty:  # which does nothing
        tape.calls.append((function, args, kwargs, result))
    return taped(result)


def arrays(x: Any) -> Any:
    """The results of a function, with arrays of no dimensions, which have memory, for scalars."""
    if isinstance(x, tuple):
        return tuple(map(arrays, x))
    return np.asarray(x) if isinstance(x, np.generic) else x


def read(name: str) -> Any:
    def refuse_or_read(self: Taped) -> Any:
        if Tape.current:
            raise RuntimeError("the device is recording, and can't be read")
        return getattr(self.view(np.ndarray), name)()

    return refuse_or_read


def setitem(x: np.ndarray, key: Any, value: Any) -> None:
    x[key] = value


class Taped(np.ndarray):
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        result = call(getattr(ufunc, method), *inputs, **kwargs)
        return kwargs["out"][0] if kwargs.get("out") else result

    def __getitem__(self, key: Any) -> Any:
        return call(np.ndarray.__getitem__, self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        x = plain(self)
        if tape := Tape.current:
            tape.keep(x)
            tape.calls.append((setitem, (x, plain(key), plain(value)), {}, ()))
        setitem(x, plain(key), plain(value))

    __float__, __bool__, __int__, tolist, item = map(
        read, ("__float__", "__bool__", "__int__", "tolist", "item")
    )


class Namespace:
    """array_api_compat's for NumPy, whose functions go through `call`."""

    def __getattr__(self, name: str) -> Any:
        x = getattr(compat, name)
        if isinstance(x, type) or not callable(x) or name in ("isdtype", "finfo", "iinfo"):
            return x
        return lambda *args, **kwargs: call(x, *args, **kwargs)


class TapedBackend(Backend):
    name = "taped"
    xp = Namespace()
    array_types = (Taped,)
    several_devices = False
    tapes: list[Tape] = []  # noqa: RUF012

    def recorder(self, device: Any = None) -> Tape:  # noqa: ARG002
        self.tapes.append(Tape())
        return self.tapes[-1]

    def from_numpy(self, x: np.ndarray, dtype: Any = None) -> Taped:
        if Tape.current:
            raise RuntimeError("the device is recording, and nothing can be copied to it")
        return taped(np.array(x, dtype=dtype))

    def to_numpy(self, x: Taped) -> np.ndarray:
        if Tape.current:
            raise RuntimeError("the device is recording, and can't be read")
        return np.array(x)

    def owns_memory(self, x: Taped) -> bool:
        base = x.base  # what was computed; see `taped`
        return base is not None and base.base is None and base.strides == x.strides

    def check_indices(self, what: str, indices: Any, size: int, start: int = 0) -> None:
        if not Tape.current:
            super().check_indices(what, indices, size, start)


class TracedBackend(TapedBackend):
    """A stand-in for a library that compiles steps. What stands for arrays while a step is traced
    are copies; a program takes nothing else than these to be what changes from call to call."""

    def recorder(self, device: Any = None) -> None: ...

    def compiler(self, device: Any = None) -> type[TapedProgram]:  # noqa: ARG002
        return TapedProgram


class TapedProgram:
    """The simplest `gradcore.backends.types.Program`: a tape of what the traced step did to copies
    of what it was given, and the copies."""

    def __init__(self, traced: Any, state: Any, numbers: Any, inputs: Any) -> None:
        on_host = {k: np.array(x, k if type(x) is list else None) for k, x in numbers.items()}
        self.copies = taped([list(map(np.array, state)), on_host, list(map(np.array, inputs))])
        self.copies[1] = {name: taped(x) for name, x in on_host.items()}
        self.tape = Tape()
        TapedBackend.tapes.append(self.tape)
        with self.tape.record():
            self.results = traced(*self.copies)

    def __call__(self, state: Any, numbers: Any, inputs: Any) -> Any:
        for copies, given in zip(self.copies[::2], (state, inputs), strict=True):
            for x, new in zip(copies, given, strict=True):
                np.copyto(plain(x), plain(new))
        for name, new in numbers.items():
            np.copyto(plain(self.copies[1][name]), np.asarray(new, self.copies[1][name].dtype))
        self.tape.replay()
        return tuple([x if x is None else taped(np.array(x)) for x in of] for of in self.results)


def register(monkeypatch: Any, kind: type[TapedBackend] = TapedBackend) -> TapedBackend:
    backend = kind()
    monkeypatch.setitem(registry._loaded, "taped", kind)
    monkeypatch.setitem(registry._instances, ("taped", "None"), backend)
    monkeypatch.setitem(BACKEND_OF_TYPE, Taped, backend)
    monkeypatch.setattr(TapedBackend, "tapes", [])
    return backend
