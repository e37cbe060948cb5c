"""The arguments of `edgecolor run` that are only for photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecolor.batch.engines import Engine
    from edgecolor_runtime import HintSet


@dataclass(frozen=True)
class PhotoArguments:
    """The arguments of `edgecolor run` that are only for photographs."""

    engine: Engine
    label: bool
    max_pixels: int | None
    page: int | None
    strict: bool
    gray_range: tuple[float, float] | None
    hints: HintSet | None
