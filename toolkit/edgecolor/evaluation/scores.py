"""The figures of an evaluation: of one photograph, of all together, and against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from edgecolor.data.photographs import DataId
from edgecolor.support.json_records import (
    INFINITE_AS_NULL,
    OPTIONAL,
    JsonObject,
    NonNegative,
    Schema,
    to_json,
)
from edgecolor_runtime.colors.spaces import U8

SATURATIONS = tuple(round(0.1 * i, 1) for i in range(17))  # of the curve on the color plane
AS_IS = SATURATIONS.index(1.0)
DECIMALS = 5  # of a figure in JSON

_ON_CURVE = Schema(
    minItems=len(SATURATIONS), maxItems=len(SATURATIONS), description="at each saturation of the curve"
)


@dataclass(frozen=True)
class Score:
    """The figures of one photograph: PSNR in dB, color differences in CIEDE2000, luma in 8-bit steps.

    Attributes:
        truth: colorfulness of the original.
        colorfulness: of the colored photograph, at each of SATURATIONS.
        psnr: of the colored photograph, at each of SATURATIONS.
        ciede2000: mean over the pixels, at saturation 1.
        ciede2000_p95: 95th percentile over the pixels, at saturation 1.
        gray_ciede2000: mean over the pixels of the gray picture.
        luma_drift: mean absolute difference between the luma of the finished picture and the gray.
        ssim: at saturation 1.
        tint_psnr: of the gray picture in the mean color of the set.
        hue_error: degrees, at saturation 1; None if there is no hue to compare.
    """

    name: str
    truth: Annotated[NonNegative, Schema(description="colorfulness of the original")]
    colorfulness: Annotated[tuple[NonNegative, ...], _ON_CURVE]
    psnr: Annotated[tuple[NonNegative, ...], _ON_CURVE]
    ciede2000: NonNegative
    ciede2000_p95: NonNegative
    gray_ciede2000: NonNegative
    luma_drift: NonNegative
    ssim: float
    gray_ssim: float
    tint_psnr: NonNegative
    hue_error: float | None


@dataclass(frozen=True)
class Point:
    """One saturation on the color plane.

    Attributes:
        share: mean colorfulness over that of the originals.
        gain: mean PSNR over gray, dB.
    """

    saturation: NonNegative
    share: NonNegative
    gain: float


@dataclass(frozen=True)
class Plane:
    """Means over the photographs; null: the curve does not reach it.

    Attributes:
        g56: PSNR gain over gray at a share of 56 %, dB.
        g83: PSNR gain over gray at a share of 83 %, dB.
        best: largest PSNR gain at any saturation, dB.
        share: colorfulness over that of the originals, at saturation 1.
        gain: PSNR gain over gray at saturation 1, dB.
        psnr: at saturation 1, dB.
        gray_psnr: of the gray pictures, dB.
        colorfulness_error: mean absolute error of the colorfulness at saturation 1, over that of gray.
        tint_gain: PSNR gain of the mean color of the set over gray, dB.
        gain_over_tint: PSNR gain over the mean color of the set at saturation 1, dB.
        hue_error: degrees, mean over the photographs that have one.
        colorfulness_difference: mean signed error of the colorfulness at saturation 1, over that of gray.
    """

    curve: Annotated[tuple[Point, ...], Schema(minItems=len(SATURATIONS), maxItems=len(SATURATIONS))]
    g56: float | None
    g83: float | None
    best: float
    share: float
    gain: float
    psnr: float
    gray_psnr: float
    colorfulness_error: float
    ciede2000: float
    ciede2000_p95: float
    gray_ciede2000: float
    luma_drift: float
    ssim: float
    gray_ssim: float
    tint_gain: float
    gain_over_tint: float
    hue_error: float | None
    colorfulness_difference: float


@dataclass(frozen=True)
class Difference:
    """The mean of differences taken photograph by photograph.

    Attributes:
        error: standard error of the mean; infinite for one photograph.
    """

    mean: float
    error: Annotated[
        NonNegative, INFINITE_AS_NULL, Schema(description="standard error; null: of one photograph")
    ]


@dataclass(frozen=True)
class PairedGains:
    """PSNR gains in dB, a model minus its reference; null: a curve does not reach the share."""

    g56: Difference | None
    g83: Difference | None
    gain: Difference | None


@dataclass(frozen=True)
class Fidelity:
    """A model against its reference on the same photographs: ab at 56 x 56, Lab units, without saturation.

    Attributes:
        reference: name of the reference.
        ab_difference: mean over photographs, pixels and both channels.
        worst: largest ab difference of one photograph.
        worst_name: name of that photograph.
        chroma_ratio: mean chroma over that of the reference.
        ciede2000: between the finished pictures, mean over photographs and pixels.
        hue_error: degrees between the finished pictures, where both have chroma; None if none has.
        paired: PSNR gains, model minus reference, dB.
    """

    reference: str
    ab_difference: NonNegative
    worst: NonNegative
    worst_name: str
    chroma_ratio: NonNegative
    ciede2000: NonNegative
    hue_error: float | None
    paired: PairedGains


@dataclass(frozen=True)
class Recovery:
    """Recovered shares of the gap between gray and original, 0 to 1.

    Attributes:
        gray: the classifier's mean agreement, or mean probability, in gray.
        original: likewise, in the original.
        tint: share that one tint for all pixels recovers.
        ours: share that the model recovers.
        true_ab: share that the true ab at 56 x 56 recovers.
    """

    gray: float
    original: float
    tint: Difference
    ours: Difference
    true_ab: Difference


@dataclass(frozen=True)
class Recognition:
    """What a classifier recognizes, over all photographs; null: gray loses nothing.

    Attributes:
        classifier: name of the classifier.
        top1: by first choice.
        probability: by probability.
    """

    classifier: str
    top1: Recovery | None
    probability: Recovery | None


class Photograph(NamedTuple):
    """One photograph as the protocol sees it: rgb uint8 (224, 224, 3), gray uint8 (224, 224)."""

    name: str
    rgb: U8
    gray: U8


class ColoredPhotograph(NamedTuple):
    """A photograph and the picture that a model made of it, uint8 (224, 224, 3)."""

    photograph: Photograph
    finished: U8


@dataclass(frozen=True)
class LeftOutPhotograph:
    """A photograph that was not evaluated, because it cannot be read or is damaged."""

    name: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """How well a model colors a set of photographs.

    Attributes:
        model: name of the model.
        saturation: the model's own gain on ab, which is 1 on the plane.
        data: the photographs.
        plane: means over the photographs.
        fidelity: None if no reference was given.
        recognition: None if no classifier was given.
        worst: names of the photographs that gain least over gray at saturation 1, worst first.
        best: names of the photographs that gain most, best first.
        scores: one for each photograph, in the order of their names.
        protocol: how the figures were measured.
        left_out: photographs of the folder that cannot be read or are damaged; `data` is without them.
    """

    model: str
    saturation: Annotated[NonNegative, Schema(description="the model's own gain, which is 1 on the plane")]
    data: DataId
    plane: Plane
    fidelity: Fidelity | None
    recognition: Recognition | None
    worst: Annotated[
        tuple[str, ...], Schema(description="photographs that gain least over gray, worst first")
    ]
    best: Annotated[tuple[str, ...], Schema(description="photographs that gain most over gray, best first")]
    scores: Annotated[tuple[Score, ...], Schema(minItems=1)]
    protocol: str
    left_out: Annotated[
        tuple[LeftOutPhotograph, ...],
        OPTIONAL,
        Schema(description="photographs that cannot be read or are damaged; the figures are without them"),
    ] = ()

    def to_json(self) -> JsonObject:
        """Return the evaluation as a JSON object; null for a figure that is not finite."""
        return to_json(self, decimals=DECIMALS)
