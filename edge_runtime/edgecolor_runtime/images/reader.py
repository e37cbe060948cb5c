"""Read any picture as gray, together with what the colored file keeps: alpha, EXIF, ICC profile, DPI, XMP."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.formats import open_image
from edgecolor_runtime.images.metadata import list_left_out, read_dpi, read_xmp, rewrite_exif
from edgecolor_runtime.images.samples import MAX_12_BIT, MAX_16_BIT, scale_to_8_bits

_WARNING_FILTERS = threading.Lock()  # the filters belong to the process; one thread at a time changes them

_TIFF_BITS = 258  # TIFF tags
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0  # value of _TIFF_PHOTOMETRIC


@dataclass(frozen=True)
class Picture:
    """An opened picture.

    Attributes:
        gray: BT.601 luma, mode L, upright.
        rgb: the colors of the source, mode RGB, upright; None if the source has none: one channel, or three
            equal channels.
        alpha: opacity, mode L, same size; None if the picture has no transparency.
        exif: EXIF block without orientation, pixel layout and thumbnail; empty if there is none.
        icc: ICC profile for RGB, or None. Gray and CMYK profiles are dropped: they do not describe RGB.
        dpi: horizontal and vertical resolution in pixels per inch, or None.
        xmp: XMP packet, or None.
        notes: what a user should know about the picture, one sentence each.
    """

    gray: Image.Image
    rgb: Image.Image | None = None
    alpha: Image.Image | None = None
    exif: bytes = b""
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
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
    image.load()
    dpi, icc, exif = read_dpi(image.info.get("dpi")), image.info.get("icc_profile"), image.getexif()
    # Pillow inverts TIFFs where 0 is white only if they have 8 bits.
    tags = getattr(image, "tag_v2", {})
    inverted = image.mode.startswith("I;16") and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
    white = MAX_12_BIT if tags.get(_TIFF_BITS) == (12,) else MAX_16_BIT  # Pillow does not scale 12 bits
    left_out = list_left_out(image)
    image = _upright(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image, note = scale_to_8_bits(image, white)
        notes += note
    if inverted:
        image = ImageOps.invert(image)
    image, alpha = _split_alpha(image)
    block, lost = rewrite_exif(exif, image.size)
    return Picture(
        image.convert("L"),
        rgb=image if _has_colors(image) else None,
        alpha=alpha,
        exif=block,
        icc=icc if isinstance(icc, bytes) and icc[16:20] == b"RGB " else None,
        dpi=dpi,
        xmp=read_xmp(image.info),
        notes=(*notes, *lost, *left_out),
    )


def _upright(image: Image.Image) -> Image.Image:
    # With upright pixels and no orientation tag every viewer agrees, and the network sees the sky at the top.
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow fails to rewrite a damaged EXIF block; `_exif` adds a note
        return image


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture of 8 bits in mode L or RGB, and its opacity."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return image.convert("RGB"), image.getchannel("A")
    return image.convert("L" if image.mode in ("L", "1") else "RGB"), None


def _has_colors(image: Image.Image) -> bool:
    """Return whether the channels of a picture differ anywhere."""
    if image.mode == "L":
        return False
    red, green, blue = image.split()
    return any(ImageChops.difference(red, other).getbbox() for other in (green, blue))
