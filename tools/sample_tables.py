"""Writing the files of the samples: GeoPackages, a GBK shapefile and evidence tables."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import openpyxl
import pandas as pd
import pyogrio
from sample_geography import District, rng_for
from shapely.geometry.base import BaseGeometry

__all__ = ["write_all"]

WORKING, PREFIXED, DEGREES = "EPSG:4548", "EPSG:4527", "EPSG:4490"
STAMP = (2022, 3, 31, 9, 0, 0)
MAX_BYTES = 5_000_000

PLANNING = {
    "plan_conforms": "符合规划",
    "plan_includable": "可纳入正在编制的国土空间规划",
    "approval_obtained": "已取得建设用地审批手续",
    "conversion_possible": "conversion_possible",
    "quota_available": "能够落实建设用地规模",
    "major_infrastructure": "高速公路等重大基础设施项目",
    "swap_possible": "具备异地置换条件",
    "owners_willing_to_return": "愿意且能够返还补偿",
    "above_scale_industry": "规模以上工业项目",
    "retained_park": "retained_park",
    "conversion_done": "已补办农用地转用和土地征收手续",
    "followup_done": "followup_done",
    "idle_cause": "闲置原因",
    "disposal_mode": "处置方式",
    "supply_status": "供应状态",
}
"""Fact -> heading in the planning bureau's CSV: Chinese labels where the office uses them."""

SURVEY = [
    "ecological_construction",
    "exemption",
    "safety_compliant",
    "safety_rectifiable",
    "abandoned",
    "demolition_required_by_law",
    "court_enforcement_approved",
    "cultivable",
    "abandonment_cause",
    "related_category",
    "feedback_on",
    "feedback_deadline",
]
CORRECTIONS = [
    "corrected_plan_conforms",
    "override_within_urban_development_boundary",
    "override_occupies_ecological_red_line",
]
IN_PARCELS = {"feedback_source"}
LAND_CLASSES = {
    "0101": "水田",
    "0102": "水浇地",
    "0103": "旱地",
    "0307": "其他林地",
    "0402": "沼泽草地",
    "0404": "其他草地",
    "05H1": "商业服务业设施用地",
    "0601": "工业用地",
    "0602": "采矿用地",
    "0702": "农村宅基地",
    "0810": "公园与绿地",
    "08H2": "科教文卫用地",
    "1003": "公路用地",
    "1004": "城镇村道路用地",
    "1006": "农村道路",
    "1101": "河流水面",
    "1104": "坑塘水面",
    "1105": "沿海滩涂",
    "1106": "内陆滩涂",
    "1202": "设施农用地",
    "1204": "盐碱地",
}

Rows = Sequence[tuple[BaseGeometry, Mapping[str, object]]]


def write_all(
    folder: Path,
    district: District,
    parcels: Sequence[Mapping[str, object]],
    geometries: Sequence[BaseGeometry | None],
    facts: Mapping[str, Mapping[str, object]],
) -> None:
    """Replace the data files of ``folder``; texts that people wrote there are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2022-03-31T09:00:00.000Z"})
    for old in folder.iterdir():
        if old.suffix in {".gpkg", ".shp", ".shx", ".dbf", ".prj", ".cpg", ".csv", ".xlsx", ".geojson"}:
            old.unlink()
    frame = gpd.GeoDataFrame(list(parcels), geometry=list(geometries), crs=WORKING)
    _to_gpkg(frame, folder / "parcels.gpkg", "parcels")
    _layers(folder, district)
    ids = [str(p["TBBH"]) for p in parcels]
    _planning(folder / "evidence_planning.csv", ids, facts)
    _survey(folder / "evidence_survey.xlsx", ids, facts)
    _corrections(folder / "evidence_corrections.csv", ids, facts)
    used = {f for known in facts.values() for f in known}
    unknown = used - set(PLANNING) - set(SURVEY) - set(CORRECTIONS) - IN_PARCELS
    if unknown:
        raise ValueError(f"facts without a table: {sorted(unknown)}")
    size = sum(p.stat().st_size for p in folder.iterdir() if p.is_file())
    if size > MAX_BYTES:
        raise ValueError(f"the samples weigh {size} bytes")


def _frame(rows: Rows, crs: str = WORKING) -> gpd.GeoDataFrame:
    frame = gpd.GeoDataFrame([dict(a) for _, a in rows], geometry=[g for g, _ in rows], crs=WORKING)
    return frame if crs == WORKING else frame.to_crs(crs)


def _to_gpkg(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    options = {"VERSION": "1.3"} if not path.exists() else {}
    pyogrio.write_dataframe(
        frame,
        path,
        layer=layer,
        driver="GPKG",
        geometry_type=_geometry_type(frame),
        dataset_options=options or None,
    )


def _geometry_type(frame: gpd.GeoDataFrame) -> str:
    return "MultiPolygon" if (frame.geometry.geom_type == "MultiPolygon").any() else "Polygon"


def _layers(folder: Path, district: District) -> None:
    rows = district.layers
    constraints = folder / "constraints.gpkg"
    _to_gpkg(_frame(rows["ecological_red_line"], DEGREES), constraints, "stbhhx")
    _to_gpkg(_frame(rows["urban_development_boundary"]), constraints, "czkfbj")
    _to_gpkg(_frame(rows["green_ecological_barrier"]), constraints, "lsstpz")
    _to_gpkg(_frame(rows["admin_units"]), folder / "base.gpkg", "xzq")
    use = _frame(rows["land_use"])
    use.insert(0, "TBBH", [f"{i:04d}" for i in range(1, len(use) + 1)])
    use.insert(2, "DLMC", use["DLBM"].map(LAND_CLASSES))
    _to_gpkg(use, folder / "base.gpkg", "dltb")
    _to_gpkg(_frame(rows["coverage"]), folder / "yjjbnt_coverage.gpkg", "coverage")
    dyke = _frame(rows["sea_dyke_zone"], "EPSG:4326")
    pyogrio.write_dataframe(
        dyke, folder / "sea_dyke_zone.geojson", driver="GeoJSON", layer_options={"COORDINATE_PRECISION": "8"}
    )
    farm = _frame(rows["permanent_basic_farmland"], PREFIXED)
    areas = [round(g.area, 2) for g, _ in rows["permanent_basic_farmland"]]
    farm.insert(0, "YJJBNTTBBH", [f"120116{i:06d}" for i in range(1, len(farm) + 1)])
    farm["DLMC"] = farm["DLBM"].map(LAND_CLASSES)
    farm["YJJBNTMJ"] = areas
    farm["SJNF"] = 2017
    _gbk_shapefile(farm, folder / "yjjbnt.shp")


def _gbk_shapefile(frame: gpd.GeoDataFrame, path: Path) -> None:
    """Write GBK text, and take away what would say so: the .cpg file and the language byte of the table."""
    pyogrio.write_dataframe(frame, path, driver="ESRI Shapefile", encoding="GBK")
    path.with_suffix(".cpg").unlink(missing_ok=True)
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[1:4] = bytes([122, 3, 31])  # date of the last update, years since 1900
    table[29] = 0
    path.with_suffix(".dbf").write_bytes(bytes(table))
    if struct.unpack("<I", table[4:8])[0] != len(frame):
        raise ValueError("the table of the shapefile is not complete")


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    pd.DataFrame(list(rows), columns=list(header), dtype=object).to_csv(
        path, index=False, encoding="utf-8-sig", lineterminator="\r\n"
    )


def _planning(path: Path, ids: Sequence[str], facts: Mapping[str, Mapping[str, object]]) -> None:
    rows: list[list[object]] = []
    for parcel_id in ids:
        known = {f: v for f, v in facts[parcel_id].items() if f in PLANNING}
        if not known:
            continue
        answers = max(len(v) if isinstance(v, list) else 1 for v in known.values())
        for i in range(answers):
            rows.append(
                [
                    parcel_id,
                    *((v[i] if isinstance(v, list) else v) for v in (known.get(f) for f in PLANNING)),
                ]
            )
    rows.append(["BH-OCC-999", "是", *[None] * (len(PLANNING) - 1)])
    _write_csv(path, ["图斑编号", *PLANNING.values()], rows)


def _survey(path: Path, ids: Sequence[str], facts: Mapping[str, Mapping[str, object]]) -> None:
    rng = rng_for("survey")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "外业核查"
    sheet.append(["TBBH", *SURVEY, "复核人"])
    for parcel_id in ids:
        known = {f: v for f, v in facts[parcel_id].items() if f in SURVEY}
        if not known:
            continue
        sheet.append([parcel_id, *(_cell(f, known.get(f), rng) for f in SURVEY), None])
    for row in sheet.iter_rows(min_row=2):
        for cell in row:
            if isinstance(cell.value, dt.date):
                cell.number_format = "yyyy/m/d"
    raw = io.BytesIO()
    book.save(raw)
    _steady_zip(raw.getvalue(), path)


def _cell(fact: str, value: object, rng: object) -> object:
    """Dates become real Excel dates; booleans are written the ways surveyors write them."""
    if value is None:
        return None
    if fact.endswith("_on") or fact.endswith("_deadline"):
        return dt.datetime.fromisoformat(str(value))
    if isinstance(value, bool):
        yes, no = [(True, False), (1, 0), ("是", "否"), ("Y", "N")][int(rng.integers(4))]  # type: ignore[attr-defined]
        return yes if value else no
    return value


def _steady_zip(raw: bytes, path: Path) -> None:
    """Write a workbook without the moment of writing in it."""
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                text = data.decode()
                for tag in ("created", "modified"):
                    head, _, rest = text.partition(f"<dcterms:{tag}")
                    opening, _, tail = rest.partition(">")
                    text = f"{head}<dcterms:{tag}{opening}>2022-03-31T09:00:00Z<{tail.partition('<')[2]}"
                data = text.encode()
            info = zipfile.ZipInfo(name, STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, data)


def _corrections(path: Path, ids: Sequence[str], facts: Mapping[str, Mapping[str, object]]) -> None:
    header = ["TBBH", *(c.removeprefix("corrected_") for c in CORRECTIONS)]
    rows = [
        [i, *(facts[i].get(c) for c in CORRECTIONS)] for i in ids if any(c in facts[i] for c in CORRECTIONS)
    ]
    _write_csv(path, header, rows)
