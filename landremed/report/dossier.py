"""One page per parcel (一宗一档), set by typst."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np

from landremed.errors import OutputError, Where
from landremed.io.gpkg import check_target
from landremed.report.dossier_page import parcel_page
from landremed.report.fonts import choose_font, font_files
from landremed.report.formats import plain_text
from landremed.report.palette import LAYER_HATCHES, OTHER_HATCH, OUTCOME_FILLS
from landremed.report.parcel_map import ParcelMaps, swatch_svg
from landremed.report.resultfile import ResultFile, open_result
from landremed.report.surroundings import Surroundings, pieces_by_layer
from landremed.report.target import write_whole
from landremed.report.words import Words

__all__ = ["write_dossier"]

_DATA: Final = "data.json"
_NOT_DRAWN: Final = frozenset({"land_use"})
_FORBIDDEN: Final = '<>:"/\\|?*'
_LONGEST_NAME: Final = 80


def write_dossier(
    result: Path | str,
    output: Path | str,
    *,
    language: str | None = None,
    parcels: Sequence[str] | None = None,
    layers: Surroundings | None = None,
    template: Path | None = None,
    fonts: Sequence[Path] = (),
    overwrite: bool = False,
) -> int:
    """Write one PDF with a page per parcel, or a folder with one PDF each.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    output : path
        ``*.pdf``, or a folder (made when it is not there).
    language : {"zh", "en"}, optional
        Language of the pages; that of the result by default.
    parcels : sequence of str, optional
        Ids, as ``ResultFile.select`` gives them; all by default.
    layers : mapping of layer to ndarray, optional
        Constraint layers to draw whole; without them their parts inside parcels are drawn.
    template : path, optional
        The office's own page (typst).
    fonts : sequence of path
        Fonts to use before those of the system.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    int
        Number of pages.

    Raises
    ------
    InputError, OutputError
        There is no such parcel, typst or a Chinese font is missing, the template has a fault, or the output
        cannot be written.
    """
    target = Path(output)
    opened = open_result(result)
    if target.suffix.lower() == ".pdf":
        check_target(target, overwrite=overwrite)
    chosen = opened.select(ids=parcels)
    setter = _Typesetter.ready(fonts)
    words = Words("dossier", language or opened.language)
    job = _Job(opened, words, setter, layers)
    with tempfile.TemporaryDirectory(prefix="landremed-") as folder:
        work = Path(folder)
        _put_template(work, template)
        pages = [job.page(parcel, work) for parcel in chosen]
        if target.suffix.lower() == ".pdf":
            _put(target, setter.set(work, job.document(pages)), overwrite=overwrite)
            return len(pages)
        target.mkdir(parents=True, exist_ok=True)
        for page, name in zip(pages, _file_names(chosen), strict=True):
            _put(target / name, setter.set(work, job.document([page])), overwrite=overwrite)
    return len(pages)


def _put(path: Path, content: bytes, *, overwrite: bool) -> None:
    def write(beside: Path) -> None:
        beside.write_bytes(content)

    write_whole(path, write, overwrite=overwrite)


class _Typesetter:
    """typst with its fonts."""

    def __init__(self, compiler: Any, family: str) -> None:
        self._compiler, self.family = compiler, family

    @classmethod
    def ready(cls, fonts: Sequence[Path]) -> _Typesetter:
        try:
            import typst
        except ImportError as error:
            raise OutputError("report_no_typst", Where()) from error
        files = font_files(fonts)
        every = typst.Fonts(font_paths=[str(file) for file in files])
        own = [font.family for font in every.fonts() if font.path and Path(font.path) in files]
        family = choose_font(every.families(), own)
        return cls(typst.Compiler(font_paths=every), family)

    def set(self, work: Path, document: Mapping[str, Any]) -> bytes:
        import typst

        content = json.dumps(document, ensure_ascii=False, sort_keys=True)
        (work / _DATA).write_text(content, encoding="utf-8")
        try:
            pdf = self._compiler.compile(
                work / "main.typ",
                root=work,
                format="pdf",
                sys_inputs={"data": _DATA},
                timestamp=0,
                pdf_tags=False,
            )
        except (typst.TypstError, RuntimeError) as error:
            reason = plain_text(getattr(error, "message", "") or error)
            raise OutputError("report_template_fault", Where(file="main.typ"), reason=reason) from error
        return bytes(pdf)


@dataclass
class _Job:
    """Everything that pages share."""

    result: ResultFile
    words: Words
    setter: _Typesetter
    layers: Surroundings | None

    def __post_init__(self) -> None:
        result = self.result
        shapes = result.shapes("decisions")
        names = [str(value) for value in result.decisions["parcel_id"].to_pylist()]
        outcomes = result.decisions["outcome"].to_pylist()
        self.rows = {name: row for row, name in enumerate(names)}
        self.fills = [OUTCOME_FILLS.get(outcome, OUTCOME_FILLS["out_of_scope"]) for outcome in outcomes]
        self.shapes = shapes
        if self.layers is None:
            kinds = np.array(result.table("overlaps")["layer"].to_pylist(), dtype=object)
            pieces = pieces_by_layer(kinds, result.shapes("overlaps"))
            skipped = _NOT_DRAWN | {"admin_units"}
        else:
            pieces, skipped = dict(self.layers), _NOT_DRAWN
        drawn = {name: pieces[name] for name in result.overlaid if name in pieces and name not in skipped}
        self.maps = ParcelMaps(shapes, names, self.fills, drawn, self.setter.family)

    def page(self, parcel: str, work: Path) -> dict[str, Any]:
        """Return the data of one page, its map and legend written to the folder."""
        row = self.rows[parcel]
        svg, frame, seen = self.maps.draw(row, self.words("north"))
        name = f"map{row}.svg"
        (work / name).write_text(svg, encoding="utf-8")
        page = parcel_page(self.result, parcel, self.shapes[row], self.words)
        page |= {"map": name, "fill": self.fills[row].color, "legend": self._legend(row, seen, work)}
        page["map_note"] = self.words("layers_pieces") if self.layers is None and seen else ""
        page["scale"] = self.words("scale", n=f"{frame.scale:,}".replace(",", " ")) if frame else ""
        return page

    def document(self, pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return everything the template is given."""
        kept, words = self.result.provenance, self.words
        footer = [
            words("advice"),
            words("as_of", day=kept.get("as_of", "")),
            words("basis", book=kept.get("rules", ""), hash=kept.get("rules_hash", "")[:12]),
            words("software", version=kept.get("version", "")),
        ]
        texts = dict(words.texts)
        texts["s_points"] = words("s_points", crs=plain_text(kept.get("crs") or self.result.crs.name))
        return {
            "title": f"{plain_text(self.result.title)} {words('title')}",
            "project": f"{plain_text(self.result.title)}　{words('title')}",
            "secrecy": plain_text(kept.get("secrecy")),
            "footer": "　".join(plain_text(part) for part in footer),
            "language": words.language,
            "fonts": [self.setter.family],
            "words": texts,
            "parcels": list(pages),
        }

    def _legend(self, row: int, seen: Sequence[str], work: Path) -> list[dict[str, str]]:

        items = [(self.fills[row], False, self.words("legend_parcel"))]
        items += [
            (LAYER_HATCHES.get(name, OTHER_HATCH), True, self.result.layer_title(name, self.words.language))
            for name in seen
            if name != "admin_units"
        ]
        found = []
        for fill, layer, title in items:
            # one file per look: what pages share is read once
            picture = f"legend-{fill.color[1:]}-{fill.pattern if layer else fill.line}.svg"
            (work / picture).write_text(swatch_svg(fill, layer=layer), encoding="utf-8")
            found.append({"picture": picture, "name": plain_text(title)})
        return found


def _put_template(work: Path, template: Path | None) -> None:
    if template is None:
        text = (
            resources.files("landremed.report").joinpath("templates/dossier.typ").read_text(encoding="utf-8")
        )
        (work / "main.typ").write_text(text, encoding="utf-8")
        return
    if not template.is_file():
        raise OutputError("report_template_missing", Where(file=str(template)))
    shutil.copyfile(template, work / "main.typ")


def _file_names(ids: Sequence[str]) -> list[str]:
    """Return a file name per parcel: its id without what file systems refuse, numbered where two meet."""
    taken: set[str] = set()
    names = []
    for parcel in ids:
        plain = "".join("_" if c in _FORBIDDEN else c for c in plain_text(parcel)).strip(". ")[:_LONGEST_NAME]
        name = plain or "parcel"
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain or 'parcel'}_{number}"
        taken.add(name.casefold())
        names.append(f"{name}.pdf")
    return names
