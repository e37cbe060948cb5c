"""Candidates of the width search: what was measured of each network, and which one is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecolor_runtime.errors import GateError


@dataclass(frozen=True)
class Candidate:
    """A network, measured as an int8 file.

    Attributes:
        alpha: width multiplier of the MobileNet.
        width: channels of encoder, fusion and decoder at stride 4.
        psnr: mean PSNR over the val photographs in dB, see `val_accuracy`.
        loss: mean PSNR that the network that is slimmed has more, in dB.
        loss_error: standard error of `loss`.
        macs: millions of multiply-adds.
        size: kB of the flatbuffer.
        latency: ms of one inference on one thread.
    """

    alpha: float
    width: int
    psnr: float
    loss: float
    loss_error: float
    macs: float
    size: float
    latency: float

    def describe(self) -> str:
        """Return the candidate in one line."""
        return (
            f"alpha {self.alpha:g}, width {self.width}: "
            f"{self.psnr:.2f} dB ({0 - self.loss:+.2f} +- {self.loss_error:.2f}), "
            f"{self.macs:.0f} M multiply-adds, {self.size:.0f} kB, {self.latency:.2f} ms"
        )


@dataclass(frozen=True)
class CandidateLimits:
    """What the chosen candidate may cost; None: no limit.

    Attributes:
        latency: ms of one int8 inference on one thread of this machine.
        size: kB of the int8 file without its metadata.
        macs: millions of multiply-adds.
        psnr: minimum of the mean PSNR, dB.
    """

    latency: float | None = None
    size: float | None = None
    macs: float | None = None
    psnr: float | None = None

    @property
    def costs(self) -> tuple[tuple[str, float], ...]:
        """Return the limits on costs, under the names of `Candidate`."""
        named = (("latency", self.latency), ("size", self.size), ("macs", self.macs))
        return tuple((name, limit) for name, limit in named if limit is not None)

    @property
    def is_empty(self) -> bool:
        """Return whether there is no limit at all."""
        return not self.costs and self.psnr is None


def choose(candidates: Mapping[int, Candidate], limits: CandidateLimits) -> int:
    """Return the key of the most accurate candidate within the limits.

    With a minimum PSNR, the fastest candidate that reaches it is chosen instead.

    Raises:
        GateError: no candidate is within the limits. The message names the nearest one.
    """
    within = {
        key: candidate
        for key, candidate in candidates.items()
        if all(getattr(candidate, name) <= limit for name, limit in limits.costs)
    }
    if limits.psnr is not None:
        accurate = {key: c for key, c in within.items() if c.psnr >= limits.psnr}
        if accurate:
            return min(accurate, key=lambda key: accurate[key].latency)
        within = {}
    if not within:
        nearest = max(candidates.values(), key=lambda c: _closeness(c, limits))
        raise GateError(f"No trial is within the limits; the nearest is {nearest.describe()}.")
    return max(within, key=lambda key: within[key].psnr)


def _closeness(candidate: Candidate, limits: CandidateLimits) -> float:
    """Return a score that is higher, the less a candidate violates the limits."""
    excess = max((getattr(candidate, name) / limit for name, limit in limits.costs), default=0)
    return -excess + (candidate.psnr - limits.psnr if limits.psnr is not None else 0)


def pareto(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that no other one beats, fastest first.

    One candidate beats another if it is better in PSNR, multiply-adds, size or latency, and worse in none.
    """

    def beats(a: Candidate, b: Candidate) -> bool:
        pairs = [(-a.psnr, -b.psnr), (a.macs, b.macs), (a.size, b.size), (a.latency, b.latency)]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    kept = [c for c in candidates if not any(beats(other, c) for other in candidates)]
    return sorted(kept, key=lambda c: c.latency)
