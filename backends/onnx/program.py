"""Make a program of ONNX, which a file holds, of what arrays of this backend have noted.

A graph is noted with numbers for all sizes, and a program is wanted for batches of any size. So a
model is noted with several sizes of the batch, and what differs between the programs is what
depends on that size. A shape whose entries are multiples of it is computed when the file runs; for
anything else that differs, nothing is right at other sizes, and the program is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import spox
from onnx import ModelProto, NodeProto, checker, defs, helper, numpy_helper, version_converter

from ..types import Array
from . import namespace as xp
from .backend import NO_RANDOM

__all__ = ["NO_RANDOM", "OPSET", "OPSETS", "SIZES", "combined", "named", "noted", "placeholder"]

OPSET = 21  # whose operators the backend's functions are
OPSETS = range(17, defs.onnx_opset_version() + 1)  # the first has layer normalization
# Sizes of the batch. The first two are rarely those of something else. What asks whether there is
# one row, or more than any number up to 2,519, or a multiple of 2 to 10, differs among the three.
SIZES = 97, 2520, 1
MOST_BYTES = 2**31 - 2**20  # of weights, in a file of at most 2 GiB
BATCH = "batch"
SIZE = "batch/size"  # the value of the operator that gives it
ALONE = "; batch_axis=None makes a file for the size of the example alone"


def placeholder(shape: tuple[int, ...], dtype: str) -> Array:
    """Make an array whose numbers are given when the file runs."""
    return xp.argument(shape=shape, dtype=getattr(xp, dtype))


def named(x: Array, name: str) -> bool:
    """Give the array a name in the file, unless it has one; say whether it got this one."""
    var = x.unwrap_spox()
    if var._name is None:
        var._rename(name)
        return True
    return False


def noted(arguments: Mapping[str, Array], results: Mapping[str, Array]) -> ModelProto:
    """Build the program that computes the results from the arguments, with all constants, but for
    the weights, as initializers."""
    model = spox.build(
        {name: x.unwrap_spox() for name, x in arguments.items()},
        {name: x.unwrap_spox() for name, x in results.items()},
    )
    graph, others = model.graph, []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
        else:
            others.append(node)
    _replace(graph.node, others)
    return model


def combined(
    models: list[ModelProto],
    axes: Mapping[str, int | None],
    weights: Mapping[str, np.ndarray],
    opset: int,
    producer: tuple[str, str],
    lines: Mapping[str, str],
) -> ModelProto:
    """Make one program, for batches of any size, of those for batches of `SIZES`.

    Args:
        axes: the axis of the batch of each input; `None` for an input without one.
        weights: the values of the arguments that are no inputs.
        lines: where in the user's code the named values are computed.

    Raises:
        ValueError: the programs differ in something that can't be computed from the size, or the
            weights take more than a file holds.
    """
    first, graph, others = models[0], models[0].graph, [model.graph for model in models[1:]]
    _check_alike(graph, others, lines)
    _batch_in_constants(graph, others, axes, lines)
    _batch_in_shapes(graph.input, [g.input for g in others])
    _batch_in_shapes(graph.output, [g.output for g in others])
    values = _reshaped(graph, weights)
    read = {name for node in graph.node for name in _read(node)}
    values = {name: x for name, x in values.items() if name in read}
    if (size := sum(x.nbytes for x in values.values())) > MOST_BYTES:
        raise ValueError(
            f"the weights take {size / 1e9:.1f} GB, and a file of ONNX holds 2 GiB; convert them, "
            "as in model.half()"
        )
    _without_identities(graph)
    _replace(graph.input, [x for x in graph.input if x.name in axes])
    _tidy(graph)
    graph.initializer.extend([numpy_helper.from_array(x, name) for name, x in values.items()])
    del graph.value_info[:]
    graph.name = "model"
    for node in graph.node:
        node.name = node.output[0]
    opsets = [helper.make_opsetid("", OPSET)]
    opsets += [o for o in first.opset_import if o.domain not in ("", "ai.onnx")]
    _replace(first.opset_import, opsets)
    if opset != OPSET:
        first = _converted(first, opset)
    first.ir_version = helper.find_min_ir_version_for(first.opset_import)
    first.producer_name, first.producer_version = producer
    checker.check_model(first, full_check=True)
    return first


def _converted(model: ModelProto, opset: int) -> ModelProto:
    try:
        return version_converter.convert_version(model, opset)
    except RuntimeError as error:
        reason = str(error).rpartition(": ")[2]
        raise ValueError(f"opset {opset} can't say this: {reason}; leave it {OPSET}") from None


def _check_alike(graph: Any, others: list[Any], lines: Mapping[str, str]) -> None:
    """Raise ValueError unless the graphs have the same operators with the same settings."""
    for size, other in zip(SIZES[1:], others, strict=True):
        pairs = zip_longest(graph.node, other.node)
        found = next((a for a, b in pairs if a is None or a != b), None)
        if found or len(graph.node) != len(other.node):
            where = f"{_place(graph, found.output[0], lines)}: " if found else ""
            raise ValueError(
                f"{where}the model computes something else of a batch of {SIZES[0]} than of one of "
                f"{size}, as an `if` on the size or a loop over the batch does; only the sizes of "
                f"arrays may depend on it{ALONE}"
            )


def _batch_in_constants(
    graph: Any, others: list[Any], axes: Mapping[str, int | None], lines: Mapping[str, str]
) -> None:
    """Compute those constants that depend on the size of the batch from that of an input."""
    computed: list[NodeProto] = []
    new: list[Any] = []
    batch = next(((name, axis) for name, axis in axes.items() if axis is not None), None)
    for tensors in zip(graph.initializer, *[g.initializer for g in others], strict=True):
        (x, *rest), name = map(numpy_helper.to_array, tensors), tensors[0].name
        has_nan = x.dtype.kind == "f"
        if all(x.shape == y.shape and np.array_equal(x, y, equal_nan=has_nan) for y in rest):
            new.append(tensors[0])
            continue
        readers = [node for node in graph.node if name in node.input]
        found = _computed(name, readers, [x, *rest]) if batch else None
        if found is None:
            few = x.size < 9 and all(x.shape == y.shape for y in rest)
            shown = [str(a) if few else f"{a.dtype} {a.shape}" for a in (x, *rest)]
            each = ", ".join(f"{a} for {n}" for a, n in zip(shown, SIZES, strict=True))
            reader = readers[0].op_type if readers else "the result"
            raise ValueError(
                f"{_place(graph, readers[0].output[0], lines) if readers else name}: a constant of "
                f"{reader} is, by the size of the batch, {each}; expected the same number, or a "
                f"multiple of the size{ALONE}"
            )
        new += found[0]
        computed += found[1]
    if computed and batch:
        name, axis = batch
        shape = helper.make_node("Shape", [name], [SIZE], start=axis, end=axis + 1)
        _replace(graph.node, [shape, *computed, *graph.node])
    _replace(graph.initializer, new)


def _computed(
    name: str, readers: list[NodeProto], arrays: list[np.ndarray]
) -> tuple[list[Any], list[NodeProto]] | None:
    """Give constants, and operators, that compute what is the first array for the first size, and
    so on; `None` unless these are multiples of the sizes, or numbers from 0 to such a multiple."""
    x = arrays[0]
    times, rest = _multiples(arrays)
    if times is not None and x.ndim < 2:
        is_shape = all(n.op_type == "Reshape" and n.input[1] == name for n in readers)
        if is_shape and np.count_nonzero(times) == 1 and not {0, -1} & {*x.tolist()}:
            return [numpy_helper.from_array(np.where(times, -1, x), name)], []
        return _product(name, times, rest)
    if x.ndim == 1 and x.dtype == np.int64:
        times, rest = _multiples([np.array(a.size) for a in arrays])
        if times is not None and all(np.array_equal(a, np.arange(a.size)) for a in arrays):
            constants, nodes = _product(f"{name}/end", times, rest)
            ends = [numpy_helper.from_array(np.array(i), f"{name}/{i}") for i in (0, 1)]
            inputs = [ends[0].name, f"{name}/end", ends[1].name]
            return [*constants, *ends], [*nodes, helper.make_node("Range", inputs, [name])]
    return None


def _multiples(arrays: list[np.ndarray]) -> tuple[Any, Any]:
    """Find `times` and `rest`, of which one is 0 in each place: size * times + rest is the first
    array for the first size, and so on; (None, None) if there are none."""
    x, y = arrays[:2]
    if any(a.shape != x.shape for a in arrays) or x.dtype.kind not in "iuf":
        return None, None
    times = np.where(x == y, 0, x // SIZES[0]).astype(np.int64)
    rest = np.where(times == 0, x, 0).astype(x.dtype)
    fit = all(np.array_equal(n * times + rest, a) for n, a in zip(SIZES, arrays, strict=True))
    return (times, rest) if fit else (None, None)


def _product(name: str, times: Any, rest: Any) -> tuple[list[Any], list[NodeProto]]:
    """Compute size * times + rest."""
    words = [f"{name}/{word}" for word in ("times", "rest", "product", "converted")]
    factors, terms, product, converted = words
    constants = [
        numpy_helper.from_array(times.reshape(-1), factors),
        numpy_helper.from_array(rest.reshape(-1), terms),
    ]
    nodes = [helper.make_node("Mul", [SIZE, factors], [product])]
    if rest.dtype != np.int64:
        kind = helper.np_dtype_to_tensor_dtype(rest.dtype)
        nodes.append(helper.make_node("Cast", [product], [converted], to=kind))
        product = converted
    total = name if times.ndim else f"{name}/total"
    nodes.append(helper.make_node("Add", [product, terms], [total]))
    if not times.ndim:
        nodes.append(helper.make_node("Squeeze", [total], [name]))
    return constants, nodes


def _place(graph: Any, name: str, lines: Mapping[str, str]) -> str:
    """Name the op, its module and the line of the user's code, for which a value is computed:
    values that come out of ops have the names that `named` gave them, with a slash."""
    seen = {name}
    results = {x.name for x in graph.output}
    for node in graph.node:
        if seen & {node.output[0], *_read(node)}:
            seen.update(node.output)
            for y in node.output:
                if "/" in y:
                    path, _, op = y.rpartition("/")
                    line = f" ({lines[y]})" if lines.get(y) else ""
                    return f"{op} of {path}{line}" if path else f"{op}{line}"
    found = sorted(seen & results)
    return f"the result {found[0]}" if found else name


def _batch_in_shapes(values: Any, others: list[Any]) -> None:
    """Write the batch into the shapes of inputs or outputs."""
    for value, *rest in zip(values, *others, strict=True):
        shapes = [v.type.tensor_type.shape.dim for v in (value, *rest)]
        for axis, dims in enumerate(zip(*shapes, strict=True)):
            sizes = [d.dim_value for d in dims]
            if len({*sizes}) == 1:
                continue
            times = sizes[0] // SIZES[0]
            if sizes != [times * n for n in SIZES]:
                each = ", ".join(f"{m} for {n}" for m, n in zip(sizes, SIZES, strict=True))
                raise ValueError(
                    f"{value.name} has along axis {axis}, by the size of the batch, the sizes "
                    f"{each}; expected the same, or a multiple of the batch{ALONE}"
                )
            dims[0].dim_param = BATCH if times == 1 else f"{times}*{BATCH}"


# -- Tidying up ------------------------------------------------------------------------------------


def _reshaped(graph: Any, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the weights the shapes in which alone the operators read them, as biases (1, O) of
    linear layers are read as (O,), in place of an operator that reshapes them."""
    constants = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    values, new, left = dict(weights), dict[str, str](), list[NodeProto]()
    for node in graph.node:
        name = node.input[0] if node.op_type == "Reshape" else ""
        readers = [n for n in graph.node if name in _read(n)] if name in weights else []
        if len(readers) == 1 and node.input[1] in constants:
            values[name] = values[name].reshape(constants[node.input[1]])
            new[node.output[0]] = name
        else:
            left.append(node)
    for node in left:
        _renamed(node, new)
    _replace(graph.node, left)
    return values


def _read(node: NodeProto) -> Iterator[str]:
    """Name the values that an operator reads, also in the branches of an If."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _read(inner)


def _without_identities(graph: Any) -> None:
    """Take out the Identity that gives each result its name, where an operator computes it."""
    made = {y for node in graph.node for y in node.output}
    results, new = {x.name for x in graph.output}, {}
    for node in graph.node:
        is_name = node.op_type == "Identity" and node.output[0] in results
        if is_name and node.input[0] in made and node.input[0] not in new:
            new[node.input[0]] = node.output[0]
    nodes = [n for n in graph.node if not (n.op_type == "Identity" and n.output[0] in new.values())]
    for node in nodes:
        _renamed(node, new)
    _replace(graph.node, nodes)


def _renamed(node: NodeProto, new: Mapping[str, str]) -> None:
    _replace(node.input, [new.get(x, x) for x in node.input])
    _replace(node.output, [new.get(y, y) for y in node.output])
    for attribute in node.attribute:
        for inner in attribute.g.node:
            _renamed(inner, new)


def _tidy(graph: Any) -> None:
    """Keep one of equal constants, and leave out outputs of operators that nobody reads."""
    first, new = dict[bytes, str](), dict[str, str]()
    for tensor in graph.initializer:
        x = numpy_helper.to_array(tensor)
        key = repr((x.dtype, x.shape)).encode() + x.tobytes()
        new[tensor.name] = first.setdefault(key, tensor.name)
    _replace(graph.initializer, [t for t in graph.initializer if new[t.name] == t.name])
    for node in graph.node:
        _renamed(node, new)
    read = {x.name for x in graph.output} | {x for node in graph.node for x in _read(node)}
    for node in graph.node:
        while len(node.output) > 1 and node.output[-1] not in read:
            node.output.pop()
    _replace(graph.initializer, [t for t in graph.initializer if t.name in read])


def _replace(field: Any, entries: list[Any]) -> None:
    """Put these entries in place of those of a list of protobuf's."""
    entries = list(entries)
    del field[:]
    field.extend(entries)
