"""Verify the restoration of parcels by rasters before and after."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import shapely

from landremed.errors import InputError, Where
from landremed.io.drivers import nearest
from landremed.io.gpkg import OutLayer, check_target
from landremed.io.hashing import content_hash
from landremed.provenance import library_versions, version
from landremed.types import Finding
from landremed.verify.claims import ParcelVerdict, judge_parcels
from landremed.verify.classmaps import Checks, load_checks
from landremed.verify.coverage import ENGINES, CoverageEngine
from landremed.verify.measure import (
    TIMES,
    ImageryMeasure,
    LandCoverMeasure,
    measure_imagery,
    measure_land_cover,
)
from landremed.verify.output import output_layers, summary_document, summary_text
from landremed.verify.parcels import Parcels, from_project, from_result
from landremed.verify.rasters import Raster, open_raster, parse_day

if TYPE_CHECKING:
    import geopandas as gpd

    from landremed.project import Project

__all__ = ["Imagery", "LandCover", "Options", "Verification", "verify_restoration"]

Stage: TypeAlias = Callable[[str], None]

_METHODS: Final = ("land_cover", "imagery")


@dataclass(frozen=True, slots=True)
class LandCover:
    """Two land-cover rasters (class codes) of one product.

    ``classes`` is a class map's name or file, found out from the rasters by default; days are ``2021``,
    ``2021-06`` or ``2021-06-30``, by default what the files say.
    """

    before: str | Path
    after: str | Path
    classes: str | None = None
    before_on: str | None = None
    after_on: str | None = None


@dataclass(frozen=True, slots=True)
class Imagery:
    """Two multi-band images; ``bands`` says which band is blue, green, red, nir or swir, from 1."""

    before: str | Path
    after: str | Path
    bands: Mapping[str, int]
    before_on: str | None = None
    after_on: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to verify.

    Attributes
    ----------
    thresholds : mapping of str to float
        Thresholds set anew (``rules/landcover/checks.yaml`` names them, with their sources).
    ring_m : float
        Width of the ring around a parcel whose change is compared, in metres.
    engine : {"auto", "own", "exactextract"}
        How shares of cells are found; ``auto`` is ``own``, the same on every machine.
    chips : Path, optional
        Folder for before/after pictures; ``only`` limits them to some parcels.
    language : {"zh", "en"}, optional
        Language of labels; the result's by default.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    ring_m: float = 60.0
    engine: str = "auto"
    chips: Path | None = None
    only: Sequence[str] = ()
    language: str | None = None


@dataclass(frozen=True)
class Verification:
    """What the rasters show, as tables.

    Attributes
    ----------
    layers : mapping of layer name to OutLayer
        Exactly what is written to the file (``docs/verify.md``).
    chips : sequence of Path
        Pictures that were written.
    """

    layers: Mapping[str, OutLayer]
    crs_wkt: str
    parcels: Parcels
    verdicts: Sequence[ParcelVerdict]
    chips: Sequence[Path] = ()

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Attribute tables by layer name."""
        return {name: layer.table for name, layer in self.layers.items()}

    @property
    def status(self) -> int:
        """Exit status of the command: 3 with findings of severity error or warning, else 0."""
        severities = set(self.layers["issues"].table["severity"].to_pylist())
        return 3 if severities & {"error", "warning"} else 0

    def frame(self, name: str) -> gpd.GeoDataFrame:
        """Return a layer as GeoDataFrame, or a table as DataFrame."""
        import geopandas as gpd

        layer = self.layers[name]
        frame = layer.table.to_pandas()
        if layer.geometry is None:
            return frame
        shapes = shapely.from_wkb(layer.geometry.to_numpy(zero_copy_only=False))
        return gpd.GeoDataFrame(frame, geometry=shapes, crs=self.crs_wkt)

    def summary_text(self) -> str:
        """Return the terminal summary."""
        return summary_text(self.tables, self.parcels, self.verdicts)

    def findings_text(self) -> str:
        """Return each kind of finding with its first case."""
        from landremed.report.summary import findings_text

        return findings_text(self.tables["issues"], self.parcels.language)

    def document(self, output: str | None) -> dict[str, object]:
        """Return the summary for machines."""
        document = summary_document(self.tables, self.verdicts, output, self.status)
        counts = {"parcels": self.parcels.whole, "parts": len(self.parcels) - self.parcels.whole}
        return document | counts | {"chips": [path.name for path in self.chips]}


def verify_restoration(
    source: Project | str | Path,
    output: str | Path | None = None,
    *,
    land_cover: LandCover | None = None,
    imagery: Imagery | None = None,
    options: Options | None = None,
    overwrite: bool = False,
    stage: Stage = lambda name: None,
) -> Verification:
    """Hold what is claimed of parcels against rasters before and after.

    Evidence for people: no parcel is closed by it. What rasters cannot tell is said to be so, with the
    reason; a parcel off a raster is unknown, never zero.

    Parameters
    ----------
    source : Project or path
        A result of ``landremed run`` (``*.gpkg``), or a project, which is run first.
    output : path, optional
        GeoPackage to write; nothing is written without it.
    land_cover : LandCover, optional
        Land-cover rasters.
    imagery : Imagery, optional
        Multi-band images; at least one of the two kinds.
    options : Options, optional
        Thresholds, ring, engine, pictures, language.
    overwrite : bool
        Replace an existing output once the new one is complete.
    stage : callable
        Told the name of each stage as it begins.

    Returns
    -------
    Verification
        Shares 0..1, areas in m², geometry in the working CRS.

    Raises
    ------
    LandremedError
        When an input as a whole, or the output, stops the job. Nothing is written then.
    """
    options = options or Options()
    _check_request(land_cover, imagery, output, overwrite=overwrite)
    checks, engine = load_checks(options.thresholds), _engine(options.engine)
    stage("rasters")
    opened = {"land_cover": _pair(land_cover, ""), "imagery": _pair(imagery, "-image")}
    findings = [f for pair in opened.values() for f in _undated(pair)]
    stage("parcels")
    parcels = _parcels(source, options.language)
    _require_known(parcels, options.only)
    cover = photo = None
    if land_cover is not None:
        stage("land cover")
        cover = measure_land_cover(parcels, opened["land_cover"], land_cover.classes, engine)
        findings += cover.findings
    if imagery is not None:
        stage("imagery")
        photo = measure_imagery(parcels, opened["imagery"], imagery.bands, checks, options.ring_m, engine)
    verdicts = judge_parcels(parcels, cover, photo, checks)
    entries = _provenance(parcels, checks, cover, photo, options)
    layers = output_layers(parcels, verdicts, cover, photo, findings, entries)
    chips: Sequence[Path] = ()
    if options.chips is not None:
        stage("chips")
        chips = _chips(parcels, verdicts, cover, photo, options, overwrite=overwrite)
    crs = parcels.crs.to_wkt()
    if output is not None:
        stage("write")
        _write(Path(output), layers, crs, parcels.language, overwrite=overwrite)
    return Verification({layer.name: layer for layer in layers}, crs, parcels, verdicts, chips)


def _check_request(
    land_cover: LandCover | None, imagery: Imagery | None, output: str | Path | None, *, overwrite: bool
) -> None:
    if land_cover is None and imagery is None:
        raise InputError("verify_no_rasters")
    if output is not None:
        check_target(Path(output), overwrite=overwrite)


def _engine(name: str) -> CoverageEngine:
    wanted = "own" if name == "auto" else name
    if wanted not in ENGINES:
        place = Where(field="--engine", value=name)
        raise InputError("verify_engine_unknown", place, known=", ".join(("auto", *ENGINES)))
    if wanted == "exactextract":
        try:
            importlib.import_module("exactextract")
        except ImportError as error:
            raise InputError("verify_no_exactextract", Where(field="--engine")) from error
    return ENGINES[wanted]


def _pair(request: LandCover | Imagery | None, suffix: str) -> dict[str, Raster]:
    """Open both rasters of a kind and check that one is older than the other."""
    if request is None:
        return {}
    rasters = {
        "before": open_raster(str(request.before), parse_day(request.before_on, f"--before{suffix}-date")),
        "after": open_raster(str(request.after), parse_day(request.after_on, f"--after{suffix}-date")),
    }
    first, last = rasters["before"].day, rasters["after"].day
    if first is not None and last is not None and first.first >= last.last:
        raise InputError("raster_dates_reversed", rasters["after"].where, before=first, after=last)
    if rasters["before"].sha256 == rasters["after"].sha256:
        raise InputError("raster_given_twice", rasters["after"].where, other=rasters["before"].file)
    return rasters


def _undated(rasters: Mapping[str, Raster]) -> list[Finding]:
    return [Finding("raster_undated", file=r.file) for r in rasters.values() if r.day is None]


def _parcels(source: Project | str | Path, language: str | None) -> Parcels:
    if isinstance(source, (str, Path)):
        text = str(source)
        if not text.lower().endswith(".toml"):
            return from_result(text, language)
        from landremed.project import load_project

        source = load_project(text)
    return from_project(source, language)


def _require_known(parcels: Parcels, only: Sequence[str]) -> None:
    known = set(parcels.ids)
    for name in only:
        if name not in known:
            near = nearest(name, known)
            raise InputError("verify_no_such_parcel", Where(file=parcels.source), parcel=name, nearest=near)


def _provenance(
    parcels: Parcels,
    checks: Checks,
    cover: LandCoverMeasure | None,
    imagery: ImageryMeasure | None,
    options: Options,
) -> dict[str, object]:
    """Return what the verdicts rest on."""
    kept = parcels.provenance
    table = parcels.table
    wkb = pa.array(shapely.to_wkb(parcels.shapes, byte_order=1), pa.large_binary())
    digest = content_hash(table, wkb, parcels.crs.to_wkt())
    entries: dict[str, object] = {
        "version": version(),
        "project": kept.get("project"),
        "secrecy": kept.get("secrecy"),
        "rules": kept.get("rules"),
        "rules_hash": kept.get("rules_hash"),
        "as_of": kept.get("as_of"),
        "crs": parcels.crs.to_string(),
        "language": parcels.language,
        "input.parcels": json.dumps(
            {"file": Path(parcels.source).name, "rows": len(parcels), "hash": digest}, ensure_ascii=False
        ),
        "engine": "own" if options.engine == "auto" else options.engine,
        "checks_hash": checks.sha256,
    }
    for method, measured in zip(_METHODS, (cover, imagery), strict=True):
        for time in TIMES if measured is not None else ():
            raster = measured.rasters[time]  # type: ignore[union-attr]
            day = None if raster.day is None else str(raster.day)
            entry = {
                "file": raster.file,
                "day": day,
                "day_source": raster.day_source,
                "sha256": raster.sha256,
            }
            entries[f"raster.{method}.{time}"] = json.dumps(entry, ensure_ascii=False)
    if cover is not None:
        entries |= {
            "class_map": cover.classes.id,
            "class_map_hash": cover.classes.sha256,
            "class_map_source": cover.classes.source,
        }
    if imagery is not None:
        entries |= {"bands": json.dumps(dict(imagery.bands)), "ring_m": options.ring_m}
    entries |= {f"threshold.{name}": f"{value:g}" for name, value in checks.thresholds.items()}
    return entries | library_versions() | _raster_versions(options.engine)


def _raster_versions(engine: str) -> dict[str, str]:
    import rasterio

    found = {"lib.rasterio": rasterio.__version__, "lib.rasterio.GDAL": rasterio.__gdal_version__}
    if engine == "exactextract":
        found["lib.exactextract"] = importlib.metadata.version("exactextract")
    return found


def _chips(
    parcels: Parcels,
    verdicts: Sequence[ParcelVerdict],
    cover: LandCoverMeasure | None,
    imagery: ImageryMeasure | None,
    options: Options,
    *,
    overwrite: bool,
) -> Sequence[Path]:
    from landremed.verify.chips import write_chips

    if options.chips is None:
        return ()
    wanted = set(options.only)
    rows = [
        row
        for row, (name, verdict) in enumerate(zip(parcels.ids, verdicts, strict=True))
        if (name in wanted if wanted else verdict.verdict is not None)
    ]
    measured = [found for found in (imagery, cover) if found is not None]
    return write_chips(options.chips, parcels, rows, measured, overwrite=overwrite)


def _write(path: Path, layers: Sequence[OutLayer], crs: str, language: str, *, overwrite: bool) -> None:
    from landremed.io.gpkg import write_geopackage
    from landremed.verify.styles import verification_styles

    styles: Any = verification_styles(layers, language)
    write_geopackage(path, layers, crs_wkt=crs, overwrite=overwrite, styles=styles, language=language)
