"""Make a program of ONNX, which a file holds, of what arrays of this backend have noted.

A graph is noted with numbers for all sizes, and a program is wanted for batches of any size. So a
model is noted twice, with two sizes of the batch, and what differs between the two programs is what
depends on that size. A shape whose entries are multiples of it is computed when the file runs; for
anything else that differs, nothing is right at a third size, and the program is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import spox
from onnx import ModelProto, NodeProto, checker, defs, helper, numpy_helper, version_converter

from ..types import Array
from . import namespace as xp

__all__ = ["OPSET", "OPSETS", "SIZES", "combined", "named", "noted", "placeholder"]

OPSET = 21  # whose operators the backend's functions are
OPSETS = range(17, defs.onnx_opset_version() + 1)  # the first has layer normalization
SIZES = 97, 202  # of the batch: rarely those of something else, one odd and one even
MOST_BYTES = 2**31 - 2**20  # of weights, in a file of at most 2 GiB
BATCH = "batch"
SIZE = "batch/size"  # the value of the operator that gives it
DIFFERENT = (
    f"the model computes something else of a batch of {SIZES[0]} than of one of {SIZES[1]}, as a "
    "loop over the batch does; only the sizes of arrays may depend on it"
)


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
) -> ModelProto:
    """Make one program, for batches of any size, of those for batches of `SIZES`.

    Args:
        axes: the axis of the batch of each input; `None` for an input without one.
        weights: the values of the arguments that are no inputs.

    Raises:
        ValueError: the programs differ in something that can't be computed from the size, or the
            weights take more than a file holds.
    """
    first, second = models
    graph, others = first.graph, second.graph
    _check_alike(graph, others)
    _batch_in_constants(graph, others, axes)
    _batch_in_shapes(graph.input, others.input)
    _batch_in_shapes(graph.output, others.output)
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


def _check_alike(graph: Any, others: Any) -> None:
    """Raise ValueError unless the two graphs have the same operators with the same settings."""
    nodes, rest = list(graph.node), list(others.node)
    for a, b in zip(nodes, rest, strict=False):
        if a != b:
            raise ValueError(f"{_place(graph, a.output[0])}: {DIFFERENT}")
    if len(nodes) != len(rest):
        raise ValueError(DIFFERENT)


def _batch_in_constants(graph: Any, others: Any, axes: Mapping[str, int | None]) -> None:
    """Compute those constants that depend on the size of the batch from that of an input."""
    computed: list[NodeProto] = []
    new: list[Any] = []
    for tensor, other in zip(graph.initializer, others.initializer, strict=True):
        x, y = numpy_helper.to_array(tensor), numpy_helper.to_array(other)
        if x.shape == y.shape and np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
            new.append(tensor)
        else:
            constants, nodes = _computed(graph, tensor.name, x, y)
            new += constants
            computed += nodes
    if computed:
        name, axis = next((name, axis) for name, axis in axes.items() if axis is not None)
        shape = helper.make_node("Shape", [name], [SIZE], start=axis, end=axis + 1)
        _replace(graph.node, [shape, *computed, *graph.node])
    _replace(graph.initializer, new)


def _computed(graph: Any, name: str, x: Any, y: Any) -> tuple[list[Any], list[NodeProto]]:
    """Give constants, and operators, that compute what is x for the first size and y for the other.

    Raises:
        ValueError: these are no multiples of the sizes, nor the numbers from 0 to such a multiple.
    """
    readers = [node for node in graph.node if name in node.input]
    times, rest = _multiples(x, y)
    if times is not None and x.ndim < 2:
        is_shape = all(n.op_type == "Reshape" and n.input[1] == name for n in readers)
        if is_shape and np.count_nonzero(times) == 1 and not {0, -1} & {*x.tolist()}:
            return [numpy_helper.from_array(np.where(times, -1, x), name)], []
        return _product(name, times, rest)
    if x.ndim == y.ndim == 1 and x.dtype == np.int64:
        times, rest = _multiples(np.array(x.size), np.array(y.size))
        if times is not None and all(np.array_equal(a, np.arange(a.size)) for a in (x, y)):
            constants, nodes = _product(f"{name}/end", times, rest)
            ends = [numpy_helper.from_array(np.array(i), f"{name}/{i}") for i in (0, 1)]
            inputs = [ends[0].name, f"{name}/end", ends[1].name]
            return [*constants, *ends], [*nodes, helper.make_node("Range", inputs, [name])]
    few = x.size < 9 and x.shape == y.shape
    shown = [str(a) if few else f"{a.dtype} {a.shape}" for a in (x, y)]
    reader = readers[0].op_type if readers else "the result"
    raise ValueError(
        f"{_place(graph, readers[0].output[0]) if readers else name}: a constant of {reader} is "
        f"{shown[0]} for a batch of {SIZES[0]}, and {shown[1]} for one of {SIZES[1]}; expected a "
        "multiple of the batch, which can be computed when the file runs"
    )


def _multiples(x: Any, y: Any) -> tuple[Any, Any]:
    """Find `times` and `rest`, of which one is 0 in each place: size * times + rest is x for the
    first size, and y for the other; (None, None) if there are none."""
    if x.shape != y.shape or x.dtype.kind not in "iuf":
        return None, None
    times = np.where(x == y, 0, x // SIZES[0]).astype(np.int64)
    rest = np.where(times == 0, x, 0).astype(x.dtype)
    fit = all(np.array_equal(n * times + rest, a) for n, a in zip(SIZES, (x, y), strict=True))
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


def _place(graph: Any, name: str) -> str:
    """Name the op, and its module, for which a value is computed: values that come out of ops have
    the names that `named` gave them, with a slash."""
    seen = {name}
    results = {x.name for x in graph.output}
    for node in graph.node:
        if seen & {node.output[0], *_read(node)}:
            seen.update(node.output)
            for y in node.output:
                if "/" in y:
                    path, _, op = y.rpartition("/")
                    return f"{op} of {path}" if path else op
    found = sorted(seen & results)
    return f"the result {found[0]}" if found else name


def _batch_in_shapes(values: Any, others: Any) -> None:
    """Write the batch into the shapes of inputs or outputs."""
    for value, other in zip(values, others, strict=True):
        shape, then = (v.type.tensor_type.shape.dim for v in (value, other))
        for axis, (a, b) in enumerate(zip(shape, then, strict=True)):
            m, n = a.dim_value, b.dim_value
            if m == n:
                continue
            times = m // SIZES[0]
            if (times * SIZES[0], times * SIZES[1]) != (m, n):
                raise ValueError(
                    f"{value.name} has size {m} along axis {axis} for a batch of {SIZES[0]}, and "
                    f"{n} for one of {SIZES[1]}, expected a multiple of the batch"
                )
            a.dim_param = BATCH if times == 1 else f"{times}*{BATCH}"


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
