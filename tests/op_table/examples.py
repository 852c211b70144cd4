"""An example of each op, made from its row: what the op gives, and the gradients of its inputs.

docs/reference.py shows it on the op's page, so that an op stays about ten lines long. Results are
computed when the example is made; tests/ops/ compares such cases with NumPy and with differences.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import gradcore
from gradcore import Op, TensorNode

from . import ROWS
from .numbers import as_tuple, numbers
from .rows import Case, Row

__all__ = ["example"]

FEW = 12  # numbers in vectors and matrices, which are shown; of more, or of more axes, the shapes


def example(op: type[Op]) -> str:
    """Give the example in doctest form, as it stands under `Example:` in a docstring."""
    row = next(row for row in ROWS if row.op is op)
    case = min(row.cases, key=lambda case: _rank(row, case))
    is_shown = not _rank(row, case)[1]
    inputs, constants = numbers(row, case)
    lines, names, given = [], _names(op, len(inputs)), []
    for k, x in enumerate(inputs):
        if not isinstance(x, np.ndarray):
            names[k] = repr(x)
            given.append(x)
            continue
        is_node = k in case.nodes
        if is_node and not is_shown:
            x, text = np.ones(x.shape), f"TensorNode(np.ones({x.shape}))"
        else:
            x = _simple(row, x)
            text = f"TensorNode({_listed(x)})" if is_node else _text(x)
        lines.append(f">>> {names[k]} = {text}")
        given.append(TensorNode(x) if is_node else x)
    constants = {key: _simple(row, x) for key, x in constants.items()}
    said = [*names, *[f"{key}={_text(x)}" for key, x in constants.items()]]
    with gradcore.use_backend("numpy"):
        result = op.do_forward(*given, **constants)
    ys, y = as_tuple(result), "z" if "y" in names else "y"
    outputs = [f"{y}{i}" for i in range(len(ys))] if isinstance(result, tuple) else [y]
    comma = "," if isinstance(result, tuple) and len(ys) == 1 else ""
    call = f"gradcore.{op.__name__}.do_forward({', '.join(said)})"
    lines.append(f">>> {', '.join(outputs)}{comma} = {call}")
    if not is_shown:
        shapes = tuple(y.shape for y in ys) if len(ys) > 1 else ys[0].shape
        return "\n".join([*lines, f">>> {', '.join(f'{y}.shape' for y in outputs)}", str(shapes)])
    for name, y in zip(outputs, ys, strict=True):
        lines += [f">>> print({name}.value.round(3))", _printed(y.value)]
    if len(ys) == 1 and ys[0].requires_grad and not np.iscomplexobj(ys[0].value):
        ys[0].sum().backward()
        lines.append(f">>> {outputs[0]}.sum().backward()")
        for k in case.nodes:
            lines += [f">>> print({names[k]}.grad.round(3))", _printed(given[k].grad)]
    return "\n".join(lines)


def _rank(row: Row, case: Case) -> tuple[Any, ...]:
    """Order cases: first those that show most with the fewest options."""
    inputs, constants = numbers(row, case)
    arrays = [x for x in (*inputs, *constants.values()) if isinstance(x, np.ndarray)]
    sizes = [x.size for x in arrays]
    n = sum(sizes)
    is_long = n > FEW or any(x.ndim > 2 for x in arrays)
    others = len(inputs) - len(case.nodes)
    is_poor = n < 3 or 0 in sizes or max(sizes) == 1
    trivial = sum(type(x) is float and x in (0.0, 1.0, np.inf) for x in constants.values())
    return is_poor, is_long, others, len(constants), trivial, -min(n, 100), n


def _names(op: type[Op], n: int) -> list[str]:
    """Name the inputs as the op's `forward` does."""
    found = [p.name for p in inspect.signature(op.forward).parameters.values() if p.kind == 1]
    return found[1 : n + 1] if len(found) > n else list("abcdefghijklmnopq"[:n])


def _simple(row: Row, x: Any) -> Any:
    """Round drawn numbers to one decimal, or to two if they are of a matrix made for its op."""
    if not isinstance(x, np.ndarray) or x.dtype != float:
        return x
    x = np.asarray(x.round(2 if row.prepare else 1), dtype="float32")
    return (x + 1j * np.flip(x)).astype("complex64") if row.complex == "only" else x


def _text(x: Any) -> str:
    if not isinstance(x, np.ndarray):
        return repr(x).replace("inf", "np.inf")
    dtype = ', "float32"' if x.dtype.kind == "f" else ""
    return f"np.array({_listed(x)}{dtype})"


def _listed(x: np.ndarray) -> str:
    wide = {"f": "float64", "c": "complex128"}.get(x.dtype.kind)
    return str((x.astype(wide).round(2) if wide else x).tolist())


def _printed(x: Any) -> str:
    return str(x.round(3)).replace("\n\n", "\n<BLANKLINE>\n")
