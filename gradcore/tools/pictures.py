"""Small pictures of arrays: all numbers of a small array, and a sample of a large one as codes for
colours; with the statistics of all elements. And `small_view`, what notebooks show of a node."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import is_complex, raw_array
from ..graph import TensorNode

__all__ = ["Picture", "image_side", "on_host", "picture", "small_view"]

Picture = dict[str, Any]  # what picture() gives: to be written as JSON

FEW = 64  # arrays of at most so many elements are shown as numbers
SMALLEST_IMAGE = 16  # rows of at least 16 * 16 elements of a data set may be images
MANY = 128  # a picture has at most so many rows and columns
_WIDE = 10  # vectors of more elements stand in rows of 8
_LEVELS = 126  # codes 0 to 252 are values from -limit to limit; then -inf, inf, NaN


def on_host(x: Array) -> Any:
    """Give the array as one of NumPy, with 16-bit numbers and others that it lacks as float32."""
    host = backend_of(x).to_numpy(x)
    return host.astype("float32") if host.dtype.itemsize == 2 and host.dtype.kind == "f" else host


def image_side(shape: tuple[int, ...]) -> int:
    """Give 28 for rows of 28 * 28 elements, (N, 784), which may be images; 0 for other shapes."""
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    return side if side >= SMALLEST_IMAGE and side * side == shape[1] else 0


def picture(
    x: Array, cells: int = 4096, side: int = 0, few: int = FEW, data: bool = False
) -> Picture:
    """Describe the array x in a dictionary of strings, numbers and lists.

    Args:
        cells: about how many elements of a large array to keep.
        side: rows of side * side elements are images; 0: they are not.
        few: arrays of at most so many elements are kept as numbers.
        data: whether x may be images, (N, 1 or 3, H, W), to be shown in grey or colours.
    """
    host = on_host(x)
    shape = tuple(host.shape)
    size = math.prod(shape)
    result: Picture = {}
    if is_complex(host):
        result, host = {"of": "absolute values"}, abs(host)
    elif host.dtype.kind == "b":
        host = host.astype("uint8")
    result |= _statistics(host)
    if not size:
        return result
    if size <= few:
        columns = shape[-1] if shape else 1
        if len(shape) == 1 and size > _WIDE:
            columns = result["wrapped"] = 8
        result |= {"numbers": [_number(v) for v in host.reshape(-1).tolist()], "columns": columns}
        if len(shape) > 2:
            result["lead"] = list(shape[:-1])
        return result
    image = data and len(shape) == 4 and shape[1] in (1, 3) and min(shape[2:]) >= 8
    colours = 3 if image and shape[1] == 3 else 1
    if side and shape[-1] == side * side:
        host = host.reshape(-1, 1, side, side)
    elif len(shape) > 2:
        host = host.reshape(-1, colours, *shape[-2:])
    else:
        host = host.reshape(1, 1, -1, shape[-1])
    total, _, rows, columns = host.shape
    tiles = min(total, 16, max(1, cells // (rows * columns * colours)))
    step, across = _steps(rows, columns, cells // (tiles * colours))
    host = host[:tiles, :, ::step, ::across]
    result |= {"tiles": tiles, "rows": host.shape[2], "columns": host.shape[3]}
    result |= {"steps": [step, across], "whole": [total, rows, columns]}
    if side or image:
        result["image"] = True
    if data and (side or image):
        result["colours"] = colours
    return result | _codes(host, result["least"] if "colours" in result else None)


def _steps(rows: int, columns: int, cells: int) -> tuple[int, int]:
    """Choose how many rows and columns to go on from one that is kept to the next."""
    step, across = math.ceil(rows / MANY), math.ceil(columns / MANY)
    kept = math.ceil(rows / step) * math.ceil(columns / across)
    more = math.ceil(math.sqrt(kept / max(cells, 1)))
    return step * more, across * more


def _statistics(host: Any) -> Picture:
    """Compute the least, the greatest and the mean of the finite elements; count the others."""
    if not host.size:
        return {}
    result: Picture = {}
    least, greatest = float(host.min()), float(host.max())  # which are NaN if an element is
    if not math.isfinite(least) or not math.isfinite(greatest):
        xp = backend_of(host).xp
        fine = xp.isfinite(host)
        nan = int(xp.sum(xp.isnan(host), dtype=xp.int64))
        infinite = host.size - int(xp.sum(fine, dtype=xp.int64)) - nan
        result |= {"nan": nan} if nan else {}
        result |= {"infinite": infinite} if infinite else {}
        host = host[fine]
        if not host.size:
            return result
        least, greatest = float(host.min()), float(host.max())
    unit = max(abs(least), abs(greatest)) * 1e-300 or 1.0  # for sums not to overflow
    mean = float(host.mean(dtype="float64") if unit < 1 else (host / unit).mean() * unit)
    return result | {"least": _number(least), "greatest": _number(greatest), "mean": _number(mean)}


def _codes(host: Any, least: Any) -> Picture:
    """Write the elements as bytes. Code c is the value `low + c / 252 * (high - low)`; 253 is -inf,
    254 inf, and 255 NaN. The range is symmetric, so that 0 has a colour of its own; but images
    start at their least value."""
    xp = backend_of(host).xp
    host = host.astype("float64")
    fine = xp.isfinite(host)
    finite = xp.where(fine, host, 0.0)
    unit = high = float(xp.max(xp.abs(finite))) or 1.0  # in parts of which nothing overflows
    low = -high
    if least is not None:
        high, low = max(float(xp.max(finite)), least), least
    scale = (high / unit - low / unit) or 1.0
    codes = xp.clip(xp.round((finite / unit - low / unit) / scale * 252), 0, 252)
    codes = xp.where(fine, codes, xp.where(xp.isnan(host), 255.0, xp.where(host > 0, 254.0, 253.0)))
    codes = xp.permute_dims(codes, (0, 2, 3, 1)).astype("uint8")
    text = base64.b64encode(codes.tobytes()).decode()
    return {"codes": text, "low": _number(low), "high": _number(high)}


def _number(x: Any) -> Any:
    """Round to five digits. JSON has no word for NaN and infinity: give strings."""
    if isinstance(x, int):
        return x
    return float(f"{x:.5g}") if math.isfinite(x) else str(x)


# -- In notebooks ---------------------------------------------------------------------------------

# Blue below 0, white at 0, orange above: these differ for all kinds of colour blindness.
_BELOW, _ZERO, _ABOVE = (33, 102, 172), (247, 247, 247), (179, 88, 6)
_NAN = (255, 0, 190)


def small_view(node: TensorNode) -> str:
    """Write the value of a node, and its gradient if it has one, in HTML without a program: what
    notebooks show of a node. Arrays of at most 64 elements are tables, others pictures."""
    views = [("value", node.value)]
    if node.has_grad:
        views.append(("gradient", node.grad))
    parts = "".join([_view(word, raw_array(x)) for word, x in views])
    return (
        f'<div style="font-size: 13px">TensorNode: {escape(node.summary())}'
        f'<div style="display: flex; flex-wrap: wrap; gap: 16px">{parts}</div></div>'
    )


def _view(word: str, x: Array) -> str:
    """Write one array in HTML: a caption, and a table or picture."""
    seen = picture(x, cells=4096)
    facts = [f"{k} {seen[key]:.4g}" for k, key in _FACTS if key in seen and math.prod(x.shape) > 1]
    facts += [f"of {seen['of']}"] if "of" in seen else []
    facts += [f"{seen[key]} {k}" for k, key in _ODD if key in seen]
    facts += [f"in rows of {seen['wrapped']}"] if "wrapped" in seen else []
    if "codes" in seen:
        total, rows, columns = seen["whole"]
        parts = [f"the first of {total} matrices"] if total > 1 else []
        steps = zip(seen["steps"], ("row", "column"), strict=True)
        parts += [f"one {k} in {step}" for step, k in steps if step > 1]
        facts += [", ".join(parts)] if parts else []
        shape = f"{rows} by {columns}"
        body = _image(seen, f"{word}: heat map of {shape} elements, {', '.join(facts)}")
    else:
        body = _table(seen) if seen else "<br>no elements"
    return f"<div><i>{word}</i> {escape(', '.join(facts))}<br>{body}</div>"


_FACTS = [("min", "least"), ("mean", "mean"), ("max", "greatest")]
_ODD = [("NaN", "nan"), ("infinite", "infinite")]


def _colour(t: float) -> tuple[int, ...]:
    """Give red, green and blue for t from -1 to 1."""
    end, part = _BELOW if t < 0 else _ABOVE, min(1.0, abs(t)) ** 0.7
    return tuple([round(z + (e - z) * part) for z, e in zip(_ZERO, end, strict=True)])


def _table(seen: Picture) -> str:
    """Write a table of numbers, each on its colour."""
    numbers, columns, lines = seen["numbers"], seen["columns"], []
    most = max((abs(x) for x in numbers if not isinstance(x, str)), default=0) or 1
    for start in range(0, len(numbers), columns):
        cells = []
        for x in numbers[start : start + columns]:
            colour = _NAN if isinstance(x, str) else _colour(x / most)
            text = "#fff" if sum(colour) < 360 else "#000"
            style = f"background: rgb{colour}; color: {text}; text-align: right; padding: 1px 5px"
            cells.append(f'<td style="{style}">{x if isinstance(x, str) else f"{x:.4g}"}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table style="border-spacing: 1px; margin: 2px 0">{"".join(lines)}</table>'


def _image(seen: Picture, label: str) -> str:
    """Write the first matrix of a picture as an image in PNG: its codes are those of a palette."""
    import struct
    import zlib

    rows, columns = seen["rows"], seen["columns"]
    codes = base64.b64decode(seen["codes"])
    lines = b"".join([b"\0" + codes[r * columns : (r + 1) * columns] for r in range(rows)])
    colours = [_colour(c / _LEVELS - 1) for c in range(253)] + [(0, 0, 0), (0, 0, 0), _NAN]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(map(bytes, colours))),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            struct.pack(">I", len(content)) + kind + content
            + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks
        ]
    )  # fmt: skip
    times = max(1, min(240 // columns, 240 // rows, 12))
    size = f'width="{columns * times}" height="{rows * times}"'
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    scale = f"{seen['low']:.4g} (blue) to {seen['high']:.4g} (orange)"
    return (
        f'<img {size} style="image-rendering: pixelated; border: 1px solid gray" '
        f'alt="{escape(label)}" src="{source}"><br><small>{scale}</small>'
    )
