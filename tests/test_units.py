"""Who answers for a parcel, by hand."""

import numpy as np
import pytest

from landremed.layers import Units
from landremed.measure import GroupAreas
from landremed.project import Tolerance
from landremed.units import choose_units

ZONE, TOWN = frozenset({"zone"}), frozenset({"town"})
BOTH = ZONE | TOWN
UNITS = Units(["滨海高新区", "天津港保税区", "中塘镇", "太平镇"], [ZONE, ZONE, TOWN, TOWN])


def choose(areas, kinds=BOTH, words=(), parcel=1000.0, units=UNITS):
    group = np.array([units.names.index(name) for name in areas], np.int32)
    table = GroupAreas(units, np.zeros(len(areas), np.int32), group, np.array(list(areas.values()), float))
    chosen = choose_units(table, np.array([parcel]), [(kinds, words)], np.zeros(1, np.int64), Tolerance())
    unit = chosen.implementing[0]
    assert not chosen.parcel.any()
    others = tuple(chosen.names[other] for other in chosen.other)
    return None if unit < 0 else chosen.names[unit], others


@pytest.mark.parametrize(
    ("areas", "kinds", "words", "unit", "others"),
    [
        # a zone that holds more than half comes before the town that holds all of it
        ({"滨海高新区": 600, "中塘镇": 1000}, BOTH, (), "滨海高新区", ("中塘镇",)),
        # half is not more than half: the largest part
        ({"滨海高新区": 500, "中塘镇": 1000}, BOTH, (), "中塘镇", ("滨海高新区",)),
        ({"中塘镇": 400, "太平镇": 600}, BOTH, (), "太平镇", ("中塘镇",)),
        # zones only: the town is touched but cannot answer
        ({"滨海高新区": 100, "中塘镇": 900}, ZONE, (), "滨海高新区", ("中塘镇",)),
        ({"中塘镇": 1000}, ZONE, (), None, ("中塘镇",)),
        # 高新区 only
        ({"滨海高新区": 100, "天津港保税区": 900}, ZONE, ("高新区",), "滨海高新区", ("天津港保税区",)),
        # under the tolerance a unit is not touched at all
        ({"滨海高新区": 0.5, "中塘镇": 999.5}, BOTH, (), "中塘镇", ()),
        ({"滨海高新区": 0.5}, ZONE, (), None, ()),
        # two zones with more than half each: the larger
        ({"滨海高新区": 700, "天津港保税区": 800}, ZONE, (), "天津港保税区", ("滨海高新区",)),
    ],
)
def test_choice(areas, kinds, words, unit, others):
    assert choose(areas, kinds, words) == (unit, others)


def test_without_kind_every_unit_is_both():
    units = Units(["甲", "乙"], [BOTH, BOTH])
    assert choose({"甲": 300, "乙": 700}, ZONE, units=units) == ("乙", ("甲",))
