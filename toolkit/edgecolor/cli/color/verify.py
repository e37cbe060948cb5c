"""`edgecolor run --verify`: check a folder of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from edgecolor.cli.color.live import RunArguments
from edgecolor.cli.common.messages import print_line, progress_bar


def verify_photos(inputs: Sequence[Path], shared: RunArguments) -> None:
    """Check a folder of results, and print what is wrong.

    Raises:
        EdgecolorError: a result is missing, damaged or outdated.
        UsageError: the output has no manifest.
    """
    from edgecolor.batch.verification import verify_results
    from edgecolor_runtime.errors import EdgecolorError

    with progress_bar("verifying", None, quiet=shared.quiet) as advance:
        verification = verify_results(inputs, shared.output, on_progress=lambda done, total: advance())
    if shared.as_json:
        faults = [
            {"input": str(fault.job.source), "output": str(fault.job.target), "fault": fault.fault}
            for fault in verification.faults
        ]
        print(json.dumps({"results": verification.results, "faults": faults}, indent=1))
    for fault in verification.faults:
        print_line(f"edgecolor: {fault.job.target}: {fault.fault}")
    if verification.faults:
        raise EdgecolorError(
            f"{len(verification.faults)} of {verification.results} results are not intact. "
            "To repair them, run the same command without --verify."
        )
    if not shared.quiet:
        print_line(f"{verification.results} results are intact")
