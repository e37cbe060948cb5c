"""What to train: everything that decides the result, apart from the data."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecolor_runtime.errors import UsageError


@dataclass(frozen=True)
class LossWeights:
    """How much each term of the loss counts; `rebalance` is how strongly rare colors are lifted, 0 to 1.

    `teacher` counts only where the recipe names one or several.
    """

    huber: float = 1.0
    log_error: float = 1.0
    colorfulness: float = 0.3
    classification: float = 0.1
    rebalance: float = 0.5
    teacher: float = 1.0


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training photograph; only cut, flip and mixing touch the colors."""

    smallest_cut: float = 0.57  # side of the smallest cut, as a share of the photograph's
    full_size_cut: float = 0.8  # the same where training is at full size
    aspect: float = 1.4  # a cut is up to so many times wider, or higher, than it is in the photograph
    spectral: bool = True  # gray is a random blend of luma and Lab lightness: cameras differ
    gamma: float = 0.15  # standard deviation of log2 gamma
    contrast: float = 0.1  # standard deviation of log2 contrast, about middle gray
    noise: float = 4.0  # largest standard deviation of sensor noise, in 8-bit steps
    noisy: float = 0.3  # share of photographs that get noise
    blurred: float = 0.1  # share that is blurred, by up to `blur` pixels
    blur: float = 1.2  # largest standard deviation of the blur, in pixels
    sharpened: float = 0.4  # share, of the others, that is sharpened by an unsharp mask
    sharpen: float = 1.5  # largest weight of that mask
    compressed: float = 0.1  # share that goes through JPEG at a quality of 30 to 95
    mixed: float = 0.0  # share that is laid over with another photograph, colors and all


@dataclass(frozen=True)
class Recipe:
    """A training run. `start` is a .keras file of the same alpha to go on from; otherwise `trunk` counts."""

    alpha: float = 0.25
    trunk: str = "imagenet"  # a file of MobileNet weights, "imagenet" (Keras downloads it) or "none"
    start: str | None = None
    blend: float = 0.0  # share of `start`'s weights in those that are kept
    teachers: tuple[str, ...] = ()  # .keras files, of any alpha; their mean is learned from beside the truth
    teacher_tint: float = 1.0  # share of their mean color of each picture that is learned
    freeze: bool = False  # leave the MobileNet as it is
    epochs: int = 24
    full_size_epochs: int = 2  # of those, the last ones, at 224
    size: int = 128
    batch: int = 32
    learning_rate: float = 2e-3
    trunk_rate: float = 0.1  # the MobileNet's learning rate, as a share of the others'
    warmup_steps: int = 500
    weight_decay: float = 0.02
    ema: float = 0.0  # momentum of the average of weights that is kept; 0 keeps the last ones
    precision: str = "float32"
    seed: int = 1
    loss: LossWeights = field(default_factory=LossWeights)
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Refuses what cannot be trained."""
        from edgecolor_runtime.models.signature import INPUT_SIZE  # here, so that --help stays light

        if self.size % 32 or not 32 <= self.size <= INPUT_SIZE:
            raise UsageError(f"--size {self.size} must be a multiple of 32, at most {INPUT_SIZE}.")
        if not 0 <= self.full_size_epochs <= self.epochs or self.epochs < 1 or self.batch < 1:
            raise UsageError("--epochs and --batch must be at least 1, --full-size-epochs at most --epochs.")
        if not 0 < self.learning_rate < float("inf") or self.seed < 0:
            raise UsageError("--learning-rate must be above 0, and --seed at least 0.")
        if not 0 <= self.blend < 1 or (self.blend and not self.start):
            raise UsageError(f"--blend {self.blend} must be at least 0 and below 1, and needs a --start.")
        if not 0 <= self.trunk_rate <= 1:
            raise UsageError(f"--trunk-rate {self.trunk_rate} must be from 0 to 1.")
        if not 0 <= self.loss.teacher < float("inf"):
            raise UsageError(f"--teacher-weight {self.loss.teacher} must be at least 0.")
        if self.loss.teacher != LossWeights.teacher and not self.teachers:
            raise UsageError("--teacher-weight needs a --teacher.")
        if not 0 <= self.teacher_tint <= 1 or (self.teacher_tint != 1 and not self.teachers):
            raise UsageError(f"--teacher-tint {self.teacher_tint} must be from 0 to 1; it needs a --teacher.")
        if not 0 <= self.augment.mixed <= 1:
            raise UsageError(f"--mixed {self.augment.mixed} must be from 0 to 1.")
        if not 0 <= self.ema < 1:
            raise UsageError(f"--ema {self.ema} must be at least 0 and below 1.")
        if self.precision not in ("float32", "mixed_bfloat16"):
            raise UsageError(f"--precision {self.precision}: expected float32 or mixed_bfloat16.")

    def size_of(self, epoch: int) -> int:
        """Pixels a side in this epoch, counted from 0."""
        from edgecolor_runtime.models.signature import INPUT_SIZE

        return INPUT_SIZE if epoch >= self.epochs - self.full_size_epochs else self.size
