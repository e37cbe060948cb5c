"""The training loss. It corrects what plain squared error does badly with colors.

Squared error alone averages the possible colors into brown. The loss has four terms, each one figure per
picture, and a fifth for a student:

- a pseudo-Huber distance in the ab plane, weighted so that rare colors count (Zhang, Isola and Efros,
  "Colorful Image Colorization", 2016, arXiv:1603.08511, section 2.2);
- the logarithm of each picture's squared error, which is its PSNR up to constants: the error of a pale
  picture counts as much as that of a vivid one;
- the difference in colorfulness of each picture, after Hasler and Suesstrunk, "Measuring colorfulness in
  natural images", 2003, with a and b as the opponent axes. Colorfulness is matched, not maximized;
- the cross entropy of a classification over ab bins with soft labels, on an output that only training has;
- the pseudo-Huber distance to the output of a teacher (Hinton, Vinyals and Dean, "Distilling the knowledge in
  a neural network", 2015, arXiv:1503.02531), which scatters less than the true colors.

Keras takes the mean over pictures. With several devices this is correct only because each loss returns one
figure per picture. Everything is written in `keras.ops`, which runs on TensorFlow, JAX and PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from edgecolor.data.dataset import Dataset, Split, load_pairs
from edgecolor.network.fusion import BINS, BINS_PER_AXIS, CLASS_STRIDE
from edgecolor.training.recipe import LossWeights
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.models.signature import AB_SCALE

PRIOR_PHOTOGRAPHS = 4000  # with these, the frequency of the rarest bins is known within a few percent
BIN_SPACING = 18.0  # Lab units between bin centers; the outermost centers are at +-90
LAB_UNITS = 10.0  # Lab units that count as 1 in the loss: about where Huber turns from square to linear
MIN_BIN_SHARE = 1e-5  # share of pixels below which a bin counts as not reached
NOISE_FLOOR = (2.0 / LAB_UNITS) ** 2  # squared error below which a picture counts as correct


def soft_bins(ab: Any, xp: Any = ops) -> Any:
    """Return bilinear soft labels over the ab bins.

    Args:
        ab: (..., 2), network scale [-1, 1].
        xp: `keras.ops`, or numpy for arrays.

    Returns:
        (..., BINS), not negative. The sum is 1 for ab within the outermost bin centers.
    """
    half = (BINS_PER_AXIS - 1) // 2
    centers = np.arange(-half, half + 1, dtype=np.float32)
    position = xp.clip(ab * (AB_SCALE / BIN_SPACING), -half, half)
    tents = xp.maximum(1.0 - xp.abs(position[..., None] - centers), 0.0)  # (..., 2, BINS_PER_AXIS)
    outer = tents[..., 0, :, None] * tents[..., 1, None, :]
    return xp.reshape(outer, (*xp.shape(outer)[:-2], BINS))


def bin_weights(prior: F32, rebalance: float) -> F32:
    """Return the weight of each bin: 1 / (r p + (1 - r) / reached bins), scaled to a mean of 1.

    Args:
        prior: p, (BINS,), the frequency of each bin; the sum is 1.
        rebalance: r in [0, 1]. 0: all pixels have the same weight. 1: the inverse of their frequency.

    Returns:
        (BINS,) float32; sum(prior * weights) == 1.
    """
    # A bin that photographs hardly reach must not set the scale.
    reached = max(int((prior > MIN_BIN_SHARE).sum()), 1)
    weights = 1.0 / (rebalance * np.maximum(prior, MIN_BIN_SHARE) + (1.0 - rebalance) / reached)
    return np.asarray(weights / (prior * weights).sum(), dtype=np.float32)


def colorfulness(ab: Any) -> Any:
    """Return the colorfulness of each picture in `LAB_UNITS`: (n, h, w, 2) to (n,)."""
    scaled = ab * (AB_SCALE / LAB_UNITS)
    mean = ops.mean(scaled, axis=(1, 2))
    variance = ops.mean(ops.square(scaled), axis=(1, 2)) - ops.square(mean)
    spread = ops.sqrt(ops.maximum(ops.sum(variance, axis=-1), 0.0) + 1e-4)
    return spread + 0.3 * ops.sqrt(ops.sum(ops.square(mean), axis=-1) + 1e-4)


def chroma_loss(weights: LossWeights, prior: F32) -> Callable[[Any, Any], Any]:
    """Return the loss of the ab output: (truth, prediction), both (n, h, w, 2) in [-1, 1], to (n,)."""
    per_bin = bin_weights(prior, weights.rebalance)

    def loss(truth: Any, prediction: Any) -> Any:
        error = (prediction - truth) * (AB_SCALE / LAB_UNITS)
        squared = ops.sum(ops.square(error), axis=-1)
        rarity = ops.sum(soft_bins(truth) * per_bin, axis=-1)
        huber = ops.mean(rarity * (ops.sqrt(1.0 + squared) - 1.0), axis=(1, 2))
        log_error = 0.5 * ops.log(ops.mean(squared, axis=(1, 2)) + NOISE_FLOOR)
        color = ops.abs(colorfulness(prediction) - colorfulness(truth))
        return weights.huber * huber + weights.log_error * log_error + weights.colorfulness * color

    return loss


def teacher_loss(weights: LossWeights) -> Callable[[Any, Any], Any]:
    """Return the loss of a student: (ignored, its ab minus the teacher's (n, h, w, 2)) to (n,)."""

    def loss(_: Any, gap: Any) -> Any:
        squared = ops.sum(ops.square(gap * (AB_SCALE / LAB_UNITS)), axis=-1)
        return weights.teacher * ops.mean(ops.sqrt(1.0 + squared) - 1.0, axis=(1, 2))

    return loss


def class_loss(weights: LossWeights, prior: F32) -> Callable[[Any, Any], Any]:
    """Return the loss of the class head: (truth (n, h, w, 2), logits (n, h / 2, w / 2, BINS)) to (n,)."""
    per_bin = bin_weights(prior, weights.rebalance)

    def loss(truth: Any, logits: Any) -> Any:
        labels = soft_bins(truth[:, ::CLASS_STRIDE, ::CLASS_STRIDE])
        top = ops.logsumexp(logits, axis=-1)
        cross_entropy = top * ops.sum(labels, axis=-1) - ops.sum(labels * logits, axis=-1)
        rarity = ops.sum(labels * per_bin, axis=-1)
        return weights.classification * ops.mean(rarity * cross_entropy, axis=(1, 2))

    return loss


def bin_prior(data: Dataset) -> F32:
    """Return the frequency of each ab bin in the train photographs: (BINS,); the sum is 1."""
    rows = data.rows[Split.TRAIN]
    rows = rows[:: max(1, len(rows) // PRIOR_PHOTOGRAPHS)]
    # Every second pixel along each side is enough.
    counts = [
        soft_bins(load_pairs(data, c)[1][:, ::2, ::2], np).sum((0, 1, 2)) for c in np.array_split(rows, 64)
    ]
    total = np.sum(counts, axis=0)
    return np.asarray(total / total.sum(), dtype=np.float32)
