"""Everything about one parcel in one archive, from which its decision can be reproduced (``replay``)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import numpy as np

from landremed.area import area_measure, round_half_up
from landremed.errors import InputError, LandremedError, Where
from landremed.explain import explain, render
from landremed.law import load_rulebook
from landremed.law.kept import kept_place
from landremed.law.load import open_folder
from landremed.law.vocabulary import rules_root
from landremed.report.dossier_page import boundary_points
from landremed.report.resultfile import ResultFile, open_result
from landremed.report.target import write_whole
from landremed.report.words import LANGUAGES, Words, words_of
from landremed.types import AreaKind

__all__ = ["SCHEMA", "write_casefile"]

SCHEMA: Final = 1
_STAMP: Final = (2000, 1, 1, 0, 0, 0)
_TABLES: Final = ("facts", "overlap_features", "land_use", "issues")


def write_casefile(
    result: Path | str,
    parcel: str,
    output: Path | str,
    *,
    ledger: Path | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write the case file of one parcel.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    parcel : str
        Id of the parcel.
    output : path
        Archive (zip).
    ledger : Path, optional
        Ledger whose events of the parcel (evidence with its hashes, sign-off, who and when) are added.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    list of str
        Names of the files inside.

    Raises
    ------
    InputError, OutputError
        There is no such parcel, the rule book it was decided by is not at hand any more, or the archive
        cannot be written.
    """
    opened = open_result(result)
    opened.select(ids=[parcel])
    files = _files(opened, parcel)
    if ledger is not None:
        files["ledger.json"] = _json(_ledger_events(ledger, parcel))
    listing = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    version = opened.provenance.get("version", "")
    manifest = {"schema": SCHEMA, "kind": "landremed case file", "version": version, "files": listing}
    files["manifest.json"] = _json(manifest)

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, _STAMP)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, files[name])

    write_whole(Path(output), write, overwrite=overwrite)
    return sorted(files)


def _files(opened: ResultFile, parcel: str) -> dict[str, bytes]:
    geometry = _geometry(opened, parcel)
    case = _case(opened, parcel)
    readme = [words_of("casefile", language)["readme"] for language in LANGUAGES]
    version = opened.provenance.get("version", "")
    files = {
        "README.txt": "\n\n".join(t.format(parcel=parcel, version=version) for t in readme).encode(),
        "case.json": _json(case),
        "geometry.json": _json(geometry),
        "coordinates.csv": _coordinates(opened, parcel),
        "areas.csv": _areas(opened, case, geometry),
        **_rule_files(opened, parcel),
    }
    for language in LANGUAGES:
        files[f"explanation.{language}.txt"] = render(explain(opened.path, parcel, language)).encode("utf-8")
    return files


def _ledger_events(ledger: Path, parcel: str) -> dict[str, Any]:
    """Return every event of the parcel as the ledger holds it, with the chain's hashes."""
    from landremed.ledger import reading_desk

    with reading_desk(ledger) as desk:
        desk.case(desk.cases(), parcel)
        events = [asdict(event) for event in desk.journal.events if event.parcel_id == parcel]
    return {"parcel_id": parcel, "events": events}


def _case(opened: ResultFile, parcel: str) -> dict[str, Any]:
    """Return the rows of the parcel in every table."""
    row = opened.row(parcel)
    parts = [r for r in opened.rows("parts") if str(r["parcel_id"]).rpartition("#")[0] == parcel]
    traces = sorted({int(r["trace_id"]) for r in (row, *parts) if r.get("trace_id") is not None})
    provenance = {k: v for k, v in opened.provenance.items() if k not in ("output", "jobs", "elapsed_s")}
    return {
        "schema": SCHEMA,
        "parcel_id": parcel,
        "decision": row,
        "parts": parts,
        **{name: opened.rows(name, [parcel]) for name in _TABLES},
        "overlaps": opened.rows("overlaps", [parcel]),
        "trace": opened.table("trace", traces, key="trace_id").to_pylist(),
        "provenance": provenance,
    }


def _geometry(opened: ResultFile, parcel: str) -> dict[str, Any]:
    own = opened.shapes("decisions", [parcel])
    layers = [row["layer"] for row in opened.rows("overlaps", [parcel])]
    pieces = opened.shapes("overlaps", [parcel])
    return {
        "crs": opened.crs.to_wkt(),
        "area": opened.provenance.get("area", ""),
        "parcel": None if own[0] is None else own[0].wkb_hex,
        "overlaps": {
            name: piece.wkb_hex for name, piece in zip(layers, pieces, strict=True) if piece is not None
        },
    }


def _coordinates(opened: ResultFile, parcel: str) -> bytes:
    points = boundary_points(opened.shapes("decisions", [parcel])[0])
    return _csv([("point", "X_north_m", "Y_east_m"), *points])


def _areas(opened: ResultFile, case: Mapping[str, Any], geometry: Mapping[str, Any]) -> bytes:
    """Return every area with how it was measured, measured once more from the shapes in the file."""
    import shapely

    kind = AreaKind(opened.provenance.get("area") or "survey")
    measure = area_measure(kind, opened.crs)
    names = {language: Words("casefile", language)(kind.value) for language in LANGUAGES}
    rows: list[tuple[object, ...]] = [("what", "kept_m2", "measured_again_m2", "kind", "算法")]
    shapes = {"parcel": geometry["parcel"], **geometry["overlaps"]}
    for name, text in shapes.items():
        if text is None:
            continue
        found = measure.of(np.array([shapely.from_wkb(bytes.fromhex(text))], dtype=object))
        column = "area_m2" if name == "parcel" else f"{name}_area_m2"
        kept = case["decision"].get(column)
        rows.append((name, kept, float(round_half_up(found)[0]), names["en"], names["zh"]))
    return _csv(rows)


def _rule_files(opened: ResultFile, parcel: str) -> dict[str, bytes]:
    """Return the rule book as files; it must be the very one that decided."""
    name = opened.provenance.get("rules", "")
    where = Where(file=str(opened.path))
    try:
        place = kept_place(opened.provenance, opened.path)
        folder, own = open_folder(place)
        found = load_rulebook(place).content_hash
    except LandremedError as error:
        raise InputError("report_rules_gone", where, parcel=parcel, book=name) from error
    if found != opened.provenance.get("rules_hash"):
        raise InputError("report_rules_changed", where, parcel=parcel, book=name)
    files = {f"rules/{own}/{path.name}": path.read_bytes() for path in _yaml(folder)}
    files["rules/facts.yaml"] = rules_root().joinpath("facts.yaml").read_bytes()
    return files


def _yaml(folder: Traversable) -> list[Traversable]:
    found = [path for path in folder.iterdir() if path.is_file() and path.name.endswith(".yaml")]
    return sorted(found, key=lambda path: path.name)


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=_plain)
    return text.encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else str(value)


def _csv(rows: list[Any]) -> bytes:
    """Return a table; cells that a spreadsheet would take for a formula begin with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([f"'{c}" if isinstance(c, str) and c[:1] in "=+-@\t\r" and c else c for c in row])
    return text.getvalue().encode("utf-8-sig")
