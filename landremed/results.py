"""The output tables of a run, from what was measured and decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.area import round_half_up, to_mu
from landremed.decisions import Decided
from landremed.facts import ComputedFacts
from landremed.law import Decision, RuleBook
from landremed.measure import Measured
from landremed.numbering import distinct
from landremed.project import LayerSpec
from landremed.sensitivity import Firmness
from landremed.tables import FactColumn
from landremed.types import MAIN_ROLES, Outcome, PartialDate
from landremed.units import UnitChoice
from landremed.why import Measures, why_sentences

__all__ = [
    "Judged",
    "decision_columns",
    "demolition_areas",
    "join_sources",
    "measured_columns",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Columns: TypeAlias = dict[str, pa.Array]

_TRUTH: Final = ("false", "true", "unknown")
_OCCURRED: Final = "occurred_on"


@dataclass(frozen=True)
class Judged:
    """Everything known of a set of rows: parcels, or parts of parcels.

    Attributes
    ----------
    dates : mapping of fact to FactColumn
        Facts that are dates.
    units : UnitChoice or None
        None without a layer of administrative units.
    demolish_m2, restore_m2 : ndarray
        Areas that fall to demolition and to restoration (of a split parcel: those of its parts).
    """

    measured: Measured
    computed: ComputedFacts
    decided: Decided
    category: FactColumn
    dates: Mapping[str, FactColumn]
    units: UnitChoice | None
    demolish_m2: FloatArray
    restore_m2: FloatArray
    firmness: Firmness | None = None


def measured_columns(measured: Measured) -> Columns:
    """Return area and share columns, rounded areas in m² (2 decimals) and unrounded shares."""
    area = measured.area_m2
    columns: Columns = {"area_m2": _areas(area), "area_mu": _areas(to_mu(area))}
    for role in dict.fromkeys((*MAIN_ROLES, *measured.overlap_m2)):
        overlap = measured.overlap_m2.get(role, np.full(len(area), np.nan))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.minimum(overlap / area, 1.0)
        columns[f"{role}_area_m2"] = _areas(overlap)
        columns[f"{role}_share"] = _nullable(share)
    for name in ("red_line_outside_boundary", "farmland_outside_boundary"):
        columns[f"{name}_area_m2"] = _areas(measured.outside_m2.get(name, np.full(len(area), np.nan)))
    cultivated = measured.cultivated_m2
    columns["cultivated_area_m2"] = _areas(np.full(len(area), np.nan) if cultivated is None else cultivated)
    return columns


def decision_columns(
    book: RuleBook, ids: Sequence[str], judged: Judged, layers: Sequence[LayerSpec], language: str
) -> Columns:
    """Return the columns of ``decisions`` (or ``parts``) in the order in which a person reads them."""
    decisions, code = judged.decided.decisions, judged.decided.code
    measured = judged.measured
    areas = {**measured.overlap_m2, **measured.outside_m2}
    why = why_sentences(book, decisions, code, Measures(areas, measured.area_m2, judged.dates), language)
    labels = _decision_labels(book, decisions, code, language)
    duties = _duty_columns(book, judged.category)
    head: Columns = {
        "parcel_id": pa.array(ids, pa.string()),
        "outcome": labels["outcome"],
        "outcome_label": labels["outcome_label"],
        "measure": labels["measure"],
        "measure_label": labels["measure_label"],
        "why": why,
        "missing_facts": labels["missing_facts"],
        "missing_facts_label": labels["missing_facts_label"],
        "due_on": labels["due_on"],
        "overdue": labels["overdue"],
        "implementing_unit": _implementing(judged),
    }
    areas_part = measured_columns(measured) | {
        "demolish_area_m2": _areas(judged.demolish_m2),
        "restore_area_m2": _areas(judged.restore_m2),
        "restore_cultivation": _restore_cultivation(book, judged),
    }
    rest: Columns = {
        "category": _codes(judged.category),
        "subtype": labels["subtype"],
        "rule": labels["rule"],
        "clause": labels["clause"],
        "reason": labels["reason"],
        "possible_outcomes": labels["possible_outcomes"],
        "schedule": labels["schedule"],
        "next_milestone_on": labels["next_milestone_on"],
        "next_milestone_share": labels["next_milestone_share"],
        "priority": labels["priority"],
        "zero_tolerance": labels["zero_tolerance"],
        **duties,
        "other_units": _other_units(judged),
        **_firmness_columns(judged),
        "flags": _flags(judged, layers),
        **{f"fact_{fact}": _truth_text(truth) for fact, truth in judged.computed.truth.items()},
        "trace_id": pa.array(judged.decided.trace_id, pa.int64()),
    }
    return head | areas_part | rest


def join_sources(columns: Mapping[str, pa.Array], attributes: pa.Table) -> pa.Table:
    """Put the source attributes after our columns; a name that clashes gets the prefix ``src_``."""
    joined = dict(columns)
    taken = {name.lower() for name in joined} | {"fid", "geom"}
    for name in attributes.column_names:
        free = name
        while free.lower() in taken:
            free = f"src_{free}"
        taken.add(free.lower())
        joined[free] = attributes.column(name)
    return pa.table(joined)


def _decision_labels(
    book: RuleBook, decisions: Sequence[Decision], code: npt.NDArray[np.int64], language: str
) -> Columns:
    """Build every column that depends on the decision alone, once per decision, and spread it."""
    listed = "、" if language == "zh" else ", "

    def texts(values: Iterable[str | None]) -> pa.Array:
        return pa.array([v or None for v in values], pa.string())

    facts = [listed.join(book.fact_label(f, language) for f in d.missing_facts) for d in decisions]
    columns: Mapping[str, pa.Array] = {
        "outcome": texts(str(d.outcome) for d in decisions),
        "outcome_label": texts(book.outcome_label(d.outcome, d.measure, language) for d in decisions),
        "measure": texts(d.measure for d in decisions),
        "measure_label": texts(
            book.measure_label(d.measure, language) if d.measure else None for d in decisions
        ),
        "missing_facts": texts(",".join(d.missing_facts) for d in decisions),
        "missing_facts_label": texts(facts),
        "subtype": texts(d.subtype for d in decisions),
        "rule": texts(",".join(d.rules) for d in decisions),
        "clause": texts(",".join(d.clauses) for d in decisions),
        "reason": texts(d.reason for d in decisions),
        "possible_outcomes": texts(",".join(d.possible_outcomes) for d in decisions),
        "schedule": texts(",".join(d.schedules) for d in decisions),
        "due_on": pa.array([d.due_on for d in decisions], pa.date32()),
        "overdue": pa.array([d.overdue for d in decisions], pa.int64()),
        "next_milestone_on": pa.array([d.next_milestone_on for d in decisions], pa.date32()),
        "next_milestone_share": pa.array([d.next_milestone_share for d in decisions], pa.float64()),
        "priority": pa.array([d.priority for d in decisions], pa.int64()),
        "zero_tolerance": pa.array([d.zero_tolerance for d in decisions], pa.int64()),
    }
    at = pa.array(code)
    return {name: column.take(at) for name, column in columns.items()}


def _duty_columns(book: RuleBook, category: FactColumn) -> Columns:
    duties = [book.duties(v) if isinstance(v, str) else None for v in category.values]
    at = pa.array(category.codes)
    return {
        name: pa.array([getattr(d, name) if d else None for d in duties], pa.string()).take(at)
        for name in ("lead", "cooperating", "implementing")
    }


def _implementing(judged: Judged) -> pa.Array:
    if judged.units is None:
        return pa.nulls(len(judged.category), pa.string())
    unit = judged.units.implementing
    return pa.array(judged.units.names, pa.string()).take(pa.array(unit, mask=unit < 0))


def _other_units(judged: Judged) -> pa.Array:
    """Return the further units that each row touches; most touch none."""
    units, rows = judged.units, len(judged.category)
    found: dict[int, list[str]] = {}
    if units is not None:
        for row, other in zip(units.parcel.tolist(), units.other.tolist(), strict=True):
            found.setdefault(row, []).append(units.names[other])
    number = np.full(rows, len(found))
    number[list(found)] = np.arange(len(found))
    return _joined([*found.values(), ()]).take(pa.array(number))


def _flags(judged: Judged, layers: Sequence[LayerSpec]) -> pa.Array:
    """Return the notices of every row, in a fixed order."""
    notices = [*_measured_notices(judged), *_decision_notices(judged, layers)]
    number, first = distinct([mask for _, mask in notices], len(judged.category))
    rows = [[name for name, mask in notices if mask[row]] for row in first.tolist()]
    return _joined(rows).take(pa.array(number))


def _measured_notices(judged: Judged) -> Iterator[tuple[str, BoolArray]]:
    """Yield notices about how the parcel was measured."""
    known = ~np.isnan(judged.measured.area_m2)
    for role, mask in judged.computed.slivers.items():
        yield f"sliver_overlap:{role}", mask
    for role in dict.fromkeys(judged.computed.within.values()):
        if role in judged.computed.straddles:
            yield f"straddles:{role}", judged.computed.straddles[role]
    for role, complete in judged.measured.complete.items():
        yield f"coverage_incomplete:{role}", ~complete & known
    for role, void in judged.measured.void.items():
        yield f"layer_unusable_here:{role}", void
    if judged.units is not None:
        yield "no_implementing_unit", (judged.units.implementing < 0) & known


def _decision_notices(judged: Judged, layers: Sequence[LayerSpec]) -> Iterator[tuple[str, BoolArray]]:
    """Yield notices about what was decided, and on what ground."""
    for fact in sorted({f for d in judged.decided.decisions for f in d.assumed}):
        assumed = np.array([fact in d.assumed for d in judged.decided.decisions], dtype=bool)
        yield f"assumed:{fact}", assumed[judged.decided.code]
    paperwork = _decision_mask(judged, lambda d: d.outcome == Outcome.COMPLETE_PAPERWORK)
    yield "farmland_conflict", paperwork & (judged.computed.truth["occupies_permanent_basic_farmland"] == 1)
    if judged.firmness is not None:
        for role, mask in judged.firmness.sensitive.items():
            yield f"sensitive:{role}", mask
    for layer in layers:
        if layer.date is not None and _OCCURRED in judged.dates:
            yield f"layer_postdates_case:{layer.role}", _before(judged.dates[_OCCURRED], layer.date)


def _firmness_columns(judged: Judged) -> Columns:
    """Return ``robust`` and ``margin_m`` (metres, to the millimetre); empty where nothing was moved."""
    found, rows = judged.firmness, len(judged.category)
    if found is None:
        return {"robust": pa.nulls(rows, pa.int64()), "margin_m": pa.nulls(rows, pa.float64())}
    robust = found.robust.astype(np.int64)
    return {
        "robust": pa.array(robust, mask=robust < 0),
        "margin_m": _nullable(round_half_up(found.margin_m, 3)),
    }


def _before(column: FactColumn, day: date) -> BoolArray:
    """Tell where a date surely lies before a day."""
    earlier = [isinstance(v, PartialDate) and v.last < day for v in column.values]
    return np.array(earlier, dtype=bool)[column.codes]


def _decision_mask(judged: Judged, test: Any) -> BoolArray:
    holds = np.array([test(d) for d in judged.decided.decisions], dtype=bool)
    return holds[judged.decided.code]


def demolition_areas(book: RuleBook, area_m2: FloatArray, decided: Decided) -> tuple[FloatArray, FloatArray]:
    """Return the areas to be demolished and to be restored, 0 where nothing is."""
    demolish = np.array([book.demolishes(d.measure) for d in decided.decisions], dtype=bool)[decided.code]
    restore = np.array([d.outcome == Outcome.DEMOLISH_RESTORE for d in decided.decisions], dtype=bool)
    none = np.zeros(len(area_m2))
    return np.where(demolish, area_m2, none), np.where(restore[decided.code], area_m2, none)


def _restore_cultivation(book: RuleBook, judged: Judged) -> pa.Array:
    truth = judged.computed.cultivated
    if truth is None:
        return pa.nulls(len(judged.category), pa.int64())
    asked = _decision_mask(judged, lambda d: book.recultivates(d.outcome, d.measure))
    value = np.where(asked, truth, 0).astype(np.int64)
    return pa.array(value, mask=value < 0)


def _areas(values: FloatArray) -> pa.Array:
    return _nullable(round_half_up(values))


def _nullable(values: FloatArray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _joined(rows: Iterable[Sequence[str]]) -> pa.Array:
    return pa.array([",".join(row) or None for row in rows], pa.string())


def _codes(column: FactColumn) -> pa.Array:
    values = pa.array([v if isinstance(v, str) else None for v in column.values], pa.string())
    return values.take(pa.array(column.codes))


def _truth_text(truth: npt.NDArray[np.int8]) -> pa.Array:
    return pa.array(_TRUTH, pa.string()).take(pa.array(np.where(truth < 0, 2, truth)))
