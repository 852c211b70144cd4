"""Calls that are easily forgotten: numbers and arrays without dimensions or elements, zeros, NaN,
and arguments that don't fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import gradcore.numpy as gnp
from gradcore import TensorNode, grad
from gradcore.backends import Backend

from .test_names import IS_OLD, calls, compare, evaluate

HOST: dict[str, Any] = {
    "o": np.array(0.7), "v": np.array([0.3, 0.9, -0.4]), "A": np.arange(6.0).reshape(2, 3) - 2.0,
    "R": np.array([[0.2, 0.5, 0.4]]), "none": np.zeros((0, 3)), "Z": np.array([1j, 0.0, 2.0]),
    "F": np.array([1.5, -2.0], "float32"), "m": np.array([True, True, False]),
    "X": np.array([0.0, np.inf, 1.0, 4.0, 5.0]), "k": np.array([1, 2]), "t": np.array(True),
}  # fmt: skip

CALLS = """
fmax(v,0) fmin(0.5,v) fmax(F,0) add(v,True) multiply(True,F) maximum(A,False) logical_xor(v,True)
where(F>0,hypot(F,0,where=F>0),0) where(F>0,divide(1,F,where=F>0),0)
sqrt(o,where=t) where(t,sin(o,where=t),0) modf(o) modf(-2.0*v)
average(v,returned=True) average(A,axis=(1,0),weights=A.T) average(A,axis=1,weights=v)
sum(o,axis=0) prod(o,-1,keepdims=True) max(o,axis=0) argmax(o,axis=0)
cumsum(o,axis=0) cumprod(o,-1) nansum(o,axis=0) any(o,axis=0) take(o,0,axis=0) add.reduce(o)
maximum.reduce(o)
sum(none) max(none,initial=2.5) min(none,axis=0,initial=1) max(none,axis=1,initial=0.0) median(none)
nanmedian(none,axis=0) percentile(A,[10,60],axis=-1) resize(none,4) max(v,where=True)
any(Z) all(Z) logical_and(Z,True) logical_not(Z) logical_and(A,A) logical_or(v,0.0)
std(Z,where=True) var(Z,where=m) std(v,where=m)
nanstd(Z) var(v,where=m,ddof=2) nanvar(v[:1]) cov(R,rowvar=False) cov(v,ddof=3) cov(v,ddof=5)
gradient(X) gradient(A,axis=-1) gradient(v,0.5)
tril(v) triu(v,1) tril(F,-1) bincount(m) polyfit(0*v+1,v,1) polyfit(v,v,1,1e-3)
roots([2.0]) roots([0.0,0.0,1.0,1j])
"""

REFUSED = """
take(v,0,axis=1) delete(v,0,axis=1) insert(v,0,1.0,axis=2) diff(v,axis=1) diff(o) unwrap(v,axis=1)
gradient(v,axis=1) gradient(A,axis=(0,0)) median(v,axis=1) quantile(A,0.5,axis=(0,0))
array_split(v,2,axis=1) split(o,1) rollaxis(A,2) average(v,axis=1,weights=v) rot90(A,1,(0,0))
apply_along_axis(sum,1,v) interp(v,[0.0,1.0],[1.0,2.0,3.0]) interp(v,[[0.0,1.0]],[[1.0,2.0]])
interp(v,v,v,period=0) pad(v,-1) polyder(v,-1) polyint(v,-1) polyfit(v,v,-1) polyfit(v,v[:2],1)
polyfit(v,v,1,w=v[:1]) bincount([-1,2]) correlate(v,v,'bad')
correlate(v,A) convolve(v,v,'bad') matmul(v,2)
vecdot(v,2) lexsort((v,v[:2])) roots(A)
"""


@pytest.mark.parametrize("kind", ["arrays", "nodes"])
def test_edges_have_numpys_values_and_dtypes(backend: Backend, dtype: str, kind: str) -> None:
    to = {"f": dtype, "c": np.result_type(dtype, "complex64")}
    host = {name: x.astype(to.get(x.dtype.kind, x.dtype)) for name, x in HOST.items()}
    host["F"] = HOST["F"]
    there = {name: backend.asarray(x) for name, x in host.items()}
    if kind == "nodes":
        there = {name: TensorNode(x) for name, x in there.items()}
    wrong = []
    for call in calls(CALLS):
        if IS_OLD and call == "cov(R,rowvar=False)":  # one variable, to NumPy 2.1
            continue
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            wanted = evaluate(call, np, host)
            try:
                problem = compare(evaluate(call, gnp, there), wanted, dtype, kind)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{call}: {problem}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong)


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    wrong = []
    for call in calls(REFUSED):
        for given in (HOST, {name: TensorNode(x) for name, x in HOST.items()}):
            try:
                wrong.append(f"{call} gave {evaluate(call, gnp, given)}")
            except (ValueError, IndexError, TypeError) as error:
                if "\n" in str(error) or "object" in str(error):
                    wrong.append(f"{call}: {error}")
            except Exception as error:
                wrong.append(f"{call}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def test_gradients_at_edges() -> None:
    x = np.array([0.5, 0.5, 2.0])
    mask = np.array([True, True, False])
    assert (grad(lambda x: gnp.modf(x)[0].sum())(np.array([0.0, -1.5])) == 1.0).all()
    assert (grad(lambda x: gnp.std(x, where=mask))(x) == 0.0).all()
    assert (grad(lambda x: gnp.nanstd(x))(x[:1]) == 0.0).all()
    assert (grad(lambda x: gnp.fmax(x, 1.0).sum())(x) == [0.0, 0.0, 1.0]).all()
    slope = grad(lambda y: gnp.polyfit(np.ones(3), y, 1).sum())(x)
    np.testing.assert_allclose(slope, np.full(3, 1 / 3))


def test_weights_of_a_histogram_lose_no_gradient_unseen() -> None:
    with pytest.raises(TypeError, match="histogram: the weights would lose their gradient"):
        gnp.histogram(np.arange(3.0), 2, weights=TensorNode(np.ones(3)))


def test_a_matrix_times_a_number_is_refused() -> None:
    for multiply in (lambda x: x @ 2, lambda x: 2.0 @ x, lambda x: np.matmul(x, 2)):
        with pytest.raises(TypeError, match="@ multiplies arrays, not numbers"):
            multiply(TensorNode(np.ones(3)))
