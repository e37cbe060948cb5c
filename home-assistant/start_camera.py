"""Start `edgecolor run --camera` with the settings of the Home Assistant app."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

OPTIONS = Path("/data/options.json")


def camera_command(options: Mapping[str, object]) -> list[str]:
    """Return the command that colors the camera of the settings.

    Args:
        options: the settings by the names of config.yaml.
    """
    camera, model = str(options["camera"]), str(options["model"])
    return ["edgecolor", "run", "--camera", camera, "--model", model, "--host", "0.0.0.0", "--reconnect"]


def main(path: Path = OPTIONS) -> None:
    """Read the settings and become the command. The token does not appear in the list of processes."""
    options = json.loads(path.read_text(encoding="utf-8"))
    if options.get("token"):
        os.environ["EDGECOLOR_TOKEN"] = options["token"]
    command = camera_command(options)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OPTIONS)
