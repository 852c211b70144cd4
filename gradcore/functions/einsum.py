"""Einstein's sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, combinations
from typing import Any

from .. import array_api as xp
from ..array_api.linalg import diagonal

__all__ = ["einsum"]

Label = Any  # a letter, or -1, -2, ...: an axis of the ellipsis, counted from its end
Labels = list[Label]
Plan = tuple[list[Labels], Labels, dict[Label, int]]
Term = tuple[Any, Labels]  # an array, and the label of each of its axes


def einsum(subscripts: str, *operands: Any) -> Any:
    """The sum of products that the subscripts name, as in einsum("ij,jk->ik", a, b).

    Each axis of each operand has a letter. Axes of the same letter go together; what the output
    does not have is summed over. Without `->`, the output has the letters that occur once, in
    alphabetical order. `...` stands for any further axes, which are broadcast, in the output
    first if there is no `->`. A size of 1 is broadcast too.

    Two operands at a time are multiplied, as matrices wherever something is summed over, and
    those first whose product is the smallest in comparison with the two.

    Raises:
        ValueError: the subscripts are wrong, or do not fit the operands.
    """
    named, output, sizes = _parse(subscripts, tuple([tuple(x.shape) for x in operands]))
    terms = [_reduced(x, labels) for x, labels in zip(operands, named, strict=True)]
    terms = [_summed(term, _elsewhere(terms, [i], output)) for i, term in enumerate(terms)]
    while len(terms) > 1:
        i, j = min(
            combinations(range(len(terms)), 2), key=lambda pair: _cost(terms, pair, output, sizes)
        )
        product = _contracted(terms[i], terms[j], _elsewhere(terms, [i, j], output))
        terms = [*[term for k, term in enumerate(terms) if k not in (i, j)], product]

    x, labels = terms[0]
    missing = [k for k in output if k not in labels]  # of size 1 in all operands
    x = xp.reshape(x, (*x.shape, *[1] * len(missing))) if missing else x
    return _ordered((x, [*labels, *missing]), output)


@lru_cache(maxsize=256)
def _parse(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> Plan:
    """The labels of each operand, those of the output, and the size of each."""

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
    """The labels in the output and in terms at other places."""
    return {*output}.union(*[labels for i, (_, labels) in enumerate(terms) if i not in places])


def _cost(
    terms: list[Term], pair: tuple[int, int], output: Labels, sizes: dict[Label, int]
) -> tuple[int, int]:
    """By how many elements the product of a pair is larger than the two, and the products of
    numbers that it takes."""
    a, b = ({*terms[i][1]} for i in pair)
    kept = (a | b) & _elsewhere(terms, pair, output)
    new, *old, work = (math.prod([sizes[k] for k in labels]) for labels in (kept, a, b, a | b))
    return new - sum(old), work


def _reduced(x: Any, labels: Labels) -> Term:
    """The term with each label once, and without axes that are only broadcast."""
    gone = [a for a, k in enumerate(labels) if x.shape[a] == 1]
    if gone:
        x, labels = xp.squeeze(x, tuple(gone)), [k for a, k in enumerate(labels) if a not in gone]
    for k in {*labels}:
        while labels.count(k) > 1:
            i = labels.index(k)
            j = labels.index(k, i + 1)
            x = diagonal(xp.moveaxis(x, (i, j), (-2, -1)))
            labels = [*[m for a, m in enumerate(labels) if a not in (i, j)], k]
    return x, labels


def _summed(term: Term, kept: set[Label]) -> Term:
    """The term without the labels that nothing else has."""
    x, labels = term
    gone = tuple([a for a, k in enumerate(labels) if k not in kept])
    return (xp.sum(x, axis=gone), [k for k in labels if k in kept]) if gone else term


def _contracted(one: Term, two: Term, kept: set[Label]) -> Term:
    """The product of two terms, summed over the labels that are not kept; both have these."""
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
        y = xp.matmul(a, b)
    else:
        y = _shaped(a, (*stack, *left, *[1] * len(right))) * _shaped(b, (*stack, *[1] * m, *right))
    return _shaped(y, (*stack, *left, *right)), [*both, *rows, *columns]


def _ordered(term: Term, labels: Labels) -> Any:
    x, found = term
    return x if found == labels else xp.permute_dims(x, tuple([found.index(k) for k in labels]))


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if tuple(x.shape) == shape else xp.reshape(x, shape)
