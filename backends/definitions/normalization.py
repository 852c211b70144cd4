"""Define batch and layer normalization, and their gradients, and sums over channels.

The gradients are the formulas of https://arxiv.org/abs/1502.03167, section 3, put together.
"""

from __future__ import annotations

import math

from ..types import Array, Number
from .elementwise import ElementwiseKernels

__all__ = ["NormalizationKernels"]


class NormalizationKernels(ElementwiseKernels):
    """Normalize channels (batch norm) or rows (layer norm)."""

    # Batch normalization. The channels are axis 1 of x (N, C, ...); w, b, mean and variance are
    # (C,). Where x has 16 bits, mean, variance and sums are in float32.

    def batch_norm(
        self,
        x: Array,
        w: Array,
        b: Array,
        residual: Array | None = None,
        running_mean: Array | None = None,
        running_var: Array | None = None,
        batches: Array | None = None,
        *,
        eps: float,
        momentum: Number | None = 0.0,
        relu: bool = False,
    ) -> tuple[Array | None, ...]:
        """Compute y = (x - mean) / sqrt(variance + eps) * w + b for each channel; add the residual,
        of the shape and dtype of x, if given; with `relu`, put 0 in place of what is negative.

        Args:
            running_mean, running_var: (C,), the averages over earlier batches. An override may
                write the new ones into these arrays.
            batches: how many there were, of no dimensions; an override may write into it, too.
            momentum: the part of the averages that this batch replaces; with `None` they are the
                means over all `batches`.

        Returns:
            y, of the shape and dtype of x; the mean, and the biased variance, of each channel; and
            the new running_mean, running_var (unbiased) and batches, `None` where none were given.
        """
        xp, each = self.xp, (-1, *[1] * (x.ndim - 2))
        z, axes = self._wide(x), (0, *range(2, x.ndim))
        mean = xp.mean(z, axis=axes)
        z = z - xp.reshape(mean, each)
        # Of large numbers, the mean is rounded. What is left must not look like variance.
        rest = xp.mean(z, axis=axes)
        variance = xp.maximum(xp.mean(z * z, axis=axes) - rest * rest, 0.0)
        scale = xp.astype(w, z.dtype, copy=False) * self._inverse_root(variance + eps)
        z *= xp.reshape(scale, each)
        z += xp.reshape(xp.astype(b, z.dtype, copy=False) - rest * scale, each)
        mean = mean + rest
        running = self._averaged(x, mean, variance, running_mean, running_var, batches, momentum)
        return self._finished(z, residual, relu, x), mean, variance, *running

    def _averaged(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        running_mean: Array | None,
        running_var: Array | None,
        batches: Array | None,
        momentum: Number | None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """Compute the new running_mean, running_var and batches."""
        xp, n = self.xp, x.shape[0] * math.prod(x.shape[2:])
        if batches is not None:
            batches = xp.reshape(batches + 1, ())

        def average(old: Array | None, new: Array) -> Array | None:
            if old is None:
                return None
            part = 1.0 / xp.astype(batches, old.dtype) if momentum is None else momentum
            return old + (xp.astype(new, old.dtype, copy=False) - old) * part

        unbiased = variance if running_var is None else variance * (n / max(n - 1, 1))
        return average(running_mean, mean), average(running_var, unbiased), batches

    def batch_norm_inference(
        self,
        x: Array,
        w: Array,
        b: Array,
        mean: Array,
        variance: Array,
        residual: Array | None = None,
        *,
        eps: float,
        relu: bool = False,
    ) -> Array:
        """Compute the y of `batch_norm` with a mean and a variance that are given."""
        xp, each, z = self.xp, (-1, *[1] * (x.ndim - 2)), self._wide(x)
        w, b, mean, variance = map(self._wide, (w, b, mean, variance))
        scale = w / xp.sqrt(variance + eps)
        scale, mean, b = (xp.reshape(p, each) for p in (scale, mean, b))
        return self._finished((z - mean) * scale + b, residual, relu, x)

    def _finished(self, z: Array, residual: Array | None, relu: bool, x: Array) -> Array:
        """Add the residual to z and put 0 in place of what is negative, if asked; in the dtype of
        x."""
        if residual is not None:
            z = z + self._wide(residual)
        return self.xp.astype(self.relu(z) if relu else z, x.dtype, copy=False)

    def batch_norm_gradient(
        self,
        x: Array,
        w: Array,
        mean: Array,
        variance: Array,
        go: Array,
        *some: Array,
        eps: float,
        given: tuple[bool, bool, bool] = (False, False, False),
        residual: bool = False,
        training: bool = True,
        parameters: bool = True,
    ) -> tuple[Array, ...]:
        """Compute the gradients of x, w and b, and with `residual` of the residual, from those of
        the results of `batch_norm`: go (N, C, ...) of y, and others.

        Args:
            some: y, if `relu` has made it; and the gradients (C,) of the mean and the variance, if
                they are not zero.
            given: which of the three there are.
            training: whether mean and variance are those of x; if not, they are constants, as for
                `batch_norm_inference`, and have no gradients.
            parameters: whether the gradients of w and b are among the results.
        """
        xp, each, rest = self.xp, (-1, *[1] * (x.ndim - 2)), iter(some)
        y, go_mean, go_variance = (next(rest) if there else None for there in given)
        go = go if y is None else self.relu_gradient(y, go)
        mean, variance = self._wide(mean), self._wide(variance)
        g, z, axes = self._wide(go), self._wide(x) - xp.reshape(mean, each), (0, *range(2, x.ndim))
        r = self._inverse_root(variance + eps)
        scale = xp.astype(w, z.dtype, copy=False) * r
        gx, found = g * xp.reshape(scale, each), list[Array]()
        if training or parameters:
            gw, gb = xp.sum(g * z, axis=axes) * r, xp.sum(g, axis=axes)
        if training:  # gx = scale * go + slope * (x - mean) + level
            n = x.shape[0] * math.prod(x.shape[2:])
            slope, level = -scale * r * gw / n, -scale * gb / n
            slope = slope if go_variance is None else slope + 2.0 * go_variance / n
            level = level if go_mean is None else level + go_mean / n
            gx = gx + z * xp.reshape(slope, each) + xp.reshape(level, each)
        if parameters:
            found = [xp.astype(p, w.dtype, copy=False) for p in (gw, gb)]
        return (xp.astype(gx, x.dtype, copy=False), *found, *([go] if residual else []))

    # Layer normalization of each row of x (N, M); w and b are (M,). Where x has 16 bits, sums are
    # in float32.

    def layer_norm(self, x: Array, w: Array, b: Array, *, eps: float) -> Array:
        """Compute (x - mean) / sqrt(variance + eps) * w + b for each row, in the dtype of x."""
        xp, w, b = self.xp, self._wide(w), self._wide(b)
        y, _ = self._standardized(x, eps)
        return xp.astype(y * w + b, x.dtype, copy=False)

    def layer_norm_gradient(
        self, x: Array, w: Array, go: Array, *, eps: float, parameters: bool = True
    ) -> tuple[Array, ...]:
        """Compute the gradient of x, and unless `parameters` is false those of w and b, from that
        of `layer_norm`, which is go (N, M)."""
        xp, (y, r), g = self.xp, self._standardized(x, eps), self._wide(go)
        gy = g * self._wide(w)
        level, slope = (xp.mean(z, axis=1, keepdims=True) for z in (gy, gy * y))
        gx = xp.astype(r * (gy - level - slope * y), x.dtype, copy=False)
        sums = (xp.sum(z, axis=0) for z in ((g * y, g) if parameters else ()))
        return gx, *[xp.astype(p, w.dtype, copy=False) for p in sums]

    def _standardized(self, x: Array, eps: float) -> tuple[Array, Array]:
        """Give the rows with mean 0 and variance 1, and the factor of each row for that: (N, 1)."""
        xp, z = self.xp, self._wide(x)
        # The mean of the distances from an element is exact also where large numbers are alike.
        some = z[:, :1]
        z = z - (some + xp.mean(z - some, axis=1, keepdims=True))
        r = self._inverse_root(xp.expand_dims(xp.vecdot(z, z), axis=1) / x.shape[1] + eps)
        return z * r, r

    def _inverse_root(self, square: Array) -> Array:
        """Compute 1 / sqrt(square): NaN, not 0, where squares were infinite."""
        return 1.0 / self.xp.sqrt(square + 0.0 * square)
