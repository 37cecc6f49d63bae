"""Look into files: what they hold, what it might be, and a project file made from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from landremed.inspect.draft import Draft, draft_project
from landremed.inspect.look import LayerLook, look
from landremed.inspect.project_text import project_text
from landremed.inspect.show import look_text

__all__ = ["Draft", "LayerLook", "draft_project", "look", "look_text", "project_text", "write_project"]


def write_project(
    parcels: str,
    others: Sequence[str],
    layers: Sequence[str],
    output: str | Path,
    *,
    overwrite: bool = False,
    language: str = "zh",
    limits: Mapping[str, float] | None = None,
) -> tuple[Draft, str]:
    """Draft a project and write it as a commented file.

    Parameters
    ----------
    parcels, others, layers
        See ``draft_project``.
    output : path
        Project file to write.
    overwrite : bool
        Replace an existing one.
    language : {"zh", "en"}
        Of the comments, and of the project.
    limits : mapping of str to float, optional
        See ``draft_project``.

    Raises
    ------
    LandremedError
        When the parcels cannot be used, or the file exists or cannot be written.
    """
    from landremed.errors import OutputError, Where
    from landremed.io.gpkg import check_target

    target = Path(output)
    check_target(target, overwrite=overwrite)
    draft = draft_project(parcels, others, layers, target.resolve().parent, limits)
    text = project_text(draft, language)
    temp = target.with_name(f".{target.name}.tmp")
    try:
        temp.write_text(text, encoding="utf-8")
        temp.replace(target)
    except OSError as error:
        temp.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise OutputError("output_write_failed", Where(file=str(output)), reason=reason) from error
    return draft, text
