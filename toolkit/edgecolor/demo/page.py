"""The page. Streamlit runs `show_page` again for each visitor and each change."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from edgecolor.demo import coloring
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.reader import Picture, parse_picture
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.models.shipped import describe_name
from edgecolor_runtime.preview.server import MAX_SATURATION

ABOUT = """
Color for gray photographs, from a network small enough for a Raspberry Pi. Brightness stays the same; the
network adds color. The colors are plausible, not true: no network can tell the paint of a car from its gray.
"""
UPLOAD_HELP = """
Any photograph works, gray or in color: the network only sees its brightness. The page reads JPEG, PNG, TIFF,
WebP and the other formats of Pillow, including 16-bit scans and transparency. The photograph is sent only to
the program that serves this page. It is kept in memory, not on a disk, until you close the page.
"""
CAMERA_HELP = (
    "A browser gives a webcam only to an encrypted page, or to 127.0.0.1, for example over an SSH tunnel."
)
PHOTOGRAPH, WEBCAM, SAMPLE = INPUTS = ("A photograph", "The webcam", "A sample")
MAX_PREDICTIONS = 8  # kept in memory for each visitor
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PhotoFile:
    """The file of a photograph that a visitor chose."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class OpenedPhoto:
    """A photograph that was read.

    Attributes:
        whole: at its full size.
        scaled: at the size of the page.
        gray_address: `data:` address of the scaled photograph in gray.
        seconds: duration of reading the file.
    """

    whole: Picture
    scaled: Picture
    gray_address: str
    seconds: float


@st.cache_resource(show_spinner="Loading the models")
def open_models(first: str) -> dict[str, ModelFile]:
    """Return the models of the page, opened once for all visitors."""
    return coloring.open_models(first)


@st.cache_resource(show_spinner="Loading the model")
def load_colorizer(_model: ModelFile, sha256: str) -> coloring.SharedColorizer:
    """Return the colorizer of a model, loaded once for all visitors."""
    return coloring.SharedColorizer(_model)


# A visitor's photograph is kept for this visitor only, and freed when the visitor leaves.
@st.cache_resource(scope="session", max_entries=1, show_spinner="Reading the photograph")
def open_photo(_file: PhotoFile, sha256: str) -> OpenedPhoto:
    """Read a photograph, once for each visitor."""
    begun = time.perf_counter()
    whole = parse_picture(_file.data, _file.name)
    seconds = time.perf_counter() - begun
    scaled = coloring.scale_to_page(whole)
    gray_address = _data_address(coloring.make_gray_frame(scaled), scaled)
    return OpenedPhoto(whole, scaled, gray_address, seconds)


@st.cache_resource(scope="session", max_entries=MAX_PREDICTIONS, show_spinner="Coloring")
def predict(
    _photo: OpenedPhoto, _colorizer: coloring.SharedColorizer, sha256: str, model_sha256: str
) -> coloring.Prediction:
    """Run a model on a photograph, once for each pair; the saturation is applied later."""
    return _colorizer.predict(_photo.whole.gray)


def _data_address(frame: ColorFrame, picture: Picture) -> str:
    media_type, data = coloring.encode_for_page(frame, picture)
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _escape(text: str) -> str:
    """Escape text from outside for Streamlit's Markdown, which accepts a backslash before all punctuation."""
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", text)


def show_page(first_model: str) -> None:
    """Show the page.

    Args:
        first_model: name of a shipped model, or path of a model file, that is selected at the start.
    """
    st.set_page_config(page_title="edgecolor", layout="wide")
    st.header("edgecolor", anchor=False)
    st.markdown(ABOUT)
    left, right = st.columns([3, 1], gap="large")
    with right:
        model, saturation = _choose_model(open_models(first_model))
    with left:
        file = _choose_file()
        if file is None:
            return
        try:
            _show_photo(file, model, saturation)
        except EdgecolorError as error:
            st.error(_escape(str(error)))


def _choose_model(models: dict[str, ModelFile]) -> tuple[ModelFile, float]:
    """Show the choice of model and saturation; return both."""
    name = st.radio(
        "Model",
        list(models),
        format_func=lambda name: _escape(describe_name(Path(name).name)),
        horizontal=True,
        help="m needs three times the computation of s, and its colors are closer to the truth.",
    )
    model = models[name]
    default = float(model.info.saturation)
    saturation = st.slider(
        "Saturation",
        0.0,
        max(MAX_SATURATION, default),
        default,
        0.01,
        key=f"saturation of {name}",
        help=f"0 is gray, 1 is the network's own output, {default:g} is the default of this model.",
    )
    _describe_model(model)
    return model, saturation


def _describe_model(model: ModelFile) -> None:
    info = model.info
    lines = {
        "Version": info.version,
        "Size": f"{len(model.flatbuffer) / 1000:.0f} kB, {info.parameters:,} parameters",
        "Precision": info.precision.value,
        "Alpha": f"{info.alpha:g}, the width of its MobileNet",
        "Trained on": coloring.describe_training(model),
        "License": info.license,
        "SHA-256": model.sha256,
    }
    st.caption("  \n".join(f"**{title}** {_escape(text)}" for title, text in lines.items()))


def _choose_file() -> PhotoFile | None:
    chosen = st.radio("What to color", INPUTS, horizontal=True)
    if chosen == SAMPLE:
        sample = st.radio(
            "Sample",
            list(coloring.SAMPLES),
            horizontal=True,
            help="All are CC0 and 224 pixels wide and high.",
        )
        path = coloring.SAMPLES[sample]
        return PhotoFile(f"{sample.lower()}{path.suffix}", path.read_bytes())
    if chosen == WEBCAM:
        photo = st.camera_input("The webcam", help=CAMERA_HELP, width=480)
        return None if photo is None else PhotoFile("webcam.jpg", photo.getvalue())
    upload = st.file_uploader("Drop a photograph here", help=UPLOAD_HELP)
    return None if upload is None else PhotoFile(upload.name, upload.getvalue())


def _show_photo(file: PhotoFile, model: ModelFile, saturation: float) -> None:
    colorizer, sha256 = load_colorizer(model, model.sha256), file.sha256
    photo = open_photo(file, sha256)
    result = coloring.ColoredFile(file.name, photo.whole)
    prediction = predict(photo, colorizer, sha256, model.sha256)
    begun = time.perf_counter()
    frame = colorizer.finish(photo.scaled.gray, prediction, saturation)
    color_address = _data_address(frame, photo.scaled)
    seconds = time.perf_counter() - begun
    width, height = photo.scaled.gray.size
    data = {"gray": photo.gray_address, "color": color_address, "width": width, "height": height}
    _comparison()(key="compare", data=data)

    def encode_whole() -> bytes:  # called when the button is pressed: a large photograph takes seconds
        return result.encode(colorizer.finish(photo.whole.gray, prediction, saturation))

    across, down = photo.whole.gray.size
    label = f"Download in color, {across} × {down}"
    st.download_button(label, encode_whole, file_name=result.name, on_click="ignore", type="primary")
    st.caption(
        f"Inference {1000 * prediction.seconds:.1f} ms, reading the file {1000 * photo.seconds:.0f} ms, "
        f"coloring for this page at {width} × {height} {1000 * seconds:.0f} ms."
    )
    for note in photo.whole.notes:
        st.caption(_escape(f"{file.name}: {note}"))


def _comparison() -> Any:
    """Return the component with the two pictures and the divider; Streamlit needs it defined in each run."""
    return st.components.v2.component(
        "edgecolor.comparison",
        html=(FOLDER / "compare.html").read_text("utf-8"),
        css=(FOLDER / "compare.css").read_text("utf-8"),
        js=(FOLDER / "compare.js").read_text("utf-8"),
    )
