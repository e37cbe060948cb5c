"""Fixtures that several areas share: the files of boards, a browser, tflite-runtime, prepared photographs."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

# A shell starts what runs in its background with interrupts ignored, which commands under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

_ARM = "".join(f"processor\t: {i}\nCPU implementer\t: 0x41\nCPU part\t: {{part}}\n\n" for i in range(4))
_ANSWERS = """#!/bin/sh
case "$1" in
get_throttled) echo throttled={throttled};;
pmic_read_adc) {rails};;
*) exit 1;;
esac
"""
_RAILS = """cat << END
  3V3_SYS_A current(1)=0.05000000A
 VDD_CORE_A current(7)=2.00000000A
  3V3_SYS_V volt(9)=3.30000000V
 VDD_CORE_V volt(15)=0.80000000V
    EXT5V_V volt(24)=5.11478000V
     BATT_V volt(25)=0.01880340V
END
"""

Board = Callable[..., Path]

LEFT_OUT_OF_FAST = (
    "benchmarks",
    "emulated",
    "examples",
    "parity",
    "packaging/test_bundle.py",
    "packaging/test_wheels.py",
    "packaging/test_demo.py",
    "packaging/test_reference.py",
    "scripts",
    "edge_runtime/inference/test_tflite_runtime.py",
    "edge_runtime/outputs/test_film_writer.py",
    "edge_runtime/outputs/test_publisher.py",
    "edge_runtime/preview",
    "toolkit/batch/test_memory_budget.py",
    "toolkit/batch/test_ray_engine.py",
    "toolkit/checking",
    "toolkit/cli/live/test_publish.py",
    "toolkit/cli/live/test_recording_survives.py",
    "toolkit/cli/live/test_film.py",
    "toolkit/cli/live/test_silent_streams.py",
    "toolkit/cli/live/test_stopped.py",
    "toolkit/cli/live/test_streams.py",
    "toolkit/cli/live/test_truncated.py",
    "toolkit/cli/test_bench.py",
    "toolkit/cli/test_completion.py",
    "toolkit/cli/test_hostile_models.py",
    "toolkit/cli/test_platforms.py",
    "toolkit/cli/test_terminal.py",
    "toolkit/compression",
    "toolkit/data/test_coverage.py",
    "toolkit/demo/test_memory.py",
    "toolkit/demo/test_page.py",
    "toolkit/demo/test_server.py",
    "toolkit/doctor",
    "toolkit/records",
    "toolkit/evaluation/test_recognition.py",
    "toolkit/exporting",
    "toolkit/network",
    "toolkit/report/test_comparison.py",
    "toolkit/report/test_render.py",
    "toolkit/support/test_extras.py",
    "toolkit/test_api.py",
    "toolkit/training",
)
"""Tests that need TensorFlow, Keras, Ray, a browser, pip or an emulator, or that wait
or compute for many seconds."""

_BLOCKED = ("tensorflow", "keras", "tf_keras", "ray")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="Only tests that start no heavy library or program.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fast"):
        for module in _BLOCKED:
            sys.modules[module] = None  # type: ignore[assignment]  # an import of it fails: no test needs it


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    left_out = config.getoption("--fast") and any(
        collection_path.is_relative_to(ROOT / "tests" / part) for part in LEFT_OUT_OF_FAST
    )
    return True if left_out else None


@pytest.fixture
def pi(tmp_path: Path) -> Board:
    """Writes the files of a Raspberry Pi 4 or 5, with what `vcgencmd get_throttled` says; gives the root."""

    def build(model: int, throttled: str = "0x0") -> Path:
        root = tmp_path / f"pi-{model}"
        cpu, highest = {4: ("0xd08", 1800000), 5: ("0xd0b", 2400000)}[model]
        clock = "sys/devices/system/cpu/cpufreq/policy0"
        rails = _RAILS if model == 5 else "echo 'Command not registered'; exit 255"
        files = {
            "proc/device-tree/model": f"Raspberry Pi {model} Model B Rev 1.0\0",
            "proc/cpuinfo": _ARM.format(part=cpu),
            "proc/meminfo": "MemTotal:  3884360 kB\nMemFree:  228000 kB\nMemAvailable:  3200000 kB\n",
            "proc/sys/kernel/osrelease": "6.6.51+rpt-rpi-v8\n",
            "proc/self/status": "Name:\tpython3\nVmHWM:\t   65000 kB\n",
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48312\n",
            f"{clock}/scaling_cur_freq": "1500000\n",
            f"{clock}/scaling_min_freq": "600000\n",
            f"{clock}/scaling_max_freq": f"{highest}\n",
            f"{clock}/cpuinfo_max_freq": f"{highest}\n",
            f"{clock}/scaling_governor": "ondemand\n",
            f"{clock}/scaling_driver": "cpufreq-dt\n",
            "usr/bin/vcgencmd": _ANSWERS.format(throttled=throttled, rails=rails),
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        (root / "usr/bin/vcgencmd").chmod(0o755)
        return root

    return build


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; on Debian: apt install chromium")
    return program


@pytest.fixture(scope="session")
def tflite_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with edgecolor-runtime over tflite-runtime, and without litert."""
    base = shutil.which("python3.11")
    if base is None:
        pytest.skip("no python3.11, the last that tflite-runtime has a wheel for")
    folder = tmp_path_factory.mktemp("tflite")
    subprocess.run([base, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["tflite-runtime==2.14.*", "numpy<2", "pillow", "typer>=0.15", "rich>=13"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install tflite-runtime here: {done.stderr.strip().splitlines()[-1]}")
    subprocess.run([*pip, "--no-deps", ROOT / "edge_runtime", ROOT], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def converting_here() -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which networks are converted in this process instead of a child process.

    The child process of an export needs 5 seconds to import TensorFlow, in every test that exports.
    """
    from edgecolor.exporting import conversion, converter_process

    def convert_here(module: str, request: object, **options: object) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the child's warnings end on its stderr
            result = converter_process.answer(json.loads(json.dumps(request)), lambda record: None)
        return json.loads(json.dumps(result))

    @contextmanager
    def context() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(conversion, "run_module", convert_here)
            yield

    return context


@pytest.fixture
def in_process(converting_here: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Convert networks in this process during one test."""
    with converting_here():
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `edgecolor dataset` makes of 40 calibration photographs."""
    from edgecolor.data.dataset import prepare_dataset

    photos = tmp_path_factory.mktemp("photos")
    for file in sorted((ROOT / "calibration").rglob("*.jpg"))[:40]:
        (photos / file.name).symlink_to(file)
    out = photos.parent / f"{photos.name}-prepared"
    prepare_dataset(photos, out)
    return out
