"""Durations with and without a unit."""

from __future__ import annotations

import pytest
import typer

from edgecolor.cli import main
from edgecolor.cli.common.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("10", "s", 10),
        ("10s", "s", 10),
        ("500ms", "s", 0.5),
        ("2min", "s", 120),
        ("1.5h", "s", 5400),
        (" 2 MIN ", "s", 120),
        ("30", "min", 30),
        ("90s", "min", 1.5),
        ("2h", "min", 120),
        ("2.5", "ms", 2.5),
        ("0.002s", "ms", 2),
        ("0", "s", 0),
    ],
)
def test_a_duration_in_a_unit(text: str, unit: str, value: float) -> None:
    assert parse_duration(text, unit=unit) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "s", "-1s", "10x", "1:30", "inf", "nan", "1e3", "10 m"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is not a duration\. Write for example 500ms, 10s"):
        parse_duration(text, unit="s")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--camera", "--timeout", "10x"],
        ["run", "--camera", "-t", "10x"],
        ["run", "--camera", "--segment", "10x"],
        ["bench", "--sustained", "10x"],
        ["tune", "m.keras", "data", "-o", "run", "--minutes", "10x"],
        ["tune", "m.keras", "data", "-o", "run", "--max-latency", "10x"],
    ],
)
def test_every_duration_has_units(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "'10x' is not a duration" in " ".join(capsys.readouterr().err.split())


def test_a_segment_lasts_at_least_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--camera", "--segment", "500ms"]) == 2
    assert "500ms is too short. Write 1s or more." in " ".join(capsys.readouterr().err.split())
