"""Every completion of the unknown facts, without walking through each.

A program is an ordered list of (condition, leaf): the first condition that holds decides. Assigning one fact
at a time in a fixed order and merging equal remainders gives a decision diagram. Reduced, it is canonical: a
fact stands in it exactly when two completions that differ in that fact alone have different results.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from landremed.law.conditions import Complete, Condition, Group, Test

__all__ = [
    "SILENT",
    "Assumed",
    "Diagram",
    "Explorer",
    "Program",
    "Shared",
    "node",
    "simplified",
    "variables_in",
    "variables_of",
]


_SHARED_LIMIT = 100_000


class _Silent:
    def __repr__(self) -> str:
        return "SILENT"


SILENT = _Silent()
"""Result of a completion in which no rule holds."""


class Assumed(NamedTuple):
    """Mark among the results: this unknown fact was asked for, and counted as false."""

    fact: str


class Program(NamedTuple):
    """Ordered (condition, leaf) pairs; a leaf that is a program goes on there."""

    items: tuple[tuple[Condition, Hashable], ...]


class _Node(NamedTuple):
    variable: str
    children: tuple[Hashable, ...]


Diagram: TypeAlias = Hashable
"""A node, or a leaf."""


def simplified(condition: Condition) -> Condition:
    """Return the condition without needless groups."""
    if not isinstance(condition, Group):
        return condition
    return _regroup(condition.kind, [simplified(item) for item in condition.items])


def variables_of(program: Program) -> set[str]:
    """Return every variable that a program asks for; an assumed fact's has a ``?`` in front."""
    found: set[str] = set()
    for condition, leaf in program.items:
        _collect(condition, found)
        if isinstance(leaf, Program):
            found |= variables_of(leaf)
    return found


class Shared:
    """What explorers of one rule book found already: a program's result hangs on its own facts alone.

    Programs are known by identity; each is kept here, so that no other can take its place.
    """

    def __init__(self) -> None:
        self._names: dict[int, tuple[Program, tuple[str, ...]]] = {}
        self.leaves: dict[Hashable, frozenset[Hashable]] = {}
        self.diagrams: dict[Hashable, Diagram] = {}

    def names(self, program: Program) -> tuple[str, ...]:
        """Return the variables of a program in a fixed order."""
        known = self._names.get(id(program))
        if known is None:
            known = self._names[id(program)] = program, tuple(sorted(variables_of(program)))
        return known[1]

    def limit(self) -> None:
        """Forget results when there are too many."""
        if len(self.leaves) + len(self.diagrams) > _SHARED_LIMIT:
            self.leaves.clear()
            self.diagrams.clear()


class Explorer:
    """Walks the completions of programs over one set of possible values.

    Parameters
    ----------
    candidates : callable
        Fact -> its possible values; one when it is known.
    order : mapping of str to int
        Fixed order in which facts are assigned. Assumed facts come after all others.
    shared : Shared
        Results of explorers with the same order. Programs given to ``leaves`` and ``diagram`` must be lasting
        objects, not made for one call.
    """

    def __init__(
        self,
        candidates: Callable[[str], tuple[Complete, ...]],
        order: Mapping[str, int],
        shared: Shared,
    ) -> None:
        self._candidates = candidates
        self._order = order
        self._shared = shared
        self._leaves: dict[Program, frozenset[Hashable]] = {}
        self._diagrams: dict[Program, Diagram] = {}

    def leaves(self, program: Program) -> frozenset[Hashable]:
        """Return every result that some completion leads to."""
        key, known = self._key(program)
        found = self._shared.leaves.get(key)
        if found is None:
            self._shared.limit()
            found = self._shared.leaves[key] = self._walk(_assigned(program, known) if known else program)
        return found

    def diagram(self, program: Program) -> Diagram:
        """Return the reduced decision diagram."""
        key, known = self._key(program)
        if key not in self._shared.diagrams:
            self._shared.limit()
            self._shared.diagrams[key] = self._build(_assigned(program, known) if known else program)
        return self._shared.diagrams[key]

    def _key(self, program: Program) -> tuple[Hashable, dict[str, Complete]]:
        """Return what the result of a program hangs on, and the values of its known facts."""
        names = self._shared.names(program)
        values = [self._candidates(name.removeprefix("?")) for name in names]
        known = {name: value[0] for name, value in zip(names, values, strict=True) if len(value) == 1}
        return (id(program), *values), known

    def _next(self, program: Program) -> tuple[str, tuple[Complete, ...]]:
        """Return the fact to assign next, and its possible values."""
        asked = variables_of(program)
        open_facts = [name for name in asked if not name.startswith("?")]
        if open_facts:
            name = min(open_facts, key=self._order.__getitem__)
            return name, self._candidates(name)
        return min(asked), (False,)

    def _walk(self, program: Program) -> frozenset[Hashable]:
        found = self._leaves.get(program)
        if found is None:
            found = self._leaves[program] = self._walked(program)
        return found

    def _walked(self, program: Program) -> frozenset[Hashable]:
        if not program.items:
            return frozenset((SILENT,))
        condition, leaf = program.items[0]
        if condition is True:
            return self._walk(leaf) if isinstance(leaf, Program) else frozenset((leaf,))
        name, values = self._next(program)
        results: set[Hashable] = {Assumed(name[1:])} if name.startswith("?") else set()
        for value in values:
            results |= self._walk(_assigned(program, {name: value}))
        return frozenset(results)

    def _build(self, program: Program) -> Diagram:
        found = self._diagrams.get(program)
        if found is None:
            found = self._diagrams[program] = self._built(program)
        return found

    def _built(self, program: Program) -> Diagram:
        if not program.items:
            return SILENT
        condition, leaf = program.items[0]
        if condition is True:
            return self._build(leaf) if isinstance(leaf, Program) else leaf
        name, values = self._next(program)
        return node(name, [self._build(_assigned(program, {name: value})) for value in values])


def node(name: str, children: Iterable[Diagram]) -> Diagram:
    """Return a diagram that asks for one variable, unless all its answers lead to the same."""
    found = tuple(children)
    return found[0] if all(child == found[0] for child in found) else _Node(name, found)


def variables_in(diagram: Diagram) -> set[str]:
    """Return the variables on which the result of a reduced diagram hangs."""
    found: set[str] = set()
    seen: set[int] = set()
    stack = [diagram]
    while stack:
        entry = stack.pop()
        if isinstance(entry, _Node) and id(entry) not in seen:
            seen.add(id(entry))
            found.add(entry.variable)
            stack.extend(entry.children)
    return found


def _assign(condition: Condition, values: Mapping[str, Complete]) -> Condition:
    """Return what is left of a condition when some variables have a value."""
    if isinstance(condition, Test):
        variable = f"?{condition.fact}" if condition.assumed else condition.fact
        return condition.holds(values[variable]) if variable in values else condition
    if isinstance(condition, Group):
        items = [_assign(item, values) for item in condition.items]
        if all(new is old for new, old in zip(items, condition.items, strict=True)):
            return condition
        return _regroup(condition.kind, items)
    return condition


def _assigned(program: Program, values: Mapping[str, Complete]) -> Program:
    items: list[tuple[Condition, Hashable]] = []
    for condition, leaf in program.items:
        rest = _assign(condition, values)
        if rest is False:
            continue
        items.append((rest, _assigned(leaf, values) if isinstance(leaf, Program) else leaf))
        if rest is True:
            break
    return Program(tuple(items))


def _regroup(kind: Literal["all", "any"], items: Iterable[Condition]) -> Condition:
    absorbing = kind == "any"
    kept: list[Condition] = []
    for item in items:
        if isinstance(item, bool):
            if item is absorbing:
                return absorbing
        else:
            kept.append(item)
    if not kept:
        return not absorbing
    return kept[0] if len(kept) == 1 else Group(kind, tuple(kept))


def _collect(condition: Condition, found: set[str]) -> None:
    if isinstance(condition, Test):
        found.add(f"?{condition.fact}" if condition.assumed else condition.fact)
    elif isinstance(condition, Group):
        for item in condition.items:
            _collect(item, found)
