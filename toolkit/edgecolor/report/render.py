"""Render a report as one self-contained HTML page, as Markdown, and as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecolor.records.types import STAGES, created_by
from edgecolor.report.choice import EQUAL_SPEED_SHARE, ms_text, signed_text
from edgecolor.report.contents import BenchedDevice, ComparedFile, FileTiming, Report
from edgecolor.report.drawing import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Plot,
    Strip,
    draw_plot,
    draw_strips,
)
from edgecolor.report.pictures import WHITE_ERROR, collect_pictures
from edgecolor.support.json_records import JsonObject, to_json
from edgecolor.support.plot_axes import Tick
from edgecolor.support.statistics import Distribution

if TYPE_CHECKING:
    from jinja2 import Template

SCHEMA = "edgecolor-report/1"
TEMPLATES = Path(__file__).with_name("templates")
_MARKDOWN_ESCAPES = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|~"} | {"\n": " "})


@dataclass(frozen=True)
class Origin:
    """What all evaluations of a report have in common, and when and by what they were made."""

    photographs: int
    data_sha256: str
    protocol: str
    evaluated_by: tuple[str, ...]
    newest: str


@dataclass(frozen=True)
class DeviceDrawings:
    """The drawings of one device."""

    device: BenchedDevice
    plot: Plot | None
    rows: tuple[tuple[ComparedFile, FileTiming], ...]
    strips: tuple[list[Strip], tuple[Tick, ...]]


@dataclass(frozen=True)
class AccuracyDrawing:
    """The drawing of the gains of every photograph."""

    rows: tuple[tuple[ComparedFile, ComparedFile], ...]
    strips: tuple[list[Strip], tuple[Tick, ...]]


def html(report: Report) -> str:
    """Return the page. All texts from records are escaped."""
    from markupsafe import Markup

    script = (TEMPLATES / "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    chosen = [device.choice.timing.file.letter for device in report.devices if device.choice.timing]
    return _template("report.html", escape=True).render(
        report=report,
        about=_origin(report),
        devices=[_drawings(device, report.reference) for device in report.devices],
        accuracy=_accuracy_drawing(report.files),
        pictures=collect_pictures(report.files),
        chosen=chosen[0] if chosen else "",
        stages=STAGES,
        white_error=WHITE_ERROR,
        equal_speed_percent=round(100 * EQUAL_SPEED_SHARE),
        plot_size=(WIDTH, HEIGHT),
        edges={"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
        style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        spread_text=lambda t: f"{ms_text(t.frame.p50)} · {ms_text(t.frame.p90)} · {ms_text(t.frame.p99)}",
        gain_text=lambda file: f"{_db(file.gains.p50)} · {_db(file.gains.p10)}",
    )


def markdown(report: Report) -> str:
    """Return verdict, warnings and tables as Markdown. All texts from records are escaped."""
    return _template("report.md", escape=False).render(report=report, about=_origin(report))


def as_json(report: Report) -> str:
    """Return verdict and figures as JSON, without samples and pictures."""
    figures = {
        "schema": SCHEMA,
        "created_by": created_by(),
        **to_json(_origin(report)),
        "within_db": report.within,
        "reference": report.reference.letter,
        "warnings": list(report.warnings),
        "files": [_file(file) for file in report.files],
        "devices": [_device(device) for device in report.devices],
    }
    return json.dumps(figures, indent=1, allow_nan=False) + "\n"


def _template(name: str, *, escape: bool) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=escape, undefined=StrictUndefined
    )
    environment.filters |= {
        "ms": ms_text,
        "db": _db,
        "mb": lambda size: f"{size / 1e6:.2f}",
        "signed": signed_text,
        "places": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "cell": lambda text: str(text).translate(_MARKDOWN_ESCAPES),
        "members": to_json,
    }
    return environment.get_template(name)


def _db(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:+.2f}"


def _origin(report: Report) -> Origin:
    records = [file.record for file in report.files if file.record]
    started = [record.started for record in records]
    started += [bench.started for device in report.devices for bench in device.benches]
    first = records[0].evaluation
    return Origin(
        photographs=first.data.photographs,
        data_sha256=first.data.sha256,
        protocol=first.protocol,
        evaluated_by=tuple(sorted({record.created_by for record in records})),
        newest=max(started).date().isoformat(),
    )


def _drawings(device: BenchedDevice, reference: ComparedFile) -> DeviceDrawings:
    marked = any(t.file.identity.sha256 == reference.identity.sha256 for t in device.timings)
    return DeviceDrawings(
        device=device,
        plot=draw_plot(device.timings, device.unbeaten, reference_g56=None if marked else reference.g56),
        rows=tuple((t.file, t) for t in device.timings),
        strips=draw_strips([t.frame for t in device.timings], logarithmic=True),
    )


def _accuracy_drawing(files: Sequence[ComparedFile]) -> AccuracyDrawing | None:
    known = [(file, file.gains) for file in files if file.gains]
    if not known:
        return None
    return AccuracyDrawing(
        rows=tuple((file, file) for file, _ in known),
        strips=draw_strips([gains for _, gains in known], logarithmic=False),
    )


def _file(file: ComparedFile) -> JsonObject:
    plane = file.record and file.record.evaluation.plane
    return {
        "letter": file.letter,
        "label": file.label,
        **to_json(file.identity),
        "released": file.released,
        "notes": list(file.notes),
        "g56": file.g56,
        "g83": plane and plane.g83,
        "gain": plane and plane.gain,
        "ciede2000": plane and plane.ciede2000,
        "against_reference": file.against and to_json(file.against),
        "worst_against_reference": file.worst and {"photograph": file.worst.name, "db": file.worst.decibels},
    }


def _device(device: BenchedDevice) -> JsonObject:
    chosen, settings = device.choice.timing, device.settings
    return {
        "title": device.title,
        "machine": to_json(device.machine),
        "libraries": device.libraries,
        "settings": {
            "delegate": settings.delegate,
            "width": settings.width,
            "height": settings.height,
        },
        "records": [bench.source for bench in device.benches],
        "take": chosen and chosen.file.letter,
        "words": list(device.choice.words),
        "warnings": list(device.warnings),
        "unbeaten": [t.file.letter for t in device.unbeaten],
        "timings": [_timing(t) for t in device.timings],
    }


def _timing(timing: FileTiming) -> JsonObject:
    return {
        "letter": timing.file.letter,
        "threads": timing.threads,
        "interpreter": timing.interpreter,
        "frame_ms": _quantiles(timing.frame),
        "invoke_ms": _quantiles(timing.invoke),
        "stages_ms": timing.stages,
        "peak_memory_bytes": timing.peak_memory_bytes,
    }


def _quantiles(distribution: Distribution) -> dict[str, float]:
    return {name: round(getattr(distribution, name), 3) for name in ("p10", "p50", "p90", "p99")}
