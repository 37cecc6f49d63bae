"""A comparison as a GeoPackage for QGIS: changed parcels in colour, what made each change, the matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.area import round_half_up, to_mu
from landremed.diff.records import Change, Difference
from landremed.diff.words import SIDES, Telling, turns_of, values_at, words
from landremed.io.gpkg import OutLayer, write_geopackage
from landremed.output import check_output
from landremed.provenance import provenance_table, version
from landremed.report.palette import Fill
from landremed.report.styles import Category, Style, layer_qml
from landremed.types import Outcome

__all__ = ["difference_layers", "write_difference"]

TURNS: Final[Mapping[str, Fill]] = {
    "to_demolish": Fill("#d55e00", "#6e3000"),
    "from_demolish": Fill("#56b4e9", "#1d5c83"),
    "to_review": Fill("#f0e442", "#000000", line="dash", width_mm=0.5),
    "settled": Fill("#007d5b", "#00402e"),
    "other_outcome": Fill("#cc79a7", "#6b2f53"),
    "detail": Fill("#c4c4c4", "#5a5a5a"),
    "added": Fill("#4477aa", "#223c55", 1.0, "dense5"),
    "gone": Fill("#444444", "#000000", 1.0, "diagonal_x", "dash"),
    "reshaped": Fill("#999933", "#4d4d1a", 1.0, "f_diagonal"),
}
"""Fill of each turn, in the order of the legend."""

_BOTH: Final = {
    "outcome": pa.string(),
    "measure": pa.string(),
    "clause": pa.string(),
    "rule": pa.string(),
    "schedule": pa.string(),
    "due_on": pa.date32(),
    "overdue": pa.int64(),
}


def difference_layers(difference: Difference, language: str) -> list[OutLayer]:
    """Return the layers of a comparison (``docs/diff.md``).

    Geometries are in the new result's working CRS; a parcel that is gone keeps its old shape where both
    results have the same one.
    """
    telling = Telling(difference, language)
    same_crs = difference.old.provenance.get("crs") == difference.new.provenance.get("crs")
    shapes = [_shape(difference, change, same_crs) for change in difference.changes]
    tables = {
        "changes": _changes(difference, telling),
        "causes": _causes(difference, telling),
        "matrix": _matrix(difference),
        "same_place": _same_place(difference),
        "inputs": _inputs(difference),
        "provenance": provenance_table(_provenance(difference)),
    }
    titles, columns = words("layers", language), words("columns", language)
    texts = words_of_layers(language)
    outcomes = {code.value: telling.outcome(code) for code in Outcome}
    codes = {
        "outcome_old": outcomes,
        "outcome_new": outcomes,
        "turn": {code: words("turns", language)[code] for code in TURNS},
    }
    return [
        OutLayer(
            name,
            table,
            pa.array(shapes, pa.large_binary()) if name == "changes" else None,
            identifier=titles[name],
            description=texts[name],
            column_titles={c: columns[c] for c in table.column_names if c in columns},
            value_labels={c: codes[c] for c in table.column_names if c in codes},
        )
        for name, table in tables.items()
    ]


def write_difference(
    difference: Difference, path: Path, *, language: str, overwrite: bool, inputs: Sequence[Path] = ()
) -> None:
    """Write a comparison.

    Parameters
    ----------
    path : Path
        GeoPackage to write.
    inputs : sequence of Path
        Files that must not be overwritten.

    Raises
    ------
    OutputError
        The target cannot be written; it is left as it was.
    """
    check_output(path, None, overwrite=overwrite, also=list(inputs))
    layers = difference_layers(difference, language)
    turns = words("turns", language)
    legend = [Category(code, turns[code], fill) for code, fill in TURNS.items()]
    style = words("text", language)["style"]
    styles = {
        layer.name: Style(
            style,
            layer_qml(layer, ("turn", legend) if layer.name == "changes" else ("", [])),
            layer.identifier,
        )
        for layer in layers
    }
    write_geopackage(
        path, layers, crs_wkt=difference.new.crs_wkt, overwrite=overwrite, styles=styles, language=language
    )


def words_of_layers(language: str) -> dict[str, str]:
    """Return one line about each layer."""
    return words("layers", f"{language}_text")


def _shape(difference: Difference, change: Change, same_crs: bool) -> bytes | None:
    if change.new_row is not None:
        shape: bytes | None = difference.new.wkb[change.new_row].as_py()
        return shape
    return difference.old.wkb[change.old_row].as_py() if same_crs and change.old_row is not None else None


def _changes(difference: Difference, telling: Telling) -> pa.Table:
    changes = difference.changes
    texts: dict[str, list[Any]] = {
        "parcel_id": [c.parcel_id for c in changes],
        "turn": turns_of(difference),
        "why": [telling.cause(c) for c in changes],
        "change": [",".join(c.kinds) for c in changes],
        "ledger_state": [c.ledger.label if c.ledger else None for c in changes],
    }
    arrays: dict[str, pa.Array] = {"place": pa.array(range(1, len(changes) + 1), pa.int64())}
    arrays |= {name: pa.array(values, pa.string()) for name, values in texts.items()}
    arrays["settled"] = pa.array([int(bool(c.ledger and c.ledger.weight)) for c in changes], pa.int64())
    for name, kind in _BOTH.items():
        for side in SIDES:
            arrays[f"{name}_{side}"] = values_at(difference, side, name, kind)
    for side in SIDES:
        arrays[f"area_{side}_m2"] = values_at(difference, side, "area_m2", pa.float64())
    shown = pc.coalesce(arrays["area_new_m2"], arrays["area_old_m2"])
    mu = round_half_up(to_mu(shown.to_numpy(zero_copy_only=False)))
    arrays["area_mu"] = pa.array(mu, mask=shown.is_null().to_numpy(zero_copy_only=False))
    arrays["moved_m2"] = pa.array([c.moved_m2 for c in changes], pa.float64())
    first = [c.causes[0] if c.causes else None for c in changes]
    names = [",".join(_code(i.thing) for i in cause.things) if cause else None for cause in first]
    arrays["things"] = pa.array(names, pa.string())
    arrays["things_count"] = pa.array(
        [len(cause.things) if cause and cause.replayed else None for cause in first], pa.int64()
    )
    arrays["proved"] = pa.array(
        [int(cause.proved) if cause and cause.replayed else None for cause in first], pa.int64()
    )
    return pa.table(arrays)


def _causes(difference: Difference, telling: Telling) -> pa.Table:
    rows: list[tuple[Any, ...]] = []
    for change in difference.changes:
        for cause in change.causes:
            aspects = ",".join(cause.aspects)
            for number, item in enumerate(cause.things, 1):
                origins = [telling.origin(origin) for origin in item.origins]
                origins += [f"{e.kind} {e.name}".strip() for e in item.elements]
                head = (change.parcel_id, aspects, number, item.thing.kind, item.thing.name)
                told = (item.old, item.new, telling.text["list"].join(origins))
                rows.append((*head, *told, cause.others, int(cause.proved)))
    names = {
        **dict.fromkeys(("parcel_id", "aspect"), pa.string()),
        "number": pa.int64(),
        **dict.fromkeys(("kind", "name", "old", "new", "origin"), pa.string()),
        **dict.fromkeys(("others", "proved"), pa.int64()),
    }
    return _table(rows, names)


def _matrix(difference: Difference) -> pa.Table:
    rows = [
        (c.old, c.new, c.parcels, c.old_m2, c.new_m2, _mu(c.old_m2), _mu(c.new_m2)) for c in difference.matrix
    ]
    areas = ("area_old_m2", "area_new_m2", "area_old_mu", "area_new_mu")
    names = {"outcome_old": pa.string(), "outcome_new": pa.string(), "count": pa.int64()}
    return _table(rows, names | dict.fromkeys(areas, pa.float64()))


def _same_place(difference: Difference) -> pa.Table:
    names = {"gone": pa.string(), "added": pa.string(), "share": pa.float64()}
    return _table([tuple(s) for s in difference.suggestions], names)


def _inputs(difference: Difference) -> pa.Table:
    names = {**dict.fromkeys(("key", "old", "new"), pa.string()), "same": pa.int64()}
    return _table([(*line, int(line.same)) for line in difference.inputs], names)


def _provenance(difference: Difference) -> dict[str, object]:
    return {
        "version": version(),
        "old": difference.old.name,
        "new": difference.new.name,
        "old_hash": difference.hashes[0],
        "new_hash": difference.hashes[1],
        "search_limit": difference.limit,
    }


def _table(rows: Iterable[Sequence[Any]], names: Mapping[str, pa.DataType]) -> pa.Table:
    listed = list(rows)
    columns = {
        name: pa.array([row[at] for row in listed], kind) for at, (name, kind) in enumerate(names.items())
    }
    return pa.table(columns)


def _mu(area_m2: float) -> float:
    return float(round_half_up(to_mu(np.array([area_m2])))[0])


def _code(thing: Any) -> str:
    return thing.name if thing.kind == "fact" else ":".join(part for part in thing if part)
