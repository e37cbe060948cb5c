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
    """How long a network trains, and at which picture sizes."""

    epochs: int
    full_size_epochs: int  # how many of the epochs, the last ones, are at 224 pixels
    size: int  # pixels per side in the other epochs

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
    """Weight of each term of the loss, see `training.loss`."""

    huber: float = 1.0
    log_error: float = 1.0
    colorfulness: float = 0.3
    classification: float = 0.1
    rebalance: float = 0.5  # 0 to 1: how strongly rare colors are weighted up
    teacher: float = 1.0  # without effect if the recipe names no teacher


@dataclass(frozen=True)
class Augmentation:
    """How training photographs are varied. Only crop, flip and mixing change the colors."""

    smallest_cut: float = 0.57  # side of the smallest crop, as a share of the photograph's side
    full_size_cut: float = 0.8  # the same in epochs at 224 pixels
    aspect: float = 1.4  # largest factor between the aspect ratios of crop and photograph
    spectral: bool = True  # gray is a random blend of luma and Lab lightness, because cameras differ
    gamma: float = 0.15  # standard deviation of log2 gamma
    contrast: float = 0.1  # standard deviation of log2 contrast, about middle gray
    noise: float = 4.0  # largest standard deviation of sensor noise, in 8-bit steps
    noisy: float = 0.3  # share of photographs that get noise
    blurred: float = 0.1  # share of photographs that are blurred
    blur: float = 1.2  # largest standard deviation of the blur, in pixels
    sharpened: float = 0.4  # share of photographs that are sharpened by an unsharp mask
    sharpen: float = 1.5  # largest weight of that mask
    compressed: float = 0.1  # share of photographs that are compressed as JPEG, quality 30 to 95
    mixed: float = 0.0  # share of photographs that are mixed with another one, colors included


@dataclass(frozen=True)
class Recipe:
    """What `train` does. Either `start` or `trunk` names the weights that training starts from."""

    alpha: float = 0.25
    trunk: str = "imagenet"  # a file of pretrained weights, "imagenet" (Keras downloads it) or "none"
    start: str | None = None  # a .keras file with the same alpha; replaces `trunk`
    blend: float = 0.0  # weight of the `start` network in the final average
    teachers: tuple[str, ...] = ()  # .keras files of any alpha; their mean output is a second target
    teacher_tint: float = 1.0  # share of the teachers' mean color of a picture that is a target
    freeze: bool = False  # do not train the MobileNet
    epochs: int = 24
    full_size_epochs: int = 2  # how many of the epochs, the last ones, are at 224 pixels
    size: int = 128
    batch: int = 32
    learning_rate: float = 2e-3
    trunk_rate: float = 0.1  # learning rate of the MobileNet, as a share of `learning_rate`
    warmup_steps: int = 500
    weight_decay: float = 0.02
    ema: float = 0.0  # momentum of the moving average of weights; 0: no average
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
