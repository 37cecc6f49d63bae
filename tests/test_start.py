"""What a command imports before it knows that it can do its work, and what it never needs."""

import json
import subprocess
import sys

import pytest

import landremed

PROGRAM = """
import json, sys
sys.argv = ["landremed", *json.loads(sys.argv[1])]
from landremed_cli.main import main
try:
    main()
except SystemExit as end:
    status = end.code
{more}
print(json.dumps([status, sorted(name for name in sys.modules if "." not in name)]))
"""


def run(*arguments, more=""):
    command = [sys.executable, "-c", PROGRAM.format(more=more), json.dumps([str(a) for a in arguments])]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    status, modules = json.loads(ended.stdout.splitlines()[-1])
    return status, set(modules), ended.stderr


@pytest.mark.parametrize(
    ("parcels", "farmland", "missing"),
    [
        (None, None, "missing.toml"),
        ("plots.gpkg", "farmland.gpkg", "plots.gpkg"),
        ("parcels.gpkg", "fields.gpkg:farmland", "fields.gpkg"),
        ("parcels.gpkg:parcels", "fields.gpkg|layername=farmland", "fields.gpkg"),
    ],
)
def test_missing_files_are_told_before_anything_large_is_imported(tmp_path, parcels, farmland, missing):
    name = "missing.toml"
    if parcels:
        (tmp_path / "parcels.gpkg").write_bytes(b"")
        (tmp_path / "farmland.gpkg").write_bytes(b"")
        name = "project.toml"
        text = f'[parcels]\npath = "{parcels}"\n[layers.permanent_basic_farmland]\npath = "{farmland}"\n'
        (tmp_path / name).write_text(f'[project]\nrules = "binhai-2022"\nas_of = 2022-06-30\n{text}')
    status, modules, told = run("run", tmp_path / name, "-o", tmp_path / "out.gpkg")
    assert status == 1
    assert missing in told
    assert not modules & {"numpy", "pandas", "pyarrow", "pyogrio", "shapely"}


def test_a_run_does_without_pandas_and_data_frames_are_there_afterwards(tmp_path):
    landremed.write_samples(tmp_path / "district")
    later = "apart = 'pandas' not in sys.modules\nimport pyarrow as pa, geopandas\n"
    later += "assert apart and pa.table({'a': [1, 2]}).to_pandas()['a'].sum() == 3"
    status, modules, _ = run(
        "run", tmp_path / "district" / "project.toml", "-o", tmp_path / "out.gpkg", more=later
    )
    assert status in (0, 3)
    assert {"pandas", "geopandas", "pyogrio"} <= modules
