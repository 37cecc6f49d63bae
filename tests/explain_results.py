"""A small result GeoPackage written by hand, as a run would leave it."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import shapely

from landremed.io.gpkg import OutLayer, write_geopackage
from landremed.tables import GIVEN_FACTS_SCHEMA, ISSUES_SCHEMA, PROVENANCE_SCHEMA, TRACE_SCHEMA

SQUARE = shapely.to_wkb(shapely.box(500000, 4300000, 500050, 4300060), byte_order=1)

DECISIONS = [
    {
        "parcel_id": "BH-OCC-001",
        "outcome": "demolish_restore",
        "outcome_label": "建议拆除恢复",
        "measure": "demolish",
        "measure_label": "拆除",
        "why": "占生态保护红线312.40㎡（10.4%）→建议拆除，三（二）1（1），2022-12-31前",
        "due_on": date(2023, 6, 30),
        "overdue": 0,
        "implementing_unit": "中新天津生态城管委会",
        "area_m2": 3000.0,
        "area_mu": 4.5,
        "ecological_red_line_area_m2": 312.4,
        "ecological_red_line_share": 312.4 / 3000,
        "permanent_basic_farmland_area_m2": 0.0,
        "permanent_basic_farmland_share": 0.0,
        "category": "illegal_occupation",
        "subtype": "industrial",
        "rule": "occ.red_line",
        "clause": "3.2.1(1)",
        "schedule": "occ.other",
        "next_milestone_on": date(2022, 6, 30),
        "next_milestone_share": 0.5,
        "priority": 4,
        "zero_tolerance": 0,
        "lead": "市规划资源局滨海新区分局、区农业农村委",
        "implementing": "相关行业主管部门、各开发区管委会、各镇人民政府（街道办事处）",
        "flags": "sliver_overlap:permanent_basic_farmland",
        "fact_occupies_ecological_red_line": "true",
        "fact_occupies_permanent_basic_farmland": "false",
        "trace_id": 1,
    },
    {
        "parcel_id": "BH-PRE-001",
        "outcome": "needs_review",
        "outcome_label": "待研判",
        "why": "不符合规划；需查清：可办理农用地转用和土地征收手续",
        "missing_facts": "conversion_possible",
        "area_m2": 3000.0,
        "area_mu": 4.5,
        "category": "pre_expropriation",
        "reason": "missing_facts",
        "possible_outcomes": "demolish_restore",
        "trace_id": 2,
    },
    {
        "parcel_id": "BH-UNS-001",
        "outcome": "needs_review",
        "missing_facts": "category",
        "reason": "missing_facts",
        "trace_id": 3,
    },
]

OCC_FACTS = "occupies_ecological_red_line=true"

TRACE = [
    (1, 1, "occ.residential", "3.2", "subtype is residential", "subtype=industrial", "false", 0),
    (1, 2, "occ.before_scope", "3.2", "occurred_on before scope_start", "occurred_on=2015-05", "false", 0),
    (
        1,
        3,
        "occ.plan",
        "3.2.1(1)",
        "plan_conforms is false and plan_includable is false",
        "plan_conforms=false,plan_includable=unknown",
        "unknown",
        1,
    ),
    (1, 4, "occ.red_line", "3.2.1(1)", "occupies_ecological_red_line is true", OCC_FACTS, "true", 1),
    (2, 1, "pre.hold", "3.3.1(3)", "plan_conforms is true", "plan_conforms=false", "false", 0),
    (3, 1, None, None, "category", "category=unknown", "unknown", 0),
]

FACTS = [
    (
        "BH-OCC-001",
        "category",
        "illegal_occupation",
        "attribute",
        "parcels.gpkg:parcels",
        1,
        "WTLX",
        "违法占地",
    ),
    ("BH-OCC-001", "subtype", "industrial", "attribute", "parcels.gpkg:parcels", 1, "XL", "产业类"),
    ("BH-OCC-001", "occurred_on", "2015-05", "evidence", "evidence.csv", 7, "发生日期", "2015年5月"),
    ("BH-OCC-001", "plan_conforms", "false", "evidence", "evidence.csv", 7, "符合规划", "否"),
    ("BH-OCC-001", "abandoned", "false", "evidence", "evidence.csv", 7, "废弃不用", "否"),
    (
        "BH-PRE-001",
        "category",
        "pre_expropriation",
        "attribute",
        "parcels.gpkg:parcels",
        2,
        "WTLX",
        "预征土地",
    ),
    ("BH-PRE-001", "plan_conforms", "false", "attribute", "parcels.gpkg:parcels", 2, "FHGH", "N"),
    ("BH-PRE-001", "owners_willing_to_return", "true", "attribute", "parcels.gpkg:parcels", 2, "YY", "Y"),
]

FEATURE_COLUMNS = ["parcel_id", "layer", "feature_id", "area_m2", "GKFQ"]

FEATURES = [("BH-OCC-001", "ecological_red_line", f"HX{i:02d}", 50.0 - i, "核心保护区") for i in range(13)]

ISSUES = [("BH-OCC-001", "bad_date", "warning", "日期无法识别", "evidence.csv", 7, "反馈日期", "去年")]

PROVENANCE = {
    "version": "0.1.0",
    "rules": "binhai-2022",
    "as_of": "2022-03-31",
    "area": "survey",
    "crs": "EPSG:4548",
    "language": "zh",
    "input.ecological_red_line": json.dumps(
        {
            "file": "redline.gpkg",
            "layer": "sthx",
            "version": "2022-10 版",
            "date": "2022-10-14",
            "hash": "ab",
        },
        ensure_ascii=False,
    ),
    "input.permanent_basic_farmland": json.dumps({"file": "yjjbnt.shp", "layer": ""}),
}


def write_result(path, *, decisions=None, parts=None, provenance=None, facts=None, trace=None, **kwargs):
    """Write the hand-made result, or one with some of its tables replaced."""
    rows = DECISIONS if decisions is None else decisions
    schema = decision_schema()
    layers = [
        OutLayer("decisions", pa.Table.from_pylist(rows, schema), geometry(len(rows))),
        OutLayer("parts", pa.Table.from_pylist(parts or [], schema), geometry(len(parts or []))),
        OutLayer(
            "overlap_features", table(FEATURES, ["parcel_id", "layer", "feature_id", "area_m2", "GKFQ"])
        ),
        OutLayer("facts", table(FACTS if facts is None else facts, GIVEN_FACTS_SCHEMA)),
        OutLayer("trace", table(TRACE if trace is None else trace, TRACE_SCHEMA)),
        OutLayer("issues", table(ISSUES, ISSUES_SCHEMA), pa.nulls(len(ISSUES), pa.large_binary()), "Point"),
        OutLayer("provenance", table(list((PROVENANCE | (provenance or {})).items()), PROVENANCE_SCHEMA)),
    ]
    write_geopackage(path, layers, crs_wkt="EPSG:4548", **kwargs)
    return path


def decision_schema():
    kinds = {date: pa.date32(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    columns = {}
    for row in DECISIONS:
        columns |= {name: kinds[type(value)] for name, value in row.items()}
    return pa.schema(columns)


def geometry(count):
    return pa.array([SQUARE] * count, type=pa.large_binary())


def table(rows, schema):
    if isinstance(schema, pa.Schema):
        columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
        return pa.table(columns, schema=schema)
    return pa.table({name: [row[i] for row in rows] for i, name in enumerate(schema)})
