"""What follows from a set of reviews, whatever the order in which they came.

The latest word of each person counts. Where all agree, and no evidence says otherwise, a fact is learned;
where they do not it is a clash, until a reviewer settles it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from landremed.review.records import Problem, Review
from landremed.trace_table import OVERRIDE, value_text
from landremed.types import UNKNOWN, FactSpec, Outcome
from landremed.values import parse_value

__all__ = ["State", "settled_state"]

_VERDICT: Final = "verdict"
_EVIDENCE: Final = "*"


@dataclass
class State:
    """What reviews amount to.

    Attributes
    ----------
    learned : mapping of parcel to mapping of fact to Review
        Facts that count, under the names rules know (``override_…`` for computed ones); values normalised.
    clashes, overrules : list of mapping
        Rows of the tables of that name.
    accepted : set of (parcel_id, boundary's id or "")
        Boundaries a reviewer accepted.
    problems : list of Problem
        Reviews that cannot take effect.
    """

    learned: dict[str, dict[str, Review]] = field(default_factory=dict)
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    clashes: list[dict[str, Any]] = field(default_factory=list)
    overrules: list[dict[str, Any]] = field(default_factory=list)
    accepted: set[tuple[str, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def settled_state(
    reviews: Iterable[Review],
    given: Mapping[tuple[str, str], str],
    outcomes: Mapping[str, str],
    vocabulary: Mapping[str, FactSpec],
) -> State:
    """Return what reviews amount to.

    Parameters
    ----------
    reviews : iterable of Review
        All of them, in any order.
    given : mapping of (parcel, fact) to str
        What attributes and evidence say already.
    outcomes : mapping of parcel to str
        The machine's outcome of every parcel there is.
    vocabulary : mapping of fact to FactSpec
        Facts a review may name.
    """
    state = State()
    said: dict[tuple[str, str, str], dict[str, tuple[str, Review]]] = {}
    settles: dict[tuple[str, str], tuple[str, Review]] = {}
    for review in sorted(set(reviews), key=lambda r: (r.parcel_id, *r.order)):
        found = _problems(review, outcomes, vocabulary)
        state.problems += found
        if any(p.code != "photo_missing" for p in found):
            continue
        value = _value(review, vocabulary)
        if review.kind == "settle":
            settles[review.parcel_id, review.fact] = (value, review)
        elif review.kind == "accept_boundary":
            state.accepted.add((review.parcel_id, value))
        elif review.kind in ("fact", _VERDICT, "overrule"):
            key = (review.parcel_id, review.kind, review.fact or review.kind)
            said.setdefault(key, {})[review.person or f"({review.package})"] = (value, review)
    for key in sorted(said):
        _weigh(key, said[key], settles, given, vocabulary, state)
    for (parcel, fact), (value, review) in sorted(settles.items()):
        if fact in vocabulary and (parcel, "fact", fact) not in said:
            _learn(state, parcel, fact, value, review, vocabulary)
    _overrules(said, outcomes, state)
    return state


def _problems(
    review: Review, outcomes: Mapping[str, str], vocabulary: Mapping[str, FactSpec]
) -> list[Problem]:
    """Return why a review cannot take effect, and whether its photo is missing."""
    found = []
    if review.photo and not review.photo_hash:
        found.append(_problem("photo_missing", review, "photo", review.photo))
    if review.parcel_id not in outcomes:
        return [*found, _problem("review_unknown_parcel", review)]
    if review.kind == "overrule":
        if not review.remark.strip():
            found.append(_problem("overrule_without_reason", review, "remark"))
        if review.value not in set(Outcome):
            found.append(_problem("overrule_no_outcome", review, "value", review.value))
    elif _about_fact(review):
        if review.fact not in vocabulary:
            found.append(_problem("review_unknown_fact", review, "fact", review.fact))
        elif parse_value(review.value, vocabulary[review.fact]) in (None, UNKNOWN):
            found.append(_problem("review_value_unreadable", review, review.fact, review.value))
    return found


def _about_fact(review: Review) -> bool:
    return review.kind == "fact" or (review.kind == "settle" and review.fact not in (_VERDICT, "overrule"))


def _value(review: Review, vocabulary: Mapping[str, FactSpec]) -> str:
    """Return what a review says, about facts in the rules' own words."""
    if not _about_fact(review):
        return review.value
    return value_text(parse_value(review.value, vocabulary[review.fact]))


def _weigh(
    key: tuple[str, str, str],
    said: Mapping[str, tuple[str, Review]],
    settles: Mapping[tuple[str, str], tuple[str, Review]],
    given: Mapping[tuple[str, str], str],
    vocabulary: Mapping[str, FactSpec],
    state: State,
) -> None:
    """Learn what all agree on, or note the clash."""
    parcel, kind, fact = key
    values = {value for value, _ in said.values()}
    known = given.get((parcel, fact)) if kind == "fact" else None
    known = None if known == "unknown" else known
    ruling = settles.get((parcel, fact))
    if len(values) > 1 or (known is not None and values != {known}):
        parts = [f"{person}: {value} ({review.made_at})" for person, (value, review) in sorted(said.items())]
        parts += [f"{_EVIDENCE}: {known}"] if known is not None else []
        state.clashes.append(
            {
                "parcel_id": parcel,
                "kind": kind,
                "fact": fact,
                "said": "; ".join(parts),
                "settled": int(ruling is not None),
                "settled_value": ruling[0] if ruling else None,
            }
        )
    if kind != "fact":
        return
    if ruling is not None:
        _learn(state, parcel, fact, ruling[0], ruling[1], vocabulary)
    elif len(values) == 1 and known is None:
        latest = max((review for _, review in said.values()), key=lambda r: r.order)
        _learn(state, parcel, fact, next(iter(values)), latest, vocabulary)


def _learn(
    state: State, parcel: str, fact: str, value: str, review: Review, vocabulary: Mapping[str, FactSpec]
) -> None:
    name = fact if vocabulary[fact].source == "given" else OVERRIDE + fact
    state.learned.setdefault(parcel, {})[name] = review
    state.values[parcel, name] = value


def _overrules(
    said: Mapping[tuple[str, str, str], Mapping[str, tuple[str, Review]]],
    outcomes: Mapping[str, str],
    state: State,
) -> None:
    for (parcel, kind, _), people in sorted(said.items()):
        if kind != "overrule":
            continue
        for value, review in (people[name] for name in sorted(people)):
            state.overrules.append(
                {
                    "parcel_id": parcel,
                    "machine_outcome": outcomes[parcel],
                    "outcome": value,
                    "reason": review.remark,
                    "person": review.person,
                    "made_at": review.made_at,
                }
            )


def _problem(code: str, review: Review, name: str = "", value: str = "") -> Problem:
    return Problem(review.parcel_id, code, review.package, review.person, name, value)
