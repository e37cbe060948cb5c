"""Read any picture as gray sRGB, together with what the colored file keeps: alpha, metadata, 16 bits."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from edgecolor_runtime.colors.spaces import U16
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.color_profiles import to_srgb
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.metadata import Metadata, read_directories, read_metadata, state_srgb
from edgecolor_runtime.images.samples import (
    MAX_12_BIT,
    MAX_16_BIT,
    is_deep,
    round_to_8_bits,
    scale_to_16_bits,
)

_WARNING_FILTERS = threading.Lock()  # the filters belong to the process; one thread at a time changes them

_TIFF_BITS = 258  # TIFF tags
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0  # value of _TIFF_PHOTOMETRIC


@dataclass(frozen=True)
class Picture:
    """An opened picture.

    Attributes:
        gray: BT.601 luma of the picture in sRGB, as a color-managed viewer shows it: mode L, upright.
        rgb: the colors of the source, mode RGB, upright; None if the source has none: one channel, or three
            equal channels.
        alpha: opacity, mode L, same size; None if the picture has no transparency.
        deep: the luma with 16 bits, shape (h, w), if the source has more than 8 bits; else None.
        icc: ICC profile of sRGB: the source's own, or ours if the pixels were converted to sRGB; None if the
            source has none that fits its pixels.
        metadata: what the file says about the picture.
        notes: what a user should know about the picture, one sentence each.
    """

    gray: Image.Image
    rgb: Image.Image | None = None
    alpha: Image.Image | None = None
    deep: U16 | None = field(default=None, compare=False)
    icc: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    def to_rgb(self) -> Image.Image:
        """Return the source in mode RGB; gray if it has no colors."""
        return self.rgb or self.gray.convert("RGB")


def open_picture(path: str | Path) -> Picture:
    """Open a picture of any size and mode.

    Raises:
        PictureError: the file is missing, empty, damaged, not a picture, or larger than Pillow's limit
            against decompression bombs.
    """
    path = Path(path)
    with _named_errors(path):
        return _open(path, path.stat().st_size)


def parse_picture(data: bytes, name: str) -> Picture:
    """Read the bytes of a picture file, as `open_picture`; `name` stands for the file in messages."""
    with _named_errors(name):
        return _open(io.BytesIO(data), len(data))


def read_image(image: Image.Image, name: str = "the picture") -> Picture:
    """Read an image that is already open, as `open_picture`; `name` stands for it in messages."""
    with _named_errors(name):
        return _read(image)


@contextmanager
def _named_errors(name: str | Path) -> Iterator[None]:
    """Convert any error to a PictureError that begins with the name."""
    try:
        yield
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name}: not a picture in a format that edgecolor reads") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise PictureError(
            f"{name}: more than {limit:.0f} megapixels, as in a decompression bomb; scale it down first"
        ) from None
    except OSError as error:
        raise PictureError(f"{name}: {error.strerror or _line(error)}") from error
    except MemoryError as error:
        raise PictureError(f"{name}: not enough memory for this picture") from error
    except Exception as error:  # Pillow raises SyntaxError, struct.error, zlib.error and more on damage
        raise PictureError(f"{name}: damaged picture ({_line(error) or type(error).__name__})") from error


def _open(file: Path | io.BytesIO, size: int) -> Picture:
    if size == 0:
        raise PictureError("empty file")
    with _bombs_raise():
        image = open_image(file)
    with image:
        return _read(image)


@contextmanager
def _bombs_raise() -> Iterator[None]:
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _read(image: Image.Image) -> Picture:
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # the second image of a phone's MPO is another view
        notes.append(f"holds {frames} frames; the first is colored")
    directories = read_directories(image)  # before the pixels, because Pillow then closes the file
    image.load()
    # Pillow inverts TIFFs where 0 is white only if they have 8 bits.
    tags = getattr(image, "tag_v2", {})
    inverted = image.mode.startswith("I;16") and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
    white = MAX_12_BIT if tags.get(_TIFF_BITS) == (12,) else MAX_16_BIT  # Pillow does not scale 12 bits
    icc = image.info.get("icc_profile")
    upright = _upright(image)
    metadata, left_out = read_metadata(image, directories, upright.size)
    deep = None
    if is_deep(upright):
        deep, note = scale_to_16_bits(upright, white)
        notes += note
        if inverted:
            deep = MAX_16_BIT - deep
        upright = round_to_8_bits(deep)
    plain, alpha = _split_alpha(upright)
    pixels = to_srgb(plain, icc, deep)
    return Picture(
        pixels.image.convert("L"),
        rgb=pixels.image if _has_colors(pixels.image) else None,
        alpha=alpha,
        deep=pixels.deep,
        icc=pixels.icc,
        metadata=state_srgb(metadata) if pixels.icc else metadata,
        notes=(*notes, *pixels.notes, *left_out),
    )


def _upright(image: Image.Image) -> Image.Image:
    # With upright pixels and no orientation tag every viewer agrees, and the network sees the sky at the top.
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow fails to rewrite a damaged EXIF block; `_exif` adds a note
        return image


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture of 8 bits in mode L, RGB, CMYK or LAB, and its opacity."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        gray = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        return image.getchannel("R") if gray else image.convert("RGB"), image.getchannel("A")
    if image.mode in ("CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode in ("L", "1") else "RGB"), None


def _has_colors(image: Image.Image) -> bool:
    """Return whether the channels of a picture differ anywhere."""
    if image.mode == "L":
        return False
    red, green, blue = image.split()
    return any(ImageChops.difference(red, other).getbbox() for other in (green, blue))
