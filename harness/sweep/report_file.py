"""`report.json`, read as what it is: something that anybody may have written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.observation import ProbeReport
from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["Unreadable", "read_report"]

_REPORT_BYTES = 16 * 1024**2
"""A report of 2,000 packages and 1,000 tensors is under 1 MB."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why something that came back cannot be believed."""

    why: str


def read_report(out: Path, loader: str) -> ProbeReport | Unreadable:
    """Return the report in an attempt's folder, if it is sound and about this loader."""
    data = _read(out)
    if isinstance(data, Unreadable):
        return data
    try:
        report = ProbeReport.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:200]
        return Unreadable(f"report.json breaks its schema at {place or 'the top'}: {first['msg']}")
    if report.loader != loader:
        told = one_line(report.loader, 80)
        return Unreadable(f"report.json is about the loader '{told}', not '{loader}'")
    return report


def _read(out: Path) -> bytes | Unreadable:
    if out.is_symlink():
        return Unreadable("in place of the attempt's folder there is a link")
    try:
        with open_regular(out / "report.json") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > _REPORT_BYTES:
                return Unreadable(f"report.json is larger than {_REPORT_BYTES} bytes")
            return stream.read(size)
    except FileNotFoundError:
        return Unreadable("the probe wrote no report")
    except UntrustedFileError as error:
        return Unreadable(f"report.json {error}")
