"""The wheel holds what the source tree holds, and commands start fast."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HOMES = {"landremed_cli": "cli", "landremed_rules": "rules", "landremed_samples": "data/samples"}


def test_packages_are_the_folders():
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    found = {
        ".".join(p.parent.relative_to(ROOT).parts)
        for p in (ROOT / "landremed").rglob("__init__.py")
        if "__pycache__" not in p.parts
    }
    assert listed == found | set(HOMES)


@pytest.mark.parametrize("folder", HOMES.values())
def test_mapped_folders_are_packages(folder):
    """Without an ``__init__.py`` an editable install loses them."""
    tree = ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_installed_data_is_complete():
    from importlib.resources import files

    rules = {p.name for p in (ROOT / "rules" / "binhai-2022").glob("*.yaml")}
    assert rules <= {p.name for p in files("landremed_rules").joinpath("binhai-2022").iterdir()}
    samples = {p.name for p in (ROOT / "data" / "samples").iterdir() if p.suffix not in (".py", "")}
    assert samples <= {p.name for p in files("landremed_samples").iterdir()}
    messages = {p.name for p in (ROOT / "landremed" / "messages").glob("*.yaml")}
    assert messages <= {p.name for p in files("landremed.messages").iterdir()}


def test_help_imports_nothing_heavy():
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "landremed_cli", "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in run.stderr.splitlines()}
    heavy = {
        "numpy",
        "pandas",
        "pyarrow",
        "shapely",
        "pyproj",
        "pyogrio",
        "fiona",
        "rasterio",
        "yaml",
        "numba",
    }
    assert not imported & heavy
    assert "Commands:" in run.stdout


def test_one_sample_project():
    assert [p.name for p in (ROOT / "data" / "samples").rglob("*.toml")] == ["project.toml"]
