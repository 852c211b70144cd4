"""Every row of the op table, on every backend and in every dtype."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from op_table import ROWS, Case, Row, all_ops
from op_table.numbers import GRID, as_tuple, assert_close, each, numbers

import gradcore
from gradcore import Op, Sum, TensorNode, namespace, ops
from gradcore.backends import Array, Backend, get
from gradcore.ops.unary import OfInput

VALUE = {"float32": 2e-6, "float64": 1e-12}  # the tolerance of values
GRADIENT = {"float32": 1e-5, "float64": 1e-7}  # of gradients against central differences
TORCH = {"float32": 1e-5, "float64": 1e-12}  # of both, against PyTorch's
FEW = 16  # numbers, of which each is changed by itself, and each gradient seen
STEP = 2.0**-15  # of central differences; float32 knows the numbers one step away as well


every_row = each([row for row in ROWS if row.is_real])


class Project(Op):
    """The sum of all ys * ws, a scalar to start from: the gradient of a y is exactly its w.

    It uses no op of gradcore, so where an op is wrong, no other op's row fails.
    """

    @staticmethod
    def forward(context: dict[str, Any], *arrays: Array) -> Array:
        half = len(arrays) // 2
        ys, ws = arrays[:half], arrays[half:]
        context["ws"] = ws
        return sum(namespace(y).sum(y * w) for y, w in zip(ys, ws, strict=True))

    @staticmethod
    def backward(context: dict[str, Any], go: Array) -> tuple[Any, ...]:  # go is 1
        return (*context["ws"], *[None for _ in context["ws"]])


# -- What is right, in NumPy ------------------------------------------------------------------


def computed(row: Row, case: Case, inputs: list[Any]) -> list[np.ndarray]:
    """The outputs of the case's reference, of these inputs."""
    ys = as_tuple(row.reference(*inputs, **numbers(row, case)[1]))
    ys = row.determined(*ys) if row.determined else ys
    return [np.asarray(y, dtype=np.float64) for y in ys]


@cache
def reference(row: Row, case: Case) -> list[np.ndarray]:
    """The case's outputs."""
    return computed(row, case, numbers(row, case)[0])


@cache
def reference_weights(row: Row, case: Case) -> list[np.ndarray]:
    """The `weights` of the case's outputs."""
    return weights(reference(row, case))


def weights(arrays: Sequence[Any]) -> list[np.ndarray]:
    """Numbers of the arrays' shapes, on the grid, of both signs, none of them small."""
    rng = np.random.default_rng(len(arrays))
    sizes = [np.round(rng.uniform(0.5, 1.5, x.shape) / GRID) * GRID for x in arrays]
    return [np.asarray(size * rng.choice([-1, 1], np.shape(size))) for size in sizes]


def flat(arrays: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *[np.ravel(x) for x in arrays]])


def unflat(x: np.ndarray, like: Sequence[Any]) -> list[np.ndarray]:
    parts = np.split(x, np.cumsum([np.size(y) for y in like])[:-1])
    return [part.reshape(np.shape(y)) for part, y in zip(parts, like, strict=True)]


def differences(
    f: Callable[[np.ndarray], Any], x: np.ndarray, coordinates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Directions (P, K) from x (K,), and the derivatives (P, L) of f along them.

    The directions are all coordinates, or, where these are more than `coordinates`, four that are
    random: a derivative that is wrong is so along each of them.
    """
    rng = np.random.default_rng(x.size)
    is_few = x.size <= coordinates
    along = np.eye(x.size) if is_few else rng.choice([-1.5, -1, 0.5, 1], (4, x.size))
    step = STEP if is_few else STEP / 4  # they are longer
    slopes = [(f(x + step * d) - f(x - step * d)) / (2 * step) for d in along]
    return along, np.reshape(slopes, (len(along), -1)) if x.size else np.zeros((0, f(x).size))


@cache
def first_derivatives(row: Row, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """`differences` of the reference, by all inputs that are nodes."""
    inputs = numbers(row, case)[0]
    nodes = [inputs[k] for k in case.nodes]

    def f(x: np.ndarray) -> np.ndarray:
        moved = dict(zip(case.nodes, unflat(x, nodes), strict=True))
        return flat(computed(row, case, [moved.get(k, v) for k, v in enumerate(inputs)]))

    return differences(f, flat(nodes), FEW)


@cache
def second_derivatives(row: Row, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """`differences` of a projection of the first gradients, by inputs and incoming gradients."""
    inputs, ws = numbers(row, case)[0], reference_weights(row, case)
    like = [*[inputs[k] for k in case.nodes], *ws]

    def f(x: np.ndarray) -> Any:
        parts = unflat(x, like)
        trial = Trial(row, case, get("numpy"), "float64", values=parts[: len(case.nodes)])
        gradients = trial.gradients(parts[len(case.nodes) :])
        return flat(gradients) @ flat(weights(gradients))

    return differences(f, flat(like), 4)


# -- What a backend gives ---------------------------------------------------------------------


def contiguous(backend: Backend, x: np.ndarray, dtype: str | None) -> Array:
    return backend.asarray(x, dtype)


def transposed(backend: Backend, x: np.ndarray, dtype: str | None) -> Array:
    backwards = tuple(reversed(range(x.ndim)))
    return backend.xp.permute_dims(backend.asarray(x.T.copy(), dtype), backwards)


def strided(backend: Backend, x: np.ndarray, dtype: str | None) -> Array:
    return backend.asarray(np.stack([x, np.ones_like(x)], axis=-1), dtype)[..., 0]


def flipped(backend: Backend, x: np.ndarray, dtype: str | None) -> Array:
    key = (*[slice(None, None, -1)] * x.ndim, ...)
    return backend.getitem(backend.asarray(x[key].copy(), dtype), key)


LAYOUTS = (contiguous, transposed, strided, flipped)


class Trial:
    """A case on a backend, with nodes and arrays of its own.

    Args:
        layout: makes an array of the backend from one of NumPy.
        values: what to put in place of the numbers of the nodes.
        nodes: which inputs are nodes, where they are not the case's.
        whole: whether outputs are as the op gives them, and not only what is determined.
    """

    def __init__(
        self,
        row: Row,
        case: Case,
        backend: Backend,
        dtype: str,
        layout: Callable[..., Array] = contiguous,
        values: list[np.ndarray] | None = None,
        nodes: list[int] | None = None,
        whole: bool = False,
    ) -> None:
        self.determined = None if whole else row.determined
        self.row, self.case, self.backend, self.dtype = row, case, backend, dtype
        self.layout, self.where = layout, f"{row.op.__name__}, {case}, {layout.__name__}"
        inputs, constants = numbers(row, case)
        new = {} if values is None else dict(zip(case.nodes, values, strict=True))
        self.arrays = [self.array(new.get(k, x), dtype) for k, x in enumerate(inputs)]
        nodes = case.nodes if nodes is None else nodes
        self.inputs = [TensorNode(x) if k in nodes else x for k, x in enumerate(self.arrays)]
        self.nodes = [self.inputs[k] for k in nodes]
        self.constants = {key: self.array(x, dtype) for key, x in constants.items()}
        self.y_dtype = constants.get("dtype", dtype)
        if "dtype" in constants:
            self.constants["dtype"] = backend.dtype(self.y_dtype)

    def array(self, x: Any, dtype: str) -> Any:
        """NumPy's arrays as arrays of the backend, other things as they are."""
        if not isinstance(x, np.ndarray):
            return x
        return self.layout(self.backend, x.copy(), dtype if x.dtype == float else None)

    def weights(self) -> list[Array]:
        """The incoming gradients."""
        return [self.array(w, self.y_dtype) for w in reference_weights(self.row, self.case)]

    def forward(self) -> tuple[TensorNode, ...]:
        ys = as_tuple(self.row.op.do_forward(*self.inputs, **self.constants))
        return self.determined(*ys) if self.determined else ys

    def gradients(
        self, ws: Sequence[Array] | None = None, ys: Sequence[TensorNode] | None = None
    ) -> list[np.ndarray]:
        """The gradients of the inputs that are nodes, where those of the outputs `ys` are `ws`."""
        Project.do_forward(*(ys or self.forward()), *(ws or self.weights())).backward()
        return [self.backend.to_numpy(x.grad) for x in self.nodes]

    def second_gradients(self) -> list[np.ndarray]:
        """A projection of the gradients, differentiated by inputs and incoming gradients."""
        ws = [TensorNode(w) for w in self.weights()]
        loss = Project.do_forward(*self.forward(), *ws)
        loss.backward(create_graph=True)
        gradients = [x.grad for x in self.nodes]
        loss.zero_grad()
        vs = [self.backend.asarray(v, self.dtype) for v in weights(gradients)]
        projection = Project.do_forward(*gradients, *vs)
        if projection.requires_grad:
            projection.backward()
        return [self.backend.to_numpy(x.grad) for x in (*self.nodes, *ws)]

    def check_kind(self, x: Array, dtype: str) -> None:
        """Check that the array is of this backend, on this device, and of this dtype."""
        assert isinstance(x, self.backend.array_types), self.where
        assert x.device == self.backend.asarray(0.0).device, self.where
        assert x.dtype == self.backend.dtype(dtype), self.where


def trials(row: Row, backend: Backend, dtype: str, **options: Any) -> Iterator[Trial]:
    """Each case of the row on this backend, unless it names a dtype that the device lacks, or is
    left out to save time."""
    is_short = options["layout"] is contiguous if "layout" in options else backend.name == "numpy"
    # What a layout changes is in the kernels, and `strict` has none.
    is_plain = backend.name == "strict" and options.get("layout", contiguous) is not contiguous
    if (row.many_steps and not is_short) or is_plain:
        return
    has = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    for case in row.cases:
        if case.constants.get("dtype", dtype) in has:
            yield Trial(row, case, backend, dtype, **options)


def plain(backend: Backend, x: Any) -> Any:
    """The numbers in arrays, also where they are in lists and dictionaries, to compare."""
    if isinstance(x, dict):
        return {key: plain(backend, entry) for key, entry in x.items()}
    if isinstance(x, tuple | list):
        return [plain(backend, entry) for entry in x]
    is_array = isinstance(x, (*backend.array_types, *backend.scalar_types))
    return backend.to_numpy(x).tolist() if is_array else x


def summed_to(shape: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """x summed over what was broadcast from `shape`."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    axes = tuple(k for k, n in enumerate(shape) if n != x.shape[k])
    return x.sum(axis=axes, keepdims=True)


# -- The tests --------------------------------------------------------------------------------


def test_every_op_has_one_row() -> None:
    folder = str(Path(gradcore.__file__).parent)
    for module in pkgutil.walk_packages([folder], "gradcore."):
        # (distributed/mpi.py starts MPI, if it is there.)
        if not module.name.endswith(("__main__", ".mpi")) and ".backends." not in module.name:
            import_module(module.name)
    assert sorted(row.op.__name__ for row in ROWS) == sorted(op.__name__ for op in all_ops())


def test_ops_has_ops_and_files_only() -> None:
    files = {module.name for module in pkgutil.iter_modules(gradcore.ops.__path__)}
    names = {name for name in dir(gradcore.ops) if not name.startswith("_")}
    assert names == {*gradcore.ops.__all__} | files
    assert names - files == {op.__name__ for op in all_ops() if ".ops." in op.__module__}


def test_unary_op_is_made_of_two_functions_unless_it_has_its_own() -> None:
    class Cube(OfInput):
        function = lambda xp, x: x**3
        gradient = lambda xp, go, x: 3.0 * go * x**2

    class Straight(Cube):
        @staticmethod
        def backward(context: dict[str, Any], go: Array) -> Array:
            return go

    for op, expected in ((Cube, 12.0), (Straight, 1.0)):
        context: dict[str, Any] = {}
        assert op.forward(context, np.asarray([2.0])) == 8.0
        assert op.backward(context, np.asarray([1.0])) == expected
        assert op.backward(context, 1.0) == expected, "the gradient may be a number"
        x = TensorNode([2.0])
        gradcore.Sum.do_forward(op.do_forward(x)).backward()
        assert x.grad == expected
    x = TensorNode([2.0])
    assert gradcore.hessian(lambda x: gradcore.Sum.do_forward(Cube.do_forward(x)))(x.value) == 12.0


@every_row
def test_row_has_an_empty_input_and_one_of_a_single_element(row: Row) -> None:
    sizes = {x.size for case in row.cases for x in numbers(row, case)[0] if hasattr(x, "size")}
    assert {0, 1} <= sizes


@every_row
def test_value_and_gradient(row: Row, backend: Backend, dtype: str) -> None:
    for trial in chain(*[trials(row, backend, dtype, layout=layout) for layout in LAYOUTS]):
        ys = trial.forward()
        for y, expected in zip(ys, reference(row, trial.case), strict=True):
            trial.check_kind(y.value, trial.y_dtype)
            assert_close(backend.to_numpy(y.value), expected, VALUE[dtype], trial.where)
        gradients = trial.gradients(ys=ys)
        for x in trial.nodes:
            trial.check_kind(x.grad, dtype)
            assert x.grad.shape == x.shape, trial.where
        along, slopes = first_derivatives(row, trial.case)
        expected = slopes @ flat(reference_weights(row, trial.case))
        assert_close(along @ flat(gradients), expected, GRADIENT[dtype], trial.where)


def check_jacobian(row: Row, backend: Backend, dtype: str) -> None:
    """How each single output depends on each input, where they are few."""
    for trial in trials(row, backend, dtype):
        (along, slopes), ys = first_derivatives(row, trial.case), reference(row, trial.case)
        for i in range(slopes.shape[1] if along.shape[1] * slopes.shape[1] <= FEW else 0):
            one = [backend.asarray(w, trial.y_dtype) for w in unflat(np.eye(flat(ys).size)[i], ys)]
            gradients = Trial(row, trial.case, backend, dtype).gradients(one)
            assert_close(flat(gradients), slopes[:, i], GRADIENT[dtype], trial.where)


def check_gradient_of_gradient(row: Row, backend: Backend, dtype: str) -> None:
    for trial in trials(row, backend, dtype):
        if row.order < 2:
            with pytest.raises(RuntimeError, match=f"{row.op.__name__} has no gradient of"):
                trial.second_gradients()
        else:
            along, slopes = second_derivatives(row, trial.case)
            second = along @ flat(trial.second_gradients())
            assert_close(second, slopes[:, 0], GRADIENT[dtype], trial.where)


def check_one_input_at_a_time(row: Row, backend: Backend, dtype: str) -> None:
    """The gradient of an input stays the same where the other inputs are constants."""
    if backend.name == "strict":
        return  # to save time: what ops leave out does not depend on the backend
    for trial in trials(row, backend, dtype):
        gradients = trial.gradients()
        for k, gradient in zip(trial.case.nodes, gradients, strict=True):
            if len(gradients) > 1:
                alone = Trial(row, trial.case, backend, dtype, nodes=[k])
                assert_close(alone.gradients()[0], gradient, VALUE[dtype], trial.where)


def check_called_directly(row: Row, backend: Backend, dtype: str) -> None:
    """With arrays and a plain dictionary, an op gives the same as through the graph; it leaves
    inputs, outputs, incoming gradients and context as they were."""
    for trial in trials(row, backend, dtype, whole=True):
        context: dict[str, Any] = {}
        arrays, constants, ws = trial.arrays, trial.constants, trial.weights()

        before = plain(backend, [arrays, constants])
        ys = as_tuple(row.op.forward(context, *arrays, **constants))
        assert plain(backend, [arrays, constants]) == before, trial.where

        everything = [arrays, constants, ys, ws, context]
        before = plain(backend, everything)
        with np.errstate(invalid="ignore"):  # in the gradients of constants, such as exponents
            given = as_tuple(row.op.backward(context, *ws))
        assert plain(backend, everything) == before, trial.where

        nodes = trial.forward()
        for y, expected in zip(ys, nodes, strict=True):
            assert_close(backend.to_numpy(y), backend.to_numpy(expected.value), 0, trial.where)
        assert len(given) == len(arrays), trial.where
        for k, gradient in zip(trial.case.nodes, trial.gradients(ys=nodes), strict=True):
            if given[k] is None:  # stands for zero
                assert not gradient.any(), trial.where
                continue
            assert given[k].dtype == backend.dtype(dtype), trial.where
            fitted = summed_to(gradient.shape, backend.to_numpy(given[k]))
            assert_close(fitted, gradient, VALUE[dtype], trial.where)


@every_row
def test_single_derivatives_second_order_and_direct_calls(
    row: Row, backend: Backend, dtype: str
) -> None:
    check_jacobian(row, backend, dtype)
    check_gradient_of_gradient(row, backend, dtype)
    check_one_input_at_a_time(row, backend, dtype)
    check_called_directly(row, backend, dtype)


@every_row
def test_the_host_waits_for_no_gpu(row: Row) -> None:
    """Neither forward nor backward: the device is asked for nothing."""
    if why := cupy_on_cpu.problem():
        pytest.skip(why)
    with gradcore.use_backend("cupy-like") as backend:
        for trial in trials(row, backend, "float32"):
            ws = trial.weights()
            Project.do_forward(*trial.forward(), *ws).backward()  # which measures convolutions
            with cupy_on_cpu.device.no_reads():
                Project.do_forward(*trial.forward(), *ws).backward()


@each([row for row in ROWS if row.points])
def test_special_points(row: Row, backend: Backend, dtype: str) -> None:
    for point in row.points:
        where = f"{row.op.__name__}, {point}"
        inputs = [
            TensorNode(backend.asarray(np.asarray(x), dtype)) if isinstance(x, list) else x
            for x in point.inputs
        ]
        nodes = [x for x in inputs if isinstance(x, TensorNode)]
        y = row.op.do_forward(*inputs, **(point.constants or {}))
        assert_close(backend.to_numpy(y.value), point.value, VALUE[dtype], where)
        total = Project.do_forward(y, backend.xp.ones_like(y.value))
        total.backward(retain_graph=True)
        for x, expected in zip(nodes, point.gradients, strict=True):
            assert_close(backend.to_numpy(x.grad), expected, VALUE[dtype], where)
        if point.second is not None:
            total.zero_grad()
            total.backward(create_graph=True)
            gradients = [x.grad for x in nodes]
            total.zero_grad()
            ones = [backend.xp.ones_like(g.value) for g in gradients]
            Project.do_forward(*gradients, *ones).backward()
            for x, expected in zip(nodes, point.second, strict=True):
                assert_close(backend.to_numpy(x.grad), expected, VALUE[dtype], where)


@each([row for row in ROWS if row.refuses])
def test_refusals(row: Row, backend: Backend) -> None:
    for case, error, words in row.refuses:
        trial = Trial(row, case, backend, "float32")
        with pytest.raises(error, match=f"^{row.op.__name__}: ") as caught:
            trial.forward()
        for word in words:
            assert word in str(caught.value), trial.where


@pytest.mark.parametrize("precision", ["float32", "float64"])
@each([row for row in ROWS if row.torch and row.is_real])
def test_against_torch(row: Row, precision: str) -> None:
    torch = pytest.importorskip("torch")
    function: Any = getattr(torch, row.torch) if isinstance(row.torch, str) else row.torch

    def tensor(x: Any, dtype: str = precision) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return torch.tensor(x, dtype=getattr(torch, dtype) if x.dtype == float else None)

    for trial in trials(row, get("numpy"), precision):
        inputs, constants = numbers(row, trial.case)
        tensors = [tensor(x) for x in inputs]
        for k in trial.case.nodes:
            tensors[k].requires_grad_()
        given = as_tuple(function(*tensors, **{key: tensor(x) for key, x in constants.items()}))
        given = row.determined(*given) if row.determined else given
        ws = [tensor(w, trial.y_dtype) for w in reference_weights(row, trial.case)]
        torch.autograd.backward(given, ws)
        for y, expected in zip(trial.forward(), given, strict=True):
            assert_close(y.value, expected.detach().numpy(), TORCH[precision], trial.where)
        for k, gradient in zip(trial.case.nodes, trial.gradients(), strict=True):
            assert_close(gradient, tensors[k].grad.numpy(), TORCH[precision], trial.where)


def test_an_op_made_of_a_unary_op_keeps_what_it_inherits() -> None:
    class Steep(ops.Exp):
        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            return go * 100.0

    class Same(Steep):
        pass

    class Twice(ops.Exp):
        gradient = lambda xp, go, y: go * y * 2.0

    for op, expected in ((Steep, 100.0), (Same, 100.0), (Twice, 2 * np.e)):
        x = TensorNode(np.ones(1))
        Sum.do_forward(op.do_forward(x)).backward()
        np.testing.assert_allclose(x.grad, expected)


def test_errors_name_the_forward_of_a_unary_op() -> None:
    with pytest.raises(TypeError, match=r"^Sin\.forward\(\) takes 2 positional arguments but 3"):
        ops.Sin.do_forward(1.0, 2.0)
