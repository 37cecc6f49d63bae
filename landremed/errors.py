"""Every error landremed raises, under one root.

An error carries a *code* of the message catalogue (``landremed/messages/*.yaml``) and the values for
its text, so that one fault reads the same in Chinese and English and can be tested by its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "CrsError",
    "InputError",
    "LandremedError",
    "OutputError",
    "ProjectError",
    "RuleBookError",
    "Where",
    "short",
]


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a fault. Paths are shown as the user wrote them.

    Attributes
    ----------
    file, layer, field, value : str
        Empty when they do not apply.
    row : int or None
        1-based data row of the file (the header of a table is not counted), or line of a text file.
    """

    file: str = ""
    layer: str = ""
    row: int | None = None
    field: str = ""
    value: str = ""

    @property
    def source(self) -> str:
        """File and layer in the ``FILE:LAYER`` form of the command line."""
        return f"{self.file}:{self.layer}" if self.layer else self.file


class LandremedError(Exception):
    """A fault that stops the command (exit status 1).

    Parameters
    ----------
    code : str
        Key of the message catalogue.
    where : Where, optional
        File, layer, row, field and value concerned.
    **params : object
        Values for the placeholders of the text.
    """

    def __init__(self, code: str, where: Where | None = None, **params: object) -> None:
        super().__init__(code, where, params)
        self.code = code
        self.where = where or Where()
        self.params: Mapping[str, object] = params

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Go from process to process as what it is; values that cannot go along are told as text."""
        plain = (str, int, float, bool, type(None))
        params = {k: v if isinstance(v, plain) else str(v) for k, v in self.params.items()}
        return _again, (type(self), self.code, self.where, params)

    def text(self, language: str = "en") -> str:
        """Return the whole sentence: where, what, and what to do next.

        Parameters
        ----------
        language : {"en", "zh"}
            Language of the catalogue.
        """
        from landremed.text import error_text

        return error_text(self.code, self.where, self.params, language)

    def __str__(self) -> str:
        return self.text("en")


class ProjectError(LandremedError):
    """The project file, or an option that stands for one of its keys, is wrong."""


class InputError(LandremedError):
    """An input file cannot be read as what it is said to be."""


class CrsError(InputError):
    """A coordinate reference system is missing, contradicted by the coordinates, or refused."""


class RuleBookError(LandremedError):
    """A rule book cannot be used."""


class OutputError(LandremedError):
    """An output cannot be written."""


def _again(
    kind: type[LandremedError], code: str, where: Where, params: Mapping[str, object]
) -> LandremedError:
    return kind(code, where, **params)


def short(error: object, most: int = 200) -> str:
    """Return what an error of somebody else's says, on one line of at most so many characters."""
    return " ".join(str(error).split())[:most] or type(error).__name__
