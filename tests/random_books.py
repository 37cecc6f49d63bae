"""Rule books made at random, and facts for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from landremed.decisions import with_overrides
from landremed.law import load_rulebook
from landremed.law.conditions import Group, Parameter, Test
from landremed.law.records import (
    Chooser,
    ClassRules,
    HandOver,
    Milestone,
    Priority,
    Rule,
    Schedule,
    Series,
    Table,
)
from landremed.law.source import Label
from landremed.tables import FactColumn
from landremed.types import UNKNOWN, PartialDate

DAYS = [date(2004, 10, 21), date(2015, 1, 1), date(2020, 7, 3), date(2021, 12, 31)]
BOUNDS = [0.0, 12.5, 400.0]
WORDS = Label("", "")


class Maker:
    """Draws books and facts from one seed."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.plain = load_rulebook("binhai-2022")
        self.words = self.plain.vocabulary
        days = {f"day{i}": Parameter(f"day{i}", "date", d, WORDS, WORDS, "") for i, d in enumerate(DAYS)}
        sizes = {
            f"size{i}": Parameter(f"size{i}", "number", b, WORDS, WORDS, "") for i, b in enumerate(BOUNDS)
        }
        self.parameters = {**days, **sizes}
        asked = [n for n in self.words if n not in {"category", "subtype"}]
        kinds = {name: self.words[name].kind for name in asked}
        self.facts = self.some([n for n in asked if kinds[n] in {"bool", "code"}], 4)
        self.facts += self.some([n for n in asked if kinds[n] == "date"], 2)
        self.facts += self.some([n for n in asked if kinds[n] == "number"], 1)

    def some(self, things, count):
        return [things[i] for i in self.random.permutation(len(things))[:count]]

    def one(self, things):
        return things[int(self.random.integers(len(things)))]

    def test(self, listed, facts):
        fact = self.one(facts)
        spec = self.words[fact]
        if spec.kind == "bool":
            return Test(fact, "is", (bool(self.random.integers(2)),))
        if spec.kind == "code":
            if spec.claim and self.random.random() < 0.3:
                return Test(fact, self.one(["is given", "is not given"]))
            if fact in listed and self.random.random() < 0.7:
                return Test(fact, self.one(["is listed", "is not listed"]))
            codes = list(spec.values)
            if self.random.random() < 0.5:
                return Test(fact, "is one of", tuple(self.some(codes, 2)))
            return Test(fact, self.one(["is", "is not"]), (self.one(codes),))
        if spec.claim and self.random.random() < 0.3:
            return Test(fact, self.one(["is given", "is not given"]))
        if spec.kind == "date":
            operator = self.one(["before", "after", "not before", "not after"])
            return Test(fact, operator, parameter=f"day{self.random.integers(len(DAYS))}")
        return Test(
            fact, self.one(["<", "<=", ">", ">="]), parameter=f"size{self.random.integers(len(BOUNDS))}"
        )

    def condition(self, listed, facts, depth=0):
        kind = self.one(["all", "any"]) if depth else "all"
        found = []
        for _ in range(int(self.random.integers(0 if not depth else 1, 4))):
            nested = depth < 2 and self.random.random() < 0.25
            found.append(self.condition(listed, facts, depth + 1) if nested else self.test(listed, facts))
        return Group(kind, tuple(found))

    def rule(self, name, listed, subtypes):
        measure = self.one(list(self.plain.measures.values()))
        clauses = {"default": self.one(["1", "2"])}
        for subtype in subtypes:
            if self.random.random() < 0.3:
                clauses[subtype] = self.one(["3", "4"])
        when = self.condition(listed, [*self.facts, *(["subtype"] if subtypes else [])])
        return Rule(name, WORDS, clauses, when, measure.outcome, measure.code, "", 1)

    def table(self, category, subtype, subtypes):
        listed = {}
        if self.random.random() < 0.7:
            listed["exemption"] = tuple(self.some(list(self.words["exemption"].values), 3))
        name = f"{category}.{subtype}" if subtype else category
        count = int(self.random.integers(1, 6))
        rules = [self.rule(f"{name}.{n}", listed, subtypes) for n in range(count)]
        return Table(category, subtype, listed, tuple(rules))

    def class_rules(self, category, others):
        subtypes = [s for s, v in self.words["subtype"].values.items() if category in v.scope]
        split = subtypes if subtypes and self.random.random() < 0.5 else [""]
        hand_over = None
        if category == "abandoned_farmland":
            hand_over = HandOver("aband.over", "related_category", tuple(self.some(others, 2)), "9", WORDS)
        return ClassRules(
            category, "", tuple(self.table(category, subtype, subtypes) for subtype in split), hand_over
        )

    def schedule(self, category, number):
        subtypes = [s for s, v in self.words["subtype"].values.items() if category in v.scope]
        days = sorted(self.some([d + timedelta(days=n) for d in DAYS for n in (0, 200)], 2))
        series = (Series(WORDS, "", tuple(Milestone(d, 0.5 + 0.5 * i) for i, d in enumerate(days))),)
        kind = self.one(["fixed", "fixed", "due", "once", "none"])
        measures = self.some(list(self.plain.measures), 20)
        return Schedule(
            f"{category}.s{number}",
            WORDS,
            category,
            self.one(["", *subtypes]) if subtypes else "",
            dict.fromkeys(measures, ()) if self.random.random() < 0.7 else {},
            self.condition({}, self.facts),
            "",
            series if kind == "fixed" else (),
            "occurred_on" if kind == "once" else "",
            "feedback_deadline" if kind == "due" else "",
        )

    def book(self):
        names = list(self.words["category"].values)
        others = [name for name in names if name != "abandoned_farmland"]
        classes = {name: self.class_rules(name, others) for name in names}
        schedules = {s.id: s for name in names for s in (self.schedule(name, n) for n in range(3))}
        choosers = {
            name: Chooser(name, ((f"{name}.s1",), (f"{name}.s0", f"{name}.s2")))
            for name in names
            if self.random.random() < 0.5
        }
        zero = tuple(
            Priority(0, WORDS, self.one(["", *names]), self.condition({}, self.facts), False, "")
            for _ in range(2)
        )
        ranks = [
            Priority(n, WORDS, self.one(["", "", *names]), self.condition({}, self.facts), n == 1, "")
            for n in range(1, 4)
        ]
        ranks.append(Priority(4, WORDS, "", Group("all", ()), False, ""))
        return replace(
            self.plain,
            parameters={**self.plain.parameters, **self.parameters},
            classes=classes,
            schedules=schedules,
            choosers=choosers,
            zero_tolerance=zero,
            priorities=tuple(ranks),
            memo={},
        )

    def column(self, name, rows):
        spec = self.words[name]
        if spec.kind == "bool":
            values = [True, False, None, UNKNOWN]
        elif spec.kind == "date":
            near = [d + timedelta(days=int(n)) for d in DAYS for n in (-1, 0, 1, 40)]
            whole = [
                PartialDate(date(2004, 1, 1), date(2004, 12, 31)),
                PartialDate(date(2003, 1, 1), date(2022, 1, 1)),
            ]
            values = [*(PartialDate(d, d) for d in self.some(near, 9)), *whole, None, UNKNOWN]
        elif spec.kind == "number":
            values = [0.0, 3.25, 12.5, 12.75, 400.0, 1e4, None, UNKNOWN]
        else:
            values = [*spec.values, None, UNKNOWN]
        values = [values[i] for i in self.random.permutation(len(values))]
        return FactColumn(self.random.integers(0, len(values), rows).astype(np.int32), values)

    def columns(self, rows):
        """Return facts of some rows: those asked for and others, some missing, some overridden."""
        names = ["category", "subtype", "related_category", *self.facts, *self.some(list(self.words), 5)]
        found = {
            name: self.column(name, rows) for name in dict.fromkeys(names) if self.random.random() < 0.95
        }
        spatial = [n for n in found if self.words[n].kind in {"bool", "number"}]
        given = {f"override_{name}": self.column(name, rows) for name in self.some(spatial, 2)}
        return with_overrides(found, given)
