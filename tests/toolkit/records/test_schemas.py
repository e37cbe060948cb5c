"""The JSON schemas of records: generated, committed, and as strict as the records."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edgecolor.records.reader import read_record
from edgecolor.records.schemas import BENCH, EVALUATION, SCHEMAS, RecordSchema
from edgecolor.records.types import BenchRecord, EvaluationRecord, Verdict
from edgecolor_runtime.models.info import Precision

Record = dict[str, Any]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))
def test_the_committed_schema_is_the_generated_one(schema: RecordSchema) -> None:
    assert schema.read() == schema.generate(), "run: python -m edgecolor.records.schemas"
    Draft202012Validator.check_schema(schema.read())


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))
def test_no_object_allows_other_members(schema: RecordSchema) -> None:
    generated = schema.generate()
    objects = [generated, *generated["$defs"].values()]
    assert len(objects) > 9
    for part in objects:
        assert part["additionalProperties"] is False
        assert part["required"] == [name for name in part["properties"] if name != "left_out"]
        assert part["description"]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(saturation=-0.1),
        lambda r: r["data"].update(photographs=0),
        lambda r: r["data"].update(sha256="A" * 64),
        lambda r: r["file"].update(bytes=0),
        lambda r: r["file"].update(precision="int4"),
        lambda r: r["plane"]["curve"].pop(),
        lambda r: r["plane"]["curve"][0].update(share=-1),
        lambda r: r["scores"][0].update(psnr=[0.0] * 18),
        lambda r: r["scores"][0].update(ciede2000=-1),
        lambda r: r.update(scores=[]),
        lambda r: r.update(pictures=7 * r["pictures"][:1]),
        lambda r: r["pictures"][0].update(finished="A" * 300_001),
        lambda r: r.update(schema="edgecolor-evaluation/2"),
    ],
)
def test_the_evaluation_schema_refuses(change: Callable[[Record], Any], evaluated: Record) -> None:
    validator = Draft202012Validator(EVALUATION.read())
    assert validator.is_valid(evaluated)
    record = copy.deepcopy(evaluated)
    change(record)
    assert not validator.is_valid(record)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["machine"].update(bits=16),
        lambda r: r["settings"].update(threads=[]),
        lambda r: r["settings"].update(width=0),
        lambda r: r["verdict"].update(result="maybe"),
        lambda r: r["verdict"].update(because=["fire"]),
        lambda r: r["before"].update(throttled=["fire"]),
        lambda r: r["models"][0].update(flatbuffer_sha256=None),
        lambda r: r["models"][0].update(alpha=None),
        lambda r: r["models"][0].update(parameters=None),
        lambda r: r["models"][0]["runs"][0].update(threads=0),
        lambda r: r["models"][0]["runs"][0]["invoke"].update(samples_ms=[]),
        lambda r: r["models"][0]["runs"][0]["invoke"].update(count=0),
        lambda r: r.update(others=-1),
        lambda r: r.update(libraries={"numpy": 2}),
    ],
)
def test_the_bench_schema_refuses(change: Callable[[Record], Any], benched: Record) -> None:
    validator = Draft202012Validator(BENCH.read())
    assert validator.is_valid(benched)
    record = copy.deepcopy(benched)
    change(record)
    assert not validator.is_valid(record)


def test_a_record_that_is_read_and_written_stays_the_same(
    evaluated: Record, benched: Record, tmp_path: Path
) -> None:
    for record in (evaluated, benched):
        path = tmp_path / "record.json"
        path.write_text(json.dumps(record), "utf-8")
        typed = read_record(path)
        assert typed.path == path
        written = typed.to_json()
        if "plane" in record:  # computed again, from rounded scores
            assert written["plane"]["gain"] == pytest.approx(record["plane"]["gain"], abs=1e-4)
            written["plane"] = record["plane"]
        assert written == record
        assert list(written) == list(record), "the order of the members"


def test_what_is_read_is_typed(evaluated: Record, benched: Record, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(evaluated), "utf-8")
    evaluation = read_record(path)
    assert isinstance(evaluation, EvaluationRecord)
    assert evaluation.file.precision is Precision.INT8
    assert evaluation.started.tzinfo is not None
    assert evaluation.pictures[0].original.startswith(b"\xff\xd8"), "a JPEG"
    path.write_text(json.dumps(benched), "utf-8")
    bench = read_record(path)
    assert isinstance(bench, BenchRecord)
    assert isinstance(bench.verdict.result, Verdict)
    assert bench.models[0].runs[0].frame.total.count == 200


def test_means_are_computed_again(evaluated: Record, tmp_path: Path) -> None:
    """A record cannot state a mean that its scores contradict."""
    record = copy.deepcopy(evaluated)
    record["plane"]["g56"] = record["plane"]["gain"] = 99.0
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record), "utf-8")
    typed = read_record(path)
    assert isinstance(typed, EvaluationRecord)
    assert typed.evaluation.plane.g56 == pytest.approx(evaluated["plane"]["g56"], abs=1e-4)
    assert typed.evaluation.plane.gain == pytest.approx(evaluated["plane"]["gain"], abs=1e-4)


def test_both_schemas_are_schemas_and_know_their_records(evaluated: Record, benched: Record) -> None:
    for record in (evaluated, benched):
        schema = SCHEMAS[record["schema"]].read()
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(record)
        assert schema["title"] == record["schema"]
