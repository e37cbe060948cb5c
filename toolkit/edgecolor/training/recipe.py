"""The recipe of a training run: everything that decides the result, apart from the data.

The names of the fields are the keys of `recipe.json` and of the sidecar.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.signature import INPUT_SIZE

SIZE_STEP = 32  # picture sizes are multiples of the network's deepest stride
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True)
class Schedule:
    """How long a network trains, and at which picture sizes.

    Attributes:
        epochs: passes over the photographs.
        full_size_epochs: number of the last epochs that train at 224 pixels per side.
        size: pixels per side in the other epochs.
    """

    epochs: int
    full_size_epochs: int
    size: int

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            UsageError: names the option and its range.
        """
        if self.epochs < 1:
            raise UsageError(f"--epochs {self.epochs} must be at least 1.")
        if not 0 <= self.full_size_epochs <= self.epochs:
            raise UsageError(
                f"--full-size-epochs {self.full_size_epochs} must be at least 0 and at most --epochs."
            )
        if self.size % SIZE_STEP or not SIZE_STEP <= self.size <= INPUT_SIZE:
            raise UsageError(
                f"--size {self.size} must be a multiple of {SIZE_STEP} from {SIZE_STEP} to {INPUT_SIZE}."
            )

    def size_at(self, epoch: int) -> int:
        """Return the pixels per side in an epoch, counted from 0."""
        return INPUT_SIZE if epoch >= self.epochs - self.full_size_epochs else self.size


def verify_steps(batch: int, learning_rate: float, seed: int) -> None:
    """Refuse an impossible batch size, learning rate or seed.

    Raises:
        UsageError: names the option and its range.
    """
    if batch < 1:
        raise UsageError(f"--batch {batch} must be at least 1.")
    if not 0 < learning_rate < float("inf"):
        raise UsageError(f"--learning-rate {learning_rate:g} must be above 0.")
    if seed < 0:
        raise UsageError(f"--seed {seed} must be at least 0.")


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the loss, see `training.loss`.

    Attributes:
        huber: of the distance in the ab plane.
        log_error: of the logarithm of the squared error.
        colorfulness: of the difference in colorfulness.
        classification: of the classification over ab bins.
        rebalance: how strongly rare colors are weighted up, from 0 to 1.
        teacher: of the distance to the teachers; without effect if the recipe names none.
    """

    huber: float = 1.0
    log_error: float = 1.0
    colorfulness: float = 0.3
    classification: float = 0.1
    rebalance: float = 0.5
    teacher: float = 1.0


@dataclass(frozen=True)
class Augmentation:
    """How training photographs are varied. Only crop, flip and mixing change the colors.

    Attributes:
        smallest_cut: side of the smallest crop, as a share of the photograph's side.
        full_size_cut: the same in epochs at 224 pixels.
        aspect: largest factor between the aspect ratios of crop and photograph.
        spectral: gray is a random blend of luma and Lab lightness, because cameras differ.
        gamma: standard deviation of log2 gamma.
        contrast: standard deviation of log2 contrast, about middle gray.
        faded: share of photographs that are faded or dark, before the network's input is normalized.
        noise: largest standard deviation of sensor noise, in 8-bit steps.
        noisy: share of photographs that get noise.
        blurred: share of photographs that are blurred.
        blur: largest standard deviation of the blur, in pixels.
        sharpened: share of photographs that are sharpened by an unsharp mask.
        sharpen: largest weight of that mask.
        compressed: share of photographs that are compressed as JPEG, quality 30 to 95.
        mixed: share of photographs that are mixed with another one, colors included.
    """

    smallest_cut: float = 0.57
    full_size_cut: float = 0.8
    aspect: float = 1.4
    spectral: bool = True
    gamma: float = 0.15
    contrast: float = 0.1
    faded: float = 0.0
    noise: float = 4.0
    noisy: float = 0.3
    blurred: float = 0.1
    blur: float = 1.2
    sharpened: float = 0.4
    sharpen: float = 1.5
    compressed: float = 0.1
    mixed: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """What `train` does. Either `start` or `trunk` names the weights that training starts from.

    Attributes:
        alpha: width multiplier of the MobileNet.
        trunk: file of pretrained weights, "imagenet" (Keras downloads them) or "none".
        start: .keras file with the same alpha, instead of `trunk`.
        blend: weight of the `start` network in the final average.
        teachers: .keras files of any alpha; their mean output is a second target.
        teacher_tint: share of the teachers' mean color of a picture that is a target, from 0 to 1.
        freeze: do not train the MobileNet.
        epochs: passes over the photographs.
        full_size_epochs: number of the last epochs that train at 224 pixels per side.
        size: pixels per side in the other epochs.
        batch: photographs per step.
        learning_rate: peak learning rate.
        trunk_rate: learning rate of the MobileNet, as a share of `learning_rate`.
        warmup_steps: steps until the peak learning rate, at most a tenth of all steps.
        weight_decay: of AdamW.
        ema: momentum of the moving average of the weights; 0: no average.
        precision: "float32" or "mixed_bfloat16".
        seed: of the weights and the batches.
        loss: weights of the terms of the loss.
        augment: how photographs are varied.
    """

    alpha: float = 0.25
    trunk: str = "imagenet"
    start: str | None = None
    blend: float = 0.0
    teachers: tuple[str, ...] = ()
    teacher_tint: float = 1.0
    freeze: bool = False
    epochs: int = 24
    full_size_epochs: int = 2
    size: int = 128
    batch: int = 32
    learning_rate: float = 2e-3
    trunk_rate: float = 0.1
    warmup_steps: int = 500
    weight_decay: float = 0.02
    ema: float = 0.0
    precision: str = "float32"
    seed: int = 1
    loss: LossWeights = field(default_factory=LossWeights)
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            UsageError: names the option and its range.
        """
        Schedule(self.epochs, self.full_size_epochs, self.size)
        verify_steps(self.batch, self.learning_rate, self.seed)
        if not 0 <= self.blend < 1 or (self.blend and not self.start):
            raise UsageError(f"--blend {self.blend:g} must be at least 0 and below 1, and needs --start.")
        if not 0 <= self.trunk_rate <= 1:
            raise UsageError(f"--trunk-rate {self.trunk_rate:g} must be from 0 to 1.")
        if not 0 <= self.loss.teacher < float("inf"):
            raise UsageError(f"--teacher-weight {self.loss.teacher:g} must be at least 0.")
        if self.loss.teacher != LossWeights.teacher and not self.teachers:
            raise UsageError("--teacher-weight needs --teacher.")
        if not 0 <= self.teacher_tint <= 1:
            raise UsageError(f"--teacher-tint {self.teacher_tint:g} must be from 0 to 1.")
        if self.teacher_tint != 1 and not self.teachers:
            raise UsageError("--teacher-tint needs --teacher.")
        if not 0 <= self.augment.mixed <= 1:
            raise UsageError(f"--mixed {self.augment.mixed:g} must be from 0 to 1.")
        if not 0 <= self.ema < 1:
            raise UsageError(f"--ema {self.ema:g} must be at least 0 and below 1.")
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision {self.precision}: expected {' or '.join(PRECISIONS)}.")

    @property
    def schedule(self) -> Schedule:
        """Return the epochs and the picture sizes."""
        return Schedule(self.epochs, self.full_size_epochs, self.size)
