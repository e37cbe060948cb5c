"""The plot of a width search: valid SVG, with every candidate at its place."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from edgecolor.compression.candidates import Candidate
from edgecolor.compression.pareto_plot import CHOICE_COLOR, START_COLOR, TRIAL_COLOR, pareto_svg

SVG = "{http://www.w3.org/2000/svg}"
FAST = Candidate(0.125, 16, psnr=20.0, loss=1.0, loss_error=0.1, macs=30, size=100, latency=1.0)
MIDDLE = replace(FAST, alpha=0.25, width=24, psnr=20.8, loss=0.2, macs=60, size=200, latency=1.5)
BEATEN = replace(MIDDLE, width=32, psnr=20.7, macs=70, latency=1.6)
BEST = replace(FAST, alpha=0.5, width=48, psnr=21.0, loss=0.0, macs=200, size=900, latency=3.0)
CHOICE = replace(MIDDLE, psnr=20.9)


def test_every_candidate_is_marked_in_its_place() -> None:
    text = pareto_svg(BEST, [FAST, MIDDLE, BEATEN], [FAST, MIDDLE], CHOICE)
    assert text.startswith("<?xml") and text.endswith("</svg>\n")
    svg = ElementTree.fromstring(text)
    marks = [circle for circle in svg.iter(f"{SVG}circle") if circle.find(f"{SVG}title") is not None]
    assert [mark.get("fill") for mark in marks] == [TRIAL_COLOR] * 3 + [START_COLOR, CHOICE_COLOR]
    candidates = (FAST, MIDDLE, BEATEN, BEST, CHOICE)
    places = dict(zip(candidates, marks, strict=True))
    for one, mark in places.items():
        for other, other_mark in places.items():
            if one.latency < other.latency:
                assert float(mark.attrib["cx"]) < float(other_mark.attrib["cx"])
            if one.psnr > other.psnr:
                assert float(mark.attrib["cy"]) < float(other_mark.attrib["cy"])
    radii = [float(mark.attrib["r"]) for mark in (places[FAST], places[BEST])]
    assert radii[1] / radii[0] == pytest.approx(math.sqrt(BEST.size / FAST.size), rel=0.02)


def test_the_line_joins_the_unbeaten_candidates() -> None:
    text = pareto_svg(BEST, [FAST, MIDDLE, BEATEN], [FAST, MIDDLE, BEATEN], CHOICE)
    (line,) = ElementTree.fromstring(text).iter(f"{SVG}polyline")
    assert len(line.attrib["points"].split()) == 2, "the slower and less accurate one is left out"


def test_candidates_at_one_place_are_drawn() -> None:
    assert "</svg>" in pareto_svg(FAST, [FAST], [FAST], FAST)
