"""Try a model file from elsewhere in a child process, before an interpreter of this process reads it.

`verify_flatbuffer` refuses what is known to be harmful. The interpreter is native code: what still crashes it
or never ends happens in the child, `python -m edgecolor.tflite.trial FILE`.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np

from edgecolor.support.child_process import ERROR_OF_CODE, run_program
from edgecolor_runtime.errors import EdgecolorError, MissingError, ModelFileError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.models.model_file import read
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.models.signature import INPUT_SIZE

TRIAL_SECONDS = 60.0
TRIAL_BYTES = 4 << 30  # address space of the child


def try_model(name: str | Path | None) -> None:
    """Load a model file and run it once, in a child process with limits of time and memory.

    A shipped model is pinned by its hash and not tried, and neither is a .keras file.

    Args:
        name: a model file, the name of a shipped model, or None for the default.

    Raises:
        ModelFileError: the interpreter crashed on the file or did not end, or the file is not a model.
    """
    if name is None or str(name) in SHIPPED:
        return
    path = Path(name)
    if not path.is_file() or path.suffix == ".keras":
        return
    status = path.stat()
    _try_file(path.resolve(), (status.st_size, status.st_mtime_ns), str(name))


@cache
def _try_file(path: Path, version: tuple[int, int], name: str) -> None:
    command: list[str | Path] = [sys.executable, "-m", "edgecolor.tflite.trial", path, name]
    result = run_program(command, time_limit=TRIAL_SECONDS)
    error = ERROR_OF_CODE.get(result.code)
    if result.code == 0 or error is MissingError:  # the command itself says what is missing
        return
    if error is not None and result.message is not None:
        raise error(result.message)
    raise ModelFileError(f"{name}: the interpreter crashed on this file: {result.reason}. Do not use it.")


def main() -> int:
    """Run the file once, in the child."""
    if sys.platform == "linux":  # Windows has no such limits, and macOS refuses one of the address space
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (TRIAL_BYTES, TRIAL_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, name = sys.argv[1:]
    try:
        model = read(path)
        Colorizer(model).predict(np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8))
    except EdgecolorError as error:
        text = " ".join(str(error).split()).replace(path, name)
        print(f"edgecolor: {text if text.startswith(name) else f'{name}: {text}'}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
