"""The page. Streamlit runs `show_page` again for each visitor and each change."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from edgecolor.demo import coloring
from edgecolor.demo.memory import reserve_zip
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.colors.own_frame import OwnColorFrame
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.own_colors import is_in_color
from edgecolor_runtime.images.picture import Picture
from edgecolor_runtime.images.reader import parse_picture
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.models.shipped import describe_name
from edgecolor_runtime.preview.server import MAX_SATURATION

ABOUT = """
edgecolor adds color to gray photographs. The colors are plausible, not true: no network can tell the paint of
a car from its gray.
"""
UPLOAD_HELP = """
A photograph that is in color keeps its colors, unless you ask for new ones. The page reads JPEG, PNG, TIFF,
WebP and the other formats of Pillow, including 16-bit scans and transparency. HEIC, JPEG XL, camera raw and
PDF files need another package, which a message names. Photographs are sent only to the program that serves
this page. They are kept in memory, not on a disk, until you close the page.
"""
SAMPLE_NOTE = "This is a sample. Your own photographs take its place."
WEBCAM_NOTE = "Take a photo with the webcam. The photo appears here in color."
RECOLOR_HELP = "Off: a photograph that is in color already is shown and downloaded as it is."
OWN_COLORS_NOTE = "is in color already and is shown as it is"
CAMERA_HELP = (
    "A browser gives a webcam only to an encrypted page, or to 127.0.0.1, for example over an SSH tunnel."
)
PHOTOGRAPHS, WEBCAM, SAMPLE = INPUTS = ("My photographs", "Webcam", "Samples")
MAX_PREDICTIONS = 8  # kept in memory for each visitor
FOLDER = Path(__file__).parent
# Streamlit leaves 6 rem above the page, and the download would be below the fold of a small screen. The
# captions of Streamlit are too pale to read, and so is the value of a slider on a dark page.
STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 1.25rem clamp(1rem, 3vw, 3rem) 2rem; }
[data-testid="stHeader"] { height: 0; min-height: 0; }
[data-testid="stCaptionContainer"] { opacity: 0.8; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] *,
[data-testid="stSliderThumbValue"], [data-testid="stSliderThumbValue"] * {
  color: var(--st-text-color, inherit);
}
</style>"""


@dataclass(frozen=True)
class OpenedPhoto:
    """A photograph that was read.

    Attributes:
        whole: at its full size.
        scaled: at the size of the page.
        gray_address: `data:` address of the scaled photograph in gray.
        seconds: duration of reading the file.
        in_color: it is in color itself.
    """

    whole: Picture
    scaled: Picture
    gray_address: str
    seconds: float
    in_color: bool


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
def open_photo(_file: coloring.PhotoFile, sha256: str) -> OpenedPhoto:
    """Read a photograph, once for each visitor."""
    begun = time.perf_counter()
    whole = parse_picture(_file.data, _file.name, max_pixels=coloring.MAX_UPLOAD_PIXELS)
    seconds = time.perf_counter() - begun
    scaled = coloring.scale_to_page(whole)
    gray_address = _data_address(coloring.make_gray_frame(scaled), scaled)
    return OpenedPhoto(whole, scaled, gray_address, seconds, in_color=is_in_color(whole))


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
    st.html(STYLE)
    st.header("edgecolor", anchor=False)
    st.markdown(ABOUT)
    left, right = st.columns([2, 1], gap="large")
    with right:
        files, note = _choose_files()
        shown = _choose_shown(files)
        model, saturation = _choose_model(open_models(first_model))
        facts = st.expander("Facts and times")
    with facts:
        _describe_model(model)
    with left:
        if shown is not None:
            _show_files(files, shown, model, saturation, facts=facts)
        if note:
            st.caption(note)


def _choose_files() -> tuple[list[coloring.PhotoFile], str]:
    """Show the choice of photographs; return them and a note to the visitor."""
    chosen = st.radio("What to color", INPUTS, horizontal=True)
    if chosen == SAMPLE:
        sample = st.radio("Sample", list(coloring.SAMPLES), horizontal=True, help="All are free to use.")
        return [coloring.read_sample(sample)], ""
    if chosen == WEBCAM:
        photo = st.camera_input("Webcam", help=CAMERA_HELP, width=480)
        return (
            ([], WEBCAM_NOTE)
            if photo is None
            else ([coloring.PhotoFile("webcam.jpg", photo.getvalue(), recolor=True)], "")
        )
    uploads = st.file_uploader("Drop photographs here", accept_multiple_files=True, help=UPLOAD_HELP)
    if not uploads:
        return [coloring.read_sample(next(iter(coloring.SAMPLES)))], SAMPLE_NOTE
    recolor = st.toggle("New colors for photographs in color", help=RECOLOR_HELP)
    return [coloring.PhotoFile(upload.name, upload.getvalue(), recolor) for upload in uploads], ""


def _choose_model(models: dict[str, ModelFile]) -> tuple[ModelFile, float]:
    """Show the choice of model and saturation; return both."""
    name = st.radio(
        "Model",
        list(models),
        format_func=lambda name: _escape(describe_name(Path(name).name)),
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


def _choose_shown(files: list[coloring.PhotoFile]) -> int | None:
    """Return the number of the photograph to show; let the visitor choose if there are several."""
    if len(files) < 2:
        return 0 if files else None
    return st.selectbox(
        "Photograph to show", range(len(files)), format_func=lambda number: files[number].name
    )


def _show_files(
    files: list[coloring.PhotoFile],
    shown: int,
    model: ModelFile,
    saturation: float,
    *,
    facts: DeltaGenerator,
) -> None:
    """Show one of the photographs, and offer the results of all."""
    colorizer = load_colorizer(model, model.sha256)
    picture, buttons, notes = st.container(), st.container(horizontal=True), st.container()
    with picture:
        try:
            _show_photo(
                files[shown], colorizer, model.sha256, saturation, buttons=buttons, notes=notes, facts=facts
            )
        except EdgecolorError as error:
            st.error(_escape(str(error)))
    session = get_script_run_ctx(suppress_warning=True)
    session_id = session.session_id if session else ""

    def zip_all() -> bytes:  # called when the button is pressed
        with reserve_zip(session_id) as free_bytes:
            return coloring.zip_results(files, colorizer, saturation, max_bytes=free_bytes)

    if len(files) > 1:
        buttons.download_button(
            f"Download all {len(files)} as a zip file",
            zip_all,
            file_name="edgecolor.zip",
            on_click="ignore",
        )


def _show_photo(
    file: coloring.PhotoFile,
    colorizer: coloring.SharedColorizer,
    model_sha256: str,
    saturation: float,
    *,
    buttons: DeltaGenerator,
    notes: DeltaGenerator,
    facts: DeltaGenerator,
) -> None:
    sha256 = file.sha256
    photo = open_photo(file, sha256)
    result = coloring.ColoredFile(file.name, photo.whole)
    kept = photo.in_color and not file.recolor
    prediction = None if kept else predict(photo, colorizer, sha256, model_sha256)
    begun = time.perf_counter()
    if prediction is None:
        frame: ColorFrame = OwnColorFrame.of_rgb(photo.scaled.to_rgb())
    else:
        frame = colorizer.finish(photo.scaled.gray, prediction, saturation)
    color_address = _data_address(frame, photo.scaled)
    seconds = time.perf_counter() - begun
    width, height = photo.scaled.gray.size
    data = {"gray": photo.gray_address, "color": color_address, "width": width, "height": height}
    _comparison()(key="compare", data=data)

    def encode_whole() -> bytes:  # called when the button is pressed: a large photograph takes seconds
        if prediction is None:
            return result.keep_colors(file.data)
        return result.encode(colorizer.finish(photo.whole.gray, prediction, saturation))

    across, down = photo.whole.gray.size
    label = f"Download in color, {across} × {down}"
    buttons.download_button(label, encode_whole, file_name=result.name, on_click="ignore", type="primary")
    for note in (*([OWN_COLORS_NOTE] if kept else []), *photo.whole.notes):
        notes.caption(_escape(f"{file.name}: {note}"))
    inference = "none" if prediction is None else f"{1000 * prediction.seconds:.1f} ms"
    facts.caption(
        f"Inference {inference}, reading the file {1000 * photo.seconds:.0f} ms, "
        f"coloring for this page at {width} × {height} {1000 * seconds:.0f} ms."
    )


def _comparison() -> Any:
    """Return the component with the two pictures and the divider; Streamlit needs it defined in each run."""
    return st.components.v2.component(
        "edgecolor.comparison",
        html=(FOLDER / "compare.html").read_text("utf-8"),
        css=(FOLDER / "compare.css").read_text("utf-8"),
        js=(FOLDER / "compare.js").read_text("utf-8"),
    )
