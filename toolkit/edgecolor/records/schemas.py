"""The JSON schemas of the records, generated from the dataclasses of `types.py`.

The committed files `evaluation.schema.json` and `bench.schema.json` are what programs outside read. After a
change of a dataclass, write them again:

    python -m edgecolor.records.schemas
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgecolor.records.types import BENCH_SCHEMA, EVALUATION_SCHEMA, BenchRecord, EvaluationRecord
from edgecolor.support.json_records import JsonObject, json_schema


@dataclass(frozen=True)
class RecordSchema:
    """The JSON schema of one kind of record.

    Attributes:
        kind: dataclass of the record.
        title: value of its member `schema`.
        description: what the record is.
        path: committed file.
    """

    kind: type[EvaluationRecord] | type[BenchRecord]
    title: str
    description: str
    path: Path

    def generate(self) -> JsonObject:
        """Return the schema."""
        return json_schema(self.kind, title=self.title, description=self.description)

    def read(self) -> JsonObject:
        """Return the schema of the committed file."""
        schema: JsonObject = json.loads(self.path.read_text("utf-8"))
        return schema


EVALUATION = RecordSchema(
    EvaluationRecord,
    EVALUATION_SCHEMA,
    "The output of `edgecolor evaluate -o`: how well one file colors one set of photographs. PSNR in dB, "
    "color differences in CIEDE2000, ab in Lab units.",
    Path(__file__).with_name("evaluation.schema.json"),
)
BENCH = RecordSchema(
    BenchRecord,
    BENCH_SCHEMA,
    "The output of `edgecolor bench -o`: how fast models are on one machine. Null: the machine does not "
    "report the value.",
    Path(__file__).with_name("bench.schema.json"),
)
SCHEMAS = {schema.title: schema for schema in (EVALUATION, BENCH)}


def main() -> None:
    """Write the schema files."""
    for schema in SCHEMAS.values():
        schema.path.write_text(json.dumps(schema.generate(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
