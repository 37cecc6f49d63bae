"""A rule book in memory, and the labels people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from landremed.errors import RuleBookError, Where
from landremed.law.conditions import Parameter, condition_words
from landremed.law.load_ledger import LedgerRules
from landremed.law.records import (
    AcceptanceItem,
    Chooser,
    ClassRules,
    Clause,
    Duties,
    Measure,
    NamedTest,
    OutcomeSpec,
    Priority,
    Reading,
    Rule,
    Schedule,
    Scoped,
    Step,
)
from landremed.law.source import Label, nearest, parse_date
from landremed.types import FactSpec, Outcome

__all__ = ["RuleBook"]


@dataclass(frozen=True, eq=False)
class RuleBook:
    """A whole rule book with the readings in force.

    Attributes
    ----------
    content_hash : str
        SHA-256 over the content of all its files but the cases, blind to comments and layout.
    readings : mapping of str to str
        Reading -> the alternative (or parameter value) in force.
    reading_specs : mapping of str to Reading
        What could be switched.
    ledger : LedgerRules or None
        How a parcel's case moves; None for a book without ``ledger.yaml``.
    layers : mapping of str to Label
        Titles of layers that this plan alone knows.
    schedules : mapping of str to Schedule
        In the order in which lists show them.
    """

    name: str
    title: Label
    document: str
    content_hash: str
    vocabulary: Mapping[str, FactSpec]
    straddle_facts: frozenset[str]
    outcomes: Mapping[str, OutcomeSpec]
    measures: Mapping[str, Measure]
    clauses: Mapping[str, Clause]
    parameters: Mapping[str, Parameter]
    classes: Mapping[str, ClassRules]
    schedules: Mapping[str, Schedule]
    choosers: Mapping[str, Chooser]
    tests: Mapping[str, NamedTest]
    zero_tolerance: tuple[Priority, ...]
    priorities: tuple[Priority, ...]
    reading_specs: Mapping[str, Reading]
    all_duties: Mapping[str, Duties]
    all_steps: tuple[Scoped, ...]
    all_items: tuple[Scoped, ...]
    ledger: LedgerRules | None = None
    layers: Mapping[str, Label] = field(default_factory=dict)
    readings: Mapping[str, str] = field(default_factory=dict)
    cuts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    base: RuleBook | None = field(default=None, repr=False)
    memo: dict[object, object] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is remembered: its keys are places in the memory of this process."""
        return {**self.__dict__, "memo": {}}

    @property
    def categories(self) -> tuple[str, ...]:
        """Codes of the classes that have rules."""
        return tuple(self.classes)

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule by its id, in table order."""
        return {r.id: r for c in self.classes.values() for table in c.tables for r in table.rules}

    def outcome_label(self, outcome: str, measure: str, language: str) -> str:
        """Return the recommendation as it is shown; it may follow the measure."""
        found = self.measures.get(measure)
        if found is not None and found.outcome_label is not None and found.outcome == outcome:
            return found.outcome_label.of(language)
        return self.outcomes[outcome].label.of(language)

    def demolishes(self, measure: str) -> bool:
        """Tell whether a measure takes down what stands on the parcel."""
        found = self.measures.get(measure)
        return found is not None and found.demolishes

    def recultivates(self, outcome: str, measure: str) -> bool:
        """Tell whether cultivated land goes back under the plough; an open measure does not rule it out."""
        found = self.measures.get(measure)
        return outcome == Outcome.DEMOLISH_RESTORE and (found is None or found.recultivates)

    def measure_label(self, measure: str, language: str) -> str:
        """Return the measure's name ("" for none)."""
        return self.measures[measure].label.of(language) if measure else ""

    def fact_label(self, fact: str, language: str) -> str:
        """Return the fact's name."""
        spec = self.vocabulary[fact]
        return spec.label_zh if language == "zh" else spec.label_en

    def titles(self, language: str) -> dict[str, str]:
        """Return the names of all facts, and the titles of the plan's own layers."""
        layers = {role: title.of(language) for role, title in self.layers.items()}
        return {**{name: self.fact_label(name, language) for name in self.vocabulary}, **layers}

    def value_label(self, fact: str, value: object, language: str) -> str:
        """Return a fact's value in words; codes by their labels, None and UNKNOWN as unknown."""
        spec = self.vocabulary.get(fact)
        if isinstance(value, bool):
            return ("是" if value else "否") if language == "zh" else ("yes" if value else "no")
        if isinstance(value, str) and spec is not None and value in spec.values:
            found = spec.values[value]
            return found.label_zh if language == "zh" else found.label_en
        if value is None and spec is not None and spec.claim:
            return "未主张" if language == "zh" else "not claimed"
        if isinstance(value, (str, int, float)) or hasattr(value, "exact"):
            return str(value)
        return "不详" if language == "zh" else "unknown"

    def clause_label(self, clause: str) -> str:
        """Return the clause in the plan's own numbering, as 三（二）1（2）."""
        found = self.clauses.get(clause)
        return found.label if found else clause

    def clause_text(self, clause: str, language: str) -> str:
        """Return a short paraphrase of the clause."""
        found = self.clauses.get(clause)
        return found.text.of(language) if found else ""

    def condition_in_words(self, rule: str, language: str) -> str:
        """Return what a rule asks for, in words."""
        found = self.rules[rule]
        return condition_words(found.when, self.vocabulary, self.parameters, language)

    def duties(self, category: str | None) -> Duties:
        """Return who answers for a class (empty for an unknown class)."""
        return self.all_duties.get(category or "", Duties(None, None, None))

    def steps(
        self, category: str, subtype: str | None, measure: str, clauses: Iterable[str] | None = None
    ) -> tuple[Step, ...]:
        """Return the ordered steps of a measure.

        Parameters
        ----------
        category : str
            The class whose table decided (after a hand-over that one).
        clauses : iterable of str, optional
            The decision's clauses; steps that belong to other clauses are left out.
        """
        found = _select(self.all_steps, category, subtype, measure, clauses)
        return tuple(entry for entry in found if isinstance(entry, Step))

    def acceptance(
        self, category: str, measure: str, clauses: Iterable[str] | None = None
    ) -> tuple[AcceptanceItem, ...]:
        """Return what must be ticked before the parcel counts as done; parameters as for `steps`."""
        found = _select(self.all_items, category, None, measure, clauses)
        return tuple(entry for entry in found if isinstance(entry, AcceptanceItem))

    def with_readings(self, readings: Mapping[str, object]) -> RuleBook:
        """Return the book read in another way.

        Parameters
        ----------
        readings : mapping
            Reading -> alternative, or a date for a reading that sets one. The others stay as they are.

        Raises
        ------
        RuleBookError
            For an unknown reading or alternative; names the nearest valid one.
        """
        from landremed.law.readings import apply_readings

        wanted = {**self.readings}
        for name, value in readings.items():
            wanted[name] = self._valid_reading(name, value)
        return apply_readings(self, wanted)

    def _valid_reading(self, name: str, value: object) -> str:
        spec = self.reading_specs.get(name)
        valid = [reading.id for reading in self.reading_specs.values() if reading.switchable]
        where = Where(field=f"[readings] {name}")
        if spec is None or not spec.switchable:
            raise RuleBookError("reading_unknown", where, name=name, nearest=nearest(name, valid))
        text = value.isoformat() if isinstance(value, date) else str(value)
        if spec.parameter:
            if parse_date(text) is None:
                raise RuleBookError("reading_not_a_date", where, name=name, value=text)
        elif text not in spec.alternatives:
            raise RuleBookError(
                "reading_value_unknown",
                where,
                name=name,
                value=text,
                nearest=nearest(text, spec.alternatives),
                valid=", ".join(spec.alternatives),
            )
        return text


def _select(
    entries: Iterable[Scoped],
    category: str,
    subtype: str | None,
    measure: str,
    clauses: Iterable[str] | None,
) -> list[Step | AcceptanceItem]:
    cited = None if clauses is None else set(clauses)
    return [
        scoped.entry
        for scoped in entries
        if measure in scoped.measures
        and (not scoped.categories or category in scoped.categories)
        and (not scoped.subtypes or subtype is None or subtype in scoped.subtypes)
        and (not scoped.clauses or cited is None or cited.intersection(scoped.clauses))
    ]
