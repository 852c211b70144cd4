"""Modules that put modules together, and lists and dictionaries of modules or parameters.

What such a container holds are attributes of it, named "0", "1", ... or as you name them: so the
names in its state are PyTorch's, and `model.conv1` is the module of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import index
from typing import Any, ClassVar, Self

from ..graph import TensorNode
from .module import Module
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Container(Module):
    """What lists and dictionaries have in common: they hold entries of one kind."""

    _kind: ClassVar[Any] = Module  # of entries under any name; under a number, an entry may be all

    def _entries(self) -> dict[str, Any]:
        """Give what the container holds, by name."""
        return {
            name: x for name, x in vars(self).items() if name.isdigit() or isinstance(x, self._kind)
        }

    def _put(self, name: str, x: Any) -> None:
        """Hold an entry that is given, under this name."""
        self.add_module(name, x)

    def __len__(self) -> int:
        return len(self._entries())


class _Numbered(_Container):
    """What Sequential and lists have in common."""

    def __init__(self, entries: Iterable[Any] = ()) -> None:
        self.extend(entries)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries().values())

    def _name(self, i: int) -> str:
        names, i = list(self._entries()), index(i)
        if not -len(names) <= i < len(names):
            raise IndexError(f"{type(self).__name__}: there is no entry {i}; it has {len(names)}")
        return names[i]

    def __getitem__(self, i: int | slice) -> Any:
        return type(self)(list(self)[i]) if isinstance(i, slice) else vars(self)[self._name(i)]

    def __setitem__(self, i: int, x: Any) -> None:
        self._put(self._name(i), x)

    def __delitem__(self, i: int | slice) -> None:
        self._name(i) if not isinstance(i, slice) else None  # an error if there is no such entry
        entries = list(self)
        del entries[i]
        self._renumber(entries)

    def _renumber(self, entries: Iterable[Any]) -> None:
        """Hold these, under the names "0", "1" and so on, and nothing else."""
        for name in self._entries():
            delattr(self, name)
        for i, x in enumerate(entries):
            vars(self)[str(i)] = x

    def append(self, x: Any) -> Self:
        """Add an entry at the end."""
        n = len(self)
        while str(n) in vars(self):  # a slice of a Sequential keeps its names
            n += 1
        self._put(str(n), x)
        return self

    def extend(self, entries: Iterable[Any]) -> Self:
        """Add entries at the end."""
        for x in list(entries):
            self.append(x)
        return self

    def insert(self, i: int, x: Any) -> Self:
        """Put an entry before the one at index i.

        Raises:
            IndexError: i is beyond the ends.
        """
        n = len(self)
        if not -n <= i <= n:
            raise IndexError(f"{type(self).__name__}: no entry can be inserted at {i} of {n}")
        self.append(x)  # checks it
        *entries, last = self
        entries.insert(i, last)
        self._renumber(entries)
        return self

    def pop(self, i: int = -1) -> Any:
        """Take out an entry, and give it."""
        x = self[i]
        del self[i]
        return x

    def __add__(self, other: Iterable[Any]) -> Self:
        return type(self)(list(self)).extend(other)

    def __iadd__(self, other: Iterable[Any]) -> Self:
        return self.extend(other)


class Sequential(_Numbered):
    """Apply modules, or any functions of one node, one after the other.

    A Sequential has a length, and can be iterated over and indexed: `model[0]` is the first
    module, and `model[:-1]` a Sequential of all but the last. Modules may have names:
    `Sequential(OrderedDict(conv=nn.Conv2d(1, 20, 5), relu=nn.ReLU()))` has `model.conv`.

    Args:
        modules: modules or functions, of which the n-th is named n in the state; or a dictionary
            of modules by name.

    Raises:
        TypeError: an argument can't be called.
        KeyError: a name is an attribute of a module, or no word without dots.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> print(model(gradcore.ones((5, 4))).shape, len(model), model[0])
        (5, 3) 3 Linear(4, 8)
    """

    _state_former = "layers"

    def __init__(self, *modules: Callable[[Any], Any] | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
            return
        for i, x in enumerate(modules):
            self._put(str(i), x)

    def _put(self, name: str, x: Any) -> None:
        if isinstance(x, Module):
            return self.add_module(name, x)
        if not callable(x):
            advice = "; write Sequential(*modules)" if isinstance(x, list | tuple) else ""
            raise TypeError(
                f"Sequential: argument {name} is a {type(x).__name__}, "
                f"expected a module or function{advice}"
            )
        return setattr(self, name, x)

    @property
    def layers(self) -> tuple[Callable[[Any], Any], ...]:
        """The modules and functions."""
        return tuple(self)

    def forward(self, x: Any) -> Any:
        for layer in self._entries().values():
            x = layer(x)
        return x

    def __getitem__(self, i: int | slice) -> Any:
        if not isinstance(i, slice):
            return super().__getitem__(i)
        part = Sequential()
        for name, x in list(self._entries().items())[i]:
            part._put(name, x)
        return part

    def __add__(self, other: Iterable[Any]) -> Sequential:
        return Sequential(*self, *other)


class ModuleList(_Numbered):
    """A list of modules, whose parameters a module that holds the list has too.

    Args:
        entries: the modules that it holds at first.

    Raises:
        TypeError: one of them is no module.

    Example:
        >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> print(len(layers), len(layers.parameters()))
        3 6
    """


class ParameterList(_Numbered):
    """A list of parameters, which a module that holds the list has too.

    Args:
        entries: what it holds at first: nodes, which are held as they are; arrays, or numbers in
            lists, of which each becomes a Parameter.

    Example:
        >>> biases = nn.ParameterList([[0.0, 0.0], [0.0]])
        >>> print(len(biases), [p.shape for p in biases.parameters()])
        2 [(2,), (1,)]
    """

    _kind = TensorNode

    def _put(self, name: str, x: Any) -> None:
        self.register_parameter(name, x if isinstance(x, Parameter) else Parameter(x))


class _Named(_Container):
    """What dictionaries have in common: the methods of Python's dict."""

    def __init__(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self.update(entries)

    def __getitem__(self, name: str) -> Any:
        return self._entries()[name]

    def __setitem__(self, name: str, x: Any) -> None:
        self._put(name, x)

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __contains__(self, name: object) -> bool:
        return name in self._entries()

    def keys(self) -> Iterable[str]:
        """Give the names."""
        return self._entries().keys()

    def values(self) -> Iterable[Any]:
        """Give what the names stand for."""
        return self._entries().values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Give pairs of a name and what it stands for."""
        return self._entries().items()

    def pop(self, name: str) -> Any:
        """Take out an entry, and give it."""
        x = self[name]
        delattr(self, name)
        return x

    def clear(self) -> None:
        """Take out all entries."""
        for name in self._entries():
            delattr(self, name)

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Put entries in, from a dictionary or pairs of a name and an entry."""
        for name, x in dict(entries).items():
            self[name] = x


class ModuleDict(_Named):
    """Modules by name, whose parameters a module that holds the dictionary has too.

    Args:
        entries: what it holds at first: a dictionary, or pairs of a name and a module.

    Raises:
        TypeError: one of them is no module.
        KeyError: a name is a method or attribute of a ModuleDict, or no word without dots.

    Example:
        >>> heads = nn.ModuleDict({"digits": nn.Linear(4, 10), "parity": nn.Linear(4, 2)})
        >>> print(heads["parity"](gradcore.ones((5, 4))).shape, len(heads.parameters()))
        (5, 2) 4
    """


class ParameterDict(_Named):
    """Parameters by name, which a module that holds the dictionary has too.

    Args:
        entries: what it holds at first: a dictionary, or pairs of a name and a value. Nodes are
            held as they are; an array, or numbers in lists, become a Parameter.

    Raises:
        KeyError: a name is a method or attribute of a ParameterDict, or no word without dots.

    Example:
        >>> scales = nn.ParameterDict({"red": [1.0], "green": [2.0]})
        >>> print(scales["green"], len(scales.parameters()))
        [2.] 2
    """

    _kind = TensorNode

    def _put(self, name: str, x: Any) -> None:
        self.register_parameter(name, x if isinstance(x, Parameter) else Parameter(x))
