"""Finding the features of an earlier state of a layer again."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.overlay import PolygonSet
from landremed.reuse.features import Features, moves
from landremed.reuse.hashes import digests
from landremed.reuse.nearness import near

GROUPS = ("a", "b")

# a few shapes in a row, drawn again and again, so that equal ones, swaps and gaps are common
feature = st.tuples(st.integers(0, 5), st.sampled_from([0, 1, -1]))


def state(drawn, names):
    shapes = [None if x == 5 else shapely.box(x, 0, x + 1.5, 1) for x, _ in drawn]
    groups = np.array([g if g < 0 else names.index(GROUPS[g]) for _, g in drawn], np.int32)
    return shapes, groups, features(shapes, groups, names)


def features(shapes, groups=None, names=()):
    polygons = PolygonSet.from_geometries(np.array(shapes, dtype=object))
    codes = np.full(len(shapes), -1, np.int32) if groups is None else groups
    return Features(digests(polygons.wkb), polygons.boxes, codes, list(names))


def seen(shapes, groups, names, box):
    """What the engine is given of a layer for a parcel with this box, in its order."""
    met = [i for i, s in enumerate(shapes) if s is not None and shapely.intersects(s, box)]
    return met, [(shapes[i].wkb, names[groups[i]] if groups[i] >= 0 else "") for i in met]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(feature, max_size=8),
    st.lists(feature, max_size=8),
    st.permutations(GROUPS),
    st.floats(-1, 7),
    st.floats(0.1, 3),
)
def test_away_from_changes_a_parcel_meets_the_same_features(before, after, names, x, width):
    old_shapes, old_groups, old = state(before, list(GROUPS))
    new_shapes, new_groups, new = state(after, list(names))
    found = moves(old, new)
    box = shapely.box(x, 0, x + width, 1)
    if near(np.array([box.bounds]), found.changed)[0]:
        return
    then, what = seen(old_shapes, old_groups, GROUPS, box)
    now, same = seen(new_shapes, new_groups, names, box)
    assert what == same
    assert found.rows[then].tolist() == now
    assert [found.groups[g] for g in old_groups[then] if g >= 0] == [g for g in new_groups[now] if g >= 0]


def test_one_feature_that_changed_its_place_is_all_that_changed():
    shapes = [shapely.box(i, 0, i + 0.5, 1) for i in range(50)]
    order = [*range(1, 30), 0, *range(30, 50)]
    old, new = (features([shapes[i] for i in rows]) for rows in (range(50), order))
    found = moves(old, new)
    assert np.unique(found.changed, axis=0).tolist() == [[0, 0, 0.5, 1]]
    assert (found.rows < 0).sum() == 1


def test_nothing_changed_in_an_empty_layer():
    none = features([])
    assert len(moves(none, none).changed) == 0
