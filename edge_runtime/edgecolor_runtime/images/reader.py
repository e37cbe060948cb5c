"""Read any picture as gray sRGB, together with what the colored file keeps: alpha, metadata, 16 bits."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from edgecolor_runtime.colors.spaces import U16
from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.file_formats.incomplete import (
    BIT_ROT,
    COLORS_MISSING,
    END_ONLY,
    MISSING_LEVEL,
    PAGES_MISSING,
    Recovered,
    describe_missing,
    fill_missing,
    find_png_damage,
    missing_share,
    recover_jpeg,
    recover_png,
)
from edgecolor_runtime.file_formats.jpeg_segments import find_xmp
from edgecolor_runtime.file_formats.signatures import PDF, RAW, read_head, recognize_format
from edgecolor_runtime.file_formats.strict_jpeg import DamagedJpegError, decode_strictly
from edgecolor_runtime.file_formats.tiff_chain import read_directories
from edgecolor_runtime.file_formats.tiff_pages import (
    ORIENTATION,
    Directory,
    find_cut_parts,
    find_pages,
    find_raw,
    is_tiff,
)
from edgecolor_runtime.file_formats.tiff_samples import read_samples
from edgecolor_runtime.images.camera_raw import develop_raw
from edgecolor_runtime.images.color_profiles import to_srgb
from edgecolor_runtime.images.formats import open_image, require_package
from edgecolor_runtime.images.memory import bytes_of_mode, bytes_of_samples, estimate_bytes, refuse_too_large
from edgecolor_runtime.images.metadata import read_metadata, read_tiff, state_srgb
from edgecolor_runtime.images.pdf_scans import count_pdf_pages, read_pdf_page
from edgecolor_runtime.images.picture import DecodedPage, Picture
from edgecolor_runtime.images.samples import is_deep, round_to_8_bits, scale_to_16_bits, values_of
from edgecolor_runtime.images.tiff_images import (
    decode_cut_page,
    decode_with_pillow,
    image_of_samples,
    needs_pillow,
)
from edgecolor_runtime.system.stderr import stderr_without

_LIBTIFF_LINES = (b"PackBitsDecode", b"LZWDecode", b"LZWPreDecode", b"ZSTDDecode", b"JPEG", b"Fax", b"TIFF")
_COLOR_STEP = 3  # pixels between those that are examined for colors
_UNKNOWN_PIXELS = 60_000_000  # of a camera's raw file or a PDF, whose size is not in its head
_INCHES_PER_JFIF_UNIT = {1: 1, 2: 1 / 2.54}  # without a unit the numbers are a ratio
_STEPS_PER_BYTE = 257  # 65535 / 255
_TURNS = {  # orientation of EXIF -> how the picture becomes upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class _Request:
    """What is read of a file; the fields are the arguments of `open_picture`."""

    page: int | None = None
    strict: bool = False
    max_pixels: int | None = None
    gray_range: tuple[float, float] | None = None


def open_picture(
    path: str | Path,
    *,
    page: int | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    gray_range: tuple[float, float] | None = None,
) -> Picture:
    """Open a picture of any size, mode and format that is read.

    Args:
        path: the file.
        page: number of the page or frame, from 1; None: the first, with a note if there are several.
        strict: refuse a file that is cut off or damaged. By default the part that it holds is read, and a
            note says which part is missing.
        max_pixels: refuse a larger picture (default: only one that needs more memory than is free).
        gray_range: the values that become black and white if the file has more than 8 bits; None: the type
            and the values decide.

    Raises:
        PictureError: the file is missing, empty, damaged, not a picture, or too large; or it has no such
            page.
    """
    path = Path(path)
    with _named_errors(path), path.open("rb") as file:
        picture = _read_file(file, _Request(page, strict, max_pixels, gray_range))
        return replace(picture, modified_ns=os.fstat(file.fileno()).st_mtime_ns)


def parse_picture(
    data: bytes,
    name: str,
    *,
    page: int | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    gray_range: tuple[float, float] | None = None,
) -> Picture:
    """Read the bytes of a picture file, as `open_picture`; `name` stands for the file in messages."""
    with _named_errors(name):
        return _read_file(io.BytesIO(data), _Request(page, strict, max_pixels, gray_range))


def read_image(image: Image.Image, name: str = "the picture") -> Picture:
    """Read an image that is already open, as `open_picture`; `name` stands for it in messages."""
    with _named_errors(name):
        image.load()
        page = replace(_page_of(image), image=image.copy())  # the pixels may be changed
        return _make_picture(page, _note_on_pages(page, None))


def count_pages(path: str | Path) -> int:
    """Return the number of pages or frames of a picture file; the errors are those of `open_picture`."""
    path = Path(path)
    with _named_errors(path), path.open("rb") as file:
        head = read_head(file)
        form = recognize_format(head)
        if is_tiff(head) and form is not RAW:
            directories = read_directories(file)
            return 1 if find_raw(directories) else len(find_pages(directories))
        if form is PDF:
            require_package(PDF)
            return count_pdf_pages(file)
        if form is RAW:
            return 1
        with open_image(file) as image:
            return _count_frames(image)


def estimate_memory(path: Path) -> int:
    """Return the bytes of memory at the peak of reading, coloring and writing a picture file.

    Only the head of the file is read. A file that cannot be read needs none; its reader reports the reason.
    """
    try:
        with path.open("rb") as file:
            head = read_head(file)
            form = recognize_format(head)
            if is_tiff(head) and form is not RAW:
                directories = read_directories(file)
                if not find_raw(directories):
                    pages = find_pages(directories)
                    return max(estimate_bytes(page.size, bytes_of_samples(page)) for page in pages)
                form = RAW
            if form in (RAW, PDF):
                return _UNKNOWN_PIXELS * bytes_of_mode("RGB")
            with open_image(file) as image:
                return estimate_bytes(image.size, bytes_of_mode(image.mode))
    except Exception:  # Pillow raises any class of exception on a damaged file
        return 0


@contextmanager
def _named_errors(name: str | Path) -> Iterator[None]:
    """Convert any error to a PictureError that begins with the name."""
    try:
        yield
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name}: not a picture in a format that edgecolor reads") from None
    except OSError as error:
        if error.errno is None:  # Pillow's own errors, not those of the system
            raise PictureError(f"{name}: damaged picture ({_line(error)})") from error
        raise PictureError(f"{name}: {error.strerror or _line(error)}") from error
    except MemoryError as error:
        raise PictureError(f"{name}: not enough memory for this picture") from error
    except Exception as error:  # Pillow raises SyntaxError, struct.error, zlib.error and more on damage
        raise PictureError(f"{name}: damaged picture ({_line(error) or type(error).__name__})") from error


def _read_file(file: IO[bytes], request: _Request) -> Picture:
    decoded = _decode_file(file, request)
    problems = _list_problems(decoded)
    if request.strict and problems:
        raise PictureError(f"damaged picture: {'; '.join(problems)}")
    notes = (*_note_on_pages(decoded, request.page), *problems)
    return _make_picture(decoded, notes, request.gray_range)


def _list_problems(page: DecodedPage) -> tuple[str, ...]:
    """Return which part of a page is missing and what is damaged, one sentence each."""
    if not page.missing:
        return page.damage
    if missing_share(page.missing, page.image.size) == 1:
        raise PictureError("the file ends before its first pixels")
    return (describe_missing(page.missing, page.image.size, page.orientation), *page.damage)


def _note_on_pages(decoded: DecodedPage, page: int | None) -> tuple[str, ...]:
    if page is not None or decoded.pages == 1:
        return ()
    return (f"holds {decoded.pages} {decoded.kind_of_pages}; only the first is colored",)


def _decode_file(file: IO[bytes], request: _Request) -> DecodedPage:
    page, max_pixels = request.page, request.max_pixels
    head = read_head(file)
    if not head:
        raise PictureError("empty file")
    form = recognize_format(head)
    if is_tiff(head) and form is not RAW:
        return _decode_tiff(file, request)
    if form is RAW:
        return _develop(file, page)
    if form is PDF:
        require_package(PDF)
        pages = count_pdf_pages(file)

        def verify_size(size: tuple[int, int]) -> None:
            refuse_too_large(size, bytes_of_mode("RGBA"), max_pixels)

        return replace(read_pdf_page(file, _verify_page(page, pages), verify_size), pages=pages)
    return _decode_with_plugin(file, page, max_pixels)


def _verify_page(page: int | None, pages: int) -> int:
    number = 1 if page is None else page
    if not 1 <= number <= pages:
        raise PictureError(f"there is no page {number}; the file has {pages}")
    return number


def _develop(file: IO[bytes], page: int | None, directories: tuple[Directory, ...] = ()) -> DecodedPage:
    require_package(RAW)
    _verify_page(page, 1)
    developed = develop_raw(file)
    if not directories:
        return developed
    block, info = read_tiff(file, directories[0].offset)
    info.pop("icc_profile", None)
    return replace(developed, info=info, directories=block)


def _decode_tiff(file: IO[bytes], request: _Request) -> DecodedPage:
    directories = read_directories(file)
    if find_raw(directories):
        return _develop(file, request.page, directories)
    pages = find_pages(directories)
    directory = pages[_verify_page(request.page, len(pages)) - 1]
    refuse_too_large(directory.size, bytes_of_samples(directory), request.max_pixels)
    block, info = read_tiff(file, directory.offset)
    decoded = _decode_tiff_page(file, directory, request.gray_range)
    breaks_off = request.page is None and directories[-1].breaks_off
    return replace(
        decoded,
        damage=(*decoded.damage, PAGES_MISSING) if breaks_off else decoded.damage,
        info=info,
        directories=block,
        orientation=directory.value(ORIENTATION, 1),
        pages=len(pages),
    )


def _decode_tiff_page(
    file: IO[bytes], directory: Directory, gray_range: tuple[float, float] | None
) -> DecodedPage:
    cut_parts = find_cut_parts(directory, file.seek(0, io.SEEK_END))
    if needs_pillow(directory):
        if cut_parts:
            with stderr_without(*_LIBTIFF_LINES):
                image, missing = decode_cut_page(file, directory, cut_parts)
            return DecodedPage(image, missing=missing, damage=() if missing else (END_ONLY,))
        return DecodedPage(decode_with_pillow(file, directory))
    samples = None if cut_parts else read_samples(file, directory, salvage=False)
    if samples is None or samples.damaged:
        with stderr_without(*_LIBTIFF_LINES):
            samples = read_samples(file, directory, salvage=True)
    image, deep, assumed = image_of_samples(samples, directory, gray_range)
    damage = (BIT_ROT,) if samples.damaged and not (samples.missing or samples.colors_missing) else ()
    if samples.colors_missing:
        damage = (COLORS_MISSING, *damage)
    return DecodedPage(image, deep, notes=assumed, missing=samples.missing, damage=damage)


def _decode_with_plugin(file: IO[bytes], page: int | None, max_pixels: int | None) -> DecodedPage:
    with open_image(file) as image:
        refuse_too_large(image.size, bytes_of_mode(image.mode), max_pixels)
        number = _verify_page(page, _count_frames(image))
        if number > 1:
            image.seek(number - 1)
        if number == 1 and image.format in ("JPEG", "MPO"):
            return _decode_jpeg(file, image)
        if number == 1 and image.format == "PNG":
            return _decode_png(file, image)
        image.load()
        return _page_of(image)


def _decode_jpeg(file: IO[bytes], image: Image.Image) -> DecodedPage:
    data = _read_all(file)
    damage: tuple[str, ...] = ()
    try:
        whole = decode_strictly(data, image.mode, image.size)
    except DamagedJpegError:
        whole, damage = None, (BIT_ROT,)
    if whole is not None:
        return replace(_page_of(image), image=whole)
    file.seek(0)
    try:
        image.load()
    except Exception:  # Pillow raises any class of exception on a damaged file
        return _page_of_rest(recover_jpeg(data, _decode))
    return replace(_page_of(image), damage=damage)


def _decode_png(file: IO[bytes], image: Image.Image) -> DecodedPage:
    try:
        image.load()
    except Exception:  # Pillow raises any class of exception on a damaged file
        return _page_of_rest(recover_png(_read_all(file), _decode))
    return replace(_page_of(image), damage=find_png_damage(_read_all(file)))


def _page_of_rest(rest: Recovered) -> DecodedPage:
    return replace(_page_of(rest.image), missing=rest.missing, damage=rest.damage)


def _read_all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _decode(data: bytes) -> Image.Image:
    image = open_image(io.BytesIO(data))
    image.load()
    return image


def _count_frames(image: Image.Image) -> int:
    # The second image of a phone's MPO is another view.
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _page_of(image: Image.Image) -> DecodedPage:
    """Return a loaded image with its metadata."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises any class of exception on a damaged EXIF block, which gets a note
        orientation = 1
    info = {key: value for key, value in image.info.items() if isinstance(key, str)}
    if image.format in ("JPEG", "MPO"):
        info.pop("dpi", None)  # may be a guess of Pillow: 1 or 72
        if unit := _INCHES_PER_JFIF_UNIT.get(info.get("jfif_unit", 0)):
            info["dpi"] = tuple(density / unit for density in info["jfif_density"])
    if "xmp" not in info and (packet := find_xmp(getattr(image, "applist", []))):
        info["xmp"] = packet  # Pillow before version 10 does not name it
    return DecodedPage(
        image,
        info=info,
        texts=getattr(image, "text", {}),
        orientation=orientation,
        pages=_count_frames(image),
        kind_of_pages="frames",
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _make_picture(
    page: DecodedPage, notes: tuple[str, ...], gray_range: tuple[float, float] | None = None
) -> Picture:
    """Convert a page to upright sRGB of 8 bits, and collect what the colored file keeps."""
    image, deep, assumed = page.image, page.deep, page.notes
    if is_deep(image):
        deep, assumed = scale_to_16_bits(values_of(image), bits=16, limits=gray_range)
        image = Image.fromarray(round_to_8_bits(deep))
    image, alpha = _split_alpha(image)
    fill_missing(image, page.missing)
    if deep is not None:
        deep = deep.copy() if page.missing else deep  # it may be Pillow's own memory
        for left, top, right, bottom in page.missing:
            deep[top:bottom, left:right] = MISSING_LEVEL * _STEPS_PER_BYTE
        deep = _turn_array(deep, page.orientation)
    pixels = to_srgb(_turn(image, page.orientation), page.info.get("icc_profile"), deep)
    metadata, left_out = read_metadata(page, pixels.image.size)
    return Picture(
        pixels.image if pixels.image.mode == "L" else pixels.image.convert("L"),
        rgb=pixels.image if _has_colors(pixels.image) else None,
        alpha=alpha and _turn(alpha, page.orientation),
        deep=pixels.deep,
        icc=pixels.icc,
        metadata=state_srgb(metadata) if pixels.icc else metadata,
        pages=page.pages,
        notes=(*notes, *assumed, *pixels.notes, *left_out),
    )


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image upright: all viewers agree on such pixels, and the network sees the sky at the top."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture of 8 bits in mode L, RGB, CMYK or LAB, and its opacity."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        gray = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        return image.getchannel("R") if gray else image.convert("RGB"), image.getchannel("A")
    if image.mode in ("CMYK", "LAB"):
        return image, None
    mode = "L" if image.mode in ("L", "1") else "RGB"
    return image if image.mode == mode else image.convert(mode), None


def _turn_array(deep: U16, orientation: int) -> U16:
    """Turn 16-bit luma upright, as `_turn`; versions of Pillow turn images of 16 bits differently."""
    if orientation >= 5:
        deep = deep.T
    if orientation in (2, 3, 6, 7):
        deep = deep[:, ::-1]
    if orientation in (3, 4, 7, 8):
        deep = deep[::-1]
    return np.ascontiguousarray(deep)


def _has_colors(image: Image.Image) -> bool:
    """Return whether the channels of a picture differ, at the pixels of a grid of _COLOR_STEP."""
    if image.mode == "L":
        return False
    small = max(1, image.width // _COLOR_STEP), max(1, image.height // _COLOR_STEP)
    red, green, blue = image.resize(small, Image.Resampling.NEAREST).split()
    return any(ImageChops.difference(red, other).getbbox() for other in (green, blue))
