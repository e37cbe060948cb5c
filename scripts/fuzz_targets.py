"""What `scripts/fuzz.py` feeds to edgecolor: valid files, their mutants, and the functions that read them."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgecolor.batch.folder_run import color_folder
from edgecolor.batch.manifest import Manifest
from edgecolor.batch.plan import MANIFEST_NAME, ColoringOptions, plan_jobs
from edgecolor.cli import main as run_edgecolor
from edgecolor.data.calibration import MIN_PICTURES, read_calibration
from edgecolor.data.coverage import BIN_EDGES, measure_coverage
from edgecolor.data.dataset import load_pairs, open_dataset, prepare_dataset
from edgecolor.exporting.packing import read_description
from edgecolor.records.identity import identify
from edgecolor.tflite.graph import read_tree
from edgecolor.training.run_folder import STATE, RunFolder, RunIdentity, RunState, begin_run, write_state
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models import model_file
from edgecolor_runtime.models.flatbuffer import verify_flatbuffer
from edgecolor_runtime.models.signature import INPUT_SIZE

REPOSITORY = Path(__file__).parents[1]
TINY_MODEL = REPOSITORY / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"
SIDECAR = REPOSITORY / "models" / "s" / "s.json"

INTERPRETER_SECONDS = 20
INTERPRETER_BYTES = 4 << 30  # address space
VALID = "valid"  # folder of copies of the files that mutants replace
REFUSALS = (1, 2, 3, 5)  # exit codes of a command that refuses a file

MARK = "<script>fuzz</script>"  # must never reach a page as it is
"""Text that a page must escape."""

VALUES: tuple[object, ...] = (
    None, True, False, -1, 0, 1, 1.5, -1e15, 1e15, 1e300, 2**31, 2**63, 10**400, "", "x" * 5000, "\ud800",
    "\0", "\x1b[2J\r\n", "\u202e", MARK, "../../etc/passwd", "float32", "2026-01-01T00:00:00Z", [], {}, [[]],
    [None], {"": ""}, [0] * 300, json.loads("[" * 25 + "]" * 25), float("nan"), float("inf"), -0.0,
)  # fmt: skip
TEXTS = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 5000,
    b'{"a":' * 5000,
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\0",
)
NUMBERS = (0, 1, 7, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)

RUN = RunIdentity({"epochs": 3, "loss": {"huber": 1.0}}, "a" * 64, "b" * 64)

Mutate = Callable[[random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        name: name in the table.
        mutate: returns a changed file.
        read: reads it; returns what happened, or raises EdgecolorError to refuse it.
    """

    name: str
    mutate: Mutate
    read: Callable[[bytes], str | None]


# How files are changed


def change_bytes(data: bytes, chance: random.Random, where: Sequence[tuple[int, int]] | None = None) -> bytes:
    """Return data with a few changed, copied or missing bytes.

    Args:
        data: the file.
        chance: source of randomness.
        where: begin and end of the parts to change (default: all of the file).
    """
    mutant = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if len(mutant) < 16:
            break
        begin, end = chance.choice(where) if where else (0, len(mutant))
        at = min(chance.randrange(begin, max(end, begin + 1)), len(mutant) - 4)
        kind = chance.randrange(8)
        if kind < 3:
            mutant[at] ^= 1 << chance.randrange(8)
        elif kind < 5:
            mutant[at : at + 4] = chance.choice(NUMBERS).to_bytes(4, "little")
        elif kind < 7:
            source = chance.randrange(len(mutant) - 4)
            mutant[at : at + 4] = mutant[source : source + 4]
        elif chance.randrange(4) == 0:
            del mutant[at:]
    return bytes(mutant)


def change_json(data: bytes, chance: random.Random) -> bytes:
    """Return JSON with a few changed values, keys or bytes."""
    document = json.loads(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            break
        # Lists of numbers are long: choose first how deep the change is.
        depth = chance.choice([depth for depth, _, _ in places[:: max(1, len(places) // 200)]])
        _, holder, key = chance.choice([place for place in places if place[0] == depth])
        kind = chance.randrange(8)
        if kind < 4:
            holder[key] = deepcopy(chance.choice(VALUES))
        elif kind == 4:
            del holder[key]
        elif kind == 5:
            _, other, other_key = chance.choice(places)
            with contextlib.suppress(LookupError):  # it was removed
                holder[key] = deepcopy(other[other_key])
        elif isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        elif kind == 6:
            holder[chance.choice(("", "x", MARK, "\x1b[2J", "name", "schema"))] = holder.pop(key)
        else:
            holder[str(chance.choice(VALUES))[:2000]] = deepcopy(chance.choice(VALUES))
    text = json.dumps(document).encode("ascii")
    if chance.randrange(6) == 0:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(TEXTS) + text[at + chance.choice((0, 1, 4)) :]
    return change_bytes(text, chance) if chance.randrange(10) == 0 else text


def _places(value: Any, depth: int = 0) -> Iterator[tuple[int, Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield depth, value, key
        yield from _places(value[key], depth + 1)


def change_lines(data: bytes, chance: random.Random) -> bytes:
    """Return a file of JSON lines with a changed line, or changed bytes."""
    lines = data.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    kind = chance.randrange(6)
    if kind == 0:
        return change_bytes(data, chance)
    if kind == 1:
        lines.insert(at, chance.choice((b"\n", b"null\n", b"[]\n", b"{}\n", chance.choice(TEXTS) + b"\n")))
    else:
        lines[at] = change_json(lines[at], chance) + b"\n"
    return b"".join(lines)


# How files are read


def edgecolor(*words: object) -> str | None:
    """Run a command in this process.

    Raises:
        AssertionError: it refused the file with anything else than messages of edgecolor.
        EdgecolorError: it refused the file.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_edgecolor(list(map(str, words)))
    if code == 0:
        return None
    lines = err.getvalue().splitlines()
    assert code in REFUSALS, (code, lines)
    assert lines and all(line.startswith("edgecolor: ") and line.isprintable() for line in lines), lines
    refusal = EdgecolorError(lines[0])
    refusal.exit_code = code
    raise refusal


def read_network(folder: Path, model: model_file.ModelFile, flatbuffer: bytes) -> str:
    """Describe a network as any .tflite file and as a model; run one that the gate accepts."""
    path = folder / "network.tflite"
    path.write_bytes(flatbuffer)
    with contextlib.suppress(EdgecolorError):
        edgecolor("inspect", path)
    verify_flatbuffer(flatbuffer)
    path.write_bytes(model_file.pack(flatbuffer, model.info, model.golden))
    edgecolor("inspect", path, "--json")
    return run_interpreter(replace(model, flatbuffer=flatbuffer))


def run_interpreter(model: model_file.ModelFile) -> str:
    """Run a network in a process of its own; return what happened."""
    process = os.fork()
    if process == 0:
        os.close(2)
        try:
            import resource

            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(INTERPRETER_SECONDS)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if sys.platform == "linux":
                resource.setrlimit(resource.RLIMIT_AS, (INTERPRETER_BYTES, INTERPRETER_BYTES))
            Colorizer(model).predict(np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8))
        except EdgecolorError:
            os._exit(5)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code < 0:
        return "does not end" if code == -signal.SIGALRM else f"crashes ({signal.Signals(-code).name})"
    return {0: "runs", 5: "refused by the interpreter"}.get(code, "fails in the interpreter")


def report(folder: Path, changed: str, data: bytes) -> None:
    """Write a report of two records, one of which is changed."""
    files = {name: folder / f"{name}.json" for name in ("evaluation", "bench")}
    mutant = folder / "mutant.json"
    mutant.write_bytes(data)
    page, markdown, figures = (folder / f"page.{suffix}" for suffix in ("html", "md", "json"))
    others = [path for name, path in files.items() if name != changed]
    edgecolor(
        "report", mutant, *others, "--quiet", "--force", "-o", page, "--markdown", markdown, "--json", figures
    )
    assert MARK not in page.read_text("utf-8"), "the page holds text of a record that is not escaped"
    assert MARK not in markdown.read_text("utf-8"), "the Markdown holds text that is not escaped"
    json.loads(figures.read_text("utf-8"))


def read_sidecar_of(folder: Path, data: bytes) -> None:
    """Read the JSON file beside a network as evaluate and export do."""
    network = folder / "network.keras"
    network.with_suffix(".json").write_bytes(data)
    identify(str(network))
    description = read_description(network, name=None, saturation=None)
    json.dumps(description.training), json.dumps(description.accuracy)
    own = {name: [1 / (len(edges) - 1)] * (len(edges) - 1) for name, edges in BIN_EDGES.items()}
    if description.training_histograms:
        measure_coverage(own, description.training_histograms)


def resume(folder: Path, name: str, data: bytes) -> None:
    """Read the folder of a training run in which one file is changed."""
    valid = (folder / name).read_bytes()
    (folder / name).write_bytes(data)
    try:
        with RunFolder(folder, RUN) as run:
            json.dumps(asdict(run.state))
            _ = run.state.hours
    finally:
        (folder / name).write_bytes(valid)


def read_dataset(folder: Path, data: bytes) -> None:
    """Open a prepared dataset in which info.json is changed."""
    (folder / "info.json").write_bytes(data)
    prepared = open_dataset(folder)
    _ = prepared.identity
    for rows in prepared.rows.values():
        load_pairs(prepared, rows[:4])


def read_manifest(album: Path, output: Path, data: bytes) -> None:
    """Verify and resume a folder of results whose manifest is changed."""
    (output / MANIFEST_NAME).write_bytes(data)
    with contextlib.suppress(EdgecolorError):
        edgecolor("run", album, "-o", output, "--verify", "--quiet")
    with Manifest(output, model_file.read(TINY_MODEL), ColoringOptions(workers=1)) as manifest:
        manifest.colored_before(plan_jobs([album], output).jobs)


def read_csv(path: Path, read: Callable[[Path], object], data: bytes) -> None:
    """Read a folder in which a CSV file is changed."""
    path.write_bytes(data)
    read(path.parent)


def repack(data: bytes, member: str, content: bytes) -> bytes:
    """Return a model file with another member, and the hashes that belong to it."""
    flatbuffer, members = model_file._split(data, "example")
    members = members | {member: content}
    described = {name: members[name] for name in members if name != "SHA256SUMS"}
    return model_file._join(flatbuffer, described | {"SHA256SUMS": model_file._sums(flatbuffer, described)})


# The files that are changed


def make_examples(folder: Path) -> None:
    """Write a valid file of every kind."""
    album = folder / "album"
    album.mkdir()
    chance = np.random.default_rng(1)
    for number in range(MIN_PICTURES):
        picture = chance.integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(picture).resize((96, 64)).save(album / f"{number}.jpg")
    small = folder / "small"
    small.mkdir()
    for path in sorted(album.iterdir())[:3]:
        (small / path.name).write_bytes(path.read_bytes())
    color_folder(small, folder / "colored", model=TINY_MODEL)
    prepare_dataset(album, folder / "prepared")
    words = ("evaluate", "s", small, "--pictures", "*", "-q", "-o", folder / "evaluation.json")
    assert edgecolor(*words) is None
    size = ("--width", 16, "--height", 16, "--threads", 1)
    assert edgecolor("bench", "s", *size, "-q", "-o", folder / "bench.json") is None
    (folder / "network.keras").write_bytes(b"network")
    run = folder / "run"
    run.mkdir()
    begin_run(run, RUN)
    (run / "checkpoint-1.bin").write_bytes(b"weights")
    sums = {"checkpoint-1.bin": hashlib.sha256(b"weights").hexdigest()}
    state = RunState(1, "checkpoint-1", ({"loss": 1.0, "seconds": 2.0},), sums)
    write_state(run, state, RunState())  # without an older state, which would replace a damaged one
    with (album / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "sha256"))
        for path in sorted(album.glob("*.jpg")):
            rows.writerow((path.name, hashlib.sha256(path.read_bytes()).hexdigest()))

    for path in (album / "manifest.csv", run / "recipe.json", run / STATE, *folder.glob("*/*.json*")):
        valid = folder / VALID / path.relative_to(folder)
        valid.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, valid)


def outside_of_weights(flatbuffer: bytes) -> list[tuple[int, int]]:
    """Return the parts of a flatbuffer that are no stored values: where its structure is."""
    values = [bytes(buffer.data) for buffer in read_tree(flatbuffer).buffers if buffer.data is not None]
    begins = sorted((flatbuffer.find(data), len(data)) for data in values if len(data) > 64)
    parts, end = [], 0
    for begin, length in begins:
        if begin > end:
            parts.append((end, begin))
        end = begin + length
    return [*parts, (end, len(flatbuffer))]


def make_targets(folder: Path) -> list[Target]:
    """Return all targets, for the examples in a folder; what earlier mutants replaced is restored."""
    shutil.copytree(folder / VALID, folder, dirs_exist_ok=True)
    whole = TINY_MODEL.read_bytes()
    model = model_file.read(TINY_MODEL)
    structure = outside_of_weights(model.flatbuffer)
    description = json.dumps(model_file.build_document(model.info, model.sha256)).encode()
    parse = partial(model_file.parse, where="mutant")

    def repacked(member: str, change: Mutate) -> Mutate:
        """Return mutants of a member of the model file whose hashes are right."""
        return lambda chance: repack(whole, member, change(chance))

    def of(path: Path, change: Callable[[bytes, random.Random], bytes]) -> Mutate:
        data = path.read_bytes()
        return lambda chance: change(data, chance)

    golden = model_file._split(whole, "example")[1]["golden.npz"]
    run, prepared, album = folder / "run", folder / "prepared", folder / "album"
    manifest = folder / "colored" / MANIFEST_NAME
    return [
        Target("model file", lambda chance: change_bytes(whole, chance), ignore(parse)),
        Target(
            "edgecolor.json",
            repacked("edgecolor.json", lambda chance: change_json(description, chance)),
            partial(inspect_model, folder / "mutant.tflite"),
        ),
        Target(
            "golden.npz",
            repacked("golden.npz", lambda chance: change_bytes(golden, chance)),
            ignore(parse),
        ),
        Target(
            "network",
            lambda chance: change_bytes(model.flatbuffer, chance, structure),
            partial(read_network, folder, model),
        ),
        Target(
            "evaluation record",
            of(folder / "evaluation.json", change_json),
            partial(report, folder, "evaluation"),
        ),
        Target("bench record", of(folder / "bench.json", change_json), partial(report, folder, "bench")),
        Target("sidecar", of(SIDECAR, change_json), partial(read_sidecar_of, folder)),
        Target("recipe of a run", of(run / "recipe.json", change_json), partial(resume, run, "recipe.json")),
        Target("state of a run", of(run / STATE, change_json), partial(resume, run, STATE)),
        Target("dataset", of(prepared / "info.json", change_json), partial(read_dataset, prepared)),
        Target(
            "manifest of results",
            of(manifest, change_lines),
            partial(read_manifest, folder / "small", manifest.parent),
        ),
        Target(
            "calibration manifest",
            of(album / "manifest.csv", change_bytes),
            partial(read_csv, album / "manifest.csv", read_calibration),
        ),
    ]


def ignore(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Return a function that reads and returns nothing."""

    def read_only(data: bytes) -> None:
        read(data)

    return read_only


def inspect_model(path: Path, data: bytes) -> str | None:
    """Print what a model file says about itself, as text and as JSON."""
    path.write_bytes(data)
    edgecolor("inspect", path, "--json")
    return edgecolor("inspect", path)
