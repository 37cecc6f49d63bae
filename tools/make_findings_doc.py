"""Write ``docs/findings.md`` from the message catalogue: every finding, its default severity and its text.

Usage: python tools/make_findings_doc.py
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml

TARGET = Path(__file__).resolve().parents[1] / "docs" / "findings.md"
HEAD = """# Findings

Every finding of `landremed check`, `landremed run` and the other commands, with its stable code. This page is
made from the message catalogue by `tools/make_findings_doc.py`.

`error` makes `check` end with 1, `warning` with 3; both make `run` end with 3. An `info` changes no exit
status.
A project file may set another severity for each code, or switch it off:

```toml
[severity]
layer_undated = "warning"
parcels_gap = "off"
```

A fault that stops a command is not listed here; its sentence says what to do. In `check` such a fault of one
layer or table is the finding `input_unusable`, so that one pass tells all of them.
"""
TITLES = {
    "checks": "Found by `landremed check`",
    "crs": "Coordinate systems",
    "given": "Facts from attributes and evidence",
    "io": "Reading files",
    "pipeline": "Parcels and layers",
    "slivers": "Small overlaps (docs/slivers.md)",
    "convert": "Converting",
    "overlay": "Measuring",
    "ledger": "Ledger",
    "review": "Field reviews",
    "verify": "Rasters",
}


def document() -> str:
    """Return the page."""
    lines = [HEAD]
    for path in sorted(resources.files("landremed.messages").iterdir(), key=lambda p: _order(p.name)):
        if not path.name.endswith(".yaml"):
            continue
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        findings = {code: entry for code, entry in entries.items() if "severity" in entry}
        if not findings:
            continue
        area = path.name.removesuffix(".yaml")
        lines.append(f"\n## {TITLES.get(area, area.capitalize())}\n")
        lines.append("| code | severity | says | 中文 |\n|---|---|---|---|")
        for code in sorted(findings):
            entry = findings[code]
            en = f"{entry['en']} {entry.get('hint_en', '')}".strip()
            zh = f"{entry['zh']}{entry.get('hint_zh', '')}"
            lines.append(f"| `{code}` | {entry['severity']} | {_cell(en)} | {_cell(zh)} |")
    return "\n".join(lines) + "\n"


def _order(name: str) -> tuple[bool, str]:
    return not name.startswith("checks"), name


def _cell(text: str) -> str:
    return (
        " ".join(text.split())
        .replace("|", "\\|")
        .replace("problem_en", "problem")
        .replace("problem_zh", "problem")
    )


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
