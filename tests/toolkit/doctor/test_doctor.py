"""`edgecolor doctor` on boards that are described by files, on broken installations, and on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecolor.cli import main
from edgecolor.doctor import Finding, HostMachine, diagnose
from edgecolor.doctor.finding import run_python
from edgecolor.support.child_process import ChildResult
from edgecolor_runtime.models import shipped
from edgecolor_runtime.system.commands import pip_install

REPOSITORY = Path(__file__).resolve().parents[3]
GOLDEN = json.dumps({"golden": {"pictures": 2, "interpreter": "ai-edge-litert 2.1.0"}})
VERSIONS = {"ai-edge-litert": "2.1.0", "numpy": "2.4.6", "av": "16.0.0", "simplejpeg": "1.9.0"}

Board = Callable[..., Path]


def python_that(**fails: str) -> Callable[[Sequence[str]], ChildResult]:
    """Return a Python in which these modules fail to import, each with a last line of the traceback."""

    def run(words: Sequence[str]) -> ChildResult:
        module = words[1].removeprefix("import ").split(".")[0]
        return (
            ChildResult(1, "", f"Traceback\n{fails[module]}\n")
            if module in fails
            else ChildResult(0, GOLDEN, "")
        )

    return run


@pytest.fixture
def host(tmp_path: Path) -> HostMachine:
    """A machine without problems that does not describe itself."""
    (tmp_path / "bare").mkdir()
    return HostMachine(
        root=tmp_path / "bare",
        prefix=tmp_path,
        python=(3, 11),
        bits=64,
        version=VERSIONS.get,
        run=python_that(picamera2="ModuleNotFoundError: No module named 'picamera2'"),
        may_use=lambda device: True,
    )


def findings_on(host: HostMachine, about: str) -> list[Finding]:
    return [finding for finding in diagnose(host) if finding.about == about]


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


def states(findings: Sequence[Finding]) -> set[str]:
    return {finding.state for finding in findings}


def test_a_bare_machine_has_no_problem(host: HostMachine) -> None:
    findings = list(diagnose(host))
    assert states(findings) == {"ok"}
    assert {f.about for f in findings} >= {"machine", "python", "interpreter", "model s", "model m", "disk"}


def test_a_pi_4_without_its_camera_library(pi: Board, host: HostMachine) -> None:
    host = replace(host, root=pi(4))
    findings = list(diagnose(host))
    (camera,) = (f for f in findings if f.state != "ok")
    assert (camera.about, camera.state) == ("pi camera", "note")
    assert camera.fix == "sudo apt install python3-picamera2"
    (machine,) = findings_on(host, "machine")
    assert machine.text == (
        "Raspberry Pi 4 Model B Rev 1.0, 4 x Cortex-A72, 4.0 GB, "
        "Debian GNU/Linux 12 (bookworm), 6.6.51+rpt-rpi-v8"
    )
    assert [f.text for f in findings_on(host, "temperature")] == ["48 C"]
    assert [f.text for f in findings_on(host, "clock")] == [
        "1500 MHz now, 1800 MHz at most, governor ondemand"
    ]
    assert findings_on(host, "power supply") == []


def test_the_power_supply_of_a_pi_5(pi: Board, host: HostMachine) -> None:
    host = replace(host, root=pi(5))
    (supply,) = findings_on(host, "power supply")
    assert (supply.state, supply.text) == ("ok", "5.11 V at the board")
    offered = host.root / "proc/device-tree/chosen/power/max_current"
    for milliamperes, state in ((5000, "ok"), (3000, "note")):
        offered.parent.mkdir(parents=True, exist_ok=True)
        offered.write_bytes(milliamperes.to_bytes(4, "big"))
        (supply,) = findings_on(host, "power supply")
        assert supply.state == state and f"{milliamperes // 1000} A offered" in supply.text


def test_a_throttled_board(pi: Board, host: HostMachine) -> None:
    host = replace(host, root=pi(4, "0x50001"))
    now, earlier = findings_on(host, "power and heat")
    assert (now.state, now.text) == ("problem", "at this moment: under-voltage")
    assert now.fix is not None and "power supply" in now.fix
    assert (earlier.state, earlier.text) == ("note", "at some time since boot: throttled")
    for degrees, state in ((79_900, "note"), (80_100, "problem")):
        put(host.root, **{"sys/class/thermal/thermal_zone0/temp": f"{degrees}\n"})
        assert states(findings_on(host, "temperature")) == {state}


def test_a_clock_that_stays_low(pi: Board, host: HostMachine) -> None:
    host = replace(host, root=pi(4))
    policy = "sys/devices/system/cpu/cpufreq/policy0"
    put(host.root, **{f"{policy}/scaling_governor": "powersave\n"})
    assert states(findings_on(host, "clock")) == {"note"}
    put(host.root, **{f"{policy}/scaling_driver": "intel_pstate\n"})
    assert states(findings_on(host, "clock")) == {"ok"}


def test_little_memory_and_disk(pi: Board, host: HostMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    host = replace(host, root=pi(4))
    put(host.root, **{"proc/meminfo": "MemTotal:  507904 kB\nMemAvailable:  90000 kB\n"})
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=50 << 20))
    for about in ("memory", "disk"):
        assert states(findings_on(host, about)) == {"problem"}


@pytest.fixture
def walled(pi: Board, host: HostMachine, tmp_path: Path) -> HostMachine:
    """A Pi with picamera2 from apt, and a real virtual environment that does not see it."""
    root = pi(5)
    (root / "usr/lib/python3/dist-packages/picamera2").mkdir(parents=True)
    venv.create(tmp_path / "venv", with_pip=False)
    return replace(host, root=root, prefix=tmp_path / "venv")


def test_picamera2_behind_a_virtual_environment(walled: HostMachine) -> None:
    (camera,) = findings_on(walled, "pi camera")
    assert camera.state == "problem" and camera.code == 4 and camera.fix is not None
    # The command fixes it: afterwards this environment's own Python sees the system's packages.
    subprocess.run(camera.fix, shell=True, check=True)
    sees = "import sys, sysconfig; print(len([p for p in sys.path if p.endswith('-packages')]))"
    done = subprocess.run(
        [walled.prefix / "bin/python", "-c", sees], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 2
    (camera,) = findings_on(walled, "pi camera")
    assert "for the system's Python and not for this one" in camera.text


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        (
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility",
            pip_install("numpy<2"),
        ),
        ("ImportError: libcamera.so.0.5: cannot open shared object file", "sudo apt install --reinstall"),
        (
            "ModuleNotFoundError: No module named 'libcamera'",
            "/usr/bin/python3 -m venv --system-site-packages",
        ),
    ],
)
def test_picamera2_that_does_not_load(walled: HostMachine, reason: str, fix: str) -> None:
    (walled.prefix / "pyvenv.cfg").write_text("include-system-site-packages = true\n")
    (camera,) = findings_on(replace(walled, run=python_that(picamera2=reason)), "pi camera")
    assert camera.state == "problem" and camera.fix is not None and camera.fix.startswith(fix)
    (camera,) = findings_on(replace(walled, run=python_that()), "pi camera")
    assert camera.state == "ok"


def test_usb_cameras(pi: Board, host: HostMachine) -> None:
    host = replace(host, root=pi(4))
    listed = {
        0: "HD Webcam",
        1: "HD Webcam",
        10: "bcm2835-codec-decode",
        13: "bcm2835-isp-output0",
        2: "Other",
    }
    for number, name in listed.items():
        folder = f"sys/class/video4linux/video{number}"
        put(host.root, **{f"{folder}/name": f"{name}\n", f"{folder}/index": f"{int(number == 1)}\n"})
        put(host.root, **{f"dev/video{number}": ""})
    host = replace(host, may_use=lambda device: device.name != "video2")
    webcam, other = findings_on(host, "usb camera")
    assert (webcam.state, webcam.text) == ("ok", "/dev/video0, HD Webcam")
    assert other.state == "problem" and other.fix == 'sudo usermod -aG video "$USER", then log in again'


def coral(root: Path, vendor: str, product: str) -> None:
    entry = "sys/bus/usb/devices/2-1"
    files = {"idVendor": vendor, "idProduct": product, "busnum": "2", "devnum": "7", "speed": "5000"}
    put(root, **{f"{entry}/{name}": f"{value}\n" for name, value in files.items()})
    put(root, **{"dev/bus/usb/002/007": ""})


@pytest.mark.parametrize("identity", [("1a6e", "089a"), ("18d1", "9302")])
def test_a_coral_on_usb(pi: Board, host: HostMachine, identity: tuple[str, str]) -> None:
    host = replace(host, root=pi(4), may_use=lambda device: not str(device).endswith("dev/bus/usb/002/007"))
    coral(host.root, *identity)
    shut, missing = findings_on(host, "edge tpu")
    assert shut.state == "problem" and "may not open" in shut.text and shut.fix is not None
    # There is no udev rule yet: the command writes a rule for both identities.
    printf = shut.fix.split("&& ")[1].split(" | sudo")[0]
    rules = subprocess.run(printf, shell=True, capture_output=True, text=True, check=True).stdout
    assert [line.count('"') for line in rules.splitlines()] == [8, 8]
    assert all(f'"{part}"' in rules for part in ("1a6e", "089a", "18d1", "9302", "plugdev"))
    assert missing.state == "problem" and "libedgetpu1-std" in (missing.fix or "")

    put(
        host.root,
        **{"etc/udev/rules.d/60-libedgetpu1-std.rules": rules, "usr/lib/aarch64/libedgetpu.so.1": ""},
    )
    shut, library = findings_on(host, "edge tpu")
    assert shut.fix is not None and shut.fix.startswith('sudo usermod -aG plugdev "$USER"')
    assert library.state == "ok"
    put(host.root, **{"sys/bus/usb/devices/2-1/speed": "480\n"})
    opened = findings_on(replace(host, may_use=lambda device: True), "edge tpu")
    assert [finding.state for finding in opened] == ["ok", "note", "ok"]
    assert ("used before" in opened[0].text) == (identity == ("18d1", "9302"))


def test_a_coral_on_pci_express(host: HostMachine) -> None:
    entry = "sys/bus/pci/devices/0000:01:00.0"
    put(host.root, **{f"{entry}/vendor": "0x1ac1\n", f"{entry}/device": "0x089a\n"})
    put(host.root, **{"usr/lib/x86_64-linux-gnu/libedgetpu.so.1": ""})
    assert "modprobe apex" in (findings_on(host, "edge tpu")[0].fix or "")
    put(host.root, **{"dev/apex_0": ""})
    assert states(findings_on(host, "edge tpu")) == {"ok"}
    shut = findings_on(replace(host, may_use=lambda device: False), "edge tpu")[0]
    assert shut.state == "problem" and "usermod -aG apex" in (shut.fix or "")


@pytest.mark.parametrize(
    ("versions", "bits", "python", "text", "fix"),
    [
        ({}, 64, (3, 11), "no TFLite interpreter", pip_install("ai-edge-litert")),
        ({}, 32, (3, 11), "no TFLite interpreter", pip_install("tflite-runtime", "numpy<2")),
        ({}, 32, (3, 13), "wheel for a 32-bit Python 3.13", "install the 64-bit system"),
        (
            {"tflite-runtime": "2.14.0", "numpy": "2.1.0"},
            64,
            (3, 11),
            "built for numpy 1",
            pip_install("ai-edge-litert"),
        ),
        (
            {"tflite-runtime": "2.14.0", "numpy": "2.1.0"},
            32,
            (3, 11),
            "built for numpy 1",
            pip_install("numpy<2"),
        ),
    ],
)
def test_no_interpreter(
    host: HostMachine, versions: dict[str, str], bits: int, python: tuple[int, int], text: str, fix: str
) -> None:
    (interpreter,) = findings_on(replace(host, version=versions.get, bits=bits, python=python), "interpreter")
    assert (interpreter.state, interpreter.code) == ("problem", 4)
    assert text in interpreter.text and (interpreter.fix or "").startswith(fix)


def test_tflite_runtime_works_with_its_numpy(host: HostMachine) -> None:
    versions = {"tflite-runtime": "2.14.0", "numpy": "1.26.4"}
    (interpreter,) = findings_on(replace(host, version=versions.get), "interpreter")
    assert interpreter.state == "ok" and "no wheel beyond Python 3.11" in interpreter.text


def test_live_libraries_missing_and_broken(host: HostMachine) -> None:
    without = {name: VERSIONS[name] for name in ("ai-edge-litert", "numpy")}
    bare = replace(host, version=without.get)
    assert [(f.state, f.fix) for about in ("av", "simplejpeg") for f in findings_on(bare, about)] == [
        ("problem", pip_install("av")),
        ("note", pip_install("simplejpeg")),
    ]
    (av,) = findings_on(replace(bare, bits=32), "av")
    assert (av.state, av.fix) == ("note", "sudo apt install python3-av")
    broken = replace(host, run=python_that(av="ImportError: libavdevice.so.61: cannot open"))
    (av,) = findings_on(broken, "av")
    assert av.state == "problem" and "libavdevice.so.61" in av.text


def test_a_failing_examination_does_not_stop_the_others(host: HostMachine) -> None:
    def run(words: Sequence[str]) -> ChildResult:
        return ChildResult(0, "no json", "")

    findings = list(diagnose(replace(host, run=run)))
    (failed,) = (f for f in findings if f.state == "problem")
    assert failed.about == "shipped models" and "cannot be examined: JSONDecodeError" in failed.text
    assert findings[-1].about == "disk"


def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """The real examination; the machine that runs the tests may have problems."""
    code = main(["doctor", "--json"])
    captured = capsys.readouterr()
    findings = json.loads(captured.out)["findings"]
    assert {"machine", "python", "interpreter", "model s", "model m", "disk"} <= {
        f["about"] for f in findings
    }
    problems = [f for f in findings if f["state"] == "problem"]
    assert (code == 0) == (not problems) and (captured.err == "") == (not problems)
    for finding in findings:
        assert set(finding) == {"about", "state", "text", "fix", "code"}
        if finding["about"] in ("interpreter", "model s", "model m"):
            assert finding["state"] == "ok"


def doctor_with(path: Path) -> tuple[int, str, str]:
    """Run the command with a folder at the start of Python's path."""
    paths = os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "edgecolor", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )
    return done.returncode, done.stdout, done.stderr


def test_an_interpreter_that_crashes(tmp_path: Path) -> None:
    crash = "import os\nclass Interpreter:\n    def __init__(self, **_): os.kill(os.getpid(), 11)\n"
    put(tmp_path, **{"ai_edge_litert/__init__.py": "", "ai_edge_litert/interpreter.py": crash})
    code, out, err = doctor_with(tmp_path)
    assert code == 4
    assert out.count("cannot be run: it crashed (SIGSEGV)") == 2
    assert err == "edgecolor: 2 problems here: model s, model m\n"


def test_an_interpreter_that_does_not_import(tmp_path: Path) -> None:
    put(
        tmp_path,
        **{"ai_edge_litert/__init__.py": "", "ai_edge_litert/interpreter.py": "import no_such_library"},
    )
    code, out, err = doctor_with(tmp_path)
    assert code == 4
    assert out.count("not run: there is no interpreter") == 2
    assert err == "edgecolor: 1 problem here: interpreter\n"
    assert "is installed but broken: ModuleNotFoundError: No module named 'no_such_library'" in out
    assert f"fix: {pip_install('--force-reinstall', 'ai-edge-litert')}" in out


def test_a_machine_with_other_outputs(tmp_path: Path) -> None:
    other = (
        "from ai_edge_litert import interpreter\n"
        "get = interpreter.Interpreter.get_tensor\n"
        "interpreter.Interpreter.get_tensor = lambda self, i: get(self, i)[..., ::-1]\n"
    )
    put(tmp_path, **{"sitecustomize.py": other})
    code, out, err = doctor_with(tmp_path)
    assert code == 3
    assert out.count("does not reproduce the exported outputs") == 2
    assert err == "edgecolor: 2 problems here: model s, model m\n"


def test_a_damaged_shipped_model(tmp_path: Path) -> None:
    package = tmp_path / "edgecolor_runtime"
    shutil.copytree(Path(shipped.__file__).parents[1], package)
    data = bytearray((package / "models/s.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (package / "models/s.tflite").write_bytes(data)
    code, out, err = doctor_with(tmp_path)
    assert code == 5
    (line,) = (line for line in out.splitlines() if "model s" in line)
    assert line.startswith("PROBLEM") and "is not the file of this release" in line
    assert f"fix: git -C {REPOSITORY} restore edge_runtime/edgecolor_runtime/models" in out
    assert err == "edgecolor: 1 problem here: model s\n"


def test_a_child_process_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecolor.doctor.finding.CHILD_SECONDS", 0.2)
    assert run_python(["-c", "import time; time.sleep(30)"]).reason == "it did not end within 0.2 s"


def test_lines_for_a_reader(
    pi: Board, host: HostMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: Any = replace(host, root=pi(4, "0x1"))
    monkeypatch.setattr("edgecolor.doctor.HostMachine", lambda: made)
    assert main(["doctor"]) == 4
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    at = lines.index("PROBLEM  power and heat  at this moment: under-voltage")
    assert lines[at + 1].startswith(" " * 25 + "fix: use the power supply")
    assert "ok       temperature     48 C" in lines
    assert captured.err == "edgecolor: 1 problem here: power and heat\n"
