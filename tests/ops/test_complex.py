"""Every row of the op table with complex numbers, in PyTorch's convention."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from op_table import ROWS, Case, Draw, Row
from op_table.numbers import as_tuple, assert_close, each, numbers

import gradcore
from gradcore import Op, TensorNode, namespace, ops
from gradcore.backends import Array, Backend, get
from gradcore.engine.arrays import value_of

WIDE = {"float32": "complex64", "float64": "complex128"}
VALUE = {"float32": 1e-5, "float64": 1e-11}
SECOND = {"float32": 3e-4, "float64": 1e-9}  # the tolerance of gradients of gradients

complex_rows = [row for row in ROWS if row.complex and row.complex != "inside"]
every_row = each(complex_rows)
# The functions that apply these check the dtypes, and no kernel does.
CHECKED_BEFORE = {
    "BatchNorm",
    "BatchNormGradient",
    "BatchNormInference",
    "LayerNorm",
    "LayerNormGradient",
}


class RealPart(Op):
    """The real part of the sum of all ys * ws: the gradient that an op gets for y is exactly w."""

    @staticmethod
    def forward(context: dict[str, Any], *arrays: Array) -> Array:
        half = len(arrays) // 2
        ys, ws = context["ys"], context["ws"] = arrays[:half], arrays[half:]
        return sum(real(namespace(y).sum(y * w)) for y, w in zip(ys, ws, strict=True))

    @staticmethod
    def backward(context: dict[str, Any], go: Array) -> tuple[Any, ...]:  # go is 1
        return (*context["ws"], *context["ys"])


def real(x: Array) -> Array:
    xp = namespace(x)
    return xp.real(x) if xp.isdtype(x.dtype, "complex floating") else x


@cache
def turned(row: Row, case: Case, which: tuple[int, ...]) -> list[Any]:
    """The case's inputs, those of `which` with imaginary parts, of both signs."""
    inputs = list(numbers(row, case)[0])
    for k in which:
        x = inputs[k]
        size = 0.25 if row.prepare and x.ndim > 1 else 1.0  # so that matrices stay what they are
        parts = np.roll(x.ravel()[::-1], 1) * np.where(np.arange(x.size) % 2, size, -size)
        inputs[k] = np.asarray(x + 1j * parts.reshape(x.shape))
    return inputs


def choices(row: Row, case: Case) -> list[tuple[int, ...]]:
    """Which inputs are complex: all nodes, or each one alone."""
    if row.complex == "together":
        arrays = [isinstance(x, Draw) and x.kind is float for x in case.inputs]
        return [tuple(k for k, yes in enumerate(arrays) if yes)]
    if row.complex in ("always", "results"):
        return [(), tuple(case.nodes)] if row.complex == "always" else [()]
    return [tuple(case.nodes), *([(k,) for k in case.nodes] if len(case.nodes) > 1 else [])]


def weights(arrays: Any) -> list[np.ndarray]:
    """Numbers like those of the arrays, none small."""
    made = []
    for x in arrays:
        w = np.reshape(1.0 + np.cos(np.arange(x.size)) / 2, x.shape)
        made.append(np.asarray(w * (1 - 0.5j) if "complex" in str(x.dtype) else w))
    return made


class Trial:
    """A case on a backend: the outputs, the gradients, and the gradients of gradients."""

    def __init__(
        self, row: Row, case: Case, which: tuple[int, ...], backend: Backend, dtype: str
    ) -> None:
        def array(x: Any) -> Any:
            if not isinstance(x, np.ndarray):
                return x
            return backend.asarray(x, {"f": dtype, "c": WIDE[dtype]}.get(x.dtype.kind))

        inputs = list(map(array, turned(row, case, which)))
        nodes = [TensorNode(inputs[k]) for k in case.nodes]
        given = dict(zip(case.nodes, nodes, strict=True))
        constants = {key: array(x) for key, x in numbers(row, case)[1].items()}
        ys = row.op.do_forward(*[given.get(k, x) for k, x in enumerate(inputs)], **constants)
        ys = as_tuple(row.determined(*ys) if row.determined else ys)
        self.values = [backend.to_numpy(y.value) for y in ys]

        ws = [TensorNode(array(w)) for w in weights(self.values)]
        loss = RealPart.do_forward(*ys, *ws)
        loss.backward(create_graph=True)
        slopes = [x.grad for x in nodes]
        self.gradients = [backend.to_numpy(value_of(g)) for g in slopes]
        loss.zero_grad()
        vs = [array(v) for v in weights(self.gradients)]
        again = RealPart.do_forward(*slopes, *vs)
        if again.requires_grad:
            again.backward()
        self.second = [backend.to_numpy(x.grad) for x in (*nodes, *ws)]


@cache
def expected(row: Row, case: Case, which: tuple[int, ...]) -> Trial:
    return Trial(row, case, which, get("numpy"), "float64")


def trials(row: Row) -> Iterator[tuple[Case, tuple[int, ...], str]]:
    for case in row.cases:
        for which in choices(row, case):
            yield case, which, f"{row.op.__name__}, {case}, complex: {which}"


def some_trials(row: Row, most: int) -> list[tuple[Case, tuple[int, ...], str]]:
    """At most so many, from all over the row."""
    found = list(trials(row))
    return found[:: -(-len(found) // most) or 1]


@every_row
def test_values_are_those_of_the_reference(row: Row) -> None:
    for case, which, where in trials(row):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the variance of nothing
            ys = as_tuple(row.reference(*turned(row, case, which), **numbers(row, case)[1]))
            ys = row.determined(*ys) if row.determined else ys
        for y, right in zip(expected(row, case, which).values, ys, strict=True):
            assert_close(y, right, 1e-11, where)


@every_row
def test_gradients_are_those_of_differences_to_second_order(row: Row) -> None:
    for case, which, _ in some_trials(row, 5):
        inputs, constants = turned(row, case, which), numbers(row, case)[1]

        def f(*xs: Any, case=case, inputs=inputs, constants=constants) -> Any:
            given = dict(zip(case.nodes, xs, strict=True))
            all_inputs = [given.get(k, x) for k, x in enumerate(inputs)]
            ys = row.op.do_forward(*all_inputs, **constants)
            return row.determined(*ys) if row.determined else ys

        gradcore.check_gradients(f, *[inputs[k] for k in case.nodes])


@every_row
def test_a_backend_gives_what_numpy_gives_in_double_precision(
    row: Row, backend: Backend, dtype: str
) -> None:
    if WIDE[dtype] not in backend.xp.__array_namespace_info__().dtypes(device=backend.device):
        pytest.skip(f"no {WIDE[dtype]}")
    for case, which, where in some_trials(row, 6):
        found, right = Trial(row, case, which, backend, dtype), expected(row, case, which)
        for kind, tolerance in (("values", VALUE), ("gradients", VALUE), ("second", SECOND)):
            for x, y in zip(getattr(found, kind), getattr(right, kind), strict=True):
                assert x.dtype.kind == y.dtype.kind, where
                assert x.dtype.itemsize == (y.dtype.itemsize >> (dtype == "float32")), where
                assert_close(x, y, tolerance[dtype], f"{kind} of {where}")


@each([row for row in complex_rows if row.torch])
def test_against_torch(row: Row) -> None:
    torch = pytest.importorskip("torch")
    function: Any = getattr(torch, row.torch) if isinstance(row.torch, str) else row.torch
    for case, which, where in some_trials(row, 16):
        inputs, constants = turned(row, case, which), numbers(row, case)[1]
        tensors = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
        nodes = [tensors[k].requires_grad_() for k in case.nodes]
        wishes = {k: torch.tensor(x) if hasattr(x, "shape") else x for k, x in constants.items()}
        try:
            ys = as_tuple(function(*tensors, **wishes))
            ys = row.determined(*ys) if row.determined else ys
            right = expected(row, case, which)
            # The gradient of y, as PyTorch has it, is the conjugate of what ops get.
            ws = [torch.tensor(w).conj() for w in weights(right.values)]
            slopes = torch.autograd.grad(ys, nodes, ws, allow_unused=True)
        except (RuntimeError, NotImplementedError):  # of inputs of two dtypes, and of poolings
            continue
        for y, value in zip(ys, right.values, strict=True):
            assert_close(value, y.detach().resolve_conj().numpy(), 1e-12, where)
        for g, slope in zip(right.gradients, slopes, strict=True):
            if slope is not None:
                assert_close(g, slope.resolve_conj().numpy(), 1e-10, where)


@each([row for row in ROWS if not row.complex and row.op.__name__ not in CHECKED_BEFORE])
@pytest.mark.filterwarnings("ignore:invalid value")  # computed before the op is refused
def test_an_op_for_real_numbers_refuses_complex_ones(row: Row) -> None:
    for case, which, where in trials(row):
        inputs, constants = turned(row, case, which), numbers(row, case)[1]
        nodes = [TensorNode(x) if k in case.nodes else x for k, x in enumerate(inputs)]
        if not all(np.size(x) for x in inputs):
            continue
        try:
            differentiate(row.op, nodes, constants)
        except TypeError:
            continue
        pytest.fail(where)


def differentiate(op: type[Op], inputs: list[Any], constants: dict[str, Any]) -> None:
    ys = as_tuple(op.do_forward(*inputs, **constants))
    RealPart.do_forward(*ys, *weights([y.value for y in ys])).backward()


def test_all_ops_of_complex_rows_are_for_complex_numbers() -> None:
    assert not [row.op for row in ROWS if row.complex and row.op.real_only]
    assert {row.op.__name__ for row in ROWS if row.complex == "inside"} == {
        "Cast", "EighGradient", "NormGradient", "SVDGradient",
    }  # fmt: skip


def test_casts_go_from_real_to_complex_and_not_back(backend: Backend) -> None:
    x = TensorNode(backend.asarray([2.0, -3.0]))
    xp, wide = namespace(x), backend.dtype("complex64")
    z = xp.astype(x, wide) * 2j
    xp.sum(xp.imag(z * z)).backward()
    assert x.grad.dtype == backend.dtype("float32")
    assert backend.to_numpy(x.grad).tolist() == [0.0, 0.0]
    for real_dtype in ("float32", "int32", "bool"):
        with pytest.raises(TypeError, match=r"take real\(x\) or abs\(x\)"):
            ops.Cast.do_forward(z, dtype=backend.dtype(real_dtype))
