"""Define softmax cross-entropy, the CTC loss, and their gradients."""

from __future__ import annotations

import math

from ..types import Array
from .indexing import IndexingKernels

__all__ = ["LossKernels"]


class LossKernels(IndexingKernels):
    """Compute log-softmax, softmax cross-entropy, the CTC loss, and their gradients.

    Of cross-entropy: the classes are axis 1 of x (N, C, ...); the integer targets (N, ...) are in
    range. Loss and gradient are 0 where the boolean `ignored` (N, ...) is true, whatever numbers x
    has there, NaN too; if it is `None`, nowhere. Where x has 16 bits, all is computed in float32.

    Of the CTC loss (connectionist temporal classification): x (T, N, S) are log-probabilities of S
    states at T times. A path of instance n begins in state 0 or 1, ends `input_lengths[n]` times
    later in state `last[n]` or the one before, and at each time stays, goes on by one state, or by
    two into a state where `skips` (N, S) is true.
    """

    def softmax(self, x: Array, axis: int | None) -> Array:
        """Compute exp(x) divided by its sum along the axis, without overflow. x is not empty."""
        xp, z = self.xp, self._wide(x)
        z = xp.exp(z - xp.max(z, axis=axis, keepdims=True))
        return xp.astype(z / xp.sum(z, axis=axis, keepdims=True), x.dtype, copy=False)

    def log_softmax(self, x: Array, axis: int | None) -> Array:
        """Compute log(softmax(x)) along the axis, by the log-sum-exp trick
        (https://gregorygundersen.com/blog/2020/02/09/log-sum-exp/). x is not empty."""
        xp, z = self.xp, self._wide(x)
        z = z - xp.max(z, axis=axis, keepdims=True)
        sums = xp.sum(xp.exp(z), axis=axis, keepdims=True)
        return xp.astype(z - xp.log(sums), x.dtype, copy=False)

    def log_softmax_gradient(self, y: Array, go: Array, axis: int | None) -> Array:
        """Compute the gradient of x from y = log(softmax(x)) and its gradient go."""
        xp, wide = self.xp, self._wide(go)
        sums = xp.sum(wide, axis=axis, keepdims=True)
        gx = wide - xp.exp(self._wide(y)) * sums
        return gx if wide is go else xp.astype(gx, go.dtype)

    def cross_entropy(self, x: Array, targets: Array, ignored: Array | None) -> Array:
        """Compute -log(softmax(x)) at the targets: (N, ...)."""
        xp, z = self.xp, self._wide(x)
        z = z - xp.max(z, axis=1, keepdims=True)
        sums = xp.sum(xp.exp(z), axis=1)
        losses = xp.astype(xp.log(sums) - self.select(z, targets), x.dtype, copy=False)
        return losses if ignored is None else xp.where(ignored, 0.0, losses)

    def cross_entropy_gradient(
        self, x: Array, go: Array, targets: Array, ignored: Array | None
    ) -> Array:
        """Compute the gradient of x from that of `cross_entropy`, which is go (N, ...)."""
        xp, z, go = self.xp, self._wide(x), self._wide(go)
        z = xp.exp(z - xp.max(z, axis=1, keepdims=True))
        p = z / xp.sum(z, axis=1, keepdims=True)
        classes = xp.arange(x.shape[1], device=targets.device)
        classes = xp.reshape(classes, (-1, *[1] * (x.ndim - 2)))
        is_target = xp.expand_dims(targets, axis=1) == classes
        gx = xp.where(is_target, p - 1.0, p) * xp.expand_dims(go, axis=1)
        gx = gx if ignored is None else xp.where(xp.expand_dims(ignored, axis=1), 0.0, gx)
        return xp.astype(gx, x.dtype, copy=False)

    def ctc(self, x: Array, *, skips: Array, input_lengths: Array, last: Array) -> Array:
        """Compute -log of the summed probability of all paths: (N,); infinite if there is none."""
        x, dtype = self._wide(x), x.dtype
        alphas = self._alphas(x, skips, input_lengths)
        return self.xp.astype(-self._log_of_paths(alphas[-1], input_lengths, last), dtype)

    def ctc_gradient(
        self, x: Array, go: Array, *, skips: Array, input_lengths: Array, last: Array
    ) -> Array:
        """Compute the gradient of x from that of `ctc`, which is go (N,): minus go times the
        probability that a path, if one is taken, is in the state; 0 where there is no path."""
        xp, given, x, go = self.xp, x, self._wide(x), self._wide(go)
        alphas = self._alphas(x, skips, input_lengths)
        betas = self._betas(x, skips, input_lengths, last)
        total = self._log_of_paths(alphas[-1], input_lengths, last)
        total = xp.where(total == -math.inf, 0.0, total)
        gx = -xp.exp(xp.stack(alphas) + xp.stack(betas) - total[:, None]) * go[:, None]
        times = xp.arange(x.shape[0], device=x.device)
        beyond = times[:, None, None] >= input_lengths[:, None]  # go may be NaN
        gx = xp.where(beyond, 0.0, gx)
        return gx if x is given else xp.astype(gx, given.dtype)

    def log_of_sum(self, a: Array, b: Array, c: Array) -> Array:
        """Compute log(exp(a) + exp(b) + exp(c)) of logarithms of probabilities."""
        return self.xp.logaddexp(self.xp.logaddexp(a, b), c)

    def _alphas(self, x: Array, skips: Array, input_lengths: Array) -> list[Array]:
        """Compute for each time the logarithm of the probability of all beginnings of paths that
        then are in each state (N, S). After the end of an instance, it stays as it is."""
        xp, none = self.xp, self._impossible(x)
        alphas = [xp.where(self._states(x) < 2, x[0, ...], -math.inf)]
        for t in range(1, x.shape[0]):
            padded = xp.concat([none, alphas[-1]], axis=1)
            two = xp.where(skips, padded[:, :-2], -math.inf)
            a = self.log_of_sum(alphas[-1], padded[:, 1:-1], two) + x[t, ...]
            alphas.append(xp.where(t < input_lengths[:, None], a, alphas[-1]))
        return alphas

    def _betas(self, x: Array, skips: Array, input_lengths: Array, last: Array) -> list[Array]:
        """Compute for each time the logarithm of the probability of all that may follow in paths
        that then are in each state (N, S)."""
        xp, none, states = self.xp, self._impossible(x), self._states(x)
        is_end = (states == last[:, None]) | (states == last[:, None] - 1)
        ends = xp.where(is_end, xp.zeros_like(x[0, ...]), -math.inf)
        no_skips = xp.zeros(none.shape, dtype=xp.bool, device=skips.device)
        skips = xp.concat([skips, no_skips], axis=1)[:, 2:]
        b, betas = xp.full_like(ends, -math.inf), list[Array]()
        for t in range(x.shape[0] - 1, -1, -1):
            if betas:
                padded = xp.concat([b + x[t + 1, ...], none], axis=1)
                two = xp.where(skips, padded[:, 2:], -math.inf)
                b = self.log_of_sum(padded[:, :-2], padded[:, 1:-1], two)
            b = xp.where(t == input_lengths[:, None] - 1, ends, b)
            betas.append(b)
        return betas[::-1]

    def _log_of_paths(self, alpha: Array, input_lengths: Array, last: Array) -> Array:
        """Compute the logarithm of the probability of all paths (N,) from the last alphas."""
        xp, last = self.xp, last[:, None]
        before = xp.take_along_axis(alpha, xp.where(last > 0, last - 1, last), axis=1)
        before = xp.where(last > 0, before, -math.inf)
        total = xp.logaddexp(xp.take_along_axis(alpha, last, axis=1), before)
        nothing = xp.where(last == 0, xp.zeros_like(total), -math.inf)
        return xp.squeeze(xp.where(input_lengths[:, None] == 0, nothing, total), axis=1)

    def _impossible(self, x: Array) -> Array:
        """Make the logarithms of probability 0 of two states for each instance (N, 2)."""
        return self.xp.full((x.shape[1], 2), -math.inf, dtype=x.dtype, device=x.device)

    def _states(self, x: Array) -> Array:
        return self.xp.arange(x.shape[2], device=x.device)
