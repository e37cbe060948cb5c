"""Check the inputs of a command in the order of its arguments: an error names the first one that is wrong."""

from __future__ import annotations

from pathlib import Path


def verify_network(network: Path) -> None:
    """Verify that the file of a trained network exists.

    Raises:
        ModelFileError: there is no such file.
    """
    from edgecolor_runtime.errors import ModelFileError

    if not network.is_file():
        raise ModelFileError(f"{network}: no such file. Name a .keras file.")


def verify_models(*names: str) -> None:
    """Verify that models exist and can be run: trained networks, exported files, or names of shipped models.

    A model file from elsewhere is tried in a child process.

    Raises:
        ModelFileError: there is no such file or shipped model, or the interpreter crashes on the file.
    """
    from edgecolor.tflite.trial import try_model
    from edgecolor_runtime.models.shipped import open_model

    for name in names:
        if name.endswith(".keras"):
            verify_network(Path(name))
        elif not Path(name).is_file():
            open_model(name)
        else:
            try_model(name)


def verify_photographs(folder: Path) -> None:
    """Verify that a folder of photographs exists.

    Raises:
        DataError: there is no such folder.
    """
    from edgecolor_runtime.errors import DataError

    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photographs.")


def verify_prepared_data(folder: Path) -> None:
    """Verify that a folder is a dataset that `edgecolor dataset` wrote.

    Raises:
        DataError: it is not, or its files are not intact.
    """
    from edgecolor.data.dataset import open_dataset

    open_dataset(folder)


def verify_files(*paths: Path) -> None:
    """Verify that files exist.

    Raises:
        DataError: there is no such file.
    """
    from edgecolor_runtime.errors import DataError

    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: No such file or directory")


def has_calibration() -> bool:
    """Return whether the current folder has a folder calibration/ with a manifest."""
    from edgecolor.data.calibration import MANIFEST

    return (Path("calibration") / MANIFEST).is_file()


def calibration_folder(folder: Path | None) -> Path:
    """Return the folder of calibration photographs: the named one, or ./calibration if it has a manifest.

    Raises:
        UsageError: no folder is named, and ./calibration has no manifest.
    """
    from edgecolor_runtime.errors import UsageError

    if folder is None and not has_calibration():
        raise UsageError(
            "No ./calibration with a manifest here. Name a folder of pictures with --calibration."
        )
    return folder or Path("calibration")
