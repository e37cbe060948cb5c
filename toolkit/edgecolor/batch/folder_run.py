"""Color a folder of pictures with resume: the workflow of `edgecolor run` on photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edgecolor.batch.commit import ResultCommitter
from edgecolor.batch.engines import Engine, load_engine
from edgecolor.batch.manifest import Manifest, ResumedResults
from edgecolor.batch.plan import ALREADY_COLORED, ColoringOptions, PictureResult, are_many, plan_jobs
from edgecolor.support.picture_files import SkippedFile
from edgecolor_runtime.colors.hints import HintSet
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.models.shipped import PHOTO_MODEL, open_model
from edgecolor_runtime.system.machine import count_cores


@dataclass(frozen=True)
class ColoringSummary:
    """The results of a run.

    Attributes:
        model: the model that colored the pictures.
        results: the results of all pictures in the order of the plan, with those of earlier runs.
        resumed: number of results that an earlier run had finished.
        skipped: everything else in the input folders, each with the reason.
    """

    model: ModelFile
    results: tuple[PictureResult, ...]
    resumed: int
    skipped: tuple[SkippedFile, ...] = ()

    @property
    def colored(self) -> list[PictureResult]:
        """The pictures that were colored, now or in an earlier run."""
        return [result for result in self.results if result.error is None and not result.kept]

    @property
    def kept(self) -> list[PictureResult]:
        """The pictures that are in color; their results have the same pixels."""
        return [result for result in self.results if result.error is None and result.kept]

    @property
    def colored_beside(self) -> int:
        """Number of pictures that were skipped because their results lie beside them."""
        return sum(other.reason == ALREADY_COLORED for other in self.skipped)

    @property
    def failed(self) -> list[PictureResult]:
        """The pictures that failed; the next run tries them again."""
        return [result for result in self.results if result.error is not None]


def color_folder(
    folder: str | Path,
    output: str | Path,
    *,
    model: str | Path = PHOTO_MODEL,
    saturation: float | None = None,
    engine: str = "local",
    workers: int | None = None,
    delegate: str | None = None,
    quality: int = 95,
    label: bool = True,
    max_pixels: int | None = None,
    page: int | None = None,
    strict: bool = False,
    gray_range: tuple[float, float] | None = None,
    force: bool = False,
    recolor: bool = False,
    on_result: Callable[[PictureResult], None] = lambda result: None,
) -> ColoringSummary:
    """Color the pictures of a folder and of its subfolders into another folder.

    A picture that is in color is copied unchanged. The output keeps the structure of the folder. Its file
    `manifest.jsonl` records the result of each picture. The same call resumes an interrupted run: finished
    pictures are kept, and failed pictures are tried again.

    Args:
        folder: the folder of pictures.
        output: the folder of results.
        model: name of a shipped model, or path of a model file.
        saturation: gain on the colors; 0 is gray (default: the model's own).
        engine: "local" for the threads of this process, "ray" for the Ray cluster at RAY_ADDRESS.
        workers: number of CPU cores to use (default: all). A Ray cluster uses all of its cores.
        delegate: "edgetpu", or path of a TFLite delegate (default: the CPU).
        quality: of JPEG and WebP, 1 to 100.
        label: state in the XMP of the results that their colors are computed.
        max_pixels: refuse pictures of more pixels (default: no limit but the memory).
        page: number of the page or frame to color, from 1 (default: the first; all pages if the result is
            TIFF).
        strict: refuse pictures that are cut off or damaged.
        gray_range: the values of more than 8 bits that become black and white (default: those of the type).
        force: replace existing files.
        recolor: give new colors also to pictures that are in color.
        on_result: called with the result of each picture that this run colors.

    Returns:
        The results. A picture that fails is in `failed` and raises no error.

    Raises:
        UsageError: the options do not fit together, a result would replace a picture that is read, or the
            output was colored with other options.
        PictureError: the folder has no pictures.
        MissingError: the engine, the interpreter or the delegate is not installed.
        ModelFileError: the model is not intact.
        EdgecolorError: another run works in the output, or the output cannot be written.
    """
    if not Path(folder).is_dir():
        raise UsageError(f"{folder}: no such folder of pictures")
    if engine not in [known.value for known in Engine]:
        raise UsageError(f"engine {engine!r}: expected one of {', '.join(map(str, Engine))}")
    return color_pictures(
        [Path(folder)],
        Path(output),
        model=str(model),
        saturation=saturation,
        engine=Engine(engine),
        workers=workers,
        delegate=delegate,
        quality=quality,
        label=label,
        max_pixels=max_pixels,
        page=page,
        strict=strict,
        gray_range=gray_range,
        force=force,
        recolor=recolor,
        on_result=on_result,
    )


def color_pictures(
    inputs: Sequence[Path],
    output: Path | None,
    *,
    model: str,
    saturation: float | None,
    engine: Engine,
    workers: int | None,
    delegate: str | None,
    quality: int,
    label: bool,
    max_pixels: int | None,
    page: int | None,
    strict: bool,
    gray_range: tuple[float, float] | None,
    force: bool,
    hints: HintSet | None = None,
    recolor: bool = False,
    on_result: Callable[[PictureResult], None] = lambda result: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ColoringSummary:
    """Color pictures and folders of pictures.

    Args:
        inputs: picture files and folders, at least one.
        output: as for `plan_jobs`. Only a folder for several pictures has a manifest and can be resumed.
        model: name of a shipped model, or path of a model file.
        saturation: gain on the colors; None for the model's own.
        engine: what colors the pictures.
        workers: number of CPU cores to use; None for all.
        delegate: "edgetpu", or path of a TFLite delegate; None for the CPU.
        quality: of JPEG and WebP, 1 to 100.
        label: state in the XMP of the results that their colors are computed.
        max_pixels: refuse pictures of more pixels (default: no limit but the memory).
        page: number of the page or frame to color, from 1 (default: the first; all pages if the result is
            TIFF).
        strict: refuse pictures that are cut off or damaged.
        gray_range: the values of more than 8 bits that become black and white (default: those of the type).
        force: replace existing files.
        hints: colors given by hand, for a single picture; None: those of the files of hints beside the
            pictures.
        recolor: give new colors also to pictures that are in color.
        on_result: called with the result of each picture that this run colors.
        on_progress: called with the number of finished pictures and the number of all: first with those of
            earlier runs, then after each picture.

    Raises:
        EdgecolorError: as for `color_folder`.
    """
    folder = output if are_many(inputs) else None
    color_all = load_engine(engine, into_folder=folder is not None, workers=workers, delegate=delegate)
    plan = plan_jobs(inputs, output, force=force)
    jobs = plan.jobs
    opened = open_model(model)
    options = ColoringOptions(
        workers=workers or count_cores(),
        saturation=saturation,
        quality=quality,
        label=label,
        max_pixels=max_pixels,
        page=page,
        strict=strict,
        gray_range=gray_range,
        force=force,
        hints=hints,
        delegate=delegate,
        recolor=recolor,
        accept_identical=folder is not None,
    )
    with ExitStack() as stack:
        manifest = stack.enter_context(Manifest(folder, opened, options)) if folder else None
        resumed = manifest.colored_before(jobs) if manifest else ResumedResults()
        results = dict(resumed.results)

        def take_result(result: PictureResult) -> None:
            results[result.job] = result
            on_result(result)
            on_progress(len(results), len(jobs))

        on_progress(len(results), len(jobs))
        if remaining := [job for job in jobs if job not in results]:
            options = replace(options, replaceable=frozenset(resumed.replaceable))
            committer = stack.enter_context(ResultCommitter(manifest, options, take_result))
            color_all(opened, remaining, options, committer.add)
    return ColoringSummary(
        opened, tuple(results[job] for job in jobs), len(resumed.results), skipped=plan.skipped
    )
