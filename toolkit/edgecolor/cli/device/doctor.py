"""`edgecolor doctor`: what is missing on this machine?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgecolor.doctor import Finding


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    r"""Examine this machine: what works, what does not, and the command that mends it.

    Python, the interpreter and numpy; the shipped models, computing here; cameras and the right to open
    them; a Coral Edge TPU, its library and its driver; power, heat and clock; memory and disk. What may crash
    is tried in a process of its own. Nothing is changed.

    Ends with 0 when there is no problem, with 4 when something is missing, with 5 when a shipped model's file
    is damaged, and with 3 when a model computes something else here.

    \b
    Examples:
      edgecolor doctor
      edgecolor doctor --json
    """
    from dataclasses import asdict

    from edgecolor.doctor import Host, diagnose

    found = []
    for finding in diagnose(Host()):
        found.append(finding)
        if not as_json:
            print("\n".join(_lines(finding)), flush=True)  # at once: an examination may take seconds
    if as_json:
        print(json.dumps({"findings": [asdict(finding) for finding in found]}, indent=1), flush=True)
    _end(found)


def _lines(finding: Finding) -> Iterator[str]:
    state = finding.state.upper() if finding.state == "problem" else finding.state
    yield f"{state:9}{finding.about:16}{finding.text}"
    if finding.mend:
        yield f"{'':25}mend: {finding.mend}"


def _end(found: Sequence[Finding]) -> None:
    """Ends with the code of the gravest problem."""
    from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError, ModelFileError

    problems = [finding for finding in found if finding.state == "problem"]
    if not problems:
        return
    codes = {finding.code for finding in problems}
    gravest = next(
        e for e in (ModelFileError, GateError, MissingError, EdgecolorError) if e.exit_code in codes
    )
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise gravest(f"{count} here: {', '.join(dict.fromkeys(finding.about for finding in problems))}")
