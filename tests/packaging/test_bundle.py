"""Bundles: their contents, and what their installer refuses. The slow tests download and install bundles."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from PIL import Image

from edgecolor.bundle import archive, debian, wheels
from edgecolor.bundle.targets import TARGETS, BundleTarget
from edgecolor.cli import main
from edgecolor.support.minisign import read_signing_key, write_signature
from edgecolor_runtime.models.shipped import shipped_bytes

from ..toolkit.signing_keys import make_key

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALLER = REPOSITORY / "toolkit/edgecolor/bundle/device_files/install.sh"
ELSEWHERE = "trixie-amd64" if platform.machine() == "aarch64" else "trixie-arm64"
HERE = [
    name
    for name, target in TARGETS.items()
    if platform.machine() == target.machines[0] and sys.version_info[:2] == target.python
]


def make(path: Path, *words: str, target: str = ELSEWHERE) -> int:
    return main(["bundle", "--target", target, "-o", str(path), "--quiet", *words])


def unpack(path: Path, folder: Path) -> Path:
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def install(unpacked: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a bundle's installer, with this Python as that of the system."""
    programs = unpacked.parent / "programs"
    programs.mkdir(exist_ok=True)
    if not (python := programs / "python3").exists():
        python.write_text(f'#!/bin/sh\nexec {sys.base_prefix}/bin/python3 "$@"\n')
        python.chmod(0o755)
    return subprocess.run(
        ["sh", unpacked / "install.sh", *words],
        env={"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make bundles of our own wheels only, without downloads."""
    leave_out_downloads(monkeypatch)


def leave_out_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "fetch", lambda own, folder, target, also: folder.mkdir() or [])
    monkeypatch.setattr(debian, "fetch", lambda *args, **options: [])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that is made without downloads, as with `offline`."""
    path = tmp_path_factory.mktemp("small") / "bundle.tar.gz"
    with pytest.MonkeyPatch.context() as monkeypatch:
        leave_out_downloads(monkeypatch)
        assert make(path) == 0
    return path


@pytest.fixture
def unpacked(small: Path, tmp_path: Path) -> Path:
    return unpack(small, tmp_path / "unpacked")


def test_unknown_target_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path / "b.tar.gz", target="potato-m68k") == 2
    message = capsys.readouterr().err
    assert "potato-m68k" in message and all(name in message for name in TARGETS)
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "--help"]) == 0
    shown = "".join(capsys.readouterr().out.split())  # the help wraps names at their hyphens
    assert all(name in shown for name in TARGETS)


def test_another_extension_is_wrong_usage(tmp_path: Path) -> None:
    assert make(tmp_path / "bundle.zip") == 2


def test_an_existing_file_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_text("mine")
    assert make(path) == 2
    assert path.read_text() == "mine" and "--force" in capsys.readouterr().err


def test_a_broken_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "broken.tflite"
    data = bytearray(shipped_bytes("s"))
    data[1000] ^= 1
    model.write_bytes(data)
    assert make(tmp_path / "b.tar.gz", "--model", str(model)) == 5


def test_a_failing_pip_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert make(tmp_path / "b.tar.gz") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip download failed" in line and "No matching distribution" in line


@pytest.mark.usefixtures("offline")
def test_same_inputs_same_bytes(small: Path, tmp_path: Path) -> None:
    assert make(tmp_path / "again.tar.gz") == 0
    assert small.read_bytes() == (tmp_path / "again.tar.gz").read_bytes()
    with tarfile.open(small) as archive:
        members = archive.getmembers()
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {m.name.partition("/")[0] for m in members} == {f"edgecolor-{ELSEWHERE}"}


def test_every_file_has_its_sum(unpacked: Path) -> None:
    files = {str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file()}
    assert {"install.sh", "bundle.conf", "edgecolor.service", "edgecolor.env", "SHA256SUMS"} < files
    assert len([name for name in files if name.startswith("wheels/edgecolor")]) == 2
    lines = (unpacked / "SHA256SUMS").read_text().splitlines()
    assert {line.split("  ")[1] for line in lines} == files - {"SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=unpacked, check=True)


@pytest.mark.usefixtures("offline")
def test_a_model_file_goes_into_the_bundle(tmp_path: Path) -> None:
    model = tmp_path / "mine.tflite"
    model.write_bytes(shipped_bytes("m"))
    assert make(tmp_path / "b.tar.gz", "--model", str(model)) == 0
    unpacked = unpack(tmp_path / "b.tar.gz", tmp_path / "unpacked")
    assert (unpacked / "model.tflite").read_bytes() == model.read_bytes()
    assert "MODEL=model.tflite\n" in (unpacked / "bundle.conf").read_text()


def sign(model: Path, name: str) -> Path:
    """Sign a model with a new key; return the public key."""
    key = make_key(model.parent, name, name.encode())
    write_signature(model, read_signing_key(key, lambda: ""))
    return key.with_suffix(".pub")


@pytest.mark.usefixtures("offline")
def test_keys_and_signature_go_into_the_bundle(tmp_path: Path) -> None:
    model = tmp_path / "mine.tflite"
    model.write_bytes(shipped_bytes("m"))
    words = ("--model", str(model), "--trusted", str(keys := sign(model, "workshop")))
    assert make(tmp_path / "b.tar.gz", *words) == 0
    unpacked = unpack(tmp_path / "b.tar.gz", tmp_path / "unpacked")
    assert (unpacked / "trusted.pub").read_bytes() == keys.read_bytes()
    assert (unpacked / "model.tflite.minisig").read_bytes() == (tmp_path / "mine.tflite.minisig").read_bytes()
    (tmp_path / "mine.tflite.minisig").unlink()
    assert make(tmp_path / "c.tar.gz", *words) == 5 and not (tmp_path / "c.tar.gz").exists()


def test_verification_is_fetched_only_with_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = []

    def fetch(own: Sequence[Path], folder: Path, target: BundleTarget, *, also: Sequence[str]) -> list[Path]:
        requirements.append((list(also), target.debian_packages.get("cryptography")))
        folder.mkdir()
        return []

    monkeypatch.setattr(wheels, "fetch", fetch)
    monkeypatch.setattr(debian, "fetch", lambda *args, **options: [])
    keys = make_key(tmp_path, "workshop", b"workshop").with_suffix(".pub")
    for words in ([], ["--trusted", str(keys)]):
        assert make(tmp_path / "b.tar.gz", "--force", *words, target="bookworm-armhf") == 0
    assert requirements == [(["pip"], None), (["pip", "edgecolor[sign]"], "python3-cryptography")]


def test_installer_refuses_another_machine(unpacked: Path, tmp_path: Path) -> None:
    done = install(unpacked, "--prefix", tmp_path / "prefix")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert ELSEWHERE in line and platform.machine() in line
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("name", ["bundle.conf", "edgecolor.service", "wheels/edgecolor_runtime-*.whl"])
def test_installer_refuses_a_flipped_byte(unpacked: Path, tmp_path: Path, name: str) -> None:
    (path,) = unpacked.glob(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = install(unpacked, "--prefix", tmp_path / "prefix")
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (tmp_path / "prefix").exists()


def test_uninstall_leaves_other_folders_alone(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "prefix").mkdir()
    (tmp_path / "prefix/mine").touch()
    done = install(unpacked, "--prefix", tmp_path / "prefix", "--uninstall")
    assert done.returncode == 1 and "not installed" in done.stderr
    assert (tmp_path / "prefix/mine").exists()


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["--wrong"], 2), (["--prefix"], 2)])
def test_installer_explains_itself(unpacked: Path, words: list[str], code: int) -> None:
    done = install(unpacked, *words)
    assert done.returncode == code
    assert "usage: sh install.sh" in done.stdout + done.stderr


def test_installer_is_plain_shell() -> None:
    subprocess.run(["sh", "-n", INSTALLER], check=True)
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, "-s", "sh", INSTALLER], check=True)


def fake_wheel(folder: Path, name: str, *needs: str) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        "Version: 1.0",
        *(f"Requires-Dist: {n}" for n in needs),
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("bookworm-arm64", {"arm<3", "live>=1", "old", "numpy>=1.23"}),
        ("trixie-arm64", {"arm<3", "live>=1", "new", "numpy>=1.23"}),
        ("bookworm-armhf", {"arm32", "old"}),  # numpy comes from Debian
        ("bookworm-amd64", {"intel", "live>=1", "old", "numpy>=1.23"}),
    ],
)
def test_markers_are_those_of_the_target(tmp_path: Path, target: str, expected: set[str]) -> None:
    ours = [
        fake_wheel(tmp_path, "edgecolor", "edgecolor-runtime[live]==1.0"),
        fake_wheel(
            tmp_path,
            "edgecolor_runtime",
            "numpy>=1.23",
            "arm<3; platform_machine == 'aarch64'",
            "arm32; platform_machine == 'armv7l'",
            "intel; platform_machine == 'x86_64'",
            "old; python_version < '3.12'",
            "new; python_version >= '3.12'",
            "live>=1; extra == 'live' and platform_machine != 'armv7l'",
            "never; extra == 'dead'",
            "windows; sys_platform == 'win32'",
        ),
    ]
    assert wheels._required(ours, ["pip"], TARGETS[target]) == expected | {"pip"}


def test_rounds_end_when_nothing_new_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`first` needs `second`, which pins `first`: pip gets three lists, and the last is complete."""
    lists = []

    def download(requirements: Sequence[str], folder: Path, target: BundleTarget) -> None:
        lists.append(list(requirements))
        folder.mkdir()
        fake_wheel(folder, "first", "second")
        if "second" in requirements:
            fake_wheel(folder, "second", "first==1.0")

    monkeypatch.setattr(wheels, "download", download)
    ours = [fake_wheel(tmp_path, "edgecolor", "first")]
    fetched = wheels.fetch(ours, tmp_path / "wheels", TARGETS["trixie-arm64"], also=[])
    assert lists == [["first"], ["first", "second"], ["first", "first==1.0", "second"]]
    assert [path.name.partition("-")[0] for path in fetched] == ["first", "second"]


def test_an_installed_package_becomes_its_wheel_again(tmp_path: Path) -> None:
    """Users without a checkout bundle this wheel; pip installs the same files from both wheels."""
    built = tmp_path / "built"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=REPOSITORY / "edge_runtime", check=True, capture_output=True)
    (original,) = built.glob("*.whl")
    site, again = tmp_path / "site", tmp_path / "again"
    for wheel, target in ((original, site), (tmp_path / original.name, again)):
        if wheel is not original:
            assert wheels.repack(Distribution.at(next(site.glob("*.dist-info"))), tmp_path) == wheel
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        subprocess.run([*pip, "--target", target, wheel], check=True)
    names = sorted(p.relative_to(site) for p in site.rglob("*") if p.is_file() and p.suffix != ".pyc")
    kept = [name for name in names if name.name not in ("RECORD", "direct_url.json")]
    assert len(kept) > 20
    assert all((again / name).read_bytes() == (site / name).read_bytes() for name in kept)


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="no bundle is made for this Python on this machine")
def test_install_use_upgrade_remove(tmp_path: Path) -> None:
    """Download with pip, install without an index, and use the installation."""
    first, prefix = tmp_path / "first.tar.gz", tmp_path / "prefix"
    assert make(first, target=HERE[0]) == 0
    done = install(old := unpack(first, tmp_path / "old"), "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert "golden" in done.stdout
    command = prefix / "current/edgecolor"
    Image.linear_gradient("L").save(tmp_path / "old.png")
    subprocess.run([command, "run", tmp_path / "old.png", "-o", tmp_path / "new.png"], check=True)
    with Image.open(tmp_path / "new.png") as colored:
        assert colored.mode == "RGB"

    settings = prefix / "edgecolor.env"
    settings.write_text("OPTIONS=--hflip\n")
    again = install(old, "--prefix", prefix)
    assert again.returncode == 0 and "golden" not in again.stdout  # it was installed already

    model = tmp_path / "mine.tflite"
    model.write_bytes(shipped_bytes("m"))
    assert make(tmp_path / "second.tar.gz", "--model", str(model), target=HERE[0]) == 0
    new = unpack(tmp_path / "second.tar.gz", tmp_path / "new")
    done = install(new, "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert settings.read_text() == "OPTIONS=--hflip\n"
    assert len(list(prefix.glob("release-*"))) == 1
    unit = (prefix / "edgecolor.service").read_text()
    assert f"Environment=MODEL={prefix}/current/model.tflite\n" in unit
    assert not re.search("@[A-Z]+@", unit), "install.sh fills in every path"
    carried = prefix / "current/model.tflite"
    checked = subprocess.run([command, "check", carried, "--json"], check=True, capture_output=True)
    assert json.loads(checked.stdout)["golden"]["passed"]
    if systemd := shutil.which("systemd-analyze"):
        judged = subprocess.run(
            [systemd, "verify", prefix / "edgecolor.service"], capture_output=True, text=True, check=False
        )
        assert (judged.returncode, judged.stderr) == (0, "")

    done = install(new, "--prefix", prefix, "--uninstall")
    assert done.returncode == 0 and str(prefix) in done.stdout
    assert list(prefix.iterdir()) == [settings]


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="no bundle is made for this Python on this machine")
def test_a_device_keeps_the_keys_of_its_first_bundle(tmp_path: Path) -> None:
    model, prefix = tmp_path / "mine.tflite", tmp_path / "prefix"
    model.write_bytes(shipped_bytes("m"))
    bundles = {}
    for name in ("workshop", "stranger"):
        keys = sign(model, name)
        words = ("--model", str(model), "--trusted", str(keys))
        assert make(tmp_path / f"{name}.tar.gz", *words, target=HERE[0]) == 0
        bundles[name] = unpack(tmp_path / f"{name}.tar.gz", tmp_path / name)
    assert make(tmp_path / "plain.tar.gz", target=HERE[0]) == 0
    bundles["plain"] = unpack(tmp_path / "plain.tar.gz", tmp_path / "plain")
    done = install(bundles["workshop"], "--prefix", prefix)
    assert done.returncode == 0 and "signature    by the key" in done.stdout, done.stderr
    installed = (prefix / "current").readlink()
    unit = (prefix / "edgecolor.service").read_text()
    assert f"--model ${{MODEL}} --trusted {prefix}/trusted.pub $OPTIONS\n" in unit
    refused = install(bundles["stranger"], "--prefix", prefix)
    assert refused.returncode == 1 and f"which {prefix}/trusted.pub does not have" in refused.stderr
    refused = install(bundles["plain"], "--prefix", prefix)
    assert refused.returncode == 1 and "this device demands signed models" in refused.stderr
    assert (prefix / "current").readlink() == installed


@pytest.mark.slow
def test_fetched_bundles_are_the_same_bytes_twice(tmp_path: Path) -> None:
    """Includes Debian packages. Fails if apt or the network is missing."""
    made = [archive.make_bundle("s", "bookworm-armhf", lambda text: None) for _ in range(2)]
    assert made[0].data == made[1].data
    names = made[0].files
    assert any(name.startswith("debs/python3-numpy_") for name in names)
    assert any(name.startswith("wheels/tflite_runtime-") for name in names)
    assert not any("numpy-" in name or "litert" in name for name in names)
    assert not any(name.startswith(("debs/python3_", "debs/libc6_", "debs/perl")) for name in names)
