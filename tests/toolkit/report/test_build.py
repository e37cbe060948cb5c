"""`edgecolor report`: real records and changed copies of them, to a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecolor.cli import main
from edgecolor.report.choice import ms_text
from edgecolor.support.extras import install_extra

from ..changed_records import Record, evaluation_of, machine_of, model_of, timing_of, write


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the command on records; return its JSON figures, with "out" and "err"."""

    def run(*records: Record, words: tuple[str, ...] = ()) -> dict[str, Any]:
        paths = [str(write(tmp_path / f"{i:02d}.json", record)) for i, record in enumerate(records)]
        outputs = ["-o", str(tmp_path / "report.html"), "--json", str(tmp_path / "out.json"), "--force"]
        assert main(["report", *paths, *outputs, *words]) == 0
        output = capsys.readouterr()
        figures: dict[str, Any] = json.loads((tmp_path / "out.json").read_text("utf-8"))
        return figures | {"out": output.out, "err": output.err}

    return run


Report = Callable[..., dict[str, Any]]


def files(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["label"]: file for file in figures["files"]}


def test_real_records_give_their_own_figures(evaluated: Record, benched: Record, report: Report) -> None:
    figures = report(evaluated, benched)
    (s,) = (f for f in figures["files"] if f["label"] == "s")
    assert s["sha256"] == evaluated["file"]["sha256"]
    assert s["g56"] == pytest.approx(evaluated["plane"]["g56"], abs=1e-4)
    assert s["gain"] == pytest.approx(evaluated["plane"]["gain"], abs=1e-4)
    assert s["released"]
    (device,) = figures["devices"]
    (timing,) = (t for t in device["timings"] if t["letter"] == s["letter"])
    (model,) = (m for m in benched["models"] if m["file"] == "s")
    assert timing["frame_ms"]["p50"] == pytest.approx(model["runs"][0]["frame"]["total"]["p50"], abs=0.002)
    assert device["take"] == s["letter"]
    assert files(figures)["m"]["notes"] == ["colors not evaluated"]
    assert figures["out"].splitlines()[0].startswith(f"On {device['title']}, take s: ")
    assert figures["out"].splitlines()[-1].endswith("report.html")


def test_the_fastest_within_the_limit_is_taken(evaluated: Record, benched: Record, report: Report) -> None:
    """Best and slow, a little worse and faster, much worse and fastest."""
    best, good, poor = (
        evaluation_of(evaluated, name, gain=gain)
        for name, gain in (("best", 0.3), ("good", 0.25), ("poor", -0.2))
    )
    times = timing_of(benched, best=30.0, good=10.0, poor=5.0)
    figures = report(best, good, poor, times)
    (device,) = figures["devices"]
    letters = {label: file["letter"] for label, file in files(figures).items()}
    assert letters == {"best": "A", "good": "B", "poor": "C"}
    assert (figures["reference"], device["take"], device["unbeaten"]) == ("A", "B", ["C", "B", "A"])
    first, second = device["words"]
    assert (
        "take good: 10 ms per frame (100 per second, 1 thread), the fastest of the 2 files within 0.1 dB"
        in first
    )
    assert "of best (it loses 0.05 ± 0.00 dB)" in first
    assert second == "If speed matters more: poor takes 5 ms and loses 0.50 ± 0.00 dB."
    assert files(figures)["poor"]["against_reference"]["mean"] == pytest.approx(-0.5, abs=1e-4)

    assert report(best, good, poor, times, words=("--within", "0.01"))["devices"][0]["take"] == "A"
    assert report(best, good, poor, times, words=("--within", "1"))["devices"][0]["take"] == "C"
    named = report(best, good, poor, times, words=("--reference", "poor"))
    assert named["reference"] == "C" and named["devices"][0]["take"] == "C"


def test_of_equally_fast_files_the_smallest_is_taken(
    evaluated: Record, benched: Record, report: Report
) -> None:
    large = evaluation_of(evaluated, "large", bytes=900_000)
    small = evaluation_of(evaluated, "small", bytes=500_000)
    assert "take small" in report(large, small, timing_of(benched, large=10.0, small=10.3))["out"]
    assert "take large" in report(large, small, timing_of(benched, large=10.0, small=11.0))["out"]


def test_of_equally_accurate_files_the_largest_is_the_reference(
    evaluated: Record, benched: Record, report: Report
) -> None:
    half = evaluation_of(evaluated, "half", gain=0.005, bytes=500_000)
    whole = evaluation_of(evaluated, "whole", bytes=900_000)
    figures = report(half, whole, timing_of(benched, half=10.0, whole=10.0))
    assert figures["reference"] == files(figures)["whole"]["letter"]


def test_the_error_is_that_of_paired_differences(evaluated: Record, benched: Record, report: Report) -> None:
    """A difference that alternates between photographs: its mean, and the error of that mean."""
    other = evaluation_of(evaluated, "other")
    for i, score in enumerate(other["scores"]):
        score["psnr"] = [p - (0.2 if i % 2 else 0.1) * (at > 0) for at, p in enumerate(score["psnr"])]
    count = len(other["scores"])
    assert count == 4
    figures = files(report(evaluated, other, timing_of(benched, other=10.0)))["other"]
    assert figures["against_reference"]["mean"] == pytest.approx(-0.15, abs=1e-6)
    deviation = 0.05 * (count / (count - 1)) ** 0.5
    assert figures["against_reference"]["error"] == pytest.approx(deviation / count**0.5, abs=1e-6)
    assert figures["worst_against_reference"]["photograph"] == other["scores"][1]["name"]
    assert figures["worst_against_reference"]["db"] == pytest.approx(-0.2, abs=1e-6)


def test_each_file_has_its_fastest_number_of_threads(
    evaluated: Record, benched: Record, report: Report
) -> None:
    times = timing_of(benched, s=12.0)
    twice = timing_of(benched, s=8.0)["models"][0]["runs"][0] | {"threads": 2}
    times["models"][0]["runs"].append(twice)
    times["models"][0]["sha256"] = evaluated["file"]["sha256"]
    (timing,) = report(evaluated, times)["devices"][0]["timings"]
    assert (timing["threads"], timing["frame_ms"]["p50"]) == (2, 8.0)


def test_devices_and_frame_sizes_stand_apart(evaluated: Record, benched: Record, report: Report) -> None:
    one, two = (evaluation_of(evaluated, name, gain=gain) for name, gain in (("one", 0.05), ("two", 0.0)))
    pi = machine_of(timing_of(benched, one=90.0, two=70.0), board="Raspberry Pi 5")
    large = machine_of(timing_of(benched, one=95.0, two=99.0), board="Raspberry Pi 5")
    large["settings"] |= {"width": 1920, "height": 1080}
    other = machine_of(timing_of(benched, one=5.0), board=None, cpu="A fast one")
    figures = report(one, two, pi, large, other)
    taken = [
        (d["title"], d["settings"]["width"], d["words"][0].split("take ")[1]) for d in figures["devices"]
    ]
    assert [(title, width, words.split(":")[0]) for title, width, words in taken] == [
        ("Raspberry Pi 5 (1)", 160, "two"),
        ("Raspberry Pi 5 (2)", 1920, "one"),
        ("A fast one", 160, "one"),
    ]
    assert len(figures["out"].splitlines()) == 4


def test_several_benches_of_one_machine_are_one_device(
    evaluated: Record, benched: Record, report: Report
) -> None:
    one, two = (evaluation_of(evaluated, name) for name in ("one", "two"))
    old = timing_of(benched, one=10.0) | {"started": "2026-01-01T10:00:00+00:00"}
    new = timing_of(benched, one=20.0) | {"started": "2026-01-02T09:00:00+02:00"}
    figures = report(one, two, new, old, timing_of(benched, two=30.0))
    (device,) = figures["devices"]
    assert [t["frame_ms"]["p50"] for t in device["timings"]] == [20.0, 30.0]
    assert "03.json: left out, because 02.json measured the same later." in device["warnings"]


def test_a_throttled_board_gets_no_choice(evaluated: Record, benched: Record, report: Report) -> None:
    times = timing_of(benched, s=10.0) | {"verdict": {"result": "void", "because": ["under-voltage"]}}
    times["models"][0]["sha256"] = evaluated["file"]["sha256"]
    figures = report(evaluated, times)
    (device,) = figures["devices"]
    assert device["take"] is None
    assert device["words"][0].startswith("No choice on ") and "void" in device["words"][0]
    assert any("throttled during the measurement: under-voltage" in line for line in device["warnings"])
    assert "under-voltage" in figures["err"]


def test_warnings_of_a_device(evaluated: Record, benched: Record, report: Report) -> None:
    times = timing_of(benched, steady=10.0, shaky=10.0)
    times["verdict"] = {"result": "valid", "because": []}
    times["others"] = 0.1
    steady, shaky = (evaluation_of(evaluated, name) for name in ("steady", "shaky"))
    (device,) = report(steady, shaky, times)["devices"]
    assert device["warnings"] == [] and len(device["words"]) == 1
    samples = model_of(times, "shaky")["runs"][0]["frame"]["total"]["samples_ms"]
    samples[::2] = [20.0] * 100
    times["others"] = 3.25
    times["verdict"] = {"result": "unknown", "because": []}
    warnings = " ".join(report(steady, shaky, times)["devices"][0]["warnings"])
    assert "does not report throttling" in warnings
    assert "kept up to 3.2 processors busy" in warnings
    assert "times vary by more than half: shaky." in warnings
    assert len(report(steady, shaky, times)["devices"][0]["words"]) == 1, "it is slower at its best, too"
    samples[1::2] = [8.0] * 100
    assert "Measure again" in report(steady, shaky, times)["devices"][0]["words"][-1]


def test_two_files_of_one_name_are_not_mixed(evaluated: Record, benched: Record, report: Report) -> None:
    mine = evaluation_of(evaluated, "mine.tflite")
    times = timing_of(benched, **{"mine.tflite": 10.0, "other": 10.0})
    model_of(times, "mine.tflite")["sha256"] = "ab" * 32
    figures = report(mine, evaluation_of(evaluated, "other"), times)
    (line,) = figures["warnings"]
    assert line.startswith(f"mine.tflite was evaluated as {mine['file']['sha256'][:8]} and timed as abababab")
    assert {f"mine.tflite ({mine['file']['sha256'][:8]})", "mine.tflite (abababab)"} < files(figures).keys()


def test_a_pale_file_is_shown_and_not_compared(evaluated: Record, benched: Record, report: Report) -> None:
    pale = evaluation_of(evaluated, "pale")
    for score in pale["scores"]:
        score["colorfulness"] = [0.1 * c for c in score["colorfulness"]]
    figures = report(
        evaluated,
        pale,
        timing_of(benched, pale=1.0)
        | {"models": [*timing_of(benched, pale=1.0)["models"], model_of(benched, "s")]},
    )
    assert files(figures)["pale"]["g56"] is None
    assert "too pale" in files(figures)["pale"]["notes"][0]
    assert figures["devices"][0]["take"] == files(figures)["s"]["letter"]


def test_markdown_says_the_same(evaluated: Record, benched: Record, report: Report, tmp_path: Path) -> None:
    name = "a|b <img src=x> [x](y) `c`"
    figures = report(
        evaluation_of(evaluated, name),
        timing_of(benched, **{name: 10.0}),
        words=("--markdown", str(tmp_path / "report.md")),
    )
    text = (tmp_path / "report.md").read_text("utf-8")
    assert files(figures)[name]["letter"] == "A"
    (row,) = (line for line in text.splitlines() if line.startswith("| A |"))
    assert row.replace("\\|", "").count("|") == 11
    assert "\\<img src=x\\> \\[x\\](y) \\`c\\`" in row
    assert "| 10 |" in row


def test_wrong_calls(
    evaluated: Record, benched: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [str(write(tmp_path / f"{i}.json", r)) for i, r in enumerate((evaluated, benched))]
    page = tmp_path / "report.html"
    for words, code, text in (
        ([str(tmp_path / "none.json"), "-o", str(page)], 1, "none.json: No such file"),
        ([*records, "-o", str(page), "--markdown", str(page)], 2, "name one file"),
        ([*records, "-o", records[0]], 2, "exists already"),
        ([*records, "-o", str(page), "--within", "inf"], 2, "--within inf: expected dB"),
        ([*records, "-o", str(page), "--reference", "nobody"], 2, "--reference nobody: not the name of one"),
    ):
        assert main(["report", *words]) == code
        output = capsys.readouterr()
        assert text in output.err and output.err.count("\n") == 1 and not page.exists()


@pytest.mark.parametrize("command", [["report", "x.json"], ["compare", "s", "--data", "x"]])
def test_a_missing_package_is_named_before_the_work(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").touch()
    (tmp_path / "x").mkdir()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*command, "-o", str(tmp_path / "page.html")]) == 4
    message = capsys.readouterr().err
    fix = install_extra("report")
    assert message == f"edgecolor: `edgecolor {command[0]}` needs jinja2. Install it with: {fix}\n"


def test_milliseconds_in_three_digits() -> None:
    assert [ms_text(v) for v in (0.01234, 9.996, 12.34, 999.4, 999.6, 12345.6)] == [
        "0.0123",
        "10",
        "12.3",
        "999",
        "1,000",
        "12,346",
    ]
