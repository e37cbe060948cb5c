"""`edgecolor run --engine ray`: the results of the local engine, and resume after a kill."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgecolor.cli import main
from edgecolor.support.extras import install_extra

CALIBRATION = Path(__file__).parents[3] / "calibration"
MODEL = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"

# A cluster for all tests of this file. It prints its address and ends when its stdin is closed. Its workers
# die when they open a picture named deadly, as if a decoder crashed or the memory was exhausted.
CLUSTER = """
import ray, sys
context = ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
print(context.address_info["address"], flush=True)
sys.stdin.read()
"""
DEADLY = """
import os, signal
from PIL import Image
harmless = Image.open
def open(path, *words, **options):
    if "deadly" in str(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return harmless(path, *words, **options)
Image.open = open
"""

# The local engine finishes 120 photographs in a moment: this command stops after its first lines.
STOPPING = """
import sys, time
from edgecolor.batch.commit import ResultCommitter
from edgecolor.cli import main
commit = ResultCommitter.commit
def commit_and_stop(self):
    commit(self)
    time.sleep(600)
ResultCommitter.commit = commit_and_stop
sys.exit(main(sys.argv[1:]))
"""
# A command on a busy machine: the loop of Ray Data still uses Ray seconds after the run was interrupted.
SLOW_LOOP = """
import sys, time
def patch():
    import ray
    from ray.data._internal.execution.streaming_executor import StreamingExecutor
    step = StreamingExecutor._scheduling_loop_step
    def slow_step(self, topology):
        more = step(self, topology)
        if self._shutdown:
            core_worker, end = ray._private.worker.global_worker.core_worker, time.monotonic() + 6
            while time.monotonic() < end:
                core_worker.get_current_node_id()
                time.sleep(0.001)
        return more
    StreamingExecutor._scheduling_loop_step = slow_step
from edgecolor.batch import ray_engine
from edgecolor.cli import main
stream = ray_engine._stream_results
def patched_stream(*arguments):
    patch()
    return stream(*arguments)
ray_engine._stream_results = patched_stream
sys.exit(main(sys.argv[1:]))
"""

Environment = dict[str, str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Environment]]:
    """The process that started Ray, and the environment of commands that use the cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    ours = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=os.environ | ours | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout and process.stdin
    with process:
        address = process.stdout.readline().strip()
        assert address
        yield process.pid, os.environ | ours | {"RAY_ADDRESS": address}
        process.stdin.close()


Album = Callable[[int], Path]


@pytest.fixture
def album(tmp_path: Path) -> Album:
    """Make a folder with this number of photographs, in three subfolders."""

    def make(count: int) -> Path:
        photographs = sorted(CALIBRATION.glob("*.jpg"))
        for number in range(count):
            copy = tmp_path / "album" / str(number % 3) / f"{number}.jpg"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photographs[number % len(photographs)], copy)
        return tmp_path / "album"

    return make


def command(album: Path, out: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "edgecolor", "run", str(album), "-o", str(out), "--recolor", *words]


def run(line: list[str], env: Environment) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(line, env=env, capture_output=True, check=False, timeout=600)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def start_run(line: list[str], env: Environment, out: Path, known: int) -> subprocess.Popen[bytes]:
    """Start a run, and wait until this number of photographs has a line in the manifest."""
    manifest = out / "manifest.jsonl"
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < known:
        assert process.poll() is None
        time.sleep(0.01)
    return process


def below(pid: int, name: bytes) -> list[int]:
    """Return the descendants of a process whose command line contains a text."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            lines[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:  # the process has just ended
            continue
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return [member for member in family if name in lines.get(member, b"")]


def wait_for_end(pids: list[int]) -> None:
    """Wait until these processes have ended."""
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.1)


def assert_each_once(album: Path, out: Path) -> None:
    """Assert that each photograph has one result and one line, and that there are no other files."""
    names = sorted(str(p.relative_to(album)) for p in album.rglob("*.jpg"))
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        *names,
        "manifest.jsonl",
    ]
    done = Counter(line["result"] for line in lines(out) if line["status"] == "done")
    assert done == Counter(names)
    for name in names:
        with Image.open(out / name) as image:
            image.load()


def test_both_engines_write_the_same(album: Album, tmp_path: Path, cluster: tuple[int, Environment]) -> None:
    folder = album(30)
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "half.jpg").write_bytes((CALIBRATION / "001.jpg").read_bytes()[:3000])
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "folder.jpg").mkdir()
    gray = Image.linear_gradient("L")
    for name in ("a.png", "a.bmp", "a.gif", "a.jpg", "two\nlines.jpg"):
        gray.save(folder / name)
    gray.save(os.fsencode(folder) + b"/\xff.jpg", format="JPEG")
    printed, manifests = [], []
    for engine in ("local", "ray"):
        done = run(command(folder, tmp_path / engine, "--engine", engine), cluster[1])
        assert done.returncode == 1
        shown = re.sub(rb" in \d+\.\d s,", b"", done.stderr)  # the duration
        printed.append((done.stdout, shown.splitlines()))
        text = (tmp_path / engine / "manifest.jsonl").read_text()
        manifests.append(sorted(text.splitlines()))
        (tmp_path / engine / "manifest.jsonl").unlink()
    assert printed[0] == (printed[1][0].replace(b"/ray/", b"/local/"), printed[1][1])
    assert printed[0][1][-1] == b"edgecolor: 4 of 41 pictures failed"
    assert manifests[0] == manifests[1] and len(manifests[0]) == 41
    files = [
        {
            p.relative_to(tmp_path / engine): p.read_bytes()
            for p in (tmp_path / engine).rglob("*")
            if p.is_file()
        }
        for engine in ("local", "ray")
    ]
    assert files[0] == files[1] and len(files[0]) == 37


def kill_and_resume(
    folder: Path, out: Path, engine: str, env: Environment, *, known: int, stopping: bool = False
) -> None:
    line = command(folder, out, "--engine", engine)
    first_line = [sys.executable, "-c", STOPPING, *line[3:]] if stopping else line
    process = start_run(first_line, env, out, known)
    process.kill()
    process.communicate()
    count = len(list(folder.rglob("*.jpg")))
    left = count - len(lines(out))
    assert 0 < left < count, "the run was killed before its end"
    done = run(line, env)
    assert done.returncode == 0, done.stderr
    assert f"{count} of {count} colored".encode() in done.stderr
    assert f"{count - left} of them earlier".encode() in done.stderr
    assert_each_once(folder, out)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_run_is_resumed(
    album: Album, tmp_path: Path, cluster: tuple[int, Environment], engine: str
) -> None:
    kill_and_resume(album(120), tmp_path / "out", engine, cluster[1], known=1, stopping=True)


def kill_a_worker(folder: Path, out: Path, cluster: tuple[int, Environment], known: int) -> None:
    process = start_run(command(folder, out, "--engine", "ray"), cluster[1], out, known)
    os.kill(below(cluster[0], b"MapWorker")[0], signal.SIGKILL)
    assert len(lines(out)) < len(list(folder.rglob("*.jpg")))
    _, error = process.communicate()
    assert process.returncode == 0, error
    assert_each_once(folder, out)


def test_a_lost_worker_loses_nothing(album: Album, tmp_path: Path, cluster: tuple[int, Environment]) -> None:
    kill_a_worker(album(120), tmp_path / "out", cluster, known=1)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_two_thousand_and_a_killed_run(
    album: Album, tmp_path: Path, cluster: tuple[int, Environment], engine: str
) -> None:
    kill_and_resume(album(2000), tmp_path / "out", engine, cluster[1], known=1000)


@pytest.mark.slow
def test_two_thousand_and_a_lost_worker(
    album: Album, tmp_path: Path, cluster: tuple[int, Environment]
) -> None:
    kill_a_worker(album(2000), tmp_path / "out", cluster, known=1000)


@pytest.mark.slow
def test_a_picture_that_kills_workers_counts_as_failed(
    album: Album, tmp_path: Path, cluster: tuple[int, Environment]
) -> None:
    folder = album(60)
    shutil.copyfile(CALIBRATION / "001.jpg", folder / "deadly.jpg")
    done = run(command(folder, tmp_path / "out", "--engine", "ray"), cluster[1])
    assert done.returncode == 1
    assert (
        f"edgecolor: {folder / 'deadly.jpg'}: 3 workers died while they colored this picture".encode()
        in done.stderr
    )
    assert done.stderr.endswith(b"edgecolor: 1 of 61 pictures failed\n")
    (folder / "deadly.jpg").unlink()
    assert_each_once(folder, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_on_a_cluster_of_its_own(album: Album, tmp_path: Path, number: int, code: int) -> None:
    """Without RAY_ADDRESS, Ray is started on this machine for the command and ends with it."""
    folder, out = album(400), tmp_path / "out"
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    process = start_run(command(folder, out, "--engine", "ray"), env, out, known=1)
    ray = below(process.pid, b"ray")
    process.send_signal(number)
    _, error = process.communicate()
    assert process.returncode == code, error
    assert error == f"{len(lines(out))} of 400 done; the same command resumes this run\n".encode()
    assert len(ray) > 2
    wait_for_end(ray)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_ray_starts(album: Album, tmp_path: Path, number: int, code: int) -> None:
    folder, out = album(3), tmp_path / "out"
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    process = start_run(command(folder, out, "--engine", "ray"), env, out, known=0)
    while not (ray := below(process.pid, b"gcs_server")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate()
    assert process.returncode == code, error
    assert error == b"0 of 3 done; the same command resumes this run\n"
    wait_for_end(ray)


@pytest.mark.slow
def test_a_signal_while_ray_data_is_slow(album: Album, tmp_path: Path) -> None:
    """A thread that uses Ray after its end would end the process with the exit code 1 and no message."""
    folder, out = album(400), tmp_path / "out"
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    line = [sys.executable, "-c", SLOW_LOOP, "run", str(folder), "-o", str(out), "--engine", "ray"]
    process = start_run(line, env, out, known=1)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    assert process.returncode == 143, error
    assert error == f"{len(lines(out))} of 400 done; the same command resumes this run\n".encode()


@pytest.mark.parametrize(
    ("words", "address", "code", "says"),
    [
        (["-o", "out"], "127.0.0.1:1", 4, "no Ray cluster at RAY_ADDRESS=127.0.0.1:1: Connection refused"),
        (["-o", "out"], "nonsense", 4, "no Ray cluster at RAY_ADDRESS=nonsense"),
        (["-o", "out", "--threads", "2"], "127.0.0.1:1", 2, "--threads is for this machine"),
        (["-o", "out", "--delegate", "edgetpu"], "127.0.0.1:1", 2, "--delegate is for --engine local"),
        ([], "127.0.0.1:1", 2, "a folder named with -o"),
        (["--camera"], "127.0.0.1:1", 2, "--engine is for photographs"),
    ],
)
def test_one_clear_line(
    album: Album,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    address: str,
    code: int,
    says: str,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.chdir(album(3).parent)
    assert main(["run", "album", "--engine", "ray", "--model", str(MODEL), *words]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("edgecolor: ") and says in captured.err


def test_without_ray(
    album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    assert main(["run", str(album(3)), "-o", str(tmp_path / "out"), "--engine", "ray"]) == 4
    assert capsys.readouterr().err == (
        f"edgecolor: `edgecolor run --engine ray` needs ray. Install it with: {install_extra('ray')}\n"
    )
    assert not (tmp_path / "out").exists()
