"""Run the samples of PyTorch's own tests through gradcore, and count what agrees.

    python tests/search/torch_samples.py                       all that is mapped, 5 minutes
    python tests/search/torch_samples.py --only logsumexp      some
    python tests/search/torch_samples.py --errors              inputs that PyTorch refuses

PyTorch's `OpInfo`s hold for each function sample inputs with the oddest shapes, settings and
numbers that its developers could think of. torch_functions.py maps their names to gradcore's
functions. Values and gradients in float16, float32 and float64, and second derivatives in float64,
are compared; values in int64, where a function takes integers only. A sample with a setting that
gradcore's function lacks is left out, and counted. DIFFERENT says why those that differ do.
Needs `pip install expecttest hypothesis` beside PyTorch.
"""

from __future__ import annotations

import inspect
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests), str(tests / "helpers")]
    import program  # noqa: F401

import numpy as np
from search.torch_functions import ACCEPTED, DIFFERENT, OPS

from gradcore import TensorNode, grad
from gradcore import array_api as xp
from gradcore.backends import get
from gradcore.tools.command_line import Parser

__all__ = ["compare", "run", "run_errors"]

LARGE = 4000  # elements; what is wrong with more is wrong with fewer
TOLERANCE = {"float16": 2e-2, "float32": 2e-4, "float64": 1e-7, "int64": 0.0}

# -- Running --------------------------------------------------------------------------------------


def _mapped(x: Any, f: Callable[[Any], Any]) -> Any:
    import torch

    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, list | tuple):
        return type(x)([_mapped(e, f) for e in x])
    if isinstance(x, dict):
        return {k: _mapped(e, f) for k, e in x.items()}
    return x


def _tensors(x: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(x, found.append)
    return found


def _weights(shapes: Sequence[Any]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes))
    return [np.asarray(rng.choice([0.5, 0.75, -1.0, 1.25, 1.0], tuple(s))) for s in shapes]


def compare(info: Any, sample: Any, dtype: str) -> str:
    """Say what differs: nothing, a problem, or "left out: " or "explained: " and the reason."""
    import torch

    ours = OPS[_name(info)]

    def leaf(t: Any) -> Any:
        return t.detach().clone().requires_grad_() if t.requires_grad else t

    given, settings = _mapped([sample.input, *sample.args], leaf), _mapped(sample.kwargs, leaf)
    try:
        inspect.signature(ours).bind(*given, **settings)
    except TypeError:
        return "left out: an argument that gradcore lacks"
    every = _tensors([given, settings])
    if sum(t.numel() for t in every) > LARGE:
        return f"left out: more than {LARGE} elements"
    if any(t.dtype in (torch.bfloat16, torch.complex64, torch.complex128) for t in every):
        return "left out: complex numbers"
    leaves = [t for t in every if t.requires_grad]
    expected = _with_pytorch(info, given, settings, leaves, dtype)
    try:
        found = _with_gradcore(ours, given, settings, leaves, dtype, len(expected) - 1)
    except LookupError as error:
        return f"left out: {error}" if type(error) is LookupError else _error(error)
    except Exception as error:
        return _error(error)
    problem = _difference(found, expected, leaves, dtype)
    if problem and dtype in ("float16", "float32") and not problem.startswith("results"):
        wide = {id(t): t.detach().double().requires_grad_() for t in leaves}
        given, settings = (_mapped(x, lambda t: wide.get(id(t), t)) for x in (given, settings))
        exact = _with_pytorch(info, given, settings, [*wide.values()], "float64")
        # Where gradcore is near to PyTorch's float64, PyTorch's rounding does not count.
        nearer = [
            [_ours_if_near(x, y, z.astype(y.dtype), dtype) for x, y, z in zip(*parts, strict=True)]
            for parts in zip(found, expected, exact, strict=False)
        ]
        if not _difference(found, nearer, leaves, dtype):
            return "explained: gradcore has what PyTorch has in float64"
    return problem


def _with_pytorch(
    info: Any, given: Any, settings: Any, leaves: Any, dtype: str
) -> list[list[np.ndarray]]:
    """Compute the values, the gradients and the second derivatives that PyTorch gives."""
    import torch

    theirs = _tensors(info.op(*given, **settings))
    kind = getattr(torch, dtype)
    expected = [[t.numpy(force=True) for t in theirs]]
    roots = [t for t in theirs if t.dtype == kind and t.requires_grad]
    for order in range(1, 3 if dtype == "float64" else 2):
        ws = [torch.tensor(w, dtype=kind) for w in _weights([t.shape for t in roots])]
        pairs = [(t, w) for t, w in zip(roots, ws, strict=True) if t.requires_grad]
        if not pairs or not leaves:
            break
        try:
            roots = torch.autograd.grad(
                [t for t, _ in pairs], leaves, [w for _, w in pairs], create_graph=order == 1,
                retain_graph=True, allow_unused=True, materialize_grads=True,
            )  # fmt: skip
        except RuntimeError as error:
            if "not implemented" in str(error) or "not differentiable" in str(error):
                break
            raise
        expected.append([t.numpy(force=True) for t in roots])
    return expected


def _difference(found: Any, expected: Any, leaves: Any, dtype: str) -> str:
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        kind_of = ("values", "gradients", "second derivatives")[k]
        if len(a) != len(b):
            return f"results: {len(a)} {kind_of}, expected {len(b)}"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            if np.shape(x) != np.shape(y):
                return f"results: {kind_of} of shape {np.shape(x)}, expected {np.shape(y)}"
            if k:  # NaN is right where the input is NaN
                x = np.where(np.isnan(leaves[i].numpy(force=True)) & np.isnan(x), y, x)
            scale = float(abs(y[np.isfinite(y)]).max(initial=0)) if y.dtype.kind == "f" else 0.0
            tolerance = TOLERANCE[dtype]
            with np.errstate(all="ignore"):
                if not np.allclose(x, y, tolerance, tolerance * max(scale, 1e-3), True):
                    return f"{kind_of}: {_short(x)}, expected {_short(y)}"
    return ""


def _ours_if_near(x: Any, y: Any, exact: Any, dtype: str) -> Any:
    t = TOLERANCE[dtype]
    return np.where(np.isclose(x, exact, t, t * 1e-3, equal_nan=True), x, y)


def _with_gradcore(
    ours: Any, given: Any, settings: Any, leaves: Any, dtype: str, order: int
) -> list[list[np.ndarray]]:
    backend = get("numpy")
    places = {id(t): i for i, t in enumerate(leaves)}
    found: list[list[Any]] = [[]]

    def projection(nodes: Sequence[Any]) -> TensorNode:
        total = TensorNode(backend.asarray(0.0, dtype), requires_grad=False)
        for node, w in zip(nodes, _weights([n.shape for n in nodes]), strict=True):
            total = total + xp.sum(node * backend.asarray(w, dtype))
        return total

    def loss(inputs: Sequence[TensorNode]) -> TensorNode:
        def converted(t: Any) -> Any:
            return inputs[places[id(t)]] if id(t) in places else t.numpy(force=True)

        result = ours(*_mapped(given, converted), **_mapped(settings, converted))
        results = list(result) if isinstance(result, tuple | list) else [result]
        found[0] = [np.asarray(getattr(r, "value", r)) for r in results]
        return projection([r for r in results if getattr(r, "requires_grad", False)])

    arrays = [t.numpy(force=True).copy() for t in leaves]
    if order == 0:
        loss([TensorNode(a) for a in arrays])
    if order > 0:
        found.append([*grad(loss)(arrays)])
    if order > 1:
        found.append([*grad(lambda inputs: projection(grad(loss)(inputs)))(arrays)])
    return found


def _error(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {str(error)[:160]} ({Path(where.filename).name}:{where.lineno})"
    )


def _short(x: Any) -> str:
    return np.array2string(np.asarray(x), precision=6, threshold=8).replace("\n", "")[:160]


def _name(info: Any) -> str:
    return f"{info.name}.{info.variant_test_name}" if info.variant_test_name else info.name


def run(only: str, show: int) -> int:
    """Compare all samples; print what differs, and the counts."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    mapped = [info for info in op_db if _name(info) in OPS and only in _name(info)]
    for info in mapped:
        problems: Counter[str] = Counter()
        floating = [d for d in ("float16", "float32", "float64") if _takes(info, d)]
        for dtype in floating or ["int64"]:
            for sample in _samples(info, getattr(torch, dtype)):
                try:
                    problem = compare(info, sample, dtype)
                except (RuntimeError, NotImplementedError, ValueError, TypeError):
                    problem = "left out: PyTorch refuses it"
                kind, reason = _kind(_name(info), problem)
                counts[kind] += 1
                if reason:
                    reasons[f"{kind}: {reason}"] += 1
                elif problem:
                    problems[problem] += 1
        for problem, n in problems.most_common(show):
            print(f"{_name(info)}: {n} x {problem}")
    for reason, n in sorted(reasons.items()):
        print(f"{n} {reason}")
    print(f"{len(mapped)} functions: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    return counts["differ"] > 0


def _kind(name: str, problem: str) -> tuple[str, str]:
    """Say whether a sample agrees, is left out, is explained, or differs; and the reason."""
    if not problem:
        return "agree", ""
    if problem.startswith("left out: "):
        return "left out", problem.removeprefix("left out: ")
    if problem.startswith("explained: "):
        return "explained", problem.removeprefix("explained: ")
    for start, words, reason in DIFFERENT:
        if name.startswith(start) and words in problem:
            return "explained", f"{start}: {reason}" if start else reason
    return "differ", ""


def _takes(info: Any, dtype: str) -> bool:
    import torch

    return getattr(torch, dtype) in info.supported_dtypes("cpu")


def _samples(info: Any, dtype: Any) -> Iterator[Any]:
    import torch

    if dtype not in info.supported_dtypes("cpu"):
        return
    torch.manual_seed(0)
    for make in (info.sample_inputs, info.reference_inputs):
        try:
            yield from make(
                "cpu", dtype, requires_grad=dtype in info.supported_backward_dtypes("cpu")
            )
        except (RuntimeError, ImportError, AttributeError, TypeError, ValueError) as error:
            print(f"{_name(info)}: no samples ({error})")


def run_errors(only: str, show: int) -> int:
    """Count the inputs that PyTorch refuses, and what gradcore does with them."""
    from torch.testing._internal.common_methods_invocations import op_db

    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for info in op_db:
        if _name(info) not in OPS or info.error_inputs_func is None or only not in _name(info):
            continue
        shown = 0
        for refused in info.error_inputs("cpu"):
            what = _tried(OPS[_name(info)], refused.sample_input)
            reason = ""
            if what == "accepted":
                reason = _why_accepted(_name(info), refused)
                what = "accepted for a reason" if reason else what
            counts[what] += 1
            if reason:
                reasons[f"{_name(info)}: {reason}"] += 1
            elif what != "refused" and shown < show:
                shown += 1
                print(f"{_name(info)}: {what}; PyTorch: {refused.error_regex[:120]}")
    for reason, n in sorted(reasons.items()):
        print(f"{n} accepted: {reason}")
    print("inputs that PyTorch refuses: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    return counts["accepted"] > 0


def _tried(ours: Callable[..., Any], sample: Any) -> str:
    def converted(t: Any) -> Any:
        return TensorNode(t.numpy(force=True), requires_grad=False)

    given = [sample.input, *sample.args]
    try:
        inspect.signature(ours).bind(*given, **sample.kwargs)
        ours(*_mapped(given, converted), **_mapped(sample.kwargs, converted))
    except (ValueError, TypeError, IndexError, RuntimeError, LookupError, np.linalg.LinAlgError):
        return "refused"
    except Exception as error:
        return f"raw {type(error).__name__}"
    return "accepted"


def _why_accepted(name: str, refused: Any) -> str:
    if not isinstance(refused.error_regex, str) or not refused.error_regex:
        return "numbers in place of arrays"  # PyTorch's own functions want a tensor first
    return next(
        (why for start, words, why in ACCEPTED
         if name.startswith(start) and words in refused.error_regex), ""
    )  # fmt: skip


def main() -> int:
    parser = Parser(
        description="Run the samples of PyTorch's tests.",
        examples={"python tests/search/torch_samples.py --only relu": "one function"},
    )
    parser.add_argument("--only", default="", help="functions whose names contain this")
    parser.add_argument("--show", type=int, default=3, help="problems of each function")
    parser.add_argument("--errors", action="store_true", help="inputs that PyTorch refuses")
    args = parser.parse_args()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return (run_errors if args.errors else run)(args.only, args.show)


if __name__ == "__main__":
    sys.exit(main())
