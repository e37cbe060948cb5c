"""The candidates of a search for the right widths: what was measured of each, and which one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecolor_runtime.errors import GateError


@dataclass(frozen=True)
class Candidate:
    """A network as its int8 file was measured."""

    alpha: float
    width: int  # of encoder, fusion and decoder
    psnr: float  # dB, mean over the val photographs, see `accuracy`
    loss: float  # dB below the network it came from, photograph by photograph
    loss_error: float  # standard error of that
    macs: float  # millions
    size: float  # kB of the flatbuffer
    latency: float  # ms


@dataclass(frozen=True)
class Limits:
    """What the choice may cost; None where it does not matter."""

    latency: float | None = None  # ms of one int8 invocation, one thread, on this machine
    size: float | None = None  # kB of the int8 file without its metadata
    macs: float | None = None  # millions of multiply-adds
    psnr: float | None = None  # dB, at least

    @property
    def costs(self) -> tuple[tuple[str, float], ...]:
        """The limits of what a candidate costs, by `Candidate`'s names."""
        named = (("latency", self.latency), ("size", self.size), ("macs", self.macs))
        return tuple((name, limit) for name, limit in named if limit is not None)


def choose(found: dict[int, Candidate], limits: Limits) -> int:
    """The most accurate candidate within the limits; where a PSNR is asked for, the fastest that reaches it.

    Raises:
        GateError: none keeps within them; names the one that comes nearest.
    """
    within = {n: c for n, c in found.items() if all(getattr(c, name) <= most for name, most in limits.costs)}
    if limits.psnr is not None:
        accurate = {n: c for n, c in within.items() if c.psnr >= limits.psnr}
        if accurate:
            return min(accurate, key=lambda n: accurate[n].latency)
        within = {}
    if not within:
        nearest = max(
            found.values(),
            key=lambda c: (
                -max((getattr(c, name) / most for name, most in limits.costs), default=0)
                + (c.psnr - limits.psnr if limits.psnr is not None else 0)
            ),
        )
        raise GateError(f"No trial keeps within the limits; the nearest is {describe(nearest)}.")
    return max(within, key=lambda n: within[n].psnr)


def pareto(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one beats in accuracy, multiply-adds, size and latency together, fastest first."""

    def beats(a: Candidate, b: Candidate) -> bool:
        pairs = [(-a.psnr, -b.psnr), (a.macs, b.macs), (a.size, b.size), (a.latency, b.latency)]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    kept = [c for c in candidates if not any(beats(other, c) for other in candidates)]
    return sorted(kept, key=lambda c: c.latency)


def describe(c: Candidate) -> str:
    """A candidate in a line."""
    return (
        f"alpha {c.alpha:g}, width {c.width}: {c.psnr:.2f} dB ({0 - c.loss:+.2f} +- {c.loss_error:.2f}), "
        f"{c.macs:.0f} M multiply-adds, {c.size:.0f} kB, {c.latency:.2f} ms"
    )
