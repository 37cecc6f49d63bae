"""Small results of a run, written by hand: what ledgers are opened on in tests."""

from datetime import UTC, date, datetime

import pyarrow as pa
import shapely

from landremed.io.gpkg import OutLayer, write_geopackage
from landremed.law import load_rulebook
from landremed.ledger import Change, Clerk, evidence_of, init_ledger, reading_desk, record_changes

BOOK = load_rulebook("binhai-2022")
CLERK = Clerk("tester", datetime(2022, 9, 20, 9, 0, tzinfo=UTC))
PATH = ("verified", "judged", "plan_approved", "in_progress", "applied", "checked", "accepted", "closed")
TEXT = [
    "category",
    "subtype",
    "outcome",
    "outcome_label",
    "measure",
    "measure_label",
    "why",
    "rule",
    "clause",
    "reason",
    "missing_facts",
    "schedule",
    "lead",
    "cooperating",
    "implementing",
    "implementing_unit",
    "other_units",
    "source_programme",
    "fact_occupies_permanent_basic_farmland",
    "fact_occupies_ecological_red_line",
]
REAL = ["area_m2", "permanent_basic_farmland_area_m2", "ecological_red_line_area_m2", "cultivated_area_m2"]
WHOLE = ("priority", "zero_tolerance")

FILL = {
    "category": "lake",
    "subtype": "lake_digging",
    "outcome": "demolish_restore",
    "measure": "fill_and_recultivate",
    "rule": "lake.dig.fill",
    "clause": "3.1.1(2)",
    "schedule": "lake.dig_fill",
    "due_on": date(2022, 12, 31),
    "implementing_unit": "甲镇",
    "area_m2": 1000.0,
    "cultivated_area_m2": 900.0,
    "priority": 4,
    "zero_tolerance": 0,
}
DEMOLISH = {
    **FILL,
    "category": "illegal_occupation",
    "subtype": "industrial",
    "measure": "demolish",
    "rule": "occ.plan",
    "clause": "3.2.1(1)",
    "schedule": "occ.other",
    "due_on": date(2023, 6, 30),
}
NEW = {**DEMOLISH, "schedule": "occ.new", "due_on": None, "zero_tolerance": 1, "priority": 1}
IDLE = {
    **FILL,
    "category": "idle_land",
    "subtype": "idle",
    "outcome": "complete_paperwork",
    "measure": "reclaim",
    "rule": "idle.reclaim",
    "clause": "3.5.1",
    "schedule": "idle",
}
JUDICIAL = {**IDLE, "measure": "notify_judiciary", "rule": "idle.judicial"}
UNSUPPLIED = {
    **IDLE,
    "category": "approved_unsupplied",
    "subtype": None,
    "measure": "digest_stock",
    "rule": "unsup.digest",
    "clause": "3.7.1(1)",
    "schedule": "unsup",
    "due_on": date(2022, 6, 30),
}
HOLD = {
    **IDLE,
    "category": "pre_expropriation",
    "subtype": None,
    "outcome": "retain",
    "measure": "hold_on_account",
    "rule": "pre.hold",
    "clause": "3.3.1(3)",
    "schedule": "pre.hold",
    "due_on": date(2022, 6, 30),
}


def make_result(path, parcels, *, as_of="2022-03-31", facts=(), **provenance):
    """Write a result: parcel -> fields; facts are rows (parcel, fact, value)."""
    ids = list(parcels)
    columns = {"parcel_id": pa.array(ids, pa.string())}
    for names, kind in ((TEXT, pa.string()), (REAL, pa.float64()), (WHOLE, pa.int64())):
        columns |= {n: pa.array([parcels[i].get(n) for i in ids], kind) for n in names}
    columns["due_on"] = pa.array([parcels[i].get("due_on") for i in ids], pa.date32())
    shapes = [
        shapely.MultiPolygon([shapely.box(500000 + i, 4300000, 500001 + i, 4300001)]) for i in range(len(ids))
    ]
    told = {
        "version": "test",
        "project": "test",
        "rules": "binhai-2022",
        "rules_hash": BOOK.content_hash,
        "as_of": as_of,
        "language": "zh",
        "basis": "count",
        "input.parcels": '{"file": "p.gpkg", "hash": "abc"}',
    } | provenance
    given = list(zip(*facts, strict=True)) or ([], [], [])
    layers = [
        OutLayer("decisions", pa.table(columns), pa.array(shapely.to_wkb(shapes), pa.large_binary())),
        OutLayer(
            "facts", pa.table(dict(zip(("parcel_id", "fact", "value"), map(_texts, given), strict=True)))
        ),
        OutLayer("provenance", pa.table({"key": _texts(told), "value": _texts(told.values())})),
    ]
    from pyproj import CRS

    write_geopackage(path, layers, crs_wkt=CRS.from_epsg(4548).to_wkt(), overwrite=True)
    return path


def make_ledger(folder, parcels, **options):
    """Open a ledger on parcels; returns its path."""
    result = make_result(folder / "out.gpkg", parcels, **options)
    init_ledger(result, folder / "ledger.gpkg", CLERK, overwrite=True)
    return folder / "ledger.gpkg"


def proof(folder, name="photo.jpg"):
    """Return evidence of a file."""
    path = folder / name
    path.write_bytes(b"seen")
    return evidence_of([path])


def items_of(ledger, parcel):
    from landremed.ledger.changes import item_list

    with reading_desk(ledger) as desk:
        return tuple(item.id for item in item_list(desk.book, desk.cases()[parcel]))


def walk(ledger, parcel, day, *, to="closed", evidence=()):
    """Take a parcel step by step, with every item ticked before it is closed."""
    steps = PATH[: PATH.index(to) + 1]
    changes = []
    for step in steps:
        if step == "closed":
            changes.append(Change(parcel, day, ticks=items_of(ledger, parcel), evidence=evidence))
        changes.append(Change(parcel, day, state=step))
    return record_changes(ledger, changes, CLERK)


def case_of(ledger, parcel, as_of=None):
    with reading_desk(ledger) as desk:
        return desk.cases(as_of)[parcel]


def _texts(values):
    return pa.array(list(values), pa.string())
