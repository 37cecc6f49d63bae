"""Flags in words, one sentence for all subjects of a kind."""

from __future__ import annotations

from collections.abc import Mapping

from landremed.report.labels import flag_text, role_title

__all__ = ["notices"]


def notices(flags: str | None, language: str, fact_titles: Mapping[str, str]) -> list[str]:
    """Return the flags of a parcel in words.

    Parameters
    ----------
    flags : str or None
        As kept: ``name`` or ``name:subject``, joined with ``,``.
    language : {"zh", "en"}
        Language of the words.
    fact_titles : mapping of fact name to str
        Titles of facts.

    Examples
    --------
    >>> notices("sliver_overlap:ecological_red_line,sliver_overlap:green_ecological_barrier", "zh", {})
    ['与生态保护红线、绿色生态屏障的重叠小于容差，按无重叠处理']
    """
    subjects: dict[str, list[str]] = {}
    for flag in (flags or "").split(","):
        if flag:
            name, _, subject = flag.partition(":")
            subjects.setdefault(name, []).append(fact_titles.get(subject) or role_title(subject, language))
    comma = "、" if language == "zh" else ", "
    return [flag_text(f"{name}:{comma.join(titles)}", language) for name, titles in subjects.items()]
