"""A report as one HTML page that asks nobody for anything, as Markdown, and as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecolor.benchmarking.worker import STAGES
from edgecolor.evaluation.color_plane import Difference
from edgecolor.records import evaluation
from edgecolor.records.types import Distribution
from edgecolor.report.build import Device, Report
from edgecolor.report.choice import SAME_SPEED, Timing, Variant, ms, signed
from edgecolor.report.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, plot, strips
from edgecolor.report.pictures import WRONG, pictures_of

if TYPE_CHECKING:
    from jinja2 import Template

SCHEMA = "edgecolor-report/1"
PAGE = Path(__file__).with_name("templates")
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|~"} | {"\n": " "})


def html(report: Report) -> str:
    """The page. Whatever comes from a record is escaped."""
    from markupsafe import Markup

    script = (PAGE / "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    choices = [device.choice.timing.variant.letter for device in report.devices if device.choice.timing]
    return _template("report.html", escape=True).render(
        report=report,
        about=_about(report),
        devices=[_drawn(device, report.reference) for device in report.devices],
        accuracy=_accuracy(report.variants),
        pictures=pictures_of(report.variants),
        taken=choices[0] if choices else "",
        stages=STAGES,
        wrong=WRONG,
        same_speed=round(100 * SAME_SPEED),
        plot_size=(WIDTH, HEIGHT),
        edges={"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
        style=Markup((PAGE / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        spread_text=lambda t: f"{ms(t.frame.p50)} · {ms(t.frame.p90)} · {ms(t.frame.p99)}",
        gain_text=lambda v: f"{_db(v.gains.p50)} · {_db(v.gains.p10)}",
    )


def markdown(report: Report) -> str:
    """Verdict, warnings and tables. Whatever comes from a record is escaped."""
    return _template("report.md", escape=False).render(report=report, about=_about(report))


def as_json(report: Report) -> str:
    """Verdict and figures, without samples and pictures."""
    told = {
        "schema": SCHEMA,
        "created_by": evaluation.created_by(),
        **_about(report),
        "within_db": report.within,
        "reference": report.reference.letter,
        "warnings": list(report.warnings),
        "files": [_file(v) for v in report.variants],
        "devices": [_device(d) for d in report.devices],
    }
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def _template(name: str, *, escape: bool) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(PAGE), autoescape=escape, undefined=StrictUndefined)
    environment.filters |= {
        "ms": ms,
        "db": _db,
        "mb": lambda size: f"{size / 1e6:.2f}",
        "signed": signed,
        "places": lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        "cell": lambda text: str(text).translate(_MARKDOWN),
    }
    return environment.get_template(name)


def _db(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:+.2f}"


def _about(report: Report) -> dict[str, Any]:
    evaluations = [v.evaluation for v in report.variants if v.evaluation]
    begun = [e.started for e in evaluations]
    begun += [bench.started for device in report.devices for bench in device.benches]
    first = evaluations[0]
    return {
        "photographs": first.data.photographs,
        "data_sha256": first.data.sha256,
        "protocol": first.protocol,
        "evaluated_by": sorted({e.created_by for e in evaluations}),
        "newest": max(begun).date().isoformat(),
    }


def _drawn(device: Device, reference: Variant) -> dict[str, Any]:
    among = any(t.variant.file.sha256 == reference.file.sha256 for t in device.timings)
    return {
        "device": device,
        "plot": plot(device.timings, device.pareto, None if among else reference.g56),
        "rows": [(t.variant, t) for t in device.timings],
        "strips": strips([t.frame for t in device.timings], logarithmic=True),
    }


def _accuracy(variants: Sequence[Variant]) -> dict[str, Any] | None:
    found = [(v, v.gains) for v in variants if v.gains]
    if not found:
        return None
    return {
        "rows": [(v, v) for v, _ in found],
        "strips": strips([gains for _, gains in found], logarithmic=False),
    }


def _file(variant: Variant) -> dict[str, Any]:
    return {
        "letter": variant.letter,
        "label": variant.label,
        **asdict(variant.file),
        "released": variant.released,
        "notes": list(variant.notes),
        "g56": variant.g56,
        "g83": variant.plane and variant.plane.g83,
        "gain": variant.plane and variant.plane.gain,
        "ciede2000": variant.plane and variant.plane.ciede2000,
        "against_reference": _difference(variant.against),
        "worst_against_reference": variant.worst and {"photograph": variant.worst[0], "db": variant.worst[1]},
    }


def _difference(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"mean": found.mean, "error": found.error if math.isfinite(found.error) else None}


def _device(device: Device) -> dict[str, Any]:
    taken = device.choice.timing
    return {
        "title": device.title,
        "machine": device.machine,
        "libraries": device.libraries,
        "settings": {key: device.settings[key] for key in ("delegate", "width", "height")},
        "records": [bench.path.name for bench in device.benches],
        "take": taken and taken.variant.letter,
        "words": list(device.choice.words),
        "warnings": list(device.warnings),
        "unbeaten": [t.variant.letter for t in device.pareto],
        "timings": [_timing(t) for t in device.timings],
    }


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "letter": timing.variant.letter,
        "threads": timing.threads,
        "interpreter": timing.interpreter,
        "frame_ms": _quantiles(timing.frame),
        "invoke_ms": _quantiles(timing.invoke),
        "stages_ms": timing.stages,
        "peak_memory_bytes": timing.peak_memory_bytes,
    }


def _quantiles(found: Distribution) -> dict[str, float]:
    return {name: round(getattr(found, name), 3) for name in ("p10", "p50", "p90", "p99")}
