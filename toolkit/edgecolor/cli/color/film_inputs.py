"""Which inputs of `edgecolor run` are colored as one film: a video, or pictures that become a video."""

from __future__ import annotations

from pathlib import Path


def find_film(names: list[str], output: Path | None) -> Path | None:
    """Return the input to color as a film; None if the inputs are photographs.

    A film is a video file, a GIF file that moves, a pattern of numbered pictures such as img%04d.png, or a
    folder of pictures whose result is named as a video.

    Raises:
        UsageError: a video is not the only input, or several pictures are to become a video.
    """
    from edgecolor_runtime.errors import UsageError
    from edgecolor_runtime.outputs.encoder import FORMATS
    from edgecolor_runtime.sources.picture_sequence import is_pattern

    becomes_video = output is not None and not output.is_dir() and output.suffix.lower() in FORMATS
    if any(_is_video(Path(name), output) for name in names):
        if len(names) > 1:
            raise UsageError("a video must be the only input; name one video")
        return Path(names[0])
    if len(names) > 1:
        if becomes_video:
            raise UsageError(
                f"{output}: to make a video of pictures, name their folder or a pattern such as img%04d.png"
            )
        return None
    path = Path(names[0])
    return path if is_pattern(path) or (becomes_video and path.is_dir()) else None


def default_output(film: Path) -> Path:
    """Return where a film is written without -o: beside the input, as film.color.mp4."""
    from edgecolor.batch.plan import MARK
    from edgecolor_runtime.outputs.encoder import FORMATS
    from edgecolor_runtime.sources.picture_sequence import NUMBER, is_pattern

    stem = film.stem
    if is_pattern(film):
        stem = NUMBER.sub("", stem).strip("-_. ") or "film"
    suffix = film.suffix if film.suffix.lower() in FORMATS else ".mp4"
    return film.with_name(f"{stem}{MARK}{suffix}")


def _is_video(path: Path, output: Path | None) -> bool:
    from edgecolor_runtime.images.formats import WRITTEN_FORMATS
    from edgecolor_runtime.sources.video import SUFFIXES

    if path.suffix.lower() == ".gif":
        becomes_picture = output is not None and output.suffix.lower() in WRITTEN_FORMATS
        return not becomes_picture and _moves(path)
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def _moves(path: Path) -> bool:
    """Return whether a picture file has more than one frame."""
    from edgecolor_runtime.images.formats import open_image

    try:
        with open_image(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception:  # a damaged picture is reported where it is colored
        return False
