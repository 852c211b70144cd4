"""Search for wrong numbers: draw random programs, and compare them with PyTorch.

    python tests/search/random_programs.py --seconds 600 --dtype float16 --seed 1
    python tests/search/random_programs.py --compiled            kernels of numba for all arrays
    python tests/search/random_programs.py --only Power --steps 1
    python tests/search/random_programs.py --complex             of complex numbers

A program applies steps, which are rows of the op table and of functions.py, to inputs and to what
earlier steps gave. Its values, its gradients and the gradients of these are compared with what
PyTorch gives in the same dtype, and in float64. Half of the programs of one or two steps have
special numbers among their inputs: 0, -0, infinities, NaN, denormals, the largest, ties.

A number is right if it is as near to PyTorch's float64 as PyTorch's number of the same dtype is,
or as rounding allows; how much rounding matters is measured, by moving the inputs a little. NaN
is right where PyTorch has no number either, and in the gradient of an input that is NaN. A finite
number where PyTorch has none is `invented`, and no number where PyTorch has one is `lost`. What
differs is named by step, kind and the most special number among the inputs, as in "Prod: gradient
lost at inf"; EXPLAINED says of such names why they are no faults.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests), str(tests / "helpers")]
    import program  # noqa: F401

import numpy as np
from op_table import ROWS, Case, Draw, Raw, Row
from search.complex_steps import Parts, complex_steps
from search.explained import EXPLAINED
from search.functions import FUNCTIONS, Function

from gradcore import TensorNode, array_api, grad
from gradcore.backends import Backend, get
from gradcore.tools.command_line import Parser

__all__ = ["Finding", "compile_everything", "draw_program", "finding_of", "search", "steps_of"]

SPECIALS = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, "denormal", "largest", "-largest")
KINDS = ("value", "gradient", "second")


@dataclass(frozen=True, eq=False)
class Step:
    """What a program can apply: an op with its row, or a function."""

    name: str
    call: Callable[..., Any]
    torch: Callable[..., Any]
    cases: Sequence[Case]
    row: Row | Function | Parts


@dataclass(frozen=True)
class Value:
    """An input of the program, or a result."""

    kind: str  # "input" or "result"
    at: int

    def __str__(self) -> str:
        return f"{self.kind}{self.at}"


@dataclass(frozen=True, eq=False)
class Call:
    """A step applied to values of the program and to constants."""

    step: Step
    inputs: tuple[Any, ...]  # Value, an array, or a number
    constants: dict[str, Any]
    outputs: int


@dataclass
class Program:
    inputs: list[np.ndarray] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    is_special: bool = False
    order: int = 2

    def __str__(self) -> str:
        lines = [f"    input{i} = {x.tolist()!r}" for i, x in enumerate(self.inputs)]
        done = 0
        for call in self.calls:
            inputs = [str(x) if isinstance(x, Value) else repr(x) for x in call.inputs]
            inputs += [f"{key}={value!r}" for key, value in call.constants.items()]
            names = ", ".join([f"result{done + i}" for i in range(call.outputs)])
            lines.append(f"    {names} = {call.step.name}({', '.join(inputs)})")
            done += call.outputs
        return "\n".join(lines)


@dataclass(frozen=True)
class Finding:
    kind: str  # value, gradient or second; what is wrong with it; and at which special number
    program: Program
    ours: Any
    theirs: Any
    exact: Any

    @property
    def steps(self) -> str:
        """The names of the program's steps."""
        return " + ".join([call.step.name for call in self.program.calls])

    @property
    def reason(self) -> str | None:
        """Why this is no fault: what EXPLAINED says of one of the steps."""
        for call in self.program.calls:
            name = f"{call.step.name.removeprefix('complex ')}: {self.kind}"
            for pattern, why in EXPLAINED.items():
                if fnmatchcase(name, pattern):
                    return why
        return None

    def __str__(self) -> str:
        """The program, and the first few numbers that differ."""
        lines = [f"{self.steps}: {self.kind}", str(self.program)]
        if isinstance(self.ours, str) or self.ours.shape != self.exact.shape:
            return "\n".join([*lines, f"  {self.ours}"])
        arrays = [self.ours, self.exact if self.theirs is None else self.theirs, self.exact]
        with np.errstate(all="ignore"):
            rounding = 64 * float(np.finfo(self.ours.dtype).eps)
            different = ~np.isclose(arrays[0], arrays[2], rounding, rounding, equal_nan=True)
        for at in np.argwhere(different)[:4].tolist():
            ours, theirs, exact = [float(a[tuple(at)]) for a in arrays]
            lines.append(f"  at {at}: {ours!r}, PyTorch {theirs!r}, exact {exact!r}")
        return "\n".join(lines)


def steps_of(only: str = "", is_complex: bool = False) -> list[Step]:
    """All steps whose name contains `only`."""
    import torch

    if is_complex:
        found = [Step(p.name, p.call, p.torch, p.cases, p) for p in complex_steps()]
        return [step for step in found if only in step.name]

    def of_row(row: Row) -> Step:
        theirs = getattr(torch, row.torch) if isinstance(row.torch, str) else row.torch
        return Step(row.op.__name__, row.op.do_forward, theirs, row.cases, row)

    # The vectors of a decomposition are a library's choice; a cast changes the dtype.
    left_out = {"Cast", "Dropout"}
    rows = [
        of_row(r)
        for r in ROWS
        if r.torch and not r.determined and r.op.__name__ not in left_out and r.complex != "only"
    ]
    functions = [Step(f.name, f.call, f.torch, f.cases, f) for f in FUNCTIONS]
    return [step for step in rows + functions if only in step.name]


# -- Drawing --------------------------------------------------------------------------------------


def draw_program(rng: np.random.Generator, steps: Sequence[Step], dtype: str, most: int) -> Program:
    """Draw inputs and up to `most` steps. Shapes are found by computing in float64."""
    program = Program()
    count = int(rng.choice([1, 1, 2, rng.integers(1, most + 1)])) if most > 1 else 1
    program.is_special = count <= 2 and rng.random() < 0.5
    results: list[Any] = []
    for _ in range(count):
        step = steps[rng.integers(len(steps))]
        case = step.cases[rng.integers(len(step.cases))]
        if "dtype" in case.constants:
            continue
        inputs = tuple([_input(rng, x, step.row, program, results, dtype) for x in case.inputs])
        constants = {
            key: _drawn(rng, x, step.row, dtype, False) if isinstance(x, Draw | Raw) else x
            for key, x in case.constants.items()
        }
        outputs = _apply_torch(step, inputs, constants, _tensors(program.inputs), results)
        program.calls.append(Call(step, inputs, constants, len(outputs)))
        program.order = min(program.order, step.row.order)
        results += outputs
    return program


def _tensors(inputs: Sequence[np.ndarray], **settings: Any) -> list[Any]:
    import torch

    return [torch.tensor(x, **settings) for x in inputs]


def _input(
    rng: np.random.Generator, x: Any, row: Any, program: Program, results: list[Any], dtype: str
) -> Any:
    """Take an earlier value of this shape, or draw a new input; constants are drawn."""
    if not (isinstance(x, Draw) and x.is_node):
        return _drawn(rng, x, row, dtype, False) if isinstance(x, Draw | Raw) else x
    fitting = [Value("result", i) for i, v in enumerate(results) if tuple(v.shape) == x.shape]
    fitting += [Value("input", i) for i, v in enumerate(program.inputs) if v.shape == x.shape]
    if fitting and rng.random() < 0.7:
        return fitting[rng.integers(len(fitting))]
    program.inputs.append(_drawn(rng, x, row, dtype, program.is_special))
    return Value("input", len(program.inputs) - 1)


def _drawn(rng: np.random.Generator, x: Any, row: Any, dtype: str, is_special: bool) -> np.ndarray:
    """Draw an array, of numbers that the dtype has."""
    if isinstance(x, Raw):
        return np.asarray(x.values)
    low = row.low if x.low is None else x.low
    high = row.high if x.high is None else x.high
    array = np.asarray(rng.uniform(low, high, x.shape))
    if x.kind is not float:
        return np.asarray(array > 0 if x.kind is bool else np.floor(array).astype(int))
    avoid = getattr(row, "avoid", None)
    if avoid is not None:
        array = np.where(abs(array - avoid) < 0.1, array + 0.2, array)
    prepare = getattr(row, "prepare", None)
    is_symmetric = False
    if prepare is not None and array.ndim > 1:
        array = prepare(array)
        is_symmetric = array.shape[-1] == array.shape[-2] and bool((array == array.mT).all())
    if is_special and rng.random() < 0.3:
        array = np.round(array)  # ties
    if is_special:
        info = np.finfo(dtype)
        numbers = {"denormal": info.smallest_subnormal * 3, "largest": info.max}
        numbers["-largest"] = -numbers["largest"]
        few = [numbers.get(s, s) for s in getattr(row, "specials", SPECIALS)]
        chosen = np.array([few[i] for i in rng.integers(len(few), size=array.size)], dtype=float)
        array = np.where(rng.random(x.shape) < 0.4, chosen.reshape(x.shape), array)
    if is_symmetric:
        array = np.where(np.tri(array.shape[-1], dtype=bool), array, array.mT)
    with np.errstate(over="ignore"):
        return np.asarray(np.asarray(array).astype(dtype), dtype=np.float64)


# -- Computing ------------------------------------------------------------------------------------


def _apply_torch(
    step: Step, inputs: Any, constants: Any, leaves: Sequence[Any], results: Sequence[Any]
) -> list[Any]:
    import torch

    kind = leaves[0].dtype if leaves else torch.float64

    def tensor(x: Any) -> Any:
        if isinstance(x, Value):
            return (leaves if x.kind == "input" else results)[x.at]
        if not isinstance(x, np.ndarray):
            return x
        return torch.tensor(x, dtype=kind if x.dtype == float else None)

    given = [tensor(x) for x in inputs]
    result = step.torch(*given, **{k: tensor(x) for k, x in constants.items()})
    return list(result) if isinstance(result, tuple | list) else [result]


def _weights(shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes))
    return [rng.choice([0.5, 0.75, -1.0, 1.25, 1.0], shape) for shape in shapes]


def with_torch(program: Program, dtype: str, inputs: Sequence[np.ndarray]) -> list[list[Any]]:
    """Values, gradients and gradients of gradients (or `None`), as NumPy's arrays."""
    import torch

    kind = getattr(torch, dtype)
    leaves = _tensors(inputs, dtype=kind, requires_grad=True)
    results: list[Any] = []
    for call in program.calls:
        results += _apply_torch(call.step, call.inputs, call.constants, leaves, results)
    outputs = [v for v in results if v.is_floating_point()]
    found = [[v.numpy(force=True) for v in outputs]]
    roots = [v for v in outputs if v.requires_grad]
    for order in range(1, program.order + 1):
        weights = [torch.tensor(w, dtype=kind) for w in _weights([tuple(v.shape) for v in roots])]
        pairs = [(v, w) for v, w in zip(roots, weights, strict=True) if v.requires_grad]
        try:
            roots = _torch_gradients(leaves, pairs, create=order < program.order)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            break  # PyTorch has no gradient of this gradient
        found.append([v.numpy(force=True) for v in roots])
    return found


def _torch_gradients(leaves: Any, pairs: Any, create: bool) -> list[Any]:
    import torch

    if not pairs:
        return [torch.zeros_like(x) for x in leaves]
    roots, weights = zip(*pairs, strict=True)
    return torch.autograd.grad(
        roots, leaves, weights, create_graph=create, retain_graph=True, materialize_grads=True,
        allow_unused=True,
    )  # fmt: skip


def with_gradcore(
    program: Program, backend: Backend, dtype: str, inputs: Sequence[np.ndarray]
) -> list[list[Any]]:
    """As `with_torch`, by gradcore."""

    def array(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return backend.asarray(x, dtype if x.dtype == float else None)

    found: list[list[Any]] = [[]]

    def outputs_of(*inputs: TensorNode) -> list[TensorNode]:
        results: list[Any] = []
        at = {"input": inputs, "result": results}
        for call in program.calls:
            given = [at[x.kind][x.at] if isinstance(x, Value) else array(x) for x in call.inputs]
            ys = call.step.call(*given, **{k: array(x) for k, x in call.constants.items()})
            results += ys if isinstance(ys, tuple | list) else [ys]
        return [v for v in results if backend.xp.isdtype(v.dtype, "real floating")]

    def projection(nodes: Sequence[Any]) -> TensorNode:
        ws = _weights([tuple(n.shape) for n in nodes])
        total = TensorNode(array(np.zeros(())), requires_grad=False)
        for node, w in zip(nodes, ws, strict=True):
            total = total + array_api.sum(array_api.astype(node, total.dtype) * array(w))
        return total

    def loss(inputs: list[TensorNode]) -> TensorNode:
        outputs = outputs_of(*inputs)
        found[0] = [backend.to_numpy(y.value) for y in outputs]
        return projection([y for y in outputs if y.requires_grad])

    arrays = [array(x) for x in inputs]
    found.append([backend.to_numpy(g) for g in grad(loss)(arrays)])
    if program.order > 1:
        twice = grad(lambda inputs: projection(grad(loss)(inputs)))(arrays)
        found.append([backend.to_numpy(g) for g in twice])
    return found


# -- Comparing ------------------------------------------------------------------------------------


def _moved(program: Program, dtype: str) -> Iterator[list[np.ndarray]]:
    """The inputs, moved by as much as rounding moves them, twice."""
    rng, eps = np.random.default_rng(0), float(np.finfo(dtype).eps)
    least = float(np.finfo(dtype).smallest_subnormal)
    for _ in range(2):
        signs = [rng.choice([-1, 1], x.shape) for x in program.inputs]
        moved = [x * (1 + eps * s) + least * s for x, s in zip(program.inputs, signs, strict=True)]
        yield [np.asarray(m) for m in moved]


def finding_of(
    program: Program, backend: Backend, dtype: str, exact: Any, moved: Any
) -> Finding | None:
    """Run the program, and give the first thing that differs from PyTorch in float64, at the
    inputs (`exact`) and near to them (`moved`), and in this dtype."""
    try:
        theirs: Any = with_torch(program, dtype, program.inputs)
    except (RuntimeError, NotImplementedError):  # PyTorch lacks the function for float16
        theirs = None
    where = _most_special(program, dtype)
    try:
        ours = with_gradcore(program, backend, dtype, program.inputs)
    except Exception as error:
        if "unsupported in linalg" in str(error):  # LAPACK has no float16
            return None
        message = f"{type(error).__name__}: {error}"
        return Finding(f"error{where}", program, message, theirs, exact)
    near: list[Any] = []
    usual = [abs(x[abs(x) < 100.0]).max(initial=0.0) for x in program.inputs]
    scale = float(max(usual))
    for k, kind in enumerate(KINDS[: min(len(exact), len(theirs or exact))]):
        for i, x in enumerate(exact[k]):
            t = None if theirs is None else theirs[k][i]
            y = np.asarray(ours[k][i], dtype=float)
            if k and y.shape == x.shape:
                y = np.where(np.isnan(program.inputs[i]) & np.isnan(y), x, y)
            scale = max(scale, float(abs(x[np.isfinite(x)]).max(initial=0.0)))
            wrong = _compare(y, t, x, [m[k][i] for m in moved], dtype)
            if wrong == "wrong":  # perhaps a rest of numbers that cancel, as 1e-16 for 0 is
                near = near or [
                    with_gradcore(program, backend, dtype, m) for m in _moved(program, dtype)
                ]
                rest = np.max([abs(np.asarray(n[k][i], dtype=float) - y) for n in near], axis=0)
                wrong = _compare(y, t, x, [m[k][i] for m in moved], dtype, rest, scale)
            if wrong:
                return Finding(f"{kind} {wrong}{where}", program, ours[k][i], t, x)
    return None


def _most_special(program: Program, dtype: str) -> str:
    """Name the most special of the inputs."""
    every = np.concatenate([np.ravel(x) for x in program.inputs])
    info = np.finfo(dtype)
    if np.isnan(every).any():
        return " at nan"
    if np.isinf(every).any():
        return " at inf"
    if (abs(every) == info.max).any():
        return " at largest"
    return " at special" if program.is_special else ""


def _compare(
    ours: Any, theirs: Any, exact: Any, moved: list[Any], dtype: str, rest: Any = 0.0,
    cancelled: float = 0.0,
) -> str:  # fmt: skip
    """Say what is wrong with an array: nothing, or its shape, or numbers wrong, lost, invented.

    Args:
        rest: how far `ours` moves where the inputs move as much as rounding moves them. It counts
            as far as is usual for what is left of numbers as large as `cancelled`.
    """
    info = np.finfo(dtype)
    ours, exact = np.asarray(ours, dtype=float), np.asarray(exact, dtype=float)
    if ours.shape != exact.shape:
        return f"shape {ours.shape}, expected {exact.shape}"
    theirs = exact if theirs is None else np.asarray(theirs, dtype=float)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rounded = exact.astype(dtype).astype(float)
        unit = np.max([abs(m - exact) for m in moved] + [abs(theirs - exact)], axis=0)
        unit = np.where(np.isfinite(unit), unit, 0.0)
        finite = np.isfinite(exact)
        scale = abs(exact[finite]).max(initial=0.0)
        tolerance = 16 * unit.max(initial=0.0) + 64 * float(info.eps) * scale
        tolerance += 4 * float(info.smallest_subnormal) + 4 * float(info.tiny) * 2
        moving = 16 * np.max(np.where(np.isfinite(rest), rest, 0.0), initial=0.0)
        tolerance += np.clip(moving, 8 * info.eps * cancelled, 1000 * info.eps * cancelled)
        same = (ours == theirs) | (ours == rounded) | (np.isnan(ours) & np.isnan(theirs))
        near = (abs(ours - theirs) <= tolerance) | (abs(ours - exact) <= tolerance)
        right = same | (np.isfinite(ours) & near)
        if right.all():
            return ""
        bad = ~right
        if (bad & ~np.isfinite(ours) & np.isfinite(theirs)).any():
            return "lost"
        if (bad & np.isfinite(ours) & ~np.isfinite(theirs) & ~np.isfinite(exact)).any():
            return "invented"
        if (bad & np.isfinite(ours)).any():
            return "wrong"
        return "not finite otherwise"


def search(
    backend: Backend, dtype: str, seconds: float, seed: int, only: str = "", most: int = 5,
    count: int = 10**9, is_complex: bool = False,
) -> Iterator[Finding | None]:  # fmt: skip
    """Run random programs for so long, or so many. Give for each `None`, or what it found."""
    steps = steps_of(only, is_complex)
    end = time.monotonic() + seconds
    for number in range(count):
        if time.monotonic() > end:
            return
        rng = np.random.default_rng([seed, number])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                program = draw_program(rng, steps, dtype, most)
            except (RuntimeError, ValueError, IndexError, TypeError):
                continue  # PyTorch refuses: what is refused is not what is searched for
            if not (program.calls and program.inputs):
                continue
            try:
                exact = with_torch(program, "float64", program.inputs)
                moved = [with_torch(program, "float64", x) for x in _moved(program, dtype)]
            except RuntimeError:  # a singular matrix, for example
                continue
            yield finding_of(program, backend, dtype, exact, moved)


def main() -> int:
    parser = Parser(
        description="Draw random programs; compare with PyTorch.",
        examples={
            "python tests/search/random_programs.py --seconds 45": "about 9,500 programs of float32"
        },
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=["float16", "float32", "float64"], default="float32")
    parser.add_argument("--only", default="", help="steps whose names contain this")
    parser.add_argument("--steps", type=int, default=5, help="at most")
    parser.add_argument("--show", type=int, default=1, help="programs of each kind")
    parser.add_argument("--complex", action="store_true", help="steps of complex numbers")
    parser.add_argument("--compiled", action="store_true", help="compiled kernels for all arrays")
    args = parser.parse_args()
    backend = get("numpy")
    if args.compiled:
        compile_everything()
    import torch

    torch.set_num_threads(1)
    programs, explained = 0, Counter[str]()
    found: dict[str, list[Finding]] = {}
    settings = {"only": args.only, "most": args.steps, "is_complex": args.complex}
    for finding in search(backend, args.dtype, args.seconds, args.seed, **settings):
        programs += 1
        if finding is None:
            continue
        if finding.reason:
            explained[finding.reason] += 1
            continue
        found.setdefault(f"{finding.steps}: {finding.kind}", []).append(finding)
    for _, findings in sorted(found.items()):
        print(f"\n{len(findings)} programs as this:")
        for finding in findings[: args.show]:
            print(finding)
    for reason, n in explained.most_common():
        print(f"explained, {n} programs: {reason}")
    differ = sum(map(len, found.values()))
    print(
        f"{args.dtype}: {programs} programs, {sum(explained.values())} explained, {differ} differ"
    )
    return differ > 0


def compile_everything(set_to: Callable[[Any, str, int], None] = setattr) -> None:
    """Let the NumPy backend use its compiled kernels for small arrays too."""
    from gradcore.backends.numba import backend as numba_backend
    from gradcore.backends.numba import products

    for module in (numba_backend, products):
        for limit in {"COPIED", "COPY", "FEW", "LANES", "LARGE", "RUN", "SHARED", "SMALL", "WORK"}:
            if hasattr(module, limit):
                set_to(module, limit, 1)


if __name__ == "__main__":
    sys.exit(main())
