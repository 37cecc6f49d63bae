"""Every code used when files are brought in has its text, in both languages, with the same placeholders."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from landremed.text import catalogue

ROOT = Path(__file__).resolve().parents[1] / "landremed"
AREAS = ["io", "crs", "given"]
MODULES = sorted(
    p
    for pattern in ("io/*.py", "crs*.py", "repair.py", "values.py", "given*.py")
    for p in ROOT.glob(pattern)
    if p.name != "gpkg.py"
)


def used_codes(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    firsts = [c.args[0] for c in calls if getattr(c.func, "id", "") in {"InputError", "CrsError", "Finding"}]
    return {node.value for node in firsts if isinstance(node, ast.Constant)}


def placeholders(text: str) -> set[str]:
    return {name.split("!")[0] for name in re.findall(r"{(\w+(?:!\w)?)}", text)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_codes_are_in_the_catalogue(path: Path) -> None:
    assert used_codes(path) <= set(catalogue())


@pytest.mark.parametrize("area", AREAS)
def test_both_languages_say_the_same(area: str) -> None:
    import yaml

    for code, entry in yaml.safe_load((ROOT / "messages" / f"{area}.yaml").read_text("utf-8")).items():
        assert ("hint_en" in entry) == ("hint_zh" in entry), code
        both = [entry["en"] + entry.get("hint_en", ""), entry["zh"] + entry.get("hint_zh", "")]
        assert placeholders(both[0]) == placeholders(both[1]), code
        assert entry.get("severity", "error") in {"error", "warning", "info"}, code


def test_no_text_is_left_over() -> None:
    import yaml

    written = "".join(p.read_text(encoding="utf-8") for p in ROOT.rglob("*.py"))
    for area in AREAS:
        for code in yaml.safe_load((ROOT / "messages" / f"{area}.yaml").read_text("utf-8")):
            assert f'"{code}"' in written, code


def test_every_stage_has_words_in_both_languages():
    texts = [path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")]
    named = {name for text in texts for name in re.findall(r'\bstage\("([^"]+)"\)', text)}
    assert len(named) > 15
    for name in named:
        words = catalogue()[f"stage_{name.replace(' ', '_')}"]
        assert words["en"]
        assert words["zh"]
