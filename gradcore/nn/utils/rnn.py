"""Batches of sequences of several lengths, with the names and arguments of torch.nn.utils.rnn.

A padded batch is (T, N, ...), or (N, T, ...) with `batch_first`: T steps of N sequences, of which
the shorter ones end in padding. A packed batch has the same without the padding: all sequences'
first steps, then all second steps, and so on, with the longest sequence first. Recurrent layers
take both, and padded ones with `lengths` too, which needs no packing.

Lengths are a list of integers or an array, which is read: no step that is captured may change
them.
"""

# ruff: noqa: A002 (torch says `input`)
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ... import array_api, ops
from ...array_api.common import NodeOrArray
from ...backends import Array, backend_of, get
from ...engine.arrays import describe, is_integer, namespace, node_or_array, raw_array
from ...graph import TensorNode

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Array
    sorted_indices: Array | None
    unsorted_indices: Array | None


class PackedSequence(_Packed):
    """Sequences of several lengths without padding, as `pack_padded_sequence` makes them. The
    integers are int64 arrays in the host's memory.

    Attributes:
        data: all steps of all sequences, (sum of the lengths, ...).
        batch_sizes: how many sequences have a first step, a second step, and so on.
        sorted_indices: the places that the sequences had before they were sorted by length; `None`
            if they were not sorted.
        unsorted_indices: the places that they have now.

    Example:
        >>> packed = pack_sequence([TensorNode([1.0, 2.0, 3.0]), TensorNode([4.0])])
        >>> print(packed.data, packed.batch_sizes)
        [1. 4. 2. 3.] [2 1 1]
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)


def invert_permutation(permutation: Any) -> Array | None:
    """Give the permutation that undoes this one, integers (N,); `None` for `None`.

    Example:
        >>> print(invert_permutation(np.array([2, 0, 1])))
        [1 2 0]
    """
    if permutation is None:
        return None
    order = integers("invert_permutation: permutation", permutation)
    return _host(sorted(range(len(order)), key=order.__getitem__))


def pack_padded_sequence(
    input: NodeOrArray, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch (T, N, ...).

    Args:
        lengths: of each of the N sequences.
        batch_first: whether the batch is (N, T, ...).
        enforce_sorted: whether it is an error if a sequence is longer than the one before; else
            they are sorted.

    Raises:
        ValueError: there are not N lengths; one is less than 1 or more than T; or they are not
            sorted.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])  # two sequences, of 3 and 1 steps
        >>> packed = pack_padded_sequence(x, [3, 1], batch_first=True)
        >>> print(packed.data, packed.batch_sizes)
        [1. 4. 2. 3.] [2 1 1]
    """
    x = node_or_array(input)
    if x.ndim < 2:
        raise ValueError(f"pack_padded_sequence: input is {describe(x)}, expected (T, N, ...)")
    x = _swapped(x) if batch_first else x
    found = checked_lengths("pack_padded_sequence", lengths, x.shape[0], x.shape[1])
    order: list[int] | None = None
    if not enforce_sorted:
        order = sorted(range(len(found)), key=lambda n: -found[n])
    elif any(later > before for before, later in pairwise(found)):
        raise ValueError(
            f"pack_padded_sequence: lengths = {found} are not in decreasing order; try "
            "enforce_sorted=False"
        )
    places = range(len(found)) if order is None else order
    sizes = [sum(n > t for n in found) for t in range(max(found, default=0))]
    rows = [t * x.shape[1] + n for t, size in enumerate(sizes) for n in places[:size]]
    data = _taken(_together(x), rows, (len(rows),))
    return PackedSequence(data, _host(sizes), None if order is None else _host(order))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[TensorNode, Array]:
    """Undo `pack_padded_sequence`: give the batch (T, N, ...), with the sequences in the order that
    they had at first, and their lengths.

    Args:
        batch_first: whether the batch is to be (N, T, ...).
        padding_value: what stands after the ends.
        total_length: T, by default the largest of the lengths.

    Raises:
        ValueError: a sequence is longer than `total_length`.

    Example:
        >>> x = gradcore.ones((4, 2, 3))  # 2 sequences of at most 4 vectors
        >>> packed, _ = nn.LSTM(3, 5)(pack_padded_sequence(x, [4, 2]))
        >>> y, lengths = pad_packed_sequence(packed)
        >>> print(y.shape, lengths)
        (4, 2, 5) [4 2]
    """
    sizes = integers("pad_packed_sequence: batch_sizes", sequence.batch_sizes)
    T = len(sizes) if total_length is None else total_length
    if len(sizes) > T:
        raise ValueError(
            f"pad_packed_sequence: total_length = {total_length}, and a sequence has {len(sizes)} "
            "steps"
        )
    lengths = packed_lengths(sequence)
    places: Iterable[int] = range(len(lengths))
    if sequence.unsorted_indices is not None:
        places = integers("pad_packed_sequence: unsorted_indices", sequence.unsorted_indices)
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    ends = [lengths[n] for n in places]
    rows = [[starts[t] + n if t < lengths[n] else 0 for n in places] for t in range(T)]
    y = _padded(sequence.data, rows, ends, padding_value)
    return _swapped(y) if batch_first else y, _host(ends)


def pad_sequence(
    sequences: Iterable[NodeOrArray],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> TensorNode:
    """Make one batch (T, N, ...) of N sequences (L, ...), where T is the largest L.

    Args:
        batch_first: whether the batch is to be (N, T, ...).
        padding_value: what stands after the ends.
        padding_side: "right"; or "left", to have the padding before the starts.

    Raises:
        ValueError: there is no sequence, there is no such side, or the shapes do not fit.

    Example:
        >>> x = pad_sequence([TensorNode([1.0, 2.0]), TensorNode([3.0])], batch_first=True)
        >>> print(x.tolist())
        [[1.0, 2.0], [3.0, 0.0]]
    """
    nodes = [node_or_array(x) for x in sequences]
    if not nodes or padding_side not in ("left", "right"):
        found = f"{len(nodes)} sequences, padding_side = {padding_side!r}"
        raise ValueError(f"pad_sequence: {found}; expected one or more, and 'left' or 'right'")
    lengths = [x.shape[0] for x in nodes]
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    columns = range(len(lengths))
    T = max(lengths)
    rows = [[starts[n] + t if t < lengths[n] else 0 for n in columns] for t in range(T)]
    if padding_side == "left":
        rows = [[starts[n] + max(t - T + lengths[n], 0) for n in columns] for t in range(T)]
    y = _padded(array_api.concat(nodes), rows, lengths, padding_value, padding_side == "left")
    return _swapped(y) if batch_first else y


def unpad_sequence(
    padded_sequences: NodeOrArray, lengths: Any, batch_first: bool = False
) -> list[TensorNode]:
    """Take the N sequences (L, ...) out of a padded batch (T, N, ...), or (N, T, ...) if it is
    `batch_first`.

    Example:
        >>> x = TensorNode([[1.0, 2.0], [3.0, 0.0]])
        >>> print(*unpad_sequence(x, [2, 1], batch_first=True))
        [1. 2.] [3.]
    """
    x = node_or_array(padded_sequences)
    x = _swapped(x) if batch_first else x
    found = integers("unpad_sequence: lengths", lengths)
    return [x[:length, n, ...] for n, length in enumerate(found)]


def pack_sequence(sequences: Sequence[NodeOrArray], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L, ...), as `pack_padded_sequence(pad_sequence(sequences), lengths)` does.

    Example:
        >>> packed = pack_sequence([TensorNode([1.0, 2.0, 3.0]), TensorNode([4.0])])
        >>> print(packed.data, packed.batch_sizes)
        [1. 4. 2. 3.] [2 1 1]
    """
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, False, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[TensorNode]:
    """Undo `pack_sequence`: list the sequences (L, ...), in the order that they had.

    Example:
        >>> packed = pack_sequence([TensorNode([1.0, 2.0, 3.0]), TensorNode([4.0])])
        >>> print(*unpack_sequence(packed))
        [1. 2. 3.] [4.]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


# -- For the layers -------------------------------------------------------------------------------


def integers(what: str, x: Any) -> list[int]:
    """Read integers (N,) from an array, a node, a list or tuple.

    Raises:
        ValueError: there are other things; `what` opens the message.
    """
    raw: Any = raw_array(x) if hasattr(x, "dtype") else x
    found = backend_of(raw).to_numpy(raw).tolist() if hasattr(raw, "dtype") else raw
    if not isinstance(found, list | tuple) or not all(map(is_integer, found)):
        raise ValueError(f"{what} = {x!r}, expected integers (N,)")
    return list(map(int, found))


def checked_lengths(name: str, lengths: Any, T: int, N: int) -> list[int]:
    """Read the lengths of N sequences of at most T steps.

    Raises:
        ValueError: there are not N of them, or one is less than 1 or more than T.
    """
    found = integers(f"{name}: lengths", lengths)
    if len(found) != N or not all(1 <= n <= T for n in found):
        raise ValueError(f"{name}: lengths = {found}, expected {N} integers from 1 to {T}")
    return found


def packed_lengths(sequence: PackedSequence) -> list[int]:
    """Give the lengths of packed sequences, in their order there: the longest first."""
    sizes = integers("PackedSequence: batch_sizes", sequence.batch_sizes)
    return [sum(size > n for size in sizes) for n in range(sizes[0] if sizes else 0)]


def beside(values: Any, like: NodeOrArray) -> Array:
    """Make an int64 array of integers in (nested) lists, on the device of the other array."""
    raw = raw_array(like)
    host = _host(values)
    return namespace(raw).asarray(backend_of(raw).from_numpy(host), device=raw.device)


def _host(values: Any) -> Array:
    return get("numpy").asarray(values, "int64")


def _swapped(x: Any) -> Any:
    return array_api.permute_dims(x, (1, 0, *range(2, x.ndim)))


def _together(x: Any) -> Any:
    """Make x (T, N, ...) an array (T * N, ...)."""
    return array_api.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def _taken(x: Any, rows: Any, shape: tuple[int, ...]) -> Any:
    """Take rows of x (K, ...), listed or nested as `shape` says."""
    indices = beside(rows, x)
    indices = namespace(indices).reshape(indices, shape)
    return ops.Take.do_forward(x, indices=indices, check=False)


def _padded(
    data: Any, rows: list[list[int]], lengths: list[int], value: float, left: bool = False
) -> TensorNode:
    """Take rows (T, N) of the data, and put the value where a sequence has ended."""
    T, N = len(rows), len(lengths)
    y = _taken(data, rows, (T, N))
    if all(n == T for n in lengths):
        return y
    is_in = is_inside(lengths, T, y)
    is_in = namespace(is_in).flip(is_in, axis=0) if left else is_in
    xp = namespace(y.value)
    value = xp.asarray(value, dtype=y.dtype, device=y.value.device)  # integers stay integers
    return array_api.where(is_in, y, value)


def is_inside(lengths: list[int], T: int, like: NodeOrArray) -> Array:
    """Make booleans (T, N, 1, ...), to be broadcast with `like` (T, N, ...): true up to the ends of
    the sequences."""
    raw, ends = raw_array(like), beside(lengths, like)
    xp = namespace(raw)
    steps = xp.arange(T, dtype=ends.dtype, device=raw.device)
    inside = xp.expand_dims(steps, axis=1) < ends
    return xp.reshape(inside, (T, len(lengths), *[1] * (raw.ndim - 2)))
