"""Who may import whom, held against the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# module of landremed -> modules of landremed it may use (its own package is always allowed)
BASE = {"types", "errors", "late", "text", "threads"}
ALLOWED = {
    "errors": {"text"},
    "late": set(),
    "types": set(),
    "threads": set(),
    "text": {"errors"},
    "messages": set(),
    "tables": BASE,
    "law": BASE,
    "ledger": BASE | {"tables", "provenance", "law", "io", "values"},
    "crs": BASE | {"tables", "io"},
    "io": BASE | {"tables", "crs"},
    "repair": BASE | {"tables", "io", "overlay"},
    "values": BASE,
    "given": BASE | {"tables", "values", "io"},
    "area": BASE | {"crs"},
    "overlay": BASE | {"crs", "area", "tables", "io"},
    "project": BASE | {"io", "law"},
    "layers": BASE | {"tables", "crs", "io", "repair", "overlay", "project"},
    "measure": BASE | {"tables", "layers", "law", "overlay"},
    "reuse": BASE
    | {"io", "law", "layers", "measure", "overlay", "project", "provenance", "repair", "sensitivity"}
    | {"slivers", "tables"},
    "facts": BASE | {"tables", "law", "measure", "project"},
    "units": BASE | {"facts", "measure", "project"},
    "numbering": set(),
    "decisions": BASE | {"tables", "law", "numbering", "trace_table"},
    "trace_table": BASE | {"tables", "law", "numbering"},
    "why": BASE | {"law", "tables"},
    "parts": BASE | {"facts", "law", "layers", "measure", "overlay", "project"},
    "same_place": BASE | {"overlay"},
    "provenance": BASE | {"tables", "io"},
    "summary": BASE | {"area", "decisions", "tables"},
    "overlay_tables": BASE | {"tables", "area", "layers", "measure"},
    "sensitivity": BASE
    | {"decisions", "facts", "law", "layers", "measure", "overlay", "parts", "project", "tables"},
    "slivers": BASE | {"crs", "facts", "io", "layers", "measure", "overlay", "project", "tables"},
    "results": BASE
    | {
        "tables",
        "area",
        "decisions",
        "facts",
        "law",
        "measure",
        "numbering",
        "project",
        "sensitivity",
        "units",
        "why",
    },
    "report": BASE
    | {
        "tables",
        "provenance",
        "law",
        "ledger",
        "io",
        "explain",
        "area",
        "crs",
        "overlay",
        "layers",
        "project",
    },
    "explain": BASE | {"tables", "law", "io", "report", "why"},
    "written": BASE | {"io"},
    "frames": BASE | {"tables", "io", "overlay"},
    "samples": BASE | {"project"},
    "convert": BASE | {"area", "crs", "io", "layers", "tables"},
    "inspect": BASE | {"crs", "given", "io", "law", "layers", "project", "report", "tables", "values"},
    "checks": BASE
    | {
        "area",
        "given",
        "inspect",
        "io",
        "law",
        "layers",
        "output",
        "overlay",
        "overlay_tables",
        "pipeline",
        "project",
    }
    | {"report", "same_place", "tables", "values"},
    "review": BASE
    | {"area", "crs", "decisions", "explain", "facts", "io", "law", "project", "provenance", "report"}
    | {"tables", "trace_table", "values", "why"},
    "diff": BASE
    | {"api", "area", "explain", "facts", "io", "law", "ledger", "measure", "output", "overlay_file"}
    | {"pipeline", "project", "provenance", "report", "same_place", "tables"},
    "verify": BASE
    | {"api", "area", "crs", "io", "law", "ledger", "project", "provenance", "report", "tables", "values"},
}
FAMILIES = {
    "decision_elements": "decisions",
    "convert_losses": "convert",
    "crs_guard": "crs",
    "crs_kinds": "crs",
    "project_spec": "project",
    "project_check": "project",
} | {f"given_{name}": "given" for name in ("columns", "draft", "scopes")}
EVERYTHING = {
    "pipeline",
    "output",
    "partitions",
    "partly",
    "overlay_file",
    "api",
    "remeasure",
    "result_project",
}
FOR_COMMANDS = {"errors", "text", "samples", "explain", "law", "ledger", "report", "review", "verify"}
FOR_COMMANDS |= {"checks", "convert", "diff", "inspect", "partitions", "reuse"}
HEAVY_FOR_LAW = {"numpy", "pandas", "geopandas", "shapely", "pyarrow", "pyogrio", "click"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            if node.module == "landremed":
                yield from (f"landremed.{alias.name}" for alias in node.names)


def sources(folder):
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


@pytest.mark.parametrize("path", sources("landremed"), ids=lambda p: str(p.relative_to(ROOT)))
def test_library_imports(path):
    parts = path.relative_to(ROOT / "landremed").with_suffix("").parts
    own = FAMILIES.get(parts[0], parts[0])
    if own == "__init__":
        return
    for name in imports(path):
        assert name != "cli"
        assert name.split(".")[0] not in {"click", "landremed_cli"}
        if own == "law":
            assert name.split(".")[0] not in HEAVY_FOR_LAW
        if name.startswith("landremed.") and own not in EVERYTHING:
            used = FAMILIES.get(name.split(".")[1], name.split(".")[1])
            assert used == own or used in ALLOWED[own], f"{own} may not import {used}"


@pytest.mark.parametrize("path", sources("cli"), ids=lambda p: p.name)
def test_commands_use_public_names(path):
    for name in imports(path):
        assert name != "cli"
        if name.startswith("landremed.") and not name.startswith("landremed_cli"):
            assert name.split(".")[1] in FOR_COMMANDS | public()


def public():
    tree = ast.parse((ROOT / "landremed" / "__init__.py").read_text(encoding="utf-8"))
    names = next(
        n.value
        for n in tree.body
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and n.targets[0].id == "__all__"
    )
    return {constant.value for constant in names.elts}


def test_library_does_not_print():
    for path in sources("landremed"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path
