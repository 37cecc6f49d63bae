"""A decision in short says what the whole decision says."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.law import brief, decide, load_rulebook
from landremed.types import UNKNOWN, PartialDate

BOOKS = {name: load_rulebook(name) for name in ("binhai-2022", "water-source-demo")}
DAYS = [
    date(2003, 1, 1),
    date(2004, 10, 21),
    date(2020, 7, 3),
    date(2020, 7, 4),
    date(2022, 7, 1),
    date(2030, 1, 1),
]


def values(spec):
    """Absent, unreadable, and every kind of value a fact can have."""
    if spec.kind == "bool":
        known = st.booleans()
    elif spec.kind == "code":
        known = st.sampled_from([*spec.values, "no such code"]) if spec.values else st.just("x")
    elif spec.kind == "date":
        known = st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)).map(
            lambda d: PartialDate(min(d), max(d))
        )
    else:
        known = st.sampled_from([0.0, 0.5, 100.0, 1e6])
    return st.none() | st.just(UNKNOWN) | known | known


@pytest.mark.parametrize("name", BOOKS)
@settings(max_examples=120, deadline=None)
@given(st.data())
def test_what_it_says_is_what_the_decision_says(name, data):
    book = BOOKS[name]
    facts = {fact: data.draw(values(spec), fact) for fact, spec in book.vocabulary.items()}
    edits = st.lists(st.sampled_from([*book.vocabulary]), min_size=3, max_size=8)
    for fact in [None, *data.draw(edits)]:  # one fact at a time: what is remembered must not be too much
        if fact is not None:
            facts[fact] = data.draw(values(book.vocabulary[fact]), fact)
        day, shape = data.draw(st.sampled_from(DAYS)), data.draw(st.integers(0, 9)) > 0
        whole = decide(book, facts, as_of=day, has_geometry=shape)
        short = brief(book, facts, as_of=day, has_geometry=shape)
        assert short == tuple(getattr(whole, field) for field in short._fields)
