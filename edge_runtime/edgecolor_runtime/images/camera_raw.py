"""Camera raw files, developed by LibRaw through rawpy. Only this module imports rawpy."""

from __future__ import annotations

from typing import IO, BinaryIO, cast

from PIL import Image

from edgecolor_runtime.errors import PictureError
from edgecolor_runtime.images.picture import DecodedPage


def develop_raw(file: IO[bytes]) -> DecodedPage:
    """Develop the sensor's values of a camera raw file to sRGB with the camera's white balance.

    The previews inside the file are not used.

    Raises:
        PictureError: LibRaw does not know the camera or finds damage.
    """
    import rawpy

    file.seek(0)
    try:
        with rawpy.imread(cast(BinaryIO, file)) as raw:
            pixels = raw.postprocess(use_camera_wb=True, output_bps=8)
    except rawpy.LibRawError as error:
        text = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise PictureError(
            f"camera raw file that LibRaw cannot develop ({text}). "
            "Develop it with the software of its camera, and save it as TIFF"
        ) from error
    note = "is a camera raw file; it was developed with the camera's white balance"
    return DecodedPage(Image.fromarray(pixels), notes=(note,))
