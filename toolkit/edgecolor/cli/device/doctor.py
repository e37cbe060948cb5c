"""`edgecolor doctor`: what is missing on this machine, and how to fix it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgecolor.cli.common.messages import print_lines, working
from edgecolor.cli.common.options import AsJson, Quiet

if TYPE_CHECKING:
    from edgecolor.doctor import Finding


def doctor(*, as_json: AsJson = False, quiet: Quiet = False) -> None:
    r"""Show what does not work on this machine, and how to fix it.

    The examinations cover Python, the interpreter and numpy; the shipped models; cameras and the right to
    open them; a Coral Edge TPU, its library and its driver; power, heat and clock; memory and disk. What may
    crash runs in a child process. Nothing is changed.

    The exit code is 0 if there is no problem, 4 if something is missing, 5 if the file of a shipped model is
    damaged, and 3 if a model does not reproduce its reference outputs.

    \b
    Examples:
      edgecolor doctor
      edgecolor doctor --json
    """
    from dataclasses import asdict

    from edgecolor.doctor import HostMachine, diagnose

    findings: list[Finding] = []
    examinations = diagnose(HostMachine())
    while True:
        with working("examining this machine", quiet=quiet):
            finding = next(examinations, None)
        if finding is None:
            break
        findings.append(finding)
        if not as_json:
            print_lines(*_lines(finding))  # at once: an examination may take seconds
    if as_json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=1), flush=True)
    _raise_problems(findings)


def _lines(finding: Finding) -> Iterator[str]:
    state = finding.state.upper() if finding.state == "problem" else finding.state
    yield f"{state:9}{finding.about:16}{finding.text}"
    if finding.fix:
        yield f"{'':25}fix: {finding.fix}"


def _raise_problems(findings: Sequence[Finding]) -> None:
    """Raise the error class of the most serious problem, with the number of problems."""
    from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError, ModelFileError

    problems = [finding for finding in findings if finding.state == "problem"]
    if not problems:
        return
    codes = {finding.code for finding in problems}
    by_severity = (ModelFileError, GateError, MissingError, EdgecolorError)
    error_class = next(error for error in by_severity if error.exit_code in codes)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise error_class(f"{count} here: {', '.join(dict.fromkeys(finding.about for finding in problems))}")
