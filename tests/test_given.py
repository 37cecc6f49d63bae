"""Given facts: precedence, contradictions, and the place every value came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from landremed import given_draft
from landremed.errors import InputError
from landremed.given import EvidenceTable, given_facts, value_text
from landremed.io.spreadsheet import RawTable
from landremed.tables import GIVEN_FACTS_SCHEMA, GivenFacts, VectorSource, plain_table
from landremed.text import catalogue, message_text
from landremed.types import UNKNOWN, FactSpec, PartialDate, ValueSpec
from landremed.values import parse_value


def values(*specs: tuple[str, str, tuple[str, ...]]) -> dict[str, ValueSpec]:
    return {code: ValueSpec(code, zh, code.replace("_", " "), (), scope) for code, zh, scope in specs}


VOCABULARY = {
    spec.name: spec
    for spec in (
        FactSpec("category", "code", "问题类型", "class", values=values(
            ("lake", "挖田造湖", ()), ("illegal_occupation", "违法占地", ()),
            ("abandoned_farmland", "耕地撂荒", ()),
        )),
        FactSpec("subtype", "code", "细类", "subtype", values=values(
            ("park_green", "公园绿地", ("lake",)), ("lake_digging", "挖湖", ("lake",)),
            ("industrial", "产业类", ("illegal_occupation",)),
        )),
        FactSpec("occurred_on", "date", "发生日期", "day it occurred"),
        FactSpec("exemption", "code", "无需整治原因", "reason", claim=True, values=values(
            ("temporary_greening", "临时绿化", ("park_green",)), ("sliver", "细碎图斑", ("lake_digging",)),
            ("other", "其他", ("park_green", "lake_digging")),
        )),
        FactSpec("abandoned", "bool", "废弃不用", "disused", synonyms=("是否废弃",)),
        FactSpec("related_category", "code", "涉及的其他问题类型", "other class", claim=True, values=values(
            ("lake", "挖田造湖", ()), ("illegal_occupation", "违法占地", ()),
            ("none", "无", ()),
        )),
        FactSpec("within_green_barrier", "bool", "位于绿色生态屏障内", "inside", source="computed"),
    )
}  # fmt: skip


def parcels(columns: dict[str, Sequence[Any]], rows: int) -> VectorSource:
    table = pa.table({name: pa.array(list(cells)) for name, cells in columns.items()})
    wkb = pa.nulls(rows, pa.large_binary())
    return VectorSource("p.gpkg", "tb", "GPKG", table, wkb, None, "", "", "")


def table(header: str, *rows: Sequence[Any], file: str = "e.csv", kind: str = "csv") -> EvidenceTable:
    raw = RawTable(file, tuple(header.split()), [tuple(r) for r in rows], list(range(2, len(rows) + 2)), kind)
    return EvidenceTable(raw, file, "id")


def collect(
    columns: dict[str, Sequence[Any]],
    evidence: Sequence[EvidenceTable] = (),
    ids: Sequence[str] = ("a", "b", "c"),
    fields: dict[str, str] | None = None,
    words: dict[str, dict[str, str]] | None = None,
) -> GivenFacts:
    source = parcels(columns or {"x": [None] * len(ids)}, len(ids))
    facts = given_facts(VOCABULARY, ids, source, fields or {}, words or {}, evidence)
    for finding in facts.findings:  # every text can be filled
        for language in ("en", "zh"):
            assert message_text(finding.code, finding.params, language)
        assert catalogue()[finding.code]["severity"] in {"warning", "info"}
    assert plain_table(facts.sources).schema == GIVEN_FACTS_SCHEMA
    return facts


def all_of(facts: GivenFacts, name: str) -> list[Any]:
    return [facts.columns[name][row] for row in range(len(facts.columns[name]))]


def codes(facts: GivenFacts) -> list[tuple[str, str, int | None, str, str]]:
    return [(f.code, f.parcel_id, f.row, f.field, f.value) for f in facts.findings]


class TestAttributes:
    def test_mapped_then_own_name_then_label(self) -> None:
        facts = collect(
            {
                "WTLX": ["违法占地", None, "lake"],
                "category": ["lake", "lake", "lake"],
                "Abandoned": ["是", "0", None],
                "发生日期": ["2019", "2019-05", ""],
            },
            fields={"category": "wtlx"},
        )
        assert all_of(facts, "category") == ["illegal_occupation", None, "lake"]
        assert all_of(facts, "abandoned") == [True, False, None]
        assert [str(v or "") for v in all_of(facts, "occurred_on")] == ["2019", "2019-05", ""]
        assert codes(facts) == [("field_taken_by_label", "", None, "发生日期", "")]
        assert set(facts.columns) == {"category", "occurred_on", "abandoned"}

    def test_typed_columns(self) -> None:
        when = dt.date(2022, 3, 18)
        facts = collect(
            {
                "abandoned": pa.array([True, None, False]),
                "occurred_on": pa.array([when, None, dt.date(2020, 1, 1)]),
            }
        )
        assert all_of(facts, "abandoned") == [True, None, False]
        assert all_of(facts, "occurred_on")[0] == PartialDate(when, when)
        numbers = collect({"abandoned": [1.0, 0.0, float("nan")], "occurred_on": [20220318, 2019, 7]})
        assert all_of(numbers, "abandoned") == [True, False, None]
        assert [str(v) for v in all_of(numbers, "occurred_on")[:2]] == ["2022-03-18", "2019"]
        assert codes(numbers) == [("date_unreadable", "c", 3, "occurred_on", "7")]

    def test_bad_values_are_unknown_and_named(self) -> None:
        facts = collect({"category": ["违法战地", "x", "lake"], "abandoned": ["也许", "未知", "是"]})
        assert all_of(facts, "category") == [UNKNOWN, UNKNOWN, "lake"]
        assert all_of(facts, "abandoned") == [UNKNOWN, UNKNOWN, True]
        assert codes(facts) == [
            ("value_not_listed", "a", 1, "category", "违法战地"),
            ("value_not_listed", "b", 2, "category", "x"),
            ("bool_unreadable", "a", 1, "abandoned", "也许"),
        ]
        assert facts.findings[0].params["nearest"] == "违法占地 (illegal_occupation)"
        assert facts.findings[0].file == "p.gpkg:tb"

    def test_computed_facts_are_not_taken_from_attributes_but_overrides_are(self) -> None:
        assert collect({"within_green_barrier": [1, 1, 1]}).columns == {}
        override = "override_within_green_barrier"
        assert all_of(collect({override: [1, None, 0]}), override) == [True, None, False]
        mapped = collect({"FG": ["是", None, None]}, fields={override: "FG"})
        assert (all_of(mapped, override), mapped.findings) == ([True, None, None], [])

    def test_a_mapped_field_must_exist(self) -> None:
        with pytest.raises(InputError, match=r"no field WTLX.*nearest first: WT"):
            collect({"WT": ["lake", None, None]}, fields={"category": "WTLX"})

    def test_a_mapping_of_no_fact_is_said(self) -> None:
        facts = collect({"x": [1, 2, 3]}, fields={"categori": "x"})
        assert [(f.code, f.params["nearest"]) for f in facts.findings] == [("field_maps_no_fact", "category")]

    def test_own_words(self) -> None:
        facts = collect({"category": ["老湖", "挖湖", "lake"]}, words={"category": {"老湖": "lake"}})
        assert all_of(facts, "category") == ["lake", UNKNOWN, "lake"]


class TestEvidence:
    def test_columns_by_name_label_synonym_and_override(self) -> None:
        facts = collect(
            {},
            [
                table("id 问题类型 是否废弃 override_within_green_barrier", ("a", "挖田造湖", "Y", "否")),
                table("id 覆盖_位于绿色生态屏障内", ("b", "1"), file="f.csv"),
            ],
        )
        assert all_of(facts, "category") == ["lake", None, None]
        assert all_of(facts, "abandoned") == [True, None, None]
        assert all_of(facts, "override_within_green_barrier") == [False, True, None]
        assert facts.findings == []

    def test_columns_that_do_not_count(self) -> None:
        facts = collect(
            {}, [table("id abandonned 位于绿色生态屏障内 废弃不用 abandoned", ("a", "1", "1", "1", "0"))]
        )
        assert [(f.code, f.field) for f in facts.findings] == [
            ("evidence_column_unknown", "abandonned"),
            ("evidence_column_computed", "位于绿色生态屏障内"),
            ("evidence_column_twice", "abandoned"),
        ]
        assert facts.findings[0].params["nearest"] == "abandoned (废弃不用)"
        assert all_of(facts, "abandoned") == [True, None, None]

    def test_evidence_wins_over_attributes(self) -> None:
        facts = collect(
            {"abandoned": ["是", "是", None]}, [table("id abandoned", ("a", "否"), ("b", "1"), ("c", "0"))]
        )
        assert all_of(facts, "abandoned") == [False, True, False]
        assert codes(facts) == [("evidence_over_attribute", "a", 2, "abandoned", "否")]

    def test_a_blank_wins_over_nothing(self) -> None:
        facts = collect({"abandoned": ["是", "是", "是"]}, [table("id abandoned", ("a", None), ("b", " "))])
        assert all_of(facts, "abandoned") == [True, True, True]

    def test_a_later_table_wins(self) -> None:
        facts = collect(
            {},
            [
                table("id abandoned", ("a", "是"), ("b", "是"), ("c", "?")),
                table("id abandoned", ("c", "1"), ("a", "否"), ("b", "y"), file="later.csv"),
            ],
        )
        assert all_of(facts, "abandoned") == [False, True, True]
        assert codes(facts) == [
            ("evidence_superseded", "a", 3, "abandoned", "否"),
            ("evidence_superseded", "c", 2, "abandoned", "1"),
        ]
        assert facts.findings[0].params["old_row"] == 2

    def test_a_table_that_contradicts_itself(self) -> None:
        rows = [("a", "是"), ("b", "是"), ("a", "否"), ("b", "1"), ("a", "否"), ("c", None), ("c", "0")]
        facts = collect({}, [table("id abandoned", *rows)])
        assert all_of(facts, "abandoned") == [UNKNOWN, True, False]
        assert codes(facts) == [("evidence_contradiction", "a", 4, "abandoned", "否")]
        assert facts.findings[0].params["first_row"] == 2
        assert facts.findings[0].params["first_value"] == "是"

    def test_a_later_table_settles_a_contradiction(self) -> None:
        facts = collect(
            {},
            [
                table("id abandoned", ("a", "是"), ("a", "否")),
                table("id abandoned", ("a", "是"), file="later.csv"),
            ],
        )
        assert all_of(facts, "abandoned") == [True, None, None]

    def test_rows_that_name_no_parcel(self) -> None:
        facts = collect({}, [table("id abandoned", ("z", "是"), (None, "是"), ("b", "是"))])
        assert codes(facts) == [
            ("evidence_parcel_unknown", "", 2, "id", "z"),
            ("evidence_id_blank", "", 3, "id", ""),
        ]
        assert all_of(facts, "abandoned") == [None, True, None]

    def test_the_id_field_must_exist(self) -> None:
        wrong = EvidenceTable(table("TBBH abandoned", ("a", "1")).raw, "e.csv", "TBH")
        with pytest.raises(InputError, match=r"no field TBH.*nearest first: TBBH"):
            collect({}, [wrong])

    @pytest.mark.parametrize(
        ("cell", "row"),
        [
            ("12", 0),
            (12, 0),
            (12.0, 0),
            (" 12 ", 0),
            ("012", 1),
            ("12.0", None),
            ("0012", None),
            (12.5, None),
        ],
    )
    def test_ids_are_text(self, cell: object, row: int | None) -> None:
        facts = collect({}, [table("id abandoned", (cell, "1"))], ids=["12", "012"])
        got = all_of(facts, "abandoned") if facts.columns else [None, None]
        assert got == [True if row == i else None for i in range(2)]

    def test_joined_ids(self) -> None:
        raw = RawTable("e.csv", ("v", "n", "abandoned"), [("120", 7, "1")], [2], "xlsx")
        facts = collect({}, [EvidenceTable(raw, "e.csv", ["v", "n"])], ids=["120-7", "120-8"])
        assert all_of(facts, "abandoned") == [True, None]

    def test_excels_day_numbers(self) -> None:
        one = collect({}, [table("id occurred_on", ("a", 44638), kind="xlsx")])
        assert str(all_of(one, "occurred_on")[0]) == "2022-03-18"
        assert all_of(collect({}, [table("id occurred_on", ("a", "44638"))]), "occurred_on")[0] is UNKNOWN

    def test_one_is_not_true_for_a_code_and_true_is_not_one_for_a_date(self) -> None:
        facts = collect(
            {}, [table("id abandoned occurred_on", ("a", 1, True), ("b", True, 2019), kind="xlsx")]
        )
        assert all_of(facts, "abandoned") == [True, True, None]
        assert all_of(facts, "occurred_on")[0] is UNKNOWN


class TestScopes:
    def test_subtype_of_another_category(self) -> None:
        facts = collect(
            {
                "category": ["lake", "illegal_occupation", None],
                "subtype": ["公园绿地", "公园绿地", "公园绿地"],
            }
        )
        assert all_of(facts, "subtype") == ["park_green", UNKNOWN, "park_green"]
        assert codes(facts) == [("subtype_not_of_category", "b", 2, "subtype", "公园绿地")]
        assert facts.findings[0].params["listed"] == "industrial"

    def test_a_handed_over_parcel_may_have_the_other_categorys_subtype(self) -> None:
        facts = collect(
            {
                "category": ["耕地撂荒", "耕地撂荒", "耕地撂荒"],
                "related_category": ["违法占地", "无", "挖田造湖"],
                "subtype": ["产业类", "产业类", "公园绿地"],
            }
        )
        assert all_of(facts, "subtype") == ["industrial", UNKNOWN, "park_green"]

    def test_reasons_are_kept_and_reported(self) -> None:
        facts = collect(
            {
                "category": ["lake", "lake", "illegal_occupation"],
                "subtype": ["park_green", "lake_digging", None],
                "exemption": ["临时绿化", "临时绿化", "其他"],
            }
        )
        assert all_of(facts, "exemption") == ["temporary_greening", "temporary_greening", "other"]
        assert codes(facts) == [
            ("reason_not_listed", "b", 2, "exemption", "临时绿化"),
            ("reason_not_listed", "c", 3, "exemption", "其他"),
        ]

    def test_unknown_classes_say_nothing(self) -> None:
        facts = collect({"category": ["?", None, "lake"], "exemption": ["其他", "其他", "其他"]})
        assert all_of(facts, "exemption") == ["other"] * 3
        assert facts.findings == []


def test_sources_stand_in_parcel_and_fact_order() -> None:
    facts = collect(
        {"WTLX": ["违法占地", None, "lake"], "abandoned": ["是", "x", None]},
        [table("id 发生日期 override_within_green_barrier", ("c", "2019", "是"), ("a", "2020.1.2", None))],
        fields={"category": "WTLX"},
    )
    rows = [tuple(r.values()) for r in facts.sources.to_pylist()]
    assert rows == [
        ("a", "category", "illegal_occupation", "attribute", "p.gpkg:tb", 1, "WTLX", "违法占地"),
        ("a", "occurred_on", "2020-01-02", "evidence", "e.csv", 3, "发生日期", "2020.1.2"),
        ("a", "abandoned", "true", "attribute", "p.gpkg:tb", 1, "abandoned", "是"),
        ("b", "abandoned", "unknown", "attribute", "p.gpkg:tb", 2, "abandoned", "x"),
        ("c", "category", "lake", "attribute", "p.gpkg:tb", 3, "WTLX", "lake"),
        ("c", "occurred_on", "2019", "evidence", "e.csv", 2, "发生日期", "2019"),
        (
            "c",
            "override_within_green_barrier",
            "true",
            "evidence",
            "e.csv",
            2,
            "override_within_green_barrier",
            "是",
        ),
    ]


FACTS = ("abandoned", "override_within_green_barrier")
CELL = st.sampled_from([None, "是", "否", "x", "true"])


@settings(max_examples=60, deadline=None)
@examples(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=400),
    st.dictionaries(st.integers(0, 399), CELL, max_size=6),
    st.sampled_from([1, 3, 8192]),
)
def test_every_value_has_its_source_however_many_are_picked_at_a_time(
    cells: list[tuple[str | None, str | None]], late: dict[int, str | None], step: int
) -> None:
    ids = [f"p{row}" for row in range(len(cells))]
    told = [(f"p{row}", cell) for row, cell in late.items() if row < len(cells)]
    columns = dict(zip(FACTS, zip(*cells, strict=True), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(given_draft, "_STEP", step)
        facts = collect(columns, [table("id abandoned", *told)] if told else [], ids)
    expected = []
    for row, pair in enumerate(cells):
        for name, cell in zip(FACTS, pair, strict=True):
            source, place, raw = "attribute", row + 1, cell
            if name == "abandoned" and late.get(row) is not None:
                source, place, raw = "evidence", 2 + [key for key, _ in told].index(f"p{row}"), late[row]
            if raw is not None:
                said = {"是": "true", "否": "false", "true": "true"}.get(raw, "unknown")
                expected.append((f"p{row}", name, said, source, place, raw))
    names = ("parcel_id", "fact", "value", "source", "row", "raw")
    assert [tuple(r[n] for n in names) for r in facts.sources.to_pylist()] == expected


def test_nothing_given() -> None:
    facts = collect({})
    assert (facts.columns, facts.sources.num_rows, facts.findings) == ({}, 0, [])


def test_value_text() -> None:
    day = PartialDate(dt.date(2019, 5, 1), dt.date(2019, 5, 31))
    shown = [value_text(v) for v in (None, UNKNOWN, True, False, "lake", 3.0, 2.5, day)]
    assert shown == ["", "unknown", "true", "false", "lake", "3", "2.5", "2019-05"]


cell = st.sampled_from([None, "", "是", "否", "1", "x", "未知", "y "])


@settings(max_examples=200, deadline=None)
@examples(
    st.lists(cell, min_size=4, max_size=4),
    st.lists(st.lists(st.tuples(st.sampled_from("abcdz"), cell), max_size=6), max_size=3),
)
def test_against_a_plain_reading(
    attributes: list[str | None], tables: list[list[tuple[str, str | None]]]
) -> None:
    """The same precedence, written the slow way for one fact."""
    ids, spec = list("abcd"), VOCABULARY["abandoned"]
    evidence = [table("id abandoned", *rows, file=f"{i}.csv") for i, rows in enumerate(tables)]
    facts = collect({"abandoned": pa.array(attributes, pa.string())}, evidence, ids=ids)
    for row, parcel in enumerate(ids):
        expected = parse_value(attributes[row], spec)
        for rows in tables:
            said = [parse_value(raw, spec) for name, raw in rows if name == parcel]
            said = [value for value in said if value is not None]
            if said:
                expected = said[0] if all(value is said[0] for value in said) else UNKNOWN
        got = facts.columns["abandoned"][row] if "abandoned" in facts.columns else None
        assert got is expected
