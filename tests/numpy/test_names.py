"""NumPy's names against NumPy: values, dtypes, gradients, signatures, and what is missing."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gradcore.numpy as gnp
from gradcore import TensorNode, check_gradients
from gradcore.backends import Backend, backend_of
from gradcore.engine.arrays import is_node, value_of

from .table import CONSTANT, DIFFERENTIABLE, arrays

# What NumPy 2.1 lacks, or computes as NaN.
IS_OLD = np.lib.NumpyVersion(np.__version__) < "2.2.0"
OF_NEW = ("matvec(", "vecmat(", "quantile([-inf,inf],0)")
ROUGH = {"float32": 2e-5, "float64": 1e-11}


def calls(text: str) -> Iterator[str]:
    """The calls in a text, between which are spaces outside of brackets."""
    depth, start = 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c.isspace() and not depth:
            if text[start:i].strip():
                yield text[start:i].strip()
            start = i
    assert not depth


def evaluate(call: str, module: Any, given: dict[str, Any]) -> Any:
    return eval(compiled(call), {**names(module), **given})


@functools.cache
def compiled(call: str) -> Any:
    return compile(call, call, "eval")


@functools.cache
def names(module: Any) -> dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


@functools.cache
def numpys(dtype: str) -> dict[str, Any]:
    """What NumPy gives for each call."""
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        return {
            call: evaluate(call, np, arrays(dtype))
            for call in (*calls(DIFFERENTIABLE), *calls(CONSTANT))
            if not (IS_OLD and call.startswith(OF_NEW))
        }


def parts(x: Any) -> list[Any]:
    return [part for p in x for part in parts(p)] if isinstance(x, tuple | list) else [x]


def expected_dtype(kind: str) -> str:
    """NumPy's dtype, or the widest that the backend's device has."""
    narrow = {"float64": "float32", "complex128": "complex64", "float16": "float32"}
    there = gnp.zeros(0, kind).dtype
    return kind if str(there).rpartition(".")[2] == kind else narrow[kind]


def compare(found: Any, wanted: Any, dtype: str, kind: str) -> str:
    """What is different, in words."""
    found, wanted = parts(found), parts(wanted)
    if kind == "arrays" and [y for y in found if is_node(y)]:
        return "a node, of arrays"
    if len(found) != len(wanted):
        return f"{len(found)} results, not {len(wanted)}"
    for a, b in zip(found, wanted, strict=True):
        a = value_of(a)
        if isinstance(a, type) or not hasattr(a, "dtype"):
            if a != b:
                return f"{a!r}, not {b!r}"
            continue
        b = np.asarray(b)
        name = str(a.dtype).rpartition(".")[2]
        a = backend_of(a).to_numpy(a)
        if name != expected_dtype(b.dtype.name):
            return f"dtype {name}, not {b.dtype}"
        if a.shape != b.shape:
            return f"shape {a.shape}, not {b.shape}"
        rough = ROUGH["float32" if name in ("float32", "complex64") else dtype]
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
        if not np.allclose(a, b, rtol=rough, atol=rough * scale, equal_nan=True):
            return f"{a}, not {b}"
    return ""


@pytest.mark.parametrize("kind", ["arrays", "nodes"])
def test_values_and_dtypes_are_numpys(backend: Backend, dtype: str, kind: str) -> None:
    there = {name: backend.asarray(x) for name, x in arrays(dtype).items()}
    if kind == "nodes":
        there = {name: TensorNode(x) for name, x in there.items()}
    wrong, differentiable = [], {*calls(DIFFERENTIABLE)}
    for call, wanted in numpys(dtype).items():
        try:
            found = evaluate(call, gnp, there)
            problem = compare(found, wanted, dtype, kind)
            if kind == "nodes" and call in differentiable and not problem:
                has_gradient = any(is_node(y) and y.requires_grad for y in parts(found))
                problem = "" if has_gradient else "no gradient"
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{call}: {problem}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong)


def test_gradients_are_central_differences() -> None:
    host = arrays("float64")
    floats = [name for name, x in host.items() if x.dtype.kind in "fc"]
    wrong = []
    for call in calls(DIFFERENTIABLE):
        used = [name for name in floats if name in named(call)]

        def f(*xs: Any, call: str = call, used: list[str] = used) -> Any:
            found = evaluate(call, gnp, host | dict(zip(used, xs, strict=True)))
            return [y for y in parts(found) if hasattr(y, "dtype")]

        try:
            check_gradients(f, *[host[name] for name in used], order=1)
        except Exception as error:
            wrong.append(f"{call}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong)


def named(call: str) -> set[str]:
    return set(compiled(call).co_names) | {
        name for c in compiled(call).co_consts if hasattr(c, "co_names") for name in c.co_names
    }


# -- Signatures, and what is missing --------------------------------------------------------------


def parameters(function: Any) -> list[str] | None:
    """The names of a function's parameters; `None` where it takes any, or does not tell."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    kinds = {p.kind for p in found.values()}
    return None if inspect.Parameter.VAR_KEYWORD in kinds else [*found]


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="those of NumPy 2.4")
@pytest.mark.parametrize("module", ["", "linalg", "fft"])
def test_parameters_have_numpys_names_in_numpys_order(module: str) -> None:
    theirs, ours = (getattr(m, module) if module else m for m in (np, gnp))
    checked = 0
    for name in ours.__all__:
        function = getattr(ours, name)
        if not inspect.isfunction(function) or name in ("divmod", "modf", "matvec", "vecmat"):
            continue  # of universal functions, the keywords are those of all
        found, wanted = parameters(function), parameters(getattr(theirs, name, None))
        if found is None or wanted is None or (module, name) == ("linalg", "tensordot"):
            continue
        assert found == wanted, name
        checked += 1
    assert checked > 10


MISSING = {
    "no arrays of numbers, or none that other libraries have": """
        asmatrix bmat busday_count busday_offset busdaycalendar char datetime64 datetime_as_string
        datetime_data flatiter is_busday isnat ma matrix rec recarray record strings timedelta64
        void""",
    "numbers that only NumPy has": "clongdouble complex256 float128 longdouble",
    "NumPy's memory": """broadcast fromregex getbufsize isfortran may_share_memory memmap nditer
        nested_iters setbufsize shares_memory""",
    "NumPy's own modules and tools: import them from numpy": """
        core ctypeslib dtypes emath f2py frompyfunc get_include geterrcall info lib little_endian
        mintypecode polynomial sctypeDict seterrcall show_config show_runtime test testing typecodes
        typename typing""",
    "of integers and bits, rarely used": """
        bitwise_count frexp gcd lcm ldexp packbits spacing unpackbits""",
    "old: poly1d is polyval, ..., row_stack vstack, trapz trapezoid, in1d isin": """
        in1d poly1d polydiv row_stack trapz""",
    "einsum chooses the order by itself": "einsum_path",
}


def test_what_is_missing_of_numpys_main_names_has_a_reason() -> None:
    listed = {name for names in MISSING.values() for name in names.split()}
    missing = {name for name in dir(np) if not name.startswith("_")} - set(gnp.__all__)
    assert missing - listed == set()
    assert listed & set(gnp.__all__) == set()


@pytest.mark.parametrize("module", ["linalg", "fft", "random"])
def test_extensions_have_all_names(module: str) -> None:
    theirs, ours = getattr(np, module), getattr(gnp, module)
    missing = {n for n in dir(theirs) if n[0].islower() and not n.startswith("_")} - {*ours.__all__}
    inner = {"test", "mtrand", "bit_generator", "get_bit_generator", "set_bit_generator"}
    assert {n for n in missing if not inspect.ismodule(getattr(theirs, n))} <= inner


def test_every_name_is_called_in_the_table_or_is_numpys_own() -> None:
    """But for those that write, draw and read: see test_writing.py."""
    text = DIFFERENTIABLE + CONSTANT
    elsewhere = """copyto fill_diagonal place put put_along_axis putmask errstate load loadtxt save
        savetxt savez savez_compressed frombuffer fromfile fromiter fromstring genfromtxt
        asarray_chkfinite ascontiguousarray asfortranarray can_cast from_dlpack isdtype issubdtype
        ndarray ndenumerate ndindex index_exp s_ promote_types random fft linalg ufunc"""
    names = [
        name
        for name in gnp.__all__
        if (value := getattr(gnp, name)) is not getattr(np, name, None)
        and not isinstance(value, int | float | type)
        and value is not None
    ]
    missing = [
        n for n in names if f"{n}(" not in text and f"{n}[" not in text and f"{n}." not in text
    ]
    assert {*missing} - {*elsewhere.split()} == set()
