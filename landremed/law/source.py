"""YAML as rule books use it: plain text only, and the line of everything.

Every scalar stays text (``3.10``, ``no`` and ``2022-02-28`` are not turned into numbers, booleans or dates);
whoever reads a value says what it must be. Tags, anchors, aliases and repeated keys are refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from importlib.resources.abc import Traversable
from typing import NamedTuple, TypeAlias

import yaml

from landremed.errors import RuleBookError, Where

__all__ = ["Block", "Item", "Label", "Page", "Rows", "Text", "decoded", "nearest", "parse_date"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 40
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


class Text(str):
    """A scalar with its line."""

    line: int

    def __new__(cls, value: str, line: int) -> Text:
        """Make a text that knows its line."""
        self = super().__new__(cls, value)
        self.line = line
        return self


class Rows(list["Item"]):
    """A list with its line."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class Block(dict[str, "Item"]):
    """A mapping with its line and those of its keys."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.key_lines: dict[str, int] = {}


Item: TypeAlias = Text | Rows | Block


class Label(NamedTuple):
    """A text in both languages."""

    zh: str
    en: str

    def of(self, language: str) -> str:
        """Return the text in ``zh`` or ``en``."""
        return self.zh if language == "zh" else self.en


def decoded(path: Traversable, problems: list[RuleBookError]) -> str:
    """Return the text of a file, an empty page and a problem where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        problems.append(RuleBookError("law_unreadable", Where(file=path.name), problem=str(error)))
        return "{}"


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return the valid word most like ``word`` ("" when there is none at all)."""
    words = sorted(set(valid))
    if not words:
        return ""
    return max(words, key=lambda w: difflib.SequenceMatcher(None, word.lower(), w.lower()).ratio())


def parse_date(text: str) -> date | None:
    """Read ``YYYY-MM-DD``; None when it is no date."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


@dataclass
class Page:
    """One YAML file being read; faults are collected with file and line.

    Attributes
    ----------
    file : str
        Name shown in messages.
    content : Block
        The file's top mapping (empty when it could not be read).
    problems : list of RuleBookError
        Shared by all files of one rule book.
    """

    file: str
    problems: list[RuleBookError]
    content: Block = field(default_factory=lambda: Block(1))

    @classmethod
    def read(cls, text: str, file: str, problems: list[RuleBookError]) -> Page:
        """Parse the text of one file."""
        page = cls(file, problems)
        try:
            events = yaml.parse(text, Loader=_LOADER)
            top = page._document(iter(events))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            page.fault("law_yaml", mark.line + 1 if mark else 1, problem=problem)
        except RuleBookError as error:
            problems.append(error)
        else:
            if isinstance(top, Block):
                page.content = top
            else:
                page.fault("law_not_a_mapping", top.line if top is not None else 1, what="the file")
        return page

    def fault(self, code: str, line: int, **params: object) -> None:
        """Add a problem."""
        self.problems.append(self._error(code, line, **params))

    def keys(self, block: Block, what: str, required: Iterable[str], optional: Iterable[str] = ()) -> bool:
        """Check a mapping's keys; return whether all required ones stand there."""
        required = tuple(required)
        valid = {*required, *optional}
        for key in block:
            if key not in valid:
                self.fault(
                    "law_unknown_key", block.key_lines[key], key=key, what=what, nearest=nearest(key, valid)
                )
        missing = [key for key in required if key not in block]
        for key in missing:
            self.fault("law_missing_key", block.line, key=key, what=what)
        return not missing

    def blocks(self, item: Item | None, what: str) -> Iterator[Block]:
        """Yield the mappings of a list (nothing when the key is absent)."""
        if item is None:
            return
        for entry in item if isinstance(item, Rows) else [item]:
            if isinstance(entry, Block):
                yield entry
            else:
                self.fault("law_not_a_mapping", entry.line, what=what)

    def block(self, item: Item | None, what: str) -> Block:
        """Return a mapping (empty when the key is absent or something else stands there)."""
        if isinstance(item, Block):
            return item
        if item is not None:
            self.fault("law_not_a_mapping", item.line, what=what)
        return Block(item.line if item is not None else 1)

    def text(self, block: Block, key: str, default: str = "") -> Text:
        """Return a scalar."""
        item = block.get(key)
        if item is None:
            return Text(default, block.line)
        if not isinstance(item, Text):
            self.fault("law_not_text", item.line, key=key)
            return Text(default, item.line)
        return item

    def texts(self, block: Block, key: str) -> tuple[Text, ...]:
        """Return a list of scalars; one scalar counts as a list of one."""
        item = block.get(key)
        if item is None:
            return ()
        found: list[Text] = []
        for entry in item if isinstance(item, Rows) else [item]:
            if isinstance(entry, Text):
                found.append(entry)
            else:
                self.fault("law_not_text", entry.line, key=key)
        return tuple(found)

    def flag(self, block: Block, key: str, default: bool) -> bool:
        """Return a yes/no."""
        if key not in block:
            return default
        text = self.text(block, key)
        if text not in _BOOLEANS:
            self.fault("law_type_mismatch", text.line, name=key, value=str(text), expected="yes/no")
        return _BOOLEANS.get(text, default)

    def day(self, text: Text, name: str) -> date:
        """Return a day written as YYYY-MM-DD."""
        day = parse_date(text)
        if day is None:
            self.fault("law_type_mismatch", text.line, name=name, value=str(text), expected="YYYY-MM-DD")
        return day or date.max

    def label(self, block: Block, key: str = "") -> Label:
        """Return ``{zh:, en:}``, of the mapping itself or of one of its keys."""
        if key:
            block = self.block(block.get(key, Block(block.line)), key)
            self.keys(block, key, ("zh", "en"))
        return Label(str(self.text(block, "zh")), str(self.text(block, "en")))

    def _error(self, code: str, line: int, **params: object) -> RuleBookError:
        return RuleBookError(code, Where(file=self.file, row=line), **params)

    def _document(self, events: Iterator[yaml.Event]) -> Item | None:
        top: Item | None = None
        for event in events:
            if isinstance(event, yaml.NodeEvent):
                if top is not None:
                    raise self._error("law_yaml", _line(event), problem="more than one document")
                top = self._item(event, events, 0)
        return top

    def _item(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Item:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._error("law_alias", line)
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._error("law_tag", line, tag=tag)
        if depth > _MAX_DEPTH:
            raise self._error("law_yaml", line, problem="nested too deeply")
        if isinstance(event, yaml.ScalarEvent):
            return Text(event.value, line)
        if isinstance(event, yaml.SequenceStartEvent):
            rows = Rows(line)
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                rows.append(self._item(event, events, depth + 1))
            return rows
        block = Block(line)
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._item(event, events, depth + 1)
            if not isinstance(key, Text):
                raise self._error("law_yaml", key.line, problem="a key must be one word")
            value = self._item(next(events), events, depth + 1)
            if key in block:
                raise self._error("law_duplicate_key", key.line, key=str(key))
            block[str(key)] = value
            block.key_lines[str(key)] = key.line
        return block


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 1
