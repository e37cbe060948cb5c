"""The page, a script that Streamlit runs anew for every visitor and at every change."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from edgecolor.demo import coloring
from edgecolor_runtime.colors.frame import ColorFrame
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.images.reader import Picture, parse_picture
from edgecolor_runtime.models.model_file import ModelFile
from edgecolor_runtime.preview.server import LARGEST_SATURATION

ABOUT = """
Color for gray photographs, from a network small enough for a Raspberry Pi. Brightness stays as it is; color
is added. It is plausible, not true: no network can know the paint of a car from its gray.
"""
HELP = """
Any photograph will do, gray or in color: the network only sees its brightness. JPEG, PNG, TIFF, WebP and
what else Pillow opens; 16-bit scans and transparency, too. It goes to the program that serves this page and
to nobody else, and is kept in memory only.
"""
CAMERA_HELP = (
    "A browser gives a webcam only to a page at 127.0.0.1, as over a tunnel by SSH, or an encrypted one."
)
PHOTOGRAPH, WEBCAM, SAMPLE = WAYS = ("A photograph", "The webcam", "A sample")
KEPT = 4  # photographs that are kept in memory for all visitors
HERE = Path(__file__).parent

_compare = st.components.v2.component(
    "edgecolor.report.compare",
    html=(HERE / "compare.html").read_text("utf-8"),
    css=(HERE / "compare.css").read_text("utf-8"),
    js=(HERE / "compare.js").read_text("utf-8"),
)


@dataclass(frozen=True)
class File:
    """A picture file that was chosen."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of its content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Opened:
    """A photograph, whole and as the page shows it; `seconds` is what reading the file took."""

    whole: Picture
    shown: Picture
    gray: str  # the data: address of what is shown, in gray
    seconds: float


@st.cache_resource(show_spinner="Loading the model")
def colorizer_of(_model: ModelFile, sha256: str) -> coloring.SharedColorizer:
    """One for all visitors."""
    return coloring.SharedColorizer(_model)


@st.cache_resource(max_entries=KEPT, show_spinner="Reading the photograph")
def open_file(_file: File, sha256: str) -> Opened:
    """The photograph, read once whoever brings it."""
    begun = time.perf_counter()
    whole = parse_picture(_file.data, _file.name)
    seconds = time.perf_counter() - begun
    shown = coloring.shown(whole)
    return Opened(whole, shown, _address(coloring.gray_frame(shown), shown), seconds)


@st.cache_resource(max_entries=8 * KEPT, show_spinner="Coloring")
def predict(
    _opened: Opened, _colorizer: coloring.SharedColorizer, sha256: str, model: str
) -> coloring.Predicted:
    """What a model says of a photograph; the saturation comes after it."""
    return _colorizer.predict(_opened.whole.gray)


def _address(frame: ColorFrame, of: Picture) -> str:
    media, data = coloring.shown_file(frame, of)
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def _plain(text: str) -> str:
    """Text of others, for where Streamlit takes Markdown."""
    return re.sub(r"([!-/:-@[-`{-~])", r"\\\1", text)  # every ASCII punctuation mark may be escaped


def show_page() -> None:
    """All of it, from the top."""
    st.set_page_config(page_title="edgecolor", layout="wide")
    st.header("edgecolor", anchor=False)
    st.markdown(ABOUT)
    left, right = st.columns([3, 1], gap="large")
    with right:
        name, saturation = _choose_model()
    with left:
        file = _choose_file()
        if file is None:
            return
        try:
            _show(file, coloring.MODELS[name], saturation)
        except EdgecolorError as error:
            st.error(_plain(str(error)))


def _choose_model() -> tuple[str, float]:
    """The name of a model, and the saturation that is wanted of it."""
    name = st.radio(
        "Model",
        list(coloring.MODELS),
        format_func=lambda name: _plain(Path(name).name),
        horizontal=True,
        help="m is three times the work of s, and its colors are truer.",
    )
    model = coloring.MODELS[name]
    own = float(model.info.saturation)
    saturation = st.slider(
        "Saturation",
        0.0,
        max(LARGEST_SATURATION, own),
        own,
        0.01,
        key=f"saturation of {name}",
        help=f"0 is gray, 1 what the network says, {own:g} this model's own.",
    )
    _tell_of(model)
    return name, saturation


def _tell_of(model: ModelFile) -> None:
    info = model.info
    facts = {
        "Version": info.version,
        "Size": f"{len(model.flatbuffer) / 1000:.0f} kB, {info.parameters:,} parameters",
        "Precision": info.precision.value,
        "Alpha": f"{info.alpha:g}, the width of its MobileNet",
        "Trained on": coloring.trained_on(model),
        "License": info.license,
        "SHA-256": model.sha256,
    }
    st.caption("  \n".join(f"**{title}** {_plain(fact)}" for title, fact in facts.items()))


def _choose_file() -> File | None:
    way = st.radio("What to color", WAYS, horizontal=True)
    if way == SAMPLE:
        sample = st.radio(
            "Sample", list(coloring.SAMPLES), horizontal=True, help="All CC0; 224 pixels a side."
        )
        path = coloring.CHECK_PICTURES / coloring.SAMPLES[sample]
        return File(f"{sample.lower()}{path.suffix}", path.read_bytes())
    if way == WEBCAM:
        taken = st.camera_input("The webcam", help=CAMERA_HELP, width=480)
        return None if taken is None else File("webcam.jpg", taken.getvalue())
    given = st.file_uploader("Drop a photograph here", help=HELP)
    return None if given is None else File(given.name, given.getvalue())


def _show(file: File, model: ModelFile, saturation: float) -> None:
    colorizer, content = colorizer_of(model, model.sha256), file.sha256
    opened = open_file(file, content)
    result = coloring.Result(file.name, opened.whole)
    said = predict(opened, colorizer, content, model.sha256)
    begun = time.perf_counter()
    color = _address(colorizer.finish(opened.shown.gray, said, saturation), opened.shown)
    seconds = time.perf_counter() - begun
    width, height = opened.shown.gray.size
    _compare(key="compare", data={"gray": opened.gray, "color": color, "width": width, "height": height})

    def whole() -> bytes:  # not before the button is pressed: a large photograph takes its time
        return result.encode(colorizer.finish(opened.whole.gray, said, saturation))

    across, down = opened.whole.gray.size
    label = f"Download in color, {across} × {down}"
    st.download_button(label, whole, file_name=result.name, on_click="ignore", type="primary")
    st.caption(
        f"The network took {1000 * said.seconds:.1f} ms, reading the file {1000 * opened.seconds:.0f} ms; "
        f"coloring it for this page, at {width} × {height}, {1000 * seconds:.0f} ms."
    )
    for note in opened.whole.notes:
        st.caption(_plain(f"{file.name}: {note}"))


show_page()
