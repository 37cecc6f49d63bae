"""One offline page with every parcel: colours, filters, search, and each decision in words.

The page holds Leaflet, the data and nothing that leads out of it: a content policy forbids every request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from landremed.errors import OutputError, Where
from landremed.report.resultfile import ResultFile, open_result
from landremed.report.surroundings import Surroundings, cut_to_neighbourhood, pieces_by_layer
from landremed.report.target import write_whole
from landremed.report.webmap_data import page_data
from landremed.report.webmap_shapes import MANY_SHAPES, pack_bytes, pack_shapes, to_degrees
from landremed.report.words import LANGUAGES, words_of

__all__ = ["write_map"]

_BACKGROUND: Final = ("admin_units", "land_use")
_PICTURE: Final = re.compile(r"url\([^)]*\)")


def write_map(
    result: Path | str,
    output: Path | str,
    *,
    language: str | None = None,
    layers: Surroundings | None = None,
    overwrite: bool = False,
) -> int:
    """Write the map page.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    output : path
        HTML file.
    language : {"zh", "en"}, optional
        Language in which the page opens; that of the result by default. Readers can switch.
    layers : mapping of layer to ndarray, optional
        Constraint layers in the working CRS, shown around the parcels. Without them the page shows the parts
        inside parcels, which the result holds.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    int
        Number of parcels with a shape.

    Raises
    ------
    InputError, OutputError
        The result cannot be read, the page cannot be written, or there are too many parcels for one page.
    """
    target = Path(output)
    opened = open_result(result)
    if opened.decisions.num_rows > MANY_SHAPES:
        raise OutputError(
            "report_map_too_many", Where(file=str(target)), count=opened.decisions.num_rows, most=MANY_SHAPES
        )
    shapes = opened.shapes("decisions")
    page = _page(opened, shapes, layers, language or opened.language)
    write_whole(target, lambda path: _write(path, page), overwrite=overwrite)
    return int(np.sum([shape is not None for shape in shapes]))


def _write(path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8", newline="\n")


def _page(
    opened: ResultFile, shapes: npt.NDArray[np.object_], layers: Surroundings | None, language: str
) -> str:
    shown = _shown_layers(opened, shapes, layers)
    data = page_data(
        opened, [name for name in shown if name not in _BACKGROUND], whole_layers=layers is not None
    )
    packed = {name: pack_shapes(to_degrees(pieces, opened.crs)) for name, pieces in shown.items()}
    content = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    parts = {
        "language": "zh-CN" if language == "zh" else "en",
        "leaflet_css": _PICTURE.sub("none", _vendored("leaflet.css")),
        "css": _template("map.css"),
        "leaflet_licence": _vendored("leaflet-LICENSE.txt").replace("--", "- -"),
        "leaflet_js": _vendored("leaflet.js").replace("//# sourceMappingURL=leaflet.js.map", ""),
        "data": pack_bytes(content),
        "shapes": pack_shapes(to_degrees(shapes, opened.crs)),
        "layers": "".join(
            f'<script type="text/plain" class="layer" data-name="{_attribute(name)}">{text}</script>\n'
            for name, text in packed.items()
        ),
        "js": "".join(_template(f"map_{name}.js") for name in ("data", "draw", "card", "page")),
        "title": _attribute(opened.title),
        "loading_zh": _attribute(words_of("map", "zh")["loading"]),
        "loading_en": _attribute(words_of("map", "en")["loading"]),
        "too_old": _attribute(" ".join(words_of("map", name)["unsupported"] for name in LANGUAGES)),
    }
    return re.sub(r"<!--\[(\w+)\]-->", lambda found: parts[found.group(1)], _template("map.html"))


def _shown_layers(
    opened: ResultFile, shapes: npt.NDArray[np.object_], layers: Surroundings | None
) -> Mapping[str, npt.NDArray[np.object_]]:
    """Return the layers that can be switched on, the units' boundaries last."""
    if layers is not None:
        near = cut_to_neighbourhood({k: v for k, v in layers.items() if k != "land_use"}, shapes)
    else:
        names = np.array(opened.table("overlaps")["layer"].to_pylist(), dtype=object)
        pieces = pieces_by_layer(names, opened.shapes("overlaps"))
        near = {k: v for k, v in pieces.items() if k not in _BACKGROUND}
    order = [name for name in opened.overlaid if name in near]
    return {name: near[name] for name in order if len(near[name])}


def _attribute(text: str) -> str:
    import html

    return html.escape(text, quote=True)


def _template(name: str) -> str:
    return resources.files("landremed.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _vendored(name: str) -> str:
    return resources.files("landremed.report").joinpath(f"vendor/{name}").read_text(encoding="utf-8")
