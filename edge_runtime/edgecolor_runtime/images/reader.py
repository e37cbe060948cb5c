"""Read any picture as gray, together with what the colored file keeps: alpha, EXIF, ICC profile, DPI, XMP."""

from __future__ import annotations

import io
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.formats import open_image

_WARNING_FILTERS = threading.Lock()  # the filters belong to the process; one thread at a time changes them

# TIFF tags that describe how pixels are stored in the file. They must not be copied to another file.
_LAYOUT_TAGS = (
    *range(254, 267), 273, 274, *range(277, 282), 284, 290, 291, 292, 293, 301, 317, 320, *range(322, 326),
    330, 338, 339, 340, 341, 347, 512, 513, 514, 519, 529, 530, 531, 532, 700, 33723, 34377, 34675,
)  # fmt: skip
_EXIF_IFD = 0x8769  # EXIF tags
_EXIF_WIDTH = 0xA002
_EXIF_HEIGHT = 0xA003
_TIFF_BITS = 258  # TIFF tags
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0  # value of _TIFF_PHOTOMETRIC
_MAX_12_BIT = 4095
_MAX_16_BIT = 65535
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")  # of JPEG, WebP and TIFF; of PNG


@dataclass(frozen=True)
class Picture:
    """An opened picture.

    Attributes:
        gray: BT.601 luma, mode L, upright.
        alpha: opacity, mode L, same size; None if the picture has no transparency.
        exif: EXIF block without orientation, pixel layout and thumbnail; empty if there is none.
        icc: ICC profile for RGB, or None. Gray and CMYK profiles are dropped: they do not describe RGB.
        dpi: horizontal and vertical resolution in pixels per inch, or None.
        xmp: XMP packet, or None.
        notes: what a user should know about the picture, one sentence each.
    """

    gray: Image.Image
    alpha: Image.Image | None = None
    exif: bytes = b""
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    notes: tuple[str, ...] = ()


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
    dpi, icc, exif = _dpi(image.info.get("dpi")), image.info.get("icc_profile"), image.getexif()
    # Pillow inverts TIFFs where 0 is white only if they have 8 bits.
    tags = getattr(image, "tag_v2", {})
    inverted = image.mode.startswith("I;16") and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO
    white = _MAX_12_BIT if tags.get(_TIFF_BITS) == (12,) else _MAX_16_BIT  # Pillow does not scale 12 bits
    left_out = _left_out(image)
    image = _upright(image)
    gray, alpha, note = _gray_and_alpha(image, white)
    if inverted:
        gray = ImageOps.invert(gray)
    block, lost = _exif(exif, image.size)
    return Picture(
        gray,
        alpha,
        exif=block,
        icc=icc if isinstance(icc, bytes) and icc[16:20] == b"RGB " else None,
        dpi=dpi,
        xmp=_xmp(image.info),
        notes=(*notes, *note, *lost, *left_out),
    )


def _upright(image: Image.Image) -> Image.Image:
    # With upright pixels and no orientation tag every viewer agrees, and the network sees the sky at the top.
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow fails to rewrite a damaged EXIF block; `_exif` adds a note
        return image


def _gray_and_alpha(
    image: Image.Image, white: int
) -> tuple[Image.Image, Image.Image | None, tuple[str, ...]]:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        gray, note = _scale_to_8_bits(image, white)
        return gray, None, note
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return image.convert("RGB").convert("L"), image.getchannel("A"), ()
    if image.mode in ("L", "1", "YCbCr"):
        return image.convert("L"), None, ()
    return image.convert("RGB").convert("L"), None, ()


def _scale_to_8_bits(image: Image.Image, white: int) -> tuple[Image.Image, tuple[str, ...]]:
    """Scale more than 8 bits per pixel to 8 bits. Pillow's own conversion clips the values."""
    values: NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = values.astype(np.uint16)  # from either byte order
        return _scaled(values, 0, white), ()
    if not np.isfinite(values).any():
        raise PictureError("no pixel has a finite value")
    low, high = float(np.nanmin(values)), float(np.nanmax(np.where(np.isinf(values), np.nan, values)))
    if image.mode == "F" and low >= 0 and high <= 1:
        return _scaled(values, 0, 1), ()
    if image.mode == "F" and low >= 0 and high <= 255:
        return _scaled(values, 0, 255), ()
    if image.mode == "I" and low >= 0 and high <= _MAX_16_BIT:  # how Pillow opens 16-bit PNG and PGM
        return _scaled(values, 0, _MAX_16_BIT), ()
    return _scaled(values, low, high), (
        f"its values from {low:g} to {high:g} were scaled to black and white",
    )


def _scaled(values: NDArray[Any], low: float, high: float) -> Image.Image:
    span = high - low if high > low else 1.0
    scaled: U8 = np.empty(values.shape, np.uint8)
    for row, target in zip(values, scaled, strict=True):  # row by row, to avoid a float copy of a large scan
        real = np.nan_to_num((row.astype(np.float64) - low) * (255 / span), nan=0.0)
        target[:] = np.rint(real.clip(0, 255))
    return Image.fromarray(scaled)


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        x, y = (float(v) for v in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < math.inf and 0 < y < math.inf else None


def _exif(exif: Image.Exif, size: tuple[int, int]) -> tuple[bytes, tuple[str, ...]]:
    if not exif:
        return b"", ()
    for tag in _LAYOUT_TAGS:
        exif.pop(tag, None)
    inner = exif.get_ifd(_EXIF_IFD)
    if (inner.get(_EXIF_WIDTH, size[0]), inner.get(_EXIF_HEIGHT, size[1])) != size:
        exif[_EXIF_IFD] = {**inner, _EXIF_WIDTH: size[0], _EXIF_HEIGHT: size[1]}
    if not len(exif):
        return b"", ()
    try:
        return exif.tobytes(), ()  # without the thumbnail, which shows the gray picture
    except Exception:  # Pillow raises many types when it writes the tags of a damaged block
        return b"", ("its EXIF block is damaged and was left out",)


def _left_out(image: Image.Image) -> list[str]:
    texts = sorted(key for key in getattr(image, "text", {}) if key not in _XMP_KEYS)
    notes = [f"its text ({', '.join(texts)}) was left out"] if texts else []
    return notes + ["its IPTC block was left out"] * ("photoshop" in image.info)


def _xmp(info: dict[Any, Any]) -> bytes | None:
    packet = next((info[key] for key in _XMP_KEYS if info.get(key)), None)
    if isinstance(packet, str):
        return packet.encode()
    return packet if isinstance(packet, bytes) else None
