"""The monthly report (月报): a document from a template, and a workbook; both from one set of figures."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from importlib import resources
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, OutputError, Where
from landremed.ledger import Clerk, OfficeCalendar, monthly_document
from landremed.report.monthly_context import template_context
from landremed.report.monthly_workbook import write_workbook

__all__ = ["MonthlyFiles", "MonthlyOptions", "render_document", "write_monthly"]

_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


@dataclass
class MonthlyFiles:
    """What was written, and the figures."""

    document: Path
    workbook: Path
    figures: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class MonthlyOptions:
    """How a report is written.

    Attributes
    ----------
    language : {"zh", "en"}
        Language of a month that is not kept yet.
    template : Path or None
        The office's own .docx with the placeholders of ``template_context``.
    calendar : OfficeCalendar or None
        For years that the library does not know.
    overwrite : bool
        Replace existing files.
    draft : bool
        Do not keep the figures.
    """

    language: str = "zh"
    template: Path | None = None
    calendar: OfficeCalendar | None = None
    overwrite: bool = False
    draft: bool = False


DEFAULTS: Final = MonthlyOptions()
"""A Chinese report from the template that comes with landremed."""


def write_monthly(
    ledger: Path,
    month: str,
    folder: Path,
    clerk: Clerk,
    options: MonthlyOptions = DEFAULTS,
) -> MonthlyFiles:
    """Write ``monthly-YYYY-MM.docx`` and ``.xlsx``, and keep the month's figures in the ledger.

    Nothing is kept, and no file appears, before both are complete.

    Parameters
    ----------
    ledger : Path
        The ledger.
    month : str
        ``YYYY-MM``.
    folder : Path
        Made when missing.
    options : MonthlyOptions
        Language, template, calendar.

    Raises
    ------
    InputError
        The month, the ledger or the template cannot be used.
    OutputError
        A file exists or cannot be written.
    """
    targets = [folder / f"monthly-{month}{suffix}" for suffix in (".docx", ".xlsx")]
    temps = [target.with_name(f".{target.name}.tmp-{os.getpid()}") for target in targets]

    def make(figures: Mapping[str, Any]) -> None:
        for target in targets:
            if target.exists() and not options.overwrite:
                raise OutputError("output_exists", Where(file=str(target)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temps[0].write_bytes(render_document(figures, options.template))
            write_workbook(figures, temps[1])
        except OSError as error:
            raise OutputError(
                "output_write_failed", Where(file=str(folder)), reason=error.strerror or str(error)
            ) from error

    try:
        figures = monthly_document(
            ledger,
            month,
            clerk,
            language=options.language,
            calendar=options.calendar,
            draft=options.draft,
            before_freeze=make,
        )
        for temp, target in zip(temps, targets, strict=True):
            temp.replace(target)
    except OSError as error:
        raise OutputError(
            "output_write_failed", Where(file=str(folder)), reason=error.strerror or str(error)
        ) from error
    finally:
        for temp in temps:
            temp.unlink(missing_ok=True)
    return MonthlyFiles(targets[0], targets[1], figures)


def render_document(figures: Mapping[str, Any], template: Path | None = None) -> bytes:
    """Fill a template in.

    Parameters
    ----------
    figures : mapping
        From ``monthly_document``.
    template : Path, optional
        The one that comes with landremed by default.

    Returns
    -------
    bytes
        A .docx; the same figures give the same bytes.
    """
    from docxtpl import DocxTemplate
    from jinja2.sandbox import SandboxedEnvironment

    if template is not None and not template.is_file():
        raise InputError("monthly_template_missing", Where(file=str(template)))
    built_in = resources.files("landremed.report").joinpath("templates/monthly.docx")
    data = template.read_bytes() if template else built_in.read_bytes()
    made = datetime.combine(datetime.fromisoformat(figures["last"]), time())
    out, context = io.BytesIO(), template_context(figures)
    try:
        filled = DocxTemplate(io.BytesIO(data))
        filled.render(context, SandboxedEnvironment(autoescape=True), autoescape=True)
        core = filled.docx.core_properties
        core.created = core.modified = made
        core.author = core.last_modified_by = ""
        filled.save(out)
    except Exception as error:  # a foreign template makes jinja, docx and the XML parser raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        place = Where(file=str(template) if template else "monthly.docx")
        raise InputError("monthly_template_broken", place, reason=reason) from error
    return _same_bytes(out.getvalue())


def _same_bytes(data: bytes) -> bytes:
    """Return a zip without the times at which its members were written."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            entry = zipfile.ZipInfo(info.filename, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(info.filename))
    return out.getvalue()
