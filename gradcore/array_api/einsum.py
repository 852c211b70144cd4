"""Sums of products in Einstein's notation, computed by matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, combinations

from .common import NodeOrArray, Shape
from .linalg import diagonal
from .manipulation import moveaxis, permute_dims, reshape, squeeze
from .products import matmul
from .reductions import sum as summed

__all__ = ["einsum"]

Label = str | int  # a letter; or, for an axis of the ellipsis, -1, -2, ..., counted from its end
Labels = list[Label]
Plan = tuple[list[Labels], Labels, dict[Label, int]]  # see _parse
Term = tuple[NodeOrArray, Labels]  # an operand or a product, with a label for each axis


def einsum(subscripts: str, *operands: NodeOrArray) -> NodeOrArray:
    """Compute the sum of products that the subscripts describe:

        einsum("ij,jk->ik", a, b)    # the product of two matrices
        einsum("ii->", a)            # the trace of a matrix
        einsum("...ij->...ji", a)    # each matrix transposed

    Each axis of each operand has a letter. Axes of one letter are walked along together, and the
    sum goes over the letters that the output does not have. Without `->`, the output has the
    letters that occur once, in alphabetical order. `...` stands for any further axes, which are
    broadcast; without `->` they come first in the output. Axes of size 1 are broadcast too.

    Two operands at a time are multiplied, as matrices if the two share a letter to sum over. First
    come the two whose product is smallest in comparison with the two themselves.

    Raises:
        ValueError: the subscripts are wrong, or do not fit the operands.

    Example:
        >>> a, b = TensorNode(np.ones((8, 2, 3))), TensorNode(np.ones((8, 3, 4)))
        >>> gradcore.einsum("bij,bjk->bik", a, b).shape
        (8, 2, 4)
    """
    named, output, sizes = _parse(subscripts, tuple([tuple(x.shape) for x in operands]))
    terms = [_reduced(x, labels, sizes) for x, labels in zip(operands, named, strict=True)]
    terms = [_summed(term, _elsewhere(terms, [i], output)) for i, term in enumerate(terms)]
    while len(terms) > 1:
        i, j = min(
            combinations(range(len(terms)), 2), key=lambda pair: _cost(terms, pair, output, sizes)
        )
        product = _contracted(terms[i], terms[j], _elsewhere(terms, [i, j], output))
        terms = [*[term for k, term in enumerate(terms) if k not in (i, j)], product]

    return _ordered(terms[0], output)


@lru_cache(maxsize=256)
def _parse(subscripts: str, shapes: tuple[Shape, ...]) -> Plan:
    """Parse the subscripts: give the labels of each operand, the labels of the output, and the size
    of each label.

    Raises:
        ValueError: the subscripts are wrong, or do not fit the shapes of the operands.
    """

    def wrong(problem: str) -> ValueError:
        return ValueError(f"einsum: {problem}, in {subscripts!r}")

    left, arrow, right = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes):
        raise wrong(f"{len(inputs)} operands are named and {len(shapes)} given")
    for part in (*inputs, right):
        if bad := [c for c in part.replace("...", "", 1) if not (c.isascii() and c.isalpha())]:
            raise wrong(f"{bad[0]!r} is neither a letter nor one '...' of an operand")

    named, longest = [], 0
    for part, shape in zip(inputs, shapes, strict=True):
        before, ellipsis, after = part.partition("...")
        extra = len(shape) - len(before) - len(after)
        if extra < 0 or (extra and not ellipsis):
            raise wrong(f"{part!r} does not fit an operand of shape {shape}")
        longest = max(longest, extra)
        named.append([*before, *range(-extra, 0), *after])
    sizes: dict[Label, int] = {}
    for k, n in zip(chain(*named), chain(*shapes), strict=True):
        if sizes.setdefault(k, n) == 1:
            sizes[k] = n
        elif n not in (1, sizes[k]):
            what = repr(k) if isinstance(k, str) else "'...'"
            raise wrong(f"{what} is of size {sizes[k]} and {n}")

    dots: Labels = [*range(-longest, 0)]
    letters = [c for c in left if c.isalpha()]
    if not arrow:
        once = sorted(c for c in letters if letters.count(c) == 1)
        return named, [*dots, *once], sizes
    before, ellipsis, after = right.partition("...")
    if longest and not ellipsis:
        raise wrong("the operands have axes for '...', and the output has no '...'")
    for c in before + after:
        if c not in letters:
            raise wrong(f"{c!r} of the output is in no operand")
        if right.count(c) > 1:
            raise wrong(f"{c!r} is twice in the output")
    return named, [*before, *dots, *after], sizes


def _elsewhere(terms: list[Term], places: Sequence[int], output: Labels) -> set[Label]:
    """Collect the labels of the output and of all terms but those at these places."""
    return {*output}.union(*[labels for i, (_, labels) in enumerate(terms) if i not in places])


def _cost(
    terms: list[Term], pair: tuple[int, int], output: Labels, sizes: dict[Label, int]
) -> tuple[int, int]:
    """Rate the product of a pair of terms: by how many elements it is larger than the two, and then
    how many multiplications it takes."""
    a, b = ({*terms[i][1]} for i in pair)
    kept = (a | b) & _elsewhere(terms, pair, output)
    new, *old, work = (math.prod([sizes[k] for k in labels]) for labels in (kept, a, b, a | b))
    return new - sum(old), work


def _reduced(x: NodeOrArray, labels: Labels, sizes: dict[Label, int]) -> Term:
    """Make a term of an operand: drop axes of size 1 that other operands have larger, take the
    diagonal of axes of one label."""
    gone = [a for a, k in enumerate(labels) if x.shape[a] == 1 != sizes[k]]
    if gone:
        x, labels = squeeze(x, tuple(gone)), [k for a, k in enumerate(labels) if a not in gone]
    for k in {*labels}:
        while labels.count(k) > 1:
            i = labels.index(k)
            j = labels.index(k, i + 1)
            x = diagonal(moveaxis(x, (i, j), (-2, -1)))
            labels = [*[m for a, m in enumerate(labels) if a not in (i, j)], k]
    return x, labels


def _summed(term: Term, kept: set[Label]) -> Term:
    """Drop labels used in no other term and not in the output: sum over them."""
    x, labels = term
    gone = tuple([a for a, k in enumerate(labels) if k not in kept])
    return (summed(x, axis=gone), [k for k in labels if k in kept]) if gone else term


def _contracted(one: Term, two: Term, kept: set[Label]) -> Term:
    """Multiply two terms, and sum over the labels not kept, all of which both terms have."""
    (a, ours), (b, theirs) = one, two
    both = [k for k in ours if k in theirs and k in kept]
    inner = [k for k in ours if k in theirs and k not in kept]
    rows = [k for k in ours if k not in theirs]
    columns = [k for k in theirs if k not in ours]
    a, b = _ordered(one, [*both, *rows, *inner]), _ordered(two, [*both, *inner, *columns])
    n, m, k = len(both), len(rows), len(inner)
    stack, left, right = tuple(a.shape[:n]), tuple(a.shape[n : n + m]), tuple(b.shape[n + k :])
    if inner:
        size = math.prod(b.shape[n : n + k])
        a = _shaped(a, (*stack, math.prod(left), size))
        b = _shaped(b, (*stack, size, math.prod(right)))
        y = matmul(a, b)
    else:
        y = _shaped(a, (*stack, *left, *[1] * len(right))) * _shaped(b, (*stack, *[1] * m, *right))
    return _shaped(y, (*stack, *left, *right)), [*both, *rows, *columns]


def _ordered(term: Term, labels: Labels) -> NodeOrArray:
    """Put the axes of a term in the order of these labels."""
    x, found = term
    return x if found == labels else permute_dims(x, tuple([found.index(k) for k in labels]))


def _shaped(x: NodeOrArray, shape: Shape) -> NodeOrArray:
    """Reshape x, unless it is of this shape."""
    return x if tuple(x.shape) == shape else reshape(x, shape)
