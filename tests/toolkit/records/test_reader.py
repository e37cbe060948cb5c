"""Reading records with distrust: each wrong record is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecolor.cli import main
from edgecolor.records.reader import MAX_RECORD_BYTES

from ..changed_records import Record, evaluation_of

Change = Callable[[Record], Any]


def evaluation_with(change: Change) -> Callable[[Record, Record], list[Record | str]]:
    return lambda evaluated, benched: [_changed(evaluated, change), benched]


def bench_with(change: Change) -> Callable[[Record, Record], list[Record | str]]:
    return lambda evaluated, benched: [evaluated, _changed(benched, change)]


def _changed(record: Record, change: Change) -> Record:
    copy: Record = json.loads(json.dumps(record))
    change(copy)
    return copy


def second_with(change: Change) -> Callable[[Record, Record], list[Record | str]]:
    return lambda evaluated, benched: [
        evaluated,
        _changed(evaluation_of(evaluated, "second"), change),
        benched,
    ]


def text_with(old: str, new: str) -> Callable[[Record, Record], list[Record | str]]:
    return lambda evaluated, benched: [json.dumps(evaluated).replace(old, new, 1), benched]


JPEG_OF_8_PIXELS = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4z"
    "NDL/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAB//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q=="
)

REFUSED: dict[str, tuple[Callable[[Record, Record], list[Record | str]], int, str]] = {
    "empty": (lambda e, b: [""], 1, "not a JSON record"),
    "no JSON": (lambda e, b: ["<html>"], 1, "not a JSON record"),
    "cut": (lambda e, b: [json.dumps(e)[:-40], b], 1, "not a JSON record"),
    "not UTF-8": (lambda e, b: ["\udcff"], 1, "not a JSON record"),
    "deep": (lambda e, b: ["[" * 100_000], 1, "not a JSON record"),
    "deep in a member": (
        lambda e, b: ['{"schema": "edgecolor-bench/1", "models": ' + "[" * 990 + "]" * 990 + "}"],
        1,
        "not ",
    ),
    "a list": (lambda e, b: ["[]"], 1, "not a record"),
    "another schema": (lambda e, b: ['{"schema": "edgecolor-report/1"}'], 1, "not a record"),
    "a schema that is no text": (lambda e, b: ['{"schema": {}}'], 1, "not a record"),
    "an older evaluation": (
        lambda e, b: [{k: v for k, v in e.items() if k not in ("schema", "file")}, b],
        1,
        "an older edgecolor",
    ),
    "NaN": (text_with('"saturation": 1.', '"saturation": NaN, "x": 1.'), 1, "NaN is not a number"),
    "infinite": (text_with('"saturation": 1.', '"saturation": 1e999, "x": 1.'), 1, "1e999 is not a number"),
    "absurd": (text_with('"truth": ', '"truth": 1e99'), 1, "is not a number that can be measured"),
    "a huge integer": (text_with('"truth": ', f'"truth": {"9" * 5000}'), 1, "is not a number that can be"),
    "a text for a number": (
        evaluation_with(lambda r: r.update(saturation="1")),
        1,
        "$.saturation: '1' is not",
    ),
    "something missing": (evaluation_with(lambda r: r.pop("file")), 1, "'file' is a required property"),
    "something more": (bench_with(lambda r: r.update({"x" * 9999: 1})), 1, "additionalProperties"),
    "no scores": (evaluation_with(lambda r: r["scores"].clear()), 1, "$.scores"),
    "a score missing": (evaluation_with(lambda r: r["scores"].pop()), 1, "not one for each of the 4"),
    "a score twice": (
        evaluation_with(lambda r: r["scores"][0].update(name=r["scores"][1]["name"])),
        1,
        "not one for each of the",
    ),
    "short scores": (evaluation_with(lambda r: r["scores"][0]["psnr"].pop()), 1, "$.scores[0].psnr"),
    "no time": (evaluation_with(lambda r: r.update(started="yesterday")), 1, "is not a time in ISO 8601"),
    "no time zone": (bench_with(lambda r: r.update(started="2026-01-01T10:00:00")), 1, "has no time zone"),
    "a picture of nothing": (
        evaluation_with(lambda r: r["pictures"][0].update(name="x.jpg")),
        1,
        "a photograph that was not evaluated",
    ),
    "a picture that is none": (
        evaluation_with(lambda r: r["pictures"][0].update(finished="AAAA")),
        1,
        "is not a JPEG of 224 pixels",
    ),
    "a picture of another size": (
        evaluation_with(lambda r: r["pictures"][0].update(original=JPEG_OF_8_PIXELS)),
        1,
        "is not a JPEG of 224",
    ),
    "frames in no time": (
        bench_with(lambda r: r["models"][0]["runs"][0]["frame"]["total"]["samples_ms"].__setitem__(0, 0)),
        1,
        "took no time at all",
    ),
    "fewer samples": (
        bench_with(lambda r: r["models"][0]["runs"][0]["invoke"]["samples_ms"].pop()),
        1,
        "199 samples, but a count of 200",
    ),
    "other photographs": (
        second_with(lambda r: r["data"].update(sha256="0" * 64)),
        1,
        "Evaluate all files on one folder",
    ),
    "another protocol": (second_with(lambda r: r.update(protocol="color plane 0")), 1, "another protocol"),
    "photographs that only claim to be the same": (
        second_with(lambda r: r["scores"][0].update(truth=1.0)),
        1,
        "although the hashes agree",
    ),
    "gray photographs": (
        evaluation_with(lambda r: [s.update(truth=0) for s in r["scores"]]),
        1,
        "have no color to compare with",
    ),
    "no evaluation": (lambda e, b: [b], 2, "There is no evaluation"),
    "no bench": (lambda e, b: [e], 2, "There is no benchmark"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(
    case: str, evaluated: Record, benched: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, code, text = REFUSED[case]
    paths = []
    for i, record in enumerate(make(evaluated, benched)):
        path = tmp_path / f"{i}.json"
        path.write_text(record if isinstance(record, str) else json.dumps(record), "utf-8", "surrogateescape")
        paths.append(str(path))
    assert main(["report", *paths, "-o", str(tmp_path / "report.html")]) == code
    output = capsys.readouterr()
    assert text in output.err
    assert output.out == "" and output.err.count("\n") == 1 and len(output.err) < 600
    assert not (tmp_path / "report.html").exists()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_RECORD_BYTES + 1)
    assert main(["report", str(path), "-o", str(tmp_path / "report.html")]) == 1
    assert "larger than 64 MiB" in capsys.readouterr().err
