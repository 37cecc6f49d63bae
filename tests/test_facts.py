"""What counts, what is inside, what is unknown: cases worked by hand from rules.md section 3."""

import numpy as np
import pyarrow as pa
import pytest

from landremed.facts import computed_facts, counts
from landremed.measure import Measured
from landremed.project import Tolerance
from landremed.types import Straddle

PBF = "permanent_basic_farmland"
RED = "ecological_red_line"
UDB = "urban_development_boundary"
BARRIER = "green_ecological_barrier"


def measured(area, overlaps, outside=None, complete=None, void=None, sure=None):
    one = np.array([float(area)])
    outside = {k: np.array([float(v)]) for k, v in (outside or {}).items()}
    return Measured(
        area_m2=one,
        overlap_m2={k: np.array([float(v)]) for k, v in overlaps.items()},
        complete={k: np.array([k not in (complete or ())]) for k in overlaps},
        void={k: np.array([k in (void or ())]) for k in overlaps},
        outside_m2=outside,
        outside_sure_m2={k: np.array([float(v)]) for k, v in sure.items()} if sure else outside,
        land_use=None,
        admin_units=None,
        overlaps=pa.table({}),
        features=pa.table({}),
        disputed=pa.table({}),
    )


def fact(name, straddle=Straddle.REVIEW, tolerance=None, **columns):
    computed = computed_facts(measured(**columns), tolerance or Tolerance(), straddle)
    return int(computed.truth[name][0])


@pytest.mark.parametrize(
    ("overlap", "parcel", "expected"),
    [
        (1.0, 500, False),  # not more than 1 m²
        (1.01, 500, True),  # more than 1 m² and 0.2 %
        (1.01, 1010, False),  # exactly 0.1 % is not more
        (9.0, 20000, False),  # over 1 m², under 0.1 % and under 10 m²
        (10.01, 20000, True),  # under 0.1 % but more than 10 m²
        (0.5, 1.5, True),  # a parcel under 2 m²: only the share counts
        (0.001, 1.5, False),  # 0.067 %
        (0.0, 1.5, False),
        (1.0, 2.0, False),  # 2 m² is not under twice the minimum
    ],
)
def test_tolerance(overlap, parcel, expected):
    assert counts(np.array([overlap]), np.array([parcel]), Tolerance())[0] == expected


def test_occupies_and_sliver():
    assert fact(f"occupies_{PBF}", area=5000, overlaps={PBF: 300}) == 1
    assert fact(f"occupies_{PBF}", area=5000, overlaps={PBF: 0.4}) == 0
    assert fact(f"occupies_{PBF}", area=5000, overlaps={}) == -1  # no layer: unknown, not false
    computed = computed_facts(measured(5000, {PBF: 0.4}), Tolerance(), Straddle.REVIEW)
    assert computed.slivers[PBF][0]
    assert not computed_facts(measured(5000, {PBF: 0}), Tolerance(), Straddle.REVIEW).slivers[PBF][0]


@pytest.mark.parametrize(
    ("overlap", "review", "majority"),
    [(5000, 1, 1), (4999.2, 1, 1), (0, 0, 0), (0.8, 0, 0), (3000, -1, 1), (2500, -1, 0), (100, -1, 0)],
)
def test_within(overlap, review, majority):
    name = "within_urban_development_boundary"
    assert fact(name, area=5000, overlaps={UDB: overlap}) == review
    assert fact(name, Straddle.MAJORITY, area=5000, overlaps={UDB: overlap}) == majority
    assert fact(name, Straddle.SPLIT, area=5000, overlaps={UDB: overlap}) == review


def test_coverage_keeps_true_and_opens_false():
    occupies, within = f"occupies_{RED}", "within_green_barrier"
    assert fact(occupies, area=900, overlaps={RED: 50}, complete=[RED]) == 1
    assert fact(occupies, area=900, overlaps={RED: 0}, complete=[RED]) == -1
    assert fact(within, area=900, overlaps={BARRIER: 900}, complete=[BARRIER]) == 1
    assert fact(within, area=900, overlaps={BARRIER: 0}, complete=[BARRIER]) == -1
    assert fact(within, Straddle.MAJORITY, area=900, overlaps={BARRIER: 500}, complete=[BARRIER]) == 1
    assert fact(within, Straddle.MAJORITY, area=900, overlaps={BARRIER: 400}, complete=[BARRIER]) == -1


def test_unusable_feature_opens_everything():
    assert fact(f"occupies_{RED}", area=900, overlaps={RED: 50}, void=[RED]) == -1
    assert fact("within_green_barrier", area=900, overlaps={BARRIER: 900}, void=[BARRIER]) == -1


@pytest.mark.parametrize(
    ("overlaps", "outside", "expected"),
    [
        ({RED: 500, UDB: 0}, 500, 1),
        ({RED: 500, UDB: 1000}, 0, 0),  # wholly inside the boundary
        ({RED: 500, UDB: 600}, 0.4, 0),  # what lies outside does not count
        ({RED: 500, UDB: 600}, 400, 1),
        ({RED: 0, UDB: 0}, 0, 0),
        ({RED: 0.5}, None, 0),  # no boundary layer, but no counting red line either
        ({RED: 500}, None, -1),
        ({UDB: 1000}, None, 0),  # no red line layer, but nothing lies outside
        ({UDB: 400}, None, -1),
        ({}, None, -1),
    ],
)
def test_three_way(overlaps, outside, expected):
    known = {} if outside is None else {"red_line_outside_boundary": outside}
    assert fact("red_line_outside_boundary", area=1000, overlaps=overlaps, outside=known) == expected


def test_three_way_where_coverage_ends():
    name, both = "red_line_outside_boundary", {RED: 500, UDB: 0}
    # the boundary layer does not reach over the parcel: outside is not known there
    assert fact(name, area=1000, overlaps=both, outside={name: 500}, complete=[UDB], sure={name: 0}) == -1
    # but 200 m² of it surely lie outside
    assert fact(name, area=1000, overlaps=both, outside={name: 500}, complete=[UDB], sure={name: 200}) == 1
    # the red line does not reach: what is true stays true, what would be false is unknown
    assert fact(name, area=1000, overlaps=both, outside={name: 500}, complete=[RED]) == 1
    assert fact(name, area=1000, overlaps={RED: 0, UDB: 0}, outside={name: 0}, complete=[RED]) == -1
    # inside the boundary it is false whatever the red line is
    assert fact(name, area=1000, overlaps={RED: 0, UDB: 1000}, outside={name: 0}, complete=[RED]) == 0


def test_no_geometry_is_unknown():
    columns = {"area": float("nan"), "overlaps": {RED: float("nan"), UDB: float("nan")}}
    for name in (f"occupies_{RED}", "within_urban_development_boundary", "red_line_outside_boundary"):
        assert fact(name, **columns) == -1


def test_majority_leaves_three_way_facts_alone():
    name = "red_line_outside_boundary"
    columns = {"area": 1000, "overlaps": {RED: 300, UDB: 700}, "outside": {name: 300}}
    assert fact(name, Straddle.MAJORITY, **columns) == 1
