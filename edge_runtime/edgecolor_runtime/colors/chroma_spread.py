"""Spread changes of chroma from single pixels to the regions around them, never across strong edges.

The change is a screened random walk on the grid of chroma pixels (Grady 2006, doi:10.1109/TPAMI.2006.233)
with the affinities of Levin, Lischinski and Weiss (2004, doi:10.1145/1015706.1015780): each pixel takes the
weighted mean of its eight neighbors and a small share of no change. Neighbors of like luma and chroma have a
large weight; across a strong edge the weight is almost 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.colors.spaces import F32

F64 = NDArray[np.float64]

_LUMA_LEVELS = 8.0  # neighbors that differ by more luma hardly share a change
_CHROMA_LEVELS = 4.0  # the same for chroma
_RETURN_SHARE = 2e-3  # weight of no change at a reach of 1; in a flat region a change fades over 20 pixels


class ChromaSpread:
    """The response of a picture's chroma to a change at any of its pixels.

    The linear system is factored once, by rows (block elimination), which takes about 10 ms. Each change then
    takes about half a millisecond.

    Args:
        luma: luma of the chroma pixels, in [0, 255], shape (n, m).
        chroma: predicted (Cb, Cr), shape (n, m, 2).
        reach: 1 is normal; twice as much fades at about twice the distance.
    """

    def __init__(self, luma: F32, chroma: F32, reach: float = 1.0) -> None:
        values = np.concatenate([luma[..., None] / _LUMA_LEVELS, chroma / _CHROMA_LEVELS], axis=-1)
        values = values.astype(np.float64)
        right = _affinity(values[:, :-1], values[:, 1:])
        down = _affinity(values[:-1], values[1:])
        down_right = _affinity(values[:-1, :-1], values[1:, 1:]) / 2  # half as much: farther away
        down_left = _affinity(values[:-1, 1:], values[1:, :-1]) / 2
        total = np.full(luma.shape, _RETURN_SHARE / reach**2)
        for here, there, weight in (
            (np.s_[:, :-1], np.s_[:, 1:], right),
            (np.s_[:-1], np.s_[1:], down),
            (np.s_[:-1, :-1], np.s_[1:, 1:], down_right),
            (np.s_[:-1, 1:], np.s_[1:, :-1], down_left),
        ):
            total[here] += weight
            total[there] += weight
        self._links = [
            -(np.diag(down[row]) + np.diag(down_right[row], 1) + np.diag(down_left[row], -1))
            for row in range(len(down))
        ]
        self._inverses: list[F64] = []
        for row in range(len(total)):
            block = np.diag(total[row]) - np.diag(right[row], 1) - np.diag(right[row], -1)
            if row:
                link = self._links[row - 1]
                block -= link.T @ self._inverses[-1] @ link
            self._inverses.append(np.linalg.inv(block))

    def respond(self, sources: F64) -> F64:
        """Return how all pixels respond to unit sources.

        Args:
            sources: weight of each pixel in each source, shape (n, m, k).

        Returns:
            The responses, same shape. They are positive, and largest at the source.
        """
        forward = [sources[0]]
        for row, link in enumerate(self._links):
            forward.append(sources[row + 1] - link.T @ (self._inverses[row] @ forward[row]))
        responses = [self._inverses[-1] @ forward[-1]]
        for row in range(len(self._links) - 1, -1, -1):
            responses.append(self._inverses[row] @ (forward[row] - self._links[row] @ responses[-1]))
        return np.stack(responses[::-1])


def _affinity(here: F64, there: F64) -> F64:
    """Return the weight between neighbors from their scaled values, shape (n, m, 3)."""
    difference = here - there
    weight: F64 = np.exp(-0.5 * (difference * difference).sum(axis=-1))
    return weight
