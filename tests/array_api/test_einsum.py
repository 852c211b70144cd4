"""einsum, against NumPy's values and PyTorch's gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcore import Sum, TensorNode, check_gradients
from gradcore.array_api import einsum
from gradcore.backends import Backend

VALUE = {"float32": 1e-5, "float64": 1e-12}

CASES: list[tuple[Any, ...]] = [
    ("i->i", (3,)),
    ("i->", (3,)),
    ("ij->ji", (2, 3)),
    ("ji", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (2, 2, 3)),
    ("iii->i", (3, 3, 3)),
    ("ijij->ji", (2, 3, 2, 3)),
    ("ijk->ik", (2, 3, 4)),
    ("i,i", (3,), (3,)),
    ("i,j->ij", (3,), (2,)),
    ("i,j->ji", (3,), (2,)),
    ("i,j->", (3,), (2,)),
    ("i,->i", (3,), ()),
    (",", (), ()),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ji->", (2, 3), (3, 2)),
    ("ij, jk -> ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ji,kj->ik", (3, 2), (4, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("ijb,bjk->kbi", (3, 4, 2), (2, 4, 2)),
    ("bij,jk->bik", (2, 3, 4), (4, 2)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 2, 2, 4)),
    ("ijk,jil->kl", (2, 3, 4), (3, 2, 2)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("bi,bij,bj->b", (2, 3), (2, 3, 4), (2, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,jk,kl,lm->mi", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("a,b,c,d->dbca", (2,), (3,), (2,), (2,)),
    ("...->...", (2, 3)),
    ("...i->...", (2, 3, 4)),
    ("i...->...i", (2, 3, 4)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
    ("...ij,jk", (2, 2, 3), (3, 2)),
    ("i...,i...", (2, 3), (2, 3)),
    ("b...,b->b...", (2, 3, 4), (2,)),
    ("ij,ij->i", (2, 3), (1, 3)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,kj->ik", (1, 1), (1, 1)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("iJ,Jk->ik", (2, 3), (3, 2)),
]
every_case = pytest.mark.parametrize(("subscripts", "shapes"), [(c[0], c[1:]) for c in CASES])


def drawn(shapes: tuple[tuple[int, ...], ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1.0, 1.0, shape) for shape in shapes]


@every_case
def test_value(backend: Backend, dtype: str, subscripts: str, shapes: Any) -> None:
    xs = drawn(shapes)
    expected = np.einsum(subscripts, *xs)
    raw = [backend.asarray(x, dtype) for x in xs]
    y = einsum(subscripts, *map(TensorNode, raw))
    assert isinstance(y, TensorNode)
    assert y.dtype == raw[0].dtype
    assert y.shape == expected.shape
    for found in (y.value, einsum(subscripts, *raw)):
        np.testing.assert_allclose(backend.to_numpy(found), expected, VALUE[dtype], VALUE[dtype])


@every_case
def test_gradients(backend: Backend, subscripts: str, shapes: Any) -> None:
    xs = [backend.asarray(x, "float32") for x in drawn(shapes)]
    check_gradients(lambda *nodes: einsum(subscripts, *nodes), *xs, order=2)


@every_case
def test_against_torch(subscripts: str, shapes: Any) -> None:
    torch = pytest.importorskip("torch")
    xs = drawn(shapes)
    tensors = [torch.tensor(x, requires_grad=True) for x in xs]
    nodes = [TensorNode(x) for x in xs]
    expected, y = torch.einsum(subscripts, *tensors), einsum(subscripts, *nodes)
    w = np.random.default_rng(1).uniform(0.5, 1.5, y.shape)
    (expected * torch.tensor(w)).sum().backward()
    Sum.do_forward(y * w).backward()
    np.testing.assert_allclose(y.value, expected.detach().numpy(), 1e-12, 1e-12)
    for x, tensor in zip(nodes, tensors, strict=True):
        np.testing.assert_allclose(x.grad, tensor.grad.numpy(), 1e-12, 1e-12)


def test_long_products_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector at the end makes each product that of a matrix with a vector."""
    from gradcore import MatrixMultiply

    shapes = []
    forward = MatrixMultiply.forward

    def noted(context: Any, a: Any, b: Any) -> Any:
        shapes.append((a.shape, b.shape))
        return forward(context, a, b)

    monkeypatch.setattr(MatrixMultiply, "forward", staticmethod(noted))
    einsum("ij,jk,kl,l->i", *drawn(((9, 9), (9, 9), (9, 9), (9,))))
    assert len(shapes) == 3
    assert all(81 in (np.prod(a), np.prod(b)) and 9 in (np.prod(a), np.prod(b)) for a, b in shapes)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "words"),
    [
        ("ij,jk->ik", [(2, 3)], "2 operands are named and 1 given"),
        ("ij->i", [(2, 3), (3,)], "1 operands are named and 2 given"),
        ("ij->i", [(2, 3, 4)], r"'ij' does not fit an operand of shape \(2, 3, 4\)"),
        ("ij...->i", [(2,)], r"'ij...' does not fit an operand of shape \(2,\)"),
        ("ij,jk->ik", [(2, 3), (4, 2)], "'j' is of size 3 and 4"),
        ("ii->i", [(2, 3)], "'i' is of size 2 and 3"),
        ("...i,...i->...", [(2, 3), (4, 3)], "'...' is of size 2 and 4"),
        ("ij->k", [(2, 3)], "'k' of the output is in no operand"),
        ("ij->ii", [(2, 3)], "'i' is twice in the output"),
        ("i...->i", [(2, 3)], "the output has no '...'"),
        ("i?->i", [(2, 3)], r"'\?' is neither a letter"),
        ("i..->i", [(2, 3)], "'.' is neither a letter"),
        ("......i->i", [(2, 3)], "'.' is neither a letter nor one '...'"),
        ("i->i->i", [(2,)], "'-' is neither a letter"),
    ],
)
def test_refusals(subscripts: str, shapes: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^einsum: .*{words}") as caught:
        einsum(subscripts, *[TensorNode(np.zeros(shape)) for shape in shapes])
    assert repr(subscripts) in str(caught.value)
