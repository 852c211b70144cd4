"""The rows of gradcore/ops/recurrent.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import Row, case, constant, refuses


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _lstm(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b: Any = 0.0) -> Any:
    ys, cells, gates = [], [], []
    for part in x:
        i, f, g, o = np.split(part @ w_ih.T + h @ w_hh.T + b, 4, 1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c = f * c + i * g
        h = o * np.tanh(c)
        ys.append(h)
        cells.append(c)
        gates.append(np.concatenate([i, f, g, o], 1))
    return np.stack(ys), np.stack(cells), np.stack(gates)


def _torch_lstm(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b: Any = 0.0) -> Any:
    import torch

    ys, cells, gates = [], [], []
    for part in x:
        i, f, g, o = (part @ w_ih.T + h @ w_hh.T + b).chunk(4, 1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        ys.append(h)
        cells.append(c)
        gates.append(torch.cat([i, f, g, o], 1))
    return torch.stack(ys), torch.stack(cells), torch.stack(gates)


def _gradient(
    c: Any, w_hh: Any, cells: Any, gates: Any, *gos: Any, given: Any, xp: Any = np
) -> Any:
    """Also of tensors, if `xp` is PyTorch."""
    rest = iter(gos)
    gy, gcells, ggates = (next(rest) if there else 0.0 * like for there, like in
                          zip(given, (cells, cells, gates), strict=True))  # fmt: skip
    gh, gc, gzs, H = 0.0 * c, 0.0 * c, [], c.shape[1]
    for t in reversed(range(len(cells))):
        i, f, g, o = (gates[t][:, k * H : (k + 1) * H] for k in range(4))
        s, before = xp.tanh(cells[t]), cells[t - 1] if t else c
        gh = gh + gy[t]
        gc = gc + gcells[t] + gh * o * (1 - s**2)
        parts = xp.concatenate([gc * g, gc * before, gc * i, gh * s], 1) + ggates[t]
        slopes = [i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)]
        gzs.insert(0, parts * xp.concatenate(slopes, 1))
        gc, gh = gc * f, gzs[0] @ w_hh
    return xp.stack(gzs), gh, gc


def _torch_gradient(*inputs: Any, given: Any) -> Any:
    import torch

    return _gradient(*inputs, given=given, xp=torch)


def _gru(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = 0.0, b_hh: Any = 0.0, xp: Any = np
) -> Any:
    """Also of tensors, if `xp` is PyTorch."""
    ys, gates, H = [], [], h.shape[1]
    for part in x:
        of_x, of_h = part @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        ru, q = 1 / (1 + xp.exp(-(of_x + of_h)[:, : 2 * H])), of_h[:, 2 * H :]
        r, u = ru[:, :H], ru[:, H:]
        n = xp.tanh(of_x[:, 2 * H :] + r * q)
        h = (1 - u) * n + u * h
        ys.append(h)
        gates.append(xp.concatenate([q, r, u, n], 1))
    return xp.stack(ys), xp.stack(gates)


def _torch_gru(*inputs: Any) -> Any:
    import torch

    return _gru(*inputs, xp=torch)


def _gru_gradient(
    h: Any, w_hh: Any, y: Any, gates: Any, *gos: Any, given: Any, xp: Any = np
) -> Any:
    """Also of tensors, if `xp` is PyTorch."""
    rest, H = iter(gos), h.shape[1]
    gy, ggates = (next(rest) if there else 0.0 * like
                  for there, like in zip(given, (y, gates), strict=True))  # fmt: skip
    gh, gzs = 0.0 * h, []
    for t in reversed(range(len(y))):
        q, r, u, n = (gates[t][:, k * H : (k + 1) * H] for k in range(4))
        more = [ggates[t][:, k * H : (k + 1) * H] for k in range(4)]
        gh = gh + gy[t]
        gn = (gh * (1 - u) + more[3]) * (1 - n**2)
        gu = (gh * ((y[t - 1] if t else h) - n) + more[2]) * u * (1 - u)
        gr, gq = (gn * q + more[1]) * r * (1 - r), gn * r + more[0]
        gh = gh * u + xp.concatenate([gr, gu, gq], 1) @ w_hh
        gzs.insert(0, xp.concatenate([gq, gr, gu, gn], 1))
    return xp.stack(gzs), gh


def _torch_gru_gradient(*inputs: Any, given: Any) -> Any:
    import torch

    return _gru_gradient(*inputs, given=given, xp=torch)


ROWS = [
    Row(
        ops.Gru,
        _gru,
        [
            case((3, 2, 2), (2, 2), (6, 2), (6, 2), (6,), (6,)),
            case((2, 1, 3), (1, 2), (6, 3), (6, 2)),
            case(constant((2, 2, 1)), constant((2, 1)), (3, 1), (3, 1), constant((3,)), (3,)),
            case((1, 1, 1), (1, 1), constant((3, 1)), constant((3, 1)), (3,), constant((3,))),
            case((2, 0, 1), (0, 1), (3, 1), (3, 1), (3,), (3,)),
        ],
        _torch_gru,
        refuses=[
            refuses(case((2, 3, 1), (2, 1), (3, 1), (3, 1)), ValueError, "(2, 3, 1)"),
            refuses(case((2, 2, 1), (2, 1), (4, 1), (3, 1)), ValueError, "(4, 1)"),
            refuses(case((0, 2, 1), (2, 1), (3, 1), (3, 1)), ValueError, "(0, 2, 1)"),
        ],
        many_steps=True,
    ),
    Row(
        ops.GruGradient,
        _gru_gradient,
        [
            case(*((2, 2), (6, 2), (3, 2, 2), (3, 2, 8), (3, 2, 2), (3, 2, 8)), given=(True, True)),
            case((1, 2), (6, 2), (2, 1, 2), (2, 1, 8), (2, 1, 2), given=(True, False)),
            case((1, 1), (3, 1), (2, 1, 1), (2, 1, 4), (2, 1, 1), given=(True, False)),
            case((0, 1), (3, 1), (2, 0, 1), (2, 0, 4), (2, 0, 4), given=(False, True)),
        ],
        _torch_gru_gradient,
        many_steps=True,
    ),
    Row(
        ops.Lstm,
        _lstm,
        [
            case((3, 2, 2), (2, 2), (2, 2), (8, 2), (8, 2), (8,)),
            case((2, 1, 3), (1, 2), (1, 2), (8, 3), (8, 2)),
            case(constant((2, 2, 1)), constant((2, 1)), (2, 1), (4, 1), (4, 1), constant((4,))),
            case((1, 1, 1), (1, 1), (1, 1), (4, 1), (4, 1), (4,)),
            case((2, 0, 1), (0, 1), (0, 1), (4, 1), (4, 1), (4,)),
        ],
        _torch_lstm,
        refuses=[
            refuses(case((2, 3, 1), (2, 1), (2, 1), (4, 1), (4, 1)), ValueError, "(2, 3, 1)"),
            refuses(case((2, 2, 1), (2, 1), (2, 1), (3, 1), (4, 1)), ValueError, "(3, 1)"),
            refuses(case((0, 2, 1), (2, 1), (2, 1), (4, 1), (4, 1)), ValueError, "(0, 2, 1)"),
        ],
        many_steps=True,
    ),
    Row(
        ops.LstmGradient,
        _gradient,
        [
            case(
                *((2, 2), (8, 2), (3, 2, 2), (3, 2, 8), (3, 2, 2), (3, 2, 2), (3, 2, 8)),
                given=(True, True, True),
            ),
            case((1, 2), (8, 2), (2, 1, 2), (2, 1, 8), (2, 1, 2), given=(True, False, False)),
            case((1, 1), (4, 1), (1, 1, 1), (1, 1, 4), (1, 1, 1), given=(False, True, False)),
            case((0, 1), (4, 1), (2, 0, 1), (2, 0, 4), (2, 0, 4), given=(False, False, True)),
        ],
        _torch_gradient,
        many_steps=True,
    ),
]
