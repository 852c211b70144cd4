"""Write a model to a file of ONNX, which programs without gradcore and Python run."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from threading import Lock
from types import FrameType, FunctionType
from typing import Any

from ..backends import Array, backend_of, get, problem, random, use_backend
from ..engine.arrays import backend_or_none, describe, flat, is_node, raw_array, value_of
from ..engine.hooks import watching
from ..engine.modes import no_grad
from ..engine.trees import leaves, tree_map
from ..engine.views import views_kept
from ..files.opening import replaced
from ..graph import Op, TensorNode
from ..nn import Module
from ..replay.nodes import reached, users_line

__all__ = ["ExportError", "export"]


_one_at_a_time = Lock()  # of two at a time, each would take the other's placeholders for weights


class ExportError(RuntimeError):
    """A model can't be written as a file of ONNX; the message names the module and says why.

    Example:
        >>> issubclass(gradcore.ExportError, RuntimeError)
        True
    """


def export(
    model: Callable[..., Any],
    example: Any,
    path: str | PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    batch_axis: int | Mapping[str, int | None] | None = 0,
    opset: int = 21,
) -> None:
    """Write a model to a file of ONNX (https://onnx.ai), for batches of any size.

    The model is called with arrays that have no numbers and note what is computed of them: for
    batches of several sizes, of which that of the example is none.
    Modules are in evaluation mode meanwhile, whichever they are in. The weights are in the file,
    with the names of the model's state; inputs, outputs and weights keep their dtypes. No other
    thread can use the model meanwhile.

    All sizes but that of the batch are those of the example. A loop over them, as over the
    characters of a text, is written out.

    Args:
        model: a module, or a function of arrays.
        example: what to call the model with: an array, a tuple of arguments, or a dictionary of
            arguments by name. Arguments may be lists, tuples and dictionaries of arrays. Only the
            shapes and dtypes of arrays count; anything else is a constant.
        path: of the file, which is replaced.
        input_names: `None` takes the names of the arguments, with the place in a list or a
            dictionary after an underscore: `state_0`.
        output_names: `None` is "output" for one array; for several, the keys of a dictionary, or
            `output_0`, `output_1`.
        batch_axis: the axis of the batch in each input, `None` where there is none; or a dictionary
            of these by the inputs' names, in which 0 is left out.
        opset: the version of ONNX's operators. With 21, ONNX Runtime 1.18 or newer runs the file.

    Raises:
        ExportError: a module computes something that ONNX has no operator for, reads numbers of
            arrays, or depends on the size of the batch in more than the shapes of arrays; or the
            weights take more than the 2 GiB that a file has. The message names the line.
        ModuleNotFoundError: a package of the extra `onnx` is missing.
        ValueError: names, axes or the opset do not fit.
        OSError: the file can't be written.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> if gradcore.backends.problem("onnx") is None:  # the extra `onnx` is installed
        ...     gradcore.export(model, gradcore.zeros((1, 4)), "model.onnx", input_names=["x"])
    """
    if why := problem("onnx"):
        raise ModuleNotFoundError(f"export: {why}")
    program = import_module("..backends.onnx.program", __package__)
    if not callable(model):
        kind = type(model).__name__
        raise ValueError(f"export: model is of type {kind}, expected a module or a function")
    if opset not in program.OPSETS:
        expected = f"{program.OPSETS[0]} to {program.OPSETS[-1]}; {program.OPSET} is the default"
        raise ValueError(f"export: opset = {opset!r}, expected {expected}")
    with _one_at_a_time:
        made = _made(program, model, example, input_names, output_names, batch_axis, opset)
    with replaced(Path(path)) as file:
        file.write(made.SerializeToString())


def _made(
    program: Any,
    model: Any,
    example: Any,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    batch_axis: Any,
    opset: int,
) -> Any:
    """Make the program of `export`."""
    call = _Call(model, example, input_names, batch_axis)
    modules = _modules(model)
    weights = _weights(model, modules, call.axes)
    noted, lines = [], dict[str, str]()
    has_batch = {*call.axes.values()} != {None}
    for n in program.SIZES:
        with _noting(program, modules, weights, lines) as (places, placeholders):
            inputs, args, options = call.of_batch(program, n)
            taken = {*call.axes, *weights}
            where = f"for a batch of {n}" if has_batch else ""
            found = _called(model, args, options, places, where)
            results = _results(found, output_names, taken)
            noted.append(program.noted(inputs | placeholders, results))
    arrays = {name: backend_of(x).to_numpy(x) for name, x in _values(weights).items()}
    try:
        return program.combined(noted, call.axes, arrays, opset, _producer(), lines)
    except ValueError as error:
        raise ExportError(f"export: {error}") from None


class _Call:
    """The arguments of the model, and how its inputs are named.

    Attributes:
        axes: the axis of the batch of each input, by name; `None` where there is none.
    """

    def __init__(
        self, model: Any, example: Any, names: Sequence[str] | None, batch_axis: Any
    ) -> None:
        given = example if isinstance(example, tuple) else (example,)
        args, options = ((), example) if isinstance(example, dict) else (given, {})
        function = model.forward if isinstance(model, Module) else model
        try:
            self.bound = inspect.signature(function).bind(*args, **options)
        except TypeError as error:
            raise ValueError(f"export: example does not fit the model: {error}") from None
        entries = leaves(dict(self.bound.arguments))
        found = [(path, raw_array(x)) for path, x in entries if backend_or_none(value_of(x))]
        places = [_named(path) for path, _ in found]
        names = places if names is None else list(names)
        if len({*names}) != len(found) or len(names) != len(found) or "" in names:
            expected = f"a name of its own for each of {', '.join(places)}"
            raise ValueError(f"export: input_names = {names}, expected {expected}")
        by_name = batch_axis
        if not isinstance(batch_axis, Mapping):
            by_name = dict.fromkeys(names, batch_axis)
        if unknown := [*{*by_name} - {*names}]:
            raise ValueError(f"export: batch_axis: no input {unknown[0]!r}, there are {names}")
        self.axes = {name: by_name.get(name, 0) for name in names}
        self.examples = dict(zip(names, [x for _, x in found], strict=True))
        for name, x in self.examples.items():
            axis = self.axes[name]
            if axis is not None and axis not in range(x.ndim):
                raise ValueError(
                    f"export: input {name!r} is {describe(x)}, and has no axis {axis!r} for the "
                    f"batch; say batch_axis={{{name!r}: None}}"
                )

    def of_batch(self, program: Any, n: int) -> tuple[dict[str, Array], Any, Any]:
        """Give placeholders of the inputs with a batch of n, and the arguments that have them."""
        inputs = {}
        for name, x in self.examples.items():
            shape, axis = list(x.shape), self.axes[name]
            if axis is not None:
                shape[axis] = n
            inputs[name] = _placeholder(program, f"input {name!r}", shape, x)
        rest = iter(inputs.values())

        def placed(x: Any) -> Any:
            if not backend_or_none(value_of(x)):
                return x
            return TensorNode(next(rest), requires_grad=False) if is_node(x) else next(rest)

        bound = inspect.BoundArguments(
            self.bound.signature, tree_map(placed, dict(self.bound.arguments))
        )
        return inputs, bound.args, bound.kwargs


def _modules(model: Any) -> dict[str, Module]:
    """Find the modules that a model is, or is a method of, or, as a function, names."""
    owner = getattr(model, "__self__", model)
    if isinstance(owner, Module):
        return {"": owner}
    if not isinstance(model, FunctionType):
        return {}
    held = inspect.getclosurevars(model)
    found = {**held.globals, **held.nonlocals}
    return {name: x for name, x in found.items() if isinstance(x, Module)}


def _weights(
    model: Any, modules: Mapping[str, Module], taken: Iterable[str]
) -> dict[str, TensorNode]:
    """Name all nodes that the model can reach: as in the state of its modules, and as the variables
    of a function; the names that inputs have are taken."""
    weights: dict[str, TensorNode] = {}
    for prefix, module in modules.items():
        weights |= dict(module.named_parameters(prefix) + module.named_buffers(prefix))
    if isinstance(model, FunctionType):
        held = inspect.getclosurevars(model)
        found = {**held.globals, **held.nonlocals}
        weights |= {name: x for name, x in found.items() if isinstance(x, TensorNode)}
    others = reached(model) - {*weights.values()}
    for x in sorted(others, key=lambda x: x.source.order if x.source else x.born):
        weights[f"constant_{len(weights)}"] = x
    first = {x: name for name, x in reversed(weights.items())}  # of several names
    return {
        f"{name}_weight" if name in taken else name: x
        for name, x in weights.items()
        if first[x] == name
    }


def _values(weights: Mapping[str, TensorNode]) -> dict[str, Array]:
    return {name: raw_array(x.value) for name, x in weights.items()}


@contextmanager
def _noting(
    program: Any,
    modules: Mapping[str, Module],
    weights: Mapping[str, TensorNode],
    lines: dict[str, str],
) -> Iterator[tuple[list[str], dict[str, Array]]]:
    """In the block, modules are in evaluation mode, nodes have placeholders, arrays that modules
    hold are constants of ONNX, and nothing random is drawn; afterwards all is as it was.

    Args:
        lines: gets the lines of the user's code, by the names of what is computed there.

    Yields:
        The names of the modules that are being called, the innermost last; and the placeholders.
    """
    inside = {
        module: name
        for prefix, root in modules.items()
        for name, module in root.named_modules(prefix)
    }
    values, attributes = _values(weights), {m: dict(vars(m)) for m in inside}
    calls, made = list[str](), dict[str, Array]()
    with ExitStack() as stack:
        stack.enter_context(no_grad())
        stack.enter_context(use_backend(get("onnx")))
        stack.enter_context(views_kept(weights.values()))
        stack.enter_context(watching(_Naming(program, calls, lines)))
        stack.enter_context(random.refused(program.NO_RANDOM))
        for m, name in inside.items():
            stack.enter_context(m.register_forward_pre_hook(partial(_enter, calls, name)))
            stack.enter_context(m.register_forward_hook(partial(_leave, calls)))
        try:
            for name, x in values.items():
                weights[name].value = made[name] = _placeholder(program, name, x.shape, x)
            for m in inside:
                arrays = {k: x for k, x in vars(m).items() if any(map(_is_array, flat([x])))}
                vars(m).update(tree_map(_constant, arrays), training=False)
            yield calls, made
        finally:
            for name, x in values.items():
                weights[name].value = x
            for m, before in attributes.items():
                vars(m).clear()
                vars(m).update(before)


def _enter(calls: list[str], name: str, module: Module, inputs: Any) -> None:  # noqa: ARG001
    calls.append(name or type(module).__name__)


def _leave(calls: list[str], module: Module, inputs: Any, output: Any) -> None:  # noqa: ARG001
    calls.pop()


def _is_array(x: Any) -> bool:
    return not is_node(x) and backend_or_none(x) is not None


def _constant(x: Any) -> Any:
    """Make a constant of ONNX of an array; anything else stays."""
    return get("onnx").asarray(x) if _is_array(x) else x


def _placeholder(program: Any, name: str, shape: Sequence[int], like: Array) -> Array:
    dtype = str(like.dtype).rpartition(".")[2]
    try:
        return program.placeholder(tuple(shape), dtype)
    except AttributeError:
        raise ExportError(f"export: {name} is {describe(like)}, and ONNX has no {dtype}") from None


def _called(model: Any, args: Any, options: Any, calls: list[str], batch: str) -> Any:
    """Call the model; an error names the module in which it was raised, and the line."""
    try:
        return model(*args, **options)
    except Exception as error:
        module = calls[-1] if calls else getattr(model, "__name__", type(model).__name__)
        line = users_line(traceback.walk_tb(error.__traceback__))
        where = ", ".join(filter(None, [line, batch]))
        what = f"{module}: {get('onnx').error(error)}"
        raise ExportError(f"export: {what}{f' ({where})' if where else ''}") from error


def _line() -> str:
    """Name the line of the user's code in the model that is being called."""
    frames = list[tuple[FrameType, int]]()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _called.__code__:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    return users_line(reversed(frames)) if frame else ""  # else of another thread


def _results(result: Any, names: Sequence[str] | None, taken: Iterable[str]) -> dict[str, Array]:
    """Name the arrays that the model gives; those of inputs and weights are taken."""
    if not (found := list(leaves(result))):
        raise ExportError(f"export: the result is {result!r}, expected a node or an array")
    for path, x in found:
        if (of := backend_or_none(value_of(x))) is None or of.name != "onnx":
            what = f"result {_named(path)!r}" if path else "result"
            kind = type(value_of(x)).__name__
            expected = "a node, or an array that is computed from the inputs"
            raise ExportError(f"export: the {what} is of type {kind}, expected {expected}")
    if names is None:
        names = [_named(path if path[:2] == "['" else f"['output']{path}") for path, _ in found]
        names = [f"{name}_out" if name in taken else name for name in names]
    if len({*names, *taken}) != len(found) + len([*taken]) or len(names) != len(found):
        raise ValueError(
            f"export: output_names = {names}, expected {len(found)} that differ from one another "
            "and from those of the inputs and weights"
        )
    return {name: value_of(x) for name, (_, x) in zip(names, found, strict=True)}


def _named(path: str) -> str:
    """Make a name of a path of `leaves`: of `['state'][0]`, `state_0`."""
    return "_".join(word.strip("'") for word in path.strip("[]").split("]["))


def _producer() -> tuple[str, str]:
    """Name this package and its version."""
    package = __name__.partition(".")[0]
    return package, import_module(package).__version__


class _Naming:
    """Name what comes out of ops by the module that is being called, and the op: a watcher of
    `engine.hooks`."""

    def __init__(self, program: Any, calls: list[str], lines: dict[str, str]) -> None:
        self.program, self.calls, self.lines = program, calls, lines
        self.counts = Counter[str]()

    def after_forward(self, op: type[Op], inputs: Any, outputs: Any) -> None:  # noqa: ARG002
        for y in outputs if isinstance(outputs, tuple) else (outputs,):
            name = f"{self.calls[-1] if self.calls else ''}/{op.__name__}"
            n = self.counts[name]
            numbered = f"{name}_{n}" if n else name
            if self.program.named(value_of(y), numbered):
                self.counts[name] += 1
                self.lines.setdefault(numbered, _line())

    def before_backward(self, opnode: Any) -> None: ...
    def after_backward(self, opnode: Any, gos: Any, gradients: Any) -> None: ...
    def after_recomputing(self, call: Any, values: Any) -> None: ...
