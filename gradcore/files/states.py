"""Save and load states: weights, and all that a training needs to go on."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..backends import Array, default
from ..engine.arrays import is_complex, is_integer, namespace, raw_array
from ..engine.trees import tree_map
from .safetensors import read_safetensors, write_safetensors

__all__ = ["load", "save"]


def save(path: str | os.PathLike[str], state: Any) -> None:
    """Save weights, or all that a training needs to go on, in one file.

        gradcore.save("weights.safetensors", model)
        gradcore.save(
            "run.safetensors",
            {"model": model, "optimizer": optimizer, "random": gradcore.random, "epoch": 3},
        )

    The file is in the format safetensors: arrays by name, which other programs read
    (`safetensors.torch.load_file`), and no code. A state that is a dictionary of arrays becomes a
    file of these names; in nested states names are joined by dots, as in `model.layers.0.w`. The
    file is written under a temporary name, is brought to the disk, and only then takes the place
    of an earlier file: a program that is interrupted leaves the earlier file whole.

    Args:
        path: of the file; its folder must be there.
        state: an array or node of any backend, a number, a string, `None`; something with a
            `state_dict`, such as a module, an optimizer, a schedule, a loader or `gradcore.random`,
            whose state is saved; or lists, tuples and dictionaries of these.

    Raises:
        TypeError: the state holds something else.
        ValueError: the state is nested too deep, or contains itself.
        OSError: the file can't be written.

    Example:
        >>> model = gradcore.nn.Linear(4, 2)
        >>> gradcore.save("weights.safetensors", model)
        >>> other = gradcore.nn.Linear(4, 2)
        >>> _ = gradcore.load("weights.safetensors", into=other)
        >>> print((model.w.value == other.w.value).all())
        True
    """
    file = _path("save", path)
    arrays: dict[str, Array] = {}
    facts = _written(state, "", arrays)
    plain = {name: {ARRAY: name} for name in arrays}
    facts = {NONE: 0} if facts is None else facts  # no facts: all entries are arrays
    write_safetensors(file, arrays, None if facts == plain else facts)


def load(path: str | os.PathLike[str], into: Any = None) -> Any:
    """Load what `save` saved, or arrays by name from a file of another program.

        gradcore.load("weights.safetensors", into=model)
        rest = gradcore.load(
            "run.safetensors",
            into={"model": model, "optimizer": optimizer, "random": gradcore.random},
        )
        epoch = rest["epoch"]

    Args:
        path: of the file.
        into: something with a `load_state_dict`, which is given the state; or a dictionary of such
            things, each of which is given its entry of the state. If one entry does not fit, the
            things that were set before get their earlier states back.

    Returns:
        The state, with arrays of the default backend; without what went `into` something.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is damaged, or no safetensors file; or an entry is missing, or does
            not fit the thing that it goes into, which then says why.
        TypeError: what it is to go into has no `load_state_dict`.

    Example:
        >>> gradcore.save("numbers.safetensors", {"x": np.array([1.0, 2.0]), "epoch": 3})
        >>> state = gradcore.load("numbers.safetensors")
        >>> print(state["x"], state["epoch"])
        [1. 2.] 3
    """
    path = _path("load", path)
    facts, arrays = read_safetensors(path)
    try:
        state = arrays if facts is None else _read(facts, arrays)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} was not written by gradcore.save ({error!r})") from None
    if into is None:
        return _placed(state)
    if not isinstance(into, Mapping):
        _give(path, {"": into}, {"": state})
        return None
    if not isinstance(state, dict) or (missing := [name for name in into if name not in state]):
        found = f"has {sorted(map(str, state))}" if isinstance(state, dict) else "is no dictionary"
        what = f"has no {missing[0]!r}: it {found}" if isinstance(state, dict) else found
        advice = f"a state saved by itself is loaded by load({path.name!r}, {next(iter(into))})"
        if isinstance(state, dict) and (near := get_close_matches(missing[0], map(str, state), 1)):
            advice = f"did you mean {near[0]!r}?"
        raise ValueError(f"load: {path} {what}; {advice}")
    _give(path, into, state)
    return _placed({name: x for name, x in state.items() if name not in into})


def _path(name: str, path: Any) -> Path:
    """Check that a path is one: the arguments may have changed places."""
    if not isinstance(path, str | os.PathLike):
        call = "save(path, state)" if name == "save" else "load(path, into)"
        raise TypeError(f"{name}: path is a {type(path).__name__}, expected a file's name; {call}")
    return Path(path)


def _give(path: Path, things: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Load the states of all things, or of none."""
    for name, thing in things.items():
        if not hasattr(thing, "load_state_dict"):
            what = f"into[{name!r}]" if name else "into"
            found = f"load: {what} is a {type(thing).__name__}"
            raise TypeError(f"{found}, expected something with a load_state_dict")
    before: dict[str, Any] = {}
    try:
        for name, thing in things.items():
            before[name] = thing.state_dict()
            thing.load_state_dict(states[name])
    except Exception as error:
        for name, state in before.items():
            things[name].load_state_dict(state)
        what = f"{name}: " if name else ""
        raise ValueError(f"load: {path}: {what}{error}; {_advice(states[name])}") from error


def _advice(state: Any) -> str:
    """Say what to do about a state that does not fit."""
    entries = state.items() if isinstance(state, dict) else ()
    if nested := [name for name, x in entries if isinstance(x, dict)]:
        return f"the file has states by name: say load(path, {{{nested[0]!r}: ...}})"
    return "make the thing as it was when it was saved, or load another file"


# How what JSON lacks stands in the facts of a file: an object with one of these keys.
ARRAY, COMPLEX, TUPLE, PAIRS, NONE = "$array", "$complex", "$tuple", "$pairs", "$none"
DEEPEST = 100  # of nested states; what contains itself is deeper


def _written(x: Any, path: str, arrays: dict[str, Array], depth: int = 0) -> Any:
    """Write a state as JSON can hold it, with the arrays by name in `arrays`."""
    if depth > DEEPEST:
        inside = reprlib.repr(path)
        raise ValueError(f"save: {inside} is nested over {DEEPEST} deep, or contains itself")
    depth += 1
    if x is None or isinstance(x, bool | str):
        return x
    if is_integer(x):
        return int(x)  # NumPy's integers, too
    if isinstance(x, float):
        return float(x)
    if isinstance(x, complex):
        return {COMPLEX: [x.real, x.imag]}
    if hasattr(x, "state_dict") and not isinstance(x, type):
        return _written(x.state_dict(), path, arrays, depth)

    def written(key: Any, entry: Any) -> Any:
        return _written(entry, f"{path}.{key}" if path else f"{key}", arrays, depth)

    if isinstance(x, Mapping):
        entries = {key: written(key, entry) for key, entry in x.items()}
        if all(isinstance(key, str) and key[:1] != "$" for key in entries):
            return entries
        pairs = [[_written(key, path, arrays, depth), entry] for key, entry in entries.items()]
        return {PAIRS: pairs}
    if isinstance(x, list | tuple):
        items = [written(i, entry) for i, entry in enumerate(x)]
        return {TUPLE: items} if isinstance(x, tuple) else items
    try:
        array = raw_array(x)
    except TypeError:
        raise TypeError(
            f"save: {path or 'the state'} is a {type(x).__name__}, expected arrays, numbers, "
            "strings, None, what has a state_dict, and lists, tuples and dictionaries of these"
        ) from None
    # UTF-8 has no halves of a character.
    name = path.encode(errors="replace").decode() or "value"
    while name in arrays or name == "__metadata__":  # "a.b" in the state, beside "b" in "a"
        name += "'"
    if is_complex(array):
        # The format has no complex128: its real and imaginary parts lie side by side.
        xp = namespace(array)
        arrays[name] = xp.stack([xp.real(array), xp.imag(array)], axis=-1)
        return {COMPLEX: {ARRAY: name}}
    arrays[name] = array
    return {ARRAY: name}


def _read(x: Any, arrays: Mapping[str, Array]) -> Any:
    """Read what `_written` wrote."""
    if isinstance(x, list):
        return [_read(entry, arrays) for entry in x]
    if not isinstance(x, dict):
        return x
    [key] = [*x] if len(x) == 1 else [""]
    if key == ARRAY:
        return arrays[x[key]]
    if key == COMPLEX:
        parts = _read(x[key], arrays)
        return complex(*parts) if isinstance(parts, list) else _joined(parts)
    if key == NONE:
        return None
    if key == TUPLE:
        return tuple(_read(x[key], arrays))
    if key == PAIRS:
        return {_read(name, arrays): _read(entry, arrays) for name, entry in x[key]}
    return {name: _read(entry, arrays) for name, entry in x.items()}


def _joined(parts: Array) -> Array:
    """Make complex numbers of an array of NumPy (..., 2)."""
    return parts.view(f"c{2 * parts.itemsize}")[..., 0]


def _placed(state: Any) -> Any:
    """Bring the arrays of a state that was read to the default backend."""
    return tree_map(lambda x: default().asarray(x) if hasattr(x, "dtype") else x, state)
