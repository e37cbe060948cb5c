"""What is printed: texts of strangers cannot control the terminal, and broken streams stop no work."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.cli.common.messages import escape_controls
from edgecolor_runtime.models import model_file
from edgecolor_runtime.models.info import ModelInfo
from edgecolor_runtime.models.model_file import ModelFile, build_document, read

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests" / "edge_runtime" / "data" / "tiny-int8.tflite"
HOSTILE = "\x1b[2J\x1b]0;title\x07evil\nsha256       0000\r\u202egnp\x9b31m"
FORBIDDEN = set(map(chr, [*range(32), *range(127, 160), 0x202E, 0x2028])) - {"\n"}

Pack = Callable[[dict[str, object]], Path]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").save(path)
    return path


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    """Write a model file with consistent hashes whose edgecolor.json has other values."""

    def write(changes: dict[str, object]) -> Path:
        model = read(MODEL)
        document = build_document(model.info, model.sha256) | changes
        monkeypatch.setattr(model_file, "build_document", lambda info, sha256: document)
        monkeypatch.setattr(model_file, "parse", lambda data, where: None)
        data = model_file.pack(model.flatbuffer, model.info, model.golden)
        monkeypatch.undo()
        path = tmp_path / "hostile.tflite"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain Ünïcode 写真 .jpg", "plain Ünïcode 写真 .jpg"),
        ("a\nb\r\t\x1b[0m\x7f", r"a\nb\r\t\x1b[0m\x7f"),
        ("\x9b31m\u202egnp\u2028", r"\x9b31m\u202egnp\u2028"),
        ("\ud800", r"\ud800"),
        ("name-\udcff", "name-\udcff"),  # a byte of a file name that is not UTF-8
        ("\udcc2\udc9b31m", r"\x9b31m"),  # two bytes that form a control character
        (r"C:\new", r"C:\new"),
    ],
)
def test_escaping(text: str, expected: str) -> None:
    assert escape_controls(text) == expected


def assert_harmless(text: str, lines: int | None = None) -> None:
    assert not FORBIDDEN & set(text), text
    assert not [line for line in text.splitlines() if line.startswith(("sha256       0000", "gnp"))]
    if lines is not None:
        assert len(text.splitlines()) == lines


def test_metadata_of_a_model_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = read(MODEL)
    info = replace(
        model.info,
        name=HOSTILE,
        version=HOSTILE,
        license=HOSTILE,
        created_by=HOSTILE,
        training={HOSTILE: HOSTILE},
    )
    path = tmp_path / "hostile.tflite"
    path.write_bytes(model_file.pack(model.flatbuffer, info, model.golden))
    assert main(["inspect", str(path)]) == 0
    out, err = capsys.readouterr()
    assert r"\x1b[2J" in out
    assert_harmless(out + err)
    assert main(["check", str(path)]) in (0, 3)
    out, err = capsys.readouterr()
    assert_harmless(out + err)


def test_file_names_are_escaped(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = photo.rename(tmp_path / f"{HOSTILE.replace('/', '')}.png")
    assert main(["run", "--model", str(MODEL), str(hostile)]) == 0
    out, err = capsys.readouterr()
    assert_harmless(out, lines=1)
    hostile.write_bytes(b"not a picture")
    assert main(["run", "--model", str(MODEL), str(hostile), "-o", str(tmp_path / "x.png")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert_harmless(err, lines=1)


@pytest.mark.parametrize(
    "words", [["run", f"--{HOSTILE}"], [HOSTILE], ["run", "--quality", HOSTILE, "a.jpg"]]
)
def test_errors_of_usage_are_escaped(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert_harmless(err)


ALLOWED = ("FIRST_STEPS", "json.dumps(", "_json(", "text", "f'edgecolor {edgecolor_runtime.__version__}'")
DEEP: object = []
for _ in range(200):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "changes",
    [
        {"training": DEEP},
        {"name": "\ud800s"},
        {"training": {"\udfff": 1}},
        {"name": 7},
        {"saturation": 10**400},
        {"ab_scale": 1e300},
        {"parameters": -(10**30)},
        {"precision": ["int8"]},
        {"input": 3},
        {"output": None},
        {"calibration": "x"},
        {"float_layers": [1]},
        {"fidelity": {"pictures": {}}},
        {"edgetpu": []},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("command", ["inspect", "run"])
def test_wrong_metadata_is_one_line(
    changes: dict[str, object], command: str, pack: Pack, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pack(changes)
    words = ["inspect", str(path)] if command == "inspect" else ["run", "--model", str(path), str(photo)]
    assert main(words) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert_harmless(err, lines=1)


def test_the_fixture_packs_an_intact_file(pack: Pack) -> None:
    assert isinstance(read(pack({"version": "2"})), ModelFile)
    assert isinstance(read(pack({})).info, ModelInfo)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell with 2>&-")
class TestStreams:
    def shell(self, line: str, *words: object, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", line, "sh", sys.executable, "-m", "edgecolor", *map(str, words)],
            capture_output=True,
            encoding=encoding,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            check=False,
            timeout=120,
        )

    def test_closed_stderr_does_not_stop_a_run(self, photo: Path, tmp_path: Path) -> None:
        folder, out = tmp_path / "in", tmp_path / "out"
        folder.mkdir()
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(photo.read_bytes())
        done = self.shell('"$@" 2>&-', "run", "--model", MODEL, folder, "-o", out)
        assert done.returncode == 0
        assert done.stdout.splitlines() == [str(out / "a.png"), str(out / "b.png")]
        assert (out / "a.png").stat().st_size > 1000

    def test_errors_do_not_go_to_stdout(self, tmp_path: Path) -> None:
        words = ["run", "--model", MODEL, tmp_path / "missing.png"]
        done = self.shell('"$@" 2>&-', *words)
        assert (done.returncode, done.stdout) == (1, "")
        done = self.shell('"$@" 2>&-', "--nope")
        assert (done.returncode, done.stdout) == (2, "")

    def test_all_streams_closed(self, photo: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.png"
        words = ["run", "--model", MODEL, photo, "-o", out]
        assert self.shell('"$@" <&- >&- 2>&-', *words).returncode == 0
        with Image.open(out) as colored:
            assert colored.mode == "RGB"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_unwritable_streams(self, photo: Path, tmp_path: Path) -> None:
        damaged = tmp_path / "damaged.png"
        damaged.write_bytes(b"not a picture")
        words = ["run", "--model", MODEL, damaged, photo, "-o", tmp_path / "out"]
        done = self.shell('"$@" 2>/dev/full', *words)
        assert done.returncode == 1
        assert (tmp_path / "out" / "photo.png").exists()
        done = self.shell('"$@" >/dev/full', "inspect", MODEL)
        assert done.returncode == 1
        assert done.stderr.splitlines() == ["edgecolor: No space left on device"]

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
    def test_any_encoding_of_stdout(self, encoding: str, photo: Path, tmp_path: Path) -> None:
        name = photo.rename(tmp_path / "写真-é-😀.png")
        done = self.shell('"$@"', "run", "--model", MODEL, name, encoding=encoding)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 1


def test_only_the_messages_module_prints() -> None:
    """Other modules of the command line print JSON at most, which is ASCII."""
    unescaped = []
    for path in sorted((ROOT / "toolkit" / "edgecolor" / "cli").rglob("*.py")):
        if path.name == "messages.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo"):
                text = ast.unparse(node.args[0])
                if not text.startswith(ALLOWED):
                    unescaped.append(f"{path.name}:{node.lineno}: {text}")
    assert unescaped == []


def test_json_is_ascii(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = photo.rename(tmp_path / f"{HOSTILE}.png")
    assert main(["run", "--model", str(MODEL), str(hostile), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii() and not FORBIDDEN & set(out)
    assert json.loads(out)["pictures"][0]["input"] == str(hostile)
