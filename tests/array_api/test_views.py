"""Writing to a part of a node, through a part of it, and to a node that has another name."""

from __future__ import annotations

import copy
import gc
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from view_programs import Arrays, Nodes, Tensors, program

import gradcore
from gradcore import (
    Sum,
    TensorNode,
    check_gradients,
    checkpoint,
    grad,
    linalg,
    namespace,
    no_grad,
    ops,
)
from gradcore.backends import Backend

X = np.arange(6.0).reshape(2, 3)


def computed() -> TensorNode:
    return TensorNode(X.copy()) * 1.0


def constant(x: Any = X) -> TensorNode:
    return TensorNode(x.copy(), requires_grad=False)


# -- Against NumPy and PyTorch ----------------------------------------------------------------


def weights(i: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.cos(np.arange(np.prod(shape)) + i).reshape(tuple(shape))


def of_nodes(nodes: Nodes, starts: list[Any], steps: Any) -> tuple[list[Any], Any]:
    """The variables in the end, and the sum of the sines of their elements, each with a weight."""
    variables = nodes.run((starts, steps))
    xp = namespace(starts[0])
    terms = [
        xp.sum(xp.sin(x) * nodes.operand(weights(i, x.shape)))
        for i, x in enumerate(variables)
        if x is not None
    ]
    return variables, sum(terms[1:], start=terms[0])


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_do_what_numpy_does(backend: Backend, dtype: str, seed: int) -> None:
    """And a gradient comes out, also with negative steps, which PyTorch doesn't have."""
    starts, steps = program(seed, 3 + seed % 8, flips=seed % 2 == 0)
    nodes, tolerance = Nodes(backend, dtype), {"float32": 1e-3, "float64": 1e-11}[dtype]
    xs = [TensorNode(nodes.operand(x)) for x in starts[:2]]
    found, loss = of_nodes(nodes, [*xs, starts[2]], steps)
    for e, f in zip(Arrays().run((starts, steps)), found, strict=True):
        if e is not None:
            value = backend.to_numpy(f.value)
            np.testing.assert_allclose(value, e, rtol=tolerance, atol=tolerance)
    loss.backward()


@pytest.mark.parametrize("seed", range(100, 160))
def test_random_programs_have_the_gradients_that_torch_computes(seed: int) -> None:
    torch = pytest.importorskip("torch")
    starts, steps = program(seed, 3 + seed % 8, flips=False)
    tensors = [torch.tensor(x, requires_grad=True) for x in starts[:2]]
    loss = sum(0.0 * x.sum() for x in tensors)
    for i, x in enumerate(Tensors(torch).run(([*tensors, starts[2]], steps))):
        if x is not None:
            loss += (torch.sin(x.clone()) * torch.tensor(weights(i, x.shape))).sum()
    first = torch.autograd.grad(loss, tensors, create_graph=True)
    both = sum((g * g + 0.0 * x).sum() for g, x in zip(first, tensors, strict=True))
    second = torch.autograd.grad(both, tensors)

    def f(x: Any, y: Any) -> Any:
        return of_nodes(Nodes(gradcore.backends.get("numpy")), [x, y, starts[2]], steps)[1]

    def squares(x: Any, y: Any) -> Any:
        return sum(Sum.do_forward(g * g) for g in grad(f, (0, 1))(x, y))

    for g, e in zip(grad(f, (0, 1))(*starts[:2]), first, strict=True):
        np.testing.assert_allclose(g, e.detach().numpy(), rtol=1e-9, atol=1e-9)
    for g, e in zip(grad(squares, (0, 1))(*starts[:2]), second, strict=True):
        np.testing.assert_allclose(g, e.numpy(), rtol=1e-8, atol=1e-8)


# -- What is a view ---------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Any, Any], Any]] = {
    "slice": lambda xp, x: x[:, 1:],  # noqa: ARG005
    "row": lambda xp, x: x[1],  # noqa: ARG005
    "element, as an array": lambda xp, x: x[1, 2, ...],  # noqa: ARG005
    "new axis": lambda xp, x: x[None, :, None, ::2],  # noqa: ARG005
    "new axis alone": lambda xp, x: x[None],  # noqa: ARG005
    "backwards": lambda xp, x: xp.flip(x, axis=1),
    "flat": lambda xp, x: xp.reshape(x, (-1,)),
    "reshaped part": lambda xp, x: xp.reshape(x[:, :2], (2, 1, 2, 1)),
    "T": lambda xp, x: x.T,  # noqa: ARG005
    "mT": lambda xp, x: x.mT,  # noqa: ARG005
    "permute_dims": lambda xp, x: xp.permute_dims(xp.expand_dims(x, axis=0), (2, 0, 1)),
    "moveaxis": lambda xp, x: xp.moveaxis(x, 0, 1),
    "expand_dims": lambda xp, x: xp.expand_dims(x, axis=(0, 2)),
    "squeeze": lambda xp, x: xp.squeeze(x[:1], axis=0),
    "unstack": lambda xp, x: xp.unstack(x, axis=1)[2],
    "iteration": lambda xp, x: [*x][1],  # noqa: ARG005
    "asarray": lambda xp, x: xp.asarray(x),
    "real": lambda xp, x: xp.real(x),
    "diagonal": lambda xp, x: linalg.diagonal(x.T, offset=-1),  # noqa: ARG005
}
COPIES: dict[str, Callable[[Any, Any], Any]] = {
    "number": lambda xp, x: x[1, 2],  # noqa: ARG005
    "mask": lambda xp, x: x[x > 1.0],  # noqa: ARG005
    "indices": lambda xp, x: x[[0, 1]],  # noqa: ARG005
    "take": lambda xp, x: xp.take(x, xp.asarray([1]), axis=0),
    "flat, of another order": lambda xp, x: xp.reshape(x.T, (-1,)),
    "flat, of a part": lambda xp, x: xp.reshape(x[:, :2], (-1,)),
    "reshape with copy": lambda xp, x: xp.reshape(x, (-1,), copy=True),
    "positive": lambda xp, x: +x,  # noqa: ARG005
    "astype": lambda xp, x: xp.astype(x, x.dtype),
    "clip": lambda xp, x: xp.clip(x),
    "asarray with copy": lambda xp, x: xp.asarray(x, copy=True),
    "concat": lambda xp, x: xp.concat([x]),
    "tile": lambda xp, x: xp.tile(x, (1, 1)),
    "repeat": lambda xp, x: xp.repeat(x, 1, axis=0),
    "roll": lambda xp, x: xp.roll(x, 0),
    "meshgrid": lambda xp, x: xp.meshgrid(x[0])[0],
    "full_like": lambda xp, x: xp.full_like(x, x[0, 0]),
    "deepcopy": lambda xp, x: copy.deepcopy(x[0]) if x.source is None else +x,  # noqa: ARG005
}


@pytest.mark.parametrize("make", [computed, constant])
@pytest.mark.parametrize("name", VIEWS)
def test_what_is_written_to_a_view_is_written_to_its_base(make: Any, name: str) -> None:
    import array_api_compat.numpy as compat

    x, array = make(), X.copy()
    part = VIEWS[name](namespace(x), x)
    part[...] = part * 0.0 + 70.0
    if name != "diagonal":
        VIEWS[name](compat, array)[...] = 70.0
    else:
        array[[0, 1], [1, 2]] = 70.0
    np.testing.assert_array_equal(x.value, array)
    x[...] = 5.0  # and back
    np.testing.assert_array_equal(part.value, np.full(part.shape, 5.0))
    part *= 2.0
    assert np.count_nonzero(x.value == 10.0) == part.size


@pytest.mark.parametrize("make", [computed, constant])
@pytest.mark.parametrize("name", COPIES)
def test_what_is_written_to_a_copy_is_not_written_to_anything(make: Any, name: str) -> None:
    x = make()
    part = COPIES[name](namespace(x), x)
    part[...] = part * 0.0 + 70.0
    part += 1.0
    np.testing.assert_array_equal(x.value, X)


# -- The faults that were found ---------------------------------------------------------------


def test_a_diagonal_is_filled_through_a_slice(backend: Backend) -> None:
    """As scikit-learn's GaussianMixture does."""
    c = namespace(TensorNode(backend.asarray([0.0]))).zeros((2, 3, 3))
    for k in range(2):
        d = c[k, :, :]
        for i in range(3):
            d[i, i] += 1.0 + k
    expected = np.stack([np.eye(3), 2 * np.eye(3)])
    np.testing.assert_array_equal(backend.to_numpy(c.value), expected)


def test_rows_in_a_loop_reshape_and_chains_of_keys_with_gradients() -> None:
    def f(x: Any) -> Any:
        xp = namespace(x)
        y = xp.zeros((2, 3), dtype=x.dtype)
        for k, row in enumerate(y):
            row += x[k]
            row[1:] *= row[:-1]
        xp.reshape(y, (-1,))[2] = x[0, 1] ** 3
        y.T[0] *= x[0, :2]
        y[0][1] = y[1][0] * x[1, 1]
        return xp.sum(y * y * x)

    check_gradients(f, X + 1.0, order=3)


def test_a_view_sees_what_its_base_is_given() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        row, column = y[0], y[:, 1]
        before = row * column[0]
        y[0, 1:] = x[1, :2] ** 2
        return namespace(x).sum(before * row) + namespace(x).sum(column)

    check_gradients(f, X + 1.0, order=3)
    y = computed()
    row = y[0]
    y[0, 1] = 50.0
    np.testing.assert_array_equal(row.value, [0.0, 50.0, 2.0])


# -- Augmented assignment -----------------------------------------------------------------------


@pytest.mark.parametrize("make", [computed, constant])
@pytest.mark.parametrize(
    ("name", "other"),
    [
        *[(name, 2.0) for name in ("iadd", "isub", "imul", "itruediv", "ipow", "imod")],
        ("ifloordiv", 2.0),
        ("imatmul", np.eye(3)),
    ],
)
def test_another_name_of_a_node_sees_augmented_assignment(make: Any, name: str, other: Any) -> None:
    function = getattr(operator, name)
    y = make() if name != "ifloordiv" else constant()
    z, expected = y, X.copy()
    z = function(z, other)
    assert z is y
    np.testing.assert_array_equal(y.value, function(expected, other))


def test_integers_and_booleans() -> None:
    for name, other in (("iand", 2), ("ior", 1), ("ixor", 3), ("ilshift", 1), ("irshift", 1)):
        y, expected = constant(np.arange(4)), np.arange(4)
        part = y[1:]
        getattr(operator, name)(part, other)
        getattr(operator, name)(expected[1:], other)
        np.testing.assert_array_equal(y.value, expected)


def test_where_nobody_else_holds_it_there_is_only_the_op() -> None:
    y = computed()
    y += 1.0
    assert y.source is not None
    assert y.source.op is ops.Add
    z = y
    z += 1.0
    assert y is z
    assert y.source.op is ops.Replace


def test_numbers_and_leaves_get_a_new_node() -> None:
    """As NumPy's numbers do not change, and as a leaf keeps its value."""
    loss = first = Sum.do_forward(computed())
    loss += 1.0
    assert (float(first), float(loss)) == (15.0, 16.0)
    leaf = other = TensorNode(X.copy())
    other += 1.0
    np.testing.assert_array_equal(leaf.value, X)
    assert other.source is not None
    np.testing.assert_array_equal(grad(_changes_its_argument)(X), 2 * (X + 1.0))


def _changes_its_argument(x: Any) -> Any:
    x += 1.0
    return namespace(x).sum(x * x)


def test_a_parameter_is_updated_under_no_grad() -> None:
    """As in PyTorch: `p -= lr * p.grad` once made a new node and left p as it was."""
    p = q = TensorNode(X.copy())
    row = p[0]
    Sum.do_forward(p * p).backward()
    with no_grad():
        q -= 0.5 * q.grad
    assert p is q
    assert p.source is None
    np.testing.assert_array_equal(p.value, 0.0 * X)
    np.testing.assert_array_equal(row.value, [0.0, 0.0, 0.0])
    p.zero_grad()
    Sum.do_forward(p[0] + row).backward()
    np.testing.assert_array_equal(p.grad, [[2.0] * 3, [0.0] * 3])


def test_a_parameter_in_one_variable_stays_a_parameter_under_no_grad() -> None:
    """Where nobody else held w, the variable once got a constant."""
    w, number = TensorNode(X.copy(), name="w"), TensorNode(np.array(3.0))
    for _ in range(2):
        Sum.do_forward(w * w * number).backward()
        with no_grad():
            w -= 0.5 * w.grad
            number -= 1.0
        w.zero_grad()
    assert (w.requires_grad, w.name, number.requires_grad) == (True, "w", True)
    np.testing.assert_array_equal(w.value, 2 * X)  # (1 - 3) * (1 - 2) * X


def test_under_no_grad_a_node_that_has_a_gradient_keeps_it_whoever_holds_it() -> None:
    x = TensorNode(X.copy())
    y, alone = x * 2.0, x * 2.0
    other = y
    with no_grad():
        y += 1.0
        alone += 1.0
    assert other is y
    Sum.do_forward(y * y + alone * alone).backward()
    np.testing.assert_array_equal(x.grad, 8 * (2 * X + 1.0))


def test_parts_of_a_parameter_and_numbers_are_updated_under_no_grad() -> None:
    """As in PyTorch: to prune, to clip rows, and in a loop over all parameters."""
    p, number = TensorNode(X.copy()), TensorNode(np.array(3.0))
    row = p[0]
    with no_grad():
        for x in (p, number):
            x *= 2.0
        p[p.value > 6.0] = 0.0
        p[0] += 1.0
        for column in p.T:
            column /= 2.0
    expected = X * 2.0
    expected[expected > 6.0] = 0.0
    expected[0] += 1.0
    np.testing.assert_array_equal(p.value, expected / 2.0)
    np.testing.assert_array_equal(row.value, p.value[0])
    assert number.value == 6.0
    assert p.requires_grad
    Sum.do_forward(row * p * number).backward()
    np.testing.assert_array_equal(p.grad[1], 6.0 * row.value)


def test_in_place_operators_are_seen_by_whoever_else_holds_the_node() -> None:
    def closed_over() -> tuple[Any, Any]:
        x = constant(X.copy())

        def write() -> None:
            nonlocal x
            x += 1.0

        other = x
        write()
        return x, other

    def in_an_attribute(holder: Any) -> tuple[Any, Any]:
        holder.x = other = constant(X.copy())
        holder.x += 1.0
        return holder.x, other

    def in_a_default(x: Any = constant(X.copy())) -> tuple[Any, Any]:  # noqa: B008
        x += 1.0
        return x, in_a_default.__defaults__[0]  # type: ignore[index]

    some = [constant(X.copy())]
    both = [*some]
    both[0] += 1.0
    for x, other in (closed_over(), in_an_attribute(lambda: 0), in_a_default(), (*some, *both)):
        assert x is other
        np.testing.assert_array_equal(x.value, X + 1.0)


def test_the_dtype_stays() -> None:
    x = y = TensorNode(X.astype("float32")) * 1.0
    y += TensorNode(X)
    assert x.dtype == np.float32
    Sum.do_forward(x).backward()


@pytest.mark.parametrize(
    ("x", "other", "error", "words"),
    [
        (constant(np.arange(3)), 0.5, TypeError, r"int64 \(3,\) and can't take float64 \(3,\)"),
        (constant(), np.ones((2, 2, 3)), ValueError, r"\(2, 3\) and would get \(2, 2, 3\)"),
    ],
)
def test_refuses_what_does_not_fit(x: Any, other: Any, error: Any, words: str) -> None:
    before = x.value
    with pytest.raises(error, match=words):
        x += other
    assert x.value is before


def test_each_gradient_is_a_node_of_its_own() -> None:
    """Add gives both inputs one gradient; a caller may change one of the two."""
    a, b = TensorNode(X), TensorNode(X)
    ga, gb = grad(lambda a, b: namespace(a).sum(a + b), (0, 1))(a, b)
    ga *= 5.0
    np.testing.assert_array_equal(gb.value, np.ones((2, 3)))
    cotangent = TensorNode(X.copy(), requires_grad=False)
    found = gradcore.vjp(lambda x: x, a)[1](cotangent)
    found[0] = 7.0
    np.testing.assert_array_equal(cotangent.value, X)


# -- What can't be ------------------------------------------------------------------------------


def test_a_part_of_a_leaf_is_refused() -> None:
    def writes(x: Any) -> Any:
        x[0][1:] = 1.0
        return Sum.apply(x)

    p = TensorNode(X.copy())
    with pytest.raises(TypeError, match=r"view of what gradients.*assign to a copy"):
        p[0][1] = 1.0
    with pytest.raises(TypeError, match="view of what gradients"):
        p.T[1] = 1.0
    with pytest.raises(TypeError, match=r"view of what gradients.*x = x [+] y"):
        p[0] += 1.0
    np.testing.assert_array_equal(p.value, X)
    with pytest.raises(TypeError, match="view of what gradients"):
        grad(writes)(X)


def test_repeated_elements_are_refused() -> None:
    x = computed()
    wide = namespace(x).broadcast_to(x, (2, 2, 3))
    for write in (lambda: operator.setitem(wide[0], 0, 1.0), lambda: operator.iadd(wide, 1.0)):
        with pytest.raises(TypeError, match="repeats elements"):
            write()
    x[0] = 9.0
    np.testing.assert_array_equal(wide.value[1], x.value)


def test_a_part_taken_under_no_grad_is_refused_where_gradients_would_be_lost() -> None:
    x = computed()
    with no_grad():
        part = x[0]
    with pytest.raises(TypeError, match="taken under no_grad"):
        part[0] = 1.0
    x[0, 1] = 4.0  # seen, but not differentiated
    np.testing.assert_array_equal(part.value, [0.0, 4.0, 2.0])
    assert not part.requires_grad
    with no_grad():
        part[2] = 8.0
    assert x.requires_grad
    np.testing.assert_array_equal(x.value[0], [0.0, 4.0, 8.0])


# -- Modes, memory ------------------------------------------------------------------------------


def test_under_no_grad_what_was_computed_before_keeps_its_gradient() -> None:
    a = TensorNode(X.copy())
    x = a * 1.0
    y = x * x
    with no_grad():
        x[0] = 0.0
    Sum.do_forward(y).backward()
    np.testing.assert_array_equal(a.grad, 2 * X)


def test_a_checkpointed_function() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[0][1:] = x[1, 1:] * 2.0
        z = y
        z += x
        return y * z

    x, again = TensorNode(X.copy()), TensorNode(X.copy())
    Sum.do_forward(f(x)).backward()
    Sum.do_forward(checkpoint(f)(again)).backward()
    np.testing.assert_array_equal(again.grad, x.grad)


def test_another_value_makes_a_view_a_node_of_its_own() -> None:
    x = constant()
    row = x[0]
    row.value = np.zeros(3)
    row[0] = 9.0
    np.testing.assert_array_equal(x.value, X)
    x[0] = 4.0
    np.testing.assert_array_equal(row.value, [9.0, 0.0, 0.0])


def test_a_write_that_fails_changes_nothing() -> None:
    x = computed()
    row = x[0]
    with pytest.raises(ValueError, match="SetItem"):
        row[:] = np.ones(4)
    Sum.do_forward(x * x).backward()
    np.testing.assert_array_equal(x.value, X)
    np.testing.assert_array_equal(row.value, X[0])


@pytest.mark.parametrize("make", [computed, constant, lambda: constant() + 0.0])
def test_views_are_freed_without_the_collector(make: Any) -> None:
    def runs() -> Any:
        a = TensorNode(X.copy())
        x = make()
        row, column, flat = x[0], x[:, 1], namespace(x).reshape(x, (-1,))
        y = (x * a)[0] + row * column[0]
        row[1:] = y[1:] * flat[1]
        flat += 1.0
        flat[2] = column[1] * 3.0
        column *= row[:2]
        return Sum.do_forward(x * x) + Sum.do_forward(row)

    runs().backward()
    gc.collect()
    gc.disable()
    try:
        loss = runs()
        del loss
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_many_views_and_many_writes() -> None:
    x = constant(np.zeros(1000)) + 0.0
    for _ in range(5000):
        x[1:]
    assert len(x._views) < 20  # those of dropped views go
    y = x
    for _ in range(3000):  # a view of a view of ..., and no recursion
        y = y[:]
    y[3] = TensorNode(np.array(2.0))
    assert x.value[3] == 2.0
    Sum.do_forward(x).backward()
