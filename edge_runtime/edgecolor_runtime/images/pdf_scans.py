"""Scans in PDF files: the image of a page, through pypdfium2. Only this module imports pypdfium2."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from PIL import Image

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.picture import DecodedPage

_ONE_THREAD = threading.Lock()  # PDFium runs in one thread at a time
_IMAGE_OBJECT = 3  # FPDF_PAGEOBJ_IMAGE
_MIN_PAGE_SHARE = 0.5  # of a page that its scan covers
_MAX_NESTING = 5  # of forms on a page
_POINTS_PER_INCH = 72
_ROTATIONS = {  # degrees of a page, clockwise
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def count_pdf_pages(file: IO[bytes]) -> int:
    """Return the number of pages of a PDF file; the errors are those of `read_pdf_page`."""
    with _opened(file) as document:
        return len(document)


def read_pdf_page(file: IO[bytes], page: int, verify_size: Callable[[tuple[int, int]], None]) -> DecodedPage:
    """Return the scan on a page of a PDF file, in the pixels of the scanner.

    A page of several images, as of a scanner that separates text from its background, is drawn in the
    resolution of its finest image.

    Args:
        file: the PDF file.
        page: number of the page, from 1.
        verify_size: called with width and height before the pixels are decoded; it raises if they are many.

    Raises:
        PictureError: the file is damaged or encrypted, or the page is no scan.
    """
    with _opened(file) as document:
        sheet = document[page - 1]
        images = list(sheet.get_objects(filter=[_IMAGE_OBJECT], max_depth=_MAX_NESTING))
        if sum(map(_area_on_page, images)) < _MIN_PAGE_SHARE * sheet.get_width() * sheet.get_height():
            raise PictureError(f"page {page} of the PDF file is not a scan: no image covers half of it")
        resolution = max(map(_resolution, images))
        if len(images) == 1:
            verify_size(images[0].get_px_size())
            image = _image_of(images[0])
            turn = _ROTATIONS.get(sheet.get_rotation())
            image = image if turn is None else image.transpose(turn)
        else:
            scale = resolution / _POINTS_PER_INCH
            verify_size((round(sheet.get_width() * scale), round(sheet.get_height() * scale)))
            image = _to_pillow(sheet.render(scale=scale))
    return DecodedPage(image, info={"dpi": (round(resolution), round(resolution))})


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[Any]:
    import pypdfium2

    file.seek(0)
    with _ONE_THREAD:
        try:
            document = pypdfium2.PdfDocument(file.read())
        except pypdfium2.PdfiumError as error:
            raise PictureError(f"PDF file that cannot be opened ({error})") from error
        try:
            yield document
        finally:
            document.close()


def _area_on_page(image: Any) -> float:
    """Return the area of an image in square points."""
    left, bottom, right, top = image.get_bounds()
    return float((right - left) * (top - bottom))


def _resolution(image: Any) -> float:
    """Return the pixels per inch of an image."""
    a, b, _, _, _, _ = image.get_matrix().get()
    return float(image.get_px_size()[0] * _POINTS_PER_INCH / max(1e-6, (a * a + b * b) ** 0.5))


def _image_of(image: Any) -> Image.Image:
    a, b, c, d, _, _ = image.get_matrix().get()
    upright = a > 0 and d > 0 and abs(b) + abs(c) < 1e-3 * (a + d)
    return _to_pillow(image.get_bitmap(render=not upright, scale_to_original=True))


def _to_pillow(bitmap: Any) -> Image.Image:
    image: Image.Image = bitmap.to_pil().copy()  # the bitmap's memory belongs to pdfium
    return image.convert("RGB") if image.mode not in ("L", "RGB") else image
