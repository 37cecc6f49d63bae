"""An explanation as plain text for a terminal, at most a hundred columns wide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from landremed.explain.facts import FactLine, place_text
from landremed.report.labels import value_label
from landremed.report.numbers import area_text, share_text
from landremed.report.terminal import display_width, one_line, pad, wrap
from landremed.text import message_text
from landremed.types import Outcome

if TYPE_CHECKING:
    from landremed.explain.gather import Explanation, RuleLine

__all__ = ["render"]

_WIDTH: Final = 100
_DECIDES, _PASSED = "=>", "  "
_DUTIES: Final = {
    "lead": "explain_lead",
    "cooperating": "explain_cooperating",
    "implementing": "explain_implementing",
    "implementing_unit": "explain_unit",
    "other_units": "explain_other_units",
}


def render(explanation: Explanation) -> str:
    """Return an explanation as a person would tell it.

    Parameters
    ----------
    explanation : Explanation
        From ``explain``; its language is that of the text.

    Returns
    -------
    str
        Lines of at most 100 columns (Chinese characters are two wide), with marks that every encoding has.
    """
    return _Writer(explanation).text()


class _Writer:
    """Writes one explanation section by section."""

    def __init__(self, explanation: Explanation) -> None:
        self.told = explanation
        self.zh = explanation.language == "zh"
        self.open = explanation.head["outcome"] == Outcome.NEEDS_REVIEW
        self.lines: list[str] = []

    def text(self) -> str:
        self._head()
        self._missing()
        self._clauses()
        self._section("explain_facts", (line for fact in self.told.facts for line in self._fact(fact)))
        self._section("explain_other_facts", self._other_facts())
        self._section("explain_rules_open" if self.open else "explain_rules", self._rules())
        self._section("explain_deadline", self._deadline())
        self._duties()
        self._section("explain_steps", self._steps())
        self._section("explain_acceptance", (line for t in self.told.acceptance for line in _item(t)))
        self._section("explain_parts", self._parts())
        self._section("explain_flags", (line for text in self.told.notices for line in _item(text)))
        self._section("explain_slivers", (line for s in self.told.slivers for line in _item(s.text)))
        self._section("explain_issues", self._issues())
        self._basis()
        return "\n".join(self.lines)

    def _words(self, code: str, **params: object) -> str:
        return message_text(code, params, self.told.language)

    def _join(self, parts: Iterable[str], zh: str = "，", en: str = ", ") -> str:
        return (zh if self.zh else en).join(part for part in parts if part)

    def _colon(self, name: str, text: str) -> str:
        return f"{name}：{text}" if self.zh else f"{name}: {text}"

    def _section(self, code: str, lines: Iterable[str]) -> None:
        body = list(lines)
        if body:
            self.lines += ["", self._words(code), *body]

    def _head(self) -> None:
        head = self.told.head
        title = [self._words("explain_head", parcel=self.told.parcel_id)]
        title.append(" · ".join(str(head[k]) for k in ("category_label", "subtype_label") if head[k]))
        if head["area_m2"] is not None:
            mu = area_text(head["area_mu"] or 0.0)
            title.append(self._words("explain_area", m2=area_text(head["area_m2"]), mu=mu))
        top = one_line("   ".join(part for part in title if part))
        if head["secrecy"]:
            self.lines.append(one_line(str(head["secrecy"])))
        self.lines += [top, "=" * min(_WIDTH, display_width(top))]
        verdict = [head["outcome_label"], head["measure_label"]]
        if head["reason"]:
            verdict.append(head["reason_label"])
        self.lines.append(" · ".join(str(part) for part in verdict if part))
        if head["why"]:
            self.lines += wrap(str(head["why"]).replace("m²", "m2"), _WIDTH, "  ")  # GBK has no superscript
        if head["margin_m"] is not None:
            margin = self._words("explain_margin", metres=f"{head['margin_m']:.2f}")
            self.lines += wrap(margin, _WIDTH, "  ")
        if head["part_of"]:
            self.lines.append("  " + self._words("explain_part_of", parcel=head["part_of"]))
        self.lines.append("  " + self._words("explain_advice"))

    def _missing(self) -> None:
        body = []
        if self.told.possible_outcomes:
            labels = self._join((o["label"] for o in self.told.possible_outcomes), "、")
            body.append("  " + self._words("explain_possible", outcomes=labels))
        for fact in self.told.missing:
            body += wrap(fact.label, _WIDTH, "  - ")
            for case in fact.cases:
                values = self._join(case.values, "、")
                body += wrap(self._words("explain_if", value=values, result=case.result), _WIDTH, "      ")
        self._section("explain_missing", body)

    def _clauses(self) -> None:
        body = []
        for clause in self.told.clauses:
            body += wrap(f"{clause.label}  {clause.text}", _WIDTH, "  ", "      ")
        self._section("explain_clauses_open" if self.open else "explain_clauses", body)

    def _fact(self, fact: FactLine) -> list[str]:
        lines = wrap(self._colon(fact.label, fact.value_label), _WIDTH, "  ")
        for source in fact.sources:
            lines += wrap(source, _WIDTH, "      ", "        ")
        return lines

    def _other_facts(self) -> list[str]:
        lines = []
        for fact in self.told.other_facts:
            text = self._join([self._colon(fact.label, fact.value_label), *fact.sources], "；", "; ")
            lines += wrap(text, _WIDTH, "  ", "      ")
        return lines

    def _rules(self) -> list[str]:
        rules = self.told.rules
        if not rules:
            return []
        names = max(display_width(rule.rule) for rule in rules)
        states = max(display_width(rule.value_label) for rule in rules)
        lines = []
        for rule in rules:
            mark = _DECIDES if rule.decides else _PASSED
            start = f"  {mark} {pad(rule.rule, names)}  {pad(rule.value_label, states)}  "
            lines += wrap(self._rule_words(rule), _WIDTH, start)
        return lines

    def _rule_words(self, rule: RuleLine) -> str:
        words = rule.words
        asked = [name for name in rule.facts if name not in ("category", "subtype")]
        if rule.value == "unknown" and 0 < len(rule.unknown) < len(asked):
            unknown = self._join(rule.unknown, "、")
            words += f" [{self._words('explain_unknown_in', facts=unknown)}]"
        return words

    def _deadline(self) -> list[str]:
        deadline = self.told.deadline
        lines = []
        for schedule in deadline.schedules:
            lines += wrap(self._schedule(schedule, deadline.due_on), _WIDTH, "  ")
            for series in schedule["series"]:
                steps = (f"{m['on']} {share_text(m['share'])}" for m in series["milestones"])
                name = series["label"] or self._words("explain_milestone")
                text = self._colon(name, self._join(steps))
                lines += wrap(text, _WIDTH, "      ")
        if not deadline.schedules:
            lines.append("  " + self._words("explain_undecided" if self.open else "explain_no_schedule"))
        state = []
        if deadline.overdue is not None:
            code = "explain_overdue" if deadline.overdue else "explain_not_overdue"
            state.append(self._words(code, as_of=self.told.basis["as_of"]))
        if deadline.next_milestone_on is not None:
            share = share_text(deadline.next_milestone_share or 0.0)
            state.append(self._words("explain_next", on=deadline.next_milestone_on, share=share))
        if deadline.priority is not None:
            state.append(self._words("explain_priority", priority=deadline.priority))
        if deadline.zero_tolerance:
            state.append(self._words("explain_zero_tolerance"))
        if state:
            lines.append("  " + self._join(state, "；", "; "))
        return lines

    def _schedule(self, schedule: Any, due_on: date | None) -> str:
        label = str(schedule["label"])
        if schedule["clause"]:
            label = f"{label}（{schedule['clause']}）" if self.zh else f"{label} ({schedule['clause']})"
        if schedule["at_once"]:
            return label
        ends = [series["milestones"][-1]["on"] for series in schedule["series"] if series["milestones"]]
        due = max(ends) if ends else due_on
        if due is None:
            return self._words("explain_no_due", schedule=label)
        return self._words("explain_due", schedule=label, due=due)

    def _duties(self) -> None:
        body = []
        for column, code in _DUTIES.items():
            if column in self.told.duties:
                names = self.told.duties[column].replace(",", "、" if self.zh else ", ")
                body += wrap(self._colon(self._words(code), names), _WIDTH, "  ", "      ")
        self._section("explain_duties", body)

    def _steps(self) -> list[str]:
        lines = []
        for number, step in enumerate(self.told.steps, 1):
            notes = self._join([step["actor"], step["clause"]], "，")
            text = step["text"]
            if notes:
                text += f"（{notes}）" if self.zh else f" ({notes})"
            lines += wrap(text, _WIDTH, f"  {number:>2}. ")
        return lines

    def _parts(self) -> list[str]:
        lines = []
        for part in self.told.parts:
            area = (
                "" if part["area_m2"] is None else f"{area_text(part['area_m2'])}{'㎡' if self.zh else ' m2'}"
            )
            label = part["outcome_label"] or value_label("outcome", str(part["outcome"]), self.told.language)
            text = f"{part['parcel_id']}  {area}  {self._join([label, part['why'] or ''], '：', ': ')}"
            lines += wrap(text, _WIDTH, "  ", "      ")
        return lines

    def _issues(self) -> list[str]:
        lines = []
        for issue in self.told.issues:
            kind = value_label("severity", str(issue.get("severity") or ""), self.told.language)
            place = place_text(self._words, issue, self.told.language)
            text = (
                f"[{kind}] {self._join([place, str(issue.get('message') or issue.get('code'))], '：', ': ')}"
            )
            lines += wrap(text, _WIDTH, "  - ")
        return lines

    def _basis(self) -> None:
        basis = self.told.basis
        short = str(basis["rules_hash"]).removeprefix("sha256:")[:12]
        text = self._words(
            "explain_basis",
            book=f"{basis['rules']} {short}".strip(),
            as_of=basis["as_of"],
            area=basis["area"],
            version=basis["version"],
        )
        self.lines += ["", *wrap(text, _WIDTH)]
        if basis["readings_switched"]:
            readings = self._join(f"{name}={value}" for name, value in basis["readings_switched"].items())
            self.lines += wrap(self._words("explain_readings", readings=readings), _WIDTH, hanging="  ")
        self.lines += [line for note in self.told.notes for line in wrap(note, _WIDTH, hanging="  ")]


def _item(text: str) -> Sequence[str]:
    return wrap(text, _WIDTH, "  - ")
